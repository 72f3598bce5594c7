"""A battery driven along a trip, metre for metre in whole numbers; it knows no model.

What a plan calls covered is driven here again: the car sets out with what it has, loses a metre
a metre, charges where and as much as the plan says, and must never fall below its reserve. There
and back is one drive: whatever is in the battery at the destination is what it sets out with for
the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, kw_only=True)
class Battery:
    """Levels of a battery, in metres that it can still drive.

    Attributes
    ----------
    start
        When setting out from home.
    full
        The most that a charger fills it to.
    reserve
        The least that it may hold anywhere.
    arrival
        The least that it must hold at the destination and back home, after charging there if a
        charger stands there.
    """

    start: int
    full: int
    reserve: int
    arrival: int


class Charge(NamedTuple):
    """A charge on the way: how far into the drive, and how much (metres)."""

    at: int
    metres: int


def drive(
    battery: Battery, *, there: int, tour: int, charges: Sequence[Charge]
) -> tuple[tuple[int, ...], str | None]:
    """Drive there and back with the charges that a plan states.

    Parameters
    ----------
    battery
        The car's battery.
    there, tour
        Length of the way there, and of the whole drive (m).
    charges
        In the order of the drive.

    Returns
    -------
    levels, fault
        The level on arrival at each charge, at the destination and at home, in the order of the
        drive (the destination after charges that stand there), and what goes wrong first; None if
        nothing does.
    """
    for charge in charges:
        if not 0 <= charge.at <= tour or charge.metres < 0:
            return (), f"{charge.metres} m are charged at {charge.at} m, which no car can"
    events = sorted(
        [(charge.at, 0, charge.metres) for charge in charges] + [(there, 1, 0), (tour, 1, 0)],
        key=lambda event: (event[0], event[1]),
    )
    level, at, levels = battery.start, 0, []
    for place, is_end, metres in events:
        level -= place - at
        at = place
        levels.append(level)
        if level < battery.reserve:
            return tuple(levels), f"the battery is {battery.reserve - level} m short at {place} m"
        level += metres
        if metres and level > battery.full:
            return tuple(levels), f"more is charged at {place} m than the battery takes"
        if is_end and level < battery.arrival:
            return tuple(levels), f"arrives {battery.arrival - level} m short at {place} m"
    return tuple(levels), None


def can_be_driven(
    battery: Battery,
    *,
    there: int,
    tour: int,
    stops: Sequence[tuple[int, int]],
    is_open: Callable[[int], bool],
) -> bool:
    """Return whether a drive works if the car fills up at every open charger that it passes.

    Filling up everywhere is the best that a car can do, so if this fails nothing works.

    Parameters
    ----------
    battery
        The car's battery.
    there, tour
        Length of the way there, and of the whole drive (m).
    stops
        (position, charger) of every charger that the drive passes, in its order.
    is_open
        Whether a charger is open.
    """
    level, at = battery.start, 0
    here = [(place, is_open(charger)) for place, charger in stops]
    for place in sorted({place for place, _ in here} | {there, tour}):
        level -= place - at
        at = place
        if level < battery.reserve:
            return False
        if any(opened for where, opened in here if where == place):
            level = max(level, battery.full)
        if place in {there, tour} and level < battery.arrival:
            return False
    return True
