"""Rooms of this server, made by REST with a service's token, and places in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

import httpx

from loadtest.plan import Plan
from loadtest.seat import Seat
from loadtest.targets.target import CannotRun, Casting

SERVICE = "service"
"""Role of somebody who comes with a service's token."""

REST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Room:
    """One room.

    Attributes:
        document: as grants name it.
        session: of OCW, or that of the XR room.
        socket: path of its WebSocket.
    """

    document: str
    session: str
    socket: str


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a token is for, what for, and for how many seconds."""

    user: UUID
    name: str
    grants: Mapping[str, str]
    seconds: float


class Issuer(Protocol):
    """Who gives people their tokens."""

    def __call__(self, person: Person) -> str:
        """
        Raises:
            CannotRun: there is none to be had.
        """


class Rest:
    """REST of this server, as a service.

    Args:
        url: `http://host:port`, without the path.
    """

    def __init__(self, url: str, service_token: str) -> None:
        self._api = f"{url}/api"
        headers = {"Authorization": f"Bearer {service_token}"}
        self._client = httpx.Client(headers=headers, timeout=REST_SECONDS)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def get(self, path: str) -> Any:
        """The data of an answer.

        Raises:
            CannotRun: there was none, or a refusal.
        """
        return self._data("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The same of a POST."""
        return self._data("POST", path, body)

    def _data(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        try:
            answer = self._client.request(method, self._api + path, json=body)
        except httpx.HTTPError as error:
            raise CannotRun(f"{method} {self._api}{path}: {error}") from error
        if not answer.is_success:
            raise CannotRun(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()["data"]


def open_rooms(rest: Rest, plan: Plan, scenario: Casting) -> list[Room]:
    """New rooms, all of one workspace."""
    workspace = str(uuid4())
    make = _xr_room if scenario.kind == "xr" else _ocw_session
    return [make(rest, workspace, f"{plan.scenario} {number}") for number in range(plan.documents)]


def _ocw_session(rest: Rest, workspace: str, _name: str) -> Room:
    body = {"workspace_id": workspace, "session_type": "whiteboard"}
    session = rest.post("/ocw/sessions", body)["id"]
    return Room(f"ocw/{session}", session, f"/api/ocw/sessions/{session}/ws")


def _xr_room(rest: Rest, workspace: str, name: str) -> Room:
    body = {"workspace_id": workspace, "name": name, "room_type": "meeting"}
    room = rest.post("/xr/rooms", body)["id"]
    session = rest.post(f"/xr/rooms/{room}/sessions", {})["id"]
    return Room(f"xr/{room}", session, f"/api/xr/sessions/{session}/ws")


def seats_in(
    rooms: list[Room],
    plan: Plan,
    scenario: Casting,
    *,
    url: str,
    issue: Issuer,
    service_token: str,
) -> list[Seat]:
    """Places of people and witnesses. Everybody is a user with a token of its own for each meeting,
    since what this server counts and limits it does by user."""
    users = [uuid4() for _ in range(plan.at_once)]
    seats = []
    for place in range(plan.seats):
        number, room = plan.number_of(place), rooms[plan.room_of(place)]
        # Those who look after the room, too, may write: one of them prepares it.
        role = scenario.role(number // plan.rooms) if number < plan.people else "editor"
        grants = {} if role == SERVICE else {room.document: role}
        person = Person(users[number], f"Person {number}", grants, plan.token_seconds)
        token = service_token if role == SERVICE else issue(person)
        seats.append(_seat(place, room, plan, url, token))
    return seats


def _seat(place: int, room: Room, plan: Plan, url: str, token: str) -> Seat:
    parts = urlsplit(url)
    is_tls = parts.scheme == "https"
    return Seat(
        number=plan.number_of(place),
        room=plan.room_of(place),
        host=parts.hostname or "",
        port=parts.port or (443 if is_tls else 80),
        is_tls=is_tls,
        path=f"{room.socket}?{urlencode({'token': token, 'ack': '1'})}",
        acknowledges=True,
        api=f"{url}/api",
        token=token,
        session=room.session,
        is_xr=room.document.startswith("xr/"),
    )
