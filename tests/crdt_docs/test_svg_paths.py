"""Outlines and strokes of drawings as points."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs.svg.geometry import Box, Point, around
from crdt_docs.svg.outlines import POLYGONS, corners, meeting, shape_kind
from crdt_docs.svg.paths import MOST_POINTS, points_of, smooth, straight, strokes_of_path

BOX = Box(10, 20, 100, 50)


def ends(text: str) -> list[tuple[Point, Point]]:
    return [(stroke[0], stroke[-1]) for stroke in strokes_of_path(text)]


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("M0 0L3 4", (3, 4)),
        ("M1,1l2-3", (3, -2)),
        ("M0 0H5V6", (5, 6)),
        ("M1 1h5v-6", (6, -5)),
        ("M0 0C1 1 2 2 9 8", (9, 8)),
        ("M1 1c1 1 2 2 9 8", (10, 9)),
        ("M0 0Q5 5 10 0T20 0", (20, 0)),
        ("M0 0C0 5 5 5 5 0S10-5 10 0", (10, 0)),
        ("M0 0A5 5 0 0 1 7 7", (7, 7)),
        ("M0 0L5 0L5 5Z", (0, 0)),
        ("M.5.5l1e1,0", (10.5, 0.5)),
        ("M0 0 10 10 20 0", (20, 0)),
    ],
)
def test_paths_end_where_they_say(path: str, end: tuple[float, float]) -> None:
    ((_, last),) = ends(path)
    assert last == pytest.approx(end)


def test_several_strokes_are_several() -> None:
    assert ends("M0 0L1 1M5 5L6 6Z M9 9") == [((0, 0), (1, 1)), ((5, 5), (5, 5))]


def test_curves_bend() -> None:
    (stroke,) = strokes_of_path("M0 0Q5 10 10 0")
    assert max(point.y for point in stroke) == pytest.approx(5)
    (stroke,) = strokes_of_path("M0 0Q5 10 10 0T20 0")  # the second half is the first one mirrored
    assert min(point.y for point in stroke) == pytest.approx(-5)


@given(st.text(alphabet="MmLlHhVvCcSsQqTtAaZz0123456789.,- e", max_size=60))
def test_any_path_data_gives_points(text: str) -> None:
    for stroke in strokes_of_path(text):
        assert len(stroke) > 1
        assert all(math.isfinite(value) for point in stroke for value in point)


def test_drawings_are_bounded() -> None:
    assert len(points_of([[0, 0]] * (MOST_POINTS + 5))) == MOST_POINTS
    assert len(points_of([0, 0] * (MOST_POINTS + 5))) == MOST_POINTS
    assert sum(map(len, strokes_of_path("M0 0" + "L1 1" * 2 * MOST_POINTS))) <= MOST_POINTS + 1


def test_smooth_strokes_stay_within_their_points() -> None:
    points = [Point(0, 0), Point(10, 40), Point(20, -5), Point(30, 0)]
    numbers = [float(each) for each in re.findall(r"-?[\d.]+", smooth(points))]
    drawn = around(Point(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
    assert drawn == around(points)
    assert smooth(points[:2]) == straight(points[:2]) == "M0 0L10 40"


@pytest.mark.parametrize("kind", [*POLYGONS, "rectangle", "ellipse"])
@given(angle=st.floats(0, 360), turned=st.floats(0, 360))
def test_lines_from_a_middle_leave_at_the_outline(kind: str, angle: float, turned: float) -> None:
    centre = BOX.centre
    far = Point(
        centre.x + 1000 * math.cos(math.radians(angle)),
        centre.y + 1000 * math.sin(math.radians(angle)),
    )
    edge = meeting(kind, BOX, turned, far)
    upright = edge.rotated(-turned, centre)
    assert BOX.x - 0.01 <= upright.x <= BOX.right + 0.01
    assert BOX.y - 0.01 <= upright.y <= BOX.bottom + 0.01
    assert math.dist(edge, far) + math.dist(edge, centre) == pytest.approx(1000, abs=0.01)
    if kind in ("rectangle", "diamond", "ellipse"):
        assert math.dist(edge, centre) > 20


def test_lines_to_the_middle_itself_have_no_direction() -> None:
    assert meeting("ellipse", BOX, 30, BOX.centre) == BOX.centre
    flat = Box(5, 5, 0, 0)
    assert meeting("ellipse", flat, 0, Point(9, 9)) == flat.centre
    assert meeting("rectangle", flat, 0, Point(9, 9)) == flat.centre


def test_outlines_fill_their_box() -> None:
    for kind in POLYGONS:
        points = corners(kind, BOX)
        assert points is not None
        assert around(points) == BOX, kind
    assert shape_kind("rhombus") == "diamond"
    assert shape_kind("blob") == "rectangle"
