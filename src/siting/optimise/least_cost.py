"""The least cost of a service level: a bound by prices, plans by annealing under a falling budget.

    min  Σ f_jk y_jk      s.t.  every floor and every other constraint of the main model

The Lagrangian relaxation prices the floors at μ_b CNY for a kWh a day of brand b. That bounds the
cost, and it turns the question round: the service that is worth most at those prices and that a
budget can buy is the main model again, which annealing is good at. The budget is bisected between
the bound and the cheapest plan in hand, and a floor that is missed is priced higher the next time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import FEN_PER_CNY
from siting.instance import CLOSED
from siting.optimise.lagrangian import DualPoint, Fixings, Prices, descend, start_descent
from siting.optimise.limits import compute_gap
from siting.optimise.tier_problem import NO_BUDGET_CNY
from siting.optimise.tier_solver import (
    N_ITERATION,
    WARM_AGAIN,
    TierPlan,
    anneal,
    columns_of,
    first_order,
    stand,
)

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray
    from siting.optimise.limits import Watch
    from siting.optimise.tier_problem import TierProblem
    from siting.optimise.tier_search import TierSearch

# Most descents of N_ITERATION steps; several in a row that raise the bound by less than this share
# are the last.
DESCENTS, LEAST_RISE, AT_REST = 60, 1e-4, 3
# Steps of the descent aim at this multiple of the bound.
AIM = 1.1
# Budgets tried, each at most this multiple of what is known not to do; moves of each annealing.
N_BUDGET, RAISE = 7, 1.08
MOVES_PER_COLUMN, WARM, PRICE_OF_MONEY = 8, 0.07, 0.3
# A floor that has no price is felt this much, as a share of the highest price.
LEAST_FELT = 0.02
# A missed floor is priced higher by this power of what is missing.
RISE = 3.0
FLOORS_KEPT_TO = 1e-9
# What float64 sums cannot tell apart, as a share of a cost.
SAME_COST = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastCost:
    """A cheap plan that keeps the floors, and what is proven of all others.

    Attributes
    ----------
    plan
        The cheapest plan found; None if none was.
    least_cny
        No plan costs less; infinite where no plan keeps the floors and the budget.
    point
        The prices that prove it, and their bound of minus the cost.
    """

    plan: TierPlan | None
    least_cny: float
    point: DualPoint


def find_least_cost(
    problem: TierProblem,
    watch: Watch,
    *,
    start: IntArray | None = None,
) -> LeastCost:
    """Find a cheap plan that keeps the floors, and what no plan can cost less than.

    Parameters
    ----------
    problem
        Built with no worth of service and all of the cost, so that its value is minus the cost.
    watch
        Gap, limits and seed.
    start
        (n_site,) tiers of a plan that keeps every constraint.
    """
    useful = find_useful(problem)
    step = _find_step(problem.menu.cost[useful])
    point = bound_cost(problem, useful, watch)
    least = _multiple_above(-point.bound, step)
    if least > min(float(_dearest(problem).sum()), problem.menu.budget) * (1.0 + SAME_COST):
        return LeastCost(plan=None, least_cny=math.inf, point=point)
    weight = np.maximum(point.prices.floor, LEAST_FELT * point.prices.floor.max(initial=0.0))
    plan, order = None, first_order(problem, point)
    if start is not None:
        service = price_service(problem, weight, problem.menu.budget)
        plan = _keep(problem, stand(service, columns_of(problem, start)))
    all_money = problem.menu.budget < NO_BUDGET_CNY and plan is None
    too_low = least - step
    for number in range(N_BUDGET):
        cost = math.inf if plan is None else -plan.value
        if watch.stop_reason is not None or compute_gap(cost, least) <= watch.limits.gap:
            break
        budget = min((too_low + cost) / 2, RAISE * (too_low + step))
        budget = max(too_low + step, _multiple_below(budget, step))
        if plan is None and (all_money or budget > problem.menu.budget):
            budget = problem.menu.budget
        if not too_low < budget < cost:
            break
        service = price_service(problem, weight, budget)
        found = anneal(
            service,
            stand(service, order),
            replace(point, budget_price=PRICE_OF_MONEY),
            Fixings(allowed=useful, required=problem.required),
            watch,
            n_move=MOVES_PER_COLUMN * problem.n_column,
            warm=WARM if number == 0 else WARM_AGAIN,
            seed=watch.limits.seed + number,
        )
        order = found.plan.column[found.plan.column != CLOSED]
        kept = _keep(problem, found)
        if kept is None:
            too_low = budget if budget < problem.menu.budget else too_low
            weight = raise_missed(problem.floor_kwh, weight, serve(problem, found))
        elif plan is None or kept.value > plan.value:
            plan = kept
    return LeastCost(plan=plan, least_cny=least, point=point)


def raise_missed(
    floor_kwh: FloatArray, weight: FloatArray, served: FloatArray, *, power: float = RISE
) -> FloatArray:
    """Return weights that feel a missed floor more and a kept one less; their sum's worth stays."""
    raised = weight * np.clip(floor_kwh / np.maximum(served, 1e-9), 0.9, 1.1) ** power
    return np.asarray(raised * (weight @ floor_kwh) / (raised @ floor_kwh), dtype=np.float64)


