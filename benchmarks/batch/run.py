"""A made country: how many studies an hour, and what a worker holds as the night goes on.

Every city has its own made roads, demand and five scenarios; nothing in it is real. Cities differ
in size as prefectures do: most are small, a few are ten times the median.

    python benchmarks/batch/run.py FOLDER [--cities 340] [--workers 2]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from siting.batch.jobs import read_jobs
from siting.batch.records import Outcome, StudyRecord
from siting.batch.run import run_batch
from siting.inputs.roads import write_compact_roads

sys.path.insert(0, str(Path(__file__).parents[1] / "travel_time"))
from made_roads import make_roads

BRANDS = ("aito", "luxeed", "stelato", "maextro", "shangjie")
MEDIAN_NODES, SPREAD = 4_000, 0.7
NODES_PER_DEMAND, NODES_PER_SITE = 40, 200
SCENARIOS = {
    "base": {},
    "lean": {"requirements.budget_cny": "20e6"},
    "rich": {"requirements.budget_cny": "60e6"},
    "fair": {"brands.maextro.floor": "0.3"},
    "fast": {"access.cutoff_minutes": "6"},
}
STUDY = """\
name: {name}
title: {{en: "{name}, illustrative", zh: "{name}（虚构）"}}
illustrative_note: {{en: All of this city is made up., zh: 全为虚构。}}
brands:
{brands}
inputs:
  roads: {{path: roads.npz}}
  vehicles: {{path: vehicles.csv, illustrative: true}}
  candidates: {{source: network, count: {n_site}, min_spacing_m: 500}}
energy: {{km_per_day: 45, kwh_per_km: 0.2, public_share: 0.5}}
tiers:
  - {{id: small, name: {{en: Small}}, connectors: 4, power_kw: 120, cost_cny: 0.6e+6}}
  - {{id: large, name: {{en: Large}}, connectors: 12, power_kw: 250, cost_cny: 2.4e+6}}
site_cost_cny: 0.5e+6
requirements: {{budget_cny: 40e+6}}
solve: {{gap: 0.01, time_limit_s: 60}}
"""


def make_city(folder: Path, name: str, *, n_node: int, seed: int) -> None:
    """Write one city's study, roads and vehicles."""
    folder.mkdir(parents=True, exist_ok=True)
    roads = make_roads(n_node, seed=seed)
    write_compact_roads(roads, folder / "roads.npz")
    rng = np.random.default_rng(seed)
    n_demand = max(30, n_node // NODES_PER_DEMAND)
    at = rng.choice(roads.node_lon_deg.size, n_demand, replace=False)
    table = {
        "demand_id": [f"d{k}" for k in range(n_demand)],
        "longitude": roads.node_lon_deg[at],
        "latitude": roads.node_lat_deg[at],
    }
    for brand in BRANDS:
        table[f"vehicles_{brand}"] = rng.poisson(rng.gamma(1.0, 60.0, n_demand))
    pd.DataFrame(table).to_csv(folder / "vehicles.csv", index=False)
    brands = "\n".join(f"  - {{id: {brand}, name: {brand.title()}}}" for brand in BRANDS)
    n_site = max(20, n_node // NODES_PER_SITE)
    text = STUDY.format(name=name, brands=brands, n_site=n_site)
    (folder / "study.yaml").write_text(text, encoding="utf-8")


def make_country(folder: Path, *, n_city: int) -> Path:
    """Write every city and the table of its scenarios; return the table."""
    rng = np.random.default_rng(1)
    sizes = (MEDIAN_NODES * rng.lognormal(0, SPREAD, n_city)).astype(int).clip(900, 60_000)
    keys = sorted({key for changes in SCENARIOS.values() for key in changes})
    rows = []
    for k, n_node in enumerate(sizes):
        name = f"city{k:03d}"
        make_city(folder / name, name, n_node=int(n_node), seed=k)
        for scenario, changes in SCENARIOS.items():
            row = {"name": f"{name}-{scenario}", "study": f"{name}/study.yaml"}
            rows.append(row | {key: changes.get(key, "") for key in keys})
    path = folder / "scenarios.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def main() -> None:
    """Make the country, run it, and print throughput and memory as they grow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cities", type=int, default=340)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    jobs = read_jobs([make_country(asked.folder / "country", n_city=asked.cities)])
    started_s, done = time.perf_counter(), []

    def note(record: StudyRecord) -> None:
        done.append((time.perf_counter() - started_s, record.peak_mib))
        if len(done) % max(1, len(jobs) // 10) == 0:
            recent = [peak for _, peak in done[-len(jobs) // 10 :]]
            per_hour = len(done) / done[-1][0] * 3600
            print(f"| {len(done):,} | {done[-1][0]:,.0f} | {per_hour:,.0f} | {max(recent):,.0f} |")

    print("| studies done | seconds | studies an hour | peak MiB of a worker |")
    print("|---|---|---|---|")
    records = run_batch(jobs, asked.folder / "out", workers=asked.workers, on_record=note)
    n_planned = sum(record.outcome is Outcome.PLANNED for record in records)
    print(f"\n{n_planned:,} of {len(jobs):,} studies have a plan")


if __name__ == "__main__":
    main()
