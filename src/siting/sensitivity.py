"""How much a plan hangs on its figures: one of them is off at a time, and all else stays.

Every change is asked about twice. What would the plan do there as it was decided, with its drivers
sent anew? And what would the best plan for that world do? The bound of the second is what knowing
the figure beforehand could have gained at most, which is proven and needs no plan to be found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.case import build_case, survey_city
from siting.domain import Doubt
from siting.instance import CLOSED, evaluate
from siting.notebook import show_tables
from siting.optimise.assignment import assign_drivers
from siting.optimise.fairness import solve_fair
from siting.optimise.solve import WarmStart, solve_again
from siting.study import Objective

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.case import StudyInputs, Survey
    from siting.domain import IntArray
    from siting.instance import Evaluation, SitingInstance
    from siting.optimise.result import SolveOptions, SolveResult
    from siting.plan import SitingPlan
    from siting.study import Study

STEPS = (0.1, 0.2)


@dataclass(frozen=True, kw_only=True, eq=False)
class Variation:
    """One figure off by a share, and what came of it.

    Attributes
    ----------
    doubt, change
        Which figure, and by what share of itself (−0.2 is a fifth less).
    instance
        The instance with that figure.
    result
        The best plan found for it, with its bound.
    kept
        The original plan there, recomputed without a solver: its sites and tiers stay, its
        drivers are sent anew, floors may be missed. None where its sites do not exist there.
    """

    doubt: Doubt
    change: float
    instance: SitingInstance
    result: SolveResult
    kept: Evaluation | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Sensitivity:
    """A plan, and what becomes of it when its figures are off."""

    plan: SitingPlan
    variations: tuple[Variation, ...]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a variation.

        Returns
        -------
        DataFrame
            ``doubt``, ``change``, ``value`` (the figure: CNY, kWh a day, minutes); of the best
            plan found ``status``, ``gap``, ``cost_cny``, ``n_sites``, ``n_same``, ``n_resized``,
            ``n_new``, ``n_dropped`` (against the original plan), ``served_share``,
            ``objective_share`` (service by its worth) and ``bound_share`` (no plan has more); of
            the original plan ``kept_share`` and ``kept_objective_share``, empty where its sites
            cannot be paid for, and ``kept_breaks``, what of the requirements it then breaks;
            ``gain_at_most``, what of the wanted service knowing it beforehand could have gained.
        """
        return pd.DataFrame([self._describe(variation) for variation in self.variations])

    def summary_lines(self) -> list[str]:
        """Return how far service moves with each figure, the figure it hangs on most first."""
        table = self.table
        lines = []
        for doubt in order_by_swing(table):
            rows = table[table["doubt"] == doubt].sort_values("change").to_dict(orient="records")
            shares = ", ".join(
                f"{row['change']:+.0%}: {_tell(row['served_share'])} "
                f"(as decided {_tell(row['kept_share'])})"
                for row in rows
            )
            lines.append(f"{doubt:<10} {shares}")
        gains = table["gain_at_most"].dropna()
        if len(gains):
            lines.append(
                "regret     knowing a figure beforehand could gain at most "
                f"{math.ceil(gains.max() * 1e3 - 1e-6) / 1e3:.1%} of "
                "what is wanted, where the plan can still be built"
            )
        return lines

    def _repr_html_(self) -> str:
        return show_tables({"Sensitivity": self.table}, lines=self.summary_lines())

    def _describe(self, variation: Variation) -> dict[str, Any]:
        instance, result, kept = variation.instance, variation.result, variation.kept
        wanted = float(instance.demand_kwh_per_day.sum()) or math.nan
        found = result.decision
        evaluation = None if found is None else evaluate(instance, found)
        before = _tier_by_site(self.plan.case.instance, self.plan.joint.decision.tier_of_site)
        after = {} if found is None else _tier_by_site(instance, found.tier_of_site)
        both = before.keys() & after.keys()
        affordable = kept is not None and not _breaks_budget(instance, kept)
        kept_worth = kept.objective_kwh_per_day / wanted if kept and affordable else math.nan
        bound = min(result.bound / wanted, 1.0) if math.isfinite(result.bound) else math.nan
        return {
            "doubt": variation.doubt.value,
            "change": variation.change,
            "value": _figure(variation, self.plan),
            "status": result.status.value,
            "gap": result.gap if math.isfinite(result.gap) else math.nan,
            "cost_cny": math.nan if evaluation is None else round(evaluation.cost_cny, 2),
            "n_sites": len(after),
            "n_same": sum(before[site] == after[site] for site in both),
            "n_resized": sum(before[site] != after[site] for site in both),
            "n_new": len(after.keys() - both),
            "n_dropped": len(before.keys() - both),
            "served_share": _share(evaluation, wanted),
            "objective_share": math.nan
            if evaluation is None
            else evaluation.objective_kwh_per_day / wanted,
            "bound_share": bound,
            "kept_share": _share(kept, wanted) if affordable else math.nan,
            "kept_objective_share": kept_worth,
            "kept_breaks": "not the same sites" if kept is None else "; ".join(kept.violations),
            "gain_at_most": max(bound - kept_worth, 0.0),
        }


