"""Positions and rotations as the pose lane writes them: whole millimetres, the smallest three.

The page of the lane (`docs/pose-lane.md`, section 1) is binding. Every step below is one operation
on 64-bit floats, in an order that the TypeScript codec repeats: both write the same bytes, and
read the same numbers from them.
"""

from __future__ import annotations

from math import isfinite, sqrt

Vector = tuple[float, float, float]
"""x, y, z."""
Quaternion = tuple[float, float, float, float]
"""x, y, z, w."""
Millimetres = tuple[int, int, int]
"""x, y, z in whole millimetres."""

FARTHEST_MM = 0x7FFFFF
"""Along each axis, from the origin of the room; one more to the negative side."""
FARTHEST_NEAR_MM = 0x7FFF
"""Along each axis, from the head; one more to the negative side."""

_ZERO = 16_383
"""The count that means 0; as many lie to each side of it."""
_HALF_UP = _ZERO + 0.5
"""Added to a signed count before what is behind the point is cut off."""
_MOST = 2 * _ZERO
_COUNTS_PER_UNIT = _ZERO * sqrt(2.0)
_UNITS_PER_COUNT = sqrt(0.5) / _ZERO
_FIELD = 0x7FFF

ORIGIN: Millimetres = (0, 0, 0)


def to_millimetres(
    position: Vector, origin: Millimetres = ORIGIN, farthest: int = FARTHEST_MM
) -> Millimetres:
    """The nearest whole millimetres, counted from an origin (POS-1).

    Args:
        position: in metres.
        farthest: along each axis; one more to the negative side.

    Raises:
        ValueError: a coordinate is not finite, or farther away (POS-3).
    """
    x, y, z = position
    return (
        _to_millimetres(x, origin[0], farthest),
        _to_millimetres(y, origin[1], farthest),
        _to_millimetres(z, origin[2], farthest),
    )


def _to_millimetres(metres: float, origin: int, farthest: int) -> int:
    distance = metres * 1000.0 - origin
    if not isfinite(distance):
        raise ValueError(f"{metres} is no coordinate in metres")
    nearest = int(distance + 0.5) if distance >= 0.0 else int(distance - 0.5)
    if not -farthest - 1 <= nearest <= farthest:
        raise ValueError(f"{metres} m is farther away than the record has room for")
    return nearest


def to_metres(position: Millimetres) -> Vector:
    """The same position in metres."""
    x, y, z = position
    return x / 1000.0, y / 1000.0, z / 1000.0


def to_bits(rotation: Quaternion) -> int:
    """A rotation in 48 bits; of any length but 0, since only its direction counts.

    Of components that are equally large the first one is left out.

    Raises:
        ValueError: a component is not finite, or all are 0 (POS-3).
    """
    if not all(map(isfinite, rotation)):
        raise ValueError(f"{rotation} is no rotation: a component is not finite")
    sizes = [*map(abs, rotation)]
    left_out = sizes.index(max(sizes))
    others = [*rotation]
    largest = others.pop(left_out)
    if largest == 0.0:
        raise ValueError("a rotation with four zeros has no direction")
    # Divided by the largest first: what is tiny or huge would not survive being squared.
    first, second, third = others[0] / largest, others[1] / largest, others[2] / largest
    length = sqrt(1.0 + first * first + second * second + third * third)
    return (
        left_out << 45
        | int(first / length * _COUNTS_PER_UNIT + _HALF_UP) << 30
        | int(second / length * _COUNTS_PER_UNIT + _HALF_UP) << 15
        | int(third / length * _COUNTS_PER_UNIT + _HALF_UP)
    )


def from_bits(bits: int) -> Quaternion:
    """The unit quaternion that 48 bits mean; all of them mean one (POS-2)."""
    first = _from_count(bits >> 30 & _FIELD)
    second = _from_count(bits >> 15 & _FIELD)
    third = _from_count(bits & _FIELD)
    squares = first * first + second * second + third * third
    largest = sqrt(1.0 - squares) if squares < 1.0 else 0.0
    length = sqrt(squares + largest * largest)
    components = [first / length, second / length, third / length]
    components.insert(bits >> 45 & 3, largest / length)
    x, y, z, w = components
    return x, y, z, w


def _from_count(count: int) -> float:
    return (min(count, _MOST) - _ZERO) * _UNITS_PER_COUNT
