"""A toy study in two periods, through the ordinary run, to what people see."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from siting.errors import StudyError
from siting.outputs.map import render_map
from siting.pipeline import build_case, read_inputs, read_study, run, solve_case, write_report
from siting.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.plan import SitingPlan

# Money for one site a period. EAST reaches shop only, WEST reaches home and shop.
PHASES = """\
phases:
  - {id: "2027", name: {en: Two years, zh: 头两年}, years: 2, budget_share: 0.5, demand_share: 0.1}
  - {id: "2028", name: {en: Third year, zh: 第三年}, budget_share: 0.5}
"""


# What all areas want and get in the period chosen (kWh a day), as their colours have it.
AREAS = """
() => {
  const { model, state } = siting.page;
  const areas = siting.time.areasOf(model, state);
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  return [sum(areas.wanted(siting.ALL)), sum(areas.served(siting.ALL, "joint"))];
}
"""
COLOURS = "() => Array.from(siting.createTheme(siting.page.model, siting.page.state).values)"


@pytest.fixture
def phased_path(study_path: Path) -> Path:
    text = study_path.read_text(encoding="utf-8").replace("budget_cny: 1.5e+6", "budget_cny: 2e+6")
    text = text.replace("connectors: 60, power_kw: 120", "connectors: 2, power_kw: 120")
    study_path.write_text(text + PHASES, encoding="utf-8")
    return study_path


@pytest.fixture
def phased_plan(phased_path: Path) -> SitingPlan:
    return solve_case(build_case(read_inputs(read_study(phased_path))))


def test_the_site_list_says_when(phased_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    run(phased_path, folder)
    with (folder / "sites.csv").open(encoding="utf-8-sig", newline="") as stream:
        rows = {row["site_id"]: row for row in csv.DictReader(stream)}
    assert {name: (row["opens"], row["grows"]) for name, row in rows.items()} == {
        "WEST": ("2027", ""),
        "EAST": ("2028", ""),
    }
    manifest = json.loads((folder / "plan.json").read_bytes())
    phases = manifest["phases"]
    assert (phases["status"], phases["violations"]) == ("optimal", [])
    periods = phases["periods"]
    assert [row["phase"] for row in periods] == ["2027", "2028"]
    assert [row["spent_cny"] for row in periods] == [1e6, 1e6]
    assert [row["n_opened"] for row in periods] == [1, 1]
    assert periods[0]["wanted_kwh_per_day"] == pytest.approx(0.1 * periods[1]["wanted_kwh_per_day"])
    assert all(row["served_share"] <= row["most_share"] for row in periods)
    assert phases["gap"] <= manifest["solve"]["gap_asked"]
    assert all(check.passed for check in verify_folder(folder))
    page = write_report(folder).read_text(encoding="utf-8")
    for words in ("What is built when", "分期建设", "Two years", "第三年"):
        assert words in page


def test_the_summary_tells_the_periods(phased_plan: SitingPlan) -> None:
    lines = phased_plan.summary_lines()
    assert any(line.startswith("2027") and "1 sites (1 open, 0 grow)" in line for line in lines)
    assert any(line.startswith("all years") for line in lines)
    assert any(line.startswith("one by one") for line in lines)


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("phases.2028.budget_share", "0.2", "add up to 0.7"),
        ("phases.2027.id", "2028", "two phases have the same id"),
        ("phases.2028.demand_share", "0.9", "its demand_share is 1"),
        ("phases.2027.demand_share_by_brand", '{"cat": 1}', "brands that the study has not: cat"),
        ("objective", "max_min", "the objective `total` alone"),
    ],
)
def test_periods_that_make_no_sense_are_refused(
    phased_path: Path, key: str, value: str, what: str
) -> None:
    with pytest.raises(StudyError, match=what):
        read_study(phased_path, changes={key: value})


def energy_of(plan: SitingPlan, period: int) -> list[float]:
    """Return what is wanted and served in a period."""
    assert plan.phases is not None
    row = plan.phases.table.iloc[period]
    return [row["wanted_kwh_per_day"], row["served_kwh_per_day"]]


@pytest.mark.browser
def test_the_time_control_shows_what_stands_when(
    open_page: Callable[..., AbstractContextManager[Page]], phased_plan: SitingPlan
) -> None:
    with open_page(render_map(phased_plan)) as page:
        radios = page.locator("#periods input")
        assert radios.count() == 2
        assert page.locator("#periods .choice").all_inner_texts() == ["Two years", "Third year"]
        assert radios.nth(1).is_checked()
        full = int(page.evaluate("inked", "points"))
        colours, at_the_end = page.evaluate(COLOURS), page.evaluate(AREAS)
        # By keyboard alone: the arrow moves to the first period.
        radios.nth(1).focus()
        page.keyboard.press("ArrowLeft")
        assert page.evaluate("siting.page.state.period") == 0
        standing = "(n) => siting.time.tierAt(siting.page.model, siting.page.state, n)"
        ids = phased_plan.sites["site_id"].tolist()
        assert [page.evaluate(standing, n) for n in range(2)] == [
            0 if name == "WEST" else -1 for name in ids
        ]
        assert int(page.evaluate("inked", "points")) != full
        # The areas are those of the period: colours, demand, service.
        assert page.evaluate(COLOURS) != colours
        assert page.evaluate(AREAS) == pytest.approx(energy_of(phased_plan, 0), abs=0.5)
        assert at_the_end == pytest.approx(energy_of(phased_plan, 1), abs=0.5)
        # From another moment, a period leads back to the plan.
        page.locator('input[name="moment"][value="today"]').check(force=True)
        radios.nth(1).check(force=True)
        assert page.evaluate("siting.page.state.moment") == "joint"
        assert page.locator('input[name="moment"][value="joint"]').is_checked()
        page.locator("#language").click()
        assert page.locator("#periods .choice").all_inner_texts() == ["头两年", "第三年"]
        assert "分期建设" in page.locator("#panel-summary").inner_text()


@pytest.mark.browser
def test_a_plan_without_periods_has_no_time_control(
    open_page: Callable[..., AbstractContextManager[Page]], toy_plan: SitingPlan
) -> None:
    with open_page(render_map(toy_plan)) as page:
        assert not page.locator("#periods").is_visible()
