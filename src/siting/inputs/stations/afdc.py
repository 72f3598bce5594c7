"""AFDC's station export (CSV) of the US Department of Energy: one row a station or a unit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from siting.errors import Fault
from siting.inputs.stations.records import (
    ChargePoint,
    Count,
    Current,
    Degrees,
    NonEmptyText,
    PowerKw,
    StationAccess,
    StationFeed,
    StationRecord,
    StationStatus,
    Text,
    WireModel,
    parse_objects,
)
from siting.study import StationFormat

if TYPE_CHECKING:
    from siting.inputs.tables import Table


def is_afdc_table(table: Table) -> bool:
    """Whether a table has the header of AFDC's station export."""
    return {"Fuel Type Code", "EV Level2 EVSE Num", "Latitude"} <= set(table.frame.columns)


def parse_afdc(table: Table) -> StationFeed:
    """Parse AFDC's station export, one row a station or one row a charging unit.

    Other fuels than ``ELEC`` are left out and counted.
    """
    rows = [
        (int(number), row)
        for number, row in zip(
            table.frame.index, table.frame.to_dict(orient="records"), strict=True
        )
    ]
    electric = [(number, row) for number, row in rows if row["Fuel Type Code"] == "ELEC"]
    parsed, notices = parse_objects(_Row, electric, kind=StationFormat.AFDC, file=table.file)
    by_id: dict[str, StationRecord] = {}
    for number, row in parsed:
        record = _build_record(number, row)
        known = by_id.get(record.station_id)
        if known is not None:
            record = replace(known, charge_points=known.charge_points + record.charge_points)
        by_id[record.station_id] = record
    if len(electric) < len(rows):
        what = f"{len(rows) - len(electric):,} rows are of other fuels; left out"
        notices.append(Fault(file=table.file, what=what, remedy="nothing, if that is meant"))
    return StationFeed(
        file=table.file,
        format=StationFormat.AFDC,
        records=tuple(by_id.values()),
        notices=(*table.notices, *notices),
    )


class _Row(WireModel):
    id: NonEmptyText = Field(alias="ID")
    name: Text = Field(default="", alias="Station Name")
    status: Text = Field(default="E", alias="Status Code")
    access: Text = Field(default="", alias="Access Code")
    groups: Text = Field(default="", alias="Groups With Access Code")
    network: Text = Field(default="", alias="EV Network")
    lat_deg: Degrees = Field(alias="Latitude")
    lon_deg: Degrees = Field(alias="Longitude")
    level1: Count = Field(default=None, alias="EV Level1 EVSE Num")
    level2: Count = Field(default=None, alias="EV Level2 EVSE Num")
    dc_fast: Count = Field(default=None, alias="EV DC Fast Count")
    j1772_kw: PowerKw = Field(default=None, alias="EV J1772 Power Output (kW)")
    ccs_kw: PowerKw = Field(default=None, alias="EV CCS Power Output (kW)")
    chademo_kw: PowerKw = Field(default=None, alias="EV CHAdeMO Power Output (kW)")
    j3400_kw: PowerKw = Field(default=None, alias="EV J3400 Power Output (kW)")
    j3271_kw: PowerKw = Field(default=None, alias="EV J3271 Power Output (kW)")


LEVEL1_KW = 1.4
"""Level 1 is a household outlet: 120 V × 12 A."""

_STATUS_OF_CODE = {
    "E": StationStatus.OPERATIONAL,
    "P": StationStatus.PLANNED,
    "T": StationStatus.UNKNOWN,
}


def _build_record(row: int, item: _Row) -> StationRecord:
    dc_kw = max(
        (kw for kw in (item.ccs_kw, item.chademo_kw, item.j3400_kw, item.j3271_kw) if kw),
        default=None,
    )
    private = "private" in (item.access or item.groups).lower()
    return StationRecord(
        row=row,
        station_id=item.id,
        lon_deg=item.lon_deg,
        lat_deg=item.lat_deg,
        charge_points=(
            *[ChargePoint(dc_kw, Current.DC)] * (item.dc_fast or 0),
            *[ChargePoint(item.j1772_kw, Current.AC)] * (item.level2 or 0),
            *[ChargePoint(LEVEL1_KW, Current.AC)] * (item.level1 or 0),
        ),
        name=item.name,
        network="" if item.network == "Non-Networked" else item.network,
        status=_STATUS_OF_CODE.get(item.status.upper(), StationStatus.UNKNOWN),
        access=StationAccess.PRIVATE if private else StationAccess.PUBLIC,
    )
