"""Everybody has the same document: clients, server and database."""

from __future__ import annotations

import asyncio
import json

from pycrdt import get_state

from tests.helpers.live_documents import LiveDocument
from tests.helpers.node_clients import NodeClient
from tests.helpers.yjs_peer import PATIENCE, YjsPeer, contents, decode_state_vector

Client = NodeClient | YjsPeer


async def agree(place: LiveDocument, *clients: Client) -> None:
    """Wait until clients, server and stored log hold the same.

    Raises:
        AssertionError: they still do not after a while; says who has what.
    """
    async with asyncio.timeout(PATIENCE + 5):
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            copies = [await _update(client) for client in clients]
            copies.append(await place.update())
            copies.append(await place.stored())
            if len({_clocks(copy) for copy in copies}) == 1:
                seen = {_contents(copy) for copy in copies}
                if len(seen) == 1:
                    break
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(
                    "no agreement: " + "\n".join(str(contents(copy))[:1000] for copy in copies)
                )
            await asyncio.sleep(0.01)
    await _agree_as_seen(*clients)


async def _agree_as_seen(*clients: Client) -> None:
    """The same encoded document must also look the same to all who use the same library."""
    seen = [await client.contents() for client in clients if isinstance(client, NodeClient)]
    assert all(one == seen[0] for one in seen)


async def _update(client: Client) -> bytes:
    return client.update() if isinstance(client, YjsPeer) else await client.update()


def _clocks(update: bytes) -> frozenset[tuple[int, int]]:
    """Which edits a copy holds: equal for equal copies, and much faster to tell."""
    clocks = decode_state_vector(get_state(update))
    return frozenset(clocks.items())


def _contents(update: bytes) -> str:
    """What a copy looks like: tells whether the same deletions have come, too."""
    return json.dumps(contents(update), sort_keys=True, default=repr)
