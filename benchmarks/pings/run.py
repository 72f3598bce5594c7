"""Made telemetry of any size: rows a second and the peak of memory, which must not grow with it.

python benchmarks/pings/run.py FOLDER [--millions 20 80]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_FILE = 5_000_000
VEHICLES = 200_000
BRANDS = np.array(["aito", "luxeed", "stelato", "maextro", "shangjie"])
MEASURE = """
import resource, sys, time
from pathlib import Path
from siting.inputs.pings import measure_density
files = [Path(name) for name in sys.argv[1:]]
started_s = time.perf_counter()
found = measure_density(files)
took_s = time.perf_counter() - started_s
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
millions = found.n_row / 1e6
print(f"| {millions:,.0f} | {took_s:,.1f} | {millions / took_s:,.2f} | {peak:,.0f} |")
"""


def make_files(folder: Path, *, n_file: int) -> list[Path]:
    """Write made telemetry: each vehicle roams about a home of its own; nothing in it is real."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(1)
    home = rng.uniform((113.9, 30.3), (114.7, 30.9), (VEHICLES, 2))
    brand = BRANDS[rng.choice(BRANDS.size, VEHICLES, p=(0.8, 0.1, 0.04, 0.01, 0.05))]
    files = []
    for k in range(n_file):
        vehicle = rng.integers(VEHICLES, size=ROWS_PER_FILE)
        place = home[vehicle] + rng.normal(0, 0.02, (ROWS_PER_FILE, 2))
        table = pa.table(
            {
                "vehicle_id": vehicle,
                "brand": pa.array(brand[vehicle]).dictionary_encode(),
                "longitude": place[:, 0],
                "latitude": place[:, 1],
            }
        )
        files.append(folder / f"made-{k:03d}.parquet")
        pq.write_table(table, files[-1])
    return files


def main() -> None:
    """Measure each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--millions", type=int, nargs="+", default=[20, 80])
    asked = parser.parse_args()
    n_file = max(asked.millions) * 1_000_000 // ROWS_PER_FILE
    files = make_files(asked.folder, n_file=n_file)
    print("| million rows | seconds | million rows a second | peak MiB |")
    print("|---|---|---|---|", flush=True)
    for millions in asked.millions:
        some = files[: millions * 1_000_000 // ROWS_PER_FILE]
        subprocess.run([sys.executable, "-c", MEASURE, *map(str, some)], check=True)


if __name__ == "__main__":
    main()
