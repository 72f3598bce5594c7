"""Roads as plain data, from OSM files, GeoParquet, or siting's own compact form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.errors import Fault, InputError
from siting.inputs.roads.compact import read_compact_roads, write_compact_roads
from siting.inputs.roads.geoparquet import read_geoparquet_roads
from siting.inputs.roads.osm import OSM_ATTRIBUTION, read_osm_roads
from siting.inputs.roads.table import RoadTable
from siting.study import RoadFormat

if TYPE_CHECKING:
    from pathlib import Path

    from siting.study import Roads

__all__ = [
    "OSM_ATTRIBUTION",
    "RoadTable",
    "detect_road_format",
    "read_compact_roads",
    "read_roads",
    "write_compact_roads",
]

ENDINGS = {
    ".graphml": RoadFormat.GRAPHML,
    ".osm.pbf": RoadFormat.PBF,
    ".pbf": RoadFormat.PBF,
    ".osm": RoadFormat.OSM,
    ".parquet": RoadFormat.GEOPARQUET,
    ".geoparquet": RoadFormat.GEOPARQUET,
    ".npz": RoadFormat.COMPACT,
}


def detect_road_format(spec: Roads) -> RoadFormat:
    """Return the stated format of a study's roads, or the one that the file's name tells.

    Raises
    ------
    InputError
        If neither tells.
    """
    if spec.path is None:
        return RoadFormat.PLACE
    if spec.format is not RoadFormat.AUTO:
        return spec.format
    name = spec.path.name.lower()
    for ending, road_format in ENDINGS.items():
        if name.endswith(ending):
            return road_format
    raise _fault(
        spec.path,
        "the file's name does not tell its format",
        f"name it with one of {', '.join(ENDINGS)}, or state the format",
    )


def read_roads(spec: Roads) -> RoadTable:
    """Read the roads of a study from an OSM file, GeoParquet, or the compact form.

    GraphML and place names need OSMnx: see :func:`siting.network.road_network.load_roads`, which
    reads every format.

    Parameters
    ----------
    spec
        The study's roads.

    Returns
    -------
    RoadTable
        WGS-84.

    Raises
    ------
    InputError
        If the file cannot be read, or is in a form that this function does not read.
    """
    road_format, path = detect_road_format(spec), spec.path
    if path is None or road_format in {RoadFormat.GRAPHML, RoadFormat.PLACE}:
        raise ValueError(f"roads of format {road_format} are read by siting.network")
    if not path.is_file():
        raise _fault(path, "there is no such file", "check the path of the roads")
    match road_format:
        case RoadFormat.COMPACT:
            return read_compact_roads(path)
        case RoadFormat.GEOPARQUET:
            return read_geoparquet_roads(path, source=spec.source or path.name)
        case _:
            return read_osm_roads(
                path, binary=road_format is RoadFormat.PBF, source=spec.source or OSM_ATTRIBUTION
            )


def _fault(path: Path, what: str, remedy: str) -> InputError:
    return InputError([Fault(file=str(path), what=what, remedy=remedy)])
