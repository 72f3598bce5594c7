from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siting.domain import Engine, SolveStatus
from siting.instance import CLOSED, SitingInstance, evaluate, no_requirements
from siting.optimise.assignment import assign_drivers
from siting.optimise.result import SolveOptions
from siting.optimise.value import LEAST_COST, Valuation, solve_for_value

PROVEN = SolveOptions(gap=1e-6, time_limit_s=30.0, n_threads=1)


def build_instance(rng: np.random.Generator, *, floor: float, budget: float) -> SitingInstance:
    n_demand, n_site, n_brand, n_tier = 6, 4, 2, 2
    covers = [np.sort(rng.choice(n_site + 1, 3, replace=False)) for _ in range(n_demand)]
    usable = np.ones((n_site + 1, n_brand), dtype=bool)
    usable[n_site, 1] = False
    requirements = no_requirements(n_site=n_site, n_brand=n_brand, budget_cny=budget)
    return SitingInstance(
        brands=("a", "b"),
        demand_ids=tuple(f"d{i}" for i in range(n_demand)),
        demand_kwh_per_day=rng.integers(0, 6, (n_demand, n_brand)),
        demand_district=np.full(n_demand, -1),
        site_ids=tuple(f"s{j}" for j in range(n_site)),
        site_district=np.full(n_site, -1),
        station_ids=("e0",),
        district_ids=(),
        tiers=("small", "large"),
        tier_cost_cny=np.sort(rng.integers(10, 60, (n_site, n_tier)), axis=1),
        tier_power_kw=np.ones((n_site, n_tier)),
        tier_capacity_kwh_per_day=np.sort(rng.integers(4, 20, (n_site, n_tier)), axis=1),
        tier_allowed=rng.random((n_site, n_tier)) < 0.9,
        station_capacity_kwh_per_day=np.array([5.0]),
        usable=usable,
        cover_start=np.arange(n_demand + 1) * 3,
        cover_supply=np.concatenate(covers),
        cover_time_s=np.ones(3 * n_demand),
        cover_worth=rng.choice([0.5, 1.0], 3 * n_demand),
        requirements=requirements.replace(floor_by_brand=np.full(n_brand, floor)),
    )


def best_by_enumeration(instance: SitingInstance, valuation: Valuation) -> float:
    """Try every choice of tiers; the flows of each are a linear program."""
    best = -np.inf
    for tiers in itertools.product(range(CLOSED, instance.n_tier), repeat=instance.n_site):
        decision = assign_drivers(instance, np.array(tiers, dtype=np.int32))
        if decision is not None and (found := evaluate(instance, decision)).feasible:
            best = max(best, valuation.value_cny(found))
    return best


@settings(max_examples=12)
@given(
    seed=st.integers(0, 10_000),
    floor=st.sampled_from([0.0, 0.4]),
    budget=st.sampled_from([60.0, np.inf]),
    valuation=st.sampled_from(
        [LEAST_COST, Valuation(service_cny_per_kwh_per_day=4.0, cost_weight=0.5)]
    ),
)
def test_the_value_is_that_of_the_best_of_all_plans(
    seed: int, floor: float, budget: float, valuation: Valuation
) -> None:
    instance = build_instance(np.random.default_rng(seed), floor=floor, budget=budget)
    result = solve_for_value(instance, valuation=valuation, options=PROVEN)
    expected = best_by_enumeration(instance, valuation)
    assert result.value_cny == pytest.approx(expected)
    assert result.bound_cny == pytest.approx(expected)
    if result.decision is None:
        assert result.status is SolveStatus.INFEASIBLE
    else:
        assert result.status is SolveStatus.OPTIMAL
        assert evaluate(instance, result.decision).feasible


def test_the_answer_is_never_worse_than_where_it_started() -> None:
    instance = build_instance(np.random.default_rng(4), floor=0.0, budget=np.inf)
    valuation = Valuation(service_cny_per_kwh_per_day=4.0, cost_weight=0.5)
    best = solve_for_value(instance, valuation=valuation, options=PROVEN)
    assert best.decision is not None
    no_time = SolveOptions(gap=0.0, time_limit_s=1e-9, n_threads=1)
    closed = np.full(instance.n_site, CLOSED, dtype=np.int32)
    hurried = solve_for_value(
        instance, valuation=valuation, options=no_time, starts=[closed, best.decision.tier_of_site]
    )
    assert hurried.value_cny == pytest.approx(best.value_cny)
    assert hurried.bound_cny >= best.value_cny
    assert hurried.status is not SolveStatus.OPTIMAL or hurried.gap == 0


def test_a_start_that_breaks_a_constraint_is_passed_over() -> None:
    instance = build_instance(np.random.default_rng(4), floor=0.0, budget=20.0)
    everything = np.ones(instance.n_site, dtype=np.int32)
    result = solve_for_value(instance, valuation=LEAST_COST, options=PROVEN, starts=[everything])
    assert result.value_cny == 0


@pytest.mark.parametrize("worth", [-1.0, np.nan, np.inf])
def test_a_worth_that_makes_no_sense_is_refused(worth: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Valuation(service_cny_per_kwh_per_day=worth, cost_weight=1.0)


@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), budget=st.sampled_from([60.0, np.inf]))
def test_prices_leave_an_interval_that_holds_the_truth(seed: int, budget: float) -> None:
    instance = build_instance(np.random.default_rng(seed), floor=0.0, budget=budget)
    valuation = Valuation(service_cny_per_kwh_per_day=4.0, cost_weight=0.5)
    by_prices = SolveOptions(gap=1e-6, work_limit=50.0, engine=Engine.LAGRANGIAN)
    result = solve_for_value(instance, valuation=valuation, options=by_prices)
    true = best_by_enumeration(instance, valuation)
    assert result.decision is not None
    assert valuation.value_cny(evaluate(instance, result.decision)) == result.value_cny
    assert result.value_cny <= true + 1e-6
    assert result.bound_cny >= true - 1e-6
    assert result.value_cny >= 0.8 * true


