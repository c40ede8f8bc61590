"""Connectors between objects, or between points of the board."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from crdt_docs.svg.colors import Color
from crdt_docs.svg.geometry import Box, Point
from crdt_docs.svg.items import Drawn, Item
from crdt_docs.svg.labels import label_at
from crdt_docs.svg.lines import Pen, head_of, line_with_heads
from crdt_docs.svg.markup import joined
from crdt_docs.svg.outlines import meeting
from crdt_docs.svg.paths import points_of
from crdt_docs.svg.shapes import kind_of
from crdt_docs.svg.values import Properties, point

_INK: Final = Color(0x4B, 0x55, 0x63)
_MOST_BENDS: Final = 200
_GAP: Final = 3.0  # between a connector's end and the edge it points at
_ANCHORS: Final = {
    "top": (0.5, 0.0),
    "north": (0.5, 0.0),
    "right": (1.0, 0.5),
    "east": (1.0, 0.5),
    "bottom": (0.5, 1.0),
    "south": (0.5, 1.0),
    "left": (0.0, 0.5),
    "west": (0.0, 0.5),
}
_START: Final = ("start", "from", "source", "from_id", "source_id", "start_id", "from_object_id")
_END: Final = ("end", "to", "target", "to_id", "target_id", "end_id", "to_object_id")


class _End(NamedTuple):
    """An end of a connector: at an object, or at a point."""

    at: Point
    item: Item | None = None
    anchor: Point | None = None

    def seen_from(self, other: Point) -> Point:
        """Where the line ends."""
        if self.anchor is not None:
            return self.anchor
        if self.item is None:
            return self.at
        edge = meeting(kind_of(self.item), self.item.box, self.item.rotation, other)
        is_beyond = math.dist(other, self.at) > math.dist(edge, self.at) + _GAP
        return edge.towards(other, _GAP) if is_beyond else edge


def draw_connector(item: Item, others: Mapping[str, Item]) -> Drawn | None:
    """A line from edge to edge, with an arrow at its end where nothing else is said.

    `start` and `end` (`from`, `to`, `source`, `target`) are ids, points, or maps with an
    `object_id` and perhaps an `anchor`; `points` are bends. None without two ends.
    """
    properties = item.properties
    bends = points_of(properties.first("waypoints", "bends"), _MOST_BENDS)
    ends = _ends(item, others)
    if ends is None:
        return None
    start, end = ends
    first = start.seen_from(bends[0] if bends else end.anchor or end.at)
    last = end.seen_from(bends[-1] if bends else start.anchor or start.at)
    points, is_curved = _route(first, bends, last, properties)
    color = properties.color("stroke", "stroke_color", "strokeColor", "color") or _INK
    width = properties.line_width(2.0)
    drawn, covered = line_with_heads(
        points,
        Pen(color, width, properties.dashes(width)),
        head_of(properties.first("arrow_start", "start_arrow", "startArrow", "head_start"), "none"),
        head_of(properties.first("arrow_end", "end_arrow", "endArrow", "head_end"), "arrow"),
        is_curved=is_curved,
    )
    label = label_at(properties, _middle(points))
    if label is None:
        return Drawn(drawn, covered)
    return Drawn(joined(drawn, label.markup), covered.joined(label.box))


def _ends(item: Item, others: Mapping[str, Item]) -> tuple[_End, _End] | None:
    properties = item.properties
    start = _end(properties.first(*_START), properties.word("start_anchor", "from_anchor"), others)
    end = _end(properties.first(*_END), properties.word("end_anchor", "to_anchor"), others)
    points = points_of(properties.first("points"), _MOST_BENDS)
    if (start is None or end is None) and len(points) > 1:
        offset = item.box if item.has_position else Box(0, 0, 0, 0)
        moved = [Point(each.x + offset.x, each.y + offset.y) for each in (points[0], points[-1])]
        start, end = start or _End(moved[0]), end or _End(moved[1])
    if item.has_position and item.has_size:
        corners = item.box.corners()
        start, end = start or _End(corners[0]), end or _End(corners[2])
    return None if start is None or end is None else (start, end)


def _end(value: object, anchor: str, others: Mapping[str, Item]) -> _End | None:
    if isinstance(value, str):
        return _at_object(others.get(value), anchor)
    if isinstance(value, Mapping):
        own = Properties(value)
        found = _at_object(
            others.get(own.words("object_id", "objectId", "id", "object")),
            own.word("anchor", "side", "position") or anchor,
        )
        if found is not None:
            return found
    at = point(value)
    return None if at is None else _End(at)


def _at_object(item: Item | None, anchor: str) -> _End | None:
    if item is None:
        return None
    centre = item.box.centre
    part = _ANCHORS.get(anchor)
    if part is None:
        return _End(centre, item)
    x, y = part
    place = Point(item.box.x + x * item.box.width, item.box.y + y * item.box.height)
    return _End(centre, item, place.rotated(item.rotation, centre))


def _route(
    start: Point, bends: list[Point], end: Point, properties: Properties
) -> tuple[list[Point], bool]:
    """The points of the line, and whether it is curved."""
    kind = properties.word("routing", "line_type", "path_type", "connector_type", "curve")
    if bends:
        return [start, *bends, end], kind in ("curved", "curve", "bezier")
    across, down = end.x - start.x, end.y - start.y
    if kind in ("elbow", "orthogonal", "step", "elbowed"):
        if abs(across) >= abs(down):
            middle = start.x + across / 2
            return [start, Point(middle, start.y), Point(middle, end.y), end], False
        middle = start.y + down / 2
        return [start, Point(start.x, middle), Point(end.x, middle), end], False
    if kind in ("curved", "curve", "bezier"):
        shift = Point(across / 3, 0) if abs(across) >= abs(down) else Point(0, down / 3)
        bent = [
            Point(start.x + shift.x, start.y + shift.y),
            Point(end.x - shift.x, end.y - shift.y),
        ]
        return [start, *bent, end], True
    return [start, end], False


def _middle(points: list[Point]) -> Point:
    """A place in the middle of the line."""
    half = len(points) // 2
    return points[half] if len(points) % 2 else points[half - 1].middle(points[half])
