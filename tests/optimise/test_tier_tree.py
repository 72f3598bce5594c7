"""The tree of the main model: its rows, what it drops, and that it never bounds too low."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.optimise.lagrangian import allow_all, descend, find_falls, find_part, start_descent
from siting.optimise.limits import Limits, Watch
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import TierAnswer, solve_by_branching
from siting.optimise.tier_tree import Count, Experience, add_counts, find_fractions, find_quarters

if TYPE_CHECKING:
    from conftest import MadeTiers
    from siting.optimise.lagrangian import DualPoint
    from siting.optimise.tier_problem import TierProblem


def price(problem: TierProblem, *, n_iteration: int) -> DualPoint:
    start = start_descent(problem)
    return descend(problem, start, allow_all(problem), n_iteration=n_iteration, aim=0.0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_tree_alone_encloses_the_optimum(made_tiers: type[MadeTiers], seed: int) -> None:
    instance = made_tiers.make(seed)
    problem = build_problem(instance)
    known = TierAnswer(plan=None, point=price(problem, n_iteration=5))
    watch = Watch(Limits(gap=1e-6, work_limit=2.0, n_threads=2))
    plan, bound = solve_by_branching(problem, watch, known)
    best = made_tiers.best(instance)
    assert bound >= best
    if plan is not None:
        assert plan.value <= best + 1e-7


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_plan_with_a_column_is_worth_more_than_its_fall_leaves(
    made_tiers: type[MadeTiers], seed: int
) -> None:
    instance = made_tiers.make(seed)
    problem = build_problem(instance)
    point = price(problem, n_iteration=20)
    if not np.isfinite(point.bound):
        return
    bound, fall, need = find_falls(problem, point, allow_all(problem))
    req = instance.requirements
    for c in range(problem.n_column):
        site, tier = problem.columns.site[c], problem.columns.tier[c]
        allowed, required = instance.tier_allowed.copy(), req.required.copy()
        allowed[site] = False
        allowed[site, tier] = required[site] = True
        with_it = instance.replace(
            tier_allowed=allowed, requirements=req.replace(required=required)
        )
        assert made_tiers.best(with_it) <= bound - fall[c]
    for site in np.flatnonzero(~req.required & ~req.forbidden):
        forbidden = req.forbidden.copy()
        forbidden[site] = True
        without = instance.replace(requirements=req.replace(forbidden=forbidden))
        assert made_tiers.best(without) <= bound - need[site]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), site=st.integers(0, 5))
def test_moving_a_part_of_the_prices_says_what_all_prices_say(
    made_tiers: type[MadeTiers], seed: int, site: int
) -> None:
    problem = build_problem(made_tiers.make(seed))
    everything = allow_all(problem)
    point = price(problem, n_iteration=5)
    if not np.isfinite(point.bound):
        return
    part = find_part(problem, np.array([site % problem.n_site]))
    moved = descend(problem, point, everything, n_iteration=15, aim=0.0, part=part)
    again = descend(problem, moved, everything, n_iteration=0, aim=0.0)
    assert moved.bound <= point.bound * (1 + 1e-8)
    assert moved.bound == pytest.approx(again.bound, rel=1e-7)
    assert moved.value == pytest.approx(again.value, rel=1e-7, abs=1e-7)
    still = np.setdiff1d(np.arange(np.concatenate(point.prices).size), part.row)
    before, after = np.concatenate(point.prices), np.concatenate(moved.prices)
    assert after[still].tolist() == before[still].tolist()


def test_a_part_is_the_demand_that_a_site_reaches_and_all_who_reach_that(
    made_tiers: type[MadeTiers],
) -> None:
    problem = build_problem(made_tiers.make(4, **made_tiers.NOTHING_ASKED))
    reach = problem.reach
    part = find_part(problem, np.array([0]))
    rows = set(reach.row[reach.start[0] : reach.start[1]].tolist())
    near = {int(k) for k, r in zip(reach.supply, reach.row, strict=True) if int(r) in rows}
    assert set(part.row.tolist()) == rows
    assert set(part.site.tolist()) == {k for k in near if k < problem.n_site} | {0}
    stations = {k - problem.n_site for k in near if k >= problem.n_site}
    assert set(part.station.tolist()) == stations


def test_a_count_never_tried_is_taken_for_its_kind_and_for_the_best_before() -> None:
    experience = Experience(np.array([0, 0, 1]))
    assert experience.expect(0, 1) == (np.inf, np.inf)
    experience.add(0, 1, 4.0, 8.0)
    experience.add(0, 1, 2.0, 0.0)
    assert experience.expect(0, 1) == (3.0, 4.0)
    assert experience.expect(1, 1) == (3.0, 4.0)
    assert experience.expect(2, 1) == (np.inf, np.inf)
    assert not experience.is_known(0, 1)
    experience.add(0, 1, 1.0, 1.0)
    assert experience.is_known(0, 1)


def test_quarters_are_nested_and_hold_every_site_alone_and_all_together(
    made_tiers: type[MadeTiers],
) -> None:
    problem = build_problem(made_tiers.make(4, **made_tiers.NOTHING_ASKED))
    quarters = find_quarters(problem)
    members = [
        frozenset(np.flatnonzero((quarters.place >= low) & (quarters.place < high)))
        for low, high in zip(quarters.low, quarters.high, strict=True)
    ]
    assert set(members) >= {frozenset([j]) for j in range(problem.n_site)}
    assert frozenset(range(problem.n_site)) in members
    for one in members:
        for other in members:
            assert one <= other or other <= one or not one & other


def test_a_count_is_a_row_over_the_large_columns_of_its_quarter(
    made_tiers: type[MadeTiers],
) -> None:
    problem = build_problem(made_tiers.make(4, **made_tiers.NOTHING_ASKED))
    quarters = find_quarters(problem)
    everywhere = int(np.argmax(quarters.high - quarters.low))
    counts = (Count(everywhere, 1, 1, 2), Count(everywhere, 0, -1, 3))
    menu = add_counts(problem, quarters, counts).menu
    column = np.repeat(np.arange(problem.n_column), np.diff(menu.side_start))
    first = problem.menu.side_upper.size
    large = column[menu.side_row == first]
    assert large.tolist() == np.flatnonzero(problem.columns.tier >= 1).tolist()
    assert (menu.side_coefficient[menu.side_row == first + 1] == -1.0).all()
    assert menu.side_upper[first:].tolist() == [2.0, -3.0]


def test_half_a_site_is_a_fraction_and_whole_sites_are_none(made_tiers: type[MadeTiers]) -> None:
    problem = build_problem(made_tiers.make(4, **made_tiers.NOTHING_ASKED))
    quarters = find_quarters(problem)
    opened = np.zeros(problem.n_column)
    opened[0] = 1.0
    assert find_fractions(problem, quarters, opened) == []
    opened[0] = 0.5
    totals = [total for _, _, total in find_fractions(problem, quarters, opened)]
    assert totals
    assert totals == pytest.approx([0.5] * len(totals))


def test_a_work_limit_gives_the_same_answer_with_one_thread_and_two(
    made_tiers: type[MadeTiers],
) -> None:
    problem = build_problem(made_tiers.make(7, **made_tiers.NOTHING_ASKED))
    known = TierAnswer(plan=None, point=price(problem, n_iteration=5))
    answers = [
        solve_by_branching(
            replace(problem), Watch(Limits(gap=0.0, work_limit=1.0, n_threads=n)), known
        )
        for n in (1, 2)
    ]
    (one, bound_of_one), (two, bound_of_two) = answers
    assert bound_of_one == bound_of_two
    assert (one is None) == (two is None)
    if one is not None and two is not None:
        assert one.column.tolist() == two.column.tolist()
