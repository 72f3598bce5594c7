"""One engine on one case, in a process of its own; prints what it took as JSON.

Every engine gets the same segments with nodes in Hilbert order, demand and sites at nodes, and is
asked for every pair with a drive to the site of at most ten minutes. What an engine must build of
the segments before it can search counts as preparing. Memory is the peak above what the process
held with the case loaded and everything imported and compiled. An engine that would take longer
than its budget is asked for a sample of the sites, spread evenly.

``python engines.py ENGINE CASE.npz REFERENCE.npz BUDGET_S``
"""

from __future__ import annotations

import json
import resource
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from pyproj import Transformer
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from siting.domain import Direction
from siting.network import many_to_many
from siting.network.road_network import RoadNetwork, build_arcs
from siting.network.snapping import Snapped
from siting.network.travel_time import TravelTimes, compute_travel_times

CUTOFF_S = 600.0
SCIPY_CHUNK_BYTES = 256_000_000
BLOCK_SITES = 64
PROBE_SITES = 10
WARM_NODES, WARM_POINTS = 500, 20
SAME_S = 1e-6

Array = Any
Case = dict[str, Any]


class Pairs(NamedTuple):
    """Pairs of demand and site within the cutoff, in any order; sites by number in the case."""

    demand: Array
    site: Array
    time_s: Array


class Engine(ABC):
    """What prepares a case, and then searches it from some of its sites."""

    def __init__(self, case: Case) -> None:
        """Build what the engine searches in."""
        self.case = case

    @abstractmethod
    def search(self, sites: Array) -> Any:  # noqa: ANN401 - what the engine answers with
        """Find all pairs of these sites."""

    def unroll(self, found: Any, sites: Array) -> Pairs:  # noqa: ANN401, ARG002 - as `search`
        """Give the answer the form of pairs; not measured."""
        return found


# --------------------------------------------------------------------------- siting


class Siting(Engine):
    """The public function, on a network of the bare arcs."""

    threads = 1
    dtype: Any = np.float32

    def __init__(self, case: Case) -> None:
        """Build the arcs, both ways round, in the shell of a road network."""
        ends_and_times = ("segment_from", "segment_to", "forward_s", "backward_s")
        forward, reverse = build_arcs(
            int(case["n_node"]), *(case[key] for key in ends_and_times), threads=self.threads
        )
        nothing = np.empty(0)
        super().__init__(case)
        self.network = RoadNetwork(
            crs_epsg=32650,
            node_x_m=case["node_x_m"],
            node_y_m=case["node_y_m"],
            table_node=nothing,
            segment_from=case["segment_from"],
            segment_to=case["segment_to"],
            segment_length_m=nothing,
            segment_forward_s=case["forward_s"],
            segment_backward_s=case["backward_s"],
            shape_start=nothing,
            shape_x_m=nothing,
            shape_y_m=nothing,
            forward=forward,
            reverse=reverse,
            weak_component=nothing,
            strong_component=nothing,
            _transformer=Transformer.from_crs(4326, 32650),
        )

    def search(self, sites: Array) -> TravelTimes:
        """Ask for all sites at once."""
        return compute_travel_times(
            self.network,
            self._snapped("demand", slice(None)),
            self._snapped("site", sites),
            cutoff_s=CUTOFF_S,
            direction=Direction.TO_SITE,
            dtype=self.dtype,
            threads=self.threads,
        )

    def unroll(self, found: TravelTimes, sites: Array) -> Pairs:
        """Say of which demand each row is."""
        demand = np.repeat(np.arange(found.n_demand, dtype=np.int32), np.diff(found.start))
        return Pairs(demand, sites[found.site], found.time_s)

    def _snapped(self, what: str, kept: Array) -> Snapped:
        segment = self.case[f"{what}_segment"][kept]
        return Snapped(
            segment=segment,
            fraction=self.case[f"{what}_fraction"][kept],
            distance_m=np.zeros(segment.size),
            problem=np.zeros(segment.size),
        )


class SitingOnTwo(Siting):
    """The same on two cores."""

    threads = 2


class SitingExact(Siting):
    """The same in float64: the reference that all pairs are held against."""

    dtype = np.float64


# --------------------------------------------------------------------------- scipy


