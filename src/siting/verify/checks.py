"""What a written plan claims, recomputed: one function a claim, every fault in words."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

import numpy as np

from siting.verify.claim import MANIFEST, WH_PER_KWH, Claim, exact, index_of
from siting.verify.duality import compute_bound_kwh
from siting.verify.trips import find_trip_faults

CERTIFICATE = "certificate.json"
NOTHING = Fraction(0)
NO_PART_OF_A_PLAN = frozenset(
    {"check.html", "report.html"}
    | {f"{what}.{kind}" for what in ("frontier", "sensitivity") for kind in ("csv", "html", "json")}
)
"""What other commands write into a plan's folder."""
WH_SLACK = Fraction(1, 1000)
SAME_OBJECTIVE = Fraction(1, 10**9)
FEN = Fraction(1, 100)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was recomputed: what it was, and every fault found in it."""

    name: str
    detail: str
    faults: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing was at fault."""
        return not self.faults


def check_files(claim: Claim) -> Check:
    """Hold every file to the hash that the manifest gives it; there is no other file."""
    named = claim.manifest["files_sha256"]
    found = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in claim.files.items()
        if name != MANIFEST and name not in NO_PART_OF_A_PLAN
    }
    faults = [
        *(f"{name} is missing" for name in sorted(named.keys() - found.keys())),
        *(f"{name} is not in the manifest" for name in sorted(found.keys() - named.keys())),
        *(
            f"{name} has changed"
            for name in sorted(named)
            if found.get(name, named[name]) != named[name]
        ),
    ]
    return Check(name="files", detail=f"{len(found)} hashes", faults=tuple(faults))


def check_sites(claim: Claim) -> Check:
    """Hold the opened sites to room, required, forbidden, grid, spacing, counts and budget."""
    arrays, head = claim.arrays, claim.head
    tier_of = claim.tier_of_site
    opened = sorted(tier_of)
    req = {name.removeprefix("requirements."): value for name, value in arrays.items()}
    faults = [f"{_site(claim, j)} is opened but forbidden" for j in opened if req["forbidden"][j]]
    faults += [
        f"{_site(claim, j)} is required but closed"
        for j in np.flatnonzero(req["required"]).tolist()
        if j not in tier_of
    ]
    faults += [
        f"{_site(claim, j)} has no room for its tier"
        for j, k in tier_of.items()
        if not arrays["tier_allowed"][j, k]
    ]
    power = {j: Fraction(float(arrays["tier_power_kw"][j, k])) for j, k in tier_of.items()}
    faults += [
        f"{_site(claim, j)} is over its grid limit"
        for j in opened
        if power[j] > _limit(req["site_grid_limit_kw"][j])
    ]
    for g, limit_kw in enumerate(req["grid_group_limit_kw"]):
        of_group = sum((power[j] for j in opened if req["grid_group"][j] == g), Fraction(0))
        if of_group > _limit(limit_kw):
            faults.append(f"substation group {g} is over its grid limit")
    faults += [
        f"{_site(claim, a)} and {_site(claim, b)} are too close"
        for a, b in req["spacing_pairs"].tolist()
        if a in tier_of and b in tier_of
    ]
    most = head["requirements.max_sites"]
    if not head["requirements.min_sites"] <= len(opened) <= (math.inf if most is None else most):
        faults.append(f"{len(opened)} sites are opened")
    if req["district_max_sites"].size:
        count = Counter(int(arrays["site_district"][j]) for j in opened)
        faults += [
            f"district {name} has {count[d]} sites"
            for d, name in enumerate(head["district_ids"])
            if not req["district_min_sites"][d] <= count[d] <= req["district_max_sites"][d]
        ]
    cost, budget = claim.cost_cny, head["requirements.budget_cny"]
    if budget is not None and cost > Fraction(float(budget)) + FEN:
        faults.append(f"the sites cost {float(cost):,.2f} CNY, more than the budget")
    return Check(name="sites", detail=f"{len(opened)} opened, every rule", faults=tuple(faults))


