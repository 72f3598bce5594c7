"""The trips of a plan as files: which are made, where they charge, and what they drive."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from siting.corridors.answer import build_charge_table, build_trip_table
from siting.outputs.files import render_csv
from siting.outputs.site_list import build_records

if TYPE_CHECKING:
    from siting.corridors.answer import TripAnswer
    from siting.plan import SitingPlan

TRIPS_NAME, CHARGES_NAME, TOURS_NAME = "trips.csv", "charges.csv", "tours.json"


def render_trips(plan: SitingPlan) -> dict[str, bytes]:
    """Return the files of a plan's trips by name; none where the study has no trips.

    ``trips.csv`` has a row for every pair of places and fleet, ``charges.csv`` one for every stop
    at which the cars of a covered trip charge, ``tours.json`` what `siting verify` drives them on.
    """
    answer = plan.trips
    if answer is None:
        return {}
    trips = build_trip_table(answer)
    places = None if plan.case.trips is None else plan.case.trips.places.set_index("place_id")
    if places is not None:
        for end in ("destination", "origin"):
            trips.insert(3, f"{end}_name", places["name"].loc[trips[end]].to_numpy())
    trips["illustrative"] = plan.case.illustrative
    return {
        TRIPS_NAME: render_csv(trips),
        CHARGES_NAME: render_csv(build_charge_table(answer, plan.case.instance)),
        TOURS_NAME: _render_tours(answer),
    }


def describe_trips(answer: TripAnswer) -> dict[str, Any]:
    """Return what the manifest says of the trips."""
    trips, plan = answer.corridors.instance, answer.joint
    covered = plan.covered_per_day.sum(axis=1) > 0
    return {
        "n_trips": trips.n_trip,
        "n_covered": int(covered.sum()),
        "n_charging": int((covered & (trips.need_m > 0)).sum()),
        "trip_worth_kwh": trips.worth_kwh,
        "by_brand": build_records(answer.by_brand().round(3)),
    }


def _render_tours(answer: TripAnswer) -> bytes:
    """Return every trip's battery and tour in whole metres, its stops by supply index."""
    trips = answer.corridors.instance
    levels = ("range_m", "start_m", "full_m", "reserve_m", "arrival_m", "there_m", "tour_m")
    tours = []
    for q in range(trips.n_trip):
        first, last = trips.stop_start[q : q + 2].tolist()
        stops = zip(
            trips.stop_m[first:last].tolist(), trips.stop_supply[first:last].tolist(), strict=True
        )
        tours.append(
            {name: int(getattr(trips, name)[q]) for name in levels}
            | {"stops": [list(stop) for stop in stops]}
        )
    head = {"trip_worth_kwh": trips.worth_kwh, "tours": tours}
    return (json.dumps(head, separators=(",", ":")) + "\n").encode()
