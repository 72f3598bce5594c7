"""Generate Wuhan's vehicles by brand and its existing stations: ILLUSTRATIVE, not counted.

No real figures by brand or by station are public for Wuhan. What is made here has real totals'
order of magnitude and a real city's shape, and nothing more: every row says ``illustrative``.
All assumptions stand in :class:`Assumptions`; all randomness comes from its one seed. Nothing is
fetched: roads, districts and places lie in data/wuhan.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import h3
import numpy as np
import shapely
from pyproj import Transformer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from siting.inputs.roads import RoadTable, read_compact_roads

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

T = TypeVar("T", int, str)

UTM_50N_EPSG = 32650
COORDINATE_DIGITS = 6
ILLUSTRATIVE = "true"
"""Stands in the last column of every generated row."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Everything that the generated files rest on.

    Attributes
    ----------
    delivered_cars, delivered_cars_per_month, months_ahead
        Press figures: 1,000,000 HIMA cars by 5 December 2025, 57,915 more in January 2026. The
        plan is made for the end of 2028, 36 months of the same pace later (assumed; nothing is
        scrapped).
    city_residents, country_residents
        Census of 2020.
    metropolitan_factor
        How many times likelier a resident of Wuhan owns such a car than the country's mean
        resident (assumed).
    stock_share
        Each brand's share of the cars on the road (assumed; press: Aito about 70 per cent of
        2025's deliveries, more of the years before).
    centre_pull_per_10_km
        How much denser each brand's owners live toward the centre: the density falls by
        exp(-pull) every 10 km (assumed; the dearer the brand, the more central).
    centre_place
        GeoNames id of the place that is taken for the centre.
    h3_resolution
        Of the cells; 8 is about 0.7 km² here.
    least_street_km
        A cell with less street to live at is left out.
    residents_per_street_km
        How many live at a kilometre of each class, relative to a residential street (assumed).
    mapped_within_m
        A populated place farther than this from every mapped street is outside the mapped city.
    crowding
        A cell's residents rise with its street length to this power: where streets are densest,
        not all of them are lived at (assumed).
    place_pull, place_reach_m
        At a populated place the density is 1 + pull times, falling with a Gaussian of this reach.
    alliance_stations_nationally, connectors_of_alliance, power_kw_of_alliance
        Press figures: 1,300 Huawei-brand stations by November 2025, about 7 piles each, the
        newest liquid-cooled with 600 kW. How many stations have how many (shares assumed).
    alliance_spacing_m, public_spacing_m
        Least straight distance of two alliance stations, and of a third party's from any (assumed).
    public_stations, connectors_of_public, power_kw_of_public
        Third-party stations with fast chargers (assumed, all of it).
    public_available_share
        Least and greatest share of a third-party station that the alliance's drivers find free
        of other makes (assumed).
    station_classes
        Classes of road that stations stand at.
    seed
        Of everything random.
    """

    delivered_cars: int = 1_000_000
    delivered_cars_per_month: int = 57_915
    months_ahead: int = 36
    city_residents: int = 12_326_518
    country_residents: int = 1_411_778_724
    metropolitan_factor: float = 3.0
    stock_share: dict[str, float] = field(
        default_factory=lambda: {
            "aito": 0.80,
            "luxeed": 0.11,
            "stelato": 0.04,
            "maextro": 0.01,
            "shangjie": 0.04,
        }
    )
    centre_pull_per_10_km: dict[str, float] = field(
        default_factory=lambda: {
            "aito": 0.0,
            "luxeed": 0.3,
            "stelato": 0.6,
            "maextro": 1.2,
            "shangjie": -0.3,
        }
    )
    centre_place: int = 1791247
    h3_resolution: int = 8
    least_street_km: float = 0.3
    residents_per_street_km: dict[str, float] = field(
        default_factory=lambda: {
            "residential": 1.0,
            "living_street": 1.0,
            "tertiary": 0.7,
            "unclassified": 0.5,
            "secondary": 0.4,
            "primary": 0.2,
        }
    )
    mapped_within_m: float = 3000.0
    crowding: float = 0.75
    place_pull: float = 1.0
    place_reach_m: float = 2000.0
    alliance_stations_nationally: int = 1300
    connectors_of_alliance: dict[int, float] = field(
        default_factory=lambda: {4: 0.2, 6: 0.3, 8: 0.3, 10: 0.2}
    )
    power_kw_of_alliance: dict[int, float] = field(default_factory=lambda: {250: 0.7, 600: 0.3})
    alliance_spacing_m: float = 1500.0
    public_stations: int = 150
    public_spacing_m: float = 400.0
    connectors_of_public: dict[int, float] = field(
        default_factory=lambda: {4: 0.25, 8: 0.35, 12: 0.25, 20: 0.15}
    )
    power_kw_of_public: dict[int, float] = field(
        default_factory=lambda: {60: 0.35, 120: 0.45, 180: 0.2}
    )
    public_available_share: tuple[float, float] = (0.05, 0.10)
    station_classes: tuple[str, ...] = ("primary", "secondary", "tertiary")
    seed: int = 20260131


@dataclass(frozen=True, kw_only=True, eq=False)
class City:
    """What is really known of the city.

    Attributes
    ----------
    roads
        The road network.
    district_ids, district_names_zh, district_shapes
        (n_district,) the districts; WGS-84 degrees.
    residents, zone_residents
        (n_district,) residents, and those of them in functional zones, all within the mapped city.
    place_ids, place_district, place_xy_m
        (n_place,) populated places: GeoNames id, index of the district, projected coordinates.
    """

    roads: RoadTable
    district_ids: tuple[str, ...]
    district_names_zh: tuple[str, ...]
    district_shapes: tuple[shapely.Geometry, ...]
    residents: Floats
    zone_residents: Floats
    place_ids: Ints
    place_district: Ints
    place_xy_m: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """The straight steps of all road segments, in the order of their shapes.

    Attributes
    ----------
    lon_deg, lat_deg, xy_m
        (n_step,), (n_step, 2) middle of each step.
    length_m
        (n_step,) length.
    segment
        (n_step,) the segment that it is part of.
    """

    lon_deg: Floats
    lat_deg: Floats
    xy_m: Floats
    length_m: Floats
    segment: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Cells:
    """The inhabited H3 cells.

    Attributes
    ----------
    ids
        (n_cell,) H3 cells, ascending.
    district
        (n_cell,) index of the district that holds the cell's centre.
    residents
        (n_cell,) residents.
    centre_km
        (n_cell,) straight distance to the city's centre.
    """

    ids: tuple[str, ...]
    district: Ints
    residents: Floats
    centre_km: Floats


def project(lon_deg: Any, lat_deg: Any) -> Floats:  # noqa: ANN401 - any array-like
    """Return (n, 2) UTM 50N metres of WGS-84 degrees."""
    to_metres = Transformer.from_crs("EPSG:4326", UTM_50N_EPSG, always_xy=True)
    return np.column_stack(to_metres.transform(np.asarray(lon_deg), np.asarray(lat_deg)))


def read_city(folder: Path) -> City:
    """Read the real part of the embedded case."""
    features = json.loads((folder / "districts.geojson").read_text(encoding="utf-8"))["features"]
    properties = [feature["properties"] for feature in features]
    district_ids = tuple(p["district_id"] for p in properties)
    with (folder / "places.csv").open(encoding="utf-8", newline="") as stream:
        places = list(csv.DictReader(stream))
    return City(
        roads=read_compact_roads(folder / "roads.npz"),
        district_ids=district_ids,
        district_names_zh=tuple(p["name_zh"] for p in properties),
        district_shapes=tuple(
            shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features
        ),
        residents=np.array([p["population"] for p in properties], dtype=np.float64),
        zone_residents=np.array([p["population_zones"] for p in properties], dtype=np.float64),
        place_ids=np.array([int(p["geonameid"]) for p in places]),
        place_district=np.array([district_ids.index(p["district_id"]) for p in places]),
        place_xy_m=project(
            [float(p["longitude"]) for p in places], [float(p["latitude"]) for p in places]
        ),
    )


def split_into_steps(roads: RoadTable) -> Steps:
    """Split the segments into their straight steps."""
    xy_m = project(roads.shape_lon_deg, roads.shape_lat_deg)
    inside = np.ones(len(xy_m), dtype=bool)
    inside[roads.shape_start[1:] - 1] = False  # the last point of a shape begins no step
    (begin,) = np.nonzero(inside)
    end = begin + 1
    return Steps(
        lon_deg=(roads.shape_lon_deg[begin] + roads.shape_lon_deg[end]) / 2,
        lat_deg=(roads.shape_lat_deg[begin] + roads.shape_lat_deg[end]) / 2,
        xy_m=(xy_m[begin] + xy_m[end]) / 2,
        length_m=np.hypot(*(xy_m[end] - xy_m[begin]).T),
        segment=np.repeat(np.arange(roads.n_segment), np.diff(roads.shape_start) - 1),
    )


def find_districts(lon_deg: Any, lat_deg: Any, city: City) -> Ints:  # noqa: ANN401 - array-likes
    """Return the index of the district of each point, -1 outside all."""
    found = np.full(len(lon_deg), -1)
    for index, shape in enumerate(city.district_shapes):
        found[shapely.contains_xy(shape, np.asarray(lon_deg), np.asarray(lat_deg))] = index
    return found


def compute_mapped_residents(city: City, steps: Steps, assumed: Assumptions) -> Floats:
    """Return (n_district,) residents who live where streets are mapped.

    The residents of a district are taken to live at its populated places in equal parts, and
    those of places far from every mapped street are left out; a district without places counts
    whole, and so do the functional zones.
    """
    distance_m, _ = cKDTree(steps.xy_m).query(city.place_xy_m)
    near = distance_m <= assumed.mapped_within_m
    n_district = len(city.district_ids)
    n_place = np.bincount(city.place_district, minlength=n_district)
    n_near = np.bincount(city.place_district, weights=near, minlength=n_district)
    share = np.where(n_place > 0, n_near / np.maximum(n_place, 1), 1.0)
    return city.zone_residents + share * (city.residents - city.zone_residents)


def build_cells(city: City, steps: Steps, assumed: Assumptions) -> Cells:
    """Spread each district's mapped residents over H3 cells by their streets and places.

    A cell's weight is its street length by class, to the power of ``crowding``, times the pull of
    the populated places near it; cells without streets, over the river and the lakes, do not
    come to be.
    """
    per_km = np.array(
        [assumed.residents_per_street_km.get(name, 0.0) for name in city.roads.highway_classes]
    )
    street_km = per_km[city.roads.highway[steps.segment]] * steps.length_m / 1000
    of_step = [
        h3.latlng_to_cell(lat, lon, assumed.h3_resolution)
        for lat, lon in zip(steps.lat_deg.tolist(), steps.lon_deg.tolist(), strict=True)
    ]
    ids, index = np.unique(of_step, return_inverse=True)
    cell_km = np.bincount(index, weights=street_km)
    lat, lon = np.array([h3.cell_to_latlng(cell) for cell in ids]).T
    district = find_districts(lon, lat, city)
    kept = (cell_km >= assumed.least_street_km) & (district >= 0)
    ids, cell_km, district = ids[kept], cell_km[kept], district[kept]

    xy_m = project(lon[kept], lat[kept])
    to_place_m = np.hypot(*(xy_m[:, None, :] - city.place_xy_m[None, :, :]).transpose(2, 0, 1))
    pull = np.exp(-((to_place_m / assumed.place_reach_m) ** 2)).max(axis=1)
    weight = cell_km**assumed.crowding * (1 + assumed.place_pull * pull)
    total = np.bincount(district, weights=weight, minlength=len(city.district_ids))
    mapped = compute_mapped_residents(city, steps, assumed)
    centre = city.place_xy_m[city.place_ids == assumed.centre_place][0]
    return Cells(
        ids=tuple(ids.tolist()),
        district=district,
        residents=mapped[district] * weight / total[district],
        centre_km=np.hypot(*(xy_m - centre).T) / 1000,
    )


def compute_city_share(assumed: Assumptions) -> float:
    """Return the city's share of the country's cars, and of its alliance-owned stations."""
    return assumed.metropolitan_factor * assumed.city_residents / assumed.country_residents


def compute_fleet(cells: Cells, assumed: Assumptions) -> dict[str, int]:
    """Return the cars of each brand in the mapped city; their sum is the fleet, rounded."""
    country = assumed.delivered_cars + assumed.delivered_cars_per_month * assumed.months_ahead
    mapped_share = float(cells.residents.sum()) / assumed.city_residents
    fleet = round(country * compute_city_share(assumed) * mapped_share)
    return share_out(fleet, assumed.stock_share)


def share_out(total: int, share: dict[T, float]) -> dict[T, int]:
    """Return whole parts that add up to the total, by largest remainder."""
    exact = {name: total * part for name, part in share.items()}
    whole = {name: int(part) for name, part in exact.items()}
    by_remainder = sorted(exact, key=lambda name: whole[name] - exact[name])
    for name in by_remainder[: total - sum(whole.values())]:
        whole[name] += 1
    return whole


def draw(rng: np.random.Generator, weight: Floats, n: int) -> Ints:
    """Draw n indices with replacement, by weight; only the generator's uniforms are used."""
    rising = np.cumsum(weight)
    return np.asarray(np.searchsorted(rising, rng.random(n) * rising[-1], side="right"))


