# ruff: noqa: C901, PLR0912, PLR0915, PLR0917 - kernels are long, and positional
# ruff: noqa: NPY002 - Numba knows NumPy's older random functions only
"""Simulated annealing over the opened tiers, every move judged by the exact best flow.

A move gives one site another tier (or none, or its first), moves an opened site to a neighbour with
which it shares demand, or lets it give way to another anywhere, as money asks. By duality at the
current flow's prices, opening column c instead of o gains at most V_c - p_o q_o + g_c - g_o, with
V_c the fill of c at those prices; a move that this bound already refuses costs a glance at one
site, and only the others are carried out, and undone if the flow says no. Closing a site also frees
its rows' prices down to what others ask for them, which refuses half of the rest. The budget is
soft while it is warm: every CNY above it costs more than the relaxation's price of money, one left
over counts for most of it, and only plans within it are kept. All other rows are never broken.
Once some worth is enough, it is money that is saved, and worth that is soft.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from siting.instance import CLOSED
from siting.network.compiled import KernelArray, compiled
from siting.optimise.tier_problem import NO_BUDGET_CNY, Menu, Reach
from siting.optimise.transport import (
    FAR,
    Flows,
    build_flows,
    release,
    restore_capacity,
    set_capacity,
    undo,
)

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.optimise.tier_problem import TierProblem

N_NEIGHBOUR = 48
# What float64 sums cannot tell apart: as a share of the budget, and of any other row.
SAME, ROW_SLACK = 1e-12, 1e-9
SPENT, VALUE, VISITS, BROKEN = 0, 1, 2, 3
# Drawn where a site may not close and has no other column.
NO_DRAW = -2
# Shares of the moves that shift a site to a neighbour, that let one site give way to another
# anywhere, and that open one anew; the rest are tiers'.
SHIFTS, TRADES, OPENINGS = 0.35, 0.4, 0.1
# Share of the trades between two opened sites.
BOTH_OPEN = 0.5
# Share of the shifts that change the tier as well.
OTHER_TIER = 0.5
# What a CNY above the budget costs, in prices of money: at the first move and at the last.
MONEY_WARM, MONEY_COLD = 1.0, 2.0


class Plan(NamedTuple):
    """The plan that the search stands at.

    Attributes
    ----------
    column
        (n_site,) opened column of each site, or ``CLOSED``.
    usage
        (n_side,) what the rows over columns have used.
    total
        (4,) money spent, worth of the plan, links visited, and by how much rows are broken.
    """

    column: LongArray
    usage: FloatArray
    total: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class TierSearch:
    """A plan with its best flow, and what may be changed.

    Attributes
    ----------
    problem
        What is searched.
    flows
        The best flow of the plan.
    plan
        The plan.
    near_start, near_site
        (n_site + 1,), (n_near,) the sites that share most demand with each site.
    boost
        (n_row,) added to the worth of the row's links, such as prices of the floors; or None.
    """

    problem: TierProblem
    flows: Flows
    plan: Plan
    near_start: LongArray
    near_site: IntArray
    boost: FloatArray | None

    @property
    def value(self) -> float:
        """Worth of the plan, boosts included."""
        return float(self.plan.total[VALUE])

    @property
    def visits(self) -> float:
        """Links visited so far."""
        return float(self.plan.total[VISITS])

    @property
    def within_rows(self) -> bool:
        """Whether the plan keeps the budget and every other row."""
        room = self.problem.menu.budget * (1.0 + SAME)
        return bool(self.plan.total[SPENT] <= room and self.plan.total[BROKEN] <= ROW_SLACK)

    @property
    def has_required(self) -> bool:
        """Whether every required site is open."""
        return bool((self.plan.column[self.problem.required] != CLOSED).all())

    def open_only(self, columns: LongArray) -> None:
        """Open these columns and no others, as far as every row allows, in their order."""
        _open_only(
            self.problem.reach,
            self.problem.menu,
            self.flows,
            self.plan,
            np.asarray(columns, dtype=np.int64),
        )

    def anneal(
        self,
        *,
        n_move: int,
        warm: float,
        cold: float,
        part: tuple[float, float],
        budget_price: float,
        saved_price: float,
        pool: LongArray,
        allowed: BoolArray,
        required: BoolArray,
        seed: int,
        enough: float = FAR,
    ) -> tuple[LongArray, float]:
        """Anneal from here; return the (n_site,) columns and the value of the best plan on the way.

        The value is −∞ where no plan was within all rows with all required sites. Where some worth
        is enough, the best plan is the cheapest that has it, and its value is minus its cost.

        Parameters
        ----------
        n_move
            Number of moves looked at.
        warm, cold
            Temperatures of the first and the last move, in units of the objective.
        part
            Where the first and the last of these moves stand in the whole course, 0 to 1.
        budget_price
            Worth of a CNY: of those above the budget or, where some worth is enough, of every one.
        saved_price
            Worth of a CNY of the budget that is left over.
        pool
            Sites to open anew, as often as they should be drawn.
        allowed, required
            (n_column,) what may be opened, (n_site,) what may not be closed.
        seed
            Of every draw.
        enough
            Worth beyond this counts for nothing.
        """
        best = self.plan.column.copy()
        value = _anneal(
            self.problem.reach,
            self.problem.menu,
            self.flows,
            self.plan,
            allowed,
            required,
            self.near_start,
            self.near_site,
            pool,
            n_move,
            warm,
            cold,
            part,
            budget_price,
            saved_price,
            seed,
            enough,
            best,
        )
        return best, float(value)


def build_search(problem: TierProblem, *, boost: FloatArray | None = None) -> TierSearch:
    """Build a search that stands at the plan of no new site.

    Parameters
    ----------
    problem
        What to search.
    boost
        (n_row,) added to the worth of the row's links, such as prices of the floors.
    """
    reach, menu = problem.reach, problem.menu
    worth = reach.worth if boost is None else reach.worth + boost[reach.row]
    flows = build_flows(reach, worth)
    plan = Plan(
        column=np.full(problem.n_site, CLOSED, dtype=np.int64),
        usage=np.zeros(menu.side_upper.size),
        total=np.zeros(4),
    )
    plan.total[BROKEN] = -np.minimum(menu.side_upper, 0.0).sum()
    for e, kwh in enumerate(reach.station_kwh):
        plan.total[VALUE] += set_capacity(reach, flows, problem.n_site + e, kwh)
        flows.log_size[:] = 0
    near_start, near_site = _find_neighbours(problem)
    return TierSearch(
        problem=problem,
        flows=flows,
        plan=plan,
        near_start=near_start,
        near_site=near_site,
        boost=boost,
    )


def _find_neighbours(problem: TierProblem) -> tuple[LongArray, IntArray]:
    """Return, site by site, the sites that share most of its demand."""
    reach, n_site = problem.reach, problem.n_site
    inside = reach.supply < n_site
    shape = (reach.kwh.size, n_site)
    row, site = reach.row[inside], reach.supply[inside]
    reached = sp.csr_array((np.ones(site.size, np.float32), (row, site)), shape=shape)
    wanted = sp.csr_array((reach.kwh[row].astype(np.float32), (row, site)), shape=shape)
    shared = sp.coo_array(wanted.T @ reached)
    other = shared.row != shared.col
    one, two, kwh = shared.row[other], shared.col[other], shared.data[other]
    order = np.lexsort((two, -kwh, one))
    count = np.bincount(one, minlength=n_site)
    rank = np.arange(order.size) - np.repeat(np.cumsum(count) - count, count)
    kept = order[rank < N_NEIGHBOUR]
    count = np.bincount(one[kept], minlength=n_site)
    return np.concatenate(([0], np.cumsum(count))).astype(np.int64), two[kept].astype(np.int32)


@compiled
def _account(menu: Menu, plan: Plan, column: int, sign: float) -> None:
    """Add a column to, or take it from, what is spent and used."""
    if column < 0:
        return
    plan.total[SPENT] += sign * menu.cost[column]
    for k in range(menu.side_start[column], menu.side_start[column + 1]):
        i = menu.side_row[k]
        plan.total[BROKEN] -= max(0.0, plan.usage[i] - menu.side_upper[i])
        plan.usage[i] += sign * menu.side_coefficient[k]
        plan.total[BROKEN] += max(0.0, plan.usage[i] - menu.side_upper[i])


@compiled
def _fits(menu: Menu, plan: Plan, out1: int, in1: int, out2: int, in2: int) -> bool:
    """Whether two sites may change their columns: no row is broken more than before."""
    broken = plan.total[BROKEN]
    _account(menu, plan, out1, -1.0)
    _account(menu, plan, out2, -1.0)
    _account(menu, plan, in1, 1.0)
    _account(menu, plan, in2, 1.0)
    fits = plan.total[BROKEN] <= broken + ROW_SLACK
    _account(menu, plan, in2, -1.0)
    _account(menu, plan, in1, -1.0)
    _account(menu, plan, out2, 1.0)
    _account(menu, plan, out1, 1.0)
    return bool(fits)


@compiled
def _put(reach: Reach, menu: Menu, flows: Flows, plan: Plan, site: int, column: int) -> None:
    """Give a site a column, or none, and mend the flow."""
    old = plan.column[site]
    if old == column:
        return
    _account(menu, plan, old, -1.0)
    _account(menu, plan, column, 1.0)
    change = 0.0
    if old >= 0:
        change -= menu.gain[old]
    if column >= 0:
        change += menu.gain[column]
    kwh = menu.kwh[column] if column >= 0 else 0.0
    plan.total[VALUE] += change + set_capacity(reach, flows, site, kwh)
    plan.total[VISITS] += 50.0 + 20.0 * flows.log_size[0]
    plan.column[site] = column


@compiled
def _try(
    reach: Reach,
    menu: Menu,
    flows: Flows,
    plan: Plan,
    site1: int,
    column1: int,
    site2: int,
    column2: int,
    least: float,
) -> bool:
    """Make a move if it gains at least that much; otherwise leave everything as it was."""
    old_value = plan.total[VALUE]
    old1 = plan.column[site1]
    old2 = plan.column[site2] if site2 >= 0 else -1
    spare, price = flows.spare.copy(), flows.supply_price.copy()
    flows.log_size[:] = 0
    if site2 >= 0:
        _put(reach, menu, flows, plan, site2, column2)
    _put(reach, menu, flows, plan, site1, column1)
    if plan.total[VALUE] >= old_value + least:
        flows.log_size[:] = 0
        return True
    if flows.log_size[0] > flows.log_link.size or flows.log_size[1] > flows.log_row.size:
        # Too much has moved to be undone from the log: move back.
        if site2 >= 0:
            _put(reach, menu, flows, plan, site2, old2)
        _put(reach, menu, flows, plan, site1, old1)
        flows.log_size[:] = 0
        return False
    undo(reach, flows)
    flows.spare[:] = spare
    flows.supply_price[:] = price
    for site, now, old in ((site1, column1, old1), (site2, column2, old2)):
        if site >= 0:
            restore_capacity(reach, flows, site, menu.kwh[old] if old >= 0 else 0.0)
            _account(menu, plan, now, -1.0)
            _account(menu, plan, old, 1.0)
            plan.column[site] = old
    plan.total[VALUE] = old_value
    return False


@compiled
def _open_only(reach: Reach, menu: Menu, flows: Flows, plan: Plan, columns: KernelArray) -> None:
    """Close what is not listed, then open the list in its order, as far as the rows allow."""
    # Kernels are compiled once for every width of their integers: here all have one.
    none = int(np.int64(-1))
    wanted = np.full(plan.column.size, none)
    for column in columns:
        if wanted[menu.site[column]] < 0:
            wanted[menu.site[column]] = column
    for site in range(plan.column.size):
        if plan.column[site] >= 0 and plan.column[site] != wanted[site]:
            _put(reach, menu, flows, plan, site, none)
    room = menu.budget * (1.0 + SAME)
    for column in columns:
        site = int(np.int64(menu.site[column]))
        if wanted[site] == column and plan.column[site] < 0:
            fits = _fits(menu, plan, -1, column, -1, -1)
            if fits and plan.total[SPENT] + menu.cost[column] <= room:
                _put(reach, menu, flows, plan, site, column)
    flows.log_size[:] = 0


@compiled
def _most_gain(reach: Reach, menu: Menu, flows: Flows, site: int, column: int) -> float:
    """Bound what a column of a closed site gains at the flow's prices."""
    total, top = 0.0, 0.0
    for link in range(reach.start[site], reach.start[site + 1]):
        row = reach.row[link]
        profit = flows.worth[link] - flows.row_price[row]
        if profit > 0.0:
            top = max(top, profit)
            total += profit * reach.kwh[row]
    return float(menu.gain[column] + min(total, top * menu.kwh[column]))


