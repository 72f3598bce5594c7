"""The least cost of a service level: a bound by prices, plans by annealing under priced floors.

    min  Σ f_jk y_jk      s.t.  every floor and every other constraint of the main model

The Lagrangian relaxation prices the floors at μ_b CNY for a kWh a day of brand b, which bounds the
cost. Annealing starts at those prices: it saves money, and what is missing to the floors costs it
μ_b a kWh. A floor that is missed is priced higher for the next moves, one that is kept lower, so
that the search keeps to the least service that is enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from siting.domain import FEN_PER_CNY
from siting.instance import CLOSED
from siting.optimise.lagrangian import DualPoint, Fixings, Prices, descend, start_descent
from siting.optimise.limits import compute_gap
from siting.optimise.tier_problem import NO_BUDGET_CNY
from siting.optimise.tier_solver import (
    FLOORS_KEPT_TO,
    TierPlan,
    columns_of,
    cool,
    draw_openings,
    first_order,
    stand,
)
from siting.optimise.whole_sites import find_step_fen

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.optimise.limits import Watch
    from siting.optimise.tier_problem import TierProblem
    from siting.optimise.tier_search import TierSearch

# Most descents of so many steps, as shorter ones end in a corner; several in a row that raise the
# bound by less than this share are the last.
DESCENTS, N_STEP, LEAST_RISE, AT_REST = 15, 200, 1e-4, 2
# Steps of the descent aim at this multiple of the bound.
AIM = 1.1
# Annealing is in so many pieces of so many moves a column; between them the floors' prices move.
N_PIECE, MOVES_PER_COLUMN, PRICE_STEP = 48, 1, 1.08
# Its first temperature, from nothing and from a plan.
WARM, WARM_AGAIN = 0.07, 0.04
# The flow is quicker by far where few worths differ: those within this share are taken for one.
ONE_WORTH = 0.2
# A plan this near to the bound is where the search starts.
NEAR = 1.1
PRICE_OF_MONEY = 0.3
# A floor that has no price is felt this much, as a share of the highest price.
LEAST_FELT = 0.02
# A missed floor is priced higher by this power of what is missing.
RISE = 3.0
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
    step = find_step_fen(problem.menu.cost[useful]) / FEN_PER_CNY
    point = bound_cost(problem, useful, watch)
    least = _multiple_above(-point.bound, step)
    if least > min(float(_dearest(problem).sum()), problem.menu.budget) * (1.0 + SAME_COST):
        return LeastCost(plan=None, least_cny=math.inf, point=point)
    weight = np.maximum(point.prices.floor, LEAST_FELT * _find_scale(problem, point))
    plan = None if start is None else _keep(problem, weight, columns_of(problem, start))
    plan = _search(problem, useful, watch, point, weight, least=least, plan=plan)
    if plan is None:
        largest = np.argsort(-find_gives(problem), kind="stable")
        plan = _keep(problem, weight, largest)
    return LeastCost(plan=plan, least_cny=least, point=point)


def _search(
    problem: TierProblem,
    useful: BoolArray,
    watch: Watch,
    point: DualPoint,
    weight: FloatArray,
    *,
    least: float,
    plan: TierPlan | None,
) -> TierPlan | None:
    """Anneal from a plan that is near the bound, or from what the relaxation opens."""
    cost = math.inf if plan is None else -plan.value
    order, warm = first_order(problem, point), WARM
    if plan is not None and cost <= NEAR * least:
        order, warm = plan.column[plan.column != CLOSED], WARM_AGAIN
    unit = float(problem.menu.cost[useful].mean()) if useful.any() else 1.0
    tried: set[bytes] = set()
    for piece in range(N_PIECE):
        if watch.stop_reason is not None or compute_gap(cost, least) <= watch.limits.gap:
            break
        service, enough = _in_few_worths(problem, weight)
        search = stand(service, order)
        visits = search.visits
        warmest, coldest, part = cool(warm, unit, piece, N_PIECE)
        column, value = search.anneal(
            n_move=MOVES_PER_COLUMN * problem.n_column,
            warm=warmest,
            cold=coldest,
            part=part,
            budget_price=1.0,
            saved_price=0.0,
            pool=draw_openings(problem, point),
            allowed=useful,
            required=problem.required,
            seed=watch.limits.seed * N_PIECE + piece,
            enough=enough,
        )
        watch.spend(search.visits - visits)
        order = search.plan.column[search.plan.column != CLOSED]
        missed = serve(problem, search) < problem.floor_kwh * (1.0 - FLOORS_KEPT_TO)
        weight = weight * np.where(missed, PRICE_STEP, 1.0 / PRICE_STEP)
        if -value < cost and column.tobytes() not in tried:
            tried.add(column.tobytes())
            kept = _keep(problem, weight, column[column != CLOSED])
            if kept is not None and -kept.value < cost:
                plan, cost = kept, -kept.value
    return plan


def _in_few_worths(problem: TierProblem, weight: FloatArray) -> tuple[TierProblem, float]:
    """Return the main model at these weights, nearly, and how much of its worth is enough."""
    worth = problem.reach.share @ weight
    top = float(worth.max(initial=0.0))
    if top <= 0.0:
        return price_service(problem, worth, problem.menu.budget), 0.0
    step = math.log1p(ONE_WORTH)
    few = top * np.exp(np.round(np.log(np.maximum(worth / top, 1e-9)) / step) * step)
    kwh = problem.reach.kwh
    enough = float(weight @ problem.floor_kwh) * float(few @ kwh) / float(worth @ kwh)
    return price_service(problem, few, problem.menu.budget), enough


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
    columns, gives = problem.columns, find_gives(problem)
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


def find_gives(problem: TierProblem) -> FloatArray:
    """(n_column,) the most that each column can serve: its capacity, or all within its reach."""
    reach = problem.reach
    in_reach = np.bincount(
        reach.supply, weights=reach.kwh[reach.row], minlength=reach.start.size - 1
    )
    return np.minimum(problem.menu.kwh, in_reach[problem.menu.site])


def bound_cost(
    problem: TierProblem, useful: BoolArray, watch: Watch, *, prices: Prices | None = None
) -> DualPoint:
    """Return the prices of the highest bound of the cost, from prices that are nearly so."""
    menu, fixings = problem.menu, Fixings(allowed=useful, required=problem.required)
    unlimited = replace(problem, menu=menu._replace(budget=NO_BUDGET_CNY))
    fresh = start_descent(problem)
    gives = find_gives(problem)[useful]
    per_kwh = float(np.median(menu.cost[useful] / np.maximum(gives, 1.0)))
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
        point = descend(unlimited, point, fixings, n_iteration=N_STEP, aim=aim)
        watch.spend(N_STEP * problem.reach.worth.size)
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


def _multiple_above(cost_cny: float, step: float) -> float:
    if not step:
        return cost_cny
    return max(cost_cny, math.ceil(cost_cny * (1.0 - SAME_COST) / step) * step)


def price_service(problem: TierProblem, worth: FloatArray, budget: float) -> TierProblem:
    """Return the main model under a budget, without floors, each row's energy at its worth."""
    n_row = problem.reach.kwh.size
    return replace(
        problem,
        reach=problem.reach._replace(worth=worth[problem.reach.row], share=np.zeros((n_row, 0))),
        menu=problem.menu._replace(gain=np.zeros(problem.n_column), budget=budget),
        floor_kwh=np.empty(0),
        floor_brand=np.empty(0, dtype=np.int64),
    )


