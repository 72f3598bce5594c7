"""The maps: each one HTML file that opens from a USB stick and never asks the network for anything.

folium builds the page's frame. It compiles what it renders a second time as a template, so the
frame holds no text from the data, nor any script: those are put in afterwards, the data as one
JSON block that only our own script reads, and shows by ``textContent``. A Content-Security-Policy
names every script and style by its hash; anything else is refused by the browser.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import folium
from folium.template import Template

from siting.domain import Facility
from siting.outputs.check_payload import build_check_payload
from siting.outputs.map_payload import build_map_payload
from siting.study import TILE_URL_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from siting.diagnosis import Diagnosis
    from siting.plan import SitingPlan

STYLES = ("vendor/leaflet/leaflet.css", "own/map.css")
SHARED_SCRIPTS = (
    "vendor/leaflet/leaflet.js",
    "own/codec.js",
    "own/numbers.js",
    "own/geometry.js",
    "own/elements.js",
    "own/canvas.js",
    "own/shell.js",
    "own/layers.js",
)
SHARED_TEXTS = "own/texts.json"
SERVICE_CENTRE_TEXTS = "own/service_centre_texts.json"
BODY = "own/body.html"

UNUSED_LEAFLET_IMAGES = (
    "images/layers.png",
    "images/layers-2x.png",
    "images/marker-icon.png",
)
"""Pictures of Leaflet controls that this page does not have."""
PAGE_LINKS = frozenset({"https://www.openstreetmap.org/copyright"})
"""Addresses that a reader may click; nothing is fetched from them."""

HEAD_MARK = "<!--siting:head-->"
BODY_MARK = "<!--siting:body-->"
DATA_MARK = "<!--siting:data-->"
MAP_NAME = "map"
MAP_ID = "siting"
START = "siting.start"


@dataclass(frozen=True, kw_only=True)
class MapPage:
    """What a page has beside the shared parts: its own scripts, in their order, and its words."""

    own_scripts: tuple[str, ...]
    own_texts: str

    @property
    def scripts(self) -> tuple[str, ...]:
        """All scripts of the page."""
        return SHARED_SCRIPTS + self.own_scripts

    def read_texts(self, facility: Facility) -> dict[str, dict[str, str]]:
        """Return the page's words by language; service centres have some of their own."""
        shared, own = (json.loads(_asset(name)) for name in (SHARED_TEXTS, self.own_texts))
        texts = {language: shared[language] | own[language] for language in shared}
        if facility is Facility.SERVICE_CENTRE:
            for language, others in json.loads(_asset(SERVICE_CENTRE_TEXTS)).items():
                words = texts[language]
                words.update((key, text) for key, text in others.items() if key in words)
        return texts


PLAN_PAGE = MapPage(
    own_scripts=(
        "own/model.js",
        "own/time.js",
        "own/themes.js",
        "own/waits.js",
        "own/trips.js",
        "own/futures.js",
        "own/points.js",
        "own/reasons.js",
        "own/panels.js",
        "own/main.js",
    ),
    own_texts="own/plan_texts.json",
)
CHECK_PAGE = MapPage(
    own_scripts=(
        "own/check_model.js",
        "own/check_roads.js",
        "own/check_points.js",
        "own/check_summary.js",
        "own/check_panels.js",
        "own/check_main.js",
    ),
    own_texts="own/check_texts.json",
)

