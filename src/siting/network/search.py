"""The compiled searches: many to many within a cutoff, and the nearest source of every node.

All give exact shortest times. The bounded search keeps open nodes in buckets, each as wide as a
short arc, and takes a bucket's nodes in any order; a node whose time falls afterwards is taken
again, until nothing falls any more (Denardo and Fox 1979). So the width decides only how often
that happens, never the result. What makes it fast: one comparison an arc, because every node
begins at the longest time that is still of use; unsigned indices; no memory allocated while it
runs; and nothing as large as the network touched for any source.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from siting.network.compiled import KernelArray, compiled

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_SOURCE = -1
"""Nearest source of a node that no source reaches."""

NO_ROOM = -1
"""Returned by a search whose queue was too short."""

FIRST_ROOM = 4096


class Graph(NamedTuple):
    """Arcs in CSR form, as the kernels take them."""

    start: KernelArray  # (n_node + 1,) int32
    head: KernelArray  # (n_arc,) uint32
    time_s: KernelArray  # (n_arc,) float64


class Rows(NamedTuple):
    """Lists of (index, time): the nodes at which a source begins, or the targets at a node."""

    start: KernelArray  # (n_row + 1,) int64
    index: KernelArray  # (n,) uint32
    time_s: KernelArray  # (n,) float64


class Queue(NamedTuple):
    """Open nodes in buckets; each bucket a chain through ``node`` and ``older``."""

    newest: KernelArray  # (n_bucket + 1,) int32, -1 where empty; the last is for waste
    node: KernelArray  # (capacity,) uint32
    older: KernelArray  # (capacity,) int32
    settled: KernelArray  # (capacity,) uint32, the nodes taken, some more than once


class Way(NamedTuple):
    """One way of driving between sources and targets: out from the sources, or in to them."""

    graph: Graph
    seeds: Rows  # by source: the nodes where its search begins, and the time to or from them
    entries: Rows  # by node: the targets beside it, and the time between the node and them
    direct: Rows  # by source: the targets on its own segment


class Best(NamedTuple):
    """The best times of one source's targets."""

    time_s: KernelArray  # (n_target,) float64, infinite between sources
    hit: KernelArray  # (n_target + 1,) uint32, the targets that have a time


class Pairs(NamedTuple):
    """Pairs in rows."""

    start: KernelArray  # (n_row + 1,) int64
    column: KernelArray  # (n_pair,) uint32
    time_s: KernelArray  # (n_pair,) float64 or float32


RowArrays: TypeAlias = tuple[KernelArray, KernelArray, KernelArray]
"""Where rows begin, what is in them, and its times: ``Rows``, ``Pairs`` and ``Graph`` are such."""


def start_rows(count: KernelArray | Sequence[int]) -> KernelArray:
    """Return where rows of such lengths begin, and the end of the last."""
    start = np.zeros(len(count) + 1, dtype=np.int64)
    np.cumsum(count, out=start[1:])
    return start


def join_rows(parts: Sequence[RowArrays], *, threads: int) -> RowArrays:
    """Return the fields of rows of which some parts follow one after the other."""
    if len(parts) == 1:
        return parts[0]
    row = start_rows([part[0].size - 1 for part in parts])
    place = start_rows([part[1].size for part in parts])
    start = np.empty(row[-1] + 1, dtype=parts[0][0].dtype)
    index = np.empty(place[-1], dtype=parts[0][1].dtype)
    time_s = np.empty(place[-1], dtype=parts[0][2].dtype)
    start[-1] = place[-1]

    def copy(part: RowArrays, row: int, place: int) -> None:
        start[row : row + part[0].size - 1] = part[0][:-1]
        start[row : row + part[0].size - 1] += place
        index[place : place + part[1].size] = part[1]
        time_s[place : place + part[2].size] = part[2]

    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(copy, parts, row[:-1], place[:-1]))
    return start, index, time_s


