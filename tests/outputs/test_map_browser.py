"""The map in headless Chromium with the network blocked: it works, and runs no name.

Skipped where there is no Chromium; with SITING_REQUIRE_BROWSER=1 that is a failure instead. Every
page opened here fails its test if it asks anything of the network or complains on the console.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.domain import Datum, Facility, SolveStatus
from siting.inputs.datum import from_wgs84
from siting.outputs.map import PLAN_PAGE, render_drawing, render_map
from siting.outputs.map_geometry import pack_integers, pack_lines
from siting.outputs.map_payload import build_map_payload
from siting.outputs.reasons import describe_reasons
from siting.reasons import NotInItsPlace, WhyNot, explain_plan, glance, know_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Browser, Page, Route

    OpenPage = Callable[..., AbstractContextManager[Page]]

    from siting.plan import SitingPlan

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1600, "height": 1000}
PHONE_WIDTH = 390
HOSTILE = (
    "<img src=x onerror=\"window.pwned='img'\"><svg onload=\"window.pwned='svg'\">",
    "${window.pwned='t'}`${window.pwned='b'}`</script><script>window.pwned='s'</script>",
    "{{window.pwned}}\u202egnirts\u2028\u2029'\"&lt;b&gt;javascript:window.pwned='j'",
)


@pytest.fixture
def toy_page(open_page: OpenPage, toy_plan: SitingPlan) -> Iterator[Page]:
    with open_page(render_map(toy_plan)) as page:
        yield page


def choose(page: Page, name: str, value: str) -> None:
    page.locator(f'input[name="{name}"][value="{value}"]').check(force=True)


COUNT_FRAMES = """() => {
    window.intervals = [];
    let last = performance.now();
    const count = (now) => {
        window.intervals.push(now - last);
        last = now;
        requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
}"""
UNPACK = "(packed) => [...siting.unpackIntegers(packed)]"
PARTS = """() => [...document.querySelectorAll("#panel-summary > *")].map((part) => {
    const box = part.getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
})"""
BOXES = """(names) => names.map((name) => {
    const box = document.querySelector(name).getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
})"""
PLACE_OF = """([kind, index]) => {
    const { map, model } = siting.page;
    const { xy } = siting.panels.tableOf(model, kind);
    const place = siting.toLatLng(model.origin, xy[2 * index], xy[2 * index + 1]);
    const point = map.latLngToContainerPoint(place);
    const box = map.getContainer().getBoundingClientRect();
    return [box.x + point.x, box.y + point.y];
}"""


def inked(page: Page, pane: str) -> int:
    """Return how many pixels of a pane's canvases are not blank."""
    return int(page.evaluate("inked", pane))


def place_of(page: Page, kind: str, index: int) -> tuple[float, float]:
    """Return where something stands on the screen, in pixels."""
    x, y = page.evaluate(PLACE_OF, [kind, index])
    return x, y


def test_the_summary_says_what_the_plan_says(toy_page: Page) -> None:
    text = toy_page.inner_text("#panel-summary")
    # 60 of 290 kWh today, 270 with the plan.
    for part in ("21 %", "93 %", "2 new sites", "¥3.5 million", "¥4 million", "0.40 %"):
        assert part in text, part
    assert toy_page.title() == "Toy town"
    assert toy_page.is_visible("#badge")
    assert "OpenStreetMap contributors" in toy_page.inner_text(".credit")


def test_every_layer_is_drawn_and_can_be_hidden(toy_page: Page) -> None:
    everything = inked(toy_page, "points")
    assert everything > 0
    for name in ("sites", "stations", "unreachable", "districts"):
        toy_page.uncheck(f'input[name="layer-{name}"]')
    assert inked(toy_page, "points") == 0
    toy_page.check('input[name="layer-candidates"]')
    assert inked(toy_page, "points") > 0
    assert inked(toy_page, "roads") > 0
    toy_page.uncheck('input[name="layer-roads"]')
    assert inked(toy_page, "roads") == 0
    assert inked(toy_page, "areas") > 0
    choose(toy_page, "theme", "none")
    assert inked(toy_page, "areas") == 0


def test_moments_and_themes_change_the_colours(toy_page: Page) -> None:
    def legend() -> str:
        return str(toy_page.inner_text("#scale"))

    def colour(area: int) -> str:
        return str(
            toy_page.evaluate(
                "(a) => siting.createTheme(siting.page.model, siting.page.state).fillOf(a)", area
            )
        )

    assert "served" in legend()
    with_plan = colour(1)
    choose(toy_page, "moment", "today")
    assert colour(1) != with_plan
    choose(toy_page, "theme", "wanted")
    assert "wanted" in legend()
    choose(toy_page, "theme", "gain")
    assert "than today" in legend()


def test_a_click_opens_a_site_and_escape_closes_it(toy_page: Page) -> None:
    toy_page.mouse.click(*place_of(toy_page, "site", 0))
    detail = toy_page.inner_text("#detail")
    for part in ("North Gate", "¥2.5 million", "170 kWh/day", "57 %", "≤ 5 min for 95 %"):
        assert part in detail, part
    assert "Drive to the selected site" in toy_page.inner_text("#scale")
    toy_page.keyboard.press("Escape")
    assert toy_page.is_hidden("#detail")


def test_clicks_open_stations_areas_and_unreachable_demand(toy_page: Page) -> None:
    toy_page.mouse.click(*place_of(toy_page, "station", 0))
    assert "Ant, Bee" in toy_page.inner_text("#detail")
    choose(toy_page, "moment", "today")
    assert "Bee" not in toy_page.inner_text("#detail")
    toy_page.click("#close")
    toy_page.mouse.click(*place_of(toy_page, "unreachable", 0))
    assert "No road near" in toy_page.inner_text("#detail")
    toy_page.click("#close")
    x, y = place_of(toy_page, "station", 0)
    toy_page.mouse.click(x - 40, y)
    assert "z0" in toy_page.inner_text("#detail h2")


def test_hovering_says_what_it_is(toy_page: Page) -> None:
    toy_page.mouse.move(*place_of(toy_page, "site", 1))
    assert toy_page.inner_text("#hover") == "Proposed site · South Gate"


def test_the_brand_filter_changes_numbers_and_legend(toy_page: Page) -> None:
    choose(toy_page, "brand", "1")
    assert "0 %" in toy_page.inner_text(".hero")
    assert "Bee drivers may charge" in toy_page.inner_text("#layers")
    use_of = "siting.useOf(siting.page.model.stations, 0, siting.page.state, 2)"
    assert toy_page.evaluate(use_of) == "open"
    choose(toy_page, "moment", "today")
    assert toy_page.evaluate(use_of) == "closed"
    choose(toy_page, "brand", "-1")
    assert toy_page.evaluate(use_of) == "some"
    assert "all brands may charge" in toy_page.inner_text("#layers")


def test_search_finds_names_and_ids(toy_page: Page) -> None:
    toy_page.click("#tab-list")
    assert toy_page.locator("#hits li").count() == 2
    for query, found in (("south", "South Gate"), ("e1", "Closed station"), ("关闭", "Closed")):
        toy_page.fill("#search", query)
        assert found in toy_page.inner_text("#hits")
    toy_page.fill("#search", "nowhere")
    assert "Nothing found" in toy_page.inner_text("#hits")
    toy_page.fill("#search", "South")
    toy_page.click("#hits button")
    assert "South Gate" in toy_page.inner_text("#detail h2")


def test_the_network_filter_hides_the_other_stations(toy_page: Page) -> None:
    before = inked(toy_page, "points")
    toy_page.select_option("#network", "other")
    assert inked(toy_page, "points") < before


def test_language_switches_and_follows_the_reader(
    open_page: OpenPage, toy_plan: SitingPlan
) -> None:
    with open_page(render_map(toy_plan), language="zh-CN") as page:
        assert page.title() == "玩具城"
        assert "新建 2 座站点" in page.inner_text("#panel-summary")
        assert "350 万元" in page.inner_text("#panel-summary")
        assert page.get_attribute("html", "lang") == "zh-CN"
        # Chinese texts hold no words left in English, but names and units of the data.
        page.click("#tab-about")
        assert "现状" in page.inner_text("#panel-about")
        page.click("#language")
        assert page.title() == "Toy town"
        assert page.get_attribute("html", "lang") == "en"


def test_it_can_be_used_by_keyboard_alone(toy_page: Page) -> None:
    toy_page.keyboard.press("Tab")
    assert toy_page.evaluate("document.activeElement.className") == "skip"
    toy_page.keyboard.press("/")
    assert toy_page.evaluate("document.activeElement.id") == "search"
    toy_page.keyboard.type("south")
    toy_page.keyboard.press("Tab")
    toy_page.keyboard.press("Enter")
    assert "South Gate" in toy_page.inner_text("#detail h2")
    assert toy_page.evaluate("document.activeElement.id") == "close"
    toy_page.keyboard.press("Escape")
    assert toy_page.evaluate("document.activeElement.dataset.spot") == "site:1"
    toy_page.focus("#tab-list")
    toy_page.keyboard.press("ArrowRight")
    assert toy_page.get_attribute("#tab-about", "aria-selected") == "true"
    toy_page.focus('input[name="moment"][value="joint"]')
    toy_page.keyboard.press("ArrowLeft")
    assert toy_page.evaluate("siting.page.state.moment") == "unified"


@pytest.mark.parametrize(("language", "phone"), [("en-GB", False), ("zh-CN", True)])
def test_axe_finds_no_barrier(
    build_toy_plan: Callable[..., SitingPlan],
    check_map_with_axe: Callable[..., None],
    language: str,
    *,
    phone: bool,
) -> None:
    html = draw_with_reasons(build_toy_plan(grid=True), NEAR)
    check_map_with_axe(html, language=language, phone=phone)


NEAR = {"next": {"id": "s2", "tier": "small", "why": "serves_less", "loss": 12.0}}


def draw_with_reasons(plan: SitingPlan, site: dict[str, Any], **candidate: object) -> str:
    """Draw all reasons of a toy, with those of s0 and of the candidate s2 changed as told."""
    reasons = describe_reasons(explain_plan(plan, asked=["s2"], n_alternative=2, loss=0.5))
    reasons["sites"]["s0"] |= site
    reasons["candidates"]["s2"] |= candidate
    return render_drawing(build_map_payload(plan) | {"reasons": reasons}, plan.case.study.facility)


def open_card(page: Page, query: str) -> str:
    page.click("#tab-list")
    page.fill("#search", query)
    page.click("#hits button")
    return page.inner_text("#detail")


def test_a_site_tells_what_is_lost_without_it_and_what_came_next(
    open_page: OpenPage, toy_plan: SitingPlan
) -> None:
    with open_page(draw_with_reasons(toy_plan, NEAR)) as page:
        told = open_card(page, "s0")
        # Without s0, e0 keeps d0's 60 and a larger s1 gets 120: 180 of 270 kWh.
        assert "Struck out, with nothing built instead, 110 kWh/day less is served." in told
        assert "90 kWh/day is lost: proven." in told
        assert "in 1 of 2 markedly different plans that serve at most 50 % less" in told
        assert "For all of it another charger is within reach" in told
        assert "the plan serves 12 kWh/day less" in told
        # The next best is one click away, and seen though its layer is off.
        before = inked(page, "points")
        page.click(".next .go")
        assert page.inner_text("#detail h2") == "West Gate"
        assert "No demand that may be served here is within reach." in page.inner_text(".whynot")
        assert page.evaluate("siting.page.state.selection") == {"kind": "candidate", "index": 0}
        page.click("#close")
        page.click("#tab-summary")
        text = page.inner_text("#panel-summary")
        assert "For each of the 2 sites it is proven that something is lost" in text
        assert "0 of this plan's 2 sites stand in all of them" in text
        assert "−14.9 %" in page.inner_text(".reasons table")
        assert before > 0
        page.click("#language")
        assert "已证明禁建 2 座站点中的任何一座" in page.inner_text("#panel-summary")
        assert "损失 90 千瓦时/日：已证明" in open_card(page, "s0")


OPEN = "at most 90 kWh/day is lost. It may be less, or nothing: this plan itself may be up to 1.1"
LOSSES: list[tuple[list[float | None] | None, str]] = [
    ([-1.1, 90.0], OPEN),
    ([20.0, 90.0], "at least 20 kWh/day and at most 90 kWh/day is lost: proven"),
    ([0.0, 0.0], "A plan without it serves as much."),
    ([-1.1, -0.5], "A plan without it was found that serves 0.5 kWh/day more"),
    ([None, None], "Without it no plan can meet all requirements: proven."),
    ([20.0, None], "at least 20 kWh/day is lost: proven. No plan without it was found."),
    ([-1.1, None], "No plan without it was found; that there is none is not proven."),
    (None, "was not computed for this map"),
]


def test_a_loss_that_is_not_proven_never_reads_as_proven(
    open_page: OpenPage, toy_plan: SitingPlan
) -> None:
    with open_page(draw_with_reasons(toy_plan, {"struck_out": None, "next": None})) as page:
        for loss, words in LOSSES:
            page.evaluate(
                "(loss) => { siting.page.model.data.reasons.sites.s0.loss = loss; }", loss
            )
            told = open_card(page, "s0")
            assert words in told
            assert (": proven" in told) == (": proven" in words)
            page.click("#close")
        assert "the plan breaks a requirement" in told
        assert "No other candidate reaches any of its drivers." in told


def test_a_candidate_tells_why_not_and_what_forcing_it_in_costs(
    open_page: OpenPage, toy_plan: SitingPlan
) -> None:
    forced = {"loss": [-1.1, 30.0], "tier": "small", "leaves": ["s1"], "enters": []}
    changes = {"why": "spacing", "too_close_to": ["s0"], "adds": 8.0, "reach": 20.0}
    html = draw_with_reasons(toy_plan, {}, forced=forced, **changes)
    with open_page(html) as page:
        told = open_card(page, "s2")
        assert "It stands too close to North Gate." in told
        assert "it would serve 8 kWh/day more, with Small for ¥1 million" in told
        assert "at most 30 kWh/day is lost. It may be less, or nothing" in told
        assert "It then gets Small. Not built then either: South Gate." in told
        page.click("#detail .go")
        assert page.inner_text("#detail h2") == "North Gate"


def test_every_reason_has_words_in_both_languages() -> None:
    words = PLAN_PAGE.read_texts(Facility.CHARGING_STATION)
    keys = {f"whynot.{why.name.lower()}" for why in WhyNot if why is not WhyNot.LEFT_OUT}
    keys |= {f"next.{why.name.lower()}" for why in NotInItsPlace}
    for language, texts in words.items():
        assert keys <= texts.keys(), language


def test_no_name_is_ever_run(
    open_page: OpenPage, build_toy_plan: Callable[..., SitingPlan]
) -> None:
    plan = build_toy_plan(
        site_names=HOSTILE, station_name=HOSTILE[1], network=HOSTILE[0], district_name=HOSTILE[2]
    )
    with open_page(render_map(plan)) as page:
        page.click("#tab-list")
        for language in ("en", "zh"):
            for kind, query in (("site", "s0"), ("station", "e0"), ("district", "D")):
                page.fill("#search", query)
                page.click(f".hit-{kind}")
                assert page.inner_text("#detail h2") != "", (kind, language)
                page.wait_for_timeout(50)
            page.mouse.move(*place_of(page, "site", 1))
            page.click("#language")
        assert page.evaluate("window.pwned === undefined")
        assert page.locator("#side img, #side svg, #detail img, #detail svg").count() == 0
        for site, name in enumerate(HOSTILE):
            page.fill("#search", f"s{site}")
            assert page.text_content("#hits bdi") == name


def test_the_policy_refuses_what_is_not_ours(
    browser: Browser, toy_plan: SitingPlan, tmp_path: Path
) -> None:
    path = tmp_path / "map.html"
    path.write_text(render_map(toy_plan), encoding="utf-8", newline="\n")
    page = browser.new_page()
    page.goto(path.as_uri())
    refused = page.evaluate(
        """() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (e) => done(e.effectiveDirective));
            const script = document.createElement("script");
            script.textContent = "window.pwned = 1";
            document.body.append(script);
        })"""
    )
    assert refused == "script-src-elem"
    assert page.evaluate("window.pwned === undefined")
    page.close()


def test_a_limit_never_reads_as_a_proof(
    open_page: OpenPage, build_toy_plan: Callable[..., SitingPlan]
) -> None:
    html = render_map(build_toy_plan(status=SolveStatus.FEASIBLE))
    with open_page(html) as page:
        text = page.inner_text("#panel-summary")
        assert "Not proven best" in text
        assert "Proven:" not in text


def test_a_phone_shows_map_sheet_and_detail(open_page: OpenPage, toy_plan: SitingPlan) -> None:
    with open_page(render_map(toy_plan), phone=True) as page:
        assert page.is_visible("#headline")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE_WIDTH
        page.click("#grip")
        page.click("#tab-list")
        page.click("#hits button >> nth=0")
        assert page.is_visible("#detail")
        page.wait_for_timeout(500)
        _, y = place_of(page, "site", 0)
        assert (
            0 < y < page.evaluate("document.getElementById('detail').getBoundingClientRect().top")
        )


def test_the_page_unpacks_what_was_packed(toy_page: Page) -> None:
    values = [0, 1, -1, 63, -64, 64, -65, 8_191, 8_192, -8_193, 2**30, -(2**30)]
    assert toy_page.evaluate(UNPACK, pack_integers(values)) == values
    lines = pack_lines([np.array([[5, -700], [9, 9]]), np.array([[0, 0], [1, 0], [1, 1]])])
    assert toy_page.evaluate("(lines) => [...siting.unpackLines(lines).xy]", lines) == [
        *(5, -700, 9, 9),
        *(0, 0, 1, 0, 1, 1),
    ]


def test_it_prints_on_one_sheet_of_a3(toy_page: Page, tmp_path: Path) -> None:
    toy_page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    boxes = toy_page.evaluate(BOXES, [".map", ".sheet", "#panel-summary", ".legend"])
    mm = 96 / 25.4
    for left, top, right, bottom in boxes:
        assert left >= 10 * mm - 1
        assert top >= 10 * mm - 1
        assert right <= 410 * mm + 1
        assert bottom <= 287 * mm + 1
    assert boxes[0][2] - boxes[0][0] > 250 * mm
    # Status, gap and budget stand on it; no part of the summary is cut in two.
    right, bottom = boxes[2][2:]
    for box in toy_page.evaluate(BOXES, [".proof", "#panel-summary .facts", ".hero"]):
        assert box[2] <= right + 1
        assert box[3] <= bottom + 1
    parts = toy_page.evaluate(PARTS)
    assert all(part[3] <= bottom + 1 for part in parts if part[0] < right)
    assert toy_page.is_hidden(".controls")
    assert inked(toy_page, "areas") > 0
    toy_page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert toy_page.is_visible(".controls")
    pdf = tmp_path / "map.pdf"
    toy_page.pdf(path=str(pdf), prefer_css_page_size=True, print_background=True)
    content = pdf.read_bytes()
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") == 1
    assert b"/MediaBox [0 0 1191" in content
    assert toy_page.evaluate("!document.body.classList.contains('printing')")


def test_street_tiles_are_asked_of_their_host_alone(
    browser: Browser, build_toy_plan: Callable[..., SitingPlan], tmp_path: Path, inked_script: str
) -> None:
    tiles = '{url: "https://tiles.example.org/{z}/{x}/{y}.png", attribution: Tiles by Example}'
    path = tmp_path / "map.html"
    path.write_text(render_map(build_toy_plan(tiles=f"map: {{tiles: {tiles}}}\n")), "utf-8")
    context = browser.new_context(viewport=DESKTOP)  # type: ignore[arg-type] - a plain dict will do
    page = context.new_page()
    asked: list[str] = []

    def block(route: Route) -> None:
        if route.request.url == path.as_uri():
            route.continue_()
        else:
            asked.append(route.request.url)
            route.abort()

    page.route("**/*", block)
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]")
    page.wait_for_function("siting.page.state.layers.roads")
    assert asked
    assert all(url.startswith("https://tiles.example.org/") for url in asked)
    # No tile came: our own roads stand in.
    page.evaluate(inked_script)
    assert inked(page, "roads") > 0
    assert "Tiles by Example" in page.inner_text(".credit")
    context.close()


