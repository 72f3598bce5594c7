"""Why a candidate was not chosen: the rule that shuts it out, or the figures that speak against it.

Every candidate is added to the plan as if no rule and no budget stood in the way, which says what
it is good for at most. Those that the planner asks about are forced in, and the rest re-optimised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from siting.instance import CLOSED
from siting.reasons.rebuild import Rebuilt, rebuild, sites_between
from siting.reasons.sites import Loss, measure_loss
from siting.reasons.swaps import SingleChanges, find_near

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from siting.domain import IntArray
    from siting.reasons.known import KnownPlan
    from siting.reasons.swaps import Change

# Of places to make room for a site that is forced in, the nearest so many are tried.
PLACES_TRIED = 6
# Where a site adds less than this share of what it could serve, others serve its demand already.
HARDLY_ANY = 0.02


class WhyNot(StrEnum):
    """The main reason why a candidate was not chosen."""

    LEFT_OUT = "left out before solving"
    FORBIDDEN = "the study forbids it"
    NO_ROOM = "it has no room for any tier"
    GRID_LIMIT = "its grid gives too little power for any tier"
    BEYOND_BUDGET = "every tier costs more than the whole budget"
    NO_DEMAND = "no demand that may charge there is in reach"
    CONFLICTS = "no plan can open it and meet every requirement"
    AS_GOOD = "a plan with it serves as much: the choice is open"
    SERVED_BY_OTHERS = "others serve its demand already"
    SPACING = "it stands too close to a site of the plan"
    GRID_GROUP = "its substation group has no power left"
    QUOTA = "its district has all the sites it may have"
    COUNT = "the plan has all the sites it may have"
    TOO_DEAR = "the money serves more elsewhere"


@dataclass(frozen=True, kw_only=True)
class CandidateReason:
    """Why a candidate was not chosen.

    Attributes
    ----------
    site_id
        The candidate.
    why
        The main reason.
    detail
        What the rule says, where words from the data belong to the reason; empty otherwise.
    reach_kwh_per_day, unserved_kwh_per_day
        By brand: the demand it reaches, and what of it the plan leaves unserved.
    adds_kwh_per_day, tier, cost_cny
        What its best tier would add to the plan if no rule and no budget stood in the way, which
        tier that is and what it costs; 0, None and 0 where none can be built.
    too_close_to
        Sites of the plan that stand too close for both.
    loss
        What is lost if it is forced in and the rest re-optimised; None if that was not asked.
    forced_tier, leaves, enters
        The tier it gets then, and the sites that leave and enter the plan beside it.
    """

    site_id: str
    why: WhyNot
    detail: str = ""
    reach_kwh_per_day: tuple[float, ...] = ()
    unserved_kwh_per_day: tuple[float, ...] = ()
    adds_kwh_per_day: float = 0.0
    tier: str | None = None
    cost_cny: float = 0.0
    too_close_to: tuple[str, ...] = ()
    loss: Loss | None = None
    forced_tier: str | None = None
    leaves: tuple[str, ...] = ()
    enters: tuple[str, ...] = ()

    @property
    def adds_per_million_cny(self) -> float:
        """What it adds for a million CNY (kWh/day); 0 if nothing."""
        return self.adds_kwh_per_day / self.cost_cny * 1e6 if self.cost_cny > 0 else 0.0


def explain_candidates(
    known: KnownPlan,
    *,
    asked: Collection[int] = (),
    on_site: Callable[[str], None] | None = None,
) -> tuple[CandidateReason, ...]:
    """Say why each candidate that is not in the plan is not.

    Parameters
    ----------
    known
        The plan in hand.
    asked
        Candidates to force in, by index; of the others only the figures against them are told.
    on_site
        Told of each id that was forced in, as it is done.
    """
    instance = known.instance
    closed = np.flatnonzero(known.decision.tier_of_site == CLOSED)
    bare, changes = SingleChanges(known, bare=True), SingleChanges(known)
    added = {change.site: change for change in bare.add(closed.tolist())}
    reasons = []
    for site in closed.tolist():
        shut_out = _find_exclusion(known, site)
        forced = None
        if site in asked and shut_out is None:
            forced = _force_in(known, changes, site)
            if on_site is not None:
                on_site(instance.site_ids[site])
        reasons.append(_explain(known, bare.worth, added[site], shut_out, forced))
    return tuple(reasons)


def _find_exclusion(known: KnownPlan, site: int) -> WhyNot | None:
    """Return the rule by which a candidate cannot be opened at all, or would be for nothing."""
    instance, req = known.instance, known.instance.requirements
    if req.forbidden[site]:
        return WhyNot.FORBIDDEN
    fits = instance.tier_allowed[site]
    if not fits.any():
        return WhyNot.NO_ROOM
    fits = fits & (instance.tier_power_kw[site] <= req.site_grid_limit_kw[site])
    if not fits.any():
        return WhyNot.GRID_LIMIT
    if not (fits & (instance.tier_cost_cny[site] <= req.budget_cny)).any():
        return WhyNot.BEYOND_BUDGET
    return None if known.reach.wanted[site].any() else WhyNot.NO_DEMAND


def _force_in(known: KnownPlan, changes: SingleChanges, site: int) -> Rebuilt:
    """Re-optimise with a candidate forced in, from where it takes another's place best."""
    tiers: IntArray = known.decision.tier_of_site
    start = tiers.copy()
    places = find_near(known.instance, site, known.decision.opened)[:PLACES_TRIED]
    swaps = [(changes.swap(place, [site])[0], place) for place in places or known.opened.tolist()]
    best, place = max(swaps, key=lambda swap: swap[0].worth, default=(None, -1))
    if best is not None and best.tier != CLOSED:
        start[place], start[site] = CLOSED, best.tier
    return rebuild(known, using=[site], start=start)


