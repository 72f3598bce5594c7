"""Upper bounds for rows of gains, and what they decide about sites.

Relaxing "each row is served once" with prices λ ≥ 0, and every rule but the count with prices
ν ≥ 0, leaves a choice of the best sites, so that for any prices no plan is worth more than

    offset + Σ_r λ_r + ν · side + Σ of the `most` greatest (score_j)+
    score_j = Σ_r (gain_rj - λ_r)+ - f_j - ν · coefficient_j

The least of these is the bound of the linear relaxation. `descend_prices` comes near it by a
deflected subgradient in time linear in the pairs; `solve_interior` reaches it by an interior-point
method in which the rows are eliminated, so that a matrix of sites by sites is all that is factored.
Whatever arithmetic found the prices, `evaluate_price` recomputes the bound and rounds it up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.network.compiled import compiled
from siting.optimise.site_rules import BUDGET, COUNT

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.optimise.gain_rows import GainRows
    from siting.optimise.limits import Watch
    from siting.optimise.site_rules import SiteRules

EPSILON = float(np.finfo(float).eps)
DEFLECTION = 0.7
PATIENCE = 10
SHRINK = 0.6
# A step that closes less than this part of the way to the target counts as none.
STALLED = 1e-3
ROUND = 60
LEAST_FALL = 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Bound:
    """A proven upper bound, and the prices that prove it.

    Attributes
    ----------
    value
        No plan is worth more, its opening costs taken off.
    price
        (n_row,) price of each row, λ.
    rule_price
        (n_side,) price of each side of a rule, ν, in the order of ``rule_sides``.
    score
        (n_site,) what a site is worth at these prices.
    weight
        (n_site,) how far the relaxation opens each site, 0 to 1.
    """

    value: float
    price: FloatArray
    rule_price: FloatArray
    score: FloatArray
    weight: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class RuleSides:
    """Rules but the count's upper side, all as ``coefficient · y ≤ side``.

    Attributes
    ----------
    coefficient
        (n_dense, n_site) of the linear rules.
    pairs
        (n_spacing, 2) of sites that exclude each other; their coefficients are 1, their side is 1.
    side
        (n_dense + n_spacing,) right-hand sides.
    """

    coefficient: FloatArray
    pairs: IntArray
    side: FloatArray

    def multiply(self, weight: FloatArray) -> FloatArray:
        """Return the left-hand sides."""
        a, b = self.pairs.T
        return np.concatenate((self.coefficient @ weight, weight[a] + weight[b]))

    def price_sites(self, price: FloatArray) -> FloatArray:
        """(n_site,) what the prices of the sides take off each site's score."""
        n_dense, n_site = self.coefficient.shape
        taken = self.coefficient.T @ price[:n_dense]
        for end in self.pairs.T:
            taken += np.bincount(end, weights=price[n_dense:], minlength=n_site)
        return taken


def _bindable(rules: SiteRules) -> tuple[BoolArray, BoolArray]:
    """(n_rule,) masks of the upper and lower sides that are priced."""
    upper, lower = np.isfinite(rules.upper), np.isfinite(rules.lower)
    upper[COUNT] = False
    lower[COUNT] &= rules.lower[COUNT] > 0
    return upper, lower


def rule_sides(rules: SiteRules) -> RuleSides:
    """Return the finite sides of the rules that can bind, the count's upper side left out."""
    upper, lower = _bindable(rules)
    return RuleSides(
        coefficient=np.vstack((rules.coefficient[upper], -rules.coefficient[lower])),
        pairs=rules.spacing_pairs,
        side=np.concatenate(
            (rules.upper[upper], -rules.lower[lower], np.ones(len(rules.spacing_pairs)))
        ),
    )


