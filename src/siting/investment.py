"""The joint investment: from a plan and its case to who gains what and who pays what.

Like the plan, it is frozen and holds plain tables, so a planner can look at any of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.alliance.coalitions import THIRD_PARTY, Alliance, build_coalition_instance
from siting.alliance.core import LeastCore, compute_least_core, verify_nucleolus
from siting.alliance.game import GameKind
from siting.alliance.games import (
    CoalitionPlan,
    PlanStore,
    SolvedGame,
    ask_for_gain,
    ask_for_target,
    solve_game,
)
from siting.alliance.ledger import Loan, arrange_loans, compute_reach, split_sites, sum_by_district
from siting.alliance.rules import JointFacts, Split, compute_splits
from siting.domain import FEN_PER_CNY, Accounts, FloatArray, LongArray, SolveStatus
from siting.errors import Fault, InfeasibleError, StudyError
from siting.instance import CLOSED, Decision, SitingInstance, evaluate
from siting.optimise.assignment import assign_drivers
from siting.optimise.solve import SolveOptions
from siting.optimise.value import Valuation
from siting.study import AllianceGame, SplitRule

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.case import SitingCase
    from siting.instance import Evaluation
    from siting.plan import SitingPlan
    from siting.study import Study

DAYS_PER_YEAR = 365
MILLION = 1e6


@dataclass(frozen=True, kw_only=True, eq=False)
class BrandState:
    """What drivers of every brand find in one state of the world.

    Attributes
    ----------
    served_kwh_per_day
        (n_demand, n_brand) energy served.
    reach_share, nearest_min
        (n_brand,) share of demand with a usable charger within the cutoff, and the mean drive to
        the nearest one (minutes).
    """

    served_kwh_per_day: FloatArray
    reach_share: FloatArray
    nearest_min: FloatArray


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
    solved
        The game of all coalitions, with their plans.
    splits
        The bill by every rule that gives one.
    """

    plan: SitingPlan
    alliance: Alliance
    valuation: Valuation
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


def change_alliance(study: Study, **changes: Any) -> Study:  # noqa: ANN401 - any key's value
    """Return a study whose joint investment is split in another way."""
    return study.model_copy(update={"alliance": study.alliance.model_copy(update=changes)})


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
    solved = solve_game(
        alliance,
        joint,
        ask_for_target(alliance, joint)
        if case.study.alliance.game is AllianceGame.TARGET
        else ask_for_gain(valuation),
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
        solved.game, _facts(case, alliance.instance, joint, solved.game.kind, valuation)
    )
    if case.study.alliance.rule not in {split.rule for split in splits}:
        raise InfeasibleError([_no_nucleolus()])
    return JointInvestment(
        plan=plan, alliance=alliance, valuation=valuation, solved=solved, splits=splits
    )


def build_alliance(case: SitingCase) -> Alliance:
    """Say what belongs to whom in a case.

    Raises
    ------
    StudyError
        If accounts are not unified, or a budget is missing that the game needs.
    """
    study = case.study
    faults = [
        Fault(
            file="study",
            column=f"brands[{index}].budget_cny",
            what=f"the budget of {brand.id} is missing",
            remedy="state what every brand can bring, or set `alliance.game: target`",
        )
        for index, brand in enumerate(study.brands)
        if brand.budget_cny is None and study.alliance.game is AllianceGame.BUDGET
    ]
    if study.accounts is not Accounts.UNIFIED:
        faults.append(
            Fault(
                file="study",
                column="accounts",
                value=study.accounts.value,
                what="a joint investment needs unified accounts",
                remedy="set `accounts: unified`",
            )
        )
    if faults:
        raise StudyError(faults)
    index = {brand: b for b, brand in enumerate(case.instance.brands)}
    owners = case.stations["owner_brand"]
    return Alliance(
        instance=case.instance,
        usable_alone=case.instance_today.usable,
        station_owner=np.array([index.get(owner, THIRD_PARTY) for owner in owners], dtype=np.int32),
        budget_cny=np.array([brand.budget_cny or 0.0 for brand in study.brands]),
    )


def build_valuation(study: Study) -> Valuation:
    """Return the worth of a kWh a day over the study's years, at today's value.

    w · 365 · Σ_{t=1..T} (1 + r)^-t  CNY per kWh a day, against the whole cost of the sites.
    """
    asked = study.alliance
    years = np.arange(1, asked.years + 1)
    annuity = float(((1.0 + asked.discount_rate) ** -years.astype(np.float64)).sum())
    return Valuation(
        service_cny_per_kwh_per_day=asked.worth_cny_per_kwh * DAYS_PER_YEAR * annuity,
        cost_weight=1.0,
    )


