"""Stock clients of every kind in one session with rules, driven by `ruled.mjs` (RUL)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.helpers.hocuspocus_clients import HocuspocusClients
from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.server_process import LiveSession

KINDS = (
    "y-websocket 3.0",
    "y-websocket 3.1",
    "hocuspocus 2",
    "hocuspocus 3",
    "hocuspocus 4",
)
LOCKED = ("l1", "l2", "l3")
WATCH_LOCKED = [["objects", list(LOCKED)]]


class RuledSession:
    """A session, and whoever is let into it.

    Attributes:
        before: of each who watches, what it saw in the beginning.
    """

    def __init__(
        self, session: LiveSession, clients: NodeClients, hocuspocus: HocuspocusClients
    ) -> None:
        self.session = session
        self.before: dict[NodeClient, str] = {}
        self._clients = clients
        self._hocuspocus = hocuspocus

    async def enter(
        self,
        name: str,
        role: str = "editor",
        kind: str = "y-websocket 3.1",
        *,
        user_id: UUID | None = None,
    ) -> NodeClient:
        """Somebody comes in and has synced."""
        invitation = self.session.invite(role, name=name, user_id=user_id)
        library, _, version = kind.partition(" ")
        if library == "y-websocket":
            return await self._clients.join(name, invitation, version=version)
        socket = await self._hocuspocus.socket(self.session.server.collab_url, int(version))
        return await socket.enter(name, invitation)

    async def furnished(self) -> NodeClient:
        """A host, who has made locked and open objects."""
        ada = await self.enter("ada", "host")
        await ada.run("tools.ruled.furnish(doc)")
        return ada

    async def watch(
        self, *people: NodeClient, places: list[list[Any]] | None = None
    ) -> dict[NodeClient, str]:
        """From now on these note whatever else they see in these places than now."""
        for person in people:
            self.before[person] = await person.run(
                "return tools.ruled.watch(client, args.places)", places=places or WATCH_LOCKED
            )
        return self.before

    async def nothing_was_seen(self) -> None:
        """Nobody who watches has ever seen anything else than in the beginning."""
        for person in self.before:
            assert await person.field("seen") == [], person.name

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """What a backend is answered about the session."""
        address = f"/ocw/sessions/{self.session.id}{path}"
        response = await self.session.server.request(method, address, **options)
        assert response.is_success, response.text
        return response.json()["data"]


def refusals(kind: str) -> str:
    """A JavaScript expression: what somebody was told of refused edits."""
    if kind.startswith("y-websocket"):
        return "client.denials"
    return "client.stateless.filter(({event}) => event === 'edit-refused').map(told => told.reason)"
