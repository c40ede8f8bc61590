"""Who calls, and what they may do with a room or a session in one, as `callers` has it of OCW.

| parameter | who gets in |
|---|---|
| `opened: RoomReader` | who may read the room of the path, whether or not anybody is in it |
| `opened: RoomEditor` | hosts and editors |
| `opened: RoomHost` | hosts and services |
| `opened: XrReader` | who may read the room of the session of the path, also after it ended |
| `opened: XrHost` | hosts and services, also after it ended |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, assert_never
from uuid import UUID

from fastapi import Depends, Path, Request
from starlette.types import Scope

from crdt_docs.access import Role, may_edit
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name, parse_uuid
from persistence.xr_ports import RoomStanding, XrRoom, XrSession
from server.access_decision import Allowed, Denied, Ended, NotFound, decide_room_access
from server.rest.callers import Caller, CallerOf, check_covers
from server.rest.errors import (
    FORBIDDEN,
    STORAGE_UNAVAILABLE,
    ApiError,
    ErrorKind,
    forbidden,
    refuses,
)
from server.rest.services import ServicesOf

ROOM_NOT_FOUND = ErrorKind(404, "ROOM_NOT_FOUND", "there is no such room")
XR_SESSION_NOT_FOUND = ErrorKind(
    404, "XR_SESSION_NOT_FOUND", "there is no such session, or its room was deleted"
)

_ROOM_KEY = "chenu.xr_room"  # where the room of a session is kept in the scope, once it is known


@dataclass(frozen=True, slots=True)
class OpenedRoom:
    """A room that the caller may read, and their role in it."""

    caller: Caller
    room: XrRoom
    role: Role

    @property
    def document(self) -> DocumentName:
        """The name of the room's document."""
        return document_name(DocumentKind.XR, self.room.id)


@dataclass(frozen=True, slots=True)
class OpenedXrSession(OpenedRoom):
    """A session in such a room."""

    session: XrSession


def room_id_of(scope: Scope) -> UUID | None:
    """The room in which the session of a request's path is, once that is known."""
    room_id: UUID | None = scope.get(_ROOM_KEY)
    return room_id


@refuses(FORBIDDEN, ROOM_NOT_FOUND, STORAGE_UNAVAILABLE)
async def open_room(
    services: ServicesOf,
    caller: CallerOf,
    room_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
) -> OpenedRoom:
    """The room of the path, for a caller who may read it."""
    asked = (_id(room_id, ROOM_NOT_FOUND), caller.identity.user_id)
    (standing,) = await services.xr.rooms.standings([asked])
    return _opened(caller, standing, ROOM_NOT_FOUND)


@refuses(FORBIDDEN, XR_SESSION_NOT_FOUND, STORAGE_UNAVAILABLE)
async def _open_session(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    xr_session_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})],
) -> OpenedXrSession:
    asked = (_id(xr_session_id, XR_SESSION_NOT_FOUND), caller.identity.user_id)
    (standing,) = await services.xr.sessions.standings([asked])
    if standing.room is not None:
        request.scope[_ROOM_KEY] = standing.room.id
    opened = _opened(caller, standing, XR_SESSION_NOT_FOUND)
    assert standing.session is not None  # noqa: S101 - for the type checker: it was asked by it
    return OpenedXrSession(opened.caller, opened.room, opened.role, standing.session)


def _opened(caller: Caller, standing: RoomStanding, missing: ErrorKind) -> OpenedRoom:
    room = standing.room
    if room is not None:
        check_covers(caller, room.workspace_id, "room")
    decision = decide_room_access(caller.credentials, standing)
    match decision:
        case Allowed(role) | Ended(role):
            assert room is not None  # noqa: S101 - for the type checker: else it is NotFound
            return OpenedRoom(caller, room, role)
        case Denied(reason):
            raise forbidden(reason)
        case NotFound():
            raise ApiError(missing)
        case _:
            assert_never(decision)


def _id(text: str, missing: ErrorKind) -> UUID:
    try:
        return parse_uuid(text)
    except Malformed as error:
        raise ApiError(missing, str(error)) from None


RoomReader = Annotated[OpenedRoom, Depends(open_room)]
XrReader = Annotated[OpenedXrSession, Depends(_open_session)]


@refuses(FORBIDDEN)
async def _open_room_to_edit(opened: RoomReader) -> OpenedRoom:
    if not may_edit(opened.role):
        raise forbidden("only hosts and editors of the room may do this")
    return opened


@refuses(FORBIDDEN)
async def _open_room_as_host(opened: RoomReader) -> OpenedRoom:
    _check_host(opened)
    return opened


@refuses(FORBIDDEN)
async def _open_session_as_host(opened: XrReader) -> OpenedXrSession:
    _check_host(opened)
    return opened


def _check_host(opened: OpenedRoom) -> None:
    if opened.role is not Role.HOST:
        raise forbidden("only a host of the room, or a service, may do this")


RoomEditor = Annotated[OpenedRoom, Depends(_open_room_to_edit)]
RoomHost = Annotated[OpenedRoom, Depends(_open_room_as_host)]
XrHost = Annotated[OpenedXrSession, Depends(_open_session_as_host)]
