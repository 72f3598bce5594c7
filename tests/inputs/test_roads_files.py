"""Reading roads: what the tags allow, where ways are cut, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import osmium
import pytest
from pyproj import Geod
from shapely import LineString, MultiLineString, Point

from siting.errors import InputError
from siting.inputs.roads import RoadTable, detect_road_format, read_roads
from siting.inputs.roads.assemble import compute_lengths_m
from siting.inputs.roads.tags import (
    FREE_FLOW_KPH,
    parse_maxspeed_kph,
    read_drive_speeds,
    read_oneway,
)
from siting.study import RoadFormat, Roads

if TYPE_CHECKING:
    from pathlib import Path

Ways = dict[str, tuple[list[int], dict[str, str]]]

# Node 1 – 2 – 3 along a parallel, 4 north of 2, 5 north of 4.
PLACES = {
    1: (114.000, 30.0),
    2: (114.001, 30.0),
    3: (114.002, 30.0),
    4: (114.001, 30.001),
    5: (114.001, 30.002),
}


def osm_text(ways: Ways, places: dict[int, tuple[float, float]] | None = None) -> str:
    nodes = "".join(
        f'<node id="{key}" lon="{lon}" lat="{lat}" version="1"/>'
        for key, (lon, lat) in (PLACES if places is None else places).items()
    )
    lines = ""
    for number, (refs, tags) in enumerate(ways.values(), start=1):
        lines += f'<way id="{number}" version="1">'
        lines += "".join(f'<nd ref="{ref}"/>' for ref in refs)
        lines += "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
        lines += "</way>"
    return f'<?xml version="1.0" encoding="UTF-8"?><osm version="0.6">{nodes}{lines}</osm>'


def read_osm(tmp_path: Path, ways: Ways) -> RoadTable:
    path = tmp_path / "roads.osm"
    path.write_text(osm_text(ways), encoding="utf-8")
    return read_roads(Roads(path=path))


def degrees_of_nodes(roads: RoadTable) -> dict[tuple[float, float], int]:
    """Return how many segments end at each place."""
    ends = np.concatenate([roads.segment_from, roads.segment_to])
    counts = np.bincount(ends, minlength=roads.n_node).tolist()
    places = zip(roads.node_lon_deg.tolist(), roads.node_lat_deg.tolist(), strict=True)
    return dict(zip(places, counts, strict=True))


def test_ways_are_cut_where_they_meet_and_bends_stay_shape(tmp_path: Path) -> None:
    roads = read_osm(
        tmp_path,
        {
            "main": ([1, 2, 3], {"highway": "primary"}),
            "side": ([2, 4, 5], {"highway": "residential"}),
        },
    )
    assert degrees_of_nodes(roads) == {PLACES[1]: 1, PLACES[2]: 3, PLACES[3]: 1, PLACES[5]: 1}
    assert roads.n_segment == 3
    assert sorted(np.diff(roads.shape_start).tolist()) == [2, 2, 3]
    assert [roads.highway_classes[k] for k in roads.highway] == ["primary"] * 2 + ["residential"]
    assert roads.source == "© OpenStreetMap contributors, ODbL 1.0"
    # 0.001 degree of longitude at 30° is 96.49 m, of latitude 110.85 m, on the WGS-84 ellipsoid.
    assert roads.length_m.tolist() == pytest.approx([96.49, 96.49, 221.70], abs=0.01)


def test_roads_that_cross_without_a_common_node_do_not_meet(tmp_path: Path) -> None:
    roads = read_osm(
        tmp_path,
        {
            "road": ([1, 3], {"highway": "primary"}),
            "bridge": ([2, 4], {"highway": "primary", "bridge": "yes", "layer": "1"}),
        },
    )
    assert roads.n_segment == 2
    assert roads.n_node == 4


def test_roundabout_is_one_way_and_a_loop_stays_a_loop(tmp_path: Path) -> None:
    roads = read_osm(
        tmp_path,
        {
            "ring": ([1, 2, 4, 1], {"highway": "primary", "junction": "roundabout"}),
            "arm": ([2, 3], {"highway": "primary"}),
        },
    )
    assert roads.n_node == 3
    assert sorted(zip(roads.forward_kph > 0, roads.backward_kph > 0, strict=True)) == [
        (True, False),
        (True, False),
        (True, True),
    ]
    alone = read_osm(tmp_path, {"ring": ([1, 2, 4, 1], {"highway": "residential"})})
    assert alone.segment_from.tolist() == alone.segment_to.tolist() == [0]
    assert alone.shape_start.tolist() == [0, 4]


def test_repeated_nodes_and_ways_of_one_place_are_no_roads(tmp_path: Path) -> None:
    roads = read_osm(
        tmp_path,
        {
            "stutter": ([1, 1, 2, 2, 3], {"highway": "primary"}),
            "spot": ([4, 4], {"highway": "primary"}),
        },
    )
    assert roads.n_segment == 1
    assert np.diff(roads.shape_start).tolist() == [3]


def test_way_is_kept_in_the_pieces_whose_nodes_are_there(tmp_path: Path) -> None:
    path = tmp_path / "edge.osm"
    places = {key: PLACES[key] for key in (1, 2, 4, 5)}
    path.write_text(osm_text({"a": ([1, 2, 3, 4, 5, 3], {"highway": "primary"})}, places))
    roads = read_roads(Roads(path=path))
    assert roads.n_segment == 2
    assert roads.n_node == 4


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "footway"},
        {"highway": "service"},
        {"highway": "construction", "construction": "primary"},
        {"highway": "primary", "access": "private"},
        {"highway": "primary", "access": "no"},
        {"highway": "primary", "motor_vehicle": "no"},
        {"highway": "primary", "motorcar": "private", "access": "yes"},
        {"highway": "primary", "area": "yes"},
        {"highway": "residential", "service": "parking_aisle"},
        {"highway": "primary", "route": "ferry"},
        {"route": "ferry"},
    ],
)
def test_no_road_for_cars(tags: dict[str, str]) -> None:
    assert read_drive_speeds(tags) is None


def test_more_specific_access_wins() -> None:
    assert read_drive_speeds({"highway": "primary", "access": "no", "motor_vehicle": "yes"})


@pytest.mark.parametrize(
    ("tags", "ways"),
    [
        ({}, (True, True)),
        ({"oneway": "yes"}, (True, False)),
        ({"oneway": "1"}, (True, False)),
        ({"oneway": "-1"}, (False, True)),
        ({"oneway": "reverse"}, (False, True)),
        ({"oneway": "no"}, (True, True)),
        ({"junction": "roundabout"}, (True, False)),
        ({"junction": "roundabout", "oneway": "no"}, (True, True)),
        ({"junction": "roundabout", "oneway": "-1"}, (False, True)),
        ({"highway": "motorway"}, (True, False)),
        ({"highway": "motorway", "oneway": "no"}, (True, True)),
        ({"highway": "motorway_link"}, (True, True)),
    ],
)
def test_oneway(tags: dict[str, str], ways: tuple[bool, bool]) -> None:
    assert read_oneway(tags) == ways


@pytest.mark.parametrize(
    ("text", "kph"),
    [
        ("50", 50.0),
        ("50 km/h", 50.0),
        ("30 mph", 48.28032),
        ("30mph", 48.28032),
        ("CN:urban", 50.0),
        ("CN:motorway", 120.0),
        ("DE:zone30", 30.0),
        ("DE:zone:30", 30.0),
        ("FR:30", 30.0),
        ("none", 120.0),
        ("walk", 7.0),
        ("40;60", 50.0),
        ("40|60|80", 60.0),
        ("signals;60", 60.0),
        ("signals", None),
        ("0", None),
        ("999", None),
        ("-50", None),
        ("nan", None),
        ("10 knots", None),
        ("XX:other", None),
        ("", None),
        (None, None),
    ],
)
def test_maxspeed(text: str | None, kph: float | None) -> None:
    assert parse_maxspeed_kph(text) == (None if kph is None else pytest.approx(kph))


def test_limit_by_direction_and_default_by_class() -> None:
    tags = {"highway": "primary", "maxspeed": "50", "maxspeed:backward": "30"}
    assert read_drive_speeds(tags) == (50.0, 30.0)
    default = FREE_FLOW_KPH["tertiary"]
    assert read_drive_speeds({"highway": "tertiary", "maxspeed": "signals"}) == (default, default)
    assert read_drive_speeds({"highway": "tertiary", "oneway": "-1"}) == (0.0, default)


def test_binary_osm_reads_the_same(tmp_path: Path) -> None:
    ways: Ways = {
        "main": ([1, 2, 3], {"highway": "primary", "name": "珞喻路", "oneway": "yes"}),
        "side": ([2, 4, 5], {"highway": "residential"}),
    }
    text = read_osm(tmp_path, ways)
    path = tmp_path / "roads.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for item in osmium.FileProcessor(str(tmp_path / "roads.osm")):
            writer.add(item)
    binary = read_roads(Roads(path=path))
    assert binary.content_hash == text.content_hash


BOMB = '<!DOCTYPE osm [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bomb.osm", f'<?xml version="1.0"?>{BOMB}<osm version="0.6">&b;</osm>', "document type"),
        ("text.osm", "not xml", "not XML"),
        ("empty.osm", "", "not XML"),
        ("cut.osm", '<osm version="0.6"><node id="1" lon="1', "cannot be read"),
        ("none.osm", '<osm version="0.6"></osm>', "no road"),
        ("noise.osm.pbf", "not a pbf", "cannot be read"),
        ("noise.parquet", "not parquet", "cannot be read"),
        ("noise.npz", "not npz", "cannot be read"),
        ("roads.shp", "", "does not tell its format"),
    ],
)
def test_unreadable_files_are_faults(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        read_roads(Roads(path=path))
    assert raised.value.faults[0].file == str(path)


def test_missing_files_are_faults(tmp_path: Path) -> None:
    for name in ("a.osm", "a.osm.pbf", "a.parquet", "a.npz"):
        with pytest.raises(InputError, match="no such file"):
            read_roads(Roads(path=tmp_path / name))


def test_format_by_name_and_by_statement(tmp_path: Path) -> None:
    assert detect_road_format(Roads(path=tmp_path / "City.OSM.PBF")) is RoadFormat.PBF
    assert detect_road_format(Roads(path=tmp_path / "city.graphml")) is RoadFormat.GRAPHML
    assert detect_road_format(Roads(place="Wuhan")) is RoadFormat.PLACE
    stated = Roads(path=tmp_path / "city.xml", format=RoadFormat.OSM)
    assert detect_road_format(stated) is RoadFormat.OSM
    with pytest.raises(ValueError, match=r"siting\.network"):
        read_roads(Roads(path=tmp_path / "city.graphml"))


def write_parquet(path: Path, columns: dict[str, list[object]], crs: str | None) -> Roads:
    gpd.GeoDataFrame(columns, crs=crs).to_parquet(path)
    return Roads(path=path)


def test_geoparquet_of_cut_lines_joins_at_ends_only(tmp_path: Path) -> None:
    spec = write_parquet(
        tmp_path / "roads.parquet",
        {
            # u and v are the wrong way round on purpose, as in neatnet's files.
            "u": [2, 2, 9],
            "v": [1, 4, 8],
            "highway": [["primary"], ["service", "residential"], ["footway"]],
            "oneway": [True, False, None],
            "maxspeed": ["40", None, None],
            "geometry": [
                LineString([(500_000, 3_300_000), (500_100, 3_300_000)]),
                LineString([(500_100, 3_300_000), (500_050, 3_300_000), (500_050, 3_300_200)]),
                LineString([(0, 0), (1, 1)]),
            ],
        },
        "EPSG:32650",
    )
    roads = read_roads(spec)
    assert roads.n_node == 3
    assert roads.forward_kph.tolist() == [40.0, FREE_FLOW_KPH["residential"]]
    assert roads.backward_kph.tolist() == [0.0, FREE_FLOW_KPH["residential"]]
    assert roads.highway_classes == ("primary", "residential")
    # UTM's own meridian shrinks lengths by 0.9996; metres on the ground are a little more.
    assert roads.length_m.tolist() == pytest.approx([100.04, 250.10], abs=0.01)
    assert roads.node_lon_deg.min() == pytest.approx(117.0)
    assert roads.source == "roads.parquet"


def test_geoparquet_of_raw_lines_is_cut_where_they_share_a_vertex(tmp_path: Path) -> None:
    spec = write_parquet(
        tmp_path / "raw.parquet",
        {
            "highway": ["primary", "residential", "primary"],
            "geometry": [
                LineString([(114.0, 30.0), (114.001, 30.0), (114.002, 30.0)]),
                MultiLineString(
                    [[(114.001, 30.0), (114.001, 30.001)], [(114.0, 30.1), (114.0, 30.2)]]
                ),
                None,
            ],
        },
        "EPSG:4326",
    )
    roads = read_roads(spec)
    assert roads.n_segment == 4
    assert roads.n_node == 6


@pytest.mark.parametrize(
    ("columns", "crs", "message"),
    [
        ({"geometry": [LineString([(0, 0), (1, 1)])]}, "EPSG:4326", "lacks a column"),
        (
            {"highway": ["primary"], "geometry": [LineString([(0, 0), (1, 1)])]},
            None,
            "states no CRS",
        ),
        (
            {"highway": ["footway"], "geometry": [LineString([(0, 0), (1, 1)])]},
            "EPSG:4326",
            "no line",
        ),
        ({"highway": ["primary"], "geometry": [Point(0, 0)]}, "EPSG:4326", "no line"),
        (
            {"highway": ["primary"], "geometry": [LineString([(0, 0), (500, 100)])]},
            "EPSG:4326",
            "leave the globe",
        ),
    ],
)
def test_geoparquet_faults(
    tmp_path: Path, columns: dict[str, list[object]], crs: str | None, message: str
) -> None:
    spec = write_parquet(tmp_path / "bad.parquet", columns, crs)
    with pytest.raises(InputError, match=message):
        read_roads(spec)


def test_lengths_equal_the_geodesic() -> None:
    lon = np.array([114.0, 114.01, 113.99, 114.01])
    lat = np.array([30.0, 30.011, 30.0, 30.02])
    legs = Geod(ellps="WGS84").inv(lon[:-1], lat[:-1], lon[1:], lat[1:])[2]
    lengths = compute_lengths_m(lon, lat, np.array([0, 2, 4]))
    assert lengths.tolist() == pytest.approx([legs[0], legs[2]], rel=1e-6)
