"""Every kind of input that a study can name, read from the study's file on the toy road."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

from siting.errors import StudyError
from siting.inputs.roads import read_compact_roads, write_compact_roads
from siting.pipeline import build_case, diagnose, read_inputs, read_study

if TYPE_CHECKING:
    from pathlib import Path

    from siting.case import SitingCase

LON, LAT, KM = 114.3, 30.6, 1 / 95.7  # the toy road runs 4 km east from here, at 60 km/h


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def case_of(study_path: Path) -> SitingCase:
    return build_case(read_inputs(read_study(study_path)))


def use_one_zone(study_path: Path) -> None:
    """Put all vehicles into one zone, 3 km of the road wide."""
    zone = box(LON, LAT - KM, LON + 3 * KM, LAT + KM)
    columns = {"zone_id": ["z"], "vehicles_ant": [60.0], "vehicles_bee": [30.0]}
    gpd.GeoDataFrame(columns, geometry=[zone], crs=4326).to_file(study_path.parent / "zones.gpkg")
    change(study_path, "vehicles.csv", "zones.gpkg, format: zones, point_spacing_m: 1000")


def write_people(study_path: Path, people: dict[float, float]) -> None:
    rows = [(LON + km * KM, LAT + 0.1 * KM, number) for km, number in people.items()]
    frame = pd.DataFrame(rows, columns=["lon", "lat", "population"])
    frame.to_csv(study_path.parent / "people.csv", index=False)


def test_zones_follow_their_roads_or_their_people(study_path: Path) -> None:
    use_one_zone(study_path)
    along = case_of(study_path).demand
    assert along.geometry.y.to_numpy() == pytest.approx(LAT)
    assert len(along) == 7  # a zone of 3 by 2.3 km, a point to the square kilometre
    write_people(study_path, {0.5: 200, 2.5: 100, 3.5: 1000})  # the last beyond the zone
    change(study_path, "format: zones", "format: zones, spread: population")
    change(study_path, "  stations:", "  population: {path: people.csv}\n  stations:")
    homes = case_of(study_path).demand
    assert homes.geometry.x.to_numpy() == pytest.approx([LON + 0.5 * KM, LON + 2.5 * KM])
    assert homes["vehicles_ant"].tolist() == [40, 20]
    assert homes["vehicles_bee"].tolist() == [20, 10]


def test_a_layer_of_people_must_be_named(study_path: Path) -> None:
    use_one_zone(study_path)
    change(study_path, "format: zones", "format: zones, spread: population")
    with pytest.raises(StudyError, match=r"needs a layer under inputs\.population"):
        read_study(study_path)


def test_neither_demand_nor_made_sites_stand_on_water(study_path: Path) -> None:
    use_one_zone(study_path)
    change(study_path, "{source: file, path: candidates.csv}", "{source: network, count: 8}")
    lake = gpd.GeoDataFrame(
        {"name": ["lake"]}, geometry=[box(LON + KM, LAT - KM, LON + 2.5 * KM, LAT + KM)], crs=4326
    )
    lake.to_file(study_path.parent / "lake.geojson")
    dry = case_of(study_path)
    change(study_path, "  stations:", "  water: {path: lake.geojson}\n  stations:")
    wet = case_of(study_path)
    for points in ("demand", "candidates"):
        assert getattr(dry, points).geometry.intersects(lake.union_all()).any()
        assert not getattr(wet, points).geometry.intersects(lake.union_all()).any()
    assert wet.demand["vehicles_ant"].sum() == dry.demand["vehicles_ant"].sum() == 60
    assert set(wet.input_sha256) - set(dry.input_sha256) == {"lake.geojson"}
    files = diagnose(read_inputs(read_study(study_path))).files.set_index("holds")
    assert files.loc["water", ["file", "entries"]].tolist() == ["lake.geojson", 1]


def test_vehicles_from_rasters(study_path: Path) -> None:
    rasterio = pytest.importorskip("rasterio", reason="the extra `raster` is not installed")
    profile = {
        "driver": "GTiff",
        "width": 4,
        "height": 1,
        "count": 2,
        "dtype": "float64",
        "crs": "EPSG:4326",
        "transform": rasterio.Affine(KM, 0, LON, 0, -KM, LAT + KM / 2),
    }
    with rasterio.open(study_path.parent / "cars.tif", "w", **profile) as dataset:
        dataset.write(np.array([[1.0, 0, 2, 0]]), 1)
        dataset.write(np.array([[0.0, 0, 5.5, 0]]), 2)
    change(
        study_path,
        "{path: vehicles.csv,",
        "{format: raster, rasters: [{brand: ant, path: cars.tif}, "
        "{brand: bee, path: cars.tif, band: 2}],",
    )
    case = case_of(study_path)
    assert case.demand["vehicles_ant"].sum() == 3
    assert case.demand["vehicles_bee"].sum() == 5.5
    assert case.demand.groupby("zone_id")["vehicles_ant"].sum().to_dict() == {"r0c0": 1, "r0c2": 2}
    assert "cars.tif" in case.input_sha256
    assert case.illustrative
    files = diagnose(read_inputs(read_study(study_path))).files.set_index("holds")
    assert files.loc["vehicles", ["file", "entries"]].tolist() == ["cars.tif", 2]


@pytest.mark.parametrize(
    ("direction", "seconds"), [("to_site", 30.0), ("back", 60.0), ("round_trip", 45.0)]
)
def test_the_study_chooses_which_drive_counts(
    study_path: Path, direction: str, seconds: float
) -> None:
    path = study_path.parent / "roads.npz"
    roads = read_compact_roads(path)
    write_compact_roads(replace(roads, backward_kph=np.full(4, 30.0)), path)
    change(study_path, "cutoff_minutes: 2.5", f"cutoff_minutes: 2.5, direction: {direction}")
    # Home lies 500 m west of WEST: 60 km/h to the charger, 30 km/h back.
    assert case_of(study_path).instance.cover_time_s[0] == pytest.approx(seconds, rel=1e-5)


def test_roads_that_are_slow_to_read_are_kept_by_their_content(
    study_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lon = [LON + km * KM for km in range(5)]
    nodes = "".join(f'<node id="{k}" lon="{x}" lat="{LAT}"/>' for k, x in enumerate(lon, start=1))
    refs = "".join(f'<nd ref="{k}"/>' for k in range(1, 6))
    osm = study_path.parent / "roads.osm"
    osm.write_text(
        f'<osm version="0.6">{nodes}<way id="1">{refs}<tag k="highway" v="primary"/></way></osm>'
    )
    change(study_path, "roads.npz", "roads.osm")
    cache, study = study_path.parent / "cache", read_study(study_path)
    first = read_inputs(study, cache_folder=cache)
    (entry,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.delattr("siting.inputs.roads.read_osm_roads")
        kept = read_inputs(study, cache_folder=cache)
    assert kept.roads.content_hash == first.roads.content_hash
    assert kept.input_sha256 == first.input_sha256
    change(osm, "primary", "secondary")
    changed = read_inputs(study, cache_folder=cache)
    assert changed.roads.highway_classes == ("secondary",)
    assert entry in cache.iterdir()
    assert len(list(cache.iterdir())) == 2


def test_what_a_candidate_is_like_reaches_the_plan(study_path: Path) -> None:
    path = study_path.parent / "candidates.csv"  # WEST, EAST
    attributes = {
        "connectors_max": [60, 59],
        "grid_limit_kw": [8000, None],
        "grid_group": ["S1", ""],
        "rent_cny_per_year": [20_000, 0],
    }
    pd.read_csv(path).assign(**attributes).to_csv(path, index=False)
    change(
        study_path,
        "requirements: {",
        "rent_years: 3\nrequirements: {grid_group_limit_kw: {S1: 9}, ",
    )
    instance = case_of(study_path).instance
    assert instance.tier_allowed.tolist() == [[True], [False]]  # the tier has 60 connectors
    assert instance.requirements.site_grid_limit_kw.tolist() == [8000, np.inf]
    assert instance.requirements.grid_group.tolist() == [0, -1]
    assert instance.tier_cost_cny.tolist() == [[1_060_000], [1_000_000]]


def test_a_brands_own_figures_reach_the_demand(study_path: Path) -> None:
    change(study_path, "{id: bee, name: Bee}", "{id: bee, name: Bee, public_share: 0.5}")
    wanted = case_of(study_path).instance.demand_kwh_per_day.sum(axis=0)
    assert wanted.tolist() == [61 * 10, 91 * 10 * 0.5]
