"""Station feeds: each format on a sample written after its field list."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import osmium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.domain import Datum
from siting.errors import InputError
from siting.inputs.contracts import STATIONS_SCHEMA
from siting.inputs.datum import to_wgs84
from siting.inputs.stations import COLUMNS, StationTable, read_stations
from siting.inputs.stations.records import (
    MAX_CHARGE_POINTS,
    ChargePoint,
    fit_charge_points,
    parse_count,
    parse_power_kw,
)
from siting.study import StationFormat, Stations

if TYPE_CHECKING:
    import pandas as pd

SAMPLES = Path(__file__).parent / "samples" / "stations"
FILES = sorted(path.name for path in SAMPLES.iterdir() if path.suffix != ".md")


def read(name: str, **options: Any) -> StationTable:  # noqa: ANN401 - any field of the study
    return read_stations(Stations(path=SAMPLES / name, **options))


def by_id(table: StationTable) -> pd.DataFrame:
    return table.frame.set_index("station_id")


def said(table: StationTable) -> str:
    return "\n".join(map(str, table.notices))


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_columns_within_the_contract(name: str) -> None:
    frame = read(name).frame
    assert set(frame.columns) == set(COLUMNS)
    assert frame.crs.to_epsg() == 4326
    assert frame["connectors"].dtype == "int64"
    assert frame["illustrative"].dtype == bool
    assert not frame.isna().any().any()
    STATIONS_SCHEMA.validate(frame.astype({"connectors": float}))


def test_ocpi_counts_evses_by_their_strongest_connector() -> None:
    table = read("ocpi_2_2_1.json")
    frame = by_id(table)
    first = frame.loc["CN-ILL-L1"]
    assert first["connectors"] == 2  # one removed, one planned
    assert first["connector_powers_kw"] == "2x180"
    assert (first["operator"], first["network"], first["owner"]) == (
        "Illustrative Operator",
        "Illustrative Network",
        "Aito",
    )
    assert first["name"] == first["name_zh"] == "光谷广场充电站"
    # 3 × 230 V × 32 A line to neutral; √3 × 400 V × 32 A line to line
    assert frame.loc["CN-ILL-L2", "power_kw"] == pytest.approx((22.08 + 22.1703) / 2, abs=1e-4)
    assert frame["status"].to_dict() == {
        "CN-ILL-L1": "operational",
        "CN-ILL-L2": "operational",
        "CN-ILL-L3": "planned",
        "CN-ILL-L4": "closed",
        "CN-ILL-L5": "unknown",
        "CN-ILL-L6": "operational",
    }
    assert frame.loc["CN-ILL-L6", "access"] == "private"


def test_what_a_feed_cannot_place_is_left_out_with_its_row_and_value() -> None:
    notices = {notice.row: notice for notice in read("ocpi_2_2_1.json").notices}
    assert notices[7].value == "north"
    assert notices[7].column == "coordinates.latitude"
    assert notices[8].value == "0, 0"


def test_ocpi_2_3_tolerates_new_fields_and_values() -> None:
    frame = by_id(read("ocpi_2_3_0.json"))
    assert frame.loc["CN-ILL-M1", "access"] == "private"  # for taxis only
    assert frame.loc["CN-ILL-M2", "connectors"] == 2
    assert frame.loc["CN-ILL-M2", "power_kw"] == pytest.approx((3750 + 7) / 2)  # one is assumed
    assert frame.loc["CN-ILL-M3", "connectors"] == 1  # the other is for motorcycles


def test_openchargemap() -> None:
    table = read("openchargemap.json")
    frame = by_id(table)
    assert frame["connector_powers_kw"].to_dict() == {
        "1": "1x150",  # two plugs, one car
        "2": "4x120;2x7",
        "3": "3x22",  # three cars, one plug told
        "4": "1x60",
        "5": "1x60",  # the removed connection does not count
        "6": "1x60",
        "7": "",
        "8": "",
    }
    assert frame["status"].to_dict() == {
        "1": "operational",
        "2": "operational",
        "3": "operational",
        "4": "planned",
        "5": "operational",
        "6": "closed",
        "7": "operational",
        "8": "unknown",
    }
    assert frame.loc["7", "access"] == "private"
    assert frame.loc["7", "operator"] == ""
    assert "row 9, AddressInfo.Latitude" in said(table)
    assert "1 of 6 standing stations do not tell their connectors" in said(table)


def test_tcec102_is_gcj02_and_guns_share_their_piles_power() -> None:
    table = read("tcec102.json")
    frame = by_id(table)
    lon, lat = to_wgs84(114.403, 30.5029, Datum.GCJ02)
    point = frame.loc["MA0000001-S1", "geometry"]
    assert (point.x, point.y) == pytest.approx((float(lon), float(lat)), abs=1e-9)
    # 120 kW with two guns of 120 kW is two of 60; a gun without a figure takes the pile's share
    assert frame.loc["MA0000001-S1", "connector_powers_kw"] == "2x60;1x7"
    assert frame.loc["MA0000001-S5", "connector_powers_kw"] == "2x60"
    assert frame.loc["MA0000001-S2", "connectors"] == 4
    assert frame.loc["MA0000001-S2", "owner"] == ""  # a person
    assert frame["status"].tolist() == [
        "operational",
        "operational",
        "operational",
        "planned",
        "unknown",
        "closed",
    ]
    assert frame["access"].tolist() == ["public", "public", "private", "public", "public", "public"]


def test_a_datum_against_the_formats_own_is_obeyed_and_noticed() -> None:
    table = read("tcec102.json", datum=Datum.WGS84)
    assert table.frame.geometry.iloc[0].x == pytest.approx(114.403)
    assert "is declared wgs84" in said(table)
    assert "declared" not in said(read("tcec102.json", datum=Datum.GCJ02))


def test_tcec102_payload_may_be_json_text_inside_json(tmp_path: Path) -> None:
    content = json.loads((SAMPLES / "tcec102.json").read_text(encoding="utf-8"))
    content["Data"] = json.dumps(content["Data"], ensure_ascii=False)
    path = tmp_path / "t.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert len(read_stations(Stations(path=path)).frame) == 6


def test_afdc_stations() -> None:
    table = read("afdc.csv")
    frame = by_id(table)
    assert frame["connectors"].to_dict() == {"1001": 6, "1002": 3, "1003": 6, "1004": 8, "1005": 2}
    assert frame.loc["1002", "power_kw"] == pytest.approx((2 * 7 + 1.4) / 3)
    assert frame.loc["1002", "network"] == ""
    assert frame["access"].tolist() == ["public", "public", "private", "public", "public"]
    assert frame["status"].tolist()[3:] == ["planned", "unknown"]
    assert "1 rows are of other fuels" in said(table)
    assert "station 1006 was left out" in said(table)


def test_afdc_units_add_up_to_stations() -> None:
    frame = by_id(read("afdc_units.csv"))
    assert frame["connector_powers_kw"].to_dict() == {"1001": "1x350;1x150;2x11.5"}


def test_osm_file() -> None:
    table = read("osm.osm")
    frame = by_id(table)
    first = frame.loc["node/1"]
    assert (first["name"], first["name_zh"]) == ("Illustrative Station", "示意充电站")
    assert (first["connectors"], first["power_kw"]) == (4, 120.0)  # four cars: the strongest plugs
    assert first["network"] == "Aito"  # the brand's sign
    assert frame.loc["node/2", "power_kw"] == 22.0
    assert frame.loc["way/100", "power_kw"] == 150.0
    assert frame.loc["way/100", "geometry"].coords[0] == pytest.approx((114.301, 30.601))
    assert frame.loc["relation/200", "geometry"].coords[0] == pytest.approx((114.301, 30.701))
    assert frame["status"].to_dict() == {
        "node/1": "operational",
        "node/2": "operational",
        "node/4": "closed",
        "node/5": "planned",
        "node/6": "unknown",
        "way/100": "operational",
        "relation/200": "operational",
    }
    assert frame.loc["node/6", "access"] == "private"
    assert "1 charging stations are not for cars" in said(table)


def test_osm_binary_gives_the_same_as_xml(tmp_path: Path) -> None:
    path = tmp_path / "osm.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for item in osmium.FileProcessor(str(SAMPLES / "osm.osm")):
            writer.add(item)
    xml, binary = read("osm.osm").frame, read_stations(Stations(path=path)).frame
    assert binary.drop(columns="geometry").equals(xml.drop(columns="geometry"))
    assert binary.geometry.geom_equals_exact(xml.geometry, 1e-7).all()


def test_osm_geojson() -> None:
    frame = by_id(read("osm.geojson"))
    assert frame["connectors"].to_dict() == {"node/1": 4, "way/100": 2}


def test_osm_xml_entities_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.osm"
    path.write_text(
        '<?xml version="1.0"?><!DOCTYPE osm [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
        '<osm version="0.6"><node id="1" lat="1" lon="2">'
        '<tag k="amenity" v="charging_station"/><tag k="name" v="&b;"/></node></osm>',
        encoding="utf-8",
    )
    with pytest.raises(InputError, match="entities are not supported"):
        read_stations(Stations(path=path))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.osm", None, "does not exist"),
        ("x.osm", "<osm version='0.6'></osm>", "holds no amenity=charging_station"),
        ("x.osm.pbf", "rubbish that is no protocol buffer", "is not a valid OSM file"),
        ("x.json", "{", "is not valid JSON"),
        ("x.json", "[" * 100_000, "is not valid JSON"),
        ("none.json", None, "does not exist"),
        ("x.json", "[]", "not what its suffix says"),
    ],
)
def test_bad_files_are_refused_in_plain_words(
    tmp_path: Path, name: str, content: str | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        read_stations(Stations(path=path))


@pytest.mark.parametrize(
    "kind", [StationFormat.OCPI, StationFormat.OPENCHARGEMAP, StationFormat.TCEC102]
)
def test_a_feed_in_another_form_than_declared_is_refused(kind: StationFormat) -> None:
    for name in ("ocpi_2_2_1.json", "openchargemap.json", "tcec102.json"):
        if name.startswith(kind.value):
            continue
        with pytest.raises(InputError, match=r"cannot be read as|holds no station"):
            read(name, format=kind)


def test_a_feed_that_repeats_an_id_is_read_once(tmp_path: Path) -> None:
    pois = json.loads((SAMPLES / "openchargemap.json").read_text(encoding="utf-8"))
    path = tmp_path / "twice.json"
    path.write_text(json.dumps([*pois[:3], *pois[:3]]), encoding="utf-8")
    table = read_stations(Stations(path=path))
    assert len(table.frame) == 3
    assert "3 objects repeat an id" in said(table)


def test_a_swapped_station_of_a_feed_is_left_out(tmp_path: Path) -> None:
    pois = json.loads((SAMPLES / "openchargemap.json").read_text(encoding="utf-8"))[:6]
    address = pois[2]["AddressInfo"]
    address["Latitude"], address["Longitude"] = 4.9, 52.37  # Amsterdam, swapped
    for n, poi in enumerate(pois):
        if n != 2:
            poi["AddressInfo"] |= {"Latitude": 52.37 + n / 100, "Longitude": 4.9}
    path = tmp_path / "swapped.json"
    path.write_text(json.dumps(pois), encoding="utf-8")
    table = read_stations(Stations(path=path))
    assert len(table.frame) == 5
    assert "looks swapped" in said(table)


def test_defaults_replace_assumptions() -> None:
    defaults: dict[str, str | float] = {
        "power_kw": 30,
        "connectors": 4,
        "available_share": 0.5,
        "operator": "Made",
    }
    table = read("openchargemap.json", defaults=defaults, illustrative=True, source="Illustrative")
    frame = by_id(table)
    assert (frame.loc["8", "connectors"], frame.loc["8", "power_kw"]) == (4, 30.0)
    assert frame.loc["1", "power_kw"] == 150.0
    assert set(frame["available_share"]) == {0.5}
    assert frame.loc["7", "operator"] == "Made"
    assert frame["illustrative"].all()
    assert set(frame["source"]) == {"Illustrative"}
    assert "assumed" not in said(table)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"defaults": {"power": 60}}, "is no column"),
        ({"defaults": {"power_kw": "many"}}, "is no number"),
        ({"defaults": {"available_share": 1.5}}, "is no number from 0 to 1"),
        ({"columns": {"connectors": "NumberOfPoints"}}, "renames are for tables"),
    ],
)
def test_what_a_study_cannot_ask_of_a_feed(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read("openchargemap.json", **options)


@pytest.mark.parametrize(
    ("text", "kw"),
    [
        (120, 120.0),
        ("120.0", 120.0),
        ("22 kW", 22.0),
        ("3700 W", 3.7),
        ("7,4kW", 7.4),
        ("60千瓦", 60.0),
        ("暂无", None),
        ("", None),
        (None, None),
        (0, None),
        (-5, None),
        (True, None),
        ("1e3", None),
    ],
)
def test_powers_as_feeds_write_them(text: object, kw: float | None) -> None:
    assert parse_power_kw(text) == kw


def test_an_absurd_count_is_no_count() -> None:
    assert parse_count(MAX_CHARGE_POINTS) == MAX_CHARGE_POINTS
    assert parse_count(10**9) is None


@given(
    powers=st.lists(st.one_of(st.none(), st.floats(1, 500)), max_size=8),
    count=st.one_of(st.none(), st.integers(1, 12)),
)
def test_as_many_charge_points_as_cars_and_never_stronger_than_told(
    powers: list[float | None], count: int | None
) -> None:
    points = fit_charge_points([ChargePoint(p) for p in powers], count)
    assert len(points) == (count or len(powers))
    told = sorted((p or 0.0 for p in powers), reverse=True)
    for point, strongest in zip(points, told, strict=False):
        assert (point.power_kw or 0.0) == strongest
