"""Small futures of one network, and the best plan by each rule by trying all."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import pytest
from plain_network import make_plain_network

from siting.domain import RobustRule
from siting.instance import CLOSED
from siting.scenarios.evaluation import is_payable, price_shares
from siting.scenarios.solve import judge
from siting.scenarios.worlds import Worlds

if TYPE_CHECKING:
    from collections.abc import Sequence


class MadeWorlds:
    """Makes futures; every demand point is (kWh by future, supplies that reach it)."""

    @staticmethod
    def make(
        demand: Sequence[tuple[Sequence[float], Sequence[int]]],
        *,
        n_site: int,
        budgets: Sequence[float],
        tiers: Sequence[tuple[float, float]] = ((1.0, 1000.0),),
        stations: Sequence[float] = (),
        weight: Sequence[float] | None = None,
    ) -> Worlds:
        """Make futures; tiers are (cost, capacity), the same in all."""
        instances = [
            make_plain_network(
                [(kwh[s], reach) for kwh, reach in demand],
                n_site=n_site,
                budget_cny=budget,
                tiers=tiers,
                stations=stations,
            )
            for s, budget in enumerate(budgets)
        ]
        parts = np.array(weight if weight is not None else np.ones(len(budgets)))
        return Worlds(
            ids=tuple(f"world{s}" for s in range(len(budgets))),
            weight=parts / parts.sum(),
            instances=tuple(instances),
        )

    @classmethod
    def draw(cls, seed: int) -> Worlds:
        """Draw 2 or 3 futures of 4 sites with 2 tiers, other demand and other money in each."""
        rng = np.random.default_rng(seed)
        n_world = int(rng.integers(2, 4))
        demand = [
            (
                rng.integers(1, 40, n_world).astype(float).tolist(),
                np.flatnonzero(rng.random(4) < 0.5).tolist(),
            )
            for _ in range(5)
        ]
        return cls.make(
            demand,
            n_site=3,
            budgets=rng.integers(2, 5, n_world).astype(float).tolist(),
            tiers=((1.0, float(rng.integers(10, 40))), (2.0, float(rng.integers(40, 80)))),
            stations=(float(rng.integers(0, 20)),),
            weight=rng.integers(1, 4, n_world).tolist(),
        )

    @staticmethod
    def best(worlds: Worlds, rule: RobustRule) -> float:
        """Return the best value by a rule of all plans that every future can pay."""
        n_tier = worlds.instances[0].n_tier
        n_site = worlds.instances[0].n_site
        plans = [
            np.array(choice, dtype=np.int32)
            for choice in itertools.product(range(CLOSED, n_tier), repeat=n_site)
        ]
        rows = {p: price_shares(worlds.instances, tier) for p, tier in enumerate(plans)}
        alone = [
            max(rows[p][s] for p, tier in enumerate(plans) if is_payable([world], tier))
            for s, world in enumerate(worlds.instances)
        ]
        values = [
            judge(rule, rows[p], weight=worlds.weight, best=np.array(alone))
            for p, tier in enumerate(plans)
            if is_payable(worlds.instances, tier)
        ]
        return min(values) if rule is RobustRule.REGRET else max(values)


@pytest.fixture(scope="session")
def made() -> type[MadeWorlds]:
    return MadeWorlds
