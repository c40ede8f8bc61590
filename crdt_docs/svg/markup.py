"""XML that is well-formed whatever is put into it (SVG-1).

Elements and attributes are named by the code alone; what clients wrote can only be text or a
value, and either is escaped here and nowhere else.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

ElementName: TypeAlias = Literal[
    "svg", "g", "title", "rect", "ellipse", "path", "polygon", "line", "text", "tspan", "image"
]

_NOT_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no place for, not even escaped (section 2.2); and the carriage return."""

_NAMES: Final = {"view_box": "viewBox", "xml_space": "xml:space", "aspect": "preserveAspectRatio"}


class Markup(str):
    """A piece of XML, as opposed to text that has still to be escaped."""

    __slots__ = ()


def element(
    name: ElementName, *children: Markup | str | None, **attributes: str | float | None
) -> Markup:
    """An element. Attributes are spelt with `_` for `-`; those that are None are left out."""
    head: list[str] = [name]
    for key, value in attributes.items():
        if value is not None:
            if isinstance(value, Markup):
                safe: str = value
            else:
                safe = escaped(value) if isinstance(value, str) else decimal(value)
            head.append(f'{_NAMES.get(key) or key.replace("_", "-")}="{safe}"')
    inner = "".join(
        child if isinstance(child, Markup) else escaped(child) for child in children if child
    )
    opening = " ".join(head)
    return Markup(f"<{opening}>{inner}</{name}>" if inner else f"<{opening}/>")


def joined(*pieces: Markup | None) -> Markup:
    """Pieces one after the other."""
    return Markup("".join(piece for piece in pieces if piece))


def escaped(text: str) -> Markup:
    """Text for a place between tags or between quotes; what XML cannot hold becomes U+FFFD."""
    if not text.isalnum():
        text = _NOT_XML.sub("\ufffd", text)
        text = text.replace("&", "&amp;").replace("<", "&lt;")
        text = text.replace(">", "&gt;").replace('"', "&quot;")
    return Markup(text)


def decimal(value: float) -> str:
    """A number with at most two decimals, never in exponents."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown == "-0" else shown
