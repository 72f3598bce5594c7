"""Planning for several futures as tables: by rule, future and site, and on futures drawn anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.domain import SolveStatus
from siting.instance import CLOSED, evaluate, settle_flows
from siting.optimise.assignment import serve_drivers
from siting.optimise.limits import StopReason, compute_gap
from siting.optimise.solve import expect_plan
from siting.scenarios.evaluation import price_shares, try_plan
from siting.scenarios.worlds import FIGURES, change_world, draw_scenarios, find_third_party

if TYPE_CHECKING:
    from siting.case import SitingCase
    from siting.domain import IntArray, RobustRule
    from siting.instance import Decision
    from siting.optimise.result import SolveResult
    from siting.scenarios.solve import RobustResult


@dataclass(frozen=True, kw_only=True, eq=False)
class RobustAnswer:
    """A study's futures, the plans by every rule, and their check on futures drawn anew.

    Attributes
    ----------
    case
        The study's own world.
    result
        The plans.
    rule
        The rule that the study asks for.
    draws
        One row a drawn future: its figures, what the plain and the robust plan serve there, and
        the sites that its money does not suffice for.
    """

    case: SitingCase
    result: RobustResult
    rule: RobustRule
    draws: pd.DataFrame

    @cached_property
    def decision(self) -> Decision:
        """The plan by the study's rule, as it serves the study's own world."""
        instance = self.case.instance
        decision = serve_drivers(instance, self.result.plans[self.rule].tier_of_site)
        return settle_flows(instance, decision)

    def as_solve(self, *, gap_asked: float) -> SolveResult:
        """Return the plan as a solve of the study's own world, whose bound and prices hold for it.

        Parameters
        ----------
        gap_asked
            Within which it counts as proven there.
        """
        alone = self.result.alone[0]
        objective = evaluate(self.case.instance, self.decision).objective_kwh_per_day
        bound = max(alone.bound, objective)
        gap = compute_gap(objective, bound)
        proven = gap <= gap_asked
        return replace(
            alone,
            status=SolveStatus.OPTIMAL if proven else SolveStatus.FEASIBLE,
            decision=self.decision,
            objective=objective,
            bound=bound,
            gap=gap,
            stopped=StopReason.PROVEN if proven else StopReason.EXHAUSTED,
        )

    @cached_property
    def n_chosen(self) -> IntArray:
        """(n_site,) how many futures would open each site if they were known to come."""
        return np.asarray(self.result.chosen_alone.sum(axis=0), dtype=np.int32)

    @cached_property
    def sites(self) -> pd.DataFrame:
        """The sites of any plan, those that most futures choose first.

        Returns
        -------
        DataFrame
            ``site_id``, ``longitude``, ``latitude``, ``n_chosen_alone`` (futures that would open
            it if they were known to come), ``no_regret`` (all of them would), ``plain`` and a
            column a rule: the tier there, empty where it stays closed.
        """
        instance, chosen = self.case.instance, self.result.chosen_alone
        plain = self.result.alone[0].decision
        plans = {rule.value: plan.tier_of_site for rule, plan in self.result.plans.items()}
        if plain is not None:
            plans = {"plain": plain.tier_of_site, **plans}
        opened = np.logical_or.reduce([tier != CLOSED for tier in plans.values()])
        listed = np.flatnonzero(chosen.any(axis=0) | opened)
        where = self.case.candidates.geometry.iloc[listed]
        count = self.n_chosen[listed]
        names = np.array([*instance.tiers, ""], dtype=object)
        table = pd.DataFrame(
            {
                "site_id": [instance.site_ids[j] for j in listed],
                "longitude": where.x.to_numpy(),
                "latitude": where.y.to_numpy(),
                "n_chosen_alone": count,
                "no_regret": count == self.result.worlds.n_world,
                **{name: names[tier[listed]] for name, tier in plans.items()},
            }
        )
        return table.sort_values(
            ["n_chosen_alone", "site_id"], ascending=[False, True], ignore_index=True
        )

    @cached_property
    def futures(self) -> pd.DataFrame:
        """One row a future: weight, best known share, bounds, and what every plan serves.

        ``most_share`` bounds what a plan for this future can serve, ``payable_most_share`` what one
        that every future can pay can serve there.
        """
        result, worlds = self.result, self.result.worlds
        plain = expect_plan(result.alone[0])
        return pd.DataFrame(
            {
                "future": worlds.ids,
                "weight": worlds.weight,
                "best_share": result.best,
                "most_share": result.most,
                "payable_most_share": result.reach,
                "plain_share": price_shares(worlds.instances, plain.tier_of_site),
                **{f"{rule.value}_share": plan.shares for rule, plan in result.plans.items()},
            }
        )

    @cached_property
    def rules(self) -> pd.DataFrame:
        """One row a rule: value and bound in shares of the wanted energy, sites and cost."""
        instance = self.case.instance
        rows = []
        for rule, plan in self.result.plans.items():
            opened = np.flatnonzero(plan.tier_of_site != CLOSED)
            cost = instance.tier_cost_cny[opened, plan.tier_of_site[opened]].sum()
            rows.append(
                {
                    "rule": rule.value,
                    "status": plan.status.value,
                    "value": plan.value,
                    "bound": plan.bound,
                    "gap": plan.gap,
                    "n_sites": opened.size,
                    "cost_cny": cost,
                }
            )
        return pd.DataFrame(rows)

    def summary_lines(self) -> list[str]:
        """Return every rule's value, the no-regret sites, and the check on drawn futures."""
        lines = [
            f"{row['rule']:<10} {row['value']:.1%} (bound {row['bound']:.1%}, {row['status']}), "
            f"{row['n_sites']} sites for {row['cost_cny'] / 1e6:,.2f} million CNY"
            for row in self.rules.to_dict(orient="records")
        ]
        n_no_regret = int(self.sites["no_regret"].sum())
        lines.append(f"no regret  {n_no_regret} sites, which every future alone would open")
        plain, robust = self.draws["plain_share"], self.draws["robust_share"]
        lines.append(
            f"drawn anew {len(self.draws)} futures: by {self.rule} {robust.mean():.1%} served on "
            f"the mean, {robust.min():.1%} at worst; plain {plain.mean():.1%} and {plain.min():.1%}"
        )
        return lines


def check_on_draws(
    case: SitingCase, result: RobustResult, rule: RobustRule, *, n_draw: int, seed: int
) -> RobustAnswer:
    """Hold the plan by a rule and the plain plan to futures that neither has seen.

    Parameters
    ----------
    case
        The study's own world.
    result
        The plans; the plain one is that of the own world alone.
    rule
        Which robust plan.
    n_draw, seed
        How many futures are drawn, and from which seed.
    """
    study, instance = case.study, case.instance
    plain = expect_plan(result.alone[0])
    robust = result.plans[rule].tier_of_site
    third_party = find_third_party(case)
    rows = []
    for draw in draw_scenarios(study.scenarios, brands=instance.brands, n_draw=n_draw, seed=seed):
        world = change_world(instance, draw, study.access, third_party=third_party)
        before, after = try_plan(world, plain.tier_of_site), try_plan(world, robust)
        rows.append(
            {
                "draw": draw.id,
                **{name: getattr(draw, name) for name in FIGURES},
                **{f"demand_{b}": draw.demand_by_brand[b] for b in instance.brands},
                "plain_share": before.share,
                "robust_share": after.share,
                "plain_left_out": before.n_left_out,
                "robust_left_out": after.n_left_out,
            }
        )
    return RobustAnswer(case=case, result=result, rule=rule, draws=pd.DataFrame(rows))
