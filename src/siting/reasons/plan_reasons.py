"""All reasons of a plan, in one value that a notebook, a report and a map can show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.errors import Fault, StudyError
from siting.notebook import show_tables
from siting.reasons.alternatives import Alternative, find_alternatives
from siting.reasons.candidates import CandidateReason, WhyNot, explain_candidates
from siting.reasons.known import KnownPlan, know_plan
from siting.reasons.sites import SiteReason, explain_sites

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from siting.plan import SitingPlan

LOSS_ALLOWED = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanReasons:
    """Why a plan is as it is.

    Attributes
    ----------
    known
        The plan that is explained.
    sites
        Why each proposed site, in the instance's order.
    candidates
        Why not each candidate that was not chosen, in the instance's order.
    alternatives
        Other plans that serve nearly as much, where they were asked for.
    loss_allowed
        Share of the plan's service that an alternative may serve less.
    """

    known: KnownPlan
    sites: tuple[SiteReason, ...]
    candidates: tuple[CandidateReason, ...]
    alternatives: tuple[Alternative, ...] = ()
    loss_allowed: float = 0.0

    @cached_property
    def site_table(self) -> pd.DataFrame:
        """One row a proposed site, the greatest loss first.

        Returns
        -------
        DataFrame
            ``site_id``, ``tier``, ``cost_cny``, ``energy_kwh_per_day``, ``required``;
            ``loss_least_kwh_per_day`` and ``loss_most_kwh_per_day`` if it is forbidden and the
            rest re-optimised (infinite where no plan is left, or none was found; empty where that
            was not computed);
            ``struck_out_kwh_per_day``; ``only_here_kwh_per_day`` and ``only_here_<brand>…``;
            ``next_best``, ``next_best_tier``, ``next_best_loss_kwh_per_day``,
            ``why_not_next_best``; ``enters``, ``leaves`` (ids set apart by spaces).
        """
        rows = [self._describe_site(reason) for reason in self.sites]
        table = pd.DataFrame(rows)
        if table.empty:
            return table
        order = ["loss_most_kwh_per_day", "site_id"]
        return table.sort_values(order, ascending=[False, True], ignore_index=True)

    @cached_property
    def candidate_table(self) -> pd.DataFrame:
        """One row a candidate that was not chosen, what would add most first.

        Returns
        -------
        DataFrame
            ``site_id``, ``why_not``, ``detail``, ``reach_kwh_per_day``, ``unserved_kwh_per_day``,
            ``adds_kwh_per_day``, ``tier``, ``cost_cny``, ``adds_kwh_per_day_per_million_cny``,
            ``too_close_to``; where it was forced in ``loss_least_kwh_per_day``,
            ``loss_most_kwh_per_day``, ``forced_tier``, ``enters``, ``leaves``.
        """
        table = pd.DataFrame([_describe_candidate(reason) for reason in self.candidates])
        if table.empty:
            return table
        order = ["adds_kwh_per_day", "site_id"]
        return table.sort_values(order, ascending=[False, True], ignore_index=True)

    @cached_property
    def alternative_table(self) -> pd.DataFrame:
        """One row an alternative, in the order in which they were found.

        Returns
        -------
        DataFrame
            ``alternative`` (from 1), ``n_sites``, ``cost_cny``, ``objective_kwh_per_day``,
            ``loss_kwh_per_day``, ``loss_share``, ``least_difference`` (sites by which it differs
            at least from the plan and those before it), ``served_<brand>_kwh_per_day``,
            ``leaves``, ``enters`` (ids set apart by spaces).
        """
        return pd.DataFrame(
            [self._describe_alternative(n, a) for n, a in enumerate(self.alternatives, 1)]
        )

    def summary_lines(self) -> list[str]:
        """Return what the reasons come to, one fact a line."""
        return [
            f"sites      {self._tally_sites()}",
            *(f"candidates {n} not chosen: {why}" for why, n in self.count_why_not().items()),
            *(
                f"other plan {len(a.enters)} other sites, {abs(a.loss_share):.2%} "
                f"{'less' if a.loss_share >= 0 else 'more'} served"
                for a in self.alternatives
            ),
        ]

    def _tally_sites(self) -> str:
        known = [reason.loss for reason in self.sites if reason.loss.known]
        if not known:
            return f"{len(self.sites)} proposed"
        n_proven = sum(loss.proven for loss in known)
        n_none = sum(loss.most <= 0.0 for loss in known)
        return (
            f"{len(known)} proposed: {n_proven} whose loss is proven; "
            f"{len(known) - n_proven - n_none} whose loss is not, for the plan itself may be "
            f"{self.known.unproven:,.0f} from the best; {n_none} that another plan does as well "
            "without"
        )

    def count_why_not(self) -> dict[str, int]:
        """Return how many candidates were not chosen for each main reason, most first."""
        counts = pd.Series([reason.why.value for reason in self.candidates], dtype="str")
        return {str(why): int(n) for why, n in counts.value_counts(sort=True).items()}

    def _repr_html_(self) -> str:
        tables = {
            "Why these sites": self.site_table,
            "Why not the others": self.candidate_table,
            "Other plans": self.alternative_table,
        }
        return show_tables(tables, lines=self.summary_lines())

    def _describe_alternative(self, number: int, alternative: Alternative) -> dict[str, Any]:
        evaluation = alternative.evaluation
        served = evaluation.served_kwh_per_day.sum(axis=0)
        by_brand = dict(zip(self.known.instance.brands, served.tolist(), strict=True))
        return {
            "alternative": number,
            "n_sites": int(alternative.decision.opened.sum()),
            "cost_cny": evaluation.cost_cny,
            "objective_kwh_per_day": evaluation.objective_kwh_per_day,
            "loss_kwh_per_day": alternative.loss_kwh_per_day,
            "loss_share": alternative.loss_share,
            "least_difference": alternative.least_difference,
            **{f"served_{brand}_kwh_per_day": kwh for brand, kwh in by_brand.items()},
            "leaves": " ".join(alternative.leaves),
            "enters": " ".join(alternative.enters),
        }

    def _describe_site(self, reason: SiteReason) -> dict[str, Any]:
        near = reason.next_best
        brands = self.known.instance.brands
        by_brand = dict(zip(brands, reason.only_kwh_per_day, strict=True))
        return {
            "site_id": reason.site_id,
            "tier": reason.tier,
            "cost_cny": reason.cost_cny,
            "energy_kwh_per_day": reason.energy_kwh_per_day,
            "required": reason.required,
            "loss_least_kwh_per_day": reason.loss.least if reason.loss.known else np.nan,
            "loss_most_kwh_per_day": reason.loss.most if reason.loss.known else np.nan,
            "struck_out_kwh_per_day": reason.struck_out_kwh_per_day,
            "only_here_kwh_per_day": sum(reason.only_kwh_per_day),
            **{f"only_here_{brand}_kwh_per_day": kwh for brand, kwh in by_brand.items()},
            "next_best": "" if near is None else near.site_id,
            "next_best_tier": (near and near.tier) or "",
            "next_best_loss_kwh_per_day": np.nan if near is None else near.loss_kwh_per_day,
            "why_not_next_best": "" if near is None else near.why_not.value,
            "enters": " ".join(reason.enters),
            "leaves": " ".join(reason.leaves),
        }


def explain_plan(
    plan: SitingPlan,
    *,
    asked: Iterable[str] = (),
    n_alternative: int = 0,
    loss: float = LOSS_ALLOWED,
    on_site: Callable[[str], None] | None = None,
) -> PlanReasons:
    """Say why a plan is as it is: every proposed site, every candidate not chosen, what else.

    Parameters
    ----------
    plan
        A finished plan.
    asked, n_alternative, loss, on_site
        As in :func:`explain`.

    Raises
    ------
    StudyError
        If an id is no candidate of the study.
    """
    out = plan.case.excluded_candidates
    left_out = tuple(
        CandidateReason(site_id=str(site_id), why=WhyNot.LEFT_OUT, detail=str(reason))
        for site_id, reason in zip(out["site_id"], out["reason"], strict=True)
    )
    reasons = explain(
        know_plan(plan),
        asked=asked,
        n_alternative=n_alternative,
        loss=loss,
        on_site=on_site,
        left_out=[reason.site_id for reason in left_out],
    )
    return replace(reasons, candidates=reasons.candidates + left_out)


def glance(known: KnownPlan) -> PlanReasons:
    """Say of a plan what single changes tell, which takes no solve: no loss is known by it.

    What is lost if a site is struck out and nothing else is built, whom it alone reaches, which
    site came next and why not, and why not each other candidate.

    Parameters
    ----------
    known
        The plan in hand.
    """
    sites = explain_sites(known, known.opened.tolist(), is_rebuilt=False)
    return PlanReasons(known=known, sites=sites, candidates=explain_candidates(known))


def explain(
    known: KnownPlan,
    *,
    asked: Iterable[str] = (),
    n_alternative: int = 0,
    loss: float = LOSS_ALLOWED,
    on_site: Callable[[str], None] | None = None,
    left_out: Collection[str] = (),
) -> PlanReasons:
    """Say why a plan is as it is, from its instance alone.

    Parameters
    ----------
    known
        The plan in hand.
    asked
        Ids of candidates not chosen that are to be forced in, the rest re-optimised.
    n_alternative, loss
        How many other plans to look for, and what share of the service they may serve less.
    on_site
        Told of each site's id as its re-optimisation is done.
    left_out
        Ids that may be asked about as well, though the instance does not know them.

    Raises
    ------
    StudyError
        If an id is no candidate.
    """
    asked_sites = _find_asked(known, asked, left_out)
    return PlanReasons(
        known=known,
        sites=explain_sites(known, known.opened.tolist(), on_site=on_site),
        candidates=explain_candidates(known, asked=asked_sites, on_site=on_site),
        alternatives=find_alternatives(known, n_most=n_alternative, loss=loss)
        if n_alternative
        else (),
        loss_allowed=loss,
    )


def _find_asked(known: KnownPlan, asked: Iterable[str], left_out: Collection[str]) -> set[int]:
    """Return the indices of candidates by id; those left out before solving have none."""
    index = {site_id: j for j, site_id in enumerate(known.instance.site_ids)}
    wanted = list(asked)
    faults = [
        Fault(
            column="--site",
            value=site_id[:80],
            what="is no candidate of this plan",
            remedy="name the id of a candidate as the map shows it; those left out before "
            "solving are known where the study is named, not the folder",
        )
        for site_id in wanted
        if site_id not in index and site_id not in left_out
    ]
    if faults:
        raise StudyError(faults)
    return {index[site_id] for site_id in wanted if site_id in index}


def _describe_candidate(reason: CandidateReason) -> dict[str, Any]:
    loss = reason.loss
    return {
        "site_id": reason.site_id,
        "why_not": reason.why.value,
        "detail": reason.detail,
        "reach_kwh_per_day": sum(reason.reach_kwh_per_day),
        "unserved_kwh_per_day": sum(reason.unserved_kwh_per_day),
        "adds_kwh_per_day": reason.adds_kwh_per_day,
        "tier": reason.tier or "",
        "cost_cny": reason.cost_cny,
        "adds_per_million_cny_kwh_per_day": reason.adds_per_million_cny,
        "too_close_to": " ".join(reason.too_close_to),
        "loss_least_kwh_per_day": np.nan if loss is None else loss.least,
        "loss_most_kwh_per_day": np.nan if loss is None else loss.most,
        "forced_tier": reason.forced_tier or "",
        "enters": " ".join(reason.enters),
        "leaves": " ".join(reason.leaves),
    }
