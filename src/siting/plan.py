"""The plan: opened sites, service before and after, and what every brand pays.

A plan is frozen and holds plain tables, so a planner can look at any of it in a notebook.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.alliance.shares import round_to_fen, split_in_proportion
from siting.domain import FEN_PER_CNY, SECONDS_PER_MINUTE, FloatArray, SolveStatus
from siting.instance import CLOSED, Decision, Evaluation, SitingInstance
from siting.notebook import show_tables
from siting.verify.waiting import read_queues, simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.case import SitingCase
    from siting.corridors.answer import TripAnswer
    from siting.optimise.fairness import FairResult
    from siting.optimise.solve import SolveResult
    from siting.phases.plan import PhasedPlan
    from siting.scenarios.plan import RobustAnswer
    from siting.verify.waiting import PlanWaits


@dataclass(frozen=True, kw_only=True, eq=False)
class ServiceState:
    """Who is served where in one state of the world, with its recomputed evaluation."""

    decision: Decision
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class SitingPlan:
    """The answer to a study.

    Attributes
    ----------
    case
        What was asked, and of which data.
    today
        Existing stations, separate accounts.
    unified
        Existing stations, accounts as the study asks; no new site.
    joint
        The plan.
    solve
        Status, objective, bound, gap, engine.
    fairness
        What fairness gives and costs, where the study asks for it.
    trips
        Which trips between places can be made, where the study has any; their energy and worth
        are part of ``joint``.
    phases
        When what is built, where the study has phases; ``joint`` is then the last period, and
        ``solve`` speaks of all periods together.
    robust
        What else may come, where the plan was made for several futures; ``solve`` holds it to what
        the study's own world could have by itself.
    """

    case: SitingCase
    today: ServiceState
    unified: ServiceState
    joint: ServiceState
    solve: SolveResult
    fairness: FairResult | None = None
    trips: TripAnswer | None = None
    phases: PhasedPlan | None = None
    robust: RobustAnswer | None = None

    @cached_property
    def sites(self) -> pd.DataFrame:
        """The opened sites, one a row, largest energy first (ties by id)."""
        return compute_sites(self)

    @cached_property
    def waiting(self) -> PlanWaits:
        """The busiest hour of every opened site, played out: whether the promised wait is kept."""
        instance, sites = self.case.instance, self.sites
        energy = sites[[f"energy_{brand}_kwh_per_day" for brand in instance.brands]]
        promise, queues = read_queues(
            self.case.study.model_dump(mode="json"),
            wanted=instance.demand_kwh_per_day.sum(axis=0).tolist(),
            tier_of_site=dict(zip(sites["site_id"], sites["tier"], strict=True)),
            energy_of_site=dict(zip(sites["site_id"], energy.to_numpy().tolist(), strict=True)),
        )
        return simulate(promise, queues)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """What every brand gets and pays, one brand a row."""
        return compute_ledger(self)

    @cached_property
    def service_by_brand(self) -> pd.DataFrame:
        """Energy wanted and served by brand: today, with unified accounts, with the plan."""
        wanted = self.case.instance.demand_kwh_per_day.sum(axis=0)
        return _service_table(
            "brand",
            self.case.instance.brands,
            wanted,
            {name: state.evaluation.served_kwh_per_day.sum(axis=0) for name, state in self._states},
        )

    @cached_property
    def service_by_district(self) -> pd.DataFrame:
        """Energy wanted and served by district: today, with unified accounts, with the plan."""
        instance = self.case.instance
        index = np.where(
            instance.demand_district >= 0, instance.demand_district, len(instance.district_ids)
        )
        names = (*instance.district_ids, "")

        def by_district(kwh: FloatArray) -> FloatArray:
            total = np.bincount(index, weights=kwh.sum(axis=1), minlength=len(names))
            return total.astype(np.float64)

        table = _service_table(
            "district",
            names,
            by_district(instance.demand_kwh_per_day),
            {name: by_district(s.evaluation.served_kwh_per_day) for name, s in self._states},
        )
        return table[table["wanted_kwh_per_day"] > 0].reset_index(drop=True)

    def summary_lines(self) -> list[str]:
        """Return what the plan comes to and how sure that is, one fact a line."""
        evaluation, wanted = self.joint.evaluation, self.case.instance.demand_kwh_per_day.sum()
        budget_cny = self.case.instance.requirements.budget_cny
        lines = [
            (
                f"plan       {len(self.sites)} sites for {evaluation.cost_cny / 1e6:,.2f} of "
                f"{budget_cny / 1e6:,.2f} million CNY"
            ),
            "served     "
            + " → ".join(
                f"{state.evaluation.served_kwh_per_day.sum() / wanted:.1%} {words}"
                for words, (_, state) in zip(
                    ("today", "with unified accounts", "with the plan"), self._states, strict=True
                )
            ),
        ]
        if self.phases is None:
            proof = describe_proof(self.solve, gap_asked=self.case.study.solve.gap)
            lines.append(f"proof      {proof}")
        else:
            lines += self.phases.summary_lines()
        if self.fairness is not None:
            least, most = self.fairness.price_interval
            lines.append(
                f"fairness   every brand has at least {self.fairness.level.min():.1%} (at most "
                f"{self.fairness.level_most.min():.1%} can be had); it costs the alliance "
                f"{self.fairness.price:.2%} of its service (proven: {least:.2%} to {most:.2%})"
            )
        lines.append(f"waiting    {describe_waiting(self.waiting)}")
        if self.robust is not None:
            lines += self.robust.summary_lines()
        if self.trips is not None:
            wanted, today, joint = self.trips.by_brand().sum(numeric_only=True)
            lines.append(
                f"trips      {joint:,.0f} of {wanted:,.0f} cars a day make their trip there and "
                f"back ({today:,.0f} today)"
            )
        if self.case.study.illustrative_note is not None:
            lines.append(f"made data  {self.case.study.illustrative_note.en}")
        return lines

    def _repr_html_(self) -> str:
        """Return the plan's summary, service, sites and ledger, for a notebook."""
        tables = {"Service": self.service_by_brand, "Ledger": self.ledger, "Sites": self.sites}
        return show_tables(tables, lines=self.summary_lines())

    @property
    def _states(self) -> tuple[tuple[str, ServiceState], ...]:
        return (("today", self.today), ("unified", self.unified), ("joint", self.joint))


