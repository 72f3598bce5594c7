"""The plan for whichever future comes: by the mean, by the worst future, by the largest regret."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, FloatArray, RobustRule, SolveStatus, frozen_array
from siting.optimise.assignment import assign_drivers, serve_drivers
from siting.optimise.limits import Watch
from siting.optimise.mip import solve_mip
from siting.optimise.solve import expect_plan, solve
from siting.scenarios.evaluation import is_payable, price_shares, trim
from siting.scenarios.formulation import build_shared, join_worlds, read_tiers, write_point

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.domain import IntArray
    from siting.instance import Decision, SitingInstance
    from siting.optimise.limits import Progress
    from siting.optimise.result import SolveOptions, SolveResult
    from siting.scenarios.formulation import SharedModel
    from siting.scenarios.worlds import Worlds

# Of the time limit, what the solves of single futures may take together.
TIME_SHARE = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class RobustPlan:
    """The plan by one rule.

    Attributes
    ----------
    rule, status
        Which rule; ``optimal`` only if proven within the gap asked for, in shares of the demand.
    tier_of_site
        (n_site,) what is built, whichever future comes.
    shares
        (n_world,) the share of the wanted energy that it serves in each future.
    value, bound
        The mean share, the worst share, or the largest regret; and what no plan that every future
        can pay exceeds (falls below, for the regret).
    """

    rule: RobustRule
    status: SolveStatus
    tier_of_site: IntArray
    shares: FloatArray
    value: float
    bound: float

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "tier_of_site", frozen_array(self.tier_of_site, np.int32))
        object.__setattr__(self, "shares", frozen_array(self.shares, np.float64))

    @property
    def gap(self) -> float:
        """The distance of value and bound, in shares of the wanted energy."""
        return abs(self.bound - self.value)


@dataclass(frozen=True, kw_only=True, eq=False)
class RobustResult:
    """The plans by every rule, and what each future would be planned for alone.

    Attributes
    ----------
    worlds
        The futures.
    alone
        (n_world,) each future solved as if it were known to come.
    best
        (n_world,) the best share there of any plan known: what regret is counted from.
    reach
        (n_world,) no plan that every future can pay serves a larger share there.
    plans
        By rule; a rule is missing where no plan was found that every future can pay.
    wall_s, cpu_s
        Time taken by all of it, of the wall and of the processor.
    """

    worlds: Worlds
    alone: tuple[SolveResult, ...]
    best: FloatArray
    reach: FloatArray
    plans: dict[RobustRule, RobustPlan]
    wall_s: float
    cpu_s: float

    @property
    def chosen_alone(self) -> BoolArray:
        """(n_world, n_site) which sites each future alone would open."""
        return np.stack([expect_plan(result).opened for result in self.alone])

    @property
    def most(self) -> FloatArray:
        """(n_world,) no plan serves a larger share there."""
        bounds = np.array([result.bound for result in self.alone])
        return np.minimum(1.0, bounds / self.worlds.wanted)


def solve_robust(
    worlds: Worlds,
    *,
    options: SolveOptions,
    rules: tuple[RobustRule, ...] = tuple(RobustRule),
    progress: Callable[[Progress], None] | None = None,
) -> RobustResult | None:
    """Solve every future alone, then all of them together by each rule.

    Each future is also solved alone with no more than what every future can pay. That bounds what
    a common plan can serve there, and its plan is one to start from.

    Parameters
    ----------
    worlds
        The futures.
    options
        How hard to look, for all of it together. The gap of the rules is in shares of the demand.
    rules
        Which rules.
    progress
        Told of plan, bound and gap of the joined models as they move (kWh/day of a mean future).

    Returns
    -------
    RobustResult or None
        None where some future alone has no plan within the limits.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C.
    """
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    part = replace(options, time_limit_s=options.time_limit_s * TIME_SHARE / (2 * worlds.n_world))
    alone = [_solve_one(world, part) for world in worlds.instances]
    if any(result.decision is None for result in alone):
        return None
    common = [
        result if hold is world else _solve_one(hold, part)
        for world, hold, result in zip(worlds.instances, hold_to_common(worlds), alone, strict=True)
    ]
    known = KnownPlans(
        worlds,
        [r.decision.tier_of_site for r in (*alone, *common) if r.decision is not None],
    )
    shared = build_shared(worlds)
    bounds = np.array([result.bound for result in common])
    reach = np.minimum(1.0, np.where(np.isfinite(bounds), bounds, np.inf) / worlds.wanted)
    plans: dict[RobustRule, RobustPlan] = {}
    for n, rule in enumerate(rules):
        left_s = options.time_limit_s - (time.perf_counter() - started_s)
        limits = replace(options, time_limit_s=max(left_s / (len(rules) - n), 1.0))
        plan = _solve_rule(worlds, shared, rule, limits, progress, reach=reach, known=known)
        if plan is not None:
            plans[rule] = plan
    best = known.best
    if RobustRule.REGRET in plans:
        plans[RobustRule.REGRET] = _count_regret_anew(plans[RobustRule.REGRET], best, options.gap)
    return RobustResult(
        worlds=worlds,
        alone=tuple(alone),
        best=best,
        reach=reach,
        plans=plans,
        wall_s=time.perf_counter() - started_s,
        cpu_s=time.process_time() - started_cpu_s,
    )


def judge(rule: RobustRule, shares: FloatArray, *, weight: FloatArray, best: FloatArray) -> float:
    """Return what a plan is worth by a rule: a mean, a worst share, or a largest regret.

    Parameters
    ----------
    rule
        Which.
    shares
        (n_world,) what the plan serves in each future.
    weight, best
        (n_world,) how likely each is, and the best known share there.
    """
    if rule is RobustRule.EXPECTED:
        return math.fsum(weight * shares)
    if rule is RobustRule.MAX_MIN:
        return float(shares.min())
    return float(np.maximum(best - shares, 0.0).max())


def hold_to_common(worlds: Worlds) -> tuple[SitingInstance, ...]:
    """Return every future with no more money and no other tiers than all futures can pay.

    What a plan costs in future t is at least ρ times what it costs in future s, ρ being the least
    ratio of any tier's costs there; so where t can pay it, it costs at most B_t / ρ in s. A future
    that has no more than that comes back as it is.
    """
    payable = np.logical_and.reduce(
        [w.tier_allowed & (w.tier_cost_cny <= w.requirements.budget_cny) for w in worlds.instances]
    )
    held = []
    for world in worlds.instances:
        budgets = [world.requirements.budget_cny]
        for other in worlds.instances:
            costs = world.tier_cost_cny > 0
            ratio = (other.tier_cost_cny[costs] / world.tier_cost_cny[costs]).min(initial=np.inf)
            if ratio > 0:
                budgets.append(other.requirements.budget_cny / ratio)
        budget = min(budgets)
        if budget == world.requirements.budget_cny and (payable == world.tier_allowed).all():
            held.append(world)
            continue
        requirements = world.requirements.replace(budget_cny=budget)
        held.append(world.replace(tier_allowed=payable, requirements=requirements))
    return tuple(held)


class KnownPlans:
    """Plans, with what each serves in every future, which is computed once.

    Parameters
    ----------
    worlds
        The futures.
    tiers
        (n_site,) tiers of the plans known at first.
    """

    def __init__(self, worlds: Worlds, tiers: Sequence[IntArray] = ()) -> None:
        self._worlds = worlds
        self._plans: dict[bytes, tuple[IntArray, FloatArray, BoolArray]] = {}
        for tier in tiers:
            self.add(tier)

    def add(self, tier: IntArray) -> FloatArray:
        """Return the (n_world,) shares of a plan, which is known from then on."""
        key = np.asarray(tier, dtype=np.int32).tobytes()
        if key not in self._plans:
            worlds = self._worlds.instances
            counts = np.array([is_payable([world], tier) for world in worlds])
            counts[0] &= assign_drivers(worlds[0], tier) is not None
            self._plans[key] = tier, price_shares(worlds, tier), counts
        return self._plans[key][1]

    @property
    def best(self) -> FloatArray:
        """(n_world,) the best share of any plan that a future can pay, 0 where none is known.

        In the study's own future, the only one with floors, a plan that misses them counts not.
        """
        shares = [shares * counts for _, shares, counts in self._plans.values()]
        return np.asarray(np.max(shares, axis=0), dtype=np.float64)

    @property
    def common(self) -> list[IntArray]:
        """Plans that every future can pay and that keep the floors of the study's own."""
        return [tier for tier, _, counts in self._plans.values() if counts.all()]


