"""A location problem as rows of gains, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from siting.network.compiled import compiled
from siting.optimise.gain_rows import DROPPED, OPENED, GainRows
from siting.optimise.location_bound import Multipliers
from siting.optimise.relaxation import split_rule_price
from siting.optimise.site_rules import BUDGET, COUNT, SiteRules

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.optimise.location_problem import LocationProblem

LARGEST_WHOLE = 2.0**52


@dataclass(frozen=True, kw_only=True, eq=False)
class RowModel:
    """Rows of gains that stand for a location problem.

    Attributes
    ----------
    rows, rules
        Over the sites still open to decision; the rules are the problem's, one for one.
    decided
        (n_supply,) what was decided beforehand, as `decide_supplies` gives it.
    n_site
        Number of sites of the problem.
    row_of_demand
        (n_demand,) the row that each demand point went into, -1 for none.
    farthest
        (n_demand,) distance that savings count from; 0 for coverage.
    origin
        The value at which the problem's objective is 0.
    whole_numbers
        Whether every plan is worth a whole number.
    """

    rows: GainRows
    rules: SiteRules
    decided: IntArray
    n_site: int
    row_of_demand: IntArray
    farthest: FloatArray
    origin: float
    whole_numbers: bool

    @cached_property
    def kept(self) -> BoolArray:
        """(n_site,) sites that are still open to decision."""
        mask: BoolArray = self.decided[: self.n_site] >= 0
        return mask

    def whole_plan(self, opened: BoolArray) -> BoolArray:
        """Return a plan of the rows as a plan of the problem."""
        plan: BoolArray = self.decided[: self.n_site] == OPENED
        plan[self.kept] = opened
        return plan

    def find_multipliers(
        self, problem: LocationProblem, price: FloatArray, rule_price: FloatArray
    ) -> Multipliers:
        """Return the prices of rows and rules as multipliers of the problem that prove as much."""
        if problem.cover_distance is not None:
            value = -problem.cover_distance
        else:
            value = np.empty(0) if problem.cover_worth is None else problem.cover_worth
        gain = _share_price(
            problem.cover_start,
            problem.cover_supply,
            value,
            problem.demand_weight,
            self.farthest,
            self.decided,
            self.row_of_demand,
            self.rows.start,
            self.rows.site,
            self.rows.gain,
            price,
        )
        upper, lower, near = split_rule_price(self.rules, rule_price)
        spacing = np.zeros(len(problem.spacing_pairs))
        spacing[self.kept[problem.spacing_pairs].all(axis=1)] = near
        return Multipliers(
            demand=problem.demand_weight * self.farthest - gain
            if problem.cover_distance is not None
            else gain,
            budget=float(upper[BUDGET]),
            least_sites=float(lower[COUNT]),
            rule_lower=lower[BUDGET + 1 :],
            rule_upper=upper[BUDGET + 1 :],
            spacing=spacing,
        )


def build_rules(problem: LocationProblem, *, opening_cost: FloatArray) -> SiteRules:
    """Build the rules of a problem over all its sites."""
    most = math.inf if problem.max_sites is None else float(problem.max_sites)
    return SiteRules(
        coefficient=np.vstack(
            (
                np.ones(problem.n_site),
                problem.site_cost,
                *(rule.coefficient for rule in problem.rules),
            )
        ),
        lower=np.array(
            [float(problem.min_sites), -math.inf, *(rule.lower for rule in problem.rules)]
        ),
        upper=np.array([most, problem.budget, *(rule.upper for rule in problem.rules)]),
        spacing_pairs=problem.spacing_pairs,
        opening_cost=opening_cost,
    )


def decide_supplies(problem: LocationProblem, rules: SiteRules) -> IntArray | None:
    """Decide what the problem itself decides; None if its rules allow no plan.

    Returns
    -------
    IntArray
        (n_supply,) ``OPENED`` for stations and required sites, ``DROPPED`` for sites that are
        forbidden, excluded by a required one, or too dear, and new indices for the others.
    """
    required, forbidden = problem.required, problem.forbidden
    excluded = rules.excluded_by(required)
    left = problem.budget - math.fsum(problem.site_cost[required])
    tolerance = 1e-9 * max(1.0, problem.budget if math.isfinite(problem.budget) else 1.0)
    if (required & (forbidden | excluded)).any() or left < -tolerance:
        return None
    kept = ~required & ~forbidden & ~excluded & (problem.site_cost <= left + tolerance)
    if rules.carry_out(kept, opened=required).impossible:
        return None
    decided = np.full(problem.n_supply, DROPPED, dtype=np.int32)
    decided[problem.n_site :] = OPENED
    decided[: problem.n_site][required] = OPENED
    decided[: problem.n_site][kept] = np.arange(int(kept.sum()), dtype=np.int32)
    return decided


def are_whole(*numbers: FloatArray) -> bool:
    """Return whether all numbers are whole and small enough to be added up exactly."""
    total = 0.0
    for array in numbers:
        if not (array == np.floor(array)).all():
            return False
        total += float(np.abs(array).sum())
    return total < LARGEST_WHOLE


@compiled
def _share_price(  # noqa: PLR0917 - a kernel takes no keywords
    start: LongArray,
    supply: IntArray,
    value: FloatArray,
    weight: FloatArray,
    farthest: FloatArray,
    decided: IntArray,
    row_of_demand: IntArray,
    row_start: LongArray,
    row_site: IntArray,
    row_gain: FloatArray,
    price: FloatArray,
) -> FloatArray:
    """(n_demand,) the share of every demand point in its row's price.

    A price that lies at some part of the way between two gains of the row lies at the same part
    of the way between the same two gains of each demand point.
    """
    shared = np.zeros(weight.size)
    for i in range(weight.size):
        settled = 0.0
        for k in range(start[i], start[i + 1]):
            if decided[supply[k]] == OPENED:
                gain = weight[i] * (farthest[i] + (value[k] if value.size else 1.0))
                settled = max(settled, gain)
        shared[i] = settled
        r = row_of_demand[i]
        if r < 0:
            continue
        at, end = row_start[r], row_start[r + 1]
        while at < end and row_gain[at] > price[r]:
            at += 1
        # The price lies between the gains of `at` and of the pair before it.
        below = row_gain[at] if at < end else 0.0
        above = row_gain[at - 1] if at > row_start[r] else below
        own_below, own_above = 0.0, 0.0
        for k in range(start[i], start[i + 1]):
            gain = weight[i] * (farthest[i] + (value[k] if value.size else 1.0)) - settled
            if at < end and decided[supply[k]] == row_site[at]:
                own_below = gain
            if at > row_start[r] and decided[supply[k]] == row_site[at - 1]:
                own_above = gain
        part = (price[r] - below) / (above - below) if above > below else 0.0
        shared[i] += own_below + part * max(0.0, own_above - own_below)
    return shared
