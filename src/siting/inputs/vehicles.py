"""Vehicle density by brand: points, zones (polygons, or a table joined to them), cells, rasters."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import shapely

from siting.domain import WGS84_EPSG, Datum
from siting.errors import Fault, InputError
from siting.inputs.contracts import ZONES_SCHEMA, apply_contract, build_vehicles_schema
from siting.inputs.geometry import PLACE_NAMES, Shape, read_geometry
from siting.inputs.raster import Grid, Raster, build_zones, read_raster
from siting.inputs.tables import (
    Table,
    cell_faults,
    find_unused_columns,
    flag_column,
    missing_column,
    read_table,
    text_column,
)
from siting.study import Spread, VehicleFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.domain import FloatArray, LongArray
    from siting.study import Vehicles

ID_NAMES = ("zone_id", "demand_id", "h3_cell", "adcode", "id")
HEX = 16
LABELS = frozenset({"district_id", "name", "name_zh", "source"})
"""Columns that say what a row is; nothing is taken from them, and nothing is missed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class VehicleTable:
    """Vehicles by brand, where they are at home.

    Attributes
    ----------
    frame
        Columns zone_id (str, unique), geometry (EPSG:4326, WGS-84; points, or polygons in
        degrees), vehicles_<brand> (float, zero or more) for every brand, and the zone's own
        km_per_day, kwh_per_km and public_share, for all brands and with _<brand> for each (float,
        NaN where the brand's or the study's hold).
    brands
        Ids of the brands, in the order of the columns.
    format
        How the density came.
    point_spacing_m
        A polygon's demand stands at about one point per square of this side (m).
    spread
        Whether a polygon's demand follows its roads or its people.
    illustrative
        True for made figures: the study says so, or a row of the file does.
    notices
        What was doubtful and how it was read.
    """

    frame: gpd.GeoDataFrame
    brands: tuple[str, ...]
    format: VehicleFormat
    point_spacing_m: float
    illustrative: bool
    spread: Spread = Spread.ROADS
    notices: tuple[Fault, ...] = ()

    @property
    def totals(self) -> dict[str, float]:
        """Vehicles of each brand, summed exactly."""
        return {brand: math.fsum(self.frame[f"vehicles_{brand}"]) for brand in self.brands}


def read_vehicles(spec: Vehicles, brands: Sequence[str]) -> VehicleTable:
    """Read the vehicle density of a study.

    Parameters
    ----------
    spec
        Where and how it comes.
    brands
        Ids of the study's brands; each must have its column ``vehicles_<id>``.

    Returns
    -------
    VehicleTable

    Raises
    ------
    InputError
        With every fault of the file, and of the polygon file it is joined to.
    """
    read = _read_rasters if spec.format is VehicleFormat.RASTER else _read_rows
    vehicles = read(spec, brands)
    return replace(vehicles, notices=(*vehicles.notices, *_total_notices(vehicles, spec.file_name)))


def _read_rows(spec: Vehicles, brands: Sequence[str]) -> VehicleTable:
    """Read points, zones or cells, one a row."""
    path = spec.path or Path()  # the study's own check: only rasters have none
    table, id_notices = _with_zone_ids(read_table(path), spec.id_column)
    schema = build_vehicles_schema(brands)
    if spec.format is VehicleFormat.H3:
        table, geometry, faults, notices = _cell_polygons(table, spec.datum)
    elif spec.zones_path is not None:
        geometry, faults, notices = _joined_polygons(table, spec, spec.zones_path)
    else:
        shape = Shape.POINT if spec.format is VehicleFormat.POINTS else Shape.POLYGON
        geometry, faults, notices = read_geometry(table, shape=shape, datum=spec.datum)
    made = np.full(len(table.frame), spec.illustrative)
    if "illustrative" in table.frame.columns:
        flags, wrong = flag_column(table, "illustrative")
        made, faults = made | flags, [*faults, *wrong]
    columns = apply_contract(table, schema, faults=faults)
    frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=WGS84_EPSG).reset_index(names="row")
    return VehicleTable(
        frame=frame,
        brands=tuple(brands),
        format=spec.format,
        point_spacing_m=spec.point_spacing_m,
        illustrative=bool(made.any()),
        spread=spec.spread,
        notices=(
            *table.notices,
            *id_notices,
            *notices,
            *find_unused_columns(
                table, {*schema.columns, *LABELS, "illustrative"}, in_any_case=PLACE_NAMES
            ),
        ),
    )


