"""The two games of the joint investment: what every coalition of brands can do on its own.

A coalition has its members' drivers, their own stations, their claim on stations that everybody
may use, and their money. Unified accounts open a member's stations to the coalition's other
members, not to outsiders.

- **target game**: c(S) is the least cost that gives each brand in S the service that the joint plan
  gives it;
- **budget game**: v(S) is the most that S can gain with its members' budgets: the worth of the
  service, less its cost.

What is split is a fact, the joint plan in hand; every other coalition's value comes with its bound.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from siting.alliance.game import Game, GameKind
from siting.domain import BoolArray, FloatArray, IntArray, SolveStatus, frozen_array
from siting.errors import Fault, InfeasibleError, SolveError
from siting.instance import CLOSED, SitingInstance, evaluate
from siting.optimise.formulation import build_columns
from siting.optimise.value import LEAST_COST, Valuation, solve_for_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from siting.instance import Decision
    from siting.optimise.result import SolveOptions

THIRD_PARTY = -1
# A floor asks for this much less than the joint plan serves: the solver's own tolerance.
FLOOR_SLACK = 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class Alliance:
    """The joint instance, and what belongs to whom.

    Attributes
    ----------
    instance
        The joint instance, with unified accounts.
    usable_alone
        (n_supply, n_brand) whether the brand's drivers may charge there with separate accounts.
    station_owner
        (n_station,) index of the brand that owns the station, or ``THIRD_PARTY``.
    budget_cny
        (n_brand,) money that each brand can bring.
    """

    instance: SitingInstance
    usable_alone: BoolArray
    station_owner: IntArray
    budget_cny: FloatArray

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse those that do not belong to the instance."""
        asked = {
            "usable_alone": (np.bool_, self.instance.usable.shape),
            "station_owner": (np.int32, (self.instance.n_station,)),
            "budget_cny": (np.float64, (self.instance.n_brand,)),
        }
        for name, (dtype, shape) in asked.items():
            array = frozen_array(getattr(self, name), dtype)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
            object.__setattr__(self, name, array)
        if not (np.isfinite(self.budget_cny).all() and (self.budget_cny >= 0).all()):
            raise ValueError("every brand needs a finite budget that is not negative")

    @property
    def grand(self) -> int:
        """Index of the grand coalition."""
        return (1 << self.instance.n_brand) - 1

    @cached_property
    def station_claim(self) -> FloatArray:
        """(n_station, n_brand) share of the station's capacity that each brand can count on."""
        return compute_station_claims(self)


def compute_station_claims(alliance: Alliance) -> FloatArray:
    """Share every station's capacity among the brands that may use it with separate accounts.

    A station that only its owner may use is the owner's whole. Where several may, as at a public
    third-party station, each counts on its part of the demand within reach: capacity cannot be
    counted twice, by a coalition and again by those outside it.

    Returns
    -------
    (n_station, n_brand) array
        Rows sum to 1, or to 0 where nobody may use the station.
    """
    instance = alliance.instance
    alone = alliance.usable_alone[instance.n_site :]
    within_reach = np.column_stack(
        [
            np.bincount(
                instance.cover_supply,
                weights=instance.cover_worth * kwh[instance.cover_demand],
                minlength=instance.n_supply,
            )
            for kwh in instance.demand_kwh_per_day.T
        ]
    )[instance.n_site :]
    weight = np.where(alone, within_reach, 0.0)
    weight = np.where(weight.sum(axis=1, keepdims=True) > 0, weight, alone)
    total = weight.sum(axis=1, keepdims=True)
    return frozen_array(
        np.divide(weight, total, out=np.zeros_like(weight), where=total > 0), np.float64
    )


