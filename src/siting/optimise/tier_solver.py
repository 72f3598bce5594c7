"""The main model by prices: bound by the volume algorithm, plan by annealing, then a tree of both.

The Lagrangian relaxation gives a bound, prices, and how far each column opens; the columns that it
opens most are the first plan, which annealing improves with its flow kept optimal. Rounds of both
go on until the plan is proven within the gap asked for, or rounds bring nothing more. A tree of
nodes then lowers the bound and anneals what each node leaves (`tier_tree`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.instance import CLOSED
from siting.optimise.certificate import TierPrices
from siting.optimise.formulation import RowKey, RowKind
from siting.optimise.lagrangian import (
    TINY,
    DualPoint,
    Fixings,
    Prices,
    allow_all,
    descend,
    start_descent,
)
from siting.optimise.limits import compute_gap
from siting.optimise.links import NO_LINK
from siting.optimise.tier_search import build_search
from siting.optimise.tier_tree import TierTree
from siting.optimise.whole_sites import bound_by_whole_sites

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.domain import FloatArray, IntArray, LongArray
    from siting.instance import SitingInstance
    from siting.optimise.limits import Watch
    from siting.optimise.tier_problem import TierProblem
    from siting.optimise.tier_search import TierSearch

N_ITERATION = 50
# A descent has come to rest when this many iterations bring less than this share of the gap.
REST, LEAST_FALL = 100, 0.02
MOVES_PER_COLUMN, ROUNDS = 20, 5
# Rounds before a tree, which finds plans quicker than more rounds would.
ROUNDS_BEFORE_TREE = 2
CHUNKS = 20
# The first and the last temperature, in worths of the mean cost of what the relaxation opens. Of a
# few sites each is much of the whole: the first is at least this over their number.
WARM, COLD, WARM_FOR_FEW = 0.03, 0.004, 0.7
LEAST_MOVES = 1_000
# Where money is plenty, its price says little: a unit is at least this share of a site's worth.
LEAST_UNIT = 0.2
# What a CNY of the budget that is left over is worth, as a share of its price.
SAVED = 0.8
# Moves a column at a node of the tree, whose relaxation says more.
MOVES_AT_NODE = 80
# Columns that the relaxation opens so far make up the first plan; those, half of the openings.
OPENED_MUCH, OPENED_AT_ALL = 0.1, 0.01
FLOORS_KEPT_TO = 1e-9
# What the search makes of a missed floor at least, as a share of the greatest price of a row.
FLOOR_FELT = 0.05
# A round that brings less than this share is the last.
LEAST_GAIN = 3e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class TierPlan:
    """A plan in the problem's terms.

    Attributes
    ----------
    column
        (n_site,) opened column of each site, or ``CLOSED``.
    flow
        (n_link,) energy over each link, in the order of `Links`.
    value
        Worth of the flow, and of the columns where they have one.
    """

    column: LongArray
    flow: FloatArray
    value: float

    def tier_of_site(self, problem: TierProblem) -> IntArray:
        """(n_site,) opened tiers."""
        return problem.columns.tier_of_site(self.column[self.column != CLOSED])


@dataclass(frozen=True, kw_only=True, eq=False)
class TierAnswer:
    """What prices and annealing came to.

    Attributes
    ----------
    plan
        The best plan; None if none was found that keeps all rows and floors.
    point
        Where the descent ended; its bound is −∞ or below every plan's worth where none can exist.
    """

    plan: TierPlan | None
    point: DualPoint


def solve_by_prices(
    problem: TierProblem,
    watch: Watch,
    *,
    point: DualPoint | None = None,
    start: IntArray | None = None,
    n_round: int = ROUNDS,
    on_step: Callable[[float, float], None] = lambda _objective, _bound: None,
) -> TierAnswer:
    """Bound and search in rounds, until proven within the gap, at rest, or stopped.

    Parameters
    ----------
    problem
        What to solve.
    watch
        Gap, limits and seed.
    point
        Where to start the descent; by default every row at half its worth.
    start
        (n_site,) tiers of a known plan to start from.
    n_round
        Most rounds; each looks at twice as many moves as the one before.
    on_step
        Told of objective and bound as they move.
    """
    fixings = allow_all(problem)
    point = point or start_descent(problem)
    plan, order = None, None
    if start is not None:
        order = columns_of(problem, start)
        plan = _settle(problem, stand(problem, order))
    floor_weight = 1.0
    for number in range(n_round):
        value = plan.value if plan else -math.inf
        point = descend_to_rest(problem, point, watch, value=value, on_step=on_step)
        if is_done(watch, value, point.bound) or is_impossible(problem, point.bound):
            break
        least = FLOOR_FELT * (floor_weight > 1.0) * float(point.prices.row.max(initial=0.0))
        boost = floor_weight * (problem.reach.share @ np.maximum(point.prices.floor, least))
        found = anneal(
            problem,
            stand(problem, first_order(problem, point) if order is None else order, boost),
            point,
            fixings,
            watch,
            n_move=(MOVES_PER_COLUMN * problem.n_column) << number,
            seed=watch.limits.seed + number,
        )
        order = found.plan.column[found.plan.column != CLOSED]
        settled = _settle(problem, found)
        if settled is None:
            floor_weight *= 2.0  # a floor may be missed: the search must feel it more
            continue
        gained = settled.value - value
        if gained > 0.0:
            plan = settled
            on_step(plan.value, point.bound)
        if number > 0 and gained < LEAST_GAIN * settled.value:
            break
    return TierAnswer(plan=plan, point=point)


def solve_by_branching(
    problem: TierProblem,
    watch: Watch,
    known: TierAnswer,
    *,
    on_step: Callable[[float, float], None] = lambda _objective, _bound: None,
) -> tuple[TierPlan | None, float]:
    """Branch from where prices and annealing came to, and anneal what the nodes leave.

    Parameters
    ----------
    problem, watch
        What to solve, and its limits.
    known
        What prices and annealing came to.
    on_step
        Told of objective and bound as they move.

    Returns
    -------
    plan, bound
        The best plan, and what no plan is worth more than.
    """

    def improve(point: DualPoint, fixings: Fixings, number: int) -> TierPlan | None:
        left = replace(point, opened=np.where(fixings.allowed, point.opened, 0.0))
        found = anneal(
            problem,
            stand(problem, first_order(problem, left), problem.reach.share @ left.prices.floor),
            left,
            Fixings(allowed=fixings.allowed, required=problem.required),
            watch,
            n_move=MOVES_AT_NODE * problem.n_column,
            seed=watch.limits.seed + number,
        )
        return _settle(problem, found)

    tree = TierTree(
        problem, known.point, watch, objective=known.plan.value if known.plan else -math.inf
    )
    plan = tree.run(improve=improve, on_step=on_step)
    return plan or known.plan, tree.bound


def is_done(watch: Watch, objective: float, bound: float) -> bool:
    """Whether the plan is proven within the gap asked for, or a limit has come."""
    return compute_gap(objective, bound) <= watch.limits.gap or watch.stop_reason is not None


def is_impossible(problem: TierProblem, bound: float) -> bool:
    """Whether a bound says that no plan keeps all floors and rows.

    What keeps the floors is worth as much as they are over the links that are worth least, and
    never less than nothing. Where columns cost something, no bound says so.
    """
    reach = problem.reach
    least = float(problem.floor_kwh.sum()) * float(reach.worth.min(initial=1.0))
    slack = 1e-6 * max(1.0, float(reach.kwh.sum()))
    return bound < least - slack and not problem.menu.gain.any()


def descend_to_rest(
    problem: TierProblem,
    point: DualPoint,
    watch: Watch,
    *,
    value: float,
    on_step: Callable[[float, float], None] = lambda _objective, _bound: None,
    n_most: int = 2000,
) -> DualPoint:
    """Lower the bound until it hardly falls any more, the gap is closed, or a limit has come."""
    at_rest, before = 0, math.inf
    for _ in range(n_most // N_ITERATION):
        bound = point.bound
        aim = value
        if not math.isfinite(value):
            aim = 0.0 if not math.isfinite(bound) else 0.97 * bound
        # Near a limit of work only as many as it pays for.
        n_iteration = max(1, int(min(N_ITERATION, watch.count_paid(problem.reach.worth.size))))
        point = descend(problem, point, allow_all(problem), n_iteration=n_iteration, aim=aim)
        watch.spend(n_iteration * problem.reach.worth.size)
        on_step(value, point.bound)
        if is_impossible(problem, point.bound) or is_done(watch, value, point.bound):
            break
        slack = point.bound - (value if math.isfinite(value) else 0.97 * point.bound)
        at_rest = at_rest + N_ITERATION if before - point.bound < LEAST_FALL * slack else 0
        before = point.bound
        if at_rest >= REST:
            break
    whole = bound_by_whole_sites(problem, point, allow_all(problem))
    return replace(point, bound=min(point.bound, whole))


def first_order(problem: TierProblem, point: DualPoint) -> LongArray:
    """Return the columns to open first: the least of required sites, then the most opened."""
    menu = problem.menu
    cheapest = [
        menu.start[j] + np.argmin(menu.cost[menu.start[j] : menu.start[j + 1]])
        for j in np.flatnonzero(problem.required)
        if menu.start[j] < menu.start[j + 1]
    ]
    much = np.argsort(-point.opened, kind="stable")[: int((point.opened > OPENED_MUCH).sum())]
    much = much[~problem.required[menu.site[much]]]
    return np.concatenate((np.array(cheapest, dtype=np.int64), much))


def plan_from_tiers(problem: TierProblem, tier_of_site: IntArray) -> TierPlan | None:
    """Return the plan of these tiers, opened as far as the rows allow; None if one is broken."""
    return _settle(problem, stand(problem, columns_of(problem, tier_of_site)))


def columns_of(problem: TierProblem, tier_of_site: IntArray) -> LongArray:
    """Return the columns that stand for these tiers."""
    columns = problem.columns
    return np.flatnonzero(columns.opened_by(tier_of_site))


def fill_up(problem: TierProblem, point: DualPoint, tier_of_site: IntArray) -> IntArray:
    """Return known tiers as far as the rows allow, and then what the relaxation opens.

    The tiers that are worth most for their money at the point's prices come first.
    """
    known = order_by_worth(problem, point, columns_of(problem, tier_of_site))
    order = np.concatenate((known, first_order(problem, point)))
    order = order[np.argsort(~problem.required[problem.menu.site[order]], kind="stable")]
    opened = stand(problem, order).plan.column
    return problem.columns.tier_of_site(opened[opened != CLOSED])


def order_by_worth(problem: TierProblem, point: DualPoint, column: LongArray) -> LongArray:
    """Order columns: those of required sites first, then those worth most for their money."""
    menu = problem.menu
    worth = point.value[column] / np.maximum(menu.cost[column], 1.0)
    return column[np.lexsort((-worth, ~problem.required[menu.site[column]]))]


def stand(problem: TierProblem, order: LongArray, boost: FloatArray | None = None) -> TierSearch:
    """Return a search that stands at a plan."""
    search = build_search(problem, boost=boost)
    search.open_only(order)
    return search


def anneal(
    problem: TierProblem,
    search: TierSearch,
    point: DualPoint,
    fixings: Fixings,
    watch: Watch,
    *,
    n_move: int,
    seed: int,
) -> TierSearch:
    """Anneal in pieces, so that a limit is kept; return a search that stands at the best plan."""
    price = point.budget_price
    cost = max(1.0, mean_opened(point.opened, problem.menu.cost))
    n_open = max(1.0, float(point.opened.sum()))
    unit = max(price * cost, LEAST_UNIT * abs(point.bound) / n_open, TINY)
    warm, n_move = max(WARM, WARM_FOR_FEW / n_open), max(n_move, LEAST_MOVES)
    pool = draw_openings(problem, point)
    best, best_value = search.plan.column.copy(), -math.inf
    if search.within_rows:
        best_value = search.value
    for piece in range(CHUNKS):
        if watch.stop_reason is not None:
            break
        visits = search.visits
        warmest, coldest, part = cool(warm, unit, piece, CHUNKS)
        column, value = search.anneal(
            n_move=n_move // CHUNKS,
            warm=warmest,
            cold=coldest,
            part=part,
            budget_price=max(price, unit / cost),
            saved_price=SAVED * price,
            pool=pool,
            allowed=fixings.allowed,
            required=fixings.required,
            seed=seed * CHUNKS + piece,
        )
        watch.spend(search.visits - visits)
        if value > best_value:
            best, best_value = column, value
    found = stand(problem, best[best >= 0], search.boost)
    if search.within_rows:
        return found
    # It ended above the budget: what that pays for may still be the best.
    last = search.plan.column[search.plan.column != CLOSED]
    paid = stand(problem, order_by_worth(problem, point, last), search.boost)
    return paid if paid.within_rows and paid.value > found.value else found


def cool(
    warm: float, unit: float, piece: int, n_piece: int
) -> tuple[float, float, tuple[float, float]]:
    """Return the first and the last temperature of a piece of annealing, and where it stands."""
    part = (piece / n_piece, (piece + 1) / n_piece)
    first, last = (warm * (COLD / warm) ** done * unit for done in part)
    return first, last, part


def draw_openings(problem: TierProblem, point: DualPoint) -> LongArray:
    """Return the sites to open anew, half of them such as the relaxation opens."""
    wanted = problem.menu.site[point.opened > OPENED_AT_ALL]
    every = np.flatnonzero(problem.columns.buildable)
    more = np.repeat(wanted, max(1, every.size // max(1, wanted.size)))
    return np.concatenate((every, more)).astype(np.int64)


def mean_opened(opened: FloatArray, cost: FloatArray) -> float:
    """Return the mean cost of what the relaxation opens; of all columns where it opens nothing."""
    weight = opened if opened.any() else np.ones(cost.size)
    return float(weight @ cost / max(1.0, weight.sum())) if cost.size else 0.0


def _settle(problem: TierProblem, search: TierSearch) -> TierPlan | None:
    """Return the plan where the search stands, or None if a row or a floor is broken."""
    reach = problem.reach
    served = reach.kwh - search.flows.unserved
    if not search.within_rows or not search.has_required:
        return None
    if (served @ reach.share < problem.floor_kwh * (1.0 - FLOORS_KEPT_TO)).any():
        return None
    column = search.plan.column.copy()
    return TierPlan(
        column=column,
        flow=search.flows.x[reach.row_link],
        value=float(reach.worth @ search.flows.x + problem.menu.gain[column[column >= 0]].sum()),
    )


def price_instance(instance: SitingInstance, problem: TierProblem, point: DualPoint) -> TierPrices:
    """Return the prices of a descent in the instance's own terms."""
    req = instance.requirements
    floor = np.zeros(instance.n_brand)
    floor[problem.floor_brand] = point.prices.floor
    spread = point.prices.row - problem.reach.share @ point.prices.floor
    row = problem.links.row_of_demand[:, problem.links.class_of_brand]
    demand = np.where(row == NO_LINK, 0.0, np.append(spread, 0.0)[row] + floor)
    price = dict(zip(problem.side_keys, point.prices.side.tolist(), strict=True))

    def by_index(kind: RowKind, size: int) -> FloatArray:
        return np.array([price.get(RowKey(kind, (n,)), 0.0) for n in range(size)])

    return TierPrices(
        demand=demand,
        floor=floor,
        budget=point.budget_price,
        greatest_count=price.get(RowKey(RowKind.GREATEST_COUNT), 0.0),
        least_count=price.get(RowKey(RowKind.LEAST_COUNT), 0.0),
        grid_group=by_index(RowKind.GRID_GROUP, req.grid_group_limit_kw.size),
        greatest_in_district=by_index(RowKind.GREATEST_IN_DISTRICT, req.district_max_sites.size),
        least_in_district=by_index(RowKind.LEAST_IN_DISTRICT, req.district_min_sites.size),
        cliques=tuple(
            (key.members, nu) for key, nu in price.items() if key.kind is RowKind.SPACING and nu > 0
        ),
    )