def compute_coalitions(investment: JointInvestment) -> pd.DataFrame:
    """Return every coalition's value with its bounds, one a row, the smallest first.

    Returns
    -------
    DataFrame
        ``coalition`` (ids joined by +), ``n_members``, ``value_cny``, ``lower_cny``, ``upper_cny``,
        ``gap``, ``status``, ``n_sites``, ``cost_cny``, ``served_kwh_per_day``. The last row is the
        joint plan, which is a fact: its interval is a point, its status that of its own solve.
    """
    solved, game = investment.solved, investment.solved.game
    order = sorted(range(1, game.grand + 1), key=lambda s: (s.bit_count(), s))
    rows = []
    for s in order:
        plan, value = solved.plan_of(s), float(game.value_cny[s])
        width = float(game.upper_cny[s] - game.lower_cny[s])
        status = plan.status if s != game.grand else investment.plan.solve.status
        rows.append(
            {
                "coalition": "+".join(game.names(s)),
                "n_members": s.bit_count(),
                "value_cny": value,
                "lower_cny": game.lower_cny[s],
                "upper_cny": game.upper_cny[s],
                "gap_share": width / abs(value) if value else 0.0,
                "status": status.value,
                "n_sites": int((plan.tier_of_site != CLOSED).sum()),
                "cost_cny": plan.cost_cny,
                "served_kwh_per_day": float(plan.served_kwh_per_day.sum()),
            }
        )
    return pd.DataFrame(rows)


def compute_shares(splits: Sequence[Split], brands: Sequence[str]) -> pd.DataFrame:
    """Return bill and gain of every brand by every rule, with bounds.

    Returns
    -------
    DataFrame
        ``rule``, ``brand``, ``pays_cny`` (exact to the fen), ``pays_least_cny``,
        ``pays_most_cny``, ``gain_cny`` (over going alone), ``gain_least_cny``, ``gain_most_cny``,
        ``nobody_objects``.
    """
    return pd.DataFrame(
        [
            {
                "rule": split.rule.value,
                "brand": brand,
                "pays_cny": split.pays_cny[b],
                "pays_least_cny": split.pays_interval.lower_cny[b],
                "pays_most_cny": split.pays_interval.upper_cny[b],
                "gain_cny": split.gain_cny[b],
                "gain_least_cny": split.gain_interval.lower_cny[b],
                "gain_most_cny": split.gain_interval.upper_cny[b],
                "nobody_objects": split.in_core,
            }
            for split in splits
            for b, brand in enumerate(brands)
        ]
    )


def compute_ledger_lines(investment: JointInvestment) -> pd.DataFrame:
    """Return the ledger by brand and by site, exact to the fen.

    At every site each brand pays for the energy that its drivers charge there; the settlement is
    what the rule asks beyond that, and sums to zero over the brands.

    Returns
    -------
    DataFrame
        ``brand``, ``line`` (site, settlement, bill), ``site_id``, ``energy_kwh_per_day``,
        ``pays_cny``. Of a brand the sites and the settlement sum to the bill; of a site the brands
        sum to its cost.
    """
    sites, by_site = investment.plan.sites, investment.site_bills_fen
    bill = investment.split.pays_fen
    settlement = bill - by_site.sum(axis=0)
    lines: list[dict[str, object]] = []
    for b, brand in enumerate(investment.brands):
        energy = sites[f"energy_{brand}_kwh_per_day"]
        lines += [
            _line(brand, "site", site_id, kwh, fen)
            for site_id, kwh, fen in zip(sites["site_id"], energy, by_site[:, b], strict=True)
        ]
        lines.append(_line(brand, "settlement", "", np.nan, settlement[b]))
        lines.append(_line(brand, "bill", "", float(energy.sum()), bill[b]))
    return pd.DataFrame(lines)


def _line(brand: str, line: str, site_id: str, kwh: float, fen: int) -> dict[str, object]:
    return {
        "brand": brand,
        "line": line,
        "site_id": site_id,
        "energy_kwh_per_day": kwh,
        "pays_cny": fen / FEN_PER_CNY,
    }


def compute_states(investment: JointInvestment) -> dict[str, BrandState]:
    """Return what drivers find: ``today``, ``unified``, ``alone``, ``joint``.

    ``today`` has separate accounts and no new site, ``unified`` the same with accounts unified,
    ``alone`` is each brand with what it would build by itself, ``joint`` the plan.
    """
    plan, alliance = investment.plan, investment.alliance
    instance = alliance.instance
    return {
        "today": _state(plan.case.instance_today, plan.today.decision, plan.today.evaluation),
        "unified": _state(instance, plan.unified.decision, plan.unified.evaluation),
        "alone": _alone(investment),
        "joint": _state(instance, plan.joint.decision, plan.joint.evaluation),
    }