def deal(rng: np.random.Generator, share: dict[T, float], n: int) -> list[T]:
    """Return n values in random order, each as often as its share says, by largest remainder."""
    dealt = [value for value, times in share_out(n, share).items() for _ in range(times)]
    return [dealt[k] for k in np.argsort(rng.random(n), kind="stable")]


def generate_vehicles(
    rng: np.random.Generator, cells: Cells, assumed: Assumptions
) -> dict[str, Ints]:
    """Return (n_cell,) cars of each brand; every car is drawn a cell, so the sums are exact."""
    return {
        brand: np.bincount(
            draw(
                rng,
                cells.residents
                * np.exp(-assumed.centre_pull_per_10_km[brand] * cells.centre_km / 10),
                cars,
            ),
            minlength=len(cells.ids),
        )
        for brand, cars in compute_fleet(cells, assumed).items()
    }


def find_mutually_reachable(roads: RoadTable) -> NDArray[np.bool_]:
    """Return (n_segment,) whether one can drive to the segment and back from most of the city."""
    forward, backward = roads.forward_kph > 0, roads.backward_kph > 0
    begin = np.concatenate([roads.segment_from[forward], roads.segment_to[backward]])
    end = np.concatenate([roads.segment_to[forward], roads.segment_from[backward]])
    graph = coo_array((np.ones(begin.size), (begin, end)), shape=(roads.n_node, roads.n_node))
    _, label = connected_components(graph.tocsr(), directed=True, connection="strong")
    largest = label == np.bincount(label).argmax()
    return np.asarray(largest[roads.segment_from] & largest[roads.segment_to])


