"""The objects of a session, one by one: list, read, create, change, delete, restore."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Path, Query
from pydantic import Field, StrictInt
from starlette.responses import Response

from crdt_docs.object_kinds import ObjectKind
from persistence.object_ports import HistoryFilter
from persistence.ports import InvalidCursor
from server.rest.descriptions import example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import INVALID_CURSOR, ApiError, refuses
from server.rest.id_cursors import decode_id, encode_id
from server.rest.object_edits import (
    CONDITIONAL_REFUSALS,
    EDIT_REFUSALS,
    ID_TAKEN,
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
from server.rest.object_views import (
    CreateObject,
    ListObjects,
    ObjectView,
    PatchObject,
    PendingView,
    VersionView,
    WrittenObject,
    YesOrNo,
    row_view,
    version_view,
)
from server.rest.opened_documents import DocumentEditor, DocumentReader, OpenedDocument
from server.rest.requests import PageQuery, Strict
from server.rest.services import Services, ServicesOf

router = resource_router("Objects")

MAX_VERSION = 2**31 - 2

_Id = Annotated[str, Path(alias="object_id", description="The id in the document.")]


async def _to_read(opened: DocumentReader, identifier: _Id) -> Target:
    return Target(opened, ObjectKind.OCW_OBJECT, identifier)


async def _to_edit(opened: DocumentEditor, identifier: _Id) -> Target:
    return Target(opened, ObjectKind.OCW_OBJECT, identifier)


ReadTarget = Annotated[Target, Depends(_to_read)]
EditTarget = Annotated[Target, Depends(_to_edit)]

PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": Envelope[PendingView], "description": "Done, but not stored yet."}
}


class ReadObject(Strict):
    """Query of one object."""

    deleted: YesOrNo = Field(default=False, description="Also one that was deleted.")


class RestoreObject(Strict):
    """Body of `POST …/restore`."""

    model_config = example({"version": 6})

    version: StrictInt = Field(ge=1, le=MAX_VERSION, description="One of its history.")


@router.get("/ocw/sessions/{session_id}/objects", response_model=Envelope[Items[ObjectView]])
@refuses(INVALID_CURSOR)
async def list_objects(
    opened: DocumentReader,
    query: Annotated[ListObjects, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """The objects of a session, by id, as they are stored."""
    return reply(await objects_in(services, opened, ObjectKind.OCW_OBJECT, query))


@router.post(
    "/ocw/sessions/{session_id}/objects",
    response_model=Envelope[WrittenObject],
    status_code=201,
    responses=PENDING,
)
@refuses(*EDIT_REFUSALS, ID_TAKEN)
async def create_object(
    opened: DocumentEditor, body: CreateObject, services: ServicesOf, reply: Reply
) -> Response:
    """Create an object.

    `properties.text` becomes a text that people can type in together. Fields that are not listed
    here are the client's own; the document keeps them, the row does not. `created_by` is the
    caller.
    """
    return await create_by_rest(services, reply, opened, ObjectKind.OCW_OBJECT, body)


@router.get(
    "/ocw/sessions/{session_id}/objects/{object_id}/history",
    response_model=Envelope[Items[VersionView]],
)
@refuses(OBJECT_NOT_FOUND, INVALID_CURSOR)
async def list_object_versions(
    target: ReadTarget,
    query: Annotated[PageQuery, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """The versions of an object, newest first, also of a deleted one."""
    return reply(await versions_of(services, target, query))


@router.post(
    "/ocw/sessions/{session_id}/objects/{object_id}/restore",
    response_model=Envelope[WrittenObject],
    responses=PENDING,
)
@refuses(*RESTORE_REFUSALS, OBJECT_NOT_FOUND)
async def restore_object(
    target: EditTarget,
    body: RestoreObject,
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Make an object what it was in a version, by an ordinary edit.

    One that was deleted comes back; the version that was its deletion deletes it. Fields that a row
    does not have stay as they are.
    """
    return await restore_by_rest(services, reply, target, body.version)


@router.get("/ocw/sessions/{session_id}/objects/{object_id}", response_model=Envelope[ObjectView])
@refuses(OBJECT_NOT_FOUND)
async def read_object(
    target: ReadTarget,
    query: Annotated[ReadObject, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """One object, as it is stored, with its `ETag`."""
    row = await find_row(services, target, deleted=query.deleted)
    return reply(target.view_of(row), headers={"ETag": etag(row)})


@router.patch(
    "/ocw/sessions/{session_id}/objects/{object_id}",
    response_model=Envelope[WrittenObject],
    responses=PENDING,
)
@refuses(*CONDITIONAL_REFUSALS, OBJECT_NOT_FOUND)
async def patch_object(
    target: EditTarget,
    body: PatchObject,
    services: ServicesOf,
    reply: Reply,
    if_match: IfMatch = None,
) -> Response:
    """Change an object by a JSON Merge Patch (RFC 7396).

    What is named replaces what is there, null removes it, and what is not named stays. Of a text
    only what differs is changed, so that people who type in it keep their place.
    """
    return await patch_by_rest(services, reply, target, body, if_match)


@router.delete(
    "/ocw/sessions/{session_id}/objects/{object_id}",
    response_model=Envelope[WrittenObject],
    responses=PENDING,
)
@refuses(*CONDITIONAL_REFUSALS, OBJECT_NOT_FOUND)
async def delete_object(
    target: EditTarget,
    services: ServicesOf,
    reply: Reply,
    if_match: IfMatch = None,
) -> Response:
    """Delete an object; its row and its history stay, and it can be restored."""
    return await delete_by_rest(services, reply, target, if_match)


@router.post(
    "/ocw/sessions/{session_id}/objects/{object_id}/lock",
    response_model=Envelope[WrittenObject],
    responses=PENDING,
)
@refuses(*EDIT_REFUSALS, OBJECT_NOT_FOUND)
async def lock_object(target: EditTarget, services: ServicesOf, reply: Reply) -> Response:
    """Lock an object: from then on only hosts change it.

    What editors do to it all the same is taken back for everybody.
    """
    return await lock_by_rest(services, reply, target, is_locked=True)


@router.post(
    "/ocw/sessions/{session_id}/objects/{object_id}/unlock",
    response_model=Envelope[WrittenObject],
    responses=PENDING,
)
@refuses(*EDIT_REFUSALS, OBJECT_NOT_FOUND)
async def unlock_object(target: EditTarget, services: ServicesOf, reply: Reply) -> Response:
    """Unlock an object; only hosts do."""
    return await lock_by_rest(services, reply, target, is_locked=False)


async def objects_in(
    services: Services, opened: OpenedDocument, kind: ObjectKind, query: ListObjects
) -> dict[str, Any]:
    """A page of the objects of a document.

    Raises:
        ApiError: 400 for a cursor.
    """
    after = "" if query.cursor is None else decode_id(query.cursor)
    rows = await services.objects.objects(
        opened.owner_id, kind, after=after, limit=query.limit + 1, deleted=query.deleted
    )
    shown = [row_view(kind, opened.owner_id, row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return page(shown, encode_id(rows[query.limit - 1].id) if more else None)


async def versions_of(services: Services, target: Target, query: PageQuery) -> dict[str, Any]:
    """A page of the versions of an object or annotation.

    Raises:
        ApiError: 404; 400 for a cursor.
    """
    row = await find_row(services, target, deleted=True)
    try:
        found = await services.objects.history(
            target.owner_id,
            target.kind,
            HistoryFilter(object_id=row.id),
            limit=query.limit,
            cursor=query.cursor,
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return page([version_view(target.kind.root, each) for each in found.items], found.next_cursor)
