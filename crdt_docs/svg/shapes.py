"""Shapes and what is drawn like one: notes, texts, frames, and objects of unknown types."""

from __future__ import annotations

from typing import Final

from crdt_docs.svg.colors import Color
from crdt_docs.svg.geometry import Box
from crdt_docs.svg.items import Drawn, Item
from crdt_docs.svg.labels import label_at
from crdt_docs.svg.lines import Head, Pen, head_of, line_with_heads
from crdt_docs.svg.markup import Markup, decimal, element, joined
from crdt_docs.svg.outlines import corners, shape_kind
from crdt_docs.svg.paths import points_of
from crdt_docs.svg.text_block import INK, PAPER, SOFT_INK, block, style_of
from crdt_docs.svg.text_layout import Face
from crdt_docs.svg.values import Properties

_SHAPE_COLOR: Final = Color(0x93, 0xC5, 0xFD)
_STICKY_COLOR: Final = Color(0xFD, 0xE6, 0x8A)
_DARK: Final = Color(0x1F, 0x29, 0x37)
_FRAME_EDGE: Final = Color(0xB8, 0xBE, 0xCA)
_CORNER: Final = 10.0
_LINES: Final[dict[str, tuple[Head, Head]]] = {
    "line": ("none", "none"),
    "arrow": ("none", "arrow"),
    "double_arrow": ("arrow", "arrow"),
}
_TEXT_AREAS: Final = {  # margins in parts of the box: left, right, top, bottom
    "ellipse": (0.15, 0.15, 0.12, 0.12),
    "diamond": (0.24, 0.24, 0.22, 0.22),
    "triangle": (0.24, 0.24, 0.46, 0.04),
    "right_triangle": (0.05, 0.42, 0.46, 0.04),
    "star": (0.3, 0.3, 0.36, 0.28),
    "cross": (0.04, 0.04, 0.34, 0.34),
    "pentagon": (0.16, 0.16, 0.2, 0.06),
    "hexagon": (0.16, 0.16, 0.06, 0.06),
    "octagon": (0.1, 0.1, 0.08, 0.08),
    "parallelogram": (0.2, 0.2, 0.04, 0.04),
    "trapezoid": (0.18, 0.18, 0.04, 0.04),
    "block_arrow": (0.06, 0.14, 0.27, 0.27),
}


def draw_shape(item: Item) -> Drawn:
    """A shape with words in its middle, coloured as the page does it where it says one colour."""
    properties = item.properties
    kind = kind_of(item)
    if kind in _LINES:
        return _draw_line(item, *_LINES[kind])
    fill, edge = _colors(properties)
    width = properties.line_width(2.0 if edge.alpha else 0.0)
    body = _outline(kind, item.box, properties, _paint(properties, fill, edge, width))
    on = fill if fill.alpha > 0.5 else PAPER
    style = style_of(
        properties,
        size=15,
        color=PAPER if on.is_dark else INK,
        align="middle",
        upright="middle",
    )
    words = block(properties.first("text", "label"), _text_area(kind, item.box), style)
    return Drawn(joined(body, words.draw()), item.box.inset(-width / 2, -width / 2))


def kind_of(item: Item) -> str:
    """Which outline an object has."""
    if item.kind != "shape":
        return "rectangle"
    return shape_kind(item.properties.word("kind", "shape", "shape_type", "shapeType", "variant"))


def _colors(properties: Properties) -> tuple[Color, Color]:
    """Of the area and of its edge."""
    color = properties.color("color") or _SHAPE_COLOR
    fill = properties.color("fill", "fill_color", "fillColor", "background", "background_color")
    edge = properties.color("stroke", "stroke_color", "strokeColor", "border_color", "border")
    if edge is None:
        base = fill if fill is not None and fill.alpha else color
        edge = Color(*base[:3]).mixed(_DARK, 0.62)
    return color.mixed(PAPER, 0.78) if fill is None else fill, edge


