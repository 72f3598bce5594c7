"""Contraction leaves every travel time in the core as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from siting.domain import Direction
from siting.network.contraction import BLOCK_NODES, SLOTS, build_core
from siting.network.road_network import build_arcs
from siting.network.travel_time import compute_travel_times

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.network.contraction import Core
    from siting.network.road_network import Arcs, RoadNetwork
    from siting.network.search import Graph
    from siting.network.snapping import Snapped

    Ints = np.ndarray[Any, np.dtype[np.int32]]
    Floats = np.ndarray[Any, np.dtype[np.float64]]


def grid_arcs(side: int, seed: int, *, hubs: int = 0) -> tuple[Arcs, Arcs]:
    """Build streets on a grid, some missing, some one-way, some doubled; and nodes of many arms."""
    rng = np.random.default_rng(seed)
    number = np.arange(side * side).reshape(side, side)
    tail = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    head = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    kept = rng.random(tail.size) < 0.8
    tail, head = tail[kept], head[kept]
    hub = rng.choice(side * side, hubs, replace=False)
    tail = np.concatenate([tail, np.repeat(hub, 2 * SLOTS)]).astype(np.int32)
    head = np.concatenate([head, rng.integers(0, side * side, hubs * 2 * SLOTS)]).astype(np.int32)
    # Whole seconds, so that many ways are equally long.
    there, back = rng.integers(0, 20, (2, tail.size)).astype(float)
    there[rng.random(tail.size) < 0.2] = np.inf
    back[rng.random(tail.size) < 0.2] = np.inf
    return build_arcs(side * side, tail, head, there, back)


def all_times(start: Ints, head: Ints, time_s: Floats, sources: Ints) -> Floats:
    n_node = start.size - 1
    # Explicit zeros are arcs of no time; a tiny time keeps that certain.
    graph = csr_array((np.maximum(time_s, 1e-9), head, start), shape=(n_node, n_node))
    return dijkstra(graph, indices=sources)


def core_times(core: Core, graph: Graph, sources: Ints) -> Floats:
    return all_times(graph.start, graph.head.astype(np.int32), graph.time_s, sources)[
        :, : core.n_core
    ]


@pytest.mark.parametrize(("side", "hubs"), [(30, 0), (60, 5), (100, 3)])
@pytest.mark.parametrize("outward", [True, False])
def test_core_keeps_the_times(side: int, hubs: int, *, outward: bool) -> None:
    forward, reverse = grid_arcs(side, seed=side, hubs=hubs)
    core = build_core(forward, reverse, threads=1)
    assert 0 < core.n_core < 0.5 * side * side
    assert sorted(core.number.tolist()) == list(range(side * side))
    old = np.empty(side * side, dtype=np.int32)
    old[core.number] = np.arange(side * side)
    assert (np.diff(old[: core.n_core]) > 0).all()
    sources = np.arange(0, core.n_core, max(1, core.n_core // 40))
    arcs = forward if outward else reverse
    whole = all_times(arcs.start, arcs.head, arcs.time_s, old[sources])[:, old[: core.n_core]]
    found = core_times(core, core.graph(outward=outward, threads=1), sources)
    np.testing.assert_allclose(found, whole, atol=1e-5)


def test_nodes_of_many_arms_stay() -> None:
    forward, reverse = grid_arcs(40, seed=1, hubs=4)
    degree = np.diff(forward.start) + np.diff(reverse.start)
    core = build_core(forward, reverse, threads=1)
    assert (core.number[degree > SLOTS] < core.n_core).all()


def test_a_street_without_crossings_vanishes() -> None:
    n_node = 50
    tail = np.arange(n_node - 1, dtype=np.int32)
    time_s = np.ones(n_node - 1)
    core = build_core(*build_arcs(n_node, tail, tail + 1, time_s, time_s), threads=1)
    assert core.n_core <= n_node // 10


def test_arcs_do_not_depend_on_threads() -> None:
    rng = np.random.default_rng(3)
    ends = rng.integers(0, 60, (2, 400))  # many parallels, some loops
    time_s = np.where(rng.random((2, 400)) < 0.2, np.inf, rng.uniform(1, 9, (2, 400)))
    one, two = (build_arcs(60, *ends, *time_s, threads=threads) for threads in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.start, b.start)
        np.testing.assert_array_equal(a.head, b.head)
        np.testing.assert_array_equal(a.time_s, b.time_s)


def test_blocks_do_not_depend_on_threads() -> None:
    forward, reverse = grid_arcs(300, seed=5)
    assert forward.start.size > 4 * BLOCK_NODES
    one, two = (build_core(forward, reverse, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.number, two.number)
    arcs, same_arcs = (one.graph(outward=True, threads=threads) for threads in (1, 2))
    for a, b in zip((*arcs, *one.up), (*same_arcs, *two.up), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("direction", Direction)
def test_times_over_many_blocks_equal_scipy(
    make_network: Callable[..., RoadNetwork],
    on: Callable[..., Snapped],
    reference_times: Callable[..., Any],
    direction: Direction,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(11)
    side = 110
    assert side * side > BLOCK_NODES
    number = np.arange(side * side).reshape(side, side)
    pairs = [
        *zip(number[:, :-1].ravel(), number[:, 1:].ravel(), strict=True),
        *zip(number[:-1].ravel(), number[1:].ravel(), strict=True),
    ]
    rows = [
        (a, b, rng.uniform(50, 200), 36, rng.choice([0.0, 18.0, 36.0]))
        for a, b in pairs
        if rng.random() < 0.75
    ]
    at = [(100.0 * (k % side), 100.0 * (k // side)) for k in range(side * side)]
    network = make_network(at, rows)
    n_segment = network.n_segment
    demand = on(*zip(rng.integers(0, n_segment, 150), rng.random(150), strict=True))
    sites = on(*zip(rng.integers(0, n_segment, 40), rng.random(40), strict=True))
    monkeypatch.setattr("siting.network.many_to_many.CORE_FROM_NODES", 0)
    monkeypatch.setattr("siting.network.many_to_many.CORE_FROM_TIMES", 0)
    times = compute_travel_times(
        network, demand, sites, cutoff_s=300.0, direction=direction, dtype=np.float64
    )
    expected = reference_times(network, demand, sites, cutoff_s=300.0, direction=direction)
    dense = np.full(expected.shape, np.inf)
    dense[np.repeat(np.arange(demand.n_point), np.diff(times.start)), times.site] = times.time_s
    assert times.n_pair > 100
    np.testing.assert_allclose(dense, expected, atol=1e-6)
