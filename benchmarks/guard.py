"""What it costs to look at an untrusted update, and to know where it goes.

`python -m benchmarks.guard` prints these alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from pycrdt import Doc, Map, Text, TransactionEvent

from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.timing import cost, cost_each
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import GuardWalk, walk_update
from crdt_docs.update_pieces import Pieces
from crdt_docs.update_surgery import connecting_part

SLICE = 256
"""Structs, values and delete ranges between two pauses of a long walk."""
LIMITS = DocumentLimits()


def measure(scale: Scale) -> Iterator[Row]:
    """Ordinary updates one by one, then long ones."""
    count = scale.pick(4000, 90)
    for name, updates, limit in (
        ("a map value replaced, 100 B", _replaced(count), 8.0),
        ("a character typed within a text", _typed(count), 8.0),
    ):
        yield Row(f"guard: {name}", cost_each(walk_update, updates), "us", at_most(limit))
        facts = [walk_update(each) for each in updates]
        yield Row(f"outline: {name}, connects and admit", _admission(facts), "us")
    yield from _long(scale.pick(5_000, 50), scale.pick(9, 2))


def _emitted(doc: Doc[Any]) -> list[bytes]:
    """A list that fills with what the document emits."""
    emitted: list[bytes] = []

    def collect(event: TransactionEvent) -> None:
        emitted.append(event.update)

    doc.observe(collect)
    return emitted


def _replaced(count: int) -> list[bytes]:
    """`map.set` of one key, again and again: one struct and one delete range each."""
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    emitted = _emitted(doc)
    for _ in range(count):
        objects["key"] = "x" * 100
    return emitted


def _typed(count: int) -> list[bytes]:
    """Characters at one place in a text: two neighbours each."""
    doc: Doc[Any] = Doc()
    text = doc.get("text", type=Text)
    emitted = _emitted(doc)
    text += "before after"
    for number in range(count - 1):
        text.insert(6 + number, "x")
    return emitted


def _admission(facts: list[UpdateFacts]) -> float:
    outline = Outline()

    def admit(each: UpdateFacts) -> None:
        if outline.connects(each):
            outline.admit(each, LIMITS)

    return cost_each(admit, facts)


def _long(objects: int, times: int) -> Iterator[Row]:
    """A whole document of objects as one update, four structs an object."""
    doc: Doc[Any] = Doc()
    root = doc.get("objects", type=Map)
    with doc.transaction():
        for number in range(objects):
            fields = {"object_type": "sticky", "position": {"x": 1, "y": number}, "layer": 0}
            root[f"object {number}"] = Map(fields)
    whole = doc.get_update()
    structs = walk_update(whole).struct_count
    name = f"{structs:,} structs, {len(whole) // 1024:,} KiB"
    yield Row(f"guard: {name}", cost(lambda: walk_update(whole), times) / 1000, "ms")
    # The least of several runs: whoever else had the core is not to be counted.
    longest = min(_longest_slice(whole) for _ in range(times))
    yield Row(f"guard: longest of its slices of {SLICE}", longest, "ms")
    facts = walk_update(whole)
    yield Row(
        f"outline: {name}, admit", cost(lambda: Outline().admit(facts, LIMITS), times) / 1000, "ms"
    )
    outline = Outline.of_update(whole)
    yield Row("outline: to bytes and back", cost(lambda: _copied(outline), times) / 1000, "ms")
    yield Row("outline: stored size", len(outline.to_bytes()) / 1024, "KiB")
    half = {client: clock // 2 for client, clock in outline.clocks.items()}
    yield Row(
        f"surgery: the connecting part of {name}",
        cost(lambda: connecting_part(whole, half), times) / 1000,
        "ms",
    )
    yield Row(
        f"surgery: {name} in pieces of {SLICE}",
        cost(lambda: _cut(whole, facts), times) / 1000,
        "ms",
    )


def _cut(update: bytes, facts: UpdateFacts) -> None:
    pieces = Pieces(update, facts.deletes, {})
    while not pieces.is_done:
        pieces.take(SLICE)


def _longest_slice(update: bytes) -> float:
    """Milliseconds."""
    walk = GuardWalk(update)
    longest = 0.0
    facts = None
    while facts is None:
        started = time.perf_counter()
        facts = walk.advance(SLICE)
        longest = max(longest, time.perf_counter() - started)
    return longest * 1000


def _copied(outline: Outline) -> Outline:
    return Outline.from_bytes(outline.to_bytes())


if __name__ == "__main__":
    for row in measure(Scale()):
        print(f"{row.name:66} {row.value:10.2f} {row.unit}")
