from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import RobustRule, SolveStatus
from siting.instance import CLOSED, evaluate
from siting.optimise.result import SolveOptions
from siting.scenarios.evaluation import is_payable, trim, try_plan
from siting.scenarios.solve import (
    KnownPlans,
    RobustResult,
    hold_to_common,
    solve_robust,
)
from siting.scenarios.worlds import OWN, Worlds, change_world, draw_scenarios
from siting.study import Access, Scenario, Text, WorthShape

if TYPE_CHECKING:
    from conftest import MadeWorlds

EXACT = SolveOptions(gap=0.0)


def solved(worlds: Worlds) -> RobustResult:
    result = solve_robust(worlds, options=EXACT)
    assert result is not None
    return result


def three_minds(made: type[MadeWorlds]) -> Worlds:
    """Let three rules choose three sites: one of four for 1 CNY, 100 kWh wanted in either future.

    Served    world0   world1   mean   worst   regret
    site0         90        0     45       0   60 = max(90 − 90, 60 − 0)
    site1         30       30     30      30   60 = max(90 − 30, 60 − 30)
    site2         48       18     33      18   42 = max(90 − 48, 60 − 18)
    site3          0       60     30       0   90 = max(90 − 0, 60 − 60)
    """
    demand = [
        ([12, 0], (0,)),
        ([48, 0], (0, 2)),
        ([30, 0], (0, 1)),
        ([0, 12], (1, 3)),
        ([0, 18], (1, 2, 3)),
        ([0, 30], (3,)),
        ([10, 40], ()),
    ]
    return made.make(demand, n_site=4, budgets=(1, 1))


def test_mean_worst_and_regret_choose_three_different_sites(made: type[MadeWorlds]) -> None:
    result = solved(three_minds(made))
    opened = {
        rule: np.flatnonzero(plan.tier_of_site != CLOSED).tolist()
        for rule, plan in result.plans.items()
    }
    assert opened == {
        RobustRule.EXPECTED: [0],
        RobustRule.MAX_MIN: [1],
        RobustRule.REGRET: [2],
    }
    values = {rule: plan.value for rule, plan in result.plans.items()}
    assert values == pytest.approx(
        {RobustRule.EXPECTED: 0.45, RobustRule.MAX_MIN: 0.30, RobustRule.REGRET: 0.42}
    )
    assert all(plan.status is SolveStatus.OPTIMAL for plan in result.plans.values())
    assert result.best.tolist() == pytest.approx([0.90, 0.60])
    assert result.chosen_alone.tolist() == [[True, *3 * [False]], [*3 * [False], True]]


def test_weights_move_the_mean_alone(made: type[MadeWorlds]) -> None:
    worlds = three_minds(made)
    plans = solved(Worlds(ids=worlds.ids, weight=(0.1, 0.9), instances=worlds.instances)).plans
    assert np.flatnonzero(plans[RobustRule.EXPECTED].tier_of_site != CLOSED).tolist() == [3]
    assert np.flatnonzero(plans[RobustRule.REGRET].tier_of_site != CLOSED).tolist() == [2]


def test_a_plan_is_payable_in_every_future(made: type[MadeWorlds]) -> None:
    worlds = made.make([((50, 50), (0,)), ((40, 40), (1,))], n_site=2, budgets=(2, 1))
    result = solved(worlds)
    assert result.chosen_alone.tolist() == [[True, True], [True, False]]
    for plan in result.plans.values():
        assert plan.tier_of_site.tolist() == [0, CLOSED]
        assert is_payable(worlds.instances, plan.tier_of_site)


def test_what_cannot_be_paid_is_left_out_the_least_energy_first(made: type[MadeWorlds]) -> None:
    world = made.make([((50,), (0,)), ((40,), (1,))], n_site=2, budgets=(1,)).instances[0]
    outcome = try_plan(world, np.array([0, 0], dtype=np.int32))
    assert outcome.decision.tier_of_site.tolist() == [0, CLOSED]
    assert (outcome.n_left_out, outcome.share) == (1, pytest.approx(50 / 90))


def test_a_site_that_no_future_uses_is_not_built(made: type[MadeWorlds]) -> None:
    worlds = made.make([((5, 30), (0,))], n_site=2, budgets=(9, 9), tiers=((1, 40), (2, 90)))
    decisions = [
        try_plan(world, np.array([1, 0], dtype=np.int32)).decision for world in worlds.instances
    ]
    assert trim(worlds.instances, decisions).tolist() == [0, CLOSED]


