"""Tiny networks, and the travel times on them by a method that shares no code with siting."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from siting.domain import Direction
from siting.inputs.roads import RoadTable
from siting.network.road_network import RoadNetwork, build_road_network
from siting.network.snapping import Snapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

METRES_PER_DEGREE = 111_320.0

Segment = tuple[int, int, float, float, float]
"""From-node, to-node, length (m), speed there and back (km/h; 36 km/h is 10 m/s)."""


def _roads(points_m: Sequence[tuple[float, float]], segments: Sequence[Segment]) -> RoadTable:
    lon, lat = np.array(points_m, dtype=float).reshape(-1, 2).T / METRES_PER_DEGREE
    lon, lat = np.round(lon + 117.0, 7), np.round(lat, 7)  # zone 50's own meridian
    table = np.array(segments, dtype=float).reshape(-1, 5)
    ends = table[:, :2].astype(np.int32)
    return RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=ends[:, 0],
        segment_to=ends[:, 1],
        length_m=table[:, 2],
        forward_kph=table[:, 3],
        backward_kph=table[:, 4],
        highway=np.zeros(len(table)),
        highway_classes=("residential",),
        shape_start=np.arange(len(table) + 1) * 2,
        shape_lon_deg=lon[ends].ravel(),
        shape_lat_deg=lat[ends].ravel(),
        source="made for a test",
    )


def _on(*places: tuple[int, float]) -> Snapped:
    segment, fraction = np.array(places, dtype=float).reshape(-1, 2).T
    return Snapped(
        segment=segment,
        fraction=np.where(segment < 0, np.nan, fraction),
        distance_m=np.where(segment < 0, np.inf, 0.0),
        problem=np.where(segment < 0, 1, 0),
    )


def _expand(network: RoadNetwork, points: Snapped) -> csr_array:
    """Cut every segment at its points; arcs of least time, points after the nodes."""
    least: dict[tuple[int, int], float] = {}
    for segment in range(network.n_segment):
        chain = [(0.0, int(network.segment_from[segment]))]
        on_it = np.flatnonzero(points.segment == segment)
        chain += sorted((float(points.fraction[k]), network.n_node + int(k)) for k in on_it)
        chain.append((1.0, int(network.segment_to[segment])))
        for (low, tail), (high, head) in itertools.pairwise(chain):
            same = low == high  # the same place: a way of no time in both directions
            for arc, whole_s in (
                ((tail, head), network.segment_forward_s[segment]),
                ((head, tail), network.segment_backward_s[segment]),
            ):
                time_s = 0.0 if same else (high - low) * whole_s
                if np.isfinite(time_s) and arc[0] != arc[1]:
                    least[arc] = min(least.get(arc, np.inf), time_s)
    size = network.n_node + points.n_point
    rows, columns = np.array(list(least), dtype=np.int32).reshape(-1, 2).T
    # Explicit zeros are arcs of no time for scipy's Dijkstra; a tiny time keeps that certain.
    weights = np.maximum(np.array(list(least.values())), 1e-12)
    return csr_array((weights, (rows, columns)), shape=(size, size))


def _reference(
    network: RoadNetwork, demand: Snapped, sites: Snapped, *, cutoff_s: float, direction: Direction
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the dense (n_demand, n_site) travel times, infinite beyond the cutoff."""
    both = Snapped(
        segment=np.concatenate([demand.segment, sites.segment]),
        fraction=np.concatenate([demand.fraction, sites.fraction]),
        distance_m=np.concatenate([demand.distance_m, sites.distance_m]),
        problem=np.concatenate([demand.problem, sites.problem]),
    )
    n_demand, n_point = demand.n_point, both.n_point
    full = np.empty((n_point, n_point))
    if n_point:
        at_point = network.n_node + np.arange(n_point)
        full = dijkstra(_expand(network, both), indices=at_point)[:, at_point]
    there = full[:n_demand, n_demand:]
    back = full[n_demand:, :n_demand].T
    times = {
        Direction.TO_SITE: there,
        Direction.BACK: back,
        Direction.ROUND_TRIP: (there + back) / 2,
    }[direction]
    return np.where(times <= cutoff_s, times, np.inf)


@pytest.fixture(scope="session")
def make_roads() -> Callable[..., RoadTable]:
    """Build a road table of straight segments: ``(points in metres, segments)``."""
    return _roads


@pytest.fixture(scope="session")
def make_network() -> Callable[..., RoadNetwork]:
    """Build a network of straight segments: ``(points in metres, segments)``."""
    return lambda points_m, segments: build_road_network(_roads(points_m, segments))


@pytest.fixture(scope="session")
def on() -> Callable[..., Snapped]:
    """Place points on segments: ``(segment, fraction)`` each; segment -1 is off the network."""
    return _on


@pytest.fixture(scope="session")
def reference_times() -> Callable[..., np.ndarray[Any, np.dtype[np.float64]]]:
    """Return travel times by scipy's Dijkstra on the graph cut at the points."""
    return _reference
