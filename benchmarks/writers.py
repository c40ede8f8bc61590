"""What people write: valid Yjs updates and presence, made without a CRDT at hand.

An edit is `Y.Map.set` on the root map `objects`, one key per person. The first names the map and
the key; each later one has the one before as its origin and deletes it, as Yjs itself writes it.
"""

from __future__ import annotations

from benchmarks import markers
from crdt_docs.varint import var_string, var_uint

ROOT = "objects"
FIRST_CLIENT = 0x1000_0000
"""Yjs client ids are random 32-bit numbers: five bytes each, as here."""


def client_id(sender: int) -> int:
    """The Yjs client id of a person."""
    return FIRST_CLIENT + 7919 * sender


class Writer:
    """One person's edits and presence.

    Args:
        sender: its number, unique among those in a run.
        size: bytes of a written value, and of a presence state as JSON.
        prefix: goes before every message (Hocuspocus: the document's name).
    """

    def __init__(self, sender: int, *, size: int = 100, prefix: bytes = b"") -> None:
        self.sender = sender
        self.written = 0
        self._size = size
        self._prefix = prefix
        self._tag = markers.tag(sender)
        self._client = var_uint(client_id(sender))
        self._clock = 0
        self._presence_clock = 0
        name = b'{"user":{"name":"Person %d"},"cursor":"' % sender
        self._state_head, self._state_tail = name, b'"}'

    def _value(self, now: int, size: int) -> bytes:
        self.written += 1
        return markers.mark(self._tag, self.written, now).ljust(size, b"x")

    def update(self, now: int) -> bytes:
        """The next edit as a Yjs update; `now` in nanoseconds goes into its mark."""
        value = self._value(now, self._size)
        clock, client = self._clock, self._client
        self._clock += 1
        content = b"\x01\x77" + var_uint(len(value)) + value
        if clock == 0:
            place = b"\x28\x01" + var_string(ROOT) + var_string(f"key {self.sender}")
            return b"\x01\x01" + client + b"\x00" + place + content + b"\x00"
        before = var_uint(clock - 1)
        return b"".join(
            (
                b"\x01\x01",
                client,
                var_uint(clock),
                b"\xa8",
                client,
                before,
                content,
                b"\x01",
                client,
                b"\x01",
                before,
                b"\x01",
            )
        )

    def edit(self, now: int) -> bytes:
        """The next edit as a message."""
        update = self.update(now)
        return b"".join((self._prefix, b"\x00\x02", var_uint(len(update)), update))

    def presence(self, now: int) -> bytes:
        """The next presence as a message."""
        self._presence_clock += 1
        room = self._size - len(self._state_head) - len(self._state_tail)
        state = self._state_head + self._value(now, room) + self._state_tail
        entry = b"".join(
            (b"\x01", self._client, var_uint(self._presence_clock), var_uint(len(state)), state)
        )
        return b"".join((self._prefix, b"\x01", var_uint(len(entry)), entry))