def place_stations(
    rng: np.random.Generator,
    steps: Steps,
    weight: Floats,
    *,
    n: int,
    spacing_m: float,
    standing: Ints | None = None,
) -> Ints:
    """Draw n steps by weight, none closer than the spacing to a standing one or one drawn before.

    Raises
    ------
    ValueError
        If the city has no room for so many.
    """
    (possible,) = np.nonzero(weight > 0)
    # The order of exponential clocks is the order of weighted draws without replacement.
    clock = -np.log1p(-rng.random(possible.size)) / weight[possible]
    first = [] if standing is None else standing.tolist()
    taken = list(first)
    for step in possible[np.argsort(clock, kind="stable")]:
        away = steps.xy_m[taken] - steps.xy_m[step]
        if (np.hypot(*away.T) >= spacing_m).all():
            taken.append(int(step))
            if len(taken) == len(first) + n:
                return np.array(taken[len(first) :])
    raise ValueError(f"there is no room for {n} stations {spacing_m:.0f} m apart")


def weigh_steps(
    city: City, steps: Steps, cells: Cells, cars: Floats, assumed: Assumptions
) -> Floats:
    """Return (n_step,) how likely a station stands at a step: its length times the cars around."""
    classes = [city.roads.highway_classes.index(name) for name in assumed.station_classes]
    fit = np.isin(city.roads.highway[steps.segment], classes)
    fit &= find_mutually_reachable(city.roads)[steps.segment]
    cars_of_cell = dict(zip(cells.ids, cars.tolist(), strict=True))
    weight = np.zeros(len(steps.length_m))
    for step in np.flatnonzero(fit):
        cell = h3.latlng_to_cell(steps.lat_deg[step], steps.lon_deg[step], assumed.h3_resolution)
        weight[step] = steps.length_m[step] * cars_of_cell.get(cell, 0.0)
    return weight * (find_districts(steps.lon_deg, steps.lat_deg, city) >= 0)


