"""`python -m benchmarks.headset_relay PORT`: what the pose lane is compared with.

The smallest server that shows people to one another: websockets on uvloop, each message goes to
everybody as it comes. No document, no room, no token, and nobody is ever sent less.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve


async def relay(port: int) -> None:
    """Serve until the process ends."""
    people: set[ServerConnection] = set()

    async def pass_on(person: ServerConnection) -> None:
        people.add(person)
        try:
            async for message in person:
                broadcast(people, message)
        finally:
            people.discard(person)

    async with serve(pass_on, "127.0.0.1", port, compression=None) as server:
        await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(relay(int(sys.argv[1])))