def check_flows(claim: Claim) -> Check:
    """Hold the flows to reach, to who may charge where, to demand, capacity and floors."""
    arrays, head = claim.arrays, claim.head
    faults: list[str] = []
    served: dict[tuple[int, int], int] = defaultdict(int)
    supplied: dict[int, int] = defaultdict(int)
    by_brand: dict[int, int] = defaultdict(int)
    seen = set()
    for i, j, b, _, wh in claim.flow_rows:
        if (i, j, b) in seen:
            faults.append(f"a flow of {head['demand_ids'][i]} stands twice")
        seen.add((i, j, b))
        if wh <= 0:
            faults.append(f"a flow of {head['demand_ids'][i]} is not above zero")
        if not arrays["usable"][j, b]:
            faults.append(f"{head['brands'][b]} may not charge at {_supply(claim, j)}")
        served[i, b] += wh
        supplied[j] += wh
        by_brand[b] += wh
    wanted = arrays["demand_kwh_per_day"]
    faults += [
        f"{head['brands'][b]} is served beyond demand at {head['demand_ids'][i]}"
        for (i, b), wh in sorted(served.items())
        if wh > _whole_wh(wanted[i, b])
    ]
    in_all = defaultdict(Fraction, {j: Fraction(wh) for j, wh in supplied.items()})
    for (j, _), taken in claim.trip_wh.items():
        in_all[j] += taken
    faults += [
        f"{_supply(claim, j)} gives more than it can"
        for j, total in sorted(in_all.items())
        if total > _whole_wh(_capacity(claim, j)) + (1 if claim.trips.trips else 0)
    ]
    floors = arrays["requirements.floor_by_brand"]
    for b, share in enumerate(floors.tolist()):
        least = Fraction(share) * sum(map(exact, wanted[:, b].tolist())) * WH_PER_KWH
        rounded = sum(1 for _, _, brand in seen if brand == b) + WH_PER_KWH * SAME_OBJECTIVE * least
        if by_brand[b] + rounded < least:
            faults.append(f"{head['brands'][b]} is served less than its floor")
    return Check(name="flows", detail=f"{len(seen):,} flows, every limit", faults=tuple(faults))


def check_objective(claim: Claim) -> Check:
    """Hold the worth of service and the cost to what the manifest says."""
    worth = sum(
        (exact(claim.arrays["cover_worth"][p]) * wh for _, _, _, p, wh in claim.flow_rows),
        Fraction(0),
    )
    kwh = worth / WH_PER_KWH + claim.trips.worth
    stated = claim.manifest["checked_without_solver"]
    faults = []
    if abs(kwh - exact(stated[claim.in_unit("objective_kwh_per_day")])) > SAME_OBJECTIVE * max(
        kwh, Fraction(1)
    ):
        faults.append(f"the flows are worth {float(kwh):,.3f}, not what is stated")
    for key, value in (("cost_cny", claim.manifest["cost_cny"]), ("cost", stated["cost_cny"])):
        if abs(claim.cost_cny - exact(value)) > FEN / 2:
            faults.append(f"the sites cost {float(claim.cost_cny):,.2f} CNY, not the {key} stated")
    if stated["violations"] or not stated["feasible"]:
        faults.append("the manifest itself calls the plan infeasible")
    return Check(
        name="objective", detail=f"{float(kwh):,.3f} in all, to 1e-9", faults=tuple(faults)
    )


def check_trips(claim: Claim) -> Check:
    """Drive every covered trip again, there and back; none may fail."""
    head, usable = claim.head, claim.arrays["usable"].tolist()
    ids = [*head["site_ids"], *head["station_ids"]]
    n_site = len(head["site_ids"])
    opened = [*sorted(claim.tier_of_site), *range(n_site, len(ids))]
    is_open = {ids[j]: usable[j] for j in opened}
    trips = claim.trips.trips
    faults = [
        fault for trip in trips for fault in find_trip_faults(trip, supply_ids=ids, is_open=is_open)
    ]
    stated = claim.manifest.get("trips")
    if (stated is None) != (not trips):
        faults.append("the manifest and the files do not agree on whether there are trips")
    for b, row in enumerate([] if stated is None else stated["by_brand"]):
        if abs(exact(row["joint_per_day"]) - sum(trip.covered[b] for trip in trips)) > FEN:
            faults.append(f"the covered trips of {row['brand']} are not those of the table")
    driven = sum(any(trip.covered) for trip in trips)
    return Check(name="trips", detail=f"{driven:,} driven there and back", faults=tuple(faults))


def check_tables(claim: Claim) -> Check:
    """Hold the site list and the service by brand to what the flows say."""
    head, manifest = claim.head, claim.manifest
    by_site_brand = claim.taken_wh
    by_brand: dict[int, int] = defaultdict(int)
    for _, _, b, _, wh in claim.flow_rows:
        by_brand[b] += wh
    faults = []
    written = {row["site_id"]: row for row in claim.sites}
    listed = {str(row["site_id"]): row for row in manifest["sites"]}
    if written.keys() != listed.keys() or manifest["n_sites"] != len(written):
        faults.append("sites.csv and the manifest list other sites")
    index = index_of(head["site_ids"])
    for name, row in written.items():
        j = index[name]
        k = head["tiers"].index(row["tier"])
        expected = {
            "energy_kwh_per_day": sum(
                (by_site_brand[j, b] for b in range(len(head["brands"]))), NOTHING
            )
            / WH_PER_KWH,
            "cost_cny": exact(claim.arrays["tier_cost_cny"][j, k]),
            "capacity_kwh_per_day": exact(claim.arrays["tier_capacity_kwh_per_day"][j, k]),
        }
        if not claim.counts_visits:
            expected["power_kw"] = exact(claim.arrays["tier_power_kw"][j, k])
        for b, brand in enumerate(head["brands"]):
            expected[f"energy_{brand}_kwh_per_day"] = by_site_brand[j, b] / WH_PER_KWH
        for table, values in (("sites.csv", row), ("the manifest", listed.get(name, {}))):
            faults += [
                f"{table}: {column} of {name} is not {float(value):,.3f}"
                for column, value in expected.items()
                if not _states(values.get(claim.in_unit(column)), value, column)
            ]
            if values.get("tier") != row["tier"]:
                faults.append(f"{table}: the tier of {name} is another")
    for row in manifest["service_by_brand"]:
        b = head["brands"].index(row["brand"])
        if (
            abs(exact(row[claim.in_unit("joint_kwh_per_day")]) - Fraction(by_brand[b], WH_PER_KWH))
            > FEN / 10
        ):
            faults.append(f"the service of {row['brand']} is not the sum of its flows")
    return Check(name="tables", detail=f"{len(written)} sites, by brand", faults=tuple(faults))


