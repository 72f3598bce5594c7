"""Generate Wuhan's existing service centres: ILLUSTRATIVE, not counted.

No list of the alliance's service centres is public for Wuhan. A third of the (illustrative)
alliance charging stations are taken for the places of a centre each, and bays are drawn; every row
says ``illustrative``. All randomness comes from one seed.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

SHARE_WITH_A_CENTRE = 1 / 3
BAYS, SHARE_OF_BAYS = (4, 6, 8), (0.4, 0.4, 0.2)
SEED = 20260131


def write_service_centres(folder: Path) -> list[str]:
    """Write service_centres.csv beside the stations, and return what it holds, line by line."""
    rows = generate(folder)
    with (folder / "service_centres.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return [f"service_centres.csv: {len(rows)} centres, illustrative"]


def generate(folder: Path) -> list[dict[str, str]]:
    """Return one row a centre, in the order of the stations."""
    with (folder / "stations.csv").open(encoding="utf-8", newline="") as stream:
        alliance = [row for row in csv.DictReader(stream) if row["network"] == "alliance"]
    rng = np.random.default_rng(SEED)
    count = round(len(alliance) * SHARE_WITH_A_CENTRE)
    chosen = np.sort(rng.choice(len(alliance), count, replace=False))
    bays = rng.choice(BAYS, count, p=SHARE_OF_BAYS)
    return [
        {
            "station_id": f"centre-{number:03d}",
            "name": f"Illustrative centre {number:03d} · {district_of(station)}",
            "name_zh": f"示意服务中心 {number:03d} · {district_of(station)}",
            "owner_brand": station["owner_brand"],
            "access": "public",
            "status": "operational",
            "connectors": str(n_bay),
            "longitude": station["longitude"],
            "latitude": station["latitude"],
            "datum": station["datum"],
            "illustrative": "true",
        }
        for number, (station, n_bay) in enumerate(
            zip((alliance[k] for k in chosen), bays, strict=True), start=1
        )
    ]


def district_of(station: dict[str, str]) -> str:
    """Return the district that a station's name ends with."""
    return station["name"].rsplit(" · ", 1)[-1]
