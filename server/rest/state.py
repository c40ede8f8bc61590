"""The document of a session as it is now."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from server.rest.callers import Reader
from server.rest.descriptions import also
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import DOCUMENT_UNAVAILABLE, refuses
from server.rest.requests import Strict
from server.rest.services import ServicesOf

router = resource_router("State")


class ReadState(Strict):
    """Query of a session's state."""

    format: Literal["json", "yjs"] = "json"


@router.get(
    "/ocw/sessions/{session_id}/state",
    response_model=Envelope[dict[str, Any]],
    responses=also("application/octet-stream", "One Yjs update, v1."),
)
@refuses(DOCUMENT_UNAVAILABLE)
async def read_state(
    opened: Reader, query: Annotated[ReadState, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """The document now, as JSON or as one Yjs update."""
    if query.format == "yjs":
        update = await services.live.state_update(opened.document)
        return Response(update, media_type="application/octet-stream")
    return reply(await services.live.state(opened.document))
