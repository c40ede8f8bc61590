"""Where tests that are about documents of any kind take place: in sessions, and in rooms."""

from __future__ import annotations

from typing import Any, Literal

from tests.helpers.live_documents import LiveDocument
from tests.helpers.live_rooms import live_room
from tests.helpers.server_process import ServerProcess

Place = Literal["session", "room"]
PLACES: tuple[Place, ...] = ("session", "room")


async def made_in(server: ServerProcess, place: Place, **config: Any) -> LiveDocument:
    """A new session, or a new room with a session."""
    if place == "session":
        return await server.create_session(**config)
    return await live_room(server, config=config)
