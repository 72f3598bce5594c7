"""OSM features: one reader for stations and candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import osmium
import pytest

from siting.errors import InputError
from siting.inputs.osm_features import read_osm_features
from siting.inputs.stations import read_stations
from siting.study import Stations

if TYPE_CHECKING:
    from pathlib import Path

OSM = """<?xml version="1.0"?><osm version="0.6">
<node id="1" lat="30.0" lon="114.0"/>
<node id="2" lat="30.2" lon="114.0"/>
<node id="3" lat="30.2" lon="114.4"/>
<node id="4" lat="30.5" lon="114.5"><tag k="amenity" v="charging_station"/></node>
<way id="5"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="1"/>
<tag k="amenity" v="charging_station"/></way>
<way id="6"><nd ref="1"/><nd ref="99"/><tag k="amenity" v="charging_station"/></way>
<way id="7"><nd ref="98"/><nd ref="99"/><tag k="amenity" v="charging_station"/></way>
<way id="8"><nd ref="1"/><nd ref="2"/><tag k="amenity" v="bench"/></way>
</osm>"""


def places(path: Path) -> dict[str, tuple[float, float]]:
    features = read_osm_features(
        path, keys=["amenity"], accept=lambda tags: tags["amenity"] == "charging_station"
    )
    return {f.osm_id: (round(f.lon_deg, 6), round(f.lat_deg, 6)) for f in features}


def test_areas_stand_at_the_mean_of_the_corners_that_the_extract_holds(tmp_path: Path) -> None:
    path = tmp_path / "x.osm"
    path.write_text(OSM, encoding="utf-8")
    assert places(path) == {
        "node/4": (114.5, 30.5),
        "way/5": (114.133333, 30.133333),
        "way/6": (114.0, 30.0),
    }
    binary = tmp_path / "x.osm.pbf"
    with osmium.SimpleWriter(str(binary)) as writer:
        for item in osmium.FileProcessor(str(path)):
            writer.add(item)
    assert places(binary) == places(path)


@pytest.mark.parametrize("where", ['lat="30.5" lon="114.5"', 'lat="30.2" lon="114.4"'])
def test_a_node_without_a_place_refuses_the_file(tmp_path: Path, where: str) -> None:
    path = tmp_path / "x.osm"
    path.write_text(OSM.replace(where, ""), encoding="utf-8")
    with pytest.raises(InputError, match="not a valid OSM file: invalid location"):
        places(path)
    with pytest.raises(InputError, match="not a valid OSM file: invalid location"):
        read_stations(Stations(path=path))
