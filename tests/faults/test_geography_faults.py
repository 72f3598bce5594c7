"""Places that are not where they are said to be, shapes that are none, and roads gone wrong."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from planting import pick, plant_each

from siting.case import build_network
from siting.inputs.datum import describe_datum_fit, from_wgs84
from siting.inputs.roads import RoadTable, read_compact_roads, write_compact_roads
from siting.network.datum_check import compare_datums
from siting.pipeline import embedded_study_path, read_inputs, read_study
from siting.study import Datum

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from siting.network.road_network import RoadNetwork

TABLES = ("vehicles.csv", "stations.csv", "candidates.csv")
UTM_EAST_M, UTM_NORTH_M = 240_000.0, 3_388_000.0


def change_row(path: Path, row: int, **changes: object) -> None:
    frame = pd.read_csv(path, dtype=str)
    for column, value in changes.items():
        frame.loc[row - 1, column] = str(value)
    frame.to_csv(path, index=False)


def change_roads(folder: Path, **changes: np.ndarray) -> None:
    roads = read_compact_roads(folder / "roads.npz")
    write_compact_roads(replace(roads, **changes), folder / "roads.npz")


def change_xml(path: Path, pattern: str, new: str, rng: np.random.Generator) -> None:
    """Replace one of the places in a file that match."""
    text = path.read_text(encoding="utf-8")
    match = pick(rng, list(re.finditer(pattern, text)))
    path.write_text(text[: match.start()] + new + text[match.end() :], encoding="utf-8")


# --------------------------------------------------------------------------------------- refused


def swapped(rng: np.random.Generator, folder: Path) -> str:
    path = folder / pick(rng, TABLES)
    frame = pd.read_csv(path, dtype=str)
    rows = slice(None) if rng.integers(2) else [int(rng.integers(len(frame)))]
    lon, lat = frame["longitude"].copy(), frame["latitude"].copy()
    frame.loc[frame.index[rows], "longitude"] = lat
    frame.loc[frame.index[rows], "latitude"] = lon
    frame.to_csv(path, index=False)
    return rf"{path.name}, row \d+, .*latitude and longitude look swapped"


def metres_as_degrees(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, TABLES)
    row = int(rng.integers(1, 3))
    change_row(folder / name, row, longitude=UTM_EAST_M, latitude=UTM_NORTH_M)
    return rf"{name}, row {row}, .*these are no degrees"


def nowhere(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, TABLES)
    row, where = int(rng.integers(1, 3)), pick(rng, [(0, 0), (180.5, 0), (200, 30), (114, -91)])
    change_row(folder / name, row, longitude=where[0], latitude=where[1])
    return rf"{name}, row {row}, .*(unknown place|no degrees)"


def geometry_of_no_use(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "vehicles.geojson"
    raw = json.loads(path.read_text(encoding="utf-8"))
    row = int(rng.integers(len(raw["features"])))
    shape, why = pick(rng, [
        (None, "is empty"), ({"type": "Polygon", "coordinates": []}, "is empty"),
        ({"type": "Point", "coordinates": [114.3, 30.6]}, "is a Point, not a polygon"),
        ({"type": "Polygon", "coordinates": [[[114, 30], [115, 30], [114, 30]]]}, "no valid|area"),
        ({"type": "Polygon", "coordinates": [[[114, 30], [114.1, 30], [114.2, 30], [114, 30]]]},
         "has no area"),
        ({"type": "Polygon", "coordinates": [[[114, 30], [114.1, None], [114.2, 31], [114, 30]]]},
         "no valid GeoJSON"),
        ({"type": "Polygon", "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]]},
         "spans the antimeridian"),
        ({"type": "Polygon", "coordinates": [[[30, 114], [31, 114], [31, 113], [30, 113],
                                              [30, 114]]]}, "look swapped"),
        ({"type": "Polygon", "coordinates": [[[3e5, 3e6], [3.1e5, 3e6], [3e5, 3.1e6],
                                              [3e5, 3e6]]]}, "these are no degrees"),
    ])  # fmt: skip
    raw["features"][row]["geometry"] = shape
    path.write_text(json.dumps(raw))
    return rf"vehicles.geojson, row {row + 1}, geometry.*({why})"


def no_crs(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, ["stations.parquet", "roads.parquet"])
    gpd.read_parquet(folder / name).set_crs(None, allow_override=True).to_parquet(folder / name)
    return rf"{name}: (declares no coordinate reference|it states no CRS)"


def degrees_said_to_be_metres(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, ["stations.parquet", "roads.parquet"])
    frame = gpd.read_parquet(folder / name)
    metres = frame.to_crs(32650).set_crs(4326, allow_override=True)
    metres.to_parquet(folder / name)
    return rf"{name}.*(no degrees|leave the globe)"


def crs_that_leads_off_the_globe(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "stations.parquet"
    frame = gpd.read_parquet(path).to_crs(32650)
    frame.set_crs(int(pick(rng, [4527, 4513, 4526])), allow_override=True).to_parquet(path)
    return r"stations.parquet.*outside the area of its CRS"


def figure_of_an_edge(rng: np.random.Generator, folder: Path) -> str:
    key = pick(rng, ["length", "speed_kph"])
    value = pick(rng, ["nan", "-5", "0", "inf", "-inf", "about 5", ""])
    change_xml(folder / "roads.graphml", rf'(?<=<data key="{key}">)[0-9.]+(?=</data>)', value, rng)
    return r"roads.graphml.*(its (length|speed) is|could not convert|cannot be read)"


def node_of_no_place(rng: np.random.Generator, folder: Path) -> str:
    key, value = pick(rng, ["x", "y"]), pick(rng, ["nan", "inf", "999", "", "east"])
    change_xml(folder / "roads.graphml", rf'(?<=<data key="{key}">)[0-9.]+(?=</data>)', value, rng)
    return "roads.graphml: cannot be read as a road graph"


def graph_of_no_roads(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "roads.graphml"
    text = path.read_text(encoding="utf-8")
    swapped = text.replace('key="x"', 'key="?"').replace('key="y"', 'key="x"')
    forms = [
        text.replace('edgedefault="directed"', 'edgedefault="undirected"'),
        text.replace("primary", "footway"),
        swapped.replace('key="?"', 'key="y"'),
        re.sub(r"<edge .*", "", text),
        text[: len(text) // 2],
    ]
    path.write_text(pick(rng, forms), encoding="utf-8")
    return "roads.graphml: cannot be read"


def osm_of_no_roads(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "roads.osm"
    text = path.read_text(encoding="utf-8")
    swapped = text.replace("lon=", "?=").replace("lat=", "lon=").replace("?=", "lat=")
    path.write_text(
        pick(
            rng, [swapped, text.replace("primary", "steps"), text[:-20], text.replace("<nd", "<no")]
        )
    )
    return "roads.osm: cannot be read"


def compact_figures(rng: np.random.Generator, folder: Path) -> str:
    """Plant figures that the compact form's own table would refuse, by writing around it."""
    path = folder / "roads.npz"
    roads = read_compact_roads(path)
    name = pick(rng, ["length_m", "forward_kph", "backward_kph"])
    values = getattr(roads, name).copy()
    values[int(rng.integers(values.size))] = pick(rng, [np.nan, -5.0, np.inf])
    broken = object.__new__(RoadTable)
    for field in fields(RoadTable):
        given = values if field.name == name else getattr(roads, field.name)
        object.__setattr__(broken, field.name, given)
    write_compact_roads(broken, path)
    return "roads.npz: cannot be read.*negative or not a number"


