"""Maximal coverage at scale: siting and its peers on made points, as a Markdown table.

Demand points and sites lie at random in a square, weights are whole numbers from 1 to 99, a site
covers what is within the radius at which a demand point has about so many covers. Illustrative,
seeded. In every round each engine runs once, in the same order, in a process of its own.

``python benchmarks/solve/coverage.py [CASE ...] [--rounds 3] [--limit 60] [--alone]``
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from measure import HEAD, PEERS, make_rules, measure, print_table
from scipy.spatial import cKDTree


class Case(NamedTuple):
    """What to make, and how far to prove it."""

    n_demand: int
    n_site: int
    covers: float
    most: int
    rules: bool = False
    limit_s: float = 120.0
    gap: float = 0.0
    with_peers: bool = False


CASES = {
    "20k": Case(20_000, 2_000, 20, 40, with_peers=True),
    "20k-rules": Case(20_000, 2_000, 20, 40, rules=True),
    "100k": Case(100_000, 5_000, 20, 100),
    "100k-rules": Case(100_000, 5_000, 20, 100, rules=True),
    "1M-easy": Case(1_000_000, 1_000, 20, 26, limit_s=300.0),
    "1M-hard": Case(1_000_000, 1_000, 20, 50, limit_s=300.0, gap=0.01),
    "5M": Case(5_000_000, 500, 20, 13, limit_s=600.0),
}


def make_case(case: Case, *, seed: int) -> dict[str, object]:
    """Make points and pairs; the same case and seed give the same arrays."""
    rng = np.random.default_rng(seed)
    demand, site = rng.random((case.n_demand, 2)), rng.random((case.n_site, 2))
    radius = float(np.sqrt(case.covers / case.n_site / np.pi))
    near = cKDTree(site)
    counts = near.query_ball_point(demand, radius, return_length=True)
    supply = np.empty(int(counts.sum()), dtype=np.int32)
    end = 0
    for chunk in np.array_split(demand, max(1, case.n_demand // 100_000)):
        for row in near.query_ball_point(chunk, radius, return_sorted=True):
            supply[end : end + len(row)] = row
            end += len(row)
    return {
        "model": "mclp",
        "demand_weight": rng.integers(1, 100, case.n_demand).astype(float),
        "cover_start": np.concatenate(([0], np.cumsum(counts))),
        "cover_supply": supply,
        "n_site": case.n_site,
        "most": case.most,
        "demand_xy": demand,
        "site_xy": site,
        "radius": radius,
        **make_rules(site, case.most, rng=rng, wanted=case.rules, spacing=0.4 * radius),
    }


def main() -> None:
    """Make the cases asked for, run the engines, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cases", nargs="*", help=f"of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=60.0, help="a peer's search (s)")
    parser.add_argument("--alone", action="store_true", help="without peers")
    asked = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        warm = Case(300, 40, 6, 8, rules=True)
        np.savez(Path(folder) / "warm-mclp.npz", **make_case(warm, seed=9))
        for name in asked.cases or ["20k", "20k-rules"]:
            case = CASES[name]
            path = Path(folder) / f"{name}.npz"
            np.savez(path, **make_case(case, seed=1))
            engines = ["siting", *(PEERS if case.with_peers and not asked.alone else ())]
            limits_s = dict.fromkeys(engines, asked.limit) | {"siting": case.limit_s}
            took = measure(path, engines, rounds=asked.rounds, limits_s=limits_s, gap=case.gap)
            print_table(name, took)


if __name__ == "__main__":
    main()
