"""The main model as arrays for our own kernels: who reaches what, and what may be built.

The model that the kernels see is

    max  Σ a_rj x_rj + Σ_c g_c y_c
    s.t. Σ_j x_rj ≤ d_r,   Σ_r x_rj ≤ Σ_c q_c y_c (j ∈ C),   Σ_r x_rj ≤ q_j (j ∈ E)
         Σ_{c∈j} y_c ≤ 1 (= 1 where required),   Σ_c f_c y_c ≤ budget,   A y ≤ upper
         Σ_rj s_rb x_rj ≥ F_b

with rows r of demand (`Links`), columns c of sites and tiers (`Columns`), and g_c what a column is
worth by itself (0 in the main model, minus its cost where money counts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from siting.optimise.formulation import RowKind, build_columns, build_site_rows
from siting.optimise.links import build_links

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.instance import SitingInstance
    from siting.optimise.formulation import Columns, RowKey, SiteRows
    from siting.optimise.links import Links

NO_BUDGET_CNY = 1e30


class Reach(NamedTuple):
    """The links, supply by supply, and where each row finds its own.

    Attributes
    ----------
    start
        (n_supply + 1,) where each supply's links begin.
    row, worth
        (n_link,) row and worth of each link.
    row_start, row_link
        (n_row + 1,), (n_link,) each row's links, as positions in the arrays above.
    supply
        (n_link,) supply of each link.
    kwh
        (n_row,) energy wanted, d_r.
    share
        (n_row, n_floor) share of each floored brand, s_rb.
    station_kwh
        (n_station,) capacity of the existing stations, which are the last supplies.
    """

    start: LongArray
    row: IntArray
    worth: FloatArray
    row_start: LongArray
    row_link: LongArray
    supply: IntArray
    kwh: FloatArray
    share: FloatArray
    station_kwh: FloatArray


class Menu(NamedTuple):
    """The columns, site by site, and the rows over them.

    Attributes
    ----------
    start
        (n_site + 1,) where each site's columns begin.
    site
        (n_column,) site of each column.
    cost, kwh, gain
        (n_column,) f_c, q_c, g_c.
    side_start, side_row, side_coefficient
        (n_column + 1,), (n_entry,), (n_entry,) the rows A, column by column; the budget is apart.
    side_upper
        (n_side,) right-hand sides.
    budget
        Most that the columns may cost; `NO_BUDGET_CNY` if there is no limit.
    """

    start: LongArray
    site: IntArray
    cost: FloatArray
    kwh: FloatArray
    gain: FloatArray
    side_start: LongArray
    side_row: IntArray
    side_coefficient: FloatArray
    side_upper: FloatArray
    budget: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TierProblem:
    """One instance, ready for the kernels.

    Attributes
    ----------
    links, columns, rows
        What the arrays were built from.
    reach, menu
        The arrays.
    floor_kwh
        (n_floor,) energy of each floored brand that must be served, F_b.
    floor_brand
        (n_floor,) those brands.
    required
        (n_site,) sites that must be opened.
    """

    links: Links
    columns: Columns
    rows: SiteRows
    reach: Reach
    menu: Menu
    floor_kwh: FloatArray
    floor_brand: LongArray
    required: BoolArray

    @property
    def n_site(self) -> int:
        """Number of candidate sites."""
        return self.columns.n_site

    @property
    def side_keys(self) -> tuple[RowKey, ...]:
        """(n_side,) what the rows over columns stand for, the budget left out."""
        return tuple(key for key in self.rows.keys if key.kind is not RowKind.BUDGET)

    @property
    def n_column(self) -> int:
        """Number of columns."""
        return self.columns.n_column


def build_problem(
    instance: SitingInstance,
    *,
    service_weight: float = 1.0,
    cost_weight: float = 0.0,
) -> TierProblem:
    """Build the kernels' arrays of an instance.

    Parameters
    ----------
    instance
        What to solve.
    service_weight, cost_weight
        The objective is ``service_weight Σ a x - cost_weight Σ f y``; the main model is (1, 0).
    """
    columns = build_columns(instance)
    rows = build_site_rows(instance, columns)
    supply_used = np.ones(instance.n_supply, dtype=bool)
    supply_used[: instance.n_site] = columns.buildable
    links = build_links(instance, supply_used=supply_used, merged=True)
    floor_kwh = instance.requirements.floor_by_brand * instance.demand_kwh_per_day.sum(axis=0)
    floor_brand = np.flatnonzero(floor_kwh > 0)
    return TierProblem(
        links=links,
        columns=columns,
        rows=rows,
        reach=_build_reach(instance, links, floor_brand, service_weight),
        menu=_build_menu(columns, rows, cost_weight),
        floor_kwh=floor_kwh[floor_brand],
        floor_brand=floor_brand,
        required=instance.requirements.required,
    )


def _build_reach(
    instance: SitingInstance, links: Links, floor_brand: LongArray, service_weight: float
) -> Reach:
    order = np.argsort(links.supply, kind="stable")
    position = np.empty(links.n_link, dtype=np.int64)
    position[order] = np.arange(links.n_link)
    count = np.bincount(links.supply, minlength=instance.n_supply)
    return Reach(
        start=np.concatenate(([0], np.cumsum(count))).astype(np.int64),
        row=links.row[order],
        worth=service_weight * links.worth[order],
        row_start=np.array(links.start),
        row_link=position,
        supply=links.supply[order],
        kwh=np.array(links.row_kwh_per_day),
        share=np.ascontiguousarray(links.brand_share[:, floor_brand]),
        station_kwh=np.array(instance.station_capacity_kwh_per_day),
    )


def _build_menu(columns: Columns, rows: SiteRows, cost_weight: float) -> Menu:
    is_budget = np.array([key.kind is RowKind.BUDGET for key in rows.keys], dtype=bool)
    side = sp.csc_array(rows.matrix[np.flatnonzero(~is_budget)])
    return Menu(
        start=columns.start.astype(np.int64),
        site=np.array(columns.site),
        cost=np.array(columns.cost_cny),
        kwh=np.array(columns.capacity_kwh_per_day),
        gain=-cost_weight * columns.cost_cny,
        side_start=side.indptr.astype(np.int64),
        side_row=side.indices.astype(np.int32),
        side_coefficient=side.data.astype(np.float64),
        side_upper=rows.upper[~is_budget],
        budget=float(rows.upper[is_budget].min(initial=NO_BUDGET_CNY)),
    )
