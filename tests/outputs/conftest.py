"""A plan small enough to check by hand, with names as hostile as a test asks for.

d0 (ant 100, bee 50) ── s0 120 s, e0 60 s        s0 opens big, s1 opens small, s2 stays closed
d1 (ant 80)          ── s0 300 s, s1 100 s       e0: 60 kWh a day, today ant only
d2 (bee 40)          ── e1 30 s, s1 240 s        e1: 100 kWh a day, no brand may charge
d3 (ant 10, bee 10)  ── nothing
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely

from siting.case import SitingCase
from siting.domain import WGS84_EPSG, SolveStatus
from siting.inputs.roads import RoadTable
from siting.instance import CLOSED, Decision, SitingInstance, evaluate, no_requirements
from siting.optimise.limits import StopReason
from siting.optimise.result import SolveResult
from siting.plan import ServiceState, SitingPlan
from siting.study import parse_study

if TYPE_CHECKING:
    from collections.abc import Callable

LON, LAT = 114.3, 30.6
STEP_DEG = 0.01
STUDY = """\
name: toy
title: {en: Toy town, zh: 玩具城}
data_date: "2026-01"
illustrative_note: {en: All of this is made up., zh: 全为虚构。}
brands:
  - {id: ant, name: Ant, name_zh: 蚁}
  - {id: bee, name: Bee, name_zh: 蜂}
inputs:
  roads: {path: roads.npz}
  vehicles: {path: vehicles.csv, illustrative: true}
  stations: [{path: stations.csv}]
  candidates: {source: file, path: candidates.csv}
tiers:
  - {id: small, name: {en: Small, zh: 小型}, connectors: 4, power_kw: 120, cost_cny: 1.0e+6}
  - {id: big, name: {en: Big, zh: 大型}, connectors: 12, power_kw: 480, cost_cny: 2.5e+6}
