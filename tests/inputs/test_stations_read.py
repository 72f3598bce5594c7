"""A planner's own station table: what is filled, what is a fault and where, who owns what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.domain import Datum
from siting.errors import InputError
from siting.inputs.datum import from_wgs84
from siting.inputs.stations import (
    COLUMNS,
    STANDING,
    StationTable,
    empty_stations,
    format_connector_powers,
    parse_connector_powers,
    read_stations,
)
from siting.inputs.stations.frame import build_source_id, find_swapped
from siting.study import Brand, Stations

if TYPE_CHECKING:
    from pathlib import Path

BRANDS = [Brand(id="aito", name="Aito", name_zh="问界"), Brand(id="luxeed", name="Luxeed")]
HEADER = "station_id,longitude,latitude,connectors,power_kw"
ROW = "s1,114.30,30.59,8,120"


def read(
    folder: Path,
    text: str,
    *,
    brands: list[Brand] | None = None,
    **options: Any,  # noqa: ANN401 - any field of the study
) -> StationTable:
    path = folder / "stations.csv"
    path.write_text(text, encoding="utf-8")
    return read_stations(Stations(path=path, **options), brands=brands or [])


def said(table: StationTable) -> str:
    return "\n".join(map(str, table.notices))


def test_a_small_table_gets_every_column(tmp_path: Path) -> None:
    table = read(tmp_path, f"{HEADER}\n{ROW}\n")
    assert set(table.frame.columns) == set(COLUMNS)
    row = table.frame.iloc[0]
    assert row["connectors"] == 8
    assert (row["access"], row["status"], row["available_share"]) == ("public", "operational", 1.0)
    assert (row["owner_brand"], row["open_to"]) == ("", "")
    assert row["source_ids"] == "stations:s1"
    assert not row["illustrative"]
    assert table.notices == ()


def test_renames_defaults_and_datum(tmp_path: Path) -> None:
    lon, lat = map(float, from_wgs84(114.30, 30.59, Datum.GCJ02))
    table = read(
        tmp_path,
        f"number,lng,lat,piles,power_kw\n0012,{lon!r},{lat!r},6,\n",
        columns={"station_id": "number", "connectors": "piles"},
        defaults={"power_kw": 60, "operator": "Made"},
        datum=Datum.GCJ02,
        illustrative=True,
    )
    row = table.frame.iloc[0]
    assert (row["station_id"], row["connectors"], row["power_kw"]) == ("0012", 6, 60.0)
    assert row["operator"] == "Made"
    assert row["illustrative"]
    assert (row["geometry"].x, row["geometry"].y) == pytest.approx((114.30, 30.59), abs=1e-8)
    assert "converted to WGS-84" in said(table)


def test_powers_by_connector_give_count_and_mean(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "station_id,longitude,latitude,connector_powers_kw\ns1,114.3,30.5,4x120;2x60\n",
    )
    row = table.frame.iloc[0]
    assert (row["connectors"], row["power_kw"]) == (6, 100.0)


def test_every_fault_of_every_row_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(
            tmp_path,
            f"{HEADER},status,access,available_share\n"
            "a,114.30,30.59,eight,120,operational,public,1\n"
            "a,114.31,30.59,8.5,0,open,public,2\n"
            "c,114.32,30.59,-1,9000,operational,everyone,1\n",
        )
    found = {(fault.row, fault.column) for fault in caught.value.faults}
    assert found >= {
        (1, "connectors"),
        (2, "connectors"),
        (2, "power_kw"),
        (2, "status"),
        (2, "available_share"),
        (3, "connectors"),
        (3, "power_kw"),
        (3, "access"),
        (1, "station_id"),
        (2, "station_id"),
    }
    assert all(fault.file == "stations.csv" and fault.remedy for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{HEADER}\ns1,0,0,8,120\n", "lies at 0, 0"),
        (f"{HEADER}\ns1,30.59,114.30,8,120\n", "look swapped"),
        (f"{HEADER}\ns1,,30.59,8,120\n", "is empty"),
        ("station_id,connectors,power_kw\ns1,8,120\n", "this column is missing"),
        (f"{HEADER}\ns1,114.3,30.5,,120\ns2,114.3,30.6,3,120\n", "connectors: is empty"),
        (f"{HEADER}\ns1,114.3,30.5,4,\n", "power_kw: is missing in every row"),
        (f"{HEADER},connector_powers_kw\ns1,114.3,30.5,4,120,3x120\n", "another number"),
        (f"{HEADER},connector_powers_kw\ns1,114.3,30.5,4,120,four\n", "is no list"),
        (f"{HEADER},illustrative\n{ROW},maybe\n", "neither true nor false"),
        (f"{HEADER},datum\n{ROW},gcj02\n", "the file says gcj02, the study wgs84"),
    ],
)
def test_faults_in_plain_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, text)


def test_one_swapped_row_among_european_ones_is_a_fault(tmp_path: Path) -> None:
    rows = "".join(f"s{n},4.9,{52 + n / 100},2,11\n" for n in range(5))
    with pytest.raises(InputError, match="look swapped beside other rows") as caught:
        read(tmp_path, f"{HEADER}\n{rows}x,52.3,4.9,2,11\n")
    assert caught.value.faults[0].row == 6


def test_suspicious_places_are_accepted_with_a_notice(tmp_path: Path) -> None:
    rows = "".join(f"s{n},114.3,{30 + n / 100},2,60\n" for n in range(5))
    table = read(tmp_path, f"{HEADER}\n{rows}t,114.3,30.0,2,60\nfar,10.99,10.99,2,60\n")
    assert len(table.frame) == 7
    assert "1 stations lie very far from the others: far" in said(table)
    assert "1 stations have the same longitude and latitude: far" in said(table)
    assert "2 stations share their coordinates with another: s0, t" in said(table)


def test_repeated_rows_empty_stations_and_unused_columns_are_noticed(tmp_path: Path) -> None:
    table = read(tmp_path, f"{HEADER},colour\n{ROW},red\n{ROW},red\ns2,114.4,30.5,0,60,red\n")
    assert len(table.frame) == 2
    assert "1 rows repeat another row" in said(table)
    assert "1 stations have no connector" in said(table)
    assert "not used: colour" in said(table)


def test_a_table_without_ids_gets_its_row_numbers(tmp_path: Path) -> None:
    table = read(tmp_path, "longitude,latitude,connectors,power_kw\n114.3,30.5,2,60\n")
    assert table.frame["station_id"].tolist() == ["row-1"]
    assert "has no column station_id" in said(table)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".parquet"])
def test_geometry_files(tmp_path: Path, suffix: str) -> None:
    frame = gpd.GeoDataFrame(
        {"station_id": ["s1"], "name_zh": ["江汉"], "connectors": [8], "power_kw": [120.0]},
        geometry=gpd.points_from_xy([114.3], [30.59]),
        crs=4326,
    )
    path = tmp_path / f"stations{suffix}"
    if suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_file(path, engine="pyogrio")
    row = read_stations(Stations(path=path)).frame.iloc[0]
    assert (row["name_zh"], row["connectors"]) == ("江汉", 8)
    assert row["geometry"].coords[0] == pytest.approx((114.3, 30.59))


def test_brands_are_found_by_their_exact_name_and_said(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        f"{HEADER},operator,network,owner_brand,open_to\n"
        "s1,114.3,30.1,8,120,问界,,,\n"
        "s2,114.3,30.2,8,120,, AITO ,,\n"
        "s3,114.3,30.3,8,120,Aito Friends,,,\n"
        "s4,114.3,30.4,8,120,Aito,,luxeed,\n"
        's5,114.3,30.5,8,120,,,,"luxeed, aito;luxeed"\n',
        brands=BRANDS,
    )
    assert table.frame["owner_brand"].tolist() == ["aito", "aito", "", "luxeed", ""]
    assert table.frame["open_to"].tolist()[-1] == "luxeed;aito"
    assert "2 stations bear the brand's name" in said(table)


def test_a_brand_that_the_study_lacks_is_a_fault(tmp_path: Path) -> None:
    text = (
        f"{HEADER},owner_brand,open_to\ns1,114.3,30.1,8,120,nio,\ns2,114.3,30.2,8,120,,aito;byd\n"
    )
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, brands=BRANDS)
    assert [fault.value for fault in caught.value.faults] == ["nio", "aito;byd"]
    assert read(tmp_path, text).frame["owner_brand"].tolist() == ["nio", ""]


def test_standing_are_the_operational_and_the_unknown(tmp_path: Path) -> None:
    statuses = ("operational", "planned", "closed", "unknown")
    rows = "".join(f"{s},114.3,30.{n},2,60,{s}\n" for n, s in enumerate(statuses))
    frame = read(tmp_path, f"{HEADER},status\n{rows}").frame
    assert frame["station_id"][frame["status"].isin(STANDING)].tolist() == [
        "operational",
        "unknown",
    ]


def test_no_stations() -> None:
    frame = empty_stations()
    assert frame.empty
    assert set(frame.columns) == set(COLUMNS)


@given(st.lists(st.sampled_from([7.0, 60.0, 120.0, 11.5, 480.0]), max_size=20))
def test_connector_powers_survive_their_text(powers_kw: list[float]) -> None:
    assert parse_connector_powers(format_connector_powers(powers_kw)) == sorted(
        powers_kw, reverse=True
    )


@given(
    lon=st.lists(st.floats(113.7, 114.6), min_size=3, max_size=20),
    lat=st.floats(22.4, 22.8),
)
def test_a_citys_stations_never_look_swapped(lon: list[float], lat: float) -> None:
    assert not find_swapped(np.array(lon), np.full(len(lon), lat)).any()


def test_a_semicolon_in_an_id_does_not_split_the_sources() -> None:
    assert build_source_id("feed", "a;b") == "feed:a%3Bb"
