"""A smaller network with the same travel times, for searching it from many points.

Most nodes of a road network only pass traffic on: taking such a node out and joining its
neighbours by the time through it leaves every other travel time as it is (node contraction,
Geisberger et al. 2008; here only as far as it makes the network smaller, so that it takes a
fraction of a second and the rest is searched as before). What is left is the core. A point beside
a contracted node reaches the core over the nodes that were its neighbours then: it climbs.

Nodes are contracted block by block along the Hilbert curve, in memory that stays in the
processor's cache, and only those with all their neighbours in the block; so blocks are
independent, and threads share them without changing the result.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.network.compiled import KernelArray, compiled
from siting.network.search import Graph, Rows, join_rows, start_rows

if TYPE_CHECKING:
    from siting.network.road_network import Arcs

BLOCK_NODES = 8192
SLOTS = 16
"""Most neighbours of a node in a block; a node with more arcs than this stays as it is."""

MOST_NEIGHBOURS = 8
"""A node with more neighbours than this is not contracted."""

GROWTH = (0, 0, 2, 4, 6, 8)
"""By round: how many arcs more than it takes away a contraction may add."""

FREE, CONTRACTED, BORDER, FOREIGN = 0, 1, 2, 3


class Links(NamedTuple):
    """Neighbours of nodes, each once, with the time to them and from them."""

    start: KernelArray  # (n_row + 1,) int64
    node: KernelArray  # (n_link,) uint32
    out_s: KernelArray  # (n_link,) float64, infinite where there is no arc to the neighbour
    in_s: KernelArray  # (n_link,) float64, infinite where there is no arc from it


class Block(NamedTuple):
    """A block's nodes with their neighbours, ``SLOTS`` places each."""

    state: KernelArray  # (n_node,) uint8
    size: KernelArray  # (n_node,) int32
    touched: KernelArray  # (n_node,) int32, the last round in which a neighbour went
    node: KernelArray  # (n_node * SLOTS,) uint32
    out_s: KernelArray  # (n_node * SLOTS,) float64
    in_s: KernelArray  # (n_node * SLOTS,) float64


class Store(NamedTuple):
    """Nodes with their neighbours, as a task gives them back."""

    row: KernelArray  # (n_row,) uint32, which node each row is of
    links: Links


