"""What clients wrote into an object, read as what a drawing needs. Everything here is total."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from crdt_docs.svg.colors import Color, parse_color
from crdt_docs.svg.geometry import Box, Point

FARTHEST: Final = 1e6
"""Pixels from the origin; what is farther away is drawn there (SVG-4)."""

WIDEST_LINE: Final = 500.0
_FONT_SIZES: Final = (4.0, 400.0)


class Properties:
    """The properties of an object. Fields have several names: editors differ in them."""

    __slots__ = ("_values",)

    def __init__(self, values: object) -> None:
        self._values: Mapping[str, Any] = values if isinstance(values, Mapping) else {}

    def first(self, *names: str) -> Any:
        """The first of these that is there and not null."""
        for name in names:
            value = self._values.get(name)
            if value is not None:
                return value
        return None

    def color(self, *names: str) -> Color | None:
        """The first of these that is a colour; `none` is a transparent one."""
        for name in names:
            value = self._values.get(name)
            color = parse_color("transparent" if value == "none" else value)
            if color is not None:
                return color
        return None

    def number(self, *names: str, low: float, high: float) -> float | None:
        """The first of these that is a number, brought between two bounds."""
        for name in names:
            value = number(self._values.get(name))
            if value is not None:
                return min(max(value, low), high)
        return None

    def word(self, *names: str) -> str:
        """The first of these that is a string, in lower case and with `_` for spaces and `-`."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str) and value:
                return value[:32].strip().lower().replace("-", "_").replace(" ", "_")
        return ""

    def words(self, *names: str) -> str:
        """The first of these that is a string, as it is."""
        for name in names:
            value = self._values.get(name)
            if isinstance(value, str) and value.strip():
                return value
        return ""

    @property
    def opacity(self) -> float | None:
        """None where everything is opaque."""
        opacity = self.number("opacity", low=0, high=1)
        return None if opacity == 1 else opacity

    @property
    def font_size(self) -> float | None:
        """Pixels."""
        low, high = _FONT_SIZES
        return self.number("font_size", "fontSize", "text_size", low=low, high=high)

    def line_width(self, otherwise: float) -> float:
        """Pixels."""
        names = ("stroke_width", "strokeWidth", "line_width", "border_width", "thickness")
        width = self.number(*names, low=0, high=WIDEST_LINE)
        return otherwise if width is None else width

    def dashes(self, width: float) -> str | None:
        """What `stroke-dasharray` says; None for a line without gaps."""
        match self.word("stroke_style", "strokeStyle", "line_style", "border_style", "dash"):
            case "dashed":
                return f"{max(width, 1) * 4:.0f} {max(width, 1) * 3:.0f}"
            case "dotted":
                return f"0 {max(width, 1) * 2.5:.0f}"
            case _:
                return None


def number(value: object) -> float | None:
    """A finite number within `FARTHEST` of none; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return float(min(max(value, -FARTHEST), FARTHEST))


def point(value: object) -> Point | None:
    """`{x, y}` or `[x, y]`, perhaps with more."""
    match value:
        case {"x": x, "y": y}:
            pass
        case [x, y, *_]:
            pass
        case _:
            return None
    across, down = number(x), number(y)
    return None if across is None or down is None else Point(across, down)


def box(position: object, size: object, otherwise: tuple[float, float]) -> Box:
    """Where an object is; one without a position is at the origin. Sizes may be negative."""
    corner = point(position) or Point(0, 0)
    width, height = otherwise
    if isinstance(size, Mapping):
        width = _or(number(size.get("width")), width)
        height = _or(number(size.get("height")), height)
    x, y = min(corner.x, corner.x + width), min(corner.y, corner.y + height)
    return Box(x, y, abs(width), abs(height))


def angle(value: object) -> float:
    """Degrees from 0 to 360."""
    return _or(number(value), 0.0) % 360


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
