"""The classic family of location problems: one type, one solve call, one result.

    LSCP      min Σ f_j y_j          s.t. Σ_{j covers i} y_j ≥ r        (Toregas et al. 1971)
    MCLP      max Σ w_i max_j a_ij y_j                                  (Church and ReVelle 1974)
    p-median  min Σ w_i t_ij x_ij    s.t. Σ_j x_ij = 1, x_ij ≤ y_j      (ReVelle and Swain 1970)
    p-center  min max_i t_i          t_i the distance to the nearest opened site
    CFLP      min Σ f_j y_j + Σ w_i t_ij x_ij   s.t. Σ_i w_i x_ij ≤ q_j y_j
    backup    max Σ w_i (θ [covered once] + (1 - θ) [covered twice])    (Hogan and ReVelle 1986)

All share the rules for sites: count, budget, required, forbidden, spacing, and further linear
rules such as quotas. MCLP, p-median and CFLP without capacity go to our own exact method
(`coverage`, `p_median`), the rest to a mixed-integer solver; every answer is recomputed by
`evaluate_location` without either.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from siting.domain import (
    BoolArray,
    Engine,
    FloatArray,
    IntArray,
    LongArray,
    SolveStatus,
    frozen_array,
)
from siting.errors import Fault, InputError, SolveError
from siting.optimise.classic_formulation import (
    build_backup,
    build_capacitated,
    build_coverage,
    build_median,
    build_set_cover,
)
from siting.optimise.limits import Limits, StopReason, Watch, compute_gap
from siting.optimise.mip import solve_mip

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.instance import SitingInstance
    from siting.optimise.limits import Progress

TOLERANCE = 1e-6
HALF = 0.5


class LocationModel(StrEnum):
    """Which problem of the classic family."""

    LSCP = "lscp"
    MCLP = "mclp"
    P_MEDIAN = "p_median"
    P_CENTER = "p_center"
    CFLP = "cflp"
    BACKUP = "backup_coverage"

    @property
    def uses_distance(self) -> bool:
        """Whether pairs carry a distance; otherwise they carry a worth."""
        return self in {LocationModel.P_MEDIAN, LocationModel.P_CENTER, LocationModel.CFLP}

    @property
    def maximises(self) -> bool:
        """Whether more is better."""
        return self in {LocationModel.MCLP, LocationModel.BACKUP}


@dataclass(frozen=True, kw_only=True, eq=False)
class SiteRule:
    """One linear rule for the opened sites: ``lower ≤ Σ_j coefficient_j y_j ≤ upper``.

    A quota of a district has coefficient 1 at its sites; a substation's limit, their power.

    Attributes
    ----------
    name
        What the rule is called when it is broken.
    coefficient
        (n_site,) coefficients.
    lower, upper
        Its two sides; infinite where there is none.
    """

    name: str
    coefficient: FloatArray
    lower: float = -math.inf
    upper: float = math.inf

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "coefficient", frozen_array(self.coefficient, np.float64))


@dataclass(frozen=True, kw_only=True, eq=False)
class LocationProblem:
    """One problem of the classic family, as read-only arrays.

    The supply index runs over candidate sites first and existing stations after; stations are
    open, free, and counted by no rule. Demand of weight 0 asks for nothing and is left out.

    Attributes
    ----------
    model
        Which problem.
    demand_weight
        (n_demand,) weight of each demand point, such as kWh/day.
    cover_start
        (n_demand + 1,) where each demand point's pairs begin.
    cover_supply
        (n_pair,) supply index, each at most once within a demand point.
    cover_worth
        (n_pair,) worth of service a_ij > 0 (MCLP, backup); None for plain coverage.
    cover_distance
        (n_pair,) distance, travel time or cost of serving one unit (p-median, p-center, CFLP).
    n_stations
        Number of existing stations.
    site_cost
        (n_site,) cost of opening; 1 each where nothing else is given.
    budget
        Most that the opened sites may cost together.
    min_sites, max_sites
        Bounds on the number of opened sites; p is ``max_sites``.
    required, forbidden
        (n_site,) masks of sites that must, or must not, be opened.
    spacing_pairs
        (n_spacing, 2) pairs of sites of which at most one is opened.
    rules
        Further linear rules for the opened sites.
    supply_capacity
        (n_site + n_station,) weight that each can serve, or None (p-median, CFLP).
    single_source
        Whether each demand point is served by one site only (with capacity).
    covers_needed
        How many opened sites must cover each demand point (LSCP).
    first_share
        θ of backup coverage, in (0, 1]; None makes the first cover a must (BACOP1).
    """

    model: LocationModel
    demand_weight: FloatArray
    cover_start: LongArray
    cover_supply: IntArray
    cover_worth: FloatArray | None = None
    cover_distance: FloatArray | None = None
    n_stations: int = 0
    site_cost: FloatArray
    budget: float = math.inf
    min_sites: int = 0
    max_sites: int | None = None
    required: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    forbidden: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    spacing_pairs: IntArray = field(default_factory=lambda: np.empty((0, 2), dtype=np.int32))
    rules: tuple[SiteRule, ...] = ()
    supply_capacity: FloatArray | None = None
    single_source: bool = False
    covers_needed: int = 1
    first_share: float | None = None

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse every mix that makes no sense."""
        for name, dtype in _DTYPES.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen_array(value, dtype))
        for name in ("required", "forbidden"):
            if getattr(self, name).size == 0 and self.n_site:
                object.__setattr__(self, name, frozen_array(np.zeros(self.n_site), np.bool_))
        faults = list(_find_faults(self))
        if faults:
            raise InputError(faults)

    @property
    def n_demand(self) -> int:
        """Number of demand points."""
        return int(self.demand_weight.size)

    @property
    def n_site(self) -> int:
        """Number of candidate sites."""
        return int(self.site_cost.size)

    @property
    def n_supply(self) -> int:
        """Number of candidate sites and existing stations together."""
        return self.n_site + self.n_stations

    @property
    def n_pair(self) -> int:
        """Number of pairs within reach."""
        return int(self.cover_supply.size)

    def replace(self, **changes: Any) -> Self:  # noqa: ANN401 - any field's value
        """Return a changed copy; the problem itself is never mutated."""
        return replace(self, **changes)

    @classmethod
    def from_dense(
        cls,
        *,
        model: LocationModel,
        demand_weight: FloatArray,
        distance: FloatArray,
        cutoff: float = math.inf,
        **fields: Any,  # noqa: ANN401 - any other field's value
    ) -> Self:
        """Build a problem from a full table of distances.

        Parameters
        ----------
        model, demand_weight
            As in the problem.
        distance
            (n_demand, n_site) distances; infinite or missing ones are no pair.
        cutoff
            Pairs farther than this do not exist.
        **fields
            Other fields of the problem; ``site_cost`` is 1 each unless given.
        """
        table = np.asarray(distance, dtype=float)
        near = np.isfinite(table) & (table <= cutoff)
        fields.setdefault("site_cost", np.ones(table.shape[1]))
        return cls(
            model=model,
            demand_weight=demand_weight,
            cover_start=np.concatenate(([0], np.cumsum(near.sum(axis=1)))),
            cover_supply=np.nonzero(near)[1].astype(np.int32),
            cover_distance=table[near] if model.uses_distance else None,
            **fields,
        )

    @classmethod
    def from_instance(
        cls,
        instance: SitingInstance,
        *,
        model: LocationModel,
        tier: int = 0,
        **fields: Any,  # noqa: ANN401 - any other field's value
    ) -> Self:
        """Build a problem of the classic family from a siting instance.

        Demand is the energy of all brands (kWh/day), distance the travel time (s), cost that of
        one tier (CNY); the instance's budget, counts, required and forbidden sites, spacing,
        quotas, and grid limits hold. Where brands may not charge everywhere, each demand point
        is split by class of access. Floors by brand belong to the capacitated model and are not
        taken over.

        Parameters
        ----------
        instance
            What was built from the study.
        model
            Which problem.
        tier
            Index of the tier that every opened site gets; sites without room for it are
            forbidden.
        **fields
            Fields of the problem that differ from the instance's.
        """
        asked = instance.requirements
        power_kw = instance.tier_power_kw[:, tier]
        rules = [
            SiteRule(
                name=f"sites in district {district}",
                coefficient=(instance.site_district == k).astype(float),
                lower=float(asked.district_min_sites[k]),
                upper=float(asked.district_max_sites[k]),
            )
            for k, district in enumerate(instance.district_ids)
            if asked.district_max_sites.size
        ] + [
            SiteRule(
                name=f"grid limit of substation group {k}",
                coefficient=np.where(asked.grid_group == k, power_kw, 0.0),
                upper=float(limit_kw),
            )
            for k, limit_kw in enumerate(asked.grid_group_limit_kw)
        ]
        weight, pairs, start = _split_by_access(instance)
        defaults: dict[str, Any] = {
            "demand_weight": weight,
            "cover_start": start,
            "cover_supply": instance.cover_supply[pairs],
            "cover_worth": None if model.uses_distance else instance.cover_worth[pairs],
            "cover_distance": instance.cover_time_s[pairs] if model.uses_distance else None,
            "n_stations": instance.n_station,
            "site_cost": instance.tier_cost_cny[:, tier],
            "budget": asked.budget_cny,
            "min_sites": asked.min_sites,
            "max_sites": asked.max_sites,
            "required": asked.required,
            "forbidden": asked.forbidden
            | ~instance.tier_allowed[:, tier]
            | (power_kw > asked.site_grid_limit_kw),
            "spacing_pairs": asked.spacing_pairs,
            "rules": tuple(rules),
        }
        return cls(model=model, **(defaults | fields))


