"""A written plan, read from its folder to be shown again: the manifest, and what the map draws."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from siting.domain import Facility, SolveStatus
from siting.errors import Fault, InputError
from siting.outputs.files import MANIFEST_NAME, sha256
from siting.outputs.map_payload import PAYLOAD_VERSION
from siting.outputs.page import Both
from siting.outputs.units import name_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MAP_NAME, CERTIFICATE_NAME = "map.html", "certificate.json"
REMEDY = "name the output folder of `siting plan`, or run `siting plan` again"
NEEDED = frozenset(
    {
        "facility",
        "title",
        "solve",
        "sites",
        "cost_cny",
        "service_by_brand",
        "service_by_district",
        "ledger",
        "inputs_sha256",
        "files_sha256",
        "versions",
        "study_as_read",
    }
)
# No "<" stands in the data itself: the page escapes it.
_DATA = re.compile(rb'<script type="application/json" id="siting-data">([^<]*)</script>')


@dataclass(frozen=True, kw_only=True)
class WrittenPlan:
    """What a folder says of its plan.

    Attributes
    ----------
    folder
        Where it was read.
    manifest
        ``plan.json``.
    manifest_sha256
        Its hash, by which a page can be held to its plan.
    drawing
        What the map shows, see `siting.outputs.map_payload`.
    certified
        Whether a certificate was written with the plan.
    """

    folder: Path
    manifest: dict[str, Any]
    manifest_sha256: str
    drawing: dict[str, Any]
    certified: bool

    @cached_property
    def facility(self) -> Facility:
        """What is sited."""
        return Facility(self.manifest["facility"])

    @property
    def study(self) -> dict[str, Any]:
        """The study as it was read."""
        return dict(self.manifest["study_as_read"])

    @property
    def solve(self) -> dict[str, Any]:
        """Status, objective, bound and gap."""
        return dict(self.manifest["solve"])

    @property
    def proven(self) -> bool:
        """Whether the plan is proven within the gap asked for."""
        return bool(self.solve["status"] == SolveStatus.OPTIMAL)

    def read(self, row: Mapping[str, Any], name: str) -> float:
        """Return a quantity of a row of the manifest, given by its name inside: kWh a day."""
        return float(row[name_unit(name, self.facility)])

    @cached_property
    def title(self) -> Both:
        """The study's title."""
        return as_both(self.manifest["title"])

    @cached_property
    def brands(self) -> dict[str, Both]:
        """The brands' names by id, in the study's order."""
        return {brand["id"]: as_both(brand["name"]) for brand in self.drawing["study"]["brands"]}

    @cached_property
    def tiers(self) -> dict[str, Both]:
        """The tiers' names by id, in the study's order."""
        return {tier["id"]: as_both(tier["name"]) for tier in self.drawing["study"]["tiers"]}

    @cached_property
    def districts(self) -> dict[str, Both]:
        """The districts' names by id."""
        drawn = self.drawing["districts"]
        return {key: as_both(name) for key, name in zip(drawn["id"], drawn["name"], strict=True)}

    @cached_property
    def served(self) -> dict[str, float]:
        """What is wanted of all brands, and served in each state (kWh/day)."""
        rows = self.manifest["service_by_brand"]
        return {
            state: sum(self.read(row, f"{state}_kwh_per_day") for row in rows)
            for state in ("wanted", "today", "unified", "joint")
        }

    def share(self, state: str) -> float:
        """Return the share of what is wanted that is served in a state."""
        wanted = self.served["wanted"]
        return self.served[state] / wanted if wanted else 0.0


def read_written_plan(folder: Path) -> WrittenPlan:
    """Read a written plan; its map must be the one that its manifest was written with.

    Raises
    ------
    InputError
        If the folder holds no plan, a file is not as it was written, or another version wrote it.
    """
    try:
        written = (folder / MANIFEST_NAME).read_bytes()
        manifest = json.loads(written)
    except OSError as error:
        raise _unread(folder, [f"holds no plan: {error.strerror or error}"]) from None
    except ValueError:
        raise _unread(folder / MANIFEST_NAME, ["is no JSON"]) from None
    if not isinstance(manifest, dict) or not manifest.keys() >= NEEDED:
        raise _unread(folder / MANIFEST_NAME, ["is no manifest of this version"])
    try:
        page = (folder / MAP_NAME).read_bytes()
    except OSError as error:
        raise _unread(folder / MAP_NAME, [f"cannot be read: {error.strerror or error}"]) from None
    if sha256(page) != manifest["files_sha256"].get(MAP_NAME):
        raise _unread(folder / MAP_NAME, ["is not the file that the plan was written with"])
    found = _DATA.search(page)
    drawing = json.loads(found[1]) if found else {}
    if drawing.get("version") != PAYLOAD_VERSION:
        raise _unread(folder / MAP_NAME, ["was written by another version of siting"])
    plan = WrittenPlan(
        folder=folder,
        manifest=manifest,
        manifest_sha256=sha256(written),
        drawing=drawing,
        certified=CERTIFICATE_NAME in manifest["files_sha256"],
    )
    try:
        _require_figures(plan)
    except (KeyError, TypeError, ValueError) as error:
        what = f"lacks a figure or has a wrong one: {type(error).__name__} {error}"
        raise _unread(folder / MANIFEST_NAME, [what]) from None
    return plan


def _require_figures(plan: WrittenPlan) -> None:
    """Read every figure that a page needs, and raise where one is missing or is none."""
    manifest, solve = plan.manifest, plan.solve
    for what in ("objective", "bound"):
        plan.read(solve, f"{what}_kwh_per_day")
    figures = [solve["gap"], solve["gap_asked"], manifest["cost_cny"], *plan.served.values()]
    for table in ("service_by_brand", "service_by_district"):
        figures += [row[f"{s}_share"] for row in manifest[table] for s in ("today", "joint")]
    figures += [row["pays_cny"] for row in manifest["ledger"]]
    for row in manifest["sites"]:
        figures += [row["longitude"], row["latitude"], row["cost_cny"]]
        figures += [plan.read(row, f"{what}_kwh_per_day") for what in ("capacity", "energy")]
        if row["tier"] not in plan.tiers:
            raise ValueError(f"no tier {row['tier']}")
    for row in manifest["service_by_brand"]:
        if row["brand"] not in plan.brands:
            raise ValueError(f"no brand {row['brand']}")
    if not all(math.isfinite(figure) for figure in figures):
        raise ValueError("a figure is not finite")


def as_both(text: str | dict[str, str | None] | None) -> Both:
    """Return a text of the data in both languages."""
    if isinstance(text, dict):
        english = str(text["en"])
        return Both(english, str(text.get("zh") or english))
    return Both(text or "", text or "")


def _unread(path: Path, what: Iterable[str]) -> InputError:
    return InputError([Fault(file=str(path), what=each, remedy=REMEDY) for each in what])
