"""Safe reading of tables: CSV, Parquet, GeoParquet, GeoJSON and GeoPackage.

A table is read as it stands, never as a library guesses it: ids keep their zeros, names such as
``NA`` stay names, and a number is a number only if it is written like one. Every doubtful thing
becomes a notice, every wrong thing a fault with its row, column and value.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sqlite3
import unicodedata
import warnings
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import shapely

from siting.domain import WGS84_EPSG
from siting.errors import Fault, InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from siting.domain import BoolArray, FloatArray

MAX_TEXT_BYTES = 256 * 2**20
MAX_BINARY_BYTES = 8 * 2**30
MAX_UNPACKED_BYTES = 16 * 2**30
MAX_CELLS = 400_000_000
MAX_CELLS_UNWEIGHED, MAX_CELLS_PER_BYTE = 20_000_000, 125
"""Beyond so many cells, more to a byte than this are no data: repeats pack a thousandfold."""
MAX_COLUMNS = 2_000
MAX_FAULTS_PER_COLUMN = 20
MAX_VALUE_CHARS = 80
MAX_SHOWN_COLUMNS = 20

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_GROUPED_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(?:[,' \u00a0][0-9]{3})+(?:\.[0-9]+)?")
_NOT_FINITE = frozenset({"nan", "inf", "infinity", "+inf", "-inf", "-nan", "1.#inf", "#n/a"})
_YES = frozenset({"true", "yes", "y", "1", "1.0", "是"})
_NO = frozenset({"false", "no", "n", "0", "0.0", "", "否"})
_ESCAPE = re.compile(r"\\(?:(u[0-9a-fA-F]{4}(?:\\u[0-9a-fA-F]{4})*)|.)", re.DOTALL)
_EXACT_INT_LIMIT = 2**53
_BYTE_ORDER_MARKS = {
    b"\xff\xfe\x00\x00": None,  # UTF-32, in no planner's tool
    b"\x00\x00\xfe\xff": None,
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class FileKind(StrEnum):
    """The kinds of table that siting reads; each is known by its suffix and by its first bytes."""

    CSV = "CSV"
    PARQUET = "Parquet"
    GEOJSON = "GeoJSON"
    GEOPACKAGE = "GeoPackage"


_KIND_OF_SUFFIX = {
    ".csv": FileKind.CSV,
    ".tsv": FileKind.CSV,
    ".txt": FileKind.CSV,
    ".parquet": FileKind.PARQUET,
    ".geoparquet": FileKind.PARQUET,
    ".pq": FileKind.PARQUET,
    ".geojson": FileKind.GEOJSON,
    ".json": FileKind.GEOJSON,
    ".gpkg": FileKind.GEOPACKAGE,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table as it stands in its file.

    Attributes
    ----------
    file
        Name of the file, for faults.
    frame
        The rows; the index is the row's number in the file, from 1, the header left out. Text is
        in NFC without spaces around it, and a missing text is ``""``. CSV columns are all text.
        A GeoDataFrame, in the file's own CRS, where the file holds geometry.
    notices
        What was doubtful and how it was read.
    """

    file: str
    frame: pd.DataFrame
    notices: tuple[Fault, ...] = ()


def read_table(path: Path, *, layer: str | None = None) -> Table:
    """Read a table by its suffix: .csv, .parquet, .geojson, .gpkg and their usual variants.

    Parameters
    ----------
    path
        A local file.
    layer
        Layer of a GeoPackage; may be left out where there is only one.

    Returns
    -------
    Table
        With at least one row and one column.

    Raises
    ------
    InputError
        Where the file cannot be read, is not what its suffix says, is too large, is empty, or has
        rows of unequal length, stray quotes or the same column twice.
    """
    kind = _find_kind(path)
    readers = {
        FileKind.CSV: _read_csv,
        FileKind.PARQUET: _read_parquet,
        FileKind.GEOJSON: _read_geojson,
    }
    table = _read_geopackage(path, layer) if kind is FileKind.GEOPACKAGE else readers[kind](path)
    _refuse_bad_header([str(name) for name in table.frame.columns], file=path.name)
    if table.frame.empty:
        raise _error(path.name, "has a header but no rows", "give at least one row")
    return table


