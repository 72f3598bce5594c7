from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from siting.alliance import games
from siting.alliance.coalitions import (
    THIRD_PARTY,
    Alliance,
    build_coalition_instance,
    list_members,
)
from siting.alliance.core import compute_least_core, compute_nucleolus
from siting.alliance.game import GameKind
from siting.alliance.games import (
    CoalitionPlan,
    SolvedGame,
    ask_for_gain,
    ask_for_target,
    leave_out,
    solve_game,
)
from siting.alliance.shares import compute_shapley, compute_shapley_interval
from siting.domain import SolveStatus
from siting.errors import InfeasibleError
from siting.instance import CLOSED, Decision, SitingInstance, evaluate, no_requirements
from siting.optimise.assignment import assign_drivers
from siting.optimise.result import SolveOptions
from siting.optimise.value import Valuation, solve_for_value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.alliance.games import PlanStore

PROVEN = SolveOptions(gap=1e-6, time_limit_s=30.0, n_threads=1)
TEN_A_KWH = Valuation(service_cny_per_kwh_per_day=10.0, cost_weight=1.0)


def solve_target_game(
    alliance: Alliance,
    joint: Decision,
    *,
    options: SolveOptions = PROVEN,
    store: PlanStore | None = None,
    on_solved: Callable[[CoalitionPlan], None] | None = None,
) -> SolvedGame:
    ask = ask_for_target(alliance, joint)
    return solve_game(alliance, joint, ask, options=options, store=store, on_solved=on_solved)


def solve_budget_game(
    alliance: Alliance,
    joint: Decision,
    *,
    valuation: Valuation = TEN_A_KWH,
    store: PlanStore | None = None,
    on_solved: Callable[[CoalitionPlan], None] | None = None,
    n_worker: int = 1,
) -> SolvedGame:
    ask = ask_for_gain(valuation)
    return solve_game(
        alliance,
        joint,
        ask,
        options=PROVEN,
        store=store,
        on_solved=on_solved,
        n_worker=n_worker,
    )


def build_alliance(
    *,
    demand: Sequence[Sequence[float]],
    covers: Sequence[Sequence[int]],
    site_cost: Sequence[float] = (),
    site_capacity: Sequence[float] = (),
    stations: Sequence[tuple[float, int]] = (),
    budget: Sequence[float] | None = None,
) -> Alliance:
    """Build an alliance by hand.

    ``demand`` is by point and brand, ``covers`` the supply within reach of each point (sites first,
    then stations), ``stations`` their capacity and owner. A third party's station is everybody's.
    """
    wanted = np.asarray(demand, dtype=float)
    n_demand, n_brand = wanted.shape
    n_site, n_supply = len(site_cost), len(site_cost) + len(stations)
    owner = np.array([o for _, o in stations], dtype=np.int32)
    alone = np.ones((n_supply, n_brand), dtype=bool)
    alone[n_site:] = (owner[:, None] == np.arange(n_brand)) | (owner[:, None] == THIRD_PARTY)
    pairs = [j for near in covers for j in near]
    instance = SitingInstance(
        brands=tuple("abcde"[:n_brand]),
        demand_ids=tuple(f"d{i}" for i in range(n_demand)),
        demand_kwh_per_day=wanted,
        demand_district=np.full(n_demand, -1),
        site_ids=tuple(f"s{j}" for j in range(n_site)),
        site_district=np.full(n_site, -1),
        station_ids=tuple(f"e{j}" for j in range(len(stations))),
        district_ids=(),
        tiers=("only",),
        tier_cost_cny=np.reshape(site_cost, (n_site, 1)),
        tier_power_kw=np.ones((n_site, 1)),
        tier_capacity_kwh_per_day=np.reshape(site_capacity, (n_site, 1)),
        tier_allowed=np.ones((n_site, 1), dtype=bool),
        station_capacity_kwh_per_day=np.array([q for q, _ in stations]),
        usable=np.ones((n_supply, n_brand), dtype=bool),
        cover_start=np.concatenate([[0], np.cumsum([len(near) for near in covers])]),
        cover_supply=np.array(pairs, dtype=np.int32),
        cover_time_s=np.ones(len(pairs)),
        cover_worth=np.ones(len(pairs)),
        requirements=no_requirements(n_site=n_site, n_brand=n_brand),
    )
    return Alliance(
        instance=instance,
        usable_alone=alone,
        station_owner=owner,
        budget_cny=np.zeros(n_brand) if budget is None else np.asarray(budget, dtype=float),
    )


