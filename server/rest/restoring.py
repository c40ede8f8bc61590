"""A session or room made again what it was."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from pycrdt import Doc
from pydantic import Field, StrictInt
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.access import Role
from crdt_docs.document import ROOT_MAPS
from crdt_docs.identifiers import kind_of
from crdt_docs.object_restoring import PutBack, put_all_back, to_put_back
from crdt_docs.replay import Kinds
from persistence.archive_ports import Moment
from server.rest.descriptions import described, example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply, ReplyWith
from server.rest.errors import (
    BACKLOG_FULL,
    DOCUMENT_FULL,
    forbidden,
    invalid_body,
    refuses,
)
from server.rest.moments import (
    MAX_SEQ,
    PAST_REFUSALS,
    MomentView,
    Source,
    Time,
    chosen,
    looking_back,
    moment_view,
)
from server.rest.opened_documents import DocumentEditor, OpenedDocument, RoomDocumentEditor
from server.rest.ports import Edited
from server.rest.requests import Strict, Uuid
from server.rest.services import Services, ServicesOf
from server.time_travel import Shown

router = resource_router("Snapshots")

T = TypeVar("T")

RESTORED_AT_ONCE = 1000
"""Objects that are looked at, and made what they were, without a pause."""


class RestoreDocument(Strict):
    """Body of `POST …/restore`: one of these."""

    model_config = example({"at": "2030-05-17T12:00:00Z"})

    snapshot_id: Uuid | None = Field(None, description="As it was when this snapshot was named.")
    at: Time | None = Field(None, description="As it was stored at this time.")
    seq: StrictInt | None = Field(
        None, ge=0, le=MAX_SEQ, description="As it was at this position of its log."
    )


@described({"root": "objects", "id": "page-1"})
class LeftView(TypedDict):
    """What stays as it is, in which root of the document."""

    root: str
    id: str


@described(
    {
        "restored": {"seq": 1204, "at": "2030-05-17T12:00:00.000123Z", "is_rounded": False},
        "changed": 3,
        "before": 1377,
        "seq": 1378,
        "stored": True,
        "not_restored": [],
    }
)
class RestoredView(TypedDict):
    """A session or room that was restored.

    `restored` is the moment it is like, `changed` how many objects, annotations and other values
    were not as they had been. `before` is the last position in the log before it wrote anything,
    `seq` the last of it. `not_restored` stay as they are: in them something was changed that the
    server cannot make again, such as XML.
    """

    restored: MomentView
    changed: int
    before: int
    seq: int
    stored: bool
    not_restored: list[LeftView]


PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": Envelope[RestoredView], "description": "Done, but not stored yet."}
}


@router.post(
    "/ocw/sessions/{session_id}/restore",
    response_model=Envelope[RestoredView],
    responses=PENDING,
)
@refuses(*PAST_REFUSALS, BACKLOG_FULL, DOCUMENT_FULL)
async def restore_session(
    opened: DocumentEditor, body: RestoreDocument, services: ServicesOf, reply: Reply
) -> Response:
    """Make the session what it was at a moment, by an ordinary edit; only hosts do.

    Members see it at once, and the history has it as `restore`. It can be taken back: restore the
    position `before` that is answered. Of more than 1,000 objects it is several edits, one after
    the other; if it is refused in between, the same request completes it.
    """
    return await _restored(opened, body, services, reply)


@router.post(
    "/xr/rooms/{room_id}/restore", response_model=Envelope[RestoredView], responses=PENDING
)
@refuses(*PAST_REFUSALS, BACKLOG_FULL, DOCUMENT_FULL)
async def restore_room(
    opened: RoomDocumentEditor, body: RestoreDocument, services: ServicesOf, reply: Reply
) -> Response:
    """Make a room what it was at a moment, by an ordinary edit; only hosts do.

    As of a session. What somebody holds stays in their hand: all else of it becomes what it was.
    """
    return await _restored(opened, body, services, reply)


async def _restored(
    opened: OpenedDocument, body: RestoreDocument, services: Services, reply: ReplyWith
) -> Response:
    if opened.role is not Role.HOST:
        raise forbidden("only hosts restore all of it; single objects are restored one by one")
    moment, source = _moment(body)
    source.check(moment, services.clock())
    with looking_back(source):
        past = await services.past.kinds(
            opened.document, moment, ROOT_MAPS[kind_of(opened.document)]
        )
    answer = await _restore(services, opened, past)
    return reply(answer, status=200 if answer["stored"] else 202)


async def _restore(services: Services, opened: OpenedDocument, past: Shown[Kinds]) -> RestoredView:
    """Portion by portion, so that others are served in between; most documents are one."""

    def edit(change: Callable[[Doc[Any]], T]) -> Awaitable[Edited[T]]:
        identity = opened.caller.identity
        return services.live.edit(opened.document, identity, change, is_restore=True)

    begun = await edit(partial(_begin, past=past.content))
    all_of_it, (changed, left) = begun.result
    before, is_stored, seq = _just_ahead(begun, changed), begun.is_stored, begun.seq
    for start in range(RESTORED_AT_ONCE, len(all_of_it), RESTORED_AT_ONCE):
        await asyncio.sleep(0)
        some = all_of_it[start : start + RESTORED_AT_ONCE]
        edited = await edit(partial(put_all_back, past=past.content, some=some))
        if not changed:
            before = _just_ahead(edited, edited.result.changed)
        changed, left = changed + edited.result.changed, left + edited.result.left
        is_stored, seq = edited.is_stored, edited.seq
    return RestoredView(
        restored=moment_view(past),
        changed=changed,
        before=before,
        seq=seq,
        stored=is_stored,
        not_restored=[LeftView(root=root, id=identifier) for root, identifier in left],
    )


def _begin(doc: Doc[Any], past: Kinds) -> tuple[list[tuple[str, str]], PutBack]:
    """What is to be put back, and what became of the first portion. One edit, so that there is no
    position in between at which others have done something."""
    found = to_put_back(doc, past)
    return found, put_all_back(doc, past, found[:RESTORED_AT_ONCE])


def _just_ahead(edited: Edited[Any], changed: int) -> int:
    """The last position before an edit, which is one entry of the log if it wrote anything."""
    return edited.seq - 1 if changed else edited.seq


def _moment(body: RestoreDocument) -> tuple[Moment, Source]:
    try:
        moment = chosen(snapshot_id=body.snapshot_id, at=body.at, seq=body.seq)
    except ValueError as error:
        raise invalid_body(str(error)) from None
    if moment is None:
        raise invalid_body("name a moment: snapshot_id, at or seq")
    return moment, Source("seq" if body.seq is not None else "at", is_body=True)
