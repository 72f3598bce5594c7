"""Names of quantities in the unit of what is sited: kWh a day, or visits a year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from siting.domain import Facility

if TYPE_CHECKING:
    import pandas as pd

INSIDE = Facility.CHARGING_STATION.unit_suffix


def name_columns(table: pd.DataFrame, facility: Facility) -> pd.DataFrame:
    """Return a table whose columns are named in the facility's unit."""
    return table.rename(columns=lambda column: name_unit(str(column), facility))


def name_keys(part: Any, facility: Facility) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value whose keys are named in the facility's unit, at any depth."""
    if isinstance(part, dict):
        return {name_unit(key, facility): name_keys(value, facility) for key, value in part.items()}
    return [name_keys(item, facility) for item in part] if isinstance(part, list) else part


def name_unit(name: str, facility: Facility) -> str:
    """Return a quantity's name in the facility's unit: ``energy_kwh_per_day``, ``visits_per_year``.

    ``energy_aito_kwh_per_day`` becomes ``aito_visits_per_year``: visits are no energy.
    """
    if facility is Facility.CHARGING_STATION or not name.endswith(INSIDE):
        return name
    return name.removesuffix(INSIDE).removeprefix("energy_") + facility.unit_suffix
