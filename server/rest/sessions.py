"""OCW sessions: create, list, read, end, delete, and the state of their documents."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from starlette.requests import Request
from starlette.responses import Response

from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, document_name
from crdt_docs.messages import CloseCode
from persistence.ports import InvalidCursor, Session, SessionFilter, SessionStatus
from server.authentication import Credentials
from server.rest.callers import authenticate, open_session, open_session_as_host
from server.rest.envelope import success
from server.rest.errors import ApiError, forbidden, invalid_body, session_not_found
from server.rest.requests import CreateSession, ListSessions, ReadState, read_body, read_query
from server.rest.services import Services


async def create_session(services: Services, request: Request) -> Response:
    """`POST /ocw/sessions`: its creator is its host."""
    credentials = await authenticate(services, request)
    body = await read_body(request, CreateSession)
    _check_may_create(credentials, body.workspace_id)
    session = Session(
        id=uuid4(),
        workspace_id=body.workspace_id,
        session_type=body.session_type,
        host_user_id=credentials.identity.user_id,
        status=SessionStatus.ACTIVE,
        config=body.config,
        max_participants=_max_participants(body, services.settings.max_participants),
        is_recording=False,
        started_at=services.clock(),
    )
    await services.sessions.create(session)
    location = f"/api/ocw/sessions/{session.id}"
    return success(
        request.scope,
        services.clock,
        session_view(session),
        status=201,
        headers={"Location": location},
    )


def _check_may_create(credentials: Credentials, workspace_id: UUID) -> None:
    """Users in the workspaces their token names; services also where it names none at all."""
    if credentials.identity.kind is ActorKind.AGENT:
        raise forbidden("an AI agent cannot create sessions")
    if credentials.workspaces is None and credentials.is_service:
        return
    if workspace_id not in (credentials.workspaces or ()):
        raise forbidden("the token's workspaces do not name this workspace")


def _max_participants(body: CreateSession, limit: int) -> int:
    if body.max_participants is None:
        return limit
    if body.max_participants > limit:
        problem = {"field": "max_participants", "message": f"may be at most {limit}"}
        raise invalid_body(f"max_participants: may be at most {limit}", [problem])
    return body.max_participants


async def list_sessions(services: Services, request: Request) -> Response:
    """`GET /ocw/sessions`: what the caller takes part in, newest first."""
    credentials = await authenticate(services, request)
    query = read_query(request, ListSessions)
    if credentials.identity.kind is ActorKind.AGENT:
        raise forbidden("an AI agent sees only what is shared with it, and nothing is")
    try:
        page = await services.sessions.find(
            _wanted(credentials, query), limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(400, "INVALID_CURSOR", "the cursor is not one this list gave") from None
    data = {
        "items": [session_view(session) for session in page.items],
        "next_cursor": page.next_cursor,
    }
    return success(request.scope, services.clock, data)


def _wanted(credentials: Credentials, query: ListSessions) -> SessionFilter:
    """The caller's wishes, within what they may read."""
    prefix = f"{DocumentKind.OCW.value}/"
    granted = tuple(
        UUID(document.removeprefix(prefix))
        for document in credentials.grants
        if document.startswith(prefix)
    )
    workspaces = credentials.workspaces if credentials.is_service else None
    return SessionFilter(
        workspace_id=query.workspace_id,
        session_type=query.type,
        status=query.status,
        readable_by=None if credentials.is_service else credentials.identity.user_id,
        granted=granted,
        workspaces=None if workspaces is None else tuple(workspaces),
    )


async def read_session(services: Services, request: Request) -> Response:
    """`GET /ocw/sessions/{id}`."""
    opened = await open_session(services, request)
    return success(request.scope, services.clock, session_view(opened.session))


async def end_session(services: Services, request: Request) -> Response:
    """`POST /ocw/sessions/{id}/end`: everybody is sent away; what was drawn stays readable.

    Ending an ended session changes nothing and succeeds, so that it can be tried again.
    """
    session = await open_session_as_host(services, request)
    ended = await services.sessions.end(session.id, services.clock())
    if ended is None:
        raise session_not_found()
    await services.live.close_document(_document(session), CloseCode.ENDED, "the session has ended")
    return success(request.scope, services.clock, session_view(ended))


async def delete_session(services: Services, request: Request) -> Response:
    """`DELETE /ocw/sessions/{id}`: nobody finds it any more; its contents go later."""
    session = await open_session_as_host(services, request)
    now = services.clock()
    if not await services.sessions.delete(session.id, now):
        raise session_not_found()
    await services.live.close_document(
        _document(session), CloseCode.ENDED, "the session was deleted"
    )
    return success(request.scope, services.clock, {"id": session.id, "deleted_at": now})


async def read_state(services: Services, request: Request) -> Response:
    """`GET /ocw/sessions/{id}/state`: the document now, as JSON or as one Yjs update."""
    opened = await open_session(services, request)
    query = read_query(request, ReadState)
    document = _document(opened.session)
    if query.format == "yjs":
        update = await services.live.state_update(document)
        return Response(update, media_type="application/octet-stream")
    return success(request.scope, services.clock, await services.live.state(document))


def session_view(session: Session) -> dict[str, Any]:
    """A session as REST shows it: the columns of `ocw_sessions`."""
    return {
        "id": session.id,
        "workspace_id": session.workspace_id,
        "session_type": session.session_type,
        "host_user_id": session.host_user_id,
        "status": session.status,
        "config": dict(session.config),
        "max_participants": session.max_participants,
        "is_recording": session.is_recording,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
    }


def _document(session: Session) -> DocumentName:
    return document_name(DocumentKind.OCW, session.id)
