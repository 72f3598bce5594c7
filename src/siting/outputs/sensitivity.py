"""What becomes of a plan when its figures are off: a table, a tornado chart, and a page of both."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from siting.domain import Doubt, Facility
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
    show_number,
    show_percent,
    show_signed,
)
from siting.outputs.report_parts import read_style, render_made_of, render_section, render_top
from siting.outputs.study_results import StudyResults, list_rows, render_results
from siting.sensitivity import order_by_swing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from siting.sensitivity import Sensitivity

WIDTH, LEFT, RIGHT, TOP, ROW, BOTTOM = 960, 150, 64, 14, 58, 40
LESS_COLOUR, MORE_COLOUR, BOUND_COLOUR, INK = "#1b6ca8", "#d98c1f", "#8a8892", "#2a2630"
PALE, FULL = ".42", "1"
BAR, KEPT = 22, 5
MARGIN_SHARE, LEAST_SPAN = 0.08, 0.02
SHARE_DIGITS = 6
TICK_STEPS, MOST_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2), 7
OPTIMAL = "optimal"
NO_PLAN_WORDS = {"infeasible": "impossible", "no_plan": "no_plan"}
COLUMNS = ("doubt", "change", "value", "served", "bound", "kept", "gain", "sites", "status")


def build_sensitivity(sensitivity: Sensitivity) -> pd.DataFrame:
    """Return the sensitivity's table as it is written: shares and gaps to six digits."""
    table = sensitivity.table
    shares = [name for name in table.columns if name.endswith("_share")]
    return table.round(dict.fromkeys([*shares, "gain_at_most", "gap", "value"], SHARE_DIGITS))


def render_sensitivity_csv(sensitivity: Sensitivity) -> bytes:
    """Return the sensitivity as CSV."""
    return render_csv(
        build_sensitivity(sensitivity).assign(illustrative=sensitivity.plan.case.illustrative)
    )


def render_sensitivity_json(sensitivity: Sensitivity) -> bytes:
    """Return the sensitivity as a report reads it."""
    table = build_sensitivity(sensitivity)
    return render_results(table, sensitivity.plan, figures=_figures(sensitivity))


def render_sensitivity(sensitivity: Sensitivity) -> bytes:
    """Return the sensitivity as one page in two languages, without a script."""
    case, words = sensitivity.plan.case, read_sensitivity_words(PageLanguage.BOTH)
    results = StudyResults(
        rows=list_rows(build_sensitivity(sensitivity)), figures=_figures(sensitivity)
    )
    title = case.study.title
    lead = "".join(f"<li>{line}</li>" for line in render_sensitivity_lead(results, words))
    body = (
        f"<header>{render_top(words, 'eyebrow')}<h1>{words.say('headline')}</h1>"
        f'<p class="study">{words.show(Both(title.en, title.zh or title.en))}</p>'
        f'<ul class="lead">{lead}</ul>{render_made_of(case, words)}</header>'
        + render_section(
            words.say("chart_title"),
            words.say("chart_intro"),
            render_sensitivity_figure(results, words),
        )
        + render_section(
            words.say("table_title"),
            words.say("table_note"),
            render_sensitivity_table(results.rows, words, case.study.facility),
        )
    )
    return render_page(body, title=title.en, style=read_style())


def read_sensitivity_words(language: PageLanguage) -> Phrases:
    """Return the sensitivity's words."""
    return Phrases.read("report_assets", "sensitivity_texts.json", language=language)


def render_sensitivity_lead(results: StudyResults, words: Phrases) -> list[str]:
    """Return what to keep in mind: what service hangs on, what foresight is worth, what breaks."""
    rows, base = results.rows, results.figures["served_share"]
    lines = []
    order = _order(rows)
    solved = [row for row in rows if row["doubt"] == order[0] and _known(row["served_share"])]
    if solved:
        shares = [row["served_share"] for row in solved]
        lines.append(
            words.say(
                "lead_swing",
                doubt=words.fill(f"doubt_{order[0]}"),
                less=_off(min(row["change"] for row in solved), words),
                more=_off(max(row["change"] for row in solved), words),
                low=show_percent(min(shares), 1),
                high=show_percent(max(shares), 1),
                base=show_percent(base, 1),
            )
        )
    gains = [row["gain_at_most"] for row in rows if _known(row["gain_at_most"])]
    if gains:
        lines.append(words.say("lead_gain", gain=show_number(100 * _up(max(gains)), 1)))
    unpaid = [row for row in rows if not _known(row["kept_share"])]
    broken = [row for row in rows if _known(row["kept_share"]) and row["kept_breaks"]]
    for key, cases in (("lead_unpaid", unpaid), ("lead_breaks", broken)):
        if cases:
            lines.append(words.say(key, cases=_name_cases(cases, words)))
    return lines


