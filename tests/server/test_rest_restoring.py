"""REST: a session is made what it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment

from crdt_docs.errors import NotNow
from crdt_docs.identifiers import Identity
from server.rest import restoring
from tests.server.clocks import NOON
from tests.server.past_session import MINUTE, Json, Past, PastRoom, lived_session, text_of
from tests.server.rest_client import refusal


@pytest.fixture(params=[Past, PastRoom])
async def past(request: pytest.FixtureRequest, tmp_path: Path) -> Past:
    return await lived_session(tmp_path, request.param)


async def restore(past: Past, **body: Any) -> httpx.Response:
    past.api.forge.clock.turn(60)
    return await past.anna.post(f"{past.path}/restore", json=body)


@pytest.fixture(params=["seq", "at", "snapshot_id"])
async def moment(request: pytest.FixtureRequest, past: Past) -> Json:
    """Position 20, in the words of a request; then life goes on."""
    made = await past.snapshot()
    await past.draw(15)
    words = {"seq": 20, "at": text_of(NOON + 20 * MINUTE), "snapshot_id": made["id"]}
    return {request.param: words[request.param]}


async def test_a_session_is_what_it_was(past: Past, moment: Json) -> None:
    """PST-10: by one edit of who asked."""
    edits = len(past.live.edits)
    answer = await restore(past, **moment)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert past.now() == past.was[20]
    assert data["restored"] == {
        "seq": 20,
        "at": text_of(NOON + 20 * MINUTE),
        "is_rounded": False,
    }
    assert (data["before"], data["seq"], data["stored"]) == (35, 36, True)
    assert data["changed"] > 0
    made = past.live.edits[edits:]
    assert set(made) == {(past.name, Identity(past.anna.user_id), True)}


async def test_many_objects_are_restored_in_portions(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-10"""
    monkeypatch.setattr(restoring, "RESTORED_AT_ONCE", 2)
    before = past.now()
    data = (await restore(past, seq=2)).json()["data"]
    assert past.now() == past.was[2]
    assert data["before"] == 20
    assert data["seq"] > 21
    await restore(past, seq=data["before"])
    assert past.now() == before


@pytest.mark.parametrize("key", ["a first", "note 0", "zoo"])
@pytest.mark.parametrize("at_once", [2, 1000])
async def test_before_is_just_ahead_of_what_a_restore_writes(
    past: Past, monkeypatch: pytest.MonkeyPatch, at_once: int, key: str
) -> None:
    """PST-10: taking it back takes back nothing that others did while it waited to be stored."""
    monkeypatch.setattr(restoring, "RESTORED_AT_ONCE", at_once)
    await past.edit(lambda doc: _root(doc, "objects").update({key: Map({"layer": 1})}))
    await past.edit(lambda doc: _root(doc, "objects").update({key: Map({"layer": 2})}))
    real = past.live.edit
    written: list[int] = []

    async def among_others(name: Any, whose: Identity, *change: Any, **more: Any) -> Any:
        last = await past.api.documents.archive.last_seq(name)
        edited = await real(name, whose, *change, **more)
        if edited.seq > last:
            written.append(edited.seq)
        await real(name, whose, lambda doc: _root(doc, "elsewhere").update({"last": last}))
        return edited

    monkeypatch.setattr(past.live, "edit", among_others)
    data = (await restore(past, seq=21)).json()["data"]
    assert data["changed"] == 1
    assert [data["before"]] == [seq - 1 for seq in written]


async def test_before_is_the_last_position_where_nothing_is_written(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-10"""
    monkeypatch.setattr(restoring, "RESTORED_AT_ONCE", 2)
    data = (await restore(past, seq=20)).json()["data"]
    assert (data["changed"], data["before"], data["seq"]) == (0, 20, 20)


def _root(doc: Doc[Any], name: str) -> Map[Any]:
    found: Map[Any] = doc.get(name, type=Map)
    return found


async def test_an_interrupted_restore_is_completed(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PST-10"""
    monkeypatch.setattr(restoring, "RESTORED_AT_ONCE", 2)
    real, left = past.live.edit, 3

    async def fail_later(*arguments: Any, **more: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            raise NotNow("the database is behind")
        return await real(*arguments, **more)

    monkeypatch.setattr(past.live, "edit", fail_later)
    assert refusal(await restore(past, seq=2)) == (503, "BACKLOG_FULL")
    assert past.now() != past.was[2]
    assert (await restore(past, seq=2)).status_code == 200
    assert past.now() == past.was[2]


async def test_restoring_is_undone_by_restoring_what_was_before(past: Past) -> None:
    """PST-10"""
    before = past.now()
    seq = (await restore(past, seq=5)).json()["data"]["seq"]
    assert past.now() == past.was[5]
    await restore(past, seq=seq - 1)
    assert past.now() == before


async def test_restoring_what_is_there_writes_nothing(past: Past) -> None:
    """PST-10"""
    data = (await restore(past, seq=20)).json()["data"]
    assert (data["changed"], data["seq"]) == (0, 20)
    assert await past.api.documents.archive.last_seq(past.name) == 20


async def test_what_was_shared_is_shared_again(past: Past) -> None:
    """EDT-7: people go on editing it together."""
    made = {"layer": 1, "points": Array([1, 2, 3]), "parts": Array([Text("one")])}
    await past.edit(lambda doc: _root(doc, "objects").update({"a": Map(made)}))
    await past.edit(lambda doc: _root(doc, "objects").__delitem__("a"))
    data = (await restore(past, seq=21)).json()["data"]
    assert (data["changed"], data["not_restored"]) == (1, [])
    restored = _root(past.live.documents[past.name], "objects")["a"]
    assert isinstance(restored["points"], Array)
    assert isinstance(restored["parts"][0], Text)


async def test_what_cannot_be_made_again_is_named(past: Past) -> None:
    """EDT-7: it stays as it is, and all else becomes what it was."""
    page = {"layer": 1, "page": XmlFragment([XmlElement("p")])}
    await past.edit(lambda doc: _root(doc, "objects").update({"a": Map(page)}))
    await past.edit(lambda doc: _root(doc, "objects").__delitem__("a"))
    await past.edit(lambda doc: _root(doc, "objects").__delitem__("note 2"))
    data = (await restore(past, seq=21)).json()["data"]
    assert (data["changed"], data["before"], data["seq"]) == (1, 23, 24)
    assert data["not_restored"] == [{"root": "objects", "id": "a"}]
    objects = past.was[21]["objects"]
    assert past.now()["objects"] == {key: objects[key] for key in objects if key != "a"}


async def test_what_is_not_stored_yet_is_accepted(past: Past) -> None:
    past.live.is_stored = False
    answer = await restore(past, seq=5)
    assert answer.status_code == 202
    assert answer.json()["data"]["stored"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"seq": 21},
        {"seq": -1},
        {"seq": "5"},
        {"seq": True},
        {"seq": 2**63},
        {"at": "2030-05-17T13:00:00Z"},
        {"at": 1789000000},
        {"at": "yesterday"},
        {"snapshot_id": "x"},
        {"seq": 5, "at": "2030-05-17T12:00:00Z"},
        {"seq": 5, "label": "x"},
    ],
)
async def test_a_restore_to_nowhere_is_refused(past: Past, body: Json) -> None:
    assert refusal(await restore(past, **body)) == (400, "INVALID_BODY")
