"""Rows of OCW sessions and of the people in them, as `ports` has them."""

from __future__ import annotations

from typing import Final

import asyncpg

from crdt_docs.access import Role
from persistence.ports import Participant, Session, SessionStatus, SessionType

SESSION: Final = (
    "session.id, session.workspace_id, session.session_type, session.host_user_id, "
    "session.status, session.config, session.max_participants, session.is_recording, "
    "session.started_at, session.ended_at, session.deleted_at"
)
PERSON: Final = (
    "person.id, person.session_id, person.user_id, person.role, person.joined_at, "
    "person.left_at, person.removed_at, person.last_active_at"
)
PERSON_PREFIX: Final = "person_"
PERSON_BESIDE: Final = ", ".join(
    f"{name} AS {name.replace('person.', PERSON_PREFIX)}" for name in PERSON.split(", ")
)
"""The columns of a person in a row that has those of the session, too."""


def session_of_row(row: asyncpg.Record) -> Session:
    """Of a row with the columns `SESSION`."""
    return Session(
        id=row["id"],
        workspace_id=row["workspace_id"],
        session_type=SessionType(row["session_type"]),
        host_user_id=row["host_user_id"],
        status=SessionStatus(row["status"]),
        config=row["config"],
        max_participants=row["max_participants"],
        is_recording=row["is_recording"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        deleted_at=row["deleted_at"],
    )


def participant_of_row(row: asyncpg.Record, prefix: str = "") -> Participant:
    """Of a row with the columns `PERSON`; with `PERSON_PREFIX`, of one with `PERSON_BESIDE`."""
    return Participant(
        session_id=row[prefix + "session_id"],
        user_id=row[prefix + "user_id"],
        role=Role(row[prefix + "role"]),
        joined_at=row[prefix + "joined_at"],
        left_at=row[prefix + "left_at"],
        removed_at=row[prefix + "removed_at"],
        last_active_at=row[prefix + "last_active_at"],
        id=row[prefix + "id"],
    )
