"""The classic family: brute force on small made instances, refusals, limits, interruption."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import Engine, SolveStatus
from siting.optimise.classic import (
    LocationModel,
    LocationProblem,
    evaluate_location,
    solve_classic,
)
from siting.optimise.limits import Limits, StopReason

if TYPE_CHECKING:
    from conftest import MadeProblems

EXACT = Limits(gap=0.0)


def assert_is_best(problems: type[MadeProblems], problem: LocationProblem, engine: Engine) -> None:
    result, best = (
        solve_classic(problem, limits=EXACT, engine=engine),
        problems.brute_force(problem),
    )
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
def test_agrees_with_brute_force(
    problems: type[MadeProblems], model: LocationModel, engine: Engine
) -> None:
    for seed in range(12):
        assert_is_best(problems, problems.make(model, seed), engine)


@pytest.mark.parametrize("engine", [Engine.AUTO, Engine.HIGHS])
def test_gradual_coverage_agrees_with_brute_force(
    problems: type[MadeProblems], engine: Engine
) -> None:
    for seed in range(20):
        assert_is_best(
            problems, problems.with_worth(problems.make(LocationModel.MCLP, seed), seed), engine
        )


def test_backup_with_a_share_agrees_with_brute_force(problems: type[MadeProblems]) -> None:
    for seed in range(10):
        assert_is_best(
            problems, problems.make(LocationModel.BACKUP, seed, first_share=0.6), Engine.AUTO
        )


def test_double_cover_agrees_with_brute_force(problems: type[MadeProblems]) -> None:
    for seed in range(10):
        assert_is_best(
            problems, problems.make(LocationModel.LSCP, seed, covers_needed=2), Engine.AUTO
        )


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(list(LocationModel)))
def test_existing_stations_are_open_and_free(
    problems: type[MadeProblems], seed: int, model: LocationModel
) -> None:
    problem = problems.make(model, seed, rules=(), spacing_pairs=np.empty((0, 2)), min_sites=0)
    # The last site becomes a station: the same as requiring it, were it free and uncounted.
    last = problem.n_site - 1
    stationed = problem.replace(
        n_stations=1,
        site_cost=problem.site_cost[:last],
        required=problem.required[:last],
        forbidden=problem.forbidden[:last],
    )
    assert_is_best(problems, stationed, Engine.AUTO)
