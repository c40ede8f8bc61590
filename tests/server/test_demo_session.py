"""The development mode: its session, what it prints, and that it stays on this machine."""

from __future__ import annotations

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from crdt_docs.access import Role
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from persistence.ports import SessionStatus, StorageUnavailable
from server.access_decision import Allowed, decide, decide_access
from server.demo_session import (
    DEMO_FILE,
    DEMO_TOKEN_LIFETIME,
    LoopbackHostOnly,
    demo_lines,
    demo_token,
    ensure_demo_room,
    ensure_demo_session,
)
from server.settings import Settings
from tests.server.token_forge import SECRET, Forge


@pytest.fixture
def forge() -> Forge:
    return Forge()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    secret = SecretStr(SECRET.decode())
    return Settings(data_dir=tmp_path / "data", jwt_secret=secret, dev=True, port=8123)


async def test_the_demo_session_is_the_same_after_a_restart(
    forge: Forge, settings: Settings
) -> None:
    sessions = MemorySessionStore()
    first = await ensure_demo_session(sessions, settings, clock=forge.clock)
    forge.clock.turn(1000)
    assert await ensure_demo_session(sessions, settings, clock=forge.clock) == first
    assert await sessions.get(first.id) == first


@pytest.mark.parametrize("fate", ["ended", "deleted", "in another database"])
async def test_a_demo_session_that_is_over_is_followed_by_a_new_one(
    forge: Forge, settings: Settings, fate: str
) -> None:
    sessions = MemorySessionStore()
    first = await ensure_demo_session(sessions, settings, clock=forge.clock)
    if fate == "ended":
        await sessions.end(first.id, forge.clock())
    elif fate == "deleted":
        await sessions.delete(first.id, forge.clock())
    else:
        sessions = MemorySessionStore()
    second = await ensure_demo_session(sessions, settings, clock=forge.clock)
    assert second.id != first.id
    assert second.status is SessionStatus.ACTIVE
    assert (second.workspace_id, second.host_user_id) == (first.workspace_id, first.host_user_id)
    assert await ensure_demo_session(sessions, settings, clock=forge.clock) == second


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"session_id": 7}', "null"])
async def test_a_damaged_file_is_as_good_as_none(
    forge: Forge, settings: Settings, content: str
) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / DEMO_FILE).write_text(content)
    session = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    kept = json.loads((settings.data_dir / DEMO_FILE).read_text())
    assert kept["session_id"] == str(session.id)


async def test_what_is_kept_is_its_owners_only(forge: Forge, settings: Settings) -> None:
    await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    assert (settings.data_dir / DEMO_FILE).stat().st_mode & 0o777 == 0o600


async def test_nothing_is_kept_of_a_session_that_could_not_be_stored(
    forge: Forge, settings: Settings
) -> None:
    sessions = MemorySessionStore()
    sessions.fail_with = StorageUnavailable("gone")
    with pytest.raises(StorageUnavailable):
        await ensure_demo_session(sessions, settings, clock=forge.clock)
    assert not settings.data_dir.exists()


async def test_everybody_with_a_token_edits_and_the_demo_user_is_host(
    forge: Forge, settings: Settings
) -> None:
    session = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    authenticator = forge.authenticator()
    anybody = await authenticator.authenticate(forge.token())
    assert decide_access(anybody, session, None) == Allowed(Role.EDITOR)
    token = demo_token(settings, session, clock=forge.clock)
    demo = await authenticator.authenticate(token)
    assert decide_access(demo, session, None) == Allowed(Role.HOST)
    assert demo.workspaces == frozenset({session.workspace_id})
    assert demo.expires_at - forge.clock() == DEMO_TOKEN_LIFETIME == timedelta(days=7)


async def test_the_demo_has_a_room_of_its_own_which_outlives_its_sessions(
    forge: Forge, settings: Settings
) -> None:
    demo = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    xr = xr_in_memory(MemoryXrTables())
    first = await ensure_demo_room(xr, demo, settings, clock=forge.clock)
    assert first is not None
    assert await ensure_demo_room(xr, demo, settings, clock=forge.clock) == first
    await xr.sessions.end(first.id, forge.clock())
    second = await ensure_demo_room(xr, demo, settings, clock=forge.clock)
    assert second is not None
    assert (second.room_id, second.id == first.id) == (first.room_id, False)
    room = await xr.rooms.get(first.room_id)
    assert room is not None
    assert (room.created_by, room.is_persistent) == (demo.host_user_id, True)
    await xr.rooms.delete(first.room_id, forge.clock())
    assert await ensure_demo_room(xr, demo, settings, clock=forge.clock) is None


