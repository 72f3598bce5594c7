"""Why not the others: each reason where it is known by hand, and forcing in against every plan."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.instance import CLOSED
from siting.reasons import CandidateReason, KnownPlan, Loss, WhyNot, explain, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = ("WEST", "MID", "EAST", "FAR")


def reasons_of(plan: KnownPlan, asked: tuple[str, ...] = ()) -> dict[str, CandidateReason]:
    return {reason.site_id: reason for reason in explain(plan, asked=asked).candidates}


def test_the_streets_other_sites_are_explained_as_by_hand(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    reasons = reasons_of(known(street()), asked=ALL)
    assert reasons.keys() == {"EAST", "FAR"}
    assert reasons["FAR"].why is WhyNot.NO_DEMAND
    assert reasons["FAR"].loss is None
    east = reasons["EAST"]
    assert east.why is WhyNot.SERVED_BY_OTHERS
    assert (sum(east.reach_kwh_per_day), sum(east.unserved_kwh_per_day)) == (8, 0)
    assert east.adds_kwh_per_day == 0
    # Forced in, it takes the place of MID and 2 of 18 are lost.
    assert east.loss == Loss(least=pytest.approx(2), most=pytest.approx(2))
    assert (east.forced_tier, east.leaves, east.enters) == ("one", ("MID",), ())


def test_without_being_asked_nothing_is_forced_in(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    assert reasons_of(known(street()))["EAST"].loss is None


@pytest.mark.parametrize(
    ("site", "why", "changes"),
    [
        ("EAST", WhyNot.FORBIDDEN, {"forbidden": [False, False, True, False]}),
        (
            "EAST",
            WhyNot.GRID_LIMIT,
            {"site_grid_limit_kw": [math.inf, math.inf, 50.0, math.inf]},
        ),
        # One site is paid for: WEST. MID would add 8, but the money serves 10 there.
        ("MID", WhyNot.TOO_DEAR, {"budget_cny": 1e6}),
        ("MID", WhyNot.COUNT, {"max_sites": 1}),
        ("MID", WhyNot.SPACING, {"max_sites": 1, "spacing_pairs": [[0, 1]]}),
        ("MID", WhyNot.QUOTA, {"district_min_sites": [0], "district_max_sites": [1]}),
        (
            "MID",
            WhyNot.GRID_GROUP,
            {"grid_group": [0, 0, 0, 0], "grid_group_limit_kw": [150.0]},
        ),
    ],
)
def test_each_rule_that_shuts_a_candidate_out_is_named(
    street: Callable[..., Any],
    known: Callable[..., KnownPlan],
    site: str,
    why: WhyNot,
    changes: dict[str, Any],
) -> None:
    assert reasons_of(known(street(**changes)))[site].why is why


def test_a_candidate_without_room_or_too_dear_altogether_is_told_so(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    roomless = street().replace(tier_allowed=[[True], [True], [False], [True]])
    assert reasons_of(known(roomless))["EAST"].why is WhyNot.NO_ROOM
    dear = street().replace(tier_cost_cny=[[1e6], [1e6], [9e6], [1e6]])
    assert reasons_of(known(dear))["EAST"].why is WhyNot.BEYOND_BUDGET


def test_the_site_that_is_too_close_is_named(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    reasons = reasons_of(known(street(spacing_pairs=[[1, 2]])))
    assert reasons["EAST"].too_close_to == ("MID",)


def test_what_adds_much_for_its_money_says_how_much(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    mid = reasons_of(known(street(budget_cny=1e6)))["MID"]
    assert mid.adds_kwh_per_day == pytest.approx(8)
    assert mid.adds_per_million_cny == pytest.approx(8)


def test_an_equal_candidate_leaves_the_choice_open(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    # One site only, and MID serves as much as WEST.
    twins = street(max_sites=1).replace(tier_capacity_kwh_per_day=[[9.0], [9.0], [6.0], [9.0]])
    plan = known(twins)
    other = {"WEST", "MID"} - {twins.site_ids[j] for j in plan.opened}
    reason = reasons_of(plan, asked=ALL)[other.pop()]
    assert reason.why is WhyNot.AS_GOOD
    assert reason.loss == Loss(least=0.0, most=0.0)


def test_a_candidate_that_no_plan_can_open_is_told_so(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    pinned = street(required=[True, False, False, False], spacing_pairs=[[0, 1]])
    mid = reasons_of(known(pinned), asked=ALL)["MID"]
    assert mid.why is WhyNot.CONFLICTS
    assert mid.loss is not None
    assert mid.loss.impossible


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("seed", range(5))
def test_forcing_in_claims_nothing_that_trying_every_plan_does_not_bear_out(
    city: Callable[..., Any], plans: Callable[..., Any], known: Callable[..., KnownPlan], seed: int
) -> None:
    instance = city(seed, required=np.zeros(4, dtype=bool))
    every = list(plans(instance))
    assert every, "another seed: nothing is possible in this city"
    plan = known(instance)
    for reason in explain(plan, asked=instance.site_ids).candidates:
        if reason.loss is None:
            continue
        site = instance.site_ids.index(reason.site_id)
        best = max((w for tiers, w in every if tiers[site] != CLOSED), default=-math.inf)
        loss = plan.worth - best
        assert reason.loss.least <= loss + 0.02
        assert reason.loss.most >= loss - 0.02
        if rebuild.LINKS_TO_SOLVE > 0:
            assert reason.loss.most == pytest.approx(loss, abs=0.02)
