"""The bound that a certificate's prices prove by weak duality alone, in exact fractions.

Whatever the prices λ, μ, ν, π ≥ 0, no plan is worth more than

    Σ λ_ib d_ib - Σ μ_b θ_b Σ_i d_ib + Σ ν_row upper_row + π budget
      + Σ_{j∈E} V_j(q_j) + Σ_{j∈C} max(0, max_k V_j(q_jk) - π f_jk - ν·A_jk)
    V_j(q) = max Σ_ib (a_ij - λ_ib + μ_b) x_ib   with  0 ≤ x_ib ≤ d_ib  and  Σ x_ib ≤ q

over pairs within reach and brands that may charge at j; without the 0 where site j is required.
V_j is a continuous knapsack: the most profitable energy first.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.verify.claim import Claim, exact

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = Fraction(0)


def compute_bound_kwh(claim: Claim, prices: dict[str, Any]) -> Fraction | None:
    """Return what no plan can be worth more than (kWh a day), by the prices alone.

    Parameters
    ----------
    claim
        The plan, for its instance.
    prices
        The certificate, as read from its JSON.

    Returns
    -------
    Fraction or None
        The bound; None if a required site cannot be built at all, so that no plan exists.

    Raises
    ------
    ValueError
        If a price is negative, no number, or belongs to another instance.
    """
    arrays, head = claim.arrays, claim.head
    demand = arrays["demand_kwh_per_day"]
    price = _read_prices(prices, shape=demand.shape)
    bound = _price_of_rules(claim, price)
    for i, row in enumerate(demand.tolist()):
        bound += sum((price["demand"][i][b] * exact(d) for b, d in enumerate(row)), NOTHING)
    for b, theta in enumerate(arrays["requirements.floor_by_brand"].tolist()):
        wanted = sum(map(exact, demand[:, b].tolist()), NOTHING)
        bound -= price["floor"][b] * exact(theta) * wanted
    site_price = _price_of_sites(claim, price)
    reach = np.argsort(arrays["cover_supply"], kind="stable")
    n_site = len(head["site_ids"])
    edges = np.searchsorted(
        arrays["cover_supply"][reach], np.arange(n_site + len(head["station_ids"]) + 1)
    )
    demand_of_pair = np.repeat(np.arange(len(demand)), np.diff(arrays["cover_start"]))
    for j in range(edges.size - 1):
        items = _profits(claim, price, j, reach[edges[j] : edges[j + 1]], demand_of_pair)
        if j >= n_site:
            bound += _fill(items, exact(arrays["station_capacity_kwh_per_day"][j - n_site]))
            continue
        values = [
            _fill(items, exact(arrays["tier_capacity_kwh_per_day"][j, k])) - site_price(j, k)
            for k in _buildable(claim, j)
        ]
        required = bool(arrays["requirements.required"][j])
        if required and not values:
            return None
        bound += max(values) if required else max(NOTHING, *values, NOTHING)
    return bound


def _read_prices(prices: dict[str, Any], *, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return every price as an exact fraction that is not negative."""

    def read(value: Any) -> Any:  # noqa: ANN401 - a number or nested lists of them
        if isinstance(value, list):
            return [read(item) for item in value]
        number = exact(value)
        if number < 0:
            raise ValueError(f"a price is negative: {value}")
        return number

    found = {
        name: read(prices[name])
        for name in (
            *("demand", "floor", "budget", "greatest_count", "least_count", "grid_group"),
            *("greatest_in_district", "least_in_district"),
        )
    }
    found["cliques"] = [(clique["sites"], read(clique["price"])) for clique in prices["cliques"]]
    rows = {len(row) for row in found["demand"]}
    if len(found["demand"]) != shape[0] or rows - {shape[1]} or len(found["floor"]) != shape[1]:
        raise ValueError("the prices belong to another instance")
    return found


