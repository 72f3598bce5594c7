"""The compiled searches: bounded from many sources, and nearest source of every node.

Both give exact shortest times. The bounded search keeps open nodes in buckets of a narrow width
and takes a bucket's nodes in any order; a node whose time falls after that is taken again, until
nothing falls any more (Denardo and Fox 1979; the width only decides how often that happens).
"""

from __future__ import annotations

import numpy as np

from siting.network.compiled import KernelArray, compiled

NO_SOURCE = -1
"""Nearest source of a node that no source reaches."""


@compiled
def search_within(  # noqa: C901, PLR0912, PLR0915, PLR0917 - one hot loop, and Numba takes positions
    start: KernelArray,
    head: KernelArray,
    arc_s: KernelArray,
    seed_start: KernelArray,
    seed_node: KernelArray,
    seed_s: KernelArray,
    entry_start: KernelArray,
    entry_target: KernelArray,
    entry_s: KernelArray,
    direct_start: KernelArray,
    direct_target: KernelArray,
    direct_s: KernelArray,
    n_target: int,
    cutoff_s: float,
    width_s: float,
    first_source: int,
    last_source: int,
) -> KernelArray:
    """Search from the sources ``first_source:last_source`` up to the cutoff.

    Parameters
    ----------
    start, head, arc_s
        The arcs in CSR form.
    seed_start, seed_node, seed_s
        By source: the nodes at which its searches begin, and the time spent before them.
    entry_start, entry_target, entry_s
        By node: the targets beside it, and the time from the node to them.
    direct_start, direct_target, direct_s
        By source: targets on its own segment.
    n_target
        Number of targets.
    cutoff_s, width_s
        Longest time, and width of a bucket.

    Returns
    -------
    row_start, target, time_s
        The pairs, in rows by source.
    """
    n_node = start.size - 1
    node_s = np.full(n_node, np.inf)
    waits_in = np.full(n_node, -1, dtype=np.int32)
    touched = np.empty(n_node, dtype=np.int32)
    best_s = np.full(n_target, np.inf)
    hit = np.empty(n_target, dtype=np.int32)
    n_bucket = int(cutoff_s / width_s) + 1
    newest = np.full(n_bucket, -1, dtype=np.int32)
    open_node = np.empty(1024, dtype=np.int32)
    open_next = np.empty(1024, dtype=np.int32)
    row_start = np.zeros(last_source - first_source + 1, dtype=np.int64)
    target_out = np.empty(1024, dtype=np.int32)
    time_out = np.empty(1024, dtype=np.float64)
    n_out = 0
    for source in range(first_source, last_source):
        n_touched, n_open = 0, 0
        for k in range(seed_start[source], seed_start[source + 1]):
            node, time_s = seed_node[k], seed_s[k]
            if time_s <= cutoff_s and time_s < node_s[node]:
                if node_s[node] == np.inf:
                    touched[n_touched] = node
                    n_touched += 1
                node_s[node] = time_s
                bucket = int(time_s / width_s)
                waits_in[node] = bucket
                open_node[n_open], open_next[n_open] = node, newest[bucket]
                newest[bucket] = n_open
                n_open += 1
        for bucket in range(n_bucket):
            while newest[bucket] >= 0:
                place = newest[bucket]
                newest[bucket] = open_next[place]
                node = open_node[place]
                if waits_in[node] != bucket:
                    continue
                waits_in[node] = -1
                base_s = node_s[node]
                if n_open + start[node + 1] - start[node] > open_node.size:
                    open_node = np.concatenate((open_node, np.empty_like(open_node)))
                    open_next = np.concatenate((open_next, np.empty_like(open_next)))
                for k in range(start[node], start[node + 1]):
                    time_s, other = base_s + arc_s[k], head[k]
                    if time_s < node_s[other] and time_s <= cutoff_s:
                        if node_s[other] == np.inf:
                            touched[n_touched] = other
                            n_touched += 1
                        node_s[other] = time_s
                        later = int(time_s / width_s)
                        if waits_in[other] != later:
                            waits_in[other] = later
                            open_node[n_open], open_next[n_open] = other, newest[later]
                            newest[later] = n_open
                            n_open += 1
        n_hit = 0
        for k in range(direct_start[source], direct_start[source + 1]):
            target = direct_target[k]
            if direct_s[k] <= cutoff_s and direct_s[k] < best_s[target]:
                if best_s[target] == np.inf:
                    hit[n_hit] = target
                    n_hit += 1
                best_s[target] = direct_s[k]
        for place in range(n_touched):
            node = touched[place]
            for k in range(entry_start[node], entry_start[node + 1]):
                time_s, target = node_s[node] + entry_s[k], entry_target[k]
                if time_s <= cutoff_s and time_s < best_s[target]:
                    if best_s[target] == np.inf:
                        hit[n_hit] = target
                        n_hit += 1
                    best_s[target] = time_s
            node_s[node] = np.inf
            waits_in[node] = -1
        while n_out + n_hit > target_out.size:
            target_out = np.concatenate((target_out, np.empty_like(target_out)))
            time_out = np.concatenate((time_out, np.empty_like(time_out)))
        for k in range(n_hit):
            target_out[n_out], time_out[n_out] = hit[k], best_s[hit[k]]
            best_s[hit[k]] = np.inf
            n_out += 1
        row_start[source - first_source + 1] = n_out
    return row_start, target_out[:n_out].copy(), time_out[:n_out].copy()


