"""Areas that something must stay out of: exclusions, and water; from a table or from OSM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from siting.domain import WGS84_EPSG, BoolArray, Datum, FloatArray, LongArray
from siting.errors import Fault, InputError
from siting.inputs.geometry import NO_POLYGON, Shape, find_polygons, read_geometry
from siting.inputs.osm_features import is_osm_file, read_osm_areas
from siting.inputs.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

WATER_TAGS = {
    "natural": frozenset({"water", "bay", "strait"}),
    "waterway": frozenset({"riverbank", "dock"}),
    "landuse": frozenset({"reservoir", "basin"}),
}
"""What OSM tags as water; the sea is none of it, for OSM draws only its coastline."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AreaTable:
    """Areas on the map.

    Attributes
    ----------
    frame
        Polygons (EPSG:4326, WGS-84) with name.
    notices
        What was doubtful and how it was read.
    """

    frame: gpd.GeoDataFrame
    notices: tuple[Fault, ...] = ()


def read_areas(path: Path, datum: Datum) -> AreaTable:
    """Read areas from a table of polygons, or the water of a .osm or .osm.pbf file.

    Parameters
    ----------
    path
        GeoJSON, GeoPackage or GeoParquet; without a column ``name`` the areas are numbered.
    datum
        Datum of a table's coordinates.

    Raises
    ------
    InputError
        With every fault of the file.
    """
    if is_osm_file(path):
        return _read_osm_water(path)
    table = read_table(path)
    geometry, faults, notices = read_geometry(table, shape=Shape.POLYGON, datum=datum)
    if faults:
        raise InputError(faults)
    names = pd.Series([f"area {row}" for row in table.frame.index], index=table.frame.index)
    if "name" in table.frame.columns:
        given = table.frame["name"].astype("str")
        names = given.where(given != "", names)
    frame = gpd.GeoDataFrame({"name": names}, geometry=geometry, crs=WGS84_EPSG)
    return AreaTable(frame=frame.reset_index(drop=True), notices=(*table.notices, *notices))


def _read_osm_water(path: Path) -> AreaTable:
    areas, n_torn = read_osm_areas(path, keys=WATER_TAGS, accept=_is_water)
    if not areas:
        what, remedy = "holds no area of water", "give polygons, or an extract with water in it"
        raise InputError([Fault(file=path.name, what=what, remedy=remedy)])
    what = f"{n_torn:,} areas of water are not whole in this extract and were left out"
    torn = Fault(file=path.name, what=what, remedy="look at them on the map; cut a larger extract")
    frame = gpd.GeoDataFrame(
        {"name": [area.tags.get("name", area.osm_id) for area in areas]},
        geometry=shapely.make_valid(np.array([area.shape for area in areas], dtype=object)),
        crs=WGS84_EPSG,
    )
    return AreaTable(frame=frame, notices=(torn,) if n_torn else ())


def _is_water(tags: Mapping[str, str]) -> bool:
    return any(tags.get(key, "") in values for key, values in WATER_TAGS.items())


def find_areas(lon_deg: FloatArray, lat_deg: FloatArray, areas: AreaTable | None) -> LongArray:
    """Return the area of each point, the first of several; ``NO_POLYGON`` outside all."""
    if areas is None:
        return np.full(len(lon_deg), NO_POLYGON, dtype=np.int64)
    return find_polygons(lon_deg, lat_deg, areas.frame.geometry)


def is_inside(lon_deg: FloatArray, lat_deg: FloatArray, areas: AreaTable | None) -> BoolArray:
    """Return (n,) which points lie in any of the areas."""
    return np.not_equal(find_areas(lon_deg, lat_deg, areas), NO_POLYGON)


def subtract_areas(polygons: NDArray[np.object_], areas: AreaTable | None) -> NDArray[np.object_]:
    """Return the polygons without the areas; empty where an area covers the whole."""
    if areas is None or not len(polygons):
        return polygons
    shapes, tree = areas.frame.geometry.to_numpy(), shapely.STRtree(polygons)
    left = np.array(polygons, dtype=object)
    left[tree.query(shapes, predicate="covers")[1]] = shapely.Polygon()
    area, polygon = tree.query(shapes, predicate="intersects")
    order = np.lexsort((area, polygon))
    area, polygon = area[order], polygon[order]
    touched, first, n_met = np.unique(polygon, return_index=True, return_counts=True)
    met = shapes[area[first]]
    for k in np.flatnonzero(n_met > 1):
        met[k] = shapely.union_all(shapes[area[first[k] : first[k] + n_met[k]]])
    left[touched] = shapely.difference(left[touched], met)
    return left


def join_areas(*tables: AreaTable | None) -> AreaTable | None:
    """Return all areas as one table; None if there are none."""
    frames = [table.frame for table in tables if table is not None]
    return AreaTable(frame=pd.concat(frames, ignore_index=True)) if frames else None
