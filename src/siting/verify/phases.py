"""The periods of a written plan, recomputed: each as a plan of its own, and what joins them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from siting.verify.checks import FEN, SAME_OBJECTIVE, Check, check_flows, check_sites
from siting.verify.claim import PHASE_FLOWS, PHASES, WH_PER_KWH, Claim, exact, index_of, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

    Rows = list[dict[str, str]]

SAME_SHARE, SAME_ENERGY = Fraction(501, 10**7), Fraction(501, 10**6)
"""Half of the last digit that is written."""


def check_phases(claim: Claim) -> Check:
    """Hold every period to its own rules, and the sites to what stood before them.

    A period is a plan by itself, with its demand and all the money that came by its end; what a
    plan must reach holds in the last alone. No site closes, no tier shrinks, the last period is
    the plan, and the mean worth of all years is what the manifest says.
    """
    periods = dict(split_periods(claim))
    faults = [
        f"{name}: {fault}"
        for name, period in periods.items()
        for check in (check_sites, check_flows)
        for fault in check(period).faults
    ]
    for (_, before), (name, after) in pairwise(periods.items()):
        faults += [f"{name}: {fault}" for fault in _find_undone(before, after)]
    last = list(periods.values())[-1]
    if last.tier_of_site != claim.tier_of_site:
        faults.append("the last period is not what sites.csv lists")
    if sorted(last.flow_rows) != sorted(claim.flow_rows):
        faults.append("the flows of the last period are not those of flows.csv")
    faults += [*_find_misstated(claim, periods), *_find_misjudged(claim, periods)]
    return Check(name="phases", detail=f"{len(periods)} periods, every rule", faults=tuple(faults))


def split_periods(claim: Claim) -> Iterator[tuple[str, Claim]]:
    """Yield every period by its id, as a plan that was claimed by itself.

    Raises
    ------
    ValueError
        If a row belongs to no period.
    """
    phases = claim.manifest["study_as_read"]["phases"]
    sites, flows = (read_csv(claim.files[name]) for name in (PHASES, PHASE_FLOWS))
    if {row["phase"] for row in (*sites, *flows)} - {phase["id"] for phase in phases}:
        raise ValueError("a row belongs to no period")
    came = np.minimum(np.cumsum([phase["budget_share"] for phase in phases]), 1.0).tolist()
    budget = claim.head["requirements.budget_cny"]
    nothing = {
        f"requirements.{name}": np.zeros_like(claim.arrays[f"requirements.{name}"])
        for name in ("required", "floor_by_brand", "district_min_sites")
    }
    for phase, share in zip(phases, came, strict=True):
        is_last = phase is phases[-1]
        by_brand = phase["demand_share_by_brand"]
        grown = [by_brand.get(brand, phase["demand_share"]) for brand in claim.head["brands"]]
        demand = claim.arrays["demand_kwh_per_day"] * np.array(grown)
        yield (
            phase["id"],
            replace(
                claim,
                head=claim.head
                | {"requirements.budget_cny": None if budget is None else budget * share}
                | ({} if is_last else {"requirements.min_sites": 0}),
                arrays=claim.arrays | {"demand_kwh_per_day": demand} | ({} if is_last else nothing),
                sites=_of_period(sites, phase["id"]),
                flows=_of_period(flows, phase["id"]),
            ),
        )


def _of_period(rows: Rows, name: str) -> Rows:
    return [row for row in rows if row["phase"] == name]


def _find_undone(before: Claim, after: Claim) -> Iterator[str]:
    """Yield every site that closes, or gives or costs less than in the period before."""
    arrays, names = after.arrays, after.head["site_ids"]
    for j, old in before.tier_of_site.items():
        new = after.tier_of_site.get(j)
        if new is None:
            yield f"{names[j]} closes"
            continue
        for what, column in (
            ("capacity", "tier_capacity_kwh_per_day"),
            ("cost", "tier_cost_cny"),
        ):
            if arrays[column][j, new] < arrays[column][j, old]:
                yield f"{names[j]} shrinks in {what}"


def _find_misstated(claim: Claim, periods: dict[str, Claim]) -> Iterator[str]:
    """Yield what the manifest and the tables say otherwise of the periods."""
    rows = {row["phase"]: row for row in claim.manifest["phases"]["periods"]}
    if list(rows) != list(periods):
        yield "the manifest lists other periods"
        return
    spent, before = Fraction(0), dict[int, int]()
    opens, grows = dict[int, str](), dict[int, list[str]]()
    for name, period in periods.items():
        now, row = period.tier_of_site, rows[name]
        opened = now.keys() - before.keys()
        grown = [j for j, k in before.items() if now.get(j, k) != k]
        opens |= dict.fromkeys(opened, name)
        for j in grown:
            grows.setdefault(j, []).append(f"{name}: {claim.head['tiers'][now[j]]}")
        counts = {"n_sites": len(now), "n_opened": len(opened), "n_grown": len(grown)}
        yield from (
            f"{name}: {what} is {count}, not {row[what]}"
            for what, count in counts.items()
            if row[what] != count
        )
        if abs(exact(row["spent_cny"]) - (period.cost_cny - spent)) > FEN:
            yield f"{name}: {float(period.cost_cny - spent):,.2f} CNY are spent, not what is stated"
        served = Fraction(sum(flow.wh for flow in period.flow_rows), WH_PER_KWH)
        wanted = sum(map(exact, period.arrays["demand_kwh_per_day"].ravel().tolist()), Fraction(0))
        if abs(exact(row["served_share"]) - (served / wanted if wanted else 0)) > SAME_SHARE:
            yield f"{name}: another share is served than is stated"
        yield from _find_other_energy(name, period)
        spent, before = period.cost_cny, now
    index = index_of(claim.head["site_ids"])
    for site in claim.sites:
        j = index[site["site_id"]]
        if (site["opens"], site["grows"]) != (opens.get(j, ""), "; ".join(grows.get(j, []))):
            yield f"sites.csv: {site['site_id']} opens or grows at another time"


def _find_other_energy(name: str, period: Claim) -> Iterator[str]:
    """Yield every site whose energy in a period is not what its flows sum to."""
    given: dict[int, Fraction] = defaultdict(Fraction)
    for (j, _), wh in period.taken_wh.items():
        given[j] += wh
    index = index_of(period.head["site_ids"])
    for row in period.sites:
        stated = exact(row[period.in_unit("energy_kwh_per_day")])
        if abs(stated - given[index[row["site_id"]]] / WH_PER_KWH) > SAME_ENERGY:
            yield f"{name}: the energy of {row['site_id']} is not the sum of its flows"


def _find_misjudged(claim: Claim, periods: dict[str, Claim]) -> Iterator[str]:
    """Yield what is said otherwise of all periods together: worth, proof, the loss of myopia."""
    stated, solve = claim.manifest["phases"], claim.manifest["solve"]
    years = [exact(phase["years"]) for phase in claim.manifest["study_as_read"]["phases"]]
    worths = [
        sum((exact(claim.arrays["cover_worth"][f.pair]) * f.wh for f in p.flow_rows), Fraction(0))
        for p in periods.values()
    ]
    mean = sum((w * worth for w, worth in zip(years, worths, strict=True)), Fraction(0))
    mean /= WH_PER_KWH * sum(years)
    objective, bound, alone = (
        stated[claim.in_unit(f"{what}_kwh_per_day")]
        for what in ("objective", "bound", "myopic_objective")
    )
    if abs(mean - exact(objective)) > SAME_OBJECTIVE * max(mean, Fraction(1)):
        yield f"all years are worth {float(mean):,.3f} on the mean, not what is stated"
    if stated["violations"]:
        yield "the manifest itself says that the periods break a rule"
    figures = {"objective": objective, "bound": bound}
    figures = {claim.in_unit(f"{what}_kwh_per_day"): value for what, value in figures.items()}
    for what, value in (figures | {key: stated[key] for key in ("status", "gap")}).items():
        if solve[what] != value:
            yield f"the {what} of all periods is not that of the solve"
    if alone is not None and objective:
        for key, top in (("myopic_loss_least", objective), ("myopic_loss_most", bound)):
            loss = max(Fraction(0), exact(top) - exact(alone)) / exact(objective)
            if abs(exact(stated[key]) - loss) > SAME_OBJECTIVE:
                yield f"{key} is not what the figures say"
