"""Choosing a given number of places out of many so that they lie where demand is.

A weighted greedy: the place whose surroundings hold the most demand is taken, that demand then
counts half, and so on. Dense areas get several places to choose from, sparse ones get theirs
too. The gain of a place only ever falls, so a stale gain is an upper bound and few are recomputed
(the lazy greedy of Minoux 1978). Everything is deterministic; ties go to the first place.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from siting.domain import FloatArray, LongArray

HALVED = 0.5
OCCUPIED_CELL_M = 1_000.0
OVERLAP = 2.0
MIN_RADIUS_M, MAX_RADIUS_M = 200.0, 20_000.0


def compute_catchment_m(demand_xy_m: FloatArray, *, count: int) -> float:
    """Return the radius at which ``count`` discs cover the area of demand twice (m).

    Parameters
    ----------
    demand_xy_m
        (n, 2) places of demand in a plane (m); their area is that of the occupied 1 km squares.
    count
        Number of discs.
    """
    cells = np.unique(np.floor(demand_xy_m / OCCUPIED_CELL_M), axis=0)
    area_m2 = len(cells) * OCCUPIED_CELL_M**2
    radius_m = math.sqrt(OVERLAP * area_m2 / (math.pi * count))
    return min(max(radius_m, MIN_RADIUS_M), MAX_RADIUS_M)


def select_places(
    place_xy_m: FloatArray,
    *,
    preference: FloatArray,
    demand_xy_m: FloatArray,
    demand_weight: FloatArray,
    count: int,
    radius_m: float,
    min_spacing_m: float,
    taken: LongArray,
) -> LongArray:
    """Choose places near demand, at most ``count`` and no two closer than the spacing.

    Parameters
    ----------
    place_xy_m
        (n_place, 2) places to choose from, in a plane (m).
    preference
        (n_place,) factor on the demand that a place gains, in (0, 1].
    demand_xy_m, demand_weight
        (n_demand, 2) and (n_demand,) demand in the same plane (m) and its weight.
    count
        How many to choose, those already taken among them.
    radius_m
        Demand within this distance counts for a place (m).
    min_spacing_m
        Least distance between a chosen place and the others (m).
    taken
        Places that are chosen whatever their gain and spacing.

    Returns
    -------
    LongArray
        Indices of the places, in the order of choice; places without demand are never chosen.
    """
    start, demand = _pairs_within(place_xy_m, demand_xy_m, radius_m)
    weight = demand_weight.astype(np.float64).copy()
    places = cKDTree(place_xy_m)
    blocked = np.zeros(len(place_xy_m), dtype=bool)
    chosen: list[int] = []

    def gain_of(place: int) -> float:
        return float(preference[place] * weight[demand[start[place] : start[place + 1]]].sum())

    def choose(place: int) -> None:
        chosen.append(place)
        weight[demand[start[place] : start[place + 1]]] *= HALVED
        blocked[place] = True
        if min_spacing_m > 0:
            near = np.nextafter(min_spacing_m, 0.0)
            blocked[places.query_ball_point(place_xy_m[place], near)] = True

    for place in taken:
        choose(int(place))
    heap = [(-gain_of(place), place) for place in range(len(place_xy_m)) if not blocked[place]]
    heap = [entry for entry in heap if entry[0] < 0]
    heapq.heapify(heap)
    while heap and len(chosen) < count:
        _, place = heapq.heappop(heap)
        if blocked[place]:
            continue
        now = (-gain_of(place), place)
        if not heap or now <= heap[0]:
            choose(place)
        else:
            heapq.heappush(heap, now)
    return np.array(chosen, dtype=np.int64)


def select_apart(place_xy_m: FloatArray, *, count: int, chosen: LongArray) -> LongArray:
    """Add the place farthest from all chosen ones until there are ``count`` (Gonzalez 1985).

    Parameters
    ----------
    place_xy_m
        (n_place, 2) places in a plane (m).
    count
        How many are wanted in the end.
    chosen
        Places that are chosen already; with none, the first place begins.

    Returns
    -------
    LongArray
        The chosen places and those added, in the order of choice.
    """
    result = [int(place) for place in chosen] or [0]
    away_m = np.full(len(place_xy_m), np.inf)
    for place in result:
        np.minimum(away_m, np.hypot(*(place_xy_m - place_xy_m[place]).T), out=away_m)
    while len(result) < min(count, len(place_xy_m)):
        place = int(np.argmax(away_m))
        if away_m[place] <= 0:
            break
        result.append(place)
        np.minimum(away_m, np.hypot(*(place_xy_m - place_xy_m[place]).T), out=away_m)
    return np.array(result, dtype=np.int64)


def _pairs_within(
    place_xy_m: FloatArray, demand_xy_m: FloatArray, radius_m: float
) -> tuple[LongArray, LongArray]:
    """Return the demand within the radius of each place: where it begins, and its indices."""
    pairs = cKDTree(place_xy_m).sparse_distance_matrix(
        cKDTree(demand_xy_m), radius_m, output_type="ndarray"
    )
    order = np.lexsort((pairs["j"], pairs["i"]))
    n_near = np.bincount(pairs["i"], minlength=len(place_xy_m))
    return np.concatenate([[0], np.cumsum(n_near)]), pairs["j"][order].astype(np.int64)
