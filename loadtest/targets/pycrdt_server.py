"""`python -m loadtest.targets.pycrdt_server PORT`: pycrdt-websocket under uvicorn, on loopback.

As its documentation has it: an ASGI app, no store; uvloop. Without its own handler of exceptions
the first client that leaves while it is sent something would end the process.
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from pycrdt.websocket import ASGIServer, WebsocketServer, exception_logger


async def serve(port: int) -> None:
    """Serve until told to stop."""
    rooms = WebsocketServer(exception_handler=exception_logger)
    config = uvicorn.Config(
        ASGIServer(rooms), "127.0.0.1", port, log_level="warning", access_log=False
    )
    async with rooms:
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
