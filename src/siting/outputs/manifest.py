"""plan.json: what was asked, of which inputs, what was answered, and how sure that is."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from siting import __version__
from siting.inputs.candidates import count_reasons
from siting.outputs.files import sha256
from siting.outputs.robust import describe_robust
from siting.outputs.site_list import build_records, build_site_list, round_by_unit
from siting.outputs.trips import describe_trips
from siting.outputs.units import name_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from siting.phases.plan import PhasedPlan
    from siting.plan import SitingPlan

SHOWN_VERSIONS = ("numpy", "scipy", "pandas", "geopandas", "shapely", "ortools", "osmnx", "folium")


def build_manifest(plan: SitingPlan, *, files: Mapping[str, bytes]) -> dict[str, Any]:
    """Build the manifest of a plan.

    Parameters
    ----------
    plan
        The plan.
    files
        The other files of the output folder, by name; their hashes go into the manifest.

    Returns
    -------
    dict
        JSON-able; without clock times, so that the same inputs give the same bytes.
    """
    case, solve = plan.case, plan.solve
    study = case.study
    evaluation = plan.joint.evaluation
    manifest = {
        "siting": __version__,
        "study": study.name,
        "facility": study.facility.value,
        "title": study.title.model_dump(),
        "data_date": study.data_date,
        "illustrative": case.illustrative,
        "illustrative_note": _dump(study.illustrative_note),
        "solve": {
            "status": solve.status.value,
            "objective_kwh_per_day": solve.objective,
            "bound_kwh_per_day": solve.bound,
            "bound_by_duality_kwh_per_day": as_finite(solve.bound_by_duality),
            "gap": solve.gap,
            "gap_asked": study.solve.gap,
            "time_limit_s": study.solve.time_limit_s,
            "engine": solve.engine,
            "seed": study.solve.seed,
        },
        "fairness": _describe_fairness(plan),
        **({} if plan.trips is None else {"trips": describe_trips(plan.trips)}),
        **({} if plan.phases is None else {"phases": describe_phases(plan.phases)}),
        **({} if plan.robust is None else {"robust": describe_robust(plan.robust)}),
        "checked_without_solver": {
            "feasible": evaluation.feasible,
            "violations": list(evaluation.violations),
            "objective_kwh_per_day": evaluation.objective_kwh_per_day,
            "cost_cny": evaluation.cost_cny,
        },
        "waiting": plan.waiting.describe(),
        "budget_cny": case.instance.requirements.budget_cny,
        "cost_cny": round(evaluation.cost_cny, 2),
        "n_sites": len(plan.sites),
        "sites": build_records(build_site_list(plan)),
        "service_by_brand": build_records(round_by_unit(plan.service_by_brand)),
        "service_by_district": build_records(round_by_unit(plan.service_by_district)),
        "ledger": build_records(round_by_unit(plan.ledger)),
        "ledger_rule": "by service at new sites",
        "unreachable": {
            "n_demand": len(case.unreachable),
            "kwh_per_day": round(float(case.unreachable["kwh_per_day"].sum()), 3),
            "n_by_reason": count_reasons(case.unreachable),
        },
        "excluded_candidates": count_reasons(case.excluded_candidates),
        "notices": [asdict(notice) for notice in case.notices],
        "inputs_sha256": dict(sorted(case.input_sha256.items())),
        "files_sha256": {name: sha256(content) for name, content in sorted(files.items())},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in SHOWN_VERSIONS},
        },
    }
    in_unit: dict[str, Any] = name_keys(manifest, study.facility)
    return in_unit | {"study_as_read": study_without_folder(plan)}


def _describe_fairness(plan: SitingPlan) -> dict[str, Any] | None:
    """Return the levels that a fair plan gives, and what the alliance gives up for them."""
    fairness = plan.fairness
    if fairness is None:
        return None
    least, most = fairness.price_interval
    brands = plan.case.instance.brands
    return {
        "objective": fairness.objective.value,
        "level_by_brand": dict(zip(brands, fairness.level.tolist(), strict=True)),
        "level_at_most": dict(zip(brands, fairness.level_most.tolist(), strict=True)),
        "price_kwh_per_day": fairness.price_kwh_per_day,
        "price_share": fairness.price,
        "price_share_least": least,
        "price_share_most": most,
    }


def describe_phases(phases: PhasedPlan) -> dict[str, Any]:
    """Return when what is built and served, how far that is proven, and what myopia loses."""
    result = phases.result
    least, most = result.myopic_loss
    return {
        "status": result.status.value,
        "objective_kwh_per_day": result.objective,
        "bound_kwh_per_day": result.bound,
        "gap": result.gap,
        "myopic_objective_kwh_per_day": as_finite(result.myopic_objective),
        "myopic_loss_least": as_finite(least),
        "myopic_loss_most": as_finite(most),
        "violations": list(phases.evaluation.violations),
        "periods": build_records(round_by_unit(phases.table)),
    }


def as_finite(value: float) -> float | None:
    """Return a number that JSON has; None for an infinity."""
    return value if math.isfinite(value) else None


def study_without_folder(plan: SitingPlan) -> dict[str, Any]:
    """Return the study as read, with file names instead of this machine's paths."""
    dumped = plan.case.study.model_dump(mode="json")
    dumped["inputs"] = names_only(dumped["inputs"])
    return dict(dumped)


def render_manifest(manifest: Mapping[str, Any]) -> bytes:
    """Return the manifest as indented JSON with Chinese readable; NaN becomes null."""
    return (json.dumps(manifest, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _dump(text: Any) -> Any:  # noqa: ANN401 - a text or none
    return None if text is None else text.model_dump()


def names_only(part: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return a dumped part of a study with file names instead of this machine's paths."""
    if isinstance(part, dict):
        return {
            key: value.replace("\\", "/").rsplit("/", 1)[-1]
            if (key == "path" or key.endswith("_path")) and isinstance(value, str)
            else names_only(value)
            for key, value in part.items()
        }
    return [names_only(item) for item in part] if isinstance(part, list) else part
