"""Small made rows and problems with random rules, and their best plan by trying all."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

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
    def make(model: LocationModel, seed: int, **changes: object) -> LocationProblem:
        """Make a small problem on a square, with every kind of rule drawn at random."""
        rng = np.random.default_rng(seed)
        n_demand, n_site = int(rng.integers(3, 25)), int(rng.integers(2, 9))
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
