"""The directed network, and roads from OSMnx: files, and a place by recorded answers."""

from __future__ import annotations

import copy
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import networkx as nx
import numpy as np
import osmnx as ox
import pytest
import requests
from shapely import LineString

from siting.domain import Direction
from siting.errors import InputError
from siting.inputs.roads import OSM_ATTRIBUTION, read_compact_roads, write_compact_roads
from siting.network.osmnx_graph import download_roads, read_graphml_roads
from siting.network.road_network import (
    build_arcs,
    build_road_network,
    compute_hilbert_order,
    find_utm_epsg,
    load_roads,
)
from siting.network.snapping import Snapped
from siting.network.travel_time import compute_travel_times
from siting.study import Roads

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.inputs.roads import RoadTable
    from siting.network.road_network import Arcs, RoadNetwork

    MakeRoads = Callable[..., RoadTable]
    MakeNetwork = Callable[..., RoadNetwork]

KPH = 36.0
SHENZHEN = Path(__file__).parents[3] / "shared/data/shenzhen/roads_drive.graphml"


def test_arcs_run_as_traffic_may_and_turn_round(make_network: MakeNetwork) -> None:
    network = make_network(
        [(0, 0), (100, 0), (200, 0)], [(0, 1, 100, KPH, KPH / 2), (1, 2, 100, KPH, 0)]
    )

    def named(arcs: Arcs) -> set[tuple[int, int, float]]:
        tail = np.repeat(np.arange(network.n_node), np.diff(arcs.start))
        ends = (network.table_node[tail].tolist(), network.table_node[arcs.head].tolist())
        return set(zip(*ends, arcs.time_s.round(9).tolist(), strict=True))

    assert named(network.forward) == {(0, 1, 10.0), (1, 0, 20.0), (1, 2, 10.0)}
    assert named(network.reverse) == {(1, 0, 10.0), (0, 1, 20.0), (2, 1, 10.0)}


def test_parallel_arcs_are_reduced_to_the_fastest() -> None:
    many = np.array([7.0, 3.0, 5.0, np.inf])
    forward, reverse = build_arcs(
        2, np.zeros(4, dtype=np.int32), np.ones(4, dtype=np.int32), many, many[::-1].copy()
    )
    for arcs in (forward, reverse):
        assert arcs.start.tolist() == [0, 1, 2]
        assert arcs.head.tolist() == [1, 0]
        assert arcs.time_s.tolist() == [3.0, 3.0]


def test_arcs_are_sorted_whatever_the_order_of_segments() -> None:
    rng = np.random.default_rng(0)
    tail, head = rng.integers(0, 30, (2, 400)).astype(np.int32)
    there, back = rng.uniform(1, 9, (2, 400))
    back[rng.random(400) < 0.4] = np.inf
    least: dict[tuple[int, int], float] = {}
    for k in range(400):
        for arc, time_s in (((tail[k], head[k]), there[k]), ((head[k], tail[k]), back[k])):
            if arc[0] != arc[1] and np.isfinite(time_s):
                least[arc] = min(least.get(arc, np.inf), time_s)
    forward, reverse = build_arcs(30, tail, head, there, back)
    order = sorted(least)
    assert forward.head.tolist() == [arc[1] for arc in order]
    assert forward.time_s.tolist() == [least[arc] for arc in order]
    turned = sorted(least, key=lambda arc: (arc[1], arc[0]))
    assert reverse.head.tolist() == [arc[0] for arc in turned]
    assert reverse.time_s.tolist() == [least[arc] for arc in turned]


def test_components_are_labelled_by_size(make_network: MakeNetwork) -> None:
    network = make_network(
        [(0, 0), (100, 0), (200, 0), (300, 0), (0, 900), (100, 900)],
        [
            (4, 5, 100, KPH, KPH),  # an island
            (0, 1, 100, KPH, KPH),
            (1, 2, 100, KPH, KPH),
            (2, 3, 100, KPH, 0),  # into a dead end without return
        ],
    )
    weak = {int(network.table_node[k]): int(network.weak_component[k]) for k in range(6)}
    assert weak == {0: 0, 1: 0, 2: 0, 3: 0, 4: 1, 5: 1}
    strong = {int(network.table_node[k]): int(network.strong_component[k]) for k in range(6)}
    assert [strong[k] for k in (0, 1, 2)] == [0, 0, 0]
    assert strong[4] == strong[5] == 1
    assert strong[3] == 2
    assert network.segment_is_main.tolist() == [False, True, True, False]