def _paint(
    properties: Properties, fill: Color, edge: Color, width: float
) -> dict[str, str | float | None]:
    has_edge = width > 0 and edge.alpha > 0
    return {
        "fill": fill.hex if fill.alpha else "none",
        "fill_opacity": fill.opacity if fill.alpha else None,
        "stroke": edge.hex if has_edge else None,
        "stroke_opacity": edge.opacity if has_edge else None,
        "stroke_width": width if has_edge else None,
        "stroke_linejoin": "round" if has_edge else None,
        "stroke_dasharray": properties.dashes(width) if has_edge else None,
    }


def _outline(
    kind: str, box: Box, properties: Properties, paint: dict[str, str | float | None]
) -> Markup:
    if kind == "ellipse":
        centre = box.centre
        return element(
            "ellipse", cx=centre.x, cy=centre.y, rx=box.width / 2, ry=box.height / 2, **paint
        )
    points = corners(kind, box)
    if points is not None:
        shown = " ".join(f"{decimal(each.x)},{decimal(each.y)}" for each in points)
        return element("polygon", points=shown, **paint)
    usual = min(24.0, box.height / 3) if kind == "rounded_rectangle" else _CORNER
    radius = properties.number("corner_radius", "cornerRadius", "radius", low=0, high=1000)
    return _rectangle(box, usual if radius is None else radius, paint)


def _rectangle(box: Box, radius: float, paint: dict[str, str | float | None]) -> Markup:
    bounded = min(radius, box.width / 2, box.height / 2)
    return element(
        "rect",
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        rx=bounded or None,
        **paint,
    )


def _text_area(kind: str, box: Box) -> Box:
    if kind not in _TEXT_AREAS:
        return box.inset(min(14, box.width / 8), min(8, box.height / 8))
    left, right, top, bottom = _TEXT_AREAS[kind]
    return Box(
        box.x + left * box.width,
        box.y + top * box.height,
        box.width * (1 - left - right),
        box.height * (1 - top - bottom),
    )


def _draw_line(item: Item, start: Head, end: Head) -> Drawn:
    """From the upper left corner of the box to the lower right one, or through its points."""
    properties, box = item.properties, item.box
    points = [
        each._replace(x=box.x + each.x, y=box.y + each.y)
        for each in points_of(properties.first("points"))
    ]
    if len(points) < 2:
        points = [box.corners()[0], box.corners()[2]]
        if properties.first("flip_y", "flipY", "is_rising") is True:
            points = [box.corners()[3], box.corners()[1]]
    color = properties.color("stroke", "stroke_color", "strokeColor", "color", "fill") or _DARK
    width = properties.line_width(2.0)
    drawn, covered = line_with_heads(
        points,
        Pen(color, width, properties.dashes(width)),
        head_of(properties.first("arrow_start", "start_arrow", "startArrow", "head_start"), start),
        head_of(properties.first("arrow_end", "end_arrow", "endArrow", "head_end"), end),
    )
    label = label_at(properties, points[0].middle(points[-1]))
    if label is None:
        return Drawn(drawn, covered)
    return Drawn(joined(drawn, label.markup), covered.joined(label.box))


def draw_sticky(item: Item) -> Drawn:
    """A note: its corners are those of the page, and it lies a little above the board."""
    properties, box = item.properties, item.box
    names = ("fill", "fill_color", "background", "background_color", "color")
    color = properties.color(*names) or _STICKY_COLOR
    shadows = [
        element(
            "path",
            d=_note(
                Box(box.x - grow, box.y + down - grow, box.width + 2 * grow, box.height + 2 * grow)
            ),
            fill="#000000",
            fill_opacity=opacity,
        )
        for grow, down, opacity in ((3.0, 6.0, 0.03), (1.5, 4.0, 0.05), (0.0, 1.5, 0.08))
    ]
    body = element("path", d=_note(box), fill=color.hex, fill_opacity=color.opacity)
    style = style_of(properties, size=17, color=PAPER if color.is_dark else INK)
    area = box.inset(min(15, box.width / 8), min(14, box.height / 8))
    words = block(properties.first("text", "content"), area, style)
    covered = Box(box.x - 3, box.y, box.width + 6, box.height + 9)
    return Drawn(joined(*shadows, body, words.draw()), covered)


