"""The promised wait, as it was simulated at every site: a table, and what the map shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from siting.outputs.files import render_csv
from siting.verify.claim import WAITING
from siting.verify.waiting import OWN

if TYPE_CHECKING:
    from siting.plan import SitingPlan


def render_waiting(plan: SitingPlan) -> dict[str, bytes]:
    """Return ``waiting.csv``: what was simulated at every site, in the site list's order."""
    rows = plan.waiting.rows()
    table = pd.DataFrame(rows, columns=list(rows[0]) if rows else ["site_id"])
    return {WAITING: render_csv(table.assign(illustrative=plan.case.illustrative))}


def describe_waits(plan: SitingPlan) -> dict[str, Any]:
    """Describe, for the map, who waits longer than promised at each site of the site list."""
    rows, told = plan.waiting.rows(), plan.waiting.describe()
    columns = ("late_share_mean", "late_share_least", "late_share_most", "kept")
    return {
        "confidence": told["confidence"],
        "runs": told["runs"],
        "cars_a_run": told["cars_a_run"],
        **{
            way: {column: [row[prefix + column] for row in rows] for column in columns}
            for way, prefix in (("promised", ""), ("own", OWN))
        },
    }
