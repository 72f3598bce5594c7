"""What is called proven, against trying all; where that is too much, against another engine.

Instances come from fixed seeds: 2,000 by default, 20,000 by name (``-m slow``).
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import TYPE_CHECKING, Protocol

import pytest

from siting.domain import Engine, LocationModel, SolveStatus
from siting.instance import evaluate
from siting.optimise.classic import evaluate_location, solve_classic
from siting.optimise.limits import Limits
from siting.optimise.solve import SolveOptions, SolveResult, solve

if TYPE_CHECKING:
    from conftest import MadeProblems, MadeTiers
    from siting.instance import SitingInstance
    from siting.optimise.classic import ClassicResult, LocationProblem

N_QUICK, N_ALL, N_AT_ONCE = 1_000, 10_000, 250
N_QUICK_LARGER, N_ALL_LARGER, N_LARGER_AT_ONCE = 40, 400, 20
MODELS = tuple(LocationModel)
# Ours and a MIP solver's by turns; the classic family has its own only for three of its models.
BY_TURNS = (Engine.HIGHS, Engine.LAGRANGIAN)
CLASSIC_BY_TURNS = (Engine.AUTO, Engine.HIGHS)
OPTIONS = {engine: SolveOptions(gap=1e-6, time_limit_s=60.0, engine=engine) for engine in Engine}
# What sums of some dozen rounded numbers may differ by.
SAME = 1e-4


def in_chunks(n_quick: int, n_all: int, size: int) -> list[object]:
    """Seeds in chunks, each a test; beyond the quick ones they are run by name."""
    return [
        pytest.param(
            range(first, first + size),
            id=f"{first}-{first + size - 1}",
            marks=[] if first < n_quick else [pytest.mark.slow],
        )
        for first in range(0, n_all, size)
    ]


class Result(Protocol):
    """What both families say."""

    status: SolveStatus
    objective: float
    bound: float


def is_right(result: Result, best: float | None, *, told: bool) -> bool:
    """Whether a result is proven and the best there is, its bound no less; or told impossible."""
    if best is None:
        return result.status is SolveStatus.INFEASIBLE
    return (
        result.status is SolveStatus.OPTIMAL
        and told
        and abs(result.objective - best) <= SAME
        and abs(result.bound - best) <= SAME
    )


@pytest.mark.parametrize("seeds", in_chunks(N_QUICK, N_ALL, N_AT_ONCE))
def test_the_main_model_against_trying_all(made_tiers: type[MadeTiers], seeds: range) -> None:
    wrong = []
    for seed in seeds:
        instance = made_tiers.make(seed)
        best = made_tiers.best(instance)
        result = solve(instance, options=OPTIONS[BY_TURNS[seed % 2]])
        known = None if best == -math.inf else best
        if not is_right(result, known, told=is_as_told(instance, result)):
            wrong.append((seed, best, result.status, result.objective, result.bound))
    assert wrong == []


@pytest.mark.parametrize("seeds", in_chunks(N_QUICK, N_ALL, N_AT_ONCE))
def test_the_classic_family_against_trying_all(problems: type[MadeProblems], seeds: range) -> None:
    wrong = []
    for seed in seeds:
        problem = problems.make(MODELS[seed % len(MODELS)], seed)
        best = problems.brute_force(problem)
        engine = CLASSIC_BY_TURNS[seed // len(MODELS) % 2]
        result = solve_classic(problem, limits=Limits(gap=0.0), engine=engine)
        if not is_right(result, best, told=is_as_told_of(problem, result)):
            wrong.append((seed, best, result.status, result.objective, result.bound))
    assert wrong == []


def contradict(one: Result, other: Result, *, sign: float) -> bool:
    """Whether one result cannot be true if the other is; ``sign`` is +1 of a maximum."""
    if SolveStatus.INFEASIBLE in {one.status, other.status}:
        return one.status is not other.status
    beaten = any(sign * a.objective > sign * b.bound + SAME for a, b in permutations((one, other)))
    return beaten or not (one.status is other.status is SolveStatus.OPTIMAL)


@pytest.mark.parametrize("seeds", in_chunks(N_QUICK_LARGER, N_ALL_LARGER, N_LARGER_AT_ONCE))
def test_two_engines_on_larger_instances(made_tiers: type[MadeTiers], seeds: range) -> None:
    wrong = []
    for seed in seeds:
        instance = made_tiers.make(seed, most_demand=40, n_site=12)
        ours = solve(instance, options=OPTIONS[BY_TURNS[seed % 2]])
        theirs = solve(instance, options=OPTIONS[Engine.SCIP])
        told = all(is_as_told(instance, result) for result in (ours, theirs))
        if not told or contradict(ours, theirs, sign=1.0):
            wrong.append((seed, ours.status, theirs.status, ours.objective, theirs.bound))
    assert wrong == []


@pytest.mark.parametrize("seeds", in_chunks(N_QUICK_LARGER, N_ALL_LARGER, N_LARGER_AT_ONCE))
def test_two_engines_on_larger_classics(problems: type[MadeProblems], seeds: range) -> None:
    wrong = []
    for seed in seeds:
        model = MODELS[seed % len(MODELS)]
        problem = problems.make(model, seed, most_demand=150, most_sites=30)
        ours = solve_classic(problem, limits=Limits(gap=0.0))
        theirs = solve_classic(problem, limits=Limits(gap=0.0), engine=Engine.SCIP)
        told = all(is_as_told_of(problem, result) for result in (ours, theirs))
        if not told or contradict(ours, theirs, sign=1.0 if model.maximises else -1.0):
            wrong.append((seed, ours.status, theirs.status, ours.objective, theirs.bound))
    assert wrong == []


def is_as_told(instance: SitingInstance, result: SolveResult) -> bool:
    """Whether a plan keeps every rule and comes to what is said of it; no plan, nothing is said."""
    if result.decision is None:
        return True
    check = evaluate(instance, result.decision)
    return check.feasible and abs(check.objective_kwh_per_day - result.objective) <= SAME


def is_as_told_of(problem: LocationProblem, result: ClassicResult) -> bool:
    """Whether a plan of the classic family keeps every rule and comes to what is said of it."""
    if math.isinf(result.objective):
        return True
    check = evaluate_location(problem, result.opened, share=result.share)
    return check.feasible and abs(check.objective - result.objective) <= SAME
