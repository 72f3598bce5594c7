"""Who would object to a split: the core, the least core and the nucleolus.

A coalition S objects to a split x of the grand coalition's value where it does better on its own.
How much better is its excess: v(S) - x(S) in a game of surpluses, x(S) - c(S) in a game of costs,
with x(S) = Σ_{i ∈ S} x_i. The core holds the splits that leave no coalition a positive excess.

The functions below turn costs into surpluses by their sign, so that each formula stands once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import linprog

from siting.alliance.game import GameKind
from siting.alliance.shares import ShareInterval
from siting.domain import BoolArray, FloatArray, frozen_array

if TYPE_CHECKING:
    from siting.alliance.game import Game

FEN_CNY = 0.01
# Values are scaled to at most 1 before an LP, so these are relative.
_LP_TOLERANCE = 1e-10
_POSITIVE_DUAL = 1e-7
_RANK_TOLERANCE = 1e-9
_NOISE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A coalition that does better on its own than under a split, and by how much.

    Attributes
    ----------
    coalition
        Ids of its members.
    excess_cny
        What it gains by leaving, by the plan that it has in hand.
    least_cny, most_cny
        Bounds of that gain, from the interval in which its true value lies.
    """

    coalition: tuple[str, ...]
    excess_cny: float
    least_cny: float
    most_cny: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastCore:
    """The splits whose greatest objection is as small as can be.

    Attributes
    ----------
    epsilon_cny
        That greatest objection. The core is empty exactly where this is positive; where it is
        negative, even the least content coalition loses this much by leaving.
    lower_cny, upper_cny
        Bounds of epsilon when the values move within their intervals: the core is surely empty
        where the lower one is positive, surely not where the upper one is not.
    share_cny
        (n_player,) one such split.
    binding
        Coalitions that keep epsilon from being smaller, in every such split.
    """

    epsilon_cny: float
    lower_cny: float
    upper_cny: float
    share_cny: FloatArray
    binding: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        """Freeze the array."""
        object.__setattr__(self, "share_cny", frozen_array(self.share_cny, np.float64))


def compute_excess_cny(game: Game, share_cny: FloatArray) -> FloatArray:
    """Compute what every coalition would gain by leaving a split, by the plan it has in hand.

    Returns
    -------
    (2**n,) array
        Positive where the coalition objects; 0 for nobody and, if all is split, for everybody.
    """
    sign = _sign(game)
    return sign * (game.value_cny - game.members @ np.asarray(share_cny, dtype=np.float64))


def find_objections(
    game: Game, share_cny: FloatArray, *, tolerance_cny: float = FEN_CNY
) -> tuple[Objection, ...]:
    """List the coalitions that object to a split, the strongest objection first.

    Parameters
    ----------
    game, share_cny
        What is split, and how: (n_player,).
    tolerance_cny
        Gains up to this are no objection.

    Returns
    -------
    tuple of Objection
        Those whose gain by the plan in hand is over the tolerance.
    """
    excess = compute_excess_cny(game, share_cny)
    low, high = _signed_bounds(game)
    signed = _sign(game) * game.value_cny
    proper = game.proper
    order = proper[np.argsort(-excess[proper], kind="stable")]
    return tuple(
        Objection(
            coalition=game.names(int(s)),
            excess_cny=float(excess[s]),
            least_cny=float(excess[s] - (signed[s] - low[s])),
            most_cny=float(excess[s] + (high[s] - signed[s])),
        )
        for s in order
        if excess[s] > tolerance_cny
    )


def is_in_core(game: Game, share_cny: FloatArray, *, tolerance_cny: float = FEN_CNY) -> bool:
    """Return whether the split gives out exactly what there is, and no coalition objects."""
    excess = compute_excess_cny(game, share_cny)
    return bool(abs(excess[game.grand]) <= tolerance_cny and excess.max() <= tolerance_cny)


