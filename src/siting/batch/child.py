"""A process of its own for studies, so that one which hangs or crashes takes nothing with it.

The parent writes a job as one line of JSON, the child answers with its record as one line. The
child ends when its parent does: its input closes then, whatever killed the parent.
"""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import subprocess  # siting's own interpreter and module, no shell
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from siting.batch.jobs import StudyJob, job_from_json
from siting.batch.records import Outcome, StudyRecord, record_from_json, write_record

if TYPE_CHECKING:
    from collections.abc import Mapping

LAST_LINES = 5
KIB_PER_MIB = 1024
LONGEST_REASON = 500
# How often a child's memory is looked at; one that begins a study with more than this share of what
# it may take is replaced first, so that no study pays for those before it.
LOOK_S, WORN_SHARE = 0.2, 0.5


class _TooLargeError(Exception):
    """A child took more memory than it may."""


def read_resident_mib(pid: int) -> float:
    """Return the memory that a process holds (MiB), 0 if it has ended; Linux alone tells.

    Raises
    ------
    OSError
        Where the system does not tell.
    """
    pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") / KIB_PER_MIB**2 if pages else 0.0


class StudyProcess:
    """The parent's end: runs studies in a child, and starts another when one has died.

    Parameters
    ----------
    folder
        The batch's folder.
    timeout_s
        How long one study may take.
    threads
        How many threads a study may use.
    memory_mib
        How much memory its process may hold (MiB).
    """

    def __init__(
        self, folder: Path, *, timeout_s: float, threads: int, memory_mib: float = math.inf
    ) -> None:
        self._folder, self._timeout_s, self._threads = folder, timeout_s, threads
        self._memory_mib = memory_mib
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str] = queue.Queue()
        self._closed = False
        self._starting = threading.Lock()

    def run(self, job: StudyJob) -> StudyRecord:
        """Run a study in the child; a death or a hang becomes the study's outcome."""
        with self._starting:  # so that closing never misses a child that is about to be born
            if self._closed:
                return self._lost(job, Outcome.FAILED, "stopped before it began")
            if self._process is not None and self._holds_more_than(WORN_SHARE * self._memory_mib):
                self.kill()
            process = self._process if self._process is not None else self._start()
        jobs = cast("IO[str]", process.stdin)
        try:
            jobs.write(json.dumps(job.as_json()) + "\n")
            jobs.flush()
            answer = self._await_answer()
        except queue.Empty:
            self.kill()
            reason = f"still running after {self._timeout_s:g} s, and stopped"
            return self._lost(job, Outcome.TIMED_OUT, reason)
        except _TooLargeError:
            self.kill()
            reason = f"it took more than {self._memory_mib:g} MiB of memory, and was stopped"
            return self._lost(job, Outcome.TOO_LARGE, reason)
        except (BrokenPipeError, ValueError):
            answer = ""
        if not answer:
            code = process.wait()
            self.kill()
            return self._lost(job, Outcome.CRASHED, _describe_death(code))
        return record_from_json(json.loads(answer))

    def _await_answer(self) -> str:
        """Return the child's answer, an empty one if it has ended.

        Raises
        ------
        queue.Empty
            After the time that a study may take.
        _TooLargeError
            As soon as the child is seen to hold too much memory.
        """
        ends_s = time.monotonic() + self._timeout_s
        while (left_s := ends_s - time.monotonic()) > 0:
            with suppress(queue.Empty):
                bounded = math.isfinite(self._memory_mib)
                return self._answers.get(timeout=min(left_s, LOOK_S) if bounded else left_s)
            if self._holds_more_than(self._memory_mib):
                raise _TooLargeError
        raise queue.Empty

    def _holds_more_than(self, memory_mib: float) -> bool:
        process = self._process
        if process is None or not math.isfinite(memory_mib):
            return False
        try:
            return read_resident_mib(process.pid) > memory_mib
        except OSError:  # it has just ended
            return False

    def kill(self) -> None:
        """End the child; a later `run` starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            with suppress(OSError):  # what it had not read yet
                cast("IO[str]", process.stdin).close()

    def close(self) -> None:
        """End the child for good."""
        with self._starting:
            self._closed = True
        self.kill()

    def _lost(self, job: StudyJob, outcome: Outcome, reason: str) -> StudyRecord:
        record = StudyRecord(name=job.name, outcome=outcome, reasons=(reason,))
        if not self._closed:
            write_record(record, self._folder)
        return record

    def _start(self) -> subprocess.Popen[str]:
        threads = str(self._threads)
        limits = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        process = subprocess.Popen(  # noqa: S603 - siting's own interpreter and module, no shell
            [sys.executable, "-m", "siting.batch.child", str(self._folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **dict.fromkeys(limits, threads)},
            start_new_session=True,  # Ctrl-C is for the parent, which then stops its children
        )
        answers: queue.Queue[str] = queue.Queue()
        threading.Thread(
            target=_pass_on, args=(cast("IO[str]", process.stdout), answers), daemon=True
        ).start()
        self._process, self._answers = process, answers
        return process


def _pass_on(stream: IO[str], answers: queue.Queue[str]) -> None:
    """Pass the child's answers on, and an empty one when it has ended."""
    with stream:
        for line in stream:
            answers.put(line)
    answers.put("")


def _describe_death(code: int) -> str:
    if code == -getattr(signal, "SIGXCPU", 0):  # Windows has none
        return "reading its files took more processor time than it may (`siting --read-minutes`)"
    if code < 0:
        return f"its process was ended by signal {-code}"
    return f"its process ended by itself with code {code}"


def serve(folder: Path, jobs: IO[str], answers: IO[str]) -> None:
    """Answer, as the child, every job with its record until the input closes."""
    from siting.batch.work import StudyWorker  # noqa: PLC0415 - the parent never needs it

    worker = StudyWorker(folder)
    for line in _lines_until_orphaned(jobs):
        job = job_from_json(json.loads(line))
        try:
            record = worker.run(job)
        except Exception:  # noqa: BLE001 - a fault of siting itself fails this study alone
            last = traceback.format_exc().strip().splitlines()[-LAST_LINES:]
            reason = " | ".join(part.strip() for part in last)[-LONGEST_REASON:]
            record = StudyRecord(name=job.name, outcome=Outcome.FAILED, reasons=(reason,))
            write_record(record, folder)
        answers.write(json.dumps(_with_memory(record)) + "\n")
        answers.flush()


def _lines_until_orphaned(jobs: IO[str]) -> Any:  # noqa: ANN401 - an iterator of lines
    """Yield the lines; end this process at once when no more can come, even in mid-study."""
    lines: queue.Queue[str] = queue.Queue()

    def watch() -> None:
        for line in jobs:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    while True:
        yield lines.get()


def _with_memory(record: StudyRecord) -> Mapping[str, Any]:
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return record.as_json()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return record.as_json() | {"peak_mib": peak / KIB_PER_MIB}


if __name__ == "__main__":
    # What native code prints must not mix with the answers: it goes to stderr instead.
    kept = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(Path(sys.argv[1]), sys.stdin, kept)