def rename_columns(table: Table, columns: Mapping[str, str]) -> Table:
    """Return the table under siting's column names.

    Parameters
    ----------
    table
        The table.
    columns
        siting's column name to the file's.

    Raises
    ------
    InputError
        Where the file lacks a column that is to be renamed.
    """
    have = list(table.frame.columns)
    missing = [name for name in columns.values() if name not in have]
    if missing:
        raise InputError(missing_column(table, name) for name in missing)
    clash = [new for new, old in columns.items() if new in have and new != old]
    renames = {old: new for new, old in columns.items()}
    frame = table.frame.drop(columns=clash).rename(columns=renames)
    return replace(table, frame=frame)


def find_column(table: Table, names: Iterable[str]) -> str | None:
    """Return the table's column that bears one of the names, whatever its case; the first wins."""
    by_lower = {str(column).lower(): str(column) for column in table.frame.columns}
    return next((by_lower[name.lower()] for name in names if name.lower() in by_lower), None)


def find_unused_columns(
    table: Table, used: Collection[str], *, in_any_case: Collection[str] = ()
) -> list[Fault]:
    """Return a notice of the columns that nothing is taken from, such as a misspelt one.

    Parameters
    ----------
    table
        The table, under siting's column names.
    used
        Names that siting reads, or knows to be labels.
    in_any_case
        The same for names, in lower case, that may be written in any.
    """
    unused = [
        name
        for name in map(str, table.frame.columns)
        if name not in used and name.lower() not in in_any_case
    ]
    if not unused:
        return []
    what = f"these columns are not used: {', '.join(unused[:MAX_SHOWN_COLUMNS])}"
    remedy = "nothing, or rename those that are meant"
    return [Fault(file=table.file, what=what, remedy=remedy)]


def missing_column(table: Table, name: str) -> Fault:
    """Return the fault of a column that is not there."""
    have = ", ".join(map(str, table.frame.columns[:30]))
    return Fault(
        file=table.file,
        column=name,
        what="this column is missing",
        remedy=f"add it, or rename one under `columns` in the study; the file has: {have}",
    )


def number_column(
    table: Table, name: str, *, missing: float | None = None
) -> tuple[FloatArray, list[Fault]]:
    """Parse a column as finite numbers.

    Parameters
    ----------
    table, name
        The table and its column.
    missing
        Value of empty cells; empty cells are faults where this is not given.

    Returns
    -------
    values
        (n_row,) float64; NaN where there is a fault.
    faults
        One for each cell that is no plain number, at most ``MAX_FAULTS_PER_COLUMN`` and a count.
    """
    column = table.frame[name]
    if pd.api.types.is_bool_dtype(column):
        return np.full(len(column), np.nan), [
            Fault(
                file=table.file,
                column=name,
                what="holds true and false, not numbers",
                remedy="write numbers",
            )
        ]
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        empty = np.isnan(values)
        bad = np.isinf(values)
    else:
        text = column.map(_number_text).astype("str")
        empty = (text == "").to_numpy(dtype=bool)
        bad = ~text.str.fullmatch(_NUMBER.pattern).to_numpy(dtype=bool) & ~empty
        values = np.full(len(text), np.nan)
        good = ~empty & ~bad
        values[good] = text.to_numpy(dtype=object)[good].astype(np.float64)
        overflow = good & np.isinf(values)
        bad |= overflow
        values[overflow] = np.nan
    values = np.where(bad, np.nan, values)
    if missing is None:
        bad = bad | empty
    else:
        values = np.where(empty, missing, values)
    return values, cell_faults(table, name, bad, _why_no_number)


