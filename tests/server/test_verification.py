"""What `collab verify` finds in damaged tables, and what `collab rebuild` makes of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from pycrdt import Map

from crdt_docs.identifiers import ActorKind, DocumentKind, DocumentName, Identity, id_of
from crdt_docs.object_kinds import ObjectKind
from persistence.database_lock import DatabaseLock
from persistence.errors import DatabaseInUse
from persistence.inspection import PostgresInspection
from persistence.pool import DatabasePool
from persistence.update_log import PostgresDocumentStore
from server.clock import utc_now
from server.findings import Counts, Fault, Finding
from server.poison_list import OPENING, SHOWING, Poison, PoisonList, digest_of
from server.rebuilding import CannotRebuild, Rebuilt, rebuild, repair
from server.supervisor import POISON_FILE
from server.upkeep import (
    ClosedDocuments,
    RebuildCounts,
    UnknownSession,
    rebuild_sessions,
    verify_sessions,
)
from server.verification import Verification
from tests.helpers.commits import document
from tests.helpers.stored_board import ADA, BEN, EVE, StoredBoard, box

ONE, TWO, OTHER = document(1), document(2), document(3)
ROOM = document(1, DocumentKind.XR)
SESSION = UUID(ONE.partition("/")[2])


class Tables:
    """The tables of one database, and what is wrong with them."""

    def __init__(self, dsn: str, pool: DatabasePool) -> None:
        self.dsn = dsn
        self.pool = pool
        self.inspection = PostgresInspection(pool)

    async def damage(self, statement: str, *arguments: object) -> None:
        async with self.pool.borrow() as connection:
            await connection.execute(statement, *arguments)

    async def findings(self, name: DocumentName = ONE, *, whole_log: bool = False) -> Sequence[str]:
        verification = Verification(self.inspection, whole_log=whole_log)
        found = [str(each) async for each in verification.document(name)]
        prefix = f"{name} objects/"
        return [each.removeprefix(prefix) for each in found]

    async def rows(self) -> Sequence[asyncpg.Record]:
        async with self.pool.borrow() as connection:
            return await connection.fetch(
                "SELECT * FROM ocw_objects AS o LEFT JOIN ocw_object_history AS h"
                " ON h.session_id = o.session_id AND h.object_id = o.id"
                " ORDER BY o.session_id, o.id, h.version"
            )


@pytest_asyncio.fixture
async def tables(database: str, pool: DatabasePool) -> AsyncIterator[Tables]:
    """Two sessions: a box in three versions, one that was deleted, and one of another session."""
    for name in (ONE, TWO):
        board = StoredBoard(name, PostgresDocumentStore(pool))
        await board.edit(ADA, lambda o: o.update({"a": box(), "b": box()}))
        board.later()
        await board.edit(BEN, lambda o: o["a"].update({"layer": 1}))
        board.later()
        await board.edit(ADA, lambda o: (o["a"].update({"layer": 2}), o.pop("b")))
    yield Tables(database, pool)


DAMAGES: dict[str, tuple[str, list[str]]] = {
    "a row is gone": (
        "DELETE FROM ocw_objects WHERE session_id = $1 AND id = 'a'",
        ["a: has no row", "a: has a history of 3 versions and no row"],
    ),
    "a row says something else": (
        (
            "UPDATE ocw_objects SET layer = 7, properties = '{\"x\": true}'"
            " WHERE session_id = $1 AND id = 'a'"
        ),
        ["a: differs in properties, layer"],
    ),
    "what is searched is something else": (
        "UPDATE ocw_objects SET search_text = 'nothing' WHERE session_id = $1 AND id = 'a'",
        ["a: differs in search_text"],
    ),
    "true is not one": (
        "UPDATE ocw_objects SET is_locked = true WHERE session_id = $1 AND id = 'a'",
        ["a: differs in is_locked"],
    ),
    "a row is deleted": (
        "UPDATE ocw_objects SET deleted_at = now() WHERE session_id = $1 AND id = 'a'",
        [
            "a: is in the document, and its row says that it was deleted",
            "a: its last version does not say whether it was deleted",
        ],
    ),
    "a row is not deleted": (
        "UPDATE ocw_objects SET deleted_at = NULL WHERE session_id = $1 AND id = 'b'",
        [
            "b: has a row and is not in the document",
            "b: its last version does not say whether it was deleted",
        ],
    ),
    "a row is of nothing": (
        (
            "INSERT INTO ocw_objects (session_id, id, object_type, properties, is_locked, is_valid,"
            " search_text, version) VALUES ($1, 'ghost', 'sticky', '{}', false, true, '', 1)"
        ),
        [
            "ghost: has a row and is not in the document",
            "ghost: is at version 1 and its history has 0",
        ],
    ),
    "a version is gone": (
        "DELETE FROM ocw_object_history WHERE session_id = $1 AND object_id = 'a' AND version = 2",
        ["a: version 3 is where 2 should be"],
    ),
    "the last version is gone": (
        "DELETE FROM ocw_object_history WHERE session_id = $1 AND object_id = 'a' AND version = 3",
        ["a: is at version 3 and its history has 2"],
    ),
    "the whole history is gone": (
        "DELETE FROM ocw_object_history WHERE session_id = $1 AND object_id = 'a'",
        ["a: is at version 3 and its history has 0"],
    ),
    "a version does not say what was before": (
        (
            "UPDATE ocw_object_history SET previous_state = '{}'"
            " WHERE session_id = $1 AND object_id = 'a' AND version = 2"
        ),
        [
            "a: version 2 says that the object was not there before it",
            "a: version 2 is called update, and the object was not there",
        ],
    ),
    "a version is of no entry": (
        (
            "UPDATE ocw_object_history SET update_seq = 99"
            " WHERE session_id = $1 AND object_id = 'a' AND version = 3"
        ),
        ["a: version 3 is of entry 99, the log ends at 3"],
    ),
    "versions are not in order": (
        (
            "UPDATE ocw_object_history SET update_seq = 3"
            " WHERE session_id = $1 AND object_id = 'a' AND version = 1"
        ),
        ["a: version 2 is of entry 2, the one before of 3"],
    ),
    "an author is none of those who took part": (
        (
            "UPDATE ocw_object_history SET changed_by = gen_random_uuid()"
            " WHERE session_id = $1 AND object_id = 'a' AND version = 2"
        ),
        ["a: version 2 does not count its author among its contributors"],
    ),
}


@pytest.mark.parametrize(("statement", "expected"), DAMAGES.values(), ids=DAMAGES.keys())
async def test_damaged_rows_are_found_and_mended(
    tables: Tables, statement: str, expected: list[str]
) -> None:
    """What is mended is what it was before, in every column but the numbers of rows; where gestures
    began only the history knows."""
    before = [_without_id(row) for row in await tables.rows()]
    assert await tables.findings(whole_log=True) == []
    await tables.damage(statement, SESSION)
    assert await tables.findings() == expected
    assert (await rebuild(tables.inspection, ONE)).objects == 1
    assert await tables.findings(whole_log=True) == []
    after = [_without_id(row) for row in await tables.rows()]
    if "DELETE FROM ocw_object_history" not in statement and "update_seq" not in statement:
        assert after == before
    assert [row for row in after if row["session_id"] != SESSION] == [
        row for row in before if row["session_id"] != SESSION
    ]
    assert await rebuild(tables.inspection, ONE, whole_log=True) == Rebuilt()


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "DELETE FROM xr_objects WHERE room_id = $1 AND id = 'a'",
            ["a: has no row", "a: has a history of 2 versions and no row"],
        ),
        (
            (
                "UPDATE xr_objects SET position = NULL, rotation = scale, lifetime = 'owner'"
                " WHERE room_id = $1 AND id = 'a'"
            ),
            ["a: differs in position, rotation, lifetime"],
        ),
        (
            "DELETE FROM xr_object_history WHERE room_id = $1 AND object_id = 'a' AND version = 1",
            ["a: version 2 is where 1 should be", "a: version 2 says that the object was there"],
        ),
    ],
    ids=["a row is gone", "a row says something else", "a version is gone"],
)
async def test_damaged_rows_of_a_room_are_found_and_mended(
    tables: Tables, statement: str, expected: list[str]
) -> None:
    board = StoredBoard(ROOM, PostgresDocumentStore(tables.pool))
    place = {"position": {"x": 1, "y": 2, "z": 3}, "scale": {"x": 1, "y": 1, "z": 1}}
    await board.edit(ADA, lambda o: o.update({"a": box(), "b": box()}))
    board.later()
    await board.edit(BEN, lambda o: o["a"].update({"transform": place}))
    before = await tables.rows()
    await tables.damage(statement, SESSION)
    found = await tables.findings(ROOM)
    assert len(found) == len(expected)
    assert all(map(str.startswith, found, expected))
    assert (await rebuild(tables.inspection, ROOM)).objects == 1
    assert await tables.findings(ROOM, whole_log=True) == []
    async with tables.pool.borrow() as connection:
        row = await connection.fetchrow(
            "SELECT position, rotation, version FROM xr_objects WHERE room_id = $1 AND id = 'a'",
            SESSION,
        )
    assert row is not None
    assert tuple(row) == (place["position"], None, 2)
    assert await tables.rows() == before, "the session of the same id"


def _without_id(row: asyncpg.Record) -> dict[str, object]:
    """The numbers of rows of history only order them."""
    names = [name for name in row.keys() if name != "id"]  # noqa: SIM118 - a record, not a mapping
    return {name: row[name] for name in names}


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            (
                "UPDATE ocw_object_history SET previous_state = previous_state || '{\"layer\": 9}'"
                " WHERE session_id = $1 AND object_id = 'a' AND version = 3"
            ),
            ["a: version 3 differs in previous_state"],
        ),
        (
            (
                "UPDATE ocw_object_history SET changed_by = NULL, contributors = '{}'"
                " WHERE session_id = $1 AND object_id = 'a' AND version = 2"
            ),
            ["a: version 2 differs in changed_by, contributors"],
        ),
        (
            "UPDATE ocw_objects SET updated_by = NULL WHERE session_id = $1 AND id = 'a'",
            ["a: differs in updated_by"],
        ),
        (
            (
                "WITH gone AS (DELETE FROM ocw_objects WHERE session_id = $1 AND id = 'b')"
                " DELETE FROM ocw_object_history WHERE session_id = $1 AND object_id = 'b'"
            ),
            [
                "b: lacks version 1, of entry 1",
                "b: lacks version 2, of entry 3",
                "b: was deleted and has no row",
            ],
        ),
    ],
)
async def test_what_only_the_whole_log_shows(
    tables: Tables, statement: str, expected: list[str]
) -> None:
    before = [_without_id(row) for row in await tables.rows()]
    await tables.damage(statement, SESSION)
    assert await tables.findings() == []
    assert sorted(await tables.findings(whole_log=True)) == sorted(expected)
    assert (await rebuild(tables.inspection, ONE, whole_log=True)).objects == 1
    assert await tables.findings(whole_log=True) == []
    assert [_without_id(row) for row in await tables.rows()] == before


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            (
                "DELETE FROM document_updates AS u USING documents AS d"
                " WHERE d.id = u.document_id AND d.name = $1 AND u.seq = 2"
            ),
            "after the snapshot at 0 the log has 2 entries, but should reach 3",
        ),
        (
            (
                "UPDATE document_updates AS u SET update = 'nonsense'::bytea FROM documents AS d"
                " WHERE d.id = u.document_id AND d.name = $1 AND u.seq = 2"
            ),
            "cannot be opened",
        ),
    ],
)
async def test_a_damaged_document_is_told_and_left_as_it_is(
    tables: Tables, statement: str, expected: str
) -> None:
    await tables.damage(statement, ONE)
    await tables.damage("DELETE FROM ocw_objects WHERE session_id = $1", SESSION)
    assert expected in (await tables.findings(whole_log=True))[0]
    before = await tables.rows()
    with pytest.raises(CannotRebuild, match=expected):
        await rebuild(tables.inspection, ONE)
    assert await tables.rows() == before


async def test_a_client_id_without_an_author_is_told(tables: Tables) -> None:
    await tables.damage(
        "DELETE FROM document_authors AS a USING documents AS d"
        " WHERE d.id = a.document_id AND d.name = $1 AND a.user_id = $2",
        *(ONE, BEN.user_id),
    )
    (finding,) = await tables.findings()
    assert finding == f"{ONE}: 1 client ids have no author ({1000 + BEN.user_id.int})"


async def test_rows_without_a_document_are_removed(tables: Tables) -> None:
    await tables.damage("DELETE FROM documents WHERE name = $1", ONE)
    assert [each.partition(": ")[2] for each in await tables.findings()][:1] == [
        "has a row and is not in the document"
    ]
    assert await rebuild(tables.inspection, ONE) == Rebuilt(objects=2)
    assert await tables.findings(whole_log=True) == []
    assert {row["session_id"] for row in await tables.rows()} == {UUID(TWO.partition("/")[2])}


async def test_who_created_what_another_changed_at_once_is_told(tables: Tables) -> None:
    """An agent's annotation, that somebody resolved before it was stored."""
    bot = Identity(UUID(int=0xF), kind=ActorKind.AGENT)
    board = StoredBoard(OTHER, PostgresDocumentStore(tables.pool))
    note = Map({"annotation_type": "comment", "content": "idea"})
    board.type(bot, lambda o: o.update({"n": note}), root="annotations")
    await board.edit(ADA, lambda o: o["n"].update({"resolved": True}), root="annotations")
    agents = "SELECT array_agg(agent_id) FROM ocw_annotations"
    async with tables.pool.borrow() as connection:
        assert await connection.fetchval(agents) == [bot.user_id]
        assert await tables.findings(OTHER, whole_log=True) == []
        await connection.execute("UPDATE ocw_annotations SET agent_id = NULL")
        await rebuild(tables.inspection, OTHER, whole_log=True)
        assert await connection.fetchval(agents) == [bot.user_id]


