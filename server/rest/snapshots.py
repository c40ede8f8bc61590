"""Moments of a session or room that have a name."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from persistence.archive_ports import (
    MAX_NAMED,
    NamedSnapshot,
    PastTooLarge,
    TooManySnapshots,
)
from persistence.ports import InvalidCursor
from server.rest.descriptions import described, example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, ReplyWith, page
from server.rest.errors import (
    BACKLOG_FULL,
    DOCUMENT_UNAVAILABLE,
    FORBIDDEN,
    INVALID_CURSOR,
    STORAGE_UNAVAILABLE,
    ApiError,
    ErrorKind,
    forbidden,
    refuses,
    unavailable,
)
from server.rest.moments import PAST_BUSY, SNAPSHOT_NOT_FOUND, Source, looking_back
from server.rest.opened_documents import (
    DocumentEditor,
    DocumentReader,
    OpenedDocument,
    RoomDocumentEditor,
    RoomDocumentReader,
)
from server.rest.requests import Line, PageQuery, Strict
from server.rest.services import Services, ServicesOf
from server.time_travel import PastLaborious

router = resource_router("Snapshots")

NOTHING_TO_NAME = ErrorKind(409, "NOTHING_TO_NAME", "nothing was ever drawn or built here")
TOO_MANY_SNAPSHOTS = ErrorKind(
    409, "TOO_MANY_SNAPSHOTS", "there are as many snapshots as there may be; delete some"
)

_NAMING_REFUSALS = (
    NOTHING_TO_NAME,
    TOO_MANY_SNAPSHOTS,
    PAST_BUSY,
    STORAGE_UNAVAILABLE,
    BACKLOG_FULL,
    DOCUMENT_UNAVAILABLE,
)

_SESSION = "/ocw/sessions/{session_id}/snapshots"
_ROOM = "/xr/rooms/{room_id}/snapshots"
_OF_ROOM = f"{_ROOM}/{{snapshot_id}}"

_SNAPSHOT = "c8a4f2de-6f5c-4b0e-8a54-3c1c7a0e9b21"


class CreateSnapshot(Strict):
    """Body of `POST …/snapshots`."""

    model_config = example({"label": "Before the workshop"})

    label: Annotated[Line, Field(description="One line; need not be unique.")]


@described(
    {
        "id": _SNAPSHOT,
        "label": "Before the workshop",
        "seq": 1204,
        "at": "2030-05-17T11:59:58.120Z",
        "created_by": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "created_at": "2030-05-17T12:00:00Z",
    }
)
class SnapshotView(TypedDict):
    """A moment with a name: `seq` is its position in the log, `at` when that was stored."""

    id: UUID
    label: str
    seq: int
    at: datetime
    created_by: UUID | None
    created_at: datetime


@described({"id": _SNAPSHOT})
class ForgottenView(TypedDict):
    """A snapshot that was deleted."""

    id: UUID


def snapshot_view(named: NamedSnapshot) -> SnapshotView:
    """A snapshot as REST shows it."""
    return SnapshotView(
        id=named.id,
        label=named.label,
        seq=named.seq,
        at=named.at,
        created_by=named.created_by,
        created_at=named.created_at,
    )


@router.post(_SESSION, response_model=Envelope[SnapshotView], status_code=201)
@refuses(*_NAMING_REFUSALS)
async def create_snapshot(
    opened: DocumentEditor, body: CreateSnapshot, services: ServicesOf, reply: Reply
) -> Response:
    """Name the document as it is now.

    Everything that was received before is in it, and stored.
    """
    return await _name(opened, body, services, reply)


@router.post(_ROOM, response_model=Envelope[SnapshotView], status_code=201)
@refuses(*_NAMING_REFUSALS)
async def create_room_snapshot(
    opened: RoomDocumentEditor, body: CreateSnapshot, services: ServicesOf, reply: Reply
) -> Response:
    """Name a room as it is now.

    Everything that was received before is in it, and stored. What somebody holds is in it where it
    was last at rest.
    """
    return await _name(opened, body, services, reply)


async def _name(
    opened: OpenedDocument, body: CreateSnapshot, services: Services, reply: ReplyWith
) -> Response:
    seq = await _stored_seq(services, opened)
    if seq == 0:
        raise ApiError(NOTHING_TO_NAME)
    # Without a checkpoint it stays in the log, which is not merged either (PST-8).
    with looking_back(Source("label", is_body=True)), suppress(PastLaborious, PastTooLarge):
        await services.past.keep(opened.document, seq)
    try:
        named = await services.archive.name(
            opened.document, seq, body.label, opened.caller.identity.user_id
        )
    except TooManySnapshots:
        raise ApiError(TOO_MANY_SNAPSHOTS, f"there may be {MAX_NAMED} snapshots") from None
    location = f"{opened.address}/snapshots/{named.id}"
    return reply(snapshot_view(named), status=201, headers={"Location": location})


async def _stored_seq(services: Services, opened: OpenedDocument) -> int:
    """The end of the log, once everything received until now is in it."""
    edited = await services.live.edit(
        opened.document, opened.caller.identity, lambda _: None, may_grow=False
    )
    if not edited.is_stored:
        raise unavailable(STORAGE_UNAVAILABLE)
    return edited.seq


class ListSnapshots(PageQuery):
    """Query of `GET …/snapshots`."""


@router.get(_SESSION, response_model=Envelope[Items[SnapshotView]])
@refuses(INVALID_CURSOR)
async def list_snapshots(
    opened: DocumentReader,
    query: Annotated[ListSnapshots, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Snapshots of the session, newest first."""
    return reply(await _listed(opened, query, services))


