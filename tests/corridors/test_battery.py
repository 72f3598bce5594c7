from __future__ import annotations

import pytest

from siting.verify.battery import Battery, Charge, can_be_driven, drive

HALF = Battery(start=50, full=100, reserve=0, arrival=50)


def test_a_drive_is_told_level_by_level() -> None:
    levels, fault = drive(HALF, there=60, tour=120, charges=[Charge(40, 60), Charge(80, 60)])
    # 50 - 40 = 10, + 60 = 70, - 20 = 50 at the destination, - 20 = 30, + 60 = 90, - 40 = 50 home.
    assert (levels, fault) == ((10, 50, 30, 50), None)


@pytest.mark.parametrize(
    ("charges", "what"),
    [
        ([], "10 m short at 60 m"),
        ([Charge(40, 91), Charge(80, 29)], "more is charged at 40 m"),
        ([Charge(40, 59), Charge(80, 61)], "arrives 1 m short at 60 m"),
        ([Charge(40, 60), Charge(80, 59)], "arrives 1 m short at 120 m"),
        ([Charge(130, 60)], "which no car can"),
        ([Charge(40, -5)], "which no car can"),
    ],
)
def test_a_drive_that_fails_says_where(charges: list[Charge], what: str) -> None:
    _, fault = drive(HALF, there=60, tour=120, charges=charges)
    assert fault is not None
    assert what in fault


def test_a_reserve_may_never_be_touched() -> None:
    battery = Battery(start=50, full=100, reserve=11, arrival=0)
    _, fault = drive(battery, there=60, tour=120, charges=[Charge(40, 60)])
    assert fault == "the battery is 1 m short at 40 m"


def test_a_charger_at_the_destination_helps_with_arriving_there() -> None:
    stops = [(50, 0)]
    battery = Battery(start=50, full=100, reserve=0, arrival=50)
    assert can_be_driven(battery, there=50, tour=100, stops=stops, is_open=lambda _: True)
    assert not can_be_driven(battery, there=50, tour=100, stops=stops, is_open=lambda _: False)
