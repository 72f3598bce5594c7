"""What became of each study, kept in small files so that a batch goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from siting.outputs.files import MANIFEST_NAME, sha256
from siting.outputs.manifest import names_only
from siting.storage import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from importlib.resources.abc import Traversable
    from pathlib import Path

    from siting.study import Study

STATE_FOLDER = ".batch"
NUMERIC_PACKAGES = ("numpy", "scipy", "numba", "ortools", "shapely", "pyproj", "h3")


class Outcome(StrEnum):
    """What became of a study."""

    PLANNED = "planned"
    INFEASIBLE = "infeasible"
    NO_PLAN = "no plan within the limits"
    BAD_INPUT = "bad input"
    FAILED = "failed"
    CRASHED = "crashed"
    TIMED_OUT = "timed out"
    TOO_LARGE = "too much memory"


SETTLED = frozenset({Outcome.PLANNED, Outcome.INFEASIBLE, Outcome.NO_PLAN, Outcome.BAD_INPUT})
"""What the same inputs would only come to again."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a plan comes to, for the batch's table."""

    status: str
    gap: float
    objective_kwh_per_day: float
    bound_kwh_per_day: float
    n_sites: int
    cost_cny: float
    budget_cny: float
    share_today: float
    share_unified: float
    share_planned: float
    illustrative: bool


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """What became of one study of a batch.

    Attributes
    ----------
    name
        The study's name in the batch.
    outcome
        What became of it.
    digest
        Hash of all that the outcome depends on; empty where that could not be read.
    reasons
        Why there is no plan, one fault a line.
    figures
        What the plan comes to; None if there is none.
    manifest_sha256
        Hash of the manifest of its outputs; empty if there is none.
    wall_s, peak_mib
        Time taken, and the most memory that its process had held by then.
    reused
        Whether it was done before and is unchanged.
    """

    name: str
    outcome: Outcome
    digest: str = ""
    reasons: tuple[str, ...] = ()
    figures: Figures | None = None
    manifest_sha256: str = ""
    wall_s: float = 0.0
    peak_mib: float = 0.0
    reused: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the record as plain JSON."""
        return asdict(self)


def record_from_json(values: Mapping[str, Any]) -> StudyRecord:
    """Return the record that `StudyRecord.as_json` described."""
    figures = values["figures"]
    return StudyRecord(
        **{
            **values,
            "outcome": Outcome(values["outcome"]),
            "reasons": tuple(values["reasons"]),
            "figures": None if figures is None else Figures(**figures),
        }
    )


def write_record(record: StudyRecord, folder: Path) -> None:
    """Keep a record in the batch's folder, complete or not at all."""
    text = json.dumps(record.as_json(), ensure_ascii=False, indent=1)
    write_file(_record_path(record.name, folder), text.encode())


def read_record(name: str, folder: Path) -> StudyRecord | None:
    """Return the record of a study by its name; None if there is none that can be read."""
    try:
        text = _record_path(name, folder).read_text(encoding="utf-8")
        return record_from_json(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def find_done(name: str, digest: str, folder: Path) -> StudyRecord | None:
    """Return the record of a study that is done, unchanged, and whose outputs stand."""
    record = read_record(name, folder)
    if record is None or record.digest != digest or record.outcome not in SETTLED:
        return None
    if record.outcome is Outcome.PLANNED and record.manifest_sha256 != hash_manifest(name, folder):
        return None
    return record


def hash_manifest(name: str, folder: Path) -> str:
    """Return the hash of the manifest of a study's outputs; empty if there is none."""
    try:
        return sha256((folder / name / MANIFEST_NAME).read_bytes())
    except OSError:
        return ""


def compute_digest(study: Study, input_sha256: Mapping[str, str]) -> str:
    """Return a hash of the study, its inputs, siting's own code and what it computes with."""
    parts = {
        "study": names_only(study.model_dump(mode="json")),
        "inputs": dict(sorted(input_sha256.items())),
        "code": hash_code(),
        "packages": {name: version(name) for name in NUMERIC_PACKAGES},
    }
    return sha256(json.dumps(parts, sort_keys=True).encode())


@cache
def hash_code() -> str:
    """Return a hash of the installed package, every module and asset of it."""
    found = hashlib.sha256()
    for name, content in sorted(_walk(resources.files("siting"), "")):
        found.update(f"{name}\0{len(content)}\0".encode())
        found.update(content)
    return found.hexdigest()


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        if item.is_dir() and item.name not in {"__pycache__", "data"}:
            yield from _walk(item, f"{prefix}{item.name}/")
        elif item.is_file() and not item.name.endswith(".pyc"):
            yield f"{prefix}{item.name}", item.read_bytes()


def _record_path(name: str, folder: Path) -> Path:
    return folder / STATE_FOLDER / "records" / f"{name}.json"
