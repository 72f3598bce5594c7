"""From a feed's records to the station table: what cannot be used is left out, with a notice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.domain import Datum
from siting.errors import Fault, InputError
from siting.inputs.contracts import (
    MAX_CONNECTOR_KW,
    MAX_TEXT_CHARS,
    STATIONS_SCHEMA,
    validate_frame,
)
from siting.inputs.datum import to_wgs84
from siting.inputs.geometry import MAX_LAT_DEG, MAX_LON_DEG
from siting.inputs.stations.frame import (
    COLUMNS,
    TEXT_COLUMNS,
    StationTable,
    build_feed_label,
    build_frame,
    build_source_id,
    find_swapped,
    format_connector_powers,
)
from siting.inputs.stations.records import (
    MAX_NOTICES,
    STANDING,
    ChargePoint,
    Current,
    StationFeed,
    StationRecord,
)
from siting.inputs.stations.table import check_defaults
from siting.inputs.tables import Table
from siting.study import StationFormat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.domain import FloatArray
    from siting.study import Stations

ASSUMED_CONNECTORS = 1
ASSUMED_POWER_KW = {Current.DC: 60.0, Current.AC: 7.0, Current.UNKNOWN: 7.0}
"""Power of a charge point where a feed gives none and the study has no default: the usual slow AC
pile and the weakest usual DC pile in China, so that no capacity is invented."""

_FORMAT_DATUM = {StationFormat.TCEC102: Datum.GCJ02}
"""The datum that a format's own text lays down, where it is not WGS-84."""

_CJK = re.compile(r"[\u3400-\u9fff]")


def build_feed_stations(feed: StationFeed, spec: Stations) -> StationTable:
    """Build the station table from a feed's records.

    Parameters
    ----------
    feed
        The records, in the feed's own datum.
    spec
        Defaults for what the feed lacks; a datum only if it is not the format's own.

    Raises
    ------
    InputError
        Where the study asks what a feed cannot give, or no station has a usable place.
    """
    faults = check_defaults(spec)
    if spec.columns:
        what = f"renames are for tables, not for a feed in the form of {feed.format}"
        faults.append(Fault(file=feed.file, column="columns", what=what, remedy="remove them"))
    defaults, number_faults = _parse_defaults(spec)
    if faults or number_faults:
        raise InputError([*faults, *number_faults])
    own_datum = _FORMAT_DATUM.get(feed.format, Datum.WGS84)
    datum = spec.datum if "datum" in spec.model_fields_set else own_datum
    notices = list(feed.notices)
    if datum is not own_datum:
        what = f"is declared {datum}, but a feed in the form of {feed.format} is {own_datum}"
        remedy = "ask where the file comes from"
        notices.append(Fault(file=feed.file, column="datum", what=what, remedy=remedy))
    records, repeated = _keep_first(feed.records, file=feed.file)
    records, lon, lat, misplaced = _keep_placed(records, datum=datum, file=feed.file)
    powers = [_powers_kw(record, defaults) for record in records]
    columns = _columns(records, powers, spec=spec, defaults=defaults)
    frame = build_frame(columns, lon, lat)
    faults = validate_frame(
        pd.DataFrame(frame.drop(columns="geometry")).astype({"connectors": np.float64}),
        STATIONS_SCHEMA,
        table=Table(file=feed.file, frame=frame),
    )
    if faults:
        raise InputError(faults)
    assumed = _count_assumed(records, defaults, file=feed.file)
    return StationTable(frame=frame, notices=(*notices, *repeated, *misplaced, *assumed))


@dataclass(frozen=True, kw_only=True)
class _Defaults:
    connectors: int | None
    power_kw: float | None
    available_share: float


def _parse_defaults(spec: Stations) -> tuple[_Defaults, list[Fault]]:
    limits = {"connectors": 1_000.0, "power_kw": MAX_CONNECTOR_KW, "available_share": 1.0}
    values: dict[str, float | None] = {}
    faults = []
    for name, most in limits.items():
        raw = spec.defaults.get(name)
        try:
            value = None if raw is None else float(raw)
        except ValueError:
            value = np.nan
        values[name] = value
        if value is not None and not 0 <= value <= most:
            faults.append(
                Fault(
                    file=spec.path.name,
                    column=f"defaults.{name}",
                    value=str(raw),
                    what=f"is no number from 0 to {most:g}",
                    remedy="correct it in the study",
                )
            )
    count, share = values["connectors"], values["available_share"]
    return _Defaults(
        connectors=None if count is None or faults else int(count),
        power_kw=values["power_kw"],
        available_share=1.0 if share is None else share,
    ), faults


def _keep_first(
    records: Sequence[StationRecord], *, file: str
) -> tuple[list[StationRecord], list[Fault]]:
    first: dict[str, StationRecord] = {}
    for record in records:
        first.setdefault(record.station_id, record)
    n_repeated = len(records) - len(first)
    what = f"{n_repeated:,} objects repeat an id; the first of each was kept"
    notice = Fault(file=file, what=what, remedy="nothing, or ask the source")
    return list(first.values()), [notice] if n_repeated else []


