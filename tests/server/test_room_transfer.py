"""XR rooms as files, and files as rooms. What is common to sessions is tried with those."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest
from pycrdt import Doc, Map

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind, document_name
from persistence.archive import PostgresArchive
from persistence.pool import DatabasePool
from persistence.session_records import KINDS_OF, RecordKind
from persistence.session_transfer import ContentRefused, PlaceExists, reading
from persistence.xr_stores import xr_in_postgres
from server.clock import utc_now
from server.transfer import NoSuchPlace, export_place, import_place
from tests.helpers.commits import ANA, BEN
from tests.helpers.verifying import findings
from tests.helpers.xr import LATER, NOON, a_room, a_session
from tests.server.transferring import CLERK, live, pool_on, rooms_on, state_of

ROOM, COPY = UUID(int=1), UUID(int=2)
NAME = document_name(DocumentKind.XR, ROOM)
KINDS = KINDS_OF[DocumentKind.XR]

Records = dict[RecordKind, list[Mapping[str, Any]]]


def furnish(number: int) -> Callable[[Doc[Any]], None]:
    """Change the room somewhat."""

    def change(doc: Doc[Any]) -> None:
        place = {"position": {"x": number, "y": 0, "z": 1}}
        chair = {"object_type": "model", "transform": place, "lifetime": "owner"}
        objects = doc.get("objects", type=Map)
        objects[f"chair {number % 4}"] = Map({**chair, "created_by": str(ANA)})
        if number % 5 == 4:
            del objects["chair 0"]

    return change


async def fill(pool: DatabasePool) -> None:
    """A room with all kinds of records, in which a session goes on."""
    xr = xr_in_postgres(pool)
    config = {"default_role": "viewer", "deep": [1, {"ü": None}]}
    await xr.rooms.create(replace(a_room(), config=config, dataspace_id=UUID(int=9)))
    await xr.members.put(ROOM, BEN, Role.EDITOR, NOON)
    await xr.members.remove(ROOM, BEN, LATER)
    await xr.sessions.start(a_session())
    async with rooms_on(pool, every=5) as directory:
        for number in range(12):
            await live(directory).edit(NAME, CLERK, furnish(number))
    archive = PostgresArchive(pool)
    await archive.keep(NAME, 6, (await full_state(pool, 6)))
    await archive.name(NAME, 6, "half", ANA)


async def full_state(pool: DatabasePool, seq: int) -> bytes:
    """The document as its log has it up to a position."""
    doc: Doc[Any] = Doc()
    async with pool.borrow() as connection:
        for row in await connection.fetch(
            "SELECT update FROM document_updates WHERE seq <= $1 ORDER BY seq", seq
        ):
            doc.apply_update(row["update"])
    return doc.get_update()


async def everything(pool: DatabasePool, place_id: UUID = ROOM) -> Records:
    """All records of a room."""
    async with reading(pool, place_id) as reader:
        assert await reader.find() is DocumentKind.XR
        return {kind: [row async for row in reader.rows(kind)] for kind in KINDS}


def comparable(records: Records) -> Records:
    """Without what is made again, or has another id in a copy."""
    names: list[Mapping[str, Any]] = [
        {name: value for name, value in row.items() if name != "id"}
        for row in records[RecordKind.NAMED_SNAPSHOT]
    ]
    return {**records, RecordKind.NAMED_SNAPSHOT: names, RecordKind.CHECKPOINT: []}


async def test_an_imported_room_is_the_same_room(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "room.collab"
    done = await export_place(database, ROOM, file, now=utc_now())
    assert (done.what, done.place_id) == ("room", ROOM)
    assert {kind.value for kind in KINDS} == done.counts.keys()
    assert await import_place(own_database, file) == done
    async with pool_on(own_database) as elsewhere:
        assert comparable(await everything(elsewhere)) == comparable(await everything(pool))
        state = await state_of(elsewhere, NAME)
        assert state == await state_of(pool, NAME)
        assert state["objects"]
        assert await findings(own_database) == []
        assert await xr_in_postgres(elsewhere).sessions.active(ROOM) is None


async def test_people_go_on_where_they_were(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "room.collab"
    await export_place(database, ROOM, file, now=utc_now())
    await import_place(own_database, file)
    async with pool_on(own_database) as elsewhere:
        before = await everything(elsewhere)
        async with rooms_on(elsewhere) as directory:
            await live(directory).edit(NAME, CLERK, furnish(101))
        after = await everything(elsewhere)
        assert len(after[RecordKind.UPDATE]) == len(before[RecordKind.UPDATE]) + 1
        (row,) = [row for row in after[RecordKind.ROOM_OBJECT] if row["id"] == "chair 1"]
        assert row["position"] == {"x": 101, "y": 0, "z": 1}
        assert await findings(own_database) == []


async def test_a_copy_may_have_another_id_beside_the_original(
    pool: DatabasePool, database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "room.collab"
    await export_place(database, ROOM, file, now=utc_now())
    with pytest.raises(PlaceExists, match="room"):
        await import_place(database, file)
    await import_place(database, file, place_id=COPY)
    assert comparable(await everything(pool, COPY)) == comparable(await everything(pool))
    before = comparable(await everything(pool))
    async with rooms_on(pool) as directory:
        await live(directory).edit(NAME, CLERK, furnish(3))
    await import_place(database, file, replace=True)
    assert comparable(await everything(pool)) == before
    assert await xr_in_postgres(pool).sessions.active(ROOM) is None


async def test_an_empty_room_is_taken_along_and_a_deleted_one_is_not(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    xr = xr_in_postgres(pool)
    await xr.rooms.create(a_room())
    file = tmp_path / "room.collab"
    done = await export_place(database, ROOM, file, now=utc_now())
    assert done.counts == {"room": 1, "member": 1}
    await import_place(own_database, file)
    async with pool_on(own_database) as elsewhere:
        assert await xr_in_postgres(elsewhere).rooms.get(ROOM) == a_room()
    await xr.rooms.delete(ROOM, LATER)
    with pytest.raises(NoSuchPlace):
        await export_place(database, ROOM, file, now=utc_now())


WRONG: dict[str, tuple[str, Mapping[str, Any]]] = {
    "a type of room that is none": ("room", {"room_type": "party"}),
    "a name that is none": ("room", {"name": ""}),
    "dimensions that are none": ("room", {"dimensions": [1]}),
    "a role that is none": ("member", {"role": "god"}),
    "a lifetime that is none": ("room_object", {"lifetime": "ever"}),
    "a kind of sessions": ("member", {"kind": "participant"}),
    "an unknown column": ("room_object", {"layer": 1}),
}


async def test_wrong_files_are_refused_and_leave_nothing(
    pool: DatabasePool, database: str, own_database: str, tmp_path: Path
) -> None:
    await fill(pool)
    file = tmp_path / "room.collab"
    await export_place(database, ROOM, file, now=utc_now())
    good = gzip.decompress(file.read_bytes()).splitlines()
    for name, (kind, changes) in WRONG.items():
        lines = [orjson.loads(line) for line in good]
        next(line for line in lines if line.get("kind") == kind).update(changes)
        file.write_bytes(gzip.compress(b"\n".join(map(orjson.dumps, lines)) + b"\n"))
        with pytest.raises((Malformed, ContentRefused)):
            await import_place(own_database, file)
        async with pool_on(own_database) as elsewhere, reading(elsewhere, ROOM) as reader:
            assert await reader.find() is None, name
