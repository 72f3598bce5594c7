# ruff: noqa: C901, PLR0912, PLR0915, PLR0917 - kernels are long and flat, and take arrays by position
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
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.network.compiled import KernelArray, compiled
from siting.optimise.tier_problem import NO_BUDGET_CNY, Menu, Reach

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray
    from siting.optimise.tier_problem import TierProblem

N_BUCKET = 64
TINY = 1e-12
# Steps without a lower bound, after which they are made shorter.
PATIENCE = 10
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
    load
        (n_row,) running average of what the relaxation serves.
    floor_load, side_load
        (n_floor,), (n_side,) the same of the floors and the rows over columns.
    opened
        (n_column,) running average of how far each column opens, 0 to 1.
    step
        The step factor that the descent ended with.
    """

    bound: float
    prices: Prices
    budget_price: float
    load: FloatArray
    floor_load: FloatArray
    side_load: FloatArray
    opened: FloatArray
    step: float


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
        load=np.zeros(n_row),
        floor_load=np.zeros(n_floor),
        side_load=np.zeros(n_side),
        opened=np.zeros(problem.n_column),
        step=0.5,
    )


def descend(
    problem: TierProblem,
    point: DualPoint,
    fixings: Fixings,
    *,
    n_iteration: int,
    aim: float,
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
    """
    prices = Prices(*(p.copy() for p in point.prices))
    load, floor_load = point.load.copy(), point.floor_load.copy()
    side_load, opened = point.side_load.copy(), point.opened.copy()
    fresh = not np.isfinite(point.bound)
    bound, budget_price, step = _descend(
        problem.reach,
        problem.menu,
        problem.floor_kwh,
        _side_scale(problem),
        fixings.allowed,
        fixings.required,
        prices,
        load,
        floor_load,
        side_load,
        opened,
        point.step,
        n_iteration,
        aim,
        fresh,
    )
    return replace(
        point,
        bound=bound,
        prices=prices,
        budget_price=budget_price,
        load=load,
        floor_load=floor_load,
        side_load=side_load,
        opened=opened,
        step=step,
    )


def _side_scale(problem: TierProblem) -> FloatArray:
    """(n_side,) scale of each row's price step: its squared side over the energy at stake."""
    menu = problem.menu
    n_side = menu.side_upper.size
    column = np.repeat(np.arange(problem.n_column), np.diff(menu.side_start))
    size = np.abs(menu.side_coefficient)
    total = np.bincount(menu.side_row, weights=size, minlength=n_side)
    per_unit = np.bincount(
        menu.side_row, weights=np.ones(size.size) * menu.kwh[column], minlength=n_side
    ) / np.maximum(total, TINY)
    side = np.maximum(np.abs(menu.side_upper), 1.0)
    return np.asarray(side / np.maximum(per_unit, TINY), dtype=np.float64)


@compiled
def _fill(
    reach: Reach,
    supply: int,
    kwh: float,
    profit: KernelArray,
    bucket: KernelArray,
    bucket_kwh: KernelArray,
    bucket_value: KernelArray,
    chosen: KernelArray,
    weight: float,
    load: KernelArray,
) -> float:
    """Fill one knapsack greedily; add weight × what it takes to the load where weight > 0."""
    first, last = reach.start[supply], reach.start[supply + 1]
    left, value = kwh, 0.0
    edge = N_BUCKET - 1
    while edge >= 0 and bucket_kwh[edge] <= left:
        left -= bucket_kwh[edge]
        value += bucket_value[edge]
        edge -= 1
    n = 0
    if edge >= 0 and left > 0 and bucket_kwh[edge] > 0:
        for link in range(first, last):
            if bucket[link] == edge:
                chosen[n] = link
                n += 1
        order = np.argsort(-profit[chosen[:n]])
        for k in range(n):
            link = chosen[order[k]]
            take = min(left, reach.kwh[reach.row[link]])
            value += take * profit[link]
            left -= take
            if weight > 0:
                load[reach.row[link]] += weight * take
            if left <= 0:
                break
    if weight > 0:
        for link in range(first, last):
            if bucket[link] > edge:
                load[reach.row[link]] += weight * reach.kwh[reach.row[link]]
    return value


@compiled
def _sort_into_buckets(
    reach: Reach,
    supply: int,
    row_price: KernelArray,
    profit: KernelArray,
    bucket: KernelArray,
    bucket_kwh: KernelArray,
    bucket_value: KernelArray,
) -> float:
    """Compute the profits of a supply's links and sort them into buckets; return the greatest."""
    first, last = reach.start[supply], reach.start[supply + 1]
    top = 0.0
    for link in range(first, last):
        p = reach.worth[link] - row_price[reach.row[link]]
        profit[link] = p
        top = max(top, p)
    bucket_kwh[:] = 0.0
    bucket_value[:] = 0.0
    if top <= 0.0:
        for link in range(first, last):
            bucket[link] = -1
        return 0.0
    scale = N_BUCKET / top
    for link in range(first, last):
        p = profit[link]
        if p > 0.0:
            b = min(N_BUCKET - 1, int(p * scale))
            kwh = reach.kwh[reach.row[link]]
            bucket_kwh[b] += kwh
            bucket_value[b] += kwh * p
            bucket[link] = b
        else:
            bucket[link] = -1
    return top