def compute_least_core(game: Game) -> LeastCore:
    """Find the smallest ε such that no coalition gains more than ε by leaving.

    min ε  s.t.  excess(S, x) ≤ ε for every S but nobody and everybody,  x(N) = value of N
    (Maschler, Peleg and Shapley 1979).

    Returns
    -------
    LeastCore
        Exact to the solver's tolerance (1e-10 of the largest value). A single player has nobody
        to leave: its epsilon is 0.
    """
    sign = _sign(game)
    low, high = _signed_bounds(game)
    signed = sign * game.value_cny
    epsilon, split, duals = _solve_least_core(game, signed, total=float(signed[game.grand]))
    # Epsilon grows with what the coalitions can do on their own and shrinks with what all can do.
    lower, _, _ = _solve_least_core(game, low, total=float(high[game.grand]))
    upper, _, _ = _solve_least_core(game, high, total=float(low[game.grand]))
    return LeastCore(
        epsilon_cny=epsilon,
        lower_cny=min(lower, epsilon),
        upper_cny=max(upper, epsilon),
        share_cny=sign * split,
        binding=tuple(game.names(int(s)) for s in game.proper[duals > _POSITIVE_DUAL]),
    )


def compute_nucleolus(game: Game) -> FloatArray:
    """Compute the nucleolus: the split whose greatest objections are, one after another, smallest.

    Schmeidler (1969), over the imputations: splits that give every player what it has alone. By
    successive LPs (Maschler, Peleg and Shapley 1979): minimise the greatest excess, fix the
    coalitions whose excess it is in every optimum (those with a positive dual), go on with the
    rest, until the fixed coalitions leave one split. That split is then solved for from the fixed
    coalitions' equations, which takes the solver's tolerance out of the answer.

    Returns
    -------
    (n_player,) array
        In the core where there is one. :func:`verify_nucleolus` checks it independently.

    Raises
    ------
    ValueError
        Where the players have more on their own than together, so that no imputation exists.
    """
    sign = _sign(game)
    alone, signed, scale = _normalise(game)
    if signed[game.grand] < -_RANK_TOLERANCE:
        raise ValueError("the players have more on their own than together: no imputation exists")
    if signed[game.grand] <= 0 or game.n_player == 1:
        share = alone + signed[game.grand] * scale / game.n_player
        return np.asarray(sign * share, dtype=np.float64)
    return np.asarray(sign * (alone + scale * _successive_lps(game, signed)), dtype=np.float64)


def _successive_lps(game: Game, signed: FloatArray) -> FloatArray:
    """Return the nucleolus of a 0-normalised surplus game; see :func:`compute_nucleolus`."""
    n = game.n_player
    members = game.members.astype(np.float64)
    open_ = game.proper
    fixed = members[[game.grand]]  # linearly independent rows, and what each sums to
    fixed_sum = signed[[game.grand]]
    rows = [np.append(members[game.grand], np.zeros(n))]  # the final equations in (x, ε_1 … ε_n)
    sums = [signed[game.grand]]
    for level in range(n):
        optimum = _minimise(
            np.append(np.zeros(n), 1.0),
            at_least=(np.column_stack([members[open_], np.ones(open_.size)]), signed[open_]),
            equal=(np.column_stack([fixed, np.zeros(len(fixed))]), fixed_sum),
            lower=np.append(np.zeros(n), -np.inf),
        )
        epsilon = float(optimum.x[n])
        for s in open_[optimum.row_dual > _POSITIVE_DUAL]:
            rows.append(np.append(members[s], np.eye(n)[level]))
            sums.append(signed[s])
            if np.linalg.matrix_rank(np.vstack([fixed, members[s]])) > len(fixed):
                fixed = np.vstack([fixed, members[s]])
                fixed_sum = np.append(fixed_sum, signed[s] - epsilon)
        for i in np.flatnonzero(optimum.lower_dual[:n] > _POSITIVE_DUAL):
            rows.append(np.eye(2 * n)[i])
            sums.append(0.0)
        if len(fixed) == n:
            break
        open_ = open_[~_in_span(members[open_], fixed)]
    solution, *_ = np.linalg.lstsq(np.array(rows), np.array(sums), rcond=None)
    return np.asarray(solution[:n], dtype=np.float64)


