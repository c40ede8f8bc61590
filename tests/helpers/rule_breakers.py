"""Stock clients of every kind in one session or room with rules, driven by `ruled.mjs` (RUL)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crdt_docs.identifiers import DocumentKind
from tests.helpers.hocuspocus_clients import HocuspocusClients
from tests.helpers.live_documents import LiveDocument
from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.places import Place, made_in
from tests.helpers.server_process import ServerProcess

KINDS = (
    "y-websocket 3.0",
    "y-websocket 3.1",
    "hocuspocus 2",
    "hocuspocus 3",
    "hocuspocus 4",
)
LOCKED = ("l1", "l2", "l3")
WATCH_LOCKED = [["objects", list(LOCKED)]]


class RuledPlace:
    """A session or a room, and whoever is let into it.

    Attributes:
        before: of each who watches, what it saw in the beginning.
    """

    def __init__(
        self, live: LiveDocument, clients: NodeClients, hocuspocus: HocuspocusClients
    ) -> None:
        self.live = live
        self.place: Place = "room" if live.kind is DocumentKind.XR else "session"
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
        invitation = self.live.invite(role, name=name, user_id=user_id)
        name = f"{name} of the {self.place}"  # two places may share a process
        library, _, version = kind.partition(" ")
        if library == "y-websocket":
            return await self._clients.join(name, invitation, version=version)
        socket = await self._hocuspocus.socket(self.live.server.collab_url, int(version))
        return await socket.enter(name, invitation)

    async def furnished(self) -> NodeClient:
        """A host, who has made locked and open objects."""
        ada = await self.enter("ada", "host")
        await ada.run("tools.ruled.furnish(doc, args.place)", place=self.place)
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

    async def objects(self) -> dict[str, Any]:
        """As the server shows them."""
        found: dict[str, Any] = (await self.live.state())["objects"]
        return found

    @property
    def kind_of_object(self) -> str:
        """A type that a schema knows here."""
        return "model" if self.place == "room" else "shape"

    def position_of(self, held: dict[str, Any]) -> dict[str, Any]:
        """Where one of them is, in the plane that everything is furnished in."""
        place = held["transform"]["position"] if self.place == "room" else held["position"]
        return {axis: place[axis] for axis in "xy"}


@dataclass
class Boards:
    """Makes sessions and rooms with stock clients of all kinds."""

    server: ServerProcess
    clients: NodeClients
    hocuspocus: HocuspocusClients

    async def new(self, place: Place, **config: bool) -> RuledPlace:
        """A new one, with what its config says of rules."""
        live = await made_in(self.server, place, **config)
        return RuledPlace(live, self.clients, self.hocuspocus)


def refusals(kind: str) -> str:
    """A JavaScript expression: what somebody was told of refused edits."""
    if kind.startswith("y-websocket"):
        return "client.denials"
    return "client.stateless.filter(({event}) => event === 'edit-refused').map(told => told.reason)"
