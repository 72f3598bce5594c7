"""The report's last page: how sure the plan is, how it was found, its limits, what it rests on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from siting.outputs.page import (
    Both,
    Phrases,
    escape,
    read_asset,
    render_row,
    render_table,
    show_number,
    show_percent,
)
from siting.outputs.report_parts import (
    render_list,
    render_section,
    show_at_most,
    show_gap,
    show_gap_asked,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.outputs.written_plan import WrittenPlan
    from siting.verify import Check

HASH_DIGITS = 16


def render_how_sure(plan: WrittenPlan, words: Phrases, checks: Sequence[Check]) -> str:
    """Return the certificate in plain words."""
    solve = plan.solve
    objective, bound = (plan.read(solve, f"{k}_kwh_per_day") for k in ("objective", "bound"))
    lines = [
        words.say(
            "sure_status_proven" if plan.proven else "sure_status_open",
            objective=show_number(objective, 0),
            bound=show_number(bound, 0),
            gap=show_gap(plan),
            asked=show_gap_asked(plan),
        )
    ]
    if plan.certified:
        proven = plan.read(solve, "bound_by_duality_kwh_per_day")
        by_prices = show_at_most((proven - objective) / objective if objective else 0.0)
        lines.append(words.say("sure_prices", bound=show_number(proven, 0), gap=by_prices))
        lines.append(
            words.say("sure_branching", gap=show_gap(plan), engine=str(solve["engine"]))
            if bound < proven
            else words.say("sure_no_branching")
        )
    else:
        lines.append(words.say("sure_no_certificate", engine=str(solve["engine"])))
    keys = [f"check_{check.name}" for check in checks]
    if plan.certified:
        keys = ["check_bound" if key == "check_proof" else key for key in keys]
    held = "".join(f"<li>✓ {words.say(key)}</li>" for key in keys)
    body = "".join(f"<p>{line}</p>" for line in lines)
    return render_section(
        words.say("sure_title"),
        "",
        f'{body}<p>{words.say("sure_checked")}</p><ul class="checks">{held}</ul>',
        css_class="sure",
    )


def render_method(plan: WrittenPlan, words: Phrases) -> str:
    """Return how the plan was found, in plain words."""
    study = plan.study
    energy, visits, access, service = (
        study[key] for key in ("energy", "visits", "access", "service")
    )
    factor = study["inputs"]["roads"]["congestion_factor"]
    reach = words.say(
        "method_reach",
        direction=words.fill(f"direction_{access['direction']}"),
        cutoff=f"{access['cutoff_minutes']:g}",
    )
    if factor != 1:
        reach += f" {words.say('method_congestion', factor=f'{factor:g}')}"
    fair = plan.manifest.get("fairness")
    items = [
        words.say(
            "method_demand",
            km=f"{energy['km_per_day']:g}",
            kwh=f"{energy['kwh_per_km']:g}",
            public=show_percent(energy["public_share"]),
            visits=f"{visits['visits_per_year']:g}",
        ),
        reach,
        words.say(
            "method_capacity",
            kept=show_percent(1 - service["wait_exceeded_share"]),
            wait=f"{service['max_wait_minutes']:g}",
        ),
        words.say("method_choice")
        if fair is None
        else words.say("method_choice_fair", objective=str(fair["objective"])),
    ]
    return render_section(words.say("method_title"), "", render_list(items, css_class="numbered"))


def render_limits(plan: WrittenPlan, words: Phrases) -> str:
    """Return what the plan does not say."""
    candidates = plan.study["inputs"]["candidates"]
    drawing = plan.drawing
    n = str(len(drawing["sites"]["id"]) + len(drawing["candidates"]["id"]))
    items = [
        words.say("limit_choice"),
        words.say("limit_day"),
        words.say(
            "limit_generated" if candidates["source"] == "network" else "limit_candidates",
            n=n,
            spacing=f"{candidates['min_spacing_m']:g}",
        ),
        words.say("limit_cost"),
    ]
    out = plan.manifest["unreachable"]
    if out["n_demand"]:
        wanted = plan.served["wanted"]
        share = show_percent(plan.read(out, "kwh_per_day") / wanted if wanted else 0.0, 1)
        reasons = _tell_reasons(out["n_by_reason"])
        items.append(
            words.say("limit_unreachable", n=str(out["n_demand"]), share=share, reasons=reasons)
        )
    left = plan.manifest["excluded_candidates"]
    if left:
        n_left = str(sum(left.values()))
        items.append(words.say("limit_excluded", n=n_left, reasons=_tell_reasons(left)))
    items += [
        words.say("limit_notice", notice=str(notice["what"])) for notice in plan.manifest["notices"]
    ]
    return render_section(words.say("limits_title"), "", render_list(items, css_class="dashed"))


def _tell_reasons(n_by_reason: Mapping[str, int]) -> Both:
    """Return reasons and how often each, in the map's own words."""
    known = json.loads(read_asset("map_assets", "own", "texts.json"))

    def tell(language: str) -> list[str]:
        texts = known[language]
        return [f"{texts.get(f'reason.{why}', why)} {n}" for why, n in n_by_reason.items()]

    return Both("; ".join(tell("en")).lower(), "；".join(tell("zh")))


def render_basis(plan: WrittenPlan, words: Phrases) -> str:
    """Return inputs, hashes and versions."""
    rows = [
        render_row(escape(name), [f"<code>{escape(digest[:HASH_DIGITS])}…</code>"])
        for name, digest in plan.manifest["inputs_sha256"].items()
    ]
    head = f"<tr><th>{words.say('col_file')}</th><th>SHA-256</th></tr>"
    versions = {"siting": plan.manifest["siting"], **plan.manifest["versions"]}
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    date = plan.manifest["data_date"]
    dated = f"{words.say('basis_data_date', date=date)} " if date else ""
    return render_section(
        words.say("basis_title"),
        dated + words.say("basis_intro"),
        render_table(head, rows)
        + f'<p class="note">{words.say("basis_versions", versions=listed)}</p>'
        + f'<p class="note">{words.say("basis_plan")} '
        f"<code>{escape(plan.manifest_sha256)}</code></p>",
        css_class="basis",
    )
