"""The exact method for rows of gains against trying all plans, and its limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.optimise.gain_rows import GainRows
from siting.optimise.limits import Limits, Watch
from siting.optimise.row_solver import maximise_rows, round_weight
from siting.optimise.site_rules import count_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeRows


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), whole_numbers=st.booleans())
def test_agrees_with_trying_all_plans(
    make_rows: Callable[[int], MadeRows], seed: int, *, whole_numbers: bool
) -> None:
    made = make_rows(seed)
    watch = Watch(Limits(gap=0.0))
    answer = maximise_rows(made.rows, made.rules, watch, whole_numbers=whole_numbers)
    best = made.best()
    assert answer.infeasible == math.isinf(best)
    if not answer.infeasible:
        assert answer.opened is not None
        assert made.rules.allow(answer.opened)
        assert answer.value == best == pytest.approx(made.worth(answer.opened))
        assert answer.bound == pytest.approx(best)
        assert answer.root_bound >= best


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.001, 0.3))
def test_a_gap_asked_for_is_kept(
    make_rows: Callable[[int], MadeRows], seed: int, gap: float
) -> None:
    made = make_rows(seed)
    answer = maximise_rows(made.rows, made.rules, Watch(Limits(gap=gap)))
    if not answer.infeasible:
        assert answer.bound >= made.best() >= answer.value
        assert answer.bound - answer.value <= gap * abs(answer.value) + 1e-9


def hard_rows() -> GainRows:
    """Points of a plane, nine tenths covered by the best plan: much to branch on."""
    rng = np.random.default_rng(3)
    near = np.hypot(*(rng.random((400, 1, 2)) - rng.random((90, 2))).transpose(2, 0, 1)) < 0.12
    start = np.concatenate(([0], np.cumsum(near.sum(axis=1))))
    site = np.nonzero(near)[1].astype(np.int32)
    return GainRows(start=start, site=site, gain=np.ones(site.size), n_site=90)


@pytest.mark.parametrize("limits", [Limits(gap=0.0, work_limit=1.0), Limits(time_limit_s=0.05)])
def test_a_limit_leaves_a_plan_and_a_valid_bound(limits: Limits) -> None:
    rows, rules = hard_rows(), count_rules(n_site=90, most=24)
    best = maximise_rows(rows, rules, Watch(Limits(gap=0.0)), whole_numbers=True)
    assert best.bound == best.value
    assert best.nodes > 0
    cut = maximise_rows(rows, rules, Watch(limits), whole_numbers=True)
    assert cut.opened is not None
    assert cut.value <= best.value <= cut.bound


def test_work_limits_give_the_same_answer_twice() -> None:
    rows, rules = hard_rows(), count_rules(n_site=90, most=24)
    first, second = (
        maximise_rows(rows, rules, Watch(Limits(gap=0.0, work_limit=5.0))) for _ in range(2)
    )
    assert first.opened is not None
    assert second.opened is not None
    assert (first.opened == second.opened).all()
    assert (first.bound, first.nodes) == (second.bound, second.nodes)


def test_progress_shows_value_and_bound_as_they_close() -> None:
    seen: list[tuple[float, float]] = []
    maximise_rows(
        hard_rows(),
        count_rules(n_site=90, most=24),
        Watch(Limits(gap=0.0)),
        on_progress=lambda value, bound: seen.append((value, bound)),
    )
    values, bounds = zip(*seen, strict=True)
    assert list(values) == sorted(values)
    assert bounds[-1] - values[-1] <= 1e-6 * values[-1]
    assert math.isinf(bounds[0])


def test_rounding_opens_by_falling_weight_as_far_as_the_rules_allow() -> None:
    rules = count_rules(n_site=4, most=3, cost=np.array([4.0, 3.0, 2.0, 1.0]), budget=6.0)
    opened = round_weight(np.array([0.9, 0.8, 0.7, 0.0]), rules)
    assert opened is not None
    assert opened.tolist() == [True, False, True, False]
