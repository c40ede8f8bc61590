"""Opening, keeping and closing rooms."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import weakref
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from pycrdt import Doc, Map

from crdt_docs import long_edits
from crdt_docs.document import Document, DocumentBroken, NoFence, StoredState
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.messages import CloseCode
from persistence.errors import BatchRefused
from persistence.ports import Commit, Snapshot, StorageUnavailable
from server import breath, room_keeping
from server.poison_list import SHOWING
from tests.helpers.raw_updates import collected, section, update
from tests.server.rooms import NAME, House, Person, break_with


async def test_rom_10_a_hundred_at_once_load_a_document_once() -> None:
    async with House() as house:
        house.store.pause()
        loads = 0
        original = house.store.load

        async def counting(name: object) -> object:
            nonlocal loads
            loads += 1
            return await original(name)  # type: ignore[arg-type]  # passed through

        house.store.load = counting  # type: ignore[method-assign, assignment]  # counts
        waiting = [asyncio.create_task(house.directory.open(NAME)) for _ in range(100)]
        await house.store.until_called()
        waiting[0].cancel()
        house.store.resume()
        hosts = {await task for task in waiting[1:]}
        assert len(hosts) == loads == 1


async def test_rom_10_who_asks_in_the_moment_the_load_ends_gets_the_room() -> None:
    async with House() as house:
        for _ in range(30):  # openers that start in every round of the loop around the end
            openers: list[asyncio.Task[object]] = []
            for _ in range(12):
                openers.append(asyncio.create_task(house.directory.open(NAME)))
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                hosts = set(await asyncio.gather(*openers))
            assert len(hosts) == 1
            await asyncio.sleep(0.03)
            house.directory._look_after(house.host())
            await _until(lambda: house.directory.rooms == 0)


async def test_rom_10_a_failed_load_leaves_nothing_and_overwrites_nothing() -> None:
    """Complaint *lost data*: saved state overwritten by an empty document after a failed load."""
    async with House() as house:
        await house.sit(Person(1))
        house.seats[0].person.set("a", 1)
        await house.settle()
        house.stand_up(house.seats[0])
        await asyncio.sleep(0.03)
        house.directory._look_after(house.host())
        await _until(lambda: house.directory.rooms == 0)
        house.store.fail_with = StorageUnavailable("gone")
        with pytest.raises(StorageUnavailable):
            await house.directory.open(NAME)
        assert house.directory.rooms == 0
        assert house.counters.failed_loads == 1
        house.store.fail_with = None
        ben = Person(2)
        await house.sit(ben)
        await house.settle()
        assert ben.json() == {"a": 1}


async def test_a_broken_stored_document_is_reported_and_left_alone() -> None:
    async with House() as house:
        await house.store.commit([Commit(NAME, 1, b"\x05broken", None)])
        with pytest.raises(DocumentBroken):
            await house.directory.open(NAME)
        assert (await house.store.load(NAME)).tail == (b"\x05broken",)


class _Witness(NoFence):
    """A fence that remembers what it was told, and may know a poison."""

    def __init__(self, poison: bytes = b"") -> None:
        self.poison = poison
        self.told: list[bytes] = []
        self.allowed: list[float] = []
        self.ended = 0

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
        self.told.extend(updates)

    def begin_heavy(self, what: bytes, seconds: float) -> None:
        self.told.append(what)
        self.allowed.append(seconds)

    def end(self) -> None:
        self.ended += 1

    def is_poisoned(self, update: bytes) -> bool:
        return update == self.poison


async def test_rom_15_a_document_whose_opening_stopped_a_worker_stays_closed() -> None:
    witness = _Witness()
    async with House(fence=witness) as house:
        await house.directory.open(NAME)
    assert set(witness.told) == {f"opening {NAME}".encode()}
    assert witness.ended == len(witness.told)
    async with House(fence=_Witness(witness.told[0])) as house:
        with pytest.raises(DocumentBroken, match="before"):
            await house.directory.open(NAME)
        other = document_name(DocumentKind.OCW, UUID(int=78))
        assert (await house.directory.open(other)).name == other


async def test_rom_17_a_large_document_has_its_time() -> None:
    witness = _Witness()
    async with House(fence=witness) as house:
        doc: Doc[Any] = Doc(client_id=7)
        doc.get("objects", type=Map)["k"] = "x" * 6_000_000
        await house.store.commit([Commit(NAME, 1, doc.get_update(), None)])
        host = await house.directory.open(NAME)
        await house.directory._keeping.compact(host)
    assert set(witness.told) == {b"opening " + NAME.encode(), b"storing " + NAME.encode()}
    assert witness.allowed == [pytest.approx(4, rel=0.01)] * len(witness.told)
    assert witness.ended == len(witness.told)


async def test_rom_17_other_rooms_are_served_while_a_document_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(breath, "AT_A_STRETCH", 0.0)  # each step is one too many
    async with House() as house:
        updates = [update(section(number, 0, collected(1))) for number in range(1, 40)]
        await house.store.commit(
            [Commit(NAME, seq, each, None) for seq, each in enumerate(updates, 1)]
        )
        rounds = 0
        opening = asyncio.create_task(house.directory.open(NAME))
        while not opening.done():
            rounds += 1
            await asyncio.sleep(0)
        assert rounds > len(updates)
        assert len(opening.result().room.document.outline.clocks) == len(updates)


async def test_rom_16_a_room_stays_until_what_was_accepted_is_applied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        await house.settle()
        monkeypatch.setattr(long_edits, "APPLYING_SECONDS", 0.0)  # nothing is applied
        ada.set_many({f"k{n}": n for n in range(3000)})
        seat.pump()
        await _until(lambda: house.host().room.is_applying)
        house.stand_up(seat)
        host = house.host()
        await asyncio.sleep(0.03)
        house.directory._look_after(host)
        assert host in house.directory._busy
        await _until(lambda: host not in house.directory._busy)
        assert house.directory.find(NAME) is host
        monkeypatch.setattr(long_edits, "APPLYING_SECONDS", 0.01)
        await _until(lambda: not host.room.is_applying)
        house.directory._look_after(host)
        await _until(lambda: house.directory.rooms == 0)
        ben = Person(2)
        await house.sit(ben)
        await house.settle()
        assert len(ben.json()) == 3000


async def _until(condition: object) -> None:
    assert callable(condition)
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it does not happen")


@pytest.mark.parametrize("kind", DocumentKind)
async def test_rom_12_an_empty_room_is_put_away_with_a_snapshot_and_freed(
    kind: DocumentKind,
) -> None:
    """Complaint *memory that only grows*: rooms that are never unloaded."""
    name = document_name(kind, UUID(int=77))
    async with House(name=name) as house:
        house.directory.start()
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        document = weakref.ref(house.host().room.document._doc)
        house.stand_up(seat)
        del seat
        gc.disable()  # the server looks for garbage seldom
        try:
            await _until(lambda: house.directory.rooms == 0)
            await _until(lambda: document() is None)
        finally:
            gc.enable()
        stored = await house.store.load(name)
        assert stored.snapshot is not None
        assert stored.snapshot.seq == stored.last_seq == 1
        ben = Person(2)
        await house.sit(ben)
        await house.settle()
        assert ben.json() == {"a": 1}


async def test_rom_9_a_document_that_breaks_gets_no_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """LOG-10: it may hold what the log does not."""
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        ada.set("a", 2)
        host = break_with(house, seat, ada.outbox.popleft(), monkeypatch)
        await house.directory._keeping.compact(host)
        assert host.room.is_broken
        assert (await house.store.load(NAME)).snapshot is None


async def test_log_10_what_storage_refused_meanwhile_gets_no_snapshot(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log may be as long again by then, with other entries."""
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        host = house.host()
        flush = house.journal.flush

        async def flush_and_refuse() -> None:
            await flush()
            house.directory.give_up(NAME, ValueError("refused"))
            house.seats.remove(seat)

        monkeypatch.setattr(house.journal, "flush", flush_and_refuse)
        await house.directory._keeping.compact(host)
        monkeypatch.setattr(house.journal, "flush", flush)
        assert (await house.store.load(NAME)).snapshot is None
        house.directory._keeping._archive = house.store.archive
        monkeypatch.setattr(room_keeping, "VIEWED_FROM_BYTES", 1)
        await house.directory._keeping.keep_view(host)
        assert await house.store.archive.view(NAME) is None


