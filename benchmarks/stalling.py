"""A member of a room that stops reading for a while, in a thread of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic, monotonic_ns
from typing import Any

from pycrdt import Doc, Map

from benchmarks import markers
from benchmarks.swarm import Seat
from benchmarks.writers import ROOT
from crdt_docs.varint import read_var_uint
from loadtest import wire

RECEIVE_BUFFER = 16 * 1024
"""SO_RCVBUF: small, so that what waits soon waits at the server."""

JOIN_SECONDS = 30.0
QUIET_SECONDS = 0.3


@dataclass(slots=True)
class Return:
    """How it went when it read again.

    Attributes:
        seconds: until it had seen, of every editor, an edit sent since it reads again; None when
            that never came.
        waiting: bytes that it received until then.
        closed: how its connection ended; None while it has not.
        update: its document at the end.
    """

    seconds: float | None = None
    waiting: int = 0
    closed: str | None = None
    update: bytes = b""


class StallingMember:
    """A raw socket and a document fed with what it receives.

    It lives in one thread, because a pycrdt document does.
    """

    def __init__(self, seat: Seat, editors: int) -> None:
        """
        Args:
            editors: how many people's edits it waits for when it reads again.
        """
        self.outcome = Return()
        self._seat = seat
        self._editors = editors
        self._inbox = bytearray()
        self._received = 0
        self._joined, self._stalled = Event(), Event()
        self._resumed, self._ended = Event(), Event()
        self._thread = Thread(target=self._live, name="stalling member", daemon=True)

    def join(self) -> None:
        """Connect and take the document.

        Raises:
            TimeoutError: it was not let in.
        """
        self._thread.start()
        if not self._joined.wait(JOIN_SECONDS):
            raise TimeoutError("the member that is to stall was not let in")

    def stall(self) -> None:
        """Stop reading now."""
        self._stalled.set()

    def resume(self) -> None:
        """Read again."""
        self._resumed.set()

    @property
    def is_back(self) -> bool:
        """Whether it is up to date again, or never will be."""
        return self.outcome.seconds is not None or not self._thread.is_alive()

    def end(self) -> Return:
        """Nobody edits any more: take what is left, and say how it went."""
        self._ended.set()
        self._thread.join()
        return self.outcome

    # In its thread

    def _live(self) -> None:
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            sock.settimeout(QUIET_SECONDS)
            sock.connect(("127.0.0.1", self._seat.port))
            doc: Doc[Any] = Doc()
            try:
                self._enter(sock, doc)
                self._resumed.wait()
                self._return(sock, doc)
            except OSError as error:
                self.outcome.closed = str(error)
            self.outcome.update = doc.get_update()

    def _enter(self, sock: socket.socket, doc: Doc[Any]) -> None:
        sock.sendall(wire.upgrade_request("127.0.0.1", self._seat.port, self._seat.path))
        while (end := self._inbox.find(b"\r\n\r\n")) < 0:
            self._read(sock)
        del self._inbox[: end + 4]
        for message in self._seat.dialect.opening():
            sock.sendall(wire.frame(message))
        is_synced = False
        while not is_synced and not self._stalled.is_set():
            is_synced = 1 in self._take(sock, doc)
        self._joined.set()
        while not self._stalled.is_set():
            self._take(sock, doc)

    def _return(self, sock: socket.socket, doc: Doc[Any]) -> None:
        begin, begin_ns, before = monotonic(), monotonic_ns(), self._received
        objects: Map[Any] = doc.get(ROOT, type=Map)
        while True:
            before_reading = self._received
            self._take(sock, doc)
            if self.outcome.seconds is None and self._is_current(objects, begin_ns):
                self.outcome.seconds = monotonic() - begin
                self.outcome.waiting = self._received - before
            if self._ended.is_set() and self._received == before_reading:
                return

    def _is_current(self, objects: Map[Any], since: int) -> bool:
        values = [str(value).encode() for value in objects.values()]
        return len(values) == self._editors and all(
            markers.time_of(value, 0) >= since for value in values
        )

    def _take(self, sock: socket.socket, doc: Doc[Any]) -> list[int]:
        """Read once and apply what is whole; returns the types of the sync messages."""
        with suppress(TimeoutError):
            self._read(sock)
        return [self._hear(sock, doc, kind, payload) for kind, payload in self._frames()]

    def _read(self, sock: socket.socket) -> None:
        data = sock.recv(1 << 16)
        if not data:
            raise ConnectionError("end of stream")
        self._received += len(data)
        self._inbox += data

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        while (header := wire.read_header(self._inbox, at)) is not None:
            start, length = header
            if start + length > len(self._inbox):
                break
            yield self._inbox[at], bytes(self._inbox[start : start + length])
            at = start + length
        del self._inbox[:at]

    def _hear(self, sock: socket.socket, doc: Doc[Any], kind: int, payload: bytes) -> int:
        """Take one frame; returns the type of a sync message, else -1."""
        if kind == wire.PING:
            sock.sendall(wire.frame(payload, wire.PONG))
            return -1
        if kind == wire.CLOSE:
            code = int.from_bytes(payload[:2], "big")
            raise ConnectionError(f"{code} {payload[2:].decode()}")
        sync_type = self._seat.dialect.sync_type(payload)
        if sync_type is None:
            return -1
        if sync_type == 0:
            sock.sendall(wire.frame(self._seat.dialect.answer()))
        else:
            length, start = read_var_uint(payload, 2)
            doc.apply_update(payload[start : start + length])
        return sync_type


class MemoryCurve:
    """What a process holds, looked at twice a second in a thread of its own."""

    def __init__(self, measure: Callable[[], int]) -> None:
        """
        Args:
            measure: how many bytes it holds now.
        """
        self.samples: list[tuple[float, int]] = []
        self._measure = measure
        self._ended = Event()
        self._thread = Thread(target=self._watch, name="memory", daemon=True)

    def begin(self) -> None:
        """Look for the first time."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.samples.append((monotonic(), self._measure()))
            if self._ended.wait(0.5):
                return

    @property
    def growth(self) -> int:
        """Bytes between the first look and the last."""
        return self.samples[-1][1] - self.samples[0][1]

    @property
    def slope(self) -> float:
        """Bytes a second: least squares over the later two thirds; buffers fill before."""
        late = self.samples[len(self.samples) // 3 :]
        middle = sum(at for at, _ in late) / len(late)
        square = sum((at - middle) ** 2 for at, _ in late)
        return sum((at - middle) * size for at, size in late) / square if square else 0.0