def text_column(table: Table, name: str) -> tuple[pd.Series[str], list[Fault]]:
    """Return a column as text: whole numbers without a decimal point, missing values as ``""``.

    Returns
    -------
    values
        The texts, on the frame's index.
    faults
        One for each number that no text can be made of without loss.
    """
    column = table.frame[name]
    if not pd.api.types.is_numeric_dtype(column) and all(
        isinstance(value, str) for value in column
    ):
        return column.astype("str"), []
    text = column.map(_id_text)
    bad = text.isna().to_numpy(dtype=bool)
    faults = cell_faults(
        table,
        name,
        bad,
        lambda _: ("is a number that lost digits, not an id", "store ids as text"),
    )
    return text.fillna("").astype("str"), faults


def flag_column(table: Table, name: str) -> tuple[BoolArray, list[Fault]]:
    """Return a column of yes and no as booleans; an empty cell is no.

    Returns
    -------
    values
        (n_row,) booleans; False where there is a fault.
    faults
        One for each cell that is neither.
    """
    words = table.frame[name].map(lambda v: "" if _is_missing(v) else str(v).strip().lower())
    yes = words.isin(_YES).to_numpy(dtype=bool)
    bad = ~yes & ~words.isin(_NO).to_numpy(dtype=bool)
    return yes, cell_faults(
        table, name, bad, lambda _: ("is neither yes nor no", "write true or false")
    )


def cell_faults(
    table: Table,
    name: str,
    bad: Any,  # noqa: ANN401 - any boolean array-like
    explain: Any,  # noqa: ANN401 - a callable from the cell's value to (what, remedy)
) -> list[Fault]:
    """Return a fault for each bad cell, and one that counts those beyond the first twenty.

    Parameters
    ----------
    table, name
        The table and its column.
    bad
        (n_row,) mask of the bad cells.
    explain
        From the cell's value to what is wrong and what to do.
    """
    where = np.flatnonzero(np.asarray(bad, dtype=bool))
    column = table.frame[name]
    faults = []
    for position in where[:MAX_FAULTS_PER_COLUMN]:
        value = column.iloc[position]
        what, remedy = explain(value)
        faults.append(
            Fault(
                file=table.file,
                row=int(table.frame.index[position]),
                column=name,
                value=None if _is_missing(value) else str(value)[:MAX_VALUE_CHARS],
                what=what,
                remedy=remedy,
            )
        )
    return faults + _rest(table.file, name, where.size)


def _rest(file: str, name: str, n_bad: int) -> list[Fault]:
    if n_bad <= MAX_FAULTS_PER_COLUMN:
        return []
    rest = n_bad - MAX_FAULTS_PER_COLUMN
    return [
        Fault(
            file=file,
            column=name,
            what=f"has {rest:,} more faults like these",
            remedy="correct the column as a whole",
        )
    ]


def _number_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value)
    return "" if _is_missing(value) else str(value).strip()


def _why_no_number(value: object) -> tuple[str, str]:
    if _is_missing(value) or value == "":
        return "is empty", "give a number"
    text = str(value).strip()
    plain = unicodedata.normalize("NFKC", text)
    if text.lower() in _NOT_FINITE or (_NUMBER.fullmatch(text) and math.isinf(float(text))):
        return "is not a finite number", "give a number, or leave the row out"
    if plain != text and _NUMBER.fullmatch(plain):
        return "is written in full-width characters", f"write {plain}"
    if _GROUPED_NUMBER.fullmatch(plain):
        return "has a thousands separator", f"write {re.sub(r'[^0-9.+-]', '', plain)}"
    return "is not a number", "give a plain number such as 1234.5"


def _id_text(value: object) -> str | None:
    if _is_missing(value):
        return ""
    if isinstance(value, float | np.floating):
        number = float(value)
        exact = number.is_integer() and abs(number) < _EXACT_INT_LIMIT
        return str(int(number)) if exact else None
    return str(value)


