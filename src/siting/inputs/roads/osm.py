"""Roads from .osm and .osm.pbf files."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import osmium

from siting.errors import Fault, InputError
from siting.inputs.roads.assemble import Ways, assemble_roads
from siting.inputs.roads.tags import notice_odd_speeds, read_drive_speeds, states_no_speed
from siting.inputs.roads.xml_guard import refuse_hostile_xml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from siting.inputs.roads.table import RoadTable

OSM_ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0"


class _Way(NamedTuple):
    highway: str
    forward_kph: float
    backward_kph: float
    places: list[tuple[int, float, float]]  # node id, longitude, latitude
    is_odd: bool  # whether its speed limit makes no sense


def read_osm_roads(path: Path, *, binary: bool, source: str = OSM_ATTRIBUTION) -> RoadTable:
    """Read the roads that a car may drive from an OSM file.

    Ways are cut where they meet. A way whose nodes are partly missing, as on the border of an
    extract, is kept in the pieces that are there.

    Parameters
    ----------
    path
        The file.
    binary
        True for .osm.pbf, False for .osm (XML).
    source
        Attribution.

    Raises
    ------
    InputError
        If the file cannot be read or holds no road.
    """
    if not binary:
        refuse_hostile_xml(path)
    try:
        whole = list(_drivable_ways(path, binary=binary))
    except (RuntimeError, ValueError, osmium.InvalidLocationError) as error:
        raise _unreadable(path, str(error)) from None
    ways = [piece for way in whole for piece in _pieces(way)]
    if not ways:
        raise _unreadable(path, "it holds no road that a car may drive")
    places = [place for way in ways for place in way.places]
    vertex_id, lon_deg, lat_deg = zip(*places, strict=True)
    return assemble_roads(
        Ways(
            start=np.concatenate([[0], np.cumsum([len(way.places) for way in ways])]),
            vertex_id=np.array(vertex_id, dtype=np.int64),
            lon_deg=np.array(lon_deg),
            lat_deg=np.array(lat_deg),
            highway=tuple(way.highway for way in ways),
            forward_kph=np.array([way.forward_kph for way in ways]),
            backward_kph=np.array([way.backward_kph for way in ways]),
        ),
        cut_where_ways_meet=True,
        source=source,
        notices=(
            *_notice_torn(sum(_is_torn(way) for way in whole), file=path.name),
            *notice_odd_speeds(sum(way.is_odd for way in whole), file=path.name),
        ),
    )


def _is_torn(way: _Way) -> bool:
    return any(np.isnan(lon) for _, lon, _ in way.places)


def _notice_torn(n_way: int, *, file: str) -> tuple[Fault, ...]:
    what = f"{n_way:,} roads lack nodes, as at the border of an extract; the rest of them is kept"
    notice = Fault(file=file, what=what, remedy="look at the border; cut a larger extract")
    return (notice,) if n_way else ()


def _drivable_ways(path: Path, *, binary: bool) -> Iterator[_Way]:
    reader = (
        # The file's stated form decides, not its name, and never a URL.
        osmium.FileProcessor(
            osmium.io.File(str(path.resolve()), "pbf" if binary else "osm"),
            osmium.osm.NODE | osmium.osm.WAY,
        )
        .with_locations()
        .with_filter(osmium.filter.EntityFilter(osmium.osm.WAY))
        .with_filter(osmium.filter.KeyFilter("highway"))
    )
    for way in cast("Iterator[osmium.osm.Way]", reader):  # the filter lets nothing else through
        tags = {tag.k: tag.v for tag in way.tags}
        speeds = read_drive_speeds(tags)
        if speeds is not None:
            places = [
                (node.ref, node.location.lon, node.location.lat)
                if node.location.valid()
                else (node.ref, np.nan, np.nan)
                for node in way.nodes
            ]
            yield _Way(tags["highway"], *speeds, places, states_no_speed(tags))


def _pieces(way: _Way) -> Iterator[_Way]:
    """Cut a way at the nodes that the file lacks; pieces of one node are none."""
    missing = [k for k, place in enumerate(way.places) if np.isnan(place[1])]
    for before, after in pairwise([-1, *missing, len(way.places)]):
        if after - before > 2:  # noqa: PLR2004 - two nodes between them make a piece
            yield way._replace(places=way.places[before + 1 : after])


def _unreadable(path: Path, reason: str) -> InputError:
    fault = Fault(
        file=str(path),
        what=f"cannot be read as OSM: {reason}",
        remedy="give an .osm or .osm.pbf file with highway ways and their nodes",
    )
    return InputError([fault])
