"""T/CEC 102 StationInfo, China's interconnection standard; its coordinates are GCJ-02.

Known from implementers' code, not from the standard's text.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from siting.inputs.stations.records import (
    ChargePoint,
    Code,
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
)


class _Connector(WireModel):
    ConnectorType: Code = None
    Power: PowerKw = None


class _Equipment(WireModel):
    EquipmentType: Code = None
    Power: PowerKw = None
    ConnectorInfos: Annotated[tuple[_Connector, ...], OrEmpty] = ()


class StationInfo(WireModel):
    """One station."""

    StationID: NonEmptyText
    OperatorID: Text = ""
    EquipmentOwnerID: Text = ""
    StationName: Text = ""
    Address: Text = ""
    StationType: Code = None
    status_code: Code = Field(default=None, alias="StationStatus")
    StationLng: Degrees
    StationLat: Degrees
    EquipmentInfos: Annotated[tuple[_Equipment, ...], OrEmpty] = ()


_STATUS_OF_CODE = {
    1: StationStatus.PLANNED,  # being built
    5: StationStatus.CLOSED,
    50: StationStatus.OPERATIONAL,
}
"""T/CEC 102's StationStatus; 0 (unknown) and 6 (maintenance) are ``unknown``."""

_PUBLIC_TYPES = frozenset({1, 255})
_CONNECTOR_CURRENT = {1: Current.AC, 2: Current.AC, 3: Current.AC, 4: Current.DC}
_EQUIPMENT_CURRENT = {1: Current.DC, 2: Current.AC}
_PERSON = "999999999"
"""EquipmentOwnerID of equipment that belongs to a person."""


def find_station_infos(content: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    """Return the StationInfos of a response, a decrypted payload or a list."""
    if isinstance(content, dict):
        if isinstance(content.get("StationInfos"), list):
            return list(content["StationInfos"])
        inner = content.get("Data", [])
        if isinstance(inner, str):  # the decrypted payload is JSON text inside JSON
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                return []
        return find_station_infos(inner) if inner else [content] if "StationID" in content else []
    return content if isinstance(content, list) else []


def build_record(row: int, station: StationInfo) -> StationRecord:
    """Build the record of one StationInfo."""
    owner = station.EquipmentOwnerID
    return StationRecord(
        row=row,
        station_id="-".join(filter(None, (station.OperatorID, station.StationID))),
        lon_deg=station.StationLng,
        lat_deg=station.StationLat,
        charge_points=tuple(
            point for equipment in station.EquipmentInfos for point in _charge_points(equipment)
        ),
        name=station.StationName or station.Address,
        operator=station.OperatorID,
        owner="" if owner == _PERSON else owner,
        status=_STATUS_OF_CODE.get(station.status_code or 0, StationStatus.UNKNOWN),
        access=StationAccess.PUBLIC
        if station.StationType is None or station.StationType in _PUBLIC_TYPES
        else StationAccess.PRIVATE,
    )


def _charge_points(equipment: _Equipment) -> list[ChargePoint]:
    """Return a pile's guns; together they never give more than the pile has.

    A pile of 120 kW with two guns of 120 kW each counts as two charge points of 60 kW.
    """
    own_current = _EQUIPMENT_CURRENT.get(equipment.EquipmentType or 0, Current.UNKNOWN)
    guns = equipment.ConnectorInfos
    if not guns:
        return [ChargePoint(equipment.Power, own_current)]
    each = None if equipment.Power is None else equipment.Power / len(guns)
    rated = [gun.Power or each for gun in guns]
    total = sum(power or 0.0 for power in rated)
    share = min(1.0, equipment.Power / total) if equipment.Power and total else 1.0
    return [
        ChargePoint(
            None if power is None else power * share,
            _CONNECTOR_CURRENT.get(gun.ConnectorType or 0, own_current),
        )
        for gun, power in zip(guns, rated, strict=True)
    ]