def test_congestion_slows_everything_and_a_class_factor_its_class(make_roads: MakeRoads) -> None:
    roads = make_roads([(0, 0), (100, 0)], [(0, 1, 100, KPH, 0)])
    network = build_road_network(
        roads, congestion_factor=1.5, class_factor={"residential": 2.0, "primary": 9.0}
    )
    assert network.segment_forward_s.tolist() == pytest.approx([30.0])
    assert network.segment_backward_s.tolist() == [np.inf]


def test_metres_and_degrees_there_and_back(make_network: MakeNetwork) -> None:
    network = make_network([(0, 0), (1000, 0)], [(0, 1, 1000, KPH, KPH)])
    assert network.crs_epsg == 32650
    lon, lat = network.unproject(*network.project(np.array([117.1]), np.array([0.2])))
    assert (lon[0], lat[0]) == pytest.approx((117.1, 0.2), abs=1e-9)


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [(114.3, 30.6, 32650), (-58.4, -34.6, 32721), (180.0, 10.0, 32601), (-180.0, 10.0, 32601)],
)
def test_utm_zone(lon: float, lat: float, epsg: int) -> None:
    assert find_utm_epsg(np.array([lon]), np.array([lat])) == epsg


def test_hilbert_order_keeps_neighbours_together() -> None:
    side = 32
    y, x = np.divmod(np.arange(side * side), side)
    order = compute_hilbert_order(x.astype(float), y.astype(float))
    assert sorted(order.tolist()) == list(range(side * side))
    step = np.abs(np.diff(x[order])) + np.abs(np.diff(y[order]))
    assert (step == 1).all()  # a Hilbert curve only ever goes to the cell next door


def test_roads_that_nobody_may_drive_are_a_fault(make_roads: MakeRoads) -> None:
    with pytest.raises(InputError, match="no segment"):
        build_road_network(make_roads([(0, 0), (100, 0)], [(0, 1, 100, 0, 0)]))


def street_graph() -> nx.MultiDiGraph:
    """Build an OSMnx graph: a two-way street with a bend, a one-way pair, a footway."""
    graph = nx.MultiDiGraph(crs="epsg:4326", simplified=True)
    for node, (x, y) in enumerate([(114.0, 22.5), (114.01, 22.5), (114.01, 22.51)]):
        graph.add_node(node, x=x, y=y)
    bend = LineString([(114.0, 22.5), (114.005, 22.501), (114.01, 22.5)])
    common = {"osmid": 1, "oneway": False, "length": 1000.0}
    graph.add_edge(0, 1, **common, reversed=False, geometry=bend, highway="primary", speed_kph=36)
    graph.add_edge(
        1, 0, **common, reversed=True, geometry=bend.reverse(), highway="primary", travel_time=200
    )
    graph.add_edge(1, 2, **common, reversed=False, highway=["service", "tertiary"], maxspeed="20")
    graph.add_edge(2, 1, **common, reversed=False, highway="footway", speed_kph=30)
    return graph


def test_graphml_makes_one_segment_of_both_edges(tmp_path: Path) -> None:
    path = tmp_path / "roads.graphml"
    ox.save_graphml(street_graph(), path)
    roads = load_roads(Roads(path=path))
    assert roads.source == OSM_ATTRIBUTION
    assert roads.n_segment == 2
    assert roads.length_m.tolist() == [1000.0, 1000.0]
    assert roads.forward_kph.tolist() == pytest.approx([36.0, 20.0])
    assert roads.backward_kph.tolist() == pytest.approx([18.0, 0.0])
    assert roads.shape_start.tolist() == [0, 3, 5]
    assert [roads.highway_classes[k] for k in roads.highway] == ["primary", "service"]


def test_projected_graphml_is_brought_back_to_degrees(tmp_path: Path) -> None:
    path = tmp_path / "roads.graphml"
    ox.save_graphml(ox.project_graph(street_graph()), path)
    roads = read_graphml_roads(path)
    assert roads.node_lon_deg.tolist() == pytest.approx([114.0, 114.01, 114.01], abs=1e-7)
    assert roads.n_segment == 2


