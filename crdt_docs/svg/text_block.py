"""Words in a box, as SVG."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

from crdt_docs.svg.colors import Color
from crdt_docs.svg.geometry import Box
from crdt_docs.svg.markup import Markup, element
from crdt_docs.svg.metrics import ASCENT, DESCENT, STACKS, Family
from crdt_docs.svg.text_layout import Face, Line, Run, runs_of, wrapped
from crdt_docs.svg.values import Properties

INK: Final = Color(0x22, 0x25, 0x2B)
PAPER: Final = Color(0xFF, 0xFF, 0xFF)
SOFT_INK: Final = Color(0x66, 0x70, 0x85)

LEADING: Final = 1.35
"""Height of a line in parts of the font size."""

MOST_LINES: Final = 2_000

Align: TypeAlias = Literal["start", "middle", "end"]
Upright: TypeAlias = Literal["top", "middle", "bottom"]

_ALIGNS: Final[dict[str, Align]] = {
    "left": "start",
    "start": "start",
    "justify": "start",
    "center": "middle",
    "centre": "middle",
    "middle": "middle",
    "right": "end",
    "end": "end",
}
_UPRIGHTS: Final[dict[str, Upright]] = {
    "top": "top",
    "start": "top",
    "bottom": "bottom",
    "end": "bottom",
    "middle": "middle",
    "center": "middle",
    "centre": "middle",
}


class Style(NamedTuple):
    """How the words of an object are set.

    Attributes:
        size: of the font, pixels.
        face: of what has no format of its own.
        color: the same.
    """

    size: float
    face: Face
    color: Color
    align: Align
    upright: Upright


class TextBlock(NamedTuple):
    """Lines, where they stand, and what they cover."""

    lines: list[Line]
    style: Style
    box: Box
    area: Box

    def draw(self) -> Markup | None:
        """None without any words."""
        size = self.style.size
        height = size * LEADING
        baseline = self.area.y + (height - (ASCENT + DESCENT) * size) / 2 + ASCENT * size
        x = {
            "start": self.box.x,
            "middle": self.box.x + self.box.width / 2,
            "end": self.box.right,
        }[self.style.align]
        spans = [
            element("tspan", *_spans(line, self.style.face), x=x, y=baseline + at * height)
            for at, line in enumerate(self.lines)
            if any(run.text for run in line.runs)
        ]
        if not spans:
            return None
        face = self.style.face
        return element(
            "text",
            *spans,
            font_family=STACKS[face.family],
            font_size=size,
            font_weight="bold" if face.is_bold else None,
            font_style="italic" if face.is_italic else None,
            text_decoration=_decoration(face),
            text_anchor=None if self.style.align == "start" else self.style.align,
            fill=self.style.color.hex,
            fill_opacity=self.style.color.opacity,
            xml_space="preserve",
        )


def style_of(
    properties: Properties,
    *,
    size: float,
    color: Color,
    align: Align = "start",
    upright: Upright = "top",
) -> Style:
    """What an object says of its words, and where it says nothing, what is given here."""
    face = Face(
        is_bold=properties.first("bold") is True or _is_heavy(properties),
        is_italic=properties.first("italic") is True or properties.word("font_style") == "italic",
        is_underlined=properties.first("underline") is True,
        family=_family(properties.word("font_family", "fontFamily", "font")),
    )
    return Style(
        size=properties.font_size or size,
        face=face,
        color=properties.color("text_color", "textColor", "font_color", "fontColor") or color,
        align=_ALIGNS.get(properties.word("align", "text_align", "textAlign"), align),
        upright=_UPRIGHTS.get(properties.word("vertical_align", "verticalAlign"), upright),
    )


def block(text: object, box: Box, style: Style, *, may_overflow: bool = False) -> TextBlock:
    """A text set in a box. What does not fit is cut, unless it may overflow downwards."""
    height = style.size * LEADING
    most = MOST_LINES if may_overflow else min(MOST_LINES, max(1, int((box.height + 1) / height)))
    lines = wrapped(runs_of(text, style.face), style.size, max(box.width, style.size), most)
    while lines and not any(run.text.strip() for run in lines[-1].runs):
        lines.pop()
    tall = len(lines) * height
    room = {"top": 0.0, "middle": (box.height - tall) / 2, "bottom": box.height - tall}
    y = box.y + (0.0 if may_overflow else max(0.0, room[style.upright]))
    wide = max((line.width for line in lines), default=0.0)
    return TextBlock(lines, style, box, Box(box.x, y, max(wide, 0.0), tall))


def _spans(line: Line, usual: Face) -> list[Markup | str]:
    return [run.text if run.face == usual else _span(run, usual) for run in line.runs]


def _span(run: Run, usual: Face) -> Markup:
    face = run.face
    return element(
        "tspan",
        run.text,
        font_family=None if face.family == usual.family else STACKS[face.family],
        font_weight="bold" if face.is_bold and not usual.is_bold else None,
        font_style="italic" if face.is_italic and not usual.is_italic else None,
        text_decoration=_decoration(face),
        fill=None if face.color is None else face.color.hex,
        fill_opacity=None if face.color is None else face.color.opacity,
    )


def _decoration(face: Face) -> str | None:
    kinds = [("underline", face.is_underlined), ("line-through", face.is_struck)]
    return " ".join(name for name, is_so in kinds if is_so) or None


def _is_heavy(properties: Properties) -> bool:
    weight = properties.first("font_weight", "fontWeight")
    if isinstance(weight, int | float):
        return weight >= 600
    return weight in ("bold", "bolder", "600", "700", "800", "900")


def _family(name: str) -> Family:
    if any(part in name for part in ("mono", "courier", "code", "consol", "menlo")):
        return "mono"
    is_serif = "serif" in name and "sans" not in name
    return "serif" if is_serif or "times" in name or "georgia" in name else "sans"