def _is_missing(value: object) -> bool:
    return (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
    )


def _error(file: str, what: str, remedy: str) -> InputError:
    return InputError([Fault(file=file, what=what, remedy=remedy)])


def _find_kind(path: Path) -> FileKind:
    """Return the file's kind, refusing what is no local file or not what its suffix says."""
    text = path.as_posix()
    if re.search(r"(?:^|/)[A-Za-z][A-Za-z0-9+.-]+:/", text) or text.startswith(("/vsi", "//")):
        raise _error(text, "is an address, not a local file", "download it and give its path")
    kind = _KIND_OF_SUFFIX.get(path.suffix.lower())
    if kind is None:
        raise _error(
            path.name,
            f"has a suffix that siting does not read: {path.suffix or 'none'}",
            f"give one of {', '.join(_KIND_OF_SUFFIX)} (save a spreadsheet as CSV UTF-8)",
        )
    try:
        if not path.is_file():
            raise _error(path.name, "does not exist or is no file", "correct the path")
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise _error(path.name, f"cannot be read: {error.strerror}", "make it readable") from None
    if size == 0:
        raise _error(path.name, "is empty", "give a file with a header and rows")
    limit = MAX_TEXT_BYTES if kind in {FileKind.CSV, FileKind.GEOJSON} else MAX_BINARY_BYTES
    if size > limit:
        raise _error(
            path.name,
            f"has {size:,} bytes, more than the {limit:,} that siting reads as {kind}",
            "give Parquet, or split the file",
        )
    looks = {
        FileKind.CSV: not head.startswith((b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"SQLite")),
        FileKind.PARQUET: head.startswith(b"PAR1"),
        FileKind.GEOJSON: head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"),
        FileKind.GEOPACKAGE: head.startswith(b"SQLite format 3\0"),
    }
    if not looks[kind]:
        raise _error(
            path.name,
            f"is not what its suffix says: its first bytes are not those of {kind}",
            "give the file in the format of its suffix",
        )
    return kind


def decode_text(raw: bytes, *, file: str) -> tuple[str, list[Fault]]:
    """Decode a text file: UTF-8, UTF-16, or else GB18030, which holds GBK and GB2312.

    Returns
    -------
    text
        In NFC.
    notices
        Whatever was not plain UTF-8 in NFC.

    Raises
    ------
    InputError
        Where no encoding fits.
    """
    encoding, why = _find_encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        fault = f"is not text in {encoding.upper()}: byte {error.start:,} does not fit"
        raise _error(file, fault, "save it as UTF-8") from None
    odd = re.search(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ue000-\uf8ff]", text)
    if odd and (encoding == "gb18030" or odd.group() == "\x00"):
        row = text.count("\n", 0, odd.start())
        raise InputError(
            [
                Fault(
                    file=file,
                    row=row or None,
                    value=f"U+{ord(odd.group()):04X}",
                    what=f"holds a character that no text in {encoding.upper()} has",
                    remedy="save it as UTF-8",
                )
            ]
        )
    notices = [] if why is None else [Fault(file=file, what=why, remedy="save it as UTF-8")]
    text, composed = _compose(text, file=file)
    return text, [*notices, *composed]


def parse_json(text: str, *, file: str) -> tuple[Any, list[Fault]]:
    """Parse JSON, whose characters may be escaped; no key may stand twice.

    Returns
    -------
    content
        What the JSON holds, its texts in NFC.
    notices
        Whether texts were not in NFC.

    Raises
    ------
    InputError
        Where it is no JSON, or escapes what is no character.
    """
    try:
        text, notices = _compose(_ESCAPE.sub(_unescape, text), file=file)
        return json.loads(text, object_pairs_hook=_without_doubles), notices
    except (ValueError, RecursionError) as error:
        raise _error(file, f"is not valid JSON: {_first_line(error)}", "export it again") from None


