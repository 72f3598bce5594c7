"""Iterated swap local search over rows of gains (after Resende and Werneck 2007).

A closed site j takes the place of an opened site s if

    add_j - f_j  >  lose_s - f_s - extra_js

where add is what j would add to the plan as it stands, lose what s alone gives, and extra what j
would save of that. Both are kept up to date as sites open and close, and only sites near a change
are looked at again. A kick opens a few sites at random and closes those that are cheapest to lose;
what does not lead to a plan at least as good is undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.network.compiled import KernelArray, compiled

if TYPE_CHECKING:
    from siting.domain import BoolArray
    from siting.optimise.gain_rows import GainRows
    from siting.optimise.site_rules import SiteRules

MOST_KICKED = 3
MOST_TOGGLES = 1000
TINY = 1e-9
# Columns of the state's tables. LISTED and QUEUE are lists that share the table with the sites'
# own columns; PLACE is where an opened site stands in LISTED.
OPENED, QUEUED, PLACE, LISTED, QUEUE, N_CONFLICT = 0, 1, 2, 3, 4, 5
ADD, LOSE, EXTRA = 0, 1, 2
N_QUEUED, N_OPEN, N_DONE, N_VISITS, DRAWN = 0, 1, 2, 3, 4


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """What a search came to.

    Attributes
    ----------
    opened
        (n_site,) the best plan.
    objective
        Its worth less its opening costs.
    visits
        Pairs visited.
    """

    opened: BoolArray
    objective: float
    visits: int


def search_swaps(
    rows: GainRows,
    rules: SiteRules,
    opened: BoolArray,
    *,
    kicks: int,
    seed: int,
) -> SearchResult:
    """Improve a plan by swaps, additions and removals, then by so many kicks.

    Parameters
    ----------
    rows, rules
        What plans are worth, and what they must respect.
    opened
        (n_site,) a plan that breaks no rule.
    kicks
        How many kicks to try; without any the answer is the nearest local optimum.
    seed
        Of the kicks.
    """
    conflict_start, conflict_site = rules.conflicts()
    best, objective, visits = _search(
        _Pairs(rows.start, rows.site, rows.gain, *rows.by_site),
        _Rules(
            np.ascontiguousarray(rules.coefficient.T),
            rules.lower,
            rules.upper,
            rules.opening_cost,
            conflict_start,
            conflict_site,
        ),
        opened.astype(bool),
        kicks,
        seed,
    )
    return SearchResult(opened=best, objective=objective + rows.offset, visits=visits)


class _Pairs(NamedTuple):
    """The rows' pairs, row by row and site by site."""

    start: KernelArray
    site: KernelArray
    gain: KernelArray
    site_start: KernelArray
    site_row: KernelArray
    site_gain: KernelArray


class _Rules(NamedTuple):
    """The rules, site by site."""

    coefficient: KernelArray
    lower: KernelArray
    upper: KernelArray
    opening_cost: KernelArray
    conflict_start: KernelArray
    conflict_site: KernelArray


class _State(NamedTuple):
    """A plan, and everything kept up to date about it.

    ``index`` and ``number`` hold what is known of each site, by the columns named above;
    ``server`` and ``value`` the two best opened sites of each row and their gains; ``done`` the
    toggles since the last plan that was kept; ``counts`` and ``worth`` the state's scalars.
    """

    index: KernelArray
    number: KernelArray
    server: KernelArray
    value: KernelArray
    activity: KernelArray
    done: KernelArray
    counts: KernelArray
    worth: KernelArray


@compiled
def _refresh_row(pairs: _Pairs, state: _State, i: int) -> None:
    """Find the two best opened sites of a row again, and mend what depends on them."""
    old_best, old_second = state.value[i, 0], state.value[i, 1]
    first, second, best, next_best = -1, -1, 0.0, 0.0
    for k in range(pairs.start[i], pairs.start[i + 1]):
        j = pairs.site[k]
        if state.index[j, OPENED]:
            if first < 0:
                first, best = j, pairs.gain[k]
            else:
                second, next_best = j, pairs.gain[k]
                break
    if state.server[i, 0] >= 0:
        state.number[state.server[i, 0], LOSE] -= old_best - old_second
    if first >= 0:
        state.number[first, LOSE] += best - next_best
    state.server[i, 0], state.server[i, 1] = first, second
    state.value[i, 0], state.value[i, 1] = best, next_best
    state.worth[0] += best - old_best
    least, least_second = min(old_best, best), min(old_second, next_best)
    for k in range(pairs.start[i], pairs.start[i + 1]):
        gain, j = pairs.gain[k], int(pairs.site[k])
        if gain <= least_second:
            break
        if gain > least:
            state.number[j, ADD] += max(0.0, gain - best) - max(0.0, gain - old_best)
        _enqueue(state, j)


@compiled
def _enqueue(state: _State, j: int) -> None:
    if not state.index[j, QUEUED]:
        state.index[j, QUEUED] = 1
        state.index[state.counts[N_QUEUED], QUEUE] = j
        state.counts[N_QUEUED] += 1


