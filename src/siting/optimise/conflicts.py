"""Why nothing is possible: which of the study's own requirements conflict, and what to give up.

A deletion filter: every requirement is relaxed in turn; if the rest still allows no plan, it had no
part in the conflict and stays relaxed. What is left is irreducible: give up any one of it, and what
is left of the conflict is gone. A study may have a second one; it is found in the same way with the
first given up. Each requirement named is then changed by itself as little as will do (`elastic`).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import SolveStatus
from siting.errors import Fault
from siting.optimise.elastic import LINKS_FOR_PRICES, ElasticModel, Help, Requirement
from siting.optimise.formulation import build_model
from siting.optimise.least_cost import find_least_cost
from siting.optimise.limits import ROUNDING, Limits, Watch
from siting.optimise.mip import solve_mip
from siting.optimise.tier_problem import build_problem
from siting.optimise.tier_solver import N_ITERATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from siting.instance import Requirements, SitingInstance
    from siting.optimise.elastic import Relaxation

# All there is for the conflict and for what to change, by the clock, and the conflict's share.
TOTAL_S, CONFLICT_S, CHECK_S = 55.0, 30.0, 12.0
# Most descents by prices that a proof of there being no plan may take.
PROOF_DESCENTS = 8
# Any plan at all answers whether there is one, so the search stops at the first.
ANY_GAP = 0.999
CNY_PER_MILLION = 1e6


class _Clock:
    """Counts down one time for all the questions."""

    def __init__(self, seconds: float) -> None:
        self._ends_s = time.perf_counter() + seconds

    def share(self, most_s: float, *, among: int = 1) -> float:
        """Return the time that one of so many questions may take (s)."""
        left_s = max(0.0, self._ends_s - time.perf_counter())
        return min(most_s, left_s / max(1, among))


class _Answer(StrEnum):
    PLAN = "there is a plan"
    NO_PLAN = "there is none"
    OPEN = "not settled"


@dataclass(frozen=True, kw_only=True)
class _Conflict:
    """Requirements that exclude each other, and those of which that was not settled in time."""

    members: tuple[NamedRequirement, ...]
    unsure: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class NamedRequirement:
    """One requirement of a study, in the planner's words, and how to give it up.

    Attributes
    ----------
    key
        Where it stands in the study.
    words
        What it asks.
    relax
        Returns requirements that ask for it no longer.
    """

    key: str
    words: str
    relax: Callable[[Requirements], Requirements]


def find_conflict(instance: SitingInstance, *, time_limit_s: float = TOTAL_S) -> tuple[Fault, ...]:
    """Return the requirements that conflict, one fault each; none if a plan exists.

    Parameters
    ----------
    instance
        An instance that no plan can meet.
    time_limit_s
        When to stop, by the clock; what is not settled by then is said to be so.

    Returns
    -------
    tuple of Fault
        An irreducible set, or two where one given up leaves another. The remedy of each is its
        least change that makes the study possible with all else kept, or that there is none.
    """
    clock = _Clock(time_limit_s)
    named = tuple(list_requirements(instance))
    if _seek_plan(instance, clock.share(CHECK_S)) is _Answer.PLAN:
        return ()
    conflicts = [_filter(instance, named, _Clock(clock.share(CONFLICT_S)))]
    given_up = _give_up(instance, conflicts[0].members)
    if _seek_plan(given_up, clock.share(CHECK_S, among=2)) is _Answer.NO_PLAN:
        rest = tuple(r for r in named if r not in conflicts[0].members)
        conflicts.append(_filter(given_up, rest, _Clock(clock.share(CONFLICT_S, among=2))))
    elastic = ElasticModel(instance)
    members = [member for conflict in conflicts for member in conflict.members]
    changes = {}
    for number, member in enumerate(members):
        limit_s = clock.share(math.inf, among=len(members) + 1 - number)
        changes[member.key] = elastic.relax((member.key,), time_limit_s=limit_s)
    faults = [
        Fault(
            file="study",
            column=member.key,
            what=_describe(member, conflict, number, changes[member.key]),
            remedy=_advise(changes[member.key]),
        )
        for number, conflict in enumerate(conflicts)
        for member in conflict.members
    ]
    if members and not any(change.help is Help.ENOUGH for change in changes.values()):
        keys = tuple(member.key for member in members)
        mix = elastic.relax(keys, time_limit_s=clock.share(math.inf))
        if mix.help is Help.ENOUGH:
            what = "no one change was found that is enough by itself"
            faults.append(Fault(file="study", what=what, remedy=f"together: {mix.words}"))
    return tuple(faults)


def _describe(
    member: NamedRequirement, conflict: _Conflict, number: int, change: Relaxation
) -> str:
    second = "; this is a second conflict, apart from the first" if number else ""
    unsure = member.key in conflict.unsure and change.help is not Help.ENOUGH
    return member.words + second + ("; whether it plays a part was not settled" if unsure else "")


def _advise(change: Relaxation) -> str:
    if change.help is Help.ENOUGH:
        return f"{change.words}; this alone is enough"
    if change.help is Help.NONE:
        return "no change of this alone is enough"
    return f"relax it; how much is enough was not settled in time{change.words}"


def _give_up(instance: SitingInstance, requirements: Iterable[NamedRequirement]) -> SitingInstance:
    asked = instance.requirements
    for requirement in requirements:
        asked = requirement.relax(asked)
    return instance.replace(requirements=asked)


def _filter(
    instance: SitingInstance, named: tuple[NamedRequirement, ...], clock: _Clock
) -> _Conflict:
    """Return what is left when every requirement that can be spared is given up."""
    members: list[NamedRequirement] = []
    unsure: set[str] = set()
    for number, requirement in enumerate(named):
        relaxed = _give_up(instance, [requirement])
        answer = _seek_plan(relaxed, clock.share(CHECK_S, among=len(named) - number))
        if answer is _Answer.NO_PLAN:
            instance = relaxed
        else:
            members.append(requirement)
            if answer is _Answer.OPEN:
                unsure.add(requirement.key)
    # One that is left alone is a conflict by itself: with nothing asked there is a plan.
    return _Conflict(members=tuple(members), unsure=frozenset(unsure if len(members) > 1 else ()))


def list_requirements(instance: SitingInstance) -> Iterator[NamedRequirement]:
    """Yield every requirement that an instance makes, the least likely to conflict first."""
    yield from _place_requirements(instance.requirements, instance.n_site)
    yield from _choice_requirements(instance.requirements, instance.n_site)
    yield from _service_requirements(instance)


def _place_requirements(req: Requirements, n_site: int) -> Iterator[NamedRequirement]:
    """Yield what the ground and the grid ask."""
    if req.spacing_pairs.size:
        yield NamedRequirement(
            key=Requirement.SPACING.value,
            words="opened sites keep their spacing",
            relax=lambda r: r.replace(spacing_pairs=np.empty((0, 2), dtype=np.int32)),
        )
    if np.isfinite(req.site_grid_limit_kw).any():
        yield NamedRequirement(
            key=Requirement.SITE_GRID.value,
            words="no site takes more power than its grid gives",
            relax=lambda r: r.replace(site_grid_limit_kw=np.full(n_site, math.inf)),
        )
    if req.grid_group_limit_kw.size:
        yield NamedRequirement(
            key=Requirement.GRID_GROUP.value,
            words="no substation group takes more power than its limit",
            relax=lambda r: r.replace(
                grid_group_limit_kw=np.full(r.grid_group_limit_kw.size, math.inf)
            ),
        )
    if req.district_min_sites.size:
        yield NamedRequirement(
            key=Requirement.QUOTA.value,
            words="every district keeps its quota of sites",
            relax=lambda r: r.replace(
                district_min_sites=np.empty(0, dtype=np.int32),
                district_max_sites=np.empty(0, dtype=np.int32),
            ),
        )


def _choice_requirements(req: Requirements, n_site: int) -> Iterator[NamedRequirement]:
    """Yield which and how many sites are asked for."""
    if req.forbidden.any():
        yield NamedRequirement(
            key=Requirement.FORBIDDEN.value,
            words=f"{int(req.forbidden.sum())} sites are forbidden",
            relax=lambda r: r.replace(forbidden=np.zeros(n_site, dtype=bool)),
        )
    if req.max_sites is not None:
        yield NamedRequirement(
            key=Requirement.GREATEST_COUNT.value,
            words=f"at most {req.max_sites} sites are opened",
            relax=lambda r: r.replace(max_sites=None),
        )
    if req.min_sites:
        yield NamedRequirement(
            key=Requirement.LEAST_COUNT.value,
            words=f"at least {req.min_sites} sites are opened",
            relax=lambda r: r.replace(min_sites=0),
        )
    if req.required.any():
        yield NamedRequirement(
            key=Requirement.REQUIRED.value,
            words=f"{int(req.required.sum())} sites are required",
            relax=lambda r: r.replace(required=np.zeros(n_site, dtype=bool)),
        )


def _service_requirements(instance: SitingInstance) -> Iterator[NamedRequirement]:
    """Yield the floors of the brands, and the budget."""
    req = instance.requirements
    for index in np.flatnonzero(req.floor_by_brand > 0):
        yield NamedRequirement(
            key=Requirement.FLOOR.value.format(name=instance.brands[index]),
            words=f"{req.floor_by_brand[index]:.1%} of the demand of {instance.brands[index]} "
            "is served",
            relax=lambda r, index=index: r.replace(  # type: ignore[misc]
                floor_by_brand=np.where(np.arange(instance.n_brand) == index, 0, r.floor_by_brand)
            ),
        )
    if math.isfinite(req.budget_cny):
        yield NamedRequirement(
            key=Requirement.BUDGET.value,
            words=f"the budget is {req.budget_cny / CNY_PER_MILLION:,.2f} million CNY",
            relax=lambda r: r.replace(budget_cny=math.inf),
        )


def _seek_plan(instance: SitingInstance, time_limit_s: float) -> _Answer:
    """Return whether any plan meets the requirements: by prices where there are many links."""
    watch = Watch(Limits(gap=ANY_GAP, time_limit_s=time_limit_s))
    problem = build_problem(instance, service_weight=0.0, cost_weight=1.0)
    links = problem.links
    in_reach_kwh = links.brand_share.T @ links.row_kwh_per_day
    if (problem.floor_kwh > in_reach_kwh[problem.floor_brand] * (1.0 + ROUNDING)).any():
        return _Answer.NO_PLAN
    if links.n_link > LINKS_FOR_PRICES and problem.floor_kwh.size:
        work = PROOF_DESCENTS * N_ITERATION * links.n_link * 1e-6
        limits = Limits(gap=ANY_GAP, time_limit_s=time_limit_s / 2, work_limit=work)
        cheap = find_least_cost(problem, Watch(limits))
        if math.isinf(cheap.least_cny):
            return _Answer.NO_PLAN
        if cheap.plan is not None:
            return _Answer.PLAN
    model = build_model(instance, links, problem.columns, problem.rows)
    found = solve_mip(model, watch)
    if found.status is SolveStatus.INFEASIBLE:
        return _Answer.NO_PLAN
    return _Answer.OPEN if found.values is None else _Answer.PLAN
