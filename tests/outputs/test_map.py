"""The page: one file, the same bytes, nothing from outside, no name from the data ever run."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from siting.case import UNREACHABLE_REASONS
from siting.domain import Facility
from siting.errors import StudyError
from siting.outputs import map as map_module
from siting.outputs.map import escape_json, render_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.plan import SitingPlan

HOSTILE = (
    "{{cycler.__init__.__globals__.os.environ.update(SITING_PWNED='1')}}",
    "{% for x in y %}{# ",
    '<img src=x onerror="window.pwned=1">',
    "${window.pwned=1}`${window.pwned=1}`",
    "</script><script>window.pwned=1</script>",
    "<!--siting:data--><!--<script>",
    "\u202egnirts\u2028\u2029\u0000 \\ \" ' &lt; &amp;",
)


class Page(HTMLParser):
    """The page as a browser's parser sees it: elements, scripts, styles, policy."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[int, str] = {}
        self.open = -1
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open = len(self.elements) - 1

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser's own signature
        self.open = -1

    def handle_data(self, data: str) -> None:
        self.texts[self.open] = self.texts.get(self.open, "") + data

    def find(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [
            (attrs, self.texts.get(k, ""))
            for k, (name, attrs) in enumerate(self.elements)
            if name == tag
        ]

    def json(self, element_id: str) -> object:
        (text,) = [text for attrs, text in self.find("script") if attrs.get("id") == element_id]
        return json.loads(text)


def test_the_same_plan_gives_the_same_bytes(build_toy_plan: Callable[..., SitingPlan]) -> None:
    assert render_map(build_toy_plan()) == render_map(build_toy_plan())


def test_nothing_comes_from_outside(toy_plan: SitingPlan) -> None:
    page = Page(render_map(toy_plan))
    for tag, attrs in page.elements:
        for name in ("src", "href", "srcset", "data", "action"):
            if attrs.get(name) is not None and tag != "a":
                pytest.fail(f"<{tag} {name}={attrs[name]}>")
        assert "style" not in attrs, "the policy refuses inline styles"
        assert not [name for name in attrs if name.startswith("on")]
    links = {attrs.get("href") for attrs, _ in page.find("a")}
    assert links == {"#side", "https://www.openstreetmap.org/copyright"}
    assert "sourceMappingURL" not in render_map(toy_plan)


def test_the_policy_names_every_script_and_style(toy_plan: SitingPlan) -> None:
    page = Page(render_map(toy_plan))
    (policy,) = [
        str(attrs["content"])
        for attrs, _ in page.find("meta")
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    allowed = set(re.findall(r"'(sha256-[^']+)'", policy))
    run = [text for attrs, text in page.find("script") if attrs.get("type") != "application/json"]
    styles = [text for _, text in page.find("style")]
    assert len(run) == len(map_module.PLAN_PAGE.scripts) + 1
    assert allowed == {
        "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in run + styles
    }


def test_tiles_open_the_policy_for_their_host_alone(
    build_toy_plan: Callable[..., SitingPlan],
) -> None:
    tiles = '{url: "https://tiles.example.org/{z}/{x}/{y}.png?a=1", attribution: Example}'
    html = render_map(build_toy_plan(tiles=f"map: {{tiles: {tiles}}}\n"))
    assert "img-src data: https://tiles.example.org;" in html
    assert "img-src data:;" in render_map(build_toy_plan())


@pytest.mark.parametrize(
    "url",
    [
        "http://tiles.example.org/{z}/{x}/{y}.png",
        "https://tiles.example.org/{z}/{x}.png",
        "https://tiles.example.org/;script-src *;/{z}/{x}/{y}.png",
        'https://tiles.example.org/{z}/{x}/{y}.png" onload="x',
        "javascript:{x}{y}{z}",
    ],
)
def test_an_address_that_names_no_tiles_is_refused(
    url: str, build_toy_plan: Callable[..., SitingPlan]
) -> None:
    with pytest.raises(StudyError, match="tiles"):
        build_toy_plan(tiles=f"map: {{tiles: {{url: '{url}', attribution: x}}}}\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_data_and_nothing_else(
    name: str, build_toy_plan: Callable[..., SitingPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SITING_PWNED", raising=False)
    plain = Page(render_map(build_toy_plan()))
    hostile = Page(
        render_map(
            build_toy_plan(
                site_names=(name, name, name),
                station_name=name,
                network=name,
                district_name=name,
            )
        )
    )
    import os  # noqa: PLC0415 - what the name would have run

    assert "SITING_PWNED" not in os.environ
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    data = hostile.json("siting-data")
    assert isinstance(data, dict)
    assert data["sites"]["name"] == [name, name]
    assert data["districts"]["name"][0]["en"] == name
    render_map(build_toy_plan(site_names=(name, name, name))).encode("utf-8")


def test_json_ends_no_element_and_breaks_no_line() -> None:
    text = escape_json({"</script>": "<!-- \u2028 \u2029 & 武汉 \ud800"})
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", text)
    assert "武汉" in text
    assert json.loads(text) == {"</script>": "<!-- \u2028 \u2029 & 武汉 \ud800"}


@pytest.mark.parametrize(
    ("asset", "added"),
    [
        ("own/body.html", '<script src="https://example.org/x.js"></script>'),
        ("own/body.html", '<img src="http://example.org/x.png">'),
        ("own/body.html", '<a href="https://example.org/">x</a>'),
        ("own/map.css", "p { background: url(//example.org/x.png); }"),
        ("vendor/leaflet/leaflet.css", "p { background: url(images/new.png); }"),
        ("own/map.css", '@import "x.css";'),
    ],
)
def test_an_address_that_is_not_mapped_fails(
    asset: str, added: str, toy_plan: SitingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = map_module._asset
    monkeypatch.setattr(
        map_module, "_asset", lambda name: read(name) + (added if name == asset else "")
    )
    with pytest.raises(ValueError, match="refers to what it does not hold"):
        render_map(toy_plan)


PAGES = {"plan": map_module.PLAN_PAGE, "check": map_module.CHECK_PAGE}


@pytest.mark.parametrize("facility", Facility)
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_word_stands_in_both_languages(page: map_module.MapPage, facility: Facility) -> None:
    texts = page.read_texts(facility)
    # A Chinese number has its own units, and no plural.
    only_english = {"energy.mwh", "energy.gwh", "money.million", "money.billion"}
    english = {key for key in texts["en"] if not key.endswith(".one")} - only_english
    assert english == set(texts["zh"]) - {"energy.wan", "money.wan", "money.yi"}
    for key in english:
        parts = [set(re.findall(r"\{(\w+)\}", texts[lang][key])) for lang in ("en", "zh")]
        assert parts[0] == parts[1], key


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_every_word_is_used_and_every_used_word_exists(page: map_module.MapPage) -> None:
    texts = page.read_texts(Facility.CHARGING_STATION)["en"]
    files = [*page.scripts, map_module.BODY]
    source = "\n".join(map_module._asset(name) for name in files if name.startswith("own/"))
    used = set(re.findall(r'\bt\(\s*"([a-z_.]+)"', source)) | set(
        re.findall(r'data-t="([a-z_.]+)"', source)
    )
    assert {key for key in used if not key.endswith(".")} <= set(texts)
    # Keys put together from a name, such as "moment." + name, are known by their first part.
    built = set(re.findall(r'["`]([a-z_]+)\.["$]', source))
    built |= {"place", "reason", "status", "energy", "money"}
    own = json.loads(map_module._asset(page.own_texts))["en"]
    unused = {
        key
        for key in own
        if f'"{key}"' not in source and key.split(".")[0] not in built and not key.endswith(".one")
    }
    assert unused == set()


def test_service_centres_replace_words_that_exist_and_never_speak_of_energy() -> None:
    pages = [page.read_texts(Facility.CHARGING_STATION) for page in PAGES.values()]
    for language, words in json.loads(map_module._asset(map_module.SERVICE_CENTRE_TEXTS)).items():
        assert set(words) <= {key for page in pages for key in page[language]}
    texts = PAGES["plan"].read_texts(Facility.SERVICE_CENTRE)
    for word in ("kWh", "charge", "charging", "Energy", "Connectors"):
        # Trips go with charging stations alone.
        spoken = {
            key
            for key, text in texts["en"].items()
            if word in text and not key.startswith("trips.")
        }
        assert not spoken - {"station.power"}, word
    assert not {key for key, text in texts["zh"].items() if "充" in text or "电量" in text}


def test_shared_words_are_shared() -> None:
    shared = set(json.loads(map_module._asset(map_module.SHARED_TEXTS))["en"])
    for page in PAGES.values():
        assert not shared & set(json.loads(map_module._asset(page.own_texts))["en"])


def test_every_part_of_the_pages_is_used_by_one() -> None:
    own = resources.files("siting.outputs").joinpath("map_assets", "own")
    used = {name for page in PAGES.values() for name in (*page.scripts, page.own_texts)}
    used |= {*map_module.STYLES, map_module.BODY, map_module.SHARED_TEXTS}
    used.add(map_module.SERVICE_CENTRE_TEXTS)
    assert {f"own/{file.name}" for file in own.iterdir()} <= used


def test_vendored_files_carry_their_licence(toy_plan: SitingPlan) -> None:
    assets = resources.files("siting.outputs").joinpath("map_assets")
    licences = assets.joinpath("LICENSES.md").read_text("utf-8")
    for folder in assets.joinpath("vendor").iterdir():
        assert folder.joinpath("LICENSE").is_file()
        assert folder.name in licences.lower()
        for file in folder.iterdir():
            if file.name != "LICENSE":
                assert hashlib.sha256(file.read_bytes()).hexdigest() in licences
    assert "Leaflet 1.9.4" in render_map(toy_plan)


def test_every_reason_for_being_out_of_reach_has_its_words() -> None:
    texts = json.loads(map_module._asset(map_module.SHARED_TEXTS))
    for reason in UNREACHABLE_REASONS.values():
        assert {f"reason.{reason}"} <= set(texts["en"]) & set(texts["zh"])
