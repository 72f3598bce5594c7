"""The report's parts on reasons: why these sites, why not the others, and what else would do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import Facility
from siting.outputs.map_geometry import unpack_lines
from siting.outputs.page import (
    Both,
    PageLanguage,
    Phrases,
    escape,
    render_row,
    render_table,
    show_millions,
    show_number,
    show_percent,
)
from siting.outputs.report_map import (
    INK,
    PAPER,
    TIER_COLOURS,
    build_sheet,
    read_places,
    render_dot,
    render_dot_key,
    render_ground,
    render_number,
    render_scale,
    render_svg,
)
from siting.outputs.report_parts import ASSETS, render_list, render_section, show_at_most
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from siting.outputs.written_plan import WrittenPlan

MOST_LISTED = 80
KEPT, LEFT, NEW = TIER_COLOURS[2], TIER_COLOURS[0], PAPER
RADIUS, NEW_RADIUS = 24, 13


def render_reasons(plan: WrittenPlan, language: PageLanguage) -> str:
    """Return why each site, why not the others and what else would do; nothing if not known."""
    if "reasons" not in plan.drawing or not plan.manifest["sites"]:
        return ""
    reasons = _Reasons(plan, Phrases.read(ASSETS, "reasons_texts.json", language=language))
    return reasons.sites() + reasons.others()


class _Reasons:
    """The two sections of one report."""

    def __init__(self, plan: WrittenPlan, words: Phrases) -> None:
        self.plan, self.words, self.say = plan, words, words.say
        self.told: dict[str, Any] = plan.drawing["reasons"]
        self.rows = plan.manifest["sites"]
        drawn = [plan.drawing[table] for table in ("sites", "candidates")]
        self.names = {
            key: as_both(name)
            for table in drawn
            for key, name in zip(table["id"], table["name"], strict=True)
        }
        unit = "unit_visits" if plan.facility is Facility.SERVICE_CENTRE else "unit_kwh"
        self.unit = words.fill(unit)
        self.unproven = self._show(self.told["unproven_kwh_per_day"])

    def sites(self) -> str:
        """Return a table, one row a site, and why the others are not in the plan."""
        told = [self.told["sites"][row["site_id"]] for row in self.rows]
        is_rebuilt = all(reason["loss"] is not None for reason in told)
        keys = ["number", "site", *(["loss"] if is_rebuilt else []), "struck", "only", "next"]
        head = "".join(f"<th>{self.say(f'col_{key}')}</th>" for key in [*keys, "next_loss"])
        body = [
            self._site_row(number, row["site_id"], reason, is_rebuilt=is_rebuilt)
            for number, (row, reason) in enumerate(zip(self.rows, told, strict=True), 1)
        ]
        note = "note_rebuilt" if is_rebuilt else "note_glance"
        content = (
            render_table(f"<tr>{head}</tr>", body[:MOST_LISTED])
            + f'<p class="note">{self.say(note, unproven=self.unproven, unit=self.unit)}</p>'
            + f"<h3>{self.say('why_not')}</h3>"
            + render_list(self._why_not(), css_class="dashed")
        )
        return render_section(
            self.say("headline"), self.say("intro", unit=self.unit), content, css_class="why"
        )

    def _site_row(
        self, number: int, site_id: str, reason: Mapping[str, Any], *, is_rebuilt: bool
    ) -> str:
        near = reason["next"]
        struck, breaks = reason["struck_out"], self.say("breaks")
        cells = [
            f'<span class="name">{self._name(site_id)}</span>',
            *([self._loss(reason["loss"])] if is_rebuilt else []),
            breaks if struck is None else self._show(struck),
            self._show(sum(reason["only"])),
            self.say("none") if near is None else self._name(near["id"]),
            "" if near is None else breaks if near["loss"] is None else self._show(near["loss"]),
        ]
        return render_row(str(number), cells)

    def _loss(self, loss: list[float | None]) -> str:
        """Return what is lost: a range where that is all that is known."""
        least, most = loss
        if least is None:
            return self.say("loss_impossible")
        if most is None:
            key = "loss_least" if least > 0 else "loss_unknown"
            return self.say(key, least=self._show(least))
        if most < 0:
            return self.say("loss_gain", gain=self._show(-most))
        if most == 0:
            return self.say("loss_none")
        key = "loss_open" if least <= 0 else "loss_exact" if least == most else "loss_proven"
        return self.say(key, least=self._show(least), most=self._show(most))

    def _why_not(self) -> list[str]:
        """Return how many candidates were not chosen for each reason, and those asked about."""
        candidates = self.told["candidates"]
        lines = [
            self.say(f"why_{why}", n=f"{n:,}")
            for why, n in Counter(reason["why"] for reason in candidates.values()).most_common()
        ]
        for site_id, reason in candidates.items():
            if reason["forced"] is not None:
                loss = self._loss(reason["forced"]["loss"])
                asked = self.say("asked", name=self._both(site_id), unit=self.unit)
                lines.append(f"{asked} {loss}")
        return lines or [self.say("why_none")]

    def others(self) -> str:
        """Return the other plans: a table, and a map of what all of them build."""
        others = self.told["alternatives"]
        if not others:
            return ""
        keys = ("plan", "new", "served", "less", "cost")
        head = "".join(f"<th>{self.say(f'col_{key}')}</th>" for key in keys)
        cost = show_millions(self.plan.manifest["cost_cny"])
        share = show_percent(self.plan.share("joint"), 1)
        own = render_row(self.say("this_plan"), ["", share, "", cost])
        rows = [self._other_row(number, other) for number, other in enumerate(others, 1)]
        kept = [
            row["site_id"]
            for row in self.rows
            if not any(row["site_id"] in other["leaves"] for other in others)
        ]
        intro = self.say(
            "others_intro",
            n=str(len(others)),
            loss=f"{100 * self.told['loss_allowed']:g}",
            kept=str(len(kept)),
            all=str(len(self.rows)),
        )
        content = render_table(f"<tr>{head}</tr>", [own, *rows]) + self._map(set(kept))
        return render_section(self.say("others_headline"), intro, content, css_class="others")

    def _other_row(self, number: int, other: Mapping[str, Any]) -> str:
        less = other["loss_share"]
        shown = show_at_most(less) if less > 0 else f"−{show_number(-100 * less, 2)}"
        return render_row(
            self.say("other_plan", n=str(number)),
            [
                str(len(other["enters"])),
                show_percent(other["served_share"], 1),
                f"{shown}\u202f%",
                show_millions(other["cost_cny"]),
            ],
        )

    def _map(self, kept: set[str]) -> str:
        """Return a map of the sites of all plans: in each of them, in this one, in others alone."""
        drawing = self.plan.drawing
        entering = {site_id for other in self.told["alternatives"] for site_id in other["enters"]}
        points, new = read_places(drawing, self.rows), self._read_candidates(entering)
        sheet = build_sheet(drawing, np.concatenate([points, new]))
        places = sheet.place(points)
        dots = [
            render_dot(int(x), int(y), radius=NEW_RADIUS, fill=NEW, stroke=INK)
            for x, y in sheet.place(new)
        ]
        for number, (row, (x, y)) in enumerate(zip(self.rows, places, strict=True), 1):
            fill = KEPT if row["site_id"] in kept else LEFT
            dots.append(render_dot(int(x), int(y), radius=RADIUS, fill=fill))
            dots.append(render_number(int(x), int(y), number, fill=fill))
        content = (
            render_ground(sheet, drawing, self.words, sites=places)
            + "".join(dots)
            + render_scale(sheet, drawing)
        )
        marks = {
            "key_kept": render_dot_key(KEPT, RADIUS),
            "key_left": render_dot_key(LEFT, RADIUS),
            "key_new": render_dot_key(NEW, NEW_RADIUS, stroke=INK),
        }
        keys = "".join(f"<li>{mark}{self.say(key)}</li>" for key, mark in marks.items())
        caption = "others-caption"
        return (
            f'<figure><div class="sheet" tabindex="0">'
            f'{render_svg(sheet, content, labelled_by=caption)}</div><ul class="legend">{keys}</ul>'
            f'<figcaption id="{caption}">{self.say("others_caption")}</figcaption></figure>'
        )

    def _read_candidates(self, ids: Iterable[str]) -> NDArray[np.int64]:
        """(n, 2) metres of the drawing of candidates that are not in the plan."""
        drawn, wanted = self.plan.drawing["candidates"], set(ids)
        lines = unpack_lines(drawn["point"])
        points = np.concatenate(lines) if lines else np.empty((0, 2), dtype=np.int64)
        return np.asarray(points[[site_id in wanted for site_id in drawn["id"]]])

    def _both(self, site_id: str) -> Both:
        named = self.names.get(site_id)
        return named if named is not None and named.en else Both(site_id, site_id)

    def _name(self, site_id: str) -> str:
        name = self._both(site_id)
        return escape(site_id) if site_id in name.en else self.words.show(name)

    def _show(self, kwh: float | None) -> str:
        return "–" if kwh is None else show_number(kwh, 0)
