"""Stock Hocuspocus providers in the Node process of `node_clients`, several on one socket."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from tests.helpers.node_clients import NodeClient, NodeProcess
from tests.helpers.server_process import Invitation

VERSIONS = (2, 3, 4)


class HocuspocusSocket:
    """One `HocuspocusProviderWebsocket`, and the providers on it."""

    def __init__(self, process: NodeProcess, name: str) -> None:
        self._process = process
        self._name = name
        self._opened: list[NodeClient] = []

    async def open(self, name: str, document: str, token: str | None, **options: Any) -> NodeClient:
        """Open a document, without waiting. Options are those of HocuspocusProvider."""
        client_id = await self._process.request(
            "open",
            name=name,
            socket=self._name,
            document=document,
            token=token,
            options=options,
        )
        client = NodeClient(self._process, name, client_id)
        self._opened.append(client)
        return client

    async def enter(self, name: str, invitation: Invitation, **options: Any) -> NodeClient:
        """Open an invitation's document, and wait until all of it has come."""
        document = f"ocw/{invitation.room.split('/')[0]}"
        client = await self.open(name, document, invitation.token, **options)
        return await client.synced()

    async def hang_up(self) -> None:
        """Destroy the providers and then the socket."""
        for client in self._opened:
            await client.destroy()
        await self._process.request("hangUp", name=self._name)


class HocuspocusClients:
    """The sockets of one test, closed together."""

    def __init__(self, process: NodeProcess) -> None:
        self.process = process
        self._sockets: list[HocuspocusSocket] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.is_running:
            for socket in self._sockets:
                await socket.hang_up()

    async def socket(self, url: str, version: int) -> HocuspocusSocket:
        """A socket to `/api/collab`, for providers of a major version."""
        name = f"socket-{len(self._sockets)}-{version}"
        await self.process.request("socket", name=name, url=url, version=version)
        socket = HocuspocusSocket(self.process, name)
        self._sockets.append(socket)
        return socket