def _unescape(escape: re.Match[str]) -> str:
    """Return the characters of escapes in a row; ASCII stays escaped, for it may be JSON's own."""
    if escape[1] is None:
        return escape.group()
    units = bytes.fromhex(escape.group().replace("\\u", ""))
    characters = units.decode("utf-16-be")  # half a pair is no character
    if "\0" in characters:
        raise ValueError("an escape stands for no character")
    return "".join(c if c > "\x7f" else f"\\u{ord(c):04x}" for c in characters)


def _compose(text: str, *, file: str) -> tuple[str, list[Fault]]:
    """Return a text in NFC, with a notice if it was not."""
    notices = []
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        notices.append(
            Fault(
                file=file,
                what="has characters in decomposed form; they were composed (NFC)",
                remedy="nothing, if the ids still match your other files",
            )
        )
    return text, notices


def _find_encoding(raw: bytes) -> tuple[str, str | None]:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if raw.startswith(mark):
            if encoding == "utf-8-sig":
                return encoding, "begins with a byte-order mark; it was left out"
            return encoding or "utf-32", f"is {(encoding or 'utf-32').upper()}, and was read so"
    sample = raw[:4096]
    if sample and sample.count(0) > len(sample) // 4:
        little = sample[1::2].count(0) >= sample[0::2].count(0)
        return ("utf-16-le" if little else "utf-16-be"), "is UTF-16 without a mark; read as such"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030", "is not UTF-8; it was read as GB18030 (GBK): look at the Chinese names"
    return "utf-8", None


def _read_csv(path: Path) -> Table:
    file = path.name
    text, notices = decode_text(path.read_bytes(), file=file)
    if not text.strip():
        raise _error(file, "is empty", "give a file with a header and rows")
    delimiter = _find_delimiter(text)
    if delimiter != ",":
        notices.append(
            Fault(
                file=file,
                what=f"is separated by {_DELIMITERS[delimiter]}; it was read so",
                remedy="nothing, if the columns are right",
            )
        )
    if '"' in text:
        _refuse_stray_quotes(text, delimiter, file=file)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise _error(file, f"is not a valid CSV: {error}", "export it again as CSV") from None
    header = [name.strip() for name in rows[0]]
    body = [(number, row) for number, row in enumerate(rows[1:], start=1) if any(row)]
    _refuse_bad_header(header, file=file)
    ragged = [(number, row) for number, row in body if len(row) != len(header)]
    if ragged:
        faults = [
            Fault(
                file=file,
                row=number,
                value=delimiter.join(row)[:MAX_VALUE_CHARS],
                what=f"has {len(row)} fields where the header has {len(header)}",
                remedy="quote fields that hold a separator, or complete the row",
            )
            for number, row in ragged[:MAX_FAULTS_PER_COLUMN]
        ]
        raise InputError(faults + _rest(file, "all columns", len(ragged)))
    n_blank = len(rows) - 1 - len(body)
    if n_blank:
        notices.append(
            Fault(file=file, what=f"has {n_blank} empty rows; left out", remedy="remove them")
        )
    broken = next((n for n, row in body if any("\n" in x or "\r" in x for x in row)), None)
    if broken is not None:
        notices.append(
            Fault(
                file=file,
                row=broken,
                what="a quoted field holds a line break",
                remedy="look for a stray quote, if it should not",
            )
        )
    index = pd.Index([number for number, _ in body], name="row", dtype=np.int64)
    columns = zip(*(row for _, row in body), strict=True) if body else ([] for _ in header)
    frame = pd.DataFrame(
        {
            name: pd.Series(list(values), index=index, dtype="str")
            for name, values in zip(header, columns, strict=True)
        },
        index=index,
    )
    frame, spaces = _strip_text(frame, file=file)
    return Table(file=file, frame=frame, notices=(*notices, *spaces))


def _find_delimiter(text: str) -> str:
    header = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    return max(_DELIMITERS, key=header.count)


