"""Rows of gains: the one form in which coverage and p-median are solved.

Every row lists sites by falling gain, and a plan S is worth what each row's best opened site gives:

    offset + Σ_r max_{j ∈ S} gain_rj          (nothing where no site of the row is opened)

Plain coverage has one gain a row, gradual coverage several, and p-median is a row of how much
nearer each site is than the farthest. The form is closed under decisions: a closed site leaves its
rows, an opened one moves its gain into the offset, and rows with the same sequence of sites merge
into one by adding their gains, because both take the same site whatever is opened.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.network.compiled import compiled

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray

# Rows longer than this are sorted one by one, which is quicker than all at once.
LONG_ROW = 200
DROPPED = -1
OPENED = -2


@dataclass(frozen=True, kw_only=True, eq=False)
class GainRows:
    """Rows of gains, row by row and site by site.

    Attributes
    ----------
    start
        (n_row + 1,) where each row begins.
    site
        (n_pair,) site of each pair, by falling gain within a row.
    gain
        (n_pair,) gain of each pair, above 0.
    n_site
        Number of sites.
    offset
        What is gained whatever is decided.
    """

    start: LongArray
    site: IntArray
    gain: FloatArray
    n_site: int
    offset: float = 0.0

    @property
    def n_row(self) -> int:
        """Number of rows."""
        return int(self.start.size - 1)

    @property
    def n_pair(self) -> int:
        """Number of pairs."""
        return int(self.site.size)

    @cached_property
    def by_site(self) -> tuple[LongArray, IntArray, FloatArray]:
        """Starts, rows and gains of the pairs, site by site."""
        table = sp.csr_array(
            (self.gain, self.site, self.start), shape=(self.n_row, self.n_site)
        ).tocsc()
        return table.indptr.astype(np.int64), table.indices.astype(np.int32), table.data

    @cached_property
    def first_gain(self) -> FloatArray:
        """(n_row,) the greatest gain of each row."""
        return self.gain[self.start[:-1]]

    @cached_property
    def row(self) -> IntArray:
        """(n_pair,) row of each pair."""
        return np.repeat(np.arange(self.n_row, dtype=np.int32), np.diff(self.start))


def sort_rows(start: LongArray, site: IntArray, gain: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return sites and gains sorted by falling gain within each row, equals by site."""
    counts = np.diff(start)
    if counts.size and counts.mean() > LONG_ROW:
        order = np.concatenate(
            [a + np.lexsort((site[a:b], -gain[a:b])) for a, b in itertools.pairwise(start)]
        )
    else:
        order = np.lexsort((site, -gain, np.repeat(np.arange(counts.size), counts)))
    return site[order], gain[order]


def reduce_rows(rows: GainRows, decided: IntArray) -> tuple[GainRows, IntArray]:
    """Carry decisions out, and merge the rows that have become alike.

    Parameters
    ----------
    rows
        The rows.
    decided
        (n_site,) the new index of a site that stays open to decision, ``DROPPED`` or ``OPENED``.

    Returns
    -------
    rows, group
        The reduced rows, and the (n_row,) new row of each old one, -1 where nothing is left.
    """
    start, site, gain, group, offset = _reduce(
        rows.start, rows.site, rows.gain, np.asarray(decided, dtype=np.int32)
    )
    reduced = GainRows(
        start=start,
        site=site,
        gain=gain,
        n_site=int((decided >= 0).sum()),
        offset=rows.offset + offset,
    )
    return reduced, group


def number_sites(kept: BoolArray, *, opened: BoolArray | None = None) -> IntArray:
    """(n_site,) new indices of the kept sites; the others are dropped, or opened if asked."""
    decided = np.full(kept.size, DROPPED, dtype=np.int32)
    if opened is not None:
        decided[opened] = OPENED
    decided[kept] = np.arange(int(kept.sum()), dtype=np.int32)
    return decided


def stack_rows(parts: list[GainRows], groups: list[IntArray]) -> tuple[GainRows, IntArray]:
    """Put rows over the same sites one after the other.

    Returns
    -------
    rows, group
        All rows, and the groups with their numbers counted on.
    """
    firsts = np.concatenate(([0], np.cumsum([part.n_row for part in parts])))
    ends = np.concatenate(([0], np.cumsum([part.n_pair for part in parts])))
    rows = GainRows(
        start=np.concatenate(
            [part.start[:-1] + end for part, end in zip(parts, ends[:-1], strict=True)]
            + [ends[-1:]]
        ),
        site=np.concatenate([part.site for part in parts]),
        gain=np.concatenate([part.gain for part in parts]),
        n_site=parts[0].n_site,
        offset=math.fsum(part.offset for part in parts),
    )
    group = np.concatenate(
        [
            np.where(one >= 0, one + first, -1)
            for one, first in zip(groups, firsts[:-1], strict=True)
        ]
    )
    return rows, group.astype(np.int32)


def spread_price(
    rows: GainRows, kept: BoolArray, group: IntArray, reduced: GainRows, price: FloatArray
) -> FloatArray:
    """Give every row a share of its merged row's price, such that the shares prove as much.

    A price that lies at some part of the way between two gains of the merged row lies at the same
    part of the way between the same two gains of each row.

    Parameters
    ----------
    rows, kept, group, reduced
        What `reduce_rows` took and gave when it only dropped sites; ``kept`` masks the others.
    price
        (n_row of reduced,) prices of the merged rows.
    """
    return _spread_price(
        rows.start, rows.site, rows.gain, kept, group, reduced.start, reduced.gain, price
    )


