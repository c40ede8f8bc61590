"""The outlines of shapes, and where a line towards their middle meets them."""

from __future__ import annotations

import math
from typing import Final

from crdt_docs.svg.geometry import Box, Point

POLYGONS: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "triangle": ((0.5, 0), (1, 1), (0, 1)),
    "right_triangle": ((0, 0), (1, 1), (0, 1)),
    "diamond": ((0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)),
    "parallelogram": ((0.2, 0), (1, 0), (0.8, 1), (0, 1)),
    "trapezoid": ((0.2, 0), (0.8, 0), (1, 1), (0, 1)),
    "pentagon": ((0.5, 0), (1, 0.382), (0.809, 1), (0.191, 1), (0, 0.382)),
    "hexagon": ((0.25, 0), (0.75, 0), (1, 0.5), (0.75, 1), (0.25, 1), (0, 0.5)),
    "octagon": (
        *((0.293, 0), (0.707, 0), (1, 0.293), (1, 0.707)),
        *((0.707, 1), (0.293, 1), (0, 0.707), (0, 0.293)),
    ),
    "star": (
        *((0.5, 0), (0.618, 0.382), (1, 0.382), (0.691, 0.618), (0.809, 1)),
        *((0.5, 0.764), (0.191, 1), (0.309, 0.618), (0, 0.382), (0.382, 0.382)),
    ),
    "cross": (
        *((0.33, 0), (0.67, 0), (0.67, 0.33), (1, 0.33), (1, 0.67), (0.67, 0.67)),
        *((0.67, 1), (0.33, 1), (0.33, 0.67), (0, 0.67), (0, 0.33), (0.33, 0.33)),
    ),
    "block_arrow": (
        *((0, 0.25), (0.6, 0.25), (0.6, 0), (1, 0.5)),
        *((0.6, 1), (0.6, 0.75), (0, 0.75)),
    ),
}
"""Corners in parts of the box, clockwise."""

_OTHER_NAMES: Final = {
    "circle": "ellipse",
    "oval": "ellipse",
    "round": "ellipse",
    "rhombus": "diamond",
    "decision": "diamond",
    "plus": "cross",
    "rect": "rectangle",
    "square": "rectangle",
    "box": "rectangle",
    "rounded": "rounded_rectangle",
    "rounded_rect": "rounded_rectangle",
    "straight": "line",
    "arrow_right": "arrow",
    "double_arrow": "double_arrow",
}


def shape_kind(name: str) -> str:
    """The one name of a kind of shape; one that is not known is a rectangle."""
    kind = _OTHER_NAMES.get(name, name)
    known = ("ellipse", "rounded_rectangle", "line", "arrow", "double_arrow")
    return kind if kind in POLYGONS or kind in known else "rectangle"


def corners(kind: str, box: Box) -> list[Point] | None:
    """The corners of a polygon; None for what is none."""
    parts = POLYGONS.get(kind)
    if parts is None:
        return None
    return [Point(box.x + x * box.width, box.y + y * box.height) for x, y in parts]


def meeting(kind: str, box: Box, rotation: float, towards: Point) -> Point:
    """Where the line from the middle of a shape towards a point leaves the shape."""
    centre = box.centre
    target = towards.rotated(-rotation, centre)
    if target == centre:
        return centre
    if kind == "ellipse":
        found = _leaving_ellipse(box, target)
    else:
        found = _leaving_polygon(corners(kind, box) or list(box.corners()), centre, target)
    return found.rotated(rotation, centre)


def _leaving_ellipse(box: Box, target: Point) -> Point:
    centre = box.centre
    across, down = target.x - centre.x, target.y - centre.y
    if box.width == 0 or box.height == 0:
        return centre
    scale = 1 / math.hypot(across / (box.width / 2), down / (box.height / 2))
    return Point(centre.x + across * scale, centre.y + down * scale)


def _leaving_polygon(points: list[Point], centre: Point, target: Point) -> Point:
    across, down = target.x - centre.x, target.y - centre.y
    farthest = 0.0
    for a, b in zip(points, [*points[1:], points[0]], strict=True):
        side_x, side_y = b.x - a.x, b.y - a.y
        determinant = across * side_y - down * side_x
        if determinant == 0:
            continue
        along = ((a.x - centre.x) * side_y - (a.y - centre.y) * side_x) / determinant
        beside = ((a.x - centre.x) * down - (a.y - centre.y) * across) / determinant
        if along > farthest and -1e-9 <= beside <= 1 + 1e-9:
            farthest = along
    return Point(centre.x + across * farthest, centre.y + down * farthest)
