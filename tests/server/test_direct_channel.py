"""The direct channel, driven by a transport and a loop that only remember."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request

from server.direct_channel import EXTENSION, FRAMES_AT_ONCE, DirectProtocol
from server.frames import OutgoingFrame
from server.limits.connections import MOST_FRAGMENTS

HANDSHAKE = (
    b"GET /ws?token=x HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


class FakeTransport:
    """Remembers what was written and whether it is read."""

    def __init__(self) -> None:
        self.written = b""
        self.writes = 0
        self.is_read = True
        self.closed = False
        self.aborted = False
        self.is_lost = False  # uvloop's then refuse everything
        self.limits: dict[str, int] = {}

    def write(self, data: bytes) -> None:
        self._check()
        self.writes += 1
        self.written += data

    def _check(self) -> None:
        if self.is_lost:
            raise RuntimeError("unable to perform operation on this; the handler is closed")

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted or self.is_lost

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def set_write_buffer_limits(self, **limits: int) -> None:
        self._check()
        self.limits = limits


class Witness:
    """A receiver that remembers."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.more: list[bool] = []
        self.texts = 0
        self.writable = 0
        self.lost = 0
        self.on_each: Callable[[], object] = lambda: None

    def on_frame(self, frame: bytes, *, more: bool = False) -> None:
        self.frames.append(frame)
        self.more.append(more)
        self.on_each()

    def on_text(self) -> None:
        self.texts += 1

    def on_writable(self) -> None:
        self.writable += 1

    def on_lost(self) -> None:
        self.lost += 1


class Line:
    """A protocol after its handshake, with its fake transport and its witness."""

    def __init__(self, attach_at_once: bool = True) -> None:  # noqa: FBT001, FBT002 - a test's switch
        self.witness = Witness()
        self.attached = asyncio.Event()
        self.may_attach = asyncio.Event()
        if attach_at_once:
            self.may_attach.set()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert (await receive())["type"] == "websocket.connect"
            await send({"type": "websocket.accept"})
            await self.may_attach.wait()
            scope["extensions"][EXTENSION].attach(self.witness)
            self.attached.set()

        config = uvicorn.Config(app, log_config=None, ws_ping_interval=None, ws_max_size=300_000)
        self.protocol = DirectProtocol(config, ServerState(), {})
        self.transport = FakeTransport()
        self.protocol.connection_made(self.transport)  # type: ignore[arg-type]  # a fake
        self.protocol.data_received(HANDSHAKE)

    async def ready(self) -> Line:
        await self.attached.wait()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert self.transport.take().startswith(b"HTTP/1.1 101")
        return self

    def feed(self, data: bytes) -> None:
        self.protocol.data_received(data)


def masked(payload: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


async def test_an_attached_connection_outlives_its_endpoint() -> None:
    line = await Line().ready()
    assert not line.transport.closed
    line.feed(masked(b"hello"))
    assert line.witness.frames == [b"hello"]
    assert not hasattr(line.protocol, "scope")


FIRST = masked(b"first")


@pytest.mark.parametrize("early", [0, 4, len(FIRST)], ids=["nothing", "a part", "a message"])
async def test_what_the_handshake_brought_is_not_kept(
    early: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = seen_requests(monkeypatch)
    line = Line(attach_at_once=False)
    line.feed(FIRST[:early])
    line.may_attach.set()
    await line.ready()
    line.feed(FIRST[early:] + masked(b"second"))
    assert line.witness.frames == [b"first", b"second"]
    is_parser_amid = 0 < early < len(FIRST)
    assert (requests[0]() is not None) == is_parser_amid


def seen_requests(monkeypatch: pytest.MonkeyPatch) -> list[weakref.ref[Request]]:
    """Handshakes that come from now on, while anybody keeps them."""
    seen: list[weakref.ref[Request]] = []
    handle = DirectProtocol.handle_connect

    def handle_connect(self: DirectProtocol, event: Request) -> None:
        seen.append(weakref.ref(event))
        handle(self, event)

    monkeypatch.setattr(DirectProtocol, "handle_connect", handle_connect)
    return seen


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 1000, 65_535, 65_536, 200_000])
async def test_frames_of_every_length_form_arrive(size: int) -> None:
    line = await Line().ready()
    line.feed(masked(b"x" * size) + masked(b"next"))
    assert [len(frame) for frame in line.witness.frames] == [size, 4]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 150])