_DTYPES: dict[str, Any] = {
    "demand_weight": np.float64,
    "cover_start": np.int64,
    "cover_supply": np.int32,
    "cover_worth": np.float64,
    "cover_distance": np.float64,
    "site_cost": np.float64,
    "required": np.bool_,
    "forbidden": np.bool_,
    "spacing_pairs": np.int32,
    "supply_capacity": np.float64,
}


def _split_by_access(instance: SitingInstance) -> tuple[FloatArray, LongArray, LongArray]:
    """Return weights, pair indices and row starts, one row a demand point and access class."""
    classes, class_of_brand = np.unique(instance.usable, axis=1, return_inverse=True)
    weights, pairs, counts = [], [], []
    for k in range(classes.shape[1]):
        weights.append(instance.demand_kwh_per_day[:, class_of_brand == k].sum(axis=1))
        kept = np.flatnonzero(classes[instance.cover_supply, k])
        pairs.append(kept)
        counts.append(np.bincount(instance.cover_demand[kept], minlength=instance.n_demand))
    return (
        np.concatenate(weights),
        np.concatenate(pairs),
        np.concatenate(([0], np.cumsum(np.concatenate(counts)))),
    )


def _find_faults(problem: LocationProblem) -> list[Fault]:
    """Return everything about a problem that cannot be read or makes no sense."""
    faults = _find_shape_faults(problem)
    if faults:
        return faults
    return _find_number_faults(problem) + _find_mix_faults(problem)


