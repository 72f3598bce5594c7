"""What a written plan says of waiting, simulated anew from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siting.verify.checks import Check
from siting.verify.claim import WAITING, WH_PER_KWH, read_csv
from siting.verify.waiting import SECOND_DIGITS, SHARE_DIGITS, read_queues, simulate

if TYPE_CHECKING:
    from siting.verify.claim import Claim
    from siting.verify.waiting import PlanWaits

SAME_SHARE, SAME_WAIT = 2.0 * 10.0**-SHARE_DIGITS, 2.0 * 10.0**-SECOND_DIGITS


def check_waiting(claim: Claim) -> Check:
    """Play out every site again, and hold what is said of the promise to what comes of it."""
    waits = simulate_claim(claim)
    written = {row["site_id"]: row for row in read_csv(claim.files[WAITING])}
    faults = []
    if list(written) != [site.queue.site_id for site in waits.sites]:
        faults.append(f"{WAITING} lists other sites")
    for row in waits.rows():
        stated = written.get(row["site_id"], {})
        faults += [
            f"{WAITING}: {column} of {row['site_id']} is {value}, not what is stated"
            for column, value in row.items()
            if not _states(stated.get(column, ""), value, column)
        ]
    if claim.manifest["waiting"] != waits.describe():
        faults.append("the manifest says something else of the promised wait than the simulation")
    told = waits.describe()
    n_broken, n_own = len(told["broken"]), len(told["broken_with_own_cars"])
    detail = f"{len(waits.sites)} sites simulated; promise broken at {n_broken}"
    return Check(
        name="waiting", detail=f"{detail}, with their own cars at {n_own}", faults=tuple(faults)
    )


def simulate_claim(claim: Claim) -> PlanWaits:
    """Play out the sites of a written plan, by its flows and nothing that it says of them."""
    brands = claim.head["brands"]
    taken = claim.taken_wh
    names, tiers = claim.head["site_ids"], claim.head["tiers"]
    promise, queues = read_queues(
        claim.manifest["study_as_read"],
        wanted=claim.arrays["demand_kwh_per_day"].sum(axis=0).tolist(),
        tier_of_site={names[j]: tiers[k] for j, k in claim.tier_of_site.items()},
        energy_of_site={
            names[j]: [float(taken[j, b] / WH_PER_KWH) for b in range(len(brands))]
            for j in claim.tier_of_site
        },
    )
    return simulate(promise, queues)


def _states(text: str, value: Any, column: str) -> bool:  # noqa: ANN401 - a cell of a row
    """Whether what is written is the value; another machine's logarithm may move a car or two."""
    if isinstance(value, str | bool):
        return text == str(value)
    same = SAME_WAIT if column.endswith("_s") else SAME_SHARE
    try:
        return abs(float(text) - float(value)) <= same
    except ValueError:
        return False
