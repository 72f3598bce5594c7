"""The report's part on periods: what is built, spent and served when, and what myopia loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.domain import SolveStatus
from siting.outputs.page import (
    MISSING,
    PageLanguage,
    Phrases,
    escape,
    render_row,
    render_table,
    show_millions,
    show_number,
    show_percent,
)
from siting.outputs.report_parts import render_list, render_section
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from siting.outputs.written_plan import WrittenPlan

COLUMNS = ("years", "spent", "sites", "opened", "grown", "served", "most", "myopic")


def render_phases(plan: WrittenPlan, language: PageLanguage) -> str:
    """Return what is built when; nothing for a plan without periods."""
    phases = plan.manifest.get("phases")
    if phases is None:
        return ""
    words = Phrases.read("report_assets", "phases_texts.json", language=language)
    asked = {phase["id"]: phase for phase in plan.study["phases"]}
    rows = []
    for row in phases["periods"]:
        phase, myopic = asked[row["phase"]], row["myopic_share"]
        rows.append(
            render_row(
                words.show(as_both(phase["name"])),
                [
                    show_number(phase["years"], 1),
                    show_millions(row["spent_cny"]),
                    *(f"{row[f'n_{what}']:,}" for what in ("sites", "opened", "grown")),
                    show_percent(row["served_share"], 1),
                    show_percent(row["most_share"], 1),
                    MISSING if myopic is None else show_percent(myopic, 1),
                ],
            )
        )
    head = "".join(f"<th>{words.say(f'col_{name}')}</th>" for name in ("period", *COLUMNS))
    proven = phases["status"] == SolveStatus.OPTIMAL
    least, most = phases["myopic_loss_least"], phases["myopic_loss_most"]
    lead = [
        words.say("proven" if proven else "open", gap=show_percent(phases["gap"], 2)),
        words.say("myopic_none")
        if least is None
        else words.say("myopic", least=show_percent(least, 2), most=show_percent(most, 2)),
    ]
    content = (
        render_list(lead, css_class="dashed")
        + render_table(f"<tr>{head}</tr>", rows)
        + f'<p class="note">{words.say("note")}</p>'
        + f"<h3>{words.say('sites_title')}</h3>{_render_sites(plan, words)}"
    )
    return render_section(words.say("headline"), words.say("intro"), content, css_class="phases")


def _render_sites(plan: WrittenPlan, words: Phrases) -> str:
    """Return the sites in the order in which they open."""
    asked = plan.study["phases"]
    order = [phase["id"] for phase in asked]
    names = {phase["id"]: words.show(as_both(phase["name"])) for phase in asked}
    sites = sorted(plan.manifest["sites"], key=lambda row: order.index(row["opens"]))
    head = "".join(f"<th>{words.say(f'col_{name}')}</th>" for name in ("sites", "open", "grow"))
    rows = []
    for row in sites:
        grows = [part.split(": ") for part in row["grows"].split("; ") if part]
        told = [f"{names[phase]}: {words.show(plan.tiers[tier])}" for phase, tier in grows]
        label = escape(row["name"] or row["site_id"])
        rows.append(render_row(label, [names[row["opens"]], "; ".join(told)]))
    return render_table(f"<tr>{head}</tr>", rows)
