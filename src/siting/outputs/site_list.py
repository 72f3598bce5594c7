"""The site list: sites.csv for spreadsheets, sites.geojson for maps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from siting.domain import Facility
from siting.outputs.files import render_csv
from siting.outputs.units import name_columns

if TYPE_CHECKING:
    import pandas as pd

    from siting.plan import SitingPlan

DEGREE_DIGITS = 7
ROUNDING = {
    "_kwh_per_day": 3,
    "_kw": 3,
    "_cny": 2,
    "_min": 2,
    "utilisation": 4,
    "_share": 4,
    "longitude": DEGREE_DIGITS,
    "latitude": DEGREE_DIGITS,
}


def build_site_list(plan: SitingPlan) -> pd.DataFrame:
    """Build the table that is written: the plan's sites, rounded, with what is made marked so."""
    table = round_by_unit(plan.sites)
    table["illustrative"] = plan.case.illustrative
    if plan.case.study.facility is Facility.SERVICE_CENTRE:
        table = table.rename(columns={"connectors": "bays"}).drop(columns="power_kw")
    return name_columns(table, plan.case.study.facility)


def render_sites_csv(plan: SitingPlan) -> bytes:
    """Return sites.csv: UTF-8 with a byte-order mark, no formula runs."""
    return render_csv(build_site_list(plan))


def render_sites_geojson(plan: SitingPlan) -> bytes:
    """Return sites.geojson: one Point a site, WGS-84, the site list's columns as properties."""
    table = build_site_list(plan)
    features = [
        {
            "type": "Feature",
            "id": row["site_id"],
            "geometry": {"type": "Point", "coordinates": [row["longitude"], row["latitude"]]},
            "properties": {
                name: value for name, value in row.items() if name not in ("longitude", "latitude")
            },
        }
        for row in build_records(table)
    ]
    collection = {"type": "FeatureCollection", "name": "sites", "features": features}
    return (json.dumps(collection, ensure_ascii=False, indent=1) + "\n").encode()


def build_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as JSON-able records; a NaN, which JSON lacks, becomes null."""
    return [
        {str(name): None if value != value else value for name, value in row.items()}  # noqa: PLR0124 - NaN test
        for row in table.to_dict(orient="records")
    ]


def round_by_unit(table: pd.DataFrame) -> pd.DataFrame:
    """Return a copy with every column rounded as its unit deserves."""
    digits = {
        column: places
        for column in table.columns
        for suffix, places in ROUNDING.items()
        if column.endswith(suffix) and table[column].dtype.kind == "f"
    }
    return table.round(digits)
