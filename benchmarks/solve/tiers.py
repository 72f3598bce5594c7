"""Capacitated coverage with tiers on made cities: siting beside HiGHS and SCIP on the whole model.

    python benchmarks/solve/tiers.py 2000x400 [20000x2000 …] [--rules] [--repeat 3]
        [--scale even] [--supply-ratio 0.3]

Every run is a process of its own, peers one after another in the same order; the table has medians
of CPU seconds, the ratio to siting's, peak memory and the gap proven. ``--rules`` switches floors
by brand, grid groups and spacing on. How hard a city is depends on what large sites cost
(``--scale``) and on how much of the demand the budget can serve (``--supply-ratio``) more than on
its size. Cities are made from a seed; nothing in them is real.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

from make_instances import MadeCity, Scale, make_city

# Numba asks for a package named coverage, and must not get the benchmark beside this file.
sys.path.pop(0)

from siting.domain import Engine
from siting.optimise.solve import SolveOptions, solve
from siting.optimise.tier_problem import build_problem

ENGINES = (Engine.LAGRANGIAN, Engine.HIGHS, Engine.SCIP)
# Small enough to solve in a blink, so that compiling is not counted.
WARM_UP = MadeCity(n_demand=60, n_site=12, covers_per_demand=4.0, budget_sites=3.0)


def run_once(made: MadeCity, engine: Engine, *, gap: float, limit_s: float) -> None:
    """Solve one city and print what came out as a line of JSON."""
    city = make_city(made, seed=1)
    options = SolveOptions(gap=gap, time_limit_s=limit_s, engine=engine)
    solve(make_city(WARM_UP, seed=1), options=SolveOptions(gap=0.2, engine=Engine.LAGRANGIAN))
    started_s = time.process_time()
    build_problem(city)
    build_s = time.process_time() - started_s
    result = solve(city, options=options)
    print(
        json.dumps(
            {
                "engine": result.engine,
                "cpu_s": result.cpu_s,
                "wall_s": result.wall_s,
                "build_s": build_s,
                "objective": result.objective,
                "gap": result.gap,
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    """Run the peers in turn and print a table for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="+", metavar="DEMANDSxSITES")
    parser.add_argument("--rules", action="store_true")
    parser.add_argument("--budget-sites", type=float, default=25.0, help="in sites of middle cost")
    parser.add_argument("--supply-ratio", type=float, default=0.6, help="capacity over demand")
    parser.add_argument("--scale", type=Scale, default=Scale.POOLED, help=", ".join(Scale))
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--gap", type=float, default=0.005)
    parser.add_argument("--limit-s", type=float, default=120.0)
    parser.add_argument("--engines", nargs="+", type=Engine, default=ENGINES)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        n_demand, n_site = (int(part) for part in asked.sizes[0].split("x"))
        made = MadeCity(
            n_demand=n_demand,
            n_site=n_site,
            budget_sites=asked.budget_sites,
            supply_ratio=asked.supply_ratio,
            scale=asked.scale,
            floors=asked.rules,
            grid_groups=asked.rules,
            spacing=asked.rules,
        )
        run_once(made, asked.engines[0], gap=asked.gap, limit_s=asked.limit_s)
        return
    print("| city | engine | CPU s | ratio | wall s | building s | peak MiB | worth | gap |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in asked.sizes:
        found: dict[Engine, list[dict[str, float]]] = {engine: [] for engine in asked.engines}
        for _ in range(asked.repeat):
            for engine in asked.engines:
                call = [sys.executable, __file__, size, "--inside", "--engines", engine.value]
                call += ["--gap", str(asked.gap), "--limit-s", str(asked.limit_s)]
                call += ["--budget-sites", str(asked.budget_sites)]
                call += ["--supply-ratio", str(asked.supply_ratio), "--scale", asked.scale.value]
                call += ["--rules"] if asked.rules else []
                answer = subprocess.run(call, check=True, capture_output=True, text=True)
                found[engine].append(json.loads(answer.stdout.splitlines()[-1]))
        for engine, runs in found.items():
            ours = statistics.median(run["cpu_s"] for run in found[asked.engines[0]])
            of = {
                key: statistics.median(run[key] for run in runs)
                for key in runs[0]
                if key != "engine"
            }
            print(
                f"| {size} | {engine.value} | {of['cpu_s']:.1f} | {of['cpu_s'] / ours:.1f} "
                f"| {of['wall_s']:.1f} | {of['build_s']:.2f} | {of['peak_mib']:.0f} "
                f"| {of['objective']:.0f} | {of['gap']:.2%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
