"""The main model (capacitated coverage with tiers) as arrays, one named constraint a function.

Variables, in this order: y_jk ∈ {0, 1} for every site and tier that may be built (a column of
`Columns`), then x_rj ≥ 0 for every link (kWh/day). The objective Σ a_rj x_rj is maximised; as the
solvers' door minimises, its sign is turned in `build_model`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from siting.domain import BoolArray, FloatArray, IntArray, LongArray, frozen_array
from siting.instance import CLOSED, SitingInstance
from siting.optimise.links import build_links
from siting.optimise.mip import MixedIntegerModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from siting.instance import Decision
    from siting.optimise.links import Links


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """The tiers that may be built, site by site.

    Attributes
    ----------
    n_site
        Number of candidate sites, with or without columns.
    site, tier
        (n_column,) site and tier of each column; sites ascend, then tiers.
    cost_cny, power_kw, capacity_kwh_per_day
        (n_column,) f_jk, p_jk, q_jk.
    required
        (n_site,) sites that must be opened.
    """

    n_site: int
    site: IntArray
    tier: IntArray
    cost_cny: FloatArray
    power_kw: FloatArray
    capacity_kwh_per_day: FloatArray
    required: BoolArray

    @property
    def n_column(self) -> int:
        """Number of columns."""
        return int(self.site.size)

    @cached_property
    def start(self) -> IntArray:
        """(n_site + 1,) where each site's columns begin."""
        count = np.bincount(self.site, minlength=self.n_site)
        return frozen_array(np.concatenate(([0], np.cumsum(count))), np.int32)

    @cached_property
    def buildable(self) -> BoolArray:
        """(n_site,) whether the site has any column."""
        return np.diff(self.start) > 0

    def tier_of_site(self, chosen: IntArray | LongArray) -> IntArray:
        """(n_site,) tier of every site when the columns ``chosen`` are opened."""
        tier = np.full(self.n_site, CLOSED, dtype=np.int32)
        tier[self.site[chosen]] = self.tier[chosen]
        return tier

    def read_tiers(self, values: FloatArray) -> IntArray:
        """(n_site,) tier of every site by a solver's point, which begins with the columns."""
        return self.tier_of_site(np.flatnonzero(np.round(values[: self.n_column])))

    def opened_by(self, tier_of_site: IntArray) -> BoolArray:
        """(n_column,) whether these tiers open each column."""
        return np.asarray(tier_of_site[self.site] == self.tier)


def build_columns(instance: SitingInstance) -> Columns:
    """Return the tiers that may be built: allowed, not forbidden, within grid limit and budget.

    Σ_k p_jk y_jk ≤ P_j                              grid limit of a site
    y_jk = 0                                         where forbidden, or without room
    """
    req = instance.requirements
    possible = (
        instance.tier_allowed
        & ~req.forbidden[:, None]
        & (instance.tier_power_kw <= req.site_grid_limit_kw[:, None])
        & (instance.tier_cost_cny <= req.budget_cny)
    )
    site, tier = np.nonzero(possible)
    return Columns(
        n_site=instance.n_site,
        site=site.astype(np.int32),
        tier=tier.astype(np.int32),
        cost_cny=instance.tier_cost_cny[site, tier],
        power_kw=instance.tier_power_kw[site, tier],
        capacity_kwh_per_day=instance.tier_capacity_kwh_per_day[site, tier],
        required=req.required,
    )


class RowKind(StrEnum):
    """What a row over the columns alone asks for."""

    BUDGET = "budget"
    GREATEST_COUNT = "greatest number of sites"
    LEAST_COUNT = "least number of sites"
    GRID_GROUP = "grid limit of a substation group"
    LEAST_IN_DISTRICT = "least number of sites in a district"
    GREATEST_IN_DISTRICT = "greatest number of sites in a district"
    SPACING = "spacing"


