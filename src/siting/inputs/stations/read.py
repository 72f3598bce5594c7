"""Reading stations: any format into one table in WGS-84, whose columns are always all there."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from siting.errors import Fault, InputError
from siting.inputs.stations import ocpi, openchargemap, tcec102
from siting.inputs.stations.afdc import is_afdc_table, parse_afdc
from siting.inputs.stations.feed import build_feed_stations
from siting.inputs.stations.frame import StationTable, find_suspicious_places
from siting.inputs.stations.osm import is_osm_table, parse_osm_table, read_osm
from siting.inputs.stations.records import (
    MAX_NOTICES,
    StationFeed,
    StationRecord,
    WireModel,
    parse_objects,
    refusal,
)
from siting.inputs.stations.table import read_table_stations
from siting.inputs.tables import MAX_TEXT_BYTES, decode_text, parse_json, read_table
from siting.study import StationFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from siting.inputs.tables import Table
    from siting.study import Brand, Stations


def read_stations(spec: Stations, *, brands: Sequence[Brand] = ()) -> StationTable:
    """Read the stations of one file, whatever its format.

    Parameters
    ----------
    spec
        The file, its format and datum, renames and defaults.
    brands
        The alliance's brands. Stations whose owner, operator or network bears exactly a brand's
        name become that brand's, with a notice; and brand ids are checked.

    Returns
    -------
    StationTable

    Raises
    ------
    InputError
        With every fault. What a planner can correct in a table of their own is a fault; what
        nobody can correct in a public feed is left out with a notice.
    """
    opened = _open(spec)
    if isinstance(opened, StationFeed):
        table = build_feed_stations(opened, spec)
    else:
        table = read_table_stations(opened, spec)
    frame, notices = _find_brands(table.frame, brands, file=spec.path.name)
    suspicious = find_suspicious_places(frame, file=spec.path.name)
    return StationTable(frame=frame, notices=(*table.notices, *notices, *suspicious))


def _open(spec: Stations) -> StationFeed | Table:
    """Open the file in the format that the study names, or else in the one it bears."""
    asked, path = spec.format, spec.path
    auto, suffix = asked is StationFormat.AUTO, path.suffix.lower()
    is_json = suffix in {".json", ".geojson"}
    if (auto and suffix in {".osm", ".pbf"}) or (asked is StationFormat.OSM and not is_json):
        return read_osm(path)
    if asked in _JSON_FEEDS or (auto and suffix == ".json"):
        content, notices = _read_json(path)
        kind = _find_json_feed(content) if auto else asked
        if kind is not None:
            return _parse_json_feed(content, kind, file=path.name, notices=notices)
    table = read_table(path)
    if asked is StationFormat.AFDC or (auto and is_afdc_table(table)):
        return parse_afdc(table)
    if asked is StationFormat.OSM or (auto and is_osm_table(table)):
        return parse_osm_table(table)
    return table


@dataclass(frozen=True, kw_only=True)
class _JsonFeed:
    """Where a format's objects are, the fields that it alone has, their form, their record."""

    find_objects: Callable[[Any], list[Any]]
    fields: frozenset[str]
    model: type[WireModel]
    build_record: Callable[[int, Any], StationRecord]


_JSON_FEEDS: Mapping[StationFormat, _JsonFeed] = {
    StationFormat.OCPI: _JsonFeed(
        find_objects=ocpi.find_locations,
        fields=frozenset({"coordinates", "party_id"}),
        model=ocpi.Location,
        build_record=ocpi.build_record,
    ),
    StationFormat.OPENCHARGEMAP: _JsonFeed(
        find_objects=openchargemap.find_pois,
        fields=frozenset({"AddressInfo"}),
        model=openchargemap.Poi,
        build_record=openchargemap.build_record,
    ),
    StationFormat.TCEC102: _JsonFeed(
        find_objects=tcec102.find_station_infos,
        fields=frozenset({"StationID", "StationLng"}),
        model=tcec102.StationInfo,
        build_record=tcec102.build_record,
    ),
}


def _find_json_feed(content: Any) -> StationFormat | None:  # noqa: ANN401 - any JSON
    """Return the feed format whose fields the content has; None for GeoJSON and the unknown."""
    for kind, feed in _JSON_FEEDS.items():
        first = next((item for item in feed.find_objects(content) if isinstance(item, dict)), None)
        if first is not None and feed.fields <= first.keys():
            return kind
    return None


def _parse_json_feed(
    content: Any,  # noqa: ANN401 - any JSON
    kind: StationFormat,
    *,
    file: str,
    notices: Sequence[Fault],
) -> StationFeed:
    feed = _JSON_FEEDS[kind]
    objects = list(enumerate(feed.find_objects(content), start=1))
    parsed, left_out = parse_objects(feed.model, objects, kind=kind, file=file)
    records = tuple(feed.build_record(row, item) for row, item in parsed)
    return StationFeed(file=file, format=kind, records=records, notices=(*notices, *left_out))


def _read_json(path: Path) -> tuple[Any, list[Fault]]:
    file = path.name
    try:
        if not path.is_file():
            raise refusal(file, "does not exist or is no file", "correct the path")
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise refusal(file, f"is larger than {MAX_TEXT_BYTES:,} bytes", "split the file")
        raw = path.read_bytes()
    except OSError as error:
        raise refusal(file, f"cannot be read: {error.strerror}", "make it readable") from None
    text, notices = decode_text(raw, file=file)
    content, escaped = parse_json(text, file=file)
    return content, [*notices, *escaped]


def _find_brands(
    frame: Any,  # noqa: ANN401 - a GeoDataFrame
    brands: Sequence[Brand],
    *,
    file: str,
) -> tuple[Any, list[Fault]]:
    """Check brand ids, and find the brands that own stations by their exact name."""
    frame = frame.assign(
        open_to=pd.Series(map(_brand_list, frame["open_to"]), index=frame.index, dtype="str")
    )
    if not brands:
        return frame, []
    ids = {brand.id for brand in brands}
    faults = [
        Fault(
            file=file,
            column=column,
            value=value,
            what=f"station {station_id} names a brand that the study does not have",
            remedy=f"give some of {', '.join(sorted(ids))}, or leave it empty",
        )
        for column in ("owner_brand", "open_to")
        for station_id, value in zip(frame["station_id"], frame[column], strict=True)
        if set(filter(None, value.split(";"))) - ids
    ]
    if faults:
        raise InputError(faults[:MAX_NOTICES])
    id_of_name = {
        _plain(name): brand.id
        for brand in brands
        for name in (brand.id, brand.name, brand.name_zh)
        if name
    }
    owners = [
        given or next((id_of_name[name] for name in map(_plain, names) if name in id_of_name), "")
        for given, *names in zip(
            *(frame[name] for name in ("owner_brand", "owner", "operator", "network")), strict=True
        )
    ]
    found = Counter(
        owner for owner, given in zip(owners, frame["owner_brand"], strict=True) if owner != given
    )
    notices = [
        Fault(
            file=file,
            column="owner_brand",
            value=brand,
            what=f"{count:,} stations bear the brand's name as owner, operator or network",
            remedy="nothing, if they are the brand's own; else give owner_brand in the file",
        )
        for brand, count in sorted(found.items())
    ]
    return frame.assign(owner_brand=pd.Series(owners, index=frame.index, dtype="str")), notices


def _brand_list(text: str) -> str:
    parts = (part.strip() for part in re.split(r"[;；,，]", text))
    return ";".join(dict.fromkeys(filter(None, parts)))


def _plain(name: str) -> str:
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())
