"""The highest level of service that some brands can all have: bound by prices, plans by annealing.

    max  θ      s.t.  every raised brand is served at least θ of what it wants, every other brand
                      at least its own floor, and every other constraint of the main model

The prices of the least cost of a level say at which level the budget is spent, so that the bound of
θ comes down in a few steps. At those prices each brand's energy has a worth, and the main model
under the budget is annealed from the plan in hand; a brand that is missed then counts for more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.instance import CLOSED
from siting.optimise.lagrangian import allow_all
from siting.optimise.least_cost import (
    LEAST_FELT,
    PRICE_OF_MONEY,
    bound_cost,
    find_useful,
    price_service,
    raise_missed,
    serve,
)
from siting.optimise.tier_solver import FLOORS_KEPT_TO, anneal, columns_of, stand

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray
    from siting.optimise.lagrangian import DualPoint
    from siting.optimise.limits import Watch
    from siting.optimise.tier_problem import TierProblem

# Steps of the bound, each by what the prices of the step before allow.
STEPS = 6
# Moves a column of each annealing; a brand's weight rises by this power of what it misses.
MOVES, RISE = 6, 10.0
# An annealing that raises the level by less than this part of the gap is the last.
LEAST_GAIN = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class CommonLevel:
    """A plan that raises the common level, and what that is at most.

    Attributes
    ----------
    tier_of_site
        (n_site,) tiers of the best plan found; None if none is above the level in hand.
    level
        The level that it reaches; the one in hand if there is none.
    most
        No plan reaches a higher level.
    """

    tier_of_site: IntArray | None
    level: float
    most: float


def find_common_level(
    problem: TierProblem,
    watch: Watch,
    *,
    wanted_kwh: FloatArray,
    raised: BoolArray,
    least: float,
    most: float,
    start: IntArray,
    n_try: int,
) -> CommonLevel:
    """Look for the highest level that the raised brands can all have.

    Parameters
    ----------
    problem
        Built with no worth of service and all of the cost, with a floor for every raised brand; the
        floors of raised brands are not looked at.
    watch
        Gap (of the level), limits and seed.
    wanted_kwh
        (n_floor,) what each floored brand wants.
    raised
        (n_floor,) the brands whose common level is looked for.
    least, most
        The level of the plan in hand, and what it is known to be at most.
    start
        (n_site,) tiers of the plan in hand.
    n_try
        Most annealings.
    """
    point, most = _bound_level(
        problem, watch, wanted_kwh=wanted_kwh, raised=raised, least=least, most=most
    )
    weight = np.maximum(point.prices.floor, LEAST_FELT * point.prices.floor.max(initial=0.0))
    best, column = None, columns_of(problem, start)
    for number in range(n_try):
        if most - least <= watch.limits.gap or watch.stop_reason is not None:
            break
        worth = problem.reach.share @ weight
        service = price_service(problem, worth, problem.menu.budget)
        found = anneal(
            service,
            stand(service, column),
            replace(point, budget_price=PRICE_OF_MONEY),
            allow_all(problem),
            watch,
            n_move=MOVES * problem.n_column,
            seed=watch.limits.seed + number,
        )
        column = found.plan.column[found.plan.column != CLOSED]
        served = serve(problem, found)
        level = float((served / wanted_kwh)[raised].min())
        kept = served >= problem.floor_kwh * (1.0 - FLOORS_KEPT_TO)
        if level > least and kept[~raised].all() and found.within_rows and found.has_required:
            gained, least = level - least, level
            best = problem.columns.tier_of_site(column)
            if gained < LEAST_GAIN * watch.limits.gap:
                break
        elif best is not None:
            break
        share = float(served[raised].sum() / wanted_kwh[raised].sum())
        due = np.where(raised, share * wanted_kwh, problem.floor_kwh)
        weight = raise_missed(due, weight, served, power=RISE)
    return CommonLevel(tier_of_site=best, level=least, most=most)


def _bound_level(
    problem: TierProblem,
    watch: Watch,
    *,
    wanted_kwh: FloatArray,
    raised: BoolArray,
    least: float,
    most: float,
) -> tuple[DualPoint, float]:
    """Return prices at which the budget is spent, and the level that no plan exceeds."""
    useful, prices = find_useful(problem), None
    for _ in range(STEPS):
        floors = np.where(raised, most * wanted_kwh, problem.floor_kwh)
        point = bound_cost(replace(problem, floor_kwh=floors), useful, watch, prices=prices)
        slope = float(point.prices.floor @ np.where(raised, wanted_kwh, 0.0))
        if slope <= 0.0 or not math.isfinite(point.bound):
            break
        # At fixed prices the bound of the cost grows with the level in proportion.
        affordable = most + (problem.menu.budget + point.bound) / slope
        fall, prices = most - affordable, point.prices
        most = max(least, min(most, affordable))
        if fall <= watch.limits.gap / 10 or most <= least:
            break
    return point, most
