"""What the budget buys when sites are bought whole: a bound below the relaxation's.

The relaxation spends the budget to the last fen, on a part of a site if need be. Where costs are
multiples of some large step, as where a tier costs the same everywhere, money is left that buys
nothing. So the multiple-choice knapsack of the relaxation, at its own prices, is solved once more
over whole columns, by dynamic programming over the steps of money (Pisinger 1995 gives the field).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import FEN_PER_CNY
from siting.network.compiled import KernelArray, compiled
from siting.optimise.lagrangian import ROUNDED_UP, sum_priced
from siting.optimise.tier_problem import NO_BUDGET_CNY, Menu

if TYPE_CHECKING:
    from siting.domain import FloatArray, LongArray
    from siting.optimise.lagrangian import DualPoint, Fixings
    from siting.optimise.tier_problem import TierProblem

# With more steps of money than this, what is left of it buys next to nothing anyway.
MOST_STEPS = 10_000
# Costs that are so near to whole fen are whole fen.
SAME_FEN = 1e-3


def bound_by_whole_sites(problem: TierProblem, point: DualPoint, fixings: Fixings) -> float:
    """Return what no plan within these fixings is worth more than, at the point's prices.

    Parameters
    ----------
    problem, fixings
        What is relaxed, and what is decided.
    point
        Where a descent stands; its values must be those of its prices.

    Returns
    -------
    float
        The bound; ∞ where money has no large steps or no limit, −∞ if the fixings cannot be met.
    """
    steps = _count_steps(problem.menu)
    if steps is None:
        return math.inf
    cost, budget = steps
    allowed, required = fixings.allowed, fixings.required
    best = _fill_whole(problem.menu, cost, budget, point.value, allowed, required)
    if best == -math.inf:
        return best
    bound = sum_priced(problem, point) + best
    return bound + ROUNDED_UP * abs(bound)


def find_step_fen(cost_cny: FloatArray) -> int:
    """Return the largest amount (fen) that divides every cost; 0 where there is none."""
    fen = np.rint(cost_cny * FEN_PER_CNY).astype(np.int64)
    whole = np.allclose(fen, cost_cny * FEN_PER_CNY, rtol=0.0, atol=SAME_FEN)
    return int(np.gcd.reduce(fen)) if fen.size and whole else 0


def _count_steps(menu: Menu) -> tuple[LongArray, int] | None:
    """Return costs and budget in the largest step that divides every cost; None if too many."""
    step = find_step_fen(menu.cost)
    if menu.budget >= NO_BUDGET_CNY or step == 0 or menu.cost.min() < 0.0:
        return None
    fen = np.rint(menu.cost * FEN_PER_CNY).astype(np.int64)
    budget = int(menu.budget * FEN_PER_CNY * (1.0 + ROUNDED_UP)) // step
    return (fen // step, budget) if 0 <= budget <= MOST_STEPS else None


@compiled
def _fill_whole(  # noqa: PLR0917 - kernels take arrays by position
    menu: Menu,
    cost: KernelArray,
    budget: int,
    value: KernelArray,
    allowed: KernelArray,
    required: KernelArray,
) -> float:
    """Return the most value of at most one whole column a site, within so many steps of money."""
    best = np.zeros(budget + 1)
    for j in range(menu.start.size - 1):
        before = best.copy()
        if required[j]:
            best[:] = -np.inf
        for c in range(menu.start[j], menu.start[j + 1]):
            if not allowed[c] or (value[c] <= 0.0 and not required[j]):
                continue
            for spent in range(cost[c], budget + 1):
                best[spent] = max(best[spent], before[spent - cost[c]] + value[c])
    return float(best[budget])
