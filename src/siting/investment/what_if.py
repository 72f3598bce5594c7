"""What if a brand leaves, one joins, or budgets change: the new bills, and the change of each.

A brand that leaves asks for no new solve: what those who stay can do is a coalition that is solved
already. Its drivers stay in the city and keep their part of third parties' stations. A brand of the
study that joins with its fleet starts where it would be had it left: outside, alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.alliance.games import leave_out
from siting.alliance.rules import Split, compute_splits
from siting.instance import evaluate
from siting.investment.build import require_movers
from siting.investment.joint import JointInvestment, gather_facts
from siting.study import SplitRule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.domain import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcome:
    """Who pays and gains what in one situation.

    Attributes
    ----------
    brands
        Ids of all brands, those outside the alliance too.
    members
        Indices of those who invest together.
    splits
        Bills of the members by every rule.
    alone_pays_cny
        (n_brand,) what each spends if it goes alone.
    served_kwh_per_day
        (n_brand,) energy served.
    cost_cny
        Cost of the members' sites.
    """

    brands: tuple[str, ...]
    members: tuple[int, ...]
    splits: tuple[Split, ...]
    alone_pays_cny: FloatArray
    served_kwh_per_day: FloatArray
    cost_cny: float

    def pays_cny(self, rule: SplitRule) -> FloatArray:
        """(n_brand,) bills; a brand outside pays for its own sites. NaN if the rule has none."""
        split = self._find(rule)
        bills = None if split is None else split.pays_cny
        return self._with_members(self.alone_pays_cny, bills)

    def gain_cny(self, rule: SplitRule) -> FloatArray:
        """(n_brand,) gains over going alone; 0 for a brand outside. NaN if the rule has none."""
        split = self._find(rule)
        gains = None if split is None else split.gain_cny
        return self._with_members(np.zeros(len(self.brands)), gains)

    def _find(self, rule: SplitRule) -> Split | None:
        return next((split for split in self.splits if split.rule is rule), None)

    def _with_members(self, outside: FloatArray, values: FloatArray | None) -> FloatArray:
        every = outside.copy()
        every[list(self.members)] = np.nan if values is None else values
        return every


@dataclass(frozen=True, kw_only=True, eq=False)
class WhatIf:
    """Two situations, and the change of every bill and gain from one to the other.

    Attributes
    ----------
    joined, left
        Ids of the brands that join, and that leave.
    budget_cny
        Budgets that change, by brand.
    before, after
        The situations.
    """

    joined: tuple[str, ...]
    left: tuple[str, ...]
    budget_cny: dict[str, float]
    before: Outcome
    after: Outcome

    @property
    def table(self) -> pd.DataFrame:
        """The change of every bill and gain, one brand and rule a row.

        Returns
        -------
        DataFrame
            ``rule``, ``brand``, ``takes_part``, ``then_takes_part``; ``pays_cny``,
            ``then_pays_cny``, ``change_of_pays_cny``; the same of ``gain`` (over going alone);
            ``served_kwh_per_day``, ``then_served_kwh_per_day``. A rule that gives no answer in one
            of the situations has no figures there.
        """
        rows = []
        known = {split.rule for split in (*self.before.splits, *self.after.splits)}
        for rule in (rule for rule in SplitRule if rule in known):
            pays, then_pays = self.before.pays_cny(rule), self.after.pays_cny(rule)
            gain, then_gain = self.before.gain_cny(rule), self.after.gain_cny(rule)
            rows += [
                {
                    "rule": rule.value,
                    "brand": brand,
                    "takes_part": b in self.before.members,
                    "then_takes_part": b in self.after.members,
                    "pays_cny": pays[b],
                    "then_pays_cny": then_pays[b],
                    "change_of_pays_cny": then_pays[b] - pays[b],
                    "gain_cny": gain[b],
                    "then_gain_cny": then_gain[b],
                    "change_of_gain_cny": then_gain[b] - gain[b],
                    "served_kwh_per_day": self.before.served_kwh_per_day[b],
                    "then_served_kwh_per_day": self.after.served_kwh_per_day[b],
                }
                for b, brand in enumerate(self.before.brands)
            ]
        return pd.DataFrame(rows)

    def summary_lines(self, rule: SplitRule) -> list[str]:
        """Return the change of every bill and gain by one rule, one brand a line."""
        what = [f"{brand} joins" for brand in self.joined]
        what += [f"{brand} leaves" for brand in self.left]
        what += [f"{brand} brings {cny / 1e6:,.2f}" for brand, cny in self.budget_cny.items()]
        table = self.table
        return [f"what if    {', '.join(what)} (million CNY)"] + [
            f"           {row['brand']} pays {row['pays_cny'] / 1e6:,.2f} → "
            f"{row['then_pays_cny'] / 1e6:,.2f}, gains {row['gain_cny'] / 1e6:,.2f} → "
            f"{row['then_gain_cny'] / 1e6:,.2f}"
            for row in table[table["rule"] == rule.value].to_dict(orient="records")
        ]


def compare(
    before: JointInvestment,
    after: JointInvestment | None = None,
    *,
    left: Sequence[str] = (),
    joined: Sequence[str] = (),
) -> WhatIf:
    """Compare a joint investment with another situation: the new bills, and the change of each.

    Parameters
    ----------
    before
        The investment as asked.
    after
        The investment with other budgets; the same if left out.
    left
        Ids of brands that leave it.
    joined
        Ids of brands of the study that stand outside before, each alone, and join the others.

    Raises
    ------
    StudyError
        If a brand does not exist, is to join and to leave, or nobody is left to invest.
    """
    require_movers(before.study, joined=joined, left=left)
    after = before if after is None else after
    old, new = before.study.brands, after.study.brands
    return WhatIf(
        joined=tuple(joined),
        left=tuple(left),
        budget_cny={
            brand.id: brand.budget_cny
            for was, brand in zip(old, new, strict=True)
            if brand.budget_cny is not None and brand.budget_cny != was.budget_cny
        },
        before=leave(before, joined) if joined else _joint_outcome(before),
        after=leave(after, left) if left else _joint_outcome(after),
    )


def leave(investment: JointInvestment, left: Sequence[str]) -> Outcome:
    """Return what comes of the others, and of those who leave, each alone.

    Those who stay carry out the best plan that is known for them.

    Raises
    ------
    StudyError
        If a brand does not exist, or nobody stays.
    """
    require_movers(investment.study, left=left)
    brands = investment.brands
    gone = [brands.index(brand) for brand in dict.fromkeys(left)]
    game = leave_out(investment.solved, gone).game
    members = tuple(b for b in range(len(brands)) if b not in gone)
    instance, decision = investment.carry_out(sum(1 << b for b in members))
    facts = gather_facts(investment.plan.case, instance, decision, game.kind, investment.valuation)
    served = _alone_served(investment)
    served[list(members)] = evaluate(instance, decision).served_kwh_per_day.sum(axis=0)
    return Outcome(
        brands=brands,
        members=members,
        splits=compute_splits(game, facts),
        alone_pays_cny=_alone_pays(investment),
        served_kwh_per_day=served,
        cost_cny=facts.cost_cny,
    )


def compute_leaving(investment: JointInvestment) -> pd.DataFrame:
    """Return what comes of every bill and gain if one brand leaves, by the study's rule.

    Returns
    -------
    DataFrame
        ``leaves``, ``brand``, ``then_pays_cny``, ``change_of_pays_cny``, ``then_gain_cny``,
        ``change_of_gain_cny``; no rows for a single brand.
    """
    brands = investment.brands
    tables = []
    for brand in brands if len(brands) > 1 else ():
        table = compare(investment, left=[brand]).table
        table = table[table["rule"] == investment.split.rule.value].assign(leaves=brand)
        tables.append(table)
    columns = [
        "leaves",
        "brand",
        "then_pays_cny",
        "change_of_pays_cny",
        "then_gain_cny",
        "change_of_gain_cny",
    ]
    if not tables:
        return pd.DataFrame(columns=columns)
    return pd.concat(tables)[columns].reset_index(drop=True)


def _joint_outcome(investment: JointInvestment) -> Outcome:
    joint = investment.plan.joint.evaluation
    return Outcome(
        brands=investment.brands,
        members=tuple(range(len(investment.brands))),
        splits=investment.splits,
        alone_pays_cny=_alone_pays(investment),
        served_kwh_per_day=joint.served_kwh_per_day.sum(axis=0),
        cost_cny=investment.cost_cny,
    )


def _alone_pays(investment: JointInvestment) -> FloatArray:
    n_brand = len(investment.brands)
    return np.array([investment.solved.plan_of(1 << b).cost_cny for b in range(n_brand)])


def _alone_served(investment: JointInvestment) -> FloatArray:
    n_brand = len(investment.brands)
    return np.array(
        [investment.solved.plan_of(1 << b).served_kwh_per_day[b] for b in range(n_brand)]
    )
