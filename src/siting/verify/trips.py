"""The trips of a written plan, driven again: a battery a trip, there and back."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from siting.verify.battery import Battery, Charge, drive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TRIPS, CHARGES, TOURS = "trips.csv", "charges.csv", "tours.json"


class TripClaim(NamedTuple):
    """One trip as it is written: cars by brand, the tour, and where it charges.

    ``charges`` are (position, metres, supply id); ``tour`` is the trip's part of ``tours.json``.
    """

    name: str
    cars: tuple[Fraction, ...]
    covered: tuple[Fraction, ...]
    kwh_per_km: Fraction
    tour: dict[str, Any]
    charges: list[tuple[int, int, str]]


@dataclass(frozen=True, kw_only=True)
class TripClaims:
    """All trips of a written plan.

    Attributes
    ----------
    trips
        Every trip.
    worth_kwh
        What a covered car is worth (kWh/day).
    """

    trips: tuple[TripClaim, ...]
    worth_kwh: Fraction

    @property
    def worth(self) -> Fraction:
        """What the covered cars are worth together (kWh/day)."""
        return self.worth_kwh * sum((sum(t.covered) for t in self.trips), Fraction(0))

    def taken_wh(self) -> dict[tuple[str, int], Fraction]:
        """Return the energy that trips take, by supply id and index of the brand (Wh/day)."""
        taken: dict[tuple[str, int], Fraction] = defaultdict(Fraction)
        for trip in self.trips:
            for _, metres, supply in trip.charges:
                for b, cars in enumerate(trip.covered):
                    if cars:
                        # A kWh a kilometre is a watt-hour a metre.
                        taken[supply, b] += metres * trip.kwh_per_km * cars
        return taken


def read_trip_claims(files: Mapping[str, bytes], brands: Sequence[str]) -> TripClaims:
    """Read the trips of a written plan; there are none where no file holds any.

    Parameters
    ----------
    files
        The plan's files by name.
    brands
        Ids of the brands.

    Raises
    ------
    ValueError, KeyError
        If the files do not fit each other.
    """
    if TOURS not in files:
        return TripClaims(trips=(), worth_kwh=Fraction(0))
    head = json.loads(files[TOURS])
    charges: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for row in _read(files[CHARGES]):
        charges[row["trip_id"]].append((int(row["at_m"]), int(row["charge_m"]), row["supply_id"]))
    rows = _read(files[TRIPS])
    names = {row["trip_id"] for row in rows}
    if len(names) < len(rows) or charges.keys() - names:
        raise ValueError("a trip stands twice, or charges belong to none")
    trips = [
        TripClaim(
            name=f"{row['trip_id']} {row['origin']} – {row['destination']}",
            cars=tuple(_exact(row[f"cars_{brand}_per_day"]) for brand in brands),
            covered=tuple(_exact(row[f"covered_{brand}_per_day"]) for brand in brands),
            kwh_per_km=_exact(row["kwh_per_km"]),
            tour=tour,
            charges=charges[row["trip_id"]],
        )
        for row, tour in zip(rows, head["tours"], strict=True)
    ]
    return TripClaims(trips=tuple(trips), worth_kwh=_exact(head["trip_worth_kwh"]))


def find_trip_faults(
    trip: TripClaim, *, supply_ids: Sequence[str], is_open: Mapping[str, Sequence[bool]]
) -> list[str]:
    """Return what is wrong with a trip; it is driven again if any car is said to make it.

    Parameters
    ----------
    trip
        The trip.
    supply_ids
        Ids of sites and stations, in the order of the instance.
    is_open
        By the id of every open site and station, whether each brand may charge there.
    """
    faults = []
    if any(not 0 <= covered <= cars for covered, cars in zip(trip.covered, trip.cars, strict=True)):
        faults.append(f"{trip.name}: other cars are covered than set out")
    if not any(trip.covered):
        return faults
    stops = {(at, supply_ids[j]) for at, j in trip.tour["stops"]}
    for at, _, supply in trip.charges:
        if (at, supply) not in stops:
            faults.append(f"{trip.name}: does not pass {supply} at {at} m")
        usable = is_open.get(supply)
        if usable is None:
            faults.append(f"{trip.name}: charges at {supply}, which is closed")
        elif any(cars and not may for cars, may in zip(trip.covered, usable, strict=True)):
            faults.append(f"{trip.name}: charges at {supply}, where a brand may not")
    tour = trip.tour
    battery = Battery(
        start=tour["start_m"],
        full=tour["full_m"],
        reserve=tour["reserve_m"],
        arrival=tour["arrival_m"],
    )
    _, fault = drive(
        battery,
        there=tour["there_m"],
        tour=tour["tour_m"],
        charges=[Charge(at, metres) for at, metres, _ in sorted(trip.charges)],
    )
    return faults if fault is None else [*faults, f"{trip.name}: {fault}"]


def _read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def _exact(text: object) -> Fraction:
    return Fraction(Decimal(str(text)))
