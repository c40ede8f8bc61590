"""`collab forget` and `collab personal-data`: persons, from the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from persistence.audit_log import PostgresAuditStore
from persistence.audit_ports import USER_TARGET, AuditEntry, AuditEvent
from persistence.command_pool import command_pool
from persistence.privacy import PostgresPrivacyStore
from persistence.tokens import PostgresTokenStore
from server.clock import utc_now
from server.forgetting import EXPORTED, FORGOTTEN, Forgetting, Forgotten
from server.personal_data import PersonalData
from server.upkeep import only_server

WITHIN = 600.0
"""Seconds for a command of the database: there is no index by person on what is large."""


async def forget_person(dsn: str, user_id: UUID, *, tokens_for: timedelta) -> Forgotten:
    """Forget a person, while no server works on the database.

    Args:
        tokens_for: how long their tokens may still last: so long they prove nothing.

    Raises:
        DatabaseInUse: a server does; it can be asked instead.
        DatabaseUnusable: the tables are those of another version.
        StorageUnavailable: the database is not there, or went away.
    """
    async with only_server(dsn), command_pool(dsn, size=2, within=WITHIN) as pool:
        tokens = PostgresTokenStore(pool)

        async def revoke(user_id: UUID) -> None:
            now = utc_now()
            await tokens.revoke_user(user_id, now, now + tokens_for)

        forgetting = Forgetting(PostgresPrivacyStore(pool), send_away=revoke)
        return await forgetting.forget(user_id, _event(FORGOTTEN, user_id))


async def write_personal_data(dsn: str, user_id: UUID, write: Callable[[bytes], object]) -> None:
    """Write what is held about a person as JSON, beside a server that may run.

    Raises:
        DatabaseUnusable: the tables are those of another version.
        StorageUnavailable: the database is not there, or went away.
    """
    async with command_pool(dsn, size=2, within=WITHIN) as pool:
        reading = await PersonalData(PostgresPrivacyStore(pool)).begin(user_id)
        write(b'{"user_id":"%s","rows":[' % str(user_id).encode())
        async for chunk in reading.chunks:
            write(chunk)
        write(b"]}\n")
        if not reading.is_empty:  # of somebody unknown, the trail would be all that is held
            entry = AuditEntry(utc_now(), _event(EXPORTED, user_id))
            await PostgresAuditStore(pool).add([entry])


def _event(action: str, user_id: UUID) -> AuditEvent:
    """The operator has no id here: nobody is named as the actor."""
    details = {"by": "operator"}
    return AuditEvent(action, None, None, target=f"{USER_TARGET}{user_id}", details=details)
