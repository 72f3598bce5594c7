"""What all tests share: a toy study solved by hand, and how hypothesis searches.

Hypothesis never goes by the clock, which a busy machine loses to; in CI it searches repeatably.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
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


# Trips on the toy road: WEST at km 0.5, EAST at km 3, an old charger at km 2. A trip
# leads from km 0 to km 4 and back; a full battery drives 5 km. It sets out with 4.5 km, so that it
# would arrive with 0.5, and 1 is asked. At EAST it has 1.5 left, charges to 4, comes back there
# with 2, and home with 1 if it charges to 4 again: EAST does. The old charger does not: filled to 4
# at km 2 the car is back there with none, and WEST comes too early. Money is for one site.
@pytest.fixture
def trips_study(study_path: Path) -> Path:
    folder = study_path.parent
    (folder / "places.csv").write_text(
        "place_id,name,longitude,latitude\n"
        f"here,Here,{lon_at(0)},{LAT}\nthere,There,{lon_at(4)},{LAT}\n"
    )
    (folder / "trips.csv").write_text(
        "origin,destination,cars_ant_per_day,cars_bee_per_day\nhere,there,60,40\n"
    )
    text = study_path.read_text(encoding="utf-8")
    text = text.replace("name: Ant,", "name: Ant, range_km: 5,")
    text = text.replace("{id: bee, name: Bee}", "{id: bee, name: Bee, range_km: 5}")
    text = text.replace(
        "inputs:\n",
        "inputs:\n  trips: {path: trips.csv, places: places.csv, illustrative: true}\n",
    )
    study_path.write_text(text, encoding="utf-8")
    return study_path


# The same road with something wrong in every way, two more kilometres of roads included:
#
#   island (km 0 to 1, 3 km north), reached by no road          1 km, other component
#   the road, km 0 to 4; then one-way to km 5, from where there is no way back
#
#   km 0   0.2   0.5   1.5  2.4         3.9    4.5 (trap)        40
#   home   old   WEST  new  150 m north east   trap              farm
#
# WEST lies 3.4 minutes from east (cutoff 2.5): too far. DUMP stands in an exclusion area, NEAR
# 50 m from WEST. The second feed knows `old` too, under another id; `new` is planned.
TROUBLED_VEHICLES = {
    "home": (0.0, 0.0, 60, 40),
    "field": (2.4, 150.0, 5, 0),
    "east": (3.9, 0.0, 3, 4),
    "trap": (4.5, 0.0, 2, 0),
    "island": (0.5, 3000.0, 0, 7),
    "farm": (40.0, 0.0, 1, 1),
}
TROUBLED_INPUTS = """\
  stations: [{path: stations.csv}, {path: more.csv, illustrative: true}]
  candidates: {source: file, path: candidates.csv, min_spacing_m: 100, exclusions: dumps.geojson}
"""
FEED = {"name": "Old depot", "operator": "Ant Power", "connectors": 7, "power_kw": 60}


def lat_at(north_m: float) -> float:
    return LAT + north_m / 111_195.0


@pytest.fixture
def troubled_study_path(study_path: Path) -> Path:
    folder = study_path.parent
    km = np.array([0.0, 1, 2, 3, 4, 5, 0, 1])
    lon = np.array([lon_at(k) for k in km])
    lat = np.array([lat_at(m) for m in (0, 0, 0, 0, 0, 0, 3000, 3000)])
    ends = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [6, 7]])
    roads = RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=ends[:, 0],
        segment_to=ends[:, 1],
        length_m=np.full(6, 1000.0),
        forward_kph=np.full(6, 60.0),
        backward_kph=np.array([60.0, 60, 60, 60, 0, 60]),
        highway=np.zeros(6, dtype=np.uint8),
        highway_classes=("primary",),
        shape_start=np.arange(0, 13, 2),
        shape_lon_deg=lon[ends.ravel()],
        shape_lat_deg=lat[ends.ravel()],
        source="made for a test",
    )
    write_compact_roads(roads, folder / "roads.npz")
    pd.DataFrame(
        [
            {"demand_id": name, "longitude": lon_at(at_km), "latitude": lat_at(north_m)}
            | {"vehicles_ant": ant, "vehicles_bee": bee}
            for name, (at_km, north_m, ant, bee) in TROUBLED_VEHICLES.items()
        ]
    ).to_csv(folder / "vehicles.csv", index=False)
    pd.DataFrame(
        [
            {"site_id": name, "name": name, "longitude": lon_at(at_km), "latitude": LAT}
            for name, at_km in {"WEST": 0.5, "DUMP": 1.0, "NEAR": 0.55}.items()
        ]
    ).to_csv(folder / "candidates.csv", index=False)
    old = {"longitude": lon_at(0.2), "latitude": LAT, **FEED}
    pd.DataFrame(
        [
            {"station_id": "old", "status": "operational", **old},
            {"station_id": "new", "status": "planned", **old, "longitude": lon_at(1.5)},
        ]
    ).to_csv(folder / "stations.csv", index=False)
    pd.DataFrame([{"station_id": "twin", **old, "latitude": lat_at(5.0)}]).to_csv(
        folder / "more.csv", index=False
    )
    dump = shapely.box(lon_at(0.95), lat_at(-50), lon_at(1.05), lat_at(50))
    gpd.GeoDataFrame({"name": ["Lake <b>"]}, geometry=[dump], crs=4326).to_file(
        folder / "dumps.geojson", driver="GeoJSON"
    )
    lines = STUDY.splitlines(keepends=True)
    first = next(k for k, line in enumerate(lines) if line.startswith("  stations:"))
    text = "".join([*lines[:first], TROUBLED_INPUTS, *lines[first + 2 :]])
    study_path.write_text(text, encoding="utf-8")
    return study_path
