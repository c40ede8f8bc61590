"""What it costs to hold edits against the rules of a session, in this process.

`python -m benchmarks rules` prints these alone. Each edit is one update in a turn of its own; rooms
with rules and without get the same edits, and the reading of what changed is counted as well.
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
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.ownership import Entry
from crdt_docs.projector import Projector
from crdt_docs.room import Room
from crdt_docs.rules import ORDINARY, SessionRules

OBJECTS: Final = 1000
LOCKED: Final = 100
TAKEN_EVERY: Final = 32
"""Edits after which the journal asks for what changed, as a server does each 5 to 10 ms."""

KEYS: Final = tuple(f"object {number}" for number in range(OBJECTS))

BOUND_US: Final = 8.0
NOTHING_US: Final = 1.0
"""What counts as not measurable: the same room differs from itself by half of it."""


def measure(scale: Scale) -> Iterator[Row]:
    """Dragging a sticky and typing a character, with locks and without."""
    count = scale.pick(9600, 128)
    for name, edits in (("drag", _drags(count)), ("type a character", _typed(count))):
        yield from _compared(name, edits)


class _Board:
    """A room with a board of objects, and an editor who sends these frames."""

    def __init__(
        self,
        content: bytes,
        frames: list[bytes],
        *,
        has_authority: bool,
        rules: SessionRules = ORDINARY,
    ) -> None:
        document = Document(StoredState(content), with_owners=True)
        self.frames = frames
        self._projector = Projector(document, {})
        self._room = Room(document=document, projector=self._projector)
        if not has_authority:
            self._room.authority = None
        self._editor = Member(Identity(UUID(int=1), "Editor"), Role.EDITOR)
        creators = {Entry(ObjectRoot.OBJECTS, key): self._editor.identity.user_id for key in KEYS}
        self._room.obey(rules, creators)
        self._room.join(self._editor)
        self._room.end_turn(0.0)
        self._now = 1.0

    def take(self, portion: int) -> int:
        """Some edits, each in a turn of its own; nanoseconds."""
        room, editor = self._room, self._editor
        frames = self.frames[portion * TAKEN_EVERY : (portion + 1) * TAKEN_EVERY]
        begun = perf_counter_ns()
        for frame in frames:
            self._now += 0.05
            room.receive(editor, frame)
            room.end_turn(self._now)
        self._projector.take()
        return perf_counter_ns() - begun

    def close(self) -> None:
        """Let go of the document."""
        self._room.document.close()


def _compared(name: str, edits: Callable[[Doc[Any]], Iterator[bytes]]) -> Iterator[Row]:
    locked, plain = _content(LOCKED), _content(0)
    boards = {
        "locks": _Board(locked, list(_frames(locked, edits)), has_authority=True),
        "no rule": _Board(plain, list(_frames(plain, edits)), has_authority=True),
        "own": _Board(
            plain,
            list(_frames(plain, edits)),
            has_authority=True,
            rules=SessionRules(own_objects_only=True),
        ),
        "unchecked": _Board(plain, list(_frames(plain, edits)), has_authority=False),
        "again": _Board(plain, list(_frames(plain, edits)), has_authority=False),
    }
    costs = _costs(boards)
    for board in boards.values():
        board.close()
    unchecked = costs["unchecked"]
    yield Row(f"{name}: a turn of a room without rules", unchecked, "us")
    yield Row(f"{name}: another of the same, the difference", abs(costs["again"] - unchecked), "us")
    yield Row(
        f"{name}: more than that, {LOCKED} of {OBJECTS:,} objects locked",
        abs(costs["locks"] - unchecked),
        "us",
        at_most(BOUND_US),
        details=costs,
    )
    yield Row(
        f"{name}: more than that, where no rule can apply",
        abs(costs["no rule"] - unchecked),
        "us",
        at_most(NOTHING_US),
    )
    yield Row(
        f"{name}: more than that, where editors change only their own",
        abs(costs["own"] - unchecked),
        "us",
    )


def _costs(boards: dict[str, _Board]) -> dict[str, float]:
    """Microseconds for one edit in each of them, changes being taken now and then."""
    costs: dict[str, list[int]] = {each: [] for each in boards}
    names = list(boards)
    portions = len(boards[names[0]].frames) // TAKEN_EVERY
    gc.collect()
    gc.disable()
    try:
        # By turns, and each as often before the others as after them: what else the machine does
        # is the same for all.
        for portion in range(portions):
            first = portion % len(names)
            for each in names[first:] + names[:first]:
                costs[each].append(boards[each].take(portion))
    finally:
        gc.enable()
    return {each: _undisturbed(values) / TAKEN_EVERY / 1000 for each, values in costs.items()}


def _undisturbed(values: list[int]) -> float:
    """The median of the best fifth: whoever else had the core is not to be counted."""
    return median(sorted(values)[: max(1, len(values) // 5)])


def _content(locked: int) -> bytes:
    """A board with so many locked objects, as one update."""
    doc: Doc[Any] = Doc(client_id=1)
    objects = doc.get("objects", type=Map)
    with doc.transaction():
        for number, key in enumerate(KEYS):
            objects[key] = Map(
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
            key = KEYS[LOCKED + number // 50 % (OBJECTS - LOCKED)]
            objects[key]["position"] = {"x": number, "y": 2.5}

        return _emitting(doc, move, count)

    return edits


def _typed(count: int) -> Callable[[Doc[Any]], Iterator[bytes]]:
    """Words are typed into stickies, one after the other, within the text that is there."""

    def edits(doc: Doc[Any]) -> Iterator[bytes]:
        objects = doc.get("objects", type=Map)

        def write(number: int) -> None:
            key = KEYS[LOCKED + number // 50 % (OBJECTS - LOCKED)]
            objects[key]["properties"]["text"].insert(6 + number % 50, "x")

        return _emitting(doc, write, count)

    return edits
