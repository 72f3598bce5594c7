"""What the map shows of several periods: what stands, what is spent, what areas want and lack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import SolveStatus
from siting.outputs.map_geometry import pack_integers
from siting.outputs.map_values import as_number, as_numbers, as_text, sum_by_area

if TYPE_CHECKING:
    from siting.domain import LongArray
    from siting.plan import SitingPlan


def describe_phases(
    plan: SitingPlan, area_of_demand: LongArray, *, n_area: int, step: float
) -> dict[str, Any] | None:
    """Describe what stands in each period; the sites as in the site list.

    Parameters
    ----------
    plan
        The plan.
    area_of_demand
        (n_demand,) the area that each demand point is shown in.
    n_area, step
        Number of areas, and what energy is kept to (kWh/day), as of the map's other areas.
    """
    phases = plan.phases
    if phases is None:
        return None
    order = {site: j for j, site in enumerate(plan.case.instance.site_ids)}
    listed = [order[site] for site in plan.sites["site_id"]]
    table, (least, most) = phases.table, phases.result.myopic_loss
    asked, periods = plan.case.study.phases, phases.phased.periods
    return {
        "name": [as_text(phase.name) for phase in asked],
        "tier": [[int(k) for k in now[listed]] for now in phases.tiers],
        "demand_share": [
            [
                phase.demand_share_by_brand.get(brand, phase.demand_share)
                for brand in plan.case.instance.brands
            ]
            for phase in asked
        ],
        # The last period's is that of the plan.
        "missing": [
            [
                pack_integers(row)
                for row in sum_by_area(
                    np.maximum(period.demand_kwh_per_day - state.served_kwh_per_day, 0.0),
                    area_of_demand,
                    n_area=n_area,
                    step=step,
                )
            ]
            for period, state in zip(periods[:-1], phases.evaluation.periods, strict=False)
        ],
        "spent_cny": as_numbers(table["spent_cny"], 2),
        **{name: [int(n) for n in table[name]] for name in ("n_sites", "n_opened", "n_grown")},
        "served_share": as_numbers(table["served_share"], 4),
        "gap": as_number(phases.result.gap),
        "proven": phases.result.status is SolveStatus.OPTIMAL,
        "myopic_loss_least": as_number(least),
        "myopic_loss_most": as_number(most),
    }
