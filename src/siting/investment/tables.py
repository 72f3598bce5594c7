"""The tables of a joint investment: coalitions, shares, ledger, and alone against together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.alliance.ledger import compute_reach, sum_by_district
from siting.domain import FEN_PER_CNY, FloatArray
from siting.instance import CLOSED, evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from siting.alliance.rules import Split
    from siting.instance import Decision, Evaluation, SitingInstance
    from siting.investment.joint import JointInvestment


@dataclass(frozen=True, kw_only=True, eq=False)
class BrandState:
    """What drivers of every brand find in one state of the world.

    Attributes
    ----------
    served_kwh_per_day
        (n_demand, n_brand) energy served.
    reach_share, nearest_min
        (n_brand,) share of demand with a usable charger within the cutoff, and the mean drive to
        the nearest one (minutes).
    """

    served_kwh_per_day: FloatArray
    reach_share: FloatArray
    nearest_min: FloatArray


def compute_coalitions(investment: JointInvestment) -> pd.DataFrame:
    """Return every coalition's value with its bounds, one a row, the smallest first.

    Returns
    -------
    DataFrame
        ``coalition`` (ids joined by +), ``n_members``, ``value_cny``, ``lower_cny``, ``upper_cny``,
        ``gap``, ``status``, ``n_sites``, ``cost_cny``, ``served_kwh_per_day``. The last row is the
        joint plan, which is a fact: its interval is a point, its status that of its own solve.
    """
    solved, game = investment.solved, investment.solved.game
    order = sorted(range(1, game.grand + 1), key=lambda s: (s.bit_count(), s))
    rows = []
    for s in order:
        plan, value = solved.plan_of(s), float(game.value_cny[s])
        width = float(game.upper_cny[s] - game.lower_cny[s])
        status = plan.status if s != game.grand else investment.plan.solve.status
        rows.append(
            {
                "coalition": "+".join(game.names(s)),
                "n_members": s.bit_count(),
                "value_cny": value,
                "lower_cny": game.lower_cny[s],
                "upper_cny": game.upper_cny[s],
                "gap_share": width / abs(value) if value else 0.0,
                "status": status.value,
                "n_sites": int((plan.tier_of_site != CLOSED).sum()),
                "cost_cny": plan.cost_cny,
                "served_kwh_per_day": float(plan.served_kwh_per_day.sum()),
            }
        )
    return pd.DataFrame(rows)


def compute_shares(splits: Sequence[Split], brands: Sequence[str]) -> pd.DataFrame:
    """Return bill and gain of every brand by every rule, with bounds.

    Returns
    -------
    DataFrame
        ``rule``, ``brand``, ``pays_cny`` (exact to the fen), ``pays_least_cny``,
        ``pays_most_cny``, ``gain_cny`` (over going alone), ``gain_least_cny``, ``gain_most_cny``,
        ``nobody_objects``.
    """
    return pd.DataFrame(
        [
            {
                "rule": split.rule.value,
                "brand": brand,
                "pays_cny": split.pays_cny[b],
                "pays_least_cny": split.pays_interval.lower_cny[b],
                "pays_most_cny": split.pays_interval.upper_cny[b],
                "gain_cny": split.gain_cny[b],
                "gain_least_cny": split.gain_interval.lower_cny[b],
                "gain_most_cny": split.gain_interval.upper_cny[b],
                "nobody_objects": split.in_core,
            }
            for split in splits
            for b, brand in enumerate(brands)
        ]
    )


def compute_ledger_lines(investment: JointInvestment) -> pd.DataFrame:
    """Return the ledger by brand and by site, exact to the fen.

    At every site each brand pays for the energy that its drivers charge there; the settlement is
    what the rule asks beyond that, and sums to zero over the brands.

    Returns
    -------
    DataFrame
        ``brand``, ``line`` (site, settlement, bill), ``site_id``, ``energy_kwh_per_day``,
        ``pays_cny``. Of a brand the sites and the settlement sum to the bill; of a site the brands
        sum to its cost.
    """
    sites, by_site = investment.plan.sites, investment.site_bills_fen
    bill = investment.split.pays_fen
    settlement = bill - by_site.sum(axis=0)
    lines: list[dict[str, object]] = []
    for b, brand in enumerate(investment.brands):
        energy = sites[f"energy_{brand}_kwh_per_day"]
        lines += [
            _line(brand, "site", site_id, kwh, fen)
            for site_id, kwh, fen in zip(sites["site_id"], energy, by_site[:, b], strict=True)
        ]
        lines.append(_line(brand, "settlement", "", np.nan, settlement[b]))
        lines.append(_line(brand, "bill", "", float(energy.sum()), bill[b]))
    return pd.DataFrame(lines)


def _line(brand: str, line: str, site_id: str, kwh: float, fen: int) -> dict[str, object]:
    return {
        "brand": brand,
        "line": line,
        "site_id": site_id,
        "energy_kwh_per_day": kwh,
        "pays_cny": fen / FEN_PER_CNY,
    }


def compute_states(investment: JointInvestment) -> dict[str, BrandState]:
    """Return what drivers find: ``today``, ``unified``, ``alone``, ``joint``.

    ``today`` has separate accounts and no new site, ``unified`` the same with accounts unified,
    ``alone`` is each brand with what it would build by itself, ``joint`` the plan.
    """
    plan, alliance = investment.plan, investment.alliance
    instance = alliance.instance
    return {
        "today": _state(plan.case.instance_today, plan.today.decision, plan.today.evaluation),
        "unified": _state(instance, plan.unified.decision, plan.unified.evaluation),
        "alone": _alone(investment),
        "joint": _state(instance, plan.joint.decision, plan.joint.evaluation),
    }


def _state(instance: SitingInstance, decision: Decision, evaluation: Evaluation) -> BrandState:
    standing = np.concatenate((decision.opened, instance.station_capacity_kwh_per_day > 0))
    reach = compute_reach(instance, usable=instance.usable, standing=standing)
    return BrandState(
        served_kwh_per_day=evaluation.served_kwh_per_day,
        reach_share=reach.share,
        nearest_min=reach.nearest_min,
    )


def _alone(investment: JointInvestment) -> BrandState:
    """Put together what every brand's drivers find if it goes alone."""
    states = []
    for b in range(len(investment.brands)):
        instance, decision = investment.carry_out(1 << b)
        states.append(_state(instance, decision, evaluate(instance, decision)))
    return BrandState(
        served_kwh_per_day=np.hstack([state.served_kwh_per_day for state in states]),
        reach_share=np.concatenate([state.reach_share for state in states]),
        nearest_min=np.concatenate([state.nearest_min for state in states]),
    )


