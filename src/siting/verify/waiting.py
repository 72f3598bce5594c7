"""The promised wait, checked: every opened site's busiest hour is played out, car by car.

Arrivals are Poisson, as many as the plan sends to the site by brand, and sessions exponential. Each
site is played twice, with the same arrivals. *As promised*, every session has the mean that its
capacity was computed with, that of all demand. *With its own cars*, a session has the mean of the
car's brand, so a site that many slow cars are sent to shows. A promise is broken where even the
lower end of the interval is above it; all intervals of a plan hold together but for one plan in a
hundred.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.verify.queueing import Interval, find_interval, play_out

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from siting.verify.queueing import Floats

ERROR = 0.01
CARS_BEFORE, CARS_COUNTED = 1_000, 4_000
MOST_RUNS, LEAST_RUNS, RUNS_OF_A_PLAN = 80, 20, 8_000
SITES_AT_ONCE = 8
NEVER_S = 1e12
OWN = "own_"
SHARE_DIGITS, SECOND_DIGITS = 5, 2
SECONDS_PER_HOUR, SECONDS_PER_MINUTE, HOURS_PER_DAY = 3600.0, 60.0, 24.0


@dataclass(frozen=True, kw_only=True)
class Promise:
    """P(wait > max_wait_s) ≤ late_share in the busiest hour."""

    max_wait_s: float
    late_share: float


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What a site's connectors see in the busiest hour.

    Attributes
    ----------
    site_id
        The site.
    connectors
        How many.
    arrivals_per_s
        Cars of each brand.
    session_s
        Mean session of each brand's cars.
    promised_session_s
        Mean session that the promise was computed with.
    """

    site_id: str
    connectors: int
    arrivals_per_s: tuple[float, ...]
    session_s: tuple[float, ...]
    promised_session_s: float


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How a site's cars wait: who waits longer than promised, and the mean (s)."""

    late_share: Interval
    wait_s: Interval


@dataclass(frozen=True, kw_only=True)
class SiteWaits:
    """A site's waits, as promised and with its own cars."""

    queue: Queue
    promised: Waits
    own: Waits


@dataclass(frozen=True, kw_only=True)
class PlanWaits:
    """The waits of all sites of a plan, in their order."""

    promise: Promise
    sites: tuple[SiteWaits, ...]
    n_run: int

    def rows(self) -> list[dict[str, Any]]:
        """Return what `waiting.csv` says, one site a row, rounded."""
        rows = []
        for site in self.sites:
            row: dict[str, Any] = {
                "site_id": site.queue.site_id,
                "arrivals_per_hour": round(sum(site.queue.arrivals_per_s) * SECONDS_PER_HOUR, 3),
            }
            for prefix, waits in (("", site.promised), (OWN, site.own)):
                late, wait_s = waits.late_share, waits.wait_s
                for end in ("mean", "least", "most"):
                    row[f"{prefix}late_share_{end}"] = round(getattr(late, end), SHARE_DIGITS)
                for end in ("mean", "least", "most"):
                    row[f"{prefix}wait_{end}_s"] = round(getattr(wait_s, end), SECOND_DIGITS)
                row[f"{prefix}kept"] = row[f"{prefix}late_share_least"] <= self.promise.late_share
            rows.append(row)
        return rows

    def describe(self) -> dict[str, Any]:
        """Return what `plan.json` says: the promise, how it was tried, and where it is broken."""
        rows = self.rows()
        return {
            "max_wait_s": self.promise.max_wait_s,
            "late_share": self.promise.late_share,
            "confidence": 1.0 - ERROR,
            "runs": self.n_run,
            "cars_a_run": CARS_COUNTED,
            "broken": [row["site_id"] for row in rows if not row["kept"]],
            "broken_with_own_cars": [row["site_id"] for row in rows if not row[f"{OWN}kept"]],
        }


