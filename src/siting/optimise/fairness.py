"""Fairness as the planner's choice: the worst served brand first, then all together.

    max-min         max θ   s.t.  every brand is served at least θ of what it wants
    lexicographic   max-min; then, with those who cannot have more held there, the same for the rest

Both are solved by a sequence of the main model under service floors: θ is bisected until it is
known within the gap asked, and at the levels found the total is made as large as can be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import FloatArray, SolveStatus, frozen_array
from siting.instance import evaluate
from siting.optimise.limits import compute_gap
from siting.optimise.solve import solve
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
# Part of the time limit that one question of the bisection may take.
TIME_SHARE = 0.25


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
        """Service that the alliance gives up for fairness, by the plans in hand (kWh/day)."""
        return self.total.objective - self.result.objective

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
    result = search.solve(floors, gap=options.gap, time_limit_s=options.time_limit_s)
    return FairResult(
        objective=objective,
        result=_at_least(search.floored(floors), result, best.decision),
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


@dataclass(kw_only=True, eq=False)
class _Search:
    instance: SitingInstance
    options: SolveOptions
    total: SolveResult
    interrupted: bool = False

    def floored(self, level: FloatArray) -> SitingInstance:
        """Return the instance with the levels as floors, beside its own."""
        requirements = self.instance.requirements
        floors = np.maximum(requirements.floor_by_brand, np.clip(level, 0.0, 1.0))
        return self.instance.replace(requirements=requirements.replace(floor_by_brand=floors))

    def solve(self, level: FloatArray, *, gap: float, time_limit_s: float) -> SolveResult:
        """Solve for the total at the levels."""
        options = replace(self.options, gap=gap, time_limit_s=time_limit_s)
        result = solve(self.floored(level), options=options)
        self.interrupted = self.interrupted or result.interrupted
        return result

    def reach(self, level: FloatArray) -> SolveResult:
        """Ask whether the levels can be had at all."""
        limit_s = self.options.time_limit_s * TIME_SHARE
        return self.solve(level, gap=ANY_PLAN_GAP, time_limit_s=limit_s)

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
        """Raise the common level of the free brands until it is known within the gap."""
        level, decision = best.level.copy(), best.decision
        least = float(self.shares(decision)[free].min())
        most = max(least, float(best.most[free].min()))
        while most - least > self.options.gap and not self.interrupted:
            asked = (least + most) / 2
            answer = self.reach(np.where(free, asked, level * (1 - FLOOR_SLACK)))
            if answer.decision is not None:
                decision = answer.decision
                least = max(asked, float(self.shares(decision)[free].min()))
            elif answer.status is SolveStatus.INFEASIBLE:
                most = asked
            else:
                break
            most = max(most, least)
        level[free] = least
        return _Found(decision=decision, level=level, most=np.where(free, most, best.most))

    def hold_back(self, best: _Found, free: BoolArray) -> tuple[_Found, BoolArray]:
        """Find who of the free cannot have more than the common level, and hold them there."""
        still, decision = free.copy(), best.decision
        for b in np.flatnonzero(free):
            asked = best.level.copy()
            asked[b] += self.options.gap
            if (self.shares(decision) >= asked - FLOOR_SLACK).all():
                continue
            answer = self.reach(
                np.where(np.arange(free.size) == b, asked, asked * (1 - FLOOR_SLACK))
            )
            if answer.decision is None:
                still[b] = False
            elif self.shares(answer.decision)[still].min() >= self.shares(decision)[still].min():
                decision = answer.decision
        if still.sum() == free.sum():  # each can have more, but not all at once
            first = int(np.flatnonzero(free)[np.argmin(self.shares(decision)[free])])
            still[first] = False
        most = np.where(still, self.reachable(), best.most)
        return _Found(decision=decision, level=best.level, most=most), still


def _at_least(instance: SitingInstance, result: SolveResult, decision: Decision) -> SolveResult:
    """Return the result, or the plan that found the levels where it is better or there is none."""
    evaluation = evaluate(instance, decision)
    worth = evaluation.objective_kwh_per_day
    if not evaluation.feasible or (result.decision is not None and result.objective >= worth):
        return result
    bound = max(result.bound, worth)
    gap = compute_gap(worth, bound)
    return replace(
        result,
        decision=decision,
        objective=worth,
        bound=bound,
        gap=gap,
        status=SolveStatus.FEASIBLE,
    )
