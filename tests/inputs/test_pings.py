"""Telemetry to density: every vehicle once, small counts suppressed, no row in what is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h3
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from siting.cli import app
from siting.domain import Datum
from siting.errors import ExitCode, InputError
from siting.inputs import pings
from siting.inputs.datum import from_wgs84
from siting.inputs.pings import PingColumns, measure_density, suppress_small

if TYPE_CHECKING:
    from pathlib import Path

Row = tuple[object, object, object, object]
HOME, WORK = (114.30, 30.60), (114.40, 30.50)


def cell_at(place: tuple[float, float]) -> str:
    return str(h3.latlng_to_cell(place[1], place[0], pings.RESOLUTION))


def write_pings(path: Path, rows: list[Row]) -> Path:
    frame = pd.DataFrame(rows, columns=["vehicle_id", "brand", "longitude", "latitude"])
    frame.to_parquet(path, index=False)
    return path


def seen(
    vehicle: str, brand: str, place: tuple[float, float], times: int
) -> list[tuple[object, ...]]:
    return [(vehicle, brand, *place)] * times


def test_a_vehicle_counts_once_where_it_was_seen_most(tmp_path: Path) -> None:
    rows = [
        *seen("a", "ant", HOME, 3),
        *seen("a", "ant", WORK, 2),
        *seen("b", "ant", WORK, 1),
        *seen("c", "bee", HOME, 1),
        ("d", None, *HOME),
        (None, "ant", *HOME),
        ("e", "ant", 200.0, 30.0),
        ("f", "ant", None, 30.0),
    ]
    found = measure_density([write_pings(tmp_path / "p.parquet", rows)], k_vehicles=1)
    table = found.table.set_index("h3_cell")
    assert table.loc[cell_at(HOME)].to_dict() == {"vehicles_ant": 1, "vehicles_bee": 1}
    assert table.loc[cell_at(WORK)].to_dict() == {"vehicles_ant": 1, "vehicles_bee": 0}
    assert found.n_vehicle == {"ant": 2, "bee": 1}
    assert (found.n_row, found.n_row_left_out) == (len(rows), 4)


def test_batches_and_files_change_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = [
        (f"v{rng.integers(300)}", ("ant", "bee")[rng.integers(2)], *place)
        for place in rng.uniform((114.29, 30.59), (114.33, 30.63), (5000, 2)).tolist()
    ]
    whole = write_pings(tmp_path / "whole.parquet", rows)
    split = tmp_path / "split"
    split.mkdir()
    for k in range(3):
        write_pings(split / f"{k}.parquet", rows[k::3])
    once = measure_density([whole], k_vehicles=3)
    pieces = measure_density([split], k_vehicles=3, batch_rows=137)
    pd.testing.assert_frame_equal(once.table, pieces.table)
    assert once.n_vehicle == pieces.n_vehicle
    assert once.n_suppressed == pieces.n_suppressed


def test_places_of_another_datum_are_put_right(tmp_path: Path) -> None:
    lon, lat = from_wgs84(np.array([HOME[0]]), np.array([HOME[1]]), Datum.GCJ02)
    path = write_pings(tmp_path / "p.parquet", seen("a", "ant", (lon[0], lat[0]), 1))
    found = measure_density([path], k_vehicles=1, datum=Datum.GCJ02)
    assert found.table["h3_cell"].tolist() == [cell_at(HOME)]


@pytest.mark.parametrize(
    ("counts", "given_out"),
    [
        ([20, 11, 30], [20, 11, 30]),  # nothing small, nothing hidden
        ([20, 5, 30], [0, 0, 30]),  # one small cell alone: the next smallest goes with it
        ([20, 5, 9], [20, 0, 0]),  # two that come to 14: no total gives one away
        ([20, 2, 3], [0, 0, 0]),  # two that come to 5, below k: the next goes too
        ([5], [0]),
    ],
)
def test_small_counts_go_with_what_would_reveal_them(
    counts: list[int], given_out: list[int]
) -> None:
    safe, hidden = suppress_small(pd.DataFrame({"ant": counts}), k_vehicles=11)
    assert safe["ant"].tolist() == given_out
    assert hidden == {"ant": sum(counts) - sum(given_out)}


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(2, 15))
def test_no_count_below_k_is_given_or_can_be_worked_out(counts: list[int], k: int) -> None:
    safe, hidden = suppress_small(pd.DataFrame({"ant": counts}), k_vehicles=k)
    values = safe["ant"].to_numpy()
    assert ((values == 0) | (values >= k)).all()
    hidden_counts = [c for c, shown in zip(counts, values, strict=True) if c and not shown]
    assert hidden["ant"] == sum(hidden_counts)
    if hidden_counts and values.any():
        assert len(hidden_counts) > 1
        assert sum(hidden_counts) >= k


def test_the_command_writes_what_a_study_reads_and_tells_no_row(tmp_path: Path) -> None:
    rows = [row for v in range(12) for row in seen(f"secret-{v}", "ant", HOME, 2)]
    rows += seen("secret-lonely", "bee", WORK, 1)
    path, out = write_pings(tmp_path / "p.parquet", rows), tmp_path / "vehicles.csv"
    result = CliRunner().invoke(app, ["vehicles", "count", str(path), "-o", str(out)])
    assert result.exit_code == ExitCode.OK, result.output
    table = pd.read_csv(out)
    assert table.to_numpy().tolist() == [[cell_at(HOME), 12, 0]]
    assert "12 vehicles of ant" in result.stdout
    assert "bee: fewer than 11 vehicles, all suppressed" in result.stdout
    assert "secret" not in result.output + out.read_text(encoding="utf-8")


def test_files_at_fault_are_all_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1")
    pd.DataFrame({"vin": ["a"], "brand": ["ant"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError) as caught:
        measure_density([tmp_path], columns=PingColumns(vehicle="vin"))
    said = str(caught.value)
    assert "torn.parquet: cannot be read as Parquet" in said
    assert "other.parquet, longitude: this column is missing" in said
    monkeypatch.setattr(pings, "find_spec", lambda _: None)
    good = write_pings(tmp_path / "good.parquet", seen("a", "ant", HOME, 1))
    with pytest.raises(InputError, match="siting\\[pings\\]"):
        measure_density([good])
