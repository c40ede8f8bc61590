"""What people say about objects: list, read, create, change, delete, restore.

Viewers may annotate, and change or delete what is their own (EDT-8).
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from starlette.responses import Response

from crdt_docs.access import Role, is_seen, may_edit
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.projection import is_projected_id
from crdt_docs.rules import session_rules
from server.rest.callers import Member, Opened, Reader
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Items, Reply, page
from server.rest.errors import (
    FORBIDDEN,
    INVALID_CURSOR,
    INVALID_PARAMETER,
    forbidden,
    invalid_parameter,
    refuses,
)
from server.rest.id_cursors import decode_id, encode_id
from server.rest.object_edits import (
    ANNOTATION_NOT_FOUND,
    CONDITIONAL_REFUSALS,
    EDIT_REFUSALS,
    ID_TAKEN,
    RESTORE_REFUSALS,
    IfMatch,
    Target,
    create_by_rest,
    delete_by_rest,
    etag,
    find_row,
    patch_by_rest,
    restore_by_rest,
)
from server.rest.object_views import (
    AnnotationView,
    CreateAnnotation,
    ListAnnotations,
    PatchAnnotation,
    VersionView,
    WrittenAnnotation,
    row_view,
)
from server.rest.objects import PENDING, ReadObject, RestoreObject, versions_of
from server.rest.opened_documents import of_session
from server.rest.requests import PageQuery
from server.rest.services import ServicesOf

router = resource_router("Annotations")

_Id = Annotated[str, Path(alias="annotation_id", description="The id in the document.")]

_KIND = ObjectKind.OCW_ANNOTATION


@refuses(FORBIDDEN)
async def _open_to_annotate(opened: Member) -> Opened:
    if not is_seen(opened.role):
        raise forbidden("spectators only watch")
    if opened.role is Role.VIEWER and not session_rules(opened.session.config).viewers_annotate:
        raise forbidden("in this session viewers only watch")
    return opened


Annotator = Annotated[Opened, Depends(_open_to_annotate)]
"""Everybody but spectators, while the session can be changed."""


async def _to_read(opened: Reader, identifier: _Id) -> Target:
    return Target(of_session(opened), _KIND, identifier)


@refuses(ANNOTATION_NOT_FOUND, FORBIDDEN)
async def _to_edit(services: ServicesOf, opened: Annotator, identifier: _Id) -> Target:
    """EDT-8: what the caller may change: editors everything, viewers what they created."""
    target = Target(of_session(opened), _KIND, identifier)
    if may_edit(opened.role):
        return target
    await find_row(services, target, deleted=True)
    creator = await services.objects.creator(target.owner_id, _KIND, identifier)
    if creator is None or creator.user_id != opened.caller.identity.user_id:
        raise forbidden("viewers change only annotations of their own")
    return target


ReadTarget = Annotated[Target, Depends(_to_read)]
EditTarget = Annotated[Target, Depends(_to_edit)]


@router.get(
    "/ocw/sessions/{session_id}/annotations", response_model=Envelope[Items[AnnotationView]]
)
@refuses(INVALID_CURSOR, INVALID_PARAMETER)
async def list_annotations(
    opened: Reader, query: Annotated[ListAnnotations, Query()], services: ServicesOf, reply: Reply
) -> Response:
    """The annotations of a session, or of one of its objects, by id, as they are stored."""
    after = "" if query.cursor is None else decode_id(query.cursor)
    session_id, limit = opened.session.id, query.limit + 1
    if query.object_id is None:
        rows = await services.objects.objects(
            session_id, _KIND, after=after, limit=limit, deleted=query.deleted
        )
    else:
        rows = await services.objects.annotations_of(
            session_id,
            checked_id("object_id", query.object_id),
            after=after,
            limit=limit,
            deleted=query.deleted,
        )
    shown = [row_view(_KIND, session_id, row) for row in rows[: query.limit]]
    more = len(rows) > query.limit
    return reply(page(shown, encode_id(rows[query.limit - 1].id) if more else None))


def checked_id(field: str, identifier: str) -> str:
    """An id of a query.

    Raises:
        ApiError: 400: nothing could have it.
    """
    if not is_projected_id(identifier):
        problem = "must have 1 to 128 bytes of UTF-8, and no NUL"
        raise invalid_parameter(f"{field}: {problem}", [{"field": field, "message": problem}])
    return identifier


@router.post(
    "/ocw/sessions/{session_id}/annotations",
    response_model=Envelope[WrittenAnnotation],
    status_code=201,
    responses=PENDING,
)
@refuses(*EDIT_REFUSALS, ID_TAKEN)
async def create_annotation(
    opened: Annotator, body: CreateAnnotation, services: ServicesOf, reply: Reply
) -> Response:
    """Annotate: viewers may, too.

    `content` becomes a text that people can type in together. Fields that are not listed here are
    the client's own; the document keeps them, the row does not. `created_by` is the caller.
    """
    return await create_by_rest(services, reply, of_session(opened), _KIND, body)


@router.get(
    "/ocw/sessions/{session_id}/annotations/{annotation_id}/history",
    response_model=Envelope[Items[VersionView]],
)
@refuses(ANNOTATION_NOT_FOUND, INVALID_CURSOR)
async def list_annotation_versions(
    target: ReadTarget,
    query: Annotated[PageQuery, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """The versions of an annotation, newest first, also of a deleted one."""
    return reply(await versions_of(services, target, query))


@router.post(
    "/ocw/sessions/{session_id}/annotations/{annotation_id}/restore",
    response_model=Envelope[WrittenAnnotation],
    responses=PENDING,
)
@refuses(*RESTORE_REFUSALS, ANNOTATION_NOT_FOUND)
async def restore_annotation(
    target: EditTarget,
    body: RestoreObject,
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """Make an annotation what it was in a version; viewers only their own.

    One that was deleted comes back; the version that was its deletion deletes it.
    """
    return await restore_by_rest(services, reply, target, body.version)


@router.get(
    "/ocw/sessions/{session_id}/annotations/{annotation_id}",
    response_model=Envelope[AnnotationView],
)
@refuses(ANNOTATION_NOT_FOUND)
async def read_annotation(
    target: ReadTarget,
    query: Annotated[ReadObject, Query()],
    services: ServicesOf,
    reply: Reply,
) -> Response:
    """One annotation, as it is stored, with its `ETag`."""
    row = await find_row(services, target, deleted=query.deleted)
    return reply(target.view_of(row), headers={"ETag": etag(row)})


@router.patch(
    "/ocw/sessions/{session_id}/annotations/{annotation_id}",
    response_model=Envelope[WrittenAnnotation],
    responses=PENDING,
)
@refuses(*CONDITIONAL_REFUSALS, ANNOTATION_NOT_FOUND)
async def patch_annotation(
    target: EditTarget,
    body: PatchAnnotation,
    services: ServicesOf,
    reply: Reply,
    if_match: IfMatch = None,
) -> Response:
    """Change an annotation by a JSON Merge Patch (RFC 7396); viewers only their own.

    What is named replaces what is there, null removes it, and what is not named stays.
    """
    return await patch_by_rest(services, reply, target, body, if_match)


@router.delete(
    "/ocw/sessions/{session_id}/annotations/{annotation_id}",
    response_model=Envelope[WrittenAnnotation],
    responses=PENDING,
)
@refuses(*CONDITIONAL_REFUSALS, ANNOTATION_NOT_FOUND)
async def delete_annotation(
    target: EditTarget,
    services: ServicesOf,
    reply: Reply,
    if_match: IfMatch = None,
) -> Response:
    """Delete an annotation; viewers only their own. Its row and its history stay."""
    return await delete_by_rest(services, reply, target, if_match)
