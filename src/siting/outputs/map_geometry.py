"""The map's geometry as a browser takes it: whole Web Mercator metres, delta-encoded, packed."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from siting.domain import Datum
from siting.inputs.datum import from_wgs84
from siting.inputs.roads.streets import first_of_each_street, number_streets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import geopandas as gpd
    from numpy.typing import NDArray

    from siting.domain import BoolArray, FloatArray
    from siting.inputs.roads import RoadTable

EARTH_RADIUS_M = 6378137.0
"""Radius of the sphere of EPSG:3857."""
MERCATOR_MAX_LATITUDE_DEG = 85.06
LARGEST_PACKED = 2**30
MAX_VARINT_BYTES = 5
ROAD_TOLERANCES_M = (3.0, 6.0, 12.0, 25.0)
MAX_ROAD_VERTICES = 500_000
"""More roads than this are simplified further, then thinned from the smallest class up."""
NEAR_M = 2000
"""Lines are put in order by columns of this width, so that steps between them are short."""

ROAD_RANKS: tuple[tuple[str, frozenset[str]], ...] = (
    ("motorway", frozenset({"motorway", "trunk"})),
    ("primary", frozenset({"primary"})),
    ("secondary", frozenset({"secondary"})),
    ("tertiary", frozenset({"tertiary"})),
    ("link", frozenset({"motorway_link", "trunk_link", "primary_link"})),
    ("minor", frozenset()),
)
"""From the most to the least important; whatever is in no set is minor."""


def pack_integers(values: Iterable[int] | NDArray[Any]) -> str:
    """Pack integers as base64 of zigzag LEB128 varints: small numbers take one byte.

    Parameters
    ----------
    values
        (n,) integers within ±2^30, the range that a browser's bit operations hold.

    Returns
    -------
    str
        ASCII; ``unpackIntegers`` of the page's script reads it.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    number = np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.int64)
    if number.size == 0:
        return ""
    if np.abs(number).max() > LARGEST_PACKED:
        raise ValueError("a number is too large to pack")
    zigzag = (number << 1) ^ (number >> 63)
    shift = 7 * np.arange(MAX_VARINT_BYTES)
    octets = (zigzag[:, None] >> shift) & 127
    taken = np.column_stack([np.ones(number.size, dtype=bool), zigzag[:, None] >> shift[1:] > 0])
    followed = np.column_stack([taken[:, 1:], np.zeros(number.size, dtype=bool)])
    octets = (octets | np.where(followed, 128, 0)).astype(np.uint8)
    return base64.b64encode(octets[taken].tobytes()).decode("ascii")


def unpack_integers(text: str) -> NDArray[np.int64]:
    """Return the integers that `pack_integers` packed."""
    octets = np.frombuffer(base64.b64decode(text), dtype=np.uint8).astype(np.int64)
    if octets.size == 0:
        return octets
    start = np.flatnonzero(np.append(True, octets[:-1] < 128))  # noqa: PLR2004 - a last octet's sign
    place = np.arange(octets.size) - np.repeat(start, np.diff(np.append(start, octets.size)))
    zigzag = np.add.reduceat((octets & 127) << (7 * place), start)
    return np.asarray((zigzag >> 1) ^ -(zigzag & 1), dtype=np.int64)


def pack_lines(lines: Sequence[NDArray[np.int64]]) -> dict[str, Any]:
    """Pack polylines or rings: how many points each has, and the steps from point to point.

    Parameters
    ----------
    lines
        Each (n_point, 2), whole metres. The first step of a line starts where the one before it
        ended.
    """
    if not lines:
        return {"n": 0, "counts": "", "steps": ""}
    points = np.concatenate(lines)
    steps = np.diff(points, axis=0, prepend=np.zeros((1, 2), dtype=np.int64))
    return {
        "n": len(lines),
        "counts": pack_integers([len(line) for line in lines]),
        "steps": pack_integers(steps.ravel()),
    }


def unpack_lines(packed: Mapping[str, Any]) -> list[NDArray[np.int64]]:
    """Return the lines that `pack_lines` packed, each (n_point, 2)."""
    points = unpack_integers(packed["steps"]).reshape(-1, 2).cumsum(axis=0)
    return np.split(points, np.cumsum(unpack_integers(packed["counts"])))[:-1]


@dataclass(frozen=True, kw_only=True)
class MapProjection:
    """Degrees to whole Web Mercator metres from an origin, in the datum to draw in.

    Attributes
    ----------
    datum
        The datum of the drawing; what comes in is WGS-84.
    origin_m
        x and y of the origin (EPSG:3857).
    """

    datum: Datum = Datum.WGS84
    origin_m: tuple[int, int] = (0, 0)

    def points_m(self, lon_deg: FloatArray, lat_deg: FloatArray) -> NDArray[np.int64]:
        """Return (n, 2) whole metres from the origin."""
        lon, lat = lon_deg, lat_deg
        if self.datum is not Datum.WGS84:
            lon, lat = from_wgs84(lon, lat, self.datum)
        lat = np.clip(lat, -MERCATOR_MAX_LATITUDE_DEG, MERCATOR_MAX_LATITUDE_DEG)
        x_m = EARTH_RADIUS_M * np.radians(lon)
        y_m = EARTH_RADIUS_M * np.log(np.tan(math.pi / 4 + np.radians(lat) / 2))
        metres = np.column_stack([x_m, y_m]) - np.asarray(self.origin_m)
        return np.asarray(np.rint(metres), dtype=np.int64)

    def pack_points(self, points: gpd.GeoSeries) -> dict[str, Any]:
        """Pack points in the order given."""
        metres = self.points_m(points.x.to_numpy(), points.y.to_numpy())
        return pack_lines([metres] if len(metres) else [])

    def rings_m(self, geometry: shapely.Geometry, tolerance_m: float) -> list[NDArray[np.int64]]:
        """Return a polygon's rings, holes included, simplified, without the closing points."""
        coordinates = shapely.get_coordinates(geometry)
        moved = shapely.set_coordinates(
            geometry, self.points_m(coordinates[:, 0], coordinates[:, 1]).astype(float)
        )
        simple = shapely.simplify(moved, tolerance_m, preserve_topology=True)
        rings = shapely.get_rings(shapely.get_parts(simple))
        whole = [np.rint(shapely.get_coordinates(ring)).astype(np.int64)[:-1] for ring in rings]
        return [ring for ring in whole if len(ring) > 2]  # noqa: PLR2004 - a ring has an inside