def _find_shape_faults(problem: LocationProblem) -> list[Fault]:
    shapes = {
        "cover_start": (problem.n_demand + 1,),
        "cover_supply": (problem.n_pair,),
        "cover_worth": (problem.n_pair,),
        "cover_distance": (problem.n_pair,),
        "required": (problem.n_site,),
        "forbidden": (problem.n_site,),
        "supply_capacity": (problem.n_supply,),
        "spacing_pairs": (len(problem.spacing_pairs), 2),
    }
    arrays = [(name, getattr(problem, name), shape) for name, shape in shapes.items()] + [
        (f"rules[{k}].coefficient", rule.coefficient, (problem.n_site,))
        for k, rule in enumerate(problem.rules)
    ]
    faults = [
        Fault(
            column=name,
            value=str(array.shape),
            what="the array's shape does not fit the others",
            remedy=f"give it the shape {shape}",
        )
        for name, array, shape in arrays
        if array is not None and array.shape != shape
    ]
    if faults:
        return faults
    start, supply = problem.cover_start, problem.cover_supply
    if start[0] != 0 or start[-1] != problem.n_pair or (np.diff(start) < 0).any():
        faults.append(
            Fault(
                column="cover_start",
                what="the row starts do not run from 0 to the number of pairs",
                remedy="give the cumulative counts of pairs by demand point",
            )
        )
    elif supply.size and not 0 <= supply.min() <= supply.max() < problem.n_supply:
        faults.append(
            Fault(
                column="cover_supply",
                what="a pair points outside the supply",
                remedy=f"use indices from 0 to {problem.n_supply - 1}",
            )
        )
    elif _has_repeats(start, supply):
        faults.append(
            Fault(
                column="cover_supply",
                what="a demand point holds the same site twice",
                remedy="keep the better of the two pairs",
            )
        )
    if problem.spacing_pairs.size and not (
        problem.spacing_pairs.min() >= 0 and problem.spacing_pairs.max() < problem.n_site
    ):
        faults.append(
            Fault(
                column="spacing_pairs",
                what="a pair points outside the sites",
                remedy=f"use indices from 0 to {problem.n_site - 1}",
            )
        )
    return faults


