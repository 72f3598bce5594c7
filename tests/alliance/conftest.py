"""Games from the literature, built from what a coalition's members are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from siting.alliance.game import Game, GameKind, exact_game

if TYPE_CHECKING:
    from collections.abc import Callable

    BuildGame = Callable[[int, GameKind, Callable[[tuple[int, ...]], float]], Game]


@pytest.fixture(scope="session")
def build_game() -> BuildGame:
    """Build an exact game from a function of the coalition's player numbers, from 0."""

    def build(n: int, kind: GameKind, worth: Callable[[tuple[int, ...]], float]) -> Game:
        value = [
            float(worth(tuple(k for k in range(n) if s >> k & 1))) if s else 0.0
            for s in range(2**n)
        ]
        players = tuple(f"p{k + 1}" for k in range(n))
        return exact_game(players=players, kind=kind, value_cny=value)

    return build
