from __future__ import annotations

import numpy as np
import pytest

from siting.alliance.game import Game, GameKind, exact_game


def test_bit_k_of_a_coalition_stands_for_player_k() -> None:
    game = exact_game(players=("a", "b", "c"), kind=GameKind.COST, value_cny=np.arange(8.0))
    assert game.names(0b101) == ("a", "c")
    assert game.members[0b110].tolist() == [False, True, True]
    assert game.singletons.tolist() == [1, 2, 4]
    assert game.proper.tolist() == [1, 2, 3, 4, 5, 6]
    assert game.total_cny == 7


@pytest.mark.parametrize(
    ("players", "values"),
    [
        (("a", "a"), [0, 1, 1, 2]),
        ((), [0]),
        (("a", "b"), [0, 1, 2]),
        (("a", "b"), [1, 1, 1, 2]),
        (("a", "b"), [0, 1, np.nan, 2]),
        (tuple("abcdefghijklm"), np.zeros(2**13)),
    ],
)
def test_games_that_make_no_sense_are_refused(
    players: tuple[str, ...], values: list[float]
) -> None:
    with pytest.raises(ValueError, match=r"players|finite value"):
        exact_game(players=players, kind=GameKind.SURPLUS, value_cny=values)


def test_a_value_outside_its_bounds_is_refused() -> None:
    value = np.array([0.0, 1.0, 1.0, 3.0])
    with pytest.raises(ValueError, match="between its bounds"):
        Game(
            players=("a", "b"),
            kind=GameKind.SURPLUS,
            value_cny=value,
            lower_cny=value,
            upper_cny=value - [0, 0, 0, 1],
        )


def test_a_game_is_frozen() -> None:
    game = exact_game(players=("a",), kind=GameKind.COST, value_cny=[0, 1])
    with pytest.raises(ValueError, match="read-only"):
        game.value_cny[1] = 2
