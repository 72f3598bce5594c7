"""The trips' part of a plan, and the tables that show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.corridors.evaluation import drive_trip
from siting.domain import METRES_PER_KM

if TYPE_CHECKING:
    from siting.corridors.build import Corridors
    from siting.corridors.instance import TripPlan
    from siting.instance import SitingInstance


@dataclass(frozen=True, kw_only=True, eq=False)
class TripAnswer:
    """Which trips can be made: today, and with the plan.

    Attributes
    ----------
    corridors
        The trips.
    today
        With the stations that stand today, accounts as the study asks.
    joint
        With the plan.
    """

    corridors: Corridors
    today: TripPlan
    joint: TripPlan

    def by_brand(self) -> pd.DataFrame:
        """Return cars a day by brand: that set out, and that can make their trip."""
        trips = self.corridors.instance
        return pd.DataFrame(
            {
                "brand": trips.brands,
                "cars_per_day": trips.cars_per_day.sum(axis=0),
                "today_per_day": self.today.covered_per_day.sum(axis=0),
                "joint_per_day": self.joint.covered_per_day.sum(axis=0),
            }
        )


def build_trip_table(answer: TripAnswer) -> pd.DataFrame:
    """Build the table of trips: every pair of places and fleet, covered or not.

    Returns
    -------
    DataFrame
        ``trip_id``, ``origin``, ``destination``, ``there_km``, ``tour_km``, ``range_km``,
        ``kwh_per_km``, ``cars_<brand>_per_day``, ``covered_<brand>_per_day``, ``charges``,
        ``charged_kwh`` (of one car), ``least_charge`` (share of a full battery, on the tour).
    """
    trips, plan = answer.corridors.instance, answer.joint
    covered = plan.covered_per_day.sum(axis=1) > 0
    n_charge = np.bincount(trips.stop_trip[plan.charge_m > 0], minlength=trips.n_trip)
    charged_m = np.bincount(trips.stop_trip, weights=plan.charge_m, minlength=trips.n_trip)
    least = [
        min(drive_trip(trips, plan, q)[0]) / trips.range_m[q] if covered[q] else np.nan
        for q in range(trips.n_trip)
    ]
    columns: dict[str, object] = {
        "trip_id": [f"T{q + 1:05d}" for q in range(trips.n_trip)],
        "origin": trips.origin,
        "destination": trips.destination,
        "there_km": trips.there_m / METRES_PER_KM,
        "tour_km": trips.tour_m / METRES_PER_KM,
        "range_km": trips.range_m / METRES_PER_KM,
        "kwh_per_km": trips.kwh_per_km,
    }
    for b, brand in enumerate(trips.brands):
        columns[f"cars_{brand}_per_day"] = trips.cars_per_day[:, b]
        columns[f"covered_{brand}_per_day"] = plan.covered_per_day[:, b].round(3)
    columns["charges"] = np.where(covered, n_charge, 0)
    columns["charged_kwh"] = np.where(covered, charged_m * trips.kwh_per_km / METRES_PER_KM, 0.0)
    columns["least_charge_share"] = np.round(least, 4)
    return pd.DataFrame(columns)


def build_charge_table(answer: TripAnswer, instance: SitingInstance) -> pd.DataFrame:
    """Build the table of charges: where every covered trip's cars charge, and how much.

    Returns
    -------
    DataFrame
        ``trip_id``, ``supply_id``, ``at_m`` along the tour, ``charge_m`` in metres of driving,
        ``charge_kwh``, ``before_share`` and ``after_share`` of a full battery.
    """
    trips, plan = answer.corridors.instance, answer.joint
    supply = instance.site_ids + instance.station_ids
    rows = []
    for q in np.flatnonzero(plan.covered_per_day.sum(axis=1) > 0).tolist():
        first, last = trips.stop_start[q : q + 2].tolist()
        level, at = int(trips.start_m[q]), 0
        for s in range(first, last):
            level -= int(trips.stop_m[s]) - at
            at, charge = int(trips.stop_m[s]), int(plan.charge_m[s])
            if charge:
                rows.append(
                    {
                        "trip_id": f"T{q + 1:05d}",
                        "supply_id": supply[trips.stop_supply[s]],
                        "at_m": at,
                        "charge_m": charge,
                        "charge_kwh": round(charge * trips.kwh_per_km[q] / METRES_PER_KM, 3),
                        "before_share": round(level / int(trips.range_m[q]), 4),
                        "after_share": round((level + charge) / int(trips.range_m[q]), 4),
                    }
                )
            level += charge
    names = (
        "trip_id",
        "supply_id",
        "at_m",
        "charge_m",
        "charge_kwh",
        "before_share",
        "after_share",
    )
    return pd.DataFrame(rows, columns=list(names))
