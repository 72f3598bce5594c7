"""What OSM's tags say to a driver: may I drive here, which way, how fast.

Follows OSM's wiki on access, oneway and maxspeed; turn restrictions are not read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from siting.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

FREE_FLOW_KPH: Mapping[str, float] = {
    "motorway": 100.0,
    "motorway_link": 50.0,
    "trunk": 80.0,
    "trunk_link": 45.0,
    "primary": 60.0,
    "primary_link": 40.0,
    "secondary": 50.0,
    "secondary_link": 35.0,
    "tertiary": 40.0,
    "tertiary_link": 30.0,
    "unclassified": 35.0,
    "residential": 30.0,
    "living_street": 15.0,
    "road": 30.0,
}
"""Free-flow speed of each class a car drives on where no limit is tagged; our assumption.

Other classes (service, track, footway, construction, …) are left out, as OSMnx's drive filter
leaves them out.
"""

NOT_FOR_CARS = frozenset(
    {
        "bridleway",
        "busway",
        "bus_guideway",
        "construction",
        "corridor",
        "cycleway",
        "elevator",
        "footway",
        "path",
        "pedestrian",
        "platform",
        "proposed",
        "raceway",
        "steps",
    }
)
"""Classes that are dropped even from a graph whose author saved them with a speed."""

PRIVATE_SERVICE = frozenset(
    {"alley", "driveway", "emergency_access", "parking", "parking_aisle", "private"}
)
CLOSED_ACCESS = frozenset(
    {"no", "private", "agricultural", "forestry", "delivery", "emergency", "military", "psv"}
)
ACCESS_KEYS = ("motorcar", "motor_vehicle", "vehicle", "access")
"""From the most specific to the least; the first one tagged decides."""

MAXSPEED_KEYS = ("maxspeed", "maxspeed:forward", "maxspeed:backward")

FORWARD_ONLY = frozenset({"yes", "true", "1"})
BACKWARD_ONLY = frozenset({"-1", "reverse"})
BOTH_WAYS = frozenset({"no", "false", "0", "alternating", "reversible"})

KPH_PER_MPH = 1.609344
FASTEST_KPH = 200.0
UNLIMITED_KPH = 120.0
WALKING_KPH = 7.0
IMPLICIT_KPH: Mapping[str, float] = {
    "urban": 50.0,
    "rural": 70.0,
    "trunk": 100.0,
    "motorway": 120.0,
    "living_street": 20.0,
    "bicycle_road": 30.0,
}
"""Limits that a country's law implies, after the colon of a value such as ``CN:urban``."""

_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(km/h|kmh|kph|mph)?")
_IMPLICIT = re.compile(r"[a-z]{2}(?:[-_][a-z]+)?:(?:zone:?)?([a-z_]+|\d+)")


class DriveSpeeds(NamedTuple):
    """Speeds along a way and against it; 0 where that is not allowed."""

    forward_kph: float
    backward_kph: float


def read_drive_speeds(tags: Mapping[str, str]) -> DriveSpeeds | None:
    """Return how fast a car may drive on a way, or None if it may not drive there at all."""
    default_kph = FREE_FLOW_KPH.get(tags.get("highway", ""))
    if default_kph is None or tags.get("area") == "yes" or tags.get("route") == "ferry":
        return None
    if tags.get("service") in PRIVATE_SERVICE:
        return None
    if next((tags[key] for key in ACCESS_KEYS if key in tags), "yes") in CLOSED_ACCESS:
        return None
    forward, backward = read_oneway(tags)
    limit = tags.get("maxspeed")
    return DriveSpeeds(
        parse_maxspeed_kph(tags.get("maxspeed:forward", limit)) or default_kph if forward else 0.0,
        parse_maxspeed_kph(tags.get("maxspeed:backward", limit)) or default_kph
        if backward
        else 0.0,
    )


def states_no_speed(tags: Mapping[str, str]) -> bool:
    """Whether a way states a speed limit that makes no sense, such as ``-5`` or ``fast``."""
    return any(key in tags and parse_maxspeed_kph(tags[key]) is None for key in MAXSPEED_KEYS)


def notice_odd_speeds(n_way: int, *, file: str) -> tuple[Fault, ...]:
    """Return a notice of the ways whose speed limit makes no sense; none if there are none."""
    what = f"{n_way:,} roads state a speed limit that makes no sense; their class's stands for it"
    notice = Fault(file=file, column="maxspeed", what=what, remedy="correct them where they matter")
    return (notice,) if n_way else ()


def read_oneway(tags: Mapping[str, str]) -> tuple[bool, bool]:
    """Return whether traffic may run along a way, and against it."""
    oneway = tags.get("oneway", "")
    if oneway in BACKWARD_ONLY:
        return False, True
    implied = (
        tags.get("junction") in {"roundabout", "circular"} or tags.get("highway") == "motorway"
    )
    return True, not (oneway in FORWARD_ONLY or (implied and oneway not in BOTH_WAYS))


def parse_maxspeed_kph(text: str | None) -> float | None:
    """Return a speed limit in km/h, or None if the text states none that makes sense.

    Understands plain numbers, units (km/h, mph), values that a law implies (``CN:urban``,
    ``DE:zone30``), ``none`` and ``walk``; of several values, parted by ``;``, ``|`` or ``,``, the
    mean is taken, as OSMnx does.
    """
    parts = re.split(r"[;|,]", (text or "").lower())
    speeds = [kph for part in parts if (kph := _parse_one_kph(part.strip())) is not None]
    return sum(speeds) / len(speeds) if speeds else None


def _parse_one_kph(text: str) -> float | None:
    if text in {"none", "unlimited"}:
        return UNLIMITED_KPH
    if text == "walk":
        return WALKING_KPH
    if implied := _IMPLICIT.fullmatch(text):
        word = implied[1]
        return _sensible(float(word)) if word.isdigit() else IMPLICIT_KPH.get(word)
    if stated := _NUMBER.fullmatch(text):
        return _sensible(float(stated[1]) * (KPH_PER_MPH if stated[2] == "mph" else 1.0))
    return None


def _sensible(speed_kph: float) -> float | None:
    return speed_kph if 0.0 < speed_kph <= FASTEST_KPH else None
