"""Why demand reaches no site: off the roads, cut off, trapped by one-way streets, or too far."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import Direction
from siting.network.nearest import NO_STATION, can_return, compute_nearest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from siting.network.road_network import RoadNetwork
    from siting.network.snapping import Snapped
    from siting.network.travel_time import TravelTimes


class Reach(IntEnum):
    """Whether a demand point reaches a site, and if not, why not."""

    REACHED = 0
    """A site lies within the cutoff."""
    OFF_NETWORK = 1
    """The point stands on no road."""
    OTHER_COMPONENT = 2
    """No road leads to any site, whatever the direction of traffic."""
    ONE_WAY_TRAP = 3
    """Roads lead there, but traffic may not pass them in the direction needed."""
    BEYOND_CUTOFF = 4
    """A site can be reached, but not within the cutoff."""


def explain_unreachable(
    network: RoadNetwork, demand: Snapped, sites: Snapped, times: TravelTimes
) -> NDArray[np.uint8]:
    """Say for every demand point whether it reaches a site, and if not, why not.

    Parameters
    ----------
    network, demand, sites, times
        What :func:`compute_travel_times` was asked, and what it answered.

    Returns
    -------
    array
        (n_demand,) a :class:`Reach` each.
    """
    reach = np.full(demand.n_point, Reach.REACHED, dtype=np.uint8)
    unreached = ~times.is_reached
    reach[unreached] = Reach.BEYOND_CUTOFF
    reach[unreached & ~demand.on_network] = Reach.OFF_NETWORK
    rest = np.flatnonzero(unreached & demand.on_network)
    weak = network.weak_component
    site_weak = np.unique(weak[network.segment_from[sites.segment[sites.on_network]]])
    apart = ~np.isin(weak[network.segment_from[demand.segment[rest]]], site_weak)
    reach[rest[apart]] = Reach.OTHER_COMPONENT
    rest = rest[~apart]
    if network.segment_is_main[sites.segment[sites.on_network]].any():
        # From the main component every site on it can be reached, and the other way round.
        rest = rest[~network.segment_is_main[demand.segment[rest]]]
    if not rest.size:
        return reach
    if times.direction is Direction.ROUND_TRIP:
        trapped = ~can_return(network, demand, sites)[rest]
    else:
        nearest = compute_nearest(network, demand, sites, direction=times.direction)
        trapped = nearest.station[rest] == NO_STATION
    reach[rest[trapped]] = Reach.ONE_WAY_TRAP
    return reach
