"""What a worker notes can be read after its death, wherever in its writing it died."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from crdt_docs.document import Document, Fence
from server import applying_note
from server.applying_note import (
    RECORD_BYTES,
    ApplyingNote,
    NoteReader,
    NoteUnreadable,
    Suspect,
    Suspicion,
)
from server.poison_list import Poison, PoisonList, digest_of, ranges_of
from tests.helpers.proving import few_or_many

ALICE = UUID(int=1)
MALLORY = UUID(int=7)


@pytest.fixture
def reader() -> Iterator[NoteReader]:
    made = NoteReader()
    yield made
    made.close()


@pytest.fixture
def note(reader: NoteReader) -> ApplyingNote:
    return ApplyingNote(reader.fd, monotonic=lambda: 12.5)


def note_after(tmp_path: Path, poisons: Sequence[Poison]) -> ApplyingNote:
    """The note of a worker that is told of these updates."""
    entries = PoisonList(tmp_path / "poison.jsonl")
    entries.add(poisons)
    reader = NoteReader(entries.for_worker())
    try:
        return ApplyingNote(reader.fd)
    finally:
        reader.close()


def poison(
    update: bytes, sender: UUID = MALLORY, ranges: tuple[tuple[int, int, int], ...] = ()
) -> Poison:
    return Poison(digest_of(update), len(update), sender, ranges, datetime.now(UTC), "signal 11")


def overwrite(reader: NoteReader, at: int, data: bytes) -> None:
    with mmap.mmap(reader.fd, 0) as memory:
        memory[at : at + len(data)] = data


def test_nothing_is_suspected_before_anything_was_applied(reader: NoteReader) -> None:
    assert reader.suspicion() is None


def test_the_update_being_applied_is_read_with_sender_and_time(
    reader: NoteReader, note: ApplyingNote
) -> None:
    note.begin(b"boom", MALLORY.bytes)
    assert reader.suspicion() == Suspicion(
        MALLORY, 12.5, (Suspect(digest_of(b"boom"), 4, b"boom"),)
    )


def test_nothing_is_suspected_once_applying_has_ended(
    reader: NoteReader, note: ApplyingNote
) -> None:
    note.begin(b"boom", MALLORY.bytes)
    note.end()
    assert reader.suspicion() is None


def test_a_shorter_update_after_a_longer_one_is_read_alone(
    reader: NoteReader, note: ApplyingNote
) -> None:
    note.begin_many([b"a" * 900, b"b" * 900], ALICE.bytes)
    note.end()
    note.begin(b"c", MALLORY.bytes)
    suspicion = reader.suspicion()
    assert suspicion is not None
    assert [each.update for each in suspicion.updates] == [b"c"]


def test_all_updates_of_one_transaction_are_suspects(
    reader: NoteReader, note: ApplyingNote
) -> None:
    note.begin_many([b"one", b"", b"three"], MALLORY.bytes)
    suspicion = reader.suspicion()
    assert suspicion is not None
    assert [each.update for each in suspicion.updates] == [b"one", b"", b"three"]
    assert suspicion.sender == MALLORY


@pytest.mark.parametrize("size", [RECORD_BYTES - 4, RECORD_BYTES - 3])
def test_an_update_too_large_for_the_note_is_noted_by_its_digest(
    reader: NoteReader, note: ApplyingNote, size: int
) -> None:
    update = os.urandom(size)
    note.begin(update, MALLORY.bytes)
    suspicion = reader.suspicion()
    assert suspicion is not None
    fits = size <= RECORD_BYTES - 4
    assert suspicion.updates == (Suspect(digest_of(update), size, update if fits else None),)


def test_a_batch_too_large_for_the_note_is_noted_by_digests(
    reader: NoteReader, note: ApplyingNote
) -> None:
    updates = [os.urandom(100_000) for _ in range(3)]
    note.begin_many(updates, MALLORY.bytes)
    suspicion = reader.suspicion()
    assert suspicion is not None
    assert [each.digest for each in suspicion.updates] == [digest_of(each) for each in updates]
    assert {each.update for each in suspicion.updates} == {None}


def test_of_more_updates_than_there_is_room_for_the_first_are_noted(
    reader: NoteReader, note: ApplyingNote
) -> None:
    updates = [str(number).encode() for number in range(70_000)]
    note.begin_many(updates, MALLORY.bytes)
    suspicion = reader.suspicion()
    assert suspicion is not None
    assert len(suspicion.updates) == RECORD_BYTES // 20
    assert suspicion.updates[-1].digest == digest_of(updates[RECORD_BYTES // 20 - 1])


def test_rom_17_trusted_work_is_noted_with_how_long_it_may_take(
    reader: NoteReader, note: ApplyingNote
) -> None:
    assert reader.allowance() == 0
    beats = reader.beats()
    note.begin_heavy(b"opening ocw/1", 12.5)
    assert reader.allowance() == 12.5
    assert reader.beats() == beats + 1, "its time begins now"
    suspicion = reader.suspicion()
    assert suspicion is not None
    assert suspicion.sender == UUID(int=0)
    assert [suspect.update for suspect in suspicion.updates] == [b"opening ocw/1"]
    note.end()
    assert reader.allowance() == 0
    assert reader.suspicion() is None
    note.begin(b"an update", ALICE.bytes)
    assert reader.allowance() == 0


@pytest.mark.parametrize("seconds", [-1.0, 1e9, float("nan"), float("inf")])
def test_rom_17_an_allowance_that_makes_no_sense_is_none(
    reader: NoteReader, note: ApplyingNote, seconds: float
) -> None:
    note.begin_heavy(b"opening ocw/1", seconds)
    assert reader.allowance() == 0


def test_heartbeats_are_counted(reader: NoteReader, note: ApplyingNote) -> None:
    assert reader.beats() == 0
    note.beat()
    note.beat()
    note.begin(b"x", b"0" * 16)
    note.end()
    assert reader.beats() == 3, "whoever applies one update after the other is not stuck"


@pytest.mark.parametrize(
    ("at", "data"),
    [
        (applying_note._STATE_AT, b"\x02"),
        (applying_note._STATE_AT - 4, struct.pack("<I", 0)),
        (applying_note._STATE_AT - 4, struct.pack("<I", RECORD_BYTES)),
        (applying_note._STATE_AT - 4, struct.pack("<I", RECORD_BYTES // 4)),
        (applying_note._RECORDS_AT, struct.pack("<I", RECORD_BYTES)),
        (applying_note._RECORDS_AT, struct.pack("<I", 0x7FFF_FFFF)),
    ],
)
def test_a_note_that_native_code_ran_over_is_told_apart(
    reader: NoteReader, note: ApplyingNote, at: int, data: bytes
) -> None:
    note.begin_many([b"u" * 100_000, b"u" * 100_000], MALLORY.bytes)
    overwrite(reader, at, data)
    with pytest.raises(NoteUnreadable):
        reader.suspicion()


def test_a_last_record_cut_by_the_end_of_the_note_is_told_apart(
    reader: NoteReader, note: ApplyingNote
) -> None:
    note.begin_many([b"u" * (RECORD_BYTES - 9), b"v"], MALLORY.bytes)
    overwrite(reader, applying_note._RECORDS_AT, struct.pack("<I", RECORD_BYTES - 6))
    with pytest.raises(NoteUnreadable):
        reader.suspicion()


def test_without_poison_nothing_is_refused(note: ApplyingNote) -> None:
    assert not note.is_poisoned(b"boom")
    assert not note.brings_poison(MALLORY.bytes, [(5, 0, 3)])


def test_a_poisoned_update_is_known_again_whoever_sends_it(tmp_path: Path) -> None:
    note = note_after(tmp_path, [poison(b"boom")])
    assert note.is_poisoned(b"boom")
    assert not note.is_poisoned(b"bo0m")
    assert not note.is_poisoned(b"harmless")


@pytest.mark.parametrize(
    ("brought", "expected"),
    [
        ((5, 3, 7), True),
        ((5, 0, 4), True),
        ((5, 6, 100), True),
        ((5, 4, 5), True),
        ((5, 0, 3), False),
        ((5, 7, 9), False),
        ((6, 3, 7), False),
    ],
)
def test_a_poisoned_edit_is_known_inside_a_larger_update_of_its_sender(
    tmp_path: Path, brought: tuple[int, int, int], *, expected: bool
) -> None:
    note = note_after(tmp_path, [poison(b"boom", ranges=((5, 3, 7),))])
    assert note.brings_poison(MALLORY.bytes, [(9, 0, 1), brought]) is expected
    assert not note.brings_poison(ALICE.bytes, [brought])


def test_what_lies_between_two_poisoned_edits_of_one_client_is_refused(tmp_path: Path) -> None:
    poisons = [poison(b"late", ranges=((5, 8, 9),)), poison(b"early", ranges=((5, 3, 4),))]
    note = note_after(tmp_path, poisons)
    assert note.brings_poison(MALLORY.bytes, [(5, 5, 6)])


def test_an_edit_that_comes_back_in_a_synchronisation_step_is_known(tmp_path: Path) -> None:
    """The same edit in the bytes that a Yjs client sends after a reconnect."""
    server: Doc[Map[str]] = Doc()
    client: Doc[Map[str]] = Doc(client_id=5)
    objects = client.get("objects", type=Map)
    objects["a"] = "stored"
    server.apply_update(client.get_update())
    emitted: list[bytes] = []
    client.observe(lambda event: emitted.append(event.update))
    objects["b"] = "fatal"
    del objects["a"]

    known = ranges_of(emitted[0])
    note = note_after(tmp_path, [poison(emitted[0], ranges=known)])
    step2 = client.get_update(server.get_state())
    assert step2 != emitted[0]
    assert not note.is_poisoned(step2)
    assert note.brings_poison(MALLORY.bytes, ranges_of(step2))


def test_what_is_no_note_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "something"
    path.write_bytes(bytes(RECORD_BYTES * 2))
    with path.open("r+b") as file, pytest.raises(NoteUnreadable, match="not a note of this"):
        ApplyingNote(file.fileno())
    path.write_bytes(b"")
    with path.open("r+b") as file, pytest.raises(NoteUnreadable, match="is not a note"):
        ApplyingNote(file.fileno())


def test_a_system_without_anonymous_memory_files_takes_an_unlinked_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reader = NoteReader()
    try:
        ApplyingNote(reader.fd).begin(b"boom", MALLORY.bytes)
        assert reader.suspicion() is not None
        assert list(tmp_path.iterdir()) == []
    finally:
        reader.close()


def test_a_document_fences_what_it_applies_with_a_note(
    reader: NoteReader, note: ApplyingNote
) -> None:
    fence: Fence = note
    document = Document(fence=fence)
    source: Doc[Map[int]] = Doc()
    source.get("objects", type=Map)["a"] = 1
    document.apply([source.get_update()], ALICE.bytes)
    assert reader.suspicion() is None
    document.close()


WRITER = """
import sys
from server.applying_note import ApplyingNote
note = ApplyingNote(int(sys.argv[1]))
number = 0
while True:
    number += 1
    update = (b"%d;" % number) * (number % 700 + 1)
    if number % 3:
        note.begin(update, number.to_bytes(16, "big"))
    else:
        note.begin_many([update] * 3, number.to_bytes(16, "big"))
    note.end()
