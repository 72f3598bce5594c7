"""Points to roads: the nearest point on an edge, not the nearest node, and never in silence."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import BoolArray, FloatArray, IntArray, frozen_array
from siting.network.compiled import KernelArray, compiled

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from siting.network.road_network import RoadNetwork

NO_SEGMENT = -1
MIN_CELL_M = 50.0
MAX_CELLS = 4_000_000
HAIR = 1e-6
"""Share of a cell by which a leg is widened, so that one along a border is in both cells."""
POINTS_PER_TASK = 20_000


class SnapProblem(IntEnum):
    """Why a point is not on the network's main component."""

    NONE = 0
    """It is: every main road reaches it, and it reaches every main road."""
    OFF_NETWORK = 1
    """No road lies within the greatest distance."""
    OTHER_COMPONENT = 2
    """The only roads near it are cut off from the main network."""
    ONE_WAY_TRAP = 3
    """The only roads near it can be driven into but not out of, or out of but not into."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Snapped:
    """Points on a network's segments.

    Attributes
    ----------
    segment
        (n_point,) the segment that the point stands on, or ``NO_SEGMENT``.
    fraction
        (n_point,) how far along it, 0 at its from-node and 1 at its to-node; NaN for none.
    distance_m
        (n_point,) straight distance from the point to the road; infinite for none.
    problem
        (n_point,) a :class:`SnapProblem` each.
    """

    segment: IntArray
    fraction: FloatArray
    distance_m: FloatArray
    problem: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        for name, dtype in (
            ("segment", np.int32),
            ("fraction", np.float64),
            ("distance_m", np.float64),
            ("problem", np.uint8),
        ):
            object.__setattr__(self, name, frozen_array(getattr(self, name), dtype))

    @property
    def n_point(self) -> int:
        """Number of points."""
        return self.segment.size

    @property
    def on_network(self) -> BoolArray:
        """(n_point,) whether the point stands on a segment."""
        return frozen_array(self.segment != NO_SEGMENT, np.bool_)


def snap_to_roads(
    network: RoadNetwork,
    lon_deg: ArrayLike,
    lat_deg: ArrayLike,
    *,
    max_distance_m: float,
    threads: int = 2,
) -> Snapped:
    """Snap points to the nearest point on a road.

    A road of the largest strongly connected component is taken where one lies within the greatest
    distance, even if some other road is nearer: a point on a fragment can neither reach nor be
    reached. Of equally near segments the first of the road table is taken.

    Parameters
    ----------
    network
        The roads.
    lon_deg, lat_deg
        (n_point,) WGS-84 coordinates.
    max_distance_m
        Greatest straight distance; a point farther from every road stays without a segment.
    threads
        How many threads share the points; the result does not depend on it.

    Returns
    -------
    Snapped
        With the reason for every point that is not on the main component.

    Raises
    ------
    ValueError
        If longitudes and latitudes differ in number, or the distance is not positive.
    """
    lon, lat = np.atleast_1d(np.asarray(lon_deg, float)), np.atleast_1d(np.asarray(lat_deg, float))
    if lon.shape != lat.shape or lon.ndim != 1:
        raise ValueError("longitudes and latitudes are two lists of the same length")
    if not (math.isfinite(max_distance_m) and max_distance_m > 0):
        raise ValueError("max_distance_m is a positive number")
    x_m, y_m = network.project(lon, lat)
    n_point = x_m.size
    segment = np.full(n_point, NO_SEGMENT, dtype=np.int32)
    fraction = np.full(n_point, np.nan)
    distance_m = np.full(n_point, np.inf)
    near = np.flatnonzero(_within_reach(network, x_m, y_m, max_distance_m))
    if near.size:
        grid = _build_grid(network, x_m[near], y_m[near], max_distance_m)

        def snap(part: NDArray[np.int64]) -> None:
            segment[part], fraction[part], distance_m[part] = _nearest_on_segments(
                x_m[part],
                y_m[part],
                max_distance_m,
                network.shape_x_m,
                network.shape_y_m,
                network.shape_start,
                network.segment_is_main,
                *grid,
            )

        parts = np.array_split(near, math.ceil(near.size / POINTS_PER_TASK))
        with ThreadPoolExecutor(max_workers=threads) as pool:
            list(pool.map(snap, parts))
    return Snapped(
        segment=segment,
        fraction=fraction,
        distance_m=distance_m,
        problem=_name_problems(network, segment),
    )


def _name_problems(network: RoadNetwork, segment: IntArray) -> NDArray[np.uint8]:
    on_road = segment != NO_SEGMENT
    placed = segment[on_road]
    main_weak = network.weak_component[np.argmin(network.strong_component)]
    connected = network.weak_component[network.segment_from[placed]] == main_weak
    problem = np.full(segment.size, SnapProblem.OFF_NETWORK, dtype=np.uint8)
    problem[on_road] = np.where(
        network.segment_is_main[placed],
        SnapProblem.NONE,
        np.where(connected, SnapProblem.ONE_WAY_TRAP, SnapProblem.OTHER_COMPONENT),
    )
    return problem


def _within_reach(
    network: RoadNetwork, x_m: FloatArray, y_m: FloatArray, max_distance_m: float
) -> BoolArray:
    """Tell which points lie in the network's bounding box, widened by the greatest distance."""
    inside = np.isfinite(x_m) & np.isfinite(y_m)
    for points, shape in ((x_m, network.shape_x_m), (y_m, network.shape_y_m)):
        inside &= points >= shape.min() - max_distance_m
        inside &= points <= shape.max() + max_distance_m
    return inside


