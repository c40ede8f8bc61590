"""REST: sessions as they were, snapshots, differences, and restoring."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest
from pycrdt import Doc, Map, Text, TransactionEvent

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken
from crdt_docs.errors import NotNow
from crdt_docs.identifiers import DocumentKind, DocumentName, Identity, document_name
from persistence import archive_ports, memory_archive
from persistence.archive_ports import AtSeq
from persistence.memory_store import MemoryDocumentStore
from persistence.ports import Commit, Participant, Snapshot
from server.rest import restoring
from server.rest.ports import Edited
from server.time_travel import PastBusy, PastLaborious
from tests.server.clocks import NOON
from tests.server.rest_client import Api, Caller, FakeLiveDocuments, refusal
from tests.server.token_forge import Forge

T = TypeVar("T")
Json = dict[str, Any]
MINUTE = timedelta(minutes=1)


def text_of(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


class StoredLive(FakeLiveDocuments):
    """Documents whose edits are stored at once, at the time that the clock shows."""

    def __init__(self, documents: MemoryDocumentStore) -> None:
        super().__init__()
        self._documents = documents

    async def edit(
        self,
        document: DocumentName,
        identity: Identity,
        change: Callable[[Doc[Any]], T],
        *,
        is_restore: bool = False,
        within: float = 5.0,
    ) -> Edited[T]:
        self._open(document)
        doc = self.documents.setdefault(document, Doc())
        emitted: list[bytes] = []

        def collect(event: TransactionEvent) -> None:
            emitted.append(event.update)

        subscription = doc.observe(collect)
        with doc.transaction():
            result = change(doc)
        doc.unobserve(subscription)
        self.edits.append((document, identity, is_restore))
        seq = await self._documents.archive.last_seq(document)
        if emitted:
            seq += 1
            await self._documents.commit([Commit(document, seq, emitted[0], identity.user_id)])
        return Edited(result, self.is_stored, seq)


class Past:
    """A session of Anna's, an hour long: an edit a minute."""

    def __init__(self, directory: Path) -> None:
        forge = Forge()
        documents = MemoryDocumentStore(forge.clock)
        self.live = StoredLive(documents)
        self.api = Api(directory, forge=forge, documents=documents, live=self.live)
        self.anna = self.caller()
        self.was: list[Json] = []

    def caller(self) -> Caller:
        """Somebody with a token for the day."""
        return self.api.caller(exp=int((NOON + timedelta(days=1)).timestamp()))

    async def begin(self) -> None:
        self.session = await self.anna.create()
        self.name = document_name(DocumentKind.OCW, UUID(self.session["id"]))
        self.was.append(self.now())

    @property
    def path(self) -> str:
        return f"/api/ocw/sessions/{self.session['id']}"

    def now(self) -> Json:
        doc = self.live.documents.setdefault(self.name, Doc())
        roots = {name: doc.get(name, type=Map) for name in ("objects", "annotations", "meta")}
        return {name: json.loads(str(root)) for name, root in roots.items()}

    async def edit(self, change: Callable[[Doc[Any]], None]) -> int:
        """The next edit, a minute later; gives its position."""
        self.api.forge.clock.turn(60)
        edited = await self.live.edit(self.name, Identity(self.anna.user_id), change)
        self.was.append(self.now())
        return edited.seq

    async def draw(self, count: int) -> None:
        for number in range(count):
            await self.edit(lambda doc, n=number: _draw(doc, n))  # type: ignore[misc] # a default

    async def get(self, more: str, **params: Any) -> Json:
        answer = await self.anna.get(self.path + more, params=params)
        assert answer.status_code == 200, answer.text
        data: Json = answer.json()["data"]
        return data

    async def refused(self, more: str, **params: Any) -> tuple[int, str]:
        return refusal(await self.anna.get(self.path + more, params=params))

    async def somebody(self, role: Role) -> Caller:
        caller = self.caller()
        row = Participant(UUID(self.session["id"]), caller.user_id, role, NOON)
        await self.api.sessions.put_participant(row)
        return caller

    async def snapshot(self, label: str = "Monday") -> Json:
        answer = await self.anna.post(f"{self.path}/snapshots", json={"label": label})
        assert answer.status_code == 201, answer.text
        data: Json = answer.json()["data"]
        return data


def _draw(doc: Doc[Any], number: int) -> None:
    objects = doc.get("objects", type=Map)
    key = f"note {number % 7}"
    if key in objects and number % 5 == 0:
        del objects[key]
    elif key in objects:
        objects[key]["position"] = {"x": number, "y": 2}
    else:
        properties = Map({"text": Text(f"Note {number}")})
        objects[key] = Map({"object_type": "sticky", "properties": properties})
    doc.get("meta", type=Map)["edits"] = number


@pytest.fixture
async def past(tmp_path: Path) -> Any:
    made = Past(tmp_path)
    await made.begin()
    await made.draw(20)
    return made


