"""OCW sessions and their participants, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import orjson

from crdt_docs.access import Role
from persistence.cursors import decode_cursor, encode_cursor
from persistence.errors import UnknownSession
from persistence.memory_names import names, renamed
from persistence.memory_store import MemorySwitches
from persistence.ports import (
    LastHost,
    Page,
    Participant,
    Session,
    SessionFilter,
    SessionStatus,
    Standing,
)


class MemorySessionStore(MemorySwitches):
    """`ports.SessionStore` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._sessions: dict[UUID, Session] = {}
        self._participants: dict[tuple[UUID, UUID], Participant] = {}

    def workspace_of(self, session_id: UUID) -> UUID | None:
        """The workspace of a session, also of a deleted one; None where there is none."""
        session = self._sessions.get(session_id)
        return None if session is None else session.workspace_id

    def sessions_of(self, user_id: UUID) -> list[UUID]:
        """Sessions that somebody hosts, or whose config names them."""
        return [s.id for s in self._sessions.values() if _names(s, user_id)]

    def put_alias(self, session_id: UUID, user_id: UUID, alias: UUID) -> int:
        """Put an alias in the place of a host, and in the config; how many rows changed."""
        session = self._sessions.get(session_id)
        if session is None or not _names(session, user_id):
            return 0
        config = renamed(orjson.dumps(session.config).decode(), user_id, alias)
        host = alias if session.host_user_id == user_id else session.host_user_id
        self._sessions[session_id] = replace(
            session, host_user_id=host, config=orjson.loads(config)
        )
        return 1

    def rows_of(self, user_id: UUID) -> list[Participant]:
        """A person's rows in all sessions."""
        return [row for (_, person), row in self._participants.items() if person == user_id]

    def forget_person(self, user_id: UUID) -> int:
        """Remove a person's rows from all sessions; return how many."""
        rows = self.rows_of(user_id)
        for row in rows:
            del self._participants[row.session_id, user_id]
        return len(rows)

    def note_seen(self, session_id: UUID, user_id: UUID, at: datetime) -> None:
        """Somebody who takes part was there at a moment."""
        row = self._participants.get((session_id, user_id))
        if row is not None and row.removed_at is None:
            latest = at if row.last_active_at is None else max(at, row.last_active_at)
            self._participants[session_id, user_id] = replace(row, last_active_at=latest)

    async def create(self, session: Session) -> None:
        """See `ports.SessionStore.create`; an id that exists already is left as it is."""
        await self._enter()
        if session.id not in self._sessions:
            self._sessions[session.id] = session
            self._participants[session.id, session.host_user_id] = Participant(
                session.id, session.host_user_id, Role.HOST, session.started_at, id=uuid4()
            )
        self._leave()

    async def get(self, session_id: UUID) -> Session | None:
        """See `ports.SessionStore.get`."""
        await self._enter()
        session = self._live(session_id)
        self._leave()
        return session

    async def find(
        self, wanted: SessionFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Session]:
        """See `ports.SessionStore.find`."""
        await self._enter()
        before = decode_cursor(cursor) if cursor is not None else None
        newest_first = sorted(
            (session for session in self._sessions.values() if self._matches(session, wanted)),
            key=_list_key,
            reverse=True,
        )
        rest = [s for s in newest_first if before is None or _list_key(s) < before]
        items = tuple(rest[:limit])
        more = len(rest) > len(items)
        self._leave()
        return Page(items, encode_cursor(*_list_key(items[-1])) if more and items else None)

    def _matches(self, session: Session, wanted: SessionFilter) -> bool:
        return (
            session.deleted_at is None
            and wanted.workspace_id in (None, session.workspace_id)
            and wanted.session_type in (None, session.session_type)
            and wanted.status in (None, session.status)
            and (wanted.workspaces is None or session.workspace_id in wanted.workspaces)
            and (wanted.readable_by is None or self._reads(wanted, session, wanted.readable_by))
        )

    def _reads(self, wanted: SessionFilter, session: Session, user_id: UUID) -> bool:
        row = self._participants.get((session.id, user_id))
        if row is not None:
            return row.removed_at is None
        return session.host_user_id == user_id or session.id in wanted.granted

    async def end(self, session_id: UUID, at: datetime) -> Session | None:
        """See `ports.SessionStore.end`."""
        await self._enter()
        session = self._live(session_id)
        if session is not None:
            session = self._sessions[session_id] = _ended(session, at)
        self._leave()
        return session

    async def set_paused(self, session_id: UUID, *, is_paused: bool) -> Session | None:
        """See `ports.SessionStore.set_paused`."""
        await self._enter()
        session = self._live(session_id)
        if session is not None and session.status is not SessionStatus.ENDED:
            status = SessionStatus.PAUSED if is_paused else SessionStatus.ACTIVE
            session = self._sessions[session_id] = replace(session, status=status)
        self._leave()
        return session

    async def delete(self, session_id: UUID, at: datetime) -> bool:
        """See `ports.SessionStore.delete`."""
        await self._enter()
        session = self._live(session_id)
        if session is not None:
            self._sessions[session_id] = replace(_ended(session, at), deleted_at=at)
        self._leave()
        return session is not None

    async def participant(self, session_id: UUID, user_id: UUID) -> Participant | None:
        """See `ports.SessionStore.participant`."""
        await self._enter()
        row = self._participants.get((session_id, user_id))
        self._leave()
        return row

    async def deleted_before(self, moment: datetime, *, limit: int = 100) -> Sequence[UUID]:
        """See `ports.SessionStore.deleted_before`."""
        await self._enter()
        gone = sorted(
            (session.deleted_at, session.id)
            for session in self._sessions.values()
            if session.deleted_at is not None and session.deleted_at < moment
        )
        self._leave()
        return [session_id for _, session_id in gone[:limit]]

    async def forget(self, session_ids: Sequence[UUID]) -> None:
        """See `ports.SessionStore.forget`."""
        await self._enter()
        for session_id in session_ids:
            session = self._sessions.get(session_id)
            if session is not None and session.deleted_at is not None:
                del self._sessions[session_id]
                for key in [key for key in self._participants if key[0] == session_id]:
                    del self._participants[key]
        self._leave()

    async def standings(self, wanted: Sequence[tuple[UUID, UUID]]) -> Sequence[Standing]:
        """See `ports.SessionStore.standings`."""
        await self._enter()
        found = [
            Standing(self._live(session_id), self._participants.get((session_id, user_id)))
            for session_id, user_id in wanted
        ]
        self._leave()
        return found

    async def put_participant(self, participant: Participant) -> None:
        """See `ports.SessionStore.put_participant`.

        Raises:
            UnknownSession: there is no such session.
        """
        await self._enter()
        if participant.session_id not in self._sessions:
            raise UnknownSession(f"no session {participant.session_id}")
        key = participant.session_id, participant.user_id
        before = self._participants.get(key)
        self._participants[key] = replace(participant, id=before.id if before else uuid4())
        self._leave()

    async def join(
        self, session_id: UUID, user_id: UUID, role: Role, at: datetime
    ) -> Participant | None:
        """See `ports.SessionStore.join`."""
        await self._enter()
        session = self._live(session_id)
        joined = None
        if session is not None and session.status is not SessionStatus.ENDED:
            new = Participant(session_id, user_id, role, at, id=uuid4())
            joined = self._participants.get((session_id, user_id), new)
            if joined.removed_at is None:
                joined = replace(joined, left_at=None, last_active_at=at)
            self._participants[session_id, user_id] = joined
        self._leave()
        return joined

    async def leave(self, session_id: UUID, user_id: UUID, at: datetime) -> Participant | None:
        """See `ports.SessionStore.leave`."""
        await self._enter()
        row = self._present(session_id, user_id)
        if row is not None:
            row = replace(row, left_at=row.left_at or at)
            self._participants[session_id, user_id] = row
        self._leave()
        return row

    async def participants(
        self, session_id: UUID, *, limit: int = 50, cursor: str | None = None
    ) -> Page[Participant]:
        """See `ports.SessionStore.participants`."""
        await self._enter()
        after = decode_cursor(cursor) if cursor is not None else None
        people = sorted(
            (row for row in self._participants.values() if row.session_id == session_id),
            key=_people_key,
        )
        rest = [
            row
            for row in people
            if row.removed_at is None and (after is None or _people_key(row) > after)
        ]
        items = tuple(rest[:limit])
        more = len(rest) > len(items)
        self._leave()
        return Page(items, encode_cursor(*_people_key(items[-1])) if more and items else None)

    async def set_role(self, session_id: UUID, user_id: UUID, role: Role) -> Participant | None:
        """See `ports.SessionStore.set_role`."""
        await self._enter()
        row = self._present(session_id, user_id)
        if row is not None:
            if row.role is Role.HOST and role is not Role.HOST:
                self._check_other_host(session_id, user_id)
            row = self._participants[session_id, user_id] = replace(row, role=role)
        self._leave()
        return row

    async def remove(self, session_id: UUID, user_id: UUID, at: datetime) -> Participant | None:
        """See `ports.SessionStore.remove`."""
        await self._enter()
        removed = None
        if self._live(session_id) is not None:
            # Who comes by a grant or the session's default has no row yet: it is made to deny.
            new = Participant(session_id, user_id, Role.SPECTATOR, at, removed_at=at, id=uuid4())
            removed = self._participants.get((session_id, user_id), new)
            if removed.removed_at is None:
                if removed.role is Role.HOST:
                    self._check_other_host(session_id, user_id)
                removed = replace(removed, removed_at=at)
            self._participants[session_id, user_id] = removed
        self._leave()
        return removed

    def _check_other_host(self, session_id: UUID, user_id: UUID) -> None:
        if not any(
            row.session_id == session_id
            and row.user_id != user_id
            and row.role is Role.HOST
            and row.removed_at is None
            for row in self._participants.values()
        ):
            raise LastHost

    def _present(self, session_id: UUID, user_id: UUID) -> Participant | None:
        row = self._participants.get((session_id, user_id))
        return row if row is not None and row.removed_at is None else None

    def _live(self, session_id: UUID) -> Session | None:
        session = self._sessions.get(session_id)
        return session if session is not None and session.deleted_at is None else None


def _list_key(session: Session) -> tuple[datetime, UUID]:
    return session.started_at, session.id


def _people_key(participant: Participant) -> tuple[datetime, UUID]:
    return participant.joined_at, participant.user_id


def _ended(session: Session, at: datetime) -> Session:
    if session.status is SessionStatus.ENDED:
        return session
    return replace(session, status=SessionStatus.ENDED, ended_at=at)


def _names(session: Session, user_id: UUID) -> bool:
    config = orjson.dumps(session.config).decode()
    return session.host_user_id == user_id or names(config, user_id)