requirements: {budget_cny: 4.0e+6}
"""
NAMES = ("North Gate", "South Gate", "West Gate")


@dataclass(frozen=True)
class Toy:
    """What a test may change."""

    site_names: tuple[str, str, str] = NAMES
    station_name: str = "Old station"
    network: str = "alliance"
    district_name: str = "Old Town"
    zoned: bool = True
    tiles: str = ""
    status: SolveStatus = SolveStatus.OPTIMAL


@pytest.fixture
def build_toy_plan() -> Callable[..., SitingPlan]:
    def build(**changes: object) -> SitingPlan:
        return _build(Toy(**changes))  # type: ignore[arg-type]

    return build


@pytest.fixture
def toy_plan(build_toy_plan: Callable[..., SitingPlan]) -> SitingPlan:
    return build_toy_plan()


def _build(toy: Toy) -> SitingPlan:
    today, unified = _instance(e0_open=(True, False)), _instance(e0_open=(True, True))
    closed = np.full(3, CLOSED)
    states = [
        _state(today, closed, {(0, 3): (60, 0)}),
        _state(unified, closed, {(0, 3): (40, 20)}),
        _state(
            unified,
            np.array([1, 0, CLOSED]),
            {(0, 3): (40, 20), (0, 0): (60, 30), (1, 0): (80, 0), (2, 1): (0, 40)},
        ),
    ]
    objective = states[2].evaluation.objective_kwh_per_day
    solve = SolveResult(
        status=toy.status,
        decision=states[2].decision,
        objective=objective,
        bound=objective * 1.004,
        gap=0.004,
        bound_by_duality=objective * 1.004,
        engine="highs",
        stopped=StopReason.PROVEN if toy.status is SolveStatus.OPTIMAL else StopReason.TIME,
        wall_s=0.1,
        cpu_s=0.1,
        work=1.0,
    )
    case = _case(toy, today=today, unified=unified)
    return SitingPlan(case=case, today=states[0], unified=states[1], joint=states[2], solve=solve)


def _instance(*, e0_open: tuple[bool, bool]) -> SitingInstance:
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=("d0", "d1", "d2", "d3"),
        demand_kwh_per_day=[[100, 50], [80, 0], [0, 40], [10, 10]],
        demand_district=[0, 0, 0, -1],
        site_ids=("s0", "s1", "s2"),
        site_district=[0, 0, -1],
        station_ids=("e0", "e1"),
        district_ids=("D",),
        tiers=("small", "big"),
        tier_cost_cny=np.tile([1.0e6, 2.5e6], (3, 1)),
        tier_power_kw=np.tile([480.0, 5760.0], (3, 1)),
        tier_capacity_kwh_per_day=np.tile([100.0, 300.0], (3, 1)),
        tier_allowed=np.ones((3, 2), dtype=bool),
        station_capacity_kwh_per_day=[60.0, 100.0],
        usable=[[True, True]] * 3 + [list(e0_open), [False, False]],
        cover_start=[0, 2, 4, 6, 6],
        cover_supply=[0, 3, 0, 1, 1, 4],
        cover_time_s=[120.0, 60.0, 300.0, 100.0, 240.0, 30.0],
        cover_worth=np.ones(6),
        requirements=no_requirements(n_site=3, n_brand=2, budget_cny=4.0e6),
    )


def _state(
    instance: SitingInstance, tier: np.ndarray, kwh: dict[tuple[int, int], tuple[float, float]]
) -> ServiceState:
    flow = np.zeros((instance.n_pair, 2))
    for pair, (i, j) in enumerate(zip(instance.cover_demand, instance.cover_supply, strict=True)):
        flow[pair] = kwh.get((int(i), int(j)), (0, 0))
    decision = Decision(tier_of_site=tier, flow_kwh_per_day=flow)
    evaluation = evaluate(instance, decision)
    assert evaluation.feasible, evaluation.violations
    return ServiceState(decision=decision, evaluation=evaluation)


def _case(toy: Toy, *, today: SitingInstance, unified: SitingInstance) -> SitingCase:
    zone_ids = ["z0", "z1", "z2", "z3"]
    demand = _points({"demand_id": ["d0", "d1", "d2", "d3"]}, [(0, 0), (1, 0), (0, 1), (3, 3)])
    demand["zone_id"] = zone_ids if toy.zoned else ""
    demand["district_id"] = ["D", "D", "D", ""]
    zones = gpd.GeoDataFrame(
        {"zone_id": zone_ids},
        geometry=[point.buffer(STEP_DEG / 2, cap_style="square") for point in demand.geometry],
        crs=WGS84_EPSG,
    )
    stations = _points(
        {
            "station_id": ["e0", "e1"],
            "name": [toy.station_name, "Closed station"],
            "name_zh": [toy.station_name, "关闭的站"],
            "operator": ["Ant", "Other"],
            "network": [toy.network, "other"],
            "owner_brand": ["ant", ""],
            "connectors": [4, 8],
            "power_kw": [60.0, 120.0],
            "illustrative": [True, True],
        },
        [(0.5, 0.1), (0.4, 1.2)],
    )
    districts = gpd.GeoDataFrame(
        {"district_id": ["D"], "name": [toy.district_name], "name_zh": ["老城"]},
        geometry=[shapely.box(LON - 0.02, LAT - 0.02, LON + 0.02, LAT + 0.02)],
        crs=WGS84_EPSG,
    )
    unreachable = demand.loc[[3], ["demand_id", "geometry"]].assign(
        reason="no road near", kwh_per_day=20.0
    )
    return SitingCase(
        study=parse_study(STUDY + toy.tiles, folder=Path()),
        roads=_roads(),
        districts=districts,
        zones=zones if toy.zoned else None,
        demand=demand,
        candidates=_points(
            {
                "site_id": ["s0", "s1", "s2"],
                "name": list(toy.site_names),
                "kind": ["parking", "fuel", "parking"],
            },
            [(0.6, 0.6), (1.2, 1), (2, 2)],
        ),
        excluded_candidates=pd.DataFrame({"site_id": [], "reason": []}),
        stations=stations,
        unreachable=unreachable,
        instance=unified,
        instance_today=today,
        notices=(),
        input_sha256={},
    )


def _points(columns: dict[str, object], at: list[tuple[float, float]]) -> gpd.GeoDataFrame:
    points = [shapely.Point(LON + x * STEP_DEG, LAT + y * STEP_DEG) for x, y in at]
    return gpd.GeoDataFrame(columns, geometry=points, crs=WGS84_EPSG)


def _roads() -> RoadTable:
    """Three nodes in a line, a primary road; the first street stands in both directions."""
    lon, lat = LON + STEP_DEG * np.arange(3), np.full(3, LAT)
    ends = np.array([[0, 1], [1, 0], [1, 2]])
    return RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=ends[:, 0],
        segment_to=ends[:, 1],
        length_m=np.full(3, 957.0),
        forward_kph=np.full(3, 40.0),
        backward_kph=np.full(3, 40.0),
        highway=np.zeros(3, dtype=np.uint8),
        highway_classes=("primary",),
        shape_start=np.arange(0, 7, 2),
        shape_lon_deg=lon[ends.ravel()],
        shape_lat_deg=lat[ends.ravel()],
        source="made for a test",
    )
