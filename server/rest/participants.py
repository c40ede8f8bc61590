"""The people of a session: who takes part, and as what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import ActorKind, parse_uuid
from persistence.ports import InvalidCursor, LastHost, Participant, SessionStatus
from server.rest.callers import Host, Reader
from server.rest.descriptions import described, example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    SESSION_ENDED,
    SESSION_NOT_FOUND,
    ApiError,
    ErrorKind,
    forbidden,
    refuses,
    session_not_found,
)
from server.rest.requests import PageQuery, Strict
from server.rest.services import ServicesOf

PARTICIPANT_NOT_FOUND = ErrorKind(
    404, "PARTICIPANT_NOT_FOUND", "this person has not joined the session, or was removed"
)
REMOVED = "you were removed from this session"
LAST_HOST = ErrorKind(409, "LAST_HOST", "the session would be left without a host")

router = resource_router("Participants")


@described(
    {
        "id": "0b8e0a0e-4f0b-4f5c-9d8e-1f6f3c2f4a77",
        "session_id": "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11",
        "user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "role": "editor",
        "joined_at": "2030-05-17T12:00:00Z",
        "last_active_at": "2030-05-17T12:20:00Z",
        "left_at": None,
    }
)
class ParticipantView(TypedDict):
    """Somebody who takes part in a session: a row of `ocw_participants`."""

    id: UUID
    session_id: UUID
    user_id: UUID
    role: Role
    joined_at: datetime
    last_active_at: datetime | None
    left_at: datetime | None


@described(
    {"user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55", "removed_at": "2030-05-17T12:30:00Z"}
)
class RemovedView(TypedDict):
    """Somebody who was taken out of a session."""

    user_id: UUID
    removed_at: datetime


class ChangeParticipant(Strict):
    """Body of `PATCH /ocw/sessions/{id}/participants/{user_id}`."""

    model_config = example({"role": "editor"})

    role: Role


@router.post("/ocw/sessions/{session_id}/join", response_model=Envelope[ParticipantView])
@refuses(SESSION_ENDED, FORBIDDEN)
async def join_session(opened: Reader, services: ServicesOf, reply: Reply) -> Response:
    """Take part, with the role that one has.

    It is the one of the row if there is one, else of the token's grant, else the session's
    `default_role`. Joining never raises a role; joining again says that one is back.
    """
    if opened.caller.identity.kind is ActorKind.SERVICE:
        raise forbidden("a service takes part only in somebody's name (X-Acting-User)")
    if opened.session.status is SessionStatus.ENDED:
        raise ApiError(SESSION_ENDED, "the session has ended: nobody joins any more")
    joined = await services.sessions.join(
        opened.session.id, opened.caller.identity.user_id, opened.role, services.clock()
    )
    if joined is None:
        raise ApiError(SESSION_ENDED)  # meanwhile
    if joined.removed_at is not None:
        raise forbidden(REMOVED)
    return reply(participant_view(joined))


@router.post("/ocw/sessions/{session_id}/leave", response_model=Envelope[ParticipantView])
@refuses(PARTICIPANT_NOT_FOUND)
async def leave_session(opened: Reader, services: ServicesOf, reply: Reply) -> Response:
    """Say that one is not there any more; the role stays. Open sockets are closed with 4403.

    Leaving twice changes nothing more and succeeds.
    """
    left = await services.sessions.leave(
        opened.session.id, opened.caller.identity.user_id, services.clock()
    )
    if left is None:
        raise ApiError(PARTICIPANT_NOT_FOUND, "you have not joined this session")
    services.permissions.send_away(opened.document, left.user_id, "you left the session")
    return reply(participant_view(left))


@router.get(
    "/ocw/sessions/{session_id}/participants", response_model=Envelope[Items[ParticipantView]]
)
@refuses(INVALID_CURSOR)
async def list_participants(
    opened: Reader, query: Annotated[PageQuery, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """Who takes part or did, in the order in which they joined."""
    try:
        found = await services.sessions.participants(
            opened.session.id, limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([participant_view(person) for person in found.items], found.next_cursor))


@router.patch(
    "/ocw/sessions/{session_id}/participants/{user_id}", response_model=Envelope[ParticipantView]
)
@refuses(PARTICIPANT_NOT_FOUND, LAST_HOST)
async def change_participant(
    opened: Host,
    user_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
    body: ChangeParticipant,
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Change somebody's role; the last host stays one.

    It counts at once, also on sockets that are open: what they sent before stays.
    """
    try:
        changed = await services.sessions.set_role(opened.session.id, _person(user_id), body.role)
    except LastHost:
        raise ApiError(LAST_HOST) from None
    if changed is None:
        raise ApiError(PARTICIPANT_NOT_FOUND)
    services.permissions.set_role(opened.document, changed.user_id, changed.role)
    return reply(participant_view(changed))


@router.delete(
    "/ocw/sessions/{session_id}/participants/{user_id}", response_model=Envelope[RemovedView]
)
@refuses(PARTICIPANT_NOT_FOUND, LAST_HOST, SESSION_NOT_FOUND)
async def remove_participant(
    opened: Host,
    user_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Take somebody out, for good; the last host stays.

    Their sockets are closed with 4403, and nothing lets them in again, neither a grant in their
    token nor the session's `default_role`; also where they had not joined yet. Removing them
    again changes nothing and succeeds.
    """
    try:
        removed = await services.sessions.remove(
            opened.session.id, _person(user_id), services.clock()
        )
    except LastHost:
        raise ApiError(LAST_HOST) from None
    if removed is None or removed.removed_at is None:
        raise session_not_found()  # deleted meanwhile
    services.permissions.send_away(opened.document, removed.user_id, REMOVED)
    return reply(RemovedView(user_id=removed.user_id, removed_at=removed.removed_at))


def _person(text: str) -> UUID:
    try:
        return parse_uuid(text)
    except Malformed as error:
        raise ApiError(PARTICIPANT_NOT_FOUND, str(error)) from None


def participant_view(participant: Participant) -> ParticipantView:
    """A participant as REST shows them."""
    assert participant.id is not None  # noqa: S101 - for the type checker: stores give one
    return ParticipantView(
        id=participant.id,
        session_id=participant.session_id,
        user_id=participant.user_id,
        role=participant.role,
        joined_at=participant.joined_at,
        last_active_at=participant.last_active_at,
        left_at=participant.left_at,
    )
