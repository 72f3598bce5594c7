"""What a notebook shows of a value: short tables, and no name of the data ever run."""

from __future__ import annotations

import pandas as pd

from siting.notebook import MAX_ROWS, show_tables


def test_numbers_are_short_and_what_is_missing_or_endless_is_shown() -> None:
    html = show_tables({"T": pd.DataFrame({"x": [1234567.0, 0.126, float("nan"), float("inf")]})})
    for part in ("1,234,567", "0.13", "NaN", "inf"):
        assert f"<td>{part}</td>" in html, part


def test_empty_tables_are_left_out_and_long_ones_cut() -> None:
    assert show_tables({"T": pd.DataFrame({"x": []})}) == ""
    assert show_tables({"T": pd.DataFrame({"x": range(1000)})}).count("<tr") < MAX_ROWS + 5


def test_no_text_is_markup() -> None:
    html = show_tables({"<i>": pd.DataFrame({"<b>": ["<s>"]})}, lines=["<u>"])
    assert not any(mark in html for mark in ("<i>", "<b>", "<s>", "<u>"))
