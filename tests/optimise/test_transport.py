"""The flow kept optimal as capacities change, against a linear program of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from siting.optimise.tier_problem import Reach
from siting.optimise.transport import build_flows, release, restore_capacity, set_capacity, undo

N_ROW, N_SUPPLY = 7, 5


def make_reach(rng: np.random.Generator) -> Reach:
    """Seven rows and five supplies, each pair in reach or not, worths with many ties."""
    reached = rng.random((N_ROW, N_SUPPLY)) < 0.5
    supply, row = np.nonzero(reached.T)
    order = np.lexsort((supply, row))
    return Reach(
        start=np.concatenate(([0], np.cumsum(reached.sum(axis=0)))),
        row=row.astype(np.int32),
        worth=rng.choice([0.25, 0.5, 1.0], row.size),
        row_start=np.concatenate(([0], np.cumsum(reached.sum(axis=1)))),
        row_link=order.astype(np.int64),
        supply=supply.astype(np.int32),
        kwh=rng.integers(1, 9, N_ROW).astype(float),
        share=np.empty((N_ROW, 0)),
        station_kwh=np.empty(0),
    )


def best_worth(reach: Reach, capacity: np.ndarray) -> float:
    """Return the most worth that can flow."""
    if reach.row.size == 0:
        return 0.0
    rows = np.vstack(
        [reach.row == r for r in range(N_ROW)] + [reach.supply == s for s in range(N_SUPPLY)]
    ).astype(float)
    answer = linprog(-reach.worth, A_ub=rows, b_ub=np.concatenate((reach.kwh, capacity)))
    return float(-answer.fun)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_after_every_change_the_flow_is_the_best_and_its_prices_prove_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = make_reach(rng)
    flows = build_flows(reach, reach.worth)
    capacity, worth = np.zeros(N_SUPPLY), 0.0
    for _ in range(12):
        s, kwh = int(rng.integers(N_SUPPLY)), float(rng.choice([0.0, 3.0, 8.0, 20.0]))
        worth += set_capacity(reach, flows, s, kwh)
        capacity[s] = kwh
        assert worth == pytest.approx(best_worth(reach, capacity), abs=1e-7)
        assert reach.worth @ flows.x == pytest.approx(worth, abs=1e-7)
        served = np.bincount(reach.row, weights=flows.x, minlength=N_ROW)
        used = np.bincount(reach.supply, weights=flows.x, minlength=N_SUPPLY)
        assert (flows.x >= -1e-9).all()
        assert served + flows.unserved == pytest.approx(reach.kwh)
        assert used + flows.spare == pytest.approx(capacity)
        # Weak duality: the prices give the same number from above.
        proven = reach.kwh @ flows.row_price + capacity @ flows.supply_price
        assert proven == pytest.approx(worth, abs=1e-6)
        is_open = capacity[reach.supply] > 0
        slack = flows.row_price[reach.row] + flows.supply_price[reach.supply] - reach.worth
        assert (slack[is_open] >= -1e-7).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_a_closed_supply_takes_at_least_what_its_rows_are_released_by(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = make_reach(rng)
    flows = build_flows(reach, reach.worth)
    capacity = rng.choice([0.0, 3.0, 8.0, 20.0], N_SUPPLY)
    for s in range(N_SUPPLY):
        set_capacity(reach, flows, s, capacity[s])
    for s in np.flatnonzero(capacity):
        flows.log_size[:] = 0
        before = flows.row_price.copy()
        least = release(reach, flows, int(s)) + flows.supply_price[s] * capacity[s]
        undo(reach, flows)
        assert flows.row_price == pytest.approx(before)
        lost = best_worth(reach, capacity) - best_worth(
            reach, np.where(np.arange(N_SUPPLY) == s, 0.0, capacity)
        )
        assert lost >= least - 1e-7


def test_a_supply_that_alone_reaches_a_row_is_worth_all_that_the_row_gets() -> None:
    reach = make_reach(np.random.default_rng(0))._replace(
        start=np.array([0, 1, 3]),
        row=np.array([0, 0, 1], dtype=np.int32),
        worth=np.ones(3),
        row_start=np.array([0, 2, 3]),
        row_link=np.array([0, 1, 2]),
        supply=np.array([0, 1, 1], dtype=np.int32),
        kwh=np.array([2.0, 3.0]),
        share=np.empty((2, 0)),
    )
    flows = build_flows(reach, reach.worth)
    for s in range(2):
        set_capacity(reach, flows, s, 9.0)
    flows.log_size[:] = 0
    assert release(reach, flows, 1) == pytest.approx(3.0)
    undo(reach, flows)
    assert release(reach, flows, 0) == pytest.approx(0.0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_a_change_that_is_taken_back_leaves_no_trace(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = make_reach(rng)
    flows = build_flows(reach, reach.worth)
    for s in range(N_SUPPLY):
        set_capacity(reach, flows, s, float(rng.choice([0.0, 3.0, 8.0])))
    kept = [flows.x.copy(), flows.unserved.copy(), flows.row_price.copy()]
    spare, price, kwh = flows.spare.copy(), flows.supply_price.copy(), float(flows.kwh[0])
    flows.log_size[:] = 0
    set_capacity(reach, flows, 0, 5.0 if kwh != 5.0 else 1.0)
    undo(reach, flows)
    restore_capacity(reach, flows, 0, kwh)
    flows.spare[:], flows.supply_price[:] = spare, price
    for now, before in zip([flows.x, flows.unserved, flows.row_price], kept, strict=True):
        assert now == pytest.approx(before, abs=1e-9)
    before = reach.worth @ flows.x
    after = before + set_capacity(reach, flows, 1, 20.0)
    capacity = flows.kwh.copy()
    assert after == pytest.approx(best_worth(reach, capacity), abs=1e-7)
