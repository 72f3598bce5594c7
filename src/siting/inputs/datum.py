"""Datums of Chinese map data: WGS-84, GCJ-02 and BD-09, and how a wrong one shows.

GCJ-02 shifts WGS-84 by a smooth field of some 20 to 700 m; BD-09 turns GCJ-02 once more. The
formulas are the reverse-engineered ones that everybody uses (no official text is public), with the
Krasovsky 1940 ellipsoid. Both are defined here by their forward direction; the inverse is a
fixed-point iteration on it, exact far below a millimetre where closed formulas are metres off.

Outside the rectangle of longitude 72.004° to 137.8347° and latitude 0.8293° to 55.8271° nothing is
shifted, in any direction: this is the rule of the map services' own code. The rectangle is wider
than China, so a file is only ever converted when its datum is declared. Points within a kilometre
outside that rectangle's edge have no unambiguous inverse; no Chinese territory lies there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from siting.domain import BoolArray, Datum, FloatArray
from siting.errors import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from siting.inputs.datum_mix import DatumMix

KRASOVSKY_SEMI_MAJOR_M = 6_378_245.0
KRASOVSKY_ECCENTRICITY_SQUARED = 0.00669342162296594323
SHIFT_ORIGIN_LON_DEG = 105.0
SHIFT_ORIGIN_LAT_DEG = 35.0
SHIFTED_LON_DEG = (72.004, 137.8347)
SHIFTED_LAT_DEG = (0.8293, 55.8271)
EDGE_DEG = 0.05
"""Wider than any shift (BD-09's is at most some 0.02°)."""

BAIDU_PERIOD_PER_DEG = np.pi * 3000.0 / 180.0
BAIDU_OFFSET_LON_DEG = 0.0065
BAIDU_OFFSET_LAT_DEG = 0.006

INVERSE_ITERATIONS = 8
"""Each shrinks the error at least fiftyfold; six reach 1e-8 m."""


def from_wgs84(
    lon_deg: ArrayLike, lat_deg: ArrayLike, datum: Datum
) -> tuple[FloatArray, FloatArray]:
    """Convert WGS-84 coordinates into a datum.

    Parameters
    ----------
    lon_deg, lat_deg
        Longitudes and latitudes (degrees), of any shapes that broadcast.
    datum
        The datum wanted.

    Returns
    -------
    tuple of arrays
        Longitudes and latitudes in the datum (degrees); not finite stays not finite.
    """
    lon, lat = _degrees(lon_deg, lat_deg)
    inside = _in_rectangle(lon, lat)
    shifted_lon, shifted_lat = _forward(lon[inside], lat[inside], datum)
    lon[inside], lat[inside] = shifted_lon, shifted_lat
    return lon, lat


def to_wgs84(lon_deg: ArrayLike, lat_deg: ArrayLike, datum: Datum) -> tuple[FloatArray, FloatArray]:
    """Convert coordinates of a datum into WGS-84, the exact inverse of :func:`from_wgs84`.

    Parameters
    ----------
    lon_deg, lat_deg
        Longitudes and latitudes in the datum (degrees), of any shapes that broadcast.
    datum
        The datum they are in.

    Returns
    -------
    tuple of arrays
        WGS-84 longitudes and latitudes (degrees); not finite stays not finite.
    """
    lon, lat = _degrees(lon_deg, lat_deg)
    near = _in_rectangle(lon, lat, margin_deg=EDGE_DEG)
    given_lon, given_lat = lon[near], lat[near]
    true_lon, true_lat = given_lon, given_lat
    for _ in range(INVERSE_ITERATIONS):
        back_lon, back_lat = _forward(true_lon, true_lat, datum)
        true_lon = true_lon + (given_lon - back_lon)
        true_lat = true_lat + (given_lat - back_lat)
    was_shifted = _in_rectangle(true_lon, true_lat)
    lon[near] = np.where(was_shifted, true_lon, given_lon)
    lat[near] = np.where(was_shifted, true_lat, given_lat)
    return lon, lat


def _degrees(lon_deg: ArrayLike, lat_deg: ArrayLike) -> tuple[FloatArray, FloatArray]:
    lon, lat = np.broadcast_arrays(
        np.asarray(lon_deg, dtype=np.float64), np.asarray(lat_deg, dtype=np.float64)
    )
    return lon.copy(), lat.copy()


def _in_rectangle(lon: FloatArray, lat: FloatArray, *, margin_deg: float = 0.0) -> BoolArray:
    inside: BoolArray = (
        (lon >= SHIFTED_LON_DEG[0] - margin_deg)
        & (lon <= SHIFTED_LON_DEG[1] + margin_deg)
        & (lat >= SHIFTED_LAT_DEG[0] - margin_deg)
        & (lat <= SHIFTED_LAT_DEG[1] + margin_deg)
    )
    return inside


def _forward(lon: FloatArray, lat: FloatArray, datum: Datum) -> tuple[FloatArray, FloatArray]:
    match datum:
        case Datum.WGS84:
            return lon, lat
        case Datum.GCJ02:
            return _wgs84_to_gcj02(lon, lat)
        case Datum.BD09:
            return _gcj02_to_bd09(*_wgs84_to_gcj02(lon, lat))


def _wgs84_to_gcj02(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    x = lon - SHIFT_ORIGIN_LON_DEG
    y = lat - SHIFT_ORIGIN_LAT_DEG
    root = np.sqrt(np.abs(x))
    ripple = 20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root
    north_m += 2.0 / 3.0 * (ripple + 20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi / 3.0 * y))
    north_m += 2.0 / 3.0 * (160.0 * np.sin(np.pi / 12.0 * y) + 320.0 * np.sin(np.pi / 30.0 * y))
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root
    east_m += 2.0 / 3.0 * (ripple + 20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi / 3.0 * x))
    east_m += 2.0 / 3.0 * (150.0 * np.sin(np.pi / 12.0 * x) + 300.0 * np.sin(np.pi / 30.0 * x))

    latitude = np.radians(lat)
    flattening = 1.0 - KRASOVSKY_ECCENTRICITY_SQUARED * np.sin(latitude) ** 2
    prime_vertical_m = KRASOVSKY_SEMI_MAJOR_M / np.sqrt(flattening)
    meridian_m = prime_vertical_m * (1.0 - KRASOVSKY_ECCENTRICITY_SQUARED) / flattening
    return (
        lon + np.degrees(east_m / (prime_vertical_m * np.cos(latitude))),
        lat + np.degrees(north_m / meridian_m),
    )


