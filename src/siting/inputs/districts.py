"""The districts by which service is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from siting.domain import WGS84_EPSG
from siting.inputs.contracts import DISTRICTS_SCHEMA, apply_contract
from siting.inputs.geometry import NO_POLYGON, Shape, find_polygons, read_geometry
from siting.inputs.tables import read_table

if TYPE_CHECKING:
    from siting.domain import FloatArray, IntArray
    from siting.errors import Fault
    from siting.study import Districts

NO_DISTRICT = NO_POLYGON


@dataclass(frozen=True, kw_only=True, eq=False)
class DistrictTable:
    """The districts.

    Attributes
    ----------
    frame
        Columns district_id, name, name_zh (the name stands in where there is none) and geometry
        (EPSG:4326, WGS-84, polygons).
    notices
        What was doubtful and how it was read.
    """

    frame: gpd.GeoDataFrame
    notices: tuple[Fault, ...] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the districts, in the frame's order."""
        return tuple(map(str, self.frame["district_id"]))


def read_districts(spec: Districts) -> DistrictTable:
    """Read the districts of a study.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    table = read_table(spec.path)
    geometry, faults, notices = read_geometry(table, shape=Shape.POLYGON, datum=spec.datum)
    columns = apply_contract(table, DISTRICTS_SCHEMA, faults=faults)
    columns["name"] = columns["name"].where(columns["name"] != "", columns["district_id"])
    columns["name_zh"] = columns["name_zh"].where(columns["name_zh"] != "", columns["name"])
    frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=WGS84_EPSG).reset_index(drop=True)
    return DistrictTable(frame=frame, notices=(*table.notices, *notices))


def find_districts(
    lon_deg: FloatArray, lat_deg: FloatArray, districts: DistrictTable | None
) -> IntArray:
    """Return the district of each point.

    Parameters
    ----------
    lon_deg, lat_deg
        (n,) WGS-84 coordinates.
    districts
        The districts, or None where a study has none.

    Returns
    -------
    IntArray
        (n,) position in the districts' frame, the first where they overlap, ``NO_DISTRICT``
        outside all of them.
    """
    if districts is None:
        return np.full(len(lon_deg), NO_DISTRICT, dtype=np.int32)
    return find_polygons(lon_deg, lat_deg, districts.frame.geometry).astype(np.int32)
