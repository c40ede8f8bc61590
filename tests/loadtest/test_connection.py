"""One socket of one person: what it counts, what it shows, how it ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt_docs import messages
from loadtest import marks, wire
from loadtest.connection import Connection
from loadtest.measures import Count, Delay, Measures, Totals
from loadtest.seat import Seat
from tests.helpers.certificates import write_certificate
from tests.loadtest.server_frames import server_frame
from tests.loadtest.small_server import SmallServer, refusing_server

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n"
ACCEPTED = UPGRADED + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
STEP2 = messages.sync_step2(b"\x00\x00")


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self.reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def is_reading(self) -> bool:
        return self.reads

    def pause_reading(self) -> None:
        self.reads = False

    def close(self) -> None:
        self.is_closed = True

    abort = close


class Listening:
    """Somebody at a connection; begins to count with the first document."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ends: list[tuple[int, str]] = []
        self.connection: Connection | None = None

    def hear(self, message: bytes) -> None:
        """Keep it."""
        self.heard.append(message)
        if messages.is_step2(message) and self.connection is not None:
            self.connection.count_marks()

    def ended(self, code: int, reason: str) -> None:
        """Keep it."""
        self.ends.append((code, reason))


class Line:
    """A connection whose server is the test."""

    def __init__(self) -> None:
        self.measures = Measures()
        self.measures.begin(0)
        self.listener = Listening()
        self.transport = FakeTransport()
        seat = Seat(7, 0, "localhost", 1, is_tls=False, path="/")
        self.connection = Connection(seat, self.listener, self.measures)
        self.listener.connection = self.connection
        self.connection.connection_made(self.transport)
        self.connection.data_received(ACCEPTED)

    def come(self, *pieces: bytes) -> None:
        """The server sends this."""
        for piece in pieces:
            self.connection.data_received(piece)

    @property
    def totals(self) -> Totals:
        """What was measured until now."""
        return Totals.merge([self.measures.dump()])

    def counted(self, *what: Count) -> list[int]:
        """So many of these."""
        return [self.totals.counts[each.name.lower()] for each in what]


@pytest.fixture
async def line() -> Line:
    """An accepted connection."""
    return Line()


def edit(sender: int, at: int) -> bytes:
    """A frame with an edit of somebody, which was due then."""
    return server_frame(messages.sync_update(marks.mark(sender, 1, at)))


async def test_marks_of_others_count_from_the_document_on(line: Line) -> None:
    now = monotonic_ns()
    old = server_frame(messages.sync_step2(marks.mark(1, 1, now)))
    line.come(edit(1, now), old + edit(2, now) + edit(7, now), edit(3, now))
    assert line.counted(Count.MARKS_SEEN, Count.FRAMES_IN) == [2, 5]


async def test_only_what_was_made_since_somebody_is_there_has_a_delay(line: Line) -> None:
    """What others showed before, a server tells whoever comes: it is not late because of that."""
    before = monotonic_ns() - 10**9
    line.come(server_frame(STEP2), edit(1, before))
    line.come(edit(1, monotonic_ns()), edit(7, monotonic_ns()))
    assert line.counted(Count.MARKS_SEEN) == [2]
    assert line.totals.delays["seen"].count == 1


async def test_sampled_delays_stand_for_all(line: Line) -> None:
    line.come(server_frame(STEP2))
    now = monotonic_ns()
    line.come(b"".join(edit(sender % 5, now) for sender in range(1_003)))
    assert line.counted(Count.MARKS_SEEN) == [1_003]
    assert line.totals.delays["seen"].count == 1_003


async def test_cursors_have_delays_of_their_own(line: Line) -> None:
    line.come(server_frame(STEP2))
    cursor = marks.mark(2, 1, monotonic_ns(), marks.CURSOR)
    line.come(server_frame(messages.awareness_frame(cursor)))
    assert [line.totals.delays[name].count for name in ("cursor", "seen")] == [1, 0]


async def test_of_who_stopped_reading_no_delay_is_measured(line: Line) -> None:
    line.come(server_frame(STEP2))
    line.connection.stop_reading()
    assert not line.transport.reads
    line.come(edit(1, monotonic_ns()))
    assert line.counted(Count.MARKS_SEEN) == [1]
    assert line.totals.delays["seen"].count == 0


