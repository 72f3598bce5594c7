"""Multipliers prove a bound by themselves: by hand, for any numbers, and as solves give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.optimise.classic import LocationModel, LocationProblem, solve_classic
from siting.optimise.limits import Limits
from siting.optimise.location_bound import Multipliers, compute_bound

if TYPE_CHECKING:
    from conftest import MadeProblems

MODELS = [LocationModel.MCLP, LocationModel.P_MEDIAN, LocationModel.CFLP]


def by_demand(problem: LocationProblem, demand: list[float]) -> Multipliers:
    return Multipliers(
        demand=np.array(demand),
        budget=0.0,
        least_sites=0.0,
        rule_lower=np.zeros(0),
        rule_upper=np.zeros(0),
        spacing=np.zeros(len(problem.spacing_pairs)),
    )


def test_a_median_of_two_villages_by_hand() -> None:
    # Three demand points on a line at 0, 1, 10, each a site; two are opened.
    problem = LocationProblem.from_dense(
        model=LocationModel.P_MEDIAN,
        demand_weight=np.ones(3),
        distance=np.abs(np.subtract.outer([0.0, 1.0, 10.0], [0.0, 1.0, 10.0])),
        max_sites=2,
    )
    # λ = 0 proves that nothing costs less than nothing; λ = (1, 1, 9) pays 11 and gets
    # 1 + 0 for site 0 or 1, and 9 for site 2: at least 1 is left, which is the optimum.
    assert compute_bound(problem, by_demand(problem, [0.0, 0.0, 0.0])) == 0.0
    assert compute_bound(problem, by_demand(problem, [1.0, 1.0, 9.0])) == 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(MODELS))
def test_no_multipliers_prove_too_much(
    problems: type[MadeProblems], seed: int, model: LocationModel
) -> None:
    problem, rng = problems.make(model, seed), np.random.default_rng(seed)
    best = problems.brute_force(problem)
    multipliers = Multipliers(
        demand=rng.random(problem.n_demand) * problem.demand_weight,
        budget=float(rng.random()) if np.isfinite(problem.budget) else 0.0,
        least_sites=float(rng.random()),
        rule_lower=rng.random(len(problem.rules)),
        rule_upper=rng.random(len(problem.rules)),
        spacing=rng.random(len(problem.spacing_pairs)),
    )
    if best is not None:
        sign = 1.0 if model.maximises else -1.0
        assert sign * compute_bound(problem, multipliers) >= sign * best - 1e-9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(MODELS))
def test_a_solves_multipliers_prove_its_bound_but_for_branching(
    problems: type[MadeProblems], seed: int, model: LocationModel
) -> None:
    problem = problems.make(model, seed)
    if model is LocationModel.MCLP and seed % 2:
        problem = problems.with_worth(problem, seed)
    result = solve_classic(problem, limits=Limits(gap=0.0))
    if result.multipliers is None:
        return
    sign = 1.0 if model.maximises else -1.0
    assert sign * result.bound_by_duality >= sign * result.bound - 1e-6
    assert result.bound_by_duality == compute_bound(problem, result.multipliers)


def test_prices_alone_come_close_on_a_plane() -> None:
    rng = np.random.default_rng(0)
    distance = np.hypot(*(rng.random((200, 1, 2)) - rng.random((50, 2))).transpose(2, 0, 1))
    median = LocationProblem.from_dense(
        model=LocationModel.P_MEDIAN, demand_weight=np.ones(200), distance=distance, max_sites=8
    )
    coverage = LocationProblem.from_dense(
        model=LocationModel.MCLP,
        demand_weight=np.ones(200),
        distance=distance,
        cutoff=0.12,
        max_sites=8,
    )
    for problem in (median, coverage):
        result = solve_classic(problem, limits=Limits(gap=0.0))
        assert result.bound_by_duality == pytest.approx(result.objective, rel=0.01)