class RowKey(NamedTuple):
    """Which row: its kind, and the index of its group or district, or the sites of its clique."""

    kind: RowKind
    members: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteRows:
    """Linear rows over the columns alone, ``matrix y ≤ upper``.

    Attributes
    ----------
    keys
        (n_row,) what each row stands for.
    matrix
        (n_row, n_column) coefficients.
    upper
        (n_row,) right-hand sides.
    """

    keys: tuple[RowKey, ...]
    matrix: sp.csr_array
    upper: FloatArray

    @property
    def n_row(self) -> int:
        """Number of rows."""
        return len(self.keys)


def build_site_rows(instance: SitingInstance, columns: Columns) -> SiteRows:
    """Return every constraint over the opened tiers alone, one row each."""
    rows = [
        *budget_row(instance, columns),
        *count_rows(instance, columns),
        *grid_group_rows(instance, columns),
        *district_rows(instance, columns),
        *spacing_rows(instance, columns),
    ]
    keys, members, coefficients, upper = zip(*rows, strict=True) if rows else ((), (), (), ())
    return SiteRows(
        keys=tuple(keys),
        matrix=sp.csr_array(
            (
                np.concatenate([*coefficients, np.empty(0)]),
                np.concatenate([*members, np.empty(0, dtype=np.int64)]),
                np.cumsum([0, *(m.size for m in members)]),
            ),
            shape=(len(rows), columns.n_column),
        ),
        upper=np.array(upper, dtype=np.float64),
    )


_Row = tuple[RowKey, LongArray, FloatArray, float]


def _row(kind: RowKind, members: tuple[int, ...], coefficient: FloatArray, upper: float) -> _Row:
    member = np.flatnonzero(coefficient)
    return RowKey(kind, members), member, coefficient[member], upper


def budget_row(instance: SitingInstance, columns: Columns) -> Iterable[_Row]:
    """Σ_jk f_jk y_jk ≤ budget."""
    if math.isfinite(instance.requirements.budget_cny):
        yield _row(RowKind.BUDGET, (), columns.cost_cny, instance.requirements.budget_cny)


def count_rows(instance: SitingInstance, columns: Columns) -> Iterable[_Row]:
    """min_sites ≤ Σ_jk y_jk ≤ max_sites."""
    req, ones = instance.requirements, np.ones(columns.n_column)
    if req.max_sites is not None and req.max_sites < columns.buildable.sum():
        yield _row(RowKind.GREATEST_COUNT, (), ones, req.max_sites)
    if req.min_sites > 0:
        yield _row(RowKind.LEAST_COUNT, (), -ones, -req.min_sites)


def grid_group_rows(instance: SitingInstance, columns: Columns) -> Iterable[_Row]:
    """Σ_{j∈G} Σ_k p_jk y_jk ≤ P_G."""
    req = instance.requirements
    group_of_column = req.grid_group[columns.site]
    for group, limit_kw in enumerate(req.grid_group_limit_kw):
        power_kw = np.where(group_of_column == group, columns.power_kw, 0.0)
        if math.isfinite(limit_kw) and power_kw.sum() > limit_kw:
            yield _row(RowKind.GRID_GROUP, (group,), power_kw, float(limit_kw))


def district_rows(instance: SitingInstance, columns: Columns) -> Iterable[_Row]:
    """least_d ≤ Σ_{j∈d} Σ_k y_jk ≤ greatest_d."""
    req = instance.requirements
    district_of_column = instance.site_district[columns.site]
    for district in range(req.district_max_sites.size):
        inside = np.where(district_of_column == district, 1.0, 0.0)
        least, greatest = req.district_min_sites[district], req.district_max_sites[district]
        if least > 0:
            yield _row(RowKind.LEAST_IN_DISTRICT, (district,), -inside, float(-least))
        if inside.sum() > greatest:
            yield _row(RowKind.GREATEST_IN_DISTRICT, (district,), inside, float(greatest))


