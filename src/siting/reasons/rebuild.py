"""The best plan with some sites shut out or forced in, and how far that is known.

Nothing is solved from the start. The plan in hand is changed as little as the new rule asks, its
prices are moved on, and one round of annealing re-optimises it; the prices bound what any plan can
be worth under the new rule. Where an instance is small enough for HiGHS to be quick, it is solved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import SolveStatus
from siting.instance import CLOSED, Decision, evaluate, settle_flows
from siting.optimise.limits import Limits, Watch
from siting.optimise.result import SolveOptions, WarmStart
from siting.optimise.solve import LINKS_TO_SOLVE, solve
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import is_impossible, solve_by_prices, start_from_prices

if TYPE_CHECKING:
    from collections.abc import Collection

    from siting.domain import IntArray
    from siting.instance import SitingInstance
    from siting.optimise.tier_problem import TierProblem
    from siting.reasons.known import KnownPlan

SOLVED = SolveOptions(gap=1e-7, time_limit_s=20.0)
CLOSE = Limits(gap=1e-4)


@dataclass(frozen=True, kw_only=True, eq=False)
class Rebuilt:
    """The best plan found under a changed rule, and what no plan under it can be worth more than.

    Attributes
    ----------
    decision
        The plan; None if none was found.
    worth
        What it is worth (kWh/day); −∞ if there is none.
    most
        No plan under the rule is worth more; −∞ if proven that there is none.
    """

    decision: Decision | None
    worth: float
    most: float


def rebuild(
    known: KnownPlan,
    *,
    without: Collection[int] = (),
    using: Collection[int] = (),
    start: IntArray | None = None,
) -> Rebuilt:
    """Re-optimise a plan without some sites, or with some that it must open.

    Parameters
    ----------
    known
        The plan in hand.
    without
        Sites that are shut out; a site that the study requires is required no longer.
    using
        Sites that must be opened.
    start
        (n_site,) tiers to start from; the plan in hand without what is shut out by default.
    """
    req = known.instance.requirements
    forbidden, required = req.forbidden.copy(), req.required.copy()
    without = list(without)
    is_narrower = not required[without].any()
    forbidden[without], required[without] = True, False
    required[list(using)] = True
    instance = known.instance.replace(
        requirements=req.replace(forbidden=forbidden, required=required)
    )
    if start is None:
        start = known.decision.tier_of_site.copy()
        start[without] = CLOSED
    problem = build_problem(instance)
    if problem.links.n_link <= LINKS_TO_SOLVE:
        rebuilt = _solve(instance, start)
    else:
        rebuilt = _improve(instance, problem, known, start)
    # A plan under one more rule is a plan of the study as well.
    most = min(rebuilt.most, known.bound) if is_narrower else rebuilt.most
    return Rebuilt(decision=rebuilt.decision, worth=rebuilt.worth, most=max(most, rebuilt.worth))


def _solve(instance: SitingInstance, start: IntArray) -> Rebuilt:
    result = solve(instance, options=SOLVED, start=WarmStart(tier_of_site=start))
    most = -math.inf if result.status is SolveStatus.INFEASIBLE else result.bound
    return judge(instance, result.decision, most=most)


def _improve(
    instance: SitingInstance, problem: TierProblem, known: KnownPlan, start: IntArray
) -> Rebuilt:
    point = None
    if known.prices is not None:
        point = start_from_prices(instance, problem, known.prices)
    answer = solve_by_prices(problem, Watch(CLOSE), point=point, start=start, n_round=1)
    impossible = is_impossible(problem, answer.point.bound)
    most = -math.inf if impossible else answer.point.bound
    if answer.plan is None or impossible:
        return Rebuilt(decision=None, worth=-math.inf, most=most)
    decision = Decision(
        tier_of_site=answer.plan.tier_of_site(problem),
        flow_kwh_per_day=problem.links.spread(instance, answer.plan.flow),
    )
    return judge(instance, decision, most=most)


def judge(instance: SitingInstance, decision: Decision | None, *, most: float) -> Rebuilt:
    """Return a plan with its worth in whole watt-hours, recomputed; no plan if it breaks a rule."""
    if decision is None:
        return Rebuilt(decision=None, worth=-math.inf, most=most)
    settled = settle_flows(instance, decision)
    evaluation = evaluate(instance, settled)
    if not evaluation.feasible:
        return Rebuilt(decision=None, worth=-math.inf, most=most)
    return Rebuilt(decision=settled, worth=evaluation.objective_kwh_per_day, most=most)


def sites_between(before: IntArray, after: IntArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sites that a change of plan closes, and those that it opens."""
    closed = np.flatnonzero((before != CLOSED) & (after == CLOSED))
    opened = np.flatnonzero((before == CLOSED) & (after != CLOSED))
    return tuple(closed.tolist()), tuple(opened.tolist())
