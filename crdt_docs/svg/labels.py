"""Words in the middle of a line."""

from __future__ import annotations

from typing import Final

from crdt_docs.svg.geometry import Box, Point
from crdt_docs.svg.items import Drawn
from crdt_docs.svg.markup import element, joined
from crdt_docs.svg.text_block import INK, PAPER, block, style_of
from crdt_docs.svg.values import Properties

_WIDEST: Final = 180.0
_MOST_LINES: Final = 3


def label_at(properties: Properties, middle: Point) -> Drawn | None:
    """What a line says, on a plate that covers it; None where it says nothing."""
    style = style_of(properties, size=13, color=INK, align="middle", upright="middle")
    tall = style.size * 1.35 * _MOST_LINES
    room = Box(middle.x - _WIDEST / 2, middle.y - tall / 2, _WIDEST, tall)
    words = block(properties.first("text", "label", "title"), room, style)
    shown = words.draw()
    if shown is None:
        return None
    width, height = words.area.width + 10, words.area.height + 2
    plate = Box(middle.x - width / 2, middle.y - height / 2, width, height)
    backdrop = element(
        "rect",
        x=plate.x,
        y=plate.y,
        width=plate.width,
        height=plate.height,
        rx=4,
        fill=PAPER.hex,
        fill_opacity=0.92,
    )
    return Drawn(joined(backdrop, shown), plate)
