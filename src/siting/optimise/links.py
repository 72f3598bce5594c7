"""The flow side of an instance as the engines see it: rows of demand, links to supply.

A row is the energy of one access class (brands that may charge at the same supply) at one demand
point; rows that no constraint can tell apart are merged. A link joins a row to a supply it may
use. What flows over a link is split among the row's members and their brands in proportion to
what they want.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, FloatArray, IntArray, LongArray, frozen_array

if TYPE_CHECKING:
    from siting.instance import SitingInstance

NO_LINK = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Links:
    """Rows of demand and their links to supply.

    Attributes
    ----------
    row_kwh_per_day
        (n_row,) energy wanted, d_r > 0.
    brand_share
        (n_row, n_brand) share of each brand in the row's energy.
    start
        (n_row + 1,) where each row's links begin.
    supply
        (n_link,) supply index, ascending within a row.
    worth
        (n_link,) worth of service, in (0, 1].
    time_s
        (n_link,) travel time; the first member's where rows are merged.
    link_of_pair
        (n_pair, n_class) the link that carries the instance's pair for the class, or ``NO_LINK``.
    class_of_brand
        (n_brand,) access class of each brand.
    row_of_demand
        (n_demand, n_class) the row of a demand point's class, or ``NO_LINK``.
    """

    row_kwh_per_day: FloatArray
    brand_share: FloatArray
    start: LongArray
    supply: IntArray
    worth: FloatArray
    time_s: FloatArray
    link_of_pair: LongArray
    class_of_brand: IntArray
    row_of_demand: LongArray

    @property
    def n_row(self) -> int:
        """Number of rows."""
        return int(self.row_kwh_per_day.size)

    @property
    def n_link(self) -> int:
        """Number of links."""
        return int(self.supply.size)

    @cached_property
    def row(self) -> IntArray:
        """(n_link,) row of each link."""
        rows = np.arange(self.n_row, dtype=np.int32)
        return frozen_array(np.repeat(rows, np.diff(self.start)), np.int32)

    def spread(self, instance: SitingInstance, flow_kwh_per_day: FloatArray) -> FloatArray:
        """Spread the flow over the links to the instance's pairs and brands.

        Parameters
        ----------
        instance
            The instance that the links were built from.
        flow_kwh_per_day
            (n_link,) energy over each link.

        Returns
        -------
        FloatArray
            (n_pair, n_brand) energy of each brand over each pair.
        """
        share_of_row = np.divide(flow_kwh_per_day, self.row_kwh_per_day[self.row], dtype=np.float64)
        flow = np.zeros((instance.n_pair, instance.n_brand))
        for brand, k in enumerate(self.class_of_brand):
            link = self.link_of_pair[:, k]
            used = np.flatnonzero(link != NO_LINK)
            wanted = instance.demand_kwh_per_day[instance.cover_demand[used], brand]
            flow[used, brand] = share_of_row[link[used]] * wanted
        return flow

    def gather(self, flow_kwh_per_day: FloatArray) -> FloatArray:
        """Gather what flows over an instance's pairs, by brand, into (n_link,) links."""
        flow = np.zeros(self.n_link)
        for brand, k in enumerate(self.class_of_brand):
            used = np.flatnonzero(self.link_of_pair[:, k] != NO_LINK)
            np.add.at(flow, self.link_of_pair[used, k], flow_kwh_per_day[used, brand])
        return flow