def _gcj02_to_bd09(lon: FloatArray, lat: FloatArray) -> tuple[FloatArray, FloatArray]:
    radius = np.hypot(lon, lat) + 2e-5 * np.sin(lat * BAIDU_PERIOD_PER_DEG)
    angle = np.arctan2(lat, lon) + 3e-6 * np.cos(lon * BAIDU_PERIOD_PER_DEG)
    return (
        radius * np.cos(angle) + BAIDU_OFFSET_LON_DEG,
        radius * np.sin(angle) + BAIDU_OFFSET_LAT_DEG,
    )


@dataclass(frozen=True, kw_only=True)
class DatumFit:
    """How well points lie on the roads under each datum.

    Attributes
    ----------
    declared
        The datum that the file declares.
    compared
        Number of points that were compared: those near the network under every datum.
    median_m, p90_m
        Median and 90th percentile of the distance to the nearest road, by datum (m).
    far_share
        Share of the points that lie far from every road, by datum (0 to 1).
    better
        Another datum under which the points lie markedly closer to the roads, or None.
    mix
        How much of the points may be in another datum; None outside China, and for few points.
    """

    declared: Datum
    compared: int
    median_m: Mapping[Datum, float]
    p90_m: Mapping[Datum, float]
    far_share: Mapping[Datum, float]
    better: Datum | None
    mix: DatumMix | None = None

    @property
    def suspected(self) -> Datum | None:
        """The datum that the file, or part of it, looks to be in instead."""
        if self.better is not None:
            return self.better
        return self.mix.other if self.mix is not None and self.mix.is_suspected else None


