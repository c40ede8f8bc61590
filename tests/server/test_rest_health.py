"""REST: alive and ready."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from persistence.ports import StorageUnavailable
from tests.server.rest_client import READY, Api, refusal


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def test_the_process_is_alive_whatever_the_database_does(api: Api) -> None:
    api.live.ready = replace(READY, database=False, backlog_full=True)
    api.sessions.fail_with = StorageUnavailable("gone")
    answer = await api.client.get("/api/health")
    assert answer.status_code == 200
    assert answer.json()["data"] == {"status": "alive", "version": version("chenu-collab")}


async def test_ready_says_how_things_stand(api: Api) -> None:
    answer = await api.client.get("/api/health/ready")
    assert answer.status_code == 200
    assert answer.json()["data"] == {
        "status": "ready",
        "database": True,
        "backlog_bytes": 0,
        "backlog_full": False,
        "rooms": 2,
        "connections": 5,
    }


@pytest.mark.parametrize("trouble", [{"database": False}, {"backlog_full": True}])
async def test_not_ready_while_edits_cannot_be_stored(api: Api, trouble: dict[str, bool]) -> None:
    api.live.ready = replace(READY, **trouble)
    answer = await api.client.get("/api/health/ready")
    assert refusal(answer) == (503, "NOT_READY")
    details = answer.json()["error"]["details"]
    assert {name: details[name] for name in trouble} == trouble
    assert int(answer.headers["retry-after"]) > 0
