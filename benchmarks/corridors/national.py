"""Time the national case of trips: building the model, the solve, and driving every trip again.

    .venv/bin/python benchmarks/corridors/national.py [--gap 0.02] [--least-cars 0]

Processor time of one thread. ``--least-cars`` leaves out trips with fewer cars a day, to see how
the time grows with the number of trips.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from siting.corridors.build import build_corridors
from siting.corridors.evaluation import evaluate_joint
from siting.corridors.solve import solve_joint
from siting.optimise.result import SolveOptions
from siting.pipeline import build_case, read_inputs, read_study

STUDY = Path(__file__).resolve().parents[2] / "data" / "china" / "study.yaml"


def main() -> None:
    """Solve the case once and print what it took."""
    parser = argparse.ArgumentParser(description="Time trips between 60 cities.")
    parser.add_argument("--gap", type=float, default=0.02)
    parser.add_argument("--least-cars", type=float, default=0.0)
    asked = parser.parse_args()
    case = build_case(read_inputs(read_study(STUDY)))
    table = case.trips
    if table is None:
        raise SystemExit("the study has no trips")
    cars = table.frame.filter(like="cars_").sum(axis=1)
    table = replace(table, frame=table.frame[cars >= asked.least_cars].reset_index(drop=True))
    started_s = time.process_time()
    trips = build_corridors(case, table).instance
    built_s = time.process_time()
    options = SolveOptions(gap=asked.gap, time_limit_s=600, n_threads=1)
    result = solve_joint(case.instance, trips, options=options)
    solved_s = time.process_time()
    if result.solve.decision is None or result.trips is None:
        raise SystemExit("no plan")
    check = evaluate_joint(case.instance, result.solve.decision, trips, result.trips)
    driven_s = time.process_time()
    print(f"{len(table.frame)} pairs of places, {trips.n_trip} trips, {trips.n_stop} stops")
    print(f"sites {case.instance.n_site}, tiers {case.instance.n_tier}")
    print(f"paths {built_s - started_s:.1f} s, solve {solved_s - built_s:.1f} s (processor)")
    print(f"{result.solve.status.value}, gap {result.solve.gap:.2%} of {asked.gap:.2%} asked")
    print(f"driven again in {driven_s - solved_s:.2f} s: {len(check.violations)} failed")


if __name__ == "__main__":
    main()
