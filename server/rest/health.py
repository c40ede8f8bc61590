"""Whether the process lives, and whether it should be sent clients. Open to everybody."""

from __future__ import annotations

from dataclasses import asdict
from importlib.metadata import version
from typing import Literal

from starlette.responses import Response
from typing_extensions import TypedDict

from server.rest.descriptions import described
from server.rest.endpoint import resource_router
from server.rest.envelope import Envelope, Reply
from server.rest.errors import ErrorKind, refuses, unavailable
from server.rest.services import ServicesOf

VERSION = version("chenu-collab")  # read once: it comes from a file

NOT_READY = ErrorKind(503, "NOT_READY", "edits cannot be stored at the moment")

router = resource_router("Health")


@described({"status": "alive", "version": VERSION})
class Alive(TypedDict):
    """This process answers."""

    status: Literal["alive"]
    version: str


@described(
    {
        "status": "ready",
        "database": True,
        "backlog_bytes": 0,
        "backlog_full": False,
        "rooms": 2,
        "connections": 5,
    }
)
class Ready(TypedDict):
    """Edits are accepted and stored."""

    status: Literal["ready"]
    database: bool
    backlog_bytes: int
    backlog_full: bool
    rooms: int
    connections: int


@router.get("/health", response_model=Envelope[Alive])
async def alive(reply: Reply) -> Response:
    """Whether this process answers."""
    return reply(Alive(status="alive", version=VERSION))


@router.get("/health/ready", response_model=Envelope[Ready])
@refuses(NOT_READY)
async def ready(services: ServicesOf, reply: Reply) -> Response:
    """Whether edits are accepted and stored."""
    readiness = services.live.readiness()
    if not readiness.is_ready:
        raise unavailable(NOT_READY, details=asdict(readiness))
    return reply(
        Ready(
            status="ready",
            database=readiness.database,
            backlog_bytes=readiness.backlog_bytes,
            backlog_full=readiness.backlog_full,
            rooms=readiness.rooms,
            connections=readiness.connections,
        )
    )
