"""What the map shows of trips between places: who drives where, along which points, charging where.

A trip's path is drawn through the sites and stations that it passes, open or not, which stand on
its roads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np

from siting.corridors.answer import build_charge_table
from siting.domain import METRES_PER_KM
from siting.outputs.map_geometry import pack_integers
from siting.outputs.map_values import as_names, as_number, as_numbers, as_strings

if TYPE_CHECKING:
    from siting.corridors.answer import TripAnswer
    from siting.domain import FloatArray
    from siting.outputs.map_geometry import MapProjection
    from siting.plan import SitingPlan


def describe_trip_map(plan: SitingPlan, project: MapProjection) -> dict[str, Any] | None:
    """Describe places, pairs of places with their fleets, and the points that each path passes."""
    answer, table = plan.trips, plan.case.trips
    if answer is None or table is None:
        return None
    trips, row = answer.corridors.instance, np.array(answer.corridors.row)
    listed = np.unique(row)
    pair = np.searchsorted(listed, row)
    place = {name: k for k, name in enumerate(table.places["place_id"])}
    frame = table.frame.iloc[listed]
    first_trip = np.searchsorted(pair, np.arange(listed.size))
    paths = [_find_path(answer, np.flatnonzero(pair == k)) for k in range(listed.size)]
    used = np.unique(np.array([j for path in paths for j in path], dtype=np.int64))
    where = np.concatenate(
        [plan.case.candidates.geometry.to_numpy(), plan.case.stations.geometry.to_numpy()]
    )
    points = gpd.GeoSeries(where[used], crs=plan.case.candidates.crs)

    def by_pair(cars: FloatArray) -> list[float | int | None]:
        """(n_pair,) cars of all brands and fleets."""
        return as_numbers(np.bincount(pair, weights=cars.sum(axis=1), minlength=listed.size), 3)

    return {
        "places": {
            "id": as_strings(table.places["place_id"]),
            "name": as_names(table.places),
            "point": project.pack_points(table.places.geometry),
        },
        "origin": [place[name] for name in frame["origin"]],
        "destination": [place[name] for name in frame["destination"]],
        "there_km": as_numbers(trips.there_m[first_trip] / METRES_PER_KM, 1),
        "cars": by_pair(trips.cars_per_day),
        "covered": {
            "today": by_pair(answer.today.covered_per_day),
            "joint": by_pair(answer.joint.covered_per_day),
        },
        "by_brand": {
            "cars": as_numbers(trips.cars_per_day.sum(axis=0), 3),
            "today": as_numbers(answer.today.covered_per_day.sum(axis=0), 3),
            "joint": as_numbers(answer.joint.covered_per_day.sum(axis=0), 3),
        },
        "points": project.pack_points(points),
        "path_counts": pack_integers(np.array([len(path) for path in paths])),
        "path": pack_integers(
            np.searchsorted(used, np.array([j for path in paths for j in path], dtype=np.int64))
        ),
        "fleets": _describe_fleets(plan, answer, pair.tolist()),
    }


def _find_path(answer: TripAnswer, fleets: np.ndarray[Any, Any]) -> list[int]:
    """Return the sites and stations that a pair's way there passes, in its order, by index."""
    trips = answer.corridors.instance
    passed = {
        (int(trips.stop_m[s]), int(trips.stop_supply[s]))
        for q in fleets.tolist()
        for s in range(int(trips.stop_start[q]), int(trips.stop_start[q + 1]))
        if trips.stop_m[s] <= trips.there_m[q]
    }
    return [j for _, j in sorted(passed)]


def _describe_fleets(plan: SitingPlan, answer: TripAnswer, pair: list[int]) -> list[dict[str, Any]]:
    """Describe every trip of a fleet: whose cars, how many make it, and where they charge."""
    trips, joint = answer.corridors.instance, answer.joint
    charges: dict[str, list[list[Any]]] = {}
    for row in build_charge_table(answer, plan.case.instance).to_dict(orient="records"):
        charges.setdefault(row["trip_id"], []).append(
            [
                row["supply_id"],
                round(row["at_m"] / METRES_PER_KM),
                round(row["charge_kwh"], 1),
                round(row["before_share"], 2),
                round(row["after_share"], 2),
            ]
        )
    return [
        {
            "pair": pair[q],
            "brands": np.flatnonzero(trips.cars_per_day[q]).tolist(),
            "range_km": as_number(trips.range_m[q] / METRES_PER_KM, 0),
            "cars": as_number(trips.cars_per_day[q].sum(), 3),
            "covered": as_number(joint.covered_per_day[q].sum(), 3),
            "charges": charges.get(f"T{q + 1:05d}", []),
        }
        for q in range(trips.n_trip)
    ]
