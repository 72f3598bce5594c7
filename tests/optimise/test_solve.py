"""The main model: hand-solved, and what must hold for every plan."""

from __future__ import annotations

import signal
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import Engine, SolveStatus
from siting.instance import SitingInstance, evaluate, no_requirements
from siting.optimise import solve as solve_module
from siting.optimise.limits import Progress, StopReason, Watch
from siting.optimise.solve import (
    SolveOptions,
    SolveResult,
    WarmStart,
    expect_plan,
    solve,
    solve_again,
    solve_baseline,
    solve_nearby,
)
from siting.optimise.tier_solver import TierAnswer

if TYPE_CHECKING:
    from conftest import MadeTiers
    from siting.optimise.lagrangian import DualPoint
    from siting.optimise.tier_problem import TierProblem

EXACT = SolveOptions(gap=1e-6, time_limit_s=30.0)


def checked(instance: SitingInstance, result: SolveResult) -> float:
    """Return the objective of a result after recomputing everything without the solver."""
    evaluation = evaluate(instance, expect_plan(result))
    assert evaluation.violations == ()
    assert evaluation.objective_kwh_per_day == pytest.approx(result.objective, abs=1e-9)
    assert result.bound >= result.objective
    assert result.bound_by_duality >= result.bound * (1 - 1e-8)
    return evaluation.objective_kwh_per_day


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_second_opinion_agrees(made_tiers: type[MadeTiers], seed: int) -> None:
    instance = made_tiers.make(seed, **made_tiers.NOTHING_ASKED)
    objectives = [
        checked(instance, solve(instance, options=SolveOptions(gap=1e-6, engine=engine)))
        for engine in (Engine.HIGHS, Engine.SCIP)
    ]
    assert objectives[0] == pytest.approx(objectives[1], abs=1e-4)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_more_budget_never_serves_less(made_tiers: type[MadeTiers], seed: int) -> None:
    served = []
    for budget in (0.0, 4.0, 8.0, 30.0):
        instance = made_tiers.make(
            seed,
            budget_cny=budget,
            **made_tiers.NOTHING_ASKED,
        )
        served.append(checked(instance, solve(instance, options=EXACT)))
    assert all(more >= less - 1e-6 for less, more in pairwise(served))
    baseline = evaluate(instance, solve_baseline(instance))
    assert baseline.feasible
    assert baseline.objective_kwh_per_day == pytest.approx(served[0], abs=1e-6)


def test_drivers_go_to_the_near_charger_when_both_could_serve() -> None:
    instance = SitingInstance(
        brands=("ant",),
        demand_ids=("home",),
        demand_kwh_per_day=[[5.0]],
        demand_district=[-1],
        site_ids=(),
        site_district=[],
        station_ids=("far", "near"),
        district_ids=(),
        tiers=("one",),
        tier_cost_cny=np.empty((0, 1)),
        tier_power_kw=np.empty((0, 1)),
        tier_capacity_kwh_per_day=np.empty((0, 1)),
        tier_allowed=np.empty((0, 1), dtype=bool),
        station_capacity_kwh_per_day=[9.0, 4.0],
        usable=[[True], [True]],
        cover_start=[0, 2],
        cover_supply=[0, 1],
        cover_time_s=[300.0, 60.0],
        cover_worth=[1.0, 1.0],
        requirements=no_requirements(n_site=0, n_brand=1),
    )
    assert solve_baseline(instance).flow_kwh_per_day.ravel() == pytest.approx([1.0, 4.0])


def test_the_same_seed_gives_the_same_plan(made_tiers: type[MadeTiers]) -> None:
    instance = made_tiers.make(7, budget_cny=10.0, **made_tiers.NOTHING_ASKED)
    first, second = (expect_plan(solve(instance, options=EXACT)) for _ in range(2))
    assert first.tier_of_site.tolist() == second.tier_of_site.tolist()
    assert first.flow_kwh_per_day.tolist() == second.flow_kwh_per_day.tolist()


