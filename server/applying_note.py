"""What a worker is doing to the CRDT right now, in memory that outlives it.

The supervisor and its worker share one small mapping. The worker counts a heartbeat in it, and
before it gives somebody's bytes to the CRDT it notes them there with their sender. When the
worker dies or stops beating, the supervisor reads who and what was at work. In the other
direction the mapping carries the list of updates that stopped earlier workers.

Layout (little-endian):

    0     magic and version, 8 bytes
    8     heartbeat, u64
    16    applying: since (f64, seconds of the monotonic clock, which the processes of a machine
          share), sender (16 bytes, a user id), count u32, state u32
    48    length of the poison list, u32
    56    seconds for which the worker may be silent, f64; 0 but during trusted heavy work
    64    records of the updates being applied: length u32, then the bytes; with the top bit of
          the length set, a digest instead of the bytes
    ...   the poison list, as JSON lines

A worker can be killed between any two of its writes, but what it wrote before stays and keeps its
order. `state` is therefore written last when applying begins and first when it ends: while it is
set, all else is complete. What native code ran over before it crashed is another matter, so the
reader believes no length that it finds.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from server.poison_list import DIGEST_BYTES, Poison, Range, digest_of, parse_entries

RECORD_BYTES = 256 * 1024
"""Room for the updates being applied; what does not fit is noted by its digest."""

_MAGIC = b"applyin1"
_BEAT = struct.Struct("<Q")
_APPLYING = struct.Struct("<d16sII")
_LENGTH = struct.Struct("<I")
_SECONDS = struct.Struct("<d")

_BEAT_AT = 8
_APPLYING_AT = 16
_STATE_AT = 44
_POISON_LENGTH_AT = 48
_ALLOWANCE_AT = 56
_RECORDS_AT = 64
_POISON_AT = _RECORDS_AT + RECORD_BYTES
_IS_DIGEST = 1 << 31
_LONGEST = 3600.0
NOBODY = bytes(16)
"""The sender that is noted of trusted work."""
_DIGEST_RECORD = _LENGTH.size + DIGEST_BYTES
_FIRST_BYTES_AT = _RECORDS_AT + _LENGTH.size
_FITS_ALONE = RECORD_BYTES - _LENGTH.size


@dataclass(frozen=True, slots=True)
class Suspect:
    """One update that was being applied when the worker stopped.

    Attributes:
        digest: `digest_of` the update.
        length: in bytes, modulo 2^31.
        update: the update itself, or None where only the digest was noted.
    """

    digest: bytes
    length: int
    update: bytes | None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Whom a worker was working for when it stopped, and on what.

    Several updates of one sender may be applied in one transaction. Nothing tells which of them
    was fatal, so all are suspects: they came from one connection.

    Attributes:
        since: when applying began, by the monotonic clock in seconds.
    """

    sender: UUID
    since: float
    updates: tuple[Suspect, ...]


class NoteUnreadable(Exception):  # noqa: N818 - says what is the case
    """The shared memory does not hold a note: the worker overwrote it, or it never was one."""


