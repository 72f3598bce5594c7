"""The page of a joint investment: one HTML file that a board member reads without help.

It holds no script at all: the switch between the languages is a radio button, and a
Content-Security-Policy forbids every script and everything from outside. Every text from the data
goes through :func:`siting.outputs.page.escape`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siting.alliance.game import GameKind
from siting.domain import SolveStatus
from siting.investment import compute_leaving
from siting.outputs.alliance_charts import (
    render_bar,
    render_stack,
    render_swatch,
)
from siting.outputs.page import (
    Both,
    Phrases,
    escape,
    read_asset,
    render_page,
    render_row,
    render_table,
    show_both,
    show_cny,
    show_fen,
    show_millions,
    show_number,
    show_percent,
    show_signed,
)

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from siting.alliance.rules import Split
    from siting.investment import JointInvestment, WhatIf

STATES = ("today", "unified", "alone", "joint")
STATE_COLOURS = {"today": "#b4aeb8", "unified": "#8cc5ba", "alone": "#8a8892", "joint": "#c8400f"}
ASSETS = "alliance_assets"
# A difference of shares that shows in whole per cents.
SEEN_SHARE = 0.005


def render_alliance(investment: JointInvestment, what_if: WhatIf | None = None) -> bytes:
    """Render a joint investment as one self-contained page, the same bytes for the same answer."""
    page = _Page(investment, what_if)
    sections = (
        page.head,
        page.alone_or_together,
        page.drivers_and_money,
        page.rules,
        page.core,
        page.ledger,
        page.what_if,
        page.leaving,
        page.coalitions,
        page.how_sure,
        page.foot,
    )
    body = "\n".join(section() for section in sections)
    return render_page(body, title=investment.study.title.en, style=read_asset(ASSETS, "page.css"))


class _Page:
    """The sections of one page."""

    def __init__(self, investment: JointInvestment, what_if: WhatIf | None) -> None:
        self.it, self.asked = investment, what_if
        self.words = Phrases.read(ASSETS, "texts.json")
        self.names = [
            Both(brand.name, brand.name_zh or brand.name) for brand in investment.study.brands
        ]
        self.surplus = investment.solved.game.kind is GameKind.SURPLUS

    def say(self, key: str, **values: str | Both) -> str:
        """Return a text in both languages, with values from the data put in."""
        return self.words.say(key, **values)

    def group(self, members: Sequence[int]) -> Both:
        """Return the names of a group of brands."""
        return Both(
            ", ".join(self.names[b].en for b in members),
            "、".join(self.names[b].zh for b in members),
        )

    def group_of(self, ids: Iterable[str]) -> Both:
        """Return the names of a group of brands, given by id."""
        return self.group([self.it.brands.index(brand) for brand in ids])

    def head(self) -> str:
        """Return what the plan is and what it comes to."""
        study, split = self.it.study, self.it.split
        title = Both(study.title.en, study.title.zh or study.title.en)
        losing = [b for b, gain in enumerate(split.gain_cny) if gain <= 0]
        n_objecting = len(split.objections)
        lead = [
            self.say("lead_some_lose", names=self.group(losing))
            if losing
            else self.say("lead_all_gain"),
            self.say("lead_somebody_objects", n=str(n_objecting))
            if n_objecting > 1
            else self.say("lead_one_objects", who=self.group_of(split.objections[0].coalition))
            if n_objecting == 1
            else self.say("lead_nobody_objects"),
        ]
        headline = self.say(
            "headline",
            n_brand=str(len(self.names)),
            n_site=str(len(self.it.plan.sites)),
            cost=show_millions(self.it.cost_cny),
        )
        note = study.illustrative_note
        made = (
            f'<div class="made"><b>{self.say("illustrative")}</b>'
            f"<span>{show_both(Both(note.en, note.zh or note.en))}</span></div>"
            if note is not None
            else ""
        )
        return (
            f'<header><div class="top"><span class="eyebrow">{self.say("eyebrow")}</span>'
            '<span class="languages"><label for="lang-en" lang="en">English</label>'
            '<label for="lang-zh" lang="zh">中文</label></span></div>'
            f"<h1>{headline}</h1>"
            f'<p class="study">{show_both(title)}</p><ul class="lead">'
            + "".join(f"<li>{line}</li>" for line in lead)
            + f"</ul>{made}</header>"
        )

    def alone_or_together(self) -> str:
        """Return one card a brand: service in four states, the bill and the gain."""
        table, split = self.it.by_brand, self.it.split
        alone = "state_alone" if self.surplus else "state_alone_cost"
        cards = []
        for b, name in enumerate(self.names):
            bars = "".join(
                f"<li><span>{self.say(alone if state == 'alone' else f'state_{state}')}</span>"
                f"{render_bar(table[f'{state}_share'][b], colour=STATE_COLOURS[state])}"
                f"<b>{show_percent(table[f'{state}_share'][b])}</b></li>"
                for state in STATES
            )
            pays = float(split.pays_cny[b])
            cards.append(
                f'<div class="card"><h3>{render_swatch(b)}{show_both(name)}</h3>'
                f'<ul class="bars">{bars}</ul><div class="money">'
                f"<span>{self.say('pays' if pays >= 0 else 'is_paid')}</span>"
                f"<b>{show_millions(abs(pays))} {self._unit()}</b>"
                f"<span>{self.say('gains')}</span>"
                f"<b>{show_millions(split.gain_cny[b])} {self._unit()}</b>"
                f"<span>{self.say('unified_is_worth')}</span>"
                f'<b class="small">{show_millions(table["unified_worth_cny"][b])}'
                f" {self._unit()}</b>"
                "</div></div>"
            )
        return self._section(
            "alone_title", self.say("alone_intro"), f'<div class="cards">{"".join(cards)}</div>'
        )

    def drivers_and_money(self) -> str:
        """Return the table of service, drives, bills and gains."""
        table, split = self.it.by_brand, self.it.split
        short = "".join(f"<th>{self.say(f'short_{state}')}</th>" for state in STATES)
        head = (
            f'<tr><th rowspan="2">{self.say("col_brand")}</th>'
            f'<th colspan="4" class="group">{self.say("col_served")}</th>'
            f'<th colspan="4" class="group">{self.say("col_drive")}</th>'
            + "".join(
                f'<th rowspan="2">{self.say(key)}</th>'
                for key in ("col_pays", "col_budget", "col_gain", "col_unified")
            )
            + f"</tr><tr>{short}{short}</tr>"
        )
        rows = []
        for b, name in enumerate(self.names):
            cells = [show_percent(table[f"{state}_share"][b]) for state in STATES]
            cells += [show_number(table[f"{state}_nearest_min"][b], 1) for state in STATES]
            cells += [
                _ranged(
                    split.pays_cny[b],
                    split.pays_interval.lower_cny[b],
                    split.pays_interval.upper_cny[b],
                ),
                show_millions(table["budget_cny"][b]),
                _ranged(
                    split.gain_cny[b],
                    split.gain_interval.lower_cny[b],
                    split.gain_interval.upper_cny[b],
                ),
                show_millions(table["unified_worth_cny"][b]),
            ]
            rows.append(render_row(show_both(name), cells))
        notes = [self.say("table_note", cutoff=f"{self.it.study.access.cutoff_minutes:g}")]
        below = table["alone_share"] < table["today_share"] - SEEN_SHARE
        if self.surplus and below.any():
            notes.append(self.say("below_today", names=self.group(np.flatnonzero(below).tolist())))
        words = "".join(f'<p class="note">{note}</p>' for note in notes)
        return self._section("table_title", "", render_table(head, rows) + words)

    def rules(self) -> str:
        """Return the bill under every rule, as bars and figures, and who objects."""
        splits = self.it.splits
        least = min(float(np.minimum(s.pays_cny, 0).sum()) for s in splits)
        most = max(float(np.maximum(s.pays_cny, 0).sum()) for s in splits)
        legend = "".join(
            f"<li>{render_swatch(b)}{show_both(name)}</li>" for b, name in enumerate(self.names)
        )
        head = (
            f'<tr><th class="words">{self.say("col_rule")}</th>'
            + "".join(f"<th>{show_both(name)}</th>" for name in self.names)
            + f'<th class="words">{self.say("col_objects")}</th></tr>'
        )
        rows = []
        for split in splits:
            chosen = split.rule is self.it.study.alliance.rule
            mark = f'<span class="mark">{self.say("chosen")}</span>' if chosen else ""
            words = (
                f"{self.say(f'rule_{split.rule.value}')}{mark}"
                f'<span class="minor">{self.say(f"why_{split.rule.value}")}</span>'
                + render_stack(split.pays_cny.tolist(), least=least, most=most)
            )
            cells = [
                f"<td>{_ranged(pays, low, high)}</td>"
                for pays, low, high in zip(
                    split.pays_cny,
                    split.pays_interval.lower_cny,
                    split.pays_interval.upper_cny,
                    strict=True,
                )
            ]
            row = ' class="chosen"' if chosen else ""
            rows.append(
                f'<tr{row}><th class="words">{words}</th>{"".join(cells)}'
                f'<td class="words">{self._objectors(split)}</td></tr>'
            )
        return self._section(
            "rules_title",
            self.say("rules_intro"),
            f'<ul class="legend">{legend}</ul>{render_table(head, rows)}'
            f'<p class="note">{self.say("rules_note")}</p>',
        )

    def _objectors(self, split: Split) -> str:
        if not split.objections:
            return f'<span class="content">{self.say("nobody")}</span>'
        first = split.objections[0]
        lines = self.say(
            "objects_one", who=self.group_of(first.coalition), cny=show_millions(first.excess_cny)
        )
        if len(split.objections) > 1:
            more = self.say("objects_more", n=str(len(split.objections) - 1))
            lines += f'<span class="minor">{more}</span>'
        return lines

    def core(self) -> str:
        """Return whether any split leaves everybody content."""
        core = self.it.least_core
        if core.upper_cny <= 0:
            words = self.say("core_full", cny=show_millions(-core.epsilon_cny))
        elif core.lower_cny > 0:
            groups = [self.group_of(names) for names in core.binding]
            words = self.say(
                "core_empty",
                cny=show_millions(core.lower_cny),
                who=Both(" · ".join(w.en for w in groups), " · ".join(w.zh for w in groups)),
            )
        else:
            words = self.say(
                "core_open",
                least=show_millions(core.lower_cny),
                most=show_millions(core.upper_cny),
                cny=show_millions(core.epsilon_cny),
            )
        more = ""
        game = self.it.solved.game
        best = game.proper[np.argmax(game.value_cny[game.proper])] if game.proper.size else 0
        if self.surplus and game.value_cny[best] > game.total_cny:
            who = self.group_of(game.names(int(best)))
            more = f'<p class="note">{self.say("core_service", who=who)}</p>'
        return self._section("core_title", "", f"<p>{words}</p>{more}")

    def ledger(self) -> str:
        """Return what each brand pays at the sites, settles, and borrows; and every site."""
        bills, split = self.it.site_bills_fen, self.it.split
        at_sites = bills.sum(axis=0)
        settlement = split.pays_fen - at_sites
        table = self.it.by_brand
        keys = ("col_sites", "col_settlement", "col_bill", "col_budget", "col_borrows", "col_lends")
        head = (
            f"<tr><th>{self.say('col_brand')}</th>"
            + "".join(f"<th>{self.say(key)}</th>" for key in keys)
            + "</tr>"
        )
        rows = [
            render_row(
                show_both(name),
                [
                    show_fen(at_sites[b]),
                    show_fen(settlement[b]),
                    f"<b>{show_fen(split.pays_fen[b])}</b>",
                    show_cny(table["budget_cny"][b]),
                    show_cny(table["borrows_cny"][b]),
                    show_cny(table["lends_cny"][b]),
                ],
            )
            for b, name in enumerate(self.names)
        ]
        sums = [
            show_fen(at_sites.sum()),
            show_fen(settlement.sum()),
            show_fen(split.pays_fen.sum()),
            "",
            "",
            "",
        ]
        foot = f"<tfoot>{render_row(self.say('total'), sums)}</tfoot>"
        return self._section(
            "ledger_title",
            self.say("ledger_intro"),
            f'{render_table(head, rows, foot)}<ul class="plain note">{self._loans()}</ul>'
            f"<details><summary>{self.say('by_site')}</summary>{self._sites()}</details>",
        )

    def _loans(self) -> str:
        loans = self.it.loans
        if loans is None:
            return f"<li>{self.say('loans_unknown')}</li>"
        if not loans:
            return f"<li>{self.say('loans_none')}</li>"
        lines = (
            self.say(
                "loan",
                lender=self.names[loan.lender],
                borrower=self.names[loan.borrower],
                cny=show_fen(loan.fen),
            )
            for loan in loans
        )
        return "".join(f"<li>{line}</li>" for line in lines)

    def _sites(self) -> str:
        sites, bills = self.it.plan.sites, self.it.site_bills_fen
        head = (
            f"<tr><th>{self.say('col_site')}</th>"
            + "".join(f"<th>{show_both(name)}</th>" for name in self.names)
            + f"<th>{self.say('total')}</th></tr>"
        )
        rows = [
            render_row(
                f'{escape(site_id)} <span class="minor">{escape(site)}</span>',
                [*(show_fen(fen) for fen in bills[j]), f"<b>{show_fen(bills[j].sum())}</b>"],
            )
            for j, (site_id, site) in enumerate(zip(sites["site_id"], sites["name"], strict=True))
        ]
        return render_table(head, rows)

    def what_if(self) -> str:
        """Return the change of every bill and gain in the situation that was asked for."""
        asked = self.asked
        if asked is None:
            return ""
        words = [
            self.say(key, who=self.group_of(movers))
            for key, movers in (("what_if_joins", asked.joined), ("what_if_leaves", asked.left))
            if movers
        ]
        words += [
            self.say("what_if_budget", who=self.group_of([brand]), cny=show_millions(cny))
            for brand, cny in asked.budget_cny.items()
        ]
        keys = ("col_now", "col_then", "col_change", "col_gain", "col_then", "col_gain_change")
        head = (
            f"<tr><th>{self.say('col_brand')}</th>"
            + "".join(f"<th>{self.say(key)}</th>" for key in keys)
            + "</tr>"
        )
        table = asked.table
        rows = [
            render_row(
                show_both(self.group_of([row["brand"]])),
                [
                    show_millions(row["pays_cny"]),
                    show_millions(row["then_pays_cny"]),
                    show_signed(show_millions(row["change_of_pays_cny"])),
                    show_millions(row["gain_cny"]),
                    show_millions(row["then_gain_cny"]),
                    show_signed(show_millions(row["change_of_gain_cny"])),
                ],
            )
            for row in table[table["rule"] == self.it.split.rule.value].to_dict(orient="records")
        ]
        intro = f"{' '.join(words)} {self.say('what_if_intro')}"
        return self._section("what_if_title", intro, render_table(head, rows))

    def leaving(self) -> str:
        """Return what each brand would gain or lose if one of them left."""
        table = compute_leaving(self.it)
        if table.empty:
            return ""
        head = (
            f'<tr><th class="words">{self.say("col_leaves")}</th>'
            + "".join(f"<th>{show_both(name)}</th>" for name in self.names)
            + "</tr>"
        )
        rows = [
            render_row(
                show_both(self.group_of([str(brand)])),
                [show_signed(show_millions(cny)) for cny in changes["change_of_gain_cny"]],
            )
            for brand, changes in table.groupby("leaves", sort=False)
        ]
        return self._section("leaving_title", self.say("leaving_intro"), render_table(head, rows))

    def coalitions(self) -> str:
        """Return every group's value with its bounds."""
        asked = self.it.study.alliance
        intro = (
            self.say(
                "coalitions_surplus",
                worth=f"{asked.worth_cny_per_kwh:.2f}",
                years=str(asked.years),
                rate=f"{100 * asked.discount_rate:g}",
            )
            if self.surplus
            else self.say("coalitions_cost")
        )
        value = "col_value_surplus" if self.surplus else "col_value_cost"
        keys = (value, "col_between", "col_n_sites", "col_spends", "col_proof")
        head = (
            f'<tr><th class="words">{self.say("col_group")}</th>'
            + "".join(f"<th>{self.say(key)}</th>" for key in keys)
            + "</tr>"
        )
        rows = [
            render_row(
                show_both(self.group_of(str(row["coalition"]).split("+"))), self._value_cells(row)
            )
            for row in self.it.coalitions.to_dict(orient="records")
        ]
        return self._section(
            "coalitions_title",
            intro,
            f"<details><summary>{self.say('all_groups', n=str(len(rows)))}"
            f"</summary>{render_table(head, rows)}</details>",
        )

    def _value_cells(self, row: dict[Hashable, Any]) -> list[str]:
        if row["n_members"] == len(self.names):
            proof = self.say("proof_fact")
        elif row["status"] == SolveStatus.OPTIMAL.value:
            proof = self.say("proof_optimal", gap=f"{100 * self.it.study.solve.gap:g}")
        else:
            proof = self.say("proof_feasible", gap=f"{100 * row['gap_share']:.1f}")
        return [
            show_millions(row["value_cny"]),
            f"{show_millions(row['lower_cny'])} … {show_millions(row['upper_cny'])}",
            str(row["n_sites"]),
            show_millions(row["cost_cny"]),
            proof,
        ]

    def how_sure(self) -> str:
        """Return what is proven and what is not."""
        solve, plans = self.it.plan.solve, self.it.solved.plans[:-1]
        proof = self.words.fill(
            "plan_optimal" if solve.status is SolveStatus.OPTIMAL else "plan_feasible",
            gap=f"{100 * solve.gap:.2f}",
        )
        lines = [
            self.say("sure_plan", proof=proof),
            self.say(
                "sure_games",
                proven=str(sum(p.status is SolveStatus.OPTIMAL for p in plans)),
                n=str(len(plans)),
                gap=f"{100 * self.it.study.solve.gap:g}",
            ),
        ]
        if self.it.nucleolus_verified:
            lines.append(self.say("sure_kohlberg"))
        items = "".join(f"<li>{line}</li>" for line in lines)
        return self._section("sure_title", "", f'<ul class="plain">{items}</ul>')

    def foot(self) -> str:
        """Return where the data comes from."""
        study = self.it.study
        source = study.inputs.roads.source
        parts = [escape(study.data_date)] if study.data_date else []
        if source:
            parts.append(self.say("roads_source", source=source))
        return f"<footer>{' · '.join(parts)}</footer>"

    def _unit(self) -> str:
        return f'<span class="unit">{self.say("million")}</span>'

    def _section(self, title: str, intro: str, content: str) -> str:
        words = f'<p class="intro">{intro}</p>' if intro else ""
        return f"<section><h2>{self.say(title)}</h2>{words}{content}</section>"


def _ranged(value: float, least: float, most: float) -> str:
    """Return a figure in millions, with what it lies between beneath it where that is not one."""
    low, high = show_millions(least), show_millions(most)
    minor = "" if low == high else f'<span class="minor">{low} … {high}</span>'
    return f"{show_millions(value)}{minor}"