def compute_datum_fit(
    distance_to_road_m: Mapping[Datum, FloatArray],
    *,
    declared: Datum,
    far_m: float = 100.0,
    off_network_m: float = 600.0,
    max_p90_ratio: float = 0.75,
    min_z: float = 3.0,
) -> DatumFit:
    """Compare how close points lie to the roads if they are read under each datum.

    Nothing is converted and nothing is guessed: the answer is evidence for the planner. In a dense
    city the median hardly tells datums apart, because a road is always near; what a shift leaves
    behind is points in the middle of blocks, parks and water. So another datum counts as markedly
    better if the 90th percentile falls to ``max_p90_ratio`` and the points that it brings back
    from ``far_m`` outnumber those it takes there by more than chance (McNemar's test).

    Parameters
    ----------
    distance_to_road_m
        By datum, (n_point,) distances of the points to the nearest road (m) if the file's
        coordinates are read in that datum; the declared datum must be among them.
    declared
        The datum that the file declares.
    far_m
        From here on a point lies far from every road.
    off_network_m
        Points farther than this under any datum lie at or beyond the network's edge and say
        nothing about the datum; they are left out.
    max_p90_ratio, min_z
        How much closer, and by how many standard errors, another datum must be.

    Returns
    -------
    DatumFit
        With NaN figures if no point is near the network.
    """
    distances = {d: np.asarray(x, dtype=np.float64) for d, x in distance_to_road_m.items()}
    near = np.all([x < off_network_m for x in distances.values()], axis=0)
    distances = {datum: x[near] for datum, x in distances.items()}
    compared = int(near.sum())
    if compared == 0:
        unknown = dict.fromkeys(distances, float("nan"))
        return DatumFit(
            declared=declared,
            compared=0,
            median_m=unknown,
            p90_m=unknown,
            far_share=unknown,
            better=None,
        )
    p90_m = {datum: float(np.percentile(x, 90)) for datum, x in distances.items()}
    is_far = {datum: x > far_m for datum, x in distances.items()}
    rivals = [
        datum
        for datum in distances
        if p90_m[datum] < max_p90_ratio * p90_m[declared]
        and _mcnemar_z(is_far[declared], is_far[datum]) >= min_z
    ]
    return DatumFit(
        declared=declared,
        compared=compared,
        median_m={datum: float(np.median(x)) for datum, x in distances.items()},
        p90_m=p90_m,
        far_share={datum: float(far.mean()) for datum, far in is_far.items()},
        better=min(rivals, key=lambda datum: (p90_m[datum], datum), default=None),
    )


def _mcnemar_z(before: BoolArray, after: BoolArray) -> float:
    left, joined = int((before & ~after).sum()), int((after & ~before).sum())
    return float((left - joined) / np.sqrt(max(left + joined, 1)))


def describe_datum_fit(fit: DatumFit, *, file: str) -> Fault | None:
    """Return the notice for the planner if another datum fits all or part of a file better.

    Parameters
    ----------
    fit
        The comparison.
    file
        Name of the file, for the notice.
    """
    if fit.better is None:
        if fit.mix is None or not fit.mix.is_suspected:
            return None
        return _describe_mix(fit.mix, fit.declared, file=file)
    declared, better = (
        f"{fit.median_m[d]:.0f} m in the median and {fit.p90_m[d]:.0f} m at the 90th percentile"
        f" ({fit.far_share[d]:.0%} far off)"
        for d in (fit.declared, fit.better)
    )
    return Fault(
        file=file,
        column="datum",
        value=fit.declared.value,
        what=(
            f"{fit.compared:,} points lie {declared} from the roads as {fit.declared.value}, "
            f"but {better} as {fit.better.value}"
        ),
        remedy=f"ask where the file comes from; if it is {fit.better.value}, declare it so",
    )


def _describe_mix(mix: DatumMix, declared: Datum, *, file: str) -> Fault:
    return Fault(
        file=file,
        column="datum",
        value=declared.value,
        what=(
            f"about {mix.share:.0%} of its {mix.compared:,} points (give or take {mix.error:.0%}) "
            f"look as if they were {mix.other.value}: read so, they lie nearer to the roads than "
            "after any other shift of like length"
        ),
        remedy=(
            f"ask where its parts come from; give those in {mix.other.value} in a file of their own"
        ),
    )
