# ruff: noqa: PLR0917 - kernels take arrays by position
"""The Lagrangian relaxation of the demand rows: bounds, prices, and how far each column opens.

With prices λ_r ≥ 0 on the demand rows, μ_b ≥ 0 on the floors and ν ≥ 0 on the rows over columns,
each site and tier becomes a continuous knapsack, filled greedily by falling profit,

    V_c = max Σ_r (a_rj + Σ_b μ_b s_rb - λ_r) x_r    s.t.  0 ≤ x_r ≤ d_r,  Σ_r x_r ≤ q_c

and what is left is one multiple-choice knapsack over the budget. Its linear relaxation has the
dual price π, so that for any prices no plan is worth more than

    Σ λ_r d_r - Σ μ_b F_b + ν · upper + Σ_{j∈E} V_j + π budget
      + Σ_{j∈C} max(0, max_{c∈j} V_c + g_c - ν · A_c - π f_c)         (no 0 where j is required)

which is at least as strong as the linear relaxation with every strong link, because each tier keeps
its links to itself. The least of it is sought by the volume algorithm (Barahona and Anbil 2000),
whose running averages also say how far the relaxation opens each column.

A descent may move a part of the prices only (`Part`): then the supplies that none of them reaches
keep their values, and an iteration costs what the part does. Whatever moves, the bound holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.network.compiled import KernelArray, compiled
from siting.optimise.tier_problem import NO_BUDGET_CNY, Menu, Reach

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.optimise.tier_problem import TierProblem

TINY = 1e-12
# Steps without a lower bound, after which they are made shorter.
PATIENCE = 10
# The first mix of the volume's averages: where the descent starts, and where it goes on.
FIRST_MIX, NEXT_MIX, WIDEST_MIX = 1.0, 0.3, 0.1
# Links moved for each link of a supply, after which sorting anew is quicker than mending the order.
MOVES_PER_LINK = 8
# Sums of float64 may be off by this share; a bound is rounded up by it.
ROUNDED_UP = 1e-9


class Prices(NamedTuple):
    """Multipliers: of the demand rows, the floors, and the rows over columns."""

    row: FloatArray
    floor: FloatArray
    side: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixings:
    """What a node of the search tree has decided.

    Attributes
    ----------
    allowed
        (n_column,) columns that may still be opened.
    required
        (n_site,) sites that must be opened.
    """

    allowed: BoolArray
    required: BoolArray


class Part(NamedTuple):
    """What a descent moves.

    Attributes
    ----------
    row
        (n,) places, among all priced rows, of those whose prices move.
    site, station
        (n,) the sites, and the stations by their number, that a moved price can reach.
    """

    row: LongArray
    site: LongArray
    station: LongArray


@dataclass(frozen=True, kw_only=True, eq=False)
class DualPoint:
    """Where the descent stands.

    Attributes
    ----------
    bound
        Least bound found; −∞ if the fixings cannot be met.
    prices
        The prices that give it.
    budget_price
        π at those prices.
    slack
        (n_row + n_floor + n_side,) running average of what the relaxation leaves of every priced
        row; negative where it takes too much.
    opened
        (n_column,) running average of how far each column opens, 0 to 1.
    step
        The step factor that the descent ended with.
    value, station_value
        (n_column,) V_c + g_c - ν · A_c, and (n_station,) V_j, at those prices.
    order
        (n_link,) each supply's links by falling profit when they were last filled.
    """

    bound: float
    prices: Prices
    budget_price: float
    slack: FloatArray
    opened: FloatArray
    step: float
    value: FloatArray
    station_value: FloatArray
    order: IntArray


class _Relaxed(NamedTuple):
    """What an evaluation of the relaxation says, and the room that it works in.

    Attributes
    ----------
    value, station_value
        (n_column,) V_c + g_c - ν · A_c; (n_station,) V_j.
    y
        (n_column,) how far the knapsack opens each column.
    slack
        (n_row + n_floor + n_side,) what is left of every priced row.
    profit, order
        (n_link,) profits supply by supply, falling, and the links that they belong to.
    """

    value: FloatArray
    station_value: FloatArray
    y: FloatArray
    slack: FloatArray
    profit: FloatArray
    order: IntArray


def allow_all(problem: TierProblem) -> Fixings:
    """Return what the root of the tree has decided: nothing but what is required."""
    return Fixings(allowed=np.ones(problem.n_column, dtype=bool), required=problem.required)


def start_descent(problem: TierProblem, *, price: float = 0.5) -> DualPoint:
    """Return the point to start from: every row at the same price, nothing else priced."""
    n_row, n_floor = problem.reach.share.shape
    n_side = problem.menu.side_upper.size
    return DualPoint(
        bound=np.inf,
        prices=Prices(
            row=np.full(n_row, price * problem.reach.worth.max(initial=0.0)),
            floor=np.zeros(n_floor),
            side=np.zeros(n_side),
        ),
        budget_price=0.0,
        slack=np.zeros(n_row + n_floor + n_side),
        opened=np.zeros(problem.n_column),
        step=0.5,
        value=np.zeros(problem.n_column),
        station_value=np.zeros(problem.reach.station_kwh.size),
        order=np.lexsort((-problem.reach.worth, problem.reach.supply)).astype(np.int32),
    )


def descend(
    problem: TierProblem,
    point: DualPoint,
    fixings: Fixings,
    *,
    n_iteration: int,
    aim: float,
    part: Part | None = None,
) -> DualPoint:
    """Lower the bound by some iterations of the volume algorithm.

    Parameters
    ----------
    problem, fixings
        What is relaxed, and what is decided.
    point
        Where to start; its prices are kept, its bound is computed anew for these fixings.
    n_iteration
        How many evaluations of the relaxation.
    aim
        The bound that the steps aim at, such as the best plan's objective.
    part
        What moves; by default everything.
    """
    price, slack, opened = np.concatenate(point.prices), point.slack.copy(), point.opened.copy()
    value, station_value = point.value.copy(), point.station_value.copy()
    order = point.order.copy()
    bound, budget_price, step = _descend(
        problem.reach,
        problem.menu,
        _right_side(problem),
        _scale(problem),
        find_everything(problem) if part is None else part,
        fixings.allowed,
        fixings.required,
        price,
        slack,
        opened,
        value,
        station_value,
        _make_room(problem, order),
        point.step,
        n_iteration,
        aim,
        0.0 if part is not None else FIRST_MIX if np.isinf(point.bound) else NEXT_MIX,
    )
    return replace(
        point,
        bound=bound,
        prices=_split(problem, price),
        budget_price=budget_price,
        slack=slack,
        opened=opened,
        step=step,
        value=value,
        station_value=station_value,
        order=order,
    )


def find_everything(problem: TierProblem) -> Part:
    """Return the part that holds all."""
    n_row = sum(problem.reach.share.shape) + problem.menu.side_upper.size
    return Part(
        row=np.arange(n_row),
        site=np.arange(problem.n_site),
        station=np.arange(problem.reach.station_kwh.size),
    )


def find_part(problem: TierProblem, site: LongArray) -> Part:
    """Return the part around some sites: the demand that they reach, and all who reach that."""
    reach, n_site = problem.reach, problem.n_site
    near = np.zeros(reach.kwh.size, dtype=bool)
    for j in site:
        near[reach.row[reach.start[j] : reach.start[j + 1]]] = True
    row = np.flatnonzero(near)
    touched = np.zeros(reach.start.size - 1, dtype=bool)
    for r in row:
        touched[reach.supply[reach.row_link[reach.row_start[r] : reach.row_start[r + 1]]]] = True
    touched[site] = True
    return Part(
        row=row,
        site=np.flatnonzero(touched[:n_site]),
        station=np.flatnonzero(touched[n_site:]),
    )


def find_falls(
    problem: TierProblem, point: DualPoint, fixings: Fixings
) -> tuple[float, FloatArray, FloatArray]:
    """Find by how much the bound falls if a column is opened, or if a site stays closed.

    Returns
    -------
    bound, fall, need
        The bound of the point's prices under these fixings; (n_column,) how much less no plan with
        that column can exceed, ∞ where it is not allowed; (n_site,) the same without that site.
    """
    menu, y = problem.menu, np.empty(problem.n_column)
    most, budget_price = _solve_knapsack(menu, point.value, fixings.allowed, fixings.required, y)
    bound = sum_priced(problem, point) + most
    reduced = np.where(fixings.allowed, point.value - budget_price * menu.cost, -np.inf)
    need = np.where(fixings.required, -np.inf, 0.0)
    np.maximum.at(need, menu.site, reduced)
    return bound + ROUNDED_UP * abs(bound), need[menu.site] - reduced, need


def sum_priced(problem: TierProblem, point: DualPoint) -> float:
    """Return what the bound of a point holds beside the knapsack over sites."""
    return float(
        np.concatenate(point.prices) @ _right_side(problem) + float(point.station_value.sum())
    )


def _split(problem: TierProblem, price: FloatArray) -> Prices:
    n_row, n_floor = problem.reach.share.shape
    row, floor, side = np.split(price, (n_row, n_row + n_floor))
    return Prices(row, floor, side)


def _make_room(problem: TierProblem, order: IntArray) -> _Relaxed:
    reach = problem.reach
    return _Relaxed(
        value=np.zeros(problem.n_column),
        station_value=np.zeros(reach.station_kwh.size),
        y=np.zeros(problem.n_column),
        slack=np.zeros(sum(reach.share.shape) + problem.menu.side_upper.size),
        profit=np.zeros(reach.worth.size),
        order=order,
    )


def _right_side(problem: TierProblem) -> FloatArray:
    """Right-hand sides of the priced rows, all read as ≤."""
    return np.concatenate((problem.reach.kwh, -problem.floor_kwh, problem.menu.side_upper))


def _scale(problem: TierProblem) -> FloatArray:
    """Scale of each price's step: the row's side squared over the energy at stake in it."""
    menu = problem.menu
    n_side = menu.side_upper.size
    column = np.repeat(np.arange(problem.n_column), np.diff(menu.side_start))
    size = np.abs(menu.side_coefficient)
    total = np.bincount(menu.side_row, weights=size, minlength=n_side)
    kwh = np.bincount(menu.side_row, weights=menu.kwh[column], minlength=n_side)
    side = np.maximum(np.abs(menu.side_upper), 1.0) * total / np.maximum(kwh, TINY)
    return np.concatenate((problem.reach.kwh, problem.floor_kwh, np.maximum(side, TINY)))


@compiled
def _sort_links(reach: Reach, supply: int, row_price: KernelArray, room: _Relaxed) -> None:
    """Compute a supply's profits and mend the order of its links, which prices change little."""
    first, last = reach.start[supply], reach.start[supply + 1]
    profit, order = room.profit, room.order
    left = MOVES_PER_LINK * (last - first)
    for k in range(first, last):
        link, place = order[k], k
        # What brings nothing needs no order.
        gain = max(0.0, reach.worth[link] - row_price[reach.row[link]])
        if left > 0:
            while place > first and profit[place - 1] < gain:
                profit[place], order[place] = profit[place - 1], order[place - 1]
                place -= 1
            left -= k - place
        profit[place], order[place] = gain, link
    if left <= 0:
        falling = np.argsort(-profit[first:last], kind="mergesort")
        profit[first:last] = profit[first:last][falling]
        order[first:last] = order[first:last][falling]


