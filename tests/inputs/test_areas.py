"""Areas to stay out of: from a table, or the water of an OSM file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import osmium
import pytest
import shapely
from shapely.geometry import box

from siting.domain import Datum
from siting.errors import InputError
from siting.inputs.areas import (
    AreaTable,
    find_areas,
    join_areas,
    read_areas,
    subtract_areas,
)

if TYPE_CHECKING:
    from pathlib import Path

# A lake of 0.1° with an island, a pond on its shore, and two areas that the extract tore.
OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="30.0" lon="114.0"/><node id="2" lat="30.0" lon="114.1"/>
<node id="3" lat="30.1" lon="114.1"/><node id="4" lat="30.1" lon="114.0"/>
<node id="5" lat="30.04" lon="114.04"/><node id="6" lat="30.04" lon="114.06"/>
<node id="7" lat="30.06" lon="114.05"/><node id="8" lat="30.2" lon="114.2"/>
<way id="10"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="4"/><nd ref="1"/></way>
<way id="11"><nd ref="5"/><nd ref="6"/><nd ref="7"/><nd ref="5"/></way>
<way id="12"><nd ref="3"/><nd ref="8"/><nd ref="4"/><nd ref="3"/>
<tag k="landuse" v="reservoir"/></way>
<way id="13"><nd ref="5"/><nd ref="6"/><nd ref="99"/><nd ref="5"/>
<tag k="natural" v="water"/></way>
<way id="14"><nd ref="5"/><nd ref="6"/><nd ref="7"/><nd ref="5"/><tag k="natural" v="wood"/></way>
<relation id="20"><member type="way" ref="10" role="outer"/>
<member type="way" ref="11" role="inner"/>
<tag k="type" v="multipolygon"/><tag k="natural" v="water"/><tag k="name" v="东湖"/></relation>
<relation id="21"><member type="way" ref="10" role="outer"/>
<member type="way" ref="999" role="outer"/>
<tag k="type" v="multipolygon"/><tag k="natural" v="water"/></relation>
</osm>"""


def areas_of(**shapes: shapely.Polygon) -> AreaTable:
    frame = gpd.GeoDataFrame({"name": list(shapes)}, geometry=list(shapes.values()), crs=4326)
    return AreaTable(frame=frame)


@pytest.mark.parametrize("suffix", [".osm", ".osm.pbf"])
def test_water_of_an_osm_file_with_its_islands(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "water.osm"
    path.write_text(OSM, encoding="utf-8")
    if suffix == ".osm.pbf":
        with osmium.SimpleWriter(str(tmp_path / "water.osm.pbf")) as writer:
            for item in osmium.FileProcessor(str(path)):
                writer.add(item)
        path = tmp_path / "water.osm.pbf"
    water = read_areas(path, Datum.WGS84)
    assert sorted(water.frame["name"]) == ["way/12", "东湖"]
    assert "2 areas of water are not whole" in water.notices[0].what
    lon, lat = np.array([114.02, 114.05, 114.1, 114.3]), np.array([30.05, 30.05, 30.12, 30.3])
    found = find_areas(lon, lat, water)
    names = [water.frame["name"][k] if k >= 0 else "" for k in found]
    assert names == ["东湖", "", "way/12", ""]  # the island and what lies beyond are land


def test_an_osm_file_without_water_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "dry.osm"
    path.write_text('<osm version="0.6"></osm>', encoding="utf-8")
    with pytest.raises(InputError, match="holds no area of water"):
        read_areas(path, Datum.WGS84)


def test_a_table_of_areas_in_any_crs_and_datum(tmp_path: Path) -> None:
    path = tmp_path / "a.gpkg"
    frame = gpd.GeoDataFrame(
        {"name": ["Reserve", ""]}, geometry=[box(114, 30, 115, 31), box(0, 0, 1, 1)], crs=4326
    )
    frame.to_crs(3857).to_file(path)
    areas = read_areas(path, Datum.WGS84)
    assert list(areas.frame["name"]) == ["Reserve", "area 2"]
    shifted = read_areas(path, Datum.GCJ02).frame.geometry.iloc[0]
    assert 100 < 111_195 * shifted.distance(shapely.Point(114, 30)) < 1000
    path.write_bytes(b"no GeoPackage")
    with pytest.raises(InputError):
        read_areas(path, Datum.WGS84)


def test_areas_are_taken_away_and_joined() -> None:
    lake, river = box(0, 0, 1, 1), box(1, 0, 2, 4)
    zones = np.array([box(0, 0, 1, 2), box(0, 0, 1, 1), box(5, 5, 6, 6), box(0.5, 0, 1.5, 2)])
    left = subtract_areas(zones, join_areas(areas_of(lake=lake), None, areas_of(river=river)))
    assert shapely.area(left).tolist() == [1, 0, 1, 0.5]
    assert subtract_areas(zones, None) is zones
    assert join_areas(None) is None
