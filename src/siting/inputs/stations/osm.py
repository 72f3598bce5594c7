"""OpenStreetMap: `amenity=charging_station` from .osm, .osm.pbf or GeoJSON.

``capacity`` is the number of cars; without it the sockets are counted. Stations for bicycles,
buses, lorries and the like alone are left out and counted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import osmium
import shapely
from osmium.filter import IdFilter, KeyFilter

from siting.errors import Fault
from siting.inputs.stations.records import (
    WATTS_PER_KW,
    ChargePoint,
    Current,
    StationAccess,
    StationFeed,
    StationRecord,
    StationStatus,
    fit_charge_points,
    parse_power_kw,
    parse_text,
    refusal,
)
from siting.inputs.tables import MAX_VALUE_CHARS
from siting.study import StationFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from siting.inputs.tables import Table


def is_osm_table(table: Table) -> bool:
    """Whether a table holds OSM features: a column ``amenity`` with ``charging_station`` in it."""
    frame = table.frame
    return "amenity" in frame.columns and bool((frame["amenity"] == "charging_station").any())


def parse_osm_table(table: Table) -> StationFeed:
    """Parse OSM features from GeoJSON; areas stand for their inner point."""
    frame = table.frame
    if "geometry" not in frame.columns:
        raise refusal(table.file, "holds no geometry", "export the features as GeoJSON")
    points = shapely.point_on_surface(frame["geometry"].array)
    elements = (
        _Element(
            row=int(row),
            osm_id=_feature_id(tags, int(row)),
            lon_deg=float(shapely.get_x(point)),
            lat_deg=float(shapely.get_y(point)),
            tags=tags,
        )
        for row, point, tags in zip(frame.index, points, _text_tags(frame), strict=True)
        if point is not None and not point.is_empty
    )
    feed = _parse(elements, file=table.file)
    return replace(feed, notices=(*table.notices, *feed.notices))


def read_osm(path: Path) -> StationFeed:
    """Read charging stations from a .osm or .osm.pbf file; areas stand for their corners' mean.

    Raises
    ------
    InputError
        Where the file cannot be read or holds no charging station.
    """
    if not path.is_file():
        raise refusal(path.name, "does not exist or is no file", "correct the path")
    try:
        return _parse(_elements(path), file=path.name)
    except (RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0][:MAX_VALUE_CHARS]
        raise refusal(
            path.name, f"is not a valid OSM file: {reason}", "download it again"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Element:
    row: int
    osm_id: str
    lon_deg: float
    lat_deg: float
    tags: Mapping[str, str]


_LIFECYCLE = {
    "amenity": StationStatus.OPERATIONAL,
    "planned:amenity": StationStatus.PLANNED,
    "proposed:amenity": StationStatus.PLANNED,
    "construction:amenity": StationStatus.PLANNED,
    "disused:amenity": StationStatus.CLOSED,
    "abandoned:amenity": StationStatus.CLOSED,
}
_PRIVATE = frozenset(
    {"no", "private", "employees", "residents", "members", "permit", "delivery", "military"}
)
_DC_SOCKETS = frozenset(
    {
        "ccs",
        "chademo",
        "chaoji",
        "gb_dc",
        "gbt_dc",
        "mcs",
        "nacs",
        "tesla_supercharger",
        "tesla_supercharger_ccs",
        "type1_combo",
        "type2_combo",
    }
)
_AC_CAR_SOCKETS = frozenset(
    {
        "gb_ac",
        "gbt_ac",
        "j1772",
        "type1",
        "type1_cable",
        "type2",
        "type2_cable",
        "type3",
        "type3a",
        "type3c",
        "tesla_destination",
        "tesla_standard",
    }
)
_OTHER_VEHICLES = (
    "bicycle",
    "boat",
    "bus",
    "hgv",
    "kick_scooter",
    "mofa",
    "moped",
    "motorcycle",
    "psv",
    "scooter",
    "ship",
)
_NO_SOCKET_COUNT = frozenset({"no", "none", "0"})
PLAIN_WATTS_FROM = 1_000.0
"""An OSM output without a unit is in kW; a number from here on is meant in W."""


def _parse(elements: Iterable[_Element], *, file: str) -> StationFeed:
    records, n_other = [], 0
    for element in elements:
        status = _status(element.tags)
        if status is None:
            continue
        if _is_for_other_vehicles(element.tags):
            n_other += 1
            continue
        records.append(_record(element, status))
    if not records and not n_other:
        raise refusal(
            file, "holds no amenity=charging_station", "give a file with charging stations"
        )
    notices = []
    if n_other:
        what = f"{n_other:,} charging stations are not for cars; left out"
        notices.append(Fault(file=file, what=what, remedy="nothing, if that is meant"))
    return StationFeed(
        file=file, format=StationFormat.OSM, records=tuple(records), notices=tuple(notices)
    )


def _status(tags: Mapping[str, str]) -> StationStatus | None:
    """Return the status, or None where the element is no charging station."""
    status = next((s for key, s in _LIFECYCLE.items() if tags.get(key) == "charging_station"), None)
    if status is not StationStatus.OPERATIONAL:
        return status
    return {
        "closed": StationStatus.CLOSED,
        "non_operational": StationStatus.UNKNOWN,
        "broken": StationStatus.UNKNOWN,
    }.get(tags.get("operational_status", ""), StationStatus.OPERATIONAL)


def _is_for_other_vehicles(tags: Mapping[str, str]) -> bool:
    motorcar = tags.get("motorcar", tags.get("car", ""))
    if motorcar:
        return motorcar == "no"
    others = any(tags.get(vehicle) in {"yes", "designated"} for vehicle in _OTHER_VEHICLES)
    return others and not (_DC_SOCKETS | _AC_CAR_SOCKETS) & _sockets(tags).keys()


def _sockets(tags: Mapping[str, str]) -> dict[str, str]:
    return {
        key.removeprefix("socket:"): value
        for key, value in tags.items()
        if key.startswith("socket:") and key.count(":") == 1 and value not in _NO_SOCKET_COUNT
    }


def _record(element: _Element, status: StationStatus) -> StationRecord:
    tags = element.tags
    points = [
        ChargePoint(
            _output_kw(tags.get(f"socket:{kind}:output", "")),
            Current.DC if kind in _DC_SOCKETS else Current.AC,
        )
        for kind, count in _sockets(tags).items()
        for _ in range(_count(count) or 1)
    ]
    return StationRecord(
        row=element.row,
        station_id=element.osm_id,
        lon_deg=element.lon_deg,
        lat_deg=element.lat_deg,
        charge_points=fit_charge_points(points, _count(tags.get("capacity", ""))),
        name=tags.get("name", ""),
        name_en=tags.get("name:en", ""),
        name_zh=tags.get("name:zh", tags.get("name:zh-Hans", "")),
        operator=tags.get("operator", ""),
        network=tags.get("network", tags.get("brand", "")),
        owner=tags.get("owner", ""),
        status=status,
        access=StationAccess.PRIVATE
        if tags.get("access", "") in _PRIVATE
        else StationAccess.PUBLIC,
    )


def _count(text: str) -> int | None:
    match = re.match(r"[0-9]{1,4}(?![0-9.])", text.strip())
    return int(match.group()) or None if match else None


def _output_kw(text: str) -> float | None:
    """Return the greatest of the outputs in a tag such as ``22 kW`` or ``50 kW;150 kW``."""
    outputs = []
    for part in re.split(r"[;/|]", text):
        power_kw = parse_power_kw(part)
        if power_kw is not None:
            plain = not re.search(r"[a-z千]", part.lower())
            watts = plain and power_kw >= PLAIN_WATTS_FROM
            outputs.append(power_kw / WATTS_PER_KW if watts else power_kw)
    return max(outputs, default=None)


def _text_tags(frame: Any) -> Iterator[dict[str, str]]:  # noqa: ANN401 - a GeoDataFrame
    for row in frame.drop(columns="geometry").to_dict(orient="records"):
        tags = {str(key): parse_text(value) for key, value in row.items()}
        yield {key: value for key, value in tags.items() if value and value != "nan"}  # type: ignore[misc]


def _feature_id(tags: Mapping[str, str], row: int) -> str:
    """Return the id that overpass-turbo, osmium or osmnx give a feature, or its row."""
    for key in ("@id", "id", "osm_id", "osmid"):
        if tags.get(key):
            kind = tags.get("@type", tags.get("element", tags.get("element_type", "")))
            text = tags[key].removesuffix(".0")
            return text if not kind or "/" in text else f"{kind}/{text}"
    return f"row-{row}"


def _elements(path: Path) -> Iterator[_Element]:
    """Yield the file's charging stations, each at the mean of its corners.

    Three light passes (tagged elements, ways of areas, their nodes) instead of an index of all
    nodes: a country's file needs no memory.
    """
    tagged = list(_tagged(path))
    ways = _way_nodes(path, {ref for item in tagged for ref in item.way_refs})
    corners = [
        dict.fromkeys([*item.node_refs, *(n for way in item.way_refs for n in ways.get(way, ()))])
        for item in tagged
    ]
    places = _node_places(path, {ref for refs in corners for ref in refs})
    for row, (item, refs) in enumerate(zip(tagged, corners, strict=True), start=1):
        known = item.place or [places[ref] for ref in refs if ref in places]
        if known:  # an extract may cut an area off from all its nodes
            yield _Element(
                row=row,
                osm_id=item.osm_id,
                lon_deg=sum(lon for lon, _ in known) / len(known),
                lat_deg=sum(lat for _, lat in known) / len(known),
                tags=item.tags,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tagged:
    osm_id: str
    tags: dict[str, str]
    place: tuple[tuple[float, float], ...] = ()
    node_refs: tuple[int, ...] = ()
    way_refs: tuple[int, ...] = ()


def _tagged(path: Path) -> Iterator[_Tagged]:
    for item in osmium.FileProcessor(str(path)).with_filter(KeyFilter(*_LIFECYCLE)):
        tags = dict(item.tags)
        if _status(tags) is None:
            continue
        if isinstance(item, osmium.osm.Node):
            place = ((item.lon, item.lat),)
            yield _Tagged(osm_id=f"node/{item.id}", tags=tags, place=place)
        elif isinstance(item, osmium.osm.Way):
            refs = tuple(node.ref for node in item.nodes)
            yield _Tagged(osm_id=f"way/{item.id}", tags=tags, node_refs=refs)
        elif isinstance(item, osmium.osm.Relation):
            members = [(member.type, member.ref) for member in item.members]
            yield _Tagged(
                osm_id=f"relation/{item.id}",
                tags=tags,
                node_refs=tuple(ref for kind, ref in members if kind == "n"),
                way_refs=tuple(ref for kind, ref in members if kind == "w"),
            )


def _way_nodes(path: Path, ids: set[int]) -> dict[int, tuple[int, ...]]:
    if not ids:
        return {}
    ways = osmium.FileProcessor(str(path), osmium.osm.WAY).with_filter(IdFilter(ids))
    return {
        way.id: tuple(node.ref for node in way.nodes)
        for way in ways
        if isinstance(way, osmium.osm.Way)
    }


def _node_places(path: Path, ids: set[int]) -> dict[int, tuple[float, float]]:
    if not ids:
        return {}
    nodes = osmium.FileProcessor(str(path), osmium.osm.NODE).with_filter(IdFilter(ids))
    return {node.id: (node.lon, node.lat) for node in nodes if isinstance(node, osmium.osm.Node)}