@compiled
def _fill(reach: Reach, supply: int, kwh: float, room: _Relaxed) -> float:
    """Fill a knapsack with the most profitable energy."""
    left, value = kwh, 0.0
    for k in range(reach.start[supply], reach.start[supply + 1]):
        if room.profit[k] <= 0.0 or left <= 0.0:
            break
        taken = min(left, reach.kwh[reach.row[room.order[k]]])
        value += taken * room.profit[k]
        left -= taken
    return value


@compiled
def _take(reach: Reach, supply: int, kwh: float, part: float, room: _Relaxed) -> None:
    """Take a part of what fills a knapsack off the slack of rows and floors."""
    n_row, n_floor = reach.share.shape
    left = kwh
    for k in range(reach.start[supply], reach.start[supply + 1]):
        if room.profit[k] <= 0.0 or left <= 0.0:
            break
        row = reach.row[room.order[k]]
        taken = min(left, reach.kwh[row])
        left -= taken
        room.slack[row] -= part * taken
        for b in range(n_floor):
            room.slack[n_row + b] += part * taken * reach.share[row, b]


@compiled
def _evaluate(  # noqa: C901 - one pass over stations, sites and rows
    reach: Reach,
    menu: Menu,
    right: KernelArray,
    part: Part,
    allowed: KernelArray,
    required: KernelArray,
    price: KernelArray,
    room: _Relaxed,
) -> tuple[float, float]:
    """Evaluate the relaxation: its bound and π; what the part opens and leaves is in the room."""
    n_row, n_floor = reach.share.shape
    n_site, n_priced = menu.start.size - 1, n_row + n_floor
    row_price = price[:n_row].copy()
    for b in range(n_floor):
        row_price -= price[n_row + b] * reach.share[:, b]
    for i in part.row:
        room.slack[i] = right[i]
    for e in part.station:
        _sort_links(reach, n_site + e, row_price, room)
        room.station_value[e] = _fill(reach, n_site + e, reach.station_kwh[e], room)
        _take(reach, n_site + e, reach.station_kwh[e], 1.0, room)
    for j in part.site:
        is_sorted = False
        for c in range(menu.start[j], menu.start[j + 1]):
            room.value[c] = 0.0
            if not allowed[c]:
                continue
            if not is_sorted:
                _sort_links(reach, j, row_price, room)
                is_sorted = True
            room.value[c] = menu.gain[c] + _fill(reach, j, menu.kwh[c], room)
            for k in range(menu.side_start[c], menu.side_start[c + 1]):
                room.value[c] -= price[n_priced + menu.side_row[k]] * menu.side_coefficient[k]
    best, budget_price = _solve_knapsack(menu, room.value, allowed, required, room.y)
    for j in part.site:
        for c in range(menu.start[j], menu.start[j + 1]):
            if room.y[c] > 0.0:
                _take(reach, j, menu.kwh[c], room.y[c], room)
                for k in range(menu.side_start[c], menu.side_start[c + 1]):
                    taken = room.y[c] * menu.side_coefficient[k]
                    room.slack[n_priced + menu.side_row[k]] -= taken
    return _sum_priced(right, price, room.station_value) + best, budget_price