def split_rule_price(
    rules: SiteRules, price: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the prices of `rule_sides` by upper side and lower side of each rule, and by pair."""
    upper, lower = _bindable(rules)
    by_upper, by_lower = np.zeros(upper.size), np.zeros(lower.size)
    n_upper, n_dense = int(upper.sum()), int(upper.sum() + lower.sum())
    by_upper[upper], by_lower[lower] = price[:n_upper], price[n_upper:n_dense]
    return by_upper, by_lower, price[n_dense:]


def evaluate_price(
    rows: GainRows,
    rules: SiteRules,
    price: FloatArray,
    *,
    rule_price: FloatArray | None = None,
    weight: FloatArray | None = None,
) -> Bound:
    """Recompute the bound that prices prove, rounded up by more than float64 can err.

    Parameters
    ----------
    rows, rules
        The problem.
    price
        (n_row,) prices; negative ones count as 0.
    rule_price
        (n_side,) prices of `rule_sides`; none stand for 0.
    weight
        Carried over into the result.
    """
    sides = rule_sides(rules)
    price = np.maximum(price, 0.0)
    paid = np.zeros(sides.side.size) if rule_price is None else np.maximum(rule_price, 0.0)
    score = _score(rows.start, rows.site, rows.gain, price, rows.n_site)
    taken = rules.opening_cost + sides.price_sites(paid)
    score -= taken
    chosen = np.sort(np.maximum(score, 0.0))[::-1][: rules.most]
    terms = (rows.offset, math.fsum(price), math.fsum(paid * sides.side), math.fsum(chosen))
    # fsum is exact to the last bit; only the scores were summed pair by pair, at most one a row.
    summed = math.fsum(chosen) + rules.most * float(np.abs(taken).max(initial=0.0))
    size = math.fsum(abs(term) for term in terms) + math.fsum(np.abs(paid * sides.side))
    rounding = EPSILON * (8.0 * size + 2.0 * (rows.n_row + sides.side.size) * summed)
    return Bound(
        value=math.fsum(terms) + rounding,
        price=price,
        rule_price=paid,
        score=score,
        weight=np.zeros(rows.n_site) if weight is None else weight,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Decided:
    """What a bound decides about sites.

    Attributes
    ----------
    dropped, opened
        (n_site,) sites that no plan worth the target opens, and that every such plan opens.
    lost
        No plan that decides otherwise is worth more; below the target.
    """

    dropped: BoolArray
    opened: BoolArray
    lost: float


def find_decided(bound: Bound, rules: SiteRules, *, target: float) -> Decided:
    """Return which sites the plans worth a target cannot, and which they must open.

    Opening a site outside the choice costs at least what the least of the choice is worth more;
    closing one inside, what the best outside is worth less.
    """
    score, most = bound.score, rules.most
    ranked = np.sort(np.maximum(score, 0.0))[::-1]
    last_in = float(ranked[most - 1]) if 0 < most <= ranked.size else 0.0
    first_out = float(ranked[most]) if most < ranked.size else 0.0
    if_opened = bound.value - np.maximum(0.0, last_in - score)
    if_closed = bound.value - np.maximum(0.0, score - first_out)
    dropped, opened = if_opened < target, if_closed < target
    lost = max(
        float(if_opened[dropped].max(initial=-math.inf)),
        float(if_closed[opened].max(initial=-math.inf)),
    )
    return Decided(dropped=dropped, opened=opened, lost=lost)


def descend_prices(
    rows: GainRows,
    rules: SiteRules,
    price: FloatArray,
    *,
    rule_price: FloatArray | None = None,
    iterations: int,
    target: float,
    watch: Watch | None = None,
) -> Bound:
    """Lower the bound by a deflected subgradient with Polyak's step towards a target.

    It ends when a round of iterations no longer brings the bound much nearer to the target.

    Parameters
    ----------
    rows, rules
        The problem.
    price
        (n_row,) prices to start from.
    rule_price
        (n_side,) prices of the rules; a finite budget's is moved along, others stay.
    iterations
        How many at most; each visits the pairs whose gain is above their row's price twice.
    target
        A value that the bound cannot go below, such as the best plan's.
    watch
        Told of the work done, and asked whether to go on.
    """
    sides = rule_sides(rules)
    paid = np.zeros(sides.side.size) if rule_price is None else rule_price.copy()
    has_budget = bool(np.isfinite(rules.upper[BUDGET]))
    budget_side = int(np.isfinite(rules.upper[1:BUDGET]).sum())
    if has_budget:
        paid[budget_side] = 0.0
    aim = target - rows.offset - math.fsum(paid * sides.side)
    site_cost = rules.opening_cost + sides.price_sites(paid)
    value, best, paid_budget, step = math.inf, price, 0.0, 1.0
    weight = np.zeros(rows.n_site)
    for _ in range(-(-iterations // ROUND)):
        before = value
        value, best, paid_budget, weight, step, visits = _descend(
            rows.start,
            rows.site,
            rows.gain,
            site_cost,
            rules.coefficient[BUDGET],
            float(rules.upper[BUDGET]) if has_budget else -1.0,
            rules.most,
            best,
            min(ROUND, iterations),
            aim,
            step,
        )
        if watch is not None:
            watch.spend(visits)
        stopped = watch is not None and watch.stop_reason is not None
        if stopped or value <= aim or before - value < LEAST_FALL * (value - aim):
            break
    if has_budget:
        paid[budget_side] = paid_budget
    return evaluate_price(rows, rules, best, rule_price=paid, weight=weight)


@compiled
def _score(
    start: LongArray, site: IntArray, gain: FloatArray, price: FloatArray, n_site: int
) -> FloatArray:
    score = np.zeros(n_site)
    for i in range(start.size - 1):
        for k in range(start[i], start[i + 1]):
            if gain[k] <= price[i]:
                break
            score[site[k]] += gain[k] - price[i]
    return score


@compiled
def _kth_greatest(values: FloatArray, k: int) -> float:
    """Return the k-th greatest of the values, counted from 1 (Hoare's selection)."""
    a = values.copy()
    low, high, at = 0, a.size - 1, k - 1
    while low < high:
        pivot = a[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while a[i] > pivot:
                i += 1
            while a[j] < pivot:
                j -= 1
            if i <= j:
                a[i], a[j] = a[j], a[i]
                i += 1
                j -= 1
        if at <= j:
            high = j
        elif at >= i:
            low = i
        else:
            break
    return float(a[at])


@compiled
def _choose(score: FloatArray, most: int, chosen: FloatArray) -> float:
    """Mark the greatest positive scores, at most so many; return their sum."""
    least = max(0.0, _kth_greatest(score, most)) if 0 < most < score.size else 0.0
    left, total = most, 0.0
    for j in range(score.size):
        chosen[j] = 0.0
        if score[j] > least:
            chosen[j] = 1.0
            total += score[j]
            left -= 1
    for j in range(score.size):
        if left > 0 and score[j] == least and least > 0.0:
            chosen[j] = 1.0
            total += least
            left -= 1
    return total


@compiled
def _choose_within(  # noqa: PLR0917 - a kernel takes no keywords
    score: FloatArray,
    cost: FloatArray,
    budget: float,
    most: int,
    chosen: FloatArray,
    dearest: float,
) -> tuple[float, float]:
    """Choose within a budget (none if negative) by its best price; return value and price."""
    value = _choose(score, most, chosen)
    spent = (chosen * cost).sum()
    if budget < 0.0 or spent <= budget:
        return value, 0.0
    # The value is convex in the price, and its slope is what the budget leaves over.
    low, high, spent_low = 0.0, dearest, spent
    chosen_low, reduced = chosen.copy(), score.copy()
    spent_high = 0.0
    for j in range(score.size):
        chosen[j] = 0.0
    best, price = high * budget, high
    for _ in range(40):
        middle = 0.5 * (low + high)
        for j in range(score.size):
            reduced[j] = score[j] - middle * cost[j]
        trial = chosen.copy()
        value = _choose(reduced, most, trial) + middle * budget
        spent = (trial * cost).sum()
        if value < best:
            best, price = value, middle
        if spent > budget:
            low, spent_low, chosen_low = middle, spent, trial
        else:
            high, spent_high = middle, spent
            chosen[:] = trial
    mix = (budget - spent_high) / (spent_low - spent_high) if spent_low > spent_high else 0.0
    for j in range(score.size):
        chosen[j] += mix * (chosen_low[j] - chosen[j])
    return best, price


@compiled
def _descend(  # noqa: C901, PLR0912, PLR0917 - a kernel takes no keywords
    start: LongArray,
    site: IntArray,
    gain: FloatArray,
    site_cost: FloatArray,
    budget_cost: FloatArray,
    budget: float,
    most: int,
    first_price: FloatArray,
    iterations: int,
    target: float,
    step: float,
) -> tuple[float, FloatArray, float, FloatArray, float, int]:
    n_row, n_site = start.size - 1, site_cost.size
    price, best_price, direction = first_price.copy(), first_price.copy(), np.zeros(n_row)
    chosen, weight = np.zeros(n_site), np.zeros(n_site)
    best, best_budget_price, stalled, visits = np.inf, 0.0, 0, 0
    dearest = 0.0
    for iteration in range(iterations):
        score = _score(start, site, gain, price, n_site)
        value = 0.0
        for i in range(n_row):
            value += price[i]
        if budget >= 0.0:
            dearest = 0.0
            for j in range(n_site):
                if budget_cost[j] > 0.0:
                    dearest = max(dearest, (score[j] - site_cost[j]) / budget_cost[j])
        for j in range(n_site):
            score[j] -= site_cost[j]
        worth, budget_price = _choose_within(score, budget_cost, budget, most, chosen, dearest)
        value += worth
        memory = 0.5 if iteration < PATIENCE else 0.9
        for j in range(n_site):
            weight[j] = memory * weight[j] + (1.0 - memory) * chosen[j]
        if value < best:
            stalled = stalled + 1 if best - value < STALLED * (value - target) else 0
            best, best_budget_price = value, budget_price
            best_price[:] = price
        else:
            stalled += 1
        if stalled >= PATIENCE:
            stalled = 0
            step *= SHRINK
            price[:] = best_price
        length = 0.0
        for i in range(n_row):
            excess = -1.0
            first = gain[start[i]]
            for k in range(start[i], start[i + 1]):
                if gain[k] <= price[i]:
                    break
                excess += chosen[site[k]]
                visits += 2
            direction[i] = DEFLECTION * direction[i] + excess
            held = (price[i] <= 0.0 and direction[i] < 0.0) or (
                price[i] >= first and direction[i] > 0.0
            )
            if not held:
                length += direction[i] * direction[i] * first
        if length <= 0.0 or best <= target:
            break
        stride = step * (best - target) / length
        for i in range(n_row):
            first = gain[start[i]]
            price[i] = min(first, max(0.0, price[i] + stride * direction[i] * first))
    return best, best_price, best_budget_price, weight, step, visits
