"""Rooms, journal and store together: rows and history of what people do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from crdt_docs.document import Document, NoFence
from crdt_docs.gestures import Author, ChangeKind
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name, id_of
from crdt_docs.object_kinds import kinds_in
from crdt_docs.projector import Projector
from persistence.object_ports import HistoryFilter, HistoryRow, ObjectRow
from persistence.ports import StorageUnavailable
from server import room_opening
from server.live_documents import LiveRooms
from server.poison_list import READING
from tests.server.rooms import House, Person

CLERK = Identity(UUID(int=99), "Clerk")


@pytest.fixture(params=[DocumentKind.OCW, DocumentKind.XR])
def name(request: pytest.FixtureRequest) -> DocumentName:
    return document_name(request.param, UUID(int=77))


def place(x: float) -> dict[str, Any]:
    """Where an object of a session is, or of a room."""
    return {"position": {"x": x, "y": 0}, "transform": {"position": {"x": x, "y": 0, "z": 0}}}


def sticky(x: float = 0) -> Map[Any]:
    return Map({"object_type": "sticky", **place(x)})


async def rows(house: House) -> dict[str, ObjectRow]:
    await house.journal.flush()
    found = await house.store.objects.objects(
        id_of(house.name), kinds_in(house.name)[0], deleted=True
    )
    return {row.id: row for row in found}


async def history(house: House, identifier: str) -> list[HistoryRow]:
    """Oldest first."""
    await house.journal.flush()
    wanted = HistoryFilter(object_id=identifier)
    page = await house.store.objects.history(id_of(house.name), kinds_in(house.name)[0], wanted)
    return list(page.items)[::-1]


async def test_what_people_do_is_in_the_rows_and_in_the_history(name: DocumentName) -> None:
    async with House(name=name) as house:
        ada, ben = Person(1), Person(2)
        await house.sit(ada)
        await house.sit(ben)
        ada.set("a", sticky(1))
        ada.set("gone", sticky())
        await house.settle()
        ben.edit(lambda objects: objects["a"].update(place(2)))
        ada.edit(lambda objects: objects.pop("gone", None))
        await house.settle()
        found = await rows(house)
        assert found["a"].state["position"]["x"] == 2
        assert found["a"].updated_by == ben.identity.user_id
        assert found["gone"].deleted_at is not None
        (gesture,) = await history(house, "a")
        assert gesture.contributors == (ada.identity.user_id, ben.identity.user_id)
        kinds = [row.change_type for row in await history(house, "gone")]
        assert kinds == [ChangeKind.CREATE, ChangeKind.DELETE]


async def test_hst_6_a_row_is_stored_with_the_update_that_caused_it(name: DocumentName) -> None:
    """Never a log entry without its rows: at any commit, rows are what the log says."""
    async with House(name=name) as house:
        ada = Person(1)
        await house.sit(ada)
        for number in range(200):
            ada.set(f"k{number % 5}", sticky(number))
            house.seats[0].pump()
            if number % 7 == 0:
                await asyncio.sleep(0.002)
            log = await house.store.read_log(name)
            doc: Doc[Any] = Doc()
            for entry in log:
                doc.apply_update(entry.update)
            objects = doc.get("objects", type=Map)
            stored = await house.store.objects.objects(id_of(name), kinds_in(name)[0])
            assert {row.id: row.state["position"]["x"] for row in stored} == {
                key: objects[key]["position"]["x"] for key in objects
            }
        assert house.journal.commits > 20


async def test_rows_go_on_after_the_room_was_put_away(name: DocumentName) -> None:
    async with House(name=name) as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", sticky(1))
        ada.set("b", sticky(1))
        await house.settle()
        house.stand_up(seat)
        await house.put_away()
        ada.set("b", sticky(2))
        await house.sit(ada)
        ada.edit(lambda objects: objects.pop("a", None))
        await house.settle()
        found = await rows(house)
        assert found["a"].deleted_at is not None
        assert found["b"].state["position"]["x"] == 2
        assert [row.change_type for row in await history(house, "b")] == [
            ChangeKind.CREATE,
            ChangeKind.UPDATE,
        ]


async def test_an_edit_by_the_server_has_its_author_and_a_restore_says_so(
    name: DocumentName,
) -> None:
    async with House(name=name) as house:
        live = LiveRooms(house.directory, backlog=lambda: (0, False), is_database_up=lambda: True)
        ada = Person(1)
        await house.sit(ada)
        ada.set("a", sticky(1))
        await house.settle()

        def put(x: float) -> Any:
            return lambda doc: doc.get("objects", type=Map)["a"].update(place(x))

        edited = await live.edit(name, CLERK, put(5))
        assert (edited.is_stored, edited.seq) == (True, house.host().log.last_seq)
        ada.set("b", sticky(1))
        restored = await live.edit(name, CLERK, put(1), is_restore=True)
        assert restored.is_stored
        await house.settle()
        assert ada.json()["a"]["position"] == {"x": 1, "y": 0}
        found = await history(house, "a")
        assert [row.change_type for row in found] == [ChangeKind.CREATE, ChangeKind.RESTORE]
        assert found[1].changed_by == Author(CLERK.user_id)
        assert found[1].previous_state["position"]["x"] == 5
        assert found[1].update_seq == restored.seq
        assert [row.change_type for row in await history(house, "b")] == [ChangeKind.CREATE]
        authors = (await house.store.load(name)).authors
        assert authors[house.host().room.document.own_client] is None


async def test_an_edit_that_waits_for_the_database_says_so(name: DocumentName) -> None:
    async with House(name=name) as house:
        live = LiveRooms(house.directory, backlog=lambda: (0, False), is_database_up=lambda: True)
        await house.directory.open(name)
        house.store.pause()
        edited = await live.edit(
            name, CLERK, lambda doc: doc.get("objects", type=Map).update({"a": 1}), within=0.01
        )
        assert not edited.is_stored
        house.store.resume()
        assert set(await rows(house)) == {"a"}


async def test_threads_have_no_rows() -> None:
    thread = document_name(DocumentKind.THREAD, UUID(int=5))
    async with House() as house:
        host = await house.directory.open(thread)
        host.edit(CLERK, lambda doc: doc.get("objects", type=Map).update({"a": 1}))
        assert host.log.take_changes() == ()
        await house.journal.flush()
        assert (await house.store.load(thread)).last_seq == 1
        assert house.store.objects.tables == {}


async def test_what_cannot_be_read_does_not_hold_up_the_log(
    name: DocumentName, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class PanicException(BaseException):
        pass

    def fail(self: Projector) -> None:
        raise PanicException("in the depths of the CRDT")

    async with House(name=name) as house:
        ada = Person(1)
        await house.sit(ada, wants_receipts=True)
        ada.set("a", sticky())
        await house.settle()
        with monkeypatch.context() as patched:
            patched.setattr(Projector, "take", fail)
            ada.set("a", sticky(1))
            await house.settle()
            await house.journal.flush()
        assert house.counters.failed_projections == 1
        before = ada.stored
        ada.set("a", sticky(2))
        await house.settle()
        await house.journal.flush()
        await house.settle()
        assert ada.stored > before, "edits are stored all the same"
        assert (await house.store.load(name)).last_seq == 3
        assert house.repaired == []
        await house.put_away()
        await house.directory.open(name)
        assert house.repaired == [name], "HST-8"
        await house.put_away()
        await house.directory.open(name)
        assert house.repaired == [name], "once"


async def test_hst_8_rows_are_repaired_after_a_restart_too(
    name: DocumentName, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The worker that could not tell what changed stops before anybody opens the document again."""

    def fail(self: Projector) -> None:
        raise ValueError("in the depths of the CRDT")

    async with House(name=name) as house:
        await house.sit(ada := Person(1))
        await house.settle()
        with monkeypatch.context() as patched:
            patched.setattr(Projector, "take", fail)
            ada.set("a", sticky(1))
            await house.settle()
            await house.journal.flush()
        assert house.repaired == []
    async with House(name=name, store=house.store) as later:
        later.repair_fails_with = ValueError("it is damaged itself")
        await later.directory.open(name)
        assert later.repaired == [name]
    async with House(name=name, store=house.store) as later:
        await later.directory.open(name)
        assert later.repaired == [name], "tried again"
    async with House(name=name, store=house.store) as later:
        await later.directory.open(name)
        assert later.repaired == []


