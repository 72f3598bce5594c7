"""One instance, one solve, one result: the main model of capacitated coverage with tiers."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Engine, SolveStatus
from siting.errors import Fault, InfeasibleError, SolveError
from siting.instance import Decision, SitingInstance, evaluate
from siting.optimise.assignment import assign_drivers, solve_baseline
from siting.optimise.formulation import build_columns, build_model, build_site_rows
from siting.optimise.limits import Progress, StopReason, Watch, compute_gap
from siting.optimise.links import build_links
from siting.optimise.mip import solve_mip
from siting.optimise.result import SolveOptions, SolveResult

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress", "SolveOptions", "SolveResult", "expect_plan", "solve", "solve_baseline"]


def solve(
    instance: SitingInstance,
    *,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None = None,
) -> SolveResult:
    """Solve the main model.

    Parameters
    ----------
    instance
        What to solve.
    options
        Gap, limits, seed and engine.
    progress
        Told of incumbent, bound and gap as they move.
    """
    started_cpu_s = time.process_time()
    with Watch(options, on_progress=progress) as watch:
        links = build_links(
            instance, supply_used=np.ones(instance.n_supply, dtype=bool), merged=True
        )
        columns = build_columns(instance)
        model = build_model(instance, links, columns, build_site_rows(instance, columns))
        engine = Engine.SCIP if options.engine is Engine.SCIP else Engine.HIGHS
        answer = solve_mip(model, watch, engine=engine)
        decision, objective = None, -math.inf
        if answer.values is not None:
            chosen = np.flatnonzero(np.round(answer.values[: columns.n_column]))
            decision = assign_drivers(instance, columns.tier_of_site(chosen))
        if decision is not None:
            objective = evaluate(instance, decision).objective_kwh_per_day
        bound = max(-answer.bound, objective)
        gap = compute_gap(objective, bound)
        status = answer.status
        if decision is not None:
            status = SolveStatus.OPTIMAL if gap <= options.gap else SolveStatus.FEASIBLE
        return SolveResult(
            status=status,
            decision=decision,
            objective=objective,
            bound=bound,
            gap=gap,
            bound_by_duality=math.inf,
            engine=engine.value,
            stopped=watch.stop_reason
            or (StopReason.PROVEN if gap <= options.gap else StopReason.EXHAUSTED),
            wall_s=watch.seconds,
            cpu_s=time.process_time() - started_cpu_s,
            work=watch.work,
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
