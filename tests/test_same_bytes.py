"""The same inputs give the same bytes, whatever the folder, the time zone or the hash seed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SITING = str(Path(sys.executable).with_name("siting"))
PLACES = ("Asia/Shanghai", "America/New_York", "UTC")


def plan_somewhere(study_path: Path, place: Path, *, turn: int) -> dict[str, bytes]:
    """Plan a copy of the study in a fresh process and a folder of its own; return every file."""
    shutil.copytree(study_path.parent, place / f"inputs {turn}")
    out = place / f"out{turn}"
    environment = os.environ | {
        "TZ": PLACES[turn % len(PLACES)],
        "PYTHONHASHSEED": str(turn),
        "NUMBA_NUM_THREADS": str(1 + turn % 2),
        "LC_ALL": ("C", "C.UTF-8")[turn % 2],
    }
    subprocess.run(  # noqa: S603 - siting itself
        [SITING, "plan", str(place / f"inputs {turn}" / study_path.name), "-o", str(out)],
        env=environment,
        check=True,
        capture_output=True,
    )
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def differing(study_path: Path, place: Path, *, n_run: int) -> set[str]:
    place.mkdir()
    first = plan_somewhere(study_path, place, turn=0)
    return {
        name
        for turn in range(1, n_run)
        for name, content in plan_somewhere(study_path, place, turn=turn).items()
        if content != first[name]
    }


def test_two_runs_give_the_same_bytes(
    study_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert differing(study_path, tmp_path_factory.mktemp("runs") / "all", n_run=2) == set()


@pytest.mark.slow
def test_twenty_runs_give_the_same_bytes(
    study_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert differing(study_path, tmp_path_factory.mktemp("runs") / "all", n_run=20) == set()
