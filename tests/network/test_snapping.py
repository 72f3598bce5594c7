"""Snapping on hand-made roads, and against shapely on random ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.inputs.roads import RoadTable
from siting.network.road_network import build_road_network
from siting.network.snapping import NO_SEGMENT, Snapped, SnapProblem, snap_to_roads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.network.road_network import RoadNetwork

    MakeNetwork = Callable[..., RoadNetwork]

KPH = 36.0


def snap(
    network: RoadNetwork, places_m: Sequence[tuple[float, float]], *, max_distance_m: float = 500.0
) -> Snapped:
    """Snap places given in metres from the network's first node of the road table."""
    first = int(np.flatnonzero(network.table_node == 0)[0])
    x_m, y_m = np.array(places_m, dtype=float).reshape(-1, 2).T
    lon, lat = network.unproject(network.node_x_m[first] + x_m, network.node_y_m[first] + y_m)
    return snap_to_roads(network, lon, lat, max_distance_m=max_distance_m)


def test_to_the_edge_and_not_to_the_node(make_network: MakeNetwork) -> None:
    network = make_network(
        [(0, 0), (1000, 0), (1000, 1000)], [(0, 1, 1000, KPH, KPH), (1, 2, 1000, KPH, KPH)]
    )
    snapped = snap(network, [(250, 30), (-40, 30), (970, 600)])
    assert snapped.segment.tolist() == [0, 0, 1]
    # The degree grid of the tiny networks is not quite square in UTM: 0.5 per cent.
    assert snapped.fraction.tolist() == pytest.approx([0.25, 0.0, 0.6], abs=0.005)
    assert snapped.distance_m.tolist() == pytest.approx([30.0, 50.0, 30.0], abs=2.5)
    assert snapped.problem.tolist() == [SnapProblem.NONE] * 3


def test_far_from_any_road_is_nowhere(make_network: MakeNetwork) -> None:
    network = make_network([(0, 0), (1000, 0)], [(0, 1, 1000, KPH, KPH)])
    snapped = snap(network, [(500, 99), (500, 101), (500, 1e6), (1101.5, 0)], max_distance_m=100.0)
    assert snapped.on_network.tolist() == [True, False, False, False]
    assert snapped.segment.tolist()[1:] == [NO_SEGMENT] * 3
    assert np.isnan(snapped.fraction[1:]).all()
    assert np.isinf(snapped.distance_m[1:]).all()
    assert snapped.problem.tolist()[1:] == [SnapProblem.OFF_NETWORK] * 3


def test_impossible_coordinates_are_off_the_network(make_network: MakeNetwork) -> None:
    network = make_network([(0, 0), (1000, 0)], [(0, 1, 1000, KPH, KPH)])
    # (10.99, 10.99) stands in real station files; swapped, missing and absurd figures as well.
    lon, lat = [10.99, 30.0, np.nan, np.inf, 1e9], [10.99, 114.0, 30.0, 0.0, -1e9]
    snapped = snap_to_roads(network, lon, lat, max_distance_m=500.0)
    assert snapped.problem.tolist() == [SnapProblem.OFF_NETWORK] * 5


def test_main_component_first_and_the_rest_reported(make_network: MakeNetwork) -> None:
    network = make_network(
        [(0, 0), (1000, 0), (0, 200), (1000, 200), (2000, 0), (0, 3000), (1000, 3000)],
        [
            (0, 1, 1000, KPH, KPH),
            (2, 3, 1000, KPH, KPH),  # an island 200 m off the main road
            (1, 4, 1000, KPH, 0),  # no way back from here
            (5, 6, 1000, KPH, KPH),  # an island far away
            (0, 1, 1000, 0, 0),  # closed both ways: never snapped to
        ],
    )
    snapped = snap(network, [(500, 150), (1700, 20), (500, 2990), (500, 1)])
    assert snapped.segment.tolist() == [0, 2, 3, 0]
    assert snapped.problem.tolist() == [
        SnapProblem.NONE,
        SnapProblem.ONE_WAY_TRAP,
        SnapProblem.OTHER_COMPONENT,
        SnapProblem.NONE,
    ]
    near_island = snap(network, [(500, 150)], max_distance_m=100.0)
    assert near_island.segment.tolist() == [1]
    assert near_island.problem.tolist() == [SnapProblem.OTHER_COMPONENT]


