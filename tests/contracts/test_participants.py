"""What every `ports.SessionStore` says of the people of a session, and of pauses."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from crdt_docs.access import Role
from persistence.memory_sessions import MemorySessionStore
from persistence.ports import (
    InvalidCursor,
    LastHost,
    Participant,
    Session,
    SessionStatus,
    SessionStore,
    SessionType,
)
from persistence.sessions import PostgresSessionStore
from tests.helpers.commits import ANA, BEN

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
ID = UUID(int=1)
MISSING = UUID(int=404)


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> SessionStore:
    if request.param == "memory":
        return MemorySessionStore()
    return PostgresSessionStore(request.getfixturevalue("pool"))


@pytest.fixture
async def session(store: SessionStore) -> Session:
    """Ana hosts it."""
    created = Session(
        id=ID,
        workspace_id=UUID(int=100),
        session_type=SessionType.WHITEBOARD,
        host_user_id=ANA,
        status=SessionStatus.ACTIVE,
        config={},
        max_participants=50,
        is_recording=False,
        started_at=NOON,
    )
    await store.create(created)
    return created


async def test_a_session_is_paused_and_goes_on(store: SessionStore, session: Session) -> None:
    paused = replace(session, status=SessionStatus.PAUSED)
    assert await store.set_paused(ID, is_paused=True) == paused
    assert await store.set_paused(ID, is_paused=True) == paused
    assert await store.get(ID) == paused
    assert await store.set_paused(ID, is_paused=False) == session
    assert await store.get(ID) == session


async def test_what_has_ended_or_gone_is_not_paused(store: SessionStore, session: Session) -> None:
    ended = await store.end(session.id, LATER)
    assert await store.set_paused(ID, is_paused=True) == ended
    assert await store.set_paused(ID, is_paused=False) == ended
    await store.delete(ID, LATER)
    assert await store.set_paused(ID, is_paused=True) is None
    assert await store.set_paused(MISSING, is_paused=True) is None


async def test_whoever_joins_gets_a_row_of_their_own(store: SessionStore, session: Session) -> None:
    joined = await store.join(session.id, BEN, Role.VIEWER, LATER)
    assert joined == Participant(ID, BEN, Role.VIEWER, LATER, last_active_at=LATER)
    assert joined.id is not None
    found = await store.participant(ID, BEN)
    assert found == joined
    assert found.id == joined.id


async def test_joining_again_never_changes_a_role(store: SessionStore, session: Session) -> None:
    first = await store.join(session.id, BEN, Role.VIEWER, NOON)
    assert first is not None
    await store.leave(ID, BEN, NOON)
    again = await store.join(ID, BEN, Role.HOST, LATER)
    assert again == replace(first, left_at=None, last_active_at=LATER)
    assert again.id == first.id


async def test_who_was_removed_does_not_come_back_by_joining(
    store: SessionStore, session: Session
) -> None:
    removed = Participant(session.id, BEN, Role.EDITOR, NOON, left_at=NOON, removed_at=NOON)
    await store.put_participant(removed)
    assert await store.join(ID, BEN, Role.EDITOR, LATER) == removed
    assert await store.participant(ID, BEN) == removed
    assert await store.leave(ID, BEN, LATER) is None
    assert await store.set_role(ID, BEN, Role.VIEWER) is None


async def test_nobody_joins_what_is_over(store: SessionStore, session: Session) -> None:
    assert await store.join(MISSING, BEN, Role.VIEWER, NOON) is None
    await store.set_paused(session.id, is_paused=True)
    assert await store.join(ID, BEN, Role.VIEWER, NOON) is not None
    await store.end(ID, LATER)
    assert await store.join(ID, ANA, Role.HOST, LATER) is None
    await store.delete(ID, LATER)
    assert await store.join(ID, ANA, Role.HOST, LATER) is None


async def test_one_leaves_once(store: SessionStore, session: Session) -> None:
    joined = await store.join(session.id, BEN, Role.VIEWER, NOON)
    assert joined is not None
    left = replace(joined, left_at=LATER)
    assert await store.leave(ID, BEN, LATER) == left
    assert await store.leave(ID, BEN, LATER + timedelta(hours=1)) == left
    assert await store.leave(ID, UUID(int=77), LATER) is None
    assert await store.leave(MISSING, BEN, LATER) is None


async def test_people_are_listed_as_they_joined(store: SessionStore, session: Session) -> None:
    people = [UUID(int=number) for number in (9, 8, 7, 6)]
    for minute, person in enumerate(people, start=2):
        await store.join(session.id, person, Role.VIEWER, NOON + timedelta(minutes=minute // 2))
    await store.put_participant(
        Participant(ID, UUID(int=5), Role.VIEWER, NOON, removed_at=NOON),
    )
    await store.leave(ID, people[0], LATER)
    seen: list[UUID] = []
    cursor = None
    for expected in (2, 2, 1):
        page = await store.participants(ID, limit=2, cursor=cursor)
        assert len(page.items) == expected
        seen += [row.user_id for row in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == [ANA, UUID(int=8), UUID(int=9), UUID(int=6), UUID(int=7)]
    assert (await store.participants(MISSING)).items == ()
    with pytest.raises(InvalidCursor):
        await store.participants(ID, cursor="made up")


async def test_a_role_is_changed(store: SessionStore, session: Session) -> None:
    joined = await store.join(session.id, BEN, Role.VIEWER, NOON)
    assert joined is not None
    editor = replace(joined, role=Role.EDITOR)
    assert await store.set_role(ID, BEN, Role.EDITOR) == editor
    assert await store.participant(ID, BEN) == editor
    assert await store.set_role(ID, UUID(int=77), Role.EDITOR) is None
    assert await store.set_role(MISSING, BEN, Role.EDITOR) is None


async def test_a_session_keeps_a_host(store: SessionStore, session: Session) -> None:
    removed = Participant(session.id, UUID(int=5), Role.HOST, NOON, removed_at=NOON)
    await store.put_participant(removed)
    await store.join(ID, BEN, Role.EDITOR, NOON)
    with pytest.raises(LastHost):
        await store.set_role(ID, ANA, Role.EDITOR)
    assert (await store.set_role(ID, ANA, Role.HOST)) is not None
    await store.set_role(ID, BEN, Role.HOST)
    demoted = await store.set_role(ID, ANA, Role.VIEWER)
    assert demoted is not None
    assert demoted.role is Role.VIEWER
    with pytest.raises(LastHost):
        await store.set_role(ID, BEN, Role.SPECTATOR)


async def test_two_hosts_do_not_demote_each_other(store: SessionStore, session: Session) -> None:
    await store.join(session.id, BEN, Role.HOST, NOON)
    outcomes = await asyncio.gather(
        store.set_role(ID, ANA, Role.VIEWER),
        store.set_role(ID, BEN, Role.VIEWER),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(LastHost) == 1


async def test_somebody_is_removed_once(store: SessionStore, session: Session) -> None:
    await store.join(session.id, BEN, Role.EDITOR, NOON)
    removed = await store.remove(ID, BEN, LATER)
    assert removed is not None
    assert (removed.role, removed.removed_at) == (Role.EDITOR, LATER)
    assert await store.remove(ID, BEN, LATER + timedelta(hours=1)) == removed
    assert await store.participant(ID, BEN) == removed
    assert await store.set_role(ID, BEN, Role.HOST) is None
    rejoined = await store.join(ID, BEN, Role.EDITOR, LATER)
    assert rejoined == removed
    assert [person.user_id for person in (await store.participants(ID)).items] == [ANA]


async def test_who_never_joined_is_kept_out_as_well(store: SessionStore, session: Session) -> None:
    removed = await store.remove(session.id, BEN, NOON)
    assert removed is not None
    assert removed.removed_at == NOON
    assert removed.id is not None
    assert await store.participant(ID, BEN) == removed
    assert await store.remove(MISSING, BEN, NOON) is None
    await store.delete(ID, NOON)
    assert await store.remove(ID, UUID(int=9), NOON) is None


async def test_the_last_host_is_not_removed(store: SessionStore, session: Session) -> None:
    await store.join(session.id, BEN, Role.EDITOR, NOON)
    with pytest.raises(LastHost):
        await store.remove(ID, ANA, NOON)
    await store.set_role(ID, BEN, Role.HOST)
    assert await store.remove(ID, ANA, NOON) is not None
    with pytest.raises(LastHost):
        await store.remove(ID, BEN, NOON)


async def test_two_hosts_do_not_remove_each_other(store: SessionStore, session: Session) -> None:
    await store.join(session.id, BEN, Role.HOST, NOON)
    outcomes = await asyncio.gather(
        store.remove(ID, ANA, NOON), store.remove(ID, BEN, NOON), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes].count(LastHost) == 1
