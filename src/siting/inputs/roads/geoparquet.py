"""Roads from GeoParquet: lines with a column ``highway``, as OSMnx and neatnet write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyarrow.parquet as pq
import shapely
from pyarrow import ArrowException

from siting.domain import WGS84_EPSG
from siting.errors import Fault, InputError
from siting.inputs.roads.assemble import Ways, assemble_roads
from siting.inputs.roads.table import UNITS_PER_DEGREE
from siting.inputs.roads.tags import (
    FREE_FLOW_KPH,
    notice_odd_speeds,
    read_drive_speeds,
    states_no_speed,
)
from siting.inputs.tables import refuse_endless_cells

if TYPE_CHECKING:
    from pathlib import Path

    from siting.inputs.roads.table import RoadTable

TAG_COLUMNS = (
    "highway",
    "oneway",
    "junction",
    "maxspeed",
    "maxspeed:forward",
    "maxspeed:backward",
    "access",
    "motor_vehicle",
    "motorcar",
    "vehicle",
    "route",
    "area",
)
NODE_COLUMNS = frozenset({"u", "v"})


def read_geoparquet_roads(path: Path, *, source: str) -> RoadTable:
    """Read the roads that a car may drive from a GeoParquet file of lines.

    Columns: ``geometry`` (lines, any CRS that is stated), ``highway``; and, where they exist,
    ``oneway``, ``maxspeed``, ``junction``, ``access`` and their like, with OSM's values. Where
    there are columns ``u`` and ``v``, lines end at every node and are joined at their ends only;
    otherwise they are cut at every vertex that two lines share. Nodes are taken from the lines'
    ends, since a geometry does not always run from ``u`` to ``v``.

    Parameters
    ----------
    path
        The file.
    source
        Attribution.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column or a CRS, or holds no road.
    """
    table, names = _read_table(path)
    lines = table.geometry.to_numpy()
    rows = np.flatnonzero(~(shapely.is_missing(lines) | shapely.is_empty(lines)))
    tags = [_row_tags(row) for row in table.drop(columns=table.geometry.name).to_dict("records")]
    parts, owner = shapely.get_parts(lines[rows], return_index=True)
    is_line = shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING
    speeds = [read_drive_speeds(tags[row]) for row in rows[owner]]
    kept = np.flatnonzero(is_line & np.array([speed is not None for speed in speeds], dtype=bool))
    if not kept.size:
        raise _fault(path, "it holds no line that a car may drive on", "check the column highway")
    coordinates, line = shapely.get_coordinates(parts[kept], return_index=True)
    allowed = [speed for speed in (speeds[k] for k in kept) if speed is not None]
    if not (np.isfinite(coordinates).all() and (np.abs(coordinates) <= (180.0, 90.0)).all()):
        raise _fault(path, "its lines leave the globe", "check the file's CRS")
    return assemble_roads(
        Ways(
            start=np.concatenate([[0], np.cumsum(np.bincount(line, minlength=kept.size))]),
            vertex_id=_number_places(coordinates),
            lon_deg=coordinates[:, 0],
            lat_deg=coordinates[:, 1],
            highway=tuple(tags[row]["highway"] for row in rows[owner[kept]]),
            forward_kph=np.array([speed.forward_kph for speed in allowed]),
            backward_kph=np.array([speed.backward_kph for speed in allowed]),
        ),
        cut_where_ways_meet=not names >= NODE_COLUMNS,
        source=source,
        notices=(
            *_notice_rows(len(table) - rows.size + int((~is_line).sum()), "no line", path),
            *_notice_rows(
                sum("highway" not in tags[row] for row in rows), "no highway class", path
            ),
            *notice_odd_speeds(
                sum(states_no_speed(tags[row]) for row in np.unique(rows[owner[kept]])),
                file=path.name,
            ),
        ),
    )


def _notice_rows(n_row: int, lacks: str, path: Path) -> tuple[Fault, ...]:
    what = f"{n_row:,} rows hold {lacks}; they were left out"
    return (Fault(file=path.name, what=what, remedy="complete them"),) if n_row else ()


def _read_table(path: Path) -> tuple[gpd.GeoDataFrame, frozenset[str]]:
    """Read the columns of interest in WGS-84, and the names of all columns."""
    try:
        metadata = pq.read_metadata(path)
        names = frozenset(metadata.schema.to_arrow_schema().names)
        refuse_endless_cells(metadata.num_rows * len(names), path)
        if not names >= {"geometry", "highway"}:
            raise _fault(
                path, "it lacks a column geometry or highway", "give lines with OSM's highway class"
            )
        columns = ["geometry", *(column for column in TAG_COLUMNS if column in names)]
        table = gpd.read_parquet(path, columns=columns)
        if table.crs is None:
            raise _fault(path, "it states no CRS", "write it with one, such as EPSG:4326")
        return table.to_crs(WGS84_EPSG), names
    except (OSError, ValueError, TypeError, ArrowException) as error:
        raise _fault(
            path, f"cannot be read as GeoParquet: {error}", "give a GeoParquet file of lines"
        ) from None


def _row_tags(row: dict[Any, Any]) -> dict[str, str]:
    """Return a row as OSM tags; of a merged road's several values the first that is a road."""
    tags = {}
    for key, value in row.items():
        values = list(value) if isinstance(value, (list, tuple, np.ndarray)) else [value]
        texts = [_as_tag(item) for item in values if item is not None and item == item]  # noqa: PLR0124 - NaN is the missing value
        if key == "highway":
            texts = [text for text in texts if text in FREE_FLOW_KPH] or texts
        if texts:
            tags[str(key)] = ";".join(texts) if key.startswith("maxspeed") else texts[0]
    return tags


def _as_tag(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip().lower()


def _number_places(lon_lat_deg: Any) -> Any:  # noqa: ANN401 - arrays
    """Give equal coordinates, rounded to OSM's resolution, equal numbers."""
    units = np.round(lon_lat_deg * UNITS_PER_DEGREE).astype(np.int64)
    return units[:, 0] * (1 << 32) + units[:, 1]


def _fault(path: Path, what: str, remedy: str) -> InputError:
    return InputError([Fault(file=str(path), what=what, remedy=remedy)])
