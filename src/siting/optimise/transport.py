# ruff: noqa: C901, PLR0912 - kernels are long and flat
"""The best flow for a set of opened capacities, kept optimal as they change.

Given capacities, the model is a transport problem with a price p_s on every supply and λ_r on every
row, and a flow is optimal if and only if

    slack_rs = λ_r + p_s - a_rs ≥ 0,  = 0 where x_rs > 0;  λ_r = 0 where energy is unserved;
    p_s = 0 where capacity is spare

(primal-dual, after Ford and Fulkerson 1957). A changed capacity breaks the last two at one supply.
It is mended in phases: shortest paths in the slacks move the prices until an end is within reach at
no slack, then flow is pushed along tight links as long as any gets through. Spare capacity takes a
row's unserved energy, or a row from another supply, which then has spare capacity itself; what is
too much goes the other way. Only what lies nearer than the end is looked at, so a change costs what
it moves and not what there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from siting.network.compiled import compiled

if TYPE_CHECKING:
    from siting.domain import BoolArray, FloatArray, IntArray, LongArray
    from siting.optimise.tier_problem import Reach

TINY = 1e-9
TIGHT = 1e-10
FAR = 1e30


class Flows(NamedTuple):
    """A flow, its prices, and the room that the path search works in.

    Attributes
    ----------
    worth
        (n_link,) worth that the flow seeks; may differ from the reach's own.
    x
        (n_link,) energy over each link.
    unserved, row_price
        (n_row,) energy not served, and λ.
    kwh, spare, supply_price
        (n_supply,) capacity, what of it is not used, and p.
    n_open, open_link
        (n_row,), (n_link,) each row's links to supplies with capacity: the first ``n_open`` from
        its ``row_start``.
    distance, level, via, out, touched, cursor, alive, path
        Work arrays of the path search, by supply.
    log_link, log_kwh, log_row, log_price
        What was changed, so that it can be undone.
    log_size
        (2,) lengths of the two logs.
    """

    worth: FloatArray
    x: FloatArray
    unserved: FloatArray
    row_price: FloatArray
    kwh: FloatArray
    spare: FloatArray
    supply_price: FloatArray
    n_open: IntArray
    open_link: LongArray
    distance: FloatArray
    level: IntArray
    via: LongArray
    out: LongArray
    touched: LongArray
    cursor: LongArray
    alive: BoolArray
    path: LongArray
    log_link: LongArray
    log_kwh: FloatArray
    log_row: LongArray
    log_price: FloatArray
    log_size: LongArray


def build_flows(reach: Reach, worth: FloatArray) -> Flows:
    """Build a flow of nothing over closed supplies."""
    n_supply, n_row, n_link = reach.start.size - 1, reach.kwh.size, reach.worth.size
    n_log = 4 * n_link + 100_000
    return Flows(
        worth=np.array(worth),
        x=np.zeros(n_link),
        unserved=reach.kwh.copy(),
        row_price=np.zeros(n_row),
        kwh=np.zeros(n_supply),
        spare=np.zeros(n_supply),
        supply_price=np.zeros(n_supply),
        n_open=np.zeros(n_row, dtype=np.int32),
        open_link=np.zeros(n_link, dtype=np.int64),
        distance=np.full(n_supply, FAR),
        level=np.zeros(n_supply, dtype=np.int32),
        via=np.zeros(n_supply, dtype=np.int64),
        out=np.zeros(n_supply, dtype=np.int64),
        touched=np.zeros(n_supply + 1, dtype=np.int64),
        cursor=np.zeros(n_supply, dtype=np.int64),
        alive=np.zeros(n_supply, dtype=bool),
        path=np.zeros(n_supply + 1, dtype=np.int64),
        log_link=np.zeros(n_log, dtype=np.int64),
        log_kwh=np.zeros(n_log),
        log_row=np.zeros(n_log, dtype=np.int64),
        log_price=np.zeros(n_log),
        log_size=np.zeros(2, dtype=np.int64),
    )


@compiled
def set_capacity(reach: Reach, flows: Flows, supply: int, kwh: float) -> float:
    """Change a capacity and mend the flow; return by how much its worth changes."""
    used = flows.kwh[supply] - flows.spare[supply]
    was_closed = flows.kwh[supply] <= 0.0
    restore_capacity(reach, flows, supply, kwh)
    flows.spare[supply] = max(0.0, kwh - used)
    first, last = reach.start[supply], reach.start[supply + 1]
    if used <= kwh + TINY:
        if kwh <= 0.0:
            flows.supply_price[supply] = 0.0
            return 0.0
        if was_closed:
            price = 0.0
            for link in range(first, last):
                price = max(price, flows.worth[link] - flows.row_price[reach.row[link]])
            flows.supply_price[supply] = price
        return _fill_supply(reach, flows, supply)
    total = _drain_supply(reach, flows, supply, used - kwh)
    if kwh <= 0.0:
        flows.supply_price[supply] = 0.0
    return total


@compiled
def restore_capacity(reach: Reach, flows: Flows, supply: int, kwh: float) -> None:
    """Set a capacity and the rows' lists of open links, and nothing else."""
    was_open, is_open = flows.kwh[supply] > 0.0, kwh > 0.0
    flows.kwh[supply] = kwh
    if was_open == is_open:
        return
    for link in range(reach.start[supply], reach.start[supply + 1]):
        row = reach.row[link]
        first = reach.row_start[row]
        if is_open:
            flows.open_link[first + flows.n_open[row]] = link
            flows.n_open[row] += 1
        else:
            flows.n_open[row] -= 1
            k = first
            while flows.open_link[k] != link:
                k += 1
            flows.open_link[k] = flows.open_link[first + flows.n_open[row]]