async def test_frames_arrive_whole_however_they_are_cut(step: int) -> None:
    line = await Line().ready()
    payloads = [b"a" * 3, b"b" * 126, b"", b"c" * 400, b"d" * 125]
    stream = b"".join(map(masked, payloads))
    for start in range(0, len(stream), step):
        line.feed(stream[start : start + step])
    assert line.witness.frames == payloads


async def test_it_is_told_whether_more_was_read_with_a_message() -> None:
    line = await Line().ready()
    line.feed(masked(b"edit") + masked(b"cursor"))
    line.feed(masked(b"edit"))
    line.feed(masked(b"edit") + masked(b"cursor")[:-1])
    assert line.witness.more == [True, False, False, True]


async def test_fragments_control_frames_and_text_go_the_general_way() -> None:
    line = await Line().ready()
    line.feed(
        masked(b"one")
        + masked(b"tw", fin=False)
        + masked(b"ping", Opcode.PING)
        + masked(b"o", Opcode.CONT)
        + masked(b"three")
        + masked(b"text", Opcode.TEXT)
    )
    assert line.witness.frames == [b"one", b"two", b"three"]
    assert line.witness.texts == 1
    assert line.transport.take() == Frame(Opcode.PONG, b"ping").serialize(mask=False)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x82\x03abc", 1002),  # a client must mask
        (b"\xf2\x80\x00\x00\x00\x00", 1002),  # reserved bits
        (b"\x82\xff" + (2**40).to_bytes(8, "big") + b"\x00" * 4, 1009),
    ],
)
async def test_broken_framing_closes_with_the_standards_code(data: bytes, code: int) -> None:
    line = await Line().ready()
    line.feed(data)
    sent = line.transport.take()
    assert sent[0] == 0x88
    assert int.from_bytes(sent[2:4], "big") == code


async def test_one_socket_does_not_hold_up_the_others() -> None:
    line = await Line().ready()
    stream = b"".join(masked(b"%d" % number) for number in range(3 * FRAMES_AT_ONCE))
    line.feed(stream)
    assert len(line.witness.frames) == FRAMES_AT_ONCE
    assert not line.transport.is_read
    line.feed(masked(b"late"))
    await asyncio.sleep(0)
    assert len(line.witness.frames) == 2 * FRAMES_AT_ONCE
    for _ in range(5):
        await asyncio.sleep(0)
    assert line.witness.frames == [b"%d" % n for n in range(3 * FRAMES_AT_ONCE)] + [b"late"]
    assert line.transport.is_read


async def test_a_paused_socket_waits_with_what_it_has() -> None:
    line = await Line().ready()
    line.witness.on_each = line.protocol.pause_reading
    line.feed(b"".join(masked(b"x") for _ in range(FRAMES_AT_ONCE + 5)))
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(line.witness.frames) == FRAMES_AT_ONCE
    assert not line.transport.is_read
    line.witness.on_each = lambda: None
    line.protocol.resume_reading()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(line.witness.frames) == FRAMES_AT_ONCE + 5
    assert line.transport.is_read


