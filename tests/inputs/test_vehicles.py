"""Vehicles: each way they come, totals kept, and every fault with its row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import h3
import pandas as pd
import pytest
from pydantic import ValidationError
from shapely.geometry import Point, Polygon, box

from siting.domain import Datum
from siting.errors import InputError
from siting.inputs.datum import from_wgs84
from siting.inputs.vehicles import VehicleTable, read_vehicles
from siting.study import VehicleFormat, Vehicles

if TYPE_CHECKING:
    from pathlib import Path

BRANDS = ["a", "b"]
CELL = h3.latlng_to_cell(30.5, 114.3, 8)
OTHER = h3.latlng_to_cell(30.6, 114.4, 8)
BOW_TIE = Polygon([(114, 30), (114.1, 30.1), (114.1, 30), (114, 30.1)])


def read(path: Path, text: str | None = None, **options: Any) -> VehicleTable:  # noqa: ANN401 - fields of the spec
    if text is not None:
        path.write_text(text)
    return read_vehicles(Vehicles(path=path, **options), BRANDS)


def write_zones(path: Path, *shapes: Any, **columns: Any) -> Path:  # noqa: ANN401 - columns of any kind
    gpd.GeoDataFrame(columns, geometry=list(shapes), crs="EPSG:4326").to_parquet(path)
    return path


def faults_of(caught: pytest.ExceptionInfo[InputError]) -> list[tuple[int | None, str | None]]:
    return [(fault.row, fault.column) for fault in caught.value.faults]


def test_points_with_overrides(tmp_path: Path) -> None:
    text = (
        "zone_id,longitude,latitude,vehicles_a,vehicles_b,km_per_day\n"
        "001,114.3,30.5,2,0.5,50\n002,114.4,30.6,1,0,\n"
    )
    table = read(tmp_path / "v.csv", text)
    assert list(table.frame["zone_id"]) == ["001", "002"]
    assert table.totals == {"a": 3.0, "b": 0.5}
    assert table.frame.geometry.x.tolist() == [114.3, 114.4]
    assert table.frame["km_per_day"].iloc[0] == 50
    assert table.frame[["km_per_day", "kwh_per_km"]].isna().to_numpy().tolist() == [
        [False, True],
        [True, True],
    ]
    assert table.notices == ()


def test_every_fault_of_a_table_comes_at_once(tmp_path: Path) -> None:
    text = (
        "zone_id,lon,lat,vehicles_a,public_share\n"
        "1,114.3,30.5,-2,0.5\n1,114.3,30.5,\uff15,1.5\n1.2E+11,114.3,x,1,\n,114.3,30.5,1,\n"
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path / "v.csv", text)
    assert sorted(faults_of(caught), key=str) == sorted(
        [
            (3, "lat"),
            (1, "zone_id"),
            (2, "zone_id"),
            (3, "zone_id"),
            (4, "zone_id"),
            (1, "vehicles_a"),
            (2, "vehicles_a"),
            (None, "vehicles_b"),
            (2, "public_share"),
        ],
        key=str,
    )
    assert "scientific notation" in str(caught.value)
    assert "full-width" in str(caught.value)


@pytest.mark.parametrize(
    ("lon_lat", "what"),
    [
        ("30.5,114.3", "swapped"),
        ("532000,3380000", "these are no degrees"),
        ("0,0", "unknown place"),
    ],
)
def test_coordinates_that_cannot_be(tmp_path: Path, lon_lat: str, what: str) -> None:
    text = f"zone_id,lon,lat,vehicles_a,vehicles_b\n1,{lon_lat},1,1\n"
    with pytest.raises(InputError, match=what):
        read(tmp_path / "v.csv", text)


def test_rows_without_ids_are_numbered_with_a_notice(tmp_path: Path) -> None:
    table = read(tmp_path / "v.csv", "lon,lat,vehicles_a,vehicles_b\n114,30,1,0\n114,31,2,0\n")
    assert list(table.frame["zone_id"]) == ["row-1", "row-2"]
    assert [n.column for n in table.notices] == [None, "vehicles_b"]


def test_no_vehicles_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no vehicles at all"):
        read(tmp_path / "v.csv", "zone_id,lon,lat,vehicles_a,vehicles_b\n1,114,30,0,0\n")


def test_a_declared_datum_is_converted_and_noticed(tmp_path: Path) -> None:
    lon, lat = from_wgs84([114.3], [30.5], Datum.GCJ02)
    text = f"zone_id,lon,lat,vehicles_a,vehicles_b\n1,{lon[0]!r},{lat[0]!r},1,1\n"
    table = read(
        tmp_path / "v.csv", text.replace("np.float64(", "").replace(")", ""), datum="gcj02"
    )
    assert table.frame.geometry.iloc[0].distance(Point(114.3, 30.5)) < 1e-9
    assert "converted to WGS-84" in table.notices[0].what


def test_zones_are_repaired_reprojected_and_shifted(tmp_path: Path) -> None:
    path = tmp_path / "z.parquet"
    frame = gpd.GeoDataFrame(
        {"zone_id": [7.0, 8.0], "vehicles_a": [1, 2], "vehicles_b": [3, 4]},
        geometry=[box(114, 30, 114.1, 30.1), BOW_TIE],
        crs="EPSG:4326",
    )
    frame.to_crs("EPSG:32650").to_parquet(path)
    table = read(path, format="zones")
    assert list(table.frame["zone_id"]) == ["7", "8"]
    assert table.frame.is_valid.all()
    assert table.frame.geometry.iloc[0].symmetric_difference(frame.geometry.iloc[0]).area < 1e-9
    assert ["reprojected" in table.notices[0].what, "rows 2" in table.notices[1].what] == [True] * 2
    shifted = read(path, format="zones", datum="gcj02")
    assert 0.001 < abs(shifted.frame.geometry.iloc[0].centroid.x - 114.05) < 0.01


def test_zone_geometries_that_are_none(tmp_path: Path) -> None:
    counts = {"zone_id": ["1", "2", "3", "4"], "vehicles_a": [1] * 4, "vehicles_b": [1] * 4}
    line = Polygon([(114, 30), (114.1, 30.1), (114, 30), (114, 30)])
    path = write_zones(
        tmp_path / "z.parquet", box(114, 30, 115, 31), None, Point(114, 30), line, **counts
    )
    with pytest.raises(InputError) as caught:
        read(path, format="zones")
    assert faults_of(caught) == [(2, "geometry"), (3, "geometry"), (4, "geometry")]
    with pytest.raises(InputError, match="is a Polygon, not a point"):
        read(path)
    with pytest.raises(InputError, match="holds no polygons"):
        read(tmp_path / "v.csv", "zone_id,vehicles_a,vehicles_b\n1,1,1\n", format="zones")


def test_geometry_without_crs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "z.parquet"
    gpd.GeoDataFrame(
        {"zone_id": ["1"], "vehicles_a": [1], "vehicles_b": [1]}, geometry=[box(0, 0, 1, 1)]
    ).to_parquet(path)
    with pytest.raises(InputError, match="no coordinate reference system"):
        read(path, format="zones")


def test_cells_in_any_spelling(tmp_path: Path) -> None:
    text = f"h3_cell,vehicles_a,vehicles_b\n{CELL.upper()},1,2\n{OTHER},3,4\n"
    table = read(tmp_path / "v.csv", text, format="h3")
    assert list(table.frame["zone_id"]) == [CELL, OTHER]
    assert table.format is VehicleFormat.H3
    centre = Point(h3.cell_to_latlng(CELL)[::-1])
    assert table.frame.geometry.iloc[0].centroid.distance(centre) < 1e-5
    path = tmp_path / "v.parquet"
    pd.DataFrame({"h3_cell": [int(CELL, 16)], "vehicles_a": [1], "vehicles_b": [2]}).to_parquet(
        path
    )
    assert list(read(path, format="h3").frame["zone_id"]) == [CELL]


def test_bad_and_double_cells(tmp_path: Path) -> None:
    text = f"h3_cell,vehicles_a,vehicles_b\n{CELL},1,2\n{CELL.upper()},3,4\n88abc,1,1\n"
    with pytest.raises(InputError) as caught:
        read(tmp_path / "v.csv", text, format="h3")
    assert faults_of(caught) == [(3, "zone_id"), (1, "zone_id"), (2, "zone_id")]


def test_cells_of_several_sizes_are_noticed(tmp_path: Path) -> None:
    parent = h3.cell_to_parent(CELL, 7)
    text = f"h3_cell,vehicles_a,vehicles_b\n{CELL},1,2\n{OTHER},3,4\n{parent},1,1\n"
    table = read(tmp_path / "v.csv", text, format="h3")
    assert "1 lie inside a larger one" in table.notices[0].what


def test_a_table_joined_to_polygons_keeps_every_vehicle(tmp_path: Path) -> None:
    squares = [box(114 + k / 10, 30, 114.1 + k / 10, 30.1) for k in range(3)]
    zones = write_zones(tmp_path / "z.parquet", *squares, adcode=[420102, 420103, 420104])
    text = "adcode,vehicles_a,vehicles_b\n420104,1,2\n420102,3,4\n"
    options: dict[str, Any] = {"format": "zones", "zones_path": zones}
    table = read(tmp_path / "v.csv", text, **options)
    assert list(table.frame["zone_id"]) == ["420104", "420102"]
    assert [g.bounds[0] for g in table.frame.geometry] == [114.2, 114.0]
    assert "1 of its 3 zones" in table.notices[0].what
    with pytest.raises(InputError) as caught:
        read(tmp_path / "v.csv", text + "429999,5,6\n", **options)
    assert faults_of(caught) == [(3, "zone_id")]
    twice = write_zones(tmp_path / "z.parquet", *squares, adcode=[1, 1, 2])
    with pytest.raises(InputError, match="more than once"):
        read(tmp_path / "v.csv", text, format="zones", zones_path=twice)


def test_id_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this column is missing"):
        read(tmp_path / "v.csv", "zone_id,vehicles_a\n1,1\n", id_column="cell")


def test_geojson_zones_with_number_ids(tmp_path: Path) -> None:
    ring = [[114, 30], [114.1, 30], [114.1, 30.1], [114, 30]]
    features = [
        {
            "type": "Feature",
            "properties": {"zone_id": 1054.0, "vehicles_a": 1, "vehicles_b": 2.5},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
    ]
    text = json.dumps({"type": "FeatureCollection", "features": features})
    table = read(tmp_path / "z.geojson", text, format="zones", illustrative=True)
    assert list(table.frame["zone_id"]) == ["1054"]
    assert table.illustrative


def test_polygons_to_join_go_with_zones(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="goes with `format: zones`"):
        Vehicles(path=tmp_path / "v.csv", zones_path=tmp_path / "z.gpkg")


def test_a_row_that_says_it_is_made_marks_the_table(tmp_path: Path) -> None:
    text = "zone_id,lon,lat,vehicles_a,vehicles_b,illustrative\n1,114,30,1,1,\n2,114,30,1,1,true\n"
    assert read(tmp_path / "v.csv", text).illustrative
    assert not read(tmp_path / "v.csv", text.replace("true", "no")).illustrative
    with pytest.raises(InputError, match="neither yes nor no"):
        read(tmp_path / "v.csv", text.replace("true", "perhaps"))
