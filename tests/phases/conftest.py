"""Small networks over a few periods, and their best plan by trying all."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from plain_network import make_plain_network

from siting.instance import CLOSED, evaluate
from siting.optimise.assignment import assign_drivers
from siting.phases.instance import PhasedInstance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.domain import IntArray
    from siting.instance import SitingInstance


class MadePhases:
    """Makes networks; every demand point is (kWh by period, supplies that reach it)."""

    @staticmethod
    def make(
        demand: Sequence[tuple[Sequence[float], Sequence[int]]],
        *,
        n_site: int,
        budgets: Sequence[float],
        tiers: Sequence[tuple[float, float]] = ((1.0, 100.0),),
        stations: Sequence[float] = (),
        weight: Sequence[float] | None = None,
        floor: float = 0.0,
    ) -> PhasedInstance:
        """Make periods; tiers are (cost, capacity), budgets all the money by then."""
        last = len(budgets) - 1
        periods = [
            make_plain_network(
                [(kwh[t], reach) for kwh, reach in demand],
                n_site=n_site,
                budget_cny=budget,
                tiers=tiers,
                stations=stations,
                floor=floor if t == last else 0.0,
            )
            for t, budget in enumerate(budgets)
        ]
        parts = np.array(weight if weight is not None else np.ones(len(budgets)))
        return PhasedInstance(
            ids=tuple(f"year{t}" for t in range(len(budgets))),
            weight=parts / parts.sum(),
            periods=tuple(periods),
        )

    @classmethod
    def draw(cls, seed: int) -> PhasedInstance:
        """Draw a small network: 3 sites, 2 tiers, 2 or 3 periods, demand that rises or moves."""
        rng = np.random.default_rng(seed)
        n_period = int(rng.integers(2, 4))
        demand = [
            (
                rng.integers(0, 40, n_period).astype(float).tolist(),
                np.flatnonzero(rng.random(4) < 0.5).tolist(),
            )
            for _ in range(5)
        ]
        return cls.make(
            demand,
            n_site=3,
            budgets=np.cumsum(rng.integers(0, 4, n_period)).astype(float).tolist(),
            tiers=((1.0, float(rng.integers(10, 40))), (2.0, float(rng.integers(40, 80)))),
            stations=(float(rng.integers(0, 20)),),
            weight=rng.integers(1, 4, n_period).tolist(),
        )

    @classmethod
    def best(cls, phased: PhasedInstance) -> float:
        """Return the most that any plan comes to, trying every one."""
        n_tier = phased.periods[0].n_tier
        choices = [
            np.array(choice, dtype=np.int32)
            for choice in itertools.product(range(CLOSED, n_tier), repeat=phased.n_site)
        ]
        worth = [cls._worths(period, choices) for period in phased.periods]
        best = {c: worth[0][c] for c in worth[0]}
        for t, worths in enumerate(worth):
            weight = phased.weight[t]
            best = {
                c: weight * value
                + max(
                    (best[b] for b in best if t and (choices[c] >= choices[b]).all()),
                    default=-math.inf if t else 0.0,
                )
                for c, value in worths.items()
            }
        return max(best.values(), default=-math.inf)

    @staticmethod
    def _worths(period: SitingInstance, choices: list[IntArray]) -> dict[int, float]:
        """Return what a period serves by each choice that it can pay."""
        worths = {}
        for c, tier in enumerate(choices):
            opened = np.flatnonzero(tier != CLOSED)
            if period.tier_cost_cny[opened, tier[opened]].sum() <= period.requirements.budget_cny:
                decision = assign_drivers(period, tier)
                assert decision is not None
                worths[c] = evaluate(period, decision).objective_kwh_per_day
        return worths


@pytest.fixture(scope="session")
def made() -> type[MadePhases]:
    return MadePhases
