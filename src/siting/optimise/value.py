"""The main model with money in its objective: what service is worth, less what the sites cost.

    max  s Σ a_ij x_ij - w Σ f_jk y_jk      under every constraint of the main model

With s = 0, w = 1 and service floors this is the least cost of a service level; with s the worth of
a kWh a day and w a year's part of the cost it is the gain that a budget can buy. The two games of
the joint investment ask exactly these.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.domain import Engine, SolveStatus
from siting.instance import CLOSED, evaluate
from siting.optimise.assignment import assign_drivers
from siting.optimise.formulation import build_model
from siting.optimise.least_cost import find_least_cost
from siting.optimise.limits import StopReason, Watch, compute_gap
from siting.optimise.links import NO_LINK
from siting.optimise.mip import solve_mip
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import solve_by_prices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.domain import FloatArray, IntArray
    from siting.instance import Decision, Evaluation, SitingInstance
    from siting.optimise.formulation import Columns
    from siting.optimise.links import Links
    from siting.optimise.result import SolveOptions
    from siting.optimise.tier_problem import TierProblem

# Money in the objective leaves HiGHS a weaker start than service alone does (`solve` gives it more
# links): a coalition is one of thirty, and an interval will do.
LINKS_FOR_HIGHS = 2_000


# Later rounds take twice as long each and gain a tenth of a per cent; the bound stays.
ROUNDS = 2


@dataclass(frozen=True, kw_only=True)
class Valuation:
    """What counts, in money.

    Attributes
    ----------
    service_cny_per_kwh_per_day
        Worth of one kWh a day of service, weighted by a_ij, over the time looked at (CNY).
    cost_weight
        Part of the sites' cost that falls on that time.
    """

    service_cny_per_kwh_per_day: float
    cost_weight: float

    def __post_init__(self) -> None:
        """Refuse what makes no sense, NaN included."""
        if not (
            0 <= self.service_cny_per_kwh_per_day < math.inf and 0 <= self.cost_weight < math.inf
        ):
            raise ValueError("worth of service and weight of cost are finite and not negative")

    def value_cny(self, evaluation: Evaluation) -> float:
        """Return what an evaluated plan comes to."""
        return (
            self.service_cny_per_kwh_per_day * evaluation.objective_kwh_per_day
            - self.cost_weight * evaluation.cost_cny
        )


LEAST_COST = Valuation(service_cny_per_kwh_per_day=0.0, cost_weight=1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueResult:
    """The answer of a solve for value, and how far it is proven.

    Attributes
    ----------
    status
        As in :class:`~siting.optimise.result.SolveResult`.
    decision
        The best plan; None if there is none.
    value_cny
        What it comes to; −∞ if there is no plan.
    bound_cny
        No plan can come to more; −∞ if there can be none.
    gap
        ``compute_gap(value_cny, bound_cny)``.
    stopped
        Why it ended.
    wall_s, cpu_s
        Time taken, of the wall and of the processor.
    """

    status: SolveStatus
    decision: Decision | None
    value_cny: float
    bound_cny: float
    gap: float
    stopped: StopReason
    wall_s: float
    cpu_s: float


def solve_for_value(
    instance: SitingInstance,
    *,
    valuation: Valuation,
    options: SolveOptions,
    starts: Sequence[IntArray] = (),
) -> ValueResult:
    """Find the plan of most value.

    Parameters
    ----------
    instance
        What to solve, with its budget and floors.
    valuation
        What counts.
    options
        Gap, limits, seed and engine. ``auto`` takes HiGHS for small instances, and prices with
        annealing for all others; it does not branch after them, so it may end with a gap: the
        interval is part of the answer.
    starts
        (n_site,) tiers of plans that are known; the best feasible one is where the solver starts,
        and the answer is never worse. Those that are not feasible are passed over.
    """
    started_cpu_s = time.process_time()
    with Watch(options) as watch:
        known = [
            decision
            for tier_of_site in starts
            if (decision := _decide(instance, tier_of_site)) is not None
        ]
        decision = max(
            known, key=lambda d: valuation.value_cny(evaluate(instance, d)), default=None
        )
        problem = build_problem(
            instance,
            service_weight=valuation.service_cny_per_kwh_per_day,
            cost_weight=valuation.cost_weight,
        )
        links = problem.links
        small = links.n_link <= LINKS_FOR_HIGHS
        by_prices = options.engine is Engine.LAGRANGIAN or (
            options.engine is Engine.AUTO and not small
        )
        start = None if decision is None else decision.tier_of_site
        if by_prices and not valuation.service_cny_per_kwh_per_day:
            answer = _least_cost(problem, watch, start)
        elif by_prices:
            answer = _by_prices(problem, watch, start)
        else:
            engine = Engine.SCIP if options.engine is Engine.SCIP else Engine.HIGHS
            answer = _by_mip(instance, problem, watch, decision, engine=engine)
        if answer.tier_of_site is not None:
            found = _decide(instance, answer.tier_of_site)
            decision = max(
                (d for d in (decision, found) if d is not None),
                key=lambda d: valuation.value_cny(evaluate(instance, d)),
                default=None,
            )
        value = -math.inf
        if decision is not None:
            value = valuation.value_cny(evaluate(instance, decision))
        # Known without any solve: everybody served at the best worth in reach, for nothing.
        at_best = float(links.row_kwh_per_day @ np.maximum.reduceat(links.worth, links.start[:-1]))
        bound = min(answer.bound, valuation.service_cny_per_kwh_per_day * at_best)
        bound = max(bound, value)
        gap = compute_gap(value, bound)
        status = answer.status if decision is None else SolveStatus.FEASIBLE
        proven = decision is not None and gap <= options.gap
        return ValueResult(
            status=SolveStatus.OPTIMAL if proven else status,
            decision=decision,
            value_cny=value,
            bound_cny=bound,
            gap=gap,
            stopped=watch.stop_reason or (StopReason.PROVEN if proven else StopReason.EXHAUSTED),
            wall_s=watch.seconds,
            cpu_s=time.process_time() - started_cpu_s,
        )


class _Answer(NamedTuple):
    """What an engine found: tiers or None, a bound of the value, and how far it came."""

    tier_of_site: IntArray | None
    bound: float
    status: SolveStatus


def _by_prices(problem: TierProblem, watch: Watch, start: IntArray | None) -> _Answer:
    answer = solve_by_prices(problem, watch, start=start, n_round=ROUNDS)
    if answer.plan is None:
        return _Answer(None, answer.point.bound, SolveStatus.NO_PLAN)
    tier_of_site = answer.plan.tier_of_site(problem)
    return _Answer(tier_of_site, answer.point.bound, SolveStatus.FEASIBLE)


def _least_cost(problem: TierProblem, watch: Watch, start: IntArray | None) -> _Answer:
    answer = find_least_cost(problem, watch, start=start)
    if answer.plan is None:
        impossible = answer.least_cny == math.inf
        status = SolveStatus.INFEASIBLE if impossible else SolveStatus.NO_PLAN
        return _Answer(None, -answer.least_cny, status)
    return _Answer(answer.plan.tier_of_site(problem), -answer.least_cny, SolveStatus.FEASIBLE)


def _by_mip(
    instance: SitingInstance,
    problem: TierProblem,
    watch: Watch,
    start: Decision | None,
    *,
    engine: Engine,
) -> _Answer:
    links, columns = problem.links, problem.columns
    model = replace(
        build_model(instance, links, columns, problem.rows),
        cost=np.concatenate((-problem.menu.gain, -problem.reach.worth[problem.reach.row_link])),
    )
    answer = solve_mip(
        model,
        watch,
        engine=engine,
        start=None if start is None else _point(start, links, columns),
    )
    if answer.values is None:
        return _Answer(None, -answer.bound, answer.status)
    return _Answer(columns.read_tiers(answer.values), -answer.bound, answer.status)


def _decide(instance: SitingInstance, tier_of_site: IntArray) -> Decision | None:
    """Return the plan with these tiers, or None if it breaks a constraint."""
    decision = assign_drivers(instance, tier_of_site)
    if decision is None or not evaluate(instance, decision).feasible:
        return None
    return decision


def _point(decision: Decision, links: Links, columns: Columns) -> FloatArray:
    """Return the model's variables (y, x) that stand for a plan."""
    tier = decision.tier_of_site[columns.site]
    opened = (tier != CLOSED) & (tier == columns.tier)
    flow = np.zeros(links.n_link)
    for brand, access_class in enumerate(links.class_of_brand):
        link = links.link_of_pair[:, access_class]
        used = link != NO_LINK
        flow += np.bincount(
            link[used], weights=decision.flow_kwh_per_day[used, brand], minlength=links.n_link
        )
    return np.concatenate((opened.astype(np.float64), flow))
