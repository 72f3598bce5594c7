"""What several budgets buy: every point from the prices and the plans of its neighbours.

Any prices bound every budget, so a descent from a neighbour's prices is short. Each budget is
searched once from what its own relaxation opens; where that is not proven within the gap asked
for, once more from the plan of the next smaller budget, which it pays for, and from what it pays
for of the next larger one's. A bound of more money holds for less, a plan of less money for more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.domain import SolveStatus
from siting.optimise.result import WarmStart
from siting.optimise.solve import solve_nearby

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from siting.instance import SitingInstance
    from siting.optimise.result import SolveOptions, SolveResult


def solve_frontier(
    instance: SitingInstance, budgets_cny: Sequence[float], *, options: SolveOptions
) -> list[SolveResult]:
    """Solve an instance for several budgets, each from the prices and plans of its neighbours.

    Parameters
    ----------
    instance
        The instance; its own budget is not looked at.
    budgets_cny
        Budgets, in the order in which results are wanted.
    options
        Of every solve by itself; a point may end above the gap, and says so.

    Returns
    -------
    list of SolveResult
        One result a budget, in the order asked. More budget never shows a lower bound or a plan
        worth less. Where a budget has no plan, a smaller one is not looked at: its result is the
        same. Time and work are those of all of a point's solves.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.
    """
    budgets = sorted({float(budget) for budget in budgets_cny}, reverse=True)
    points = [_at(instance, budget) for budget in budgets]
    found: list[SolveResult] = []
    for point in points:
        if found and found[-1].decision is None:
            found.append(found[-1])
            continue
        prices = found[-1].multipliers if found else None
        found.append(_solve(point, options, WarmStart(multipliers=prices)))
    _hold_together(found, options.gap)
    last = len(found) - 1
    _search_again(points, found, options, [(n, n + 1) for n in reversed(range(last))])
    _search_again(points, found, options, [(n + 1, n) for n in range(last)])
    by_budget = dict(zip(budgets, found, strict=True))
    return [by_budget[float(budget)] for budget in budgets_cny]


def _at(instance: SitingInstance, budget_cny: float) -> SitingInstance:
    return instance.replace(requirements=instance.requirements.replace(budget_cny=budget_cny))


def _solve(instance: SitingInstance, options: SolveOptions, start: WarmStart) -> SolveResult:
    result = solve_nearby(instance, options=options, start=start)
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def _search_again(
    points: Sequence[SitingInstance],
    found: list[SolveResult],
    options: SolveOptions,
    pairs: Iterable[tuple[int, int]],
) -> None:
    """Search what is not yet within the gap from the plan of a neighbour; keep what is better."""
    for n, neighbour in pairs:
        before, other = found[n], found[neighbour]
        if before.status is not SolveStatus.FEASIBLE or other.decision is None:
            continue
        start = WarmStart(tier_of_site=other.decision.tier_of_site, multipliers=before.multipliers)
        found[n] = before.join(_solve(points[n], options, start), gap=options.gap)
        _hold_together(found, options.gap)


def _hold_together(found: list[SolveResult], gap: float) -> None:
    """Hold each budget to the bounds of the larger ones and to the plans of the smaller ones.

    Parameters
    ----------
    found
        Results of falling budgets; changed in place.
    gap
        The gap asked for.
    """
    for n in range(1, len(found)):
        if found[n].decision is not None:
            found[n] = found[n].hold_to(gap=gap, bound=found[n - 1].bound)
    for n in reversed(range(len(found) - 1)):
        less = found[n + 1]
        if less.decision is not None:
            found[n] = found[n].hold_to(gap=gap, decision=less.decision, objective=less.objective)
