"""What rooms have to know of rules when they are opened, of sessions and of XR rooms."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.ownership import Entry
from crdt_docs.rules import ORDINARY, SessionRules
from persistence.memory_sessions import MemorySessionStore
from persistence.memory_store import MemoryDocumentStore
from persistence.memory_xr_stores import xr_in_memory
from persistence.memory_xr_tables import MemoryXrTables
from server.room_rules import RoomRules, StoredRules
from tests.server.open_board import SESSION, OpenBoard, OpenRoom, opened


def _rules_of(board: OpenBoard) -> StoredRules:
    services = board.api.services
    return StoredRules(services.sessions, services.xr.rooms, services.objects)


@pytest.mark.parametrize("kind", [OpenBoard, OpenRoom])
async def test_rul_1_the_config_counts_for_its_document(
    kind: type[OpenBoard], tmp_path: Path
) -> None:
    async with opened(kind, tmp_path, {"strict_schema": True, "own_objects_only": True}) as board:
        known = await _rules_of(board).read(board.name)
        assert known.rules == SessionRules(strict_schema=True, own_objects_only=True)


@pytest.mark.parametrize("kind", DocumentKind)
async def test_rul_1_what_is_not_there_has_the_ordinary_ones(kind: DocumentKind) -> None:
    documents, rooms = MemoryDocumentStore(), xr_in_memory(MemoryXrTables()).rooms
    stored = StoredRules(MemorySessionStore(), rooms, documents.objects)
    assert await stored.read(document_name(kind, uuid4())) == RoomRules(ORDINARY)


@pytest.mark.parametrize("is_own", [False, True])
@pytest.mark.parametrize("kind", [OpenBoard, OpenRoom])
async def test_rul_2_who_created_what_is_asked_where_it_matters(
    kind: type[OpenBoard], tmp_path: Path, *, is_own: bool
) -> None:
    async with opened(kind, tmp_path, {"own_objects_only": is_own}) as board:
        await board.object("a")
        known = await _rules_of(board).read(board.name)
        expected = {Entry("objects", "a"): board.anna.user_id} if is_own else {}
        assert known.creators == expected


async def test_acc_6_who_annotated_what_matters_where_viewers_do(tmp_path: Path) -> None:
    async with opened(OpenBoard, tmp_path) as board:
        viewer = await board.person(Role.VIEWER)
        await board.object("a")
        await board.remark(viewer, "n")
        known = await _rules_of(board).read(board.name)
        assert known.creators == {Entry("annotations", "n"): viewer.user_id}


async def test_rul_1_rules_that_change_while_a_document_is_opened_count(tmp_path: Path) -> None:
    async with opened(OpenRoom, tmp_path) as room:
        directory, store = room.house.directory, room.house.store
        await room.house.put_away()
        await directory.renew_rules(room.name)
        assert directory.find(room.name) is None, "it is not opened for that"
        opening = asyncio.create_task(directory.open(room.name))
        store.pause()
        await store.until_called()
        renewing = asyncio.create_task(directory.renew_rules(room.name))
        await asyncio.sleep(0)
        rooms = room.api.services.xr.rooms
        await rooms.change(SESSION, {"config": {"strict_schema": True}})
        store.resume()
        host = await opening
        await renewing
        assert host.room.authority is not None
        assert host.room.authority.rules.strict_schema
