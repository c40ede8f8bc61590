"""Whether the process lives, and whether it should be sent clients. Open to everybody."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from server.rest.envelope import success
from server.rest.errors import unavailable
from server.rest.services import Services

VERSION = version("chenu-collab")  # read once: it comes from a file


async def alive(services: Services, request: Request) -> Response:
    """`GET /health`: this process answers."""
    data = {"status": "alive", "version": VERSION}
    return success(request.scope, services.clock, data)


async def ready(services: Services, request: Request) -> Response:
    """`GET /health/ready`: edits are accepted and stored. 503 while they are not."""
    readiness = services.live.readiness()
    data = asdict(readiness)
    if not readiness.is_ready:
        raise unavailable("NOT_READY", "edits cannot be stored at the moment", data)
    return success(request.scope, services.clock, {"status": "ready", **data})