def make_queue(*, limit_s: float, per_s: float, capacity: int) -> Queue:
    """Make an empty queue for times below the limit."""
    return Queue(
        newest=np.full(int(limit_s * per_s) + 3, -1, dtype=np.int32),
        node=np.empty(capacity, dtype=np.uint32),
        older=np.empty(capacity, dtype=np.int32),
        settled=np.empty(capacity, dtype=np.uint32),
    )


def make_best(n_target: int) -> Best:
    """Make an empty list of best times."""
    return Best(np.full(n_target, np.inf), np.empty(n_target + 1, dtype=np.uint32))


@compiled
def spread(  # noqa: PLR0917 - a kernel takes positions
    graph: Graph, seeds: Rows, source: int, node_s: KernelArray, queue: Queue, per_s: float
) -> int:
    """Search from one source; lower ``node_s`` to the shortest times.

    Parameters
    ----------
    graph, seeds, source
        Where to search, and where to begin.
    node_s
        (n_node,) at first the time from which on each node is of no use; nodes reached sooner
        get their shortest time.
    queue
        Empty before and after; lists the nodes reached in ``settled``, some more than once.
    per_s
        Buckets a second.

    Returns
    -------
    int
        How many entries of ``settled`` count, or ``NO_ROOM`` if the queue was too short.
    """
    newest, open_node, older, settled = queue
    n_open, n_settled = np.uint32(0), np.uint32(0)
    n_bucket = newest.size - 1
    first_bucket, waste = n_bucket, np.uint32(n_bucket)
    if seeds.start[source + 1] - seeds.start[source] >= open_node.size:
        return NO_ROOM
    for k in range(seeds.start[source], seeds.start[source + 1]):
        node, time_s = seeds.index[k], seeds.time_s[k]
        if time_s < node_s[node]:
            node_s[node] = time_s
            bucket = np.uint32(time_s * per_s)
            first_bucket = min(first_bucket, np.int64(bucket))
            open_node[n_open], older[n_open] = node, newest[bucket]
            newest[bucket] = n_open
            n_open += np.uint32(1)
    for turn in range(first_bucket, n_bucket):
        bucket = np.uint32(turn)
        while newest[bucket] >= 0:
            place = np.uint32(newest[bucket])
            newest[bucket] = older[place]
            node = open_node[place]
            base_s = node_s[node]
            if np.uint32(base_s * per_s) != bucket:
                continue  # it was taken from an earlier bucket since
            settled[n_settled] = node
            n_settled += np.uint32(1)
            first, last = np.uint32(graph.start[node]), np.uint32(graph.start[node + 1])
            if n_open + (last - first) >= open_node.size:
                return NO_ROOM
            for arc in range(first, last):
                # No branch, which the processor would guess wrong too often: an arc that does
                # not help goes to the waste bucket, and its entry is written over by the next.
                time_s, other = base_s + graph.time_s[arc], graph.head[arc]
                known_s = node_s[other]
                helps = time_s < known_s
                node_s[other] = time_s if helps else known_s
                later = np.uint32(time_s * per_s) if helps else waste
                open_node[n_open], older[n_open] = other, newest[later]
                newest[later] = n_open
                n_open += np.uint32(helps)
    # Numba would give an unsigned result and the sign of NO_ROOM one common type: a float.
    return np.int64(n_settled)  # type: ignore[return-value]  # an int to every caller


