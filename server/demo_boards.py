"""The demo room's whiteboards, which show the demo session: both pages in one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from pycrdt import Doc

from crdt_docs.edit_errors import ObjectMissing
from crdt_docs.identifiers import DocumentKind, Identity, document_name
from crdt_docs.object_edits import create, merge
from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.projection import Json
from persistence.ports import Session
from persistence.xr_ports import XrSession
from server.rest.ports import LiveDocuments

_SIZE: Final = MappingProxyType({"x": 4.8, "y": 2.7, "z": 0.05})

# Whoever comes in looks to the middle from anywhere around it, and has one of these before them.
DEMO_BOARDS: Final[Mapping[str, Mapping[str, Mapping[str, float]]]] = MappingProxyType(
    {
        "demo-board-north": {
            "position": {"x": 0, "y": 1.75, "z": -4.45},
            "rotation": {"x": 0, "y": 0, "z": 0, "w": 1},
            "scale": _SIZE,
        },
        "demo-board-south": {
            "position": {"x": 0, "y": 1.75, "z": 4.45},
            "rotation": {"x": 0, "y": 1, "z": 0, "w": 0},
            "scale": _SIZE,
        },
    }
)
"""Their transforms, in a room of the usual size, by their ids."""


async def hang_demo_boards(live: LiveDocuments, demo: Session, room: XrSession) -> None:
    """Have the demo session on the walls of the demo's room; what people made else of these boards
    stays.

    Raises:
        StorageUnavailable, DocumentBroken: the room cannot be opened.
        NotNow, LimitExceeded: it takes no edits now.
    """
    name = document_name(DocumentKind.XR, room.room_id)

    def hang(doc: Doc[Any]) -> None:
        for identifier in DEMO_BOARDS:
            _hang(doc, identifier, demo.id, demo.host_user_id)

    await live.edit(name, Identity(demo.host_user_id, "Demo"), hang)


def _hang(doc: Doc[Any], identifier: str, session_id: UUID, creator: UUID) -> None:
    named: dict[str, Json] = {"properties": {"session_id": str(session_id)}}
    try:
        merge(doc, ObjectRoot.OBJECTS, identifier, named)
    except ObjectMissing:
        board: dict[str, Json] = {
            "object_type": "whiteboard",
            "transform": {part: {**value} for part, value in DEMO_BOARDS[identifier].items()},
            "is_interactive": False,
            "created_by": str(creator),
        }
        create(doc, ObjectRoot.OBJECTS, identifier, board | named)
