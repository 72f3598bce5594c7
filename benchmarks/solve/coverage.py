"""Maximal coverage at scale: siting and its peers on made points, as a Markdown table.

Demand points and sites lie at random in a square, weights are whole numbers from 1 to 99, a site
covers what is within the radius at which a demand point has about so many covers. Illustrative,
seeded. In every round each engine runs once, in the same order, in a process of its own.

``python benchmarks/solve/coverage.py [CASE ...] [--rounds 3] [--limit 60] [--alone]``
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from peers import PEERS
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


def make_rules(
    site: np.ndarray, most: int, *, rng: np.random.Generator, wanted: bool, spacing: float
) -> dict[str, object]:
    """Draw required and forbidden sites, quotas by quarter and pairs that stand too close."""
    n_site = len(site)
    required, forbidden = np.zeros(n_site, dtype=bool), np.zeros(n_site, dtype=bool)
    pairs = np.empty((0, 2), dtype=np.int32)
    quarter = 2 * (site[:, 0] > 0.5) + (site[:, 1] > 0.5)  # noqa: PLR2004 - the middle
    quota = np.array([quarter == k for k in range(4 if wanted else 0)], dtype=float)
    if wanted:
        drawn = rng.permutation(n_site)
        required[drawn[:2]] = True
        forbidden[drawn[2 : 2 + n_site // 20]] = True
        pairs = cKDTree(site).query_pairs(spacing, output_type="ndarray").astype(np.int32)
        clash = required[pairs].all(axis=1)
        pairs = pairs[~clash]
    return {
        "required": required,
        "forbidden": forbidden,
        "spacing_pairs": pairs,
        "quota": quota.reshape(-1, n_site),
        "quota_lower": np.full(len(quota), float(most // 5)),
        "quota_upper": np.full(len(quota), float(-(-most * 3 // 10))),
    }


def run_engine(engine: str, path: Path, *, limit_s: float, gap: float) -> dict[str, float]:
    """Run one engine in a process of its own."""
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [sys.executable, str(script), engine, str(path), str(limit_s), str(gap)],
        check=True,
        capture_output=True,
        text=True,
    )
    took: dict[str, float] = json.loads(done.stdout.strip().split("\n")[-1])
    return took


def measure(
    path: Path, engines: list[str], *, rounds: int, limits_s: dict[str, float], gap: float
) -> dict[str, list[dict[str, float]]]:
    """Run every engine in every round, in the same order."""
    took: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    for _ in range(rounds):
        for engine in engines:
            took[engine].append(run_engine(engine, path, limit_s=limits_s[engine], gap=gap))
    return took


HEAD = """| case | engine | CPU s | of it building | ratio | peak MiB | objective | gap |
|---|---|---|---|---|---|---|---|"""


def row_of(name: str, engine: str, took: list[dict[str, float]], own_cpu_s: float) -> str:
    """Return an engine's line of the table."""
    middle = {key: statistics.median(one[key] for one in took) for key in took[0]}
    gap = abs(middle["objective"] - middle["bound"]) / abs(middle["objective"])
    said = "not told" if np.isnan(gap) else f"{100 * gap:.3f} %"
    return (
        f"| {name} | {engine} | {middle['cpu_s']:.2f} | {middle['build_s']:.2f} "
        f"| {middle['cpu_s'] / own_cpu_s:.0f} | {middle['peak_mib']:.0f} "
        f"| {middle['objective']:.0f} | {said} |"
    )


def print_table(name: str, took: dict[str, list[dict[str, float]]]) -> None:
    """Print the lines of a case."""
    own_cpu_s = statistics.median(one["cpu_s"] for one in took["siting"])
    for engine, runs in took.items():
        print(row_of(name, engine, runs, own_cpu_s), flush=True)


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
