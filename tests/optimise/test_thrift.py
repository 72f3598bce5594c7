"""Nothing is built that the plan is worth no less without."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.instance import CLOSED, SitingInstance, evaluate, no_requirements
from siting.optimise.assignment import WorthWithout, assign_drivers
from siting.optimise.solve import SolveOptions, solve
from siting.optimise.thrift import spare_money

if TYPE_CHECKING:
    from siting.instance import Decision

# One demand point of 10 kWh; NEAR and FAR both reach it, each small (6 kWh) or big (12 kWh).
NEAR, FAR = 0, 1
SMALL, BIG = 0, 1
TOWN = SitingInstance(
    brands=("ant",),
    demand_ids=("home",),
    demand_kwh_per_day=[[10.0]],
    demand_district=[0],
    site_ids=("NEAR", "FAR"),
    site_district=[0, 0],
    station_ids=(),
    district_ids=("d",),
    tiers=("small", "big"),
    tier_cost_cny=[[1.0, 3.0], [1.0, 3.0]],
    tier_power_kw=[[10.0, 20.0], [10.0, 20.0]],
    tier_capacity_kwh_per_day=[[6.0, 12.0], [6.0, 12.0]],
    tier_allowed=np.ones((2, 2), dtype=bool),
    station_capacity_kwh_per_day=np.empty(0),
    usable=[[True], [True]],
    cover_start=[0, 2],
    cover_supply=[NEAR, FAR],
    cover_time_s=[60.0, 300.0],
    cover_worth=[1.0, 1.0],
    requirements=no_requirements(n_site=2, n_brand=1),
)


def plan_for(instance: SitingInstance, *tiers: int) -> Decision:
    decision = assign_drivers(instance, np.array(tiers, dtype=np.int32))
    assert decision is not None
    return decision


@pytest.mark.parametrize(
    ("tiers", "spared"),
    [
        ((BIG, BIG), (BIG, CLOSED)),  # NEAR alone serves all ten
        ((BIG, SMALL), (BIG, CLOSED)),
        ((SMALL, BIG), (SMALL, SMALL)),  # four are left for FAR, for which small will do
        ((SMALL, SMALL), (SMALL, SMALL)),  # either alone would lose four
    ],
)
def test_what_adds_nothing_is_not_built(tiers: tuple[int, int], spared: tuple[int, int]) -> None:
    assert spare_money(TOWN, plan_for(TOWN, *tiers)).tier_of_site.tolist() == list(spared)


@pytest.mark.parametrize(
    "requirements",
    [
        {"required": np.array([False, True])},
        {"min_sites": 2},
        {"district_min_sites": [2], "district_max_sites": [2]},
    ],
)
def test_what_is_asked_for_stays(requirements: dict[str, object]) -> None:
    town = replace(TOWN, requirements=replace(TOWN.requirements, **requirements))
    spared = spare_money(town, plan_for(town, BIG, BIG))
    assert spared.opened.all()
    assert evaluate(town, spared).cost_cny < 6.0
    assert evaluate(town, spared).feasible


def test_worth_that_falls_with_the_drive_keeps_the_near_site() -> None:
    town = replace(TOWN, cover_worth=[1.0, 0.5])
    assert spare_money(town, plan_for(town, SMALL, BIG)).opened.all()
    assert not spare_money(town, plan_for(town, BIG, SMALL)).opened[FAR]


@given(st.integers(0, 10**6))
def test_no_solve_pays_for_a_site_that_can_be_missed(made_tiers: type, seed: int) -> None:
    instance: SitingInstance = made_tiers.make(seed)
    result = solve(instance, options=SolveOptions(gap=0.0))
    if result.decision is None:
        return
    assert evaluate(instance, result.decision).feasible
    assert result.objective == pytest.approx(made_tiers.best(instance))
    again = spare_money(instance, result.decision)
    assert evaluate(instance, again).cost_cny == evaluate(instance, result.decision).cost_cny


@pytest.mark.parametrize("first", [NEAR, FAR])
def test_what_is_left_without_a_site_is_what_its_drivers_would_get(first: int) -> None:
    big = np.full(2, BIG, dtype=np.int32)
    town = TOWN.replace(tier_capacity_kwh_per_day=[[6.0, 9.0], [6.0, 7.0]])
    without = WorthWithout(town, big)
    assert without.compute(NEAR) == pytest.approx(7.0)
    assert without.compute(FAR) == pytest.approx(9.0)
    without.close(first)
    assert without.compute(1 - first) == pytest.approx(0.0)


def test_nothing_is_left_where_a_floor_fails() -> None:
    floored = TOWN.requirements.replace(floor_by_brand=np.array([0.7]))
    town = TOWN.replace(requirements=floored)
    assert WorthWithout(town, np.array([BIG, SMALL], dtype=np.int32)).compute(NEAR) == -np.inf
