"""One engine on one made problem, in a process of its own; prints what it took as JSON.

What counts is the processor's time from the plain arrays to the answer: building the model
included, importing and compiling not. Peers get the problem as their own documentation builds it.
spopt wants a full table of distances, which is made before its clock starts. A peer stops at the
limit of wall time for its search; building is not limited.

``python peers.py ENGINE CASE.npz LIMIT_S GAP``
"""

from __future__ import annotations

import json
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

# Numba looks for the package `coverage`, and would find the benchmark of that name.
sys.path.pop(0)

from siting.optimise.classic import (
    Limits,
    LocationModel,
    LocationProblem,
    SiteRule,
    solve_classic,
)
from siting.optimise.coverage import build_coverage_rows
from siting.optimise.p_median import build_median_rows

SOLVERS = {"MathOpt HiGHS": "HIGHS", "MathOpt SCIP": "GSCIP", "MathOpt CP-SAT": "CP_SAT"}
SPOPT = "spopt with CBC"


class Found(NamedTuple):
    """What an engine says."""

    objective: float
    bound: float
    build_s: float


def read_problem(case: dict[str, np.ndarray]) -> LocationProblem:
    """Build siting's problem from a case."""
    model = LocationModel(str(case["model"]))
    distance = case.get("cover_distance")
    return LocationProblem(
        model=model,
        demand_weight=case["demand_weight"],
        cover_start=case["cover_start"],
        cover_supply=case["cover_supply"],
        cover_distance=distance,
        site_cost=np.ones(int(case["n_site"])),
        max_sites=int(case["most"]),
        required=case["required"],
        forbidden=case["forbidden"],
        spacing_pairs=case["spacing_pairs"],
        rules=tuple(
            SiteRule(name=f"quarter {k}", coefficient=row, lower=low, upper=high)
            for k, (row, low, high) in enumerate(
                zip(case["quota"], case["quota_lower"], case["quota_upper"], strict=True)
            )
        ),
    )


def run_siting(case: dict[str, np.ndarray], limit_s: float, gap: float) -> Found:
    """Solve by siting; the model is built once more to say how long that takes alone."""
    started_s = time.process_time()
    build = build_median_rows if "cover_distance" in case else build_coverage_rows
    build(read_problem(case))
    build_s = time.process_time() - started_s
    result = solve_classic(
        read_problem(case), limits=Limits(gap=gap, time_limit_s=limit_s, n_threads=1)
    )
    return Found(result.objective, result.bound, build_s)


def run_mathopt(case: dict[str, np.ndarray], solver: str, limit_s: float, gap: float) -> Found:
    """Solve by a solver of OR-Tools: a variable for every site, and demand point or pair."""
    from ortools.math_opt.python import mathopt  # noqa: PLC0415 - one peer a process

    started_s = time.process_time()
    model = mathopt.Model()
    opened = [model.add_binary_variable() for _ in range(int(case["n_site"]))]
    model.add_linear_constraint(mathopt.fast_sum(opened) <= int(case["most"]))
    _add_rules(model, case, opened, mathopt.fast_sum)
    start, supply, weight = case["cover_start"], case["cover_supply"], case["demand_weight"]
    distance = case.get("cover_distance")
    terms = []
    for i in range(weight.size):
        row = range(start[i], start[i + 1])
        if distance is None:
            served = model.add_variable(lb=0.0, ub=1.0)
            model.add_linear_constraint(served <= mathopt.fast_sum(opened[supply[k]] for k in row))
            terms.append(weight[i] * served)
            continue
        shares = [model.add_variable(lb=0.0, ub=1.0) for _ in row]
        model.add_linear_constraint(mathopt.fast_sum(shares) == 1.0)
        for k, share in zip(row, shares, strict=True):
            model.add_linear_constraint(share <= opened[supply[k]])
            terms.append(weight[i] * distance[k] * share)
    model.set_objective(mathopt.fast_sum(terms), is_maximize=distance is None)
    build_s = time.process_time() - started_s
    # MathOpt's HiGHS takes no number of threads.
    threads = None if solver == "HIGHS" else 1
    result = mathopt.solve(
        model,
        mathopt.SolverType[solver],
        params=mathopt.SolveParameters(
            time_limit=timedelta(seconds=limit_s), relative_gap_tolerance=gap, threads=threads
        ),
    )
    found = result.has_primal_feasible_solution()
    return Found(
        result.objective_value() if found else float("nan"), result.best_objective_bound(), build_s
    )


