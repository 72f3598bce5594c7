"""What the map shows is what the plan says, on a plan solved by hand."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.outputs.map_payload import build_map_payload

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.plan import SitingPlan


GCJ02_TILES = """
map:
  tiles: {url: "https://tiles.example.org/{z}/{x}/{y}.png", attribution: Example, datum: gcj02}
"""


@pytest.fixture
def payload(toy_plan: SitingPlan) -> dict[str, Any]:
    return build_map_payload(toy_plan)


def unpack(text: str) -> list[int]:
    values, value, shift = [], 0, 0
    for octet in base64.b64decode(text):
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            values.append((value >> 1) ^ -(value & 1))
            value = shift = 0
    return values


def test_it_is_strict_json_and_always_the_same(
    build_toy_plan: Callable[..., SitingPlan],
) -> None:
    first, second = (
        json.dumps(build_map_payload(build_toy_plan()), allow_nan=False) for _ in range(2)
    )
    assert first == second


def test_sites_stand_in_the_plans_order_with_what_is_asked_of_them(
    payload: dict[str, Any],
) -> None:
    sites = payload["sites"]
    assert sites["id"] == ["s0", "s1"]
    assert sites["tier"] == [1, 0]
    assert sites["energy_kwh_per_day"] == [170, 40]
    assert sites["energy_by_brand"] == [[140, 0], [30, 40]]
    assert sites["cost_cny"] == [2_500_000, 1_000_000]
    assert sites["utilisation"] == [pytest.approx(170 / 300, abs=1e-4), 0.4]
    assert sites["grid_limit_kw"] == [None, None]


def test_why_a_site_is_where_it_is(payload: dict[str, Any]) -> None:
    sites = payload["sites"]
    # s0 reaches d0 (150) and d1 (80), of which accounts alone serve 60; both have another charger.
    assert sites["reach_kwh_per_day"] == [230, 120]
    assert sites["reach_unserved_kwh_per_day"] == [170, 120]
    # d2 has e1 next door, but no brand may charge there: s1 is all it has.
    assert sites["only_here_kwh_per_day"] == [0, 40]


def test_reach_lists_areas_minutes_and_energy(payload: dict[str, Any]) -> None:
    reach = payload["sites"]["reach"]
    assert unpack(reach["counts"]) == [2, 2]
    assert np.cumsum(unpack(reach["area"])).tolist() == [0, 1, 1, 2]
    assert unpack(reach["minutes"]) == [20, 50, 17, 40]
    assert unpack(reach["kwh"]) == [900, 800, 0, 400]


def test_areas_hold_demand_and_what_is_missing(payload: dict[str, Any]) -> None:
    areas = payload["areas"]
    assert areas["id"] == ["z0", "z1", "z2", "z3"]
    assert [unpack(row) for row in areas["wanted"]] == [[1000, 800, 0, 100], [500, 0, 400, 100]]
    missing = {name: [unpack(row) for row in rows] for name, rows in areas["missing"].items()}
    assert missing["today"] == [[400, 800, 0, 100], [500, 0, 400, 100]]
    assert missing["unified"] == [[600, 800, 0, 100], [300, 0, 400, 100]]
    assert missing["joint"] == [[0, 0, 0, 100], [0, 0, 0, 100]]
    assert unpack(areas["district"]) == [0, 0, 0, -1]


def test_points_are_gathered_in_hexagons(build_toy_plan: Callable[..., SitingPlan]) -> None:
    areas = build_map_payload(build_toy_plan(zoned=False))["areas"]
    assert 0 < len(areas["id"]) <= 4
    assert sum(unpack(areas["wanted"][0])) == 1900
    assert sum(unpack(areas["missing"]["joint"][1])) == 100


def test_who_may_charge_changes_with_the_accounts(payload: dict[str, Any]) -> None:
    usable = payload["stations"]["usable"]
    assert usable["today"] == [0b01, 0]
    assert usable["unified"] == usable["joint"] == [0b11, 0]


def test_the_rest_is_there(payload: dict[str, Any]) -> None:
    assert payload["candidates"]["id"] == ["s2"]
    assert payload["unreachable"]["id"] == ["d3"]
    assert payload["unreachable"]["reason"] == ["no road near"]
    assert payload["service"]["pays_cny"] == [2_333_333.33, 1_166_666.67]
    assert payload["study"]["illustrative"] is True
    assert payload["study"]["budget_cny"] == 4_000_000
    assert payload["districts"]["joint_kwh_per_day"] == [270]


def test_sites_say_how_long_drivers_wait_on_average(payload: dict[str, Any]) -> None:
    # s0: 170 kWh a day are 170/30/12 sessions an hour on twelve connectors: nobody waits.
    assert payload["sites"]["wait_min"] == [0, 0]


def test_grid_limits_of_sites_and_of_substation_groups(
    build_toy_plan: Callable[..., SitingPlan],
) -> None:
    payload = build_map_payload(build_toy_plan(grid=True))
    assert payload["grid"] == {"name": ["North"], "limit_kw": [960], "used_kw": [480]}
    assert payload["sites"]["grid_limit_kw"] == [7200, None]
    assert payload["sites"]["grid_group"] == [-1, 0]
    assert payload["candidates"]["grid_limit_kw"] == [600]
    assert payload["candidates"]["grid_group"] == [0]
    without = build_map_payload(build_toy_plan())
    assert without["grid"] == {"name": [], "limit_kw": [], "used_kw": []}


def test_no_budget_is_no_number(toy_plan: SitingPlan) -> None:
    requirements = toy_plan.case.instance.requirements.replace(budget_cny=math.inf)
    case = replace(
        toy_plan.case, instance=toy_plan.case.instance.replace(requirements=requirements)
    )
    payload = build_map_payload(replace(toy_plan, case=case))
    assert payload["study"]["budget_cny"] is None
    json.dumps(payload, allow_nan=False)


def test_text_coordinates_stay_wgs84_on_a_shifted_map(
    build_toy_plan: Callable[..., SitingPlan],
) -> None:
    plain = build_map_payload(build_toy_plan())
    shifted = build_map_payload(build_toy_plan(tiles=GCJ02_TILES))
    assert shifted["datum"] == "gcj02"
    assert shifted["sites"]["longitude"] == plain["sites"]["longitude"]
    assert shifted["origin_m"] != plain["origin_m"]


def test_a_notebook_shows_a_plans_proof_service_and_sites(toy_plan: SitingPlan) -> None:
    html = toy_plan._repr_html_()
    for part in ("proven within 0.40%", "Service", "Ledger", "s0", "big"):
        assert part in html, part