def solve_sensitivity(
    plan: SitingPlan,
    inputs: StudyInputs,
    *,
    options: SolveOptions,
    steps: Sequence[float] = STEPS,
    doubts: Sequence[Doubt] = tuple(Doubt),
    on_solved: Callable[[Variation], None] | None = None,
) -> Sensitivity:
    """Solve a plan's study again with one figure off at a time.

    Parameters
    ----------
    plan
        The plan; its sites and prices are where every solve starts.
    inputs
        What its study's files hold: another cutoff needs other travel times.
    options
        How hard to look, for each solve.
    steps
        By what shares a figure is off, downwards and upwards; each within (0, 1).
    doubts
        Which figures.
    on_solved
        Told of each variation as it is solved.

    Raises
    ------
    ValueError
        If a step is not within (0, 1).
    KeyboardInterrupt
        On Ctrl-C.
    """
    if not all(0 < step < 1 for step in steps):
        raise ValueError(f"steps must lie between 0 and 1: {list(steps)}")
    changes = [-step for step in sorted(steps, reverse=True)] + sorted(steps)
    survey = survey_city(inputs) if Doubt.WAIT in doubts else None
    variations = []
    for doubt in doubts:
        for change in changes:
            variation = _vary(plan, inputs, survey, doubt=doubt, change=change, options=options)
            variations.append(variation)
            if on_solved is not None:
                on_solved(variation)
    return Sensitivity(plan=plan, variations=tuple(variations))


def order_by_swing(table: pd.DataFrame) -> list[str]:
    """Return the doubts of a sensitivity's table, the one that moves service most first."""
    by_doubt = table.groupby("doubt", sort=False)["served_share"]
    swing = (by_doubt.max() - by_doubt.min()).fillna(0.0)
    return [str(doubt) for doubt in swing.sort_values(ascending=False, kind="stable").index]


def change_study(study: Study, doubt: Doubt, factor: float) -> Study:
    """Return a study with another longest drive or another promised wait."""
    if doubt is Doubt.CUTOFF:
        access = study.access
        steps = [
            step.model_copy(update={"within_minutes": step.within_minutes * factor})
            for step in access.steps
        ]
        minutes = access.cutoff_minutes * factor
        changed = access.model_copy(update={"cutoff_minutes": minutes, "steps": steps})
        return study.model_copy(update={"access": changed})
    minutes = study.service.max_wait_minutes * factor
    service = study.service.model_copy(update={"max_wait_minutes": minutes})
    return study.model_copy(update={"service": service})


def _vary(
    plan: SitingPlan,
    inputs: StudyInputs,
    survey: Survey | None,
    *,
    doubt: Doubt,
    change: float,
    options: SolveOptions,
) -> Variation:
    instance = _change_instance(plan, inputs, survey, doubt=doubt, factor=1.0 + change)
    own = plan.case.instance
    same_sites = instance.site_ids == own.site_ids and instance.demand_ids == own.demand_ids
    objective = plan.case.study.objective
    if objective is Objective.TOTAL:
        start = plan.solve if same_sites else WarmStart()
        result = solve_again(instance, options=options, start=start)
    else:
        result = solve_fair(instance, objective=objective, options=options).result
    if result.interrupted:
        raise KeyboardInterrupt
    tiers = _same_tiers(plan, instance)
    sent = None if tiers is None else assign_drivers(instance, tiers, floors=False)
    kept = None if sent is None else evaluate(instance, sent)
    return Variation(doubt=doubt, change=change, instance=instance, result=result, kept=kept)


def _change_instance(
    plan: SitingPlan, inputs: StudyInputs, survey: Survey | None, *, doubt: Doubt, factor: float
) -> SitingInstance:
    instance = plan.case.instance
    if doubt is Doubt.BUDGET:
        budget_cny = instance.requirements.budget_cny * factor
        return instance.replace(requirements=instance.requirements.replace(budget_cny=budget_cny))
    if doubt is Doubt.DEMAND:
        return instance.replace(demand_kwh_per_day=instance.demand_kwh_per_day * factor)
    if doubt is Doubt.COST:
        return instance.replace(tier_cost_cny=instance.tier_cost_cny * factor)
    changed = replace(inputs, study=change_study(plan.case.study, doubt, factor))
    fits = survey if doubt is Doubt.WAIT else None
    built = build_case(changed, survey=fits).instance
    same_sites = built.site_ids == instance.site_ids
    return built.replace(requirements=instance.requirements) if same_sites else built


def _same_tiers(plan: SitingPlan, instance: SitingInstance) -> IntArray | None:
    """Return the plan's tiers on another instance's sites; None if one of them is not there."""
    tiers = _tier_by_site(plan.case.instance, plan.joint.decision.tier_of_site)
    index = {site: j for j, site in enumerate(instance.site_ids)}
    if not tiers.keys() <= index.keys():
        return None
    placed = np.full(instance.n_site, CLOSED, dtype=np.int32)
    placed[[index[site] for site in tiers]] = list(tiers.values())
    return placed


def _tier_by_site(instance: SitingInstance, tier_of_site: IntArray) -> dict[str, int]:
    opened = np.flatnonzero(tier_of_site != CLOSED)
    return {instance.site_ids[j]: int(tier_of_site[j]) for j in opened}


def _breaks_budget(instance: SitingInstance, kept: Evaluation) -> bool:
    return kept.cost_cny > instance.requirements.budget_cny * (1 + 1e-9)


def _figure(variation: Variation, plan: SitingPlan) -> float:
    """Return the figure that is off, in its own unit."""
    factor, study = 1.0 + variation.change, plan.case.study
    return {
        Doubt.BUDGET: variation.instance.requirements.budget_cny,
        Doubt.DEMAND: float(variation.instance.demand_kwh_per_day.sum()),
        Doubt.CUTOFF: study.access.cutoff_minutes * factor,
        Doubt.COST: plan.joint.evaluation.cost_cny * factor,
        Doubt.WAIT: study.service.max_wait_minutes * factor,
    }[variation.doubt]


def _share(evaluation: Evaluation | None, wanted: float) -> float:
    return math.nan if evaluation is None else float(evaluation.served_kwh_per_day.sum()) / wanted


def _tell(share: float) -> str:
    return f"{share:.1%}" if math.isfinite(share) else "none"
