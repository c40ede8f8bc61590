"""Updates that stopped a worker, kept so that they stop no other.

A client whose update killed the server comes back and offers the same edit again: as the same
bytes, or, as Yjs clients do, inside one update with everything else that the server lacks. So an
entry names the update by a digest of its bytes and by the clock ranges that it brings.

The list is one file of JSON lines in the data directory, bounded and replaced atomically. It
survives the supervisor; losing it costs one more reconnect for everybody, not more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any
from uuid import UUID

from crdt_docs.errors import Refusal
from crdt_docs.update_guard import walk_update

DIGEST_BYTES = 16
MAXIMUM_ENTRIES = 1024
MAXIMUM_RANGES = 256
"""Clock ranges kept of one update; one that brings more is known by its bytes alone."""
EVIDENCE_BYTES = 1024 * 1024
"""Bytes of updates kept for whoever looks into the crash; the oldest go first."""

OPENING = b"opening "
"""Before a document's name: what is noted, instead of an update, while one is opened (ROM-15)."""

SHOWING = b"showing "
"""Likewise while one is shown."""

PAST = b"the past of "
"""Likewise while one is shown as it was (PST-4)."""

READING = b"reading objects of "
"""Likewise while its objects are read for their rows (HST-8)."""

Range = tuple[int, int, int]
"""Client id, first clock, one past the last clock."""


def digest_of(update: bytes) -> bytes:
    """What stands for an update's bytes: 16 bytes of BLAKE2b."""
    return blake2b(update, digest_size=DIGEST_BYTES).digest()


def ranges_of(update: bytes) -> tuple[Range, ...]:
    """The clock ranges an update brings; none where it cannot be read or brings too many."""
    try:
        ranges = walk_update(update).ranges
    except Refusal:
        return ()
    return tuple(ranges) if len(ranges) <= MAXIMUM_RANGES else ()


@dataclass(frozen=True, slots=True)
class Poison:
    """One update that is not to be applied again.

    Attributes:
        digest: of its bytes.
        length: in bytes.
        sender: user id of who sent it.
        ranges: what it brings; empty where only the digest is known.
        at: when it stopped a worker.
        cause: how the worker ended, for people.
        update: its bytes, where they are still kept.
    """

    digest: bytes
    length: int
    sender: UUID
    ranges: tuple[Range, ...]
    at: datetime
    cause: str
    update: bytes | None = None


class PoisonList:
    """The list and its file."""

    def __init__(self, path: Path) -> None:
        """Read what an earlier supervisor kept; what cannot be read is left out.

        Raises:
            OSError: the file is there and cannot be opened.
        """
        self._path = path
        content = path.read_bytes() if path.exists() else b""
        self.entries = parse_entries(content)

    def add(self, poisons: Iterable[Poison]) -> None:
        """Append entries, newest last, and store the list.

        Raises:
            OSError: it could not be written; the entries are in memory all the same.
        """
        known = {poison.digest: poison for poison in self.entries}
        for poison in poisons:
            known.pop(poison.digest, None)
            known[poison.digest] = poison
        self.entries = _bounded(tuple(known.values()))
        _replace_file(self._path, _lines(self.entries, with_updates=True))

    def for_worker(self) -> bytes:
        """The list as `parse_entries` reads it, without the updates themselves."""
        return _lines(self.entries, with_updates=False)


def parse_entries(content: bytes) -> tuple[Poison, ...]:
    """Read JSON lines; one that makes no sense (a torn or foreign file) is skipped."""
    entries = []
    for line in content.splitlines():
        try:
            entries.append(_parse(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
    return tuple(entries)


def _parse(fields: dict[str, Any]) -> Poison:
    return Poison(
        digest=bytes.fromhex(fields["digest"]),
        length=int(fields["length"]),
        sender=UUID(fields["sender"]),
        ranges=tuple(
            (int(client), int(start), int(end)) for client, start, end in fields["ranges"]
        ),
        at=datetime.fromisoformat(fields["at"]),
        cause=str(fields["cause"]),
        update=_decoded(fields.get("update")),
    )


def _decoded(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _lines(entries: Sequence[Poison], *, with_updates: bool) -> bytes:
    return b"".join(_line(poison, with_update=with_updates) for poison in entries)


def _line(poison: Poison, *, with_update: bool) -> bytes:
    fields: dict[str, Any] = {
        "at": poison.at.isoformat(),
        "cause": poison.cause,
        "sender": str(poison.sender),
        "digest": poison.digest.hex(),
        "length": poison.length,
        "ranges": poison.ranges,
    }
    if with_update and poison.update is not None:
        for work in (OPENING, SHOWING, PAST, READING):
            if poison.update.startswith(work):
                fields["document"] = poison.update.removeprefix(work).decode(errors="replace")
        fields["update"] = poison.update.hex()
    return json.dumps(fields).encode() + b"\n"


def _bounded(entries: tuple[Poison, ...]) -> tuple[Poison, ...]:
    kept: list[Poison] = []
    budget = EVIDENCE_BYTES
    for poison in reversed(entries[-MAXIMUM_ENTRIES:]):
        size = len(poison.update or b"")
        budget -= size
        kept.append(poison if budget >= 0 else replace(poison, update=None))
    return tuple(reversed(kept))


def _replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a crash, meets the old or the new one and no third."""
    temporary = path.with_suffix(".new")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
