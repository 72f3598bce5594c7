"""What a batch shows: a table for machines, and one page that links every map."""

from __future__ import annotations

from collections import Counter
from html import escape
from typing import TYPE_CHECKING

import pandas as pd

from siting.outputs.files import render_csv
from siting.storage import write_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from siting.batch.jobs import StudyJob
    from siting.batch.records import Figures, StudyRecord

TABLE_NAME, INDEX_NAME, TIMES_NAME = "batch.csv", "index.html", "batch.times.csv"
WAITING = "waiting"
FIGURE_DIGITS = 6
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = """\
:root { color-scheme: light; --ink: #1d2733; --soft: #5b6776; --line: #dde3ea; --bar: #0b6e99 }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); margin: 0 auto; padding: 24px;
  max-width: 1100px }
h1 { font-size: 24px; margin: 0 0 4px } p { color: var(--soft); margin: 0 0 20px }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th { text-align: left; font-weight: 600; color: var(--soft); white-space: nowrap }
th, td { padding: 7px 14px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
a { color: var(--bar) } .reason { color: var(--soft); font-size: 13px; overflow-wrap: anywhere }
.bar { display: block; height: 4px; width: 90px; background: var(--line); margin: 3px 0 0 auto }
.bar i { display: block; height: 100%; background: var(--bar) }
.made { border: 1px solid #9a6a00; color: #7a5400; border-radius: 3px; padding: 0 5px;
  font-size: 12px; white-space: nowrap }
"""


def write_tables(
    jobs: Sequence[StudyJob], records: Mapping[str, StudyRecord], folder: Path
) -> None:
    """Write the batch's table, its page, and what the studies took, each whole or not at all."""
    write_file(folder / TABLE_NAME, render_csv(build_table(jobs, records)))
    write_file(folder / INDEX_NAME, render_index(jobs, records).encode())
    write_file(folder / TIMES_NAME, render_csv(build_times(jobs, records)))


def build_table(jobs: Sequence[StudyJob], records: Mapping[str, StudyRecord]) -> pd.DataFrame:
    """Return one row a study: what became of it and what its plan comes to; no clock times."""
    rows = []
    for job in jobs:
        record = records.get(job.name)
        figures = None if record is None else record.figures
        rows.append(
            {
                "name": job.name,
                "study": job.study_path.name,
                "changes": "; ".join(f"{key}={value}" for key, value in job.changes),
                "outcome": WAITING if record is None else record.outcome.value,
                **_columns(figures),
                "reasons": "" if record is None else " | ".join(record.reasons),
            }
        )
    return pd.DataFrame(rows)


def build_times(jobs: Sequence[StudyJob], records: Mapping[str, StudyRecord]) -> pd.DataFrame:
    """Return what each study took, which no two runs share: seconds, memory, done before or not."""
    found = [records[job.name] for job in jobs if job.name in records]
    return pd.DataFrame(
        {
            "name": [record.name for record in found],
            "wall_s": [round(record.wall_s, 3) for record in found],
            "peak_mib": [round(record.peak_mib) for record in found],
            "reused": [record.reused for record in found],
        }
    )


def _columns(figures: Figures | None) -> dict[str, object]:
    if figures is None:
        return {}
    return {
        "status": figures.status,
        "gap": round(figures.gap, FIGURE_DIGITS),
        "objective_kwh_per_day": round(figures.objective_kwh_per_day, 3),
        "bound_kwh_per_day": round(figures.bound_kwh_per_day, 3),
        "n_sites": figures.n_sites,
        "cost_cny": round(figures.cost_cny, 2),
        "budget_cny": round(figures.budget_cny, 2),
        "share_today": round(figures.share_today, FIGURE_DIGITS),
        "share_unified": round(figures.share_unified, FIGURE_DIGITS),
        "share_planned": round(figures.share_planned, FIGURE_DIGITS),
        "illustrative": figures.illustrative,
    }


def render_index(jobs: Sequence[StudyJob], records: Mapping[str, StudyRecord]) -> str:
    """Return the page that links every map; names and reasons are escaped, nothing is fetched."""
    outcomes = Counter(
        records[job.name].outcome.value if job.name in records else WAITING for job in jobs
    )
    counted = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    rows = "\n".join(_row(job, records.get(job.name)) for job in jobs)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>siting: {len(jobs):,} studies</title>
<style>
{STYLE}</style>
</head>
<body>
<h1>{len(jobs):,} {"study" if len(jobs) == 1 else "studies"}</h1>
<p>{escape(counted)}. Shares are of the energy that drivers want from public charging.</p>
<div class="scroll">
<table>
<thead><tr><th>study</th><th>outcome</th><th class="number">today</th>
<th class="number">accounts unified</th><th class="number">with the plan</th>
<th class="number">sites</th><th class="number">cost, million CNY</th>
<th class="number">gap</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
</div>
</body>
</html>
"""


def _row(job: StudyJob, record: StudyRecord | None) -> str:
    name = escape(job.name)
    changes = "".join(f"<br>{escape(key)} = {escape(value)}" for key, value in job.changes)
    detail = f'<span class="reason">{changes}</span>' if changes else ""
    if record is None:
        return f'<tr><td>{name}{detail}</td><td>{WAITING}</td><td colspan="6"></td></tr>'
    figures = record.figures
    if figures is None:
        reasons = "<br>".join(escape(reason) for reason in record.reasons)
        return (
            f"<tr><td>{name}{detail}</td><td>{escape(record.outcome.value)}</td>"
            f'<td colspan="6" class="reason">{reasons}</td></tr>'
        )
    made = ' <span class="made">illustrative data</span>' if figures.illustrative else ""
    shares = (figures.share_today, figures.share_unified, figures.share_planned)
    return (
        f'<tr><td><a href="{name}/map.html">{name}</a>{made}{detail}</td>'
        f"<td>{'proven' if figures.status == 'optimal' else 'not proven'}</td>"
        + "".join(_share_cell(share) for share in shares)
        + f'<td class="number">{figures.n_sites:,}</td>'
        f'<td class="number">{figures.cost_cny / 1e6:,.2f}</td>'
        f'<td class="number">{figures.gap:.2%}</td></tr>'
    )


def _share_cell(share: float) -> str:
    bar = f'<span class="bar"><i style="width:{share:.1%}"></i></span>'
    return f'<td class="number">{share:.1%}{bar}</td>'
