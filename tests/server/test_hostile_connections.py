"""Raw sockets that keep a server waiting, or busy, beside a room that stays served."""

from __future__ import annotations

import asyncio
import base64
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.frames import Frame, Opcode

from server.direct_channel import DirectProtocol
from server.http_protocol import GuardedHttpProtocol
from server.limits.connections import HEAD_BYTES, MOST_FRAGMENTS
from server.security_headers import SECURITY_HEADERS
from tests.helpers.yjs_peer import YjsPeer
from tests.server.served import Served, served

PATIENCE = 20.0
SHORT = {"header_seconds": 0.3, "stall_seconds": 0.3, "keep_alive_seconds": 1}


@dataclass
class Line:
    """A connection on which anything may be said."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    is_websocket: bool = False

    async def say(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server ends the connection, or says that it will."""
        heard = b""
        try:
            async with asyncio.timeout(PATIENCE):
                while data := await self.reader.read(65_536):
                    heard += data
                    if self.is_websocket and close_code(heard):
                        break
        except ConnectionError:
            pass
        return heard

    async def trickle(self, data: bytes = b"x", pause: float = 0.05) -> bytes:
        """Send a little again and again until the server ends the connection; all it said."""

        async def send() -> None:
            while True:
                self.writer.write(data)
                await asyncio.sleep(pause)

        sending = asyncio.create_task(send())
        try:
            return await self.rest()
        finally:
            sending.cancel()


@dataclass
class Scene:
    """A server, with two people in a room who go on editing."""

    server: Served
    ada: YjsPeer
    ben: YjsPeer
    session: Any

    @property
    def limited(self) -> dict[str, int]:
        """What was too much, how often."""
        return self.server.directory.counters.limited

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()

    @asynccontextmanager
    async def socket(self, *, extensions: str = "", path: str = "") -> AsyncIterator[Line]:
        """A new WebSocket, in the room unless it is elsewhere; frames are spoken by hand."""
        url = urlsplit(self.server.url(self.session, self.server.token()))
        target = path or f"{url.path}?{url.query}"
        key = base64.b64encode(os.urandom(16)).decode()
        async with self.line() as line:
            await line.say(
                f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\n"
                f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Key: {key}\r\n{extensions}\r\n".encode()
            )
            head = await line.reader.readuntil(b"\r\n\r\n")
            assert b" 101 " in head, head
            line.is_websocket = True
            yield line

    async def goes_on(self) -> None:
        """Both people edit and see it."""
        count = len(self.ada.objects)
        self.ada.objects[f"a{count}"] = count
        self.ben.objects[f"b{count}"] = count
        await self.ada.until(lambda: f"b{count}" in self.ada.objects)
        await self.ben.until(lambda: f"a{count}" in self.ben.objects)


@asynccontextmanager
async def scene_with(**settings: Any) -> AsyncIterator[Scene]:
    async with served("direct", **{**SHORT, **settings}) as server:
        session = await server.session()
        async with (
            await YjsPeer.join(server.url(session, server.token())) as ada,
            await YjsPeer.join(server.url(session, server.token())) as ben,
        ):
            scene = Scene(server, ada, ben, session)
            await scene.goes_on()
            yield scene
            await scene.goes_on()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with scene_with() as running:
        yield running


