"""XR rooms: create, list, read, change and delete."""

from __future__ import annotations

from typing import Annotated, cast
from uuid import uuid4

from fastapi import Query
from starlette.responses import Response

from crdt_docs.identifiers import ActorKind, DocumentKind
from crdt_docs.messages import CloseCode
from persistence.ports import InvalidCursor
from persistence.xr_ports import RoomChanges, RoomFilter, XrRoom
from server.rest.callers import Caller, CallerOf, check_may_create
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    STORAGE_UNAVAILABLE,
    ApiError,
    forbidden,
    refuses,
)
from server.rest.free_json import bounded, patched
from server.rest.services import ServicesOf
from server.rest.session_views import checked_config, most_participants
from server.rest.xr_callers import ROOM_NOT_FOUND, RoomHost, RoomReader
from server.rest.xr_room_views import (
    ChangeRoom,
    CreateRoom,
    DeletedRoom,
    ListRooms,
    RoomView,
    room_view,
)
from server.settings import Settings

router = resource_router("Rooms")

_MERGED = {"dimensions": bounded, "environment_config": bounded, "config": checked_config}
"""What is merged of a patch, and what is looked at then."""


@router.post("/xr/rooms", response_model=Envelope[RoomView], status_code=201)
@refuses(FORBIDDEN, STORAGE_UNAVAILABLE)
async def create_room(
    caller: CallerOf, body: CreateRoom, services: ServicesOf, reply: Reply
) -> Response:
    """Create a room, and be its host."""
    check_may_create(caller, body.workspace_id, "rooms")
    given = body.model_dump()
    given["max_participants"] = most_participants(body.max_participants, services.settings)
    room = XrRoom(
        **given, id=uuid4(), created_by=caller.identity.user_id, created_at=services.clock()
    )
    await services.xr.rooms.create(room)
    return reply(room_view(room), status=201, headers={"Location": f"/api/xr/rooms/{room.id}"})


@router.get("/xr/rooms", response_model=Envelope[Items[RoomView]])
@refuses(FORBIDDEN, INVALID_CURSOR, STORAGE_UNAVAILABLE)
async def list_rooms(
    caller: CallerOf, query: Annotated[ListRooms, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """What the caller may read, newest first; for a service, all of its workspaces.

    Public rooms are among it.
    """
    if caller.identity.kind is ActorKind.AGENT:
        raise forbidden("an AI agent sees only what is shared with it, and nothing is")
    try:
        found = await services.xr.rooms.find(
            _wanted(caller, query), limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([room_view(room) for room in found.items], found.next_cursor))


def _wanted(caller: Caller, query: ListRooms) -> RoomFilter:
    """The caller's wishes, within what they may read."""
    credentials = caller.credentials
    return RoomFilter(
        workspace_id=query.workspace_id,
        dataspace_id=query.dataspace_id,
        room_type=query.type,
        readable_by=None if credentials.is_service else credentials.identity.user_id,
        granted=caller.granted(DocumentKind.XR),
        workspaces=caller.bounds,
    )


@router.get("/xr/rooms/{room_id}", response_model=Envelope[RoomView])
async def read_room(opened: RoomReader, reply: Reply) -> Response:
    """One room."""
    return reply(room_view(opened.room))


@router.patch("/xr/rooms/{room_id}", response_model=Envelope[RoomView])
@refuses(ROOM_NOT_FOUND)
async def change_room(
    opened: RoomHost, body: ChangeRoom, services: ServicesOf, reply: Reply
) -> Response:
    """Change a room.

    Of two who change the same field at once, the later one counts.
    """
    changes = _changes(opened.room, body, services.settings)
    changed = await services.xr.rooms.change(opened.room.id, changes)
    if changed is None:
        raise ApiError(ROOM_NOT_FOUND)  # deleted meanwhile
    services.permissions.forget(opened.document)
    if "config" in changes:
        await services.live.renew_rules(opened.document)
    return reply(room_view(changed))


def _changes(room: XrRoom, body: ChangeRoom, settings: Settings) -> RoomChanges:
    given = body.model_dump(exclude_unset=True)
    for field in _MERGED.keys() & given.keys():
        given[field] = patched(field, getattr(room, field), given[field], _MERGED[field])
    if "max_participants" in given:
        given["max_participants"] = most_participants(given["max_participants"], settings)
    return cast(RoomChanges, given)


@router.delete("/xr/rooms/{room_id}", response_model=Envelope[DeletedRoom])
@refuses(ROOM_NOT_FOUND)
async def delete_room(opened: RoomHost, services: ServicesOf, reply: Reply) -> Response:
    """Delete it: nobody finds it any more, and its session is over; its contents go later."""
    now = services.clock()
    if not await services.xr.rooms.delete(opened.room.id, now):
        raise ApiError(ROOM_NOT_FOUND)
    services.permissions.forget(opened.document)
    await services.live.close_document(opened.document, CloseCode.ENDED, "the room was deleted")
    return reply(DeletedRoom(id=opened.room.id, deleted_at=now))
