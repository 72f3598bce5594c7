"""The main model: hand-solved, against brute force, and what must hold for every plan.

Brute force shares nothing with the model builder: it tries every choice of tiers and finds the best
flow of each by a linear program of its own.
"""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from siting.domain import Engine, SolveStatus
from siting.instance import CLOSED, SitingInstance, evaluate, no_requirements
from siting.optimise.solve import SolveOptions, SolveResult, expect_plan, solve, solve_baseline

EXACT = SolveOptions(gap=1e-6, time_limit_s=30.0)
N_SITE, N_STATION, N_TIER, N_BRAND = 3, 1, 2, 2


def make_random_instance(seed: int, **requirements: Any) -> SitingInstance:  # noqa: ANN401 - any field
    """Up to five demand points, three sites with two tiers, one station of the second brand."""
    rng = np.random.default_rng(seed)
    n_demand = int(rng.integers(1, 6))
    reached = rng.random((n_demand, N_SITE + N_STATION)) < 0.6
    demand, supply = np.nonzero(reached)
    tier_cost = np.sort(rng.integers(1, 9, (N_SITE, N_TIER)), axis=1)
    asked = {
        "budget_cny": float(rng.integers(0, 20)),
        "floor_by_brand": rng.choice([0.0, 0.0, 0.2], N_BRAND),
        "required": rng.random(N_SITE) < 0.1,
        "site_grid_limit_kw": rng.choice([60.0, 200.0], N_SITE),
        "grid_group": rng.integers(-1, 1, N_SITE),
        "grid_group_limit_kw": [180.0],
        "spacing_pairs": [[0, 1]] if rng.random() < 0.3 else np.empty((0, 2)),
        "max_sites": int(rng.integers(1, 4)),
    }
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=tuple(f"i{i}" for i in range(n_demand)),
        demand_kwh_per_day=rng.integers(0, 10, (n_demand, N_BRAND)),
        demand_district=np.zeros(n_demand),
        site_ids=("A", "B", "C"),
        site_district=[0, 0, 0],
        station_ids=("old",),
        district_ids=("d0",),
        tiers=("small", "big"),
        tier_cost_cny=tier_cost,
        tier_power_kw=np.tile([50.0, 100.0], (N_SITE, 1)),
        tier_capacity_kwh_per_day=np.tile([6.0, 15.0], (N_SITE, 1)),
        tier_allowed=rng.random((N_SITE, N_TIER)) < 0.9,
        station_capacity_kwh_per_day=[4.0],
        usable=[[True, True]] * N_SITE + [[False, True]],
        cover_start=np.concatenate([[0], np.cumsum(reached.sum(axis=1))]),
        cover_supply=supply,
        cover_time_s=rng.integers(1, 600, demand.size).astype(float),
        cover_worth=rng.choice([0.5, 1.0], demand.size),
        requirements=no_requirements(n_site=N_SITE, n_brand=N_BRAND).replace(
            **(asked | requirements)
        ),
    )


def brute_force(instance: SitingInstance) -> float:
    """Return the best objective over every choice of tiers; −∞ if none is allowed."""
    req = instance.requirements
    best = -np.inf
    for tiers in product(range(-1, N_TIER), repeat=N_SITE):
        tier = np.array(tiers)
        opened = np.flatnonzero(tier != CLOSED)
        power = np.zeros(N_SITE)
        power[opened] = instance.tier_power_kw[opened, tier[opened]]
        group = [power[req.grid_group == g].sum() for g in range(req.grid_group_limit_kw.size)]
        allowed = (
            instance.tier_allowed[opened, tier[opened]].all()
            and instance.tier_cost_cny[opened, tier[opened]].sum() <= req.budget_cny
            and (tier != CLOSED)[req.required].all()
            and (tier == CLOSED)[req.forbidden].all()
            and (power <= req.site_grid_limit_kw).all()
            and (np.array(group) <= req.grid_group_limit_kw).all()
            and not any(tier[a] != CLOSED and tier[b] != CLOSED for a, b in req.spacing_pairs)
            and opened.size <= (req.max_sites or N_SITE)
        )
        if allowed:
            capacity = np.zeros(instance.n_supply)
            capacity[opened] = instance.tier_capacity_kwh_per_day[opened, tier[opened]]
            capacity[N_SITE:] = instance.station_capacity_kwh_per_day
            best = max(best, best_flow(instance, capacity))
    return best