@compiled
def release(reach: Reach, flows: Flows, supply: int) -> float:
    """Lower the prices of the rows that a supply serves to what others ask; return the fall.

    Without the supply's own constraints these prices are still dual feasible, so that a flow
    without it is worth less by at least this fall and its price times its capacity.
    """
    fall = 0.0
    for link in range(reach.start[supply], reach.start[supply + 1]):
        if flows.x[link] <= TINY:
            continue
        row = reach.row[link]
        price, first = 0.0, reach.row_start[row]
        for k in range(first, first + flows.n_open[row]):
            other = flows.open_link[k]
            if reach.supply[other] != supply:
                price = max(price, flows.worth[other] - flows.supply_price[reach.supply[other]])
        if price < flows.row_price[row]:
            fall += (flows.row_price[row] - price) * reach.kwh[row]
            _reprice(flows, row, price)
    return fall


@compiled
def undo(reach: Reach, flows: Flows) -> None:
    """Take back what the logs hold; capacities, spare and supply prices are the caller's."""
    for k in range(flows.log_size[0] - 1, -1, -1):
        link, kwh = flows.log_link[k], flows.log_kwh[k]
        flows.x[link] -= kwh
        flows.unserved[reach.row[link]] += kwh
    for k in range(flows.log_size[1] - 1, -1, -1):
        flows.row_price[flows.log_row[k]] = flows.log_price[k]
    flows.log_size[:] = 0


@compiled
def _change(flows: Flows, link: int, kwh: float) -> None:
    """Change the flow of a link; the row's unserved energy is the caller's."""
    flows.x[link] += kwh
    n = flows.log_size[0]
    if n < flows.log_link.size:
        flows.log_link[n], flows.log_kwh[n] = link, kwh
    flows.log_size[0] = n + 1


@compiled
def _reprice(flows: Flows, row: int, price: float) -> None:
    n = flows.log_size[1]
    if n < flows.log_row.size:
        flows.log_row[n], flows.log_price[n] = row, flows.row_price[row]
    flows.log_size[1] = n + 1
    flows.row_price[row] = max(0.0, price)


@compiled
def _settle_nearest(flows: Flows, n_settled: int, n_touched: int) -> int:
    """Move the nearest unsettled supply to its place in the list and return it."""
    nearest, least = n_settled, 0.0
    if n_settled > 0:
        least = flows.distance[flows.touched[n_settled - 1]]
    for k in range(n_settled + 1, n_touched):
        if flows.distance[flows.touched[nearest]] <= least:
            break  # none can be nearer than the last one settled
        if flows.distance[flows.touched[k]] < flows.distance[flows.touched[nearest]]:
            nearest = k
    supply = flows.touched[nearest]
    flows.touched[nearest] = flows.touched[n_settled]
    flows.touched[n_settled] = supply
    return int(supply)


@compiled
def _touch(flows: Flows, supply: int, distance: float, level: int, n_touched: int) -> int:
    """Take note of a shorter way to a supply."""
    if flows.distance[supply] == FAR:
        flows.touched[n_touched] = supply
        n_touched += 1
    flows.distance[supply], flows.level[supply] = distance, level
    return n_touched


