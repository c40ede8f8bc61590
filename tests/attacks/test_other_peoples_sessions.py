"""Reaching into a session or a room that is not one's own: every operation that there is, and every
socket.

The operations are those of the OpenAPI document, so that a new one is tried without anybody
thinking of it. What is in there, and who, must not show in any answer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.attacks.neighbours import Neighbours
from tests.attacks.sockets import ending
from tests.helpers.live_rooms import live_room
from tests.helpers.server_process import LiveSession, ServerProcess, mint
from tests.helpers.yjs_peer import YjsPeer, step1, step2, var_bytes
from tests.server.described import described

SETTINGS = {
    "COLLAB_AUTH_PER_MINUTE": "10000",
    "COLLAB_WRITES_PER_MINUTE": "10000",
    "COLLAB_CONNECTIONS_PER_USER": "100",
}

OPERATIONS = described().operations
WITH_TOKEN = [label for label in OPERATIONS if "security" in OPERATIONS[label]]
PLACES = ("{session_id}", "{room_id}", "{xr_session_id}")
INSIDE = [label for label in WITH_TOKEN if any(place in label for place in PLACES)]
ELSEWHERE = [label for label in OPERATIONS if label not in INSIDE]

CANARY = "the words that nobody else may read"
WORKSPACE = str(uuid4())


@dataclass(frozen=True, slots=True)
class Victim:
    """A session and a room with something of everything.

    Attributes:
        ids: what goes into the paths of operations, by the name of the parameter.
        secrets: what no answer to a stranger may hold.
        before: all of that, as it has to stay.
    """

    session: LiveSession
    ids: dict[str, str]
    secrets: tuple[str, ...]
    before: dict[str, Any]
    person: UUID

    async def now(self) -> dict[str, Any]:
        """The document, the room, and who is in it."""
        room, session = self.ids["room_id"], self.ids["xr_session_id"]
        found = {"document": await self.session.state()}
        for path in (
            f"/xr/rooms/{room}",
            f"/xr/rooms/{room}/members",
            f"/xr/sessions/{session}/participants",
        ):
            answer = await self.session.server.request("GET", path)
            assert answer.is_success, answer.text
            found[path] = answer.json()["data"]
        return found


async def _made(server: ServerProcess, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await server.request("POST", path, json=body)
    assert answer.is_success, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def _made_room(server: ServerProcess, person: UUID) -> dict[str, str]:
    """A room that somebody is in; what goes into the paths of operations."""
    body = {"workspace_id": WORKSPACE, "name": CANARY, "room_type": "meeting"}
    room = (await _made(server, "/xr/rooms", body))["id"]
    session = (await _made(server, f"/xr/rooms/{room}/sessions", {}))["id"]
    token = mint(person, grants={f"xr/{room}": "editor"})
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        avatar = {"avatar_name": CANARY}
        worn = (await client.post(f"{server.api}/xr/avatars", json=avatar)).json()["data"]["id"]
        coming = {"device_type": "mobile", "avatar_id": worn}
        joined = await client.post(f"{server.api}/xr/sessions/{session}/join", json=coming)
        assert joined.is_success, joined.text
    return {"room_id": room, "xr_session_id": session, "avatar_id": worn}


@pytest.fixture
async def victim(server: ServerProcess) -> Victim:
    person = uuid4()
    body = {"workspace_id": WORKSPACE, "session_type": "whiteboard"}
    session = LiveSession(server, (await _made(server, "/ocw/sessions", body))["id"])
    path = f"/ocw/sessions/{session.id}"
    sticky = {"object_type": "sticky", "properties": {"text": CANARY}}
    annotation = {"annotation_type": "comment", "content": CANARY}
    async with await YjsPeer.join(
        session.invite("host", user_id=person, name=f"{CANARY}, said somebody").url
    ) as peer:
        peer.objects["of a client"] = CANARY
        await peer.sent()
        board = await _made(server, f"{path}/objects", sticky)
        comment = await _made(server, f"{path}/annotations", annotation)
        snapshot = await _made(server, f"{path}/snapshots", {"label": CANARY})
    peer.forget()
    ids = {
        "session_id": session.id,
        "object_id": board["id"],
        "annotation_id": comment["id"],
        "snapshot_id": str(snapshot["id"]),
        "user_id": str(person),
        **await _made_room(server, person),
    }
    secrets = (CANARY, board["id"], comment["id"], ids["avatar_id"], str(person))
    victim = Victim(session, ids, secrets, {}, person)
    return replace(victim, before=await victim.now())


def _strangers(victim: Victim, own: LiveSession) -> dict[str, str]:
    """Tokens of people who have no business there, by who they are."""
    mine = {f"ocw/{own.id}": "host"}
    near = {f"ocw/{victim.session.id.upper()[:-1]}0": "host", f"ocw/{victim.session.id}x": "host"}
    others = {f"xr/{victim.session.id}": "host", f"thread/{victim.session.id}": "host", "*": "host"}
    room, inside = victim.ids["room_id"], victim.ids["xr_session_id"]
    crossed = {f"ocw/{room}": "host", f"xr/{inside}": "host", f"ocw/{inside}": "host"}
    return {
        "a stranger": mint(uuid4()),
        "the host of another session": mint(uuid4(), grants=mine),
        "somebody with grants that only look right": mint(uuid4(), grants={**near, **others}),
        "somebody with grants for what is none": mint(uuid4(), grants=crossed),
        "an agent": mint(uuid4(), kind="agent"),
        "a member of the workspace": mint(uuid4(), workspaces=[WORKSPACE]),
        "a service of another workspace": mint(uuid4(), is_service=True, workspaces=[str(uuid4())]),
        "a service of no workspace": mint(uuid4(), is_service=True, workspaces=[]),
    }


async def _sent(
    server: ServerProcess, label: str, ids: dict[str, str], token: str
) -> httpx.Response:
    method, path = label.split(" ")
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    while "{" in path:  # of something else than sessions
        start = path.index("{")
        path = path[:start] + str(uuid4()) + path[path.index("}") + 1 :]
    options: dict[str, Any] = {}
    if "requestBody" in OPERATIONS[label]:
        options["json"] = described().example_of_body(OPERATIONS[label])
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=30.0, headers=headers) as client:
        return await client.request(method, server.api + path, **options)


def _says(answer: httpx.Response, victim: Victim) -> list[str]:
    """What it gives away, beyond what was asked with."""
    asked = str(answer.request.url)
    told = answer.text + str(answer.headers)
    return [secret for secret in victim.secrets if secret in told and secret not in asked]


@pytest.fixture
async def own(server: ServerProcess) -> LiveSession:
    return await server.create_session()


async def test_no_operation_of_a_session_or_room_is_open_to_others(
    server: ServerProcess, neighbours: Neighbours, victim: Victim, own: LiveSession
) -> None:
    for who, token in _strangers(victim, own).items():
        for label in INSIDE:
            answer = await _sent(server, label, victim.ids, token)
            assert answer.status_code in (401, 403, 404), (who, label, answer.text)
            assert _says(answer, victim) == [], (who, label)
    assert await victim.now() == victim.before


async def test_no_operation_is_open_without_a_token(
    server: ServerProcess, neighbours: Neighbours, victim: Victim
) -> None:
    for label in WITH_TOKEN:
        answer = await _sent(server, label, victim.ids, "")
        assert answer.status_code == 401, (label, answer.text)
        assert _says(answer, victim) == [], label
    assert await victim.now() == victim.before


async def test_operations_beside_sessions_give_nothing_away(
    server: ServerProcess, neighbours: Neighbours, victim: Victim, own: LiveSession
) -> None:
    for who, token in _strangers(victim, own).items():
        for label in ELSEWHERE:
            answer = await _sent(server, label, victim.ids, token)
            assert answer.status_code < 500 or answer.status_code in (501, 503), (who, label)
            if "/governance/" in label and "service" in who:
                # It reads the trail of its own workspaces, in which nothing has happened.
                assert answer.json()["data"]["items"] == [], (who, label)
            elif "/privacy/" in label or "/governance/" in label:
                assert answer.status_code in (400, 401, 403), (who, label)
            assert _says(answer, victim) == [], (who, label)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
            for path, query in (
                ("/ocw/search", {"q": CANARY}),
                ("/ocw/search", {"q": "nobody", "session_id": victim.session.id}),
                ("/ocw/sessions", {"workspace_id": WORKSPACE}),
                ("/xr/rooms", {"workspace_id": WORKSPACE}),
                ("/xr/avatars", {}),
            ):
                answer = await client.get(server.api + path, params=query)
                assert _says(answer, victim) == [], (who, path)
                assert victim.session.id not in answer.text or "session_id" in query, (who, path)
    assert await victim.now() == victim.before


async def test_no_id_of_another_session_helps_in_ones_own(
    server: ServerProcess, neighbours: Neighbours, victim: Victim, own: LiveSession
) -> None:
    """A host asks in a session and a room of its own for what another one holds."""
    room = await live_room(server)
    host = mint(uuid4(), grants={f"ocw/{own.id}": "host", f"xr/{room.id}": "host"})
    ids = {**victim.ids, "session_id": own.id, "room_id": room.id}
    for label in INSIDE:
        if label.count("{") == 2:
            answer = await _sent(server, label, ids, host)
            # Deleting and changing who takes part is asked for somebody; that is no secret.
            assert _says(answer, victim) == [], label
            assert answer.status_code in (400, 404) or "{user_id}" in label, (label, answer.text)
    assert await victim.now() == victim.before


async def test_no_socket_is_open_to_others(
    server: ServerProcess, neighbours: Neighbours, victim: Victim, own: LiveSession
) -> None:
    for who, token in _strangers(victim, own).items():
        closed = await ending(
            victim.session.invite_with(token).url, [step1(b"\x00"), step2(b"\x00\x00")]
        )
        assert closed.code in (4401, 4403, 4404), who
        assert closed.frames == (), who
        assert CANARY not in closed.reason, who
    assert await victim.now() == victim.before


async def _heard(server: ServerProcess, frames: list[bytes]) -> list[bytes]:
    """What a socket for many documents sends to somebody who says all this."""
    heard: list[bytes] = []
    address = server.socket_base.removesuffix("/ocw/sessions") + "/collab"
    async with connect(address, compression=None, ping_interval=None) as connection:
        with suppress(ConnectionClosed, TimeoutError):
            for frame in frames:
                await connection.send(frame)
            while True:
                heard.append(await asyncio.wait_for(connection.recv(decode=False), 0.3))
    return heard


async def test_no_address_of_a_hocuspocus_socket_is_open_to_others(
    server: ServerProcess, neighbours: Neighbours, victim: Victim, own: LiveSession
) -> None:
    """Also not behind one that is open: each is asked for by itself."""
    session = victim.session.id
    mine = mint(uuid4(), grants={f"ocw/{own.id}": "host"})
    for address in (f"ocw/{session}", f"ocw/{session}\0one", f"ocw/{session.upper()}"):
        head = var_bytes(address.encode())
        asked = [head + step1(b"\x00"), head + b"\x03", head + step2(b"\x00\x00")]
        for token in (mine, mint(uuid4(), is_service=True, workspaces=[])):
            said = [head + b"\x02\x00" + var_bytes(token.encode())]
            own_head = var_bytes(f"ocw/{own.id}".encode())
            opened = [own_head + b"\x02\x00" + var_bytes(mine.encode())]
            for frames in ([*said, *asked], [*asked, *said], [*opened, *said, *asked]):
                for frame in await _heard(server, frames):
                    assert CANARY.encode() not in frame
                    if frame.startswith(head):
                        kind, sub = frame[len(head) : len(head) + 2]
                        assert kind in (2, 7, 8), frame
                        assert kind != 2 or sub != 2, "it was let in"
    assert await victim.now() == victim.before


SHAPES = (
    "{id}/../{own}/ws",
    "{own}/../{id}/ws",
    "{own}/ws/../../{id}/ws",
    "{own}%2f..%2f{id}/ws",
    "{id}%00/ws",
    "{id}/ws/",
    "//{id}/ws",
    "{id};{own}/ws",
    "{upper}/ws",
    "{{{id}}}/ws",
    "urn:uuid:{id}/ws",
    "{hex}/ws",
)


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_spelling_of_a_socket_path_leads_into_another_session(
    server: ServerProcess, victim: Victim, own: LiveSession, shape: str
) -> None:
    session = victim.session.id
    token = mint(uuid4(), grants={f"ocw/{own.id}": "host"})
    path = shape.format(id=session, own=own.id, upper=session.upper(), hex=session.replace("-", ""))
    try:
        closed = await ending(f"{server.socket_base}/{path}?token={token}")
    except InvalidHandshake:
        return  # there is nothing at such a path
    assert closed.code in (4403, 4404)
    assert closed.frames == ()
