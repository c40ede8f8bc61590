"""Objects, annotations and their history as REST takes and shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from typing_extensions import TypedDict

from crdt_docs.gestures import ChangeKind
from crdt_docs.identifiers import ActorKind
from crdt_docs.object_kinds import ObjectKind, ObjectRoot
from persistence.object_ports import HistoryRow, ObjectRow
from persistence.object_tables import TABLES
from server.rest.descriptions import described, example
from server.rest.field_schemas import (
    EXTENT,
    FLAG,
    ID,
    NUMBER,
    OBJECT,
    POINT,
    TEXT,
    TYPE,
    or_null,
    partly,
    said,
)
from server.rest.requests import PageQuery

_SESSION = "6f1c1ad8-52a5-4a51-9f0c-7d2a3f6b9c11"
_PERSON = "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55"
_BOX = "2b1f8a34-6f0e-4b7b-a1de-0f2f3a4b5c6d"
_REMARK = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

_TOLD = "version is_valid created_at updated_by updated_at deleted_at seq stored"


def _yes_or_no(value: object) -> bool:
    if value in ("true", "false"):
        return value == "true"
    raise ValueError("must be true or false")


YesOrNo = Annotated[bool, BeforeValidator(_yes_or_no), WithJsonSchema({"type": "boolean"})]
"""A switch in a query: `true` or `false`, and no other word for it."""

_DESCRIBED_OBJECT: Final[dict[str, Any]] = {
    "object_type": "sticky",
    "position": {"x": 120, "y": 80},
    "size": {"width": 200, "height": 120},
    "rotation": 0,
    "properties": {"text": "Livraisons", "color": "#ffee00"},
    "layer": 3,
    "is_locked": False,
}
_DESCRIBED_ANNOTATION: Final[dict[str, Any]] = {
    "annotation_type": "comment",
    "content": "Is this still so?",
    "object_id": _BOX,
    "position": {"x": 10, "y": 12},
    "resolved": False,
}


class Body(BaseModel):
    """A body whose unknown fields are the client's own: the document keeps them."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    beside: ClassVar[frozenset[str]] = frozenset({"id"})

    def given(self) -> dict[str, Any]:
        """The fields as they were given. By hand: pydantic's own way gives up at some depth."""
        fields = {key: self.__dict__[key] for key in self.model_fields_set & self.__dict__.keys()}
        whole = {**fields, **(self.model_extra or {})}
        return {key: value for key, value in whole.items() if key not in self.beside}


class CreateObject(Body):
    """Body of `POST …/objects`: the object, as the document holds it."""

    model_config = example(_DESCRIBED_OBJECT)

    id: Annotated[Any, said(ID)] = None
    object_type: Annotated[Any, said(TYPE)]
    position: Annotated[Any, said(or_null(POINT))] = None
    size: Annotated[Any, said(or_null(EXTENT))] = None
    rotation: Annotated[Any, said(or_null(NUMBER))] = None
    properties: Annotated[Any, said(or_null(OBJECT))] = None
    layer: Annotated[Any, said(or_null(NUMBER))] = None
    is_locked: Annotated[Any, said(or_null(FLAG))] = None


class PatchObject(Body):
    """Body of `PATCH …/objects/{oid}`: a JSON Merge Patch (RFC 7396)."""

    model_config = example({"position": {"x": 140}, "properties": {"text": "Livraisons!"}})
    beside: ClassVar[frozenset[str]] = frozenset()

    object_type: Annotated[Any, said(TYPE)] = None
    position: Annotated[Any, said(or_null(partly(POINT)))] = None
    size: Annotated[Any, said(or_null(partly(EXTENT)))] = None
    rotation: Annotated[Any, said(or_null(NUMBER))] = None
    properties: Annotated[Any, said(or_null(OBJECT))] = None
    layer: Annotated[Any, said(or_null(NUMBER))] = None
    is_locked: Annotated[Any, said(or_null(FLAG))] = None


class CreateAnnotation(Body):
    """Body of `POST …/annotations`: the annotation, as the document holds it."""

    model_config = example(_DESCRIBED_ANNOTATION)

    id: Annotated[Any, said(ID)] = None
    annotation_type: Annotated[Any, said(TYPE)]
    content: Annotated[Any, said(or_null(TEXT))] = None
    object_id: Annotated[Any, said(or_null({**ID, "description": "What it is about."}))] = None
    position: Annotated[Any, said(or_null(POINT))] = None
    resolved: Annotated[Any, said(or_null(FLAG))] = None


class PatchAnnotation(Body):
    """Body of `PATCH …/annotations/{aid}`: a JSON Merge Patch (RFC 7396)."""

    model_config = example({"content": "It is.", "resolved": True})
    beside: ClassVar[frozenset[str]] = frozenset()

    annotation_type: Annotated[Any, said(TYPE)] = None
    content: Annotated[Any, said(or_null(TEXT))] = None
    object_id: Annotated[Any, said(or_null({**ID, "description": "What it is about."}))] = None
    position: Annotated[Any, said(or_null(partly(POINT)))] = None
    resolved: Annotated[Any, said(or_null(FLAG))] = None


