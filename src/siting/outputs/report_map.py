"""A still map: one inline SVG drawn from what a written plan's own map shows.

It has no script and no style but the page's. Positions are whole units of a picture `WIDTH` wide,
which is fine enough for paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from siting.domain import METRES_PER_KM, Datum
from siting.outputs.map_geometry import (
    EARTH_RADIUS_M,
    MapProjection,
    unpack_integers,
    unpack_lines,
)
from siting.outputs.page import Both, PageLanguage, Phrases, escape
from siting.outputs.written_plan import as_both

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WIDTH = 2000
TALLEST, FLATTEST = 0.72, 0.62
"""Height of the picture over its width, at most and at least."""
MARGIN = 0.06
LEAST_M = 3_000.0
DENSITY_COLOURS = ("#f1eef6", "#dfdaec", "#c9c1de", "#aca0cb", "#8a7cb2")
TIER_COLOURS = ("#fdb46b", "#e4700f", "#8f3303")
"""From the smallest tier to the largest: told apart by lightness alone, and by size."""
TIER_RADII = (20, 25, 30)
INK, PAPER, STATION = "#2a2630", "#fffefb", "#17497d"
DRAWN_ROADS = {
    "motorway": ("#b3aca0", 5.0),
    "primary": ("#c4bdb1", 3.0),
    "secondary": ("#d9d3c8", 2.0),
}
STATION_KEY = (
    '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect x="1" y="1" width="8" '
    f'height="8" fill="{PAPER}" stroke="{STATION}" stroke-width="2"/></svg>'
)
NAME_ROOM = (110, 42)
"""Half the room that a district's name wants, dots included."""
NAME_SHIFTS = (0, 45, -45, 90, -90, 135, -135)
SCALES_KM = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
SCALE_SHARE = 0.2
"""The scale is the longest that takes no more of the picture's width."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Where a picture lies: its edges in the drawing's metres, x to the east and y to the north."""

    west: float
    south: float
    east: float
    north: float

    @property
    def height(self) -> int:
        """Height of the picture, in its units."""
        return round(WIDTH * (self.north - self.south) / (self.east - self.west))

    @property
    def unit_m(self) -> float:
        """Metres of the drawing in one unit of the picture."""
        return (self.east - self.west) / WIDTH

    def place(self, points_m: NDArray[Any]) -> NDArray[np.int64]:
        """Return (n, 2) whole units of the picture, y downwards."""
        x = (points_m[:, 0] - self.west) / self.unit_m
        y = (self.north - points_m[:, 1]) / self.unit_m
        return np.rint(np.column_stack([x, y])).astype(np.int64)

    def clip(self, shapes: NDArray[Any]) -> NDArray[Any]:
        """Return shapes cut to the picture, in its units and simplified to them."""
        cut = shapely.clip_by_rect(shapes, self.west, self.south, self.east, self.north)
        moved = shapely.transform(
            cut,
            lambda xy: np.column_stack(
                [(xy[:, 0] - self.west) / self.unit_m, (self.north - xy[:, 1]) / self.unit_m]
            ),
        )
        return np.asarray(shapely.simplify(moved, 1.0))

    def holds(self, points_m: NDArray[Any]) -> NDArray[np.bool_]:
        """(n,) whether each point lies in the picture."""
        low, high = (self.west, self.south), (self.east, self.north)
        return np.asarray(((points_m >= low) & (points_m <= high)).all(axis=1))


def build_sheet(drawing: dict[str, Any], points_m: NDArray[Any]) -> Sheet:
    """Return the picture that shows all points; the whole study area if there is none."""
    low_x, low_y, high_x, high_y = (float(v) for v in drawing["extent_m"])
    if len(points_m):
        (low_x, low_y), (high_x, high_y) = points_m.min(axis=0), points_m.max(axis=0)
    width, height = max(high_x - low_x, LEAST_M), max(high_y - low_y, LEAST_M)
    width, height = (side * (1 + 2 * MARGIN) for side in (width, height))
    width = max(width, height / TALLEST)
    height = max(height, width * FLATTEST)
    x, y = (low_x + high_x) / 2, (low_y + high_y) / 2
    return Sheet(west=x - width / 2, south=y - height / 2, east=x + width / 2, north=y + height / 2)


