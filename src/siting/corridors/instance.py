"""What the solver sees of the trips: one frozen instance beside the city's, on the same supply.

A trip is there and back along its path; a stop is a site or station that the path runs past. All
positions, ranges and charges are whole metres of driving, so that what is decided is exact: a
battery of 400 km holds 400,000 metres, and a charge of 120,000 metres drives that far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from siting.domain import FloatArray, IntArray, LongArray, frozen_array


@dataclass(frozen=True, kw_only=True, eq=False)
class CorridorInstance:
    """Trips between places, ready for the model.

    A fleet is the brands with the same range, consumption and stations: a pair of places has one
    trip for each. The supply index is that of the `SitingInstance` beside it.

    Attributes
    ----------
    brands
        Ids of the brands, as in the city's instance.
    origin, destination
        (n_trip,) ids of the places.
    cars_per_day
        (n_trip, n_brand) cars that set out a day; 0 for brands of other fleets.
    kwh_per_km
        (n_trip,) what a car of the fleet takes.
    there_m, tour_m
        (n_trip,) length of the way there, and of there and back.
    range_m
        (n_trip,) what a full battery drives.
    start_m, full_m, reserve_m, arrival_m
        (n_trip,) level of the battery when setting out, when leaving a charger at most, anywhere
        at least, and at the destination and back home at least (a charger there helps).
    stop_start
        (n_trip + 1,) where each trip's stops begin in the arrays below.
    stop_supply
        (n_stop,) site or station of each stop.
    stop_m
        (n_stop,) how far into the tour it stands, ascending within a trip. Whoever passes a site
        twice has two stops there.
    worth_kwh
        What a car's trip that can be made is worth, in energy served in a city.
    """

    brands: tuple[str, ...]
    origin: tuple[str, ...]
    destination: tuple[str, ...]
    cars_per_day: FloatArray
    kwh_per_km: FloatArray
    there_m: LongArray
    tour_m: LongArray
    range_m: LongArray
    start_m: LongArray
    full_m: LongArray
    reserve_m: LongArray
    arrival_m: LongArray
    stop_start: LongArray
    stop_supply: IntArray
    stop_m: LongArray
    worth_kwh: float

    def __post_init__(self) -> None:
        """Freeze the arrays and check that they fit each other."""
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))
        n = self.n_trip
        wrong = [
            f"{name} has shape {getattr(self, name).shape}"
            for name in _BY_TRIP
            if getattr(self, name).shape != (n,)
        ]
        if self.cars_per_day.shape != (n, len(self.brands)):
            wrong.append(f"cars_per_day has shape {self.cars_per_day.shape}")
        if self.stop_start.shape != (n + 1,) or self.stop_m.shape != self.stop_supply.shape:
            wrong.append("the stops do not fit the trips")
        if not ((self.reserve_m <= self.full_m) & (self.start_m <= self.range_m)).all():
            wrong.append("a battery's levels are out of order")
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def n_trip(self) -> int:
        """Number of trips."""
        return len(self.origin)

    @property
    def n_stop(self) -> int:
        """Number of stops of all trips."""
        return int(self.stop_supply.size)

    @property
    def cars(self) -> FloatArray:
        """(n_trip,) cars of all brands that set out a day."""
        return np.asarray(self.cars_per_day.sum(axis=1), dtype=np.float64)

    @property
    def stop_trip(self) -> IntArray:
        """(n_stop,) trip of each stop."""
        trips = np.arange(self.n_trip, dtype=np.int32)
        return np.repeat(trips, np.diff(self.stop_start)).astype(np.int32)

    @property
    def need_m(self) -> LongArray:
        """(n_trip,) what a car must charge on the way: the tour, less what it brings."""
        least = np.maximum(self.arrival_m, self.reserve_m)
        return np.asarray(np.maximum(self.tour_m - self.start_m + least, 0), dtype=np.int64)


_BY_TRIP = (
    "kwh_per_km",
    "there_m",
    "tour_m",
    "range_m",
    "start_m",
    "full_m",
    "reserve_m",
    "arrival_m",
)
_DTYPES: dict[str, Any] = {
    **dict.fromkeys(_BY_TRIP, np.int64),
    "kwh_per_km": np.float64,
    "cars_per_day": np.float64,
    "stop_start": np.int64,
    "stop_supply": np.int32,
    "stop_m": np.int64,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class TripPlan:
    """Which cars can make their trip, and where they charge.

    Attributes
    ----------
    covered_per_day
        (n_trip, n_brand) cars whose trip can be made, there and back.
    charge_m
        (n_stop,) what each of them charges at the stop, in metres of driving; 0 at stops of trips
        that are not covered.
    """

    covered_per_day: FloatArray
    charge_m: LongArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "covered_per_day", frozen_array(self.covered_per_day, np.float64))
        object.__setattr__(self, "charge_m", frozen_array(self.charge_m, np.int64))


def compute_trip_energy(
    corridors: CorridorInstance, plan: TripPlan, *, n_supply: int
) -> FloatArray:
    """(n_supply, n_brand) energy that the trips take at each site and station (kWh/day)."""
    trip = corridors.stop_trip
    per_car_kwh = plan.charge_m * corridors.kwh_per_km[trip] / 1000.0
    taken = per_car_kwh[:, None] * plan.covered_per_day[trip]
    energy = np.zeros((n_supply, len(corridors.brands)))
    np.add.at(energy, corridors.stop_supply, taken)
    return energy
