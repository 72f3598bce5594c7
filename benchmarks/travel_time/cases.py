"""The cases: roads, demand and sites, laid out once as plain arrays for every engine alike.

python cases.py CASE CASE.npz
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from made_roads import BLOCK_M, make_roads

from siting.inputs.roads import read_compact_roads
from siting.network.road_network import RoadNetwork, build_road_network
from siting.network.snapping import Snapped

if TYPE_CHECKING:
    from siting.domain import IntArray
    from siting.inputs.roads import RoadTable

REPOSITORY = Path(__file__).parents[2]
WUHAN = REPOSITORY / "data/wuhan/roads.npz"
SHENZHEN = REPOSITORY.parent / "shared/data/shenzhen/roads_drive.graphml"
MADE_NODES = {"100k": 100_000, "400k": 400_000, "1M": 1_000_000, "5M": 5_000_000}
WINDOW_M = BLOCK_M * MADE_NODES["100k"] ** 0.5


class Size(NamedTuple):
    """How many points, and where."""

    n_demand: int
    n_site: int
    in_window: bool


SIZES = {
    "A": Size(20_000, 2_000, in_window=False),
    "B": Size(100_000, 5_000, in_window=False),
    # All points in a window as large as the 100k network: much the same answer in any network.
    "W": Size(20_000, 2_000, in_window=True),
}
CASES = tuple(f"{name}-{size}" for name in ("wuhan", "shenzhen", *MADE_NODES) for size in SIZES)


def find_missing(case: str) -> str:
    """Say why a case cannot be run here; empty if it can."""
    if case.startswith("shenzhen") and not SHENZHEN.is_file():
        return "the Shenzhen roads lie beside the repository (../shared) and are not here"
    return ""


def write_case(case: str, path: Path) -> None:
    """Write everything an engine needs: segments with nodes in Hilbert order, and the points."""
    name, size = case.split("-")
    n_demand, n_site, in_window = SIZES[size]
    network = build_road_network(_load_roads(name))
    demand = _place_points(network, n_demand, seed=1, in_window=in_window)
    sites = _place_points(network, n_site, seed=2, in_window=in_window)
    np.savez(
        path,
        n_node=network.n_node,
        node_x_m=network.node_x_m,
        node_y_m=network.node_y_m,
        segment_from=network.segment_from,
        segment_to=network.segment_to,
        forward_s=network.segment_forward_s,
        backward_s=network.segment_backward_s,
        demand_segment=demand.segment,
        demand_fraction=demand.fraction,
        demand_node=_nodes_of(network, demand),
        site_segment=sites.segment,
        site_fraction=sites.fraction,
        site_node=_nodes_of(network, sites),
    )


def _load_roads(name: str) -> RoadTable:
    if name == "wuhan":
        return read_compact_roads(WUHAN)
    if name == "shenzhen":
        from siting.network.osmnx_graph import read_graphml_roads  # noqa: PLC0415 - slow to import

        return read_graphml_roads(SHENZHEN)
    return make_roads(MADE_NODES[name])


def _place_points(network: RoadNetwork, count: int, *, seed: int, in_window: bool) -> Snapped:
    """Place points at ends of the main component's segments: every engine knows nodes."""
    allowed = network.segment_is_main
    if in_window:
        for at_m in (network.node_x_m, network.node_y_m):
            middle_m = (at_m.min() + at_m.max()) / 2
            near = np.abs(at_m - middle_m) <= WINDOW_M / 2
            allowed = allowed & near[network.segment_from]
    rng = np.random.default_rng(seed)
    return Snapped(
        segment=rng.choice(np.flatnonzero(allowed), count),
        fraction=rng.integers(0, 2, count),
        distance_m=np.zeros(count),
        problem=np.zeros(count),
    )


def _nodes_of(network: RoadNetwork, points: Snapped) -> IntArray:
    tail, head = network.segment_from[points.segment], network.segment_to[points.segment]
    return np.where(points.fraction == 1.0, head, tail).astype(np.int32)


if __name__ == "__main__":
    write_case(sys.argv[1], Path(sys.argv[2]))