def _has_repeats(start: LongArray, supply: IntArray) -> bool:
    """Return whether any row holds an index twice; quick where rows are ascending."""
    inside = np.ones(max(0, supply.size - 1), dtype=bool)
    ends = start[1:-1]
    inside[ends[(ends > 0) & (ends < supply.size)] - 1] = False
    if (np.diff(supply)[inside] > 0).all():
        return False
    row = np.repeat(np.arange(start.size - 1), np.diff(start))
    order = np.lexsort((supply, row))
    row, supply = row[order], supply[order]
    return bool(((np.diff(row) == 0) & (np.diff(supply) == 0)).any())


def _find_number_faults(problem: LocationProblem) -> list[Fault]:
    fields = {
        "demand_weight": problem.demand_weight,
        "cover_worth": problem.cover_worth,
        "cover_distance": problem.cover_distance,
        "site_cost": problem.site_cost,
    }
    faults = [
        Fault(
            column=name,
            what="holds negative, infinite or missing numbers",
            remedy="give finite numbers from 0 up",
        )
        for name, array in fields.items()
        if array is not None and not (np.isfinite(array).all() and (array >= 0).all())
    ]
    capacity = problem.supply_capacity
    if capacity is not None and not (capacity >= 0).all():
        faults.append(
            Fault(
                column="supply_capacity",
                what="holds negative or missing numbers",
                remedy="give numbers from 0 up; infinite means no limit",
            )
        )
    if not problem.budget >= 0:
        faults.append(
            Fault(
                column="budget",
                value=str(problem.budget),
                what="the budget is no amount",
                remedy="give a number from 0 up, or infinity for no limit",
            )
        )
    counts = (
        ("min_sites", problem.min_sites, 0),
        ("max_sites", problem.max_sites, 0),
        ("n_stations", problem.n_stations, 0),
        ("covers_needed", problem.covers_needed, 1),
    )
    faults += [
        Fault(
            column=name,
            value=str(value),
            what="the number is too small",
            remedy=f"give at least {least}",
        )
        for name, value, least in counts
        if value is not None and value < least
    ]
    faults += [
        Fault(
            column=rule.name,
            what="a rule holds missing numbers",
            remedy="give finite coefficients and sides that are numbers",
        )
        for rule in problem.rules
        if not np.isfinite(rule.coefficient).all()
        or math.isnan(rule.lower)
        or math.isnan(rule.upper)
    ]
    if problem.first_share is not None and not 0 < problem.first_share <= 1:
        faults.append(
            Fault(
                column="first_share",
                value=str(problem.first_share),
                what="the share is outside (0, 1]",
                remedy="give a share, or leave it out to make the first cover a must",
            )
        )
    return faults


