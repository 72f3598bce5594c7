"""Why each proposed site: what is lost without it, whom it alone reaches, what came next."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from siting.instance import CLOSED
from siting.reasons.rebuild import Rebuilt, rebuild, sites_between
from siting.reasons.swaps import SingleChanges, find_near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from siting.reasons.known import KnownPlan
    from siting.reasons.swaps import Change

# What whole watt-hours leave open, as a share of the plan's worth.
SAME = 5e-6


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What the plan in hand serves, less what the best plan under a changed rule serves (kWh/day).

    The best plan under the rule is known within bounds, and so is the loss. Below zero it is a
    gain: the plan in hand is itself proven only within its gap.

    Attributes
    ----------
    least
        Proven to be lost; what is not above zero says that no loss is proven. ∞ if it is proven
        that no plan can keep the rule and all requirements.
    most
        A plan is in hand that loses this. ∞ if none was found.
    """

    least: float
    most: float

    @property
    def known(self) -> bool:
        """Whether anything is known of it."""
        return self.least > -math.inf or self.most < math.inf

    @property
    def proven(self) -> bool:
        """Whether it is proven that something is lost."""
        return self.least > 0.0

    @property
    def impossible(self) -> bool:
        """Whether it is proven that no plan is left."""
        return self.least == math.inf


UNKNOWN = Loss(least=-math.inf, most=math.inf)


class NotInItsPlace(StrEnum):
    """Why the best site not chosen near a proposed one does not stand in its place."""

    SERVES_LESS = "in its place the plan serves less"
    AS_GOOD = "in its place the plan serves as much"
    SERVES_MORE = "in its place the plan serves more; solve with a smaller gap"
    BREAKS_A_RULE = "in its place no tier keeps every requirement"


@dataclass(frozen=True, kw_only=True)
class NextBest:
    """The best site not chosen near a proposed one.

    Attributes
    ----------
    site_id, tier
        Which site, with which tier; the tier is None where none may be built in its place.
    why_not
        Why it does not stand there.
    loss_kwh_per_day
        What the plan serves less with it in the place of the proposed one, nothing else changed
        and the drivers sent anew; ∞ where none may be built.
    """

    site_id: str
    tier: str | None
    why_not: NotInItsPlace
    loss_kwh_per_day: float


@dataclass(frozen=True, kw_only=True)
class SiteReason:
    """Why a proposed site stands in the plan.

    Attributes
    ----------
    site_id, tier, cost_cny
        The site as proposed.
    energy_kwh_per_day
        What is charged there.
    required
        Whether the study requires it; its loss then says what that is worth.
    loss
        What is lost if it is forbidden and the rest re-optimised.
    struck_out_kwh_per_day
        What is lost if it is struck out and nothing else changes but who charges where; ∞ if
        that breaks a requirement.
    enters, leaves
        Sites that the best plan found without it opens, and closes, beside it.
    reach_kwh_per_day, only_kwh_per_day
        By brand: the demand it reaches, and what of it no other site of the plan and no station
        reaches.
    next_best
        The best site not chosen near it; None if no other reaches any of its demand.
    """

    site_id: str
    tier: str
    cost_cny: float
    energy_kwh_per_day: float
    required: bool
    loss: Loss
    struck_out_kwh_per_day: float
    enters: tuple[str, ...]
    leaves: tuple[str, ...]
    reach_kwh_per_day: tuple[float, ...]
    only_kwh_per_day: tuple[float, ...]
    next_best: NextBest | None


