"""The document of a session or room, as it is now and as it was."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Literal

import orjson
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crdt_docs.document import ROOT_MAPS
from crdt_docs.identifiers import DocumentName, kind_of
from persistence.archive_ports import AtSeq, Moment, PastTooLarge
from server.rest.descriptions import also
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply, ReplyWith
from server.rest.errors import DOCUMENT_UNAVAILABLE, refuses
from server.rest.moments import PAST_REFUSALS, Seq, Source, Time, chosen, looking_back, moment_view
from server.rest.opened_documents import DocumentReader, OpenedDocument, RoomDocumentReader
from server.rest.requests import Strict, Uuid
from server.rest.services import Services, ServicesOf
from server.time_travel import PastBusy, Shown

router = resource_router("State")

SEQ_HEADER = "X-Document-Seq"
AT_HEADER = "X-Document-At"
ROUNDED_HEADER = "X-Document-Rounded"
"""What is shown of the past, where the body is an update: as `seq`, `at` and `is_rounded`."""

_ALSO = also("application/octet-stream", "One Yjs update, v1.")


class MomentQuery(Strict):
    """A moment in a query, or none for now."""

    at: Time | None = Field(None, description="As it was stored at this time.")
    seq: Seq | None = Field(None, description="As it was at this position of its log.")
    snapshot: Uuid | None = Field(None, description="As it was when this snapshot was named.")


class ReadState(MomentQuery):
    """Query of the state of a document."""

    format: Literal["json", "yjs"] = "json"


@router.get(
    "/ocw/sessions/{session_id}/state",
    response_model=Envelope[dict[str, Any]],
    responses=_ALSO,
)
@refuses(DOCUMENT_UNAVAILABLE, *PAST_REFUSALS)
async def read_state(
    opened: DocumentReader, query: Annotated[ReadState, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """The document now, or at a moment, as JSON or as one Yjs update.

    Without a moment it is shown with edits that are not stored yet. With one of `at`, `seq` and
    `snapshot`, data also has the `seq` and `at` of what is shown, and `is_rounded`: edits of that
    time have been merged, and this is the nearest earlier state that is kept. For an update these
    are headers: `X-Document-Seq`, `X-Document-At`, `X-Document-Rounded`.
    """
    return await _state(opened, query, services, reply)


@router.get("/xr/rooms/{room_id}/state", response_model=Envelope[dict[str, Any]], responses=_ALSO)
@refuses(DOCUMENT_UNAVAILABLE, *PAST_REFUSALS)
async def read_room_state(
    opened: RoomDocumentReader,
    query: Annotated[ReadState, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """The document of a room now, or at a moment, as JSON or as one Yjs update.

    As of a session. What somebody holds is where it was last at rest.
    """
    return await _state(opened, query, services, reply)


async def _state(
    opened: OpenedDocument, query: ReadState, services: Services, reply: ReplyWith
) -> Response:
    moment = moment_of(services, query)
    if moment is not None:
        return await _read_past(services, opened.document, moment, query, reply)
    if services.live.is_at_rest(opened.document):
        # To look at it costs half of what it costs to open a room.
        with suppress(PastBusy, PastTooLarge):
            return await _read_stored(services, opened.document, query, reply)
    if query.format == "yjs":
        update = await services.live.state_update(opened.document)
        return Response(update, media_type="application/octet-stream")
    return reply(await services.live.state(opened.document))


def moment_of(services: Services, query: MomentQuery) -> Moment | None:
    """The moment that a query names.

    Raises:
        ApiError: 400: it names several, or one in the future.
    """
    source = Source("at")
    try:
        moment = chosen(at=query.at, seq=query.seq, snapshot=query.snapshot)
    except ValueError as error:
        raise source.refusal(str(error)) from None
    source.check(moment, services.clock())
    return moment


async def _read_past(
    services: Services, document: DocumentName, moment: Moment, query: ReadState, reply: ReplyWith
) -> Response:
    with looking_back(Source("at" if query.seq is None else "seq")):
        if query.format == "yjs":
            update = await services.past.update(document, moment)
            return Response(
                update.content, media_type="application/octet-stream", headers=_headers(update)
            )
        shown = await services.past.json(document, moment, ROOT_MAPS[kind_of(document)])
    return reply({**_fragments(shown), **moment_view(shown)})


async def _read_stored(
    services: Services, document: DocumentName, query: ReadState, reply: ReplyWith
) -> Response:
    if query.format == "json":
        view = await services.archive.view(document)
        if view is not None:
            return reply(orjson.Fragment(view))
    end = AtSeq(await services.archive.last_seq(document))
    if query.format == "yjs":
        update = await services.past.update(document, end)
        return Response(update.content, media_type="application/octet-stream")
    shown = await services.past.json(document, end, ROOT_MAPS[kind_of(document)])
    return reply(_fragments(shown))


def _fragments(shown: Shown[dict[str, bytes]]) -> dict[str, Any]:
    """Roots that are JSON text already."""
    return {name: orjson.Fragment(text) for name, text in shown.content.items()}


def _headers(shown: Shown[bytes]) -> dict[str, str]:
    headers = {SEQ_HEADER: str(shown.seq), ROUNDED_HEADER: str(shown.is_rounded).lower()}
    if shown.at is not None:
        headers[AT_HEADER] = shown.at.isoformat().replace("+00:00", "Z")
    return headers