@compiled
def search_within(  # noqa: PLR0917 - a kernel takes positions
    way: Way,
    sources: KernelArray,
    cutoff_s: float,
    per_s: float,
    node_s: KernelArray,
    best: Best,
    queue: Queue,
) -> Pairs:
    """Find the targets within the cutoff of each source.

    Parameters
    ----------
    way
        Where to search.
    sources
        The sources to search from, in this order.
    cutoff_s, per_s
        Longest time, and buckets a second.
    node_s
        (n_node,) scratch, filled with the time just above the cutoff.
    best, queue
        Empty.

    Returns
    -------
    Pairs
        Rows by source; fewer than asked for where the queue was too short.
    """
    beyond_s = np.nextafter(cutoff_s, np.inf)
    no_s = np.zeros(way.direct.start.size - 1, dtype=np.float64)
    start = np.zeros(sources.size + 1, dtype=np.int64)
    target_out = np.empty(FIRST_ROOM, dtype=np.uint32)
    time_out = np.empty(FIRST_ROOM, dtype=np.float64)
    n_out = 0
    for row in range(sources.size):
        source = sources[row]
        n_settled = spread(way.graph, way.seeds, source, node_s, queue, per_s)
        if n_settled == NO_ROOM:
            return Pairs(start[: row + 1], target_out[:n_out], time_out[:n_out])
        n_hit = offer(way.direct, sources, row, row + 1, no_s, best, 0)
        n_hit = offer(way.entries, queue.settled, 0, n_settled, node_s, best, n_hit)
        for place in range(n_settled):
            node_s[queue.settled[place]] = beyond_s
        while n_out + n_hit > target_out.size:
            target_out = np.concatenate((target_out, np.empty_like(target_out)))
            time_out = np.concatenate((time_out, np.empty_like(time_out)))
        for place in range(n_hit):
            target = best.hit[place]
            if best.time_s[target] <= cutoff_s:
                target_out[n_out], time_out[n_out] = target, best.time_s[target]
                n_out += 1
            best.time_s[target] = np.inf
        start[row + 1] = n_out
    return Pairs(start, target_out[:n_out].copy(), time_out[:n_out].copy())


@compiled
def offer(  # noqa: PLR0917 - a kernel takes positions
    rows: Rows,
    which: KernelArray,
    first: int,
    last: int,
    base_s: KernelArray,
    best: Best,
    n_hit: int,
) -> int:
    """Lower the best times of the targets in the rows ``which[first:last]``.

    Each row's base time is added to its own. A call for many rows, because one for each is what
    the search would then spend its time on.

    Returns
    -------
    int
        Length of the list of targets that have a time.
    """
    for place in range(first, last):
        row = which[place]
        for k in range(rows.start[row], rows.start[row + 1]):
            target, time_s = rows.index[k], base_s[row] + rows.time_s[k]
            known_s = best.time_s[target]
            best.time_s[target] = min(time_s, known_s)
            best.hit[n_hit] = target
            n_hit += known_s == np.inf
    return n_hit


