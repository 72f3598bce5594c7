"""Output folders are complete or absent; spreadsheets run nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest

from siting import storage
from siting.errors import ExitCode, OutputError
from siting.outputs import files
from siting.outputs.files import (
    CHECK_NAME,
    MANIFEST_NAME,
    hold_folder,
    neutralise_formula,
    render_csv,
    write_folder,
)
from siting.storage import write_file

FIRST = {MANIFEST_NAME: b"{}", "sites.csv": b"a"}
SECOND = {MANIFEST_NAME: b"{1}", "map.html": b"b"}


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.skipif(os.name != "posix", reason="pipes in folders are POSIX's")
def test_a_pipe_or_a_device_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OutputError, match="a device or a pipe stands there"):
        write_file(pipe, b"page")
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


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

    for module in (files, storage):
        monkeypatch.setattr(module, "write_synced", full)
    with pytest.raises(OutputError, match="No space left"):
        write_folder(folder, SECOND)
    with pytest.raises(OutputError, match="No space left"):
        write_file(tmp_path / "one.csv", b"x")
    assert content_of(folder) == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_disk_that_is_full_in_the_middle_keeps_the_plan_that_was_there(
    study_path: Path,
) -> None:
    """The kernel itself refuses: no file may grow beyond what half of the map takes."""
    resource = pytest.importorskip("resource", reason="this system has no limits of its own")
    out = study_path.parent / "out"
    command = [
        str(Path(sys.executable).with_name("siting")),
        "plan",
        str(study_path),
        "-o",
        str(out),
    ]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - siting itself
    before, most = content_of(out), (out / "map.html").stat().st_size // 2
    full = subprocess.run(  # noqa: S603 - siting itself
        command, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
    )  # fmt: skip
    assert full.returncode == ExitCode.BAD_INPUT
    assert "cannot be written: File too large" in full.stderr
    assert content_of(out) == before
    assert sorted(path.name for path in out.parent.iterdir() if "out" in path.name) == [
        ".out.lock",
        "out",
    ]


def test_a_check_beside_a_plan_stays(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    write_folder(folder, FIRST)
    write_file(folder / CHECK_NAME, b"checked")
    write_folder(folder, SECOND)
    assert content_of(folder) == SECOND | {CHECK_NAME: b"checked"}


def test_a_second_run_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with hold_folder(folder):
        held = subprocess.run(  # noqa: S603 - this interpreter and a script of this file
            [sys.executable, "-c", HOLD, str(folder)], capture_output=True, text=True, check=False
        )
        assert "another run works for this folder" in held.stderr
    with hold_folder(folder):
        pass


HOLD = """
import sys
from pathlib import Path
from siting.outputs.files import hold_folder
with hold_folder(Path(sys.argv[1])):
    pass
"""


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("atomic", [True, False])
def test_kill_9_at_any_point_leaves_an_output_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, atomic: bool
) -> None:
    """200 runs are killed while they replace one output by another, at random points."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    if not atomic:
        monkeypatch.setattr(files, "_exchange", lambda *_: False)
    rng = random.Random(1)  # noqa: S311 - moments, not secrets
    folder = tmp_path / "out"
    write_folder(folder, FIRST)
    for _ in range(100):
        child = os.fork()
        if child == 0:
            with hold_folder(folder):
                while True:
                    write_folder(folder, SECOND)
                    write_folder(folder, FIRST)
        time.sleep(rng.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if atomic:
            assert content_of(folder) in (FIRST, SECOND)
        with hold_folder(folder):
            assert content_of(folder) in (FIRST, SECOND)
            assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "out"]


def test_a_read_only_disk_is_a_clear_error_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path / "out", FIRST)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(files.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(OutputError, match="cannot be written: Read-only file system"):
        write_folder(tmp_path / "out", SECOND)
    assert content_of(tmp_path / "out") == FIRST


NOBODY = 65534


def said_by_nobody(folder: Path) -> str:
    """Try, as a user who owns nothing, to write in every way, and return what is said."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            for write in (
                lambda: write_folder(folder, SECOND),
                lambda: write_file(folder / "one.csv", b"new"),
                lambda: hold_folder(folder).__enter__(),
            ):
                try:
                    write()
                    os.write(writing, b"written\n")
                except OutputError as error:
                    os.write(writing, f"{error}\n".encode())
        except BaseException as error:  # noqa: BLE001 - nothing may get back into pytest
            os.write(writing, f"{error!r}\n".encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, encoding="utf-8") as stream:
        return stream.read()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_a_folder_of_somebody_else_is_a_clear_error_and_stays_as_it_was() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "out")
        write_folder(folder, FIRST)
        for path in (folder.parent, folder, *folder.iterdir()):
            path.chmod(0o755)
        lines = said_by_nobody(folder).splitlines()
        assert len(lines) == 3
        assert all("cannot be written: Permission denied" in line for line in lines)
        assert content_of(folder) == FIRST
        assert [path.name for path in folder.parent.iterdir()] == ["out"]


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