def test_of_equally_near_roads_the_first(make_network: MakeNetwork) -> None:
    network = make_network(
        [(0, 0), (1000, 0), (1000, 1000), (2000, 0)],
        [(1, 3, 1000, KPH, KPH), (0, 1, 1000, KPH, KPH), (1, 2, 1000, KPH, KPH)],
    )
    snapped = snap(network, [(990, -40), (1010, -40)])
    assert snapped.segment.tolist() == [1, 0]
    corner = int(np.flatnonzero(network.table_node == 1)[0])
    lon, lat = network.unproject(network.node_x_m[[corner]], network.node_y_m[[corner]])
    at_corner = snap_to_roads(network, lon, lat, max_distance_m=10.0)
    assert at_corner.segment.tolist() == [0]
    assert at_corner.fraction[0] == pytest.approx(0.0, abs=1e-9)


def test_bad_questions_are_refused(make_network: MakeNetwork) -> None:
    network = make_network([(0, 0), (1000, 0)], [(0, 1, 1000, KPH, KPH)])
    with pytest.raises(ValueError, match="same length"):
        snap_to_roads(network, [1.0, 2.0], [1.0], max_distance_m=10.0)
    with pytest.raises(ValueError, match="positive"):
        snap_to_roads(network, [1.0], [1.0], max_distance_m=0.0)
    assert snap_to_roads(network, [], [], max_distance_m=10.0).n_point == 0


def winding_roads(rng: np.random.Generator, n_segment: int, span_deg: float) -> RoadTable:
    """Build unconnected winding roads, so that every one of them is a component of its own."""
    n_point = rng.integers(2, 6, n_segment)
    start = np.concatenate([[0], np.cumsum(n_point)])
    lon = 117.0 + rng.uniform(0, span_deg, start[-1])
    lat = 30.0 + rng.uniform(0, span_deg, start[-1])
    ends = np.column_stack([start[:-1], start[1:] - 1])
    return RoadTable(
        node_lon_deg=lon[ends].ravel(),
        node_lat_deg=lat[ends].ravel(),
        segment_from=np.arange(n_segment) * 2,
        segment_to=np.arange(n_segment) * 2 + 1,
        length_m=np.ones(n_segment),
        forward_kph=np.full(n_segment, KPH),
        backward_kph=np.full(n_segment, KPH),
        highway=np.zeros(n_segment),
        highway_classes=("road",),
        shape_start=start,
        shape_lon_deg=lon,
        shape_lat_deg=lat,
        source="made for a test",
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    n_segment=st.integers(1, 40),
    span_deg=st.sampled_from([0.001, 0.02, 0.3]),
    max_distance_m=st.sampled_from([30.0, 400.0, 5000.0]),
)
def test_equal_to_shapely(
    seed: int, n_segment: int, span_deg: float, max_distance_m: float
) -> None:
    rng = np.random.default_rng(seed)
    network = build_road_network(winding_roads(rng, n_segment, span_deg))
    lon, lat = rng.uniform(-span_deg, 2 * span_deg, (2, 60))
    snapped = snap_to_roads(network, 117.0 + lon, 30.0 + lat, max_distance_m=max_distance_m)
    points = shapely.points(np.column_stack(network.project(117.0 + lon, 30.0 + lat)))
    bounds = list(zip(network.shape_start[:-1], network.shape_start[1:], strict=True))
    shape: Any = np.column_stack([network.shape_x_m, network.shape_y_m])
    lines = np.array([shapely.linestrings(shape[a:b]) for a, b in bounds])
    distance = shapely.distance(points[:, None], lines[None, :])
    main = distance[:, network.segment_is_main].min(axis=1)
    nearest = np.where(main <= max_distance_m, main, distance.min(axis=1))
    expected = np.where(nearest <= max_distance_m, nearest, np.inf)
    np.testing.assert_allclose(snapped.distance_m, expected, rtol=1e-9, atol=1e-6)
    on = np.flatnonzero(snapped.on_network)
    on_line = shapely.line_interpolate_point(
        lines[snapped.segment[on]], snapped.fraction[on], normalized=True
    )
    np.testing.assert_allclose(
        shapely.distance(points[on], on_line), expected[on], rtol=1e-9, atol=1e-6
    )


def test_many_points_fall_into_the_same_places_on_any_number_of_threads() -> None:
    rng = np.random.default_rng(3)
    network = build_road_network(winding_roads(rng, 500, 0.2))
    lon, lat = 117.0 + rng.uniform(0, 0.2, 50_000), 30.0 + rng.uniform(0, 0.2, 50_000)
    one, two = (
        snap_to_roads(network, lon, lat, max_distance_m=2000.0, threads=threads)
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one.segment, two.segment)
    np.testing.assert_array_equal(one.fraction, two.fraction)
