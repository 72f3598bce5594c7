"""The diagnostic map in headless Chromium with the network blocked: it shows what was found.

Every page opened here fails its test if it asks anything of the network or complains on the
console; see ``open_page``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.diagnosis import Diagnosis, diagnose
from siting.outputs.map import render_check_map
from siting.pipeline import embedded_study_path, read_inputs, read_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    OpenPage = Callable[..., AbstractContextManager[Page]]

pytestmark = pytest.mark.browser

SHOW = """([kind, id, zoom = 16]) => {
    const { map, model } = siting.page;
    const table = siting.checkPanels.tableOf(model, kind);
    const n = table.id.indexOf(id);
    const place = siting.toLatLng(model.origin, table.xy[2 * n], table.xy[2 * n + 1]);
    map.setView(place, zoom, { animate: false });
    const box = map.getContainer().getBoundingClientRect();
    const point = map.latLngToContainerPoint(map.getCenter());
    return [box.x + point.x, box.y + point.y];
}"""


@pytest.fixture
def diagnosis(troubled_study_path: Path) -> Diagnosis:
    return diagnose(read_inputs(read_study(troubled_study_path)))


@pytest.fixture
def check_page(open_page: OpenPage, diagnosis: Diagnosis) -> Iterator[Page]:
    with open_page(render_check_map(diagnosis)) as page:
        yield page


def inked(page: Page, pane: str) -> int:
    """Return how many pixels of a pane's canvases are not blank."""
    return int(page.evaluate("inked", pane))


def click(page: Page, kind: str, place_id: str) -> str:
    """Click on a thing on the map and return what its card says."""
    page.mouse.click(*page.evaluate(SHOW, [kind, place_id]))
    return page.inner_text("#detail")


def test_the_summary_shows_the_figures_of_the_diagnosis(check_page: Page) -> None:
    text = check_page.inner_text("#panel-summary")
    # 123 vehicles, of which east, trap, island and farm (18) are out of reach: 85 % are not.
    for part in ("85 %", "123 vehicles were read and 123 placed", "Read from all files"):
        assert part in text, part
    rows = check_page.locator("#panel-summary tr").all_inner_texts()
    cells = ["|".join(row.split("\t")) for row in rows]
    for row in (
        "Ant|71|71|6",
        "Together|123|123|18",
        "On a one-way trap|1|2|20",
        "Demand|0|90|150|1|1",
        "Main network|4|4.0|0",
        "One-way traps|1|1.0|1.0",
        "Stations · more.csv · illustrative|WGS-84|1",
    ):
        assert row in cells, (row, cells)
    assert check_page.is_visible("#badge")


def test_every_layer_is_drawn_and_can_be_hidden(check_page: Page) -> None:
    names = check_page.evaluate("Object.keys(siting.page.state.layers)")
    shown = [name for name in names if check_page.locator(f"[name=layer-{name}]").count()]
    # The toy has no doubtful pair, no districts, no one-way main road: such a layer has no row.
    assert set(names) - set(shown) == {"doubtful", "districts", "one_way"}
    for name in shown:
        check_page.uncheck(f"[name=layer-{name}]")
    check_page.wait_for_timeout(100)
    assert [inked(check_page, pane) for pane in ("areas", "roads", "points")] == [0, 0, 0]
    check_page.evaluate(SHOW, ["demand", "field", 12.5])
    pane_of = {"exclusions": "areas", "roads": "roads", "one_way_trap": "roads"}
    pane_of |= {"other_component": "roads"}
    for name in shown:
        if name in {"snaps", "merges"}:
            continue  # lines between what other layers show
        pane = pane_of.get(name, "points")
        check_page.check(f"[name=layer-{name}]")
        check_page.wait_for_timeout(60)
        assert inked(check_page, pane) > 0, name
        check_page.uncheck(f"[name=layer-{name}]")


def test_a_far_point_gets_a_line_to_its_road(check_page: Page) -> None:
    for name in check_page.evaluate("Object.keys(siting.page.state.layers)"):
        if check_page.locator(f"[name=layer-{name}]").count() and name not in {"snaps", "demand"}:
            check_page.uncheck(f"[name=layer-{name}]")
    check_page.evaluate(SHOW, ["demand", "field"])
    with_line = inked(check_page, "points")
    check_page.uncheck("[name=layer-snaps]")
    assert inked(check_page, "points") < with_line


