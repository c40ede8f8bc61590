"""What every `audit_ports.AuditStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest

from crdt_docs.identifiers import ActorKind
from persistence.audit_log import PostgresAuditStore
from persistence.audit_ports import (
    AuditEntry,
    AuditEvent,
    AuditFilter,
    AuditStore,
    Origin,
    StoredEntry,
)
from persistence.memory_audit import MemoryAuditStore
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_xr_rooms import MemoryXrRoomStore
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import InvalidCursor, Session, SessionStatus, SessionStore, SessionType
from persistence.sessions import PostgresSessionStore
from persistence.xr_ports import XrRoomStore
from persistence.xr_rooms import PostgresXrRoomStore
from tests.helpers.commits import ANA, BEN
from tests.helpers.xr import a_room

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BOARD, OTHER = UUID(int=1), UUID(int=2)
HERE, THERE = UUID(int=11), UUID(int=12)


class Stores(NamedTuple):
    audit: AuditStore
    sessions: SessionStore
    rooms: XrRoomStore


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        sessions, xr = MemorySessionStore(), MemoryXrTables()
        audit = MemoryAuditStore(sessions.workspace_of, xr.workspace_of)
        return Stores(audit, sessions, MemoryXrRoomStore(xr))
    pool = request.getfixturevalue("pool")
    return Stores(PostgresAuditStore(pool), PostgresSessionStore(pool), PostgresXrRoomStore(pool))


@pytest.fixture
def store(stores: Stores) -> AuditStore:
    return stores.audit


def entry(number: int = 0, **fields: Any) -> AuditEntry:
    given: dict[str, Any] = {"action": "session.ended", "actor": ANA, "actor_kind": ActorKind.USER}
    return AuditEntry(NOON + number * SECOND, AuditEvent(**{**given, **fields}))


async def found(store: AuditStore, **wanted: Any) -> tuple[StoredEntry, ...]:
    return (await store.find(AuditFilter(**wanted), limit=100)).items


async def test_an_entry_is_kept_with_all_that_it_says(store: AuditStore) -> None:
    said = entry(
        session_id=BOARD,
        target="snapshot/9",
        via=BEN,
        details={"count": 3, "reason": "locked", "more": ["a", None, {"b": True, "c": 1.5}]},
        origin=Origin("request-1", uuid4(), "192.0.2.0/24"),
    )
    await store.add([said])
    (kept,) = await found(store)
    assert (kept.id, kept.at, kept.action) == (said.id, NOON, "session.ended")
    assert (kept.actor_kind, kept.session_id) == (ActorKind.USER, BOARD)
    assert (kept.target, kept.request_id) == ("snapshot/9", "request-1")
    assert kept.network == "192.0.2.0/24"
    assert kept.details == said.event.details
    assert len({kept.actor, kept.via, kept.identity_id}) == 3


async def test_what_is_nobodys_deed_is_kept(store: AuditStore) -> None:
    await store.add([entry(action="audit.lost", actor=None, actor_kind=None)])
    (kept,) = await found(store)
    assert (kept.actor, kept.actor_kind, kept.via, kept.identity_id) == (None, None, None, None)


async def test_aud_2_nobody_is_named(store: AuditStore) -> None:
    ana = str(ANA)
    told = entry(
        target=f"user/{BEN}",
        via=uuid4(),
        details={"who": BEN, "among": [ANA], "object": f"of-{ana}", ana: 1},
        origin=Origin(f"for-{ana.upper()}", BEN, None),
    )
    await store.add([told])
    (kept,) = await found(store)
    named = repr(replace(kept, persons={})).lower()
    assert kept.persons == {kept.actor: ANA, kept.via: told.event.via, kept.identity_id: BEN}
    assert ana not in named
    assert str(BEN) not in named
    assert kept.target == f"user/{kept.identity_id}"
    assert kept.details["who"] == str(kept.identity_id)
    assert kept.details["among"] == [str(kept.actor)]
    assert kept.details["object"] == f"of-{kept.actor}"
    assert kept.request_id == f"for-{kept.actor}"


async def test_aud_2_a_person_has_one_pseudonym(store: AuditStore) -> None:
    await store.add([entry(1), entry(2, actor=BEN)])
    await store.add([entry(3, actor=BEN, via=ANA)])
    third, second, first = await found(store)
    assert third.actor == second.actor
    assert third.via == first.actor
    assert first.actor != second.actor


async def test_aud_3_an_entry_that_is_sent_again_is_stored_once(store: AuditStore) -> None:
    first, second = entry(1), entry(2)
    await store.add([first])
    await store.add([first, second])
    assert [kept.id for kept in await found(store)] == [second.id, first.id]


async def test_pages_go_from_new_to_old(store: AuditStore) -> None:
    entries = [entry(number // 2) for number in range(7)]
    await store.add(entries)
    pages: list[list[UUID]] = []
    cursor = None
    while True:
        page = await store.find(AuditFilter(), limit=3, cursor=cursor)
        pages.append([kept.id for kept in page.items])
        cursor = page.next_cursor
        if cursor is None:
            break
    newest_first = sorted(entries, key=lambda said: (said.at, said.id), reverse=True)
    assert pages == [
        [said.id for said in newest_first[start : start + 3]] for start in range(0, 7, 3)
    ]


async def test_a_cursor_of_something_else_is_refused(store: AuditStore) -> None:
    with pytest.raises(InvalidCursor):
        await store.find(AuditFilter(), limit=3, cursor="no cursor")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, [4, 3, 2, 1]),
        ({"session_id": BOARD}, [3, 1]),
        ({"action": "socket.joined"}, [4, 2]),
        ({"user_id": BEN}, [4, 3]),
        ({"user_id": UUID(int=99)}, []),
        ({"since": NOON + 2 * SECOND, "until": NOON + 4 * SECOND}, [3, 2]),
        ({"session_id": OTHER, "user_id": ANA, "action": "socket.joined"}, [2]),
    ],
)
async def test_what_is_found(
    store: AuditStore, wanted: dict[str, Any], expected: list[int]
) -> None:
    await store.add(
        [
            entry(1, session_id=BOARD),
            entry(2, session_id=OTHER, action="socket.joined"),
            entry(3, session_id=BOARD, actor=BEN),
            entry(4, action="socket.joined", actor=BEN),
        ]
    )
    answer = await found(store, **wanted)
    assert [(kept.at - NOON) // SECOND for kept in answer] == expected


async def test_a_workspace_sees_what_belongs_to_its_sessions(stores: Stores) -> None:
    store, sessions, _ = stores
    session = Session(
        id=BOARD,
        workspace_id=HERE,
        session_type=SessionType.WHITEBOARD,
        host_user_id=ANA,
        status=SessionStatus.ACTIVE,
        config={},
        max_participants=5,
        is_recording=False,
        started_at=NOON,
    )
    await sessions.create(session)
    await sessions.create(replace(session, id=OTHER, workspace_id=THERE))
    await store.add([entry(1, session_id=BOARD), entry(2, session_id=OTHER), entry(3)])
    for workspaces, expected in (
        ((HERE,), [1]),
        ((THERE, HERE), [2, 1]),
        ((), []),
        (None, [3, 2, 1]),
    ):
        answer = await found(store, workspaces=workspaces)
        assert [(kept.at - NOON) // SECOND for kept in answer] == expected
    await sessions.delete(BOARD, NOON)
    await sessions.forget([BOARD])
    assert len(await found(store, workspaces=(HERE,))) == 1


async def test_a_workspace_sees_what_belongs_to_its_rooms(stores: Stores) -> None:
    store, _, rooms = stores
    room = a_room(9)
    await rooms.create(room)
    await rooms.delete(room.id, NOON)
    await store.add([entry(1, session_id=room.id), entry(2, session_id=BOARD)])
    (kept,) = await found(store, workspaces=(room.workspace_id, HERE))
    assert kept.session_id == room.id
    await rooms.forget([room.id])
    assert await found(store, workspaces=(room.workspace_id,)) == (kept,)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "é" * 2000])
async def test_any_text_is_kept(store: AuditStore, text: str) -> None:
    told = entry(target=f"object/{text}", details={"reason": text}, origin=Origin(text))
    await store.add([told])
    (kept,) = await found(store)
    for stored in (kept.target, kept.request_id, kept.details["reason"]):
        assert isinstance(stored, str)
        assert len(stored) <= 512
        assert "\x00" not in stored
        stored.encode()


async def test_aud_1_old_months_go_as_a_whole(store: AuditStore) -> None:
    now = datetime.now(UTC)
    await store.prepare(now)
    await store.add([AuditEntry(now, entry().event)])
    assert await store.drop_before(now) == 0
    assert len(await found(store)) == 1
    assert await store.drop_before(now + timedelta(days=40)) >= 1
    assert await found(store) == ()
    await store.prepare(now)
    await store.add([AuditEntry(now, entry().event)])
    assert len(await found(store)) == 1
