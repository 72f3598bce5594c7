"""Reasons in the folder of a plan: the tables, the map, the hashes, and from the folder alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.errors import ExitCode, StudyError
from siting.outputs.reasons import describe_reasons
from siting.pipeline import (
    build_case,
    explain_plan,
    explain_written,
    plan_robust,
    read_inputs,
    read_study,
    solve_case,
    write_outputs,
    write_reasons,
)
from siting.reasons import glance, know_plan
from siting.verify import verify_folder

if TYPE_CHECKING:
    from pathlib import Path

    from siting.plan import SitingPlan

runner = CliRunner()


@pytest.fixture
def plan(study_path: Path) -> SitingPlan:
    return solve_case(build_case(read_inputs(read_study(study_path))))


def read_map(folder: Path) -> dict[str, Any]:
    page = (folder / "map.html").read_text("utf-8")
    found = re.search(r'id="siting-data">([^<]*)<', page)
    assert found is not None
    return dict(json.loads(found[1]))


def test_the_toy_roads_site_is_explained(plan: SitingPlan) -> None:
    # Home and shop are in reach of `old` too, whose one connector is soon full.
    reasons = explain_plan(plan, asked=["EAST"])
    (west,) = reasons.sites
    assert west.site_id == "WEST"
    assert west.only_kwh_per_day == (0, 0)
    assert sum(west.reach_kwh_per_day) == pytest.approx(1500)
    assert west.loss.proven
    assert reasons.site_table["loss_most_kwh_per_day"].item() == pytest.approx(west.loss.most)
    (east,) = reasons.candidates
    assert east.loss is not None
    assert east.loss.most == pytest.approx(west.loss.most)
    assert "1 proposed: 1 whose loss is proven" in reasons.summary_lines()[0]
    assert "WEST" in reasons._repr_html_()


def test_a_plan_says_why_on_its_map_before_any_other_solve(
    plan: SitingPlan, tmp_path: Path
) -> None:
    write_outputs(plan, tmp_path / "out")
    told = read_map(tmp_path / "out")["reasons"]
    fully = describe_reasons(explain_plan(plan))
    assert told["sites"]["WEST"] == fully["sites"]["WEST"] | {
        "loss": None,
        "enters": [],
        "leaves": [],
    }
    assert told["sites"]["WEST"]["struck_out"] > 0
    assert told["candidates"] == fully["candidates"]
    assert told["alternatives"] == []
    seen = glance(know_plan(plan))
    assert seen.summary_lines()[0] == "sites      1 proposed"
    assert seen.site_table["loss_most_kwh_per_day"].isna().all()


def test_reasons_stand_in_the_map_and_the_plan_still_verifies(
    plan: SitingPlan, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    write_outputs(plan, folder)
    (folder / "report.html").write_text("old")
    reasons = explain_written(folder, plan)
    write_reasons(reasons, folder)
    assert read_map(folder)["reasons"] == describe_reasons(reasons)
    assert {"reasons.csv", "why_not.csv"} <= {path.name for path in folder.iterdir()}
    assert not (folder / "report.html").exists()
    assert all(check.passed for check in verify_folder(folder))


def test_the_folder_alone_gives_the_same_reasons_and_the_same_bytes(
    plan: SitingPlan, tmp_path: Path
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, known in ((one, plan), (other, None)):
        write_outputs(plan, folder)
        write_reasons(explain_written(folder, known, asked=["EAST"]), folder)
        write_reasons(explain_written(folder, known, asked=["EAST"]), folder)
    names = {path.name for path in one.iterdir()}
    assert names == {path.name for path in other.iterdir()}
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_a_plan_for_several_futures_claims_no_reasons_of_one(
    study_path: Path, tmp_path: Path
) -> None:
    futures = "scenarios:\n  - {id: few, name: {en: Few come}, demand: 0.5}\nrobust: {draws: 4}\n"
    study_path.write_text(study_path.read_text(encoding="utf-8") + futures, encoding="utf-8")
    write_outputs(plan_robust(build_case(read_inputs(read_study(study_path)))), tmp_path / "out")
    assert "reasons" not in read_map(tmp_path / "out")
    with pytest.raises(StudyError, match="reasons are given for one future"):
        explain_written(tmp_path / "out")


def test_candidates_left_out_before_solving_are_told_with_their_reason(
    troubled_study_path: Path,
) -> None:
    plan = solve_case(build_case(read_inputs(read_study(troubled_study_path))))
    reasons = explain_plan(plan, asked=["DUMP"])
    told = {reason.site_id: reason for reason in reasons.candidates}
    assert told["DUMP"].detail.startswith("inside an exclusion area")
    assert told["DUMP"].why.value == "left out before solving"


def test_a_study_is_planned_and_explained_in_one_go(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["explain", str(study_path), "-o", str(out), "--site", "EAST", "--loss", "5%"]
    result = runner.invoke(app, command)
    assert result.exit_code == ExitCode.OK, result.stderr
    assert "1 whose loss is proven" in result.stdout
    again = runner.invoke(app, ["explain", str(out), "--alternatives", "0"])
    assert again.exit_code == ExitCode.OK, again.stderr
    assert read_map(out)["reasons"]["candidates"]["EAST"]["forced"] is None


def test_a_study_of_several_periods_is_refused_before_it_is_planned(
    study_path: Path, tmp_path: Path
) -> None:
    halves = [f"  - {{id: {name}, name: {{en: {name}}}, budget_share: 0.5}}\n" for name in "ab"]
    phases = "phases:\n" + "".join(halves)
    study_path.write_text(study_path.read_text(encoding="utf-8") + phases, encoding="utf-8")
    result = runner.invoke(app, ["explain", str(study_path), "-o", str(tmp_path / "out")])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "one period" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--site", "ATLANTIS"], "is no candidate of this plan"),
        (["--loss", "200%"], "is no share"),
        (["--loss", "much"], "is no share"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    plan: SitingPlan, tmp_path: Path, options: list[str], words: str
) -> None:
    out = tmp_path / "out"
    write_outputs(plan, out)
    before = (out / "map.html").read_bytes()
    result = runner.invoke(app, ["explain", str(out), *options])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert words in result.stderr
    assert (out / "map.html").read_bytes() == before
