"""The worst served brand first, on cases solved by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import Engine
from siting.instance import SitingInstance, evaluate, no_requirements
from siting.optimise.fairness import solve_fair
from siting.optimise.result import SolveOptions
from siting.study import Objective

OPTIONS = SolveOptions(gap=1e-3, time_limit_s=20.0, n_threads=1)


def two_towns_and_a_village(*, budget: float = 1.0, floor: float = 0.0) -> SitingInstance:
    """Brand a wants 10 in one town, b 4 in another, c 5 in a village with a station for 5.

    One site can be built: s0 serves a's town with 10, s1 b's with 4, s2 both with 8.
    """
    n_site = 3
    requirements = no_requirements(n_site=n_site, n_brand=3, budget_cny=budget)
    return SitingInstance(
        brands=("a", "b", "c"),
        demand_ids=("d0", "d1", "d2"),
        demand_kwh_per_day=np.diag([10.0, 4.0, 5.0]),
        demand_district=np.full(3, -1),
        site_ids=("s0", "s1", "s2"),
        site_district=np.full(n_site, -1),
        station_ids=("e0",),
        district_ids=(),
        tiers=("only",),
        tier_cost_cny=np.ones((n_site, 1)),
        tier_power_kw=np.ones((n_site, 1)),
        tier_capacity_kwh_per_day=np.array([[10.0], [4.0], [8.0]]),
        tier_allowed=np.ones((n_site, 1), dtype=bool),
        station_capacity_kwh_per_day=np.array([5.0]),
        usable=np.ones((4, 3), dtype=bool),
        cover_start=np.array([0, 2, 4, 5]),
        cover_supply=np.array([0, 2, 1, 2, 3]),
        cover_time_s=np.ones(5),
        cover_worth=np.ones(5),
        requirements=requirements.replace(floor_by_brand=np.array([0.0, floor, 0.0])),
    )


@pytest.mark.parametrize("objective", [Objective.MAX_MIN, Objective.LEXICOGRAPHIC])
def test_the_two_towns_share_a_site_and_the_alliance_loses_two_of_fifteen(
    objective: Objective,
) -> None:
    instance = two_towns_and_a_village()
    fair = solve_fair(instance, objective=objective, options=OPTIONS)
    assert fair.total.objective == pytest.approx(15)
    assert fair.result.objective == pytest.approx(13)
    assert fair.price == pytest.approx(2 / 15)
    least, most = fair.price_interval
    assert least <= fair.price <= most
    assert fair.level[:2] == pytest.approx([8 / 14, 8 / 14], abs=2e-3)
    assert (fair.level <= fair.level_most).all()
    assert (fair.level_most[:2] >= 8 / 14 - 1e-9).all()
    assert fair.result.decision is not None
    assert fair.result.decision.tier_of_site.tolist() == [-1, -1, 0]


def test_lexicographic_goes_on_to_those_who_can_have_more() -> None:
    instance = two_towns_and_a_village()
    max_min, lexicographic = (
        solve_fair(instance, objective=objective, options=OPTIONS)
        for objective in (Objective.MAX_MIN, Objective.LEXICOGRAPHIC)
    )
    assert max_min.level[2] == max_min.level[0]
    assert lexicographic.level[2] == pytest.approx(1.0, abs=2e-3)


def test_money_for_all_makes_fairness_free() -> None:
    fair = solve_fair(
        two_towns_and_a_village(budget=2.0), objective=Objective.MAX_MIN, options=OPTIONS
    )
    assert fair.level == pytest.approx([1, 1, 1], abs=2e-3)
    assert fair.price == 0


def test_the_studys_own_floors_hold_too() -> None:
    instance = two_towns_and_a_village(floor=0.9)
    fair = solve_fair(instance, objective=Objective.MAX_MIN, options=OPTIONS)
    assert fair.result.decision is not None
    evaluation = evaluate(instance, fair.result.decision)
    assert evaluation.feasible
    # b must have 3.6 of the 8, which leaves a 4.4 of 10.
    assert fair.level[0] == pytest.approx(0.44, abs=2e-3)


def test_a_brand_that_wants_nothing_holds_nobody_back() -> None:
    instance = two_towns_and_a_village(budget=2.0)
    demand = instance.demand_kwh_per_day.copy()
    demand[2, 2] = 0.0
    fair = solve_fair(
        instance.replace(demand_kwh_per_day=demand),
        objective=Objective.LEXICOGRAPHIC,
        options=OPTIONS,
    )
    assert fair.level == pytest.approx([1, 1, 1], abs=2e-3)


def test_what_cannot_be_met_has_no_plan() -> None:
    instance = two_towns_and_a_village(budget=0.0, floor=0.5)
    fair = solve_fair(instance, objective=Objective.MAX_MIN, options=OPTIONS)
    assert fair.result.decision is None
    assert fair.price == 0


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), objective=st.sampled_from(list(Objective)[1:]))
def test_prices_leave_an_interval_that_holds_what_is_known_exactly(
    seed: int, objective: Objective
) -> None:
    rng = np.random.default_rng(seed)
    instance = two_towns_and_a_village(budget=float(rng.integers(1, 3))).replace(
        demand_kwh_per_day=np.diag(rng.integers(2, 12, 3) * 1.0),
        tier_capacity_kwh_per_day=rng.integers(3, 12, (3, 1)) * 1.0,
    )
    exact = solve_fair(instance, objective=objective, options=OPTIONS)
    by_prices = replace(OPTIONS, engine=Engine.LAGRANGIAN)
    fair = solve_fair(instance, objective=objective, options=by_prices)
    assert fair.result.decision is not None
    evaluation = evaluate(instance, fair.result.decision)
    assert evaluation.feasible
    wanted = instance.demand_kwh_per_day.sum(axis=0)
    served = evaluation.served_kwh_per_day.sum(axis=0) / wanted
    assert (served >= fair.level - 1e-6).all()
    assert fair.level.min() <= exact.level_most.min() + 1e-6
    assert fair.level_most.min() >= exact.level.min() - 1e-6
    assert fair.total.decision is not None
    by_total = evaluate(instance, fair.total.decision).served_kwh_per_day.sum(axis=0) / wanted
    assert fair.level.min() >= by_total.min() - 1e-6


def test_prices_find_the_site_that_two_towns_share() -> None:
    by_prices = replace(OPTIONS, engine=Engine.LAGRANGIAN)
    fair = solve_fair(two_towns_and_a_village(), objective=Objective.MAX_MIN, options=by_prices)
    assert fair.level[:2] == pytest.approx([8 / 14, 8 / 14], abs=1e-3)
    assert fair.level_most[0] >= 8 / 14 - 1e-9
