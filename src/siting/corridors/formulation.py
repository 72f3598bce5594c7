"""Trips as rows of the main model: arc cover, path cover (AC-PC), and the energy that it takes.

Capar, Kuby, Leon and Tsai (2013), doi 10.1016/j.ejor.2012.11.033, cover every arc of a path by
the sites from which it can still be driven. Here the arcs run from stop to stop of the tour, there
and back, and the battery's start, reserve and arrival levels set how far each reaches. Variables
beside those of `optimise.formulation`: z_q ∈ [0, 1], the share of a trip's cars that can make it,
and c_qs ≥ 0, what a car charges at a stop, in shares of the trip's need.

    max   … + Σ_q w n_q z_q                                       w kWh a car that gets there
    s.t.  Σ_{j ∈ K_qe} Σ_k y_jk ≥ z_q                             arc e of q is within reach (AC-PC)
          Σ_{s < e} c_qs ≥ a_qe z_q                               so much must be charged by then
          Σ_{s ≤ e} c_qs ≤ b_qe z_q                               more does not fit in the battery
          Σ_s c_qs = z_q                                          the trip's need, no more
          c_qs ≤ m_qs Σ_k y_jk                                    only at open sites
          Σ_r x_rj + Σ_{s at j} n_q E_q c_qs ≤ Σ_k q_jk y_jk      one capacity for city and trips

The capacity rows, the budget and every rule over sites are the city's own: a site serves both.

Two models are built of this (`Detail`). The exact one has a charge for every stop. The other has
one for every site that a trip passes, however often; of the two rows that say when, it keeps what
they imply for the far part of the tour, from a site to the destination and back to it:

    a_qe − b_qs ≤ Σ_{j beyond s} c_qj / z_q ≤ b_qe − a_qs         what the far part takes and bears

It is a relaxation, and much quicker: its bound holds, and its sites are tried with the exact model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from siting.optimise.formulation import (
    Block,
    build_columns,
    build_site_rows,
    capacity_rows,
    demand_rows,
    floor_rows,
    one_tier_rows,
    site_rows,
    strong_link_rows,
)
from siting.optimise.links import build_links
from siting.optimise.mip import MixedIntegerModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from siting.corridors.instance import CorridorInstance
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.instance import SitingInstance
    from siting.optimise.formulation import Columns

METRES_PER_KM = 1000.0


class Detail(StrEnum):
    """How much a model tells of when a trip charges."""

    SITES = "sites"
    """Where, and what the tour's far part takes and bears."""
    STOPS = "stops"
    """Everything: the exact model."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Arc:
    """One arc of a trip's tour: what must have been charged by its end, and where.

    Attributes
    ----------
    n_before
        How many of the trip's stops lie before its end.
    least_m
        What must be charged at those, in all (m).
    supplies
        The sites and stations from one of which the arc's end can still be reached; None where
        the car gets there with what it brings from home.
    """

    n_before: int
    least_m: int
    supplies: frozenset[int] | None


def find_arcs(corridors: CorridorInstance, trip: int) -> list[Arc]:
    """Return the arcs of a trip's tour: to each stop, to the destination, and home.

    Parameters
    ----------
    corridors
        The trips.
    trip
        Which one.
    """
    first, last = corridors.stop_start[trip : trip + 2].tolist()
    at = corridors.stop_m[first:last].tolist()
    supply = corridors.stop_supply[first:last].tolist()
    start, full = int(corridors.start_m[trip]), int(corridors.full_m[trip])
    reserve, arrival = int(corridors.reserve_m[trip]), int(corridors.arrival_m[trip])
    ends = [(place, n, reserve) for n, place in enumerate(at)]
    for end in (int(corridors.there_m[trip]), int(corridors.tour_m[trip])):
        n_before = sum(place < end for place in at)
        ends.append((end, n_before, reserve))
        # A charger that stands at the end itself helps with the arrival level only.
        ends.append((end, sum(place <= end for place in at), max(arrival, reserve)))
    arcs = []
    for end, n_before, level in sorted(ends):
        least = end - start + level
        near = frozenset(supply[s] for s in range(n_before) if end - at[s] <= full - level)
        arcs.append(Arc(n_before=n_before, least_m=least, supplies=None if least <= 0 else near))
    return arcs


def find_cover_sets(arcs: Iterable[Arc]) -> list[frozenset[int]]:
    """Return the sets of supply of which a trip needs one each, without those that others imply."""
    kept: list[frozenset[int]] = []
    wanted = {arc.supplies for arc in arcs if arc.supplies is not None}
    for members in sorted(wanted, key=lambda s: (len(s), sorted(s))):
        if not any(smaller <= members for smaller in kept):
            kept.append(members)
    return kept


@dataclass(frozen=True, kw_only=True, eq=False)
class Charges:
    """The charges c of a model: where a trip may take energy.

    Attributes
    ----------
    trip, supply
        (n_charge,) trip, as a row of ``TripRows.trips``, and supply of each; trips ascend.
    most
        (n_charge,) the most that can be charged there, in shares of the trip's need.
    stop
        (n_charge,) stop of each; of the first pass where passes are taken together.
    """

    trip: IntArray
    supply: IntArray
    most: FloatArray
    stop: LongArray

    @property
    def n_charge(self) -> int:
        """Number of charges."""
        return int(self.trip.size)


@dataclass(frozen=True, kw_only=True, eq=False)
class TripRows:
    """The trips that enter the model, and their rows over (y, z, c).

    Attributes
    ----------
    trips
        (n_modelled,) trips that need a charge and could be made if every site were open.
    charges
        Where they may charge.
    free
        (n_trip,) trips that need no charge on the way.
    blocks
        The rows.
    energy
        (n_supply, n_charge) what a whole trip's charge takes of its supply (kWh/day).
    """

    trips: IntArray
    charges: Charges
    free: BoolArray
    blocks: tuple[Block, ...]
    energy: sp.csr_array


def build_trip_rows(
    corridors: CorridorInstance, columns: Columns, *, n_supply: int, detail: Detail
) -> TripRows:
    """Build every row that the trips add.

    Parameters
    ----------
    corridors
        The trips.
    columns
        The tiers that may be built.
    n_supply
        Number of sites and stations.
    detail
        How much to tell of when a trip charges.
    """
    is_available = np.ones(n_supply, dtype=bool)
    is_available[: columns.n_site] = columns.buildable
    available = frozenset(np.flatnonzero(is_available).tolist())
    arcs_of = [find_arcs(corridors, q) for q in range(corridors.n_trip)]
    covers = [[members & available for members in find_cover_sets(arcs)] for arcs in arcs_of]
    free = (corridors.need_m <= 0) & np.array([not sets for sets in covers], dtype=bool)
    trips = np.array(
        [q for q in range(corridors.n_trip) if not free[q] and all(covers[q])], dtype=np.int32
    )
    charges = find_charges(corridors, trips, is_available, n_supply=n_supply, detail=detail)
    shape = _Shape(columns.n_column, trips.size, charges)
    blocks = [
        _cover_rows(shape, columns, [covers[q] for q in trips]),
        _need_rows(shape),
        _open_rows(shape, columns),
    ]
    if detail is Detail.STOPS:
        blocks.append(_charge_rows(shape, corridors, trips, [arcs_of[q] for q in trips]))
        blocks.append(_battery_rows(shape, corridors, trips))
    else:
        blocks.append(_most_rows(shape))
        blocks.append(_far_rows(shape, corridors, trips, [arcs_of[q] for q in trips]))
    kwh = corridors.cars * corridors.need_m * corridors.kwh_per_km / METRES_PER_KM
    energy = sp.csr_array(
        (kwh[trips][charges.trip], (charges.supply, np.arange(charges.n_charge))),
        shape=(n_supply, charges.n_charge),
    )
    return TripRows(trips=trips, charges=charges, free=free, blocks=tuple(blocks), energy=energy)


def find_charges(
    corridors: CorridorInstance,
    trips: IntArray,
    is_available: BoolArray,
    *,
    n_supply: int,
    detail: Detail,
) -> Charges:
    """Return where the trips may charge: at each stop, or at each site once for all its passes."""
    row_of_trip = np.full(corridors.n_trip, -1, dtype=np.int32)
    row_of_trip[trips] = np.arange(trips.size)
    row = row_of_trip[corridors.stop_trip]
    stop = np.flatnonzero((row >= 0) & is_available[corridors.stop_supply])
    row, supply = row[stop], corridors.stop_supply[stop]
    passes = np.ones(stop.size)
    if detail is not Detail.STOPS:
        _, first, count = np.unique(
            row.astype(np.int64) * n_supply + supply, return_index=True, return_counts=True
        )
        order = np.argsort(first)
        kept, passes = first[order], count[order].astype(np.float64)
        stop, row, supply = stop[kept], row[kept], supply[kept]
    fits = (corridors.full_m - corridors.reserve_m) / np.maximum(corridors.need_m, 1)
    return Charges(
        trip=row.astype(np.int32),
        supply=supply.astype(np.int32),
        most=np.minimum(1.0, passes * fits[trips][row]),
        stop=stop.astype(np.int64),
    )


class _Shape:
    """Where the variables (y, z, c) of the trips' rows stand."""

    def __init__(self, n_column: int, n_trip: int, charges: Charges) -> None:
        self.n_column, self.n_trip, self.charges = n_column, n_trip, charges
        self.first_charge = n_column + n_trip
        self.width = self.first_charge + charges.n_charge
        self.start = np.searchsorted(charges.trip, np.arange(n_trip + 1))

    def share(self, r: int) -> int:
        """Return the column of a trip's share z."""
        return self.n_column + r

    def until(self, r: int, stop: int) -> list[int]:
        """Return the columns of a trip's charges at stops before the given one."""
        first, last = self.start[r], self.start[r + 1]
        end = first + int(np.searchsorted(self.charges.stop[first:last], stop))
        return list(range(self.first_charge + first, self.first_charge + end))


