"""Why nothing is possible: the smallest set of the study's own requirements that conflict.

A deletion filter: every requirement is relaxed in turn; if the rest still allows no plan, it had no
part in the conflict and stays relaxed. What is left is irreducible: give up any one of it, and a
plan exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Engine, SolveStatus
from siting.errors import Fault
from siting.optimise.result import SolveOptions
from siting.optimise.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from siting.instance import Requirements, SitingInstance

SECONDS_PER_CHECK = 20.0
# Any plan at all answers the question, so the search stops at the first.
ANY_PLAN = SolveOptions(gap=0.999, time_limit_s=SECONDS_PER_CHECK, engine=Engine.HIGHS)
CNY_PER_MILLION = 1e6


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


def find_conflict(instance: SitingInstance) -> tuple[Fault, ...]:
    """Return the requirements that conflict, one fault each; none if a plan exists.

    Parameters
    ----------
    instance
        An instance that no plan can meet.

    Returns
    -------
    tuple of Fault
        An irreducible set: without any one of them a plan exists. Where a check ended at its time
        limit the requirement is kept, so the set may then hold one too many.
    """
    if _has_plan(instance):
        return ()
    conflicting: list[NamedRequirement] = []
    for requirement in list_requirements(instance):
        relaxed = instance.replace(requirements=requirement.relax(instance.requirements))
        if _has_plan(relaxed):
            conflicting.append(requirement)
        else:
            instance = relaxed
    others = len(conflicting) - 1
    remedy = "relax it, or one of the others listed here" if others else "relax it"
    return tuple(
        Fault(file="study", column=requirement.key, what=requirement.words, remedy=remedy)
        for requirement in conflicting
    )


def list_requirements(instance: SitingInstance) -> Iterator[NamedRequirement]:
    """Yield every requirement that an instance makes, the least likely to conflict first."""
    yield from _place_requirements(instance.requirements, instance.n_site)
    yield from _choice_requirements(instance.requirements, instance.n_site)
    yield from _service_requirements(instance)


def _place_requirements(req: Requirements, n_site: int) -> Iterator[NamedRequirement]:
    """Yield what the ground and the grid ask."""
    if req.spacing_pairs.size:
        yield NamedRequirement(
            key="requirements.min_spacing_m",
            words="opened sites keep their spacing",
            relax=lambda r: r.replace(spacing_pairs=np.empty((0, 2), dtype=np.int32)),
        )
    if np.isfinite(req.site_grid_limit_kw).any():
        yield NamedRequirement(
            key="inputs.candidates: grid_limit_kw",
            words="no site takes more power than its grid gives",
            relax=lambda r: r.replace(site_grid_limit_kw=np.full(n_site, math.inf)),
        )
    if req.grid_group_limit_kw.size:
        yield NamedRequirement(
            key="requirements.grid_group_limit_kw",
            words="no substation group takes more power than its limit",
            relax=lambda r: r.replace(
                grid_group_limit_kw=np.full(r.grid_group_limit_kw.size, math.inf)
            ),
        )
    if req.district_min_sites.size:
        yield NamedRequirement(
            key="requirements.district_min_sites, district_max_sites",
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
            key="requirements.forbidden",
            words=f"{int(req.forbidden.sum())} sites are forbidden",
            relax=lambda r: r.replace(forbidden=np.zeros(n_site, dtype=bool)),
        )
    if req.max_sites is not None:
        yield NamedRequirement(
            key="requirements.max_sites",
            words=f"at most {req.max_sites} sites are opened",
            relax=lambda r: r.replace(max_sites=None),
        )
    if req.min_sites:
        yield NamedRequirement(
            key="requirements.min_sites",
            words=f"at least {req.min_sites} sites are opened",
            relax=lambda r: r.replace(min_sites=0),
        )
    if req.required.any():
        yield NamedRequirement(
            key="requirements.required",
            words=f"{int(req.required.sum())} sites are required",
            relax=lambda r: r.replace(required=np.zeros(n_site, dtype=bool)),
        )


def _service_requirements(instance: SitingInstance) -> Iterator[NamedRequirement]:
    """Yield the floors of the brands, and the budget."""
    req = instance.requirements
    for index in np.flatnonzero(req.floor_by_brand > 0):
        yield NamedRequirement(
            key=f"brands: {instance.brands[index]}.floor",
            words=f"{req.floor_by_brand[index]:.1%} of the demand of {instance.brands[index]} "
            "is served",
            relax=lambda r, index=index: r.replace(  # type: ignore[misc]
                floor_by_brand=np.where(np.arange(instance.n_brand) == index, 0, r.floor_by_brand)
            ),
        )
    if math.isfinite(req.budget_cny):
        yield NamedRequirement(
            key="requirements.budget_cny",
            words=f"the budget is {req.budget_cny / CNY_PER_MILLION:,.2f} million CNY",
            relax=lambda r: r.replace(budget_cny=math.inf),
        )


def _has_plan(instance: SitingInstance) -> bool:
    """Whether any plan meets the requirements; an open question counts as yes."""
    return solve(instance, options=ANY_PLAN).status is not SolveStatus.INFEASIBLE
