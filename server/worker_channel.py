"""What a worker tells its supervisor: JSON, one message a line, over a socket pair; at last its
exit status.

The supervisor says nothing. That its end is closed tells the worker that it is gone.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

_LARGEST_READ = 65536


class ExitStatus(IntEnum):
    """How a worker ends, and `collab serve` with it."""

    STOPPED = 0
    """Told to stop; everything is stored."""
    FAILED = 1
    """A fault that another attempt may not meet."""
    CANNOT_START = 2
    """A fault that every attempt would meet: a setting, a port that is taken."""
    DATABASE_IN_USE = 3
    """Another server works on the database."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker accepts connections.

    Attributes:
        lines: what the application wants printed for the person who started the server.
    """

    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker is about to end because of a fault, in one line."""

    reason: str


Message = Ready | Failed


class WorkerEnd:
    """The worker's end of the channel."""

    def __init__(self, channel: socket.socket) -> None:
        channel.settimeout(0)
        self._channel = channel

    def fileno(self) -> int:
        """To wait for `is_supervisor_gone`."""
        return self._channel.fileno()

    def say_ready(self, lines: Sequence[str]) -> None:
        """Say `Ready`; that nobody listens any more is found out by `is_supervisor_gone`."""
        self._say({"ready": True, "lines": list(lines)})

    def say_failed(self, reason: str) -> None:
        """Say `Failed`."""
        self._say({"failed": reason})

    def _say(self, message: dict[str, object]) -> None:
        # A few hundred bytes in a worker's life: they always fit into the socket's buffer.
        try:
            self._channel.sendall(json.dumps(message).encode() + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            return

    def is_supervisor_gone(self) -> bool:
        """Whether the other end was closed. Does not wait."""
        try:
            return self._channel.recv(_LARGEST_READ) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True


class SupervisorEnd:
    """The supervisor's end of the channel."""

    def __init__(self, channel: socket.socket) -> None:
        channel.settimeout(0)
        self._channel = channel
        self._unread = b""
        self.is_open = True

    def fileno(self) -> int:
        """To wait until there is something to hear; not to be asked once `is_open` is false."""
        return self._channel.fileno()

    def heard(self) -> list[Message]:
        """What the worker has said since the last call. Does not wait."""
        while self.is_open:
            try:
                data = self._channel.recv(_LARGEST_READ)
            except BlockingIOError:
                break
            except ConnectionResetError:
                data = b""
            self._unread += data
            self.is_open = data != b""
        *lines, self._unread = self._unread.split(b"\n")
        return [message for line in lines for message in _parsed(line)]

    def close(self) -> None:
        """Close this end; a worker that still lives takes it for the end of its supervisor."""
        self.is_open = False
        self._channel.close()


def _parsed(line: bytes) -> Iterator[Message]:
    """Zero or one message: a worker that is dying may say anything."""
    try:
        fields = json.loads(line)
    except ValueError:
        return
    match fields:
        case {"ready": True, "lines": [*lines]}:
            yield Ready(tuple(map(str, lines)))
        case {"failed": str(reason)}:
            yield Failed(reason)
        case _:
            return


def open_channel() -> tuple[SupervisorEnd, socket.socket]:
    """The supervisor's end, and the socket that a worker inherits for its `WorkerEnd`."""
    ours, theirs = socket.socketpair()
    return SupervisorEnd(ours), theirs
