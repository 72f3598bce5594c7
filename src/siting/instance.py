"""What the solver sees: one frozen instance of read-only arrays, and a check without a solver.

``I`` demand points, ``B`` brands, ``C`` candidate sites, ``E`` existing stations. The supply index
``j`` runs over ``J = C ∪ E``: sites first, stations after. Pairs (i, j) with worth 0 do not exist;
those that do stand row by row (by demand point) in ``cover_*``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from siting.domain import BoolArray, Float32Array, FloatArray, IntArray, LongArray, frozen_array
from siting.notebook import show_tables

CLOSED = -1
NO_GROUP = -1
WH_PER_KWH = 1000.0
WH_SLACK = 1e-3
"""Watt-hours; what a solver's tolerance may leave below a whole number."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Requirements:
    """What a plan must respect, apart from capacity.

    Attributes
    ----------
    budget_cny
        Most that the opened tiers may cost together; infinite if there is no limit.
    floor_by_brand
        (n_brand,) least share of each brand's demand to be served, in [0, 1].
    required, forbidden
        (n_site,) masks of the sites that must, or must not, be opened.
    min_sites, max_sites
        Bounds on the number of opened sites; ``max_sites`` is None for no limit.
    site_grid_limit_kw
        (n_site,) most power that the grid gives the site; infinite if unlimited.
    grid_group
        (n_site,) index of the site's substation group, or ``NO_GROUP``.
    grid_group_limit_kw
        (n_group,) most power that the group gives all its sites together.
    spacing_pairs
        (n_pair, 2) pairs of sites that stand too close for both to be opened.
    district_min_sites, district_max_sites
        (n_district,) quotas of opened sites; 0 and a large number where there is none.
    """

    budget_cny: float
    floor_by_brand: FloatArray
    required: BoolArray
    forbidden: BoolArray
    min_sites: int = 0
    max_sites: int | None = None
    site_grid_limit_kw: FloatArray
    grid_group: IntArray
    grid_group_limit_kw: FloatArray = field(default_factory=lambda: np.empty(0))
    spacing_pairs: IntArray = field(default_factory=lambda: np.empty((0, 2), dtype=np.int32))
    district_min_sites: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    district_max_sites: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name, dtype in _REQUIREMENT_DTYPES.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - any field's value
        """Return a changed copy."""
        return replace(self, **changes)


_REQUIREMENT_DTYPES: dict[str, Any] = {
    "floor_by_brand": np.float64,
    "required": np.bool_,
    "forbidden": np.bool_,
    "site_grid_limit_kw": np.float64,
    "grid_group": np.int32,
    "grid_group_limit_kw": np.float64,
    "spacing_pairs": np.int32,
    "district_min_sites": np.int32,
    "district_max_sites": np.int32,
}


