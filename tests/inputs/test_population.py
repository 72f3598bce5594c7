"""Where people live, from tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
from shapely.geometry import box

from siting.errors import InputError
from siting.inputs.population import read_population
from siting.study import Population

if TYPE_CHECKING:
    from pathlib import Path


def test_points_and_polygons_with_people(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("lon,lat,population\n114,30,5\n114.1,30,0\n114.2,30,2.5\n")
    table = read_population(Population(path=path))
    assert table.frame["population"].tolist() == [5, 2.5]
    assert table.frame.geometry.x.tolist() == [114, 114.2]
    path = tmp_path / "p.geojson"
    gpd.GeoDataFrame({"population": [3]}, geometry=[box(0, 0, 1, 1)], crs=4326).to_file(path)
    assert read_population(Population(path=path)).frame.geometry.iloc[0].area == 1


def test_every_fault_of_the_people(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text("lon,lat,population\n114,30,-5\n114.1,,3\n114.2,30,many\n")
    with pytest.raises(InputError) as caught:
        read_population(Population(path=path))
    places = {(fault.row, fault.column) for fault in caught.value.faults}
    assert places == {(1, "population"), (2, "lat"), (3, "population")}
    path.write_text("lon,lat,population\n114,30,0\n")
    with pytest.raises(InputError, match="holds no people"):
        read_population(Population(path=path))
