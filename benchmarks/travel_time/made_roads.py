"""Made road networks of any size: illustrative, for timing only.

A jittered grid of blocks with local streets (30 km/h, three in ten one-way), arterials every
eighth block (50 km/h) and expressways every thirty-second (80 km/h); about 2.55 arcs leave a node.
"""

from __future__ import annotations

import numpy as np

from siting.inputs.roads import RoadTable

BLOCK_M = 120.0
METRES_PER_DEGREE = 111_320.0
ARTERIAL_EVERY, EXPRESSWAY_EVERY = 8, 32
LOCAL_KPH, ARTERIAL_KPH, EXPRESSWAY_KPH = 30.0, 50.0, 80.0
LOCAL_KEPT, LOCAL_ONE_WAY = 0.69, 0.30
WEST_DEG, SOUTH_DEG = 116.0, 0.0


def make_roads(n_node: int, *, seed: int = 1) -> RoadTable:
    """Make a network of about ``n_node`` nodes, in random order as a file might hold them."""
    rng = np.random.default_rng(seed)
    side = round(n_node**0.5)
    row, column = np.divmod(np.arange(side * side), side)
    x_m = (column + rng.uniform(-0.3, 0.3, row.size)) * BLOCK_M
    y_m = (row + rng.uniform(-0.3, 0.3, row.size)) * BLOCK_M
    east = np.flatnonzero(column < side - 1)
    north = np.flatnonzero(row < side - 1)
    tail = np.concatenate([east, north])
    head = np.concatenate([east + 1, north + side])
    line = np.concatenate([row[east], column[north]])
    speed_kph = np.where(line % ARTERIAL_EVERY == 0, ARTERIAL_KPH, LOCAL_KPH)
    speed_kph[line % EXPRESSWAY_EVERY == 0] = EXPRESSWAY_KPH
    is_local = speed_kph == LOCAL_KPH
    kept = ~is_local | (rng.random(tail.size) < LOCAL_KEPT)
    tail, head, speed_kph, is_local = tail[kept], head[kept], speed_kph[kept], is_local[kept]
    turned = rng.integers(0, 2, tail.size) == 1
    tail, head = np.where(turned, head, tail), np.where(turned, tail, head)
    one_way = is_local & (rng.random(tail.size) < LOCAL_ONE_WAY)

    number = rng.permutation(side * side)
    node_at = np.argsort(number)
    tail, head = number[tail], number[head]
    lon = WEST_DEG + x_m[node_at] / METRES_PER_DEGREE
    lat = SOUTH_DEG + y_m[node_at] / METRES_PER_DEGREE
    east_m = np.diff(lon[np.stack([tail, head])], axis=0)[0] * METRES_PER_DEGREE
    north_m = np.diff(lat[np.stack([tail, head])], axis=0)[0] * METRES_PER_DEGREE
    ends = np.stack([tail, head], axis=1)
    return RoadTable(
        node_lon_deg=lon,
        node_lat_deg=lat,
        segment_from=tail,
        segment_to=head,
        # Streets wind a little.
        length_m=np.hypot(east_m, north_m) * rng.uniform(1.0, 1.2, tail.size),
        forward_kph=speed_kph,
        backward_kph=np.where(one_way, 0.0, speed_kph),
        highway=(~is_local).astype(np.uint8),
        highway_classes=("residential", "primary"),
        shape_start=np.arange(tail.size + 1) * 2,
        shape_lon_deg=lon[ends].ravel(),
        shape_lat_deg=lat[ends].ravel(),
        source="illustrative: made for a benchmark",
    )
