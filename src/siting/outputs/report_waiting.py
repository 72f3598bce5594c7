"""The report's part on waiting: whether the promise holds where it was simulated, car by car."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.outputs.page import (
    PageLanguage,
    Phrases,
    escape,
    render_row,
    render_table,
    show_percent,
)
from siting.outputs.report_parts import render_list, render_section

if TYPE_CHECKING:
    from siting.outputs.written_plan import WrittenPlan

MOST_LISTED = 10
WAYS = {"promised": "broken", "own": "broken_with_own_cars"}


def render_waits(plan: WrittenPlan, language: PageLanguage) -> str:
    """Return what the simulation says, and the sites with the longest waits."""
    waits, told, sites = plan.drawing["waits"], plan.manifest["waiting"], plan.manifest["sites"]
    if not sites:
        return ""
    words = Phrases.read("report_assets", "waiting_texts.json", language=language)
    names = {row["site_id"]: row["name"] or row["site_id"] for row in sites}
    lead = []
    for way, key in WAYS.items():
        broken = ", ".join(names[site] for site in told[key])
        most = show_percent(max(waits[way]["late_share_mean"]), 1)
        lead.append(words.say(f"{way}_{'broken' if broken else 'kept'}", sites=broken, most=most))
    late = waits["own"]["late_share_mean"]
    longest = sorted(range(len(sites)), key=lambda n: (-late[n], n))[:MOST_LISTED]
    rows = [
        render_row(
            escape(names[sites[n]["site_id"]]),
            [
                show_percent(sites[n]["utilisation"]),
                *(cell for way in WAYS for cell in _tell(waits[way], n, words)),
            ],
        )
        for n in longest
    ]
    keys = ("site", "use", "promised", "between", "own", "between")
    head = "".join(f"<th>{words.say(f'col_{key}')}</th>" for key in keys)
    intro = words.say(
        "intro",
        share=show_percent(told["late_share"]),
        wait=f"{told['max_wait_s'] / 60:g}",
        runs=f"{told['runs']:,}",
        cars=f"{told['cars_a_run']:,}",
    )
    note = words.say("note", confidence=show_percent(told["confidence"]), n=str(len(rows)))
    content = (
        render_list(lead, css_class="dashed")
        + render_table(f"<tr>{head}</tr>", rows)
        + f'<p class="note">{note}</p>'
    )
    return render_section(words.say("headline"), intro, content, css_class="waits")


def _tell(way: dict[str, list[float]], n: int, words: Phrases) -> list[str]:
    """Return the share of a site that waits too long, and its interval; marked where broken."""
    mean, least, most = (
        show_percent(way[f"late_share_{end}"][n], 1) for end in ("mean", "least", "most")
    )
    return [mean if way["kept"][n] else f"<b>{mean}</b> {words.say('mark')}", f"{least} – {most}"]
