"""What a plan is worth with a single change: a site struck out, put in another's place, or added.

Every answer is exact: the drivers' best flow is mended from one change to the next.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.instance import CLOSED, no_requirements
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_search import build_search
from siting.optimise.tier_solver import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from siting.domain import BoolArray, LongArray
    from siting.instance import SitingInstance
    from siting.reasons.known import KnownPlan

FLOORS_KEPT_TO = 1e-9


class Change(NamedTuple):
    """A site with a tier, and what the plan is worth with it (kWh/day); −∞ breaks a rule."""

    site: int
    tier: int
    worth: float


class SingleChanges:
    """The plan in hand, ready for one change after the other.

    Parameters
    ----------
    known
        The plan.
    bare
        Whether every rule is left aside: budget, grid, counts, spacing, floors.
    """

    def __init__(self, known: KnownPlan, *, bare: bool = False) -> None:
        instance = known.instance
        req = instance.requirements
        if bare:
            requirements = no_requirements(n_site=instance.n_site, n_brand=instance.n_brand)
            requirements = requirements.replace(site_grid_limit_kw=req.site_grid_limit_kw)
        else:
            requirements = req.replace(required=np.zeros(instance.n_site, dtype=bool))
        self._problem = build_problem(instance.replace(requirements=requirements))
        self._search = build_search(self._problem)
        self._tiers = known.decision.tier_of_site
        self._plan_columns = columns_of(self._problem, self._tiers)
        self.worth = self._value(self._plan_columns)

    def strike_out(self, site: int) -> float:
        """Return what the plan is worth without a site, all else as it is; −∞ breaks a rule."""
        columns, site_of = self._plan_columns, self._problem.columns.site
        return self._value(columns[site_of[columns] != site])

    def swap(self, out: int, candidates: Iterable[int]) -> list[Change]:
        """Return the best that each candidate makes of a site's place, the best one first."""
        columns, site_of = self._plan_columns, self._problem.columns.site
        return self._try(columns[site_of[columns] != out], candidates)

    def add(self, candidates: Iterable[int]) -> list[Change]:
        """Return the best that each candidate adds, the best one first."""
        return self._try(self._plan_columns, candidates)

    def _try(self, kept: LongArray, candidates: Iterable[int]) -> list[Change]:
        columns = self._problem.columns
        found = []
        for site in candidates:
            best = Change(site, CLOSED, -math.inf)
            for column in range(columns.start[site], columns.start[site + 1]):
                worth = self._value(np.append(kept, column))
                # Of tiers that are worth the same, the first is the cheapest.
                if worth > best.worth * (1.0 + 1e-9):
                    best = Change(site, int(columns.tier[column]), worth)
            found.append(best)
        return sorted(found, key=lambda change: (-change.worth, change.site))

    def _value(self, columns: LongArray) -> float:
        search, problem = self._search, self._problem
        search.open_only(columns)
        is_whole = int((search.plan.column != CLOSED).sum()) == columns.size
        served = problem.reach.kwh - search.flows.unserved
        floors = served @ problem.reach.share >= problem.floor_kwh * (1.0 - FLOORS_KEPT_TO)
        return search.value if is_whole and search.within_rows and floors.all() else -math.inf


def find_near(instance: SitingInstance, site: int, among: BoolArray) -> list[int]:
    """Return the sites that share demand with a site, most of it first.

    Parameters
    ----------
    instance
        The instance.
    site
        The site.
    among
        (n_site,) which sites to look at.
    """
    kwh = instance.demand_kwh_per_day.sum(axis=1)
    i, j = instance.cover_demand, instance.cover_supply
    mine = np.zeros(instance.n_demand, dtype=bool)
    mine[i[j == site]] = True
    shared = np.bincount(j, weights=np.where(mine[i], kwh[i], 0.0), minlength=instance.n_supply)
    shared = np.where(among, shared[: instance.n_site], 0.0)
    shared[site] = 0.0
    order = np.argsort(-shared, kind="stable")
    return [int(k) for k in order if shared[k] > 0]
