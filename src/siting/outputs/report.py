"""The report: a few pages that a board reads, drawn from a written plan and nothing else.

One HTML file without a script, which prints on A4. Every text from the data goes through
`siting.outputs.page.escape`; the same folder gives the same bytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from siting.outputs.alliance_charts import render_stack, render_swatch
from siting.outputs.page import (
    Both,
    PageLanguage,
    escape,
    read_asset,
    render_page,
    render_row,
    render_table,
    show_millions,
    show_number,
    show_percent,
)
from siting.outputs.report_doubt import render_budgets, render_doubts
from siting.outputs.report_futures import render_futures
from siting.outputs.report_map import (
    build_sheet,
    get_tier_look,
    read_places,
    render_dot,
    render_dot_key,
    render_ground,
    render_number,
    render_scale,
    render_svg,
)
from siting.outputs.report_parts import (
    STATES,
    read_style,
    read_words,
    render_ground_keys,
    render_made,
    render_section,
    render_state_bars,
    render_state_key,
    render_top,
    show_gap,
    show_gap_asked,
)
from siting.outputs.report_phases import render_phases
from siting.outputs.report_proof import (
    render_basis,
    render_how_sure,
    render_limits,
    render_method,
)
from siting.outputs.report_reasons import render_reasons
from siting.outputs.report_trips import render_trips_part
from siting.outputs.report_waiting import render_waits
from siting.outputs.units import name_unit
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.outputs.report_alliance import WrittenAlliance
    from siting.outputs.study_results import StudyResults
    from siting.outputs.written_plan import WrittenPlan
    from siting.verify import Check

MOST_SITES_LISTED = 80


def render_report(
    plan: WrittenPlan,
    checks: Sequence[Check],
    *,
    alliance: WrittenAlliance | None = None,
    frontier: StudyResults | None = None,
    sensitivity: StudyResults | None = None,
    language: PageLanguage = PageLanguage.BOTH,
) -> bytes:
    """Render the report of a written plan as one self-contained page.

    Parameters
    ----------
    plan
        The plan.
    checks
        What `siting.verify.verify_folder` recomputed of it; all have passed.
    alliance
        What each brand could do alone, where it was computed.
    frontier, sensitivity
        What other budgets buy, and what comes of figures that are off, where it was computed.
    language
        The languages of the page.
    """
    report = _Report(plan, alliance, language)
    words = report.words
    parts = [
        report.head(),
        report.figures(),
        report.map(),
        report.sites(),
        render_phases(plan, language),
        render_trips_part(plan, language),
        render_futures(plan, language),
        report.service(),
        report.alone(),
        render_reasons(plan, language),
        render_waits(plan, language),
        "" if frontier is None else render_budgets(frontier, plan, language),
        "" if sensitivity is None else render_doubts(sensitivity, language, plan.facility),
        render_how_sure(plan, words, checks),
        render_method(plan, words),
        render_limits(plan, words),
        render_basis(plan, words),
    ]
    title = plan.title.zh if language is PageLanguage.ZH else plan.title.en
    return render_page("\n".join(parts), title=title, style=read_style(), language=language)


class _Report:
    """The sections of one report."""

    def __init__(
        self,
        plan: WrittenPlan,
        alliance: WrittenAlliance | None,
        language: PageLanguage,
    ) -> None:
        self.plan, self.alliance = plan, alliance
        self.manifest = plan.manifest
        self.words = read_words(plan.facility, language)
        self.say, self.show = self.words.say, self.words.show
        self.gap, self.gap_asked = show_gap(plan), show_gap_asked(plan)

    def head(self) -> str:
        """Return the decision in one sentence, and what qualifies it."""
        manifest, share = self.manifest, self.plan.share
        n = len(manifest["sites"])
        headline = self.say(
            "headline" if n > 1 else "headline_one" if n else "headline_none",
            n=str(n),
            cost=show_millions(manifest["cost_cny"]),
            today=show_percent(share("today")),
            joint=show_percent(share("joint")),
        )
        least = min(manifest["service_by_brand"], key=lambda row: row["joint_share"])
        lead = [
            self.say("lead_unified", unified=show_percent(share("unified"))),
            self.say(
                "lead_least",
                share=show_percent(least["joint_share"]),
                brand=self.plan.brands[least["brand"]],
            ),
            self.say("lead_proven", gap=self.gap)
            if self.plan.proven
            else self.say("lead_open", gap=self.gap, asked=self.gap_asked),
        ]
        if self.plan.study["accounts"] != "unified":
            del lead[0]
        lines = "".join(f"<li>{line}</li>" for line in lead)
        return (
            f"<header>{render_top(self.words, 'eyebrow')}"
            f"{render_made(self.words, [self.plan])}"
            f'<h1>{headline}</h1><p class="study">{self.show(self.plan.title)}</p>'
            f'<ul class="lead">{lines}</ul></header>'
        )

    def figures(self) -> str:
        """Return four figures: sites by tier, cost, service, gap."""
        sites, budget = self.manifest["sites"], self.manifest.get("budget_cny")
        share = self.plan.share
        by_tier = [
            (sum(row["tier"] == tier for row in sites), name)
            for tier, name in reversed(self.plan.tiers.items())
        ]
        tiers = "".join(
            f'<span class="line">{count} × {self.show(name)}</span>'
            for count, name in by_tier
            if count
        )
        cells = [
            (str(len(sites)), self.say("fig_sites"), tiers),
            (
                show_millions(self.manifest["cost_cny"]),
                self.say("fig_cost"),
                self.say("fig_no_budget")
                if budget is None
                else self.say("fig_budget", budget=show_millions(budget)),
            ),
            (
                show_percent(share("joint")),
                self.say("fig_served"),
                self.say(
                    "fig_steps",
                    today=show_percent(share("today")),
                    unified=show_percent(share("unified")),
                ),
            ),
            (
                f"{self.gap}\u202f%",
                self.say("fig_gap"),
                self.say(
                    "fig_gap_proven" if self.plan.proven else "fig_gap_open", asked=self.gap_asked
                ),
            ),
        ]
        return (
            '<div class="figures">'
            + "".join(
                f'<div><b>{value}</b><span>{what}</span><span class="minor">{more}</span></div>'
                for value, what, more in cells
            )
            + "</div>"
        )

    def map(self) -> str:
        """Return the map with its key and caption."""
        drawing, sites = self.plan.drawing, self.manifest["sites"]
        points = read_places(drawing, sites)
        sheet = build_sheet(drawing, points)
        tiers = list(self.plan.tiers)
        looks = [get_tier_look(tiers.index(row["tier"]), len(tiers)) for row in sites]
        places = [(int(x), int(y)) for x, y in sheet.place(points)]
        dots = [
            render_dot(*place, radius=radius, fill=fill) + render_number(*place, number, fill=fill)
            for number, (place, (fill, radius)) in enumerate(zip(places, looks, strict=True), 1)
        ]
        content = (
            render_ground(sheet, drawing, self.words, sites=sheet.place(points))
            + "".join(dots)
            + render_scale(sheet, drawing)
        )
        keys = [
            f"{render_dot_key(*get_tier_look(k, len(tiers)))}{self.show(self.plan.tiers[tier])}"
            for k, tier in reversed(list(enumerate(tiers)))
        ]
        keys += render_ground_keys(self.words, drawing)
        return self._section(
            "map_title",
            "",
            f'<figure><div class="sheet" tabindex="0">'
            f"{render_svg(sheet, content, labelled_by='map-caption')}</div>"
            f'<ul class="legend">{"".join(f"<li>{key}</li>" for key in keys)}</ul>'
            f'<figcaption id="map-caption">{self.say("map_caption")}{self._source()}'
            "</figcaption></figure>",
            css_class="where",
        )

    def _source(self) -> str:
        source = self.plan.drawing["study"]["sources"]["roads"]
        return f" {self.say('roads_source', source=source)}" if source else ""

    def sites(self) -> str:
        """Return the table of the sites."""
        rows = self.manifest["sites"]
        if not rows:
            return ""
        keys = ("number", "site", "district", "tier", "cost", "energy", "use", "drive")
        head = "".join(f"<th>{self.say(f'col_{key}')}</th>" for key in (*keys, "who"))
        names = self.plan.drawing["sites"]["name"]
        body = [
            self._site_row(number, row, as_both(name))
            for number, (row, name) in enumerate(zip(rows, names, strict=True), 1)
        ]
        more = len(rows) - MOST_SITES_LISTED
        note = f'<p class="note">{self.say("sites_more", n=str(more))}</p>' if more > 0 else ""
        cost, energy = (
            sum(self.plan.read(row, key) for row in rows)
            for key in ("cost_cny", "energy_kwh_per_day")
        )
        sums = ["", "", "", show_millions(cost), show_number(energy, 0), "", "", ""]
        foot = f"<tfoot>{render_row(self.say('total'), sums)}</tfoot>"
        return self._section(
            "sites_title",
            self.say("sites_intro"),
            self._brand_legend()
            + render_table(f"<tr>{head}</tr>", body[:MOST_SITES_LISTED], foot)
            + note,
            css_class="sites",
        )

    def _site_row(self, number: int, row: Mapping[str, Any], name: Both) -> str:
        named = "" if name.en == row["site_id"] else self.show(name)
        district = self.plan.districts.get(row["district"])
        energy = [self.plan.read(row, f"energy_{brand}_kwh_per_day") for brand in self.plan.brands]
        return render_row(
            str(number),
            [
                f'<span class="name">{named or escape(row["site_id"])}</span>',
                self.show(district) if district else escape(row["district"] or "–"),
                self.show(self.plan.tiers[row["tier"]]),
                show_millions(row["cost_cny"]),
                show_number(sum(energy), 0),
                show_percent(row["utilisation"]),
                "–" if row["mean_drive_min"] is None else show_number(row["mean_drive_min"], 1),
                render_stack(energy, least=0.0, most=sum(energy)),
            ],
        )

    def _brand_legend(self) -> str:
        items = "".join(
            f"<li>{render_swatch(b)}{self.show(name)}</li>"
            for b, name in enumerate(self.plan.brands.values())
        )
        return f'<ul class="legend">{items}</ul>'

    def service(self) -> str:
        """Return service before and after by brand, with the bills, and by district."""
        pays = {row["brand"]: row["pays_cny"] for row in self.manifest["ledger"]}
        brands = [
            self._service_row(
                f"{render_swatch(b)}{self.show(name)}", row, [show_millions(pays[row["brand"]])]
            )
            for b, (name, row) in enumerate(
                zip(self.plan.brands.values(), self.manifest["service_by_brand"], strict=True)
            )
        ]
        total = {f"{state}_share": self.plan.share(state) for state in STATES}
        total[name_unit("wanted_kwh_per_day", self.plan.facility)] = self.plan.served["wanted"]
        foot = self._service_row(
            self.say("total"), total, [show_millions(sum(float(cny) for cny in pays.values()))]
        )
        by_brand = render_table(
            self._service_head("col_brand", "col_pays"), brands, f"<tfoot>{foot}</tfoot>"
        )
        districts = [
            self._service_row(self._district(row["district"]), row, [])
            for row in self.manifest["service_by_district"]
        ]
        content = (
            render_state_key(self.words, STATES)
            + f"<h3>{self.say('by_brand')}</h3>{by_brand}"
            + f'<p class="note">{self.say("pays_note")}{self._fairness()}</p>'
        )
        if self.plan.districts:
            by_district = render_table(self._service_head("col_district"), districts)
            content += f'<div class="keep"><h3>{self.say("by_district")}</h3>{by_district}</div>'
        cutoff = f"{self.plan.study['access']['cutoff_minutes']:g}"
        return self._section(
            "service_title",
            self.say("service_intro", cutoff=cutoff),
            content,
            css_class="service",
        )

    def _fairness(self) -> str:
        fairness = self.manifest.get("fairness")
        if fairness is None:
            return ""
        return f" {self.say('fairness_note', price=show_percent(fairness['price_share'], 1))}"

    def _district(self, key: str) -> str:
        name = self.plan.districts.get(key)
        if name is not None:
            return self.show(name)
        return escape(key) if key else self.say("outside")

    def _service_head(self, first: str, *last: str) -> str:
        shares = "".join(f"<th>{self.say(f'short_{state}')}</th>" for state in STATES)
        others = "".join(f"<th>{self.say(key)}</th>" for key in last)
        return (
            f'<tr><th>{self.say(first)}</th><td class="chart"></td>{shares}'
            f"<th>{self.say('col_wanted')}</th>{others}</tr>"
        )

    def _service_row(self, name: str, row: Mapping[str, Any], last: Sequence[str]) -> str:
        shares = [float(row[f"{state}_share"]) for state in STATES]
        return render_row(
            name,
            [
                render_state_bars(dict(zip(STATES, shares, strict=True))),
                *map(show_percent, shares),
                show_number(self.plan.read(row, "wanted_kwh_per_day"), 0),
                *last,
            ],
        )

    def alone(self) -> str:
        """Return alone against together, where it was computed."""
        alliance = self.alliance
        if alliance is None:
            return ""
        alone = "alone" if alliance.with_own_money else "alone_cost"
        states = {"alone": f"state_{alone}", "joint": "state_joint"}
        keys = ("col_alone_cost", "col_pays", "col_gain")
        head = (
            f'<tr><th>{self.say("col_brand")}</th><td class="chart"></td>'
            + "".join(f"<th>{self.say(key)}</th>" for key in ("short_alone", "short_together"))
            + "".join(f"<th>{self.say(key)}</th>" for key in keys)
            + "</tr>"
        )
        rows = [
            render_row(
                f"{render_swatch(b)}{self.show(self.plan.brands[row['brand']])}",
                [
                    render_state_bars({state: float(row[f"{state}_share"]) for state in states}),
                    *(show_percent(row[f"{state}_share"]) for state in states),
                    *(
                        show_millions(row[key])
                        for key in ("alone_cost_cny", "pays_cny", "gain_cny")
                    ),
                ],
            )
            for b, row in enumerate(alliance.brands)
        ]
        least, most = alliance.least_core_cny
        core = "core_full" if most <= 0 else "core_empty" if least > 0 else "core_open"
        notes = [self.say(core, cny=show_millions(least))]
        if not alliance.is_of(self.plan):
            notes.append(self.say("alone_other_plan", cny=show_millions(alliance.cost_cny)))
        rules = json.loads(read_asset("alliance_assets", "texts.json"))
        return self._section(
            "alone_title",
            self.say("alone_intro", rule=Both(**rules[f"rule_{alliance.rule}"])),
            render_state_key(self.words, states.values(), colours=("alone", "joint"))
            + render_table(head, rows)
            + f'<p class="note">{" ".join(notes)}</p>',
        )

    def _section(self, title: str, intro: str, content: str, *, css_class: str = "") -> str:
        return render_section(self.say(title), intro, content, css_class=css_class)