def verify_nucleolus(game: Game, share_cny: FloatArray, *, tolerance: float = 1e-6) -> bool:
    """Check by Kohlberg's criterion (1971) that a split is the nucleolus.

    For every level of excess, let D be the coalitions at or above it and B the players who get
    exactly what they have alone. The split is the nucleolus if and only if it is an imputation and
    no shift y of money, with y(N) = 0, y_i ≥ 0 on B and y(S) ≥ 0 on D, has y(S) > 0 anywhere on D.
    Each level is one small LP; none of :func:`compute_nucleolus` is used.

    Parameters
    ----------
    game, share_cny
        What is split, and how: (n_player,).
    tolerance
        Excesses that differ by less are one level, relative to the greatest gain of a coalition
        over its members alone.
    """
    sign = _sign(game)
    alone, signed, scale = _normalise(game)
    split = (sign * np.asarray(share_cny, dtype=np.float64) - alone) / scale
    members = game.members.astype(np.float64)
    if abs(split.sum() - signed[game.grand]) > tolerance or split.min() < -tolerance:
        return False
    excess = signed - members @ split
    order = game.proper[np.argsort(-excess[game.proper], kind="stable")]
    pinned = split <= tolerance
    level_ends = np.append(np.flatnonzero(-np.diff(excess[order]) > tolerance) + 1, order.size)
    for end in level_ends:
        at_or_above = members[order[:end]]
        if _can_shift(at_or_above, pinned):
            return False
        # Once these coalitions span everything the only shift left is none at all.
        if np.linalg.matrix_rank(np.vstack([members[game.grand], at_or_above])) == game.n_player:
            break
    return True


def _can_shift(coalitions: FloatArray, pinned: BoolArray) -> bool:
    """Return whether money can move so that no coalition loses, no pinned player, and one gains."""
    if not coalitions.size:
        return False
    gained = -coalitions.sum(axis=0)
    optimum = _minimise(
        gained,
        at_least=(coalitions, np.zeros(len(coalitions))),
        equal=(np.ones((1, pinned.size)), np.zeros(1)),
        lower=np.where(pinned, 0.0, -1.0),
        upper=np.ones(pinned.size),
    )
    return float(-gained @ optimum.x) > _POSITIVE_DUAL


def compute_nucleolus_interval(game: Game) -> ShareInterval:
    """Bound the nucleolus when the values move within their intervals.

    The nucleolus of each game in question lies in that game's least core, whose ε is at most the
    worst one's. So every coalition keeps at least its lower value less that ε, which bounds each
    share by one LP to either side. The bounds are safe but not tight: unless the game is exact,
    they are at least as wide as the least core.
    """
    if game.is_exact:
        share = compute_nucleolus(game)
        return ShareInterval(lower_cny=share, upper_cny=share)
    sign, n = _sign(game), game.n_player
    low, high = _signed_bounds(game)
    scale = max(float(np.abs(np.concatenate([low, high])).max()), np.finfo(float).tiny)
    low, high = low / scale, high / scale
    members = game.members.astype(np.float64)
    alone = low[game.singletons]
    if high[game.singletons].sum() <= low[game.grand]:
        worst = _greatest_excess(
            game, high, total=float(low[game.grand]), least=high[game.singletons]
        )
        epsilon = float(worst.x[n]) + _LP_TOLERANCE
    else:  # the worst game has no imputation; in any that has, no excess is over this
        epsilon = float((high - members @ alone)[game.proper].max())
    keep = np.vstack([members[game.proper], members[[game.grand]], -members[[game.grand]]])
    kept = np.concatenate([low[game.proper] - epsilon, low[[game.grand]], -high[[game.grand]]])
    ends = np.array(
        [
            [
                _minimise(side * unit, at_least=(keep, kept), lower=alone).x @ unit
                for unit in np.eye(n)
            ]
            for side in (1.0, -1.0)
        ]
    )
    shares = np.sort(sign * scale * ends, axis=0)
    return ShareInterval(lower_cny=shares[0], upper_cny=shares[1])