_Entries = tuple[list[int], list[float], float, float]


def _assemble(rows: Iterable[_Entries], width: int) -> Block:
    """Return rows of (members, coefficients, lower, upper) as one block."""
    members: list[int] = []
    coefficients: list[float] = []
    lower, upper, start = [], [], [0]
    for member, coefficient, low, high in rows:
        members += member
        coefficients += coefficient
        start.append(len(members))
        lower.append(low)
        upper.append(high)
    matrix = sp.csr_array(
        (np.array(coefficients, dtype=np.float64), np.array(members, dtype=np.int64), start),
        shape=(len(lower), width),
    )
    return Block(
        matrix=matrix,
        lower=np.array(lower, dtype=np.float64),
        upper=np.array(upper, dtype=np.float64),
    )


def _cover_rows(shape: _Shape, columns: Columns, covers: list[list[frozenset[int]]]) -> Block:
    """Σ_{j ∈ K} Σ_k y_jk ≥ z_q, unless a station that stands today is among K."""

    def rows() -> Iterator[_Entries]:
        for r, sets in enumerate(covers):
            for members in sets:
                if max(members) >= columns.n_site:
                    continue
                opened = [k for j in sorted(members) for k in _columns_of(columns, j)]
                yield [*opened, shape.share(r)], [1.0] * len(opened) + [-1.0], 0.0, math.inf

    return _assemble(rows(), shape.width)


