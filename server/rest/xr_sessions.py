"""Sessions of XR rooms: the times during which people are in one."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Query
from starlette.responses import Response

from crdt_docs.messages import CloseCode
from persistence.ports import InvalidCursor, StorageUnavailable
from persistence.xr_ports import XrSession
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    BACKLOG_FULL,
    DOCUMENT_UNAVAILABLE,
    INVALID_CURSOR,
    STORAGE_UNAVAILABLE,
    ApiError,
    refuses,
)
from server.rest.requests import PageQuery
from server.rest.services import ServicesOf
from server.rest.xr_callers import (
    ROOM_NOT_FOUND,
    XR_SESSION_NOT_FOUND,
    RoomEditor,
    RoomReader,
    XrHost,
    XrReader,
)
from server.rest.xr_room_views import XrSessionView, xr_session_view

router = resource_router("Room sessions")


@router.post(
    "/xr/rooms/{room_id}/sessions",
    response_model=Envelope[XrSessionView],
    status_code=201,
    responses={200: {"model": Envelope[XrSessionView], "description": "There is one already."}},
)
@refuses(ROOM_NOT_FOUND, STORAGE_UNAVAILABLE, BACKLOG_FULL, DOCUMENT_UNAVAILABLE)
async def start_xr_session(opened: RoomEditor, services: ServicesOf, reply: Reply) -> Response:
    """Start a session: hosts and editors. A room has one; who comes second is given that one."""
    if not await services.emptying.empty(opened.room.id):  # LIF-4
        raise StorageUnavailable("what the last session left in the room is not stored as gone")
    wanted = XrSession(id=uuid4(), room_id=opened.room.id, started_at=services.clock())
    session = await services.xr.sessions.start(wanted)
    if session is None:
        raise ApiError(ROOM_NOT_FOUND)  # deleted meanwhile
    if session.id != wanted.id:
        return reply(xr_session_view(session))
    services.permissions.forget(opened.document)
    location = f"/api/xr/sessions/{session.id}"
    return reply(xr_session_view(session), status=201, headers={"Location": location})


@router.get("/xr/rooms/{room_id}/sessions", response_model=Envelope[Items[XrSessionView]])
@refuses(INVALID_CURSOR)
async def list_xr_sessions(
    opened: RoomReader, query: Annotated[PageQuery, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """The sessions of a room, newest first: one that is active comes first of all."""
    try:
        found = await services.xr.sessions.of_room(
            opened.room.id, limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([xr_session_view(session) for session in found.items], found.next_cursor))


@router.get("/xr/sessions/{xr_session_id}", response_model=Envelope[XrSessionView])
async def read_xr_session(opened: XrReader, reply: Reply) -> Response:
    """One session of a room."""
    return reply(xr_session_view(opened.session))


@router.post("/xr/sessions/{xr_session_id}/end", response_model=Envelope[XrSessionView])
@refuses(XR_SESSION_NOT_FOUND, STORAGE_UNAVAILABLE, BACKLOG_FULL, DOCUMENT_UNAVAILABLE)
async def end_xr_session(opened: XrHost, services: ServicesOf, reply: Reply) -> Response:
    """End it: everybody is sent away, and objects that live no longer go from the room.

    Ending it again changes nothing more and succeeds; what could not be done the first time is
    tried again then.
    """
    ended = await services.xr.sessions.end(opened.session.id, services.clock())
    if ended is None:
        raise ApiError(XR_SESSION_NOT_FOUND)
    if await services.xr.sessions.active(opened.room.id) is None:  # else others are there now
        services.permissions.forget(opened.document)
        await services.live.close_document(
            opened.document, CloseCode.ENDED, "the session has ended"
        )
        await services.emptying.empty(opened.room.id, opened.caller.identity)
    return reply(xr_session_view(ended.session))
