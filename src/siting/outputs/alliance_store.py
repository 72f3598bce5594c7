"""The folder in which finished coalitions are kept, so that a killed run goes on where it stopped.

One small JSON file a plan, named by the fingerprint of what was solved: what is asked in another
way has another name. A file that cannot be read counts as not there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.alliance.games import CoalitionPlan
from siting.domain import SolveStatus
from siting.errors import Fault, OutputError
from siting.instance import CLOSED, Decision, SitingInstance
from siting.optimise.limits import StopReason
from siting.optimise.result import SolveResult
from siting.storage import write_file

if TYPE_CHECKING:
    from pathlib import Path


KEPT_IN = "coalitions"


@dataclass(frozen=True, kw_only=True)
class PlanFolder:
    """Plans on disk, by fingerprint; a :class:`~siting.alliance.games.PlanStore`.

    Attributes
    ----------
    path
        The folder; it is made when the first plan is kept.
    """

    path: Path

    def get(self, key: str, /) -> CoalitionPlan | None:
        """Return the coalition's plan that is kept under a fingerprint, if there is one."""
        try:
            kept = self._read(key)
            return CoalitionPlan(
                coalition=int(kept["coalition"]),
                tier_of_site=_unpack_tiers(kept),
                served_kwh_per_day=np.array(kept["served_kwh_per_day"], dtype=np.float64),
                cost_cny=float(kept["cost_cny"]),
                value_cny=float(kept["value_cny"]),
                lower_cny=float(kept["lower_cny"]),
                upper_cny=float(kept["upper_cny"]),
                status=SolveStatus(kept["status"]),
                cpu_s=0.0,
            )
        except (OSError, KeyError, TypeError, ValueError):
            return None

    def __setitem__(self, key: str, plan: CoalitionPlan, /) -> None:
        """Keep a coalition's plan, whole or not at all."""
        self._write(
            key,
            {
                "coalition": plan.coalition,
                **_pack_tiers(plan.tier_of_site),
                "served_kwh_per_day": plan.served_kwh_per_day.tolist(),
                "cost_cny": plan.cost_cny,
                "value_cny": plan.value_cny,
                "lower_cny": plan.lower_cny,
                "upper_cny": plan.upper_cny,
                "status": plan.status.value,
            },
        )

    def get_joint(self, key: str, instance: SitingInstance) -> SolveResult | None:
        """Return the joint plan that is kept under a fingerprint, if there is one."""
        try:
            kept = self._read(key)
            flow = np.zeros((instance.n_pair, instance.n_brand))
            flow.flat[np.array(kept["flow_index"], dtype=np.int64)] = kept["flow_kwh_per_day"]
            return SolveResult(
                status=SolveStatus(kept["status"]),
                decision=Decision(tier_of_site=_unpack_tiers(kept), flow_kwh_per_day=flow),
                objective=float(kept["objective"]),
                bound=float(kept["bound"]),
                gap=float(kept["gap"]),
                bound_by_duality=float(kept["bound_by_duality"]),
                engine=str(kept["engine"]),
                stopped=StopReason(kept["stopped"]),
                wall_s=0.0,
                cpu_s=0.0,
                work=0.0,
            )
        except (OSError, KeyError, TypeError, ValueError, IndexError):
            return None

    def keep_joint(self, key: str, result: SolveResult) -> None:
        """Keep the joint plan; an answer without a plan is not kept."""
        if result.decision is None:
            return
        flow = result.decision.flow_kwh_per_day.ravel()
        used = np.flatnonzero(flow)
        self._write(
            key,
            {
                **_pack_tiers(result.decision.tier_of_site),
                "flow_index": used.tolist(),
                "flow_kwh_per_day": flow[used].tolist(),
                "status": result.status.value,
                "objective": result.objective,
                "bound": result.bound,
                "gap": result.gap,
                "bound_by_duality": result.bound_by_duality,
                "engine": result.engine,
                "stopped": result.stopped.value,
            },
        )

    def _read(self, key: str) -> dict[str, Any]:
        kept = json.loads((self.path / f"{key}.json").read_text("utf-8"))
        if not isinstance(kept, dict):
            raise TypeError("not a kept plan")
        return kept

    def _write(self, key: str, kept: dict[str, Any]) -> None:
        write_file(self.path / f"{key}.json", (json.dumps(kept) + "\n").encode())


def _pack_tiers(tier_of_site: np.ndarray[Any, Any]) -> dict[str, Any]:
    opened = np.flatnonzero(tier_of_site != CLOSED)
    return {
        "n_site": int(tier_of_site.size),
        "opened": opened.tolist(),
        "tier": tier_of_site[opened].tolist(),
    }


def _unpack_tiers(kept: dict[str, Any]) -> np.ndarray[Any, Any]:
    tiers = np.full(int(kept["n_site"]), CLOSED, dtype=np.int32)
    tiers[np.array(kept["opened"], dtype=np.int64)] = kept["tier"]
    return tiers


def refuse_other_folder(folder: Path) -> None:
    """Refuse a folder that holds anything but an earlier joint investment, finished or not.

    Raises
    ------
    OutputError
        If the folder exists and holds other files.
    """
    if not folder.exists():
        return
    if folder.is_dir() and ((folder / KEPT_IN).is_dir() or not any(folder.iterdir())):
        return
    raise OutputError(
        [
            Fault(
                file=str(folder),
                what="the output folder holds other files",
                remedy="name an empty or new folder with -o",
            )
        ]
    )
