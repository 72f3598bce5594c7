"""The few exception types of siting; each carries every fault found, not the first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What the command line returns; documented in the README."""

    OK = 0
    UNEXPECTED = 1
    BAD_INPUT = 2
    INFEASIBLE = 3
    NO_PLAN = 4
    PARTIAL = 5
    UNVERIFIED = 6
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong (or worth a warning), where it is, and what to do about it.

    Attributes
    ----------
    what
        What is wrong, in the planner's words.
    remedy
        What to do about it.
    file, row, column, value
        Where it stands; ``row`` counts data rows from 1, the header left out. ``column`` is also
        used for the place inside a study file, such as ``tiers[0].cost_cny``.
    """

    what: str
    remedy: str
    file: str | None = None
    row: int | None = None
    column: str | None = None
    value: str | None = None

    def __str__(self) -> str:
        """Return the fault on one line: place, value, fault, remedy."""
        place = ", ".join(
            part
            for part in (
                self.file,
                None if self.row is None else f"row {self.row}",
                self.column,
                None if self.value is None else f"value {self.value!r}",
            )
            if part
        )
        return f"{place}: {self.what} → {self.remedy}" if place else f"{self.what} → {self.remedy}"


class SitingError(Exception):
    """Base of all errors that siting raises on purpose.

    Parameters
    ----------
    faults
        Every fault found; at least one.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(faults)
        if not self.faults:
            raise ValueError("an error of siting carries at least one fault")
        super().__init__("\n".join(map(str, self.faults)))

    def __reduce__(self) -> tuple[type[SitingError], tuple[tuple[Fault, ...]]]:
        """Pickle by the faults, so that a worker process can hand its error back."""
        return type(self), (self.faults,)


class StudyError(SitingError):
    """The study file asks for something that cannot be read or makes no sense."""

    exit_code = ExitCode.BAD_INPUT


class InputError(SitingError):
    """An input file cannot be read or breaks its contract."""

    exit_code = ExitCode.BAD_INPUT


class OutputError(SitingError):
    """An output cannot be written where it was asked for."""

    exit_code = ExitCode.BAD_INPUT


class InfeasibleError(SitingError):
    """No plan can meet the study's requirements; the faults name those that conflict."""

    exit_code = ExitCode.INFEASIBLE


class UnverifiedError(SitingError):
    """A written plan does not hold when it is recomputed; the faults say where."""

    exit_code = ExitCode.UNVERIFIED


class SolveError(SitingError):
    """The solver stopped without a plan."""

    exit_code = ExitCode.NO_PLAN
