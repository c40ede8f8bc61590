"""What kind of thing a client runs on: a word of ours, and nothing else of its `User-Agent`."""

from __future__ import annotations

from typing import Final

UNKNOWN = "unknown"

_FAMILIES: Final = (
    # In this order: browsers name one another.
    ("oculusbrowser", "headset"),
    ("edg", "edge"),
    ("opr/", "opera"),
    ("firefox", "firefox"),
    ("fxios", "firefox"),
    ("chromium", "chrome"),
    ("chrome", "chrome"),
    ("crios", "chrome"),
    ("safari", "safari"),
    ("node", "node"),
    ("python", "python"),
)
_SYSTEMS: Final = (
    ("ipad", "tablet"),
    ("iphone", "phone"),
    ("mobile", "phone"),
    ("android", "tablet"),
)


def device_of(user_agent: str | None) -> str:
    """The class of a device: `<family>` or `<family> <kind>`, as in `firefox phone`."""
    text = (user_agent or "")[:512].lower()
    family = next((name for mark, name in _FAMILIES if mark in text), UNKNOWN)
    kind = next((f" {name}" for mark, name in _SYSTEMS if mark in text), "")
    return family + kind
