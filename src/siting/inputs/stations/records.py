"""What every station feed is read into, and how lenient the reading is.

Feeds are other people's files and never quite clean: an object that cannot be read is left out
with a notice; a feed of which most is unreadable is refused with every fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from siting.errors import Fault, InputError
from siting.inputs.tables import MAX_VALUE_CHARS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siting.study import StationFormat

MAX_BAD_SHARE = 0.5
MAX_NOTICES = 20
MAX_CHARGE_POINTS = 5_000
"""A feed's count beyond this is no count; the greatest stations have a few hundred."""
WATTS_PER_KW = 1000.0


class StationStatus(StrEnum):
    """Whether a station stands; see ``STANDING``."""

    OPERATIONAL = "operational"
    PLANNED = "planned"
    CLOSED = "closed"
    UNKNOWN = "unknown"


STANDING = frozenset({StationStatus.OPERATIONAL, StationStatus.UNKNOWN})
"""What counts as standing today.

``unknown`` is also a station that is out of order for the time being: it will be back before a new
site is built.
"""


class StationAccess(StrEnum):
    """Whether any driver may enter, or only those of the owner."""

    PUBLIC = "public"
    PRIVATE = "private"


class Current(StrEnum):
    """The current that a charge point gives."""

    AC = "AC"
    DC = "DC"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ChargePoint:
    """One place where one car charges at a time; ``power_kw`` is None where the feed lacks it."""

    power_kw: float | None
    current: Current = Current.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class StationRecord:
    """One station as its feed tells it.

    Attributes
    ----------
    row
        Number of the object in the feed, from 1.
    station_id
        The feed's own id, unique in the feed.
    lon_deg, lat_deg
        Coordinates in the feed's datum.
    charge_points
        Empty where the feed does not tell how many there are.
    name, name_en, name_zh
        The name in the local script, in English and in Chinese, as far as given.
    operator, network, owner
        Who runs it, whose network it belongs to and who owns it, as far as given.
    status, access
        Whether it stands, and who may enter.
    own
        The columns that only siting has, where siting wrote the feed.
    """

    row: int
    station_id: str
    lon_deg: float
    lat_deg: float
    charge_points: tuple[ChargePoint, ...] = ()
    name: str = ""
    name_en: str = ""
    name_zh: str = ""
    operator: str = ""
    network: str = ""
    owner: str = ""
    status: StationStatus = StationStatus.OPERATIONAL
    access: StationAccess = StationAccess.PUBLIC
    own: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class StationFeed:
    """The records of one feed, and notices of what was left out of it."""

    file: str
    format: StationFormat
    records: tuple[StationRecord, ...]
    notices: tuple[Fault, ...] = ()


def parse_text(value: object) -> object:
    """Return a text or a number as stripped text, nothing as ``""``."""
    if value is None:
        return ""
    return str(value).strip() if isinstance(value, str | int | float) else value


def parse_number(value: object) -> float | None:
    """Return a positive number, given as number or text; None where there is none."""
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*", str(value))
    return float(match.group(1)) or None if match else None


def parse_power_kw(value: object) -> float | None:
    """Return a power (kW) from a number or a text such as ``120``, ``22 kW`` or ``3700 W``."""
    match = re.fullmatch(r"\s*([0-9]+(?:[.,][0-9]+)?)\s*(kw|w|kva|千瓦)?\s*", str(value).lower())
    if match is None:
        return None
    number = float(match.group(1).replace(",", "."))
    return (number / WATTS_PER_KW if match.group(2) == "w" else number) or None


def parse_count(value: object) -> int | None:
    """Return how many there are; None where that is not told or beyond ``MAX_CHARGE_POINTS``."""
    number = parse_number(value)
    return int(number) if number is not None and number <= MAX_CHARGE_POINTS else None


def parse_code(value: object) -> int | None:
    """Return an enumeration's number, given as number or text; None where there is none."""
    match = re.fullmatch(r"\s*([0-9]{1,9})(?:\.0*)?\s*", str(value))
    return int(match.group(1)) if match else None


