"""Evenly spaced points on roads: where demand may stand and where sites may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.inputs.roads import RoadTable

METRES_PER_DEGREE = 6_371_008.8 * np.pi / 180.0
"""On the sphere of the Earth's mean radius; good to half a per cent, for placing only."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadSamples:
    """Points on roads, each in the middle of the piece of road that it stands for.

    Attributes
    ----------
    lon_deg, lat_deg
        (n,) WGS-84 coordinates, on the road's line.
    length_m
        (n,) length of the piece of road.
    segment
        (n,) index of the road segment.
    """

    lon_deg: FloatArray
    lat_deg: FloatArray
    length_m: FloatArray
    segment: IntArray

    @property
    def size(self) -> int:
        """Number of points."""
        return self.lon_deg.size

    def take(self, chosen: BoolArray | LongArray) -> RoadSamples:
        """Return the chosen points."""
        return RoadSamples(
            lon_deg=self.lon_deg[chosen],
            lat_deg=self.lat_deg[chosen],
            length_m=self.length_m[chosen],
            segment=self.segment[chosen],
        )


NO_SAMPLES = RoadSamples(
    lon_deg=np.empty(0),
    lat_deg=np.empty(0),
    length_m=np.empty(0),
    segment=np.empty(0, dtype=np.int32),
)


def select_segments(roads: RoadTable, *, without: frozenset[str]) -> BoolArray:
    """Return (n_segment,) which segments can be driven and are of no class that is left out."""
    kept_class = np.array([name not in without for name in roads.highway_classes], dtype=bool)
    driven = (roads.forward_kph > 0) | (roads.backward_kph > 0)
    return driven & kept_class[roads.highway] if roads.n_segment else driven


def sample_roads(roads: RoadTable, *, step_m: float, kept: BoolArray) -> RoadSamples:
    """Place points along segments, each in the middle of an equal piece of its segment.

    Parameters
    ----------
    roads
        The roads, WGS-84.
    step_m
        Greatest length of road that a point stands for (m).
    kept
        (n_segment,) segments to place points on.

    Returns
    -------
    RoadSamples
        In the order of the segments and along each; at least one point on every kept segment.
    """
    along_m = _distance_along(roads)
    length_m = along_m[roads.shape_start[1:] - 1] - along_m[roads.shape_start[:-1]]
    segments = np.flatnonzero(kept)
    n_piece = np.maximum(np.ceil(length_m[segments] / step_m), 1).astype(np.int64)
    segment = np.repeat(segments, n_piece).astype(np.int32)
    piece_m = np.repeat(length_m[segments] / n_piece, n_piece)
    number = np.arange(segment.size) - np.repeat(np.cumsum(n_piece) - n_piece, n_piece)
    target_m = along_m[roads.shape_start[segment]] + (number + 0.5) * piece_m
    last = roads.shape_start[segment + 1] - 1
    after = np.clip(np.searchsorted(along_m, target_m), roads.shape_start[segment] + 1, last)
    before = after - 1
    span_m = along_m[after] - along_m[before]
    part = np.divide(
        target_m - along_m[before], span_m, out=np.zeros_like(span_m), where=span_m > 0
    )
    part = np.clip(part, 0.0, 1.0)
    lon, lat = roads.shape_lon_deg, roads.shape_lat_deg
    return RoadSamples(
        lon_deg=lon[before] + part * (lon[after] - lon[before]),
        lat_deg=lat[before] + part * (lat[after] - lat[before]),
        length_m=piece_m,
        segment=segment,
    )


def _distance_along(roads: RoadTable) -> FloatArray:
    """Return (n_shape,) one running distance over all shapes and the jumps between them (m)."""
    lon, lat = roads.shape_lon_deg, roads.shape_lat_deg
    east_m = METRES_PER_DEGREE * np.cos(np.radians(lat[:-1])) * np.diff(lon)
    leg_m = np.hypot(east_m, METRES_PER_DEGREE * np.diff(lat))
    return np.concatenate([[0.0], np.cumsum(leg_m)]) if lon.size else np.empty(0)
