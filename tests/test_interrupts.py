"""Ctrl-C and SIGTERM stop a run within five seconds, with exit code 130 and nothing torn."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siting.errors import ExitCode
from siting.pipeline import embedded_study_path
from siting.verify import verify_folder

SITING = str(Path(sys.executable).with_name("siting"))
MOST_S = 5.0
LONGEST_WAIT_S = 30.0


@pytest.fixture(scope="module")
def endless_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return Wuhan's study, asked for a gap that takes hours."""
    source = embedded_study_path()
    folder = tmp_path_factory.mktemp("endless") / "wuhan"
    folder.mkdir()
    for path in source.parent.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    (folder / source.name).unlink()
    text = source.read_text(encoding="utf-8")
    for old, new in (
        ("  gap: 0.005\n", "  gap: 0\n"),
        ("time_limit_s: 120\n", "time_limit_s: 9e+9\n"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / source.name).write_text(text, encoding="utf-8")
    return folder / source.name


def read_queued_s(pid: int) -> float:
    """Return how long a process's main thread waited for a core that others had (s)."""
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text("ascii").split()[1]) * 1e-9
    except (OSError, IndexError):  # it has ended, or this is no Linux
        return 0.0


def stop_after(study: Path, out: Path, *, wait_s: float, sent: signal.Signals) -> tuple[float, str]:
    """Start a run, stop it, and return how long it took to end (s) and what it said.

    Time in which other processes had the cores is taken off: the promise is about siting alone.
    """
    with subprocess.Popen(  # noqa: S603 - siting itself
        [SITING, "plan", str(study), "-o", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as run:  # fmt: skip
        lock = out.parent / f".{out.name}.lock"
        began_s = time.monotonic()
        while not lock.exists() and time.monotonic() - began_s < LONGEST_WAIT_S:
            time.sleep(0.05)
        time.sleep(wait_s)
        run.send_signal(sent)
        sent_s, queued_s = time.monotonic(), read_queued_s(run.pid)
        waited_s = queued_s
        while run.poll() is None and time.monotonic() - sent_s < LONGEST_WAIT_S:
            waited_s = max(waited_s, read_queued_s(run.pid))
            time.sleep(0.05)
        took_s = time.monotonic() - sent_s - (waited_s - queued_s)
        said = "".join(run.communicate(timeout=60))
    assert run.returncode == ExitCode.INTERRUPTED, said
    assert "Interrupted" in said
    assert not [path for path in out.parent.iterdir() if path.name.startswith(f".{out.name}-")]
    if out.exists():
        assert all(check.passed for check in verify_folder(out))
    return took_s, said


@pytest.mark.parametrize(
    ("wait_s", "sent"),
    [
        pytest.param(0.5, signal.SIGTERM, id="reading"),
        pytest.param(12.0, signal.SIGINT, id="solving"),
    ],
)
def test_a_run_that_is_told_to_stops(
    endless_study: Path, tmp_path: Path, *, wait_s: float, sent: signal.Signals
) -> None:
    took_s, said = stop_after(endless_study, tmp_path / "out", wait_s=wait_s, sent=sent)
    assert took_s < MOST_S, said


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_run_stops_at_any_moment(endless_study: Path, tmp_path: Path) -> None:
    rng = random.Random(int(os.environ.get("SITING_SEED", "1")))  # noqa: S311 - moments
    took = []
    for number in range(30):
        wait_s, sent = rng.uniform(0, 25), rng.choice([signal.SIGINT, signal.SIGTERM])
        took.append(stop_after(endless_study, tmp_path / f"{number}", wait_s=wait_s, sent=sent)[0])
    print(f"the slowest of {len(took)} took {max(took):.1f} s")  # noqa: T201 - its figure
    assert max(took) < MOST_S
