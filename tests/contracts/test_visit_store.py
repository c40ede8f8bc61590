"""What every `visit_ports.VisitStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crdt_docs.identifiers import ActorKind
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_visits import MemoryVisitStore
from persistence.ports import Session, SessionStatus, SessionStore, SessionType
from persistence.sessions import PostgresSessionStore
from persistence.visit_ports import Visit, VisitStore
from persistence.visits import PostgresVisitStore
from tests.helpers.commits import ANA, BEN

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BOARD = UUID(int=1)


@pytest.fixture(params=["memory", "postgres"])
def stores(request: pytest.FixtureRequest) -> tuple[VisitStore, SessionStore]:
    if request.param == "memory":
        sessions = MemorySessionStore()
        return MemoryVisitStore(sessions.note_seen), sessions
    pool = request.getfixturevalue("pool")
    return PostgresVisitStore(pool), PostgresSessionStore(pool)


@pytest.fixture
def store(stores: tuple[VisitStore, SessionStore]) -> VisitStore:
    return stores[0]


def visit(user: UUID = ANA, minute: int = 0) -> Visit:
    return Visit(uuid4(), BOARD, user, ActorKind.USER, "firefox", NOON + minute * MINUTE)


async def test_vst_1_a_visit_is_kept_from_its_beginning_on(store: VisitStore) -> None:
    begun = visit()
    await store.put([begun])
    assert await store.of_user(ANA) == [begun]
    ended = replace(begun, disconnected_at=NOON + MINUTE, close_code=4410)
    await store.put([ended])
    assert await store.of_user(ANA) == [ended]


async def test_vst_1_both_ends_may_come_together_and_again(store: VisitStore) -> None:
    begun = visit()
    ended = replace(begun, disconnected_at=NOON + MINUTE)
    await store.put([begun, ended])
    await store.put([begun])
    await store.put([ended])
    assert await store.of_user(ANA) == [ended]


async def test_visits_are_a_persons(store: VisitStore) -> None:
    first, second, bens = visit(), visit(minute=1), visit(BEN)
    await store.put([second, first, bens])
    assert await store.of_user(ANA) == [first, second]
    assert await store.of_user(BEN) == [bens]


async def test_vst_2_what_was_left_open_is_closed(store: VisitStore) -> None:
    old, new = visit(), visit(minute=5)
    ended = replace(visit(minute=1), disconnected_at=NOON + 2 * MINUTE, close_code=1012)
    await store.put([old, new, ended])
    assert await store.close_open(NOON + 3 * MINUTE) == 1
    assert await store.close_open(NOON + 3 * MINUTE) == 0
    assert await store.of_user(ANA) == [
        replace(old, disconnected_at=NOON + 3 * MINUTE),
        ended,
        new,
    ]


async def test_old_visits_go(store: VisitStore) -> None:
    ended = [replace(visit(minute=n), disconnected_at=NOON + (n + 1) * MINUTE) for n in range(4)]
    await store.put([*ended, visit(BEN)])
    assert await store.forget_before(NOON + 4 * MINUTE, limit=2) == 2
    assert await store.of_user(ANA) == ended[2:]
    assert await store.forget_before(NOON + 4 * MINUTE) == 1
    assert await store.forget_before(NOON + 4 * MINUTE) == 0
    assert len(await store.of_user(BEN)) == 1


async def test_people_are_there_last_when_they_were_connected_last(
    stores: tuple[VisitStore, SessionStore],
) -> None:
    store, sessions = stores
    await sessions.create(
        Session(
            id=BOARD,
            workspace_id=uuid4(),
            session_type=SessionType.WHITEBOARD,
            host_user_id=ANA,
            status=SessionStatus.ACTIVE,
            config={},
            max_participants=5,
            is_recording=False,
            started_at=NOON,
        )
    )
    begun = visit()

    async def last_active() -> datetime | None:
        row = await sessions.participant(BOARD, ANA)
        assert row is not None
        return row.last_active_at

    await store.put([begun, visit(BEN)])
    assert await last_active() == NOON
    await store.put([replace(begun, disconnected_at=NOON + 5 * MINUTE)])
    assert await last_active() == NOON + 5 * MINUTE
    await store.put([visit(minute=3)])
    assert await last_active() == NOON + 5 * MINUTE
