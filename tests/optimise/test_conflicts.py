"""An impossible study names the requirements that conflict, and no others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from siting.instance import SitingInstance, no_requirements
from siting.optimise.conflicts import find_conflict


def make_instance(**requirements: Any) -> SitingInstance:  # noqa: ANN401 - any field
    """Two sites of 10 kWh a day at 1 million CNY each, each reaching its own demand of 10."""
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=("home", "shop"),
        demand_kwh_per_day=[[10.0, 0.0], [0.0, 10.0]],
        demand_district=[0, 0],
        site_ids=("WEST", "EAST"),
        site_district=[0, 0],
        station_ids=(),
        district_ids=("d0",),
        tiers=("one",),
        tier_cost_cny=[[1e6], [1e6]],
        tier_power_kw=[[100.0], [100.0]],
        tier_capacity_kwh_per_day=[[10.0], [10.0]],
        tier_allowed=[[True], [True]],
        station_capacity_kwh_per_day=[],
        usable=np.ones((2, 2), dtype=bool),
        cover_start=[0, 1, 2],
        cover_supply=[0, 1],
        cover_time_s=[60.0, 60.0],
        cover_worth=[1.0, 1.0],
        requirements=no_requirements(n_site=2, n_brand=2, budget_cny=1.5e6).replace(**requirements),
    )


@pytest.mark.parametrize(
    ("requirements", "keys"),
    [
        ({}, []),
        (
            {"floor_by_brand": [0.5, 0.5]},
            ["brands: ant.floor", "brands: bee.floor", "requirements.budget_cny"],
        ),
        ({"required": [True, True]}, ["requirements.required", "requirements.budget_cny"]),
        (
            {"floor_by_brand": [0.5, 0.0], "forbidden": [True, False], "max_sites": 2},
            ["requirements.forbidden", "brands: ant.floor"],
        ),
        (
            {"required": [True, False], "site_grid_limit_kw": [50.0, 500.0]},
            ["inputs.candidates: grid_limit_kw", "requirements.required"],
        ),
        (
            {"min_sites": 2, "spacing_pairs": [[0, 1]], "budget_cny": 9e6},
            ["requirements.min_spacing_m", "requirements.min_sites"],
        ),
        (
            {"budget_cny": 9e6, "district_min_sites": [2], "district_max_sites": [2]}
            | {"max_sites": 1},
            ["requirements.district_min_sites, district_max_sites", "requirements.max_sites"],
        ),
        (
            {"budget_cny": 9e6, "required": [True, True]}
            | {"grid_group": [0, 0], "grid_group_limit_kw": [150.0]},
            ["requirements.grid_group_limit_kw", "requirements.required"],
        ),
    ],
)
def test_the_conflict_is_named_and_irreducible(
    requirements: dict[str, Any], keys: list[str]
) -> None:
    assert [fault.column for fault in find_conflict(make_instance(**requirements))] == keys
