"""Trips on a road network: the shortest path between two places, and the sites on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import dijkstra

from siting.network.snapping import NO_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from siting.domain import FloatArray, IntArray, LongArray
    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped

SAME_POINT = 1e-6
"""Share of a segment within which two points on it are one."""
NO_NODE = -1


class RoadPath(NamedTuple):
    """A path as it is driven: its nodes, and how far along it each stands (m)."""

    nodes: LongArray
    at_m: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class PathGraph:
    """A road network whose segments are cut where points stand on them.

    Attributes
    ----------
    n_node
        Number of nodes: the network's own, then the cuts.
    node_of_point
        (n_point,) node of each point; ``NO_NODE`` where no road is near.
    time_s
        Square matrix of the arcs' driving times.
    arc, length_m
        (n_arc,) tail times ``n_node`` plus head of each arc, ascending, and its length.
    """

    n_node: int
    node_of_point: LongArray
    time_s: sp.csr_array
    arc: LongArray
    length_m: FloatArray

    def find_paths(self, pairs: Iterable[tuple[int, int]]) -> list[RoadPath | None]:
        """Return the shortest path by time of each pair of points; None where there is none."""
        pairs = list(pairs)
        node = self.node_of_point
        starts = sorted({int(node[a]) for a, _ in pairs if node[a] != NO_NODE})
        if not starts:
            return [None] * len(pairs)
        row = {start: k for k, start in enumerate(starts)}
        _, before = dijkstra(self.time_s, indices=starts, return_predecessors=True)
        return [
            None
            if NO_NODE in {int(node[a]), int(node[b])}
            else self._trace(int(node[a]), int(node[b]), before[row[int(node[a])]])
            for a, b in pairs
        ]

    def _trace(self, start: int, end: int, before: IntArray) -> RoadPath | None:
        nodes = [end]
        while nodes[-1] != start:
            previous = int(before[nodes[-1]])
            if previous < 0:
                return None
            nodes.append(previous)
        way = np.array(nodes[::-1], dtype=np.int64)
        arcs = np.searchsorted(self.arc, way[:-1] * self.n_node + way[1:])
        at_m = np.concatenate(([0.0], np.cumsum(self.length_m[arcs])))
        return RoadPath(nodes=way, at_m=at_m)


def build_path_graph(network: RoadNetwork, points: Snapped) -> PathGraph:
    """Cut a network's segments where points stand on them, so that paths run through the points.

    Parameters
    ----------
    network
        The roads.
    points
        Places, sites and stations, snapped to it.
    """
    node_of_point = np.full(points.n_point, NO_NODE, dtype=np.int64)
    n_node = network.n_node
    tail: list[int] = []
    head: list[int] = []
    begin: list[float] = []
    end: list[float] = []
    segment: list[int] = []
    on = np.flatnonzero(points.segment != NO_SEGMENT)
    on = on[np.lexsort((points.fraction[on], points.segment[on]))]
    for s, members in _group(points.segment, on):
        nodes, shares = [int(network.segment_from[s])], [0.0]
        for p in members:
            share = float(points.fraction[p])
            if share - shares[-1] <= SAME_POINT:
                node_of_point[p] = nodes[-1]
            elif share >= 1.0 - SAME_POINT:
                node_of_point[p] = network.segment_to[s]
            else:
                node_of_point[p] = n_node
                nodes.append(n_node)
                shares.append(share)
                n_node += 1
        nodes.append(int(network.segment_to[s]))
        shares.append(1.0)
        tail += nodes[:-1]
        head += nodes[1:]
        begin += shares[:-1]
        end += shares[1:]
        segment += [s] * (len(nodes) - 1)
    whole = np.setdiff1d(np.arange(network.n_segment), np.array(segment, dtype=np.int64))
    pieces = np.concatenate((np.array(segment, dtype=np.int64), whole))
    part = np.concatenate((np.array(end) - np.array(begin), np.ones(whole.size)))
    tails: LongArray = np.concatenate((np.array(tail, np.int64), network.segment_from[whole]))
    heads: LongArray = np.concatenate((np.array(head, np.int64), network.segment_to[whole]))
    length_m = network.segment_length_m[pieces] * part
    arc = np.concatenate((tails * n_node + heads, heads * n_node + tails))
    time_s = np.concatenate(
        (network.segment_forward_s[pieces] * part, network.segment_backward_s[pieces] * part)
    )
    length = np.concatenate((length_m, length_m))
    # Of parallel arcs the quickest; roads back to where they begin lead nowhere.
    kept = np.flatnonzero(np.isfinite(time_s) & (arc // n_node != arc % n_node))
    kept = kept[np.lexsort((length[kept], time_s[kept], arc[kept]))]
    kept = kept[np.unique(arc[kept], return_index=True)[1]]
    return PathGraph(
        n_node=n_node,
        node_of_point=node_of_point,
        time_s=sp.csr_array(
            (time_s[kept], (arc[kept] // n_node, arc[kept] % n_node)), shape=(n_node, n_node)
        ),
        arc=arc[kept],
        length_m=length[kept],
    )


def _group(of_point: IntArray, ordered: LongArray) -> Iterable[tuple[int, list[int]]]:
    """Yield each segment that has points, with its points in their order along it."""
    segments, start = np.unique(of_point[ordered], return_index=True)
    for s, members in zip(segments.tolist(), np.split(ordered, start[1:]), strict=True):
        yield s, members.tolist()
