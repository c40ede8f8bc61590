"""Who is in the sessions of XR rooms: joining, leaving, and where everybody is.

Joining gives a connection id. The socket is opened with it (`…/ws?connection_id=`), so that what
was said of the device and the avatar counts for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Query
from starlette.responses import Response

from crdt_docs.access import is_seen
from crdt_docs.identifiers import ActorKind
from persistence.ports import InvalidCursor
from persistence.xr_people_ports import Sighting, XrParticipant
from persistence.xr_ports import XrStatus
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    SESSION_ENDED,
    ApiError,
    ErrorKind,
    forbidden,
    invalid_field,
    refuses,
)
from server.rest.services import Services, ServicesOf
from server.rest.xr_avatars import AVATAR_NOT_FOUND, avatar_of, may_see_avatars
from server.rest.xr_callers import OpenedXrSession, XrReader
from server.rest.xr_participant_views import (
    JoinXrSession,
    LeaveXrSession,
    ListXrParticipants,
    MoveXrParticipant,
    XrParticipantView,
    xr_participant_view,
)

NOT_THERE = ErrorKind(
    404, "PARTICIPANT_NOT_FOUND", "the caller is not in the session, or not with this connection"
)

router = resource_router("Room participants")


@router.post("/xr/sessions/{xr_session_id}/join", response_model=Envelope[XrParticipantView])
@refuses(SESSION_ENDED, FORBIDDEN, AVATAR_NOT_FOUND)
async def join_xr_session(
    opened: XrReader, body: JoinXrSession, services: ServicesOf, reply: Reply
) -> Response:
    """Take part with one more device.

    One looks like `avatar_config`, else like the avatar that is named, else like one's default
    avatar. What that is now is kept for this connection; `avatar_config` makes no avatar. To a
    service that is bound to workspaces nobody's avatars are known, also in somebody's name.
    """
    if opened.caller.identity.kind is ActorKind.SERVICE:
        raise forbidden("a service takes part only in somebody's name (X-Acting-User)")
    _check_active(opened)
    coming = await _dressed(services, opened, body)
    joined = await services.xr.participants.join(coming)
    if joined is None:
        raise ApiError(SESSION_ENDED)  # meanwhile
    return reply(xr_participant_view(joined))


async def _dressed(
    services: Services, opened: OpenedXrSession, body: JoinXrSession
) -> XrParticipant:
    """Who joins, and what they look like.

    Raises:
        ApiError: they have no such avatar, or it is not told to the service that names it.
    """
    user_id, config, avatar = opened.caller.identity.user_id, body.avatar_config, None
    is_known = may_see_avatars(opened.caller)
    if body.avatar_id is not None:
        if not is_known:
            raise forbidden("only a service that no workspace bounds may name somebody's avatar")
        avatar = await avatar_of(services, user_id, body.avatar_id)
    elif config is None and is_known:
        avatar = await services.xr.avatars.default_of(user_id)
    return XrParticipant(
        session_id=opened.session.id,
        connection_id=uuid4(),
        user_id=user_id,
        device_type=body.device_type,
        joined_at=services.clock(),
        avatar_id=None if avatar is None else avatar.id,
        avatar_config=avatar.config if config is None and avatar is not None else config,
    )


@router.post(
    "/xr/sessions/{xr_session_id}/leave", response_model=Envelope[Items[XrParticipantView]]
)
@refuses(NOT_THERE)
async def leave_xr_session(
    opened: XrReader, query: Annotated[LeaveXrSession, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """Say that one is not there any more, with one connection or with all of them.

    With all of them, open sockets are closed with 4403. Leaving twice changes nothing more and
    succeeds.
    """
    user_id = opened.caller.identity.user_id
    if query.connection_id is not None:
        left = await _leave_with(services, opened, query.connection_id)
    else:
        left = await services.xr.participants.leave_all(
            opened.session.id, user_id, services.clock()
        )
    if query.connection_id is None and opened.session.status is XrStatus.ACTIVE:
        # Else their sockets are those of the next session in the room.
        services.permissions.send_away(opened.document, user_id, "you left the session")
    return reply(page([xr_participant_view(participant) for participant in left], None))


async def _leave_with(
    services: Services, opened: OpenedXrSession, connection_id: UUID
) -> Sequence[XrParticipant]:
    """Note that one of the caller's connections is gone; its row, if there still is one."""
    await _own(services, opened, connection_id)
    row = await services.xr.participants.leave(opened.session.id, connection_id, services.clock())
    return [] if row is None else [row]


@router.get(
    "/xr/sessions/{xr_session_id}/participants", response_model=Envelope[Items[XrParticipantView]]
)
@refuses(INVALID_CURSOR)
async def list_xr_participants(
    opened: XrReader,
    query: Annotated[ListXrParticipants, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Who takes part or did, in the order in which they joined; each connection by itself."""
    try:
        found = await services.xr.participants.participants(
            opened.session.id, only_there=query.present, limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([xr_participant_view(each) for each in found.items], found.next_cursor))


@router.patch("/xr/sessions/{xr_session_id}/position", response_model=Envelope[XrParticipantView])
@refuses(NOT_THERE, SESSION_ENDED, FORBIDDEN)
async def move_xr_participant(
    opened: XrReader, body: MoveXrParticipant, services: ServicesOf, reply: Reply
) -> Response:
    """Say where one's head is: for clients without the pose lane. Spectators are not seen.

    The answer is where one was seen last: another place, if that was later.
    """
    _check_active(opened)
    moving = await _moving(services, opened, body.connection_id)
    if not is_seen(opened.role):
        raise forbidden("spectators are not seen, and so are nowhere")
    sighting = Sighting(moving.session_id, moving.connection_id, services.clock(), body.placed())
    await services.xr.participants.note([sighting])
    return reply(xr_participant_view(await _own(services, opened, moving.connection_id)))


async def _moving(
    services: Services, opened: OpenedXrSession, connection_id: UUID | None
) -> XrParticipant:
    """The connection that is named; else the only one."""
    if connection_id is None:
        user_id = opened.caller.identity.user_id
        there = await services.xr.participants.of_person(opened.session.id, user_id, limit=2)
        if len(there) > 1:
            raise invalid_field("connection_id", "must be given: there are several of yours")
    else:
        named = await _own(services, opened, connection_id)
        there = [named] if named.left_at is None else []
    if not there:
        raise ApiError(NOT_THERE)
    return there[0]


def _check_active(opened: OpenedXrSession) -> None:
    if opened.session.status is XrStatus.ENDED:
        raise ApiError(SESSION_ENDED)


async def _own(services: Services, opened: OpenedXrSession, connection_id: UUID) -> XrParticipant:
    """One of the caller's connections, also one that has left."""
    found = await services.xr.participants.participant(opened.session.id, connection_id)
    if found is None or found.user_id != opened.caller.identity.user_id:
        raise ApiError(NOT_THERE)
    return found
