"""Geometry of tables in WGS-84 degrees, and a local plane to measure in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from siting.domain import WGS84_EPSG, Datum
from siting.errors import Fault
from siting.inputs.datum import to_wgs84
from siting.inputs.tables import cell_faults, find_column, missing_column, number_column

if TYPE_CHECKING:
    from siting.domain import FloatArray, LongArray
    from siting.inputs.tables import Table

LONGITUDE_NAMES = ("longitude", "lon", "lng", "lon_deg", "long", "x", "经度")
LATITUDE_NAMES = ("latitude", "lat", "lat_deg", "y", "纬度")
PLACE_NAMES = frozenset({*LONGITUDE_NAMES, *LATITUDE_NAMES, "geometry"})
"""Columns that say where a row lies, in lower case; the file may write them in any."""
MAX_LON_DEG = 180.0
MAX_LAT_DEG = 90.0
NO_POLYGON = -1


class Shape(StrEnum):
    """What a table's rows are on the map."""

    POINT = "point"
    POLYGON = "polygon"


GEOMETRY_TYPES = {
    Shape.POINT: (shapely.GeometryType.POINT,),
    Shape.POLYGON: (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON),
}


def read_geometry(
    table: Table, *, shape: Shape, datum: Datum
) -> tuple[gpd.GeoSeries, list[Fault], list[Fault]]:
    """Return a table's geometry in WGS-84.

    Parameters
    ----------
    table
        With a geometry column, or with a longitude and a latitude for points.
    shape
        What the rows must be.
    datum
        Datum of the coordinates.

    Returns
    -------
    geometry
        In EPSG:4326, on the table's index; None where there is a fault.
    faults
        Every row without a usable geometry.
    notices
        What was reprojected or repaired.
    """
    if isinstance(table.frame, gpd.GeoDataFrame):
        geometry, faults, notices = _own_geometry(table, shape)
    elif shape is Shape.POINT:
        geometry, faults, notices = _lon_lat_geometry(table)
    else:
        fault = Fault(
            file=table.file,
            what="holds no polygons",
            remedy="give GeoJSON, GeoPackage or GeoParquet with polygons",
        )
        return _none(table), [fault], []
    faults += _range_faults(table, geometry)
    if not faults and datum is not Datum.WGS84:
        geometry = gpd.GeoSeries(
            shapely.transform(
                geometry.to_numpy(),
                lambda lon_lat: np.column_stack(to_wgs84(lon_lat[:, 0], lon_lat[:, 1], datum)),
            ),
            index=geometry.index,
            crs=WGS84_EPSG,
        )
        notices.append(
            Fault(
                file=table.file,
                value=datum.value,
                what="coordinates were converted to WGS-84",
                remedy="nothing, if the datum is declared rightly",
            )
        )
    return geometry, faults, notices


def _none(table: Table) -> gpd.GeoSeries:
    return gpd.GeoSeries([None] * len(table.frame), index=table.frame.index, crs=WGS84_EPSG)


def _lon_lat_geometry(table: Table) -> tuple[gpd.GeoSeries, list[Fault], list[Fault]]:
    names = find_column(table, LONGITUDE_NAMES), find_column(table, LATITUDE_NAMES)
    faults = [
        missing_column(table, wanted)
        for name, wanted in zip(names, ("longitude", "latitude"), strict=True)
        if name is None
    ]
    if names[0] is None or names[1] is None:
        return _none(table), faults, []
    lon, lon_faults = number_column(table, names[0])
    lat, lat_faults = number_column(table, names[1])
    points = gpd.GeoSeries(
        gpd.points_from_xy(lon, lat), index=table.frame.index, crs=WGS84_EPSG
    ).where(np.isfinite(lon) & np.isfinite(lat), None)
    return points, [*lon_faults, *lat_faults], []


def _own_geometry(table: Table, shape: Shape) -> tuple[gpd.GeoSeries, list[Fault], list[Fault]]:
    frame = table.frame
    name = str(frame.geometry.name)
    if frame.crs is None:
        fault = Fault(
            file=table.file,
            what="declares no coordinate reference system",
            remedy="write it with its CRS, such as EPSG:4326",
        )
        return _none(table), [fault], []
    notices: list[Fault] = []
    geometry = frame.geometry
    crs = pyproj.CRS(frame.crs)
    if not crs.equals(pyproj.CRS.from_epsg(WGS84_EPSG), ignore_axis_order=True):
        geometry = geometry.to_crs(WGS84_EPSG)
        notices.append(
            Fault(
                file=table.file,
                value=crs.name,
                what="was reprojected to EPSG:4326",
                remedy="nothing, if the CRS is declared rightly",
            )
        )
    shapes = shapely.force_2d(geometry.to_numpy())
    empty = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    wrong = ~empty & ~np.isin(shapely.get_type_id(shapes), GEOMETRY_TYPES[shape])
    faults = cell_faults(table, name, empty, lambda _: ("is empty", "draw it or leave the row out"))
    faults += cell_faults(
        table,
        name,
        wrong,
        lambda g: (
            f"is a {g.geom_type}, not a {shape}",
            "correct it, or declare the format that the file has",
        ),
    )
    xy, owner = shapely.get_coordinates(shapes, return_index=True)
    off = np.zeros(len(shapes), dtype=bool)
    off[owner[~np.isfinite(xy).all(axis=1)]] = True
    off &= ~wrong
    faults += cell_faults(
        table,
        name,
        off,
        lambda _: ("lies outside the area of its CRS", "declare the CRS that the file is in"),
    )
    bad = empty | wrong | off
    broken = ~bad & ~shapely.is_valid(shapes)
    if broken.any():
        shapes[broken] = _only_polygons(shapely.make_valid(shapes[broken]))
        lost = broken & (shapely.is_empty(shapes) | (shapely.area(shapes) == 0))
        faults += cell_faults(
            table, name, lost, lambda _: ("has no area", "draw it as a simple polygon")
        )
        bad |= lost
        rows = ", ".join(map(str, table.frame.index[broken & ~lost][:10]))
        notices.append(
            Fault(
                file=table.file,
                column=name,
                what=(
                    f"{int(broken.sum()):,} polygons cross themselves; they were repaired "
                    f"(rows {rows})"
                ),
                remedy="look at them on the map",
            )
        )
    shapes[bad] = None
    return gpd.GeoSeries(shapes, index=frame.index, crs=WGS84_EPSG), faults, notices


