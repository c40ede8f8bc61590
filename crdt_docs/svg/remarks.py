"""Annotations as numbered marks; what they say is their title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from crdt_docs.projection import AnnotationState
from crdt_docs.svg.geometry import Box, Point
from crdt_docs.svg.items import Drawn, Item
from crdt_docs.svg.markup import element
from crdt_docs.svg.metrics import STACKS
from crdt_docs.svg.text_layout import CUT
from crdt_docs.svg.values import point

RADIUS: Final = 11.0
_LONGEST: Final = 2_000
_OPEN: Final = "#d9480f"
_RESOLVED: Final = "#868e96"


class Remark(NamedTuple):
    """An annotation and the place it is shown at."""

    id: str
    state: AnnotationState
    at: Point


def placed_remarks(
    annotations: Mapping[str, AnnotationState], items: Mapping[str, Item]
) -> list[Remark]:
    """Those that have a place, their own or their object's upper right corner, from above."""
    found = []
    taken: dict[Point, int] = {}
    for identifier, state in sorted(annotations.items()):
        at = point(state.position) or _corner(items.get(state.object_id or ""))
        if at is not None:
            beside = taken.get(at, 0)
            taken[at] = beside + 1
            found.append(Remark(identifier, state, Point(at.x + beside * 2.2 * RADIUS, at.y)))
    return sorted(found, key=lambda remark: (remark.at.y, remark.at.x, remark.id))


def _corner(item: Item | None) -> Point | None:
    if item is None:
        return None
    return item.box.corners()[1].rotated(item.rotation, item.box.centre)


def draw_remark(remark: Remark, number: int) -> Drawn:
    """A disc with a number; its title says which, whether it is resolved, and its words."""
    at, state = remark.at, remark.state
    words = state.content
    if len(words) > _LONGEST:
        words = words[:_LONGEST] + CUT
    note = " (resolved)" if state.resolved else ""
    mark = element(
        "g",
        element("title", f"{number}{note}. {words}"),
        element(
            "ellipse",
            cx=at.x,
            cy=at.y,
            rx=RADIUS,
            ry=RADIUS,
            fill=_RESOLVED if state.resolved else _OPEN,
            stroke="#ffffff",
            stroke_width=2,
        ),
        element(
            "text",
            str(number),
            x=at.x,
            y=at.y + 4.2,
            font_family=STACKS["sans"],
            font_size=12 if number < 100 else 9.5,
            font_weight="bold",
            text_anchor="middle",
            fill="#ffffff",
        ),
        data_annotation_id=remark.id,
    )
    reach = RADIUS + 1
    return Drawn(mark, Box(at.x - reach, at.y - reach, 2 * reach, 2 * reach))
