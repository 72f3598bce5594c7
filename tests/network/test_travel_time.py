"""Travel times on networks that can be solved by hand, and against scipy on random ones."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siting.domain import Direction
from siting.network.nearest import NO_STATION, compute_nearest
from siting.network.road_network import build_road_network
from siting.network.travel_time import TravelTimes, compute_travel_times
from siting.network.unreachable import Reach, explain_unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.inputs.roads import RoadTable
    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped

    Table = np.ndarray[Any, np.dtype[np.float64]]
    MakeNetwork = Callable[..., RoadNetwork]
    On = Callable[..., Snapped]

TO_SITE, BACK, ROUND_TRIP = Direction.TO_SITE, Direction.BACK, Direction.ROUND_TRIP
KPH = 36.0  # 10 m/s: 100 m take 10 s


def dense(times: TravelTimes) -> Table:
    table = np.full((times.n_demand, times.n_site), np.inf)
    row = np.repeat(np.arange(times.n_demand), np.diff(times.start))
    table[row, times.site] = times.time_s
    return table


def time_of(
    network: RoadNetwork,
    demand: Snapped,
    sites: Snapped,
    direction: Direction = TO_SITE,
    cutoff_s: float = 1e4,
) -> Table:
    return dense(
        compute_travel_times(
            network, demand, sites, cutoff_s=cutoff_s, direction=direction, dtype=np.float64
        )
    ).squeeze()


@pytest.mark.usefixtures("contracted")
def test_one_way_street(make_network: MakeNetwork, on: On) -> None:
    # A square 0-1-2-3 of 100 m sides, driven round one way only.
    network = make_network(
        [(0, 0), (100, 0), (100, 100), (0, 100)],
        [(0, 1, 100, KPH, 0), (1, 2, 100, KPH, 0), (2, 3, 100, KPH, 0), (3, 0, 100, KPH, 0)],
    )
    assert time_of(network, on((0, 0.5)), on((1, 0.5))) == pytest.approx(10.0)
    assert time_of(network, on((0, 0.5)), on((1, 0.5)), BACK) == pytest.approx(30.0)
    assert time_of(network, on((0, 0.5)), on((1, 0.5)), ROUND_TRIP) == pytest.approx(20.0)


def test_dead_end_is_left_the_way_it_came(make_network: MakeNetwork, on: On) -> None:
    network = make_network(
        [(0, 0), (100, 0), (100, 300)], [(0, 1, 100, KPH, KPH), (1, 2, 300, KPH, KPH)]
    )
    assert time_of(network, on((1, 1.0)), on((0, 0.0))) == pytest.approx(40.0)


def test_disconnected_island(make_network: MakeNetwork, on: On) -> None:
    network = make_network(
        [(0, 0), (100, 0), (0, 500), (100, 500)], [(0, 1, 100, KPH, KPH), (2, 3, 100, KPH, KPH)]
    )
    demand, sites = on((0, 0.5), (1, 0.5)), on((0, 0.0))
    times = compute_travel_times(network, demand, sites, cutoff_s=1e4, direction=TO_SITE)
    assert times.start.tolist() == [0, 1, 1]
    assert explain_unreachable(network, demand, sites, times).tolist() == [
        Reach.REACHED,
        Reach.OTHER_COMPONENT,
    ]


def test_parallel_roads_take_the_faster_and_never_the_sum(
    make_network: MakeNetwork, on: On
) -> None:
    network = make_network(
        [(0, 0), (100, 0), (200, 0)],
        [(0, 1, 100, KPH, KPH), (0, 1, 160, KPH, KPH), (0, 1, 130, KPH, 0), (1, 2, 100, KPH, KPH)],
    )
    assert time_of(network, on((3, 1.0)), on((3, 0.0))) == pytest.approx(10.0)
    # From the middle of the slow road: 80 m to either end.
    assert time_of(network, on((1, 0.5)), on((3, 1.0))) == pytest.approx(18.0)
    # From near its beginning: 16 m back to node 0, and over the fast road.
    assert time_of(network, on((1, 0.1)), on((3, 1.0))) == pytest.approx(1.6 + 10 + 10)


def test_both_points_on_one_segment(make_network: MakeNetwork, on: On) -> None:
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, KPH / 2)])
    assert time_of(network, on((0, 0.2)), on((0, 0.7))) == pytest.approx(5.0)
    assert time_of(network, on((0, 0.2)), on((0, 0.7)), BACK) == pytest.approx(10.0)
    assert time_of(network, on((0, 0.7)), on((0, 0.2))) == pytest.approx(10.0)
    assert time_of(network, on((0, 0.4)), on((0, 0.4))) == 0.0


def test_backwards_on_a_one_way_segment_goes_round(make_network: MakeNetwork, on: On) -> None:
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, 0), (0, 1, 200, KPH, KPH)])
    # From 0.7 back to 0.2: on to the end (3 s), back by the other road (20 s), in again (2 s).
    assert time_of(network, on((0, 0.7)), on((0, 0.2))) == pytest.approx(25.0)


def test_leaving_one_segment_and_coming_back_can_be_faster(
    make_network: MakeNetwork, on: On
) -> None:
    # A slow loop of 1,000 m beside a fast link of 100 m between the same nodes.
    network = make_network([(0, 0), (100, 0)], [(0, 1, 1000, KPH, KPH), (0, 1, 100, KPH, KPH)])
    assert time_of(network, on((0, 0.1)), on((0, 0.9))) == pytest.approx(10 + 10 + 10)


def test_segment_that_returns_to_its_node(make_network: MakeNetwork, on: On) -> None:
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, KPH), (1, 1, 400, KPH, 0)])
    assert time_of(network, on((0, 0.0)), on((1, 0.25))) == pytest.approx(10 + 10)
    assert time_of(network, on((1, 0.25)), on((0, 0.0))) == pytest.approx(30 + 10)
    assert time_of(network, on((1, 0.75)), on((1, 0.25))) == pytest.approx(10 + 10)


def test_point_at_the_mouth_of_a_one_way_road_stands_on_the_crossing(
    make_network: MakeNetwork, on: On
) -> None:
    network = make_network(
        [(0, 0), (100, 0), (100, 100)], [(0, 1, 100, KPH, KPH), (1, 2, 100, KPH, 0)]
    )
    assert time_of(network, on((1, 0.0)), on((0, 0.0))) == pytest.approx(10.0)


def test_the_cutoff_itself_is_within(make_network: MakeNetwork, on: On) -> None:
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, KPH)])
    assert time_of(network, on((0, 0.0)), on((0, 1.0)), cutoff_s=10.0) == 10.0
    assert time_of(network, on((0, 0.0)), on((0, 1.0)), cutoff_s=math.nextafter(10, 0)) == math.inf
    assert time_of(network, on((0, 0.5)), on((0, 0.5)), cutoff_s=0.0) == 0.0


def test_round_trip_with_one_leg_longer_than_the_cutoff(make_network: MakeNetwork, on: On) -> None:
    # One-way ring of 1,000 m: 10 s there, 90 s back, 50 s in the mean.
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, 0), (1, 0, 900, KPH, 0)])
    demand, site = on((0, 0.0)), on((0, 1.0))
    assert time_of(network, demand, site, ROUND_TRIP, cutoff_s=50.0) == pytest.approx(50.0)
    assert time_of(network, demand, site, ROUND_TRIP, cutoff_s=49.9) == math.inf


@pytest.mark.parametrize("cutoff_s", [-1.0, math.nan, math.inf])
def test_cutoff_must_be_a_time(make_network: MakeNetwork, on: On, cutoff_s: float) -> None:
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, KPH)])
    with pytest.raises(ValueError, match="cutoff"):
        compute_travel_times(
            network, on((0, 0.0)), on((0, 1.0)), cutoff_s=cutoff_s, direction=TO_SITE
        )


def test_no_points_no_pairs(make_network: MakeNetwork, on: On) -> None:
    network = make_network([(0, 0), (100, 0)], [(0, 1, 100, KPH, KPH)])
    for demand, sites in ((on(), on()), (on((0, 0.5)), on()), (on(), on((0, 0.5)))):
        for direction in Direction:
            times = compute_travel_times(network, demand, sites, cutoff_s=60.0, direction=direction)
            assert times.n_pair == 0
            assert times.start.tolist() == [0] * (demand.n_point + 1)
            nearest = compute_nearest(network, demand, sites, direction=direction)
            assert (nearest.station == NO_STATION).all()


@pytest.mark.parametrize("direction", Direction)
def test_a_queue_that_proves_too_short_is_made_longer(
    make_network: MakeNetwork,
    on: On,
    reference_times: Callable[..., Table],
    direction: Direction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    side = 12
    at = [(100.0 * (k % side), 100.0 * (k // side)) for k in range(side * side)]
    east = [(k, k + 1, 100, KPH, KPH) for k in range(side * side) if k % side < side - 1]
    north = [(k, k + side, 100, KPH, KPH / 3) for k in range(side * side - side)]
    network = make_network(at, east + north)
    points = on(*((k, 0.3) for k in range(0, len(east + north), 5)))
    expected = reference_times(network, points, points, cutoff_s=71.3, direction=direction)
    monkeypatch.setattr("siting.network.many_to_many.QUEUE_CAPACITY", 8)
    times = compute_travel_times(
        network, points, points, cutoff_s=71.3, direction=direction, dtype=np.float64
    )
    np.testing.assert_allclose(dense(times), expected, atol=1e-6)


@pytest.fixture(params=["whole network", "core"])
def contracted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Search the whole network, or contract even the smallest."""
    if request.param == "core":
        monkeypatch.setattr("siting.network.many_to_many.CORE_FROM_NODES", 0)
        monkeypatch.setattr("siting.network.many_to_many.CORE_FROM_TIMES", 0)
    return request.param == "core"


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.usefixtures("contracted")
def test_threads_do_not_change_a_bit(
    make_roads: Callable[..., RoadTable], on: On, direction: Direction
) -> None:
    rng = np.random.default_rng(2)
    at = rng.uniform(-2000, 2000, (300, 2))
    ends = rng.integers(0, 300, (900, 2))
    rows = [(a, b, 50.0 + 40 * (k % 7), KPH, KPH * (k % 3)) for k, (a, b) in enumerate(ends)]
    network = build_road_network(make_roads(at.tolist(), rows))
    demand = on(*zip(rng.integers(0, 900, 500), rng.random(500), strict=True))
    sites = on(*zip(rng.integers(0, 900, 300), rng.random(300), strict=True))
    for left, right in ((demand, sites), (sites, demand)):
        one, two = (
            compute_travel_times(
                network, left, right, cutoff_s=60.0, direction=direction, threads=threads
            )
            for threads in (1, 2)
        )
        assert one.n_pair > 1000
        np.testing.assert_array_equal(one.start, two.start)
        np.testing.assert_array_equal(one.site, two.site)
        np.testing.assert_array_equal(one.time_s, two.time_s)


