"""What a plan with trips comes to, recomputed: every trip driven again by a battery."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from siting.corridors.instance import compute_trip_energy
from siting.corridors.solve import compute_trip_worth
from siting.instance import CLOSED, compute_capacity, evaluate
from siting.verify.battery import Battery, Charge, drive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.corridors.instance import CorridorInstance, TripPlan
    from siting.instance import Decision, Evaluation, SitingInstance


def build_battery(corridors: CorridorInstance, trip: int) -> Battery:
    """Return the battery of a trip's cars."""
    return Battery(
        start=int(corridors.start_m[trip]),
        full=int(corridors.full_m[trip]),
        reserve=int(corridors.reserve_m[trip]),
        arrival=int(corridors.arrival_m[trip]),
    )


def drive_trip(
    corridors: CorridorInstance, trips: TripPlan, trip: int
) -> tuple[tuple[int, ...], str | None]:
    """Drive a trip with the charges of a plan; see `siting.verify.battery.drive`."""
    first, last = corridors.stop_start[trip : trip + 2].tolist()
    charges = [
        Charge(at, metres)
        for at, metres in zip(
            corridors.stop_m[first:last].tolist(), trips.charge_m[first:last].tolist(), strict=True
        )
        if metres
    ]
    return drive(
        build_battery(corridors, trip),
        there=int(corridors.there_m[trip]),
        tour=int(corridors.tour_m[trip]),
        charges=charges,
    )


def evaluate_joint(
    instance: SitingInstance,
    decision: Decision,
    corridors: CorridorInstance,
    trips: TripPlan,
    *,
    tolerance: float = 1e-6,
) -> Evaluation:
    """Recompute what city and trips come to together, without any solver.

    Parameters
    ----------
    instance, decision
        The city's part.
    corridors, trips
        The trips' part; every one that is covered is driven again, there and back.
    tolerance
        As in `siting.instance.evaluate`.

    Returns
    -------
    Evaluation
        What sites and stations supply includes the trips' energy; what demand points are served
        does not.
    """
    city = evaluate(instance, decision, tolerance=tolerance)
    taken = compute_trip_energy(corridors, trips, n_supply=instance.n_supply)
    supplied = city.supplied_kwh_per_day + taken
    capacity = compute_capacity(instance, decision.tier_of_site)
    ids = instance.site_ids + instance.station_ids
    over = supplied.sum(axis=1) > capacity + tolerance * np.maximum(1.0, capacity)
    is_closed = np.zeros(instance.n_supply, dtype=bool)
    is_closed[: instance.n_site] = decision.tier_of_site == CLOSED
    not_usable = ((taken > 0) & ~instance.usable).any(axis=1)
    return replace(
        city,
        objective_kwh_per_day=city.objective_kwh_per_day + compute_trip_worth(corridors, trips),
        supplied_kwh_per_day=supplied,
        violations=(
            *city.violations,
            *(f"over capacity with its trips: {ids[j]}" for j in np.flatnonzero(over)),
            *(
                f"charges trips but is closed: {ids[j]}"
                for j in np.flatnonzero((taken.sum(axis=1) > 0) & is_closed)
            ),
            *(
                f"charges a brand's trips that may not charge there: {ids[j]}"
                for j in np.flatnonzero(not_usable)
            ),
            *_trip_violations(corridors, trips),
        ),
    )


def _trip_violations(corridors: CorridorInstance, trips: TripPlan) -> Iterator[str]:
    beyond = trips.covered_per_day > corridors.cars_per_day * (1 + 1e-9) + 1e-9
    for q in range(corridors.n_trip):
        name = f"trip {corridors.origin[q]} – {corridors.destination[q]}"
        if beyond[q].any() or (trips.covered_per_day[q] < 0).any():
            yield f"{name}: covers other cars than there are"
        if trips.covered_per_day[q].any():
            _, fault = drive_trip(corridors, trips, q)
            if fault is not None:
                yield f"{name}: {fault}"
