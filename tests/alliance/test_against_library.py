"""Our shares beside a library's, tucoopy: Shapley, least core, and the nucleolus.

Its nucleolus is not always one: in some games it stops at a division that still leaves a coalition
worse off than it need be. So ours is held to be at least as good, by the sorted complaints that
define a nucleolus, and the same wherever the library's passes Kohlberg's criterion.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tucoopy import Game as LibraryGame
from tucoopy.solutions import least_core_epsilon_star, nucleolus, shapley_value

from siting.alliance.core import (
    compute_excess_cny,
    compute_least_core,
    compute_nucleolus,
    verify_nucleolus,
)
from siting.alliance.game import Game, GameKind, exact_game
from siting.alliance.shares import compute_shapley

if TYPE_CHECKING:
    from siting.domain import FloatArray

TOP = 1000


def draw_game(seed: int) -> Game:
    """Return a game of surpluses in which nobody has more alone than together."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 6))
    value = rng.integers(0, TOP, 2**n).astype(float)
    value[0] = 0.0
    alone = value[2 ** np.arange(n)].sum()
    value[-1] = max(value[-1], alone)
    players = tuple(f"p{k}" for k in range(n))
    return exact_game(players=players, kind=GameKind.SURPLUS, value_cny=value)


def as_library(game: Game) -> LibraryGame:
    values = dict(enumerate(game.value_cny.tolist()))
    return LibraryGame.from_coalitions(n_players=len(game.players), values=values)


def complaints(game: Game, share: FloatArray) -> FloatArray:
    """Return the proper coalitions' excesses, greatest first."""
    return np.sort(compute_excess_cny(game, share)[1:-1])[::-1]


@given(st.integers(0, 10**6))
def test_the_shapley_value_is_the_librarys(seed: int) -> None:
    game = draw_game(seed)
    assert compute_shapley(game) == pytest.approx(shapley_value(as_library(game)))


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_the_least_core_is_the_librarys(seed: int) -> None:
    game = draw_game(seed)
    ours = compute_least_core(game).epsilon_cny
    assert ours == pytest.approx(least_core_epsilon_star(as_library(game)), abs=1e-6)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_the_nucleolus_is_the_librarys_or_better(seed: int) -> None:
    game = draw_game(seed)
    ours = compute_nucleolus(game)
    theirs = np.array(nucleolus(as_library(game)).x)
    assert verify_nucleolus(game, ours)
    if verify_nucleolus(game, theirs):
        assert ours == pytest.approx(theirs, abs=1e-5 * TOP)
    else:
        difference = complaints(game, theirs) - complaints(game, ours)
        first = np.flatnonzero(np.abs(difference) > 1e-5 * TOP)
        assert not first.size or difference[first[0]] > 0
