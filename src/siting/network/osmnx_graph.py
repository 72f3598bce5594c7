"""A directed OSMnx graph to a road table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from siting.domain import SECONDS_PER_HOUR
from siting.inputs.roads import RoadTable
from siting.inputs.roads.assemble import compute_lengths_m, round_degrees
from siting.inputs.roads.tags import FREE_FLOW_KPH, NOT_FOR_CARS, parse_maxspeed_kph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

METRES_PER_KM = 1000.0
KPH_PER_METRE_PER_SECOND = SECONDS_PER_HOUR / METRES_PER_KM
SAVED_CLASS_KPH: Mapping[str, float] = {**FREE_FLOW_KPH, "service": 15.0}
UNKNOWN_CLASS = "road"

Point = tuple[float, float]
Shape = tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    """A street with the times of its one or two edges; infinite where there is no edge."""

    tail: int
    head: int
    shape: Shape
    length_m: float
    highway: str
    forward_s: float = math.inf
    backward_s: float = math.inf

    def with_edge(self, shape: Shape, time_s: float) -> _Segment:
        """Return the segment with one more edge on it; of several the fastest counts."""
        if shape == self.shape:
            return replace(self, forward_s=min(self.forward_s, time_s))
        return replace(self, backward_s=min(self.backward_s, time_s))

    def speed_kph(self, time_s: float) -> float:
        """Return the speed that gives the time over the segment's length; 0 for no edge."""
        if math.isinf(time_s):
            return 0.0
        if time_s == 0.0:
            return SAVED_CLASS_KPH[UNKNOWN_CLASS]
        return self.length_m / time_s * KPH_PER_METRE_PER_SECOND


def convert_graph(graph: Any, *, source: str) -> RoadTable:  # noqa: ANN401 - networkx has no types
    """Turn a directed OSMnx graph in degrees into a road table.

    The two edges of a two-way street become one segment. Edges keep their ``travel_time`` or
    ``speed_kph``; others get a speed by ``maxspeed`` or class. Classes that no car drives on, and
    edges of which neither speed nor class is known, are dropped.

    Parameters
    ----------
    graph
        With ``x`` and ``y`` at every node.
    source
        Attribution.

    Raises
    ------
    ValueError
        If no edge is left, or a figure in the graph makes no sense.
    """
    index = {node: k for k, node in enumerate(graph.nodes)}
    points = [_point(data["x"], data["y"]) for _, data in graph.nodes(data=True)]
    segments: dict[Shape, _Segment] = {}
    for tail, head, data in graph.edges(data=True):
        highway = _road_class(data.get("highway"))
        shape = _edge_shape(data, points[index[tail]], points[index[head]])
        length_m = _edge_length_m(data, shape)
        time_s = _edge_time_s(data, highway, length_m)
        if highway in NOT_FOR_CARS or time_s is None:
            continue
        # The other edge of the same street has the same bends, the other way round.
        street = min(shape, shape[::-1])
        segment = segments.get(street) or _Segment(
            index[tail], index[head], shape, length_m, highway
        )
        segments[street] = segment.with_edge(shape, time_s)
    if not segments:
        raise ValueError("the graph holds no edge that a car may drive")
    return _build_table(points, list(segments.values()), source=source)


def _build_table(
    points: Sequence[Point], segments: Sequence[_Segment], *, source: str
) -> RoadTable:
    node_lon, node_lat = np.array(points).T
    shape_lon, shape_lat = np.array([point for item in segments for point in item.shape]).T
    classes, highway = np.unique([item.highway for item in segments], return_inverse=True)
    return RoadTable(
        node_lon_deg=node_lon,
        node_lat_deg=node_lat,
        segment_from=np.array([item.tail for item in segments], dtype=np.int32),
        segment_to=np.array([item.head for item in segments], dtype=np.int32),
        length_m=np.array([item.length_m for item in segments]),
        forward_kph=np.array([item.speed_kph(item.forward_s) for item in segments]),
        backward_kph=np.array([item.speed_kph(item.backward_s) for item in segments]),
        highway=highway.astype(np.uint8),
        highway_classes=tuple(map(str, classes)),
        shape_start=np.concatenate([[0], np.cumsum([len(item.shape) for item in segments])]),
        shape_lon_deg=shape_lon,
        shape_lat_deg=shape_lat,
        source=source,
    )


def _point(lon_deg: object, lat_deg: object) -> Point:
    lon, lat = round_degrees(np.array([lon_deg, lat_deg], dtype=np.float64)).tolist()
    return lon, lat


def _edge_shape(data: Mapping[str, Any], tail: Point, head: Point) -> Shape:
    """Return an edge's polyline from its tail to its head, ends included."""
    if "geometry" not in data:
        return tail, head
    inner = round_degrees(shapely.get_coordinates(data["geometry"]))[1:-1].tolist()
    return tail, *((lon, lat) for lon, lat in inner), head


def _edge_length_m(data: Mapping[str, Any], shape: Shape) -> float:
    if "length" in data:
        return float(data["length"])
    lon, lat = np.array(shape).T
    return float(compute_lengths_m(lon, lat, np.array([0, len(shape)]))[0])


def _edge_time_s(data: Mapping[str, Any], highway: str, length_m: float) -> float | None:
    """Return the time over an edge by what it states, or by its class; None if neither tells."""
    if "travel_time" in data:
        return _sensible_s(float(data["travel_time"]))
    if "speed_kph" in data:
        speed_kph = float(data["speed_kph"])
    else:
        limits = data.get("maxspeed") or ""
        text = ";".join(map(str, limits)) if isinstance(limits, list) else str(limits)
        speed_kph = parse_maxspeed_kph(text) or SAVED_CLASS_KPH.get(highway, 0.0)
    if not speed_kph > 0.0:
        return None
    return _sensible_s(length_m / speed_kph * KPH_PER_METRE_PER_SECOND)


def _sensible_s(time_s: float) -> float:
    if not (math.isfinite(time_s) and time_s >= 0.0):
        raise ValueError(f"an edge takes {time_s} s")
    return time_s


def _road_class(value: object) -> str:
    """Return a class; of a merged edge's several the first that cars drive on."""
    values = [str(item) for item in value] if isinstance(value, list) else [str(value or "")]
    return next((item for item in values if item in SAVED_CLASS_KPH), values[0]) or UNKNOWN_CLASS