async def test_rom_12_an_edit_in_the_last_moment_is_not_put_away_with_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        house.stand_up(seat)
        await house.settle()
        host = house.host()
        flush, flushes = house.journal.flush, 0

        async def flush_and_visit() -> None:
            nonlocal flushes
            await flush()
            flushes += 1
            if flushes == 2:  # the one after the snapshot
                visit = await house.sit(ada)
                host.run_turn()
                monkeypatch.setattr(
                    host._timer, "_ended_at", math.inf
                )  # not quiet: the frame waits
                ada.set("b", 2)
                host.receive(visit.member, ada.outbox[-1])
                house.stand_up(visit)

        monkeypatch.setattr(house.journal, "flush", flush_and_visit)
        await house.directory._put_away(host)
        await flush()
        assert flushes == 2
        assert (await house.store.load(NAME)).last_seq == 2


async def test_rom_12_nor_is_one_to_a_laborious_document_that_came_during_the_flush(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits for no snapshot, and is not stored yet: opened again now, it would lack the edit,
    and what came next would take the edit's place in the log."""
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        host = house.host()
        monkeypatch.setattr(host.room.document, "labour", 60.0)
        ada.set("a", 1)
        await house.settle()
        house.stand_up(seat)
        await house.settle()
        flush = house.journal.flush

        async def flush_and_visit() -> None:
            await flush()
            visit = await house.sit(ada)
            ada.set("b", 2)
            host.receive(visit.member, ada.outbox[-1])
            house.stand_up(visit)
            host.run_turn()
            assert host.log.position > house.journal.committed

        monkeypatch.setattr(house.journal, "flush", flush_and_visit)
        await house.directory._put_away(host)
        monkeypatch.setattr(house.journal, "flush", flush)
        assert house.directory.find(NAME) is host
        assert not house.directory.is_at_rest(NAME)


async def test_rom_16_a_long_edit_of_one_who_left_is_finished_before_the_server_stops() -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        await house.settle()
        ada.set_many({f"k{number}": number for number in range(2_000)})
        house.host().receive(seat.member, ada.outbox.popleft())
        house.stand_up(seat)
        assert house.host().room.is_applying
        await house.directory.close()
        stored = await house.store.load(NAME)
        assert stored.snapshot is not None
        assert (
            Document(StoredState(stored.snapshot.state)).to_json(DocumentKind.OCW)["objects"]
            == ada.json()
        )


async def test_rom_18_a_laborious_document_is_put_away_without_a_snapshot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Complaint *one bad message stops all rooms*: a snapshot that takes minutes to open would."""
    async with House() as house:
        house.directory.start()
        ada = Person(1)
        seat = await house.sit(ada)
        monkeypatch.setattr(house.host().room.document, "labour", 60.0)
        ada.set("a", 1)
        await house.settle()
        house.stand_up(seat)
        await _until(lambda: house.directory.rooms == 0)
        stored = await house.store.load(NAME)
        assert stored.snapshot is None
        assert stored.last_seq == 1
        ben = Person(2)
        await house.sit(ben)
        await house.settle()
        assert ben.json() == {"a": 1}


async def test_rom_12_a_room_somebody_enters_meanwhile_stays() -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        await house.journal.flush()
        house.stand_up(seat)
        await asyncio.sleep(0.03)
        host = house.host()
        house.store.pause()
        house.directory._look_after(host)
        await house.store.until_called()
        await house.sit(Person(2))
        house.store.resume()
        await house.settle()
        await _until(lambda: host not in house.directory._busy)
        assert house.directory.find(NAME) is host


async def test_a_document_is_at_rest_when_its_room_is_gone() -> None:
    async with House() as house:
        assert house.directory.is_at_rest(NAME)
        seat = await house.sit(Person(1))
        assert not house.directory.is_at_rest(NAME)
        house.stand_up(seat)
        await asyncio.sleep(0.03)
        assert not house.directory.is_at_rest(NAME)
        house.directory._look_after(house.host())
        await _until(lambda: house.directory.rooms == 0)
        assert house.directory.is_at_rest(NAME)


async def test_what_a_large_document_looks_like_is_kept_when_its_room_goes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PST-11: and a small one, or one that stopped a worker when it was shown, is left alone."""
    for least, poisoned, is_kept in ((100, "", True), (10_000, "", False), (100, NAME, False)):
        monkeypatch.setattr(room_keeping, "VIEWED_FROM_BYTES", least)
        async with House(fence=_Shunning(SHOWING + poisoned.encode())) as house:
            house.directory._keeping._archive = house.store.archive
            ada = Person(1)
            seat = await house.sit(ada)
            ada.set("a", "x" * 1000)
            await house.settle()
            await house.journal.flush()
            house.stand_up(seat)
            await asyncio.sleep(0.03)
            house.directory._look_after(house.host())
            await _until(lambda: house.directory.rooms == 0)
            view = await house.store.archive.view(NAME)
            assert (view is not None) is is_kept
            if view is not None:
                assert json.loads(view) == {
                    "objects": {"a": "x" * 1000},
                    "annotations": {},
                    "meta": {},
                }


class _Shunning(NoFence):
    """Knows one thing that stopped a worker."""

    def __init__(self, poisoned: bytes) -> None:
        self._poisoned = poisoned

    def is_poisoned(self, update: bytes) -> bool:
        return update == self._poisoned


async def test_rom_12_a_room_stays_while_storage_is_away() -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        await house.settle()
        await house.journal.flush()
        house.stand_up(seat)
        await asyncio.sleep(0.03)
        house.store.fail_with = StorageUnavailable("gone")
        host = house.host()
        house.directory._look_after(host)
        await _until(lambda: host not in house.directory._busy)
        assert house.directory.find(NAME) is host


async def test_the_snapshot_is_renewed_while_people_edit() -> None:
    async with House() as house:
        ada = Person(1)
        await house.sit(ada)
        for number in range(60):
            ada.set("a", number)
            await house.settle()
        host = house.host()
        house.directory._look_after(host)
        house.directory._look_after(host)
        await _until(lambda: host not in house.directory._busy)
        stored = await house.store.load(NAME)
        assert isinstance(stored.snapshot, Snapshot)
        assert stored.snapshot.seq == 60
        assert len(await house.store.read_log(NAME)) == 60, "the log stays whole"
        assert host.log.updates_since_snapshot == 0


async def test_rom_9_after_a_fault_the_room_is_loaded_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with House() as house:
        ada, ben = Person(1), Person(2)
        first = await house.sit(ada)
        second = await house.sit(ben)
        ada.set("a", 1)
        await house.settle()
        house.store.pause()
        ada.set("b", 2)
        await house.settle()

        def fail(*_: object) -> None:
            raise ValueError("yrs failed")

        monkeypatch.setattr(house.host().room.document, "_transact", fail)
        ben.set("c", 3)
        second.pump()
        await asyncio.sleep(0)
        assert second.channel.closed is not None
        assert second.channel.closed[0] == CloseCode.MALFORMED
        assert first.channel.closed is not None
        assert first.channel.closed[0] == CloseCode.RESTART
        house.seats.clear()
        assert not house.directory.is_at_rest(NAME), "what the broken room emitted is not stored"
        opening = asyncio.create_task(house.sit(Person(3)))
        await asyncio.sleep(0.01)
        assert not opening.done(), "what the broken room emitted must be stored first"
        house.store.resume()
        await opening
        await house.settle()
        assert house.seats[0].person.json() == {"a": 1, "b": 2}


async def test_what_storage_refuses_is_not_acknowledged_and_brought_again() -> None:
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada, wants_receipts=True)
        await house.settle()
        before = ada.stored
        house.store.fail_with = BatchRefused("no")
        ada.set("a", 1)
        seat.pump()
        await _until(lambda: seat.channel.closed is not None)
        assert seat.channel.closed is not None
        assert seat.channel.closed[0] == CloseCode.RESTART
        seat.pump()
        assert ada.stored == before
        house.seats.clear()
        house.store.fail_with = None
        await house.sit(ada, wants_receipts=True)
        await house.settle()
        await house.journal.flush()
        assert (await house.store.load(NAME)).last_seq == 1


