"""The main model: hand-solved, against brute force, and what must hold for every plan."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siting.domain import Engine, SolveStatus
from siting.instance import SitingInstance, evaluate, no_requirements
from siting.optimise.solve import SolveOptions, SolveResult, expect_plan, solve, solve_baseline

if TYPE_CHECKING:
    from conftest import MadeTiers

EXACT = SolveOptions(gap=1e-6, time_limit_s=30.0)


def checked(instance: SitingInstance, result: SolveResult) -> float:
    """Return the objective of a result after recomputing everything without the solver."""
    evaluation = evaluate(instance, expect_plan(result))
    assert evaluation.violations == ()
    assert evaluation.objective_kwh_per_day == pytest.approx(result.objective, abs=1e-9)
    assert result.bound >= result.objective
    assert result.bound_by_duality >= result.bound * (1 - 1e-8)
    return evaluation.objective_kwh_per_day


@settings(max_examples=60, deadline=None)
# Nobody can be reached, and the floor is a brand's that wants nothing:
@example(seed=5292, engine=Engine.HIGHS)
@given(seed=st.integers(0, 10**6), engine=st.sampled_from([Engine.HIGHS, Engine.LAGRANGIAN]))
def test_every_mix_of_constraints_is_solved_as_by_brute_force(
    made_tiers: type[MadeTiers], seed: int, engine: Engine
) -> None:
    instance = made_tiers.make(seed)
    best = made_tiers.best(instance)
    result = solve(instance, options=SolveOptions(gap=1e-6, time_limit_s=30.0, engine=engine))
    if best == -np.inf:
        assert result.status is SolveStatus.INFEASIBLE
    else:
        assert result.status is SolveStatus.OPTIMAL
        assert checked(instance, result) == pytest.approx(best, abs=1e-4)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_second_opinion_agrees(made_tiers: type[MadeTiers], seed: int) -> None:
    instance = made_tiers.make(seed, **made_tiers.NOTHING_ASKED)
    objectives = [
        checked(instance, solve(instance, options=SolveOptions(gap=1e-6, engine=engine)))
        for engine in (Engine.HIGHS, Engine.SCIP)
    ]
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_more_budget_never_serves_less(made_tiers: type[MadeTiers], seed: int) -> None:
    served = []
    for budget in (0.0, 4.0, 8.0, 30.0):
        instance = made_tiers.make(
            seed,
            budget_cny=budget,
            **made_tiers.NOTHING_ASKED,
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


def test_the_same_seed_gives_the_same_plan(made_tiers: type[MadeTiers]) -> None:
    instance = made_tiers.make(7, budget_cny=10.0, **made_tiers.NOTHING_ASKED)
    first, second = (expect_plan(solve(instance, options=EXACT)) for _ in range(2))
    assert first.tier_of_site.tolist() == second.tier_of_site.tolist()
    assert first.flow_kwh_per_day.tolist() == second.flow_kwh_per_day.tolist()