def test_why_demand_is_not_reached(make_network: MakeNetwork, on: On) -> None:
    network = make_network(
        [(0, 0), (100, 0), (0, 500), (100, 500), (200, 0), (300, 0)],
        [
            (0, 1, 100, KPH, KPH),
            (2, 3, 100, KPH, KPH),  # an island
            (1, 4, 100, KPH, 0),  # only out of the main part …
            (4, 5, 5000, KPH, KPH),  # … and into this one
        ],
    )
    demand = on((0, 1.0), (0, 0.0), (1, 0.5), (-1, 0.0), (3, 0.5))
    site = on((0, 1.0))
    expected = {
        TO_SITE: [0, 4, 2, 1, 3],
        BACK: [0, 4, 2, 1, 4],
        ROUND_TRIP: [0, 4, 2, 1, 3],
    }
    for direction, codes in expected.items():
        times = compute_travel_times(network, demand, site, cutoff_s=5.0, direction=direction)
        assert explain_unreachable(network, demand, site, times).tolist() == codes


def test_nearest_by_hand(make_network: MakeNetwork, on: On) -> None:
    network = make_network(
        [(0, 0), (100, 0), (200, 0)], [(0, 1, 100, KPH, KPH), (1, 2, 100, KPH, KPH)]
    )
    stations = on((0, 0.0), (1, 1.0), (1, 1.0))
    nearest = compute_nearest(network, on((0, 0.5), (1, 0.75), (1, 0.0), (-1, 0)), stations)
    assert nearest.station.tolist() == [0, 1, 0, NO_STATION]
    assert nearest.time_s.tolist() == pytest.approx([5.0, 2.5, 10.0, math.inf])
    near = compute_nearest(network, on((0, 0.5), (1, 0.0)), stations, cutoff_s=6.0)
    assert near.station.tolist() == [0, NO_STATION]


