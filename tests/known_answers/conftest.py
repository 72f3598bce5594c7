"""Readers of the public instance families, and where to find them; skip where they are missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from siting.optimise.classic import LocationModel, LocationProblem

if TYPE_CHECKING:
    from siting.domain import FloatArray

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "instances"


class KnownAnswers:
    """The instances of OR-Library and of San Francisco, with the answers they came with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self, family: str) -> list[str]:
        """Return the instances of a family that are there, smallest number first."""
        found = (path.stem for path in (self.folder / family).glob("*[0-9].txt"))
        return sorted(found, key=lambda name: (len(name), name))

    def optimum(self, family: str, name: str) -> float:
        lines = (self.folder / family / "optima.txt").read_text(encoding="utf-8").split("\n")[1:]
        return {line.split()[0]: float(line.split()[1]) for line in lines if line.strip()}[name]

    def p_median(self, name: str) -> LocationProblem:
        """Read a pmed file: vertices, edges, p; then i j cost, where a repeat replaces."""
        numbers = np.loadtxt(self.folder / "pmed" / f"{name}.txt", skiprows=1, dtype=np.int64)
        with (self.folder / "pmed" / f"{name}.txt").open(encoding="utf-8") as file:
            n, _, p = (int(word) for word in file.readline().split())
        cost: dict[tuple[int, int], int] = {}
        for i, j, c in numbers:
            cost[min(i, j) - 1, max(i, j) - 1] = c
        ends = np.array(list(cost))
        graph = csr_array((np.array(list(cost.values())), (ends[:, 0], ends[:, 1])), (n, n))
        return LocationProblem.from_dense(
            model=LocationModel.P_MEDIAN,
            demand_weight=np.ones(n),
            distance=dijkstra(graph, directed=False),
            max_sites=p,
        )

    def capacitated(self, name: str) -> LocationProblem:
        """Read a cap file: m n; capacity, fixed cost; then demand and m costs of all of it."""
        words = (self.folder / "cap" / f"{name}.txt").read_text(encoding="utf-8").split()
        n_site, n_demand = int(words[0]), int(words[1])
        numbers = np.array(words[2:], dtype=float)
        sites = numbers[: 2 * n_site].reshape(n_site, 2)
        rows = numbers[2 * n_site :].reshape(n_demand, n_site + 1)
        return LocationProblem.from_dense(
            model=LocationModel.CFLP,
            demand_weight=rows[:, 0],
            distance=rows[:, 1:] / rows[:, :1],
            site_cost=sites[:, 1],
            supply_capacity=sites[:, 0],
        )

    def san_francisco(self) -> tuple[FloatArray, FloatArray]:
        """Return the weights of 205 demand points and their distances (m) to 16 sites."""
        folder = self.folder / "sf"
        pairs = pd.read_csv(
            folder / "SF_network_distance_candidateStore_16_censusTract_205_new.csv"
        )
        demand = pd.read_csv(folder / "SF_demand_205_centroid_uniform_weight.csv", index_col=0)
        table = pairs.pivot_table(index="DestinationName", columns="name", values="distance")
        weight = demand.set_index("NAME").loc[table.index, "POP2000"].to_numpy(dtype=float)
        return weight, table.to_numpy()


@pytest.fixture(scope="session")
def known() -> KnownAnswers:
    if not SHARED.is_dir():
        pytest.skip(f"the public instances are not at {SHARED}")
    return KnownAnswers(SHARED)
