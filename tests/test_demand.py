"""Demand: hand-made roads and zones, totals to the last vehicle, points on roads only."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import h3
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import LineString, Point, box

from siting.demand import Demand, build_demand, compute_whole_shares
from siting.errors import InputError
from siting.inputs.contracts import ENERGY_FIGURES
from siting.inputs.districts import DistrictTable
from siting.inputs.roads import RoadTable
from siting.inputs.vehicles import VehicleTable
from siting.study import Energy, VehicleFormat

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
