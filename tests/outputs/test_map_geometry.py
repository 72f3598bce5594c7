"""Packing is lossless; the projection is EPSG:3857; every street is drawn once."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer

from siting.domain import Datum
from siting.outputs import map_geometry
from siting.outputs.map_geometry import (
    MapProjection,
    pack_integers,
    pack_lines,
    pack_roads,
    unpack_integers,
    unpack_lines,
)

if TYPE_CHECKING:
    from siting.plan import SitingPlan


def read_plainly(text: str) -> list[int]:
    """Read the packing the plain way, one byte after the other."""
    values, value, shift = [], 0, 0
    for octet in base64.b64decode(text):
        value |= (octet & 127) << shift
        shift += 7
        if octet < 128:
            values.append((value >> 1) ^ -(value & 1))
            value = shift = 0
    return values


def test_small_numbers_take_one_byte() -> None:
    assert base64.b64decode(pack_integers([0, -1, 1, 63, -64])) == bytes([0, 1, 2, 126, 127])
    assert base64.b64decode(pack_integers([64])) == bytes([0b1000_0000, 1])


@given(st.lists(st.integers(-(2**30), 2**30)))
def test_integers_come_back(values: list[int]) -> None:
    packed = pack_integers(values)
    assert read_plainly(packed) == values
    assert unpack_integers(packed).tolist() == values


def test_a_number_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        pack_integers([2**30 + 1])


def test_lines_come_back() -> None:
    lines = [np.array([[5, -7], [9, 9]]), np.array([[0, 0], [1, 0], [1, 1]])]
    for line, back in zip(lines, unpack_lines(pack_lines(lines)), strict=True):
        np.testing.assert_array_equal(line, back)
    assert pack_lines([]) == {"n": 0, "counts": "", "steps": ""}
    assert unpack_lines(pack_lines([])) == []


def test_metres_are_those_of_web_mercator() -> None:
    lon, lat = np.array([114.3, -0.1, 179.9]), np.array([30.6, 51.5, -60.0])
    metres = MapProjection(origin_m=(10, 20)).points_m(lon, lat)
    x_m, y_m = Transformer.from_crs(4326, 3857, always_xy=True).transform(lon, lat)
    np.testing.assert_allclose(metres + np.array([10, 20]), np.column_stack([x_m, y_m]), atol=0.51)


def test_a_shifted_base_map_moves_what_is_drawn() -> None:
    plain, shifted = MapProjection(), MapProjection(datum=Datum.GCJ02)
    lon, lat = np.array([114.3]), np.array([30.6])
    moved_m = np.hypot(*(shifted.points_m(lon, lat) - plain.points_m(lon, lat))[0])
    assert 300 < moved_m < 1000


def test_rings_are_open_and_holes_are_kept() -> None:
    outside = shapely.box(114.30, 30.60, 114.32, 30.62)
    holed = outside.difference(shapely.box(114.305, 30.605, 114.31, 30.61))
    rings = MapProjection().rings_m(holed, tolerance_m=1.0)
    assert [len(ring) for ring in rings] == [4, 4]


def test_each_street_is_drawn_once_and_joined(toy_plan: SitingPlan) -> None:
    packed = {road["rank"]: road for road in pack_roads(toy_plan.case.roads, MapProjection())}
    assert set(packed) == {rank for rank, _ in map_geometry.ROAD_RANKS}
    (line,) = unpack_lines(packed["primary"])
    # Three nodes in a row, one of them given in both directions: one straight line is left.
    assert len(line) == 2
    length_m = np.hypot(*(line[1] - line[0]))
    assert length_m == pytest.approx(2 * 0.01 * np.pi / 180 * 6378137, abs=2)
    assert packed["minor"]["n"] == 0


def test_unknown_classes_are_minor(toy_plan: SitingPlan) -> None:
    roads = replace(toy_plan.case.roads, highway_classes=("['primary', 'service']",))
    packed = {road["rank"]: road["n"] for road in pack_roads(roads, MapProjection())}
    assert packed["minor"] == 1
    assert packed["primary"] == 0


def test_too_many_roads_lose_the_smallest_classes(
    toy_plan: SitingPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_geometry, "MAX_ROAD_VERTICES", 1)
    packed = pack_roads(toy_plan.case.roads, MapProjection())
    assert [road["rank"] for road in packed] == ["motorway"]
