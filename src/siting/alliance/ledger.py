"""The ledger's arithmetic, in whole fen, and what drivers find in one state of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.alliance.shares import round_to_fen, split_equally, split_in_proportion
from siting.domain import FEN_PER_CNY, SECONDS_PER_MINUTE, FloatArray, LongArray

if TYPE_CHECKING:
    from siting.domain import BoolArray
    from siting.instance import SitingInstance


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """Cash that one brand lends to another because its bill is over its budget.

    Attributes
    ----------
    lender, borrower
        Indices of the brands.
    fen
        How much.
    """

    lender: int
    borrower: int
    fen: int


def split_sites(cost_cny: FloatArray, energy_kwh_per_day: FloatArray) -> LongArray:
    """Split every site's cost by the energy that each brand's drivers charge there.

    Parameters
    ----------
    cost_cny
        (n,) cost of each site.
    energy_kwh_per_day
        (n, n_brand) energy charged there.

    Returns
    -------
    (n, n_brand) array of int64
        Fen; each row sums to the site's cost exactly. Where nobody charges the parts are equal.
    """
    n_brand = energy_kwh_per_day.shape[1]
    parts = np.zeros(energy_kwh_per_day.shape, dtype=np.int64)
    for j, (cost, energy) in enumerate(zip(cost_cny, energy_kwh_per_day, strict=True)):
        share = (
            split_in_proportion(float(cost), energy)
            if energy.sum() > 0
            else split_equally(float(cost), n_brand)
        )
        parts[j] = round_to_fen(share, total_cny=float(cost))
    return parts


def arrange_loans(pays_fen: LongArray, budget_cny: FloatArray) -> tuple[Loan, ...]:
    """Say who lends to whom so that nobody needs more cash than its budget.

    The largest need is met first, from the largest room.

    Parameters
    ----------
    pays_fen
        (n_brand,) bills.
    budget_cny
        (n_brand,) cash that each brand can bring.

    Raises
    ------
    ValueError
        If the budgets together do not cover the bills.
    """
    room = np.round(budget_cny * FEN_PER_CNY).astype(np.int64) - pays_fen
    if room.sum() < 0:
        raise ValueError("the budgets together do not cover the bills")
    loans = []
    while room.min() < 0:
        borrower, lender = int(np.argmin(room)), int(np.argmax(room))
        fen = int(min(-room[borrower], room[lender]))
        loans.append(Loan(lender=lender, borrower=borrower, fen=fen))
        room[borrower] += fen
        room[lender] -= fen
    return tuple(loans)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reach:
    """How near drivers have a charger that they may use, by brand.

    Attributes
    ----------
    share
        (n_brand,) share of the demand that has one within the cutoff.
    nearest_min
        (n_brand,) mean drive to the nearest one, of those who have one, weighted by their demand
        (minutes); NaN where nobody has.
    """

    share: FloatArray
    nearest_min: FloatArray


def compute_reach(instance: SitingInstance, *, usable: BoolArray, standing: BoolArray) -> Reach:
    """Compute how near each brand's demand has a usable charger.

    Parameters
    ----------
    instance
        Demand and drives; drives beyond the cutoff are not known.
    usable
        (n_supply, n_brand) who may charge where.
    standing
        (n_supply,) sites that are opened, and stations.
    """
    share = np.zeros(instance.n_brand)
    nearest_min = np.full(instance.n_brand, np.nan)
    for b in range(instance.n_brand):
        open_to_b = (usable[:, b] & standing)[instance.cover_supply]
        nearest_s = np.full(instance.n_demand, np.inf)
        np.minimum.at(nearest_s, instance.cover_demand[open_to_b], instance.cover_time_s[open_to_b])
        wanted, near = instance.demand_kwh_per_day[:, b], np.isfinite(nearest_s)
        if wanted.sum() > 0:
            share[b] = wanted[near].sum() / wanted.sum()
        if wanted[near].sum() > 0:
            nearest_min[b] = np.average(nearest_s[near], weights=wanted[near]) / SECONDS_PER_MINUTE
    return Reach(share=share, nearest_min=nearest_min)


def sum_by_district(instance: SitingInstance, kwh_per_day: FloatArray) -> FloatArray:
    """Sum (n_demand, n_brand) energy by district; the last row is what lies in none."""
    index = np.where(
        instance.demand_district >= 0, instance.demand_district, len(instance.district_ids)
    )
    sums = np.zeros((len(instance.district_ids) + 1, kwh_per_day.shape[1]))
    np.add.at(sums, index, kwh_per_day)
    return sums
