"""Output folders are complete or absent; spreadsheets run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from siting.errors import OutputError
from siting.outputs import files
from siting.outputs.files import (
    MANIFEST_NAME,
    neutralise_formula,
    render_csv,
    write_file,
    write_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

FIRST = {MANIFEST_NAME: b"{}", "sites.csv": b"a"}
SECOND = {MANIFEST_NAME: b"{1}", "map.html": b"b"}


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_older_output_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    write_folder(folder, FIRST)
    assert content_of(folder) == FIRST
    write_folder(folder, SECOND)
    assert content_of(folder) == SECOND
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds other files"):
        write_folder(tmp_path, FIRST)
    assert content_of(tmp_path) == {"thesis.txt": b"precious"}


def test_a_full_disk_leaves_the_old_output_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    write_folder(folder, FIRST)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_write_synced", full)
    with pytest.raises(OutputError, match="No space left"):
        write_folder(folder, SECOND)
    with pytest.raises(OutputError, match="No space left"):
        write_file(tmp_path / "one.csv", b"x")
    assert content_of(folder) == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_single_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x" / "one.csv"
    write_file(path, b"old")
    write_file(path, b"new")
    assert content_of(path.parent) == {"one.csv": b"new"}


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\tx", " =1"])
def test_a_formula_is_shown_and_not_run(name: str) -> None:
    assert neutralise_formula(name) == f"'{name}"


def test_csv_opens_in_excel_with_chinese_intact() -> None:
    content = render_csv(pd.DataFrame({"name": ["江汉区", "=1+1"], "kwh": [-1.5, 2.0]}))
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.decode("utf-8-sig") == "name,kwh\r\n江汉区,-1.5\r\n'=1+1,2.0\r\n"
