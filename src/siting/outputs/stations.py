"""The merged charging map, written as OCPI, GeoJSON or CSV."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import shapely

from siting.errors import Fault, OutputError
from siting.inputs.stations import (
    COLUMNS,
    StationAccess,
    StationStatus,
    parse_connector_powers,
)
from siting.outputs.files import render_csv
from siting.storage import write_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import geopandas as gpd

DEGREE_DIGITS = 7
OCPI_DEGREE_DIGITS = 6
OCPI_ID_CHARS = 36
OCPI_NAME_CHARS = 255
OCPI_ADDRESS_CHARS = 45
OCPI_BUSINESS_CHARS = 100
SINGLE_PHASE_UPTO_KW = 7.4
AC_UPTO_KW = 43.0
AC_VOLTAGE_V = 230
DC_VOLTAGE_V = 1000
WATTS_PER_KW = 1000.0

_OWN_COLUMNS = (
    "station_id",
    "name_zh",
    "owner_brand",
    "open_to",
    "available_share",
    "source",
    "source_ids",
    "illustrative",
)
_EVSE_STATUS = {
    StationStatus.OPERATIONAL: "AVAILABLE",
    StationStatus.PLANNED: "PLANNED",
    StationStatus.CLOSED: "REMOVED",
    StationStatus.UNKNOWN: "UNKNOWN",
}


@dataclass(frozen=True, kw_only=True)
class OcpiParty:
    """In whose name an OCPI file is written, and what OCPI asks for that a station table lacks.

    Attributes
    ----------
    country_code, party_id
        The party's codes (ISO 3166-1 alpha-2, and three letters).
    country, city, time_zone
        Where the stations are: ISO 3166-1 alpha-3, a name, and an IANA time zone.
    ac_standard, dc_standard
        Connector standards written for AC and DC.
    updated
        Written as ``last_updated``; the time of writing if it is not given. Give it for files
        that are the same byte by byte.
    """

    country_code: str = "CN"
    party_id: str = "STG"
    country: str = "CHN"
    city: str = "-"
    time_zone: str = "Asia/Shanghai"
    ac_standard: str = "GBT_AC"
    dc_standard: str = "GBT_DC"
    updated: datetime | None = None


def write_stations(frame: gpd.GeoDataFrame, path: Path, *, party: OcpiParty | None = None) -> None:
    """Write stations by the file's suffix, completely or not at all.

    Parameters
    ----------
    frame
        A station table's frame (WGS-84).
    path
        ``.csv``, ``.geojson`` or ``.json`` (OCPI 2.2.1 Locations).
    party
        In whose name OCPI is written.

    Raises
    ------
    OutputError
        If the suffix is none of these, or the file cannot be written.
    """
    renderers: dict[str, Callable[[], bytes]] = {
        ".csv": lambda: render_stations_csv(frame),
        ".geojson": lambda: render_stations_geojson(frame),
        ".json": lambda: render_stations_ocpi(frame, party=party or OcpiParty()),
    }
    render = renderers.get(path.suffix.lower())
    if render is None:
        raise OutputError(
            [
                Fault(
                    file=path.name,
                    what=f"has a suffix that stations are not written to: {path.suffix or 'none'}",
                    remedy="name a .csv, a .geojson or a .json (OCPI) file",
                )
            ]
        )
    write_file(path, render())


def render_stations_csv(frame: gpd.GeoDataFrame) -> bytes:
    """Return stations as CSV that opens in Excel with Chinese intact and runs no formula."""
    return render_csv(_flat(frame))


def render_stations_geojson(frame: gpd.GeoDataFrame) -> bytes:
    """Return stations as GeoJSON: one Point a station, WGS-84, all columns as properties."""
    features = [
        {
            "type": "Feature",
            "id": row["station_id"],
            "geometry": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
            "properties": {
                name: value for name, value in row.items() if name not in ("longitude", "latitude")
            },
        }
        for row in _flat(frame).to_dict(orient="records")
    ]
    return _json_bytes({"type": "FeatureCollection", "name": "stations", "features": features})


def render_stations_ocpi(frame: gpd.GeoDataFrame, *, party: OcpiParty) -> bytes:
    """Return stations as a JSON array of OCPI 2.2.1 Locations.

    OCPI asks for voltage and current: those written are nominal, the figure is
    ``max_electric_power``. What OCPI has no field for (brands, sources) stands in an object
    ``siting`` of each Location, which :func:`~siting.inputs.stations.read_stations` reads again.
    """
    updated = (party.updated or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    rows = _flat(frame).to_dict(orient="records")
    return _json_bytes([_ocpi_location(row, party=party, updated=updated) for row in rows])


def _flat(frame: gpd.GeoDataFrame) -> pd.DataFrame:
    """Return the frame's columns with longitude and latitude in the geometry's stead."""
    table = pd.DataFrame({name: frame[name] for name in COLUMNS if name != "geometry"})
    points = frame.geometry.to_numpy()
    return table.assign(
        longitude=shapely.get_x(points).round(DEGREE_DIGITS),
        latitude=shapely.get_y(points).round(DEGREE_DIGITS),
    )


def _json_bytes(content: Any) -> bytes:  # noqa: ANN401 - any JSON
    return (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _ocpi_location(row: dict[Any, Any], *, party: OcpiParty, updated: str) -> dict[str, Any]:
    name = row["name"] or row["name_zh"]
    powers_kw = parse_connector_powers(row["connector_powers_kw"]) or (
        [row["power_kw"]] * row["connectors"]
    )
    businesses = {
        "operator": row["operator"],
        "suboperator": row["network"],
        "owner": row["owner"],
    }
    return {
        "country_code": party.country_code,
        "party_id": party.party_id,
        "id": _ocpi_id(row["station_id"]),
        "publish": row["access"] == StationAccess.PUBLIC,
        "name": name[:OCPI_NAME_CHARS],
        "address": name[:OCPI_ADDRESS_CHARS] or "-",
        "city": party.city,
        "country": party.country,
        "coordinates": {
            "latitude": f"{row['latitude']:.{OCPI_DEGREE_DIGITS}f}",
            "longitude": f"{row['longitude']:.{OCPI_DEGREE_DIGITS}f}",
        },
        "evses": [
            {
                "uid": _ocpi_id(f"{row['station_id']}-{number}"),
                "status": _EVSE_STATUS[StationStatus(row["status"])],
                "connectors": [_ocpi_connector(power_kw, party=party, updated=updated)],
                "last_updated": updated,
            }
            for number, power_kw in enumerate(powers_kw, start=1)
        ],
        **{
            role: {"name": title[:OCPI_BUSINESS_CHARS]}
            for role, title in businesses.items()
            if title
        },
        "time_zone": party.time_zone,
        "last_updated": updated,
        "siting": {name: row[name] for name in _OWN_COLUMNS},
    }


def _ocpi_connector(power_kw: float, *, party: OcpiParty, updated: str) -> dict[str, Any]:
    is_dc = power_kw > AC_UPTO_KW
    single = power_kw <= SINGLE_PHASE_UPTO_KW
    voltage_v = DC_VOLTAGE_V if is_dc else AC_VOLTAGE_V
    phases = 1 if is_dc or single else 3
    return {
        "id": "1",
        "standard": party.dc_standard if is_dc else party.ac_standard,
        "format": "CABLE",
        "power_type": "DC" if is_dc else "AC_1_PHASE" if single else "AC_3_PHASE",
        "max_voltage": voltage_v,
        "max_amperage": math.ceil(power_kw * WATTS_PER_KW / (voltage_v * phases)),
        "max_electric_power": round(power_kw * WATTS_PER_KW),
        "last_updated": updated,
    }


def _ocpi_id(text: str) -> str:
    """Return an id as OCPI allows it: at most 36 printable ASCII characters; else its hash."""
    if len(text) <= OCPI_ID_CHARS and text.isascii() and text.isprintable():
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:OCPI_ID_CHARS]
