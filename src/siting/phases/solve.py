"""All periods solved as one, beside what deciding period by period would have come to."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import SolveStatus
from siting.instance import CLOSED, settle_flows
from siting.optimise.assignment import serve_drivers
from siting.optimise.formulation import build_main_model
from siting.optimise.limits import StopReason, Watch, compute_gap
from siting.optimise.mip import solve_mip
from siting.optimise.result import SolveOptions, SolveResult, WarmStart
from siting.optimise.solve import solve
from siting.phases.evaluation import evaluate_phases
from siting.phases.formulation import join_periods, read_tiers, write_point
from siting.phases.instance import rank_tiers, with_history

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.domain import IntArray
    from siting.instance import Decision, SitingInstance
    from siting.optimise.limits import Progress
    from siting.phases.instance import PhasedInstance

# Of the time limit, what the solves of single periods may take together.
TIME_SHARE = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class PhasedResult:
    """The plan over all periods, and how far it is proven.

    Attributes
    ----------
    status, stopped
        As of a `SolveResult`; ``optimal`` only if proven within the gap asked for.
    decisions
        (n_period,) what stands in each period, and who charges where; empty if there is no plan.
    objective, bound, gap
        Mean service over all years, weighted by its worth (kWh/day): the plan's, what no plan can
        have more of, and the distance.
    alone
        (n_period,) each period as if it were the only one, with all money that came by then.
    myopic
        The decisions period by period: each the best for its own period, given what stands by
        then. Shorter than the periods where what was decided can no longer meet the requirements.
    myopic_objective
        What they come to; −∞ where they end early.
    wall_s, cpu_s
        Time taken by all of it, of the wall and of the processor.
    """

    status: SolveStatus
    stopped: StopReason
    decisions: tuple[Decision, ...]
    objective: float
    bound: float
    gap: float
    alone: tuple[SolveResult, ...]
    myopic: tuple[Decision, ...]
    myopic_objective: float
    wall_s: float
    cpu_s: float

    def as_solve(self) -> SolveResult:
        """Return the whole as one solve; its decision is what stands in the end.

        Its bound rests on branching over all periods, so there are no prices that prove it.
        """
        return SolveResult(
            status=self.status,
            decision=self.decisions[-1] if self.decisions else None,
            objective=self.objective,
            bound=self.bound,
            gap=self.gap,
            bound_by_duality=math.inf,
            engine=self.alone[-1].engine,
            stopped=self.stopped,
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
            work=math.fsum(result.work for result in self.alone),
        )

    @property
    def myopic_loss(self) -> tuple[float, float]:
        """What deciding period by period loses of the service, at least and at most.

        Shares of what the plan serves; at least by the plan in hand, at most by the bound.
        """
        if not math.isfinite(self.myopic_objective) or self.objective <= 0:
            return math.nan, math.nan
        least = max(0.0, self.objective - self.myopic_objective)
        most = max(least, self.bound - self.myopic_objective)
        return least / self.objective, most / self.objective


def solve_phases(
    phased: PhasedInstance,
    *,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None = None,
) -> PhasedResult:
    """Solve all periods as one model, from the best that single periods lead to.

    Parameters
    ----------
    phased
        What is asked.
    options
        How hard to look, for all of it together; the joined model is always solved by HiGHS.
    progress
        Told of plan, bound and gap of the joined model as they move.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C before the joined model; after, the best plan is returned and says so.
    """
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    part_s = options.time_limit_s * TIME_SHARE / (2 * phased.n_period)
    single = replace(options, time_limit_s=part_s)
    alone = [_solve_one(period, single) for period in phased.periods]
    myopic = _decide_one_by_one(phased, alone[0], single)
    bound = math.fsum(w * result.bound for w, result in zip(phased.weight, alone, strict=True))
    decisions = myopic if len(myopic) == phased.n_period else ()
    objective = myopic_objective = _mean_worth(phased, decisions)
    left_s = options.time_limit_s - (time.perf_counter() - started_s)
    infeasible = any(result.status is SolveStatus.INFEASIBLE for result in alone)
    stopped = None
    if not infeasible and compute_gap(objective, bound) > options.gap and left_s > 0:
        periods = [build_main_model(period) for period in phased.periods]
        least_cost = -bound
        with Watch(replace(options, time_limit_s=left_s), on_progress=progress) as watch:
            answer = solve_mip(
                join_periods(phased, periods),
                watch,
                start=write_point(periods, decisions) if decisions else None,
                on_step=lambda cost, least: watch.report(-cost, -max(least, least_cost)),
            )
            stopped = watch.stop_reason
        infeasible = answer.status is SolveStatus.INFEASIBLE
        bound = min(bound, -answer.bound)
        if answer.values is not None:
            found = _send_drivers(phased, read_tiers(periods, answer.values))
            if (worth := _mean_worth(phased, found)) > objective:
                decisions, objective = found, worth
    bound = -math.inf if infeasible else max(bound, objective)
    gap = compute_gap(objective, bound)
    proven = bool(decisions) and gap <= options.gap
    if decisions:
        status = SolveStatus.OPTIMAL if proven else SolveStatus.FEASIBLE
    else:
        status = SolveStatus.INFEASIBLE if infeasible else SolveStatus.NO_PLAN
    return PhasedResult(
        status=status,
        stopped=(StopReason.PROVEN if proven else stopped) or StopReason.EXHAUSTED,
        decisions=decisions,
        objective=objective,
        bound=bound,
        gap=gap,
        alone=tuple(alone),
        myopic=myopic,
        myopic_objective=myopic_objective,
        wall_s=time.perf_counter() - started_s,
        cpu_s=time.process_time() - started_cpu_s,
    )


def _solve_one(
    instance: SitingInstance, options: SolveOptions, start: IntArray | None = None
) -> SolveResult:
    result = solve(instance, options=options, start=WarmStart(tier_of_site=start))
    if result.interrupted:
        raise KeyboardInterrupt
    return result


def _decide_one_by_one(
    phased: PhasedInstance, first: SolveResult, options: SolveOptions
) -> tuple[Decision, ...]:
    """Return the best plan of each period given what stands; it ends where there is none."""
    decisions: list[Decision] = []
    result = first
    for t, period in enumerate(phased.periods):
        if t > 0:
            standing = decisions[-1].tier_of_site
            result = _solve_one(with_history(period, standing), options, standing)
        if result.decision is None:
            break
        decisions.append(settle_flows(period, result.decision))
    return tuple(decisions)


def _send_drivers(phased: PhasedInstance, tiers: Sequence[IntArray]) -> tuple[Decision, ...]:
    """Send the drivers of every period to what stands, and build nothing before it is used."""
    sent = [serve_drivers(period, tier) for period, tier in zip(phased.periods, tiers, strict=True)]
    needed = postpone(phased, sent)
    return tuple(
        settle_flows(period, replace(decision, tier_of_site=tier))
        for period, decision, tier in zip(phased.periods, sent, needed, strict=True)
    )


def postpone(phased: PhasedInstance, decisions: Sequence[Decision]) -> list[IntArray]:
    """Return the least that must stand in each period for the flows as they are.

    A site opens in the first period in which anybody charges there, with the cheapest tier that
    gives it, and grows when more is given; money that comes early is kept until then.

    Parameters
    ----------
    phased
        The periods.
    decisions
        (n_period,) a plan that keeps every rule.
    """
    rank = rank_tiers(phased.periods[0])
    standing = np.full(phased.n_site, CLOSED, dtype=np.int32)
    needed = []
    for period, decision in zip(phased.periods, decisions, strict=True):
        req = period.requirements
        keeps_all = req.min_sites > 0 or bool(req.district_min_sites.any())
        given = np.bincount(
            period.cover_supply,
            weights=decision.flow_kwh_per_day.sum(axis=1),
            minlength=period.n_supply,
        )
        for j in np.flatnonzero(decision.opened):
            planned, built = decision.tier_of_site[j], standing[j]
            if given[j] <= 0 and not (req.required[j] or keeps_all):
                continue
            fits = (
                period.tier_allowed[j]
                & (period.tier_capacity_kwh_per_day[j] >= given[j])
                & (period.tier_power_kw[j] <= period.tier_power_kw[j, planned])
                & (rank[j] <= rank[j, planned])
                & (rank[j] >= (rank[j, built] if built != CLOSED else 0))
            )
            fits[planned] = True
            standing[j] = min(np.flatnonzero(fits), key=lambda k: int(rank[j, k]))
        needed.append(standing.copy())
    return needed


def _mean_worth(phased: PhasedInstance, decisions: Sequence[Decision]) -> float:
    """Return what a plan comes to; −∞ if there is none."""
    if not decisions:
        return -math.inf
    return evaluate_phases(phased, decisions).objective_kwh_per_day
