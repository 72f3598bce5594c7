"""One brand's network without distances: what a test of several periods or futures is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siting.instance import SitingInstance, no_requirements

if TYPE_CHECKING:
    from collections.abc import Sequence


def make_plain_network(
    demand: Sequence[tuple[float, Sequence[int]]],
    *,
    n_site: int,
    budget_cny: float,
    tiers: Sequence[tuple[float, float]],
    stations: Sequence[float],
    floor: float = 0.0,
) -> SitingInstance:
    """Make an instance; demand is (kWh, supplies that reach it), tiers are (cost, capacity)."""
    near = [sorted(reach) for _, reach in demand]
    n_link = sum(map(len, near))
    requirements = no_requirements(n_site=n_site, n_brand=1, budget_cny=budget_cny)
    return SitingInstance(
        brands=("ant",),
        demand_ids=tuple(f"demand{i}" for i in range(len(demand))),
        demand_kwh_per_day=np.array([[kwh] for kwh, _ in demand]),
        demand_district=np.full(len(demand), -1),
        site_ids=tuple(f"site{j}" for j in range(n_site)),
        site_district=np.full(n_site, -1),
        station_ids=tuple(f"station{j}" for j in range(len(stations))),
        district_ids=(),
        tiers=tuple(f"tier{k}" for k in range(len(tiers))),
        tier_cost_cny=np.tile([cost for cost, _ in tiers], (n_site, 1)),
        tier_power_kw=np.tile([kwh for _, kwh in tiers], (n_site, 1)),
        tier_capacity_kwh_per_day=np.tile([kwh for _, kwh in tiers], (n_site, 1)),
        tier_allowed=np.ones((n_site, len(tiers)), dtype=bool),
        station_capacity_kwh_per_day=np.array(stations, dtype=np.float64),
        usable=np.ones((n_site + len(stations), 1), dtype=bool),
        cover_start=np.cumsum([0, *map(len, near)]),
        cover_supply=np.array([j for reach in near for j in reach], dtype=np.int32),
        cover_time_s=np.zeros(n_link),
        cover_worth=np.ones(n_link),
        requirements=requirements.replace(floor_by_brand=np.array([floor])),
    )