@compiled
def _draw_column(menu: Menu, allowed: KernelArray, site: int, other_than: int) -> int:
    """Draw one of a site's allowed columns; −1 if there is no other."""
    n = 0
    chosen = -1
    for c in range(menu.start[site], menu.start[site + 1]):
        if allowed[c] and c != other_than:
            n += 1
            if np.random.random() * n < 1.0:
                chosen = c
    return chosen


@compiled
def _draw_other(
    menu: Menu, plan: Plan, allowed: KernelArray, required: KernelArray, site: int
) -> int:
    """Draw what an opened site changes to: −1 to close, or another column, or `NO_DRAW`."""
    n_option = menu.start[site + 1] - menu.start[site]
    if not required[site] and np.random.random() * n_option <= 1.0:
        return -1
    column = _draw_column(menu, allowed, site, plan.column[site])
    return column if column >= 0 else NO_DRAW


@compiled
def _cost_of(menu: Menu, column: int) -> float:
    """Return what a column costs; nothing for a closed site."""
    return float(menu.cost[column]) if column >= 0 else 0.0


@compiled
def _count(plan: Plan, enough: float) -> float:
    """Return a plan's worth or, where some is enough, minus its cost if it has that."""
    if enough >= FAR:
        return float(plan.total[VALUE])
    return -float(plan.total[SPENT]) if plan.total[VALUE] >= enough * (1.0 - SAME) else -np.inf


