"""Rooms of headsets on a real `collab serve`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from persistence.pool import DatabasePool
from persistence.xr_ports import RoomTemplate, RoomType, XrRoom, XrSession
from persistence.xr_stores import xr_in_postgres
from tests.helpers.server_process import ServerProcess, mint, stored_document

MOST_PARTICIPANTS = 1000


@dataclass(frozen=True, slots=True)
class LiveRoom:
    """A room of a server, and its session."""

    server: ServerProcess
    id: UUID
    session_id: UUID

    def path(self, role: Role = Role.EDITOR, *, user: UUID | None = None, **query: str) -> str:
        """The way to the socket, with the token of somebody who has a role."""
        grants = {str(document_name(DocumentKind.XR, self.id)): role.value}
        token = mint(user or uuid4(), name="Somebody", grants=grants)
        return f"/api/xr/sessions/{self.session_id}/ws?" + urlencode({"token": token, **query})

    def url(self, role: Role = Role.EDITOR, *, port: int | None = None, **more: Any) -> str:
        """The same as an address.

        Args:
            port: of a proxy before the server.
            more: as of `path`.
        """
        return f"ws://127.0.0.1:{port or self.server.port}{self.path(role, **more)}"

    async def stored(self) -> bytes:
        """The document as its log in the database has it, as one Yjs update."""
        name = document_name(DocumentKind.XR, self.id)
        return await stored_document(self.server.database_dsn(), name)


async def live_room(server: ServerProcess) -> LiveRoom:
    """A new room of a server with an embedded database, and a session in it."""
    room = LiveRoom(server, uuid4(), uuid4())
    now = datetime.now(UTC)
    pool = await DatabasePool.open(server.database_dsn(), size=1)
    try:
        stores = xr_in_postgres(pool)
        await stores.rooms.create(_row(room.id, now))
        await stores.sessions.start(XrSession(room.session_id, room.id, now))
    finally:
        await pool.close()
    return room


def _row(room_id: UUID, now: datetime) -> XrRoom:
    return XrRoom(
        id=room_id,
        workspace_id=uuid4(),
        name="A room of the tests",
        room_type=RoomType.MEETING,
        room_template=RoomTemplate.OPEN_SPACE,
        created_by=uuid4(),
        created_at=now,
        max_participants=MOST_PARTICIPANTS,
        is_persistent=True,
    )
