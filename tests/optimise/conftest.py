"""Small made rows and problems with random rules, and their best plan by trying all."""

from __future__ import annotations

import itertools
import math
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from scipy.optimize import linprog

from siting.instance import CLOSED, SitingInstance, no_requirements
from siting.optimise.classic import (
    LocationModel,
    LocationProblem,
    SiteRule,
    evaluate_location,
)
from siting.optimise.gain_rows import GainRows, evaluate_rows, sort_rows
from siting.optimise.site_rules import SiteRules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from siting.domain import BoolArray


class MadeRows:
    """Rows of gains, the rules for their sites, and all plans that the rules allow."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        n_row, n_site = int(rng.integers(1, 20)), int(rng.integers(1, 8))
        counts = rng.integers(1, min(n_site, 4) + 1, n_row)
        start = np.concatenate(([0], np.cumsum(counts)))
        site = np.concatenate([rng.choice(n_site, count, replace=False) for count in counts])
        # Few distinct gains, so that rows merge and sites tie.
        site, gain = sort_rows(start, site.astype(np.int32), rng.integers(1, 5, site.size) * 1.0)
        self.rows = GainRows(start=start, site=site, gain=gain, n_site=n_site, offset=3.0)
        pairs = [pair for pair in itertools.combinations(range(n_site), 2) if rng.random() < 0.1]
        quota = rng.integers(-1, 3, n_site).astype(float)
        self.rules = SiteRules(
            coefficient=np.vstack((np.ones(n_site), rng.integers(1, 5, n_site), quota)),
            lower=np.array([float(rng.integers(0, 2)), -math.inf, rng.choice([-math.inf, 1.0])]),
            upper=np.array([float(rng.integers(1, n_site + 1)), rng.choice([math.inf, 6.0]), 3.0]),
            spacing_pairs=np.array(pairs, dtype=np.int32).reshape(-1, 2),
            opening_cost=rng.choice([0.0, 1.0]) * rng.integers(0, 4, n_site),
        )

    def plans(self) -> Iterator[BoolArray]:
        """Yield every set of sites, allowed or not."""
        for plan in itertools.product([False, True], repeat=self.rows.n_site):
            yield np.array(plan)

    def worth(self, plan: BoolArray) -> float:
        return evaluate_rows(self.rows, plan) - float(self.rules.opening_cost[plan].sum())

    def best(self) -> float:
        """Return what the best allowed plan is worth, -∞ if none is allowed."""
        return max(
            (self.worth(plan) for plan in self.plans() if self.rules.allow(plan)),
            default=-math.inf,
        )


class MadeProblems:
    """Small problems on a square, and their best objective by trying all plans."""

    @staticmethod
    def make(
        model: LocationModel,
        seed: int,
        *,
        most_demand: int = 24,
        most_sites: int = 8,
        **changes: object,
    ) -> LocationProblem:
        """Make a problem on a square, with every kind of rule drawn at random."""
        rng = np.random.default_rng(seed)
        n_demand = int(rng.integers(3, most_demand + 1))
        n_site = int(rng.integers(2, most_sites + 1))
        demand, site = rng.random((n_demand, 2)), rng.random((n_site, 2))
        distance = np.hypot(*(demand[:, None] - site[None]).transpose(2, 0, 1))
        cutoff = float(rng.uniform(0.3, 1.2))
        fields: dict[str, Any] = {
            "demand_weight": rng.integers(0, 20, n_demand).astype(float),
            "distance": np.round(distance, 3),
            "cutoff": cutoff,
            "site_cost": rng.integers(1, 6, n_site).astype(float),
        }
        if model in {LocationModel.MCLP, LocationModel.P_MEDIAN, LocationModel.BACKUP} or (
            rng.random() < 0.5
        ):
            fields["max_sites"] = int(rng.integers(1, n_site + 1))
        if model is LocationModel.P_CENTER:
            fields["max_sites"] = int(rng.integers(1, n_site + 1))
        if rng.random() < 0.3:
            fields["budget"] = float(rng.integers(3, 20))
        if rng.random() < 0.3:
            fields["min_sites"] = min(2, fields.get("max_sites", 2))
        status = rng.choice(3, n_site, p=[0.8, 0.1, 0.1])
        fields["required"], fields["forbidden"] = status == 1, status == 2
        if rng.random() < 0.3:
            fields["spacing_pairs"] = np.array([[0, 1]])
        if rng.random() < 0.3:
            fields["rules"] = (
                SiteRule(name="quota", coefficient=np.arange(n_site) % 2.0, lower=1, upper=2),
            )
        return LocationProblem.from_dense(model=model, **(fields | changes))

    @staticmethod
    def with_worth(problem: LocationProblem, seed: int) -> LocationProblem:
        rng = np.random.default_rng(seed)
        return problem.replace(cover_worth=rng.choice([0.25, 0.5, 0.75, 1.0], problem.n_pair))

    @staticmethod
    def brute_force(problem: LocationProblem) -> float | None:
        """Return the best objective over all subsets of sites, or None if none is feasible."""
        best = None
        for plan in itertools.product([False, True], repeat=problem.n_site):
            check = evaluate_location(problem, np.array(plan))
            if check.feasible and (
                best is None or (check.objective > best) == problem.model.maximises
            ):
                best = check.objective
        return best


@pytest.fixture(scope="session")
def make_rows() -> type[MadeRows]:
    return MadeRows


@pytest.fixture(scope="session")
def problems() -> type[MadeProblems]:
    return MadeProblems


N_SITE, N_STATION, N_TIER, N_BRAND = 3, 1, 2, 2


class MadeTiers:
    """Small instances of the main model with every mix of constraints, and their best worth.

    Trying all shares nothing with the model builder: the flow of every choice of tiers is a linear
    program of its own.
    """

    NOTHING_ASKED: ClassVar[dict[str, Any]] = {
        "floor_by_brand": [0.0, 0.0],
        "required": [False] * N_SITE,
        "min_sites": 0,
        "district_min_sites": [0, 0],
    }

    @staticmethod
    def make(
        seed: int,
        *,
        most_demand: int = 5,
        n_site: int = N_SITE,
        **requirements: Any,  # noqa: ANN401 - any field
    ) -> SitingInstance:
        """Make demand points, sites with two tiers, and one station of the second brand."""
        rng = np.random.default_rng(seed)
        n_demand = int(rng.integers(1, most_demand + 1))
        reached = rng.random((n_demand, n_site + N_STATION)) < min(0.6, 3 / n_site)
        demand, supply = np.nonzero(reached)
        tier_cost = np.sort(rng.integers(1, 9, (n_site, N_TIER)), axis=1)
        asked = {
            "budget_cny": float(rng.integers(0, 20 * n_site // 3)),
            "floor_by_brand": rng.choice([0.0, 0.0, 0.2], N_BRAND),
            "required": rng.random(n_site) < 0.1,
            "site_grid_limit_kw": rng.choice([60.0, 200.0], n_site),
            "grid_group": rng.integers(-1, 1, n_site),
            "grid_group_limit_kw": [60.0 * n_site],
            "spacing_pairs": [[0, 1]] if rng.random() < 0.3 else np.empty((0, 2)),
            "max_sites": int(rng.integers(1, n_site + 1)),
            "min_sites": int(rng.choice([0, 0, 0, 1, 2])),
            "forbidden": rng.random(n_site) < 0.1,
            "district_min_sites": rng.choice([0, 0, 0, 1], 2),
            "district_max_sites": rng.choice([1, n_site], 2),
        }
        return SitingInstance(
            brands=("ant", "bee"),
            demand_ids=tuple(f"i{i}" for i in range(n_demand)),
            demand_kwh_per_day=rng.integers(0, 10, (n_demand, N_BRAND)),
            demand_district=np.zeros(n_demand),
            site_ids=tuple(ascii_uppercase[:n_site]),
            site_district=np.arange(n_site) * 2 // n_site,
            station_ids=("old",),
            district_ids=("d0", "d1"),
            tiers=("small", "big"),
            tier_cost_cny=tier_cost,
            tier_power_kw=np.tile([50.0, 100.0], (n_site, 1)),
            tier_capacity_kwh_per_day=np.tile([6.0, 15.0], (n_site, 1)),
            tier_allowed=rng.random((n_site, N_TIER)) < 0.9,
            station_capacity_kwh_per_day=[4.0],
            usable=[[True, True]] * n_site + [[False, True]],
            cover_start=np.concatenate([[0], np.cumsum(reached.sum(axis=1))]),
            cover_supply=supply,
            cover_time_s=rng.integers(1, 600, demand.size).astype(float),
            cover_worth=rng.choice([0.5, 1.0], demand.size),
            requirements=no_requirements(n_site=n_site, n_brand=N_BRAND).replace(
                **(asked | requirements)
            ),
        )

    @staticmethod
    def best(instance: SitingInstance) -> float:
        """Return the best objective over every choice of tiers; −∞ if none is allowed."""
        req = instance.requirements
        most = -np.inf
        for tiers in itertools.product(range(-1, N_TIER), repeat=N_SITE):
            tier = np.array(tiers)
            opened = np.flatnonzero(tier != CLOSED)
            power = np.zeros(N_SITE)
            power[opened] = instance.tier_power_kw[opened, tier[opened]]
            group = [power[req.grid_group == g].sum() for g in range(req.grid_group_limit_kw.size)]
            quota = np.bincount(instance.site_district[opened], minlength=2)
            allowed = (
                instance.tier_allowed[opened, tier[opened]].all()
                and instance.tier_cost_cny[opened, tier[opened]].sum() <= req.budget_cny
                and (tier != CLOSED)[req.required].all()
                and (tier == CLOSED)[req.forbidden].all()
                and (power <= req.site_grid_limit_kw).all()
                and (np.array(group) <= req.grid_group_limit_kw).all()
                and not any(tier[a] != CLOSED and tier[b] != CLOSED for a, b in req.spacing_pairs)
                and req.min_sites <= opened.size <= (req.max_sites or N_SITE)
                and (quota >= req.district_min_sites).all()
                and (quota <= req.district_max_sites).all()
            )
            if allowed:
                capacity = np.zeros(instance.n_supply)
                capacity[opened] = instance.tier_capacity_kwh_per_day[opened, tier[opened]]
                capacity[N_SITE:] = instance.station_capacity_kwh_per_day
                most = max(most, MadeTiers.best_flow(instance, capacity))
        return most

    @staticmethod
    def best_flow(instance: SitingInstance, capacity: np.ndarray) -> float:
        """Return the most worth that can flow to the capacities, floors kept; −∞ if it cannot."""
        n_pair, n_brand = instance.n_pair, instance.n_brand
        usable = instance.usable[instance.cover_supply]
        upper, rows, limits = [], [], []
        for b in range(n_brand):
            upper += list(np.where(usable[:, b], np.inf, 0.0))
            for i in range(instance.n_demand):
                row = np.zeros((n_brand, n_pair))
                row[b, instance.cover_demand == i] = 1
                rows.append(row.ravel())
                limits.append(instance.demand_kwh_per_day[i, b])
            floor = np.zeros((n_brand, n_pair))
            floor[b] = -1
            rows.append(floor.ravel())
            wanted = instance.demand_kwh_per_day[:, b].sum()
            limits.append(-instance.requirements.floor_by_brand[b] * wanted)
        for j in range(instance.n_supply):
            rows.append(np.tile(instance.cover_supply == j, n_brand).astype(float))
            limits.append(capacity[j])
        if n_pair == 0:
            return 0.0 if min(limits) >= 0 else -np.inf
        worth = np.tile(instance.cover_worth, n_brand)
        answer = linprog(-worth, A_ub=np.array(rows), b_ub=limits, bounds=[(0, u) for u in upper])
        return -answer.fun if answer.success else -np.inf


@pytest.fixture(scope="session")
def made_tiers() -> type[MadeTiers]:
    return MadeTiers