@pytest.mark.parametrize("tiles", ["", "map: {tiles: {provider: gaode}}\n"])
def test_on_gaodes_tiles_a_site_stands_on_its_street(
    browser: Browser, build_toy_plan: Callable[..., SitingPlan], tmp_path: Path, tiles: str
) -> None:
    plan = build_toy_plan(tiles=tiles)
    path = tmp_path / "map.html"
    path.write_text(render_map(plan), "utf-8")
    page = browser.new_page(viewport=DESKTOP)  # type: ignore[arg-type] - a plain dict will do
    asked: list[str] = []
    page.route("https://**/*", lambda route: (asked.append(route.request.url), route.abort()))
    page.goto(path.as_uri())
    page.wait_for_selector("body[data-ready]")
    site = plan.case.candidates.geometry.iloc[0]
    there = from_wgs84(site.x, site.y, Datum.GCJ02) if tiles else (site.x, site.y)
    lon, lat = map(float, there)
    drawn = page.evaluate(
        "(() => { const m = siting.page.model; const at = siting.toLatLng("
        "m.origin, m.sites.xy[0], m.sites.xy[1]); return [at.lng, at.lat]; })()"
    )
    # Drawn within a metre of where its street lies on the tiles; the text stays WGS-84.
    assert drawn == pytest.approx([lon, lat], abs=1e-5)
    page.evaluate("document.querySelector('#hits button').click()")
    assert f"{site.y:.5f}, {site.x:.5f}" in page.inner_text("#detail")
    if not tiles:
        assert asked == []
        page.close()
        return
    assert abs(lon - site.x) > 1e-3  # some 500 m: without the shift it stood on another street
    page.wait_for_function("siting.page.map.getZoom() >= 12")
    page.wait_for_timeout(300)
    tile = re.compile(
        r"https://webrd01\.is\.autonavi\.com/appmaptile\?lang=zh_cn&size=1&scale=1&style=8"
        r"&x=(\d+)&y=(\d+)&z=(\d+)"
    )
    found = [tile.fullmatch(url) for url in asked]
    assert found
    assert all(found), asked
    numbers = {tuple(map(int, match.groups())) for match in found if match}
    assert any(tile_of(lon, lat, zoom) in numbers for zoom in {zoom for *_, zoom in numbers})
    assert "Gaode" in page.inner_text(".credit")
    page.close()