def _find_mix_faults(problem: LocationProblem) -> list[Fault]:
    model = problem.model
    capacitated = problem.supply_capacity is not None
    nonsense = (
        (
            model.uses_distance and problem.cover_distance is None,
            "cover_distance",
            f"{model} needs the distance of each pair",
            "give cover_distance",
        ),
        (
            model.uses_distance and problem.cover_worth is not None,
            "cover_worth",
            f"{model} goes by distance, not by worth",
            "leave cover_worth out, or ask for mclp",
        ),
        (
            not model.uses_distance and problem.cover_distance is not None,
            "cover_distance",
            f"{model} goes by what covers what, not by distance",
            "cut the pairs off at the distance that counts as covered and leave cover_distance out",
        ),
        (
            model in {LocationModel.LSCP, LocationModel.BACKUP}
            and problem.cover_worth is not None
            and bool((problem.cover_worth != 1).any()),
            "cover_worth",
            f"{model} counts a demand point as covered or not; a partial worth has no meaning",
            "leave cover_worth out, or ask for mclp",
        ),
        (
            capacitated and model not in {LocationModel.P_MEDIAN, LocationModel.CFLP},
            "supply_capacity",
            f"{model} knows no capacity",
            "use the capacitated model with tiers for coverage, or p_median or cflp",
        ),
        (
            problem.single_source and not capacitated,
            "single_source",
            "without capacity every demand point has a single source anyway",
            "leave single_source out, or give supply_capacity",
        ),
        (
            problem.covers_needed != 1 and model is not LocationModel.LSCP,
            "covers_needed",
            f"{model} does not ask for several covers",
            "ask for lscp or backup_coverage",
        ),
        (
            problem.first_share is not None and model is not LocationModel.BACKUP,
            "first_share",
            f"{model} has no backup",
            "ask for backup_coverage",
        ),
        (
            model.maximises and problem.max_sites is None and math.isinf(problem.budget),
            "max_sites",
            f"{model} without a limit would open every site",
            "give max_sites or budget",
        ),
        (
            model in {LocationModel.P_MEDIAN, LocationModel.P_CENTER}
            and problem.max_sites is None
            and math.isinf(problem.budget),
            "max_sites",
            f"{model} without a limit would open every site",
            "give max_sites (p) or budget",
        ),
        (
            bool((problem.required & problem.forbidden).any()),
            "required",
            "a site is both required and forbidden",
            "drop it from one of the two",
        ),
        (
            problem.max_sites is not None and problem.min_sites > problem.max_sites,
            "min_sites",
            f"at least {problem.min_sites} and at most {problem.max_sites} sites cannot be both",
            "lower min_sites or raise max_sites",
        ),
    )
    return [
        Fault(column=column, what=what, remedy=remedy)
        for wrong, column, what, remedy in nonsense
        if wrong
    ]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassicResult:
    """What a solve came to.

    Attributes
    ----------
    status
        ``OPTIMAL`` only if the gap is proven within the one asked for.
    objective
        Of the opened sites, recomputed; infinite (or minus infinite) without a plan.
    bound
        What no plan can beat.
    gap
        |objective − bound| over the objective.
    opened
        (n_site,) mask of the opened sites.
    share
        (n_pair,) share of its demand point's weight that goes over the pair.
    engines
        What solved it; several where one reduced the problem and another finished it.
    stopped
        Why the solve ended.
    work
        Work done (million pair visits).
    seconds
        Time taken (s).
    price
        (n_demand,) multipliers from which `coverage.evaluate_price` recomputes ``root_bound``
        without solving anything (uncapacitated MCLP, p-median); None elsewhere.
    root_bound
        The part of the bound that rests on ``price`` alone; what ``bound`` closes beyond it rests
        on branching.
    faults
        Why no plan can exist, where that is known.
    """

    status: SolveStatus
    objective: float
    bound: float
    gap: float
    opened: BoolArray
    share: FloatArray
    engines: tuple[Engine, ...]
    stopped: StopReason
    work: float
    seconds: float
    price: FloatArray | None = None
    root_bound: float | None = None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LocationEvaluation:
    """What a plan comes to, recomputed without any solver.

    Attributes
    ----------
    objective
        The model's objective; infinite where a demand point that must be served is not.
    violations
        Every rule that is broken, in words; empty if feasible.
    """

    objective: float
    violations: tuple[str, ...]

    @property
    def feasible(self) -> bool:
        """Whether no rule is broken."""
        return not self.violations


def evaluate_location(
    problem: LocationProblem,
    opened: BoolArray,
    *,
    share: FloatArray | None = None,
    tolerance: float = TOLERANCE,
) -> LocationEvaluation:
    """Recompute objective and every rule of a plan without a solver.

    Parameters
    ----------
    problem, opened
        What was asked, and the (n_site,) mask of what was opened.
    share
        (n_pair,) share of its demand point's weight over each pair; needed with capacity only,
        otherwise everybody goes to the best that is open.
    tolerance
        How far a rule may be exceeded, relative to its side (at least 1 unit).

    Returns
    -------
    LocationEvaluation
        With one line for each broken rule.
    """
    if opened.shape != (problem.n_site,):
        raise ValueError("the plan does not belong to this problem: its shape differs")
    is_open = np.concatenate((opened, np.ones(problem.n_stations, dtype=bool)))[
        problem.cover_supply
    ]
    opening_cost = math.fsum(problem.site_cost[opened])
    if problem.supply_capacity is not None:
        objective, broken = _evaluate_share(problem, is_open, share, tolerance=tolerance)
    elif problem.model.uses_distance:
        objective, broken = _evaluate_distance(problem, is_open)
    elif problem.model is LocationModel.MCLP:
        worth = np.ones(problem.n_pair) if problem.cover_worth is None else problem.cover_worth
        best = _best_of_rows(problem.cover_start, np.where(is_open, worth, 0.0), empty=0.0)
        objective, broken = math.fsum(problem.demand_weight * best), []
    else:
        objective, broken = _evaluate_covers(problem, is_open)
    if problem.model in {LocationModel.CFLP, LocationModel.LSCP}:
        objective += opening_cost
    return LocationEvaluation(
        objective=objective,
        violations=(*_find_broken_site_rules(problem, opened, tolerance=tolerance), *broken),
    )