def _add_rules(model, case: dict[str, np.ndarray], opened: list, total) -> None:  # noqa: ANN001 - MathOpt's
    for j in np.flatnonzero(case["required"]):
        opened[j].lower_bound = 1.0
    for j in np.flatnonzero(case["forbidden"]):
        opened[j].upper_bound = 0.0
    for a, b in case["spacing_pairs"]:
        model.add_linear_constraint(opened[a] + opened[b] <= 1.0)
    for row, low, high in zip(case["quota"], case["quota_lower"], case["quota_upper"], strict=True):
        model.add_linear_constraint(
            lb=low, expr=total(opened[j] for j in np.flatnonzero(row)), ub=high
        )


def run_spopt(case: dict[str, np.ndarray], limit_s: float, gap: float) -> Found:
    """Solve by PySAL's spopt through CBC; it knows no quotas, spacing or forbidden sites."""
    import pulp  # noqa: PLC0415 - one peer a process
    from spopt.locate import MCLP, PMedian  # noqa: PLC0415

    table = np.hypot(
        *(case["demand_xy"][:, None, :] - case["site_xy"][None, :, :]).transpose(2, 0, 1)
    )
    if str(case["model"]) == "p_median":
        table = np.round(table * float(case["per_unit"]))
    weight, most = case["demand_weight"], int(case["most"])
    solver = pulp.PULP_CBC_CMD(msg=False, timeLimit=limit_s, gapRel=gap)
    started_s = time.process_time()
    if str(case["model"]) == "p_median":
        model = PMedian.from_cost_matrix(table, weight, p_facilities=most)
    else:
        model = MCLP.from_cost_matrix(
            table, weight, service_radius=float(case["radius"]), p_facilities=most
        )
    build_s = time.process_time() - started_s
    model = model.solve(solver)
    objective = float(model.problem.objective.value())
    # CBC stops within the gap or at the limit, and PuLP does not tell its bound.
    return Found(objective, float("nan"), build_s)


def run(engine: str, case: dict[str, np.ndarray], limit_s: float, gap: float) -> Found:
    """Run an engine by its name."""
    if engine == SPOPT:
        return run_spopt(case, limit_s, gap)
    if engine in SOLVERS:
        return run_mathopt(case, SOLVERS[engine], limit_s, gap)
    return run_siting(case, limit_s, gap)


def cpu_s() -> float:
    """Return the processor's time of this process and its children (CBC is one)."""
    own, children = (resource.getrusage(who) for who in (0, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> None:
    """Run one engine and print what it took."""
    engine, path, limit_s, gap = sys.argv[1], Path(sys.argv[2]), *map(float, sys.argv[3:5])
    case = dict(np.load(path))
    if engine == "siting":
        small = dict(np.load(path.with_name(f"warm-{case['model']}.npz")))
        run_siting(small, 60.0, 0.0)
    started_s, started_cpu_s = time.perf_counter(), cpu_s()
    found = run(engine, case, limit_s, gap)
    peak_kib = max(resource.getrusage(who).ru_maxrss for who in (0, resource.RUSAGE_CHILDREN))
    print(
        json.dumps(
            {
                "objective": found.objective,
                "bound": found.bound,
                "build_s": found.build_s,
                "cpu_s": cpu_s() - started_cpu_s,
                "wall_s": time.perf_counter() - started_s,
                "peak_mib": peak_kib / 1024,
            }
        )
    )


if __name__ == "__main__":
    main()
