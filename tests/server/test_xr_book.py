"""Who is in rooms of headsets, as it is written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from crdt_docs.member import Member
from crdt_docs.poses import Placed
from persistence.memory_xr_participants import MemoryXrParticipantStore
from persistence.memory_xr_sessions import MemoryXrSessionStore
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import StorageUnavailable
from persistence.xr_people_ports import DeviceType, Sighting, XrParticipant
from server.witness import SOMEBODY, Connection, Visitor
from server.xr_book import XrBook
from tests.helpers.commits import ANA
from tests.helpers.waiting import until
from tests.helpers.xr import NOON, a_room, a_session, placed, somebody_there

SESSION = UUID(int=10)
ROOM = document_name(DocumentKind.XR, UUID(int=1))
BEN = UUID(int=5)


class CountingStore(MemoryXrParticipantStore):
    """Counts the statements that say where people are."""

    def __init__(self, tables: MemoryXrTables) -> None:
        super().__init__(tables)
        self.noted: list[list[Sighting]] = []

    async def note(self, sightings: Sequence[Sighting]) -> None:
        self.noted.append(list(sightings))
        await super().note(sightings)


class Entrance:
    """A book, and people who come into its room.

    Attributes:
        places: where their heads are.
        now: the book's clock.
    """

    def __init__(self, store: CountingStore) -> None:
        self.store = store
        self.places: dict[Member, Placed] = {}
        self.now = NOON
        self.book = XrBook(store, self._where, every=3600, clock=lambda: self.now)

    def _where(self, _document: DocumentName, member: Member) -> Placed | None:
        return self.places.get(member)

    def come(self, connection_id: int = 1000, user: UUID = ANA) -> Member:
        """Somebody's socket is let in."""
        member = Member(Identity(user), Role.EDITOR)
        connection = Connection(SESSION, UUID(int=connection_id))
        self.book.came(ROOM, member, replace(SOMEBODY, connection=connection))
        return member

    def go(self, member: Member) -> None:
        """Their socket is gone."""
        self.book.went(ROOM, member, None)

    def later(self, seconds: float) -> datetime:
        """So much time passes."""
        self.now += timedelta(seconds=seconds)
        return self.now

    async def row(self, connection_id: int = 1000) -> XrParticipant | None:
        """What is stored, of all that happened so far."""
        await self.book.flush()
        return await self.store.participant(SESSION, UUID(int=connection_id))


@asynccontextmanager
async def entrance() -> AsyncIterator[Entrance]:
    tables = MemoryXrTables()
    tables.rooms[UUID(int=1)] = a_room()
    await MemoryXrSessionStore(tables).start(a_session())
    opened = Entrance(CountingStore(tables))
    opened.book.start()
    try:
        yield opened
    finally:
        opened.store.fail_with = None
        await opened.book.close(5)


async def test_xrb_1_who_enters_is_a_participant() -> None:
    async with entrance() as door:
        door.come()
        row = await door.row()
        assert row is not None
        assert (row.user_id, row.device_type) == (ANA, DeviceType.DESKTOP)
        assert (row.joined_at, row.left_at) == (NOON, None)


async def test_a_crowd_that_leaves_is_not_compared_with_itself() -> None:
    book = XrBook(CountingStore(MemoryXrTables()), lambda *_: None)
    crowd = [Member(Identity(UUID(int=number)), Role.EDITOR) for number in range(4000)]
    for number, member in enumerate(crowd):
        connection = Connection(SESSION, UUID(int=number))
        book.came(ROOM, member, replace(SOMEBODY, connection=connection))
    began = time.process_time()
    for member in crowd:
        book.went(ROOM, member, None)
    assert time.process_time() - began < 0.4, "comparing each with each takes more than a second"


async def test_xrb_1_what_joining_said_stays() -> None:
    async with entrance() as door:
        look = {"color": "#ff7700"}
        joining = replace(somebody_there(), avatar_id=uuid4(), avatar_config=look)
        joined = await door.store.join(joining)
        assert joined is not None
        arrived = door.later(30)
        door.come()
        assert await door.row() == replace(joined, last_seen_at=arrived)


async def test_xrb_1_who_comes_back_is_there_again() -> None:
    async with entrance() as door:
        door.go(door.come())
        gone = await door.row()
        assert gone is not None
        assert gone.left_at == NOON
        arrived = door.later(30)
        door.come()
        assert await door.row() == replace(gone, left_at=None, last_seen_at=arrived)


async def test_xrb_1_other_sockets_are_none_of_it() -> None:
    async with entrance() as door:
        member = Member(Identity(ANA), Role.EDITOR)
        door.book.came(ROOM, member, Visitor())
        door.book.look()
        door.go(member)
        await door.book.flush()
        assert not door.store.noted


async def test_xrb_2_where_somebody_is_is_written_now_and_then() -> None:
    async with entrance() as door:
        ana = door.come()
        for number in range(1000):
            door.places[ana] = placed(number)
        seen = door.later(5)
        door.book.look()
        row = await door.row()
        assert row is not None
        assert (row.placed, row.last_seen_at) == (placed(999), seen)
        assert len(door.store.noted) == 1