@compiled
def _toggle(pairs: _Pairs, rules: _Rules, state: _State, j: int) -> None:
    """Open a closed site or close an opened one."""
    opening = state.index[j, OPENED] == 0
    state.index[j, OPENED] = 1 if opening else 0
    n_open = state.counts[N_OPEN]
    if opening:
        state.index[n_open, LISTED] = j
        state.index[j, PLACE] = n_open
        state.counts[N_OPEN] += 1
    else:
        last = int(state.index[n_open - 1, LISTED])
        state.index[state.index[j, PLACE], LISTED] = last
        state.index[last, PLACE] = state.index[j, PLACE]
        state.index[j, PLACE] = -1
        state.counts[N_OPEN] -= 1
    sign = 1 if opening else -1
    state.worth[0] -= sign * rules.opening_cost[j]
    for r in range(state.activity.size):
        state.activity[r] += sign * rules.coefficient[j, r]
    for k in range(rules.conflict_start[j], rules.conflict_start[j + 1]):
        state.index[rules.conflict_site[k], N_CONFLICT] += sign
    for e in range(pairs.site_start[j], pairs.site_start[j + 1]):
        i = pairs.site_row[e]
        if (
            pairs.site_gain[e] > state.value[i, 1]
            if opening
            else state.server[i, 0] == j or state.server[i, 1] == j
        ):
            _refresh_row(pairs, state, i)
    state.counts[N_VISITS] += pairs.site_start[j + 1] - pairs.site_start[j]
    if state.counts[N_DONE] < state.done.size:
        state.done[state.counts[N_DONE]] = j
    state.counts[N_DONE] += 1


@compiled
def _allowed(rules: _Rules, state: _State, j: int, s: int) -> bool:
    """Whether opening j and closing s (-1 for neither) breaks no rule."""
    for r in range(state.activity.size):
        activity = state.activity[r]
        if j >= 0:
            activity += rules.coefficient[j, r]
        if s >= 0:
            activity -= rules.coefficient[s, r]
        slack = TINY * max(1.0, abs(activity))
        if activity > rules.upper[r] + slack or activity < rules.lower[r] - slack:
            return False
    if j < 0 or state.index[j, N_CONFLICT] == 0:
        return True
    left = state.index[j, N_CONFLICT]
    for k in range(rules.conflict_start[j], rules.conflict_start[j + 1]):
        if rules.conflict_site[k] == s:
            left -= 1
    return bool(left == 0)


@compiled
def _cheapest(rules: _Rules, state: _State, r: int, kept: int) -> int:
    """Return the opened site cheapest to lose of those that a rule counts, or -1."""
    cheapest, least = -1, np.inf
    for t in range(state.counts[N_OPEN]):
        s = int(state.index[t, LISTED])
        cost = state.number[s, LOSE] - rules.opening_cost[s]
        if s != kept and cost < least and rules.coefficient[s, r] > 0:
            cheapest, least = s, cost
    return cheapest


@compiled
def _draw(state: _State, n: int) -> int:
    """Return a number from 0 to n - 1 (SplitMix64; far quicker to compile than NumPy's)."""
    state.counts[DRAWN] += 1
    z = np.uint64(state.counts[DRAWN]) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    drawn: int = np.int64((z ^ (z >> np.uint64(31))) % np.uint64(n))  # type: ignore[assignment]  # Numba's
    return drawn


@compiled
def _kick(pairs: _Pairs, rules: _Rules, state: _State) -> None:
    """Open sites at random; close what they exclude, then the cheapest until the rules hold."""
    for _ in range(1 + _draw(state, MOST_KICKED)):
        j = _draw(state, rules.opening_cost.size)
        if state.index[j, OPENED]:
            continue
        _toggle(pairs, rules, state, j)
        for k in range(rules.conflict_start[j], rules.conflict_start[j + 1]):
            s = int(rules.conflict_site[k])
            if state.index[s, OPENED]:
                _toggle(pairs, rules, state, s)
        for r in range(state.activity.size):
            while state.activity[r] > rules.upper[r] + TINY * max(1.0, abs(state.activity[r])):
                s = _cheapest(rules, state, r, j)
                if s < 0:
                    break
                _toggle(pairs, rules, state, s)


@compiled
def _find_swap(pairs: _Pairs, rules: _Rules, state: _State, j: int, tiny: float) -> int:
    """Return the opened site whose place j had best take, or -1 if that does not pay."""
    state.counts[N_VISITS] += pairs.site_start[j + 1] - pairs.site_start[j]
    for e in range(pairs.site_start[j], pairs.site_start[j + 1]):
        i, gain = pairs.site_row[e], pairs.site_gain[e]
        if state.server[i, 0] >= 0 and gain > state.value[i, 1]:
            state.number[state.server[i, 0], EXTRA] += (
                min(gain, state.value[i, 0]) - state.value[i, 1]
            )
    best, least = -1, state.number[j, ADD] - rules.opening_cost[j] - tiny
    for t in range(state.counts[N_OPEN]):
        s = int(state.index[t, LISTED])
        cost = state.number[s, LOSE] - rules.opening_cost[s] - state.number[s, EXTRA]
        state.number[s, EXTRA] = 0.0
        if cost < least and _allowed(rules, state, j, s):
            best, least = s, cost
    return best