async def test_what_came_before_attaching_is_not_lost() -> None:
    line = Line(attach_at_once=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    line.feed(masked(b"early") + masked(b"text", Opcode.TEXT))
    line.may_attach.set()
    await line.ready()
    assert line.witness.frames == [b"early"]
    assert line.witness.texts == 1
    assert line.transport.is_read


async def test_a_peer_that_left_before_attaching_is_reported() -> None:
    line = Line(attach_at_once=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    line.protocol.connection_lost(None)
    line.transport.is_lost = True
    line.may_attach.set()
    await line.attached.wait()
    assert line.witness.lost == 1
    assert line.protocol.is_closing


async def test_writing_to_a_connection_that_is_gone_is_nothing() -> None:
    """Those who are written to after it in the same turn must get theirs."""
    line = await Line().ready()
    line.transport.is_lost = True
    line.protocol.write(OutgoingFrame(b"x"), 1.0)
    assert line.protocol.is_closing


async def test_two_frames_are_one_write() -> None:
    line = await Line().ready()
    edit, cursor, other = (OutgoingFrame(payload) for payload in (b"edit", b"cursor", b"other"))
    before = line.transport.writes
    line.protocol.write_both(edit, cursor, 2.0)
    line.protocol.write_both(edit, other, 3.0)
    assert line.transport.writes == before + 2
    assert line.transport.take() == b"\x82\x04edit\x82\x06cursor\x82\x04edit\x82\x05other"
    assert line.protocol.last_sent == 3.0


async def test_frames_are_written_as_they_are() -> None:
    line = await Line().ready()
    for size in (3, 126, 70_000):
        frame = OutgoingFrame(b"y" * size)
        line.protocol.write(frame, 5.0)
        assert line.transport.take() == Frame(Opcode.BINARY, b"y" * size).serialize(mask=False)
    assert line.protocol.last_sent == 5.0


async def test_backpressure_is_told() -> None:
    line = await Line().ready()
    line.protocol.pause_writing()
    assert line.protocol.is_behind
    line.protocol.resume_writing()
    assert not line.protocol.is_behind
    assert line.witness.writable == 1


async def test_closing_is_said_once_and_then_nothing_is_heard() -> None:
    line = await Line().ready()
    line.protocol.close(4410, "the session has ended")
    line.protocol.close(1012, "again")
    sent = line.transport.take()
    assert int.from_bytes(sent[2:4], "big") == 4410
    assert sent[4:] == b"the session has ended"
    line.feed(masked(b"late"))
    assert line.witness.frames == []
    line.feed(Frame(Opcode.CLOSE, (4410).to_bytes(2, "big")).serialize(mask=True))
    assert line.transport.closed


async def test_a_peer_that_does_not_say_goodbye_is_cut_off() -> None:
    line = await Line().ready()
    line.protocol.close(4503, "too slow")
    timer = line.protocol.close_timer
    assert timer is not None
    timer._run()
    assert line.transport.aborted


async def test_closing_a_lost_connection_is_nothing() -> None:
    line = await Line().ready()
    line.transport.closed = True
    line.protocol.close(1012, "restart")
    assert line.transport.take() == b""


async def test_loss_is_told_once() -> None:
    line = await Line().ready()
    line.protocol.connection_lost(None)
    assert line.witness.lost == 1
    line.protocol.resume_writing()
    assert line.witness.writable == 0


@pytest.mark.parametrize(
    "said",
    [b"", masked(b"part")[:4], masked(b"", Opcode.CLOSE)],
    ids=["nothing", "a part", "goodbye"],
)
async def test_what_is_lost_is_no_garbage_in_a_circle(said: bytes) -> None:
    line = await Line().ready()
    line.feed(said)
    kept = weakref.ref(line.protocol.conn)
    line.protocol.connection_lost(None)
    del line.protocol.conn
    assert kept() is None


async def test_what_was_lost_before_attaching_is_no_garbage_in_a_circle_either() -> None:
    line = Line(attach_at_once=False)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    kept = weakref.ref(line.protocol.conn)
    line.protocol.connection_lost(None)
    line.may_attach.set()
    await line.attached.wait()
    del line.protocol.conn
    assert kept() is None


async def test_a_half_open_connection_is_cut() -> None:
    line = await Line().ready()
    line.protocol.keepalive_timeout()
    assert line.transport.aborted


async def test_rom_8_one_that_is_behind_has_time_to_answer_a_ping() -> None:
    """It has not read it; how long it may stay behind is for the room to say."""
    line = await Line().ready()
    line.protocol.pause_writing()
    line.protocol.keepalive_timeout()
    assert not line.transport.aborted
    assert line.transport.take() == b""
    line.protocol.resume_writing()
    line.protocol.stop_keepalive()
    line.protocol.keepalive_timeout()
    assert line.transport.aborted


async def test_rom_16_one_whose_socket_is_not_read_is_not_taken_for_dead() -> None:
    """Its answer to the ping may be waiting there."""
    line = await Line().ready()
    line.protocol.pause_reading()
    line.protocol.keepalive_timeout()
    assert not line.transport.aborted
    line.protocol.resume_reading()
    line.protocol.stop_keepalive()
    line.protocol.keepalive_timeout()
    assert line.transport.aborted


async def test_a_refused_handshake_offers_nothing() -> None:
    line = Line(attach_at_once=False)
    other = DirectProtocol(line.protocol.config, ServerState(), {})
    transport = FakeTransport()
    other.connection_made(transport)  # type: ignore[arg-type]  # a fake
    other.data_received(HANDSHAKE.replace(b"13\r\n", b"12\r\n"))
    assert transport.written.startswith(b"HTTP/1.1 400")
    line.may_attach.set()
    await line.attached.wait()


# What one connection may do (CON-5)


@pytest.mark.parametrize("cut", [1, 2, 4, 5, 6, 8])
async def test_a_payload_that_looks_like_a_frame_is_none(cut: int) -> None:
    """A header may come alone; what follows is its payload, whatever it begins with."""
    line = await Line().ready()
    payload = masked(b"no frame") * 20
    stream = b"\x82\xfe" + len(payload).to_bytes(2) + bytes(4) + payload
    line.feed(stream[:cut])
    line.feed(stream[cut:])
    line.feed(masked(b"next"))
    assert line.witness.frames == [payload, b"next"]


async def test_a_message_in_too_many_fragments_ends_the_connection() -> None:
    """CON-5"""
    line = await Line().ready()
    line.feed(masked(b"x", fin=False))
    line.feed(masked(b"", Opcode.CONT, fin=False) * (MOST_FRAGMENTS - 1))
    assert line.transport.take() == b""
    line.feed(masked(b"", Opcode.CONT, fin=False))
    assert int.from_bytes(line.transport.take()[2:4]) == 1009
    line.feed(masked(b"", Opcode.CONT, fin=False) * 10)
    assert line.protocol.frames == []


async def test_pings_that_come_faster_than_answers_are_read_are_not_answered() -> None:
    """CON-5"""
    line = await Line().ready()
    line.protocol.pause_writing()
    line.feed(masked(b"one", Opcode.PING))
    assert line.transport.take() == b""
    line.protocol.resume_writing()
    line.feed(masked(b"two", Opcode.PING))
    assert line.transport.take() == Frame(Opcode.PONG, b"two").serialize(mask=False)


async def test_a_flood_of_pings_ends_the_connection() -> None:
    """CON-5"""
    line = await Line().ready()
    line.feed(masked(b"", Opcode.PING) * 1000)
    sent = line.transport.take()
    assert int.from_bytes(sent.partition(b"\x88")[2][1:3]) == 4503
    line.feed(masked(b"", Opcode.PING) * 1000)
    assert line.transport.take() == b""


async def test_a_flood_of_pings_before_anybody_is_known_cuts_the_connection() -> None:
    """CON-5"""
    line = Line(attach_at_once=False)
    line.feed(masked(b"", Opcode.PONG) * 1000)
    assert line.transport.aborted
    line.protocol.connection_lost(None)
    assert not line.attached.is_set()
