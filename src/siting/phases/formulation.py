"""All periods as one model: every period's main model side by side, and rows that join them.

    max   Σ_t w_t Σ_rj a_rj x_rjt
    s.t.  the main model (`optimise.formulation`) in every period, Σ_jk f_jk y_jkt ≤ B_t among it
          Σ_{k ≥ m} y_jk,t ≥ Σ_{k ≥ m} y_jk,t−1        tiers k of site j in order of capacity:
                                                       no site closes, no tier shrinks

B_t is all the money that came by the end of t, w_t the period's part of all years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.optimise.mip import MixedIntegerModel
from siting.phases.instance import rank_tiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.domain import FloatArray, IntArray, LongArray
    from siting.instance import Decision
    from siting.optimise.formulation import Columns, MainModel
    from siting.phases.instance import PhasedInstance


def join_periods(phased: PhasedInstance, periods: Sequence[MainModel]) -> MixedIntegerModel:
    """Join the periods' models into one.

    Parameters
    ----------
    phased
        The periods.
    periods
        (n_period,) the main model of each.
    """
    models = [period.model for period in periods]
    grown = growth_rows(phased, periods)
    n_grown = grown.shape[0]
    return MixedIntegerModel(
        cost=np.concatenate(
            [w * model.cost for w, model in zip(phased.weight, models, strict=True)]
        ),
        lower=np.concatenate([model.lower for model in models]),
        upper=np.concatenate([model.upper for model in models]),
        integer=np.concatenate([model.integer for model in models]),
        matrix=sp.csr_array(
            sp.vstack((sp.block_diag([model.matrix for model in models]), grown), format="csr")
        ),
        row_lower=np.concatenate([*(model.row_lower for model in models), np.zeros(n_grown)]),
        row_upper=np.concatenate(
            [*(model.row_upper for model in models), np.full(n_grown, np.inf)]
        ),
    )


def growth_rows(phased: PhasedInstance, periods: Sequence[MainModel]) -> sp.csr_array:
    """Σ_{k ≥ m} y_jk,t − Σ_{k ≥ m} y_jk,t−1 ≥ 0 for every tier m that t−1 may build at j."""
    rank = rank_tiers(phased.periods[0])
    first = first_variables(periods)
    parts = []
    for t in range(1, phased.n_period):
        old, new = periods[t - 1].columns, periods[t].columns
        site, least = old.site, rank[old.site, old.tier]
        pieces = []
        for columns, sign, shift in ((old, -1.0, first[t - 1]), (new, 1.0, first[t])):
            row, column = _at_least(columns, rank, site, least)
            pieces.append(
                sp.csr_array(
                    (np.full(row.size, sign), (row, shift + column)), shape=(site.size, first[-1])
                )
            )
        parts.append(pieces[0] + pieces[1])
    return sp.csr_array(sp.vstack([*parts, sp.csr_array((0, first[-1]))], format="csr"))


def first_variables(periods: Sequence[MainModel]) -> list[int]:
    """(n_period + 1,) where each period's variables begin."""
    sizes = [period.model.cost.size for period in periods]
    return [0, *np.cumsum(sizes).tolist()]


def read_tiers(periods: Sequence[MainModel], values: FloatArray) -> list[IntArray]:
    """Return what stands in each period by a point of the joined model."""
    return [
        period.columns.read_tiers(values[first:])
        for period, first in zip(periods, first_variables(periods), strict=False)
    ]


def write_point(periods: Sequence[MainModel], decisions: Sequence[Decision]) -> FloatArray:
    """Return a plan as a point of the joined model."""
    return np.concatenate(
        [period.point(decision) for period, decision in zip(periods, decisions, strict=True)]
    )


def _at_least(
    columns: Columns, rank: LongArray, site: IntArray, least: LongArray
) -> tuple[LongArray, LongArray]:
    """Return, row by row, the columns of its site whose tier ranks no lower than its least."""
    count = np.diff(columns.start)[site]
    row = np.repeat(np.arange(site.size), count)
    column = np.repeat(columns.start[site] - np.cumsum(count) + count, count) + np.arange(
        int(count.sum())
    )
    kept = rank[columns.site[column], columns.tier[column]] >= least[row]
    return row[kept], column[kept]
