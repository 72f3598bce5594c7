"""From a study and its case to the alliance: what belongs to whom, and what service is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.alliance.coalitions import THIRD_PARTY, Alliance
from siting.domain import Accounts, Facility
from siting.errors import Fault, StudyError
from siting.optimise.value import Valuation
from siting.study import AllianceGame, total_budget_cny

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from siting.case import SitingCase
    from siting.instance import SitingInstance
    from siting.study import Study

DAYS_PER_YEAR = 365


def build_alliance(case: SitingCase) -> Alliance:
    """Say what belongs to whom in a case.

    Raises
    ------
    StudyError
        If accounts are not unified, or a budget is missing that the game needs.
    """
    study = case.study
    faults = [
        Fault(
            file="study",
            column=f"brands[{index}].budget_cny",
            what=f"the budget of {brand.id} is missing",
            remedy="state what every brand can bring, or set `alliance.game: target`",
        )
        for index, brand in enumerate(study.brands)
        if brand.budget_cny is None and study.alliance.game is AllianceGame.BUDGET
    ]
    if study.accounts is not Accounts.UNIFIED:
        faults.append(
            Fault(
                file="study",
                column="accounts",
                value=study.accounts.value,
                what="a joint investment needs unified accounts",
                remedy="set `accounts: unified`",
            )
        )
    if faults:
        raise StudyError(faults)
    index = {brand: b for b, brand in enumerate(case.instance.brands)}
    owners = case.stations["owner_brand"]
    return Alliance(
        instance=case.instance,
        usable_alone=case.instance_today.usable,
        station_owner=np.array([index.get(owner, THIRD_PARTY) for owner in owners], dtype=np.int32),
        budget_cny=np.array([brand.budget_cny or 0.0 for brand in study.brands]),
    )


def build_valuation(study: Study) -> Valuation:
    """Return the worth of a kWh a day over the study's years, at today's value.

    w · 365 · Σ_{t=1..T} (1 + r)^-t  CNY per kWh a day, against the whole cost of the sites; the
    visits of service centres are counted by the year already.
    """
    asked = study.alliance
    units_per_year = DAYS_PER_YEAR if study.facility is Facility.CHARGING_STATION else 1.0
    years = np.arange(1, asked.years + 1)
    annuity = float(((1.0 + asked.discount_rate) ** -years.astype(np.float64)).sum())
    return Valuation(
        service_cny_per_kwh_per_day=asked.worth_cny_per_kwh * units_per_year * annuity,
        cost_weight=1.0,
    )


def change_alliance(study: Study, **changes: Any) -> Study:  # noqa: ANN401 - any key's value
    """Return a study whose joint investment is split in another way."""
    return study.model_copy(update={"alliance": study.alliance.model_copy(update=changes)})


def change_budgets(case: SitingCase, budget_cny: Mapping[str, float]) -> SitingCase:
    """Return a case in which some brands bring other budgets; nothing is read or measured anew.

    Raises
    ------
    StudyError
        If a brand does not exist, or an amount is negative or not a number.
    """
    require_brands(case.study, budget_cny)
    wrong = [
        Fault(
            file="study",
            column=f"brands: {brand}.budget_cny",
            value=f"{cny}",
            what="a budget is a finite amount, not below 0",
            remedy="correct the amount (CNY)",
        )
        for brand, cny in budget_cny.items()
        if not 0 <= cny < np.inf
    ]
    if wrong:
        raise StudyError(wrong)
    brands = [
        brand.model_copy(update={"budget_cny": budget_cny.get(brand.id, brand.budget_cny)})
        for brand in case.study.brands
    ]
    study = case.study.model_copy(update={"brands": brands})
    budget = total_budget_cny(study)
    return replace(
        case,
        study=study,
        instance=_with_budget(case.instance, budget),
        instance_today=_with_budget(case.instance_today, budget),
    )


def _with_budget(instance: SitingInstance, budget_cny: float) -> SitingInstance:
    return instance.replace(requirements=instance.requirements.replace(budget_cny=budget_cny))


def parse_budgets(texts: Iterable[str]) -> dict[str, float]:
    """Return budgets by brand from texts such as ``aito=70e6``.

    Raises
    ------
    StudyError
        With every text that is not of this form.
    """
    budgets, faults = {}, []
    for text in texts:
        brand, _, amount = text.partition("=")
        try:
            budgets[brand] = float(amount)
        except ValueError:
            faults.append(
                Fault(
                    column="--budget",
                    value=text,
                    what="is not of the form BRAND=CNY",
                    remedy="write it as aito=70e6",
                )
            )
    if faults:
        raise StudyError(faults)
    return budgets


def require_brands(study: Study, named: Iterable[str]) -> None:
    """Refuse names of brands that the study does not have.

    Raises
    ------
    StudyError
        With every name that is unknown.
    """
    known = [brand.id for brand in study.brands]
    faults = [
        Fault(
            file="study",
            column="brands",
            value=name,
            what="no brand has this id",
            remedy=f"name one of {', '.join(known)}",
        )
        for name in named
        if name not in known
    ]
    if faults:
        raise StudyError(faults)


def require_movers(study: Study, *, joined: Sequence[str] = (), left: Sequence[str] = ()) -> None:
    """Refuse brands that are unknown or go both ways, and an alliance that nobody is in.

    Raises
    ------
    StudyError
        With every brand that is wrong.
    """
    require_brands(study, [*joined, *left])
    faults = [
        Fault(
            column="--joins",
            value=brand,
            what="is to join and to leave",
            remedy="name it once",
        )
        for brand in joined
        if brand in left
    ]
    known = {brand.id for brand in study.brands}
    for column, movers in (("--joins", joined), ("--without", left)):
        if known <= set(movers):
            what, remedy = "leaves nobody in the alliance", "let one brand at least be in it"
            faults.append(Fault(column=column, value=", ".join(movers), what=what, remedy=remedy))
    if faults:
        raise StudyError(faults)
