"""The two games of the joint investment, solved coalition by coalition.

- **target game**: c(S) is the least cost that gives each brand in S the service that the joint plan
  gives it;
- **budget game**: v(S) is the most that S can gain with its members' budgets: the worth of the
  service, less its cost.

What is split is a fact, the joint plan in hand; every other coalition's value comes with its bound.
A coalition is solved once all of its parts are, and starts from their plans. What it faces has a
fingerprint, under which its plan is kept: a run that was killed goes on where it stopped, and a
changed question solves only the coalitions that it touches.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from multiprocessing import active_children, get_context
from typing import TYPE_CHECKING, Protocol

import numpy as np

from siting import __version__
from siting.alliance.coalitions import Alliance, build_coalition_instance, list_members
from siting.alliance.game import Game, GameKind
from siting.domain import FloatArray, IntArray, SolveStatus
from siting.errors import Fault, InfeasibleError, SolveError
from siting.instance import CLOSED, SitingInstance, evaluate
from siting.optimise.assignment import assign_drivers
from siting.optimise.formulation import build_columns
from siting.optimise.limits import StopReason
from siting.optimise.value import LEAST_COST, Valuation, solve_for_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from siting.instance import Decision
    from siting.optimise.result import SolveOptions

# A floor asks for this much less than the joint plan serves: the solver's own tolerance.
FLOOR_SLACK = 1e-7


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
        Processor time that the solve took; 0 where the plan was known.
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


class PlanStore(Protocol):
    """Where finished coalitions are kept by fingerprint: a dict will do, or a folder."""

    def get(self, key: str, /) -> CoalitionPlan | None:
        """Return the plan that is kept under a fingerprint, if there is one."""

    def __setitem__(self, key: str, plan: CoalitionPlan, /) -> None:
        """Keep a plan."""


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

    def plan_of(self, coalition: int) -> CoalitionPlan:
        """Return a coalition's plan."""
        return self.plans[coalition - 1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ask:
    """What every coalition is asked for in one game.

    Attributes
    ----------
    kind
        Whether costs or surpluses are compared.
    valuation
        What counts.
    floor_by_brand
        (n_brand,) service that each brand must get; None for no floors.
    """

    kind: GameKind
    valuation: Valuation
    floor_by_brand: FloatArray | None


def ask_for_target(alliance: Alliance, joint: Decision) -> Ask:
    """Ask for what the joint plan gives each brand, at least cost."""
    wanted = alliance.instance.demand_kwh_per_day.sum(axis=0)
    served = evaluate(alliance.instance, joint).served_kwh_per_day.sum(axis=0)
    floor = np.divide(served, wanted, out=np.zeros_like(served), where=wanted > 0)
    return Ask(
        kind=GameKind.COST,
        valuation=LEAST_COST,
        floor_by_brand=np.clip(floor * (1 - FLOOR_SLACK), 0.0, 1.0),
    )


def ask_for_gain(valuation: Valuation) -> Ask:
    """Ask for the most that a budget can gain."""
    return Ask(kind=GameKind.SURPLUS, valuation=valuation, floor_by_brand=None)


def solve_game(
    alliance: Alliance,
    joint: Decision,
    ask: Ask,
    *,
    options: SolveOptions,
    store: PlanStore | None = None,
    on_solved: Callable[[CoalitionPlan], None] | None = None,
    n_worker: int = 1,
) -> SolvedGame:
    """Solve what every coalition can do on its own.

    In the game of surpluses the joint budget is a ceiling for each coalition too: else a part
    could spend what the whole, as asked, may not. A superset can carry out any subset's plan, so
    there a coalition's bound is at most that of the coalitions that hold it.

    Parameters
    ----------
    alliance, joint
        The joint instance with what belongs to whom, and the plan that is built.
    ask
        Which game.
    options
        How hard to look, for each coalition; each has one thread.
    store
        Plans found before, by fingerprint; they are not solved again, and new ones are added.
    on_solved
        Told of every plan as it comes; those that were known cost no time.
    n_worker
        Processes to solve in. The answer does not depend on it.

    Raises
    ------
    InfeasibleError
        If a coalition cannot reach the service alone, whatever it spends.
    SolveError
        If a limit came before any plan.
    KeyboardInterrupt
        On Ctrl-C; what was finished by then is in the store.
    """
    kept: PlanStore = {} if store is None else store
    one_thread = replace(options, n_threads=1)
    plans: dict[int, CoalitionPlan] = {}
    waiting = sorted(range(1, alliance.grand), key=lambda s: (s.bit_count(), s))
    running: dict[Future[CoalitionPlan], str] = {}

    def finish(plan: CoalitionPlan) -> None:
        plans[plan.coalition] = plan
        if on_solved is not None:
            on_solved(plan)

    with _solving(n_worker) as submit:
        while waiting or running:
            for coalition in [s for s in waiting if all(part in plans for part in _parts(s))]:
                if len(running) == n_worker:  # what is finished is kept before more begins
                    break
                waiting.remove(coalition)
                instance = _pose(alliance, coalition, ask)
                key = compute_fingerprint(instance, ask.kind, ask.valuation, one_thread)
                known = kept.get(key)
                if known is not None:
                    finish(replace(known, coalition=coalition, cpu_s=0.0))
                    continue
                starts = _known_plans(alliance, joint, ask, plans, coalition)
                task = _Task(instance, coalition, ask, one_thread, starts, alliance.instance.brands)
                running[submit(task)] = key
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                plan = future.result()
                kept[running.pop(future)] = plan
                finish(plan)
    if ask.kind is GameKind.COST:
        _take_from_larger(alliance, ask, plans)
    plans[alliance.grand] = _plan_in_hand(alliance, joint, ask)
    return _as_game(alliance, ask, tuple(plans[s] for s in range(1, alliance.grand + 1)))


def leave_out(solved: SolvedGame, leavers: Iterable[int]) -> SolvedGame:
    """Return the game among those who stay: no solve, their coalitions' plans are known.

    The leavers' drivers stay in the city, so the claims on third parties' stations are unchanged.
    What is split then is the plan that those who stay have in hand.

    Parameters
    ----------
    solved
        The game of all.
    leavers
        Indices of the players who leave; somebody must stay.
    """
    gone = set(leavers)
    stay = [k for k in range(solved.game.n_player) if k not in gone]
    if not stay:
        raise ValueError("somebody must stay")
    old = [sum(1 << stay[k] for k in list_members(s)) for s in range(1, 1 << len(stay))]
    plans = tuple(
        replace(solved.plan_of(s), coalition=number) for number, s in enumerate(old, start=1)
    )
    index = [0, *old]
    game = solved.game
    lower, upper = game.lower_cny[index], game.upper_cny[index]
    lower[-1] = upper[-1] = game.value_cny[index[-1]]
    return SolvedGame(
        game=Game(
            players=tuple(game.players[k] for k in stay),
            kind=game.kind,
            value_cny=game.value_cny[index],
            lower_cny=lower,
            upper_cny=upper,
        ),
        plans=plans,
    )


def compute_fingerprint(instance: SitingInstance, *asked: object) -> str:
    """Return the SHA-256 of an instance, of what is asked of it, and of siting's version.

    Parameters
    ----------
    instance
        What is solved.
    asked
        Values whose ``repr`` says all there is to them, such as options.
    """
    digest = hashlib.sha256()
    _feed(digest.update, instance)
    _feed(digest.update, instance.requirements)
    digest.update(repr((__version__, asked)).encode())
    return digest.hexdigest()


def _feed(update: Callable[[bytes], None], record: object) -> None:
    for field in fields(record):  # type: ignore[arg-type]  # a dataclass
        value = getattr(record, field.name)
        update(field.name.encode())
        if isinstance(value, np.ndarray):
            update(f"{value.dtype}{value.shape}".encode())
            update(np.ascontiguousarray(value).tobytes())
        elif field.name != "requirements":
            update(repr(value).encode())


def _parts(coalition: int) -> list[int]:
    """Return the coalitions with one member less."""
    return [coalition & ~(1 << b) for b in list_members(coalition) if coalition & ~(1 << b)]


@dataclass(frozen=True, eq=False)
class _Task:
    """One coalition to solve, as it travels to a process."""

    instance: SitingInstance
    coalition: int
    ask: Ask
    options: SolveOptions
    starts: tuple[IntArray, ...]
    brands: tuple[str, ...]


def _solve_here(task: _Task) -> Future[CoalitionPlan]:
    future: Future[CoalitionPlan] = Future()
    future.set_result(_solve_coalition(task))
    return future


@contextmanager
def _solving(n_worker: int) -> Iterator[Callable[[_Task], Future[CoalitionPlan]]]:
    """Give somebody who solves; an error or Ctrl-C ends the processes that are still at work."""
    if n_worker == 1:
        yield _solve_here
        return
    others = set(active_children())
    # Forking a process in which a solver's threads run can hang; a fresh one cannot.
    pool = ProcessPoolExecutor(n_worker, mp_context=get_context("spawn"))
    try:
        yield lambda task: pool.submit(_solve_coalition, task)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown()


def _pose(alliance: Alliance, coalition: int, ask: Ask) -> SitingInstance:
    """Return what a coalition is asked in this game."""
    ceiling = alliance.instance.requirements.budget_cny
    brings_cny = float(alliance.budget_cny[list_members(coalition)].sum())
    return build_coalition_instance(
        alliance,
        coalition,
        budget_cny=np.inf if ask.kind is GameKind.COST else min(brings_cny, ceiling),
        floor_by_brand=ask.floor_by_brand,
    )


def _solve_coalition(task: _Task) -> CoalitionPlan:
    instance, ask, starts = task.instance, task.ask, task.starts
    if ask.kind is GameKind.COST:
        # Where money is no object, building everything is the plan that is most sure to do.
        columns = build_columns(instance)
        starts = (*starts, columns.tier_of_site(np.arange(columns.n_column)))
    result = solve_for_value(instance, valuation=ask.valuation, options=task.options, starts=starts)
    if result.stopped is StopReason.INTERRUPTED:
        raise KeyboardInterrupt
    if result.decision is None:
        raise _no_plan(instance.brands, result.status)
    evaluation = evaluate(instance, result.decision)
    served = np.zeros(len(task.brands))
    served[list_members(task.coalition)] = evaluation.served_kwh_per_day.sum(axis=0)
    sign = 1.0 if ask.kind is GameKind.SURPLUS else -1.0
    in_hand, best = sign * result.value_cny, sign * result.bound_cny
    return CoalitionPlan(
        coalition=task.coalition,
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


def _plan_in_hand(alliance: Alliance, joint: Decision, ask: Ask) -> CoalitionPlan:
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
    ask: Ask,
    plans: Mapping[int, CoalitionPlan],
    coalition: int,
) -> tuple[IntArray, ...]:
    """Return plans that a coalition can start from; they depend on its parts alone.

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
        best = max(sorted(parts), key=lambda s: plans[s].value_cny)
        starts.append(plans[best].tier_of_site)
    return tuple(starts)


def _take_from_larger(alliance: Alliance, ask: Ask, plans: dict[int, CoalitionPlan]) -> None:
    """Give a coalition the sites of a larger one that are cheaper, if they keep its floors.

    They need not: the larger coalition has its other members' stations, too.
    """
    for coalition in sorted(plans, key=lambda s: (-s.bit_count(), s)):
        larger = [plan for s, plan in plans.items() if s & coalition == coalition]
        instance = _pose(alliance, coalition, ask)
        for other in sorted(larger, key=lambda plan: (plan.cost_cny, plan.coalition)):
            mine = plans[coalition]
            if other.cost_cny >= mine.cost_cny:
                break
            decision = assign_drivers(instance, other.tier_of_site)
            if decision is None or not evaluate(instance, decision).feasible:
                continue
            served = np.zeros_like(mine.served_kwh_per_day)
            members = list_members(coalition)
            served[members] = evaluate(instance, decision).served_kwh_per_day.sum(axis=0)
            plans[coalition] = replace(
                mine,
                tier_of_site=decision.tier_of_site,
                served_kwh_per_day=served,
                cost_cny=other.cost_cny,
                value_cny=other.cost_cny,
                lower_cny=min(mine.lower_cny, other.cost_cny),
                upper_cny=other.cost_cny,
            )
            break


def _put_together(instance: SitingInstance, first: IntArray, second: IntArray) -> IntArray:
    """Return the sites of both plans, with the larger tier where both open one."""
    site = np.arange(instance.n_site)
    capacity = instance.tier_capacity_kwh_per_day
    larger = capacity[site, np.maximum(second, 0)] > capacity[site, np.maximum(first, 0)]
    second_wins = (second != CLOSED) & ((first == CLOSED) | larger)
    return np.where(second_wins, second, first).astype(np.int32)


def _as_game(alliance: Alliance, ask: Ask, plans: tuple[CoalitionPlan, ...]) -> SolvedGame:
    if ask.kind is GameKind.SURPLUS:
        plans = tuple(_bounded_by_supersets(plan, plans) for plan in plans)
    game = Game(
        players=alliance.instance.brands,
        kind=ask.kind,
        value_cny=np.array([0.0, *(plan.value_cny for plan in plans)]),
        lower_cny=np.array([0.0, *(plan.lower_cny for plan in plans)]),
        upper_cny=np.array([0.0, *(plan.upper_cny for plan in plans)]),
    )
    return SolvedGame(game=game, plans=plans)


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
