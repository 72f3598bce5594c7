"""The p-median problem: siting and its peers on made points, and OR-Library's twenty.

Demand points are also the sites, at random in a square; weights are whole numbers from 1 to 99,
distances straight and rounded to whole units. Illustrative, seeded. OR-Library's instances are
taken from the folder given; each is solved until proven.

``python benchmarks/solve/p_median.py [CASE ...] [--rounds 3] [--limit 60] [--alone] [--pmed DIR]``
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import HEAD, PEERS, make_rules, measure, print_table

# Numba looks for the package `coverage`, and would find the benchmark of that name; the reader of
# OR-Library's files is the tests'.
sys.path[0] = str(Path(__file__).parents[2] / "tests" / "known_answers")

from conftest import SHARED, KnownAnswers  # noqa: E402 - see above
from siting.optimise.classic import Limits, solve_classic  # noqa: E402 - see above

PER_UNIT = 10_000.0


class Case(NamedTuple):
    """What to make, and how far to prove it."""

    n_point: int
    most: int
    rules: bool = False
    limit_s: float = 300.0
    gap: float = 0.0
    with_peers: bool = False


CASES = {
    "300": Case(300, 15, with_peers=True),
    "300-rules": Case(300, 15, rules=True),
    "5000": Case(5_000, 100, gap=0.01),
    "5000-rules": Case(5_000, 100, rules=True, gap=0.01),
}


def make_case(case: Case, *, seed: int) -> dict[str, object]:
    """Make points and all their pairs; the same case and seed give the same arrays."""
    rng = np.random.default_rng(seed)
    point = rng.random((case.n_point, 2))
    table = np.hypot(*(point[:, None, :] - point[None, :, :]).transpose(2, 0, 1))
    return {
        "model": "p_median",
        "demand_weight": rng.integers(1, 100, case.n_point).astype(float),
        "cover_start": np.arange(case.n_point + 1) * case.n_point,
        "cover_supply": np.tile(np.arange(case.n_point, dtype=np.int32), case.n_point),
        "cover_distance": np.round(table * PER_UNIT).ravel(),
        "n_site": case.n_point,
        "most": case.most,
        "demand_xy": point,
        "site_xy": point,
        "per_unit": PER_UNIT,
        **make_rules(
            point,
            case.most,
            rng=rng,
            wanted=case.rules,
            spacing=0.3 / case.most**0.5,
        ),
    }


def prove_pmed(folder: Path) -> None:
    """Prove OR-Library's instances one after the other, and print what each took."""
    known, total_s = KnownAnswers(folder), 0.0
    solve_classic(known.p_median("pmed1"), limits=Limits(gap=0.0))
    print("\n| instance | points | p | optimum | proven | CPU s |\n|---|---|---|---|---|---|")
    for name in known.names("pmed"):
        problem = known.p_median(name)
        started_s = time.process_time()
        result = solve_classic(problem, limits=Limits(gap=0.0))
        took_s = time.process_time() - started_s
        total_s += took_s
        proven = result.objective == result.bound == known.optimum("pmed", name)
        print(
            f"| {name} | {problem.n_demand} | {problem.max_sites} | {result.objective:.0f} "
            f"| {'yes' if proven else 'NO'} | {took_s:.2f} |",
            flush=True,
        )
    print(f"| all | | | | | {total_s:.1f} |")


def main() -> None:
    """Make the cases asked for, run the engines, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cases", nargs="*", help=f"pmed, or of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=60.0, help="a peer's search (s)")
    parser.add_argument("--alone", action="store_true", help="without peers")
    parser.add_argument("--pmed", type=Path, default=SHARED, help="folder of the instances")
    asked = parser.parse_args()
    print(HEAD)
    names = asked.cases or ["300", "300-rules", "5000"]
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "warm-p_median.npz", **make_case(Case(60, 6, rules=True), seed=9))
        for name in names:
            if name == "pmed":
                continue
            case, path = CASES[name], Path(folder) / f"{name}.npz"
            np.savez(path, **make_case(case, seed=1))
            engines = ["siting", *(PEERS if case.with_peers and not asked.alone else ())]
            limits_s = dict.fromkeys(engines, asked.limit) | {"siting": case.limit_s}
            print_table(
                name, measure(path, engines, rounds=asked.rounds, limits_s=limits_s, gap=case.gap)
            )
    if "pmed" in names:
        prove_pmed(asked.pmed)


if __name__ == "__main__":
    main()
