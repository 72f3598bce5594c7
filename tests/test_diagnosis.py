"""The diagnosis of a toy study with something wrong in every way, counted by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from siting.diagnosis import Diagnosis, RoadState, diagnose
from siting.domain import Datum
from siting.inputs.datum import from_wgs84
from siting.pipeline import build_case, read_inputs, read_study

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def diagnosis(troubled_study_path: Path) -> Diagnosis:
    return diagnose(read_inputs(read_study(troubled_study_path)))


def test_every_file_and_every_entry_is_counted(diagnosis: Diagnosis) -> None:
    found = diagnosis.files.set_index("file")[["holds", "entries", "illustrative"]]
    assert found.apply(tuple, axis=1).to_dict() == {
        "roads.npz": ("roads", 6, False),
        "vehicles.csv": ("vehicles", 6, True),
        "stations.csv": ("stations", 2, False),
        "more.csv": ("stations", 1, True),
        "candidates.csv": ("candidates", 3, False),
        "dumps.geojson": ("exclusions", 1, False),
    }


def test_vehicles_are_read_and_placed_by_brand_to_the_last(diagnosis: Diagnosis) -> None:
    brands = diagnosis.brands.set_index("brand")
    # ant: 60 + 5 + 3 + 2 + 0 + 1, of which east, trap and farm are out of reach; bee alike.
    assert brands.loc["ant"].to_dict() == {
        "vehicles_read": 71,
        "vehicles_placed": 71,
        "unreachable_vehicles": 6,
        "kwh_per_day": 710,
        "unreachable_kwh_per_day": 60,
    }
    assert brands.loc["bee", "vehicles_read"] == 52
    assert brands.loc["bee", "unreachable_vehicles"] == 12


def test_each_reason_for_being_out_of_reach_is_told_apart(diagnosis: Diagnosis) -> None:
    found = diagnosis.unreachable.set_index("reason")
    assert found["points"].to_dict() == {
        "nothing within the cutoff": 1,
        "on roads cut off from the network": 1,
        "on a one-way trap": 1,
        "no road near": 1,
    }
    assert found["vehicles"].tolist() == [7, 7, 2, 2]
    assert found["kwh_per_day"].tolist() == [70, 70, 20, 20]


def test_roads_are_sorted_by_how_they_hang_together(diagnosis: Diagnosis) -> None:
    main, trap, other = (RoadState.MAIN, RoadState.ONE_WAY_TRAP, RoadState.OTHER_COMPONENT)
    assert diagnosis.roads_check.state.tolist() == [main] * 4 + [trap, other]
    assert diagnosis.roads_check.one_way.tolist() == [False] * 4 + [True, False]
    roads = diagnosis.roads.set_index("state")
    assert roads.loc["main"].tolist() == [4, 4.0, 0.0, 1]
    assert roads.loc["one_way_trap"].tolist() == [1, 1.0, 1.0, 1]
    assert roads.loc["other_component"].tolist() == [1, 1.0, 0.0, 1]
    assert roads.loc["closed", "streets"] == 0


def test_stations_read_less_merged_less_planned_are_those_that_stand(diagnosis: Diagnosis) -> None:
    assert diagnosis.stations.to_dict() == {
        "read": 3,
        "merged_between_files": 1,
        "merged_within_a_file": 0,
        "planned_or_closed": 1,
        "standing": 1,
        "doubtful_pairs_kept_apart": 0,
    }
    merge = diagnosis.survey.station_fates.merges.iloc[0]
    assert (merge["kept"], merge["merged"]) == ("stations:old", "more:twin")


def test_every_excluded_candidate_has_its_place_and_reason(diagnosis: Diagnosis) -> None:
    assert diagnosis.candidates.to_dict() == {
        "kept": 1,
        "inside an exclusion area": 1,
        "closer than 100 m to another candidate": 1,
    }
    excluded = diagnosis.case.excluded_candidates.set_index("site_id")
    assert excluded.loc["DUMP", "reason"] == "inside an exclusion area: Lake <b>"
    assert excluded.loc["NEAR", "row"] == 3
    assert excluded.geometry.notna().all()


def test_distances_to_the_road_are_summed_up(diagnosis: Diagnosis) -> None:
    demand = diagnosis.snaps.set_index("what").loc["demand"]
    assert demand[["points", "off_road", "far"]].tolist() == [6, 1, 1]
    assert demand["median_m"] == pytest.approx(0.0, abs=0.5)
    assert demand["max_m"] == pytest.approx(150.0, abs=0.5)


def test_a_point_meets_its_road_straight_below(diagnosis: Diagnosis) -> None:
    ids = diagnosis.case.demand["demand_id"].tolist()
    field, farm = ids.index("field"), ids.index("farm")
    where, point = diagnosis.demand_on_road, diagnosis.case.demand.geometry.iloc[field]
    assert where.lon_deg[field] == pytest.approx(point.x, abs=2e-6)
    assert where.lat_deg[field] == pytest.approx(30.6, abs=2e-6)
    assert np.isnan(where.lon_deg[farm])
    assert not where.on_road[farm]


def test_every_file_of_points_is_compared_under_every_datum(diagnosis: Diagnosis) -> None:
    assert list(diagnosis.datum_fits) == [
        "vehicles.csv",
        "stations.csv",
        "more.csv",
        "candidates.csv",
    ]
    table = diagnosis.datums.set_index("file")
    assert table.loc["stations.csv", "declared"] == "wgs84"
    assert table.loc["stations.csv", "median_m_wgs84"] == pytest.approx(0.0, abs=0.5)
    assert table.loc["stations.csv", "median_m_gcj02"] > 100
    assert set(table["suspected"]) == {""}


def test_a_wrong_datum_is_suspected_with_both_figures(study_path: Path) -> None:
    # 60 m north of the road as GCJ-02; the shift carries them some 205 m south of it as WGS-84.
    lon, lat = from_wgs84(
        114.308 + 0.0005 * np.arange(40), np.full(40, 30.6 + 60 / 111_195), Datum.GCJ02
    )
    pd.DataFrame(
        {"station_id": [f"s{k}" for k in range(40)], "longitude": lon, "latitude": lat}
    ).assign(connectors=2, power_kw=60).to_csv(study_path.parent / "stations.csv", index=False)
    found = diagnose(read_inputs(read_study(study_path)))
    row = found.datums.set_index("file").loc["stations.csv"]
    assert (row["declared"], row["suspected"]) == ("wgs84", "gcj02")
    assert row["p90_m_gcj02"] == pytest.approx(60, abs=1)
    assert row["p90_m_wgs84"] == pytest.approx(205, abs=5)
    line = next(line for line in found.summary_lines() if line.startswith("datum       stations"))
    assert "looks like gcj02" in line


def test_the_printed_summary_holds_the_same_figures(diagnosis: Diagnosis) -> None:
    text = "\n".join(diagnosis.summary_lines())
    for part in (
        "vehicles: vehicles.csv, 6 entries, wgs84, illustrative",
        "main: 4 streets, 4.0 km, 0.0 km one-way",
        "ant: 71 vehicles read, 71 placed, 710 kWh a day; 6 vehicles out of reach",
        "3 read, 1 merged between files, 0 merged within a file, 1 planned or closed, 1 standing",
        "1 kept; 1 inside an exclusion area; 1 closer than 100 m to another candidate",
        "farthest 150 m; 1 beyond 100 m, 1 near no road, of 6",
        "4 points, 18 vehicles, 180 kWh a day",
        "All of this is made up.",
    ):
        assert part in text, part
    assert sum(line.startswith("notice") for line in diagnosis.summary_lines()) == len(
        diagnosis.case.notices
    )


def test_a_notebook_shows_tables_and_runs_no_name(diagnosis: Diagnosis) -> None:
    html = diagnosis._repr_html_()
    assert html.count("<table") == 9
    assert "71" in html
    assert "<b>" not in html


def test_the_threshold_of_far_is_the_callers(troubled_study_path: Path) -> None:
    inputs = read_inputs(read_study(troubled_study_path))
    near = diagnose(inputs, far_m=160.0)
    assert near.snaps.set_index("what").loc["demand", "far"] == 0


def test_a_study_that_cannot_be_solved_is_diagnosed(troubled_study_path: Path) -> None:
    text = troubled_study_path.read_text(encoding="utf-8")
    asked = text.replace("budget_cny: 1.5e+6", "budget_cny: 0, required: [WEST]")
    troubled_study_path.write_text(asked, encoding="utf-8")
    inputs = read_inputs(read_study(troubled_study_path))
    found = diagnose(inputs)
    assert found.case.unreachable["demand_id"].tolist() == (
        build_case(inputs).unreachable["demand_id"].tolist()
    )


def test_a_study_without_stations_is_diagnosed(study_path: Path) -> None:
    text = study_path.read_text(encoding="utf-8")
    study_path.write_text(text.replace("stations: [{path: stations.csv}]", "stations: []"), "utf-8")
    found = diagnose(read_inputs(read_study(study_path)))
    assert found.stations["read"] == found.stations["standing"] == 0
    assert "stations: none of 0 points is near a road" in "\n".join(found.summary_lines())


def test_demand_that_no_road_is_near_is_diagnosed(study_path: Path) -> None:
    file = study_path.parent / "vehicles.csv"
    far_off = pd.read_csv(file)
    far_off["latitude"] += 3
    far_off.to_csv(file, index=False)
    found = diagnose(read_inputs(read_study(study_path)))
    assert found.unreachable["points"].tolist() == [3]
    assert np.isnan(found.snaps.set_index("what").loc["demand", "median_m"])
    assert "NaN" in found._repr_html_()
    line = next(line for line in found.summary_lines() if "vehicles.csv: declared" in line)
    assert "no point is near enough" in line
