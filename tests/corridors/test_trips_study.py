"""A study with trips, from its files to a written plan that is driven again."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from siting.corridors.paths import build_path_graph
from siting.errors import InputError, StudyError
from siting.inputs.roads import read_compact_roads
from siting.network.road_network import build_road_network
from siting.network.snapping import snap_to_roads
from siting.pipeline import (
    build_case,
    read_inputs,
    read_study,
    solve_budgets,
    solve_case,
    write_outputs,
    write_report,
)
from siting.verify import verify_folder

if TYPE_CHECKING:
    from pathlib import Path

    from siting.plan import SitingPlan


LON, LAT = 114.3, 30.6
METRES_PER_DEGREE = 111_195.0 * np.cos(np.radians(LAT))


def lon_at(km: float) -> float:
    return float(LON + km * 1000 / METRES_PER_DEGREE)


def plan_of(path: Path) -> SitingPlan:
    return solve_case(build_case(read_inputs(read_study(path))))


def test_the_trip_decides_where_the_money_goes(trips_study: Path) -> None:
    plan = plan_of(trips_study)
    assert list(plan.sites["site_id"]) == ["EAST"]
    assert plan.joint.evaluation.violations == ()
    assert plan.trips is not None
    brands = plan.trips.by_brand()
    assert brands["joint_per_day"].tolist() == [60.0, 40.0]
    assert brands["today_per_day"].tolist() == [0.0, 0.0]
    # 8 km less the 4.5 it sets out with, and 1 when it is back: 4.5 kWh a car.
    trips = plan.trips.corridors.instance
    assert trips.n_trip == 1
    assert trips.need_m.tolist() == [4500]
    assert plan.trips.joint.charge_m.sum() == 4500


def test_where_every_brand_drives_too_far_the_city_decides(trips_study: Path) -> None:
    text = trips_study.read_text(encoding="utf-8").replace("range_km: 5", "range_km: 2")
    trips_study.write_text(text, encoding="utf-8")
    plan = plan_of(trips_study)
    assert list(plan.sites["site_id"]) == ["WEST"]
    assert plan.trips is not None
    assert plan.trips.joint.covered_per_day.sum() == 0


def test_a_written_plan_is_driven_again(trips_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_outputs(plan_of(trips_study), out)
    checks = {check.name: check for check in verify_folder(out)}
    assert all(check.passed for check in checks.values())
    assert checks["trips"].detail == "1 driven there and back"
    manifest = json.loads((out / "plan.json").read_bytes())
    assert manifest["trips"]["n_covered"] == 1
    assert manifest["illustrative"] is True
    assert b"driven again" in write_report(out).read_bytes()


@pytest.mark.parametrize(
    ("file", "column", "value", "what"),
    [
        ("charges.csv", "charge_m", "1", "short at"),
        ("charges.csv", "charge_m", "5000", "more is charged"),
        ("charges.csv", "supply_id", "WEST", "does not pass WEST"),
        ("trips.csv", "covered_ant_per_day", "61", "other cars are covered"),
    ],
)
def test_a_written_plan_that_cannot_be_driven_is_found_out(
    trips_study: Path, tmp_path: Path, *, file: str, column: str, value: str, what: str
) -> None:
    out = tmp_path / "out"
    write_outputs(plan_of(trips_study), out)
    rows = list(csv.DictReader(io.StringIO((out / file).read_text(encoding="utf-8-sig"))))
    rows[0][column] = value
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (out / file).write_text(stream.getvalue(), encoding="utf-8-sig")
    checks = {check.name: check for check in verify_folder(out)}
    assert any(what in fault for fault in checks["trips"].faults)


def test_faults_of_trips_are_told_together(trips_study: Path) -> None:
    (trips_study.parent / "trips.csv").write_text(
        "origin,destination,cars_ant_per_day,cars_bee_per_day\n"
        "here,there,1,1\nthere,here,1,1\nhere,here,1,1\nhere,moon,1,1\n"
    )
    with pytest.raises(InputError) as error:
        read_inputs(read_study(trips_study))
    found = [(fault.row, fault.what.split(";")[0]) for fault in error.value.faults]
    assert found == [
        (2, "the same two places stand in a row above"),
        (3, "leads to where it starts"),
        (4, "no place has this id"),
    ]


def test_trips_need_a_range_of_every_brand(trips_study: Path) -> None:
    text = trips_study.read_text(encoding="utf-8").replace("range_km: 5, ", "", 1)
    trips_study.write_text(text, encoding="utf-8")
    with pytest.raises(StudyError, match="range_km of every brand: ant"):
        read_study(trips_study)


def test_what_looks_at_the_city_alone_refuses_trips(trips_study: Path) -> None:
    case = build_case(read_inputs(read_study(trips_study)))
    with pytest.raises(StudyError, match="siting plan"):
        solve_budgets(case, [1e6])


def test_paths_run_through_the_points_that_stand_on_them(trips_study: Path) -> None:
    network = build_road_network(read_compact_roads(trips_study.parent / "roads.npz"))
    km = [0.0, 0.5, 3.0, 4.0, 3.0]
    points = snap_to_roads(network, [lon_at(k) for k in km], [LAT] * 5, max_distance_m=50)
    graph = build_path_graph(network, points)
    path, none = graph.find_paths([(0, 3), (2, 2)])
    assert path is not None
    assert none is not None
    at = dict(zip(path.nodes.tolist(), path.at_m.tolist(), strict=True))
    assert [at[n] for n in graph.node_of_point.tolist()] == pytest.approx(
        [0, 500, 3000, 4000, 3000], abs=1
    )
