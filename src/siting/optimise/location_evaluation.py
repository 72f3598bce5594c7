"""What a plan of a location problem comes to, recomputed without any solver or model builder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import LocationModel

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.optimise.location_problem import LocationProblem

TOLERANCE = 1e-6


@dataclass(frozen=True, kw_only=True)
class LocationEvaluation:
    """What a plan comes to, recomputed without any solver.

    Attributes
    ----------
    objective
        The model's objective; infinite where a demand point that must be served is not.
    violations
        Every rule that is broken, in words; empty if feasible.
    """

    objective: float
    violations: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations


def evaluate_location(
    problem: LocationProblem,
    opened: BoolArray,
    *,
    share: FloatArray | None = None,
    tolerance: float = TOLERANCE,
) -> LocationEvaluation:
    """Recompute objective and every rule of a plan without a solver.

    Parameters
    ----------
    problem, opened
        What was asked, and the (n_site,) mask of what was opened.
    share
        (n_pair,) share of its demand point's weight over each pair; needed with capacity only,
        otherwise everybody goes to the best that is open.
    tolerance
        How far a rule may be exceeded, relative to its side (at least 1 unit).

    Returns
    -------
    LocationEvaluation
        With one line for each broken rule.
    """
    if opened.shape != (problem.n_site,):
        raise ValueError("the plan does not belong to this problem: its shape differs")
    is_open = np.concatenate((opened, np.ones(problem.n_stations, dtype=bool)))[
        problem.cover_supply
    ]
    opening_cost = math.fsum(problem.site_cost[opened])
    if problem.supply_capacity is not None:
        objective, broken = _evaluate_share(problem, is_open, share, tolerance=tolerance)
    elif problem.model.uses_distance:
        objective, broken = _evaluate_distance(problem, is_open)
    elif problem.model is LocationModel.MCLP:
        worth = np.ones(problem.n_pair) if problem.cover_worth is None else problem.cover_worth
        best = _best_of_rows(problem.cover_start, np.where(is_open, worth, 0.0), empty=0.0)
        objective, broken = math.fsum(problem.demand_weight * best), []
    else:
        objective, broken = _evaluate_covers(problem, is_open)
    if problem.model in {LocationModel.CFLP, LocationModel.LSCP}:
        objective += opening_cost
    return LocationEvaluation(
        objective=objective,
        violations=(*_find_broken_site_rules(problem, opened, tolerance=tolerance), *broken),
    )


def _evaluate_covers(problem: LocationProblem, is_open: BoolArray) -> tuple[float, list[str]]:
    """Return the worth of being covered, and the covers that are missing (LSCP, backup)."""
    weight = problem.demand_weight
    covers = _sum_rows(problem.cover_start, is_open.astype(float))
    once, twice = math.fsum(weight[covers >= 1]), math.fsum(weight[covers > 1])
    first = problem.first_share
    must = problem.covers_needed if first is None else 0
    missed = int(((weight > 0) & (covers < must)).sum())
    broken = [f"{missed} demand points are covered too seldom"] if missed else []
    if problem.model is LocationModel.LSCP:
        return 0.0, broken
    return (twice if first is None else first * once + (1.0 - first) * twice), broken


def _evaluate_distance(problem: LocationProblem, is_open: BoolArray) -> tuple[float, list[str]]:
    """Return the sum, or for p-center the greatest, of distances to the nearest opened."""
    assert problem.cover_distance is not None  # noqa: S101 - refused when built
    asks = problem.demand_weight > 0
    near = np.where(is_open, -problem.cover_distance, -math.inf)
    nearest = -_best_of_rows(problem.cover_start, near, empty=-math.inf)[asks]
    unserved = int(np.isinf(nearest).sum())
    broken = [f"{unserved} demand points reach no opened site"] if unserved else []
    if problem.model is LocationModel.P_CENTER:
        return float(nearest.max(initial=0.0)), broken
    return math.fsum(problem.demand_weight[asks] * nearest), broken


def _find_broken_site_rules(
    problem: LocationProblem, opened: BoolArray, *, tolerance: float
) -> list[str]:
    def over(value: float, limit: float) -> bool:
        return value > limit + tolerance * max(1.0, abs(limit) if math.isfinite(limit) else 1.0)

    n_opened, cost = int(opened.sum()), math.fsum(problem.site_cost[opened])
    most = math.inf if problem.max_sites is None else problem.max_sites
    broken = []
    if not problem.min_sites <= n_opened <= most:
        broken.append(f"{n_opened} sites opened, asked {problem.min_sites} to {most}")
    if over(cost, problem.budget):
        broken.append(f"cost {cost} is over the budget {problem.budget}")
    broken += [
        f"site {j} is required but closed" for j in np.flatnonzero(problem.required & ~opened)
    ]
    broken += [
        f"site {j} is forbidden but opened" for j in np.flatnonzero(problem.forbidden & opened)
    ]
    broken += [
        f"sites {a} and {b} stand too close"
        for a, b in problem.spacing_pairs
        if opened[a] and opened[b]
    ]
    for rule in problem.rules:
        value = math.fsum(rule.coefficient[opened])
        if over(value, rule.upper) or over(-value, -rule.lower):
            broken.append(f"{rule.name}: {value} is outside {rule.lower} to {rule.upper}")
    return broken


def _evaluate_share(
    problem: LocationProblem, is_open: BoolArray, share: FloatArray | None, *, tolerance: float
) -> tuple[float, list[str]]:
    """Return Σ w_i t_ij x_ij and the broken rules of a division of demand."""
    if share is None or share.shape != (problem.n_pair,):
        raise ValueError("with capacity a plan holds the share of every pair")
    assert problem.cover_distance is not None  # noqa: S101 - refused when built
    assert problem.supply_capacity is not None  # noqa: S101 - the caller looked
    weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
    asks = problem.demand_weight > 0
    total = _sum_rows(problem.cover_start, share)
    load = np.bincount(problem.cover_supply, weights=weight * share, minlength=problem.n_supply)
    capacity = problem.supply_capacity
    slack = tolerance * np.maximum(1.0, np.where(np.isfinite(capacity), capacity, 1.0))
    broken = []
    if not np.isfinite(share).all() or (share < -tolerance).any():
        broken.append("a share is negative or not a number")
    if (share[~is_open] > tolerance).any():
        broken.append("demand is served at a closed site")
    if (np.abs(total[asks] - 1.0) > tolerance).any():
        broken.append(
            f"{int((np.abs(total[asks] - 1.0) > tolerance).sum())} demand points unserved"
        )
    broken += [f"supply {j} is over its capacity" for j in np.flatnonzero(load > capacity + slack)]
    if problem.single_source and ((share > tolerance) & (share < 1 - tolerance)).any():
        broken.append("a demand point is split between sites")
    return math.fsum(weight * problem.cover_distance * share), broken


def _sum_rows(start: LongArray, values: FloatArray) -> FloatArray:
    running = np.concatenate(([0.0], np.cumsum(values)))
    return running[start[1:]] - running[start[:-1]]


def _best_of_rows(start: LongArray, values: FloatArray, *, empty: float) -> FloatArray:
    """Return the greatest value of every row, ``empty`` for a row without any."""
    best = np.full(start.size - 1, empty)
    filled = np.flatnonzero(np.diff(start) > 0)
    if filled.size:
        best[filled] = np.maximum.reduceat(values, start[:-1][filled])
    return best


def compute_shares(problem: LocationProblem, opened: BoolArray) -> FloatArray:
    """Send every demand point to the best opened supply (the first of equals).

    Returns
    -------
    FloatArray
        (n_pair,) 1 on the pair taken, 0 elsewhere; p-center and LSCP go to the nearest and the
        first that covers.
    """
    is_open = np.concatenate((opened, np.ones(problem.n_stations, dtype=bool)))[
        problem.cover_supply
    ]
    if problem.cover_distance is not None:
        value = -problem.cover_distance
    else:
        value = np.ones(problem.n_pair) if problem.cover_worth is None else problem.cover_worth
    value = np.where(is_open, value, -math.inf)
    best = np.repeat(
        _best_of_rows(problem.cover_start, value, empty=-math.inf), np.diff(problem.cover_start)
    )
    taken = np.flatnonzero(is_open & (value == best))
    demand = np.repeat(np.arange(problem.n_demand), np.diff(problem.cover_start))[taken]
    _, first = np.unique(demand, return_index=True)
    share = np.zeros(problem.n_pair)
    share[taken[first]] = 1.0
    return share
