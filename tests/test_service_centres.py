"""Service centres: the same engine, with bays for connectors and visits for energy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from siting.domain import Facility
from siting.errors import StudyError
from siting.outputs.units import name_unit
from siting.pipeline import run
from siting.service import build_promise, compute_capacities_kwh_per_day
from siting.study import Service, Visits, parse_study
from siting.verify import verify_folder

CHARGERS = "{id: big, name: {en: Big}, connectors: 60, power_kw: 120, cost_cny: 1.0e+6}"
BAYS = "{id: big, name: {en: Big}, bays: 60, cost_cny: 1.0e+6}"
ENERGY = "energy: {km_per_day: 10, kwh_per_km: 1, public_share: 1}"
VISITS = """\
facility: service_centre
visits: {visits_per_year: 10, hours_per_visit: 2, opening_hours_per_day: 10}"""


@pytest.fixture
def centres_path(study_path: Path) -> Path:
    """Return the toy as a study of service centres: ten visits a year for ten kWh a day."""
    text = study_path.read_text(encoding="utf-8")
    for old, new in ((CHARGERS, BAYS), (ENERGY, VISITS)):
        assert old in text
        text = text.replace(old, new)
    study_path.write_text(text, encoding="utf-8")
    return study_path


def test_the_toy_counts_visits_as_by_hand(centres_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = run(centres_path, out)
    assert plan.joint.evaluation.objective_kwh_per_day == pytest.approx(1500.0)
    manifest = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert manifest["facility"] == "service_centre"
    assert manifest["solve"]["objective_visits_per_year"] == pytest.approx(1500.0)
    sites = pd.read_csv(out / "sites.csv")
    assert sites[["site_id", "bays"]].to_numpy().tolist() == [["WEST", 60]]
    flows = pd.read_csv(out / "flows.csv")
    assert flows["visits_per_year"].sum() == pytest.approx(1500.0)
    assert sites["ant_visits_per_year"].tolist() == [600.0]
    written = "".join(
        (out / name).read_text(encoding="utf-8") for name in ("sites.csv", "flows.csv")
    )
    assert "kwh" not in written
    assert "power" not in written
    assert [fault for check in verify_folder(out) for fault in check.faults] == []


def test_a_bay_without_waiting_takes_its_hours() -> None:
    # With nobody to hurry, a bay is busy all its 3,000 hours over a peak of 1.5, two hours a visit.
    promise = build_promise(
        Service(max_wait_minutes=1e9, wait_exceeded_share=0.5, peak_to_mean=1.5),
        visits=Visits(hours_per_visit=2, opening_hours_per_day=10, opening_days_per_year=300),
    )
    capacity = compute_capacities_kwh_per_day(
        connectors=np.array([1.0, 4.0]), power_kw=np.array([0.5, 0.5]), promise=promise
    )
    assert capacity == pytest.approx([1000.0, 4000.0], rel=1e-3)


@pytest.mark.parametrize(
    ("tier", "facility", "says"),
    [
        (CHARGERS, "service_centre", "tiers of a service_centre have bays and no power_kw: big"),
        (BAYS, "charging_station", "tiers of a charging_station have connectors and power_kw: big"),
    ],
)
def test_tiers_go_with_what_is_sited(tier: str, facility: str, says: str) -> None:
    text = f"""\
name: toy
title: {{en: Toy}}
facility: {facility}
brands: [{{id: ant, name: Ant}}]
inputs:
  roads: {{path: roads.npz}}
  vehicles: {{path: vehicles.csv}}
  candidates: {{source: network}}
tiers: [{tier}]
requirements: {{budget_cny: 1}}
"""
    with pytest.raises(StudyError, match=says):
        parse_study(text, folder=Path("/somewhere"))


@pytest.mark.parametrize(
    ("inside", "written"),
    [
        ("kwh_per_day", "visits_per_year"),
        ("energy_kwh_per_day", "visits_per_year"),
        ("energy_aito_kwh_per_day", "aito_visits_per_year"),
        ("capacity_kwh_per_day", "capacity_visits_per_year"),
        ("cost_cny", "cost_cny"),
    ],
)
def test_quantities_are_named_in_their_unit(inside: str, written: str) -> None:
    assert name_unit(inside, Facility.SERVICE_CENTRE) == written
    assert name_unit(inside, Facility.CHARGING_STATION) == inside
