"""What the map shows, as one JSON-able value: the plan's numbers and its packed geometry.

Drawing never solves: everything here is looked up or summed from a finished plan. Geometry is in
Web Mercator metres (EPSG:3857, what browsers draw in), whole metres relative to an origin,
delta-encoded and packed as base64 varints; the page's own script unpacks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h3
import numpy as np
import shapely

from siting.case import compute_sessions
from siting.domain import SECONDS_PER_MINUTE
from siting.instance import CLOSED
from siting.outputs.map_geometry import pack_integers, pack_roads
from siting.outputs.map_phases import describe_phases
from siting.outputs.map_trips import describe_trip_map
from siting.outputs.map_values import (
    as_column,
    as_names,
    as_number,
    as_numbers,
    as_optional_numbers,
    as_strings,
    as_text,
    describe_districts,
    describe_frame,
    describe_study,
    pack_polygons,
    sum_by_area,
)
from siting.outputs.robust import describe_robust_map
from siting.outputs.waiting import describe_waits
from siting.service import compute_busy_wait_s

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.outputs.map_geometry import MapProjection
    from siting.plan import ServiceState, SitingPlan

PAYLOAD_VERSION = 2
KWH_STEP = 0.1
"""Energy of an area is kept to this (kWh/day)."""
MINUTE_STEP = 0.1
AREA_TOLERANCE_M = 8.0
MAX_BINS = 4_000
"""Demand that comes as points is shown in at most about this many hexagons."""


def build_map_payload(plan: SitingPlan) -> dict[str, Any]:
    """Build what the map shows.

    Parameters
    ----------
    plan
        A finished plan. Where its study names tiles, all is drawn in their datum; longitudes and
        latitudes shown as text stay WGS-84.

    Returns
    -------
    dict
        JSON-able, the same for the same plan; without any text that the study or its inputs do
        not hold, apart from ids of this module.
    """
    frame, project = describe_frame(plan.case)
    areas, area_of_demand = _build_areas(plan)
    return {
        "version": PAYLOAD_VERSION,
        **frame,
        "study": _describe_study(plan),
        "solve": _describe_solve(plan),
        "service": _describe_service(plan),
        "roads": pack_roads(plan.case.roads, project),
        "districts": _describe_districts(plan, project),
        "areas": _describe_areas(plan, areas, area_of_demand, project),
        "sites": _describe_sites(plan, area_of_demand, project),
        "grid": _describe_grid(plan),
        "stations": _describe_stations(plan, project),
        "candidates": _describe_candidates(plan, project),
        "unreachable": _describe_unreachable(plan, project),
        "phases": describe_phases(plan, area_of_demand, n_area=len(areas["id"]), step=KWH_STEP),
        "waits": describe_waits(plan),
        "trips": describe_trip_map(plan, project),
        "robust": describe_robust_map(plan),
    }


def _describe_study(plan: SitingPlan) -> dict[str, Any]:
    study = plan.case.study
    return {
        **describe_study(plan.case),
        "tiers": [
            {
                "id": tier.id,
                "name": as_text(tier.name),
                "connectors": tier.connectors,
                "power_kw": tier.power_kw,
            }
            for tier in study.tiers
        ],
        "budget_cny": as_number(plan.case.instance.requirements.budget_cny),
        "max_wait_minutes": study.service.max_wait_minutes,
        "wait_exceeded_share": study.service.wait_exceeded_share,
        "accounts": study.accounts.value,
        "worth": study.access.worth.value,
    }


def _describe_solve(plan: SitingPlan) -> dict[str, Any]:
    solve = plan.solve
    return {
        "status": solve.status.value,
        "objective_kwh_per_day": as_number(solve.objective),
        "bound_kwh_per_day": as_number(solve.bound),
        "gap": as_number(solve.gap),
        "gap_asked": plan.case.study.solve.gap,
        "engine": str(solve.engine),
        "feasible": plan.joint.evaluation.feasible,
        "cost_cny": round(plan.joint.evaluation.cost_cny, 2),
    }


def _describe_service(plan: SitingPlan) -> dict[str, Any]:
    ledger = plan.ledger
    columns = [c for c in ledger.columns if c.endswith("_kwh_per_day")]
    return {
        "brands": {column: as_numbers(ledger[column], 1) for column in columns},
        "pays_cny": as_numbers(ledger["pays_cny"], 2),
    }


def _describe_districts(plan: SitingPlan, project: MapProjection) -> dict[str, Any]:
    districts = plan.case.districts
    described = describe_districts(districts, project)
    if districts is None:
        return described
    service = plan.service_by_district.set_index("district")
    return described | {
        column: as_numbers(service[column].reindex(districts["district_id"], fill_value=0.0), 1)
        for column in service.columns
        if column.endswith("_kwh_per_day")
    }


def _build_areas(plan: SitingPlan) -> tuple[dict[str, Any], LongArray]:
    """Return the areas that demand is shown in, and (n_demand,) the area of every point.

    Zones are shown as they came; demand that came as points is gathered in H3 hexagons whose size
    follows the number of points, so that a city of 20,000 points stays readable.
    """
    demand, zones = plan.case.demand, plan.case.zones
    if zones is not None:
        order = {zone: k for k, zone in enumerate(zones["zone_id"].astype(str))}
        which = np.array([order[z] for z in demand["zone_id"].astype(str)], dtype=np.int64)
        used, area = np.unique(which, return_inverse=True)
        shapes = zones.geometry.to_numpy()[used]
        ids = [str(z) for z in zones["zone_id"].to_numpy()[used]]
        return {"id": ids, "shapes": list(shapes)}, area.astype(np.int64)
    lat, lon = demand.geometry.y.to_numpy(), demand.geometry.x.to_numpy()
    cells: NDArray[Any] = np.array([])
    area = np.zeros(0, dtype=np.int64)
    for resolution in (9, 8, 7, 6, 5):
        of_point = [h3.latlng_to_cell(y, x, resolution) for y, x in zip(lat, lon, strict=True)]
        cells, area = np.unique(np.array(of_point, dtype=str), return_inverse=True)
        # Hexagons pay once they gather several points each: finer ones would leave gaps.
        if len(cells) <= max(1, min(MAX_BINS, len(lat) // 3)):
            break
    shapes = [
        shapely.Polygon([(x, y) for y, x in h3.cell_to_boundary(str(cell))]) for cell in cells
    ]
    return {"id": [str(c) for c in cells], "shapes": shapes}, area.astype(np.int64)


def _describe_areas(
    plan: SitingPlan, areas: dict[str, Any], area_of_demand: LongArray, project: MapProjection
) -> dict[str, Any]:
    instance = plan.case.instance
    n = len(areas["id"])

    def by_area(kwh: FloatArray) -> LongArray:
        return sum_by_area(kwh, area_of_demand, n_area=n, step=KWH_STEP)

    wanted = by_area(instance.demand_kwh_per_day)
    first = np.full(n, -1, dtype=np.int64)
    np.maximum.at(first, area_of_demand, instance.demand_district)
    states = _states(plan)
    return {
        "id": areas["id"],
        "kwh_step": KWH_STEP,
        "district": pack_integers(first),
        **pack_polygons(areas["shapes"], project, tolerance_m=AREA_TOLERANCE_M),
        "wanted": [pack_integers(row) for row in wanted],
        # What is missing is mostly zero where a plan is good: one byte instead of three.
        "missing": {
            name: [
                pack_integers(row)
                for row in np.maximum(wanted - by_area(state.evaluation.served_kwh_per_day), 0)
            ]
            for name, state in states.items()
        },
    }


def _states(plan: SitingPlan) -> dict[str, ServiceState]:
    return {"today": plan.today, "unified": plan.unified, "joint": plan.joint}


def _describe_sites(
    plan: SitingPlan, area_of_demand: LongArray, project: MapProjection
) -> dict[str, Any]:
    instance, sites = plan.case.instance, plan.sites
    index_of = {site: j for j, site in enumerate(instance.site_ids)}
    opened = np.array([index_of[site] for site in sites["site_id"]], dtype=np.int64)
    tier_order = {tier: k for k, tier in enumerate(instance.tiers)}
    candidates = plan.case.candidates.iloc[opened]
    grid_kw = instance.requirements.site_grid_limit_kw[opened]
    numbers = {
        "connectors": 0,
        "power_kw": 1,
        "cost_cny": 2,
        "capacity_kwh_per_day": 1,
        "energy_kwh_per_day": 1,
        "utilisation": 4,
        "mean_drive_min": 2,
    }
    return {
        "id": as_strings(sites["site_id"]),
        "name": as_names(candidates),
        "kind": as_strings(sites["kind"]),
        "district": [int(d) for d in instance.site_district[opened]],
        "tier": [tier_order[t] for t in sites["tier"]],
        "point": project.pack_points(candidates.geometry),
        "longitude": as_numbers(sites["longitude"], 6),
        "latitude": as_numbers(sites["latitude"], 6),
        **{name: as_numbers(sites[name], digits) for name, digits in numbers.items()},
        "energy_by_brand": [
            as_numbers(sites[f"energy_{brand}_kwh_per_day"], 1) for brand in instance.brands
        ],
        "wait_min": as_numbers(_busy_waits_min(plan), 2),
        "grid_limit_kw": [as_number(kw) for kw in grid_kw],
        "grid_group": [int(g) for g in instance.requirements.grid_group[opened]],
        "required": [bool(r) for r in instance.requirements.required[opened]],
        **_why(plan, opened),
        "reach": _pack_reach(plan, opened, area_of_demand),
    }


def _busy_waits_min(plan: SitingPlan) -> list[float]:
    """Return the mean wait of each of the plan's sites in its busiest hour (minutes)."""
    study, sites = plan.case.study, plan.sites
    power_kw = np.array([tier.power_kw or 0.0 for tier in study.tiers])
    wanted = plan.case.instance.demand_kwh_per_day.sum(axis=0)
    promise, rate = compute_sessions(study, power_kw=power_kw, wanted_kwh_per_day=wanted)
    order = {tier: k for k, tier in enumerate(plan.case.instance.tiers)}
    waits_s = [
        compute_busy_wait_s(
            float(kwh),
            connectors=int(connectors),
            power_kw=float(rate[order[tier]]),
            promise=promise,
        )
        for kwh, connectors, tier in zip(
            sites["energy_kwh_per_day"], sites["connectors"], sites["tier"], strict=True
        )
    ]
    return [wait_s / SECONDS_PER_MINUTE for wait_s in waits_s]


