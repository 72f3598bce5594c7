"""Where a zone's demand stands: on its roads, or where its people live, and never on water."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely
from scipy.spatial import cKDTree

from siting.errors import Fault, InputError
from siting.inputs.areas import is_inside, subtract_areas
from siting.inputs.geometry import build_local_plane
from siting.inputs.road_samples import NO_SAMPLES, sample_roads, select_segments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.inputs.areas import AreaTable
    from siting.inputs.population import PopulationTable
    from siting.inputs.road_samples import RoadSamples
    from siting.inputs.roads import RoadTable

    ObjectArray = NDArray[np.object_]

SAMPLE_STEP_M = 50.0
MAX_SPOTS_PER_ZONE = 64
HILBERT_LEVEL = 16
NAMED_ZONES = 5
LEAST_SHARE_ON_LAND = 1e-9
"""What is left of an area on water after rounding is no land."""
THROUGH_ROADS = frozenset({"motorway", "motorway_link", "trunk", "trunk_link"})
"""Roads that nobody lives on; they carry a zone's demand only where it has no others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spots:
    """Points that carry zones' demand, zone by zone; the shares of a zone sum to one.

    Attributes
    ----------
    zone
        (n_spot,) zone of each spot, ascending.
    lon_deg, lat_deg
        (n_spot,) WGS-84 coordinates.
    share
        (n_spot,) share of the zone's demand.
    notices
        Zones without people, without roads, or on water.
    """

    zone: LongArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    share: FloatArray
    notices: tuple[Fault, ...] = ()


def spread_in_zones(
    polygons: ObjectArray,
    *,
    names: Sequence[str],
    spacing_m: float,
    roads: RoadTable | None,
    population: PopulationTable | None = None,
    water: AreaTable | None = None,
) -> Spots:
    """Return about one spot per square of the spacing in each polygon, weighted by what is there.

    Parameters
    ----------
    polygons, names
        (n_zone,) the zones (WGS-84), and their ids for the notices.
    spacing_m
        Side of the square that a spot stands for (m); a zone has 64 spots at most.
    roads
        Spots stand on roads, by their length; zones without any keep a point inside.
    population
        Where given, spots stand where people live, by their number; zones without any have theirs
        on roads.
    water
        Where no spot may stand. A zone that lies on water altogether has its spot on the nearest
        road ashore.

    Raises
    ------
    InputError
        If a zone lies on water and there is no road ashore.
    """
    n_zone = len(polygons)
    land = subtract_areas(polygons, water)
    places, zone = _on_land(*_roads_in_zones(land, roads), water)
    peopleless = np.empty(0, dtype=np.int64)
    if population is not None:
        people, zone_of_people = _on_land(*_people_in_zones(land, population, water), water)
        on_roads = ~np.isin(zone, zone_of_people)
        peopleless = np.unique(zone[on_roads])
        zone = np.concatenate([zone_of_people, zone[on_roads]])
        by_zone = np.argsort(zone, kind="stable")
        places, zone = people.join(places.take(on_roads)).take(by_zone), zone[by_zone]
    n_spot = np.clip(np.round(_area_m2(polygons, land) / spacing_m**2), 1, MAX_SPOTS_PER_ZONE)
    order, spot = _split_evenly(places, zone, n_spot)
    places, zone = places.take(order), zone[order]
    chosen, weight = _medoids(places, spot)
    zone_of_spot = zone[chosen]
    total = np.bincount(zone_of_spot, weights=weight, minlength=n_zone)
    bare = np.setdiff1d(np.arange(n_zone), zone_of_spot)
    inside = np.where(shapely.is_empty(land[bare]), polygons[bare], land[bare])
    lon, lat = shapely.get_coordinates(shapely.point_on_surface(inside)).T
    moved = np.zeros(bare.size, dtype=bool)
    if water is not None:
        lon, lat, moved = move_ashore(lon, lat, roads=roads, water=water)
    spots_zone = np.concatenate([zone_of_spot, bare])
    by_zone = np.argsort(spots_zone, kind="stable")
    return Spots(
        zone=spots_zone[by_zone],
        lon_deg=np.concatenate([places.lon_deg[chosen], lon])[by_zone],
        lat_deg=np.concatenate([places.lat_deg[chosen], lat])[by_zone],
        share=np.concatenate([weight / total[zone_of_spot], np.ones(bare.size)])[by_zone],
        notices=(
            *_notice(names, peopleless, "hold no population", "their demand follows their roads"),
            *_notice(
                names,
                bare[~moved] if roads is not None else bare[:0],
                "hold no road",
                "their demand stands inside",
            ),
            *_notice(
                names,
                bare[moved],
                "lie on water",
                "their demand stands on the nearest road ashore",
            ),
        ),
    )


