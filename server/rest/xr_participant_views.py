"""Who is in the sessions of XR rooms, as REST takes and shows it: bodies, queries and answers."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StrictFloat, model_validator
from typing_extensions import TypedDict

from crdt_docs.poses import Placed
from persistence.xr_people_ports import DeviceType, XrParticipant
from server.rest.descriptions import described, example
from server.rest.free_json import FreeJson
from server.rest.object_views import YesOrNo
from server.rest.requests import PageQuery, Strict, Uuid

FARTHEST = 8_388.607
"""Metres from the room's origin along an axis: what the pose lane can say."""

TURN_TOLERANCE = 1e-3
"""By how much the length of a rotation may differ from 1: what rounding leaves."""

_CONNECTION = "5d2c9f10-7b3e-4c68-8a91-0e4f6d2b7c35"
_AVATAR = "1c9d1a52-3c0e-4a57-9d6b-7f2e8b4a6c13"
_LOOK: dict[str, Any] = {"model_url": "https://models.example/fox.glb", "color": "#ff7700"}
_POSITION = {"x": 0.5, "y": 1.7, "z": -2.25}
_ROTATION = {"x": 0.0, "y": 0.6, "z": 0.0, "w": 0.8}

Metres = Annotated[StrictFloat, Field(ge=-FARTHEST, le=FARTHEST)]
Share = Annotated[StrictFloat, Field(ge=-1 - TURN_TOLERANCE, le=1 + TURN_TOLERANCE)]


class JoinXrSession(Strict):
    """Body of `POST /xr/sessions/{id}/join`."""

    model_config = example({"device_type": "vr_headset", "avatar_id": _AVATAR})

    device_type: DeviceType
    avatar_id: Uuid | None = Field(None, description="One of one's own avatars.")
    avatar_config: FreeJson | None = Field(None, description="What one looks like this time.")


class LeaveXrSession(Strict):
    """Query of `POST /xr/sessions/{id}/leave`."""

    connection_id: Uuid | None = Field(None, description="Of one's own; without: all of these.")


class ListXrParticipants(PageQuery):
    """Query of `GET /xr/sessions/{id}/participants`."""

    present: YesOrNo = Field(default=False, description="Without those who have left.")


class Position(Strict):
    """Metres from the room's origin, +Y up."""

    x: Metres
    y: Metres
    z: Metres


class Rotation(Strict):
    """A unit quaternion."""

    x: Share
    y: Share
    z: Share
    w: Share

    @model_validator(mode="after")
    def _has_length_one(self) -> Self:
        if abs(self.length - 1) > TURN_TOLERANCE:
            raise ValueError("must be a unit quaternion")
        return self

    @property
    def length(self) -> float:
        """1, but for rounding."""
        return math.hypot(self.x, self.y, self.z, self.w)


class MoveXrParticipant(Strict):
    """Body of `PATCH /xr/sessions/{id}/position`."""

    model_config = example({"position": _POSITION, "rotation": _ROTATION})

    position: Position
    rotation: Rotation
    connection_id: Uuid | None = Field(
        None, description="Of one's own; needed where one is there with several."
    )

    def placed(self) -> Placed:
        """Where that is; the rotation's length is 1."""
        at, turn = self.position, self.rotation
        length = turn.length
        return Placed(
            (at.x, at.y, at.z),
            (turn.x / length, turn.y / length, turn.z / length, turn.w / length),
        )


class PositionView(TypedDict):
    """Metres from the room's origin, +Y up."""

    x: float
    y: float
    z: float


class RotationView(TypedDict):
    """A unit quaternion."""

    x: float
    y: float
    z: float
    w: float


@described(
    {
        "id": "0b8e0a0e-4f0b-4f5c-9d8e-1f6f3c2f4a77",
        "session_id": "f2b6a7c4-0d1e-4a3b-8c5d-6e7f8091a2b3",
        "connection_id": _CONNECTION,
        "user_id": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
        "avatar_id": _AVATAR,
        "avatar_config": _LOOK,
        "device_type": "vr_headset",
        "position": _POSITION,
        "rotation": _ROTATION,
        "joined_at": "2030-05-17T12:00:00Z",
        "last_seen_at": "2030-05-17T12:20:00Z",
        "left_at": None,
    }
)
class XrParticipantView(TypedDict):
    """A connection that takes part in a session: a row of `xr_participants`. `position` and
    `rotation` are where its head was seen last."""

    id: UUID
    session_id: UUID
    connection_id: UUID
    user_id: UUID
    avatar_id: UUID | None
    avatar_config: dict[str, Any] | None
    device_type: DeviceType
    position: PositionView | None
    rotation: RotationView | None
    joined_at: datetime
    last_seen_at: datetime | None
    left_at: datetime | None


def xr_participant_view(participant: XrParticipant) -> XrParticipantView:
    """A participant as REST shows them."""
    assert participant.id is not None  # noqa: S101 - for the type checker: stores give one
    config = participant.avatar_config
    return XrParticipantView(
        id=participant.id,
        session_id=participant.session_id,
        connection_id=participant.connection_id,
        user_id=participant.user_id,
        avatar_id=participant.avatar_id,
        avatar_config=None if config is None else dict(config),
        device_type=participant.device_type,
        position=_position(participant.placed),
        rotation=_rotation(participant.placed),
        joined_at=participant.joined_at,
        last_seen_at=participant.last_seen_at,
        left_at=participant.left_at,
    )


def _position(placed: Placed | None) -> PositionView | None:
    if placed is None:
        return None
    x, y, z = placed.position
    return PositionView(x=x, y=y, z=z)


def _rotation(placed: Placed | None) -> RotationView | None:
    if placed is None:
        return None
    x, y, z, w = placed.rotation
    return RotationView(x=x, y=y, z=z, w=w)
