"""What a set of sites is worth in a future, recomputed without the model's builder.

Where the money of a future does not suffice, sites are left out, those with the least energy for
their money first, until the rest can be paid: what a builder would do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from siting.instance import CLOSED, evaluate, settle_flows
from siting.optimise.assignment import assign_drivers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.domain import FloatArray, IntArray
    from siting.instance import Decision, SitingInstance


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """A set of sites in one future.

    Attributes
    ----------
    decision
        What is built of it, and who charges where.
    share
        The wanted energy that is served, weighted by its worth (0 to 1).
    n_left_out
        Sites that the money of this future does not suffice for.
    """

    decision: Decision
    share: float
    n_left_out: int


def try_plan(world: SitingInstance, tier_of_site: IntArray) -> Outcome:
    """Build a set of sites in a future as far as its money goes, and send its drivers.

    Parameters
    ----------
    world
        The future; its service floors are not asked for.
    tier_of_site
        (n_site,) the sites, decided beforehand.
    """
    decision = _send(world, tier_of_site)
    tier, n_left_out = tier_of_site, 0
    if _cost_cny(world, tier) > world.requirements.budget_cny * (1 + 1e-9):
        tier = leave_out(world, decision)
        n_left_out = int((tier_of_site != CLOSED).sum() - (tier != CLOSED).sum())
        decision = _send(world, tier)
    served = evaluate(world, decision).objective_kwh_per_day
    wanted = max(float(world.demand_kwh_per_day.sum()), 1e-3)
    return Outcome(decision=decision, share=served / wanted, n_left_out=n_left_out)


def leave_out(world: SitingInstance, decision: Decision) -> IntArray:
    """Return the sites without those of least energy for their money, until they can be paid."""
    tier = decision.tier_of_site.copy()
    energy = np.bincount(
        world.cover_supply,
        weights=decision.flow_kwh_per_day.sum(axis=1),
        minlength=world.n_supply,
    )
    opened = np.flatnonzero(tier != CLOSED)
    cost = world.tier_cost_cny[opened, tier[opened]]
    order = opened[np.argsort(energy[opened] / np.maximum(cost, 1e-9), kind="stable")]
    for j in order:
        if _cost_cny(world, tier) <= world.requirements.budget_cny * (1 + 1e-9):
            break
        tier[j] = CLOSED
    return tier


def trim(worlds: Sequence[SitingInstance], decisions: Sequence[Decision]) -> IntArray:
    """Return the sites that any future uses, each with the cheapest tier that will do in all.

    Parameters
    ----------
    worlds
        The futures.
    decisions
        (n_world,) the same sites, and who charges there in each.
    """
    first, req = worlds[0], worlds[0].requirements
    given = np.max(
        [
            np.bincount(w.cover_supply, weights=d.flow_kwh_per_day.sum(1), minlength=w.n_supply)
            for w, d in zip(worlds, decisions, strict=True)
        ],
        axis=0,
    )
    tier = decisions[0].tier_of_site.copy()
    keeps_all = req.min_sites > 0 or bool(req.district_min_sites.any())
    for j in np.flatnonzero(tier != CLOSED):
        if given[j] <= 0 and not (req.required[j] or keeps_all):
            tier[j] = CLOSED
            continue
        fits = (
            first.tier_allowed[j]
            & (first.tier_capacity_kwh_per_day[j] >= given[j])
            & (first.tier_power_kw[j] <= first.tier_power_kw[j, tier[j]])
        )
        cost = np.where(fits, first.tier_cost_cny[j], np.inf)
        if cost.min() < first.tier_cost_cny[j, tier[j]]:
            tier[j] = int(cost.argmin())
    return tier


def price_shares(worlds: Sequence[SitingInstance], tier_of_site: IntArray) -> FloatArray:
    """(n_world,) the share that a set of sites serves in each future."""
    return np.array([try_plan(world, tier_of_site).share for world in worlds])


def is_payable(worlds: Sequence[SitingInstance], tier_of_site: IntArray) -> bool:
    """Whether every future's money suffices for all sites."""
    return all(
        _cost_cny(world, tier_of_site) <= world.requirements.budget_cny * (1 + 1e-9)
        for world in worlds
    )


def _send(world: SitingInstance, tier_of_site: IntArray) -> Decision:
    decision = assign_drivers(world, tier_of_site, floors=False)
    if decision is None:
        raise AssertionError("without floors any sites can serve somebody or nobody")
    return settle_flows(world, replace(decision, tier_of_site=tier_of_site))


def _cost_cny(world: SitingInstance, tier_of_site: IntArray) -> float:
    opened = np.flatnonzero(tier_of_site != CLOSED)
    return float(world.tier_cost_cny[opened, tier_of_site[opened]].sum())
