"""What edits of objects and of annotations by REST have in common.

An edit goes through the room like anybody's (EDT), and is answered when it is stored, with the row
as it is then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import Header
from pycrdt import Doc
from starlette.responses import Response

from crdt_docs.access import may_edit
from crdt_docs.edit_errors import InvalidId, InvalidValue, ObjectExists, ObjectMissing
from crdt_docs.edit_values import same
from crdt_docs.object_edits import Check, create, delete, merge, shape_of
from crdt_docs.object_fields import as_fields, project
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_restoring import put_back
from crdt_docs.object_schema import schema_fault
from crdt_docs.object_transforms import TRANSFORM
from crdt_docs.ownership import Entry
from crdt_docs.projection import is_projected_id
from crdt_docs.rules import Rule, RuleBroken, session_rules
from persistence.object_ports import ObjectRow
from persistence.object_rows import stated
from persistence.object_tables import TABLES
from server.rest.envelope import ReplyWith
from server.rest.errors import (
    BACKLOG_FULL,
    DOCUMENT_FULL,
    DOCUMENT_UNAVAILABLE,
    INVALID_PARAMETER,
    SESSION_PAUSED,
    STORAGE_UNAVAILABLE,
    ApiError,
    ErrorKind,
    forbidden,
    invalid_body,
    invalid_field,
    invalid_parameter,
)
from server.rest.object_bodies import column, new_id, said_in, wrong_columns
from server.rest.object_views import Body, owner_field, row_view
from server.rest.opened_documents import OpenedDocument
from server.rest.services import Services

OBJECT_NOT_FOUND = ErrorKind(404, "OBJECT_NOT_FOUND", "there is no such object")
ANNOTATION_NOT_FOUND = ErrorKind(404, "ANNOTATION_NOT_FOUND", "there is no such annotation")
VERSION_NOT_FOUND = ErrorKind(404, "VERSION_NOT_FOUND", "its history has no such version")
VERSION_WITHOUT_CONTENT = ErrorKind(
    409,
    "VERSION_WITHOUT_CONTENT",
    "nothing is kept of what it was in this version, but in the log: a host can restore all of it "
    "as it was then, `at` its `changed_until`",
)
ID_TAKEN = ErrorKind(409, "ID_TAKEN", "there is something with this id")
OBJECT_LOCKED = ErrorKind(403, "OBJECT_LOCKED", "it is locked, and the caller is no host")
NOT_YOURS = ErrorKind(403, "NOT_YOURS", "editors change only what they created themselves here")
TOO_MANY_OBJECTS = ErrorKind(
    409, "TOO_MANY_OBJECTS", "there are as many objects as there may be: delete some first"
)
OBJECT_HELD = ErrorKind(
    409, "OBJECT_HELD", "somebody has it in their hand, and nobody else says where it is"
)
VERSION_CONFLICT = ErrorKind(
    409,
    "VERSION_CONFLICT",
    "it is not, or not only, what `If-Match` says: read it again",
    {"version": 7},
)

EDIT_REFUSALS = (
    OBJECT_LOCKED,
    NOT_YOURS,
    TOO_MANY_OBJECTS,
    BACKLOG_FULL,
    DOCUMENT_FULL,
    DOCUMENT_UNAVAILABLE,
    STORAGE_UNAVAILABLE,
)
"""What every edit may be refused for."""

RESTORE_REFUSALS = (
    *EDIT_REFUSALS,
    INVALID_PARAMETER,
    VERSION_NOT_FOUND,
    VERSION_WITHOUT_CONTENT,
)

CONDITIONAL_REFUSALS = (*EDIT_REFUSALS, VERSION_CONFLICT, INVALID_PARAMETER)

RULES_BROKEN: Final[Mapping[Rule, ErrorKind]] = {
    Rule.LOCKED: OBJECT_LOCKED,
    Rule.NOT_OWN: NOT_YOURS,
    Rule.TOO_MANY: TOO_MANY_OBJECTS,
    Rule.PAUSED: SESSION_PAUSED,
    Rule.HELD: OBJECT_HELD,
}

NOT_FOUND: Final = {
    ObjectKind.OCW_OBJECT: OBJECT_NOT_FOUND,
    ObjectKind.OCW_ANNOTATION: ANNOTATION_NOT_FOUND,
    ObjectKind.XR_OBJECT: OBJECT_NOT_FOUND,
}

_TAG = re.compile(r'(?:W/)?"?(?P<version>\d{1,10})(?:\.(?P<changed>\d{1,20}))?"?', re.ASCII)

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The version that is to be changed, or an `ETag` of it. An `ETag` also tells "
        "apart what was changed within one version, as a gesture goes on for some seconds.",
        examples=["7"],
    ),
]


@dataclass(frozen=True, slots=True)
class Target:
    """An object or annotation that a request is about.

    Attributes:
        id: as the path has it; perhaps none that anything could have.
    """

    opened: OpenedDocument
    kind: ObjectKind
    id: str

    @property
    def owner_id(self) -> UUID:
        """Of what it is in."""
        return self.opened.owner_id

    def view_of(self, row: ObjectRow) -> dict[str, Any]:
        """Its row as REST shows it."""
        return row_view(self.kind, self.owner_id, row)

    @property
    def not_found(self) -> ApiError:
        """There is no such thing."""
        return ApiError(NOT_FOUND[self.kind])


def etag(row: ObjectRow) -> str:
    """What a row is recognised by."""
    return f'"{row.version}.{round(row.updated_at.timestamp() * 1_000_000)}"'


async def find_row(services: Services, target: Target, *, deleted: bool = False) -> ObjectRow:
    """The row of what a request is about.

    Raises:
        ApiError: 404, also for a deleted one unless `deleted`.
    """
    row = None
    if is_projected_id(target.id):
        row = await services.objects.row(target.owner_id, target.kind, target.id)
    if row is None or (row.deleted_at is not None and not deleted):
        raise target.not_found
    return row


async def create_by_rest(
    services: Services, reply: ReplyWith, opened: OpenedDocument, kind: ObjectKind, body: Body
) -> Response:
    """Create what a body says, with the caller as its creator."""
    identifier = new_id(body)
    given = {**said_in(kind, body), "created_by": str(opened.caller.identity.user_id)}
    fields = as_fields(kind, given)
    target = Target(opened, kind, identifier)
    check = _all_of(_stays_valid(kind, given), _keeps_schema(target))
    location = f"{opened.address}/{kind.root}/{quote(identifier, safe='')}"
    return await _edit(
        services,
        reply,
        target,
        lambda doc: create(doc, kind.root, identifier, fields, check=check),
        status=201,
        headers={"Location": location},
    )


async def patch_by_rest(
    services: Services, reply: ReplyWith, target: Target, body: Body, if_match: str | None
) -> Response:
    """Apply a merge patch."""
    patch = said_in(target.kind, body)
    if "created_by" in patch:
        raise invalid_field("created_by", "cannot be changed; leave it out")
    fields = as_fields(target.kind, patch)
    check = _all_of(
        await _is_as_said(services, target, if_match),
        _stays_valid(target.kind, patch),
        _keeps_schema(target),
    )
    return await _edit(
        services,
        reply,
        target,
        lambda doc: merge(
            doc, target.kind.root, target.id, fields, check=check, shape=shape_of(target.kind)
        ),
        is_moving=TRANSFORM in fields,
    )


async def lock_by_rest(
    services: Services, reply: ReplyWith, target: Target, *, is_locked: bool
) -> Response:
    """Lock or unlock it; what is so already stays so, and that succeeds."""
    patch = {"is_locked": is_locked}
    return await _edit(
        services, reply, target, lambda doc: merge(doc, target.kind.root, target.id, patch)
    )


async def delete_by_rest(
    services: Services, reply: ReplyWith, target: Target, if_match: str | None
) -> Response:
    """Delete it."""
    check = await _is_as_said(services, target, if_match)
    return await _edit(
        services,
        reply,
        target,
        lambda doc: delete(doc, target.kind.root, target.id, check=check),
        may_grow=False,
    )


async def restore_by_rest(
    services: Services, reply: ReplyWith, target: Target, version: int
) -> Response:
    """Make it what it was in a version.

    Raises:
        ApiError: 404; 403 where a viewer would sign with the name of somebody else, whose deleted
            annotation had the same id; 409 where the version was stored without its content.
    """
    await find_row(services, target, deleted=True)
    state = await services.objects.state_of(target.owner_id, target.kind, target.id, version)
    if state is None:
        raise ApiError(VERSION_NOT_FOUND)
    if same(dict(state), stated(TABLES[target.kind].blank)):  # HST-7, PRJ-7: it would be emptied
        raise ApiError(VERSION_WITHOUT_CONTENT)
    opened, signed = target.opened, state.get("created_by")
    if not may_edit(opened.role) and signed not in (None, str(opened.caller.identity.user_id)):
        raise forbidden("this version is somebody else's: viewers restore only their own")
    return await _edit(
        services,
        reply,
        target,
        lambda doc: put_back(doc, target.kind, target.id, state),
        is_restore=True,
        is_moving=bool(state),
    )


async def _edit(
    services: Services,
    reply: ReplyWith,
    target: Target,
    change: Callable[[Doc[Any]], None],
    *,
    status: int = 200,
    is_restore: bool = False,
    may_grow: bool = True,
    is_moving: bool = False,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Carry out a change and answer with what became of it; 202 when it is not stored in time."""
    opened = target.opened
    try:
        edited = await services.live.edit(
            opened.document,
            opened.caller.identity,
            change,
            is_restore=is_restore,
            may_grow=may_grow,
            role=opened.role,
            entries=(Entry(target.kind.root, target.id),),
            is_moving=is_moving,
        )
    except RuleBroken as error:
        raise ApiError(RULES_BROKEN[error.rule], str(error)) from None
    except ObjectMissing:
        raise target.not_found from None
    except ObjectExists as error:
        raise ApiError(ID_TAKEN, str(error)) from None
    except InvalidId as error:
        raise invalid_field("id", str(error)) from None
    except InvalidValue as error:
        raise invalid_field(column(target.kind, error.field) or "body", error.message) from None
    told = {"seq": edited.seq, "stored": edited.is_stored}
    row = None
    if edited.is_stored and is_projected_id(target.id):
        row = await services.objects.row(target.owner_id, target.kind, target.id)
    if row is None:
        pending = {owner_field(target.kind): target.owner_id, "id": target.id, **told}
        return reply(pending, status=202)
    view = {**target.view_of(row), **told}
    return reply(view, status=status, headers={**(headers or {}), "ETag": etag(row)})


