"""From raw telemetry to vehicle density: Parquet in, vehicles by H3 cell and brand out.

A vehicle counts once, in the cell that it was seen in most often. The rows are read in batches and
counted into parts by vehicle, so memory is bounded by a batch and a part, whatever the number of
rows; needs the extra ``pings``. No row, and no id of a vehicle, gets into any output or message:
what is spilled to disk on the way carries salted hashes, and is removed.

Small counts are suppressed: no cell with fewer than k vehicles of a brand is given, nor what more
is needed so that none can be worked out from the brand's total (Hundepool et al. 2012).
"""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from siting.domain import Datum
from siting.errors import Fault, InputError
from siting.inputs.datum import to_wgs84
from siting.inputs.geometry import MAX_LAT_DEG, MAX_LON_DEG

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

INSTALL_LINE = "pip install 'siting[pings]'"
K_VEHICLES = 11
RESOLUTION = 8
BATCH_ROWS = 2_000_000
N_PART = 64


@dataclass(frozen=True, kw_only=True)
class PingColumns:
    """Names of the telemetry's columns."""

    vehicle: str = "vehicle_id"
    brand: str = "brand"
    longitude: str = "longitude"
    latitude: str = "latitude"

    @property
    def names(self) -> list[str]:
        """All four, in a fixed order."""
        return [self.vehicle, self.brand, self.longitude, self.latitude]


@dataclass(frozen=True, kw_only=True, eq=False)
class VehicleDensity:
    """Vehicles by cell, safe to hand on.

    Attributes
    ----------
    table
        ``h3_cell`` and ``vehicles_<brand>``; cells where nothing may be said are left out.
    n_vehicle, n_suppressed
        By brand, the vehicles seen, and those of them that are in suppressed counts.
    n_row, n_row_left_out
        Rows read, and those without a vehicle, a brand or a place.
    """

    table: pd.DataFrame
    n_vehicle: dict[str, int]
    n_suppressed: dict[str, int]
    n_row: int
    n_row_left_out: int


def measure_density(
    paths: Sequence[Path],
    *,
    columns: PingColumns | None = None,
    datum: Datum = Datum.WGS84,
    resolution: int = RESOLUTION,
    k_vehicles: int = K_VEHICLES,
    batch_rows: int = BATCH_ROWS,
) -> VehicleDensity:
    """Count vehicles by H3 cell and brand, and suppress small counts.

    Parameters
    ----------
    paths
        Parquet files, or folders of them.
    columns
        Names of the columns.
    datum
        Datum of the coordinates.
    resolution
        Of the cells, 0 to 15; 8 is about 0.7 km².
    k_vehicles
        Least vehicles of a brand that a cell is given for.
    batch_rows
        How many rows are in memory at once.

    Raises
    ------
    InputError
        If the extra is missing, or a file cannot be read or lacks a column: all files at once.
    """
    columns = columns or PingColumns()
    files = _find_files(paths, columns)
    _require_polars()
    with tempfile.TemporaryDirectory(prefix="siting-pings-") as spill:
        n_row, n_kept = 0, 0
        salt = secrets.randbits(64)
        for number, batch in enumerate(_read_batches(files, columns, batch_rows)):
            n_row += batch.num_rows
            seen = _count_batch(batch, columns, datum=datum, resolution=resolution, salt=salt)
            n_kept += int(seen["n"].sum())
            for (part,), rows in seen.partition_by("part", as_dict=True, include_key=False).items():
                rows.write_parquet(Path(spill, f"{part}-{number}.parquet"))
        counts = [_settle_part(Path(spill), part) for part in range(N_PART)]
    by_cell = pd.concat(counts).pivot_table(
        index="cell", columns="brand", values="n", aggfunc="sum", fill_value=0
    )
    safe, n_suppressed = suppress_small(by_cell, k_vehicles=k_vehicles)
    kept = safe[(safe > 0).any(axis=1)]
    table = kept.rename(columns=lambda brand: f"vehicles_{brand}").reset_index(names="h3_cell")
    table.columns.name = None
    return VehicleDensity(
        table=table,
        n_vehicle={str(brand): int(by_cell[brand].sum()) for brand in by_cell},
        n_suppressed=n_suppressed,
        n_row=n_row,
        n_row_left_out=n_row - n_kept,
    )


