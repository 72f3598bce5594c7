"""The reasons of a plan as tables, and as what the map and the report read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from siting.outputs.files import render_csv
from siting.outputs.units import name_columns
from siting.reasons import WhyNot

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from siting.domain import Facility
    from siting.reasons import Alternative, CandidateReason, Loss, PlanReasons, SiteReason

WHY_NAME, WHY_NOT_NAME, OTHERS_NAME = "reasons.csv", "why_not.csv", "alternatives.csv"
KWH_DIGITS, SHARE_DIGITS = 1, 6


def render_reasons_tables(reasons: PlanReasons, facility: Facility) -> dict[str, bytes]:
    """Return the reasons as CSV by file name: why each site, why not the others, other plans."""

    def render(table: pd.DataFrame) -> bytes:
        return render_csv(name_columns(table.round(3), facility))

    files = {
        WHY_NAME: render(reasons.site_table),
        WHY_NOT_NAME: render(reasons.candidate_table),
    }
    if reasons.alternatives:
        files[OTHERS_NAME] = render(reasons.alternative_table)
    return files


def describe_reasons(reasons: PlanReasons) -> dict[str, Any]:
    """Return the reasons as JSON: sites and candidates by id, energy in kWh a day.

    What is infinite (no plan is left, or none was found) is null, and so is a loss of which nothing
    is known; reasons are named by their keys.
    """
    return {
        "unproven_kwh_per_day": _kwh(reasons.known.unproven),
        "sites": {reason.site_id: _describe_site(reason) for reason in reasons.sites},
        "candidates": {
            reason.site_id: _describe_candidate(reason)
            for reason in reasons.candidates
            if reason.why is not WhyNot.LEFT_OUT  # these are on no map
        },
        "alternatives": [_describe_alternative(reasons, other) for other in reasons.alternatives],
        "loss_allowed": reasons.loss_allowed,
    }


def _describe_site(reason: SiteReason) -> dict[str, Any]:
    near = reason.next_best
    return {
        "loss": _describe_loss(reason.loss),
        "struck_out": _kwh(reason.struck_out_kwh_per_day),
        "only": _all_kwh(reason.only_kwh_per_day),
        "enters": list(reason.enters),
        "leaves": list(reason.leaves),
        "required": reason.required,
        "next": None
        if near is None
        else {
            "id": near.site_id,
            "tier": near.tier,
            "why": near.why_not.name.lower(),
            "loss": _kwh(near.loss_kwh_per_day),
        },
    }


def _describe_candidate(reason: CandidateReason) -> dict[str, Any]:
    return {
        "why": reason.why.name.lower(),
        "detail": reason.detail,
        "reach": _kwh(math.fsum(reason.reach_kwh_per_day)),
        "unserved": _kwh(math.fsum(reason.unserved_kwh_per_day)),
        "adds": _kwh(reason.adds_kwh_per_day),
        "tier": reason.tier,
        "cost_cny": reason.cost_cny,
        "too_close_to": list(reason.too_close_to),
        "forced": None
        if reason.loss is None
        else {
            "loss": _describe_loss(reason.loss),
            "tier": reason.forced_tier,
            "leaves": list(reason.leaves),
            "enters": list(reason.enters),
        },
    }


def _describe_alternative(reasons: PlanReasons, other: Alternative) -> dict[str, Any]:
    wanted = float(reasons.known.instance.demand_kwh_per_day.sum())
    served = other.evaluation.served_kwh_per_day.sum(axis=0)
    tier_of_site, instance = other.decision.tier_of_site, reasons.known.instance
    return {
        "cost_cny": round(other.evaluation.cost_cny, 2),
        "loss": _kwh(other.loss_kwh_per_day),
        "loss_share": round(other.loss_share, SHARE_DIGITS),
        "served_share": round(float(served.sum()) / wanted, SHARE_DIGITS) if wanted else 0.0,
        "served_by_brand": _all_kwh(served.tolist()),
        "difference": other.least_difference,
        "leaves": list(other.leaves),
        "enters": list(other.enters),
        "tiers": {
            site_id: instance.tiers[tier]
            for site_id, tier in zip(instance.site_ids, tier_of_site.tolist(), strict=True)
            if tier >= 0
        },
    }


def _describe_loss(loss: Loss) -> list[float | None] | None:
    return [_kwh(loss.least), _kwh(loss.most)] if loss.known else None


def _kwh(value: float) -> float | None:
    return round(value, KWH_DIGITS) if math.isfinite(value) else None


def _all_kwh(values: Sequence[float]) -> list[float | None]:
    return [_kwh(value) for value in values]