def frame(payload: bytes = b"", opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


DEFLATED = b"\xc2" + frame(b"x")[1:]


def close_code(heard: bytes) -> int:
    """The code of the close frame that ends what was heard."""
    position, code = 0, 0
    while position + 2 <= len(heard):
        opcode, length = heard[position] & 15, heard[position + 1] & 127
        position += 2
        if length == 126:
            length, position = int.from_bytes(heard[position : position + 2]), position + 2
        elif length == 127:
            length, position = int.from_bytes(heard[position : position + 8]), position + 8
        if opcode == Opcode.CLOSE:
            code = int.from_bytes(heard[position : position + 2])
        position += length
    return code


# HTTP


async def test_a_connection_that_says_nothing_is_cut(scene: Scene) -> None:
    """CON-2"""
    async with scene.line() as line:
        assert await line.rest() == b""
    assert scene.limited == {"slow_head": 1}


async def test_a_head_that_trickles_is_cut(scene: Scene) -> None:
    """CON-2"""
    async with scene.line() as line:
        await line.say(b"GET /api/health HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert await line.trickle() == b""
    assert scene.limited == {"slow_head": 1}


async def test_a_second_head_that_trickles_is_cut_too(scene: Scene) -> None:
    """CON-2"""
    async with scene.line() as line:
        await line.say(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = await line.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in heard
        await line.say(b"GET /api")
        await line.trickle()
    assert scene.limited == {"slow_head": 1}


async def test_many_that_say_nothing_are_cut_and_their_places_are_free(scene: Scene) -> None:
    """CON-1, CON-2"""
    lines = [await asyncio.open_connection("127.0.0.1", scene.server.port) for _ in range(100)]
    await scene.goes_on()
    for reader, writer in lines:
        with_nothing = Line(reader, writer)
        assert await with_nothing.rest() == b""
        writer.close()
    assert scene.limited == {"slow_head": 100}


async def test_an_idle_connection_is_closed(scene: Scene) -> None:
    async with scene.line() as line:
        await line.say(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await line.rest()
    assert scene.limited == {}


BODY = (
    b"POST /api/ocw/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer %s\r\nContent-Length: 1000\r\n\r\n{"
)


async def test_a_body_that_trickles_is_cut(scene: Scene) -> None:
    """CON-3"""
    async with scene.line() as line:
        await line.say(BODY % scene.server.token().encode())
        assert await line.trickle() == b""
    assert scene.limited == {"slow_body": 1}


async def test_a_body_that_stops_is_cut(scene: Scene) -> None:
    """CON-3"""
    async with scene.line() as line:
        await line.say(BODY % scene.server.token().encode())
        assert await line.rest() == b""
    assert scene.limited == {"slow_body": 1}


async def test_a_body_that_is_missing_behind_another_request_is_cut(scene: Scene) -> None:
    """CON-3"""
    async with scene.line() as line:
        await line.say(
            b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n"
            b"POST /api/auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n"
        )
        assert (await line.rest()).count(b"HTTP/1.1 ") == 1
    assert scene.limited == {"slow_body": 1}


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * HEAD_BYTES + b"\r\n",
        b"a" * (4 * HEAD_BYTES),
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["target", "header", "headers", "noise", "lengths", "smuggling", "version", "tls"],
)
async def test_a_head_that_is_none_is_refused(
    scene: Scene, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """CON-4, HDR-1"""
    async with scene.line() as line:
        await line.say(head)
        heard = await line.rest()
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]
    if heard:  # the rest of what was sent may have cut the answer off
        assert heard.startswith((b"HTTP/1.1 400", b"HTTP/1.1 503", b"HTTP/1.1 200"))
        assert b"x-content-type-options: nosniff" in heard


async def test_a_token_in_the_address_fits(scene: Scene) -> None:
    """CON-4"""
    async with scene.line() as line:
        await line.say(b"GET /api/health?x=" + b"a" * 15_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 " in await line.reader.readuntil(b"\r\n\r\n")


async def test_connections_past_the_most_of_an_address_are_cut() -> None:
    """CON-1"""
    async with (
        scene_with(connections_per_address=4, header_seconds=30.0) as scene,
        scene.line(),
        scene.line() as fourth,
        scene.line() as fifth,
    ):
        assert await fifth.rest() == b""
        assert scene.limited == {"address_connections": 1}
        await fourth.say(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b" 200 " in await fourth.rest()


async def test_a_websocket_gives_its_place_back() -> None:
    """CON-1"""
    async with scene_with(connections_per_address=3) as scene:
        for _ in range(5):
            async with scene.socket() as line:
                await line.say(frame(b"", Opcode.CLOSE))
                await line.rest()
        assert scene.limited == {}


# WebSockets


@pytest.mark.parametrize(
    ("path", "changed", "without", "status"),
    [
        ("/nothing", {}, "", 403),
        ("/api/collab", {"Sec-WebSocket-Version": "12"}, "", 400),
        ("/api/collab", {"Sec-WebSocket-Key": "short"}, "", 400),
        ("/api/collab", {}, "Sec-WebSocket-Key", 400),
        ("/api/collab", {}, "Sec-WebSocket-Version", 400),
    ],
)
async def test_a_handshake_that_is_refused_has_the_headers_of_every_answer(
    scene: Scene, path: str, changed: dict[str, str], without: str, status: int
) -> None:
    """HDR-1"""
    headers = {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        **changed,
    }
    headers.pop(without, None)
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    async with scene.line() as line:
        await line.say("\r\n".join([*lines, "", ""]).encode())
        head, _, body = (await line.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status)
    said = dict(each.lower().split(": ", 1) for each in head.decode().split("\r\n")[1:])
    assert {name: said.get(name.lower()) for name in SECURITY_HEADERS} == {
        name: value.lower() for name, value in SECURITY_HEADERS.items()
    }
    assert said["content-length"] == str(len(body))
    assert "strict-transport-security" not in said


async def test_a_message_that_trickles_ends_in_4503(scene: Scene) -> None:
    """CON-3"""
    async with scene.socket() as line:
        await line.say(frame(bytes(60_000))[:100])
        assert close_code(await line.trickle()) == 4503
    assert scene.limited == {"slow_message": 1}


@pytest.mark.parametrize("size", [1, 2, 4, 8, 14])
async def test_a_header_without_its_payload_ends_in_4503(scene: Scene, size: int) -> None:
    """CON-3"""
    async with scene.socket() as line:
        await line.say((b"\x82\xff" + (1_000_000).to_bytes(8) + b"mask")[:size])
        assert close_code(await line.rest()) == 4503
    assert scene.limited == {"slow_message": 1}


async def test_fragments_that_never_end_end_in_4503(scene: Scene) -> None:
    """CON-3"""
    async with scene.socket() as line:
        await line.say(frame(b"\x00", fin=False))
        heard = await line.trickle(frame(b"", Opcode.CONT, fin=False))
        assert close_code(heard) == 4503
    assert scene.limited == {"slow_message": 1}


async def test_a_flood_of_empty_fragments_ends_in_1009(scene: Scene) -> None:
    """CON-5"""
    async with scene.socket() as line:
        await line.say(frame(b"\x00", fin=False))
        await line.say(frame(b"", Opcode.CONT, fin=False) * (MOST_FRAGMENTS + 10))
        assert close_code(await line.rest()) == 1009
    assert scene.limited == {"fragments": 1}


async def test_a_message_in_some_fragments_arrives(scene: Scene) -> None:
    """CON-5"""
    async with scene.socket() as line:
        parts = [frame(bytes((byte,)), Opcode.CONT, fin=False) for byte in (0, 1)]
        await line.say(frame(b"\x00", fin=False) + parts[0] + parts[1])
        await line.say(frame(b"\x00", Opcode.CONT))
        await asyncio.wait_for(line.reader.readuntil(b"\x00\x01"), PATIENCE)  # a step 2
    assert scene.limited == {}


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG])
async def test_a_flood_of_control_frames_ends_in_4503(scene: Scene, opcode: Opcode) -> None:
    """CON-5"""
    async with scene.socket() as line:
        await line.say(frame(b"x" * 100, opcode) * 2_000)
        assert close_code(await line.rest()) == 4503
    assert scene.limited == {"control_frames": 1}


async def test_control_frames_count_as_messages_of_the_user() -> None:
    """LIM-2"""
    async with scene_with(messages_per_second=10, burst_seconds=2.0) as scene:
        async with scene.socket() as line:
            await line.say(frame(b"", Opcode.PING) * 40)
            assert close_code(await line.rest()) == 4503
        assert scene.limited == {"messages": 1}


async def test_a_ping_is_answered(scene: Scene) -> None:
    async with scene.socket() as line:
        await line.say(frame(b"are you there", Opcode.PING) + frame(b"", Opcode.CLOSE))
        assert b"are you there" in await line.rest()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"\x82\xff" + (1 << 62).to_bytes(8) + b"mask", 1009),
        (b"\x82\xff" + (1 << 63).to_bytes(8) + b"mask", 1009),
        (b"\x82\xff" + (65 << 20).to_bytes(8) + b"mask", 1009),
        (DEFLATED, 1002),
        (frame(b"x")[:1] + b"\x01x", 1002),
        (b"\x83\x80mask", 1002),
        (frame(b"x" * 126, Opcode.BINARY).replace(b"\x82", b"\x89", 1), 1002),
        (frame(b"x", Opcode.CONT), 1002),
    ],
    ids=["2^62", "2^63", "65 MiB", "deflated", "unmasked", "opcode", "long ping", "continued"],
)
async def test_frames_that_are_none_end_the_connection(
    scene: Scene, said: bytes, code: int
) -> None:
    async with scene.socket() as line:
        await line.say(said)
        assert close_code(await line.rest()) == code


