"""A written joint investment, read to be shown beside its plan."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siting.errors import Fault, InputError
from siting.outputs.alliance_tables import ALLIANCE_MANIFEST

if TYPE_CHECKING:
    from pathlib import Path

    from siting.outputs.written_plan import WrittenPlan

SAME_SERVICE = 1e-6


@dataclass(frozen=True, kw_only=True)
class WrittenAlliance:
    """What ``alliance.json`` says.

    Attributes
    ----------
    rule
        The rule of the bill.
    with_own_money
        Whether "alone" is what a brand's own money buys, or what the same service would cost.
    brands
        One row a brand: ``brand``, ``alone_share``, ``joint_share``, ``alone_cost_cny``,
        ``pays_cny``, ``gain_cny``.
    least_core_cny
        What the strongest objection, made as small as can be, lies between.
    cost_cny, served_kwh_per_day
        Of the joint plan that the investment was computed for.
    """

    rule: str
    with_own_money: bool
    brands: list[dict[str, Any]]
    least_core_cny: tuple[float, float]
    cost_cny: float
    served_kwh_per_day: float

    def is_of(self, plan: WrittenPlan) -> bool:
        """Whether the joint plan is this one, by its cost and its service."""
        served = plan.served["joint"]
        return (
            self.cost_cny == plan.manifest["cost_cny"]
            and abs(self.served_kwh_per_day - served) <= SAME_SERVICE * served
        )


def read_alliance(folder: Path, plan: WrittenPlan) -> WrittenAlliance:
    """Read a joint investment of the same inputs as a plan.

    Raises
    ------
    InputError
        If the folder holds none, or one of other inputs or brands.
    """
    path = folder / ALLIANCE_MANIFEST
    try:
        written = json.loads(path.read_bytes())
        joint, core = written["joint_plan"], written["least_core"]
        alliance = WrittenAlliance(
            rule=str(written["asked"]["rule"]),
            with_own_money=written["asked"]["game"] == "budget",
            brands=list(written["brands"]),
            least_core_cny=(float(core["least_cny"]), float(core["most_cny"])),
            cost_cny=float(joint["cost_cny"]),
            served_kwh_per_day=float(joint["served_kwh_per_day"]),
        )
        inputs = written["inputs_sha256"]
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError):
        raise _refused(path, "is no joint investment of siting") from None
    if inputs != plan.manifest["inputs_sha256"]:
        raise _refused(path, "was computed from other inputs than the plan")
    if [row["brand"] for row in alliance.brands] != list(plan.brands):
        raise _refused(path, "has other brands than the plan")
    return alliance


def _refused(path: Path, what: str) -> InputError:
    remedy = "name the output folder of `siting alliance` for the same study"
    return InputError([Fault(file=str(path), what=what, remedy=remedy)])