def _price_of_rules(claim: Claim, price: dict[str, Any]) -> Fraction:
    """Return what the rules over sites allow, at their prices; an absent rule has none."""
    head, arrays = claim.head, claim.arrays
    total: Fraction = NOTHING
    limits: list[tuple[Fraction, Any]] = [
        (price["budget"], head["requirements.budget_cny"]),
        (price["greatest_count"], head["requirements.max_sites"]),
        *zip(price["grid_group"], arrays["requirements.grid_group_limit_kw"].tolist(), strict=True),
        *_zipped(price["greatest_in_district"], arrays["requirements.district_max_sites"]),
    ]
    for nu, limit in limits:
        if nu and limit is None:
            raise ValueError("a limit that is not there has a price")
        total += nu * exact(limit) if nu else NOTHING
    total -= price["least_count"] * head["requirements.min_sites"]
    for nu, least in _zipped(price["least_in_district"], arrays["requirements.district_min_sites"]):
        total -= nu * least
    close = {frozenset(pair) for pair in arrays["requirements.spacing_pairs"].tolist()}
    for sites, nu in price["cliques"]:
        pairs = (frozenset((a, b)) for n, a in enumerate(sites) for b in sites[:n])
        if not all(pair in close for pair in pairs):
            raise ValueError("a price is on sites that do not stand too close")
        total += nu
    return total


def _zipped(price: Sequence[Fraction], limit: np.ndarray[Any, Any]) -> list[tuple[Fraction, int]]:
    return list(zip(price, limit.tolist(), strict=True))


def _price_of_sites(claim: Claim, price: dict[str, Any]) -> Any:  # noqa: ANN401 - a function
    """Return a function of site and tier: what they use of every rule, at its price."""
    arrays = claim.arrays
    group, district = arrays["requirements.grid_group"], arrays["site_district"]
    of_clique: dict[int, Fraction] = {}
    for sites, nu in price["cliques"]:
        for j in sites:
            of_clique[j] = of_clique.get(j, NOTHING) + nu

    def at(j: int, k: int) -> Fraction:
        used: Fraction = price["budget"] * exact(arrays["tier_cost_cny"][j, k])
        used += price["greatest_count"] - price["least_count"] + of_clique.get(j, NOTHING)
        if group[j] >= 0:
            used += price["grid_group"][group[j]] * exact(arrays["tier_power_kw"][j, k])
        if district[j] >= 0 and price["greatest_in_district"]:
            used += price["greatest_in_district"][district[j]]
            used -= price["least_in_district"][district[j]]
        return used

    return at


def _profits(
    claim: Claim,
    price: dict[str, Any],
    j: int,
    pairs: np.ndarray[Any, Any],
    demand_of_pair: np.ndarray[Any, Any],
) -> list[tuple[Fraction, Fraction]]:
    """Return profit and energy of all who may charge at a supply and would bring a profit."""
    arrays = claim.arrays
    brands = np.flatnonzero(arrays["usable"][j]).tolist()
    found = []
    for p in pairs.tolist():
        i, worth = int(demand_of_pair[p]), exact(arrays["cover_worth"][p])
        for b in brands:
            profit = worth - price["demand"][i][b] + price["floor"][b]
            if profit > 0:
                found.append((profit, exact(arrays["demand_kwh_per_day"][i, b])))
    return sorted(found, reverse=True)


def _fill(items: list[tuple[Fraction, Fraction]], capacity: Fraction) -> Fraction:
    """Return the continuous knapsack's value: the best items first, the last one in part."""
    value, left = NOTHING, capacity
    for profit, kwh in items:
        taken = min(kwh, left)
        value += profit * taken
        left -= taken
        if not left:
            break
    return value


def _buildable(claim: Claim, j: int) -> list[int]:
    """Return the tiers that a site may get, taken by itself."""
    arrays, budget = claim.arrays, claim.head["requirements.budget_cny"]
    if arrays["requirements.forbidden"][j]:
        return []
    fits = arrays["tier_allowed"][j] & (
        arrays["tier_power_kw"][j] <= arrays["requirements.site_grid_limit_kw"][j]
    )
    if budget is not None:
        fits &= arrays["tier_cost_cny"][j] <= budget
    return [int(k) for k in np.flatnonzero(fits)]