@compiled
def nearest_source(  # noqa: C901, PLR0912, PLR0915, PLR0917 - one hot loop, and Numba takes positions
    start: KernelArray,
    head: KernelArray,
    arc_s: KernelArray,
    seed_start: KernelArray,
    seed_node: KernelArray,
    seed_s: KernelArray,
) -> KernelArray:
    """Find the nearest source of every node by one search from all of them.

    Parameters
    ----------
    start, head, arc_s
        The arcs in CSR form.
    seed_start, seed_node, seed_s
        By source: the nodes at which its searches begin, and the time spent before them.

    Returns
    -------
    nearest, time_s
        (n_node,) source, of equally near ones the first, and time; ``NO_SOURCE`` and infinite
        where none leads.
    """
    n_node = start.size - 1
    node_s = np.full(n_node, np.inf)
    nearest = np.full(n_node, NO_SOURCE, dtype=np.int32)
    # A binary heap of nodes with their places, so that it never outgrows the nodes.
    heap = np.empty(n_node, dtype=np.int32)
    place_of = np.full(n_node, -1, dtype=np.int32)
    n_heap = 0
    # Round 0 lays in the seeds; afterwards nodes are taken until the heap is empty.
    source = 0
    n_source = seed_start.size - 1
    while source < n_source or n_heap > 0:
        if source < n_source:
            first, last = seed_start[source], seed_start[source + 1]
        else:
            node = heap[0]
            n_heap -= 1
            place_of[node] = -1
            if n_heap > 0:
                moved = heap[n_heap]
                place = 0
                while True:
                    child = 2 * place + 1
                    if child >= n_heap:
                        break
                    if child + 1 < n_heap and node_s[heap[child + 1]] < node_s[heap[child]]:
                        child += 1
                    if node_s[heap[child]] >= node_s[moved]:
                        break
                    heap[place] = heap[child]
                    place_of[heap[place]] = place
                    place = child
                heap[place] = moved
                place_of[moved] = place
            first, last = start[node], start[node + 1]
        for k in range(first, last):
            if source < n_source:
                other, time_s, owner = seed_node[k], seed_s[k], source
            else:
                other, time_s, owner = head[k], node_s[node] + arc_s[k], nearest[node]
            if time_s > node_s[other] or (
                time_s == node_s[other] and (owner >= nearest[other] and nearest[other] >= 0)
            ):
                continue
            node_s[other] = time_s
            nearest[other] = owner
            place = place_of[other]
            if place < 0:
                place = n_heap
                n_heap += 1
            while place > 0:
                parent = (place - 1) // 2
                if node_s[heap[parent]] <= time_s:
                    break
                heap[place] = heap[parent]
                place_of[heap[place]] = place
                place = parent
            heap[place] = other
            place_of[other] = place
        if source < n_source:
            source += 1
    return nearest, node_s


@compiled
def transpose_pairs(  # noqa: PLR0917 - one hot loop, and Numba takes positions
    first_row: int,
    row_start: KernelArray,
    column: KernelArray,
    time_s: KernelArray,
    cursor: KernelArray,
    row_out: KernelArray,
    time_out: KernelArray,
) -> None:
    """Append each pair to its column's place; ``cursor`` holds where every column's next goes."""
    for row in range(row_start.size - 1):
        for k in range(row_start[row], row_start[row + 1]):
            place = cursor[column[k]]
            cursor[column[k]] = place + 1
            row_out[place] = first_row + row
            time_out[place] = time_s[k]
