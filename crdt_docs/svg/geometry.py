"""Points and boxes of the board: pixels, y downwards, angles in degrees clockwise."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple


class Point(NamedTuple):
    """A place on the board."""

    x: float
    y: float

    def towards(self, other: Point, distance: float) -> Point:
        """What lies so far from here in the other's direction; here, where they are the same."""
        length = math.dist(self, other)
        if length == 0:
            return self
        part = distance / length
        return Point(self.x + (other.x - self.x) * part, self.y + (other.y - self.y) * part)

    def middle(self, other: Point) -> Point:
        """What lies between the two."""
        return Point((self.x + other.x) / 2, (self.y + other.y) / 2)

    def rotated(self, degrees: float, centre: Point) -> Point:
        """Where it is when the board is turned about `centre`."""
        if degrees == 0:
            return self
        sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        x, y = self.x - centre.x, self.y - centre.y
        return Point(centre.x + x * cosine - y * sine, centre.y + x * sine + y * cosine)


class Box(NamedTuple):
    """An upright rectangle; width and height are not negative."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> Point:
        """Its middle."""
        return Point(self.x + self.width / 2, self.y + self.height / 2)

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.y + self.height

    def inset(self, x: float, y: float) -> Box:
        """What is left without a margin on each side; larger where that is negative."""
        x, y = min(x, self.width / 2), min(y, self.height / 2)
        return Box(self.x + x, self.y + y, self.width - 2 * x, self.height - 2 * y)

    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Clockwise, from the upper left."""
        return (
            Point(self.x, self.y),
            Point(self.right, self.y),
            Point(self.right, self.bottom),
            Point(self.x, self.bottom),
        )

    def joined(self, other: Box) -> Box:
        """The box around both."""
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Box(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def rotated(self, degrees: float) -> Box:
        """The box around this one when it is turned about its centre."""
        if degrees == 0:
            return self
        return around(corner.rotated(degrees, self.centre) for corner in self.corners())


def around(points: Iterable[Point]) -> Box:
    """The box around points.

    Raises:
        ValueError: there are none.
    """
    found = list(points)
    left, top = min(point.x for point in found), min(point.y for point in found)
    right, bottom = max(point.x for point in found), max(point.y for point in found)
    return Box(left, top, right - left, bottom - top)
