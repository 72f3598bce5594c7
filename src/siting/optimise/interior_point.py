"""The linear relaxation of rows of gains, by an interior-point method without the rows.

A row's gains fall in steps: step k is worth δ_k = gain_k - gain_k+1 and is earned as soon as one of
the first k sites is opened. With levels ℓ for all steps,

    max  Σ_ℓ δ_ℓ z_ℓ - f · y
    s.t. z_ℓ ≤ a_ℓ · y ,  z_ℓ ≤ 1 ,  0 ≤ y ≤ 1 ,  rules

Each level touches one variable of its own, so eliminating it from Newton's equations leaves
Σ_ℓ θ_ℓ a_ℓ a_ℓᵀ + diagonal + rules, a matrix of sites by sites (Mehrotra 1992 for the steps). The
sums over levels run along the rows, so memory stays linear in the pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from siting.network.compiled import compiled
from siting.optimise.relaxation import Bound, RuleSides, evaluate_price, rule_sides
from siting.optimise.site_rules import COUNT

if TYPE_CHECKING:
    from siting.domain import FloatArray, IntArray, LongArray
    from siting.optimise.gain_rows import GainRows
    from siting.optimise.limits import Watch
    from siting.optimise.site_rules import SiteRules

MOST_ITERATIONS = 60
BACK_OFF = 0.99
REGULAR = 1e-10
EXACT = 1e-9
LEAST_STEP = 1e-8
# Multiplications of a factorisation that take as long as one visit of a pair.
FACTOR_SPEED = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class _Levels:
    """The steps of the rows: their worth, and the level that each pair closes (-1 for none)."""

    worth: FloatArray
    closed_by: IntArray


@dataclass(frozen=True, kw_only=True, eq=False)
class InteriorAnswer:
    """What the method came to.

    Attributes
    ----------
    bound
        The bound with its prices, and the weights of the best fractional plan seen.
    relaxed
        What that fractional plan is worth.
    """

    bound: Bound
    relaxed: float


def _find_levels(rows: GainRows) -> _Levels:
    below = np.append(rows.gain[1:], 0.0)
    below[rows.start[1:] - 1] = 0.0
    step = rows.gain - below
    closes = step > 0
    closed_by = np.full(rows.n_pair, -1, dtype=np.int32)
    closed_by[closes] = np.arange(int(closes.sum()), dtype=np.int32)
    return _Levels(worth=step[closes], closed_by=closed_by)


def solve_interior(
    rows: GainRows,
    rules: SiteRules,
    *,
    tolerance: float = 1e-6,
    enough: float = -np.inf,
    watch: Watch | None = None,
) -> InteriorAnswer:
    """Solve the linear relaxation.

    Parameters
    ----------
    rows, rules
        The problem.
    tolerance
        Stop when bound and relaxation are this close, relative to the bound's distance from
        ``enough`` (or to the bound, where that is nothing).
    enough
        Stop as soon as the bound is below this.
    watch
        Told of the work done, and asked whether to go on.
    """
    if not rows.n_row:
        bound = evaluate_price(rows, rules, np.zeros(0))
        return InteriorAnswer(bound=bound, relaxed=-np.inf)
    levels, sides = _find_levels(rows), _all_sides(rules)
    state = _start(rows, rules, sides, levels)
    best_price, best_value, relaxed = state.level_price, np.inf, -np.inf
    best_sides, best_weight = state.side_price, state.weight
    lengths = np.diff(rows.start).astype(float)
    visits = 0.5 * float(lengths @ lengths) + rows.n_site**3 / FACTOR_SPEED
    for _ in range(MOST_ITERATIONS):
        value = _bound_value(rows, rules, sides, levels, state)
        if value < best_value:
            best_value, best_price, best_sides = value, state.level_price, state.side_price
        feasible = _relaxed_value(rows, rules, sides, levels, state)
        if feasible > relaxed:
            relaxed, best_weight = feasible, state.weight
        room = best_value - enough if np.isfinite(enough) else abs(best_value)
        if best_value < enough or best_value - relaxed <= max(
            tolerance * room, EXACT * abs(best_value)
        ):
            break
        if watch is not None:
            watch.spend(visits)
            if watch.stop_reason is not None:
                break
        try:
            # Prices grow without limit where no plan keeps the rules; stop before they overflow.
            with np.errstate(all="raise", under="ignore"):
                moved = _advance(rows, sides, levels, state)
        except (LinAlgError, np.linalg.LinAlgError, FloatingPointError, ValueError):
            break
        if moved is None:
            break
        state = moved
    bound = evaluate_price(
        rows,
        rules,
        _price_rows(rows.start, levels.closed_by, levels.worth - best_price),
        rule_price=best_sides[1:],
        weight=best_weight,
    )
    return InteriorAnswer(bound=bound, relaxed=relaxed)


def _all_sides(rules: SiteRules) -> RuleSides:
    """Return all finite sides, the count's upper side first (at most all sites)."""
    others = rule_sides(rules)
    return RuleSides(
        coefficient=np.vstack((rules.coefficient[COUNT], others.coefficient)),
        pairs=others.pairs,
        side=np.concatenate(([float(rules.most)], others.side)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _State:
    """Where the method stands: every variable, its slack and its price, all above 0."""

    weight: FloatArray
    room: FloatArray  # 1 - y, kept apart because a difference of two numbers near 1 is noise
    over: FloatArray  # a·y - z, priced by level_price
    under: FloatArray  # 1 - z, priced by level_worth - level_price
    side_slack: FloatArray
    level_price: FloatArray
    unit_price: FloatArray
    side_price: FloatArray
    low_price: FloatArray  # of y ≥ 0
    high_price: FloatArray  # of y ≤ 1


def _start(rows: GainRows, rules: SiteRules, sides: RuleSides, levels: _Levels) -> _State:
    full = np.maximum(sides.multiply(np.ones(rows.n_site)), 1e-12)
    share = float(np.min(np.where(sides.side > 0, sides.side / full, 1.0), initial=1.0))
    weight = np.full(rows.n_site, min(0.9, max(1e-3, 0.9 * share)))
    reach = _sum_levels(rows.start, rows.site, levels.closed_by, weight, levels.worth.size)
    served = 0.9 * np.minimum(1.0, reach)
    level_price = 0.5 * levels.worth
    gained = _sum_sites(rows.start, rows.site, levels.closed_by, level_price, rows.n_site)
    score = gained - rules.opening_cost
    most = max(1, min(rules.most, score.size))
    usual = max(float(np.partition(score, -most)[-most]), 1e-3 * float(np.abs(score).max()), 1e-9)
    side_price = np.full(sides.side.size, 0.1 * usual)
    side_price[0] = usual
    pull = score - sides.price_sites(side_price)
    low_price = np.maximum(-pull, 0.0) + 0.1 * usual
    return _State(
        weight=weight,
        room=1.0 - weight,
        over=reach - served,
        under=1.0 - served,
        side_slack=np.maximum(sides.side - sides.multiply(weight), 0.1),
        level_price=level_price,
        unit_price=levels.worth - level_price,
        side_price=side_price,
        low_price=low_price,
        high_price=low_price + pull,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """A direction, by the state's names; ``served`` moves with over and under."""

    weight: FloatArray
    over: FloatArray
    under: FloatArray
    side_slack: FloatArray
    level_price: FloatArray
    side_price: FloatArray
    low_price: FloatArray
    high_price: FloatArray


def _advance(rows: GainRows, sides: RuleSides, levels: _Levels, state: _State) -> _State | None:
    """Take one predictor-corrector step; None where none leads further."""
    room = state.room
    over_pull = state.level_price / state.over
    under_pull = state.unit_price / state.under
    both = over_pull + under_pull
    residual = sides.side - sides.multiply(state.weight) - state.side_slack
    n_dense = len(sides.coefficient)
    matrix = _normal_matrix(
        rows.start, rows.site, levels.closed_by, over_pull * under_pull / both, rows.n_site
    )
    side_pull = state.side_price / state.side_slack
    a, b = sides.pairs.T
    for left, right in ((a, a), (b, b), (np.maximum(a, b), np.minimum(a, b))):
        np.add.at(matrix, (left, right), side_pull[n_dense:])
    diagonal = np.arange(rows.n_site)
    matrix[diagonal, diagonal] += state.low_price / state.weight + state.high_price / room
    matrix[diagonal, diagonal] *= 1.0 + REGULAR
    factor = cho_factor(matrix.T, lower=False, overwrite_a=True, check_finite=False)
    # The dense rules stay outside the factor: their pull grows without limit as they bind.
    spread = cho_solve(factor, sides.coefficient.T, check_finite=False)
    inner = np.linalg.inv(np.diag(1.0 / side_pull[:n_dense]) + sides.coefficient @ spread)

    def solve(
        over: FloatArray, under: FloatArray, low: FloatArray, high: FloatArray, side: FloatArray
    ) -> _Step:
        """Solve Newton's equations for what each product of slack and price should change by."""
        shared = over / state.over + under / state.under
        level_pull = over / state.over - over_pull / both * shared
        side_force = (side - state.side_price * residual) / state.side_slack
        force = (
            _sum_sites(rows.start, rows.site, levels.closed_by, level_pull, rows.n_site)
            - sides.price_sites(side_force)
            + low / state.weight
            - high / room
        )
        weight = cho_solve(factor, force, check_finite=False)
        weight -= spread @ (inner @ (sides.coefficient @ weight))
        reach = _sum_levels(rows.start, rows.site, levels.closed_by, weight, levels.worth.size)
        served = (over_pull * reach - shared) / both
        slack = residual - sides.multiply(weight)
        return _Step(
            weight=weight,
            over=reach - served,
            under=-served,
            side_slack=slack,
            level_price=(over - state.level_price * (reach - served)) / state.over,
            side_price=(side - state.side_price * slack) / state.side_slack,
            low_price=(low - state.low_price * weight) / state.weight,
            high_price=(high + state.high_price * weight) / room,
        )

    over, under = state.over * state.level_price, state.under * state.unit_price
    low, high = state.weight * state.low_price, room * state.high_price
    side = state.side_slack * state.side_price
    count = 2 * over.size + 2 * low.size + side.size
    centre = (over.sum() + under.sum() + low.sum() + high.sum() + side.sum()) / count
    step = solve(-over, -under, -low, -high, -side)
    primal, dual = _longest(state, step)
    ahead = _take(state, step, primal, dual)
    left = (
        ahead.over @ ahead.level_price
        + ahead.under @ ahead.unit_price
        + ahead.weight @ ahead.low_price
        + ahead.room @ ahead.high_price
        + ahead.side_slack @ ahead.side_price
    ) / count
    aim = centre * (left / centre) ** 3
    step = solve(
        aim - over - step.over * step.level_price,
        aim - under + step.under * step.level_price,
        aim - low - step.weight * step.low_price,
        aim - high + step.weight * step.high_price,
        aim - side - step.side_slack * step.side_price,
    )
    primal, dual = _longest(state, step)
    if not max(primal, dual) > LEAST_STEP:
        return None
    return _take(state, step, BACK_OFF * primal, BACK_OFF * dual)


def _longest(state: _State, step: _Step) -> tuple[float, float]:
    """Return how far slacks, and prices, can go along a step before one of them is 0."""

    def reach(*parts: tuple[FloatArray, FloatArray]) -> float:
        return min(
            1.0,
            *(
                float(np.min(-value[change < 0] / change[change < 0], initial=np.inf))
                for value, change in parts
            ),
        )

    return (
        reach(
            (state.over, step.over),
            (state.under, step.under),
            (state.weight, step.weight),
            (state.room, -step.weight),
            (state.side_slack, step.side_slack),
        ),
        reach(
            (state.level_price, step.level_price),
            (state.unit_price, -step.level_price),
            (state.low_price, step.low_price),
            (state.high_price, step.high_price),
            (state.side_price, step.side_price),
        ),
    )


def _take(state: _State, step: _Step, primal: float, dual: float) -> _State:
    return _State(
        weight=state.weight + primal * step.weight,
        room=state.room - primal * step.weight,
        over=state.over + primal * step.over,
        under=state.under + primal * step.under,
        side_slack=state.side_slack + primal * step.side_slack,
        level_price=state.level_price + dual * step.level_price,
        unit_price=state.unit_price - dual * step.level_price,
        side_price=state.side_price + dual * step.side_price,
        low_price=state.low_price + dual * step.low_price,
        high_price=state.high_price + dual * step.high_price,
    )


def _bound_value(
    rows: GainRows, rules: SiteRules, sides: RuleSides, levels: _Levels, state: _State
) -> float:
    """Return the bound at the state's prices; only `evaluate_price` rounds it safely."""
    gained = _sum_sites(rows.start, rows.site, levels.closed_by, state.level_price, rows.n_site)
    others = np.concatenate(([0.0], state.side_price[1:]))
    score = np.maximum(gained - rules.opening_cost - sides.price_sites(others), 0.0)
    most = rules.most
    chosen = score.sum() if most >= score.size else np.partition(score, -most)[-most:].sum()
    return float(
        rows.offset + (levels.worth - state.level_price).sum() + others @ sides.side + chosen
    )


def _relaxed_value(
    rows: GainRows, rules: SiteRules, sides: RuleSides, levels: _Levels, state: _State
) -> float:
    """Return what the fractional plan is worth; nothing while it breaks a rule."""
    broken = sides.multiply(state.weight) > sides.side + 1e-6 * np.maximum(1, np.abs(sides.side))
    if broken.any():
        return -np.inf
    reach = _sum_levels(rows.start, rows.site, levels.closed_by, state.weight, levels.worth.size)
    return float(
        rows.offset + levels.worth @ np.minimum(1.0, reach) - rules.opening_cost @ state.weight
    )


@compiled
def _sum_levels(
    start: LongArray, site: IntArray, closed_by: IntArray, weight: FloatArray, n_level: int
) -> FloatArray:
    """Sum a weight by site over the sites of each level."""
    total = np.empty(n_level)
    for i in range(start.size - 1):
        running = 0.0
        for k in range(start[i], start[i + 1]):
            running += weight[site[k]]
            if closed_by[k] >= 0:
                total[closed_by[k]] = running
    return total


@compiled
def _sum_sites(
    start: LongArray, site: IntArray, closed_by: IntArray, level: FloatArray, n_site: int
) -> FloatArray:
    """Sum a number by level over the levels of each site."""
    total = np.zeros(n_site)
    for i in range(start.size - 1):
        running = 0.0
        for k in range(start[i + 1] - 1, start[i] - 1, -1):
            if closed_by[k] >= 0:
                running += level[closed_by[k]]
            total[site[k]] += running
    return total


@compiled
def _normal_matrix(
    start: LongArray, site: IntArray, closed_by: IntArray, level: FloatArray, n_site: int
) -> FloatArray:
    """Return the lower half of Σ_ℓ level_ℓ a_ℓ a_ℓᵀ."""
    matrix = np.zeros((n_site, n_site))
    for i in range(start.size - 1):
        running = 0.0
        for k in range(start[i + 1] - 1, start[i] - 1, -1):
            if closed_by[k] >= 0:
                running += level[closed_by[k]]
            j = site[k]
            for q in range(start[i], k + 1):
                matrix[max(j, site[q]), min(j, site[q])] += running
    return matrix


@compiled
def _price_rows(start: LongArray, closed_by: IntArray, level: FloatArray) -> FloatArray:
    """Sum a number by level over each row."""
    total = np.zeros(start.size - 1)
    for i in range(start.size - 1):
        for k in range(start[i], start[i + 1]):
            if closed_by[k] >= 0:
                total[i] += level[closed_by[k]]
    return total
