"""What every page without a script shares: two languages, escaping, tables, figures, the frame.

Such a page asks nothing of the network and runs nothing: the switch between the languages is a
radio button, and a Content-Security-Policy forbids every script and everything from outside.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import TYPE_CHECKING, Self

from siting.domain import FEN_PER_CNY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MILLION = 1e6
LOCAL_DIGITS = 2
NARROW_SPACE = "\u202f"
MISSING = "–"


class PageLanguage(StrEnum):
    """Which languages a page holds; with both, the reader switches."""

    EN = "en"
    ZH = "zh"
    BOTH = "both"


HTML_LANGUAGE = {PageLanguage.EN: "en", PageLanguage.ZH: "zh-CN", PageLanguage.BOTH: "en"}


@dataclass(frozen=True, slots=True)
class Both:
    """A text in both languages, as it stands in the data or the texts: not yet HTML."""

    en: str
    zh: str


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """A page's words: its texts by key, and the languages that it holds.

    Attributes
    ----------
    texts
        Key to ``{"en": …, "zh": …}``, with places in braces for values.
    language
        The languages of the page.
    """

    texts: Mapping[str, Mapping[str, str]]
    language: PageLanguage = PageLanguage.BOTH

    @classmethod
    def read(cls, *path: str, language: PageLanguage = PageLanguage.BOTH) -> Self:
        """Read the texts of an asset."""
        return cls(texts=json.loads(read_asset(*path)), language=language)

    def fill(self, key: str, **values: str | Both) -> Both:
        """Return a text with values from the data put in."""
        text = self.texts[key]
        as_both = {k: v if isinstance(v, Both) else Both(v, v) for k, v in values.items()}
        return Both(
            text["en"].format(**{k: v.en for k, v in as_both.items()}),
            text["zh"].format(**{k: v.zh for k, v in as_both.items()}),
        )

    def say(self, key: str, **values: str | Both) -> str:
        """Return a text as HTML, with values from the data put in."""
        return self.show(self.fill(key, **values))

    def show(self, text: Both) -> str:
        """Return a text as HTML in the languages of the page."""
        if self.language is not PageLanguage.BOTH:
            return escape(text.en if self.language is PageLanguage.EN else text.zh)
        return show_both(text)


def render_page(
    body: str,
    *,
    title: str,
    style: str,
    language: PageLanguage = PageLanguage.BOTH,
) -> bytes:
    """Return a whole page: its body in a frame that lets nothing run and nothing be fetched.

    Parameters
    ----------
    body
        HTML of which every text went through `escape`.
    title
        Not yet HTML.
    style
        The page's only style, named in the policy by its hash.
    language
        With both, the radio buttons of the switch stand before the body.
    """
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    switch = [
        '<input class="switch" type="radio" name="lang" id="lang-en" checked>',
        '<input class="switch" type="radio" name="lang" id="lang-zh">',
    ]
    return "\n".join(
        [
            f'<!DOCTYPE html>\n<html lang="{HTML_LANGUAGE[language]}">\n<head>',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light">',
            f"<title>{escape(title)}</title>",
            f"<style>{style}</style>\n</head>\n<body>\n<main>",
            *(switch if language is PageLanguage.BOTH else []),
            f'<div class="page">\n{body}\n</div>\n</main>\n</body>\n</html>\n',
        ]
    ).encode()


def read_asset(*path: str) -> str:
    """Return a text file of the outputs' assets."""
    return resources.files("siting.outputs").joinpath(*path).read_text("utf-8")


def escape(value: object) -> str:
    """Return a text from the data as HTML that shows it and does nothing else."""
    return html.escape(str(value), quote=True)


def show_both(text: Both) -> str:
    """Return a text as HTML in both languages, of which the page shows one."""
    if text.en == text.zh:
        return escape(text.en)
    return (
        f'<span class="en" lang="en">{escape(text.en)}</span>'
        f'<span class="zh" lang="zh">{escape(text.zh)}</span>'
    )


def render_row(head: str, cells: Iterable[str]) -> str:
    """Return a table's row: its head and its cells, which are HTML."""
    return f"<tr><th>{head}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def render_table(head: str, rows: Iterable[str], foot: str = "") -> str:
    """Return a table that scrolls sideways where it must."""
    return (
        f'<div class="scroll" tabindex="0"><table><thead>{head}</thead>'
        f"<tbody>{''.join(rows)}</tbody>{foot}</table></div>"
    )


def show_number(value: float, digits: int) -> str:
    """Return a figure with thousands set apart; a dash for what is unknown."""
    if not math.isfinite(value):
        return MISSING
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:  # no minus before a zero
        text = text.lstrip("-")
    return text.replace("-", "−")


def show_millions(cny: float) -> str:
    """Return an amount in millions."""
    return show_number(cny / MILLION, LOCAL_DIGITS)


def show_signed(text: str) -> str:
    """Return a figure with its sign, a zero and a dash without."""
    if text[0] in f"{MISSING}−" or not text.strip("0.,"):
        return text
    return f"+{text}"


def show_percent(share: float, digits: int = 0) -> str:
    """Return a share in per cent."""
    return f"{show_number(100 * share, digits)}{NARROW_SPACE}%"


def show_fen(fen: int) -> str:
    """Return an amount given in fen, in CNY."""
    return show_cny(fen / FEN_PER_CNY)


def show_cny(cny: float) -> str:
    """Return an amount in CNY, to the fen."""
    return show_number(cny, LOCAL_DIGITS)