def _only_polygons(shapes: Any) -> Any:  # noqa: ANN401 - arrays of shapely geometries
    """Return the polygonal part of each shape; make_valid may leave lines and points beside it."""
    return np.array(
        [
            shapely.union_all(
                [part for part in shapely.get_parts(shape) if part.geom_type.endswith("Polygon")]
            )
            for shape in shapes
        ],
        dtype=object,
    )


def _range_faults(table: Table, geometry: gpd.GeoSeries) -> list[Fault]:
    bounds = geometry.bounds.to_numpy()
    given = ~np.isnan(bounds).any(axis=1)
    west, south, east, north = bounds.T
    with np.errstate(invalid="ignore"):
        lon = np.maximum(np.abs(west), np.abs(east))
        lat = np.maximum(np.abs(south), np.abs(north))
        outside = given & ((lon > MAX_LON_DEG) | (lat > MAX_LAT_DEG))
        zero = given & (lon == 0) & (lat == 0)
        wraps = given & ~outside & (east - west > MAX_LON_DEG)
    swapped = outside & (lon <= MAX_LAT_DEG) & (lat <= MAX_LON_DEG)
    faults = []
    for bad, what, remedy in (
        (swapped, "latitude and longitude look swapped", "swap the two columns"),
        (
            outside & ~swapped,
            "lies outside longitude ±180, latitude ±90: these are no degrees",
            "declare the file's CRS, or give degrees",
        ),
        (zero, "lies at 0, 0, which stands for an unknown place", "correct it or leave it out"),
        (wraps, "spans the antimeridian", "split it at longitude 180"),
    ):
        rows = np.flatnonzero(bad)
        if rows.size:
            lon_lat = f"{west[rows[0]]:.6g}, {south[rows[0]]:.6g}"
            faults.append(
                Fault(
                    file=table.file,
                    row=int(table.frame.index[rows[0]]),
                    column="geometry",
                    value=lon_lat,
                    what=what if rows.size == 1 else f"{what} (and in {rows.size - 1:,} more rows)",
                    remedy=remedy,
                )
            )
    return faults


@dataclass(frozen=True, kw_only=True)
class LocalPlane:
    """A plane around some points, in metres east and north (transverse Mercator).

    Its scale is true along the middle meridian and 0.03 per cent off at 150 km from it.

    Attributes
    ----------
    lon_deg, lat_deg
        WGS-84 coordinates of its origin.
    """

    lon_deg: float
    lat_deg: float

    def to_metres(self, lon_deg: FloatArray, lat_deg: FloatArray) -> FloatArray:
        """Return (n, 2) metres east and north of the origin."""
        crs = pyproj.CRS.from_proj4(
            f"+proj=tmerc +lat_0={self.lat_deg!r} +lon_0={self.lon_deg!r} +datum=WGS84 +units=m"
        )
        transformer = pyproj.Transformer.from_crs(WGS84_EPSG, crs, always_xy=True)
        return np.column_stack(transformer.transform(lon_deg, lat_deg))


def build_local_plane(lon_deg: FloatArray, lat_deg: FloatArray) -> LocalPlane:
    """Build the plane in the middle of some points, at least one (WGS-84 degrees)."""
    return LocalPlane(
        lon_deg=float(np.min(lon_deg) + np.max(lon_deg)) / 2,
        lat_deg=float(np.min(lat_deg) + np.max(lat_deg)) / 2,
    )


def lon_lat_of(points: gpd.GeoSeries) -> tuple[FloatArray, FloatArray]:
    """Return the longitudes and latitudes of points."""
    xy = shapely.get_coordinates(np.asarray(points))
    return xy[:, 0], xy[:, 1]


def find_polygons(lon_deg: FloatArray, lat_deg: FloatArray, polygons: gpd.GeoSeries) -> LongArray:
    """Return the polygon of each point, the first where several overlap.

    Parameters
    ----------
    lon_deg, lat_deg
        (n,) coordinates.
    polygons
        In the same coordinates.

    Returns
    -------
    LongArray
        (n,) positions of the polygons; ``NO_POLYGON`` outside all of them.
    """
    found = np.full(len(lon_deg), NO_POLYGON, dtype=np.int64)
    if not len(lon_deg):
        return found
    # The query prepares what it asks with: the polygons, which may have many corners, once each.
    tree = shapely.STRtree(np.asarray(shapely.points(lon_deg, lat_deg), dtype=object))
    polygon, point = tree.query(polygons.to_numpy(), predicate="intersects")
    order = np.lexsort((-polygon, point))
    found[point[order]] = polygon[order]  # the last write is the first polygon
    return found