def no_requirements(*, n_site: int, n_brand: int, budget_cny: float = math.inf) -> Requirements:
    """Build requirements that ask for nothing but the budget."""
    return Requirements(
        budget_cny=budget_cny,
        floor_by_brand=np.zeros(n_brand),
        required=np.zeros(n_site, dtype=bool),
        forbidden=np.zeros(n_site, dtype=bool),
        site_grid_limit_kw=np.full(n_site, math.inf),
        grid_group=np.full(n_site, NO_GROUP),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class SitingInstance:
    """One facility-location instance: demand, supply, pairs within reach, requirements.

    Attributes
    ----------
    brands
        Ids of the brands, in the order of every ``n_brand`` axis.
    demand_ids
        (n_demand,) ids of the demand points.
    demand_kwh_per_day
        (n_demand, n_brand) energy wanted from public charging.
    demand_district
        (n_demand,) index into ``district_ids``, -1 where unknown.
    site_ids, station_ids
        (n_site,) and (n_station,) ids of the candidate sites and the existing stations.
    site_district
        (n_site,) index into ``district_ids``, -1 where unknown.
    district_ids
        (n_district,) ids of the districts.
    tiers
        Names of the tiers, in the order of every ``n_tier`` axis.
    tier_cost_cny, tier_power_kw, tier_capacity_kwh_per_day
        (n_site, n_tier) cost, power and energy capacity of a tier at a site.
    tier_allowed
        (n_site, n_tier) False where the site has no room for the tier.
    station_capacity_kwh_per_day
        (n_station,) energy that an existing station can serve.
    usable
        (n_site + n_station, n_brand) whether the brand's drivers may charge there (A_bj).
    cover_start
        (n_demand + 1,) where each demand point's pairs begin in the arrays below.
    cover_supply
        (n_pair,) supply index j, ascending within a demand point.
    cover_time_s
        (n_pair,) travel time by road; float32 halves the memory of large answers.
    cover_worth
        (n_pair,) worth of service at that time, a_ij in (0, 1].
    requirements
        Budget, floors, grid and the rest.
    """

    brands: tuple[str, ...]
    demand_ids: tuple[str, ...]
    demand_kwh_per_day: FloatArray
    demand_district: IntArray
    site_ids: tuple[str, ...]
    site_district: IntArray
    station_ids: tuple[str, ...]
    district_ids: tuple[str, ...]
    tiers: tuple[str, ...]
    tier_cost_cny: FloatArray
    tier_power_kw: FloatArray
    tier_capacity_kwh_per_day: FloatArray
    tier_allowed: BoolArray
    station_capacity_kwh_per_day: FloatArray
    usable: BoolArray
    cover_start: LongArray
    cover_supply: IntArray
    cover_time_s: FloatArray | Float32Array
    cover_worth: FloatArray
    requirements: Requirements

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse shapes, NaNs and orders that make no sense."""
        for name, dtype in _INSTANCE_DTYPES.items():
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))
        time_dtype = (
            np.float32 if getattr(self.cover_time_s, "dtype", None) == np.float32 else float
        )
        object.__setattr__(self, "cover_time_s", frozen_array(self.cover_time_s, time_dtype))
        shapes = {
            "demand_kwh_per_day": (self.n_demand, self.n_brand),
            "demand_district": (self.n_demand,),
            "site_district": (self.n_site,),
            "tier_cost_cny": (self.n_site, self.n_tier),
            "tier_power_kw": (self.n_site, self.n_tier),
            "tier_capacity_kwh_per_day": (self.n_site, self.n_tier),
            "tier_allowed": (self.n_site, self.n_tier),
            "station_capacity_kwh_per_day": (self.n_station,),
            "usable": (self.n_supply, self.n_brand),
            "cover_start": (self.n_demand + 1,),
            "cover_supply": (self.n_pair,),
            "cover_time_s": (self.n_pair,),
            "cover_worth": (self.n_pair,),
        }
        wrong = [
            f"{name} has shape {getattr(self, name).shape}, not {shape}"
            for name, shape in shapes.items()
            if getattr(self, name).shape != shape
        ]
        wrong += [
            f"{name} holds negative, infinite or missing numbers"
            for name in _NON_NEGATIVE
            if not (np.isfinite(getattr(self, name)).all() and (getattr(self, name) >= 0).all())
        ]
        if math.isnan(self.requirements.budget_cny) or self.requirements.budget_cny < 0:
            wrong.append(f"budget_cny is {self.requirements.budget_cny}")
        if self.n_pair and not (
            0 <= self.cover_supply.min() <= self.cover_supply.max() < self.n_supply
        ):
            wrong.append("cover_supply points outside the supply")
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def n_brand(self) -> int:
        """Number of brands."""
        return len(self.brands)

    @property
    def n_demand(self) -> int:
        """Number of demand points."""
        return len(self.demand_ids)

    @property
    def n_site(self) -> int:
        """Number of candidate sites."""
        return len(self.site_ids)

    @property
    def n_station(self) -> int:
        """Number of existing stations."""
        return len(self.station_ids)

    @property
    def n_supply(self) -> int:
        """Number of candidate sites and existing stations together."""
        return self.n_site + self.n_station

    @property
    def n_tier(self) -> int:
        """Number of tiers."""
        return len(self.tiers)

    @property
    def n_pair(self) -> int:
        """Number of (demand point, supply) pairs within reach."""
        return int(self.cover_supply.size)

    @cached_property
    def cover_demand(self) -> IntArray:
        """(n_pair,) demand point of each pair."""
        counts = np.diff(self.cover_start)
        return frozen_array(np.repeat(np.arange(self.n_demand, dtype=np.int32), counts), np.int32)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - any field's value
        """Return a changed copy; the instance itself is never mutated."""
        return replace(self, **changes)

    def _repr_html_(self) -> str:
        """Return the instance's sizes, its brands and its tiers, for a notebook."""
        sizes = {
            "demand points": self.n_demand,
            "candidate sites": self.n_site,
            "existing stations": self.n_station,
            "pairs within reach": self.n_pair,
            "budget (CNY)": self.requirements.budget_cny,
        }
        brands = {
            "brand": self.brands,
            "wants_kwh_per_day": self.demand_kwh_per_day.sum(axis=0),
            "stations_open_to_it": self.usable[self.n_site :].sum(axis=0),
            "floor": self.requirements.floor_by_brand,
        }
        tiers = {"tier": self.tiers, "sites_that_allow_it": self.tier_allowed.sum(axis=0)}
        return show_tables(
            {
                "Instance": pd.DataFrame({"number": sizes}),
                "Brands": pd.DataFrame(brands),
                "Tiers": pd.DataFrame(tiers),
            }
        )


_INSTANCE_DTYPES: dict[str, Any] = {
    "demand_kwh_per_day": np.float64,
    "demand_district": np.int32,
    "site_district": np.int32,
    "tier_cost_cny": np.float64,
    "tier_power_kw": np.float64,
    "tier_capacity_kwh_per_day": np.float64,
    "tier_allowed": np.bool_,
    "station_capacity_kwh_per_day": np.float64,
    "usable": np.bool_,
    "cover_start": np.int64,
    "cover_supply": np.int32,
    "cover_worth": np.float64,
}
_NON_NEGATIVE = (
    "demand_kwh_per_day",
    "tier_cost_cny",
    "tier_power_kw",
    "tier_capacity_kwh_per_day",
    "station_capacity_kwh_per_day",
    "cover_time_s",
    "cover_worth",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """What is decided: the tier of every site, and who charges where.

    Attributes
    ----------
    tier_of_site
        (n_site,) index of the opened tier, or ``CLOSED``.
    flow_kwh_per_day
        (n_pair, n_brand) energy of the brand served over the instance's pair.
    """

    tier_of_site: IntArray
    flow_kwh_per_day: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "tier_of_site", frozen_array(self.tier_of_site, np.int32))
        object.__setattr__(
            self, "flow_kwh_per_day", frozen_array(self.flow_kwh_per_day, np.float64)
        )

    @property
    def opened(self) -> BoolArray:
        """(n_site,) mask of the opened sites."""
        return np.not_equal(self.tier_of_site, CLOSED)


def settle_flows(instance: SitingInstance, decision: Decision) -> Decision:
    """Return the decision with whole watt-hours, so that sums of its flows are exact.

    Solvers end within a tolerance; whole watt-hours hold demand and capacity exactly, and anyone
    can add them up. A limit is taken in whole watt-hours too (`whole_wh`), and what a solver put
    above it is taken from the largest flows.
    """
    flow_wh = whole_wh(decision.flow_kwh_per_day)
    capacity_wh = whole_wh(compute_capacity(instance, decision.tier_of_site))
    for b in range(instance.n_brand):
        _trim(flow_wh[:, b], instance.cover_demand, whole_wh(instance.demand_kwh_per_day[:, b]))
    pair_wh = flow_wh.sum(axis=1)
    over = pair_wh.copy()
    _trim(over, instance.cover_supply, capacity_wh)
    for p in np.flatnonzero(over < pair_wh):
        left = pair_wh[p] - over[p]
        for b in np.argsort(-flow_wh[p], kind="stable"):
            taken = min(left, flow_wh[p, b])
            flow_wh[p, b] -= taken
            left -= taken
    return Decision(tier_of_site=decision.tier_of_site, flow_kwh_per_day=flow_wh / WH_PER_KWH)


def whole_wh(kwh: FloatArray) -> LongArray:
    """Return energy in whole watt-hours, rounded down beyond what float64 sums can tell apart."""
    return np.floor(np.asarray(kwh) * WH_PER_KWH + WH_SLACK).astype(np.int64)


def compute_capacity(instance: SitingInstance, tier_of_site: IntArray) -> FloatArray:
    """(n_supply,) energy that each site and station can serve (kWh/day)."""
    capacity = np.zeros(instance.n_supply)
    opened = np.flatnonzero(tier_of_site != CLOSED)
    capacity[opened] = instance.tier_capacity_kwh_per_day[opened, tier_of_site[opened]]
    capacity[instance.n_site :] = instance.station_capacity_kwh_per_day
    return capacity


def _trim(flow_wh: LongArray, index: IntArray, limit_wh: LongArray) -> None:
    """Take from the largest flows of each index what its sum has above its limit, in place."""
    total = np.zeros(limit_wh.size, dtype=np.int64)
    np.add.at(total, index, flow_wh)
    for k in np.flatnonzero(total > limit_wh):
        left = total[k] - limit_wh[k]
        members = np.flatnonzero(index == k)
        for p in members[np.argsort(-flow_wh[members], kind="stable")]:
            taken = min(left, flow_wh[p])
            flow_wh[p] -= taken
            left -= taken


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a decision comes to, recomputed without any solver.

    Attributes
    ----------
    objective_kwh_per_day
        Σ a_ij x_ij: energy served, weighted by its worth.
    cost_cny
        Σ f_jk over the opened tiers.
    served_kwh_per_day
        (n_demand, n_brand) energy served.
    supplied_kwh_per_day
        (n_supply, n_brand) energy each site or station gives.
    violations
        Every constraint that is broken by more than the tolerance, in words; empty if feasible.
    """

    objective_kwh_per_day: float
    cost_cny: float
    served_kwh_per_day: FloatArray
    supplied_kwh_per_day: FloatArray
    violations: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        """Whether no constraint is broken."""
        return not self.violations


def evaluate(
    instance: SitingInstance, decision: Decision, *, tolerance: float = 1e-6
) -> Evaluation:
    """Recompute objective, cost, service and every constraint of a decision without a solver.

    Parameters
    ----------
    instance, decision
        What was asked and what was answered.
    tolerance
        How far a constraint may be exceeded, relative to its right-hand side (at least 1 unit).

    Returns
    -------
    Evaluation
        With one line in ``violations`` for each broken constraint of models.md, 1.
    """
    flow, tier = decision.flow_kwh_per_day, decision.tier_of_site
    if flow.shape != (instance.n_pair, instance.n_brand) or tier.shape != (instance.n_site,):
        raise ValueError("the decision does not belong to this instance: its shapes differ")
    opened = np.flatnonzero(decision.opened)
    opened_tier = tier[opened]
    if ((opened_tier < 0) | (opened_tier >= instance.n_tier)).any():
        raise ValueError("a site is opened with a tier that does not exist")

    served = _sum_by(instance.cover_demand, flow, instance.n_demand)
    supplied = _sum_by(instance.cover_supply, flow, instance.n_supply)
    cost_cny = math.fsum(instance.tier_cost_cny[opened, opened_tier])
    return Evaluation(
        objective_kwh_per_day=math.fsum(instance.cover_worth * flow.sum(axis=1)),
        cost_cny=cost_cny,
        served_kwh_per_day=served,
        supplied_kwh_per_day=supplied,
        violations=(
            *_flow_violations(instance, decision, served, supplied, tolerance),
            *_site_violations(instance, decision, tolerance),
            *_budget_violations(instance, cost_cny, tolerance),
            *_count_violations(instance, opened),
        ),
    )


def _flow_violations(
    instance: SitingInstance,
    decision: Decision,
    served: FloatArray,
    supplied: FloatArray,
    tolerance: float,
) -> list[str]:
    """Hold the flows to demand, capacity, who may charge where, and the floors."""
    flow, opened = decision.flow_kwh_per_day, np.flatnonzero(decision.opened)
    capacity = np.zeros(instance.n_supply)
    capacity[opened] = instance.tier_capacity_kwh_per_day[opened, decision.tier_of_site[opened]]
    capacity[instance.n_site :] = instance.station_capacity_kwh_per_day
    wanted = instance.demand_kwh_per_day
    floor_kwh = instance.requirements.floor_by_brand * wanted.sum(axis=0)
    beyond_demand = np.any(_is_over(served, wanted, tolerance), axis=1)
    beyond_capacity = _is_over(supplied.sum(axis=1), capacity, tolerance)
    not_usable = np.any((supplied > tolerance) & ~instance.usable, axis=1)
    floor_missed = _is_over(floor_kwh, served.sum(axis=0), tolerance)
    supply_ids = instance.site_ids + instance.station_ids
    unsound = not np.isfinite(flow).all() or (flow < -tolerance).any()
    return [
        *(["flow is negative or not a number"] if unsound else []),
        *_named(beyond_demand, "served beyond demand", instance.demand_ids),
        *_named(beyond_capacity, "over capacity", supply_ids),
        *_named(not_usable, "serves a brand that may not charge there", supply_ids),
        *_named(floor_missed, "service floor missed", instance.brands),
    ]


def _site_violations(instance: SitingInstance, decision: Decision, tolerance: float) -> list[str]:
    """Hold the sites to their room, to required and forbidden, to the grid, and to spacing."""
    req, tier, is_open = instance.requirements, decision.tier_of_site, decision.opened
    opened = np.flatnonzero(is_open)
    no_room = np.zeros(instance.n_site, dtype=bool)
    no_room[opened] = ~instance.tier_allowed[opened, tier[opened]]
    power_kw = np.zeros(instance.n_site)
    power_kw[opened] = instance.tier_power_kw[opened, tier[opened]]
    beyond_grid = _is_over(power_kw, req.site_grid_limit_kw, tolerance)
    of_group = [power_kw[req.grid_group == g].sum() for g in range(req.grid_group_limit_kw.size)]
    beyond_group = _is_over(np.array(of_group), req.grid_group_limit_kw, tolerance)
    ids = instance.site_ids
    return [
        *_named(no_room, "opened with a tier it has no room for", ids),
        *_named(req.required & ~is_open, "required but closed", ids),
        *_named(req.forbidden & is_open, "forbidden but opened", ids),
        *_named(beyond_grid, "over the site's grid limit", ids),
        *(f"over the grid limit of substation group {g}" for g in np.flatnonzero(beyond_group)),
        *(
            f"too close: {ids[a]} and {ids[b]}"
            for a, b in req.spacing_pairs
            if is_open[a] and is_open[b]
        ),
    ]


def _budget_violations(instance: SitingInstance, cost_cny: float, tolerance: float) -> list[str]:
    budget_cny = instance.requirements.budget_cny
    if _is_over(cost_cny, budget_cny, tolerance):
        return [f"cost {cost_cny} CNY is over the budget {budget_cny} CNY"]
    return []


def _count_violations(instance: SitingInstance, opened: LongArray) -> list[str]:
    """Hold the number of sites to its bounds, in all and by district."""
    req, n_opened = instance.requirements, opened.size
    lines = []
    if n_opened < req.min_sites or (req.max_sites is not None and n_opened > req.max_sites):
        lines.append(f"{n_opened} sites opened, asked {req.min_sites} to {req.max_sites}")
    if req.district_max_sites.size:
        in_district = instance.site_district[opened]
        count = np.bincount(in_district[in_district >= 0], minlength=len(instance.district_ids))
        broken = (count < req.district_min_sites) | (count > req.district_max_sites)
        lines += _named(broken, "quota of sites broken in district", instance.district_ids)
    return lines


def _is_over(value: Any, limit: Any, tolerance: float) -> Any:  # noqa: ANN401 - numbers and arrays
    slack = tolerance * np.maximum(1.0, np.abs(np.where(np.isfinite(limit), limit, 1.0)))
    return np.asarray(value) > np.asarray(limit) + slack


def _named(mask: BoolArray, what: str, ids: tuple[str, ...]) -> list[str]:
    return [f"{what}: {ids[k]}" for k in np.flatnonzero(mask)]


def _sum_by(index: IntArray, values: FloatArray, n: int) -> FloatArray:
    """Sum the rows of ``values`` by ``index`` into (n, n_column)."""
    sums = np.zeros((n, values.shape[1]))
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(index, weights=values[:, column], minlength=n)
    return sums
