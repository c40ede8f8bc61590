"""What decides who may open a session's document, read in one statement on a kept connection.

Everybody who connects waits for it: borrowing a connection and a second round trip cost more than
the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from persistence.pool import DatabasePool
from persistence.ports import Participant, Standing
from persistence.session_rows import (
    PERSON_BESIDE,
    PERSON_PREFIX,
    SESSION,
    participant_of_row,
    session_of_row,
)
from persistence.standing_statements import StandingStatements

Pair = tuple[UUID, UUID]
"""A session and a user."""

# The session comes with the first of those who ask about it only: its config may be large. Limits
# make each be looked up by its index, however many are asked for. Subqueries hide from the planner
# how many these are: it would plan each time, which costs twice what the rest does.
READ = f"""
    SELECT {SESSION}, {PERSON_BESIDE}
    FROM unnest((SELECT $1::uuid[]), (SELECT $2::uuid[]), (SELECT $3::boolean[]))
        WITH ORDINALITY AS wanted (session_id, user_id, is_first, place)
        LEFT JOIN LATERAL (
            SELECT * FROM ocw_sessions
            WHERE wanted.is_first AND id = wanted.session_id AND deleted_at IS NULL LIMIT 1
        ) AS session ON true
        LEFT JOIN LATERAL (
            SELECT * FROM ocw_participants
            WHERE session_id = wanted.session_id AND user_id = wanted.user_id LIMIT 1
        ) AS person ON true
    ORDER BY wanted.place
"""  # noqa: S608 - constants


class SessionStandings:
    """Reads standings; one read after the other."""

    def __init__(self, pool: DatabasePool) -> None:
        self._statements = StandingStatements(pool)
        self._within = pool.command_timeout

    async def read(self, wanted: Sequence[Pair]) -> list[Standing]:
        """See `ports.SessionStore.standings`."""
        rows = await self._statements.fetch(READ, *arguments(wanted), within=self._within)
        sessions = {row["id"]: session_of_row(row) for row in rows if row["id"] is not None}
        return [
            Standing(sessions.get(session_id), _participant(row))
            for (session_id, _), row in zip(wanted, rows, strict=True)
        ]


def arguments(wanted: Sequence[Pair]) -> tuple[list[UUID], list[UUID], list[bool]]:
    """Of `READ`: sessions, users, and which pairs are the first of their session."""
    first: dict[UUID, int] = {}
    return (
        [session_id for session_id, _ in wanted],
        [user_id for _, user_id in wanted],
        [
            first.setdefault(session_id, place) == place
            for place, (session_id, _) in enumerate(wanted)
        ],
    )


def _participant(row: asyncpg.Record) -> Participant | None:
    return None if row["person_id"] is None else participant_of_row(row, PERSON_PREFIX)
