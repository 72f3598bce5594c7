"""Money by site, in whole fen; loans; and what drivers find within reach."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.alliance.ledger import Loan, arrange_loans, compute_reach, split_sites, sum_by_district
from siting.instance import SitingInstance, no_requirements


def test_a_site_is_paid_by_who_charges_there() -> None:
    parts = split_sites(np.array([1.0, 0.05, 7.0]), np.array([[1.0, 2.0], [0.0, 0.0], [0.0, 5.0]]))
    assert parts.tolist() == [[33, 67], [3, 2], [0, 700]]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**10), st.lists(st.floats(0, 1e5), min_size=3, max_size=3)),
        max_size=6,
    )
)
def test_every_sites_bills_sum_to_its_cost(sites: list[tuple[int, list[float]]]) -> None:
    cost_fen = np.array([fen for fen, _ in sites], dtype=np.int64)
    energy = np.array([kwh for _, kwh in sites], dtype=float).reshape(len(sites), 3)
    assert split_sites(cost_fen / 100, energy).sum(axis=1).tolist() == cost_fen.tolist()


def test_the_largest_need_borrows_from_the_largest_room() -> None:
    loans = arrange_loans(np.array([500, 100, 900, 0]), np.array([3.0, 9.0, 5.0, 4.0]))
    assert loans == (
        Loan(lender=1, borrower=2, fen=400),
        Loan(lender=1, borrower=0, fen=200),
    )
    assert arrange_loans(np.array([300, -100]), np.array([3.0, 0.0])) == ()


def test_budgets_that_do_not_cover_the_bills_are_refused() -> None:
    with pytest.raises(ValueError, match="do not cover"):
        arrange_loans(np.array([300, 200]), np.array([3.0, 1.0]))


@given(st.lists(st.tuples(st.integers(-500, 900), st.integers(0, 900)), min_size=1, max_size=6))
def test_after_the_loans_nobody_needs_more_than_its_budget(rows: list[tuple[int, int]]) -> None:
    pays = np.array([p for p, _ in rows], dtype=np.int64)
    budget = np.array([b for _, b in rows], dtype=np.int64)
    short = int(max(0, (pays - budget).sum()))
    budget[0] += short
    cash = pays.copy()
    for loan in arrange_loans(pays, budget / 100):
        assert loan.fen > 0
        cash[loan.borrower] -= loan.fen
        cash[loan.lender] += loan.fen
    assert (cash <= budget).all()
    assert cash.sum() == pays.sum()


def two_points() -> SitingInstance:
    """Point d0 has e0 one minute and s0 three minutes away, d1 has s0 two minutes, d2 nothing."""
    return SitingInstance(
        brands=("a", "b"),
        demand_ids=("d0", "d1", "d2"),
        demand_kwh_per_day=np.array([[3.0, 0.0], [1.0, 2.0], [0.0, 2.0]]),
        demand_district=np.array([0, 1, -1]),
        site_ids=("s0",),
        site_district=np.array([0]),
        station_ids=("e0",),
        district_ids=("north", "south"),
        tiers=("only",),
        tier_cost_cny=np.ones((1, 1)),
        tier_power_kw=np.ones((1, 1)),
        tier_capacity_kwh_per_day=np.ones((1, 1)),
        tier_allowed=np.ones((1, 1), dtype=bool),
        station_capacity_kwh_per_day=np.array([9.0]),
        usable=np.array([[True, True], [True, False]]),
        cover_start=np.array([0, 2, 3, 3]),
        cover_supply=np.array([0, 1, 0]),
        cover_time_s=np.array([180.0, 60.0, 120.0]),
        cover_worth=np.ones(3),
        requirements=no_requirements(n_site=1, n_brand=2),
    )


def test_the_nearest_usable_charger() -> None:
    instance = two_points()
    built = compute_reach(instance, usable=instance.usable, standing=np.array([True, True]))
    assert built.share == pytest.approx([1.0, 0.5])
    assert built.nearest_min == pytest.approx([(3 * 1 + 1 * 2) / 4, 2.0])
    today = compute_reach(instance, usable=instance.usable, standing=np.array([False, True]))
    assert today.share == pytest.approx([0.75, 0.0])
    assert today.nearest_min[0] == 1.0
    assert np.isnan(today.nearest_min[1])


def test_energy_by_district_keeps_what_lies_in_none() -> None:
    instance = two_points()
    sums = sum_by_district(instance, instance.demand_kwh_per_day)
    assert sums.tolist() == [[3, 0], [1, 2], [0, 2]]
