"""Time Wuhan for five futures at once, by every rule, and the check on futures drawn anew.

    .venv/bin/python benchmarks/scenarios/wuhan.py [--gap 0.01] [--time-limit 180] [--draws 30]

Processor time of one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from siting.optimise.result import SolveOptions
from siting.pipeline import build_case, read_inputs, read_study
from siting.scenarios.plan import check_on_draws
from siting.scenarios.solve import solve_robust
from siting.scenarios.worlds import build_worlds

STUDY = Path(__file__).resolve().parents[2] / "data" / "wuhan" / "scenarios.yaml"


def main() -> None:
    """Solve the case once and print what it took."""
    parser = argparse.ArgumentParser(description="Time Wuhan for several futures.")
    parser.add_argument("--gap", type=float, default=0.01)
    parser.add_argument("--time-limit", type=float, default=180.0)
    parser.add_argument("--draws", type=int, default=30)
    asked = parser.parse_args()
    study = read_study(STUDY)
    case = build_case(read_inputs(study))
    worlds = build_worlds(case, study.scenarios, own_weight=study.robust.own_weight)
    started_s = time.process_time()
    options = SolveOptions(gap=asked.gap, time_limit_s=asked.time_limit, n_threads=1)
    result = solve_robust(worlds, options=options)
    solved_s = time.process_time()
    if result is None:
        raise SystemExit("no plan")
    print(f"{worlds.n_world} futures, {case.instance.n_site} sites, {case.instance.n_pair:,} pairs")
    print(f"solve {solved_s - started_s:.1f} s (processor)")
    for rule, plan in result.plans.items():
        print(f"{rule.value}: {plan.value:.2%}, bound {plan.bound:.2%} ({plan.status.value})")
    answer = check_on_draws(case, result, study.robust.rule, n_draw=asked.draws, seed=0)
    print(f"{asked.draws} futures drawn anew in {time.process_time() - solved_s:.1f} s (processor)")
    print(answer.summary_lines()[-1])


if __name__ == "__main__":
    main()
