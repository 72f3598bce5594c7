"""Enums, constants and small frozen types that all rooms share."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int32]
LongArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
StrArray = NDArray[np.str_]

WGS84_EPSG = 4326
SECONDS_PER_MINUTE = 60.0
SECONDS_PER_HOUR = 3600.0
HOURS_PER_DAY = 24.0
FEN_PER_CNY = 100
METRES_PER_KM = 1000.0


class Datum(StrEnum):
    """The datum of a file's coordinates; declared by the planner, never guessed."""

    WGS84 = "wgs84"
    GCJ02 = "gcj02"
    BD09 = "bd09"


class Direction(StrEnum):
    """Which drive counts as access: to the charger, back from it, or the mean of both."""

    TO_SITE = "to_site"
    BACK = "back"
    ROUND_TRIP = "round_trip"


class Accounts(StrEnum):
    """Whether the alliance's accounts are unified, so that every driver charges everywhere."""

    UNIFIED = "unified"
    SEPARATE = "separate"


class Facility(StrEnum):
    """What is sited: the engine is the same, the unit of what it serves is not.

    Inside, quantities are called kWh a day after the first; outputs are named by `unit_suffix`.
    """

    CHARGING_STATION = "charging_station"
    SERVICE_CENTRE = "service_centre"

    @property
    def unit_suffix(self) -> str:
        """How a column of service ends: ``kwh_per_day`` or ``visits_per_year``."""
        return "kwh_per_day" if self is Facility.CHARGING_STATION else "visits_per_year"

    @property
    def unit_in_words(self) -> str:
        """The unit in a sentence."""
        return "kWh a day" if self is Facility.CHARGING_STATION else "visits a year"


class Engine(StrEnum):
    """What solved an instance; ``auto`` lets the instance choose."""

    AUTO = "auto"
    HIGHS = "highs"
    SCIP = "scip"
    LAGRANGIAN = "lagrangian"


class LocationModel(StrEnum):
    """Which problem of the classic family."""

    LSCP = "lscp"
    MCLP = "mclp"
    P_MEDIAN = "p_median"
    P_CENTER = "p_center"
    CFLP = "cflp"
    BACKUP = "backup_coverage"

    @property
    def uses_distance(self) -> bool:
        """Whether pairs carry a distance; otherwise they carry a worth."""
        return self in {LocationModel.P_MEDIAN, LocationModel.P_CENTER, LocationModel.CFLP}

    @property
    def maximises(self) -> bool:
        """Whether more is better."""
        return self in {LocationModel.MCLP, LocationModel.BACKUP}


class Stage(StrEnum):
    """The stages of a run, as shown to who waits."""

    READ_ROADS = "reading roads"
    READ_TABLES = "reading vehicles, stations, districts"
    BUILD_NETWORK = "building the network"
    BUILD_DEMAND = "placing demand"
    CANDIDATES = "finding candidate sites"
    TRAVEL_TIMES = "computing travel times"
    BUILD_INSTANCE = "building the instance"
    BASELINES = "service today"
    SOLVE = "solving"
    COALITIONS = "solving every coalition"
    EXPLAIN = "finding what conflicts"
    REASONS = "re-optimising without each site"
    VARY = "solving with one figure off"
    WRITE = "writing"


def ignore_stage(_stage: Stage) -> None:
    """Take no note of the stages; the default of every ``on_stage``."""


class Doubt(StrEnum):
    """Which figure of a study is off, when a plan's sensitivity is asked about."""

    BUDGET = "budget"
    """The money."""
    DEMAND = "demand"
    """The energy that every brand's drivers want, everywhere."""
    CUTOFF = "cutoff"
    """The longest drive that counts as service."""
    COST = "cost"
    """What every site costs."""
    WAIT = "wait"
    """The longest wait that is promised."""


class RobustRule(StrEnum):
    """What a plan is chosen by before it is known which future comes."""

    EXPECTED = "expected"
    """The mean share of the wanted energy that is served."""
    MAX_MIN = "max_min"
    """The share that is served in the worst future."""
    REGRET = "regret"
    """How much more a plan made for the future that comes would have served, at most."""


class SolveStatus(StrEnum):
    """How far a solve came; only ``optimal`` claims a proof within the gap asked for."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_PLAN = "no_plan"


def frozen_array(values: Any, dtype: Any) -> NDArray[Any]:  # noqa: ANN401 - any array-like
    """Return a read-only contiguous array of the dtype, copied only if need be."""
    array = np.ascontiguousarray(values, dtype=dtype)
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array
