"""What the tables of XR promise beyond the contract: what they hold, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from crdt_docs.access import Role
from persistence.audit_ports import AuditEntry, AuditEvent
from persistence.pool import Connection, DatabasePool, connect
from persistence.ports import LastHost
from persistence.privacy import PostgresPrivacyStore
from persistence.xr_people_ports import Avatar, Sighting
from persistence.xr_stores import XrStores, xr_in_postgres
from tests.helpers.commits import ANA, BEN
from tests.helpers.waiting import until
from tests.helpers.xr import LATER, MINUTE, NOON, a_room, a_session, placed, somebody_there

SESSION = UUID(int=10)
AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest_asyncio.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    opened = await connect(database)
    yield opened
    await opened.close()


async def test_rooms_are_checked(connection: Connection) -> None:
    insert = (
        "INSERT INTO xr_rooms (id, workspace_id, name, room_type, room_template, dimensions, "
        "config, is_persistent, is_public, max_participants, created_by) VALUES "
        "(gen_random_uuid(), gen_random_uuid(), $1, $2, $3, $4::text::jsonb, $5::text::jsonb, "
        "true, true, $6, gen_random_uuid())"
    )
    good: list[object] = ["n" * 200, "meeting", "custom", "{}", "{}", 1]
    await connection.execute(insert, *good)
    for place, bad in enumerate(["", "disco", "cave", "[]", "1", 0]):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(insert, *good[:place], bad, *good[place + 1 :])
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(insert, "n" * 201, *good[1:])


@pytest_asyncio.fixture
async def xr(pool: DatabasePool) -> XrStores:
    """With a session, in which Ana is."""
    stores = xr_in_postgres(pool)
    await stores.rooms.create(a_room())
    await stores.sessions.start(a_session())
    await stores.participants.join(somebody_there())
    return stores


async def test_sessions_and_members_are_checked(xr: XrStores, connection: Connection) -> None:
    room = UUID(int=1)
    for status, ended_at in (("ended", None), ("active", AT), ("resting", None)):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(
                "INSERT INTO xr_sessions (id, room_id, status, ended_at) "
                "VALUES (gen_random_uuid(), $1, $2, $3)",
                room,
                status,
                ended_at,
            )
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(
            "INSERT INTO xr_sessions (id, room_id) VALUES (gen_random_uuid(), $1)", room
        )
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(
            "INSERT INTO xr_room_members (room_id, user_id, role) "
            "VALUES ($1, gen_random_uuid(), 'boss')",
            room,
        )


async def test_people_and_avatars_are_checked(xr: XrStores, connection: Connection) -> None:
    for change in ("device_type = 'toaster'", "position = '1'", "rotation = '[]'"):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(f"UPDATE xr_participants SET {change}")
    insert = (
        "INSERT INTO xr_avatars (id, user_id, avatar_name, avatar_config, is_default) "
        "VALUES (gen_random_uuid(), $1, $2, $3::text::jsonb, true)"
    )
    for name, config in (("", "{}"), ("n" * 201, "{}"), ("Owl", "[]")):
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute(insert, ANA, name, config)
    await connection.execute(insert, ANA, "Owl", "{}")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(insert, ANA, "Cat", "{}")


@asynccontextmanager
async def somebody_joining(connection: Connection) -> AsyncIterator[None]:
    """A join of which everything is done but the commit, until the end of this."""
    async with connection.transaction():
        await connection.execute("SELECT FROM xr_sessions WHERE id = $1 FOR SHARE", SESSION)
        await connection.execute(
            "INSERT INTO xr_participants "
            "(session_id, connection_id, user_id, device_type, last_seen_at) "
            "VALUES ($1, gen_random_uuid(), gen_random_uuid(), 'mobile', now())",
            SESSION,
        )
        yield


async def until_somebody_waits(dsn: str) -> None:
    """For what another does, and has not committed."""
    watcher = await connect(dsn)
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
    await until(lambda: watcher.fetchval(waiting))
    await watcher.close()


@pytest.mark.parametrize("by", ["the session", "the room"])
async def test_xrs_3_who_joins_as_it_ends_is_gone_too(
    xr: XrStores, connection: Connection, database: str, by: str
) -> None:
    async with somebody_joining(connection):
        over = xr.sessions.end(SESSION, LATER) if by == "the session" else None
        ending = asyncio.create_task(over or xr.rooms.delete(UUID(int=1), LATER))
        await until_somebody_waits(database)
    assert await ending
    people = (await xr.participants.participants(SESSION)).items
    assert [person.left_at for person in people] == [LATER, LATER]


async def test_nobody_joins_what_is_being_ended(
    xr: XrStores, connection: Connection, database: str
) -> None:
    async with connection.transaction():
        await connection.execute("UPDATE xr_sessions SET status = 'ended', ended_at = now()")
        joining = asyncio.create_task(xr.participants.join(somebody_there(1001)))
        await until_somebody_waits(database)
    assert await joining is None


async def test_nothing_is_started_in_a_room_that_is_being_deleted(
    xr: XrStores, connection: Connection, database: str
) -> None:
    await xr.sessions.end(SESSION, LATER)
    async with connection.transaction():
        await connection.execute("UPDATE xr_rooms SET deleted_at = now()")
        starting = asyncio.create_task(xr.sessions.start(a_session(11)))
        await until_somebody_waits(database)
    assert await starting is None


@pytest.mark.parametrize("demotes", [True, False], ids=["demote", "remove"])
async def test_xrs_1_two_hosts_do_not_put_each_other_out(
    xr: XrStores, connection: Connection, database: str, *, demotes: bool
) -> None:
    room = UUID(int=1)
    await xr.members.put(room, BEN, Role.HOST, NOON)
    async with connection.transaction():
        await connection.execute("SELECT FROM xr_rooms FOR NO KEY UPDATE")
        await connection.execute(
            "UPDATE xr_room_members SET role = 'viewer' WHERE user_id = $1", BEN
        )
        changing = asyncio.create_task(
            xr.members.put(room, ANA, Role.VIEWER, LATER)
            if demotes
            else xr.members.remove(room, ANA, LATER)
        )
        await until_somebody_waits(database)
    with pytest.raises(LastHost):
        await changing


async def test_places_wait_for_nobody(xr: XrStores, connection: Connection) -> None:
    """Who is locked is passed over, and noted the next time."""
    await xr.participants.join(somebody_there(1001))
    both = [
        Sighting(SESSION, UUID(int=number), NOON + MINUTE, placed(1)) for number in (1000, 1001)
    ]
    async with connection.transaction():
        await connection.execute(
            "SELECT FROM xr_participants WHERE connection_id = $1 FOR UPDATE", UUID(int=1000)
        )
        async with asyncio.timeout(5):
            await xr.participants.note(both)
    noted = await asyncio.gather(
        *(xr.participants.participant(SESSION, each.connection_id) for each in both)
    )
    assert [person and person.placed for person in noted] == [None, placed(1)]
    await xr.participants.note(both)
    passed_over = await xr.participants.participant(SESSION, UUID(int=1000))
    assert passed_over is not None
    assert passed_over.placed == placed(1)


TABLES = ("xr_avatars", "xr_participants", "xr_room_members", "xr_rooms")


async def tables_with(connection: Connection, user_id: UUID) -> list[str]:
    """Tables in a row of which an id is, in whatever column."""
    return [
        table
        for table in TABLES
        if await connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {table} AS r WHERE strpos(r::text, $1) > 0)", str(user_id)
        )
    ]


async def test_prv_1_who_was_forgotten_is_in_no_column(
    xr: XrStores, pool: DatabasePool, connection: Connection
) -> None:
    privacy = PostgresPrivacyStore(pool)
    await xr.rooms.change(UUID(int=1), {"config": {"moderators": [str(ANA)]}})
    await xr.avatars.create(Avatar(UUID(int=5), ANA, "Owl", {}, is_default=True, created_at=NOON))
    assert await tables_with(connection, ANA) == list(TABLES)
    for document in await privacy.documents_of(ANA):
        await privacy.forget_in(document, ANA)
    await privacy.forget(ANA, AuditEntry(NOON, AuditEvent("privacy.forgotten", None, None)))
    assert await tables_with(connection, ANA) == []
