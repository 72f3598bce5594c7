"""Datums: published vectors, the exact round trip, the rectangle, and the suspicion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siting.domain import Datum, FloatArray
from siting.inputs.datum import (
    SHIFTED_LAT_DEG,
    SHIFTED_LON_DEG,
    compute_datum_fit,
    describe_datum_fit,
    from_wgs84,
    to_wgs84,
)

METRES_PER_DEG = 111_320.0
MILLIMETRE_DEG = 1e-3 / METRES_PER_DEG

WGS84_TO_GCJ02 = [
    ((121.5272106, 31.1774276), (121.5315418592, 31.1753039836)),
    ((113.912316, 22.543847), (113.9171764808, 22.5407961317)),
    ((116.377817, 39.911954), (116.3840472246, 39.9133454554)),
    ((116.397428, 39.90923), (116.403671626, 39.910633506)),
    ((104.065735, 30.659462), (104.068242464, 30.657041179)),
]
WGS84_TO_BD09 = [
    ((116.397428, 39.90923), (116.410044102, 39.916972856)),
    ((104.065735, 30.659462), (104.074736973, 30.663070741)),
]
VECTORS = [(Datum.GCJ02, *pair) for pair in WGS84_TO_GCJ02] + [
    (Datum.BD09, *pair) for pair in WGS84_TO_BD09
]

china_lon = st.floats(73.5, 135.1)
china_lat = st.floats(3.4, 53.6)
shifting = st.sampled_from([Datum.GCJ02, Datum.BD09])


def separation_m(a: tuple[FloatArray, FloatArray], b: tuple[FloatArray, FloatArray]) -> FloatArray:
    east = (a[0] - b[0]) * np.cos(np.radians(a[1]))
    return np.asarray(np.hypot(east, a[1] - b[1]) * METRES_PER_DEG)


@pytest.mark.parametrize(("datum", "wgs84", "shifted"), VECTORS)
def test_published_vectors_both_ways(
    datum: Datum, wgs84: tuple[float, float], shifted: tuple[float, float]
) -> None:
    assert from_wgs84(*wgs84, datum) == pytest.approx(shifted, abs=2e-9)  # the vectors' own digits
    assert to_wgs84(*shifted, datum) == pytest.approx(wgs84, abs=2e-9)


@given(lon=china_lon, lat=china_lat, datum=shifting)
def test_round_trip_is_exact_to_a_hundredth_of_a_millimetre(
    lon: float, lat: float, datum: Datum
) -> None:
    there = from_wgs84(lon, lat, datum)
    back = to_wgs84(*there, datum)
    again = from_wgs84(*back, datum)
    assert separation_m(back, (np.asarray(lon), np.asarray(lat))) < 1e-5
    assert separation_m(again, there) < 1e-5


def test_round_trip_of_a_dense_grid_stays_below_a_millimetre() -> None:
    grid = np.meshgrid(np.linspace(72.1, 137.7, 700), np.linspace(0.9, 55.7, 600))
    for datum in Datum:
        back = to_wgs84(*from_wgs84(*grid, datum), datum)
        assert separation_m(back, (grid[0], grid[1])).max() < 1e-3


def test_round_trip_across_the_cusp_at_105_degrees_east() -> None:
    lon = 105.0 + np.array([-1e-6, -1e-9, 0.0, 1e-9, 1e-6])
    for datum in (Datum.GCJ02, Datum.BD09):
        back = to_wgs84(*from_wgs84(lon, 30.0, datum), datum)
        assert separation_m(back, (lon, np.full(5, 30.0))).max() < 1e-3


@given(lon=china_lon, lat=china_lat)
def test_gcj02_shifts_by_metres_not_kilometres(lon: float, lat: float) -> None:
    shift_m = separation_m(from_wgs84(lon, lat, Datum.GCJ02), (np.asarray(lon), np.asarray(lat)))
    assert 5.0 < shift_m < 1_500.0


@pytest.mark.parametrize(
    ("lon", "lat"), [(-122.4, 37.8), (2.35, 48.86), (0.0, 0.0), (151.2, -33.9)]
)
@pytest.mark.parametrize("datum", list(Datum))
def test_nothing_is_shifted_outside_the_rectangle(lon: float, lat: float, datum: Datum) -> None:
    assert from_wgs84(lon, lat, datum) == (lon, lat)
    assert to_wgs84(lon, lat, datum) == (lon, lat)


@given(
    lon=st.floats(SHIFTED_LON_DEG[0], SHIFTED_LON_DEG[0] + 0.03),
    lat=st.floats(SHIFTED_LAT_DEG[1] - 0.03, SHIFTED_LAT_DEG[1]),
    datum=shifting,
)
def test_round_trip_holds_inside_up_to_the_rectangles_corner(
    lon: float, lat: float, datum: Datum
) -> None:
    back = to_wgs84(*from_wgs84(lon, lat, datum), datum)
    # On the very edge a rounding error decides on which side the inverse falls.
    edge = min(lon - SHIFTED_LON_DEG[0], SHIFTED_LAT_DEG[1] - lat)
    if edge > MILLIMETRE_DEG:
        assert separation_m(back, (np.asarray(lon), np.asarray(lat))) < 1e-3


def test_wgs84_is_left_alone_and_inputs_are_not_mutated() -> None:
    lon, lat = np.array([114.0, 115.0]), np.array([30.0, 31.0])
    out = from_wgs84(lon, lat, Datum.WGS84)
    assert np.array_equal(out[0], lon)
    assert np.array_equal(out[1], lat)
    to_wgs84(lon, lat, Datum.BD09)
    assert lon.tolist() == [114.0, 115.0]


def test_shapes_broadcast_and_missing_values_stay_missing() -> None:
    lon, lat = to_wgs84([[114.0], [np.nan]], [30.0, 31.0, np.inf], Datum.GCJ02)
    assert lon.shape == lat.shape == (2, 3)
    assert np.isnan(lon[1]).all()
    assert np.isinf(lat[:, 2]).all()
    empty = to_wgs84([], [], Datum.GCJ02)
    assert empty[0].shape == (0,)


def near_roads(n: int = 200) -> FloatArray:
    """Distances as the right datum gives them: a few tens of metres, 1 % farther than 100 m."""
    return np.quantile(
        np.random.default_rng(0).exponential(22.0, 100_000), np.linspace(0, 0.995, n)
    )


def shifted(distance_m: FloatArray, *, far_every: int = 5) -> FloatArray:
    """Distances under a wrong datum: as before, but every fifth point falls off the roads."""
    out = distance_m.copy()
    out[::far_every] += 150.0
    return out


def test_a_markedly_better_datum_is_reported_with_both_figures() -> None:
    right = near_roads()
    wrong = shifted(right)
    fit = compute_datum_fit(
        {Datum.WGS84: wrong, Datum.GCJ02: right, Datum.BD09: shifted(right, far_every=3)},
        declared=Datum.WGS84,
    )
    assert fit.better is Datum.GCJ02
    assert fit.compared == 200
    notice = describe_datum_fit(fit, file="stations.csv")
    assert notice is not None
    assert notice.file == "stations.csv"
    for distances in (wrong, right):
        assert f"{np.median(distances):.0f} m in the median" in notice.what
        assert f"{np.percentile(distances, 90):.0f} m at the 90th" in notice.what


def test_the_right_datum_raises_no_suspicion() -> None:
    right = near_roads()
    fit = compute_datum_fit(
        {Datum.WGS84: right, Datum.GCJ02: shifted(right), Datum.BD09: shifted(right)},
        declared=Datum.WGS84,
    )
    assert fit.better is None
    assert describe_datum_fit(fit, file="stations.csv") is None


@pytest.mark.parametrize(
    ("declared_m", "other_m"),
    [
        (shifted(near_roads(10)), near_roads(10)),  # too few to tell
        (near_roads() * 1.1, near_roads()),  # closer, but not markedly
        (np.full(100, 5_000.0), np.full(100, 3_000.0)),  # all off the network
        (np.full(50, np.nan), np.full(50, 10.0)),
        (np.empty(0), np.empty(0)),
    ],
)
def test_weak_evidence_is_no_suspicion(declared_m: FloatArray, other_m: FloatArray) -> None:
    fit = compute_datum_fit({Datum.WGS84: declared_m, Datum.GCJ02: other_m}, declared=Datum.WGS84)
    assert fit.better is None


def test_points_off_the_network_do_not_hide_the_evidence() -> None:
    near = near_roads()
    far = np.full(500, 9_000.0)
    fit = compute_datum_fit(
        {Datum.WGS84: np.r_[shifted(near), far], Datum.GCJ02: np.r_[near, far]},
        declared=Datum.WGS84,
    )
    assert fit.compared == 200
    assert fit.better is Datum.GCJ02