class ApplyingNote:
    """The worker's side. Implements `crdt_docs.document.Fence`."""

    __slots__ = ("_beats", "_is_heavy", "_lengths", "_memory", "_monotonic", "_poisoned", "_spans")

    def __init__(self, fd: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Map the memory behind an inherited file descriptor; the descriptor may be closed then.

        Raises:
            NoteUnreadable: it is not a note.
        """
        self._memory, poisons = _open(fd)
        self._monotonic = monotonic
        self._poisoned = frozenset(poison.digest for poison in poisons)
        self._lengths = frozenset(poison.length % _IS_DIGEST for poison in poisons)
        self._spans = _spans(poisons)
        self._beats = 0
        self._is_heavy = False

    def beat(self) -> None:
        """Show that this process still turns."""
        self._beats += 1
        _BEAT.pack_into(self._memory, _BEAT_AT, self._beats)

    def begin(self, update: bytes, sender: bytes) -> None:
        """Note one update that is about to be applied, and its sender (16 bytes, a user id)."""
        size = len(update)
        if size > _FITS_ALONE:
            self._begin_digests((update,), sender)
            return
        memory = self._memory
        _LENGTH.pack_into(memory, _RECORDS_AT, size)
        memory[_FIRST_BYTES_AT : _FIRST_BYTES_AT + size] = update
        _APPLYING.pack_into(memory, _APPLYING_AT, self._monotonic(), sender, 1, 1)

    def begin_heavy(self, what: bytes, seconds: float) -> None:
        """Note trusted work that is about to begin, and that this process may be silent for so
        many seconds from now."""
        _SECONDS.pack_into(self._memory, _ALLOWANCE_AT, seconds)
        self._is_heavy = True
        self.beat()
        self.begin(what, NOBODY)

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
        """Note updates of one sender that are about to be applied in one transaction."""
        if len(updates) == 1:
            self.begin(updates[0], sender)
            return
        if sum(map(len, updates)) + len(updates) * _LENGTH.size > RECORD_BYTES:
            self._begin_digests(updates, sender)
            return
        parts: list[bytes] = []
        for update in updates:
            parts.append(_LENGTH.pack(len(update)))
            parts.append(update)
        self._begin_records(b"".join(parts), len(updates), sender)

    def _begin_digests(self, updates: Sequence[bytes], sender: bytes) -> None:
        # Rooms cut their turns long before more digests come together than there is room for.
        noted = updates[: RECORD_BYTES // _DIGEST_RECORD]
        records = b"".join(
            _LENGTH.pack(len(update) % _IS_DIGEST | _IS_DIGEST) + digest_of(update)
            for update in noted
        )
        self._begin_records(records, len(noted), sender)

    def _begin_records(self, records: bytes, count: int, sender: bytes) -> None:
        memory = self._memory
        memory[_RECORDS_AT : _RECORDS_AT + len(records)] = records
        _APPLYING.pack_into(memory, _APPLYING_AT, self._monotonic(), sender, count, 1)

    def end(self) -> None:
        """They were applied, or failed, and the process lives."""
        self._memory[_STATE_AT] = 0
        # A flood can keep one round of the event loop busy for longer than a heartbeat may take;
        # whoever applies one update after the other is not stuck.
        self.beat()
        if self._is_heavy:  # after the beat: the supervisor must not find neither
            self._is_heavy = False
            _SECONDS.pack_into(self._memory, _ALLOWANCE_AT, 0.0)

    def is_poisoned(self, update: bytes) -> bool:
        """Whether this update, byte for byte, stopped an earlier worker."""
        # Hashing costs half a microsecond; nearly always there is nothing to compare with.
        if not self._lengths or len(update) % _IS_DIGEST not in self._lengths:
            return False
        return digest_of(update) in self._poisoned

    def brings_poison(self, sender: bytes, ranges: Iterable[Range]) -> bool:
        """Whether an update of this sender (16 bytes, a user id) that brings these clock ranges
        contains an edit that stopped an earlier worker.

        Yjs clients offer an edit that was not taken again inside a larger update. Only its author
        can do so: nobody else ever received it. And only the author is held to it, because client
        ids are unique within one document, not within the server.
        """
        if not self._spans or sender not in self._spans:
            return False
        spans = self._spans[sender]
        for client, start, end in ranges:
            first, last = spans.get(client, _NOTHING)
            if start < last and first < end:
                return True
        return False


_NOTHING = (0, 0)


def _spans(poisons: Iterable[Poison]) -> dict[bytes, dict[int, tuple[int, int]]]:
    """Per sender and client id, from the first to one past the last clock of all its poison.

    What lies between belongs to edits that build on the first one, so they cannot be taken
    without it either.
    """
    spans: dict[bytes, dict[int, tuple[int, int]]] = {}
    for poison in poisons:
        of_sender = spans.setdefault(poison.sender.bytes, {})
        for client, start, end in poison.ranges:
            first, last = of_sender.get(client, (start, end))
            of_sender[client] = (min(first, start), max(last, end))
    return spans


class NoteReader:
    """The supervisor's side. Makes the memory, for one worker each."""

    def __init__(self, poison_list: bytes = b"") -> None:
        """Make fresh memory that tells its worker what not to apply (`PoisonList.for_worker`)."""
        self.fd = _anonymous_file(_POISON_AT + len(poison_list))
        self._memory = mmap.mmap(self.fd, _POISON_AT + len(poison_list))
        self._memory[_POISON_AT:] = poison_list
        _LENGTH.pack_into(self._memory, _POISON_LENGTH_AT, len(poison_list))
        self._memory[: len(_MAGIC)] = _MAGIC

    def beats(self) -> int:
        """How often the worker's heart has beaten."""
        return int(_BEAT.unpack_from(self._memory, _BEAT_AT)[0])

    def allowance(self) -> float:
        """For how many seconds the worker may be silent, beyond what is usual; 0 for no longer."""
        seconds = float(_SECONDS.unpack_from(self._memory, _ALLOWANCE_AT)[0])
        return seconds if 0 < seconds < _LONGEST else 0.0

    def suspicion(self) -> Suspicion | None:
        """What was being applied; None when nothing was. Ask only when the worker runs no more.

        Raises:
            NoteUnreadable: something was, but what the note says of it makes no sense.
        """
        since, sender, count, state = _APPLYING.unpack_from(self._memory, _APPLYING_AT)
        if state == 0:
            return None
        if state != 1 or not 0 < count <= RECORD_BYTES // _LENGTH.size:
            raise NoteUnreadable("the worker's note was overwritten")
        return Suspicion(UUID(bytes=sender), since, tuple(self._read_records(count)))

    def _read_records(self, count: int) -> Iterator[Suspect]:
        at = _RECORDS_AT
        for _ in range(count):
            if at + _LENGTH.size > _POISON_AT:
                raise NoteUnreadable("the worker's note names more updates than fit")
            (length,) = _LENGTH.unpack_from(self._memory, at)
            at += _LENGTH.size
            held = DIGEST_BYTES if length & _IS_DIGEST else length
            if at + held > _POISON_AT:
                raise NoteUnreadable("the worker's note names an update longer than fits")
            data = self._memory[at : at + held]
            at += held
            if length & _IS_DIGEST:
                yield Suspect(data, length & ~_IS_DIGEST, None)
            else:
                yield Suspect(digest_of(data), length, data)

    def close(self) -> None:
        """Let go of the memory; a worker that still runs keeps its own mapping."""
        self._memory.close()
        os.close(self.fd)


def _open(fd: int) -> tuple[mmap.mmap, tuple[Poison, ...]]:
    try:
        memory = mmap.mmap(fd, 0)
    except (OSError, ValueError) as error:
        raise NoteUnreadable(f"file descriptor {fd} is not a note: {error}") from error
    if len(memory) < _POISON_AT or memory[: len(_MAGIC)] != _MAGIC:
        memory.close()
        raise NoteUnreadable(f"file descriptor {fd} is not a note of this version")
    (length,) = _LENGTH.unpack_from(memory, _POISON_LENGTH_AT)
    return memory, parse_entries(memory[_POISON_AT : _POISON_AT + length])


def _anonymous_file(size: int) -> int:
    """A file in memory without a name; where the system has none, one that is unlinked at once."""
    if sys.platform == "linux":
        fd = os.memfd_create("applying-note", os.MFD_CLOEXEC)
    else:
        fd, path = tempfile.mkstemp(prefix="applying-note-")
        os.unlink(path)  # noqa: PTH108 - there is no Path here, only a name
    os.ftruncate(fd, size)
    return fd
