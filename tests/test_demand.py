"""Demand: hand-made roads and zones, totals to the last vehicle, points on roads only."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import h3
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Point, box

from siting.demand import Demand, build_demand, compute_whole_shares
from siting.errors import InputError
from siting.inputs.areas import AreaTable, is_inside
from siting.inputs.contracts import ENERGY_FIGURES
from siting.inputs.districts import DistrictTable
from siting.inputs.population import PopulationTable
from siting.inputs.roads import RoadTable
from siting.inputs.vehicles import VehicleTable
from siting.study import Energy, Spread, VehicleFormat

if TYPE_CHECKING:
    from collections.abc import Sequence

ENERGY = Energy(km_per_day=40, kwh_per_km=0.2, public_share=0.5)  # 4 kWh a vehicle and day
LEFT, RIGHT = box(114.00, 30.00, 114.01, 30.01), box(114.01, 30.00, 114.02, 30.01)


def roads_of(*lines: Sequence[tuple[float, float]], highway: Sequence[str] = ()) -> RoadTable:
    """Build a road table of separate two-way lines."""
    classes = tuple(highway) or ("residential",) * len(lines)
    names = tuple(dict.fromkeys(classes))
    ends = np.array([point for line in lines for point in (line[0], line[-1])])
    shape = np.array([point for line in lines for point in line])
    lengths = [1e5 * sum(math.dist(a, b) for a, b in pairwise(line)) for line in lines]
    n = len(lines)
    return RoadTable(
        node_lon_deg=ends[:, 0],
        node_lat_deg=ends[:, 1],
        segment_from=np.arange(n) * 2,
        segment_to=np.arange(n) * 2 + 1,
        length_m=lengths,
        forward_kph=np.full(n, 30.0),
        backward_kph=np.full(n, 30.0),
        highway=[names.index(name) for name in classes],
        highway_classes=names,
        shape_start=np.concatenate([[0], np.cumsum([len(line) for line in lines])]),
        shape_lon_deg=shape[:, 0],
        shape_lat_deg=shape[:, 1],
        source="test",
    )


def vehicles_of(
    *shapes: Any,  # noqa: ANN401 - shapely geometries
    a: Sequence[float],
    format: VehicleFormat = VehicleFormat.ZONES,  # noqa: A002 - the table's own word
    ids: Sequence[str] = (),
    spacing_m: float = 1500.0,
    **columns: Sequence[float],
) -> VehicleTable:
    n = len(shapes)
    overrides = {
        f"{name}{brand}": columns.get(f"{name}{brand}", [math.nan] * n)
        for name in ENERGY_FIGURES
        for brand in ("", "_a", "_b")
    }
    frame = gpd.GeoDataFrame(
        {
            "zone_id": list(ids) or [f"z{k}" for k in range(n)],
            "vehicles_a": a,
            "vehicles_b": columns.get("b", [0.0] * n),
            **overrides,
        },
        geometry=list(shapes),
        crs="EPSG:4326",
    )
    return VehicleTable(
        frame=frame,
        brands=("a", "b"),
        format=format,
        point_spacing_m=spacing_m,
        illustrative=False,
    )


def build(vehicles: VehicleTable, roads: RoadTable | None, **options: Any) -> Demand:  # noqa: ANN401 - options of build_demand
    energy = options.pop("energy", {"a": ENERGY, "b": ENERGY})
    return build_demand(vehicles, energy=energy, roads=roads, **options)


def said(demand: Demand) -> str:
    return "\n".join(notice.what for notice in demand.notices)


def test_points_stay_where_they_are_and_want_their_energy() -> None:
    vehicles = vehicles_of(
        Point(114, 30),
        Point(115, 31),
        a=[10, 2],
        b=[0, 5],
        format=VehicleFormat.POINTS,
        km_per_day=[math.nan, 80],
        public_share=[math.nan, 1],
    )
    demand = build(vehicles, None)
    assert demand.kwh_per_day.tolist() == [[40, 0], [2 * 16, 5 * 16]]
    assert demand.frame["kwh_b_per_day"].tolist() == [0, 80]
    assert list(demand.frame["demand_id"]) == ["z0", "z1"]
    assert demand.lon_deg.tolist() == [114, 115]
    assert demand.weight.tolist() == [40, 112]
    assert demand.zones is None
    assert not demand.kwh_per_day.flags.writeable


def test_a_brands_figures_give_way_to_the_zones_and_those_to_its_own_for_the_brand() -> None:
    points = [Point(114, 30), Point(115, 30), Point(116, 30)]
    vehicles = vehicles_of(
        *points,
        a=[1, 1, 1],
        b=[1, 1, 1],
        format=VehicleFormat.POINTS,
        public_share=[math.nan, 0.25, 0.25],
        public_share_b=[math.nan, math.nan, 0.0],
        km_per_day_a=[math.nan, math.nan, 10],
    )
    brand_b = ENERGY.model_copy(update={"km_per_day": 100.0, "public_share": 1.0})
    demand = build(vehicles, None, energy={"a": ENERGY, "b": brand_b})
    # kilometres × 0.2 kWh × public share
    assert demand.kwh_per_day.tolist() == [[4, 20], [2, 5], [0.5, 0]]


def test_a_zone_stands_on_its_road() -> None:
    road = [(114.001, 30.002), (114.009, 30.002)]
    demand = build(vehicles_of(LEFT, a=[7], b=[1]), roads_of(road))
    assert LineString(road).distance(demand.frame.geometry.iloc[0]) < 1e-12
    assert demand.frame.geometry.iloc[0].x == pytest.approx(114.005, abs=5e-4)
    assert demand.frame["vehicles_a"].tolist() == [7]
    assert demand.zones is not None
    assert demand.notices == ()


def test_demand_follows_road_length() -> None:
    # Four spots of equal road: three on the road that is three times longer.
    long = [(114.0001, 30.001), (114.0031, 30.001)]
    short = [(114.0089, 30.009), (114.0099, 30.009)]
    demand = build(vehicles_of(LEFT, a=[100], b=[3], spacing_m=500), roads_of(long, short))
    assert len(demand.frame) == 4
    south = demand.lat_deg < 30.005
    assert demand.frame["vehicles_a"][south].sum() == 75
    assert demand.frame["vehicles_a"].sum() == 100
    assert demand.frame["vehicles_b"].sum() == 3
    assert list(demand.frame["demand_id"]) == ["z0#1", "z0#2", "z0#3", "z0#4"]


def test_nobody_lives_on_a_motorway_unless_there_is_nothing_else() -> None:
    motorway = [(114.000, 30.001), (114.02, 30.001)]
    street = [(114.001, 30.008), (114.002, 30.008)]
    roads = roads_of(motorway, street, highway=["motorway", "residential"])
    demand = build(vehicles_of(LEFT, RIGHT, a=[5, 5]), roads)
    assert demand.lat_deg == pytest.approx([30.008, 30.001], abs=1e-9)


def test_a_zone_without_roads_keeps_a_point_inside_and_is_named() -> None:
    road = [(114.001, 30.002), (114.009, 30.002)]
    demand = build(vehicles_of(LEFT, RIGHT, a=[5, 5]), roads_of(road))
    assert RIGHT.contains(demand.frame.geometry.iloc[1])
    assert "1 zones hold no road: z1" in demand.notices[0].what
    assert len(build(vehicles_of(LEFT, RIGHT, a=[5, 5]), None).frame) == 2


def test_closed_roads_carry_no_demand() -> None:
    road = [(114.001, 30.002), (114.009, 30.002)]
    table = roads_of(road, [(114.001, 30.008), (114.009, 30.008)])
    closed = RoadTable(
        **{
            **{name: getattr(table, name) for name in table.__dataclass_fields__},
            "forward_kph": [0.0, 30.0],
            "backward_kph": [0.0, 30.0],
        }
    )
    demand = build(vehicles_of(LEFT, a=[5]), closed)
    assert demand.lat_deg == pytest.approx([30.008])


def test_empty_zones_make_no_demand_and_are_counted() -> None:
    demand = build(vehicles_of(LEFT, RIGHT, a=[0, 5]), None)
    assert list(demand.frame["zone_id"]) == ["z1"]
    assert "1 zones have no vehicles" in demand.notices[0].what


def test_districts_by_the_place_of_the_point() -> None:
    districts = DistrictTable(
        frame=gpd.GeoDataFrame(
            {"district_id": ["w", "v"], "name": ["", ""], "name_zh": ["", ""]},
            geometry=[LEFT, LEFT],
            crs="EPSG:4326",
        )
    )
    demand = build(vehicles_of(LEFT, RIGHT, a=[5, 5]), None, districts=districts)
    assert list(demand.frame["district_id"]) == ["w", ""]
    assert "1 demand points lie in no district" in demand.notices[0].what


def test_ids_that_would_stand_twice_are_refused() -> None:
    vehicles = vehicles_of(LEFT, RIGHT, a=[50, 5], ids=["z", "z#1"], spacing_m=500)
    roads = roads_of([(114.0, 30.002), (114.01, 30.002)], [(114.011, 30.002), (114.0111, 30.002)])
    with pytest.raises(InputError, match="take the # out"):
        build(vehicles, roads)


# LEFT is 0.01° wide: water covers its western half in what follows.
WATER = AreaTable(
    frame=gpd.GeoDataFrame(
        {"name": ["lake"]}, geometry=[box(113.99, 29.99, 114.005, 30.02)], crs=4326
    )
)


def people_of(*shapes: Any, population: Sequence[float]) -> PopulationTable:  # noqa: ANN401 - shapely geometries
    frame = gpd.GeoDataFrame({"population": population}, geometry=list(shapes), crs=4326)
    return PopulationTable(frame=frame)


def by_people(vehicles: VehicleTable) -> VehicleTable:
    return replace(vehicles, spread=Spread.POPULATION)


def test_a_bridge_carries_no_demand() -> None:
    bridge = [(114.0001, 30.005), (114.0099, 30.005)]  # from the lake's middle to the shore
    demand = build(vehicles_of(LEFT, a=[8], spacing_m=300), roads_of(bridge), water=WATER)
    assert len(demand.frame) > 1
    assert demand.lon_deg.min() > 114.005
    assert demand.frame["vehicles_a"].sum() == 8
    assert build(vehicles_of(LEFT, a=[8], spacing_m=300), roads_of(bridge)).lon_deg.min() < 114.005


def test_a_zone_without_roads_stands_on_its_land() -> None:
    elsewhere = roads_of([(114.011, 30.002), (114.019, 30.002)])
    demand = build(vehicles_of(LEFT, a=[8]), elsewhere, water=WATER)
    assert 114.005 < demand.lon_deg[0] < 114.01
    assert "1 zones hold no road: z0" in demand.notices[0].what


def test_a_zone_in_the_lake_stands_on_the_nearest_road_ashore() -> None:
    lake = box(114.0, 30.0, 114.004, 30.01)
    roads = roads_of([(114.0, 30.005), (114.0099, 30.005)], [(114.008, 30.0), (114.009, 30.0)])
    demand = build(vehicles_of(lake, a=[8], b=[1]), roads, water=WATER)
    assert demand.lon_deg[0] == pytest.approx(114.005, abs=0.0006)  # samples stand 50 m apart
    assert demand.lon_deg[0] > 114.005
    assert demand.vehicles_placed == {"a": 8, "b": 1}
    assert "1 zones lie on water: z0; their demand stands on the nearest road" in said(demand)
    with pytest.raises(InputError, match="no road ashore"):
        build(vehicles_of(lake, a=[8]), roads_of([(114.0, 30.0), (114.004, 30.0)]), water=WATER)


def test_points_on_water_are_moved_ashore_and_counted() -> None:
    points = vehicles_of(
        Point(114.001, 30.005), Point(114.009, 30.005), a=[8, 1], format=VehicleFormat.POINTS
    )
    demand = build(points, roads_of([(114.006, 30.0), (114.006, 30.01)]), water=WATER)
    assert demand.lon_deg.tolist() == pytest.approx([114.006, 114.009])
    assert demand.lat_deg[0] == pytest.approx(30.005, abs=0.0003)
    assert "1 points of vehicles lie on water" in said(demand)


def test_demand_follows_its_people() -> None:
    # Three quarters of the people live in the north-east, by points and by an area that juts out.
    homes = people_of(
        Point(114.002, 30.002),
        Point(114.003, 30.002),
        box(114.006, 30.006, 114.009, 30.014),
        population=[5, 5, 60],  # half of the 60 live inside LEFT
    )
    vehicles = by_people(vehicles_of(LEFT, a=[40], b=[3], spacing_m=500))
    demand = build(vehicles, roads_of([(114.0, 30.009), (114.001, 30.009)]), population=homes)
    north = demand.lat_deg > 30.005
    assert demand.frame["vehicles_a"][north].sum() == 30
    assert demand.frame["vehicles_a"][~north].sum() == 10
    assert demand.vehicles_placed == {"a": 40, "b": 3}
    assert demand.notices == ()


def test_nobody_lives_on_the_water() -> None:
    # The house in the lake counts for nothing; of the quarter all live on its half that is land.
    homes = people_of(
        Point(114.001, 30.001),
        box(114.003, 30.001, 114.007, 30.002),
        Point(114.009, 30.009),
        population=[1000, 10, 10],
    )
    vehicles = by_people(vehicles_of(LEFT, a=[10], spacing_m=300))
    demand = build(vehicles, None, population=homes, water=WATER)
    assert demand.lon_deg.min() > 114.005
    assert demand.frame["vehicles_a"].tolist() == [5, 5]


def test_zones_without_people_follow_their_roads_and_are_named() -> None:
    road = [(114.011, 30.002), (114.019, 30.002)]
    vehicles = by_people(vehicles_of(LEFT, RIGHT, a=[5, 5]))
    homes = people_of(Point(114.002, 30.007), population=[1])
    demand = build(vehicles, roads_of(road), population=homes)
    assert demand.lat_deg == pytest.approx([30.007, 30.002])
    assert said(demand) == "1 zones hold no population: z1; their demand follows their roads"
    lake = box(114.0, 30.0, 114.004, 30.01)
    flooded = build(
        by_people(vehicles_of(lake, a=[5])), roads_of(road), population=homes, water=WATER
    )
    assert said(flooded) == (
        "1 zones lie on water: z0; their demand stands on the nearest road ashore"
    )


@given(st.integers(0, 2**32 - 1), st.booleans(), st.booleans())
@settings(max_examples=25)
def test_no_vehicle_is_lost_and_none_stands_on_water(
    seed: int,
    with_roads: bool,  # noqa: FBT001 - hypothesis gives them so
    with_people: bool,  # noqa: FBT001 - the same
) -> None:
    rng = np.random.default_rng(seed)
    squares = [
        box(114 + i / 100, 30 + k / 100, 114.01 + i / 100, 30.01 + k / 100)
        for i in range(4)
        for k in range(4)
    ]
    discs = [
        Point(*rng.uniform([114, 30], [114.04, 30.04])).buffer(rng.uniform(0.001, 0.012))
        for _ in range(5)
    ]
    water = AreaTable(frame=gpd.GeoDataFrame({"name": list("abcde")}, geometry=discs, crs=4326))
    ends = (
        rng.uniform([114, 30], [114.04, 30.04], (12, 2, 2)) if with_roads else np.empty((0, 2, 2))
    )
    ashore = [(114.06, 30.0), (114.06, 30.04)]
    roads = roads_of(*[[tuple(a), tuple(b)] for a, b in ends], ashore)
    homes = [Point(xy) for xy in rng.uniform([114, 30], [114.04, 30.04], (10, 2))]
    people = people_of(*homes, *discs, population=rng.uniform(0.1, 9, 15).tolist())
    vehicles = vehicles_of(
        *squares, a=rng.poisson(5, 16).tolist(), b=rng.uniform(0, 9, 16).tolist(), spacing_m=400
    )
    demand = build(
        by_people(vehicles) if with_people else vehicles, roads, population=people, water=water
    )
    assert demand.vehicles_placed == vehicles.totals
    assert not is_inside(demand.lon_deg, demand.lat_deg, water).any()


def test_cells_of_any_size_lose_no_vehicle_and_stand_on_roads() -> None:
    rng = np.random.default_rng(0)
    lines = [
        [(lon, lat), (lon + rng.normal(0, 0.01), lat + rng.normal(0, 0.01))]
        for lon, lat in rng.uniform([114.0, 30.0], [114.2, 30.2], (200, 2))
    ]
    roads = roads_of(*lines)
    for resolution in (7, 8, 9):
        area = h3.LatLngPoly([(30.0, 114.0), (30.0, 114.2), (30.2, 114.2), (30.2, 114.0)])
        cells = sorted(h3.geo_to_cells(area, resolution))
        polygons = [shapely.Polygon([(x, y) for y, x in h3.cell_to_boundary(c)]) for c in cells]
        counts = rng.poisson(3, len(cells)) + rng.random(len(cells))
        vehicles = vehicles_of(
            *polygons,
            a=counts.tolist(),
            b=rng.poisson(1, len(cells)).tolist(),
            format=VehicleFormat.H3,
            ids=cells,
        )
        demand = build(vehicles, roads)
        assert demand.vehicles_placed == vehicles.totals
        by_zone = demand.frame.groupby("zone_id")["vehicles_a"].apply(math.fsum)
        assert by_zone.to_dict() == dict(zip(cells, counts.tolist(), strict=True))
        inside = shapely.covers(
            np.array(polygons)[[cells.index(z) for z in demand.frame["zone_id"]]],
            demand.frame.geometry.to_numpy(),
        )
        assert inside.all()
        on_road = shapely.distance(
            shapely.union_all([LineString(line) for line in lines]),
            demand.frame.geometry.to_numpy(),
        )
        assert ((on_road < 1e-9) | demand.frame["demand_id"].isin(cells)).all()


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e7, allow_subnormal=False),
            st.lists(st.floats(0.001, 1), min_size=1, max_size=6),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_shares_are_exact_and_never_far_from_proportion(
    zones: list[tuple[float, list[float]]],
) -> None:
    count = np.array([[amount, 1.0] for amount, _ in zones])
    zone = np.repeat(np.arange(len(zones)), [len(weights) for _, weights in zones])
    share = np.concatenate([np.array(w) / sum(w) for _, w in zones])
    placed = compute_whole_shares(count, zone, share)
    for k, (amount, _) in enumerate(zones):
        assert math.fsum(placed[zone == k, 0]) == amount
        assert placed[zone == k, 1].sum() == 1
    assert (placed >= 0).all()
    assert (np.abs(placed[:, 0] - count[zone, 0] * share) < 2 + 1e-6).all()
