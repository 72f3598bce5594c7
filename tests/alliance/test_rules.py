"""The bill under every rule, by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.alliance.game import Game, GameKind, exact_game
from siting.alliance.rules import JointFacts, compute_split, compute_splits
from siting.study import SplitRule

if TYPE_CHECKING:
    from collections.abc import Sequence


def surplus_game(values: Sequence[float], *, width: float = 0.0) -> Game:
    """Build a game of surpluses by bitmask; all but the grand one may be worth ``width`` more."""
    value = np.array([0.0, *values])
    upper = value + width
    upper[[0, -1]] = value[[0, -1]]
    players = tuple("abcde"[: (len(values) + 1).bit_length() - 1])
    return Game(
        players=players,
        kind=GameKind.SURPLUS,
        value_cny=value,
        lower_cny=value,
        upper_cny=upper,
    )


def facts(*, cost: float, worth: Sequence[float], vehicles: Sequence[float] = (1, 3)) -> JointFacts:
    return JointFacts(
        cost_cny=cost,
        worth_cny=np.array(worth, dtype=float),
        vehicles=np.array(vehicles, dtype=float),
        new_energy_kwh_per_day=np.array([1.0, 1.0]),
    )


# Two brands: service worth 70 and 50 together, for a cost of 20; alone they come to 30 and 40.
PAIR = surplus_game([30, 40, 100])
TOGETHER = facts(cost=20, worth=[70, 50])


@pytest.mark.parametrize(
    ("rule", "pays"),
    [
        (SplitRule.SHAPLEY, [25, -5]),  # 30 to share: each gains 15 over 30 and 40
        (SplitRule.NUCLEOLUS, [25, -5]),
        (SplitRule.BY_VEHICLES, [5, 15]),
        (SplitRule.BY_ENERGY, [10, 10]),
        (SplitRule.BY_ALONE, [70 - 300 / 7, 50 - 400 / 7]),  # 100 in proportion 30 : 40
        (SplitRule.EQUAL, [10, 10]),
    ],
)
def test_bills_of_a_pair(rule: SplitRule, pays: list[float]) -> None:
    split = compute_split(PAIR, rule, TOGETHER)
    assert split.pays_cny == pytest.approx(pays, abs=0.01)
    assert split.pays_fen.sum() == 2000
    assert split.gain_cny == pytest.approx(np.array([70, 50]) - pays - [30, 40])


def test_who_loses_by_a_plain_rule_objects() -> None:
    split = compute_split(PAIR, SplitRule.BY_VEHICLES, TOGETHER)
    assert [(o.coalition, o.excess_cny) for o in split.objections] == [(("b",), 5.0)]
    assert not split.in_core
    assert compute_split(PAIR, SplitRule.SHAPLEY, TOGETHER).in_core


def test_a_gap_widens_the_bill_and_the_gain() -> None:
    """Each may have 6 more alone: the Shapley share moves by 3, the gain by 9 at most."""
    wide = surplus_game([30, 40, 100], width=6.0)
    split = compute_split(wide, SplitRule.SHAPLEY, TOGETHER)
    assert split.pays_interval.lower_cny == pytest.approx([22, -8])
    assert split.pays_interval.upper_cny == pytest.approx([28, -2])
    assert (split.gain_interval.lower_cny <= 15 - 3).all()
    assert (split.gain_interval.upper_cny >= 15).all()
    plain = compute_split(wide, SplitRule.EQUAL, TOGETHER)
    assert plain.pays_interval.lower_cny.tolist() == plain.pays_interval.upper_cny.tolist()
    assert plain.gain_interval.lower_cny == pytest.approx([60 - 36, 40 - 46])


def test_costs_are_their_own_bills() -> None:
    game = exact_game(players=("a", "b"), kind=GameKind.COST, value_cny=[0, 30, 40, 50])
    split = compute_split(game, SplitRule.SHAPLEY, facts(cost=50, worth=[0, 0]))
    assert split.pays_cny.tolist() == [20, 30]
    assert split.gain_cny == pytest.approx([10, 10])
    split = compute_split(game, SplitRule.BY_ALONE, facts(cost=50, worth=[0, 0]))
    assert split.pays_cny == pytest.approx([50 * 3 / 7, 50 * 4 / 7], abs=0.01)


def test_who_have_more_alone_have_no_nucleolus() -> None:
    game = surplus_game([60, 50, 100])
    rules = [split.rule for split in compute_splits(game, TOGETHER)]
    assert SplitRule.NUCLEOLUS not in rules
    assert len(rules) == len(SplitRule) - 1


@given(
    st.lists(st.integers(0, 1000), min_size=7, max_size=7),
    st.lists(st.integers(0, 10**8), min_size=3, max_size=3),
    st.floats(0, 50),
)
def test_every_rule_bills_the_cost_to_the_fen_within_its_bounds(
    values: list[int], worth_fen: list[int], width: float
) -> None:
    values[6] = max(values)
    worth = np.array(worth_fen) / 100
    cost = float(worth.sum() - values[6])
    given_facts = JointFacts(
        cost_cny=cost,
        worth_cny=worth,
        vehicles=np.array([1.0, 2.0, 0.0]),
        new_energy_kwh_per_day=np.zeros(3),
    )
    for split in compute_splits(surplus_game(values, width=width), given_facts):
        assert int(split.pays_fen.sum()) == round(cost * 100)
        assert (split.pays_interval.lower_cny <= split.pays_cny + 0.02).all()
        assert (split.pays_interval.upper_cny >= split.pays_cny - 0.02).all()
        assert (split.gain_interval.lower_cny <= split.gain_cny + 1e-6).all()
        assert (split.gain_interval.upper_cny >= split.gain_cny - 1e-6).all()
