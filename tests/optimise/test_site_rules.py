"""Rules for opened sites, by hand, and that carrying decisions out keeps what they allow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.optimise.site_rules import count_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeRows


def test_count_and_budget_by_hand() -> None:
    rules = count_rules(n_site=3, most=2, cost=np.array([1.0, 2.0, 4.0]), budget=5.0)
    assert rules.most == 2
    assert rules.allow(np.array([True, False, True]))
    assert not rules.allow(np.array([False, True, True]))
    assert not rules.allow(np.array([True, True, True]))
    assert not rules.impossible


def test_one_of_a_set_is_asked_for() -> None:
    rules = count_rules(n_site=3).require_one_of(np.array([False, True, True]))
    assert not rules.allow(np.array([True, False, False]))
    assert rules.allow(np.array([False, False, True]))
    nothing = np.zeros(3, dtype=bool)
    assert rules.carry_out(np.array([True, False, False]), opened=nothing).impossible


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6))
def test_decisions_carried_out_allow_the_same_plans(
    make_rows: Callable[[int], MadeRows], seed: int
) -> None:
    made = make_rows(seed)
    opened = np.random.default_rng(seed).random(made.rows.n_site) < 0.3
    a, b = made.rules.spacing_pairs.T
    kept = ~opened & ~made.rules.excluded_by(opened)
    left = made.rules.reduce(kept, opened=opened)
    if (opened[a] & opened[b]).any():
        return
    for plan in made.plans():
        if plan[opened].all() and not plan[~kept & ~opened].any():
            assert left.allow(plan[kept]) == made.rules.allow(plan)