def no_way_to_drive(_: np.random.Generator, folder: Path) -> str:
    change_roads(folder, forward_kph=np.zeros(4), backward_kph=np.zeros(4))
    return "the roads hold no segment that a car may drive"


def across_the_antimeridian(rng: np.random.Generator, folder: Path) -> str:
    roads = read_compact_roads(folder / "roads.npz")
    shift = 180.0 - float(roads.node_lon_deg[int(rng.integers(1, 4))]) - 0.001

    def moved(lon: pd.Series | np.ndarray) -> pd.Series | np.ndarray:
        return (lon + shift + 180.0) % 360.0 - 180.0

    change_roads(
        folder,
        node_lon_deg=moved(roads.node_lon_deg),
        shape_lon_deg=moved(roads.shape_lon_deg),
    )
    for name in TABLES:
        frame = pd.read_csv(folder / name)
        frame.assign(longitude=moved(frame["longitude"])).to_csv(folder / name, index=False)
    return "roads.npz: the roads lie on both sides of the antimeridian"


def unfit_exclusions(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, ["none.geojson", "vehicles.csv", "roads.npz"])
    path = folder / "study.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("candidates.csv}", f"candidates.csv, exclusions: {name}}}"), encoding="utf-8"
    )
    return rf"{name}: (does not exist|holds no polygons|has a suffix)"


REFUSED = {
    "csv": (
        swapped, metres_as_degrees, nowhere, compact_figures, no_way_to_drive,
        across_the_antimeridian, unfit_exclusions,
    ),
    "geo": (geometry_of_no_use, figure_of_an_edge, node_of_no_place, graph_of_no_roads),
    "parquet": (no_crs, degrees_said_to_be_metres, crs_that_leads_off_the_globe),
    "osm": (osm_of_no_roads,),
}  # fmt: skip