def _refuse_stray_quotes(text: str, delimiter: str, *, file: str) -> None:
    """Refuse a quote that neither opens nor closes a whole field.

    The csv module lets a quote inside an unquoted field pass; it is the usual trace of a torn row.
    """
    d = re.escape(delimiter)
    field = rf'(?:"(?:[^"]|"")*+"|[^"{d}\r\n]*+)'
    record = re.compile(rf"{field}(?:{d}{field})*+(?:\r\n|\n|\r|\Z)")
    position, row = 0, 0
    while position < len(text):
        match = record.match(text, position)
        if match is None:
            line = re.split(r"[\r\n]", text[position : position + 2 * MAX_VALUE_CHARS])[0]
            raise InputError(
                [
                    Fault(
                        file=file,
                        row=row or None,
                        value=line[:MAX_VALUE_CHARS],
                        what="has a stray quote",
                        remedy="quote whole fields only, and write a quote inside twice",
                    )
                ]
            )
        position, row = match.end(), row + 1


def _refuse_bad_header(header: Sequence[str], *, file: str) -> None:
    faults = [
        Fault(
            file=file,
            column=name or f"column {header.index(name) + 1}",
            what="stands twice in the header" if name else "has no name",
            remedy="give every column its own name",
        )
        for name, n in Counter(header).items()
        if not name or n > 1
    ]
    if len(header) > MAX_COLUMNS:
        faults = [
            Fault(
                file=file,
                what=f"has {len(header):,} columns",
                remedy=f"give at most {MAX_COLUMNS:,}",
            )
        ]
    if faults:
        raise InputError(faults)


def _strip_text(frame: pd.DataFrame, *, file: str) -> tuple[pd.DataFrame, list[Fault]]:
    """Strip spaces around texts; return a notice for each column that had some."""
    notices, changes = [], {}
    for name, column in frame.items():
        if not pd.api.types.is_string_dtype(column):
            continue
        stripped = column.str.strip()
        n_changed = int((stripped != column).sum())
        if n_changed:
            changes[name] = stripped
            notices.append(
                Fault(
                    file=file,
                    column=str(name),
                    what=f"{n_changed:,} values had spaces around them; they were removed",
                    remedy="nothing, if the ids still match your other files",
                )
            )
    return (frame.assign(**changes) if changes else frame), notices  # type: ignore[arg-type]


def _read_parquet(path: Path) -> Table:
    file = path.name
    try:
        parquet = pq.ParquetFile(path)
        n_bytes = sum(
            parquet.metadata.row_group(group).total_byte_size
            for group in range(parquet.metadata.num_row_groups)
        )
        n_row, names = parquet.metadata.num_rows, parquet.schema_arrow.names
        is_geo = b"geo" in (parquet.metadata.metadata or {})
        parquet.close()
    except (pa.ArrowException, OSError) as error:
        raise _error(
            file, f"is not a valid Parquet file: {_first_line(error)}", "write it again"
        ) from None
    _refuse_bad_header(names, file=file)
    refuse_endless_cells(n_row * len(names), path)
    if n_bytes > MAX_UNPACKED_BYTES:
        raise _error(
            file,
            f"unpacks to {n_bytes:,} bytes, more than the {MAX_UNPACKED_BYTES:,} that siting reads",
            "split the file",
        )
    try:
        if is_geo:
            frame: pd.DataFrame = gpd.read_parquet(path)
        else:
            # Neither pandas' own index nor its types are wanted: the columns stand for themselves.
            frame = pq.read_table(path, use_threads=False).to_pandas(
                ignore_metadata=True, integer_object_nulls=True, strings_to_categorical=False
            )
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise _error(file, f"cannot be read: {_first_line(error)}", "write it again") from None
    return _as_table(frame, file=file)


