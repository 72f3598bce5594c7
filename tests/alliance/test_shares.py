from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siting.alliance.game import Game, GameKind, exact_game
from siting.alliance.shares import (
    compute_shapley,
    compute_shapley_interval,
    round_to_fen,
    split_equally,
    split_in_proportion,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    BuildGame = Callable[[int, GameKind, Callable[[tuple[int, ...]], float]], Game]


@st.composite
def games(draw: st.DrawFn, *, max_players: int = 5) -> Game:
    """Draw any game, of costs or surpluses."""
    n = draw(st.integers(1, max_players))
    value = draw(arrays(np.float64, 2**n, elements=st.integers(-1000, 1000).map(float)))
    value[0] = 0
    kind = draw(st.sampled_from(GameKind))
    return exact_game(players=tuple(f"p{k}" for k in range(n)), kind=kind, value_cny=value)


def shapley_by_orders(game: Game) -> np.ndarray:
    """Average what each player adds over all orders of arrival: the definition itself."""
    total = np.zeros(game.n_player)
    for order in itertools.permutations(range(game.n_player)):
        coalition = 0
        for k in order:
            total[k] += game.value_cny[coalition | 1 << k] - game.value_cny[coalition]
            coalition |= 1 << k
    return total / math.factorial(game.n_player)


def test_glove_game(build_game: BuildGame) -> None:
    """One left glove, two right ones; a pair is worth 1."""
    game = build_game(3, GameKind.SURPLUS, lambda s: min(s.count(0), len(s) - s.count(0)))
    assert compute_shapley(game) == pytest.approx([2 / 3, 1 / 6, 1 / 6])


def test_majority_game(build_game: BuildGame) -> None:
    game = build_game(3, GameKind.SURPLUS, lambda s: len(s) >= 2)
    assert compute_shapley(game) == pytest.approx([1 / 3] * 3)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=6).map(sorted))
def test_airport_game_has_littlechild_and_owens_closed_form(costs: list[int]) -> None:
    """A runway long enough for the largest plane; each stretch is shared by who needs it."""
    n = len(costs)
    value = [max((costs[k] for k in range(n) if s >> k & 1), default=0) for s in range(2**n)]
    game = exact_game(players=tuple(f"p{k}" for k in range(n)), kind=GameKind.COST, value_cny=value)
    stretches = np.diff([0, *costs]) / np.arange(n, 0, -1)
    assert compute_shapley(game) == pytest.approx(np.cumsum(stretches))


@given(games())
def test_shapley_is_the_average_over_all_orders(game: Game) -> None:
    assert compute_shapley(game) == pytest.approx(shapley_by_orders(game), abs=1e-9)


@given(games())
def test_shapley_gives_out_exactly_what_there_is(game: Game) -> None:
    assert compute_shapley(game).sum() == pytest.approx(game.total_cny, abs=1e-9)


@given(games(), st.data())
def test_shapley_adds_up_over_games(game: Game, data: st.DataObject) -> None:
    other = data.draw(arrays(np.float64, game.value_cny.size, elements=st.integers(-9, 9)))
    other[0] = 0
    second = exact_game(players=game.players, kind=game.kind, value_cny=other)
    both = exact_game(players=game.players, kind=game.kind, value_cny=game.value_cny + other)
    parts = compute_shapley(game) + compute_shapley(second)
    assert compute_shapley(both) == pytest.approx(parts, abs=1e-9)


@given(games(max_players=4), st.integers(-100, 100))
def test_shapley_gives_a_null_player_what_it_has_alone(game: Game, alone: int) -> None:
    value = np.concatenate([game.value_cny, game.value_cny + alone])
    value[0] = 0
    bigger = exact_game(players=(*game.players, "null"), kind=game.kind, value_cny=value)
    shares = compute_shapley(bigger)
    assert shares[-1] == pytest.approx(alone, abs=1e-9)
    assert shares[:-1] == pytest.approx(compute_shapley(game), abs=1e-9)


@given(games(), st.randoms(use_true_random=False))
def test_shapley_does_not_depend_on_the_players_order(game: Game, random: object) -> None:
    order = list(range(game.n_player))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = [
        game.value_cny[sum(1 << order[k] for k in range(game.n_player) if s >> k & 1)]
        for s in range(game.value_cny.size)
    ]
    renamed = exact_game(players=game.players, kind=game.kind, value_cny=moved)
    assert compute_shapley(renamed) == pytest.approx(compute_shapley(game)[order], abs=1e-9)


@given(games(), st.data())
def test_the_shapley_interval_holds_every_game_inside_and_no_more(
    game: Game, data: st.DataObject
) -> None:
    gap = data.draw(arrays(np.float64, game.value_cny.size, elements=st.integers(0, 50)))
    gap[0] = 0
    wide = Game(
        players=game.players,
        kind=game.kind,
        value_cny=game.value_cny,
        lower_cny=game.value_cny - gap,
        upper_cny=game.value_cny + 2 * gap,
    )
    interval = compute_shapley_interval(wide)
    place = data.draw(arrays(np.float64, game.value_cny.size, elements=st.floats(0, 1)))
    inside = exact_game(
        players=game.players,
        kind=game.kind,
        value_cny=wide.lower_cny + place * (wide.upper_cny - wide.lower_cny),
    )
    shares = compute_shapley(inside)
    assert (interval.lower_cny - 1e-9 <= shares).all()
    assert (shares <= interval.upper_cny + 1e-9).all()
    first = wide.members[:, 0]
    lowest = exact_game(
        players=game.players,
        kind=game.kind,
        value_cny=np.where(first, wide.lower_cny, wide.upper_cny),
    )
    assert compute_shapley(lowest)[0] == pytest.approx(interval.lower_cny[0], abs=1e-9)


def test_plain_rules() -> None:
    assert split_equally(90.0, 3).tolist() == [30, 30, 30]
    assert split_in_proportion(100.0, [1, 0, 3]).tolist() == [25, 0, 75]


@pytest.mark.parametrize("weights", [[0, 0], [1, -1], [1, np.nan], [np.inf, 1]])
def test_no_proportion_without_weights(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split_in_proportion(1.0, weights)


def test_the_odd_fen_go_to_the_largest_remainders_ties_to_who_stands_first() -> None:
    assert round_to_fen(split_equally(1.0, 3), total_cny=1.0).tolist() == [34, 33, 33]
    assert round_to_fen([0.006, 0.016, 0.978], total_cny=1.0).tolist() == [1, 1, 98]
    assert round_to_fen([0.004, 0.004, 0.002], total_cny=0.01).tolist() == [1, 0, 0]
    assert round_to_fen([-0.005, 0.005], total_cny=0.0).tolist() == [0, 0]


def test_shares_of_something_else_are_refused() -> None:
    with pytest.raises(ValueError, match="miss the total"):
        round_to_fen([1.0, 1.0], total_cny=3.0)


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any),
    st.integers(-(10**12), 10**12),
)
def test_fen_sum_to_the_total_and_stay_within_one(weights: list[int], total_fen: int) -> None:
    shares = split_in_proportion(total_fen / 100, weights)
    fen = round_to_fen(shares, total_cny=total_fen / 100)
    assert int(fen.sum()) == total_fen
    assert np.abs(fen - shares * 100).max() < 1 + 1e-3
