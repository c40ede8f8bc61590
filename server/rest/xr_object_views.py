"""Objects of XR rooms as REST takes and shows them: as their rows.

The `position`, `rotation` and `scale` of a row are one value in the document, its `transform`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from typing_extensions import TypedDict

from crdt_docs.projection import LIFETIMES
from server.rest.descriptions import described, example
from server.rest.field_schemas import (
    FLAG,
    ID,
    OBJECT,
    QUATERNION,
    TEXT,
    TYPE,
    VECTOR,
    or_null,
    partly,
    said,
)
from server.rest.object_views import Body

_ROOM = "8d1f6c0e-52b4-4f0a-9c7d-3e5a2b9f4d61"
_PERSON = "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55"
_CHAIR = "4c1f0f0e-93c9-4bb1-9d7a-5a8f0c2f6b1e"

_PARENT: Final = {**ID, "description": "The object that it moves with."}
_LIFETIME: Final = {
    "enum": list(LIFETIMES),
    "description": "It goes with the room, with the room's session, or with its creator.",
}
_POSITION: Final = {**VECTOR, "description": "Metres, +Y up."}
_ROTATION: Final = {**QUATERNION, "description": "A unit quaternion."}

_DESCRIBED: Final[dict[str, Any]] = {
    "object_type": "furniture",
    "position": {"x": 1.5, "y": 0, "z": -2},
    "rotation": {"x": 0, "y": 0.7071, "z": 0, "w": 0.7071},
    "scale": {"x": 1, "y": 1, "z": 1},
    "parent_id": None,
    "asset_url": "https://models.example/chair.glb",
    "properties": {"text": "Chair", "color": "#334455"},
    "is_interactive": True,
    "is_locked": False,
    "lifetime": "room",
}


class CreateXrObject(Body):
    """Body of `POST …/objects` of a room: the object, as its row has it."""

    model_config = example(_DESCRIBED)

    id: Annotated[Any, said(ID)] = None
    object_type: Annotated[Any, said(TYPE)]
    position: Annotated[Any, said(or_null(_POSITION))] = None
    rotation: Annotated[Any, said(or_null(_ROTATION))] = None
    scale: Annotated[Any, said(or_null(VECTOR))] = None
    parent_id: Annotated[Any, said(or_null(_PARENT))] = None
    asset_url: Annotated[Any, said(or_null(TEXT))] = None
    properties: Annotated[Any, said(or_null(OBJECT))] = None
    is_interactive: Annotated[Any, said(or_null(FLAG))] = None
    is_locked: Annotated[Any, said(or_null(FLAG))] = None
    lifetime: Annotated[Any, said(or_null(_LIFETIME))] = None


class PatchXrObject(Body):
    """Body of `PATCH …/objects/{oid}` of a room: a JSON Merge Patch (RFC 7396)."""

    model_config = example({"position": {"x": 2}, "properties": {"text": "Armchair"}})
    beside: ClassVar[frozenset[str]] = frozenset()

    object_type: Annotated[Any, said(TYPE)] = None
    position: Annotated[Any, said(or_null(partly(_POSITION)))] = None
    rotation: Annotated[Any, said(or_null(partly(_ROTATION)))] = None
    scale: Annotated[Any, said(or_null(partly(VECTOR)))] = None
    parent_id: Annotated[Any, said(or_null(_PARENT))] = None
    asset_url: Annotated[Any, said(or_null(TEXT))] = None
    properties: Annotated[Any, said(or_null(OBJECT))] = None
    is_interactive: Annotated[Any, said(or_null(FLAG))] = None
    is_locked: Annotated[Any, said(or_null(FLAG))] = None
    lifetime: Annotated[Any, said(or_null(_LIFETIME))] = None


_VIEW: Final[dict[str, Any]] = {
    "room_id": _ROOM,
    "id": _CHAIR,
    **_DESCRIBED,
    "created_by": _PERSON,
    "is_valid": True,
    "version": 7,
    "created_at": "2030-05-17T12:00:00Z",
    "updated_by": _PERSON,
    "updated_at": "2030-05-17T12:20:00Z",
    "deleted_at": None,
}


@described(_VIEW)
class XrObjectView(TypedDict):
    """An object of a room: its row. `created_by` is what the document says, `version` the newest in
    the history."""

    room_id: UUID
    id: str
    object_type: str
    position: dict[str, Any] | None
    rotation: dict[str, Any] | None
    scale: dict[str, Any] | None
    parent_id: str | None
    asset_url: str | None
    properties: dict[str, Any]
    is_interactive: bool
    is_locked: bool
    lifetime: str
    created_by: str | None
    is_valid: bool
    version: int
    created_at: datetime
    updated_by: UUID | None
    updated_at: datetime
    deleted_at: datetime | None


@described({**_VIEW, "seq": 1378, "stored": True})
class WrittenXrObject(XrObjectView):
    """An object of a room after an edit, which has the position `seq` in the log."""

    seq: int
    stored: bool


@described({"room_id": _ROOM, "id": _CHAIR, "seq": 1378, "stored": False})
class PendingXrObject(TypedDict):
    """An edit that everybody sees, and that is not stored yet: the database is slow."""

    room_id: UUID
    id: str
    seq: int
    stored: bool
