"""What a batch is made of: study files, folders of them, and tables of cities and scenarios."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siting.errors import Fault, StudyError
from siting.study import read_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STUDY_FILES = "study*.yaml"
TABLE_SUFFIX = ".csv"
NAME_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
CHANGES_ALL = ("name", "study")


@dataclass(frozen=True, kw_only=True)
class StudyJob:
    """One study of a batch.

    Attributes
    ----------
    name
        Unique in the batch; names the folder of its outputs.
    study_path
        The study file.
    changes
        Keys of the study and the values that replace the file's, as text.
    """

    name: str
    study_path: Path
    changes: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the job as plain JSON, for another process."""
        return asdict(self) | {"study_path": str(self.study_path)}


def job_from_json(values: dict[str, Any]) -> StudyJob:
    """Return the job that `StudyJob.as_json` described."""
    changes = tuple((key, value) for key, value in values["changes"])
    return StudyJob(name=values["name"], study_path=Path(values["study_path"]), changes=changes)


def read_jobs(paths: Sequence[Path]) -> tuple[StudyJob, ...]:
    """Return the studies that files, folders and tables name, in that order.

    Parameters
    ----------
    paths
        Study files; folders, for every ``study*.yaml`` below them; CSV tables with a row per
        study: ``name``, ``study`` (a file, relative to the table), and columns named by keys of
        the study, such as ``requirements.budget_cny``, whose cells replace its values (an empty
        cell replaces nothing).

    Raises
    ------
    StudyError
        With every fault of the tables and of the names; a study file that is itself at fault is
        not one of them, for it fails alone when it is run.
    """
    faults: list[Fault] = []
    jobs: list[StudyJob] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob(STUDY_FILES))
            jobs += [_whole_study(file) for file in found]
            if not found:
                faults.append(_fault(path, f"holds no {STUDY_FILES}", "name the study files"))
        elif path.suffix.lower() == TABLE_SUFFIX:
            jobs += _read_table(path, faults)
        else:
            jobs.append(_whole_study(path))
    faults += _name_faults(jobs)
    if faults:
        raise StudyError(faults)
    return tuple(jobs)


def _whole_study(path: Path) -> StudyJob:
    """Name a study file after itself or, if all are called study.yaml, after its folder."""
    name = path.stem if path.stem != "study" else path.resolve().parent.name
    return StudyJob(name=name, study_path=path.resolve())


def _name_faults(jobs: Sequence[StudyJob]) -> Iterator[Fault]:
    for name, count in Counter(job.name.casefold() for job in jobs).items():
        if count > 1:
            yield Fault(
                column="name",
                value=name,
                what=f"{count} studies of the batch have this name",
                remedy="give each its own, in a table or by its file's name",
            )
    for job in jobs:
        if not NAME_PATTERN.match(job.name):
            yield Fault(
                file=job.study_path.name,
                column="name",
                value=job.name[:80],
                what="cannot name a folder",
                remedy="use letters, digits, dots, dashes and underscores, 64 at most",
            )


def _read_table(path: Path, faults: list[Fault]) -> list[StudyJob]:
    """Read a table of studies; what is wrong with it is added to ``faults``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = list(csv.reader(stream, strict=True)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is not CSV in UTF-8"
        faults.append(_fault(path, f"cannot be read: {reason}", "give a readable CSV table"))
        return []
    missing = [column for column in CHANGES_ALL if column not in header]
    twice = sorted({column for column in header if header.count(column) > 1})
    faults += [
        _fault(path, "this column is missing", "add it", column=column) for column in missing
    ]
    faults += [
        _fault(path, "this column stands twice", "remove one", column=column) for column in twice
    ]
    if missing or twice:
        return []
    jobs = []
    for number, cells in enumerate(rows, start=1):
        if not any(cells):
            continue
        if len(cells) != len(header):
            what = f"the row has {len(cells)} cells, the header {len(header)}"
            faults.append(_fault(path, what, "put texts with commas in quotes", row=number))
            continue
        if any("\0" in cell for cell in cells):
            what = "a cell holds a character that no text has"
            faults.append(_fault(path, what, "save it as text", row=number))
            continue
        values = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        name, study = values.pop("name"), values.pop("study")
        job = StudyJob(
            name=name,
            study_path=(path.resolve().parent / study).resolve(),
            changes=tuple((key, value) for key, value in values.items() if value),
        )
        faults += _change_faults(job, table=path, row=number)
        jobs.append(job)
    return jobs


def _change_faults(job: StudyJob, *, table: Path, row: int) -> list[Fault]:
    """Return the faults that a row's changes bring into its study."""
    keys = {key for key, _ in job.changes}
    try:
        read_study(job.study_path, changes=dict(job.changes))
    except StudyError as error:
        return [
            Fault(
                file=table.name,
                row=row,
                column=fault.column,
                value=fault.value,
                what=fault.what,
                remedy=fault.remedy,
            )
            for fault in error.faults
            if fault.column is not None and fault.column.replace("[", ".").replace("]", "") in keys
        ]
    return []


def _fault(
    path: Path, what: str, remedy: str, *, row: int | None = None, column: str | None = None
) -> Fault:
    return Fault(file=path.name, row=row, column=column, what=what, remedy=remedy)
