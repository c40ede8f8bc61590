"""What every `ports.SessionStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crdt_docs.access import Role
from persistence.errors import UnknownSession
from persistence.memory_sessions import MemorySessionStore
from persistence.ports import (
    InvalidCursor,
    Participant,
    Session,
    SessionFilter,
    SessionStatus,
    SessionStore,
    SessionType,
    Standing,
)
from persistence.sessions import PostgresSessionStore
from tests.helpers.commits import ANA, BEN

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
WORKSPACE, ELSEWHERE = UUID(int=100), UUID(int=200)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> SessionStore:
    if request.param == "memory":
        return MemorySessionStore()
    return PostgresSessionStore(request.getfixturevalue("pool"))


def session(number: int, *, minutes: int = 0, host: UUID = ANA) -> Session:
    return Session(
        id=UUID(int=number),
        workspace_id=WORKSPACE,
        session_type=SessionType.WHITEBOARD,
        host_user_id=host,
        status=SessionStatus.ACTIVE,
        config={},
        max_participants=50,
        is_recording=False,
        started_at=NOON + timedelta(minutes=minutes),
    )


async def ids(store: SessionStore, wanted: SessionFilter) -> list[int]:
    return [found.id.int for found in (await store.find(wanted)).items]


async def test_a_session_comes_back_as_it_was(store: SessionStore) -> None:
    created = replace(
        session(1),
        session_type=SessionType.COCKPIT,
        status=SessionStatus.PAUSED,
        config={"default_role": "editor", "nested": {"list": [1, 2.5, None, True, "é😀"]}},
        is_recording=True,
    )
    await store.create(created)
    assert await store.get(created.id) == created


async def test_text_that_cannot_be_stored_does_not_break_a_session(store: SessionStore) -> None:
    await store.create(replace(session(1), config={"a\x00": "\x00", "b": "\ud800"}))
    found = await store.get(UUID(int=1))
    assert found is not None
    assert len(found.config) == 2


async def test_unknown_ids_give_none(store: SessionStore) -> None:
    missing = UUID(int=404)
    assert await store.get(missing) is None
    assert await store.end(missing, LATER) is None
    assert await store.delete(missing, LATER) is False
    assert await store.participant(missing, ANA) is None


async def test_whoever_creates_a_session_is_its_host(store: SessionStore) -> None:
    await store.create(session(1))
    assert await store.participant(UUID(int=1), ANA) == Participant(
        UUID(int=1), ANA, Role.HOST, NOON
    )


async def test_creating_an_id_again_changes_nothing(store: SessionStore) -> None:
    """A request that is sent again, as its answer was lost."""
    await store.create(session(1))
    await store.end(UUID(int=1), LATER)
    await store.create(session(1))
    found = await store.get(UUID(int=1))
    assert found is not None
    assert found.status is SessionStatus.ENDED


async def test_a_session_ends_once(store: SessionStore) -> None:
    await store.create(session(1))
    ended = await store.end(UUID(int=1), LATER)
    assert ended == replace(session(1), status=SessionStatus.ENDED, ended_at=LATER)
    assert await store.end(UUID(int=1), LATER + timedelta(hours=1)) == ended
    assert await store.get(UUID(int=1)) == ended


async def test_a_deleted_session_is_gone_and_ended(store: SessionStore) -> None:
    await store.create(session(1))
    assert await store.delete(UUID(int=1), LATER) is True
    assert await store.delete(UUID(int=1), LATER) is False
    assert await store.get(UUID(int=1)) is None
    assert await store.end(UUID(int=1), LATER) is None
    assert await ids(store, SessionFilter()) == []


async def test_a_participants_row_is_replaced(store: SessionStore) -> None:
    await store.create(session(1))
    first = Participant(UUID(int=1), BEN, Role.VIEWER, NOON)
    await store.put_participant(first)
    assert await store.participant(UUID(int=1), BEN) == first
    removed = replace(first, role=Role.EDITOR, left_at=LATER, removed_at=LATER)
    await store.put_participant(removed)
    assert await store.participant(UUID(int=1), BEN) == removed


async def test_nobody_takes_part_in_a_session_that_does_not_exist(store: SessionStore) -> None:
    with pytest.raises(UnknownSession):
        await store.put_participant(Participant(UUID(int=404), BEN, Role.VIEWER, NOON))


async def test_a_list_is_newest_first_then_by_id(store: SessionStore) -> None:
    for number, minutes in [(1, 0), (2, 10), (3, 10), (4, 5)]:
        await store.create(session(number, minutes=minutes))
    assert await ids(store, SessionFilter()) == [3, 2, 4, 1]


async def test_filters_narrow_a_list(store: SessionStore) -> None:
    await store.create(session(1))
    await store.create(replace(session(2), session_type=SessionType.COCKPIT))
    await store.create(replace(session(3), workspace_id=ELSEWHERE))
    await store.create(session(4))
    await store.end(UUID(int=4), LATER)
    expected = {
        SessionFilter(workspace_id=WORKSPACE): [4, 2, 1],
        SessionFilter(workspace_id=ELSEWHERE): [3],
        SessionFilter(session_type=SessionType.COCKPIT): [2],
        SessionFilter(status=SessionStatus.ENDED): [4],
        SessionFilter(status=SessionStatus.ACTIVE, workspace_id=WORKSPACE): [2, 1],
        SessionFilter(workspaces=(WORKSPACE, ELSEWHERE, ELSEWHERE)): [4, 3, 2, 1],
        SessionFilter(workspaces=(ELSEWHERE,)): [3],
        SessionFilter(workspaces=()): [],
        SessionFilter(workspaces=(ELSEWHERE,), workspace_id=WORKSPACE): [],
        SessionFilter(workspaces=(ELSEWHERE,), workspace_id=ELSEWHERE): [3],
    }
    for wanted, numbers in expected.items():
        assert await ids(store, wanted) == numbers, wanted


async def test_a_person_sees_what_they_may_read(store: SessionStore) -> None:
    for number in range(1, 8):
        await store.create(session(number, host=BEN if number == 1 else ANA))
    for number, removed_at in [(2, None), (3, LATER), (4, LATER)]:
        await store.put_participant(
            Participant(UUID(int=number), BEN, Role.VIEWER, NOON, removed_at=removed_at)
        )
    await store.put_participant(Participant(UUID(int=7), BEN, Role.VIEWER, NOON, left_at=LATER))
    hosted, joined, left, granted = 1, 2, 7, 5
    # 4 is granted by the token, but a host took the person out: the row decides.
    wanted = SessionFilter(readable_by=BEN, granted=(UUID(int=granted), UUID(int=4)))
    assert await ids(store, wanted) == [left, granted, joined, hosted]
    assert await ids(store, replace(wanted, workspaces=(ELSEWHERE,))) == []
    assert await ids(store, replace(wanted, workspace_id=WORKSPACE)) == [7, 5, 2, 1]
    assert await ids(store, SessionFilter(readable_by=UUID(int=9))) == []


FILTERS = [
    SessionFilter(),
    SessionFilter(workspaces=(WORKSPACE, ELSEWHERE)),
    SessionFilter(readable_by=ANA),
]


@pytest.mark.parametrize("wanted", FILTERS)
async def test_pages_give_every_session_once(store: SessionStore, wanted: SessionFilter) -> None:
    dice = random.Random(1)
    sessions = [
        replace(
            session(number, minutes=dice.randint(0, 9)),
            workspace_id=dice.choice([WORKSPACE, ELSEWHERE]),
        )
        for number in dice.sample(range(1, 1000), 23)
    ]
    for created in sessions:
        await store.create(created)
    seen: list[Session] = []
    cursor = None
    while True:
        page = await store.find(wanted, limit=5, cursor=cursor)
        assert len(page.items) <= 5
        seen += page.items
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
        # What appears meanwhile at the front must not shift what follows.
        await store.create(session(2000 + len(seen), minutes=100))
    assert seen == sorted(sessions, key=lambda s: (s.started_at, s.id), reverse=True)


async def test_the_last_page_has_no_cursor(store: SessionStore) -> None:
    for number in (1, 2):
        await store.create(session(number))
    page = await store.find(SessionFilter(), limit=2)
    assert len(page.items) == 2
    assert page.next_cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "é", "AAAA", "A" * 40, "A" * 5000])
async def test_a_cursor_of_somebody_else_is_refused(store: SessionStore, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        await store.find(SessionFilter(), cursor=cursor)


async def test_standings_answer_many_in_their_order(store: SessionStore) -> None:
    await store.create(session(1))
    await store.create(session(2))
    await store.put_participant(Participant(UUID(int=1), BEN, Role.VIEWER, NOON))
    await store.delete(UUID(int=2), LATER)
    wanted = [(UUID(int=1), BEN), (UUID(int=2), ANA), (UUID(int=404), BEN), (UUID(int=1), ANA)]
    wanted *= 2
    assert list(await store.standings(wanted)) == [
        Standing(await store.get(session_id), await store.participant(session_id, user_id))
        for session_id, user_id in wanted
    ]
    assert list(await store.standings([])) == []


async def test_deleted_sessions_are_found_and_forgotten_for_good(store: SessionStore) -> None:
    for number in (1, 2, 3):
        await store.create(session(number))
    await store.delete(UUID(int=2), NOON)
    await store.delete(UUID(int=1), LATER)
    assert list(await store.deleted_before(NOON)) == []
    much_later = LATER + timedelta(days=1)
    assert list(await store.deleted_before(much_later)) == [UUID(int=2), UUID(int=1)]
    assert list(await store.deleted_before(much_later, limit=1)) == [UUID(int=2)]
    await store.forget([UUID(int=2), UUID(int=3), UUID(int=404)])
    assert list(await store.deleted_before(much_later)) == [UUID(int=1)]
    assert await store.participant(UUID(int=2), ANA) is None
    assert await store.get(UUID(int=3)) is not None
