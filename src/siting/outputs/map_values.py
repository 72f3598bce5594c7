"""What every map says of a study, and how tables become values of a page: JSON, two languages."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from siting.domain import Datum
from siting.outputs.map_geometry import MapProjection, pack_integers, pack_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    import geopandas as gpd
    import pandas as pd

    from siting.case import SitingCase
    from siting.domain import FloatArray, LongArray
    from siting.study import Text

DISTRICT_TOLERANCE_M = 15.0


def describe_frame(case: SitingCase) -> tuple[dict[str, Any], MapProjection]:
    """Describe where a map lies and in which datum, and return the projection to draw in.

    The map must show all demand and all candidates, for stations may stand far from both; the
    origin lies in their middle, and their west, south, east and north are metres from it.
    """
    tiles = None if case.study.map.tiles is None else case.study.map.tiles.source
    datum = Datum.WGS84 if tiles is None else tiles.datum
    frames = (case.demand, case.candidates)
    points = np.concatenate([shapely.get_coordinates(f.geometry.to_numpy()) for f in frames])
    if not len(points):
        points = np.column_stack([case.roads.node_lon_deg, case.roads.node_lat_deg])
    metres = MapProjection(datum=datum).points_m(points[:, 0], points[:, 1])
    low, high = metres.min(axis=0), metres.max(axis=0)
    middle = (low + high) // 2
    origin_m = (int(middle[0]), int(middle[1]))
    described = {
        "datum": datum.value,
        "tiles": None if tiles is None else asdict(tiles),
        "origin_m": list(origin_m),
        "extent_m": [int(v) for v in (*(low - middle), *(high - middle))],
    }
    return described, MapProjection(datum=datum, origin_m=origin_m)


def describe_study(case: SitingCase) -> dict[str, Any]:
    """Describe a study: its names, its brands, its sources, and what of it is made."""
    study = case.study
    inputs, note = study.inputs, study.illustrative_note
    return {
        "name": study.name,
        "title": as_text(study.title),
        "data_date": study.data_date,
        "illustrative": case.illustrative,
        "illustrative_note": None if note is None else as_text(note),
        "illustrative_vehicles": inputs.vehicles.illustrative,
        "illustrative_stations": any(s.illustrative for s in inputs.stations),
        "sources": {
            "roads": inputs.roads.source or case.roads.source,
            "vehicles": inputs.vehicles.source,
            "stations": sorted({s.source for s in inputs.stations if s.source}),
            "trips": None if inputs.trips is None else inputs.trips.source,
        },
        "brands": [
            {"id": brand.id, "name": {"en": brand.name, "zh": brand.name_zh or brand.name}}
            for brand in study.brands
        ],
        "cutoff_minutes": study.access.cutoff_minutes,
    }


def describe_districts(
    districts: gpd.GeoDataFrame | None, project: MapProjection
) -> dict[str, Any]:
    """Describe the districts: ids, names, polygons, and where each one's name may stand."""
    if districts is None:
        return {"id": [], "name": [], "shape": pack_lines([]), "rings": "", "label": pack_lines([])}
    return {
        "id": as_strings(districts["district_id"]),
        "name": as_names(districts),
        **pack_polygons(districts.geometry, project, tolerance_m=DISTRICT_TOLERANCE_M),
        "label": project.pack_points(districts.geometry.representative_point()),
    }


def pack_polygons(
    shapes: Iterable[shapely.Geometry], project: MapProjection, *, tolerance_m: float
) -> dict[str, Any]:
    """Pack polygons: all their rings, and how many each polygon has."""
    rings = [project.rings_m(shape, tolerance_m) for shape in shapes]
    return {
        "rings": pack_integers([len(r) for r in rings]),
        "shape": pack_lines([ring for r in rings for ring in r]),
    }


def sum_by_area(
    kwh: FloatArray, area_of_demand: LongArray, *, n_area: int, step: float
) -> LongArray:
    """(n_brand, n_area) energy of demand points (n_demand, n_brand) by area, in whole steps."""
    sums = [np.bincount(area_of_demand, weights=column, minlength=n_area) for column in kwh.T]
    return np.asarray(np.rint(np.array(sums) / step), dtype=np.int64)


def as_text(text: Text) -> dict[str, str]:
    """Return a study's text in both languages."""
    return {"en": text.en, "zh": text.zh or text.en}


def as_names(frame: pd.DataFrame) -> list[str | dict[str, str]]:
    """Return names, in two languages where the data has both."""
    names = as_column(frame, "name")
    if "name_zh" not in frame:
        return list(names)
    return [
        {"en": name or zh, "zh": zh} if zh and zh != name else name
        for name, zh in zip(names, as_column(frame, "name_zh"), strict=True)
    ]


def as_column(frame: pd.DataFrame, name: str) -> list[str]:
    """Return a column of texts, empty ones where the table has none."""
    return as_strings(frame[name]) if name in frame else [""] * len(frame)


def as_strings(values: Iterable[object]) -> list[str]:
    """Return texts, empty where a value is missing."""
    return ["" if value is None or value != value else str(value) for value in values]  # noqa: PLR0124 - NaN test


def as_optional_numbers(frame: pd.DataFrame, name: str) -> list[float | int | None]:
    """Return a column of numbers, nulls where the table has none."""
    return as_numbers(frame[name], 1) if name in frame else [None] * len(frame)


def as_numbers(values: Iterable[Any], digits: int) -> list[float | int | None]:
    """Return JSON numbers, rounded."""
    return [as_number(value, digits) for value in values]


def as_number(value: Any, digits: int | None = None) -> float | int | None:  # noqa: ANN401 - any number
    """Return a JSON number, whole where it can be; null for what is unknown or unlimited."""
    if value is None or not math.isfinite(float(value)):
        return None
    number = float(value) if digits is None else round(float(value), digits)
    return int(number) if number.is_integer() else number