async def test_everybody_with_a_token_edits_the_demo_room(forge: Forge, settings: Settings) -> None:
    demo = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    xr = xr_in_memory(MemoryXrTables())
    session = await ensure_demo_room(xr, demo, settings, clock=forge.clock)
    assert session is not None
    somebody = await forge.authenticator().authenticate(forge.token())
    (standing,) = await xr.sessions.standings([(session.id, somebody.identity.user_id)])
    assert decide(somebody, standing) == Allowed(Role.EDITOR)


async def test_the_lines_show_how_to_get_in(forge: Forge, settings: Settings) -> None:
    session = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    xr = xr_in_memory(MemoryXrTables())
    room = await ensure_demo_room(xr, session, settings, clock=forge.clock)
    assert room is not None
    lines = demo_lines(settings, session, "the-token", room)
    text = "\n".join(lines)
    assert f"http://127.0.0.1:8123/api/ocw/sessions/{session.id}\n" in text
    assert f"ws://127.0.0.1:8123/api/ocw/sessions/{session.id}/ws\n" in text
    assert f"'ws://127.0.0.1:8123/api/ocw/sessions', '{session.id}/ws', doc," in text
    assert "{ params: { token: 'the-token' } })" in text
    link = f"http://127.0.0.1:8123/#session={session.id}&token=the-token"
    room_link = f"http://127.0.0.1:8123/xr.html#session={room.id}&token=the-token"
    assert {link, room_link} <= {line.strip() for line in lines}
    (curl,) = (line for line in lines if "curl" in line)
    assert shlex.split(curl) == [
        "curl",
        "-H",
        "Authorization: Bearer the-token",
        f"http://127.0.0.1:8123/api/ocw/sessions/{session.id}/state",
    ]
    for address in re.findall(r"(?:http|ws)://[^\s']+", text):
        sent = address.partition("#")[0]
        assert "the-token" not in sent, "an address with a token in it would be logged"


async def test_the_lines_fit_ipv6_and_a_token_from_elsewhere(
    forge: Forge, settings: Settings
) -> None:
    session = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    at_ipv6 = settings.model_copy(update={"host": "::1"})
    text = "\n".join(demo_lines(at_ipv6, session, None))
    assert f"http://[::1]:8123/#session={session.id}&token=<token>" in text
    assert "Bearer <token>" in text
    assert "None" not in text


async def test_the_lines_say_https_and_wss_under_tls(forge: Forge, settings: Settings) -> None:
    session = await ensure_demo_session(MemorySessionStore(), settings, clock=forge.clock)
    secured = settings.model_copy(update={"ssl_certfile": Path("both.pem")})
    text = "\n".join(demo_lines(secured, session, "the-token"))
    assert set(re.findall(r"\w+://", text)) == {"https://", "wss://"}


# The guard


async def _page(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("inside")(scope, receive, send)


async def get(host: str | None) -> httpx.Response:
    """Ask the guarded page under a name."""
    transport = httpx.ASGITransport(LoopbackHostOnly(_page))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        request = client.build_request("GET", "/")
        del request.headers["host"]
        if host is not None:
            request.headers["host"] = host
        return await client.send(request)


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80"],
)
async def test_names_of_this_machine_are_answered(host: str) -> None:
    assert (await get(host)).text == "inside"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "localhost@evil.example",
        "192.168.1.2",
        "0.0.0.0",
        "[::]",
        "[::1].evil.example",
        "[localhost]",
        ":8000",
        "",
        None,
    ],
)
async def test_other_names_are_refused(host: str | None) -> None:
    answer = await get(host)
    assert answer.status_code == 403
    assert "inside" not in answer.text


async def handshake(*hosts: bytes, type_: str = "websocket") -> list[str]:
    """The types of what a handshake is answered with."""
    sent: list[Message] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": type_, "headers": [(b"host", host) for host in hosts]}
    await LoopbackHostOnly(app)(scope, receive, send)
    return [message["type"] for message in sent]


async def test_a_socket_of_another_site_is_refused_before_it_opens() -> None:
    assert await handshake(b"localhost:8000") == ["websocket.accept"]
    assert await handshake(b"evil.example") == ["websocket.close"]
    assert await handshake(b"localhost", b"evil.example") == ["websocket.close"]
    assert await handshake() == ["websocket.close"]


async def test_the_lifespan_passes() -> None:
    assert await handshake(type_="lifespan") == ["websocket.accept"]