# --------------------------------------------------------------------------------------- noticed


def bow_tie(rng: np.random.Generator, folder: Path) -> str:
    name = pick(rng, ["vehicles.geojson", "districts.geojson"])
    frame = gpd.read_file(folder / name)
    row = int(rng.integers(len(frame)))
    west, south, east, north = frame.geometry.iloc[row].bounds
    # One loop is large, so that what is repaired keeps its road.
    tie = [(west, south), (east, north), (east, south), (west, south + 0.9 * (north - south))]
    frame.geometry = [
        shapely.Polygon(tie) if k == row else shape for k, shape in enumerate(frame.geometry)
    ]
    frame.to_file(folder / name, driver="GeoJSON")
    return rf"{name}, geometry: 1 polygons cross themselves; they were repaired \(rows {row + 1}\)"


def far_from_every_road(rng: np.random.Generator, folder: Path) -> str:
    name, what = pick(rng, [("vehicles.csv", "demand"), ("stations.csv", "stations"),
                            ("candidates.csv", "sites")])  # fmt: skip
    row = int(rng.integers(1, 3))
    change_row(folder / name, row, latitude=30.6 + rng.uniform(0.01, 0.3))
    return rf"[12] of [23] {what} lie farther than 200 m from every road"


def gcj02_said_to_be_wgs84(rng: np.random.Generator, folder: Path) -> str:
    name, what = pick(rng, [("vehicles.csv", "demand"), ("stations.csv", "stations"),
                            ("candidates.csv", "sites")])  # fmt: skip
    frame = pd.read_csv(folder / name)
    rows = np.arange(len(frame)) if rng.integers(2) else np.array([0])
    lon, lat = from_wgs84(frame["longitude"], frame["latitude"], Datum.GCJ02)
    frame.loc[rows, "longitude"], frame.loc[rows, "latitude"] = lon[rows], lat[rows]
    frame.to_csv(folder / name, index=False)
    return rf"[123] of [23] {what} lie farther than 200 m from every road"


