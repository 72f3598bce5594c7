"""What map and report show of trips, on the toy road of `test_trips_study`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.outputs.map import render_map
from siting.outputs.map_payload import build_map_payload
from siting.pipeline import (
    build_case,
    read_inputs,
    read_study,
    solve_case,
    write_outputs,
    write_report,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.plan import SitingPlan


@pytest.fixture
def plan(trips_study: Path) -> SitingPlan:
    return solve_case(build_case(read_inputs(read_study(trips_study))))


def test_the_map_holds_pairs_paths_and_charges(plan: SitingPlan) -> None:
    trips = build_map_payload(plan)["trips"]
    assert trips["places"]["name"] == ["Here", "There"]
    assert (trips["origin"], trips["destination"]) == ([0], [1])
    assert trips["cars"] == [100]
    assert trips["covered"] == {"today": [0], "joint": [100]}
    assert trips["by_brand"]["joint"] == [60, 40]
    # Both brands are one fleet; it charges at EAST on the way there (km 3) and back (km 5).
    (fleet,) = trips["fleets"]
    assert (fleet["brands"], fleet["cars"], fleet["covered"]) == ([0, 1], 100, 100)
    assert [charge[:2] for charge in fleet["charges"]] == [["EAST", 3], ["EAST", 5]]


def test_the_report_tells_of_the_trips(plan: SitingPlan, tmp_path: Path) -> None:
    write_outputs(plan, tmp_path / "out")
    page = write_report(tmp_path / "out").read_text(encoding="utf-8")
    for words in ("Trips between places", "城际出行", "Here – There", "driven again"):
        assert words in page


@pytest.mark.browser
def test_trips_are_drawn_and_chosen(
    open_page: Callable[..., AbstractContextManager[Page]],
    check_with_axe: Callable[[Page], None],
    plan: SitingPlan,
) -> None:
    with open_page(render_map(plan)) as page:
        assert "100 of 100 cars a day" in page.locator("#panel-summary").inner_text()
        check_with_axe(page)
        # Here, WEST, the old charger, EAST, There: four stretches.
        assert page.evaluate("siting.page.model.trips.stretches.map((s) => s.cars)") == [100] * 4
        drawn = int(page.evaluate("inked", "points"))
        page.locator('input[name="layer-trips"]').uncheck(force=True)
        assert int(page.evaluate("inked", "points")) < drawn
        page.locator('input[name="layer-trips"]').check(force=True)
        page.locator("#tab-list").click()
        page.fill("#search", "There")
        page.locator("#hits .hit-place").first.click()
        assert "100 of 100" in page.locator(".detail-body").inner_text()
        page.locator(".detail-body .hit-trip").first.click()
        detail = page.locator(".detail-body").inner_text()
        assert "EAST, after 3 km" in detail
        assert "EAST, after 5 km" in detail
        check_with_axe(page)
        # A click on the road between the marks chooses the stretch.
        page.keyboard.press("Escape")
        x, y = page.evaluate(
            """() => {
              const { map, model } = siting.page;
              const { from, to } = model.trips.stretches[3];
              const [mx, my] = [0, 1].map((axis) => (from[axis] + to[axis]) / 2);
              const middle = siting.toLatLng(model.origin, mx, my);
              map.setView(middle, 14, { animate: false });
              const { x, y } = map.latLngToContainerPoint(middle);
              const box = map.getContainer().getBoundingClientRect();
              return [box.left + x, box.top + y];
            }"""
        )
        page.wait_for_timeout(300)  # the marks are drawn anew for the view
        page.mouse.click(x, y)
        assert page.evaluate("siting.page.state.selection.kind") == "stretch"
        page.locator("#language").click()
        assert "经过此处的出行" in page.locator(".detail-head").inner_text()
