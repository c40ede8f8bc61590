"""Edits and restores by REST, among those of people: one history, and the log tells the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from pycrdt import Map

from tests.helpers.live_documents import LiveDocument
from tests.helpers.places import PLACES, Place, made_in
from tests.helpers.server_process import Invitation, ServerProcess, running_server
from tests.helpers.verifying import findings
from tests.helpers.yjs_peer import YjsPeer


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with running_server() as started:
        yield started


class Caller:
    """Somebody with an HTTP client."""

    def __init__(self, live: LiveDocument, invitation: Invitation) -> None:
        self.user_id = invitation.user_id
        self._live = live
        self._headers = {"Authorization": f"Bearer {invitation.token}"}

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"{self._live.server.api}{self._live.below}/{self._live.id}{path}"
        async with httpx.AsyncClient(headers=self._headers, timeout=30) as client:
            response = await client.request(method, url, json=body)
        response.raise_for_status()
        return response.json()["data"]


async def history(live: LiveDocument, object_id: str) -> list[tuple[str, UUID]]:
    """Of an object, in order: what happened, and who began it."""
    versions = (await live.request("GET", f"/objects/{object_id}/history"))["items"]
    return [(each["change_type"], UUID(each["changed_by"])) for each in versions][::-1]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", PLACES)
async def test_hst_9_edits_and_restores_by_rest(server: ServerProcess, place: Place) -> None:
    live = await made_in(server, place)
    ben = Caller(live, live.invite("host"))
    way_in = live.invite()
    ada = way_in.user_id
    async with await YjsPeer.join(way_in.url_with(ack="1")) as peer:
        peer.objects["box"] = Map({"object_type": "sticky", "properties": Map({"text": "hi"})})
        await peer.until_stored()
        await ben.call("POST", "/objects", {"id": "note", "object_type": "sticky"})
        await ben.call("PATCH", "/objects/box", {"properties": {"text": "higher"}})
        if place == "session":
            note = {"id": "n", "annotation_type": "x", "content": "a"}
            await ben.call("POST", "/annotations", note)
            await ben.call("PATCH", "/annotations/n", {"content": "ab"})
        before = (await ben.call("DELETE", "/objects/note"))["seq"]
        await ben.call("POST", "/objects/note/restore", {"version": 1})
        await peer.until(lambda: "note" in peer.objects)
        del peer.objects["note"]
        await peer.until_stored()
        await ben.call("POST", "/restore", {"seq": before})
        await ben.call("POST", "/restore", {"seq": 1})
    assert await history(live, "note") == [
        ("create", ben.user_id),
        ("delete", ben.user_id),
        ("restore", ben.user_id),
        ("delete", ada),
    ]
    assert (await history(live, "box"))[0] == ("create", ada)
    assert ("restore", ben.user_id) in await history(live, "box")
    assert await findings(server.database_dsn(), live.name) == []
