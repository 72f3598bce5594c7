"""The tables of a joint investment for spreadsheets, and the manifest of what they rest on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from siting import __version__
from siting.investment import compute_leaving
from siting.outputs.files import render_csv, sha256
from siting.outputs.site_list import build_records, round_by_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from siting.investment import JointInvestment, WhatIf

ALLIANCE_MANIFEST = "alliance.json"
WHAT_IF_NAME = "what_if.csv"


def render_tables(investment: JointInvestment, what_if: WhatIf | None = None) -> dict[str, bytes]:
    """Return the CSV files of a joint investment by name.

    Returns
    -------
    dict
        ``coalitions.csv``, ``shares.csv``, ``objections.csv``, ``ledger.csv``, ``brands.csv``,
        ``coverage.csv``, ``leaving.csv``, and ``what_if.csv`` if that was asked; each row says
        whether it rests on made data.
    """
    tables = {
        "coalitions.csv": investment.coalitions,
        "shares.csv": investment.shares,
        "objections.csv": investment.objections,
        "ledger.csv": investment.ledger,
        "brands.csv": investment.by_brand,
        "coverage.csv": investment.by_district,
        "leaving.csv": compute_leaving(investment),
    }
    if what_if is not None:
        tables[WHAT_IF_NAME] = what_if.table
    made = investment.plan.case.illustrative
    return {
        name: render_csv(round_by_unit(table).assign(illustrative=made))
        for name, table in tables.items()
    }


def render_alliance_manifest(investment: JointInvestment, *, files: Mapping[str, bytes]) -> bytes:
    """Return alliance.json: what was asked, what was split, how sure it is, and the files' hashes.

    The same inputs give the same bytes; a folder is complete when this file stands in it.
    """
    study, solve = investment.study, investment.plan.solve
    core = investment.least_core
    manifest: dict[str, Any] = {
        "siting": __version__,
        "study": study.name,
        "title": study.title.model_dump(),
        "illustrative": investment.plan.case.illustrative,
        "illustrative_note": None
        if study.illustrative_note is None
        else study.illustrative_note.model_dump(),
        "asked": study.alliance.model_dump(mode="json"),
        "joint_plan": {
            "status": solve.status.value,
            "gap": solve.gap,
            "cost_cny": round(investment.cost_cny, 2),
            "served_kwh_per_day": round(
                float(investment.plan.joint.evaluation.served_kwh_per_day.sum()), 3
            ),
        },
        "least_core": {
            "epsilon_cny": round(core.epsilon_cny, 2),
            "least_cny": round(core.lower_cny, 2),
            "most_cny": round(core.upper_cny, 2),
            "binding": ["+".join(names) for names in core.binding],
        },
        "loans": None
        if investment.loans is None
        else [
            {
                "lender": investment.brands[loan.lender],
                "borrower": investment.brands[loan.borrower],
                "cny": loan.fen / 100,
            }
            for loan in investment.loans
        ],
        "brands": build_records(round_by_unit(investment.by_brand)),
        "inputs_sha256": dict(sorted(investment.plan.case.input_sha256.items())),
        "files_sha256": {name: sha256(content) for name, content in sorted(files.items())},
    }
    return (json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()
