"""`siting verify`: a right plan passes, and whatever is changed in it is found."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from siting.cli import app
from siting.errors import ExitCode, InputError
from siting.pipeline import run
from siting.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def out(study_path: Path, tmp_path: Path) -> Path:
    run(study_path, tmp_path / "out")
    return tmp_path / "out"


def faults_of(folder: Path) -> list[str]:
    return [fault for check in verify_folder(folder) for fault in check.faults]


def rewrite(folder: Path, name: str, change: Callable[[str], str]) -> None:
    """Change a file and put its new hash into the manifest, as who wants to deceive would."""
    path = folder / name
    text = path.read_text(encoding="utf-8-sig")
    changed = change(text)
    assert changed != text
    path.write_bytes(changed.encode("utf-8-sig"))
    edit_manifest(
        folder,
        lambda manifest: manifest["files_sha256"].update(
            {name: hashlib.sha256(path.read_bytes()).hexdigest()}
        ),
    )


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "plan.json"
    manifest = json.loads(path.read_bytes())
    edit(manifest)
    path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def test_a_right_plan_holds(out: Path, study_path: Path) -> None:
    checks = verify_folder(out)
    assert [check.name for check in checks] == [
        "files",
        "sites",
        "flows",
        "objective",
        "tables",
        "ledger",
        "proof",
    ]
    assert [fault for check in checks for fault in check.faults] == []
    result = CliRunner().invoke(app, ["verify", str(out), "--study", str(study_path)])
    assert result.exit_code == ExitCode.OK, result.output
    assert "holds  inputs" in result.stdout


def test_another_input_is_found(out: Path, study_path: Path) -> None:
    with (study_path.parent / "vehicles.csv").open("a", encoding="utf-8") as stream:
        stream.write("more,114.3,30.6,1,1\n")
    result = CliRunner().invoke(app, ["verify", str(out), "--study", str(study_path)])
    assert result.exit_code == ExitCode.UNVERIFIED
    assert "vehicles.csv is not the file that was read" in result.stdout
    assert "another instance" in result.stdout


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        ("flows.csv", "home,WEST,ant,600.0", "home,WEST,ant,600.001", "served beyond demand"),
        ("flows.csv", "home,WEST,ant,600.0", "home,WEST,ant,599.999", "not what is stated"),
        ("flows.csv", "home,WEST,ant,600.0", "home,WEST,ant,600.0001", "no whole number"),
        ("flows.csv", "home,WEST,ant,600.0", "home,EAST,ant,600.0", "out of reach"),
        ("flows.csv", "home,WEST,bee", "home,WEST,ant", "stands twice"),
        ("flows.csv", "shop,WEST,bee", "shop,EAST,bee", "gives more than it can"),
        ("sites.csv", "WEST,", "EAST,", "sites.csv and the manifest list other sites"),
        ("sites.csv", ",1000000.0,", ",999999.0,", "cost_cny of WEST is not"),
    ],
)
def test_a_changed_answer_is_found_though_its_hash_fits(
    out: Path, name: str, old: str, new: str, says: str
) -> None:
    rewrite(out, name, lambda text: text.replace(old, new, 1))
    assert any(says in fault for fault in faults_of(out)), faults_of(out)


def test_a_changed_byte_and_a_file_too_many_are_found(out: Path) -> None:
    for name in ("map.html", "sites.geojson"):
        content = (out / name).read_bytes()
        (out / name).write_bytes(content[:-1] + b" ")
        assert f"{name} has changed" in faults_of(out)
        (out / name).write_bytes(content)
    (out / "more.txt").touch()
    assert faults_of(out) == ["more.txt is not in the manifest"]
    (out / "more.txt").unlink()
    (out / "map.html").unlink()
    assert faults_of(out) == ["map.html is missing"]
    (out / "instance.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match="cannot be read"):
        verify_folder(out)


def test_a_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["verify", str(tmp_path)])
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "holds no" in result.stderr
