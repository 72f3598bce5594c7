"""Tagged features of .osm and .osm.pbf files, as points or as areas.

A file is read in light passes (the features, the ways of their outlines, the nodes of those), so
a country's file needs no index of all its nodes. osmium refuses XML entities by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import osmium
import shapely
from osmium.filter import IdFilter, KeyFilter

from siting.errors import Fault, InputError
from siting.inputs.tables import MAX_VALUE_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

T = TypeVar("T")

OSM_SUFFIXES = (".osm", ".osm.pbf", ".pbf")


@dataclass(frozen=True, slots=True, kw_only=True)
class OsmFeature:
    """One feature of OpenStreetMap as a point.

    Attributes
    ----------
    osm_id
        Such as ``node/1``, ``way/2`` or ``relation/3``.
    lon_deg, lat_deg
        The node, or the mean of the outline's corners (WGS-84).
    tags
        The feature's tags.
    """

    osm_id: str
    lon_deg: float
    lat_deg: float
    tags: Mapping[str, str]


def read_osm_features(
    path: Path, *, keys: Collection[str], accept: Callable[[Mapping[str, str]], bool]
) -> tuple[OsmFeature, ...]:
    """Read the features that have one of the keys and are accepted by their tags.

    Parameters
    ----------
    path
        A .osm or .osm.pbf file.
    keys
        Tag keys, one of which a feature must have; cheap to test.
    accept
        From a feature's tags to whether it is wanted.

    Returns
    -------
    tuple of OsmFeature
        In the file's order; features that an extract cut off from all their nodes are left out.

    Raises
    ------
    InputError
        Where the file cannot be read, or a node of a feature has no place.
    """
    return tuple(_read(path, lambda file: list(_features(file, keys, accept))))


@dataclass(frozen=True, slots=True, kw_only=True)
class OsmArea:
    """A closed way or a multipolygon of OpenStreetMap.

    Attributes
    ----------
    osm_id
        Such as ``way/2`` or ``relation/3``.
    shape
        The polygons (WGS-84).
    tags
        The area's tags.
    """

    osm_id: str
    shape: shapely.Geometry
    tags: Mapping[str, str]


def read_osm_areas(
    path: Path, *, keys: Collection[str], accept: Callable[[Mapping[str, str]], bool]
) -> tuple[list[OsmArea], int]:
    """Read the areas that have one of the keys and are accepted by their tags.

    Parameters
    ----------
    path, keys, accept
        As for :func:`read_osm_features`.

    Returns
    -------
    areas
        In the file's order.
    n_torn
        Ways and relations that were accepted and of which no area could be made.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    read = _read(path, lambda file: list(_areas(file, keys, accept)))
    areas = [item for item in read if isinstance(item, OsmArea)]
    wanted = {item for item in read if isinstance(item, str)}
    return areas, len(wanted - {area.osm_id for area in areas})


def _areas(
    file: osmium.io.File, keys: Collection[str], accept: Callable[[Mapping[str, str]], bool]
) -> Iterator[OsmArea | str]:
    """Yield every area, and the id of every way and relation that should be one."""
    factory = osmium.geom.WKBFactory()
    reader = osmium.FileProcessor(file).with_areas(KeyFilter(*keys)).with_filter(KeyFilter(*keys))
    for item in reader:
        tags = {tag.k: tag.v for tag in item.tags}
        if not accept(tags) or isinstance(item, osmium.osm.Node):
            continue
        if isinstance(item, osmium.osm.Area):
            kind = "way" if item.from_way() else "relation"
            shape = shapely.from_wkb(bytes.fromhex(factory.create_multipolygon(item)))
            yield OsmArea(osm_id=f"{kind}/{item.orig_id()}", shape=shape, tags=tags)
        else:
            kind = "way" if isinstance(item, osmium.osm.Way) else "relation"
            yield f"{kind}/{item.id}"


