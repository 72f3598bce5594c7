"""Made instances for the solver's benchmarks: seeded, illustrative, of any size.

A made city: demand in a few dense quarters and a thin remainder, candidate sites drawn from the
same density, roads taken as straight lines at a constant speed. Nothing in it is real.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.spatial import cKDTree

from siting.instance import NO_GROUP, Requirements, SitingInstance

SPEED_M_PER_S = 8.0
SIDE_M = 40_000.0
DENSE_SHARE = 0.7
TIER_CONNECTORS = np.array([4.0, 8.0, 16.0])
TIER_POWER_KW = np.array([480.0, 960.0, 1920.0])


class Scale(StrEnum):
    """What a larger site is worth for its money: more by the piece, or the same."""

    POOLED = "pooled"
    EVEN = "even"


# Half a million for the site and the rest by connector, where more connectors wait less; or
# all by connector.
TIER_COST_CNY = {
    Scale.POOLED: np.array([1.6e6, 2.7e6, 4.9e6]),
    Scale.EVEN: np.array([1.2e6, 2.4e6, 4.8e6]),
}
TIER_KWH_PER_DAY = {
    Scale.POOLED: np.array([1_300.0, 3_100.0, 7_000.0]),
    Scale.EVEN: np.array([1_550.0, 3_100.0, 6_200.0]),
}


@dataclass(frozen=True, kw_only=True)
class MadeCity:
    """What to make.

    Attributes
    ----------
    n_demand, n_site, n_station, n_brand
        Sizes.
    covers_per_demand
        Mean number of sites within reach of a demand point.
    budget_sites
        Budget, in mean costs of the middle tier.
    supply_ratio
        Energy that the budget buys at the middle tier, over all demand.
    scale
        What larger sites cost and serve.
    unified
        Whether every brand may charge everywhere; if not, a third of the stations are one brand's.
    floors, grid_groups, spacing
        Whether service floors, substation groups and minimum spacing are asked for.
    decay
        Whether the worth falls linearly with time instead of being 1 within the cutoff.
    """

    n_demand: int
    n_site: int
    n_station: int = 0
    n_brand: int = 5
    covers_per_demand: float = 17.0
    budget_sites: float = 25.0
    supply_ratio: float = 0.6
    scale: Scale = Scale.POOLED
    unified: bool = True
    floors: bool = False
    grid_groups: bool = False
    spacing: bool = False
    decay: bool = False


def make_city(city: MadeCity, *, seed: int) -> SitingInstance:
    """Make an instance; the same city and seed give the same arrays."""
    rng = np.random.default_rng(seed)
    quarters = rng.uniform(0.15, 0.85, (9, 2)) * SIDE_M
    spread_m = rng.uniform(0.03, 0.12, 9) * SIDE_M
    demand_xy = _scatter(rng, quarters, spread_m, city.n_demand)
    site_xy = _scatter(rng, quarters, spread_m, city.n_site)
    station_xy = _scatter(rng, quarters, spread_m, city.n_station)
    supply_xy = np.vstack([site_xy, station_xy])

    share = rng.dirichlet(np.array([8.0, 1.5, 1.0, 1.0, 0.5])[: city.n_brand] * 2, city.n_demand)
    weight = rng.lognormal(0.0, 1.0, city.n_demand)
    site_factor = rng.uniform(0.8, 1.3, (city.n_site, 1))
    cost = np.round(TIER_COST_CNY[city.scale] * site_factor, -4)
    capacity = np.tile(TIER_KWH_PER_DAY[city.scale], (city.n_site, 1))
    total_kwh = city.budget_sites * capacity[0, 1] / city.supply_ratio
    demand_kwh = share * (weight / weight.sum() * total_kwh)[:, None]
    station_kwh = rng.uniform(0.2, 1.0, city.n_station)
    if city.n_station:
        station_kwh *= 0.25 * total_kwh / station_kwh.sum()

    start, supply, time_s, cutoff_s = _pairs(demand_xy, supply_xy, site_xy, city.covers_per_demand)
    worth = 1 - time_s / (1.25 * cutoff_s) if city.decay else np.ones_like(time_s)
    usable = np.ones((city.n_site + city.n_station, city.n_brand), dtype=bool)
    if not city.unified:
        owned = city.n_site + np.arange(0, city.n_station, 3)
        usable[owned] = np.eye(city.n_brand, dtype=bool)[rng.integers(0, city.n_brand, owned.size)]
    return SitingInstance(
        brands=tuple(f"brand{b}" for b in range(city.n_brand)),
        demand_ids=tuple(f"d{i}" for i in range(city.n_demand)),
        demand_kwh_per_day=demand_kwh,
        demand_district=np.zeros(city.n_demand, dtype=np.int32),
        site_ids=tuple(f"s{j}" for j in range(city.n_site)),
        site_district=np.zeros(city.n_site, dtype=np.int32),
        station_ids=tuple(f"e{j}" for j in range(city.n_station)),
        district_ids=("all",),
        tiers=("small", "middle", "large"),
        tier_cost_cny=cost,
        tier_power_kw=np.tile(TIER_POWER_KW, (city.n_site, 1)),
        tier_capacity_kwh_per_day=capacity,
        tier_allowed=np.ones((city.n_site, 3), dtype=bool),
        station_capacity_kwh_per_day=station_kwh,
        usable=usable,
        cover_start=start,
        cover_supply=supply,
        cover_time_s=time_s,
        cover_worth=worth,
        requirements=_requirements(
            rng, city, site_xy, budget_cny=city.budget_sites * cost[:, 1].mean()
        ),
    )


def _scatter(rng: np.random.Generator, quarters, spread_m, n: int):  # noqa: ANN001, ANN202 - plain arrays
    of_quarter = rng.integers(0, len(quarters), n)
    dense = quarters[of_quarter] + rng.normal(0, 1, (n, 2)) * spread_m[of_quarter][:, None]
    thin = rng.uniform(0, SIDE_M, (n, 2))
    return np.clip(np.where(rng.random((n, 1)) < DENSE_SHARE, dense, thin), 0, SIDE_M)


def _pairs(demand_xy, supply_xy, site_xy, covers_per_demand: float):  # noqa: ANN001, ANN202 - plain arrays
    """Return the rows of pairs within the radius that gives the mean number of covers."""
    low_m, high_m = 0.0, SIDE_M
    sites, sample = cKDTree(site_xy), demand_xy[:2000]
    for _ in range(40):
        radius_m = (low_m + high_m) / 2
        mean = sites.query_ball_point(sample, radius_m, return_length=True).mean()
        low_m, high_m = (radius_m, high_m) if mean < covers_per_demand else (low_m, radius_m)
    found = cKDTree(demand_xy).sparse_distance_matrix(
        cKDTree(supply_xy), radius_m, output_type="ndarray"
    )
    order = np.lexsort((found["j"], found["i"]))
    start = np.zeros(len(demand_xy) + 1, dtype=np.int64)
    np.cumsum(np.bincount(found["i"], minlength=len(demand_xy)), out=start[1:])
    time_s = found["v"][order] / SPEED_M_PER_S
    return start, found["j"][order], time_s, radius_m / SPEED_M_PER_S


def _requirements(rng, city: MadeCity, site_xy, *, budget_cny: float) -> Requirements:  # noqa: ANN001
    group = np.full(city.n_site, NO_GROUP)
    group_limit_kw = np.empty(0)
    if city.grid_groups:
        n_group = max(2, city.n_site // 20)
        _, group = cKDTree(site_xy[rng.choice(city.n_site, n_group, replace=False)]).query(site_xy)
        group_limit_kw = np.full(n_group, 2 * TIER_POWER_KW[1])
    pairs = np.empty((0, 2), dtype=np.int32)
    if city.spacing:
        pairs = cKDTree(site_xy).query_pairs(800.0, output_type="ndarray")
    floor = np.zeros(city.n_brand)
    if city.floors:
        floor[-2:] = 0.42
    return Requirements(
        budget_cny=budget_cny,
        floor_by_brand=floor,
        required=np.zeros(city.n_site, dtype=bool),
        forbidden=np.zeros(city.n_site, dtype=bool),
        site_grid_limit_kw=np.full(city.n_site, np.inf),
        grid_group=group,
        grid_group_limit_kw=group_limit_kw,
        spacing_pairs=pairs,
    )
