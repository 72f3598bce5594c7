"""Other plans: whole, within the loss, and as different as trying every plan shows is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from siting.instance import CLOSED, evaluate
from siting.reasons import KnownPlan, find_alternatives
from siting.reasons import alternatives as module

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_streets_other_plans_come_by_their_difference(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    plan = known(street())
    # WEST and EAST lose 2 of 18 and differ in one site, MID and EAST lose 3 and differ in one.
    first, second = find_alternatives(plan, n_most=2, loss=0.2)
    assert (first.leaves, first.enters) == (("MID",), ("EAST",))
    assert first.loss_kwh_per_day == pytest.approx(2)
    assert first.loss_share == pytest.approx(2 / 18)
    assert (second.leaves, second.enters) == (("WEST",), ("EAST",))
    assert second.least_difference == 1


def test_a_loss_that_no_other_plan_keeps_gives_none(
    street: Callable[..., Any], known: Callable[..., KnownPlan]
) -> None:
    assert find_alternatives(known(street()), loss=0.1) == ()
    with pytest.raises(ValueError, match="not within"):
        find_alternatives(known(street()), loss=1.0)


@pytest.mark.parametrize("seed", range(6))
def test_each_alternative_is_as_far_from_those_before_as_any_plan_within_the_loss(
    city: Callable[..., Any], plans: Callable[..., Any], known: Callable[..., KnownPlan], seed: int
) -> None:
    instance = city(seed)
    every = list(plans(instance))
    assert every, "another seed: nothing is possible in this city"
    plan, loss = known(instance), 0.25
    least = (1 - loss) * plan.worth
    before = [plan.decision.tier_of_site]
    for alternative in find_alternatives(plan, n_most=3, loss=loss):
        assert evaluate(instance, alternative.decision).feasible
        assert alternative.evaluation.objective_kwh_per_day >= least - 0.02
        farthest = max(
            min(module.count_difference(p, tiers) for p in before)
            for tiers, worth in every
            if worth >= least - 1e-9
        )
        assert alternative.least_difference == farthest
        before.append(alternative.decision.tier_of_site)
    farther = [
        tiers
        for tiers, worth in every
        if worth >= least + 0.02 and min(module.count_difference(p, tiers) for p in before) > 0
    ]
    assert not farther or len(before) == 4


@pytest.mark.parametrize("seed", range(6))
def test_the_search_by_charges_finds_whole_plans_within_the_loss(
    city: Callable[..., Any],
    known: Callable[..., KnownPlan],
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    instance = city(seed, floor_by_brand=[0.0, 0.0], required=np.zeros(4, dtype=bool))
    plan = known(instance)
    exact = find_alternatives(plan, n_most=1, loss=0.3)
    monkeypatch.setattr(module, "LINKS_TO_SOLVE", -1)
    found = find_alternatives(plan, n_most=2, loss=0.3)
    for alternative in found:
        assert evaluate(instance, alternative.decision).feasible
        assert alternative.evaluation.objective_kwh_per_day >= 0.7 * plan.worth
        assert alternative.least_difference > 0
        assert set(alternative.leaves) <= {instance.site_ids[j] for j in plan.opened}
    if found:
        assert found[0].least_difference <= exact[0].least_difference
    assert all((a.decision.tier_of_site != CLOSED).any() for a in found)
