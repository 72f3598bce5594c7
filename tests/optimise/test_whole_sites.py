"""What whole sites bring: by hand, between the best plan and the relaxation, and when nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.instance import SitingInstance, no_requirements
from siting.optimise.lagrangian import Fixings, allow_all, descend, find_falls, start_descent
from siting.optimise.tier_problem import NO_BUDGET_CNY, build_problem
from siting.optimise.whole_sites import MOST_STEPS, bound_by_whole_sites

if TYPE_CHECKING:
    from conftest import MadeTiers
    from siting.optimise.lagrangian import DualPoint
    from siting.optimise.tier_problem import TierProblem


def price(problem: TierProblem, *, n_iteration: int) -> DualPoint:
    start = start_descent(problem)
    return descend(problem, start, allow_all(problem), n_iteration=n_iteration, aim=0.0)


def two_villages(**requirements: object) -> TierProblem:
    """Two villages of 10 kWh a day, a site of 3 million CNY in each, and 5 million to spend."""
    asked = {"budget_cny": 5e6} | requirements
    return build_problem(
        SitingInstance(
            brands=("ant",),
            demand_ids=("north", "south"),
            demand_kwh_per_day=[[10.0], [10.0]],
            demand_district=[-1, -1],
            site_ids=("N", "S"),
            site_district=[-1, -1],
            station_ids=(),
            district_ids=(),
            tiers=("only",),
            tier_cost_cny=[[3e6], [3e6]],
            tier_power_kw=[[50.0], [50.0]],
            tier_capacity_kwh_per_day=[[10.0], [10.0]],
            tier_allowed=[[True], [True]],
            station_capacity_kwh_per_day=[],
            usable=[[True], [True]],
            cover_start=[0, 1, 2],
            cover_supply=[0, 1],
            cover_time_s=[60.0, 60.0],
            cover_worth=[1.0, 1.0],
            requirements=no_requirements(n_site=2, n_brand=1).replace(**asked),
        )
    )


def test_five_million_buy_one_site_of_three() -> None:
    problem = two_villages()
    point = price(problem, n_iteration=300)
    # The relaxation opens five thirds of a site; whole, the budget buys one.
    assert point.bound == pytest.approx(10.0 * 5 / 3, rel=1e-3)
    assert bound_by_whole_sites(problem, point, allow_all(problem)) == pytest.approx(10.0, rel=1e-3)


def test_what_is_required_is_bought_first_and_may_cost_too_much() -> None:
    problem = two_villages()
    point = price(problem, n_iteration=300)
    both = Fixings(allowed=np.ones(2, dtype=bool), required=np.ones(2, dtype=bool))
    assert bound_by_whole_sites(problem, point, both) == -math.inf
    one = Fixings(allowed=np.ones(2, dtype=bool), required=np.array([True, False]))
    assert bound_by_whole_sites(problem, point, one) == pytest.approx(10.0, rel=1e-3)


@pytest.mark.parametrize("budget_cny", [NO_BUDGET_CNY, 3e6 * (MOST_STEPS + 1)])
def test_money_without_large_steps_or_limit_says_nothing(budget_cny: float) -> None:
    problem = two_villages(budget_cny=budget_cny)
    point = price(problem, n_iteration=10)
    assert bound_by_whole_sites(problem, point, allow_all(problem)) == math.inf


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), n_iteration=st.integers(1, 40))
def test_it_lies_between_the_best_plan_and_the_relaxation(
    made_tiers: type[MadeTiers], seed: int, n_iteration: int
) -> None:
    instance = made_tiers.make(seed)
    problem = build_problem(instance)
    point = price(problem, n_iteration=n_iteration)
    if not math.isfinite(point.bound):
        return
    whole = bound_by_whole_sites(problem, point, allow_all(problem))
    relaxed, _, _ = find_falls(problem, point, allow_all(problem))
    assert made_tiers.best(instance) <= whole
    assert math.isinf(whole) or whole <= relaxed + 1e-6