def tile_of(lon: float, lat: float, zoom: int) -> tuple[int, int, int]:
    """Return the numbers of the tile that holds a place: x and y from the north-west, and zoom."""
    across = (lon + 180) / 360
    down = (1 - math.asinh(math.tan(math.radians(lat))) / math.pi) / 2
    return int(across * 2**zoom), int(down * 2**zoom), zoom


def test_grid_limits_are_drawn_and_told(
    open_page: OpenPage, build_toy_plan: Callable[..., SitingPlan]
) -> None:
    with open_page(render_map(build_toy_plan(grid=True))) as page:
        assert "480 kW of 960 kW" in page.inner_text("#panel-summary")
        with_rings = inked(page, "points")
        page.uncheck('input[name="layer-grid"]')
        assert inked(page, "points") < with_rings
        page.mouse.click(*place_of(page, "site", 0))
        assert "5.76 MW of 7.2 MW" in page.inner_text("#detail")
        page.click("#close")
        page.check('input[name="layer-candidates"]')
        page.mouse.click(*place_of(page, "candidate", 0))
        detail = page.inner_text("#detail")
        assert "600 kW" in detail
        assert "North" in detail


def test_the_summary_says_of_what_date_and_what_is_made(toy_page: Page) -> None:
    text = toy_page.inner_text("#panel-summary")
    assert "Data: 2026-01." in text
    assert "All of this is made up." in text
    toy_page.click("#language")
    assert "全为虚构。" in toy_page.inner_text("#panel-summary")
    assert toy_page.locator('input[name="layer-grid"]').count() == 0


# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
COLOUR_BLIND = {
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    "none": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    "grey print": [[0.2126, 0.7152, 0.0722]] * 3,
}


def lab_of(colour: str, sight: str) -> np.ndarray:
    """Return a colour as it is seen, in CIELAB (D65)."""
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(COLOUR_BLIND[sight]) @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", COLOUR_BLIND)
def test_colours_stay_apart_for_every_sight(toy_page: Page, sight: str) -> None:
    palettes = toy_page.evaluate("({...siting.PALETTES, reach: siting.REACH.slice().reverse()})")
    for name, palette in palettes.items():
        seen = np.array([lab_of(colour, sight) for colour in palette])
        ramp = seen[1:] if name == "coverage" else seen
        # A ramp gets darker all the way, so that its order is seen without any hue.
        assert (np.diff(ramp[:, 0]) < -3).all(), (name, seen[:, 0])
        steps = np.linalg.norm(np.diff(seen, axis=0), axis=1)
        least = 3 if sight == "grey print" else 5
        assert (steps > least).all(), (name, steps)
    ink = toy_page.evaluate("siting.MARK_INK")
    if sight != "grey print":  # there their shapes tell them apart: disc, square, cross
        marks = [lab_of(ink[name], sight) for name in ("site", "open", "unreachable")]
        apart = [np.linalg.norm(a - b) for k, a in enumerate(marks) for b in marks[:k]]
        assert min(apart) > 20, apart


