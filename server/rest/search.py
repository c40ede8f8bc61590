"""Full text search over all that the caller may read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.identifiers import ActorKind, DocumentKind
from crdt_docs.object_kinds import ObjectRoot
from persistence.ports import InvalidCursor
from persistence.search_ports import Hit, SearchFilter
from server.rest.callers import Caller, CallerOf, open_session
from server.rest.descriptions import described
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    SESSION_NOT_FOUND,
    STORAGE_UNAVAILABLE,
    ApiError,
    forbidden,
    refuses,
)
from server.rest.requests import PageQuery, Uuid
from server.rest.services import Services, ServicesOf

router = resource_router("Search")

MAX_QUERY_CHARACTERS = 256


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000")
    return text


class SearchQuery(PageQuery):
    """Query of `GET /ocw/search`."""

    q: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_QUERY_CHARACTERS,
            description='Words that must be there, French or English; `"a phrase"`, `or`, `-not`.',
            examples=["livraisons"],
        ),
        AfterValidator(_without_nul),
    ]
    session_id: Uuid | None = Field(None, description="Only in this session.")
    root: ObjectRoot | None = Field(None, description="Only objects, or only annotations.")
    limit: int = Field(20, ge=1, le=100, description="How many at most.")


class PartView(TypedDict):
    """A part of a snippet: plain text, whatever it looks like."""

    text: str
    is_match: bool


@described(
    {
        "root": "objects",
        "session_id": "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11",
        "id": "2b1f8a34-6f0e-4b7b-a1de-0f2f3a4b5c6d",
        "type": "sticky",
        "object_id": None,
        "position": {"x": 120, "y": 80},
        "snippet": [
            {"text": "Toutes les ", "is_match": False},
            {"text": "livraisons", "is_match": True},
            {"text": " de mai", "is_match": False},
        ],
        "rank": 0.0607,
        "updated_at": "2030-05-17T12:20:00Z",
    }
)
class HitView(TypedDict):
    """Something that was found.

    `type` is the `object_type` or the `annotation_type`, `object_id` what an annotation is about.
    The parts of `snippet`, put together, are what it says around the words. A higher `rank` fits
    better, within one search.
    """

    root: ObjectRoot
    session_id: UUID
    id: str
    type: str
    object_id: str | None
    position: dict[str, Any] | None
    snippet: list[PartView]
    rank: float
    updated_at: datetime


@router.get("/ocw/search", response_model=Envelope[Items[HitView]])
@refuses(FORBIDDEN, SESSION_NOT_FOUND, INVALID_CURSOR, STORAGE_UNAVAILABLE)
async def search(
    caller: CallerOf, query: Annotated[SearchQuery, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """Find objects and annotations by their words, what fits best first.

    In the sessions that the caller takes part in (for a service: those of its workspaces), or in
    one that they may read. Nothing that was deleted is found, and nothing by `-not` alone. Where
    very much fits, not all of it is ranked.
    """
    if caller.identity.kind is ActorKind.AGENT:
        raise forbidden("an AI agent sees only what is shared with it, and nothing is")
    wanted = await _wanted(services, caller, query)
    try:
        found = await services.search.find(wanted, limit=query.limit, cursor=query.cursor)
    except InvalidCursor:
        raise ApiError(INVALID_CURSOR) from None
    return reply(page([hit_view(hit) for hit in found.items], found.next_cursor))


async def _wanted(services: Services, caller: Caller, query: SearchQuery) -> SearchFilter:
    """The caller's wishes, within what they may read.

    Raises:
        ApiError: 403, 404: the one session they name is not theirs to read.
    """
    if query.session_id is not None:
        opened = await open_session(services, caller, str(query.session_id))
        return SearchFilter(query.q, session_id=opened.session.id, root=query.root)
    return SearchFilter(
        query.q,
        root=query.root,
        readable_by=None if caller.credentials.is_service else caller.identity.user_id,
        granted=caller.granted(DocumentKind.OCW),
        workspaces=caller.bounds,
    )


def hit_view(hit: Hit) -> HitView:
    """What was found, as REST shows it."""
    return HitView(
        root=hit.root,
        session_id=hit.session_id,
        id=hit.id,
        type=hit.type,
        object_id=hit.object_id,
        position=None if hit.position is None else dict(hit.position),
        snippet=[PartView(text=part.text, is_match=part.is_match) for part in hit.snippet],
        rank=hit.rank,
        updated_at=hit.updated_at,
    )