def move_ashore(
    lon_deg: FloatArray, lat_deg: FloatArray, *, roads: RoadTable | None, water: AreaTable
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Move the points that lie on water to the nearest point of a road that does not.

    Returns
    -------
    lon_deg, lat_deg
        (n,) WGS-84 coordinates.
    moved
        (n,) which points were moved.

    Raises
    ------
    InputError
        If there is no road ashore.
    """
    moved = is_inside(lon_deg, lat_deg, water)
    if not moved.any():
        return lon_deg, lat_deg, moved
    ashore = _sample_driven(roads)
    ashore = ashore.take(~is_inside(ashore.lon_deg, ashore.lat_deg, water))
    if not ashore.lon_deg.size:
        what, remedy = "demand lies on water, and there is no road ashore", "check roads and water"
        raise InputError([Fault(what=what, remedy=remedy)])
    plane = build_local_plane(lon_deg, lat_deg)
    tree = cKDTree(plane.to_metres(ashore.lon_deg, ashore.lat_deg))
    _, nearest = tree.query(plane.to_metres(lon_deg[moved], lat_deg[moved]))
    lon_deg, lat_deg = lon_deg.copy(), lat_deg.copy()
    lon_deg[moved], lat_deg[moved] = ashore.lon_deg[nearest], ashore.lat_deg[nearest]
    return lon_deg, lat_deg, moved


@dataclass(frozen=True, kw_only=True, eq=False)
class _Places:
    """Points where demand may stand; the weight is metres of road, or people."""

    lon_deg: FloatArray
    lat_deg: FloatArray
    weight: FloatArray

    def take(self, chosen: BoolArray | LongArray) -> _Places:
        return _Places(
            lon_deg=self.lon_deg[chosen],
            lat_deg=self.lat_deg[chosen],
            weight=self.weight[chosen],
        )

    def join(self, other: _Places) -> _Places:
        return _Places(
            lon_deg=np.concatenate([self.lon_deg, other.lon_deg]),
            lat_deg=np.concatenate([self.lat_deg, other.lat_deg]),
            weight=np.concatenate([self.weight, other.weight]),
        )


_NO_PLACES = _Places(lon_deg=np.empty(0), lat_deg=np.empty(0), weight=np.empty(0))


def _notice(names: Sequence[str], zones: LongArray, what: str, then: str) -> list[Fault]:
    if not zones.size:
        return []
    named = ", ".join(names[k] for k in zones[:NAMED_ZONES])
    more = ", …" if zones.size > NAMED_ZONES else ""
    return [
        Fault(
            what=f"{zones.size:,} zones {what}: {named}{more}; {then}",
            remedy="look at them on the map; they may be unreachable",
        )
    ]


def _area_m2(polygons: ObjectArray, land: ObjectArray) -> FloatArray:
    """Return (n_zone,) the area of the land in a plane around the polygons (m²)."""
    if not len(polygons):
        return np.empty(0)
    west, south, east, north = shapely.total_bounds(polygons)
    plane = build_local_plane(np.array([west, east]), np.array([south, north]))
    flat = shapely.transform(land, lambda xy: plane.to_metres(xy[:, 0], xy[:, 1]))
    return np.asarray(shapely.area(flat), dtype=np.float64)


def _roads_in_zones(polygons: ObjectArray, roads: RoadTable | None) -> tuple[_Places, LongArray]:
    """Return points on the roads inside each zone, sorted by zone, and their zones.

    Roads that nobody lives on count only in zones that have no others.
    """
    if roads is None or not roads.n_segment or not len(polygons):
        return _NO_PLACES, np.empty(0, dtype=np.int64)
    samples = _sample_driven(roads)
    tree = shapely.STRtree(polygons)
    points = shapely.points(samples.lon_deg, samples.lat_deg)
    sample, zone = tree.query(points, predicate="intersects")
    lived_on = select_segments(roads, without=THROUGH_ROADS)[samples.segment[sample]]
    has_lived_on = np.zeros(len(polygons), dtype=bool)
    has_lived_on[zone[lived_on]] = True
    kept = lived_on | ~has_lived_on[zone]
    sample, zone = sample[kept], zone[kept].astype(np.int64)
    order = np.lexsort((sample, zone))
    return _as_places(samples.take(sample[order])), zone[order]


def _sample_driven(roads: RoadTable | None) -> RoadSamples:
    if roads is None or not roads.n_segment:
        return NO_SAMPLES
    driven = select_segments(roads, without=frozenset())
    return sample_roads(roads, step_m=SAMPLE_STEP_M, kept=driven & (roads.length_m > 0))


def _as_places(samples: RoadSamples) -> _Places:
    return _Places(lon_deg=samples.lon_deg, lat_deg=samples.lat_deg, weight=samples.length_m)


def _on_land(
    places: _Places, zone: LongArray, water: AreaTable | None
) -> tuple[_Places, LongArray]:
    """Leave out the places on the very shore, which lie on land and on water both."""
    if water is None:
        return places, zone
    kept = ~is_inside(places.lon_deg, places.lat_deg, water)
    return places.take(kept), zone[kept]


def _people_in_zones(
    land: ObjectArray, population: PopulationTable, water: AreaTable | None
) -> tuple[_Places, LongArray]:
    """Return where people live inside each zone, sorted by zone, and their zones.

    The people of an area live evenly on its land; the part in a zone stands at a point inside.
    """
    homes = population.frame.geometry.to_numpy()
    number = population.frame["population"].to_numpy(dtype=np.float64)
    home, zone = shapely.STRtree(land).query(homes, predicate="intersects")
    order = np.lexsort((home, zone))
    home, zone = home[order], zone[order].astype(np.int64)
    piece = shapely.intersection(homes[home], land[zone])
    # The ratio of two areas in degrees is that on the ground: a home is small. Points count whole.
    is_area = shapely.get_dimensions(homes) > 0
    on_land = shapely.area(subtract_areas(homes, water))
    is_land = on_land > LEAST_SHARE_ON_LAND * shapely.area(homes)
    part = np.where(is_area, 0.0, 1.0)[home]
    np.divide(shapely.area(piece), on_land[home], out=part, where=is_land[home])
    weight = number[home] * part
    lived_in = (weight > 0) & ~shapely.is_empty(piece)
    lon, lat = shapely.get_coordinates(shapely.point_on_surface(piece[lived_in])).T
    return _Places(lon_deg=lon, lat_deg=lat, weight=weight[lived_in]), zone[lived_in]


def _split_evenly(
    places: _Places, zone: LongArray, n_spot: FloatArray
) -> tuple[LongArray, LongArray]:
    """Split each zone's places into its number of compact parts of equal weight.

    Returns
    -------
    order
        (n,) the places along a Hilbert curve, zone by zone.
    spot
        (n,) the part of each place in that order, numbered from 0 and ascending.
    """
    if not zone.size:
        return zone, zone
    curve = gpd.GeoSeries(gpd.points_from_xy(places.lon_deg, places.lat_deg)).hilbert_distance(
        level=HILBERT_LEVEL
    )
    order = np.lexsort((np.arange(zone.size), curve.to_numpy(), zone))
    weight = places.weight[order]
    zone_weight = np.bincount(zone, weights=weight, minlength=n_spot.size)
    middle = np.cumsum(weight) - weight / 2
    start = np.cumsum(zone_weight) - zone_weight
    part = (middle - start[zone]) / zone_weight[zone] * n_spot[zone]
    part = np.clip(np.floor(part), 0, n_spot[zone] - 1)
    changes = (np.diff(zone) > 0) | (np.diff(part) > 0)
    return order, np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)


def _medoids(places: _Places, spot: LongArray) -> tuple[LongArray, FloatArray]:
    """Return each part's place nearest to the part's middle, and the part's weight."""
    weight = np.asarray(np.bincount(spot, weights=places.weight), dtype=np.float64)
    away = np.zeros(places.lon_deg.size)
    for degrees, scale in (
        (places.lon_deg, np.cos(np.radians(places.lat_deg))),
        (places.lat_deg, 1.0),
    ):
        middle = np.bincount(spot, weights=places.weight * degrees) / weight
        away += ((degrees - middle[spot]) * scale) ** 2
    order = np.lexsort((np.arange(spot.size), away, spot))
    first = np.flatnonzero(np.diff(spot, prepend=-1))
    return order[first], weight