def refuse_endless_cells(n_cell: int, path: Path) -> None:
    """Refuse a packed file that would unfold into more cells than any data has.

    Raises
    ------
    InputError
        If it has more than ``MAX_CELLS``, or is large and next to all of it repeats.
    """
    packed = MAX_CELLS_PER_BYTE * path.stat().st_size
    if n_cell > MAX_CELLS or n_cell > max(MAX_CELLS_UNWEIGHED, packed):
        what = f"unfolds into {n_cell:,} cells, more than data of its size can hold"
        raise _error(path.name, what, "write it again, or split it")


def _read_geojson(path: Path) -> Table:
    """Read GeoJSON with our own few lines.

    GDAL guesses types over all features: an id ``"00123"`` beside a 7 becomes a number.
    """
    file = path.name
    text, notices = decode_text(path.read_bytes(), file=file)
    raw, escaped = parse_json(text, file=file)
    notices = [*notices, *escaped]
    features = raw.get("features") if isinstance(raw, dict) else None
    if not isinstance(features, list) or not all(isinstance(f, dict) for f in features):
        raise _error(file, "is no GeoJSON FeatureCollection", "give a FeatureCollection")
    if not features:
        raise _error(file, "holds no feature", "give at least one feature")
    properties = [f.get("properties") or {} for f in features]
    if not all(isinstance(p, dict) for p in properties):
        raise _error(file, "has a feature whose properties are no object", "export it again")
    geometry, faults = _geojson_geometry([f.get("geometry") for f in features], file=file)
    if faults:
        raise InputError(faults)
    names = list(dict.fromkeys(name for p in properties for name in p))
    columns = {
        name.strip(): _typed([p.get(name) for p in properties])
        for name in names
        if name.strip() != "geometry"
    }
    frame = gpd.GeoDataFrame(columns, geometry=geometry, crs=_geojson_crs(raw, file=file))
    table = _as_table(frame, file=file)
    return replace(table, notices=(*notices, *table.notices))


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; Python would silently keep the last of two equal keys."""
    built = dict(pairs)
    if len(built) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice[:MAX_VALUE_CHARS]!r} stands twice in one object")
    return built


def _geojson_geometry(raw: Sequence[Any], *, file: str) -> tuple[Any, list[Fault]]:
    texts = [_geometry_text(geometry) for geometry in raw]
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused as such
        geometry = shapely.from_geojson(texts, on_invalid="ignore")
    faults = [
        Fault(
            file=file,
            row=row,
            column="geometry",
            what="is no valid GeoJSON geometry",
            remedy="correct or remove the feature",
        )
        for row, (parsed, text) in enumerate(zip(geometry, texts, strict=True), start=1)
        if parsed is None and text is not None
    ]
    return geometry, faults[:MAX_FAULTS_PER_COLUMN] + _rest(file, "geometry", len(faults))


def _geometry_text(geometry: object) -> str | None:
    """Return the geometry as JSON, None where there is none; NaN gives a text that never parses."""
    if geometry is None:
        return None
    try:
        return json.dumps(geometry, allow_nan=False)
    except (ValueError, RecursionError):
        return "invalid"


def _geojson_crs(raw: Mapping[str, Any], *, file: str) -> str:
    """Return the CRS of the old ``crs`` member, or EPSG:4326, which GeoJSON (RFC 7946) means."""
    crs = raw.get("crs")
    if crs is None:
        return f"EPSG:{WGS84_EPSG}"
    try:
        name = str(crs["properties"]["name"])
    except (KeyError, TypeError):
        raise _error(file, "has a crs member without a name", "remove it or name it") from None
    if "CRS84" in name:
        return f"EPSG:{WGS84_EPSG}"
    code = re.fullmatch(r"(?:urn:ogc:def:crs:)?EPSG:[0-9.]*:?([0-9]{4,6})", name)
    if code is None:
        raise _error(file, f"has an unknown CRS: {name[:MAX_VALUE_CHARS]}", "give EPSG:4326")
    return f"EPSG:{code.group(1)}"


def _typed(values: Sequence[Any]) -> pd.Series[Any]:
    kinds = {type(value) for value in values}
    if kinds <= {str, type(None)}:
        return pd.Series(["" if v is None else v for v in values], dtype="str")
    if kinds == {int} and all(abs(v) < 2**63 for v in values):
        return pd.Series(values, dtype=np.int64)
    if kinds == {float}:
        return pd.Series(values, dtype=np.float64)
    return pd.Series(list(values), dtype=object)


def _read_geopackage(path: Path, layer: str | None) -> Table:
    file = path.name
    _refuse_computed_layers(path)
    source = f"GPKG:{path.resolve()}"  # the prefix binds GDAL to this one driver
    try:
        with warnings.catch_warnings(record=True) as first_doubts:
            warnings.simplefilter("always")
            layers = [str(name) for name in pyogrio.list_layers(source)[:, 0]]
    except (pyogrio.errors.DataSourceError, RuntimeError) as error:
        raise _error(
            file, f"is not a valid GeoPackage: {_first_line(error)}", "export it again"
        ) from None
    if layer is None and len(layers) != 1:
        raise _error(file, f"has {len(layers)} layers: {', '.join(layers)}", "keep one layer only")
    if layer is not None and layer not in layers:
        raise _error(file, f"has no layer {layer!r}", f"give one of: {', '.join(layers)}")
    try:
        with warnings.catch_warnings(record=True) as doubts:
            warnings.simplefilter("always")
            frame = pyogrio.read_dataframe(source, layer=layer or layers[0])
    except (pyogrio.errors.DataSourceError, RuntimeError, ValueError) as error:
        raise _error(file, f"cannot be read: {_first_line(error)}", "export it again") from None
    table = _as_table(frame, file=file)
    notices = [
        Fault(file=file, what=f"GDAL warns: {text}", remedy="look at the data on the map")
        for text in dict.fromkeys(str(doubt.message)[:200] for doubt in (*first_doubts, *doubts))
    ]
    return replace(table, notices=(*notices, *table.notices))


def _refuse_computed_layers(path: Path) -> None:
    """Refuse layers that a query makes up, which may never end, and foreign virtual tables."""
    query = (
        "SELECT name FROM sqlite_master WHERE (type = 'view' AND lower(name) IN "
        "(SELECT lower(table_name) FROM gpkg_contents)) OR (sql LIKE 'CREATE VIRTUAL TABLE%' "
        "AND sql NOT LIKE '%USING rtree%')"
    )
    try:
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as database:
            computed = [str(name) for (name,) in database.execute(query).fetchall()]
    except sqlite3.Error as error:
        raise _error(
            path.name, f"is not a valid GeoPackage: {_first_line(error)}", "export it again"
        ) from None
    if computed:
        what = f"holds computed layers: {', '.join(computed)[:MAX_VALUE_CHARS]}"
        raise _error(path.name, what, "export what they show as plain layers")


def _as_table(frame: pd.DataFrame, *, file: str) -> Table:
    """Return typed columns as a table: rows numbered from 1, text in NFC and stripped."""
    frame = frame.set_axis(pd.RangeIndex(1, len(frame) + 1, name="row"), axis=0)
    changes: dict[str, Any] = {}
    for name, column in frame.items():
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(column.cat.categories.dtype)  # noqa: PLW2901 - the same column, unpacked
        if pd.api.types.is_string_dtype(column) and not pd.api.types.is_object_dtype(column):
            changes[str(name)] = column.fillna("").map(_to_nfc).astype("str")
        elif pd.api.types.is_object_dtype(column) and _is_texts(column):
            changes[str(name)] = column.map(lambda v: _to_nfc(v or "")).astype("str")
    frame, notices = _strip_text(frame.assign(**changes), file=file)
    return Table(file=file, frame=frame, notices=tuple(notices))


def _is_texts(column: pd.Series[Any]) -> bool:
    return all(value is None or isinstance(value, str) for value in column)


def _to_nfc(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
