"""Reading in a child process: under caps, with the same answers, and nothing left of the child."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from typer.testing import CliRunner

from siting import apart, pipeline
from siting.apart import (
    MEMORY_VARIABLE,
    TIME_VARIABLE,
    Caps,
    call_apart,
    capped,
    find_caps,
)
from siting.batch import surveys
from siting.batch.surveys import share_inputs
from siting.cli import app
from siting.domain import Stage, ignore_stage
from siting.errors import ExitCode, Fault, InputError, StudyError
from siting.pipeline import read_apart, read_study

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Tell = Callable[[Stage], None]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone keeps such limits")

AMPLE = Caps(memory_mib=500, cpu_s=20)
MOST_S = 5.0
HOLD_ON = "ctypes.PyDLL(None).sleep(600)"  # native code that never lets the interpreter go


def call(read: Callable[[Tell], Any], caps: Caps = AMPLE, on_stage: Tell = ignore_stage) -> Any:  # noqa: ANN401 - what the reader returns
    return call_apart(read, caps=caps, name="toy", on_stage=on_stage)


def refuse(read: Callable[[Tell], Any], caps: Caps = AMPLE) -> str:
    """Return the one fault that a reader ends in, and see that nothing is left of its process."""
    before = find_children()
    with pytest.raises(InputError) as caught:
        call(read, caps)
    (fault,) = caught.value.faults
    assert fault.file == "toy"
    assert find_children() <= before
    return str(fault)


def find_children() -> set[int]:
    """Return our children, zombies too; other tests of the same worker may have left some."""
    children = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state_and_parent = path.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended since
            continue
        if int(state_and_parent[1]) == os.getpid():
            children.add(int(path.parent.name))
    return children


def eat_as_python(_: Tell) -> None:
    eaten = []
    while True:
        eaten.append(bytes(1 << 20))


def eat_as_native_code(_: Tell) -> int:
    return sum(len(array) for array in [np.ones(10_000_000) for _ in range(8)])


def never_end(_: Tell) -> None:
    while True:
        pass


def sleep(_: Tell) -> None:
    time.sleep(600)


def crash(tell: Tell) -> None:
    faulthandler.disable()  # pytest's, which would fill the screen
    tell(Stage.READ_ROADS)
    ctypes.string_at(0)


def be_killed(_: Tell) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("eat", [eat_as_python, eat_as_native_code])
def test_a_reader_that_eats_memory_is_refused_with_the_cap(eat: Callable[[Tell], Any]) -> None:
    said = refuse(eat)
    assert "more than 500 MiB of memory" in said
    assert "--read-memory-mib" in said
    assert call(eat_as_native_code, Caps(memory_mib=2000, cpu_s=20)) == 80_000_000


@pytest.mark.parametrize("read", [never_end, sleep])
def test_a_reader_that_never_ends_is_refused_with_the_cap(
    read: Callable[[Tell], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if read is never_end:  # the clock would end it as well
        monkeypatch.setattr(apart, "CLOCK_PER_CPU", 1000.0)
    began_s = time.monotonic()
    said = refuse(read, Caps(memory_mib=500, cpu_s=0.6))
    assert "more than 0.01 minutes of processor time" in said
    assert "--read-minutes" in said
    assert time.monotonic() - began_s < 20


def test_a_reader_that_crashes_natively_is_refused_with_its_stage(tmp_path: Path) -> None:
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        said = refuse(crash)
    finally:
        os.chdir(here)
    assert f"reading roads ended its process with signal {signal.SIGSEGV:d}" in said
    assert not list(tmp_path.iterdir())  # no core


def test_a_reader_that_is_killed_is_refused() -> None:
    assert "than is free" in refuse(be_killed)


@pytest.mark.parametrize("kind", [InputError, StudyError])
def test_faults_cross_unchanged(kind: type[InputError | StudyError]) -> None:
    faults = tuple(
        Fault(file=f"f{k}", row=k, column="c", value="\u202e", what="w", remedy="r")
        for k in range(300)
    )

    def fail(_: Tell) -> None:
        raise kind(faults)

    with pytest.raises(kind) as caught:
        call(fail)
    assert caught.value.faults == faults


def test_a_mistake_of_sitings_own_is_no_fault_of_the_planners() -> None:
    def divide(_: Tell) -> float:
        return 1 / 0

    with pytest.raises(ZeroDivisionError) as caught:
        call(divide)
    assert "in divide" in caught.value.__notes__[0]


def test_stages_are_told_here_and_what_was_read_is_frozen(study_path: Path) -> None:
    told: list[Stage] = []
    roads = read_apart(read_study(study_path), on_stage=told.append).roads
    assert told == [Stage.READ_ROADS, Stage.READ_TABLES]
    assert not roads.length_m.flags.writeable


def test_caps_grow_with_the_files_and_give_way_to_what_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (MEMORY_VARIABLE, TIME_VARIABLE):
        monkeypatch.delenv(variable, raising=False)
    assert find_caps([tmp_path / "absent"]) == Caps(memory_mib=4096, cpu_s=300)
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1 << 30)  # takes no room on the disk
    assert find_caps([tmp_path / "large"]).memory_mib == 4096 + 32 * 1024
    assert find_caps([tmp_path / "large"]).cpu_s == pytest.approx(300 + 10 * (1 << 30) / 1e6)
    monkeypatch.setenv(MEMORY_VARIABLE, "7")
    monkeypatch.setenv(TIME_VARIABLE, "2")
    assert find_caps([tmp_path / "large"]) == Caps(memory_mib=7, cpu_s=120)


def test_a_batchs_process_puts_the_caps_on_itself(
    study_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "300")
    monkeypatch.setattr(surveys, "read_inputs", lambda *_, **__: eat_as_native_code(ignore_stage))
    with pytest.raises(InputError, match="toy: its files take more than 300 MiB"):
        share_inputs(read_study(study_path), tmp_path / "roads")


def test_caps_on_a_process_itself_are_lifted_again() -> None:
    resource = pytest.importorskip("resource")
    kinds = (resource.RLIMIT_DATA, resource.RLIMIT_CPU)
    before = [resource.getrlimit(kind) for kind in kinds]
    with capped(AMPLE, name="x"):
        assert all(
            resource.getrlimit(kind) != limit for kind, limit in zip(kinds, before, strict=True)
        )
    with (
        pytest.raises(InputError, match="x: its files take more than 500 MiB"),
        capped(AMPLE, name="x"),
    ):
        eat_as_native_code(ignore_stage)
    assert [resource.getrlimit(kind) for kind in kinds] == before


def test_the_command_line_states_the_study_the_cap_and_the_option(
    study_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0")  # so that it is put back afterwards
    monkeypatch.setattr(pipeline, "read_inputs", lambda *_, **__: eat_as_native_code(ignore_stage))
    command = ["--read-memory-mib", "300", "plan", str(study_path), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == ExitCode.BAD_INPUT, result.output
    assert "toy: its files take more than 300 MiB of memory to read" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(params=["time.sleep(600)", HOLD_ON], ids=["sleeping", "holding on"])
def reading(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Return a command that reads without end; the reader's process stands in the file ``pid``."""
    script = tmp_path / "main.py"
    script.write_text(
        "import ctypes, os, sys, time\n"
        "from pathlib import Path\n"
        "from siting import apart, cli, domain\n"
        "def read(_):\n"
        "    Path('pid').write_text(f'{os.getpid()}\\n')\n"
        f"    {request.param}\n"
        "@cli.app.command()\n"
        "def endless():\n"
        "    caps = apart.find_caps([])\n"
        "    with cli._faults_explained():\n"
        "        apart.call_apart(read, caps=caps, name='toy', on_stage=domain.ignore_stage)\n"
        "sys.argv[1:] = ['endless']\n"
        "cli.main()\n",
        encoding="utf-8",
    )
    with subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as run:
        ends_s = time.monotonic() + 60
        while not find_reader(tmp_path):
            assert run.poll() is None, run.communicate()
            assert time.monotonic() < ends_s
            time.sleep(0.02)
        yield run
        run.kill()


