"""Candidates: each source, each rule, and the reason of everything left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from shapely.geometry import Point, box

from siting.errors import InputError
from siting.inputs.candidates import (
    CandidateTable,
    choose_candidates,
    count_reasons,
    read_candidate_files,
)
from siting.inputs.geometry import build_local_plane
from siting.inputs.road_samples import sample_roads, select_segments
from siting.inputs.roads import RoadTable
from siting.inputs.site_selection import compute_catchment_m, select_apart, select_places
from siting.study import Candidates

if TYPE_CHECKING:
    from collections.abc import Sequence

METRE_DEG = 1 / 111_195.0
SHENZHEN = Path(__file__).parents[3] / "shared" / "data" / "shenzhen"
NONE_TAKEN = np.empty(0, dtype=np.int64)


def osm_node(node_id: int, lat: float, **tags: str) -> str:
    inner = "".join(f'<tag k="{key}" v="{value}"/>' for key, value in tags.items())
    return f'<node id="{node_id}" lat="{lat}" lon="114.0">{inner}</node>'


OSM = "".join(
    (
        '<?xml version="1.0"?><osm version="0.6">',
        osm_node(1, 30.000, amenity="fuel", name="加油站"),
        '<node id="2" lat="30.010" lon="114.000"/><node id="3" lat="30.010" lon="114.002"/>',
        '<node id="4" lat="30.012" lon="114.002"/><node id="5" lat="30.012" lon="114.000"/>',
        osm_node(6, 30.02, amenity="parking", access="private"),
        osm_node(7, 30.03, amenity="parking", parking="lane"),
        osm_node(8, 30.04, amenity="bench"),
        osm_node(9, 30.05, shop="car"),
        '<way id="10"><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="5"/><nd ref="2"/>',
        '<tag k="amenity" v="parking"/><tag k="capacity" v="40"/></way>',
        '<way id="11"><nd ref="77"/><nd ref="78"/><tag k="shop" v="mall"/></way>',
        '<relation id="12"><member type="way" ref="10" role="outer"/><tag k="shop" v="mall"/>',
        "</relation></osm>",
    )
)
OSM_WITH_ENTITIES = (
    '<!DOCTYPE o [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><osm version="0.6">'
    '<node id="1" lat="1" lon="1"><tag k="amenity" v="&c;"/></node></osm>'
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Points:
    """Demand as candidates see it."""

    lon_deg: Any = field(default_factory=lambda: np.array([114.0]))
    lat_deg: Any = field(default_factory=lambda: np.array([30.0]))
    weight: Any = field(default_factory=lambda: np.array([1.0]))
    zones: gpd.GeoDataFrame | None = None


def straight_roads(*rows: tuple[str, float, float, float]) -> RoadTable:
    """Build west-east roads: class, latitude, first and last longitude."""
    names = tuple(dict.fromkeys(row[0] for row in rows))
    n = len(rows)
    lon = np.array([lon for row in rows for lon in row[2:]])
    lat = np.repeat([row[1] for row in rows], 2)
    return RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=np.arange(n) * 2,
        segment_to=np.arange(n) * 2 + 1,
        length_m=np.diff(lon)[::2] / METRE_DEG * math.cos(math.radians(30)),
        forward_kph=np.full(n, 40.0),
        backward_kph=np.zeros(n),
        highway=[names.index(row[0]) for row in rows],
        highway_classes=names,
        shape_start=np.arange(n + 1) * 2,
        shape_lon_deg=lon,
        shape_lat_deg=lat,
        source="test",
    )


ROADS = straight_roads(("primary", 30.0, 114.0, 114.1))


def read(
    *,
    demand: Points | None = None,
    roads: RoadTable = ROADS,
    required: Sequence[str] = (),
    **spec: Any,  # noqa: ANN401 - fields of the spec
) -> CandidateTable:
    asked = Candidates(**spec)
    files = read_candidate_files(asked)
    return choose_candidates(
        asked, files, roads=roads, demand=demand or Points(), required=required
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_with_attributes(tmp_path: Path) -> None:
    text = (
        "site_id,type,lon,lat,connectors_max,grid_limit_kw,grid_group,rent_cny_per_year,name\n"
        "007,parking,114,30,8,1000,S1,5000,\n8,fuel,114.1,30,,,,,Fuel\n"
    )
    table = read(source="file", path=write(tmp_path / "c.csv", text), columns={"kind": "type"})
    frame = table.frame
    assert list(frame["site_id"]) == ["007", "8"]
    assert list(frame["name"]) == ["007", "Fuel"]
    assert list(frame["kind"]) == ["parking", "fuel"]
    assert frame["connectors_max"].tolist() == [8, math.inf]
    assert frame["grid_limit_kw"].tolist() == [1000, math.inf]
    assert list(frame["grid_group"]) == ["S1", ""]
    assert frame["rent_cny_per_year"].tolist() == [5000, 0]
    assert not frame["illustrative"].any()
    assert table.excluded.empty


def test_the_rules_in_their_order_and_their_reasons(tmp_path: Path) -> None:
    rows = [
        ("a", "fuel", 114.0),  # taken
        ("b", "bank", 114.0),  # kind
        ("c", "fuel", 114.001),  # 96 m from a
        ("d", "fuel", 114.002),  # 96 m from c, which is out; 193 m from a
        ("e", "fuel", 114.05),  # in the lake
        ("f", "fuel", 114.08),  # beyond the count
        ("g", "fuel", 114.0015),  # required, so d and c give way
    ]
    text = "site_id,kind,lon,lat\n" + "".join(f"{i},{k},{x},30\n" for i, k, x in rows)
    lake = tmp_path / "lake.parquet"
    gpd.GeoDataFrame(
        {"name": ["East Lake"]}, geometry=[box(114.04, 29.9, 114.06, 30.1)], crs="EPSG:4326"
    ).to_parquet(lake)
    spec: dict[str, Any] = {
        "source": "file",
        "path": write(tmp_path / "c.csv", text),
        "kinds": ["fuel"],
        "min_spacing_m": 150,
        "exclusions": lake,
    }
    table = read(**spec)
    assert list(table.frame["site_id"]) == ["a", "d", "f"]
    assert dict(table.excluded[["site_id", "reason"]].to_numpy().tolist()) == {
        "b": "not of a kind asked for: bank",
        "c": "closer than 150 m to another candidate: a",
        "e": "inside an exclusion area: East Lake",
        "g": "closer than 150 m to another candidate: a",
    }
    table = read(**spec, required=["c", "g"])  # 48 m apart, but both are required
    assert list(table.frame["site_id"]) == ["c", "f", "g"]
    table = read(**spec, required=["g"], count=1)
    assert list(table.frame["site_id"]) == ["g"]
    reasons = dict(table.excluded[["site_id", "reason"]].to_numpy().tolist())
    assert reasons["a"] == "closer than 150 m to another candidate: g"
    assert reasons["f"] == "beyond the count of candidates asked for: 1"
    assert count_reasons(table.excluded)["closer than 150 m to another candidate"] == 3


def test_the_count_keeps_what_is_near_demand_and_then_spreads(tmp_path: Path) -> None:
    text = "site_id,lon,lat\n" + "".join(f"s{k},{114 + k / 10},30\n" for k in range(6))
    path = write(tmp_path / "c.csv", text)
    demand = Points(
        lon_deg=np.array([114.3, 114.2]), lat_deg=np.full(2, 30.0), weight=np.array([2.0, 1.0])
    )
    kept = read(source="file", path=path, count=2, demand=demand).frame["site_id"]
    assert list(kept) == ["s2", "s3"]
    kept = read(source="file", path=path, count=4, demand=demand).frame["site_id"]
    assert list(kept) == ["s0", "s2", "s3", "s5"]


def test_rows_without_ids_and_areas_instead_of_points(tmp_path: Path) -> None:
    path = tmp_path / "c.parquet"
    gpd.GeoDataFrame(
        {"kind": ["parking", "parking"]},
        geometry=[box(114, 30, 114.002, 30.002), Point(114.1, 30)],
        crs="EPSG:4326",
    ).to_parquet(path)
    table = read(source="file", path=path, illustrative=True)
    assert list(table.frame["site_id"]) == ["row-1", "row-2"]
    assert table.frame.geometry.iloc[0].distance(Point(114.001, 30.001)) < 1e-9
    assert len(table.notices) == 2
    assert table.frame["illustrative"].all()


def test_what_leaves_no_candidate_says_why(tmp_path: Path) -> None:
    path = write(tmp_path / "c.csv", "site_id,kind,lon,lat\na,bank,114,30\n")
    with pytest.raises(InputError, match="no candidate site is left: 1 not of a kind asked for"):
        read(source="file", path=path, kinds=["fuel"])
    with pytest.raises(InputError, match="need a file"):
        read(source="file")
    with pytest.raises(InputError, match="there are no zones"):
        read(source="zones")
    with pytest.raises(InputError, match="no candidate site is left"):
        read(source="network", roads=straight_roads(("motorway", 30.0, 114.0, 114.1)))


def test_zone_centres_are_made() -> None:
    zones = gpd.GeoDataFrame(
        {"zone_id": ["z"]}, geometry=[box(114, 30, 114.1, 30.1)], crs="EPSG:4326"
    )
    (site,) = read(source="zones", demand=Points(zones=zones)).frame.itertuples()
    assert (site.site_id, site.kind, site.illustrative) == ("z", "zone", True)
    assert site.geometry.distance(Point(114.05, 30.05)) < 1e-9


def test_osm_features_with_capacity_and_reasons(tmp_path: Path) -> None:
    table = read(source="osm", path=write(tmp_path / "c.osm", OSM))
    frame = table.frame.set_index("site_id")
    assert list(frame.index) == ["node/1", "node/9", "way/10", "relation/12"]
    assert list(frame["kind"]) == ["fuel", "car_dealer", "parking", "mall"]
    assert frame.loc["node/1", "name"] == "加油站"
    assert frame.loc["way/10", "name"] == "parking way/10"
    assert frame.loc["way/10", "connectors_max"] == 40
    assert frame.loc["relation/12", "geometry"].distance(Point(114.001, 30.011)) < 1e-9
    assert dict(table.excluded[["site_id", "reason"]].to_numpy().tolist()) == {
        "node/6": "not open to the public: access=private",
        "node/7": "no room beside the street: parking=lane",
    }
    kept = read(source="osm", path=tmp_path / "c.osm", kinds=["fuel"]).frame["site_id"]
    assert list(kept) == ["node/1"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<osm", "not a valid OSM file"),
        (OSM_WITH_ENTITIES, "not a valid OSM file"),
        ('<osm version="0.6"></osm>', "no candidate site is left"),
    ],
)
def test_bad_osm_files(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read(source="osm", path=write(tmp_path / "c.osm", text))
    with pytest.raises(InputError, match=r"no \.osm or \.osm\.pbf file"):
        read(source="osm", path=write(tmp_path / "c.txt", text))


def test_generated_sites_stand_on_fitting_roads_near_demand() -> None:
    roads = straight_roads(
        ("motorway", 30.001, 114.0, 114.2),
        ("secondary", 30.0, 114.0, 114.2),
        ("track", 30.002, 114.0, 114.2),
    )
    rng = np.random.default_rng(1)
    demand = Points(
        lon_deg=rng.uniform(114.0, 114.1, 300), lat_deg=np.full(300, 30.0), weight=np.ones(300)
    )
    table = read(source="network", count=12, roads=roads, demand=demand)
    frame = table.frame
    assert len(frame) == 12
    assert frame.geometry.y.to_numpy() == pytest.approx(30.0, abs=1e-9)
    assert frame.geometry.x.max() < 114.12
    assert list(frame["site_id"][:2]) == ["N0001", "N0002"]
    assert frame["name"].iloc[0] == "N0001 · secondary road"
    assert frame["illustrative"].all()
    again = read(source="network", count=12, roads=roads, demand=demand).frame
    assert frame.geometry.equals(again.geometry)


def test_generated_sites_keep_spacing_and_exclusions(tmp_path: Path) -> None:
    area = tmp_path / "x.parquet"
    gpd.GeoDataFrame(geometry=[box(114.0, 29.9, 114.05, 30.1)], crs="EPSG:4326").to_parquet(area)
    demand = Points(
        lon_deg=np.linspace(114, 114.1, 50), lat_deg=np.full(50, 30.0), weight=np.ones(50)
    )
    table = read(source="network", count=50, min_spacing_m=1000, exclusions=area, demand=demand)
    lon, lat = table.frame.geometry.x.to_numpy(), table.frame.geometry.y.to_numpy()
    assert lon.min() > 114.05
    assert pdist(build_local_plane(lon, lat).to_metres(lon, lat)).min() >= 999
    assert f"only {len(lon)} of 50" in table.notices[0].what


@pytest.mark.skipif(not SHENZHEN.is_dir(), reason="the shared Shenzhen case is not here")
def test_shenzhen_points_of_interest() -> None:
    demand = Points(lon_deg=np.array([114.05]), lat_deg=np.array([22.55]))
    table = read(
        source="file",
        path=SHENZHEN / "pois_wgs84.csv",
        columns={"kind": "type"},
        min_spacing_m=200,
        count=300,
        demand=demand,
    )
    assert len(table.frame) == 300
    assert len(table.excluded) + 300 == 2505


def test_samples_divide_each_road_evenly() -> None:
    roads = straight_roads(("primary", 0.0, 114.0, 114.01), ("track", 0.01, 114.0, 114.0001))
    kept = select_segments(roads, without=frozenset())
    samples = sample_roads(roads, step_m=300, kept=kept)
    assert samples.segment.tolist() == [0, 0, 0, 0, 1]
    assert samples.lon_deg[:4] == pytest.approx([114.00125, 114.00375, 114.00625, 114.00875])
    assert samples.length_m[:4] == pytest.approx(np.full(4, 1111.95 / 4), rel=1e-4)
    only = select_segments(roads, without=frozenset({"primary"}))
    assert sample_roads(roads, step_m=300, kept=only).segment.tolist() == [1]


def test_catchment_covers_the_occupied_area_twice() -> None:
    squares = np.array([[x * 1000.0 + 500, 0.0] for x in range(10)])
    assert compute_catchment_m(squares, count=5) == pytest.approx(math.sqrt(20e6 / (5 * math.pi)))
    assert compute_catchment_m(squares, count=10_000) == 200


def test_greedy_by_hand() -> None:
    # Places at 0, 10, 100; demand 3 at 0, 2 at 10, 4 at 100; radius 5: each place has its own.
    places = np.array([[0.0, 0.0], [10.0, 0.0], [100.0, 0.0], [500.0, 0.0]])
    options: dict[str, Any] = {
        "preference": np.ones(4),
        "demand_xy_m": places[:3],
        "demand_weight": np.array([3.0, 2.0, 4.0]),
        "radius_m": 5.0,
        "taken": NONE_TAKEN,
    }
    assert select_places(places, count=9, min_spacing_m=0, **options).tolist() == [2, 0, 1]
    assert select_places(places, count=9, min_spacing_m=50, **options).tolist() == [2, 0]
    options["taken"] = np.array([3])
    assert select_places(places, count=2, min_spacing_m=0, **options).tolist() == [3, 2]


@given(st.integers(0, 10_000), st.integers(1, 15))
def test_the_lazy_greedy_is_the_plain_greedy(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    places, demand = rng.uniform(0, 100, (30, 2)), rng.uniform(0, 100, (40, 2))
    weight, preference = rng.uniform(0, 5, 40), rng.uniform(0.5, 1, 30)
    near = np.hypot(*(places[:, None] - demand).transpose(2, 0, 1)) <= 25
    expected: list[int] = []
    left = weight.copy()
    while len(expected) < count:
        gain = preference * (near * left).sum(axis=1)
        gain[expected] = 0
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        expected.append(best)
        left[near[best]] *= 0.5
    chosen = select_places(
        places,
        preference=preference,
        demand_xy_m=demand,
        demand_weight=weight,
        count=count,
        radius_m=25.0,
        min_spacing_m=0.0,
        taken=NONE_TAKEN,
    )
    assert chosen.tolist() == expected


def test_farthest_points_by_hand() -> None:
    line = np.array([[0.0, 0], [1, 0], [9, 0], [4, 0], [4, 0]])
    assert select_apart(line, count=3, chosen=NONE_TAKEN).tolist() == [0, 2, 3]
    assert select_apart(line, count=9, chosen=np.array([1])).tolist() == [1, 2, 3, 0]