def make_city(seed: int, *, n_demand: int = 300, n_site: int = 60) -> SitingInstance:
    """Make a square of demand and sites, each in reach of what is near, with two tiers a site."""
    rng = np.random.default_rng(seed)
    demand, site = rng.random((n_demand, 2)), rng.random((n_site, 2))
    away = np.linalg.norm(demand[:, None] - site[None], axis=2)
    i, j = np.nonzero(away < 0.2)
    kwh = rng.integers(1, 20, (n_demand, 2)).astype(float)
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=tuple(f"i{n}" for n in range(n_demand)),
        demand_kwh_per_day=kwh,
        demand_district=np.zeros(n_demand),
        site_ids=tuple(f"s{n}" for n in range(n_site)),
        site_district=np.zeros(n_site),
        station_ids=(),
        district_ids=("d0",),
        tiers=("small", "big"),
        tier_cost_cny=np.tile([3.0, 5.0], (n_site, 1)) * rng.uniform(0.8, 1.2, (n_site, 1)),
        tier_power_kw=np.tile([50.0, 100.0], (n_site, 1)),
        tier_capacity_kwh_per_day=np.tile([150.0, 400.0], (n_site, 1)),
        tier_allowed=np.ones((n_site, 2), dtype=bool),
        station_capacity_kwh_per_day=[],
        usable=np.ones((n_site, 2), dtype=bool),
        cover_start=np.concatenate([[0], np.cumsum(np.bincount(i, minlength=n_demand))]),
        cover_supply=j,
        cover_time_s=1000.0 * away[i, j],
        cover_worth=np.ones(i.size),
        requirements=no_requirements(n_site=n_site, n_brand=2, budget_cny=60.0),
    )


LARGE = SolveOptions(gap=0.05, time_limit_s=60.0, engine=Engine.LAGRANGIAN)


def test_engines_agree_on_a_city_within_their_gaps() -> None:
    city = make_city(1)
    ours = solve(city, options=LARGE)
    theirs = solve(city, options=SolveOptions(gap=0.05, time_limit_s=60.0, engine=Engine.HIGHS))
    for result in (ours, theirs):
        checked(city, result)
        assert result.status is SolveStatus.OPTIMAL
    assert max(ours.objective, theirs.objective) <= min(ours.bound, theirs.bound)
    assert ours.engine.startswith("lagrangian")
    assert theirs.engine == "highs"


def test_progress_shows_plan_and_bound_as_they_move() -> None:
    city = make_city(2)
    for engine in (Engine.LAGRANGIAN, Engine.HIGHS):
        told: list[Progress] = []
        options = SolveOptions(gap=0.0, time_limit_s=2.0, engine=engine)
        result = solve(city, options=options, progress=told.append)
        assert len(told) > 1
        assert all(later.bound <= sooner.bound for sooner, later in pairwise(told))
        worths = [step.objective for step in told]
        assert all(more >= less * (1 - 1e-8) for less, more in pairwise(worths))
        assert told[-1].objective <= result.objective * (1 + 1e-8)
        assert np.isfinite(told[-1].gap)


@pytest.mark.parametrize("engine", [Engine.LAGRANGIAN, Engine.HIGHS])
def test_ctrl_c_returns_the_best_plan_with_its_gap(engine: Engine) -> None:
    pressed: list[float] = []

    def interrupt(told: Progress) -> None:
        if np.isfinite(told.gap) and not pressed:
            pressed.append(told.gap)
            signal.raise_signal(signal.SIGINT)

    options = SolveOptions(gap=0.0, time_limit_s=60.0, engine=engine)
    city = make_city(3)
    result = solve(city, options=options, progress=interrupt)
    assert result.interrupted
    assert result.status is SolveStatus.FEASIBLE
    assert 0 < result.gap < 1
    checked(city, result)


def test_a_work_limit_is_kept_and_gives_the_same_plan_again() -> None:
    city = make_city(4)
    options = SolveOptions(gap=0.0, work_limit=8.0, engine=Engine.LAGRANGIAN)
    first, second = (solve(city, options=options) for _ in range(2))
    assert first.stopped is StopReason.WORK
    assert 0.9 * 8.0 <= first.work <= 1.1 * 8.0
    assert first.work == second.work
    assert first.bound == second.bound
    assert expect_plan(first).tier_of_site.tolist() == expect_plan(second).tier_of_site.tolist()