def _build_grid(
    network: RoadNetwork, x_m: FloatArray, y_m: FloatArray, max_distance_m: float
) -> tuple[Any, ...]:
    """Sort the legs of all drivable segments into square cells around the points."""
    x_min, y_min = float(x_m.min()) - max_distance_m, float(y_m.min()) - max_distance_m
    width_m = float(x_m.max()) + max_distance_m - x_min
    height_m = float(y_m.max()) + max_distance_m - y_min
    # About one cell a leg, so that a cell holds a few; a leg often crosses two or three.
    cell_m = max(MIN_CELL_M, math.sqrt(width_m * height_m / network.shape_x_m.size))
    cell_m = max(cell_m, math.sqrt(width_m * height_m / MAX_CELLS))
    n_column, n_row = int(width_m // cell_m) + 1, int(height_m // cell_m) + 1
    n_point = np.diff(network.shape_start)
    leg_segment = np.repeat(np.arange(network.n_segment, dtype=np.int32), n_point)
    leg_segment[network.shape_start[1:] - 1] = NO_SEGMENT  # the last point begins no leg
    leg_segment[np.repeat(~network.segment_is_open, n_point)] = NO_SEGMENT
    frame = (x_min, y_min, cell_m, n_column, n_row)
    cell_start, cell_leg = _sort_legs(network.shape_x_m, network.shape_y_m, leg_segment, *frame)
    return (leg_segment, cell_start, cell_leg, *frame)


@compiled
def _sort_legs(  # noqa: C901, PLR0912, PLR0917 - one hot loop, and Numba takes positions
    shape_x: KernelArray,
    shape_y: KernelArray,
    leg_segment: KernelArray,
    x_min: float,
    y_min: float,
    cell_m: float,
    n_column: int,
    n_row: int,
) -> KernelArray:
    """List the legs that touch each cell, row of cells by row of cells; twice: count, then fill."""
    start = np.zeros(n_column * n_row + 1, dtype=np.int64)
    cell_leg = np.empty(0, dtype=np.int64)
    for fill in range(2):
        for leg in range(leg_segment.size - 1):
            if leg_segment[leg] < 0:
                continue
            x0, y0 = (shape_x[leg] - x_min) / cell_m, (shape_y[leg] - y_min) / cell_m
            x1, y1 = (shape_x[leg + 1] - x_min) / cell_m, (shape_y[leg + 1] - y_min) / cell_m
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            first_row = max(0, math.floor(y0 - HAIR))
            last_row = min(n_row - 1, math.floor(y1 + HAIR))
            for row in range(first_row, last_row + 1):
                low, high = 0.0, 1.0
                if y1 > y0:
                    low = min(max((row - y0) / (y1 - y0), 0.0), 1.0)
                    high = min(max((row + 1 - y0) / (y1 - y0), 0.0), 1.0)
                left, right = x0 + low * (x1 - x0), x0 + high * (x1 - x0)
                if left > right:
                    left, right = right, left
                first_column = max(0, math.floor(left - HAIR))
                last_column = min(n_column - 1, math.floor(right + HAIR))
                for column in range(first_column, last_column + 1):
                    cell = row * n_column + column
                    if fill == 0:
                        start[cell + 1] += 1
                    else:
                        cell_leg[start[cell]] = leg
                        start[cell] += 1
        if fill == 0:
            for cell in range(n_column * n_row):
                start[cell + 1] += start[cell]
            cell_leg = np.empty(start[n_column * n_row], dtype=np.int64)
    for cell in range(n_column * n_row, 0, -1):
        start[cell] = start[cell - 1]
    start[0] = 0
    return start, cell_leg


@compiled
def _nearest_on_segments(  # noqa: C901, PLR0912, PLR0915, PLR0917 - one hot loop, and Numba takes positions
    x_m: KernelArray,
    y_m: KernelArray,
    max_distance_m: float,
    shape_x: KernelArray,
    shape_y: KernelArray,
    shape_start: KernelArray,
    is_main: KernelArray,
    leg_segment: KernelArray,
    cell_start: KernelArray,
    cell_leg: KernelArray,
    x_min: float,
    y_min: float,
    cell_m: float,
    n_column: int,
    n_row: int,
) -> KernelArray:
    """Search rings of cells around each point until no unseen leg can be nearer."""
    n_point = x_m.size
    segment = np.full(n_point, NO_SEGMENT, dtype=np.int32)
    fraction = np.full(n_point, np.nan)
    distance_m = np.full(n_point, np.inf)
    n_ring = math.ceil(max_distance_m / cell_m) + 1
    for k in range(n_point):
        x, y = x_m[k], y_m[k]
        here_column = int((x - x_min) / cell_m)
        here_row = int((y - y_min) / cell_m)
        limit = max_distance_m * max_distance_m
        # Place 0 holds the best leg of the main component, place 1 the best of the others.
        best_leg = np.full(2, -1, dtype=np.int64)
        best_square = np.full(2, limit)
        best_along = np.zeros(2)
        for ring in range(n_ring + 1):
            # Every leg of an unseen ring is at least this far away.
            unseen_m = max(0.0, (ring - 1) * cell_m)
            if best_leg[0] >= 0 and best_square[0] < unseen_m * unseen_m:
                break
            for row in range(max(0, here_row - ring), min(n_row - 1, here_row + ring) + 1):
                on_edge = row in (here_row - ring, here_row + ring)
                step = 1 if on_edge or ring == 0 else 2 * ring
                for column in range(here_column - ring, here_column + ring + 1, step):
                    if column < 0 or column >= n_column:
                        continue
                    cell = row * n_column + column
                    for place in range(cell_start[cell], cell_start[cell + 1]):
                        leg = cell_leg[place]
                        x0, y0 = shape_x[leg], shape_y[leg]
                        dx, dy = shape_x[leg + 1] - x0, shape_y[leg + 1] - y0
                        square = dx * dx + dy * dy
                        along = 0.0
                        if square > 0.0:
                            along = ((x - x0) * dx + (y - y0) * dy) / square
                            along = min(max(along, 0.0), 1.0)
                        # The far end exactly, so that segments which meet there tie exactly.
                        if along == 1.0:
                            off_x, off_y = x - shape_x[leg + 1], y - shape_y[leg + 1]
                        else:
                            off_x, off_y = x - (x0 + along * dx), y - (y0 + along * dy)
                        square = off_x * off_x + off_y * off_y
                        kind = 0 if is_main[leg_segment[leg]] else 1
                        if square < best_square[kind] or (
                            square == best_square[kind]
                            and (best_leg[kind] < 0 or leg < best_leg[kind])
                        ):
                            best_square[kind] = square
                            best_leg[kind] = leg
                            best_along[kind] = along
        kind = 0 if best_leg[0] >= 0 else 1
        leg = best_leg[kind]
        if leg < 0:
            continue
        chosen = leg_segment[leg]
        before_m, total_m = 0.0, 0.0
        for point in range(shape_start[chosen], shape_start[chosen + 1] - 1):
            dx = shape_x[point + 1] - shape_x[point]
            dy = shape_y[point + 1] - shape_y[point]
            length = math.sqrt(dx * dx + dy * dy)
            if point < leg:
                before_m += length
            elif point == leg:
                before_m += best_along[kind] * length
            total_m += length
        segment[k] = chosen
        fraction[k] = min(before_m / total_m, 1.0) if total_m > 0.0 else 0.0
        distance_m[k] = math.sqrt(best_square[kind])
    return segment, fraction, distance_m