FRACTIONS = st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 0.9, 1.0])


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Draw points, segments (loops, parallels, one-ways, no-ways) and places on them."""
    n_node = draw(st.integers(1, 7))
    node = st.integers(0, n_node - 1)
    kph = st.sampled_from([0.0, 18.0, 36.0, 50.0])
    length = st.sampled_from([0.0, 10.0, 70.0, 100.0, 333.3, 2000.0])
    segments = draw(
        st.lists(st.tuples(node, node, length, kph, kph), min_size=1, max_size=14).filter(
            lambda rows: any(row[3] or row[4] for row in rows)
        )
    )
    points = draw(
        st.lists(
            st.tuples(st.integers(-900, 900), st.integers(-900, 900)),
            min_size=n_node,
            max_size=n_node,
        )
    )
    open_segments = [k for k, row in enumerate(segments) if row[3] or row[4]]
    place = st.tuples(st.sampled_from([*open_segments, -1]), FRACTIONS)
    demand = draw(st.lists(place, max_size=6))
    sites = draw(st.lists(place, max_size=6))
    return points, segments, demand, sites


@pytest.mark.usefixtures("contracted")
@settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    case=cases(), direction=st.sampled_from(Direction), cutoff_s=st.sampled_from([15.0, 80.0, 1e5])
)
def test_equal_to_scipy_on_the_expanded_graph(  # noqa: PLR0917 - fixtures and drawn values
    make_network: MakeNetwork,
    on: On,
    reference_times: Callable[..., Any],
    case: tuple[list[Any], ...],
    direction: Direction,
    cutoff_s: float,
) -> None:
    points, segments, demand_at, sites_at = case
    network, demand, sites = make_network(points, segments), on(*demand_at), on(*sites_at)
    expected = reference_times(network, demand, sites, cutoff_s=cutoff_s, direction=direction)
    times = compute_travel_times(
        network, demand, sites, cutoff_s=cutoff_s, direction=direction, dtype=np.float64
    )
    on_the_edge = np.isclose(expected, cutoff_s, rtol=1e-9) | np.isclose(
        dense(times), cutoff_s, rtol=1e-9
    )
    np.testing.assert_allclose(
        np.where(on_the_edge, 0.0, dense(times)), np.where(on_the_edge, 0.0, expected), atol=1e-6
    )
    for k in range(times.n_demand):
        assert (np.diff(times.site[times.start[k] : times.start[k + 1]]) > 0).all()
    nearest = compute_nearest(network, demand, sites, direction=direction)
    whole = reference_times(network, demand, sites, cutoff_s=np.inf, direction=direction)
    np.testing.assert_allclose(nearest.time_s, whole.min(axis=1, initial=np.inf), atol=1e-6)
    found = np.flatnonzero(nearest.station != NO_STATION)
    np.testing.assert_allclose(
        whole[found, nearest.station[found]], nearest.time_s[found], atol=1e-6
    )
    _check_reach(network, demand, sites, times, whole)


def _check_reach(
    network: RoadNetwork, demand: Snapped, sites: Snapped, times: TravelTimes, whole: Table
) -> None:
    """Hold the reasons against the times without a cutoff, and networkx's components."""
    streets = nx.Graph()
    streets.add_nodes_from(range(network.n_node))
    is_open = network.segment_is_open
    ends = zip(network.segment_from[is_open], network.segment_to[is_open], strict=True)
    streets.add_edges_from((int(a), int(b)) for a, b in ends)
    standing = network.segment_from[sites.segment[sites.on_network]]
    joined = {node for site in standing for node in nx.node_connected_component(streets, int(site))}
    for k, code in enumerate(explain_unreachable(network, demand, sites, times)):
        if times.is_reached[k]:
            expected = Reach.REACHED
        elif demand.segment[k] < 0:
            expected = Reach.OFF_NETWORK
        elif int(network.segment_from[demand.segment[k]]) not in joined:
            expected = Reach.OTHER_COMPONENT
        elif np.isfinite(whole[k]).any():
            expected = Reach.BEYOND_CUTOFF
        else:
            expected = Reach.ONE_WAY_TRAP
        assert Reach(code) is expected