@compiled
def _move_prices(reach: Reach, flows: Flows, limit: float, n_settled: int, sign: float) -> None:
    """Raise (sign 1) or lower (-1) the settled supplies' prices by what they are nearer."""
    for k in range(n_settled):
        s = flows.touched[k]
        nearer = limit - flows.distance[s]
        if nearer > 0.0:
            flows.supply_price[s] = max(0.0, flows.supply_price[s] + sign * nearer)
            for link in range(reach.start[s], reach.start[s + 1]):
                if flows.x[link] > TINY:
                    _reprice(flows, reach.row[link], flows.worth[link] - flows.supply_price[s])


@compiled
def _prepare_push(reach: Reach, flows: Flows, n_touched: int) -> None:
    """Make every touched supply a possible step, its links not yet looked at."""
    for k in range(n_touched):
        s = flows.touched[k]
        flows.alive[s], flows.cursor[s] = True, reach.start[s]


@compiled
def _forget(flows: Flows, n_touched: int) -> None:
    """Leave the work arrays as they were found."""
    for k in range(n_touched):
        flows.distance[flows.touched[k]] = FAR
        flows.alive[flows.touched[k]] = False


@compiled
def _fill_supply(reach: Reach, flows: Flows, source: int) -> float:
    """Fill spare capacity as long as it gains; return the gain."""
    total = 0.0
    x, distance = flows.x, flows.distance
    while flows.spare[source] > TINY and flows.supply_price[source] > TIGHT:
        limit, found = flows.supply_price[source], False
        n_settled, n_touched = 0, _touch(flows, source, 0.0, 0, 0)
        while n_settled < n_touched:
            s = _settle_nearest(flows, n_settled, n_touched)
            if distance[s] >= limit:
                break
            n_settled += 1
            if s != source and distance[s] + flows.supply_price[s] < limit:
                limit, found = distance[s] + flows.supply_price[s], True
            for link in range(reach.start[s], reach.start[s + 1]):
                row = reach.row[link]
                slack = flows.row_price[row] + flows.supply_price[s] - flows.worth[link]
                length = distance[s] + max(0.0, slack)
                if length >= limit:
                    continue
                if flows.unserved[row] > TINY:
                    limit, found = length, True
                    continue
                first = reach.row_start[row]
                for k in range(first, first + flows.n_open[row]):
                    other = flows.open_link[k]
                    t = reach.supply[other]
                    if t != s and x[other] > TINY and length < distance[t]:
                        n_touched = _touch(flows, t, length, flows.level[s] + 1, n_touched)
            if found and limit <= distance[s]:
                break
        _move_prices(reach, flows, limit, n_settled, -1.0)
        pushed, gain = 0.0, flows.supply_price[source]
        if found:
            _prepare_push(reach, flows, n_touched)
            pushed = _push_from_supply(reach, flows, source)
        total += gain * pushed
        _forget(flows, n_touched)
        if pushed <= 0.0:
            break
    return total


@compiled
def _push_from_supply(reach: Reach, flows: Flows, source: int) -> float:
    """Push spare capacity along tight links until none gets through; return how much did."""
    pushed, x = 0.0, flows.x
    flows.path[0] = source
    n_path = 1
    while n_path > 0 and flows.spare[source] > TINY:
        s = flows.path[n_path - 1]
        end, last, deeper = s != source and flows.supply_price[s] <= TIGHT, -1, -1
        while not end and deeper < 0 and flows.cursor[s] < reach.start[s + 1]:
            link = flows.cursor[s]
            row = reach.row[link]
            if flows.row_price[row] + flows.supply_price[s] - flows.worth[link] <= TIGHT:
                if flows.unserved[row] > TINY:
                    end, last = True, link
                    break
                first = reach.row_start[row]
                for k in range(first, first + flows.n_open[row]):
                    other = flows.open_link[k]
                    t = reach.supply[other]
                    if x[other] > TINY and flows.alive[t] and flows.level[t] == flows.level[s] + 1:
                        deeper = t
                        flows.via[t], flows.out[t] = link, other
                        break
            if deeper < 0:
                flows.cursor[s] += 1
        if deeper >= 0:
            flows.path[n_path] = deeper
            n_path += 1
            continue
        if not end:
            flows.alive[s] = False
            n_path -= 1
            continue
        amount = flows.spare[source]
        if last >= 0:
            amount = min(amount, flows.unserved[reach.row[last]])
        for k in range(1, n_path):
            amount = min(amount, x[flows.out[flows.path[k]]])
        if last >= 0:
            _change(flows, last, amount)
            flows.unserved[reach.row[last]] -= amount
        else:
            flows.spare[s] += amount
        for k in range(n_path - 1, 0, -1):
            t = flows.path[k]
            _change(flows, flows.out[t], -amount)
            _change(flows, flows.via[t], amount)
        flows.spare[source] -= amount
        pushed += amount
        n_path = 1
    return pushed


