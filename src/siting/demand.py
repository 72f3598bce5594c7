"""From vehicles to the energy they want from public charging, at points on roads.

A zone's vehicles are spread along the roads inside it, because people live along roads, or where
its people live, and never on water; a point's vehicles stay at their point. The energy is
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
from numpy.typing import NDArray

from siting.domain import WGS84_EPSG, FloatArray, LongArray, frozen_array
from siting.errors import Fault, InputError
from siting.inputs.contracts import ENERGY_FIGURES
from siting.inputs.districts import NO_DISTRICT, find_districts
from siting.inputs.geometry import lon_lat_of
from siting.inputs.spreading import Spots, move_ashore, spread_in_zones
from siting.study import Spread, VehicleFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from siting.inputs.areas import AreaTable
    from siting.inputs.districts import DistrictTable
    from siting.inputs.population import PopulationTable
    from siting.inputs.roads import RoadTable
    from siting.inputs.vehicles import VehicleTable
    from siting.study import Energy

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
    population: PopulationTable | None = None,
    water: AreaTable | None = None,
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
    population
        Where people live, for vehicles that are to be spread by it.
    water
        Where no demand may stand.

    Returns
    -------
    Demand
        Without the points that want nothing.

    Raises
    ------
    InputError
        If two demand points would get the same id, or demand on water finds no road ashore.
    """
    table, brands = vehicles.frame, tuple(energy)
    columns = [f"vehicles_{brand}" for brand in brands]
    count = table[columns].to_numpy(dtype=np.float64)
    alive = np.flatnonzero(count.sum(axis=1) > 0)
    is_points = vehicles.format is VehicleFormat.POINTS
    if is_points:
        spots = _stand_still(table.iloc[alive], roads=roads, water=water)
    else:
        spots = spread_in_zones(
            table.geometry.to_numpy()[alive],
            names=list(table["zone_id"].iloc[alive]),
            spacing_m=vehicles.point_spacing_m,
            roads=roads,
            population=population if vehicles.spread is Spread.POPULATION else None,
            water=water,
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
        notices=(
            *_count_empty(len(table) - alive.size),
            *spots.notices,
            *_count_outside(0 if districts is None else int((district == NO_DISTRICT).sum())),
        ),
    )


def _stand_still(
    points: gpd.GeoDataFrame, *, roads: RoadTable | None, water: AreaTable | None
) -> Spots:
    """Return each point as its own spot; those on water are moved ashore."""
    lon, lat = lon_lat_of(points.geometry)
    notices: list[Fault] = []
    if water is not None:
        lon, lat, moved = move_ashore(lon, lat, roads=roads, water=water)
        if moved.any():
            what = f"{int(moved.sum()):,} points of vehicles lie on water; each was moved to a road"
            notices.append(Fault(what=what, remedy="check their coordinates, or the water"))
    n = len(points)
    return Spots(
        zone=np.arange(n), lon_deg=lon, lat_deg=lat, share=np.ones(n), notices=tuple(notices)
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


def _count_empty(n_empty: int) -> list[Fault]:
    what = f"{n_empty:,} zones have no vehicles of any brand; they make no demand"
    return [Fault(what=what, remedy="nothing, if that is so")] if n_empty else []


def _count_outside(n_outside: int) -> list[Fault]:
    what = f"{n_outside:,} demand points lie in no district"
    remedy = "nothing, if the districts need not cover the zones"
    return [Fault(what=what, remedy=remedy)] if n_outside else []


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
