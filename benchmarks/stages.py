"""What an inbound message costs, stage by stage, in this process and without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from uuid import UUID, uuid4

from pycrdt import merge_updates
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from benchmarks.report import Row, at_most
from benchmarks.scale import Scale
from benchmarks.timing import cost_each
from benchmarks.writers import Writer, client_id
from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.document import Document
from crdt_docs.identifiers import ActorKind, DocumentKind, Identity, document_name
from crdt_docs.member import Member
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.projector import Projector
from crdt_docs.room import Room
from crdt_docs.turn import Emitted, Turn
from crdt_docs.update_facts import UpdateFacts
from crdt_docs.update_guard import walk_update
from loadtest import wire
from loadtest.board import Board
from persistence.journal import WriteBehindJournal
from persistence.memory_store import MemoryDocumentStore
from persistence.object_rows import parameters, writes
from persistence.ports import Commit
from server.direct_channel import DirectProtocol

PEOPLE = 50
GROUP = 10
FRAME_SECONDS = 0.05
"""Between two turns of a measured room: longer than any pacing, so that each turn sends."""


def measure(scale: Scale) -> Iterator[Row]:
    """Every stage on the way of a 100-byte edit, then whole rooms, presence and refusal."""
    count = scale.pick(4000, 90)
    yield from _frames(count)
    yield from _updates(count)
    yield asyncio.run(_journal(count))
    yield from _object_rows(count)
    yield from _rooms(scale.pick(200, 9))


def _edits(count: int) -> list[bytes]:
    writer = Writer(0)
    return [writer.edit(1) for _ in range(count)]


def _updates_of(count: int, sender: int = 0) -> list[bytes]:
    writer = Writer(sender)
    return [writer.update(1) for _ in range(count)]


def _frames(count: int) -> Iterator[Row]:
    frames = [wire.frame(each) for each in _edits(count)]
    protocol = ServerProtocol(state=OPEN)

    def sans_io(data: bytes) -> None:
        protocol.receive_data(data)
        protocol.events_received()

    yield Row("frame: websockets' Sans-I/O parser", cost_each(sans_io, frames), "us")

    channel = SimpleNamespace(is_closing=False)
    receiver = SimpleNamespace(on_frame=lambda _, *, more: None)
    take = DirectProtocol._take_small_frames
    fast: Callable[[bytes], object] = lambda data: take(channel, data, receiver)  # type: ignore[arg-type]  # noqa: E731 - stands for a protocol object
    yield Row("frame: the direct channel's own path", cost_each(fast, frames), "us")


def _updates(count: int) -> Iterator[Row]:
    edits, updates = _edits(count), _updates_of(count)
    yield Row("message: parse", cost_each(messages.parse, edits), "us")
    yield Row("guard: walk an update", cost_each(walk_update, updates), "us", at_most(8))

    outline, limits = Outline(), DocumentLimits()

    def place(facts: UpdateFacts) -> None:
        if outline.connects(facts):
            outline.admit(facts, limits)

    facts = [walk_update(each) for each in updates]
    yield Row("outline: connects and admit", cost_each(place, facts), "us")

    sender = uuid4().bytes
    alone = Document()
    yield Row(
        "document: apply, one update a transaction",
        cost_each(lambda update: alone.apply([update], sender), updates),
        "us",
    )
    alone.close()
    together = Document()
    groups = [updates[at : at + GROUP] for at in range(0, count, GROUP)]
    yield Row(
        f"document: apply, {GROUP} updates a transaction",
        cost_each(lambda group: together.apply(group, sender), groups) / GROUP,
        "us",
    )
    together.close()
    people = [_updates_of(1, sender)[0] for sender in range(PEOPLE)]
    yield Row(
        f"merge: {PEOPLE} people's updates into one",
        cost_each(lambda _: merge_updates(*people), range(count // 10)) / PEOPLE,
        "us",
    )


async def _journal(count: int) -> Row:
    journal = WriteBehindJournal(MemoryDocumentStore(), on_poisoned=lambda *_: None)
    name = document_name(DocumentKind.OCW, uuid4())
    commits = [
        [Commit(name, seq, update, uuid4(), ActorKind.USER)]
        for seq, update in enumerate(_updates_of(count), start=1)
    ]
    return Row("journal: append one entry", cost_each(journal.append, commits), "us")


def _object_rows(count: int) -> Iterator[Row]:
    """What an edit costs on its way into the tables, up to the JSON that the database is given."""
    for points in (0, 50):
        dragged = f"a drawing of {points} points" if points else "a shape"
        board = _Dragged(points)
        edits = [board.drag(number) for number in range(count)]
        yield Row(f"rows: {dragged} is dragged", cost_each(board.store, edits), "us", at_most(200))


class _Dragged:
    """One object on a board that goes somewhere else again and again."""

    def __init__(self, points: int) -> None:
        self._board = Board(client_id(0), lambda: "")
        self._document = Document(with_owners=True)
        self._projector = Projector(self._document, {})
        self._name = document_name(DocumentKind.OCW, uuid4())
        self._author = Identity(uuid4())
        self._id, made = self._board.drawing(0, 0) if points else self._board.shape(0, 0)
        self.store(self._emit(made))
        if points:
            stroke = [(number + 0.5, number * 1.5) for number in range(points)]
            self.store(self._emit(self._board.extend(self._id, stroke)))

    def drag(self, number: int) -> Emitted:
        return self._emit(self._board.move(self._id, number, -number))

    def _emit(self, update: bytes) -> Emitted:
        emitted = self._document.apply([update], self._author.user_id.bytes)
        return Emitted(emitted or b"", self._author, ())

    def store(self, emitted: Emitted) -> None:
        self._projector.note(emitted, 0.0)
        changes = self._projector.take()
        parameters(writes([Commit(self._name, 1, emitted.update, None, changes=changes)]))


class _People:
    """A room with members who write by turns."""

    def __init__(self, role: Role = Role.EDITOR) -> None:
        self.room = Room()
        self.members = [Member(Identity(UUID(int=n), f"Person {n}"), role) for n in range(PEOPLE)]
        self.writers = [Writer(n) for n in range(PEOPLE)]
        self._now = 0.0
        for member in self.members:
            self.room.join(member)
        for member, writer in zip(self.members, self.writers, strict=True):
            self.room.receive(member, writer.presence(1))
        self.end_turn()

    def end_turn(self) -> Turn:
        self._now += FRAME_SECONDS
        return self.room.end_turn(self._now)

    def take(self, frames: list[bytes]) -> None:
        """A turn in which everybody, or the first ones, send one frame each."""
        for member, frame in zip(self.members, frames, strict=False):
            self.room.receive(member, frame)
        self.end_turn()

    def edits(self, turns: int, people: int = PEOPLE) -> list[list[bytes]]:
        return [[each.edit(1) for each in self.writers[:people]] for _ in range(turns)]

    def presence(self, turns: int) -> list[list[bytes]]:
        return [[each.presence(1) for each in self.writers] for _ in range(turns)]


def _rooms(turns: int) -> Iterator[Row]:
    people = _People()
    busy = cost_each(people.take, people.edits(turns)) / PEOPLE
    yield Row(f"room of {PEOPLE}: an edit, when everybody sends in a turn", busy, "us", at_most(35))
    quiet = cost_each(people.take, people.edits(turns, people=1))
    yield Row(f"room of {PEOPLE}: an edit alone in its turn", quiet, "us")
    presence = cost_each(people.take, people.presence(turns)) / PEOPLE
    yield Row(f"room of {PEOPLE}: presence, when everybody moves in a turn", presence, "us")
    echoed = people.presence(1) * turns
    people.take(echoed[0])
    yield Row(
        f"room of {PEOPLE}: presence that is not news",
        cost_each(people.take, echoed) / PEOPLE,
        "us",
    )
    readers = _People(Role.VIEWER)
    refused = cost_each(readers.take, readers.edits(turns)) / PEOPLE
    yield Row(f"room of {PEOPLE}: a viewer's edit, refused", refused, "us")
