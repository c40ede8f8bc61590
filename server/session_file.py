"""The file that a session or room is exported to: JSON lines, compressed with gzip.

docs/backup.md has it.

    {"format": "chenu-collab session", "version": 1, "session_id": "…", "exported_at": "…", …}
    {"kind": "session", …}
    {"kind": "participant", …}
    …
    {"kind": "end", "counts": {"session": 1, "participant": 3, …}}

That of a room says "chenu-collab room", and "room_id".

Reading and writing block: call them in a thread.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import orjson

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, parse_uuid
from persistence.session_records import KINDS_OF, RecordKind, decode_record, encode_record
from server.data_directory import private_file

FORMATS: Final = {kind: f"chenu-collab {kinds[0]}" for kind, kinds in KINDS_OF.items()}
VERSION: Final = 1

LONGEST_LINE: Final = 512 * 1024 * 1024
"""Bytes. A document may have 64 MiB, a third more in base64, and limits may be raised."""

ROWS_AT_ONCE: Final = 500
BYTES_AT_ONCE: Final = 4 * 1024 * 1024

_ORDER: Final = {kind.value: place for place, kind in enumerate(RecordKind)}
_NOTHING: Final = "this is no exported session or room"
_END: Final = "end"
_LEVEL: Final = 6


class Header(NamedTuple):
    """The first line.

    Attributes:
        place_id: of the session or room that was exported.
        exported_at: UTC.
        kind: which of the two.
    """

    place_id: UUID
    exported_at: datetime
    kind: DocumentKind = DocumentKind.OCW


class Batch(NamedTuple):
    """Some records of one kind."""

    kind: RecordKind
    rows: Sequence[Mapping[str, Any]]


class SessionFileWriter:
    """Writes records one after the other.

    Attributes:
        counts: records written, by their kind.
    """

    def __init__(self, file: gzip.GzipFile, header: Header) -> None:
        self.counts: Counter[str] = Counter()
        self._file = file
        self._write(
            {
                "format": FORMATS[header.kind],
                "version": VERSION,
                _id_name(header.kind): str(header.place_id),
                "exported_at": header.exported_at.isoformat(),
            }
        )

    def write(self, kind: RecordKind, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of one kind; kinds have to come in their order."""
        for row in rows:
            self._write({"kind": kind, **encode_record(kind, row)})
        if rows:
            self.counts[kind.value] += len(rows)

    def end(self) -> None:
        """The last line, without which nobody takes the file."""
        self._write({"kind": _END, "counts": dict(self.counts)})

    def _write(self, value: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE))


def _id_name(kind: DocumentKind) -> str:
    return f"{KINDS_OF[kind][0]}_id"


@contextmanager
def new_session_file(path: Path, header: Header) -> Iterator[SessionFileWriter]:
    """A file that only we may read, in its place when all is written, and otherwise not at all."""
    draft = path.with_name(path.name + ".new")
    try:
        with open(draft, "wb", opener=private_file) as file:
            with gzip.GzipFile(
                "", "wb", _LEVEL, file, mtime=int(header.exported_at.timestamp())
            ) as packed:
                writer = SessionFileWriter(packed, header)
                yield writer
                writer.end()
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)  # noqa: PTH105 - says that it replaces
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


class SessionFileReader:
    """Reads what a `SessionFileWriter` wrote; what it reads may be anybody's.

    Attributes:
        header: the first line.
        counts: records read, by their kind.
    """

    def __init__(self, file: gzip.GzipFile) -> None:
        """
        Raises:
            Malformed: this is no exported session or room, or one of a version that is not known.
        """
        self.counts: Counter[str] = Counter()
        self._file = file
        self._number = 0
        self._pending: tuple[RecordKind, Mapping[str, Any], int] | None = None
        self._is_over = False
        self.header = self._read_header()

    def read(self) -> Batch | None:
        """The next records, all of one kind; None at the end.

        Raises:
            Malformed: the file is damaged, cut off, or not what it says.
        """
        first = self._pending or self._record()
        self._pending = None
        if first is None:
            return None
        kind, row, size = first
        rows = [row]
        while len(rows) < ROWS_AT_ONCE and size < BYTES_AT_ONCE:
            following = self._record()
            if following is None:
                break
            if following[0] is not kind:
                self._pending = following
                break
            rows.append(following[1])
            size += following[2]
        return Batch(kind, rows)

    def _read_header(self) -> Header:
        try:
            values = self._line()
        except Malformed:
            raise Malformed(_NOTHING) from None
        head = {} if values is None else values[0]
        kind = next((each for each, name in FORMATS.items() if head.get("format") == name), None)
        if kind is None:
            raise Malformed(_NOTHING)
        if head.get("version") != VERSION:
            raise Malformed(
                f"this program reads version {VERSION} of such files, this is another: "
                "import it with the version of collab that wrote it, or a newer one"
            )
        try:
            exported_at = datetime.fromisoformat(str(head.get("exported_at"))).astimezone(UTC)
        except (ValueError, OverflowError):
            raise Malformed("line 1: exported_at must be a time") from None
        return Header(parse_uuid(str(head.get(_id_name(kind)))), exported_at, kind)

    def _record(self) -> tuple[RecordKind, Mapping[str, Any], int] | None:
        """The next record with its size in the file; None after the last."""
        if self._is_over:
            return None
        line = self._line()
        if line is None:
            raise Malformed("the file is cut off: its end is missing")
        values, size = line
        kind = values.pop("kind", None)
        if kind == _END:
            self._end(values.get("counts"))
            return None
        if not isinstance(kind, str) or kind not in KINDS_OF[self.header.kind]:
            raise Malformed(f"line {self._number}: there are no records of this kind")
        if self.counts and _ORDER[kind] < max(_ORDER[each] for each in self.counts):
            raise Malformed(f"line {self._number}: a {kind} comes too late")
        self.counts[kind] += 1
        try:
            return RecordKind(kind), decode_record(RecordKind(kind), values), size
        except Malformed as error:
            raise Malformed(f"line {self._number}: {error}") from None

    def _end(self, counts: object) -> None:
        self._is_over = True
        if counts != self.counts:
            raise Malformed("the file is damaged: it has other records than it says")
        if self._line() is not None:
            raise Malformed("the file goes on after its end")

    def _line(self) -> tuple[dict[str, Any], int] | None:
        self._number += 1
        try:
            line = self._file.readline(LONGEST_LINE + 1)
        except (OSError, EOFError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the disk
            raise Malformed(f"line {self._number}: the file is damaged: {error}") from None
        if not line:
            return None
        if len(line) > LONGEST_LINE:
            raise Malformed(f"line {self._number}: longer than any that was ever written")
        try:
            values = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise Malformed(f"line {self._number}: no JSON") from None
        if not isinstance(values, dict):
            raise Malformed(f"line {self._number}: no JSON object")
        return values, len(line)


@contextmanager
def session_file(path: Path) -> Iterator[SessionFileReader]:
    """An exported session or room.

    Raises:
        Malformed: it is none.
        OSError: it cannot be read.
    """
    with gzip.open(path, "rb") as file:
        yield SessionFileReader(file)
