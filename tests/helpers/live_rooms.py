"""Rooms of headsets of a real server, made by REST, and the ways into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from crdt_docs.identifiers import DocumentKind
from tests.helpers.live_documents import LiveDocument
from tests.helpers.server_process import Invitation, ServerProcess


@dataclass(frozen=True, slots=True)
class LiveRoom(LiveDocument):
    """A room of a server, while it has a session."""

    session_id: str

    kind = DocumentKind.XR
    below = "/xr/rooms"

    def invite_with(self, token: str, user_id: UUID | None = None) -> Invitation:
        """See `LiveDocument.invite_with`."""
        base = self.server.socket_base.replace("/ocw/", "/xr/")
        return Invitation(base, f"{self.session_id}/ws", token, user_id or uuid4(), self.name)

    def path(self, **query: str) -> str:
        """The way of somebody new to the socket, without the server."""
        return httpx.URL(self.invite().url_with(**query)).raw_path.decode()

    def url(self, *, port: int | None = None, **query: str) -> str:
        """The same as an address.

        Args:
            port: of a proxy before the server.
        """
        return f"ws://127.0.0.1:{port or self.server.port}{self.path(**query)}"


async def live_room(server: ServerProcess, **fields: Any) -> LiveRoom:
    """A new room with a session.

    Args:
        fields: of the room, besides or instead of those that it has to have.
    """
    body = {"workspace_id": str(uuid4()), "name": "Atelier", "room_type": "meeting", **fields}
    room_id = await _made(server, "/xr/rooms", body)
    return LiveRoom(server, room_id, await _made(server, f"/xr/rooms/{room_id}/sessions", None))


async def _made(server: ServerProcess, path: str, body: dict[str, Any] | None) -> str:
    response = await server.request("POST", path, json=body)
    response.raise_for_status()
    return str(UUID(response.json()["data"]["id"]))