def _state(instance: SitingInstance, decision: Decision, evaluation: Evaluation) -> BrandState:
    standing = np.concatenate((decision.opened, instance.station_capacity_kwh_per_day > 0))
    reach = compute_reach(instance, usable=instance.usable, standing=standing)
    return BrandState(
        served_kwh_per_day=evaluation.served_kwh_per_day,
        reach_share=reach.share,
        nearest_min=reach.nearest_min,
    )


def _alone(investment: JointInvestment) -> BrandState:
    """Put together what every brand's drivers find if it goes alone."""
    states = []
    for b in range(len(investment.brands)):
        instance, decision = _carry_out(investment, 1 << b)
        states.append(_state(instance, decision, evaluate(instance, decision)))
    return BrandState(
        served_kwh_per_day=np.hstack([state.served_kwh_per_day for state in states]),
        reach_share=np.concatenate([state.reach_share for state in states]),
        nearest_min=np.concatenate([state.nearest_min for state in states]),
    )


def _carry_out(investment: JointInvestment, coalition: int) -> tuple[SitingInstance, Decision]:
    """Return what a coalition faces, and who charges where under its plan."""
    instance = build_coalition_instance(investment.alliance, coalition, budget_cny=np.inf)
    tier = investment.solved.plan_of(coalition).tier_of_site
    decision = assign_drivers(instance, tier)
    if decision is None:
        raise AssertionError("a plan without floors can always be carried out")
    return instance, decision


def compute_by_brand(investment: JointInvestment) -> pd.DataFrame:
    """Return alone against together, one brand a row.

    Returns
    -------
    DataFrame
        ``brand``, ``wanted_kwh_per_day``; for each state (today, unified, alone, joint)
        ``<state>_kwh_per_day``, ``<state>_share``, ``<state>_reach_share``,
        ``<state>_nearest_min``; ``unified_worth_cny`` (of unified accounts alone);
        ``worth_cny`` (of the joint plan's service), ``alone_cost_cny`` (of its own sites, alone),
        ``pays_cny``, ``gain_cny`` (over going alone), ``budget_cny``, ``borrows_cny``,
        ``lends_cny``.
    """
    instance = investment.alliance.instance
    wanted = instance.demand_kwh_per_day.sum(axis=0)
    columns: dict[str, object] = {
        "brand": list(investment.brands),
        "wanted_kwh_per_day": wanted,
    }
    for name, state in investment.states.items():
        served = state.served_kwh_per_day.sum(axis=0)
        columns[f"{name}_kwh_per_day"] = served
        columns[f"{name}_share"] = _ratio(served, wanted)
        columns[f"{name}_reach_share"] = state.reach_share
        columns[f"{name}_nearest_min"] = state.nearest_min
    n_brand = len(investment.brands)
    borrows, lends = np.zeros(n_brand), np.zeros(n_brand)
    for loan in investment.loans or ():
        borrows[loan.borrower] += loan.fen / FEN_PER_CNY
        lends[loan.lender] += loan.fen / FEN_PER_CNY
    alone = [investment.solved.plan_of(1 << b).cost_cny for b in range(n_brand)]
    return pd.DataFrame(
        columns
        | {
            "unified_worth_cny": investment.unified_worth_cny,
            "worth_cny": investment.worth_cny,
            "alone_cost_cny": alone,
            "pays_cny": investment.split.pays_cny,
            "gain_cny": investment.split.gain_cny,
            "budget_cny": [
                np.nan if brand.budget_cny is None else brand.budget_cny
                for brand in investment.study.brands
            ],
            "borrows_cny": borrows,
            "lends_cny": lends,
        }
    )


def compute_by_district(investment: JointInvestment) -> pd.DataFrame:
    """Return coverage by brand and district: ``brand``, ``district``, wanted and shares."""
    instance = investment.alliance.instance
    wanted = sum_by_district(instance, instance.demand_kwh_per_day)
    served = {
        name: sum_by_district(instance, state.served_kwh_per_day)
        for name, state in investment.states.items()
    }
    names = (*instance.district_ids, "")
    return pd.DataFrame(
        [
            {"brand": brand, "district": names[d], "wanted_kwh_per_day": wanted[d, b]}
            | {f"{name}_share": kwh[d, b] / wanted[d, b] for name, kwh in served.items()}
            for b, brand in enumerate(investment.brands)
            for d in range(len(names))
            if wanted[d, b] > 0
        ]
    )


def _facts(
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


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


def _no_nucleolus() -> Fault:
    return Fault(
        file="study",
        column="alliance.rule",
        value=SplitRule.NUCLEOLUS.value,
        what="the brands have more alone than together, so the nucleolus does not exist",
        remedy="choose another rule, or ask whether they should invest together at all",
    )