@pytest.mark.parametrize(
    ("work_limit", "n_demand", "n_site"),
    [(1.0, 400, 60), (10.0, 400, 60), (60.0, 400, 60), (300.0, 100, 30)],
)
def test_a_work_limit_holds_for_the_engine_chosen_by_the_instance(
    work_limit: float, n_demand: int, n_site: int
) -> None:
    city = make_city(4, n_demand=n_demand, n_site=n_site)
    result = solve(city, options=SolveOptions(gap=0.0, work_limit=work_limit))
    assert result.work <= 1.1 * work_limit
    assert result.status is SolveStatus.OPTIMAL or result.stopped is StopReason.WORK
    checked(city, result)


@pytest.mark.parametrize("engine", [Engine.HIGHS, Engine.SCIP])
def test_a_solver_that_counts_in_nodes_does_not_begin_what_no_work_pays_for(engine: Engine) -> None:
    city = make_city(4)
    result = solve(city, options=SolveOptions(gap=0.0, work_limit=0.3, engine=engine))
    assert result.decision is None
    assert result.stopped is StopReason.WORK
    assert result.work <= 1.1 * 0.3
    assert np.isfinite(result.bound)
    first, again = (
        solve(city, options=SolveOptions(gap=0.0, work_limit=20.0, engine=engine)) for _ in range(2)
    )
    assert first.stopped is StopReason.WORK
    assert (first.objective, first.bound, first.work) == (again.objective, again.bound, again.work)


def test_a_whole_solve_after_a_cheap_one_counts_both(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(
        _problem: TierProblem, watch: Watch, *, point: DualPoint, **_: object
    ) -> TierAnswer:
        watch.spend(7e6)
        return TierAnswer(plan=None, point=point)

    city = make_city(6, n_demand=80, n_site=20)
    monkeypatch.setattr(solve_module, "LINKS_TO_SOLVE", 0)
    monkeypatch.setattr(solve_module, "solve_by_prices", find_nothing)
    result = solve_nearby(city, options=EXACT, start=WarmStart())
    whole = solve(city, options=EXACT)
    assert result.engine == "lagrangian+highs"
    assert result.work >= 7.0 + whole.work
    assert result.objective == pytest.approx(whole.objective, abs=1e-6)
    assert result.status is SolveStatus.OPTIMAL
    too_poor = replace(EXACT, work_limit=7.5)
    assert solve_nearby(city, options=too_poor, start=WarmStart()).stopped is StopReason.WORK


def test_what_is_impossible_stays_so_after_a_cheap_solve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve_module, "LINKS_TO_SOLVE", 0)
    city = make_city(6, n_demand=80, n_site=20)
    required = np.ones(city.n_site, dtype=bool)
    asked = city.requirements.replace(required=required, budget_cny=5.0)
    result = solve_nearby(city.replace(requirements=asked), options=EXACT, start=WarmStart())
    assert result.status is SolveStatus.INFEASIBLE
    assert result.bound == -np.inf


def test_a_time_limit_ends_the_solve_with_a_plan() -> None:
    city = make_city(5, n_demand=900, n_site=150)
    solve(city, options=SolveOptions(gap=0.5, engine=Engine.LAGRANGIAN))  # compiles the kernels
    result = solve(city, options=SolveOptions(gap=0.0, time_limit_s=3.0, engine=Engine.LAGRANGIAN))
    assert result.time_limit_hit
    assert result.decision is not None
    assert result.cpu_s <= 3.0 * 2 * 1.1  # two threads at most; the wall is other people's as well


