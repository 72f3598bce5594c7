"""What multipliers prove about a location problem: a bound by weak duality, without any solver.

Relaxing "each demand point is served once" with λ, and every rule but the count with prices ν ≥ 0,
leaves a choice of the sites worth most, so that for any multipliers no plan is better than

    coverage  Σ λ_i + ν·side + Σ of the p greatest (score_j)+
              score_j = Σ_i (w_i a_ij - λ_i)+ - ν·c_j
    p-median  Σ λ_i - ν·side - Σ of the p greatest (score_j)+
              score_j = Σ_i (λ_i - w_i t_ij)+ - f_j - ν·c_j

Stations and required sites count whatever they score. (Cornuéjols, Fisher and Nemhauser 1977.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import LocationModel

if TYPE_CHECKING:
    from siting.domain import FloatArray
    from siting.optimise.location_problem import LocationProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class Multipliers:
    """The prices that prove a bound; all but ``demand`` are at least 0.

    Attributes
    ----------
    demand
        (n_demand,) λ, in units of the objective.
    budget, least_sites
        Price of the budget, and of the least number of sites.
    rule_lower, rule_upper
        (n_rule,) prices of the two sides of the further rules.
    spacing
        (n_spacing,) prices of "at most one of the two".
    """

    demand: FloatArray
    budget: float
    least_sites: float
    rule_lower: FloatArray
    rule_upper: FloatArray
    spacing: FloatArray


def compute_bound(problem: LocationProblem, multipliers: Multipliers) -> float:
    """Return what multipliers prove: no plan of MCLP covers more, none of p-median costs less.

    Parameters
    ----------
    problem
        MCLP, or p-median or CFLP without capacity.
    multipliers
        Any; the better they are, the closer the bound.
    """
    price = np.repeat(multipliers.demand, np.diff(problem.cover_start))
    weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
    if problem.cover_distance is not None:
        above = price - weight * problem.cover_distance
    else:
        above = (weight if problem.cover_worth is None else weight * problem.cover_worth) - price
    score = np.bincount(
        problem.cover_supply, weights=np.maximum(above, 0.0), minlength=problem.n_supply
    ).astype(float)
    stations, sites = score[problem.n_site :], score[: problem.n_site] + multipliers.least_sites
    sides = [-multipliers.least_sites * problem.min_sites, math.fsum(multipliers.spacing)]
    for end in problem.spacing_pairs.T:
        sites -= np.bincount(end, weights=multipliers.spacing, minlength=problem.n_site)
    if multipliers.budget > 0:
        sides.append(multipliers.budget * problem.budget)
        sites -= multipliers.budget * problem.site_cost
    for rule, low, high in zip(
        problem.rules, multipliers.rule_lower, multipliers.rule_upper, strict=True
    ):
        sites -= (high - low) * rule.coefficient
        sides += [high * rule.upper] if high > 0 else []
        sides += [-low * rule.lower] if low > 0 else []
    if problem.model is LocationModel.CFLP:
        sites -= problem.site_cost
    required = problem.required
    free = np.sort(np.maximum(sites[~required & ~problem.forbidden], 0.0))[::-1]
    most = free.size if problem.max_sites is None else problem.max_sites - int(required.sum())
    gained = [*stations, *sites[required], *free[: max(0, most)], *sides]
    sign = 1.0 if problem.model.maximises else -1.0
    return math.fsum([*multipliers.demand, *(sign * term for term in gained)])