SAID = st.sampled_from(
    [
        server_frame(STEP2),
        server_frame(messages.sync_step2(marks.mark(1, 1, 5) * 5)),
        edit(1, 5) * 3,
        edit(7, 5),
        server_frame(messages.awareness(())),
        server_frame(b"", wire.PING),
        server_frame(messages.sync_update(marks.mark(2, 1, 5) * 5_000)),
    ]
)


@given(st.lists(SAID, max_size=8), st.lists(st.integers(0, 100_000)))
def test_however_it_is_cut_the_same_is_counted(said: list[bytes], cuts: list[int]) -> None:
    data = b"".join(said) + server_frame(messages.sync_update(bytes(marks.LENGTH)))
    edges = sorted({0, len(data), *(at % len(data) for at in cuts)})
    pieces = [data[begin:end] for begin, end in pairwise(edges)]
    with asyncio.Runner() as runner:
        assert runner.run(_counts(pieces)) == runner.run(_counts([data]))


async def _counts(pieces: list[bytes]) -> tuple[list[int], list[bytes], bytes]:
    line = Line()
    line.come(*pieces)
    counts = line.counted(Count.FRAMES_IN, Count.MARKS_SEEN, Count.BYTES_IN)
    return counts, line.listener.heard, line.transport.written


async def test_pings_are_answered(line: Line) -> None:
    line.come(server_frame(b"still there?", wire.PING))
    assert line.transport.written == wire.frame(b"still there?", wire.PONG)


async def test_a_goodbye_is_returned_and_told_once(line: Line) -> None:
    line.come(server_frame(b"\x11\x94full", wire.CLOSE))
    line.connection.connection_lost(None)
    assert line.listener.ends == [(4500, "full")]
    assert line.transport.written == wire.close_frame(4500)
    assert line.transport.is_closed
    assert not line.connection.is_open


async def test_an_end_without_a_goodbye_has_no_code(line: Line) -> None:
    line.connection.connection_lost(ConnectionResetError("by the peer"))
    assert line.listener.ends == [(0, "by the peer")]


async def test_fragments_are_one_message(line: Line) -> None:
    line.come(server_frame(b"\x00", wire.FIRST_PART), server_frame(b"\x01", wire.PART))
    line.come(server_frame(b"", wire.PING), server_frame(b"\x00", wire.LAST_PART))
    assert line.listener.heard == [b"\x00\x01\x00"]
    assert line.counted(Count.FRAMES_IN) == [2]


# Over real sockets


@asynccontextmanager
async def connected(
    server: SmallServer, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Connection, Listening]]:
    """Somebody at a server."""
    listener = Listening()
    connection = Connection(server.seat(), listener, Measures())
    await connection.connect(tls)
    try:
        yield connection, listener
    finally:
        await connection.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself."""
    return write_certificate(tmp_path / "tls.pem")


async def test_goodbyes_are_said() -> None:
    async with SmallServer() as server:
        async with connected(server) as (connection, listener):
            assert connection.is_open
            (socket,) = server.sockets
        await socket.wait_closed()
        assert socket.close_code == 1000
        assert listener.ends == [(1000, "")]


async def test_being_cut_is_no_goodbye() -> None:
    async with SmallServer() as server, connected(server) as (connection, listener):
        (socket,) = server.sockets
        connection.cut()
        assert listener.ends == [(0, "cut")]
        await socket.wait_closed()
        assert socket.close_code == 1006


async def test_tls_is_spoken_with_who_is_trusted(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with SmallServer(context) as server:
        async with connected(server, trusting) as (connection, _):
            assert connection.is_open
        with pytest.raises(ssl.SSLCertVerificationError):
            await Connection(server.seat(), Listening(), Measures()).connect()


async def test_who_is_no_websocket_says_so() -> None:
    async with refusing_server() as port:
        seat = Seat(0, 0, "127.0.0.1", port, is_tls=False, path="/")
        with pytest.raises(wire.NotAWebSocket, match="503"):
            await Connection(seat, Listening(), Measures()).connect()


async def test_nobody_there_is_an_error_of_the_system() -> None:
    seat = Seat(0, 0, "127.0.0.1", 1, is_tls=False, path="/")
    with pytest.raises(ConnectionRefusedError):
        await Connection(seat, Listening(), Measures()).connect()


async def test_delays_are_of_the_right_kind(line: Line) -> None:
    line.come(server_frame(STEP2))
    line.come(edit(1, monotonic_ns()))
    assert [name for name, each in line.totals.delays.items() if each.count] == [
        Delay.SEEN.name.lower()
    ]
