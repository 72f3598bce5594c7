"""A plan in hand and what is proven of it: all that a reason is computed from."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.instance import (
    CLOSED,
    WH_PER_KWH,
    Decision,
    Requirements,
    SitingInstance,
    evaluate,
)
from siting.optimise.certificate import read_certificate
from siting.optimise.fairness import FLOOR_SLACK

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, LongArray
    from siting.instance import Evaluation
    from siting.optimise.certificate import TierPrices
    from siting.plan import SitingPlan
    from siting.verify.claim import Claim

CERTIFICATE_NAME = "certificate.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownPlan:
    """A plan, what no plan of its instance can be worth more than, and prices to start from.

    Attributes
    ----------
    instance, decision
        What was asked, and the plan.
    bound
        No plan of the instance is worth more (kWh/day).
    prices
        Multipliers of a solve, or None.
    """

    instance: SitingInstance
    decision: Decision
    bound: float
    prices: TierPrices | None = None

    @cached_property
    def evaluation(self) -> Evaluation:
        """The plan, recomputed without a solver."""
        return evaluate(self.instance, self.decision)

    @property
    def worth(self) -> float:
        """Worth of the plan's service (kWh/day)."""
        return self.evaluation.objective_kwh_per_day

    @property
    def unproven(self) -> float:
        """How much more some plan might be worth (kWh/day)."""
        return max(0.0, self.bound - self.worth)

    @cached_property
    def opened(self) -> LongArray:
        """Sites that the plan opens."""
        return np.flatnonzero(self.decision.tier_of_site != CLOSED)

    @cached_property
    def reach(self) -> Reach:
        """What every site and station reaches."""
        return measure_reach(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reach:
    """The demand that each site and station reaches, by brand (kWh/day).

    Attributes
    ----------
    wanted
        (n_supply, n_brand) all of it that may charge there.
    unserved
        (n_supply, n_brand) what of it the plan leaves unserved.
    only
        (n_supply, n_brand) what of it no other site of the plan or station reaches.
    """

    wanted: FloatArray
    unserved: FloatArray
    only: FloatArray


def measure_reach(known: KnownPlan) -> Reach:
    """Sum, site by site, the demand within reach: all, left unserved, reached by it alone."""
    instance = known.instance
    i, j = instance.cover_demand, instance.cover_supply
    is_open = np.ones(instance.n_supply, dtype=bool)
    is_open[: instance.n_site] = known.decision.opened
    within: BoolArray = instance.cover_worth > 0
    wanted = instance.demand_kwh_per_day
    missing = np.maximum(wanted - known.evaluation.served_kwh_per_day, 0.0)
    sums = {name: np.zeros((instance.n_supply, instance.n_brand)) for name in ("w", "u", "o")}
    for b in range(instance.n_brand):
        usable = within & instance.usable[j, b]
        n_open = np.bincount(i[usable & is_open[j]], minlength=instance.n_demand)
        others = n_open[i] - is_open[j]
        for name, kwh in (("w", wanted[i, b]), ("u", missing[i, b]), ("o", wanted[i, b])):
            counted = usable & (others == 0) if name == "o" else usable
            sums[name][:, b] = np.bincount(
                j[counted], weights=kwh[counted], minlength=instance.n_supply
            )
    return Reach(wanted=sums["w"], unserved=sums["u"], only=sums["o"])


def know_plan(plan: SitingPlan) -> KnownPlan:
    """Return what reasons are computed from; of a fair plan, with its levels as floors."""
    instance = plan.case.instance
    if plan.fairness is not None:
        instance = hold_levels(instance, plan.fairness.level)
    # Of several periods the last is looked at, and what it could have by itself.
    solve = plan.solve if plan.phases is None else plan.phases.result.alone[-1]
    return KnownPlan(
        instance=instance,
        decision=plan.joint.decision,
        bound=max(solve.bound, plan.joint.evaluation.objective_kwh_per_day),
        prices=solve.multipliers,
    )


def hold_levels(instance: SitingInstance, level: FloatArray) -> SitingInstance:
    """Return the instance with the levels of a fair plan as floors beside its own."""
    req = instance.requirements
    floors = np.maximum(req.floor_by_brand, np.asarray(level) * (1.0 - FLOOR_SLACK))
    return instance.replace(requirements=req.replace(floor_by_brand=floors))


def know_claim(claim: Claim) -> KnownPlan:
    """Return what reasons are computed from, of a plan that was written and read anew."""
    instance = _build_instance(claim)
    fairness = claim.manifest.get("fairness")
    if fairness is not None:
        level = [fairness["level_by_brand"][brand] for brand in instance.brands]
        instance = hold_levels(instance, np.array(level))
    tier_of_site = np.full(instance.n_site, CLOSED, dtype=np.int32)
    for site, tier in claim.tier_of_site.items():
        tier_of_site[site] = tier
    flow = np.zeros((instance.n_pair, instance.n_brand))
    for row in claim.flow_rows:
        flow[row.pair, row.b] = row.wh / WH_PER_KWH
    certificate = claim.files.get(CERTIFICATE_NAME)
    return KnownPlan(
        instance=instance,
        decision=Decision(tier_of_site=tier_of_site, flow_kwh_per_day=flow),
        bound=float(claim.manifest["solve"][claim.in_unit("bound_kwh_per_day")]),
        prices=None if certificate is None else read_certificate(certificate),
    )


def _build_instance(claim: Claim) -> SitingInstance:
    requirements = Requirements(**_read_fields(Requirements, claim, "requirements."))
    return SitingInstance(**_read_fields(SitingInstance, claim, ""), requirements=requirements)


def _read_fields(
    kind: type[Requirements | SitingInstance], claim: Claim, prefix: str
) -> dict[str, Any]:
    """Return the fields of a dataclass as they were written: arrays, lists of ids, numbers."""
    found: dict[str, Any] = {}
    for field in fields(kind):
        name = prefix + field.name
        if name in claim.arrays:
            found[field.name] = claim.arrays[name]
        elif name in claim.head:
            value = claim.head[name]
            found[field.name] = tuple(value) if isinstance(value, list) else value
    # JSON has no infinity: a budget without a limit was written as null.
    if found.get("budget_cny", 0.0) is None:
        found["budget_cny"] = math.inf
    return found
