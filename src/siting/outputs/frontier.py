"""The frontier: what every budget buys, as a table and as one page with a chart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from siting.domain import Facility
from siting.outputs.files import render_csv
from siting.outputs.page import (
    Both,
    Phrases,
    escape,
    render_page,
    render_row,
    render_table,
    show_millions,
    show_percent,
)
from siting.outputs.report_parts import read_style, render_section, render_top

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from siting.plan import SitingPlan

WIDTH, HEIGHT = 960, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 16, 48
PLAN_COLOUR, BOUND_COLOUR, TODAY_COLOUR = "#c8400f", "#8a8892", "#0b6e6a"
TICKS = 5


def build_frontier(plans: Sequence[SitingPlan]) -> pd.DataFrame:
    """Return one row a budget, from the least: what it buys and how far that is proven.

    Returns
    -------
    DataFrame
        ``budget_cny``, ``cost_cny``, ``n_sites``, ``served_share``, ``objective_share``,
        ``bound_share`` (of the wanted service, weighted by worth), ``gap``, ``status``,
        ``engine``, ``share_per_million`` (what the last million bought, since the row before).
    """
    rows = []
    for plan in plans:
        instance = plan.case.instance
        wanted = float(instance.demand_kwh_per_day.sum()) or math.nan
        rows.append(
            {
                "budget_cny": instance.requirements.budget_cny,
                "cost_cny": plan.joint.evaluation.cost_cny,
                "n_sites": len(plan.sites),
                "served_share": float(plan.joint.evaluation.served_kwh_per_day.sum()) / wanted,
                "objective_share": plan.joint.evaluation.objective_kwh_per_day / wanted,
                "bound_share": min(plan.solve.bound / wanted, 1.0),
                "gap": plan.solve.gap,
                "status": plan.solve.status.value,
                "engine": plan.solve.engine,
            }
        )
    table = pd.DataFrame(rows).sort_values("budget_cny", ignore_index=True)
    more = table["budget_cny"].diff() / 1e6
    table["share_per_million"] = table["served_share"].diff() / more
    return table.round(
        {"cost_cny": 2, "gap": 6, "share_per_million": 6}
        | dict.fromkeys(("served_share", "objective_share", "bound_share"), 6)
    )


def render_frontier_csv(plans: Sequence[SitingPlan]) -> bytes:
    """Return the frontier as CSV."""
    table = build_frontier(plans)
    table["illustrative"] = plans[0].case.illustrative
    return render_csv(table)


def render_frontier(plans: Sequence[SitingPlan]) -> bytes:
    """Return the frontier as one page in two languages, without a script."""
    case, words = plans[0].case, Phrases.read("report_assets", "frontier_texts.json")
    table = build_frontier(plans)
    wanted = float(case.instance.demand_kwh_per_day.sum()) or math.nan
    unified = plans[0].unified.evaluation.objective_kwh_per_day / wanted
    title, note = case.study.title, case.study.illustrative_note
    centre = case.study.facility is Facility.SERVICE_CENTRE
    note_text = "" if note is None else words.show(Both(note.en, note.zh or note.en))
    made = (
        f'<div class="made"><b>{words.say("illustrative")}</b>'
        f"<span>{note_text or words.say('illustrative_plain')}</span></div>"
        if case.illustrative
        else ""
    )
    lead = words.say(
        "lead",
        least=show_millions(table["budget_cny"].iloc[0]),
        most=show_millions(table["budget_cny"].iloc[-1]),
        low=show_percent(table["served_share"].iloc[0], 1),
        high=show_percent(table["served_share"].iloc[-1], 1),
    )
    keys = "".join(
        f"<li>{_key(colour)}{words.say(key)}</li>"
        for key, colour in (
            ("key_plan", PLAN_COLOUR),
            ("key_bound", BOUND_COLOUR),
            ("key_unified", TODAY_COLOUR),
        )
    )
    chart = _render_chart(table, unified=unified)
    head = "".join(f"<th>{words.say(f'col_{name}')}</th>" for name in COLUMNS)
    rows = [_table_row(row, words) for row in table.to_dict(orient="records")]
    body = (
        f"<header>{render_top(words, 'eyebrow')}"
        f"<h1>{words.say('headline_centre' if centre else 'headline')}</h1>"
        f'<p class="study">{words.show(Both(title.en, title.zh or title.en))}</p>'
        f'<ul class="lead"><li>{lead}</li></ul>{made}</header>'
        + render_section(
            words.say("chart_title"),
            "",
            f'<figure><div class="sheet">{chart}</div><ul class="legend">{keys}</ul>'
            f"<figcaption>{words.say('axes')}</figcaption></figure>",
        )
        + render_section(
            words.say("table_title"),
            words.say("table_note"),
            render_table(f"<tr>{head}</tr>", rows),
        )
    )
    return render_page(body, title=title.en, style=read_style())


COLUMNS = ("budget", "cost", "sites", "served", "bound", "gap", "more", "status")


def _table_row(row: Mapping[Hashable, Any], words: Phrases) -> str:
    more = row["share_per_million"]
    proven = "proven" if row["status"] == "optimal" else "not_proven"
    return render_row(
        show_millions(row["budget_cny"]),
        [
            show_millions(row["cost_cny"]),
            f"{row['n_sites']:,}",
            show_percent(row["served_share"], 1),
            show_percent(row["bound_share"], 1),
            show_percent(row["gap"], 2),
            show_percent(more, 2) if math.isfinite(more) else "–",
            words.say(proven),
        ],
    )


def _key(colour: str) -> str:
    return (
        '<svg class="dot" viewBox="0 0 22 22" aria-hidden="true">'
        f'<rect x="2" y="9" width="18" height="4" fill="{colour}"/></svg>'
    )


def _render_chart(table: pd.DataFrame, *, unified: float) -> str:
    """Return the chart: what each budget serves, and what no plan for it can exceed."""
    most_cny = float(table["budget_cny"].max()) or 1.0
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(budget_cny: float, share: float) -> str:
        x = LEFT + inner_w * budget_cny / most_cny
        return f"{x:.1f} {TOP + inner_h * (1.0 - min(max(share, 0.0), 1.0)):.1f}"

    budgets = table["budget_cny"].tolist()
    plan = list(zip(budgets, table["objective_share"].tolist(), strict=True))
    bound = list(zip(budgets, table["bound_share"].tolist(), strict=True))
    grid = []
    for k in range(TICKS + 1):
        share = k / TICKS
        y = TOP + inner_h * (1.0 - share)
        grid.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#e4ded2"/>')
        grid.append(_label(LEFT - 10, y + 4, f"{100 * share:.0f}%", anchor="end"))
        x = LEFT + inner_w * share
        grid.append(_label(x, HEIGHT - 18, f"{most_cny * share / 1e6:,.4g}", anchor="middle"))
    band = " L".join(at(*point) for point in [*plan, *reversed(bound)])
    dots = "".join(
        f'<circle cx="{at(*point).split()[0]}" cy="{at(*point).split()[1]}" r="5" '
        f'fill="{PLAN_COLOUR}"/>'
        for point in plan
    )
    line = " L".join(at(*point) for point in plan)
    edge = " L".join(at(*point) for point in bound)
    level = f"M{at(0.0, unified)} L{at(most_cny, unified)}"
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="budget, million '
        f'CNY, and share served">{"".join(grid)}'
        f'<path d="M{band}Z" fill="{BOUND_COLOUR}" fill-opacity=".18"/>'
        f'<path d="{level}" stroke="{TODAY_COLOUR}" stroke-width="2" stroke-dasharray="6 5" '
        'fill="none"/>'
        f'<path d="M{edge}" stroke="{BOUND_COLOUR}" stroke-width="1.5" fill="none"/>'
        f'<path d="M{line}" stroke="{PLAN_COLOUR}" stroke-width="3" fill="none"/>{dots}</svg>'
    )


def _label(x: float, y: float, text: str, *, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="#5b5566" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
