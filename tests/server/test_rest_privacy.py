"""Persons by REST: who may ask, and what is answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from persistence.ports import StorageUnavailable
from tests.server.rest_client import Api, refusal


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    made = Api(tmp_path)
    async with made.client:
        yield made


def at(user: object) -> str:
    return f"/api/privacy/users/{user}"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_only_services_that_nothing_bounds_may(api: Api, method: str) -> None:
    ana = api.caller()
    bounded = api.service(workspaces=[str(uuid4())])
    acting = {"X-Acting-User": str(ana.user_id)}
    for answer in (
        await ana.call(method, at(ana.user_id)),
        await bounded.call(method, at(ana.user_id)),
        await api.service().call(method, at(ana.user_id), headers=acting),
    ):
        assert refusal(answer) == (403, "FORBIDDEN")
    assert {event.details["code"] for event in api.audit.tallied} == {"FORBIDDEN"}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_person_has_an_id(api: Api, method: str) -> None:
    answer = await api.service().call(method, at("ana"))
    assert refusal(answer) == (404, "USER_NOT_FOUND")


async def test_what_is_held_is_told(api: Api) -> None:
    ana, service = api.caller(), api.service()
    session = await ana.create()
    data = (await service.get(at(ana.user_id))).json()["data"]
    assert data["user_id"] == str(ana.user_id)
    assert {row["table"] for row in data["rows"]} == {"ocw_participants", "ocw_sessions"}
    assert session["id"] in str(data)
    told = api.audit.events[-1]
    assert (told.action, told.actor) == ("privacy.exported", service.user_id)
    assert told.target == f"user/{ana.user_id}"


async def test_of_somebody_unknown_nothing_is_written_down(api: Api) -> None:
    somebody = uuid4()
    data = (await api.service().get(at(somebody))).json()["data"]
    assert data == {"user_id": str(somebody), "rows": []}
    assert api.audit.events == []


async def test_somebody_is_forgotten(api: Api) -> None:
    ana, service = api.caller(), api.service()
    session = await ana.create()
    done = (await service.delete(at(ana.user_id))).json()["data"]
    assert done == {
        "rows": {"audit_subjects": 1, "ocw_participants": 1, "ocw_sessions": 1},
        "documents": 1,
        "mentioned_in": [],
        "mentioned_in_rooms": [],
    }
    stored = await api.sessions.get(UUID(session["id"]))
    assert stored is not None
    assert stored.host_user_id != ana.user_id
    assert refusal(await ana.get("/api/ocw/sessions")) == (401, "UNAUTHENTICATED")
    again = (await service.delete(at(ana.user_id))).json()["data"]
    assert again["documents"] == 0


async def test_one_persons_data_is_read_at_a_time(api: Api) -> None:
    ana = api.caller()
    await ana.create()
    reading = await api.services.personal_data.begin(ana.user_id)
    busy = await api.service().get(at(ana.user_id))
    assert refusal(busy) == (503, "PRIVACY_BUSY")
    assert len([chunk async for chunk in reading.chunks]) == 1
    assert (await api.service().get(at(ana.user_id))).status_code == 200


async def test_a_failure_before_the_first_row_is_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> Any:
        raise StorageUnavailable("away")
        yield

    monkeypatch.setattr(api.services.personal_data._store, "held", fail)
    for _ in range(2):
        answer = await api.service().get(at(uuid4()))
        assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
