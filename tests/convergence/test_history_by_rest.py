"""Edits and restores by REST, among those of people: one history, and the log tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
from pycrdt import Map

from tests.helpers.server_process import Invitation, LiveSession, ServerProcess, running_server
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as started:
        yield started


class Caller:
    """Somebody with an HTTP client."""

    def __init__(self, session: LiveSession, invitation: Invitation) -> None:
        self.user_id = invitation.user_id
        self._session = session
        self._headers = {"Authorization": f"Bearer {invitation.token}"}

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"{self._session.server.api}/ocw/sessions/{self._session.id}{path}"
        async with httpx.AsyncClient(headers=self._headers, timeout=30) as client:
            response = await client.request(method, url, json=body)
        response.raise_for_status()
        return response.json()["data"]


async def history(server: ServerProcess, session: LiveSession) -> list[tuple[str, str, UUID]]:
    """Of each object, in order: its id, what happened, and who began it."""
    connection = await asyncpg.connect(server.database_dsn())
    try:
        rows = await connection.fetch(
            "SELECT object_id, change_type, changed_by FROM ocw_object_history"
            " WHERE session_id = $1 ORDER BY object_id, version",
            session.id,
        )
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


@pytest.mark.timeout(60)
async def test_hst_9_edits_and_restores_by_rest(server: ServerProcess) -> None:
    session = await server.create_session()
    ben = Caller(session, session.invite("host"))
    way_in = session.invite()
    ada = way_in.user_id
    async with await YjsPeer.join(way_in.url_with(ack="1")) as peer:
        peer.objects["box"] = Map({"object_type": "sticky", "properties": Map({"text": "hi"})})
        await peer.until_stored()
        await ben.call("POST", "/objects", {"id": "note", "object_type": "sticky"})
        await ben.call("PATCH", "/objects/box", {"layer": 9, "properties": {"text": "higher"}})
        await ben.call("POST", "/annotations", {"id": "n", "annotation_type": "x", "content": "a"})
        await ben.call("PATCH", "/annotations/n", {"content": "ab"})
        before = (await ben.call("DELETE", "/objects/note"))["seq"]
        await ben.call("POST", "/objects/note/restore", {"version": 1})
        await peer.until(lambda: "note" in peer.objects)
        del peer.objects["note"]
        await peer.until_stored()
        await ben.call("POST", "/restore", {"seq": before})
        await ben.call("POST", "/restore", {"seq": 1})
    told = await history(server, session)
    assert [(kind, by) for identifier, kind, by in told if identifier == "note"] == [
        ("create", ben.user_id),
        ("delete", ben.user_id),
        ("restore", ben.user_id),
        ("delete", ada),
    ]
    assert ("box", "create", ada) in told
    assert ("box", "restore", ben.user_id) in told
    assert await findings(server.database_dsn(), session.id) == []
