"""Logs from files: those of real rooms are taken, and give what the rooms gave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from pycrdt import Doc

from crdt_docs.document import Document, StoredState
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import DocumentKind
from crdt_docs.outline import DocumentLimits
from crdt_docs.update_guard import walk_update
from persistence.ports import Commit, Snapshot
from server.document_check import NOBODY, DocumentCheck
from server.live_documents import LiveRooms
from tests.helpers.corpus import Recording, recordings
from tests.helpers.proving import few_or_many
from tests.helpers.random_edits import random_edit
from tests.helpers.raw_updates import item, section, text, update
from tests.server.rooms import NAME, House, Person

LIMITS = DocumentLimits()
SEEDS = range(few_or_many(6, 200))


async def random_log(seed: int, edits: int = 150) -> tuple[Sequence[Commit], Any]:
    """What several people and the server write into a room, some of them offline for a while."""
    rng = random.Random(seed)
    async with House(snapshot_every_updates=40) as house:
        people = [Person(number) for number in range(1, 4)]
        seats = [await house.sit(person) for person in people]
        live = LiveRooms(house.directory, backlog=lambda: (0, False), is_database_up=lambda: True)

        def edit(doc: Doc[Any]) -> None:
            random_edit(doc, rng)

        for _ in range(edits):
            who = rng.randrange(len(people) + 1)
            if who == len(people):
                await live.edit(NAME, people[0].identity, edit)
            else:
                people[who].edit(lambda objects: edit(objects.doc))
            for seat in seats:
                if rng.random() < 0.4:
                    seat.pump()
            await asyncio.sleep(0)
        await house.settle()
        await house.journal.flush()
        return await house.store.read_log(NAME, limit=100_000), await live.state(NAME)


def checked(log: Sequence[Commit], *, is_trusted: bool = False) -> DocumentCheck:
    check = DocumentCheck(len(log), LIMITS, is_trusted=is_trusted)
    for entry in log:
        check.add(entry.seq, entry.update)
    return check


def opened(snapshot: Snapshot | None) -> Any:
    assert snapshot is not None
    document = Document(StoredState(snapshot.state, snapshot.outline), with_owners=True)
    try:
        return document.to_json(DocumentKind.OCW)
    finally:
        document.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_log_of_a_room_is_taken_and_gives_the_same_document(seed: int) -> None:
    log, state = await random_log(seed)
    assert len(log) > 50
    check = checked(log)
    assert opened(check.finish()) == state
    check.close()


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_log_from_the_middle_follows_on_the_state_before_it(seed: int) -> None:
    log, state = await random_log(seed, edits=80)
    middle = len(log) // 2
    before = checked(log[:middle])
    check = DocumentCheck(len(log), LIMITS)
    check.begin(middle, before.state())
    for entry in log[middle:]:
        check.add(entry.seq, entry.update)
    assert opened(check.finish()) == state
    before.close()
    check.close()


def emitted_by(recording: Recording) -> list[bytes]:
    """What a room stores of what stock Yjs sent: each update that brings something."""
    document = Document()
    try:
        found = []
        for received in recording.updates:
            facts = walk_update(received)
            if document.outline.connects(facts):
                document.outline.admit(facts, LIMITS)
                emitted = document.apply([received], NOBODY)
                found += [] if emitted is None else [emitted]
        return found
    finally:
        document.close()


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_what_stock_yjs_wrote_is_taken(recording: Recording) -> None:
    log = emitted_by(recording)
    check = DocumentCheck(len(log), LIMITS)
    for seq, entry in enumerate(log, 1):
        check.add(seq, entry)
    snapshot = check.finish()
    assert snapshot is not None
    again = DocumentCheck(len(log), LIMITS)  # and what comes of it is a state like any other
    again.begin(len(log), snapshot.state)
    again.close()
    check.close()


def test_a_gap_is_refused() -> None:
    check = DocumentCheck(2, LIMITS)
    with pytest.raises(Malformed, match="gap"):
        check.add(2, update())
    check.add(1, update())
    with pytest.raises(Malformed, match="ends at 1"):
        check.finish()
    check.close()


def test_what_the_guard_refuses_may_be_taken_on_trust() -> None:
    """The limits of a document may have been others where it comes from."""
    many = update(*(section(number, 0, item(text("x"), parent="t")) for number in (1, 2, 3)))
    few = DocumentLimits(max_clients=2)
    check = DocumentCheck(1, few)
    with pytest.raises(Malformed, match="client ids"):
        check.add(1, many)
    check.close()
    check = DocumentCheck(1, few, is_trusted=True)
    check.add(1, many)
    assert check.finish() is not None
    check.close()


def test_what_cannot_be_read_is_not_taken_on_trust_either() -> None:
    check = DocumentCheck(1, LIMITS, is_trusted=True)
    with pytest.raises(Malformed):
        check.add(1, b"\xff" * 10)
    check.close()
