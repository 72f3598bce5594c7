"""The frontier: what every budget buys, as a table and as one page with a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from siting.domain import Facility, SolveStatus
from siting.instance import evaluate
from siting.outputs.files import render_csv
from siting.outputs.page import (
    MISSING,
    Both,
    PageLanguage,
    Phrases,
    escape,
    render_page,
    render_row,
    render_table,
    show_millions,
    show_percent,
)
from siting.outputs.report_parts import read_style, render_made_of, render_section, render_top
from siting.outputs.study_results import StudyResults, list_rows, render_results
from siting.plan import ServiceState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.instance import Decision
    from siting.plan import SitingPlan

WIDTH, HEIGHT = 960, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 16, 48
PLAN_COLOUR, BOUND_COLOUR, TODAY_COLOUR = "#c8400f", "#8a8892", "#0b6e6a"
NO_PLAN_COLOUR = "#5b5566"
OWN_RING = 'fill="none" stroke="#2a2630" stroke-width="2.5"'
TICKS = 5


NO_PLAN_WORDS = {
    SolveStatus.INFEASIBLE.value: "no_plan_exists",
    SolveStatus.NO_PLAN.value: "no_plan_found",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Frontier:
    """What several budgets buy.

    Attributes
    ----------
    plans
        A plan for each budget that has one; at least one.
    unplanned
        Budgets without a plan (CNY), and whether that is proven (``infeasible``) or none was found.
    gap
        The gap that every plan was sought to.
    """

    plans: tuple[SitingPlan, ...]
    unplanned: Mapping[float, SolveStatus] = field(default_factory=dict)
    gap: float


def keep_best_known(
    plans: Sequence[SitingPlan], *, gap: float, known: Decision | None = None
) -> tuple[SitingPlan, ...]:
    """Return for each budget the best plan in hand: its own, a cheaper budget's, or a known one.

    Parameters
    ----------
    plans
        Plans of one case, each under its own budget.
    gap
        The gap asked for.
    known
        Another plan of the case; it counts where a budget pays for it.

    Returns
    -------
    tuple
        In the given order. Each keeps its own bound, to which its gap and status are held anew.
    """
    kept: dict[int, SitingPlan] = {}
    cheaper: Decision | None = None
    for n in sorted(range(len(plans)), key=lambda n: _budget_of(plans[n])):
        others = [plan for plan in (cheaper, known) if plan is not None]
        kept[n] = _raise_to(plans[n], others, gap)
        cheaper = kept[n].joint.decision
    return tuple(kept[n] for n in range(len(plans)))


def _budget_of(plan: SitingPlan) -> float:
    return plan.case.instance.requirements.budget_cny


def _raise_to(plan: SitingPlan, others: Sequence[Decision], gap: float) -> SitingPlan:
    """Return a plan with the best of some decisions in its own one's place, if that is better."""
    instance = plan.case.instance
    states = [ServiceState(decision=d, evaluation=evaluate(instance, d)) for d in others]
    best, worth = plan.joint, plan.solve.objective
    for state in states:
        if state.evaluation.feasible and state.evaluation.objective_kwh_per_day > worth:
            best, worth = state, state.evaluation.objective_kwh_per_day
    held = plan.solve.hold_to(gap=gap, decision=best.decision, objective=worth)
    return replace(plan, joint=best, solve=held)


def build_frontier(frontier: Frontier) -> pd.DataFrame:
    """Return one row a budget, from the least: what it buys and how far that is proven.

    Returns
    -------
    DataFrame
        ``budget_cny``, ``cost_cny``, ``n_sites``, ``served_share``, ``objective_share``,
        ``bound_share`` (of the wanted service, weighted by worth), ``gap``, ``status``,
        ``engine``, ``share_per_million`` (what the last million bought, since the row before). A
        budget without a plan has its status alone.
    """
    rows: list[dict[str, Any]] = [_describe(plan) for plan in frontier.plans]
    rows += [
        {"budget_cny": budget_cny, "status": status.value}
        for budget_cny, status in frontier.unplanned.items()
    ]
    table = pd.DataFrame(rows).sort_values("budget_cny", ignore_index=True)
    table["n_sites"] = table["n_sites"].astype("Int64")
    more = table["budget_cny"].diff() / 1e6
    table["share_per_million"] = table["served_share"].diff() / more
    return table.round(
        {"cost_cny": 2, "gap": 6, "share_per_million": 6}
        | dict.fromkeys(("served_share", "objective_share", "bound_share"), 6)
    )


