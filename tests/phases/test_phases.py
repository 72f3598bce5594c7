from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siting.domain import SolveStatus
from siting.errors import StudyError
from siting.instance import CLOSED, Decision
from siting.optimise.result import SolveOptions
from siting.phases.evaluation import evaluate_phases
from siting.phases.instance import PhasedInstance, build_phases
from siting.phases.solve import postpone, solve_phases
from siting.study import Phase, Text

if TYPE_CHECKING:
    from conftest import MadePhases

EXACT = SolveOptions(gap=0.0)


def tiers_of(decisions: tuple[Decision, ...]) -> list[list[int]]:
    return [decision.tier_of_site.tolist() for decision in decisions]


def trap(made: type[MadePhases]) -> PhasedInstance:
    """Two sites at 1 CNY each, 1 CNY in all, there from the first year on.

    year0: site0 serves 10, site1 serves 9. year1: site0 still 10, site1 100. Looking at year0
    alone opens site0, and there is no money for site1 after: (10 + 10) / 2 = 10 kWh a day.
    Looking at both opens site1: (9 + 100) / 2 = 54.5.
    """
    return made.make([((10, 10), (0,)), ((9, 100), (1,))], n_site=2, budgets=(1, 1))


def test_deciding_period_by_period_loses_what_it_must(made: type[MadePhases]) -> None:
    result = solve_phases(trap(made), options=EXACT)
    assert result.status is SolveStatus.OPTIMAL
    assert tiers_of(result.decisions) == [[CLOSED, 0], [CLOSED, 0]]
    assert tiers_of(result.myopic) == [[0, CLOSED], [0, CLOSED]]
    assert result.objective == result.bound == 54.5
    assert result.myopic_objective == 10.0
    assert result.myopic_loss == pytest.approx((44.5 / 54.5, 44.5 / 54.5))


def test_a_tier_grows_when_the_money_comes(made: type[MadePhases]) -> None:
    # 30, then 90 kWh at one site; a tier of 40 kWh for 1 CNY or of 100 for 3; 1 CNY, then 2 more.
    phased = made.make(
        [((30, 90), (0,))], n_site=1, budgets=(1, 3), tiers=((1.0, 40.0), (3.0, 100.0))
    )
    result = solve_phases(phased, options=EXACT)
    assert tiers_of(result.decisions) == [[0], [1]]
    found = evaluate_phases(phased, result.decisions)
    assert found.spent_cny == (1.0, 2.0)
    assert found.objective_kwh_per_day == 60.0
    assert found.violations == ()


def test_money_is_kept_and_nothing_is_built_before_it_is_used(made: type[MadePhases]) -> None:
    # All money comes first, nobody comes before the second year.
    phased = made.make([((0, 50), (0,))], n_site=1, budgets=(1, 1))
    result = solve_phases(phased, options=EXACT)
    assert tiers_of(result.decisions) == [[CLOSED], [0]]


def test_existing_stations_serve_in_every_period(made: type[MadePhases]) -> None:
    phased = made.make([((10, 30), (1,))], n_site=1, budgets=(0, 0), stations=(20.0,))
    assert solve_phases(phased, options=EXACT).objective == 15.0


def test_years_weigh(made: type[MadePhases]) -> None:
    phased = made.make([((10, 20), (0,))], n_site=1, budgets=(1, 1), weight=(3, 1))
    assert solve_phases(phased, options=EXACT).objective == 12.5


def test_a_floor_that_what_was_decided_can_no_longer_meet_ends_the_myopic_plan(
    made: type[MadePhases],
) -> None:
    phased = trap(made)
    last = phased.periods[-1]
    req = last.requirements.replace(floor_by_brand=np.array([0.9]))
    phased = replace(phased, periods=(phased.periods[0], last.replace(requirements=req)))
    result = solve_phases(phased, options=EXACT)
    assert result.objective == 54.5
    assert len(result.myopic) == 1
    assert np.isnan(result.myopic_loss).all()


def test_conflicting_requirements_are_infeasible(made: type[MadePhases]) -> None:
    phased = made.make([((10, 10), (0,))], n_site=1, budgets=(0, 0), floor=0.5)
    assert solve_phases(phased, options=EXACT).status is SolveStatus.INFEASIBLE


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000))
def test_the_plan_is_the_best_of_all_and_myopia_never_gains(
    made: type[MadePhases], seed: int
) -> None:
    phased = made.draw(seed)
    result = solve_phases(phased, options=EXACT)
    best = made.best(phased)
    assert result.objective == pytest.approx(best, abs=1e-2)
    assert result.bound >= best - 1e-6
    assert result.myopic_objective <= best + 1e-6
    assert evaluate_phases(phased, result.decisions).violations == ()
    assert evaluate_phases(phased, result.myopic).violations == ()


@pytest.mark.parametrize(
    ("tiers", "what"),
    [
        ([[0], [CLOSED]], "year1: site0 closes"),
        ([[1], [0]], "year1: site0 shrinks in capacity"),
        ([[1], [1]], "year0: cost 3.0 CNY is over the budget 1 CNY"),
    ],
)
def test_a_broken_rule_is_named(made: type[MadePhases], tiers: list[list[int]], what: str) -> None:
    phased = made.make(
        [((30, 90), (0,))], n_site=1, budgets=(1, 3), tiers=((1.0, 40.0), (3.0, 100.0))
    )
    decisions = [
        Decision(tier_of_site=np.array(tier), flow_kwh_per_day=np.zeros((1, 1))) for tier in tiers
    ]
    assert what in evaluate_phases(phased, decisions).violations


def test_a_larger_tier_than_needed_waits(made: type[MadePhases]) -> None:
    phased = made.make(
        [((30, 90), (0,))], n_site=1, budgets=(3, 3), tiers=((1.0, 40.0), (3.0, 100.0))
    )
    decisions = [
        Decision(tier_of_site=np.array([1]), flow_kwh_per_day=np.array([[kwh]]))
        for kwh in (30.0, 90.0)
    ]
    assert [tier.tolist() for tier in postpone(phased, decisions)] == [[0], [1]]


def test_the_periods_of_a_study(made: type[MadePhases]) -> None:
    last = made.make([((10, 100), (0,))], n_site=1, budgets=(1, 4), floor=0.3).periods[-1]
    phases = [
        Phase(id="2026", name=Text(en="2026"), budget_share=0.25, demand_share=0.5, years=2),
        Phase(id="2028", name=Text(en="2028"), budget_share=0.75),
    ]
    phased = build_phases(last, phases)
    assert phased.weight.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert [period.requirements.budget_cny for period in phased.periods] == [1.0, 4.0]
    assert [period.demand_kwh_per_day.tolist() for period in phased.periods] == [[[50]], [[100]]]
    assert [period.requirements.floor_by_brand.tolist() for period in phased.periods] == [
        [0],
        [0.3],
    ]
    phases[0].demand_share_by_brand["ant"] = 0.1
    assert build_phases(last, phases).periods[0].demand_kwh_per_day.tolist() == [[10]]


def test_a_tier_that_gives_money_back_is_refused(made: type[MadePhases]) -> None:
    dear = made.make([((1, 1), (0,))], n_site=1, budgets=(1, 1), tiers=((1.0, 40.0), (2.0, 100.0)))
    period = dear.periods[-1].replace(tier_cost_cny=np.array([[2.0, 1.0]]))
    with pytest.raises(StudyError, match="give money back"):
        build_phases(period, [Phase(id="a", name=Text(en="a"), budget_share=1)])
    with pytest.raises(ValueError, match="give money back"):
        replace(dear, periods=(period, period))