def suppress_small(
    by_cell: pd.DataFrame, *, k_vehicles: int
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Suppress counts below k, with the complement that would reveal them.

    Where what is suppressed of a brand is a single cell, or fewer than k vehicles in all, the
    brand's total would give it away; the next smallest counts go too until it does not.

    Parameters
    ----------
    by_cell
        Counts, a row a cell and a column a brand.
    k_vehicles
        Least count that is given.

    Returns
    -------
    tuple
        The counts with 0 for what is suppressed, and how many vehicles of each brand that is.
    """
    safe, n_suppressed = {}, {}
    for brand in by_cell:
        count = by_cell[brand].to_numpy(dtype=np.int64, copy=True)
        order = np.argsort(count, kind="stable")
        order = order[count[order] > 0]
        n_hidden = int((count[order] < k_vehicles).sum())
        hidden = int(count[order[:n_hidden]].sum())
        while n_hidden and n_hidden < order.size and (n_hidden == 1 or hidden < k_vehicles):
            hidden += int(count[order[n_hidden]])
            n_hidden += 1
        count[order[:n_hidden]] = 0
        safe[brand], n_suppressed[str(brand)] = count, hidden
    return pd.DataFrame(safe, index=by_cell.index), n_suppressed


def _find_files(paths: Sequence[Path], columns: PingColumns) -> list[Path]:
    """Return the Parquet files; those that cannot be read or lack a column are faults."""
    faults, files = [], []
    for path in paths:
        found = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not found:
            what = "the folder holds no .parquet file"
            faults.append(Fault(file=path.name, what=what, remedy="name the telemetry's files"))
        for file in found:
            try:
                names = set(pq.read_schema(file).names)
            except (OSError, pa.ArrowInvalid):
                what = "cannot be read as Parquet"
                faults.append(Fault(file=file.name, what=what, remedy="give a Parquet file"))
                continue
            files.append(file)
            faults += [
                Fault(
                    file=file.name,
                    column=name,
                    what="this column is missing",
                    remedy="add it, or name the file's own with the options",
                )
                for name in columns.names
                if name not in names
            ]
    if faults:
        raise InputError(faults)
    return files


def _require_polars() -> None:
    """Refuse to begin without the extra."""
    if any(find_spec(name) is None for name in ("polars", "polars_h3")):
        what = "counting telemetry needs an extra that is not installed"
        raise InputError([Fault(what=what, remedy=INSTALL_LINE)])


def _read_batches(
    files: Sequence[Path], columns: PingColumns, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    for file in files:
        with pq.ParquetFile(file) as reader:
            yield from reader.iter_batches(batch_size=batch_rows, columns=columns.names)


def _count_batch(
    batch: pa.RecordBatch, columns: PingColumns, *, datum: Datum, resolution: int, salt: int
) -> Any:  # noqa: ANN401 - a polars frame
    """Return how often each vehicle of a batch was seen in each cell, and its part."""
    import polars as pl  # noqa: PLC0415 - an extra
    import polars_h3  # noqa: PLC0415 - the same

    frame = pl.DataFrame(pl.from_arrow(batch)).select(
        vehicle=pl.col(columns.vehicle).hash(seed=salt),
        known=pl.col(columns.vehicle).is_not_null(),
        brand=pl.col(columns.brand).cast(pl.String),
        lon=pl.col(columns.longitude).cast(pl.Float64, strict=False),
        lat=pl.col(columns.latitude).cast(pl.Float64, strict=False),
    )
    placed = frame.filter(
        pl.col("known")
        & pl.col("brand").is_not_null()
        & pl.col("lon").is_between(-MAX_LON_DEG, MAX_LON_DEG)
        & pl.col("lat").is_between(-MAX_LAT_DEG, MAX_LAT_DEG)
    )
    if datum is not Datum.WGS84:
        lon, lat = to_wgs84(placed["lon"].to_numpy(), placed["lat"].to_numpy(), datum)
        placed = placed.with_columns(lon=pl.Series(lon), lat=pl.Series(lat))
    return (
        placed.with_columns(
            cell=polars_h3.latlng_to_cell("lat", "lon", resolution, return_dtype=pl.UInt64)
        )
        .group_by("vehicle", "brand", "cell")
        .agg(n=pl.len())
        .with_columns(part=(pl.col("vehicle") % N_PART).cast(pl.Int32))
    )


def _settle_part(spill: Path, part: int) -> pd.DataFrame:
    """Return the vehicles of a part by cell and brand, each in the cell it was seen in most."""
    import polars as pl  # noqa: PLC0415 - an extra

    files = sorted(spill.glob(f"{part}-*.parquet"))
    if not files:
        return pd.DataFrame({"cell": [], "brand": [], "n": []})
    home = (
        pl.read_parquet(files)
        .group_by("vehicle", "brand", "cell")
        .agg(pl.col("n").sum())
        .sort("n", "cell", descending=[True, False])
        .group_by("vehicle", "brand", maintain_order=True)
        .first()
    )
    counted = home.group_by("cell", "brand").agg(n=pl.len()).sort("cell", "brand")
    return pd.DataFrame(
        {
            "cell": [f"{cell:x}" for cell in counted["cell"].to_list()],
            "brand": counted["brand"].to_list(),
            "n": counted["n"].to_list(),
        }
    )