def build_links(instance: SitingInstance, *, supply_used: BoolArray, merged: bool) -> Links:
    """Build the rows and links of an instance.

    Merging is exact: two rows are merged only if they have the same links at the same worth and,
    where a floor stands, the same share of every brand that has one; only then may any flow to
    the merged row be spread over its members without breaking what the members' rows would keep.

    Parameters
    ----------
    instance
        The instance.
    supply_used
        (n_supply,) supply to link to; the rest is left out.
    merged
        Whether to merge rows that no constraint can tell apart.
    """
    classes, class_of_brand = np.unique(instance.usable, axis=1, return_inverse=True)
    n_class = classes.shape[1]
    kwh = np.zeros((instance.n_demand, n_class))
    for brand, k in enumerate(class_of_brand):
        kwh[:, k] += instance.demand_kwh_per_day[:, brand]
    usable = (
        classes[instance.cover_supply]
        & (supply_used[instance.cover_supply] & (instance.cover_worth > 0))[:, None]
        & (kwh > 0)[instance.cover_demand]
    )
    # One row a (class, demand point), links in the order of the pairs.
    pair_of_link = [np.flatnonzero(usable[:, k]) for k in range(n_class)]
    count = np.stack(
        [np.bincount(instance.cover_demand[p], minlength=instance.n_demand) for p in pair_of_link]
    )
    kept = count > 0
    row_of_demand = np.full((n_class, instance.n_demand), NO_LINK, dtype=np.int64)
    row_of_demand[kept] = np.arange(int(kept.sum()))
    pair = np.concatenate(pair_of_link)
    link_of_pair = np.full((n_class, instance.n_pair), NO_LINK, dtype=np.int64)
    link_of_pair[np.repeat(np.arange(n_class), [p.size for p in pair_of_link]), pair] = np.arange(
        pair.size
    )
    of_class, of_demand = np.nonzero(kept)
    row_kwh = kwh[of_demand, of_class]
    share = np.where(
        class_of_brand[None, :] == of_class[:, None], instance.demand_kwh_per_day[of_demand], 0.0
    )
    start = np.concatenate(([0], np.cumsum(count[kept])))
    links = Links(
        row_kwh_per_day=row_kwh,
        brand_share=share / row_kwh[:, None],
        start=start.astype(np.int64),
        supply=instance.cover_supply[pair],
        worth=instance.cover_worth[pair],
        time_s=instance.cover_time_s[pair].astype(np.float64),
        link_of_pair=link_of_pair.T,
        class_of_brand=class_of_brand.astype(np.int32),
        row_of_demand=row_of_demand.T,
    )
    floored = instance.requirements.floor_by_brand > 0
    return _merge(links, floored) if merged else links


def _merge(links: Links, floored: BoolArray) -> Links:
    """Merge the rows with equal links, worths and shares of the floored brands."""
    group_of_row = _group_rows(links, floored)
    n_group = int(group_of_row.max(initial=-1)) + 1
    if n_group == links.n_row:
        return links
    first = np.full(n_group, links.n_row)
    np.minimum.at(first, group_of_row, np.arange(links.n_row))
    kwh = np.zeros(n_group)
    np.add.at(kwh, group_of_row, links.row_kwh_per_day)
    share = np.zeros((n_group, links.brand_share.shape[1]))
    np.add.at(share, group_of_row, links.brand_share * links.row_kwh_per_day[:, None])
    length = np.diff(links.start)
    start = np.concatenate(([0], np.cumsum(length[first])))
    kept = np.repeat(links.start[first] - start[:-1], length[first]) + np.arange(start[-1])
    moved = start[group_of_row[links.row]] + np.arange(links.n_link) - links.start[links.row]
    return Links(
        row_kwh_per_day=kwh,
        brand_share=share / kwh[:, None],
        start=start,
        supply=links.supply[kept],
        worth=links.worth[kept],
        time_s=links.time_s[kept],
        link_of_pair=_renumber(links.link_of_pair, moved),
        class_of_brand=links.class_of_brand,
        row_of_demand=_renumber(links.row_of_demand, group_of_row),
    )


def _renumber(index: LongArray, new: LongArray) -> LongArray:
    return np.where(index == NO_LINK, NO_LINK, new[np.maximum(index, 0)])


def _group_rows(links: Links, floored: BoolArray) -> LongArray:
    """(n_row,) number of the first-seen group of equal rows; compared in full, not by hash."""
    supply, worth = links.supply.tobytes(), links.worth.tobytes()
    supply_size, worth_size = links.supply.itemsize, links.worth.itemsize
    share = np.ascontiguousarray(links.brand_share[:, floored])
    bounds = links.start.tolist()
    groups: dict[tuple[bytes, bytes, bytes], int] = {}
    group_of_row = np.empty(links.n_row, dtype=np.int64)
    for row in range(links.n_row):
        low, high = bounds[row], bounds[row + 1]
        key = (
            supply[low * supply_size : high * supply_size],
            worth[low * worth_size : high * worth_size],
            share[row].tobytes(),
        )
        group_of_row[row] = groups.setdefault(key, len(groups))
    return group_of_row
