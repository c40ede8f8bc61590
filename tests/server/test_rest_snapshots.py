"""REST: moments with names."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from crdt_docs.access import Role
from persistence import memory_archive
from persistence.archive_ports import AtSeq
from server.time_travel import PastLaborious
from tests.server.clocks import NOON
from tests.server.past_session import MINUTE, Json, Past, PastRoom, lived_session, text_of
from tests.server.rest_client import refusal


@pytest.fixture(params=[Past, PastRoom])
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> Past:
    return await lived_session(tmp_path, request.param)


async def test_now_gets_a_name(past: Past) -> None:
    """PST-6"""
    made = await past.snapshot("  Before lunch ")
    assert made == {
        "id": str(UUID(made["id"])),
        "label": "Before lunch",
        "seq": 20,
        "at": text_of(NOON + 20 * MINUTE),
        "created_by": str(past.anna.user_id),
        "created_at": text_of(NOON + 20 * MINUTE),
    }
    await past.draw(5)
    data = await past.get("/state", snapshot=made["id"])
    assert data["objects"] == past.was[20]["objects"]
    assert await past.get(f"/snapshots/{made['id']}") == made
    found = await past.api.documents.archive.past(past.name, AtSeq(20))
    assert (found.after, found.tail) == (20, ()), "its state is kept"


async def test_where_a_snapshot_is_found_is_told(past: Past) -> None:
    answer = await past.anna.post(f"{past.path}/snapshots", json={"label": "x"})
    found = await past.anna.get(answer.headers["location"])
    assert found.json()["data"] == answer.json()["data"]


@pytest.mark.parametrize("label", ["", "   ", "x" * 201, "a\nb", "a\0b", None, 5])
async def test_a_label_is_one_line(past: Past, label: object) -> None:
    answer = await past.anna.post(f"{past.path}/snapshots", json={"label": label})
    assert refusal(answer) == (400, "INVALID_BODY")
    assert answer.json()["error"]["details"]["errors"][0]["field"] == "label"


async def test_snapshots_come_in_pages(past: Past) -> None:
    """PST-6"""
    made = []
    for number in range(5):
        past.api.forge.clock.turn(1)
        made.append(await past.snapshot(f"{number}"))
    seen: list[Json] = []
    cursor: dict[str, str] = {}
    for size in (2, 2, 1):
        data = await past.get("/snapshots", limit=2, **cursor)
        assert len(data["items"]) == size
        seen += data["items"]
        cursor = {"cursor": data["next_cursor"]}
    assert seen == made[::-1]
    assert cursor == {"cursor": None}
    assert await past.refused("/snapshots", cursor="x") == (400, "INVALID_CURSOR")


async def test_hosts_and_who_made_it_delete_a_snapshot(past: Past) -> None:
    """PST-6"""
    ben, cleo = await past.somebody(Role.EDITOR), await past.somebody(Role.EDITOR)
    answer = await ben.post(f"{past.path}/snapshots", json={"label": "Ben's"})
    path = answer.headers["location"]
    assert refusal(await cleo.delete(path)) == (403, "FORBIDDEN")
    deleted = await ben.delete(path)
    assert deleted.json()["data"] == {"id": answer.json()["data"]["id"]}
    assert refusal(await ben.delete(path)) == (404, "SNAPSHOT_NOT_FOUND")
    other = (await cleo.post(f"{past.path}/snapshots", json={"label": "x"})).headers["location"]
    assert (await past.anna.delete(other)).status_code == 200


async def test_a_laborious_document_gets_a_name_without_a_checkpoint(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-6, PST-8"""

    async def fail(*_: Any) -> None:
        raise PastLaborious("x")

    monkeypatch.setattr(past.api.services.past, "keep", fail)
    made = await past.snapshot()
    assert (await past.get("/state", snapshot=made["id"]))["objects"] == past.was[20]["objects"]


async def test_there_are_only_so_many_snapshots(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-6"""
    monkeypatch.setattr(memory_archive, "MAX_NAMED", 1)
    await past.snapshot()
    answer = await past.anna.post(f"{past.path}/snapshots", json={"label": "x"})
    assert refusal(answer) == (409, "TOO_MANY_SNAPSHOTS")


async def test_what_is_not_stored_gets_no_name(past: Past) -> None:
    """PST-6"""
    past.live.is_stored = False
    answer = await past.anna.post(f"{past.path}/snapshots", json={"label": "x"})
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