def test_a_known_plan_and_its_prices_shorten_the_next_solve() -> None:
    city = make_city(6)
    first = solve(city, options=LARGE)
    richer = city.replace(requirements=city.requirements.replace(budget_cny=61.0))
    cold = solve(richer, options=LARGE)
    warm = solve(richer, options=LARGE, start=first)
    checked(richer, warm)
    assert warm.status is SolveStatus.OPTIMAL
    assert warm.work < cold.work
    again = solve(city, options=LARGE, start=first)
    assert again.objective >= first.objective
    assert again.work < first.work


def test_like_instances_are_solved_from_plan_and_prices_in_a_fraction() -> None:
    city = make_city(6)
    first = solve(city, options=LARGE)
    required = np.arange(city.n_site) == np.flatnonzero(~expect_plan(first).opened)[0]
    cold_work = warm_work = 0.0
    for budget_cny in (50.0, 60.0, 75.0):
        other = city.replace(
            requirements=city.requirements.replace(budget_cny=budget_cny, required=required)
        )
        cold, warm = solve(other, options=LARGE), solve_nearby(other, options=LARGE, start=first)
        checked(other, warm)
        assert expect_plan(warm).opened[required].all()
        assert warm.objective <= cold.bound
        assert cold.objective <= warm.bound
        assert warm.status is SolveStatus.OPTIMAL
        cold_work, warm_work = cold_work + cold.work, warm_work + warm.work
    # A single one may be luck: some annealing from nothing ends early.
    assert warm_work < 0.7 * cold_work


@pytest.mark.parametrize("n_thread", [1, 2])
def test_a_solve_nearby_is_repeatable(n_thread: int) -> None:
    city = make_city(6)
    options = SolveOptions(gap=0.0, engine=Engine.LAGRANGIAN, n_threads=n_thread)
    start = WarmStart(tier_of_site=np.full(city.n_site, -1, dtype=np.int32))
    found = solve_nearby(city, options=options, start=start)
    again = solve_nearby(city, options=SolveOptions(gap=0.0), start=start)
    assert expect_plan(found).tier_of_site.tolist() == expect_plan(again).tier_of_site.tolist()
    assert (found.objective, found.bound) == (again.objective, again.bound)


def test_a_solver_that_is_asked_for_solves_nearby_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve_module, "LINKS_TO_SOLVE", 0)
    city = make_city(6, n_demand=40, n_site=10)
    for engine in (Engine.HIGHS, Engine.SCIP, Engine.LAGRANGIAN):
        options = SolveOptions(gap=0.05, engine=engine)
        assert solve_nearby(city, options=options, start=WarmStart()).engine == engine.value


@pytest.mark.parametrize("gap", [0.05, 1e-6])
def test_what_is_not_proven_by_prices_is_solved_whole(
    gap: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solve_module, "LINKS_TO_SOLVE", 0)
    city = make_city(6, n_demand=80, n_site=20)
    forbidden = np.arange(city.n_site) < 2
    other = city.replace(
        requirements=city.requirements.replace(budget_cny=30.0, forbidden=forbidden)
    )
    first = solve(city, options=SolveOptions(gap=gap))
    result = solve_again(other, options=SolveOptions(gap=gap), start=first)
    best = solve(other, options=EXACT)
    checked(other, result)
    assert result.status is SolveStatus.OPTIMAL
    assert result.objective <= best.bound + 1e-6
    assert best.objective <= result.bound + 1e-6
    assert ("highs" in result.engine) == (gap < 0.01)


def test_a_start_that_breaks_the_new_rules_is_opened_as_far_as_they_allow() -> None:
    city = make_city(7)
    first = solve(city, options=LARGE)
    opened = np.flatnonzero(expect_plan(first).opened)
    forbidden = np.zeros(city.n_site, dtype=bool)
    forbidden[opened[:3]] = True
    other = city.replace(
        requirements=city.requirements.replace(forbidden=forbidden, required=~forbidden & False)
    )
    result = solve(other, options=LARGE, start=first)
    checked(other, result)
    assert not expect_plan(result).opened[forbidden].any()
    with pytest.raises(ValueError, match="sites"):
        solve(city, options=LARGE, start=WarmStart(tier_of_site=np.zeros(3, dtype=np.int32)))
