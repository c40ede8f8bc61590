"""A session made again what it was."""

from __future__ import annotations

from pydantic import Field, StrictInt
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.document import ROOT_MAPS
from crdt_docs.identifiers import DocumentKind
from crdt_docs.object_restoring import put_all_back
from persistence.archive_ports import Moment
from server.rest.callers import Editor
from server.rest.descriptions import described, example
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import BACKLOG_FULL, DOCUMENT_FULL, invalid_body, refuses
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
from server.rest.requests import Strict, Uuid
from server.rest.services import ServicesOf

router = resource_router("Snapshots")

_ROOTS = ROOT_MAPS[DocumentKind.OCW]


class RestoreSession(Strict):
    """Body of `POST …/restore`: one of these."""

    model_config = example({"at": "2030-05-17T12:00:00Z"})

    snapshot_id: Uuid | None = Field(None, description="As it was when this snapshot was named.")
    at: Time | None = Field(None, description="As it was stored at this time.")
    seq: StrictInt | None = Field(
        None, ge=0, le=MAX_SEQ, description="As it was at this position of its log."
    )


@described(
    {
        "restored": {"seq": 1204, "at": "2030-05-17T12:00:00.000123Z", "is_rounded": False},
        "changed": 3,
        "seq": 1378,
        "stored": True,
    }
)
class RestoredView(TypedDict):
    """A session that was restored.

    `restored` is the moment it is like, `changed` how many objects, annotations and other values
    were not as they had been, `seq` the position in the log of the edit that changed them.
    """

    restored: MomentView
    changed: int
    seq: int
    stored: bool


@router.post(
    "/ocw/sessions/{session_id}/restore",
    response_model=Envelope[RestoredView],
    responses={202: {"model": Envelope[RestoredView], "description": "Done, but not stored yet."}},
)
@refuses(*PAST_REFUSALS, BACKLOG_FULL, DOCUMENT_FULL)
async def restore_session(
    opened: Editor, body: RestoreSession, services: ServicesOf, reply: Reply
) -> Response:
    """Make the session what it was at a moment, by one ordinary edit.

    Members see it at once, and the history has it as `restore`. It can be taken back: restore the
    position before the `seq` that is answered.
    """
    moment, source = _moment(body)
    source.check(moment, services.clock())
    with looking_back(source):
        past = await services.past.values(opened.document, moment, _ROOTS)
    edited = await services.live.edit(
        opened.document,
        opened.caller.identity,
        lambda doc: put_all_back(doc, past.content),
        is_restore=True,
    )
    answer = RestoredView(
        restored=moment_view(past),
        changed=edited.result,
        seq=edited.seq,
        stored=edited.is_stored,
    )
    return reply(answer, status=200 if edited.is_stored else 202)


def _moment(body: RestoreSession) -> tuple[Moment, Source]:
    try:
        moment = chosen(snapshot_id=body.snapshot_id, at=body.at, seq=body.seq)
    except ValueError as error:
        raise invalid_body(str(error)) from None
    if moment is None:
        raise invalid_body("name a moment: snapshot_id, at or seq")
    return moment, Source("seq" if body.seq is not None else "at", is_body=True)
