"""A plan for several futures as files: by rule, by future, by site, and on futures drawn anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siting.outputs.files import render_csv
from siting.outputs.map_values import as_number, as_text
from siting.outputs.site_list import build_records
from siting.scenarios.worlds import OWN

if TYPE_CHECKING:
    import pandas as pd

    from siting.plan import SitingPlan
    from siting.scenarios.plan import RobustAnswer

TABLES = ("rules", "futures", "sites", "draws")
SHARE_DIGITS = 6


def render_robust(plan: SitingPlan) -> dict[str, bytes]:
    """Return ``robust_<table>.csv`` by name; none where the plan was made for one future."""
    answer = plan.robust
    if answer is None:
        return {}
    return {
        f"robust_{name}.csv": render_csv(
            _round(getattr(answer, name)).assign(illustrative=plan.case.illustrative)
        )
        for name in TABLES
    }


def describe_robust(answer: RobustAnswer) -> dict[str, Any]:
    """Return what the manifest, the map and the report say of a plan for several futures."""
    study, draws = answer.case.study, answer.draws
    names = {scenario.id: as_text(scenario.name) for scenario in study.scenarios}
    return {
        "rule": answer.rule.value,
        "rules": build_records(_round(answer.rules)),
        "futures": build_records(_round(answer.futures)),
        "future_names": {name: names.get(name) for name in answer.result.worlds.ids if name != OWN},
        "n_no_regret": int(answer.sites["no_regret"].sum()),
        "draws": {
            "n": len(draws),
            **{
                f"{plan}_{what}": as_number(getattr(draws[f"{plan}_share"], what)(), SHARE_DIGITS)
                for plan in ("plain", "robust")
                for what in ("mean", "min")
            },
            "n_robust_better": int((draws["robust_share"] > draws["plain_share"]).sum()),
        },
    }


def describe_robust_map(plan: SitingPlan) -> dict[str, Any] | None:
    """Return what the map shows: the same, and how often each site of the site list is chosen."""
    if plan.robust is None:
        return None
    return describe_robust(plan.robust) | {
        "n_chosen_alone": plan.sites["n_chosen_alone"].tolist(),
        "no_regret": plan.sites["no_regret"].tolist(),
    }


def _round(table: pd.DataFrame) -> pd.DataFrame:
    return table.round(SHARE_DIGITS)
