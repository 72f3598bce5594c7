"""The classic family: brute force on small made instances, refusals, limits, interruption."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import Engine, SolveStatus
from siting.optimise.classic import (
    LocationModel,
    LocationProblem,
    SiteRule,
    evaluate_location,
    solve_classic,
)
from siting.optimise.limits import Limits, StopReason

EXACT = Limits(gap=0.0)


def make_problem(model: LocationModel, seed: int, **changes: object) -> LocationProblem:
    """Make a small problem on a square, with every kind of rule drawn at random."""
    rng = np.random.default_rng(seed)
    n_demand, n_site = int(rng.integers(3, 25)), int(rng.integers(2, 9))
    demand, site = rng.random((n_demand, 2)), rng.random((n_site, 2))
    distance = np.hypot(*(demand[:, None] - site[None]).transpose(2, 0, 1))
    cutoff = float(rng.uniform(0.3, 1.2))
    fields: dict[str, Any] = {
        "demand_weight": rng.integers(0, 20, n_demand).astype(float),
        "distance": np.round(distance, 3),
        "cutoff": cutoff,
        "site_cost": rng.integers(1, 6, n_site).astype(float),
    }
    if model in {LocationModel.MCLP, LocationModel.P_MEDIAN, LocationModel.BACKUP} or (
        rng.random() < 0.5
    ):
        fields["max_sites"] = int(rng.integers(1, n_site + 1))
    if model is LocationModel.P_CENTER:
        fields["max_sites"] = int(rng.integers(1, n_site + 1))
    if rng.random() < 0.3:
        fields["budget"] = float(rng.integers(3, 20))
    if rng.random() < 0.3:
        fields["min_sites"] = min(2, fields.get("max_sites", 2))
    status = rng.choice(3, n_site, p=[0.8, 0.1, 0.1])
    fields["required"], fields["forbidden"] = status == 1, status == 2
    if rng.random() < 0.3:
        fields["spacing_pairs"] = np.array([[0, 1]])
    if rng.random() < 0.3:
        fields["rules"] = (
            SiteRule(name="quota", coefficient=np.arange(n_site) % 2.0, lower=1, upper=2),
        )
    return LocationProblem.from_dense(model=model, **(fields | changes))


def with_worth(problem: LocationProblem, seed: int) -> LocationProblem:
    rng = np.random.default_rng(seed)
    return problem.replace(cover_worth=rng.choice([0.25, 0.5, 0.75, 1.0], problem.n_pair))


def brute_force(problem: LocationProblem) -> float | None:
    """Return the best objective over all subsets of sites, or None if none is feasible."""
    best = None
    for plan in itertools.product([False, True], repeat=problem.n_site):
        check = evaluate_location(problem, np.array(plan))
        if check.feasible and (best is None or (check.objective > best) == problem.model.maximises):
            best = check.objective
    return best


def assert_is_best(problem: LocationProblem, engine: Engine) -> None:
    result, best = solve_classic(problem, limits=EXACT, engine=engine), brute_force(problem)
    if best is None:
        assert result.status is SolveStatus.INFEASIBLE
        return
    assert result.status is SolveStatus.OPTIMAL
    assert result.objective == pytest.approx(best)
    assert result.bound == pytest.approx(best)
    assert result.gap == 0.0
    assert result.stopped is StopReason.PROVEN
    check = evaluate_location(problem, result.opened, share=result.share)
    assert check.feasible
    assert check.objective == result.objective


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.HIGHS, Engine.SCIP])
@pytest.mark.parametrize("model", list(LocationModel))
def test_agrees_with_brute_force(model: LocationModel, engine: Engine) -> None:
    for seed in range(12):
        assert_is_best(make_problem(model, seed), engine)


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.HIGHS])
def test_gradual_coverage_agrees_with_brute_force(engine: Engine) -> None:
    for seed in range(20):
        assert_is_best(with_worth(make_problem(LocationModel.MCLP, seed), seed), engine)


def test_backup_with_a_share_agrees_with_brute_force() -> None:
    for seed in range(10):
        assert_is_best(make_problem(LocationModel.BACKUP, seed, first_share=0.6), Engine.AUTO)


def test_double_cover_agrees_with_brute_force() -> None:
    for seed in range(10):
        assert_is_best(make_problem(LocationModel.LSCP, seed, covers_needed=2), Engine.AUTO)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(LocationModel)))
def test_existing_stations_are_open_and_free(seed: int, model: LocationModel) -> None:
    problem = make_problem(model, seed, rules=(), spacing_pairs=np.empty((0, 2)), min_sites=0)
    # The last site becomes a station: the same as requiring it, were it free and uncounted.
    last = problem.n_site - 1
    stationed = problem.replace(
        n_stations=1,
        site_cost=problem.site_cost[:last],
        required=problem.required[:last],
        forbidden=problem.forbidden[:last],
    )
    assert_is_best(stationed, Engine.AUTO)
