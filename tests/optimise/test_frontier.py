"""The frontier: what holds for every budget, against trying all, and that neighbours help."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest

from siting.domain import SolveStatus
from siting.instance import evaluate
from siting.optimise import frontier as frontier_module
from siting.optimise import solve as solve_module
from siting.optimise.frontier import solve_frontier
from siting.optimise.limits import compute_gap
from siting.optimise.result import SolveOptions

if TYPE_CHECKING:
    from conftest import MadeTiers
    from siting.instance import SitingInstance
    from siting.optimise.result import SolveResult

OPTIONS = SolveOptions(gap=0.01, time_limit_s=60.0)
BUDGETS = (20.0, 3.0, 6.0, 12.0, 9.0)


@pytest.fixture(params=[0, solve_module.LINKS_TO_SOLVE], ids=["by prices", "whole"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve_module, "LINKS_TO_SOLVE", request.param)


def at(instance: SitingInstance, budget_cny: float) -> SitingInstance:
    return instance.replace(requirements=instance.requirements.replace(budget_cny=budget_cny))


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("seed", range(25))
def test_every_point_holds_against_trying_all(made_tiers: type[MadeTiers], seed: int) -> None:
    made = made_tiers.make(seed)
    results = solve_frontier(made, BUDGETS, options=OPTIONS)
    for budget_cny, result in zip(BUDGETS, results, strict=True):
        instance = at(made, budget_cny)
        best = made_tiers.best(instance)
        if best == -np.inf:
            assert result.decision is None
            assert result.status is SolveStatus.INFEASIBLE
            continue
        assert result.decision is not None
        found = evaluate(instance, result.decision)
        assert found.violations == ()
        assert found.objective_kwh_per_day == pytest.approx(result.objective, abs=1e-9)
        assert result.objective <= best + 1e-6
        assert result.bound >= best - 1e-6
        assert result.bound_by_duality >= best - 1e-6
        assert result.gap == compute_gap(result.objective, result.bound)
        assert (result.status is SolveStatus.OPTIMAL) == (result.gap <= OPTIONS.gap)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("seed", range(5))
def test_more_budget_never_shows_less(made_tiers: type[MadeTiers], seed: int) -> None:
    made = made_tiers.make(seed, **made_tiers.NOTHING_ASKED)
    results = solve_frontier(made, BUDGETS, options=OPTIONS)
    ordered: list[SolveResult] = [results[n] for n in np.argsort(BUDGETS)]
    for less, more in pairwise(ordered):
        assert less.objective <= more.objective
        assert less.bound <= more.bound


def test_a_budget_asked_twice_is_answered_twice(made_tiers: type[MadeTiers]) -> None:
    one, other = solve_frontier(made_tiers.make(3), [9.0, 9.0], options=OPTIONS)
    assert one is other


def test_ctrl_c_ends_it(made_tiers: type[MadeTiers], monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted:
        interrupted = True

    monkeypatch.setattr(frontier_module, "solve_nearby", lambda *_, **__: Interrupted())
    with pytest.raises(KeyboardInterrupt):
        solve_frontier(made_tiers.make(3), [9.0], options=OPTIONS)
