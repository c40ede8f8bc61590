"""Updates that stopped a worker are remembered, within bounds, whatever happens to the file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from server.poison_list import (
    EVIDENCE_BYTES,
    MAXIMUM_ENTRIES,
    MAXIMUM_RANGES,
    Poison,
    PoisonList,
    digest_of,
    parse_entries,
    ranges_of,
)

MALLORY = UUID(int=7)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def poison(update: bytes, cause: str = "signal 11") -> Poison:
    return Poison(digest_of(update), len(update), MALLORY, ((5, 0, 3),), NOON, cause, update)


def an_update(client_id: int, keys: int) -> bytes:
    doc: Doc[Map[int]] = Doc(client_id=client_id)
    root = doc.get("objects", type=Map)
    for key in range(keys):
        root[str(key)] = key
    return doc.get_update()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "poison.jsonl"


def test_a_new_list_is_empty_and_writes_nothing(path: Path) -> None:
    assert PoisonList(path).entries == ()
    assert not path.exists()


def test_what_was_added_is_there_for_the_next_supervisor(path: Path) -> None:
    PoisonList(path).add([poison(b"one"), poison(b"two")])
    assert PoisonList(path).entries == (poison(b"one"), poison(b"two"))


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    PoisonList(path).add([poison(b"one")])
    assert path.stat().st_mode & 0o777 == 0o600


def test_rom_15_an_entry_says_which_document_it_keeps_closed(path: Path) -> None:
    PoisonList(path).add([poison(b"opening ocw/1"), poison(b"an update")])
    closed, refused = map(json.loads, path.read_text().splitlines())
    assert closed["document"] == "ocw/1"
    assert "document" not in refused


def test_rom_15_without_its_line_a_document_is_open_again(path: Path) -> None:
    PoisonList(path).add([poison(b"opening ocw/1"), poison(b"an update")])
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert [each.update for each in PoisonList(path).entries] == [b"an update"]


def test_an_update_is_listed_once_with_its_latest_cause(path: Path) -> None:
    entries = PoisonList(path)
    entries.add([poison(b"one", "signal 11"), poison(b"two")])
    entries.add([poison(b"one", "silent for 2 s")])
    assert [(each.update, each.cause) for each in entries.entries] == [
        (b"two", "signal 11"),
        (b"one", "silent for 2 s"),
    ]


def test_the_oldest_entries_go_first(path: Path) -> None:
    entries = PoisonList(path)
    entries.add(poison(str(number).encode()) for number in range(MAXIMUM_ENTRIES + 3))
    assert len(entries.entries) == MAXIMUM_ENTRIES
    assert entries.entries[0].update == b"3"
    assert PoisonList(path).entries == entries.entries


def test_bytes_of_old_updates_are_let_go_but_not_what_identifies_them(path: Path) -> None:
    entries = PoisonList(path)
    large = [bytes([number]) * (EVIDENCE_BYTES // 2) for number in range(3)]
    entries.add(map(poison, large))
    assert [each.update for each in entries.entries] == [None, large[1], large[2]]
    assert [each.digest for each in entries.entries] == [digest_of(each) for each in large]


def test_a_worker_is_told_everything_but_the_bytes(path: Path) -> None:
    entries = PoisonList(path)
    entries.add([poison(b"one")])
    (told,) = parse_entries(entries.for_worker())
    assert told.update is None
    assert (told.digest, told.length, told.sender) == (digest_of(b"one"), 3, MALLORY)
    assert told.ranges == ((5, 0, 3),)


@pytest.mark.parametrize(
    "damage",
    [
        b"not json\n",
        b"{}\n",
        b"[1, 2]\n",
        b"null\n",
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
        b'{"at": "2026-03-01T12:00:00+00:00", "cause": "signal 11", "sen',
    ],
)
def test_a_damaged_line_costs_only_itself(path: Path, damage: bytes) -> None:
    PoisonList(path).add([poison(b"one")])
    path.write_bytes(path.read_bytes() + damage)
    assert PoisonList(path).entries == (poison(b"one"),)


@pytest.mark.parametrize(
    ("field", "value"),
    [("digest", "xyz"), ("sender", "nobody"), ("at", 5), ("ranges", [[1, 2]]), ("length", None)],
)
def test_an_entry_with_a_field_that_makes_no_sense_is_left_out(
    path: Path, field: str, value: object
) -> None:
    PoisonList(path).add([poison(b"one")])
    fields = json.loads(path.read_bytes())
    fields[field] = value
    assert parse_entries(json.dumps(fields).encode()) == ()


def test_a_full_disk_leaves_the_old_file_and_the_new_entry_in_memory(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = PoisonList(path)
    entries.add([poison(b"one")])

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        entries.add([poison(b"two")])
    assert [each.update for each in entries.entries] == [b"one", b"two"]
    assert PoisonList(path).entries == (poison(b"one"),)


def test_the_ranges_of_an_update_are_what_it_brings() -> None:
    assert ranges_of(an_update(client_id=5, keys=3)) == ((5, 0, 3),)


def test_an_update_that_the_guard_refuses_is_known_by_its_bytes_alone() -> None:
    assert ranges_of(b"\xff") == ()


def test_an_update_of_very_many_clients_is_known_by_its_bytes_alone() -> None:
    doc: Doc[Map[int]] = Doc()
    for client_id in range(1, MAXIMUM_RANGES + 2):
        doc.apply_update(an_update(client_id, keys=1))
    assert ranges_of(doc.get_update()) == ()
