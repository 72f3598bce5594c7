"""Roads through OSMnx: its GraphML files, and a place by its name; the sole importer of OSMnx."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

import numpy as np
import osmnx as ox
import shapely
from networkx import NetworkXException  # type: ignore[import-untyped]  # it ships none
from osmnx._errors import InsufficientResponseError, ResponseStatusCodeError
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError

from siting.domain import SECONDS_PER_HOUR
from siting.errors import Fault, InputError
from siting.inputs.roads import OSM_ATTRIBUTION, RoadTable
from siting.inputs.roads.assemble import compute_lengths_m, round_degrees
from siting.inputs.roads.tags import (
    ACCESS_KEYS,
    FREE_FLOW_KPH,
    NOT_FOR_CARS,
    parse_maxspeed_kph,
)
from siting.inputs.roads.xml_guard import refuse_hostile_xml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

METRES_PER_KM = 1000.0
KPH_PER_METRE_PER_SECOND = SECONDS_PER_HOUR / METRES_PER_KM
SAVED_CLASS_KPH: Mapping[str, float] = {**FREE_FLOW_KPH, "service": 15.0}
UNKNOWN_CLASS = "road"
DOWNLOAD_TIMEOUT_S = 180
MAX_EDGE_FAULTS = 20
LONGEST_IN_NO_TIME_M = 10.0
"""OSMnx 1 rounded times to a tenth of a second, so very short edges may take none."""
CHECK = "look at them, or give each its own"

_GRAPH_ERRORS = (
    ArithmeticError,
    AttributeError,
    CRSError,
    LookupError,
    NetworkXException,
    ParseError,
    RecursionError,
    ShapelyError,
    TypeError,
    ValueError,
)
"""What OSMnx and networkx raise for files that are no road graph."""

Point = tuple[float, float]
Shape = tuple[Point, ...]


def read_graphml_roads(path: Path, *, source: str = OSM_ATTRIBUTION) -> RoadTable:
    """Read a GraphML file of OSMnx.

    The graph is taken as its author saved it: edges keep their ``travel_time`` or ``speed_kph``
    where they have one, and get a speed by ``maxspeed`` or class where not; only classes that no
    car drives on are dropped. The two edges of a two-way street become one segment.

    Parameters
    ----------
    path
        The file.
    source
        Attribution.

    Raises
    ------
    InputError
        If the file cannot be read as a directed road graph.
    """
    refuse_hostile_xml(path)
    try:
        with warnings.catch_warnings():  # of keys without a type, which are texts, as ours are
            warnings.filterwarnings("ignore", "No key type", UserWarning)
            graph = ox.load_graphml(path)
        if not graph.is_directed():
            raise ValueError("the graph is undirected")
        return convert_graph(_to_degrees(graph), source=source, file=path.name)
    except _GRAPH_ERRORS as error:
        raise _error(
            Fault(
                file=str(path),
                what=f"cannot be read as a road graph: {error}",
                remedy="save a directed drive graph with osmnx.save_graphml",
            )
        ) from None


def download_roads(place: str, *, source: str = OSM_ATTRIBUTION) -> RoadTable:
    """Download the drive network of a place through OSMnx; needs the internet.

    Parameters
    ----------
    place
        A name that Nominatim knows, such as ``Hankou, Wuhan, China``.
    source
        Attribution.

    Raises
    ------
    InputError
        If the place is unknown, has no area, or the services do not answer.
    """
    try:
        with _own_osmnx_settings():
            graph = ox.graph_from_place(place, network_type="drive", retain_all=True)
        return convert_graph(_to_degrees(graph), source=source)
    except OSError as error:  # every error of requests is one
        raise _error(
            Fault(
                what=f"OpenStreetMap's services do not answer: {type(error).__name__}",
                remedy="check the internet connection, or give a road file with `path`",
                column="inputs.roads.place",
                value=place,
            )
        ) from None
    except (*_GRAPH_ERRORS, InsufficientResponseError, ResponseStatusCodeError) as error:
        raise _error(
            Fault(
                what=f"the place's roads cannot be loaded: {error}",
                remedy="give an area that OpenStreetMap knows, or a road file with `path`",
                column="inputs.roads.place",
                value=place,
            )
        ) from None


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


def convert_graph(
    graph: Any,  # noqa: ANN401 - networkx has no types
    *,
    source: str,
    file: str | None = None,
) -> RoadTable:
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
    file
        Name of the file, for faults and notices.

    Raises
    ------
    InputError
        With every edge whose length, speed or time makes no sense.
    ValueError
        If no edge is left.
    """
    index = {node: k for k, node in enumerate(graph.nodes)}
    points = [_point(data["x"], data["y"]) for _, data in graph.nodes(data=True)]
    segments: dict[Shape, _Segment] = {}
    faults: list[Fault] = []
    doubts: Counter[str] = Counter()
    for tail, head, data in graph.edges(data=True):
        highway = _road_class(data.get("highway"))
        if highway in NOT_FOR_CARS:
            continue
        shape = _edge_shape(data, points[index[tail]], points[index[head]])
        try:
            length_m = _edge_length_m(data, shape)
            time_s = _edge_time_s(data, highway, length_m)
        except ValueError as error:
            faults.append(_edge_fault(f"edge {tail} → {head}", error, file=file))
            continue
        doubts.update(_doubts_of(data, is_timed=time_s is not None))
        if time_s is None:
            continue
        # The other edge of the same street has the same bends, the other way round.
        street = min(shape, shape[::-1])
        segment = segments.get(street) or _Segment(
            index[tail], index[head], shape, length_m, highway
        )
        segments[street] = segment.with_edge(shape, time_s)
    if faults:
        raise InputError(faults[:MAX_EDGE_FAULTS] + _count_rest(faults, file=file))
    if not segments:
        raise ValueError("the graph holds no edge that a car may drive")
    notices = [
        Fault(file=file, what=f"{n:,} of {graph.number_of_edges():,} edges {doubt}", remedy=CHECK)
        for doubt, n in doubts.items()
    ]
    return _build_table(points, list(segments.values()), source=source, notices=notices)


