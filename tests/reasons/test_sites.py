"""Why each site: known by hand on a street, and by trying every plan on made cities."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.instance import CLOSED
from siting.reasons import KnownPlan, Loss, NotInItsPlace, explain, rebuild
from siting.reasons.sites import explain_sites

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_street_is_explained_as_by_hand(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    west, mid = explain(known(street())).sites
    assert (west.site_id, mid.site_id) == ("WEST", "MID")
    # Without WEST the best is MID and EAST (15 of 18), without MID it is WEST and EAST (16).
    assert west.loss == Loss(least=pytest.approx(3), most=pytest.approx(3))
    assert mid.loss == Loss(least=pytest.approx(2), most=pytest.approx(2))
    assert west.loss.proven
    assert (west.enters, west.leaves) == (("EAST",), ())
    # Struck out, WEST leaves MID with its 9, and MID leaves WEST with its 10.
    assert west.struck_out_kwh_per_day == pytest.approx(9)
    assert mid.struck_out_kwh_per_day == pytest.approx(8)
    # Home is reached by both; the shop by MID alone.
    assert west.only_kwh_per_day == (0, 0)
    assert mid.only_kwh_per_day == (4, 4)
    assert west.reach_kwh_per_day == (10, 0)


def test_the_next_best_site_shares_demand_and_is_tried_in_its_place(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    west, mid = explain(known(street())).sites
    assert west.next_best is None  # only MID reaches home too, and it is in the plan
    assert mid.next_best is not None
    assert (mid.next_best.site_id, mid.next_best.tier) == ("EAST", "one")
    assert mid.next_best.why_not is NotInItsPlace.SERVES_LESS
    assert mid.next_best.loss_kwh_per_day == pytest.approx(2)
    barred = street(forbidden=[False, False, True, False])
    near = explain(known(barred)).sites[1].next_best
    assert near is not None
    assert near.why_not is NotInItsPlace.BREAKS_A_RULE
    assert math.isinf(near.loss_kwh_per_day)
    assert near.tier is None


@pytest.mark.usefixtures("_both_ways")
def test_a_site_without_which_no_plan_is_left_costs_everything(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    # 9 of home's 10 are asked for: MID can serve them without WEST, nobody without both.
    floored = street(floor_by_brand=[0.9, 0.0])
    west, mid = explain_sites(known(floored), [0, 1])
    assert west.loss.most == math.inf
    assert math.isinf(west.struck_out_kwh_per_day)
    assert mid.loss.most == pytest.approx(2)


def test_a_required_site_is_weighed_as_if_it_were_not(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    far = explain(known(street(required=[False, False, False, True]))).sites[-1]
    assert far.site_id == "FAR"
    assert far.required
    # It serves nobody and costs the place of MID: without it 18 are served, with it 10.
    assert far.loss == Loss(least=pytest.approx(-8), most=pytest.approx(-8))
    assert not far.loss.proven


@pytest.mark.usefixtures("_both_ways")
@pytest.mark.parametrize("seed", range(7))
def test_no_loss_is_claimed_that_trying_every_plan_does_not_bear_out(
    city: Callable[..., Any], plans: Callable[..., Any], known: Callable[..., KnownPlan], seed: int
) -> None:
    instance = city(seed, required=np.zeros(4, dtype=bool))
    every = list(plans(instance))
    assert every, "another seed: nothing is possible in this city"
    plan = known(instance)
    assert plan.worth == pytest.approx(max(worth for _, worth in every), abs=0.02)
    is_solved = rebuild.LINKS_TO_SOLVE > 0
    for site, reason in zip(plan.opened, explain(plan).sites, strict=True):
        best = max((w for tiers, w in every if tiers[site] == CLOSED), default=-math.inf)
        loss = plan.worth - best
        assert reason.loss.least <= loss + 0.02
        assert reason.loss.most >= loss - 0.02
        if is_solved:
            assert reason.loss.least == pytest.approx(loss, abs=0.02)
            assert reason.loss.most == pytest.approx(loss, abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_striking_out_and_swapping_are_exact(
    city: Callable[..., Any], plans: Callable[..., Any], known: Callable[..., KnownPlan], seed: int
) -> None:
    instance = city(seed, floor_by_brand=[0.0, 0.0], required=np.zeros(4, dtype=bool))
    plan = known(instance)
    worth_of = {tuple(tiers.tolist()): worth for tiers, worth in plans(instance)}
    for site, reason in zip(plan.opened, explain(plan).sites, strict=True):
        tiers = plan.decision.tier_of_site.tolist()
        tiers[site] = CLOSED
        struck = plan.worth - worth_of.get(tuple(tiers), -math.inf)
        assert reason.struck_out_kwh_per_day == pytest.approx(struck, abs=0.02)
        near = reason.next_best
        if near is not None and near.tier is not None:
            tiers[instance.site_ids.index(near.site_id)] = instance.tiers.index(near.tier)
            swapped = plan.worth - worth_of[tuple(tiers)]
            assert near.loss_kwh_per_day == pytest.approx(swapped, abs=0.02)