def describe_proof(solve: SolveResult, *, gap_asked: float) -> str:
    """Return the status in plain words; only a proof within the gap asked reads as one."""
    if solve.status is SolveStatus.OPTIMAL:
        return f"proven within {solve.gap:.2%} of the best possible plan ({gap_asked:.2%} asked)"
    return (
        f"NOT proven optimal: stopped at a limit, at most {solve.gap:.2%} below the best "
        f"possible plan ({gap_asked:.2%} asked)"
    )


def describe_waiting(waiting: PlanWaits) -> str:
    """Return in plain words what the simulation of the sites says of the promised wait."""
    told = waiting.describe()
    promise = f"at most {told['late_share']:.0%} wait over {told['max_wait_s'] / 60:g} minutes"
    broken, with_own = told["broken"], told["broken_with_own_cars"]
    line = (
        f"the promise ({promise}) is broken at {', '.join(broken)} when simulated"
        if broken
        else f"simulated at all sites, the promise holds: {promise}"
    )
    if with_own:
        line += f"; with the very cars sent there it does not at {', '.join(with_own)}"
    return line


def compute_sites(plan: SitingPlan) -> pd.DataFrame:
    """Return the opened sites of a plan, one a row, largest energy first (ties by id).

    Returns
    -------
    DataFrame
        ``site_id``, ``name``, ``kind``, ``district``, ``tier``, ``connectors``, ``power_kw``,
        ``cost_cny``, ``capacity_kwh_per_day``, ``energy_kwh_per_day``, ``utilisation``,
        ``mean_drive_min``, ``energy_<brand>_kwh_per_day``, ``longitude``, ``latitude``; with
        phases ``opens`` and ``grows`` before the last two, and of a plan for several futures
        ``n_chosen_alone`` (futures that would open it if they were known to come) and
        ``no_regret`` (all of them would).
    """
    case, instance, decision = plan.case, plan.case.instance, plan.joint.decision
    opened = np.flatnonzero(decision.tier_of_site != CLOSED)
    tier = decision.tier_of_site[opened]
    energy = plan.joint.evaluation.supplied_kwh_per_day[opened]
    total = energy.sum(axis=1)
    capacity = instance.tier_capacity_kwh_per_day[opened, tier]
    candidates = case.candidates.iloc[opened]
    district = instance.site_district[opened]
    connectors = np.array([t.connectors for t in case.study.tiers])
    columns: dict[str, object] = {
        "site_id": [instance.site_ids[j] for j in opened],
        "name": candidates["name"].to_numpy(),
        "kind": candidates["kind"].to_numpy(),
        "district": [instance.district_ids[d] if d >= 0 else "" for d in district],
        "tier": [instance.tiers[k] for k in tier],
        "connectors": connectors[tier],
        "power_kw": instance.tier_power_kw[opened, tier],
        "cost_cny": instance.tier_cost_cny[opened, tier],
        "capacity_kwh_per_day": capacity,
        "energy_kwh_per_day": total,
        "utilisation": np.divide(total, capacity, out=np.zeros_like(total), where=capacity > 0),
        "mean_drive_min": _mean_drive_min(instance, decision)[opened],
    }
    for b, brand in enumerate(instance.brands):
        columns[f"energy_{brand}_kwh_per_day"] = energy[:, b]
    if plan.phases is not None:
        columns["opens"] = [plan.phases.opens(int(j)) for j in opened]
        columns["grows"] = [plan.phases.grows(int(j)) for j in opened]
    if plan.robust is not None:
        chosen = plan.robust.n_chosen[opened]
        columns["n_chosen_alone"] = chosen
        columns["no_regret"] = chosen == plan.robust.result.worlds.n_world
    columns["longitude"] = candidates.geometry.x.to_numpy()
    columns["latitude"] = candidates.geometry.y.to_numpy()
    return (
        pd.DataFrame(columns)
        .sort_values(["energy_kwh_per_day", "site_id"], ascending=[False, True])
        .reset_index(drop=True)
    )