def _read_rasters(spec: Vehicles, brands: Sequence[str]) -> VehicleTable:
    """Read a raster for each brand; the cells of each grid are joined to zones."""
    by_brand = {raster.brand: raster for raster in spec.rasters}
    faults = [
        Fault(column="inputs.vehicles.rasters", value=brand, what=what, remedy=remedy)
        for names, what, remedy in (
            (set(brands) - by_brand.keys(), "this brand has no raster", "add one"),
            (by_brand.keys() - set(brands), "the study has no such brand", "correct the id"),
        )
        for brand in sorted(names)
    ]
    if faults:
        raise InputError(faults)
    by_grid: dict[Grid, dict[str, Raster]] = {}
    for brand in brands:
        raster = read_raster(by_brand[brand].path, band=by_brand[brand].band)
        by_grid.setdefault(raster.grid, {})[brand] = raster
    parts = [_zones_of_grid(rasters, brands, spec) for rasters in by_grid.values()]
    if len(parts) > 1:
        parts = [
            part.assign(zone_id=f"g{number}-" + part["zone_id"])
            for number, part in enumerate(parts, start=1)
        ]
    return VehicleTable(
        frame=pd.concat(parts, ignore_index=True),
        brands=tuple(brands),
        format=spec.format,
        point_spacing_m=spec.point_spacing_m,
        illustrative=spec.illustrative,
        spread=spec.spread,
    )


def _zones_of_grid(
    rasters: Mapping[str, Raster], brands: Sequence[str], spec: Vehicles
) -> gpd.GeoDataFrame:
    """Return the zones of one grid, each with the vehicles of all brands in it."""
    first = next(iter(rasters.values()))
    has_count = np.any([raster.count > 0 for raster in rasters.values()], axis=0)
    cell, zone, polygons = build_zones(
        first, has_count, side_m=spec.point_spacing_m, datum=spec.datum
    )
    starts = np.flatnonzero(np.diff(zone, prepend=-1))
    row, column = np.divmod(cell[starts], first.grid.n_column)
    columns: dict[str, Any] = {
        "zone_id": pd.Series([f"r{r}c{c}" for r, c in zip(row, column, strict=True)], dtype="str"),
        "row": np.zeros(len(polygons), dtype=np.int64),
    }
    for brand in brands:
        count = rasters[brand].count.ravel()[cell] if brand in rasters else np.zeros(cell.size)
        columns[f"vehicles_{brand}"] = _sum_exactly(count, zone, len(polygons))
    for name in build_vehicles_schema(brands).columns:
        columns.setdefault(name, np.full(len(polygons), np.nan))
    return gpd.GeoDataFrame(columns, geometry=polygons, crs=WGS84_EPSG)


def _sum_exactly(count: FloatArray, zone: LongArray, n_zone: int) -> FloatArray:
    """Sum the cells of each zone so that no rounding adds up: a zone is rounded once."""
    parts = np.split(count, np.searchsorted(zone, np.arange(1, n_zone)))
    return np.array([math.fsum(part) for part in parts[:n_zone]], dtype=np.float64)


def _total_notices(vehicles: VehicleTable, file: str) -> list[Fault]:
    """Return a notice for each brand without vehicles; refuse a table that has none at all."""
    none = [brand for brand, total in vehicles.totals.items() if total == 0]
    if len(none) == len(vehicles.brands):
        raise InputError(
            [Fault(file=file, what="holds no vehicles at all", remedy="give numbers above zero")]
        )
    return [
        Fault(
            file=file,
            column=f"vehicles_{brand}",
            what="this brand has no vehicles",
            remedy="nothing, if that is so",
        )
        for brand in none
    ]


def _with_zone_ids(table: Table, id_column: str | None) -> tuple[Table, list[Fault]]:
    """Return the table with its ids in ``zone_id``; rows without ids are numbered."""
    columns = [str(name) for name in table.frame.columns]
    if id_column is not None and id_column not in columns:
        raise InputError([missing_column(table, id_column)])
    name = id_column or next((name for name in ID_NAMES if name in columns), None)
    if name is None:
        ids = [f"row-{row}" for row in table.frame.index]
        notice = Fault(
            file=table.file,
            what="has no column of ids; the rows are named row-1, row-2 and so on",
            remedy="add a column zone_id, so that results can be joined to your data",
        )
        return replace(table, frame=table.frame.assign(zone_id=ids)), [notice]
    frame = (
        table.frame.drop(columns="zone_id")
        if name != "zone_id" and "zone_id" in columns
        else (table.frame)
    )
    return replace(table, frame=frame.rename(columns={name: "zone_id"})), []