def merge_price(
    price: FloatArray, settled: FloatArray, group: IntArray, reduced: GainRows
) -> FloatArray:
    """Add up the prices of rows that were merged, less the gain that was settled in each."""
    left = np.maximum(price - settled, 0.0)
    inside = group >= 0
    merged = np.bincount(group[inside], weights=left[inside], minlength=reduced.n_row)
    return np.minimum(merged, reduced.first_gain)


def raise_floor(rows: GainRows, floor: FloatArray) -> GainRows:
    """Count what every row is bound to gain into the offset, and forget the pairs below it.

    The bound stays valid for every plan; the worth is exact for plans that serve every row
    better than its floor.

    Parameters
    ----------
    rows
        The rows.
    floor
        (n_row,) gain that every plan of interest has in the row, from 0 to its greatest.

    Returns
    -------
    GainRows
        As many rows, of which some may be empty.
    """
    above = rows.gain - np.repeat(floor, np.diff(rows.start))
    kept = above > 0
    running = np.concatenate(([0], np.cumsum(kept)))
    return GainRows(
        start=running[rows.start],
        site=rows.site[kept],
        gain=above[kept],
        n_site=rows.n_site,
        offset=rows.offset + math.fsum(floor),
    )


def evaluate_rows(rows: GainRows, opened: BoolArray) -> float:
    """Return what a plan is worth."""
    return rows.offset + math.fsum(serve_rows(rows, opened))


def serve_rows(rows: GainRows, opened: BoolArray, *, rank: int = 1) -> FloatArray:
    """(n_row,) what the best opened site of every row gives, or the second best, and so on."""
    return _serve(rows.start, rows.site, rows.gain, opened, rank)


@compiled
def _reduce(  # noqa: C901 - one pass over the rows, for speed
    start: LongArray, site: IntArray, gain: FloatArray, decided: IntArray
) -> tuple[LongArray, IntArray, FloatArray, IntArray, float]:
    n = start.size - 1
    slots = 16
    while slots < 2 * n:
        slots *= 2
    mask = np.uint64(slots - 1)
    table = np.full(slots, -1, np.int32)
    group = np.full(n, -1, np.int32)
    new_start = np.zeros(n + 1, np.int64)
    new_site = np.empty(site.size, np.int32)
    new_gain = np.empty(site.size)
    n_group, end, offset = 0, 0, 0.0
    for i in range(n):
        # The opened site that comes first in the row gives its gain for good; what stands after
        # it can no longer add anything.
        stop, base = start[i + 1], 0.0
        for k in range(start[i], start[i + 1]):
            if decided[site[k]] == OPENED:
                stop, base = k, gain[k]
                break
        offset += base
        key = np.uint64(0x9E3779B97F4A7C15)
        q = end
        for k in range(start[i], stop):
            j = decided[site[k]]
            if j >= 0 and gain[k] > base:
                new_site[q] = j
                new_gain[q] = gain[k] - base
                key = (key ^ np.uint64(j)) * np.uint64(0xBF58476D1CE4E5B9)
                key ^= key >> np.uint64(31)
                q += 1
        if q == end:
            continue
        slot = key & mask
        while True:
            g = table[slot]
            if g < 0:
                table[slot] = n_group
                group[i] = n_group
                n_group += 1
                new_start[n_group] = q
                end = q
                break
            # Equal keys prove nothing: the sequences themselves are compared.
            a = new_start[g]
            same = new_start[g + 1] - a == q - end
            k = 0
            while same and k < q - end:
                same = new_site[a + k] == new_site[end + k]
                k += 1
            if same:
                group[i] = g
                for k in range(q - end):
                    new_gain[a + k] += new_gain[end + k]
                break
            slot = (slot + np.uint64(1)) & mask
    return (
        new_start[: n_group + 1].copy(),
        new_site[:end].copy(),
        new_gain[:end].copy(),
        group,
        offset,
    )


@compiled
def _spread_price(  # noqa: PLR0917 - a kernel takes no keywords
    start: LongArray,
    site: IntArray,
    gain: FloatArray,
    kept: BoolArray,
    group: IntArray,
    merged_start: LongArray,
    merged_gain: FloatArray,
    price: FloatArray,
) -> FloatArray:
    spread = np.zeros(start.size - 1)
    for i in range(start.size - 1):
        g = group[i]
        if g < 0:
            continue
        above, own_above, q = merged_gain[merged_start[g]], -1.0, merged_start[g]
        spread[i] = -1.0
        for k in range(start[i], start[i + 1]):
            if not kept[site[k]]:
                continue
            below = merged_gain[q]
            if price[g] >= below:
                part = (price[g] - below) / (above - below) if above > below else 0.0
                spread[i] = gain[k] + part * max(0.0, own_above - gain[k])
                break
            above, own_above = below, gain[k]
            q += 1
        if spread[i] < 0.0:
            spread[i] = price[g] / above * own_above
    return spread


@compiled
def _serve(
    start: LongArray, site: IntArray, gain: FloatArray, opened: BoolArray, rank: int
) -> FloatArray:
    served = np.zeros(start.size - 1)
    for i in range(start.size - 1):
        left = rank
        for k in range(start[i], start[i + 1]):
            if opened[site[k]]:
                left -= 1
                if left == 0:
                    served[i] = gain[k]
                    break
    return served
