"""The event simulation against queues that are known, and a promise that is not kept."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.pipeline import build_case, read_inputs, read_study, run, solve_case
from siting.plan import describe_waiting
from siting.service import compute_mean_wait_s, compute_wait_exceeded_share
from siting.verify.queueing import find_interval, play_out
from siting.verify.waiting import ERROR, Promise, Queue, read_queues, simulate

if TYPE_CHECKING:
    from pathlib import Path

PROMISE = Promise(max_wait_s=300.0, late_share=0.05)


def make_queue(*, connectors: int, load: float, session_s: float = 1000.0) -> Queue:
    """Make a site of one brand whose offered load is so many connectors."""
    return Queue(
        site_id=f"{connectors} at {load}",
        connectors=connectors,
        arrivals_per_s=(load / session_s,),
        session_s=(session_s,),
        promised_session_s=session_s,
    )


def test_cars_that_come_and_stay_like_clockwork_never_wait() -> None:
    # D/D/1 at a load of 0.9, and D/D/3 at a load of 3: the car before is always just gone.
    for connectors, gap_s, session_s in ((1, 10.0, 9.0), (3, 10.0, 30.0)):
        waits = play_out(np.full((500, 1), gap_s), np.full((500, 1), session_s), [connectors])
        assert not waits.any()


def test_a_queue_by_hand() -> None:
    # One connector, a car a minute, sessions of 100 s: every car waits 40 s longer than the last.
    waits = play_out(np.full((4, 1), 60.0), np.full((4, 1), 100.0), [1])
    assert waits[:, 0].tolist() == [0, 40, 80, 120]
    # Two connectors: at 60 and 120 s both are taken, until 260 and 150 s; the car of 130 s gets
    # the second at 150 s until 160 s, and so does the car of 140 s, at 160 s.
    gaps = np.array([[60.0], [60.0], [10.0], [10.0]])
    sessions = np.array([[200.0], [30.0], [10.0], [10.0]])
    assert play_out(gaps, sessions, [2])[:, 0].tolist() == [0, 0, 20, 20]


def test_runs_side_by_side_are_as_each_alone() -> None:
    rng = np.random.default_rng(0)
    gaps, sessions = rng.exponential(1.0, (200, 3)), rng.exponential(2.0, (200, 3))
    together = play_out(gaps, sessions, [1, 4, 2])
    for run_, connectors in enumerate([1, 4, 2]):
        alone = play_out(gaps[:, [run_]], sessions[:, [run_]], [connectors])
        assert (together[:, run_] == alone[:, 0]).all()


@given(
    cars=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 90)), min_size=1, max_size=30),
    connectors=st.integers(1, 4),
)
def test_first_come_first_served_by_whoever_is_free(
    cars: list[tuple[int, int]], connectors: int
) -> None:
    gaps, sessions = (np.array([[float(v)] for v in column]) for column in zip(*cars, strict=True))
    waits = play_out(gaps, sessions, [connectors])[:, 0]
    arrival = np.cumsum(gaps[:, 0])
    begin = arrival + waits
    assert (waits >= 0).all()
    assert (np.diff(begin) >= 0).all()
    for n, at in enumerate(begin.tolist()):
        busy = sum(b <= at < b + s for b, s in zip(begin[:n], sessions[:n, 0], strict=True))
        assert busy < connectors
        if waits[n] > 0:  # nobody waits while a connector is free
            before = at - 1e-9
            assert sum(b <= before < b + s for b, s in zip(begin, sessions[:, 0], strict=True)) == (
                connectors
            )


@pytest.mark.parametrize(
    ("connectors", "load", "waits_at_all"),
    [
        (1, 0.5, 0.5),  # M/M/1: whoever finds the connector taken, which is ρ
        (1, 0.8, 0.8),
        # Erlang C by hand: a²/2 · 2/(2-a) over 1 + a + the same; a = 1 gives 1/3.
        (2, 1.0, 1 / 3),
        # a = 2, c = 3: (8/6 · 3) / (1 + 2 + 2 + 4) = 4/9.
        (3, 2.0, 4 / 9),
    ],
)
def test_known_queues_lie_within_the_interval(
    connectors: int, load: float, waits_at_all: float
) -> None:
    queue = make_queue(connectors=connectors, load=load)
    drain_per_s = (connectors - load) / 1000.0
    late = waits_at_all * math.exp(-drain_per_s * 300.0)
    site = simulate(PROMISE, [queue]).sites[0]
    for found in (site.promised, site.own):
        assert found.late_share.least < late < found.late_share.most
        assert found.wait_s.least < waits_at_all / drain_per_s < found.wait_s.most
        # Narrow enough to mean something.
        assert found.late_share.most - found.late_share.least < 0.2 * late
    assert compute_wait_exceeded_share(
        connectors=connectors, session_s=1000.0, arrivals_per_s=load / 1000.0, max_wait_s=300.0
    ) == pytest.approx(late)


def test_sessions_of_one_length_wait_half_as_long() -> None:
    # M/D/1 (Pollaczek and Khinchine): ρ / (2 μ (1 - ρ)) = 500 s at ρ = 0.5 and 1000 s a session.
    rng = np.random.default_rng(1)
    waits = play_out(rng.exponential(2000.0, (6000, 60)), np.full((6000, 60), 1000.0), [1] * 60)
    found = find_interval(waits[1000:].mean(axis=0), n_each=5000, error=0.01)
    assert found.least < 500.0 < found.most < 520.0


def test_a_site_at_its_capacity_keeps_the_promise_and_an_overloaded_one_does_not() -> None:
    at_capacity = 4.7466  # c = 8 at which 5 % wait longer than 0.3 sessions
    assert compute_wait_exceeded_share(
        connectors=8, session_s=1000.0, arrivals_per_s=at_capacity / 1000.0, max_wait_s=300.0
    ) == pytest.approx(0.05, abs=1e-4)
    loads = (at_capacity, 1.15 * at_capacity, 9.0, 0.0)
    waits = simulate(PROMISE, [make_queue(connectors=8, load=load) for load in loads])
    assert [row["kept"] for row in waits.rows()] == [True, False, False, True]
    assert waits.describe()["broken"] == [f"8 at {load}" for load in loads[1:3]]
    assert waits.sites[2].promised.late_share.mean > 0.9
    nobody = waits.sites[3].promised
    assert (nobody.late_share.mean, nobody.wait_s.mean) == (0.0, 0.0)
    assert nobody.late_share.most > 0


def test_slow_cars_break_what_the_mean_car_keeps() -> None:
    # All drivers: half need 500 s and half 1500 s; only the slow ones are sent here.
    queue = Queue(
        site_id="slow",
        connectors=8,
        arrivals_per_s=(0.0, 4.7 / 1000.0),
        session_s=(500.0, 1500.0),
        promised_session_s=1000.0,
    )
    told = simulate(PROMISE, [queue]).describe()
    assert (told["broken"], told["broken_with_own_cars"]) == ([], ["slow"])


def test_a_site_has_its_own_numbers_whatever_stands_beside_it() -> None:
    many = [make_queue(connectors=2, load=load) for load in (0.5, 0.7, 1.1)]
    alone = simulate(PROMISE, many[1:2]).sites[0].promised.late_share.mean
    assert simulate(PROMISE, many).sites[1].promised.late_share.mean == alone


def test_the_interval_misses_as_seldom_as_it_says() -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(2000):
        found = find_interval(rng.normal(1.0, 1.0, 20), n_each=100, error=0.05)
        missed += not found.least <= 1.0 <= found.most
    assert 0.035 < missed / 2000 < 0.065


def test_the_queue_of_a_site_is_read_from_study_and_plan() -> None:
    study = {
        "facility": "charging_station",
        "service": {
            "session_kwh": 30.0,
            "overhead_minutes": 3.0,
            "peak_to_mean": 2.0,
            "max_wait_minutes": 5.0,
            "wait_exceeded_share": 0.05,
        },
        "brands": [{"usable_power_kw": 60.0}, {"usable_power_kw": 300.0}],
        "tiers": [{"id": "a", "connectors": 4, "power_kw": 120.0}],
        "visits": None,
    }
    promise, (queue,) = read_queues(
        study, wanted=[1.0, 3.0], tier_of_site={"x": "a"}, energy_of_site={"x": [3600.0, 720.0]}
    )
    assert promise == PROMISE
    # 30 kWh take half an hour at 60 kW and a quarter at 120 kW, and 3 minutes more.
    assert queue.session_s == (1980.0, 1080.0)
    assert queue.promised_session_s == 0.25 * 1980 + 0.75 * 1080
    # 120 and 24 sessions a day, of which a busy hour has a twelfth.
    assert queue.arrivals_per_s == pytest.approx((10 / 3600, 2 / 3600))
    study |= {
        "facility": "service_centre",
        "visits": {
            "hours_per_visit": 1.5,
            "opening_hours_per_day": 9.0,
            "opening_days_per_year": 300,
        },
    }
    _, (centre,) = read_queues(
        study, wanted=[1.0, 3.0], tier_of_site={"x": "a"}, energy_of_site={"x": [1350.0, 0.0]}
    )
    assert centre.session_s == (5400.0, 5400.0)
    assert centre.arrivals_per_s == pytest.approx((1 / 3600, 0.0))


def test_a_plan_says_what_was_simulated(study_path: Path, tmp_path: Path) -> None:
    plan = solve_case(build_case(read_inputs(read_study(study_path))))
    row = plan.waiting.sites[0]
    (energy,) = plan.sites["energy_kwh_per_day"]
    session_s = 30.0 / 100.0 * 3600.0 + 180.0
    expected_s = compute_mean_wait_s(
        connectors=60, session_s=session_s, arrivals_per_s=energy / 30.0 / 12.0 / 3600.0
    )
    assert row.promised.wait_s.least <= expected_s <= row.promised.wait_s.most
    assert "simulated at all sites, the promise holds" in describe_waiting(plan.waiting)
    run(study_path, tmp_path / "out")
    text = (tmp_path / "out" / "waiting.csv").read_text(encoding="utf-8-sig")
    (written,) = csv.DictReader(io.StringIO(text))
    assert [written[key] for key in ("site_id", "kept", "own_kept")] == ["WEST", "True", "True"]
    assert written["illustrative"] == "True"
    assert plan.waiting.describe()["confidence"] == 1 - ERROR