@settings(max_examples=5)
@given(seed=st.integers(0, 10_000))
def test_each_rule_finds_the_best_of_all_plans(made: type[MadeWorlds], seed: int) -> None:
    worlds = made.draw(seed)
    result = solved(worlds)
    for rule, plan in result.plans.items():
        best = made.best(worlds, rule)
        assert plan.value == pytest.approx(best, abs=1e-4)
        worse = plan.bound - best if rule is RobustRule.REGRET else best - plan.bound
        assert worse <= 1e-4
        for world in worlds.instances:
            assert evaluate(world, try_plan(world, plan.tier_of_site).decision).feasible


def test_a_scenario_changes_what_it_says(made: type[MadeWorlds]) -> None:
    own = made.make([((100,), (0, 1, 2))], n_site=1, budgets=(4,), stations=(10.0, 20.0))
    instance = own.instances[0].replace(cover_time_s=np.array([60.0, 200.0, 400.0]))
    scenario = Scenario(
        id="bad",
        name=Text(en="bad"),
        demand=2,
        demand_by_brand={"ant": 0.75},
        budget=0.5,
        cost=3,
        cutoff=0.5,
        competition=0.1,
    )
    third_party = np.array([False, True])
    world = change_world(instance, scenario, Access(cutoff_minutes=10), third_party=third_party)
    assert world.demand_kwh_per_day.tolist() == [[150]]
    assert world.requirements.budget_cny == 2
    assert world.tier_cost_cny.tolist() == [[3]]
    assert world.station_capacity_kwh_per_day.tolist() == [10, 2]
    # Five minutes: the site and the first station are left.
    assert world.cover_supply.tolist() == [0, 1]
    assert world.cover_start.tolist() == [0, 2]
    linear = Access(cutoff_minutes=10, worth=WorthShape.LINEAR)
    world = change_world(instance, scenario, linear, third_party=third_party)
    assert world.cover_worth.tolist() == pytest.approx([1 - 60 / 300, 1 - 200 / 300])


def test_draws_stay_within_what_is_named_and_come_again() -> None:
    named = [
        Scenario(id="a", name=Text(en="a"), demand=0.5, demand_by_brand={"ant": 2}, cutoff=0.8),
        Scenario(id="b", name=Text(en="b"), demand=0.8, cost=1.5),
    ]
    draws = draw_scenarios(named, brands=("ant", "bee"), n_draw=50, seed=3)
    assert draws == draw_scenarios(named, brands=("ant", "bee"), n_draw=50, seed=3)
    assert draws != draw_scenarios(named, brands=("ant", "bee"), n_draw=50, seed=4)
    for draw in draws:
        assert 0.5 <= draw.demand <= 1
        assert 1 <= draw.demand_by_brand["ant"] <= 2
        assert draw.demand_by_brand["bee"] == 1
        assert 0.8 <= draw.cutoff <= 1
        assert 1 <= draw.cost <= 1.5
        assert (draw.budget, draw.competition) == (1, 1)
    demands = [draw.demand for draw in draws]
    assert min(demands) < 0.6
    assert max(demands) > 0.9
    assert OWN not in {draw.id for draw in draws}


def test_what_all_can_pay_bounds_every_common_plan(made: type[MadeWorlds]) -> None:
    # Two sites for 1 CNY each; the first future can pay both, the second one. Alone the first
    # serves 90, but no plan that both can pay serves more than 50 of it: 40 % must be regretted.
    worlds = made.make(
        [((50, 50), (0,)), ((40, 40), (1,)), ((10, 10), ())], n_site=2, budgets=(2, 1)
    )
    assert [w.requirements.budget_cny for w in hold_to_common(worlds)] == [1, 1]
    assert hold_to_common(worlds)[1] is worlds.instances[1]
    result = solved(worlds)
    assert result.reach.tolist() == pytest.approx([0.5, 0.5])
    regret = result.plans[RobustRule.REGRET]
    assert (regret.value, regret.bound) == pytest.approx((0.4, 0.4))
    # Costs that are twice as high in one future halve what the other may spend.
    first, second = made.make([((50, 50), (0,))], n_site=1, budgets=(9, 9)).instances
    dear = second.replace(tier_cost_cny=2 * second.tier_cost_cny)
    both = Worlds(ids=("a", "b"), weight=(0.5, 0.5), instances=(first, dear))
    assert [w.requirements.budget_cny for w in hold_to_common(both)] == [4.5, 9]


def test_regret_is_counted_from_the_best_of_all_known_plans(made: type[MadeWorlds]) -> None:
    worlds = three_minds(made)
    plans = [np.eye(4, dtype=np.int32)[j] - 1 for j in range(4)]
    known = KnownPlans(worlds, plans[1:3])
    assert known.best.tolist() == pytest.approx([0.48, 0.30])
    assert known.add(plans[0]).tolist() == pytest.approx([0.90, 0.0])
    assert known.best.tolist() == pytest.approx([0.90, 0.30])
    assert len(known.common) == 3
    result = solved(worlds)
    for plan in result.plans.values():
        assert (plan.shares <= result.best + 1e-12).all()
