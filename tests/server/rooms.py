"""A directory over stores in memory, and people who are in its rooms without a socket."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Self
from uuid import UUID

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from crdt_docs.messages import CloseCode, MessageType
from crdt_docs.pacing import Pacing
from crdt_docs.room_limits import RoomLimits
from persistence.journal import WriteBehindJournal
from persistence.memory_store import MemoryDocumentStore
from server.authentication import Credentials
from server.counters import Counters
from server.receipts import StoredCounts
from server.room_directory import RoomDirectory
from server.room_host import HostSettings, RoomHost
from tests.helpers.channels import RecordingChannel
from tests.helpers.people import Person
from tests.helpers.waiting import until

NAME = document_name(DocumentKind.OCW, UUID(int=77))


class Seat:
    """A person with a recording channel in a room."""

    def __init__(
        self,
        host: RoomHost,
        person: Person,
        *,
        wants_receipts: bool = False,
        credentials: Credentials | None = None,
        expires_in: float = math.inf,
    ) -> None:
        self.host = host
        self.person = person
        self.channel = RecordingChannel()
        self.member = host.join(
            self.channel,
            person.identity,
            person.member.role,
            receipts=StoredCounts() if wants_receipts else None,
            credentials=credentials,
            expires_at=host.now + expires_in,
        )
        self._heard = 0
        person.open()

    def pump(self) -> bool:
        """Exchange what there is; whether there was anything."""
        busy = bool(self.person.outbox)
        while self.person.outbox:
            self.host.receive(self.member, self.person.outbox.popleft())
        for frame in self.channel.sent[self._heard :]:
            if frame[0] != MessageType.POSE:  # those are for headsets
                busy = True
                self.person.hear(frame)
        self._heard = len(self.channel.sent)
        return busy


class House:
    """Everything around the rooms, in memory."""

    def __init__(self, **options: Any) -> None:
        self.name: DocumentName = options.pop("name", NAME)
        self.store: MemoryDocumentStore = options.pop("store", None) or MemoryDocumentStore()
        self.counters = Counters()
        self.poisoned: list[DocumentName] = []
        self.repaired: list[DocumentName] = []
        self.repair_fails_with: Exception | None = None
        self.journal = WriteBehindJournal(
            self.store,
            on_poisoned=lambda commit, error: self.directory.give_up(commit.document, error),
            interval=0.001,
            max_backlog_bytes=options.pop("backlog", 2**20),
        )
        settings: dict[str, Any] = {
            "counters": self.counters,
            "limits": options.pop("limits", RoomLimits()),
            "pacing": Pacing(),
            "host_settings": options.pop("host_settings", HostSettings()),
            "idle_seconds": 0.02,
            "snapshot_every_updates": 50,
            "snapshot_every_bytes": 10_000,
            "repair": self._repair,
            **options,
        }
        self.directory = RoomDirectory(self.store, self.journal, **settings)
        self.seats: list[Seat] = []

    async def __aenter__(self) -> Self:
        self.journal.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        self.store.resume()
        self.store.fail_with = None
        await self.directory.close()
        await self.journal.close(5)

    async def sit(self, person: Person, **more: Any) -> Seat:
        """Let a person into the room; more as of `Seat`."""
        host = await self.directory.open(self.name)
        seat = Seat(host, person, **more)
        self.seats.append(seat)
        return seat

    def stand_up(self, seat: Seat) -> None:
        """The person's socket is gone."""
        seat.host.leave(seat.member)
        self.seats.remove(seat)

    async def _repair(self, name: DocumentName) -> None:
        self.repaired.append(name)
        if self.repair_fails_with is not None:
            raise self.repair_fails_with

    async def put_away(self) -> None:
        """Let everybody go, and wait until the room is no longer in memory."""
        for seat in list(self.seats):
            self.stand_up(seat)
        await asyncio.sleep(0.03)
        await self.directory._tick_all()
        await until(lambda: not self.directory.rooms)

    async def settle(self) -> None:
        """Exchange until nothing more happens."""
        for _ in range(1000):
            busy = [seat.pump() for seat in self.seats]
            await asyncio.sleep(0)
            if not any(busy):
                await asyncio.sleep(0.002)
                if not sum(seat.pump() for seat in self.seats):
                    return
        raise AssertionError("the room does not come to rest")

    def host(self) -> RoomHost:
        """The open room."""
        host = self.directory.find(self.name)
        assert host is not None
        return host


def break_with(
    house: House, seat: Seat, change: bytes, monkeypatch: pytest.MonkeyPatch
) -> RoomHost:
    """Somebody's frame, which waits for its turn, will be applied, and then the document fails."""
    host = house.host()
    transact = host.room.document._transact

    def apply_and_fail(updates: Sequence[bytes], sender: bytes) -> None:
        transact(updates, sender)
        raise ValueError("yrs failed")

    monkeypatch.setattr(host.room.document, "_transact", apply_and_fail)
    monkeypatch.setattr(host._timer, "_ended_at", math.inf)  # not quiet: the frame waits
    host.receive(seat.member, change)
    return host


def viewer(number: int) -> Person:
    """Somebody who may only read."""
    return Person(number, Role.VIEWER)


__all__ = [
    "NAME",
    "CloseCode",
    "House",
    "Person",
    "RecordingChannel",
    "Seat",
    "break_with",
    "viewer",
]
