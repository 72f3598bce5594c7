"""What a charger tier can serve at the promised wait: the M/M/c queue.

Arrivals are Poisson, sessions take an exponential time with the mean that the energy, the power
and the overhead give, and c connectors serve whoever waits longest. The capacity is a table,
computed before the model, so the model stays linear (Marianov and Serra 1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import HOURS_PER_DAY, SECONDS_PER_HOUR, SECONDS_PER_MINUTE, FloatArray

if TYPE_CHECKING:
    from siting.study import Service, Visits

BISECTION_STEPS = 60


@dataclass(frozen=True, kw_only=True)
class ServicePromise:
    """The wait that is promised and the sessions it is promised for.

    Attributes
    ----------
    max_wait_s, wait_exceeded_share
        P(wait > max_wait_s) ≤ wait_exceeded_share in the busiest hour.
    session_kwh, overhead_s
        Energy of a session, and time a connector is taken without charging.
    effective_hours_per_day
        Hours of the busiest hour's load that make up a day: 24 over the peak-to-mean factor.
    """

    max_wait_s: float
    wait_exceeded_share: float
    session_kwh: float
    overhead_s: float
    effective_hours_per_day: float


def build_promise(service: Service, *, visits: Visits | None = None) -> ServicePromise:
    """Build the promise from the study's words.

    Parameters
    ----------
    service
        The promised wait, and how busy the busiest hours are.
    visits
        For service centres: a session is then one visit and a day is a whole year of opening
        hours, so that what is called kWh a day here counts visits a year.
    """
    hours = HOURS_PER_DAY
    session_kwh, overhead_s = service.session_kwh, service.overhead_minutes * SECONDS_PER_MINUTE
    if visits is not None:
        hours = visits.opening_hours_per_day * visits.opening_days_per_year
        session_kwh, overhead_s = 1.0, 0.0
    return ServicePromise(
        max_wait_s=service.max_wait_minutes * SECONDS_PER_MINUTE,
        wait_exceeded_share=service.wait_exceeded_share,
        session_kwh=session_kwh,
        overhead_s=overhead_s,
        effective_hours_per_day=hours / service.peak_to_mean,
    )


def compute_erlang_c(connectors: int, offered_load: float) -> float:
    """Return the probability that an arrival must wait, M/M/c (Erlang C).

    Parameters
    ----------
    connectors
        Number of servers c.
    offered_load
        Arrival rate times mean service time, in erlangs; 1 is returned from c upwards.
    """
    if offered_load >= connectors:
        return 1.0
    # Erlang B by its stable recursion, then C from B: no factorials, no overflow.
    blocking = 1.0
    for servers in range(1, connectors + 1):
        blocking = offered_load * blocking / (servers + offered_load * blocking)
    return blocking / (1.0 - (offered_load / connectors) * (1.0 - blocking))


def compute_wait_exceeded_share(
    *, connectors: int, session_s: float, arrivals_per_s: float, max_wait_s: float
) -> float:
    """Return P(wait > max_wait_s) in an M/M/c queue: C(c, a) · exp(-(c/S - λ)·τ)."""
    offered_load = arrivals_per_s * session_s
    if offered_load >= connectors:
        return 1.0
    drain_per_s = connectors / session_s - arrivals_per_s
    return compute_erlang_c(connectors, offered_load) * math.exp(-drain_per_s * max_wait_s)


def compute_mean_wait_s(*, connectors: int, session_s: float, arrivals_per_s: float) -> float:
    """Return an M/M/c queue's mean wait, W_q = C(c, a) / (c/S - λ); infinite where it grows."""
    if arrivals_per_s * session_s >= connectors:
        return math.inf
    waits = compute_erlang_c(connectors, arrivals_per_s * session_s)
    return waits / (connectors / session_s - arrivals_per_s)


def compute_busy_wait_s(
    energy_kwh_per_day: float, *, connectors: int, power_kw: float, promise: ServicePromise
) -> float:
    """Return the mean wait in the busiest hour of chargers that serve this much a day.

    Parameters
    ----------
    energy_kwh_per_day
        What they serve, at most their capacity.
    connectors, power_kw, promise
        As in `compute_capacity_kwh_per_day`.
    """
    session_s = promise.session_kwh / power_kw * SECONDS_PER_HOUR + promise.overhead_s
    per_hour = energy_kwh_per_day / promise.session_kwh / promise.effective_hours_per_day
    return compute_mean_wait_s(
        connectors=connectors, session_s=session_s, arrivals_per_s=per_hour / SECONDS_PER_HOUR
    )


def compute_capacity_kwh_per_day(
    *, connectors: int, power_kw: float, promise: ServicePromise
) -> float:
    """Return the energy a day that c connectors can serve at the promised wait.

    Parameters
    ----------
    connectors
        Number of connectors; 0 serves nothing.
    power_kw
        Mean power of a session on one connector.
    promise
        The promised wait.

    Returns
    -------
    float
        λ_max · E · effective hours a day, λ_max being the largest arrival rate at which the
        promise holds (bisection; the share waiting too long rises with the arrival rate).
    """
    if connectors < 1 or power_kw <= 0:
        return 0.0
    session_s = promise.session_kwh / power_kw * SECONDS_PER_HOUR + promise.overhead_s
    kept, broken = 0.0, connectors / session_s
    for _ in range(BISECTION_STEPS):
        middle = 0.5 * (kept + broken)
        share = compute_wait_exceeded_share(
            connectors=connectors,
            session_s=session_s,
            arrivals_per_s=middle,
            max_wait_s=promise.max_wait_s,
        )
        if share <= promise.wait_exceeded_share:
            kept = middle
        else:
            broken = middle
    arrivals_per_hour = kept * SECONDS_PER_HOUR
    return arrivals_per_hour * promise.session_kwh * promise.effective_hours_per_day


def compute_session_power_kw(
    power_kw: float, *, usable_power_kw: FloatArray, demand_kwh_per_day: FloatArray
) -> float:
    """Return the mean power of a session, the cars' own limits taken into account.

    Parameters
    ----------
    power_kw
        What a connector can give.
    usable_power_kw, demand_kwh_per_day
        (n_brand,) what each brand's cars can take, and how much energy they want in all.

    Returns
    -------
    float
        The demand-weighted harmonic mean of min(connector, car): energy over total time.
    """
    total_kwh = demand_kwh_per_day.sum()
    weights = demand_kwh_per_day / total_kwh if total_kwh > 0 else np.ones_like(usable_power_kw)
    weights = weights / weights.sum()
    return float(1.0 / np.sum(weights / np.minimum(power_kw, usable_power_kw)))


def compute_capacities_kwh_per_day(
    *, connectors: FloatArray, power_kw: FloatArray, promise: ServicePromise
) -> FloatArray:
    """Return the capacity of many chargers, each distinct pair of numbers computed once.

    Parameters
    ----------
    connectors, power_kw
        (n,) connectors and mean session power of each.
    promise
        The promised wait.

    Returns
    -------
    FloatArray
        (n,) kWh a day.
    """
    pairs = np.column_stack([connectors, power_kw])
    distinct, which = np.unique(pairs, axis=0, return_inverse=True)
    capacity = [
        compute_capacity_kwh_per_day(connectors=int(c), power_kw=float(p), promise=promise)
        for c, p in distinct
    ]
    return np.array(capacity, dtype=np.float64)[which.ravel()] if capacity else np.empty(0)
