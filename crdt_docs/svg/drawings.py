"""Freehand drawings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from crdt_docs.svg.colors import Color
from crdt_docs.svg.geometry import Box, Point, around
from crdt_docs.svg.items import Drawn, Item
from crdt_docs.svg.markup import Markup, element, joined
from crdt_docs.svg.paths import (
    BYTES_A_POINT,
    MOST_POINTS,
    Stroke,
    points_of,
    smooth,
    straight,
    strokes_of_path,
)
from crdt_docs.svg.values import WIDEST_LINE, Properties

MOST_STROKES: Final = 2_000
_INK: Final = Color(0x1F, 0x29, 0x37)
_PEN: Final = 3.0


def draw_drawing(item: Item) -> Drawn:
    """Its strokes, laid into its box: where it was resized, they were not.

    `strokes` is a list of strokes, each a list of points, path data, or a map with `points` or
    `path` and a colour and a width of its own; else `points` or `path` is the only one. Without a
    size, points count from its position.
    """
    found = list(_strokes(item.properties))
    everything = [place for stroke, _ in found for place in stroke]
    if not everything:
        return Drawn(_place(item.box), item.box)
    scale = _Scale(around(everything), item)
    drawn, widest = [_place(scale.target)], 0.0
    if len(everything) >= MOST_POINTS:
        drawn.insert(0, element("title", f"Only the first {MOST_POINTS} points are drawn."))
    for stroke, properties in found:
        width = _width(properties, item)
        drawn.append(_draw([scale.of(place) for place in stroke], properties, item, width))
        widest = max(widest, width)
    return Drawn(joined(*drawn), scale.target.inset(-widest / 2, -widest / 2))


class _Scale:
    """Takes points to where they are on the board.

    Attributes:
        target: what the points cover there.
    """

    def __init__(self, source: Box, item: Item) -> None:
        box = item.box
        if not item.has_size:
            box = Box(box.x + source.x, box.y + source.y, source.width, source.height)
        self._source = source
        self.target = box

    def of(self, place: Point) -> Point:
        """A point on the board."""
        source, target = self._source, self.target
        return Point(
            _between(place.x, source.x, source.width, target.x, target.width),
            _between(place.y, source.y, source.height, target.y, target.height),
        )


def _between(value: float, start: float, length: float, to: float, room: float) -> float:
    """A coordinate of one stretch in another; in its middle where the first has no length."""
    return to + ((value - start) / length if length else 0.5) * room


def _strokes(properties: Properties) -> Iterator[tuple[Stroke, Properties]]:
    given = properties.first("strokes", "paths", "lines")
    sources = given[:MOST_STROKES] if isinstance(given, list) else []
    room = MOST_POINTS
    for source in sources or [properties.first("points", "path", "d", "svg_path")]:
        own = Properties(source)
        inner: Any = source
        if isinstance(source, Mapping):
            inner = own.first("points", "path", "d")
        if isinstance(inner, str):  # what cannot be read costs time as well
            room -= len(inner) // BYTES_A_POINT
        for stroke in _points(inner, room):
            room -= len(stroke)
            yield stroke, own


def _points(source: object, room: int) -> list[Stroke]:
    if room <= 0:
        return []
    if isinstance(source, str):
        return strokes_of_path(source, room)
    found = points_of(source, room)
    return [found] if found else []


def _width(own: Properties, item: Item) -> float:
    """Of a stroke: its own, or that of all of them."""
    width = own.number("width", "size", low=0, high=WIDEST_LINE)
    return own.line_width(item.properties.line_width(_PEN)) if width is None else width


def _draw(points: Stroke, properties: Properties, item: Item, width: float) -> Markup:
    names = ("stroke", "stroke_color", "strokeColor", "color")
    color = properties.color(*names) or item.properties.color(*names) or _INK
    if len(points) == 1:
        (dot,) = points
        radius = max(width, 1.0) / 2
        return element(
            "ellipse",
            cx=dot.x,
            cy=dot.y,
            rx=radius,
            ry=radius,
            fill=color.hex,
            fill_opacity=color.opacity,
        )
    fill = item.properties.color("fill", "fill_color", "fillColor")
    is_filled = fill is not None and fill.alpha > 0
    return element(
        "path",
        d=straight(points) if item.properties.word("smoothing") == "none" else smooth(points),
        fill=fill.hex if fill is not None and is_filled else "none",
        fill_opacity=fill.opacity if fill is not None and is_filled else None,
        stroke=color.hex,
        stroke_opacity=color.opacity,
        stroke_width=width,
        stroke_linecap="round",
        stroke_linejoin="round",
        stroke_dasharray=item.properties.dashes(width),
    )


def _place(box: Box) -> Markup:
    return element("rect", x=box.x, y=box.y, width=box.width, height=box.height, fill="none")
