"""A plan over several periods as tables: what opens and grows when, what is spent and served."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.instance import CLOSED
from siting.phases.evaluation import PhasedEvaluation, evaluate_phases

if TYPE_CHECKING:
    from siting.domain import IntArray
    from siting.phases.instance import PhasedInstance
    from siting.phases.solve import PhasedResult


@dataclass(frozen=True, kw_only=True, eq=False)
class PhasedPlan:
    """What was asked of several periods, and what was found."""

    phased: PhasedInstance
    result: PhasedResult

    @cached_property
    def evaluation(self) -> PhasedEvaluation:
        """The plan, recomputed without a solver."""
        return evaluate_phases(self.phased, self.result.decisions)

    @cached_property
    def tiers(self) -> IntArray:
        """(n_period, n_site) what stands in each period; ``CLOSED`` before a site opens."""
        return np.stack([decision.tier_of_site for decision in self.result.decisions])

    def opens(self, site: int) -> str:
        """Return the id of the period in which a site of the plan opens."""
        return self.phased.ids[int(np.argmax(self.tiers[:, site] != CLOSED))]

    def grows(self, site: int) -> str:
        """Return when a site grows, and to which tier: ``2028: flagship``; empty if never."""
        tiers, names = self.tiers[:, site], self.phased.periods[0].tiers
        return "; ".join(
            f"{self.phased.ids[t]}: {names[tiers[t]]}"
            for t in range(1, self.phased.n_period)
            if tiers[t - 1] not in {CLOSED, tiers[t]}
        )

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a period.

        Returns
        -------
        DataFrame
            ``phase``, ``budget_cny`` (all money by then), ``spent_cny`` (in the period),
            ``n_sites``, ``n_opened``, ``n_grown``, ``wanted_kwh_per_day``,
            ``served_kwh_per_day``, ``served_share``, ``most_share`` (no plan serves more in that
            period, whatever it does in the others), and ``myopic_share``, what deciding period by
            period serves; empty where that ends without a plan.
        """
        result, evaluation = self.result, self.evaluation
        rows = []
        for t, period in enumerate(self.phased.periods):
            now = self.tiers[t]
            before = self.tiers[t - 1] if t else np.full_like(now, CLOSED)
            wanted = float(period.demand_kwh_per_day.sum())
            served = float(evaluation.periods[t].served_kwh_per_day.sum())
            decided = t < len(result.myopic)
            myopic = float(result.myopic[t].flow_kwh_per_day.sum()) if decided else np.nan
            per_wanted = 1.0 / wanted if wanted else 0.0
            rows.append(
                {
                    "phase": self.phased.ids[t],
                    "budget_cny": period.requirements.budget_cny,
                    "spent_cny": evaluation.spent_cny[t],
                    "n_sites": int((now != CLOSED).sum()),
                    "n_opened": int(((now != CLOSED) & (before == CLOSED)).sum()),
                    "n_grown": int(((before != CLOSED) & (now != before)).sum()),
                    "wanted_kwh_per_day": wanted,
                    "served_kwh_per_day": served,
                    "served_share": served * per_wanted,
                    "most_share": min(1.0, max(result.alone[t].bound, served) * per_wanted),
                    "myopic_share": myopic * per_wanted,
                }
            )
        return pd.DataFrame(rows)

    def summary_lines(self) -> list[str]:
        """Return what is built and served when, and what deciding one by one would lose."""
        lines = [
            f"{row['phase']:<10} {row['n_sites']} sites ({row['n_opened']} open, {row['n_grown']} "
            f"grow) for {row['spent_cny'] / 1e6:,.2f} million CNY more; "
            f"{row['served_share']:.1%} served"
            for row in self.table.to_dict(orient="records")
        ]
        lines.append(
            f"all years  at most {self.result.gap:.2%} below the best possible plan over all "
            f"periods ({self.result.stopped.value})"
        )
        least, most = self.result.myopic_loss
        lines.append(
            "one by one deciding each period by itself ends where the requirements cannot be met"
            if np.isnan(least)
            else f"one by one deciding each period by itself serves {least:.2%} less than this "
            f"plan, at most {most:.2%} less than the best possible"
        )
        return lines
