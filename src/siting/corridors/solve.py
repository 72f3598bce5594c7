"""One solve for the city's demand and the trips, and the answer made exact."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from siting.corridors.formulation import Detail, build_joint_model, find_arcs
from siting.corridors.instance import TripPlan, compute_trip_energy
from siting.domain import Engine, SolveStatus
from siting.instance import (
    CLOSED,
    Decision,
    compute_capacity,
    evaluate,
    no_requirements,
    settle_flows,
)
from siting.optimise.assignment import serve_drivers
from siting.optimise.limits import Limits, StopReason, Watch, compute_gap
from siting.optimise.mip import solve_mip
from siting.optimise.result import SolveResult
from siting.optimise.thrift import shrink_tiers

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.corridors.formulation import JointModel
    from siting.corridors.instance import CorridorInstance
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.instance import SitingInstance
    from siting.optimise.limits import Progress
    from siting.optimise.result import SolveOptions

CARS_STEP = 1e-3
"""Covered cars are whole numbers of this (cars a day), so that sums of them are exact."""
SOLVER_M = 1e-3
"""Metres; what a solver's tolerance may leave above a whole number."""
WHOLE = 1e-6
"""What float64 may leave below a whole number."""
NO_SHARE = 1e-5
"""A share of cars that is nothing but a solver's tolerance."""
MOST_FITS = 1000
ROUNDING = 1e-6
"""Share of a floor that whole metres and watt-hours may take from it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class JointResult:
    """The answer for city and trips.

    Attributes
    ----------
    solve
        Status, objective, bound and gap of both together; its decision is the city's part.
    trips
        The trips' part; None if there is no plan.
    """

    solve: SolveResult
    trips: TripPlan | None


def solve_joint(
    instance: SitingInstance,
    corridors: CorridorInstance,
    *,
    options: SolveOptions,
    progress: Callable[[Progress], None] | None = None,
) -> JointResult:
    """Solve city demand and trips under one budget, as one model.

    Parameters
    ----------
    instance
        The city's demand, all sites and stations, the budget and every other rule.
    corridors
        The trips, on the same sites and stations.
    options
        Gap, limits and seed; the engine is HiGHS, or SCIP where it is asked for.
    progress
        Told of incumbent, bound and gap as they move.

    Returns
    -------
    JointResult
        The flows in whole watt-hours, the charges in whole metres, the cars in thousandths;
        what that loses is in the objective and the gap.
    """
    started_cpu_s = time.process_time()
    # Half of the gap is for the solver's tree, half for what the relaxation leaves out.
    half = replace(options, gap=options.gap / 2)
    with Watch(half, on_progress=progress) as watch:
        run = _Run(instance, corridors, watch, options)
        run.relaxed()
        if not run.settled:
            run.exact()
        return run.conclude(started_cpu_s)


class _Run:
    """One solve as it goes: the best plan, the least bound, and who found them."""

    def __init__(
        self,
        instance: SitingInstance,
        corridors: CorridorInstance,
        watch: Watch,
        options: SolveOptions,
    ) -> None:
        self.instance, self.corridors, self.watch = instance, corridors, watch
        self.gap = options.gap
        self.engine = Engine.SCIP if options.engine is Engine.SCIP else Engine.HIGHS
        self.objective, self.bound = -math.inf, math.inf
        self.decision: Decision | None = None
        self.trips: TripPlan | None = None
        self.infeasible = False
        self.best: tuple[JointModel, FloatArray] | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do: proven, impossible, or stopped."""
        proven = compute_gap(self.objective, self.bound) <= self.gap
        return proven or self.infeasible or self.watch.stop_reason is not None

    def relaxed(self) -> None:
        """Bound by the model that tells less, and try its sites with the exact one."""
        joint = build_joint_model(self.instance, self.corridors, detail=Detail.SITES)
        answer = self._solve(joint)
        if answer is not None:
            self._try(joint.tier_of_site(answer))

    def exact(self) -> None:
        """Solve the exact model, from the best plan there is."""
        joint = build_joint_model(self.instance, self.corridors, detail=Detail.STOPS)
        answer = self._solve(joint)
        if answer is not None:
            self._keep(*_settle(self.instance, self.corridors, joint, answer))

    def _solve(self, joint: JointModel) -> FloatArray | None:
        answer = solve_mip(
            joint.model,
            self.watch,
            engine=self.engine,
            start=None if self.best is None else joint.carry_over(*self.best),
            on_step=lambda objective, bound: self.watch.report(
                max(-objective, self.objective), min(-bound, self.bound)
            ),
        )
        self.infeasible = answer.status is SolveStatus.INFEASIBLE
        self.bound = min(self.bound, -answer.bound)
        return answer.values

    def _try(self, tier_of_site: IntArray) -> None:
        """Take the sites as given: who charges where is then a linear program."""
        is_chosen = np.arange(self.instance.n_tier) == tier_of_site[:, None]
        given = self.instance.replace(tier_allowed=self.instance.tier_allowed & is_chosen)
        joint = build_joint_model(given, self.corridors, detail=Detail.STOPS)
        fixed = np.arange(joint.model.cost.size) < joint.columns.n_column
        linear = replace(
            joint.model,
            lower=np.where(fixed, 1.0, joint.model.lower),
            integer=np.zeros_like(joint.model.integer),
        )
        # A linear program of few sites takes seconds, and without it there is no plan.
        answer = solve_mip(linear, Watch(Limits(n_threads=self.watch.limits.n_threads)))
        if answer.values is not None and self._keep(
            *_settle(given, self.corridors, joint, answer.values)
        ):
            self.best = joint, answer.values

    def _keep(self, decision: Decision, trips: TripPlan) -> bool:
        city = evaluate(self.instance, decision).objective_kwh_per_day
        objective = city + compute_trip_worth(self.corridors, trips)
        is_better = objective > self.objective
        if is_better:
            self.decision, self.trips, self.objective = decision, trips, objective
        return is_better

    def conclude(self, started_cpu_s: float) -> JointResult:
        """Return the result, its gap measured at the settled plan."""
        bound = -math.inf if self.infeasible else max(self.bound, self.objective)
        gap = compute_gap(self.objective, bound)
        proven = self.decision is not None and gap <= self.gap
        self.watch.report(self.objective, bound)
        status = SolveStatus.OPTIMAL if proven else SolveStatus.FEASIBLE
        if self.decision is None:
            status = SolveStatus.INFEASIBLE if self.infeasible else SolveStatus.NO_PLAN
        solve = SolveResult(
            status=status,
            decision=self.decision,
            objective=self.objective,
            bound=bound,
            gap=gap,
            bound_by_duality=math.inf,
            engine=self.engine.value,
            stopped=(StopReason.PROVEN if proven else self.watch.stop_reason)
            or StopReason.EXHAUSTED,
            wall_s=self.watch.seconds,
            cpu_s=time.process_time() - started_cpu_s,
            work=self.watch.work,
        )
        return JointResult(solve=solve, trips=self.trips)