def compute_by_brand(investment: JointInvestment) -> pd.DataFrame:
    """Return alone against together, one brand a row.

    Returns
    -------
    DataFrame
        ``brand``, ``wanted_kwh_per_day``; for each state (today, unified, alone, joint)
        ``<state>_kwh_per_day``, ``<state>_share``, ``<state>_reach_share``,
        ``<state>_nearest_min``; ``unified_worth_cny`` (of unified accounts alone);
        ``worth_cny`` (of the joint plan's service), ``alone_cost_cny`` (of its own sites, alone),
        ``pays_cny``, ``gain_cny`` (over going alone), ``budget_cny``, ``borrows_cny``,
        ``lends_cny``.
    """
    instance = investment.alliance.instance
    wanted = instance.demand_kwh_per_day.sum(axis=0)
    columns: dict[str, object] = {
        "brand": list(investment.brands),
        "wanted_kwh_per_day": wanted,
    }
    for name, state in investment.states.items():
        served = state.served_kwh_per_day.sum(axis=0)
        columns[f"{name}_kwh_per_day"] = served
        columns[f"{name}_share"] = _ratio(served, wanted)
        columns[f"{name}_reach_share"] = state.reach_share
        columns[f"{name}_nearest_min"] = state.nearest_min
    n_brand = len(investment.brands)
    borrows, lends = np.zeros(n_brand), np.zeros(n_brand)
    for loan in investment.loans or ():
        borrows[loan.borrower] += loan.fen / FEN_PER_CNY
        lends[loan.lender] += loan.fen / FEN_PER_CNY
    alone = [investment.solved.plan_of(1 << b).cost_cny for b in range(n_brand)]
    return pd.DataFrame(
        columns
        | {
            "unified_worth_cny": investment.unified_worth_cny,
            "worth_cny": investment.worth_cny,
            "alone_cost_cny": alone,
            "pays_cny": investment.split.pays_cny,
            "gain_cny": investment.split.gain_cny,
            "budget_cny": [
                np.nan if brand.budget_cny is None else brand.budget_cny
                for brand in investment.study.brands
            ],
            "borrows_cny": borrows,
            "lends_cny": lends,
        }
    )


def compute_by_district(investment: JointInvestment) -> pd.DataFrame:
    """Return coverage by brand and district: ``brand``, ``district``, wanted and shares."""
    instance = investment.alliance.instance
    wanted = sum_by_district(instance, instance.demand_kwh_per_day)
    served = {
        name: sum_by_district(instance, state.served_kwh_per_day)
        for name, state in investment.states.items()
    }
    names = (*instance.district_ids, "")
    return pd.DataFrame(
        [
            {"brand": brand, "district": names[d], "wanted_kwh_per_day": wanted[d, b]}
            | {f"{name}_share": kwh[d, b] / wanted[d, b] for name, kwh in served.items()}
            for b, brand in enumerate(investment.brands)
            for d in range(len(names))
            if wanted[d, b] > 0
        ]
    )


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
