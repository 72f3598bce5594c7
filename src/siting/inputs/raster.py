"""GeoTIFF rasters of counts, such as people or vehicles a cell; needs the extra ``raster``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely

from siting.domain import WGS84_EPSG, Datum, FloatArray
from siting.errors import Fault, InputError
from siting.inputs.datum import to_wgs84
from siting.inputs.geometry import MAX_LAT_DEG, MAX_LON_DEG, build_local_plane

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from siting.domain import BoolArray, LongArray

RASTER_SUFFIXES = (".tif", ".tiff")
MAX_CELLS = 50_000_000
INSTALL_LINE = "pip install 'siting[raster]'"
_CORNERS = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where a raster's cells lie.

    Attributes
    ----------
    crs
        Their coordinate reference system, as WKT.
    transform
        ``(a, b, c, d, e, f)``: x = a·column + b·row + c, y = d·column + e·row + f.
    n_row, n_column
        Their number.
    """

    crs: str
    transform: tuple[float, ...]
    n_row: int
    n_column: int

    def compute_corners(self, row: LongArray, column: LongArray, datum: Datum) -> FloatArray:
        """Return (n, 4, 2) longitudes and latitudes of the corners of cells, WGS-84."""
        a, b, c, d, e, f = self.transform
        rows = row[:, None] + _CORNERS[:, 0]
        columns = column[:, None] + _CORNERS[:, 1]
        degrees = pyproj.Transformer.from_crs(self.crs, WGS84_EPSG, always_xy=True)
        lon, lat = degrees.transform(a * columns + b * rows + c, d * columns + e * rows + f)
        if datum is not Datum.WGS84:
            lon, lat = to_wgs84(lon, lat, datum)
        return np.stack([lon, lat], axis=-1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """Counts by cell.

    Attributes
    ----------
    file
        Name of the file, for faults.
    grid
        Where the cells lie.
    count
        (n_row, n_column) counts, zero where there is no data.
    """

    file: str
    grid: Grid
    count: FloatArray


def is_raster_file(path: Path) -> bool:
    """Whether a file's name says that it is a GeoTIFF."""
    return path.name.lower().endswith(RASTER_SUFFIXES)


def read_raster(path: Path, *, band: int = 1) -> Raster:
    """Read a band of a GeoTIFF as counts.

    Parameters
    ----------
    path
        A local GeoTIFF that states its CRS.
    band
        Number of the band, from 1.

    Raises
    ------
    InputError
        If rasterio is missing, the file cannot be read, or a count is negative or infinite.
    """
    if not path.is_file() or not is_raster_file(path):
        raise _fault(path, "is no GeoTIFF file that exists", "give the path of a .tif")
    try:
        import rasterio  # noqa: PLC0415 - an extra, and few studies need it
    except ImportError:
        raise _fault(
            path, "rasters are read with rasterio, which is missing", INSTALL_LINE
        ) from None
    try:
        # The driver is named so that a VRT in disguise, which reads other files, is refused.
        with warnings.catch_warnings(), rasterio.open(path.resolve(), driver="GTiff") as dataset:
            return _read_band(dataset, band, path)
    except (rasterio.errors.RasterioError, ValueError) as error:
        reason = str(error).replace(str(path.resolve()), path.name)[:200]
        raise _fault(path, f"is not a valid GeoTIFF: {reason}", "export it again") from None


def _read_band(dataset: Any, band: int, path: Path) -> Raster:  # noqa: ANN401 - an open raster
    if not 1 <= band <= dataset.count:
        raise _fault(path, f"has no band {band}, but {dataset.count}", "correct the band")
    if dataset.crs is None or dataset.transform.is_identity:
        what, remedy = "does not say where its cells lie", "write it with CRS and transform"
        raise _fault(path, what, remedy)
    if dataset.width * dataset.height > MAX_CELLS:
        what = f"has {dataset.width * dataset.height:,} cells, more than {MAX_CELLS:,}"
        raise _fault(path, what, "crop it to the city")
    values = dataset.read(band, masked=True)
    no_data = np.ma.getmaskarray(values) | np.isnan(values.data.astype(np.float64))
    count = np.where(no_data, 0.0, values.data.astype(np.float64))
    wrong = (count < 0) | np.isinf(count)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        what = f"{int(wrong.sum()):,} cells hold no count, such as row {row}, column {column}"
        remedy = "declare the value as nodata, or correct it"
        raise InputError(
            [Fault(file=path.name, value=f"{count[row, column]:g}", what=what, remedy=remedy)]
        )
    grid = Grid(
        crs=dataset.crs.to_wkt(),
        transform=tuple(dataset.transform)[:6],
        n_row=dataset.height,
        n_column=dataset.width,
    )
    return Raster(file=path.name, grid=grid, count=count)


def _fault(path: Path, what: str, remedy: str) -> InputError:
    return InputError([Fault(file=path.name, what=what, remedy=remedy)])


def build_zones(
    raster: Raster, has_count: BoolArray, *, side_m: float, datum: Datum
) -> tuple[LongArray, LongArray, NDArray[np.object_]]:
    """Join cells to square zones of a given side, each made of the cells that count only.

    Parameters
    ----------
    raster
        The raster.
    has_count
        (n_row, n_column) which cells count.
    side_m
        Side that a zone should have (m); a cell that is larger is a zone of its own.
    datum
        Datum of the raster's coordinates.

    Returns
    -------
    cell
        (n_cell,) flat index of each cell that counts, zone by zone.
    zone
        (n_cell,) its zone, from 0 and ascending.
    polygons
        (n_zone,) the zones in WGS-84.

    Raises
    ------
    InputError
        If the cells leave the globe.
    """
    grid = raster.grid
    row, column = (where.astype(np.int64) for where in np.nonzero(has_count))
    if not row.size:
        return row, row, np.empty(0, dtype=object)
    corners = grid.compute_corners(row, column, datum)
    if not (np.abs(corners) <= (MAX_LON_DEG, MAX_LAT_DEG)).all():
        raise InputError(
            [Fault(file=raster.file, what="its cells leave the globe", remedy="check its CRS")]
        )
    n_side = max(1, round(side_m / _longest_side_m(corners[row.size // 2])))
    block = (row // n_side) * (grid.n_column // n_side + 1) + column // n_side
    order = np.argsort(block, kind="stable")
    row, column, corners = row[order], column[order], corners[order]
    zone = np.cumsum(np.diff(block[order], prepend=block[order[0]]) > 0, dtype=np.int64)
    shapes = np.asarray(shapely.polygons(corners), dtype=object)
    if n_side > 1:
        parts = np.split(shapes, np.flatnonzero(np.diff(zone)) + 1)
        shapes = np.array([shapely.coverage_union_all(part) for part in parts], dtype=object)
    return row * grid.n_column + column, zone, shapes


def _longest_side_m(corners: FloatArray) -> float:
    lon, lat = corners.T
    xy_m = build_local_plane(lon, lat).to_metres(lon, lat)
    return float(np.hypot(*np.diff(xy_m, axis=0).T).max())
