"""What the two benchmarks of the classic family share: rules, rounds of engines, the table."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

PEERS = ("spopt with CBC", "MathOpt HiGHS", "MathOpt SCIP", "MathOpt CP-SAT")


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