def test_cards_say_file_row_reason_and_sources(check_page: Page) -> None:
    text = click(check_page, "demand", "trap")
    for part in ("On a one-way trap", "vehicles.csv", "Row\n4", "20 kWh/day"):
        assert part in text, part
    text = click(check_page, "station", "old")
    for part in ("2 sources", "stations:old", "more:twin", "5 m", "both have 7 connectors"):
        assert part in text, part
    check_page.click("#close")
    check_page.check("[name=layer-excluded]")
    assert "Inside an exclusion area: Lake <b>" in click(check_page, "candidate", "DUMP")
    assert "Closer than 100 m to another candidate" in click(check_page, "candidate", "NEAR")
    assert "Planned" in click(check_page, "station", "new")
    check_page.keyboard.press("Escape")
    assert check_page.is_hidden("#detail")


def test_the_brand_filter_changes_vehicles_and_figures(check_page: Page) -> None:
    # Ant has no vehicle on the island: the mark goes.
    check_page.evaluate(SHOW, ["demand", "island"])
    check_page.uncheck("[name=layer-other_component]")
    before = inked(check_page, "points")
    check_page.locator('input[name="brand"][value="0"]').check(force=True)
    assert inked(check_page, "points") < before
    assert "71 vehicles were read and 71 placed" in check_page.inner_text("#panel-summary")


def test_findings_come_first_and_search_finds_the_rest(check_page: Page) -> None:
    check_page.click("#tab-list")
    hits = check_page.locator("#hits .hit bdi").all_inner_texts()
    # Out of reach, the most energy first; then the point that is far from its road.
    assert hits == ["east", "island", "trap", "farm", "field"]
    check_page.click("#hits summary")
    assert "planned or closed" in check_page.inner_text("#hits details")
    check_page.fill("#search", "more:twin")
    assert check_page.locator("#hits .hit bdi").all_inner_texts() == ["Old depot"]
    check_page.click("#hits button")
    assert check_page.evaluate("document.activeElement.id") == "close"


def test_both_languages_say_everything(open_page: OpenPage, diagnosis: Diagnosis) -> None:
    with open_page(render_check_map(diagnosis), language="zh-CN") as page:
        assert page.title() == "玩具路"
        text = page.inner_text("#panel-summary")
        for part in ("读入 123 辆，已分布 123 辆，一辆不差", "位于单行死路", "位于禁建区内"):
            assert part in text, part
        assert page.get_attribute("html", "lang") == "zh-CN"
        page.click("#language")
        assert page.title() == "Toy road"
        assert "none is lost" in page.inner_text("#panel-summary")


@pytest.mark.parametrize(("language", "phone"), [("en-GB", False), ("zh-CN", True)])
def test_axe_finds_no_barrier(
    diagnosis: Diagnosis, check_map_with_axe: Callable[..., None], language: str, *, phone: bool
) -> None:
    check_map_with_axe(render_check_map(diagnosis), language=language, phone=phone)


def test_no_name_of_the_data_is_ever_run(
    open_page: OpenPage, troubled_study_path: Path, diagnosis: Diagnosis
) -> None:
    hostile = (
        "<img src=x onerror=\"window.pwned='i'\"></script><script>window.pwned=1</script>{{7*7}}"
    )
    feed = troubled_study_path.parent / "stations.csv"
    quoted = '"' + hostile.replace('"', '""') + '"'
    feed.write_text(feed.read_text("utf-8").replace("Old depot", quoted), encoding="utf-8")
    with open_page(render_check_map(diagnose(read_inputs(diagnosis.inputs.study)))) as page:
        page.click("#tab-list")
        page.fill("#search", "old")
        page.click("#hits button")
        assert hostile in page.inner_text("#detail h2")
        page.click("#language")
        assert page.evaluate("window.pwned === undefined")


def test_the_embedded_city_is_small_and_quick(
    open_page: OpenPage, measure_work_s: Callable[[Page], float]
) -> None:
    html = render_check_map(diagnose(read_inputs(read_study(embedded_study_path()))))
    assert len(html.encode()) < 10e6
    with open_page(html) as page:
        assert measure_work_s(page) < 3
        assert "56,213" in page.inner_text("#panel-summary")
