"""Outlines and pen strokes as points: read from what clients wrote, written as path data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from crdt_docs.svg.geometry import Point
from crdt_docs.svg.markup import decimal
from crdt_docs.svg.values import FARTHEST, number, point

Stroke: TypeAlias = list[Point]

MOST_POINTS: Final = 20_000
"""Of one object (SVG-6)."""

BYTES_A_POINT: Final = 40
"""More than a number and a letter of path data take."""

_STEPS: Final = 12  # straight pieces of a curve
_ARITY: Final = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
_TOKEN: Final = re.compile(
    r"([MmLlHhVvCcSsQqTtAaZz])|([-+]?(?:\d{1,20}\.?\d{0,20}|\.\d{1,20})(?:[eE][-+]?\d{1,3})?)",
    re.ASCII,
)


def points_of(value: object, most: int = MOST_POINTS) -> Stroke:
    """`[{x, y}, …]`, `[[x, y], …]` or `[x, y, x, y, …]`; what is no point is left out."""
    if not isinstance(value, list | tuple):
        return []
    if value and all(number(each) is not None for each in value[:2]):
        pairs: Sequence[object] = list(
            zip(value[: 2 * most : 2], value[1 : 2 * most : 2], strict=False)
        )
    else:
        pairs = value
    return [found for each in pairs[:most] if (found := point(each)) is not None]


def strokes_of_path(text: str, most: int = MOST_POINTS) -> list[Stroke]:
    """SVG path data as polylines. It ends where it cannot be read. Arcs become straight lines."""
    pen = _Pen()
    for command, numbers in _commands(text[: most * BYTES_A_POINT]):
        pen.draw(command, numbers)
        if pen.points >= most:
            break
    return [stroke for stroke in pen.strokes if len(stroke) > 1]


def _commands(text: str) -> Iterator[tuple[str, list[float]]]:
    command = ""
    numbers: list[float] = []
    for found in _TOKEN.finditer(text):
        letter, digits = found.groups()
        if letter:
            command, numbers = letter, []
            if letter in "Zz":
                yield letter, []
            continue
        if not command or command in "Zz":
            return
        numbers.append(min(max(float(digits), -FARTHEST), FARTHEST))
        if len(numbers) == _ARITY[command.upper()]:
            yield command, numbers
            numbers = []
            if command in "Mm":  # further pairs are lines
                command = "L" if command == "M" else "l"


class _Pen:
    """Follows path data."""

    def __init__(self) -> None:
        self.strokes: list[Stroke] = []
        self.points = 0
        self._at = Point(0, 0)
        self._handle: tuple[str, Point] | None = None

    def draw(self, letter: str, numbers: Sequence[float]) -> None:
        """One command with its numbers."""
        command = letter.upper()
        base = self._at if letter.islower() else Point(0, 0)
        places = [
            Point(base.x + x, base.y + y) for x, y in zip(numbers[::2], numbers[1::2], strict=False)
        ]
        handle, self._handle = self._handle, None
        match command:
            case "M":
                self._at = places[0]
                self.strokes.append([self._at])
            case "Z":
                if self.strokes:
                    self._line(self.strokes[-1][0])
            case "H":
                self._line(Point(base.x + numbers[0], self._at.y))
            case "V":
                self._line(Point(self._at.x, base.y + numbers[0]))
            case "A":
                self._line(Point(base.x + numbers[5], base.y + numbers[6]))
            case "L":
                self._line(places[0])
            case _:
                self._curve(command, places, handle)

    def _curve(self, command: str, places: list[Point], handle: tuple[str, Point] | None) -> None:
        kind = "C" if command in "CS" else "Q"
        if command in "ST":  # the first handle mirrors the last one of the curve before
            before = handle[1] if handle is not None and handle[0] == kind else self._at
            mirrored = Point(2 * self._at.x - before.x, 2 * self._at.y - before.y)
            places = [mirrored, *places]
        self._handle = (kind, places[-2])
        start = self._at
        for step in range(1, _STEPS + 1):
            self._line(_on_curve([start, *places], step / _STEPS))

    def _line(self, to: Point) -> None:
        if not self.strokes:
            self.strokes.append([self._at])
        self._at = Point(*(min(max(each, -FARTHEST), FARTHEST) for each in to))
        self.strokes[-1].append(self._at)
        self.points += 1


def _on_curve(handles: list[Point], part: float) -> Point:
    """A point of a Bézier curve, by de Casteljau."""
    while len(handles) > 1:
        handles = [
            Point(a.x + (b.x - a.x) * part, a.y + (b.y - a.y) * part) for a, b in pairwise(handles)
        ]
    return handles[0]


def straight(points: Sequence[Point]) -> str:
    """Path data through points."""
    return "M" + "L".join(_pair(each) for each in points)


def smooth(points: Sequence[Point]) -> str:
    """Path data of a pen stroke: curves from middle to middle, within the hull of its points."""
    if len(points) < 3:
        return straight(points)
    path = [f"M{_pair(points[0])}L{_pair(points[0].middle(points[1]))}"]
    path += [f"Q{_pair(b)} {_pair(b.middle(c))}" for b, c in pairwise(points[1:])]
    return "".join(path) + f"L{_pair(points[-1])}"


def _pair(place: Point) -> str:
    return f"{decimal(place.x)} {decimal(place.y)}"
