"""Other plans that serve nearly as much: as different as can be, within a stated loss.

The difference of two plans is the number of sites of the one that the other does not open; each
alternative is sought as far as possible from the plan and from the alternatives before it. Where
an instance is small enough for HiGHS to be quick, that is solved exactly,

    max d   s.t.  d ≤ |P| - Σ_{j∈P} Σ_k y_jk  for every plan P before,
                  Σ a_ij x_ij ≥ (1 - loss) Z,  and the main model;

the others are sought by prices and annealing with a charge on every site that is used already; the
charge is raised as long as the loss allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.instance import CLOSED, Decision, evaluate, settle_flows
from siting.optimise.assignment import assign_drivers
from siting.optimise.formulation import build_model
from siting.optimise.limits import Watch
from siting.optimise.mip import solve_mip
from siting.optimise.solve import LINKS_TO_SOLVE
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import solve_by_prices, start_from_prices
from siting.reasons.rebuild import CLOSE, SOLVED, sites_between

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.domain import BoolArray, FloatArray, IntArray
    from siting.instance import Evaluation
    from siting.optimise.mip import MixedIntegerModel
    from siting.optimise.tier_problem import TierProblem
    from siting.reasons.known import KnownPlan

# Charges on a used site: the first, as a share of what a site may lose; how often it is doubled,
# and how often the step back is halved.
FIRST_CHARGE, DOUBLINGS, HALVINGS = 1.0, 5, 2
# In the objective of the exact model a site outweighs all service, which then breaks ties.
TIE = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Alternative:
    """Another whole plan.

    Attributes
    ----------
    decision, evaluation
        The plan, recomputed without a solver; it meets every requirement.
    loss_kwh_per_day, loss_share
        What it serves less than the plan in hand; below zero if it serves more.
    leaves, enters
        Ids of the sites of the plan in hand that it does not open, and of those it opens instead.
    least_difference
        Fewest sites by which it differs from the plan in hand and the alternatives before it.
    """

    decision: Decision
    evaluation: Evaluation
    loss_kwh_per_day: float
    loss_share: float
    leaves: tuple[str, ...]
    enters: tuple[str, ...]
    least_difference: int


def find_alternatives(
    known: KnownPlan,
    *,
    n_most: int = 3,
    loss: float = 0.01,
    on_found: Callable[[int], None] | None = None,
) -> tuple[Alternative, ...]:
    """Find markedly different plans within a stated loss.

    Parameters
    ----------
    known
        The plan in hand.
    n_most
        At most so many; fewer where no other plan differs in any site.
    loss
        Share of the plan's service that an alternative may serve less, in [0, 1).
    on_found
        Told of how many there are, as they are found.

    Raises
    ------
    ValueError
        If the loss is not in [0, 1).
    """
    if not 0.0 <= loss < 1.0:
        raise ValueError(f"loss is {loss}, not within [0, 1)")
    problem = build_problem(known.instance)
    least_worth = (1.0 - loss) * known.worth
    find = _solve_farthest if problem.links.n_link <= LINKS_TO_SOLVE else _search_far
    before = [known.decision.tier_of_site]
    found: list[Alternative] = []
    while len(found) < n_most:
        decision = find(known, problem, before, least_worth)
        if decision is None:
            break
        found.append(_describe(known, decision, before))
        before.append(decision.tier_of_site)
        if on_found is not None:
            on_found(len(found))
    return tuple(found)


def count_difference(one: IntArray, other: IntArray) -> int:
    """Return how many sites that one plan opens another does not."""
    return int(((one != CLOSED) & (other == CLOSED)).sum())


def _describe(known: KnownPlan, decision: Decision, before: Sequence[IntArray]) -> Alternative:
    evaluation = evaluate(known.instance, decision)
    lost = known.worth - evaluation.objective_kwh_per_day
    leaves, enters = sites_between(known.decision.tier_of_site, decision.tier_of_site)
    ids = known.instance.site_ids
    return Alternative(
        decision=decision,
        evaluation=evaluation,
        loss_kwh_per_day=lost,
        loss_share=lost / known.worth if known.worth else 0.0,
        leaves=tuple(ids[j] for j in leaves),
        enters=tuple(ids[j] for j in enters),
        least_difference=min(count_difference(plan, decision.tier_of_site) for plan in before),
    )


def _decide(
    known: KnownPlan, tiers: IntArray, before: Sequence[IntArray], least_worth: float
) -> tuple[int, float, Decision] | None:
    """Return how far a plan is from those before, its worth and itself; None if it is no other."""
    difference = min(count_difference(plan, tiers) for plan in before)
    found = assign_drivers(known.instance, tiers) if difference > 0 else None
    if found is None:
        return None
    decision = settle_flows(known.instance, found)
    evaluation = evaluate(known.instance, decision)
    worth = evaluation.objective_kwh_per_day
    return (difference, worth, decision) if evaluation.feasible and worth >= least_worth else None


def _solve_farthest(
    known: KnownPlan, problem: TierProblem, before: Sequence[IntArray], least_worth: float
) -> Decision | None:
    """Return the plan that differs most, and of those that do the one of most worth."""
    model = build_model(known.instance, problem.links, problem.columns, problem.rows)
    answer = solve_mip(_seek_difference(model, problem, before, least_worth), Watch(SOLVED))
    if answer.values is None:
        return None
    # The solver keeps its rows within a tolerance; a plan at the limit is not lost for it.
    slack = 1e-6 * max(1.0, known.worth)
    tiers = problem.columns.read_tiers(answer.values)
    found = _decide(known, tiers, before, least_worth - slack)
    return None if found is None else found[2]


def _seek_difference(
    model: MixedIntegerModel,
    problem: TierProblem,
    before: Sequence[IntArray],
    least_worth: float,
) -> MixedIntegerModel:
    """Add the difference d to the model, as its last variable, and make it the objective."""
    site = problem.columns.site
    used = np.array([(plan != CLOSED)[site] for plan in before], dtype=np.float64)
    n_used = np.array([(plan != CLOSED).sum() for plan in before], dtype=np.float64)
    flows = np.zeros((len(before), problem.links.n_link))
    wide = sp.csr_array(sp.hstack([model.matrix, sp.csr_array((model.row_lower.size, 1))]))
    differ = sp.csr_array(np.hstack([used, flows, np.ones((len(before), 1))]))
    serve = sp.csr_array(np.append(-model.cost, 0.0)[None, :])
    largest = max(1.0, float(problem.reach.kwh.sum()))
    return replace(
        model,
        cost=np.append(TIE / largest * model.cost, -1.0),
        lower=np.append(model.lower, 0.0),
        upper=np.append(model.upper, float(n_used.min())),
        integer=np.append(model.integer, False),
        matrix=sp.csr_array(sp.vstack([wide, differ, serve], format="csr")),
        row_lower=np.concatenate((model.row_lower, np.full(len(before), -math.inf), [least_worth])),
        row_upper=np.concatenate((model.row_upper, n_used, [math.inf])),
    )


def _search_far(
    known: KnownPlan, problem: TierProblem, before: Sequence[IntArray], least_worth: float
) -> Decision | None:
    """Raise the charge on used sites while the loss allows, and keep what differs most."""
    n_use: FloatArray = np.mean([plan != CLOSED for plan in before], axis=0)
    allowed = known.worth - least_worth
    charge = FIRST_CHARGE * max(allowed, 1e-6 * known.worth) / max(1, known.opened.size)
    best: tuple[int, float, Decision] | None = None
    step = charge
    for number in range(DOUBLINGS + HALVINGS):
        tiers = _seek_with_charge(known, problem, n_use, charge)
        found = None if tiers is None else _decide(known, tiers, before, least_worth)
        if found is not None and (best is None or found[:2] > best[:2]):
            best = found
        is_within = found is not None or tiers is None or _is_same(tiers, before)
        if number < DOUBLINGS and is_within and step == charge:
            charge = step = 2.0 * charge
        else:
            step = step / 2.0
            charge += step if is_within else -step
    return None if best is None else best[2]


def _is_same(tiers: IntArray, before: Sequence[IntArray]) -> bool:
    return min(count_difference(plan, tiers) for plan in before) == 0


def _seek_with_charge(
    known: KnownPlan, problem: TierProblem, n_use: FloatArray, charge: float
) -> IntArray | None:
    """Return the tiers of the best plan found where every used site costs a charge (kWh/day)."""
    is_free: BoolArray = problem.required[problem.columns.site]
    gain = np.where(is_free, 0.0, -charge * n_use[problem.columns.site])
    charged = replace(problem, menu=problem.menu._replace(gain=gain))
    point = None
    if known.prices is not None:
        point = start_from_prices(known.instance, charged, known.prices)
    answer = solve_by_prices(
        charged, Watch(CLOSE), point=point, start=known.decision.tier_of_site, n_round=1
    )
    return None if answer.plan is None else answer.plan.tier_of_site(problem)