def _solve_one(world: SitingInstance, options: SolveOptions) -> SolveResult:
    result = solve(world, options=options)
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def _count_regret_anew(plan: RobustPlan, best: FloatArray, gap_asked: float) -> RobustPlan:
    """Count a plan's regret from what is known in the end; it only grows, so the bound holds."""
    value = float(np.maximum(best - plan.shares, 0.0).max())
    proven = value - plan.bound <= gap_asked
    status = SolveStatus.OPTIMAL if proven else SolveStatus.FEASIBLE
    return replace(plan, value=value, status=status)


def _solve_rule(
    worlds: Worlds,
    shared: SharedModel,
    rule: RobustRule,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None,
    *,
    reach: FloatArray,
    known: KnownPlans,
) -> RobustPlan | None:
    """Solve the joined model, from the best plan known that every future can pay."""
    sense = -1.0 if rule is RobustRule.REGRET else 1.0
    best = known.best

    def value_of(shares: FloatArray) -> float:
        return judge(rule, shares, weight=worlds.weight, best=best)

    def better(one: IntArray | None, other: IntArray | None) -> IntArray | None:
        """Return the better one of two plans, the first of equals."""
        if one is None or other is None:
            return one if other is None else other
        values = [sense * value_of(known.add(tier)) for tier in (one, other)]
        return other if values[1] > values[0] else one

    tier: IntArray | None = None
    for plan in known.common:
        tier = better(tier, plan)
    found, level = _solve_joined(worlds, shared, rule, options, progress, start=tier, best=best)
    tier = better(tier, found)
    if tier is None:
        return None
    shares = known.add(tier)
    value = value_of(shares)
    if rule is RobustRule.REGRET:
        bound = min(max(1.0 - level, value_of(reach)), value)
    else:
        bound = max(min(level, value_of(reach)), value)
    proven = abs(bound - value) <= options.gap
    return RobustPlan(
        rule=rule,
        status=SolveStatus.OPTIMAL if proven else SolveStatus.FEASIBLE,
        tier_of_site=tier,
        shares=shares,
        value=value,
        bound=bound,
    )


def _solve_joined(
    worlds: Worlds,
    shared: SharedModel,
    rule: RobustRule,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None,
    *,
    start: IntArray | None,
    best: FloatArray,
) -> tuple[IntArray | None, float]:
    """Return the plan found for the joined model, and its bound: of −Σ p v, −v or r − 1."""
    point = None
    if start is not None:
        shares = price_shares(worlds.instances, start)
        level = judge(rule, shares, weight=worlds.weight, best=best)
        point = write_point(shared, rule, _send_all(worlds, start), level=level)
    with Watch(options, on_progress=progress) as watch:
        answer = solve_mip(
            join_worlds(shared, rule, weight=worlds.weight, best=best),
            watch,
            start=point,
            on_step=lambda cost, least: watch.report(-cost, -least),
        )
    if watch.interrupted:
        raise KeyboardInterrupt
    tier = None
    if answer.values is not None:
        tier = trim(worlds.instances, _send_all(worlds, read_tiers(shared, answer.values)))
    return tier, -answer.bound / shared.scale_kwh


def _send_all(worlds: Worlds, tier_of_site: IntArray) -> list[Decision]:
    """Send the drivers of every future to the same sites, near chargers first."""
    return [serve_drivers(world, tier_of_site) for world in worlds.instances]
