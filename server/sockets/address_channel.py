"""One document's share of a Hocuspocus socket, as its room sees it: an ordinary channel (HOC)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from crdt_docs import hocuspocus
from crdt_docs.messages import MessageType, SyncType
from crdt_docs.sync_statuses import SyncStatuses
from server.channels import Channel
from server.frames import OutgoingFrame

_STORED = OutgoingFrame(hocuspocus.sync_status(is_stored=True))
_REFUSED = OutgoingFrame(hocuspocus.sync_status(is_stored=False))


class SharedSocket:
    """The socket's channel, with reading paused as long as one of its documents wants that."""

    __slots__ = ("_pausing", "channel", "is_open")

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.is_open = True
        self._pausing: set[AddressChannel] = set()

    def pause(self, document: AddressChannel) -> None:
        """A document's room is busy with what the client sent."""
        if not self._pausing:
            self.channel.pause_reading()
        self._pausing.add(document)

    def resume(self, document: AddressChannel) -> None:
        """The room takes messages again, or the client has left it."""
        if document in self._pausing:
            self._pausing.remove(document)
            if not self._pausing:
                self.channel.resume_reading()


class AddressChannel:
    """A `channels.Channel` that writes under an address, to a socket that others use as well."""

    __slots__ = ("_is_shared", "_on_close", "_prefix", "_socket", "_statuses", "is_open")

    def __init__(
        self,
        socket: SharedSocket,
        address: bytes,
        statuses: SyncStatuses,
        on_close: Callable[[int, str], None],
    ) -> None:
        """
        Args:
            on_close: called when the room wants this member gone; decides what becomes of the
                socket.
        """
        self.is_open = True
        self._socket = socket
        self._prefix = hocuspocus.at(address)
        self._is_shared = hocuspocus.is_shared(address)
        self._statuses = statuses
        self._on_close = on_close

    @property
    def last_sent(self) -> float:
        """Of the socket: one document's message keeps it open for all."""
        return self._socket.channel.last_sent

    @last_sent.setter
    def last_sent(self, moment: float) -> None:
        self._socket.channel.last_sent = moment

    @property
    def is_behind(self) -> bool:
        """Whether the socket is."""
        return self._socket.channel.is_behind

    def write(self, frame: OutgoingFrame, now: float) -> None:
        """Send a y-protocols frame of the room, or one of ours, under the address."""
        if self.is_open and self._socket.is_open:
            self._socket.channel.write(self._addressed(frame), now)

    def write_both(self, first: OutgoingFrame, second: OutgoingFrame, now: float) -> None:
        """Send two."""
        if self.is_open and self._socket.is_open:
            first, second = self._addressed(first), self._addressed(second)
            self._socket.channel.write_both(first, second, now)

    def say(self, payload: bytes, now: float) -> None:
        """Send one of the messages that only these clients know."""
        if self.is_open and self._socket.is_open:
            self._socket.channel.write(OutgoingFrame(self._prefix + payload), now)

    def _addressed(self, frame: OutgoingFrame) -> OutgoingFrame:
        payload = frame.payload
        kind = payload[0]
        if kind == MessageType.SYNC and payload[1] == SyncType.STEP1:
            self._statuses.say(payload)
        elif kind == MessageType.AUTH:
            frame = OutgoingFrame(hocuspocus.translated(payload))
        if self._is_shared:
            return frame.under(self._prefix)
        return OutgoingFrame(self._prefix + frame.payload)

    def close(self, code: int, reason: str) -> None:
        """The room lets go of this member."""
        if self.is_open:
            self._on_close(code, reason)

    def shut(self) -> None:
        """Nothing more is sent under this address, and nobody waits for its room."""
        self.is_open = False
        self._socket.resume(self)

    def pause_reading(self) -> None:
        """Deliver no more messages of the socket: they come in one row, whatever document they
        are for."""
        if self.is_open:
            self._socket.pause(self)

    def resume_reading(self) -> None:
        """Deliver messages again."""
        self._socket.resume(self)


class SyncReceipts:
    """`receipts.Receipts` as these clients read them: one status for each message (HOC-5)."""

    __slots__ = ("_statuses",)

    def __init__(self, statuses: SyncStatuses) -> None:
        self._statuses = statuses

    def settle(self, count: int, refused: Sequence[range]) -> None:
        """See `Receipts`."""
        self._statuses.settle(count, refused)

    def due(self) -> Iterator[OutgoingFrame]:
        """See `Receipts`."""
        for is_stored in self._statuses.due():
            yield _STORED if is_stored else _REFUSED
