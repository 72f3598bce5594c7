"""`evaluate` on an instance small enough to check by hand: what is right, and each way to be wrong.

Two demand points (10 and 6 kWh a day of each brand), two sites, one station that only Bee may use:

    home ── WEST, EAST, old          shop ── EAST
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.instance import (
    CLOSED,
    Decision,
    SitingInstance,
    evaluate,
    no_requirements,
    settle_flows,
)

WEST, EAST = 0, 1
HOME_WEST, HOME_EAST, HOME_OLD, SHOP_EAST = range(4)


def make_instance(**changes: Any) -> SitingInstance:  # noqa: ANN401 - any field
    base: dict[str, Any] = {
        "brands": ("ant", "bee"),
        "demand_ids": ("home", "shop"),
        "demand_kwh_per_day": [[10.0, 10.0], [6.0, 6.0]],
        "demand_district": [0, 1],
        "site_ids": ("WEST", "EAST"),
        "site_district": [0, 1],
        "station_ids": ("old",),
        "district_ids": ("d0", "d1"),
        "tiers": ("small", "big"),
        "tier_cost_cny": [[1.0, 2.0], [1.0, 2.0]],
        "tier_power_kw": [[50.0, 100.0], [50.0, 100.0]],
        "tier_capacity_kwh_per_day": [[8.0, 16.0], [8.0, 16.0]],
        "tier_allowed": [[True, True], [True, False]],
        "station_capacity_kwh_per_day": [4.0],
        "usable": [[True, True], [True, True], [False, True]],
        "cover_start": [0, 3, 4],
        "cover_supply": [WEST, EAST, 2, EAST],
        "cover_time_s": [60.0, 120.0, 30.0, 60.0],
        "cover_worth": [1.0, 0.5, 1.0, 1.0],
        "requirements": no_requirements(n_site=2, n_brand=2, budget_cny=4.0),
    }
    return SitingInstance(**(base | changes))


def decide(tiers: tuple[int, int], flows: dict[int, tuple[float, float]]) -> Decision:
    flow = np.zeros((4, 2))
    for pair, kwh in flows.items():
        flow[pair] = kwh
    return Decision(tier_of_site=np.array(tiers, dtype=np.int32), flow_kwh_per_day=flow)


GOOD = decide((1, 0), {HOME_WEST: (8, 6), HOME_OLD: (0, 4), SHOP_EAST: (4, 4)})


def violations(decision: Decision, **requirements: Any) -> tuple[str, ...]:  # noqa: ANN401 - any field
    base = make_instance()
    instance = base.replace(requirements=base.requirements.replace(**requirements))
    return evaluate(instance, decision).violations


def test_a_right_plan_is_recomputed_by_hand() -> None:
    evaluation = evaluate(make_instance(), GOOD)
    assert evaluation.violations == ()
    assert evaluation.objective_kwh_per_day == 14 + 4 + 8
    assert evaluation.cost_cny == 3.0
    assert evaluation.served_kwh_per_day.tolist() == [[8, 10], [4, 4]]
    assert evaluation.supplied_kwh_per_day.tolist() == [[8, 6], [4, 4], [0, 4]]


def test_worth_weighs_the_objective() -> None:
    only_east = decide((CLOSED, 0), {HOME_EAST: (4, 4)})
    assert evaluate(make_instance(), only_east).objective_kwh_per_day == 4.0


@pytest.mark.parametrize(
    ("decision", "says"),
    [
        (decide((1, 0), {HOME_WEST: (11, 0)}), "served beyond demand: home"),
        (decide((0, 0), {HOME_WEST: (8, 1)}), "over capacity: WEST"),
        (decide((CLOSED, 0), {HOME_WEST: (0.01, 0)}), "over capacity: WEST"),
        (decide((1, 0), {HOME_OLD: (1, 0)}), "serves a brand that may not charge there: old"),
        (decide((1, 0), {HOME_WEST: (-1, 0)}), "flow is negative or not a number"),
        (decide((1, 0), {HOME_WEST: (math.nan, 0)}), "flow is negative or not a number"),
        (decide((0, 1), {}), "opened with a tier it has no room for: EAST"),
    ],
)
def test_every_wrong_flow_and_tier_is_named(decision: Decision, says: str) -> None:
    assert says in violations(decision)


@pytest.mark.parametrize(
    ("requirements", "says"),
    [
        ({"budget_cny": 2.9}, "cost 3.0 CNY is over the budget 2.9 CNY"),
        ({"forbidden": [True, False]}, "forbidden but opened: WEST"),
        ({"site_grid_limit_kw": [99.0, 99.0]}, "over the site's grid limit: WEST"),
        (
            {"grid_group": [0, 0], "grid_group_limit_kw": [149.0]},
            "over the grid limit of substation group 0",
        ),
        ({"spacing_pairs": [[0, 1]]}, "too close: WEST and EAST"),
        ({"max_sites": 1}, "2 sites opened, asked 0 to 1"),
        ({"min_sites": 3}, "2 sites opened, asked 3 to None"),
        (
            {"district_min_sites": [0, 2], "district_max_sites": [9, 9]},
            "quota of sites broken in district: d1",
        ),
        ({"floor_by_brand": [0.8, 0.0]}, "service floor missed: ant"),
    ],
)
def test_every_broken_requirement_is_named(requirements: dict[str, Any], says: str) -> None:
    assert violations(GOOD) == ()
    assert says in violations(GOOD, **requirements)


def test_a_required_site_left_closed_is_named() -> None:
    only_east = decide((CLOSED, 0), {SHOP_EAST: (4, 4)})
    assert "required but closed: WEST" in violations(only_east, required=[True, False])


def test_a_decision_of_another_instance_is_refused() -> None:
    with pytest.raises(ValueError, match="does not belong"):
        evaluate(make_instance(), replace(GOOD, tier_of_site=np.zeros(3, dtype=np.int32)))
    with pytest.raises(ValueError, match="tier that does not exist"):
        evaluate(make_instance(), decide((2, 0), {}))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"demand_kwh_per_day": [[math.nan, 1], [1, 1]]}, "missing numbers"),
        ({"tier_cost_cny": [[-1.0, 2.0], [1.0, 2.0]]}, "tier_cost_cny holds negative"),
        ({"cover_supply": [0, 1, 3, 1]}, "points outside the supply"),
        ({"site_district": [0]}, "site_district has shape"),
        (
            {"requirements": no_requirements(n_site=2, n_brand=2, budget_cny=math.nan)},
            "budget_cny is nan",
        ),
    ],
)
def test_an_instance_that_makes_no_sense_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make_instance(**changes)


def test_an_instance_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        make_instance().cover_worth[0] = 2.0


def test_settled_flows_are_whole_and_hold_every_limit_exactly() -> None:
    # Demand of 1.0004 kWh is 1,000 Wh; WEST gives 8 kWh, of which a solver used a little more.
    instance = make_instance(demand_kwh_per_day=[[10.0, 1.0004], [0.3, 6.0]])
    loose = decide(
        (0, 0),
        {
            HOME_WEST: (7.5, 0.50000001),
            HOME_EAST: (0.1 + 0.2, 0.5004),
            SHOP_EAST: (0.3, 5.99999999),
        },
    )
    settled = settle_flows(instance, loose)
    assert settled.flow_kwh_per_day.tolist() == [[7.5, 0.5], [0.3, 0.5], [0, 0], [0.3, 6.0]]
    assert settled.tier_of_site.tolist() == loose.tier_of_site.tolist()
    over = decide((0, 0), {HOME_WEST: (7.6, 0.5), HOME_EAST: (2.5, 0.502)})
    settled = settle_flows(instance, over)
    assert settled.flow_kwh_per_day.tolist() == [[7.5, 0.5], [2.5, 0.5], [0, 0], [0, 0]]
    full = decide((0, 0), {HOME_WEST: (7.6, 0.5)})
    settled = settle_flows(instance, full)
    assert settled.flow_kwh_per_day[HOME_WEST].tolist() == [7.5, 0.5]


@given(st.integers(0, 10**6))
def test_settling_takes_a_watt_hour_a_flow_at_most_and_leaves_no_violation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    instance = make_instance(
        demand_kwh_per_day=rng.uniform(0, 5, (2, 2)), station_capacity_kwh_per_day=[2.0]
    )
    share = rng.dirichlet(np.ones(3), size=2)  # home's energy over its three chargers
    wanted = instance.demand_kwh_per_day
    flow = np.vstack([(share * wanted[0][:, None]).T, [wanted[1]]]) * (1 + 1e-9)
    flow[HOME_OLD] *= [0.0, min(1.0, 2.0 / max(flow[HOME_OLD, 1], 1e-9))]
    decision = Decision(tier_of_site=np.array([1, 0], dtype=np.int32), flow_kwh_per_day=flow)
    supplied = evaluate(instance, decision).supplied_kwh_per_day.sum(axis=1)
    settled = settle_flows(instance, decision)
    assert evaluate(instance, settled, tolerance=2e-6).violations == ()
    assert np.array_equal(settled.flow_kwh_per_day, settled.flow_kwh_per_day.round(3))
    if supplied[EAST] <= 8 and supplied[WEST] <= 16:
        assert (flow - settled.flow_kwh_per_day <= 0.0021).all()


def test_a_notebook_shows_its_sizes_and_brands_and_runs_no_name() -> None:
    html = make_instance(brands=("ant", "<b>bee</b>"))._repr_html_()
    # 16 kWh a day each; the sizes: two points, two sites, one station.
    for part in ("demand points", "<td>16</td>", "&lt;b&gt;bee", "big"):
        assert part in html, part
    assert "<b>bee" not in html