async def test_xrb_2_everybody_is_one_statement() -> None:
    async with entrance() as door:
        for number in range(50):
            door.places[door.come(number)] = placed(number)
        door.book.look()
        await door.book.flush()
        assert [len(each) for each in door.store.noted] == [50]


async def test_xrb_2_when_everybody_leaves_where_they_were_is_one_statement() -> None:
    async with entrance() as door:
        people = [door.come(number) for number in range(50)]
        await door.book.flush()
        left = door.later(5)
        for number, member in enumerate(people):
            door.places[member] = placed(number)
            door.go(member)
        row = await door.row(49)
        assert row is not None
        assert (row.placed, row.left_at) == (placed(49), left)
        assert [len(each) for each in door.store.noted] == [50]


async def test_xrb_2_who_leaves_was_last_where_they_are_now() -> None:
    async with entrance() as door:
        ana = door.come()
        door.places[ana] = placed(1)
        door.later(5)
        door.book.look()
        door.places[ana] = placed(2)
        left = door.later(1)
        door.go(ana)
        row = await door.row()
        assert row is not None
        assert (row.placed, row.last_seen_at, row.left_at) == (placed(2), left, left)


async def test_xrb_2_who_shows_no_head_any_more_was_last_where_it_was() -> None:
    async with entrance() as door:
        ana = door.come()
        door.places[ana] = placed(1)
        door.later(5)
        door.book.look()
        del door.places[ana]
        door.later(5)
        door.go(ana)
        row = await door.row()
        assert row is not None
        assert row.placed == placed(1)


async def test_xrb_2_the_book_looks_by_itself() -> None:
    async with entrance() as door:
        looking = XrBook(door.store, door._where, every=0, clock=lambda: door.now)
        looking.start()
        ana = Member(Identity(ANA), Role.EDITOR)
        visitor = replace(SOMEBODY, connection=Connection(SESSION, UUID(int=1)))
        looking.came(ROOM, ana, visitor)
        door.places[ana] = placed(3)
        await until(lambda: bool(door.store.noted))
        assert await looking.close(5)


async def test_xrb_3_what_waits_is_stored_when_the_server_stops() -> None:
    async with entrance() as door:
        ana, ben = door.come(1), door.come(2, user=BEN)
        door.places[ben] = placed(7)
        left = door.later(60)
        for member in (ana, ben):
            door.go(member)
        assert await door.book.close(5)
        rows = [await door.store.participant(SESSION, UUID(int=number)) for number in (1, 2)]
        assert [row and row.left_at for row in rows] == [left, left]
        assert rows[1] is not None
        assert rows[1].placed == placed(7)


async def test_xrb_3_a_socket_that_was_replaced_takes_nobody_along() -> None:
    """A new one comes before it is seen that the old one is dead."""
    async with entrance() as door:
        dead = door.come()
        alive = door.come()
        door.later(10)
        door.go(dead)
        row = await door.row()
        assert row is not None
        assert row.left_at is None
        left = door.later(10)
        door.go(alive)
        row = await door.row()
        assert row is not None
        assert row.left_at == left


async def test_xrs_4_nobody_speaks_for_somebody_elses_connection() -> None:
    async with entrance() as door:
        ana = door.come()
        door.places[ana] = placed(1)
        door.later(5)
        door.book.look()
        known = await door.row()
        liar = door.come(user=BEN)
        door.places[liar] = placed(9)
        door.later(5)
        door.go(liar)
        assert await door.row() == known
        left = door.later(5)
        door.go(ana)
        row = await door.row()
        assert row is not None
        assert (row.user_id, row.placed, row.left_at) == (ANA, placed(1), left)


async def test_xrs_4_also_when_its_owner_is_away() -> None:
    async with entrance() as door:
        door.go(door.come())
        known = await door.row()
        liar = door.come(user=BEN)
        door.places[liar] = placed(9)
        door.later(5)
        door.book.look()
        assert await door.row() == known


async def test_xrb_3_a_long_outage_loses_nobody() -> None:
    """Where people were meanwhile does not crowd out who came and went."""
    async with entrance() as door:
        ana = door.come()
        await door.book.flush()
        door.store.fail_with = StorageUnavailable("away")
        for number in range(30_000):
            door.places[ana] = placed(number % 100)
            door.later(5)
            door.book.look()
        left = door.later(5)
        door.go(ana)
        door.store.fail_with = None
        row = await door.row()
        assert row is not None
        assert (row.left_at, row.placed) == (left, placed(29_999 % 100))
        assert door.book.lost == 0


async def test_who_leaves_while_storing_is_in_order() -> None:
    """Comings and goings are stored in their order, whatever lies between."""
    async with entrance() as door:
        for _ in range(5):
            ana = door.come()
            door.book.look()
            door.go(ana)
        door.come()
        await asyncio.sleep(0)
        row = await door.row()
        assert row is not None
        assert row.left_at is None