def pack_roads(
    roads: RoadTable, project: MapProjection, *, kept: BoolArray | None = None
) -> list[dict[str, Any]]:
    """Pack the roads by rank, each street once, joined, simplified, in whole metres.

    Parameters
    ----------
    roads, project
        The roads, and where they are drawn.
    kept
        (n_segment,) which segments to pack; all if it is not given.

    Returns
    -------
    list of dict
        One a rank of ``ROAD_RANKS``, from the top; ranks that would not fit into
        ``MAX_ROAD_VERTICES`` are left out.
    """
    every = np.ones(roads.n_segment, dtype=bool)
    lines_by_rank = _road_lines(roads, project, kept=every if kept is None else kept)
    simple = _simplify_to_fit(lines_by_rank)
    packed, n_vertex = [], 0
    for (rank, _), lines in zip(ROAD_RANKS, simple, strict=True):
        n_vertex += int(shapely.get_num_coordinates(lines).sum())
        if n_vertex > MAX_ROAD_VERTICES:
            break
        packed.append({"rank": rank, **pack_lines(_whole_lines(lines))})
    return packed


def pack_directed_roads(
    roads: RoadTable, project: MapProjection, *, kept: BoolArray
) -> dict[str, Any]:
    """Pack some roads, each street once; a one-way one runs in the direction of its traffic.

    Where they would not fit into ``MAX_ROAD_VERTICES``, the shortest are left out.
    """
    lines = _segment_lines(roads, project)
    against = (roads.forward_kph == 0) & (roads.backward_kph > 0)
    lines[against] = shapely.reverse(lines[against])
    once = first_of_each_street(number_streets(roads))
    (simple,) = _simplify_to_fit([_joined(lines[once & kept], directed=True)])
    longest_first = simple[np.argsort(-shapely.length(simple), kind="stable")]
    fits = np.cumsum(shapely.get_num_coordinates(longest_first)) <= MAX_ROAD_VERTICES
    return pack_lines(_whole_lines(longest_first[fits]))


def _simplify_to_fit(groups: list[NDArray[Any]]) -> list[NDArray[Any]]:
    """Simplify groups of lines so far that they fit into ``MAX_ROAD_VERTICES``, if that helps."""
    simple = groups
    for tolerance_m in ROAD_TOLERANCES_M:
        simple = [np.asarray(shapely.simplify(lines, tolerance_m)) for lines in groups]
        if sum(int(shapely.get_num_coordinates(s).sum()) for s in simple) <= MAX_ROAD_VERTICES:
            break
    return simple


def _road_lines(roads: RoadTable, project: MapProjection, *, kept: BoolArray) -> list[NDArray[Any]]:
    """Return an array of lines for every rank of ``ROAD_RANKS``."""
    lines = _segment_lines(roads, project)
    once = first_of_each_street(number_streets(roads)) & kept
    rank = np.array([_rank_of(name) for name in roads.highway_classes] or [0])[roads.highway]
    return [_joined(lines[once & (rank == k)]) for k in range(len(ROAD_RANKS))]


def _segment_lines(roads: RoadTable, project: MapProjection) -> NDArray[Any]:
    """Return (n_segment,) the segments' lines in metres from the origin."""
    metres = project.points_m(roads.shape_lon_deg, roads.shape_lat_deg).astype(float)
    which = np.repeat(np.arange(roads.n_segment), np.diff(roads.shape_start))
    return np.asarray(shapely.linestrings(metres, indices=which), dtype=object)


def _joined(lines: NDArray[Any], *, directed: bool = False) -> NDArray[Any]:
    """Return lines joined where only two of them meet, and run on if ``directed``."""
    if not len(lines):
        return lines
    return np.asarray(
        shapely.get_parts(
            shapely.line_merge(shapely.multilinestrings(list(lines)), directed=directed)
        )
    )


def _rank_of(highway: str) -> int:
    return next(
        (k for k, (_, names) in enumerate(ROAD_RANKS) if highway in names), len(ROAD_RANKS) - 1
    )


def _whole_lines(lines: NDArray[Any]) -> list[NDArray[np.int64]]:
    """Return lines as whole metres without repeated points, neighbours beside each other."""
    whole = []
    for line in lines:
        points = np.rint(shapely.get_coordinates(line)).astype(np.int64)
        moved = np.ones(len(points), dtype=bool)
        moved[1:] = (np.diff(points, axis=0) != 0).any(axis=1)
        if moved.sum() > 1:
            whole.append(points[moved])
    # A line that starts near where the last one ended needs a short first step.
    return sorted(whole, key=lambda p: (int(p[0, 0]) // NEAR_M, int(p[0, 1]), int(p[0, 0]), len(p)))
