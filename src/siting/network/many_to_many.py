"""Many-to-many searches: points on edges to rows of pairs, on threads that share nothing."""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from siting.domain import Direction, FloatArray, IntArray, LongArray
from siting.network.search import (
    NO_ROOM,
    Graph,
    Pairs,
    Rows,
    Way,
    count_columns,
    fill_columns,
    join_rows,
    make_best,
    make_queue,
    search_round_trips,
    search_within,
    spread,
    start_rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.network.contraction import Core
    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped

SOURCES_PER_TASK = 16
ARCS_SAMPLED = 10_000
SOURCES_SAMPLED = 8
MAX_BUCKETS = 50_000
QUEUE_CAPACITY = 1 << 16
QUEUE_GROWTH = 4
HAIR = 1e-9
"""Slack of bounds that rounding must not cut, relative and in seconds; the cutoff has none."""

CORE_FROM_NODES = 16_000_000
"""From so many nodes to be settled in all searches together, contracting first may pay …"""

CORE_FROM_TIMES = 32
"""… and does if each node of the network is settled so many times on average."""


class Ends(NamedTuple):
    """What it takes between a point and the two ends of its segment; infinite if not allowed."""

    node: IntArray  # (2, n_point)
    time_s: FloatArray  # (2, n_point)


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched: up to which cutoff, on which ways, for how many targets.

    Attributes
    ----------
    ways
        One way; or, for round trips, the way out and the way in.
    n_core
        Nodes from this number on are contracted.
    n_target
        Number of targets.
    cutoff_s
        Longest time kept.
    dtype
        Type of the times given.
    """

    ways: tuple[Way, ...]
    n_core: int
    n_target: int
    cutoff_s: float
    dtype: type[np.float32 | np.float64]


def pair_within(
    network: RoadNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    cutoff_s: float,
    direction: Direction,
    dtype: type[np.float32 | np.float64],
    threads: int,
) -> Pairs:
    """Pair every demand point with the sites within the cutoff; rows by demand point.

    The search starts from the side with fewer points: from sites against the traffic, if drives
    to the site are asked for.
    """
    from_demand = demand.n_point < sites.n_point
    sources, targets = (demand, sites) if from_demand else (sites, demand)
    one_way = ((direction is Direction.BACK) != from_demand,)
    outward = (True, False) if direction is Direction.ROUND_TRIP else one_way
    limit_s = cutoff_s if direction is not Direction.ROUND_TRIP else 2 * cutoff_s * (1 + HAIR)
    core = None
    if _core_pays(network, sources, outward=outward[0], cutoff_s=cutoff_s):
        core = network.core(threads=threads)
    search = Search(
        ways=tuple(
            build_way(
                network, sources, targets, core=core, outward=out, limit_s=limit_s, threads=threads
            )
            for out in outward
        ),
        n_core=network.n_node if core is None else core.n_core,
        n_target=targets.n_point,
        cutoff_s=cutoff_s,
        dtype=dtype,
    )
    # Neighbouring sources one after the other find their roads still in the processor's cache.
    order = np.argsort(network.segment_from[np.maximum(sources.segment, 0)], kind="stable")
    found = _search_all(search, order.astype(np.uint32), threads=threads)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    pairs = _transpose(found, order=place, n_column=targets.n_point, threads=threads)
    if from_demand:
        order = np.arange(targets.n_point)
        pairs = _transpose(pairs, order=order, n_column=sources.n_point, threads=threads)
    return pairs


def build_way(
    network: RoadNetwork,
    sources: Snapped,
    targets: Snapped,
    *,
    core: Core | None,
    outward: bool,
    limit_s: float,
    threads: int,
) -> Way:
    """Lay out the drives from the sources to the targets (outward), or from targets to sources.

    On the whole network, or on its core, which the points climb to.
    """
    seeds = rows_by_point(compute_ends(network, sources, leave=outward))
    entries = rows_by_point(compute_ends(network, targets, leave=not outward))
    if core is None:
        graph = get_graph(network, outward=outward)
    else:
        graph = core.graph(outward=outward, threads=threads)
        seeds = core.climb(seeds, leave=outward, limit_s=limit_s, threads=threads)
        entries = core.climb(entries, leave=not outward, limit_s=limit_s, threads=threads)
    by_node = _transpose(
        Pairs(entries.start, entries.index, entries.time_s),
        order=np.arange(targets.n_point),
        n_column=network.n_node,
        threads=threads,
    )
    return Way(
        graph=graph,
        seeds=seeds,
        entries=Rows(by_node.start, by_node.column, by_node.time_s),
        direct=pair_on_segments(network, sources, targets, outward=outward),
    )


def _core_pays(network: RoadNetwork, sources: Snapped, *, outward: bool, cutoff_s: float) -> bool:
    """Tell whether to contract first, by searching from a few of the sources.

    The answer depends on the question only, so that the same question gets the same bits.
    """
    if sources.n_point * network.n_node <= CORE_FROM_NODES:
        return False
    graph = get_graph(network, outward=outward)
    seeds = rows_by_point(compute_ends(network, sources, leave=outward))
    per_s = _buckets_per_s(graph, cutoff_s)
    queue = make_queue(limit_s=cutoff_s, per_s=per_s, capacity=network.n_node + QUEUE_CAPACITY)
    beyond_s = np.nextafter(cutoff_s, np.inf)
    node_s = np.full(network.n_node, beyond_s)
    needed = max(CORE_FROM_NODES, CORE_FROM_TIMES * network.n_node)
    n_settled = 0
    for source in np.linspace(0, sources.n_point - 1, SOURCES_SAMPLED).astype(np.int64):
        found = spread(graph, seeds, source, node_s, queue, per_s)
        if found == NO_ROOM:  # more entries than nodes: as overlapping as it gets
            return True
        n_settled += found
        if n_settled * sources.n_point >= needed * SOURCES_SAMPLED:
            return True
        node_s[queue.settled[:found]] = beyond_s
    return False


def get_graph(network: RoadNetwork, *, outward: bool) -> Graph:
    """Return the arcs with the traffic (outward) or against it."""
    arcs = network.forward if outward else network.reverse
    return Graph(start=arcs.start, head=arcs.head.view(np.uint32), time_s=arcs.time_s)


def compute_ends(network: RoadNetwork, points: Snapped, *, leave: bool) -> Ends:
    """Return the time from the points to their segments' ends (leave), or from the ends to them."""
    on_road = points.on_network
    segment = np.where(on_road, points.segment, 0)
    ahead, behind = 1.0 - points.fraction, points.fraction
    ahead_s, behind_s = network.segment_forward_s[segment], network.segment_backward_s[segment]
    if not leave:
        ahead_s, behind_s = behind_s, ahead_s
    # A point at an end of its segment is that node, also where the segment is one-way.
    time_s = np.stack([_part_of(behind, behind_s), _part_of(ahead, ahead_s)])
    time_s[:, ~on_road] = np.inf
    return Ends(np.stack([network.segment_from[segment], network.segment_to[segment]]), time_s)


def rows_by_point(ends: Ends) -> Rows:
    """Return the finite ends as rows by point."""
    finite = np.isfinite(ends.time_s.T)
    return Rows(
        start=start_rows(finite.sum(axis=1)),
        index=ends.node.T[finite].astype(np.uint32),
        time_s=ends.time_s.T[finite],
    )


def pair_on_segments(
    network: RoadNetwork, sources: Snapped, targets: Snapped, *, outward: bool
) -> Rows:
    """Return the drives that stay on one segment, as rows by source.

    They run from source to target if outward, else from target to source.
    """
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
    time_s = _part_of(np.abs(run), whole_s)
    allowed = np.isfinite(time_s)
    return Rows(
        start=start_rows(np.bincount(source[allowed], minlength=sources.n_point)),
        index=target[allowed].astype(np.uint32),
        time_s=time_s[allowed],
    )


def _part_of(share: FloatArray, whole_s: FloatArray) -> FloatArray:
    """Return a share of a time; no share of an infinite time takes no time."""
    return share * np.where(share > 0.0, whole_s, 0.0)


def _search_all(search: Search, order: IntArray, *, threads: int) -> Pairs:
    """Search from every source; rows in the order given, whatever thread found them."""
    tasks = deque(enumerate(np.array_split(order, math.ceil(order.size / SOURCES_PER_TASK) or 1)))
    parts: dict[int, list[Pairs]] = {}
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        workers = [pool.submit(_work, search, tasks, parts) for _ in range(max(1, threads))]
        for worker in workers:
            worker.result()
    found = [piece for number in sorted(parts) for piece in parts.pop(number)]
    return Pairs(*join_rows(found, threads=threads))


def _work(
    search: Search, tasks: deque[tuple[int, IntArray]], parts: dict[int, list[Pairs]]
) -> None:
    """Take tasks until none is left; the scratch memory is the thread's own, and laid out once."""
    capacity = QUEUE_CAPACITY
    run = _prepare(search, capacity)
    while True:
        try:
            number, sources = tasks.popleft()
        except IndexError:
            return
        pieces = parts.setdefault(number, [])
        pieces.append(run(sources))
        while (done := sum(piece.start.size - 1 for piece in pieces)) < sources.size:
            capacity *= QUEUE_GROWTH
            run = _prepare(search, capacity)
            pieces.append(run(sources[done:]))


def _prepare(search: Search, capacity: int) -> Callable[[IntArray], Pairs]:
    """Lay out scratch memory; return what searches from some sources in it.

    Fewer rows than sources come back where the queue is too short; the scratch memory is spoilt
    then.
    """
    cutoff_s, graph = search.cutoff_s, search.ways[0].graph
    per_s = _buckets_per_s(graph, cutoff_s)
    n_node = graph.start.size - 1
    room_s = len(search.ways) * cutoff_s * (1 + HAIR) + HAIR
    queue = make_queue(limit_s=room_s, per_s=per_s, capacity=capacity)
    beyond_s = np.full(n_node, np.nextafter(cutoff_s, np.inf))
    best = tuple(make_best(search.n_target) for _ in search.ways)
    if len(search.ways) == 1:
        kernel: Callable[..., Pairs] = search_within
        scratch: tuple[Any, ...] = (beyond_s,)
    else:
        kernel = search_round_trips
        in_core = np.arange(n_node) < search.n_core
        scratch = (
            room_s,
            search.n_core,
            beyond_s,
            np.where(in_core, beyond_s, room_s),
            np.where(in_core, -1.0, room_s),
        )

    def run(sources: IntArray) -> Pairs:
        found = kernel(*search.ways, sources, cutoff_s, per_s, *scratch, *best, queue)
        return found._replace(time_s=found.time_s.astype(search.dtype))

    return run


def _buckets_per_s(graph: Graph, cutoff_s: float) -> float:
    """Return buckets a quarter of a usual arc wide: few nodes are taken twice, few are empty."""
    sample_s = graph.time_s[:: graph.time_s.size // ARCS_SAMPLED + 1]
    width_s = float(np.median(sample_s)) / 4 if sample_s.size else 1.0
    return 1.0 / max(width_s, 2 * cutoff_s / MAX_BUCKETS, 1e-9)


def _transpose(pairs: Pairs, *, order: LongArray, n_column: int, threads: int) -> Pairs:
    """Turn rows of pairs into rows by column; the row at ``order[k]`` is number ``k`` there.

    Threads share the rows: each counts its own, and writes them after those of the threads before.
    """
    if pairs.column.size < n_column:  # more threads would count more columns than there are pairs
        threads = 1
    parts = np.array_split(order, threads)
    first = start_rows([part.size for part in parts])
    row, time_s = np.empty_like(pairs.column), np.empty_like(pairs.time_s)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        counts = list(pool.map(lambda part: count_columns(pairs, part, n_column), parts))
        start = start_rows(sum(counts[1:], counts[0]))
        # From each column's end backwards, every count becomes where its thread begins to write.
        ahead = start[1:]
        for count in reversed(counts):
            ahead = np.subtract(ahead, count, out=count)

        def fill(part: LongArray, first: int, after: LongArray) -> None:
            fill_columns(pairs, part, first, after, row, time_s)

        list(pool.map(fill, parts, first, counts))
    return Pairs(start, row, time_s)
