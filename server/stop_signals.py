"""SIGTERM, SIGINT and SIGHUP, for a loop that waits for other things as well."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from server.worker_channel import SupervisorEnd


class StopRequested(SystemExit):
    """A signal came before anybody looked for signals. A SystemExit, so that an event loop lets it
    through."""


class StopSignals:
    """Counts them."""

    def __init__(self) -> None:
        self.received = 0
        self.are_awaited = False
        """Set once somebody looks; until then a signal raises StopRequested."""
        self.wakeup, self._waker = socket.socketpair()

    @contextmanager
    def caught(self) -> Iterator[StopSignals]:
        """Catch them for as long as this lasts; to be used in the main thread."""
        numbers = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup is to be respected
            numbers.append(signal.SIGHUP)
        self.wakeup.settimeout(0)
        self._waker.settimeout(0)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        wakeup_before = signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        try:
            yield self
        finally:
            signal.set_wakeup_fd(wakeup_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            self.wakeup.close()
            self._waker.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.received += 1
        if not self.are_awaited:
            raise StopRequested

    def wait(self, channel: SupervisorEnd | None, seconds: float) -> None:
        """Return at a signal, when a worker says something or ends, or after so long."""
        waiting: list[socket.socket | SupervisorEnd] = [self.wakeup]
        if channel is not None and channel.is_open:
            waiting.append(channel)
        readable, _, _ = select.select(waiting, [], [], seconds)
        if self.wakeup in readable:
            self.wakeup.recv(4096)
