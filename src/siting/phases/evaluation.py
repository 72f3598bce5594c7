"""A plan over several periods, recomputed without a solver and without the model's builder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from siting.instance import CLOSED, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from siting.instance import Decision, Evaluation, SitingInstance
    from siting.phases.instance import PhasedInstance


@dataclass(frozen=True, kw_only=True, eq=False)
class PhasedEvaluation:
    """What a plan over several periods comes to.

    Attributes
    ----------
    periods
        (n_period,) each by itself; its cost is what was spent by its end.
    spent_cny
        (n_period,) what is spent in each.
    objective_kwh_per_day
        The mean of their service over the years, weighted by its worth.
    violations
        Every rule that is broken, in words, the period first; empty if feasible.
    """

    periods: tuple[Evaluation, ...]
    spent_cny: tuple[float, ...]
    objective_kwh_per_day: float
    violations: tuple[str, ...]


def evaluate_phases(phased: PhasedInstance, decisions: Sequence[Decision]) -> PhasedEvaluation:
    """Recompute service, spending and every rule of a plan over several periods.

    Parameters
    ----------
    phased
        What was asked.
    decisions
        (n_period,) what stands in each period, and who charges where.
    """
    periods = tuple(map(evaluate, phased.periods, decisions))
    costs = [0.0, *(period.cost_cny for period in periods)]
    worths = [period.objective_kwh_per_day for period in periods]
    lines = [
        f"{name}: {line}"
        for name, period in zip(phased.ids, periods, strict=True)
        for line in period.violations
    ]
    for t in range(1, phased.n_period):
        before, after = (decisions[s].tier_of_site.tolist() for s in (t - 1, t))
        lines += [f"{phased.ids[t]}: {line}" for line in _undone(phased.periods[t], before, after)]
    return PhasedEvaluation(
        periods=periods,
        spent_cny=tuple(after - before for before, after in pairwise(costs)),
        objective_kwh_per_day=math.fsum(np.array(phased.weight) * np.array(worths)),
        violations=tuple(lines),
    )


def _undone(instance: SitingInstance, before: list[int], after: list[int]) -> Iterator[str]:
    """Yield every site that closes, or gives or costs less than in the period before."""
    for j, (old, new) in enumerate(zip(before, after, strict=True)):
        if old in {CLOSED, new}:
            continue
        name = instance.site_ids[j]
        if new == CLOSED:
            yield f"{name} closes"
            continue
        for what, values in (
            ("capacity", instance.tier_capacity_kwh_per_day),
            ("cost", instance.tier_cost_cny),
        ):
            if values[j, new] < values[j, old]:
                yield f"{name} shrinks in {what}"