@compiled
def search_round_trips(  # noqa: C901, PLR0912, PLR0917 - three searches, each of which may bail out
    out: Way,
    back: Way,
    sources: KernelArray,
    cutoff_s: float,
    per_s: float,
    room_s: float,
    n_core: int,
    near_s: KernelArray,
    out_s: KernelArray,
    back_s: KernelArray,
    best_out: Best,
    best_back: Best,
    queue: Queue,
) -> Pairs:
    """Find the targets that each source is within a mean cutoff of, out and back.

    A drive of ``o`` out and ``b`` back counts where ``o + b`` is at most twice the cutoff. Let
    ``o(v)`` and ``b(v)`` be the times out to a node and back from it. Along a drive out to a
    target that counts, ``o(v) + b(v)`` never exceeds the target's sum, because from ``v`` one can
    drive on to the target and back from there; the same along the drive back. So three searches
    that grow no farther than such nodes are exact: back within the cutoff; then out, each node as
    far as its way back leaves room (a node without one is farther than the cutoff, so that its
    way out must be within it); then back again, each node as far as its way out leaves room.
    Contracted nodes, whose times may be too long, are left all the room there is.

    Parameters
    ----------
    out, back
        Where to search from the sources with the drive, and against it.
    sources, cutoff_s, per_s, queue
        As in :func:`search_within`.
    room_s
        A hair more than twice the cutoff.
    n_core
        Nodes from this number on are contracted.
    near_s, out_s, back_s
        (n_node,) scratch, filled with the time just above the cutoff, the same, and -1; the last
        two with ``room_s`` for contracted nodes.
    best_out, best_back
        Empty.

    Returns
    -------
    Pairs
        Rows by source; fewer than asked for where the queue was too short.
    """
    beyond_s = np.nextafter(cutoff_s, np.inf)
    no_s = np.zeros(out.direct.start.size - 1, dtype=np.float64)
    start = np.zeros(sources.size + 1, dtype=np.int64)
    target_out = np.empty(FIRST_ROOM, dtype=np.uint32)
    time_out = np.empty(FIRST_ROOM, dtype=np.float64)
    near, outward = np.empty_like(queue.settled), np.empty_like(queue.settled)
    n_out = 0
    for row in range(sources.size):
        source = sources[row]
        n_near = spread(back.graph, back.seeds, source, near_s, queue, per_s)
        if n_near == NO_ROOM:
            return Pairs(start[: row + 1], target_out[:n_out], time_out[:n_out])
        for place in range(n_near):
            node = near[place] = queue.settled[place]
            if node < n_core:
                out_s[node] = room_s - near_s[node]
        n_outward = spread(out.graph, out.seeds, source, out_s, queue, per_s)
        if n_outward == NO_ROOM:
            return Pairs(start[: row + 1], target_out[:n_out], time_out[:n_out])
        for place in range(n_outward):
            node = outward[place] = queue.settled[place]
            if node < n_core:
                back_s[node] = room_s - out_s[node]
        n_back = spread(back.graph, back.seeds, source, back_s, queue, per_s)
        if n_back == NO_ROOM:
            return Pairs(start[: row + 1], target_out[:n_out], time_out[:n_out])

        n_hit_out = offer(out.direct, sources, row, row + 1, no_s, best_out, 0)
        n_hit_out = offer(out.entries, outward, 0, n_outward, out_s, best_out, n_hit_out)
        n_hit_back = offer(back.direct, sources, row, row + 1, no_s, best_back, 0)
        n_hit_back = offer(back.entries, queue.settled, 0, n_back, back_s, best_back, n_hit_back)
        for place in range(n_near):
            node = near[place]
            near_s[node], out_s[node] = beyond_s, beyond_s if node < n_core else room_s
        for place in range(n_outward):
            node = outward[place]
            out_s[node] = beyond_s if node < n_core else room_s
            back_s[node] = -1.0 if node < n_core else room_s
        for place in range(n_back):
            node = queue.settled[place]
            back_s[node] = -1.0 if node < n_core else room_s
        while n_out + n_hit_out > target_out.size:
            target_out = np.concatenate((target_out, np.empty_like(target_out)))
            time_out = np.concatenate((time_out, np.empty_like(time_out)))
        for place in range(n_hit_out):
            target = best_out.hit[place]
            mean_s = (best_out.time_s[target] + best_back.time_s[target]) / 2
            if mean_s <= cutoff_s:
                target_out[n_out], time_out[n_out] = target, mean_s
                n_out += 1
            best_out.time_s[target] = np.inf
        for place in range(n_hit_back):
            best_back.time_s[best_back.hit[place]] = np.inf
        start[row + 1] = n_out
    return Pairs(start, target_out[:n_out].copy(), time_out[:n_out].copy())


