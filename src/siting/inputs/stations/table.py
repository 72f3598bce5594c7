"""A planner's own table of stations: every wrong cell is a fault, because it can be corrected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siting.errors import Fault, InputError
from siting.inputs.contracts import STATIONS_SCHEMA, apply_contract
from siting.inputs.geometry import (
    PLACE_NAMES,
    Shape,
    lon_lat_of,
    read_geometry,
)
from siting.inputs.stations.frame import (
    COLUMNS,
    NUMBER_COLUMNS,
    TEXT_COLUMNS,
    StationTable,
    build_feed_label,
    build_frame,
    build_source_id,
    find_swapped,
    parse_connector_powers,
)
from siting.inputs.tables import cell_faults, find_unused_columns, rename_columns

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray
    from siting.inputs.tables import Table
    from siting.study import Stations

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no", ""})
_USED = frozenset({*COLUMNS, "datum"})


def read_table_stations(table: Table, spec: Stations) -> StationTable:
    """Build the station table from a planner's own table.

    Parameters
    ----------
    table
        As it stands in its file.
    spec
        Its datum, renames and defaults.

    Raises
    ------
    InputError
        With every fault of every cell.
    """
    table, faults, notices = _prepare(rename_columns(table, spec.columns), spec)
    geometry, place_faults, place_notices = read_geometry(
        table, shape=Shape.POINT, datum=spec.datum
    )
    illustrative, flag_faults = _parse_flags(table)
    faults += [*place_faults, *flag_faults]
    if not place_faults:
        faults += cell_faults(
            replace(table, frame=table.frame.assign(coordinates=geometry.to_wkt())),
            "coordinates",
            find_swapped(*lon_lat_of(geometry)),
            lambda _: ("longitude and latitude look swapped beside other rows", "swap the two"),
        )
    frame = apply_contract(table, STATIONS_SCHEMA, faults=faults)
    connectors, power_kw, faults = _complete_powers(frame, table)
    if faults:
        raise InputError(faults)
    label = build_feed_label(spec.path)
    own_ids = [build_source_id(label, station_id) for station_id in frame["station_id"]]
    columns = {
        **{name: frame[name] for name in frame.columns},
        "connectors": connectors,
        "power_kw": power_kw,
        "illustrative": illustrative | spec.illustrative,
        "source": frame["source"].replace("", spec.source or label),
        "source_ids": frame["source_ids"].where(frame["source_ids"] != "", own_ids),
    }
    return StationTable(
        frame=build_frame(columns, *lon_lat_of(geometry)),
        notices=(
            *table.notices,
            *place_notices,
            *notices,
            *find_unused_columns(table, _USED, in_any_case=PLACE_NAMES),
            *_find_powerless(connectors, file=table.file),
        ),
    )


def check_defaults(spec: Stations) -> list[Fault]:
    """Return a fault for every default that is for no column of a station table."""
    known = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
    return [
        Fault(
            file=spec.path.name,
            column=f"defaults.{name}",
            what="is no column of a station table",
            remedy=f"give one of {', '.join(known)}",
        )
        for name in spec.defaults
        if name not in known
    ]


def _prepare(table: Table, spec: Stations) -> tuple[Table, list[Fault], list[Fault]]:
    """Drop repeated rows, fill defaults, give ids to a table without, and compare the datum."""
    faults = check_defaults(spec)
    notices: list[Fault] = []
    frame = table.frame
    repeated = pd.DataFrame(frame).astype("str").duplicated().to_numpy()
    if repeated.any():
        what = f"{int(repeated.sum()):,} rows repeat another row in every column; read once"
        notices.append(Fault(file=table.file, what=what, remedy="remove them"))
        frame = frame[~repeated]
    for name, value in spec.defaults.items():
        frame = frame.assign(**{name: _filled(frame, name, value)})
    if "station_id" not in frame.columns:
        frame = frame.assign(station_id=[f"row-{row}" for row in frame.index])
        what = "has no column station_id; the rows' numbers stand for it"
        notices.append(Fault(file=table.file, what=what, remedy="add ids that last"))
    for name in ("access", "status"):
        if name in frame.columns:
            frame = frame.assign(**{name: frame[name].astype("str").str.lower()})
    if "datum" in frame.columns:
        told = set(frame["datum"].astype("str").str.lower().str.replace("-", "")) - {""}
        if told - {spec.datum.value}:
            what = f"the file says {', '.join(sorted(told))}, the study {spec.datum.value}"
            remedy = "declare the file's datum in the study"
            faults.append(Fault(file=table.file, column="datum", what=what, remedy=remedy))
    return replace(table, frame=frame), faults, notices


def _filled(frame: pd.DataFrame, name: str, value: str | float) -> Any:  # noqa: ANN401 - a column
    if name not in frame.columns:
        return [value] * len(frame)
    column = frame[name]
    if pd.api.types.is_numeric_dtype(column):
        return column.fillna(value)
    return column.fillna("").astype("str").replace("", str(value))


def _parse_flags(table: Table) -> tuple[BoolArray, list[Fault]]:
    if "illustrative" not in table.frame.columns:
        return np.zeros(len(table.frame), dtype=bool), []
    texts = table.frame["illustrative"].fillna("").astype("str").str.lower()
    faults = cell_faults(
        table,
        "illustrative",
        ~texts.isin(_TRUE | _FALSE),
        lambda _: ("is neither true nor false", "write true or false"),
    )
    return texts.isin(_TRUE).to_numpy(dtype=bool), faults


def _complete_powers(
    frame: pd.DataFrame, table: Table
) -> tuple[FloatArray, FloatArray, list[Fault]]:
    """Take connectors and their mean power from ``connector_powers_kw`` where it is given."""
    texts = frame["connector_powers_kw"]
    powers = [parse_connector_powers(text) for text in texts]
    told = np.array([len(p) or np.nan for p in powers], dtype=np.float64)
    mean_kw = np.array([np.mean(p) if p else np.nan for p in powers], dtype=np.float64)
    connectors = frame["connectors"].to_numpy(dtype=np.float64)
    power_kw = frame["power_kw"].to_numpy(dtype=np.float64)
    unread = ((texts != "") & np.isnan(told)).to_numpy(dtype=bool)
    differs = ~np.isnan(told) & ~np.isnan(connectors) & (told != connectors)
    faults = [
        fault
        for bad, what, remedy in (
            (unread, "is no list of connectors", "write it like 4x120;2x60"),
            (differs, "has another number of connectors than `connectors`", "correct one of them"),
        )
        if bad.any()
        for fault in cell_faults(
            table, "connector_powers_kw", bad, lambda _, said=(what, remedy): said
        )
    ]
    connectors = np.where(np.isnan(connectors), told, connectors)
    power_kw = np.where(np.isnan(mean_kw), power_kw, mean_kw)
    for name, values, example in (
        ("connectors", connectors, "connectors: 8"),
        ("power_kw", power_kw, "power_kw: 60"),
    ):
        remedy = f"give it, or a value for all under `defaults`, such as `{example}`"
        if np.isnan(values).all():
            what = "is missing in every row"
            faults.append(Fault(file=table.file, column=name, what=what, remedy=remedy))
        else:
            faults += cell_faults(
                replace(table, frame=frame),
                name,
                np.isnan(values),
                lambda _, said=("is empty", remedy): said,
            )
    return connectors, power_kw, faults


def _find_powerless(connectors: FloatArray, *, file: str) -> list[Fault]:
    n_empty = int((connectors == 0).sum())
    if not n_empty:
        return []
    what = f"{n_empty:,} stations have no connector: they serve nothing"
    return [Fault(file=file, column="connectors", what=what, remedy="check them")]
