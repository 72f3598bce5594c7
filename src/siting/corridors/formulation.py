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
"""

from __future__ import annotations

import math
from dataclasses import dataclass
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
    from siting.domain import BoolArray, IntArray, LongArray
    from siting.instance import SitingInstance
    from siting.optimise.formulation import Columns

METRES_PER_KM = 1000.0


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
class TripRows:
    """The trips that enter the model, and their rows over (y, z, c).

    Attributes
    ----------
    trips
        (n_modelled,) trips that need a charge and could be made if every site were open.
    stops
        (n_used,) their stops, in order.
    free
        (n_trip,) trips that need no charge on the way.
    blocks
        The rows.
    energy
        (n_supply, n_used) what a whole trip's charge at a stop takes of its supply (kWh/day).
    """

    trips: IntArray
    stops: LongArray
    free: BoolArray
    blocks: tuple[Block, ...]
    energy: sp.csr_array


def build_trip_rows(corridors: CorridorInstance, columns: Columns, *, n_supply: int) -> TripRows:
    """Build every row that the trips add.

    Parameters
    ----------
    corridors
        The trips.
    columns
        The tiers that may be built.
    n_supply
        Number of sites and stations.
    """
    arcs_of = [find_arcs(corridors, q) for q in range(corridors.n_trip)]
    standing = frozenset(range(columns.n_site, n_supply))
    available = standing | frozenset(np.flatnonzero(columns.buildable).tolist())
    covers = [[members & available for members in find_cover_sets(arcs)] for arcs in arcs_of]
    free = (corridors.need_m <= 0) & np.array([not sets for sets in covers], dtype=bool)
    trips = np.array(
        [q for q in range(corridors.n_trip) if not free[q] and all(covers[q])], dtype=np.int32
    )
    counts = np.diff(corridors.stop_start)[trips]
    stops = np.concatenate(
        [np.arange(*corridors.stop_start[q : q + 2]) for q in trips] or [np.empty(0, np.int64)]
    ).astype(np.int64)
    shape = _Shape(
        n_column=columns.n_column,
        first_stop=np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        n_trip=trips.size,
        n_stop=stops.size,
    )
    modelled = [(r, int(q)) for r, q in enumerate(trips)]
    needs = corridors.need_m
    rows = [
        _cover_rows(
            shape, columns, ((r, members) for r, q in modelled for members in covers[q]), standing
        ),
        _charge_rows(shape, ((r, arcs_of[q], int(needs[q])) for r, q in modelled)),
        _battery_rows(shape, corridors, modelled),
        _need_rows(shape),
        _open_rows(shape, corridors, columns, trips, stops),
    ]
    trip = corridors.stop_trip[stops]
    kwh = (corridors.cars * needs * corridors.kwh_per_km / METRES_PER_KM)[trip]
    energy = sp.csr_array(
        (kwh, (corridors.stop_supply[stops], np.arange(stops.size))),
        shape=(n_supply, stops.size),
    )
    return TripRows(trips=trips, stops=stops, free=free, blocks=tuple(rows), energy=energy)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Shape:
    """Where the variables (y, z, c) of the trips' rows stand."""

    n_column: int
    first_stop: LongArray
    n_trip: int
    n_stop: int

    @property
    def width(self) -> int:
        return self.n_column + self.n_trip + self.n_stop

    def share(self, r: int) -> int:
        """Return the column of a trip's share z."""
        return self.n_column + r

    def n_charge(self, r: int) -> int:
        """Return how many stops a trip has."""
        return int(self.first_stop[r + 1] - self.first_stop[r])

    def charges(self, r: int, n: int) -> range:
        """Return the columns of a trip's first n charges."""
        first = self.n_column + self.n_trip + int(self.first_stop[r])
        return range(first, first + n)


_Entries = tuple[list[int], list[float], float, float]


def _assemble(rows: Iterable[_Entries], width: int) -> Block:
    """Return rows of (members, coefficients, lower, upper) as one block."""
    members, coefficients, lower, upper = [], [], [], []
    start = [0]
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


def _cover_rows(
    shape: _Shape,
    columns: Columns,
    covers: Iterable[tuple[int, frozenset[int]]],
    standing: frozenset[int],
) -> Block:
    """Σ_{j ∈ K} Σ_k y_jk ≥ z_q, unless a station that stands today is among K."""

    def rows() -> Iterator[_Entries]:
        for r, members in covers:
            if members & standing:
                continue
            open_ = [
                column
                for j in sorted(members)
                for column in range(columns.start[j], columns.start[j + 1])
            ]
            yield [*open_, shape.share(r)], [1.0] * len(open_) + [-1.0], 0.0, math.inf

    return _assemble(rows(), shape.width)


