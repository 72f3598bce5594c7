"""The nearest station of every demand point, in one search from all stations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import BoolArray, Direction, FloatArray, IntArray, LongArray, frozen_array
from siting.network.many_to_many import (
    compute_ends,
    get_graph,
    pair_on_segments,
    pair_within,
    rows_by_point,
)
from siting.network.search import NO_SOURCE, nearest_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped

    AnyFloatArray = NDArray[np.floating[Any]]

NO_STATION = NO_SOURCE
FIRST_REACH_S = 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Nearest:
    """The nearest station of every demand point.

    Attributes
    ----------
    station
        (n_demand,) station index, or ``NO_STATION``; of equally near ones the first.
    time_s
        (n_demand,) travel time; infinite for none.
    """

    station: IntArray
    time_s: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "station", frozen_array(self.station, np.int32))
        object.__setattr__(self, "time_s", frozen_array(self.time_s, np.float64))


def compute_nearest(
    network: RoadNetwork,
    demand: Snapped,
    stations: Snapped,
    *,
    direction: Direction = Direction.TO_SITE,
    cutoff_s: float = math.inf,
) -> Nearest:
    """Compute the nearest station of every demand point, in one search from all stations.

    Parameters
    ----------
    network
        The roads.
    demand, stations
        Points on the network.
    direction
        To the station, back from it, or the mean of both drives.
    cutoff_s
        Stations farther than this are no stations.

    Returns
    -------
    Nearest
        Station and travel time by demand point.
    """
    if direction is Direction.ROUND_TRIP:
        return _nearest_round_trip(network, demand, stations, cutoff_s=cutoff_s)
    outward = direction is Direction.BACK
    seeds = rows_by_point(compute_ends(network, stations, leave=outward))
    node_station, node_s = nearest_source(get_graph(network, outward=outward), seeds)
    ends = compute_ends(network, demand, leave=not outward)
    direct = pair_on_segments(network, stations, demand, outward=outward)
    direct_station = np.repeat(np.arange(stations.n_point), np.diff(direct.start))
    point = np.arange(demand.n_point)
    row = np.concatenate([point, point, direct.index])
    station = np.concatenate([*node_station[ends.node], direct_station])
    time_s = np.concatenate([*(node_s[ends.node] + ends.time_s), direct.time_s])
    kept = np.isfinite(time_s) & (time_s <= cutoff_s)
    return _choose(demand.n_point, row[kept], station[kept], time_s[kept])


def can_return(network: RoadNetwork, demand: Snapped, stations: Snapped) -> BoolArray:
    """Tell which points can drive to some station and back; one and the same spot left aside."""
    hosts = np.unique(_strong_component_of(network, stations))
    return np.isin(_strong_component_of(network, demand), hosts[hosts >= 0])


def _strong_component_of(network: RoadNetwork, points: Snapped) -> IntArray:
    """Return the strongly connected component that a point lies in, -1 for none."""
    segment = np.where(points.on_network, points.segment, 0)
    tail = network.strong_component[network.segment_from[segment]]
    head = network.strong_component[network.segment_to[segment]]
    within = np.where(tail == head, tail, -1)
    at_end = np.where(points.fraction == 0.0, tail, np.where(points.fraction == 1.0, head, within))
    return np.where(points.on_network, at_end, -1).astype(np.int32)


def _nearest_round_trip(
    network: RoadNetwork, demand: Snapped, stations: Snapped, *, cutoff_s: float
) -> Nearest:
    """Widen the search until every demand point that can drive there and back has its station."""
    station = np.full(demand.n_point, NO_STATION, dtype=np.int32)
    time_s = np.full(demand.n_point, np.inf)
    connected = can_return(network, demand, stations)
    left, reach_s = np.flatnonzero(demand.on_network), 0.0
    while left.size:
        reach_s = min(max(2 * reach_s, FIRST_REACH_S), cutoff_s)
        part = _take(demand, left)
        pairs = pair_within(
            network,
            part,
            stations,
            cutoff_s=reach_s,
            direction=Direction.ROUND_TRIP,
            dtype=np.float64,
            threads=2,
        )
        row = np.repeat(np.arange(left.size), np.diff(pairs.start))
        nearest = _choose(left.size, row, pairs.column.view(np.int32), pairs.time_s)
        station[left], time_s[left] = nearest.station, nearest.time_s
        if reach_s >= cutoff_s:
            break
        left = left[(nearest.station == NO_STATION) & connected[left]]
    return Nearest(station=station, time_s=time_s)


def _take(points: Snapped, kept: LongArray) -> Snapped:
    return replace(
        points,
        segment=points.segment[kept],
        fraction=points.fraction[kept],
        distance_m=points.distance_m[kept],
        problem=points.problem[kept],
    )


def _choose(n_demand: int, demand: LongArray, station: IntArray, time_s: AnyFloatArray) -> Nearest:
    """Return the fastest of the candidates of every demand point; ties by the first station."""
    order = np.lexsort((station, time_s, demand))
    found, first = np.unique(demand[order], return_index=True)
    best_station = np.full(n_demand, NO_STATION, dtype=np.int32)
    best_s = np.full(n_demand, np.inf)
    best_station[found] = station[order[first]]
    best_s[found] = time_s[order[first]]
    return Nearest(station=best_station, time_s=best_s)