@compiled
def nearest_source(graph: Graph, seeds: Rows) -> tuple[KernelArray, KernelArray]:
    """Find the nearest source of every node by one search from all of them (Dijkstra 1959).

    Parameters
    ----------
    graph, seeds
        Where to search, and where each source begins.

    Returns
    -------
    nearest, time_s
        (n_node,) source, of equally near ones the first, and time; ``NO_SOURCE`` and infinite
        where none leads.
    """
    n_node = graph.start.size - 1
    node_s = np.full(n_node, np.inf)
    nearest = np.full(n_node, NO_SOURCE, dtype=np.int32)
    # A binary heap that knows each node's place, so that it never outgrows the nodes.
    heap = np.empty(n_node, dtype=np.uint32)
    place_of = np.full(n_node, -1, dtype=np.int32)
    n_heap = 0
    for source in range(seeds.start.size - 1):
        for k in range(seeds.start[source], seeds.start[source + 1]):
            node, time_s = seeds.index[k], seeds.time_s[k]
            if is_nearer(time_s, source, node_s[node], nearest[node]):
                node_s[node], nearest[node] = time_s, source
                n_heap = raise_node(node, node_s, heap, place_of, n_heap)
    while n_heap > 0:
        node = heap[0]
        n_heap = drop_first(node_s, heap, place_of, n_heap)
        for arc in range(graph.start[node], graph.start[node + 1]):
            other, time_s = graph.head[arc], node_s[node] + graph.time_s[arc]
            if is_nearer(time_s, nearest[node], node_s[other], nearest[other]):
                node_s[other], nearest[other] = time_s, nearest[node]
                n_heap = raise_node(other, node_s, heap, place_of, n_heap)
    return nearest, node_s


@compiled
def is_nearer(time_s: float, source: int, known_s: float, known_source: int) -> bool:
    """Tell whether a source is nearer than the one known; of equally near ones the first is."""
    return time_s < known_s or (time_s == known_s < np.inf and source < known_source)


@compiled
def raise_node(
    node: int, node_s: KernelArray, heap: KernelArray, place_of: KernelArray, n_heap: int
) -> int:
    """Put a node into the heap, or up to where its fallen time belongs. Return the heap's size."""
    place = place_of[node]
    if place < 0:
        place = n_heap
        n_heap += 1
    while place > 0:
        parent = (place - 1) >> 1
        if node_s[heap[parent]] <= node_s[node]:
            break
        heap[place] = heap[parent]
        place_of[heap[place]] = place
        place = parent
    heap[place] = node
    place_of[node] = place
    return n_heap


@compiled
def drop_first(node_s: KernelArray, heap: KernelArray, place_of: KernelArray, n_heap: int) -> int:
    """Take the nearest node out of the heap. Return the heap's size."""
    place_of[heap[0]] = -1
    n_heap -= 1
    last, place = heap[n_heap], 0
    while 2 * place + 1 < n_heap:
        child = 2 * place + 1
        if child + 1 < n_heap and node_s[heap[child + 1]] < node_s[heap[child]]:
            child += 1
        if node_s[heap[child]] >= node_s[last]:
            break
        heap[place] = heap[child]
        place_of[heap[place]] = place
        place = child
    if n_heap > 0:
        heap[place] = last
        place_of[last] = place
    return n_heap


@compiled
def count_columns(pairs: Pairs, order: KernelArray, n_column: int) -> KernelArray:
    """Return how many pairs each column has in the rows of ``order``."""
    count = np.zeros(n_column, dtype=np.int64)
    for row in order:
        for k in range(pairs.start[row], pairs.start[row + 1]):
            count[pairs.column[k]] += 1
    return count


@compiled
def fill_columns(  # noqa: PLR0917 - a kernel takes positions
    pairs: Pairs,
    order: KernelArray,
    first: int,
    after: KernelArray,
    row_out: KernelArray,
    time_out: KernelArray,
) -> None:
    """Write the pairs in the rows of ``order`` column by column.

    Parameters
    ----------
    pairs, order
        Rows of pairs, and which to write; they are numbered ``first``, ``first + 1``, … there.
    after
        (n_column,) the place after what each column holds already; moved on.
    row_out, time_out
        (n_pair,) filled.
    """
    for number in range(order.size):
        row = order[number]
        for k in range(pairs.start[row], pairs.start[row + 1]):
            place = after[pairs.column[k]]
            after[pairs.column[k]] = place + 1
            row_out[place], time_out[place] = first + number, pairs.time_s[k]
