"""The embedded case: what is real, what is illustrative, and that its scripts made it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import h3
import numpy as np
import pandas as pd
import pytest
import shapely

from siting.domain import Facility
from siting.inputs.districts import find_districts, read_districts
from siting.inputs.roads import RoadTable, read_compact_roads
from siting.inputs.stations import read_stations, usable_by_brand
from siting.inputs.vehicles import read_vehicles
from siting.network.road_network import build_road_network
from siting.network.snapping import SnapProblem, snap_to_roads
from siting.study import Study, read_study, total_budget_cny

if TYPE_CHECKING:
    from types import ModuleType

REPOSITORY = Path(__file__).parents[2]
WUHAN = REPOSITORY / "data" / "wuhan"
SCRIPTS = REPOSITORY / "scripts" / "wuhan"
MAX_ROAD_BYTES = 3_000_000
CENSUS_TOTAL = 12_326_518
UTM_50N = "EPSG:32650"


def load_script(name: str) -> ModuleType:
    """Import a script of scripts/wuhan, which is no package."""
    spec = importlib.util.spec_from_file_location(f"wuhan_{name}", SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


derivation = load_script("derive_roads")
generation = load_script("generate_vehicles_and_stations")
centres = load_script("generate_service_centres")


@pytest.fixture(scope="module")
def roads() -> RoadTable:
    return read_compact_roads(WUHAN / "roads.npz")


@pytest.fixture(scope="module")
def study() -> Study:
    return read_study(WUHAN / "study.yaml")


@pytest.fixture(scope="module")
def vehicles() -> pd.DataFrame:
    return pd.read_csv(WUHAN / "vehicles.csv", dtype={"district_id": str})


@pytest.fixture(scope="module")
def stations() -> pd.DataFrame:
    return pd.read_csv(WUHAN / "stations.csv", dtype={"illustrative": str}, keep_default_na=False)


def brand_ids(study: Study) -> list[str]:
    return [brand.id for brand in study.brands]


def test_roads_are_wuhans_and_small(roads: RoadTable) -> None:
    assert (WUHAN / "roads.npz").stat().st_size < MAX_ROAD_BYTES
    # 7,185 km in the extract, of which 19 km are closed to cars or drawn twice.
    assert roads.length_m.sum() / 1000 == pytest.approx(7166, abs=1)
    assert "OpenStreetMap contributors" in roads.source
    assert "pedestrian" not in roads.highway_classes
    assert 113.9 < roads.node_lon_deg.min() < roads.node_lon_deg.max() < 114.6
    assert 30.3 < roads.node_lat_deg.min() < roads.node_lat_deg.max() < 30.8


def test_speeds_go_by_class(roads: RoadTable) -> None:
    for k, name in enumerate(roads.highway_classes):
        of_class = roads.highway == k
        assert set(roads.forward_kph[of_class]) == {derivation.FREE_FLOW_KPH[name]}
        assert set(roads.backward_kph[of_class]) <= {0.0, derivation.FREE_FLOW_KPH[name]}


def test_inferred_directions_hold_together(roads: RoadTable) -> None:
    """Right directions leave the network connected both ways; directions by chance tear it."""
    inferred = derivation.compute_connected_share(roads)
    by_chance = derivation.compute_connected_share(derivation.turn_one_ways_at_random(roads))
    assert inferred > 0.96
    assert by_chance < 0.75


def test_expressways_are_one_way_and_living_streets_are_not(roads: RoadTable) -> None:
    one_way_km = {
        name: roads.length_m[(roads.highway == k) & (roads.backward_kph == 0)].sum()
        / roads.length_m[roads.highway == k].sum()
        for k, name in enumerate(roads.highway_classes)
    }
    assert one_way_km["motorway"] > 0.95
    assert one_way_km["trunk"] > 0.95
    assert one_way_km["living_street"] == 0.0
    assert one_way_km["residential"] < 0.15


def test_districts_are_wuhans_thirteen(study: Study) -> None:
    assert study.inputs.districts is not None
    table = read_districts(study.inputs.districts)
    frame = gpd.read_file(WUHAN / "districts.geojson")
    assert len(table.ids) == 13
    assert all(code.startswith("4201") for code in table.ids)
    assert frame["population"].sum() == CENSUS_TOTAL
    assert frame.geometry.is_valid.all()
    in_metres = frame.to_crs(UTM_50N)
    assert in_metres.area.sum() / 1e6 == pytest.approx(8569, rel=0.01)  # the city's official area
    assert in_metres.area.sum() == pytest.approx(in_metres.union_all().area)


def test_districts_are_in_wgs84(roads: RoadTable) -> None:
    """Borders follow main streets: their corners lie on them as drawn, not 580 m aside (GCJ-02)."""
    frame = gpd.read_file(WUHAN / "districts.geojson").to_crs(UTM_50N)
    corners = np.unique(shapely.get_coordinates(frame.geometry.to_numpy()), axis=0)
    main = np.isin(
        roads.highway,
        [roads.highway_classes.index(c) for c in ("trunk", "primary", "secondary", "tertiary")],
    )
    line = np.repeat(np.arange(roads.n_segment), np.diff(roads.shape_start))
    on_main = main[line]
    xy_m = generation.project(roads.shape_lon_deg[on_main], roads.shape_lat_deg[on_main])
    streets = shapely.linestrings(xy_m, indices=np.unique(line[on_main], return_inverse=True)[1])
    tree = shapely.STRtree(streets)

    def share_on_streets(shift_m: tuple[float, float]) -> float:
        moved = shapely.points(corners + shift_m)
        near = tree.query(moved, predicate="dwithin", distance=30.0)[0]
        return float(np.unique(near).size / len(corners))

    # GCJ-02 stands 515 m east and 281 m south of WGS-84 here.
    assert share_on_streets((0, 0)) > 1.8 * share_on_streets((-515, 281))
    assert share_on_streets((0, 0)) > 1.8 * share_on_streets((515, -281))


def test_fleet_is_exact_by_brand(study: Study, vehicles: pd.DataFrame) -> None:
    assumed = generation.Assumptions()
    city = generation.read_city(WUHAN)
    cells = generation.build_cells(city, generation.split_into_steps(city.roads), assumed)
    fleet = generation.compute_fleet(cells, assumed)
    assert sorted(fleet) == sorted(brand_ids(study))
    for brand, cars in fleet.items():
        assert vehicles[f"vehicles_{brand}"].sum() == cars
    share = {brand: cars / sum(fleet.values()) for brand, cars in fleet.items()}
    assert share == pytest.approx(assumed.stock_share, abs=1e-4)


def test_vehicles_stand_in_their_districts_on_streets(vehicles: pd.DataFrame, study: Study) -> None:
    assert study.inputs.districts is not None
    districts = read_districts(study.inputs.districts)
    assert vehicles["h3_cell"].is_unique
    assert 1_500 <= len(vehicles) <= 3_000
    assert all(h3.get_resolution(cell) == 8 for cell in vehicles["h3_cell"])
    lat, lon = np.array([h3.cell_to_latlng(cell) for cell in vehicles["h3_cell"]]).T
    found = find_districts(lon, lat, districts)
    assert [districts.ids[k] for k in found] == vehicles["district_id"].tolist()


def test_dearer_brands_live_nearer_the_centre(vehicles: pd.DataFrame) -> None:
    lat, lon = np.array([h3.cell_to_latlng(cell) for cell in vehicles["h3_cell"]]).T
    xy_m = generation.project(lon, lat)
    centre = generation.project([114.26667], [30.58333])[0]
    km = np.hypot(*(xy_m - centre).T) / 1000
    mean_km = {
        brand: np.average(km, weights=vehicles[f"vehicles_{brand}"])
        for brand in ("maextro", "stelato", "luxeed", "aito", "shangjie")
    }
    assert list(mean_km) == sorted(mean_km, key=mean_km.__getitem__)


def test_every_generated_row_says_so(vehicles: pd.DataFrame, stations: pd.DataFrame) -> None:
    assert vehicles["illustrative"].all()
    assert set(stations["illustrative"]) == {"true"}
    assert stations["name"].str.startswith("Illustrative").all()
    assert stations["name_zh"].str.startswith("示意").all()
    assert stations["operator"].str.startswith("Illustrative").all()


def test_stations_are_calibrated(stations: pd.DataFrame, study: Study) -> None:
    assumed = generation.Assumptions()
    own = stations["owner_brand"] != ""
    assert own.sum() == round(1300 * generation.compute_city_share(assumed))
    assert set(stations.loc[own, "owner_brand"]) <= set(brand_ids(study))
    assert stations.loc[own, "connectors"].mean() == pytest.approx(7, abs=0.2)
    assert (stations.loc[own, "available_share"] == 1).all()
    assert stations.loc[~own, "available_share"].between(*assumed.public_available_share).all()
    assert (~own).sum() == assumed.public_stations
    assert set(stations["datum"]) == {"wgs84"}


def test_stations_stand_on_streets_from_which_one_can_leave(
    stations: pd.DataFrame, roads: RoadTable, study: Study
) -> None:
    assert study.inputs.districts is not None
    lon, lat = stations["longitude"].to_numpy(), stations["latitude"].to_numpy()
    snapped = snap_to_roads(build_road_network(roads), lon, lat, max_distance_m=1.0)
    assert set(snapped.problem) == {SnapProblem.NONE}
    assert (find_districts(lon, lat, read_districts(study.inputs.districts)) >= 0).all()
    xy_m = generation.project(lon, lat)[(stations["owner_brand"] != "").to_numpy()]
    apart = shapely.STRtree(list(shapely.points(xy_m))).query(
        shapely.points(xy_m), predicate="dwithin", distance=1_490.0
    )
    assert apart.shape[1] == len(xy_m)  # each finds itself only


def test_readers_take_the_files_without_a_doubt(study: Study) -> None:
    vehicles = read_vehicles(study.inputs.vehicles, brand_ids(study))
    (station_spec,) = study.inputs.stations
    stations = read_stations(station_spec, brands=study.brands)
    assert vehicles.illustrative
    assert vehicles.notices == ()
    assert stations.notices == ()
    assert stations.frame["illustrative"].all()
    assert usable_by_brand(stations.frame, brand_ids(study), study.accounts).all()


def test_study_is_one_a_planner_would_recognise(study: Study) -> None:
    assert study.illustrative_note is not None
    assert study.illustrative_note.zh
    assert study.inputs.vehicles.illustrative
    assert all(spec.illustrative for spec in study.inputs.stations)
    assert [brand.name_zh for brand in study.brands] == ["问界", "智界", "享界", "尊界", "尚界"]
    assert all(brand.floor > 0 for brand in study.brands)
    # The brands together can pay for the whole.
    assert total_budget_cny(study) == study.requirements.budget_cny
    assert study.solve.gap == 0.005
    assert study.solve.time_limit_s == 120


def test_generation_gives_the_committed_bytes() -> None:
    for name, text in generation.generate(WUHAN).items():
        assert (WUHAN / name).read_bytes() == text.encode(), name


def test_another_seed_gives_other_files_but_the_same_totals() -> None:
    other = generation.generate(WUHAN, generation.Assumptions(seed=1))
    assert other["vehicles.csv"].encode() != (WUHAN / "vehicles.csv").read_bytes()
    sums = [
        [sum(column) for column in zip(*_car_columns(text), strict=True)]
        for text in (other["vehicles.csv"], (WUHAN / "vehicles.csv").read_text("utf-8"))
    ]
    assert sums[0] == sums[1]


def test_service_centres_are_generated_and_say_so() -> None:
    table = (WUHAN / "service_centres.csv").read_text(encoding="utf-8")
    rows = centres.generate(WUHAN)
    assert table.splitlines()[1:] == [",".join(row.values()) for row in rows]
    assert all(row["illustrative"] == "true" for row in rows)
    assert all(row["name"].startswith("Illustrative") for row in rows)
    study = read_study(WUHAN / "service_centres.yaml")
    assert study.facility is Facility.SERVICE_CENTRE
    assert study.illustrative_note is not None
    found = read_stations(study.inputs.stations[0])
    assert found.frame["connectors"].tolist() == [int(row["connectors"]) for row in rows]


def _car_columns(text: str) -> list[list[int]]:
    return [[int(cell) for cell in row.split(",")[2:-1]] for row in text.splitlines()[1:]]


def test_share_out_is_whole_and_exact() -> None:
    assert generation.share_out(10, {"a": 0.55, "b": 0.35, "c": 0.10}) == {"a": 6, "b": 3, "c": 1}
    assert generation.share_out(28, {4: 0.2, 6: 0.3, 8: 0.3, 10: 0.2}) == {4: 6, 6: 8, 8: 8, 10: 6}


def test_source_states_what_the_files_hold(
    vehicles: pd.DataFrame, stations: pd.DataFrame, roads: RoadTable
) -> None:
    said = (WUHAN / "SOURCE.md").read_text(encoding="utf-8")
    cars = vehicles.filter(regex=r"^vehicles_").to_numpy().sum()
    own = int((stations["owner_brand"] != "").sum())
    for figure in (
        f"{cars:,} cars",
        f"{len(vehicles):,} cells",
        f"{own} alliance-owned stations",
        f"{len(stations) - own} third-party stations",
        f"{roads.n_segment:,} segments",
        f"{roads.n_node:,} nodes",
        derivation.MEMBER_SHA256,
    ):
        assert figure in said, figure


def pieces_of(*pieces: tuple[int, int, str, tuple[int, int], tuple[int, int]]) -> Any:  # noqa: ANN401 - a script's type
    """Read hand-drawn pieces: u, v, class, and the two points as drawn (m)."""
    u, v, highway, first, last = zip(*pieces, strict=True)
    lines = [shapely.LineString(ends) for ends in zip(first, last, strict=True)]
    frame = gpd.GeoDataFrame({"u": u, "v": v, "highway": highway}, geometry=lines, crs=UTM_50N)
    return derivation.read_pieces(frame)


WEST, MIDDLE, EAST, NORTH, SOUTH = (0, 0), (100, 0), (200, 0), (100, 100), (100, -100)


def test_a_piece_drawn_along_its_ids_is_one_way() -> None:
    # A street west to east, its second half drawn along its ids; two dead ends cross at the middle.
    pieces = pieces_of(
        (1, 2, "primary", WEST, MIDDLE),
        (2, 3, "primary", EAST, MIDDLE),
        (2, 4, "residential", NORTH, MIDDLE),
        (2, 5, "residential", SOUTH, MIDDLE),
    )
    chains = derivation.join_pieces(pieces)
    roads = derivation.build_road_table(pieces, chains)
    assert roads.n_segment == 4
    assert np.count_nonzero(roads.backward_kph == 0) == 1
    (k,) = np.flatnonzero(roads.backward_kph == 0)
    assert roads.node_lon_deg[roads.segment_from[k]] < roads.node_lon_deg[roads.segment_to[k]]
    assert roads.length_m[k] == 100.0


def test_one_sign_makes_the_whole_street_one_way() -> None:
    # Three pieces in a row, all drawn west to east, only the middle one along its ids.
    pieces = pieces_of(
        (2, 1, "primary", (0, 0), (100, 0)),
        (2, 3, "primary", (100, 0), (200, 0)),
        (4, 3, "primary", (200, 0), (300, 50)),
    )
    chains = derivation.join_pieces(pieces)
    assert chains.paths == ((0, 1, 2, 3),)
    assert chains.one_way.tolist() == [True]
    assert chains.n_contradicted == 0


def test_a_street_that_contradicts_itself_stays_two_way() -> None:
    pieces = pieces_of(
        (2, 1, "primary", (0, 0), (100, 0)),
        (2, 3, "primary", (100, 0), (200, 0)),
        (4, 3, "primary", (300, 50), (200, 0)),
    )
    chains = derivation.join_pieces(pieces)
    assert chains.one_way.tolist() == [False]
    assert chains.n_contradicted == 1


def test_streets_end_where_their_class_changes_and_nothing_closed_to_cars_is_kept() -> None:
    pieces = pieces_of(
        (2, 1, "primary", (0, 0), (100, 0)),
        (3, 2, "secondary", (100, 0), (200, 0)),
        (4, 3, "pedestrian", (200, 0), (300, 0)),
    )
    chains = derivation.join_pieces(pieces)
    assert sorted(chains.paths) == [(0, 1), (1, 2)]


def test_a_ring_is_cut_into_segments_with_two_ends() -> None:
    corners = [(0, 0), (100, 0), (100, 100), (0, 100)]
    pieces = pieces_of(
        *(
            (k + 1, (k + 1) % 4 + 1, "residential", corners[k], corners[(k + 1) % 4])
            for k in range(4)
        )
    )
    roads = derivation.build_road_table(pieces, derivation.join_pieces(pieces))
    assert roads.n_segment == 2
    assert (roads.segment_from != roads.segment_to).all()
    assert roads.length_m.sum() == 400.0


def test_a_street_drawn_twice_counts_once_and_both_ways() -> None:
    pieces = pieces_of(
        (1, 2, "secondary", WEST, MIDDLE),
        (1, 2, "primary", MIDDLE, WEST),
        (3, 2, "primary", MIDDLE, EAST),
    )
    assert len(pieces.first) == 2
    assert not pieces.drawn_along_ids.any()
    assert {pieces.highway_classes[k] for k in pieces.highway} == {"primary"}


def test_an_extract_that_was_changed_is_refused() -> None:
    with pytest.raises(ValueError, match="SHA-256"):
        derivation.check_extract(b"something else")
