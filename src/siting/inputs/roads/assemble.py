"""Ways to a road table: cut where ways meet, keep every bend as shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import frozen_array
from siting.inputs.roads.table import UNITS_PER_DEGREE, RoadTable

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.errors import Fault

WGS84_A_M = 6_378_137.0
WGS84_E2 = 6.694_379_990_141_33e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Ways:
    """Ways as lists of vertices; vertices with the same id are the same place.

    Attributes
    ----------
    start
        (n_way + 1,) where each way's vertices begin.
    vertex_id
        (n_vertex,) id of the place; equal ids have equal coordinates.
    lon_deg, lat_deg
        (n_vertex,) WGS-84 coordinates.
    highway
        A class name for each way.
    forward_kph, backward_kph
        (n_way,) speeds along the way and against it; 0 where that is not allowed.
    """

    start: LongArray
    vertex_id: LongArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    highway: tuple[str, ...]
    forward_kph: FloatArray
    backward_kph: FloatArray


def assemble_roads(
    ways: Ways, *, cut_where_ways_meet: bool, source: str, notices: tuple[Fault, ...] = ()
) -> RoadTable:
    """Build a road table of ways, with nodes at their ends and, if asked, wherever they meet.

    Parameters
    ----------
    ways
        The ways to keep.
    cut_where_ways_meet
        True for raw ways, which run on through crossings; False where lines end at every node.
    source
        Attribution.
    notices
        What was doubtful in the file.
    """
    way = np.repeat(np.arange(len(ways.highway)), np.diff(ways.start))
    # A vertex told twice in a row adds nothing; a way of one place is no road.
    kept = np.ones(way.size, dtype=bool)
    kept[1:] = (way[1:] != way[:-1]) | (ways.vertex_id[1:] != ways.vertex_id[:-1])
    kept &= (np.bincount(way[kept], minlength=len(ways.highway)) > 1)[way]
    way = way[kept]
    _, place, uses = np.unique(ways.vertex_id[kept], return_inverse=True, return_counts=True)
    is_node = _is_way_end(way)
    if cut_where_ways_meet:
        is_node = is_node | (uses[place] > 1)
    lon, lat = (round_degrees(axis[kept]) for axis in (ways.lon_deg, ways.lat_deg))

    at = np.flatnonzero(is_node)
    joined = way[at[:-1]] == way[at[1:]]
    first, last = at[:-1][joined], at[1:][joined]
    _, vertex_of_node, node = np.unique(place[at], return_index=True, return_inverse=True)
    n_point = last - first + 1
    start = np.concatenate([[0], np.cumsum(n_point)]).astype(np.int64)
    shape = np.arange(start[-1]) + np.repeat(first - start[:-1], n_point)
    node_lon, node_lat = lon[at[vertex_of_node]], lat[at[vertex_of_node]]
    node_of_vertex = np.full(way.size, -1)
    node_of_vertex[at] = node
    segment_way = way[first]
    classes, highway = np.unique(
        np.array(ways.highway, dtype=str)[segment_way], return_inverse=True
    )
    return RoadTable(
        node_lon_deg=node_lon,
        node_lat_deg=node_lat,
        segment_from=node_of_vertex[first],
        segment_to=node_of_vertex[last],
        length_m=compute_lengths_m(lon[shape], lat[shape], start),
        forward_kph=ways.forward_kph[segment_way],
        backward_kph=ways.backward_kph[segment_way],
        highway=frozen_array(highway, np.uint8),
        highway_classes=tuple(map(str, classes)),
        shape_start=start,
        shape_lon_deg=lon[shape],
        shape_lat_deg=lat[shape],
        source=source,
        notices=notices,
    )


def round_degrees(degrees: FloatArray) -> FloatArray:
    """Round to OSM's resolution, so that a table is the same before and after the compact form."""
    return np.round(degrees * UNITS_PER_DEGREE) / UNITS_PER_DEGREE


def compute_lengths_m(lon_deg: FloatArray, lat_deg: FloatArray, start: LongArray) -> FloatArray:
    """Return the length of polylines on the WGS-84 ellipsoid.

    Each leg by the radii of curvature at its middle latitude; exact to 1e-6 for legs of some km.

    Parameters
    ----------
    lon_deg, lat_deg
        (n_point,) coordinates.
    start
        (n_line + 1,) where each line's points begin.
    """
    middle = np.radians((lat_deg[1:] + lat_deg[:-1]) / 2)
    flattening = 1.0 - WGS84_E2 * np.sin(middle) ** 2
    east_m = np.radians(np.diff(lon_deg)) * np.cos(middle) * (WGS84_A_M / np.sqrt(flattening))
    north_m = np.radians(np.diff(lat_deg)) * (WGS84_A_M * (1.0 - WGS84_E2) / flattening**1.5)
    leg_m = np.append(np.hypot(east_m, north_m), 0.0)
    leg_m[start[1:] - 1] = 0.0
    return np.add.reduceat(leg_m, start[:-1]) if start.size > 1 else np.empty(0)


def _is_way_end(way: LongArray) -> BoolArray:
    """Tell the first and the last vertex of every way."""
    turn = way[1:] != way[:-1]
    ends = np.concatenate([[True], turn]) | np.concatenate([turn, [True]])
    return frozen_array(ends, np.bool_)
