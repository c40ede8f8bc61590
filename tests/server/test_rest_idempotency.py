"""REST: a request that is sent twice is carried out once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from persistence.kept_answers import PostgresAnswerStore
from persistence.memory_answers import MemoryAnswerStore
from persistence.pool import DatabasePool
from persistence.ports import Session, StorageUnavailable
from server.rest import idempotency
from tests.server.rest_client import Api, Caller, refusal

SESSIONS = "/api/ocw/sessions"
DAY = 24 * 3600


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def with_key(key: str = "k-1", **more: str) -> dict[str, str]:
    return {"Idempotency-Key": key, **more}


def a_session(caller: Caller, **more: Any) -> dict[str, Any]:
    return {"workspace_id": str(caller.workspace), "session_type": "whiteboard", **more}


async def sessions_of(caller: Caller) -> int:
    return len((await caller.get(SESSIONS)).json()["data"]["items"])


async def test_the_first_answer_is_given_again(api: Api) -> None:
    anna = api.caller(exp=4_000_000_000)
    first = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert first.status_code == 201
    assert "idempotency-replayed" not in first.headers
    api.forge.clock.turn(DAY / 2)
    again = await anna.post(
        SESSIONS, json=a_session(anna), headers=with_key(**{"X-Request-ID": "second"})
    )
    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == "application/json"
    assert again.headers["x-request-id"] == "second"
    assert await sessions_of(anna) == 1


async def test_a_day_later_the_key_is_free(api: Api) -> None:
    anna = api.caller(exp=4_000_000_000)
    for _ in range(2):
        answer = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
        assert answer.status_code == 201
        api.forge.clock.turn(DAY + 1)
    assert await sessions_of(anna) == 2


async def test_another_body_with_the_same_key_is_refused(api: Api) -> None:
    anna = api.caller()
    await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    other = await anna.post(
        SESSIONS, json=a_session(anna, session_type="cockpit"), headers=with_key()
    )
    assert refusal(other) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert await sessions_of(anna) == 1


async def test_keys_are_of_a_caller_and_a_path(api: Api) -> None:
    anna = api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    for caller in (anna, api.caller()):
        for action in ("join", "leave"):
            answer = await caller.post(f"{SESSIONS}/{session['id']}/{action}", headers=with_key())
            assert answer.status_code == 200
            assert "idempotency-replayed" not in answer.headers


async def test_a_service_uses_a_key_for_one_person(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "viewer"})
    backend = api.service()
    path = f"{SESSIONS}/{session['id']}/join"
    people = [str(uuid4()), str(uuid4())]
    answers = [
        await backend.post(path, headers=with_key(**{"X-Acting-User": somebody}))
        for somebody in (people[0], people[0], people[1])
    ]
    assert answers[0].content == answers[1].content
    assert refusal(answers[2]) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_what_was_refused_may_be_sent_as_it_should_have_been(api: Api) -> None:
    anna = api.caller()
    wrong = await anna.post(
        SESSIONS, json=a_session(anna, session_type="party"), headers=with_key()
    )
    assert refusal(wrong) == (400, "INVALID_BODY")
    api.sessions.fail_with = StorageUnavailable("gone")
    away = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert refusal(away) == (503, "STORAGE_UNAVAILABLE")
    api.sessions.fail_with = None
    right = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert right.status_code == 201


async def test_the_second_waits_for_the_first(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    anna = api.caller()
    begun, go_on = asyncio.Event(), asyncio.Event()
    create = api.sessions.create

    async def slowly(session: Session) -> None:
        begun.set()
        await go_on.wait()
        await create(session)

    monkeypatch.setattr(api.sessions, "create", slowly)
    first = asyncio.create_task(anna.post(SESSIONS, json=a_session(anna), headers=with_key()))
    await begun.wait()
    second = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert refusal(second) == (409, "IDEMPOTENCY_IN_PROGRESS")
    assert second.headers["retry-after"] == "1"
    go_on.set()
    made = await first
    again = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert again.content == made.content


async def test_without_the_store_nothing_is_done(api: Api) -> None:
    anna = api.caller()
    assert isinstance(api.answers, MemoryAnswerStore)
    api.answers.fail_with = StorageUnavailable("gone")
    answer = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    assert await sessions_of(anna) == 0
    assert (await anna.post(SESSIONS, json=a_session(anna))).status_code == 201


async def test_an_answer_that_cannot_be_kept_is_given(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()

    async def gone(*_: object) -> None:
        raise StorageUnavailable("gone")

    monkeypatch.setattr(api.answers, "keep", gone)
    answer = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert answer.status_code == 201
    soon = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert refusal(soon) == (409, "IDEMPOTENCY_IN_PROGRESS")


async def test_an_answer_too_large_to_keep_is_not_made_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEPT_BYTES", 10)
    anna = api.caller()
    await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    again = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert refusal(again) == (409, "IDEMPOTENCY_NOT_KEPT")
    assert await sessions_of(anna) == 1


@pytest.mark.parametrize("key", ["", "with space", "x" * 129, "ü"])
async def test_an_unusable_key_is_refused(api: Api, key: str) -> None:
    anna = api.caller()
    headers = {"Idempotency-Key": key.encode("latin-1")}
    answer = await anna.post(SESSIONS, json=a_session(anna), headers=headers)
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    (error,) = answer.json()["error"]["details"]["errors"]
    assert error["field"] == "Idempotency-Key"


async def test_a_stranger_learns_nothing_from_a_key(api: Api) -> None:
    anna = api.caller()
    await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    answer = await api.client.post(SESSIONS, json=a_session(anna), headers=with_key())
    assert refusal(answer) == (401, "UNAUTHENTICATED")


async def test_first_answers_outlive_the_process(tmp_path: Path, pool: DatabasePool) -> None:
    before = Api(tmp_path, answers=PostgresAnswerStore(pool))
    anna = before.caller()
    first = await anna.post(SESSIONS, json=a_session(anna), headers=with_key())
    after = Api(tmp_path, forge=before.forge, answers=PostgresAnswerStore(pool))
    again = await Caller(after.client, anna.token, anna.user_id, anna.workspace).post(
        SESSIONS, json=a_session(anna), headers=with_key()
    )
    assert again.content == first.content
    assert again.headers["idempotency-replayed"] == "true"
