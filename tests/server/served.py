"""The whole application on a real socket, in this process, over stores in memory."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from pydantic import SecretStr
from starlette.applications import Starlette

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import Session, SessionStatus, SessionType
from server.app import create_app
from server.authentication import mint
from server.direct_channel import DirectProtocol
from server.graceful_server import GracefulServer, uvicorn_config
from server.limits.connections import ConnectionGuard
from server.memory_stores import memory_stores
from server.room_directory import RoomDirectory
from server.settings import Settings
from server.stores import Stores
from tests.helpers.lifted_limits import LIFTED

SECRET = "a secret for tests, long enough for HS256"
WS_CLASSES: dict[str, type[asyncio.Protocol] | str] = {
    "asgi": "websockets-sansio",
    "direct": DirectProtocol,
}


@dataclass(slots=True)
class Served:
    """A running server and what it keeps."""

    app: Starlette
    port: int
    documents: MemoryDocumentStore
    sessions: MemorySessionStore
    stores: Stores

    @property
    def directory(self) -> RoomDirectory:
        directory: RoomDirectory = self.app.state.directory
        return directory

    async def session(self, **changes: Any) -> UUID:
        """A new session that everybody edits."""
        fields: dict[str, Any] = {
            "id": uuid4(),
            "workspace_id": uuid4(),
            "session_type": SessionType.WHITEBOARD,
            "host_user_id": uuid4(),
            "status": SessionStatus.ACTIVE,
            "config": {"default_role": "editor"},
            "max_participants": 100,
            "is_recording": False,
            "started_at": datetime.now(UTC),
            **changes,
        }
        await self.sessions.create(Session(**fields))
        identifier: UUID = fields["id"]
        return identifier

    def token(
        self, user: UUID | None = None, session: UUID | None = None, role: Role | None = None
    ) -> str:
        """A token, with a grant if a role is given."""
        grants = {document_name(DocumentKind.OCW, session): role} if session and role else None
        return mint(
            SECRET.encode(),
            user or uuid4(),
            name="Somebody",
            lifetime=timedelta(minutes=5),
            now=datetime.now(UTC),
            grants=grants,
        )

    def url(self, session: object, token: str | None, *, ack: bool = False) -> str:
        """The WebSocket address."""
        query = "&".join([*([f"token={token}"] if token else []), *(["ack=1"] if ack else [])])
        return f"ws://127.0.0.1:{self.port}/api/ocw/sessions/{session}/ws?{query}"


@asynccontextmanager
async def served(
    channel: str, *, has_limits: bool = False, **settings: Any
) -> AsyncIterator[Served]:
    """Run the server on a free port with a kind of channel: `asgi` or `direct`.

    Args:
        has_limits: keeps the rates that users have by default.
    """
    stores = memory_stores()

    async def open_stores(*_: object) -> Stores:
        return stores

    rates: dict[str, Any] = {} if has_limits else LIFTED
    given = Settings(
        jwt_secret=SecretStr(SECRET), **{"room_idle_seconds": 0.2, **rates, **settings}
    )
    app = create_app(given, open_stores=open_stores)
    listener = socket.create_server(("127.0.0.1", 0))
    server = GracefulServer(
        uvicorn_config(given, app, WS_CLASSES[channel]),
        stop_seconds=5.0,
        on_ready=lambda: None,
        guard=ConnectionGuard.of(given, app.state.counters),
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    documents, sessions = stores.documents, stores.sessions
    assert isinstance(documents, MemoryDocumentStore)
    assert isinstance(sessions, MemorySessionStore)
    try:
        yield Served(app, listener.getsockname()[1], documents, sessions, stores)
    finally:
        server.stop()
        await serving
