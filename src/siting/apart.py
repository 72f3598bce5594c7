"""Files of strangers are read in a child process, under caps on its memory and its time.

What a reader takes beyond its caps, and a reader that crashes, ends the child and becomes a fault.
The child is a fork: it costs some 20 ms where a fresh interpreter costs 3 s of imports. It is made
before a solver has threads, runs readers alone, and touches no lock of its parent's. That holds on
Linux, which also keeps such limits; elsewhere, and in notebooks, files are read in place.

This keeps a bomb from taking the machine. It is no sandbox: what the child hands back is trusted.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe, get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from siting.domain import SECONDS_PER_MINUTE, Stage
from siting.errors import Fault, InputError

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

T = TypeVar("T")
MEMORY_VARIABLE, TIME_VARIABLE = "SITING_READ_MEMORY_MIB", "SITING_READ_MINUTES"
BYTES_PER_MIB = 1 << 20
BYTES_PER_MB = 1e6
LEAST_MEMORY_MIB, MEMORY_PER_FILE = 4096.0, 32.0
LEAST_CPU_MINUTES, CPU_S_PER_MB = 5.0, 10.0
CLOCK_PER_CPU = 4.0
"""A reader that sleeps, or waits for the network, has this many times its processor time."""
GRACE_S = 0.5
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, kw_only=True)
class Caps:
    """What reading may take, on top of what the process has taken before.

    Attributes
    ----------
    memory_mib
        Memory that may be written to (MiB); files that are only mapped do not count.
    cpu_s
        Processor time of all threads together (s).
    """

    memory_mib: float
    cpu_s: float


def find_caps(files: Iterable[Path]) -> Caps:
    """Return the caps for some files: those that the environment states, or such as grow with them.

    Parameters
    ----------
    files
        All that will be read; what is no file weighs nothing.
    """
    n_byte = sum(path.stat().st_size for path in files if path.is_file())
    memory_mib = LEAST_MEMORY_MIB + MEMORY_PER_FILE * n_byte / BYTES_PER_MIB
    minutes = LEAST_CPU_MINUTES + CPU_S_PER_MB * n_byte / BYTES_PER_MB / SECONDS_PER_MINUTE
    return Caps(
        memory_mib=float(os.environ.get(MEMORY_VARIABLE, memory_mib)),
        cpu_s=float(os.environ.get(TIME_VARIABLE, minutes)) * SECONDS_PER_MINUTE,
    )


@contextmanager
def capped(caps: Caps, *, name: str) -> Iterator[None]:
    """Hold this process to caps; beyond its time it is ended by SIGXCPU.

    Parameters
    ----------
    caps
        What may be taken from here on.
    name
        Whose files are read, for the fault.

    Raises
    ------
    InputError
        If the memory does not suffice.
    """
    try:
        with _limited(caps):
            yield
    except MemoryError:
        raise InputError([_explain_memory(caps, name)]) from None


@contextmanager
def _limited(caps: Caps) -> Iterator[None]:
    if sys.platform != "linux":
        yield
        return
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[5])
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = {
        resource.RLIMIT_DATA: pages * resource.getpagesize() + caps.memory_mib * BYTES_PER_MIB,
        resource.RLIMIT_CPU: used.ru_utime + used.ru_stime + caps.cpu_s + 1,  # whole seconds
    }
    before = {which: resource.getrlimit(which) for which in most}
    for which, limits in before.items():
        known = [limit for limit in limits if limit != resource.RLIM_INFINITY]
        resource.setrlimit(which, (min([int(most[which]), *known]), limits[1]))
    try:
        yield
    finally:
        for which, limits in before.items():
            resource.setrlimit(which, limits)


def call_apart(
    read: Callable[[Callable[[Stage], None]], T],
    *,
    caps: Caps,
    name: str,
    on_stage: Callable[[Stage], None],
) -> T:
    """Call a reader in a child process under caps, and return what it returns.

    Parameters
    ----------
    read
        Given what to tell of each stage.
    caps
        What it may take.
    name
        Whose files are read, for the fault.
    on_stage
        Told of each stage, in this process.

    Raises
    ------
    InputError
        If a cap did not suffice, or the child crashed.
    Exception
        What the reader raised.
    """
    if sys.platform != "linux":
        with capped(caps, name=name):
            return read(on_stage)
    answers, said = Pipe(duplex=False)
    child = get_context("fork").Process(
        target=_answer, args=(read, caps, name, said, os.getpid()), daemon=True
    )
    with warnings.catch_warnings():  # the threads of OpenBLAS, which knows how to be forked
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    said.close()
    stage, ends_s = "reading", time.monotonic() + CLOCK_PER_CPU * caps.cpu_s
    try:
        while answers.poll(ends_s - time.monotonic()):
            answer = answers.recv()
            if isinstance(answer, Exception):
                raise answer
            if not isinstance(answer, Stage):
                result: T = answer
                return result
            stage = answer.value
            on_stage(answer)
        raise InputError([_explain_time(caps, name, stage)])
    except (EOFError, OSError):  # it ended, perhaps in the middle of its answer
        child.join()
        raise InputError([_explain_death(child.exitcode or 0, caps, name, stage)]) from None
    finally:
        _end(child)
        answers.close()


def _answer(
    read: Callable[[Callable[[Stage], None]], Any],
    caps: Caps,
    name: str,
    said: Connection,
    parent: int,
) -> NoReturn:
    """Read, as the child, and answer; nothing of the parent is flushed or closed on the way out."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the parent, which then ends this
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            with capped(caps, name=name):
                said.send(read(said.send))
    except Exception as error:  # noqa: BLE001 - all of them are for the parent
        error.add_note(traceback.format_exc())
        said.send(error)
    finally:
        os._exit(0)


def _end(child: ForkProcess) -> None:
    """End a child: kindly, so that it leaves no half of a file in a cache, then for certain."""
    child.terminate()
    child.join(GRACE_S)
    child.kill()
    child.join()


def _explain_death(code: int, caps: Caps, name: str, stage: str) -> Fault:
    if -code == signal.SIGXCPU:
        return _explain_time(caps, name, stage)
    if -code == signal.SIGKILL:  # by the system, which was short of memory, or by somebody's hand
        return _explain_memory(caps, name)
    what = f"{stage} ended its process with signal {-code}"
    remedy = "a file of its is damaged, or made to do harm: find out which, and get it anew"
    return Fault(file=name, what=what, remedy=remedy)


def _explain_time(caps: Caps, name: str, stage: str) -> Fault:
    most = f"{caps.cpu_s / SECONDS_PER_MINUTE:g} minutes of processor time"
    what = f"{stage} takes more than {most}, or {CLOCK_PER_CPU:g} times that by the clock"
    return Fault(file=name, what=what, remedy=_allow_more("--read-minutes"))


def _explain_memory(caps: Caps, name: str) -> Fault:
    what = f"its files take more than {caps.memory_mib:,.0f} MiB of memory to read, or than is free"
    return Fault(file=name, what=what, remedy=_allow_more("--read-memory-mib"))


def _allow_more(option: str) -> str:
    return f"look at the largest file; if it is right, allow for more: `siting {option} … COMMAND`"