def _note(box: Box) -> str:
    """A rectangle whose lower right corner is rounder than the others."""
    small = min(4.0, box.width / 2, box.height / 2)
    large = min(14.0, box.width / 2, box.height / 2)
    parts = (
        f"M{_at(box.x + small, box.y)}H{decimal(box.right - small)}",
        f"Q{_at(box.right, box.y)} {_at(box.right, box.y + small)}",
        f"V{decimal(box.bottom - large)}",
        f"Q{_at(box.right, box.bottom)} {_at(box.right - large, box.bottom)}",
        f"H{decimal(box.x + small)}",
        f"Q{_at(box.x, box.bottom)} {_at(box.x, box.bottom - small)}",
        f"V{decimal(box.y + small)}",
        f"Q{_at(box.x, box.y)} {_at(box.x + small, box.y)}Z",
    )
    return "".join(parts)


def _at(x: float, y: float) -> str:
    return f"{decimal(x)} {decimal(y)}"


def draw_text(item: Item) -> Drawn:
    """Words on the board. They are all shown, also below their box."""
    properties, box = item.properties, item.box
    color = properties.color("text_color", "color", "fill", "stroke") or INK
    style = style_of(properties, size=18, color=color)
    words = block(properties.first("text", "content"), box, style, may_overflow=True)
    background = properties.color("background", "background_color", "backgroundColor")
    body = None
    covered = box.joined(words.area._replace(width=min(words.area.width, box.width)))
    if background is not None and background.alpha:
        body = _rectangle(covered, 3, {"fill": background.hex, "fill_opacity": background.opacity})
    drawn = joined(_place(box), body, words.draw())
    return Drawn(drawn, box.joined(words.area))


def _place(box: Box) -> Markup:
    """An invisible rectangle: so a box without a body can be found and measured."""
    return _rectangle(box, 0, {"fill": "none"})


def draw_frame(item: Item) -> Drawn:
    """An area of the board with its name above it."""
    properties, box = item.properties, item.box
    fill = properties.color("fill", "fill_color", "background", "background_color", "color")
    edge = properties.color("stroke", "stroke_color", "border_color") or _FRAME_EDGE
    width = properties.line_width(1.5)
    body = _rectangle(box, 6, _paint(properties, fill or PAPER, edge, width))
    style = style_of(properties, size=15, color=SOFT_INK)
    height = style.size * 1.5
    above = Box(box.x, box.y - height - 3, max(box.width, 40), height)
    style = style._replace(face=Face(is_bold=True, family=style.face.family))
    name = properties.first("title", "name", "label", "text")
    words = block(name, above, style)
    covered = box.joined(above) if words.lines else box
    return Drawn(joined(body, words.draw()), covered.inset(-width / 2, -width / 2))


def draw_unfamiliar(item: Item) -> Drawn:
    """Of a type that nobody here can draw: its place, its type and its words."""
    box = item.box
    paint: dict[str, str | float | None] = {
        "fill": "none",
        "stroke": SOFT_INK.hex,
        "stroke_width": 2,
        "stroke_dasharray": "6 4",
    }
    body = _rectangle(box, 6, paint)
    style = style_of(Properties({}), size=15, color=SOFT_INK, align="middle", upright="middle")
    text = item.properties.first("text", "label", "title", "name")
    shown = block(text if text is not None else item.kind[:40], box.inset(10, 8), style)
    return Drawn(joined(body, shown.draw()), box.inset(-1, -1))