def _charge_rows(
    shape: _Shape, corridors: CorridorInstance, trips: IntArray, arcs_of: list[list[Arc]]
) -> Block:
    """Σ_{s < e} c_qs ≥ a_qe z_q; of several arcs after the same charge the hardest."""

    def rows() -> Iterator[_Entries]:
        for r, arcs in enumerate(arcs_of):
            need = int(corridors.need_m[trips[r]])
            first = int(corridors.stop_start[trips[r]])
            hardest: dict[int, int] = {}
            for arc in arcs:
                n = len(shape.until(r, first + arc.n_before))
                hardest[n] = max(arc.least_m, hardest.get(n, 0))
            for n, least in sorted(hardest.items()):
                # After the last charge the need itself is asked for, by a row of its own.
                if least > 0 and n < shape.start[r + 1] - shape.start[r]:
                    begin = shape.first_charge + int(shape.start[r])
                    charges = list(range(begin, begin + n))
                    coefficients = [1.0] * n + [-least / need]
                    yield [*charges, shape.share(r)], coefficients, 0.0, math.inf

    return _assemble(rows(), shape.width)


def _battery_rows(shape: _Shape, corridors: CorridorInstance, trips: IntArray) -> Block:
    """Σ_{s' ≤ s} c_qs' ≤ b_qs z_q, where the battery is smaller than the need."""

    def rows() -> Iterator[_Entries]:
        for r, q in enumerate(trips.tolist()):
            need = int(corridors.need_m[q])
            spare = int(corridors.full_m[q] - corridors.start_m[q])
            for s in shape.charges.stop[shape.start[r] : shape.start[r + 1]].tolist():
                most = max(0, int(corridors.stop_m[s]) + spare)
                if most < need:
                    charges = shape.until(r, s + 1)
                    coefficients = [1.0] * len(charges) + [-most / need]
                    yield [*charges, shape.share(r)], coefficients, -math.inf, 0.0

    return _assemble(rows(), shape.width)


