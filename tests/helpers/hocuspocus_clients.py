"""Stock Hocuspocus providers in the Node process of `node_clients`, several on one socket."""

from __future__ import annotations

from typing import Any

from tests.helpers.node_clients import EndedTogether, NodeClient, NodeProcess
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
        client = await self.open(name, invitation.document, invitation.token, **options)
        return await client.synced()

    async def destroy(self) -> None:
        """Destroy the providers and then the socket."""
        for client in self._opened:
            await client.destroy()
        await self._process.request("hangUp", name=self._name)


class HocuspocusClients(EndedTogether[HocuspocusSocket]):
    """The sockets of one test."""

    async def socket(self, url: str, version: int) -> HocuspocusSocket:
        """A socket to `/api/collab`, for providers of a major version."""
        name = f"socket-{len(self._made)}-{version}"
        await self.process.request("socket", name=name, url=url, version=version)
        socket = HocuspocusSocket(self.process, name)
        self._made.append(socket)
        return socket
