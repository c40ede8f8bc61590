"""Boards gathered from the database: what is drawn of them is what was drawn."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from pycrdt import Doc, Map

from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.object_reader import ObjectReader
from persistence.object_lookup import PostgresObjectLookup
from persistence.pool import DatabasePool
from server import exporting
from server.exporting import drawn, past_board, stored_board
from tests.helpers import boards
from tests.server.rooms import NAME
from tests.server.transferring import CLERK, SESSION_ID, live, rooms_on


async def put_on_board(pool: DatabasePool) -> None:
    """The sample board, drawn by the server."""

    def draw(doc: Doc[Any]) -> None:
        objects = doc.get("objects", type=Map)
        for key, value in boards.OBJECTS.items():
            objects[key] = Map(value)
        annotations = doc.get("annotations", type=Map)
        for key, value in boards.ANNOTATIONS.items():
            annotations[key] = Map(value)

    async with rooms_on(pool) as directory:
        assert (await live(directory).edit(NAME, CLERK, draw)).is_stored


async def test_rows_and_document_give_the_same_drawing(pool: DatabasePool) -> None:
    await put_on_board(pool)
    board = await stored_board(PostgresObjectLookup(pool), SESSION_ID)
    assert set(board.objects) == set(boards.OBJECTS)
    assert board.objects["note"].row is not None
    async with rooms_on(pool) as directory:
        reader = ObjectReader((await directory.open(NAME)).room.document._doc)
        values: dict[str, dict[str, Any]] = {
            ObjectRoot.OBJECTS: {key: reader.read("objects", key) for key in boards.OBJECTS},
            ObjectRoot.ANNOTATIONS: {
                key: reader.read("annotations", key) for key in boards.ANNOTATIONS
            },
        }
        past = await past_board(values)
    svg = await drawn(board, "Board")
    assert svg == await drawn(past, "Board")
    assert len(ET.fromstring(svg)) > len(boards.OBJECTS)


async def test_rows_are_read_page_by_page(
    pool: DatabasePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_on_board(pool)
    monkeypatch.setattr(exporting, "ROWS_AT_ONCE", 4)
    board = await stored_board(PostgresObjectLookup(pool), SESSION_ID)
    assert list(board.objects) == sorted(boards.OBJECTS)
