"""How hard to look, and the watch that every engine asks whether to go on."""

from __future__ import annotations

import math
import signal
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType

# Two numbers that agree to this relative tolerance are one number computed twice in float64.
ROUNDING = 1e-9
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopReason(StrEnum):
    """Why a solve ended."""

    PROVEN = "proven within the gap asked for"
    TIME = "time limit"
    WORK = "work limit"
    INTERRUPTED = "interrupted"
    EXHAUSTED = "the engine has nothing left to try"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a solve stands; infinite numbers mean that nothing is known yet."""

    seconds: float
    objective: float
    bound: float
    gap: float


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When to stop.

    Attributes
    ----------
    gap
        Stop when the plan is proven within this share of its objective.
    time_limit_s
        Stop after this long by the clock (s).
    work_limit
        Stop after this much work, in million pair visits; unlike time, it gives the same answer
        on every machine.
    seed
        Seed of everything random.
    n_threads
        Most threads that a solver may use.
    """

    gap: float = 1e-4
    time_limit_s: float = math.inf
    work_limit: float = math.inf
    seed: int = 0
    n_threads: int = 2


def compute_gap(objective: float, bound: float) -> float:
    """Return |objective − bound| relative to the objective; infinite where either is unknown."""
    if not (math.isfinite(objective) and math.isfinite(bound)):
        return math.inf
    difference = abs(objective - bound)
    if difference <= ROUNDING * max(1.0, abs(objective)):
        return 0.0
    return difference / abs(objective) if objective else math.inf


class Watch:
    """Counts time and work, remembers Ctrl-C, and says when to stop.

    As a context manager it takes SIGINT and SIGTERM over (in the main thread only), so that the
    best plan found so far is returned with its gap; a second Ctrl-C interrupts as usual.
    """

    def __init__(
        self, limits: Limits, *, on_progress: Callable[[Progress], None] | None = None
    ) -> None:
        self.limits = limits
        self.work = 0.0
        self.interrupted = False
        self._gave_up_work = False
        self._on_progress = on_progress
        self._started_s = time.perf_counter()
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        """Take the signals over."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {
                which: signal.signal(which, self._interrupt) for which in STOP_SIGNALS
            }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the signals back."""
        for which, previous in self._previous.items():
            signal.signal(which, previous)  # type: ignore[arg-type]  # it came from signal
        self._previous = {}

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    @property
    def seconds(self) -> float:
        """Time since the start (s)."""
        return time.perf_counter() - self._started_s

    @property
    def remaining_s(self) -> float:
        """Time left (s), never negative."""
        return max(0.0, self.limits.time_limit_s - self.seconds)

    @property
    def remaining_work(self) -> float:
        """Work left (million pair visits), never negative."""
        return max(0.0, self.limits.work_limit - self.work)

    def count_paid(self, pair_visits: float) -> float:
        """Return how many steps of so many pair visits each the work that is left pays for."""
        return self.remaining_work * 1e6 / max(pair_visits, 1.0)

    def spend(self, pair_visits: float) -> None:
        """Book work done."""
        self.work += pair_visits * 1e-6

    def give_up_work(self) -> None:
        """Leave what work is left undone: it does not pay for a single step more."""
        self._gave_up_work = True

    @property
    def stop_reason(self) -> StopReason | None:
        """Why to stop now, or None to go on."""
        if self.interrupted:
            return StopReason.INTERRUPTED
        if self._gave_up_work or self.work >= self.limits.work_limit:
            return StopReason.WORK
        if self.remaining_s <= 0:
            return StopReason.TIME
        return None

    @property
    def must_stop(self) -> bool:
        """Whether to stop wherever one is: what a clock or a key decides need not be repeatable."""
        return self.interrupted or self.remaining_s <= 0

    def report(self, objective: float, bound: float) -> None:
        """Tell the caller where the solve stands."""
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    seconds=self.seconds,
                    objective=objective,
                    bound=bound,
                    gap=compute_gap(objective, bound),
                )
            )