def build_coalition_instance(
    alliance: Alliance,
    coalition: int,
    *,
    budget_cny: float,
    floor_by_brand: FloatArray | None = None,
) -> SitingInstance:
    """Build what a coalition would face on its own.

    What limits anybody (forbidden sites, grid, spacing, greatest numbers) limits the coalition
    too; what only the joint plan owes (required sites, least numbers) it does not.

    Parameters
    ----------
    alliance
        The joint instance, and what belongs to whom.
    coalition
        Bitmask of the members over ``instance.brands``.
    budget_cny
        Most that the coalition may spend; infinite where cost is what is looked for.
    floor_by_brand
        (n_brand,) floors of all brands; none if left out.

    Returns
    -------
    SitingInstance
        Its brand axes hold the members alone.
    """
    instance, requirements = alliance.instance, alliance.instance.requirements
    members = list_members(coalition)
    n_site = instance.n_site
    owned = np.isin(alliance.station_owner, members)[:, None]
    at_stations = alliance.usable_alone[n_site:, members] | (
        instance.usable[n_site:, members] & owned
    )
    floors = np.zeros(len(members)) if floor_by_brand is None else floor_by_brand[members]
    return instance.replace(
        brands=tuple(instance.brands[b] for b in members),
        demand_kwh_per_day=instance.demand_kwh_per_day[:, members],
        usable=np.vstack([instance.usable[:n_site, members], at_stations]),
        station_capacity_kwh_per_day=instance.station_capacity_kwh_per_day
        * np.minimum(alliance.station_claim[:, members].sum(axis=1), 1.0),
        requirements=requirements.replace(
            budget_cny=budget_cny,
            floor_by_brand=floors,
            required=np.zeros(n_site, dtype=bool),
            min_sites=0,
            district_min_sites=np.zeros_like(requirements.district_min_sites),
        ),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class CoalitionPlan:
    """The best plan found for a coalition, and the interval of its value.

    Attributes
    ----------
    coalition
        Bitmask of the members.
    tier_of_site
        (n_site,) opened tiers.
    served_kwh_per_day
        (n_brand,) energy served, over all brands of the alliance; 0 for outsiders.
    cost_cny
        Cost of the sites.
    value_cny, lower_cny, upper_cny
        The game's value by this plan, and what the true value lies between.
    status
        How far the value is proven.
    cpu_s
        Processor time that the solve took.
    """

    coalition: int
    tier_of_site: IntArray
    served_kwh_per_day: FloatArray
    cost_cny: float
    value_cny: float
    lower_cny: float
    upper_cny: float
    status: SolveStatus
    cpu_s: float


@dataclass(frozen=True, kw_only=True, eq=False)
class SolvedGame:
    """A game, with the plan behind every coalition's value.

    Attributes
    ----------
    game
        The values and their intervals.
    plans
        (2**n - 1,) plans by coalition, from coalition 1 to the grand one.
    """

    game: Game
    plans: tuple[CoalitionPlan, ...]


def solve_target_game(
    alliance: Alliance,
    joint: Decision,
    *,
    options: SolveOptions,
    known: Mapping[int, CoalitionPlan] | None = None,
    on_solved: Callable[[CoalitionPlan], None] | None = None,
    n_worker: int = 1,
) -> SolvedGame:
    """Solve the game of costs: each brand gets what the joint plan gives it, at least cost.

    Parameters
    ----------
    alliance, joint
        The joint instance with what belongs to whom, and the plan that is built.
    options
        How hard to look, for each coalition.
    known
        Plans solved before, by coalition; they are not solved again.
    on_solved
        Told of every plan as it comes, so that a caller can keep it and go on later.
    n_worker
        Processes to solve in; coalitions of one size are solved side by side.

    Raises
    ------
    InfeasibleError
        If a coalition cannot reach the service alone, whatever it spends.
    SolveError
        If a limit came before any plan.
    """
    evaluation = evaluate(alliance.instance, joint)
    wanted = alliance.instance.demand_kwh_per_day.sum(axis=0)
    served = evaluation.served_kwh_per_day.sum(axis=0)
    floor = np.divide(served, wanted, out=np.zeros_like(served), where=wanted > 0)
    ask = _Ask(
        kind=GameKind.COST,
        valuation=LEAST_COST,
        floor_by_brand=np.clip(floor * (1 - FLOOR_SLACK), 0.0, 1.0),
    )
    return _solve_game(
        alliance,
        joint,
        ask,
        options=options,
        known=known or {},
        on_solved=on_solved,
        n_worker=n_worker,
    )


def solve_budget_game(
    alliance: Alliance,
    joint: Decision,
    *,
    valuation: Valuation,
    options: SolveOptions,
    known: Mapping[int, CoalitionPlan] | None = None,
    on_solved: Callable[[CoalitionPlan], None] | None = None,
    n_worker: int = 1,
) -> SolvedGame:
    """Solve the game of surpluses: the most that a coalition gains with its members' budgets.

    The joint budget is a ceiling for each coalition too: else a part could spend what the whole,
    as asked, may not.

    Parameters are those of :func:`solve_target_game`, and ``valuation``: what a kWh a day is worth
    and which part of the cost is set against it, over the same time.

    A superset can carry out any subset's plan, so a coalition's bound is at most that of the
    coalitions that hold it.

    Raises
    ------
    SolveError
        If a limit came before any plan.
    """
    ask = _Ask(kind=GameKind.SURPLUS, valuation=valuation, floor_by_brand=None)
    return _solve_game(
        alliance,
        joint,
        ask,
        options=options,
        known=known or {},
        on_solved=on_solved,
        n_worker=n_worker,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ask:
    """What every coalition is asked for in one game."""

    kind: GameKind
    valuation: Valuation
    floor_by_brand: FloatArray | None


def _solve_game(
    alliance: Alliance,
    joint: Decision,
    ask: _Ask,
    *,
    options: SolveOptions,
    known: Mapping[int, CoalitionPlan],
    on_solved: Callable[[CoalitionPlan], None] | None,
    n_worker: int,
) -> SolvedGame:
    plans = {s: plan for s, plan in known.items() if s != alliance.grand}
    with _processes(n_worker) as run:
        for same_size in _by_size(alliance.instance.n_brand):
            tasks = [
                (alliance, s, ask, options, _known_plans(alliance, joint, ask, plans, s))
                for s in same_size
                if s not in plans and s != alliance.grand
            ]
            for plan in run(_solve_coalition, tasks):
                plans[plan.coalition] = plan
                if on_solved is not None:
                    on_solved(plan)
    plans[alliance.grand] = _plan_in_hand(alliance, joint, ask)
    ordered = tuple(plans[s] for s in range(1, alliance.grand + 1))
    if ask.kind is GameKind.SURPLUS:
        ordered = tuple(_bounded_by_supersets(plan, ordered) for plan in ordered)
    game = Game(
        players=alliance.instance.brands,
        kind=ask.kind,
        value_cny=np.array([0.0, *(plan.value_cny for plan in ordered)]),
        lower_cny=np.array([0.0, *(plan.lower_cny for plan in ordered)]),
        upper_cny=np.array([0.0, *(plan.upper_cny for plan in ordered)]),
    )
    return SolvedGame(game=game, plans=ordered)


_Task = tuple[Alliance, int, _Ask, "SolveOptions", tuple[IntArray, ...]]


@contextmanager
def _processes(n_worker: int) -> Iterator[Callable[..., Iterator[CoalitionPlan]]]:
    """Give a ``map`` over processes, or the plain one where one is enough."""
    if n_worker == 1:
        yield map
        return
    # Forking a process in which a solver's threads run can hang; a fresh one cannot.
    with ProcessPoolExecutor(n_worker, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _solve_coalition(task: _Task) -> CoalitionPlan:
    alliance, coalition, ask, options, starts = task
    members = list_members(coalition)
    ceiling = alliance.instance.requirements.budget_cny
    spends_cny = min(float(alliance.budget_cny[members].sum()), ceiling)
    costs = ask.kind is GameKind.COST
    instance = build_coalition_instance(
        alliance,
        coalition,
        budget_cny=np.inf if costs else spends_cny,
        floor_by_brand=ask.floor_by_brand,
    )
    if costs:
        # Where money is no object, building everything is the plan that is most sure to do.
        columns = build_columns(instance)
        starts = (*starts, columns.tier_of_site(np.arange(columns.n_column)))
    result = solve_for_value(instance, valuation=ask.valuation, options=options, starts=starts)
    if result.decision is None:
        raise _no_plan(instance.brands, result.status)
    evaluation = evaluate(instance, result.decision)
    served = np.zeros(alliance.instance.n_brand)
    served[members] = evaluation.served_kwh_per_day.sum(axis=0)
    sign = 1.0 if ask.kind is GameKind.SURPLUS else -1.0
    in_hand, best = sign * result.value_cny, sign * result.bound_cny
    return CoalitionPlan(
        coalition=coalition,
        tier_of_site=result.decision.tier_of_site,
        served_kwh_per_day=served,
        cost_cny=evaluation.cost_cny,
        value_cny=in_hand,
        lower_cny=min(in_hand, best),
        upper_cny=max(in_hand, best),
        status=result.status,
        cpu_s=result.cpu_s,
    )


def _no_plan(brands: tuple[str, ...], status: SolveStatus) -> InfeasibleError | SolveError:
    who = ", ".join(brands)
    if status is SolveStatus.INFEASIBLE:
        return InfeasibleError(
            [
                Fault(
                    what=f"{who} alone cannot reach the service of the joint plan at any cost",
                    remedy="share the surplus of a budget instead, or add candidate sites",
                )
            ]
        )
    return SolveError(
        [
            Fault(
                what=f"no plan was found for {who} alone before the solve stopped",
                remedy="allow more time",
            )
        ]
    )


def _plan_in_hand(alliance: Alliance, joint: Decision, ask: _Ask) -> CoalitionPlan:
    """Return the joint plan as the grand coalition's: what is split is a fact."""
    evaluation = evaluate(alliance.instance, joint)
    sign = 1.0 if ask.kind is GameKind.SURPLUS else -1.0
    value = sign * ask.valuation.value_cny(evaluation)
    return CoalitionPlan(
        coalition=alliance.grand,
        tier_of_site=joint.tier_of_site,
        served_kwh_per_day=evaluation.served_kwh_per_day.sum(axis=0),
        cost_cny=evaluation.cost_cny,
        value_cny=value,
        lower_cny=value,
        upper_cny=value,
        status=SolveStatus.FEASIBLE,
        cpu_s=0.0,
    )


def _known_plans(
    alliance: Alliance,
    joint: Decision,
    ask: _Ask,
    plans: Mapping[int, CoalitionPlan],
    coalition: int,
) -> tuple[IntArray, ...]:
    """Return plans that a coalition can start from.

    The plans of its two parts that are best together, put together; and, in the game of surpluses,
    the best plan of any part, which the coalition can carry out as it is; in the game of costs,
    the joint plan, which serves everybody but may lean on outsiders' stations.
    """
    parts = [s for s in plans if s & coalition == s and s != coalition]
    pairs = [(first, coalition & ~first) for first in sorted(parts) if first < coalition & ~first]
    sign = 1.0 if ask.kind is GameKind.SURPLUS else -1.0
    starts = []
    if pairs:
        first, second = max(pairs, key=lambda p: sign * sum(plans[s].value_cny for s in p))
        starts.append(
            _put_together(alliance.instance, plans[first].tier_of_site, plans[second].tier_of_site)
        )
    if ask.kind is GameKind.COST:
        starts.append(joint.tier_of_site)
    elif parts:
        starts.append(plans[max(parts, key=lambda s: plans[s].value_cny)].tier_of_site)
    return tuple(starts)


def _put_together(instance: SitingInstance, first: IntArray, second: IntArray) -> IntArray:
    """Return the sites of both plans, with the larger tier where both open one."""
    site = np.arange(instance.n_site)
    capacity = instance.tier_capacity_kwh_per_day
    larger = capacity[site, np.maximum(second, 0)] > capacity[site, np.maximum(first, 0)]
    second_wins = (second != CLOSED) & ((first == CLOSED) | larger)
    return np.where(second_wins, second, first).astype(np.int32)


def _bounded_by_supersets(plan: CoalitionPlan, plans: Iterable[CoalitionPlan]) -> CoalitionPlan:
    """Lower a surplus's bound to the least bound of the coalitions that hold this one.

    The grand coalition is left out: its bounds are those of the joint plan in hand, not of the
    best that all could do.
    """
    *others, grand = plans
    if plan.coalition == grand.coalition:
        return plan
    least = min(
        other.upper_cny for other in others if plan.coalition & other.coalition == plan.coalition
    )
    return replace(plan, upper_cny=max(plan.value_cny, least))


def list_members(coalition: int) -> list[int]:
    """Return the brands' indices in a coalition's bitmask, in order."""
    return [b for b in range(coalition.bit_length()) if coalition >> b & 1]


def _by_size(n_brand: int) -> list[list[int]]:
    """Return all coalitions, the smallest first."""
    sizes: list[list[int]] = [[] for _ in range(n_brand)]
    for coalition in range(1, 1 << n_brand):
        sizes[coalition.bit_count() - 1].append(coalition)
    return sizes
