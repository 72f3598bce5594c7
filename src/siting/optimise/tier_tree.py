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

from siting.optimise.lagrangian import (
    DualPoint,
    Fixings,
    Part,
    allow_all,
    descend,
    find_falls,
    find_part,
)
from siting.optimise.limits import ROUNDING
from siting.optimise.whole_sites import bound_by_whole_sites

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.optimise.limits import Watch
    from siting.optimise.tier_problem import TierProblem
    from siting.optimise.tier_solver import TierPlan

# So many nodes are split at once, whatever the number of threads.
N_AT_ONCE = 8
# Iterations that a count is tried with around its quarter, that the best few get on top, and that
# the children of the one chosen get there and then everywhere.
TRIAL, SECOND_TRIAL, AROUND, EVERYWHERE = 8, 24, 30, 120
# So many counts are tried that little is known of, so many of the others, and so many again.
N_UNKNOWN, N_KNOWN, N_SECOND = 3, 2, 2
# A count that was tried so often is known; so many are looked at of one tier and size of quarter.
TRIED_ENOUGH, N_OF_A_KIND = 3, 2
# A count that is nearer to an integer than this is left alone.
LEAST_PART = 0.02
# A child's first steps are long: the new row has no price yet.
FIRST_STEP = 1.0
# Work for plans, as a share of that for bounds.
SEARCHING = 0.5
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


def find_size_classes(quarters: Quarters) -> LongArray:
    """(n_quarter,) class of each quarter's number of sites, on a scale of e."""
    return np.asarray(np.log(quarters.high - quarters.low + 1.0), dtype=np.int64)


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
    size_class = find_size_classes(quarters)
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
            for quarter in np.argsort(-np.where(size_class == number, part, -1.0))[:N_OF_A_KIND]:
                if size_class[quarter] == number and part[quarter] > LEAST_PART:
                    key = (int(tier), round(float(total[quarter]), 3))
                    found.setdefault(key, (int(quarter), int(tier), float(total[quarter])))
    return list(found.values())


class Experience:
    """What counts have brought so far: the fall of the bound by a fraction, down and up.

    A count is known by its quarter and tier. One that was never tried is taken for the mean of its
    kind, its tier and size of quarter, and for the best while its kind has none.
    """

    def __init__(self, size_class: LongArray) -> None:
        self._size_class = size_class
        self._sums: dict[tuple[str, int, int], tuple[float, float, int]] = {}

    def add(self, quarter: int, tier: int, down: float, up: float) -> None:
        """Take note of what a trial brought a unit of the fraction."""
        for key in self._keys(quarter, tier):
            total_down, total_up, n = self._sums.get(key, (0.0, 0.0, 0))
            self._sums[key] = total_down + down, total_up + up, n + 1

    def expect(self, quarter: int, tier: int) -> tuple[float, float]:
        """Return the fall to expect by a unit of the fraction."""
        for key in self._keys(quarter, tier):
            if key in self._sums:
                down, up, n = self._sums[key]
                return down / n, up / n
        return math.inf, math.inf

    def is_known(self, quarter: int, tier: int) -> bool:
        """Whether a count was tried often enough to be judged by that."""
        return self._sums.get(self._keys(quarter, tier)[0], (0.0, 0.0, 0))[2] >= TRIED_ENOUGH

    def _keys(self, quarter: int, tier: int) -> tuple[tuple[str, int, int], ...]:
        return ("count", quarter, tier), ("kind", int(self._size_class[quarter]), tier)


class _Trial(NamedTuple):
    """A count that was tried: the part of it that is too much, and the children that it gives."""

    quarter: int
    tier: int
    part: float
    children: tuple[_Node, _Node]


