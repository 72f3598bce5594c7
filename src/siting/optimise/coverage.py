"""Maximal coverage as rows of gains: plain or with gradual worth, by count or budget.

A demand point is a row whose gains are its weight times the worth of each site that covers it.
Demand points with the same covers are merged while the rows are built, a chunk at a time, so that
millions of them need little more memory than the pairs that they came with.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from siting.optimise.gain_rows import (
    OPENED,
    GainRows,
    number_sites,
    reduce_rows,
    sort_rows,
    stack_rows,
)
from siting.optimise.row_model import RowModel, are_whole, build_rules, decide_supplies

if TYPE_CHECKING:
    from siting.domain import FloatArray, IntArray, LongArray
    from siting.optimise.location_problem import LocationProblem

CHUNK_PAIRS = 4_000_000


def build_coverage_rows(problem: LocationProblem) -> RowModel | None:
    """Build the rows of an MCLP; None if its rules allow no plan.

    max Σ_i w_i max_{j opened} a_ij
    """
    rules = build_rules(problem, opening_cost=np.zeros(problem.n_site))
    decided = decide_supplies(problem, rules)
    if decided is None:
        return None
    chunks, groups = [], []
    for first, last in _chunk_bounds(problem):
        rows, group = _build_chunk(problem, decided, first, last)
        chunks.append(rows)
        groups.append(group)
    stacked, row_of_demand = stack_rows(chunks, groups)
    rows, group = reduce_rows(stacked, number_sites(np.ones(stacked.n_site, dtype=bool)))
    inside = row_of_demand >= 0
    row_of_demand[inside] = group[row_of_demand[inside]]
    return RowModel(
        rows=rows,
        rules=rules.carry_out(
            decided[: problem.n_site] >= 0, opened=decided[: problem.n_site] == OPENED
        ),
        decided=decided,
        n_site=problem.n_site,
        row_of_demand=row_of_demand,
        farthest=np.zeros(problem.n_demand),
        origin=0.0,
        whole_numbers=are_whole(rows.gain, np.array([rows.offset])),
    )


def _chunk_bounds(problem: LocationProblem) -> list[tuple[int, int]]:
    """Cut the demand points into runs of about equally many pairs."""
    n_chunk = max(1, -(-problem.n_pair // CHUNK_PAIRS))
    cuts = np.searchsorted(problem.cover_start, np.linspace(0, problem.n_pair, n_chunk + 1)[1:-1])
    edges = np.unique(np.concatenate(([0], cuts, [problem.n_demand])))
    return [(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def _build_chunk(
    problem: LocationProblem, decided: IntArray, first: int, last: int
) -> tuple[GainRows, IntArray]:
    """Build and merge the rows of a run of demand points."""
    a, b = int(problem.cover_start[first]), int(problem.cover_start[last])
    start = problem.cover_start[first : last + 1] - a
    gain: FloatArray = np.repeat(problem.demand_weight[first:last], np.diff(start))
    supply = problem.cover_supply[a:b]
    if problem.cover_worth is not None:
        gain *= problem.cover_worth[a:b]
    if problem.cover_worth is not None or not _is_ascending(start, supply):
        supply, gain = sort_rows(start, supply, gain)
    rows = GainRows(start=start, site=supply, gain=gain, n_site=problem.n_supply)
    return reduce_rows(rows, decided)


def _is_ascending(start: LongArray, supply: IntArray) -> bool:
    """Return whether supplies ascend within every row."""
    rises = np.diff(supply) > 0
    ends = start[1:-1]
    rises[ends[(ends > 0) & (ends < supply.size)] - 1] = True
    return bool(rises.all())
