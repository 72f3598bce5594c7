"""The report's part on trips between places: who can make them, and between which places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from siting.outputs.page import (
    Both,
    PageLanguage,
    Phrases,
    render_row,
    render_table,
    show_number,
    show_percent,
)
from siting.outputs.report_parts import render_section
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from siting.outputs.written_plan import WrittenPlan

MOST_LISTED = 20
TRIP_STATES = ("cars", "today", "joint")


def render_trips_part(plan: WrittenPlan, language: PageLanguage) -> str:
    """Return which trips can be made, by brand and between the busiest places; nothing without."""
    trips = plan.drawing["trips"]
    if trips is None:
        return ""
    words = Phrases.read("report_assets", "trips_texts.json", language=language)
    by_brand = [trips["by_brand"][state] for state in TRIP_STATES]
    total = [sum(values) for values in by_brand]
    head = "".join(
        f"<th>{words.say(f'col_{key}')}</th>" for key in ("brand", *TRIP_STATES, "share")
    )
    brands = [
        render_row(words.show(name), _tell([values[b] for values in by_brand]))
        for b, name in enumerate(plan.brands.values())
    ]
    foot = f"<tfoot>{render_row(words.say('total'), _tell(total))}</tfoot>"
    cars = trips["cars"]
    busiest = sorted(range(len(cars)), key=lambda pair: (-cars[pair], pair))[:MOST_LISTED]
    n_charge: dict[int, int] = {}
    for fleet in trips["fleets"]:
        n = len(fleet["charges"])
        n_charge[fleet["pair"]] = max(n, n_charge.get(fleet["pair"], 0))
    pair_head = "".join(
        f"<th>{words.say(f'col_{key}')}</th>"
        for key in ("pair", "km", *TRIP_STATES, "share", "charges")
    )
    pairs = [
        render_row(
            words.show(_name_pair(plan, pair)),
            [
                show_number(trips["there_km"][pair], 0),
                *_tell([cars[pair], *(trips["covered"][s][pair] for s in TRIP_STATES[1:])]),
                str(n_charge[pair]) if trips["covered"]["joint"][pair] else "–",
            ],
        )
        for pair in busiest
    ]
    intro = words.say(
        "intro",
        joint=show_number(total[2], 0),
        cars=show_number(total[0], 0),
        today=show_number(total[1], 0),
    )
    content = (
        render_table(f"<tr>{head}</tr>", brands, foot)
        + f"<h3>{words.say('pairs_title', n=str(len(pairs)))}</h3>"
        + render_table(f"<tr>{pair_head}</tr>", pairs)
        + f'<p class="note">{words.say("note")}</p>'
    )
    return render_section(words.say("headline"), intro, content, css_class="trips")


def _tell(cars: list[float]) -> list[str]:
    """Return cars that set out, that make it today and with the plan, and the last as a share."""
    return [
        *(show_number(value, 0) for value in cars),
        show_percent(cars[2] / cars[0] if cars[0] else 0.0),
    ]


def _name_pair(plan: WrittenPlan, pair: int) -> Both:
    """Return a pair of places by their names in both languages."""
    trips = plan.drawing["trips"]
    ends = [as_both(trips["places"]["name"][trips[end][pair]]) for end in ("origin", "destination")]
    return Both(*(" – ".join(getattr(end, lang) for end in ends) for lang in ("en", "zh")))
