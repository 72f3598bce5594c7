"""Branch and bound of the main model on how many sites a quarter of the city gets.

A relaxation opens half a site here and half a one next to it, and to close one of them changes
little: its neighbours stand in. So a node is split by a count over a whole quarter, such as "at
most two" against "at least three large sites among these hundred". Quarters are nested groups of
sites that reach the same demand; a count is one more priced row of the relaxation, whose bound a
few dozen iterations from the parent's prices lower far. Columns that no plan better than what is
asked for can hold are dropped for good in the node and below it, and what is left of the city is
annealed from time to time: that finds plans that annealing of the whole does not.
"""

from __future__ import annotations

import heapq
import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from siting.optimise.lagrangian import DualPoint, Fixings, descend, find_falls
from siting.optimise.limits import ROUNDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.optimise.limits import Watch
    from siting.optimise.tier_problem import TierProblem
    from siting.optimise.tier_solver import TierPlan

# Iterations that a count is tried with, that the best few of them get on top, and that the
# children of the one chosen get after that.
TRIAL, SECOND_TRIAL, N_SECOND = 10, 20, 3
PIECE, N_PIECE = 20, 5
# A count that is nearer to an integer than this is left alone.
LEAST_PART = 0.02
# A child's first steps are long: the new row has no price yet.
FIRST_STEP = 1.0
# Where there is no plan to aim at, the descent aims at this share of the bound.
AIM = 0.97
# So many nodes must bring this share of what is still to close, or the tree is given up.
NODES_TO_JUDGE, LEAST_FALL = 16, 0.005
# What a plan's worth may lose when it is computed anew for the result.
LOST = 4 * ROUNDING


class Quarters(NamedTuple):
    """Nested groups of sites, each a stretch of one order of all sites.

    Attributes
    ----------
    place
        (n_site,) place of each site in that order.
    low, high
        (n_quarter,) first place of each group, and the one after its last.
    """

    place: LongArray
    low: LongArray
    high: LongArray


class Count(NamedTuple):
    """A row ``sign Σ y ≤ sign limit`` over the columns of a quarter with at least this tier."""

    quarter: int
    tier: int
    sign: int
    limit: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Node:
    """A part of the plans: its counts, the problem with them as rows, and what bounds it."""

    counts: tuple[Count, ...]
    problem: TierProblem
    fixings: Fixings
    point: DualPoint
    bound: float


def find_quarters(problem: TierProblem) -> Quarters:
    """Group the sites by the demand that they share, nearest first (average linkage)."""
    reach, n_site = problem.reach, problem.n_site
    inside = reach.supply < n_site
    shape = (reach.kwh.size, n_site)
    row, site = reach.row[inside], reach.supply[inside]
    reached = sp.csr_array((np.ones(site.size), (row, site)), shape=shape)
    wanted = sp.csr_array((reach.kwh[row], (row, site)), shape=shape)
    shared = (wanted.T @ reached).toarray()
    own = shared.diagonal()
    apart = 1.0 - shared / np.maximum(own[:, None] + own[None, :] - shared, 1e-9)
    np.fill_diagonal(apart, 0.0)
    if n_site == 1:
        return Quarters(*(np.array([k]) for k in (0, 0, 1)))
    merges = linkage(squareform(np.maximum(apart, 0.0), checks=False), "average")
    place = np.empty(n_site, dtype=np.int64)
    place[leaves_list(merges)] = np.arange(n_site)
    low = np.concatenate((place, np.zeros(n_site - 1, dtype=np.int64)))
    for k, (a, b) in enumerate(merges[:, :2].astype(np.int64)):
        low[n_site + k] = min(low[a], low[b])
    size = np.concatenate((np.ones(n_site), merges[:, 3])).astype(np.int64)
    return Quarters(place=place, low=low, high=low + size)


def add_counts(problem: TierProblem, quarters: Quarters, counts: tuple[Count, ...]) -> TierProblem:
    """Return the problem with a row over columns for each count, after its own."""
    menu = problem.menu
    n_own = menu.side_upper.size
    members = [
        np.flatnonzero(_inside(problem, quarters, count.quarter, count.tier)) for count in counts
    ]
    size = [member.size for member in members]
    column = np.concatenate(
        [np.repeat(np.arange(problem.n_column), np.diff(menu.side_start)), *members]
    )
    row = np.concatenate([menu.side_row, n_own + np.repeat(np.arange(len(counts)), size)])
    sign = np.repeat([float(count.sign) for count in counts], size)
    order = np.argsort(column, kind="stable")
    start = np.cumsum(np.bincount(column, minlength=problem.n_column))
    limit = [float(count.sign * count.limit) for count in counts]
    return replace(
        problem,
        menu=menu._replace(
            side_start=np.concatenate(([0], start)).astype(np.int64),
            side_row=row[order].astype(np.int32),
            side_coefficient=np.concatenate((menu.side_coefficient, sign))[order],
            side_upper=np.concatenate((menu.side_upper, limit)),
        ),
    )


