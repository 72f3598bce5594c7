"""The classic family as mixed-integer models, one function a problem.

Variables: y_j opens supply j (existing stations are fixed at 1). Coverage and p-median share one
sparse form: the distinct values of a demand point's pairs are its levels, best first, and z_ik
says that i is served at level k or better (Elloumi 2010 for p-median):

    z_ik ≤ z_i,k-1 + Σ_{j at level k of i} y_j ,   0 ≤ z_ik ≤ 1

It has as many entries as there are pairs, and the same bound as a variable for each pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.optimise.mip import MixedIntegerModel

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.optimise.location_problem import LocationProblem


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """A block of rows over the supply variables alone."""

    matrix: sp.csr_array
    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Levels:
    """The levels of all demand points with weight, best first within each.

    Attributes
    ----------
    demand
        (n_level,) demand point of each level.
    value
        (n_level,) worth or distance at the level.
    is_first, is_last
        (n_level,) whether it is the best, the worst of its demand point.
    matrix
        (n_level, n_supply) 1 where a pair lies at the level.
    """

    demand: LongArray
    value: FloatArray
    is_first: BoolArray
    is_last: BoolArray
    matrix: sp.csr_array


def build_levels(problem: LocationProblem) -> Levels:
    """Sort the pairs of every demand point, best first, and number their distinct values."""
    demand = np.repeat(np.arange(problem.n_demand), np.diff(problem.cover_start))
    if problem.cover_distance is not None:
        value, key = problem.cover_distance, problem.cover_distance
    else:
        value = np.ones(problem.n_pair) if problem.cover_worth is None else problem.cover_worth
        key = -value
    order = np.lexsort((key, demand))
    order = order[problem.demand_weight[demand[order]] > 0]
    demand, value, supply = demand[order], value[order], problem.cover_supply[order]
    if order.size == 0:
        none = np.zeros(0, dtype=bool)
        return Levels(
            demand=demand,
            value=value,
            is_first=none,
            is_last=none,
            matrix=sp.csr_array((0, problem.n_supply)),
        )
    new_demand = np.concatenate(([True], np.diff(demand) != 0))
    new_level = new_demand | np.concatenate(([True], np.diff(value) != 0))
    start = np.flatnonzero(new_level)
    is_first = new_demand[start]
    return Levels(
        demand=demand[start],
        value=value[start],
        is_first=is_first,
        is_last=np.concatenate((is_first[1:], [True])),
        matrix=sp.csr_array(
            (np.ones(order.size), supply, np.concatenate((start, [order.size]))),
            shape=(start.size, problem.n_supply),
        ),
    )


def build_coverage(problem: LocationProblem) -> MixedIntegerModel:
    """Build MCLP with plain or gradual worth.

    max Σ_ik w_i (a_ik - a_i,k+1) z_ik
    """
    levels = build_levels(problem)
    below = np.where(levels.is_last, 0.0, np.roll(levels.value, -1))
    worth = problem.demand_weight[levels.demand] * (levels.value - below)
    return _build_levelled(
        problem,
        levels,
        level_cost=-worth,
        level_lower=np.zeros(worth.size),
        opening_cost=np.zeros(problem.n_site),
        offset=0.0,
    )


def build_median(problem: LocationProblem) -> MixedIntegerModel:
    """Build p-median and CFLP without capacity.

    min Σ_j f_j y_j + Σ_i w_i (t_iK - Σ_k<K (t_i,k+1 - t_ik) z_ik) ,   z_iK = 1
    """
    levels = build_levels(problem)
    weight = problem.demand_weight[levels.demand]
    step = np.where(levels.is_last, 0.0, np.roll(levels.value, -1) - levels.value)
    return _build_levelled(
        problem,
        levels,
        level_cost=-weight * step,
        level_lower=levels.is_last.astype(float),
        opening_cost=compute_opening_cost(problem),
        offset=float((weight * levels.value)[levels.is_last].sum()),
    )


def _build_levelled(
    problem: LocationProblem,
    levels: Levels,
    *,
    level_cost: FloatArray,
    level_lower: FloatArray,
    opening_cost: FloatArray,
    offset: float,
) -> MixedIntegerModel:
    n_level = level_cost.size
    later = np.flatnonzero(~levels.is_first)
    chain = sp.csr_array((np.ones(later.size), (later, later - 1)), shape=(n_level, n_level))
    reach = sp.hstack([-levels.matrix, sp.eye_array(n_level) - chain], format="csr")
    return _assemble(
        problem,
        opening_cost=opening_cost,
        extra_cost=level_cost,
        extra_lower=level_lower,
        extra_integer=np.zeros(n_level, dtype=bool),
        blocks=[(reach, np.full(n_level, -math.inf), np.zeros(n_level))],
        offset=offset,
    )


def build_set_cover(problem: LocationProblem, *, covered_by: BoolArray) -> MixedIntegerModel:
    """Build LSCP over the pairs of a mask.

    min Σ_j f_j y_j   s.t.  Σ_{j covers i} y_j ≥ r   for every i with weight
    """
    demand = np.repeat(np.arange(problem.n_demand), np.diff(problem.cover_start))
    matrix = sp.csr_array(
        (
            np.ones(int(covered_by.sum())),
            (demand[covered_by], problem.cover_supply[covered_by]),
        ),
        shape=(problem.n_demand, problem.n_supply),
    )[np.flatnonzero(problem.demand_weight > 0)]
    n_row = matrix.shape[0]
    return _assemble(
        problem,
        opening_cost=problem.site_cost,
        extra_cost=np.zeros(0),
        extra_lower=np.zeros(0),
        extra_integer=np.zeros(0, dtype=bool),
        blocks=[(matrix, np.full(n_row, float(problem.covers_needed)), np.full(n_row, math.inf))],
    )


def build_backup(problem: LocationProblem) -> MixedIntegerModel:
    """Build backup coverage: v_i once, u_i twice.

    max Σ_i w_i (θ v_i + (1 - θ) u_i)   s.t.  v_i + u_i ≤ Σ_{j covers i} y_j ,  u_i ≤ v_i

    With the first cover a must (BACOP1), v_i = 1 and max Σ_i w_i u_i.
    """
    rows = np.flatnonzero(problem.demand_weight > 0)
    weight, n_row = problem.demand_weight[rows], rows.size
    demand = np.repeat(np.arange(problem.n_demand), np.diff(problem.cover_start))
    matrix = sp.csr_array(
        (np.ones(problem.n_pair), (demand, problem.cover_supply)),
        shape=(problem.n_demand, problem.n_supply),
    )[rows]
    must = problem.first_share is None
    first = 0.0 if problem.first_share is None else problem.first_share
    one = sp.eye_array(n_row)
    nothing = sp.csr_array((n_row, problem.n_supply))
    return _assemble(
        problem,
        opening_cost=np.zeros(problem.n_site),
        extra_cost=np.concatenate((-first * weight, -(1.0 - first) * weight)),
        extra_lower=np.concatenate((np.full(n_row, float(must)), np.zeros(n_row))),
        extra_integer=np.zeros(2 * n_row, dtype=bool),
        blocks=[
            (
                sp.hstack([-matrix, one, one], format="csr"),
                np.full(n_row, -math.inf),
                np.zeros(n_row),
            ),
            (
                sp.hstack([nothing, -one, one], format="csr"),
                np.full(n_row, -math.inf),
                np.zeros(n_row),
            ),
        ],
    )


def build_capacitated(problem: LocationProblem) -> MixedIntegerModel:
    """Build CFLP and capacitated p-median; x_ij is the share of i served at j.

    min Σ_j f_j y_j + Σ_ij w_i t_ij x_ij
    s.t. Σ_j x_ij = 1 ,  x_ij ≤ y_j ,  Σ_i w_i x_ij ≤ q_j y_j
    """
    capacity, distance = problem.supply_capacity, problem.cover_distance
    assert capacity is not None  # noqa: S101 - solve_classic calls this with capacity only
    assert distance is not None  # noqa: S101 - the problem refuses these models without it
    demand = np.repeat(np.arange(problem.n_demand), np.diff(problem.cover_start))
    pairs = np.flatnonzero(problem.demand_weight[demand] > 0)
    demand, supply = demand[pairs], problem.cover_supply[pairs]
    weight, n_pair = problem.demand_weight[demand], pairs.size
    rows = np.flatnonzero(problem.demand_weight > 0)
    row_of_demand = np.full(problem.n_demand, -1)
    row_of_demand[rows] = np.arange(rows.size)
    at = np.arange(n_pair)
    served = sp.csr_array((np.ones(n_pair), (row_of_demand[demand], at)), (rows.size, n_pair))
    link_y = sp.csr_array((-np.ones(n_pair), (at, supply)), (n_pair, problem.n_supply))
    limited = np.flatnonzero(np.isfinite(capacity))
    load = sp.csr_array((weight, (supply, at)), (problem.n_supply, n_pair))[limited]
    room = sp.csr_array(
        (-capacity[limited], (np.arange(limited.size), limited)),
        (limited.size, problem.n_supply),
    )
    return _assemble(
        problem,
        opening_cost=compute_opening_cost(problem),
        extra_cost=weight * distance[pairs],
        extra_lower=np.zeros(n_pair),
        extra_integer=np.full(n_pair, problem.single_source),
        blocks=[
            (
                sp.hstack([sp.csr_array((rows.size, problem.n_supply)), served], format="csr"),
                np.ones(rows.size),
                np.ones(rows.size),
            ),
            (
                sp.hstack([link_y, sp.eye_array(n_pair)], format="csr"),
                np.full(n_pair, -math.inf),
                np.zeros(n_pair),
            ),
            (
                sp.hstack([room, load], format="csr"),
                np.full(limited.size, -math.inf),
                np.zeros(limited.size),
            ),
        ],
    )


def compute_opening_cost(problem: LocationProblem) -> FloatArray:
    """(n_site,) what opening a site adds to the objective: its cost in CFLP, else nothing."""
    return problem.site_cost if problem.model == "cflp" else np.zeros(problem.n_site)


def build_site_rows(problem: LocationProblem) -> _Rows:
    """Build the rules for opened sites: count, budget, spacing, further linear rules."""
    n_site = problem.n_site
    rows: list[tuple[FloatArray, float, float]] = []
    if problem.min_sites > 0 or problem.max_sites is not None:
        most = math.inf if problem.max_sites is None else float(problem.max_sites)
        rows.append((np.ones(n_site), float(problem.min_sites), most))
    if math.isfinite(problem.budget):
        rows.append((problem.site_cost, -math.inf, problem.budget))
    rows += [(rule.coefficient, rule.lower, rule.upper) for rule in problem.rules]
    n_spacing = len(problem.spacing_pairs)
    spacing = sp.csr_array(
        (
            np.ones(2 * n_spacing),
            (np.repeat(np.arange(n_spacing), 2), problem.spacing_pairs.ravel()),
        ),
        shape=(n_spacing, n_site),
    )
    dense = sp.csr_array(np.array([row for row, _, _ in rows]) if rows else np.zeros((0, n_site)))
    return _Rows(
        matrix=sp.vstack([dense, spacing], format="csr"),
        lower=np.array([low for _, low, _ in rows] + [-math.inf] * n_spacing),
        upper=np.array([high for _, _, high in rows] + [1.0] * n_spacing),
    )


def _assemble(
    problem: LocationProblem,
    *,
    opening_cost: FloatArray,
    extra_cost: FloatArray,
    extra_lower: FloatArray,
    extra_integer: BoolArray,
    blocks: list[tuple[sp.csr_array, FloatArray, FloatArray]],
    offset: float = 0.0,
) -> MixedIntegerModel:
    """Put y, the problem's other variables, its rows and the rules for sites together."""
    n_station, n_extra = problem.n_stations, extra_cost.size
    rules = build_site_rows(problem)
    beyond = sp.csr_array((rules.lower.size, n_station + n_extra))
    return MixedIntegerModel(
        cost=np.concatenate((opening_cost, np.zeros(n_station), extra_cost)),
        lower=np.concatenate((problem.required.astype(float), np.ones(n_station), extra_lower)),
        upper=np.concatenate(((~problem.forbidden).astype(float), np.ones(n_station + n_extra))),
        integer=np.concatenate((np.ones(problem.n_supply, dtype=bool), extra_integer)),
        matrix=sp.vstack(
            [*(matrix for matrix, _, _ in blocks), sp.hstack([rules.matrix, beyond])],
            format="csr",
        ),
        row_lower=np.concatenate([*(low for _, low, _ in blocks), rules.lower]),
        row_upper=np.concatenate([*(high for _, _, high in blocks), rules.upper]),
        offset=offset,
    )
