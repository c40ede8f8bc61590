"""Sessions as REST takes and shows them: bodies, queries and answers."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StrictInt
from typing_extensions import TypedDict

from crdt_docs.rules import SessionRules
from persistence.ports import Session, SessionStatus, SessionType
from server.access_decision import DEFAULT_ROLES, default_role
from server.rest.descriptions import described, example
from server.rest.errors import invalid_field
from server.rest.free_json import bounded
from server.rest.requests import PageQuery, Strict, Uuid
from server.settings import Settings

_RULES = tuple(field.name for field in fields(SessionRules))

_WORKSPACE = "3fd0b4d7-3c4e-4d5c-9f5e-6f3a1f0f6a01"
_SESSION = "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11"
_CONFIG: dict[str, Any] = {"default_role": "viewer", "theme": {"grid": 8}}


def checked_config(value: dict[str, Any]) -> dict[str, Any]:
    """A session's config: free, but bounded, and right where we read it ourselves.

    Raises:
        ValueError: it is not.
    """
    bounded(value)
    if "default_role" in value and default_role(value) is None:
        raise ValueError(f"default_role must be one of {', '.join(DEFAULT_ROLES)}")
    unclear = [rule for rule in _RULES if value.get(rule, False) not in (True, False)]
    if unclear:
        raise ValueError(f"{unclear[0]} must be true or false")
    return value


class CreateSession(Strict):
    """Body of `POST /ocw/sessions`."""

    model_config = example(
        {"workspace_id": _WORKSPACE, "session_type": "whiteboard", "config": _CONFIG}
    )

    workspace_id: Uuid
    session_type: SessionType
    config: Annotated[
        dict[str, Any],
        AfterValidator(checked_config),
        Field(
            description="Free, up to 16 KiB as JSON. `default_role` (editor, viewer, spectator) "
            "opens the session to everybody with a token. `own_objects_only`: editors change only "
            "what they created. `strict_schema`: objects that are not as described here are "
            "refused. `viewers_annotate` (true unless it is said): viewers may annotate."
        ),
    ] = Field(default_factory=dict)
    max_participants: StrictInt | None = Field(
        None, ge=1, description="The server's `max_participants` if it is not given."
    )


def most_participants(given: int | None, settings: Settings) -> int:
    """How many may take part, of what a body says.

    Raises:
        ApiError: 400, it is more than this server allows.
    """
    limit = settings.max_participants
    if given is not None and given > limit:
        raise invalid_field("max_participants", f"may be at most {limit}")
    return limit if given is None else given


class ListSessions(PageQuery):
    """Query of `GET /ocw/sessions`."""

    workspace_id: Uuid | None = None
    type: SessionType | None = None
    status: SessionStatus | None = None


@described(
    {
        "id": _SESSION,
        "workspace_id": _WORKSPACE,
        "session_type": "whiteboard",
        "host_user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "status": "active",
        "config": _CONFIG,
        "max_participants": 1000,
        "is_recording": False,
        "started_at": "2030-05-17T12:00:00Z",
        "ended_at": None,
    }
)
class SessionView(TypedDict):
    """A session: the columns of `ocw_sessions`."""

    id: UUID
    workspace_id: UUID
    session_type: SessionType
    host_user_id: UUID
    status: SessionStatus
    config: dict[str, Any]
    max_participants: int
    is_recording: bool
    started_at: datetime
    ended_at: datetime | None


def session_view(session: Session) -> SessionView:
    """A session as REST shows it."""
    return SessionView(
        id=session.id,
        workspace_id=session.workspace_id,
        session_type=session.session_type,
        host_user_id=session.host_user_id,
        status=session.status,
        config=dict(session.config),
        max_participants=session.max_participants,
        is_recording=session.is_recording,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )


@described({"id": _SESSION, "deleted_at": "2030-05-17T13:30:00Z"})
class DeletedView(TypedDict):
    """A session that was deleted."""

    id: UUID
    deleted_at: datetime
