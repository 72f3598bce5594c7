"""Who may read what siting writes: its owner alone, unless sharing is asked for."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from siting.batch.surveys import share_survey
from siting.cli import app
from siting.inputs.roads import read_compact_roads, write_compact_roads
from siting.pipeline import read_inputs, read_study
from siting.storage import SHARE_VARIABLE, write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
USUAL_UMASK = 0o022


@pytest.fixture(autouse=True)
def usual_umask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(SHARE_VARIABLE, "")
    before = os.umask(USUAL_UMASK)
    yield
    os.umask(before)


def write_everything(study: Path, out: Path) -> None:
    """Run every command that writes, into one folder."""
    text = study.read_text(encoding="utf-8").replace("name: Bee}", "name: Bee, budget_cny: 1e6}")
    text = text.replace("name_zh: 蚁}", "name_zh: 蚁, budget_cny: 1e6}")
    text = text.replace("{budget_cny: 1.5e+6}", "{budget_cny: 2e+6}")
    study.write_text(f"{text}alliance: {{rule: shapley}}\n", encoding="utf-8")
    pings = study.parent / "pings.parquet"
    rows = {"vehicle_id": np.arange(20), "brand": "ant", "longitude": 114.3, "latitude": 30.6}
    pd.DataFrame(rows).to_parquet(pings)
    stations = study.parent / "stations.csv"
    for command in (
        ["plan", study, "-o", out / "plan"],
        ["report", out / "plan"],
        ["check", study, "-o", out / "check"],
        ["frontier", study, "-o", out / "frontier", "--budgets", "1e6,2e6"],
        ["compare", out / "plan", out / "plan", "-o", out / "compare.html"],
        ["alliance", study, "-o", out / "alliance", "--workers", "1"],
        ["stations", "merge", stations, "-o", out / "stations.csv"],
        ["vehicles", "count", pings, "-o", out / "cells.csv"],
        ["batch", study, "-o", out / "batch", "--workers", "1"],
    ):
        result = CliRunner().invoke(app, [str(part) for part in command], catch_exceptions=False)
        assert result.exit_code == 0, (command, result.output)


def modes_of(folder: Path) -> dict[str, str]:
    """Return the modes of all that is in a folder, locks included."""
    return {
        str(path.relative_to(folder)): stat.filemode(path.stat().st_mode)
        for path in sorted([folder, *folder.rglob("*")])
    }


def test_outputs_are_their_owners_alone(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_everything(study_path, out)
    modes = modes_of(out)
    assert {"plan/map.html", "plan/report.html", "alliance/ledger.csv", "batch/batch.csv"} <= set(
        modes
    )
    assert {name: mode for name, mode in modes.items() if mode[4:] != "------"} == {}


def test_outputs_are_shared_when_asked(study_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["--share", "batch", str(study_path), "-o", str(out), "--workers", "1"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert set(modes_of(out).values()) == {"drwxr-xr-x", "-rw-r--r--"}


def test_roads_and_surveys_kept_for_later_are_their_owners_alone(
    study_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "kept"
    roads = read_compact_roads(study_path.parent / "roads.npz")
    write_compact_roads(roads, out / "cache" / "roads.npz")
    share_survey(read_inputs(read_study(study_path)), out / "surveys")
    assert set(modes_of(out).values()) == {"drwx------", "-rw-------"}


def test_a_shared_file_that_is_written_again_becomes_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "one.csv"
    monkeypatch.setenv(SHARE_VARIABLE, "1")
    write_file(path, b"old")
    assert stat.filemode(path.stat().st_mode) == "-rw-r--r--"
    monkeypatch.setenv(SHARE_VARIABLE, "0")
    write_file(path, b"new")
    assert stat.filemode(path.stat().st_mode) == "-rw-------"