def _sign(game: Game) -> float:
    return 1.0 if game.kind is GameKind.SURPLUS else -1.0


def _signed_bounds(game: Game) -> tuple[FloatArray, FloatArray]:
    """Return the lower and upper bounds of the game's values seen as surpluses."""
    if game.kind is GameKind.SURPLUS:
        return game.lower_cny, game.upper_cny
    return -game.upper_cny, -game.lower_cny


def _normalise(game: Game) -> tuple[FloatArray, FloatArray, float]:
    """Return what each player has alone, what every coalition adds to that, and the adding's scale.

    The nucleolus moves along with both, and money counted from 0 to 1 keeps the LPs well scaled.
    """
    signed = _sign(game) * game.value_cny
    alone = signed[game.singletons]
    added = signed - game.members @ alone
    # Less than this beside the values themselves is the noise of adding them.
    noise = _NOISE * float(np.abs(signed).max())
    scale = max(float(np.abs(added).max()), noise) or 1.0
    return alone, added / scale, scale


def _solve_least_core(
    game: Game, signed: FloatArray, *, total: float
) -> tuple[float, FloatArray, FloatArray]:
    """Return ε, one split and the duals of the proper coalitions, for values seen as surpluses."""
    n = game.n_player
    if n == 1:
        return 0.0, np.array([total]), np.empty(0)
    scale = max(float(np.abs(signed).max()), abs(total)) or 1.0
    optimum = _greatest_excess(game, signed / scale, total=total / scale, least=np.full(n, -np.inf))
    return float(optimum.x[n]) * scale, optimum.x[:n] * scale, optimum.row_dual


def _greatest_excess(
    game: Game, signed: FloatArray, *, total: float, least: FloatArray
) -> _Optimum:
    """Solve min ε s.t. signed(S) - x(S) ≤ ε for proper S, x(N) = total, x ≥ least; x ends in ε."""
    n, proper = game.n_player, game.proper
    return _minimise(
        np.append(np.zeros(n), 1.0),
        at_least=(np.column_stack([game.members[proper], np.ones(proper.size)]), signed[proper]),
        equal=(np.append(np.ones(n), 0.0)[None], np.array([total])),
        lower=np.append(least, -np.inf),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Optimum:
    """An LP's solution, with the (non-negative) duals of its rows and lower bounds."""

    x: FloatArray
    row_dual: FloatArray
    lower_dual: FloatArray


def _minimise(
    cost: FloatArray,
    *,
    at_least: tuple[FloatArray, FloatArray],
    equal: tuple[FloatArray, FloatArray] | None = None,
    lower: FloatArray,
    upper: FloatArray | None = None,
) -> _Optimum:
    """Solve min cost·x  s.t.  A x ≥ b (``at_least``),  C x = d (``equal``),  lower ≤ x ≤ upper."""
    rows, right = at_least
    top = np.full(lower.size, np.inf) if upper is None else upper
    result = linprog(
        cost,
        A_ub=-rows,
        b_ub=-right,
        A_eq=None if equal is None else equal[0],
        b_eq=None if equal is None else equal[1],
        bounds=list(zip(lower.tolist(), top.tolist(), strict=True)),
        options={
            "primal_feasibility_tolerance": _LP_TOLERANCE,
            "dual_feasibility_tolerance": _LP_TOLERANCE,
        },
    )
    if result.x is None:
        raise ArithmeticError(f"an LP of the shares was not solved: {result.message}")
    return _Optimum(
        x=result.x, row_dual=-result.ineqlin.marginals, lower_dual=result.lower.marginals
    )


def _in_span(rows: FloatArray, basis: FloatArray) -> BoolArray:
    """Return which rows are linear combinations of the (independent) rows of the basis."""
    q, _ = np.linalg.qr(basis.T)
    outside = np.linalg.norm(rows - rows @ q @ q.T, axis=1)
    return np.asarray(outside < _RANK_TOLERANCE, dtype=np.bool_)