async def test_hst_8_rows_are_repaired_when_a_document_failed(
    name: DocumentName, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of one turn the first edit is stored, and the second is the document's end."""
    async with House(name=name) as house:
        ada, ben = Person(1), Person(2)
        for person in (ada, ben):
            await house.sit(person)
        await house.settle()
        transact = Document._transact

        def fail(self: Document, updates: Sequence[bytes], sender: bytes) -> None:
            if sender == ben.identity.user_id.bytes:
                raise RuntimeError("in the depths of the CRDT")
            transact(self, updates, sender)

        monkeypatch.setattr(Document, "_transact", fail)
        ada.set("a", sticky(1))
        ben.set("b", sticky(2))
        host = house.host()
        for seat in house.seats:
            host.room.receive(seat.member, seat.person.outbox.popleft())
        host.run_turn()
        await house.journal.flush()
        assert (await house.store.load(name)).last_seq == 1
        await house.directory.open(name)
        assert house.repaired == [name]


async def test_hst_8_rows_are_repaired_when_storage_refused_a_part(
    name: DocumentName,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with House(name=name) as house:
        ada = Person(1)
        await house.sit(ada)
        ada.set("a", sticky())
        await house.settle()
        host = house.host()
        house.directory.give_up(name, ValueError("refused"))
        assert host.log.has_lost_changes
        await house.directory.open(name)
        assert house.repaired == [name]


async def test_hst_8_a_document_whose_rows_cannot_be_repaired_is_opened_all_the_same(
    name: DocumentName,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with House(name=name) as house:
        await house.directory.open(name)
        house.directory.give_up(name, ValueError("refused"))
        house.repair_fails_with = StorageUnavailable("gone")
        with pytest.raises(StorageUnavailable):
            await house.directory.open(name)
        house.repair_fails_with = ValueError("it is damaged itself")
        await house.directory.open(name)
        assert house.repaired == [name, name]


async def test_hst_8_a_log_that_takes_too_long_is_not_gone_through_at_each_opening(
    name: DocumentName, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Projector) -> None:
        raise ValueError("in the depths of the CRDT")

    async with House(name=name) as house:
        await house.sit(ada := Person(1))
        await house.settle()
        with monkeypatch.context() as patched:
            patched.setattr(Projector, "take", fail)
            ada.set("a", sticky(1))
            await house.settle()
            await house.journal.flush()
        house.repair_fails_with = TimeoutError()
        for _ in range(2):
            await house.put_away()
            await house.directory.open(name)
            assert house.repaired == [name]
            assert (await house.store.load(name)).has_lost_changes


class _Poisoned(NoFence):
    """Remembers that reading the room's objects has stopped a worker."""

    def __init__(self, name: DocumentName) -> None:
        self._name = name

    def is_poisoned(self, update: bytes) -> bool:
        return update == READING + self._name.encode()


async def test_hst_8_what_has_stopped_a_worker_is_not_read_again(
    name: DocumentName,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with House(name=name, fence=_Poisoned(name)) as house:
        ada = Person(1)
        await house.sit(ada)
        ada.set("a", sticky())
        await house.settle()
        assert await rows(house) == {}
        assert (await house.store.load(name)).has_lost_changes
        await house.put_away()
        await house.directory.open(name)
        assert house.repaired == []


async def test_hst_8_large_documents_are_not_repaired_while_others_wait(
    name: DocumentName, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with House(name=name) as house:
        ada = Person(1)
        await house.sit(ada)
        ada.set("a", sticky())
        await house.settle()
        house.directory.give_up(name, ValueError("refused"))
        with monkeypatch.context() as patched:
            patched.setattr(room_opening, "REPAIRED_AT_ONCE", 10)
            await house.directory.open(name)
        assert house.repaired == []
