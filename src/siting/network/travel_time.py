"""Travel times by road, many to many within a cutoff, from point on edge to point on edge."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from siting.domain import BoolArray, Direction, FloatArray, IntArray, LongArray, frozen_array
from siting.network.search import NO_SOURCE, nearest_source, search_within, transpose_pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siting.network.road_network import Arcs, RoadNetwork
    from siting.network.snapping import Snapped

    AnyFloatArray = NDArray[np.floating[Any]]

NO_STATION = NO_SOURCE
FIRST_REACH_S = 60.0
MAX_BUCKETS = 100_000
SOURCES_PER_TASK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class TravelTimes:
    """All pairs of demand and site within the cutoff, row by row.

    Attributes
    ----------
    start
        (n_demand + 1,) where each demand point's pairs begin.
    site
        (n_pair,) site index, ascending within a demand point.
    time_s
        (n_pair,) travel time.
    n_site
        Number of sites asked for.
    cutoff_s
        Longest travel time kept, itself included.
    direction
        Which drive was timed.
    """

    start: LongArray
    site: IntArray
    time_s: AnyFloatArray
    n_site: int
    cutoff_s: float
    direction: Direction

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "start", frozen_array(self.start, np.int64))
        object.__setattr__(self, "site", frozen_array(self.site, np.int32))
        object.__setattr__(self, "time_s", frozen_array(self.time_s, self.time_s.dtype))

    @property
    def n_demand(self) -> int:
        """Number of demand points."""
        return self.start.size - 1

    @property
    def n_pair(self) -> int:
        """Number of pairs within the cutoff."""
        return self.site.size

    @property
    def is_reached(self) -> BoolArray:
        """(n_demand,) whether any site lies within the cutoff."""
        return frozen_array(np.diff(self.start) > 0, np.bool_)


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


class Reach(IntEnum):
    """Whether a demand point reaches a site, and if not, why not."""

    REACHED = 0
    """A site lies within the cutoff."""
    OFF_NETWORK = 1
    """The point stands on no road."""
    OTHER_COMPONENT = 2
    """No road leads to any site, whatever the direction of traffic."""
    ONE_WAY_TRAP = 3
    """Roads lead there, but traffic may not pass them in the direction needed."""
    BEYOND_CUTOFF = 4
    """A site can be reached, but not within the cutoff."""


def compute_travel_times(
    network: RoadNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    cutoff_s: float,
    direction: Direction,
    dtype: type[np.float32 | np.float64] = np.float32,
    threads: int = 2,
) -> TravelTimes:
    """Compute the travel time of every pair of demand and site within a cutoff.

    Exact on the directed network: a drive begins and ends on the points of the edges, and may
    stay on one edge. The search starts from the side with fewer points and stops at the cutoff,
    so that time and memory follow the answer and not the network.

    Parameters
    ----------
    network
        The roads.
    demand, sites
        Points on the network; those without a segment have no pairs.
    cutoff_s
        Longest travel time kept, itself included; for round trips that of the mean.
    direction
        To the site, back from it, or the mean of both drives.
    dtype
        Type of the times given; float32 (the default) rounds a drive of ten minutes to 0.03 ms.
    threads
        How many threads share the work; the result does not depend on it.

    Returns
    -------
    TravelTimes
        Sparse, by demand point.

    Raises
    ------
    ValueError
        If the cutoff is negative or not finite.
    """
    if not (math.isfinite(cutoff_s) and cutoff_s >= 0):
        raise ValueError("cutoff_s is a finite number of seconds, at least 0")
    if direction is Direction.ROUND_TRIP:
        start, site, time_s = _round_trips(
            network, demand, sites, cutoff_s=cutoff_s, dtype=dtype, threads=threads
        )
    else:
        start, site, time_s = _drives(
            network,
            demand,
            sites,
            cutoff_s=cutoff_s,
            back=direction is Direction.BACK,
            dtype=dtype,
            threads=threads,
        )
    return TravelTimes(
        start=start,
        site=site,
        time_s=time_s,
        n_site=sites.n_point,
        cutoff_s=cutoff_s,
        direction=direction,
    )


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
    arcs = network.forward if outward else network.reverse
    seeds = _by_point(_ends(network, stations, leave=outward))
    node_station, node_s = nearest_source(arcs.start, arcs.head, arcs.time_s, *seeds)
    ends = _ends(network, demand, leave=not outward)
    direct = _same_segment(network, stations, demand, outward=outward)
    point = np.arange(demand.n_point)
    row = np.concatenate([point, point, direct.target])
    station = np.concatenate([*node_station[ends.node], direct.source])
    time_s = np.concatenate([*(node_s[ends.node] + ends.time_s), direct.time_s])
    kept = np.isfinite(time_s) & (time_s <= cutoff_s)
    return _choose(demand.n_point, row[kept], station[kept], time_s[kept])


def explain_unreached(
    network: RoadNetwork, demand: Snapped, sites: Snapped, times: TravelTimes
) -> NDArray[np.uint8]:
    """Say for every demand point whether it reaches a site, and if not, why not.

    Parameters
    ----------
    network, demand, sites, times
        What :func:`compute_travel_times` was asked, and what it answered.

    Returns
    -------
    array
        (n_demand,) a :class:`Reach` each.
    """
    reach = np.full(demand.n_point, Reach.REACHED, dtype=np.uint8)
    unreached = ~times.is_reached
    reach[unreached] = Reach.BEYOND_CUTOFF
    reach[unreached & ~demand.on_network] = Reach.OFF_NETWORK
    rest = np.flatnonzero(unreached & demand.on_network)
    weak = network.weak_component
    site_weak = np.unique(weak[network.segment_from[sites.segment[sites.on_network]]])
    apart = ~np.isin(weak[network.segment_from[demand.segment[rest]]], site_weak)
    reach[rest[apart]] = Reach.OTHER_COMPONENT
    rest = rest[~apart]
    if network.segment_is_main[sites.segment[sites.on_network]].any():
        # From the main component every site on it can be reached, and the other way round.
        rest = rest[~network.segment_is_main[demand.segment[rest]]]
    if rest.size:
        drives = (
            (Direction.TO_SITE, Direction.BACK)
            if times.direction is Direction.ROUND_TRIP
            else (times.direction,)
        )
        for drive in drives:
            nearest = compute_nearest(network, demand, sites, direction=drive)
            reach[rest[nearest.station[rest] == NO_STATION]] = Reach.ONE_WAY_TRAP
    return reach


class _Ends(NamedTuple):
    """What it takes between a point and the two ends of its segment; infinite if not allowed."""

    node: IntArray  # (2, n_point)
    time_s: FloatArray  # (2, n_point)


class _Direct(NamedTuple):
    """Drives that stay on one segment, by pairs of points."""

    source: LongArray
    target: LongArray
    time_s: FloatArray


class _Pairs(NamedTuple):
    """Pairs in rows, with the columns ascending in each."""

    start: LongArray
    column: IntArray
    time_s: AnyFloatArray


def _ends(network: RoadNetwork, points: Snapped, *, leave: bool) -> _Ends:
    """Return the time from the points to their segments' ends (leave), or from the ends to them."""
    on_road = points.on_network
    segment = np.where(on_road, points.segment, 0)
    fraction = points.fraction
    to_head = network.segment_forward_s[segment]
    to_tail = network.segment_backward_s[segment]
    if not leave:
        to_head, to_tail = to_tail, to_head
    node = np.stack([network.segment_from[segment], network.segment_to[segment]])
    # A point at an end of its segment is that node, also where the segment is one-way.
    time_s = np.stack(
        [
            np.where(fraction == 0.0, 0.0, fraction * _where_positive(fraction, to_tail)),
            np.where(fraction == 1.0, 0.0, (1 - fraction) * _where_positive(1 - fraction, to_head)),
        ]
    )
    time_s[:, ~on_road] = np.inf
    return _Ends(node, time_s)


