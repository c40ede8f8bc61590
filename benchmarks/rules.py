"""What it costs to hold edits against the rules of a session, in this process.

`python -m benchmarks rules` prints these alone. Each edit is one update in a turn of its own, in
four rooms that get the same edits: the one measured, and three for comparison.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter_ns
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc, Map, Text, TransactionEvent

from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.document import Document, StoredState
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.projector import Projector
from crdt_docs.room import Room

OBJECTS: Final = 1000
LOCKED: Final = 100
TAKEN_EVERY: Final = 32
"""Edits after which the journal asks for what changed, as a server does each 5 to 10 ms."""

BOUND_US: Final = 8.0
NOTHING_US: Final = 0.5
"""What counts as not measurable: less than the same room differs from itself."""


def measure(scale: Scale) -> Iterator[Row]:
    """Dragging a sticky and typing a character, with locks and without."""
    count = scale.pick(6000, 60)
    for name, edits in (("drag", _drags(count)), ("type a character", _typed(count))):
        yield from _compared(name, edits)


class _Board:
    """A room with a board of objects, and an editor whose edits it gets."""

    def __init__(self, content: bytes, *, has_authority: bool) -> None:
        document = Document(StoredState(content), with_owners=True)
        self.projector = Projector(document, {})
        self.room = Room(document=document, projector=self.projector)
        if not has_authority:
            self.room.authority = None
        self.editor = Member(Identity(UUID(int=1), "Editor"), Role.EDITOR)
        self.room.join(self.editor)
        self.room.end_turn(0.0)
        self._now = 1.0

    def take(self, frame: bytes) -> int:
        """One edit in one turn; nanoseconds."""
        self._now += 0.05
        begun = perf_counter_ns()
        self.room.receive(self.editor, frame)
        self.room.end_turn(self._now)
        return perf_counter_ns() - begun

    def close(self) -> None:
        self.room.document.close()


def _compared(name: str, edits: Callable[[Doc[Any]], Iterator[bytes]]) -> Iterator[Row]:
    locked, plain = _content(LOCKED), _content(0)
    boards = {
        "locks": _Board(locked, has_authority=True),
        "locks, unchecked": _Board(locked, has_authority=False),
        "no rule": _Board(plain, has_authority=True),
        "no rule, unchecked": _Board(plain, has_authority=False),
    }
    frames = {content: list(_frames(content, edits)) for content in (locked, plain)}
    costs: dict[str, list[int]] = {each: [] for each in boards}
    gc.collect()
    gc.disable()
    try:
        # By turns, so that what else the machine does is the same for all of them.
        for index, pair in enumerate(zip(frames[locked], frames[plain], strict=True)):
            for position, (each, board) in enumerate(boards.items()):
                costs[each].append(board.take(pair[position // 2]))
                if index % TAKEN_EVERY == 0:
                    board.projector.take()
    finally:
        gc.enable()
    for board in boards.values():
        board.close()
    medians = {each: median(values) / 1000 for each, values in costs.items()}
    yield Row(f"{name}: a turn of a room without locks", medians["no rule"], "us")
    yield Row(
        f"{name}: {LOCKED} of {OBJECTS:,} objects locked, more than without",
        max(0.001, medians["locks"] - medians["no rule, unchecked"]),
        "us",
        at_most(BOUND_US),
        details=medians,
    )
    yield Row(
        f"{name}: where no rule can apply, more than without rules",
        max(0.001, medians["no rule"] - medians["no rule, unchecked"]),
        "us",
        at_most(NOTHING_US),
    )


def _content(locked: int) -> bytes:
    """A board with so many locked objects, as one update."""
    doc: Doc[Any] = Doc(client_id=1)
    objects = doc.get("objects", type=Map)
    with doc.transaction():
        for number in range(OBJECTS):
            objects[f"object {number}"] = Map(
                {
                    "object_type": "sticky",
                    "position": {"x": 1, "y": number},
                    "properties": Map({"text": Text("before after")}),
                    "is_locked": number < locked,
                }
            )
    return doc.get_update()


def _frames(content: bytes, edits: Callable[[Doc[Any]], Iterator[bytes]]) -> Iterator[bytes]:
    """What an editor sends."""
    doc: Doc[Any] = Doc(client_id=2)
    doc.apply_update(content)
    for update in edits(doc):
        yield messages.sync_update(update)


def _emitting(doc: Doc[Any], edit: Callable[[int], object], count: int) -> Iterator[bytes]:
    emitted: list[bytes] = []

    def collect(event: TransactionEvent) -> None:
        emitted.append(event.update)

    subscription = doc.observe(collect)
    for number in range(count):
        edit(number)
        yield emitted.pop()
    doc.unobserve(subscription)


def _drags(count: int) -> Callable[[Doc[Any]], Iterator[bytes]]:
    """Stickies are moved, one after the other, some steps each."""

    def edits(doc: Doc[Any]) -> Iterator[bytes]:
        objects = doc.get("objects", type=Map)

        def move(number: int) -> None:
            key = f"object {LOCKED + number // 50 % (OBJECTS - LOCKED)}"
            objects[key]["position"] = {"x": number, "y": 2.5}

        return _emitting(doc, move, count)

    return edits


def _typed(count: int) -> Callable[[Doc[Any]], Iterator[bytes]]:
    """Words are typed into stickies, one after the other, within the text that is there."""

    def edits(doc: Doc[Any]) -> Iterator[bytes]:
        objects = doc.get("objects", type=Map)

        def write(number: int) -> None:
            key = f"object {LOCKED + number // 50 % (OBJECTS - LOCKED)}"
            objects[key]["properties"]["text"].insert(6 + number % 50, "x")

        return _emitting(doc, write, count)

    return edits
