"""The 25-node network of the flow-refuelling literature, against driving every set of sites.

Simchi-Levi and Berman (1988), Hodgson (1990), Kuby and Lim (2005): arcs and weights as the public
repository optboy/FRLMwCT carries them (instance/25NODE). Flows by gravity, weight times weight over
distance to the power 1.5, as that repository has them. The papers' own tables of covered flow could
not be found to compare with; the optimum is found here by trying all sets of sites.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest

from siting.corridors.evaluation import evaluate_joint
from siting.corridors.solve import solve_joint
from siting.domain import SolveStatus
from siting.optimise.result import SolveOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeTrips

# length, from, to
ARCS = """
4 1 2, 4 1 5, 3 2 3, 4 2 4, 4 3 4, 4 3 9, 3 4 5, 5 4 7, 5 4 8, 7 4 9, 5 5 6, 5 5 7, 3 6 7, 3 7 8,
8 7 11, 9 7 12, 6 8 9, 6 8 10, 7 8 11, 7 8 13, 6 9 10, 6 10 13, 3 10 14, 2 11 12, 3 11 13, 7 11 16,
4 12 15, 4 12 16, 7 13 14, 4 13 19, 7 14 19, 2 14 21, 4 14 22, 4 15 16, 4 16 17, 3 17 18, 3 17 19,
3 18 20, 3 19 20, 2 20 21, 3 22 23, 3 23 24, 8 24 25
"""
WEIGHTS = [50, 82, 23, 50, 23, 3, 7, 61, 13, 52, 13, 52, 5, 59, 17, 22, 38, 104, 70, 36, 18, 73]
WEIGHTS += [11, 134, 2]


@pytest.mark.parametrize(("range_km", "n_site"), [(4, 2), (8, 2), (12, 1), (12, 2)])
def test_the_optimum_is_that_of_trying_all(
    made: type[MadeTrips], driven: Callable[..., bool], range_km: int, n_site: int
) -> None:
    graph = nx.Graph()
    for arc in ARCS.replace("\n", " ").split(","):
        km, a, b = map(int, arc.split())
        graph.add_edge(a - 1, b - 1, km=km)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (25, 43)
    km = dict(nx.all_pairs_dijkstra_path_length(graph, weight="km"))
    flows = {
        (a, b): round(WEIGHTS[a] * WEIGHTS[b] / km[a][b] ** 1.5, 3)
        for a, b in combinations(range(25), 2)
    }
    assert len(flows) == 300
    trips = made.trips(made.paths(graph, flows, range_km=range_km))
    sites = made.sites(25, max_sites=n_site)
    result = solve_joint(sites, trips, options=SolveOptions(gap=1e-6, n_threads=1))
    assert result.solve.status is SolveStatus.OPTIMAL
    assert result.solve.decision is not None
    assert result.trips is not None
    check = evaluate_joint(sites, result.solve.decision, trips, result.trips)
    assert check.violations == ()
    stops = [set(at.tolist()) for at in np.split(trips.stop_supply, trips.stop_start[1:-1])]
    best = max(
        sum(
            trips.cars[q]
            for q in range(trips.n_trip)
            if not stops[q].isdisjoint(chosen) and driven(trips, q, chosen)
        )
        for chosen in combinations(range(25), n_site)
    )
    assert best > 0
    assert result.solve.objective == pytest.approx(best, rel=1e-6)