def joint_plan(alliance: Alliance, opened: Sequence[int]) -> Decision:
    tier = np.full(alliance.instance.n_site, CLOSED, dtype=np.int32)
    tier[list(opened)] = 0
    decision = assign_drivers(alliance.instance, tier)
    assert decision is not None
    assert evaluate(alliance.instance, decision).feasible
    return decision


def three_towns() -> Alliance:
    """Give each brand a town; three sites of cost 1, each in reach of two of the towns."""
    return build_alliance(
        demand=np.eye(3),
        covers=[[0, 2], [0, 1], [1, 2]],
        site_cost=[1, 1, 1],
        site_capacity=[2, 2, 2],
    )


def one_place(*, budget: Sequence[float]) -> Alliance:
    """Two brands at one place, where a site of cost 100 would serve both."""
    return build_alliance(
        demand=[[10, 10]], covers=[[0]], site_cost=[100], site_capacity=[20], budget=budget
    )


class TestCoalitionInstance:
    def test_members_bring_their_drivers_and_stations_outsiders_do_not(self) -> None:
        alliance = build_alliance(
            demand=[[4, 6, 8]], covers=[[0, 1]], stations=[(10, 0), (5, 1)], budget=[1, 2, 4]
        )
        pair = build_coalition_instance(alliance, 0b101, budget_cny=5)
        assert pair.brands == ("a", "c")
        assert pair.demand_kwh_per_day.tolist() == [[4, 8]]
        assert pair.usable.tolist() == [[True, True], [False, False]]
        assert pair.station_capacity_kwh_per_day.tolist() == [10, 0]
        assert pair.requirements.budget_cny == 5

    def test_a_third_partys_station_is_shared_by_the_demand_within_reach(self) -> None:
        alliance = build_alliance(
            demand=[[4, 6], [100, 0]], covers=[[0], []], stations=[(20, THIRD_PARTY)]
        )
        assert alliance.station_claim == pytest.approx(np.array([[0.4, 0.6]]))
        alone = build_coalition_instance(alliance, 0b01, budget_cny=0)
        assert alone.station_capacity_kwh_per_day == pytest.approx([8])
        both = build_coalition_instance(alliance, 0b11, budget_cny=0)
        assert both.station_capacity_kwh_per_day == pytest.approx([20])

    def test_where_nobody_is_in_reach_all_who_may_use_it_have_equal_claims(self) -> None:
        alliance = build_alliance(
            demand=[[4, 6]], covers=[[]], stations=[(20, THIRD_PARTY), (20, 1)]
        )
        assert alliance.station_claim.tolist() == [[0.5, 0.5], [0, 1]]

    def test_what_only_the_joint_plan_owes_is_not_asked_of_a_part(self) -> None:
        alliance = one_place(budget=[60, 60])
        asked = alliance.instance.requirements.replace(
            required=np.array([True]), min_sites=1, forbidden=np.array([False]), max_sites=1
        )
        owing = Alliance(
            instance=alliance.instance.replace(requirements=asked),
            usable_alone=alliance.usable_alone,
            station_owner=alliance.station_owner,
            budget_cny=alliance.budget_cny,
        )
        alone = build_coalition_instance(owing, 0b01, budget_cny=60).requirements
        assert not alone.required.any()
        assert (alone.min_sites, alone.max_sites) == (0, 1)

    def test_arrays_of_another_instance_are_refused(self) -> None:
        alliance = three_towns()
        with pytest.raises(ValueError, match="budget_cny has shape"):
            Alliance(
                instance=alliance.instance,
                usable_alone=alliance.usable_alone,
                station_owner=alliance.station_owner,
                budget_cny=np.zeros(2),
            )


