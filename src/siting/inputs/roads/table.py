"""Roads as plain data: one table of nodes, segments and their shapes, whatever the file was.

A segment runs between two nodes and may be driven in one direction or both. Coordinates are
WGS-84 degrees; times and projected metres belong to :mod:`siting.network`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import FloatArray, IntArray, LongArray, frozen_array

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.errors import Fault

UByteArray = np.ndarray[Any, np.dtype[np.uint8]]

UNITS_PER_DEGREE = 1e7
"""OSM's own resolution: 1e-7 degree, about a centimetre; every reader rounds to it."""

MIN_SHAPE_POINTS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadTable:
    """Roads as read: nodes, segments between them, and the segments' shapes; WGS-84.

    Attributes
    ----------
    node_lon_deg, node_lat_deg
        (n_node,) coordinates of the nodes.
    segment_from, segment_to
        (n_segment,) node indices of a segment's two ends.
    length_m
        (n_segment,) length along the road.
    forward_kph, backward_kph
        (n_segment,) free-flow speed from → to and to → from; 0 where that way is not allowed.
    highway
        (n_segment,) index into ``highway_classes``.
    highway_classes
        OSM's `highway` values, such as ``primary``.
    shape_start
        (n_segment + 1,) where each segment's polyline begins in the two arrays below.
    shape_lon_deg, shape_lat_deg
        (n_shape,) polylines from → to, both ends included and equal to the nodes.
    source
        Attribution, as shown on the map.
    notices
        What was doubtful in the file and how it was read.

    Raises
    ------
    ValueError
        If the arrays do not fit each other.
    """

    node_lon_deg: FloatArray
    node_lat_deg: FloatArray
    segment_from: IntArray
    segment_to: IntArray
    length_m: FloatArray
    forward_kph: FloatArray
    backward_kph: FloatArray
    highway: UByteArray
    highway_classes: tuple[str, ...]
    shape_start: LongArray
    shape_lon_deg: FloatArray
    shape_lat_deg: FloatArray
    source: str
    notices: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Freeze the arrays and check that they fit each other."""
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))
        for misfit in _misfits(self):
            raise ValueError(misfit)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the fields: what another process has read is frozen and checked here again."""
        return partial(
            RoadTable, **{each.name: getattr(self, each.name) for each in fields(self)}
        ), ()

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        return self.node_lon_deg.size

    @property
    def n_segment(self) -> int:
        """Number of segments."""
        return self.segment_from.size

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything in the table, in hexadecimal."""
        digest = hashlib.sha256()
        for name in _DTYPES:
            array = getattr(self, name)
            digest.update(f"{name}:{array.dtype.str}:{array.size};".encode())
            digest.update(array.data)
        digest.update(json.dumps([self.highway_classes, self.source]).encode())
        return digest.hexdigest()


_DTYPES: dict[str, Any] = {
    "node_lon_deg": np.float64,
    "node_lat_deg": np.float64,
    "segment_from": np.int32,
    "segment_to": np.int32,
    "length_m": np.float64,
    "forward_kph": np.float64,
    "backward_kph": np.float64,
    "highway": np.uint8,
    "shape_start": np.int64,
    "shape_lon_deg": np.float64,
    "shape_lat_deg": np.float64,
}


def _misfits(roads: RoadTable) -> Iterator[str]:
    """Yield what does not fit in the table; each check relies on those before it."""
    yield from _misfit_lengths(roads)
    if roads.n_segment:
        yield from _misfit_values(roads)
        yield from _misfit_indices(roads)


def _misfit_lengths(roads: RoadTable) -> Iterator[str]:
    per_segment = ("segment_to", "length_m", "forward_kph", "backward_kph", "highway")
    start, n_shape = roads.shape_start, roads.shape_lon_deg.size
    if any(getattr(roads, name).ndim != 1 for name in _DTYPES):
        yield "an array of the road table is not one-dimensional"
    if roads.node_lat_deg.size != roads.n_node or roads.shape_lat_deg.size != n_shape:
        yield "longitudes and latitudes differ in number"
    if any(getattr(roads, name).size != roads.n_segment for name in per_segment):
        yield "the arrays of the segments differ in length"
    if start.size != roads.n_segment + 1 or start[0] != 0 or start[-1] != n_shape:
        yield "shape_start does not span the shapes"


def _misfit_indices(roads: RoadTable) -> Iterator[str]:
    start = roads.shape_start
    ends = (roads.segment_from, roads.segment_to)
    if np.diff(start).min() < MIN_SHAPE_POINTS:
        yield "a segment's shape has fewer than two points"
    if min(end.min() for end in ends) < 0 or max(end.max() for end in ends) >= roads.n_node:
        yield "a segment ends at a node that does not exist"
    if int(roads.highway.max()) >= len(roads.highway_classes):
        yield "a segment's highway class does not exist"
    for end, point in zip(ends, (start[:-1], start[1:] - 1), strict=True):
        for axis in ("lon", "lat"):
            shape = getattr(roads, f"shape_{axis}_deg")[point]
            if (shape != getattr(roads, f"node_{axis}_deg")[end]).any():
                yield "a shape does not begin and end at its segment's nodes"


def _misfit_values(roads: RoadTable) -> Iterator[str]:
    for name in ("length_m", "forward_kph", "backward_kph"):
        values = getattr(roads, name)
        if not (np.isfinite(values).all() and values.min() >= 0):
            yield f"{name} is negative or not a number"
    for name, limit in (("lon", 180.0), ("lat", 90.0)):
        for what in ("node", "shape"):
            if not np.abs(getattr(roads, f"{what}_{name}_deg")).max() <= limit:
                yield "a coordinate lies outside the globe"
