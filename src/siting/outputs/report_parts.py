"""What the pages that are drawn from written plans share: words, style, sections, bars, keys."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from siting.domain import Facility
from siting.outputs.alliance_charts import render_bar
from siting.outputs.page import PageLanguage, Phrases, read_asset, show_number
from siting.outputs.report_map import DENSITY_COLOURS, STATION_KEY, find_density_steps
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from siting.case import SitingCase
    from siting.outputs.written_plan import WrittenPlan

ASSETS = "report_assets"
ROUNDING = 1e-6
STATES = ("today", "unified", "joint")
STATE_COLOURS = {"today": "#b4aeb8", "unified": "#8cc5ba", "alone": "#8a8892", "joint": "#c8400f"}


def read_style() -> str:
    """Return the style of the pages that are drawn from written plans."""
    return read_asset("alliance_assets", "page.css") + read_asset(ASSETS, "report.css")


def read_words(facility: Facility, language: PageLanguage, *more: str) -> Phrases:
    """Return the words of the pages that are drawn from written plans, and those of more assets."""
    texts = json.loads(read_asset(ASSETS, "texts.json"))
    if facility is Facility.SERVICE_CENTRE:
        texts |= json.loads(read_asset(ASSETS, "service_centre_texts.json"))
    for name in more:
        texts |= json.loads(read_asset(ASSETS, name))
    return Phrases(texts=texts, language=language)


def show_gap(plan: WrittenPlan) -> str:
    """Return the gap in per cent, rounded up: what a plan can fall short of is never made less."""
    return show_at_most(plan.solve["gap"])


def show_at_most(share: float) -> str:
    """Return a share in per cent, rounded up to the second digit."""
    return show_number(math.ceil(share * 1e4 - ROUNDING) / 100, 2)


def show_gap_asked(plan: WrittenPlan) -> str:
    """Return the gap asked for in per cent."""
    return f"{100 * plan.solve['gap_asked']:g}"


def render_section(title: str, intro: str, content: str, *, css_class: str = "") -> str:
    """Return a section under its title."""
    words = f'<p class="intro">{intro}</p>' if intro else ""
    named = f' class="{css_class}"' if css_class else ""
    return f"<section{named}><h2>{title}</h2>{words}{content}</section>"


def render_top(words: Phrases, eyebrow: str) -> str:
    """Return the line above a page's title, with the switch of the languages if there are two."""
    switch = (
        '<span class="languages"><label for="lang-en" lang="en">English</label>'
        '<label for="lang-zh" lang="zh">中文</label></span>'
        if words.language is PageLanguage.BOTH
        else ""
    )
    return f'<div class="top"><span class="eyebrow">{words.say(eyebrow)}</span>{switch}</div>'


def render_made(words: Phrases, plans: Sequence[WrittenPlan]) -> str:
    """Return what of the plans' data is made, each note once; nothing if all of it is real."""
    notes: list[str] = []
    for plan in plans:
        note = plan.manifest.get("illustrative_note")
        if note is not None:
            notes.append(words.show(as_both(note)))
        elif plan.manifest.get("illustrative"):
            notes.append(words.say("illustrative_plain"))
    if not notes:
        return ""
    told = "".join(f"<span>{note}</span>" for note in dict.fromkeys(notes))
    return f'<div class="made"><b>{words.say("illustrative")}</b>{told}</div>'


def render_made_of(case: SitingCase, words: Phrases) -> str:
    """Return what of a case's data is made; nothing if all of it is real."""
    if not case.illustrative:
        return ""
    note = case.study.illustrative_note
    told = (
        words.say("illustrative_plain") if note is None else words.show(as_both(note.model_dump()))
    )
    return f'<div class="made"><b>{words.say("illustrative")}</b><span>{told}</span></div>'


def render_state_bars(share_by_state: Mapping[str, float]) -> str:
    """Return a bar a state, one under the other."""
    return "".join(
        render_bar(share, colour=STATE_COLOURS[state]) for state, share in share_by_state.items()
    )


def render_state_key(
    words: Phrases, states: Iterable[str], *, colours: Iterable[str] = STATES
) -> str:
    """Return what the bars' colours mean, in the bars' order."""
    items = "".join(
        f"<li>{render_box(STATE_COLOURS[colour])}{words.say(state)}</li>"
        for state, colour in zip(_state_texts(states), colours, strict=True)
    )
    return f'<ul class="legend">{items}</ul>'


def _state_texts(states: Iterable[str]) -> list[str]:
    return [state if state.startswith("state_") else f"state_{state}" for state in states]


def render_ground_keys(words: Phrases, drawing: dict[str, Any]) -> list[str]:
    """Return what stands for stations and for demand on the still map."""
    keys = []
    if drawing["stations"]["id"]:
        keys.append(f"{STATION_KEY}{words.say('key_station')}")
    steps = [f"{step:,.0f}" if step >= 1 else f"{step:g}" for step in find_density_steps(drawing)]
    if steps:
        names = [f"&lt; {steps[0]}", *(f"≥ {step}" for step in steps)]
        boxes = "".join(
            f'<span class="step">{render_box(colour)}{name}</span>'
            for colour, name in zip(DENSITY_COLOURS, names, strict=False)
        )
        keys.append(f'{words.say("key_demand")}<span class="steps">{boxes}</span>')
    return keys


def render_box(colour: str) -> str:
    """Return a small square of a colour."""
    return (
        '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect width="10" height="10" fill="{colour}"/></svg>'
    )


def render_list(items: Iterable[str], *, css_class: str) -> str:
    """Return a list, numbered if its class says so."""
    tag = "ol" if css_class == "numbered" else "ul"
    return f'<{tag} class="{css_class}">{"".join(f"<li>{item}</li>" for item in items)}</{tag}>'
