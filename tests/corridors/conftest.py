"""Trips on small networks, and the sites on their paths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import networkx as nx
import numpy as np
import pytest

from siting.corridors.evaluation import build_battery
from siting.corridors.instance import CorridorInstance
from siting.instance import SitingInstance, no_requirements
from siting.verify.battery import can_be_driven

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sequence

KM = 1000


class Path(NamedTuple):
    """A trip along a path: cars a day, and where along it (km) which supply stands."""

    cars: float
    length_km: float
    stops: Sequence[tuple[float, int]]
    range_km: float = 100.0


def build_trips(
    paths: Iterable[Path],
    *,
    start: float = 0.5,
    full: float = 1.0,
    reserve: float = 0.0,
    arrival: float = 0.5,
    kwh_per_km: float = 0.2,
    worth_kwh: float = 1.0,
) -> CorridorInstance:
    """Build trips of one brand, back the way they came; the FRLM's half-full rules unless told."""
    paths = list(paths)
    tours = []
    for path in paths:
        there = round(path.length_km * KM)
        at = sorted((round(km * KM), j) for km, j in path.stops)
        back = [(2 * there - m, j) for m, j in reversed(at) if m < there]
        tours.append([*at, *back])
    range_m = np.array([round(path.range_km * KM) for path in paths])
    return CorridorInstance(
        brands=("ant",),
        origin=tuple(f"from{q}" for q in range(len(paths))),
        destination=tuple(f"to{q}" for q in range(len(paths))),
        cars_per_day=np.array([[path.cars] for path in paths]),
        kwh_per_km=np.full(len(paths), kwh_per_km),
        there_m=np.array([round(path.length_km * KM) for path in paths]),
        tour_m=np.array([2 * round(path.length_km * KM) for path in paths]),
        range_m=range_m,
        start_m=np.floor(start * range_m),
        full_m=np.floor(full * range_m),
        reserve_m=np.ceil(reserve * range_m),
        arrival_m=np.ceil(arrival * range_m),
        stop_start=np.cumsum([0, *(len(tour) for tour in tours)]),
        stop_supply=np.array([j for tour in tours for _, j in tour], dtype=np.int32),
        stop_m=np.array([m for tour in tours for m, _ in tour], dtype=np.int64),
        worth_kwh=worth_kwh,
    )


def build_sites(
    n_site: int,
    *,
    budget_cny: float = math.inf,
    max_sites: int | None = None,
    tiers: Sequence[tuple[float, float]] = ((1.0, 1e9),),
    stations: Sequence[float] = (),
    demand: Sequence[tuple[float, int]] = (),
    floor: float = 0.0,
) -> SitingInstance:
    """Build sites with (cost, capacity) tiers, stations by capacity, demand next to one supply."""
    n_tier, n_supply = len(tiers), n_site + len(stations)
    req = no_requirements(n_site=n_site, n_brand=1, budget_cny=budget_cny).replace(
        max_sites=max_sites, floor_by_brand=np.array([floor])
    )
    return SitingInstance(
        brands=("ant",),
        demand_ids=tuple(f"demand{i}" for i in range(len(demand))),
        demand_kwh_per_day=np.array([[kwh] for kwh, _ in demand]).reshape(-1, 1),
        demand_district=np.full(len(demand), -1),
        site_ids=tuple(f"site{j}" for j in range(n_site)),
        site_district=np.full(n_site, -1),
        station_ids=tuple(f"station{j}" for j in range(len(stations))),
        district_ids=(),
        tiers=tuple(f"tier{k}" for k in range(n_tier)),
        tier_cost_cny=np.tile([cost for cost, _ in tiers], (n_site, 1)),
        tier_power_kw=np.tile([kwh for _, kwh in tiers], (n_site, 1)),
        tier_capacity_kwh_per_day=np.tile([kwh for _, kwh in tiers], (n_site, 1)),
        tier_allowed=np.ones((n_site, n_tier), dtype=bool),
        station_capacity_kwh_per_day=np.array(stations, dtype=np.float64),
        usable=np.ones((n_supply, 1), dtype=bool),
        cover_start=np.arange(len(demand) + 1),
        cover_supply=np.array([j for _, j in demand], dtype=np.int32),
        cover_time_s=np.zeros(len(demand)),
        cover_worth=np.ones(len(demand)),
        requirements=req,
    )


def find_paths(
    graph: nx.Graph[int], flows: dict[tuple[int, int], float], *, range_km: float
) -> list[Path]:
    """Return a trip for each flow along its shortest path, every node a site."""
    paths = []
    for (a, b), cars in flows.items():
        nodes = nx.shortest_path(graph, a, b, weight="km")
        km = np.cumsum([0.0, *(graph.edges[u, v]["km"] for u, v in nx.utils.pairwise(nodes))])
        stops = list(zip(km.tolist(), nodes, strict=True))
        paths.append(Path(cars, float(km[-1]), stops, range_km))
    return paths


class MadeTrips:
    """What the tests of this folder build with."""

    path = Path
    trips = staticmethod(build_trips)
    sites = staticmethod(build_sites)
    paths = staticmethod(find_paths)


@pytest.fixture(scope="session")
def made() -> type[MadeTrips]:
    return MadeTrips


def is_driven(trips: CorridorInstance, q: int, chosen: Container[int]) -> bool:
    """Whether a trip can be driven with a full charge wherever it can."""
    first, last = trips.stop_start[q : q + 2]
    stops = zip(
        trips.stop_m[first:last].tolist(), trips.stop_supply[first:last].tolist(), strict=True
    )
    return can_be_driven(
        build_battery(trips, q),
        there=int(trips.there_m[q]),
        tour=int(trips.tour_m[q]),
        stops=list(stops),
        is_open=chosen.__contains__,
    )


@pytest.fixture(scope="session")
def driven() -> Callable[[CorridorInstance, int, Container[int]], bool]:
    return is_driven
