"""What happened in a session or room, whoever did it to whatever."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from persistence.object_ports import HistoryFilter
from persistence.ports import InvalidCursor
from server.rest.annotations import checked_id
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import INVALID_CURSOR, INVALID_PARAMETER, ApiError, refuses
from server.rest.moments import Time
from server.rest.object_views import VersionView, version_view
from server.rest.opened_documents import DocumentReader, OpenedDocument, RoomDocumentReader
from server.rest.requests import PageQuery, Uuid
from server.rest.services import Services, ServicesOf

router = resource_router("History")


class ListHistory(PageQuery):
    """Query of `GET …/history`."""

    user_id: Uuid | None = Field(None, description="Gestures that this person took part in.")
    object_id: str | None = Field(None, description="Of what has this id, object or annotation.")
    since: Time | None = Field(
        None, alias="from", description="That began at this time or later (RFC 3339)."
    )
    before: Time | None = Field(
        None, alias="to", description="That began before this time (RFC 3339)."
    )


@router.get("/ocw/sessions/{session_id}/history", response_model=Envelope[Items[VersionView]])
@refuses(INVALID_CURSOR, INVALID_PARAMETER)
async def list_history(
    opened: DocumentReader,
    query: Annotated[ListHistory, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Who changed what, objects and annotations together, newest first.

    One entry is one gesture: somebody, or several together, changed one object for up to five
    seconds.
    """
    return reply(await _gestures(opened, query, services))


@router.get("/xr/rooms/{room_id}/history", response_model=Envelope[Items[VersionView]])
@refuses(INVALID_CURSOR, INVALID_PARAMETER)
async def list_room_history(
    opened: RoomDocumentReader,
    query: Annotated[ListHistory, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Who changed what in a room, newest first.

    One entry is one gesture: somebody, or several together, changed one object for up to five
    seconds. What somebody carried about is one change, where it came to rest.
    """
    return reply(await _gestures(opened, query, services))


async def _gestures(
    opened: OpenedDocument, query: ListHistory, services: Services
) -> dict[str, Any]:
    if query.object_id is not None:
        checked_id("object_id", query.object_id)
    wanted = HistoryFilter(
        object_id=query.object_id,
        user_id=query.user_id,
        since=query.since,
        before=query.before,
    )
    try:
        found = await services.objects.document_history(
            opened.document, wanted, limit=query.limit, cursor=query.cursor
        )
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    shown = [version_view(event.root, event.row) for event in found.items]
    return page(shown, found.next_cursor)
