"""What all tests share: a toy study solved by hand, and how hypothesis searches.

Hypothesis never goes by the clock, which a busy machine loses to; in CI it searches repeatably.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from siting.inputs.roads import RoadTable, write_compact_roads

if TYPE_CHECKING:
    from pathlib import Path

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

LON, LAT = 114.3, 30.6
METRES_PER_DEGREE = 111_195.0 * np.cos(np.radians(LAT))

# One straight two-way road, 4 km, 60 km/h, so a kilometre takes a minute:
#
#   km 0          0.5          1           2              3            4
#   home (1000 kWh)            ·         shop (500 kWh)   ·            ·
#                 WEST                   old station     EAST
#
# WEST reaches home (0.5 min) and shop (1.5 min); EAST reaches shop only (cutoff 2.5 min).
STUDY = """\
name: toy
title: {en: Toy road, zh: 玩具路}
illustrative_note: {en: All of this is made up., zh: 全为虚构。}
brands:
  - {id: ant, name: Ant, name_zh: 蚁}
  - {id: bee, name: Bee}
inputs:
  roads: {path: roads.npz}
  vehicles: {path: vehicles.csv, illustrative: true}
  stations: [{path: stations.csv}]
  candidates: {source: file, path: candidates.csv}
energy: {km_per_day: 10, kwh_per_km: 1, public_share: 1}
access: {cutoff_minutes: 2.5, max_snap_m: 200}
service: {max_wait_minutes: 5, session_kwh: 30}
tiers:
  - {id: big, name: {en: Big}, connectors: 60, power_kw: 120, cost_cny: 1.0e+6}
requirements: {budget_cny: 1.5e+6}
solve: {gap: 0.0001}
"""


def lon_at(km: float) -> float:
    return float(LON + km * 1000 / METRES_PER_DEGREE)


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    lon = np.array([lon_at(km) for km in range(5)])
    lat = np.full(5, LAT)
    shape = np.repeat(np.arange(5), 2)[1:-1]
    roads = RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=np.arange(4),
        segment_to=np.arange(1, 5),
        length_m=np.full(4, 1000.0),
        forward_kph=np.full(4, 60.0),
        backward_kph=np.full(4, 60.0),
        highway=np.zeros(4, dtype=np.uint8),
        highway_classes=("primary",),
        shape_start=np.arange(0, 9, 2),
        shape_lon_deg=lon[shape],
        shape_lat_deg=lat[shape],
        source="made for a test",
    )
    write_compact_roads(roads, tmp_path / "roads.npz")
    points = {"home": (0.0, 60, 40), "shop": (2.0, 0, 50), "farm": (40.0, 1, 1)}
    pd.DataFrame(
        [
            {"demand_id": name, "longitude": lon_at(km), "latitude": LAT}
            | {"vehicles_ant": ant, "vehicles_bee": bee}
            for name, (km, ant, bee) in points.items()
        ]
    ).to_csv(tmp_path / "vehicles.csv", index=False)
    pd.DataFrame(
        [
            {"site_id": name, "name": name, "longitude": lon_at(km), "latitude": LAT}
            for name, km in {"WEST": 0.5, "EAST": 3.0}.items()
        ]
    ).to_csv(tmp_path / "candidates.csv", index=False)
    pd.DataFrame(
        [
            {"station_id": "old", "name": "=old", "longitude": lon_at(2), "latitude": LAT}
            | {"connectors": 1, "power_kw": 60, "owner_brand": "bee", "access": "public"}
        ]
    ).to_csv(tmp_path / "stations.csv", index=False)
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path
