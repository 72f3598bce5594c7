"""Time the simulation of waiting at many sites, and hold it to the formula.

    .venv/bin/python benchmarks/waiting/sites.py [--sites 33] [--connectors 12]

Processor time of one thread. All sites run at their capacity, so that the promise is just kept.
"""

from __future__ import annotations

import argparse
import time

from siting.domain import SECONDS_PER_HOUR
from siting.service import ServicePromise, compute_capacity_kwh_per_day
from siting.verify.waiting import Promise, Queue, simulate

SESSION_S, WAIT_S, LATE_SHARE = 1130.0, 300.0, 0.05


def main() -> None:
    """Simulate the sites once and print what it took."""
    parser = argparse.ArgumentParser(description="Time the simulation of waiting.")
    parser.add_argument("--sites", type=int, default=33)
    parser.add_argument("--connectors", type=int, default=12)
    asked = parser.parse_args()
    # A session of one kWh at so many kW, an hour a day: the capacity is the cars an hour.
    promise = ServicePromise(
        max_wait_s=WAIT_S,
        wait_exceeded_share=LATE_SHARE,
        session_kwh=1.0,
        overhead_s=0.0,
        effective_hours_per_day=1.0,
    )
    cars_per_hour = compute_capacity_kwh_per_day(
        connectors=asked.connectors, power_kw=SECONDS_PER_HOUR / SESSION_S, promise=promise
    )
    queues = [
        Queue(
            site_id=f"site{n}",
            connectors=asked.connectors,
            arrivals_per_s=(cars_per_hour / SECONDS_PER_HOUR,),
            session_s=(SESSION_S,),
            promised_session_s=SESSION_S,
        )
        for n in range(asked.sites)
    ]
    started_s = time.process_time()
    waits = simulate(Promise(max_wait_s=WAIT_S, late_share=LATE_SHARE), queues)
    took_s = time.process_time() - started_s
    shares = [site.promised.late_share for site in waits.sites]
    n_car = 2 * waits.n_run * len(queues) * 5_000
    print(
        f"{asked.sites} sites, {waits.n_run} runs, {n_car / 1e6:.1f} million cars: {took_s:.2f} s"
    )
    print(f"late: {min(s.mean for s in shares):.2%} to {max(s.mean for s in shares):.2%}")
    missed = sum(not share.least <= LATE_SHARE <= share.most for share in shares)
    print(f"intervals miss {LATE_SHARE:.0%} at {missed} sites")


if __name__ == "__main__":
    main()
