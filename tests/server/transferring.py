"""Sessions in PostgreSQL that people really worked in, for tests that move them about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from pycrdt import Doc, Map, Text

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName, Identity
from crdt_docs.pacing import Pacing
from crdt_docs.room_limits import RoomLimits
from persistence.archive import PostgresArchive
from persistence.journal import WriteBehindJournal
from persistence.pool import DatabasePool
from persistence.ports import Participant, Session, SessionStatus, SessionType
from persistence.session_records import RECORDS, RecordKind
from persistence.session_transfer import reading
from persistence.sessions import PostgresSessionStore
from persistence.update_log import PostgresDocumentStore
from server.counters import Counters
from server.live_documents import LiveRooms
from server.room_directory import RoomDirectory
from server.room_host import HostSettings
from tests.server.rooms import NAME, Person, Seat

SESSION_ID = UUID(int=77)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLERK = Identity(UUID(int=99), "Clerk")


@asynccontextmanager
async def pool_on(dsn: str) -> AsyncIterator[DatabasePool]:
    """A pool for as long as this lasts."""
    pool = await DatabasePool.open(dsn, size=4)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def rooms_on(pool: DatabasePool, *, every: int = 20) -> AsyncIterator[RoomDirectory]:
    """Rooms over PostgreSQL, with a snapshot every so many updates."""
    store = PostgresDocumentStore(pool)
    journal = WriteBehindJournal(
        store,
        on_poisoned=lambda commit, error: directory.give_up(commit.document, error),
        interval=0.001,
        max_backlog_bytes=2**24,
    )
    directory = RoomDirectory(
        store,
        journal,
        counters=Counters(),
        limits=RoomLimits(),
        pacing=Pacing(),
        host_settings=HostSettings(),
        idle_seconds=60,
        snapshot_every_updates=every,
        snapshot_every_bytes=10_000,
    )
    journal.start()
    directory.start()
    try:
        yield directory
    finally:
        await directory.close()
        await journal.close(5)


def live(directory: RoomDirectory) -> LiveRooms:
    """The rooms as REST has them."""
    return LiveRooms(directory, backlog=lambda: (0, False), is_database_up=lambda: True)


def sticky(x: float, text: str = "") -> Map[Any]:
    """An object as clients make it."""
    return Map(
        {
            "object_type": "sticky",
            "position": {"x": x, "y": 1.5},
            "properties": Map({"text": Text(text), "color": "#ffee00"}),
        }
    )


async def create_session(pool: DatabasePool, *, others: int = 2) -> None:
    """The session's own rows: a host, and people who came and went."""
    sessions = PostgresSessionStore(pool)
    host = uuid4()
    await sessions.create(
        Session(
            id=SESSION_ID,
            workspace_id=uuid4(),
            session_type=SessionType.WHITEBOARD,
            host_user_id=host,
            status=SessionStatus.ACTIVE,
            config={"default_role": "viewer", "deep": [1, {"ü": None}]},
            max_participants=7,
            is_recording=True,
            started_at=START,
        )
    )
    for number in range(others):
        left = START if number else None
        await sessions.put_participant(
            Participant(SESSION_ID, uuid4(), Role.EDITOR, START, left_at=left)
        )


async def work_together(directory: RoomDirectory, *, edits: int = 60) -> list[Person]:
    """Two people and a service edit until all is stored: objects, formats, annotations."""
    host = await directory.open(NAME)
    seats = [Seat(host, Person(number)) for number in (1, 2)]
    for number in range(edits):
        seat = seats[number % 2]
        if number % 11 == 10:
            seat.person.edit(lambda objects: objects.pop("o3", None))
        else:
            seat.person.set(f"o{number % 7}", sticky(number, f"word {number}"))
        for _ in range(3):
            for each in seats:
                each.pump()
            await asyncio.sleep(0)
        await asyncio.sleep(0.002)
    await live(directory).edit(NAME, CLERK, annotate)
    await live(directory).edit(NAME, CLERK, lambda doc: None, is_restore=True)
    for seat in seats:
        seat.pump()
        host.leave(seat.member)
    return [seat.person for seat in seats]


def annotate(doc: Doc[Any]) -> None:
    """An annotation on the first object."""
    note = {"annotation_type": "comment", "content": Text("why?"), "object_id": "o1"}
    doc.get("annotations", type=Map)["n1"] = Map(note)


async def name_moments(pool: DatabasePool, *seqs: int) -> None:
    """Give positions of the log a name."""
    for seq in seqs:
        await PostgresArchive(pool).name(NAME, seq, f"at {seq}", CLERK.user_id)


async def everything(
    pool: DatabasePool, session_id: UUID = SESSION_ID
) -> dict[RecordKind, list[Mapping[str, Any]]]:
    """All records of a session."""
    async with reading(pool, session_id) as reader:
        await reader.find()
        return {kind: [row async for row in reader.rows(kind)] for kind in RecordKind}


async def row_counts(dsn: str) -> dict[str, int]:
    """How many rows each table has."""
    connection = await asyncpg.connect(dsn)
    try:
        return {
            records.table: await connection.fetchval(f"SELECT count(*) FROM {records.table}")
            for records in RECORDS.values()
        }
    finally:
        await connection.close()


async def state_of(pool: DatabasePool, document: DocumentName = NAME) -> Any:
    """The document as a room that opens it shows it."""
    async with rooms_on(pool) as directory:
        return await live(directory).state(document)
