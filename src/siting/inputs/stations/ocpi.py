"""OCPI Locations, versions 2.2.1 and 2.3.0, which differ in fields that are not needed here.

An EVSE serves one car at a time whatever its connectors, so it is one charge point, as strong as
its strongest connector. Enumerations are open: unknown values are read past.
"""

from __future__ import annotations

from typing import Annotated, Any

from siting.inputs.stations.records import (
    WATTS_PER_KW,
    ChargePoint,
    Current,
    Degrees,
    NonEmptyText,
    Number,
    OrEmpty,
    StationAccess,
    StationRecord,
    StationStatus,
    Text,
    WireModel,
    fit_charge_points,
)


class _Point(WireModel):
    latitude: Degrees
    longitude: Degrees


class _Business(WireModel):
    name: Text = ""


class _Connector(WireModel):
    power_type: Text = ""
    max_voltage: Number = None
    max_amperage: Number = None
    max_electric_power: Number = None


class _Evse(WireModel):
    status: Text = ""
    connectors: Annotated[tuple[_Connector, ...], OrEmpty] = ()
    parking_restrictions: Annotated[tuple[Text, ...], OrEmpty] = ()


class Location(WireModel):
    """One Location; ``siting`` holds the columns that siting wrote beside it."""

    country_code: Text = ""
    party_id: Text = ""
    id: NonEmptyText
    publish: bool = True
    name: Text = ""
    address: Text = ""
    coordinates: _Point
    evses: Annotated[tuple[_Evse, ...], OrEmpty] = ()
    operator: _Business | None = None
    suboperator: _Business | None = None
    owner: _Business | None = None
    siting: dict[str, Any] | None = None


LINE_TO_LINE_FROM_V = 300.0
"""OCPI asks for line-to-neutral voltage in AC_3_PHASE; above this a feed has given line-to-line."""

_PHASES = {"AC_2_PHASE": 2.0, "AC_2_PHASE_SPLIT": 2.0, "AC_3_PHASE": 3.0}
_OUT_OF_ORDER = frozenset({"INOPERATIVE", "OUTOFORDER", "UNKNOWN", ""})
_CLOSED_GROUPS = frozenset({"EMPLOYEES", "TAXIS", "TENANTS"})


def find_locations(content: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the Locations of a response, a list or a single object."""
    if isinstance(content, dict):
        inner = content.get("data", content)
        return inner if isinstance(inner, list) else [inner]
    return content if isinstance(content, list) else []


def build_record(row: int, location: Location) -> StationRecord:
    """Build the record of one Location."""
    evses = [
        evse
        for evse in location.evses
        if evse.status != "REMOVED" and set(evse.parking_restrictions) != {"MOTORCYCLES"}
    ]
    standing = [evse for evse in evses if evse.status != "PLANNED"]
    shown = standing or evses
    if not evses:
        status = StationStatus.CLOSED
    elif not standing:
        status = StationStatus.PLANNED
    elif all(evse.status in _OUT_OF_ORDER for evse in standing):
        status = StationStatus.UNKNOWN
    else:
        status = StationStatus.OPERATIONAL
    closed_group = bool(shown) and all(
        _CLOSED_GROUPS & set(evse.parking_restrictions) for evse in shown
    )
    own = location.siting
    return StationRecord(
        row=row,
        station_id="-".join(filter(None, (location.country_code, location.party_id, location.id))),
        lon_deg=location.coordinates.longitude,
        lat_deg=location.coordinates.latitude,
        charge_points=tuple(map(_charge_point, shown)),
        name=location.name or location.address,
        operator=location.operator.name if location.operator else "",
        network=location.suboperator.name if location.suboperator else "",
        owner=location.owner.name if location.owner else "",
        status=status,
        access=StationAccess.PRIVATE
        if closed_group or not location.publish
        else StationAccess.PUBLIC,
        own=own,
    )


def _charge_point(evse: _Evse) -> ChargePoint:
    """Return an EVSE as one charge point: it serves one car, by its strongest connector."""
    points = [ChargePoint(_power_kw(c), _current(c)) for c in evse.connectors]
    return fit_charge_points(points, 1)[0]


def _power_kw(connector: _Connector) -> float | None:
    if connector.max_electric_power is not None:
        return connector.max_electric_power / WATTS_PER_KW
    if connector.max_voltage is None or connector.max_amperage is None:
        return None
    phases = _PHASES.get(connector.power_type, 1.0)
    if connector.power_type == "AC_3_PHASE" and connector.max_voltage > LINE_TO_LINE_FROM_V:
        phases = 3.0**0.5
    return phases * connector.max_voltage * connector.max_amperage / WATTS_PER_KW


def _current(connector: _Connector) -> Current:
    kind = connector.power_type.partition("_")[0]
    return Current(kind) if kind in {"AC", "DC"} else Current.UNKNOWN
