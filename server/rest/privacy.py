"""Persons: what is held about them, and forgetting it. For services that no workspace bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Path, Request
from starlette.responses import Response, StreamingResponse
from typing_extensions import TypedDict

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, DocumentName, id_of, kind_of, parse_uuid
from server.audit import USER_TARGET
from server.forgetting import EXPORTED, FORGOTTEN
from server.personal_data import PersonalDataBusy
from server.rest.auditing import event_of
from server.rest.callers import CallerOf
from server.rest.descriptions import described
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import (
    FORBIDDEN,
    STORAGE_UNAVAILABLE,
    ApiError,
    ErrorKind,
    forbidden,
    refuses,
    unavailable,
)
from server.rest.services import ServicesOf

USER_UNREADABLE = ErrorKind(404, "USER_NOT_FOUND", "what should be the person's id is no UUID")
PRIVACY_BUSY = ErrorKind(503, "PRIVACY_BUSY", "somebody's data is being read; try again")

router = resource_router("Privacy")


@described({"table": "ocw_participants", "row": {"role": "editor"}})
class HeldView(TypedDict):
    """A row that tells of the person, less what people wrote."""

    table: str
    row: Mapping[str, Any]


@described(
    {
        "user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "rows": [{"table": "ocw_participants", "row": {"role": "editor"}}],
    }
)
class PersonalDataView(TypedDict):
    """All that is held about a person."""

    user_id: UUID
    rows: list[HeldView]


@described(
    {
        "rows": {"document_updates": 12, "ocw_participants": 1},
        "documents": 1,
        "mentioned_in": ["6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11"],
        "mentioned_in_rooms": [],
    }
)
class ForgottenView(TypedDict):
    """What was done: `rows` changed or removed by table, `documents` in which nobody stands in the
    person's place now. In the contents of the sessions `mentioned_in`, and of the XR rooms
    `mentioned_in_rooms`, their id is still written: what people wrote goes with the session or
    room, or is edited there."""

    rows: Mapping[str, int]
    documents: int
    mentioned_in: list[UUID]
    mentioned_in_rooms: list[UUID]


@refuses(FORBIDDEN, USER_UNREADABLE)
async def _person(
    caller: CallerOf, user_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]
) -> UUID:
    if not caller.credentials.is_service or caller.token.workspaces is not None:
        raise forbidden("only a service that no workspace bounds may do this")
    try:
        return parse_uuid(user_id)
    except Malformed as error:
        raise ApiError(USER_UNREADABLE, str(error)) from None


Person = Annotated[UUID, Depends(_person)]


@router.get("/privacy/users/{user_id}", response_model=Envelope[PersonalDataView])
@refuses(STORAGE_UNAVAILABLE, PRIVACY_BUSY)
async def read_personal_data(
    request: Request, person: Person, services: ServicesOf, reply: Reply
) -> Response:
    """All that is held about a person, as of one moment.

    Not what they wrote: that is in the sessions, whose export has it. It is told while it is read;
    an answer that breaks off is not complete.
    """
    try:
        reading = await services.personal_data.begin(person)
    except PersonalDataBusy:
        raise unavailable(PRIVACY_BUSY) from None
    if not reading.is_empty:  # of somebody unknown, the trail would be all that is held
        target = f"{USER_TARGET}{person}"
        services.audit.record(event_of(request.scope, EXPORTED, target=target))
    frame = reply({"user_id": person, "rows": []})
    return StreamingResponse(
        _framed(bytes(frame.body), reading.chunks), media_type="application/json"
    )


async def _framed(answer: bytes, rows: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """An answer with an empty list of rows, with the rows in it."""
    before, after = answer.split(b'"rows":[]', 1)
    yield before + b'"rows":['
    async for chunk in rows:
        yield chunk
    yield b"]" + after


@router.delete("/privacy/users/{user_id}", response_model=Envelope[ForgottenView])
@refuses(STORAGE_UNAVAILABLE)
async def forget_person(
    request: Request, person: Person, services: ServicesOf, reply: Reply
) -> Response:
    """Forget a person: revoke what they have, and take them out of everything that is stored.

    Logs and histories stay, in nobody's name. What they wrote stays, too: it is the session's.
    Doing it again changes nothing more and succeeds. Sessions in which they were are loaded again;
    whoever is there reconnects.
    """
    event = event_of(request.scope, FORGOTTEN, target=f"{USER_TARGET}{person}")
    done = await services.forgetting.forget(person, event)
    return reply(
        ForgottenView(
            rows=done.rows,
            documents=done.documents,
            mentioned_in=_ids(done.mentioned_in, DocumentKind.OCW),
            mentioned_in_rooms=_ids(done.mentioned_in, DocumentKind.XR),
        )
    )


def _ids(documents: Iterable[DocumentName], kind: DocumentKind) -> list[UUID]:
    return [id_of(document) for document in documents if kind_of(document) is kind]