def _need_rows(shape: _Shape) -> Block:
    """Σ_s c_qs = z_q."""

    def rows() -> Iterator[_Entries]:
        for r in range(shape.n_trip):
            first, last = shape.first_charge + shape.start[r : r + 2]
            charges = list(range(first, last))
            yield [*charges, shape.share(r)], [1.0] * len(charges) + [-1.0], 0.0, 0.0

    return _assemble(rows(), shape.width)


def _open_rows(shape: _Shape, columns: Columns) -> Block:
    """c_qs ≤ m_qs Σ_k y_jk, m the most that fits in a battery, in shares of the need."""
    charges = shape.charges

    def rows() -> Iterator[_Entries]:
        for c, (j, most) in enumerate(
            zip(charges.supply.tolist(), charges.most.tolist(), strict=True)
        ):
            if j < columns.n_site:
                opened = list(_columns_of(columns, j))
                coefficients = [-most] * len(opened) + [1.0]
                yield [*opened, shape.first_charge + c], coefficients, -math.inf, 0.0

    return _assemble(rows(), shape.width)


def _most_rows(shape: _Shape) -> Block:
    """c_qj ≤ m_qj z_q, m being what fits in the battery on all passes."""
    charges = shape.charges

    def rows() -> Iterator[_Entries]:
        for c in np.flatnonzero(charges.most < 1.0).tolist():
            most, share = float(charges.most[c]), shape.share(int(charges.trip[c]))
            yield [shape.first_charge + c, share], [1.0, -most], -math.inf, 0.0

    return _assemble(rows(), shape.width)


def _far_rows(
    shape: _Shape, corridors: CorridorInstance, trips: IntArray, arcs_of: list[list[Arc]]
) -> Block:
    """Bound what the part of a tour beyond a site takes and bears."""

    def rows() -> Iterator[_Entries]:
        for r, (q, arcs) in enumerate(zip(trips.tolist(), arcs_of, strict=True)):
            first, last = corridors.stop_start[q : q + 2].tolist()
            need, there = int(corridors.need_m[q]), int(corridors.there_m[q])
            at = corridors.stop_m[first:last]
            least = np.zeros(last - first + 1, dtype=np.int64)
            for arc in arcs:
                least[arc.n_before] = max(least[arc.n_before], arc.least_m)
            least = np.maximum.accumulate(least)
            spare = int(corridors.full_m[q] - corridors.start_m[q])
            most = np.clip(np.concatenate(([0], at + spare)), 0, need)
            charges = shape.charges
            begin, end = shape.start[r : r + 2].tolist()
            of_supply = {j: c for c, j in enumerate(charges.supply[begin:end].tolist(), begin)}
            supply = corridors.stop_supply[first:last].tolist()
            for low in range(1, int(np.searchsorted(at, there, side="right"))):
                # The stops low … high - 1 lie beyond the one before them, there and back.
                high = int(np.searchsorted(at, 2 * there - at[low], side="right"))
                inside = {j for j in supply[low:high] if j in of_supply}
                whole = inside - set(supply[:low]) - set(supply[high:])
                takes, bears = int(least[high] - most[low]), int(most[high] - least[low])
                for members, bound, is_least in ((inside, takes, True), (whole, bears, False)):
                    columns = [shape.first_charge + of_supply[j] for j in sorted(members)]
                    row = [*columns, shape.share(r)], [1.0] * len(columns) + [-bound / need]
                    if is_least and bound > 0:
                        yield *row, 0.0, math.inf
                    elif not is_least and bound < need and columns:
                        yield *row, -math.inf, 0.0

    return _assemble(rows(), shape.width)


def _columns_of(columns: Columns, j: int) -> range:
    return range(int(columns.start[j]), int(columns.start[j + 1]))


def _find_rows(mine: Charges, trip: LongArray, theirs: Charges) -> list[int]:
    """Return the charge of a model that each charge of another belongs to.

    That is the one of the same trip at the same stop or, where passes are taken together, site.
    """
    at_stop = np.isin(theirs.stop, mine.stop).all()
    if at_stop:
        return [int(c) for c in np.searchsorted(mine.stop, theirs.stop)]
    index = {
        key: c for c, key in enumerate(zip(mine.trip.tolist(), mine.supply.tolist(), strict=True))
    }
    return [index[key] for key in zip(trip.tolist(), theirs.supply.tolist(), strict=True)]