def _evaluate_covers(problem: LocationProblem, is_open: BoolArray) -> tuple[float, list[str]]:
    """Return the worth of being covered, and the covers that are missing (LSCP, backup)."""
    weight = problem.demand_weight
    covers = _sum_rows(problem.cover_start, is_open.astype(float))
    once, twice = math.fsum(weight[covers >= 1]), math.fsum(weight[covers > 1])
    first = problem.first_share
    must = problem.covers_needed if first is None else 0
    missed = int(((weight > 0) & (covers < must)).sum())
    broken = [f"{missed} demand points are covered too seldom"] if missed else []
    if problem.model is LocationModel.LSCP:
        return 0.0, broken
    return (twice if first is None else first * once + (1.0 - first) * twice), broken


def _evaluate_distance(problem: LocationProblem, is_open: BoolArray) -> tuple[float, list[str]]:
    """Return the sum, or for p-center the greatest, of distances to the nearest opened."""
    assert problem.cover_distance is not None  # noqa: S101 - refused when built
    asks = problem.demand_weight > 0
    near = np.where(is_open, -problem.cover_distance, -math.inf)
    nearest = -_best_of_rows(problem.cover_start, near, empty=-math.inf)[asks]
    unserved = int(np.isinf(nearest).sum())
    broken = [f"{unserved} demand points reach no opened site"] if unserved else []
    if problem.model is LocationModel.P_CENTER:
        return float(nearest.max(initial=0.0)), broken
    return math.fsum(problem.demand_weight[asks] * nearest), broken


def _find_broken_site_rules(
    problem: LocationProblem, opened: BoolArray, *, tolerance: float
) -> list[str]:
    def over(value: float, limit: float) -> bool:
        return value > limit + tolerance * max(1.0, abs(limit) if math.isfinite(limit) else 1.0)

    n_opened, cost = int(opened.sum()), math.fsum(problem.site_cost[opened])
    most = math.inf if problem.max_sites is None else problem.max_sites
    broken = []
    if not problem.min_sites <= n_opened <= most:
        broken.append(f"{n_opened} sites opened, asked {problem.min_sites} to {most}")
    if over(cost, problem.budget):
        broken.append(f"cost {cost} is over the budget {problem.budget}")
    broken += [
        f"site {j} is required but closed" for j in np.flatnonzero(problem.required & ~opened)
    ]
    broken += [
        f"site {j} is forbidden but opened" for j in np.flatnonzero(problem.forbidden & opened)
    ]
    broken += [
        f"sites {a} and {b} stand too close"
        for a, b in problem.spacing_pairs
        if opened[a] and opened[b]
    ]
    for rule in problem.rules:
        value = math.fsum(rule.coefficient[opened])
        if over(value, rule.upper) or over(-value, -rule.lower):
            broken.append(f"{rule.name}: {value} is outside {rule.lower} to {rule.upper}")
    return broken


def _evaluate_share(
    problem: LocationProblem, is_open: BoolArray, share: FloatArray | None, *, tolerance: float
) -> tuple[float, list[str]]:
    """Return Σ w_i t_ij x_ij and the broken rules of a division of demand."""
    if share is None or share.shape != (problem.n_pair,):
        raise ValueError("with capacity a plan holds the share of every pair")
    assert problem.cover_distance is not None  # noqa: S101 - refused when built
    assert problem.supply_capacity is not None  # noqa: S101 - the caller looked
    weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
    asks = problem.demand_weight > 0
    total = _sum_rows(problem.cover_start, share)
    load = np.bincount(problem.cover_supply, weights=weight * share, minlength=problem.n_supply)
    capacity = problem.supply_capacity
    slack = tolerance * np.maximum(1.0, np.where(np.isfinite(capacity), capacity, 1.0))
    broken = []
    if not np.isfinite(share).all() or (share < -tolerance).any():
        broken.append("a share is negative or not a number")
    if (share[~is_open] > tolerance).any():
        broken.append("demand is served at a closed site")
    if (np.abs(total[asks] - 1.0) > tolerance).any():
        broken.append(
            f"{int((np.abs(total[asks] - 1.0) > tolerance).sum())} demand points unserved"
        )
    broken += [f"supply {j} is over its capacity" for j in np.flatnonzero(load > capacity + slack)]
    if problem.single_source and ((share > tolerance) & (share < 1 - tolerance)).any():
        broken.append("a demand point is split between sites")
    return math.fsum(weight * problem.cover_distance * share), broken