@dataclass(frozen=True, kw_only=True, eq=False)
class Core:
    """A contracted network.

    Attributes
    ----------
    number
        (n_node,) new number of each node: those of the core first, in their old order; then the
        contracted ones, each before its neighbours that were contracted later.
    n_core
        Number of nodes in the core.
    kept
        The core's nodes, task by task, with their neighbours by old number.
    up
        By new number less ``n_core``: a contracted node's neighbours when it went.
    """

    number: KernelArray
    n_core: int
    kept: tuple[Store, ...]
    up: Links

    @property
    def n_node(self) -> int:
        """Number of nodes, contracted ones included."""
        return int(self.number.size)

    def graph(self, *, outward: bool, threads: int) -> Graph:
        """Return the core's arcs with the traffic (outward) or against it, for all numbers."""
        rows = start_rows([store.row.size for store in self.kept])
        with ThreadPoolExecutor(max_workers=threads) as pool:
            counts = pool.map(lambda store: count_arcs(store.links, outward), self.kept)
            n_arc = start_rows(list(counts))
            graph = Graph(
                start=np.full(self.n_node + 1, n_arc[-1], dtype=np.int32),
                head=np.empty(n_arc[-1], dtype=np.uint32),
                time_s=np.empty(n_arc[-1], dtype=np.float64),
            )

            def fill(store: Store, row: int, arc: int) -> None:
                fill_arcs(store.links, outward, self.number, row, arc, graph)

            list(pool.map(fill, self.kept, rows[:-1], n_arc[:-1]))
        return graph

    def climb(self, points: Rows, *, leave: bool, limit_s: float, threads: int) -> Rows:
        """Return where points enter the core, and the contracted nodes on the way there.

        Parameters
        ----------
        points
            By point: nodes of the network, and the time to (leave) or from each.
        leave
            Whether the times run from the points to the nodes.
        limit_s
            Longer times are left out.
        threads
            How many threads share the points; the result does not depend on it.

        Returns
        -------
        Rows
            By point: new numbers of nodes, and the times.
        """
        time_s = self.up.out_s if leave else self.up.in_s
        up = (self.number, self.n_core, self.up.start, self.up.node, time_s)
        n_point = points.start.size - 1
        bounds = [n_point * part // threads for part in range(threads + 1)]
        with ThreadPoolExecutor(max_workers=threads) as pool:
            parts = pool.map(
                lambda first, last: climb(points, first, last, *up, limit_s), bounds, bounds[1:]
            )
            return Rows(*join_rows(list(parts), threads=threads))


def build_core(forward: Arcs, reverse: Arcs, *, threads: int) -> Core:
    """Contract a network.

    Parameters
    ----------
    forward, reverse
        Its arcs, and the same turned round; nodes along a Hilbert curve.
    threads
        How many threads share the work; the result does not depend on it.
    """
    out, back = (
        Graph(way.start, way.head.view(np.uint32), way.time_s) for way in (forward, reverse)
    )
    n_node = forward.start.size - 1
    growth = np.array(GROWTH, dtype=np.int64)

    def run(first: int) -> tuple[Store, Store]:
        return contract_block(out, back, first, min(first + BLOCK_NODES, n_node), growth)

    number = np.empty(n_node, dtype=np.uint32)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        kept, gone = zip(*pool.map(run, range(0, n_node, BLOCK_NODES)), strict=True)
        rows = start_rows([store.row.size for store in (*kept, *gone)])
        list(pool.map(lambda store, row: number_rows(store.row, row, number), kept + gone, rows))
        n_core = int(rows[len(kept)])
        n_link = start_rows([store.links.start[-1] for store in gone])
        # Made by NumPy, which asks for huge pages: memory taken anew costs as much as the copying.
        up = Links(
            start=np.zeros(n_node - n_core + 1, dtype=np.int64),
            node=np.empty(n_link[-1], dtype=np.uint32),
            out_s=np.empty(n_link[-1], dtype=np.float64),
            in_s=np.empty(n_link[-1], dtype=np.float64),
        )

        def move(store: Store, row: int, link: int) -> None:
            append_links(store.links, number, row, link, up)

        list(pool.map(move, gone, rows[len(kept) :] - n_core, n_link))
    return Core(number=number, n_core=n_core, kept=kept, up=up)


@compiled
def contract_block(
    forward: Graph, reverse: Graph, low: int, high: int, growth: KernelArray
) -> tuple[Store, Store]:
    """Contract the block of the nodes ``low:high``; return what stays, and what goes."""
    n_node = high - low
    block = Block(
        np.empty(n_node, dtype=np.uint8),
        np.empty(n_node, dtype=np.int32),
        np.empty(n_node, dtype=np.int32),
        np.empty(n_node * SLOTS, dtype=np.uint32),
        np.empty(n_node * SLOTS, dtype=np.float64),
        np.empty(n_node * SLOTS, dtype=np.float64),
    )
    n_arc = forward.start[high] - forward.start[low] + reverse.start[high] - reverse.start[low]
    kept = make_store(n_node, n_node * SLOTS + n_arc)
    gone = make_store(n_node, n_node * MOST_NEIGHBOURS)
    load_block(forward, reverse, low, high, block)
    n_gone = 0
    for turn in range(growth.size):
        n_gone = contract_round(block, low, high, turn + 1, growth[turn], gone, n_gone)
    n_kept = store_block(forward, reverse, block, low, high, kept)
    return trim_store(kept, n_kept), trim_store(gone, n_gone)


@compiled
def make_store(n_row: int, n_link: int) -> Store:
    """Make an empty store with room for some rows and neighbours."""
    return Store(
        np.empty(n_row, dtype=np.uint32),
        Links(
            np.zeros(n_row + 1, dtype=np.int64),
            np.empty(n_link, dtype=np.uint32),
            np.empty(n_link, dtype=np.float64),
            np.empty(n_link, dtype=np.float64),
        ),
    )


@compiled
def trim_store(store: Store, n_row: int) -> Store:
    """Return the first rows of a store."""
    links, n_link = store.links, store.links.start[n_row]
    return Store(
        store.row[:n_row],
        Links(
            links.start[: n_row + 1],
            links.node[:n_link],
            links.out_s[:n_link],
            links.in_s[:n_link],
        ),
    )


@compiled
def load_block(forward: Graph, reverse: Graph, low: int, high: int, block: Block) -> None:
    """Fill a block; only nodes whose neighbours are all in it, with room to spare, are free."""
    state, size, touched, node, out_s, in_s = block
    for k in range(high - low):
        touched[k], state[k], size[k] = 0, FREE, 0
        n_arc = forward.start[low + k + 1] - forward.start[low + k]
        n_arc += reverse.start[low + k + 1] - reverse.start[low + k]
        if n_arc > SLOTS:
            state[k] = FOREIGN
        else:
            size[k] = merge(forward, reverse, low + k, node, out_s, in_s, k * SLOTS) - k * SLOTS
    for k in range(high - low):
        for slot in range(k * SLOTS, k * SLOTS + size[k]):
            other = int(node[slot])
            if not low <= other < high or state[other - low] == FOREIGN:
                state[k] = BORDER


@compiled
def merge(  # noqa: PLR0917 - a kernel takes positions
    forward: Graph,
    reverse: Graph,
    k: int,
    node: KernelArray,
    out_s: KernelArray,
    in_s: KernelArray,
    place: int,
) -> int:
    """List a node's neighbours from a place on; its arcs are sorted by the other end.

    Returns
    -------
    int
        The place after the last.
    """
    i, end_i = forward.start[k], forward.start[k + 1]
    j, end_j = reverse.start[k], reverse.start[k + 1]
    while i < end_i or j < end_j:
        leaves = j == end_j or (i < end_i and forward.head[i] <= reverse.head[j])
        enters = i == end_i or (j < end_j and reverse.head[j] <= forward.head[i])
        node[place] = forward.head[i] if leaves else reverse.head[j]
        out_s[place] = in_s[place] = np.inf
        if leaves:
            out_s[place] = forward.time_s[i]
            i += 1
        if enters:
            in_s[place] = reverse.time_s[j]
            j += 1
        place += 1
    return place


@compiled
def contract_round(  # noqa: PLR0917 - a kernel takes positions
    block: Block, low: int, high: int, turn: int, growth: int, gone: Store, n_gone: int
) -> int:
    """Contract free nodes, no two neighbours in one round, so that no chains build up.

    Returns
    -------
    int
        Number of rows in ``gone``.
    """
    state, size, touched, node, out_s, in_s = block
    n_link = gone.links.start[n_gone]
    for k in range(high - low):
        if state[k] != FREE or touched[k] == turn or size[k] > MOST_NEIGHBOURS:
            continue
        first, last = k * SLOTS, k * SLOTS + size[k]
        if not may_go(size, node, out_s, in_s, low, first, last, growth):
            continue
        state[k] = CONTRACTED
        for slot in range(first, last):
            gone.links.node[n_link] = node[slot]
            gone.links.out_s[n_link], gone.links.in_s[n_link] = out_s[slot], in_s[slot]
            n_link += 1
            other = int(node[slot]) - low
            touched[other] = turn
            remove(size, node, out_s, in_s, other, low + k)
        gone.row[n_gone] = low + k
        n_gone += 1
        gone.links.start[n_gone] = n_link
        for slot in range(first, last):
            for later in range(slot + 1, last):
                there_s, back_s = in_s[slot] + out_s[later], in_s[later] + out_s[slot]
                if min(there_s, back_s) < np.inf:
                    one, other = int(node[slot]), int(node[later])
                    join(size, node, out_s, in_s, one - low, other, there_s, back_s)
                    join(size, node, out_s, in_s, other - low, one, back_s, there_s)
    return n_gone


@compiled
def may_go(  # noqa: PLR0917 - a kernel takes positions
    size: KernelArray,
    node: KernelArray,
    out_s: KernelArray,
    in_s: KernelArray,
    low: int,
    first: int,
    last: int,
    growth: int,
) -> bool:
    """Tell whether a node's contraction adds few enough arcs, and its neighbours have room."""
    n_out, n_in, n_both = 0, 0, 0
    for slot in range(first, last):
        leaves, enters = out_s[slot] < np.inf, in_s[slot] < np.inf
        n_out += leaves
        n_in += enters
        n_both += leaves and enters
    if n_in * n_out - n_both - n_in - n_out > growth:
        return False
    for slot in range(first, last):
        if size[int(node[slot]) - low] + last - first - 2 > SLOTS:
            return False
    return True


@compiled
def remove(  # noqa: PLR0917 - a kernel takes positions
    size: KernelArray,
    node: KernelArray,
    out_s: KernelArray,
    in_s: KernelArray,
    k: int,
    neighbour: int,
) -> None:
    """Take a neighbour from a node's list."""
    slot = k * SLOTS
    while node[slot] != neighbour:
        slot += 1
    size[k] -= 1
    last = k * SLOTS + size[k]
    node[slot], out_s[slot], in_s[slot] = node[last], out_s[last], in_s[last]


@compiled
def join(  # noqa: PLR0917 - a kernel takes positions
    size: KernelArray,
    node: KernelArray,
    out_s: KernelArray,
    in_s: KernelArray,
    k: int,
    neighbour: int,
    there_s: float,
    back_s: float,
) -> None:
    """Add a neighbour to a node's list, or arcs to one; the faster of parallel arcs is kept."""
    slot, end = k * SLOTS, k * SLOTS + size[k]
    while slot < end and node[slot] != neighbour:
        slot += 1
    if slot == end:
        size[k] += 1
        node[slot], out_s[slot], in_s[slot] = neighbour, there_s, back_s
    else:
        out_s[slot], in_s[slot] = min(out_s[slot], there_s), min(in_s[slot], back_s)


@compiled
def store_block(  # noqa: PLR0917 - a kernel takes positions
    forward: Graph, reverse: Graph, block: Block, low: int, high: int, kept: Store
) -> int:
    """List the nodes that stay. Return the number of rows in ``kept``."""
    state, size, _, node, out_s, in_s = block
    links = kept.links
    n_kept, n_link = 0, 0
    for k in range(high - low):
        if state[k] == CONTRACTED:
            continue
        if state[k] == FOREIGN:
            n_link = merge(forward, reverse, low + k, links.node, links.out_s, links.in_s, n_link)
        for slot in range(k * SLOTS, k * SLOTS + size[k]):
            links.node[n_link] = node[slot]
            links.out_s[n_link], links.in_s[n_link] = out_s[slot], in_s[slot]
            n_link += 1
        kept.row[n_kept] = low + k
        n_kept += 1
        links.start[n_kept] = n_link
    return n_kept


@compiled
def number_rows(row: KernelArray, first: int, number: KernelArray) -> None:
    """Give the nodes of some rows their numbers, from ``first`` on."""
    for k in range(row.size):
        number[row[k]] = first + k


@compiled
def append_links(links: Links, number: KernelArray, row: int, link: int, to: Links) -> None:
    """Write rows behind the first ``row`` rows of others, with their nodes' new numbers."""
    for k in range(1, links.start.size):
        to.start[row + k] = link + links.start[k]
    for k in range(links.node.size):
        to.node[link + k] = number[links.node[k]]
        to.out_s[link + k], to.in_s[link + k] = links.out_s[k], links.in_s[k]


@compiled
def count_arcs(links: Links, outward: bool) -> int:  # noqa: FBT001 - a kernel takes positions
    """Return how many arcs lead to neighbours (outward), or from them."""
    n_arc = 0
    for time_s in links.out_s if outward else links.in_s:
        n_arc += time_s < np.inf
    return n_arc


@compiled
def fill_arcs(  # noqa: PLR0917 - a kernel takes positions
    links: Links,
    outward: bool,  # noqa: FBT001
    number: KernelArray,
    row: int,
    arc: int,
    graph: Graph,
) -> None:
    """Write the arcs of rows into a graph, from its row and its arc of these numbers on."""
    time_s = links.out_s if outward else links.in_s
    for k in range(links.start.size - 1):
        graph.start[row + k] = arc
        for link in range(links.start[k], links.start[k + 1]):
            if time_s[link] < np.inf:
                graph.head[arc], graph.time_s[arc] = number[links.node[link]], time_s[link]
                arc += 1


@compiled
def climb(  # noqa: C901, PLR0917 - one small search, and a kernel takes positions
    points: Rows,
    first: int,
    last: int,
    number: KernelArray,
    n_core: int,
    up_start: KernelArray,
    up_node: KernelArray,
    up_s: KernelArray,
    limit_s: float,
) -> Rows:
    """Follow the contracted nodes' neighbours upwards from the points ``first:last``."""
    met, met_s = np.empty(64, dtype=np.uint32), np.empty(64, dtype=np.float64)
    start = np.zeros(last - first + 1, dtype=np.int64)
    room = 16 * (last - first) + 64
    index, time_s = np.empty(room, dtype=np.uint32), np.empty(room, dtype=np.float64)
    n_out = 0
    for point in range(first, last):
        n_met = 0
        for k in range(points.start[point], points.start[point + 1]):
            if points.time_s[k] <= limit_s:
                n_met = meet(met, met_s, n_met, number[points.index[k]], points.time_s[k])
        n_done = 0
        while n_done < n_met:
            # The first contracted comes next; a node of the core is as far as it goes.
            lowest = n_done
            for k in range(n_done + 1, n_met):
                if n_core <= met[k] and (met[k] < met[lowest] or met[lowest] < n_core):
                    lowest = k
            node, node_s = met[lowest], met_s[lowest]
            if node < n_core:
                break
            met[lowest], met_s[lowest] = met[n_done], met_s[n_done]
            met[n_done], met_s[n_done] = node, node_s
            n_done += 1
            begin, end = up_start[node - n_core], up_start[node - n_core + 1]
            if n_met + end - begin > met.size:
                met = np.concatenate((met, np.empty_like(met)))
                met_s = np.concatenate((met_s, np.empty_like(met_s)))
            for k in range(begin, end):
                if node_s + up_s[k] <= limit_s:
                    n_met = meet(met, met_s, n_met, up_node[k], node_s + up_s[k])
        if n_out + n_met > index.size:
            index = np.concatenate((index, np.empty(index.size + n_met, dtype=np.uint32)))
            time_s = np.concatenate((time_s, np.empty(time_s.size + n_met, dtype=np.float64)))
        index[n_out : n_out + n_met], time_s[n_out : n_out + n_met] = met[:n_met], met_s[:n_met]
        n_out += n_met
        start[point - first + 1] = n_out
    return Rows(start, index[:n_out].copy(), time_s[:n_out].copy())


@compiled
def meet(met: KernelArray, met_s: KernelArray, n_met: int, node: int, time_s: float) -> int:
    """Note the time of a node among those met; the shortest is kept. Return how many there are."""
    for k in range(n_met):
        if met[k] == node:
            met_s[k] = min(met_s[k], time_s)
            return n_met
    met[n_met], met_s[n_met] = node, time_s
    return n_met + 1
