"""What stands in each period, and who charges where then, as files that `siting verify` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from siting.instance import CLOSED
from siting.outputs.files import render_csv
from siting.outputs.proof import tabulate_flows
from siting.outputs.site_list import round_by_unit
from siting.outputs.units import name_columns
from siting.verify.claim import PHASE_FLOWS, PHASES

if TYPE_CHECKING:
    from siting.phases.plan import PhasedPlan
    from siting.plan import SitingPlan


def render_phase_files(plan: SitingPlan) -> dict[str, bytes]:
    """Return the files of a plan's periods by name; none where the study has no phases.

    ``phases.csv`` has a row for every site that stands in a period, ``phase_flows.csv`` is
    ``flows.csv`` for each period.
    """
    phases = plan.phases
    if phases is None:
        return {}
    flows = [
        tabulate_flows(period, decision)
        for period, decision in zip(phases.phased.periods, phases.result.decisions, strict=True)
    ]
    tables = {
        PHASES: _tabulate_sites(phases).assign(illustrative=plan.case.illustrative),
        PHASE_FLOWS: pd.concat(
            [
                table.assign(phase=name)[["phase", *table.columns]]
                for name, table in zip(phases.phased.ids, flows, strict=True)
            ]
        ),
    }
    facility = plan.case.study.facility
    return {
        name: render_csv(name_columns(round_by_unit(table), facility))
        for name, table in tables.items()
    }


def _tabulate_sites(phases: PhasedPlan) -> pd.DataFrame:
    """Return one row for every period and site that stands in it."""
    first = phases.phased.periods[0]
    before = np.full(first.n_site, CLOSED)
    rows = []
    for name, tiers, evaluation in zip(
        phases.phased.ids, phases.tiers, phases.evaluation.periods, strict=True
    ):
        energy = evaluation.supplied_kwh_per_day.sum(axis=1)
        for j in np.flatnonzero(tiers != CLOSED).tolist():
            opens, grows = before[j] == CLOSED, before[j] != tiers[j]
            rows.append(
                {
                    "phase": name,
                    "site_id": first.site_ids[j],
                    "tier": first.tiers[tiers[j]],
                    "what": "opens" if opens else "grows" if grows else "stands",
                    "energy_kwh_per_day": energy[j],
                }
            )
        before = tiers
    columns = ["phase", "site_id", "tier", "what", "energy_kwh_per_day"]
    return pd.DataFrame(rows, columns=columns)