async def test_closing_a_document_waits_for_its_loading() -> None:
    async with House() as house:
        house.store.pause()
        opening = asyncio.create_task(house.sit(Person(1)))
        await house.store.until_called()
        closing = asyncio.create_task(
            house.directory.close_document(NAME, CloseCode.ENDED, "the session has ended")
        )
        await asyncio.sleep(0)
        house.store.resume()
        seat = await opening
        await closing
        await house.directory.close_document(NAME, CloseCode.ENDED, "the session has ended")
        assert seat.channel.closed == (CloseCode.ENDED, "the session has ended")
        house.seats.clear()


async def test_a_closing_directory_says_goodbye_and_keeps_everything() -> None:
    """Complaint *lost data*: no flush on shutdown."""
    house = House()
    async with house:
        house.directory.start()
        ada = Person(1)
        seat = await house.sit(ada)
        ada.set("a", 1)
        while ada.outbox:
            house.host().receive(seat.member, ada.outbox.popleft())
    assert seat.channel.closed is not None
    assert seat.channel.closed[0] == CloseCode.RESTART
    stored = await house.store.load(NAME)
    assert stored.snapshot is not None
    assert stored.snapshot.seq == 1
    with pytest.raises(StorageUnavailable):
        await house.directory.open(NAME)


async def test_opening_and_closing_many_rooms_leaves_nothing() -> None:
    async with House(idle_seconds=0.001) as house:
        for number in range(200):
            name = document_name(DocumentKind.OCW, UUID(int=number))
            host = await house.directory.open(name)
            await asyncio.sleep(0.002)
            house.directory._look_after(host)
        await _until(lambda: house.directory.rooms == 0)
        assert not house.directory._busy
        assert not house.directory._loading
        assert not house.directory._dropped