def _stays_valid(kind: ObjectKind, given: Mapping[str, Any]) -> Check:
    """Nothing is given that is wrong, and nothing right made wrong; what was wrong before may stay
    so. Members of an object are merged into what is there, which may be wrong itself."""
    set_anew = {key for key, value in given.items() if not isinstance(value, dict)}

    def check(now: Any, wanted: Any) -> None:
        was_wrong = dict(wrong_columns(kind, now)) if isinstance(now, dict) else {}
        may_stay = was_wrong.keys() - set_anew
        problems = [each for each in wrong_columns(kind, wanted) if each[0] not in may_stay]
        if problems:
            errors = [{"field": field, "message": message} for field, message in problems]
            raise invalid_body("; ".join(f"{f}: {message}" for f, message in problems), errors)

    return check


def _keeps_schema(target: Target) -> Check:
    """RUL-3: where the config is strict, it becomes nothing wrong that was not wrong before."""
    if not session_rules(target.opened.config).strict_schema:
        return _anything

    def check(now: Any, wanted: Any) -> None:
        problem = schema_fault(target.kind, target.id, wanted)
        if problem is not None and (
            now is None or schema_fault(target.kind, target.id, now) is None
        ):
            raise invalid_body(f"here {problem}")

    return check


async def _is_as_said(services: Services, target: Target, if_match: str | None) -> Check:
    """That what is to be changed is what `If-Match` says, when it is changed.

    The row is compared first; then, with nobody in between, the document with the row, as an edit
    may wait to be stored.
    """
    if if_match is None:
        return _anything
    row = await find_row(services, target)
    if if_match.strip() != "*":
        _compare_tag(row, if_match)

    def check(now: Any, _: Any) -> None:
        if not same(stated(project(target.kind, now)), dict(row.state)):
            raise ApiError(VERSION_CONFLICT, details={"version": row.version})

    return check if if_match.strip() != "*" else _anything


def _compare_tag(row: ObjectRow, if_match: str) -> None:
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        problem = "must be one version, such as 7, or an ETag"
        raise invalid_parameter(f"If-Match: {problem}", [{"field": "If-Match", "message": problem}])
    is_same = int(found["version"]) == row.version
    if found["changed"] is not None:
        is_same = f'"{found["version"]}.{found["changed"]}"' == etag(row)
    if not is_same:
        raise ApiError(VERSION_CONFLICT, details={"version": row.version})


def _anything(now: Any, wanted: Any) -> None:
    """No condition."""


def _all_of(*checks: Check) -> Check:
    def check(now: Any, wanted: Any) -> None:
        for each in checks:
            each(now, wanted)

    return check