def read_places(drawing: dict[str, Any], rows: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """Return (n, 2) metres of the drawing of rows with ``longitude`` and ``latitude``."""
    x, y = drawing["origin_m"]
    project = MapProjection(datum=Datum(drawing["datum"]), origin_m=(int(x), int(y)))
    if not rows:
        return np.empty((0, 2), dtype=np.int64)
    lon, lat = (np.array([float(row[k]) for row in rows]) for k in ("longitude", "latitude"))
    return project.points_m(lon, lat)


def render_ground(
    sheet: Sheet, drawing: dict[str, Any], words: Phrases, *, sites: NDArray[np.int64]
) -> str:
    """Return what lies under the sites: demand, roads, districts with their names, stations.

    Parameters
    ----------
    sheet, drawing
        The picture, and what the plan's map shows.
    words
        For the languages of the names.
    sites
        (n, 2) places in the picture that names keep clear of.
    """
    return (
        f'<rect width="{WIDTH}" height="{sheet.height}" fill="{PAPER}"/>'
        + _render_demand(sheet, drawing)
        + _render_roads(sheet, drawing)
        + _render_stations(sheet, drawing)
        + _render_districts(sheet, drawing, words, sites)
    )


def find_density_steps(drawing: dict[str, Any]) -> list[float]:
    """Return the lower ends of the classes of demand (kWh/day/km²), rounded, the first above 0."""
    _, density = _read_demand(drawing)
    wanted = density[density > 0]
    if not wanted.size:
        return []
    ends = np.quantile(wanted, np.arange(1, len(DENSITY_COLOURS)) / len(DENSITY_COLOURS))
    return sorted({_to_one_digit(float(end)) for end in ends})


def render_svg(sheet: Sheet, content: str, *, labelled_by: str) -> str:
    """Return the picture as an image that its caption names."""
    return (
        f'<svg class="map" viewBox="0 0 {WIDTH} {sheet.height}" role="img" '
        f'aria-labelledby="{labelled_by}">{content}</svg>'
    )


def render_scale(sheet: Sheet, drawing: dict[str, Any]) -> str:
    """Return a bar of a round number of kilometres, as long as it is at the picture's middle."""
    per_km = METRES_PER_KM / (sheet.unit_m * _true_metre(drawing))
    km = max((k for k in SCALES_KM if k * per_km <= SCALE_SHARE * WIDTH), default=SCALES_KM[0])
    left, y, length = 50, sheet.height - 50, round(km * per_km)
    return (
        f'<path d="M{left} {y - 14}v14h{length}v-14" fill="none" stroke="{INK}" stroke-width="4"/>'
        + _halo(left + length + 16, y, f"{km:g} km", size=34, anchor="start")
    )


def render_dot(
    x: int, y: int, *, radius: int, fill: str, stroke: str = "#ffffff", width: int = 4
) -> str:
    """Return a circle."""
    return (
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="{width}"/>'
    )


def render_dot_key(fill: str, radius: int, *, stroke: str = "#ffffff") -> str:
    """Return a circle for the legend."""
    dot = render_dot(32, 32, radius=radius, fill=fill, stroke=stroke)
    return f'<svg class="dot" viewBox="0 0 64 64" aria-hidden="true">{dot}</svg>'


def render_number(x: int, y: int, number: int, *, fill: str) -> str:
    """Return a site's number, in the middle of its circle, light on dark and dark on light."""
    ink = "#ffffff" if fill in TIER_COLOURS[1:] else INK
    return (
        f'<text x="{x}" y="{y + 9}" text-anchor="middle" font-size="27" font-weight="700" '
        f'fill="{ink}">{number}</text>'
    )


def get_tier_look(tier: int, n_tier: int) -> tuple[str, int]:
    """Return a tier's colour and radius, by its place among the tiers."""
    place = round(tier * (len(TIER_COLOURS) - 1) / (n_tier - 1)) if n_tier > 1 else 1
    return TIER_COLOURS[place], TIER_RADII[place]


def _render_demand(sheet: Sheet, drawing: dict[str, Any]) -> str:
    shapes, density = _read_demand(drawing)
    if not len(shapes):
        return ""
    steps = find_density_steps(drawing)
    of_class = np.searchsorted(steps, density, side="right")
    parts = []
    for k, colour in enumerate(DENSITY_COLOURS[: len(steps) + 1]):
        taken = (of_class == k) & (density > 0)
        if taken.any():
            # Neighbours of a class are one shape: no hair between them, and fewer points.
            whole = shapely.union_all(shapes[taken], grid_size=1.0)
            (cut,) = sheet.clip(np.array([whole]))
            parts.append(f'<path d="{_area_path(cut)}" fill="{colour}" fill-rule="evenodd"/>')
    return "".join(parts)


def _read_demand(drawing: dict[str, Any]) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the areas that demand is shown in, and what each wants (kWh/day/km²)."""
    areas = drawing["areas"]
    shapes = _read_polygons(areas)
    if not len(shapes):
        return shapes, np.zeros(0)
    steps = np.sum([unpack_integers(row) for row in areas["wanted"]], axis=0)
    km2 = shapely.area(shapes) * (_true_metre(drawing) / METRES_PER_KM) ** 2
    wanted = steps * float(areas["kwh_step"])
    return shapes, np.divide(wanted, km2, out=np.zeros(len(shapes)), where=km2 > 0)


def _read_polygons(packed: dict[str, Any]) -> NDArray[Any]:
    """Return polygons of which rings were packed one after the other; holes by even and odd."""
    rings = [shapely.Polygon(line) for line in unpack_lines(packed["shape"])]
    shapes, start = [], 0
    for n in unpack_integers(packed["rings"]):
        shape: shapely.Geometry = shapely.Polygon()
        for ring in rings[start : start + n]:
            shape = shapely.symmetric_difference(shape, shapely.make_valid(ring))
        shapes.append(shape)
        start += n
    return np.array(shapes, dtype=object)


def _render_roads(sheet: Sheet, drawing: dict[str, Any]) -> str:
    parts = []
    for packed in reversed(drawing["roads"]):
        if packed["rank"] not in DRAWN_ROADS:
            continue
        colour, width = DRAWN_ROADS[packed["rank"]]
        lines = np.array([shapely.LineString(line) for line in unpack_lines(packed)], dtype=object)
        if len(lines):
            path = "".join(_line_path(line) for line in shapely.get_parts(sheet.clip(lines)))
            parts.append(
                f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
                'stroke-linejoin="round"/>'
            )
    return "".join(parts)


def _render_districts(
    sheet: Sheet, drawing: dict[str, Any], words: Phrases, sites: NDArray[np.int64]
) -> str:
    districts = drawing["districts"]
    shapes = _read_polygons(districts)
    if not len(shapes):
        return ""
    borders = sheet.clip(shapely.boundary(shapes))
    path = "".join(_line_path(line) for line in shapely.get_parts(borders))
    parts = [f'<path d="{path}" fill="none" stroke="#8f8996" stroke-width="3"/>']
    labels = np.concatenate(unpack_lines(districts["label"]))
    for name, where, (x, y) in zip(
        districts["name"], sheet.holds(labels), sheet.place(labels), strict=True
    ):
        if where:
            y_clear = int(y) + _find_clear_shift(sites - (x, y))
            parts.append(_label(int(x), y_clear, as_both(name), words))
    return "".join(parts)


def _render_stations(sheet: Sheet, drawing: dict[str, Any]) -> str:
    lines = unpack_lines(drawing["stations"]["point"])
    if not lines:
        return ""
    points = np.concatenate(lines)
    path = "".join(
        f"M{x - 8} {y - 8}h16v16h-16z" for x, y in sheet.place(points[sheet.holds(points)])
    )
    return f'<path d="{path}" fill="{PAPER}" stroke="{STATION}" stroke-width="4"/>'


def _find_clear_shift(sites: NDArray[np.int64]) -> int:
    """Return how far a name moves up or down so that no site covers it; 0 if none is clear."""
    width, height = NAME_ROOM
    for shift in NAME_SHIFTS:
        off = np.abs(sites - (0, shift - height // 4))
        if not ((off[:, 0] < width) & (off[:, 1] < height)).any():
            return shift
    return 0


def _label(x: int, y: int, name: Both, words: Phrases) -> str:
    """Return a district's name, one text a language."""
    if name.en == name.zh or words.language is PageLanguage.EN:
        return _halo(x, y, name.en, css_class="district")
    if words.language is PageLanguage.ZH:
        return _halo(x, y, name.zh, css_class="district")
    return _halo(x, y, name.en, css_class="district en") + _halo(
        x, y, name.zh, css_class="district zh"
    )


def _halo(
    x: int, y: int, text: str, *, size: int = 36, anchor: str = "middle", css_class: str = ""
) -> str:
    named = f' class="{css_class}"' if css_class else ""
    return (
        f'<text{named} x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}" fill="{INK}" '
        f'stroke="{PAPER}" stroke-width="9" stroke-linejoin="round" paint-order="stroke">'
        f"{escape(text)}</text>"
    )


def _area_path(shape: shapely.Geometry) -> str:
    rings = shapely.get_rings(shapely.get_parts(shape))
    return "".join(f"{path}z" for path in map(_line_path, rings) if path)


def _line_path(line: shapely.Geometry) -> str:
    """Return a line in whole units, step by step."""
    points = np.rint(shapely.get_coordinates(line)).astype(np.int64)
    steps = np.diff(points, axis=0)
    steps = steps[(steps != 0).any(axis=1)]
    if not len(steps):
        return ""
    x, y = points[0]
    return f"M{x} {y}l" + " ".join(f"{dx} {dy}" for dx, dy in steps)


def _true_metre(drawing: dict[str, Any]) -> float:
    """Return the metres on the ground of a metre of the drawing, at its middle."""
    north_m = float(drawing["origin_m"][1])
    return math.cos(2 * math.atan(math.exp(north_m / EARTH_RADIUS_M)) - math.pi / 2)


def _to_one_digit(value: float) -> float:
    return float(f"{value:.0e}")
