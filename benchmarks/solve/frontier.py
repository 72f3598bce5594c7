"""What a frontier and what-ifs cost beside a single solve, by CPU time in one process.

    python benchmarks/solve/frontier.py [STUDY] [--gap 0.01] [--what-ifs]

Solves the study once as it asks, and after it ten tenths of its budget to the frontier's gap;
with ``--what-ifs`` also the study with a tenth less money, with a site of the plan shut out and
with another one required, once from the start and once from the plan and the prices in hand.
The embedded city's vehicles and stations are illustrative.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

# Numba asks for a package named coverage, and must not get the benchmark beside this file.
sys.path.pop(0)

import numpy as np

from siting.optimise.frontier import solve_frontier
from siting.optimise.solve import SolveOptions, expect_plan, solve, solve_nearby
from siting.pipeline import build_case, embedded_study_path, read_inputs, read_study

if TYPE_CHECKING:
    from siting.instance import SitingInstance
    from siting.optimise.solve import SolveResult

TENTHS = range(1, 11)


def tell(name: str, result: SolveResult) -> None:
    """Print a line of the table."""
    print(
        f"| {name} | {result.cpu_s:.1f} | {result.work:.0f} | {result.objective:.0f} "
        f"| {result.bound:.0f} | {result.gap:.2%} | {result.status.value} | {result.engine} |",
        flush=True,
    )


def change(instance: SitingInstance, plan: SolveResult) -> dict[str, SitingInstance]:
    """Return what may be asked after a plan is known."""
    req, opened = instance.requirements, expect_plan(plan).opened
    one = np.arange(instance.n_site)
    shut_out = req.forbidden | (one == np.flatnonzero(opened & ~req.required)[0])
    asked_for = req.required | (one == np.flatnonzero(~opened & ~req.forbidden)[0])
    changed = {
        "a tenth less money": req.replace(budget_cny=0.9 * req.budget_cny),
        "a site of the plan shut out": req.replace(forbidden=shut_out),
        "another site required": req.replace(required=asked_for),
    }
    return {name: instance.replace(requirements=after) for name, after in changed.items()}


def main() -> None:
    """Solve once, then what costs less after it, and print a table and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", type=Path, default=embedded_study_path())
    parser.add_argument("--gap", type=float, default=0.01)
    parser.add_argument("--what-ifs", action="store_true")
    asked = parser.parse_args()
    case = build_case(read_inputs(read_study(asked.study)))
    instance, whole_cny = case.instance, case.instance.requirements.budget_cny
    options = SolveOptions(gap=case.study.solve.gap, time_limit_s=600.0)
    wide = SolveOptions(gap=asked.gap, time_limit_s=600.0)
    # What is compiled once is not counted.
    solve_frontier(instance, [whole_cny], options=SolveOptions(gap=0.5))
    print("| solve | CPU s | work | kWh/day | at most | gap | status | engine |")
    print("|---|---|---|---|---|---|---|---|")
    single = solve(instance, options=options)
    tell("the study by itself", single)
    started_s = time.process_time()
    budgets = [whole_cny * tenth / 10 for tenth in TENTHS]
    points = solve_frontier(instance, budgets, options=wide)
    ten_s = time.process_time() - started_s
    for budget_cny, point in zip(budgets, points, strict=True):
        tell(f"{budget_cny / 1e6:.1f} million CNY", point)
    print(f"\nten points take {ten_s:.1f} s of CPU, {ten_s / single.cpu_s:.1f} single solves\n")
    if asked.what_ifs:
        for name, changed in change(instance, single).items():
            tell(f"{name}, from the start", solve(changed, options=wide))
            tell(
                f"{name}, from the plan in hand", solve_nearby(changed, options=wide, start=single)
            )


if __name__ == "__main__":
    main()
