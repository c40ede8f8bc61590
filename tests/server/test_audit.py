"""The audit trail as the server writes it (AUT)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest_asyncio

from crdt_docs.identifiers import ActorKind
from persistence.audit_ports import AuditFilter, StoredEntry
from persistence.memory_audit import MemoryAuditStore
from persistence.ports import StorageUnavailable
from server.audit import DENIED, LOST, AuditEvent, AuditWriter, Origin
from tests.helpers.commits import ANA, BEN
from tests.server.clocks import HandClock

BOARD = UUID(int=1)


class Office:
    """A writer over a store in memory, and a clock."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.store = MemoryAuditStore(lambda _: None)
        self.writer = AuditWriter(
            self.store,
            clock=self.clock,
            most_waiting=5,
            most_tallies=3,
            tally_seconds=10,
            sleep=lambda _: asyncio.sleep(0),
        )

    async def kept(self) -> list[StoredEntry]:
        """What was stored, oldest first."""
        page = await self.store.find(AuditFilter(), limit=100)
        return [*reversed(page.items)]


@pytest_asyncio.fixture
async def office() -> AsyncIterator[Office]:
    made = Office()
    yield made
    made.store.fail_with = None
    await made.writer.close(5)


def event(action: str = "edit.refused", actor: UUID = ANA, **details: Any) -> AuditEvent:
    return AuditEvent(action, actor, ActorKind.USER, session_id=BOARD, details=details)


async def test_aut_1_telling_is_not_waiting(office: Office) -> None:
    office.store.fail_with = StorageUnavailable("away")
    office.writer.start()
    office.writer.record(event("session.ended"))
    await office.store.until_called()
    office.writer.record(event("session.paused"))
    office.store.fail_with = None
    await office.writer.flush()
    actions = {entry.action for entry in await office.kept()}
    assert actions == {"session.ended", "session.paused"}


async def test_aut_1_the_trail_says_what_was_lost(office: Office) -> None:
    for number in range(8):
        office.clock.turn(1)
        office.writer.record(event(f"a.{number}"))
    assert office.writer.lost == 3
    office.writer.start()
    await office.writer.flush()
    kept = await office.kept()
    assert [entry.action for entry in kept] == [*(f"a.{n}" for n in range(5)), LOST]
    assert kept[-1].details == {"count": 3}
    office.writer.record(event("later"))
    await office.writer.flush()
    assert [entry.action for entry in await office.kept()].count(LOST) == 1


async def test_aut_1_a_loss_is_told_once_when_the_answer_was_lost(office: Office) -> None:
    for _ in range(8):
        office.writer.record(event())
    office.store.lose_answers = True
    office.writer.start()
    await office.store.until_called()
    await office.store.until_called()
    office.store.lose_answers = False
    await office.writer.flush()
    assert [entry.action for entry in await office.kept()].count(LOST) == 1


async def test_aut_2_what_happens_again_is_one_entry(office: Office) -> None:
    began = office.clock()
    for number in range(20):
        told = replace(event(reason="locked"), origin=Origin(request_id=str(number)))
        office.writer.tally(told)
        office.clock.turn(0.1)
    office.writer.tally(event(reason="locked", actor=BEN))
    office.writer.tally(event(reason="full"))
    office.writer.start()
    await office.writer.flush()
    kept = await office.kept()
    assert sorted((entry.details["reason"], entry.details["count"]) for entry in kept) == [
        ("full", 1),
        ("locked", 1),
        ("locked", 20),
    ]
    (many,) = (entry for entry in kept if entry.details["count"] == 20)
    assert many.at == began
    assert many.request_id == "0"


async def test_aut_2_a_count_ends_after_its_time(office: Office) -> None:
    office.writer.tally(event())
    office.clock.turn(9)
    office.writer.end_tallies()
    office.writer.tally(event())
    office.clock.turn(2)
    office.writer.end_tallies()
    office.writer.tally(event())
    office.writer.start()
    await office.writer.flush()
    assert [entry.details["count"] for entry in await office.kept()] == [2, 1]


async def test_aut_2_counts_are_bounded(office: Office) -> None:
    for number in range(5):
        office.writer.tally(event(reason=str(number)))
    office.writer.tally(event(reason="0"))
    assert office.writer.lost == 2
    office.writer.start()
    await office.writer.flush()
    counts = [entry.details["count"] for entry in await office.kept()]
    assert sorted(map(str, counts)) == ["1", "1", "2", "2"]


async def test_aut_3_denials_push_nothing_else_out(office: Office) -> None:
    for code in range(9):
        office.writer.tally(event(DENIED, code=code))
    office.writer.tally(event(DENIED, code=0))
    assert office.writer.lost == 8
    office.writer.tally(event(reason="locked"))
    office.writer.tally(event(reason="full"))
    assert office.writer.lost == 8
    office.clock.turn(11)
    office.writer.end_tallies()
    office.writer.tally(event(DENIED, code=9))
    assert office.writer.lost == 8
    office.writer.start()
    await office.writer.flush()
    kept = [entry.details for entry in await office.kept() if entry.action == DENIED]
    assert kept == [{"code": 0, "count": 2}, {"code": 9, "count": 1}]


async def test_closing_stores_what_is_being_counted(office: Office) -> None:
    office.writer.start()
    office.writer.tally(event())
    assert await office.writer.close(5)
    assert len(await office.kept()) == 1