def find_useful(problem: TierProblem) -> BoolArray:
    """(n_column,) columns that no other of their site can stand in for at no more cost and power.

    A tier is never worth more than what it can give to all that is within its reach.
    """
    columns, reach = problem.columns, problem.reach
    in_reach = np.bincount(
        reach.supply, weights=reach.kwh[reach.row], minlength=reach.start.size - 1
    )
    gives = np.minimum(columns.capacity_kwh_per_day, in_reach[columns.site])
    useful = np.ones(columns.n_column, dtype=bool)
    for first, last in zip(columns.start[:-1], columns.start[1:], strict=True):
        for c in range(first, last):
            others = np.flatnonzero(useful[first:last]) + first
            others = others[others != c]
            useful[c] = not (
                (gives[others] >= gives[c])
                & (columns.cost_cny[others] <= columns.cost_cny[c])
                & (columns.power_kw[others] <= columns.power_kw[c])
            ).any()
    return useful


def bound_cost(
    problem: TierProblem, useful: BoolArray, watch: Watch, *, prices: Prices | None = None
) -> DualPoint:
    """Return the prices of the highest bound of the cost, from prices that are nearly so."""
    menu, fixings = problem.menu, Fixings(allowed=useful, required=problem.required)
    unlimited = replace(problem, menu=menu._replace(budget=NO_BUDGET_CNY))
    fresh = start_descent(problem)
    per_kwh = float(np.median(menu.cost[useful] / np.maximum(menu.kwh[useful], 1.0)))
    prices = prices or Prices(
        row=np.full_like(fresh.prices.row, per_kwh / 2),
        floor=np.full_like(fresh.prices.floor, per_kwh),
        side=fresh.prices.side,
    )
    point = replace(fresh, prices=prices)
    dearest = float(_dearest(problem).sum())
    before, at_rest = math.inf, 0
    for _ in range(DESCENTS):
        aim = -min(dearest, AIM * menu.budget)
        if math.isfinite(point.bound):
            aim = -AIM * max(-point.bound, per_kwh)
        point = descend(unlimited, point, fixings, n_iteration=N_ITERATION, aim=aim)
        watch.spend(N_ITERATION * problem.reach.worth.size)
        at_rest = at_rest + 1 if before - point.bound < LEAST_RISE * abs(point.bound) else 0
        before = point.bound
        if at_rest == AT_REST or -point.bound > dearest or watch.stop_reason is not None:
            break
    return point


def _dearest(problem: TierProblem) -> FloatArray:
    """(n_site,) cost of each site's dearest column."""
    dearest = np.zeros(problem.n_site)
    np.maximum.at(dearest, problem.menu.site, problem.menu.cost)
    return dearest


def _find_step(column_cost_cny: FloatArray) -> float:
    """Return what every plan's cost is a multiple of; 0 where the columns have no such amount."""
    fen = np.round(column_cost_cny * FEN_PER_CNY).astype(np.int64)
    whole = np.allclose(fen, column_cost_cny * FEN_PER_CNY, rtol=0.0, atol=1e-3)
    return int(np.gcd.reduce(fen)) / FEN_PER_CNY if fen.size and whole else 0.0


def _multiple_above(cost_cny: float, step: float) -> float:
    if not step:
        return cost_cny
    return max(cost_cny, math.ceil(cost_cny * (1.0 - SAME_COST) / step) * step)


def _multiple_below(cost_cny: float, step: float) -> float:
    return math.floor(cost_cny * (1.0 + SAME_COST) / step) * step if step else cost_cny


def price_service(problem: TierProblem, weight: FloatArray, budget: float) -> TierProblem:
    """Return the main model under a budget, without floors, each brand's energy at its weight."""
    n_row = problem.reach.kwh.size
    worth = (problem.reach.share @ weight)[problem.reach.row]
    return replace(
        problem,
        reach=problem.reach._replace(worth=worth, share=np.zeros((n_row, 0))),
        menu=problem.menu._replace(gain=np.zeros(problem.n_column), budget=budget),
        floor_kwh=np.empty(0),
        floor_brand=np.empty(0, dtype=np.int64),
    )


def serve(problem: TierProblem, search: TierSearch) -> FloatArray:
    """(n_floor,) energy that the flow where the search stands serves each floored brand."""
    return np.asarray((problem.reach.kwh - search.flows.unserved) @ problem.reach.share)


def _keeps_floors(problem: TierProblem, search: TierSearch) -> bool:
    served = serve(problem, search)
    return bool((served >= problem.floor_kwh * (1.0 - FLOORS_KEPT_TO)).all())


def _keep(problem: TierProblem, search: TierSearch) -> TierPlan | None:
    """Return the plan where the search stands with all that its floors can spare taken off."""
    if not (search.within_rows and search.has_required and _keeps_floors(problem, search)):
        return None
    _spare(problem, search)
    column = search.plan.column.copy()
    return TierPlan(
        column=column,
        flow=search.flows.x[problem.reach.row_link],
        value=-float(problem.menu.cost[column[column != CLOSED]].sum()),
    )


def _spare(problem: TierProblem, search: TierSearch) -> None:
    """Close sites and take cheaper columns while all floors and rows hold, most saved first."""
    menu = problem.menu
    tries: list[tuple[float, int, int]] = []
    for site in np.flatnonzero(search.plan.column != CLOSED).tolist():
        now = menu.cost[search.plan.column[site]]
        if not problem.required[site]:
            tries.append((now, site, CLOSED))
        tries += [
            (now - menu.cost[c], site, c)
            for c in range(menu.start[site], menu.start[site + 1])
            if menu.cost[c] < now
        ]
    for _, site, c in sorted(tries, key=lambda t: (-t[0], t[1])):
        before = search.plan.column.copy()
        if before[site] == CLOSED or (c != CLOSED and menu.cost[c] >= menu.cost[before[site]]):
            continue
        after = before.copy()
        after[site] = c
        search.open_only(after[after != CLOSED])
        if not (search.within_rows and _keeps_floors(problem, search)):
            search.open_only(before[before != CLOSED])
