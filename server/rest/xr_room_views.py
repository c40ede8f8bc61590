"""XR rooms and their sessions as REST takes and shows them: bodies, queries and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, Field, StrictBool, StrictInt
from typing_extensions import TypedDict

from persistence.xr_ports import RoomTemplate, RoomType, XrRoom, XrSession, XrStatus
from server.rest.descriptions import described, example
from server.rest.free_json import FreeJson
from server.rest.requests import Line, PageQuery, Strict, Uuid
from server.rest.session_views import checked_config

_WORKSPACE = "3fd0b4d7-3c4e-4d5c-9f5e-6f3a1f0f6a01"
_ROOM = "8d1f6c0e-52b4-4f0a-9c7d-3e5a2b9f4d61"
_DIMENSIONS: dict[str, Any] = {"width": 12, "height": 4, "depth": 9}
_ENVIRONMENT: dict[str, Any] = {"sky": "dusk", "floor": {"material": "oak"}}
_CONFIG: dict[str, Any] = {"default_role": "viewer"}

_FREE = "Free, up to 16 KiB as JSON: the clients' own."
_MERGED = "Merged into what is there."
_PERSISTENT = "Its objects stay when nobody is in it."
_PUBLIC = "Everybody with a token may at least look."


class CreateRoom(Strict):
    """Body of `POST /xr/rooms`."""

    model_config = example(
        {
            "workspace_id": _WORKSPACE,
            "name": "Atelier",
            "room_type": "meeting",
            "room_template": "conference",
            "dimensions": _DIMENSIONS,
            "config": _CONFIG,
            "is_persistent": True,
        }
    )

    workspace_id: Uuid
    name: Line
    room_type: RoomType
    room_template: RoomTemplate = RoomTemplate.CUSTOM
    dimensions: Annotated[FreeJson, Field(description=_FREE)] = Field(default_factory=dict)
    environment_config: Annotated[FreeJson, Field(description=_FREE)] = Field(default_factory=dict)
    config: Annotated[
        dict[str, Any],
        AfterValidator(checked_config),
        Field(
            description="As that of an OCW session: `default_role` (editor, viewer, spectator) "
            "opens the room to everybody with a token; `own_objects_only`, `strict_schema`."
        ),
    ] = Field(default_factory=dict)
    dataspace_id: Uuid | None = None
    meeting_id: Uuid | None = None
    is_persistent: StrictBool = Field(default=False, description=_PERSISTENT)
    is_public: StrictBool = Field(default=False, description=_PUBLIC)
    max_participants: StrictInt | None = Field(
        None, ge=1, description="The server's `max_participants` if it is not given."
    )


class ChangeRoom(Strict):
    """Body of `PATCH /xr/rooms/{id}`: a JSON Merge Patch (RFC 7396)."""

    model_config = example({"name": "Salon", "environment_config": {"sky": None}})

    # What is left out stays: no default belongs into the document.
    name: Line = Field(default_factory=str)
    room_type: RoomType = Field(default_factory=lambda: RoomType.MEETING)
    room_template: RoomTemplate = Field(default_factory=lambda: RoomTemplate.CUSTOM)
    dimensions: FreeJson | None = Field(None, description=_MERGED)
    environment_config: FreeJson | None = Field(None, description=_MERGED)
    config: FreeJson | None = Field(None, description=_MERGED)
    dataspace_id: Uuid | None = None
    meeting_id: Uuid | None = None
    is_persistent: StrictBool = Field(default_factory=bool, description=_PERSISTENT)
    is_public: StrictBool = Field(default_factory=bool, description=_PUBLIC)
    max_participants: StrictInt | None = Field(
        None, ge=1, description="Null: the server's `max_participants`."
    )


class ListRooms(PageQuery):
    """Query of `GET /xr/rooms`."""

    workspace_id: Uuid | None = None
    dataspace_id: Uuid | None = None
    type: RoomType | None = None


@described(
    {
        "id": _ROOM,
        "workspace_id": _WORKSPACE,
        "name": "Atelier",
        "room_type": "meeting",
        "room_template": "conference",
        "dimensions": _DIMENSIONS,
        "environment_config": _ENVIRONMENT,
        "config": _CONFIG,
        "dataspace_id": None,
        "meeting_id": None,
        "is_persistent": True,
        "is_public": False,
        "max_participants": 1000,
        "created_by": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "created_at": "2030-05-17T12:00:00Z",
    }
)
class RoomView(TypedDict):
    """A room: the columns of `xr_rooms`."""

    id: UUID
    workspace_id: UUID
    name: str
    room_type: RoomType
    room_template: RoomTemplate
    dimensions: dict[str, Any]
    environment_config: dict[str, Any]
    config: dict[str, Any]
    dataspace_id: UUID | None
    meeting_id: UUID | None
    is_persistent: bool
    is_public: bool
    max_participants: int
    created_by: UUID
    created_at: datetime


def room_view(room: XrRoom) -> RoomView:
    """A room as REST shows it."""
    return RoomView(
        id=room.id,
        workspace_id=room.workspace_id,
        name=room.name,
        room_type=room.room_type,
        room_template=room.room_template,
        dimensions=dict(room.dimensions),
        environment_config=dict(room.environment_config),
        config=dict(room.config),
        dataspace_id=room.dataspace_id,
        meeting_id=room.meeting_id,
        is_persistent=room.is_persistent,
        is_public=room.is_public,
        max_participants=room.max_participants,
        created_by=room.created_by,
        created_at=room.created_at,
    )


@described({"id": _ROOM, "deleted_at": "2030-05-17T13:30:00Z"})
class DeletedRoom(TypedDict):
    """A room that was deleted."""

    id: UUID
    deleted_at: datetime


@described(
    {
        "id": "f2b6a7c4-0d1e-4a3b-8c5d-6e7f8091a2b3",
        "room_id": _ROOM,
        "status": "active",
        "started_at": "2030-05-17T12:00:00Z",
        "ended_at": None,
    }
)
class XrSessionView(TypedDict):
    """A time during which people are in a room: a row of `xr_sessions`."""

    id: UUID
    room_id: UUID
    status: XrStatus
    started_at: datetime
    ended_at: datetime | None


def xr_session_view(session: XrSession) -> XrSessionView:
    """A session of a room as REST shows it."""
    return XrSessionView(
        id=session.id,
        room_id=session.room_id,
        status=session.status,
        started_at=session.started_at,
        ended_at=session.ended_at,
    )
