"""One headset on a raw socket: sends poses, reads frames, and counts."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from struct import Struct
from time import monotonic
from typing import Final, NamedTuple

from benchmarks.dialects import Dialect
from crdt_docs import pose_client
from crdt_docs.messages import MessageType
from crdt_docs.pose_fields import COUNT, FIELDS_AT, FRAME, TICK, WELCOME, Kind
from crdt_docs.pose_messages import Device, Hello
from crdt_docs.poses import POSE_SIZES
from loadtest import wire
from loadtest.walker import Walker

READ_SIZE = 1 << 18
POSE_MS: Final = 33
"""From one pose to the next, as far as capture times say."""

KEPT: Final = 1 << 10
"""Of so many of its last poses a headset knows when it sent them."""

_RECORD = Struct("<HBBH")  # slot, generation, parts, sequence
_RECORDS_AT = FIELDS_AT + FRAME.size
_COUNT_AT = _RECORDS_AT - COUNT.size
_RELAYED_AT = FIELDS_AT + TICK.size


class Address(NamedTuple):
    """Where headsets connect.

    Attributes:
        is_relay: there is no welcome and no frame: whatever somebody says comes as it was said.
    """

    port: int
    path: str
    is_relay: bool = False


FrameListener = Callable[["HeadsetClient", bytes], None]
"""Called with each message that has poses."""


class HeadsetClient:
    """A participant.

    Attributes:
        slot: behind a relay its number in the run.
        is_there: it has been welcomed.
        ack: the tick of its last frame.
        sent_at: when it sent its last poses, by the lowest bits of their sequence.
        near: slots of those who are nearest.
        held_back: poses it did not send because those before were still on the way.
    """

    __slots__ = (
        "_inbox",
        "_is_open",
        "_is_relayed",
        "_number",
        "_on_frame",
        "_outbox",
        "ack",
        "bytes_received",
        "closed",
        "fd",
        "frames",
        "generation",
        "held_back",
        "is_there",
        "near",
        "records",
        "sent_at",
        "sequence",
        "slot",
        "sock",
        "walker",
    )

    def __init__(
        self, number: int, address: Address, walker: Walker, on_frame: FrameListener
    ) -> None:
        self.walker = walker
        self.slot, self.generation = number, 0
        self.is_there = False
        self.ack = self.sequence = 0
        self.frames = self.records = self.bytes_received = self.held_back = 0
        self.sent_at = [0.0] * KEPT
        self.near: frozenset[int] = frozenset()
        self.closed: str | None = None
        self._number = number
        self._is_relayed = address.is_relay
        self._on_frame = on_frame
        self._is_open = False
        self._inbox = b""
        self._outbox = wire.upgrade_request("127.0.0.1", address.port, address.path)
        self.sock = socket.socket()
        self.sock.settimeout(0.0)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self.sock.fileno()
        code = self.sock.connect_ex(("127.0.0.1", address.port))
        if code not in (0, errno.EINPROGRESS):
            self.closed = errno.errorcode[code]

    # Sending

    def move(self) -> None:
        """Say where it is now."""
        if self.flush():
            self.held_back += 1
            return
        self.sequence = (self.sequence + 1) & 0xFFFF
        captured = self.sequence * POSE_MS & 0xFFFF
        message = self.walker.message(
            self.ack, self.slot, self.generation, sequence=self.sequence, captured=captured
        )
        self.sent_at[self.sequence % KEPT] = monotonic()
        self._send(message)

    def _send(self, message: bytes, first: int = wire.BINARY) -> None:
        self._outbox += wire.frame(message, first)
        self.flush()

    def flush(self) -> bool:
        """Send what is left; whether something still is."""
        if self._outbox and self.closed is None:
            try:
                self._outbox = self._outbox[self.sock.send(self._outbox) :]
            except BlockingIOError:
                return True
            except OSError as error:
                self.closed = str(error)
        return bool(self._outbox)

    # Receiving

    def read(self) -> int:
        """Take what has come; how many bytes that was."""
        data = self._received()
        self.bytes_received += len(data)
        inbox = self._inbox + data if self._inbox else data
        at = 0 if self._is_open else self._take_handshake(inbox)
        while self._is_open and (header := wire.read_header(inbox, at)) is not None:
            start, length = header
            if start + length > len(inbox):
                break
            self._hear(inbox[at], inbox[start : start + length])
            at = start + length
        self._inbox = inbox[at:]
        return len(data)

    def _received(self) -> bytes:
        try:
            data = self.sock.recv(READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError as error:
            self.closed = self.closed or str(error)
            return b""
        if not data:
            self.closed = self.closed or "end of stream"
        return data

    def _take_handshake(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            self.closed = data[:40].decode("ascii", "replace")
            return len(data)
        self._is_open = True
        if self._is_relayed:
            self.is_there = True
        else:
            for message in Dialect().opening():
                self._send(message)
            self._send(pose_client.hello(Hello(1, Device.VR_HEADSET, self._number + 1)))
        return end + 4

    def _hear(self, kind: int, payload: bytes) -> None:
        if kind == wire.CLOSE:
            self.closed = f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}"
        elif kind == wire.PING:  # who does not answer is sent away after 40 s
            self._send(payload, wire.PONG)
        elif payload[0] == MessageType.POSE:
            self._hear_lane(payload)
        elif Dialect().sync_type(payload) == 0:
            self._send(Dialect().answer())

    def _hear_lane(self, payload: bytes) -> None:
        match payload[1]:
            case Kind.FRAME:
                self.ack, _, count = FRAME.unpack_from(payload, FIELDS_AT)
                self.frames += 1
                self.records += count
                self._on_frame(self, payload)
            case Kind.POSE:
                self.frames += 1
                self.records += 1
                self._on_frame(self, payload)
            case Kind.WELCOME:
                _, self.slot, self.generation, *_ = WELCOME.unpack_from(payload, FIELDS_AT)
                self.is_there = True


def poses_in(payload: bytes) -> Iterator[tuple[int, int]]:
    """(slot, sequence) of each record in a frame or, behind a relay, in what somebody said."""
    if payload[1] == Kind.POSE:
        slot, _, _, sequence = _RECORD.unpack_from(payload, _RELAYED_AT)
        yield slot, sequence
        return
    (count,) = COUNT.unpack_from(payload, _COUNT_AT)
    at = _RECORDS_AT
    for _ in range(count):
        slot, _, parts, sequence = _RECORD.unpack_from(payload, at)
        yield slot, sequence
        at += POSE_SIZES[parts]
