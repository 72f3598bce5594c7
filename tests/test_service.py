"""Queueing: known Erlang values, a hand-solved M/M/1, and what must rise with what."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.service import (
    ServicePromise,
    compute_busy_wait_s,
    compute_capacities_kwh_per_day,
    compute_capacity_kwh_per_day,
    compute_erlang_c,
    compute_mean_wait_s,
    compute_session_power_kw,
    compute_wait_exceeded_share,
)

PROMISE = ServicePromise(
    max_wait_s=300.0,
    wait_exceeded_share=0.05,
    session_kwh=30.0,
    overhead_s=0.0,
    effective_hours_per_day=12.0,
)


@pytest.mark.parametrize(
    ("connectors", "offered_load", "waits"),
    [
        (1, 0.5, 0.5),  # M/M/1: P(wait) is the utilisation
        (2, 1.0, 1 / 3),  # textbook M/M/2 at half load
        (3, 2.0, 4 / 9),  # textbook M/M/3
        (2, 2.0, 1.0),  # saturated
    ],
)
def test_erlang_c_known_values(connectors: int, offered_load: float, waits: float) -> None:
    assert compute_erlang_c(connectors, offered_load) == pytest.approx(waits)


def test_erlang_c_from_factorials() -> None:
    c, a = 10, 7.3
    top = a**c / math.factorial(c) * c / (c - a)
    expected = top / (sum(a**k / math.factorial(k) for k in range(c)) + top)
    assert compute_erlang_c(c, a) == pytest.approx(expected, rel=1e-12)


def test_one_connector_without_patience_solved_by_hand() -> None:
    # M/M/1, no wait allowed: P(wait > 0) = λS ≤ 0.05, S = 30 kWh / 60 kW = 0.5 h, so λ = 0.1/h;
    # 0.1/h · 30 kWh · 12 h = 36 kWh a day.
    promise = ServicePromise(
        max_wait_s=0.0,
        wait_exceeded_share=0.05,
        session_kwh=30.0,
        overhead_s=0.0,
        effective_hours_per_day=12.0,
    )
    capacity = compute_capacity_kwh_per_day(connectors=1, power_kw=60.0, promise=promise)
    assert capacity == pytest.approx(36.0)


def test_nothing_is_served_without_connectors_or_power() -> None:
    assert compute_capacity_kwh_per_day(connectors=0, power_kw=60.0, promise=PROMISE) == 0.0
    assert compute_capacity_kwh_per_day(connectors=3, power_kw=0.0, promise=PROMISE) == 0.0


@given(st.integers(1, 60), st.floats(7.0, 600.0))
def test_the_promise_holds_at_capacity_and_breaks_beyond(connectors: int, power_kw: float) -> None:
    capacity = compute_capacity_kwh_per_day(
        connectors=connectors, power_kw=power_kw, promise=PROMISE
    )
    arrivals_per_s = capacity / PROMISE.session_kwh / PROMISE.effective_hours_per_day / 3600
    session_s = PROMISE.session_kwh / power_kw * 3600

    def late(rate: float) -> float:
        return compute_wait_exceeded_share(
            connectors=connectors, session_s=session_s, arrivals_per_s=rate, max_wait_s=300.0
        )

    assert late(arrivals_per_s * 0.999999) <= PROMISE.wait_exceeded_share
    assert late(arrivals_per_s * 1.0001) > PROMISE.wait_exceeded_share


@given(st.integers(1, 40), st.floats(7.0, 300.0))
def test_pooling_pays(connectors: int, power_kw: float) -> None:
    one, two = (
        compute_capacity_kwh_per_day(connectors=c, power_kw=power_kw, promise=PROMISE)
        for c in (connectors, 2 * connectors)
    )
    assert two > 2 * one


def test_session_power_is_bounded_by_the_cars() -> None:
    # Half the energy at 100 kW, half at 300 kW: 1 / (0.5/100 + 0.5/300) = 150 kW.
    power_kw = compute_session_power_kw(
        600.0,
        usable_power_kw=np.array([100.0, 300.0]),
        demand_kwh_per_day=np.array([5.0, 5.0]),
    )
    assert power_kw == pytest.approx(150.0)


def test_many_equal_chargers_have_one_capacity() -> None:
    many = compute_capacities_kwh_per_day(
        connectors=np.array([4.0, 8.0, 4.0]), power_kw=np.array([60.0, 60.0, 60.0]), promise=PROMISE
    )
    assert many[0] == many[2] < many[1]
    assert compute_capacities_kwh_per_day(
        connectors=np.empty(0), power_kw=np.empty(0), promise=PROMISE
    ).shape == (0,)


@pytest.mark.parametrize(
    ("connectors", "arrivals_per_s", "wait_s"),
    [
        (1, 1 / 120, 60.0),  # M/M/1 at half load: ρ S / (1 - ρ)
        (2, 1 / 60, 20.0),  # C(2, 1) = 1/3 over 2/60 - 1/60
        (2, 0.0, 0.0),
        (2, 2 / 60, math.inf),  # saturated
    ],
)
def test_the_mean_wait_solved_by_hand(
    connectors: int, arrivals_per_s: float, wait_s: float
) -> None:
    found = compute_mean_wait_s(
        connectors=connectors, session_s=60.0, arrivals_per_s=arrivals_per_s
    )
    assert found == pytest.approx(wait_s)


def test_busy_chargers_wait_as_the_queue_says() -> None:
    # 360 kWh a day are one session an hour in 12 hours; at 30 kW a session takes an hour.
    wait_s = compute_busy_wait_s(360.0, connectors=2, power_kw=30.0, promise=PROMISE)
    assert wait_s == pytest.approx(3600 * (1 / 3))