@compiled
def fill_columns(
    reach: Reach,
    menu: Menu,
    row_price: KernelArray,
    allowed: KernelArray,
    value: KernelArray,
    profit: KernelArray,
) -> None:
    """Fill every allowed column at the rows' prices: value = V_c + g_c, 0 where not allowed."""
    bucket = np.empty(profit.size, np.int8)
    bucket_kwh, bucket_value = np.empty(N_BUCKET), np.empty(N_BUCKET)
    chosen = np.empty(max(1, profit.size), np.int64)
    for j in range(menu.start.size - 1):
        low, high = menu.start[j], menu.start[j + 1]
        wanted = False
        for c in range(low, high):
            value[c] = 0.0
            wanted = wanted or allowed[c]
        if not wanted:
            continue
        top = _sort_into_buckets(reach, j, row_price, profit, bucket, bucket_kwh, bucket_value)
        for c in range(low, high):
            if not allowed[c]:
                continue
            value[c] = menu.gain[c]
            if top > 0.0:
                value[c] += _fill(
                    reach,
                    j,
                    menu.kwh[c],
                    profit,
                    bucket,
                    bucket_kwh,
                    bucket_value,
                    chosen,
                    0.0,
                    profit,
                )


@compiled
def _evaluate(
    reach: Reach,
    menu: Menu,
    floor_kwh: KernelArray,
    allowed: KernelArray,
    required: KernelArray,
    prices: Prices,
    value: KernelArray,
    station_value: KernelArray,
    y: KernelArray,
    load: KernelArray,
    profit: KernelArray,
) -> tuple[float, float]:
    """Evaluate the relaxation: bound and π; fills value, station_value, y and load."""
    n_row, n_site = reach.kwh.size, menu.start.size - 1
    row_price = prices.row.copy()
    for r in range(n_row):
        for b in range(floor_kwh.size):
            row_price[r] -= prices.floor[b] * reach.share[r, b]
    bucket = np.empty(profit.size, np.int8)
    bucket_kwh, bucket_value = np.empty(N_BUCKET), np.empty(N_BUCKET)
    chosen = np.empty(max(1, profit.size), np.int64)
    load[:] = 0.0
    fill_columns(reach, menu, row_price, allowed, value, profit)
    for c in range(value.size):
        for k in range(menu.side_start[c], menu.side_start[c + 1]):
            value[c] -= prices.side[menu.side_row[k]] * menu.side_coefficient[k]
    bound = 0.0
    for e in range(station_value.size):
        top = _sort_into_buckets(
            reach, n_site + e, row_price, profit, bucket, bucket_kwh, bucket_value
        )
        station_value[e] = 0.0
        if top > 0.0:
            station_value[e] = _fill(
                reach,
                n_site + e,
                reach.station_kwh[e],
                profit,
                bucket,
                bucket_kwh,
                bucket_value,
                chosen,
                1.0,
                load,
            )
        bound += station_value[e]
    best, budget_price = _solve_knapsack(menu, value, allowed, required, y)
    for j in range(n_site):
        low, high = menu.start[j], menu.start[j + 1]
        top = -1.0
        for c in range(low, high):
            if y[c] > 0.0:
                if top < 0.0:
                    top = _sort_into_buckets(
                        reach, j, row_price, profit, bucket, bucket_kwh, bucket_value
                    )
                if top > 0.0:
                    _fill(
                        reach,
                        j,
                        menu.kwh[c],
                        profit,
                        bucket,
                        bucket_kwh,
                        bucket_value,
                        chosen,
                        y[c],
                        load,
                    )
    for r in range(n_row):
        bound += prices.row[r] * reach.kwh[r]
    for b in range(floor_kwh.size):
        bound -= prices.floor[b] * floor_kwh[b]
    for i in range(menu.side_upper.size):
        bound += prices.side[i] * menu.side_upper[i]
    return bound + best, budget_price