def spacing_rows(instance: SitingInstance, columns: Columns) -> Iterable[_Row]:
    """Σ_{j∈K} Σ_k y_jk ≤ 1 for cliques K of sites that stand too close to each other.

    Pairs are gathered into cliques, which says the same and bounds better.
    """
    pairs = instance.requirements.spacing_pairs
    pairs = pairs[columns.buildable[pairs].all(axis=1)] if pairs.size else pairs
    start = columns.start
    for clique in find_cliques(pairs.tolist()):
        member = np.concatenate([np.arange(start[j], start[j + 1]) for j in clique])
        yield RowKey(RowKind.SPACING, tuple(clique)), member, np.ones(member.size), 1.0


def find_cliques(pairs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Cover the edges of a conflict graph with cliques, greedily and in a fixed order."""
    near: dict[int, set[int]] = {}
    for a, b in pairs:
        if a != b:
            near.setdefault(a, set()).add(b)
            near.setdefault(b, set()).add(a)
    left = {(min(a, b), max(a, b)) for a, b in pairs if a != b}
    cliques = []
    for a, b in sorted(left):
        if (a, b) not in left:
            continue
        clique, common = [a, b], near[a] & near[b]
        while common:
            # The one with most uncovered edges into the clique, the smallest index among equals.
            best = min(
                common, key=lambda c: (-sum((min(c, m), max(c, m)) in left for m in clique), c)
            )
            clique.append(best)
            common &= near[best]
        left -= {(min(p, q), max(p, q)) for p in clique for q in clique}
        cliques.append(sorted(clique))
    return cliques


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Rows ``lower ≤ matrix (y, x) ≤ upper`` of one kind."""

    matrix: sp.csr_array
    lower: FloatArray
    upper: FloatArray


def demand_rows(links: Links, n_column: int) -> Block:
    """Σ_j x_rj ≤ d_r: each demand is served once."""
    ones = np.ones(links.n_link)
    column = n_column + np.arange(links.n_link)
    matrix = sp.csr_array((ones, column, links.start), shape=(links.n_row, n_column + links.n_link))
    return _at_most(matrix, links.row_kwh_per_day)


def capacity_rows(
    links: Links, columns: Columns, station_capacity_kwh_per_day: FloatArray
) -> Block:
    """Σ_r x_rj ≤ Σ_k q_jk y_jk (j ∈ C),  Σ_r x_rj ≤ q_j (j ∈ E)."""
    n_supply = columns.n_site + station_capacity_kwh_per_day.size
    flow = sp.csr_array(
        (np.ones(links.n_link), (links.supply, np.arange(links.n_link))),
        shape=(n_supply, links.n_link),
    )
    given = sp.csr_array(
        (-columns.capacity_kwh_per_day, (columns.site, np.arange(columns.n_column))),
        shape=(n_supply, columns.n_column),
    )
    upper = np.concatenate((np.zeros(columns.n_site), station_capacity_kwh_per_day))
    return _at_most(sp.csr_array(sp.hstack((given, flow))), upper)


def strong_link_rows(links: Links, columns: Columns) -> Block:
    """x_rj ≤ d_r Σ_k y_jk for the links to sites: what bounds the model well.

    A tier smaller than d_r can give no more than its capacity, which is tighter still:
    x_rj ≤ Σ_k min(d_r, q_jk) y_jk.
    """
    link = np.flatnonzero(links.supply < columns.n_site)
    site, kwh = links.supply[link], links.row_kwh_per_day[links.row[link]]
    count = np.diff(columns.start)[site]
    row = np.repeat(np.arange(link.size), count)
    column = np.repeat(columns.start[site] - np.cumsum(count) + count, count) + np.arange(
        int(count.sum())
    )
    most = np.minimum(kwh[row], columns.capacity_kwh_per_day[column])
    matrix = sp.csr_array(
        (
            np.concatenate((-most, np.ones(link.size))),
            (
                np.concatenate((row, np.arange(link.size))),
                np.concatenate((column, columns.n_column + link)),
            ),
        ),
        shape=(link.size, columns.n_column + links.n_link),
    )
    return _at_most(matrix, np.zeros(link.size))


def one_tier_rows(columns: Columns, n_link: int) -> Block:
    """Σ_k y_jk ≤ 1, and = 1 where the site is required."""
    matrix = sp.csr_array(
        (np.ones(columns.n_column), (columns.site, np.arange(columns.n_column))),
        shape=(columns.n_site, columns.n_column + n_link),
    )
    return Block(
        matrix=matrix,
        lower=columns.required.astype(np.float64),
        upper=np.ones(columns.n_site),
    )


def site_rows(rows: SiteRows, n_link: int) -> Block:
    """Budget, counts, grid groups, quotas and spacing, as built by `build_site_rows`."""
    wide = sp.csr_array(sp.hstack((rows.matrix, sp.csr_array((rows.n_row, n_link)))))
    return _at_most(wide, rows.upper)


def floor_rows(instance: SitingInstance, links: Links, n_column: int) -> Block:
    """Σ_rj s_rb x_rj ≥ θ_b Σ_i d_ib, s_rb the brand's share of the row's energy."""
    floor = instance.requirements.floor_by_brand
    brands = np.flatnonzero(floor > 0)
    share = links.brand_share[:, brands][links.row].T
    matrix = sp.csr_array(sp.hstack((sp.csr_array((brands.size, n_column)), sp.csr_array(share))))
    return Block(
        matrix=matrix,
        lower=(floor * instance.demand_kwh_per_day.sum(axis=0))[brands],
        upper=np.full(brands.size, math.inf),
    )


def _at_most(matrix: sp.csr_array, upper: FloatArray) -> Block:
    return Block(matrix=matrix, lower=np.full(upper.size, -math.inf), upper=upper)


@dataclass(frozen=True, kw_only=True, eq=False)
class MainModel:
    """The whole model of an instance, and what its variables are: columns, then links."""

    columns: Columns
    links: Links
    model: MixedIntegerModel

    def point(self, decision: Decision) -> FloatArray:
        """Return a plan as a point of the model."""
        opened = self.columns.opened_by(decision.tier_of_site).astype(np.float64)
        return np.concatenate((opened, self.links.gather(decision.flow_kwh_per_day)))


def build_main_model(instance: SitingInstance) -> MainModel:
    """Build the model of an instance, demand of like rows merged."""
    columns = build_columns(instance)
    links = build_links(instance, supply_used=np.ones(instance.n_supply, dtype=bool), merged=True)
    rows = build_site_rows(instance, columns)
    return MainModel(
        columns=columns, links=links, model=build_model(instance, links, columns, rows)
    )


def build_model(
    instance: SitingInstance, links: Links, columns: Columns, rows: SiteRows
) -> MixedIntegerModel:
    """Build the whole model with every strong link, ready for a solver that minimises."""
    n_column, n_link = columns.n_column, links.n_link
    blocks = [
        demand_rows(links, n_column),
        capacity_rows(links, columns, instance.station_capacity_kwh_per_day),
        strong_link_rows(links, columns),
        one_tier_rows(columns, n_link),
        site_rows(rows, n_link),
        floor_rows(instance, links, n_column),
    ]
    return MixedIntegerModel(
        cost=np.concatenate((np.zeros(n_column), -links.worth)),
        lower=np.zeros(n_column + n_link),
        upper=np.concatenate((np.ones(n_column), links.row_kwh_per_day[links.row])),
        integer=np.arange(n_column + n_link) < n_column,
        matrix=sp.csr_array(sp.vstack([block.matrix for block in blocks], format="csr")),
        row_lower=np.concatenate([block.lower for block in blocks]),
        row_upper=np.concatenate([block.upper for block in blocks]),
    )
