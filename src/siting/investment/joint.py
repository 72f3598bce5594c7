"""The joint investment of a plan's brands: the game, the bills under every rule, the ledger.

Like the plan, it is frozen and holds plain tables, so a planner can look at any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.alliance.coalitions import Alliance, build_coalition_instance
from siting.alliance.core import LeastCore, compute_least_core, verify_nucleolus
from siting.alliance.game import GameKind
from siting.alliance.games import (
    Ask,
    CoalitionPlan,
    PlanStore,
    SolvedGame,
    ask_for_gain,
    ask_for_target,
    solve_game,
)
from siting.alliance.ledger import Loan, arrange_loans, split_sites
from siting.alliance.rules import JointFacts, Split, compute_splits
from siting.domain import FEN_PER_CNY, FloatArray, LongArray, SolveStatus
from siting.errors import Fault, InfeasibleError
from siting.instance import Decision, SitingInstance, evaluate
from siting.investment.build import build_alliance, build_valuation
from siting.investment.tables import (
    BrandState,
    compute_by_brand,
    compute_by_district,
    compute_coalitions,
    compute_ledger_lines,
    compute_shares,
    compute_states,
)
from siting.optimise.assignment import assign_drivers
from siting.optimise.solve import SolveOptions
from siting.study import AllianceGame, SplitRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.case import SitingCase
    from siting.optimise.value import Valuation
    from siting.plan import SitingPlan
    from siting.study import Study

MILLION = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class JointInvestment:
    """A plan, the game of its brands, and the bill under every rule.

    Attributes
    ----------
    plan
        The joint plan.
    alliance
        Its instance, and what belongs to whom.
    valuation
        What a kWh a day of service is worth over the years that the study names, against cost.
    ask
        What every coalition was asked for.
    solved
        The game of all coalitions, with their plans.
    splits
        The bill by every rule that gives one.
    """

    plan: SitingPlan
    alliance: Alliance
    valuation: Valuation
    ask: Ask
    solved: SolvedGame
    splits: tuple[Split, ...]

    @property
    def study(self) -> Study:
        """The study."""
        return self.plan.case.study

    @property
    def brands(self) -> tuple[str, ...]:
        """Ids of the brands."""
        return self.alliance.instance.brands

    @property
    def cost_cny(self) -> float:
        """Cost of the joint plan."""
        return self.plan.joint.evaluation.cost_cny

    @property
    def worth_cny(self) -> FloatArray:
        """(n_brand,) worth of all service that the joint plan gives each brand's drivers."""
        return _worth_cny(self.alliance.instance, self.plan.joint.decision, self.valuation)

    @property
    def unified_worth_cny(self) -> FloatArray:
        """(n_brand,) what unified accounts alone are worth, with no new site built."""
        today = _worth_cny(self.alliance.instance, self.plan.today.decision, self.valuation)
        unified = _worth_cny(self.alliance.instance, self.plan.unified.decision, self.valuation)
        return unified - today

    @property
    def split(self) -> Split:
        """The bill by the rule that the study names."""
        return next(s for s in self.splits if s.rule is self.study.alliance.rule)

    def carry_out(self, coalition: int) -> tuple[SitingInstance, Decision]:
        """Return what a coalition faces, and who charges where under its plan."""
        instance = build_coalition_instance(
            self.alliance,
            coalition,
            budget_cny=np.inf,
            floor_by_brand=self.ask.floor_by_brand,
        )
        decision = assign_drivers(instance, self.solved.plan_of(coalition).tier_of_site)
        if decision is None:
            raise AssertionError("a coalition's plan can be carried out")
        return instance, decision

    @cached_property
    def least_core(self) -> LeastCore:
        """The smallest greatest objection, and who makes it."""
        return compute_least_core(self.solved.game)

    @cached_property
    def nucleolus_verified(self) -> bool:
        """Whether there is a nucleolus, and Kohlberg's criterion holds for it."""
        return any(
            split.rule is SplitRule.NUCLEOLUS
            and verify_nucleolus(self.solved.game, split.share_cny)
            for split in self.splits
        )

    @cached_property
    def loans(self) -> tuple[Loan, ...] | None:
        """Who lends to whom, by the study's rule; None where a brand's budget is not stated."""
        if any(brand.budget_cny is None for brand in self.study.brands):
            return None
        return arrange_loans(self.split.pays_fen, self.alliance.budget_cny)

    @cached_property
    def coalitions(self) -> pd.DataFrame:
        """Every coalition's value with its bounds, one a row, the smallest first."""
        return compute_coalitions(self)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Bill and gain of every brand by every rule, with bounds."""
        return compute_shares(self.splits, self.brands)

    @cached_property
    def objections(self) -> pd.DataFrame:
        """Who would object to which rule, and by how much."""
        return pd.DataFrame(
            [
                {
                    "rule": split.rule.value,
                    "coalition": "+".join(objection.coalition),
                    "gains_by_leaving_cny": objection.excess_cny,
                    "least_cny": objection.least_cny,
                    "most_cny": objection.most_cny,
                }
                for split in self.splits
                for objection in split.objections
            ],
            columns=["rule", "coalition", "gains_by_leaving_cny", "least_cny", "most_cny"],
        )

    @cached_property
    def site_bills_fen(self) -> LongArray:
        """(n_opened, n_brand) each site's cost by the energy charged there, in the plan's order."""
        sites = self.plan.sites
        energy = sites[[f"energy_{brand}_kwh_per_day" for brand in self.brands]].to_numpy(float)
        return split_sites(sites["cost_cny"].to_numpy(float), energy)

    @cached_property
    def ledger(self) -> pd.DataFrame:
        """What every brand pays at every site, what it settles with the others, and its bill."""
        return compute_ledger_lines(self)

    @cached_property
    def states(self) -> dict[str, BrandState]:
        """What drivers find today, with accounts unified, alone with new sites, and jointly."""
        return compute_states(self)

    @cached_property
    def by_brand(self) -> pd.DataFrame:
        """Alone against together, one brand a row."""
        return compute_by_brand(self)

    @cached_property
    def by_district(self) -> pd.DataFrame:
        """Coverage by brand and district in every state."""
        return compute_by_district(self)

    def summary_lines(self) -> list[str]:
        """Return what the split comes to and how sure that is, one fact a line."""
        names = [brand.name for brand in self.study.brands]
        game, gap_asked = self.solved.game, self.study.solve.gap
        proven = sum(plan.status is SolveStatus.OPTIMAL for plan in self.solved.plans[:-1])
        lines = [
            f"plan       {self.cost_cny / MILLION:,.2f} million CNY together",
            f"coalitions {game.grand - 1}, {proven} of them proven within {gap_asked:.2%}",
            f"unified    {_listed(names, self.unified_worth_cny)} (million CNY, no new site)",
            f"bill       {_listed(names, self.split.pays_cny)} (million CNY)",
            f"gain       {_listed(names, self.split.gain_cny)} (million CNY, over going alone)",
            f"rule       {self.split.rule.value}",
            self._describe_core(),
            self._describe_objections(),
        ]
        lines += [
            f"loan       {names[loan.lender]} lends {names[loan.borrower]} "
            f"{loan.fen / FEN_PER_CNY / MILLION:,.2f} million CNY: its bill is over its budget"
            for loan in self.loans or ()
        ]
        if self.study.illustrative_note is not None:
            lines.append(f"made data  {self.study.illustrative_note.en}")
        return lines

    def _describe_core(self) -> str:
        core = self.least_core
        if core.upper_cny <= 0:
            return "core       some splits leave nobody better off alone"
        if core.lower_cny > 0:
            least = core.lower_cny / MILLION
            return f"core       empty: whatever the split, somebody gains {least:,.2f} by leaving"
        return "core       not decided: the coalitions' values are not known well enough"

    def _describe_objections(self) -> str:
        if not self.split.objections:
            return "objections none: no coalition has a better plan of its own in hand"
        first = self.split.objections[0]
        return (
            f"objections {len(self.split.objections)}, the strongest by "
            f"{'+'.join(first.coalition)}: {first.excess_cny / MILLION:,.2f} million CNY"
        )


def solve_investment(
    plan: SitingPlan,
    *,
    store: PlanStore | None = None,
    on_solved: Callable[[CoalitionPlan], None] | None = None,
    n_worker: int = 1,
) -> JointInvestment:
    """Solve what every coalition could do instead of a plan, and split the plan's cost.

    Parameters
    ----------
    plan
        The joint plan.
    store
        Where finished coalitions are kept by fingerprint.
    on_solved
        Told of every coalition as it comes.
    n_worker
        Processes to solve in; a script that asks for more than one needs the usual
        ``if __name__ == "__main__"``.

    Raises
    ------
    StudyError
        If the study does not say what the game needs.
    InfeasibleError
        If a coalition cannot reach the target alone, or the study's rule has no answer.
    """
    case = plan.case
    asked = case.study.solve
    alliance, valuation = build_alliance(case), build_valuation(case.study)
    joint = plan.joint.decision
    is_target = case.study.alliance.game is AllianceGame.TARGET
    ask = ask_for_target(alliance, joint) if is_target else ask_for_gain(valuation)
    solved = solve_game(
        alliance,
        joint,
        ask,
        options=SolveOptions(
            gap=asked.gap,
            time_limit_s=asked.time_limit_s,
            seed=asked.seed,
            engine=asked.engine,
            n_threads=1,
        ),
        store=store,
        on_solved=on_solved,
        n_worker=n_worker,
    )
    splits = compute_splits(
        solved.game, gather_facts(case, alliance.instance, joint, solved.game.kind, valuation)
    )
    if case.study.alliance.rule not in {split.rule for split in splits}:
        raise InfeasibleError([_no_nucleolus()])
    return JointInvestment(
        plan=plan,
        alliance=alliance,
        valuation=valuation,
        ask=ask,
        solved=solved,
        splits=splits,
    )


def gather_facts(
    case: SitingCase,
    instance: SitingInstance,
    decision: Decision,
    kind: GameKind,
    valuation: Valuation,
) -> JointFacts:
    """Return what is known of a plan by brand; the instance may hold some of the brands only."""
    evaluation = evaluate(instance, decision)
    opened = np.flatnonzero(decision.opened)
    site_cost = instance.tier_cost_cny[opened, decision.tier_of_site[opened]]
    return JointFacts(
        # What the sites' own bills sum to: each is a whole number of fen.
        cost_cny=float(np.round(site_cost * FEN_PER_CNY).sum() / FEN_PER_CNY),
        worth_cny=_worth_cny(instance, decision, valuation)
        if kind is GameKind.SURPLUS
        else np.zeros(instance.n_brand),
        vehicles=np.array([case.demand[f"vehicles_{b}"].sum() for b in instance.brands]),
        new_energy_kwh_per_day=evaluation.supplied_kwh_per_day[: instance.n_site].sum(axis=0),
    )


def _worth_cny(instance: SitingInstance, decision: Decision, valuation: Valuation) -> FloatArray:
    """(n_brand,) worth of the service that a decision gives each brand's drivers."""
    weighted = instance.cover_worth @ decision.flow_kwh_per_day
    return np.asarray(valuation.service_cny_per_kwh_per_day * weighted, dtype=np.float64)


def _listed(names: Sequence[str], amounts_cny: FloatArray) -> str:
    return ", ".join(
        f"{name} {cny / MILLION:,.2f}" for name, cny in zip(names, amounts_cny, strict=True)
    )


def _no_nucleolus() -> Fault:
    return Fault(
        file="study",
        column="alliance.rule",
        value=SplitRule.NUCLEOLUS.value,
        what="the brands have more alone than together, so the nucleolus does not exist",
        remedy="choose another rule, or ask whether they should invest together at all",
    )