async def test_hst_9_a_restore_is_told_apart_from_what_was_stored_with_it(tables: Tables) -> None:
    board = StoredBoard(OTHER, PostgresDocumentStore(tables.pool))
    await board.edit(ADA, lambda o: o.update({"a": box(), "b": box()}))
    board.type(ADA, lambda o: o["a"].update({"layer": 7}))
    board.type(BEN, lambda o: (o["a"].update({"layer": 1}), o.pop("b")), is_restore=True)
    board.type(ADA, lambda o: o["a"].update({"layer": 3}))
    await board.save()
    before = [_without_id(row) for row in await tables.rows()]
    assert await tables.findings(OTHER, whole_log=True) == []
    await tables.damage("UPDATE ocw_objects SET layer = 9 WHERE session_id = $1", id_of(OTHER))
    assert (await rebuild(tables.inspection, OTHER, whole_log=True)).objects == 2
    assert [_without_id(row) for row in await tables.rows()] == before


async def test_hst_9_what_was_read_before_it_was_deleted_is_told_so(tables: Tables) -> None:
    """Storage was slow: what changed was read twice, and stored in one transaction."""
    board = StoredBoard(OTHER, PostgresDocumentStore(tables.pool))
    await board.edit(ADA, lambda o: o.update({"a": box(), "b": box(), "c": box()}))
    board.type(ADA, lambda o: (o["a"].update({"layer": 7}), o["b"].update({"layer": 8})))
    board.type(EVE, lambda o: o["c"].update({"layer": 9}))
    board.seal()
    board.type(EVE, lambda o: o["c"].update({"layer": 3}))
    board.type(BEN, lambda o: (o.pop("a"), o.pop("b")))
    await board.save()
    before = [_without_id(row) for row in await tables.rows()]
    assert await tables.findings(OTHER, whole_log=True) == []
    await tables.damage("UPDATE ocw_objects SET layer = 1 WHERE session_id = $1", id_of(OTHER))
    assert (await rebuild(tables.inspection, OTHER, whole_log=True)).objects == 3
    assert [_without_id(row) for row in await tables.rows()] == before


