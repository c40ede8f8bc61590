"""The members of XR rooms: who may open one, and as what (XRS-1)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from persistence.ports import InvalidCursor, LastHost
from persistence.xr_ports import RoomMember
from server.rest.descriptions import described, example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import INVALID_CURSOR, ApiError, ErrorKind, refuses
from server.rest.requests import PageQuery, Strict
from server.rest.services import Services, ServicesOf
from server.rest.xr_callers import ROOM_NOT_FOUND, OpenedRoom, RoomHost, RoomReader

MEMBER_NOT_FOUND = ErrorKind(
    404, "MEMBER_NOT_FOUND", "this person is not a member of the room, or was removed"
)
LAST_HOST = ErrorKind(409, "LAST_HOST", "the room would be left without a host")
REMOVED = "you were removed from this room"

router = resource_router("Room members")

PersonId = Annotated[str, Path(alias="user_id", json_schema_extra={"format": "uuid"})]


class GiveRole(Strict):
    """Body of `PUT` and `PATCH /xr/rooms/{id}/members/{user_id}`."""

    model_config = example({"role": "editor"})

    role: Role


@described(
    {
        "room_id": "8d1f6c0e-52b4-4f0a-9c7d-3e5a2b9f4d61",
        "user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "role": "editor",
        "added_at": "2030-05-17T12:00:00Z",
    }
)
class MemberView(TypedDict):
    """A member of a room: a row of `xr_room_members`."""

    room_id: UUID
    user_id: UUID
    role: Role
    added_at: datetime


@described(
    {"user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55", "removed_at": "2030-05-17T12:30:00Z"}
)
class RemovedMember(TypedDict):
    """Somebody who was taken out of a room."""

    user_id: UUID
    removed_at: datetime


@router.get("/xr/rooms/{room_id}/members", response_model=Envelope[Items[MemberView]])
@refuses(INVALID_CURSOR)
async def list_room_members(
    opened: RoomReader, query: Annotated[PageQuery, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """The members of a room, in the order in which they were added.

    Not who comes by a grant in their token, or by what the room gives to everybody.
    """
    try:
        found = await services.xr.members.members(
            opened.room.id, limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([member_view(member) for member in found.items], found.next_cursor))


@router.put("/xr/rooms/{room_id}/members/{user_id}", response_model=Envelope[MemberView])
@refuses(MEMBER_NOT_FOUND, LAST_HOST, ROOM_NOT_FOUND)
async def put_room_member(
    opened: RoomHost, person: PersonId, body: GiveRole, services: ServicesOf, reply: Reply
) -> Response:
    """Make somebody a member, or change their role; who was removed is let in again.

    It counts at once, also on sockets that are open. The last host stays one.
    """
    return reply(await _with_role(services, opened, _person(person), body.role))


@router.patch("/xr/rooms/{room_id}/members/{user_id}", response_model=Envelope[MemberView])
@refuses(MEMBER_NOT_FOUND, LAST_HOST, ROOM_NOT_FOUND)
async def change_room_member(
    opened: RoomHost, person: PersonId, body: GiveRole, services: ServicesOf, reply: Reply
) -> Response:
    """Change the role of somebody who is a member.

    It counts at once, also on sockets that are open. The last host stays one.
    """
    user_id = _person(person)
    member = await services.xr.members.member(opened.room.id, user_id)
    if member is None or member.removed_at is not None:
        raise ApiError(MEMBER_NOT_FOUND)
    return reply(await _with_role(services, opened, user_id, body.role))


async def _with_role(
    services: Services, opened: OpenedRoom, user_id: UUID, role: Role
) -> MemberView:
    try:
        member = await services.xr.members.put(opened.room.id, user_id, role, services.clock())
    except LastHost:
        raise ApiError(LAST_HOST) from None
    if member is None:
        raise ApiError(ROOM_NOT_FOUND)  # deleted meanwhile
    services.permissions.set_role(opened.document, member.user_id, member.role)
    return member_view(member)


@router.delete("/xr/rooms/{room_id}/members/{user_id}", response_model=Envelope[RemovedMember])
@refuses(MEMBER_NOT_FOUND, LAST_HOST, ROOM_NOT_FOUND)
async def remove_room_member(
    opened: RoomHost, person: PersonId, services: ServicesOf, reply: Reply
) -> Response:
    """Take somebody out, for good; the last host stays.

    Their sockets are closed with 4403, and nothing lets them in again but a host: neither a grant
    in their token nor what the room gives to everybody; also where they were no member. Removing
    them again changes nothing and succeeds.
    """
    now = services.clock()
    try:
        removed = await services.xr.members.remove(opened.room.id, _person(person), now)
    except LastHost:
        raise ApiError(LAST_HOST) from None
    if removed is None or removed.removed_at is None:
        raise ApiError(ROOM_NOT_FOUND)  # deleted meanwhile
    services.permissions.send_away(opened.document, removed.user_id, REMOVED)
    session = await services.xr.sessions.active(opened.room.id)
    if session is not None:
        await services.xr.participants.leave_all(session.id, removed.user_id, now)
    return reply(RemovedMember(user_id=removed.user_id, removed_at=removed.removed_at))


def _person(text: str) -> UUID:
    try:
        return parse_uuid(text)
    except Malformed as error:
        raise ApiError(MEMBER_NOT_FOUND, str(error)) from None


def member_view(member: RoomMember) -> MemberView:
    """A member as REST shows them."""
    return MemberView(
        room_id=member.room_id,
        user_id=member.user_id,
        role=member.role,
        added_at=member.added_at,
    )