@compiled
def _drain_supply(reach: Reach, flows: Flows, source: int, excess: float) -> float:
    """Send what a supply serves too much to other supplies, or nowhere; return the loss, ≤ 0."""
    total = 0.0
    x, distance = flows.x, flows.distance
    while excess > TINY:
        limit = FAR
        n_settled, n_touched = 0, _touch(flows, source, 0.0, 0, 0)
        while n_settled < n_touched:
            s = _settle_nearest(flows, n_settled, n_touched)
            if distance[s] >= limit:
                break
            n_settled += 1
            if s != source and flows.spare[s] > TINY:
                limit = distance[s]
                break
            for link in range(reach.start[s], reach.start[s + 1]):
                if x[link] <= TINY:
                    continue
                row = reach.row[link]
                limit = min(limit, distance[s] + flows.row_price[row])
                first = reach.row_start[row]
                for k in range(first, first + flows.n_open[row]):
                    other = flows.open_link[k]
                    t = reach.supply[other]
                    slack = flows.row_price[row] + flows.supply_price[t] - flows.worth[other]
                    length = distance[s] + max(0.0, slack)
                    if length < distance[t] and length < limit:
                        n_touched = _touch(flows, t, length, flows.level[s] + 1, n_touched)
            if limit <= distance[s]:
                break
        pushed = 0.0
        if limit < FAR:
            _move_prices(reach, flows, limit, n_settled, 1.0)
            _prepare_push(reach, flows, n_touched)
            pushed = _push_out(reach, flows, source, excess)
        _forget(flows, n_touched)
        if pushed <= 0.0:
            break
        total -= flows.supply_price[source] * pushed
        excess -= pushed
    for link in range(reach.start[source], reach.start[source + 1]):
        # What float64 has left over.
        lost = min(x[link], max(excess, 0.0))
        if flows.kwh[source] <= 0.0:
            lost = x[link]
        if lost > 0.0:
            excess -= lost
            total -= lost * flows.worth[link]
            flows.unserved[reach.row[link]] += lost
            _change(flows, link, -lost)
    return total


@compiled
def _push_out(reach: Reach, flows: Flows, source: int, excess: float) -> float:
    """Push a supply's excess along tight links until none gets through; return how much did."""
    pushed, x = 0.0, flows.x
    flows.path[0] = source
    n_path = 1
    while n_path > 0 and pushed < excess:
        s = flows.path[n_path - 1]
        end, dropped, deeper = s != source and flows.spare[s] > TINY, -1, -1
        while not end and deeper < 0 and flows.cursor[s] < reach.start[s + 1]:
            link = flows.cursor[s]
            row = reach.row[link]
            if x[link] > TINY:
                if flows.row_price[row] <= TIGHT:
                    end, dropped = True, link
                    break
                first = reach.row_start[row]
                for k in range(first, first + flows.n_open[row]):
                    other = flows.open_link[k]
                    t = reach.supply[other]
                    slack = flows.row_price[row] + flows.supply_price[t] - flows.worth[other]
                    if slack <= TIGHT and flows.alive[t] and flows.level[t] == flows.level[s] + 1:
                        deeper = t
                        flows.via[t], flows.out[t] = other, link
                        break
            if deeper < 0:
                flows.cursor[s] += 1
        if deeper >= 0:
            flows.path[n_path] = deeper
            n_path += 1
            continue
        if not end:
            flows.alive[s] = False
            n_path -= 1
            continue
        amount = min(excess - pushed, x[dropped] if dropped >= 0 else flows.spare[s])
        for k in range(1, n_path):
            amount = min(amount, x[flows.out[flows.path[k]]])
        if dropped >= 0:
            _change(flows, dropped, -amount)
            flows.unserved[reach.row[dropped]] += amount
        else:
            flows.spare[s] -= amount
        for k in range(1, n_path):
            t = flows.path[k]
            _change(flows, flows.out[t], -amount)
            _change(flows, flows.via[t], amount)
        pushed += amount
        n_path = 1
    return pushed
