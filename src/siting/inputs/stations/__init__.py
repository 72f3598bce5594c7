"""Charging stations: every public format read into one map, and the same station found in many."""

from siting.inputs.stations.access import usable_by_brand
from siting.inputs.stations.frame import (
    COLUMNS,
    StationTable,
    empty_stations,
    format_connector_powers,
    parse_connector_powers,
)
from siting.inputs.stations.merge import MergedStations, MergeOptions, merge_stations
from siting.inputs.stations.read import read_stations
from siting.inputs.stations.records import STANDING, StationAccess, StationStatus

__all__ = [
    "COLUMNS",
    "STANDING",
    "MergeOptions",
    "MergedStations",
    "StationAccess",
    "StationStatus",
    "StationTable",
    "empty_stations",
    "format_connector_powers",
    "merge_stations",
    "parse_connector_powers",
    "read_stations",
    "usable_by_brand",
]
