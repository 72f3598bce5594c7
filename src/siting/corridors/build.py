"""From a case with trips to what the solver sees of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.case import build_network
from siting.corridors.instance import CorridorInstance
from siting.corridors.paths import build_path_graph
from siting.domain import METRES_PER_KM
from siting.errors import Fault, InputError
from siting.network.snapping import snap_to_roads
from siting.study import energy_by_brand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.case import SitingCase
    from siting.corridors.paths import PathGraph, RoadPath
    from siting.domain import BoolArray
    from siting.inputs.trips import TripTable


class Fleet(NamedTuple):
    """Brands whose cars are alike on the road: range, consumption, and who may charge where."""

    brands: tuple[int, ...]
    range_m: int
    kwh_per_km: float
    usable: BoolArray


class _Tour(NamedTuple):
    """A tour there and back in whole metres, with every site and station that it passes."""

    there_m: int
    tour_m: int
    stops: list[tuple[int, int]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Corridors:
    """A case's trips: the instance, and what is needed to show it.

    Attributes
    ----------
    instance
        What the solver sees.
    row
        (n_trip,) row of the table of trips of each trip.
    notices
        What lies off the roads.
    """

    instance: CorridorInstance
    row: tuple[int, ...]
    notices: tuple[Fault, ...]


def build_corridors(case: SitingCase, table: TripTable) -> Corridors:
    """Find the paths of a case's trips and the sites on them.

    Parameters
    ----------
    case
        Roads, sites and stations.
    table
        Its trips.

    Raises
    ------
    InputError
        If no trip can be driven on the roads.
    """
    network, _ = build_network(case.study, case.roads)
    parts = (table.places, case.candidates, case.stations)
    lon, lat = (
        np.concatenate([getattr(part.geometry, axis).to_numpy() for part in parts])
        for axis in ("x", "y")
    )
    points = snap_to_roads(network, lon, lat, max_distance_m=case.study.access.max_snap_m)
    graph = build_path_graph(network, points)
    n_place = len(table.places)
    number = {place: k for k, place in enumerate(table.places["place_id"])}
    pairs = [
        (number[a], number[b])
        for a, b in zip(table.frame["origin"], table.frame["destination"], strict=True)
    ]
    there = graph.find_paths(pairs)
    back = graph.find_paths([(b, a) for a, b in pairs])
    tours = [
        None if go is None or come is None else _join(graph, go, come, n_place)
        for go, come in zip(there, back, strict=True)
    ]
    lost = sum(tour is None for tour in tours)
    if lost == len(tours):
        what = "no trip can be driven: no road leads from place to place"
        raise InputError([Fault(what=what, remedy="check that the roads join the places")])
    notices = [
        Fault(
            what=f"{lost:,} of {len(tours):,} trips cannot be driven there and back on the roads",
            remedy="check the places' coordinates, or that the roads join them",
        )
    ]
    fleets = find_fleets(case)
    cars = table.frame[[f"cars_{brand}_per_day" for brand in case.instance.brands]].to_numpy()
    rows = [
        (q, tour, fleet)
        for q, tour in enumerate(tours)
        for fleet in fleets
        if tour is not None and cars[q, list(fleet.brands)].sum() > 0
    ]
    rules = case.study.corridors
    range_m = np.array([fleet.range_m for *_, fleet in rows], dtype=np.int64)
    stops = [[(at, j) for at, j in tour.stops if fleet.usable[j]] for _, tour, fleet in rows]
    every = [stop for of_trip in stops for stop in of_trip]
    brands = np.arange(len(case.instance.brands))
    instance = CorridorInstance(
        brands=case.instance.brands,
        origin=tuple(table.frame["origin"].iloc[q] for q, *_ in rows),
        destination=tuple(table.frame["destination"].iloc[q] for q, *_ in rows),
        cars_per_day=np.array(
            [np.where(np.isin(brands, fleet.brands), cars[q], 0.0) for q, _, fleet in rows]
        ).reshape(len(rows), brands.size),
        kwh_per_km=np.array([fleet.kwh_per_km for *_, fleet in rows]),
        there_m=np.array([tour.there_m for _, tour, _ in rows], dtype=np.int64),
        tour_m=np.array([tour.tour_m for _, tour, _ in rows], dtype=np.int64),
        range_m=range_m,
        start_m=np.floor(rules.start * range_m),
        full_m=np.floor(rules.charge_to * range_m),
        reserve_m=np.ceil(rules.reserve * range_m),
        arrival_m=np.ceil(rules.arrival * range_m),
        stop_start=np.cumsum([0, *map(len, stops)]),
        stop_supply=np.array([j for _, j in every], dtype=np.int32),
        stop_m=np.array([at for at, _ in every], dtype=np.int64),
        worth_kwh=rules.trip_worth_kwh,
    )
    return Corridors(
        instance=instance,
        row=tuple(q for q, *_ in rows),
        notices=tuple(notices) if lost else (),
    )


def find_fleets(case: SitingCase) -> list[Fleet]:
    """Return the brands of a case gathered by what their cars can do and where they may charge."""
    energy = energy_by_brand(case.study)
    fleets: dict[tuple[int, float, bytes], list[int]] = {}
    for b, brand in enumerate(case.study.brands):
        range_m = int((brand.range_km or 0.0) * METRES_PER_KM)
        key = (range_m, energy[brand.id].kwh_per_km, case.instance.usable[:, b].tobytes())
        fleets.setdefault(key, []).append(b)
    return [
        Fleet(tuple(brands), range_m, kwh, case.instance.usable[:, brands[0]])
        for (range_m, kwh, _), brands in fleets.items()
    ]


def _join(graph: PathGraph, there: RoadPath, back: RoadPath, n_place: int) -> _Tour:
    """Join the way there and the way back to a tour in whole metres."""
    go_m, come_m = (np.rint(way.at_m).astype(np.int64) for way in (there, back))
    there_m = int(go_m[-1])
    stops = [
        (offset + int(at), j)
        for way, at_m, offset in ((there, go_m, 0), (back, come_m, there_m))
        for at, j in _stops(graph, way, at_m.tolist(), n_place)
    ]
    # A site at the destination is passed once, though both ways end there.
    return _Tour(there_m, there_m + int(come_m[-1]), sorted(set(stops)))


def _stops(
    graph: PathGraph, way: RoadPath, at_m: list[int], n_place: int
) -> Iterator[tuple[int, int]]:
    supply_node = graph.node_of_point[n_place:]
    order = np.argsort(supply_node, kind="stable")
    for node, at in zip(way.nodes.tolist(), at_m, strict=True):
        low, high = np.searchsorted(supply_node[order], [node, node + 1])
        for j in order[low:high].tolist():
            yield at, j