def _keep_placed(
    records: Sequence[StationRecord], *, datum: Datum, file: str
) -> tuple[list[StationRecord], FloatArray, FloatArray, list[Fault]]:
    """Leave out stations without a usable place; return the rest in WGS-84."""
    lon = np.array([record.lon_deg for record in records], dtype=np.float64)
    lat = np.array([record.lat_deg for record in records], dtype=np.float64)
    outside = (np.abs(lon) > MAX_LON_DEG) | (np.abs(lat) > MAX_LAT_DEG)
    nowhere = (lon == 0) & (lat == 0)
    swapped = np.zeros(lon.size, dtype=bool)
    inside = ~outside & ~nowhere
    swapped[inside] = find_swapped(lon[inside], lat[inside])
    bad = outside | nowhere | swapped
    why = np.select(
        [nowhere, swapped],
        ["lies at 0, 0, which stands for an unknown place", "looks swapped beside the others"],
        default="lies outside longitude ±180, latitude ±90",
    )
    notices = [
        Fault(
            file=file,
            row=records[i].row,
            column="coordinates",
            value=f"{lon[i]:.6g}, {lat[i]:.6g}",
            what=f"{why[i]}; station {records[i].station_id} was left out",
            remedy="correct it at its source",
        )
        for i in np.flatnonzero(bad)[:MAX_NOTICES]
    ]
    if bad.sum() > MAX_NOTICES:
        what = f"{int(bad.sum()) - MAX_NOTICES:,} more stations have no usable place; left out"
        notices.append(Fault(file=file, what=what, remedy="correct them at their source"))
    if bad.all() and bad.size:
        raise InputError(notices)
    kept = [record for record, is_bad in zip(records, bad, strict=True) if not is_bad]
    lon, lat = to_wgs84(lon[~bad], lat[~bad], datum)
    return kept, lon, lat, notices


def _powers_kw(record: StationRecord, defaults: _Defaults) -> list[float]:
    """Return the power of each charge point; where the feed tells none, the default's."""
    points = record.charge_points
    if not points and record.status in STANDING:
        count = ASSUMED_CONNECTORS if defaults.connectors is None else defaults.connectors
        points = (ChargePoint(None),) * count
    return [
        point.power_kw
        if _has_power(point) and point.power_kw is not None
        else defaults.power_kw or ASSUMED_POWER_KW[point.current]
        for point in points
    ]


def _has_power(point: ChargePoint) -> bool:
    return point.power_kw is not None and point.power_kw <= MAX_CONNECTOR_KW


def _count_assumed(
    records: Sequence[StationRecord], defaults: _Defaults, *, file: str
) -> list[Fault]:
    standing = [record for record in records if record.status in STANDING]
    no_count = sum(not record.charge_points for record in standing)
    no_power = sum(
        not record.charge_points or not all(map(_has_power, record.charge_points))
        for record in standing
    )
    notices = []
    if no_count and defaults.connectors is None:
        what = (
            f"{no_count:,} of {len(standing):,} standing stations do not tell their connectors; "
            f"{ASSUMED_CONNECTORS} each was assumed"
        )
        remedy = "give a better number under `defaults`, such as `connectors: 4`"
        notices.append(Fault(file=file, column="connectors", what=what, remedy=remedy))
    if no_power and defaults.power_kw is None:
        what = (
            f"{no_power:,} of {len(standing):,} standing stations do not tell all their powers; "
            f"{ASSUMED_POWER_KW[Current.DC]:g} kW was assumed for DC, "
            f"{ASSUMED_POWER_KW[Current.AC]:g} kW for all else"
        )
        remedy = "give a better value under `defaults`, such as `power_kw: 60`"
        notices.append(Fault(file=file, column="power_kw", what=what, remedy=remedy))
    return notices


def _columns(
    records: Sequence[StationRecord],
    powers: Sequence[Sequence[float]],
    *,
    spec: Stations,
    defaults: _Defaults,
) -> dict[str, Any]:
    label = build_feed_label(spec.path)
    rows = [
        _row(record, powers_kw, label=label, source=spec.source or label, defaults=defaults)
        for record, powers_kw in zip(records, powers, strict=True)
    ]
    columns = {name: [row[name] for row in rows] for name in COLUMNS if name != "geometry"}
    for name, value in spec.defaults.items():
        if name in TEXT_COLUMNS:
            columns[name] = [text or str(value) for text in columns[name]]
    columns["illustrative"] = [made or spec.illustrative for made in columns["illustrative"]]
    return columns


def _row(
    record: StationRecord,
    powers_kw: Sequence[float],
    *,
    label: str,
    source: str,
    defaults: _Defaults,
) -> Mapping[str, Any]:
    own = record.own or {}
    name_zh = record.name_zh or (record.name if _CJK.search(record.name) else "")
    share = own.get("available_share")
    knows_powers = bool(record.charge_points) and all(map(_has_power, record.charge_points))
    return {
        "station_id": str(own.get("station_id") or record.station_id),
        "name": (record.name_en or record.name or name_zh)[:MAX_TEXT_CHARS],
        "name_zh": name_zh[:MAX_TEXT_CHARS],
        "operator": record.operator[:MAX_TEXT_CHARS],
        "network": record.network[:MAX_TEXT_CHARS],
        "owner": record.owner[:MAX_TEXT_CHARS],
        "owner_brand": str(own.get("owner_brand") or ""),
        "access": record.access.value,
        "status": record.status.value,
        "connectors": len(powers_kw),
        "power_kw": float(np.mean(powers_kw)) if powers_kw else ASSUMED_POWER_KW[Current.UNKNOWN],
        "connector_powers_kw": format_connector_powers(powers_kw) if knows_powers else "",
        "available_share": float(share)
        if isinstance(share, int | float)
        else defaults.available_share,
        "open_to": str(own.get("open_to") or ""),
        "source": str(own.get("source") or source),
        "source_ids": str(own.get("source_ids") or build_source_id(label, record.station_id)),
        "illustrative": own.get("illustrative") is True,
    }
