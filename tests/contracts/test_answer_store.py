"""What every `answer_ports.AnswerStore` keeps, in memory and in PostgreSQL."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from persistence.answer_ports import (
    AnswerStore,
    Busy,
    Different,
    KeptAnswer,
    RequestName,
    Reservation,
    Reserved,
)
from persistence.kept_answers import PostgresAnswerStore
from persistence.memory_answers import MemoryAnswerStore
from tests.helpers.commits import ANA, BEN

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SINCE = NOON - timedelta(days=1)
ANSWER = KeptAnswer(201, (("content-type", "application/json"), ("x", "é")), b"\x00{}")


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> AnswerStore:
    if request.param == "memory":
        return MemoryAnswerStore()
    return PostgresAnswerStore(request.getfixturevalue("pool"))


def wanted(digest: bytes = b"a", *, by: UUID = ANA, says: bytes = b"this") -> Reservation:
    return Reservation(RequestName(by, digest), says, NOON, NOON + MINUTE)


async def test_ans_1_a_request_is_reserved_by_one(store: AnswerStore) -> None:
    claims = await asyncio.gather(*(store.claim(wanted(), kept_since=SINCE) for _ in range(5)))
    assert sorted(claims, key=repr) == [Busy()] * 4 + [Reserved()]


async def test_requests_are_told_apart_by_who_and_what(store: AnswerStore) -> None:
    for reservation in (wanted(), wanted(by=BEN), wanted(b"b")):
        assert await store.claim(reservation, kept_since=SINCE) == Reserved()


async def test_ans_2_an_answer_is_given_again(store: AnswerStore) -> None:
    await store.claim(wanted(), kept_since=SINCE)
    await store.keep(wanted(), ANSWER)
    later = replace(wanted(), at=NOON + 5 * MINUTE, until=NOON + 6 * MINUTE)
    for _ in range(2):
        assert await store.claim(later, kept_since=SINCE) == ANSWER
    await store.release(wanted())
    await store.keep(wanted(), replace(ANSWER, status=500))
    assert await store.claim(later, kept_since=SINCE) == ANSWER


@pytest.mark.parametrize("is_answered", [True, False])
async def test_ans_2_another_request_is_told_so(
    store: AnswerStore,
    is_answered: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    await store.claim(wanted(), kept_since=SINCE)
    if is_answered:
        await store.keep(wanted(), ANSWER)
    assert await store.claim(wanted(says=b"that"), kept_since=SINCE) == Different()


async def test_an_answer_without_a_body_comes_back_without_one(store: AnswerStore) -> None:
    await store.claim(wanted(), kept_since=SINCE)
    kept = KeptAnswer(200, (), None)
    await store.keep(wanted(), kept)
    assert await store.claim(wanted(), kept_since=SINCE) == kept


async def test_what_is_released_is_free(store: AnswerStore) -> None:
    await store.claim(wanted(), kept_since=SINCE)
    await store.release(wanted())
    assert await store.claim(wanted(says=b"that"), kept_since=SINCE) == Reserved()


async def test_ans_3_a_reservation_runs_out(store: AnswerStore) -> None:
    await store.claim(wanted(), kept_since=SINCE)
    almost = replace(wanted(), at=NOON + MINUTE - timedelta(microseconds=1))
    assert await store.claim(almost, kept_since=SINCE) == Busy()
    second = Reservation(wanted().request, b"this", NOON + MINUTE, NOON + 2 * MINUTE)
    assert await store.claim(second, kept_since=SINCE) == Reserved()
    await store.release(wanted())
    await store.keep(wanted(), ANSWER)
    assert await store.claim(second, kept_since=SINCE) == Busy()
    await store.keep(second, replace(ANSWER, status=200))
    assert await store.claim(second, kept_since=SINCE) == replace(ANSWER, status=200)


async def test_what_is_old_is_as_if_it_were_not_there(store: AnswerStore) -> None:
    await store.claim(wanted(), kept_since=SINCE)
    await store.keep(wanted(), ANSWER)
    next_day = NOON + timedelta(days=1, minutes=1)
    again = Reservation(wanted().request, b"that", next_day, next_day + MINUTE)
    assert await store.claim(again, kept_since=NOON + MINUTE) == Reserved()
    assert await store.claim(again, kept_since=NOON + MINUTE) == Busy()


async def test_what_is_old_is_removed_in_portions(store: AnswerStore) -> None:
    for minute in range(5):
        at = NOON + minute * MINUTE
        name = RequestName(ANA, bytes([minute]))
        await store.claim(Reservation(name, b"this", at, at + MINUTE), kept_since=SINCE)
    assert await store.forget_before(NOON + 3 * MINUTE, limit=2) == 2
    assert await store.forget_before(NOON + 3 * MINUTE, limit=2) == 1
    assert await store.forget_before(NOON + 3 * MINUTE, limit=2) == 0
    for minute, expected in ((2, Reserved()), (3, Busy())):
        again = Reservation(RequestName(ANA, bytes([minute])), b"this", NOON, NOON + MINUTE)
        assert await store.claim(again, kept_since=SINCE) == expected
