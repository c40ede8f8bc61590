"""Who is in the sessions of XR rooms, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from crdt_docs.poses import Placed
from persistence.pages import AFTER_NONE, page_of_rows, start_of
from persistence.pool import DatabasePool, rows_changed
from persistence.ports import Page
from persistence.xr_people_ports import DeviceType, Sighting, XrParticipant

_PERSON = (
    "person.id, person.session_id, person.connection_id, person.user_id, person.avatar_id, "
    "person.avatar_config, person.device_type, person.position, person.rotation, "
    "person.joined_at, person.last_seen_at, person.left_at"
)

_JOIN = f"""
    INSERT INTO xr_participants AS person (
        session_id, connection_id, user_id, avatar_id, avatar_config, device_type, joined_at,
        last_seen_at
    )
    SELECT id, $2, $3, $4, $5, $6, $7, $7 FROM xr_sessions WHERE id = $1 AND ended_at IS NULL
    FOR SHARE
    ON CONFLICT (session_id, connection_id) DO UPDATE
    SET avatar_id = excluded.avatar_id, avatar_config = excluded.avatar_config,
        device_type = excluded.device_type, left_at = NULL,
        last_seen_at = greatest(person.last_seen_at, excluded.last_seen_at)
    WHERE person.user_id = excluded.user_id
    RETURNING {_PERSON}
"""  # noqa: S608 - constants

_LEAVE = f"""
    UPDATE xr_participants AS person SET left_at = coalesce(left_at, $3)
    WHERE session_id = $1 AND connection_id = $2
    RETURNING {_PERSON}
"""  # noqa: S608 - constants

LEAVE_ALL: Final = f"""
    UPDATE xr_participants AS person SET left_at = $3
    WHERE session_id = $1 AND user_id = $2 AND left_at IS NULL
    RETURNING {_PERSON}
"""  # noqa: S608 - constants

OF_PERSON: Final = f"""
    SELECT {_PERSON} FROM xr_participants AS person
    WHERE session_id = $1 AND user_id = $2 AND left_at IS NULL
    ORDER BY joined_at, id LIMIT $3
"""  # noqa: S608 - constants

_GET = f"""
    SELECT {_PERSON} FROM xr_participants AS person WHERE session_id = $1 AND connection_id = $2
"""  # noqa: S608 - constants

# $2, $3: the row after which it starts, always given, so that an index can begin there.
_PEOPLE = f"""
    SELECT {_PERSON} FROM xr_participants AS person
    WHERE session_id = $1 AND (joined_at, id) > ($2::timestamptz, $3::uuid)
"""  # noqa: S608 - constants
_ORDER = "ORDER BY joined_at, id LIMIT $4"
EVERYBODY: Final = f"{_PEOPLE} {_ORDER}"
THERE: Final = f"{_PEOPLE} AND left_at IS NULL {_ORDER}"

# Whose row is locked joins, leaves or is put out just now: to wait for them in another order than
# they for us could stop both.
NOTE: Final = """
    WITH free AS (
        SELECT person.id, given.at, given.position, given.rotation
        FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::jsonb[], $5::jsonb[])
                AS given (session_id, connection_id, at, position, rotation)
            JOIN xr_participants AS person
            ON person.session_id = given.session_id
                AND person.connection_id = given.connection_id
        WHERE person.last_seen_at < given.at
        FOR NO KEY UPDATE OF person SKIP LOCKED
    )
    UPDATE xr_participants AS person
    SET last_seen_at = free.at, position = coalesce(free.position, person.position),
        rotation = coalesce(free.rotation, person.rotation)
    FROM free WHERE person.id = free.id
"""

CLOSE_OPEN: Final = """
    UPDATE xr_participants SET left_at = last_seen_at WHERE left_at IS NULL AND joined_at < $1
"""

FORGET: Final = """
    DELETE FROM xr_participants WHERE id IN (
        SELECT id FROM xr_participants WHERE left_at < $1 ORDER BY left_at LIMIT $2
    )
