"""Candidate sites: from a file, from OSM features, from zones' centres, or generated on roads.

Whatever its source, a candidate is kept or left out by the same rules, in this order: kind,
exclusion polygons, minimum spacing, count; each one left out is listed with the reason.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.spatial import cKDTree

from siting.domain import WGS84_EPSG, FloatArray
from siting.errors import Fault, InputError
from siting.inputs.areas import find_areas, join_areas, read_areas
from siting.inputs.contracts import CANDIDATES_SCHEMA, apply_contract
from siting.inputs.geometry import (
    PLACE_NAMES,
    Shape,
    build_local_plane,
    lon_lat_of,
    read_geometry,
)
from siting.inputs.osm_features import read_osm_features
from siting.inputs.road_samples import sample_roads, select_segments
from siting.inputs.site_selection import compute_catchment_m, select_apart, select_places
from siting.inputs.tables import (
    Table,
    find_unused_columns,
    flag_column,
    read_table,
    rename_columns,
)
from siting.study import CandidateSource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from siting.domain import BoolArray, LongArray
    from siting.inputs.areas import AreaTable
    from siting.inputs.geometry import LocalPlane
    from siting.inputs.roads import RoadTable
    from siting.study import Candidates

DEFAULT_COUNT = 400
POOL_STEP_M = 200.0
MIN_POOL = 20_000
POOL_PER_SITE = 8
SPACING_PER_CATCHMENT = 0.25
OSM_KINDS = {
    "amenity": {"parking": "parking", "fuel": "fuel"},
    "shop": {"mall": "mall", "supermarket": "supermarket", "car": "car_dealer"},
    "highway": {"services": "service_area", "rest_area": "service_area"},
}
"""Tags of OSM features where chargers could stand, and siting's word for each."""
CLOSED_ACCESS = frozenset(
    {"no", "private", "residents", "employees", "permit", "military", "emergency", "agricultural"}
)
STREET_PARKING = frozenset({"lane", "street_side", "on_kerb", "half_on_kerb", "shoulder"})
MADE_BY_SITING = frozenset({CandidateSource.NETWORK, CandidateSource.ZONES})
CLASS_PREFERENCE = {
    "primary": 1.0,
    "secondary": 1.0,
    "tertiary": 1.0,
    "unclassified": 0.8,
    "residential": 0.7,
    "living_street": 0.5,
    "service": 0.5,
}
"""Where a generated site is likely to find room and be found; other roads get none."""

_USED = frozenset({*CANDIDATES_SCHEMA.columns, "illustrative", "name_zh", "district_id"})

NOTHING_EXCLUDED = gpd.GeoDataFrame(
    {name: pd.Series([], dtype="str") for name in ("site_id", "reason", "name", "kind")}
    | {"row": pd.Series([], dtype=np.int64)},
    geometry=[],
    crs=WGS84_EPSG,
)


