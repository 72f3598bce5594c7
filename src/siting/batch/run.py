"""Running a batch: on this machine's processes, or on a Dask cluster that sees the same files."""

from __future__ import annotations

import math
import os
import queue
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from siting.batch.child import StudyProcess, read_resident_mib
from siting.batch.records import STATE_FOLDER, StudyRecord
from siting.batch.tables import write_tables
from siting.errors import Fault, InputError, OutputError
from siting.outputs.files import hold_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from siting.batch.jobs import StudyJob


DEFAULT_TIMEOUT_S = 3600.0
SECONDS_BETWEEN_TABLES = 5.0


def ignore_record(_record: StudyRecord) -> None:
    """Take no note of a study's end; the default of every ``on_record``."""


@contextmanager
def hold_batch(folder: Path) -> Iterator[None]:
    """Hold a batch's folder; the lock of a run that died is free by itself.

    Raises
    ------
    OutputError
        If another run holds it, the folder holds something else, or it cannot be written.
    """
    state = folder / STATE_FOLDER
    if folder.is_dir() and any(folder.iterdir()) and not state.is_dir():
        what, remedy = "the folder holds other files", "name an empty or new folder with -o"
        raise OutputError([Fault(file=str(folder), what=what, remedy=remedy)])
    with hold_lock(state / "lock", folder=folder, taken="another run works in this folder"):
        yield


def run_batch(
    jobs: Sequence[StudyJob],
    folder: Path,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    memory_mib: float = math.inf,
    on_record: Callable[[StudyRecord], None] = ignore_record,
) -> tuple[StudyRecord, ...]:
    """Run a batch and write its tables; what is done and unchanged is not done again.

    Parameters
    ----------
    jobs
        The studies; `read_jobs` finds them.
    folder
        Where their outputs go, a folder each, and the batch's table and page.
    workers
        How many processes of this machine run at once.
    scheduler
        Address of a Dask scheduler whose workers run the studies instead.
    timeout_s
        How long one study may take.
    memory_mib
        How much memory its process may hold (MiB).
    on_record
        Told of each study as it ends.

    Returns
    -------
    tuple
        What became of each study, in the order of the jobs.

    Raises
    ------
    OutputError
        If another run holds the folder, or it cannot be written.
    InputError
        If there is no scheduler to ask, or the system does not tell a process's memory.
    """
    if math.isfinite(memory_mib):
        _require_memory_told()
    limits = {"timeout_s": timeout_s, "memory_mib": memory_mib}
    records: dict[str, StudyRecord] = {}
    shown_s = -math.inf

    def note(record: StudyRecord) -> None:
        nonlocal shown_s
        records[record.name] = record
        on_record(record)
        if time.monotonic() - shown_s > SECONDS_BETWEEN_TABLES:
            write_tables(jobs, records, folder)
            shown_s = time.monotonic()

    with hold_batch(folder):
        try:
            if scheduler is not None:
                return run_on_dask(jobs, folder, scheduler=scheduler, on_record=note, **limits)
            return run_here(jobs, folder, workers=workers, on_record=note, **limits)
        finally:
            write_tables(jobs, records, folder)


def _require_memory_told() -> None:
    try:
        read_resident_mib(os.getpid())
    except OSError:
        what, remedy = "this system does not tell a process's memory", "leave it out"
        raise InputError([Fault(column="--memory-mib", what=what, remedy=remedy)]) from None