def _sum_rows(start: LongArray, values: FloatArray) -> FloatArray:
    running = np.concatenate(([0.0], np.cumsum(values)))
    return running[start[1:]] - running[start[:-1]]


def _best_of_rows(start: LongArray, values: FloatArray, *, empty: float) -> FloatArray:
    """Return the greatest value of every row, ``empty`` for a row without any."""
    best = np.full(start.size - 1, empty)
    filled = np.flatnonzero(np.diff(start) > 0)
    if filled.size:
        best[filled] = np.maximum.reduceat(values, start[:-1][filled])
    return best


def solve_classic(
    problem: LocationProblem,
    *,
    limits: Limits | None = None,
    engine: Engine = Engine.AUTO,
    on_progress: Callable[[Progress], None] | None = None,
) -> ClassicResult:
    """Solve a problem of the classic family.

    Parameters
    ----------
    problem
        What is asked.
    limits
        Gap, time, work, seed, threads.
    engine
        ``AUTO`` lets the problem choose; ``HIGHS`` and ``SCIP`` solve it as a mixed-integer
        model; ``LAGRANGIAN`` is our own method for MCLP, p-median and CFLP without capacity.
    on_progress
        Called with objective, bound and gap as they move.

    Returns
    -------
    ClassicResult
        The best plan found, its bound, and why the solve ended. Ctrl-C ends it with the best
        plan so far.

    Raises
    ------
    InputError
        If the engine cannot solve this model.
    """
    with Watch(limits or Limits(), on_progress=on_progress) as watch:
        mip_engine = Engine.HIGHS if engine is Engine.AUTO else engine
        answer = (
            _solve_center(problem, watch, mip_engine)
            if problem.model is LocationModel.P_CENTER
            else _solve_model(problem, watch, mip_engine)
        )
        return _finish(problem, watch, answer)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Answer:
    """What an engine says, before it is checked."""

    opened: BoolArray | None
    share: FloatArray | None
    bound: float
    engines: tuple[Engine, ...]
    infeasible: bool = False
    price: FloatArray | None = None
    root_bound: float | None = None
    faults: tuple[Fault, ...] = ()


_BUILDERS = {
    LocationModel.MCLP: build_coverage,
    LocationModel.P_MEDIAN: build_median,
    LocationModel.CFLP: build_median,
    LocationModel.BACKUP: build_backup,
}


def _solve_model(problem: LocationProblem, watch: Watch, engine: Engine) -> _Answer:
    """Solve any model but p-center by a mixed-integer solver."""
    if problem.supply_capacity is not None:
        model = build_capacitated(problem)
    elif problem.model is LocationModel.LSCP:
        model = build_set_cover(problem, covered_by=np.ones(problem.n_pair, dtype=bool))
    else:
        model = _BUILDERS[problem.model](problem)
    if problem.model.uses_distance or problem.model is LocationModel.LSCP:
        unreachable = (np.diff(problem.cover_start) == 0) & (problem.demand_weight > 0)
        if unreachable.any():
            return _infeasible(engine)
    solution = solve_mip(model, watch, engine=engine)
    if solution.status is SolveStatus.INFEASIBLE:
        return _infeasible(engine)
    opened, share = None, None
    if solution.values is not None:
        opened = solution.values[: problem.n_site] > HALF
        if problem.supply_capacity is not None:
            weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
            share = np.zeros(problem.n_pair)
            share[weight > 0] = solution.values[problem.n_supply :]
    sign = -1.0 if problem.model.maximises else 1.0
    return _Answer(
        opened=opened,
        share=share,
        bound=sign * solution.bound,
        engines=(engine,),
    )


def _infeasible(engine: Engine) -> _Answer:
    return _Answer(opened=None, share=None, bound=math.nan, infeasible=True, engines=(engine,))


