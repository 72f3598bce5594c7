"""The whole, on a toy road solved by hand: from a study file to what is written."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from siting.errors import ExitCode, InfeasibleError, InputError, OutputError, StudyError
from siting.pipeline import build_case, read_inputs, read_study, run, solve_case


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_toy_is_solved_as_by_hand(study_path: Path, tmp_path: Path) -> None:
    plan = run(study_path, tmp_path / "out")
    assert plan.sites["site_id"].tolist() == ["WEST"]
    assert plan.joint.evaluation.feasible
    assert plan.joint.evaluation.objective_kwh_per_day == pytest.approx(1500.0)
    assert plan.case.unreachable["demand_id"].tolist() == ["farm"]
    assert plan.case.unreachable["reason"].tolist() == ["no road near"]
    # The old station is Bee's: Ant's drivers get nothing today, some with unified accounts.
    by_brand = plan.service_by_brand.set_index("brand")
    assert by_brand.loc["ant", "today_kwh_per_day"] == 0.0
    assert by_brand.loc["bee", "today_kwh_per_day"] > 0.0
    assert by_brand.loc["ant", "wanted_kwh_per_day"] == pytest.approx(610.0)
    assert plan.ledger["pays_cny"].sum() == 1e6


def test_what_is_written_is_complete_and_says_it_is_made_up(
    study_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(study_path, out)
    names = {
        "sites.csv",
        "sites.geojson",
        "flows.csv",
        "waiting.csv",
        "instance.npz",
        "certificate.json",
        "map.html",
        "plan.json",
    }
    assert {path.name for path in out.iterdir()} == names
    sites = pd.read_csv(out / "sites.csv", encoding="utf-8-sig")
    assert sites["illustrative"].all()
    manifest = json.loads((out / "plan.json").read_text(encoding="utf-8"))
    assert manifest["illustrative"] is True
    assert manifest["solve"]["status"] == "optimal"
    assert manifest["checked_without_solver"]["feasible"] is True
    assert set(manifest["inputs_sha256"]) == {
        "roads.npz",
        "vehicles.csv",
        "stations.csv",
        "candidates.csv",
    }
    assert str(tmp_path) not in (out / "plan.json").read_text(encoding="utf-8")


def test_the_same_inputs_give_the_same_bytes(study_path: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(study_path, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_required_site_is_opened_and_a_forbidden_one_is_not(study_path: Path) -> None:
    change(study_path, "{budget_cny: 1.5e+6}", "{budget_cny: 1.5e+6, required: [EAST]}")
    plan = solve_case(build_case(read_inputs(read_study(study_path))))
    assert plan.sites["site_id"].tolist() == ["EAST"]
    change(study_path, "required: [EAST]", "forbidden: [WEST]")
    plan = solve_case(build_case(read_inputs(read_study(study_path))))
    assert plan.sites["site_id"].tolist() == ["EAST"]


def test_requirements_that_name_nothing_are_faults(study_path: Path) -> None:
    change(
        study_path, "{budget_cny: 1.5e+6}", "{budget_cny: 1.0, required: [NORTH], forbidden: [UP]}"
    )
    with pytest.raises(StudyError) as caught:
        build_case(read_inputs(read_study(study_path)))
    assert [fault.value for fault in caught.value.faults] == ["NORTH", "UP"]


def test_conflicting_requirements_are_named(study_path: Path) -> None:
    change(study_path, "name: Ant,", "name: Ant, floor: 0.9,")
    change(study_path, "1.5e+6", "0.5e+6")
    case = build_case(read_inputs(read_study(study_path)))
    with pytest.raises(InfeasibleError) as caught:
        solve_case(case)
    assert caught.value.exit_code is ExitCode.INFEASIBLE
    text = str(caught.value)
    assert "budget" in text
    assert "ant" in text.lower()


def test_the_faults_of_all_files_come_at_once(study_path: Path) -> None:
    folder = study_path.parent
    (folder / "vehicles.csv").write_text("demand_id,longitude,latitude\nx,about 5,30\n")
    (folder / "stations.csv").unlink()
    with pytest.raises(InputError) as caught:
        read_inputs(read_study(study_path))
    files = {fault.file for fault in caught.value.faults}
    assert {"vehicles.csv", "stations.csv"} <= {Path(str(file)).name for file in files}


def test_a_foreign_output_folder_is_refused_before_solving(
    study_path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other files"):
        run(study_path, folder)


def test_a_required_site_that_was_left_out_says_why(study_path: Path) -> None:
    change(study_path, "candidates.csv", "candidates.csv, kinds: [parking]")
    table = study_path.parent / "candidates.csv"
    pd.read_csv(table).assign(kind=["fuel", "parking"]).to_csv(table, index=False)
    change(study_path, "1.5e+6}", "1.5e+6, required: [WEST, NOWHERE]}")
    with pytest.raises(StudyError) as caught:
        build_case(read_inputs(read_study(study_path)))
    assert {fault.value: fault.what for fault in caught.value.faults} == {
        "NOWHERE": "no candidate site has this name",
        "WEST": "this candidate was left out: not of a kind asked for: fuel",
    }
    change(study_path, "required: [WEST, NOWHERE]", "forbidden: [WEST]")  # it is out already
    assert build_case(read_inputs(read_study(study_path))).instance.site_ids == ("EAST",)


@pytest.mark.parametrize("table", ["vehicles", "stations", "candidates"])
def test_a_made_row_of_any_table_marks_the_case(study_path: Path, table: str) -> None:
    change(study_path, "illustrative_note: {en: All of this is made up., zh: 全为虚构。}\n", "")
    change(study_path, "vehicles.csv, illustrative: true", "vehicles.csv")
    assert not build_case(read_inputs(read_study(study_path))).illustrative
    path = study_path.parent / f"{table}.csv"
    rows = pd.read_csv(path)
    rows.assign(illustrative=[True] + [False] * (len(rows) - 1)).to_csv(path, index=False)
    assert build_case(read_inputs(read_study(study_path))).illustrative


def test_a_brand_that_the_study_lacks_is_a_fault_of_the_stations(study_path: Path) -> None:
    change(study_path.parent / "stations.csv", ",bee,", ",nio,")
    with pytest.raises(InputError, match="names a brand that the study does not have"):
        read_inputs(read_study(study_path))