_UNSAFE_IN_SCRIPT = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_ENCODING = re.compile(r'<meta http-equiv="content-type"[^>]*>\s*')
_CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)['\"]?\s*\)")
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
_REFERENCE = re.compile(
    r"<(?!a\b)[a-z][^>]*\s(?:src|href|srcset|action|data|poster)\s*=\s*['\"]?([^'\"\s>]+)",
    re.IGNORECASE,
)
_LINK = re.compile(r"<a\b[^>]*\shref\s*=\s*['\"]?([^'\"\s>]+)", re.IGNORECASE)


def render_map(plan: SitingPlan) -> str:
    """Render a plan as one self-contained HTML page.

    Parameters
    ----------
    plan
        A finished plan.

    Returns
    -------
    str
        The page, the same bytes for the same plan. It needs no network; names from the data are
        never run, neither here nor in a browser.

    Raises
    ------
    ValueError
        If the page would refer to anything outside itself.
    """
    return render_drawing(build_map_payload(plan), plan.case.study.facility)


def render_drawing(payload: Mapping[str, Any], facility: Facility) -> str:
    """Render what `build_map_payload` built, with or without the reasons added to it.

    Raises
    ------
    ValueError
        If the page would refer to anything outside itself.
    """
    return _render_page(PLAN_PAGE, payload, facility)


def render_check_map(diagnosis: Diagnosis) -> str:
    """Render a diagnosis as one self-contained HTML page, under the same rules as a plan's.

    Raises
    ------
    ValueError
        If the page would refer to anything outside itself.
    """
    facility = diagnosis.case.study.facility
    return _render_page(CHECK_PAGE, build_check_payload(diagnosis), facility)


def _render_page(page_kind: MapPage, payload: Mapping[str, Any], facility: Facility) -> str:
    frame = _render_frame()
    styles = [_inline_css(_asset(name)) for name in STYLES]
    scripts = [_inline_js(_asset(name)) for name in page_kind.scripts]
    start = _frame_script(frame)
    page = frame.replace(BODY_MARK, _asset(BODY))
    head = [
        '<meta charset="utf-8">',
        _render_policy(
            styles=styles, scripts=[*scripts, start], tile_host=_tile_host(payload["tiles"])
        ),
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light">',
        "<title>siting</title>",
        *(f"<style>{style}</style>" for style in styles),
    ]
    page = page.replace(HEAD_MARK, "\n".join(head))
    _require_self_contained(page, styles=styles, scripts=scripts)
    # Data goes in last and is never searched or replaced in: it may hold any mark or address.
    before, after = page.split(DATA_MARK)
    blocks = [
        _json_block("siting-texts", page_kind.read_texts(facility)),
        _json_block("siting-data", payload),
        *(f"<script>{script}</script>" for script in scripts),
    ]
    return before + "\n".join(blocks) + after


def escape_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return JSON that can stand inside a script element: it ends no element, breaks no line.

    Half a surrogate pair, which no UTF-8 file can hold, is escaped as well.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # These stand in JSON only inside strings, where an escape means the same.
    return _UNSAFE_IN_SCRIPT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _FrameMap(folium.Map):
    """A folium map whose page holds marks, not folium's own styles and links."""

    _template = Template(
        "{% macro header(this, kwargs) %}" + HEAD_MARK + "{% endmacro %}"
        "{% macro html(this, kwargs) %}" + BODY_MARK + DATA_MARK + "{% endmacro %}"
        "{% macro script(this, kwargs) %}"
        "var {{ this.get_name() }} = L.map({{ this.get_name()|tojson }},"
        " {...{{ this.options|tojavascript }}});" + START + "({{ this.get_name() }});"
        "{% endmacro %}"
    )


def _render_frame() -> str:
    """Return folium's page with marks where head, body and data go; the same bytes each time."""
    frame_map = _FrameMap(
        tiles=None,
        zoom_control=False,
        attribution_control=False,
        fade_animation=False,
        zoom_snap=0.25,
        wheel_px_per_zoom_level=90,
    )
    frame_map.default_js, frame_map.default_css = [], []
    frame_map._name, frame_map._id = MAP_NAME, MAP_ID  # noqa: SLF001 - random otherwise
    html: str = frame_map.get_root().render()
    frame = html.replace("<html>", '<html lang="en">', 1)
    for mark in (HEAD_MARK, BODY_MARK, DATA_MARK):
        if frame.count(mark) != 1:
            raise ValueError(f"folium's page does not hold {mark} once")
    # folium writes its script after the body's end, where HTML has no place for it, and a meta
    # tag for the encoding, which must stand first: both are put where they belong.
    script = _SCRIPT.search(frame)
    if script is None:
        raise ValueError("folium's page has no script")
    frame = frame.replace(script[0], "").replace("</body>", f"{script[0]}\n</body>")
    return _ENCODING.sub("", frame)


def _frame_script(frame: str) -> str:
    script = _SCRIPT.search(frame)
    return "" if script is None else script[1]


def _asset(name: str) -> str:
    return (
        resources.files("siting.outputs")
        .joinpath("map_assets", *name.split("/"))
        .read_text("utf-8")
    )


def _inline_css(css: str) -> str:
    for image in UNUSED_LEAFLET_IMAGES:
        css = css.replace(f"url({image})", "none")
    return css


def _inline_js(script: str) -> str:
    # Inside a string or a comment, which are the only places for it, "<\/script" means the same.
    return _SOURCE_MAP.sub("", script).replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _json_block(element_id: str, value: Any) -> str:  # noqa: ANN401 - any JSON value
    return f'<script type="application/json" id="{element_id}">{escape_json(value)}</script>'


def _tile_host(tiles: Mapping[str, Any] | None) -> str | None:
    """Return the only host that the page may ask, where the study names tiles."""
    if tiles is None:
        return None
    url = str(tiles["url"])
    if not re.fullmatch(TILE_URL_PATTERN, url):
        raise ValueError(f"not an address of tiles: {url}")
    return "/".join(url.split("/")[:3])


def _render_policy(*, styles: Iterable[str], scripts: Iterable[str], tile_host: str | None) -> str:
    """Return the policy: these very scripts and styles, and pictures made here or of the tiles."""
    rules = [
        "default-src 'none'",
        f"script-src {_hashes(scripts)}",
        f"style-src {_hashes(styles)}",
        "img-src data:" if tile_host is None else f"img-src data: {tile_host}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(rules)}">'


def _hashes(texts: Iterable[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(d).decode('ascii')}'" for d in digests)


def _require_self_contained(page: str, *, styles: Iterable[str], scripts: Iterable[str]) -> None:
    """Raise if the page, its data left out, refers to anything outside itself."""
    found = [*_REFERENCE.findall(page)]
    found += [url for style in styles for url in _CSS_URL.findall(style)]
    found += ["@import" for style in styles if "@import" in style]
    found += ["sourceMappingURL" for script in scripts if "sourceMappingURL" in script]
    outside = [url for url in found if not url.startswith(("#", "data:"))]
    outside += [url for url in _LINK.findall(page) if url not in PAGE_LINKS and url[0] != "#"]
    if outside:
        raise ValueError(f"the page refers to what it does not hold: {', '.join(sorted(outside))}")
