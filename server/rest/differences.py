"""What is different between two moments of a session or room."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.difference import Difference, DifferenceKind
from crdt_docs.identifiers import DocumentName, id_of
from crdt_docs.object_kinds import ObjectRoot, kinds_in
from persistence.archive_ports import AtSeq, Moment
from persistence.object_rows import stated
from server.rest.descriptions import described
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import INVALID_CURSOR, ApiError, refuses
from server.rest.moments import (
    PAST_REFUSALS,
    AnyMoment,
    MomentView,
    Source,
    looking_back,
    moment_view,
)
from server.rest.opened_documents import DocumentReader, OpenedDocument, RoomDocumentReader
from server.rest.requests import PageQuery
from server.rest.services import Services, ServicesOf
from server.time_travel import Compared

router = resource_router("State")

_MOMENT = "A time (RFC 3339), a position of the document's log (digits), or the id of a snapshot."
_POSITION = struct.Struct(">16sqqI")  # whose, the two positions of the log, where the page starts
_CHECK_BYTES = 6


class ReadDifference(PageQuery):
    """Query of `GET …/diff`."""

    start: AnyMoment = Field(alias="from", description=_MOMENT)
    end: AnyMoment | None = Field(None, alias="to", description=f"{_MOMENT} The end, if left out.")


class ChangedObjectView(TypedDict):
    """An object or annotation that differs.

    `root` is `objects` or `annotations`. `before` and `after` are the columns that come from the
    document; null where it was not there. `fields` are those of them that differ.
    """

    root: ObjectRoot
    id: str
    change: DifferenceKind
    fields: list[str]
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class CountsView(TypedDict):
    """How many differ in all."""

    added: int
    changed: int
    removed: int


_BEFORE: dict[str, Any] = {
    "object_type": "sticky",
    "position": {"x": 10, "y": 20},
    "size": {"width": 160, "height": 120},
    "rotation": 0,
    "properties": {"text": "Ask Ines"},
    "layer": 3,
    "is_locked": False,
    "created_by": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
    "is_valid": True,
}


@described(
    {
        "before": {"seq": 1204, "at": "2030-05-17T12:00:00.000123Z", "is_rounded": False},
        "after": {"seq": 1377, "at": "2030-05-17T12:31:08.120Z", "is_rounded": False},
        "objects": {"added": 0, "changed": 1, "removed": 0},
        "annotations": {"added": 0, "changed": 0, "removed": 0},
        "items": [
            {
                "root": "objects",
                "id": "note-17",
                "change": "changed",
                "fields": ["position"],
                "before": _BEFORE,
                "after": {**_BEFORE, "position": {"x": 480, "y": 20}},
            }
        ],
        "next_cursor": None,
    }
)
class DifferenceView(TypedDict):
    """What is different between two moments: counts of all, and one page of it."""

    before: MomentView
    after: MomentView
    objects: CountsView
    annotations: CountsView
    items: list[ChangedObjectView]
    next_cursor: str | None


_IN_ROOM: dict[str, Any] = {
    "object_type": "furniture",
    "position": {"x": 1.5, "y": 0, "z": -2},
    "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
    "scale": {"x": 1, "y": 1, "z": 1},
    "parent_id": None,
    "asset_url": "https://models.example/chair.glb",
    "properties": {},
    "is_interactive": True,
    "is_locked": False,
    "lifetime": "room",
    "created_by": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
    "is_valid": True,
}


@described(
    {
        "before": {"seq": 204, "at": "2030-05-17T12:00:00.000123Z", "is_rounded": False},
        "after": {"seq": 377, "at": "2030-05-17T12:31:08.120Z", "is_rounded": False},
        "objects": {"added": 0, "changed": 1, "removed": 0},
        "items": [
            {
                "root": "objects",
                "id": "chair-4",
                "change": "changed",
                "fields": ["position"],
                "before": _IN_ROOM,
                "after": {**_IN_ROOM, "position": {"x": 3, "y": 0, "z": -2}},
            }
        ],
        "next_cursor": None,
    }
)
class RoomDifferenceView(TypedDict):
    """What is different between two moments of a room: counts of all, and one page of it."""

    before: MomentView
    after: MomentView
    objects: CountsView
    items: list[ChangedObjectView]
    next_cursor: str | None


@router.get("/ocw/sessions/{session_id}/diff", response_model=Envelope[DifferenceView])
@refuses(INVALID_CURSOR, *PAST_REFUSALS)
async def read_difference(
    opened: DocumentReader,
    query: Annotated[ReadDifference, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """What is different between two moments, object by object.

    Ordered by root and id. An object that is the same again is not in it. All pages show the same
    two moments, which the first one found.
    """
    compared, offset = await _compared(services, opened, query)
    return reply(_view(opened.document, compared, offset, query.limit))


@router.get("/xr/rooms/{room_id}/diff", response_model=Envelope[RoomDifferenceView])
@refuses(INVALID_CURSOR, *PAST_REFUSALS)
async def read_room_difference(
    opened: RoomDocumentReader,
    query: Annotated[ReadDifference, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """What is different between two moments of a room, object by object.

    As of a session.
    """
    compared, offset = await _compared(services, opened, query)
    return reply(_view(opened.document, compared, offset, query.limit))


async def _compared(
    services: Services, opened: OpenedDocument, query: ReadDifference
) -> tuple[Compared, int]:
    """The two moments, and where the page starts."""
    start, end, offset = await _wanted(services, opened, query)
    with looking_back(Source("from")):
        return await services.past.difference(opened.document, start, end), offset


async def _wanted(
    services: Services, opened: OpenedDocument, query: ReadDifference
) -> tuple[Moment, Moment, int]:
    """The two moments, and where the page starts."""
    if query.cursor is not None:
        return _decode_cursor(query.cursor, opened.owner_id)
    last = await services.archive.last_seq(opened.document)
    start, end = query.start, query.end or AtSeq(last)
    for moment, source in ((start, Source("from")), (end, Source("to"))):
        source.check(moment, services.clock())
        if isinstance(moment, AtSeq) and moment.seq > last:
            raise source.refusal(f"the log ends at {last}")
    return start, end, 0


def _view(document: DocumentName, compared: Compared, offset: int, limit: int) -> dict[str, Any]:
    """A `DifferenceView` or a `RoomDifferenceView`."""
    differences = compared.differences
    counts = Counter((each.root, each.kind) for each in differences)
    end = offset + limit
    more = end < len(differences)
    return {
        "before": moment_view(compared.before),
        "after": moment_view(compared.after),
        **{kind.root.value: _counts(counts, kind.root) for kind in kinds_in(document)},
        "items": [_changed(each) for each in differences[offset:end]],
        "next_cursor": _encode_cursor(id_of(document), compared, end) if more else None,
    }


def _counts(
    counts: Mapping[tuple[ObjectRoot, DifferenceKind], int], root: ObjectRoot
) -> CountsView:
    return CountsView(
        added=counts.get((root, DifferenceKind.ADDED), 0),
        changed=counts.get((root, DifferenceKind.CHANGED), 0),
        removed=counts.get((root, DifferenceKind.REMOVED), 0),
    )


def _changed(difference: Difference) -> ChangedObjectView:
    return ChangedObjectView(
        root=difference.root,
        id=difference.id,
        change=difference.kind,
        fields=list(difference.fields),
        before=stated(difference.before) or None,
        after=stated(difference.after) or None,
    )


def _encode_cursor(owner_id: UUID, compared: Compared, offset: int) -> str:
    position = _POSITION.pack(owner_id.bytes, compared.before.seq, compared.after.seq, offset)
    return base64.urlsafe_b64encode(position + _check(position)).decode()


def _decode_cursor(cursor: str, owner_id: UUID) -> tuple[Moment, Moment, int]:
    """Where a page starts.

    Raises:
        ApiError: this list did not give it.
    """
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        position = raw[: _POSITION.size]
        owner, before, after, offset = _POSITION.unpack(position)
    except (ValueError, binascii.Error, struct.error):
        raise ApiError(INVALID_CURSOR) from None
    if raw[_POSITION.size :] != _check(position) or owner != owner_id.bytes:
        raise ApiError(INVALID_CURSOR)
    return AtSeq(before), AtSeq(after), offset


def _check(position: bytes) -> bytes:
    """For mistakes, not against attacks: a cursor grants nothing."""
    return hashlib.blake2s(position, digest_size=_CHECK_BYTES, person=b"differ-1").digest()
