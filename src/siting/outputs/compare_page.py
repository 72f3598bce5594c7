"""The page of two plans side by side: one HTML file without a script, which prints on A4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import Facility
from siting.outputs.alliance_charts import render_bar
from siting.outputs.compare import SiteChange
from siting.outputs.page import (
    MISSING,
    Both,
    PageLanguage,
    escape,
    render_page,
    render_row,
    render_table,
    show_millions,
    show_number,
    show_percent,
    show_signed,
)
from siting.outputs.report_map import (
    INK,
    PAPER,
    build_sheet,
    read_places,
    render_ground,
    render_scale,
    render_svg,
)
from siting.outputs.report_parts import (
    read_style,
    read_words,
    render_box,
    render_ground_keys,
    render_made,
    render_section,
    render_top,
    show_gap,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.outputs.compare import Difference, PlanComparison, SitePair

FIRST_COLOUR, SECOND_COLOUR, RESIZED_COLOUR, SAME_COLOUR = (
    "#3b79a9",
    "#c8400f",
    "#1f7d72",
    "#6f6a76",
)
SHAPES = {
    SiteChange.DROPPED: ("M0-36l36 36-36 36-36-36z", PAPER, FIRST_COLOUR, INK),
    SiteChange.ADDED: (
        "M-27 0a27 27 0 1 0 54 0a27 27 0 1 0-54 0z",
        SECOND_COLOUR,
        PAPER,
        "#ffffff",
    ),
    SiteChange.LARGER: ("M0-38l36 62h-72z", RESIZED_COLOUR, PAPER, "#ffffff"),
    SiteChange.SMALLER: ("M0 38l36-62h-72z", PAPER, RESIZED_COLOUR, INK),
    SiteChange.SAME: ("M-15 0a15 15 0 1 0 30 0a15 15 0 1 0-30 0z", SAME_COLOUR, PAPER, INK),
}
"""Outline around (0, 0), fill, edge, and ink of the number: told apart by shape alone."""
MOST_LISTED = 100
HASH_DIGITS = 16


def render_comparison(
    comparison: PlanComparison, *, language: PageLanguage = PageLanguage.BOTH
) -> bytes:
    """Render two plans side by side as one page; the same plans give the same bytes."""
    page = _Page(comparison, language)
    parts = [
        page.head(),
        page.map(),
        page.figures(),
        page.sites(),
        page.service(),
        page.asked(),
        page.inputs(),
        page.basis(),
    ]
    return render_page(
        "\n".join(parts),
        title=page.words.fill("eyebrow").zh
        if language is PageLanguage.ZH
        else page.words.fill("eyebrow").en,
        style=read_style(),
        language=language,
    )


class _Page:
    """The sections of one page."""

    def __init__(self, comparison: PlanComparison, language: PageLanguage) -> None:
        self.it, self.plans = comparison, comparison.plans
        self.words = read_words(comparison.first.facility, language, "compare_texts.json")
        self.say, self.show = self.words.say, self.words.show
        charging = comparison.first.facility is Facility.CHARGING_STATION
        self.unit = self.words.fill("unit_kwh" if charging else "unit_visits")
        self.changed = [pair for pair in comparison.sites if pair.change is not SiteChange.SAME]

    def head(self) -> str:
        """Return what changed in one sentence, and how much of it is proven."""
        values: dict[str, str | Both] = {}
        for which, plan in zip(("first", "second"), self.plans, strict=True):
            values |= {
                f"n_{which}": str(len(plan.manifest["sites"])),
                f"cost_{which}": show_millions(plan.manifest["cost_cny"]),
                f"share_{which}": show_percent(plan.share("joint"), 1),
            }
        titles = dict.fromkeys(self.show(plan.title) for plan in self.plans)
        lines = "".join(f"<li>{line}</li>" for line in self._lead())
        return (
            f"<header>{render_top(self.words, 'eyebrow')}{render_made(self.words, self.plans)}"
            f'<h1>{self.say("headline", **values)}</h1><p class="study">{" → ".join(titles)}</p>'
            f'<ul class="lead">{lines}</ul></header>'
        )

    def _lead(self) -> list[str]:
        it = self.it
        counts = {change.value: str(it.count(change)) for change in SiteChange}
        lead = [self.say("lead_sites", **counts), *self._margin()]
        if it.inputs:
            names = ", ".join(difference.name for difference in it.inputs)
            lead.append(self.say("lead_other_inputs", files=names))
        else:
            lead.append(self.say("lead_same_inputs"))
        if it.same_measure:
            better = it.proven_better
            key = {id(it.first): "lead_proven_first", id(it.second): "lead_proven_second"}
            lead.append(self.say("lead_not_proven" if better is None else key[id(better)]))
        if it.moved:
            lead.append(self.say("lead_moved", ids=", ".join(it.moved)))
        return lead

    def _margin(self) -> list[str]:
        """Return what the dearer plan's extra money serves, where it serves more."""
        cost = [float(plan.manifest["cost_cny"]) for plan in self.plans]
        served = [plan.served["joint"] for plan in self.plans]
        more_cost, more_served = cost[1] - cost[0], served[1] - served[0]
        if not self.it.same_measure or more_cost * more_served <= 0:
            return []
        return [
            self.say(
                "lead_margin",
                cost=show_millions(abs(more_cost)),
                service=show_number(abs(more_served), 0),
                unit=self.unit,
                each=show_number(more_cost / more_served, 0),
            )
        ]

    def figures(self) -> str:
        """Return the plans' figures side by side."""
        first, second = self.plans
        unit = self.unit

        def row(name: str, values: Sequence[float | None], kind: str) -> str:
            return render_row(name, self._three(values, kind))

        def each(get: Any) -> list[Any]:  # noqa: ANN401 - a reader of any figure
            return [get(first), get(second)]

        rows = [
            row(self.say("fig_sites"), each(lambda p: len(p.manifest["sites"])), "count"),
            row(self.say("fig_cost"), each(lambda p: p.manifest["cost_cny"]), "cny"),
            row(self.say("fig_budget"), each(lambda p: p.manifest.get("budget_cny")), "cny"),
            *(
                row(self.say(f"fig_{state}"), each(lambda p, s=state: p.share(s)), "share")
                for state in ("today", "unified", "joint")
            ),
            *(
                row(
                    self.say(f"fig_{what}", unit=unit),
                    each(lambda p, w=what: p.read(p.solve, f"{w}_kwh_per_day")),
                    "count",
                )
                for what in ("objective", "bound")
            ),
            render_row(self.say("fig_gap"), [*(f"{show_gap(p)} %" for p in self.plans), ""]),
            render_row(
                self.say("fig_status"),
                [*(self.say("proven" if p.proven else "not_proven") for p in self.plans), ""],
            ),
        ]
        head = "".join(f"<th>{self.say(key)}</th>" for key in ("first", "second", "change"))
        return render_section(
            self.say("figures_title"),
            "",
            render_table(f"<tr><td></td>{head}</tr>", rows),
            css_class="glance",
        )

    def map(self) -> str:
        """Return both plans on one map."""
        drawing = self.it.first.drawing
        pairs = [*self.changed, *(p for p in self.it.sites if p.change is SiteChange.SAME)]
        points = read_places(drawing, [dict(pair.row) for pair in pairs])
        sheet = build_sheet(drawing, points)
        places = sheet.place(points)
        marks = [
            _render_mark(int(x), int(y), pair.change, number if number <= len(self.changed) else 0)
            for number, (pair, (x, y)) in enumerate(zip(pairs, places, strict=True), 1)
        ]
        content = (
            render_ground(sheet, drawing, self.words, sites=np.asarray(places))
            + "".join(reversed(marks))
            + render_scale(sheet, drawing)
        )
        keys = [
            f"{_render_key(change)}{self.say(f'key_{change.value}')}"
            for change in SiteChange
            if self.it.count(change)
        ]
        keys += render_ground_keys(self.words, drawing)
        source = drawing["study"]["sources"]["roads"]
        credit = f" {self.say('roads_source', source=source)}" if source else ""
        return render_section(
            self.say("map_title"),
            "",
            f'<figure><div class="sheet" tabindex="0">'
            f"{render_svg(sheet, content, labelled_by='map-caption')}</div>"
            f'<ul class="legend">{"".join(f"<li>{key}</li>" for key in keys)}</ul>'
            f'<figcaption id="map-caption">{self.say("map_caption")}{credit}</figcaption></figure>',
        )

    def sites(self) -> str:
        """Return the table of the sites that change."""
        if not self.changed:
            return render_section(self.say("sites_title"), "", f"<p>{self.say('sites_none')}</p>")
        keys = ("number", "site", "district", "first", "second", "cost", "energy")
        head = "".join(f"<th>{self.say(f'col_{key}', unit=self.unit)}</th>" for key in keys)
        rows = [self._site_row(number, pair) for number, pair in enumerate(self.changed, 1)]
        more = len(rows) - MOST_LISTED
        note = f'<p class="note">{self.say("sites_more", n=str(more))}</p>' if more > 0 else ""
        return render_section(
            self.say("sites_title"),
            "",
            render_table(f"<tr>{head}</tr>", rows[:MOST_LISTED]) + note,
            css_class="changes",
        )

    def _site_row(self, number: int, pair: SitePair) -> str:
        rows = list(zip(self.plans, (pair.first, pair.second), strict=True))
        tiers = [
            MISSING if row is None else self.show(plan.tiers[row["tier"]]) for plan, row in rows
        ]
        cost, energy = (
            [0.0 if row is None else plan.read(row, key) for plan, row in rows]
            for key in ("cost_cny", "energy_kwh_per_day")
        )
        return render_row(
            f"{_render_key(pair.change)}{number}",
            [
                escape(pair.row["name"] or pair.row["site_id"]),
                self._district(pair.row["district"] or ""),
                *tiers,
                show_signed(show_millions(cost[1] - cost[0])),
                show_signed(show_number(energy[1] - energy[0], 0)),
            ],
        )

    def _district(self, key: str) -> str:
        for plan in reversed(self.plans):
            if key in plan.districts:
                return self.show(plan.districts[key])
        return escape(key) if key else self.say("outside")

    def service(self) -> str:
        """Return what drivers get in both plans, by brand with the bills, and by district."""
        brands = {**self.it.first.brands, **self.it.second.brands}
        shares = self._shares("service_by_brand", "brand")
        pays = [{r["brand"]: r["pays_cny"] for r in p.manifest["ledger"]} for p in self.plans]
        rows = [
            self._service_row(
                self.show(name),
                [part.get(brand) for part in shares],
                [part.get(brand) for part in pays],
            )
            for brand, name in brands.items()
        ]
        total = self._service_row(
            self.say("total"),
            [plan.share("joint") for plan in self.plans],
            [sum(map(float, part.values())) for part in pays],
        )
        head = self._service_head("col_brand", pays=True)
        by_brand = render_table(head, rows, f"<tfoot>{total}</tfoot>")
        keys = "".join(
            f"<li>{render_box(colour)}{self.say(which)}</li>"
            for which, colour in (("first", FIRST_COLOUR), ("second", SECOND_COLOUR))
        )
        content = f'<ul class="legend">{keys}</ul><h3>{self.say("by_brand")}</h3>{by_brand}'
        shares = self._shares("service_by_district", "district")
        if any(plan.districts for plan in self.plans):
            rows = [
                self._service_row(self._district(key), [part.get(key) for part in shares], [])
                for key in {**shares[0], **shares[1]}
            ]
            head = self._service_head("col_district", pays=False)
            content += (
                f'<div class="keep"><h3>{self.say("by_district")}</h3>'
                f"{render_table(head, rows)}</div>"
            )
        return render_section(self.say("service_title"), "", content, css_class="service")

    def _shares(self, table: str, key: str) -> list[dict[str, float]]:
        return [
            {row[key]: float(row["joint_share"]) for row in plan.manifest[table]}
            for plan in self.plans
        ]

    def _service_head(self, first: str, *, pays: bool) -> str:
        groups = ["col_served", "col_pays"] if pays else ["col_served"]
        above = "".join(f'<th colspan="3" class="group">{self.say(key)}</th>' for key in groups)
        each = "".join(f"<th>{self.say(key)}</th>" for key in ("first", "second", "change"))
        return (
            f'<tr><th rowspan="2">{self.say(first)}</th><td rowspan="2" class="chart"></td>'
            f"{above}</tr><tr>{each * len(groups)}</tr>"
        )

    def _service_row(
        self, name: str, shares: Sequence[float | None], pays: Sequence[float | None]
    ) -> str:
        bars = "".join(
            render_bar(share or 0.0, colour=colour)
            for share, colour in zip(shares, (FIRST_COLOUR, SECOND_COLOUR), strict=True)
        )
        cells = [bars, *self._three(shares, "share")]
        return render_row(name, [*cells, *(self._three(pays, "cny") if pays else [])])

    def _three(self, values: Sequence[float | None], kind: str) -> list[str]:
        """Return both values and their change."""
        shown = [MISSING if value is None else _SHOW[kind](float(value)) for value in values]
        first, second = values
        if first is None or second is None:
            return [*shown, MISSING]
        if kind == "share":
            points = show_signed(show_number(100 * (second - first), 1))
            return [*shown, self.say("points", n=points)]
        return [*shown, show_signed(_SHOW[kind](second - first))]

    def asked(self) -> str:
        """Return what was asked differently."""
        differences = self.it.study
        title = self.say("asked_title")
        if not differences:
            return render_section(title, "", f"<p>{self.say('asked_same')}</p>")
        more = len(differences) - MOST_LISTED
        note = f'<p class="note">{self.say("asked_more", n=str(more))}</p>' if more > 0 else ""
        table = self._differences("col_key", differences[:MOST_LISTED])
        return render_section(title, "", table + note, css_class="asked")

    def inputs(self) -> str:
        """Return which input files differ; nothing if none does."""
        if not self.it.inputs:
            return ""
        table = self._differences("col_file", self.it.inputs, digits=HASH_DIGITS)
        return render_section(self.say("inputs_title"), "", table, css_class="asked")

    def _differences(
        self, first: str, differences: Sequence[Difference], *, digits: int | None = None
    ) -> str:
        head = "".join(f"<th>{self.say(key)}</th>" for key in (first, "first", "second"))
        rows = [
            render_row(
                f"<code>{escape(difference.name)}</code>",
                [
                    MISSING if value is None else f"<code>{escape(value[:digits])}</code>"
                    for value in (difference.first, difference.second)
                ],
            )
            for difference in differences
        ]
        return render_table(f"<tr>{head}</tr>", rows)

    def basis(self) -> str:
        """Return the hashes of both manifests."""
        hashes = "<br>".join(f"<code>{escape(plan.manifest_sha256)}</code>" for plan in self.plans)
        return f"<footer>{self.say('basis')}<br>{hashes}</footer>"


_SHOW: Mapping[str, Any] = {
    "count": lambda value: show_number(value, 0),
    "cny": show_millions,
    "share": lambda value: show_percent(value, 1),
}


def _render_mark(x: int, y: int, change: SiteChange, number: int) -> str:
    """Return a site's mark with its number, or without one if that is 0."""
    path, fill, edge, ink = SHAPES[change]
    low = {SiteChange.LARGER: 18, SiteChange.SMALLER: 2}.get(change, 9)
    text = (
        f'<text y="{low}" text-anchor="middle" font-size="25" font-weight="700" fill="{ink}">'
        f"{number}</text>"
        if number
        else ""
    )
    return (
        f'<g transform="translate({x} {y})"><path d="{path}" fill="{fill}" stroke="{edge}" '
        f'stroke-width="6"/>{text}</g>'
    )


def _render_key(change: SiteChange) -> str:
    mark = _render_mark(50, 50, change, 0)
    return f'<svg class="dot" viewBox="0 0 100 100" aria-hidden="true">{mark}</svg>'
