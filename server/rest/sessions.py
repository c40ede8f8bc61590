"""OCW sessions: create, list, read, pause, resume, end and delete."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

from fastapi import Query
from starlette.responses import Response

from crdt_docs.identifiers import ActorKind, DocumentKind
from crdt_docs.messages import CloseCode
from persistence.ports import InvalidCursor, Session, SessionFilter, SessionStatus
from server.rest.callers import Caller, CallerOf, Host, Opened, Reader, check_may_create
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    SESSION_ENDED,
    STORAGE_UNAVAILABLE,
    ApiError,
    forbidden,
    refuses,
    session_not_found,
)
from server.rest.services import Services, ServicesOf
from server.rest.session_views import (
    CreateSession,
    DeletedView,
    ListSessions,
    SessionView,
    most_participants,
    session_view,
)

router = resource_router("Sessions")


@router.post("/ocw/sessions", response_model=Envelope[SessionView], status_code=201)
@refuses(FORBIDDEN, STORAGE_UNAVAILABLE)
async def create_session(
    caller: CallerOf, body: CreateSession, services: ServicesOf, reply: Reply
) -> Response:
    """Create a session, and be its host."""
    check_may_create(caller, body.workspace_id, "sessions")
    session = Session(
        id=uuid4(),
        workspace_id=body.workspace_id,
        session_type=body.session_type,
        host_user_id=caller.identity.user_id,
        status=SessionStatus.ACTIVE,
        config=body.config,
        max_participants=most_participants(body.max_participants, services.settings),
        is_recording=False,
        started_at=services.clock(),
    )
    await services.sessions.create(session)
    location = f"/api/ocw/sessions/{session.id}"
    return reply(session_view(session), status=201, headers={"Location": location})


@router.get("/ocw/sessions", response_model=Envelope[Items[SessionView]])
@refuses(FORBIDDEN, INVALID_CURSOR, STORAGE_UNAVAILABLE)
async def list_sessions(
    caller: CallerOf, query: Annotated[ListSessions, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """What the caller takes part in, newest first; for a service, all of its workspaces."""
    if caller.identity.kind is ActorKind.AGENT:
        raise forbidden("an AI agent sees only what is shared with it, and nothing is")
    try:
        found = await services.sessions.find(
            _wanted(caller, query), limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([session_view(session) for session in found.items], found.next_cursor))


def _wanted(caller: Caller, query: ListSessions) -> SessionFilter:
    """The caller's wishes, within what they may read."""
    credentials = caller.credentials
    return SessionFilter(
        workspace_id=query.workspace_id,
        session_type=query.type,
        status=query.status,
        readable_by=None if credentials.is_service else credentials.identity.user_id,
        granted=caller.granted(DocumentKind.OCW),
        workspaces=caller.bounds,
    )


@router.get("/ocw/sessions/{session_id}", response_model=Envelope[SessionView])
async def read_session(opened: Reader, reply: Reply) -> Response:
    """One session."""
    return reply(session_view(opened.session))


@router.post("/ocw/sessions/{session_id}/pause", response_model=Envelope[SessionView])
@refuses(SESSION_ENDED)
async def pause_session(opened: Host, services: ServicesOf, reply: Reply) -> Response:
    """Pause it: until it goes on, only hosts edit, by requests and on open sockets.

    It can be read and joined. Pausing a paused session changes nothing and succeeds.
    """
    return reply(await _set_paused(opened, services, is_paused=True))


@router.post("/ocw/sessions/{session_id}/resume", response_model=Envelope[SessionView])
@refuses(SESSION_ENDED)
async def resume_session(opened: Host, services: ServicesOf, reply: Reply) -> Response:
    """Let a paused session go on.

    Where it is not paused, this changes nothing and succeeds.
    """
    return reply(await _set_paused(opened, services, is_paused=False))


async def _set_paused(opened: Opened, services: Services, *, is_paused: bool) -> SessionView:
    session = await services.sessions.set_paused(opened.session.id, is_paused=is_paused)
    if session is None:
        raise session_not_found()
    if session.status is SessionStatus.ENDED:
        raise ApiError(SESSION_ENDED, "the session has ended: it cannot be paused or go on")
    services.permissions.set_paused(
        opened.document, is_paused=session.status is SessionStatus.PAUSED
    )
    return session_view(session)


@router.post("/ocw/sessions/{session_id}/end", response_model=Envelope[SessionView])
async def end_session(opened: Host, services: ServicesOf, reply: Reply) -> Response:
    """End it: everybody is sent away; what was drawn stays readable.

    Ending an ended session changes nothing and succeeds, so that it can be tried again.
    """
    ended = await services.sessions.end(opened.session.id, services.clock())
    if ended is None:
        raise session_not_found()
    services.permissions.forget(opened.document)
    await services.live.close_document(opened.document, CloseCode.ENDED, "the session has ended")
    return reply(session_view(ended))


@router.delete("/ocw/sessions/{session_id}", response_model=Envelope[DeletedView])
async def delete_session(opened: Host, services: ServicesOf, reply: Reply) -> Response:
    """Delete it: nobody finds it any more; its contents go later."""
    now = services.clock()
    if not await services.sessions.delete(opened.session.id, now):
        raise session_not_found()
    services.permissions.forget(opened.document)
    await services.live.close_document(opened.document, CloseCode.ENDED, "the session was deleted")
    return reply(DeletedView(id=opened.session.id, deleted_at=now))