def compute_ledger(plan: SitingPlan) -> pd.DataFrame:
    """Return what every brand gets and pays, by the simple split: energy served at new sites.

    Returns
    -------
    DataFrame
        ``brand``, ``wanted_kwh_per_day``, ``today_kwh_per_day``, ``unified_kwh_per_day``,
        ``joint_kwh_per_day``, ``new_sites_kwh_per_day``, ``pays_cny``; the payments sum to the
        plan's cost to the fen.
    """
    instance = plan.case.instance
    from_new = plan.joint.evaluation.supplied_kwh_per_day[: instance.n_site].sum(axis=0)
    energy = [f"{what}_kwh_per_day" for what in ("wanted", "today", "unified", "joint")]
    table = plan.service_by_brand[["brand", *energy]].copy()
    table["new_sites_kwh_per_day"] = from_new
    table["pays_cny"] = split_to_the_fen(plan.joint.evaluation.cost_cny, from_new)
    return table


def split_to_the_fen(total_cny: float, weights: Sequence[float] | FloatArray) -> FloatArray:
    """Split an amount in proportion to weights so that the parts sum to it exactly, in fen.

    Parameters
    ----------
    total_cny
        The amount; it is rounded to the fen first.
    weights
        (n,) non-negative weights; equal parts if all are zero.

    Returns
    -------
    FloatArray
        (n,) parts in CNY, each a whole number of fen (largest remainder, ties by order).
    """
    weight = np.asarray(weights, dtype=np.float64)
    weight = weight if weight.sum() > 0 else np.ones_like(weight)
    fen = round_to_fen(split_in_proportion(total_cny, weight), total_cny=total_cny)
    return np.asarray(fen / FEN_PER_CNY, dtype=np.float64)


def _service_table(
    what: str, ids: Sequence[str], wanted: FloatArray, served: dict[str, FloatArray]
) -> pd.DataFrame:
    table = pd.DataFrame({what: list(ids), "wanted_kwh_per_day": wanted})
    for name, kwh in served.items():
        table[f"{name}_kwh_per_day"] = kwh
        table[f"{name}_share"] = np.divide(kwh, wanted, out=np.zeros_like(kwh), where=wanted > 0)
    return table


def _mean_drive_min(instance: SitingInstance, decision: Decision) -> FloatArray:
    """(n_supply,) energy-weighted mean drive of those who charge there; NaN where nobody does."""
    kwh = decision.flow_kwh_per_day.sum(axis=1)
    n = instance.n_supply
    energy = np.bincount(instance.cover_supply, weights=kwh, minlength=n)
    seconds = np.bincount(instance.cover_supply, weights=kwh * instance.cover_time_s, minlength=n)
    mean_s = np.divide(seconds, energy, out=np.full(n, np.nan), where=energy > 0)
    return np.asarray(mean_s / SECONDS_PER_MINUTE, dtype=np.float64)
