"""The frontier: what every budget buys, on a toy solved by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from siting import pipeline
from siting.cli import app
from siting.domain import SolveStatus
from siting.errors import ExitCode, InfeasibleError
from siting.outputs.frontier import (
    build_frontier,
    keep_best_known,
    render_frontier,
    render_frontier_json,
)
from siting.pipeline import (
    build_case,
    read_inputs,
    read_study,
    solve_budgets,
    solve_case,
    write_outputs,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from playwright.sync_api import Page

    from siting.plan import SitingPlan

    OpenPage = Callable[..., AbstractContextManager[Page]]


def test_more_money_never_buys_less(study_path: Path) -> None:
    # Nothing under a million; WEST serves all of the 1,500 kWh within reach from then on.
    case = build_case(read_inputs(read_study(study_path)))
    table = build_frontier(solve_budgets(case, [2e6, 0.5e6, 1e6]))
    assert table["budget_cny"].tolist() == [0.5e6, 1e6, 2e6]
    assert table["n_sites"].tolist() == [0, 1, 1]
    assert table["served_share"].is_monotonic_increasing
    assert table["served_share"].iloc[-1] == pytest.approx(1500 / 1520, abs=2e-6)
    assert (table["objective_share"] <= table["bound_share"] + 1e-6).all()
    assert table["share_per_million"].iloc[-1] == 0.0


def test_budgets_too_small_for_any_plan_are_named_apart(study_path: Path) -> None:
    # A floor of 90 % needs WEST, which costs a million.
    case = build_case(read_inputs(read_study(study_path)))
    floors = np.full(case.instance.n_brand, 0.9)
    requirements = case.instance.requirements.replace(floor_by_brand=floors)
    case = replace(case, instance=case.instance.replace(requirements=requirements))
    found = solve_budgets(case, [0.4e6, 2e6, 0.5e6])
    [plan] = found.plans
    assert plan.case.instance.requirements.budget_cny == 2e6
    assert found.unplanned == dict.fromkeys((0.4e6, 0.5e6), SolveStatus.INFEASIBLE)
    table = build_frontier(found)
    assert table["status"].tolist() == ["infeasible", "infeasible", "optimal"]
    assert table["served_share"].isna().tolist() == [True, True, False]
    with pytest.raises(InfeasibleError):
        solve_budgets(case, [0.4e6, 0.5e6])


def test_budgets_without_a_plan_are_on_the_page(study_path: Path) -> None:
    case = build_case(read_inputs(read_study(study_path)))
    found = solve_budgets(case, [1e6, 2e6])
    statuses = {0.3e6: SolveStatus.INFEASIBLE, 0.7e6: SolveStatus.NO_PLAN}
    page = render_frontier(replace(found, unplanned=statuses)).decode()
    assert "With 0.30 million CNY no plan can keep all rules." in page
    assert "With 0.70 million CNY no plan that keeps all rules was found." in page
    assert "a budget without a plan" in page
    assert "a budget without a plan" not in render_frontier(found).decode()
    rows = json.loads(render_frontier_json(replace(found, unplanned=statuses)))["rows"]
    assert [row["status"] for row in rows[:2]] == ["infeasible", "no_plan"]
    assert [row["n_sites"] for row in rows] == [None, None, 1, 1]


def test_a_search_that_ended_early_shows_what_is_already_in_hand(study_path: Path) -> None:
    # A search that built nothing for two million is raised to what one million buys, and one for
    # a million to a plan that is known; half a million pays for neither.
    case = build_case(read_inputs(read_study(study_path)))
    none, one, two = solve_budgets(case, [0.5e6, 1e6, 2e6]).plans

    def built_nothing(plan: SitingPlan) -> SitingPlan:
        worth = none.joint.evaluation.objective_kwh_per_day
        solve = replace(plan.solve, objective=worth, gap=1.0, status=SolveStatus.FEASIBLE)
        return replace(plan, joint=none.joint, solve=solve)

    kept = keep_best_known([built_nothing(two), none, one], gap=0.01)
    assert [len(plan.sites) for plan in kept] == [1, 0, 1]
    assert kept[0].solve.status is SolveStatus.OPTIMAL
    assert kept[0].solve.gap <= 0.01
    assert kept[0].solve.objective == one.joint.evaluation.objective_kwh_per_day
    known = one.joint.decision
    kept = keep_best_known([none, built_nothing(one)], gap=0.01, known=known)
    assert [len(plan.sites) for plan in kept] == [0, 1]


def test_the_folders_own_plan_counts_where_it_is_of_the_same_case(
    study_path: Path, tmp_path: Path
) -> None:
    case = build_case(read_inputs(read_study(study_path)))
    plan = solve_case(case)
    write_outputs(plan, tmp_path / "out")
    found = pipeline._read_decision(case, tmp_path / "out")
    assert found is not None
    assert found.tier_of_site.tolist() == plan.joint.decision.tier_of_site.tolist()
    less = case.instance.requirements.replace(budget_cny=0.5e6)
    other = replace(case, instance=case.instance.replace(requirements=less))
    assert pipeline._read_decision(other, tmp_path / "out") is None
    assert pipeline._read_decision(case, tmp_path / "nowhere") is None


def test_the_page_runs_nothing_and_is_the_same_twice(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    study_path.write_text(text.replace("Toy road", "<img src=x>"), encoding="utf-8")
    case = build_case(read_inputs(read_study(study_path)))
    page = render_frontier(solve_budgets(case, [1e6, 2e6]))
    assert b"<img" not in page
    assert b"<script" not in page
    assert "示意数据".encode() in page
    assert page == render_frontier(solve_budgets(case, [1e6, 2e6]))


def test_the_command_writes_table_and_chart(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["frontier", str(study_path), "-o", str(out)]
    result = CliRunner().invoke(app, [*command, "--budgets", "1e6,2e6"])
    assert result.exit_code == ExitCode.OK, result.output
    assert pd.read_csv(out / "frontier.csv")["illustrative"].all()
    assert (out / "frontier.html").is_file()
    for wrong in ("1e6,x", "-1", "nan"):
        result = CliRunner().invoke(app, [*command, "--budgets", wrong])
        assert result.exit_code == ExitCode.BAD_INPUT
        assert "no list of amounts" in result.stderr


@pytest.mark.browser
def test_in_a_browser_it_fetches_nothing_and_has_no_barrier(
    open_page: OpenPage, study_path: Path, check_with_axe: Callable[[Page], None]
) -> None:
    case = build_case(read_inputs(read_study(study_path)))
    found = solve_budgets(case, [1e6, 2e6])
    html = render_frontier(replace(found, unplanned={0.3e6: SolveStatus.INFEASIBLE})).decode()
    for phone in (False, True):
        with open_page(html, phone=phone, ready="main") as page:
            check_with_axe(page)
            page.click('label[for="lang-zh"]')
            assert "不同预算" in page.inner_text("h1")
