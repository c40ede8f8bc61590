"""The demo room's whiteboards."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pycrdt import Doc

from crdt_docs.identifiers import DocumentKind, Identity, document_name
from crdt_docs.object_edits import delete, merge
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_schema import schema_fault
from crdt_docs.projection import Json
from persistence.ports import Session, SessionStatus, SessionType
from persistence.xr_ports import XrSession
from server.demo_boards import DEMO_BOARDS, hang_demo_boards
from server.live_documents import LiveRooms
from tests.server.rooms import House

NOW = datetime(2030, 5, 17, tzinfo=UTC)
ROOM = XrSession(uuid4(), uuid4(), NOW)
NAME = document_name(DocumentKind.XR, ROOM.room_id)
HOST = uuid4()


def demo(session_id: UUID) -> Session:
    return Session(
        id=session_id,
        workspace_id=uuid4(),
        session_type=SessionType.WHITEBOARD,
        host_user_id=HOST,
        status=SessionStatus.ACTIVE,
        config={},
        max_participants=10,
        is_recording=False,
        started_at=NOW,
    )


def live_rooms(house: House) -> LiveRooms:
    return LiveRooms(house.directory, backlog=lambda: (0, False), is_database_up=lambda: True)


async def objects(live: LiveRooms) -> Any:
    return (await live.state(NAME))["objects"]


async def test_the_demo_room_has_whiteboards_that_name_the_demo_session() -> None:
    session = demo(uuid4())
    async with House() as house:
        live = live_rooms(house)
        await hang_demo_boards(live, session, ROOM)
        boards = await objects(live)
    assert boards.keys() == DEMO_BOARDS.keys()
    for identifier, board in boards.items():
        assert schema_fault(ObjectKind.XR_OBJECT, identifier, board) is None
        assert board["object_type"] == "whiteboard"
        assert board["properties"] == {"session_id": str(session.id)}
        assert board["created_by"] == str(HOST)


async def test_what_people_made_of_them_stays_and_what_is_gone_comes_back() -> None:
    first, second = demo(uuid4()), demo(uuid4())
    moved, gone = DEMO_BOARDS
    elsewhere: dict[str, Json] = {"x": 1, "y": 2, "z": 3}

    def rearrange(doc: Doc[Any]) -> None:
        merge(doc, "objects", moved, {"transform": {"position": elsewhere}})
        delete(doc, "objects", gone)

    async with House() as house:
        live = live_rooms(house)
        await hang_demo_boards(live, first, ROOM)
        await live.edit(NAME, Identity(HOST), rearrange)
        await hang_demo_boards(live, second, ROOM)
        boards = await objects(live)
    assert boards[moved]["transform"]["position"] == elsewhere
    named = {board["properties"]["session_id"] for board in boards.values()}
    assert named == {str(second.id)}
    assert boards.keys() == DEMO_BOARDS.keys()