def _doubts_of(data: Mapping[str, Any], *, is_timed: bool) -> Iterator[str]:
    """Yield what an edge does not state, and what stands for it."""
    if not is_timed:
        yield "state neither a speed nor a class that siting knows; they were left out"
        return
    if "length" not in data:
        yield "state no length; it was measured along their shape"
    if "travel_time" not in data and "speed_kph" not in data:
        yield "state no speed; their speed limit or class gave one"


def _edge_fault(edge: str, error: ValueError, *, file: str | None) -> Fault:
    return Fault(file=file, value=edge, what=str(error), remedy="correct the edge, or remove it")


def _count_rest(faults: Sequence[Fault], *, file: str | None) -> list[Fault]:
    what = f"{len(faults) - MAX_EDGE_FAULTS:,} more edges have such faults"
    rest = Fault(file=file, what=what, remedy="correct the graph as a whole")
    return [rest] if len(faults) > MAX_EDGE_FAULTS else []


def _build_table(
    points: Sequence[Point],
    segments: Sequence[_Segment],
    *,
    source: str,
    notices: Sequence[Fault],
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
        notices=tuple(notices),
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
        length_m = float(data["length"])
        is_loop = shape[0] == shape[-1]
        if not (math.isfinite(length_m) and length_m >= 0.0) or (length_m == 0.0 and not is_loop):
            raise ValueError(f"its length is {length_m:g} m")
        return length_m
    lon, lat = np.array(shape).T
    return float(compute_lengths_m(lon, lat, np.array([0, len(shape)]))[0])


def _edge_time_s(data: Mapping[str, Any], highway: str, length_m: float) -> float | None:
    """Return the time over an edge by what it states, or by its class; None if neither tells."""
    if "travel_time" in data:
        time_s = float(data["travel_time"])
        if time_s == 0.0 and length_m > LONGEST_IN_NO_TIME_M:
            raise ValueError(f"it takes 0 s for {length_m:g} m")
        return _sensible_s(time_s)
    if "speed_kph" in data:
        speed_kph = float(data["speed_kph"])
        if not (math.isfinite(speed_kph) and speed_kph > 0.0):
            raise ValueError(f"its speed is {speed_kph:g} km/h")
    else:
        limits = data.get("maxspeed") or ""
        text = ";".join(map(str, limits)) if isinstance(limits, list) else str(limits)
        speed_kph = parse_maxspeed_kph(text) or SAVED_CLASS_KPH.get(highway, 0.0)
    if not speed_kph > 0.0:
        return None
    return _sensible_s(length_m / speed_kph * KPH_PER_METRE_PER_SECOND)


def _sensible_s(time_s: float) -> float:
    if not (math.isfinite(time_s) and time_s >= 0.0):
        raise ValueError(f"it takes {time_s:g} s")
    return time_s


def _road_class(value: object) -> str:
    """Return a class; of a merged edge's several the first that cars drive on."""
    values = [str(item) for item in value] if isinstance(value, list) else [str(value or "")]
    return next((item for item in values if item in SAVED_CLASS_KPH), values[0]) or UNKNOWN_CLASS


def _to_degrees(graph: Any) -> Any:  # noqa: ANN401 - networkx has no types
    if ox.projection.is_projected(graph.graph["crs"]):
        return ox.projection.project_graph(graph, to_latlong=True)
    return graph


@contextlib.contextmanager
def _own_osmnx_settings() -> Iterator[None]:
    """Set OSMnx's global settings for one download, and put them back."""
    ours: dict[str, Any] = {
        "use_cache": False,
        "log_console": False,
        "log_file": False,
        "requests_timeout": DOWNLOAD_TIMEOUT_S,
        "useful_tags_way": [*ox.settings.useful_tags_way, *ACCESS_KEYS],
    }
    before = {name: getattr(ox.settings, name) for name in ours}
    try:
        for name, value in ours.items():
            setattr(ox.settings, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(ox.settings, name, value)


def _error(fault: Fault) -> InputError:
    return InputError([fault])
