"""What a written plan says of several futures, held together: rules, futures, sites, draws.

What is served in a future is taken from its tables, for the futures themselves are not written; the
plan in the study's own world is recomputed like any other.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from siting.verify.checks import Check
from siting.verify.claim import Claim, read_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

SAME = 2e-6
"""Shares are written with six digits."""


def check_futures(claim: Claim) -> Check:
    """Hold every rule's value to what the plan serves in the futures, and the sites to the plan."""
    rules, futures, sites, draws = (
        read_csv(claim.files[f"robust_{name}.csv"])
        for name in ("rules", "futures", "sites", "draws")
    )
    stated = claim.manifest["robust"]
    faults = [
        *_find_misjudged(rules, futures),
        *_find_other_sites(claim, stated["rule"], sites, len(futures)),
    ]
    own = next(row for row in futures if row["future"] == "as_stated")
    served = sum(
        float(claim.arrays["cover_worth"][flow.pair]) * flow.wh for flow in claim.flow_rows
    )
    wanted = 1000.0 * float(claim.arrays["demand_kwh_per_day"].sum())
    if wanted and abs(float(own[f"{stated['rule']}_share"]) - served / wanted) > SAME:
        faults.append("the plan serves another share of the study's own world than is stated")
    for kind in ("plain", "robust"):
        shares = [float(row[f"{kind}_share"]) for row in draws]
        for what, value in (("mean", sum(shares) / len(shares)), ("min", min(shares))):
            if abs(stated["draws"][f"{kind}_{what}"] - value) > SAME:
                faults.append(f"the {what} over drawn futures of the {kind} plan is another")
    for name, rows in (("rules", rules), ("futures", futures)):
        faults += _find_other_rows(stated[name], rows, name)
    return Check(name="futures", detail=f"{len(futures)} futures, by rule", faults=tuple(faults))


def _find_misjudged(rules: list[dict[str, str]], futures: list[dict[str, str]]) -> Iterator[str]:
    """Yield every rule whose value is not what the futures say, or whose bound it beats."""
    weight = [float(row["weight"]) for row in futures]
    best = [float(row["best_share"]) for row in futures]
    for row in rules:
        rule, value, bound = row["rule"], float(row["value"]), float(row["bound"])
        shares = [float(future[f"{rule}_share"]) for future in futures]
        found = {
            "expected": sum(w * share for w, share in zip(weight, shares, strict=True)),
            "max_min": min(shares),
            "regret": max(0.0, *(b - share for b, share in zip(best, shares, strict=True))),
        }[rule]
        if abs(found - value) > SAME:
            yield f"the value of {rule} is {found:.6f}, not what is stated"
        if (bound > value + SAME) if rule == "regret" else (value > bound + SAME):
            yield f"the value of {rule} is better than its bound"


def _find_other_sites(
    claim: Claim, rule: str, sites: list[dict[str, str]], n_future: int
) -> Iterator[str]:
    """Yield every site that the two site lists do not agree on."""
    names, tiers = claim.head["site_ids"], claim.head["tiers"]
    opened = {names[j]: tiers[k] for j, k in claim.tier_of_site.items()}
    if opened != {row["site_id"]: row[rule] for row in sites if row[rule]}:
        yield "sites.csv is not the plan by the rule"
    listed: dict[str, dict[str, str]] = defaultdict(dict)
    listed |= {row["site_id"]: row for row in sites}
    for row in (*sites, *claim.sites):
        if (row["no_regret"] == "True") != (int(row["n_chosen_alone"]) == n_future):
            yield f"{row['site_id']} is said to be no-regret, or not to be, and is otherwise"
    for row in claim.sites:
        if row["n_chosen_alone"] != listed[row["site_id"]].get("n_chosen_alone"):
            yield f"{row['site_id']} is said to be chosen by other futures"


def _find_other_rows(
    stated: list[dict[str, Any]], rows: list[dict[str, str]], name: str
) -> Iterator[str]:
    """Yield every row of the manifest that its table has otherwise."""
    written = [{key: row[key] for key in of} for row, of in zip(rows, stated, strict=False)]
    if len(rows) != len(stated) or written != [
        {key: str(value) for key, value in row.items()} for row in stated
    ]:
        yield f"the manifest has other {name}"