def _inside(problem: TierProblem, quarters: Quarters, quarter: int, tier: int) -> BoolArray:
    place = quarters.place[problem.columns.site]
    within = (place >= quarters.low[quarter]) & (place < quarters.high[quarter])
    return np.asarray(within & (problem.columns.tier >= tier))


def find_fractions(
    problem: TierProblem, quarters: Quarters, opened: FloatArray
) -> list[tuple[int, int, float]]:
    """Return the counts farthest from an integer: quarter, tier, sum; one a size class and tier.

    Parameters
    ----------
    opened
        (n_column,) how far the relaxation opens each column.
    """
    columns = problem.columns
    size_class = np.log(quarters.high - quarters.low + 1.0).astype(np.int64)
    found: dict[tuple[int, float], tuple[int, int, float]] = {}
    for tier in np.unique(columns.tier):
        weight = np.where(columns.tier >= tier, opened, 0.0)
        by_place = np.bincount(
            quarters.place[columns.site], weights=weight, minlength=problem.n_site
        )
        until = np.concatenate(([0.0], np.cumsum(by_place)))
        total = until[quarters.high] - until[quarters.low]
        part = np.abs(total - np.round(total))
        for number in np.unique(size_class):
            quarter = int(np.argmax(np.where(size_class == number, part, -1.0)))
            if part[quarter] > LEAST_PART:
                key = (int(tier), round(float(total[quarter]), 3))
                found.setdefault(key, (quarter, int(tier), float(total[quarter])))
    return list(found.values())


