"""The report's part on several futures: what the plan serves in each, and which sites all want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siting.domain import RobustRule, SolveStatus
from siting.outputs.page import (
    PageLanguage,
    Phrases,
    escape,
    render_row,
    render_table,
    show_millions,
    show_percent,
)
from siting.outputs.report_parts import render_list, render_section
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from siting.outputs.written_plan import WrittenPlan


def render_futures(plan: WrittenPlan, language: PageLanguage) -> str:
    """Return what comes of the plan whichever future comes; nothing for a plan for one future."""
    robust = plan.manifest.get("robust")
    if robust is None:
        return ""
    words = Phrases.read("report_assets", "futures_texts.json", language=language)
    draws = robust["draws"]
    shares = {
        f"{kind}_{what}": show_percent(draws[f"{kind}_{what}"], 1)
        for kind in ("plain", "robust")
        for what in ("mean", "min")
    }
    n_here = sum(row["no_regret"] for row in plan.manifest["sites"])
    lead = [
        words.say(f"rule_{robust['rule']}"),
        words.say("draws", n=str(draws["n"]), better=str(draws["n_robust_better"]), **shares),
    ]
    content = (
        render_list(lead, css_class="dashed")
        + _render_futures(robust, words)
        + f'<p class="note">{words.say("futures_note")}</p>'
        + f"<h3>{words.say('rules_title')}</h3>{_render_rules(robust, words)}"
        + f'<p class="note">{words.say("rules_note")}</p>'
        + f"<h3>{words.say('sites_title', n=str(robust['n_no_regret']), k=str(n_here))}</h3>"
        + _render_sites(plan, robust, words)
    )
    return render_section(words.say("headline"), words.say("intro"), content, css_class="futures")


def _render_futures(robust: dict[str, Any], words: Phrases) -> str:
    """Return what the plans serve in every future, and what one made for it alone would."""
    keys = ("future", "weight", "plain", *(rule.value for rule in RobustRule), "best", "most")
    columns = [key for key in keys if f"{key}_share" in robust["futures"][0]]
    head = "".join(f"<th>{words.say(f'col_{key}')}</th>" for key in ("future", *columns))
    names = robust["future_names"]
    rows = [
        render_row(
            words.show(as_both(names[row["future"]]))
            if row["future"] in names
            else words.say("own"),
            [
                f"<b>{share}</b>" if key == robust["rule"] else share
                for key in columns
                for share in [show_percent(row[f"{key}_share"], 1)]
            ],
        )
        for row in robust["futures"]
    ]
    return render_table(f"<tr>{head}</tr>", rows)


def _render_rules(robust: dict[str, Any], words: Phrases) -> str:
    """Return every rule's value with its bound."""
    keys = ("rule", "value", "bound", "status", "sites", "cost")
    head = "".join(f"<th>{words.say(f'col_{key}')}</th>" for key in keys)
    rows = [
        render_row(
            words.say(f"name_{row['rule']}"),
            [
                show_percent(row["value"], 1),
                show_percent(row["bound"], 1),
                words.say("proven" if row["status"] == SolveStatus.OPTIMAL else "open"),
                str(row["n_sites"]),
                show_millions(row["cost_cny"]),
            ],
        )
        for row in robust["rules"]
    ]
    return render_table(f"<tr>{head}</tr>", rows)


def _render_sites(plan: WrittenPlan, robust: dict[str, Any], words: Phrases) -> str:
    """Return in how many futures each site of the plan would be opened, the most chosen first."""
    n = len(robust["futures"])
    sites = sorted(plan.manifest["sites"], key=lambda row: -row["n_chosen_alone"])
    head = "".join(f"<th>{words.say(f'col_{key}')}</th>" for key in ("site", "tier", "chosen"))
    rows = [
        render_row(
            escape(row["name"] or row["site_id"]),
            [
                words.show(plan.tiers[row["tier"]]),
                words.say(
                    "no_regret" if row["no_regret"] else "chosen",
                    k=str(row["n_chosen_alone"]),
                    n=str(n),
                ),
            ],
        )
        for row in sites
    ]
    return render_table(f"<tr>{head}</tr>", rows)
