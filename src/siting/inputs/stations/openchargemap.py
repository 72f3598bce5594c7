"""OpenChargeMap POIs, as its API gives them (names in PascalCase).

A POI lists plugs; where it also tells its number of points, that many cars charge at a time.
"""

from __future__ import annotations

from typing import Annotated, Any

from siting.inputs.stations.records import (
    STANDING,
    ChargePoint,
    Code,
    Count,
    Current,
    Degrees,
    NonEmptyText,
    OrEmpty,
    PowerKw,
    StationAccess,
    StationRecord,
    StationStatus,
    Text,
    WireModel,
    fit_charge_points,
)


class _Address(WireModel):
    Title: Text = ""
    AddressLine1: Text = ""
    Latitude: Degrees
    Longitude: Degrees


class _Named(WireModel):
    Title: Text = ""


class _Connection(WireModel):
    StatusTypeID: Code = None
    CurrentTypeID: Code = None
    LevelID: Code = None
    PowerKW: PowerKw = None
    Quantity: Count = None


class Poi(WireModel):
    """One point of interest."""

    ID: NonEmptyText
    UsageTypeID: Code = None
    StatusTypeID: Code = None
    NumberOfPoints: Count = None
    OperatorInfo: _Named | None = None
    AddressInfo: _Address
    Connections: Annotated[tuple[_Connection, ...], OrEmpty] = ()


_STATUS_OF_ID = {
    0: StationStatus.UNKNOWN,
    30: StationStatus.UNKNOWN,  # temporarily unavailable
    100: StationStatus.CLOSED,  # not operational
    150: StationStatus.PLANNED,
    200: StationStatus.CLOSED,  # decommissioned
    210: StationStatus.CLOSED,  # duplicate listing
}
"""OpenChargeMap's StatusTypeID; all others (10, 20, 50, 75 …) mean that at least a part works."""

_PRIVATE_USAGE = frozenset({2, 3, 6})
_CURRENT = {10: Current.AC, 20: Current.AC, 30: Current.DC}
_FAST_LEVEL = 3
_UNKNOWN_OPERATOR = "(Unknown Operator)"


def find_pois(content: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the POIs of a response or a list."""
    if isinstance(content, dict):
        inner = content.get("data", [content] if "AddressInfo" in content else [])
        return inner if isinstance(inner, list) else []
    return content if isinstance(content, list) else []


def build_record(row: int, poi: Poi) -> StationRecord:
    """Build the record of one POI."""
    points = [
        ChargePoint(connection.PowerKW, _current(connection))
        for connection in poi.Connections
        if _status(connection.StatusTypeID) in STANDING
        for _ in range(connection.Quantity or 1)
    ]
    operator = poi.OperatorInfo.Title if poi.OperatorInfo else ""
    return StationRecord(
        row=row,
        station_id=poi.ID,
        lon_deg=poi.AddressInfo.Longitude,
        lat_deg=poi.AddressInfo.Latitude,
        charge_points=fit_charge_points(points, poi.NumberOfPoints),
        name=poi.AddressInfo.Title or poi.AddressInfo.AddressLine1,
        operator="" if operator == _UNKNOWN_OPERATOR else operator,
        status=_status(poi.StatusTypeID),
        access=StationAccess.PRIVATE if poi.UsageTypeID in _PRIVATE_USAGE else StationAccess.PUBLIC,
    )


def _current(connection: _Connection) -> Current:
    if connection.LevelID == _FAST_LEVEL:
        return Current.DC
    return _CURRENT.get(connection.CurrentTypeID or 0, Current.UNKNOWN)


def _status(status_type_id: int | None) -> StationStatus:
    if status_type_id is None:
        return StationStatus.UNKNOWN
    return _STATUS_OF_ID.get(status_type_id, StationStatus.OPERATIONAL)
