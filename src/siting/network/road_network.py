"""Roads to a compact directed graph: arcs as CSR arrays, both ways round, in metres and seconds."""

from __future__ import annotations

import contextlib
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pyproj import Transformer
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from siting.domain import (
    SECONDS_PER_HOUR,
    WGS84_EPSG,
    BoolArray,
    FloatArray,
    IntArray,
    LongArray,
    frozen_array,
)
from siting.errors import Fault, InputError, OutputError
from siting.inputs.roads import (
    OSM_ATTRIBUTION,
    RoadTable,
    detect_road_format,
    read_compact_roads,
    read_roads,
    write_compact_roads,
)
from siting.network.compiled import KernelArray, compiled
from siting.network.contraction import build_core
from siting.network.search import Graph
from siting.study import RoadFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from siting.network.contraction import Core
    from siting.study import Roads

METRES_PER_KM = 1000.0
HILBERT_BITS = 16
UTM_ZONE_DEG = 6.0
HALF_TURN_DEG = 180.0
FIRST_UTM_NORTH_EPSG = 32601
FIRST_UTM_SOUTH_EPSG = 32701
LAST_UTM_ZONE = 60
CACHE_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Arcs:
    """A directed graph in CSR form; node ``k``'s arcs stand at ``start[k]:start[k + 1]``.

    Attributes
    ----------
    start
        (n_node + 1,) where each node's arcs begin.
    head
        (n_arc,) node that the arc leads to, ascending within a node, each only once.
    time_s
        (n_arc,) travel time; the least of all parallel segments.
    """

    start: IntArray
    head: IntArray
    time_s: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name, dtype in (("start", np.int32), ("head", np.int32), ("time_s", np.float64)):
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadNetwork:
    """A road network ready for snapping and searching.

    Nodes are numbered along a Hilbert curve, so that neighbours on the ground are neighbours in
    memory; segments keep the order of the road table.

    Attributes
    ----------
    crs_epsg
        The projected CRS of every ``_m`` coordinate: the UTM zone of the network's middle.
    node_x_m, node_y_m
        (n_node,) coordinates of the nodes.
    table_node
        (n_node,) index of each node in the road table that the network was built from.
    segment_from, segment_to
        (n_segment,) the segment's two ends, as nodes of this network.
    segment_length_m
        (n_segment,) length along the road.
    segment_forward_s, segment_backward_s
        (n_segment,) travel time from → to and to → from; infinite where that way is not allowed.
    shape_start, shape_x_m, shape_y_m
        (n_segment + 1,), (n_shape,), (n_shape,) polylines from → to, both ends included.
    forward, reverse
        The arcs, and the same arcs turned round.
    weak_component, strong_component
        (n_node,) component labels; 0 is the component with most nodes.
    """

    crs_epsg: int
    node_x_m: FloatArray
    node_y_m: FloatArray
    table_node: IntArray
    segment_from: IntArray
    segment_to: IntArray
    segment_length_m: FloatArray
    segment_forward_s: FloatArray
    segment_backward_s: FloatArray
    shape_start: LongArray
    shape_x_m: FloatArray
    shape_y_m: FloatArray
    forward: Arcs
    reverse: Arcs
    weak_component: IntArray
    strong_component: IntArray
    _transformer: Transformer = field(repr=False)

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        return self.node_x_m.size

    @property
    def n_segment(self) -> int:
        """Number of segments."""
        return self.segment_from.size

    @cached_property
    def segment_is_open(self) -> BoolArray:
        """(n_segment,) whether the segment may be driven one way at least."""
        both_s = np.minimum(self.segment_forward_s, self.segment_backward_s)
        return frozen_array(np.isfinite(both_s), np.bool_)

    @cached_property
    def segment_is_main(self) -> BoolArray:
        """(n_segment,) whether the segment lies in the largest strongly connected component."""
        in_main = self.strong_component == 0
        joined = in_main[self.segment_from] & in_main[self.segment_to]
        return frozen_array(self.segment_is_open & joined, np.bool_)

    def core(self, *, threads: int) -> Core:
        """Return the contracted network; it is built on the first call and kept."""
        kept: Core | None = self.__dict__.get("_core")
        if kept is None:
            kept = build_core(self.forward, self.reverse, threads=threads)
            self.__dict__["_core"] = kept
        return kept

    def project(self, lon_deg: FloatArray, lat_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return WGS-84 degrees as metres in the network's CRS; infinite outside its reach."""
        x_m, y_m = self._transformer.transform(lon_deg, lat_deg)
        return np.asarray(x_m, dtype=np.float64), np.asarray(y_m, dtype=np.float64)

    def unproject(self, x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return metres in the network's CRS as WGS-84 degrees."""
        lon_deg, lat_deg = self._transformer.transform(x_m, y_m, direction="INVERSE")
        return np.asarray(lon_deg, dtype=np.float64), np.asarray(lat_deg, dtype=np.float64)


_DTYPES: dict[str, Any] = {
    "node_x_m": np.float64,
    "node_y_m": np.float64,
    "table_node": np.int32,
    "segment_from": np.int32,
    "segment_to": np.int32,
    "segment_length_m": np.float64,
    "segment_forward_s": np.float64,
    "segment_backward_s": np.float64,
    "shape_start": np.int64,
    "shape_x_m": np.float64,
    "shape_y_m": np.float64,
    "weak_component": np.int32,
    "strong_component": np.int32,
}


def load_roads(spec: Roads, *, cache_folder: Path | None = None) -> RoadTable:
    """Load the roads that a study names, whatever their form.

    Parameters
    ----------
    spec
        The study's roads: a file in any format, or a place name, which needs the internet.
    cache_folder
        Where to keep the compact form of files that are slow to read; its entries are named after
        the file's content, so that a changed file is read anew. A cache that cannot be read or
        written is passed over.

    Returns
    -------
    RoadTable
        WGS-84.

    Raises
    ------
    InputError
        If the roads cannot be read, or lie on both sides of the antimeridian.
    """
    roads = _load(spec, cache_folder)
    if roads.n_node and np.ptp(roads.node_lon_deg) > HALF_TURN_DEG:
        fault = Fault(
            file=None if spec.path is None else spec.path.name,
            what="the roads lie on both sides of the antimeridian (longitude 180)",
            remedy="cut them there and plan each side as a study of its own",
        )
        raise InputError([fault])
    return roads


def _load(spec: Roads, cache_folder: Path | None) -> RoadTable:
    road_format, path = detect_road_format(spec), spec.path
    if path is None:
        # OSMnx takes seconds to import; only the studies that need it wait for it.
        from siting.network.osmnx_graph import download_roads  # noqa: PLC0415 - as said above

        return download_roads(spec.place or "", source=spec.source or OSM_ATTRIBUTION)
    if cache_folder is None or road_format is RoadFormat.COMPACT or not path.is_file():
        return _read_file(spec, road_format, path)
    cached = cache_folder / f"roads-{_cache_key(spec, road_format, path)}.npz"
    try:
        return read_compact_roads(cached)
    except InputError:
        roads = _read_file(spec, road_format, path)
    with contextlib.suppress(OutputError):
        write_compact_roads(roads, cached)
    return roads


def build_road_network(
    roads: RoadTable,
    *,
    congestion_factor: float = 1.0,
    class_factor: Mapping[str, float] | None = None,
) -> RoadNetwork:
    """Build the network of a road table.

    Parameters
    ----------
    roads
        Nodes, segments and shapes in WGS-84.
    congestion_factor
        How many times longer every drive takes than at free flow.
    class_factor
        The same for single highway classes, on top, such as ``{"primary": 1.4}`` for the evening.

    Returns
    -------
    RoadNetwork
        Parallel segments become one arc of the least time; nothing is ever summed.

    Raises
    ------
    InputError
        If no road may be driven.
    """
    if not ((roads.forward_kph > 0) | (roads.backward_kph > 0)).any():
        raise InputError(
            [
                Fault(
                    what="the roads hold no segment that a car may drive",
                    remedy="give a drive network: check the highway, access and speed columns",
                )
            ]
        )
    crs_epsg = find_utm_epsg(roads.node_lon_deg, roads.node_lat_deg)
    transformer = Transformer.from_crs(WGS84_EPSG, crs_epsg, always_xy=True)
    x_m, y_m = transformer.transform(roads.node_lon_deg, roads.node_lat_deg)
    shape_x_m, shape_y_m = _project_shapes(roads, x_m, y_m, transformer)

    table_node = compute_hilbert_order(x_m, y_m)
    node_of_table = np.empty_like(table_node)
    node_of_table[table_node] = np.arange(table_node.size, dtype=np.int32)
    segment_from = node_of_table[roads.segment_from]
    segment_to = node_of_table[roads.segment_to]
    slowness = _slowness_by_class(roads.highway_classes, class_factor or {}) * congestion_factor
    factor = slowness[roads.highway]
    forward_s = _travel_time_s(roads.length_m, roads.forward_kph) * factor
    backward_s = _travel_time_s(roads.length_m, roads.backward_kph) * factor

    forward, reverse = build_arcs(table_node.size, segment_from, segment_to, forward_s, backward_s)
    return RoadNetwork(
        crs_epsg=crs_epsg,
        node_x_m=x_m[table_node],
        node_y_m=y_m[table_node],
        table_node=table_node,
        segment_from=segment_from,
        segment_to=segment_to,
        segment_length_m=roads.length_m,
        segment_forward_s=forward_s,
        segment_backward_s=backward_s,
        shape_start=roads.shape_start,
        shape_x_m=shape_x_m,
        shape_y_m=shape_y_m,
        forward=forward,
        reverse=reverse,
        weak_component=_label_components(forward, connection="weak"),
        strong_component=_label_components(forward, connection="strong"),
        _transformer=transformer,
    )


def find_utm_epsg(lon_deg: FloatArray, lat_deg: FloatArray) -> int:
    """Return the EPSG code of the UTM zone that holds the middle of the points."""
    zone = int((float(np.median(lon_deg)) + 180.0) // UTM_ZONE_DEG) % LAST_UTM_ZONE
    north = float(np.median(lat_deg)) >= 0.0
    return (FIRST_UTM_NORTH_EPSG if north else FIRST_UTM_SOUTH_EPSG) + zone


def build_arcs(
    n_node: int,
    segment_from: IntArray,
    segment_to: IntArray,
    forward_s: FloatArray,
    backward_s: FloatArray,
    *,
    threads: int = 2,
) -> tuple[Arcs, Arcs]:
    """Build the arcs of two-way segments, and the same arcs turned round.

    Parameters
    ----------
    n_node
        Number of nodes.
    segment_from, segment_to
        (n_segment,) ends of the segments.
    forward_s, backward_s
        (n_segment,) travel times; infinite where that way is not allowed.
    threads
        How many threads share the work; the result does not depend on it.

    Returns
    -------
    forward, reverse
        Of parallel arcs only the fastest is kept.
    """
    segments = (segment_from, segment_to, forward_s, backward_s)
    bounds = [n_node * part // threads for part in range(threads + 1)]
    with ThreadPoolExecutor(max_workers=threads) as pool:

        def share(kernel: Callable[..., None], *given: KernelArray) -> None:
            list(pool.map(lambda low, high: kernel(low, high, *given), bounds, bounds[1:]))

        forward = _empty_arcs(n_node, lambda count: share(_count_arcs, *segments, count))
        end = forward.start[:-1].copy()
        share(_sort_arcs, *segments, end, forward)
        forward = _close_gaps(end, forward)
        reverse = _empty_arcs(n_node, lambda count: share(_count_turned, forward.head, count))
        share(_turn_arcs, forward, reverse.start[:-1].copy(), reverse)
    return Arcs(**forward._asdict()), Arcs(**reverse._asdict())


def _empty_arcs(n_node: int, count: Callable[[KernelArray], None]) -> Graph:
    """Return arcs to be filled in, with room for as many as each node is said to have."""
    start = np.zeros(n_node + 1, dtype=np.int32)
    count(start[1:])
    np.cumsum(start, out=start)
    return Graph(start, np.empty(start[-1], dtype=np.int32), np.empty(start[-1], dtype=np.float64))


def compute_hilbert_order(x_m: FloatArray, y_m: FloatArray) -> IntArray:
    """Return the order of points along a Hilbert curve over their bounding box; ties by index."""
    cells = (1 << HILBERT_BITS) - 1
    span_m = max(float(np.ptp(x_m)), float(np.ptp(y_m)), 1e-9)
    column = ((x_m - x_m.min()) * (cells / span_m)).astype(np.uint32)
    row = ((y_m - y_m.min()) * (cells / span_m)).astype(np.uint32)
    return np.argsort(_hilbert_rank(column, row), kind="stable").astype(np.int32)


def _slowness_by_class(classes: tuple[str, ...], class_factor: Mapping[str, float]) -> FloatArray:
    return np.array([class_factor.get(name, 1.0) for name in classes], dtype=np.float64)


def _travel_time_s(length_m: FloatArray, speed_kph: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        time_s = length_m / (speed_kph * (METRES_PER_KM / SECONDS_PER_HOUR))
    return np.where(speed_kph > 0, time_s, np.inf)


def _project_shapes(
    roads: RoadTable, x_m: FloatArray, y_m: FloatArray, transformer: Transformer
) -> tuple[FloatArray, FloatArray]:
    """Project the bends; a shape's two ends are nodes, which are projected already."""
    first, last = roads.shape_start[:-1], roads.shape_start[1:] - 1
    bend = np.ones(roads.shape_lon_deg.size, dtype=bool)
    bend[first] = bend[last] = False
    bends = transformer.transform(roads.shape_lon_deg[bend], roads.shape_lat_deg[bend])
    shapes = []
    for node_m, bend_m in zip((x_m, y_m), bends, strict=True):
        shape_m = np.empty(bend.size)
        shape_m[first] = node_m[roads.segment_from]
        shape_m[last] = node_m[roads.segment_to]
        shape_m[bend] = bend_m
        shapes.append(shape_m)
    return shapes[0], shapes[1]


def _label_components(arcs: Arcs, *, connection: Literal["weak", "strong"]) -> IntArray:
    """Label components by falling size, so that 0 is the largest; ties by the lowest node."""
    n_node = arcs.start.size - 1
    graph = csr_array(
        (np.ones(arcs.head.size, dtype=np.int8), arcs.head, arcs.start), shape=(n_node, n_node)
    )
    n_label, label = connected_components(graph, directed=True, connection=connection)
    _, first = np.unique(label, return_index=True)
    order = np.lexsort((first, -np.bincount(label, minlength=n_label)))
    rank = np.empty(n_label, dtype=np.int32)
    rank[order] = np.arange(n_label, dtype=np.int32)
    return rank[label]


def _read_file(spec: Roads, road_format: RoadFormat, path: Path) -> RoadTable:
    if road_format is RoadFormat.GRAPHML:
        from siting.network.osmnx_graph import read_graphml_roads  # noqa: PLC0415 - as load_roads

        return read_graphml_roads(path, source=spec.source or OSM_ATTRIBUTION)
    return read_roads(spec)


def _cache_key(spec: Roads, road_format: RoadFormat, path: Path) -> str:
    """Name a file's roads by all that they depend on, siting's version among it."""
    digest = hashlib.sha256(
        json.dumps([version("siting"), road_format, spec.source, path.name]).encode()
    )
    with path.open("rb") as stream:
        while block := stream.read(CACHE_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


@compiled
def _hilbert_rank(column: KernelArray, row: KernelArray) -> KernelArray:
    """Return the position of cells along the Hilbert curve (Hamilton's rotate-and-flip steps)."""
    rank = np.empty(column.size, dtype=np.uint64)
    for k in range(column.size):
        x, y, total = np.int64(column[k]), np.int64(row[k]), np.int64(0)
        side = np.int64(1) << (HILBERT_BITS - 1)
        while side > 0:
            right = np.int64((x & side) > 0)
            upper = np.int64((y & side) > 0)
            total += side * side * ((3 * right) ^ upper)
            if upper == 0:
                if right == 1:
                    x, y = (
                        (2 * side - 1) - (x & (2 * side - 1)),
                        (2 * side - 1) - (y & (2 * side - 1)),
                    )
                x, y = y, x
            side >>= 1
        rank[k] = total
    return rank


@compiled
def _count_arcs(  # noqa: PLR0917 - a kernel takes positions
    low: int,
    high: int,
    segment_from: KernelArray,
    segment_to: KernelArray,
    forward_s: KernelArray,
    backward_s: KernelArray,
    count: KernelArray,
) -> None:
    """Count the arcs from each of the nodes ``low:high``, parallel ones and all."""
    for k in range(segment_from.size):
        if low <= segment_from[k] < high:
            count[segment_from[k]] += forward_s[k] < np.inf
        if low <= segment_to[k] < high:
            count[segment_to[k]] += backward_s[k] < np.inf


@compiled
def _sort_arcs(  # noqa: PLR0917 - one insertion sort over both ways of each segment
    low: int,
    high: int,
    segment_from: KernelArray,
    segment_to: KernelArray,
    forward_s: KernelArray,
    backward_s: KernelArray,
    end: KernelArray,
    arcs: Graph,
) -> None:
    """Sort the arcs from the nodes ``low:high`` by tail and head; move on where each tail's end.

    Of parallel arcs the fastest is kept, never their sum.
    """
    start, head, time_s = arcs
    for k in range(segment_from.size):
        if segment_from[k] == segment_to[k]:
            continue
        for way in range(2):
            tail = segment_from[k] if way == 0 else segment_to[k]
            arc_s = forward_s[k] if way == 0 else backward_s[k]
            if not low <= tail < high or arc_s == np.inf:
                continue
            other = segment_to[k] if way == 0 else segment_from[k]
            place = end[tail]
            while place > start[tail] and head[place - 1] > other:
                place -= 1
            if place > start[tail] and head[place - 1] == other:
                time_s[place - 1] = min(time_s[place - 1], arc_s)
                continue
            for later in range(end[tail], place, -1):
                head[later], time_s[later] = head[later - 1], time_s[later - 1]
            head[place], time_s[place] = other, arc_s
            end[tail] += 1


@compiled
def _close_gaps(end: KernelArray, arcs: Graph) -> Graph:
    """Move arcs up to where those of the node before end."""
    start, head, time_s = arcs
    n_arc = 0
    for node in range(end.size):
        first = start[node]
        start[node] = n_arc
        if n_arc < first:
            for k in range(end[node] - first):
                head[n_arc + k], time_s[n_arc + k] = head[first + k], time_s[first + k]
        n_arc += end[node] - first
    start[-1] = n_arc
    return Graph(start, head[:n_arc], time_s[:n_arc])


@compiled
def _count_turned(low: int, high: int, head: KernelArray, count: KernelArray) -> None:
    """Count the arcs to each of the nodes ``low:high``."""
    for node in head:
        if low <= node < high:
            count[node] += 1


@compiled
def _turn_arcs(low: int, high: int, arcs: Graph, end: KernelArray, turned: Graph) -> None:
    """Turn sorted arcs to the nodes ``low:high`` round; they come out sorted too."""
    for node in range(arcs.start.size - 1):
        for k in range(arcs.start[node], arcs.start[node + 1]):
            head = arcs.head[k]
            if low <= head < high:
                turned.head[end[head]], turned.time_s[end[head]] = node, arcs.time_s[k]
                end[head] += 1