def _charge_rows(shape: _Shape, trips: Iterable[tuple[int, list[Arc], int]]) -> Block:
    """Σ_{s < e} c_qs ≥ a_qe z_q; of several arcs after the same stop the hardest."""

    def rows() -> Iterator[_Entries]:
        for r, arcs, need in trips:
            hardest: dict[int, int] = {}
            for arc in arcs:
                hardest[arc.n_before] = max(arc.least_m, hardest.get(arc.n_before, 0))
            for n, least in sorted(hardest.items()):
                # After the last stop the need itself is asked for, by a row of its own.
                if least > 0 and n < shape.n_charge(r):
                    charges = list(shape.charges(r, n))
                    coefficients = [1.0] * n + [-least / need]
                    yield [*charges, shape.share(r)], coefficients, 0.0, math.inf

    return _assemble(rows(), shape.width)


def _battery_rows(
    shape: _Shape, corridors: CorridorInstance, trips: Iterable[tuple[int, int]]
) -> Block:
    """Σ_{s' ≤ s} c_qs' ≤ b_qs z_q, where the battery is smaller than the need."""

    def rows() -> Iterator[_Entries]:
        for r, q in trips:
            first, last = corridors.stop_start[q : q + 2].tolist()
            need = int(corridors.need_m[q])
            room = corridors.stop_m[first:last] + int(corridors.full_m[q] - corridors.start_m[q])
            for n, most in enumerate(np.maximum(room, 0).tolist(), 1):
                if most < need:
                    charges = list(shape.charges(r, n))
                    coefficients = [1.0] * n + [-most / need]
                    yield [*charges, shape.share(r)], coefficients, -math.inf, 0.0

    return _assemble(rows(), shape.width)


def _need_rows(shape: _Shape) -> Block:
    """Σ_s c_qs = z_q."""

    def rows() -> Iterator[_Entries]:
        for r in range(shape.n_trip):
            n = shape.n_charge(r)
            yield [*shape.charges(r, n), shape.share(r)], [1.0] * n + [-1.0], 0.0, 0.0

    return _assemble(rows(), shape.width)


def _open_rows(
    shape: _Shape,
    corridors: CorridorInstance,
    columns: Columns,
    trips: IntArray,
    stops: LongArray,
) -> Block:
    """c_qs ≤ m_qs Σ_k y_jk, m the most that fits in a battery, in shares of the need."""
    trip = corridors.stop_trip[stops]
    fits = (corridors.full_m - corridors.reserve_m)[trip] / corridors.need_m[trip]
    most = np.minimum(1.0, fits)
    first = shape.n_column + trips.size

    def rows() -> Iterator[_Entries]:
        for s, j in enumerate(corridors.stop_supply[stops].tolist()):
            if j < columns.n_site:
                open_ = list(range(columns.start[j], columns.start[j + 1]))
                yield [*open_, first + s], [-float(most[s])] * len(open_) + [1.0], -math.inf, 0.0

    return _assemble(rows(), shape.width)


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


def build_joint_model(instance: SitingInstance, corridors: CorridorInstance) -> JointModel:
    """Build the one model of city demand and trips.

    Parameters
    ----------
    instance
        The city's demand, all sites and stations, the budget and every other rule.
    corridors
        The trips, on the same sites and stations.
    """
    links = build_links(instance, supply_used=np.ones(instance.n_supply, dtype=bool), merged=True)
    columns = build_columns(instance)
    n_column, n_link = columns.n_column, links.n_link
    trips = build_trip_rows(corridors, columns, n_supply=instance.n_supply)
    n_trip, n_stop = trips.trips.size, trips.stops.size
    nothing = sp.csr_array((0, n_trip + n_stop))
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
        *(_widen(block, block.matrix.shape[1], 0, nothing.shape[1]) for block in city),
        *(_widen(block, n_column, n_link, 0) for block in trips.blocks),
    ]
    n_other = n_link + n_trip + n_stop
    worth = corridors.worth_kwh * corridors.cars
    return JointModel(
        model=MixedIntegerModel(
            cost=np.concatenate(
                (np.zeros(n_column), -links.worth, -worth[trips.trips], np.zeros(n_stop))
            ),
            lower=np.zeros(n_column + n_other),
            upper=np.concatenate(
                (np.ones(n_column), links.row_kwh_per_day[links.row], np.ones(n_trip + n_stop))
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