@settings(max_examples=12)
@example(seed=286, floor=0.2)  # nothing that the floors' prices know of need be built
@given(seed=st.integers(0, 10_000), floor=st.sampled_from([0.2, 0.4, 0.7]))
def test_the_least_cost_by_prices_leaves_an_interval_that_holds_the_truth(
    seed: int, floor: float
) -> None:
    instance = build_instance(np.random.default_rng(seed), floor=floor, budget=np.inf)
    by_prices = SolveOptions(gap=1e-6, work_limit=50.0, engine=Engine.LAGRANGIAN)
    largest = np.where(instance.tier_allowed, np.arange(instance.n_tier), CLOSED).max(axis=1)
    result = solve_for_value(
        instance, valuation=LEAST_COST, options=by_prices, starts=[largest.astype(np.int32)]
    )
    true = best_by_enumeration(instance, LEAST_COST)
    if true == -np.inf:
        assert result.decision is None
        return
    assert result.decision is not None
    assert evaluate(instance, result.decision).feasible
    assert result.value_cny <= true + 1e-6
    assert result.bound_cny >= true - 1e-6


def test_a_level_that_no_money_can_buy_is_told_from_one_that_was_not_found() -> None:
    instance = build_instance(np.random.default_rng(4), floor=1.0, budget=np.inf)
    instance = instance.replace(station_capacity_kwh_per_day=np.zeros(1))
    instance = instance.replace(tier_capacity_kwh_per_day=np.ones((4, 2)))
    by_prices = SolveOptions(gap=1e-6, engine=Engine.LAGRANGIAN)
    result = solve_for_value(instance, valuation=LEAST_COST, options=by_prices)
    assert result.status is SolveStatus.INFEASIBLE
    assert result.decision is None


def test_a_tier_larger_than_all_in_reach_adds_nothing_to_the_bound_and_the_bound_is_a_sum() -> None:
    # Three homes of 4 kWh in reach of two neighbours of three sites each, all to be served: the
    # relaxation opens half of each small tier for 15; the least that is a sum of tens is 20.
    three = three_homes()
    by_prices = SolveOptions(gap=1e-6, engine=Engine.LAGRANGIAN)
    result = solve_for_value(three, valuation=LEAST_COST, options=by_prices)
    assert (result.value_cny, result.bound_cny) == (-20.0, -20.0)
    assert result.status is SolveStatus.OPTIMAL


def test_a_site_that_two_brands_can_share_is_enough_though_its_best_flow_serves_only_one() -> None:
    # Ten kWh of each brand in reach of both sites of 10 kWh, and half of each brand to be served.
    homes = three_homes()
    shared = homes.replace(
        brands=("a", "b"),
        demand_ids=("d0", "d1"),
        demand_kwh_per_day=np.diag([10.0, 10.0]),
        demand_district=np.full(2, -1),
        site_ids=("s0", "s1"),
        site_district=np.full(2, -1),
        tiers=("small",),
        tier_cost_cny=np.full((2, 1), 7.0),
        tier_power_kw=np.ones((2, 1)),
        tier_capacity_kwh_per_day=np.full((2, 1), 10.0),
        tier_allowed=np.ones((2, 1), dtype=bool),
        usable=np.ones((2, 2), dtype=bool),
        cover_start=np.array([0, 2, 4]),
        cover_supply=np.array([0, 1, 0, 1]),
        cover_time_s=np.ones(4),
        cover_worth=np.ones(4),
        requirements=no_requirements(n_site=2, n_brand=2).replace(floor_by_brand=np.full(2, 0.5)),
    )
    by_prices = SolveOptions(gap=1e-6, engine=Engine.LAGRANGIAN)
    result = solve_for_value(shared, valuation=LEAST_COST, options=by_prices)
    assert (result.value_cny, result.bound_cny) == (-7.0, -7.0)


def three_homes() -> SitingInstance:
    n = 3
    requirements = no_requirements(n_site=n, n_brand=1)
    return SitingInstance(
        brands=("a",),
        demand_ids=("d0", "d1", "d2"),
        demand_kwh_per_day=np.full((n, 1), 4.0),
        demand_district=np.full(n, -1),
        site_ids=("s0", "s1", "s2"),
        site_district=np.full(n, -1),
        station_ids=(),
        district_ids=(),
        tiers=("small", "large"),
        tier_cost_cny=np.tile([10.0, 15.0], (n, 1)),
        tier_power_kw=np.tile([1.0, 2.0], (n, 1)),
        tier_capacity_kwh_per_day=np.tile([8.0, 20.0], (n, 1)),
        tier_allowed=np.ones((n, 2), dtype=bool),
        station_capacity_kwh_per_day=np.empty(0),
        usable=np.ones((n, 1), dtype=bool),
        cover_start=np.array([0, 2, 4, 6]),
        cover_supply=np.array([0, 1, 1, 2, 0, 2]),
        cover_time_s=np.ones(2 * n),
        cover_worth=np.ones(2 * n),
        requirements=requirements.replace(floor_by_brand=np.array([1.0])),
    )