def start_from_prices(
    instance: SitingInstance, problem: TierProblem, prices: TierPrices
) -> DualPoint | None:
    """Return a descent that starts at known prices; None if they fit other demand points.

    Rows over columns that the prices do not know start at no price; brands may differ in number
    only where the caller has matched them.
    """
    if prices.demand.shape != instance.demand_kwh_per_day.shape:
        return None
    row = problem.links.row_of_demand[:, problem.links.class_of_brand]
    used = row != NO_LINK
    weight = np.where(used, instance.demand_kwh_per_day, 0.0)
    n_row = problem.reach.kwh.size
    spread = np.bincount(
        row[used], weights=(weight * prices.demand)[used], minlength=n_row
    ) / np.maximum(np.bincount(row[used], weights=weight[used], minlength=n_row), 1e-12)
    cliques = dict(prices.cliques)
    side = np.zeros(problem.menu.side_upper.size)
    for n, (kind, index) in enumerate(problem.side_keys):
        match kind:
            case RowKind.GREATEST_COUNT:
                side[n] = prices.greatest_count
            case RowKind.LEAST_COUNT:
                side[n] = prices.least_count
            case RowKind.SPACING:
                side[n] = cliques.get(index, 0.0)
            case RowKind.GRID_GROUP:
                side[n] = _at(prices.grid_group, index[0])
            case RowKind.GREATEST_IN_DISTRICT:
                side[n] = _at(prices.greatest_in_district, index[0])
            case RowKind.LEAST_IN_DISTRICT:
                side[n] = _at(prices.least_in_district, index[0])
    fresh = start_descent(problem)
    return replace(fresh, prices=Prices(spread, prices.floor[problem.floor_brand].copy(), side))


def _at(prices: FloatArray, index: int) -> float:
    return float(prices[index]) if index < prices.size else 0.0