def _where_positive(share: FloatArray, time_s: FloatArray) -> FloatArray:
    """Return the times, but 0 where the share is: zero times infinity is not a number."""
    return np.where(share > 0.0, time_s, 0.0)


def _by_point(ends: _Ends) -> tuple[LongArray, IntArray, FloatArray]:
    """Return the finite ends as CSR rows by point: start, node, time."""
    finite = np.isfinite(ends.time_s.T)
    start = np.concatenate([[0], np.cumsum(finite.sum(axis=1))]).astype(np.int64)
    return start, ends.node.T[finite], ends.time_s.T[finite]


def _by_node(ends: _Ends, n_node: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Return the finite ends as CSR rows by node: start, point, time."""
    side, point = np.nonzero(np.isfinite(ends.time_s))
    node = ends.node[side, point]
    order = np.argsort(node, kind="stable")
    start = np.zeros(n_node + 1, dtype=np.int32)
    np.cumsum(np.bincount(node, minlength=n_node), out=start[1:])
    return start, point[order].astype(np.int32), ends.time_s[side, point][order]


def _same_segment(
    network: RoadNetwork, sources: Snapped, targets: Snapped, *, outward: bool
) -> _Direct:
    """Pair the points that share a segment; the drive runs source → target if outward."""
    by_segment = np.argsort(targets.segment, kind="stable")
    ordered = targets.segment[by_segment]
    first = np.searchsorted(ordered, sources.segment, side="left")
    count = np.searchsorted(ordered, sources.segment, side="right") - first
    count[~sources.on_network] = 0
    source = np.repeat(np.arange(sources.n_point), count)
    offset = np.arange(source.size) - np.repeat(np.cumsum(count) - count, count)
    target = by_segment[first[source] + offset]
    segment = sources.segment[source]
    run = targets.fraction[target] - sources.fraction[source]
    if not outward:
        run = -run
    whole_s = np.where(
        run > 0, network.segment_forward_s[segment], network.segment_backward_s[segment]
    )
    time_s = np.abs(run) * _where_positive(np.abs(run), whole_s)
    allowed = np.isfinite(time_s)
    return _Direct(source[allowed], target[allowed], time_s[allowed])


def _drives(
    network: RoadNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    cutoff_s: float,
    back: bool,
    dtype: type[np.float32 | np.float64],
    threads: int,
) -> _Pairs:
    """Search from the smaller side, and give the pairs by demand point."""
    from_demand = demand.n_point < sites.n_point
    sources, targets = (demand, sites) if from_demand else (sites, demand)
    outward = back != from_demand
    chunks = _search_all(
        network, sources, targets, outward=outward, cutoff_s=cutoff_s, dtype=dtype, threads=threads
    )
    pairs = _transpose(chunks, n_column=targets.n_point, dtype=dtype)
    if from_demand:
        whole = [(pairs.start, pairs.column, pairs.time_s)]
        pairs = _transpose(whole, n_column=demand.n_point, dtype=dtype)
    return pairs


def _search_all(
    network: RoadNetwork,
    sources: Snapped,
    targets: Snapped,
    *,
    outward: bool,
    cutoff_s: float,
    dtype: type[np.float32 | np.float64],
    threads: int,
) -> list[tuple[LongArray, IntArray, AnyFloatArray]]:
    """Search from every source; give rows of pairs by source, in chunks of sources in order."""
    arcs = network.forward if outward else network.reverse
    seeds = _by_point(_ends(network, sources, leave=outward))
    entries = _by_node(_ends(network, targets, leave=not outward), network.n_node)
    direct = _same_segment(network, sources, targets, outward=outward)
    direct_start = np.searchsorted(direct.source, np.arange(sources.n_point + 1)).astype(np.int64)
    problem = (
        arcs.start,
        arcs.head,
        arcs.time_s,
        *seeds,
        *entries,
        direct_start,
        direct.target.astype(np.int32),
        direct.time_s,
        targets.n_point,
        float(cutoff_s),
        _bucket_width_s(arcs, cutoff_s),
    )
    firsts = range(0, sources.n_point, SOURCES_PER_TASK)

    def search(first: int) -> tuple[LongArray, IntArray, AnyFloatArray]:
        last = min(first + SOURCES_PER_TASK, sources.n_point)
        start, target, time_s = search_within(*problem, first, last)
        return start, target, time_s.astype(dtype)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(search, firsts))


def _bucket_width_s(arcs: Arcs, cutoff_s: float) -> float:
    """Return a width that holds few arcs, so that few nodes are settled twice."""
    typical_s = float(np.median(arcs.time_s)) if arcs.time_s.size else 1.0
    return max(typical_s / 2, cutoff_s / MAX_BUCKETS, 1e-9)


def _transpose(
    chunks: list[tuple[LongArray, IntArray, AnyFloatArray]],
    *,
    n_column: int,
    dtype: type[np.float32 | np.float64],
) -> _Pairs:
    """Turn rows by source into rows by target, with the sources ascending in each."""
    count = np.zeros(n_column + 1, dtype=np.int64)
    for _, column, _ in chunks:
        count[1:] += np.bincount(column, minlength=n_column)
    start = np.cumsum(count)
    cursor = start[:-1].copy()
    row_out = np.empty(start[-1], dtype=np.int32)
    time_out = np.empty(start[-1], dtype=dtype)
    first_row = 0
    for row_start, column, time_s in chunks:
        transpose_pairs(first_row, row_start, column, time_s, cursor, row_out, time_out)
        first_row += row_start.size - 1
    return _Pairs(start, row_out, time_out)


def _round_trips(
    network: RoadNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    cutoff_s: float,
    dtype: type[np.float32 | np.float64],
    threads: int,
) -> _Pairs:
    """Join both drives; each of them may take up to twice the cutoff if the other is short."""
    there, back = (
        _drives(
            network,
            demand,
            sites,
            cutoff_s=2 * cutoff_s,
            back=back,
            dtype=np.float64,
            threads=threads,
        )
        for back in (False, True)
    )
    key, other = (
        np.repeat(np.arange(demand.n_point), np.diff(pairs.start)) * sites.n_point + pairs.column
        for pairs in (there, back)
    )
    place = np.searchsorted(other, key)
    place[place == other.size] = 0
    both = other[place] == key if other.size else np.zeros(key.size, dtype=bool)
    mean_s = np.full(key.size, np.inf)
    mean_s[both] = (there.time_s[both] + back.time_s[place[both]]) / 2
    kept = mean_s <= cutoff_s
    row = np.repeat(np.arange(demand.n_point), np.diff(there.start))[kept]
    start = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=demand.n_point))])
    return _Pairs(start, there.column[kept], mean_s[kept].astype(dtype))


def _nearest_round_trip(
    network: RoadNetwork, demand: Snapped, stations: Snapped, *, cutoff_s: float
) -> Nearest:
    """Widen the search until every demand point that can drive there and back has its station."""
    station = np.full(demand.n_point, NO_STATION, dtype=np.int32)
    time_s = np.full(demand.n_point, np.inf)
    hosts = np.unique(_strong_component_of(network, stations))
    connected = np.isin(_strong_component_of(network, demand), hosts[hosts >= 0])
    left, reach_s = np.flatnonzero(demand.on_network), 0.0
    while left.size:
        reach_s = min(max(2 * reach_s, FIRST_REACH_S), cutoff_s)
        part = _take(demand, left)
        pairs = _round_trips(network, part, stations, cutoff_s=reach_s, dtype=np.float64, threads=2)
        row = np.repeat(np.arange(left.size), np.diff(pairs.start))
        nearest = _choose(left.size, row, pairs.column, pairs.time_s)
        station[left], time_s[left] = nearest.station, nearest.time_s
        if reach_s >= cutoff_s:
            break
        left = left[(nearest.station == NO_STATION) & connected[left]]
    return Nearest(station=station, time_s=time_s)


def _strong_component_of(network: RoadNetwork, points: Snapped) -> IntArray:
    """Return the strongly connected component that a point's segment lies in, -1 for none."""
    segment = np.where(points.on_network, points.segment, 0)
    tail = network.strong_component[network.segment_from[segment]]
    head = network.strong_component[network.segment_to[segment]]
    return np.where(points.on_network & (tail == head), tail, -1).astype(np.int32)


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
