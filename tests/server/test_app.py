"""The application as it is put together, over a real database."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import httpx
import pytest
import uvicorn

from crdt_docs.identifiers import DocumentKind, DocumentName
from persistence.errors import DatabaseInUse
from persistence.inspection_ports import Inspection
from server import app
from server.app import create_app
from server.authentication import mint
from server.direct_channel import DirectProtocol
from server.memory_stores import open_memory
from server.settings import Settings
from tests.helpers.yjs_peer import YjsPeer
from tests.server.served import SECRET


def settings(tmp_path: Path, **given: object) -> Settings:
    return Settings(
        jwt_secret=SECRET,
        data_dir=tmp_path,
        room_idle_seconds=0.2,
        **given,
    )


class Running:
    """The application under uvicorn, in this loop."""

    def __init__(self, given: Settings) -> None:
        self.app = create_app(given)
        config = uvicorn.Config(
            self.app, port=0, ws=DirectProtocol, log_config=None, lifespan="on", access_log=False
        )
        self.server = uvicorn.Server(config)
        self.serving = asyncio.create_task(self.server.serve())

    async def ready(self) -> int:
        while not self.server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.serving


def token(**more: object) -> str:
    now = datetime.now(UTC)
    return mint(SECRET.encode(), uuid4(), lifetime=timedelta(minutes=5), now=now, **more)  # type: ignore[arg-type]


async def test_an_edit_is_seen_by_rest_stored_and_there_after_a_restart(
    own_database: str, tmp_path: Path
) -> None:
    given = settings(tmp_path, database_url=own_database)
    running = Running(given)
    port = await running.ready()
    service = {"Authorization": f"Bearer {token(is_service=True)}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api", headers=service
    ) as client:
        made = await client.post(
            "/ocw/sessions",
            json={
                "workspace_id": str(uuid4()),
                "session_type": "whiteboard",
                "config": {"default_role": "editor"},
            },
        )
        session = made.json()["data"]["id"]
        url = f"ws://127.0.0.1:{port}/api/ocw/sessions/{session}/ws?ack=1&token={token()}"
        async with await YjsPeer.join(url) as ada:
            ada.objects["a"] = {"n": 3}
            await ada.until_stored()
            state = await client.get(f"/ocw/sessions/{session}/state")
            assert state.json()["data"]["objects"] == {"a": {"n": 3}}
            binary = await client.get(f"/ocw/sessions/{session}/state", params={"format": "yjs"})
            assert b"objects" in binary.content
        ready = (await client.get("/health/ready")).json()["data"]
        assert ready["status"] == "ready"
        assert ready["rooms"] == 1
        await asyncio.sleep(0.5)
        assert (await client.get("/health/ready")).json()["data"]["rooms"] == 0
        page = await client.get(f"http://127.0.0.1:{port}/")
        assert page.status_code in {200, 503}
    await running.stop()

    again = Running(given)
    port = await again.ready()
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}/api", headers=service
    ) as client:
        state = await client.get(f"/ocw/sessions/{session}/state")
        assert json.loads(state.text)["data"]["objects"] == {"a": {"n": 3}}
    await again.stop()


async def test_a_database_has_one_server(
    own_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from persistence import database_lock

    original = database_lock.DatabaseLock.acquire

    async def impatient(self: database_lock.DatabaseLock, patience: float = 0.3) -> None:
        await original(self, 0.3)

    monkeypatch.setattr(database_lock.DatabaseLock, "acquire", impatient)
    given = settings(tmp_path, database_url=own_database)
    first = Running(given)
    await first.ready()
    with pytest.raises(DatabaseInUse):
        async with create_app(given).router.lifespan_context(create_app(given)):
            pass
    await first.stop()


async def test_the_development_mode_offers_a_demo(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, dev=True), open_stores=open_memory)
    async with app.router.lifespan_context(app):
        lines = "\n".join(app.state.ready_lines)
        rooms = [host for host in app.state.directory.hosts() if host.name.startswith("xr/")]
        (state,) = [host.room.document.to_json(DocumentKind.XR) for host in rooms]
    assert "#session=" in lines
    (session,) = {board["properties"]["session_id"] for board in state["objects"].values()}
    assert f"/api/ocw/sessions/{session}\n" in lines


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/assets/nothing.js", 404, "NOT_FOUND"),
        ("GET", "/assets/../secret", 404, "NOT_FOUND"),
        ("POST", "/", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_paths_outside_the_api_are_answered_in_the_same_envelope(
    tmp_path: Path, method: str, path: str, status: int, code: str
) -> None:
    app = create_app(settings(tmp_path), open_stores=open_memory)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client,
    ):
        answer = await client.request(method, path, headers={"X-Request-ID": "mine"})
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.json()["meta"]["request_id"] == answer.headers["x-request-id"] == "mine"


async def test_without_a_database_it_does_not_start(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path))
    with pytest.raises(ValueError, match="no database"):
        async with app.router.lifespan_context(app):
            pass


async def test_rows_that_are_not_what_the_log_says_are_made_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []

    async def repair(*given: object) -> None:
        made.append(given)

    monkeypatch.setattr("server.rebuilding.repair", repair)
    inspection = cast(Inspection, object())
    document = DocumentName("ocw/11111111-1111-4111-8111-111111111111")
    await app._repair(inspection, document)
    assert made == [(inspection, document)]