def parse_list(value: object) -> object:
    """Return nothing as an empty sequence."""
    return () if value is None else value


Text = Annotated[str, BeforeValidator(parse_text)]
NonEmptyText = Annotated[str, BeforeValidator(parse_text), Field(min_length=1)]
Number = Annotated[float | None, BeforeValidator(parse_number)]
Count = Annotated[int | None, BeforeValidator(parse_count)]
Code = Annotated[int | None, BeforeValidator(parse_code)]
PowerKw = Annotated[float | None, BeforeValidator(parse_power_kw)]
Degrees = Annotated[float, Field(allow_inf_nan=False)]
OrEmpty = BeforeValidator(parse_list)


class WireModel(BaseModel):
    """An object of a feed; the formats are open, so unknown fields and values are no faults."""

    model_config = ConfigDict(frozen=True, extra="ignore")


M = TypeVar("M", bound=WireModel)


def parse_objects(
    model: type[M], objects: Sequence[tuple[int, Any]], *, kind: StationFormat, file: str
) -> tuple[list[tuple[int, M]], list[Fault]]:
    """Parse a feed's objects one by one.

    Parameters
    ----------
    model
        The form of one object.
    objects
        Row and content of each.
    kind, file
        Format and file, for the notices.

    Returns
    -------
    parsed
        Row and model of each object that can be read.
    notices
        One for each that cannot, at most ``MAX_NOTICES`` and a count.

    Raises
    ------
    InputError
        Where there is no object, or most cannot be read.
    """
    if not objects:
        raise refusal(file, f"holds no station in the form of {kind}", "check file and format")
    parsed: list[tuple[int, M]] = []
    faults: list[Fault] = []
    for row, content in objects:
        try:
            parsed.append((row, model.model_validate(content)))
        except ValidationError as error:
            faults.append(_object_fault(error, row=row, file=file))
    if len(faults) > MAX_BAD_SHARE * len(objects):
        what = f"{len(faults):,} of {len(objects):,} stations cannot be read as {kind}"
        head = Fault(file=file, what=what, remedy="check the file and its format")
        raise InputError([head, *_capped(faults)])
    return parsed, _capped(faults)


def refusal(file: str, what: str, remedy: str) -> InputError:
    """Return the error of a file that is refused as a whole."""
    return InputError([Fault(file=file, what=what, remedy=remedy)])


def fit_charge_points(points: Sequence[ChargePoint], count: int | None) -> tuple[ChargePoint, ...]:
    """Return as many charge points as cars fit: the strongest ones, or the weakest once more.

    Feeds list plugs, of which several may hang on one charge point; where the number of cars is
    told beside them, it counts.
    """
    ordered = sorted(points, key=lambda point: -(point.power_kw or 0.0))
    if not count:
        return tuple(ordered)
    weakest = ordered[-1] if ordered else ChargePoint(None)
    return (*ordered[:count], *[weakest] * (count - len(ordered)))


def _object_fault(error: ValidationError, *, row: int, file: str) -> Fault:
    """Return one fault for an object: its first broken field, and how many more there are."""
    first, *more = error.errors(include_url=False)
    said = "is missing" if first["type"] == "missing" else first["msg"]
    value = first["input"]
    return Fault(
        file=file,
        row=row,
        column=".".join(map(str, first["loc"])) or None,
        value=None if isinstance(value, dict | list) else str(value)[:MAX_VALUE_CHARS],
        what=f"{said}{f' (and {len(more)} more)' if more else ''}; the station was left out",
        remedy="correct it at its source",
    )


def _capped(faults: Sequence[Fault]) -> list[Fault]:
    if len(faults) <= MAX_NOTICES:
        return list(faults)
    rest = Fault(
        file=faults[0].file,
        what=f"{len(faults) - MAX_NOTICES:,} more stations were left out like these",
        remedy="correct them at their source",
    )
    return [*faults[:MAX_NOTICES], rest]