@router.get(_ROOM, response_model=Envelope[Items[SnapshotView]])
@refuses(INVALID_CURSOR)
async def list_room_snapshots(
    opened: RoomDocumentReader,
    query: Annotated[ListSnapshots, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Snapshots of the room, newest first."""
    return reply(await _listed(opened, query, services))


async def _listed(
    opened: OpenedDocument, query: ListSnapshots, services: Services
) -> dict[str, Any]:
    try:
        found = await services.archive.named(
            opened.document, limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return page([snapshot_view(named) for named in found.items], found.next_cursor)


SnapshotId = Annotated[str, Path(json_schema_extra={"format": "uuid"})]


@router.get(f"{_SESSION}/{{snapshot_id}}", response_model=Envelope[SnapshotView])
@refuses(SNAPSHOT_NOT_FOUND)
async def read_snapshot(
    opened: DocumentReader, snapshot_id: SnapshotId, services: ServicesOf, reply: Reply
) -> Response:
    """One snapshot; its content is the session's state with `?snapshot=`."""
    return reply(snapshot_view(await _find(services, opened, snapshot_id)))


@router.get(_OF_ROOM, response_model=Envelope[SnapshotView])
@refuses(SNAPSHOT_NOT_FOUND)
async def read_room_snapshot(
    opened: RoomDocumentReader, snapshot_id: SnapshotId, services: ServicesOf, reply: Reply
) -> Response:
    """One snapshot of a room; its content is the room's state with `?snapshot=`."""
    return reply(snapshot_view(await _find(services, opened, snapshot_id)))


@router.delete(f"{_SESSION}/{{snapshot_id}}", response_model=Envelope[ForgottenView])
@refuses(SNAPSHOT_NOT_FOUND, FORBIDDEN)
async def delete_snapshot(
    opened: DocumentReader, snapshot_id: SnapshotId, services: ServicesOf, reply: Reply
) -> Response:
    """Take the name away: for hosts, and for who gave it. The history stays."""
    return reply(await _forget(opened, snapshot_id, services))


@router.delete(_OF_ROOM, response_model=Envelope[ForgottenView])
@refuses(SNAPSHOT_NOT_FOUND, FORBIDDEN)
async def delete_room_snapshot(
    opened: RoomDocumentReader, snapshot_id: SnapshotId, services: ServicesOf, reply: Reply
) -> Response:
    """Take the name of a room's snapshot away: for hosts, and for who gave it."""
    return reply(await _forget(opened, snapshot_id, services))


async def _forget(opened: OpenedDocument, snapshot_id: str, services: Services) -> ForgottenView:
    named = await _find(services, opened, snapshot_id)
    if opened.role is not Role.HOST and named.created_by != opened.caller.identity.user_id:
        raise forbidden("only a host, or who made the snapshot, may delete it")
    if not await services.archive.forget_named(opened.document, named.id):
        raise ApiError(SNAPSHOT_NOT_FOUND)
    return ForgottenView(id=named.id)


async def _find(services: Services, opened: OpenedDocument, snapshot_id: str) -> NamedSnapshot:
    try:
        identifier = parse_uuid(snapshot_id)
    except Malformed:
        raise ApiError(SNAPSHOT_NOT_FOUND) from None
    named = await services.archive.find_named(opened.document, identifier)
    if named is None:
        raise ApiError(SNAPSHOT_NOT_FOUND)
    return named
