"""Rows of gains: worth by hand, and reductions that keep the worth of every plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.optimise.gain_rows import (
    DROPPED,
    OPENED,
    GainRows,
    evaluate_rows,
    number_sites,
    raise_floor,
    reduce_rows,
    serve_rows,
    sort_rows,
    spread_price,
    stack_rows,
)
from siting.optimise.relaxation import evaluate_price

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeRows

SEEDS = st.integers(0, 10**6)


def hand_rows() -> GainRows:
    """Two demand points alike, which take site 0 before 1, and one that site 2 alone covers."""
    return GainRows(
        start=np.array([0, 2, 4, 5]),
        site=np.array([0, 1, 0, 1, 2], dtype=np.int32),
        gain=np.array([5.0, 2.0, 4.0, 1.0, 7.0]),
        n_site=3,
    )


def test_a_plan_is_worth_what_each_rows_best_site_gives() -> None:
    rows = hand_rows()
    assert evaluate_rows(rows, np.array([True, True, False])) == 9.0
    assert evaluate_rows(rows, np.array([False, True, True])) == 10.0
    plan = np.array([True, True, False])
    assert serve_rows(rows, plan).tolist() == [5.0, 4.0, 0.0]
    assert serve_rows(rows, plan, rank=2).tolist() == [2.0, 1.0, 0.0]


def test_rows_with_the_same_sites_in_the_same_order_merge() -> None:
    merged, group = reduce_rows(hand_rows(), number_sites(np.ones(3, dtype=bool)))
    assert group.tolist() == [0, 0, 1]
    assert merged.site.tolist() == [0, 1, 2]
    assert merged.gain.tolist() == [9.0, 3.0, 7.0]


def test_an_opened_site_leaves_only_what_is_better() -> None:
    reduced, group = reduce_rows(hand_rows(), np.array([0, OPENED, DROPPED], dtype=np.int32))
    assert reduced.offset == 3.0
    assert reduced.gain.tolist() == [6.0]
    assert group.tolist() == [0, 0, -1]


@pytest.mark.parametrize("length", [3, 300])
def test_rows_are_sorted_by_falling_gain_then_site(length: int) -> None:
    rng = np.random.default_rng(0)
    start = np.array([0, length, 2 * length])
    site = np.concatenate([rng.permutation(length), rng.permutation(length)]).astype(np.int32)
    gain = rng.integers(0, 3, 2 * length) * 1.0
    sorted_site, sorted_gain = sort_rows(start, site, gain)
    for a, b in ((0, length), (length, 2 * length)):
        wanted = sorted(zip(-gain[a:b], site[a:b], strict=True))
        assert list(zip(-sorted_gain[a:b], sorted_site[a:b], strict=True)) == wanted


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_decisions_keep_the_worth_of_every_plan(
    make_rows: Callable[[int], MadeRows], seed: int
) -> None:
    made = make_rows(seed)
    decision = np.random.default_rng(seed).choice(3, made.rows.n_site)
    kept, opened = decision == 0, decision == 1
    reduced, _ = reduce_rows(made.rows, number_sites(kept, opened=opened))
    for plan in made.plans():
        if (plan[opened]).all() and not plan[decision == 2].any():
            assert evaluate_rows(reduced, plan[kept]) == evaluate_rows(made.rows, plan)


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_floor_keeps_plans_above_it_and_flatters_the_others(
    make_rows: Callable[[int], MadeRows], seed: int
) -> None:
    made = make_rows(seed)
    rng = np.random.default_rng(seed)
    floor = np.floor(rng.random(made.rows.n_row) * (made.rows.first_gain + 1))
    raised = raise_floor(made.rows, floor)
    for plan in made.plans():
        worth, flattered = evaluate_rows(made.rows, plan), evaluate_rows(raised, plan)
        if (serve_rows(made.rows, plan) >= floor).all():
            assert flattered == worth
        else:
            assert flattered > worth


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_spread_prices_prove_as_much_as_the_merged_ones(
    make_rows: Callable[[int], MadeRows], seed: int
) -> None:
    made = make_rows(seed)
    rng = np.random.default_rng(seed)
    kept = rng.random(made.rows.n_site) < 0.7
    reduced, group = reduce_rows(made.rows, number_sites(kept))
    price = rng.random(reduced.n_row) * reduced.first_gain
    spread = spread_price(made.rows, kept, group, reduced, price)
    whole = evaluate_price(made.rows, made.rules, spread)
    small = evaluate_price(reduced, made.rules.restrict(kept), price)
    assert spread.sum() == pytest.approx(price.sum())
    assert whole.score[kept] == pytest.approx(small.score)


def test_stacked_rows_are_worth_their_sum() -> None:
    rows = hand_rows()
    whole, group = stack_rows([rows, rows], [np.array([0, 1, -1]), np.array([2, -1, 0])])
    assert group.tolist() == [0, 1, -1, 5, -1, 3]
    plan = np.array([False, True, True])
    assert evaluate_rows(whole, plan) == 2 * evaluate_rows(rows, plan)
