"""What belongs to whom, and what every coalition of brands would face on its own.

A coalition has its members' drivers, their own stations, their claim on stations that everybody
may use, and their money. Unified accounts open a member's stations to the coalition's other
members, not to outsiders.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, FloatArray, IntArray, frozen_array

if TYPE_CHECKING:
    from siting.instance import SitingInstance

THIRD_PARTY = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Alliance:
    """The joint instance, and what belongs to whom.

    Attributes
    ----------
    instance
        The joint instance, with unified accounts.
    usable_alone
        (n_supply, n_brand) whether the brand's drivers may charge there with separate accounts.
    station_owner
        (n_station,) index of the brand that owns the station, or ``THIRD_PARTY``.
    budget_cny
        (n_brand,) money that each brand can bring.
    """

    instance: SitingInstance
    usable_alone: BoolArray
    station_owner: IntArray
    budget_cny: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse those that do not belong to the instance."""
        asked = {
            "usable_alone": (np.bool_, self.instance.usable.shape),
            "station_owner": (np.int32, (self.instance.n_station,)),
            "budget_cny": (np.float64, (self.instance.n_brand,)),
        }
        for name, (dtype, shape) in asked.items():
            array = frozen_array(getattr(self, name), dtype)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)
        if not (np.isfinite(self.budget_cny).all() and (self.budget_cny >= 0).all()):
            raise ValueError("every brand needs a finite budget that is not negative")

    @property
    def grand(self) -> int:
        """Index of the grand coalition."""
        return (1 << self.instance.n_brand) - 1

    @cached_property
    def station_claim(self) -> FloatArray:
        """(n_station, n_brand) share of the station's capacity that each brand can count on."""
        return compute_station_claims(self)


def compute_station_claims(alliance: Alliance) -> FloatArray:
    """Share every station's capacity among the brands that may use it with separate accounts.

    A station that only its owner may use is the owner's whole. Where several may, as at a public
    third-party station, each counts on its part of the demand within reach: capacity cannot be
    counted twice, by a coalition and again by those outside it.

    Returns
    -------
    (n_station, n_brand) array
        Rows sum to 1, or to 0 where nobody may use the station.
    """
    instance = alliance.instance
    alone = alliance.usable_alone[instance.n_site :]
    within_reach = np.column_stack(
        [
            np.bincount(
                instance.cover_supply,
                weights=instance.cover_worth * kwh[instance.cover_demand],
                minlength=instance.n_supply,
            )
            for kwh in instance.demand_kwh_per_day.T
        ]
    )[instance.n_site :]
    weight = np.where(alone, within_reach, 0.0)
    weight = np.where(weight.sum(axis=1, keepdims=True) > 0, weight, alone)
    total = weight.sum(axis=1, keepdims=True)
    return frozen_array(
        np.divide(weight, total, out=np.zeros_like(weight), where=total > 0), np.float64
    )


def build_coalition_instance(
    alliance: Alliance,
    coalition: int,
    *,
    budget_cny: float,
    floor_by_brand: FloatArray | None = None,
) -> SitingInstance:
    """Build what a coalition would face on its own.

    What limits anybody (forbidden sites, grid, spacing, greatest numbers) limits the coalition
    too; what only the joint plan owes (required sites, least numbers) it does not.

    Parameters
    ----------
    alliance
        The joint instance, and what belongs to whom.
    coalition
        Bitmask of the members over ``instance.brands``.
    budget_cny
        Most that the coalition may spend; infinite where cost is what is looked for.
    floor_by_brand
        (n_brand,) floors of all brands; none if left out.

    Returns
    -------
    SitingInstance
        Its brand axes hold the members alone.
    """
    instance, requirements = alliance.instance, alliance.instance.requirements
    members = list_members(coalition)
    n_site = instance.n_site
    owned = np.isin(alliance.station_owner, members)[:, None]
    at_stations = alliance.usable_alone[n_site:, members] | (
        instance.usable[n_site:, members] & owned
    )
    floors = np.zeros(len(members)) if floor_by_brand is None else floor_by_brand[members]
    return instance.replace(
        brands=tuple(instance.brands[b] for b in members),
        demand_kwh_per_day=instance.demand_kwh_per_day[:, members],
        usable=np.vstack([instance.usable[:n_site, members], at_stations]),
        station_capacity_kwh_per_day=instance.station_capacity_kwh_per_day
        * np.minimum(alliance.station_claim[:, members].sum(axis=1), 1.0),
        requirements=requirements.replace(
            budget_cny=budget_cny,
            floor_by_brand=floors,
            required=np.zeros(n_site, dtype=bool),
            min_sites=0,
            district_min_sites=np.zeros_like(requirements.district_min_sites),
        ),
    )


def list_members(coalition: int) -> list[int]:
    """Return the brands' indices in a coalition's bitmask, in order."""
    return [b for b in range(coalition.bit_length()) if coalition >> b & 1]