def _read(path: Path, read: Callable[[osmium.io.File], list[T]]) -> list[T]:
    """Read a file by osmium; whatever it refuses becomes a fault."""
    if not path.is_file():
        raise _refusal(path, "does not exist or is no file", "correct the path")
    if not is_osm_file(path):
        raise _refusal(path, "is no .osm or .osm.pbf file", f"give {', '.join(OSM_SUFFIXES)}")
    try:
        # The form that the name states, and none that it hides, such as a packed one behind a link.
        form = "osm" if path.name.lower().endswith(".osm") else "pbf"
        return read(osmium.io.File(str(path.resolve()), form))
    except (RuntimeError, OSError, ValueError, osmium.InvalidLocationError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0][:MAX_VALUE_CHARS]
        raise _refusal(path, f"is not a valid OSM file: {reason}", "download it again") from None


def is_osm_file(path: Path) -> bool:
    """Whether a file's name says that it is OSM's XML or protocol buffer."""
    return path.name.lower().endswith(OSM_SUFFIXES)


def _refusal(path: Path, what: str, remedy: str) -> InputError:
    return InputError([Fault(file=path.name, what=what, remedy=remedy)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tagged:
    osm_id: str
    tags: dict[str, str]
    place: tuple[tuple[float, float], ...] = ()
    nodes: tuple[int, ...] = ()
    ways: tuple[int, ...] = ()


def _features(
    file: osmium.io.File, keys: Collection[str], accept: Callable[[Mapping[str, str]], bool]
) -> Iterator[OsmFeature]:
    tagged = [item for item in _tagged(file, keys) if accept(item.tags)]
    nodes_of_way = _read_way_nodes(file, {way for item in tagged for way in item.ways})
    corners = [
        dict.fromkeys([*item.nodes, *(n for way in item.ways for n in nodes_of_way.get(way, ()))])
        for item in tagged
    ]
    places = _read_node_places(file, {node for nodes in corners for node in nodes})
    for item, nodes in zip(tagged, corners, strict=True):
        known = item.place or tuple(places[node] for node in nodes if node in places)
        if known:
            yield OsmFeature(
                osm_id=item.osm_id,
                lon_deg=sum(lon for lon, _ in known) / len(known),
                lat_deg=sum(lat for _, lat in known) / len(known),
                tags=item.tags,
            )


def _tagged(file: osmium.io.File, keys: Collection[str]) -> Iterator[_Tagged]:
    for item in osmium.FileProcessor(file).with_filter(KeyFilter(*keys)):
        tags = {tag.k: tag.v for tag in item.tags}
        if isinstance(item, osmium.osm.Node):
            place = ((item.lon, item.lat),)  # osmium raises where a node has none
            yield _Tagged(osm_id=f"node/{item.id}", tags=tags, place=place)
        elif isinstance(item, osmium.osm.Way):
            nodes = tuple(node.ref for node in item.nodes)
            yield _Tagged(osm_id=f"way/{item.id}", tags=tags, nodes=nodes)
        elif isinstance(item, osmium.osm.Relation):
            members = [(member.type, member.ref) for member in item.members]
            yield _Tagged(
                osm_id=f"relation/{item.id}",
                tags=tags,
                nodes=tuple(ref for kind, ref in members if kind == "n"),
                ways=tuple(ref for kind, ref in members if kind == "w"),
            )


def _read_way_nodes(file: osmium.io.File, ids: set[int]) -> dict[int, tuple[int, ...]]:
    if not ids:
        return {}
    ways = osmium.FileProcessor(file, osmium.osm.WAY).with_filter(IdFilter(ids))
    return {
        way.id: tuple(node.ref for node in way.nodes)
        for way in ways
        if isinstance(way, osmium.osm.Way)
    }


def _read_node_places(file: osmium.io.File, ids: set[int]) -> dict[int, tuple[float, float]]:
    if not ids:
        return {}
    nodes = osmium.FileProcessor(file, osmium.osm.NODE).with_filter(IdFilter(ids))
    return {node.id: (node.lon, node.lat) for node in nodes if isinstance(node, osmium.osm.Node)}