def explain_sites(
    known: KnownPlan,
    sites: Iterable[int],
    *,
    is_rebuilt: bool = True,
    on_site: Callable[[str], None] | None = None,
) -> tuple[SiteReason, ...]:
    """Say why each of some proposed sites stands in the plan.

    Parameters
    ----------
    known
        The plan in hand.
    sites
        Proposed sites, by index.
    is_rebuilt
        Whether the rest is re-optimised without each; if not, nothing is known of what is lost.
    on_site
        Told of each site's id as it is done.
    """
    changes = SingleChanges(known)
    if not is_rebuilt:
        return tuple(_explain(known, changes, site) for site in sites)
    reasons, rebuilds = [], []
    for site in sites:
        found = rebuild(known, without=[site])
        rebuilds.append((site, found))
        reasons.append(_explain(known, changes, site))
        if on_site is not None:
            on_site(known.instance.site_ids[site])
    return tuple(
        _with_loss(known, reason, site, _best_without(rebuilds, site, found))
        for reason, (site, found) in zip(reasons, rebuilds, strict=True)
    )


def _best_without(rebuilds: Iterable[tuple[int, Rebuilt]], site: int, own: Rebuilt) -> Rebuilt:
    """Return the best plan without a site, be it one that was found without another site."""
    best = own
    for _, other in rebuilds:
        lacks_it = other.decision is not None and other.decision.tier_of_site[site] == CLOSED
        if lacks_it and other.worth > best.worth:
            best = replace(other, most=max(own.most, other.worth))
    return best


def _with_loss(known: KnownPlan, reason: SiteReason, site: int, found: Rebuilt) -> SiteReason:
    leaves: tuple[int, ...] = ()
    enters: tuple[int, ...] = ()
    if found.decision is not None:
        leaves, enters = sites_between(known.decision.tier_of_site, found.decision.tier_of_site)
    ids = known.instance.site_ids
    return replace(
        reason,
        loss=measure_loss(known, found),
        enters=tuple(ids[j] for j in enters),
        leaves=tuple(ids[j] for j in leaves if j != site),
    )


def measure_loss(known: KnownPlan, found: Rebuilt) -> Loss:
    """Return what the plan in hand serves more than the best plan under a changed rule."""
    return Loss(
        least=_without_noise(known.worth - found.most, known),
        most=_without_noise(known.worth - found.worth, known),
    )


def _without_noise(kwh: float, known: KnownPlan) -> float:
    return 0.0 if abs(kwh) <= SAME * max(1.0, known.worth) else kwh


def _explain(known: KnownPlan, changes: SingleChanges, site: int) -> SiteReason:
    instance = known.instance
    tier = int(known.decision.tier_of_site[site])
    energy = known.evaluation.supplied_kwh_per_day[site].sum()
    return SiteReason(
        site_id=instance.site_ids[site],
        tier=instance.tiers[tier],
        cost_cny=float(instance.tier_cost_cny[site, tier]),
        energy_kwh_per_day=float(energy),
        required=bool(instance.requirements.required[site]),
        loss=UNKNOWN,
        struck_out_kwh_per_day=_without_noise(changes.worth - changes.strike_out(site), known),
        enters=(),
        leaves=(),
        reach_kwh_per_day=tuple(known.reach.wanted[site].tolist()),
        only_kwh_per_day=tuple(known.reach.only[site].tolist()),
        next_best=_find_next_best(known, changes, site),
    )


def _find_next_best(known: KnownPlan, changes: SingleChanges, site: int) -> NextBest | None:
    """Try every site not chosen that shares demand with it in its place."""
    instance = known.instance
    near = find_near(instance, site, ~known.decision.opened)
    tried = changes.swap(site, near)
    if not tried:
        return None
    best = tried[0]
    if best.tier == CLOSED:
        best = next(change for change in tried if change.site == near[0])
    loss = _without_noise(changes.worth - best.worth, known)
    return NextBest(
        site_id=instance.site_ids[best.site],
        tier=None if best.tier == CLOSED else instance.tiers[best.tier],
        why_not=_why_not(best, loss),
        loss_kwh_per_day=loss,
    )


def _why_not(best: Change, loss: float) -> NotInItsPlace:
    if best.tier == CLOSED:
        return NotInItsPlace.BREAKS_A_RULE
    if loss == 0.0:
        return NotInItsPlace.AS_GOOD
    return NotInItsPlace.SERVES_LESS if loss > 0 else NotInItsPlace.SERVES_MORE