"""


@pytest.mark.parametrize("seed", range(few_or_many(3, 100)))
def test_a_worker_killed_at_any_moment_leaves_a_note_that_is_whole_or_absent(
    reader: NoteReader, seed: int
) -> None:
    command = [sys.executable, "-c", WRITER, str(reader.fd)]
    with subprocess.Popen(command, pass_fds=[reader.fd]) as writer:
        deadline = time.monotonic() + 30
        while reader.beats() < 500 + 137 * seed:
            assert time.monotonic() < deadline
            assert writer.poll() is None
        writer.kill()
    suspicion = reader.suspicion()
    if suspicion is None:
        return
    number = suspicion.sender.int
    expected = (b"%d;" % number) * (number % 700 + 1)
    assert [each.update for each in suspicion.updates] == [expected] * (1 if number % 3 else 3)
    assert number - reader.beats() in {0, 1}


def test_rom_17_heavy_work_ends_with_a_beat_before_its_allowance_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A supervisor that found the old beat and no allowance would kill a worker that lives."""
    reader = NoteReader()
    note = ApplyingNote(reader.fd)
    note.begin_heavy(b"opening ocw/x", 20.0)
    allowed: list[float] = []
    beat = ApplyingNote.beat

    def look_and_beat(self: ApplyingNote) -> None:
        beat(self)
        allowed.append(reader.allowance())

    monkeypatch.setattr(ApplyingNote, "beat", look_and_beat)
    note.end()
    assert allowed == [20.0]
    assert reader.allowance() == 0.0