class Scipy(Engine):
    """``dijkstra`` with a limit, so many sites at once as fit a chunk of 256 MB."""

    def __init__(self, case: Case) -> None:
        """Build the reversed graph; of parallel arcs the fastest (a plain COO would sum them)."""
        tail, head, time_s = _arcs(case)
        n_node = int(case["n_node"])
        order = np.lexsort((time_s, tail, head))
        tail, head, time_s = tail[order], head[order], time_s[order]
        first = np.ones(tail.size, dtype=bool)
        first[1:] = (tail[1:] != tail[:-1]) | (head[1:] != head[:-1])
        start = np.zeros(n_node + 1, dtype=np.int32)
        np.cumsum(np.bincount(head[first], minlength=n_node), out=start[1:])
        self.graph = csr_array(
            (time_s[first], tail[first].astype(np.int32), start), shape=(n_node, n_node)
        )
        super().__init__(case)

    def chunk(self, n_site: int) -> int:
        """Return how many sites are searched at once."""
        return max(1, min(n_site, SCIPY_CHUNK_BYTES // (8 * self.graph.shape[0])))

    def search(self, sites: Array) -> Pairs:
        """Search, and keep the columns of demand."""
        parts = []
        for begin in range(0, sites.size, self.chunk(sites.size)):
            chunk = sites[begin : begin + self.chunk(sites.size)]
            times = dijkstra(self.graph, indices=self.case["site_node"][chunk], limit=CUTOFF_S)
            times = times[:, self.case["demand_node"]]
            row, demand = np.nonzero(times <= CUTOFF_S)
            parts.append(Pairs(demand, chunk[row], times[row, demand]))
        return _join(parts)


class ScipyAtOnce(Scipy):
    """``dijkstra`` with a limit, called once."""

    def chunk(self, n_site: int) -> int:
        """Return how many sites are searched at once."""
        return n_site


class ScipyBlocks(Scipy):
    """The surroundings of neighbouring sites cut out first, each site searched in them."""

    def search(self, sites: Array) -> Pairs:
        """Search block by block."""
        nodes = self.case["site_node"]
        ordered = sites[np.argsort(nodes[sites])]
        by_node = np.argsort(self.case["demand_node"], kind="stable")
        demand_node = self.case["demand_node"][by_node]
        parts = []
        for begin in range(0, sites.size, BLOCK_SITES):
            block = ordered[begin : begin + BLOCK_SITES]
            reached = dijkstra(self.graph, indices=nodes[block], limit=CUTOFF_S, min_only=True)
            near = np.flatnonzero(reached <= CUTOFF_S)
            number = np.full(self.graph.shape[0], -1)
            number[near] = np.arange(near.size)
            inner = self.graph[near][:, near]
            times = dijkstra(inner, indices=number[nodes[block]], limit=CUTOFF_S)
            here = np.flatnonzero(number[demand_node] >= 0)
            times = times[:, number[demand_node[here]]]
            row, demand = np.nonzero(times <= CUTOFF_S)
            parts.append(Pairs(by_node[here[demand]], block[row], times[row, demand]))
        return _join(parts)


# --------------------------------------------------------------------------- the others


class Networkx(Engine):
    """Plain networkx, which is what OSMnx hands its graphs to."""

    def __init__(self, case: Case) -> None:
        """Build the reversed graph."""
        import networkx as nx  # noqa: PLC0415 - only the process that measures it

        self.graph = nx.DiGraph()
        self.graph.add_nodes_from(range(int(case["n_node"])))
        for tail, head, time_s in zip(*(array.tolist() for array in _arcs(case)), strict=True):
            known = self.graph.get_edge_data(head, tail)
            if known is None or time_s < known["weight"]:
                self.graph.add_edge(head, tail, weight=time_s)
        self.at_node: dict[int, list[int]] = {}
        for k, node in enumerate(case["demand_node"].tolist()):
            self.at_node.setdefault(node, []).append(k)
        super().__init__(case)

    def search(self, sites: Array) -> Pairs:
        """Search each site with a cutoff."""
        import networkx as nx  # noqa: PLC0415 - only the process that measures it

        parts = []
        for site in sites.tolist():
            node = int(self.case["site_node"][site])
            times = nx.single_source_dijkstra_path_length(self.graph, node, cutoff=CUTOFF_S)
            found = [(k, t) for other, t in times.items() for k in self.at_node.get(other, ())]
            demand, time_s = np.array(found).reshape(-1, 2).T
            parts.append(Pairs(demand, np.full(demand.size, site), time_s))
        return _join(parts)


class Networkit(Engine):
    """NetworKit's Dijkstra, which knows no cutoff: each search is a full one."""

    def __init__(self, case: Case) -> None:
        """Build the reversed graph."""
        import networkit as nk  # noqa: PLC0415 - only the process that measures it

        nk.setNumberOfThreads(1)
        tail, head, time_s = _arcs(case)
        self.graph = nk.GraphFromCoo(
            (time_s, (head.astype(np.uint64), tail.astype(np.uint64))),
            n=int(case["n_node"]),
            weighted=True,
            directed=True,
        )
        super().__init__(case)

    def search(self, sites: Array) -> Pairs:
        """Search each site in full."""
        import networkit as nk  # noqa: PLC0415 - only the process that measures it

        parts = []
        for site in sites.tolist():
            node = int(self.case["site_node"][site])
            search = nk.distance.Dijkstra(self.graph, node, storePaths=False)
            search.run()
            times = np.asarray(search.getDistances())[self.case["demand_node"]]
            demand = np.flatnonzero(times <= CUTOFF_S)
            parts.append(Pairs(demand, np.full(demand.size, site), times[demand]))
        return _join(parts)


class Pandana(Engine):
    """Pandana's nodes in range, on its contraction hierarchy."""

    def __init__(self, case: Case) -> None:
        """Build the reversed network; pandana contracts it, which is what takes its time."""
        import pandana  # noqa: PLC0415 - only the process that measures it

        tail, head, time_s = _arcs(case)
        self.network = pandana.Network(
            pd.Series(case["node_x_m"]),
            pd.Series(case["node_y_m"]),
            pd.Series(head),
            pd.Series(tail),
            pd.DataFrame({"time_s": time_s}),
            twoway=False,
        )
        self.demand = pd.DataFrame(
            {"destination": case["demand_node"], "demand": np.arange(case["demand_node"].size)}
        )
        super().__init__(case)

    def search(self, sites: Array) -> Pairs:
        """Ask for all nodes in range of the sites, and keep those with demand."""
        nodes = self.case["site_node"][sites]
        found = self.network.nodes_in_range(np.unique(nodes).tolist(), CUTOFF_S)
        found.columns = pd.Index(["source", "destination", "time_s"])
        pairs = found.merge(pd.DataFrame({"source": nodes, "site": sites})).merge(self.demand)
        return Pairs(*(pairs[name].to_numpy() for name in Pairs._fields))


ENGINES: dict[str, type[Engine]] = {
    "siting": Siting,
    "siting, two cores": SitingOnTwo,
    "scipy, at once": ScipyAtOnce,
    "scipy, chunked": Scipy,
    "scipy, blocks": ScipyBlocks,
    "pandana": Pandana,
    "networkit": Networkit,
    "networkx": Networkx,
}


def _arcs(case: Case) -> tuple[Array, Array, Array]:
    runs, returns = np.isfinite(case["forward_s"]), np.isfinite(case["backward_s"])
    tail, head = case["segment_from"], case["segment_to"]
    return (
        np.concatenate([tail[runs], head[returns]]),
        np.concatenate([head[runs], tail[returns]]),
        np.concatenate([case["forward_s"][runs], case["backward_s"][returns]]),
    )


def _join(parts: list[Pairs]) -> Pairs:
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


# --------------------------------------------------------------------------- the measuring


def measure(engine: type[Engine], case: Case, budget_s: float) -> tuple[dict[str, Any], Pairs]:
    """Run an engine, on a sample of the sites if all would take longer than the budget.

    Returns
    -------
    tuple
        What it took, the search scaled up from the sample; and the pairs found.
    """
    _warm_up(engine, case)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before_mb = _memory_mb("VmRSS")
    clock = [_clocks()]
    ready = engine(case)
    clock.append(_clocks())
    sites = _sample(ready, case["site_node"].size, budget_s)
    clock.append(_clocks())
    found = ready.search(sites)
    clock.append(_clocks())
    peak_mb = _memory_mb("VmHWM") - before_mb
    prepare_s, _, search_s = np.diff(clock, axis=0)
    scale = case["site_node"].size / sites.size
    result = {
        "n_site": int(sites.size),
        "prepare_s": float(prepare_s[0]),
        "search_s": float(search_s[0] * scale),
        "wall_s": float(prepare_s[1] + search_s[1] * scale),
        "search_wall_s": float(search_s[1] * scale),
        "peak_mb": peak_mb,
    }
    return result, ready.unroll(found, sites)


def compare(pairs: Pairs, n_site: int, case: Case, reference: Pairs) -> dict[str, Any]:
    """Hold pairs against the reference's pairs of the same sites; a pair at the cutoff may miss."""
    total = case["site_node"].size
    asked = np.zeros(total, dtype=bool)
    asked[_spread(total, n_site)] = True
    kept = asked[reference.site]
    keys, times = [], []
    for demand, site, time_s in (pairs, Pairs(*(column[kept] for column in reference))):
        key = np.asarray(demand, dtype=np.int64) * total + np.asarray(site, dtype=np.int64)
        order = np.argsort(key)
        keys.append(key[order])
        times.append(np.asarray(time_s, dtype=np.float64)[order])
    _, here, there = np.intersect1d(*keys, assume_unique=True, return_indices=True)
    inner = [key_s < CUTOFF_S - SAME_S for key_s in times]
    return {
        "n_pair": int(keys[0].size),
        "n_extra": int(inner[0].sum() - inner[0][here].sum()),
        "n_missing": int(inner[1].sum() - inner[1][there].sum()),
        "differs_s": float(np.abs(times[0][here] - times[1][there]).max(initial=0.0)),
    }


def _sample(ready: Engine, n_site: int, budget_s: float) -> Array:
    if isinstance(ready, Siting):
        return np.arange(n_site)
    begin = _clocks()[0]
    ready.search(_spread(n_site, PROBE_SITES))
    each_s = (_clocks()[0] - begin) / PROBE_SITES
    return _spread(n_site, max(PROBE_SITES, min(n_site, int(budget_s / each_s))))


def _spread(n_site: int, count: int) -> Array:
    return np.arange(count) * n_site // count


def _clocks() -> tuple[float, float]:
    """Return the CPU seconds of all threads, and the wall clock's."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime, time.perf_counter()


def _memory_mb(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return float(line.split()[1]) / 1024
    raise KeyError(key)


def _warm_up(engine: type[Engine], case: Case) -> None:
    """Import and compile everything, on a corner of the case."""
    kept = (case["segment_from"] < WARM_NODES) & (case["segment_to"] < WARM_NODES)
    corner = {"n_node": np.int64(WARM_NODES)}
    for key in ("segment_from", "segment_to", "forward_s", "backward_s"):
        corner[key] = case[key][kept]
    for key in ("node_x_m", "node_y_m"):
        corner[key] = case[key][:WARM_NODES]
    for what in ("demand", "site"):
        corner[f"{what}_segment"] = np.zeros(WARM_POINTS, dtype=np.int32)
        corner[f"{what}_fraction"] = np.zeros(WARM_POINTS)
        corner[f"{what}_node"] = np.full(WARM_POINTS, corner["segment_from"][0])
    thresholds = many_to_many.CORE_FROM_NODES, many_to_many.CORE_FROM_TIMES
    for contracted in (False, True):
        if contracted:
            many_to_many.CORE_FROM_NODES = many_to_many.CORE_FROM_TIMES = 0
        engine(corner).search(np.arange(WARM_POINTS))
    many_to_many.CORE_FROM_NODES, many_to_many.CORE_FROM_TIMES = thresholds


def main() -> None:
    """Measure one engine against the reference, or write the reference."""
    name, case_path, reference_path = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with np.load(case_path) as archive:
        case = dict(archive)
    if name == "reference":
        _, pairs = measure(SitingExact, case, np.inf)
        np.savez(reference_path, **pairs._asdict())
        return
    result, pairs = measure(ENGINES[name], case, float(sys.argv[4]))
    with np.load(reference_path) as archive:
        reference = Pairs(*(archive[key] for key in Pairs._fields))
    print(json.dumps(result | compare(pairs, result["n_site"], case, reference)))


if __name__ == "__main__":
    main()