def generate_stations(
    rng: np.random.Generator, city: City, steps: Steps, weight: Floats, assumed: Assumptions
) -> list[dict[str, Any]]:
    """Return the rows of the existing stations: the alliance's own, then the third parties'."""
    n_own = round(assumed.alliance_stations_nationally * compute_city_share(assumed))
    n_public = assumed.public_stations
    own_steps = place_stations(rng, steps, weight, n=n_own, spacing_m=assumed.alliance_spacing_m)
    public_steps = place_stations(
        rng, steps, weight, n=n_public, spacing_m=assumed.public_spacing_m, standing=own_steps
    )
    own: dict[str, list[Any]] = {
        "operator": ["Illustrative alliance operator"] * n_own,
        "network": ["alliance"] * n_own,
        "owner_brand": deal(rng, assumed.stock_share, n_own),
        "connectors": deal(rng, assumed.connectors_of_alliance, n_own),
        "power_kw": deal(rng, assumed.power_kw_of_alliance, n_own),
        "available_share": [1.0] * n_own,
    }
    least, greatest = assumed.public_available_share
    available = least + (greatest - least) * rng.random(n_public)
    public: dict[str, list[Any]] = {
        "operator": ["Illustrative operator"] * n_public,
        "network": ["third party"] * n_public,
        "owner_brand": [""] * n_public,
        "connectors": deal(rng, assumed.connectors_of_public, n_public),
        "power_kw": deal(rng, assumed.power_kw_of_public, n_public),
        "available_share": np.round(available, 2).tolist(),
    }
    chosen = np.concatenate([own_steps, public_steps])
    district = find_districts(steps.lon_deg[chosen], steps.lat_deg[chosen], city)
    rows = []
    for k, step in enumerate(chosen.tolist()):
        row = {name: (own[name] + public[name])[k] for name in own}
        number, name_zh = f"{k + 1:03d}", city.district_names_zh[district[k]]
        rows.append(
            {
                "station_id": f"wuhan-{number}",
                "name": f"Illustrative station {number} · {name_zh}",
                "name_zh": f"示意站 {number} · {name_zh}",
                "operator": row["operator"],
                "network": row["network"],
                "owner_brand": row["owner_brand"],
                "access": "public",
                "status": "operational",
                "connectors": row["connectors"],
                "power_kw": row["power_kw"],
                "available_share": row["available_share"],
                "open_to": "",
                "longitude": f"{steps.lon_deg[step]:.{COORDINATE_DIGITS}f}",
                "latitude": f"{steps.lat_deg[step]:.{COORDINATE_DIGITS}f}",
                "datum": "wgs84",
                "illustrative": ILLUSTRATIVE,
            }
        )
    return rows


