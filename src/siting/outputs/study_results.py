"""Tables of plans of one study, such as the frontier's, written so that a report can show them."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from siting import __version__
from siting.errors import Fault, InputError
from siting.outputs.manifest import render_manifest, study_without_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from siting.outputs.written_plan import WrittenPlan
    from siting.plan import SitingPlan

NOT_ASKED_BY = ("map", "solve", "title", "illustrative_note", "data_date")
"""Parts of a study that change no service: how hard to look, and how to show it."""


@dataclass(frozen=True, kw_only=True)
class StudyResults:
    """A table of a study's plans, and the figures that belong to all of its rows."""

    rows: list[dict[str, Any]]
    figures: dict[str, float]


def render_results(table: pd.DataFrame, plan: SitingPlan, *, figures: Mapping[str, float]) -> bytes:
    """Return a table as JSON, with what a report needs to know that it is of the same study.

    Parameters
    ----------
    table
        Numbers and texts, one row a plan; an empty number becomes null.
    plan
        A plan of the study.
    figures
        Figures beside the table.
    """
    rows = [{name: _finite(value) for name, value in row.items()} for row in list_rows(table)]
    return render_manifest(
        {
            "siting": __version__,
            "illustrative": plan.case.illustrative,
            "figures": dict(figures),
            "rows": rows,
            "inputs_sha256": dict(sorted(plan.case.input_sha256.items())),
            "study_as_read": study_without_folder(plan),
        }
    )


def list_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows by the names of its columns."""
    records = table.to_dict(orient="records")
    return [{str(name): value for name, value in row.items()} for row in records]


def read_results(path: Path, plan: WrittenPlan, *, command: str) -> StudyResults:
    """Read a table that was written for the same study and the same inputs as a plan.

    Raises
    ------
    InputError
        If the file is none, or of another study or other inputs.
    """
    remedy = f"run `siting {command}` again for the study of this plan"
    try:
        written = json.loads(path.read_bytes())
        results = StudyResults(
            rows=[
                {name: math.nan if value is None else value for name, value in row.items()}
                for row in written["rows"]
            ],
            figures={name: float(value) for name, value in written["figures"].items()},
        )
        inputs, study = written["inputs_sha256"], dict(written["study_as_read"])
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise InputError([Fault(file=str(path), what=what, remedy=remedy)]) from None
    except (AttributeError, KeyError, TypeError, ValueError):
        what = f"was not written by `siting {command}`"
        raise InputError([Fault(file=str(path), what=what, remedy=remedy)]) from None
    if inputs != plan.manifest["inputs_sha256"] or _asked(study) != _asked(plan.study):
        what = "was computed for another study, or from other inputs, than the plan"
        raise InputError([Fault(file=str(path), what=what, remedy=remedy)])
    return results


def _asked(study: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in study.items() if key not in NOT_ASKED_BY}


def _finite(value: Any) -> Any:  # noqa: ANN401 - any cell of a table
    if isinstance(value, str | bool):
        return value
    return None if pd.isna(value) or not math.isfinite(value) else value
