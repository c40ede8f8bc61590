"""Many WebSocket clients in this process: one loop over epoll, no task or callback per message."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, monotonic_ns
from typing import Self

from benchmarks import markers
from benchmarks.dialects import Dialect
from loadtest import wire

READ_SIZE = 1 << 18
SKIPPED_FROM = 4 << 20
"""A frame of this size is a whole document, not traffic: it is counted, not kept."""

AT_A_TIME = 64
"""Handshakes under way at once."""

HEAD = 32
"""Bytes of such a frame that are looked at."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Where one client connects.

    Attributes:
        number: of the person, unique in a run.
        room: index of its room in the run.
    """

    number: int
    room: int
    port: int
    path: str
    dialect: Dialect


class Connection:
    """One client."""

    __slots__ = (
        "_inbox",
        "_outbox",
        "_own_tag",
        "_skipping",
        "acknowledged",
        "bytes_received",
        "closed",
        "connected_at",
        "fd",
        "frames_received",
        "is_open",
        "kept",
        "marks_received",
        "on_acknowledged",
        "own_marks_received",
        "ready_at",
        "seat",
        "sock",
    )

    def __init__(self, seat: Seat) -> None:
        self.seat = seat
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.sock.settimeout(0.0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self.sock.fileno()
        self.is_open = False
        self.ready_at: float | None = None
        self.connected_at = monotonic()
        self.closed: str | None = None
        self.acknowledged = 0
        self.on_acknowledged: Callable[[int, int], None] | None = None
        self.frames_received = 0
        self.bytes_received = 0
        self.marks_received = 0
        self.own_marks_received = 0
        self.kept: bytearray | None = None
        self._inbox = bytearray()
        self._outbox = bytearray(wire.upgrade_request("127.0.0.1", seat.port, seat.path))
        self._own_tag = markers.tag(seat.number)
        self._skipping = 0

    def connect(self) -> None:
        """Begin; the loop hears when it is through."""
        code = self.sock.connect_ex(("127.0.0.1", self.seat.port))
        if code not in (0, errno.EINPROGRESS):
            self.closed = errno.errorcode[code]

    # Sending

    def send(self, frame: bytes) -> bool:
        """Send a frame; returns whether something is left for when the socket takes more."""
        if not self._outbox:
            try:
                sent = self.sock.send(frame)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                self.closed = str(error)
                return False
            if sent == len(frame):
                return False
            frame = frame[sent:]
        self._outbox += frame
        return True

    def flush(self) -> bool:
        """Send what is left; returns whether something still is."""
        if self._outbox:
            with contextlib.suppress(BlockingIOError):
                del self._outbox[: self.sock.send(self._outbox)]
        return bool(self._outbox)

    # Receiving

    def read(self) -> tuple[bytes | bytearray, int]:
        """Take what has arrived; returns (bytes of whole frames, how many marks they hold)."""
        try:
            data: bytes | bytearray = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return b"", 0
        except OSError as error:
            self.closed = str(error)
            return b"", 0
        if not data:
            self.closed = self.closed or "end of stream"
            return b"", 0
        self.bytes_received += len(data)
        if self._skipping:
            skipped = min(self._skipping, len(data))
            self._skipping -= skipped
            data = data[skipped:]
        if self._inbox:
            self._inbox += data
            data = self._inbox
        end = self._take_frames(data) if self.is_open else self._take_handshake(data)
        whole = data[:end]
        if data is self._inbox:
            del self._inbox[:end]
        else:
            self._inbox += data[end:]
        marks = whole.count(markers.MARK)
        if marks:
            self.marks_received += marks
            self.own_marks_received += whole.count(self._own_tag)
            if self.kept is not None:
                self.kept += whole
        return whole, marks

    def _take_handshake(self, data: bytes | bytearray) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            self.closed = bytes(data[:40]).decode("ascii", "replace")
            return len(data)
        self.is_open = True
        for message in self.seat.dialect.opening():
            self.send(wire.frame(message))
        return end + 4 + self._take_frames(data[end + 4 :])

    def _take_frames(self, data: bytes | bytearray) -> int:
        """Walk over whole frames; returns where the first one that is not whole begins."""
        position, size = 0, len(data)
        must_look = self.ready_at is None or self.on_acknowledged is not None
        while position + 2 <= size:
            length = data[position + 1]
            start = position + 2
            if length >= 126:
                header = wire.read_header(data, position)
                if header is None:
                    break
                start, length = header
            end = start + length
            if length >= SKIPPED_FROM and size >= start + HEAD:
                self._look(data[position], data[start : start + HEAD])
                self.frames_received += 1
                self._skipping = max(end - size, 0)
                position = min(end, size)
                continue
            if end > size:
                break
            if must_look or data[position] != wire.BINARY:
                self._look(data[position], data[start:end])
            self.frames_received += 1
            position = end
        return position

    def _look(self, kind: int, payload: bytes | bytearray) -> None:
        if kind == wire.PING:
            self.send(wire.frame(bytes(payload), wire.PONG))
        elif kind == wire.CLOSE:
            self.closed = f"{int.from_bytes(payload[:2], 'big')} {bytes(payload[2:]).decode()}"
        else:
            self._look_at_message(payload)

    def _look_at_message(self, payload: bytes | bytearray) -> None:
        dialect = self.seat.dialect
        sync_type = dialect.sync_type(payload)
        if sync_type == 0:
            self.send(wire.frame(dialect.answer()))
        elif sync_type == 1 and self.ready_at is None:
            self.ready_at = monotonic()
        elif (count := dialect.stored_count(payload)) is not None:
            self.acknowledged = count
            if self.on_acknowledged is not None:
                self.on_acknowledged(count, monotonic_ns())


MarksListener = Callable[[Connection, bytes | bytearray, int, int], None]
"""Called with who received, the bytes, the marks in them, and when (monotonic nanoseconds)."""


class Swarm:
    """Connections and the loop that serves them."""

    def __init__(self) -> None:
        self.connections: dict[int, Connection] = {}
        self.failed: list[Connection] = []
        self.on_marks: MarksListener | None = None
        self._epoll = select.epoll()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections.values():
            connection.sock.close()
        self.connections.clear()
        self._epoll.close()

    def start(self, seat: Seat) -> Connection:
        """Begin to connect somebody."""
        connection = Connection(seat)
        connection.connect()
        self.connections[connection.fd] = connection
        self._epoll.register(connection.fd, select.EPOLLIN | select.EPOLLOUT)
        return connection

    def connect(self, seats: Sequence[Seat], *, seconds: float = 60.0) -> list[Connection]:
        """Connect everybody, one of each room before its others; in the order of their numbers.

        Raises:
            TimeoutError: somebody did not get the document in time.
            ConnectionError: somebody was turned away.
        """
        firsts = {seat.room: seat for seat in reversed(seats)}
        others = [seat for seat in seats if firsts[seat.room] is not seat]
        deadline = monotonic() + seconds
        started = self._connect_all(firsts.values(), deadline)
        started += self._connect_all(others, deadline)
        for each in started:
            if each.closed is not None:
                raise ConnectionError(f"a client was turned away: {each.closed}")
        return sorted(started, key=lambda each: each.seat.number)

    def _connect_all(self, seats: Iterable[Seat], deadline: float) -> list[Connection]:
        waiting = list(reversed(list(seats)))
        coming: list[Connection] = []
        started: list[Connection] = []
        while waiting or coming:
            while waiting and len(coming) < AT_A_TIME:
                coming.append(self.start(waiting.pop()))
                started.append(coming[-1])
            self.poll(0.1)
            coming = [each for each in coming if each.ready_at is None and each.closed is None]
            if monotonic() > deadline:
                raise TimeoutError(f"{len(coming) + len(waiting)} clients are still not ready")
        return started

    def send(self, connection: Connection, message: bytes) -> None:
        """Send one message."""
        if connection.closed is None and connection.send(wire.frame(message)):
            self._epoll.modify(connection.fd, select.EPOLLIN | select.EPOLLOUT)

    def poll(self, seconds: float) -> None:
        """Wait at most so long, and serve whoever can be served."""
        for fd, events in self._epoll.poll(max(seconds, 0.0)):
            connection = self.connections[fd]
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
                data, marks = connection.read()
                if marks and self.on_marks is not None:
                    self.on_marks(connection, data, marks, monotonic_ns())
            if events & select.EPOLLOUT and connection.closed is None and not connection.flush():
                self._epoll.modify(fd, select.EPOLLIN)
            if connection.closed is not None:
                self._drop(connection)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Serve for so long, or until something is the case; returns whether it is."""
        deadline = monotonic() + seconds
        while (left := deadline - monotonic()) > 0:
            if until is not None and until():
                return True
            self.poll(min(left, 0.05))
        return until is not None and until()

    def _drop(self, connection: Connection) -> None:
        self._epoll.unregister(connection.fd)
        connection.sock.close()
        del self.connections[connection.fd]
        self.failed.append(connection)
