"""The still map: sites stand where the plan's own map has them, and nothing leaves the picture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from siting.outputs.map_geometry import pack_integers, pack_lines, unpack_lines
from siting.outputs.map_payload import build_map_payload
from siting.outputs.page import PageLanguage, Phrases
from siting.outputs.report_map import (
    FLATTEST,
    TALLEST,
    WIDTH,
    Sheet,
    build_sheet,
    find_density_steps,
    get_tier_look,
    read_places,
    render_ground,
    render_scale,
)
from siting.outputs.site_list import build_records, build_site_list

if TYPE_CHECKING:
    from collections.abc import Callable

    from siting.plan import SitingPlan

TILES = """\
map:
  tiles:
    url: https://tiles.example/{z}/{x}/{y}.png
    datum: gcj02
    attribution: example
"""
WORDS = Phrases(texts={})
SQUARE = np.array([[0, 0], [1000, 0], [1000, 1000], [0, 1000]])


@pytest.mark.parametrize("tiles", ["", TILES])
def test_sites_stand_where_the_map_has_them(
    build_toy_plan: Callable[..., SitingPlan], tiles: str
) -> None:
    plan = build_toy_plan(tiles=tiles)
    drawing = build_map_payload(plan)
    assert drawing["datum"] == ("gcj02" if tiles else "wgs84")
    places = read_places(drawing, build_records(build_site_list(plan)))
    (drawn,) = unpack_lines(drawing["sites"]["point"])
    assert np.abs(places - drawn).max() <= 1


def test_a_sheet_shows_all_points_and_stays_in_its_shape() -> None:
    drawing = {"extent_m": [-9000, -9000, 9000, 9000]}
    for points in (
        np.array([[0, 0], [50_000, 10]]),
        np.array([[0, 0], [10, 50_000]]),
        np.empty((0, 2)),
    ):
        sheet = build_sheet(drawing, points)
        assert sheet.holds(points).all()
        assert round(FLATTEST * WIDTH) <= sheet.height <= round(TALLEST * WIDTH) + 1
        placed = sheet.place(points)
        assert ((placed >= 0) & (placed <= (WIDTH, sheet.height))).all()
    assert build_sheet(drawing, np.empty((0, 2))).holds(np.array([[-9000, 9000]])).all()


def test_north_is_up_for_points_and_for_shapes() -> None:
    sheet = Sheet(west=100, south=0, east=2100, north=1400)
    ends = np.array([[100, 0], [2100, 1400]])
    assert sheet.place(ends).tolist() == [[0, 1400], [2000, 0]]
    (line,) = sheet.clip(np.array([shapely.LineString(ends)], dtype=object))
    assert shapely.get_coordinates(line).tolist() == [[0, 1400], [2000, 0]]


def test_what_is_cut_lies_in_the_picture() -> None:
    sheet = Sheet(west=0, south=0, east=2000, north=1400)
    (cut,) = sheet.clip(np.array([shapely.LineString([(-500, 700), (3000, 700)])], dtype=object))
    assert shapely.get_coordinates(cut).tolist() == [[0, 700], [2000, 700]]


def make_drawing(*, wanted: list[int], hole: bool = False) -> dict[str, Any]:
    """Return areas of a square kilometre in a row at the equator, and nothing else."""
    rings, counts = [], []
    for k in range(len(wanted)):
        rings.append(np.add(SQUARE, (2000 * k, 0)))
        counts.append(1)
        if hole and k == 0:
            rings.append(SQUARE // 2 + 250)
            counts[0] = 2
    nothing = pack_lines([])
    return {
        "origin_m": [0, 0],
        "extent_m": [0, 0, 10_000, 5_000],
        "areas": {
            "kwh_step": 0.1,
            "rings": pack_integers(counts),
            "shape": pack_lines(rings),
            "wanted": [pack_integers(wanted)],
        },
        "roads": [],
        "districts": {"id": [], "name": [], "rings": "", "shape": nothing, "label": nothing},
        "stations": {"id": [], "point": nothing},
    }


def test_demand_is_told_apart_by_density() -> None:
    # 100, 200, …, 500 kWh a day on a square kilometre each; nothing is no demand.
    drawing = make_drawing(wanted=[1000, 2000, 3000, 4000, 5000, 0])
    assert find_density_steps(drawing) == [200.0, 300.0, 400.0]
    assert find_density_steps(make_drawing(wanted=[0, 0])) == []
    # The hole takes a quarter of the first square away, so its density is a third more.
    assert find_density_steps(make_drawing(wanted=[3000], hole=True)) == [400.0]


def test_a_hole_stays_open_and_areas_keep_their_place() -> None:
    drawing = make_drawing(wanted=[1000], hole=True)
    sheet = Sheet(west=0, south=0, east=2000, north=1400)
    ground = render_ground(sheet, drawing, WORDS, sites=np.empty((0, 2), dtype=np.int64))
    (path,) = re.findall(r'<path d="([^"]*)" fill="[^"]*" fill-rule="evenodd"/>', ground)
    assert path.count("M") == 2
    assert path.count("z") == 2
    assert {"0 1400", "0 400"} & set(re.findall(r"M(\d+ \d+)l", path))


def test_the_scale_is_true_on_the_ground() -> None:
    # At the equator a metre of the drawing is one on the ground; at 60° it is half of one.
    sheet = Sheet(west=0, south=0, east=30_000, north=20_000)
    south, north = (render_scale(sheet, {"origin_m": [0, y]}) for y in (0, 8_399_738))
    assert "h333v" in south
    assert ">5 km<" in south
    assert "h267v" in north
    assert ">2 km<" in north


def test_names_keep_clear_of_sites_and_are_in_the_languages_asked() -> None:
    drawing = make_drawing(wanted=[1000])
    drawing["districts"] = {
        "id": ["D"],
        "name": [{"en": "Old <b>", "zh": "老城"}],
        "rings": pack_integers([1]),
        "shape": pack_lines([SQUARE]),
        "label": pack_lines([np.array([[1000, 700]])]),
    }
    sheet = Sheet(west=0, south=0, east=2000, north=1400)

    def render(sites: list[list[int]], language: PageLanguage = PageLanguage.EN) -> str:
        words = Phrases(texts={}, language=language)
        return render_ground(sheet, drawing, words, sites=np.array(sites).reshape(-1, 2))

    (free,) = re.findall(r'y="(\d+)"[^>]*>Old &lt;b&gt;<', render([]))
    (moved,) = re.findall(r'y="(\d+)"[^>]*>Old &lt;b&gt;<', render([[1000, int(free) - 10]]))
    assert free == "700"
    assert moved != free
    assert "老城" not in render([])
    assert "Old" not in render([], PageLanguage.ZH)
    assert 'class="district zh"' in render([], PageLanguage.BOTH)


def test_larger_tiers_are_larger_and_darker() -> None:
    looks = [get_tier_look(k, 5) for k in range(5)]
    radii = [radius for _, radius in looks]
    assert radii == sorted(radii)
    assert radii[0] < radii[-1]
    assert get_tier_look(0, 1)