class TierTree:
    """A tree of nodes over one problem; its bound falls as nodes are split.

    Parameters
    ----------
    problem
        What is solved.
    point
        Where the descent of the whole came to rest.
    watch
        Limits, and the gap within which a plan counts as proven.
    objective
        Worth of the best plan known; −∞ if there is none.
    """

    def __init__(
        self, problem: TierProblem, point: DualPoint, watch: Watch, *, objective: float
    ) -> None:
        self.problem, self.watch, self.objective = problem, watch, objective
        self.quarters = find_quarters(problem)
        self._open: list[tuple[float, int, _Node]] = []
        self._number = itertools.count()
        # The greatest bound of what was closed, dropped, or could not be split.
        self._left = -math.inf
        allowed = np.ones(problem.n_column, dtype=bool)
        fixings = Fixings(allowed=allowed, required=problem.required)
        self._push(
            _Node(counts=(), problem=problem, fixings=fixings, point=point, bound=point.bound)
        )

    @property
    def bound(self) -> float:
        """No plan is worth more than this."""
        top = -self._open[0][0] if self._open else -math.inf
        return max(top, self._left, self.objective)

    @property
    def target(self) -> float:
        """What is worth no more than this need not be looked at."""
        gap = max(0.0, self.watch.limits.gap - LOST)
        return self.objective + gap * abs(self.objective)

    def run(
        self,
        *,
        improve: Callable[[DualPoint, Fixings, int], TierPlan | None],
        on_step: Callable[[float, float], None],
    ) -> TierPlan | None:
        """Split nodes, the highest bound first, until none is left, or hardly any helps.

        Parameters
        ----------
        improve
            Looks for a plan among what a node allows; told its prices, fixings and number.
        on_step
            Told of objective and bound as they move.

        Returns
        -------
        TierPlan or None
            A better plan than the one known before, if there is one.
        """
        best: TierPlan | None = None
        searching = splitting = 0.0
        judged = self.bound
        with ThreadPoolExecutor(max(1, self.watch.limits.n_threads)) as pool:
            for n_split in itertools.count(1):
                if self.watch.stop_reason is not None or self.bound <= self.target:
                    break
                if not self._open or self._open[0][2].bound < self.bound:
                    break  # what is left cannot be split
                _, number, node = heapq.heappop(self._open)
                work = self.watch.work
                if searching <= splitting:
                    plan = improve(node.point, node.fixings, number)
                    if plan is not None and plan.value > self.objective:
                        best, self.objective = plan, plan.value
                    searching += self.watch.work - work
                    work = self.watch.work
                self._split(node, pool)
                splitting += self.watch.work - work
                on_step(self.objective, self.bound)
                if n_split % NODES_TO_JUDGE == 0:
                    if judged - self.bound < LEAST_FALL * (judged - self.target):
                        break
                    judged = self.bound
        return best

    def _push(self, node: _Node) -> None:
        """Keep a node, less the columns that bring it below the target."""
        if node.bound <= self.target:
            self._left = max(self._left, node.bound)
            return
        fixings = node.fixings
        if math.isfinite(self.target):
            bound, fall, need = find_falls(node.problem, node.point, fixings)
            room = bound - self.target
            fixings = Fixings(
                allowed=fixings.allowed & (fall <= room), required=fixings.required | (need > room)
            )
            self._left = max(self._left, self.target)
        kept = replace(node, fixings=fixings)
        heapq.heappush(self._open, (-node.bound, next(self._number), kept))

    def _split(self, node: _Node, pool: ThreadPoolExecutor) -> None:
        """Replace a node by the two children whose bounds are lowest."""
        opened = np.where(node.fixings.allowed, node.point.opened, 0.0)
        fractions = find_fractions(self.problem, self.quarters, opened)
        if not fractions:
            self._left = max(self._left, node.bound)
            return
        pairs = [self._branch(node, *fraction) for fraction in fractions]
        pairs = sorted(self._lower(pairs, TRIAL, pool), key=lambda pair: -self._score(node, pair))
        pairs = self._lower(pairs[:N_SECOND], SECOND_TRIAL, pool)
        chosen = max(pairs, key=lambda pair: self._score(node, pair))
        for _ in range(N_PIECE):
            [chosen] = self._lower([chosen], PIECE, pool)
        for child in chosen:
            self._push(child)

    def _branch(self, node: _Node, quarter: int, tier: int, total: float) -> tuple[_Node, _Node]:
        """Return the two children of a count: no more than below, no fewer than above."""
        below, above = math.floor(total), math.ceil(total)
        return (
            self._add(node, Count(quarter, tier, 1, below), total),
            self._add(node, Count(quarter, tier, -1, above), -total),
        )

    def _add(self, node: _Node, count: Count, used: float) -> _Node:
        """Return a child with one more count, which has no price yet."""
        counts = (*node.counts, count)
        fixings, point = node.fixings, node.point
        if count.sign * count.limit == 0:
            inside = _inside(self.problem, self.quarters, count.quarter, count.tier)
            fixings = replace(fixings, allowed=fixings.allowed & ~inside)
        prices = point.prices._replace(side=np.append(point.prices.side, 0.0))
        return replace(
            node,
            counts=counts,
            problem=add_counts(self.problem, self.quarters, counts),
            fixings=fixings,
            point=replace(
                point,
                prices=prices,
                slack=np.append(point.slack, count.sign * count.limit - used),
                step=FIRST_STEP,
            ),
        )

    def _lower(
        self, pairs: list[tuple[_Node, _Node]], n_iteration: int, pool: ThreadPoolExecutor
    ) -> list[tuple[_Node, _Node]]:
        """Lower the bounds of all children that are still above the target."""
        aim = self.target if math.isfinite(self.target) else AIM * self.bound

        def lower(child: _Node) -> _Node:
            if child.bound <= self.target:
                return child
            point = descend(
                child.problem, child.point, child.fixings, n_iteration=n_iteration, aim=aim
            )
            return replace(child, point=point, bound=min(child.bound, point.bound))

        children = list(pool.map(lower, itertools.chain.from_iterable(pairs)))
        reach = self.problem.reach
        for child in children:
            used = np.unique(self.problem.menu.site[child.fixings.allowed])
            n_link = (reach.start[used + 1] - reach.start[used]).sum() + reach.kwh.size
            self.watch.spend(n_iteration * float(n_link))
        return list(zip(children[::2], children[1::2], strict=True))

    def _score(self, node: _Node, pair: tuple[_Node, _Node]) -> float:
        """Return the product of what both children gain, as far as it is of use."""
        most = node.bound - self.target
        gains = [max(min(node.bound - child.bound, most), 1e-6 * most) for child in pair]
        return math.prod(gains)
