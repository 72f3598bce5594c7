"""A network that grows: the same sites in several periods, each with its demand and its money.

What is built stays, and money that is not spent is kept. A tier that grows costs the difference of
the two tiers, so that what was spent by a period is Σ_jk f_jk y_jkt: every period is an ordinary
instance whose budget is all the money that came by then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import FloatArray, IntArray, LongArray, frozen_array
from siting.errors import Fault, StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.instance import SitingInstance
    from siting.study import Phase


@dataclass(frozen=True, kw_only=True, eq=False)
class PhasedInstance:
    """Several periods of one network.

    Attributes
    ----------
    ids
        (n_period,) ids of the periods, in their order.
    weight
        (n_period,) what a period's service counts: its part of all years.
    periods
        (n_period,) the instance of each period; its budget is the money that came by its end.
    """

    ids: tuple[str, ...]
    weight: FloatArray
    periods: tuple[SitingInstance, ...]

    def __post_init__(self) -> None:
        """Freeze the weights and refuse periods that do not belong together."""
        object.__setattr__(self, "weight", frozen_array(self.weight, np.float64))
        first = self.periods[0]
        budgets = [period.requirements.budget_cny for period in self.periods]
        wrong = []
        if not len(self.ids) == self.weight.size == len(self.periods):
            wrong.append("ids, weights and periods differ in number")
        if not (self.weight > 0).all():
            wrong.append("a weight is not above zero")
        for period in self.periods:
            same = period.site_ids == first.site_ids and period.tiers == first.tiers
            if not (same and np.array_equal(period.tier_cost_cny, first.tier_cost_cny)):
                wrong.append("sites, tiers or costs differ between periods")
        if budgets != sorted(budgets):
            wrong.append("the money that came by a period is less than by the one before")
        if not wrong and (np.diff(_costs_by_rank(first), axis=1) < 0).any():
            wrong.append("a tier of more capacity costs less: growing would give money back")
        if wrong:
            raise ValueError("; ".join(wrong))

    @property
    def n_period(self) -> int:
        """Number of periods."""
        return len(self.periods)

    @property
    def n_site(self) -> int:
        """Number of candidate sites."""
        return self.periods[0].n_site


def rank_tiers(instance: SitingInstance) -> LongArray:
    """(n_site, n_tier) place of each tier among its site's, by capacity, then cost, then order."""
    order = np.lexsort((instance.tier_cost_cny, instance.tier_capacity_kwh_per_day), axis=1)
    return np.argsort(order, axis=1, kind="stable")


def _costs_by_rank(instance: SitingInstance) -> FloatArray:
    order = np.lexsort((instance.tier_cost_cny, instance.tier_capacity_kwh_per_day), axis=1)
    costs: FloatArray = np.take_along_axis(instance.tier_cost_cny, order, axis=1)
    return costs


def build_phases(instance: SitingInstance, phases: Sequence[Phase]) -> PhasedInstance:
    """Build the periods of a study.

    Parameters
    ----------
    instance
        The network as the study's last period wants it: all of its demand, all of its money.
    phases
        What comes when. What a plan must hold in the end (floors, required sites, least numbers)
        is asked of the last period alone; what it may not do is forbidden in all.

    Raises
    ------
    StudyError
        If a tier that can serve more costs less.
    """
    if (np.diff(_costs_by_rank(instance), axis=1) < 0).any():
        what = "a tier that can serve more costs less: growing would give money back"
        raise StudyError([Fault(column="tiers", what=what, remedy="leave the dearer tier out")])
    req = instance.requirements
    came = np.cumsum([phase.budget_share for phase in phases])
    begun = req.replace(
        floor_by_brand=np.zeros(instance.n_brand),
        required=np.zeros(instance.n_site, dtype=bool),
        min_sites=0,
        district_min_sites=np.zeros_like(req.district_min_sites),
    )
    last = len(phases) - 1
    periods = []
    for t, phase in enumerate(phases):
        share = np.array(
            [
                phase.demand_share_by_brand.get(brand, phase.demand_share)
                for brand in instance.brands
            ]
        )
        asked = (req if t == last else begun).replace(budget_cny=req.budget_cny * min(came[t], 1.0))
        periods.append(
            instance.replace(
                demand_kwh_per_day=instance.demand_kwh_per_day * share, requirements=asked
            )
        )
    years = np.array([phase.years for phase in phases])
    return PhasedInstance(
        ids=tuple(phase.id for phase in phases), weight=years / years.sum(), periods=tuple(periods)
    )


def with_history(instance: SitingInstance, tier_of_site: IntArray) -> SitingInstance:
    """Return an instance in which what was built stays: open, and no smaller.

    Parameters
    ----------
    instance
        A period.
    tier_of_site
        (n_site,) what stands at its beginning.
    """
    rank, built = rank_tiers(instance), np.flatnonzero(tier_of_site >= 0)
    allowed, required = instance.tier_allowed.copy(), instance.requirements.required.copy()
    allowed[built] &= rank[built] >= rank[built, tier_of_site[built]][:, None]
    required[built] = True
    return instance.replace(
        tier_allowed=allowed, requirements=instance.requirements.replace(required=required)
    )