@compiled
def _sum_priced(right: KernelArray, price: KernelArray, station_value: KernelArray) -> float:
    """Return what the bound holds beside the knapsack: all priced rows, and the stations."""
    total = 0.0
    for i in range(right.size):
        total += price[i] * right[i]
    for value in station_value:
        total += value
    return total


@compiled
def _solve_knapsack(  # noqa: C901, PLR0912 - a hull for each site, then one greedy pass
    menu: Menu, value: KernelArray, allowed: KernelArray, required: KernelArray, y: KernelArray
) -> tuple[float, float]:
    """Solve the linear multiple-choice knapsack: value and dual price; −∞ if it cannot be met."""
    n_site, n_column = menu.start.size - 1, value.size
    y[:] = 0.0
    slope, extra = np.empty(n_column), np.empty(n_column)
    more = np.empty(n_column)
    lower, upper = np.empty(n_column, np.int64), np.empty(n_column, np.int64)
    n, spent, total = 0, 0.0, 0.0
    for j in range(n_site):
        low, high = menu.start[j], menu.start[j + 1]
        now, now_cost, now_value = -1, 0.0, 0.0
        if required[j]:
            for c in range(low, high):
                if allowed[c] and (
                    now < 0
                    or menu.cost[c] < now_cost
                    or (menu.cost[c] == now_cost and value[c] > now_value)
                ):
                    now, now_cost, now_value = c, menu.cost[c], value[c]
            if now < 0:
                return -np.inf, 0.0
        else:
            for c in range(low, high):
                if allowed[c] and menu.cost[c] <= 0.0 and value[c] > now_value:
                    now, now_cost, now_value = c, menu.cost[c], value[c]
        if now >= 0:
            y[now] = 1.0
            spent += now_cost
            total += now_value
        while True:
            best, best_slope = -1, 0.0
            for c in range(low, high):
                if allowed[c] and menu.cost[c] > now_cost and value[c] > now_value + TINY:
                    s = (value[c] - now_value) / (menu.cost[c] - now_cost)
                    if s > best_slope:
                        best, best_slope = c, s
            if best < 0:
                break
            slope[n], extra[n], more[n] = (
                best_slope,
                menu.cost[best] - now_cost,
                value[best] - now_value,
            )
            lower[n], upper[n] = now, best
            n += 1
            now, now_cost, now_value = best, menu.cost[best], value[best]
    if spent > menu.budget * (1.0 + ROUNDED_UP):
        return -np.inf, 0.0
    if menu.budget >= NO_BUDGET_CNY:
        for k in range(n):
            total += more[k]
            y[upper[k]] = 1.0
            if lower[k] >= 0:
                y[lower[k]] = 0.0
        return total, 0.0
    order = np.argsort(-slope[:n])
    for k in order:
        room = menu.budget - spent
        part = 1.0 if extra[k] <= room else max(0.0, room / extra[k])
        spent += part * extra[k]
        total += part * more[k]
        y[upper[k]] = part
        if lower[k] >= 0:
            y[lower[k]] = 1.0 - part
        if part < 1.0:
            return total, slope[k]
    return total, 0.0


