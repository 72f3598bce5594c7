"""Trips between places: who drives from where to where, by brand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandera.pandas as pa

from siting.domain import WGS84_EPSG
from siting.errors import Fault, InputError
from siting.inputs.contracts import (
    NOT_NEGATIVE,
    apply_contract,
    build_id_column,
    build_text_column,
)
from siting.inputs.geometry import PLACE_NAMES, Shape, read_geometry
from siting.inputs.tables import find_unused_columns, flag_column, read_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from siting.study import Trips

PLACES_SCHEMA = pa.DataFrameSchema(
    {
        "place_id": build_id_column(),
        "name": build_text_column(),
        "name_zh": build_text_column(),
    }
)
"""Contract of the places that trips lead from and to."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TripTable:
    """Trips between places.

    Attributes
    ----------
    places
        Columns place_id, name, name_zh and geometry (EPSG:4326, WGS-84, points).
    frame
        Columns origin and destination (ids of places) and cars_<brand>_per_day (float) for every
        brand, of cars that drive there and back.
    illustrative
        True for made figures: the study says so, or a row of the file does.
    notices
        What was doubtful and how it was read.
    """

    places: gpd.GeoDataFrame
    frame: pd.DataFrame
    illustrative: bool
    notices: tuple[Fault, ...] = ()


def build_trips_schema(brands: Sequence[str]) -> pa.DataFrameSchema:
    """Build the contract of a table of trips.

    Parameters
    ----------
    brands
        Ids of the brands, each with its column ``cars_<brand>_per_day``.
    """
    return pa.DataFrameSchema(
        {
            "origin": build_id_column(unique=False),
            "destination": build_id_column(unique=False),
            **{f"cars_{brand}_per_day": pa.Column(float, NOT_NEGATIVE) for brand in brands},
        }
    )


def read_trips(spec: Trips, brands: Sequence[str]) -> TripTable:
    """Read the trips of a study and the places between which they lead.

    Parameters
    ----------
    spec
        Where they come from.
    brands
        Ids of the study's brands.

    Raises
    ------
    InputError
        With every fault of both files: unknown places, trips to where they start, pairs that
        stand twice.
    """
    table = read_table(spec.places)
    geometry, faults, notices = read_geometry(table, shape=Shape.POINT, datum=spec.datum)
    columns = apply_contract(table, PLACES_SCHEMA, faults=faults)
    columns["name"] = columns["name"].where(columns["name"] != "", columns["place_id"])
    columns["name_zh"] = columns["name_zh"].where(columns["name_zh"] != "", columns["name"])
    places = gpd.GeoDataFrame(columns, geometry=geometry, crs=WGS84_EPSG).reset_index(drop=True)
    rows = read_table(spec.path)
    made = np.full(len(rows.frame), spec.illustrative)
    wrong: list[Fault] = []
    if "illustrative" in rows.frame.columns:
        flags, wrong = flag_column(rows, "illustrative")
        made = made | flags
    schema = build_trips_schema(brands)
    trips = apply_contract(rows, schema, faults=wrong)
    found = _find_faults(trips, set(places["place_id"]), file=rows.file)
    if found:
        raise InputError(found)
    return TripTable(
        places=places,
        frame=trips.reset_index(drop=True),
        illustrative=bool(made.any()),
        notices=(
            *table.notices,
            *notices,
            *rows.notices,
            *find_unused_columns(
                table, {*PLACES_SCHEMA.columns, "residents"}, in_any_case=PLACE_NAMES
            ),
            *find_unused_columns(rows, {*schema.columns, "illustrative"}),
        ),
    )


def _find_faults(trips: pd.DataFrame, places: set[str], *, file: str) -> list[Fault]:
    faults = []
    seen: set[frozenset[str]] = set()
    for row, origin, destination in zip(
        trips.index, trips["origin"], trips["destination"], strict=True
    ):
        faults += [
            Fault(
                file=file,
                row=int(row),
                column=column,
                value=place,
                what="no place has this id",
                remedy="add it to the places, or correct the id",
            )
            for column, place in (("origin", origin), ("destination", destination))
            if place not in places
        ]
        pair = frozenset({origin, destination})
        if origin == destination or pair in seen:
            what = (
                "leads to where it starts"
                if origin == destination
                else "the same two places stand in a row above; a trip is there and back"
            )
            remedy = "remove the row, or add its cars to the other"
            faults.append(
                Fault(
                    file=file,
                    row=int(row),
                    value=f"{origin} – {destination}",
                    what=what,
                    remedy=remedy,
                )
            )
        seen.add(pair)
    return faults