def serve(problem: TierProblem, search: TierSearch) -> FloatArray:
    """(n_floor,) energy that the flow where the search stands serves each floored brand."""
    return np.asarray((problem.reach.kwh - search.flows.unserved) @ problem.reach.share)


def _keep(problem: TierProblem, weight: FloatArray, order: LongArray) -> TierPlan | None:
    """Return the plan of these columns with all that its floors can spare taken off."""
    worth = problem.reach.share @ weight
    search = stand(price_service(problem, worth, problem.menu.budget), order)
    if not (search.within_rows and search.has_required):
        return None
    flow = _find_flow(problem, weight, search)
    if flow is None:
        return None
    flow = _spare(problem, weight, search, flow)
    column = search.plan.column.copy()
    return TierPlan(
        column=column,
        flow=flow[problem.reach.row_link],
        value=-float(problem.menu.cost[column[column != CLOSED]].sum()),
    )


def _find_scale(problem: TierProblem, point: DualPoint) -> float:
    """Return what a kWh a day costs (CNY) by the floors' prices or, where all are 0, by columns."""
    menu = problem.menu
    by_columns = float(menu.cost.sum() / max(float(menu.kwh.sum()), 1.0))
    return float(point.prices.floor.max(initial=0.0)) or by_columns or 1.0


def _find_flow(problem: TierProblem, weight: FloatArray, search: TierSearch) -> FloatArray | None:
    """(n_link,) flow that keeps the floors where the search stands; None if there is none."""
    served = serve(problem, search)
    due = problem.floor_kwh * (1.0 - FLOORS_KEPT_TO)
    if (served >= due).all():
        return search.flows.x.copy()
    # The search's flow is worth most: what keeps all floors is worth no less than they are.
    if weight @ served < weight @ due:
        return None
    reach = problem.reach
    used = np.flatnonzero(search.flows.kwh[reach.supply] > 0.0)
    row, supply, n = reach.row[used], reach.supply[used], used.size
    each, one = np.arange(n), np.ones(n)
    n_row, n_supply = reach.kwh.size, search.flows.kwh.size
    answer = linprog(  # type: ignore[call-overload]  # its stubs know no sparse arrays
        -search.flows.worth[used] / search.flows.worth.max(),
        A_ub=sp.vstack(
            (
                sp.csr_array((one, (row, each)), shape=(n_row, n)),
                sp.csr_array((one, (supply, each)), shape=(n_supply, n)),
                -sp.csr_array(reach.share[row].T),
            )
        ),
        b_ub=np.concatenate((reach.kwh, search.flows.kwh, -due)),
        bounds=(0.0, None),
        method="highs",
    )
    if not answer.success:
        return None
    flow = np.zeros(reach.worth.size)
    flow[used] = answer.x
    return flow


def _spare(
    problem: TierProblem, weight: FloatArray, search: TierSearch, flow: FloatArray
) -> FloatArray:
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
        found = _find_flow(problem, weight, search) if search.within_rows else None
        if found is None:
            search.open_only(before[before != CLOSED])
        else:
            flow = found
    return flow