class TestTargetGame:
    def test_three_towns_have_no_core(self) -> None:
        """One or two towns need one site, three need two: each pair objects by a third."""
        alliance = three_towns()
        solved = solve_target_game(alliance, joint_plan(alliance, [0, 1]))
        assert solved.game.kind is GameKind.COST
        assert solved.game.value_cny.tolist() == [0, 1, 1, 1, 1, 1, 1, 2]
        assert solved.game.is_exact
        assert compute_nucleolus(solved.game) == pytest.approx([2 / 3] * 3)
        assert compute_least_core(solved.game).epsilon_cny == pytest.approx(1 / 3)

    def test_every_coalition_gets_what_the_joint_plan_gives_it(self) -> None:
        alliance = three_towns()
        solved = solve_target_game(alliance, joint_plan(alliance, [0]))
        for plan in solved.plans:
            members = list_members(plan.coalition)
            asked = np.array([1.0, 1.0, 0.0])[members]
            assert (plan.served_kwh_per_day[members] >= asked - 1e-6).all()
        assert solved.game.value_cny.tolist() == [0, 1, 1, 1, 0, 1, 1, 1]

    def test_a_members_station_saves_the_others_money(self) -> None:
        """Brand a has a station for two: alone b builds its own site, together nobody does."""
        alliance = build_alliance(
            demand=[[1, 1]],
            covers=[[0, 1]],
            site_cost=[5],
            site_capacity=[2],
            stations=[(2, 0)],
        )
        solved = solve_target_game(alliance, joint_plan(alliance, []))
        assert solved.game.value_cny.tolist() == [0, 0, 5, 0]
        assert compute_shapley(solved.game) == pytest.approx([-2.5, 2.5])

    def test_a_dear_plan_gives_way_to_a_larger_coalitions(self) -> None:
        """Known for a alone are all three sites; the pair a, b needs the one that a can use."""
        alliance = three_towns()
        joint, kept = joint_plan(alliance, [0, 1]), dict[str, CoalitionPlan]()
        solve_target_game(alliance, joint, store=kept)
        (key,) = (key for key, plan in kept.items() if plan.coalition == 0b001)
        dear = dict.fromkeys(("cost_cny", "value_cny", "upper_cny"), 3.0)
        kept[key] = replace(kept[key], tier_of_site=np.zeros(3, dtype=np.int32), **dear)
        solved = solve_target_game(alliance, joint, store=kept)
        assert solved.game.value_cny[0b001] == solved.game.upper_cny[0b001] == 1
        assert solved.plan_of(0b001).tier_of_site.tolist() == [0, CLOSED, CLOSED]

    def test_a_limit_before_any_find_leaves_a_plan_and_its_bounds(self) -> None:
        alliance = three_towns()
        hurried = SolveOptions(gap=0.0, time_limit_s=1e-9, n_threads=1)
        game = solve_target_game(alliance, joint_plan(alliance, [0, 1]), options=hurried).game
        true = np.array([0, 1, 1, 1, 1, 1, 1, 2])
        assert (game.lower_cny <= true).all()
        assert (true <= game.upper_cny).all()

    def test_who_cannot_reach_the_service_alone_is_named(self) -> None:
        alliance = build_alliance(demand=[[1, 1]], covers=[[0]], stations=[(2, 0)])
        with pytest.raises(InfeasibleError, match="b alone cannot reach"):
            solve_target_game(alliance, joint_plan(alliance, []))


