"""Sessions as files, and files as sessions."""

from __future__ import annotations

import asyncio
import gzip
import os
import zlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from pycrdt import Doc, Map

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, document_name
from persistence.archive import PostgresArchive
from persistence.archive_ports import AtSeq
from persistence.database_lock import DatabaseLock
from persistence.errors import DatabaseInUse, DatabaseUnusable
from persistence.pool import DatabasePool
from persistence.session_records import BYTES, KINDS_OF, RECORDS, RecordKind
from persistence.session_transfer import ContentRefused, PlaceExists
from server.clock import utc_now
from server.transfer import NoSuchPlace, export_place, import_place
from tests.helpers.raw_updates import (
    TRUE,
    embed,
    item,
    section,
    shared_type,
    text,
    update,
    values,
)
from tests.helpers.verifying import findings
from tests.server.rooms import NAME, Person, Seat
from tests.server.transferring import (
    SESSION_ID,
    create_session,
    everything,
    live,
    name_moments,
    pool_on,
    rooms_on,
    row_counts,
    state_of,
    sticky,
    work_together,
)

OTHER_ID = UUID(int=78)
OTHER_NAME = document_name(DocumentKind.OCW, OTHER_ID)
Lines = list[dict[str, Any]]


async def fill(pool: DatabasePool, *, edits: int = 60) -> None:
    """A session with all kinds of records."""
    await create_session(pool)
    async with rooms_on(pool) as directory:
        await work_together(directory, edits=edits)
    last = await PostgresArchive(pool).last_seq(NAME)
    await keep_checkpoint(pool, last // 3)
    await name_moments(pool, last // 3, last // 2)


async def keep_checkpoint(pool: DatabasePool, seq: int) -> None:
    assert await PostgresArchive(pool).keep(NAME, seq, await past(pool, seq))


async def past(pool: DatabasePool, seq: int) -> bytes:
    """The document at a position, as the archive has it."""
    found = await PostgresArchive(pool).past(NAME, AtSeq(seq))
    doc: Doc[Any] = Doc()
    for part in ([found.state] if found.state is not None else []) + [*found.tail]:
        doc.apply_update(part)
    return doc.get_update()


def shown(state: bytes) -> Any:
    doc: Doc[Any] = Doc()
    doc.apply_update(state)
    return doc.get("objects", type=Map).to_py()


def without(records: Mapping[RecordKind, Any], *kinds: RecordKind) -> dict[RecordKind, Any]:
    return {kind: rows for kind, rows in records.items() if kind not in kinds}


def drop_ids(row: Mapping[str, Any], names: AbstractSet[str]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


async def exported(dsn: str, path: Path) -> Lines:
    """The lines of a fresh export."""
    await export_place(dsn, SESSION_ID, path, now=utc_now())
    return await asyncio.to_thread(read_lines, path)


def read_lines(path: Path) -> Lines:
    with gzip.open(path) as file:
        return [orjson.loads(line) for line in file]


def write_lines(path: Path, lines: Lines) -> None:
    """A file whose last line says what is in it."""
    counts: dict[str, int] = {}
    for line in lines[1:-1]:
        counts[line["kind"]] = counts.get(line["kind"], 0) + 1
    lines = [*lines[:-1], {"kind": "end", "counts": counts}]
    with gzip.open(path, "wb") as file:
        for line in lines:
            file.write(orjson.dumps(line) + b"\n")


async def test_an_imported_session_is_the_same_session(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "session.collab"
    done = await export_place(database, SESSION_ID, file, now=utc_now())
    assert done.counts["participant"] == 3
    assert done.counts["update"] > 30
    assert file.stat().st_mode & 0o777 == 0o600
    assert await import_place(own_database, file) == done
    async with pool_on(own_database) as elsewhere:
        original, copy = await everything(pool), await everything(elsewhere)
        # The checkpoint was made again from the log: it says the same, maybe in other bytes.
        assert without(copy, RecordKind.CHECKPOINT) == without(original, RecordKind.CHECKPOINT)
        assert all(copy[kind] for kind in KINDS_OF[DocumentKind.OCW])
        assert await state_of(elsewhere) == await state_of(pool)
        assert await findings(own_database) == []
        for seq in (1, 7, len(original[RecordKind.UPDATE])):
            assert shown(await past(elsewhere, seq)) == shown(await past(pool, seq))


async def test_people_go_on_where_they_were(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "session.collab"
    await export_place(database, SESSION_ID, file, now=utc_now())
    await import_place(own_database, file)
    async with pool_on(own_database) as elsewhere:
        before = await everything(elsewhere)
        async with rooms_on(elsewhere) as directory:
            seat = Seat(await directory.open(NAME), Person(5))
            seat.pump()
            seat.person.set("o1", sticky(1000))
            seat.pump()
            await live(directory).edit(NAME, seat.person.identity, lambda doc: None)
        after = await everything(elsewhere)
        assert len(after[RecordKind.UPDATE]) == len(before[RecordKind.UPDATE]) + 1
        versions = {row["id"]: row["version"] for row in before[RecordKind.OBJECT]}
        row = next(row for row in after[RecordKind.OBJECT] if row["id"] == "o1")
        assert row["version"] == versions["o1"] + 1
        assert row["position"] == {"x": 1000, "y": 1.5}


async def test_a_session_whose_log_was_merged_is_taken_along(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    archive = PostgresArchive(pool)
    last = await archive.last_seq(NAME)
    await keep_checkpoint(pool, last // 2)
    while await archive.remove_merged(NAME, last // 2):
        continue
    file = tmp_path / "session.collab"
    await export_place(database, SESSION_ID, file, now=utc_now())
    await import_place(own_database, file)
    async with pool_on(own_database) as elsewhere:
        assert await everything(elsewhere) == await everything(pool)
        assert await state_of(elsewhere) == await state_of(pool)
        for seq in (last // 3, last // 2, last - 1):
            assert shown(await past(elsewhere, seq)) == shown(await past(pool, seq))


async def test_a_copy_may_have_another_id_beside_the_original(
    pool: DatabasePool, database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "session.collab"
    await export_place(database, SESSION_ID, file, now=utc_now())
    with pytest.raises(PlaceExists):
        await import_place(database, file)
    await import_place(database, file, place_id=OTHER_ID)
    original, copy = await everything(pool), await everything(pool, OTHER_ID)
    for kind in without(original, RecordKind.CHECKPOINT):
        own = RECORDS[kind].ids
        assert sorted(map(str, (drop_ids(row, own) for row in copy[kind]))) == sorted(
            map(str, (drop_ids(row, own) for row in original[kind]))
        )
        assert not {row[name] for row in copy[kind] for name in own} & {
            row[name] for row in original[kind] for name in own
        }
    assert await state_of(pool, OTHER_NAME) == await state_of(pool)


async def test_replacing_needs_the_database_for_itself(
    pool: DatabasePool, database: str, tmp_path: Path
) -> None:
    await fill(pool)
    before = await everything(pool)
    file = tmp_path / "session.collab"
    await export_place(database, SESSION_ID, file, now=utc_now())
    async with rooms_on(pool) as directory:
        await work_together(directory, edits=5)
    lock = DatabaseLock(database, on_lost=lambda: None)
    await lock.acquire()
    with pytest.raises(DatabaseInUse):
        await import_place(database, file, replace=True)
    await lock.release()
    await import_place(database, file, replace=True)
    after = await everything(pool)
    assert without(after, RecordKind.CHECKPOINT) == without(before, RecordKind.CHECKPOINT)


async def test_a_session_nobody_drew_in_yet(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await create_session(pool)
    file = tmp_path / "session.collab"
    await export_place(database, SESSION_ID, file, now=utc_now())
    await import_place(own_database, file)
    async with pool_on(own_database) as elsewhere:
        assert await everything(elsewhere) == await everything(pool)


async def test_an_export_beside_people_who_edit_is_one_moment(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await create_session(pool)
    async with rooms_on(pool) as directory:
        await work_together(directory, edits=10)
        working = asyncio.create_task(work_together(directory, edits=80))
        files: list[Path] = []
        while not working.done():
            files.append(tmp_path / f"{len(files)}.collab")
            await export_place(database, SESSION_ID, files[-1], now=utc_now())
        await working
    assert len(files) > 2
    for file in {files[0], files[len(files) // 2], files[-1]}:
        await import_place(own_database, file, replace=True)
        async with pool_on(own_database) as elsewhere:
            records = await everything(elsewhere)
            state: Any = await state_of(elsewhere)
        rows = {
            row["id"]: row["position"]
            for row in records[RecordKind.OBJECT]
            if row["deleted_at"] is None
        }
        assert rows == {key: value["position"] for key, value in state["objects"].items()}


async def test_what_is_not_there_is_not_exported(pool: DatabasePool, database: str) -> None:
    with pytest.raises(NoSuchPlace):
        await export_place(database, SESSION_ID, Path("never"), now=utc_now())


async def test_a_database_of_another_version_is_left_alone(
    empty_database: str, tmp_path: Path
) -> None:
    with pytest.raises(DatabaseUnusable):
        await export_place(empty_database, SESSION_ID, tmp_path / "x", now=utc_now())
    assert await asyncio.to_thread(os.listdir, tmp_path) == []


# Files that are not what they should be

Change = Callable[[Lines], object]


def line_of(lines: Lines, kind: str, number: int = 0) -> dict[str, Any]:
    return [line for line in lines if line.get("kind") == kind][number]


def drop(kind: str, number: int = 0) -> Change:
    return lambda lines: lines.remove(line_of(lines, kind, number))


def say(kind: str, number: int = 0, /, **changes: Any) -> Change:
    return lambda lines: line_of(lines, kind, number).update(changes)


def double(kind: str) -> Change:
    return lambda lines: lines.insert(lines.index(line_of(lines, kind)), line_of(lines, kind))


WRONG: dict[str, Change] = {
    "another format": lambda lines: lines[0].update(format="chenu"),
    "another version": lambda lines: lines[0].update(version=2),
    "a session id that is none": lambda lines: lines[0].update(session_id="x"),
    "no session": drop("session"),
    "two sessions": double("session"),
    "two documents": double("document"),
    "no document": drop("document"),
    "an unknown kind": say("session", kind="user"),
    "a kind of rooms": say("participant", kind="member"),
    "another kind of place": lambda lines: lines[0].update(
        format="chenu-collab room", room_id=lines[0]["session_id"]
    ),
    "an unknown column": say("session", is_admin=True),
    "a document without a log": say("document", last_seq=0),
    "a log that begins later": lambda lines: [
        drop(kind)(lines) for kind in ("update", "checkpoint", "named_snapshot", "named_snapshot")
    ],
    "a gap in the log": drop("update", 5),
    "a log that is cut off": drop("update", -1),
    "a log that is longer than it says": say("document", last_seq=3),
    "an entry twice": double("update"),
    "a position that is none": say("update", 3, seq="4"),
    "a negative position": say("update", seq=-1),
    "bytes that are no base64": say("update", update="%"),
    "an update that is none": say("update", update="AAE="),
    "an update without bytes": say("update", update=None),
    "an actor that is none": say("update", actor_kind="god"),
    "a checkpoint beyond the log": say("checkpoint", seq=100_000),
    "a checkpoint without a state": say("checkpoint", state=None),
    "a name beyond the log": say("named_snapshot", seq=100_000),
    "a type of session that is none": say("session", session_type="party"),
    "a config that is none": say("session", config=[]),
    "a role that is none": say("participant", role="god"),
    "a participant who is nobody": say("participant", user_id=None),
    "a time without a zone": say("session", started_at="2026-01-01T00:00:00"),
    "a text with NUL": say("object", id="a\x00"),
    "an id that is too long": say("object", id="a" * 129),
    "an object twice": double("object"),
    "a version twice": double("object_version"),
    "a version that is too large": say("object", version=2**40),
    "a number that is too large": say("session", max_participants=2**64 - 1),
    "a state that is none": say("object_version", previous_state=[]),
    "a flag that is none": say("object", is_locked="no"),
    "a rotation that is none": say("object", rotation="left"),
    "no list of people": say("object_version", contributors="x"),
    "the wrong order": lambda lines: lines.insert(2, line_of(lines, "object")),
}


HOSTILE = {
    "no update": b"\xff" * 20,
    "nothing": b"",
    "bytes behind it": update() + b"\x00",
    "a count without end": b"\xff\xff\xff\xff\x0f",
    "a gap before it": update(section(7, 5, item(text("hi"), parent="objects"))),
    "what nobody knows": update(section(7, 0, item(text("hi"), origin=(8, 3)))),
    "a circle": update(section(7, 0, item(text("a"), origin=(7, 0)))),
    "characters under a key": update(section(7, 0, item(text("hi"), parent="o", key="k"))),
    "half of a character": update(
        section(7, 0, item(text("\U0001f600"), parent="t")), deletes={7: [(0, 1)]}
    ),
    "a parent that is no type": update(
        section(7, 0, item(values(TRUE), parent="l"), item(values(TRUE), parent=(7, 0)))
    ),
    "half of a pair in JSON": update(section(7, 0, item(embed('"\\ud800"'), parent="t"))),
    "types without end": update(
        section(
            7,
            0,
            item(shared_type(0), parent="l"),
            *(item(shared_type(0), parent=(7, depth)) for depth in range(120)),
        )
    ),
}


async def refused(dsn: str, path: Path, what: object = "") -> None:
    """The file is refused with a sentence, and nothing of it is in the database."""
    try:
        await import_place(dsn, path)
    except (Malformed, ContentRefused) as error:
        assert len(str(error)) > 10, what  # noqa: PT017 - it may be one of two
    else:
        pytest.fail(f"taken: {what}")
    assert set((await row_counts(dsn)).values()) == {0}


async def test_wrong_files_are_refused_and_leave_nothing(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool, edits=30)
    path = tmp_path / "session.collab"
    good = orjson.dumps(await exported(database, path))
    for name, change in WRONG.items():
        lines = orjson.loads(good)
        change(lines)
        await asyncio.to_thread(write_lines, path, lines)
        await refused(own_database, path, name)


async def test_updates_that_no_client_may_send_are_refused(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool, edits=3)
    path = tmp_path / "session.collab"
    lines = await exported(database, path)
    last = line_of(lines, "update", -1)
    added = {**last, "seq": last["seq"] + 1}
    lines.insert(lines.index(last) + 1, added)
    line_of(lines, "document")["last_seq"] = added["seq"]
    for name, hostile in HOSTILE.items():
        added["update"] = BYTES.encode(hostile)
        await asyncio.to_thread(write_lines, path, lines)
        await refused(own_database, path, name)
    added["update"] = BYTES.encode(update())
    await asyncio.to_thread(write_lines, path, lines)
    await import_place(own_database, path)


async def test_a_checkpoint_before_the_log_is_checked_like_an_update(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    archive = PostgresArchive(pool)
    last = await archive.last_seq(NAME)
    await keep_checkpoint(pool, last // 2)
    while await archive.remove_merged(NAME, last // 2):
        continue
    path = tmp_path / "session.collab"
    lines = await exported(database, path)
    for number in (0, 1):
        good = line_of(lines, "checkpoint", number)["state"]
        for name, hostile in HOSTILE.items():
            line_of(lines, "checkpoint", number)["state"] = BYTES.encode(hostile)
            await asyncio.to_thread(write_lines, path, lines)
            await refused(own_database, path, name)
        line_of(lines, "checkpoint", number)["state"] = good
    await asyncio.to_thread(write_lines, path, lines)
    await import_place(own_database, path)


async def test_a_false_checkpoint_within_the_log_is_made_right(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    path = tmp_path / "session.collab"
    lines = await exported(database, path)
    false = line_of(lines, "checkpoint")
    false["state"] = BYTES.encode(b"\x00\x00")
    await asyncio.to_thread(write_lines, path, lines)
    await import_place(own_database, path)
    async with pool_on(own_database) as elsewhere:
        seq = false["seq"]
        assert shown(await past(elsewhere, seq)) == shown(await past(pool, seq)) != {}


def says_the_same(damaged: bytes, whole: bytes) -> bool:
    try:
        return gzip.decompress(damaged) == gzip.decompress(whole)
    except (OSError, EOFError, zlib.error):
        return False


async def test_damaged_files_are_refused_wherever_the_damage_is(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool, edits=10)
    path = tmp_path / "session.collab"
    await exported(database, path)
    whole = await asyncio.to_thread(path.read_bytes)
    for place in range(0, len(whole), max(1, len(whole) // 10)):
        await asyncio.to_thread(path.write_bytes, whole[:place])
        await refused(own_database, path, f"cut off at {place}")
        flipped = bytearray(whole)
        flipped[place] ^= 0x40
        await asyncio.to_thread(path.write_bytes, bytes(flipped))
        if says_the_same(bytes(flipped), whole):
            continue  # in gzip's head there is a time, at its end are bits without a meaning
        await refused(own_database, path, f"flipped at {place}")
    await asyncio.to_thread(path.write_bytes, whole + b"more")
    await refused(own_database, path)