async def with_losses(tables: Tables) -> StoredBoard:
    """A document of which changes were lost that nothing shows any more: a field came and went,
    and so did an object."""
    board = StoredBoard(OTHER, PostgresDocumentStore(tables.pool))
    await board.edit(ADA, lambda o: o.update({"a": box()}))
    for change in (
        lambda o: o["a"].update({"layer": 9}),
        lambda o: o["a"].pop("layer"),
        lambda o: o.update({"t": box()}),
        lambda o: o.pop("t"),
    ):
        board.later()
        board.type(BEN, change)
        await board.save(silently=True)
    return board


async def test_hst_8_what_was_lost_without_a_trace_is_told_before_a_document_is_opened(
    tables: Tables,
) -> None:
    await with_losses(tables)
    assert await tables.findings(OTHER) == []
    await repair(tables.inspection, OTHER)
    assert await tables.findings(OTHER, whole_log=True) == []
    made = [
        (row["object_id"], row["change_type"], row["contributors"])
        for row in await tables.rows()
        if row["session_id"] == id_of(OTHER)
    ]
    assert made == [
        ("a", "create", [ADA.user_id, BEN.user_id]),
        ("t", "create", [BEN.user_id]),
        ("t", "delete", [BEN.user_id]),
    ]


async def test_hst_8_rows_are_mended_also_where_the_whole_log_takes_too_long(
    tables: Tables,
) -> None:
    await with_losses(tables)
    await tables.damage("UPDATE ocw_objects SET layer = 9 WHERE session_id = $1", id_of(OTHER))
    with pytest.raises(TimeoutError):
        await repair(tables.inspection, OTHER, within=0)
    assert await tables.findings(OTHER) == []


