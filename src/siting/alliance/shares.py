"""Who gets or pays what: the Shapley value, the plain rules that people know, and exact fen.

All functions take a :class:`~siting.alliance.game.Game`, of costs or of surpluses, and give one
share per player in the game's own sense: what a member pays of a cost, gains of a surplus. The
core and the nucleolus stand in :mod:`siting.alliance.core`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import FEN_PER_CNY, FloatArray, LongArray, frozen_array

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from siting.alliance.game import Game

# Remainders that differ by less are a tie: the difference is floating-point noise.
_TIE_DECIMALS_OF_FEN = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class ShareInterval:
    """Bounds within which each player's share lies, whatever the true coalition values are.

    Attributes
    ----------
    lower_cny, upper_cny
        (n_player,) bounds of the shares.
    """

    lower_cny: FloatArray
    upper_cny: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name in ("lower_cny", "upper_cny"):
            object.__setattr__(self, name, frozen_array(getattr(self, name), np.float64))


def compute_shapley(game: Game) -> FloatArray:
    """Compute the Shapley value exactly, from all coalitions.

    Returns
    -------
    (n_player,) array
        φ_i = Σ_{S ∌ i} |S|! (n-|S|-1)! / n! · (v(S ∪ i) - v(S)) (Shapley 1953): what player i
        adds, averaged over all orders in which the alliance may have come together.
    """
    return np.asarray(_shapley_weights(game) @ game.value_cny, dtype=np.float64)


def compute_shapley_interval(game: Game) -> ShareInterval:
    """Compute the tightest bounds on each Shapley share when values move within their intervals.

    The Shapley value is linear, so each bound takes every coalition's value at the end that
    lowers (raises) the player's share. The bounds of different players are not reached together.
    """
    weights = _shapley_weights(game)
    raises, lowers = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    return ShareInterval(
        lower_cny=raises @ game.lower_cny + lowers @ game.upper_cny,
        upper_cny=raises @ game.upper_cny + lowers @ game.lower_cny,
    )


def _shapley_weights(game: Game) -> FloatArray:
    """Return the (n, 2**n) coefficients of the Shapley value, which is linear in the values."""
    n = game.n_player
    by_size = np.array([1.0 / (n * math.comb(n - 1, k)) for k in range(n)])
    size = game.members.sum(axis=1)
    with_player = by_size[np.maximum(size - 1, 0)]
    without_player = -by_size[np.minimum(size, n - 1)]
    return np.asarray(np.where(game.members.T, with_player, without_player), dtype=np.float64)


def split_in_proportion(total_cny: float, weights: ArrayLike) -> FloatArray:
    """Split an amount in proportion to weights: vehicles, energy served, stand-alone benefit.

    Raises
    ------
    ValueError
        Where a weight is negative or missing, or all are 0, so that no proportion exists.
    """
    weight = np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        raise ValueError("weights must be finite and not negative, and one of them positive")
    return np.asarray(total_cny * (weight / math.fsum(weight)), dtype=np.float64)


def split_equally(total_cny: float, n_player: int) -> FloatArray:
    """Split an amount into equal parts."""
    return np.full(n_player, total_cny / n_player)


def round_to_fen(share_cny: ArrayLike, *, total_cny: float) -> LongArray:
    """Round shares to whole fen that sum to the total exactly.

    Parameters
    ----------
    share_cny
        (n,) shares; they sum to the total but for less than a fen each.
    total_cny
        What is split; it is itself rounded to the fen first.

    Returns
    -------
    (n,) array of int64
        Fen by player, each within one fen of the share: the largest remainders are rounded up,
        ties by the players' order.

    Raises
    ------
    ValueError
        Where the shares do not sum to the total.
    """
    exact_fen = np.round(
        np.asarray(share_cny, dtype=np.float64) * FEN_PER_CNY, _TIE_DECIMALS_OF_FEN
    )
    fen = np.floor(exact_fen).astype(np.int64)
    left = round(total_cny * FEN_PER_CNY) - int(fen.sum())
    if not 0 <= left <= fen.size:
        raise ValueError(f"the shares miss the total of {total_cny} CNY by more than rounding")
    remainder = np.round(exact_fen - fen, _TIE_DECIMALS_OF_FEN)
    fen[np.argsort(-remainder, kind="stable")[:left]] += 1
    return fen
