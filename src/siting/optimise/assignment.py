"""Who charges where, once the sites are chosen: most worth first, then shortest drives.

With the opened tiers fixed the model is a linear program, solved exactly and twice:

    1.  max Σ a_rj x_rj        s.t. demand, capacity, floors
    2.  min Σ t_rj x_rj        s.t. the same, and Σ a_rj x_rj ≥ the optimum of 1

so that, among all ways to reach the same worth, drivers go to near chargers.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import highspy
import numpy as np
import scipy.sparse as sp

from siting.instance import CLOSED, Decision, compute_capacity
from siting.optimise.formulation import floor_rows
from siting.optimise.links import build_links
from siting.optimise.mip import QuietHighs

if TYPE_CHECKING:
    from siting.domain import FloatArray, IntArray
    from siting.instance import SitingInstance
    from siting.optimise.links import Links

# Share of the optimum that the second stage may give up: what float64 sums cannot tell apart.
KEPT_TO = 1e-9


def assign_drivers(
    instance: SitingInstance, tier_of_site: IntArray, *, floors: bool = True
) -> Decision | None:
    """Return the best flows for the opened tiers, near chargers first; None if floors fail.

    Parameters
    ----------
    instance
        The instance.
    tier_of_site
        (n_site,) opened tiers.
    floors
        Whether the service floors must hold.
    """
    capacity = compute_capacity(instance, tier_of_site)
    links = build_links(instance, supply_used=capacity > 0, merged=False)
    flow = _flow_by_worth_then_time(instance, links, capacity, floors=floors)
    if flow is None:
        return None
    return Decision(tier_of_site=tier_of_site, flow_kwh_per_day=links.spread(instance, flow))


def serve_drivers(instance: SitingInstance, tier_of_site: IntArray) -> Decision:
    """Return the best flows for tiers of which a solver has shown that they meet the floors."""
    decision = assign_drivers(instance, tier_of_site)
    if decision is None:
        raise AssertionError("the solver's own flows meet the floors")
    return decision


def solve_baseline(instance: SitingInstance) -> Decision:
    """Return the best service of the existing stations alone; floors and required sites wait."""
    closed = np.full(instance.n_site, CLOSED, dtype=np.int32)
    decision = assign_drivers(instance, closed, floors=False)
    if decision is None:
        raise AssertionError("serving nobody is always feasible without floors")
    return decision


class WorthWithout:
    """The most that opened tiers can serve with one site fewer; every answer starts from the last.

    Parameters
    ----------
    instance, tier_of_site
        What is opened.
    """

    def __init__(self, instance: SitingInstance, tier_of_site: IntArray) -> None:
        self._capacity = compute_capacity(instance, tier_of_site)
        links = build_links(instance, supply_used=self._capacity > 0, merged=False)
        self._n_row, self._nothing = links.n_row, links.n_link == 0
        if not self._nothing:
            self._solver = _build_solver(instance, links, self._capacity, floors=True)

    def compute(self, site: int) -> float:
        """Return the most that is served without a site (kWh/day); -∞ if floors fail."""
        if self._nothing:
            return 0.0
        self.close(site)
        self._solver.run()
        solved = self._solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        worth = -self._solver.getInfo().objective_function_value if solved else -math.inf
        self._limit(site, self._capacity[site])
        return float(worth)

    def close(self, site: int) -> None:
        """Leave a site closed from now on."""
        self._limit(site, 0.0)

    def _limit(self, site: int, kwh_per_day: float) -> None:
        if not self._nothing:
            self._solver.changeRowBounds(self._n_row + site, -math.inf, kwh_per_day)


def _flow_by_worth_then_time(
    instance: SitingInstance, links: Links, capacity: FloatArray, *, floors: bool
) -> FloatArray | None:
    if links.n_link == 0:
        # A floor under a brand that wants nothing is met by serving nothing.
        wanted = instance.demand_kwh_per_day.sum(axis=0)
        missed = (instance.requirements.floor_by_brand * wanted > 0).any()
        return None if floors and missed else np.empty(0)
    solver = _build_solver(instance, links, capacity, floors=floors)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        return None
    flow = np.asarray(solver.getSolution().col_value)
    best = float(links.worth @ flow)
    every = np.arange(links.n_link, dtype=np.int32)
    solver.addRow(best * (1 - KEPT_TO), math.inf, links.n_link, every, links.worth)
    solver.changeColsCost(links.n_link, every, links.time_s / max(1.0, links.time_s.max()))
    solver.run()
    if solver.getModelStatus() == highspy.HighsModelStatus.kOptimal:
        flow = np.asarray(solver.getSolution().col_value)
    return np.asarray(np.clip(flow, 0.0, links.row_kwh_per_day[links.row]), dtype=np.float64)


def _build_solver(
    instance: SitingInstance, links: Links, capacity: FloatArray, *, floors: bool
) -> Any:  # noqa: ANN401 - highspy has no types
    """Give HiGHS the flows of most worth: a row a demand, a row a supply, then the floors."""
    demand = sp.csr_array(
        (np.ones(links.n_link), np.arange(links.n_link), links.start),
        shape=(links.n_row, links.n_link),
    )
    supply = sp.csr_array(
        (np.ones(links.n_link), (links.supply, np.arange(links.n_link))),
        shape=(instance.n_supply, links.n_link),
    )
    matrices, upper = [demand, supply], [links.row_kwh_per_day, capacity]
    lower = [np.full(links.n_row + instance.n_supply, -math.inf)]
    if floors:
        block = floor_rows(instance, links, 0)
        matrices.append(block.matrix)
        lower.append(block.lower)
        upper.append(block.upper)
    solver: Any = QuietHighs()  # type: ignore[no-untyped-call]
    matrix = sp.csr_array(sp.vstack(matrices, format="csr"))
    lp: Any = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = links.n_link, matrix.shape[0]
    lp.col_cost_ = -links.worth
    lp.col_lower_ = np.zeros(links.n_link)
    lp.col_upper_ = links.row_kwh_per_day[links.row]
    lp.row_lower_, lp.row_upper_ = np.concatenate(lower), np.concatenate(upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    lp.a_matrix_.index_ = matrix.indices.astype(np.int32)
    lp.a_matrix_.value_ = matrix.data
    solver.passModel(lp)
    return solver