def _describe_grid(plan: SitingPlan) -> dict[str, Any]:
    """Describe the substation groups that the study limits, and what the plan takes of each."""
    asked = plan.case.instance.requirements
    decision, instance = plan.joint.decision, plan.case.instance
    opened = np.flatnonzero(decision.opened)
    power_kw = instance.tier_power_kw[opened, decision.tier_of_site[opened]]
    group = asked.grid_group[opened]
    n = asked.grid_group_limit_kw.size
    used_kw = np.bincount(group[group >= 0], weights=power_kw[group >= 0], minlength=n)
    return {
        "name": sorted(plan.case.study.requirements.grid_group_limit_kw),
        "limit_kw": as_numbers(asked.grid_group_limit_kw, 1),
        "used_kw": as_numbers(used_kw, 1),
    }


def _why(plan: SitingPlan, opened: LongArray) -> dict[str, Any]:
    """Return what speaks for each opened site, summed from the pairs within reach (kWh/day)."""
    instance = plan.case.instance
    demand, supply = instance.cover_demand, instance.cover_supply
    wanted = instance.demand_kwh_per_day
    unserved = np.maximum(wanted - plan.unified.evaluation.served_kwh_per_day, 0)
    open_supply = np.ones(instance.n_supply, dtype=bool)
    open_supply[: instance.n_site] = plan.joint.decision.tier_of_site != CLOSED
    reach, missing, only = (np.zeros(instance.n_supply) for _ in range(3))
    for b in range(instance.n_brand):
        usable = open_supply[supply] & instance.usable[supply, b]
        i, j = demand[usable], supply[usable]
        alone = np.bincount(i, minlength=instance.n_demand) == 1
        reach += np.bincount(j, weights=wanted[i, b], minlength=instance.n_supply)
        missing += np.bincount(j, weights=unserved[i, b], minlength=instance.n_supply)
        only += np.bincount(j, weights=wanted[i, b] * alone[i], minlength=instance.n_supply)
    return {
        "reach_kwh_per_day": as_numbers(reach[opened], 1),
        "reach_unserved_kwh_per_day": as_numbers(missing[opened], 1),
        "only_here_kwh_per_day": as_numbers(only[opened], 1),
    }


