"""Tokens, names and contents are in no log, no close reason, no audit entry and no visit.

Every secret and every text that people write has a canary in it here. The server is driven through
what goes well, what is refused and what crashes; then all that it has left is searched.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from pycrdt import Doc, Map, Text
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.messages import AwarenessEntry
from persistence.audit_ports import AuditFilter
from persistence.memory_visits import MemoryVisitStore
from server.authentication import mint
from server.logs import configure_logging
from server.settings import Settings
from tests.server.logging_state import logging_put_back
from tests.server.served import SECRET, Served, served

CANARY = "canary"
CONTENT = f"{CANARY}-content"
NAME = f"{CANARY}-name"


@dataclass
class Aviary:
    """A server, its log, and all that sockets were closed with."""

    server: Served
    log: io.StringIO
    client: httpx.AsyncClient
    reasons: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def token(self, user: UUID, **more: Any) -> str:
        """A token with a name in it; its signature must not be seen again."""
        token = mint(
            SECRET.encode(),
            user,
            name=NAME,
            lifetime=timedelta(minutes=5),
            now=datetime.now(UTC),
            **more,
        )
        self.secrets.append(token.rpartition(".")[2])
        return token

    async def call(self, token: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        return await self.client.request(method, f"/api{path}", headers=headers, **more)

    async def say(self, url: str, *frames: bytes | str, **more: Any) -> None:
        """Open a socket, say this, and listen until it is closed or silent."""
        try:
            async with connect(url, **more) as socket:
                for frame in frames:
                    await socket.send(frame)
                while True:
                    async with asyncio.timeout(0.3):
                        await socket.recv()
        except TimeoutError:
            return
        except ConnectionClosed as closed:
            self.reasons.append(closed.rcvd.reason if closed.rcvd else "")


@pytest_asyncio.fixture(params=["asgi", "direct"])
async def aviary(request: pytest.FixtureRequest) -> AsyncIterator[Aviary]:
    stream = io.StringIO()
    with logging_put_back():
        configure_logging(Settings(log_level="debug", log_format="json"), stream)
        async with (
            served(request.param) as server,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
        ):
            yield Aviary(server, stream, client)


async def search(aviary: Aviary) -> str:
    """All that the server has left, as text."""
    await aviary.server.app.state.audit.flush()
    stores = aviary.server.stores
    entries = (await stores.audit.find(AuditFilter(), limit=10_000)).items
    assert isinstance(stores.visits, MemoryVisitStore)
    assert entries
    return "\n".join(
        [
            aviary.log.getvalue(),
            *aviary.reasons,
            repr(entries),
            repr(stores.visits._visits),
        ]
    )


OURSELVES = ('"logger":"httpx"', '"logger":"httpcore', '"logger":"websockets.client"')
"""The clients are in this process, too."""


def found_in(text: str, secrets: list[str]) -> list[str]:
    lines = [line for line in text.splitlines() if not any(mark in line for mark in OURSELVES)]
    return [line for line in lines if any(each in line.lower() for each in secrets)]


async def check(aviary: Aviary) -> None:
    left = await search(aviary)
    assert found_in(left, [CANARY, *(secret.lower() for secret in aviary.secrets)]) == []


def drawing() -> bytes:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["box"] = Map({"object_type": CONTENT, "properties": Map({"text": Text(CONTENT)})})
    remarks = doc.get("annotations", type=Map)
    remarks["note"] = Map({"annotation_type": "comment", "content": CONTENT})
    return doc.get_update()


async def test_requests_leave_no_trace_of_what_they_say(aviary: Aviary) -> None:
    host, workspace = uuid4(), uuid4()
    token = aviary.token(host, workspaces=[workspace])
    config = {"default_role": "editor", "title": CONTENT}
    body = {"workspace_id": str(workspace), "session_type": "whiteboard", "config": config}
    headers = {
        "Idempotency-Key": f"{CANARY}-key",
        "User-Agent": f"{CANARY}-browser",
        "X-Identity-ID": f"{CANARY}-identity",
        "Cookie": f"session={CANARY}",
    }
    answer = await aviary.call(token, "POST", "/ocw/sessions", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    path = f"/ocw/sessions/{answer.json()['data']['id']}"
    said: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", f"{path}/objects", {"json": {"id": "a", "object_type": CONTENT}}),
        ("PATCH", f"{path}/objects/a", {"json": {"properties": {"text": CONTENT}}}),
        ("PATCH", f"{path}/objects/b", {"json": {"properties": {"text": CONTENT}}}),
        ("POST", f"{path}/objects", {"json": {CONTENT: CONTENT}}),
        ("POST", f"{path}/objects", {"content": CONTENT}),
        ("POST", f"{path}/objects", {"content": f'{{"x": "{CONTENT}'}),
        ("POST", f"{path}/annotations", {"json": {"annotation_type": "x", "content": CONTENT}}),
        ("POST", f"{path}/snapshots", {"json": {"label": CONTENT}}),
        ("GET", f"{path}/snapshots", {}),
        ("POST", f"{path}/restore", {"json": {"at": CONTENT}}),
        ("GET", f"/ocw/search?q={CONTENT}", {}),
        ("GET", f"{path}/objects?cursor={CONTENT}", {}),
        ("GET", f"{path}/objects?{CONTENT}=1", {}),
        ("GET", f"{path}/export?format=svg", {}),
        ("GET", f"{path}/export?format={CONTENT}", {}),
        ("GET", f"{path}/state", {}),
        ("GET", f"/governance/audit?action={CONTENT}", {}),
        ("POST", f"{path}/end", {}),
    ]
    for method, where, more in said:
        await aviary.call(token, method, where, **more)
    await check(aviary)


async def test_tokens_leave_no_trace(aviary: Aviary) -> None:
    session, user = await aviary.server.session(), uuid4()
    service = aviary.token(uuid4(), is_service=True)
    minted = await aviary.call(
        service, "POST", "/auth/token", json={"user_id": str(user), "name": NAME}
    )
    pair = minted.json()["data"]
    refresh = pair["refresh_token"]
    aviary.secrets += [refresh, pair["access_token"].rpartition(".")[2]]
    for _ in range(3):  # the second time it is stolen, the third time revoked
        again = await aviary.client.post("/api/auth/refresh", json={"refresh_token": refresh})
        if again.is_success:
            aviary.secrets.append(again.json()["data"]["refresh_token"])
    await aviary.call(service, "POST", "/auth/revoke", json={"refresh_token": refresh})
    broken = f"eyJhbGciOiJIUzI1NiJ9.{CANARY}.{CANARY}"
    expired = aviary.token(user)[:-3] + "abc"
    base = f"ws://127.0.0.1:{aviary.server.port}/api"
    for token in (broken, expired, f"{CANARY}-token", pair["access_token"]):
        await aviary.call(token, "GET", "/ocw/sessions")
        await aviary.client.get(f"/api/ocw/sessions?token={token}")
        await aviary.say(aviary.server.url(session, token))
        await aviary.say(f"{base}/ocw/sessions/{session}/ws", subprotocols=[f"bearer.{token}"])
        await aviary.say(
            f"{base}/ocw/sessions/{session}/ws",
            additional_headers={"Authorization": f"Bearer {token}"},
        )
        await aviary.say(f"{base}/collab?token={token}", b"\x00" + token.encode())
    await check(aviary)


async def test_sockets_leave_no_trace_of_what_they_say(aviary: Aviary) -> None:
    session = await aviary.server.session()
    name = document_name(DocumentKind.OCW, session)
    presence = messages.awareness([AwarenessEntry(7, 1, f'{{"user":"{NAME}"}}'.encode())])
    for role in (Role.EDITOR, Role.VIEWER):
        update = messages.sync_update(drawing())
        token = aviary.token(uuid4(), grants={name: role})
        url = aviary.server.url(session, token, ack=True)
        agent = {"user_agent_header": f"{CANARY}-browser"}
        await aviary.say(url, messages.sync_step1(b"\x00"), presence, update, **agent)
        for frame in (
            CONTENT,
            CONTENT.encode(),
            update[:-9],
            update[:2] + b"\xff" * 4 + CONTENT.encode(),
            messages.sync_update(CONTENT.encode()),
            messages.awareness([AwarenessEntry(7, 2, CONTENT.encode())]),
            messages.renewal(f"{CANARY}-token"),
            b"\x0a" * 50 + CONTENT.encode(),
        ):
            await aviary.say(url, frame)
    text = await search(aviary)
    assert len(aviary.reasons) >= 8
    for seen in ("socket closed", "socket.expelled", "edit.refused"):
        assert seen in text
    await check(aviary)


async def test_what_crashes_leaves_no_trace_of_what_was_said(
    aviary: Aviary, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, host = await aviary.server.session(), uuid4()
    token = aviary.token(host, grants={document_name(DocumentKind.OCW, session): Role.HOST})

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("something broke")

    url = aviary.server.url(session, token)
    await aviary.say(url, messages.sync_update(drawing()))
    monkeypatch.setattr(aviary.server.sessions, "get", fail)
    monkeypatch.setattr(aviary.server.sessions, "standings", fail, raising=False)
    monkeypatch.setattr(aviary.server.documents, "load", fail)
    path = f"/ocw/sessions/{session}"
    body = {"object_type": CONTENT, "properties": {"text": CONTENT}}
    answer = await aviary.call(token, "POST", f"{path}/objects?x={CANARY}", json=body)
    assert answer.status_code == 500
    await aviary.say(url, messages.sync_update(drawing()))
    text = await search(aviary)
    assert "something broke" in text
    await check(aviary)