@compiled
def _descend(  # noqa: C901, PLR0912 - one loop over a part
    reach: Reach,
    menu: Menu,
    right: KernelArray,
    scale: KernelArray,
    part: Part,
    allowed: KernelArray,
    required: KernelArray,
    price: KernelArray,
    slack: KernelArray,
    opened: KernelArray,
    value: KernelArray,
    station_value: KernelArray,
    room: _Relaxed,
    step: float,
    n_iteration: int,
    aim: float,
    mix: float,
) -> tuple[float, float, float]:
    """Run the volume algorithm; prices, averages and values are moved in place.

    With no first mix the values are those of the prices, and need not be found first.
    """
    if mix > 0.0:
        bound, budget_price = _evaluate(reach, menu, right, part, allowed, required, price, room)
        value[:] = room.value
        station_value[:] = room.station_value
    else:
        bound, budget_price = _solve_knapsack(menu, value, allowed, required, room.y)
        bound += _sum_priced(right, price, station_value)
        room.value[:] = value
        room.station_value[:] = station_value
    if bound == -np.inf:
        return bound, 0.0, step
    slack += mix * (room.slack - slack)
    opened += mix * (room.y - opened)
    failures = 0
    trial = price.copy()
    for _ in range(n_iteration):
        size = TINY
        for i in part.row:
            size += slack[i] * slack[i] / scale[i]
        length = step * max(bound - aim, 1e-4 * abs(bound)) / size
        for i in part.row:
            trial[i] = max(0.0, price[i] - length * slack[i] / scale[i])
        new_bound, new_budget_price = _evaluate(
            reach, menu, right, part, allowed, required, trial, room
        )
        # The mix that makes the averaged violation least, and how the new one agrees with the old.
        across, along, agree = 0.0, 0.0, 0.0
        for i in part.row:
            change = room.slack[i] - slack[i]
            across += change * change / scale[i]
            along += slack[i] * change / scale[i]
            agree += slack[i] * room.slack[i] / scale[i]
        mix = -along / across if across > 0.0 else WIDEST_MIX
        mix = min(max(mix, WIDEST_MIX / 10.0), WIDEST_MIX)
        for i in part.row:
            slack[i] += mix * (room.slack[i] - slack[i])
        opened += mix * (room.y - opened)
        if new_bound < bound:
            failures = 0
            if agree > 0.0:
                step = min(step * 1.1, 2.0)
            bound, budget_price = new_bound, new_budget_price
            for i in part.row:
                price[i] = trial[i]
            for j in part.site:
                for c in range(menu.start[j], menu.start[j + 1]):
                    value[c] = room.value[c]
            for e in part.station:
                station_value[e] = room.station_value[e]
        else:
            failures += 1
            if failures >= PATIENCE:
                failures = 0
                step = max(step * 0.66, 1e-3)
    return bound + ROUNDED_UP * abs(bound), budget_price, step
