"""Time Wuhan in three years: one model over all periods, beside deciding year by year.

    .venv/bin/python benchmarks/phases/wuhan.py [--gap 0.005] [--candidates 60] [--time-limit 180]

Processor time of one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from siting.optimise.result import SolveOptions
from siting.phases.evaluation import evaluate_phases
from siting.phases.instance import build_phases
from siting.phases.solve import solve_phases
from siting.pipeline import build_case, read_inputs, read_study

STUDY = Path(__file__).resolve().parents[2] / "data" / "wuhan" / "phases.yaml"


def main() -> None:
    """Solve the case once and print what it took."""
    parser = argparse.ArgumentParser(description="Time Wuhan in three years.")
    parser.add_argument("--gap", type=float, default=0.005)
    parser.add_argument("--candidates", type=int, default=60)
    parser.add_argument("--time-limit", type=float, default=180.0)
    asked = parser.parse_args()
    study = read_study(STUDY, changes={"inputs.candidates.count": str(asked.candidates)})
    phased = build_phases(build_case(read_inputs(study)).instance, study.phases)
    started_s = time.process_time()
    options = SolveOptions(gap=asked.gap, time_limit_s=asked.time_limit, n_threads=1)
    result = solve_phases(phased, options=options)
    solved_s = time.process_time()
    if not result.decisions:
        raise SystemExit("no plan")
    check = evaluate_phases(phased, result.decisions)
    least, most = result.myopic_loss
    print(f"{phased.n_period} periods, {phased.n_site} sites, {phased.periods[0].n_pair:,} pairs")
    print(f"solve {solved_s - started_s:.1f} s (processor)")
    print(f"{result.status.value}, gap {result.gap:.2%} of {asked.gap:.2%} asked")
    print(f"year by year loses {least:.2%} to {most:.2%}")
    print(f"recomputed in {time.process_time() - solved_s:.2f} s: {len(check.violations)} broken")


if __name__ == "__main__":
    main()