def format_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return CSV text with Unix line ends."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def generate(folder: Path, assumed: Assumptions | None = None) -> dict[str, str]:
    """Return the text of ``vehicles.csv`` and ``stations.csv`` for the city in the folder."""
    assumed = assumed or Assumptions()
    rng = np.random.Generator(np.random.PCG64(assumed.seed))
    city = read_city(folder)
    steps = split_into_steps(city.roads)
    cells = build_cells(city, steps, assumed)
    vehicles = generate_vehicles(rng, cells, assumed)
    cars = np.sum(list(vehicles.values()), axis=0).astype(np.float64)
    weight = weigh_steps(city, steps, cells, cars, assumed)
    stations = generate_stations(rng, city, steps, weight, assumed)
    vehicle_rows = [
        [
            cell,
            city.district_ids[cells.district[k]],
            *(int(count[k]) for count in vehicles.values()),
            ILLUSTRATIVE,
        ]
        for k, cell in enumerate(cells.ids)
        if cars[k] > 0
    ]
    header = ["h3_cell", "district_id", *(f"vehicles_{b}" for b in vehicles), "illustrative"]
    return {
        "vehicles.csv": format_csv(header, vehicle_rows),
        "stations.csv": format_csv(list(stations[0]), (list(row.values()) for row in stations)),
    }


def write_generated(folder: Path, assumed: Assumptions | None = None) -> list[str]:
    """Write the generated files and return what they hold, line by line."""
    texts = generate(folder, assumed)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [f"{name}: {len(text.splitlines()) - 1:,} rows" for name, text in texts.items()]


if __name__ == "__main__":
    print("\n".join(write_generated(Path(__file__).resolve().parents[2] / "data" / "wuhan")))