def read_queues(
    study: Mapping[str, Any],
    *,
    wanted: Sequence[float],
    tier_of_site: Mapping[str, str],
    energy_of_site: Mapping[str, Sequence[float]],
) -> tuple[Promise, tuple[Queue, ...]]:
    """Return what is promised, and what every site's connectors see, from a study and a plan.

    Parameters
    ----------
    study
        The study as `plan.json` has it.
    wanted
        (n_brand,) what each brand wants of all sites and stations (kWh/day, or visits a year).
    tier_of_site
        Id of every opened site's tier.
    energy_of_site
        What each brand's cars take at every opened site, as ``wanted``.
    """
    service, tiers = study["service"], {tier["id"]: tier for tier in study["tiers"]}
    hours = HOURS_PER_DAY
    each, overhead_s = service["session_kwh"], service["overhead_minutes"] * SECONDS_PER_MINUTE
    visits = study["visits"] if study["facility"] == "service_centre" else None
    if visits is not None:
        hours, each = visits["opening_hours_per_day"] * visits["opening_days_per_year"], 1.0
    busy_s = hours / service["peak_to_mean"] * SECONDS_PER_HOUR

    def find_session_s(tier: Mapping[str, Any], brand: Mapping[str, Any]) -> float:
        if visits is not None:
            return float(visits["hours_per_visit"] * SECONDS_PER_HOUR)
        power_kw = min(tier["power_kw"], brand["usable_power_kw"])
        return float(each / power_kw * SECONDS_PER_HOUR + overhead_s)

    weight = np.asarray(wanted, dtype=np.float64)
    weight = weight if weight.sum() > 0 else np.ones_like(weight)
    queues = []
    for site, name in tier_of_site.items():
        session_s = tuple(find_session_s(tiers[name], brand) for brand in study["brands"])
        queues.append(
            Queue(
                site_id=site,
                connectors=tiers[name]["connectors"],
                arrivals_per_s=tuple(float(kwh) / each / busy_s for kwh in energy_of_site[site]),
                session_s=session_s,
                promised_session_s=float(np.average(session_s, weights=weight)),
            )
        )
    promise = Promise(
        max_wait_s=service["max_wait_minutes"] * SECONDS_PER_MINUTE,
        late_share=service["wait_exceeded_share"],
    )
    return promise, tuple(queues)


def simulate(promise: Promise, queues: Sequence[Queue]) -> PlanWaits:
    """Play out the busiest hour of every site, long enough to tell.

    Parameters
    ----------
    promise
        What is promised.
    queues
        The sites. Each has its own random numbers, by its id.
    """
    n_run = max(LEAST_RUNS, min(MOST_RUNS, RUNS_OF_A_PLAN // max(1, len(queues))))
    sites = []
    for first in range(0, len(queues), SITES_AT_ONCE):
        chunk = queues[first : first + SITES_AT_ONCE]
        gaps, promised, own = (
            np.hstack(parts) for parts in zip(*(_draw(q, n_run) for q in chunk), strict=True)
        )
        connectors = [queue.connectors for queue in chunk for _ in range(n_run)]
        waits_s = play_out(np.hstack((gaps, gaps)), np.hstack((promised, own)), connectors * 2)[
            CARS_BEFORE:
        ]
        late, wait_s = (
            values.mean(axis=0).reshape(2, len(chunk), n_run)
            for values in (waits_s > promise.max_wait_s, waits_s)
        )
        error = ERROR / len(queues)
        for k, queue in enumerate(chunk):
            as_promised, with_own = (
                Waits(
                    late_share=find_interval(late[kind, k], n_each=CARS_COUNTED, error=error),
                    wait_s=find_interval(wait_s[kind, k], n_each=CARS_COUNTED, error=error),
                )
                for kind in (0, 1)
            )
            sites.append(SiteWaits(queue=queue, promised=as_promised, own=with_own))
    return PlanWaits(promise=promise, sites=tuple(sites), n_run=n_run)


def _draw(queue: Queue, n_run: int) -> tuple[Floats, Floats, Floats]:
    """Draw gaps, and sessions of both kinds, each (n_car, n_run); nobody ever comes to no cars."""
    shape = (CARS_BEFORE + CARS_COUNTED, n_run)
    seed = int.from_bytes(hashlib.sha256(queue.site_id.encode()).digest()[:16], "big")
    uniform = _draw_uniform(seed, shape)
    rates = np.array(queue.arrivals_per_s)
    per_s = float(rates.sum())
    gaps, unit = (-np.log1p(-next(uniform)) for _ in range(2))
    if per_s <= 0:
        return np.full(shape, NEVER_S), unit * 0.0, unit * 0.0
    brand = np.searchsorted(np.cumsum(rates) / per_s, next(uniform), side="right")
    means_s = np.array(queue.session_s)[np.minimum(brand, rates.size - 1)]
    return gaps / per_s, unit * queue.promised_session_s, unit * means_s


def _draw_uniform(seed: int, shape: tuple[int, int]) -> Iterator[Floats]:
    """Yield numbers in [0, 1) from raw bits: NumPy keeps those the same for ever."""
    bits = np.random.PCG64(seed)
    while True:
        raw = bits.random_raw(shape[0] * shape[1]).reshape(shape)
        yield np.asarray((raw >> np.uint64(11)) * 2.0**-53, dtype=np.float64)
