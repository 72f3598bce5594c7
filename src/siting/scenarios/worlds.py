"""Futures as instances: the same sites and stations, other demand, money, costs, drives, rivals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.case import compute_worth
from siting.domain import SECONDS_PER_MINUTE, BoolArray, FloatArray, frozen_array
from siting.study import Scenario, Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.case import SitingCase
    from siting.instance import SitingInstance
    from siting.study import Access

OWN = "as_stated"
FIGURES = ("demand", "budget", "cost", "cutoff", "competition")


@dataclass(frozen=True, kw_only=True, eq=False)
class Worlds:
    """Futures that may come, of which one will.

    Attributes
    ----------
    ids
        (n_world,) ids; the first is the study's own world.
    weight
        (n_world,) how likely each is; they sum to 1.
    instances
        (n_world,) each future as an instance; all have the same sites, tiers and stations.
    """

    ids: tuple[str, ...]
    weight: FloatArray
    instances: tuple[SitingInstance, ...]

    def __post_init__(self) -> None:
        """Freeze the weights and refuse futures that are not of the same sites."""
        object.__setattr__(self, "weight", frozen_array(self.weight, np.float64))
        first = self.instances[0]
        if not len(self.ids) == self.weight.size == len(self.instances):
            raise ValueError("ids, weights and instances differ in number")
        if not all(w.site_ids == first.site_ids and w.tiers == first.tiers for w in self.instances):
            raise ValueError("futures have other sites or tiers")

    @property
    def n_world(self) -> int:
        """Number of futures."""
        return len(self.instances)

    @property
    def wanted(self) -> FloatArray:
        """(n_world,) what all drivers want in each (kWh/day), at least a watt-hour."""
        total = [world.demand_kwh_per_day.sum() for world in self.instances]
        return np.maximum(np.array(total, dtype=np.float64), 1e-3)


def build_worlds(case: SitingCase, scenarios: Sequence[Scenario], *, own_weight: float) -> Worlds:
    """Build the futures of a study, its own world first.

    Parameters
    ----------
    case
        The study's own world.
    scenarios
        What is otherwise in each other future.
    own_weight
        The weight of the study's own world beside theirs.
    """
    own = Scenario(id=OWN, name=Text(en=OWN), weight=own_weight)
    every = [own, *scenarios]
    third_party = find_third_party(case)
    weight = np.array([scenario.weight for scenario in every])
    return Worlds(
        ids=tuple(scenario.id for scenario in every),
        weight=weight / weight.sum(),
        instances=tuple(
            case.instance
            if scenario is own
            else change_world(case.instance, scenario, case.study.access, third_party=third_party)
            for scenario in every
        ),
    )


def find_third_party(case: SitingCase) -> BoolArray:
    """(n_station,) stations that belong to none of the brands."""
    return np.array(case.stations["owner_brand"].fillna("") == "", dtype=bool)


def change_world(
    instance: SitingInstance, scenario: Scenario, access: Access, *, third_party: BoolArray
) -> SitingInstance:
    """Return an instance as a scenario has it; service floors are the own world's alone.

    Parameters
    ----------
    instance
        The study's own world.
    scenario
        What is otherwise.
    access
        How far drivers go in the own world.
    third_party
        (n_station,) stations that belong to none of the brands.
    """
    demand = np.array(
        [scenario.demand_by_brand.get(brand, 1.0) * scenario.demand for brand in instance.brands]
    )
    steps = [
        step.model_copy(update={"within_minutes": step.within_minutes * scenario.cutoff})
        for step in access.steps
    ]
    minutes = access.cutoff_minutes * scenario.cutoff
    nearer = access.model_copy(update={"cutoff_minutes": minutes, "steps": steps})
    worth = compute_worth(instance.cover_time_s, nearer)
    kept = (instance.cover_time_s <= minutes * SECONDS_PER_MINUTE) & (worth > 0)
    start = np.concatenate(([0], np.cumsum(kept)))[instance.cover_start]
    req = instance.requirements
    return instance.replace(
        demand_kwh_per_day=instance.demand_kwh_per_day * demand,
        tier_cost_cny=instance.tier_cost_cny * scenario.cost,
        station_capacity_kwh_per_day=instance.station_capacity_kwh_per_day
        * np.where(third_party, scenario.competition, 1.0),
        cover_start=start,
        cover_supply=instance.cover_supply[kept],
        cover_time_s=instance.cover_time_s[kept],
        cover_worth=worth[kept],
        requirements=req.replace(
            budget_cny=req.budget_cny * scenario.budget,
            floor_by_brand=np.zeros(instance.n_brand),
        ),
    )


def draw_scenarios(
    scenarios: Sequence[Scenario], *, brands: Sequence[str], n_draw: int, seed: int
) -> list[Scenario]:
    """Draw futures anew: every figure by itself, evenly between the least and the most named.

    Parameters
    ----------
    scenarios
        The named futures; the study's own world, where all is 1, belongs to the range.
    brands
        Ids of the brands.
    n_draw
        How many.
    seed
        The same seed draws the same.
    """
    rng = np.random.default_rng(seed)

    def between(values: list[float]) -> float:
        return float(rng.uniform(min(1.0, *values), max(1.0, *values)))

    return [
        Scenario(
            id=f"draw{n}",
            name=Text(en=f"draw {n}"),
            demand_by_brand={
                brand: between([s.demand_by_brand.get(brand, 1.0) for s in scenarios])
                for brand in brands
            },
            **{name: between([getattr(s, name) for s in scenarios]) for name in FIGURES},
        )
        for n in range(n_draw)
    ]