def render_sensitivity_figure(results: StudyResults, words: Phrases) -> str:
    """Return the tornado chart with its key."""
    keys = [
        (f'<rect x="2" y="6" width="18" height="10" fill="{LESS_COLOUR}"/>', "key_less"),
        (f'<rect x="2" y="6" width="18" height="10" fill="{MORE_COLOUR}"/>', "key_more"),
        (f'<path d="M11 3V19" stroke="{BOUND_COLOUR}" stroke-width="3"/>', "key_bound"),
        (f'<path d="{_diamond(11, 11)}" fill="#fff" stroke="{INK}" stroke-width="2"/>', "key_kept"),
    ]
    legend = "".join(
        f'<li><svg class="dot" viewBox="0 0 22 22" aria-hidden="true">{mark}</svg>'
        f"{words.say(key)}</li>"
        for mark, key in keys
    )
    several = len({abs(row["change"]) for row in results.rows}) > 1
    pale = f" {words.say('axis_pale')}" if several else ""
    return (
        f'<figure><div class="sheet" tabindex="0">{_render_tornado(results, words)}</div>'
        f'<ul class="legend">{legend}</ul>'
        f'<figcaption id="tornado-caption">{words.say("axis")}{pale}</figcaption></figure>'
    )


def render_sensitivity_table(
    rows: Sequence[Mapping[str, Any]], words: Phrases, facility: Facility
) -> str:
    """Return the table, the figure that moves service most first."""
    head = "".join(f"<th>{words.say(f'col_{name}')}</th>" for name in COLUMNS)
    ordered = [
        row
        for doubt in _order(rows)
        for row in sorted(rows, key=lambda row: float(row["change"]))
        if row["doubt"] == doubt
    ]
    return render_table(f"<tr>{head}</tr>", [_table_row(row, words, facility) for row in ordered])


def _table_row(row: Mapping[str, Any], words: Phrases, facility: Facility) -> str:
    why_none = NO_PLAN_WORDS.get(row["status"])
    gain = row["gain_at_most"]
    sites = " · ".join(str(row[f"n_{what}"]) for what in ("same", "resized", "new", "dropped"))
    if why_none is not None:
        proof = words.say(why_none)
    elif row["status"] == OPTIMAL:
        proof = words.say("proven")
    else:
        proof = words.say("not_proven", gap=show_percent(row["gap"], 2))
    return render_row(
        words.say(f"doubt_{row['doubt']}"),
        [
            show_signed(show_percent(row["change"])),
            _show_value(row, words, facility),
            show_percent(row["served_share"], 1) if _known(row["served_share"]) else MISSING,
            show_percent(row["bound_share"], 1) if _known(row["bound_share"]) else MISSING,
            show_percent(row["kept_share"], 1)
            if _known(row["kept_share"])
            else words.say("not_paid"),
            show_percent(_up(gain), 1) if _known(gain) else MISSING,
            sites if why_none is None else MISSING,
            proof,
        ],
    )


def _show_value(row: Mapping[str, Any], words: Phrases, facility: Facility) -> str:
    value, doubt = float(row["value"]), Doubt(row["doubt"])
    if doubt in {Doubt.BUDGET, Doubt.COST}:
        return words.say("value_money", x=show_millions(value))
    if doubt is Doubt.DEMAND:
        centre = facility is Facility.SERVICE_CENTRE
        return words.say("value_visits" if centre else "value_energy", x=show_number(value, 0))
    return words.say("value_minutes", x=f"{value:.4g}")


def _render_tornado(results: StudyResults, words: Phrases) -> str:
    """Return the chart: a band a figure, from the worst to the best service it leads to."""
    rows, base = results.rows, results.figures["served_share"]
    order = _order(rows)
    height = TOP + ROW * len(order) + BOTTOM
    low, high = _ends(rows, base)

    def at(share: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (share - low) / (high - low)

    parts = []
    for share in _ticks(low, high):
        parts.append(f'<path d="M{at(share):.1f} {TOP}V{height - BOTTOM}" stroke="#e4ded2"/>')
        parts.append(_text(at(share), height - 16, f"{100 * share:.0f}%", anchor="middle"))
    for n, doubt in enumerate(order):
        y = TOP + ROW * n + ROW / 2
        parts += _both_texts(LEFT - 16, y + 5, words.fill(f"doubt_{doubt}"), words)
        own = sorted((r for r in rows if r["doubt"] == doubt), key=lambda r: -abs(r["change"]))
        parts += [_bar(row, base=base, at=at, y=y, own=own) for row in own]
        parts += [_ends_of(row, at=at, y=y) for row in own]
        parts += [
            f'<path d="{_diamond(at(row["kept_share"]), _top(row, y) + BAR / 2)}" fill="#fff" '
            f'stroke="{INK}" stroke-width="2"/>'
            for row in own
            if _known(row["kept_share"])
        ]
    line = f'<path d="M{at(base):.1f} {TOP}V{height - BOTTOM}" stroke="{INK}" stroke-width="2"/>'
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="tornado-caption">{"".join(parts)}{line}</svg>'
    )


