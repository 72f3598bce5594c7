"""The one table that all stations end in, and what makes a place in it suspicious."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from siting.domain import WGS84_EPSG
from siting.errors import Fault
from siting.inputs.geometry import lon_lat_of
from siting.inputs.stations.records import MAX_CHARGE_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from siting.domain import BoolArray, FloatArray

TEXT_COLUMNS = (
    "station_id",
    "name",
    "name_zh",
    "operator",
    "network",
    "owner",
    "owner_brand",
    "access",
    "status",
    "connector_powers_kw",
    "open_to",
    "source",
    "source_ids",
)
NUMBER_COLUMNS = ("connectors", "power_kw", "available_share")
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS, "illustrative", "geometry")
"""The columns of every station table; see docs/stations.md."""

SHOWN_IDS = 5
FAR_FROM_OTHERS_M = 300_000.0
FAR_FROM_OTHERS_FACTOR = 10.0
MIN_ROWS_WITH_A_MIDDLE = 3
METRES_PER_DEG = 111_195.0
_POWERS = re.compile(r"([0-9]{1,4})\s*[x×*]\s*([0-9]{1,5}(?:\.[0-9]{1,6})?)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, eq=False)
class StationTable:
    """Stations in WGS-84, from one file.

    Attributes
    ----------
    frame
        GeoDataFrame of points in EPSG:4326 with exactly ``COLUMNS``: ``station_id`` (unique),
        ``name``, ``name_zh``, ``operator``, ``network``, ``owner`` (str), ``owner_brand`` (brand
        id, or ``""``), ``access`` (see :class:`~siting.inputs.stations.StationAccess`), ``status``
        (see :class:`~siting.inputs.stations.StationStatus`; only ``STANDING`` counts as standing),
        ``connector_powers_kw`` (such as ``4x120;2x60`` where it is known by connector),
        ``open_to`` (brand ids joined by ``;``, ``""`` for everybody), ``source``, ``source_ids``
        (``feed:id`` joined by ``;``), ``connectors`` (int, cars that charge at a time),
        ``power_kw`` (float, mean of a connector), ``available_share`` (float in [0, 1], share of
        the capacity that the alliance's drivers can count on), ``illustrative`` (bool).
    notices
        What was doubtful, assumed or left out.
    """

    frame: gpd.GeoDataFrame
    notices: tuple[Fault, ...] = ()


def build_frame(
    columns: Mapping[str, Any], lon_deg: FloatArray, lat_deg: FloatArray
) -> gpd.GeoDataFrame:
    """Build the frame of a station table.

    Parameters
    ----------
    columns
        All ``COLUMNS`` but the geometry, each (n_station,).
    lon_deg, lat_deg
        (n_station,) WGS-84 coordinates.
    """
    typed: dict[str, Any] = {
        **{name: pd.Series(list(columns[name]), dtype="str") for name in TEXT_COLUMNS},
        "connectors": np.asarray(columns["connectors"], dtype=np.int64),
        "power_kw": np.asarray(columns["power_kw"], dtype=np.float64),
        "available_share": np.asarray(columns["available_share"], dtype=np.float64),
        "illustrative": np.asarray(columns["illustrative"], dtype=np.bool_),
    }
    return gpd.GeoDataFrame(typed, geometry=gpd.points_from_xy(lon_deg, lat_deg), crs=WGS84_EPSG)


def empty_stations() -> gpd.GeoDataFrame:
    """Return a frame of no stations, with all columns."""
    return build_frame({name: [] for name in COLUMNS}, np.empty(0), np.empty(0))


def parse_connector_powers(text: str) -> list[float]:
    """Return each connector's power (kW) from a text such as ``4x120;2x60``; [] if it is none."""
    powers_kw: list[float] = []
    for part in filter(None, re.split(r"[;；]", text)):
        match = _POWERS.fullmatch(part.strip())
        if match is None:
            return []
        powers_kw += [float(match.group(2))] * int(match.group(1))
    return powers_kw if len(powers_kw) <= MAX_CHARGE_POINTS else []


def format_connector_powers(powers_kw: Iterable[float]) -> str:
    """Return the powers of a station's connectors as a text such as ``4x120;2x60``."""
    counts = Counter(f"{power:.5g}" for power in powers_kw)
    return ";".join(f"{counts[p]}x{p}" for p in sorted(counts, key=float, reverse=True))


def build_feed_label(path: Path) -> str:
    """Return the name by which ``source_ids`` call a file: its own, without suffixes."""
    return re.sub(r"[:;\s]+", "-", path.name.split(".")[0]) or "stations"


def build_source_id(label: str, station_id: str) -> str:
    """Return a station's id in its feed, such as ``nio:4711``; a ``;`` inside is encoded."""
    return f"{label}:{station_id.replace(';', '%3B')}"


def find_swapped(lon_deg: FloatArray, lat_deg: FloatArray) -> BoolArray:
    """Return which points lie far from the rest, and near it with their coordinates swapped."""
    if lon_deg.size < MIN_ROWS_WITH_A_MIDDLE:
        return np.zeros(lon_deg.size, dtype=bool)
    middle = float(np.median(lon_deg)), float(np.median(lat_deg))
    distance_m = _distance_m(lon_deg, lat_deg, *middle)
    limit_m = _far_limit_m(distance_m)
    swapped_m = _distance_m(lat_deg, lon_deg, *middle)
    return np.asarray((distance_m > limit_m) & (swapped_m < limit_m), dtype=bool)


def find_suspicious_places(frame: gpd.GeoDataFrame, *, file: str) -> list[Fault]:
    """Return notices of places that are accepted and yet suspicious."""
    if frame.empty:
        return []
    lon, lat = lon_lat_of(frame.geometry)
    distance_m = _distance_m(lon, lat, float(np.median(lon)), float(np.median(lat)))
    shared = pd.DataFrame({"lon": lon, "lat": lat}).duplicated(keep=False).to_numpy()
    look = "look at them on the map"
    checks = (
        (distance_m > _far_limit_m(distance_m), "lie very far from the others", look),
        (lon == lat, "have the same longitude and latitude", look),
        (shared, "share their coordinates with another", "merge them, if they are the same"),
    )
    return [
        Fault(
            file=file,
            column="coordinates",
            what=f"{int(bad.sum()):,} stations {said}: {list_ids(frame['station_id'][bad])}",
            remedy=remedy,
        )
        for bad, said, remedy in checks
        if bad.any()
    ]


def list_ids(ids: Iterable[str]) -> str:
    """Return a handful of ids for a notice."""
    every = list(ids)
    return ", ".join([*every[:SHOWN_IDS], *(["…"] if len(every) > SHOWN_IDS else [])])


def _far_limit_m(distance_m: FloatArray) -> float:
    return max(FAR_FROM_OTHERS_M, FAR_FROM_OTHERS_FACTOR * float(np.median(distance_m)))


def _distance_m(lon: FloatArray, lat: FloatArray, lon0: float, lat0: float) -> FloatArray:
    # Only to tell cities from continents: a flat degree is good enough.
    east = (lon - lon0) * np.cos(np.radians(np.clip(lat0, -89.0, 89.0)))
    return np.asarray(np.hypot(east, lat - lat0) * METRES_PER_DEG)