class ListObjects(PageQuery):
    """Query of `GET …/objects`."""

    deleted: YesOrNo = Field(default=False, description="Those that were deleted, too.")


class ListAnnotations(ListObjects):
    """Query of `GET …/annotations`."""

    object_id: str | None = Field(None, description="Only those about this object.")


_TIMES = {
    "version": 7,
    "created_at": "2030-05-17T12:00:00Z",
    "updated_by": _PERSON,
    "updated_at": "2030-05-17T12:20:00Z",
    "deleted_at": None,
}


class _RowView(TypedDict):
    """What rows of both kinds have: `version` is the newest in the history."""

    session_id: UUID
    id: str
    created_by: str | None
    is_valid: bool
    version: int
    created_at: datetime
    updated_by: UUID | None
    updated_at: datetime
    deleted_at: datetime | None


_OBJECT_VIEW = {
    "session_id": _SESSION,
    "id": _BOX,
    **_DESCRIBED_OBJECT,
    "created_by": _PERSON,
    "is_valid": True,
    **_TIMES,
}
_ANNOTATION_VIEW = {
    "session_id": _SESSION,
    "id": _REMARK,
    **_DESCRIBED_ANNOTATION,
    "created_by": _PERSON,
    "is_valid": True,
    **_TIMES,
}
_WRITTEN = {"seq": 1378, "stored": True}


@described(_OBJECT_VIEW)
class ObjectView(_RowView):
    """An object: its row. `created_by` is what the document says."""

    object_type: str
    position: dict[str, Any] | None
    size: dict[str, Any] | None
    rotation: float | None
    properties: dict[str, Any]
    layer: float | None
    is_locked: bool


@described({**_OBJECT_VIEW, **_WRITTEN})
class WrittenObject(ObjectView):
    """An object after an edit, which has the position `seq` in the log."""

    seq: int
    stored: bool


@described(_ANNOTATION_VIEW)
class AnnotationView(_RowView):
    """An annotation: its row. `content` has no formats; `created_by` is what the document says."""

    annotation_type: str
    content: str
    object_id: str | None
    position: dict[str, Any] | None
    resolved: bool


@described({**_ANNOTATION_VIEW, **_WRITTEN})
class WrittenAnnotation(AnnotationView):
    """An annotation after an edit, which has the position `seq` in the log."""

    seq: int
    stored: bool


@described({"session_id": _SESSION, "id": _BOX, "seq": 1378, "stored": False})
class PendingView(TypedDict):
    """An edit that everybody sees, and that is not stored yet: the database is slow."""

    session_id: UUID
    id: str
    seq: int
    stored: bool


def owner_field(kind: ObjectKind) -> str:
    """The field of a view that says whose it is: the column of the row."""
    return TABLES[kind].owner


def read_only(kind: ObjectKind) -> frozenset[str]:
    """What the server says of an object; a body that sets it is refused."""
    return frozenset((owner_field(kind), *_TOLD.split()))


def row_view(kind: ObjectKind, owner_id: UUID, row: ObjectRow) -> dict[str, Any]:
    """A row as REST shows it: an `ObjectView`, an `AnnotationView` or an `XrObjectView`."""
    return {
        owner_field(kind): owner_id,
        "id": row.id,
        **row.state,
        "version": row.version,
        "created_at": row.created_at,
        "updated_by": row.updated_by,
        "updated_at": row.updated_at,
        "deleted_at": row.deleted_at,
    }


@described(
    {
        "root": "objects",
        "object_id": _BOX,
        "version": 7,
        "change_type": "update",
        "previous_state": {**_DESCRIBED_OBJECT, "created_by": _PERSON, "is_valid": True},
        "changed_by": _PERSON,
        "actor_kind": "user",
        "contributors": [_PERSON],
        "relayed_by": None,
        "changed_at": "2030-05-17T12:19:58Z",
        "changed_until": "2030-05-17T12:20:00Z",
        "update_seq": 1370,
    }
)
class VersionView(TypedDict):
    """One gesture: a version of an object or annotation.

    `previous_state` is what it was before, empty when it was not there; the state of a version is
    the `previous_state` of the next one, or the object as it is. `object_id` is the id of what was
    changed, object or annotation as `root` says. `changed_by` began the gesture.
    """

    root: ObjectRoot
    object_id: str
    version: int
    change_type: ChangeKind
    previous_state: dict[str, Any]
    changed_by: UUID | None
    actor_kind: ActorKind
    contributors: list[UUID]
    relayed_by: UUID | None
    changed_at: datetime
    changed_until: datetime
    update_seq: int


def version_view(root: ObjectRoot, row: HistoryRow) -> VersionView:
    """A row of a history as REST shows it."""
    return VersionView(
        root=root,
        object_id=row.object_id,
        version=row.version,
        change_type=row.change_type,
        previous_state=dict(row.previous_state),
        changed_by=row.changed_by.user_id,
        actor_kind=row.changed_by.kind,
        contributors=list(row.contributors),
        relayed_by=row.relayed_by,
        changed_at=row.changed_at,
        changed_until=row.changed_until,
        update_seq=row.update_seq,
    )