# State


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
    empty: Json = {"objects": {}, "annotations": {}, "meta": {}}
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


# Snapshots


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


# Differences


async def difference(past: Past, start: object, end: object | None = None, **more: Any) -> Json:
    to = {} if end is None else {"to": end}
    return await past.get("/diff", **{"from": start, **to, **more})


async def test_what_is_different_between_two_moments(past: Past) -> None:
    """PST-9"""
    await past.begin()
    await past.draw(1)
    first = await past.edit(
        lambda doc: doc.get("objects", type=Map).__setitem__("b", {"object_type": "text"})
    )

    def change(doc: Doc[Any]) -> None:
        objects = doc.get("objects", type=Map)
        objects["note 0"]["layer"] = 4
        del objects["b"]
        objects["c"] = {"object_type": "frame"}
        doc.get("annotations", type=Map)["n"] = {"annotation_type": "marker"}

    second = await past.edit(change)
    data = await difference(past, first, second)
    assert data["before"]["seq"] == first
    assert data["after"]["seq"] == second
    assert data["objects"] == {"added": 1, "changed": 1, "removed": 1}
    assert data["annotations"] == {"added": 1, "changed": 0, "removed": 0}
    found = [(each["root"], each["id"], each["change"]) for each in data["items"]]
    assert found == [
        ("objects", "b", "removed"),
        ("objects", "c", "added"),
        ("objects", "note 0", "changed"),
        ("annotations", "n", "added"),
    ]
    changed = data["items"][2]
    assert changed["fields"] == ["layer"]
    assert (changed["before"]["layer"], changed["after"]["layer"]) == (None, 4)
    assert changed["after"] == {**changed["before"], "layer": 4}
    assert "search_text" not in changed["after"]
    assert (data["items"][0]["after"], data["items"][1]["before"]) == (None, None)


async def test_moments_are_times_positions_and_snapshots(past: Past) -> None:
    """PST-9"""
    made = await past.snapshot()
    await past.draw(3)
    expected = await difference(past, 20, 23)
    assert expected["items"]
    for start in (made["id"], text_of(NOON + 20 * MINUTE)):
        assert await difference(past, start) == expected
    assert (await difference(past, made["id"], 20))["items"] == []


async def test_differences_come_in_pages_of_the_same_moments(past: Past) -> None:
    """PST-9"""
    whole = await difference(past, 0)
    assert len(whole["items"]) == 6
    seen: list[Json] = []
    cursor: dict[str, str] = {}
    for size in (4, 2):
        data = await difference(past, text_of(NOON), limit=4, **cursor)
        assert len(data["items"]) == size
        assert data["objects"] == whole["objects"]
        seen += data["items"]
        cursor = {"cursor": data["next_cursor"]}
        await past.draw(1)  # which later pages do not show
    assert seen == whole["items"]
    assert cursor == {"cursor": None}


async def test_a_cursor_is_the_sessions_own(past: Past) -> None:
    cursor = (await difference(past, 0, limit=1))["next_cursor"]
    await past.begin()
    for wrong in (cursor, "x", cursor[:-4] + "AAAA", ""):
        assert await past.refused("/diff", **{"from": "0", "cursor": wrong}) == (
            400,
            "INVALID_CURSOR",
        )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "from"),
        ({"from": "x"}, "from"),
        ({"from": "21"}, "from"),
        ({"from": "2030-05-17T13:00:00Z"}, "from"),
        ({"from": "0", "to": "99"}, "to"),
        ({"from": "0", "to": "2030-05-17T13:00:00Z"}, "to"),
        ({"from": "99999999999999999999"}, "from"),
        ({"from": "0", "limit": "101"}, "limit"),
    ],
)
async def test_a_difference_of_nothing_is_refused(
    past: Past, query: dict[str, str], field: str
) -> None:
    answer = await past.anna.get(f"{past.path}/diff", params=query)
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert answer.json()["error"]["details"]["errors"][0]["field"] == field


# Restoring


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


# Who may


@pytest.mark.parametrize("role", list(Role))
async def test_who_may_look_back_and_who_may_change(past: Past, role: Role) -> None:
    """PST-6, PST-10: readers look, editors and hosts change."""
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
    may = role in (Role.HOST, Role.EDITOR)
    for more, body, done in (("/snapshots", {"label": "x"}, 201), ("/restore", {"seq": 3}, 200)):
        answer = await caller.post(past.path + more, json=body)
        assert answer.status_code == (done if may else 403)


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


async def test_an_ended_session_is_looked_at_and_not_changed(past: Past) -> None:
    await past.anna.post(f"{past.path}/end")
    assert (await past.get("/state", seq=3))["seq"] == 3
    assert (await past.get("/diff", **{"from": "3"}))["items"]
    for more, body in (("/snapshots", {"label": "x"}), ("/restore", {"seq": 3})):
        answer = await past.anna.post(past.path + more, json=body)
        assert refusal(answer) == (409, "SESSION_ENDED")
