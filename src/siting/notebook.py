"""Tables as a notebook shows them: short, rounded, and with no name of the data ever run."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

MAX_ROWS = 60


def show_tables(tables: Mapping[str, pd.DataFrame], *, lines: Iterable[str] = ()) -> str:
    """Return lines and titled tables as HTML, for ``_repr_html_``; empty tables are left out."""
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return said + "".join(
        f"<h4>{escape(title)}</h4>{table.to_html(float_format=_plain_number, max_rows=MAX_ROWS)}"
        for title, table in tables.items()
        if len(table)
    )


def _plain_number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
