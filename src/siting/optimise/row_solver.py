"""The exact method for rows of gains: presolve, search, bound, fix, and branch on what is left.

1. Rows with the same sites are one row (`gain_rows.reduce_rows`).
2. Swap search gives a plan and prices give a bound. Sites that no better plan opens are dropped,
   sites that every better plan opens are opened, gains that every better plan has are set aside;
   then more rows are alike, and so on while it helps.
3. The linear relaxation is solved on a core of sites that grows by those whose score says that
   they belong to it, so that the cost depends on the size of plans and not on the number of sites.
4. What is left is branched on, best bound first, with the same bounds and fixing at every node.

Every bound is recomputed from prices and rounded up. A plan is better only if it is worth at least
the target: the best plan's worth plus the gap asked for or, where all numbers are whole, plus 1.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.domain import BoolArray, FloatArray, IntArray, LongArray, SolveStatus
from siting.network.compiled import compiled
from siting.optimise.gain_rows import (
    GainRows,
    evaluate_rows,
    merge_price,
    number_sites,
    raise_floor,
    reduce_rows,
    serve_rows,
    spread_price,
)
from siting.optimise.interior_point import solve_interior
from siting.optimise.mip import MixedIntegerModel, solve_mip
from siting.optimise.relaxation import Bound, descend_prices, evaluate_price, find_decided
from siting.optimise.swap_search import search_swaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.optimise.limits import Watch
    from siting.optimise.site_rules import SiteRules

HALF = 0.5
TINY = 1e-10
INTEGRAL = 1e-5
CLEARLY = 1e-3
MOST_CENTRES, MOST_TRIALS = 40, 10
TRIAL_CORE = 100
TRIAL_SHARP = 0.01
LEAST_CHOSEN, MOST_CHOSEN = 0.3, 0.7
MOST_DESCENT = 1000
FLOOR_RANK = 4
WORTH_FLOOR = 0.5
CORE_ROUNDS = 8
CORE_PER_OPENED = 5
LEAST_CORE = 300
MOST_ADDED = 50
LEAST_NARROWED = 0.1
ROOT_KICKS, KICKS_AT_ONCE = 100, 20
# The bound needs to be no sharper than this part of what is still open.
SHARP = 0.02
NODE_SHARP = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class RowAnswer:
    """What the method came to.

    Attributes
    ----------
    opened
        (n_site,) the best plan; None if no plan was found.
    value
        What it is worth, opening costs taken off; -∞ without a plan.
    bound
        No plan is worth more.
    price, rule_price, root_bound
        Prices of the rows as they were given and of the rules, and the bound that they prove.
    infeasible
        Whether the rules allow no plan at all.
    nodes
        Nodes branched on.
    """

    opened: BoolArray | None
    value: float
    bound: float
    price: FloatArray
    rule_price: FloatArray
    root_bound: float
    infeasible: bool
    nodes: int


def maximise_rows(
    rows: GainRows,
    rules: SiteRules,
    watch: Watch,
    *,
    origin: float = 0.0,
    whole_numbers: bool = False,
    on_progress: Callable[[float, float], None] | None = None,
) -> RowAnswer:
    """Find the plan that gains most, and prove it as far as the limits allow.

    Parameters
    ----------
    rows, rules
        What plans are worth, and what they must respect.
    watch
        Limits.
    origin
        The gap is measured against |value - origin|: the largest cost, where value is saving.
    whole_numbers
        Whether every plan is worth a whole number (of the rows' unit).
    on_progress
        Called with value and bound as they move.
    """
    root = _Part(
        rows=rows,
        rules=rules,
        sites=np.arange(rows.n_site),
        opened=np.zeros(rows.n_site, dtype=bool),
    )
    search = _Search(root, watch, origin, whole_numbers, on_progress)
    nothing = evaluate_price(rows, rules, np.zeros(rows.n_row))
    feasible = search.find_first(root)
    if search.plan is None:
        return search.answer(nothing, infeasible=not feasible)
    floored, floor = _floor_root(root, search)
    bound = _bound_root(floored, search)
    search.bound = bound.value
    left = _narrow_root(floored, bound, search)
    search.bound = search.lost if left is None else max(search.lost, _branch(left, search))
    search.tell()
    # Above its floor a row has the same gains as before, so the same prices prove the same bound.
    bound = evaluate_price(rows, rules, floor + bound.price, rule_price=bound.rule_price)
    return search.answer(bound, infeasible=False)


class _Search:
    """The best plan so far, what counts as better, and what is proven.

    Attributes
    ----------
    bound
        No plan is worth more.
    lost
        The greatest bound of all that was set aside as not better than the target.
    """

    def __init__(
        self,
        whole: _Part,
        watch: Watch,
        origin: float,
        whole_numbers: bool,  # noqa: FBT001 - passed on as it came
        on_progress: Callable[[float, float], None] | None,
    ) -> None:
        self.whole, self.watch = whole, watch
        self.plan: BoolArray | None = None
        self.value, self.bound, self.lost = -math.inf, math.inf, -math.inf
        self.nodes = 0
        self._origin, self._whole, self._on_progress = origin, whole_numbers, on_progress
        self._searches = 0

    @property
    def target(self) -> float:
        """The least worth of a plan that would count as better."""
        scale = abs(self.value - self._origin)
        step = 1.0 if self._whole else TINY * max(1.0, scale)
        return self.value + max(step, self.watch.limits.gap * scale)

    @property
    def just_below(self) -> float:
        """The most that a plan below the target can be worth."""
        return math.ceil(self.target) - 1.0 if self._whole else self.target

    @property
    def stopped(self) -> bool:
        """Whether a limit is reached."""
        return self.watch.stop_reason is not None

    def offer(self, plan: BoolArray) -> None:
        """Keep a plan of the whole that breaks no rule, if it is the best."""
        value = evaluate_rows(self.whole.rows, plan)
        value -= math.fsum(self.whole.rules.opening_cost[plan])
        if value > self.value:
            self.plan, self.value = plan, value
            self.tell()

    def tell(self) -> None:
        """Report where the search stands."""
        if self._on_progress is not None:
            self._on_progress(self.value, max(self.value, self.bound))

    def give_up(self, bound: float) -> None:
        """Set plans aside that are proven to be worth no more than a bound below the target."""
        self.lost = max(self.lost, bound)

    def improve(self, part: _Part, start: BoolArray, *, kicks: int) -> None:
        """Search from a plan of a part that breaks no rule, and offer what comes of it."""
        if not part.rows.n_row:
            self.offer(part.whole_plan(start))
            return
        for _ in range(max(1, kicks // KICKS_AT_ONCE)):
            self._searches += 1
            found = search_swaps(
                part.rows,
                part.rules,
                start,
                kicks=min(kicks, KICKS_AT_ONCE),
                seed=self.watch.limits.seed + self._searches,
            )
            start = found.opened
            self.watch.spend(found.visits)
            self.offer(part.whole_plan(start))
            if self.stopped:
                break

    def find_first(self, part: _Part) -> bool:
        """Find any plan and improve it; return False if the rules allow none."""
        start = np.zeros(part.rows.n_site, dtype=bool)
        if not part.rules.allow(start):
            score = np.bincount(
                part.rows.site, weights=part.rows.gain, minlength=start.size
            ).astype(float)
            solution = solve_mip(_rules_model(part.rules, score), self.watch)
            if solution.values is None:
                return solution.status is not SolveStatus.INFEASIBLE
            start = solution.values > HALF
        self.improve(part, start, kicks=0)
        return True

    def answer(self, root: Bound, *, infeasible: bool) -> RowAnswer:
        """State what was found and proven."""
        bound = max(self.value, min(self.bound, root.value))
        return RowAnswer(
            opened=self.plan,
            value=self.value,
            bound=math.floor(bound) if self._whole and math.isfinite(bound) else bound,
            price=root.price,
            rule_price=root.rule_price,
            root_bound=root.value,
            infeasible=infeasible,
            nodes=self.nodes,
        )


def _rules_model(rules: SiteRules, score: FloatArray) -> MixedIntegerModel:
    """Build the model that finds a plan for rules that the empty plan breaks."""
    n_spacing = len(rules.spacing_pairs)
    spacing = sp.csr_array(
        (np.ones(2 * n_spacing), rules.spacing_pairs.ravel(), np.arange(0, 2 * n_spacing + 1, 2)),
        shape=(n_spacing, rules.n_site),
    )
    return MixedIntegerModel(
        cost=rules.opening_cost - score,
        lower=np.zeros(rules.n_site),
        upper=np.ones(rules.n_site),
        integer=np.ones(rules.n_site, dtype=bool),
        matrix=sp.vstack([sp.csr_array(rules.coefficient), spacing], format="csr"),
        row_lower=np.concatenate((rules.lower, np.full(n_spacing, -math.inf))),
        row_upper=np.concatenate((rules.upper, np.ones(n_spacing))),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """A part of the search: the sites still open to decision, and what was opened before.

    Attributes
    ----------
    rows, rules
        Over the part's own sites; the offset holds what the opened ones gain and cost.
    sites
        (n_site of the part,) their indices in the whole problem.
    opened
        (n_site of the whole,) what is opened in every plan of this part.
    price
        (n_row of the part,) prices to start from, if any are known.
    floored
        Whether gains that only better plans are bound to have were set aside, so that the worth
        of other plans is overstated.
    """

    rows: GainRows
    rules: SiteRules
    sites: LongArray
    opened: BoolArray
    price: FloatArray | None = None
    floored: bool = False

    def narrow(self, *, dropped: BoolArray, opened: BoolArray) -> _Part | None:
        """Return the part with decisions carried out; None if they break a rule."""
        a, b = self.rules.spacing_pairs.T
        if (opened & dropped).any() or (opened[a] & opened[b]).any():
            return None
        kept = ~dropped & ~opened & ~self.rules.excluded_by(opened)
        rules = self.rules.reduce(kept, opened=opened)
        if rules.impossible:
            return None
        rows, group = reduce_rows(self.rows, number_sites(kept, opened=opened))
        price = None
        if self.price is not None:
            price = merge_price(self.price, serve_rows(self.rows, opened), group, rows)
        cost = math.fsum(self.rules.opening_cost[opened])
        return replace(
            self,
            rows=replace(rows, offset=rows.offset - cost),
            rules=rules,
            sites=self.sites[kept],
            opened=self.whole_plan(opened),
            price=price,
        )

    def floor(self, floor: FloatArray) -> _Part:
        """Return the part with what every plan of interest gains in each row set aside."""
        raised = raise_floor(self.rows, floor)
        rows, group = reduce_rows(raised, number_sites(np.ones(raised.n_site, dtype=bool)))
        price = None if self.price is None else merge_price(self.price, floor, group, rows)
        return replace(self, rows=rows, price=price, floored=True)

    def whole_plan(self, opened: BoolArray) -> BoolArray:
        """Return a plan of the part as a plan of the whole."""
        plan = self.opened.copy()
        plan[self.sites[opened]] = True
        return plan


def round_weight(weight: FloatArray, rules: SiteRules) -> BoolArray | None:
    """Open sites by falling weight as long as the rules allow; None if that meets no lower side."""
    opened = np.zeros(weight.size, dtype=bool)
    activity, excluded = np.zeros(rules.upper.size), np.zeros(weight.size, dtype=bool)
    start, other = rules.conflicts()
    for j in np.argsort(-weight, kind="stable"):
        if weight[j] <= 0 or opened.sum() >= rules.most:
            break
        ahead = activity + rules.coefficient[:, j]
        if excluded[j] or (ahead > rules.upper + TINY).any():
            continue
        opened[j], activity = True, ahead
        excluded[other[start[j] : start[j + 1]]] = True
    return opened if rules.allow(opened) else None


def _floor_root(root: _Part, search: _Search) -> tuple[_Part, FloatArray]:
    """Take it for granted that every row gains what the first few opened sites give.

    No price of a good bound lies below, and rows as long as the number of sites become as short
    as the way to the nearest few.
    """
    assert search.plan is not None  # noqa: S101 - the caller looked
    floor = serve_rows(root.rows, search.plan, rank=FLOOR_RANK)
    floor = np.where(floor < root.rows.first_gain, floor, 0.0)
    raised = raise_floor(root.rows, floor)
    if raised.n_pair > WORTH_FLOOR * root.rows.n_pair:
        return root, np.zeros(root.rows.n_row)
    return replace(root, rows=raised, floored=True), floor


def _bound_root(part: _Part, search: _Search) -> Bound:
    """Bound the whole: a subgradient first, then the relaxation on a core of sites."""
    assert search.plan is not None  # noqa: S101 - the caller looked
    best, second = (serve_rows(part.rows, search.plan, rank=rank) for rank in (1, 2))
    bound = descend_prices(
        part.rows,
        part.rules,
        0.5 * (best + second),
        iterations=MOST_DESCENT,
        target=search.value,
        watch=search.watch,
    )
    search.bound = bound.value
    start = round_weight(bound.weight, part.rules)
    if start is not None:
        search.improve(part, start, kicks=0)
    return _solve_core(part, _first_core(part, bound, search), search, best=bound, kicks=ROOT_KICKS)


def _first_core(part: _Part, bound: Bound, search: _Search) -> BoolArray:
    """Mark the sites of the best plan and those worth most, in all and for each lower side."""
    size = max(LEAST_CORE, CORE_PER_OPENED * part.rules.most)
    ranked = np.argsort(-bound.score, kind="stable")
    core = np.zeros(part.rows.n_site, dtype=bool)
    core[ranked[:size]] = True
    if search.plan is not None:
        core |= search.plan[part.sites]
    for rule in np.flatnonzero(np.isfinite(part.rules.lower) & (part.rules.lower > 0)):
        counted = ranked[part.rules.coefficient[rule, ranked] > 0]
        core[counted[: max(MOST_ADDED, int(CORE_PER_OPENED * part.rules.lower[rule]))]] = True
    return core


def _solve_core(
    part: _Part,
    core: BoolArray,
    search: _Search,
    *,
    best: Bound | None = None,
    kicks: int = 0,
    tolerance: float = SHARP,
) -> Bound:
    """Solve the relaxation on a core of sites that grows until it speaks for all.

    Parameters
    ----------
    part
        What to bound.
    core
        (n_site of the part,) the sites to start with; grown in place.
    search
        Told of the plans that the relaxation suggests.
    best
        A bound known already.
    kicks
        Effort spent on every plan.
    tolerance
        How sharp the bound must be, relative to its distance from the target.
    """
    rows, rules = part.rows, part.rules
    for _ in range(CORE_ROUNDS):
        reduced, group = reduce_rows(rows, number_sites(core))
        small_rules = rules.restrict(core)
        small = solve_interior(
            reduced, small_rules, enough=search.target, tolerance=tolerance, watch=search.watch
        ).bound
        weight = np.zeros(rows.n_site)
        weight[core] = small.weight
        whole = evaluate_price(
            rows,
            rules,
            spread_price(rows, core, group, reduced, small.price),
            rule_price=_spread_rule_price(rules, core, small.rule_price),
            weight=weight,
        )
        if best is None or whole.value < best.value:
            best = whole
        inner = replace(part, rows=reduced, rules=small_rules, sites=part.sites[core], price=None)
        start = round_weight(small.weight, small_rules)
        if start is not None and not search.stopped:
            search.improve(inner, start, kicks=kicks)
        outside = np.flatnonzero(~core & (whole.score > _least_chosen(small.score, rules.most)))
        near = whole.value - small.value <= SHARP * (whole.value - search.target)
        if outside.size == 0 or near or best.value < search.target or search.stopped:
            break
        most_added = max(MOST_ADDED, int(core.sum()) // 2)
        core[outside[np.argsort(-whole.score[outside], kind="stable")[:most_added]]] = True
    assert best is not None  # noqa: S101 - there was at least one round
    return best


def _least_chosen(score: FloatArray, most: int) -> float:
    """Return what a site must be worth to be among the `most` best."""
    if most >= score.size:
        return 0.0
    return max(0.0, float(np.partition(score, -most)[-most]))


def _spread_rule_price(rules: SiteRules, core: BoolArray, price: FloatArray) -> FloatArray:
    """Return the prices of all rules from those of a core, where some pairs were left out."""
    inside = core[rules.spacing_pairs].all(axis=1)
    n_dense = price.size - int(inside.sum())
    whole = np.zeros(n_dense + inside.size)
    whole[:n_dense] = price[:n_dense]
    whole[n_dense:][inside] = price[n_dense:]
    return whole


def _narrow_root(part: _Part, bound: Bound, search: _Search) -> _Part | None:
    """Carry out what the bound decides, as long as it decides much; None if nothing is left."""
    while True:
        n_before = part.rows.n_site
        left = _carry_out(part, bound, search)
        if left is None:
            return None
        part = left
        if part.rows.n_site > (1.0 - LEAST_NARROWED) * n_before or search.stopped:
            return part
        assert part.price is not None  # noqa: S101 - carried over from the bound
        if not part.rows.n_row:
            return part
        bound = evaluate_price(part.rows, part.rules, part.price)
        core = _first_core(part, bound, search)
        bound = _solve_core(part, core, search, best=bound, kicks=ROOT_KICKS)
        search.bound = min(search.bound, bound.value)
        search.tell()


def _carry_out(part: _Part, bound: Bound, search: _Search) -> _Part | None:
    """Return what its bound leaves of a part: sites decided, floors raised; None if nothing."""
    target = search.target
    if bound.value < target:
        search.give_up(bound.value)
        return None
    decided = find_decided(bound, part.rules, target=target)
    search.give_up(decided.lost)
    part = replace(part, price=bound.price)
    if part.rows.n_row:
        # A plan in which a row gains less than its price gains that much less in all.
        floor = bound.price - (bound.value - target)
        stepped = part.rows.gain[part.rows.start[1:] - 1] < part.rows.first_gain
        floor = np.where(stepped, np.clip(floor, 0.0, part.rows.first_gain), 0.0)
        if (floor > 0).any():
            search.give_up(search.just_below)
            part = part.floor(floor)
    left = part.narrow(dropped=decided.dropped, opened=decided.opened)
    if left is None:
        search.give_up(search.just_below)
    return left


@dataclass(frozen=True, kw_only=True, eq=False)
class _Node:
    """What is needed to build a part of the search again, and the core to start from."""

    sites: LongArray
    opened: BoolArray
    rules: SiteRules
    core: LongArray


def _branch(root: _Part, search: _Search, *, most_nodes: float = math.inf) -> float:
    """Branch, best bound first; return the greatest bound of what a limit left open."""
    core = root.sites
    if root.price is not None and root.rows.n_row:
        core = core[_first_core(root, evaluate_price(root.rows, root.rules, root.price), search)]
    root = replace(root, price=None)
    first = _Node(sites=root.sites, opened=root.opened, rules=root.rules, core=core)
    queue: list[tuple[float, int, _Node]] = [(-search.bound, 0, first)]
    born = 0
    while queue and not search.stopped and search.nodes < most_nodes:
        negative, _, node = heapq.heappop(queue)
        search.bound = max(-negative, search.lost)
        if -negative < search.target:
            search.give_up(-negative)
            continue
        search.nodes += 1
        for bound, child in _split(_rebuild(root, node), node.core, -negative, search):
            born += 1
            # Of equal bounds the youngest comes first: it is the nearest to a plan.
            heapq.heappush(queue, (-bound, -born, child))
        search.tell()
    return max((-negative for negative, *_ in queue), default=-math.inf)


def _rebuild(root: _Part, node: _Node) -> _Part:
    """Return the part of the root that a node stands for."""
    kept = np.zeros(root.opened.size, dtype=bool)
    kept[node.sites] = True
    opened = node.opened[root.sites]
    rows, _ = reduce_rows(root.rows, number_sites(kept[root.sites], opened=opened))
    cost = math.fsum(root.rules.opening_cost[opened])
    return replace(
        root,
        rows=replace(rows, offset=rows.offset - cost),
        rules=node.rules,
        sites=node.sites,
        opened=node.opened,
    )


def _split(
    part: _Part, core: LongArray, bound: float, search: _Search
) -> list[tuple[float, _Node]]:
    """Bound a part and split it in two; nothing if no better plan can be in it."""
    while True:
        if part.rows.n_row == 0 or part.rules.most == 0:
            exact = _settle(part, bound, search)
            if exact is None:
                return []
            part = exact
        in_core = np.isin(part.sites, core)
        if not in_core.any():
            in_core[:] = True
        best = _solve_core(part, in_core, search, tolerance=NODE_SHARP)
        left = _carry_out(part, best, search)
        if left is None:
            return []
        if left.rows.n_site > (1.0 - LEAST_NARROWED) * part.rows.n_site:
            break
        part = left
    core = part.sites[_first_core(part, best, search) | (best.weight > INTEGRAL)]
    chosen = _choose_sites(part, best, search)
    none = np.zeros(chosen.size, dtype=bool)
    if chosen.sum() == 1:
        children = [part.narrow(dropped=none, opened=chosen)]
    else:
        children = [replace(part, rules=part.rules.require_one_of(chosen))]
    children.append(part.narrow(dropped=chosen, opened=none))
    return [
        (
            min(bound, best.value),
            _Node(sites=child.sites, opened=child.opened, rules=child.rules, core=core),
        )
        for child in children
        if child is not None
    ]


def _settle(part: _Part, bound: float, search: _Search) -> _Part | None:
    """Take the plan of a part without choice; return the part without floors if they misled."""
    search.find_first(part)
    if part.floored and part.rules.most and part.rows.offset >= search.target:
        node = _Node(sites=part.sites, opened=part.opened, rules=part.rules, core=part.sites)
        exact = _rebuild(search.whole, node)
        if exact.rows.n_row:
            return exact
        part = exact
    search.give_up(min(bound, part.rows.offset if part.rules.most else search.value))
    return None


def _choose_sites(part: _Part, best: Bound, search: _Search) -> BoolArray:
    """Choose the set of near sites whose yes and no both lower the bound most.

    Opening none of a set and opening at least one of it split the search evenly where the
    relaxation opens about half a site in it, while forbidding a single site would only move its
    weight to the next one. Both answers of a few sets are tried on the sites worth most.
    """
    sets = find_near_sets(part.rows, best.weight)
    if len(sets) == 1:
        return sets[0]
    trial = np.zeros(best.weight.size, dtype=bool)
    trial[np.argsort(-best.score, kind="stable")[: part.rules.most + TRIAL_CORE]] = True
    trial |= best.weight > CLEARLY
    rows, _ = reduce_rows(part.rows, number_sites(trial))
    rules = part.rules.restrict(trial)
    room = best.value - search.target
    chosen, most = sets[0], -1.0
    for members in sets:
        none = ~members[trial]
        without, _ = reduce_rows(rows, number_sites(none))
        falls = []
        for child, limits in ((without, rules.restrict(none)), (rows, rules.require_one_of(~none))):
            bound = solve_interior(
                child, limits, enough=search.target, tolerance=TRIAL_SHARP, watch=search.watch
            ).bound
            falls.append(max(TINY, min(room, best.value - bound.value)))
        if falls[0] * falls[1] > most:
            chosen, most = members, falls[0] * falls[1]
        if search.stopped:
            break
    return chosen


def find_near_sets(rows: GainRows, weight: FloatArray) -> list[BoolArray]:
    """Find sets of near sites that the relaxation opens by about one half in all.

    Around a fractional site stand all those that overlap it more than the site does with which
    the weight would grow too much.

    Parameters
    ----------
    rows
        The rows of the part.
    weight
        (n_site,) what the relaxation opens.

    Returns
    -------
    list
        (n_site,) masks, those first that stand most by themselves; at least one.
    """
    fractional = np.flatnonzero((weight > CLEARLY) & (weight < 1.0 - CLEARLY))
    if not fractional.size:
        alone = np.zeros(weight.size, dtype=bool)
        alone[int(np.argmax(np.where(weight < 1.0 - INTEGRAL, weight, -1.0)))] = True
        return [alone]
    middle = fractional[np.argsort(np.abs(weight[fractional] - HALF), kind="stable")]
    size = np.bincount(rows.site, weights=rows.gain, minlength=rows.n_site)
    found: dict[bytes, tuple[bool, float, BoolArray]] = {}
    for j in middle[:MOST_CENTRES]:
        overlap = _overlap(rows.start, rows.site, rows.gain, *rows.by_site, j)
        overlap /= np.sqrt(np.maximum(size * size[j], TINY))
        overlap[j] = math.inf
        near = np.argsort(-overlap, kind="stable")
        near = near[overlap[near] > 0]
        reach = np.cumsum(weight[near])
        end = max(1, int(np.searchsorted(reach, MOST_CHOSEN)))
        members = np.zeros(weight.size, dtype=bool)
        members[near[:end]] = True
        outside = float(overlap[near[end]]) if end < near.size else 0.0
        lone = not LEAST_CHOSEN <= reach[end - 1] <= MOST_CHOSEN
        found.setdefault(members.tobytes(), (lone, outside, members))
    ranked = sorted(found.values(), key=lambda one: one[:2])
    return [members for _, _, members in ranked[:MOST_TRIALS]]


@compiled
def _overlap(  # noqa: PLR0917 - a kernel takes no keywords
    start: LongArray,
    site: IntArray,
    gain: FloatArray,
    site_start: LongArray,
    site_row: IntArray,
    site_gain: FloatArray,
    j: int,
) -> FloatArray:
    """(n_site,) what each site gains in the rows of one, at most what that one gains."""
    shared = np.zeros(site_start.size - 1)
    for e in range(site_start[j], site_start[j + 1]):
        for k in range(start[site_row[e]], start[site_row[e] + 1]):
            shared[site[k]] += min(gain[k], site_gain[e])
    return shared