@compiled
def _solve_knapsack(
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
def _descend(
    reach: Reach,
    menu: Menu,
    floor_kwh: KernelArray,
    side_scale: KernelArray,
    allowed: KernelArray,
    required: KernelArray,
    prices: Prices,
    load: KernelArray,
    floor_load: KernelArray,
    side_load: KernelArray,
    opened: KernelArray,
    step: float,
    n_iteration: int,
    aim: float,
    fresh: bool,  # noqa: FBT001 - kernels know no keyword-only arguments
) -> tuple[float, float, float]:
    """Run the volume algorithm; the arrays of prices and averages are moved in place."""
    n_row, n_floor, n_side = reach.kwh.size, floor_kwh.size, side_scale.size
    value, y = np.zeros(menu.cost.size), np.zeros(menu.cost.size)
    station_value = np.zeros(reach.station_kwh.size)
    new_load, profit = np.zeros(n_row), np.zeros(reach.worth.size)
    trial = Prices(prices.row.copy(), prices.floor.copy(), prices.side.copy())
    new_floor, new_side = np.zeros(n_floor), np.zeros(n_side)
    bound, budget_price = _evaluate(
        reach, menu, floor_kwh, allowed, required, prices, value, station_value, y, new_load, profit
    )
    if bound == -np.inf:
        return bound, 0.0, step
    _usage(reach, menu, new_load, y, new_floor, new_side)
    mix = 1.0 if fresh else 0.3
    for r in range(n_row):
        load[r] += mix * (new_load[r] - load[r])
    for b in range(n_floor):
        floor_load[b] += mix * (new_floor[b] - floor_load[b])
    for i in range(n_side):
        side_load[i] += mix * (new_side[i] - side_load[i])
    for c in range(y.size):
        opened[c] += mix * (y[c] - opened[c])
    failures, widest = 0, 0.1
    for _ in range(n_iteration):
        size = 0.0
        for r in range(n_row):
            size += (reach.kwh[r] - load[r]) ** 2 / reach.kwh[r]
        for b in range(n_floor):
            size += (floor_load[b] - floor_kwh[b]) ** 2 / floor_kwh[b]
        for i in range(n_side):
            size += (menu.side_upper[i] - side_load[i]) ** 2 / side_scale[i]
        length = step * max(bound - aim, 1e-4 * abs(bound)) / max(size, TINY)
        for r in range(n_row):
            trial.row[r] = max(
                0.0, prices.row[r] - length * (reach.kwh[r] - load[r]) / reach.kwh[r]
            )
        for b in range(n_floor):
            trial.floor[b] = max(
                0.0, prices.floor[b] - length * (floor_load[b] - floor_kwh[b]) / floor_kwh[b]
            )
        for i in range(n_side):
            trial.side[i] = max(
                0.0,
                prices.side[i] - length * (menu.side_upper[i] - side_load[i]) / side_scale[i],
            )
        new_bound, new_budget_price = _evaluate(
            reach,
            menu,
            floor_kwh,
            allowed,
            required,
            trial,
            value,
            station_value,
            y,
            new_load,
            profit,
        )
        _usage(reach, menu, new_load, y, new_floor, new_side)
        # The mix that makes the averaged violation least, and how the new one agrees with the old.
        across, along, agree = 0.0, 0.0, 0.0
        for r in range(n_row):
            old, new = reach.kwh[r] - load[r], reach.kwh[r] - new_load[r]
            across += (new - old) ** 2 / reach.kwh[r]
            along += old * (new - old) / reach.kwh[r]
            agree += old * new / reach.kwh[r]
        for b in range(n_floor):
            old, new = floor_load[b] - floor_kwh[b], new_floor[b] - floor_kwh[b]
            across += (new - old) ** 2 / floor_kwh[b]
            along += old * (new - old) / floor_kwh[b]
            agree += old * new / floor_kwh[b]
        for i in range(n_side):
            old, new = menu.side_upper[i] - side_load[i], menu.side_upper[i] - new_side[i]
            across += (new - old) ** 2 / side_scale[i]
            along += old * (new - old) / side_scale[i]
            agree += old * new / side_scale[i]
        mix = -along / across if across > 0.0 else widest
        mix = min(max(mix, widest / 10.0), widest)
        for r in range(n_row):
            load[r] += mix * (new_load[r] - load[r])
        for b in range(n_floor):
            floor_load[b] += mix * (new_floor[b] - floor_load[b])
        for i in range(n_side):
            side_load[i] += mix * (new_side[i] - side_load[i])
        for c in range(y.size):
            opened[c] += mix * (y[c] - opened[c])
        if new_bound < bound:
            failures = 0
            if agree > 0.0:
                step = min(step * 1.1, 2.0)
            bound, budget_price = new_bound, new_budget_price
            prices.row[:] = trial.row
            prices.floor[:] = trial.floor
            prices.side[:] = trial.side
        else:
            failures += 1
            if failures >= PATIENCE:
                failures = 0
                step = max(step * 0.66, 1e-3)
    return bound + ROUNDED_UP * abs(bound), budget_price, step


@compiled
def _usage(
    reach: Reach,
    menu: Menu,
    load: KernelArray,
    y: KernelArray,
    floor_load: KernelArray,
    side_load: KernelArray,
) -> None:
    """Sum what the floors and the rows over columns get."""
    floor_load[:] = 0.0
    side_load[:] = 0.0
    for b in range(floor_load.size):
        for r in range(load.size):
            floor_load[b] += reach.share[r, b] * load[r]
    if side_load.size == 0:
        return
    for c in range(y.size):
        if y[c] > 0.0:
            for k in range(menu.side_start[c], menu.side_start[c + 1]):
                side_load[menu.side_row[k]] += y[c] * menu.side_coefficient[k]