class TestBudgetGame:
    def test_together_they_can_afford_what_neither_can_alone(self) -> None:
        alliance = one_place(budget=[60, 60])
        solved = solve_budget_game(
            alliance,
            joint_plan(alliance, [0]),
        )
        assert solved.game.kind is GameKind.SURPLUS
        assert solved.game.value_cny == pytest.approx([0, 0, 0, 100])
        assert compute_shapley(solved.game) == pytest.approx([50, 50])

    def test_money_that_buys_nothing_worth_it_is_kept(self) -> None:
        alliance = one_place(budget=[200, 200])
        dear = Valuation(service_cny_per_kwh_per_day=1.0, cost_weight=1.0)
        solved = solve_budget_game(alliance, joint_plan(alliance, []), valuation=dear)
        assert solved.game.value_cny.tolist() == [0, 0, 0, 0]

    def test_no_part_spends_more_than_the_whole_may(self) -> None:
        alliance = one_place(budget=[200, 10])
        capped = Alliance(
            instance=alliance.instance.replace(
                requirements=alliance.instance.requirements.replace(budget_cny=90)
            ),
            usable_alone=alliance.usable_alone,
            station_owner=alliance.station_owner,
            budget_cny=alliance.budget_cny,
        )
        solved = solve_budget_game(
            capped,
            joint_plan(capped, []),
            valuation=Valuation(service_cny_per_kwh_per_day=20.0, cost_weight=1.0),
        )
        assert solved.game.value_cny.tolist() == [0, 0, 0, 0]

    def test_who_has_nothing_in_reach_gains_nothing(self) -> None:
        alliance = build_alliance(
            demand=[[10, 0], [0, 10]],
            covers=[[0], []],
            site_cost=[50],
            site_capacity=[20],
            budget=[60, 60],
        )
        solved = solve_budget_game(
            alliance,
            joint_plan(alliance, [0]),
        )
        assert solved.game.value_cny == pytest.approx([0, 50, 0, 50])
        assert compute_shapley(solved.game) == pytest.approx([50, 0])

    def test_capacity_of_a_third_party_is_not_counted_twice(self) -> None:
        alliance = build_alliance(demand=[[10, 10]], covers=[[0]], stations=[(10, THIRD_PARTY)])
        solved = solve_budget_game(
            alliance,
            joint_plan(alliance, []),
        )
        assert solved.game.value_cny == pytest.approx([0, 50, 50, 100])

    def test_a_superset_never_has_less(self) -> None:
        rng = np.random.default_rng(5)
        alliance = random_alliance(rng, n_brand=4)
        solved = solve_budget_game(
            alliance,
            joint_plan(alliance, []),
        )
        game = solved.game
        proper = [int(s) for s in game.proper]
        for s in proper:
            for t in proper:
                if s & t == s:
                    assert game.value_cny[s] <= game.value_cny[t] + 1e-6
                    assert game.upper_cny[s] <= game.upper_cny[t] + 1e-6


def random_alliance(rng: np.random.Generator, *, n_brand: int) -> Alliance:
    n_demand, n_site, n_station = 8, 5, 3
    return build_alliance(
        demand=rng.integers(0, 5, (n_demand, n_brand)),
        covers=[sorted(rng.choice(n_site + n_station, 3, replace=False)) for _ in range(n_demand)],
        site_cost=rng.integers(20, 60, n_site),
        site_capacity=rng.integers(5, 15, n_site),
        stations=[(float(rng.integers(2, 8)), int(rng.integers(-1, n_brand))) for _ in range(3)],
        budget=rng.integers(10, 50, n_brand),
    )