def run_here(
    jobs: Sequence[StudyJob],
    folder: Path,
    *,
    workers: int,
    timeout_s: float,
    memory_mib: float,
    on_record: Callable[[StudyRecord], None],
) -> tuple[StudyRecord, ...]:
    """Run the studies on this machine, each worker in a process of its own.

    Parameters
    ----------
    jobs
        The studies.
    folder
        Where their outputs go, a folder each.
    workers
        How many run at once.
    timeout_s
        How long one study may take.
    memory_mib
        How much memory its process may hold (MiB).
    on_record
        Told of each study as it ends, in the order in which they end.

    Returns
    -------
    tuple
        What became of each study, in the order of the jobs.
    """
    waiting = Queue(jobs)
    ended: queue.Queue[StudyRecord | BaseException] = queue.Queue()
    threads = max(1, (os.cpu_count() or 1) // workers)
    crew = [
        StudyProcess(folder, timeout_s=timeout_s, threads=threads, memory_mib=memory_mib)
        for _ in range(min(workers, len(jobs)))
    ]

    def work(process: StudyProcess) -> None:
        last: StudyJob | None = None
        try:
            while (job := waiting.take(after=last)) is not None:
                ended.put(process.run(job))
                last = job
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            ended.put(error)
        finally:
            process.kill()

    threads_at_work = [
        threading.Thread(target=work, args=(process,), daemon=True) for process in crew
    ]
    for thread in threads_at_work:
        thread.start()
    records: dict[str, StudyRecord] = {}
    try:
        while len(records) < len(jobs):
            record = ended.get()
            if isinstance(record, BaseException):
                raise record
            records[record.name] = record
            on_record(record)
    finally:
        waiting.clear()
        for process, thread in zip(crew, threads_at_work, strict=True):
            process.close()
            thread.join()
    return tuple(records[job.name] for job in jobs)


class Queue:
    """The studies that wait; whoever asks gets one of the city it has just worked on, if any."""

    def __init__(self, jobs: Sequence[StudyJob]) -> None:
        self._lock = threading.Lock()
        self._by_city: dict[str, deque[StudyJob]] = {}
        for job in jobs:
            self._by_city.setdefault(str(job.study_path), deque()).append(job)
        self._begun: set[str] = set()

    def take(self, *, after: StudyJob | None) -> StudyJob | None:
        """Take the next study; None if none waits."""
        with self._lock:
            cities = [city for city, waiting in self._by_city.items() if waiting]
            if not cities:
                return None
            same = str(after.study_path) if after is not None else None
            fresh = [city for city in cities if city not in self._begun]
            city = same if same in cities else fresh[0] if fresh else cities[0]
            self._begun.add(city)
            return self._by_city[city].popleft()

    def clear(self) -> None:
        """Let nothing wait any more."""
        with self._lock:
            self._by_city.clear()


def run_on_dask(
    jobs: Sequence[StudyJob],
    folder: Path,
    *,
    scheduler: str,
    timeout_s: float,
    memory_mib: float,
    on_record: Callable[[StudyRecord], None],
) -> tuple[StudyRecord, ...]:
    """Run the studies on a Dask cluster whose workers see the same files.

    A worker that dies costs the study that it was at, which another worker takes up.

    Parameters
    ----------
    jobs, folder, timeout_s, memory_mib, on_record
        As in `run_here`.
    scheduler
        Address of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Raises
    ------
    InputError
        If the extra is not installed or no scheduler answers.
    """
    try:
        from distributed import Client, as_completed  # noqa: PLC0415 - an extra
    except ImportError:
        what, remedy = "Dask is not installed", "pip install 'siting[distributed]'"
        raise InputError([Fault(column="--scheduler", what=what, remedy=remedy)]) from None
    try:
        client = Client(scheduler, timeout=10, set_as_default=False)
    except OSError:
        what, remedy = "no scheduler answers", "check the address; `dask scheduler` prints it"
        fault = Fault(column="--scheduler", value=scheduler, what=what, remedy=remedy)
        raise InputError([fault]) from None
    records: dict[str, StudyRecord] = {}
    with client:
        futures = [
            client.submit(
                run_in_child, job, folder, timeout_s=timeout_s, memory_mib=memory_mib, pure=False
            )
            for job in jobs
        ]
        try:
            for future in as_completed(futures, loop=client.loop):
                record = future.result()
                records[record.name] = record
                on_record(record)
        except BaseException:
            client.cancel(futures)
            raise
    return tuple(records[job.name] for job in jobs)


_CHILD = threading.local()


def run_in_child(
    job: StudyJob, folder: Path, *, timeout_s: float, memory_mib: float = math.inf
) -> StudyRecord:
    """Run a study in the child process that belongs to this thread of a Dask worker."""
    child: StudyProcess | None = getattr(_CHILD, "process", None)
    if child is None:
        child = _CHILD.process = StudyProcess(
            folder, timeout_s=timeout_s, threads=1, memory_mib=memory_mib
        )
    return child.run(job)
