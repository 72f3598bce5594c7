"""Where people live: points, polygons or a raster, each with a number of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import shapely

from siting.domain import WGS84_EPSG
from siting.errors import Fault, InputError
from siting.inputs.contracts import POPULATION_SCHEMA, apply_contract
from siting.inputs.geometry import GEOMETRY_TYPES, Shape, read_geometry
from siting.inputs.raster import build_zones, is_raster_file, read_raster
from siting.inputs.tables import read_table

if TYPE_CHECKING:
    from siting.inputs.tables import Table
    from siting.study import Population


@dataclass(frozen=True, kw_only=True, eq=False)
class PopulationTable:
    """Where people live.

    Attributes
    ----------
    frame
        Points or polygons (EPSG:4326, WGS-84) with population (float, above zero).
    notices
        What was doubtful and how it was read.
    """

    frame: gpd.GeoDataFrame
    notices: tuple[Fault, ...] = ()


def read_population(spec: Population) -> PopulationTable:
    """Read a study's layer of population.

    Raises
    ------
    InputError
        With every fault of the file, or if nobody lives anywhere.
    """
    table = _read_cells(spec) if is_raster_file(spec.path) else _read_rows(spec)
    lived_in = table.frame["population"] > 0
    if not lived_in.any():
        raise InputError([Fault(file=spec.path.name, what="holds no people", remedy="correct it")])
    return PopulationTable(
        frame=table.frame[lived_in].reset_index(drop=True), notices=table.notices
    )


def _read_cells(spec: Population) -> PopulationTable:
    raster = read_raster(spec.path, band=spec.band)
    cell, _, shapes = build_zones(raster, raster.count > 0, side_m=0.0, datum=spec.datum)
    frame = gpd.GeoDataFrame(
        {"population": raster.count.ravel()[cell]}, geometry=shapes, crs=WGS84_EPSG
    )
    return PopulationTable(frame=frame)


def _read_rows(spec: Population) -> PopulationTable:
    table = read_table(spec.path)
    shape = Shape.POLYGON if _has_areas(table) else Shape.POINT
    geometry, faults, notices = read_geometry(table, shape=shape, datum=spec.datum)
    columns = apply_contract(table, POPULATION_SCHEMA, faults=faults)
    frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=WGS84_EPSG)
    return PopulationTable(frame=frame, notices=(*table.notices, *notices))


def _has_areas(table: Table) -> bool:
    if not isinstance(table.frame, gpd.GeoDataFrame):
        return False
    types = shapely.get_type_id(table.frame.geometry.to_numpy())
    return bool(np.isin(types, GEOMETRY_TYPES[Shape.POLYGON]).any())
