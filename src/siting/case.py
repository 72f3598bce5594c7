"""The case: a study with its inputs read, its travel times known and its instance built.

`build_case` runs the stages between reading and solving; each of them is a function of its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from siting.demand import build_demand
from siting.domain import (
    SECONDS_PER_MINUTE,
    Accounts,
    BoolArray,
    Datum,
    Facility,
    FloatArray,
    IntArray,
    LongArray,
    Stage,
    ignore_stage,
)
from siting.errors import Fault, StudyError
from siting.inputs.candidates import choose_candidates
from siting.inputs.contracts import ENERGY_FIGURES
from siting.inputs.districts import find_districts
from siting.inputs.roads.congestion import build_congestion
from siting.inputs.stations import STANDING, merge_stations, usable_by_brand
from siting.instance import NO_GROUP, Requirements, SitingInstance
from siting.network.datum_check import check_datum
from siting.network.road_network import build_road_network
from siting.network.snapping import Snapped, SnapProblem, snap_to_roads
from siting.network.travel_time import compute_travel_times
from siting.network.unreachable import Reach, explain_unreachable
from siting.service import build_promise, compute_capacities_kwh_per_day, compute_session_power_kw
from siting.study import (
    CandidateSource,
    VehicleFormat,
    WorthShape,
    energy_by_brand,
    total_budget_cny,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from siting.demand import Demand
    from siting.inputs.areas import AreaTable
    from siting.inputs.candidates import CandidateFiles, CandidateTable
    from siting.inputs.districts import DistrictTable
    from siting.inputs.population import PopulationTable
    from siting.inputs.roads import RoadTable
    from siting.inputs.stations import StationTable
    from siting.inputs.trips import TripTable
    from siting.inputs.vehicles import VehicleTable
    from siting.network.road_network import RoadNetwork
    from siting.network.travel_time import TravelTimes
    from siting.service import ServicePromise
    from siting.study import Access, Study

SHOWN_TWINS = 5
NO_LIMIT_ON_SITES = np.iinfo(np.int32).max
UNREACHABLE_REASONS = {
    Reach.REACHED: "nothing near enough to be worth the drive",
    Reach.OFF_NETWORK: "no road near",
    Reach.OTHER_COMPONENT: "on roads cut off from the network",
    Reach.ONE_WAY_TRAP: "on a one-way trap",
    Reach.BEYOND_CUTOFF: "nothing within the cutoff",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyInputs:
    """What a study's files hold, validated and in WGS-84; nothing is derived yet."""

    study: Study
    roads: RoadTable
    vehicles: VehicleTable
    stations: tuple[StationTable, ...]
    candidates: CandidateFiles
    districts: DistrictTable | None
    input_sha256: dict[str, str]
    population: PopulationTable | None = None
    water: AreaTable | None = None
    trips: TripTable | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SitingCase:
    """A study with its inputs read, its travel times known, and its instance built.

    Attributes
    ----------
    study
        What was asked.
    roads
        The roads, WGS-84.
    districts
        Polygons with ``district_id``, ``name``, ``name_zh``; None where the study has none.
    zones
        Polygons with ``zone_id`` that demand came in; None where it came as points.
    demand
        Points aligned to ``instance.demand_ids``: ``demand_id``, ``zone_id``, ``district_id``.
    candidates
        Points aligned to ``instance.site_ids``.
    excluded_candidates
        Points of every candidate left out, with ``site_id`` and ``reason``.
    stations
        Points aligned to ``instance.station_ids``.
    unreachable
        Points of demand that no site or station serves: ``demand_id``, ``reason``,
        ``kwh_per_day``.
    instance
        What the solver sees, with accounts as the study asks.
    instance_today
        The same with separate accounts: what drivers can use today.
    notices
        Everything worth a warning on the way.
    input_sha256
        Hash of every input file by its name relative to the study.
    tables_illustrative
        Whether vehicles, stations, candidates or trips are made, by the study or by a row.
    trips
        Trips between places; None where the study has none.
    """

    study: Study
    roads: RoadTable
    districts: gpd.GeoDataFrame | None
    zones: gpd.GeoDataFrame | None
    demand: gpd.GeoDataFrame
    candidates: gpd.GeoDataFrame
    excluded_candidates: gpd.GeoDataFrame
    stations: gpd.GeoDataFrame
    unreachable: gpd.GeoDataFrame
    instance: SitingInstance
    instance_today: SitingInstance
    notices: tuple[Fault, ...]
    input_sha256: dict[str, str]
    tables_illustrative: bool = False
    trips: TripTable | None = None

    @property
    def illustrative(self) -> bool:
        """Whether anything shown comes from made data."""
        return self.study.illustrative_note is not None or self.tables_illustrative


