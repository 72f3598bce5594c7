"""What changed from one written plan to another: sites, service, proof, and what was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from siting.errors import Fault, InputError
from siting.outputs.files import render_csv
from siting.outputs.units import name_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from siting.outputs.written_plan import WrittenPlan

SAME_SERVICE = 1e-6
DEGREE_DIGITS = 6
"""Sites of one id are one site if they agree to this, about a tenth of a metre."""
MOST_SERVICE = "total"
SHAPING = ("energy", "visits", "access", "service", "accounts", "hour")
"""What of a study says how service is counted."""


class SiteChange(StrEnum):
    """What became of a site from the first plan to the second."""

    DROPPED = "dropped"
    ADDED = "added"
    LARGER = "larger"
    SMALLER = "smaller"
    SAME = "same"


@dataclass(frozen=True, kw_only=True)
class SitePair:
    """One site in both plans, as their manifests list it; none where it is not opened."""

    first: Mapping[str, Any] | None
    second: Mapping[str, Any] | None
    change: SiteChange

    @property
    def row(self) -> Mapping[str, Any]:
        """What is said of the site itself, in whichever plan has it."""
        found = self.second if self.second is not None else self.first
        return found or {}


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that the plans say differently; none where one of them does not say it."""

    name: str
    first: str | None
    second: str | None


@dataclass(frozen=True, kw_only=True)
class PlanComparison:
    """Two written plans, side by side.

    Attributes
    ----------
    first, second
        The plans.
    """

    first: WrittenPlan
    second: WrittenPlan

    @cached_property
    def sites(self) -> tuple[SitePair, ...]:
        """Every site opened in either plan: by change, then in the order of the lists."""
        first, second = ({_identify(row): row for row in p.manifest["sites"]} for p in self.plans)
        pairs = [
            SitePair(first=first.get(key), second=second.get(key), change=change)
            for key in {**first, **second}
            for change in [self._classify(first.get(key), second.get(key))]
        ]
        order = list(SiteChange)
        return tuple(sorted(pairs, key=lambda pair: order.index(pair.change)))

    @cached_property
    def moved(self) -> tuple[str, ...]:
        """Ids that stand for other places in the two plans, as ids of generated candidates may."""
        first, second = (
            {row["site_id"]: _identify(row) for row in plan.manifest["sites"]}
            for plan in self.plans
        )
        return tuple(sorted(i for i in first.keys() & second.keys() if first[i] != second[i]))

    @cached_property
    def inputs(self) -> tuple[Difference, ...]:
        """Input files that are not the same, by their SHA-256."""
        return tuple(_compare(*(plan.manifest["inputs_sha256"] for plan in self.plans)))

    @cached_property
    def study(self) -> tuple[Difference, ...]:
        """What was asked differently, by its place in the study file."""
        return tuple(_compare(*(dict(_flatten(plan.study)) for plan in self.plans)))

    @cached_property
    def same_measure(self) -> bool:
        """Whether both plans count service alike, so that one's bound says something of the other.

        That needs the same inputs, demand and promise, and that both seek the most service;
        budgets, rules and candidates may differ.
        """
        seek_most = all(plan.study["objective"] == MOST_SERVICE for plan in self.plans)
        return seek_most and not self.inputs and _measure(self.first) == _measure(self.second)

    @cached_property
    def proven_better(self) -> WrittenPlan | None:
        """The plan that no plan under the other's rules can reach; none if that is not proven."""
        if not self.same_measure:
            return None
        for one, other in (self.plans, self.plans[::-1]):
            objective = one.read(one.solve, "objective_kwh_per_day")
            if objective > other.read(other.solve, "bound_kwh_per_day") * (1 + SAME_SERVICE):
                return one
        return None

    @property
    def plans(self) -> tuple[WrittenPlan, WrittenPlan]:
        """Both plans."""
        return self.first, self.second

    def count(self, change: SiteChange) -> int:
        """Return how many sites changed in a way."""
        return sum(pair.change is change for pair in self.sites)

    def summary_lines(self) -> list[str]:
        """Return what changed, one fact a line."""
        counts = ", ".join(f"{self.count(change)} {change}" for change in SiteChange)
        shares = " → ".join(f"{plan.share('joint'):.1%}" for plan in self.plans)
        costs = " → ".join(f"{plan.manifest['cost_cny'] / 1e6:,.2f}" for plan in self.plans)
        lines = [f"sites      {counts}", f"served     {shares} for {costs} million CNY"]
        if self.inputs:
            lines.append(f"inputs     differ: {', '.join(d.name for d in self.inputs)}")
        return lines

    def _classify(
        self, first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
    ) -> SiteChange:
        if first is None:
            return SiteChange.ADDED
        if second is None:
            return SiteChange.DROPPED
        if first["tier"] == second["tier"]:
            return SiteChange.SAME
        before, after = (
            plan.read(row, "capacity_kwh_per_day")
            for plan, row in zip(self.plans, (first, second), strict=True)
        )
        return SiteChange.LARGER if after > before else SiteChange.SMALLER


def compare_plans(first: WrittenPlan, second: WrittenPlan) -> PlanComparison:
    """Put two plans side by side.

    Raises
    ------
    InputError
        If one sites charging stations and the other service centres.
    """
    if first.facility is not second.facility:
        what = f"sites a {second.facility.value}, and {first.folder} a {first.facility.value}"
        remedy = "compare plans of one kind"
        raise InputError([Fault(file=str(second.folder), what=what, remedy=remedy)])
    return PlanComparison(first=first, second=second)


def render_comparison_csv(comparison: PlanComparison) -> bytes:
    """Return the sites of both plans as CSV: what changed, and what each plan says of them."""
    facility = comparison.first.facility
    energy = name_unit("energy_kwh_per_day", facility)
    rows = [
        {
            "change": pair.change.value,
            **{k: pair.row[k] for k in ("site_id", "name", "district", "longitude", "latitude")},
            **{
                f"{which}_{column}": None if row is None else row[column]
                for which, row in (("first", pair.first), ("second", pair.second))
                for column in ("tier", "cost_cny", energy)
            },
        }
        for pair in comparison.sites
    ]
    return render_csv(pd.DataFrame(rows))


def _measure(plan: WrittenPlan) -> list[Any]:
    """Return all that decides what a kWh served counts for."""
    study = plan.study
    inputs = {key: value for key, value in study["inputs"].items() if key != "candidates"}
    wanted = [plan.read(row, "wanted_kwh_per_day") for row in plan.manifest["service_by_brand"]]
    return [inputs, wanted, list(plan.brands), *(study.get(key) for key in SHAPING)]


def _identify(row: Mapping[str, Any]) -> tuple[str, float, float]:
    longitude, latitude = (
        round(float(row[axis]), DEGREE_DIGITS) for axis in ("longitude", "latitude")
    )
    return str(row["site_id"]), longitude, latitude


def _compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Difference]:
    for name in sorted(first.keys() | second.keys()):
        if first.get(name) != second.get(name):
            yield Difference(name=name, first=first.get(name), second=second.get(name))


def _flatten(part: Any, name: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON
    """Yield every value of a study by its place, such as ``brands[aito].floor``, as JSON."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield from _flatten(value, f"{name}.{key}" if name else str(key))
    elif isinstance(part, list) and part and all(isinstance(item, dict) for item in part):
        for k, item in enumerate(part):
            yield from _flatten(item, f"{name}[{item.get('id', k)}]")
    else:
        whole = isinstance(part, float) and part.is_integer()
        yield name, json.dumps(int(part) if whole else part, ensure_ascii=False)
