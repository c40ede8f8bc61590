"""A session, or an XR room, that is open, over stores in memory, for tests of edits by REST."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import Participant, Session, SessionStatus, SessionType
from persistence.xr_ports import RoomTemplate, RoomType, XrRoom
from server.live_documents import LiveRooms
from server.room_rules import StoredRules
from tests.server.clocks import NOON
from tests.server.rest_client import Api, Caller
from tests.server.rooms import NAME, House, Person, Seat

SESSION = UUID(int=77)
PATH = f"/api/ocw/sessions/{SESSION}"


class OpenBoard:
    """The session of `rooms.NAME`, with its people.

    Attributes:
        path: its address.
        owner: the field of what is in it that names it.
        anna: its host.
    """

    name: DocumentName = NAME
    path = PATH
    owner = "session_id"
    object_type = "sticky"

    def __init__(self, api: Api, house: House) -> None:
        self.api = api
        self.house = house
        self.anna = api.caller()

    async def begin(self, config: Mapping[str, Any]) -> None:
        """Create the session."""
        session = Session(
            id=SESSION,
            workspace_id=self.anna.workspace,
            session_type=SessionType.WHITEBOARD,
            host_user_id=self.anna.user_id,
            status=SessionStatus.ACTIVE,
            config=config,
            max_participants=50,
            is_recording=False,
            started_at=NOON,
        )
        await self.api.sessions.create(session)

    async def person(self, role: Role) -> Caller:
        """Somebody else who takes part."""
        caller = self.api.caller()
        row = Participant(SESSION, caller.user_id, role, NOON)
        await self.api.sessions.put_participant(row)
        return caller

    async def member(self, number: int = 1) -> tuple[Person, Seat]:
        """Somebody with the document open."""
        person = Person(number)
        seat = await self.house.sit(person)
        await self.house.settle()
        return person, seat

    def later(self, seconds: float = 60.0) -> None:
        """Let time go by in the room: gestures end."""
        host = self.house.host()
        clock = host._clock
        host._clock = lambda: clock() + seconds

    async def object(self, identifier: str = "a", **fields: Any) -> dict[str, Any]:
        """Have Anna create an object; gives its data."""
        body = {"id": identifier, "object_type": self.object_type, **fields}
        made: dict[str, Any] = data(await self.anna.post(f"{self.path}/objects", json=body), 201)
        return made

    async def remark(self, by: Caller, identifier: str = "n", **fields: Any) -> dict[str, Any]:
        """Have somebody annotate; gives its data."""
        body = {"id": identifier, "annotation_type": "comment", **fields}
        made: dict[str, Any] = data(await by.post(f"{PATH}/annotations", json=body), 201)
        return made


class OpenRoom(OpenBoard):
    """The same of an XR room."""

    name = document_name(DocumentKind.XR, SESSION)
    path = f"/api/xr/rooms/{SESSION}"
    owner = "room_id"
    object_type = "model"

    async def begin(self, config: Mapping[str, Any]) -> None:
        room = XrRoom(
            id=SESSION,
            workspace_id=self.anna.workspace,
            name="Atelier",
            room_type=RoomType.MEETING,
            room_template=RoomTemplate.CUSTOM,
            created_by=self.anna.user_id,
            created_at=NOON,
            max_participants=50,
            config=config,
        )
        await self.api.services.xr.rooms.create(room)

    async def person(self, role: Role) -> Caller:
        caller = self.api.caller()
        await self.api.services.xr.members.put(SESSION, caller.user_id, role, NOON)
        return caller


BoardT = TypeVar("BoardT", bound=OpenBoard)


def open_board(
    directory: Path, config: Mapping[str, Any] | None = None
) -> AbstractAsyncContextManager[OpenBoard]:
    """A session that is there while this is."""
    return opened(OpenBoard, directory, config)


def open_room(
    directory: Path, config: Mapping[str, Any] | None = None
) -> AbstractAsyncContextManager[OpenRoom]:
    """A room that is there while this is."""
    return opened(OpenRoom, directory, config)


@asynccontextmanager
async def opened(
    kind: type[BoardT], directory: Path, config: Mapping[str, Any] | None = None
) -> AsyncIterator[BoardT]:
    """One or the other."""
    sessions, documents, tables = MemorySessionStore(), MemoryDocumentStore(), MemoryXrTables()
    rules = StoredRules(sessions, xr_in_memory(tables).rooms, documents.objects)
    async with House(store=documents, name=kind.name, rules=rules) as house:
        live: Any = LiveRooms(
            house.directory, backlog=lambda: (0, False), is_database_up=lambda: True
        )
        api = Api(directory, sessions=sessions, documents=house.store, live=live, xr_tables=tables)
        board = kind(api, house)
        await board.begin(config or {})
        yield board


def data(answer: httpx.Response, status: int = 200) -> Any:
    """The data of an answer that must be a success."""
    assert answer.status_code == status, answer.text
    return answer.json()["data"]
