"""From vehicles to the energy they want from public charging, at points on roads.

A zone's vehicles are spread along the roads inside it, because people live along roads and never
on water; a point's vehicles stay at their point. The energy is
``vehicles × km a day × kWh a km × public share``, by brand, with a zone's own figures where it has
them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from siting.domain import WGS84_EPSG, FloatArray, LongArray, frozen_array
from siting.errors import Fault, InputError
from siting.inputs.contracts import ENERGY_FIGURES
from siting.inputs.districts import NO_DISTRICT, find_districts
from siting.inputs.geometry import build_local_plane
from siting.inputs.road_samples import NO_SAMPLES, RoadSamples, sample_roads, select_segments
from siting.study import VehicleFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from siting.inputs.districts import DistrictTable
    from siting.inputs.roads import RoadTable
    from siting.inputs.vehicles import VehicleTable
    from siting.study import Energy

SAMPLE_STEP_M = 50.0
MAX_SPOTS_PER_ZONE = 64
HILBERT_LEVEL = 16
NAMED_ZONES = 5
THROUGH_ROADS = frozenset({"motorway", "motorway_link", "trunk", "trunk_link"})
"""Roads that nobody lives on; they carry a zone's demand only where it has no others."""


GeometryArray = NDArray[np.object_]
ObjectArray = NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Demand:
    """Energy wanted from public charging, at points.

    Attributes
    ----------
    frame
        Points (EPSG:4326, WGS-84) with demand_id, zone_id, district_id (``""`` outside all
        districts), vehicles_<brand> and kwh_<brand>_per_day.
    brands
        Ids of the brands, in the order of the columns.
    kwh_per_day
        (n_demand, n_brand) energy wanted from public charging.
    zones
        Polygons that the demand came in, with their vehicles; None where it came as points.
    vehicles_read, vehicles_placed
        Vehicles of each brand before and after spreading; equal to the last vehicle.
    notices
        What was doubtful and what was done about it.
    """

    frame: gpd.GeoDataFrame
    brands: tuple[str, ...]
    kwh_per_day: FloatArray
    zones: gpd.GeoDataFrame | None
    vehicles_read: dict[str, float]
    vehicles_placed: dict[str, float]
    notices: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        """Freeze the energy."""
        object.__setattr__(self, "kwh_per_day", frozen_array(self.kwh_per_day, np.float64))

    @property
    def lon_deg(self) -> FloatArray:
        """(n_demand,) longitudes."""
        return np.asarray(self.frame.geometry.x, dtype=np.float64)

    @property
    def lat_deg(self) -> FloatArray:
        """(n_demand,) latitudes."""
        return np.asarray(self.frame.geometry.y, dtype=np.float64)

    @property
    def weight(self) -> FloatArray:
        """(n_demand,) energy of all brands together (kWh/day)."""
        return np.asarray(self.kwh_per_day.sum(axis=1), dtype=np.float64)


def build_demand(
    vehicles: VehicleTable,
    *,
    energy: Mapping[str, Energy],
    roads: RoadTable | None,
    districts: DistrictTable | None = None,
) -> Demand:
    """Build the demand points of a vehicle table.

    Parameters
    ----------
    vehicles
        Vehicles by brand at points or in polygons.
    energy
        Brand id to its kilometres a day, energy a kilometre and public share, for zones without
        their own; in the order wanted.
    roads
        Roads to spread the polygons' demand along; without, it stands at a point inside each.
    districts
        The districts, to name each point's.

    Returns
    -------
    Demand
        Without the points that want nothing.

    Raises
    ------
    InputError
        If two demand points would get the same id.
    """
    table, brands = vehicles.frame, tuple(energy)
    columns = [f"vehicles_{brand}" for brand in brands]
    count = table[columns].to_numpy(dtype=np.float64)
    alive = np.flatnonzero(count.sum(axis=1) > 0)
    is_points = vehicles.format is VehicleFormat.POINTS
    if is_points:
        spots = _Spots(
            zone=np.arange(alive.size),
            lon_deg=table.geometry.x.to_numpy()[alive],
            lat_deg=table.geometry.y.to_numpy()[alive],
            share=np.ones(alive.size),
            roadless=np.empty(0, dtype=np.int64),
        )
    else:
        spots = _spread_on_roads(
            table.geometry.to_numpy()[alive], roads, spacing_m=vehicles.point_spacing_m
        )
    placed = compute_whole_shares(count[alive], spots.zone, spots.share)
    wanted = placed.sum(axis=1) > 0
    zone, placed = alive[spots.zone[wanted]], placed[wanted]
    lon, lat = spots.lon_deg[wanted], spots.lat_deg[wanted]

    kwh = placed * _kwh_per_vehicle(table, energy)[zone]
    district = find_districts(lon, lat, districts)
    district_ids = np.array([*(districts.ids if districts else ()), ""], dtype=object)
    frame = gpd.GeoDataFrame(
        {
            "demand_id": _name_points(table["zone_id"].to_numpy(dtype=object)[zone], zone),
            "zone_id": table["zone_id"].to_numpy()[zone],
            "district_id": district_ids[district],
            **dict(zip(columns, placed.T, strict=True)),
            **{f"kwh_{brand}_per_day": kwh[:, b] for b, brand in enumerate(brands)},
        },
        geometry=gpd.points_from_xy(lon, lat),
        crs=WGS84_EPSG,
    )
    before = _totals(count, brands)
    after = _totals(placed, brands)
    if before != after:
        raise AssertionError(f"vehicles were lost while spreading: {before} became {after}")
    return Demand(
        frame=frame,
        brands=brands,
        kwh_per_day=kwh,
        zones=None if is_points else table,
        vehicles_read=before,
        vehicles_placed=after,
        notices=tuple(
            _notices(
                n_empty=len(table) - alive.size,
                roadless=[] if roads is None else table["zone_id"].iloc[alive[spots.roadless]],
                n_outside=0 if districts is None else int((district == NO_DISTRICT).sum()),
            )
        ),
    )


