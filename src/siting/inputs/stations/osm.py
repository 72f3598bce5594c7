"""OpenStreetMap: `amenity=charging_station` from .osm, .osm.pbf or GeoJSON.

``capacity`` is the number of cars; without it the sockets are counted. Stations for bicycles,
buses, lorries and the like alone are left out and counted.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import shapely

from siting.errors import Fault
from siting.inputs.osm_features import OsmFeature, read_osm_features
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
    features = (
        (
            int(row),
            OsmFeature(
                osm_id=_feature_id(tags, int(row)),
                lon_deg=float(shapely.get_x(point)),
                lat_deg=float(shapely.get_y(point)),
                tags=tags,
            ),
        )
        for row, point, tags in zip(frame.index, points, _text_tags(frame), strict=True)
        if point is not None and not point.is_empty
    )
    feed = _parse(features, file=table.file)
    return replace(feed, notices=(*table.notices, *feed.notices))


def read_osm(path: Path) -> StationFeed:
    """Read charging stations from a .osm or .osm.pbf file; areas stand for their corners' mean.

    Raises
    ------
    InputError
        Where the file cannot be read or holds no charging station.
    """
    stations = read_osm_features(
        path, keys=_LIFECYCLE, accept=lambda tags: _status(tags) is not None
    )
    return _parse(enumerate(stations, start=1), file=path.name)


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


def _parse(features: Iterable[tuple[int, OsmFeature]], *, file: str) -> StationFeed:
    records, n_other = [], 0
    for row, feature in features:
        status = _status(feature.tags)
        if status is None:
            continue
        if _is_for_other_vehicles(feature.tags):
            n_other += 1
            continue
        records.append(_record(row, feature, status))
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


def _record(row: int, feature: OsmFeature, status: StationStatus) -> StationRecord:
    tags = feature.tags
    points = [
        ChargePoint(
            _output_kw(tags.get(f"socket:{kind}:output", "")),
            Current.DC if kind in _DC_SOCKETS else Current.AC,
        )
        for kind, count in _sockets(tags).items()
        for _ in range(_count(count) or 1)
    ]
    return StationRecord(
        row=row,
        station_id=feature.osm_id,
        lon_deg=feature.lon_deg,
        lat_deg=feature.lat_deg,
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
