"""The joint model: trips solved by hand, and every small network against driving it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest

from siting.corridors.evaluation import evaluate_joint
from siting.corridors.instance import compute_trip_energy
from siting.corridors.solve import cover_today, solve_joint
from siting.domain import SolveStatus
from siting.instance import CLOSED
from siting.optimise.result import SolveOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeTrips
    from siting.corridors.instance import CorridorInstance
    from siting.corridors.solve import JointResult
    from siting.instance import SitingInstance

EXACT = SolveOptions(gap=0.0, n_threads=1)


def solve(sites: SitingInstance, trips: CorridorInstance) -> JointResult:
    result = solve_joint(sites, trips, options=EXACT)
    assert result.solve.status is SolveStatus.OPTIMAL
    assert result.solve.decision is not None
    assert result.trips is not None
    evaluation = evaluate_joint(sites, result.solve.decision, trips, result.trips)
    assert evaluation.violations == ()
    assert evaluation.objective_kwh_per_day == pytest.approx(result.solve.objective, abs=1e-6)
    return result


def opened(result: JointResult) -> list[int]:
    assert result.solve.decision is not None
    return np.flatnonzero(result.solve.decision.tier_of_site != CLOSED).tolist()


# A 120 km path, range 100 km, half full at home and back there:
#
#   km 0 (0)      40 (1)      60 (2)      80 (3)     120 (4)
#
# One site cannot do: home to destination and back is 240 km, 50 + 100 + ... From 1 the battery
# reaches km 120 with 20 left, not back to 1; from 3 it gets there and back, but 3 is out of reach
# of home (50 km). So two: 1 for the way out and home, 3 for there and back.
ALONG = [(0, 0), (40, 1), (60, 2), (80, 3), (120, 4)]


def test_a_path_solved_by_hand(made: type[MadeTrips]) -> None:
    trips = made.trips([made.path(10, 120, ALONG)])
    for most, covered in ((1, 0.0), (2, 10.0)):
        result = solve(made.sites(5, max_sites=most), trips)
        assert result.trips is not None
        assert result.trips.covered_per_day.sum() == covered
    assert opened(result) in ([1, 3], [0, 3], [0, 4], [1, 4])
    # It drives 240 km, and comes home as full as it left: 240 km are charged on the way.
    assert result.trips is not None
    assert result.trips.charge_m.sum() == 240_000


def test_an_arc_longer_than_a_full_battery_is_never_covered(made: type[MadeTrips]) -> None:
    # A site at either end; a single arc of 101 km, twice what half a battery drives and a bit.
    ends = [(0, 0), (101, 1)]
    result = solve(made.sites(2), made.trips([made.path(10, 101, ends)]))
    assert result.trips is not None
    assert result.trips.covered_per_day.sum() == 0
    assert opened(result) == []


def test_an_arc_as_long_as_a_full_battery_takes_a_site_at_either_end(made: type[MadeTrips]) -> None:
    trips = made.trips([made.path(10, 100, [(0, 0), (100, 1)])])
    assert opened(solve(made.sites(2), trips)) == [0, 1]
    one = solve(made.sites(2, max_sites=1), trips)
    assert opened(one) == []


def test_a_trip_within_what_is_brought_from_home_needs_no_site(made: type[MadeTrips]) -> None:
    trips = made.trips([made.path(10, 25, [(0, 0)])], start=1.0, arrival=0.0)
    result = solve(made.sites(1), trips)
    assert opened(result) == []
    assert result.solve.objective == 10.0


@pytest.mark.parametrize(("reserve", "covered"), [(0.10, 10.0), (0.11, 0.0)])
def test_the_reserve_shortens_every_arc(
    made: type[MadeTrips], reserve: float, covered: float
) -> None:
    # 100 km range, a site at km 40: home to site 40, site to destination and back 2 x 45 = 90.
    trips = made.trips([made.path(10, 85, [(40, 0)])], start=0.8, arrival=0.2, reserve=reserve)
    sites = made.sites(1)
    trips_less = made.trips([made.path(10, 85, [(40, 0)])], start=0.8, arrival=0.0, reserve=reserve)
    # With arrival 0.2 the destination asks 20 km, which 100 - 45 = 55 gives; back at the site 10.
    for asked in (trips, trips_less):
        result = solve(sites, asked)
        assert result.trips is not None
        assert result.trips.covered_per_day.sum() == covered


def test_a_site_is_as_large_as_the_energy_it_gives(made: type[MadeTrips]) -> None:
    # Ten cars take 240 km x 0.2 = 48 kWh each: 480 kWh a day over two sites.
    trips = made.trips([made.path(10, 120, ALONG)])
    for kwh, covered in ((240.0, 10.0), (120.0, 5.0)):
        result = solve(made.sites(5, max_sites=2, tiers=[(1.0, kwh)]), trips)
        assert result.trips is not None
        assert result.trips.covered_per_day.sum() == pytest.approx(covered, rel=1e-3)
    larger = [(1.0, 120.0), (1.5, 250.0)]
    result = solve(made.sites(5, budget_cny=3.0, max_sites=2, tiers=larger), trips)
    assert result.solve.decision is not None
    assert sorted(result.solve.decision.tier_of_site.tolist()) == [-1, -1, -1, 1, 1]


def test_city_and_trips_share_a_site_and_a_budget(made: type[MadeTrips]) -> None:
    # Site 1 has 480 kWh; the city beside it wants 100, the trip (worth 1 a car) takes 240 of it.
    trips = made.trips([made.path(10, 120, ALONG)])
    sites = made.sites(5, budget_cny=2.0, tiers=[(1.0, 300.0)], demand=[(100.0, 1)])
    result = solve(sites, trips)
    assert result.trips is not None
    assert 1 in opened(result)
    supplied = compute_trip_energy(trips, result.trips, n_supply=5)[:, 0]
    assert result.solve.decision is not None
    assert supplied[1] + result.solve.decision.flow_kwh_per_day.sum() <= 300.0 + 1e-6
    # With money for one site only the city is served: no single site makes the trip possible.
    one = solve(sites.replace(requirements=sites.requirements.replace(budget_cny=1.0)), trips)
    assert one.solve.objective == 100.0


def test_stations_that_stand_cover_trips_today(made: type[MadeTrips]) -> None:
    trips = made.trips([made.path(10, 120, [(40, 2), (80, 3), (60, 0), (100, 1)])])
    sites = made.sites(2, stations=[1e6, 1e6])
    assert cover_today(sites, trips, options=EXACT).covered_per_day.sum() == 10
    fewer = made.sites(2, stations=[1e6, 0.0])
    assert cover_today(fewer, trips, options=EXACT).covered_per_day.sum() == 0


@pytest.mark.parametrize("seed", range(12))
def test_small_networks_are_as_good_as_trying_every_set_of_sites(
    made: type[MadeTrips], driven: Callable[..., bool], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n, p = 8, int(rng.integers(1, 5))
    tree = nx.random_labeled_tree(n, seed=seed)
    graph = nx.Graph(tree.edges)
    graph.add_edges_from(rng.integers(0, n, (4, 2)).tolist())
    graph.remove_edges_from(list(nx.selfloop_edges(graph)))
    for edge in graph.edges:
        graph.edges[edge]["km"] = int(rng.integers(5, 60))
    flows = {
        pair: float(rng.integers(1, 20)) for pair in combinations(range(n), 2) if rng.random() < 0.6
    }
    paths = [
        path._replace(range_km=float(rng.choice([60, 100, 150])))
        for path in made.paths(graph, flows, range_km=100)
    ]
    rules = {
        "start": float(rng.choice([0.5, 0.9, 1.0])),
        "full": float(rng.choice([0.8, 1.0])),
        "reserve": float(rng.choice([0.0, 0.1])),
        "arrival": float(rng.choice([0.0, 0.2, 0.5])),
    }
    trips = made.trips(paths, **rules)
    best = max(
        sum(trips.cars[q] for q in range(trips.n_trip) if driven(trips, q, chosen))
        for chosen in combinations(range(n), p)
    )
    result = solve(made.sites(n, max_sites=p), trips)
    assert result.solve.objective == pytest.approx(best)
