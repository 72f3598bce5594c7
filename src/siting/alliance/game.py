"""A game with transferable money: what every coalition of members can do on its own.

Coalitions are numbered by bitmask: bit k of the index is set where ``players[k]`` takes part, so
index 0 is nobody and the last index is everybody (the grand coalition N).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, FloatArray, IntArray, frozen_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MAX_PLAYERS = 12


class GameKind(StrEnum):
    """What a coalition's value is, and so which way a share is good."""

    COST = "cost"
    """c(S): least money that S must spend on its own; a share is what a member pays."""
    SURPLUS = "surplus"
    """v(S): most money that S can gain on its own; a share is what a member gains."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Game:
    """The value of every coalition, with the interval in which the true value lies.

    Attributes
    ----------
    players
        Ids of the members; bit k of a coalition's index stands for ``players[k]``.
    kind
        Whether values are costs or surpluses.
    value_cny
        (2**n,) value of every coalition by the plan in hand; 0 for nobody.
    lower_cny, upper_cny
        (2**n,) bounds between which the true value lies. What is really split, the value of
        the grand coalition, is a fact where the plan in hand is the one that is built: both
        its bounds are then its value.

    Raises
    ------
    ValueError
        Where names repeat, arrays do not fit, numbers are missing, or bounds do not enclose.
    """

    players: tuple[str, ...]
    kind: GameKind
    value_cny: FloatArray
    lower_cny: FloatArray
    upper_cny: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse games that make no sense."""
        if not 1 <= len(set(self.players)) == len(self.players) <= MAX_PLAYERS:
            raise ValueError(f"a game has 1 to {MAX_PLAYERS} players with different names")
        for name in ("value_cny", "lower_cny", "upper_cny"):
            array = frozen_array(getattr(self, name), np.float64)
            if array.shape != (2**self.n_player,) or not np.isfinite(array).all() or array[0] != 0:
                raise ValueError(f"{name} needs a finite value for each coalition, 0 for nobody")
            object.__setattr__(self, name, array)
        if (self.lower_cny > self.value_cny).any() or (self.value_cny > self.upper_cny).any():
            raise ValueError("every value must lie between its bounds")

    @property
    def n_player(self) -> int:
        """Number of players."""
        return len(self.players)

    @property
    def grand(self) -> int:
        """Index of the grand coalition."""
        return (1 << self.n_player) - 1

    @property
    def total_cny(self) -> float:
        """Value of the grand coalition: what is split."""
        return float(self.value_cny[self.grand])

    @property
    def is_exact(self) -> bool:
        """Whether every value is known exactly."""
        return bool((self.lower_cny == self.upper_cny).all())

    @cached_property
    def members(self) -> BoolArray:
        """(2**n, n) whether the player takes part in the coalition."""
        return membership(self.n_player)

    @property
    def proper(self) -> IntArray:
        """(2**n - 2,) indices of the coalitions that are neither nobody nor everybody."""
        return np.arange(1, self.grand, dtype=np.int32)

    @property
    def singletons(self) -> IntArray:
        """(n,) indices of the players on their own."""
        return 2 ** np.arange(self.n_player, dtype=np.int32)

    def names(self, coalition: int) -> tuple[str, ...]:
        """Return the ids of a coalition's members."""
        return tuple(p for k, p in enumerate(self.players) if coalition >> k & 1)


def exact_game(*, players: tuple[str, ...], kind: GameKind, value_cny: ArrayLike) -> Game:
    """Build a game whose values are known exactly, so that both bounds are the value."""
    value = frozen_array(value_cny, np.float64)
    return Game(players=players, kind=kind, value_cny=value, lower_cny=value, upper_cny=value)


def membership(n_player: int) -> BoolArray:
    """Return the (2**n, n) table of who takes part in which coalition."""
    coalition = np.arange(2**n_player)[:, None]
    return frozen_array((coalition >> np.arange(n_player)) & 1, np.bool_)
