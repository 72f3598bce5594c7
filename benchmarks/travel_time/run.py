"""Measure siting's travel times against what a planner would use, and write a Markdown table.

``python benchmarks/travel_time/run.py [--quick] [--cases CASE …] [--engines ENGINE …]``

Every engine runs each case in a process of its own, on one core, the engines one after the other
and the whole several times over, so that a busy machine slows all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from cases import CASES, find_missing
from engines import ENGINES, SAME_S

HERE = Path(__file__).parent
SITING, ON_TWO = "siting", "siting, two cores"
USUAL_CASES = (
    "wuhan-A", "shenzhen-A", "100k-A", "400k-A", "1M-A", "1M-B", "5M-B",
    "100k-W", "400k-W", "1M-W", "5M-W",
)  # fmt: skip
QUICK_CASES = ("wuhan-A", "100k-A")
QUICK_ENGINES = (SITING, ON_TWO, "scipy, at once", "scipy, chunked")
GIB = 1024.0
QUIET = 1.1
"""A run on one core whose wall clock is at most so many times its CPU time had its core."""

REFUSALS = {
    "scipy, at once": (("1M", "5M"), "its dense answer would take 16 GB and more"),
    "pandana": (("5M",), "at 400 k nodes it takes 1.8 GB: some 20 GB here"),
    "networkx": (("5M",), "at 100 k nodes its graph of objects takes 170 MB: some 8 GB here"),
}
"""Which networks an engine is not tried on, and why."""

COLUMNS = (
    "engine", "prepare s", "search s", "CPU s", "to siting", "peak MiB", "to siting", "pairs",
    "against siting's pairs", "one core to two, wall",
)  # fmt: skip


def main() -> None:
    """Run the cases asked for and write the table."""
    asked = _parse()
    lines = [_describe_machine(asked), ""]
    for case in asked.cases:
        missing = find_missing(case)
        lines += [f"### {case}", ""]
        lines += [missing, ""] if missing else run_case(case, asked)
        asked.output.write_text("\n".join(lines), encoding="utf-8")
    print(asked.output.read_text(encoding="utf-8"))


def run_case(case: str, asked: argparse.Namespace) -> list[str]:
    """Measure every engine on one case, round by round; return the lines of its table."""
    refused = {name: why for name, (large, why) in REFUSALS.items() if case.startswith(large)}
    names = [name for name in asked.engines if name not in refused]
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    with TemporaryDirectory() as folder:
        written, reference = Path(folder, "case.npz"), Path(folder, "reference.npz")
        _python("cases.py", case, written)
        _python("engines.py", "reference", written, reference, 0)
        for number in range(asked.rounds):
            for name in names:
                print(f"{case}, round {number + 1}: {name}", file=sys.stderr)
                out = _python("engines.py", name, written, reference, asked.budget)
                runs[name].append(json.loads(out.splitlines()[-1]))
    lines = [_row(COLUMNS), _row("---" for _ in COLUMNS)]
    lines += [_row(_cells(name, runs)) for name in names]
    lines += [
        _row((name, f"not run: {why}", *[""] * (len(COLUMNS) - 2)))
        for name, why in refused.items()
        if name in asked.engines
    ]
    return [*lines, ""]


def _cells(name: str, runs: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Return one engine's medians as the cells of its row."""
    mine, first = runs[name], runs.get(SITING) or runs[name]
    some = mine[0]
    cpu_s, siting_s = ([run["prepare_s"] + run["search_s"] for run in of] for of in (mine, first))
    sampled = "*" if some["n_site"] < first[0]["n_site"] else ""
    peak_mb = [run["peak_mb"] for run in mine]
    siting_mb = [run["peak_mb"] for run in first]
    return [
        name,
        f"{median(run['prepare_s'] for run in mine):.2f}",
        f"{median(run['search_s'] for run in mine):.2f}{sampled}",
        f"{median(cpu_s):.2f}{sampled}",
        f"{median(a / b for a, b in zip(cpu_s, siting_s, strict=True)):.1f}",
        f"{median(peak_mb):,.0f}",
        f"{median(a / b for a, b in zip(peak_mb, siting_mb, strict=True)):.1f}",
        f"{some['n_pair']:,}{sampled}",
        _agreement(some),
        _gain(first, mine) if name == ON_TWO else "",
    ]


def _agreement(run: dict[str, Any]) -> str:
    """Say how the pairs of a run differ from the reference's."""
    if not run["n_extra"] and not run["n_missing"] and run["differs_s"] <= SAME_S:
        return "equal"
    pairs = f"{run['n_extra']:,} extra, {run['n_missing']:,} missing, "
    return (pairs if run["n_extra"] or run["n_missing"] else "") + f"{run['differs_s']:.1g} s off"


def _gain(one: list[dict[str, Any]], two: list[dict[str, Any]]) -> str:
    """Return how many times faster two cores are, from the rounds that had their cores."""
    quiet = [
        a["wall_s"] / b["wall_s"]
        for a, b in zip(one, two, strict=True)
        if a["wall_s"] <= QUIET * (a["prepare_s"] + a["search_s"])
    ]
    if not quiet:
        return "machine too busy to tell"
    return f"{median(quiet):.2f} ({len(quiet)} of {len(one)} rounds quiet)"


def _python(script: str, *arguments: object) -> str:
    one_core = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, HERE / script, *map(str, arguments)],
        env=os.environ | one_core,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def _row(cells: Any) -> str:  # noqa: ANN401 - any iterable of words
    return "| " + " | ".join(cells) + " |"


def _describe_machine(asked: argparse.Namespace) -> str:
    return (
        f"Medians of {asked.rounds} rounds on {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}; CPU seconds of all threads. * scaled up from a "
        f"sample of the sites, as many as take {asked.budget:g} s."
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--quick", action="store_true", help="small cases, fewer engines, 2 rounds")
    parser.add_argument("--cases", nargs="+", choices=CASES, metavar="CASE", help=", ".join(CASES))
    parser.add_argument(
        "--engines", nargs="+", choices=ENGINES, metavar="ENGINE", help=", ".join(ENGINES)
    )
    parser.add_argument("--rounds", type=int, help="how often everything is measured; usually 3")
    parser.add_argument("--budget", type=float, help="CPU seconds a peer may search; usually 40")
    parser.add_argument("--output", type=Path, default=Path("travel_time.md"))
    asked = parser.parse_args()
    asked.cases = asked.cases or (QUICK_CASES if asked.quick else USUAL_CASES)
    asked.engines = asked.engines or (QUICK_ENGINES if asked.quick else tuple(ENGINES))
    asked.rounds = asked.rounds or (2 if asked.quick else 3)
    asked.budget = asked.budget or (10.0 if asked.quick else 40.0)
    return asked


if __name__ == "__main__":
    main()
