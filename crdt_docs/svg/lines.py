"""Lines with heads: those of shapes and of connectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from crdt_docs.svg.colors import Color
from crdt_docs.svg.geometry import Box, Point, around
from crdt_docs.svg.markup import Markup, element, joined
from crdt_docs.svg.paths import smooth, straight

Head: TypeAlias = Literal["none", "arrow", "circle", "diamond", "bar"]

_HEADS: Final[dict[str, Head]] = {
    "arrow": "arrow",
    "triangle": "arrow",
    "open": "arrow",
    "filled": "arrow",
    "true": "arrow",
    "circle": "circle",
    "dot": "circle",
    "oval": "circle",
    "diamond": "diamond",
    "bar": "bar",
    "line": "bar",
    "none": "none",
    "false": "none",
}
_HALF_ANGLE: Final = math.radians(24)


class Pen(NamedTuple):
    """How a line is drawn."""

    color: Color
    width: float
    dashes: str | None = None

    @property
    def head_length(self) -> float:
        """Of an arrow head, pixels."""
        return 7 + 2.6 * self.width


def head_of(value: object, otherwise: Head) -> Head:
    """The head that a client asked for."""
    if isinstance(value, bool):
        return "arrow" if value else "none"
    if isinstance(value, str):
        return _HEADS.get(value.strip().lower(), otherwise)
    return otherwise


def line_with_heads(
    points: Sequence[Point], pen: Pen, start: Head, end: Head, *, is_curved: bool = False
) -> tuple[Markup, Box]:
    """A line through at least two points, and what it covers."""
    shaft = list(points)
    heads = []
    for at, inner, head in ((0, 1, start), (-1, -2, end)):
        tip = points[at]
        back = next((each for each in _from(points, inner) if each != tip), tip)
        if head != "none" and back != tip:
            heads.append(_head(head, tip, back, pen))
            if head == "arrow":  # the line ends within its head, not beyond the tip
                reach = min(pen.head_length * 0.7, math.dist(tip, points[inner]) * 0.9)
                shaft[at] = tip.towards(points[inner], reach)
    drawn = element(
        "path",
        d=smooth(shaft) if is_curved else straight(shaft),
        fill="none",
        stroke=pen.color.hex,
        stroke_opacity=pen.color.opacity,
        stroke_width=pen.width,
        stroke_linecap="round",
        stroke_linejoin="round",
        stroke_dasharray=pen.dashes,
    )
    margin = pen.width / 2 + (pen.head_length / 2 if heads else 0)
    return joined(drawn, *heads), around(points).inset(-margin, -margin)


def _from(points: Sequence[Point], inner: int) -> list[Point]:
    """The points after the first, or before the last, nearest first."""
    return list(points[1:]) if inner == 1 else list(points[-2::-1])


def _head(head: Head, tip: Point, back: Point, pen: Pen) -> Markup:
    length = pen.head_length
    base = tip.towards(back, length)
    if head == "arrow":
        wide = math.tan(_HALF_ANGLE) * length
        return _polygon([tip, *_beside(base, tip, wide)], pen)
    if head == "diamond":
        wide = length * 0.35
        first, second = _beside(tip.middle(base), tip, wide)
        return _polygon([tip, first, base, second], pen)
    if head == "bar":
        first, second = _beside(tip, base, length * 0.5)
        return element(
            "line",
            x1=first.x,
            y1=first.y,
            x2=second.x,
            y2=second.y,
            stroke=pen.color.hex,
            stroke_opacity=pen.color.opacity,
            stroke_width=pen.width,
            stroke_linecap="round",
        )
    radius = length * 0.36
    return element(
        "ellipse",
        cx=tip.x,
        cy=tip.y,
        rx=radius,
        ry=radius,
        fill=pen.color.hex,
        fill_opacity=pen.color.opacity,
    )


def _beside(place: Point, towards: Point, distance: float) -> tuple[Point, Point]:
    """The two points beside a place, across the direction to another."""
    length = math.dist(place, towards) or 1.0
    x = -(towards.y - place.y) / length * distance
    y = (towards.x - place.x) / length * distance
    return Point(place.x + x, place.y + y), Point(place.x - x, place.y - y)


def _polygon(points: Sequence[Point], pen: Pen) -> Markup:
    return element(
        "path",
        d=straight(points) + "Z",
        fill=pen.color.hex,
        fill_opacity=pen.color.opacity,
        stroke=pen.color.hex,
        stroke_opacity=pen.color.opacity,
        stroke_width=min(pen.width, 2) * 0.6,
        stroke_linejoin="round",
    )
