"""A session as a file: its board as JSON or as a drawing, or its document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import Query
from pycrdt import Doc, Map
from pydantic import ConfigDict, with_config
from starlette.responses import Response
from typing_extensions import TypedDict

from crdt_docs.errors import NotNow
from crdt_docs.object_kinds import ObjectRoot
from persistence.archive_ports import AtSeq, Moment
from persistence.ports import Session
from server.breath import Breath
from server.exporting import Board, ExportBusy, Exported, drawn, past_board, stored_board
from server.rest.callers import Opened, Reader
from server.rest.descriptions import described
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import DOCUMENT_UNAVAILABLE, ErrorKind, refuses, unavailable
from server.rest.moments import PAST_REFUSALS, MomentView, Source, looking_back, moment_view
from server.rest.services import Services, ServicesOf
from server.rest.session_views import SessionView, session_view
from server.rest.state import MomentQuery, moment_of

router = resource_router("Export")

EXPORT_BUSY = ErrorKind(503, "EXPORT_BUSY", "too many boards are being exported now; try again")

SVG_HEADERS: Final = MappingProxyType({"Content-Security-Policy": "sandbox; default-src 'none'"})
"""Of a drawing, should a browser show it nevertheless."""

_META: Final = "meta"
_OTHERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "content": {
            media_type: {
                "schema": {
                    "type": "string",
                    "contentMediaType": media_type,
                    "description": description,
                }
            }
            for media_type, description in (
                ("image/svg+xml", "The board as a drawing, without anything that runs."),
                ("application/octet-stream", "The document as one Yjs update, v1."),
            )
        }
    }
}


class ExportQuery(MomentQuery):
    """Query of an export."""

    format: Literal["json", "svg", "yjs"] = "json"


_BOX: Final = {
    "id": "box",
    "state": {
        "object_type": "sticky",
        "position": {"x": 120, "y": 80},
        "size": {"width": 180, "height": 180},
        "rotation": 0,
        "properties": {"text": "Keep", "color": "#fde68a"},
        "layer": 1,
        "is_locked": False,
        "created_by": None,
        "is_valid": True,
    },
    "version": 3,
    "created_at": "2030-05-17T12:00:00Z",
    "updated_at": "2030-05-17T12:05:00Z",
    "updated_by": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
}


@described(_BOX)
class ExportedView(TypedDict):
    """An object or an annotation, as its row has it.

    `version` and the times are null in what is shown of the past.
    """

    id: str
    state: dict[str, Any]
    version: int | None
    created_at: datetime | None
    updated_at: datetime | None
    updated_by: UUID | None


@with_config(ConfigDict(extra="forbid"))
class ExportView(TypedDict):
    """A session as JSON.

    `objects` and `annotations` are ordered by id; `meta` is the map of this name in the document.
    `seq`, `at` and `is_rounded` say which moment it is.
    """

    session: SessionView
    exported_at: datetime
    seq: int
    at: datetime | None
    is_rounded: bool
    objects: list[ExportedView]
    annotations: list[ExportedView]
    meta: dict[str, Any]


@router.get(
    "/ocw/sessions/{session_id}/export", response_model=Envelope[ExportView], responses=_OTHERS
)
@refuses(DOCUMENT_UNAVAILABLE, EXPORT_BUSY, *PAST_REFUSALS)
async def export_session(
    opened: Reader, query: Annotated[ExportQuery, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """The session as a file: what is on its board as JSON or as SVG, or its document.

    As it is stored now, or at the moment that one of `at`, `seq` and `snapshot` names. `svg` draws
    all objects and annotations; it holds no script and refers to nothing outside.
    """
    moment = moment_of(services, query)
    if query.format == "yjs":
        return _attached(
            Response(
                await _update(services, opened, moment), media_type="application/octet-stream"
            ),
            opened.session,
            "yjs",
        )
    try:
        async with services.exports.place():
            content = await _content(services, opened, moment)
            if query.format == "json":
                return _attached(
                    reply(await _as_json(services, opened.session, content)), opened.session, "json"
                )
            svg = await drawn(content.board, _title(opened.session, content))
    except ExportBusy as error:
        raise unavailable(EXPORT_BUSY, str(error)) from None
    drawing = Response(svg, media_type="image/svg+xml", headers=SVG_HEADERS)
    return _attached(drawing, opened.session, "svg")


@dataclass(frozen=True, slots=True)
class _Content:
    """What is exported, and of which moment."""

    board: Board
    meta: Mapping[str, Any]
    moment: MomentView


async def _content(services: Services, opened: Opened, moment: Moment | None) -> _Content:
    if moment is None:
        meta, seq = await _settled(services, opened)
        board = await stored_board(services.objects, opened.session.id)
        return _Content(board, meta, MomentView(seq=seq, at=None, is_rounded=False))
    with looking_back(_source(moment)):
        shown = await services.past.values(opened.document, moment, (*ObjectRoot, _META))
    board = await past_board(shown.content)
    return _Content(board, shown.content.get(_META, {}), moment_view(shown))


async def _settled(services: Services, opened: Opened) -> tuple[Mapping[str, Any], int]:
    """The map `meta`, and the end of the log once everything received until now is stored."""
    try:
        edited = await services.live.edit(
            opened.document, opened.caller.identity, _read_meta, may_grow=False
        )
    except NotNow:  # nothing can be written, and nothing was to be
        state = await services.live.state(opened.document)
        meta = state.get(_META)
        seq = await services.archive.last_seq(opened.document)
        return meta if isinstance(meta, dict) else {}, seq
    return edited.result, edited.seq


def _read_meta(doc: Doc[Any]) -> Mapping[str, Any]:
    root = doc.get(_META, type=Map)
    with doc.transaction() as transaction:
        # The binding's own encoder: it writes null for what JSON has no number for.
        text = root.integrated.to_json(transaction._txn)  # noqa: SLF001 - not wrapped
    meta: dict[str, Any] = json.loads(text)
    return meta


async def _update(services: Services, opened: Opened, moment: Moment | None) -> bytes:
    if moment is None:
        return await services.live.state_update(opened.document)
    with looking_back(_source(moment)):
        return (await services.past.update(opened.document, moment)).content


def _source(moment: Moment) -> Source:
    return Source("seq" if isinstance(moment, AtSeq) else "at")


async def _as_json(services: Services, session: Session, content: _Content) -> dict[str, Any]:
    board = content.board
    return {
        "session": session_view(session),
        "exported_at": services.clock(),
        **content.moment,
        "objects": await _encoded(board.objects),
        "annotations": await _encoded(board.annotations),
        "meta": content.meta,
    }


async def _encoded(found: Mapping[str, Exported]) -> orjson.Fragment:
    """A list of views, encoded one by one: others are served in between."""
    parts, breath = [], Breath()
    for identifier, exported in found.items():
        view = _view(identifier, exported)
        parts.append(orjson.dumps(view, default=str, option=orjson.OPT_UTC_Z))
        await breath.take()
    return orjson.Fragment(b"[" + b",".join(parts) + b"]")


def _view(identifier: str, exported: Exported) -> ExportedView:
    row = exported.row
    return ExportedView(
        id=identifier,
        state=dict(exported.state),
        version=None if row is None else row.version,
        created_at=None if row is None else row.created_at,
        updated_at=None if row is None else row.updated_at,
        updated_by=None if row is None else row.updated_by,
    )


def _title(session: Session, content: _Content) -> str:
    at = content.moment["at"]
    shown = "" if at is None else f", as of {at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{session.session_type.capitalize()} of {session.started_at:%Y-%m-%d}{shown}"


def _attached(response: Response, session: Session, suffix: str) -> Response:
    """An answer that browsers save, and do not show. The name is made of what we know."""
    name = f"{session.session_type}-{session.id}.{suffix}"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
