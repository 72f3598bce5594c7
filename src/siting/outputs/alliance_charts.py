"""The bars of the joint investment's page: plain SVG, with no text and no style of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BRAND_COLOURS = (
    "#1b6ca8",
    "#d98c1f",
    "#2a8f6d",
    "#b05a94",
    "#6aaed6",
    "#8a6d3b",
    "#4b4e9e",
    "#c9b23a",
    "#7aa33c",
    "#8c8c8c",
    "#a3425d",
    "#3f8f9a",
)
"""The map's own colours of the brands, in the study's order."""
TRACK, INK = "#ece7dd", "#2a2630"
LENGTH = 1000


def render_bar(share: float, *, colour: str) -> str:
    """Return a bar that is filled to a share from 0 to 1."""
    filled = round(LENGTH * min(max(share, 0.0), 1.0))
    return _svg(_box(0, LENGTH, TRACK) + _box(0, filled, colour))


def render_stack(parts: Sequence[float], *, least: float, most: float) -> str:
    """Return parts laid end to end from a zero line, those below zero to its left.

    Parameters
    ----------
    parts
        The parts, in the brands' order.
    least, most
        Ends of the scale: what all bars of one chart share.
    """
    scale = LENGTH / ((most - least) or 1.0)
    zero = -least * scale
    left = right = zero
    boxes = []
    for part, colour in zip(parts, BRAND_COLOURS, strict=False):
        width = abs(part) * scale
        if part < 0:
            left -= width
            boxes.append(_box(left, width, colour))
        else:
            boxes.append(_box(right, width, colour))
            right += width
    line = f'<path d="M{zero:.1f} 0V10" stroke="{INK}" stroke-width="4"/>' if least < 0 else ""
    return _svg("".join(boxes) + line, css_class="stack")


def render_swatch(index: int) -> str:
    """Return a brand's colour as a small square."""
    colour = BRAND_COLOURS[index % len(BRAND_COLOURS)]
    return (
        '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect width="10" height="10" fill="{colour}"/></svg>'
    )


def _box(start: float, width: float, colour: str) -> str:
    return f'<rect x="{start:.1f}" width="{width:.1f}" height="10" fill="{colour}"/>'


def _svg(content: str, *, css_class: str = "bar") -> str:
    return (
        f'<svg class="{css_class}" viewBox="0 0 {LENGTH} 10" preserveAspectRatio="none" '
        f'aria-hidden="true">{content}</svg>'
    )