def _describe(plan: SitingPlan) -> dict[str, Any]:
    instance, evaluation = plan.case.instance, plan.joint.evaluation
    wanted = float(instance.demand_kwh_per_day.sum()) or math.nan
    return {
        "budget_cny": instance.requirements.budget_cny,
        "cost_cny": evaluation.cost_cny,
        "n_sites": len(plan.sites),
        "served_share": float(evaluation.served_kwh_per_day.sum()) / wanted,
        "objective_share": evaluation.objective_kwh_per_day / wanted,
        "bound_share": min(plan.solve.bound / wanted, 1.0),
        "gap": plan.solve.gap,
        "status": plan.solve.status.value,
        "engine": plan.solve.engine,
    }


def render_frontier_csv(frontier: Frontier) -> bytes:
    """Return the frontier as CSV."""
    table = build_frontier(frontier)
    table["illustrative"] = frontier.plans[0].case.illustrative
    return render_csv(table)


def render_frontier_json(frontier: Frontier) -> bytes:
    """Return the frontier as a report reads it."""
    return render_results(build_frontier(frontier), frontier.plans[0], figures=_figures(frontier))


def render_frontier(frontier: Frontier) -> bytes:
    """Return the frontier as one page in two languages, without a script."""
    case, words = frontier.plans[0].case, read_frontier_words(PageLanguage.BOTH)
    results = StudyResults(rows=list_rows(build_frontier(frontier)), figures=_figures(frontier))
    title = case.study.title
    centre = case.study.facility is Facility.SERVICE_CENTRE
    lead = "".join(f"<li>{line}</li>" for line in render_frontier_lead(results, words))
    body = (
        f"<header>{render_top(words, 'eyebrow')}"
        f"<h1>{words.say('headline_centre' if centre else 'headline')}</h1>"
        f'<p class="study">{words.show(Both(title.en, title.zh or title.en))}</p>'
        f'<ul class="lead">{lead}</ul>'
        f"{render_made_of(case, words)}</header>"
        + render_section(words.say("chart_title"), "", render_frontier_figure(results, words))
        + render_section(
            words.say("table_title"),
            words.say("table_note", gap=f"{100 * frontier.gap:g}"),
            render_frontier_table(results, words),
        )
    )
    return render_page(body, title=title.en, style=read_style())


def read_frontier_words(language: PageLanguage) -> Phrases:
    """Return the frontier's words."""
    return Phrases.read("report_assets", "frontier_texts.json", language=language)


def render_frontier_lead(results: StudyResults, words: Phrases) -> list[str]:
    """Return what more money buys, and with which budgets there is no plan, a sentence each."""
    planned = _planned(results.rows)
    first, last = planned[0], planned[-1]
    lines = [
        words.say(
            "lead",
            least=show_millions(first["budget_cny"]),
            most=show_millions(last["budget_cny"]),
            low=show_percent(first["served_share"], 1),
            high=show_percent(last["served_share"], 1),
        )
    ]
    for status, key in NO_PLAN_WORDS.items():
        without = [row["budget_cny"] for row in results.rows if row["status"] == status]
        if without:
            budgets = ", ".join(show_millions(budget_cny) for budget_cny in without)
            lines.append(words.say(f"lead_{key}", budgets=budgets))
    return lines


