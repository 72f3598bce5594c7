"""The same service for less money: nothing is built that the plan is worth no less without.

A plan of greatest worth may hold sites that add nothing but shorter drives, or tiers larger than
what is charged there. Where the budget lets it, a solver leaves them in; boards would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siting.instance import CLOSED, compute_capacity, evaluate
from siting.optimise.assignment import WorthWithout, assign_drivers

if TYPE_CHECKING:
    from siting.domain import FloatArray, IntArray
    from siting.instance import Decision, SitingInstance

# What float64 sums cannot tell apart, as a share of the plan's worth.
SAME_WORTH = 1e-9


def spare_money(instance: SitingInstance, decision: Decision) -> Decision:
    """Return a plan of the same worth that costs no more: sites closed, tiers made smaller.

    Dearest first, and the first of those that are equal; every step is judged by the exact best
    flow of what is left.

    Parameters
    ----------
    instance, decision
        A feasible plan.
    """
    worth = evaluate(instance, decision).objective_kwh_per_day
    smaller = shrink_tiers(instance, decision.tier_of_site, _supplied(instance, decision))
    if not np.array_equal(smaller, decision.tier_of_site):
        decision = _assign_if_worth(instance, smaller, worth) or decision
    opened = np.flatnonzero(decision.opened)
    cost = instance.tier_cost_cny[opened, decision.tier_of_site[opened]]
    worth_without = WorthWithout(instance, decision.tier_of_site)
    for j in opened[np.argsort(-cost, kind="stable")].tolist():
        if not _may_close(instance, decision, j):
            continue
        # Where it is close, the flows themselves are asked.
        if worth_without.compute(j) < worth * (1.0 - 2 * SAME_WORTH):
            continue
        without = decision.tier_of_site.copy()
        without[j] = CLOSED
        if (found := _assign_if_worth(instance, without, worth)) is not None:
            worth_without.close(j)
            decision = found
    return decision


def _assign_if_worth(
    instance: SitingInstance, tier_of_site: IntArray, worth: float
) -> Decision | None:
    found = assign_drivers(instance, tier_of_site)
    if found is None:
        return None
    reached = evaluate(instance, found).objective_kwh_per_day
    return found if reached >= worth * (1.0 - SAME_WORTH) else None


def shrink_tiers(
    instance: SitingInstance, tier_of_site: IntArray, supplied_kwh_per_day: FloatArray
) -> IntArray:
    """Return the cheapest tier of each opened site that still gives what is charged there.

    Parameters
    ----------
    instance
        The instance.
    tier_of_site
        (n_site,) opened tiers.
    supplied_kwh_per_day
        (n_supply,) what is charged at each supply.
    """
    tier_of_site = tier_of_site.copy()
    for j in np.flatnonzero(tier_of_site != CLOSED):
        cost = np.where(
            instance.tier_allowed[j]
            & (instance.tier_capacity_kwh_per_day[j] >= supplied_kwh_per_day[j])
            & (instance.tier_power_kw[j] <= instance.tier_power_kw[j, tier_of_site[j]]),
            instance.tier_cost_cny[j],
            np.inf,
        )
        if cost.min() < instance.tier_cost_cny[j, tier_of_site[j]]:
            tier_of_site[j] = int(cost.argmin())
    return tier_of_site


def _may_close(instance: SitingInstance, decision: Decision, j: int) -> bool:
    """Whether a site may be closed, and the others have room for what is charged there."""
    req = instance.requirements
    opened = decision.opened
    district = instance.site_district[j]
    if req.required[j] or opened.sum() <= req.min_sites:
        return False
    if req.district_min_sites.size and district >= 0:
        in_district = int((opened & (instance.site_district == district)).sum())
        if in_district <= req.district_min_sites[district]:
            return False
    supplied = _supplied(instance, decision)
    spare = compute_capacity(instance, decision.tier_of_site) - supplied
    spare[j] = 0.0
    return bool(spare.sum() >= supplied[j] * (1.0 - SAME_WORTH))


def _supplied(instance: SitingInstance, decision: Decision) -> FloatArray:
    kwh = decision.flow_kwh_per_day.sum(axis=1)
    total = np.bincount(instance.cover_supply, weights=kwh, minlength=instance.n_supply)
    return np.asarray(total, dtype=np.float64)
