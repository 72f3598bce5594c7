"""The charging map as files: read again it is the same, and nothing in it runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from geopandas.testing import assert_geodataframe_equal

from siting.errors import OutputError
from siting.inputs.stations import read_stations
from siting.outputs.stations import (
    OcpiParty,
    render_stations_csv,
    render_stations_ocpi,
    write_stations,
)
from siting.study import Stations

if TYPE_CHECKING:
    import geopandas as gpd

SAMPLES = Path(__file__).parents[1] / "inputs" / "samples" / "stations"
PARTY = OcpiParty(updated=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture(scope="module")
def stations() -> gpd.GeoDataFrame:
    frame = read_stations(Stations(path=SAMPLES / "openchargemap.json", illustrative=True)).frame
    return frame[frame["status"] != "closed"].reset_index(drop=True).assign(owner_brand="aito")


@pytest.mark.parametrize("name", ["map.csv", "map.geojson"])
def test_written_and_read_again_it_is_the_same(
    tmp_path: Path, stations: gpd.GeoDataFrame, name: str
) -> None:
    path = tmp_path / name
    write_stations(stations, path)
    again = read_stations(Stations(path=path)).frame
    assert_geodataframe_equal(
        again[stations.columns], stations, check_less_precise=True, check_dtype=False
    )
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_ocpi_read_again_keeps_all_that_siting_knows(
    tmp_path: Path, stations: gpd.GeoDataFrame
) -> None:
    path = tmp_path / "map.json"
    write_stations(stations, path, party=PARTY)
    again = read_stations(Stations(path=path)).frame
    same = [c for c in stations.columns if c not in ("geometry", "connector_powers_kw", "power_kw")]
    assert again[same].equals(stations[same])
    assert again["power_kw"].tolist() == pytest.approx(stations["power_kw"].tolist(), abs=1e-3)
    assert again.geometry.geom_equals_exact(stations.geometry, 1e-6).all()


def test_ocpi_has_every_required_field_in_its_form(stations: gpd.GeoDataFrame) -> None:
    locations = json.loads(render_stations_ocpi(stations, party=PARTY))
    required = {
        "country_code", "party_id", "id", "publish", "address", "city", "country", "coordinates",
        "time_zone", "last_updated",
    }  # fmt: skip
    uids = []
    for location in locations:
        assert required <= location.keys()
        assert location["last_updated"] == "2026-01-02T00:00:00Z"
        assert len(location["id"]) <= 36
        assert len(location["address"]) <= 45
        assert len(location["coordinates"]["longitude"]) <= 11
        for evse in location["evses"]:
            uids.append(evse["uid"])
            (connector,) = evse["connectors"]
            assert {"standard", "format", "power_type", "max_voltage", "max_amperage"} <= (
                connector.keys()
            )
            phases = 3 if connector["power_type"] == "AC_3_PHASE" else 1
            capable_w = phases * connector["max_voltage"] * connector["max_amperage"]
            assert capable_w >= connector["max_electric_power"]
    assert len(set(uids)) == len(uids)


def test_long_and_chinese_ids_are_hashed_for_ocpi_and_come_back(
    tmp_path: Path, stations: gpd.GeoDataFrame
) -> None:
    ids = ["江汉站", "x" * 60, *stations["station_id"][2:]]
    frame = stations.assign(station_id=ids)
    path = tmp_path / "map.json"
    write_stations(frame, path, party=PARTY)
    assert json.loads(path.read_text(encoding="utf-8"))[0]["id"].isascii()
    assert read_stations(Stations(path=path)).frame["station_id"].tolist() == ids


def test_the_same_stations_give_the_same_bytes(stations: gpd.GeoDataFrame) -> None:
    assert render_stations_csv(stations) == render_stations_csv(stations.copy())
    assert render_stations_ocpi(stations, party=PARTY) == render_stations_ocpi(
        stations.copy(), party=PARTY
    )


def test_no_name_runs_in_a_spreadsheet(stations: gpd.GeoDataFrame) -> None:
    evil = stations.assign(name='=HYPERLINK("http://evil","x")', name_zh="江汉")
    text = render_stations_csv(evil).decode("utf-8-sig")
    assert "江汉" in text
    assert "'=HYPERLINK" in text
    assert ',"=HYPERLINK' not in text


def test_an_unknown_suffix_is_refused_and_nothing_is_written(
    tmp_path: Path, stations: gpd.GeoDataFrame
) -> None:
    with pytest.raises(OutputError, match=r"\.xlsx"):
        write_stations(stations, tmp_path / "map.xlsx")
    assert not list(tmp_path.iterdir())