@dataclass(frozen=True, kw_only=True, eq=False)
class JointModel:
    """City and trips as one model, and where their variables stand.

    Attributes
    ----------
    model
        Minimises; y, then x, then z, then c.
    columns, rows
        What y, and what z and c stand for.
    n_link
        Number of x.
    """

    model: MixedIntegerModel
    columns: Columns
    rows: TripRows
    n_link: int

    @property
    def first_share(self) -> int:
        """Where z begins."""
        return self.columns.n_column + self.n_link

    @property
    def first_charge(self) -> int:
        """Where c begins."""
        return self.first_share + self.rows.trips.size

    def tier_of_site(self, values: FloatArray) -> IntArray:
        """(n_site,) opened tiers of a solver's point."""
        return self.columns.read_tiers(values)

    def carry_over(self, other: JointModel, values: FloatArray) -> FloatArray:
        """Return the point of another model of the same instances as one of this model.

        Parameters
        ----------
        other
            A model that tells as much or more, with fewer sites or as many.
        values
            Its point.
        """
        point = np.zeros(self.model.cost.size)
        point[: self.columns.n_column] = self.columns.opened_by(other.tier_of_site(values))
        point[self.columns.n_column : self.first_share] = values[
            other.columns.n_column : other.first_share
        ]
        row = np.searchsorted(self.rows.trips, other.rows.trips)
        point[self.first_share + row] = values[other.first_share : other.first_charge]
        mine, theirs = self.rows.charges, other.rows.charges
        for charge, c in zip(
            values[other.first_charge :].tolist(),
            _find_rows(mine, row[theirs.trip], theirs),
            strict=True,
        ):
            point[self.first_charge + c] += charge
        return point


def build_joint_model(
    instance: SitingInstance, corridors: CorridorInstance, *, detail: Detail
) -> JointModel:
    """Build the one model of city demand and trips.

    Parameters
    ----------
    instance
        The city's demand, all sites and stations, the budget and every other rule.
    corridors
        The trips, on the same sites and stations.
    detail
        How much to tell of when a trip charges.
    """
    links = build_links(instance, supply_used=np.ones(instance.n_supply, dtype=bool), merged=True)
    columns = build_columns(instance)
    n_column, n_link = columns.n_column, links.n_link
    trips = build_trip_rows(corridors, columns, n_supply=instance.n_supply, detail=detail)
    n_trip, n_charge = trips.trips.size, trips.charges.n_charge
    capacity = capacity_rows(links, columns, instance.station_capacity_kwh_per_day)
    shared = Block(
        matrix=sp.csr_array(
            sp.hstack((capacity.matrix, sp.csr_array((instance.n_supply, n_trip)), trips.energy))
        ),
        lower=capacity.lower,
        upper=capacity.upper,
    )
    city = [
        demand_rows(links, n_column),
        strong_link_rows(links, columns),
        one_tier_rows(columns, n_link),
        site_rows(build_site_rows(instance, columns), n_link),
        floor_rows(instance, links, n_column),
    ]
    blocks = [
        shared,
        *(_widen(block, block.matrix.shape[1], 0, n_trip + n_charge) for block in city),
        *(_widen(block, n_column, n_link, 0) for block in trips.blocks),
    ]
    n_other = n_link + n_trip + n_charge
    worth = corridors.worth_kwh * corridors.cars
    return JointModel(
        model=MixedIntegerModel(
            cost=np.concatenate(
                (np.zeros(n_column), -links.worth, -worth[trips.trips], np.zeros(n_charge))
            ),
            lower=np.zeros(n_column + n_other),
            upper=np.concatenate(
                (np.ones(n_column), links.row_kwh_per_day[links.row], np.ones(n_trip + n_charge))
            ),
            integer=np.arange(n_column + n_other) < n_column,
            matrix=sp.csr_array(sp.vstack([block.matrix for block in blocks], format="csr")),
            row_lower=np.concatenate([block.lower for block in blocks]),
            row_upper=np.concatenate([block.upper for block in blocks]),
            offset=-float(worth[trips.free].sum()),
        ),
        columns=columns,
        rows=trips,
        n_link=n_link,
    )


def _widen(block: Block, at: int, n_between: int, n_after: int) -> Block:
    """Return the block with columns of nothing put in after its first ``at``, and at its end."""
    n_row = block.matrix.shape[0]
    parts = [
        block.matrix[:, :at],
        sp.csr_array((n_row, n_between)),
        block.matrix[:, at:],
        sp.csr_array((n_row, n_after)),
    ]
    wide = sp.csr_array(sp.hstack(parts, format="csr"))
    return Block(matrix=wide, lower=block.lower, upper=block.upper)
