"""What a plan is verified from: the instance as arrays, and every flow in whole watt-hours."""

from __future__ import annotations

import io
import json
import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.optimise.certificate import render_certificate
from siting.outputs.files import render_csv
from siting.outputs.units import name_columns

if TYPE_CHECKING:
    from siting.instance import Decision, SitingInstance
    from siting.plan import SitingPlan

INSTANCE_NAME, FLOWS_NAME, CERTIFICATE_NAME = "instance.npz", "flows.csv", "certificate.json"
INSTANCE_VERSION = 1
KWH_DECIMALS = 3


def render_instance(instance: SitingInstance) -> bytes:
    """Return an instance as ``.npz``: its arrays by name, and all else as JSON in ``head``.

    The requirements' arrays have names that begin with ``requirements.``. The same instance gives
    the same bytes.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    head: dict[str, Any] = {"version": INSTANCE_VERSION}
    for prefix, part in (("", instance), ("requirements.", instance.requirements)):
        for field in fields(part):
            value = getattr(part, field.name)
            if isinstance(value, np.ndarray):
                arrays[prefix + field.name] = value
            elif isinstance(value, float) and math.isinf(value):
                head[prefix + field.name] = None
            elif field.name != "requirements":
                head[prefix + field.name] = value
    text = json.dumps(head, ensure_ascii=False).encode()
    stream = io.BytesIO()
    np.savez_compressed(stream, head=np.frombuffer(text, dtype=np.uint8), **arrays)  # type: ignore[arg-type]  # the stubs take the names for options
    return stream.getvalue()


def render_proof(plan: SitingPlan) -> dict[str, bytes]:
    """Return what `siting verify` needs, by file name: instance, flows, certificate if any."""
    files = {FLOWS_NAME: render_flows(plan), INSTANCE_NAME: render_instance(plan.case.instance)}
    solve = plan.solve
    if solve.multipliers is not None:
        files[CERTIFICATE_NAME] = render_certificate(
            solve.multipliers, objective=solve.objective, bound=solve.bound_by_duality
        )
    return files


def render_flows(plan: SitingPlan) -> bytes:
    """Return who charges where as CSV."""
    table = tabulate_flows(plan.case.instance, plan.joint.decision)
    return render_csv(name_columns(table, plan.case.study.facility))


def tabulate_flows(instance: SitingInstance, decision: Decision) -> pd.DataFrame:
    """Return who charges where: ``demand_id``, ``supply_id``, ``brand``, ``kwh_per_day``."""
    flow = decision.flow_kwh_per_day
    pair, brand = np.nonzero(flow)
    supply_ids = np.array(instance.site_ids + instance.station_ids, dtype=object)
    return pd.DataFrame(
        {
            "demand_id": np.array(instance.demand_ids, dtype=object)[instance.cover_demand[pair]],
            "supply_id": supply_ids[instance.cover_supply[pair]],
            "brand": np.array(instance.brands, dtype=object)[brand],
            "kwh_per_day": flow[pair, brand].round(KWH_DECIMALS),
        }
    )