def wrong_zone_of_utm(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "stations.parquet"
    epsg = int(pick(rng, [32649, 32651]))
    frame = gpd.read_parquet(path).to_crs(32650).set_crs(epsg, allow_override=True)
    frame.to_parquet(path)
    return "2 of 2 stations lie farther than 200 m from every road|stations.parquet.*reprojected"


def station_twice(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "stations.csv"
    frame = pd.read_csv(path, dtype=str)
    again = frame.iloc[[int(rng.integers(len(frame)))]].copy()
    again["station_id"] = "again"
    again["latitude"] = (again["latitude"].astype(float) + rng.choice([0, 1e-5, 4e-5])).astype(str)
    pd.concat([frame, again]).to_csv(path, index=False)
    return "stations.*(share their coordinates with another|look like one and the same)"


def a_bridge_is_out(rng: np.random.Generator, folder: Path) -> str:
    speed = rng.uniform(20, 90, 4)
    bridge, what = pick(rng, [(1, "1 of 3 demand"), (2, "1 of 2 sites")])
    speed[bridge] = 0.0
    change_roads(folder, forward_kph=speed, backward_kph=speed)
    return f"{what} stand on roads cut off"


def one_way_trap(rng: np.random.Generator, folder: Path) -> str:
    speed = rng.uniform(20, 90, 4)
    speed[0] = 0.0
    change_roads(folder, **{pick(rng, ["forward_kph", "backward_kph"]): speed})
    return "1 of 3 demand stand on roads cut off"


def wrong_crs_of_a_graph(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "roads.graphml"
    text = path.read_text(encoding="utf-8")
    crs = pick(rng, ["epsg:32650", "epsg:32649", "epsg:32651", "epsg:3857"])
    path.write_text(text.replace("epsg:4326", crs), encoding="utf-8")
    return "3 of 3 demand lie farther than 200 m from every road"


def figure_of_an_edge_missing(rng: np.random.Generator, folder: Path) -> str:
    key = pick(rng, ["length", "speed_kph"])
    change_xml(folder / "roads.graphml", rf'<data key="{key}">[0-9.]+</data>', "", rng)
    return rf"roads.graphml: 1 of 8 edges state no {key.removesuffix('_kph')}"


def class_and_speed_missing(rng: np.random.Generator, folder: Path) -> str:
    change_xml(
        folder / "roads.graphml",
        r'(?<=<data key="highway">)primary[^\n]*<data key="speed_kph">60.0</data>',
        "unheard_of</data>",
        rng,
    )
    return "roads.graphml: 1 of 8 edges state neither a speed nor a class"


def speed_limit_of_no_sense(rng: np.random.Generator, folder: Path) -> str:
    value = pick(rng, ["0", "-5", "fast", "NaN", "9999", "inf"])
    path = folder / "roads.osm"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('v="primary"/>', f'v="primary"/><tag k="maxspeed" v="{value}"/>'))
    return "roads.osm, maxspeed: 1 roads state a speed limit that makes no sense"


def node_of_a_road_missing(rng: np.random.Generator, folder: Path) -> str:
    change_xml(
        folder / "roads.osm", r'<node id="[15]".*/>', pick(rng, ["", '<node id="9" version="1"/>']),
        rng,
    )  # fmt: skip
    return "roads.osm: 1 roads lack nodes"


def line_of_no_use(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "roads.parquet"
    frame = gpd.read_parquet(path)
    row = int(rng.choice([0, len(frame) - 1]))
    change, says = pick(rng, [
        ({"geometry": None}, "1 rows hold no line"),
        ({"geometry": shapely.LineString()}, "1 rows hold no line"),
        ({"geometry": shapely.Point(114.3, 30.6)}, "1 rows hold no line"),
        ({"highway": None}, "1 rows hold no highway class"),
    ])  # fmt: skip
    for column, value in change.items():
        frame[column] = [value if k == row else x for k, x in enumerate(frame[column])]
    frame.to_parquet(path)
    return rf"roads.parquet: {says}"


def districts_elsewhere(rng: np.random.Generator, folder: Path) -> str:
    path = folder / "districts.geojson"
    frame = gpd.read_file(path)
    frame.geometry = frame.geometry.translate(xoff=float(rng.uniform(1, 5)))
    frame.to_file(path, driver="GeoJSON")
    return "3 demand points lie in no district"


NOTICED = {
    "csv": (
        far_from_every_road, gcj02_said_to_be_wgs84, station_twice, a_bridge_is_out, one_way_trap,
        districts_elsewhere,
    ),
    "geo": (bow_tie, wrong_crs_of_a_graph, figure_of_an_edge_missing, class_and_speed_missing),
    "parquet": (wrong_zone_of_utm, line_of_no_use),
    "osm": (speed_limit_of_no_sense, node_of_a_road_missing),
}  # fmt: skip


test_refused = plant_each(REFUSED, "refused")
test_noticed = plant_each(NOTICED, "noticed")


def test_a_swap_that_stays_on_the_globe_is_noticed(
    copy_of: Callable[[str], Path], read_folder: Callable[[Path], Any]
) -> None:
    folder = copy_of("csv")  # moved to longitude 30, where a swap gives degrees as good as any
    roads = read_compact_roads(folder / "roads.npz")
    change_roads(
        folder, node_lon_deg=roads.node_lon_deg - 84, shape_lon_deg=roads.shape_lon_deg - 84
    )
    for name in TABLES:
        frame = pd.read_csv(folder / name)
        lon = frame["longitude"] - 84
        if name == "vehicles.csv":
            frame["longitude"], frame["latitude"] = frame["latitude"].copy(), lon
        else:
            frame["longitude"] = lon
        frame.to_csv(folder / name, index=False)
    outcome = read_folder(folder)
    assert any("3 of 3 demand lie farther than 200 m" in line for line in outcome.said)


@pytest.fixture(scope="module")
def wuhan() -> tuple[RoadNetwork, gpd.GeoDataFrame]:
    """Return the roads and the stations of the embedded city, where streets are dense."""
    study = read_study(embedded_study_path())
    inputs = read_inputs(study)
    return build_network(study, inputs.roads)[0], inputs.stations[0].frame


@pytest.mark.parametrize("share", [0.0, 0.2, 0.3, 0.5, 1.0])
def test_gcj02_among_wgs84_in_a_city_of_dense_streets_is_noticed(
    share: float, wuhan: tuple[RoadNetwork, gpd.GeoDataFrame]
) -> None:
    network, points = wuhan
    lon, lat = points.geometry.x.to_numpy(), points.geometry.y.to_numpy()
    order = np.random.default_rng(0).permutation(len(points))
    shifted = np.isin(order, np.arange(round(share * len(points))))
    moved = from_wgs84(lon, lat, Datum.GCJ02)
    lon, lat = np.where(shifted, moved[0], lon), np.where(shifted, moved[1], lat)
    mixed = points.set_geometry(gpd.points_from_xy(lon, lat, crs=4326))
    fit = compare_datums(network, mixed, declared=Datum.WGS84)
    notice = describe_datum_fit(fit, file="stations.csv")
    if not share:
        assert notice is None
        return
    assert notice is not None
    assert "gcj02" in notice.remedy
    assert fit.mix is not None
    assert fit.mix.is_suspected
    assert fit.mix.other is Datum.GCJ02
    assert fit.mix.share == pytest.approx(share, abs=3 * fit.mix.error)