def _cell_polygons(
    table: Table, datum: Datum
) -> tuple[Table, gpd.GeoSeries, list[Fault], list[Fault]]:
    """Return the table with its cells spelt alike, and the cells' polygons."""
    cells, faults = text_column(table, "zone_id")
    if pd.api.types.is_integer_dtype(table.frame["zone_id"]):
        cells = cells.map(lambda digits: f"{int(digits):x}").astype("str")
    cells = cells.str.lower()
    written = table
    table = replace(table, frame=pd.DataFrame(table.frame).assign(zone_id=cells))
    valid = cells.map(h3.is_valid_cell).to_numpy(dtype=bool)
    faults += cell_faults(
        written,
        "zone_id",
        ~valid,
        lambda _: ("is no H3 cell", "give the cell's index, such as 8840e35681fffff"),
    )
    shapes = np.full(len(cells), None, dtype=object)
    shapes[valid] = _build_cell_polygons(cells[valid])
    frame = gpd.GeoDataFrame(geometry=shapes, index=cells.index, crs=WGS84_EPSG)
    bounded = replace(table, frame=frame)
    if not valid.all():
        return table, frame.geometry, faults, []
    geometry, wrong, notices = read_geometry(bounded, shape=Shape.POLYGON, datum=datum)
    return table, geometry, [*faults, *wrong], [*notices, *_resolution_notices(table, cells)]


def _build_cell_polygons(cells: pd.Series[str]) -> Any:  # noqa: ANN401 - array of shapely geometries
    rings = [h3.cell_to_boundary(cell) for cell in cells]
    lat_lon = np.array([corner for ring in rings for corner in ring]).reshape(-1, 2)
    ring_of = np.repeat(np.arange(len(rings)), [len(ring) for ring in rings])
    return shapely.polygons(shapely.linearrings(lat_lon[:, ::-1], indices=ring_of))


def _resolution_notices(table: Table, cells: pd.Series[str]) -> list[Fault]:
    """Return a notice if cells of several sizes stand together, and how many lie in another."""
    resolutions = cells.map(h3.get_resolution)
    sizes = sorted(set(resolutions))
    if len(sizes) == 1:
        return []
    known = set(cells)
    inside = sum(
        any(h3.cell_to_parent(cell, size) in known for size in sizes if size < resolution)
        for cell, resolution in zip(cells, resolutions, strict=True)
    )
    return [
        Fault(
            file=table.file,
            column="zone_id",
            value=", ".join(map(str, sizes)),
            what=f"holds H3 cells of several resolutions; {inside:,} lie inside a larger one",
            remedy="make sure that no vehicle is counted twice",
        )
    ]


def _joined_polygons(
    table: Table, spec: Vehicles, zones_path: Path
) -> tuple[gpd.GeoSeries, list[Fault], list[Fault]]:
    """Return the polygon of each row's zone from the polygon file; no vehicle may get lost."""
    zones, notices = _with_zone_ids(read_table(zones_path), spec.zones_id_column)
    shapes, faults, repairs = read_geometry(zones, shape=Shape.POLYGON, datum=spec.datum)
    keys = apply_contract(zones, ZONES_SCHEMA, faults=faults)["zone_id"]
    ids, id_faults = text_column(table, "zone_id")
    polygon_of = pd.Series(shapes.to_numpy(), index=keys.to_numpy(), dtype=object)
    geometry = gpd.GeoSeries(
        polygon_of.reindex(ids.to_numpy()).to_numpy(), index=ids.index, crs=WGS84_EPSG
    )
    lost = ~ids.isin(keys).to_numpy(dtype=bool)
    remedy = f"add the zone to {zones_path.name}, or correct the id"
    id_faults += cell_faults(
        table, "zone_id", lost, lambda _: (f"has no polygon in {zones_path.name}", remedy)
    )
    unused = int((~keys.isin(ids)).sum())
    if unused:
        notices.append(
            Fault(
                file=zones_path.name,
                what=f"{unused:,} of its {len(keys):,} zones have no vehicles in {table.file}",
                remedy="nothing, if that is so",
            )
        )
    return geometry, id_faults, [*zones.notices, *notices, *repairs]