def _bar(
    row: Mapping[str, Any],
    *,
    base: float,
    at: Callable[[float], float],
    y: float,
    own: Sequence[Mapping[str, Any]],
) -> str:
    """Return one change's bar; the smallest change is drawn full, larger ones pale."""
    share = row["served_share"]
    if not _known(share):
        return ""
    least = min(abs(other["change"]) for other in own)
    start, end = sorted((at(base), at(share)))
    colour = LESS_COLOUR if row["change"] < 0 else MORE_COLOUR
    opacity = FULL if abs(row["change"]) == least else PALE
    return (
        f'<rect x="{start:.1f}" y="{_top(row, y):.1f}" width="{max(end - start, 1):.1f}" '
        f'height="{BAR}" fill="{colour}" fill-opacity="{opacity}"/>'
    )


def _ends_of(row: Mapping[str, Any], *, at: Callable[[float], float], y: float) -> str:
    """Return the mark of the bound, which no plan for that world can pass."""
    if not _known(row["bound_share"]) or not _known(row["served_share"]):
        return ""
    x = at(row["bound_share"])
    return (
        f'<path d="M{x:.1f} {_top(row, y):.1f}v{BAR}" stroke="{BOUND_COLOUR}" stroke-width="2.5"/>'
    )


def _top(row: Mapping[str, Any], y: float) -> float:
    """Return where a change's half of its figure's row begins: what is lower stands above."""
    return y - BAR if row["change"] < 0 else y


def _ticks(low: float, high: float) -> list[float]:
    """Return round shares between the ends, a few."""
    step = next(step for step in TICK_STEPS if (high - low) / step <= MOST_TICKS)
    first = math.ceil(low / step - 1e-9)
    return [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _ends(rows: Sequence[Mapping[str, Any]], base: float) -> tuple[float, float]:
    """Return the scale's ends in whole per cent: everything drawn lies between them."""
    names = ("served_share", "bound_share", "kept_share")
    shares = [base, *(row[name] for row in rows for name in names if _known(row[name]))]
    margin = max(MARGIN_SHARE * (max(shares) - min(shares)), LEAST_SPAN / 2)
    low = math.floor(100 * max(min(shares) - margin, 0.0)) / 100
    high = math.ceil(100 * min(max(shares) + margin, 1.0)) / 100
    return low, max(high, low + LEAST_SPAN)


def _order(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return order_by_swing(pd.DataFrame(rows))


def _figures(sensitivity: Sensitivity) -> dict[str, float]:
    plan = sensitivity.plan
    wanted = float(plan.case.instance.demand_kwh_per_day.sum())
    served = float(plan.joint.evaluation.served_kwh_per_day.sum())
    return {"served_share": served / wanted if wanted else 0.0}


def _name_cases(rows: Iterable[Mapping[str, Any]], words: Phrases) -> Both:
    named = [
        words.fill(
            "case", doubt=words.fill(f"doubt_{row['doubt']}"), change=_off(row["change"], words)
        )
        for row in rows
    ]
    return Both(", ".join(name.en for name in named), "、".join(name.zh for name in named))


def _off(change: float, words: Phrases) -> Both:
    return words.fill("off_less" if change < 0 else "off_more", percent=show_percent(abs(change)))


def _up(share: float) -> float:
    """Return a share rounded up to a tenth of a per cent: what can be missed is never made less."""
    return math.ceil(share * 1e3 - 1e-6) / 1e3


def _known(value: float) -> bool:
    return math.isfinite(value)


def _diamond(x: float, y: float) -> str:
    return f"M{x:.1f} {y - KEPT - 2:.1f}l{KEPT} {KEPT + 2}l-{KEPT} {KEPT + 2}l-{KEPT} -{KEPT + 2}z"


def _both_texts(x: float, y: float, text: Both, words: Phrases) -> list[str]:
    if words.language is PageLanguage.EN:
        return [_text(x, y, text.en)]
    if words.language is PageLanguage.ZH:
        return [_text(x, y, text.zh)]
    return [_text(x, y, text.en, css_class="en"), _text(x, y, text.zh, css_class="zh")]


def _text(x: float, y: float, text: str, *, anchor: str = "end", css_class: str = "") -> str:
    named = f' class="{css_class}"' if css_class else ""
    return (
        f'<text{named} x="{x:.1f}" y="{y:.1f}" font-size="14" fill="#5b5566" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
