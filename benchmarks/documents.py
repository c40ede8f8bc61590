"""Documents to begin with, as Yjs updates small enough to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pycrdt import Doc, Map, TransactionEvent

from benchmarks.dialects import Dialect
from crdt_docs.varint import var_bytes

ITEMS_AN_UPDATE = 1000


def message(update: bytes, dialect: Dialect) -> bytes:
    """An update as a message."""
    return dialect.prefix + b"\x00\x02" + var_bytes(update)


def map_items(count: int, size: int) -> Iterator[bytes]:
    """A map of so many keys with strings of so many bytes."""
    return _updates(count, lambda number: f"{number:08}".ljust(size, "x"))


def canvas_objects(count: int) -> Iterator[bytes]:
    """So many stickies as a canvas editor writes them."""
    return _updates(count, _sticky)


def _sticky(number: int) -> Map[Any]:
    return Map(
        {
            "object_type": "sticky",
            "position": {"x": float(number % 100), "y": float(number // 100)},
            "size": {"width": 160, "height": 120},
            "rotation": 0,
            "layer": number,
            "is_locked": False,
            "properties": Map({"color": "#ffd966", "text": f"Note number {number}"}),
        }
    )


def _updates(count: int, make: Any) -> Iterator[bytes]:
    doc: Doc[Any] = Doc()
    objects: Map[Any] = doc.get("objects", type=Map)
    emitted: list[bytes] = []

    def collect(event: TransactionEvent) -> None:
        emitted.append(event.update)

    subscription = doc.observe(collect)
    for start in range(0, count, ITEMS_AN_UPDATE):
        with doc.transaction():
            for number in range(start, min(start + ITEMS_AN_UPDATE, count)):
                objects[f"item {number}"] = make(number)
        yield emitted.pop()
    doc.unobserve(subscription)