def _explain(
    known: KnownPlan,
    bare_worth: float,
    added: Change,
    shut_out: WhyNot | None,
    forced: Rebuilt | None,
) -> CandidateReason:
    instance, site = known.instance, added.site
    adds = max(0.0, added.worth - bare_worth) if math.isfinite(added.worth) else 0.0
    loss = None if forced is None else measure_loss(known, forced)
    decision = None if forced is None else forced.decision
    leaves: tuple[int, ...] = ()
    enters: tuple[int, ...] = ()
    if decision is not None:
        leaves, enters = sites_between(known.decision.tier_of_site, decision.tier_of_site)
    cost = float(instance.tier_cost_cny[site, added.tier]) if added.tier != CLOSED else 0.0
    return CandidateReason(
        site_id=instance.site_ids[site],
        why=shut_out or _weigh(known, added, adds=adds, loss=loss),
        reach_kwh_per_day=tuple(known.reach.wanted[site].tolist()),
        unserved_kwh_per_day=tuple(known.reach.unserved[site].tolist()),
        adds_kwh_per_day=adds,
        tier=None if added.tier == CLOSED else instance.tiers[added.tier],
        cost_cny=cost,
        too_close_to=tuple(instance.site_ids[j] for j in _find_too_close(known, site)),
        loss=loss,
        forced_tier=None if decision is None else instance.tiers[decision.tier_of_site[site]],
        leaves=tuple(instance.site_ids[j] for j in leaves),
        enters=tuple(instance.site_ids[j] for j in enters if j != site),
    )


def _weigh(known: KnownPlan, added: Change, *, adds: float, loss: Loss | None) -> WhyNot:
    """Return what speaks most against a candidate that could be opened."""
    if loss is not None and loss.impossible:
        return WhyNot.CONFLICTS
    if loss is not None and loss.most <= 0.0:
        return WhyNot.AS_GOOD
    capacity = known.instance.tier_capacity_kwh_per_day[added.site, added.tier]
    if added.tier == CLOSED or adds <= HARDLY_ANY * capacity:
        return WhyNot.SERVED_BY_OTHERS
    return _find_full_rule(known, added) or WhyNot.TOO_DEAR


def _find_full_rule(known: KnownPlan, added: Change) -> WhyNot | None:
    """Return the rule, other than the budget, that leaves a candidate no room beside the plan."""
    instance, req, site = known.instance, known.instance.requirements, added.site
    if _find_too_close(known, site):
        return WhyNot.SPACING
    opened = known.opened
    group = req.grid_group[site]
    if 0 <= group < req.grid_group_limit_kw.size:
        inside = opened[req.grid_group[opened] == group]
        used_kw = instance.tier_power_kw[inside, known.decision.tier_of_site[inside]].sum()
        least_kw = instance.tier_power_kw[site][instance.tier_allowed[site]].min()
        if used_kw + least_kw > req.grid_group_limit_kw[group] * (1.0 + 1e-9):
            return WhyNot.GRID_GROUP
    district = instance.site_district[site]
    if 0 <= district < req.district_max_sites.size:
        inside_district = int((instance.site_district[opened] == district).sum())
        if inside_district >= req.district_max_sites[district]:
            return WhyNot.QUOTA
    return WhyNot.COUNT if req.max_sites is not None and opened.size >= req.max_sites else None


def _find_too_close(known: KnownPlan, site: int) -> list[int]:
    """Return the sites of the plan that stand too close to a candidate."""
    pairs: Iterable[tuple[int, int]] = known.instance.requirements.spacing_pairs.tolist()
    other = {b if a == site else a for a, b in pairs if site in {a, b}}
    return sorted(other & set(known.opened.tolist()))
