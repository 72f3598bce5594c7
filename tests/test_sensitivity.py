"""What becomes of a plan when one of its figures is off, on the toy road that is solved by hand.

One site fits the budget of 1.5 million: WEST, which serves home (1,000 kWh, 0.5 min away) and shop
(500 kWh, 1.5 min). Farm's 20 kWh are out of reach of everything. The old station at the shop is
bee's and, with shared accounts, everybody's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from siting.domain import Doubt, SolveStatus
from siting.optimise.result import SolveOptions
from siting.pipeline import build_case, read_inputs, read_study, solve_case
from siting.sensitivity import Sensitivity, change_study, order_by_swing, solve_sensitivity

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

OPTIONS = SolveOptions(gap=1e-4)
ALL = 1500 / 1520


def vary(path: Path, *, steps: list[float], doubts: tuple[Doubt, ...]) -> Sensitivity:
    inputs = read_inputs(read_study(path))
    plan = solve_case(build_case(inputs))
    return solve_sensitivity(plan, inputs, options=OPTIONS, steps=steps, doubts=doubts)


def row_of(found: Sensitivity, doubt: Doubt, change: float) -> pd.Series:
    table = found.table.set_index(["doubt", "change"])
    return table.loc[doubt.value, change]


def test_half_the_money_builds_nothing_and_the_plan_cannot_be_paid(study_path: Path) -> None:
    found = vary(study_path, steps=[0.5], doubts=(Doubt.BUDGET,))
    less, more = row_of(found, Doubt.BUDGET, -0.5), row_of(found, Doubt.BUDGET, 0.5)
    assert (less["value"], less["n_sites"], less["n_dropped"]) == (0.75e6, 0, 1)
    # The old station gives the shop what one connector of 60 kW can.
    assert 0 < less["served_share"] <= 500 / 1520
    assert math.isnan(less["kept_share"])
    assert "over the budget" in less["kept_breaks"]
    assert (more["n_same"], more["n_new"], more["n_dropped"]) == (1, 0, 0)
    assert more["served_share"] == pytest.approx(ALL)
    assert more["gain_at_most"] == pytest.approx(0.0, abs=2e-4)


def test_a_shorter_drive_leaves_the_shop_to_the_old_station(study_path: Path) -> None:
    # Within 1.25 min WEST has home alone, and EAST, a minute from the shop, is not worth as much.
    found = vary(study_path, steps=[0.5], doubts=(Doubt.CUTOFF,))
    less, more = row_of(found, Doubt.CUTOFF, -0.5), row_of(found, Doubt.CUTOFF, 0.5)
    assert less["value"] == 1.25
    assert (less["n_same"], less["status"]) == (1, SolveStatus.OPTIMAL)
    assert 1000 / 1520 < less["served_share"] < ALL
    assert less["kept_share"] == pytest.approx(less["served_share"])
    assert more["served_share"] == pytest.approx(ALL)


def test_dearer_sites_are_paid_for_while_the_money_lasts(study_path: Path) -> None:
    found = vary(study_path, steps=[0.5, 0.6], doubts=(Doubt.COST,))
    assert row_of(found, Doubt.COST, 0.5)["kept_share"] == pytest.approx(ALL)
    assert row_of(found, Doubt.COST, 0.5)["cost_cny"] == 1.5e6
    assert math.isnan(row_of(found, Doubt.COST, 0.6)["kept_share"])
    assert row_of(found, Doubt.COST, 0.6)["n_sites"] == 0


def test_demand_and_wait_change_what_fits(study_path: Path) -> None:
    # Two connectors instead of sixty: what is served is the capacity, whatever is wanted.
    text = study_path.read_text(encoding="utf-8")
    small = text.replace("connectors: 60", "connectors: 2").replace("power_kw: 120", "power_kw: 30")
    study_path.write_text(small, encoding="utf-8")
    found = vary(study_path, steps=[0.2], doubts=(Doubt.DEMAND, Doubt.WAIT))
    base = found.plan.joint.evaluation.served_kwh_per_day.sum()
    for change in (-0.2, 0.2):
        row = row_of(found, Doubt.DEMAND, change)
        wanted = 1520 * (1 + change)
        assert row["value"] == pytest.approx(wanted)
        assert row["served_share"] == pytest.approx(base / wanted, rel=1e-4)
        assert row["kept_share"] == pytest.approx(row["served_share"], rel=1e-4)
    served = {c: row_of(found, Doubt.WAIT, c)["served_share"] for c in (-0.2, 0.2)}
    assert served[-0.2] < base / 1520 < served[0.2]
    assert order_by_swing(found.table)[0] == Doubt.DEMAND


def test_what_knowing_beforehand_could_gain_is_bound_less_plan(study_path: Path) -> None:
    # Two connectors a site are full at once; half as much money again builds a second site.
    text = study_path.read_text(encoding="utf-8")
    small = text.replace("connectors: 60", "connectors: 2").replace("power_kw: 120", "power_kw: 30")
    study_path.write_text(small, encoding="utf-8")
    found = vary(study_path, steps=[0.5], doubts=(Doubt.BUDGET,))
    more = row_of(found, Doubt.BUDGET, 0.5)
    base = found.plan.joint.evaluation.served_kwh_per_day.sum() / 1520
    assert (more["n_sites"], more["n_same"], more["n_new"]) == (2, 1, 1)
    assert more["kept_share"] == pytest.approx(base, rel=1e-4)  # whole watt-hours
    assert more["kept_breaks"] == ""
    assert more["served_share"] > base + 0.01
    assert more["gain_at_most"] == pytest.approx(more["bound_share"] - base, rel=1e-4)
    assert more["bound_share"] >= more["served_share"] - 1e-9


def test_floors_that_no_plan_can_meet_are_said_so(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    floored = text.replace("{id: ant, name: Ant,", "{id: ant, name: Ant, floor: 0.9,")
    study_path.write_text(floored, encoding="utf-8")
    found = vary(study_path, steps=[0.5], doubts=(Doubt.BUDGET,))
    less = row_of(found, Doubt.BUDGET, -0.5)
    assert less["status"] == SolveStatus.INFEASIBLE
    assert math.isnan(less["served_share"])
    assert math.isnan(less["bound_share"])
    assert any("none" in line for line in found.summary_lines())


def test_steps_of_a_drive_are_stretched_with_it(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    steps = "worth: steps, steps: [{within_minutes: 1, worth: 1}, {within_minutes: 2, worth: 0.5}],"
    study_path.write_text(text.replace("access: {", f"access: {{{steps} "), encoding="utf-8")
    changed = change_study(read_study(study_path), Doubt.CUTOFF, 1.5).access
    assert changed.cutoff_minutes == 3.75
    assert [step.within_minutes for step in changed.steps] == [1.5, 3.0]


@pytest.mark.parametrize("step", [0.0, 1.0, -0.1, math.nan])
def test_a_step_is_a_share(study_path: Path, step: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        vary(study_path, steps=[step], doubts=(Doubt.BUDGET,))


def test_a_notebook_shows_it(study_path: Path) -> None:
    found = vary(study_path, steps=[0.1], doubts=(Doubt.COST,))
    assert "<table" in found._repr_html_()
    assert "as decided" in found._repr_html_()
