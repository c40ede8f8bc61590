"""The objects of an XR room, one by one: list, read, create, change, delete, restore."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query
from starlette.responses import Response

from crdt_docs.object_kinds import ObjectKind
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply
from server.rest.errors import INVALID_CURSOR, refuses
from server.rest.object_edits import (
    CONDITIONAL_REFUSALS,
    EDIT_REFUSALS,
    ID_TAKEN,
    OBJECT_HELD,
    OBJECT_NOT_FOUND,
    RESTORE_REFUSALS,
    IfMatch,
    Target,
    create_by_rest,
    delete_by_rest,
    etag,
    find_row,
    lock_by_rest,
    patch_by_rest,
    restore_by_rest,
)
from server.rest.object_views import ListObjects, VersionView
from server.rest.objects import ReadObject, RestoreObject, objects_in, versions_of
from server.rest.opened_documents import RoomDocumentEditor, RoomDocumentReader
from server.rest.requests import PageQuery
from server.rest.services import ServicesOf
from server.rest.xr_object_views import (
    CreateXrObject,
    PatchXrObject,
    PendingXrObject,
    WrittenXrObject,
    XrObjectView,
)

router = resource_router("Room objects")

_KIND = ObjectKind.XR_OBJECT
_PATH = "/xr/rooms/{room_id}/objects"
_ONE = f"{_PATH}/{{object_id}}"

_Id = Annotated[str, Path(alias="object_id", description="The id in the document.")]


async def _to_read(opened: RoomDocumentReader, identifier: _Id) -> Target:
    return Target(opened, _KIND, identifier)


async def _to_edit(opened: RoomDocumentEditor, identifier: _Id) -> Target:
    return Target(opened, _KIND, identifier)


ReadTarget = Annotated[Target, Depends(_to_read)]
EditTarget = Annotated[Target, Depends(_to_edit)]

_PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": Envelope[PendingXrObject], "description": "Done, but not stored yet."}
}


@router.get(_PATH, response_model=Envelope[Items[XrObjectView]])
@refuses(INVALID_CURSOR)
async def list_room_objects(
    opened: RoomDocumentReader,
    query: Annotated[ListObjects, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """The objects of a room, by id, as they are stored."""
    return reply(await objects_in(services, opened, _KIND, query))


@router.post(_PATH, response_model=Envelope[WrittenXrObject], status_code=201, responses=_PENDING)
@refuses(*EDIT_REFUSALS, ID_TAKEN)
async def create_room_object(
    opened: RoomDocumentEditor, body: CreateXrObject, services: ServicesOf, reply: Reply
) -> Response:
    """Create an object in a room.

    `position`, `rotation` and `scale` become one value of the document, its `transform`;
    `properties.text` becomes a text that people can type in together. Fields that are not listed
    here are the client's own; the document keeps them, the row does not. `created_by` is the
    caller.
    """
    return await create_by_rest(services, reply, opened, _KIND, body)


@router.get(f"{_ONE}/history", response_model=Envelope[Items[VersionView]])
@refuses(OBJECT_NOT_FOUND, INVALID_CURSOR)
async def list_room_object_versions(
    target: ReadTarget,
    query: Annotated[PageQuery, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """The versions of an object of a room, newest first, also of a deleted one."""
    return reply(await versions_of(services, target, query))


@router.post(f"{_ONE}/restore", response_model=Envelope[WrittenXrObject], responses=_PENDING)
@refuses(*RESTORE_REFUSALS, OBJECT_NOT_FOUND, OBJECT_HELD)
async def restore_room_object(
    target: EditTarget, body: RestoreObject, services: ServicesOf, reply: Reply
) -> Response:
    """Make an object of a room what it was in a version, by an ordinary edit.

    One that was deleted comes back; the version that was its deletion deletes it. Fields that a row
    does not have stay as they are. What is in somebody's hand is not restored, unless it is theirs.
    """
    return await restore_by_rest(services, reply, target, body.version)


@router.get(_ONE, response_model=Envelope[XrObjectView])
@refuses(OBJECT_NOT_FOUND)
async def read_room_object(
    target: ReadTarget, query: Annotated[ReadObject, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """One object of a room, as it is stored, with its `ETag`.

    While somebody holds it, its row says where it was last at rest.
    """
    row = await find_row(services, target, deleted=query.deleted)
    return reply(target.view_of(row), headers={"ETag": etag(row)})


@router.patch(_ONE, response_model=Envelope[WrittenXrObject], responses=_PENDING)
@refuses(*CONDITIONAL_REFUSALS, OBJECT_NOT_FOUND, OBJECT_HELD)
async def patch_room_object(
    target: EditTarget,
    body: PatchXrObject,
    services: ServicesOf,
    reply: Reply,
    if_match: IfMatch = None,
) -> Response:
    """Change an object of a room by a JSON Merge Patch (RFC 7396) on its row.

    What is named replaces what is there, null removes it, and what is not named stays; `position`,
    `rotation` and `scale` are written as one value, the document's `transform`. Of a text only what
    differs is changed. While somebody has it in their hand, nobody else says where it is.
    """
    return await patch_by_rest(services, reply, target, body, if_match)


@router.delete(_ONE, response_model=Envelope[WrittenXrObject], responses=_PENDING)
@refuses(*CONDITIONAL_REFUSALS, OBJECT_NOT_FOUND)
async def delete_room_object(
    target: EditTarget, services: ServicesOf, reply: Reply, if_match: IfMatch = None
) -> Response:
    """Delete an object of a room; its row and its history stay, and it can be restored."""
    return await delete_by_rest(services, reply, target, if_match)


@router.post(f"{_ONE}/lock", response_model=Envelope[WrittenXrObject], responses=_PENDING)
@refuses(*EDIT_REFUSALS, OBJECT_NOT_FOUND)
async def lock_room_object(target: EditTarget, services: ServicesOf, reply: Reply) -> Response:
    """Lock an object of a room: from then on only hosts change or hold it."""
    return await lock_by_rest(services, reply, target, is_locked=True)


@router.post(f"{_ONE}/unlock", response_model=Envelope[WrittenXrObject], responses=_PENDING)
@refuses(*EDIT_REFUSALS, OBJECT_NOT_FOUND)
async def unlock_room_object(target: EditTarget, services: ServicesOf, reply: Reply) -> Response:
    """Unlock an object of a room; only hosts do."""
    return await lock_by_rest(services, reply, target, is_locked=False)