class DemandPoints(Protocol):
    """What candidates need to know of the demand; :class:`siting.demand.Demand` has it."""

    @property
    def lon_deg(self) -> FloatArray:
        """(n_demand,) longitudes, WGS-84."""

    @property
    def lat_deg(self) -> FloatArray:
        """(n_demand,) latitudes, WGS-84."""

    @property
    def weight(self) -> FloatArray:
        """(n_demand,) energy of all brands together (kWh/day)."""

    @property
    def zones(self) -> gpd.GeoDataFrame | None:
        """Polygons with zone_id; None where demand came as points."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateTable:
    """The candidate sites, and those that were left out.

    Attributes
    ----------
    frame
        Points (EPSG:4326, WGS-84) with site_id (unique), name, kind, connectors_max and
        grid_limit_kw (infinite where there is no limit), grid_group (``""`` for none),
        rent_cny_per_year, illustrative, row (int, the row of the file, from 1; 0 for none).
    excluded
        Points of every candidate left out: site_id, reason, name, kind, row.
    exclusion_areas
        Polygons with name where no site may be; None where the study has none.
    notices
        What was doubtful and how it was read.
    """

    frame: gpd.GeoDataFrame
    excluded: gpd.GeoDataFrame
    exclusion_areas: gpd.GeoDataFrame | None = None
    notices: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class CandidateFiles:
    """What a study's candidate files hold, before any rule is looked at.

    Attributes
    ----------
    given
        The columns of `CandidateTable.frame`; also ``reason`` where the file itself tells why a
        site cannot be one. None for candidates that siting makes.
    exclusions
        Where no site may be; None where the study has no such file.
    notices
        What was doubtful among the given candidates, and how it was read.
    """

    given: gpd.GeoDataFrame | None
    exclusions: AreaTable | None
    notices: tuple[Fault, ...] = ()


def read_candidate_files(spec: Candidates) -> CandidateFiles:
    """Read the files of a study's candidates.

    Parameters
    ----------
    spec
        Where the candidates come from.

    Raises
    ------
    InputError
        With every fault of both files.
    """
    faults: list[Fault] = []
    exclusions, given, notices = None, None, list[Fault]()
    try:
        if spec.exclusions is not None:
            exclusions = read_areas(spec.exclusions, spec.datum)
    except InputError as error:
        faults += error.faults
    try:
        if spec.source not in MADE_BY_SITING:
            given, notices = _read_given(spec)
    except InputError as error:
        faults += error.faults
    if faults:
        raise InputError(faults)
    return CandidateFiles(given=given, exclusions=exclusions, notices=tuple(notices))


def choose_candidates(
    spec: Candidates,
    files: CandidateFiles,
    *,
    roads: RoadTable,
    demand: DemandPoints,
    water: AreaTable | None = None,
    required: Collection[str] = (),
) -> CandidateTable:
    """Choose, or generate, the candidate sites of a study.

    Parameters
    ----------
    spec
        Where they come from and which are kept.
    files
        What the files of ``spec`` hold.
    roads
        The roads, for generated sites.
    demand
        The demand, for generated sites and where only the best ``count`` are kept.
    water
        Where sites that siting makes itself, on roads or in zones, may not be.
    required
        Ids of sites that the study requires; spacing and count never leave them out.

    Returns
    -------
    CandidateTable
        At least one candidate.

    Raises
    ------
    InputError
        If no candidate is left, or zones are asked for that the study has not.
    """
    areas = files.exclusions
    closed = join_areas(areas, water if spec.source in MADE_BY_SITING else None)
    if spec.source is CandidateSource.NETWORK:
        table = _generate_on_roads(spec, roads=roads, demand=demand, areas=closed)
    else:
        every = _zone_centres(demand.zones) if files.given is None else files.given
        table = _choose(every, spec, demand=demand, areas=closed, required=required)
    notices = (*(() if areas is None else areas.notices), *files.notices, *table.notices)
    table = replace(table, notices=notices)
    if table.frame.empty:
        reasons = "; ".join(f"{n:,} {why}" for why, n in count_reasons(table.excluded).items())
        raise InputError(
            [
                Fault(
                    file=None if spec.path is None else spec.path.name,
                    column="inputs.candidates",
                    what="no candidate site is left" + (f": {reasons}" if reasons else ""),
                    remedy="widen kinds, spacing or exclusions, or give other candidates",
                )
            ]
        )
    return replace(table, exclusion_areas=None if areas is None else areas.frame)


def count_reasons(excluded: pd.DataFrame) -> dict[str, int]:
    """Return how many candidates were left out for each kind of reason, most first."""
    kinds = excluded["reason"].astype("str").str.split(":").str[0]
    return {str(why): int(n) for why, n in kinds.value_counts(sort=True).items()}


def _read_given(spec: Candidates) -> tuple[gpd.GeoDataFrame, list[Fault]]:
    """Read the candidates of a file."""
    if spec.path is None:
        raise InputError(
            [
                Fault(
                    column="inputs.candidates.path",
                    what=f"candidates from `{spec.source}` need a file",
                    remedy="give its path, or use `source: network`",
                )
            ]
        )
    if spec.source is CandidateSource.OSM:
        return _read_osm(spec.path), []
    return _read_file(spec, spec.path)


def _read_osm(path: Path) -> gpd.GeoDataFrame:
    """Return the OSM features where chargers could stand; why one cannot is in ``reason``."""
    features = read_osm_features(
        path, keys=OSM_KINDS, accept=lambda tags: _osm_kind(tags) is not None
    )
    kinds = [str(_osm_kind(feature.tags)) for feature in features]
    names = [feature.tags.get("name", feature.tags.get("brand", "")) for feature in features]
    frame = _unlimited_sites(
        ids=[feature.osm_id for feature in features],
        names=[
            name or f"{kind.replace('_', ' ')} {feature.osm_id}"
            for name, kind, feature in zip(names, kinds, features, strict=True)
        ],
        kind="",
        points=gpd.points_from_xy(
            [feature.lon_deg for feature in features], [feature.lat_deg for feature in features]
        ),
    )
    return frame.assign(
        kind=pd.Series(kinds, dtype="str"),
        connectors_max=[_osm_capacity(feature.tags) for feature in features],
        illustrative=False,
        reason=pd.Series([_why_not(feature.tags) for feature in features], dtype="str"),
    )


def _osm_kind(tags: Mapping[str, str]) -> str | None:
    return next(
        (kinds[tags[key]] for key, kinds in OSM_KINDS.items() if tags.get(key, "") in kinds), None
    )


def _osm_capacity(tags: Mapping[str, str]) -> float:
    """Return the number of parking spaces, which bounds that of connectors; infinite if unknown."""
    text = tags.get("capacity", "")
    return float(text) if re.fullmatch("[0-9]{1,6}", text) else math.inf


def _why_not(tags: Mapping[str, str]) -> str:
    if tags.get("access", "") in CLOSED_ACCESS:
        return f"not open to the public: access={tags['access']}"
    if tags.get("parking", "") in STREET_PARKING:
        return f"no room beside the street: parking={tags['parking']}"
    return ""


def _read_file(spec: Candidates, path: Path) -> tuple[gpd.GeoDataFrame, list[Fault]]:
    table = rename_columns(read_table(path), spec.columns)
    table, notices = _as_points(table)
    if "site_id" not in table.frame.columns:
        ids = [f"row-{row}" for row in table.frame.index]
        table = replace(table, frame=table.frame.assign(site_id=ids))
        notices.append(
            Fault(
                file=table.file,
                what="has no column site_id; the rows are named row-1, row-2 and so on",
                remedy="add one, or name it under `columns`, to require or forbid sites by id",
            )
        )
    geometry, faults, shifts = read_geometry(table, shape=Shape.POINT, datum=spec.datum)
    made = np.full(len(table.frame), spec.illustrative)
    if "illustrative" in table.frame.columns:
        flags, wrong = flag_column(table, "illustrative")
        made, faults = made | flags, [*faults, *wrong]
    columns = apply_contract(table, CANDIDATES_SCHEMA, faults=faults).assign(illustrative=made)
    unnamed = columns["name"] == ""
    columns["name"] = columns["name"].where(~unnamed, columns["site_id"])
    frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=WGS84_EPSG).reset_index(names="row")
    unused = find_unused_columns(table, _USED, in_any_case=PLACE_NAMES)
    return frame, [*table.notices, *notices, *shifts, *unused]


def _as_points(table: Table) -> tuple[Table, list[Fault]]:
    """Return the table with a point inside each polygon, such as a parking lot's outline."""
    frame = table.frame
    if not isinstance(frame, gpd.GeoDataFrame):
        return table, []
    shapes = frame.geometry.to_numpy()
    area = shapely.get_dimensions(shapes) == 2  # noqa: PLR2004 - two dimensions are an area
    if not area.any():
        return table, []
    points = np.where(area, shapely.point_on_surface(shapes), shapes)
    notice = Fault(
        file=table.file,
        what=f"{int(area.sum()):,} candidates are areas; each stands at a point inside",
        remedy="nothing, if that is near enough",
    )
    return replace(table, frame=frame.set_geometry(points, crs=frame.crs)), [notice]


