"""Contents of deleted sessions go after a grace time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from crdt_docs.identifiers import DocumentKind, document_name
from persistence.answer_ports import RequestName, Reservation
from persistence.memory_answers import MemoryAnswerStore
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_tokens import MemoryTokenStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import Commit, Session, SessionStatus, SessionType, StorageUnavailable
from server.housekeeping import forget_answers, forget_deleted, forget_tokens, keep_house
from server.rest.idempotency import KEPT_FOR
from tests.helpers.xr import a_room

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
GRACE = timedelta(days=30)


async def _store(count: int) -> tuple[MemorySessionStore, MemoryDocumentStore]:
    sessions, documents = MemorySessionStore(), MemoryDocumentStore()
    for number in range(count):
        await sessions.create(
            Session(
                id=UUID(int=number),
                workspace_id=UUID(int=9),
                session_type=SessionType.WHITEBOARD,
                host_user_id=UUID(int=8),
                status=SessionStatus.ACTIVE,
                config={},
                max_participants=5,
                is_recording=False,
                started_at=NOON,
            )
        )
        name = document_name(DocumentKind.OCW, UUID(int=number))
        await documents.commit([Commit(name, 1, b"x", None)])
    return sessions, documents


async def _stored(documents: MemoryDocumentStore, number: int) -> int:
    stored = await documents.load(document_name(DocumentKind.OCW, UUID(int=number)))
    return stored.last_seq


async def test_only_what_was_deleted_long_ago_goes() -> None:
    sessions, documents = await _store(3)
    await sessions.delete(UUID(int=0), NOON)
    await sessions.delete(UUID(int=1), NOON + timedelta(days=1))
    later = NOON + GRACE + timedelta(hours=1)
    assert await forget_deleted(sessions, documents, GRACE, clock=lambda: later) == 1
    assert [await _stored(documents, number) for number in range(3)] == [0, 1, 1]
    assert await forget_deleted(sessions, documents, GRACE, clock=lambda: later) == 0


async def test_deleted_rooms_go_with_their_documents() -> None:
    documents, xr = MemoryDocumentStore(), xr_in_memory(MemoryXrTables())
    names = [document_name(DocumentKind.XR, UUID(int=number)) for number in (1, 2)]
    for number, name in enumerate(names, start=1):
        await xr.rooms.create(a_room(number))
        await documents.commit([Commit(name, 1, b"x", None)])
    await xr.rooms.delete(UUID(int=1), NOON)
    later = NOON + GRACE * 2
    gone = await forget_deleted(
        xr.rooms, documents, GRACE, clock=lambda: later, kind=DocumentKind.XR
    )
    assert gone == 1
    assert [(await documents.load(name)).last_seq for name in names] == [0, 1]


async def test_many_are_forgotten_in_portions() -> None:
    sessions, documents = await _store(250)
    for number in range(250):
        await sessions.delete(UUID(int=number), NOON)
    later = NOON + GRACE * 2
    assert await forget_deleted(sessions, documents, GRACE, clock=lambda: later) == 250
    assert await _stored(documents, 249) == 0


async def test_answers_are_kept_for_a_day() -> None:
    answers = MemoryAnswerStore()
    for hour in range(3):
        at = NOON + timedelta(hours=hour)
        name = RequestName(UUID(int=1), bytes([hour]))
        await answers.claim(Reservation(name, b"", at, at), kept_since=NOON)
    later = NOON + KEPT_FOR + timedelta(hours=1, minutes=30)
    assert await forget_answers(answers, clock=lambda: later) == 2
    assert await forget_answers(answers, clock=lambda: later) == 0


async def test_an_outage_is_waited_out() -> None:
    sessions, documents = await _store(1)
    sessions.fail_with = StorageUnavailable("gone")
    rooms = xr_in_memory(MemoryXrTables()).rooms
    keeping = asyncio.create_task(
        keep_house(sessions, rooms, documents, MemoryAnswerStore(), MemoryTokenStore(), grace=GRACE)
    )
    await asyncio.sleep(0.01)
    assert not keeping.done()
    keeping.cancel()


async def test_tokens_that_have_ended_are_removed() -> None:
    tokens = MemoryTokenStore()
    for name in ("a", "b"):
        await tokens.revoke_token(name, NOON, NOON + timedelta(minutes=1))
    await tokens.revoke_token("kept", NOON, NOON + timedelta(hours=1))
    later = NOON + timedelta(minutes=2)
    assert await forget_tokens(tokens, lambda: later) == 2
    assert [each.key for each in await tokens.revocations(NOON)] == ["kept"]
