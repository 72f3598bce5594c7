"""One problem of the classic family, as read-only arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from siting.domain import (
    BoolArray,
    FloatArray,
    IntArray,
    LocationModel,
    LongArray,
    frozen_array,
)
from siting.errors import InputError
from siting.optimise.location_faults import find_faults

if TYPE_CHECKING:
    from siting.instance import SitingInstance


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
        faults = list(find_faults(self))
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
