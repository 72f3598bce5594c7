"""The command line: exit codes, faults in words, never a traceback."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from siting import __version__
from siting.cli import _peak_mib, app
from siting.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

runner = CliRunner()


def test_version_and_schema() -> None:
    assert runner.invoke(app, ["--version"]).output.strip() == f"siting {__version__}"
    schema = json.loads(runner.invoke(app, ["schema"]).stdout)
    assert "budget_cny" in schema["$defs"]["Requirements"]["properties"]


@pytest.mark.parametrize("command", [["check", "STUDY"], ["plan", "STUDY", "-o", "OUT"]])
def test_bad_studies_exit_2_with_every_fault(tmp_path: Path, command: list[str]) -> None:
    study = tmp_path / "bad.yaml"
    study.write_text("name: x\nfoo: 1\n", encoding="utf-8")
    places = {"STUDY": str(study), "OUT": str(tmp_path / "out")}
    result = runner.invoke(app, [places.get(word, word) for word in command])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "foo" in result.stderr
    assert "tiers" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_study_exits_2(tmp_path: Path) -> None:
    result = runner.invoke(app, ["check", str(tmp_path / "absent.yaml")])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "cannot be read" in result.stderr


def test_a_hostile_name_does_not_reach_the_terminal(tmp_path: Path) -> None:
    study = tmp_path / "bad.yaml"
    study.write_text('name: "a\\e]0;owned\\a[bold]x\\u202E"\n', encoding="utf-8")
    result = runner.invoke(app, ["check", str(study)])
    assert "\x1b]0;" not in result.stderr
    assert "\u202e" not in result.stderr
    assert "[bold]x" in result.stderr


def test_where_the_system_tells_no_memory_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _peak_mib() > 1
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert math.isnan(_peak_mib())


def test_check_prints_the_figures_and_draws_them(troubled_study_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    result = runner.invoke(app, ["check", str(troubled_study_path), "-o", str(folder)])
    assert result.exit_code == ExitCode.OK
    assert "ant: 71 vehicles read, 71 placed" in result.stdout
    assert "4 points, 18 vehicles, 180 kWh a day" in result.stdout
    assert "1 planned or closed" in result.stdout
    assert str(folder / "check.html") in result.stdout
    assert [path.name for path in folder.iterdir()] == ["check.html"]
    first = (folder / "check.html").read_bytes()
    # Again, into its own folder: the same bytes.
    assert runner.invoke(app, ["check", str(troubled_study_path), "-o", str(folder)]).exit_code == 0
    assert (folder / "check.html").read_bytes() == first


def test_a_check_without_a_map_writes_nothing(
    troubled_study_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    result = runner.invoke(app, ["check", str(troubled_study_path), "--no-map"])
    assert result.exit_code == ExitCode.OK
    assert "unreachable" in result.stdout
    assert list((tmp_path / "empty").iterdir()) == []
    runner.invoke(app, ["check", str(troubled_study_path)])
    assert (tmp_path / "empty" / "outputs" / "toy-check" / "check.html").is_file()


def test_a_check_refuses_a_foreign_folder_and_leaves_a_plan_alone(
    troubled_study_path: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine", encoding="utf-8")
    result = runner.invoke(app, ["check", str(troubled_study_path), "-o", str(foreign)])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "holds other files" in result.stderr
    assert [path.name for path in foreign.iterdir()] == ["thesis.txt"]
    (foreign / "plan.json").write_text("{}", encoding="utf-8")
    assert (
        runner.invoke(app, ["check", str(troubled_study_path), "-o", str(foreign)]).exit_code == 0
    )
    assert {path.name for path in foreign.iterdir()} == {"thesis.txt", "plan.json", "check.html"}