def _planned(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the rows of budgets with a plan."""
    return [row for row in rows if row["status"] not in NO_PLAN_WORDS]


def render_frontier_figure(
    results: StudyResults, words: Phrases, *, plan: tuple[float, float] | None = None
) -> str:
    """Return the chart with its key, and a plan's own budget and share of service in it."""
    keys = "".join(
        f"<li>{_key(colour)}{words.say(key)}</li>"
        for key, colour in (
            ("key_plan", PLAN_COLOUR),
            ("key_bound", BOUND_COLOUR),
            ("key_unified", TODAY_COLOUR),
        )
    )
    if plan is not None:
        ring = f'<circle cx="11" cy="11" r="7" {OWN_RING}/>'
        mark = f'<svg class="dot" viewBox="0 0 22 22" aria-hidden="true">{ring}</svg>'
        keys += f"<li>{mark}{words.say('key_own')}</li>"
    if len(_planned(results.rows)) < len(results.rows):
        mark = f'<svg class="dot" viewBox="0 0 22 22" aria-hidden="true">{_cross(11, 11)}</svg>'
        keys += f"<li>{mark}{words.say('key_no_plan')}</li>"
    chart = _render_chart(results.rows, unified=results.figures["unified_share"], own=plan)
    return (
        f'<figure><div class="sheet" tabindex="0">{chart}</div><ul class="legend">{keys}</ul>'
        f"<figcaption>{words.say('axes')}</figcaption></figure>"
    )


def render_frontier_table(results: StudyResults, words: Phrases) -> str:
    """Return the table, one row a budget."""
    head = "".join(f"<th>{words.say(f'col_{name}')}</th>" for name in COLUMNS)
    return render_table(f"<tr>{head}</tr>", [_table_row(row, words) for row in results.rows])


def _figures(frontier: Frontier) -> dict[str, float]:
    """Return the figures that belong to all budgets."""
    plan = frontier.plans[0]
    wanted = float(plan.case.instance.demand_kwh_per_day.sum()) or math.nan
    share = plan.unified.evaluation.objective_kwh_per_day / wanted
    return {"unified_share": share if math.isfinite(share) else 0.0}


COLUMNS = ("budget", "cost", "sites", "served", "bound", "gap", "more", "status")


def _table_row(row: Mapping[str, Any], words: Phrases) -> str:
    if row["status"] in NO_PLAN_WORDS:
        missing = [MISSING] * (len(COLUMNS) - 2)
        why = words.say(NO_PLAN_WORDS[row["status"]])
        return render_row(show_millions(row["budget_cny"]), [*missing, why])
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
            show_percent(more, 2) if math.isfinite(more) else MISSING,
            words.say(proven),
        ],
    )


def _key(colour: str) -> str:
    return (
        '<svg class="dot" viewBox="0 0 22 22" aria-hidden="true">'
        f'<rect x="2" y="9" width="18" height="4" fill="{colour}"/></svg>'
    )


def _render_chart(
    rows: Sequence[Mapping[str, Any]], *, unified: float, own: tuple[float, float] | None
) -> str:
    """Return the chart: what each budget serves, and what no plan for it can exceed."""
    budgets = [float(row["budget_cny"]) for row in rows]
    most_cny = max([*budgets, *([] if own is None else [own[0]])]) or 1.0
    inner_w, inner_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(budget_cny: float, share: float) -> str:
        x = LEFT + inner_w * budget_cny / most_cny
        return f"{x:.1f} {TOP + inner_h * (1.0 - min(max(share, 0.0), 1.0)):.1f}"

    plan, bound = (
        [(float(row["budget_cny"]), float(row[share])) for row in _planned(rows)]
        for share in ("objective_share", "bound_share")
    )
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
    for row in rows:
        if row["status"] in NO_PLAN_WORDS:
            dots += _cross(*(float(part) for part in at(float(row["budget_cny"]), 0.0).split()))
    own_x, own_y = ("", "") if own is None else at(*own).split()
    ring = f'<circle cx="{own_x}" cy="{own_y}" r="10" {OWN_RING}/>' if own is not None else ""
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
        f'<path d="M{line}" stroke="{PLAN_COLOUR}" stroke-width="3" fill="none"/>{dots}{ring}</svg>'
    )


def _cross(x: float, y: float) -> str:
    """Return a mark that stands for no plan."""
    return (
        f'<path d="M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10" stroke="{NO_PLAN_COLOUR}" '
        'stroke-width="2.5" fill="none"/>'
    )


def _label(x: float, y: float, text: str, *, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="13" fill="#5b5566" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )
