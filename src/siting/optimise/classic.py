"""The classic family of location problems: one type, one solve call, one result.

    LSCP      min Σ f_j y_j          s.t. Σ_{j covers i} y_j ≥ r        (Toregas et al. 1971)
    MCLP      max Σ w_i max_j a_ij y_j                                  (Church and ReVelle 1974)
    p-median  min Σ w_i t_ij x_ij    s.t. Σ_j x_ij = 1, x_ij ≤ y_j      (ReVelle and Swain 1970)
    p-center  min max_i t_i          t_i the distance to the nearest opened site
    CFLP      min Σ f_j y_j + Σ w_i t_ij x_ij   s.t. Σ_i w_i x_ij ≤ q_j y_j
    backup    max Σ w_i (θ [covered once] + (1 - θ) [covered twice])    (Hogan and ReVelle 1986)

All share the rules for sites: count, budget, required, forbidden, spacing, and further linear
rules such as quotas. MCLP, p-median and CFLP without capacity go to our own exact method
(`coverage`, `p_median`), the rest to a mixed-integer solver; every answer is recomputed by
`evaluate_location` without either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, Engine, FloatArray, LocationModel, SolveStatus
from siting.errors import Fault, InputError, SolveError
from siting.optimise.classic_formulation import (
    build_backup,
    build_capacitated,
    build_coverage,
    build_median,
    build_set_cover,
)
from siting.optimise.coverage import build_coverage_rows
from siting.optimise.limits import Limits, StopReason, Watch, compute_gap
from siting.optimise.location_bound import Multipliers, compute_bound
from siting.optimise.location_evaluation import (
    LocationEvaluation,
    compute_shares,
    evaluate_location,
)
from siting.optimise.location_problem import LocationProblem, SiteRule
from siting.optimise.mip import solve_mip
from siting.optimise.p_median import build_median_rows
from siting.optimise.row_solver import maximise_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.optimise.limits import Progress

__all__ = [
    "ClassicResult",
    "Limits",
    "LocationEvaluation",
    "LocationModel",
    "LocationProblem",
    "Multipliers",
    "SiteRule",
    "compute_bound",
    "evaluate_location",
    "solve_classic",
]

HALF = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassicResult:
    """What a solve came to.

    Attributes
    ----------
    status
        ``OPTIMAL`` only if the gap is proven within the one asked for.
    objective
        Of the opened sites, recomputed; infinite (or minus infinite) without a plan.
    bound
        What no plan can beat.
    gap
        |objective − bound| over the objective.
    opened
        (n_site,) mask of the opened sites.
    share
        (n_pair,) share of its demand point's weight that goes over the pair.
    engines
        What solved it; several where one reduced the problem and another finished it.
    stopped
        Why the solve ended.
    work
        Work done (million pair visits).
    seconds
        Time taken (s).
    multipliers
        Prices from which `compute_bound` recomputes ``bound_by_duality`` without solving anything
        (MCLP, p-median and CFLP without capacity); None where another engine solved it.
    bound_by_duality
        What the multipliers alone prove; what ``bound`` closes beyond it rests on branching.
        Infinite without multipliers.
    """

    status: SolveStatus
    objective: float
    bound: float
    gap: float
    opened: BoolArray
    share: FloatArray
    engines: tuple[Engine, ...]
    stopped: StopReason
    work: float
    seconds: float
    bound_by_duality: float
    multipliers: Multipliers | None


def solve_classic(
    problem: LocationProblem,
    *,
    limits: Limits | None = None,
    engine: Engine = Engine.AUTO,
    on_progress: Callable[[Progress], None] | None = None,
) -> ClassicResult:
    """Solve a problem of the classic family.

    Parameters
    ----------
    problem
        What is asked.
    limits
        Gap, time, work, seed, threads.
    engine
        ``AUTO`` lets the problem choose; ``HIGHS`` and ``SCIP`` solve it as a mixed-integer
        model; ``LAGRANGIAN`` is our own method for MCLP, p-median and CFLP without capacity.
    on_progress
        Called with objective, bound and gap as they move.

    Returns
    -------
    ClassicResult
        The best plan found, its bound, and why the solve ended. Ctrl-C ends it with the best
        plan so far.

    Raises
    ------
    InputError
        If the engine cannot solve this model.
    """
    with Watch(limits or Limits(), on_progress=on_progress) as watch:
        by_rows = problem.supply_capacity is None and problem.model in _ROWS
        if engine is Engine.LAGRANGIAN and not by_rows:
            raise InputError(
                [
                    Fault(
                        column="engine",
                        value=engine,
                        what=f"it solves no {problem.model}"
                        + (" with capacity" if problem.model in _ROWS else ""),
                        remedy="ask for auto, highs or scip",
                    )
                ]
            )
        answer = None
        if by_rows and engine in {Engine.AUTO, Engine.LAGRANGIAN}:
            answer = _solve_rows(problem, watch)
        if answer is None:
            solve = _solve_center if problem.model is LocationModel.P_CENTER else _solve_model
            answer = solve(problem, watch, Engine.SCIP if engine is Engine.SCIP else Engine.HIGHS)
        return _finish(problem, watch, answer)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    """What an engine says, before it is checked."""

    opened: BoolArray | None
    share: FloatArray | None
    bound: float
    engines: tuple[Engine, ...]
    infeasible: bool = False
    multipliers: Multipliers | None = None


_ROWS = {
    LocationModel.MCLP: build_coverage_rows,
    LocationModel.P_MEDIAN: build_median_rows,
    LocationModel.CFLP: build_median_rows,
}


def _solve_rows(problem: LocationProblem, watch: Watch) -> _Answer | None:
    """Solve coverage or p-median by our own method; None where only a MIP solver can tell.

    That is where the best plan of the rows leaves somebody unserved who must be served.
    """
    model = _ROWS[problem.model](problem)
    if model is None:
        return _infeasible(Engine.LAGRANGIAN)
    sign = 1.0 if problem.model.maximises else -1.0
    found = maximise_rows(
        model.rows,
        model.rules,
        watch,
        origin=model.origin,
        whole_numbers=model.whole_numbers,
        on_progress=lambda value, bound: watch.report(
            model.origin + sign * value, model.origin + sign * bound
        ),
    )
    if found.infeasible:
        return _infeasible(Engine.LAGRANGIAN)
    opened = None if found.opened is None else model.whole_plan(found.opened)
    if opened is not None and not evaluate_location(problem, opened).feasible:
        return None
    return _Answer(
        opened=opened,
        share=None,
        bound=model.origin + sign * found.bound,
        engines=(Engine.LAGRANGIAN,),
        multipliers=model.find_multipliers(problem, found.price, found.rule_price),
    )


_BUILDERS = {
    LocationModel.MCLP: build_coverage,
    LocationModel.P_MEDIAN: build_median,
    LocationModel.CFLP: build_median,
    LocationModel.BACKUP: build_backup,
}


def _solve_model(problem: LocationProblem, watch: Watch, engine: Engine) -> _Answer:
    """Solve any model but p-center by a mixed-integer solver."""
    if problem.supply_capacity is not None:
        model = build_capacitated(problem)
    elif problem.model is LocationModel.LSCP:
        model = build_set_cover(problem, covered_by=np.ones(problem.n_pair, dtype=bool))
    else:
        model = _BUILDERS[problem.model](problem)
    if problem.model.uses_distance or problem.model is LocationModel.LSCP:
        unreachable = (np.diff(problem.cover_start) == 0) & (problem.demand_weight > 0)
        if unreachable.any():
            return _infeasible(engine)
    solution = solve_mip(model, watch, engine=engine)
    if solution.status is SolveStatus.INFEASIBLE:
        return _infeasible(engine)
    opened, share = None, None
    if solution.values is not None:
        opened = solution.values[: problem.n_site] > HALF
        if problem.supply_capacity is not None:
            weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
            share = np.zeros(problem.n_pair)
            share[weight > 0] = solution.values[problem.n_supply :]
    sign = -1.0 if problem.model.maximises else 1.0
    return _Answer(
        opened=opened,
        share=share,
        bound=sign * solution.bound,
        engines=(engine,),
    )


def _infeasible(engine: Engine) -> _Answer:
    return _Answer(opened=None, share=None, bound=math.nan, infeasible=True, engines=(engine,))


def _solve_center(problem: LocationProblem, watch: Watch, engine: Engine) -> _Answer:
    """Find the least radius at which allowed sites cover all, by bisection (Minieka 1970)."""
    distance = problem.cover_distance
    assert distance is not None  # noqa: S101 - refused when built
    weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
    radii = np.unique(np.concatenate(([0.0], distance[weight > 0])))
    within_rules = problem.replace(
        model=LocationModel.LSCP,
        cover_distance=None,
        site_cost=np.zeros(problem.n_site),
        budget=math.inf,
        rules=(
            *problem.rules,
            SiteRule(name="budget", coefficient=problem.site_cost, upper=problem.budget),
        ),
    )
    # All radii below `low` are proven too small; `high` is the least known to do.
    low, high, middle = 0, radii.size, radii.size - 1
    best: BoolArray | None = None
    while low < high and watch.stop_reason is None:
        cover = build_set_cover(within_rules, covered_by=distance <= radii[middle])
        solution = solve_mip(cover, watch, engine=engine)
        if solution.values is not None:
            best = solution.values[: problem.n_site] > HALF
            high = middle
        elif solution.status is SolveStatus.INFEASIBLE:
            low = middle + 1
        else:
            break
        middle = (low + high) // 2
        if best is not None:
            watch.report(float(radii[high]), float(radii[low]))
    if low == radii.size:
        return _infeasible(engine)
    return _Answer(opened=best, share=None, bound=float(radii[low]), engines=(engine,))


def _finish(problem: LocationProblem, watch: Watch, answer: _Answer) -> ClassicResult:
    """Recompute what an engine says, and state no more than that."""
    sign = -1.0 if problem.model.maximises else 1.0
    objective, bound = sign * math.inf, answer.bound
    opened = np.zeros(problem.n_site, dtype=bool) if answer.opened is None else answer.opened
    share = np.zeros(problem.n_pair)
    if answer.opened is not None:
        share = compute_shares(problem, opened) if answer.share is None else answer.share
        check = evaluate_location(problem, opened, share=share)
        if not check.feasible:
            raise SolveError(
                [
                    Fault(what=f"the engine's plan breaks a rule: {line}", remedy="report this")
                    for line in check.violations
                ]
            )
        objective = check.objective
        bound = sign * min(sign * bound, sign * objective)
    gap = compute_gap(objective, bound)
    if answer.infeasible:
        status, bound = SolveStatus.INFEASIBLE, sign * math.inf
    elif answer.opened is None:
        status = SolveStatus.NO_PLAN
    else:
        status = SolveStatus.OPTIMAL if gap <= watch.limits.gap else SolveStatus.FEASIBLE
    by_duality = sign * math.inf
    if answer.multipliers is not None:
        by_duality = compute_bound(problem, answer.multipliers)
    proven = status in {SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE}
    return ClassicResult(
        status=status,
        objective=objective,
        bound=bound,
        gap=gap,
        opened=opened,
        share=share,
        engines=answer.engines,
        stopped=StopReason.PROVEN if proven else watch.stop_reason or StopReason.EXHAUSTED,
        work=watch.work,
        seconds=watch.seconds,
        bound_by_duality=by_duality,
        multipliers=answer.multipliers,
    )
