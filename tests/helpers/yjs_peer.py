"""An honest Python participant: a pycrdt document and y-protocols frames on a WebSocket.

A stranger to the server: frames are written and read here by hand, after y-protocols' `sync.js`,
`awareness.js` and `auth.js`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from pycrdt import Array, Doc, Map, Text, TransactionEvent
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

SYNC, AWARENESS, AUTH, QUERY_AWARENESS, STORED = 0, 1, 2, 3, 113
STEP1, STEP2, UPDATE = 0, 1, 2

PATIENCE = 30.0
"""Seconds a test waits for what must happen; on a quiet machine it takes milliseconds."""

_REMOTE = "from the server"
_STEP2 = bytes((SYNC, STEP2))
_UPDATE = bytes((SYNC, UPDATE))


# lib0's encoding, as y-protocols uses it


def var_uint(value: int) -> bytes:
    """Seven bits a byte, lowest first."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def var_bytes(data: bytes) -> bytes:
    """A length in bytes, then the bytes."""
    return var_uint(len(data)) + data


def read_var_uint(data: bytes, position: int) -> tuple[int, int]:
    """The number at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def read_var_bytes(data: bytes, position: int) -> tuple[bytes, int]:
    """The byte array at a position, and the position after it."""
    length, position = read_var_uint(data, position)
    assert position + length <= len(data), "the server sent a length that does not fit"
    return data[position : position + length], position + length


def decode_state_vector(encoded: bytes) -> dict[int, int]:
    """Client id to next clock."""
    count, position = read_var_uint(encoded, 0)
    clocks = {}
    for _ in range(count):
        client, position = read_var_uint(encoded, position)
        clocks[client], position = read_var_uint(encoded, position)
    return clocks


def step1(state_vector: bytes) -> bytes:
    """Frame: this is what I have."""
    return bytes((SYNC, STEP1)) + var_bytes(state_vector)


def step2(update: bytes) -> bytes:
    """Frame: this is what you lack."""
    return bytes((SYNC, STEP2)) + var_bytes(update)


def sync_update(update: bytes) -> bytes:
    """Frame: this just changed."""
    return bytes((SYNC, UPDATE)) + var_bytes(update)


def awareness(entries: Iterable[tuple[int, int, str]]) -> bytes:
    """Frame with presence: client id, clock and JSON text of each."""
    encoded = [
        var_uint(client) + var_uint(clock) + var_bytes(text.encode())
        for client, clock, text in entries
    ]
    return bytes((AWARENESS,)) + var_bytes(var_uint(len(encoded)) + b"".join(encoded))


@dataclass(slots=True)
class Wire:
    """What went over one connection.

    Attributes:
        sent: step 2 and update messages in the order of sending: what receipts count.
        stored: how many of them the server has called stored.
        received: frames, when the peer was asked to keep them.
    """

    connection: ClientConnection
    sent: list[bytes] = field(default_factory=list)
    stored: int = 0
    received: list[bytes] = field(default_factory=list)
    closed: tuple[int, str] | None = None

    @property
    def acknowledged(self) -> list[bytes]:
        """The updates that the server has called stored."""
        return self.sent[: self.stored]


class YjsPeer:
    """One participant with one document, over any number of connections in turn."""

    def __init__(
        self,
        *,
        client_id: int | None = None,
        keeps_frames: bool = False,
        answers_step1: bool = True,
        state: dict[str, Any] | None = None,
        keeps_deleted: bool = False,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """
        Args:
            keeps_frames: record every frame received, in `Wire.received`.
            answers_step1: send what the server lacks when it asks, as stock clients do.
            state: presence to announce when connecting; None for none.
            keeps_deleted: the document does not collect what is deleted. Undoing needs that: yrs
                loses its way among collected items, and ends the process.
            trust: which servers are believed, where they speak TLS; None for the usual ones.
        """
        self.doc: Doc[Any] = Doc(client_id=client_id, skip_gc=keeps_deleted)
        self.objects: Map[Any] = self.doc.get("objects", type=Map)
        self.list: Array[Any] = self.doc.get("list", type=Array)
        self.text: Text = self.doc.get("text", type=Text)
        self.wires: list[Wire] = []
        self.denials: list[str] = []
        self.presence: dict[int, tuple[int, Any]] = {}
        self.answers_step1 = answers_step1
        self.is_muted = False  # edits are not sent
        self.is_synced = False
        self._keeps_frames = keeps_frames
        self._trust = trust
        self._state = state
        self._clock = 0
        self._outbox: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._news = asyncio.Event()
        self._reading = asyncio.Event()
        self._reading.set()
        self._is_applying = False
        self._tasks: list[asyncio.Task[None]] = []
        self._home: asyncio.Task[None] | None = None
        self._subscription = self.doc.observe(self._changed)

    # Connections

    @classmethod
    async def join(cls, url: str, **options: Any) -> Self:
        """A new peer, connected and synced. Options as of the constructor."""
        peer = cls(**options)
        await peer.connect(url)
        await peer.until(lambda: peer.is_synced)
        return peer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.leave()

    @property
    def wire(self) -> Wire:
        """The latest connection."""
        return self.wires[-1]

    @property
    def is_connected(self) -> bool:
        """Whether frames can be sent now."""
        return bool(self.wires) and self.wire.closed is None

    @property
    def client_id(self) -> int:
        """The Yjs client id of its document."""
        return self.doc.client_id

    async def connect(self, url: str, *, subprotocol: str | None = None) -> None:
        """Open a connection and say what a stock client says first."""
        await self._drop_tasks()
        connection = await connect(
            url,
            ssl=self._trust,
            max_size=None,
            compression=None,
            ping_interval=None,
            close_timeout=2,
            open_timeout=PATIENCE,
            subprotocols=None if subprotocol is None else [subprotocol],  # type: ignore[list-item] # a NewType of str
        )
        wire = Wire(connection)
        self.wires.append(wire)
        self.is_synced = False
        self._outbox.clear()
        self._outbox.append(step1(self.doc.get_state()))
        if self._state is not None:
            self._clock += 1
            self._announce()
        self._wake.set()
        self._tasks = [
            asyncio.create_task(self._send(wire)),
            asyncio.create_task(self._receive(wire)),
        ]

    def stay_connected(self, url: str) -> None:
        """Connect, and again whenever the connection ends, until `leave`."""
        self._home = asyncio.create_task(self._keep(url))

    async def _keep(self, url: str) -> None:
        pause = 0.05
        while True:
            try:
                await self.connect(url)
            except (OSError, InvalidHandshake, ConnectionClosed):
                pause = min(pause * 2, 1.0)
            else:
                await self.until(lambda: not self.is_connected, seconds=None)
                pause = 0.05 if self.is_synced else min(pause * 2, 1.0)
                code = self.wire.closed[0] if self.wire.closed else 0
                if 4400 <= code <= 4499:
                    return
            await asyncio.sleep(pause)

    async def cut(self) -> None:
        """End the connection as a dead machine does: without a closing handshake."""
        self.wire.connection.transport.abort()
        await self.until(lambda: not self.is_connected)

    async def leave(self) -> None:
        """End the connection in good order, for good."""
        if self._home is not None:
            self._home.cancel()
            self._tasks.append(self._home)
            self._home = None
        self._reading.set()
        if self.is_connected:
            await self.sent()
            await self.wire.connection.close()
        await self._drop_tasks()

    async def _drop_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for task in self._tasks:
            if not task.cancelled() and (error := task.exception()) is not None:
                raise error
        self._tasks = []

    def forget(self) -> None:
        """Free the document; pycrdt keeps an observed one alive."""
        self.doc.unobserve(self._subscription)

    # Sending

    def _changed(self, event: TransactionEvent) -> None:
        if not self._is_applying and not self.is_muted:
            self.send(sync_update(event.update))

    def send(self, frame: bytes) -> None:
        """Send a frame after those before it; nothing happens while there is no connection."""
        if self.is_connected:
            self._outbox.append(frame)
            self._wake.set()

    async def send_text(self, text: str) -> None:
        """Send a text message, which no client of this protocol does."""
        with contextlib.suppress(ConnectionClosed):
            await self.wire.connection.send(text)

    async def sent(self) -> None:
        """Wait until everything was handed to the socket."""
        await self.until(lambda: not self._outbox or not self.is_connected)

    async def _send(self, wire: Wire) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                while self._outbox:
                    frame = self._outbox[0]
                    if frame[:2] in (_STEP2, _UPDATE):
                        wire.sent.append(frame)
                    await wire.connection.send(frame)
                    self._outbox.popleft()
                self._tell()
                self._wake.clear()
                await self._wake.wait()

    # Receiving

    def pause_reading(self) -> None:
        """Take nothing more from the socket, so that the server's buffers fill."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Take what has come meanwhile."""
        self._reading.set()

    async def _receive(self, wire: Wire) -> None:
        try:
            while True:
                await self._reading.wait()
                frame = await wire.connection.recv()
                assert isinstance(frame, bytes), f"the server sent text: {frame!r}"
                if self._keeps_frames:
                    wire.received.append(frame)
                self._hear(wire, frame)
                self._tell()
        except ConnectionClosed:
            connection = wire.connection
            wire.closed = (connection.close_code or 1006, connection.close_reason or "")
            self.presence = {
                client: state for client, state in self.presence.items() if client == self.client_id
            }
            self._tell()

    def _hear(self, wire: Wire, frame: bytes) -> None:
        match frame[0]:
            case 0:
                self._hear_sync(frame)
            case 1:
                self._hear_awareness(read_var_bytes(frame, 1)[0])
            case 2:
                assert frame[1] == 0, "the only auth message is a denial"
                self.denials.append(read_var_bytes(frame, 2)[0].decode())
            case 113:
                stored, end = read_var_uint(frame, 1)
                assert end == len(frame)
                assert wire.stored < stored <= len(wire.sent), "a receipt for what was not sent"
                wire.stored = stored
            case kind:
                raise AssertionError(f"the server sent a message of type {kind}")

    def _hear_sync(self, frame: bytes) -> None:
        payload, end = read_var_bytes(frame, 2)
        assert end == len(frame), "more than one message in a frame"
        if frame[1] == STEP1:
            if self.answers_step1:
                self.send(step2(self.doc.get_update(payload)))
            return
        self._is_applying = True
        try:
            with self.doc.transaction(origin=_REMOTE):
                self.doc.apply_update(payload)
        finally:
            self._is_applying = False
        if frame[1] == STEP2:
            self.is_synced = True

    def _hear_awareness(self, payload: bytes) -> None:
        count, position = read_var_uint(payload, 0)
        for _ in range(count):
            client, position = read_var_uint(payload, position)
            clock, position = read_var_uint(payload, position)
            text, position = read_var_bytes(payload, position)
            self._hear_presence(client, clock, json.loads(text))
        assert position == len(payload)

    def _hear_presence(self, client: int, clock: int, state: Any) -> None:
        known = self.presence.get(client)
        known_clock = known[0] if known is not None else -1
        if clock < known_clock or (clock == known_clock and state is not None):
            return
        if client == self.client_id and state is None and self._state is not None:
            # As in awareness.js: somebody says that we are gone, and we are not.
            self._clock = max(self._clock, clock) + 1
            self._announce()
            return
        if client == self.client_id:
            self._clock = max(self._clock, clock)
        self.presence[client] = (clock, state)

    # Presence

    def show(self, state: dict[str, Any] | None) -> None:
        """Say something about oneself to everybody; None: be seen no more."""
        self._state = state
        self._clock += 1
        self._announce()

    def _announce(self) -> None:
        self.presence[self.client_id] = (self._clock, self._state)
        self._outbox.append(awareness([(self.client_id, self._clock, json.dumps(self._state))]))
        self._wake.set()

    @property
    def others(self) -> dict[int, Any]:
        """The states of everybody else who is present, by client id."""
        return {
            client: state
            for client, (_, state) in self.presence.items()
            if state is not None and client != self.client_id
        }

    # Waiting

    def _tell(self) -> None:
        self._news.set()

    async def until(self, holds: Callable[[], object], *, seconds: float | None = PATIENCE) -> None:
        """Wait until something holds; asked again after every frame.

        Raises:
            TimeoutError: it did not in time; says how the connections have ended so far.
        """
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    for task in self._tasks:
                        if task.done() and not task.cancelled() and (error := task.exception()):
                            raise error
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            ends = [wire.closed for wire in self.wires]
            raise TimeoutError(f"after {seconds} s; connections ended {ends}") from None

    async def until_closed(self) -> tuple[int, str]:
        """Wait until the server has closed the connection; its code and reason."""
        await self.until(lambda: not self.is_connected)
        assert self.wire.closed is not None
        return self.wire.closed

    async def until_stored(self) -> None:
        """Wait until everything sent on this connection is called stored (`?ack=1`)."""
        await self.sent()
        await self.until(lambda: self.wire.stored == len(self.wire.sent))

    # Contents

    def update(self) -> bytes:
        """The whole document as one update."""
        return self.doc.get_update()

    def contents(self) -> dict[str, Any]:
        """The roots that the tests agree on."""
        return contents(self.update())


def contents(update: bytes) -> dict[str, Any]:
    """What a document encoded as one update holds, as read by a fresh document."""
    doc: Doc[Any] = Doc()
    doc.apply_update(update)
    objects = doc.get("objects", type=Map)
    items = doc.get("list", type=Array)
    text = doc.get("text", type=Text)
    return {"objects": objects.to_py(), "list": items.to_py(), "text": str(text)}
