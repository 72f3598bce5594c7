"""A written plan, read anew from its folder with nothing but the standard library and NumPy."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from siting.errors import Fault, InputError
from siting.verify.trips import TOURS, TripClaims, read_trip_claims

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANIFEST = "plan.json"
FUTURES = "robust_futures.csv"
WAITING = "waiting.csv"
PHASES, PHASE_FLOWS = "phases.csv", "phase_flows.csv"
SERVICE_CENTRE, KWH = "service_centre", "kwh_per_day"
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
WH_PER_KWH = 1000
MAX_FILE_BYTES = 2_000_000_000


class Flow(NamedTuple):
    """Demand point, supply, brand, pair and watt-hours a day of one flow."""

    i: int
    j: int
    b: int
    pair: int
    wh: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A written plan, as read anew from its folder."""

    manifest: dict[str, Any]
    head: dict[str, Any]
    arrays: dict[str, np.ndarray[Any, Any]]
    sites: list[dict[str, str]]
    flows: list[dict[str, str]]
    files: dict[str, bytes] = field(repr=False)

    @property
    def counts_visits(self) -> bool:
        """Whether service centres are sited, whose service is visits a year."""
        return bool(self.manifest["facility"] == SERVICE_CENTRE)

    def in_unit(self, name: str) -> str:
        """Return a quantity's name as it is written: service centres count visits, not energy."""
        if not self.counts_visits or not name.endswith(KWH):
            return name
        return name.removesuffix(KWH).removeprefix("energy_") + "visits_per_year"

    @cached_property
    def tier_of_site(self) -> dict[int, int]:
        """The tier of every opened site, by index; a site that stands twice is refused."""
        index, tiers = index_of(self.head["site_ids"]), self.head["tiers"]
        found = {index[row["site_id"]]: tiers.index(row["tier"]) for row in self.sites}
        if len(found) != len(self.sites):
            raise ValueError("a site stands twice in sites.csv")
        return found

    @cached_property
    def flow_rows(self) -> list[Flow]:
        """Every flow, its pair found again."""
        return list(_find_flows(self))

    @property
    def has_trips(self) -> bool:
        """Whether the manifest or a file speaks of trips between places."""
        return "trips" in self.manifest or TOURS in self.files

    @property
    def has_phases(self) -> bool:
        """Whether the manifest or a file speaks of several periods."""
        return "phases" in self.manifest or PHASES in self.files

    @property
    def has_futures(self) -> bool:
        """Whether the manifest or a file speaks of several futures."""
        return "robust" in self.manifest or FUTURES in self.files

    @cached_property
    def trips(self) -> TripClaims:
        """The trips between places, none where the plan has none."""
        return read_trip_claims(self.files, self.head["brands"])

    @cached_property
    def trip_wh(self) -> dict[tuple[int, int], Fraction]:
        """What trips take, by index of supply and brand (Wh/day)."""
        supply_of = index_of([*self.head["site_ids"], *self.head["station_ids"]])
        return {(supply_of[name], b): wh for (name, b), wh in self.trips.taken_wh().items()}

    @cached_property
    def taken_wh(self) -> dict[tuple[int, int], Fraction]:
        """What city and trips take together, by index of supply and brand (Wh/day)."""
        taken = defaultdict(Fraction, self.trip_wh)
        for _, j, b, _, wh in self.flow_rows:
            taken[j, b] += wh
        return taken

    @cached_property
    def cost_cny(self) -> Fraction:
        """What the opened tiers cost."""
        costs = self.arrays["tier_cost_cny"]
        return sum((exact(costs[j, k]) for j, k in self.tier_of_site.items()), Fraction(0))


def read_claim(folder: Path) -> Claim:
    """Read a written plan.

    Raises
    ------
    InputError
        If the folder holds no plan that can be read.
    """
    files = _read_files(folder)
    try:
        manifest = json.loads(files[MANIFEST])
        with np.load(io.BytesIO(files["instance.npz"]), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        head = json.loads(arrays.pop("head").tobytes())
        return Claim(
            manifest=manifest,
            head=head,
            arrays=arrays,
            sites=read_csv(files["sites.csv"]),
            flows=read_csv(files["flows.csv"]),
            files=files,
        )
    except KeyError as error:
        raise _refuse(folder, f"holds no {error.args[0]}") from None
    except (ValueError, zipfile.BadZipFile, csv.Error, EOFError, OSError) as error:
        raise _refuse(folder, f"cannot be read: {type(error).__name__} {error}") from None


def _read_files(folder: Path) -> dict[str, bytes]:
    files = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
                raise _refuse(folder, f"holds {path.name}, which no plan has")
            files[path.name] = path.read_bytes()
    except OSError as error:
        raise _refuse(folder, f"cannot be read: {error.strerror}") from None
    return files


def _refuse(folder: Path, what: str) -> InputError:
    return InputError(
        [Fault(file=str(folder), what=what, remedy="name the output folder of `siting plan`")]
    )


def read_csv(content: bytes) -> list[dict[str, str]]:
    """Return a table's rows.

    Raises
    ------
    ValueError
        If it is none.
    """
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    if not rows or any(len(row) != len(rows[0]) for row in rows):
        raise ValueError("a table has no header or rows of different lengths")
    return [dict(zip(rows[0], map(_unquoted, row), strict=True)) for row in rows[1:]]


def _unquoted(text: str) -> str:
    """Return a cell without the apostrophe that keeps spreadsheets from running it."""
    plain = text[1:]
    return plain if text[:1] == "'" and plain.lstrip(" ").startswith(FORMULA_STARTS) else text


def exact(value: Any) -> Fraction:  # noqa: ANN401 - a number from JSON or an array
    """Return a number as it is, to the last bit; what is no finite number is refused."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no finite number")
    return Fraction(number)


def index_of(ids: list[str]) -> dict[str, int]:
    """Return where each id stands."""
    return {name: k for k, name in enumerate(ids)}


def _find_flows(claim: Claim) -> Iterator[Flow]:
    """Yield every flow.

    Raises
    ------
    ValueError, KeyError
        If a flow names what does not exist, a pair out of reach, or no whole watt-hours.
    """
    head, start, supply = claim.head, claim.arrays["cover_start"], claim.arrays["cover_supply"]
    demand_of, brand_of = index_of(head["demand_ids"]), index_of(head["brands"])
    supply_of = index_of([*head["site_ids"], *head["station_ids"]])
    for row in claim.flows:
        i, j, b = demand_of[row["demand_id"]], supply_of[row["supply_id"]], brand_of[row["brand"]]
        begin, end = int(start[i]), int(start[i + 1])
        p = begin + int(np.searchsorted(supply[begin:end], j))
        if p >= end or supply[p] != j:
            raise ValueError(f"{row['supply_id']} is out of reach of {row['demand_id']}")
        wh = Fraction(Decimal(row[claim.in_unit(KWH)])) * WH_PER_KWH
        if wh.denominator != 1:
            raise ValueError(f"{row['kwh_per_day']} kWh is no whole number of watt-hours")
        yield Flow(i, j, b, p, int(wh))
