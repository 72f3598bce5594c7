"""The reasons: why these sites, why not those, what else would do, and what to give up.

Everything is computed from a plan in hand and what is proven of it, and every figure that rests on
another solve is an interval.
"""

from siting.reasons.alternatives import Alternative, find_alternatives
from siting.reasons.candidates import CandidateReason, WhyNot
from siting.reasons.known import KnownPlan, know_claim, know_plan
from siting.reasons.plan_reasons import PlanReasons, explain, explain_plan, glance
from siting.reasons.sites import Loss, NextBest, NotInItsPlace, SiteReason

__all__ = [
    "Alternative",
    "CandidateReason",
    "KnownPlan",
    "Loss",
    "NextBest",
    "NotInItsPlace",
    "PlanReasons",
    "SiteReason",
    "WhyNot",
    "explain",
    "explain_plan",
    "find_alternatives",
    "glance",
    "know_claim",
    "know_plan",
]