async def test_compression_is_not_agreed_to(scene: Scene) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
    async with scene.socket(extensions=offer) as line:
        await line.say(DEFLATED)
        assert close_code(await line.rest()) == 1002


async def test_who_is_not_known_yet_may_send_no_large_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CON-6"""
    async with scene_with(max_frame_bytes=10_000) as scene:
        gate = asyncio.Event()
        with monkeypatch.context() as patch:
            answer: Callable[..., Awaitable[Any]] = scene.server.sessions.standings

            async def after_thinking(*arguments: Any) -> Any:
                await gate.wait()
                return await answer(*arguments)

            patch.setattr(scene.server.sessions, "standings", after_thinking)
            async with scene.socket() as line:
                await line.say(b"\x82\xff" + (1_000_000).to_bytes(8) + b"mask")
                assert close_code(await line.rest()) == 1009
            gate.set()


async def test_who_has_brought_no_token_may_send_no_large_message() -> None:
    """CON-6"""
    async with (
        scene_with(max_frame_bytes=10_000) as scene,
        scene.socket(path="/api/collab") as line,
    ):
        await line.say(b"\x82\xff" + (1_000_000).to_bytes(8) + b"mask")
        assert close_code(await line.rest()) == 1009


async def test_an_answer_that_is_not_read_is_cut(scene: Scene) -> None:
    """CON-3"""
    for number in range(8):
        scene.ada.objects[f"large{number}"] = os.urandom(1_000_000).hex()
    await scene.ben.until(lambda: "large7" in scene.ben.objects)
    reader, writer = await asyncio.open_connection("127.0.0.1", scene.server.port, limit=1024)
    path = f"/api/ocw/sessions/{scene.session}/state?format=yjs"
    token = scene.server.token()
    await Line(reader, writer).say(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE):
        while "slow_body" not in scene.limited:
            await scene.goes_on()
    writer.transport.abort()


async def test_a_connection_that_is_gone_leaves_no_circle_behind(scene: Scene) -> None:
    """Garbage in circles is looked for seldom, and a connection holds kilobytes."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            async with scene.socket() as line:
                await line.say(frame(bytes(60_000))[:100])  # watched, and not finished
                await line.say(frame(b"", Opcode.CLOSE))
            async with scene.line() as line:
                await line.say(BODY % scene.server.token().encode())
        await scene.goes_on()
        while connections_left() > 2 and scene.limited == {}:  # those of ada and ben
            await scene.goes_on()
        assert connections_left() == 2
    finally:
        gc.enable()


def connections_left() -> int:
    """Protocol objects that are in memory."""
    kinds = (GuardedHttpProtocol, DirectProtocol)
    return sum(isinstance(each, kinds) for each in gc.get_objects())
