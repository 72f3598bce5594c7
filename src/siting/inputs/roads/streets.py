"""Streets: a file may hold the two directions of one street as two segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, LongArray, frozen_array

if TYPE_CHECKING:
    from siting.inputs.roads.table import RoadTable


def number_streets(roads: RoadTable) -> LongArray:
    """Return (n_segment,) the street of each segment: the same two ends, the same whole metres."""
    low = np.minimum(roads.segment_from, roads.segment_to).astype(np.int64)
    high = np.maximum(roads.segment_from, roads.segment_to).astype(np.int64)
    key = np.column_stack([low, high, np.rint(roads.length_m).astype(np.int64)])
    _, street = np.unique(key, axis=0, return_inverse=True)
    return frozen_array(street.ravel(), np.int64)


def first_of_each_street(street: LongArray) -> BoolArray:
    """Return (n_segment,) whether a segment is the first of its street."""
    _, first = np.unique(street, return_index=True)
    once = np.zeros(street.size, dtype=bool)
    once[first] = True
    return frozen_array(once, np.bool_)


def find_one_way_streets(roads: RoadTable, street: LongArray) -> BoolArray:
    """Return (n_segment,) whether its street may be driven one way and not the other."""
    rising = roads.segment_from <= roads.segment_to
    forward, backward = roads.forward_kph > 0, roads.backward_kph > 0
    n_street = int(street.max(initial=-1)) + 1
    up, down = (
        np.bincount(street, weights=is_open, minlength=n_street) > 0
        for is_open in (np.where(rising, forward, backward), np.where(rising, backward, forward))
    )
    return frozen_array((up != down)[street], np.bool_)
