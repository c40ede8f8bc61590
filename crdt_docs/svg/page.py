"""A board as one SVG document, from the projected states of its objects (SVG)."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Final

from crdt_docs.projection import AnnotationState, ObjectState
from crdt_docs.svg.connectors import draw_connector
from crdt_docs.svg.drawings import draw_drawing
from crdt_docs.svg.geometry import Box
from crdt_docs.svg.images import draw_image
from crdt_docs.svg.items import Drawn, Item, item_of
from crdt_docs.svg.markup import Markup, decimal, element
from crdt_docs.svg.remarks import draw_remark, placed_remarks
from crdt_docs.svg.shapes import (
    draw_frame,
    draw_shape,
    draw_sticky,
    draw_text,
    draw_unfamiliar,
)

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of a whole file, unless another limit is given (SVG-6)."""

MARGIN: Final = 24.0
_EMPTY: Final = Box(0, 0, 640, 360)
_LARGEST_SIDE: Final = 4096.0
"""Pixels that the file says it is large; its own coordinates may be more."""

_DRAWN_ALONE: Final = {
    "shape": draw_shape,
    "sticky": draw_sticky,
    "text": draw_text,
    "image": draw_image,
    "drawing": draw_drawing,
    "frame": draw_frame,
}


def render(
    objects: Mapping[str, ObjectState],
    annotations: Mapping[str, AnnotationState],
    title: str = "Board",
    *,
    most_bytes: int = MOST_BYTES,
) -> str:
    """The board as SVG. Raises nothing, whatever is on it."""
    drawing = rendering(objects, annotations, title, most_bytes=most_bytes)
    while True:
        try:
            next(drawing)
        except StopIteration as done:
            rendered: str = done.value
            return rendered


def rendering(
    objects: Mapping[str, ObjectState],
    annotations: Mapping[str, AnnotationState],
    title: str = "Board",
    *,
    most_bytes: int = MOST_BYTES,
) -> Generator[None, None, str]:
    """The same a step at a time: one object, mostly much less than a millisecond.

    Args:
        title: of the file.
        most_bytes: of the objects in it; those there is no room for are counted in the title.
    """
    items = {}
    for identifier, state in objects.items():
        if state.object_type:
            items[identifier] = item_of(identifier, state)
            yield
    page = _Page(most_bytes)
    for item in sorted(items.values(), key=lambda each: (each.layer, each.id)):
        page.add(_draw(item, items), item.rotation)
        yield
    for number, remark in enumerate(placed_remarks(annotations, items), 1):
        page.add(draw_remark(remark, number))
        yield
    return page.written(title)


class _Page:
    """What was drawn until now."""

    def __init__(self, most_bytes: int) -> None:
        self._room = most_bytes
        self._pieces: list[Markup] = []
        self._covered: Box | None = None
        self._left_out = 0

    def add(self, drawn: Drawn | None, rotation: float = 0.0) -> None:
        """Put something above everything else, if there is room for it."""
        if drawn is None:
            return
        size = len(drawn.markup.encode())
        if size > self._room:
            self._left_out += 1
            return
        self._room -= size
        self._pieces.append(drawn.markup)
        box = drawn.box.rotated(rotation)
        self._covered = box if self._covered is None else self._covered.joined(box)

    def written(self, title: str) -> str:
        """The whole file."""
        box = (self._covered or _EMPTY.inset(MARGIN, MARGIN)).inset(-MARGIN, -MARGIN)
        scale = min(1.0, _LARGEST_SIDE / max(box.width, box.height))
        if self._left_out:
            title = f"{title} (without {self._left_out} objects: the file would be too large)"
        return element(
            "svg",
            element("title", title),
            _paper(box),
            *self._pieces,
            xmlns="http://www.w3.org/2000/svg",
            view_box=" ".join(map(decimal, box)),
            width=max(box.width * scale, 1.0),
            height=max(box.height * scale, 1.0),
        )


def _paper(box: Box) -> Markup:
    return element("rect", x=box.x, y=box.y, width=box.width, height=box.height, fill="#ffffff")


def _draw(item: Item, items: Mapping[str, Item]) -> Drawn | None:
    """An object in its group, turned about its middle."""
    if item.kind == "connector":
        drawn = draw_connector(item, items)
        turned = None  # its ends say where it is
    else:
        drawn = _DRAWN_ALONE.get(item.kind, draw_unfamiliar)(item)
        turned = _turn(item)
    if drawn is None:
        return None
    group = element(
        "g",
        drawn.markup,
        data_object_id=item.id,
        data_object_type=item.kind[:40],
        opacity=item.properties.opacity,
        transform=turned,
    )
    return Drawn(group, drawn.box)


def _turn(item: Item) -> str | None:
    if item.rotation == 0:
        return None
    centre: Iterable[float] = item.box.centre
    return f"rotate({' '.join(map(decimal, (item.rotation, *centre)))})"