@compiled
def _anneal(
    reach: Reach,
    menu: Menu,
    flows: Flows,
    plan: Plan,
    allowed: KernelArray,
    required: KernelArray,
    near_start: KernelArray,
    near_site: KernelArray,
    pool: KernelArray,
    n_move: int,
    warm: float,
    cold: float,
    part: tuple[float, float],
    budget_price: float,
    saved_price: float,
    seed: int,
    enough: float,
    best: KernelArray,
) -> float:
    """Anneal; write the best plan within all rows to ``best`` and return its value."""
    np.random.seed(seed)
    n_site = plan.column.size
    opened, place = np.empty(n_site, np.int64), np.full(n_site, -1)
    n_open = 0
    for j in range(n_site):
        if plan.column[j] >= 0:
            opened[n_open], place[j] = j, n_open
            n_open += 1
    missing = 0
    for j in range(n_site):
        if required[j] and plan.column[j] < 0:
            missing += 1
    budget, room = menu.budget, menu.budget * (1.0 + SAME)
    best_value = -np.inf
    if plan.total[SPENT] <= room and plan.total[BROKEN] <= ROW_SLACK and missing == 0:
        best_value = _count(plan, enough)
    for move in range(n_move):
        heat = warm * (cold / warm) ** (move / n_move)
        now_at = part[0] + (part[1] - part[0]) * move / n_move
        fine = budget_price * (MONEY_WARM + (MONEY_COLD - MONEY_WARM) * now_at)
        draw = np.random.random()
        site, column, left, less = -1, -1, -1, -1
        if draw < SHIFTS and n_open > 0:
            left = opened[np.random.randint(n_open)]
            n_near = near_start[left + 1] - near_start[left]
            if n_near == 0 or required[left]:
                continue
            site = near_site[near_start[left] + np.random.randint(n_near)]
            if plan.column[site] >= 0:
                # Both are open: the neighbour grows or shrinks as this one closes.
                column = _draw_column(menu, allowed, site, plan.column[site])
            else:
                column = menu.start[site] + plan.column[left] - menu.start[left]
                if column >= menu.start[site + 1] or np.random.random() < OTHER_TIER:
                    column = _draw_column(menu, allowed, site, -1)
            if column < 0:
                continue
        elif draw < SHIFTS + TRADES and n_open > 0 and pool.size > 0:
            left = opened[np.random.randint(n_open)]
            less = _draw_other(menu, plan, allowed, required, left)
            if less == NO_DRAW:
                continue
            if np.random.random() < BOTH_OPEN:
                site = opened[np.random.randint(n_open)]
            else:
                site = pool[np.random.randint(pool.size)]
            column = _draw_column(menu, allowed, site, plan.column[site])
            if column < 0 or site == left:
                continue
        elif draw < SHIFTS + TRADES + OPENINGS and pool.size > 0:
            site = pool[np.random.randint(pool.size)]
            column = _draw_column(menu, allowed, site, plan.column[site])
            if column < 0:
                continue
        elif n_open > 0:
            site = opened[np.random.randint(n_open)]
            column = _draw_other(menu, plan, allowed, required, site)
            if column == NO_DRAW:
                continue
        else:
            continue
        now = plan.column[site]
        gone = plan.column[left] if left >= 0 else -1
        if not _fits(menu, plan, now, column, gone, less):
            continue
        spent = plan.total[SPENT]
        after = spent - _cost_of(menu, now) + _cost_of(menu, column)
        after = after - _cost_of(menu, gone) + _cost_of(menu, less)
        least = heat * np.log(np.random.random())
        if enough < FAR:
            goal = least + budget_price * (after - spent) + min(plan.total[VALUE], enough)
            if goal > enough:
                continue
            least = goal - plan.total[VALUE]
        elif budget < NO_BUDGET_CNY:
            least += fine * (max(0.0, after - budget) - max(0.0, spent - budget))
            least += saved_price * (min(after, budget) - min(spent, budget))
        most = 0.0
        if column >= 0:
            most += _most_gain(reach, menu, flows, site, column)
        if now >= 0:
            most -= menu.gain[now] + flows.supply_price[site] * menu.kwh[now]
        if gone >= 0:
            most -= menu.gain[gone] + flows.supply_price[left] * menu.kwh[gone]
        if less >= 0:
            most += menu.gain[less] + flows.supply_price[left] * menu.kwh[less]
        plan.total[VISITS] += reach.start[site + 1] - reach.start[site]
        if now >= 0 and column >= 0 and menu.kwh[column] > menu.kwh[now]:
            most = max(most, 0.0) + flows.supply_price[site] * (menu.kwh[column] - menu.kwh[now])
        if most < least:
            continue
        if column < 0 or (left >= 0 and less < 0 and now < 0):
            shut = site if column < 0 else left
            plan.total[VISITS] += reach.start[shut + 1] - reach.start[shut]
            fall = release(reach, flows, shut)
            gain = _most_gain(reach, menu, flows, site, column) if column >= 0 else 0.0
            undo(reach, flows)
            out = plan.column[shut]
            if gain - fall - menu.gain[out] - flows.supply_price[shut] * menu.kwh[out] < least:
                continue
        if not _try(reach, menu, flows, plan, site, column, left, less, least):
            continue
        for j in (site, left):
            if j < 0:
                continue
            if plan.column[j] >= 0 and place[j] < 0:
                missing -= int(required[j])
                opened[n_open], place[j] = j, n_open
                n_open += 1
            elif plan.column[j] < 0 and place[j] >= 0:
                n_open -= 1
                last = opened[n_open]
                opened[place[j]], place[last] = last, place[j]
                place[j] = -1
        value = _count(plan, enough)
        if (
            value > best_value
            and plan.total[SPENT] <= room
            and plan.total[BROKEN] <= ROW_SLACK
            and missing == 0
        ):
            best_value = value
            best[:] = plan.column
    return best_value
