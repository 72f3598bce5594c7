"""Contracts: what pandera finds comes back as faults with row, column and the value as written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import pandera.pandas as pa
import pytest

from siting.errors import Fault, InputError
from siting.inputs.contracts import (
    CANDIDATES_SCHEMA,
    NOT_NEGATIVE,
    apply_contract,
    build_id_column,
    build_optional_number,
    faults_of_failures,
)
from siting.inputs.tables import Table, read_table

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = pa.DataFrameSchema(
    {
        "id": build_id_column(),
        "n": pa.Column(float, NOT_NEGATIVE),
        "limit": build_optional_number(NOT_NEGATIVE, default=math.inf),
        "own": build_optional_number(NOT_NEGATIVE, default=None),
    }
)


def read(folder: Path, text: str) -> Table:
    path = folder / "t.csv"
    path.write_text(text)
    return read_table(path)


def test_what_is_missing_takes_its_meaning(tmp_path: Path) -> None:
    frame = apply_contract(read(tmp_path, "id,n,limit,extra\na,1,,x\nb,2,5,y\n"), SCHEMA)
    assert list(frame.columns) == ["id", "n", "limit", "own"]
    assert frame["limit"].tolist() == [math.inf, 5]
    assert frame["own"].isna().all()
    assert list(frame.index) == [1, 2]


def test_every_fault_has_its_cell_as_written(tmp_path: Path) -> None:
    text = "id,n,limit\na,-1,\na,x,-2\n,3,\n1.2E+11,,\n\u202eb,1,\n"
    with pytest.raises(InputError) as caught:
        apply_contract(read(tmp_path, text), SCHEMA)
    found = {(f.column, f.row): (f.what, f.value) for f in caught.value.faults}
    assert found == {
        ("n", 2): ("is not a number", "x"),
        ("n", 4): ("is empty", ""),
        ("n", 1): ("is negative", "-1"),
        ("id", 1): ("stands more than once", "a"),
        ("id", 2): ("stands more than once", "a"),
        ("id", 3): ("is empty", ""),
        ("id", 4): (
            "was turned into scientific notation by a spreadsheet: its digits are lost",
            "1.2E+11",
        ),
        ("id", 5): ("holds an invisible character", "\u202eb"),
        ("limit", 2): ("is negative", "-2"),
    }
    assert all(f.file == "t.csv" and f.remedy for f in caught.value.faults)


def test_earlier_faults_are_reported_together(tmp_path: Path) -> None:
    earlier = Fault(what="x", remedy="y")
    with pytest.raises(InputError) as caught:
        apply_contract(read(tmp_path, "id\na\n"), SCHEMA, faults=[earlier])
    assert caught.value.faults[0] is earlier
    assert [f.column for f in caught.value.faults[1:]] == ["n"]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"r{k},-1\n" for k in range(50))
    with pytest.raises(InputError) as caught:
        apply_contract(read(tmp_path, "id,n\n" + rows), SCHEMA)
    assert len(caught.value.faults) == 21
    assert "30 more" in caught.value.faults[-1].what


def test_a_failure_without_a_cell_is_still_a_fault(tmp_path: Path) -> None:
    failures = pd.DataFrame(
        {"column": [None], "check": ["odd"], "failure_case": ["v"], "index": [None]}
    )
    (fault,) = faults_of_failures(failures, table=read(tmp_path, "id\na\n"))
    assert (fault.what, fault.value, fault.row) == ("breaks the rule odd", "v", None)


def test_candidates_need_only_an_id(tmp_path: Path) -> None:
    frame = apply_contract(read(tmp_path, "site_id\n007\n"), CANDIDATES_SCHEMA)
    assert frame.iloc[0].to_dict() == {
        "site_id": "007",
        "name": "",
        "kind": "",
        "connectors_max": math.inf,
        "grid_limit_kw": math.inf,
        "grid_group": "",
        "rent_cny_per_year": 0.0,
    }
    with pytest.raises(InputError, match="is not whole"):
        apply_contract(read(tmp_path, "site_id,connectors_max\n1,2.5\n"), CANDIDATES_SCHEMA)
