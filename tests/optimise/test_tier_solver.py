"""Bounds, prices and annealing of the main model, on instances small enough to try everything."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siting.domain import Engine
from siting.instance import CLOSED
from siting.optimise.certificate import (
    TierPrices,
    check_bound,
    read_certificate,
    render_certificate,
)
from siting.optimise.lagrangian import allow_all, find_falls
from siting.optimise.limits import Limits, Watch
from siting.optimise.solve import SolveOptions, solve
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import (
    fill_up,
    is_impossible,
    mean_opened,
    price_instance,
    solve_by_prices,
    start_from_prices,
)

if TYPE_CHECKING:
    from conftest import MadeTiers
    from siting.instance import SitingInstance

EXACT = SolveOptions(gap=1e-6, time_limit_s=30.0, engine=Engine.HIGHS)


def draw_prices(rng: np.random.Generator, instance: SitingInstance) -> TierPrices:
    req = instance.requirements

    def draw(*shape: int) -> np.ndarray:
        return rng.choice([0.0, 0.3, 0.9], shape) * rng.random(shape)

    return TierPrices(
        demand=draw(instance.n_demand, instance.n_brand),
        floor=draw(instance.n_brand),
        budget=float(draw(1)[0]),
        greatest_count=float(draw(1)[0]) if req.max_sites is not None else 0.0,
        least_count=float(draw(1)[0]),
        grid_group=draw(req.grid_group_limit_kw.size) * 0.01,
        greatest_in_district=draw(req.district_max_sites.size),
        least_in_district=draw(req.district_min_sites.size),
        cliques=tuple((tuple(pair), float(draw(1)[0])) for pair in req.spacing_pairs.tolist()),
    )


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_whatever_the_prices_the_certificate_bounds_the_best_plan(
    made_tiers: type[MadeTiers], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    instance = made_tiers.make(seed)
    prices = draw_prices(rng, instance)
    assert check_bound(instance, prices) >= made_tiers.best(instance)


@settings(max_examples=25, deadline=None)
@example(seed=7034)
@given(seed=st.integers(0, 10**6))
def test_prices_and_annealing_enclose_the_optimum(made_tiers: type[MadeTiers], seed: int) -> None:
    instance = made_tiers.make(seed)
    problem = build_problem(instance)
    answer = solve_by_prices(problem, Watch(Limits(gap=1e-6)))
    best = made_tiers.best(instance)
    assert answer.point.bound >= best
    proven = check_bound(instance, price_instance(instance, problem, answer.point))
    assert proven >= best
    if np.isneginf(answer.point.bound):
        # Required sites cost more than the budget: the descent sees that, finite prices do not.
        assert np.isneginf(best)
    else:
        # What the point says beyond its prices rests on buying sites whole.
        relaxed, _, _ = find_falls(problem, answer.point, allow_all(problem))
        assert proven == pytest.approx(relaxed, rel=1e-6, abs=1e-6)
    if answer.plan is not None:
        assert answer.plan.value <= best + 1e-7


def test_annealing_finds_the_best_plan_of_nearly_every_small_instance(
    made_tiers: type[MadeTiers],
) -> None:
    found = 0
    for seed in range(40):
        instance = made_tiers.make(seed, floor_by_brand=[0.0, 0.0])
        best = made_tiers.best(instance)
        answer = solve_by_prices(build_problem(instance), Watch(Limits(gap=1e-6)))
        value = -np.inf if answer.plan is None else answer.plan.value
        found += bool(value >= best - 1e-7)
    assert found >= 38


def test_prices_survive_the_way_to_the_instance_and_back(made_tiers: type[MadeTiers]) -> None:
    instance = made_tiers.make(3, floor_by_brand=[0.2, 0.0], max_sites=2)
    problem = build_problem(instance)
    point = solve_by_prices(problem, Watch(Limits(gap=1e-6))).point
    prices = price_instance(instance, problem, point)
    again = start_from_prices(instance, problem, prices)
    assert again is not None
    assert again.prices.row == pytest.approx(point.prices.row, abs=1e-6)
    assert again.prices.floor == pytest.approx(point.prices.floor, abs=1e-6)
    assert again.prices.side == pytest.approx(point.prices.side, abs=1e-6)


def test_no_plan_that_keeps_the_floors_is_worth_less_than_they_are(
    made_tiers: type[MadeTiers],
) -> None:
    # Some links of this instance are worth half: floors of 20 % may be kept over those alone.
    problem = build_problem(made_tiers.make(4, floor_by_brand=[0.2, 0.2]))
    least = 0.5 * problem.floor_kwh.sum()
    assert problem.reach.worth.min() == 0.5
    assert least > 0.0
    assert is_impossible(problem, 0.99 * least)
    assert not is_impossible(problem, least)


@pytest.mark.parametrize("seed", range(30))
def test_known_tiers_are_opened_as_far_as_new_rules_allow(
    made_tiers: type[MadeTiers], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    instance = made_tiers.make(
        seed, **made_tiers.NOTHING_ASKED | {"required": [True, False, False]}
    )
    problem = build_problem(instance)
    point = solve_by_prices(problem, Watch(Limits()), n_round=1).point
    known = rng.integers(-1, 2, instance.n_site).astype(np.int32)
    filled = fill_up(problem, point, known)
    opened = np.flatnonzero(filled != CLOSED)
    req = instance.requirements
    assert instance.tier_cost_cny[opened, filled[opened]].sum() <= req.budget_cny
    assert not req.forbidden[opened].any()
    assert opened.size <= (req.max_sites or instance.n_site)
    cheapest = instance.tier_cost_cny[0, max(known[0], 0)]
    if problem.columns.opened_by(known)[problem.menu.site == 0].any():
        assert filled[0] == known[0] or cheapest > req.budget_cny


@pytest.mark.parametrize("engine", [Engine.HIGHS, Engine.LAGRANGIAN, Engine.SCIP])
def test_the_shipped_certificate_proves_what_the_result_says(
    made_tiers: type[MadeTiers], engine: Engine
) -> None:
    instance = made_tiers.make(12, **made_tiers.NOTHING_ASKED)
    result = solve(instance, options=dataclasses.replace(EXACT, engine=engine))
    assert result.multipliers is not None
    content = render_certificate(
        result.multipliers, objective=result.objective, bound=result.bound_by_duality
    )
    read = read_certificate(content)
    assert check_bound(instance, read) == result.bound_by_duality
    assert result.bound >= result.objective
    assert result.bound_by_duality >= result.bound * (1 - 1e-8)


def test_heat_is_measured_in_what_the_relaxation_opens() -> None:
    cost = np.array([1.0, 9.0])
    assert mean_opened(np.array([0.5, 0.5]), cost) == 5.0
    # Three small sites for one large one.
    assert mean_opened(np.array([3.0, 1.0]), cost) == 3.0
    assert mean_opened(np.zeros(2), cost) == 5.0
    assert mean_opened(np.zeros(0), np.zeros(0)) == 0.0


def test_prices_of_another_instance_are_refused(made_tiers: type[MadeTiers]) -> None:
    instance = made_tiers.make(1)
    prices = TierPrices(demand=np.zeros((9, 9)), floor=np.zeros(2))
    with pytest.raises(ValueError, match="another instance"):
        check_bound(instance, prices)
    with pytest.raises(ValueError, match="no certificate"):
        read_certificate(b'{"demand": []}')
