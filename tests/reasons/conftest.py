"""A street solved by hand, small made instances, and their best plans by trying all."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.instance import CLOSED, SitingInstance, evaluate, no_requirements, settle_flows
from siting.optimise.assignment import assign_drivers
from siting.optimise.result import SolveOptions
from siting.optimise.solve import expect_plan, solve
from siting.reasons import KnownPlan, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from siting.domain import IntArray

STREET_KWH = {"home": (10.0, 0.0), "shop": (4.0, 4.0), "barn": (0.0, 0.0)}


def make_street(**requirements: Any) -> SitingInstance:  # noqa: ANN401 - any field
    """Four sites of 1 million CNY; the budget of 2 million opens two of them.

    WEST (10 kWh a day) reaches home, MID (9) home and shop, EAST (6) shop, FAR (9) the empty barn.
    WEST and MID serve all 18; WEST and EAST 16, MID and EAST 15; WEST alone 10, MID alone 9.
    """
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=tuple(STREET_KWH),
        demand_kwh_per_day=list(STREET_KWH.values()),
        demand_district=[0, 0, 0],
        site_ids=("WEST", "MID", "EAST", "FAR"),
        site_district=[0, 0, 0, 0],
        station_ids=(),
        district_ids=("d0",),
        tiers=("one",),
        tier_cost_cny=[[1e6]] * 4,
        tier_power_kw=[[100.0]] * 4,
        tier_capacity_kwh_per_day=[[10.0], [9.0], [6.0], [9.0]],
        tier_allowed=[[True]] * 4,
        station_capacity_kwh_per_day=[],
        usable=np.ones((4, 2), dtype=bool),
        cover_start=[0, 2, 4, 5],
        cover_supply=[0, 1, 1, 2, 3],
        cover_time_s=[60.0] * 5,
        cover_worth=[1.0] * 5,
        requirements=no_requirements(n_site=4, n_brand=2, budget_cny=2e6).replace(**requirements),
    )


def make_city(seed: int, **requirements: Any) -> SitingInstance:  # noqa: ANN401 - any field
    """Six demand points, four sites with two tiers, one station of the second brand."""
    rng = np.random.default_rng(seed)
    n_demand, n_site = 6, 4
    covers = [np.sort(rng.choice(n_site + 1, 3, replace=False)) for _ in range(n_demand)]
    asked = {
        "budget_cny": float(rng.integers(40, 120)),
        "floor_by_brand": rng.choice([0.0, 0.0, 0.3], 2),
        "spacing_pairs": [[0, 1]] if rng.random() < 0.3 else np.empty((0, 2)),
        "max_sites": int(rng.integers(2, 5)),
        "required": rng.random(n_site) < 0.1,
    }
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=tuple(f"i{i}" for i in range(n_demand)),
        demand_kwh_per_day=rng.integers(0, 9, (n_demand, 2)),
        demand_district=np.zeros(n_demand),
        site_ids=tuple("ABCD"),
        site_district=[0, 0, 1, 1],
        station_ids=("old",),
        district_ids=("d0", "d1"),
        tiers=("small", "large"),
        tier_cost_cny=np.sort(rng.integers(10, 60, (n_site, 2)), axis=1),
        tier_power_kw=np.tile([50.0, 100.0], (n_site, 1)),
        tier_capacity_kwh_per_day=np.sort(rng.integers(4, 20, (n_site, 2)), axis=1),
        tier_allowed=rng.random((n_site, 2)) < 0.9,
        station_capacity_kwh_per_day=[4.0],
        usable=[[True, True]] * n_site + [[False, True]],
        cover_start=np.arange(n_demand + 1) * 3,
        cover_supply=np.concatenate(covers),
        cover_time_s=rng.integers(1, 600, 3 * n_demand).astype(float),
        cover_worth=rng.choice([0.5, 1.0], 3 * n_demand),
        requirements=no_requirements(n_site=n_site, n_brand=2).replace(**(asked | requirements)),
    )


def find_plans(instance: SitingInstance) -> Iterator[tuple[IntArray, float]]:
    """Yield the tiers and the worth of every plan that meets all requirements."""
    for tiers in itertools.product(range(CLOSED, instance.n_tier), repeat=instance.n_site):
        tier_of_site = np.array(tiers, dtype=np.int32)
        decision = assign_drivers(instance, tier_of_site)
        if decision is not None and (found := evaluate(instance, decision)).feasible:
            yield tier_of_site, found.objective_kwh_per_day


def solve_known(instance: SitingInstance) -> KnownPlan:
    result = solve(instance, options=SolveOptions(gap=1e-7, n_threads=1))
    return KnownPlan(
        instance=instance,
        decision=settle_flows(instance, expect_plan(result)),
        bound=result.bound,
        prices=result.multipliers,
    )


@pytest.fixture(scope="session")
def street() -> Callable[..., SitingInstance]:
    return make_street


@pytest.fixture(scope="session")
def city() -> Callable[..., SitingInstance]:
    return make_city


@pytest.fixture(scope="session")
def plans() -> Callable[[SitingInstance], Iterator[tuple[IntArray, float]]]:
    return find_plans


@pytest.fixture(scope="session")
def known() -> Callable[[SitingInstance], KnownPlan]:
    return solve_known


@pytest.fixture(params=["solved", "by prices"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small instances are solved; as large ones are re-optimised, so must these be."""
    if request.param == "by prices":
        monkeypatch.setattr(rebuild, "LINKS_TO_SOLVE", -1)