def _pack_reach(plan: SitingPlan, opened: LongArray, area_of_demand: LongArray) -> dict[str, Any]:
    """Pack, site by site, the areas within reach: index step, mean minutes, energy that comes."""
    instance = plan.case.instance
    order = np.full(instance.n_supply, -1, dtype=np.int64)
    order[opened] = np.arange(len(opened))
    site = order[instance.cover_supply]
    taken = site >= 0
    n_area = int(area_of_demand.max(initial=-1)) + 1
    key = site[taken] * n_area + area_of_demand[instance.cover_demand[taken]]
    pairs, which = np.unique(key, return_inverse=True)
    flow = plan.joint.decision.flow_kwh_per_day[taken].sum(axis=1)
    time_s = instance.cover_time_s[taken].astype(np.float64)
    n = len(pairs)
    minutes = np.bincount(which, weights=time_s, minlength=n) / SECONDS_PER_MINUTE
    minutes /= np.maximum(np.bincount(which, minlength=n), 1)
    kwh = np.bincount(which, weights=flow, minlength=n)
    area = pairs % max(n_area, 1)
    return {
        "counts": pack_integers(np.bincount(pairs // max(n_area, 1), minlength=len(opened))),
        "area": pack_integers(np.diff(area, prepend=0)),
        "minutes": pack_integers(np.rint(minutes / MINUTE_STEP).astype(np.int64)),
        "kwh": pack_integers(np.rint(kwh / KWH_STEP).astype(np.int64)),
        "minute_step": MINUTE_STEP,
    }


def _describe_stations(plan: SitingPlan, project: MapProjection) -> dict[str, Any]:
    case, stations = plan.case, plan.case.stations
    supply = slice(case.instance.n_site, None)
    return {
        "id": list(case.instance.station_ids),
        "name": as_names(stations),
        "operator": as_column(stations, "operator"),
        "network": as_column(stations, "network"),
        "owner": as_column(stations, "owner_brand"),
        "connectors": as_optional_numbers(stations, "connectors"),
        "power_kw": as_optional_numbers(stations, "power_kw"),
        "capacity_kwh_per_day": as_numbers(case.instance.station_capacity_kwh_per_day, 1),
        "illustrative": [bool(v) for v in stations["illustrative"]]
        if "illustrative" in stations
        else [False] * len(stations),
        "point": project.pack_points(stations.geometry),
        "usable": {
            "today": _brand_bits(case.instance_today.usable[supply]),
            "unified": _brand_bits(case.instance.usable[supply]),
            "joint": _brand_bits(case.instance.usable[supply]),
        },
        "energy_kwh_per_day": {
            name: as_numbers(state.evaluation.supplied_kwh_per_day[supply].sum(axis=1), 1)
            for name, state in _states(plan).items()
        },
    }


def _describe_candidates(plan: SitingPlan, project: MapProjection) -> dict[str, Any]:
    """Describe the candidates that were not opened."""
    closed = np.flatnonzero(plan.joint.decision.tier_of_site == CLOSED)
    candidates = plan.case.candidates.iloc[closed]
    asked = plan.case.instance.requirements
    return {
        "id": [plan.case.instance.site_ids[j] for j in closed],
        "name": as_names(candidates),
        "kind": as_strings(candidates["kind"]),
        "forbidden": [bool(f) for f in asked.forbidden[closed]],
        "grid_limit_kw": [as_number(kw) for kw in asked.site_grid_limit_kw[closed]],
        "grid_group": [int(g) for g in asked.grid_group[closed]],
        "point": project.pack_points(candidates.geometry),
    }


def _describe_unreachable(plan: SitingPlan, project: MapProjection) -> dict[str, Any]:
    unreachable = plan.case.unreachable
    return {
        "id": as_strings(unreachable["demand_id"]),
        "reason": as_strings(unreachable["reason"]),
        "kwh_per_day": as_numbers(unreachable["kwh_per_day"], 1),
        "point": project.pack_points(unreachable.geometry),
    }


def _brand_bits(usable: BoolArray) -> list[int]:
    """Return (n,) one bit a brand: whether its drivers may charge there."""
    return [int(bits) for bits in usable @ (1 << np.arange(usable.shape[1]))]
