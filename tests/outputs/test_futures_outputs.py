"""What the map shows of a plan for several futures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.outputs.map import render_map
from siting.pipeline import build_case, plan_robust, read_inputs, read_study

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.plan import SitingPlan

SCENARIOS = """\
scenarios:
  - {id: few, name: {en: Few come, zh: 来得少}, demand: 0.5}
  - {id: jam, name: {en: Nobody gets far, zh: 堵车}, cutoff: 0.1}
robust: {rule: expected, draws: 4}
"""


@pytest.fixture
def robust_plan(study_path: Path) -> SitingPlan:
    study_path.write_text(study_path.read_text(encoding="utf-8") + SCENARIOS, encoding="utf-8")
    return plan_robust(build_case(read_inputs(read_study(study_path))))


def test_a_site_that_one_future_spares_is_no_no_regret_site(robust_plan: SitingPlan) -> None:
    assert robust_plan.sites["site_id"].tolist() == ["WEST"]
    assert robust_plan.sites["n_chosen_alone"].tolist() == [2]
    assert robust_plan.sites["no_regret"].tolist() == [False]


@pytest.mark.browser
def test_the_map_says_how_often_a_site_is_chosen(
    open_page: Callable[..., AbstractContextManager[Page]],
    check_with_axe: Callable[[Page], None],
    robust_plan: SitingPlan,
) -> None:
    with open_page(render_map(robust_plan)) as page:
        summary = page.locator("#panel-summary").inner_text()
        for words in ("Whichever future comes", "Few come", "0 sites are no-regret, 0 of them"):
            assert words in summary
        check_with_axe(page)
        page.locator("#tab-list").click()
        page.locator("#hits .hit-site").first.click()
        assert "2 of 3" in page.locator(".detail-body").inner_text()
        page.locator("#close").click()  # a chosen site's halo would cover the ring
        plain = int(page.evaluate("inked", "points"))
        page.evaluate("() => { siting.page.model.data.robust.no_regret[0] = true; }")
        page.locator("#language").click()
        assert int(page.evaluate("inked", "points")) > plain
        assert "无论未来如何" in page.locator("#panel-summary").text_content()
