"""The column contracts of every table, each validated once, here at the boundary.

A contract is a pandera schema. A column's type says how its cells are parsed (``float`` by
:func:`~siting.inputs.tables.number_column`, ``str`` as text), its ``default`` what an empty cell or
a missing optional column means, its checks what is refused; a check carries the planner's words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from siting.errors import Fault, InputError
from siting.inputs.tables import (
    MAX_FAULTS_PER_COLUMN,
    cell_faults,
    missing_column,
    number_column,
    text_column,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from siting.inputs.tables import Table

_ARROW = " → "
_LOST_DIGITS = r"[0-9]+(?:\.[0-9]+)?[eE]\+?[0-9]+"
MAX_TEXT_CHARS = 500
MAX_CONNECTOR_KW = 4_000.0
"""Beyond the megawatt standard for lorries (3.75 MW) a figure is no connector's power."""


def build_check(accept: Callable[[Any], Any], what: str, remedy: str) -> pa.Check:
    """Build a check that speaks the planner's words.

    Parameters
    ----------
    accept
        From the column to a mask of what is right.
    what, remedy
        What is wrong with the rest, and what to do about it.
    """
    return pa.Check(accept, error=f"{what}{_ARROW}{remedy}")


NOT_NEGATIVE = build_check(lambda x: x >= 0, "is negative", "give zero or more")
AT_MOST_ONE = build_check(lambda x: x <= 1, "is more than 1", "give a share from 0 to 1")
POSITIVE = build_check(lambda x: x > 0, "is not greater than zero", "give a positive number")
WHOLE = build_check(lambda x: (x == np.floor(x)) | np.isinf(x), "is not whole", "round it")
NOT_EMPTY = build_check(lambda x: x != "", "is empty", "give every row an id")
PRINTABLE = build_check(
    lambda x: x.map(str.isprintable),
    "holds an invisible character",
    "remove control and direction marks from the id",
)
NOT_LONG = build_check(
    lambda x: x.str.len() <= MAX_TEXT_CHARS,
    f"is longer than {MAX_TEXT_CHARS} characters",
    "shorten it",
)
ALL_DIGITS_KEPT = build_check(
    lambda x: ~x.str.fullmatch(_LOST_DIGITS),
    "was turned into scientific notation by a spreadsheet: its digits are lost",
    "format the column as text and export again",
)


def build_id_column(*, unique: bool = True) -> pa.Column:
    """Build the column of a table's ids: text, never empty, unique, nothing invisible."""
    return pa.Column(str, [NOT_EMPTY, PRINTABLE, NOT_LONG, ALL_DIGITS_KEPT], unique=unique)


def build_text_column(*, required: bool = False) -> pa.Column:
    """Build a column of names and the like; ``""`` where it is missing."""
    return pa.Column(str, NOT_LONG, required=required, default="")


def build_optional_number(*checks: pa.Check, default: float | None) -> pa.Column:
    """Build an optional column of numbers; NaN stands for "not given" where default is None."""
    return pa.Column(float, list(checks), required=False, nullable=default is None, default=default)


ENERGY_FIGURES = {
    "km_per_day": (NOT_NEGATIVE,),
    "kwh_per_km": (POSITIVE,),
    "public_share": (NOT_NEGATIVE, AT_MOST_ONE),
}
"""What makes energy of vehicles, and the checks of a zone's own figures."""


def build_vehicles_schema(brands: Sequence[str]) -> pa.DataFrameSchema:
    """Build the contract of a vehicle table.

    Parameters
    ----------
    brands
        Ids of the brands, each with its column ``vehicles_<brand>``; a zone's energy figures may
        come for all brands (``km_per_day``) and for single ones (``km_per_day_<brand>``).
    """
    return pa.DataFrameSchema(
        {
            "zone_id": build_id_column(),
            **{f"vehicles_{brand}": pa.Column(float, NOT_NEGATIVE) for brand in brands},
            **{
                f"{name}{of_brand}": build_optional_number(*checks, default=None)
                for of_brand in ("", *(f"_{brand}" for brand in brands))
                for name, checks in ENERGY_FIGURES.items()
            },
        }
    )


POPULATION_SCHEMA = pa.DataFrameSchema({"population": pa.Column(float, NOT_NEGATIVE)})
"""Contract of where people live."""

ZONES_SCHEMA = pa.DataFrameSchema({"zone_id": build_id_column()})
"""Contract of the polygons that a vehicle table's ids are joined to."""

CANDIDATES_SCHEMA = pa.DataFrameSchema(
    {
        "site_id": build_id_column(),
        "name": build_text_column(),
        "kind": build_text_column(),
        "connectors_max": build_optional_number(NOT_NEGATIVE, WHOLE, default=math.inf),
        "grid_limit_kw": build_optional_number(NOT_NEGATIVE, default=math.inf),
        "grid_group": build_text_column(),
        "rent_cny_per_year": build_optional_number(NOT_NEGATIVE, default=0.0),
    }
)
"""Contract of the candidate sites; attributes that are not given do not limit a site."""

DISTRICTS_SCHEMA = pa.DataFrameSchema(
    {
        "district_id": build_id_column(),
        "name": build_text_column(),
        "name_zh": build_text_column(),
    }
)
"""Contract of the districts."""

