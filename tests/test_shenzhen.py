"""The second real city: Shenzhen's roads and stations, from a study file outside the repository.

The data is real but for the vehicles: no vehicle density by brand is public for any Chinese city,
so the test derives an illustrative one from the zones' areas, and says so in the study.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from siting.domain import Datum, SolveStatus
from siting.inputs.datum import to_wgs84
from siting.inputs.stations import read_stations
from siting.network.datum_check import compare_datums
from siting.network.road_network import build_road_network, load_roads
from siting.network.snapping import snap_to_roads
from siting.outputs.map import render_check_map
from siting.pipeline import diagnose, read_inputs, read_study, run
from siting.study import Roads, Stations

SHENZHEN = Path(__file__).parents[2] / "shared" / "data" / "shenzhen"
pytestmark = pytest.mark.skipif(
    not SHENZHEN.is_dir(), reason="the Shenzhen case lies beside the project and is not here"
)

STUDY = f"""\
name: shenzhen
title: {{en: Futian and east Nanshan, zh: 福田与南山东部}}
illustrative_note: {{en: Vehicles are derived from the zones' areas., zh: 车辆由小区面积推算。}}
brands:
  - {{id: aito, name: Aito, name_zh: 问界, usable_power_kw: 100}}
  - {{id: luxeed, name: Luxeed, name_zh: 智界, usable_power_kw: 250}}
inputs:
  roads: {{path: {SHENZHEN}/roads_drive.graphml, congestion_factor: 1.5}}
  vehicles: {{path: vehicles.geojson, format: zones, illustrative: true}}
  stations:
    - path: {SHENZHEN}/stations_gcj02.csv
      datum: gcj02
      columns: {{connectors: charge_count}}
      defaults: {{power_kw: 60, available_share: 0.05}}
  candidates:
    source: file
    path: {SHENZHEN}/pois_wgs84.csv
    columns: {{kind: type}}
    kinds: [parking, fuel]
    count: 150
    min_spacing_m: 200
access: {{cutoff_minutes: 8}}
tiers:
  - {{id: four, name: {{en: 4 × 250 kW}}, connectors: 4, power_kw: 250, cost_cny: 0.8e+6}}
  - {{id: eight, name: {{en: 8 × 250 kW}}, connectors: 8, power_kw: 250, cost_cny: 1.6e+6}}
site_cost_cny: 1.0e+6
requirements: {{budget_cny: 20.0e+6}}
solve: {{gap: 0.01, time_limit_s: 60}}
"""


@pytest.fixture
def study_path(tmp_path: Path) -> Path:
    zones = gpd.read_file(SHENZHEN / "zones.geojson")
    inside = zones.cx[113.954:114.094, 22.504:22.606].reset_index(drop=True)
    inside["zone_id"] = inside["zone_id"].astype(int).astype(str)
    area_km2 = inside.to_crs(32650).area / 1e6
    inside["vehicles_aito"] = np.ceil(300 * area_km2)
    inside["vehicles_luxeed"] = np.ceil(40 * area_km2)
    inside[["zone_id", "vehicles_aito", "vehicles_luxeed", "geometry"]].to_file(
        tmp_path / "vehicles.geojson", driver="GeoJSON"
    )
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


def test_shenzhen_is_planned_from_a_study_outside_the_repository(
    study_path: Path, tmp_path: Path
) -> None:
    plan = run(study_path, tmp_path / "out")
    assert plan.joint.evaluation.feasible
    assert plan.solve.status is SolveStatus.OPTIMAL
    assert plan.solve.gap <= 0.01
    assert len(plan.sites) > 5
    assert (tmp_path / "out" / "map.html").stat().st_size < 10_000_000
    served = [
        state.evaluation.served_kwh_per_day.sum()
        for state in (plan.today, plan.unified, plan.joint)
    ]
    assert served[0] <= served[1] + 1e-6 < served[2]


def test_the_declared_datum_puts_stations_on_their_streets() -> None:
    network = build_road_network(load_roads(Roads(path=SHENZHEN / "roads_drive.graphml")))
    distance = {}
    for datum in (Datum.GCJ02, Datum.WGS84):
        spec = Stations(
            path=SHENZHEN / "stations_gcj02.csv",
            datum=datum,
            columns={"connectors": "charge_count"},
            defaults={"power_kw": 60},
        )
        where = read_stations(spec).frame.cx[113.96:114.09, 22.51:22.60].geometry
        snapped = snap_to_roads(
            network, where.x.to_numpy(), where.y.to_numpy(), max_distance_m=500.0
        )
        distance[datum] = np.quantile(snapped.distance_m[snapped.on_network], 0.9)
    assert distance[Datum.GCJ02] < 0.8 * distance[Datum.WGS84]


def test_a_wrong_datum_is_seen_before_anything_is_solved(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    study_path.write_text(text.replace("datum: gcj02", "datum: wgs84"), encoding="utf-8")
    found = diagnose(read_inputs(read_study(study_path)))
    stations = found.datums.set_index("file").loc["stations_gcj02.csv"]
    assert (stations["declared"], stations["suspected"]) == ("wgs84", "gcj02")
    assert stations["p90_m_gcj02"] < 0.6 * stations["p90_m_wgs84"]
    # The candidates' datum is right, and nothing is said against it.
    assert found.datums.set_index("file").loc["pois_wgs84.csv", "suspected"] == ""
    assert len(render_check_map(found).encode()) < 10e6


def test_no_clean_file_is_doubted_and_what_would_go_unseen_is_told() -> None:
    network = build_road_network(load_roads(Roads(path=SHENZHEN / "roads_drive.graphml")))
    renamed = {"columns": {"connectors": "charge_count"}, "defaults": {"power_kw": 60}}
    fields = {"path": SHENZHEN / "stations_gcj02.csv", "datum": Datum.GCJ02, **renamed}
    stations = read_stations(Stations.model_validate(fields)).frame
    inside = stations.cx[113.96:114.09, 22.51:22.60].reset_index(drop=True)
    pois = gpd.GeoDataFrame(
        places := pd.read_csv(SHENZHEN / "pois_wgs84.csv"),
        geometry=gpd.points_from_xy(places["longitude"], places["latitude"], crs=4326),
    ).cx[113.96:114.09, 22.51:22.60]
    for clean, declared in (
        (inside, Datum.GCJ02),
        *((of_kind, Datum.WGS84) for _, of_kind in pois.groupby("type")),
    ):
        assert compare_datums(network, clean, declared=declared).suspected is None
    where = inside.geometry
    moved = to_wgs84(where.x, where.y, Datum.GCJ02)  # as if they had been WGS-84 all along
    wrong = np.random.default_rng(0).random(len(inside)) < 0.3
    mixed = inside.set_geometry(
        gpd.points_from_xy(np.where(wrong, moved[0], where.x), np.where(wrong, moved[1], where.y)),
        crs=4326,
    )
    fit = compare_datums(network, mixed, declared=Datum.GCJ02)
    # These stations stand inside blocks: right ones lie hardly nearer to roads than shifted ones.
    # So nothing can tell, and what would go unseen says so.
    assert fit.mix is not None
    assert not fit.mix.is_suspected
    assert fit.mix.unseen_share > wrong.mean()
