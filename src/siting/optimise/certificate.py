"""Proof without a solver: prices from which weak duality alone gives a bound.

Whatever the prices λ_ib, μ_b, ν_i, π ≥ 0 and the thresholds behind V, no plan of the main model is
worth more than

    Σ λ_ib d_ib - Σ μ_b θ_b Σ_i d_ib + Σ_i ν_i u_i + π budget
      + Σ_{j∈E} V_j(q_j) + Σ_{j∈C} max(0, max_k V_j(q_jk) - π f_jk - Σ_i ν_i A_ijk)

    V_j(q) = min_p  p q + Σ_ib d_ib max(0, a_ij - λ_ib + μ_b - p)        (brands b that may use j)

without the 0 where site j is required. `check_bound` computes this from the instance and the prices
and shares nothing with what found them. It rounds outward: to the sum it adds the most that float64
can have lost, so the number it returns holds in exact arithmetic.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import FloatArray, frozen_array

if TYPE_CHECKING:
    from collections.abc import Mapping

    from siting.instance import SitingInstance

ROUNDING = float(np.finfo(np.float64).eps)
# Digits of the shipped prices: any price proves something, so fewer digits cost next to nothing.
DIGITS = 9


@dataclass(frozen=True, kw_only=True, eq=False)
class TierPrices:
    """Multipliers of the main model, in the instance's own terms; all are ≥ 0.

    Attributes
    ----------
    demand
        (n_demand, n_brand) λ, worth of one more kWh of unmet demand.
    floor
        (n_brand,) μ, worth of one kWh less of each service floor.
    budget
        π, worth of one more CNY.
    greatest_count, least_count
        Worth of one more site allowed, and of one fewer asked for.
    grid_group
        (n_group,) worth of one more kW of each substation group.
    greatest_in_district, least_in_district
        (n_district,) the same as for the counts, by district.
    cliques
        Sites of which any two stand too close, and the worth of one more among them.
    """

    demand: FloatArray
    floor: FloatArray
    budget: float = 0.0
    greatest_count: float = 0.0
    least_count: float = 0.0
    grid_group: FloatArray = field(default_factory=lambda: np.empty(0))
    greatest_in_district: FloatArray = field(default_factory=lambda: np.empty(0))
    least_in_district: FloatArray = field(default_factory=lambda: np.empty(0))
    cliques: tuple[tuple[tuple[int, ...], float], ...] = ()

    def __post_init__(self) -> None:
        """Round and freeze; what is negative by rounding becomes 0."""
        for name in _ARRAYS:
            rounded = np.maximum(np.round(getattr(self, name), DIGITS), 0.0)
            object.__setattr__(self, name, frozen_array(rounded, np.float64))


_ARRAYS = ("demand", "floor", "grid_group", "greatest_in_district", "least_in_district")
_NUMBERS = ("budget", "greatest_count", "least_count")


def render_certificate(prices: TierPrices, *, objective: float, bound: float) -> bytes:
    """Return the certificate as JSON: the prices, and what they prove beside the plan's worth.

    Parameters
    ----------
    prices
        The multipliers.
    objective
        Worth of the plan (kWh/day).
    bound
        What `check_bound` makes of the prices (kWh/day).
    """
    content: dict[str, Any] = {
        "model": "capacitated coverage with tiers",
        "objective_kwh_per_day": objective,
        "bound_by_duality_kwh_per_day": bound,
    }
    content |= {name: getattr(prices, name) for name in _NUMBERS}
    content |= {name: getattr(prices, name).tolist() for name in _ARRAYS}
    content["cliques"] = [{"sites": list(sites), "price": nu} for sites, nu in prices.cliques]
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def read_certificate(content: bytes) -> TierPrices:
    """Return the prices of a certificate.

    Raises
    ------
    ValueError
        If it is no certificate of the main model, or a price is not a finite number ≥ 0.
    """
    try:
        raw: Mapping[str, Any] = json.loads(content)
        known: dict[str, Any] = {name: np.array(raw[name], np.float64) for name in _ARRAYS}
        known |= {name: float(raw[name]) for name in _NUMBERS}
        prices = TierPrices(
            **known,
            cliques=tuple(
                (tuple(int(j) for j in clique["sites"]), float(clique["price"]))
                for clique in raw["cliques"]
            ),
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"this is no certificate of the main model: {error}") from error
    numbers = [getattr(prices, name) for name in _NUMBERS] + [nu for _, nu in prices.cliques]
    finite = all(np.isfinite(getattr(prices, name)).all() for name in _ARRAYS)
    if not (finite and all(0 <= number < math.inf for number in numbers)):
        raise ValueError("every price of a certificate is a finite number and not negative")
    return prices


def check_bound(instance: SitingInstance, prices: TierPrices) -> float:
    """Return what no plan can be worth more than, by weak duality alone (kWh/day).

    Parameters
    ----------
    instance
        The instance.
    prices
        Multipliers; any will do, good ones prove more.

    Returns
    -------
    float
        The bound, rounded outward; −∞ if a required site cannot be built at all.

    Raises
    ------
    ValueError
        If prices and instance do not fit together.
    """
    _refuse_misfit(instance, prices)
    req, demand = instance.requirements, instance.demand_kwh_per_day
    terms = [
        (prices.demand * demand).ravel(),
        -prices.floor * req.floor_by_brand * demand.sum(axis=0),
        np.array([_times(prices.budget, req.budget_cny)]),
        np.array([_times(prices.greatest_count, req.max_sites or 0)]),
        np.array([-prices.least_count * req.min_sites]),
        np.array(
            [_times(*p) for p in zip(prices.grid_group, req.grid_group_limit_kw, strict=True)]
        ),
        prices.greatest_in_district * req.district_max_sites,
        -prices.least_in_district * req.district_min_sites,
        np.array([nu for _, nu in prices.cliques]),
    ]
    total, lost = _sum(np.concatenate(terms))
    price_of_tier = _price_tiers(instance, prices)
    size_of_tier = _price_tiers(instance, prices, sign=1.0)
    order = np.argsort(instance.cover_supply, kind="stable")
    edge = np.searchsorted(instance.cover_supply[order], np.arange(instance.n_supply + 1))
    for j in range(instance.n_supply):
        pair = order[edge[j] : edge[j + 1]]
        brands = np.flatnonzero(instance.usable[j])
        kwh = demand[np.ix_(instance.cover_demand[pair], brands)].ravel()
        lam = prices.demand[np.ix_(instance.cover_demand[pair], brands)]
        profit = instance.cover_worth[pair][:, None] - lam + prices.floor[brands]
        profit = profit.ravel()
        if j >= instance.n_site:
            value, slip = _fill(
                profit, kwh, instance.station_capacity_kwh_per_day[j - instance.n_site]
            )
        else:
            value, slip = -math.inf if req.required[j] else 0.0, 0.0
            for k in _buildable(instance, j):
                gross, loss = _fill(profit, kwh, instance.tier_capacity_kwh_per_day[j, k])
                value = max(value, gross - price_of_tier[j, k])
                slip = max(slip, loss + 8 * ROUNDING * (gross + size_of_tier[j, k]))
        if value == -math.inf:
            return value
        total, lost = total + value, lost + slip + ROUNDING * abs(total + value)
    return total + 2 * lost


def _fill(profit: FloatArray, kwh: FloatArray, capacity: float) -> tuple[float, float]:
    """Return V by its formula at the threshold p where the capacity runs out, and what it lost."""
    order = np.argsort(-profit, kind="stable")
    full = np.searchsorted(np.cumsum(kwh[order]), capacity)
    threshold = max(0.0, float(profit[order[full]])) if full < order.size else 0.0
    value, lost = _sum(np.append(kwh * np.maximum(profit - threshold, 0.0), threshold * capacity))
    # Profits are sums of four numbers below 1 + λ + μ + p in size.
    size = float(kwh.sum()) * (4.0 + float(np.abs(profit).max(initial=0.0)) + threshold)
    return value, lost + 4 * ROUNDING * size


def _sum(terms: FloatArray) -> tuple[float, float]:
    """Return a sum of products, and the most that rounding can have taken from it."""
    return float(terms.sum()), (terms.size + 4) * ROUNDING * float(np.abs(terms).sum())


def _price_tiers(instance: SitingInstance, prices: TierPrices, *, sign: float = -1.0) -> FloatArray:
    """(n_site, n_tier) π f + ν·A; with sign 1 the same with every term taken as positive."""
    req = instance.requirements
    each = prices.greatest_count + sign * prices.least_count
    site_price = np.full(instance.n_site, each)
    for sites, nu in prices.cliques:
        site_price[list(sites)] += nu
    known = instance.site_district >= 0
    of_district = np.zeros(len(instance.district_ids) + 1)
    of_district[: prices.greatest_in_district.size] += prices.greatest_in_district
    of_district[: prices.least_in_district.size] += sign * prices.least_in_district
    site_price[known] += of_district[instance.site_district[known]]
    per_kw = np.append(prices.grid_group, 0.0)[req.grid_group]
    return np.asarray(
        prices.budget * instance.tier_cost_cny
        + per_kw[:, None] * instance.tier_power_kw
        + site_price[:, None],
        dtype=np.float64,
    )


def _buildable(instance: SitingInstance, site: int) -> list[int]:
    """Tiers that the site may get, taken by itself."""
    req = instance.requirements
    if req.forbidden[site]:
        return []
    fits = (
        instance.tier_allowed[site]
        & (instance.tier_power_kw[site] <= req.site_grid_limit_kw[site])
        & (instance.tier_cost_cny[site] <= req.budget_cny)
    )
    return [int(k) for k in np.flatnonzero(fits)]


def _times(price: float, limit: float) -> float:
    """Return price × limit, where a limit of infinity has no price."""
    if price == 0.0:
        return 0.0
    if not math.isfinite(limit):
        raise ValueError("a limit that is not there has a price")
    return float(price * limit)


def _refuse_misfit(instance: SitingInstance, prices: TierPrices) -> None:
    req = instance.requirements
    close = {frozenset(pair) for pair in req.spacing_pairs.tolist()}
    fits = (
        prices.demand.shape == instance.demand_kwh_per_day.shape
        and prices.floor.shape == (instance.n_brand,)
        and prices.grid_group.shape == req.grid_group_limit_kw.shape
        and prices.greatest_in_district.shape == req.district_max_sites.shape
        and prices.least_in_district.shape == req.district_min_sites.shape
        and (req.max_sites is not None or prices.greatest_count == 0.0)
        and all(
            frozenset((a, b)) in close
            for sites, _ in prices.cliques
            for n, a in enumerate(sites)
            for b in sites[:n]
        )
    )
    if not fits:
        raise ValueError("these prices belong to another instance")
