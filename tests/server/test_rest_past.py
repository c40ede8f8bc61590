"""REST: sessions as they were, and who may look."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from pycrdt import Doc, Map

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken
from persistence import archive_ports
from persistence.archive_ports import AtSeq
from persistence.ports import Snapshot
from server.time_travel import PastBusy
from tests.server.clocks import NOON
from tests.server.past_session import MINUTE, Json, Past, PastRoom, lived_session, text_of
from tests.server.rest_client import refusal


@pytest.fixture(params=[Past, PastRoom])
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> Past:
    return await lived_session(tmp_path, request.param)


@pytest.mark.parametrize("seq", [0, 1, 7, 20])
async def test_the_state_at_a_position(past: Past, seq: int) -> None:
    """PST-1"""
    at = text_of(NOON + seq * MINUTE) if seq else None
    assert await past.get("/state", seq=seq) == {
        **past.was[seq],
        "seq": seq,
        "at": at,
        "is_rounded": False,
    }


@pytest.mark.parametrize("minutes", [-600, 0, 0.9, 1, 12.5, 20])
async def test_the_state_at_a_time(past: Past, minutes: float) -> None:
    """PST-1"""
    data = await past.get("/state", at=text_of(NOON + minutes * MINUTE))
    seq = max(int(minutes), 0)
    assert (data["seq"], data["objects"]) == (seq, past.was[seq]["objects"])


async def test_times_may_have_an_offset(past: Past) -> None:
    moment = (NOON + 5 * MINUTE).replace(tzinfo=None)
    assert (await past.get("/state", at=f"{moment.isoformat()}+02:00"))["seq"] == 0
    assert (await past.get("/state", at=f"{moment.isoformat()}.5-00:00"))["seq"] == 5
    assert (await past.get("/state", at=f"{moment.isoformat()}z"))["seq"] == 5


async def test_the_state_as_an_update(past: Past) -> None:
    answer = await past.anna.get(f"{past.path}/state", params={"seq": 9, "format": "yjs"})
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-document-seq"] == "9"
    assert answer.headers["x-document-at"] == text_of(NOON + 9 * MINUTE)
    assert answer.headers["x-document-rounded"] == "false"
    doc: Doc[Any] = Doc()
    doc.apply_update(answer.content)
    assert json.loads(str(doc.get("objects", type=Map))) == past.was[9]["objects"]
    empty = await past.anna.get(f"{past.path}/state", params={"seq": 0, "format": "yjs"})
    assert "x-document-at" not in empty.headers


async def test_what_is_at_rest_is_shown_without_opening_it(past: Past) -> None:
    """PST-5: the same as from a room."""
    past.live.at_rest.add(past.name)
    past.live.opened.clear()
    assert await past.get("/state") == past.was[20]
    answer = await past.anna.get(f"{past.path}/state", params={"format": "yjs"})
    doc: Doc[Any] = Doc()
    doc.apply_update(answer.content)
    assert json.loads(str(doc.get("objects", type=Map))) == past.was[20]["objects"]
    assert past.live.opened == []


async def test_what_is_at_rest_is_shown_as_it_was_seen_last(past: Past) -> None:
    """PST-11: until the next edit."""
    past.live.at_rest.add(past.name)
    seen: Json = {"objects": {"seen": {}}, "annotations": {}, "meta": {}}
    await past.api.documents.archive.keep_view(past.name, 20, orjson.dumps(seen))
    assert await past.get("/state") == seen
    assert (await past.get("/state", seq=20))["objects"] == past.was[20]["objects"]
    await past.draw(1)
    assert await past.get("/state") == past.was[21]


async def test_what_is_at_rest_is_opened_where_the_past_is_busy(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-4"""

    async def fail(*_: Any, **__: Any) -> Any:
        raise PastBusy("x")

    monkeypatch.setattr(past.api.documents.archive, "past", fail)
    past.live.at_rest.add(past.name)
    past.live.opened.clear()
    assert await past.get("/state") == past.live.roots
    assert past.live.opened == [past.name]


async def test_a_rounded_moment_says_so(past: Past) -> None:
    """PST-7"""
    archive = past.api.documents.archive
    await past.api.documents.save_snapshot(past.name, await _snapshot(past, 18))
    for seq in (4, 10):
        await past.api.services.past.keep(past.name, seq)
    await archive.name(past.name, 4, "kept", None)
    assert await archive.remove_merged(past.name, 10)
    data = await past.get("/state", seq=8)
    assert data == {
        **past.was[4],
        "seq": 4,
        "at": text_of(NOON + 4 * MINUTE),
        "is_rounded": True,
    }
    answer = await past.anna.get(f"{past.path}/state", params={"seq": 8, "format": "yjs"})
    assert answer.headers["x-document-rounded"] == "true"


async def _snapshot(past: Past, seq: int) -> Snapshot:
    shown = await past.api.services.past.update(past.name, AtSeq(seq))
    return Snapshot(seq, shown.content, b"")