def test_an_edge_without_length_is_measured(tmp_path: Path) -> None:
    graph = street_graph()
    for *_, data in graph.edges(data=True):
        del data["length"]
    ox.save_graphml(graph, tmp_path / "roads.graphml")
    roads = read_graphml_roads(tmp_path / "roads.graphml")
    assert roads.length_m[1] == pytest.approx(1107.3, abs=1.0)


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE g [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><graphml>&b;</graphml>'
)
XMLNS = 'xmlns="http://graphml.graphdrawing.org/xmlns"'
EMPTY = f'<graphml {XMLNS}><graph edgedefault="directed"/></graphml>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "document type"),
        ("no xml", "not XML"),
        ("<graphml>", "cannot be read"),
        (EMPTY, "cannot be read"),
        (EMPTY.replace('"directed"', '"undirected"'), "cannot be read"),
    ],
)
def test_unreadable_graphml_is_a_fault(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.graphml"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        load_roads(Roads(path=path))
    assert raised.value.faults[0].file == str(path)


def test_impossible_figures_in_a_graph_are_a_fault(tmp_path: Path) -> None:
    graph = street_graph()
    graph.edges[1, 0, 0]["travel_time"] = float("nan")
    ox.save_graphml(graph, tmp_path / "bad.graphml")
    with pytest.raises(InputError, match="takes nan s"):
        read_graphml_roads(tmp_path / "bad.graphml")


def test_missing_file_is_a_fault_for_every_format(tmp_path: Path) -> None:
    for name in ("a.graphml", "a.osm", "a.npz", "a.parquet"):
        for folder in (None, tmp_path / "cache"):
            with pytest.raises(InputError, match=r"(?i)no such file"):
                load_roads(Roads(path=tmp_path / name), cache_folder=folder)


def test_cache_is_keyed_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, cache = tmp_path / "roads.graphml", tmp_path / "cache"
    ox.save_graphml(street_graph(), path)
    spec = Roads(path=path)
    first = load_roads(spec, cache_folder=cache)
    (entry,) = cache.iterdir()
    assert read_compact_roads(entry).content_hash == first.content_hash

    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("read anew, though cached")

    with monkeypatch.context() as patch:
        patch.setattr("osmnx.load_graphml", never)
        assert load_roads(spec, cache_folder=cache).content_hash == first.content_hash

    changed = street_graph()
    changed.edges[0, 1, 0]["speed_kph"] = 72
    ox.save_graphml(changed, path)
    assert load_roads(spec, cache_folder=cache).forward_kph[0] == pytest.approx(72.0)
    assert len(list(cache.iterdir())) == 2

    for entry in cache.iterdir():
        entry.write_bytes(b"damaged")
    assert load_roads(spec, cache_folder=cache).forward_kph[0] == pytest.approx(72.0)


def test_cache_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    path, cache = tmp_path / "roads.graphml", tmp_path / "taken"
    ox.save_graphml(street_graph(), path)
    cache.write_text("a file where the folder should be")
    assert load_roads(Roads(path=path), cache_folder=cache).n_segment == 2


def test_compact_roads_are_loaded_as_they_are(tmp_path: Path, make_roads: MakeRoads) -> None:
    roads = make_roads([(0, 0), (100, 0)], [(0, 1, 100, KPH, 0)])
    write_compact_roads(roads, tmp_path / "roads.npz")
    loaded = load_roads(Roads(path=tmp_path / "roads.npz"), cache_folder=tmp_path / "cache")
    assert loaded.content_hash == roads.content_hash
    assert not (tmp_path / "cache").exists()


TOUCHED = ("use_cache", "log_console", "log_file", "requests_timeout", "useful_tags_way")


class RecordedAnswers:
    """Answers of Nominatim and Overpass in the form those services give, for a made-up quarter."""

    nominatim: ClassVar = [
        {
            "place_id": 1,
            "osm_type": "relation",
            "osm_id": 1,
            "lat": "30.5",
            "lon": "114.35",
            "class": "boundary",
            "type": "administrative",
            "place_rank": 16,
            "importance": 0.5,
            "addresstype": "suburb",
            "name": "Quarter",
            "display_name": "Quarter, City",
            "boundingbox": ["30.49", "30.51", "114.34", "114.36"],
            "geojson": {
                "type": "Polygon",
                "coordinates": [
                    [[114.34, 30.49], [114.36, 30.49], [114.36, 30.51], [114.34, 30.49]]
                ],
            },
        }
    ]
    overpass: ClassVar = {
        "version": 0.6,
        "elements": [
            {"type": "node", "id": 1, "lat": 30.495, "lon": 114.350},
            {"type": "node", "id": 2, "lat": 30.495, "lon": 114.351},
            {"type": "node", "id": 3, "lat": 30.495, "lon": 114.352},
            {"type": "node", "id": 4, "lat": 30.496, "lon": 114.351},
            {
                "type": "way",
                "id": 10,
                "nodes": [1, 2, 3],
                "tags": {"highway": "primary", "maxspeed": "60"},
            },
            {
                "type": "way",
                "id": 11,
                "nodes": [2, 4],
                "tags": {"highway": "residential", "oneway": "yes"},
            },
        ],
    }

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.unknown = False

    def answer(self, url: str, content: object) -> requests.Response:
        self.asked.append(url)
        response = requests.Response()
        response.status_code, response.url = 200, url
        response._content = json.dumps(content).encode()
        return response

    def get(self, url: str, **_options: object) -> requests.Response:
        return self.answer(url, [] if self.unknown else self.nominatim)

    def post(self, url: str, **_options: object) -> requests.Response:
        return self.answer(url, self.overpass)


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RecordedAnswers:
    """Let recorded answers stand in for the internet, and pauses be short."""
    answers = RecordedAnswers()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(requests, "get", answers.get)
    monkeypatch.setattr(requests, "post", answers.post)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    monkeypatch.setattr("osmnx._http._config_dns", lambda _url: None)
    monkeypatch.setattr(ox.settings, "overpass_rate_limit", False)
    return answers


def test_place_by_recorded_answers(recorded: RecordedAnswers, tmp_path: Path) -> None:
    before = {key: copy.copy(getattr(ox.settings, key)) for key in TOUCHED}
    roads = load_roads(Roads(place="Quarter, City"))
    assert len(recorded.asked) == 2
    assert roads.n_segment == 3
    assert sorted(roads.forward_kph.tolist()) == pytest.approx([30.0, 60.0, 60.0])
    assert sorted(roads.backward_kph.tolist()) == pytest.approx([0.0, 60.0, 60.0])
    assert {key: getattr(ox.settings, key) for key in TOUCHED} == before
    assert list(tmp_path.iterdir()) == []  # nothing is left in the working folder


def test_unknown_place_is_a_fault(recorded: RecordedAnswers) -> None:
    recorded.unknown = True
    with pytest.raises(InputError, match="Nowhere") as raised:
        download_roads("Nowhere")
    assert raised.value.faults[0].column == "inputs.roads.place"


def test_no_internet_is_a_fault_and_settings_are_put_back(
    recorded: RecordedAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", refuse)
    used = ox.settings.use_cache
    with pytest.raises(InputError, match="do not answer"):
        download_roads("Quarter, City")
    assert ox.settings.use_cache is used
    assert recorded.asked == []


@pytest.mark.skipif(not SHENZHEN.is_file(), reason="the shared Shenzhen case is not here")
def test_shenzhen_times_equal_networkx_on_the_osmnx_graph() -> None:
    graph = ox.load_graphml(SHENZHEN)
    graph.remove_edges_from(
        [
            (u, v, k)
            for u, v, k, data in graph.edges(keys=True, data=True)
            if data["highway"] == "busway"
        ]
    )
    network = build_road_network(read_graphml_roads(SHENZHEN))
    assert network.n_node == graph.number_of_nodes()
    osmid = np.array(graph.nodes)[network.table_node]
    rng = np.random.default_rng(7)
    sites, demand = rng.choice(network.n_node, 12, replace=False), np.arange(network.n_node)
    cutoff_s = 420.0
    for direction in (Direction.TO_SITE, Direction.BACK):
        times = compute_travel_times(
            network,
            at_nodes(network, demand),
            at_nodes(network, sites),
            cutoff_s=cutoff_s,
            direction=direction,
            dtype=np.float64,
        )
        row = np.repeat(demand, np.diff(times.start))
        mine = {
            (osmid[i], int(j)): t for i, j, t in zip(row, times.site, times.time_s, strict=True)
        }
        oriented = graph.reverse(copy=False) if direction is Direction.TO_SITE else graph
        count: Counter[int] = Counter()
        for j, node in enumerate(sites):
            lengths = nx.single_source_dijkstra_path_length(
                oriented, osmid[node], cutoff=cutoff_s, weight="travel_time"
            )
            for other, time_s in lengths.items():
                assert mine[other, j] == pytest.approx(time_s, abs=1e-6)
                count[j] += 1
        assert sum(count.values()) == times.n_pair > 5000


def at_nodes(network: RoadNetwork, nodes: np.ndarray[Any, Any]) -> Snapped:
    """Stand at nodes: each at an end of some segment that touches it."""
    segment = np.full(network.n_node, -1)
    fraction = np.zeros(network.n_node)
    segment[network.segment_from] = np.arange(network.n_segment)
    at_head = segment < 0
    heads = at_head[network.segment_to]
    segment[network.segment_to[heads]] = np.flatnonzero(heads)
    fraction[at_head] = 1.0
    return Snapped(
        segment=segment[nodes],
        fraction=fraction[nodes],
        distance_m=np.zeros(nodes.size),
        problem=np.zeros(nodes.size),
    )