def _solve_center(problem: LocationProblem, watch: Watch, engine: Engine) -> _Answer:
    """Find the least radius at which allowed sites cover all, by bisection (Minieka 1970)."""
    distance = problem.cover_distance
    assert distance is not None  # noqa: S101 - refused when built
    weight = np.repeat(problem.demand_weight, np.diff(problem.cover_start))
    radii = np.unique(np.concatenate(([0.0], distance[weight > 0])))
    within_rules = problem.replace(
        model=LocationModel.LSCP,
        cover_distance=None,
        site_cost=np.zeros(problem.n_site),
        budget=math.inf,
        rules=(
            *problem.rules,
            SiteRule(name="budget", coefficient=problem.site_cost, upper=problem.budget),
        ),
    )
    # All radii below `low` are proven too small; `high` is the least known to do.
    low, high, middle = 0, radii.size, radii.size - 1
    best: BoolArray | None = None
    while low < high and watch.stop_reason is None:
        cover = build_set_cover(within_rules, covered_by=distance <= radii[middle])
        solution = solve_mip(cover, watch, engine=engine)
        if solution.values is not None:
            best = solution.values[: problem.n_site] > HALF
            high = middle
        elif solution.status is SolveStatus.INFEASIBLE:
            low = middle + 1
        else:
            break
        middle = (low + high) // 2
        if best is not None:
            watch.report(float(radii[high]), float(radii[low]))
    if low == radii.size:
        return _infeasible(engine)
    return _Answer(opened=best, share=None, bound=float(radii[low]), engines=(engine,))


def _finish(problem: LocationProblem, watch: Watch, answer: _Answer) -> ClassicResult:
    """Recompute what an engine says, and state no more than that."""
    sign = -1.0 if problem.model.maximises else 1.0
    objective, bound = sign * math.inf, answer.bound
    opened = np.zeros(problem.n_site, dtype=bool) if answer.opened is None else answer.opened
    share = np.zeros(problem.n_pair)
    if answer.opened is not None:
        share = compute_shares(problem, opened) if answer.share is None else answer.share
        check = evaluate_location(problem, opened, share=share)
        if not check.feasible:
            raise SolveError(
                [
                    Fault(what=f"the engine's plan breaks a rule: {line}", remedy="report this")
                    for line in check.violations
                ]
            )
        objective = check.objective
        bound = sign * min(sign * bound, sign * objective)
    gap = compute_gap(objective, bound)
    if answer.infeasible:
        status, bound = SolveStatus.INFEASIBLE, sign * math.inf
    elif answer.opened is None:
        status = SolveStatus.NO_PLAN
    else:
        status = SolveStatus.OPTIMAL if gap <= watch.limits.gap else SolveStatus.FEASIBLE
    proven = status in {SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE}
    return ClassicResult(
        status=status,
        objective=objective,
        bound=bound,
        gap=gap,
        opened=opened,
        share=share,
        engines=answer.engines,
        stopped=StopReason.PROVEN if proven else watch.stop_reason or StopReason.EXHAUSTED,
        work=watch.work,
        seconds=watch.seconds,
        price=answer.price,
        root_bound=answer.root_bound,
        faults=answer.faults,
    )


def compute_shares(problem: LocationProblem, opened: BoolArray) -> FloatArray:
    """Send every demand point to the best opened supply (the first of equals).

    Returns
    -------
    FloatArray
        (n_pair,) 1 on the pair taken, 0 elsewhere; p-center and LSCP go to the nearest and the
        first that covers.
    """
    is_open = np.concatenate((opened, np.ones(problem.n_stations, dtype=bool)))[
        problem.cover_supply
    ]
    if problem.cover_distance is not None:
        value = -problem.cover_distance
    else:
        value = np.ones(problem.n_pair) if problem.cover_worth is None else problem.cover_worth
    value = np.where(is_open, value, -math.inf)
    best = np.repeat(
        _best_of_rows(problem.cover_start, value, empty=-math.inf), np.diff(problem.cover_start)
    )
    taken = np.flatnonzero(is_open & (value == best))
    demand = np.repeat(np.arange(problem.n_demand), np.diff(problem.cover_start))[taken]
    _, first = np.unique(demand, return_index=True)
    share = np.zeros(problem.n_pair)
    share[taken[first]] = 1.0
    return share
