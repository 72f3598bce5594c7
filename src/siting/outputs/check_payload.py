"""What the diagnostic map shows, as one JSON-able value: a diagnosis' figures and its geometry.

The figures are the very tables of :class:`siting.diagnosis.Diagnosis`; nothing is counted here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.diagnosis import RoadState
from siting.outputs.map_geometry import pack_directed_roads, pack_integers, pack_lines, pack_roads
from siting.outputs.map_values import (
    as_column,
    as_names,
    as_number,
    as_numbers,
    as_strings,
    describe_districts,
    describe_frame,
    describe_study,
    pack_polygons,
)

if TYPE_CHECKING:
    import geopandas as gpd

    from siting.diagnosis import Diagnosis, RoadPoints
    from siting.domain import FloatArray
    from siting.outputs.map_geometry import MapProjection

PAYLOAD_VERSION = 1
VEHICLE_STEP = 0.01
"""Vehicles of a point are shown to this."""
KWH_STEP = 0.1
AREA_TOLERANCE_M = 5.0
NO_ROAD = -1.0
NO_ROW = 0


def build_check_payload(diagnosis: Diagnosis) -> dict[str, Any]:
    """Build what the diagnostic map shows.

    Parameters
    ----------
    diagnosis
        What :func:`siting.diagnosis.diagnose` found.

    Returns
    -------
    dict
        JSON-able, the same for the same diagnosis; without any text that the study, its inputs or
        the diagnosis do not hold, apart from ids of this module.
    """
    case = diagnosis.case
    frame, project = describe_frame(case)
    return {
        "version": PAYLOAD_VERSION,
        **frame,
        "study": describe_study(case)
        | {
            "max_snap_m": case.study.access.max_snap_m,
            "far_m": diagnosis.far_m,
            "direction": case.study.access.direction.value,
        },
        "figures": _describe_figures(diagnosis),
        "notices": [str(notice) for notice in case.notices],
        "roads": _describe_roads(diagnosis, project),
        "districts": describe_districts(case.districts, project),
        "exclusions": _describe_exclusions(diagnosis, project),
        "demand": _describe_demand(diagnosis, project),
        "stations": _describe_stations(diagnosis, project),
        "merges": _describe_pairs(diagnosis, diagnosis.survey.station_fates.merges, project),
        "doubtful": _describe_pairs(diagnosis, diagnosis.survey.station_fates.doubtful, project),
        "candidates": _describe_candidates(diagnosis, project),
    }


def _describe_figures(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return the diagnosis' own tables, row by row."""
    instance = diagnosis.case.instance
    return {
        "files": _records(diagnosis.files),
        "roads": _records(diagnosis.roads),
        "brands": _records(diagnosis.brands),
        "stations": {str(fate): int(n) for fate, n in diagnosis.stations.items()},
        "candidates": [[str(why), int(n)] for why, n in diagnosis.candidates.items()],
        "snaps": _records(diagnosis.snaps),
        "unreachable": _records(diagnosis.unreachable),
        "datums": _records(diagnosis.datums),
        "pairs_within_cutoff": instance.n_pair,
        "demand_points": instance.n_demand,
        "station_capacity_kwh_per_day": as_number(instance.station_capacity_kwh_per_day.sum(), 1),
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {
        str(name): as_numbers(table[name], 3)
        if pd.api.types.is_numeric_dtype(table[name]) and table[name].dtype != np.bool_
        else table[name].tolist()
        for name in table.columns
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _describe_roads(diagnosis: Diagnosis, project: MapProjection) -> dict[str, Any]:
    """Pack the main roads by rank, and over them what is one-way, a trap, or cut off."""
    roads, check = diagnosis.inputs.roads, diagnosis.roads_check
    main = check.state == RoadState.MAIN
    return {
        "main": pack_roads(roads, project, kept=main),
        "one_way": pack_directed_roads(roads, project, kept=main & check.one_way),
        **{
            state.name.lower(): pack_directed_roads(roads, project, kept=check.state == state)
            for state in (RoadState.ONE_WAY_TRAP, RoadState.OTHER_COMPONENT)
        },
    }


def _describe_exclusions(diagnosis: Diagnosis, project: MapProjection) -> dict[str, Any]:
    """Describe where nothing may stand: exclusion areas for sites, water for anything."""
    water = diagnosis.inputs.water
    tables = (diagnosis.survey.candidates.exclusion_areas, None if water is None else water.frame)
    areas = [table for table in tables if table is not None]
    shapes = [shape for table in areas for shape in table.geometry]
    return {
        "id": [name for table in areas for name in as_strings(table["name"])],
        **pack_polygons(shapes, project, tolerance_m=AREA_TOLERANCE_M),
    }


def _describe_demand(diagnosis: Diagnosis, project: MapProjection) -> dict[str, Any]:
    case = diagnosis.case
    demand, instance = case.demand, case.instance
    vehicles = demand[[f"vehicles_{brand}" for brand in instance.brands]].to_numpy(dtype=float)
    zones = diagnosis.inputs.vehicles.frame.set_index("zone_id")
    row_of_zone = zones["row"] if "row" in zones else pd.Series(NO_ROW, index=zones.index)
    reason = case.unreachable.set_index("demand_id")["reason"].reindex(demand["demand_id"])
    return {
        "id": as_strings(demand["demand_id"]),
        "zone": as_strings(demand["zone_id"]),
        "row": pack_integers(row_of_zone.reindex(demand["zone_id"]).to_numpy(dtype=np.int64)),
        "district": pack_integers(instance.demand_district),
        "vehicle_step": VEHICLE_STEP,
        "vehicles": [_steps(column, VEHICLE_STEP) for column in vehicles.T],
        "kwh_step": KWH_STEP,
        "kwh_per_day": _steps(instance.demand_kwh_per_day.sum(axis=1), KWH_STEP),
        **_codes("reason", as_strings(reason)),
        **_describe_places(demand, diagnosis.demand_on_road, project),
    }


def _describe_stations(diagnosis: Diagnosis, project: MapProjection) -> dict[str, Any]:
    """Describe the standing stations and, after them, those that are planned or closed."""
    fates = diagnosis.survey.station_fates
    every = pd.concat([fates.standing, fates.left_out], ignore_index=True)
    return {
        "id": as_strings(every["station_id"]),
        "name": as_names(every),
        **{
            column: as_column(every, column)
            for column in ("operator", "network", "owner_brand", "access", "status", "source_ids")
        },
        "connectors": as_numbers(every["connectors"], 0),
        "power_kw": as_numbers(every["power_kw"], 1),
        "illustrative": [bool(v) for v in every["illustrative"]],
        "stands": [True] * len(fates.standing) + [False] * len(fates.left_out),
        **_describe_places(every, diagnosis.stations_on_road.padded(len(every)), project),
    }


def _describe_pairs(
    diagnosis: Diagnosis, pairs: pd.DataFrame, project: MapProjection
) -> dict[str, Any]:
    """Describe pairs of sources that were merged, or nearly: who, where, and the evidence."""
    if pairs.empty:
        return {"id": [], "point": pack_lines([]), "other": pack_lines([])}
    tables = [table.frame[["source_ids", "geometry"]] for table in diagnosis.inputs.stations]
    sources = pd.concat(tables, ignore_index=True).drop_duplicates("source_ids")
    place = sources.set_index("source_ids")["geometry"]
    return {
        "id": as_strings(pairs["station_id"]),
        "kept": as_strings(pairs["kept"]),
        "merged": as_strings(pairs["merged"]),
        "reason": as_strings(pairs["reason"]),
        "distance_m": as_numbers(pairs["distance_m"], 1),
        "name_similarity": as_numbers(pairs["name_similarity"], 0),
        "operator_similarity": as_numbers(pairs["operator_similarity"], 0),
        "connectors_kept": as_numbers(pairs["connectors_kept"], 0),
        "connectors_merged": as_numbers(pairs["connectors_merged"], 0),
        "within_feed": [bool(v) for v in pairs["within_feed"]],
        "point": project.pack_points(place.reindex(pairs["kept"])),
        "other": project.pack_points(place.reindex(pairs["merged"])),
    }


def _describe_candidates(diagnosis: Diagnosis, project: MapProjection) -> dict[str, Any]:
    """Describe the candidates that were kept and, after them, those left out and why."""
    case = diagnosis.case
    every = pd.concat([case.candidates, case.excluded_candidates], ignore_index=True)
    forbidden = np.zeros(len(every), dtype=bool)
    forbidden[: len(case.candidates)] = case.instance.requirements.forbidden
    return {
        "id": as_strings(every["site_id"]),
        "name": as_names(every),
        "kind": as_strings(every["kind"]),
        "row": pack_integers(every["row"].to_numpy(dtype=np.int64)),
        "forbidden": [bool(v) for v in forbidden],
        **_codes("reason", as_strings(every.get("reason", pd.Series([""] * len(every))))),
        **_describe_places(every, diagnosis.sites_on_road.padded(len(every)), project),
    }


def _describe_places(
    frame: gpd.GeoDataFrame, where: RoadPoints, project: MapProjection
) -> dict[str, Any]:
    """Pack points, how far each stands from its road (m), and the way there where that is far.

    A distance is −1 where no road is near enough, and null where nobody asked.
    """
    on_road = np.flatnonzero(where.on_road)
    feet = project.points_m(where.lon_deg[on_road], where.lat_deg[on_road])
    distance_m = np.where(np.isinf(where.distance_m), NO_ROAD, where.distance_m)
    return {
        "point": project.pack_points(frame.geometry),
        "to_road_m": as_numbers(distance_m, 0),
        "on_road": pack_integers(on_road),
        "road_point": pack_lines([feet] if len(feet) else []),
    }


def _codes(name: str, texts: list[str]) -> dict[str, Any]:
    """Return texts of which many are alike as the different ones and the number of each row's."""
    different, code = np.unique(np.array(texts, dtype=object), return_inverse=True)
    return {f"{name}s": [str(text) for text in different], name: pack_integers(code)}


def _steps(values: FloatArray, step: float) -> str:
    return pack_integers(np.rint(values / step).astype(np.int64))