@pytest.mark.parametrize(
    "query",
    [
        {"at": "2030-05-17T12:21:00Z"},  # in the future
        {"at": "9999-12-31T23:59:59Z"},
        {"at": "2030-05-17"},
        {"at": "2030-05-17T12:00:00"},
        {"at": "2030-05-17T12:00:00 01:00"},
        {"at": "2030-05-17T25:00:00Z"},
        {"at": "0001-01-01T00:00:00+14:00"},
        {"at": "1789000000"},
        {"at": "now"},
        {"at": ""},
        {"seq": "21"},
        {"seq": "-1"},
        {"seq": "9223372036854775808"},
        {"seq": "1e3"},
        {"seq": "x"},
        {"snapshot": "x"},
        {"at": "2030-05-17T12:00:00Z", "seq": "4"},
        {"seq": "4", "snapshot": str(uuid4())},
    ],
)
async def test_a_moment_that_is_none_is_refused(past: Past, query: dict[str, str]) -> None:
    """PST-1"""
    assert await past.refused("/state", **query) == (400, "INVALID_PARAMETER")


async def test_the_databases_clock_may_be_a_little_ahead(past: Past) -> None:
    soon = past.api.forge.clock() + timedelta(seconds=3)
    assert (await past.get("/state", at=text_of(soon)))["seq"] == 20


async def test_an_unknown_snapshot_is_not_found(past: Past) -> None:
    """PST-1"""
    unknown = str(uuid4())
    expected = (404, "SNAPSHOT_NOT_FOUND")
    assert await past.refused("/state", snapshot=unknown) == expected
    assert await past.refused("/diff", **{"from": unknown}) == expected
    answer = await past.anna.post(f"{past.path}/restore", json={"snapshot_id": unknown})
    assert refusal(answer) == expected
    for name in (unknown, "x"):
        assert await past.refused(f"/snapshots/{name}") == expected
        assert refusal(await past.anna.delete(f"{past.path}/snapshots/{name}")) == expected


async def test_an_empty_session_has_an_empty_past(past: Past) -> None:
    """PST-1"""
    await past.begin()
    empty: Json = {root: {} for root in past.roots}
    assert await past.get("/state", seq=0) == {
        **empty,
        "seq": 0,
        "at": None,
        "is_rounded": False,
    }
    assert (await past.get("/state", at=text_of(NOON)))["seq"] == 0
    assert (await past.get("/diff", **{"from": text_of(NOON)}))["items"] == []
    assert await past.refused("/state", seq=1) == (400, "INVALID_PARAMETER")
    answer = await past.anna.post(f"{past.path}/snapshots", json={"label": "x"})
    assert refusal(answer) == (409, "NOTHING_TO_NAME")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PastBusy("x"), (503, "PAST_BUSY")),
        (archive_ports.PastTooLarge("x"), (409, "PAST_TOO_LARGE")),
        (DocumentBroken("x"), (503, "DOCUMENT_UNAVAILABLE")),
    ],
)
async def test_what_the_past_refuses_is_answered(
    past: Past, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: tuple[int, str]
) -> None:
    """PST-4"""

    async def fail(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(past.api.documents.archive, "past", fail)
    for more in ("/state?seq=3", "/state?seq=3&format=yjs", "/diff?from=3"):
        answer = await past.anna.get(past.path + more)
        assert refusal(answer) == expected
        assert ("retry-after" in answer.headers) == (expected[0] == 503)
    assert refusal(await past.anna.post(f"{past.path}/restore", json={"seq": 3})) == expected


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_look_back_and_who_may_change(past: Past, role: Role) -> None:
    """PST-6, PST-10: readers look, editors name moments, hosts restore."""
    caller = await past.somebody(role)
    made = await past.snapshot()
    for more in (
        "/state?seq=3",
        "/diff?from=3",
        "/snapshots",
        f"/snapshots/{made['id']}",
        f"/state?snapshot={made['id']}",
    ):
        assert (await caller.get(past.path + more)).status_code == 200
    named = await caller.post(f"{past.path}/snapshots", json={"label": "x"})
    assert named.status_code == (201 if role in (Role.HOST, Role.EDITOR) else 403)
    restored = await caller.post(f"{past.path}/restore", json={"seq": 3})
    assert restored.status_code == (200 if role is Role.HOST else 403)


async def test_strangers_see_nothing(past: Past) -> None:
    made = await past.snapshot()
    stranger = past.caller()
    for more in (
        "/state?seq=3",
        "/diff?from=3",
        "/snapshots",
        f"/snapshots/{made['id']}",
    ):
        assert refusal(await stranger.get(past.path + more)) == (403, "FORBIDDEN")
        answer = await past.api.client.get(past.path + more)
        assert refusal(answer) == (401, "UNAUTHENTICATED")


async def test_another_sessions_snapshot_is_not_found(past: Past) -> None:
    made = await past.snapshot()
    await past.begin()
    await past.draw(1)
    assert await past.refused("/state", snapshot=made["id"]) == (404, "SNAPSHOT_NOT_FOUND")
    assert await past.refused(f"/snapshots/{made['id']}") == (404, "SNAPSHOT_NOT_FOUND")


async def test_an_ended_session_is_looked_at_and_not_changed(tmp_path: Path) -> None:
    past = await lived_session(tmp_path)
    await past.anna.post(f"{past.path}/end")
    assert (await past.get("/state", seq=3))["seq"] == 3
    assert (await past.get("/diff", **{"from": "3"}))["items"]
    for more, body in (("/snapshots", {"label": "x"}), ("/restore", {"seq": 3})):
        answer = await past.anna.post(past.path + more, json=body)
        assert refusal(answer) == (409, "SESSION_ENDED")
