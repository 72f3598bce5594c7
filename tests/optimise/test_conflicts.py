"""An impossible study names the requirements that conflict, and no others."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.domain import SolveStatus
from siting.instance import SitingInstance, no_requirements
from siting.optimise import elastic
from siting.optimise.conflicts import find_conflict, list_requirements
from siting.optimise.elastic import GAP, ElasticModel, Help, Requirement
from siting.optimise.mip import MipResult
from siting.pipeline import build_case, embedded_study_path, read_inputs, read_study

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conftest import MadeTiers
    from siting.instance import Requirements

    Relax = Callable[[Requirements], Requirements]


def make_instance(**requirements: Any) -> SitingInstance:  # noqa: ANN401 - any field
    """Two sites of 10 kWh a day at 1 million CNY each, each reaching its own demand of 10."""
    return SitingInstance(
        brands=("ant", "bee"),
        demand_ids=("home", "shop"),
        demand_kwh_per_day=[[10.0, 0.0], [0.0, 10.0]],
        demand_district=[0, 0],
        site_ids=("WEST", "EAST"),
        site_district=[0, 0],
        station_ids=(),
        district_ids=("d0",),
        tiers=("one",),
        tier_cost_cny=[[1e6], [1e6]],
        tier_power_kw=[[100.0], [100.0]],
        tier_capacity_kwh_per_day=[[10.0], [10.0]],
        tier_allowed=[[True], [True]],
        station_capacity_kwh_per_day=[],
        usable=np.ones((2, 2), dtype=bool),
        cover_start=[0, 1, 2],
        cover_supply=[0, 1],
        cover_time_s=[60.0, 60.0],
        cover_worth=[1.0, 1.0],
        requirements=no_requirements(n_site=2, n_brand=2, budget_cny=1.5e6).replace(**requirements),
    )


@pytest.mark.parametrize(
    ("requirements", "keys"),
    [
        ({}, []),
        (
            {"floor_by_brand": [0.5, 0.5]},
            ["brands: ant.floor", "brands: bee.floor", "requirements.budget_cny"],
        ),
        ({"required": [True, True]}, ["requirements.required", "requirements.budget_cny"]),
        (
            {"floor_by_brand": [0.5, 0.0], "forbidden": [True, False], "max_sites": 2},
            ["requirements.forbidden", "brands: ant.floor"],
        ),
        (
            {"required": [True, False], "site_grid_limit_kw": [50.0, 500.0]},
            ["inputs.candidates: grid_limit_kw", "requirements.required"],
        ),
        (
            {"min_sites": 2, "spacing_pairs": [[0, 1]], "budget_cny": 9e6},
            ["requirements.min_spacing_m", "requirements.min_sites"],
        ),
        (
            {"budget_cny": 9e6, "district_min_sites": [2], "district_max_sites": [2]}
            | {"max_sites": 1},
            ["requirements.district_min_sites, district_max_sites", "requirements.max_sites"],
        ),
        (
            {"budget_cny": 9e6, "required": [True, True]}
            | {"grid_group": [0, 0], "grid_group_limit_kw": [150.0]},
            ["requirements.grid_group_limit_kw", "requirements.required"],
        ),
    ],
)
def test_the_conflict_is_named_and_irreducible(
    requirements: dict[str, Any], keys: list[str]
) -> None:
    assert [fault.column for fault in find_conflict(make_instance(**requirements))] == keys


STOPPED = MipResult(status=SolveStatus.NO_PLAN, objective=math.inf, bound=0.0, values=None)
MINUTE_S = 60.0
AITO_IN_REACH = 0.9633  # of its demand, whatever is built
LOW = "lower the floor of {} to {}; this alone is enough"


@pytest.mark.parametrize(
    ("requirements", "changes"),
    [
        (
            {"floor_by_brand": [0.5, 0.5]},
            [
                LOW.format("ant", "0.0%"),
                LOW.format("bee", "0.0%"),
                "raise the budget to 2.00 million CNY; this alone is enough",
            ],
        ),
        (
            {"floor_by_brand": [0.5, 0.0], "forbidden": [True, False], "max_sites": 2},
            ["allow WEST; this alone is enough", LOW.format("ant", "0.0%")],
        ),
        (
            {"required": [True, False], "site_grid_limit_kw": [50.0, 500.0]},
            [
                "raise the grid limit of WEST to 100 kW; this alone is enough",
                "do not require WEST; this alone is enough",
            ],
        ),
        (
            {"min_sites": 2, "spacing_pairs": [[0, 1]], "budget_cny": 9e6},
            [
                "let 1 site stand closer than the spacing; this alone is enough",
                "ask for no more than 1 site; this alone is enough",
            ],
        ),
        (
            {"budget_cny": 9e6, "district_min_sites": [2], "district_max_sites": [2]}
            | {"max_sites": 1},
            [
                "ask for no more than 1 site in d0; this alone is enough",
                "allow 2 sites; this alone is enough",
            ],
        ),
        (  # more money would not do: only one site may be opened
            {"floor_by_brand": [0.5, 0.5], "max_sites": 1},
            [
                LOW.format("ant", "0.0%"),
                LOW.format("bee", "0.0%"),
                "no change of this alone is enough",
            ],
        ),
    ],
)
def test_each_is_changed_as_little_as_will_do(
    requirements: dict[str, Any], changes: list[str]
) -> None:
    assert [fault.remedy for fault in find_conflict(make_instance(**requirements))] == changes


def test_a_floor_is_lowered_to_what_can_be_served() -> None:
    small = make_instance(floor_by_brand=[0.5, 0.0]).replace(
        tier_capacity_kwh_per_day=[[4.0], [4.0]]
    )
    (fault,) = find_conflict(small)
    assert fault.remedy == LOW.format("ant", "40.0%")


def test_two_conflicts_are_told_apart_and_mended_together() -> None:
    # ant is served by WEST alone, which is forbidden; EAST is required, and its grid too weak.
    faults = find_conflict(
        make_instance(
            floor_by_brand=[0.5, 0.0],
            forbidden=[True, False],
            required=[False, True],
            site_grid_limit_kw=[500.0, 50.0],
            budget_cny=9e6,
        )
    )
    *named, mix = faults
    first = {fault.column for fault in named if "second conflict" not in fault.what}
    second = {fault.column for fault in named if "second conflict" in fault.what}
    pairs = [
        {"requirements.forbidden", "brands: ant.floor"},
        {"inputs.candidates: grid_limit_kw", "requirements.required"},
    ]
    assert [first, second] in (pairs, pairs[::-1])
    assert {fault.remedy for fault in named} == {"no change of this alone is enough"}
    assert mix.remedy.startswith("together: lower the floor of ant to 0.0% and") or (
        mix.remedy.startswith("together: allow WEST") or " and allow WEST" in mix.remedy
    )


def test_what_does_not_help_and_what_was_not_settled_are_two_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ElasticModel(make_instance(floor_by_brand=[0.5, 0.5], max_sites=1))
    budget = (Requirement.BUDGET.value,)
    assert model.relax(budget, time_limit_s=10).help is Help.NONE
    assert model.relax(("brands: ant.floor",), time_limit_s=10).help is Help.ENOUGH
    monkeypatch.setattr(elastic, "solve_mip", lambda *_: STOPPED)
    assert model.relax(("brands: ant.floor",), time_limit_s=10).help is Help.UNKNOWN
    monkeypatch.undo()
    both = ("brands: ant.floor", "brands: bee.floor")
    least = model.relax(both, time_limit_s=10)
    assert (least.help, least.share, least.proven) == (Help.ENOUGH, pytest.approx(1.0), True)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("floor", [0.97, 0.96])
def test_a_floor_of_wuhan_that_cannot_be_met_is_told_within_a_minute(floor: float) -> None:
    instance = build_case(read_inputs(read_study(embedded_study_path()))).instance
    asked = instance.requirements
    floors = np.where(np.arange(instance.n_brand) == 0, floor, asked.floor_by_brand)
    began_s = time.perf_counter()
    faults = find_conflict(instance.replace(requirements=asked.replace(floor_by_brand=floors)))
    assert time.perf_counter() - began_s < MINUTE_S
    assert "brands: aito.floor" in {fault.column for fault in faults}
    if floor > AITO_IN_REACH:
        assert len(faults) == 1


@pytest.mark.parametrize(
    "first", [0, 30, *(pytest.param(k, marks=pytest.mark.slow) for k in range(60, 600, 30))]
)
def test_small_conflicts_are_irreducible_and_changed_least_against_trying_all(
    made_tiers: type[MadeTiers], first: int
) -> None:
    n_refused, n_told = 0, 0
    for seed in range(first, first + 30):
        instance = tighten(made_tiers.make(seed), np.random.default_rng(seed))
        if made_tiers.best(instance) > -math.inf:
            assert find_conflict(instance) == ()
            continue
        n_refused += 1
        faults = find_conflict(instance)
        named = [fault.column for fault in faults if fault.column is not None]
        asked = {requirement.key: requirement.relax for requirement in list_requirements(instance)}
        assert named, seed
        if not any("second conflict" in fault.what for fault in faults):
            alone = give_up(instance, [asked[key] for key in asked if key not in named])
            assert made_tiers.best(alone) == -math.inf, (seed, named)
            for key in named:
                assert made_tiers.best(give_up(alone, [asked[key]])) > -math.inf, (seed, key)
        for key in named:
            n_told += check_least_change(made_tiers, instance, key, asked[key])
    assert n_refused >= 20
    assert n_told >= 10  # changes of a budget or a floor that are enough by themselves


def tighten(instance: SitingInstance, rng: np.random.Generator) -> SitingInstance:
    """Return an instance that has less money and asks for more service."""
    asked = instance.requirements
    floors = np.maximum(asked.floor_by_brand, rng.uniform(0.2, 0.9, instance.n_brand))
    budget_cny = asked.budget_cny * rng.uniform(0.2, 1.0)
    return instance.replace(
        requirements=asked.replace(floor_by_brand=floors, budget_cny=budget_cny)
    )


def give_up(instance: SitingInstance, relaxed: Sequence[Relax]) -> SitingInstance:
    asked = instance.requirements
    for relax in relaxed:
        asked = relax(asked)
    if not asked.district_min_sites.size:  # none, as numbers that trying all can compare
        asked = asked.replace(district_min_sites=[0, 0], district_max_sites=[9, 9])
    return instance.replace(requirements=asked)


def check_least_change(
    made_tiers: type[MadeTiers], instance: SitingInstance, key: str, relax: Relax
) -> bool:
    """Hold the least change of a requirement to trying all; return whether there is one."""
    change = ElasticModel(instance).relax((key,), time_limit_s=20)
    possible = made_tiers.best(give_up(instance, [relax])) > -math.inf
    assert change.help is (Help.ENOUGH if possible else Help.NONE), key
    if not possible or not key.endswith((".floor", "budget_cny")):
        return False
    assert change.proven
    slack = 1e-4 + 2 * GAP * change.share  # the engine's gap, and rounding
    assert made_tiers.best(loosen(instance, key, change.share + slack)) > -math.inf, key
    if change.least_share > slack:
        assert made_tiers.best(loosen(instance, key, change.least_share - slack)) == -math.inf, key
    return True


def loosen(instance: SitingInstance, key: str, share: float) -> SitingInstance:
    """Return an instance that asks less of a budget or a floor, by a share of what it asked."""
    asked = instance.requirements
    if key == Requirement.BUDGET:
        more_cny = share * max(1.0, asked.budget_cny)
        return instance.replace(requirements=asked.replace(budget_cny=asked.budget_cny + more_cny))
    floors = asked.floor_by_brand.copy()
    floors[[key == Requirement.FLOOR.value.format(name=name) for name in instance.brands]] *= (
        1 - min(1.0, share)
    )
    return instance.replace(requirements=asked.replace(floor_by_brand=floors))
