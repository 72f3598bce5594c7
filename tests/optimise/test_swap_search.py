"""Swap search: plans that the rules allow, worth what is claimed, that no single move betters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.optimise.gain_rows import GainRows
from siting.optimise.site_rules import count_rules
from siting.optimise.swap_search import search_swaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeRows


def test_a_swap_is_found_by_hand() -> None:
    # Site 0 covers the two heaviest, but 1 and 2 together cover all.
    rows = GainRows(
        start=np.array([0, 2, 4, 5]),
        site=np.array([0, 1, 0, 2, 1], dtype=np.int32),
        gain=np.array([5.0, 5.0, 4.0, 4.0, 3.0]),
        n_site=3,
    )
    first = np.array([True, True, False])
    found = search_swaps(rows, count_rules(n_site=3, most=2), first, kicks=0, seed=0)
    assert found.opened.tolist() == [True, True, False]
    assert found.objective == 12.0
    alone = search_swaps(rows, count_rules(n_site=3, most=1), first & False, kicks=0, seed=0)
    assert alone.objective == 9.0


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 30]))
def test_what_is_found_is_allowed_and_no_move_betters_it(
    make_rows: Callable[[int], MadeRows], seed: int, kicks: int
) -> None:
    made = make_rows(seed)
    start = next((plan for plan in made.plans() if made.rules.allow(plan)), None)
    if start is None:
        return
    found = search_swaps(made.rows, made.rules, start, kicks=kicks, seed=seed)
    assert made.rules.allow(found.opened)
    assert found.objective == pytest.approx(made.worth(found.opened))
    assert found.objective >= made.worth(start) - 1e-9
    if kicks == 0:
        for plan in made.plans():
            opens = int((plan & ~found.opened).sum())
            closes = int((found.opened & ~plan).sum())
            if max(opens, closes) == 1 and made.rules.allow(plan):
                assert made.worth(plan) <= found.objective + 1e-6


def test_the_same_seed_gives_the_same_plan(make_rows: Callable[[int], MadeRows]) -> None:
    made = make_rows(11)
    start = np.zeros(made.rows.n_site, dtype=bool)
    plans = [search_swaps(made.rows, made.rules, start, kicks=50, seed=4).opened for _ in range(2)]
    assert (plans[0] == plans[1]).all()
