"""Images: those that an object brings along; of others only their place, for nothing is fetched."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from crdt_docs.svg.geometry import Box
from crdt_docs.svg.items import Drawn, Item
from crdt_docs.svg.markup import Markup, decimal, element, joined
from crdt_docs.svg.text_block import SOFT_INK, block, style_of
from crdt_docs.svg.text_layout import Face
from crdt_docs.svg.values import Properties

MOST_IMAGE_BYTES: Final = 8 * 1024 * 1024
"""Of one image, as it is written (SVG-6)."""

_SOURCES: Final = ("src", "url", "image_url", "imageUrl", "asset_url", "href", "data")
_DATA_URL: Final = re.compile(r"data:image/[\w.+-]{1,20};base64,", re.ASCII | re.IGNORECASE)
_WIDEST_ADDRESS: Final = 300


def draw_image(item: Item) -> Drawn:
    """The image itself if its bytes are in the document, else a frame with its description."""
    box, properties = item.box, item.properties
    source = properties.words(*_SOURCES)
    embedded = embedded_image(source)
    if embedded is None:
        return Drawn(_placeholder(box, properties, source), box.inset(-1, -1))
    aspect = {"cover": "xMidYMid slice", "contain": "xMidYMid meet"}
    picture = element(
        "image",
        _title(properties),
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        href=embedded,
        aspect=aspect.get(properties.word("fit", "object_fit", "objectFit"), "none"),
    )
    return Drawn(picture, box)


def embedded_image(source: str) -> Markup | None:
    """A data URL of an image whose bytes are what their first ones say; written anew.

    PNG, JPEG, GIF and WebP: of pixels alone, none of which can run or fetch anything.
    """
    head = _DATA_URL.match(source)
    if head is None or len(source) > MOST_IMAGE_BYTES:
        return None
    try:
        content = base64.b64decode(source[head.end() :].encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    kind = _kind(content)
    if kind is None:
        return None
    return Markup(f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}")


def _kind(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None


def _description(properties: Properties) -> str:
    return properties.words("alt", "alt_text", "caption", "title", "name", "description")


def _title(properties: Properties) -> Markup | None:
    described = _description(properties)
    return element("title", described[:1000]) if described else None


def _placeholder(box: Box, properties: Properties, source: str) -> Markup:
    """A grey frame with a small picture in it, what the image shows, and where it is."""
    frame = element(
        "rect",
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        rx=min(6.0, box.width / 2, box.height / 2) or None,
        fill="#f1f3f6",
        stroke="#c3c9d4",
        stroke_width=1.5,
    )
    lines = [(_description(properties), 14.0, True), (_address(source), 11.0, False)]
    shown = [(text, size, is_bold) for text, size, is_bold in lines if text]
    tall = sum(size * 1.6 for _, size, _ in shown)
    inner = box.inset(min(12, box.width / 8), min(10, box.height / 8))
    icon = min(44.0, inner.height - tall - 8, inner.width)
    top = inner.y + max(0.0, (inner.height - tall - (icon + 8 if icon >= 12 else 0)) / 2)
    drawn = [frame]
    if icon >= 12:
        drawn.append(_icon(Box(box.centre.x - icon * 0.6, top, icon * 1.2, icon)))
        top += icon + 8
    style = style_of(Properties({}), size=14, color=SOFT_INK, align="middle")
    for text, size, is_bold in shown:
        if top + size > box.bottom:
            break
        room = Box(inner.x, top, inner.width, size * 1.4)
        words = block(text, room, style._replace(size=size, face=Face(is_bold=is_bold))).draw()
        if words is not None:
            drawn.append(words)
        top += size * 1.6
    return joined(*drawn)


def _address(source: str) -> str:
    """Where the image is, in a line; what stands in the document itself is not spelt out."""
    if source[:5].lower() == "data:":
        return "an image that cannot be shown"
    head = source[:_WIDEST_ADDRESS].strip()
    return head.removeprefix("https://").removeprefix("http://")


def _icon(box: Box) -> Markup:
    """Hills and a sun."""

    def at(x: float, y: float) -> str:
        return f"{decimal(box.x + x * box.width)} {decimal(box.y + y * box.height)}"

    hills = f"M{at(0.04, 0.96)}L{at(0.36, 0.4)}L{at(0.56, 0.72)}L{at(0.7, 0.52)}L{at(0.96, 0.96)}Z"
    return joined(
        element("path", d=hills, fill="#b3bac7", stroke_linejoin="round"),
        element(
            "ellipse",
            cx=box.x + box.width * 0.74,
            cy=box.y + box.height * 0.22,
            rx=box.height * 0.13,
            ry=box.height * 0.13,
            fill="#b3bac7",
        ),
    )
