"""One charging map: the same station found in several feeds, and a reason for every merge.

Pairs of near stations are weighed: distance, names, operators and numbers of connectors each give
points for or against, roughly in bits (twice as likely is one point). Pairs are then joined from
the best downwards. Between feeds little is needed, because the same station is expected in both;
inside a feed much is needed, because a feed lists a station once on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from siting.domain import BoolArray, FloatArray, LongArray
from siting.errors import Fault
from siting.inputs.geometry import lon_lat_of
from siting.inputs.stations.frame import (
    COLUMNS,
    StationTable,
    build_frame,
    empty_stations,
    list_ids,
)
from siting.inputs.stations.names import (
    NameKey,
    build_name_key,
    compare_names,
    compare_operators,
    marks_differ,
)
from siting.inputs.stations.records import StationStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import geopandas as gpd

PairDistance = Callable[[FloatArray, FloatArray], FloatArray]
"""From (n, 2) and (n, 2) WGS-84 longitudes and latitudes to (n,) metres by road."""

EARTH_RADIUS_M = 6_371_008.8
MAX_AT_ONE_POINT = 100
"""More stations than this at one point stand at a stand-in for an unknown place."""

MERGE_COLUMNS = (
    "station_id",
    "kept",
    "merged",
    "within_feed",
    "distance_m",
    "name_similarity",
    "operator_similarity",
    "connectors_kept",
    "connectors_merged",
    "points",
    "reason",
)

AT_ONE_POINT_M = 1.0
_FIRST_GIVEN = ("name", "name_zh", "operator", "network", "owner", "owner_brand")
_DISTANCE_POINTS = ((AT_ONE_POINT_M, 8.0), (10.0, 6.0), (30.0, 4.0), (60.0, 1.0), (100.0, 0.0))
_FARTHER_POINTS = -2.0
_NAME_POINTS = ((90.0, 6.0), (75.0, 3.0), (60.0, 0.0))
_OTHER_NAME_POINTS = -5.0
_OTHER_MARK_POINTS = -12.0
_SAME_OPERATOR_FROM, _SAME_OPERATOR_POINTS = 85.0, 2.0
_OTHER_OPERATOR_BELOW, _OTHER_OPERATOR_POINTS = 60.0, -8.0
_COUNT_POINTS = ((0.9, 2.0), (0.8, 0.0), (0.5, -1.0), (0.25, -2.0))
_OTHER_COUNT_POINTS = -3.0
_MAX_SAME_COUNT_POINTS = 4.0
_NO_COUNT_POINTS = 2.0
_OTHER_SIDE_POINTS = -6.0
_SAME_SOURCE_POINTS = 100.0


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """How near and how alike two stations must be to be one.

    Attributes
    ----------
    max_distance_m
        Stations farther apart than this, straight, are never compared.
    min_points, min_points_within_feed
        Least points for a merge between two feeds, and inside one.
    doubtful_points
        Pairs that miss the merge by no more than this are listed for the planner.
    other_side_m
        Stations with a longer way by road than this stand on two sides of a barrier, such as the
        two service areas of a motorway.
    """

    max_distance_m: float = 150.0
    min_points: float = 6.0
    min_points_within_feed: float = 10.0
    doubtful_points: float = 2.0
    other_side_m: float = 2_000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class MergedStations:
    """One map of the stations of several feeds.

    Attributes
    ----------
    frame
        One row a station, with the columns of a :class:`StationTable`; ``source_ids`` names every
        feed's id of it.
    merges
        One row a merge (``MERGE_COLUMNS``): the two source ids that were found to be one, the
        evidence, and the reason in words.
    doubtful
        The same columns for pairs that fell short by little and were kept apart.
    notices
        What was merged, what is doubtful, where sources disagree.
    """

    frame: gpd.GeoDataFrame
    merges: pd.DataFrame
    doubtful: pd.DataFrame
    notices: tuple[Fault, ...] = ()


def merge_stations(
    tables: Sequence[StationTable],
    *,
    options: MergeOptions | None = None,
    road_distance_m: PairDistance | None = None,
) -> MergedStations:
    """Merge the stations of several feeds, and repeated ones inside a feed, into one map.

    What a merged station says comes from the first table that says it: earlier tables are trusted
    more. Connectors and their power come together from one source, of the number that most feeds
    give. Every source's id is kept. The same tables in the same order give the same result.

    Parameters
    ----------
    tables
        The feeds, the most trusted first.
    options
        How near and how alike two stations must be.
    road_distance_m
        Distance by road between the points of each pair, the shorter direction, if it is to tell
        the two sides of a motorway apart; without it distances are straight.
    """
    options = options or MergeOptions()
    if not tables:
        nothing = pd.DataFrame(columns=list(MERGE_COLUMNS))
        return MergedStations(frame=empty_stations(), merges=nothing, doubtful=nothing)
    every = pd.concat([table.frame for table in tables], ignore_index=True)
    sizes = [len(table.frame) for table in tables]
    feed: LongArray = np.repeat(np.arange(len(tables), dtype=np.int64), sizes)
    pairs, notices = _find_near_pairs(every, max_distance_m=options.max_distance_m)
    weighed = _weigh(every, feed, pairs, options=options, road_distance_m=road_distance_m)
    cluster, links = _join(weighed, n_station=len(every))
    frame = _build_merged(every, feed, cluster)
    _, group = np.unique(cluster, return_inverse=True)
    ids = frame["station_id"].to_numpy()[group]
    merges = _describe(weighed.iloc[links], every, ids)
    doubtful = _describe(weighed[_is_doubtful(weighed, feed, cluster, options)], every, ids)
    return MergedStations(
        frame=frame,
        merges=merges,
        doubtful=doubtful,
        notices=(*notices, *_report(every, cluster, merges, doubtful)),
    )


def _find_near_pairs(
    every: gpd.GeoDataFrame, *, max_distance_m: float
) -> tuple[pd.DataFrame, list[Fault]]:
    """Return the pairs a < b that stand within the distance, and their distance (m)."""
    lon, lat = lon_lat_of(every.geometry)
    at_point = pd.DataFrame({"lon": lon, "lat": lat}).groupby(["lon", "lat"])["lon"]
    crowded = (at_point.transform("size") > MAX_AT_ONE_POINT).to_numpy()
    notices = []
    if crowded.any():
        what = (
            f"{int(crowded.sum()):,} stations stand with more than {MAX_AT_ONE_POINT} others at one"
            f" point, a stand-in for an unknown place; they were not merged: "
            f"{list_ids(every['station_id'][crowded])}"
        )
        notices.append(Fault(what=what, remedy="ask their source for their places"))
    use = np.flatnonzero(~crowded)
    xyz = _unit_vectors(lon[use], lat[use])
    chord = 2.0 * np.sin(max_distance_m / EARTH_RADIUS_M / 2.0)
    near = cKDTree(xyz).query_pairs(chord, output_type="ndarray") if use.size else np.empty((0, 2))
    a, b = np.sort(use[near.astype(np.int64)], axis=1).T
    half = np.linalg.norm(_unit_vectors(lon[a], lat[a]) - _unit_vectors(lon[b], lat[b]), axis=1) / 2
    distance_m = 2.0 * EARTH_RADIUS_M * np.arcsin(np.minimum(half, 1.0))
    return pd.DataFrame({"a": a, "b": b, "distance_m": distance_m}), notices


def _unit_vectors(lon: FloatArray, lat: FloatArray) -> FloatArray:
    lam, phi = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])


def _weigh(
    every: gpd.GeoDataFrame,
    feed: LongArray,
    pairs: pd.DataFrame,
    *,
    options: MergeOptions,
    road_distance_m: PairDistance | None,
) -> pd.DataFrame:
    """Return the pairs with their evidence, their points, and how many they fall short by."""
    a, b, distance_m = (pairs[column].to_numpy() for column in ("a", "b", "distance_m"))
    keys = _build_keys(every)
    pairs_of_keys = [(keys[i], keys[j]) for i, j in zip(a, b, strict=True)]
    name = _as_floats(compare_names(x, y) for x, y in pairs_of_keys)
    operator = _as_floats(compare_operators(x, y) for x, y in pairs_of_keys)
    marks = np.array([marks_differ(x, y) for x, y in pairs_of_keys], dtype=bool)
    same_source = _share_a_source(every, a, b)
    way_m = np.full(a.size, np.nan)
    if road_distance_m is not None and a.size:
        lon_lat = np.column_stack(lon_lat_of(every.geometry))
        way_m = np.asarray(road_distance_m(lon_lat[a], lon_lat[b]), dtype=np.float64)
    connectors = every["connectors"].to_numpy()
    name_points = _by_level(name, _NAME_POINTS, below=_OTHER_NAME_POINTS)
    name_points[marks] = _OTHER_MARK_POINTS
    points = (
        _by_limit(distance_m, _DISTANCE_POINTS, beyond=_FARTHER_POINTS)
        + name_points
        + np.select(
            [operator >= _SAME_OPERATOR_FROM, operator < _OTHER_OPERATOR_BELOW],
            [_SAME_OPERATOR_POINTS, _OTHER_OPERATOR_POINTS],
            default=0.0,
        )
        + _count_points(connectors, a, b, distance_m)
        + np.where(way_m > options.other_side_m, _OTHER_SIDE_POINTS, 0.0)
        + np.where(same_source, _SAME_SOURCE_POINTS, 0.0)
    )
    within = feed[a] == feed[b]
    needed = np.where(within, options.min_points_within_feed, options.min_points)
    return pairs.assign(
        within_feed=within,
        name_similarity=name,
        operator_similarity=operator,
        marks_differ=marks,
        same_source=same_source,
        way_m=way_m,
        points=points,
        short_by=needed - points,
    )


def _build_keys(every: pd.DataFrame) -> list[NameKey]:
    columns = ("name", "name_zh", "operator", "network", "owner", "owner_brand")
    return [
        build_name_key(name, name_zh, operators=tuple(operators))
        for name, name_zh, *operators in zip(*(every[c] for c in columns), strict=True)
    ]


def _as_floats(values: Iterable[float | None]) -> FloatArray:
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _share_a_source(every: pd.DataFrame, a: LongArray, b: LongArray) -> BoolArray:
    sources = [set(filter(None, text.split(";"))) for text in every["source_ids"]]
    return np.array([bool(sources[i] & sources[j]) for i, j in zip(a, b, strict=True)], dtype=bool)


def _by_limit(
    values: FloatArray, levels: Sequence[tuple[float, float]], *, beyond: float
) -> FloatArray:
    limits, points = zip(*levels, strict=True)
    return np.array([*points, beyond])[np.searchsorted(limits, values, side="left")]


def _by_level(
    values: FloatArray, levels: Sequence[tuple[float, float]], *, below: float
) -> FloatArray:
    """Return the points of the first level that a value reaches; 0 where it is not known."""
    reached = [values >= level for level, _ in levels]
    points = np.select(reached, [points for _, points in levels], default=below)
    return np.where(np.isnan(values), 0.0, points)


def _count_points(
    connectors: LongArray, a: LongArray, b: LongArray, distance_m: FloatArray
) -> FloatArray:
    """Return the points of the numbers of connectors.

    Equal numbers weigh by how rare they are: that two neighbours have 71 each is no coincidence,
    that they have 2 each may be. An entry that tells no connectors adds nothing to one at the same
    point, and says nothing farther off.
    """
    _, inverse, counts = np.unique(connectors, return_inverse=True, return_counts=True)
    rarity = np.log2(connectors.size / counts)
    same_points = np.minimum(rarity, _MAX_SAME_COUNT_POINTS)[inverse]
    low = np.minimum(connectors[a], connectors[b]).astype(np.float64)
    high = np.maximum(connectors[a], connectors[b]).astype(np.float64)
    ratio = np.divide(low, high, out=np.ones_like(low), where=high > 0)
    points = np.where(
        low == high, same_points[a], _by_level(ratio, _COUNT_POINTS, below=_OTHER_COUNT_POINTS)
    )
    at_one_point = distance_m <= AT_ONE_POINT_M
    return np.where(low == 0, np.where(at_one_point, _NO_COUNT_POINTS, 0.0), points)


def _join(weighed: pd.DataFrame, *, n_station: int) -> tuple[LongArray, list[int]]:
    """Join the pairs from the best downwards.

    Two groups join only if no pair across them speaks against it: two stations of one feed must
    themselves be a merge, two of different feeds must not be opposed (points below 0), and all
    must have been near enough to be compared.

    Returns
    -------
    cluster
        (n_station,) the least station number of each station's group.
    links
        Positions in ``weighed`` of the pairs that joined two groups, best first.
    """
    allowed = {
        (a, b): short_by <= 0 if within else points >= 0
        for a, b, within, points, short_by in zip(
            *(
                weighed[column].tolist()
                for column in ("a", "b", "within_feed", "points", "short_by")
            ),
            strict=True,
        )
    }
    cluster: LongArray = np.arange(n_station, dtype=np.int64)
    members = {i: [i] for i in range(n_station)}
    accepted = np.flatnonzero((weighed["short_by"] <= 0).to_numpy())
    order = np.lexsort(
        tuple(
            weighed[column].to_numpy()[accepted] * sign
            for column, sign in (("b", 1), ("a", 1), ("distance_m", 1), ("points", -1))
        )
    )
    links = []
    first, second = weighed["a"].to_numpy(), weighed["b"].to_numpy()
    for position in accepted[order]:
        a, b = int(cluster[first[position]]), int(cluster[second[position]])
        if a == b:
            continue
        if not all(
            allowed.get((min(i, j), max(i, j)), False) for i in members[a] for j in members[b]
        ):
            continue
        keep, drop = min(a, b), max(a, b)
        members[keep] += members.pop(drop)
        cluster[members[keep]] = keep
        links.append(int(position))
    return cluster, links


def _is_doubtful(
    weighed: pd.DataFrame, feed: LongArray, cluster: LongArray, options: MergeOptions
) -> BoolArray:
    """Pairs that fell a little short, of stations that have not found their like elsewhere."""
    a, b = weighed["a"].to_numpy(), weighed["b"].to_numpy()
    short_by = weighed["short_by"].to_numpy()
    near: BoolArray = (
        (short_by > 0) & (short_by <= options.doubtful_points) & (cluster[a] != cluster[b])
    )
    feeds = pd.Series(feed).groupby(cluster).agg(set)
    apart = [
        feed[i] == feed[j] or not feeds[cluster[i]] & feeds[cluster[j]]
        for i, j in zip(a[near], b[near], strict=True)
    ]
    near[near] = apart
    return near


def _build_merged(every: gpd.GeoDataFrame, feed: LongArray, cluster: LongArray) -> gpd.GeoDataFrame:
    """Return one row a group; rows stand in order of trust, so the first to say a thing wins."""
    columns = {name: every[name] for name in COLUMNS if name != "geometry"}
    for name in _FIRST_GIVEN:
        columns[name] = columns[name].replace("", np.nan)
    columns["status"] = columns["status"].replace(StationStatus.UNKNOWN.value, np.nan)
    first = pd.DataFrame(columns).groupby(cluster).first()
    head = first.index.to_numpy()
    merged: dict[str, Any] = {name: first[name] for name in first.columns}
    for name in _FIRST_GIVEN:
        merged[name] = first[name].fillna("")
    merged["status"] = first["status"].fillna(StationStatus.UNKNOWN.value)
    merged["source"] = every["source"].groupby(cluster).agg(_union)
    merged["source_ids"] = every["source_ids"].groupby(cluster).agg(_union)
    merged["illustrative"] = every["illustrative"].groupby(cluster).all()
    told = _choose_capacity(every, feed, cluster)
    for name in ("connectors", "power_kw", "connector_powers_kw"):
        merged[name] = every[name].to_numpy()[told]
    twice = first["station_id"].duplicated(keep=False)
    first_source = merged["source_ids"].str.split(";").str[0]
    merged["station_id"] = first["station_id"].where(~twice, first_source)
    lon, lat = lon_lat_of(every.geometry)
    return build_frame(merged, lon[head], lat[head])


def _union(texts: pd.Series[str]) -> str:
    parts = (part for text in texts for part in text.split(";"))
    return ";".join(dict.fromkeys(filter(None, parts)))


def _choose_capacity(every: pd.DataFrame, feed: LongArray, cluster: LongArray) -> LongArray:
    """Return the row that each group takes its connectors from.

    The number that most feeds give; among equals the most trusted; among its rows one that knows
    the power of each connector.
    """
    rows = pd.DataFrame(
        {
            "cluster": cluster,
            "connectors": every["connectors"],
            "feed": feed,
            "no_detail": every["connector_powers_kw"] == "",
            "row": np.arange(len(every)),
        }
    )
    votes = rows.groupby(["cluster", "connectors"])["feed"].transform("nunique")
    rows["against"] = -votes.where(rows["connectors"] > 0, 0)
    number = ["cluster", "connectors"]
    rows["trust"] = rows.groupby(number)["row"].transform("min")
    ordered = rows.sort_values(["cluster", "against", "trust", "no_detail", "row"])
    return ordered.groupby("cluster")["row"].first().to_numpy()


def _describe(pairs: pd.DataFrame, every: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """Return pairs as rows of ``MERGE_COLUMNS``; ``ids`` are the merged ids by station number."""
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    sources = every["source_ids"].to_numpy()
    connectors = every["connectors"].to_numpy()
    table = pd.DataFrame(
        {
            "station_id": [ids[i] for i in a],
            "kept": sources[a],
            "merged": sources[b],
            "within_feed": pairs["within_feed"].to_numpy(),
            "distance_m": pairs["distance_m"].to_numpy(),
            "name_similarity": pairs["name_similarity"].to_numpy(),
            "operator_similarity": pairs["operator_similarity"].to_numpy(),
            "connectors_kept": connectors[a],
            "connectors_merged": connectors[b],
            "points": pairs["points"].to_numpy(),
        }
    )
    extra = pairs[["marks_differ", "same_source", "way_m"]].reset_index(drop=True)
    reasons = [_reason(row) for row in pd.concat([table, extra], axis=1).to_dict(orient="records")]
    return table.assign(reason=pd.Series(reasons, dtype="str"))


def _reason(row: Mapping[Any, Any]) -> str:
    """Return the evidence on a pair in words."""
    low, high = sorted((row["connectors_kept"], row["connectors_merged"]))
    name, operator = row["name_similarity"], row["operator_similarity"]
    parts = [
        "the same id in its source" if row["same_source"] else "",
        "at one point"
        if row["distance_m"] <= AT_ONE_POINT_M
        else f"{row['distance_m']:.0f} m apart",
        f"{row['way_m'] / 1000.0:.1f} km by road" if not np.isnan(row["way_m"]) else "",
        "" if np.isnan(name) else f"names {name:.0f} % alike",
        "names of different blocks, numbers or sides" if row["marks_differ"] else "",
        "" if np.isnan(operator) else f"operators {operator:.0f} % alike",
        f"both have {high} connectors" if low == high else f"{low} and {high} connectors",
    ]
    return "; ".join(filter(None, parts))


def _report(
    every: pd.DataFrame, cluster: LongArray, merges: pd.DataFrame, doubtful: pd.DataFrame
) -> list[Fault]:
    """Return notices of what was merged, of what is doubtful, and of where sources disagree."""
    notices = []
    n_within = int(merges["within_feed"].sum())
    if len(merges):
        what = (
            f"{len(every):,} stations of all files are {len(every) - len(merges):,} stations: "
            f"{len(merges) - n_within:,} merges between files, {n_within:,} inside one"
        )
        notices.append(Fault(what=what, remedy="see the reason of each merge"))
    if len(doubtful):
        what = f"{len(doubtful):,} more pairs may be the same station and were kept apart"
        notices.append(Fault(what=what, remedy="look at them, and correct a file where they are"))
    for name, said in (
        ("status", "whether they stand"),
        ("access", "who may enter"),
        ("owner_brand", "which brand owns them"),
    ):
        codes, _ = pd.factorize(every[name].replace(["", StationStatus.UNKNOWN.value], np.nan))
        told = pd.Series(codes).where(codes >= 0).groupby(cluster)
        disputed = told.max() > told.min()
        if disputed.any():
            ids = every["station_id"][disputed.index[disputed]]
            what = (
                f"sources disagree on {said} for {int(disputed.sum()):,} stations: {list_ids(ids)}"
            )
            notices.append(Fault(column=name, what=what, remedy="name the more trusted file first"))
    return notices
