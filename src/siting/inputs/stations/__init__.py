"""Charging stations: every public format read into one map, and the same station found in many."""

from siting.inputs.stations.access import usable_by_brand
from siting.inputs.stations.frame import COLUMNS, StationTable, empty_stations
from siting.inputs.stations.read import read_stations
from siting.inputs.stations.records import STANDING, StationAccess, StationStatus

__all__ = [
    "COLUMNS",
    "STANDING",
    "StationAccess",
    "StationStatus",
    "StationTable",
    "empty_stations",
    "read_stations",
    "usable_by_brand",
]