STATIONS_SCHEMA = pa.DataFrameSchema(
    {
        "station_id": build_id_column(),
        **{
            name: build_text_column()
            for name in ("name", "name_zh", "operator", "network", "owner", "owner_brand")
        },
        "access": pa.Column(
            str,
            build_check(
                lambda x: x.isin(["public", "private"]),
                "is neither public nor private",
                "write one of the two",
            ),
            required=False,
            default="public",
        ),
        "status": pa.Column(
            str,
            build_check(
                lambda x: x.isin(["operational", "planned", "closed", "unknown"]),
                "is no status",
                "write operational, planned, closed or unknown",
            ),
            required=False,
            default="operational",
        ),
        "connectors": build_optional_number(NOT_NEGATIVE, WHOLE, default=None),
        "power_kw": build_optional_number(
            POSITIVE,
            build_check(
                lambda x: x <= MAX_CONNECTOR_KW,
                f"is more than {MAX_CONNECTOR_KW:,.0f} kW",
                "give the power of one connector in kW",
            ),
            default=None,
        ),
        "connector_powers_kw": build_text_column(),
        "available_share": build_optional_number(NOT_NEGATIVE, AT_MOST_ONE, default=1.0),
        "open_to": build_text_column(),
        "source": build_text_column(),
        "source_ids": pa.Column(str, required=False, default=""),
    }
)
"""Contract of the stations; ``connectors`` and ``power_kw`` may also come by connector."""


def apply_contract(
    table: Table, schema: pa.DataFrameSchema, *, faults: Sequence[Fault] = ()
) -> pd.DataFrame:
    """Parse and validate a table's columns by its contract.

    Parameters
    ----------
    table
        The table, under siting's column names.
    schema
        The contract.
    faults
        Faults found before, to be reported together with those found here.

    Returns
    -------
    DataFrame
        The contract's columns only, typed, on the table's index; optional columns are there too.

    Raises
    ------
    InputError
        With every fault of every cell.
    """
    parsed: dict[str, Any] = {}
    found = list(faults)
    for name, column in schema.columns.items():
        if name not in table.frame.columns:
            if column.required:
                found.append(missing_column(table, name))
            else:
                parsed[name] = _filled(column, table)
            continue
        values, wrong = _parse(table, name, column)
        parsed[name] = values
        found += wrong
    frame = pd.DataFrame(parsed, index=table.frame.index)
    seen = {(fault.column, fault.row) for fault in found}
    found += [
        fault
        for fault in validate_frame(frame, schema, table=table)
        if (fault.column, fault.row) not in seen
    ]
    if found:
        raise InputError(found)
    return frame


def _filled(column: pa.Column, table: Table) -> pd.Series[Any]:
    value = np.nan if column.default is None else column.default
    dtype = "str" if isinstance(value, str) else np.float64
    return pd.Series([value] * len(table.frame), index=table.frame.index, dtype=dtype)


def _parse(table: Table, name: str, column: pa.Column) -> tuple[Any, list[Fault]]:
    if column.dtype.check(pa.Column(float).dtype):
        missing = math.nan if column.nullable else column.default
        return number_column(table, name, missing=missing)
    texts, faults = text_column(table, name)
    return texts.replace("", column.default) if column.default else texts, faults


def validate_frame(frame: pd.DataFrame, schema: pa.DataFrameSchema, *, table: Table) -> list[Fault]:
    """Return a fault for every cell of the frame that breaks the schema.

    Parameters
    ----------
    frame
        Typed columns on the table's index; a column that is missing is passed over.
    schema
        The contract.
    table
        Where the frame comes from: its file and its cells as they are written.
    """
    present = schema.select_columns([name for name in schema.columns if name in frame.columns])
    try:
        present.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        return faults_of_failures(error.failure_cases, table=table)
    return []


def faults_of_failures(failures: pd.DataFrame, *, table: Table) -> list[Fault]:
    """Return pandera's failure cases as faults with row, column and value.

    Parameters
    ----------
    failures
        ``SchemaErrors.failure_cases``; its index values are the table's row numbers.
    table
        The table that was validated.
    """
    faults: list[Fault] = []
    for (name, check), cases in failures.groupby(["column", "check"], sort=False, dropna=False):
        what, remedy = _in_plain_words(str(check))
        rows = cases["index"].dropna()
        if rows.empty or name not in table.frame.columns:
            faults.append(
                Fault(
                    file=table.file,
                    column=str(name) if isinstance(name, str) else None,
                    value=str(cases["failure_case"].iloc[0])[:MAX_FAULTS_PER_COLUMN],
                    what=what,
                    remedy=remedy,
                )
            )
            continue
        bad = table.frame.index.isin(rows.astype(np.int64))
        faults += cell_faults(table, str(name), bad, lambda _, said=(what, remedy): said)
    return faults


def _in_plain_words(check: str) -> tuple[str, str]:
    known = {
        "not_nullable": ("is empty", "give a value"),
        "field_uniqueness": ("stands more than once", "give every row its own id"),
    }
    what, arrow, remedy = check.partition(_ARROW)
    return (what, remedy) if arrow else known.get(check, (f"breaks the rule {check}", "correct it"))