@compiled
def _look_far(pairs: _Pairs, rules: _Rules, state: _State, tiny: float) -> None:
    """Queue what may pay far from every change; close what costs more than it gives."""
    for t in range(state.counts[N_OPEN] - 1, -1, -1):
        s = int(state.index[t, LISTED])
        if rules.opening_cost[s] - state.number[s, LOSE] > tiny and _allowed(rules, state, -1, s):
            _toggle(pairs, rules, state, s)
    least = np.inf
    for t in range(state.counts[N_OPEN]):
        least = min(
            least,
            state.number[state.index[t, LISTED], LOSE] - rules.opening_cost[state.index[t, LISTED]],
        )
    for j in range(rules.opening_cost.size):
        pays = state.number[j, ADD] - rules.opening_cost[j]
        if not state.index[j, OPENED] and (
            pays > least + tiny or (pays > tiny and _allowed(rules, state, j, -1))
        ):
            _enqueue(state, j)


@compiled
def _climb(pairs: _Pairs, rules: _Rules, state: _State, tiny: float, dearest: float) -> None:
    """Take whatever pays until nothing does."""
    moved = True
    while True:
        if state.counts[N_QUEUED] == 0:
            if not moved:
                return
            moved = False
            _look_far(pairs, rules, state, tiny)
            if state.counts[N_QUEUED] == 0:
                return
        state.counts[N_QUEUED] -= 1
        j = int(state.index[state.counts[N_QUEUED], QUEUE])
        state.index[j, QUEUED] = 0
        pays = state.number[j, ADD] - rules.opening_cost[j]
        if state.index[j, OPENED] or pays + dearest <= tiny:
            continue
        if pays > tiny and _allowed(rules, state, j, -1):
            _toggle(pairs, rules, state, j)
            moved = True
            continue
        s = _find_swap(pairs, rules, state, j, tiny)
        if s >= 0:
            _toggle(pairs, rules, state, s)
            _toggle(pairs, rules, state, j)
            moved = True


@compiled
def _undo(pairs: _Pairs, rules: _Rules, state: _State, best: BoolArray) -> None:
    """Go back to the plan that was kept; a long way back goes to the best plan instead."""
    n_done = state.counts[N_DONE]
    if n_done <= state.done.size:
        for t in range(n_done - 1, -1, -1):
            _toggle(pairs, rules, state, int(state.done[t]))
    else:
        for j in range(best.size):
            if (state.index[j, OPENED] == 1) != best[j]:
                _toggle(pairs, rules, state, j)
    while state.counts[N_QUEUED] > 0:
        state.counts[N_QUEUED] -= 1
        state.index[state.index[state.counts[N_QUEUED], QUEUE], QUEUED] = 0


@compiled
def _search(  # noqa: C901 - one pass, for speed
    pairs: _Pairs, rules: _Rules, start: BoolArray, kicks: int, seed: int
) -> tuple[BoolArray, float, int]:
    n_row, n_site = pairs.start.size - 1, start.size
    state = _State(
        np.zeros((n_site, 6), np.int32),
        np.zeros((n_site, 3)),
        np.full((n_row, 2), -1, np.int32),
        np.zeros((n_row, 2)),
        np.zeros(rules.upper.size),
        np.empty(MOST_TOGGLES, np.int32),
        np.zeros(5, np.int64),
        np.zeros(1),
    )
    for k in range(pairs.site.size):
        state.number[pairs.site[k], ADD] += pairs.gain[k]
    tiny, dearest = 1.0, 0.0
    for j in range(n_site):
        tiny = max(tiny, state.number[j, ADD])
        dearest = max(dearest, rules.opening_cost[j])
    tiny *= TINY
    state.counts[N_VISITS] = pairs.site.size
    # Seeds far apart draw from far parts of the sequence.
    state.counts[DRAWN] = np.int64(seed) << 32
    for j in range(n_site):
        if start[j]:
            _toggle(pairs, rules, state, j)
    for j in range(n_site):
        _enqueue(state, j)
    best, kept, best_opened = -np.inf, -np.inf, start.copy()
    for kick in range(kicks + 1):
        state.counts[N_DONE] = 0
        if kick > 0:
            _kick(pairs, rules, state)
        if _allowed(rules, state, -1, -1):
            _climb(pairs, rules, state, tiny, dearest)
        if _allowed(rules, state, -1, -1) and state.worth[0] >= kept - tiny:
            kept = state.worth[0]
            if kept > best + tiny:
                best = kept
                for j in range(n_site):
                    best_opened[j] = state.index[j, OPENED] == 1
        else:
            _undo(pairs, rules, state, best_opened)
            kept = state.worth[0]
    return best_opened, best, state.counts[N_VISITS]