class _Split(NamedTuple):
    """What splitting a node came to: its children, what was tried, and the links visited."""

    node: _Node
    children: tuple[_Node, ...]
    trials: tuple[_Trial, ...]
    n_visit: float


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
        fixings = allow_all(problem)
        self._experience = Experience(find_size_classes(self.quarters))
        self._parts: dict[int, Part] = {}
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
        judged, n_split = self.bound, 0
        with ThreadPoolExecutor(max(1, self.watch.limits.n_threads)) as pool:
            while self.watch.stop_reason is None and self.bound > self.target:
                nodes = self._pop()
                if not nodes:
                    break  # what is left cannot be split
                tasks = [pool.submit(self._split, node, self.target) for _, node in nodes]
                if searching <= SEARCHING * splitting:
                    number, node = nodes[0]
                    work = self.watch.work
                    # Splits book their work below; what they will take is not left for this.
                    reserved = len(nodes) * self._visits_of_a_node
                    self.watch.spend(reserved)
                    plan = pool.submit(improve, node.point, node.fixings, number).result()
                    self.watch.spend(-reserved)
                    if plan is not None and plan.value > self.objective:
                        best, self.objective = plan, plan.value
                    searching += self.watch.work - work
                work = self.watch.work
                # All must be there before any is learned from, or the order of threads would count.
                for split in [task.result() for task in tasks]:
                    self._take(split)
                splitting += self.watch.work - work
                on_step(self.objective, self.bound)
                n_split += len(nodes)
                if n_split >= NODES_TO_JUDGE:
                    if judged - self.bound < LEAST_FALL * (judged - self.target):
                        break
                    judged, n_split = self.bound, 0
        return best

    @property
    def _visits_of_a_node(self) -> float:
        """Links that splitting a node visits at most."""
        trials = (N_UNKNOWN + N_KNOWN) * TRIAL + N_SECOND * SECOND_TRIAL
        return 2.0 * (trials + AROUND + EVERYWHERE) * self._count_links(None)

    def _pop(self) -> list[tuple[int, _Node]]:
        """Return the nodes to split next, the highest bounds first; none if that cannot help."""
        nodes: list[tuple[int, _Node]] = []
        # Near a limit of work only as many as it pays for.
        n_most = min(N_AT_ONCE, self.watch.count_paid(self._visits_of_a_node))
        if n_most < 1.0:
            self.watch.give_up_work()
        if self._left > self.target and (not self._open or -self._open[0][0] < self._left):
            return nodes
        while self._open and len(nodes) + 1 <= n_most:
            bound, number, node = heapq.heappop(self._open)
            if -bound <= self.target:
                self._left = max(self._left, -bound)
            else:
                nodes.append((number, node))
        return nodes

    def _take(self, split: _Split) -> None:
        """Put the children into the tree, and keep what was learned."""
        self.watch.spend(split.n_visit)
        for trial in split.trials:
            down, up = (split.node.bound - child.bound for child in trial.children)
            if math.isfinite(down) and math.isfinite(up):
                self._experience.add(
                    trial.quarter, trial.tier, down / trial.part, up / (1.0 - trial.part)
                )
        if not split.children:
            self._left = max(self._left, split.node.bound)
        for child in split.children:
            self._push(child)

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

    def _split(self, node: _Node, target: float) -> _Split:
        """Return the two children of a node whose bounds are lowest."""
        opened = np.where(node.fixings.allowed, node.point.opened, 0.0)
        fractions = find_fractions(self.problem, self.quarters, opened)
        if not fractions:
            return _Split(node, (), (), 0.0)
        n_visit = 0.0

        def lower(trial: _Trial, n_iteration: int, *, everywhere: bool = False) -> _Trial:
            nonlocal n_visit
            part = None if everywhere else self._part(trial.quarter, len(node.counts))
            n_visit += 2 * n_iteration * self._count_links(part)
            below, above = (
                child
                if self.watch.must_stop
                else _lower(child, target, part, n_iteration=n_iteration)
                for child in trial.children
            )
            return trial._replace(children=(below, above))

        def rate(trial: _Trial) -> float:
            return _rate(node, target, *(node.bound - child.bound for child in trial.children))

        trials = [
            lower(self._begin(node, *fraction), TRIAL)
            for fraction in self._choose(node, target, fractions)
        ]
        best = [
            lower(trial, SECOND_TRIAL)
            for trial in sorted(trials, key=rate, reverse=True)[:N_SECOND]
        ]
        chosen = lower(lower(max(best, key=rate), AROUND), EVERYWHERE, everywhere=True)
        below, above = (_buy_whole(child) for child in chosen.children)
        return _Split(node, (below, above), tuple(trials), n_visit)

    def _choose(
        self, node: _Node, target: float, fractions: list[tuple[int, int, float]]
    ) -> list[tuple[int, int, float]]:
        """Return the counts to try: what is expected to bring most, known or not."""

        def expect(fraction: tuple[int, int, float]) -> float:
            quarter, tier, total = fraction
            part = total - math.floor(total)
            down, up = self._experience.expect(quarter, tier)
            return _rate(node, target, down * part, up * (1.0 - part))

        ranked = sorted(fractions, key=expect, reverse=True)
        known = [f for f in ranked if self._experience.is_known(f[0], f[1])]
        unknown = [f for f in ranked if not self._experience.is_known(f[0], f[1])]
        return unknown[:N_UNKNOWN] + known[:N_KNOWN]

    def _part(self, quarter: int, n_count: int) -> Part:
        """Return the part around a quarter; the count that is added last moves with it."""
        if quarter not in self._parts:
            place = self.quarters.place
            within = (place >= self.quarters.low[quarter]) & (place < self.quarters.high[quarter])
            self._parts[quarter] = find_part(self.problem, np.flatnonzero(within))
        part = self._parts[quarter]
        n_own = sum(self.problem.reach.share.shape) + self.problem.menu.side_upper.size
        return part._replace(row=np.append(part.row, n_own + n_count))

    def _count_links(self, part: Part | None) -> float:
        size = np.diff(self.problem.reach.start)
        if part is None:
            return float(size.sum())
        return float(size[part.site].sum() + size[self.problem.n_site + part.station].sum())

    def _begin(self, node: _Node, quarter: int, tier: int, total: float) -> _Trial:
        """Return a trial not yet made: no more than below, no fewer than above."""
        below, above = math.floor(total), math.ceil(total)
        children = (
            self._add(node, Count(quarter, tier, 1, below), total),
            self._add(node, Count(quarter, tier, -1, above), -total),
        )
        return _Trial(quarter, tier, total - below, children)

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


def _lower(child: _Node, target: float, part: Part | None, *, n_iteration: int) -> _Node:
    """Lower a child's bound, if that is still above the target."""
    if child.bound <= target:
        return child
    aim = target if math.isfinite(target) else AIM * child.bound
    point = descend(
        child.problem, child.point, child.fixings, n_iteration=n_iteration, aim=aim, part=part
    )
    return replace(child, point=point, bound=min(child.bound, point.bound))


def _buy_whole(child: _Node) -> _Node:
    """Lower a child's bound to what whole sites bring at its prices."""
    whole = bound_by_whole_sites(child.problem, child.point, child.fixings)
    return replace(child, bound=min(child.bound, whole))


def _rate(node: _Node, target: float, down: float, up: float) -> float:
    """Return the product of what both children gain, as far as it is of use."""
    most = node.bound - target
    return math.prod(max(min(fall, most), 1e-6 * most) for fall in (down, up))