def check_ledger(claim: Claim) -> Check:
    """Hold the sum of what the brands pay to what the sites cost, to the fen."""
    fen = [Fraction(Decimal(str(row["pays_cny"]))) / FEN for row in claim.manifest["ledger"]]
    faults = []
    if any(part.denominator != 1 or part < 0 for part in fen):
        faults.append("a payment is negative or no whole number of fen")
    if sum(fen) != _rounded(claim.cost_cny / FEN):
        faults.append("the payments do not sum to the cost")
    if [row["brand"] for row in claim.manifest["ledger"]] != claim.head["brands"]:
        faults.append("the ledger has other brands")
    return Check(name="ledger", detail=f"{len(fen)} brands, to the fen", faults=tuple(faults))


def check_proof(claim: Claim) -> Check:
    """Hold the gap to objective and bound, and the claim of optimality to the gap asked."""
    solve = claim.manifest["solve"]
    objective, bound = (
        exact(solve[claim.in_unit(f"{what}_kwh_per_day")]) for what in ("objective", "bound")
    )
    gap = abs(bound - objective) / objective if objective else Fraction(0)
    faults = []
    if abs(gap - exact(solve["gap"])) > SAME_OBJECTIVE:
        faults.append(f"the gap is {float(gap):.6%}, not what is stated")
    if (solve["status"] == "optimal") != (exact(solve["gap"]) <= exact(solve["gap_asked"])):
        faults.append("the status is not what the gap says")
    # Of several periods the solve is all of them; `check_phases` holds their mean to the flows.
    checked = claim.manifest["phases" if claim.has_phases else "checked_without_solver"]
    settled = exact(checked[claim.in_unit("objective_kwh_per_day")])
    lost = Fraction(len(claim.flows), WH_PER_KWH) + SAME_OBJECTIVE * objective
    if not settled - SAME_OBJECTIVE * objective <= objective <= settled + lost:
        faults.append("the solver's objective is not that of the flows, a watt-hour a flow allowed")
    detail = f"gap {float(gap):.4%} claimed; "
    if CERTIFICATE not in claim.files:
        return Check(name="proof", detail=detail + "no certificate", faults=tuple(faults))
    certificate = json.loads(claim.files[CERTIFICATE])
    proven = compute_bound_kwh(claim, certificate)
    stated = exact(certificate["bound_by_duality_kwh_per_day"])
    if proven is None or proven > stated:
        faults.append("the certificate's prices do not prove the bound that it states")
    if exact(solve[claim.in_unit("bound_by_duality_kwh_per_day")]) != stated:
        faults.append("manifest and certificate state another bound")
    if proven is not None:
        if settled > proven:
            faults.append("the plan is worth more than its certificate allows: one is wrong")
        by_prices = (proven - settled) / settled if settled else NOTHING
        detail += f"prices alone prove {float(by_prices):.4%}"
        detail += ", branching the rest" if bound < proven else ""
    return Check(name="proof", detail=detail, faults=tuple(faults))


def _limit(value: Any) -> Fraction | float:  # noqa: ANN401 - a number of an array
    return math.inf if math.isinf(value) else exact(value)


def _whole_wh(kwh: Any) -> int:  # noqa: ANN401 - a number of an array
    return math.floor(exact(kwh) * WH_PER_KWH + WH_SLACK)


def _rounded(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def _states(text: object, value: Fraction, column: str) -> bool:
    """Whether what is written is the value, to half of the last digit that the column has."""
    digits = 2 if column.endswith("_cny") else 3
    try:
        return abs(Fraction(Decimal(str(text))) - value) <= Fraction(501, 1000 * 10**digits)
    except (InvalidOperation, ValueError, OverflowError):
        return False


def _site(claim: Claim, j: int) -> str:
    return str(claim.head["site_ids"][j])


def _supply(claim: Claim, j: int) -> str:
    sites = claim.head["site_ids"]
    return str(sites[j] if j < len(sites) else claim.head["station_ids"][j - len(sites)])


def _capacity(claim: Claim, j: int) -> float:
    n_site = len(claim.head["site_ids"])
    if j >= n_site:
        return float(claim.arrays["station_capacity_kwh_per_day"][j - n_site])
    tier = claim.tier_of_site.get(j)
    return 0.0 if tier is None else float(claim.arrays["tier_capacity_kwh_per_day"][j, tier])
