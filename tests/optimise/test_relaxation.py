"""Bounds: below no plan whatever the prices, as low as the linear relaxation at the best."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from siting.optimise.gain_rows import GainRows
from siting.optimise.interior_point import solve_interior
from siting.optimise.relaxation import (
    descend_prices,
    evaluate_price,
    find_decided,
    rule_sides,
    split_rule_price,
)
from siting.optimise.site_rules import count_rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import MadeRows
    from siting.optimise.site_rules import SiteRules

SEEDS = st.integers(0, 10**6)
TRIANGLE = GainRows(
    start=np.array([0, 2, 4, 6]),
    site=np.array([0, 1, 1, 2, 0, 2], dtype=np.int32),
    gain=np.ones(6),
    n_site=3,
)


def test_prices_of_a_triangle_by_hand() -> None:
    # Each demand point is covered by two of three sites; of one site the relaxation opens a third
    # each and covers two thirds of each.
    one = count_rules(n_site=3, most=1)
    at_once = evaluate_price(TRIANGLE, one, np.zeros(3))
    assert at_once.value == pytest.approx(2.0)
    assert evaluate_price(TRIANGLE, one, np.ones(3)).value == pytest.approx(3.0)
    two = solve_interior(TRIANGLE, count_rules(n_site=3, most=2)).bound
    assert two.value == pytest.approx(3.0)


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_no_prices_prove_less_than_the_best_plan(
    make_rows: Callable[[int], MadeRows], seed: int
) -> None:
    made, rng = make_rows(seed), np.random.default_rng(seed)
    best = made.best()
    price = rng.random(made.rows.n_row) * made.rows.first_gain
    rule_price = rng.random(rule_sides(made.rules).side.size)
    assert evaluate_price(made.rows, made.rules, price, rule_price=rule_price).value >= best
    descended = descend_prices(made.rows, made.rules, price, iterations=30, target=best)
    assert descended.value >= best
    if made.rules.allow(np.zeros(made.rows.n_site, dtype=bool)):
        assert solve_interior(made.rows, made.rules).bound.value >= best


@settings(max_examples=80, deadline=None)
@given(SEEDS)
def test_fixing_never_cuts_off_a_plan_worth_the_target(
    make_rows: Callable[[int], MadeRows], seed: int
) -> None:
    made, rng = make_rows(seed), np.random.default_rng(seed)
    price = rng.random(made.rows.n_row) * made.rows.first_gain
    bound = descend_prices(made.rows, made.rules, price, iterations=20, target=made.best())
    target = bound.value - rng.random() * 3
    decided = find_decided(bound, made.rules, target=target)
    for plan in made.plans():
        if made.rules.allow(plan) and made.worth(plan) >= target:
            assert not plan[decided.dropped].any()
            assert plan[decided.opened].all()
    assert decided.lost < target


def solve_relaxation(rows: GainRows, rules: SiteRules) -> float | None:
    """Return what a simplex makes of the relaxation with a variable for every pair."""
    n_site, n_pair = rows.n_site, rows.n_pair
    at, row = np.arange(n_pair), np.repeat(np.arange(rows.n_row), np.diff(rows.start))
    matrix = np.zeros((n_pair + rows.n_row, n_site + n_pair))
    matrix[at, rows.site] = -1.0
    matrix[at, n_site + at] = 1.0
    matrix[n_pair + row, n_site + at] = 1.0
    sides = rule_sides(rules)
    dense = np.zeros((1 + sides.side.size, n_site + n_pair))
    dense[0, :n_site] = 1.0
    dense[1:, :n_site] = np.array([sides.multiply(one) for one in np.eye(n_site)]).T
    answer = linprog(
        np.concatenate((rules.opening_cost, -rows.gain)),
        A_ub=np.vstack((matrix, dense)),
        b_ub=np.concatenate((np.zeros(n_pair), np.ones(rows.n_row), [rules.most], sides.side)),
        bounds=(0, 1),
    )
    return rows.offset - float(answer.fun) if answer.success else None


def test_the_interior_point_reaches_the_linear_relaxation(
    make_rows: Callable[[int], MadeRows],
) -> None:
    n_solved = 0
    for seed in range(60):
        made = make_rows(seed)
        exact = solve_relaxation(made.rows, made.rules)
        if exact is not None:
            n_solved += 1
            answer = solve_interior(made.rows, made.rules, tolerance=1e-7)
            assert answer.bound.value == pytest.approx(exact, rel=1e-5)
            assert answer.relaxed <= answer.bound.value + 1e-9
    assert n_solved > 30


def test_prices_of_rules_come_back_by_rule_and_side(make_rows: Callable[[int], MadeRows]) -> None:
    rules = make_rows(5).rules
    sides = rule_sides(rules)
    upper, lower, near = split_rule_price(rules, np.arange(1.0, sides.side.size + 1))
    assert upper[0] == 0
    assert near.size == len(rules.spacing_pairs)
    total = rules.coefficient.T @ (upper - lower) + np.bincount(
        rules.spacing_pairs.ravel(), weights=np.repeat(near, 2), minlength=rules.n_site
    )
    assert total == pytest.approx(sides.price_sites(np.arange(1.0, sides.side.size + 1)))
