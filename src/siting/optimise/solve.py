"""One instance, one solve, one result: the main model of capacitated coverage with tiers."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Engine, SolveStatus
from siting.errors import Fault, InfeasibleError, SolveError
from siting.instance import CLOSED, Decision, SitingInstance, evaluate
from siting.optimise.assignment import assign_drivers, solve_baseline
from siting.optimise.certificate import check_bound
from siting.optimise.formulation import build_model
from siting.optimise.lagrangian import start_descent
from siting.optimise.limits import Limits, Progress, StopReason, Watch, compute_gap
from siting.optimise.mip import solve_mip
from siting.optimise.result import SolveOptions, SolveResult, WarmStart, tell_status
from siting.optimise.thrift import spare_money
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import (
    ROUNDS,
    ROUNDS_BEFORE_TREE,
    descend_to_rest,
    fill_up,
    is_impossible,
    plan_from_tiers,
    price_instance,
    solve_by_branching,
    solve_by_prices,
    start_from_prices,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.domain import IntArray
    from siting.optimise.lagrangian import DualPoint
    from siting.optimise.tier_solver import TierAnswer, TierPlan

__all__ = [
    "Progress",
    "SolveOptions",
    "SolveResult",
    "WarmStart",
    "expect_plan",
    "solve",
    "solve_again",
    "solve_baseline",
    "solve_nearby",
]

# A whole solve that comes after cheaper ones has at least so long.
LEAST_TIME_S = 1.0
# Up to here a whole solve takes well under a second.
LINKS_TO_SOLVE = 1_000
# Below this many links HiGHS alone is quick and exact; above the other, it drowns in them.
LINKS_FOR_HIGHS, MOST_LINKS_FOR_HIGHS = 12_000, 60_000
# HiGHS may miss a limit of work by a dive: by less than a tenth of so many nodes.
LEAST_NODES = 2_000
# What pricing after HiGHS may take: in work, after Ctrl-C, and as a share of a limit.
PRICING_WORK, INTERRUPTED_PRICING_WORK, PRICING_SHARE = 2_000.0, 100.0, 0.05
# Grouping more sites into quarters takes more memory than all else.
MOST_SITES_FOR_TREE = 3_000


def solve(
    instance: SitingInstance,
    *,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None = None,
    start: SolveResult | WarmStart | None = None,
) -> SolveResult:
    """Solve the main model.

    Parameters
    ----------
    instance
        What to solve.
    options
        Gap, limits, seed and engine; ``auto`` takes HiGHS for small instances, and prices with
        annealing, ended by HiGHS where it can, for all others.
    progress
        Told of incumbent, bound and gap as they move.
    start
        The result of a like instance (another budget, another site required or forbidden): its
        plan and prices are where this solve starts.

    Raises
    ------
    ValueError
        If the start's plan is for another number of sites.
    """
    known = _as_start(instance, start)
    with Watch(options, on_progress=progress) as watch:
        run = _Run(instance, watch)
        n_link = run.problem.links.n_link
        engine = _choose_engine(options, n_link)
        point = run.point_of(known)
        if engine is Engine.LAGRANGIAN:
            n_round = ROUNDS_BEFORE_TREE if run.may_branch else ROUNDS
            run.by_prices(point, known.tier_of_site, n_round=n_round)
            run.by_branching()
            small = n_link <= MOST_LINKS_FOR_HIGHS
            if not run.settled and (small or run.plan is None):
                run.by_mip(Engine.HIGHS, least_nodes=LEAST_NODES)
        else:
            run.by_mip(engine, known)
            run.price(point)
        return run.conclude()


def solve_nearby(
    instance: SitingInstance,
    *,
    options: SolveOptions,
    start: SolveResult | WarmStart,
) -> SolveResult:
    """Solve an instance like one that was solved, by its prices and one round of annealing alone.

    This costs a fraction of a solve and is as honest, but leaves the gap that it comes to open.
    Instances for which HiGHS is quick, and those where no plan is found, are solved whole; so is
    everything where a MIP solver is asked for.

    Parameters
    ----------
    instance, options
        As in `solve`.
    start
        What is known: prices bound any instance with the same demand and brands; a plan is opened
        as far as the instance allows and filled up with what the relaxation opens. Without a plan
        the relaxation's own is where the search starts.

    Raises
    ------
    ValueError
        If the start's plan is for another number of sites.
    """
    known = _as_start(instance, start)
    with Watch(options) as watch:
        run = _Run(instance, watch)
        problem = run.problem
        is_large = problem.links.n_link > LINKS_TO_SOLVE
        if not is_large or options.engine not in {Engine.AUTO, Engine.LAGRANGIAN}:
            return solve(instance, options=options, start=known)
        point = descend_to_rest(problem, run.point_of(known), watch, value=-math.inf)
        tiers = known.tier_of_site
        if tiers is not None and math.isfinite(point.bound):
            tiers = fill_up(problem, point, tiers)
        run.by_prices(point, tiers, n_round=1)
        result = run.conclude()
        is_enough = run.plan is not None or run.settled
    return result if is_enough else _go_on(instance, options, result, start=known)


def solve_again(
    instance: SitingInstance, *, options: SolveOptions, start: SolveResult | WarmStart
) -> SolveResult:
    """Solve an instance like one that was solved, whole only if nothing cheaper proves enough.

    Prices and annealing start from the plan in hand, then from what the relaxation opens.

    Parameters
    ----------
    instance, options, start
        As in `solve`.

    Raises
    ------
    ValueError
        If the start's plan is for another number of sites.
    """
    result = solve_nearby(instance, options=options, start=start)
    if _is_open(result):
        start = WarmStart(multipliers=result.multipliers)
        result = result.join(solve_nearby(instance, options=options, start=start), gap=options.gap)
    if _is_open(result):
        result = _go_on(instance, options, result, start=result)
    return result


def _go_on(
    instance: SitingInstance,
    options: SolveOptions,
    result: SolveResult,
    *,
    start: SolveResult | WarmStart,
) -> SolveResult:
    """Solve whole within what a cheaper solve has left of the limits, and join both."""
    left = replace(
        options,
        time_limit_s=max(options.time_limit_s - result.wall_s, LEAST_TIME_S),
        work_limit=max(options.work_limit - result.work, 0.0),
    )
    return result.join(solve(instance, options=left, start=start), gap=options.gap)


def _is_open(result: SolveResult) -> bool:
    """Whether a plan is not proven yet, and no limit has come."""
    return result.status is SolveStatus.FEASIBLE and result.stopped is StopReason.EXHAUSTED


def _as_start(instance: SitingInstance, start: SolveResult | WarmStart | None) -> WarmStart:
    known = start.as_start() if isinstance(start, SolveResult) else start or WarmStart()
    if known.tier_of_site is not None and known.tier_of_site.size != instance.n_site:
        raise ValueError(
            f"the start has {known.tier_of_site.size} sites, the instance {instance.n_site}"
        )
    return known


def _choose_engine(options: SolveOptions, n_link: int) -> Engine:
    if options.engine is not Engine.AUTO:
        return options.engine
    # A MIP solver does nothing at all for less work than a node's; prices and annealing do.
    quick = n_link <= LINKS_FOR_HIGHS and math.isinf(options.work_limit)
    return Engine.HIGHS if quick else Engine.LAGRANGIAN


class _Run:
    """One solve as it goes: the best plan, the least bound, and who found them."""

    def __init__(self, instance: SitingInstance, watch: Watch) -> None:
        self.started_cpu_s = time.process_time()
        self.instance, self.problem, self.watch = instance, build_problem(instance), watch
        self.objective, self.bound = -math.inf, math.inf
        self.plan: TierPlan | None = None
        self.decision: Decision | None = None
        self.point: DualPoint | None = None
        self.answer: TierAnswer | None = None
        self.infeasible = False
        self.engines: list[str] = []

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do: proven, impossible, or stopped."""
        done = compute_gap(self.objective, self.bound) <= self.watch.limits.gap
        return done or self.infeasible or self.watch.stop_reason is not None

    def step(self, objective: float, bound: float) -> None:
        """Take note of what an engine says it has, and pass it on."""
        self.watch.report(max(objective, self.objective), min(bound, self.bound))

    def point_of(self, known: WarmStart) -> DualPoint:
        """Return where a descent starts: at known prices, if there are any that fit."""
        point = None
        if known.multipliers is not None:
            point = start_from_prices(self.instance, self.problem, known.multipliers)
        return point or start_descent(self.problem)

    def by_prices(self, point: DualPoint, tiers: IntArray | None, *, n_round: int) -> None:
        """Bound and search by prices, from the plan of these tiers if there is one."""
        self.engines.append(Engine.LAGRANGIAN.value)
        self.answer = solve_by_prices(
            self.problem,
            self.watch,
            point=point,
            start=tiers,
            n_round=n_round,
            on_step=self.step,
        )
        self._take_point(self.answer.point)
        self._take_plan(self.answer.plan)

    @property
    def may_branch(self) -> bool:
        """Whether a tree over counts of sites fits into memory."""
        return self.problem.n_site <= MOST_SITES_FOR_TREE

    def by_branching(self) -> None:
        """Go on from prices and annealing with a tree, where one fits."""
        if self.settled or self.answer is None or not self.may_branch:
            return
        plan, bound = solve_by_branching(self.problem, self.watch, self.answer, on_step=self.step)
        self._take_plan(plan)
        self.infeasible = self.infeasible or bound == -math.inf
        self.bound = min(self.bound, bound)

    def _take_plan(self, plan: TierPlan | None) -> None:
        if plan is not None:
            self.plan, self.objective = plan, plan.value

    def price(self, point: DualPoint) -> None:
        """Find prices for what a MIP solver has proven, so that part of it can be checked."""
        if self.infeasible:
            return
        asked = self.watch.limits
        most = INTERRUPTED_PRICING_WORK if self.watch.interrupted else PRICING_WORK
        watch = Watch(
            Limits(
                gap=asked.gap,
                time_limit_s=max(self.watch.remaining_s, PRICING_SHARE * asked.time_limit_s),
                work_limit=min(
                    most, max(self.watch.remaining_work, PRICING_SHARE * asked.work_limit)
                ),
            )
        )
        self._take_point(descend_to_rest(self.problem, point, watch, value=self.objective))
        self.watch.spend(watch.work * 1e6)

    def _take_point(self, point: DualPoint) -> None:
        self.point = point
        self.infeasible = self.infeasible or is_impossible(self.problem, point.bound)
        self.bound = min(self.bound, point.bound)

    def by_mip(
        self, engine: Engine, known: WarmStart | None = None, *, least_nodes: int = 1
    ) -> None:
        """Solve the whole model by a MIP solver, from the best plan there is."""
        self.engines.append(engine.value)
        problem = self.problem
        if known is not None and known.tier_of_site is not None:
            self.plan = plan_from_tiers(problem, known.tier_of_site)
            self.objective = self.plan.value if self.plan else self.objective
        model = build_model(self.instance, problem.links, problem.columns, problem.rows)
        start = None
        if self.plan is not None:
            opened = np.zeros(problem.n_column)
            opened[self.plan.column[self.plan.column != CLOSED]] = 1.0
            start = np.concatenate((opened, self.plan.flow))
        answer = solve_mip(
            model,
            self.watch,
            engine=engine,
            start=start,
            on_step=lambda objective, bound: self.step(-objective, -bound),
            least_nodes=least_nodes,
        )
        self.infeasible = self.infeasible or answer.status is SolveStatus.INFEASIBLE
        self.bound = min(self.bound, -answer.bound)
        if answer.values is not None and -answer.objective > self.objective:
            self._assign(problem.columns.read_tiers(answer.values))

    def _assign(self, tier_of_site: IntArray) -> None:
        """Send the drivers to the opened sites, and keep the plan if it is the best."""
        decision = assign_drivers(self.instance, tier_of_site)
        if decision is None:
            return
        objective = evaluate(self.instance, decision).objective_kwh_per_day
        if self.decision is None or objective > self.objective:
            self.decision, self.objective = decision, objective

    def conclude(self) -> SolveResult:
        """Return the result: everything recomputed, and the prices' bound checked."""
        if self.plan is not None and self.decision is None:
            self.objective = -math.inf
            self._assign(self.plan.tier_of_site(self.problem))
        small = self.problem.links.n_link <= MOST_LINKS_FOR_HIGHS
        if self.decision is not None and small and not self.watch.interrupted:
            self.decision = spare_money(self.instance, self.decision)
            self.objective = evaluate(self.instance, self.decision).objective_kwh_per_day
        multipliers, by_duality = None, math.inf
        if self.point is not None and not self.infeasible:
            multipliers = price_instance(self.instance, self.problem, self.point)
            by_duality = check_bound(self.instance, multipliers)
        bound = max(min(self.bound, by_duality), self.objective)
        gap = compute_gap(self.objective, bound)
        self.watch.report(self.objective, bound)
        proven = gap <= self.watch.limits.gap
        if self.decision is not None:
            status = tell_status(gap, self.watch.limits.gap)
        else:
            status = SolveStatus.INFEASIBLE if self.infeasible else SolveStatus.NO_PLAN
        return SolveResult(
            status=status,
            decision=self.decision,
            objective=self.objective,
            bound=-math.inf if status is SolveStatus.INFEASIBLE else bound,
            gap=gap,
            bound_by_duality=by_duality,
            engine="+".join(self.engines),
            stopped=(StopReason.PROVEN if proven else self.watch.stop_reason)
            or StopReason.EXHAUSTED,
            wall_s=self.watch.seconds,
            cpu_s=time.process_time() - self.started_cpu_s,
            work=self.watch.work,
            multipliers=multipliers,
        )


def expect_plan(result: SolveResult) -> Decision:
    """Return the plan of a result, or say why there is none.

    Raises
    ------
    InfeasibleError
        If the requirements conflict; the faults name them.
    SolveError
        If no plan was found within the limits.
    """
    if result.decision is not None:
        return result.decision
    if result.status is SolveStatus.INFEASIBLE:
        raise InfeasibleError(
            [
                Fault(
                    what="no plan can meet all requirements",
                    remedy="relax one of them",
                )
            ]
        )
    raise SolveError(
        [
            Fault(
                what=f"no plan was found before the solve stopped ({result.stopped.value})",
                remedy="allow more time",
            )
        ]
    )