"""


class PostgresXrParticipantStore:
    """`xr_people_ports.XrParticipantStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def join(self, participant: XrParticipant) -> XrParticipant | None:
        """See `xr_people_ports.XrParticipantStore.join`."""
        config = participant.avatar_config
        return await self._one(
            _JOIN,
            participant.session_id,
            participant.connection_id,
            participant.user_id,
            participant.avatar_id,
            None if config is None else dict(config),
            participant.device_type.value,
            participant.joined_at,
        )

    async def leave(
        self, session_id: UUID, connection_id: UUID, at: datetime
    ) -> XrParticipant | None:
        """See `xr_people_ports.XrParticipantStore.leave`."""
        return await self._one(_LEAVE, session_id, connection_id, at)

    async def participant(self, session_id: UUID, connection_id: UUID) -> XrParticipant | None:
        """See `xr_people_ports.XrParticipantStore.participant`."""
        return await self._one(_GET, session_id, connection_id)

    async def leave_all(
        self, session_id: UUID, user_id: UUID, at: datetime
    ) -> Sequence[XrParticipant]:
        """See `xr_people_ports.XrParticipantStore.leave_all`."""
        left = await self._many(LEAVE_ALL, session_id, user_id, at)
        return sorted(left, key=lambda person: (person.joined_at, str(person.id)))

    async def of_person(
        self, session_id: UUID, user_id: UUID, *, limit: int
    ) -> Sequence[XrParticipant]:
        """See `xr_people_ports.XrParticipantStore.of_person`."""
        return await self._many(OF_PERSON, session_id, user_id, limit)

    async def participants(
        self,
        session_id: UUID,
        *,
        only_there: bool = False,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[XrParticipant]:
        """See `xr_people_ports.XrParticipantStore.participants`."""
        after = start_of(cursor, AFTER_NONE)
        query = THERE if only_there else EVERYBODY
        async with self._pool.borrow() as connection:
            rows = await connection.fetch(query, session_id, *after, limit + 1)
        return page_of_rows(rows, limit, _participant, "joined_at")

    async def note(self, sightings: Sequence[Sighting]) -> None:
        """See `xr_people_ports.XrParticipantStore.note`."""
        latest = _latest(sightings)
        async with self._pool.borrow() as connection:
            await connection.execute(
                NOTE,
                [each.session_id for each in latest],
                [each.connection_id for each in latest],
                [each.at for each in latest],
                [each.placed and _named("xyz", each.placed.position) for each in latest],
                [each.placed and _named("xyzw", each.placed.rotation) for each in latest],
            )

    async def close_open(self, moment: datetime) -> int:
        """See `xr_people_ports.XrParticipantStore.close_open`."""
        return await self._count(CLOSE_OPEN, moment)

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `xr_people_ports.XrParticipantStore.forget_before`."""
        return await self._count(FORGET, moment, limit)

    async def _count(self, statement: str, *arguments: object) -> int:
        async with self._pool.borrow() as connection:
            return rows_changed(await connection.execute(statement, *arguments))

    async def _many(self, query: str, *arguments: object) -> list[XrParticipant]:
        async with self._pool.borrow() as connection:
            return [_participant(row) for row in await connection.fetch(query, *arguments)]

    async def _one(self, query: str, *arguments: object) -> XrParticipant | None:
        async with self._pool.borrow() as connection:
            row = await connection.fetchrow(query, *arguments)
        return _participant(row) if row is not None else None


def _latest(sightings: Sequence[Sighting]) -> list[Sighting]:
    """One for each participant: when it was seen last, and where, as far as that is known."""
    found: dict[tuple[UUID, UUID], Sighting] = {}
    for each in sorted(sightings, key=lambda sighting: sighting.at):
        key = each.session_id, each.connection_id
        before = found.get(key)
        placed = each.placed or (before and before.placed)
        found[key] = each._replace(placed=placed)
    return list(found.values())


def _named(axes: str, values: Iterable[float]) -> dict[str, float]:
    return dict(zip(axes, values, strict=True))


def _placed(
    position: Mapping[str, float] | None, rotation: Mapping[str, float] | None
) -> Placed | None:
    if position is None or rotation is None:
        return None
    return Placed(
        (position["x"], position["y"], position["z"]),
        (rotation["x"], rotation["y"], rotation["z"], rotation["w"]),
    )


def _participant(row: asyncpg.Record) -> XrParticipant:
    fields: dict[str, Any] = dict(row)
    placed = _placed(fields.pop("position"), fields.pop("rotation"))
    device_type = DeviceType(fields.pop("device_type"))
    return XrParticipant(**fields, device_type=device_type, placed=placed)