@dataclass(frozen=True, kw_only=True, eq=False)
class StationFates:
    """What became of the stations that were read.

    Attributes
    ----------
    standing
        The stations that stand (operational, or of unknown status), each once.
    left_out
        Those that are planned or closed; the same columns.
    merges, doubtful
        ``MERGE_COLUMNS`` of the pairs found to be one station, and of those kept apart by little.
    notices
        What was merged and what was left out.
    """

    standing: gpd.GeoDataFrame
    left_out: gpd.GeoDataFrame
    merges: pd.DataFrame
    doubtful: pd.DataFrame
    notices: tuple[Fault, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadAccess:
    """All that is taken from the road network: times, why demand is unreachable, notices.

    Attributes
    ----------
    times
        From demand to sites and stations, sites first.
    demand_reach
        (n_demand,) whether a site or station is reached, and if not, why not: a ``Reach`` each.
    notices
        What lies off the roads, and which file looks as if its datum were another.
    """

    times: TravelTimes
    demand_reach: NDArray[np.uint8]
    notices: tuple[Fault, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """What stands where and how far apart it is, before budget, tiers and promise are asked about.

    Studies of one city that differ only in those share one survey.

    Attributes
    ----------
    demand, candidates
        As placed on the roads and as kept.
    station_fates
        What stands today, each once, and what was merged and left out.
    access
        Travel times between them.
    notices
        Everything worth a warning on the way.
    """

    demand: Demand
    candidates: CandidateTable
    station_fates: StationFates
    access: RoadAccess
    notices: tuple[Fault, ...]


def build_case(
    inputs: StudyInputs,
    *,
    survey: Survey | None = None,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> SitingCase:
    """Turn a study's inputs into a case: network, demand, candidates, travel times, instance.

    Parameters
    ----------
    inputs
        What the study's files hold.
    survey
        Another study's survey with the same `survey_key`; made anew if none is given.
    on_stage
        Told of each stage as it begins.

    Raises
    ------
    StudyError
        If the study names sites, districts or groups that do not exist.
    InputError
        If no candidate can be found.
    """
    study = inputs.study
    if survey is None:
        survey = survey_city(inputs, on_stage=on_stage)
    on_stage(Stage.BUILD_INSTANCE)
    candidates, stations = survey.candidates, survey.station_fates.standing
    instance = build_instance(
        study,
        demand=survey.demand,
        candidates=candidates.frame,
        excluded=candidates.excluded,
        stations=stations,
        times=survey.access.times,
        districts=inputs.districts,
    )
    today = instance.replace(usable=_usable(study, instance.n_site, stations, Accounts.SEPARATE))
    return SitingCase(
        study=study,
        roads=inputs.roads,
        districts=None if inputs.districts is None else inputs.districts.frame,
        zones=survey.demand.zones,
        demand=survey.demand.frame,
        candidates=candidates.frame,
        excluded_candidates=candidates.excluded,
        stations=stations,
        unreachable=_find_unreachable(survey.demand, survey.access.demand_reach, instance),
        instance=instance,
        instance_today=today,
        notices=(
            *inputs.roads.notices,
            *inputs.vehicles.notices,
            *(() if inputs.districts is None else inputs.districts.notices),
            *(() if inputs.population is None else inputs.population.notices),
            *(() if inputs.water is None else inputs.water.notices),
            *(() if inputs.trips is None else inputs.trips.notices),
            *chain.from_iterable(table.notices for table in inputs.stations),
            *survey.notices,
            *describe_idle_limits(instance),
        ),
        input_sha256=inputs.input_sha256,
        tables_illustrative=inputs.vehicles.illustrative
        or bool(stations["illustrative"].any())
        or bool(candidates.frame["illustrative"].any())
        or (inputs.trips is not None and inputs.trips.illustrative),
        trips=inputs.trips,
    )


def survey_city(
    inputs: StudyInputs,
    *,
    access: RoadAccess | None = None,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> Survey:
    """Place demand, find candidates, and measure the travel times on the road network.

    Parameters
    ----------
    inputs
        What the study's files hold.
    access
        What an earlier survey with the same `survey_key` took from the network; the network is
        then not built at all.
    on_stage
        Told of each stage as it begins.

    Raises
    ------
    InputError
        If no candidate can be found.
    """
    study = inputs.study
    on_stage(Stage.BUILD_DEMAND)
    demand = build_demand(
        _vehicles_for(study.facility, inputs.vehicles),
        energy=energy_by_brand(study),
        roads=inputs.roads,
        population=inputs.population,
        water=inputs.water,
        districts=inputs.districts,
    )
    on_stage(Stage.CANDIDATES)
    candidates = choose_candidates(
        study.inputs.candidates,
        inputs.candidates,
        roads=inputs.roads,
        demand=demand,
        water=inputs.water,
        required=study.requirements.required,
    )
    fates = combine_stations(inputs.stations)
    if access is None:
        access = measure_access(
            inputs,
            demand=demand,
            candidates=candidates,
            stations=fates.standing,
            on_stage=on_stage,
        )
    return Survey(
        demand=demand,
        candidates=candidates,
        station_fates=fates,
        access=access,
        notices=(*fates.notices, *demand.notices, *candidates.notices, *access.notices),
    )


def _vehicles_for(facility: Facility, vehicles: VehicleTable) -> VehicleTable:
    """Return the vehicles; the energy figures of zones say nothing about visits."""
    if facility is Facility.CHARGING_STATION:
        return vehicles
    figures = [c for c in vehicles.frame.columns if c.startswith(tuple(ENERGY_FIGURES))]
    return replace(vehicles, frame=vehicles.frame.assign(**dict.fromkeys(figures, np.nan)))


def survey_key(inputs: StudyInputs) -> str:
    """Return a hash of all that a survey depends on: equal keys, equal surveys."""
    study = inputs.study
    parts = {
        "files": inputs.input_sha256,
        "inputs": study.inputs.model_dump(mode="json"),
        "energy": {name: figures.model_dump() for name, figures in energy_by_brand(study).items()},
        "access": study.access.model_dump(mode="json"),
        "hour": study.hour,
        "brands": [(brand.id, brand.name, brand.name_zh) for brand in study.brands],
        "required": study.requirements.required,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def build_instance(
    study: Study,
    *,
    demand: Demand,
    candidates: gpd.GeoDataFrame,
    excluded: pd.DataFrame,
    stations: gpd.GeoDataFrame,
    times: TravelTimes,
    districts: DistrictTable | None,
) -> SitingInstance:
    """Build what the solver sees from the study and the tables.

    Parameters
    ----------
    study
        Tiers, costs, promise, requirements.
    demand, candidates, stations, districts
        The tables, WGS-84.
    excluded
        ``site_id`` and ``reason`` of the candidates left out, to say why one asked for is none.
    times
        Travel times from demand to sites and stations (sites first).

    Raises
    ------
    StudyError
        If the study names sites, districts or groups that do not exist.
    """
    district_ids = () if districts is None else districts.ids
    where = candidates.geometry
    site_district = find_districts(where.x.to_numpy(), where.y.to_numpy(), districts)
    district_index = {name: index for index, name in enumerate(district_ids)}
    connectors = np.array([tier.connectors for tier in study.tiers], dtype=np.float64)
    tier_kw = np.array([tier.power_kw or 0.0 for tier in study.tiers])
    tier_capacity = _compute_capacity(study, demand, connectors=connectors, power_kw=tier_kw)
    station_capacity = _compute_capacity(
        study,
        demand,
        connectors=stations["connectors"].to_numpy(dtype=np.float64),
        power_kw=stations["power_kw"].to_numpy(dtype=np.float64),
    ) * stations["available_share"].to_numpy(dtype=np.float64)
    cost = np.array([tier.cost_cny for tier in study.tiers]) + study.site_cost_cny
    rent_cny = candidates["rent_cny_per_year"].to_numpy(dtype=np.float64) * study.rent_years
    n_site = len(candidates)
    cover_worth = compute_worth(times.time_s, study.access)
    kept, start = _drop_worthless(times.start, cover_worth)
    return SitingInstance(
        brands=tuple(brand.id for brand in study.brands),
        demand_ids=tuple(demand.frame["demand_id"]),
        demand_kwh_per_day=demand.kwh_per_day,
        demand_district=demand.frame["district_id"].map(district_index).fillna(-1),
        site_ids=tuple(candidates["site_id"]),
        site_district=site_district,
        station_ids=tuple(stations["station_id"]),
        district_ids=district_ids,
        tiers=tuple(tier.id for tier in study.tiers),
        tier_cost_cny=np.tile(cost, (n_site, 1)) + rent_cny[:, None],
        tier_power_kw=np.tile(connectors * tier_kw, (n_site, 1)),
        tier_capacity_kwh_per_day=np.tile(tier_capacity, (n_site, 1)),
        tier_allowed=connectors <= candidates["connectors_max"].to_numpy(dtype=np.float64)[:, None],
        station_capacity_kwh_per_day=station_capacity,
        usable=_usable(study, n_site, stations, study.accounts),
        cover_start=start,
        cover_supply=times.site[kept],
        cover_time_s=times.time_s[kept],
        cover_worth=cover_worth[kept],
        requirements=_build_requirements(study, candidates, excluded, district_ids),
    )


def describe_idle_limits(instance: SitingInstance) -> Iterator[Fault]:
    """Yield notices of sites that no tier fits, and of a budget that no site fits."""
    asked = instance.requirements
    fits = instance.tier_allowed & (instance.tier_power_kw <= asked.site_grid_limit_kw[:, None])
    n_none = int((~fits.any(axis=1)).sum())
    if n_none:
        n_site = instance.n_site
        what = f"{n_none:,} of {n_site:,} candidate sites have no room or power for any tier"
        yield Fault(what=what, remedy="check connectors_max and grid_limit_kw, or add a tier")
    cost_cny = instance.tier_cost_cny[fits & ~asked.forbidden[:, None]]
    if cost_cny.size and asked.budget_cny < cost_cny.min():
        yield Fault(
            file="study",
            column="requirements.budget_cny",
            value=f"{asked.budget_cny:,.2f}",
            what=f"no site can be opened: the cheapest costs {cost_cny.min():,.2f} CNY",
            remedy="raise the budget, or plan with existing stations alone",
        )


def _compute_capacity(
    study: Study, demand: Demand, *, connectors: FloatArray, power_kw: FloatArray
) -> FloatArray:
    """Return what chargers, or bays, can serve at the promised wait."""
    promise, rate = compute_sessions(
        study, power_kw=power_kw, wanted_kwh_per_day=demand.kwh_per_day.sum(axis=0)
    )
    return compute_capacities_kwh_per_day(connectors=connectors, power_kw=rate, promise=promise)


def compute_sessions(
    study: Study, *, power_kw: FloatArray, wanted_kwh_per_day: FloatArray
) -> tuple[ServicePromise, FloatArray]:
    """Return the promise, and the mean power of a session on connectors of each power.

    Parameters
    ----------
    study
        The promise, and what each brand's cars can take.
    power_kw
        (n,) power of a connector; a service centre's bays have none.
    wanted_kwh_per_day
        (n_brand,) what each brand wants.
    """
    if study.facility is Facility.SERVICE_CENTRE:
        promise = build_promise(study.service, visits=study.visits)
        return promise, np.full(power_kw.size, 1.0 / study.visits.hours_per_visit)
    usable_kw = np.array([brand.usable_power_kw for brand in study.brands])
    rate = [
        compute_session_power_kw(
            kw, usable_power_kw=usable_kw, demand_kwh_per_day=wanted_kwh_per_day
        )
        for kw in power_kw
    ]
    return build_promise(study.service), np.array(rate)


def compute_worth(time_s: Any, access: Access) -> FloatArray:  # noqa: ANN401 - any float array
    """Return the worth of service a_ij in [0, 1] at each travel time (s)."""
    time_min = np.asarray(time_s, dtype=np.float64) / SECONDS_PER_MINUTE
    if access.worth is WorthShape.LINEAR:
        return np.clip(1.0 - time_min / access.cutoff_minutes, 0.0, 1.0)
    if access.worth is WorthShape.STEPS:
        within = np.array([step.within_minutes for step in access.steps])
        worth = np.array([*(step.worth for step in access.steps), 0.0])
        return np.asarray(worth[np.searchsorted(within, time_min, side="left")])
    return np.ones_like(time_min)


def combine_stations(tables: Sequence[StationTable]) -> StationFates:
    """Merge the station tables into one charging map and keep what stands today."""
    merged = merge_stations(tables if len(tables) > 1 else ())
    every = tables[0].frame if len(tables) == 1 else merged.frame
    stands = every["status"].isin(STANDING)
    left_out = every[~stands].reset_index(drop=True)
    notice = Fault(
        what=f"{len(left_out):,} stations are planned or closed and were left out",
        remedy="nothing, if that is so",
    )
    twins = find_twins(tables[0]) if len(tables) == 1 else ()
    return StationFates(
        standing=every[stands].reset_index(drop=True),
        left_out=left_out,
        merges=merged.merges,
        doubtful=merged.doubtful,
        notices=(*merged.notices, *twins, *((notice,) if len(left_out) else ())),
    )


def find_twins(table: StationTable) -> tuple[Fault, ...]:
    """Return a notice of the stations of one file that look like one; they are not merged."""
    merges = merge_stations([table]).merges
    if merges.empty:
        return ()
    pairs = [f"{a} and {b}" for a, b in zip(merges["kept"], merges["merged"], strict=True)]
    shown = "; ".join(pairs[:SHOWN_TWINS]) + ("; …" if len(pairs) > SHOWN_TWINS else "")
    what = f"{len(pairs):,} pairs of stations look like one and the same: {shown}"
    return (Fault(what=what, remedy="remove one of each pair, if they are"),)


def build_network(study: Study, roads: RoadTable) -> tuple[RoadNetwork, tuple[Fault, ...]]:
    """Build the road network as it is at the study's hour; say which, where the study does not.

    Raises
    ------
    InputError
        If no road may be driven, or congestion is stated for a class of road that is none.
    """
    spec = study.inputs.roads
    congestion = build_congestion(spec, roads, hour=study.hour)
    network = build_road_network(
        roads,
        congestion_factor=spec.congestion_factor,
        class_factor=congestion.class_factor,
    )
    return network, congestion.notices


def list_point_files(
    inputs: StudyInputs, candidates: CandidateTable
) -> Iterator[tuple[str, Datum, gpd.GeoDataFrame]]:
    """Yield every file of places beside roads: its name, its datum, its points in WGS-84."""
    files = inputs.study.inputs
    if files.vehicles.format is VehicleFormat.POINTS:
        yield files.vehicles.file_name, files.vehicles.datum, inputs.vehicles.frame
    for table, spec in zip(inputs.stations, files.stations, strict=True):
        yield spec.path.name, spec.datum, table.frame
    spec_path = files.candidates.path
    if files.candidates.source is CandidateSource.FILE and spec_path is not None:
        parts = [candidates.frame.geometry, candidates.excluded.geometry]
        every = gpd.GeoDataFrame(geometry=pd.concat(parts, ignore_index=True))
        yield spec_path.name, files.candidates.datum, every


def measure_access(
    inputs: StudyInputs,
    *,
    demand: Demand,
    candidates: CandidateTable,
    stations: gpd.GeoDataFrame,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> RoadAccess:
    """Build the network, snap everything to it, and compute the travel times.

    Parameters
    ----------
    inputs
        What the study's files hold.
    demand, candidates, stations
        What is snapped; points, WGS-84.
    on_stage
        Told of each stage as it begins.
    """
    study = inputs.study
    on_stage(Stage.BUILD_NETWORK)
    network, hour_notices = build_network(study, inputs.roads)
    datum_notices = [
        check_datum(network, frame, declared=datum, file=file)
        for file, datum, frame in list_point_files(inputs, candidates)
        if len(frame)
    ]
    points = {"demand": demand.frame, "sites": candidates.frame, "stations": stations}
    on_stage(Stage.TRAVEL_TIMES)
    snapped = {
        what: snap_to_roads(
            network,
            frame.geometry.x.to_numpy(),
            frame.geometry.y.to_numpy(),
            max_distance_m=study.access.max_snap_m,
        )
        for what, frame in points.items()
    }
    supply = _join_snapped(snapped["sites"], snapped["stations"])
    times = compute_travel_times(
        network,
        snapped["demand"],
        supply,
        cutoff_s=study.access.cutoff_minutes * SECONDS_PER_MINUTE,
        direction=study.access.direction,
    )
    cut_off = [
        Fault(
            what=f"{n:,} of {snap.n_point:,} {what} stand on roads cut off from the largest part "
            "that can be driven both ways",
            remedy="look at the roads around them: a bridge or a link may be missing",
        )
        for what, snap in snapped.items()
        if (n := int((snap.on_network & (snap.problem != SnapProblem.NONE)).sum()))
    ]
    snap_notices = [
        Fault(
            what=f"{int((~snap.on_network).sum()):,} of {snap.n_point:,} {what} lie farther than "
            f"{study.access.max_snap_m:g} m from every road and reach nothing",
            remedy="check their coordinates and datum, or that the roads cover the area",
        )
        for what, snap in snapped.items()
        if not snap.on_network.all()
    ]
    found = [*hour_notices, *(notice for notice in datum_notices if notice is not None)]
    return RoadAccess(
        times=times,
        demand_reach=explain_unreachable(network, snapped["demand"], supply, times),
        notices=(*found, *snap_notices, *cut_off),
    )


def _join_snapped(*parts: Snapped) -> Snapped:
    return Snapped(
        **{
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Snapped)
        }
    )


def _find_unreachable(
    demand: Demand, reach: NDArray[np.uint8], instance: SitingInstance
) -> gpd.GeoDataFrame:
    """Return the demand points that nothing can serve, each with its reason."""
    total = instance.demand_kwh_per_day.sum(axis=1)
    lost = np.flatnonzero((np.diff(instance.cover_start) == 0) & (total > 0))
    found = demand.frame.iloc[lost][["demand_id", "geometry"]].reset_index(drop=True)
    found["reason"] = [UNREACHABLE_REASONS[Reach(code)] for code in reach[lost]]
    found["kwh_per_day"] = total[lost]
    return found


def _drop_worthless(start: LongArray, worth: FloatArray) -> tuple[BoolArray, LongArray]:
    """Return which pairs have a worth, and where each demand point's pairs then begin."""
    kept = worth > 0
    before = np.concatenate([[0], np.cumsum(kept)])
    return kept, before[start]


def _usable(study: Study, n_site: int, stations: gpd.GeoDataFrame, accounts: Accounts) -> BoolArray:
    """(n_supply, n_brand) A_bj: new sites are everybody's, stations as their data says."""
    brands = [brand.id for brand in study.brands]
    new = np.ones((n_site, len(brands)), dtype=bool)
    return np.vstack([new, usable_by_brand(stations, brands, accounts)])


def _build_requirements(
    study: Study,
    candidates: gpd.GeoDataFrame,
    excluded: pd.DataFrame,
    districts: tuple[str, ...],
) -> Requirements:
    """Turn the study's requirements into arrays; names that do not exist are faults."""
    asked = study.requirements
    site_ids = set(candidates["site_id"])
    why_out = dict(zip(excluded["site_id"], excluded["reason"], strict=True))
    every_id = site_ids | why_out.keys()
    groups = sorted(set(candidates["grid_group"]) - {""})
    faults = [
        *_unknown(asked.required, every_id, "requirements.required", "candidate site"),
        *(_left_out(name, why_out[name]) for name in asked.required if name in why_out),
        *_unknown(asked.forbidden, every_id, "requirements.forbidden", "candidate site"),
        *_unknown(asked.grid_group_limit_kw, groups, "requirements.grid_group_limit_kw", "group"),
        *_unknown(
            asked.district_min_sites, districts, "requirements.district_min_sites", "district"
        ),
        *_unknown(
            asked.district_max_sites, districts, "requirements.district_max_sites", "district"
        ),
    ]
    if faults:
        raise StudyError(faults)
    limited = [group for group in groups if group in asked.grid_group_limit_kw]
    group_index = {group: index for index, group in enumerate(limited)}
    quotas = bool(asked.district_min_sites or asked.district_max_sites)
    return Requirements(
        budget_cny=total_budget_cny(study),
        floor_by_brand=np.array([brand.floor for brand in study.brands]),
        required=candidates["site_id"].isin(asked.required),
        forbidden=candidates["site_id"].isin(asked.forbidden),
        min_sites=asked.min_sites,
        max_sites=asked.max_sites,
        site_grid_limit_kw=candidates["grid_limit_kw"],
        grid_group=candidates["grid_group"].map(group_index).fillna(NO_GROUP),
        grid_group_limit_kw=np.array([asked.grid_group_limit_kw[group] for group in limited]),
        spacing_pairs=_spacing_pairs(candidates, asked.min_spacing_m),
        district_min_sites=np.array(
            [asked.district_min_sites.get(d, 0) for d in districts if quotas], dtype=np.int32
        ),
        district_max_sites=np.array(
            [asked.district_max_sites.get(d, NO_LIMIT_ON_SITES) for d in districts if quotas],
            dtype=np.int32,
        ),
    )


def _unknown(named: Iterable[str], known: Collection[str], column: str, what: str) -> list[Fault]:
    return [
        Fault(
            file="study",
            column=column,
            value=name,
            what=f"no {what} has this name",
            remedy=f"name one of the {len(known)} that exist; `siting check` lists them",
        )
        for name in named
        if name not in known
    ]


def _left_out(site_id: str, reason: str) -> Fault:
    return Fault(
        file="study",
        column="requirements.required",
        value=site_id,
        what=f"this candidate was left out: {reason}",
        remedy="change that rule under inputs.candidates, or do not require the site",
    )


def _spacing_pairs(candidates: gpd.GeoDataFrame, min_spacing_m: float) -> IntArray:
    """(n_pair, 2) sites closer than the spacing, measured in a projected CRS."""
    if min_spacing_m <= 0 or len(candidates) < 2:  # noqa: PLR2004 - a pair takes two
        return np.empty((0, 2), dtype=np.int32)
    projected = candidates.geometry.to_crs(candidates.estimate_utm_crs())
    tree = cKDTree(np.column_stack([projected.x, projected.y]))
    pairs = tree.query_pairs(np.nextafter(min_spacing_m, 0.0), output_type="ndarray")
    pairs.sort(axis=1)
    return np.asarray(pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))], dtype=np.int32)
