"""Fairness as the planner's choice: the worst served brand first, then all together.

    max-min         max θ   s.t.  every brand is served at least θ of what it wants
    lexicographic   max-min; then, with those who cannot have more held there, the same for the rest

At the levels found the total is made as large as can be. On a small instance HiGHS is asked
whether a plan keeps a level, and θ is bisected until it is known within the gap asked; on a large
one prices bound θ and annealing looks for plans (`common_level`), and θ lies between the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Engine, FloatArray, SolveStatus, frozen_array
from siting.instance import evaluate
from siting.optimise.assignment import assign_drivers
from siting.optimise.common_level import find_common_level
from siting.optimise.limits import StopReason, Watch, compute_gap
from siting.optimise.result import WarmStart
from siting.optimise.solve import solve
from siting.optimise.tier_problem import build_problem
from siting.optimise.value import LINKS_FOR_HIGHS
from siting.study import Objective

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.domain import BoolArray
    from siting.instance import Decision, SitingInstance
    from siting.optimise.limits import Progress
    from siting.optimise.result import SolveOptions, SolveResult

# A floor asks for this much less than a plan in hand serves: the solver's own tolerance.
FLOOR_SLACK = 1e-7
# Any plan answers whether a level can be had.
ANY_PLAN_GAP = 0.999
# Part of the time limit that one question about a level may take.
TIME_SHARE = 0.25
# Annealings for a common level, and for what one brand could have beside it.
N_TRY, N_TRY_ALONE = 4, 1


@dataclass(frozen=True, kw_only=True, eq=False)
class FairResult:
    """The plan that is fair in the sense asked for, and what that costs.

    Attributes
    ----------
    objective
        Which sense.
    result
        The plan of most total service at the levels found; its bound and gap are those of the
        total at these levels.
    total
        The plan that looks at the total alone.
    level
        (n_brand,) share of its demand that each brand is given at least.
    level_most
        (n_brand,) no plan gives it more, given the levels of those who have less; equal to
        ``level`` within the gap asked where the bisection ended in time.
    """

    objective: Objective
    result: SolveResult
    total: SolveResult
    level: FloatArray
    level_most: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("level", "level_most"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    @property
    def price_kwh_per_day(self) -> float:
        """Service that the alliance gives up for fairness, by the plans in hand (kWh/day).

        A fair plan that serves more than the one that looks at the total alone gives up nothing.
        """
        return max(0.0, self.total.objective - self.result.objective)

    @property
    def _has_service(self) -> bool:
        return self.total.decision is not None and self.total.objective > 0

    @property
    def price(self) -> float:
        """The same as a share of the total."""
        return self.price_kwh_per_day / self.total.objective if self._has_service else 0.0

    @property
    def price_interval(self) -> tuple[float, float]:
        """Bounds of the price as a share of the total in hand, from what the solves proved."""
        if not self._has_service:
            return 0.0, 0.0
        least = max(0.0, self.total.objective - self.result.bound)
        most = max(0.0, self.total.bound - self.result.objective)
        return least / self.total.objective, most / self.total.objective


def solve_fair(
    instance: SitingInstance,
    *,
    objective: Objective,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None = None,
) -> FairResult:
    """Solve for the worst served brand first.

    Parameters
    ----------
    instance
        What to solve; its own floors hold beside the levels.
    objective
        ``max_min`` or ``lexicographic``.
    options
        How hard to look, for each solve; the levels are found within ``options.gap`` (as a share
        of a brand's demand).
    progress
        Told of incumbent, bound and gap of the solves for the total.

    Returns
    -------
    FairResult
        Without a decision where the first solve, for the total, found none.
    """
    total = solve(instance, options=options, progress=progress)
    none = np.zeros(instance.n_brand)
    if total.decision is None or total.interrupted:
        return FairResult(
            objective=objective, result=total, total=total, level=none, level_most=none
        )
    search = _Search(instance=instance, options=options, total=total)
    free = instance.demand_kwh_per_day.sum(axis=0) > 0
    best = _Found(
        decision=total.decision,
        level=np.where(free, 0.0, 1.0),
        most=np.where(free, search.reachable(), 1.0),
    )
    while free.any() and not search.interrupted:
        best = search.raise_level(best, free)
        if objective is Objective.MAX_MIN:
            break
        best, free = search.hold_back(best, free)
    floors = np.maximum(best.level * (1 - FLOOR_SLACK), 0.0)
    in_hand = _in_hand(search.floored(floors), total, best.decision, gap_asked=options.gap)
    result = in_hand
    if result is None or (result.gap > options.gap and not search.interrupted):
        known = WarmStart(tier_of_site=best.decision.tier_of_site, multipliers=total.multipliers)
        result = search.solve(
            floors, gap=options.gap, time_limit_s=options.time_limit_s, start=known
        )
        if in_hand is not None and result.objective < in_hand.objective:
            result = replace(in_hand, stopped=result.stopped)
    if search.interrupted:
        result = replace(result, stopped=StopReason.INTERRUPTED)
    return FairResult(
        objective=objective,
        result=result,
        total=total,
        level=best.level,
        level_most=np.maximum(best.most, best.level),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Found:
    """Where the search stands: a plan, the levels that it keeps, and what they are at most."""

    decision: Decision
    level: FloatArray
    most: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Reply:
    """A plan that keeps the levels, if one was found, and what the raised level is at most."""

    decision: Decision | None
    most: float


@dataclass(kw_only=True, eq=False)
class _Search:
    instance: SitingInstance
    options: SolveOptions
    total: SolveResult
    interrupted: bool = False

    @cached_property
    def small(self) -> bool:
        """Whether HiGHS answers at once, and may."""
        by_prices = self.options.engine is Engine.LAGRANGIAN
        return not by_prices and build_problem(self.instance).links.n_link <= LINKS_FOR_HIGHS

    def floored(self, level: FloatArray) -> SitingInstance:
        """Return the instance with the levels as floors, beside its own."""
        requirements = self.instance.requirements
        floors = np.maximum(requirements.floor_by_brand, np.clip(level, 0.0, 1.0))
        return self.instance.replace(requirements=requirements.replace(floor_by_brand=floors))

    def solve(
        self,
        level: FloatArray,
        *,
        gap: float,
        time_limit_s: float,
        start: WarmStart | None = None,
    ) -> SolveResult:
        """Solve for the total at the levels."""
        options = replace(self.options, gap=gap, time_limit_s=time_limit_s)
        result = solve(self.floored(level), options=options, start=start)
        self.interrupted = self.interrupted or result.interrupted
        return result

    def climb(
        self, best: _Found, raised: BoolArray, *, most: float, n_try: int | None = None
    ) -> _Reply:
        """Look for a higher common level of some brands, while all keep the levels they have.

        Parameters
        ----------
        best
            The plan in hand, and the levels to keep.
        raised
            (n_brand,) the brands whose common level is looked for.
        most
            What the level is known to be at most.
        n_try
            Most annealings; N_TRY where left out.
        """
        least = float(self.shares(best.decision)[raised].min())
        if most - least <= self.options.gap:
            return _Reply(decision=None, most=max(least, most))
        kept = best.level * (1 - FLOOR_SLACK)
        instance = self.floored(np.where(raised, most, kept))
        options = replace(self.options, time_limit_s=self.options.time_limit_s * TIME_SHARE)
        with Watch(options) as watch:
            problem = build_problem(instance, service_weight=0.0, cost_weight=1.0)
            found = find_common_level(
                problem,
                watch,
                wanted_kwh=instance.demand_kwh_per_day.sum(axis=0)[problem.floor_brand],
                raised=raised[problem.floor_brand],
                least=least,
                most=most,
                start=best.decision.tier_of_site,
                n_try=N_TRY if n_try is None else n_try,
            )
            self.interrupted = self.interrupted or watch.interrupted
        decision, above = None, found.most
        while found.tier_of_site is not None and above - least > self.options.gap / 4:
            asked = found.level if decision is None else (least + above) / 2
            levels = np.where(raised, asked * (1 - FLOOR_SLACK), kept)
            split = assign_drivers(self.floored(levels), found.tier_of_site)
            if split is not None:
                decision, least = split, max(asked, float(self.shares(split)[raised].min()))
            elif decision is None:
                break
            else:
                above = asked
        return _Reply(decision=decision, most=found.most)

    def ask(self, level: FloatArray, raised: BoolArray) -> _Reply:
        """Ask HiGHS whether the levels can be had at all.

        Parameters
        ----------
        level
            (n_brand,) the levels.
        raised
            (n_brand,) the brands whose common level is in question.
        """
        limit_s = self.options.time_limit_s * TIME_SHARE
        result = self.solve(level, gap=ANY_PLAN_GAP, time_limit_s=limit_s)
        impossible = result.status is SolveStatus.INFEASIBLE
        most = float(level[raised].min()) if impossible else math.inf
        return _Reply(decision=result.decision, most=most)

    def shares(self, decision: Decision) -> FloatArray:
        """(n_brand,) share of its demand that a plan serves each brand; 1 where it wants none."""
        wanted = self.instance.demand_kwh_per_day.sum(axis=0)
        served = evaluate(self.instance, decision).served_kwh_per_day.sum(axis=0)
        share = np.divide(served, wanted, out=np.ones_like(served), where=wanted > 0)
        return np.asarray(share, dtype=np.float64)

    def reachable(self) -> FloatArray:
        """(n_brand,) share of each brand's demand that has anything usable in reach."""
        instance = self.instance
        wanted = instance.demand_kwh_per_day
        share = np.ones(instance.n_brand)
        for b in np.flatnonzero(wanted.sum(axis=0) > 0):
            near = np.zeros(instance.n_demand, dtype=bool)
            near[instance.cover_demand[instance.usable[instance.cover_supply, b]]] = True
            share[b] = wanted[near, b].sum() / wanted[:, b].sum()
        return share

    def raise_level(self, best: _Found, free: BoolArray) -> _Found:
        """Raise the common level of the free brands."""
        most = float(best.most[free].min())
        if self.small:
            decision, most = self.bisect(best, free, most=most)
        else:
            reply = self.climb(best, free, most=most)
            decision, most = reply.decision or best.decision, reply.most
        least = float(self.shares(decision)[free].min())
        return _Found(
            decision=decision,
            level=np.where(free, least, best.level),
            most=np.where(free, max(least, most), best.most),
        )

    def bisect(self, best: _Found, free: BoolArray, *, most: float) -> tuple[Decision, float]:
        """Bisect the common level until it is known within the gap."""
        decision = best.decision
        least = float(self.shares(decision)[free].min())
        missed = most  # the lowest level that no plan was found for
        while min(missed, most) - least > self.options.gap and not self.interrupted:
            asked = (least + min(missed, most)) / 2
            reply = self.ask(np.where(free, asked, best.level * (1 - FLOOR_SLACK)), free)
            most = min(most, reply.most)
            if reply.decision is None:
                missed = asked
            else:
                decision = reply.decision
                least = max(asked, float(self.shares(decision)[free].min()))
        return decision, most

    def hold_back(self, best: _Found, free: BoolArray) -> tuple[_Found, BoolArray]:
        """Find who of the free cannot have more than the common level, and hold them there."""
        still, decision, most = free.copy(), best.decision, self.reachable()
        for b in np.flatnonzero(free):
            asked = best.level.copy()
            asked[b] += self.options.gap
            if (self.shares(decision) >= asked - FLOOR_SLACK).all():
                continue
            this = np.arange(free.size) == b
            if self.small:
                reply = self.ask(np.where(this, asked, asked * (1 - FLOOR_SLACK)), this)
            else:
                here = replace(best, decision=decision)
                reply = self.climb(here, this, most=most[b], n_try=N_TRY_ALONE)
            most[b] = min(most[b], reply.most)
            found = reply.decision
            if found is None or self.shares(found)[b] < asked[b] - FLOOR_SLACK:
                still[b] = False
            elif self.shares(found)[still].min() >= self.shares(decision)[still].min():
                decision = found
        if still.sum() == free.sum():  # each can have more, but not all at once
            first = int(np.flatnonzero(free)[np.argmin(self.shares(decision)[free])])
            still[first] = False
        most = np.where(free, np.maximum(most, best.level), best.most)
        return _Found(decision=decision, level=best.level, most=most), still


def _in_hand(
    instance: SitingInstance, total: SolveResult, decision: Decision, *, gap_asked: float
) -> SolveResult | None:
    """Return a plan that keeps the levels, under the bound of all plans; None if it does not."""
    evaluation = evaluate(instance, decision)
    if not evaluation.feasible:
        return None
    worth = evaluation.objective_kwh_per_day
    bound = max(total.bound, worth)
    gap = compute_gap(worth, bound)
    return replace(
        total,
        decision=decision,
        objective=worth,
        bound=bound,
        gap=gap,
        status=SolveStatus.OPTIMAL if gap <= gap_asked else SolveStatus.FEASIBLE,
    )