class TestGoingOn:
    def test_what_is_kept_is_not_solved_again(self) -> None:
        alliance = three_towns()
        joint = joint_plan(alliance, [0, 1])
        kept: dict[str, CoalitionPlan] = {}
        first = solve_target_game(alliance, joint, store=kept)
        assert sorted(plan.coalition for plan in kept.values()) == [1, 2, 3, 4, 5, 6]
        lost = next(key for key, plan in kept.items() if plan.coalition == 5)
        del kept[lost]
        again: list[CoalitionPlan] = []
        second = solve_target_game(alliance, joint, store=kept, on_solved=again.append)
        assert [plan.coalition for plan in again if plan.cpu_s > 0] == [5]
        assert lost in kept
        assert second.game.value_cny.tolist() == first.game.value_cny.tolist()

    def test_a_run_that_stops_keeps_what_it_finished(self) -> None:
        alliance = three_towns()
        kept: dict[str, CoalitionPlan] = {}

        def stop_at_the_third(_: CoalitionPlan) -> None:
            if len(kept) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            solve_target_game(
                alliance, joint_plan(alliance, [0, 1]), store=kept, on_solved=stop_at_the_third
            )
        assert sorted(plan.coalition for plan in kept.values()) == [1, 2, 4]

    def test_what_is_finished_is_kept_before_the_next_begins(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        alliance = three_towns()
        kept: dict[str, CoalitionPlan] = {}
        n_kept: list[int] = []

        def solve(*args: object, **kwargs: object) -> object:
            n_kept.append(len(kept))
            return solve_for_value(*args, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(games, "solve_for_value", solve)
        solve_target_game(alliance, joint_plan(alliance, [0, 1]), store=kept)
        assert n_kept == [0, 1, 2, 3, 4, 5]

    def test_another_budget_asks_only_the_coalitions_it_touches(self) -> None:
        alliance = random_alliance(np.random.default_rng(2), n_brand=3)
        joint = joint_plan(alliance, [])
        kept: dict[str, CoalitionPlan] = {}
        solve_budget_game(alliance, joint, store=kept)
        richer = replace(alliance, budget_cny=alliance.budget_cny + np.array([0, 50, 0]))
        asked: list[CoalitionPlan] = []
        fresh = solve_budget_game(richer, joint, store=kept, on_solved=asked.append)
        assert {plan.coalition for plan in asked if plan.cpu_s > 0} == {0b010, 0b011, 0b110}
        alone = solve_budget_game(richer, joint)
        assert fresh.game.value_cny == pytest.approx(alone.game.value_cny, rel=1e-6)

    def test_another_worth_of_service_is_another_question(self) -> None:
        alliance = one_place(budget=[60, 120])
        kept: dict[str, CoalitionPlan] = {}
        joint = joint_plan(alliance, [0])
        solve_budget_game(alliance, joint, store=kept)
        dear = Valuation(service_cny_per_kwh_per_day=20.0, cost_weight=1.0)
        solved = solve_budget_game(alliance, joint, valuation=dear, store=kept)
        assert solved.game.value_cny == pytest.approx([0, 0, 100, 300])
        assert len(kept) == 4

    def test_two_processes_find_the_same(self) -> None:
        alliance = random_alliance(np.random.default_rng(1), n_brand=3)
        joint = joint_plan(alliance, [])
        one, two = (solve_budget_game(alliance, joint, n_worker=n_worker) for n_worker in (1, 2))
        assert one.game.value_cny.tolist() == two.game.value_cny.tolist()
        for mine, yours in zip(one.plans, two.plans, strict=True):
            assert mine.tier_of_site.tolist() == yours.tier_of_site.tolist()

    def test_a_gap_is_carried_into_the_shares(self) -> None:
        alliance = one_place(budget=[60, 60])
        joint = joint_plan(alliance, [0])
        kept: dict[str, CoalitionPlan] = {}
        solve_budget_game(alliance, joint, store=kept)
        first = next(key for key, plan in kept.items() if plan.coalition == 1)
        kept[first] = replace(kept[first], upper_cny=30.0, status=SolveStatus.FEASIBLE)
        interval = compute_shapley_interval(solve_budget_game(alliance, joint, store=kept).game)
        assert interval.lower_cny == pytest.approx([50, 35])
        assert interval.upper_cny == pytest.approx([65, 50])


class TestLeaving:
    def test_those_who_stay_keep_their_coalitions(self) -> None:
        alliance = random_alliance(np.random.default_rng(3), n_brand=3)
        solved = solve_budget_game(alliance, joint_plan(alliance, []))
        left = leave_out(solved, [1])
        assert left.game.players == ("a", "c")
        assert left.game.value_cny.tolist() == solved.game.value_cny[[0, 1, 4, 5]].tolist()
        assert [plan.coalition for plan in left.plans] == [1, 2, 3]
        assert left.plan_of(3).tier_of_site.tolist() == solved.plan_of(5).tier_of_site.tolist()

    def test_somebody_must_stay(self) -> None:
        alliance = one_place(budget=[60, 60])
        solved = solve_budget_game(alliance, joint_plan(alliance, [0]))
        with pytest.raises(ValueError, match="somebody must stay"):
            leave_out(solved, [0, 1])
