"""A channel that only remembers."""

from __future__ import annotations

from server.frames import OutgoingFrame


class RecordingChannel:
    """Keeps what it was told to send; a test says when it is full."""

    def __init__(self) -> None:
        self.last_sent = 0.0
        self.is_behind = False
        self.sent: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.is_paused = False

    def write(self, frame: OutgoingFrame, now: float) -> None:
        assert self.closed is None, "nothing may be sent after the close"
        self.sent.append(frame.payload)
        self.last_sent = now

    def write_both(self, first: OutgoingFrame, second: OutgoingFrame, now: float) -> None:
        self.write(first, now)
        self.write(second, now)

    def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False

    def of_type(self, message_type: int) -> list[bytes]:
        """Frames whose first byte is this."""
        return [frame for frame in self.sent if frame[0] == message_type]
