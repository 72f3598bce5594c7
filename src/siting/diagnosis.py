"""The diagnosis: what a planner checks before believing anything that comes of the inputs.

Nothing is solved. What was read, merged and left out; where points meet the roads and how far
that is; what nothing reaches, and why; whether a file's datum looks wrong; totals by brand. The
printed summary, a notebook's table and the diagnostic map all show these same figures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from siting.case import Survey, build_case, build_network, compare_datums, survey_city
from siting.domain import (
    METRES_PER_KM,
    BoolArray,
    Datum,
    FloatArray,
    IntArray,
    LongArray,
    Stage,
    frozen_array,
    ignore_stage,
)
from siting.inputs.candidates import count_reasons
from siting.inputs.roads.streets import find_one_way_streets, first_of_each_street, number_streets
from siting.network.snapping import snap_to_roads
from siting.study import CandidateSource, VehicleFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from siting.case import SitingCase, StudyInputs
    from siting.inputs.datum import DatumFit
    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped
    from siting.study import Vehicles

FAR_FROM_ROAD_M = 100.0
"""Points farther than this from their road are worth a look."""
KEPT = "kept"


class RoadState(IntEnum):
    """How a road hangs together with the others."""

    MAIN = 0
    """Every main road reaches it, and it reaches every main road."""
    ONE_WAY_TRAP = 1
    """It can be driven into but not out of, or out of but not into."""
    OTHER_COMPONENT = 2
    """No way leads from it to the main roads, nor back."""
    CLOSED = 3
    """No car may drive on it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadPoints:
    """Where points meet the roads.

    Attributes
    ----------
    distance_m
        (n_point,) straight distance to the road; infinite where none is near enough, NaN where
        it was not asked.
    lon_deg, lat_deg
        (n_point,) the place on the road, WGS-84; NaN where there is none.
    """

    distance_m: FloatArray
    lon_deg: FloatArray
    lat_deg: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("distance_m", "lon_deg", "lat_deg"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))

    @property
    def on_road(self) -> BoolArray:
        """(n_point,) whether a road is near enough."""
        return frozen_array(np.isfinite(self.distance_m), np.bool_)

    def padded(self, n_point: int) -> RoadPoints:
        """Return the same with points added to ``n_point`` whose roads were never asked for."""
        missing = np.full(n_point - self.distance_m.size, np.nan)
        return RoadPoints(
            distance_m=np.concatenate([self.distance_m, missing]),
            lon_deg=np.concatenate([self.lon_deg, missing]),
            lat_deg=np.concatenate([self.lat_deg, missing]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadCheck:
    """How the roads hang together.

    Attributes
    ----------
    state
        (n_segment,) a :class:`RoadState` each, in the road table's order.
    component
        (n_segment,) label of the roads that are connected if directions are ignored.
    one_way
        (n_segment,) whether the segment's street may be driven one way and not the other.
    counts_once
        (n_segment,) False for a street's second segment where a file holds both directions.
    """

    state: NDArray[np.uint8]
    component: IntArray
    one_way: BoolArray
    counts_once: BoolArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Diagnosis:
    """What is known of a study's inputs before anything is solved.

    Attributes
    ----------
    inputs, survey, case
        What was read, what was placed and measured, and what the solver would see.
    roads_check
        How the roads hang together.
    demand_on_road, sites_on_road, stations_on_road
        Where the case's demand, candidates and standing stations meet the roads.
    datum_fits
        By file, how near its points lie to the roads under each datum; only files of places that
        stand beside roads.
    far_m
        Points farther than this from their road are counted as far.
    """

    inputs: StudyInputs
    survey: Survey
    case: SitingCase
    roads_check: RoadCheck
    demand_on_road: RoadPoints
    sites_on_road: RoadPoints
    stations_on_road: RoadPoints
    datum_fits: Mapping[str, DatumFit]
    far_m: float

    @cached_property
    def files(self) -> pd.DataFrame:
        """Every file: what it holds, its name, datum, number of entries, whether it is made."""
        rows = list(_list_files(self.inputs, self.survey))
        return pd.DataFrame(rows, columns=["holds", "file", "datum", "entries", "illustrative"])

    @cached_property
    def roads(self) -> pd.DataFrame:
        """Streets, their kilometres and those that are one-way, by how they hang together."""
        check, length_m = self.roads_check, self.inputs.roads.length_m
        rows = []
        for state in RoadState:
            here = (check.state == state) & check.counts_once
            rows.append(
                {
                    "state": state.name.lower(),
                    "streets": int(here.sum()),
                    "km": float(length_m[here].sum() / METRES_PER_KM),
                    "one_way_km": float(length_m[here & check.one_way].sum() / METRES_PER_KM),
                    "components": len(np.unique(check.component[here])),
                }
            )
        return pd.DataFrame(rows)

    @cached_property
    def brands(self) -> pd.DataFrame:
        """Vehicles read and placed, energy wanted, and what of it nothing reaches, by brand."""
        demand, survey = self.case.demand, self.survey.demand
        lost = demand["demand_id"].isin(self.case.unreachable["demand_id"]).to_numpy(dtype=bool)
        kwh = self.case.instance.demand_kwh_per_day
        return pd.DataFrame(
            {
                "brand": brand,
                "vehicles_read": survey.vehicles_read[brand],
                "vehicles_placed": survey.vehicles_placed[brand],
                "unreachable_vehicles": math.fsum(demand.loc[lost, f"vehicles_{brand}"]),
                "kwh_per_day": math.fsum(kwh[:, b]),
                "unreachable_kwh_per_day": math.fsum(kwh[lost, b]),
            }
            for b, brand in enumerate(self.case.instance.brands)
        )

    @cached_property
    def stations(self) -> pd.Series[int]:
        """What became of the stations: read − merged − planned or closed = standing."""
        fates = self.survey.station_fates
        within = fates.merges["within_feed"].astype(bool)
        return pd.Series(
            {
                "read": sum(len(table.frame) for table in self.inputs.stations),
                "merged_between_files": int((~within).sum()),
                "merged_within_a_file": int(within.sum()),
                "planned_or_closed": len(fates.left_out),
                "standing": len(fates.standing),
                "doubtful_pairs_kept_apart": len(fates.doubtful),
            },
            name="stations",
        )

    @cached_property
    def candidates(self) -> pd.Series[int]:
        """Candidates kept, and left out by reason, most first."""
        return pd.Series(
            {KEPT: len(self.case.candidates)} | count_reasons(self.case.excluded_candidates),
            name="candidates",
        )

    @cached_property
    def snaps(self) -> pd.DataFrame:
        """How far points stand from their road (m): quantiles, and how many are far or off."""
        points = {
            "demand": self.demand_on_road,
            "candidates": self.sites_on_road,
            "stations": self.stations_on_road,
        }
        return pd.DataFrame(
            {"what": what, **_summarise_distances(where.distance_m, far_m=self.far_m)}
            for what, where in points.items()
        )

    @cached_property
    def unreachable(self) -> pd.DataFrame:
        """Demand that nothing reaches: points, vehicles and energy by reason, most energy first."""
        lost = self.case.unreachable
        columns = [f"vehicles_{brand}" for brand in self.case.instance.brands]
        vehicles = self.case.demand.set_index("demand_id")[columns].sum(axis=1)
        table = pd.DataFrame(
            {
                "reason": lost["reason"].astype("str"),
                "points": 1,
                "vehicles": vehicles.reindex(lost["demand_id"]).to_numpy(),
                "kwh_per_day": lost["kwh_per_day"],
            }
        )
        sums = table.groupby("reason", as_index=False).sum()
        order = ["kwh_per_day", "reason"]
        return sums.sort_values(order, ascending=[False, True]).reset_index(drop=True)

    @cached_property
    def datums(self) -> pd.DataFrame:
        """By file, how near its points lie to the roads as declared and under each other datum."""
        return pd.DataFrame(
            {
                "file": file,
                "declared": fit.declared.value,
                "suspected": "" if fit.better is None else fit.better.value,
                "compared": fit.compared,
                **{f"median_m_{datum}": fit.median_m[datum] for datum in Datum},
                **{f"p90_m_{datum}": fit.p90_m[datum] for datum in Datum},
            }
            for file, fit in self.datum_fits.items()
        )

    def summary_lines(self) -> list[str]:
        """Return what a planner reads before believing anything, one fact a line."""
        return list(_summarise(self))

    def _repr_html_(self) -> str:
        """Return the figures as tables, for a notebook."""
        tables = {
            "Files": self.files,
            "Brands": self.brands,
            "Roads": self.roads,
            "Stations": self.stations.to_frame(),
            "Candidates": self.candidates.to_frame(),
            "Distance to the road (m)": self.snaps,
            "Demand out of reach": self.unreachable,
            "Datum": self.datums,
            "Notices": pd.DataFrame({"notice": [str(notice) for notice in self.case.notices]}),
        }
        return "".join(
            f"<h4>{title}</h4>{table.to_html(float_format='{:,.1f}'.format, max_rows=60)}"
            for title, table in tables.items()
            if len(table)
        )


def diagnose(
    inputs: StudyInputs,
    *,
    far_m: float = FAR_FROM_ROAD_M,
    on_stage: Callable[[Stage], None] = ignore_stage,
) -> Diagnosis:
    """Check a study's inputs: place, merge and measure everything, solve nothing.

    Parameters
    ----------
    inputs
        What the study's files hold.
    far_m
        Points farther than this from their road are counted, and drawn, as far (m).
    on_stage
        Told of each stage as it begins.

    Raises
    ------
    StudyError
        If the study names sites, districts or groups that do not exist.
    InputError
        If no candidate can be found.
    """
    survey = survey_city(inputs, on_stage=on_stage)
    case = build_case(inputs, survey=survey, on_stage=on_stage)
    on_stage(Stage.BUILD_NETWORK)
    study = inputs.study
    network, _ = build_network(study, inputs.roads)
    demand, sites, stations = (
        _locate_on_roads(network, frame, max_distance_m=study.access.max_snap_m)
        for frame in (case.demand, case.candidates, case.stations)
    )
    return Diagnosis(
        inputs=inputs,
        survey=survey,
        case=case,
        roads_check=_check_roads(inputs, network),
        demand_on_road=demand,
        sites_on_road=sites,
        stations_on_road=stations,
        datum_fits={
            file: compare_datums(network, points, declared=datum)
            for file, datum, points in _list_point_files(inputs, survey)
            if len(points)
        },
        far_m=far_m,
    )


def _check_roads(inputs: StudyInputs, network: RoadNetwork) -> RoadCheck:
    street = number_streets(inputs.roads)
    component = network.weak_component[network.segment_from]
    main = network.weak_component[np.argmin(network.strong_component)]
    state = np.select(
        [~network.segment_is_open, network.segment_is_main, component == main],
        [RoadState.CLOSED, RoadState.MAIN, RoadState.ONE_WAY_TRAP],
        default=RoadState.OTHER_COMPONENT,
    )
    return RoadCheck(
        state=frozen_array(state, np.uint8),
        component=frozen_array(component, np.int32),
        one_way=find_one_way_streets(inputs.roads, street),
        counts_once=first_of_each_street(street),
    )


def _locate_on_roads(
    network: RoadNetwork, frame: gpd.GeoDataFrame, *, max_distance_m: float
) -> RoadPoints:
    """Snap points as the travel times do, and return where on the road they then stand."""
    where = frame.geometry
    snapped = snap_to_roads(
        network, where.x.to_numpy(), where.y.to_numpy(), max_distance_m=max_distance_m
    )
    lon, lat = np.full((2, snapped.n_point), np.nan)
    on_road = np.flatnonzero(snapped.on_network)
    if on_road.size:
        places = shapely.line_interpolate_point(
            _lines_under(network, snapped, on_road), snapped.fraction[on_road], normalized=True
        )
        lon[on_road], lat[on_road] = network.unproject(shapely.get_x(places), shapely.get_y(places))
    return RoadPoints(distance_m=snapped.distance_m, lon_deg=lon, lat_deg=lat)


def _lines_under(network: RoadNetwork, snapped: Snapped, points: LongArray) -> NDArray[np.object_]:
    """Return the polyline that each of the points stands on, in the network's metres."""
    used, line_of_point = np.unique(snapped.segment[points], return_inverse=True)
    first = network.shape_start[used]
    n_vertex = network.shape_start[used + 1] - first
    line = np.repeat(np.arange(used.size), n_vertex)
    vertex = np.arange(line.size) + np.repeat(first - np.cumsum(n_vertex) + n_vertex, n_vertex)
    xy_m = np.column_stack([network.shape_x_m[vertex], network.shape_y_m[vertex]])
    return np.asarray(shapely.linestrings(xy_m, indices=line), dtype=object)[line_of_point]


def _list_point_files(
    inputs: StudyInputs, survey: Survey
) -> Iterator[tuple[str, Datum, gpd.GeoDataFrame]]:
    """Yield every file of places beside roads: its name, its datum, its points in WGS-84."""
    files = inputs.study.inputs
    if files.vehicles.format is VehicleFormat.POINTS:
        yield _name_vehicles(files.vehicles), files.vehicles.datum, inputs.vehicles.frame
    for table, spec in zip(inputs.stations, files.stations, strict=True):
        yield spec.path.name, spec.datum, table.frame
    candidates = files.candidates
    if candidates.source is CandidateSource.FILE and candidates.path is not None:
        parts = [survey.candidates.frame.geometry, survey.candidates.excluded.geometry]
        every = gpd.GeoDataFrame(geometry=pd.concat(parts, ignore_index=True))
        yield candidates.path.name, candidates.datum, every


def _list_files(inputs: StudyInputs, survey: Survey) -> Iterator[tuple[str, str, str, int, bool]]:
    """Yield what each file holds, its name, its datum, its entries, and whether it is made."""
    files = inputs.study.inputs
    wgs84 = Datum.WGS84.value
    roads = files.roads.place or "" if files.roads.path is None else files.roads.path.name
    yield "roads", roads, wgs84, inputs.roads.n_segment, False
    vehicles = files.vehicles
    n_zone = len(inputs.vehicles.frame)
    made = inputs.vehicles.illustrative
    yield "vehicles", _name_vehicles(vehicles), vehicles.datum.value, n_zone, made
    for table, spec in zip(inputs.stations, files.stations, strict=True):
        made = spec.illustrative or bool(table.frame["illustrative"].any())
        yield "stations", spec.path.name, spec.datum.value, len(table.frame), made
    candidates, found = files.candidates, survey.candidates
    name = candidates.source.value if candidates.path is None else candidates.path.name
    made = bool(found.frame["illustrative"].any())
    n_candidate = len(found.frame) + len(found.excluded)
    yield "candidates", name, candidates.datum.value, n_candidate, made
    if candidates.exclusions is not None and found.exclusion_areas is not None:
        n_area = len(found.exclusion_areas)
        yield "exclusions", candidates.exclusions.name, candidates.datum.value, n_area, False
    if files.districts is not None and inputs.districts is not None:
        n_district = len(inputs.districts.frame)
        yield "districts", files.districts.path.name, files.districts.datum.value, n_district, False


def _name_vehicles(spec: Vehicles) -> str:
    paths = [raster.path for raster in spec.rasters] if spec.path is None else [spec.path]
    return ", ".join(dict.fromkeys(path.name for path in paths))


def _summarise_distances(distance_m: FloatArray, *, far_m: float) -> dict[str, float]:
    near = distance_m[np.isfinite(distance_m)]
    quantiles = {"median_m": 0.5, "p90_m": 0.9, "p99_m": 0.99, "max_m": 1.0}
    return {
        "points": distance_m.size,
        "off_road": distance_m.size - near.size,
        "far": int((near > far_m).sum()),
        **{
            name: float(np.quantile(near, share)) if near.size else math.nan
            for name, share in quantiles.items()
        },
    }


def _summarise(diagnosis: Diagnosis) -> Iterator[str]:
    case, instance = diagnosis.case, diagnosis.case.instance
    study = case.study
    yield f"study       {study.name}: {study.title.en}"
    for row in _rows(diagnosis.files):
        made = ", illustrative" if row.illustrative else ""
        yield f"read        {row.holds}: {row.file}, {row.entries:,} entries, {row.datum}{made}"
    for row in _rows(diagnosis.roads):
        if row.streets:
            parts = f" in {row.components:,} parts" if row.components > 1 else ""
            yield (
                f"roads       {_words(row.state)}: {row.streets:,} streets, {row.km:,.1f} km"
                f"{parts}, {row.one_way_km:,.1f} km one-way"
            )
    for row in _rows(diagnosis.brands):
        yield (
            f"brand       {row.brand}: {row.vehicles_read:,.12g} vehicles read, "
            f"{row.vehicles_placed:,.12g} placed, {row.kwh_per_day:,.0f} kWh a day; "
            f"{row.unreachable_vehicles:,.12g} vehicles out of reach"
        )
    fates = ", ".join(f"{n:,} {_words(fate)}" for fate, n in diagnosis.stations.items())
    yield f"stations    {fates}"
    capacity_kwh = instance.station_capacity_kwh_per_day.sum()
    yield f"capacity    {capacity_kwh:,.0f} kWh a day at the promised wait, of standing stations"
    yield f"candidates  {_listed(diagnosis.candidates.items())}"
    for row in _rows(diagnosis.snaps):
        yield f"to the road {_describe_snap(row, far_m=diagnosis.far_m)}"
    cutoff = f"{study.access.cutoff_minutes:g} minutes"
    yield f"reach       {instance.n_pair:,} pairs within {cutoff}"
    lost = diagnosis.unreachable
    yield (
        f"unreachable {lost['points'].sum():,} points, {lost['vehicles'].sum():,.12g} vehicles, "
        f"{lost['kwh_per_day'].sum():,.0f} kWh a day"
        + "".join(f"; {n:,} {why}" for why, n in zip(lost["reason"], lost["points"], strict=True))
    )
    for file, fit in diagnosis.datum_fits.items():
        yield f"datum       {file}: {_describe_fit(fit)}"
    if study.illustrative_note is not None:
        yield f"made data   {study.illustrative_note.en}"
    yield from (f"notice      {notice}" for notice in case.notices)


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples(index=False)


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _listed(counts: Iterable[tuple[object, int]]) -> str:
    return "; ".join(f"{n:,} {name}" for name, n in counts)


def _describe_snap(row: Any, *, far_m: float) -> str:  # noqa: ANN401 - a row of `snaps`
    if row.points == row.off_road:
        return f"{row.what}: none of {row.points:,} points is near a road"
    return (
        f"{row.what}: median {row.median_m:,.0f} m, 90 % within {row.p90_m:,.0f} m, "
        f"farthest {row.max_m:,.0f} m; {row.far:,} beyond {far_m:g} m, "
        f"{row.off_road:,} near no road, of {row.points:,}"
    )


def _describe_fit(fit: DatumFit) -> str:
    if not fit.compared:
        return f"declared {fit.declared.value}; no point is near enough to the roads to compare"
    figures = ", ".join(f"{fit.p90_m[datum]:,.0f} m as {datum.value}" for datum in Datum)
    verdict = "nothing speaks against it" if fit.better is None else f"looks like {fit.better}"
    return (
        f"declared {fit.declared.value}, {verdict}; of {fit.compared:,} points "
        f"90 % lie within {figures} of a road"
    )
