"""The report's parts on other budgets and on figures that are off, where they were computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.outputs.frontier import (
    read_frontier_words,
    render_frontier_figure,
    render_frontier_lead,
    render_frontier_table,
)
from siting.outputs.report_parts import render_list, render_section
from siting.outputs.sensitivity import (
    read_sensitivity_words,
    render_sensitivity_figure,
    render_sensitivity_lead,
    render_sensitivity_table,
)

if TYPE_CHECKING:
    from siting.domain import Facility
    from siting.outputs.page import PageLanguage
    from siting.outputs.study_results import StudyResults
    from siting.outputs.written_plan import WrittenPlan


def render_budgets(frontier: StudyResults, plan: WrittenPlan, language: PageLanguage) -> str:
    """Return what every budget buys: a sentence, the chart with the plan in it, the table."""
    words = read_frontier_words(language)
    budget_cny, wanted = plan.manifest.get("budget_cny"), plan.served["wanted"]
    own = None
    if budget_cny is not None and wanted:
        own = (float(budget_cny), plan.read(plan.solve, "objective_kwh_per_day") / wanted)
    figure = render_frontier_figure(frontier, words, plan=own)
    content = figure + render_frontier_table(frontier, words)
    lead = " ".join(render_frontier_lead(frontier, words))
    return render_section(words.say("headline"), lead, content, css_class="budgets")


def render_doubts(sensitivity: StudyResults, language: PageLanguage, facility: Facility) -> str:
    """Return what comes of figures that are off; the table holds the largest changes alone."""
    words = read_sensitivity_words(language)
    largest = max(abs(row["change"]) for row in sensitivity.rows)
    rows = [row for row in sensitivity.rows if abs(row["change"]) == largest]
    content = (
        render_list(render_sensitivity_lead(sensitivity, words), css_class="dashed")
        + render_sensitivity_figure(sensitivity, words)
        + render_sensitivity_table(rows, words, facility)
        + f'<p class="note">{words.say("table_note")}</p>'
    )
    return render_section(
        words.say("headline"), words.say("chart_intro"), content, css_class="doubts"
    )
