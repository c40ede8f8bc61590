"""People who make XR rooms by REST, and what is in them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx

from crdt_docs.access import Role
from tests.server.clocks import NOON
from tests.server.rest_client import Api, Caller

ROOMS = "/api/xr/rooms"
SESSIONS = "/api/xr/sessions"

Json = dict[str, Any]


def data_of(answer: httpx.Response, status: int = 200) -> Json:
    """What a successful answer says."""
    assert answer.status_code == status, answer.text
    data: Json = answer.json()["data"]
    return data


def items_of(answer: httpx.Response) -> list[Json]:
    """The items of a page."""
    items: list[Json] = data_of(answer)["items"]
    return items


def room_body(somebody: Caller, **more: Any) -> Json:
    """A body that makes a room where somebody works."""
    wanted = {"workspace_id": str(somebody.workspace), "name": "Atelier", "room_type": "meeting"}
    return {**wanted, **more}


async def make_room(somebody: Caller, **body: Any) -> Json:
    """A new room of somebody's."""
    return data_of(await somebody.post(ROOMS, json=room_body(somebody, **body)), 201)


def at_room(room: Json, more: str = "") -> str:
    """The path of a room, or of something in it."""
    return f"{ROOMS}/{room['id']}{more}"


async def start(room: Json, somebody: Caller) -> Json:
    """A new session in a room."""
    return data_of(await somebody.post(at_room(room, "/sessions")), 201)


def at_session(session: Json, more: str = "") -> str:
    """The path of a session, or of something in it."""
    return f"{SESSIONS}/{session['id']}{more}"


async def give_role(api: Api, room: Json, to: Caller, role: Role, *, removed: bool = False) -> None:
    """Make somebody a member of a room, or take them out."""
    members, room_id = api.services.xr.members, UUID(room["id"])
    assert await members.put(room_id, to.user_id, role, NOON) is not None
    if removed:
        await members.remove(room_id, to.user_id, NOON)
