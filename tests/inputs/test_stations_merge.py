"""One charging map: what is the same station, why, and what is kept of each source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from geopandas.testing import assert_geodataframe_equal
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import Datum
from siting.inputs.stations import (
    COLUMNS,
    MergeOptions,
    StationTable,
    merge_stations,
    read_stations,
)
from siting.inputs.stations.frame import build_frame
from siting.inputs.stations.merge import MAX_AT_ONE_POINT, MERGE_COLUMNS
from siting.inputs.stations.names import (
    build_name_key,
    compare_names,
    compare_operators,
    marks_differ,
)
from siting.study import Stations

if TYPE_CHECKING:
    from siting.domain import FloatArray

SHENZHEN = Path(__file__).parents[3] / "shared" / "data" / "shenzhen"
METRES_NORTH_DEG = 1 / 111_195.0


def feed(name: str, *rows: dict[str, object]) -> StationTable:
    """Return a feed of stations, each given by what differs (``north_m`` from one point, …)."""
    columns: dict[str, list[object]] = {c: [] for c in COLUMNS if c != "geometry"}
    for number, row in enumerate(rows, start=1):
        station_id = row.get("station_id", f"{number}")
        values = {
            "station_id": station_id,
            "access": "public",
            "status": "operational",
            "connectors": 8,
            "power_kw": 120.0,
            "available_share": 1.0,
            "illustrative": True,
            "source": name,
            "source_ids": f"{name}:{station_id}",
            **row,
        }
        for column, cells in columns.items():
            cells.append(values.get(column, ""))
    north_m = np.array([row.get("north_m", 0.0) for row in rows], dtype=np.float64)
    lat = 30.5 + north_m * METRES_NORTH_DEG
    return StationTable(frame=build_frame(columns, np.full(lat.size, 114.3), lat))


def ids(*tables: StationTable, options: MergeOptions | None = None) -> list[str]:
    return merge_stations(tables, options=options).frame["source_ids"].tolist()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ({"name": "光谷广场充电站"}, {"name": "光谷广场超级充电站", "north_m": 40}, True),
        ({"name": "光谷广场充电站"}, {"name": "江汉路充电站", "north_m": 40}, False),
        ({"name": "Made Plaza"}, {"name": "Made Plaza Charging Station", "north_m": 90}, True),
        ({"name": "Made Plaza"}, {"name": "Made Plaza", "north_m": 140}, True),
        ({"name": "Made Plaza"}, {"name": "Made Plaza", "north_m": 160}, False),
        ({"name": "万象城1号停车场"}, {"name": "万象城2号停车场", "north_m": 5}, False),
        ({"name": "万象城A座"}, {"name": "万象城B座", "north_m": 5}, False),
        (
            {"name": "万象城", "operator": "特来电"},
            {"name": "万象城", "operator": "星星充电", "north_m": 15},
            False,
        ),
        (
            {"name": "万象城", "operator": "青岛特来电新能源有限公司"},
            {"name": "Mixc Mall", "name_zh": "万象城", "operator": "TELD", "north_m": 60},
            True,
        ),
        ({}, {"north_m": 0.5}, True),  # no names: the place and the number of connectors
        ({}, {"north_m": 20}, True),
        ({}, {"north_m": 50}, False),
        ({"connectors": 40}, {"connectors": 2, "north_m": 20}, False),
        ({"owner_brand": "aito"}, {"owner_brand": "luxeed", "north_m": 20}, False),
    ],
)
def test_two_feeds(a: dict[str, object], b: dict[str, object], *, same: bool) -> None:
    # Others far away make eight connectors one number among several.
    others = [{"north_m": 5_000.0 * n, "connectors": 10 + n} for n in range(1, 9)]
    found = ids(feed("x", a, *others), feed("y", b))
    assert ("x:1;y:1" in found) is same
    assert len(found) == (9 if same else 10)


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ({"name": "Made Plaza"}, {"name": "Made Plaza", "north_m": 5}, True),
        ({"name": "Made Plaza"}, {"name": "Made Plaza", "north_m": 90}, False),
        ({"connectors": 71}, {"connectors": 71}, True),  # hardly a coincidence
        ({"connectors": 71}, {"connectors": 0}, True),  # an empty entry adds nothing
        ({"connectors": 71}, {"connectors": 9}, False),
        ({"connectors": 71}, {"connectors": 71, "north_m": 20}, False),
    ],
)
def test_inside_one_feed_more_is_needed(
    a: dict[str, object], b: dict[str, object], *, same: bool
) -> None:
    others = [{"north_m": 5_000.0 * n, "connectors": 10 + n} for n in range(1, 30)]
    assert ("x:1;x:2" in ids(feed("x", a, b, *others))) is same


def test_a_merged_station_keeps_the_first_of_each_fact_and_all_ids() -> None:
    first = feed(
        "x", {"name": "Made Plaza", "status": "unknown", "connectors": 8, "power_kw": 60.0}
    )
    second = feed(
        "y",
        {
            "north_m": 10,
            "name": "Made Plaza",
            "operator": "Made Operator",
            "owner_brand": "aito",
            "connectors": 10,
            "power_kw": 96.0,
            "connector_powers_kw": "6x120;4x60",
            "illustrative": False,
        },
    )
    third = feed("z", {"north_m": 5, "name": "Made Plaza", "connectors": 10, "power_kw": 50.0})
    merged = merge_stations([first, second, third])
    row = merged.frame.iloc[0]
    assert len(merged.frame) == 1
    assert (row["station_id"], row["source_ids"]) == ("1", "x:1;y:1;z:1")
    assert row["source"] == "x;y;z"
    assert (row["operator"], row["owner_brand"], row["status"]) == (
        "Made Operator",
        "aito",
        "operational",
    )
    # two feeds of three say ten; both figures come from the one that knows each connector
    assert (row["connectors"], row["power_kw"]) == (10, 96.0)
    assert row["connector_powers_kw"] == "6x120;4x60"
    assert not row["illustrative"]
    assert row["geometry"].y == pytest.approx(30.5)
    assert tuple(merged.merges.columns) == MERGE_COLUMNS
    assert len(merged.merges) == 2
    assert merged.merges["reason"].str.contains("names 100 % alike").all()
    assert "3 stations of all files are 1 stations: 2 merges" in str(merged.notices[0])


def test_ids_that_collide_are_told_apart() -> None:
    merged = merge_stations([feed("x", {"north_m": 0}), feed("y", {"north_m": 9_000})])
    assert merged.frame["station_id"].tolist() == ["x:1", "y:1"]


def test_each_station_of_a_feed_finds_its_own_like() -> None:
    counts = [24, 38, 11]
    x = feed("x", *({"connectors": n} for n in counts))
    y = feed("y", *({"connectors": n} for n in reversed(counts)))
    assert sorted(ids(x, y)) == ["x:1;y:3", "x:2;y:2", "x:3;y:1"]


def test_a_third_feed_never_bridges_two_that_oppose_each_other() -> None:
    x = feed("x", {"name": "万象城1号站"})
    y = feed("y", {"name": "万象城2号站", "north_m": 4})
    z = feed("z", {"name": "万象城", "north_m": 2})
    found = ids(x, y, z)
    assert len(found) == 2
    assert not any("x:1" in text and "y:1" in text for text in found)


def test_two_sides_of_a_motorway_are_two_stations() -> None:
    x = feed("x", {"name": "Made Services"})
    y = feed("y", {"name": "Made Services", "north_m": 45})

    def by_road(a: FloatArray, _b: FloatArray) -> FloatArray:
        return np.full(len(a), 9_400.0)

    assert len(merge_stations([x, y]).frame) == 1
    apart = merge_stations([x, y], road_distance_m=by_road)
    assert len(apart.frame) == 2


def test_what_falls_short_by_little_is_listed_and_kept_apart() -> None:
    others = [{"north_m": 5_000.0 * n, "connectors": 10 + n} for n in range(1, 9)]
    merged = merge_stations([feed("x", {}, *others), feed("y", {"north_m": 20, "connectors": 7})])
    assert merged.doubtful["kept"].tolist() == ["x:1"]
    assert merged.doubtful["merged"].tolist() == ["y:1"]
    assert "20 m apart; 7 and 8 connectors" in merged.doubtful["reason"].iloc[0]


def test_where_sources_disagree_is_said() -> None:
    x = feed("x", {"name": "Made Plaza", "status": "operational", "access": "public"})
    y = feed("y", {"name": "Made Plaza", "status": "closed", "access": "private"})
    notices = " ".join(map(str, merge_stations([x, y]).notices))
    assert "disagree on whether they stand" in notices
    assert "disagree on who may enter" in notices
    assert merge_stations([y, x]).frame["status"].tolist() == ["closed"]


def test_a_map_merged_before_recognises_its_sources() -> None:
    x = feed("x", {"name": "Made Plaza"}, {"name": "Other", "north_m": 500})
    y = feed("y", {"name": "Made Plaza", "north_m": 10})
    once = merge_stations([x, y])
    renamed = y.frame.assign(name="Something Else", connectors=1)
    again = merge_stations([StationTable(frame=once.frame), replace(y, frame=renamed)])
    assert again.frame["source_ids"].tolist() == once.frame["source_ids"].tolist()
    assert "the same id in its source" in again.merges["reason"].iloc[0]


def test_a_crowd_at_one_point_is_not_merged_but_said() -> None:
    table = feed("x", *({} for _ in range(MAX_AT_ONE_POINT + 1)))
    merged = merge_stations([table])
    assert len(merged.frame) == MAX_AT_ONE_POINT + 1
    assert "stand-in for an unknown place" in str(merged.notices[0])


def test_nothing_and_one_feed() -> None:
    assert merge_stations([]).frame.empty
    one = feed("x", {"name": "A"}, {"name": "B", "north_m": 3_000})
    alone = merge_stations([one])
    assert_geodataframe_equal(alone.frame, one.frame)
    assert alone.notices == ()
    assert tuple(alone.merges.columns) == MERGE_COLUMNS


station = st.fixed_dictionaries(
    {
        "north_m": st.integers(0, 12).map(lambda n: 20.0 * n),
        "connectors": st.sampled_from([0, 2, 4, 8, 9, 30]),
        "name": st.sampled_from(["", "万象城", "万象城1号", "万象城2号", "Made Plaza"]),
        "operator": st.sampled_from(["", "特来电", "星星充电"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(station, max_size=7), st.lists(station, max_size=7))
def test_nothing_is_lost_or_counted_twice(
    x: list[dict[str, object]], y: list[dict[str, object]]
) -> None:
    tables = [feed("x", *x), feed("y", *y)]
    merged = merge_stations(tables)
    sources = [s for text in merged.frame["source_ids"] for s in text.split(";")]
    expected = [s for table in tables for s in table.frame["source_ids"]]
    assert sorted(sources) == sorted(expected)
    assert merged.frame["station_id"].is_unique
    assert len(merged.frame) + len(merged.merges) == len(expected)
    again = merge_stations(tables)
    assert_geodataframe_equal(again.frame, merged.frame)
    assert again.merges.equals(merged.merges)


@pytest.mark.parametrize(
    ("a", "b", "alike"),
    [
        ("特来电-光谷广场充电站", "光谷广场", True),
        ("光谷广场(地下停车场)快充站", "光谷广场超充站", True),
        ("Tesla Supercharger Made Plaza", "Made Plaza", True),
        ("Made Plaza", "Plaza Made", True),
        ("光谷广场", "汉口火车站", False),
    ],
)
def test_names_without_their_generic_words(a: str, b: str, *, alike: bool) -> None:
    score = compare_names(build_name_key(a, ""), build_name_key(b, ""))
    assert score is not None
    assert (score >= 85) is alike


def test_names_in_two_scripts_or_of_generic_words_alone_say_nothing() -> None:
    assert compare_names(build_name_key("Made Plaza", ""), build_name_key("光谷广场", "")) is None
    assert compare_names(build_name_key("充电站", ""), build_name_key("充电桩", "")) is None
    both = build_name_key("Optics Valley", "光谷广场")
    assert compare_names(both, build_name_key("光谷广场充电站", "")) == 100


@pytest.mark.parametrize(
    ("a", "b", "differ"),
    [
        ("万象城A座", "万象城b座", True),
        ("一期充电站", "2期充电站", True),
        ("一号站", "01号站", False),
        ("东区", "西区", True),
        ("服务区上行", "服务区下行", True),
        ("Plaza North", "Plaza South", True),
        ("Plaza", "Plaza 2", False),
        ("Plaza level 2, no 7", "Plaza 7", False),
    ],
)
def test_marks_tell_neighbours_apart(a: str, b: str, *, differ: bool) -> None:
    assert marks_differ(build_name_key(a, ""), build_name_key(b, "")) is differ


@pytest.mark.parametrize(
    ("a", "b", "score"),
    [
        ("特来电", "TELD New Energy Co., Ltd.", 100),
        ("国家电网有限公司", "State Grid", 100),
        ("Illustrative Operator GmbH", "illustrative operator", 100),
        ("特来电", "395815801", None),  # a code says nothing about a name
        ("某某能源", "Illustrative", None),
    ],
)
def test_operators_by_their_many_names(a: str, b: str, score: float | None) -> None:
    keys = build_name_key("", "", operators=(a,)), build_name_key("", "", operators=(b,))
    assert compare_operators(*keys) == score


@pytest.mark.skipif(not SHENZHEN.is_dir(), reason="the shared Shenzhen data is not here")
def test_shenzhens_two_files_are_largely_the_same_stations() -> None:
    tables = [
        read_stations(
            Stations(
                path=SHENZHEN / name,
                datum=Datum.GCJ02,
                columns={"connectors": column},
                defaults={"power_kw": 60},
            )
        )
        for name, column in (
            ("stations_gcj02.csv", "charge_count"),
            ("stations_st_evcdp_gcj02.csv", "count"),
        )
    ]
    merged = merge_stations(tables)
    assert 1_600 < len(merged.frame) < 1_750  # of 1,587 and 1,706
    between = merged.merges[~merged.merges["within_feed"]]
    assert len(between) > 1_400
    exact = between["connectors_kept"] == between["connectors_merged"]
    assert exact.mean() > 0.9
    assert (between["distance_m"] < 1.0).mean() > 0.99