def best_flow(instance: SitingInstance, capacity: np.ndarray) -> float:
    """Return the most worth that can flow to the given capacities, floors kept; −∞ if it cannot."""
    n_pair, n_brand = instance.n_pair, instance.n_brand
    usable = instance.usable[instance.cover_supply]
    upper, rows, limits = [], [], []
    for b in range(n_brand):
        upper += list(np.where(usable[:, b], np.inf, 0.0))
        for i in range(instance.n_demand):
            row = np.zeros((n_brand, n_pair))
            row[b, instance.cover_demand == i] = 1
            rows.append(row.ravel())
            limits.append(instance.demand_kwh_per_day[i, b])
        floor = np.zeros((n_brand, n_pair))
        floor[b] = -1
        rows.append(floor.ravel())
        wanted = instance.demand_kwh_per_day[:, b].sum()
        limits.append(-instance.requirements.floor_by_brand[b] * wanted)
    for j in range(instance.n_supply):
        rows.append(np.tile(instance.cover_supply == j, n_brand).astype(float))
        limits.append(capacity[j])
    if n_pair == 0:
        return 0.0 if min(limits) >= 0 else -np.inf
    worth = np.tile(instance.cover_worth, n_brand)
    answer = linprog(-worth, A_ub=np.array(rows), b_ub=limits, bounds=[(0, u) for u in upper])
    return -answer.fun if answer.success else -np.inf


def checked(instance: SitingInstance, result: SolveResult) -> float:
    """Return the objective of a result after recomputing everything without the solver."""
    evaluation = evaluate(instance, expect_plan(result))
    assert evaluation.violations == ()
    assert evaluation.objective_kwh_per_day == pytest.approx(result.objective, abs=1e-9)
    assert result.bound >= result.objective - 1e-6
    return evaluation.objective_kwh_per_day


@settings(max_examples=60, deadline=None)
@example(5292, Engine.HIGHS)  # nobody can be reached, and the floor is a brand's that wants nothing
@given(st.integers(0, 10**6), st.sampled_from([Engine.HIGHS, Engine.AUTO]))
def test_every_mix_of_constraints_is_solved_as_by_brute_force(seed: int, engine: Engine) -> None:
    instance = make_random_instance(seed)
    best = brute_force(instance)
    result = solve(instance, options=SolveOptions(gap=1e-6, time_limit_s=30.0, engine=engine))
    if best == -np.inf:
        assert result.status is SolveStatus.INFEASIBLE
    else:
        assert result.status is SolveStatus.OPTIMAL
        assert checked(instance, result) == pytest.approx(best, abs=1e-4)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6))
def test_the_second_opinion_agrees(seed: int) -> None:
    instance = make_random_instance(seed, floor_by_brand=[0.0, 0.0], required=[False] * N_SITE)
    objectives = [
        checked(instance, solve(instance, options=SolveOptions(gap=1e-6, engine=engine)))
        for engine in (Engine.HIGHS, Engine.SCIP)
    ]
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_more_budget_never_serves_less(seed: int) -> None:
    served = []
    for budget in (0.0, 4.0, 8.0, 30.0):
        instance = make_random_instance(
            seed,
            budget_cny=budget,
            required=[False] * N_SITE,
            floor_by_brand=[0.0, 0.0],
        )
        served.append(checked(instance, solve(instance, options=EXACT)))
    assert all(more >= less - 1e-6 for less, more in pairwise(served))
    baseline = evaluate(instance, solve_baseline(instance))
    assert baseline.feasible
    assert baseline.objective_kwh_per_day == pytest.approx(served[0], abs=1e-6)


def test_drivers_go_to_the_near_charger_when_both_could_serve() -> None:
    instance = SitingInstance(
        brands=("ant",),
        demand_ids=("home",),
        demand_kwh_per_day=[[5.0]],
        demand_district=[-1],
        site_ids=(),
        site_district=[],
        station_ids=("far", "near"),
        district_ids=(),
        tiers=("one",),
        tier_cost_cny=np.empty((0, 1)),
        tier_power_kw=np.empty((0, 1)),
        tier_capacity_kwh_per_day=np.empty((0, 1)),
        tier_allowed=np.empty((0, 1), dtype=bool),
        station_capacity_kwh_per_day=[9.0, 4.0],
        usable=[[True], [True]],
        cover_start=[0, 2],
        cover_supply=[0, 1],
        cover_time_s=[300.0, 60.0],
        cover_worth=[1.0, 1.0],
        requirements=no_requirements(n_site=0, n_brand=1),
    )
    assert solve_baseline(instance).flow_kwh_per_day.ravel() == pytest.approx([1.0, 4.0])


def test_the_same_seed_gives_the_same_plan() -> None:
    instance = make_random_instance(7, budget_cny=10.0, floor_by_brand=[0.0, 0.0])
    first, second = (expect_plan(solve(instance, options=EXACT)) for _ in range(2))
    assert first.tier_of_site.tolist() == second.tier_of_site.tolist()
    assert first.flow_kwh_per_day.tolist() == second.flow_kwh_per_day.tolist()