async def test_content_that_the_database_refuses_is_noted_and_no_fault(tables: Tables) -> None:
    """HST-7: a platform's trigger, say; rebuilding stores it blank again."""
    await tables.damage(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await tables.damage(
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ocw_objects FOR EACH ROW"
        " WHEN (NEW.layer = 2) EXECUTE FUNCTION refuse()"
    )
    try:
        await tables.damage("DELETE FROM ocw_objects WHERE session_id = $1", SESSION)
        assert await rebuild(tables.inspection, ONE) == Rebuilt(objects=2, refused=1)
        verification = Verification(tables.inspection, whole_log=True)
        found = [each async for each in verification.document(ONE)]
        assert [(str(each), each.is_note) for each in found] == [
            (
                f"{ONE} objects/a: is stored without its content: it was refused, or is heavy",
                True,
            )
        ]
        assert (verification.counts.findings, verification.counts.notes) == (0, 1)
        assert await rebuild(tables.inspection, ONE) == Rebuilt()
    finally:
        await tables.damage("DROP FUNCTION refuse CASCADE")


async def test_a_version_that_the_database_refuses_is_stored_blank(tables: Tables) -> None:
    """HST-7: and the others as they are."""
    await tables.damage(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'no'; END $$"
    )
    await tables.damage(
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON ocw_object_history FOR EACH ROW"
        " WHEN (NEW.previous_state->>'layer' = '1') EXECUTE FUNCTION refuse()"
    )
    try:
        await tables.damage("DELETE FROM ocw_objects WHERE session_id = $1", SESSION)
        assert await rebuild(tables.inspection, ONE) == Rebuilt(objects=2, refused=1)
        note = "a: version 3 is stored without its content, which was refused"
        assert await tables.findings(whole_log=True) == [note]
        assert await rebuild(tables.inspection, ONE, whole_log=True) == Rebuilt()
    finally:
        await tables.damage("DROP FUNCTION refuse CASCADE")


async def test_much_is_written_in_portions(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persistence.rebuilt_rows.MAX_BYTES", 10)
    monkeypatch.setattr("server.rebuilding.AT_ONCE", 2)
    monkeypatch.setattr("persistence.inspection.PAGE", 2)
    before = [_without_id(row) for row in await tables.rows()]
    await tables.damage("UPDATE ocw_objects SET layer = 9 WHERE session_id = $1", SESSION)
    assert await tables.findings(whole_log=True) == [
        "a: differs in layer",
        "b: differs in its last state",
    ]
    assert (await rebuild(tables.inspection, ONE, whole_log=True)).objects == 2
    assert await tables.findings(whole_log=True) == []
    assert [_without_id(row) for row in await tables.rows()] == before


# All sessions


class Said:
    """What the commands say, line by line."""

    def __init__(self, data_dir: Path, tables: Tables) -> None:
        self.closed = ClosedDocuments(data_dir)
        self.lines: list[str] = []
        self._dsn = tables.dsn

    async def verify(self, *sessions: UUID) -> Counts:
        return await verify_sessions(
            self._dsn,
            sessions,
            closed=self.closed,
            whole_log=True,
            tell=lambda finding: self.lines.append(str(finding)),
        )

    async def rebuild(self, *sessions: UUID) -> RebuildCounts:
        return await rebuild_sessions(
            self._dsn, sessions, closed=self.closed, whole_log=False, tell=self.lines.append
        )


@pytest.fixture
def said(tables: Tables, tmp_path: Path) -> Said:
    return Said(tmp_path, tables)


async def test_all_sessions_are_looked_at_or_those_that_are_named(
    tables: Tables, said: Said
) -> None:
    assert (await said.verify()).as_dict() == {
        "documents": 2,
        "objects": 4,
        "versions": 10,
        "findings": 0,
        "notes": 0,
    }
    await tables.damage("UPDATE ocw_objects SET layer = 9 WHERE id = 'a'")
    assert (await said.verify(SESSION)).findings == 1
    assert said.lines == [f"{ONE} objects/a: differs in layer"]
    assert (await said.verify()).findings == 2
    said.lines.clear()
    counts = await said.rebuild()
    assert (counts.documents, counts.rebuilt, counts.objects, counts.left) == (2, 2, 2, 0)
    assert said.lines == [f"{ONE}: 1 objects made anew", f"{TWO}: 1 objects made anew"]
    assert (await said.verify()).findings == 0


async def test_hst_8_what_was_lost_is_rebuilt_without_asking_and_lost_no_more(
    tables: Tables, said: Said
) -> None:
    await with_losses(tables)
    await tables.damage("UPDATE documents SET has_lost_changes = true WHERE name = $1", OTHER)
    counts = await said.rebuild()
    assert (counts.rebuilt, counts.objects) == (1, 2)
    assert not (await PostgresDocumentStore(tables.pool).load(OTHER)).has_lost_changes
    assert (await said.verify()).findings == 0


async def test_hst_8_what_cannot_be_rebuilt_stays_lost(tables: Tables, said: Said) -> None:
    store = PostgresDocumentStore(tables.pool)
    await with_losses(tables)
    await tables.damage("UPDATE documents SET has_lost_changes = true WHERE name = $1", OTHER)
    await tables.damage(
        "UPDATE document_updates AS u SET update = 'nonsense'::bytea FROM documents AS d"
        " WHERE d.id = u.document_id AND d.name = $1 AND u.seq = 2",
        OTHER,
    )
    assert (await said.rebuild()).left == 1
    assert (await store.load(OTHER)).has_lost_changes
    await tables.damage(
        "DELETE FROM document_updates AS u USING documents AS d"
        " WHERE d.id = u.document_id AND d.name = $1 AND u.seq = 2",
        OTHER,
    )
    assert (await said.rebuild()).left == 1


async def test_a_session_that_is_not_there_is_an_error(said: Said) -> None:
    with pytest.raises(UnknownSession, match=str(UUID(int=99))):
        await said.verify(UUID(int=99))


@pytest.mark.parametrize("work", [OPENING, SHOWING])
async def test_rom_15_a_document_that_stopped_a_worker_is_not_opened(
    tables: Tables, tmp_path: Path, work: bytes
) -> None:
    what = work + ONE.encode()
    poison = Poison(digest_of(what), len(what), UUID(int=0), (), utc_now(), "it hung", what)
    await asyncio.to_thread(lambda: PoisonList(tmp_path / POISON_FILE).add([poison]))
    await tables.damage("UPDATE ocw_objects SET layer = 9 WHERE id = 'a'")
    said = await asyncio.to_thread(Said, tmp_path, tables)
    counts = await said.verify()
    assert (counts.findings, counts.notes) == (1, 1)
    assert said.lines == [
        f"{ONE}: not opened: that has stopped a worker",
        f"{TWO} objects/a: differs in layer",
    ]
    assert (await said.rebuild()).left == 1
    assert (await said.verify()).notes == 1


async def test_nothing_is_rebuilt_while_a_server_runs(tables: Tables, said: Said) -> None:
    lock = DatabaseLock(tables.dsn, on_lost=_nothing)
    await lock.acquire()
    try:
        with pytest.raises(DatabaseInUse, match="another server works on this database"):
            await said.rebuild()
        assert (await said.verify()).findings == 0, "verifying does not mind"
    finally:
        await lock.release()


def _nothing() -> None:
    return None


async def test_rebuilding_ends_when_a_server_takes_the_database(
    tables: Tables, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LCK-3."""
    lost: list[Callable[[], None]] = []

    class LostLock(DatabaseLock):
        def __init__(self, dsn: str, *, on_lost: Callable[[], None]) -> None:
            super().__init__(dsn, on_lost=on_lost)
            lost.append(on_lost)

    monkeypatch.setattr("server.upkeep.DatabaseLock", LostLock)
    await tables.damage("UPDATE ocw_objects SET layer = 9 WHERE id = 'a'")
    said.lines = _Losing(lost)
    with pytest.raises(DatabaseInUse, match="by now"):
        await said.rebuild()
    assert len(said.lines) == 1


class _Losing(list[str]):
    """Loses the lock with the first line."""

    def __init__(self, lost: list[Callable[[], None]]) -> None:
        super().__init__()
        self._lost = lost

    def append(self, line: str) -> None:
        super().append(line)
        self._lost[0]()


def test_findings_are_json_too() -> None:
    finding = Finding(ONE, Fault.ROW_MISSING, "has no row", (ObjectKind.OCW_OBJECT, "a\n\x1b[2J"))
    assert str(finding) == f"{ONE} objects/a\\n\\x1b[2J: has no row"
    assert json.loads(json.dumps(finding.as_dict())) == {
        "document": ONE,
        "fault": "row_missing",
        "detail": "has no row",
        "is_note": False,
        "root": "objects",
        "id": "a\n\x1b[2J",
    }
