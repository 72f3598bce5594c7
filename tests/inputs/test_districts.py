"""Districts: names that stand in, and points in, between and outside them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from siting.errors import InputError
from siting.inputs.districts import NO_DISTRICT, find_districts, read_districts
from siting.study import Districts

if TYPE_CHECKING:
    from pathlib import Path


def square(west: float, **properties: object) -> dict[str, object]:
    ring = [[west, 30.0], [west + 1, 30.0], [west + 1, 31.0], [west, 31.0], [west, 30.0]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def write(path: Path, *features: dict[str, object]) -> Districts:
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return Districts(path=path)


def test_names_and_points(tmp_path: Path) -> None:
    spec = write(
        tmp_path / "d.geojson",
        square(114.0, district_id=420102, name="Jiang'an", name_zh="江岸区"),
        square(114.5, district_id="420103"),
    )
    districts = read_districts(spec)
    assert districts.ids == ("420102", "420103")
    assert list(districts.frame["name"]) == ["Jiang'an", "420103"]
    assert list(districts.frame["name_zh"]) == ["江岸区", "420103"]
    lon = np.array([114.1, 114.7, 115.2, 116.0])
    found = find_districts(lon, np.full(4, 30.5), districts)
    assert found.tolist() == [0, 0, 1, NO_DISTRICT]  # the first where two overlap
    assert find_districts(lon, lon, None).tolist() == [NO_DISTRICT] * 4


def test_faults(tmp_path: Path) -> None:
    spec = write(tmp_path / "d.geojson", square(114.0, district_id="1"), square(1, district_id="1"))
    with pytest.raises(InputError, match="more than once"):
        read_districts(spec)
    spec = write(tmp_path / "d.geojson", square(532_000.0, district_id="1"))
    with pytest.raises(InputError, match="these are no degrees"):
        read_districts(spec)
    spec = write(tmp_path / "d.geojson", square(-0.5, district_id="1"), square(179.5, name="x"))
    with pytest.raises(InputError) as caught:
        read_districts(spec)
    assert len(caught.value.faults) == 2  # past the globe's edge, and a district without an id