def find_reader(folder: Path) -> int | None:
    """Return the reader's process, once it has begun."""
    note = folder / "pid"
    text = note.read_text() if note.is_file() else ""
    return int(text) if text.endswith("\n") else None


def is_left(folder: Path) -> bool:
    """Whether anything is left of a reader: its process, after a while, or a file."""
    ends_s = time.monotonic() + MOST_S
    while Path(f"/proc/{find_reader(folder)}").exists() and time.monotonic() < ends_s:
        time.sleep(0.02)
    names = {path.name for path in folder.iterdir()}
    return Path(f"/proc/{find_reader(folder)}").exists() or names != {"main.py", "pid"}


def test_ctrl_c_while_reading_stops_within_5_s_and_leaves_no_child(
    reading: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.killpg(reading.pid, signal.SIGINT)  # as a terminal does: to both of them
    sent_s = time.monotonic()
    said = reading.communicate(timeout=60)[1]
    assert time.monotonic() - sent_s < MOST_S
    assert reading.returncode == ExitCode.INTERRUPTED, said
    assert said == "Interrupted; nothing was written.\n"
    assert not is_left(tmp_path)


def test_kill_9_of_the_parent_ends_the_child_and_leaves_no_file(
    reading: subprocess.Popen[str], tmp_path: Path
) -> None:
    reading.kill()
    reading.communicate(timeout=60)
    assert not is_left(tmp_path)


def test_kill_9_of_the_child_is_told_and_leaves_no_file(
    reading: subprocess.Popen[str], tmp_path: Path
) -> None:
    os.kill(find_reader(tmp_path) or 0, signal.SIGKILL)
    said = reading.communicate(timeout=60)[1]
    assert reading.returncode == ExitCode.BAD_INPUT, said
    assert "toy: its files take more than" in said
    assert not is_left(tmp_path)