def cover_today(
    instance: SitingInstance, corridors: CorridorInstance, *, options: SolveOptions
) -> TripPlan:
    """Return the trips that the stations of today make possible, beside the city they serve."""
    nothing_new = no_requirements(n_site=instance.n_site, n_brand=instance.n_brand).replace(
        forbidden=np.ones(instance.n_site, dtype=bool)
    )
    closed = instance.replace(requirements=nothing_new)
    result = solve_joint(closed, corridors, options=replace(options, engine=Engine.HIGHS))
    if result.trips is None:
        raise AssertionError("covering no trip is always feasible")
    return result.trips


def compute_trip_worth(corridors: CorridorInstance, trips: TripPlan) -> float:
    """Return what the covered trips are worth, in energy served in a city (kWh/day)."""
    return corridors.worth_kwh * math.fsum(trips.covered_per_day.ravel())


def _leave_to_city(
    instance: SitingInstance, corridors: CorridorInstance, trips: TripPlan
) -> SitingInstance:
    """Return the instance with the capacity that the trips leave to the city."""
    req = instance.requirements
    taken = compute_trip_energy(corridors, trips, n_supply=instance.n_supply).sum(axis=1)
    site, station = taken[: instance.n_site], taken[instance.n_site :]
    return instance.replace(
        tier_capacity_kwh_per_day=np.maximum(
            instance.tier_capacity_kwh_per_day - site[:, None], 0.0
        ),
        station_capacity_kwh_per_day=np.maximum(
            instance.station_capacity_kwh_per_day - station, 0.0
        ),
        requirements=req.replace(floor_by_brand=req.floor_by_brand * (1.0 - ROUNDING)),
    )