def _zone_centres(zones: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    if zones is None:
        raise InputError(
            [
                Fault(
                    column="inputs.candidates.source",
                    value="zones",
                    what="the vehicles come as points, so there are no zones to take centres of",
                    remedy="use `source: network`, or give vehicles as zones or H3 cells",
                )
            ]
        )
    centres = shapely.point_on_surface(zones.geometry.to_numpy())
    ids = zones["zone_id"].to_numpy(dtype=object)
    return _unlimited_sites(
        ids=list(ids),
        names=[f"centre of zone {name}" for name in ids],
        kind="zone",
        points=centres,
    )


def _unlimited_sites(
    *,
    ids: list[str],
    names: list[str],
    kind: str,
    points: Any,  # noqa: ANN401 - any geometry array
) -> gpd.GeoDataFrame:
    """Build made sites: no attribute of theirs is known, so none limits them."""
    return gpd.GeoDataFrame(
        {
            "site_id": pd.Series(ids, dtype="str"),
            "name": pd.Series(names, dtype="str"),
            "kind": pd.Series([kind] * len(ids), dtype="str"),
            "connectors_max": np.full(len(ids), math.inf),
            "grid_limit_kw": np.full(len(ids), math.inf),
            "grid_group": pd.Series([""] * len(ids), dtype="str"),
            "rent_cny_per_year": np.zeros(len(ids)),
            "row": np.zeros(len(ids), dtype=np.int64),
            "illustrative": np.ones(len(ids), dtype=bool),
        },
        geometry=points,
        crs=WGS84_EPSG,
    )


def _choose(
    every: gpd.GeoDataFrame,
    spec: Candidates,
    *,
    demand: DemandPoints,
    areas: AreaTable | None,
    required: Collection[str],
) -> CandidateTable:
    """Keep the candidates that the rules allow; say of each other one why not."""
    if every.empty:
        return CandidateTable(frame=every.drop(columns="reason"), excluded=NOTHING_EXCLUDED)
    reason = np.full(len(every), "", dtype=object)
    if "reason" in every.columns:
        reason = every["reason"].to_numpy(dtype=object)
        every = every.drop(columns="reason")
    if spec.kinds:
        for row in np.flatnonzero(~every["kind"].isin(spec.kinds) & (reason == "")):
            reason[row] = f"not of a kind asked for: {every['kind'].iloc[row] or 'none'}"
    lon, lat = lon_lat_of(every.geometry)
    area = find_areas(lon, lat, areas)
    for row in np.flatnonzero((area >= 0) & (reason == "")):
        name = "" if areas is None else areas.frame["name"].iloc[area[row]]
        reason[row] = f"inside an exclusion area: {name}"
    plane = build_local_plane(lon, lat)
    xy_m = plane.to_metres(lon, lat)
    must = every["site_id"].isin(required).to_numpy(dtype=bool) & (reason == "")
    if spec.min_spacing_m > 0:
        closer_to = _space_out(xy_m, allowed=reason == "", first=must, spacing_m=spec.min_spacing_m)
        for row in np.flatnonzero(closer_to >= 0):
            other = every["site_id"].iloc[closer_to[row]]
            reason[row] = f"closer than {spec.min_spacing_m:g} m to another candidate: {other}"
    left = np.flatnonzero(reason == "")
    if spec.count is not None and left.size > spec.count:
        chosen = _best_of(
            xy_m[left],
            count=spec.count,
            demand=demand,
            plane=plane,
            taken=np.flatnonzero(must[left]),
        )
        beyond = np.setdiff1d(left, left[chosen])
        reason[beyond] = f"beyond the count of candidates asked for: {spec.count:,}"
    out = reason != ""
    return CandidateTable(
        frame=every[~out].reset_index(drop=True),
        excluded=every.assign(reason=pd.Series(reason, dtype="str"))
        .loc[out, list(NOTHING_EXCLUDED.columns)]
        .reset_index(drop=True),
    )


def _space_out(
    xy_m: FloatArray, *, allowed: BoolArray, first: BoolArray, spacing_m: float
) -> LongArray:
    """Take points in order, those of ``first`` before the others, unless one taken is too close.

    Returns
    -------
    LongArray
        (n,) the point taken before that stands too close, -1 for points that are taken.
    """
    closer_to = np.full(len(xy_m), -1, dtype=np.int64)
    places = np.flatnonzero(allowed)
    order = places[np.argsort(~first[places], kind="stable")]
    tree = cKDTree(xy_m[order])
    pairs = tree.query_pairs(np.nextafter(spacing_m, 0.0), output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    for early, late in pairs:
        a, b = order[early], order[late]
        if closer_to[a] < 0 and closer_to[b] < 0 and not first[b]:
            closer_to[b] = a
    return closer_to


def _best_of(
    xy_m: FloatArray, *, count: int, demand: DemandPoints, plane: LocalPlane, taken: LongArray
) -> LongArray:
    demand_xy_m = plane.to_metres(demand.lon_deg, demand.lat_deg)
    chosen = select_places(
        xy_m,
        preference=np.ones(len(xy_m)),
        demand_xy_m=demand_xy_m,
        demand_weight=demand.weight,
        count=count,
        radius_m=compute_catchment_m(demand_xy_m, count=count),
        min_spacing_m=0.0,
        taken=taken,
    )
    return select_apart(xy_m, count=count, chosen=chosen)


def _generate_on_roads(
    spec: Candidates,
    *,
    roads: RoadTable,
    demand: DemandPoints,
    areas: AreaTable | None,
) -> CandidateTable:
    """Generate sites on roads near demand; they are illustrative, for nobody was asked."""
    count = spec.count or DEFAULT_COUNT
    closed = frozenset(roads.highway_classes) - frozenset(CLASS_PREFERENCE)
    kept = select_segments(roads, without=closed)
    total_m = float(roads.length_m[kept].sum())
    step_m = max(POOL_STEP_M, total_m / max(MIN_POOL, POOL_PER_SITE * count))
    pool = sample_roads(roads, step_m=step_m, kept=kept)
    # Short segments have a sample each however long the step; take one in every step of road.
    along = np.floor((np.cumsum(pool.length_m) - pool.length_m / 2) / step_m)
    pool = pool.take(np.flatnonzero(np.diff(along, prepend=-1.0) > 0))
    area = find_areas(pool.lon_deg, pool.lat_deg, areas)
    pool = pool.take(np.flatnonzero(area < 0))
    if not pool.size:
        return CandidateTable(
            frame=_unlimited_sites(ids=[], names=[], kind="road", points=np.empty(0)),
            excluded=NOTHING_EXCLUDED,
        )
    highway = roads.highway[pool.segment]
    by_class = np.array([CLASS_PREFERENCE.get(name, 0.0) for name in roads.highway_classes])
    plane = build_local_plane(demand.lon_deg, demand.lat_deg)
    demand_xy_m = plane.to_metres(demand.lon_deg, demand.lat_deg)
    radius_m = compute_catchment_m(demand_xy_m, count=count)
    chosen = select_places(
        plane.to_metres(pool.lon_deg, pool.lat_deg),
        preference=by_class[highway],
        demand_xy_m=demand_xy_m,
        demand_weight=demand.weight,
        count=count,
        radius_m=radius_m,
        min_spacing_m=max(spec.min_spacing_m, SPACING_PER_CATCHMENT * radius_m),
        taken=np.empty(0, dtype=np.int64),
    )
    width = max(4, len(str(chosen.size)))
    ids = [f"N{number:0{width}d}" for number in range(1, chosen.size + 1)]
    classes = [roads.highway_classes[k].replace("_", " ") for k in highway[chosen]]
    notices = [
        Fault(
            what=f"only {chosen.size:,} of {count:,} candidates fit near demand at their spacing",
            remedy="ask for fewer, or for a smaller min_spacing_m",
        )
    ]
    return CandidateTable(
        frame=_unlimited_sites(
            ids=ids,
            names=[f"{name} · {road} road" for name, road in zip(ids, classes, strict=True)],
            kind="road",
            points=gpd.points_from_xy(pool.lon_deg[chosen], pool.lat_deg[chosen]),
        ),
        excluded=NOTHING_EXCLUDED,
        notices=tuple(notices) if chosen.size < count else (),
    )
