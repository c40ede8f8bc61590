"""LIF: what goes with the session of a room, and with the people in it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from pycrdt import Map

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from crdt_docs.member import Member
from persistence.ports import StorageUnavailable
from server.lifetimes import OwnersGone, empty_after_session
from server.witness import SOMEBODY
from tests.helpers.waiting import until
from tests.server.rest_client import FakeLiveDocuments

ROOM = document_name(DocumentKind.XR, UUID(int=5))
BOARD = document_name(DocumentKind.OCW, UUID(int=5))
ADA, BEN = Identity(UUID(int=1)), Identity(UUID(int=2))


async def furnish(live: FakeLiveDocuments, document: DocumentName = ROOM) -> None:
    """A cup of Ada's, and a chair of nobody's."""

    def change(doc: Any) -> None:
        objects = doc.get("objects", type=Map)
        objects["cup"] = Map({"lifetime": "owner", "created_by": str(ADA.user_id)})
        objects["chair"] = Map({"object_type": "furniture"})

    await live.edit(document, ADA, change)
    live.edits.clear()


def left(live: FakeLiveDocuments, document: DocumentName = ROOM) -> set[str]:
    """What is still there."""
    return set(live.documents[document].get("objects", type=Map).keys())


def somebody(identity: Identity) -> Member:
    """A connection of a person."""
    return Member(identity, Role.EDITOR)


async def test_lif_1_the_room_is_emptied_in_somebody_s_name() -> None:
    live = FakeLiveDocuments()
    await furnish(live)
    await empty_after_session(live, ROOM, BEN, is_persistent=True)
    assert left(live) == {"chair"}
    await empty_after_session(live, ROOM, BEN, is_persistent=False)
    assert left(live) == set()
    assert {identity for _, identity, _ in live.edits} == {BEN}


async def test_lif_2_what_somebody_owned_goes_with_their_last_connection() -> None:
    live = FakeLiveDocuments()
    await furnish(live)
    owners = OwnersGone(live, grace=0)
    headset, desktop = somebody(ADA), somebody(ADA)
    owners.came(ROOM, headset, SOMEBODY)
    owners.came(ROOM, desktop, SOMEBODY)
    owners.went(ROOM, headset, None)
    await asyncio.sleep(0.01)
    assert live.edits == []
    owners.went(ROOM, desktop, None)
    await until(lambda: "cup" not in left(live))
    assert left(live) == {"chair"}


async def test_lif_2_who_comes_back_in_time_keeps_what_they_own() -> None:
    live = FakeLiveDocuments()
    await furnish(live)
    owners = OwnersGone(live, grace=0.02)
    owners.came(ROOM, headset := somebody(ADA), SOMEBODY)
    owners.went(ROOM, headset, None)
    owners.came(ROOM, somebody(ADA), SOMEBODY)
    await asyncio.sleep(0.05)
    assert left(live) == {"cup", "chair"}
    owners.close()


async def test_lif_2_a_board_s_objects_have_no_lifetime() -> None:
    live = FakeLiveDocuments()
    await furnish(live, BOARD)
    owners = OwnersGone(live, grace=0)
    owners.came(BOARD, somebody(ADA), SOMEBODY)
    owners.went(BOARD, somebody(ADA), None)
    await asyncio.sleep(0.01)
    assert left(live, BOARD) == {"cup", "chair"}


async def test_what_cannot_be_deleted_is_counted() -> None:
    live = FakeLiveDocuments()
    live.fail_with = StorageUnavailable("gone")
    owners = OwnersGone(live, grace=0)
    owners.came(ROOM, headset := somebody(ADA), SOMEBODY)
    owners.went(ROOM, headset, None)
    await until(lambda: owners.failed == 1)


async def test_nothing_is_deleted_when_the_server_stops() -> None:
    live = FakeLiveDocuments()
    await furnish(live)
    owners = OwnersGone(live, grace=0)
    owners.came(ROOM, headset := somebody(ADA), SOMEBODY)
    owners.went(ROOM, headset, None)
    owners.close()
    await asyncio.sleep(0.01)
    assert left(live) == {"cup", "chair"}