@pytest.mark.parametrize(
    ("n_demand", "n_site", "limit_mb"), [(1_640, 400, 10), (20_000, 5_000, 25)]
)
def test_a_city_stays_small_quick_and_smooth(
    open_page: OpenPage,
    build_grid_plan: Callable[..., SitingPlan],
    measure_work_s: Callable[[Page], float],
    *,
    n_demand: int,
    n_site: int,
    limit_mb: int,
) -> None:
    plan = build_grid_plan(n_demand=n_demand, n_site=n_site)
    reasons = describe_reasons(glance(know_plan(plan)))
    assert len(reasons["candidates"]) == n_site - len(plan.sites)
    html = render_drawing(build_map_payload(plan) | {"reasons": reasons}, plan.case.study.facility)
    assert len(html.encode()) < limit_mb * 1e6
    with open_page(html) as page:
        assert measure_work_s(page) < 3
        for name in ("candidates", "unreachable"):
            page.check(f'input[name="layer-{name}"]')
        page.evaluate(COUNT_FRAMES)
        page.mouse.move(1000, 500)
        page.mouse.down()
        for step in range(60):
            page.mouse.move(1000 - 10 * step, 500 + 4 * step)
        page.mouse.up()
        intervals_ms = sorted(page.evaluate("intervals"))
        # Most frames come at the screen's pace, 60 a second.
        assert intervals_ms[len(intervals_ms) // 2] < 34