def _settle(
    instance: SitingInstance,
    corridors: CorridorInstance,
    joint: JointModel,
    values: FloatArray,
) -> tuple[Decision, TripPlan]:
    """Return the solver's answer in whole metres, thousandths of cars and whole watt-hours."""
    tier_of_site = joint.tier_of_site(values)
    is_open = np.concatenate((tier_of_site != CLOSED, np.ones(instance.n_station, dtype=bool)))
    share = joint.rows.free.astype(np.float64)
    charge_m = np.zeros(corridors.n_stop, dtype=np.int64)
    charge = np.zeros(corridors.n_stop)
    charge[joint.rows.charges.stop] = values[joint.first_charge :]
    for q, z in zip(joint.rows.trips.tolist(), values[joint.first_share :], strict=False):
        first, last = corridors.stop_start[q : q + 2].tolist()
        if z <= NO_SHARE:
            continue
        wanted = np.cumsum(charge[first:last]) * (int(corridors.need_m[q]) / z)
        settled = settle_charges(
            corridors, q, wanted, is_open=is_open[corridors.stop_supply[first:last]]
        )
        if settled is not None:
            share[q], charge_m[first:last] = min(z, 1.0), settled
    cars = np.floor(share[:, None] * corridors.cars_per_day / CARS_STEP + WHOLE) * CARS_STEP
    trips = _fit(
        corridors,
        TripPlan(covered_per_day=cars, charge_m=charge_m),
        compute_capacity(instance, tier_of_site),
    )
    left = _leave_to_city(instance, corridors, trips)
    thrifty = spare_money(instance, corridors, trips, serve_drivers(left, tier_of_site))
    return settle_flows(left, thrifty), trips


def settle_charges(
    corridors: CorridorInstance, trip: int, wanted_m: FloatArray, *, is_open: BoolArray
) -> LongArray | None:
    """Return a trip's charges in whole metres, as near to a solver's as the battery allows.

    Parameters
    ----------
    corridors
        The trips.
    trip
        Which one.
    wanted_m
        (n_stop of the trip,) what a car is to have charged by the end of each stop, in all.
    is_open
        (n_stop of the trip,) stops at which it may charge.

    Returns
    -------
    LongArray or None
        (n_stop of the trip,) charges that a battery can be driven with; None if there are none.
    """
    first, last = corridors.stop_start[trip : trip + 2].tolist()
    n = last - first
    least = np.zeros(n + 1, dtype=np.int64)
    for arc in find_arcs(corridors, trip):
        least[arc.n_before] = max(least[arc.n_before], arc.least_m)
    room = corridors.stop_m[first:last] + (corridors.full_m[trip] - corridors.start_m[trip])
    most = np.clip(room, 0, corridors.need_m[trip])
    charge = np.zeros(n, dtype=np.int64)
    sums = 0
    opened = [*np.flatnonzero(is_open).tolist(), n]
    if least[: opened[0] + 1].max() > 0:
        return None
    for s, following in pairwise(opened):
        # Until the next open stop nothing more comes.
        needed = int(least[s + 1 : following + 1].max())
        wish = math.ceil(float(wanted_m[s]) - SOLVER_M)
        by_then = max(sums, needed, min(wish, int(most[s])))
        if needed > most[s]:
            return None
        charge[s], sums = by_then - sums, by_then
    return charge


def _fit(corridors: CorridorInstance, trips: TripPlan, capacity: FloatArray) -> TripPlan:
    """Return the trips with as many cars fewer as whole metres take beyond the capacity."""
    for _ in range(MOST_FITS):
        taken = compute_trip_energy(corridors, trips, n_supply=capacity.size).sum(axis=1)
        part = np.divide(capacity, taken, out=np.ones_like(taken), where=taken > capacity)
        if (part >= 1.0).all():
            return trips
        kept = np.ones(corridors.n_trip)
        used = trips.charge_m > 0
        np.minimum.at(kept, corridors.stop_trip[used], part[corridors.stop_supply[used]])
        steps = np.floor(trips.covered_per_day * kept[:, None] / CARS_STEP + WHOLE)
        fewer = np.where(
            kept[:, None] < 1.0,
            np.minimum(steps, np.rint(trips.covered_per_day / CARS_STEP) - 1.0).clip(min=0.0)
            * CARS_STEP,
            trips.covered_per_day,
        )
        trips = replace(trips, covered_per_day=fewer)
    raise AssertionError("cars are taken away until the rest fit")


def spare_money(
    instance: SitingInstance, corridors: CorridorInstance, trips: TripPlan, decision: Decision
) -> Decision:
    """Return the plan without sites that give nothing, each with the cheapest tier that will do.

    Parameters
    ----------
    instance, corridors
        What was asked.
    trips, decision
        Who charges where; it stays as it is.
    """
    req = instance.requirements
    given = compute_trip_energy(corridors, trips, n_supply=instance.n_supply).sum(axis=1)
    given += np.bincount(
        instance.cover_supply,
        weights=decision.flow_kwh_per_day.sum(axis=1),
        minlength=instance.n_supply,
    )
    tier_of_site = decision.tier_of_site.copy()
    if req.min_sites == 0 and not req.district_min_sites.any():
        tier_of_site[(given[: instance.n_site] <= 0) & ~req.required] = CLOSED
    return replace(decision, tier_of_site=shrink_tiers(instance, tier_of_site, given))
