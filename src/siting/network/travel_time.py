"""Travel times by road, many to many within a cutoff, from point on edge to point on edge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siting.domain import BoolArray, Direction, IntArray, LongArray, frozen_array
from siting.network.many_to_many import pair_within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped

    AnyFloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True, eq=False)
class TravelTimes:
    """All pairs of demand and site within the cutoff, row by row.

    Attributes
    ----------
    start
        (n_demand + 1,) where each demand point's pairs begin.
    site
        (n_pair,) site index, ascending within a demand point.
    time_s
        (n_pair,) travel time.
    n_site
        Number of sites asked for.
    cutoff_s
        Longest travel time kept, itself included.
    direction
        Which drive was timed.
    """

    start: LongArray
    site: IntArray
    time_s: AnyFloatArray
    n_site: int
    cutoff_s: float
    direction: Direction

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        object.__setattr__(self, "start", frozen_array(self.start, np.int64))
        object.__setattr__(self, "site", frozen_array(self.site, np.int32))
        object.__setattr__(self, "time_s", frozen_array(self.time_s, self.time_s.dtype))

    @property
    def n_demand(self) -> int:
        """Number of demand points."""
        return self.start.size - 1

    @property
    def n_pair(self) -> int:
        """Number of pairs within the cutoff."""
        return self.site.size

    @property
    def is_reached(self) -> BoolArray:
        """(n_demand,) whether any site lies within the cutoff."""
        return frozen_array(np.diff(self.start) > 0, np.bool_)


def compute_travel_times(
    network: RoadNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    cutoff_s: float,
    direction: Direction,
    dtype: type[np.float32 | np.float64] = np.float32,
    threads: int = 2,
) -> TravelTimes:
    """Compute the travel time of every pair of demand and site within a cutoff.

    Exact on the directed network: a drive begins and ends on the points of the edges, and may
    stay on one edge. The search starts from the side with fewer points and stops at the cutoff,
    so that time and memory follow the answer and not the network.

    Parameters
    ----------
    network
        The roads.
    demand, sites
        Points on the network; those without a segment have no pairs.
    cutoff_s
        Longest travel time kept, itself included; for round trips that of the mean.
    direction
        To the site, back from it, or the mean of both drives.
    dtype
        Type of the times given; float32 (the default) rounds a drive of ten minutes to 0.03 ms.
    threads
        How many threads share the work; the result does not depend on it.

    Returns
    -------
    TravelTimes
        Sparse, by demand point.

    Raises
    ------
    ValueError
        If the cutoff is negative or not finite.
    """
    if not (math.isfinite(cutoff_s) and cutoff_s >= 0):
        raise ValueError("cutoff_s is a finite number of seconds, at least 0")
    pairs = pair_within(
        network,
        demand,
        sites,
        cutoff_s=float(cutoff_s),
        direction=direction,
        dtype=dtype,
        threads=threads,
    )
    return TravelTimes(
        start=pairs.start,
        site=pairs.column.view(np.int32),
        time_s=pairs.time_s,
        n_site=sites.n_point,
        cutoff_s=cutoff_s,
        direction=direction,
    )
