"""XR rooms of a real server, made by REST, and the ways into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from tests.helpers.server_process import Invitation, ServerProcess, mint


@dataclass(frozen=True, slots=True)
class XrRoom:
    """A room of a server, while it has a session."""

    server: ServerProcess
    id: str
    session_id: str

    def invite(self, role: str = "editor", *, name: str | None = None) -> Invitation:
        """Somebody's way in: a token that grants `role` in the room."""
        user = uuid4()
        token = mint(user, name=name, grants={f"xr/{self.id}": role})
        base = self.server.socket_base.replace("/ocw/", "/xr/")
        return Invitation(base, f"{self.session_id}/ws", token, user)


async def open_xr_room(server: ServerProcess, **fields: Any) -> XrRoom:
    """A new room with a session.

    Args:
        fields: of the room, besides or instead of those that it has to have.
    """
    body = {"workspace_id": str(uuid4()), "name": "Atelier", "room_type": "meeting", **fields}
    room_id = await _made(server, "/xr/rooms", body)
    return XrRoom(server, room_id, await _made(server, f"/xr/rooms/{room_id}/sessions", None))


async def _made(server: ServerProcess, path: str, body: dict[str, Any] | None) -> str:
    response = await server.request("POST", path, json=body)
    response.raise_for_status()
    return str(UUID(response.json()["data"]["id"]))