def _kwh_per_vehicle(table: pd.DataFrame, energy: Mapping[str, Energy]) -> FloatArray:
    """Return (n_zone, n_brand) energy that one vehicle wants from public charging (kWh/day).

    The zone's own figure for the brand goes before the zone's for all brands, and that before
    the brand's.
    """
    result = np.ones((len(table), len(energy)))
    for b, (brand, figures) in enumerate(energy.items()):
        for name in ENERGY_FIGURES:
            zones = table[f"{name}_{brand}"].fillna(table[name])
            result[:, b] *= zones.fillna(getattr(figures, name))
    return result


def _totals(count: FloatArray, brands: Sequence[str]) -> dict[str, float]:
    return {brand: math.fsum(count[:, b]) for b, brand in enumerate(brands)}


def _notices(
    *, n_empty: int, roadless: Sequence[str] | pd.Series[str], n_outside: int
) -> list[Fault]:
    notices = []
    if n_empty:
        notices.append(
            Fault(
                what=f"{n_empty:,} zones have no vehicles of any brand; they make no demand",
                remedy="nothing, if that is so",
            )
        )
    if len(roadless):
        named = ", ".join(roadless[:NAMED_ZONES]) + (", …" if len(roadless) > NAMED_ZONES else "")
        notices.append(
            Fault(
                what=f"{len(roadless):,} zones hold no road: {named}; their demand stands inside",
                remedy="look at them on the map; they may be unreachable",
            )
        )
    if n_outside:
        notices.append(
            Fault(
                what=f"{n_outside:,} demand points lie in no district",
                remedy="nothing, if the districts need not cover the zones",
            )
        )
    return notices


@dataclass(frozen=True, kw_only=True, eq=False)
class _Spots:
    """Points that carry zones' demand, zone by zone; the shares of a zone sum to one."""

    zone: LongArray
    lon_deg: FloatArray
    lat_deg: FloatArray
    share: FloatArray
    roadless: LongArray


def compute_whole_shares(count: FloatArray, zone: LongArray, share: FloatArray) -> FloatArray:
    """Split counts into shares without losing any: whole vehicles by largest remainder.

    The whole part of each count is split into whole vehicles, the fraction goes to the first of
    the largest shares; so the sums are exact in floating point too, not only nearly.

    Parameters
    ----------
    count
        (n_zone, n_column) what is to be split.
    zone
        (n_spot,) zone of each spot, ascending.
    share
        (n_spot,) share of each spot, summing to one by zone.

    Returns
    -------
    FloatArray
        (n_spot, n_column); the sum over a zone's spots is the zone's count.
    """
    result = np.empty((zone.size, count.shape[1]))
    first = np.searchsorted(zone, np.arange(count.shape[0]))
    largest = np.lexsort((np.arange(zone.size), -share, zone))[first]
    for column, amount in enumerate(count.T):
        whole = np.floor(amount)
        exact = whole[zone] * share
        given = np.floor(exact)
        left = whole - np.bincount(zone, weights=given, minlength=whole.size)
        order = np.lexsort((np.arange(zone.size), given - exact, zone))
        rank = np.empty(zone.size, dtype=np.int64)
        rank[order] = np.arange(zone.size) - first[zone]
        # Rounding can put the floors one over the whole in a huge zone: then one is taken back.
        given += (rank < left[zone]) & (left[zone] > 0)
        given[largest] += np.minimum(left, 0)
        given[largest] += amount - whole
        result[:, column] = given
    return result


