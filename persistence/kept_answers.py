"""First answers to requests that may come again, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

import asyncpg

from persistence.answer_ports import Busy, Claim, Different, KeptAnswer, Reservation, Reserved
from persistence.pool import DatabasePool, rows_changed

# Takes what is free: no row, one that is kept no longer, or a reservation that has run out.
_CLAIM = """
    INSERT INTO kept_answers AS kept (caller_id, request, fingerprint, reserved_at, reserved_until)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (caller_id, request) DO UPDATE
    SET fingerprint = excluded.fingerprint, reserved_at = excluded.reserved_at,
        reserved_until = excluded.reserved_until, status = NULL, headers = NULL, body = NULL
    WHERE kept.reserved_at < $6 OR (kept.status IS NULL AND kept.reserved_until <= $4)
    RETURNING true
"""

_READ = """
    SELECT fingerprint, status, headers, body FROM kept_answers
    WHERE caller_id = $1 AND request = $2
"""

# `reserved_until` tells a reservation from the one that took its place.
_HELD = """
    caller_id = $1 AND request = $2 AND fingerprint = $3 AND reserved_at = $4
    AND reserved_until = $5 AND status IS NULL
"""

_KEEP = f"UPDATE kept_answers SET status = $6, headers = $7, body = $8 WHERE {_HELD}"  # noqa: S608 - constants

_RELEASE = f"DELETE FROM kept_answers WHERE {_HELD}"  # noqa: S608 - constants

_FORGET = """
    DELETE FROM kept_answers WHERE (caller_id, request) IN (
        SELECT caller_id, request FROM kept_answers
        WHERE reserved_at < $1 ORDER BY reserved_at LIMIT $2
    )
"""


class PostgresAnswerStore:
    """`answer_ports.AnswerStore` in PostgreSQL."""

    def __init__(self, pool: DatabasePool) -> None:
        self._pool = pool

    async def claim(self, wanted: Reservation, *, kept_since: datetime) -> Claim:
        """See `answer_ports.AnswerStore.claim`."""
        async with self._pool.borrow() as connection:
            if await connection.fetchval(_CLAIM, *_values(wanted), kept_since):
                return Reserved()
            row = await connection.fetchrow(_READ, *wanted.request)
        return Busy() if row is None else _found(row, wanted)

    async def keep(self, held: Reservation, answer: KeptAnswer) -> None:
        """See `answer_ports.AnswerStore.keep`."""
        headers = [list(header) for header in answer.headers]
        async with self._pool.borrow() as connection:
            await connection.execute(_KEEP, *_values(held), answer.status, headers, answer.body)

    async def release(self, held: Reservation) -> None:
        """See `answer_ports.AnswerStore.release`."""
        async with self._pool.borrow() as connection:
            await connection.execute(_RELEASE, *_values(held))

    async def forget_before(self, moment: datetime, *, limit: int = 1000) -> int:
        """See `answer_ports.AnswerStore.forget_before`."""
        async with self._pool.borrow() as connection:
            deleted = await connection.execute(_FORGET, moment, limit)
        return rows_changed(deleted)


def _values(reservation: Reservation) -> tuple[object, ...]:
    return (*reservation.request, reservation.fingerprint, reservation.at, reservation.until)


def _found(row: asyncpg.Record, wanted: Reservation) -> Claim:
    if row["fingerprint"] != wanted.fingerprint:
        return Different()
    if row["status"] is None:
        return Busy()
    headers = tuple((name, value) for name, value in row["headers"])
    return KeptAnswer(row["status"], headers, row["body"])
