"""Where points meet the roads, and how the roads hang together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
import shapely

from siting.domain import BoolArray, FloatArray, IntArray, LongArray, frozen_array
from siting.inputs.roads.streets import find_one_way_streets, first_of_each_street, number_streets
from siting.network.snapping import snap_to_roads

if TYPE_CHECKING:
    import geopandas as gpd
    from numpy.typing import NDArray

    from siting.inputs.roads import RoadTable
    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped


class RoadState(IntEnum):
    """How a road hangs together with the others."""

    MAIN = 0
    """Every main road reaches it, and it reaches every main road."""
    ONE_WAY_TRAP = 1
    """It can be driven into but not out of, or out of but not into."""
    OTHER_COMPONENT = 2
    """No way leads from it to the main roads, nor back."""
    CLOSED = 3
    """No car may drive on it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadPoints:
    """Where points meet the roads.

    Attributes
    ----------
    distance_m
        (n_point,) straight distance to the road; infinite where none is near enough, NaN where
        it was not asked.
    lon_deg, lat_deg
        (n_point,) the place on the road, WGS-84; NaN where there is none.
    """

    distance_m: FloatArray
    lon_deg: FloatArray
    lat_deg: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("distance_m", "lon_deg", "lat_deg"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    @property
    def on_road(self) -> BoolArray:
        """(n_point,) whether a road is near enough."""
        return frozen_array(np.isfinite(self.distance_m), np.bool_)

    def padded(self, n_point: int) -> RoadPoints:
        """Return the same with points added to ``n_point`` whose roads were never asked for."""
        missing = np.full(n_point - self.distance_m.size, np.nan)
        return RoadPoints(
            distance_m=np.concatenate([self.distance_m, missing]),
            lon_deg=np.concatenate([self.lon_deg, missing]),
            lat_deg=np.concatenate([self.lat_deg, missing]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadCheck:
    """How the roads hang together.

    Attributes
    ----------
    state
        (n_segment,) a :class:`RoadState` each, in the road table's order.
    component
        (n_segment,) label of the roads that are connected if directions are ignored.
    one_way
        (n_segment,) whether the segment's street may be driven one way and not the other.
    counts_once
        (n_segment,) False for a street's second segment where a file holds both directions.
    """

    state: NDArray[np.uint8]
    component: IntArray
    one_way: BoolArray
    counts_once: BoolArray


def check_roads(roads: RoadTable, network: RoadNetwork) -> RoadCheck:
    """Tell how every segment of a road table hangs together with the others."""
    street = number_streets(roads)
    component = network.weak_component[network.segment_from]
    main = network.weak_component[np.argmin(network.strong_component)]
    state = np.select(
        [~network.segment_is_open, network.segment_is_main, component == main],
        [RoadState.CLOSED, RoadState.MAIN, RoadState.ONE_WAY_TRAP],
        default=RoadState.OTHER_COMPONENT,
    )
    return RoadCheck(
        state=frozen_array(state, np.uint8),
        component=frozen_array(component, np.int32),
        one_way=find_one_way_streets(roads, street),
        counts_once=first_of_each_street(street),
    )


def locate_on_roads(
    network: RoadNetwork, frame: gpd.GeoDataFrame, *, max_distance_m: float
) -> RoadPoints:
    """Snap points as the travel times do, and return where on the road they then stand."""
    where = frame.geometry
    snapped = snap_to_roads(
        network, where.x.to_numpy(), where.y.to_numpy(), max_distance_m=max_distance_m
    )
    lon, lat = np.full((2, snapped.n_point), np.nan)
    on_road = np.flatnonzero(snapped.on_network)
    if on_road.size:
        places = shapely.line_interpolate_point(
            _lines_under(network, snapped, on_road), snapped.fraction[on_road], normalized=True
        )
        lon[on_road], lat[on_road] = network.unproject(shapely.get_x(places), shapely.get_y(places))
    return RoadPoints(distance_m=snapped.distance_m, lon_deg=lon, lat_deg=lat)


def _lines_under(network: RoadNetwork, snapped: Snapped, points: LongArray) -> NDArray[np.object_]:
    """Return the polyline that each of the points stands on, in the network's metres."""
    used, line_of_point = np.unique(snapped.segment[points], return_inverse=True)
    first = network.shape_start[used]
    n_vertex = network.shape_start[used + 1] - first
    line = np.repeat(np.arange(used.size), n_vertex)
    vertex = np.arange(line.size) + np.repeat(first - np.cumsum(n_vertex) + n_vertex, n_vertex)
    xy_m = np.column_stack([network.shape_x_m[vertex], network.shape_y_m[vertex]])
    return np.asarray(shapely.linestrings(xy_m, indices=line), dtype=object)[line_of_point]