def _spread_on_roads(
    polygons: GeometryArray, roads: RoadTable | None, *, spacing_m: float
) -> _Spots:
    """Return spots on the roads inside each polygon, weighted by the length of road around them."""
    n_zone = len(polygons)
    inside = shapely.get_coordinates(shapely.point_on_surface(polygons))
    samples, zone = _roads_in_zones(polygons, roads)
    n_spot = np.clip(np.round(_area_m2(polygons) / spacing_m**2), 1, MAX_SPOTS_PER_ZONE)
    order, spot = _split_evenly(samples, zone, n_spot)
    samples, zone = samples.take(order), zone[order]
    chosen, share_m = _medoids(samples, spot)
    zone_of_spot = zone[chosen]
    roadless = np.setdiff1d(np.arange(n_zone), zone_of_spot)
    zone_m = np.bincount(zone_of_spot, weights=share_m, minlength=n_zone)
    spots_zone = np.concatenate([zone_of_spot, roadless])
    by_zone = np.argsort(spots_zone, kind="stable")
    return _Spots(
        zone=spots_zone[by_zone],
        lon_deg=np.concatenate([samples.lon_deg[chosen], inside[roadless, 0]])[by_zone],
        lat_deg=np.concatenate([samples.lat_deg[chosen], inside[roadless, 1]])[by_zone],
        share=np.concatenate([share_m / zone_m[zone_of_spot], np.ones(roadless.size)])[by_zone],
        roadless=roadless,
    )


def _area_m2(polygons: GeometryArray) -> FloatArray:
    if not len(polygons):
        return np.empty(0)
    west, south, east, north = shapely.total_bounds(polygons)
    plane = build_local_plane(np.array([west, east]), np.array([south, north]))
    flat = shapely.transform(polygons, lambda xy: plane.to_metres(xy[:, 0], xy[:, 1]))
    return np.asarray(shapely.area(flat), dtype=np.float64)


def _roads_in_zones(
    polygons: GeometryArray, roads: RoadTable | None
) -> tuple[RoadSamples, LongArray]:
    """Return points on the roads inside each zone, sorted by zone, and their zones.

    Roads that nobody lives on count only in zones that have no others.
    """
    if roads is None or not roads.n_segment or not len(polygons):
        return NO_SAMPLES, np.empty(0, dtype=np.int64)
    driven = select_segments(roads, without=frozenset())
    samples = sample_roads(roads, step_m=SAMPLE_STEP_M, kept=driven & (roads.length_m > 0))
    tree = shapely.STRtree(polygons)
    points = shapely.points(samples.lon_deg, samples.lat_deg)
    sample, zone = tree.query(points, predicate="intersects")
    lived_on = select_segments(roads, without=THROUGH_ROADS)[samples.segment[sample]]
    has_lived_on = np.zeros(len(polygons), dtype=bool)
    has_lived_on[zone[lived_on]] = True
    kept = lived_on | ~has_lived_on[zone]
    sample, zone = sample[kept], zone[kept].astype(np.int64)
    order = np.lexsort((sample, zone))
    return samples.take(sample[order]), zone[order]


def _split_evenly(
    samples: RoadSamples, zone: LongArray, n_spot: FloatArray
) -> tuple[LongArray, LongArray]:
    """Split each zone's samples into its number of compact parts of equal road length.

    Returns
    -------
    order
        (n,) the samples along a Hilbert curve, zone by zone.
    spot
        (n,) the part of each sample in that order, numbered from 0 and ascending.
    """
    if not zone.size:
        return zone, zone
    curve = gpd.GeoSeries(gpd.points_from_xy(samples.lon_deg, samples.lat_deg)).hilbert_distance(
        level=HILBERT_LEVEL
    )
    order = np.lexsort((np.arange(zone.size), curve.to_numpy(), zone))
    length = samples.length_m[order]
    zone_length = np.bincount(zone, weights=length, minlength=n_spot.size)
    middle = np.cumsum(length) - length / 2
    start = np.cumsum(zone_length) - zone_length
    part = (middle - start[zone]) / zone_length[zone] * n_spot[zone]
    part = np.clip(np.floor(part), 0, n_spot[zone] - 1)
    changes = (np.diff(zone) > 0) | (np.diff(part) > 0)
    return order, np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)


def _medoids(samples: RoadSamples, spot: LongArray) -> tuple[LongArray, FloatArray]:
    """Return each part's sample nearest to the part's middle, and the part's road length (m)."""
    length_m = np.asarray(np.bincount(spot, weights=samples.length_m), dtype=np.float64)
    away = np.zeros(samples.size)
    for degrees, scale in (
        (samples.lon_deg, np.cos(np.radians(samples.lat_deg))),
        (samples.lat_deg, 1.0),
    ):
        middle = np.bincount(spot, weights=samples.length_m * degrees) / length_m
        away += ((degrees - middle[spot]) * scale) ** 2
    order = np.lexsort((np.arange(spot.size), away, spot))
    first = np.flatnonzero(np.diff(spot, prepend=-1))
    return order[first], length_m


def _name_points(zone_ids: ObjectArray, zone: LongArray) -> list[str]:
    """Return a demand id for each point: the zone's, numbered where a zone has several points."""
    n_in_zone = np.bincount(zone)[zone]
    first = np.searchsorted(zone, zone)
    number = np.arange(zone.size) - first + 1
    names = [
        str(name) if alone else f"{name}#{k}"
        for name, alone, k in zip(zone_ids, n_in_zone == 1, number, strict=True)
    ]
    twice = sorted({name for name, n in Counter(names).items() if n > 1})
    if twice:
        raise InputError(
            [
                Fault(
                    value=twice[0],
                    what=f"{len(twice):,} zone ids end like the ids of another zone's points",
                    remedy="take the # out of the zone ids",
                )
            ]
        )
    return names
