"""What cannot be read about a location problem, and which mixes make no sense."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import LocationModel
from siting.errors import Fault

if TYPE_CHECKING:
    from siting.domain import IntArray, LongArray
    from siting.optimise.location_problem import LocationProblem


def find_faults(problem: LocationProblem) -> list[Fault]:
    """Return everything about a problem that cannot be read or makes no sense."""
    faults = _find_shape_faults(problem)
    if faults:
        return faults
    return _find_number_faults(problem) + _find_mix_faults(problem)


def _find_shape_faults(problem: LocationProblem) -> list[Fault]:
    shapes = {
        "cover_start": (problem.n_demand + 1,),
        "cover_supply": (problem.n_pair,),
        "cover_worth": (problem.n_pair,),
        "cover_distance": (problem.n_pair,),
        "required": (problem.n_site,),
        "forbidden": (problem.n_site,),
        "supply_capacity": (problem.n_supply,),
        "spacing_pairs": (len(problem.spacing_pairs), 2),
    }
    arrays = [(name, getattr(problem, name), shape) for name, shape in shapes.items()] + [
        (f"rules[{k}].coefficient", rule.coefficient, (problem.n_site,))
        for k, rule in enumerate(problem.rules)
    ]
    faults = [
        Fault(
            column=name,
            value=str(array.shape),
            what="the array's shape does not fit the others",
            remedy=f"give it the shape {shape}",
        )
        for name, array, shape in arrays
        if array is not None and array.shape != shape
    ]
    if faults:
        return faults
    start, supply = problem.cover_start, problem.cover_supply
    if start[0] != 0 or start[-1] != problem.n_pair or (np.diff(start) < 0).any():
        faults.append(
            Fault(
                column="cover_start",
                what="the row starts do not run from 0 to the number of pairs",
                remedy="give the cumulative counts of pairs by demand point",
            )
        )
    elif supply.size and not 0 <= supply.min() <= supply.max() < problem.n_supply:
        faults.append(
            Fault(
                column="cover_supply",
                what="a pair points outside the supply",
                remedy=f"use indices from 0 to {problem.n_supply - 1}",
            )
        )
    elif _has_repeats(start, supply):
        faults.append(
            Fault(
                column="cover_supply",
                what="a demand point holds the same site twice",
                remedy="keep the better of the two pairs",
            )
        )
    if problem.spacing_pairs.size and not (
        problem.spacing_pairs.min() >= 0 and problem.spacing_pairs.max() < problem.n_site
    ):
        faults.append(
            Fault(
                column="spacing_pairs",
                what="a pair points outside the sites",
                remedy=f"use indices from 0 to {problem.n_site - 1}",
            )
        )
    return faults


def _has_repeats(start: LongArray, supply: IntArray) -> bool:
    """Return whether any row holds an index twice; quick where rows are ascending."""
    inside = np.ones(max(0, supply.size - 1), dtype=bool)
    ends = start[1:-1]
    inside[ends[(ends > 0) & (ends < supply.size)] - 1] = False
    if (np.diff(supply)[inside] > 0).all():
        return False
    row = np.repeat(np.arange(start.size - 1), np.diff(start))
    order = np.lexsort((supply, row))
    row, supply = row[order], supply[order]
    return bool(((np.diff(row) == 0) & (np.diff(supply) == 0)).any())


def _find_number_faults(problem: LocationProblem) -> list[Fault]:
    fields = {
        "demand_weight": problem.demand_weight,
        "cover_worth": problem.cover_worth,
        "cover_distance": problem.cover_distance,
        "site_cost": problem.site_cost,
    }
    faults = [
        Fault(
            column=name,
            what="holds negative, infinite or missing numbers",
            remedy="give finite numbers from 0 up",
        )
        for name, array in fields.items()
        if array is not None and not (np.isfinite(array).all() and (array >= 0).all())
    ]
    capacity = problem.supply_capacity
    if capacity is not None and not (capacity >= 0).all():
        faults.append(
            Fault(
                column="supply_capacity",
                what="holds negative or missing numbers",
                remedy="give numbers from 0 up; infinite means no limit",
            )
        )
    if not problem.budget >= 0:
        faults.append(
            Fault(
                column="budget",
                value=str(problem.budget),
                what="the budget is no amount",
                remedy="give a number from 0 up, or infinity for no limit",
            )
        )
    counts = (
        ("min_sites", problem.min_sites, 0),
        ("max_sites", problem.max_sites, 0),
        ("n_stations", problem.n_stations, 0),
        ("covers_needed", problem.covers_needed, 1),
    )
    faults += [
        Fault(
            column=name,
            value=str(value),
            what="the number is too small",
            remedy=f"give at least {least}",
        )
        for name, value, least in counts
        if value is not None and value < least
    ]
    faults += [
        Fault(
            column=rule.name,
            what="a rule holds missing numbers",
            remedy="give finite coefficients and sides that are numbers",
        )
        for rule in problem.rules
        if not np.isfinite(rule.coefficient).all()
        or math.isnan(rule.lower)
        or math.isnan(rule.upper)
    ]
    if problem.first_share is not None and not 0 < problem.first_share <= 1:
        faults.append(
            Fault(
                column="first_share",
                value=str(problem.first_share),
                what="the share is outside (0, 1]",
                remedy="give a share, or leave it out to make the first cover a must",
            )
        )
    return faults


def _find_mix_faults(problem: LocationProblem) -> list[Fault]:
    model = problem.model
    capacitated = problem.supply_capacity is not None
    nonsense = (
        (
            model.uses_distance and problem.cover_distance is None,
            "cover_distance",
            f"{model} needs the distance of each pair",
            "give cover_distance",
        ),
        (
            model.uses_distance and problem.cover_worth is not None,
            "cover_worth",
            f"{model} goes by distance, not by worth",
            "leave cover_worth out, or ask for mclp",
        ),
        (
            not model.uses_distance and problem.cover_distance is not None,
            "cover_distance",
            f"{model} goes by what covers what, not by distance",
            "cut the pairs off at the distance that counts as covered and leave cover_distance out",
        ),
        (
            model in {LocationModel.LSCP, LocationModel.BACKUP}
            and problem.cover_worth is not None
            and bool((problem.cover_worth != 1).any()),
            "cover_worth",
            f"{model} counts a demand point as covered or not; a partial worth has no meaning",
            "leave cover_worth out, or ask for mclp",
        ),
        (
            capacitated and model not in {LocationModel.P_MEDIAN, LocationModel.CFLP},
            "supply_capacity",
            f"{model} knows no capacity",
            "use the capacitated model with tiers for coverage, or p_median or cflp",
        ),
        (
            problem.single_source and not capacitated,
            "single_source",
            "without capacity every demand point has a single source anyway",
            "leave single_source out, or give supply_capacity",
        ),
        (
            problem.covers_needed != 1 and model is not LocationModel.LSCP,
            "covers_needed",
            f"{model} does not ask for several covers",
            "ask for lscp or backup_coverage",
        ),
        (
            problem.first_share is not None and model is not LocationModel.BACKUP,
            "first_share",
            f"{model} has no backup",
            "ask for backup_coverage",
        ),
        (
            model.maximises and problem.max_sites is None and math.isinf(problem.budget),
            "max_sites",
            f"{model} without a limit would open every site",
            "give max_sites or budget",
        ),
        (
            model in {LocationModel.P_MEDIAN, LocationModel.P_CENTER}
            and problem.max_sites is None
            and math.isinf(problem.budget),
            "max_sites",
            f"{model} without a limit would open every site",
            "give max_sites (p) or budget",
        ),
        (
            bool((problem.required & problem.forbidden).any()),
            "required",
            "a site is both required and forbidden",
            "drop it from one of the two",
        ),
        (
            problem.max_sites is not None and problem.min_sites > problem.max_sites,
            "min_sites",
            f"at least {problem.min_sites} and at most {problem.max_sites} sites cannot be both",
            "lower min_sites or raise max_sites",
        ),
    )
    return [
        Fault(column=column, what=what, remedy=remedy)
        for wrong, column, what, remedy in nonsense
        if wrong
    ]
