"""People around a room, by hand: nothing is delivered until a test says so."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any
from uuid import UUID

from pycrdt import Doc, Map, TransactionEvent

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.document import StoredState
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.messages import AwarenessEntry, MessageType
from crdt_docs.room import Room
from crdt_docs.room_limits import RoomLimits
from crdt_docs.turn import Turn
from crdt_docs.varint import read_var_bytes, read_var_uint


class Person:
    """A stock-like Yjs client: a document, presence, and a wire that is pumped by hand."""

    def __init__(
        self,
        number: int,
        role: Role = Role.EDITOR,
        *,
        wants_receipts: bool = False,
        doc: Doc[Any] | None = None,
    ) -> None:
        self.identity = Identity(UUID(int=number), f"Person {number}")
        self.member = Member(self.identity, role, wants_receipts)
        self.doc: Doc[Any] = doc if doc is not None else Doc(client_id=1000 + number)
        self.objects: Map[Any] = self.doc.get("objects", type=Map)
        self.outbox: deque[bytes] = deque()
        self.inbox: deque[bytes] = deque()
        self.present: dict[int, Any] = {}
        self.clock = 0
        self.denials: list[str] = []
        self.stored = 0
        self.closed: tuple[int, str] | None = None
        self.is_offline = False
        self.answers_step1 = True
        self._applying = False
        self.doc.observe(self._changed)

    @property
    def client_id(self) -> int:
        return self.doc.client_id

    def _changed(self, event: TransactionEvent) -> None:
        if not self._applying and not self.is_offline:
            self.outbox.append(messages.sync_update(event.update))

    def edit(self, change: Callable[[Map[Any]], object]) -> bytes:
        """Change the objects in one transaction; return the frame it made."""
        with self.doc.transaction():
            change(self.objects)
        return self.outbox[-1] if self.outbox else b""

    def set(self, key: str, value: object) -> bytes:
        """Set one object."""
        return self.set_many({key: value})

    def set_many(self, values: dict[str, Any]) -> bytes:
        """Set several objects in one transaction."""
        return self.edit(lambda objects: objects.update(values))

    def open(self) -> None:
        """What a stock client says first."""
        self.outbox.append(messages.sync_step1(self.doc.get_state()))
        self.outbox.append(self.presence({}))

    def presence(self, state: object) -> bytes:
        """A frame with the person's next presence."""
        self.clock += 1
        self.present[self.client_id] = {"user": {"name": self.identity.name}}
        text = json.dumps(state).encode()
        return messages.awareness([AwarenessEntry(self.client_id, self.clock, text)])

    def hear(self, frame: bytes) -> None:
        """Take a frame as a stock client does."""
        if frame[0] == MessageType.STORED:
            self.stored = read_var_uint(frame, 1)[0]
            return
        if frame[0] == MessageType.AUTH:
            self.denials.append(read_var_bytes(frame, 2)[0].decode())
            return
        message = messages.parse(frame)
        match message:
            case messages.SyncStep1(state_vector):
                if self.answers_step1:
                    self.outbox.append(messages.sync_step2(self.doc.get_update(state_vector)))
            case messages.SyncStep2(update) | messages.SyncUpdate(update):
                self._applying = True
                self.doc.apply_update(update)
                self._applying = False
            case messages.AwarenessUpdate(payload):
                for client_id, clock, state in messages.read_awareness(payload):
                    if client_id == self.client_id:
                        self.clock = max(self.clock, clock)  # as awareness.js goes on counting
                    if state == messages.GONE:
                        self.present.pop(client_id, None)
                    else:
                        self.present[client_id] = json.loads(state)
            case messages.QueryAwareness():
                self.outbox.append(self.presence({}))  # stock clients tell all that they know
            case messages.Renewal():
                raise AssertionError("the server has no token to renew")

    def json(self) -> Any:
        """What the person sees of the objects."""
        return self.objects.to_py()


class Gathering:
    """A room, people, and the time."""

    def __init__(
        self,
        *people: Person,
        stored: StoredState | None = None,
        limits: RoomLimits | None = None,
        **options: Any,
    ) -> None:
        self.room = Room(stored, limits=limits, **options)
        self.people: list[Person] = []
        self.now = 0.0
        self.log: list[bytes] = []
        self.turns: list[Turn] = []
        for person in people:
            self.join(person)
        self.settle()

    def join(self, person: Person) -> None:
        """Let somebody in who then says what stock clients say."""
        self.people.append(person)
        self.room.join(person.member)
        person.open()

    def leave(self, person: Person) -> None:
        """Somebody's socket is gone; what it had not sent stays in the document."""
        self.room.leave(person.member)
        self.people.remove(person)
        person.outbox.clear()
        person.inbox.clear()

    def return_(self, person: Person, role: Role | None = None) -> None:
        """The same person, with the same document, on a new socket."""
        before = person.member
        person.member = Member(person.identity, role or before.role, before.wants_receipts)
        person.is_offline = False
        person.closed = None
        self.join(person)

    def send(self, person: Person, frame: bytes | None = None) -> None:
        """Hand a frame, or everything in a person's outbox, to the room."""
        if frame is not None:
            self.room.receive(person.member, frame)
            return
        while person.outbox:
            self.room.receive(person.member, person.outbox.popleft())

    def turn(self, *, after: float = 0.0) -> Turn:
        """End the turn and put what it says into the inboxes and the log."""
        self.now += after
        turn = self.room.end_turn(self.now)
        self.turns.append(turn)
        self.log.extend(commit.update for commit in turn.commits)
        by_member = {person.member: person for person in self.people}
        for member, frame in turn.replies:
            by_member[member].inbox.append(frame)
        for broadcast in turn.broadcasts:
            for person in self.people:
                member = person.member
                is_in = member in self.room.members or any(c.member is member for c in turn.closes)
                if is_in and broadcast.concerns(member):
                    person.inbox.append(broadcast.frame)
        for member, count, _ in turn.receipts:
            by_member[member].inbox.append(messages.stored(count))
        for close in turn.closes:
            if close.member in by_member:
                by_member[close.member].closed = (close.code, close.reason)
        return turn

    def deliver(self) -> None:
        """Let everybody hear what is in their inboxes."""
        for person in self.people:
            while person.inbox:
                person.hear(person.inbox.popleft())

    def settle(self) -> None:
        """Send, turn and deliver until nothing more happens."""
        for _ in range(1000):
            for person in self.people:
                self.send(person)
            turn = self.turn(after=0.05)
            self.deliver()
            quiet = not any(person.outbox for person in self.people)
            if quiet and not turn.replies and not turn.broadcasts and self.room.is_quiet:
                return
        raise AssertionError("the room does not come to rest")

    def json(self) -> Any:
        """What a newcomer sees of the objects."""
        doc: Doc[Any] = Doc()
        doc.apply_update(self.room.document.full_state())
        return doc.get("objects", type=Map).to_py()

    def reopened(self) -> Any:
        """What somebody sees who reads the log back."""
        doc: Doc[Any] = Doc()
        for update in self.log:
            doc.apply_update(update)
        return doc.get("objects", type=Map).to_py()
