"""The p-median problem, and CFLP without capacity, as rows of gains.

A demand point is a row that says how much each site saves against being served from the farthest
one: gain_ij = w_i (D_i - t_ij). What no better plan can be without is set aside by the method, so
that only the few sites near each demand point are left, whatever the size of the table.

A demand point that some plan leaves out of reach has a D_i so large that every plan that serves
all is better than any that does not.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siting.optimise.classic_formulation import compute_opening_cost
from siting.optimise.gain_rows import DROPPED, OPENED, GainRows, reduce_rows, sort_rows
from siting.optimise.row_model import RowModel, are_whole, build_rules, decide_supplies

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.optimise.location_problem import LocationProblem


def build_median_rows(problem: LocationProblem) -> RowModel | None:
    """Build the rows of a p-median problem or of CFLP without capacity.

    min Σ_j f_j y_j + Σ_i w_i min_{j opened} t_ij  =  origin - max (Σ_i gain - Σ_j f_j y_j)

    Returns
    -------
    RowModel
        None if the rules allow no plan, or if a demand point with weight reaches no supply.
    """
    opening_cost = compute_opening_cost(problem)
    rules = build_rules(problem, opening_cost=opening_cost)
    decided = decide_supplies(problem, rules)
    if decided is None:
        return None
    sites, opened = decided[: problem.n_site] >= 0, decided[: problem.n_site] == OPENED
    supply = problem.cover_supply
    farthest = _find_farthest(problem, decided[supply] != DROPPED, sites=int(sites.sum()))
    if farthest is None:
        return None
    assert problem.cover_distance is not None  # noqa: S101 - the problem refuses p-median without it
    counts = np.diff(problem.cover_start)
    gain = np.repeat(farthest, counts)
    gain -= problem.cover_distance
    gain *= np.repeat(problem.demand_weight, counts)
    supply, gain = sort_rows(problem.cover_start, supply, gain)
    rows, row_of_demand = reduce_rows(
        GainRows(start=problem.cover_start, site=supply, gain=gain, n_site=problem.n_supply),
        decided,
    )
    costs = (problem.demand_weight * farthest, opening_cost)
    return RowModel(
        rows=rows,
        rules=rules.carry_out(sites, opened=opened),
        decided=decided,
        n_site=problem.n_site,
        row_of_demand=row_of_demand,
        farthest=farthest,
        origin=math.fsum(costs[0]) + math.fsum(opening_cost[opened]),
        whole_numbers=are_whole(rows.gain, *costs),
    )


def _find_farthest(problem: LocationProblem, usable: BoolArray, *, sites: int) -> FloatArray | None:
    """(n_demand,) the distance D_i that savings count from; None if somebody reaches nothing."""
    distance, start = problem.cover_distance, problem.cover_start
    assert distance is not None  # noqa: S101 - the problem refuses p-median without it
    asks = problem.demand_weight > 0
    reached = _count_rows(start, usable)
    if (reached[asks] == 0).any():
        return None
    farthest = _greatest_of_rows(start, np.where(usable, distance, -math.inf))
    nearest = -_greatest_of_rows(start, np.where(usable, -distance, -math.inf))
    farthest[~asks], nearest[~asks] = 0.0, 0.0
    stands = np.zeros(problem.n_supply, dtype=bool)
    stands[problem.n_site :] = True
    stands[: problem.n_site] = problem.required
    unsure = asks & (reached < sites) & (_count_rows(start, stands[problem.cover_supply]) == 0)
    if unsure.any():
        # More than any two plans that serve everybody can differ by.
        spread = math.fsum(problem.demand_weight * (farthest - nearest))
        spread += math.fsum(compute_opening_cost(problem))
        farthest[unsure] += np.ceil((spread + 1.0) / problem.demand_weight[unsure])
    return farthest


def _count_rows(start: LongArray, mask: BoolArray) -> LongArray:
    running = np.concatenate(([0], np.cumsum(mask)))
    return running[start[1:]] - running[start[:-1]]


def _greatest_of_rows(start: LongArray, values: FloatArray) -> FloatArray:
    greatest = np.full(start.size - 1, -math.inf)
    filled = np.flatnonzero(np.diff(start) > 0)
    if filled.size:
        greatest[filled] = np.maximum.reduceat(values, start[:-1][filled])
    return greatest
