"""The file of an exported session, line by line."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind
from persistence.session_records import RecordKind
from server import session_file as format_of
from server.session_file import Batch, Header, new_session_file, session_file

SESSION = UUID(int=5)
NOW = datetime(2026, 5, 17, 12, tzinfo=UTC)
UPDATE: dict[str, Any] = {
    "seq": 1,
    "update": b"\x00\xff",
    "user_id": uuid4(),
    "actor_kind": "user",
    "taken_back": None,
    "committed_at": NOW,
}
AUTHOR: dict[str, Any] = {"client_id": 7, "user_id": None, "seq": 1}


def written(path: Path, updates: int = 3) -> Path:
    with new_session_file(path, Header(SESSION, NOW)) as file:
        file.write(RecordKind.AUTHOR, [AUTHOR])
        file.write(RecordKind.CHECKPOINT, [])
        file.write(RecordKind.UPDATE, [UPDATE] * updates)
    return path


def give_up(path: Path) -> None:
    with new_session_file(path, Header(SESSION, NOW)) as file:
        file.write(RecordKind.AUTHOR, [AUTHOR])
        raise ZeroDivisionError


def read(path: Path) -> list[Batch]:
    with session_file(path) as file:
        found = []
        while (batch := file.read()) is not None:
            found.append(batch)
        assert file.read() is None
        return found


def changed(path: Path, *lines: bytes, at: int = 1, remove: int = 0) -> Path:
    """The file with other lines."""
    with gzip.open(path) as file:
        kept = file.read().splitlines()
    kept[at : at + remove] = lines
    path.write_bytes(gzip.compress(b"\n".join(kept) + b"\n"))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(Malformed) as caught:
        read(path)
    return str(caught.value)


def test_what_is_written_is_read_in_batches_of_one_kind(tmp_path: Path) -> None:
    first, second = read(written(tmp_path / "s"))
    assert (first.kind, first.rows) == (RecordKind.AUTHOR, [AUTHOR])
    assert (second.kind, second.rows) == (RecordKind.UPDATE, [UPDATE] * 3)


def test_batches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(format_of, "ROWS_AT_ONCE", 4)
    sizes = [len(batch.rows) for batch in read(written(tmp_path / "s", updates=10))]
    assert sizes == [1, 4, 4, 2]
    monkeypatch.setattr(format_of, "BYTES_AT_ONCE", 1)
    assert {len(batch.rows) for batch in read(tmp_path / "s")} == {1}


def test_the_first_line_says_what_it_is(tmp_path: Path) -> None:
    with gzip.open(written(tmp_path / "s")) as file:
        assert orjson.loads(file.readline()) == {
            "format": "chenu-collab session",
            "version": 1,
            "session_id": str(SESSION),
            "exported_at": "2026-05-17T12:00:00+00:00",
        }
    with session_file(tmp_path / "s") as reader:
        assert reader.header == Header(SESSION, NOW)


def test_that_of_a_room_says_so(tmp_path: Path) -> None:
    head = Header(SESSION, NOW, DocumentKind.XR)
    with new_session_file(tmp_path / "r", head) as file:
        file.write(RecordKind.AUTHOR, [AUTHOR])
    with gzip.open(tmp_path / "r") as file:
        line = orjson.loads(file.readline())
    assert (line["format"], line["room_id"]) == ("chenu-collab room", str(SESSION))
    with session_file(tmp_path / "r") as reader:
        assert reader.header == head


def test_a_file_that_could_not_be_finished_is_not_there(tmp_path: Path) -> None:
    before = written(tmp_path / "s").read_bytes()
    for name in ("s", "t"):
        with pytest.raises(ZeroDivisionError):
            give_up(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert (tmp_path / "s").read_bytes() == before


def test_a_file_that_is_nothing_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "s"
    for content in (b"", b"hello", gzip.compress(b""), gzip.compress(b'{"a": 1}\n')):
        path.write_bytes(content)
        assert refusal(path) == "this is no exported session or room"


def test_a_line_that_is_no_record(tmp_path: Path) -> None:
    lines = (b"{", b"[]", b"7", b"\xff", b'"\\ud800"', b"{}", b'{"kind": 7}', b'{"kind": "user"}')
    for line in lines:
        assert refusal(changed(written(tmp_path / "s"), line)).startswith("line 2: ")


def test_a_line_without_end_is_not_read_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(format_of, "LONGEST_LINE", 1000)
    path = changed(written(tmp_path / "s"), b'{"kind": "' + b"a" * 5_000_000 + b'"}')
    assert "longer" in refusal(path)


def test_the_end_has_to_be_the_end(tmp_path: Path) -> None:
    assert "cut off" in refusal(changed(written(tmp_path / "s"), at=5, remove=1))
    assert "goes on" in refusal(changed(written(tmp_path / "s"), b"{}", at=6))
    assert "other records" in refusal(changed(written(tmp_path / "s"), at=2, remove=1))
    assert "too late" in refusal(changed(written(tmp_path / "s"), b'{"kind": "session"}', at=3))
