"""Seeded people edit one document of each kind that has tables, and everything is stored with its
rows: whatever they do, rows and history are what the log tells, also where they are made anew."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pycrdt import Map, Text

from crdt_docs.identifiers import DocumentKind, DocumentName, id_of
from crdt_docs.object_fields import project
from crdt_docs.object_kinds import KINDS, ObjectKind, kinds_in
from persistence.inspection import PostgresInspection
from persistence.object_lookup import PostgresObjectLookup
from persistence.object_rows import stated
from persistence.object_tables import tables_of
from persistence.pool import DatabasePool
from persistence.ports import DocumentStore
from persistence.update_log import PostgresDocumentStore
from server.rebuilding import rebuild
from server.verification import Verification
from tests.helpers.commits import document
from tests.helpers.proving import few_or_many
from tests.helpers.stored_board import ADA, BEN, EVE, StoredBoard

SEEDS = range(few_or_many(3, 60))
STEPS = few_or_many(60, 300)
IDS = ("a", "b", "c", "a long id " * 20)

FIELDS: dict[str, tuple[Any, ...]] = {
    "object_type": ("sticky", "model", 5, ""),
    "annotation_type": ("comment", None),
    "position": ({"x": 1.5, "y": -2}, {"x": "1"}),
    "transform": (
        {"position": {"x": 1, "y": 2.5, "z": -3}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}},
        {"position": {"x": 1, "y": 2}, "scale": {"x": 1, "y": 1, "z": 2}},
        "upside down",
        None,
    ),
    "parent_id": ("a", "", 7),
    "asset_url": ("https://example.org/a.glb", {}),
    "is_interactive": (True, False, "yes"),
    "is_locked": (True, False),
    "lifetime": ("room", "session", "owner", "ever"),
    "created_by": ("Ada", "\x00"),
    "extra": (1, [2, {"x": None}]),
}


class Life:
    """A document and those who edit it at random."""

    def __init__(self, seed: int, name: DocumentName, store: DocumentStore) -> None:
        self.dice = random.Random(seed)
        self.board = StoredBoard(name, store)

    async def step(self) -> None:
        """One thing that somebody does, and perhaps it is stored."""
        who, by = self.dice.choice((ADA, BEN, EVE)), self.dice.choice((None, None, None, BEN))
        kind = self.dice.choice(kinds_in(self.board.name))
        is_restore = self.dice.random() < 0.1
        change = self._restore if is_restore else self._edit
        self.board.type(who, change, root=kind.root, by=by, is_restore=is_restore)
        self.board.later(self.dice.choice((0, 0.02, 0.4, 1.2)))
        if self.dice.random() < 0.6:
            await self.board.save()
        if self.dice.random() < 0.05:
            await self.board.save()
            await self.board.snapshot()

    def _edit(self, held: Map[Any]) -> None:
        identifier = self.dice.choice(IDS)
        stands = held.get(identifier)
        match self.dice.randrange(12):
            case 0:
                held[identifier] = self.dice.choice((None, 5, "text", {"object_type": "plain"}))
            case 1 if identifier in held:
                del held[identifier]
            case 2 if isinstance(stands, Map) and isinstance(text := stands.get("text"), Text):
                text.insert(0, "words ")
            case _ if isinstance(stands, Map):
                field = self.dice.choice(list(FIELDS))
                stands[field] = self.dice.choice(FIELDS[field])
            case _:
                held[identifier] = _made()

    def _restore(self, held: Map[Any]) -> None:
        """Something that has a row becomes what it was: the history always tells of it."""
        identifier = self.dice.choice(IDS[:-1])
        if isinstance(held.get(identifier), Map) and self.dice.random() < 0.3:
            del held[identifier]
        else:
            held[identifier] = _made()

    def states(self, kind: ObjectKind) -> dict[str, Any]:
        """The rows that the document should have."""
        doc = self.board.doc(ADA)
        doc.apply_update(self.board.full_state())
        values = doc.get(kind.root, type=Map).to_py() or {}
        return {
            key: stated(project(kind, value))
            for key, value in values.items()
            if value is not None and key != IDS[-1]
        }


def _made() -> Map[Any]:
    return Map({"object_type": "model", "annotation_type": "marker", "text": Text("some ")})


async def findings(pool: DatabasePool, name: DocumentName) -> list[str]:
    verification = Verification(PostgresInspection(pool), whole_log=True)
    return [str(finding) async for finding in verification.document(name)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", [kind for kind in DocumentKind if KINDS[kind]])
async def test_hst_9_rows_and_history_are_what_the_log_tells(
    pool: DatabasePool, kind: DocumentKind, seed: int
) -> None:
    life = Life(seed, document(seed, kind), PostgresDocumentStore(pool))
    for _ in range(STEPS):
        await life.step()
    await life.board.save()
    name, reader = life.board.name, PostgresObjectLookup(pool)
    assert await findings(pool, name) == []
    for each in kinds_in(name):
        rows = await reader.objects(id_of(name), each, limit=100)
        assert {row.id: row.state for row in rows} == life.states(each)
        for row in rows:
            assert await reader.state_of(id_of(name), each, row.id, row.version) == row.state
    before = await histories(pool, kind)
    assert len(before) > STEPS / 10
    for table, owner in tables_of(kind):
        if table.endswith("history"):
            continue
        async with pool.borrow() as connection:
            await connection.execute(f"DELETE FROM {table} WHERE {owner} = $1", id_of(name))
    assert (await rebuild(PostgresInspection(pool), name)).refused == 0
    assert await findings(pool, name) == []
    assert await histories(pool, kind) == before


async def histories(pool: DatabasePool, kind: DocumentKind) -> list[tuple[Any, ...]]:
    """All versions there are, but for the numbers of their rows."""
    found: list[tuple[Any, ...]] = []
    async with pool.borrow() as connection:
        for table, _ in tables_of(kind):
            if table.endswith("history"):
                query = f"SELECT * FROM {table} ORDER BY object_id, version"
                found += [tuple(row.values())[1:] for row in await connection.fetch(query)]
    return found
