"""REST: a session as a file."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree as ET

import pytest
from pycrdt import Doc, Map, Text

from crdt_docs.errors import NotNow
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.object_changes import State
from crdt_docs.object_kinds import ObjectRoot
from persistence.ports import Commit
from server.exporting import AT_ONCE, WAITING, Board, Exports, drawn, past_board, stored_board
from server.live_documents import LiveRooms
from server.rest.export import _read_meta
from tests.helpers import boards
from tests.helpers.objects import CREATE, Hands
from tests.server.rest_client import Api, Caller, refusal
from tests.server.rooms import NAME, House, Person

ANA = UUID(int=1)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def board_of(api: Api, caller: Caller) -> str:
    """The path of a session with the sample board on it, stored as rows and as a log."""
    session = (await caller.create())["id"]
    name = document_name(DocumentKind.OCW, UUID(session))
    hands = Hands()
    states: dict[str, State] = {**boards.objects(), **boards.remarks()}
    changes = tuple(hands.change(CREATE, key, state, ANA) for key, state in states.items())
    await api.documents.commit([Commit(name, 1, _document(), ANA, changes=changes)])
    return f"/api/ocw/sessions/{session}"


def _document() -> bytes:
    doc: Doc[Any] = Doc()
    with doc.transaction():
        objects = doc.get("objects", type=Map)
        for key, value in boards.OBJECTS.items():
            objects[key] = Map(value)
        annotations = doc.get("annotations", type=Map)
        for key, value in boards.ANNOTATIONS.items():
            annotations[key] = Map({**value, "content": Text(value["content"])})
        doc.get("meta", type=Map)["title"] = "Retro"
    return doc.get_update()


def names_in(svg: bytes) -> set[str]:
    root = ET.fromstring(svg)
    return {group.attrib["data-object-id"] for group in root if "data-object-id" in group.attrib}


async def test_a_board_as_svg_is_an_attachment_that_can_do_nothing(api: Api) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    answer = await ana.get(f"{path}/export?format=svg")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    session = path.rpartition("/")[2]
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="whiteboard-{session}.svg"'
    )
    assert names_in(answer.content) == set(boards.OBJECTS)


async def test_a_board_as_json_has_rows_with_versions(api: Api) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    answer = await ana.get(f"{path}/export")
    assert answer.headers["content-disposition"].endswith('.json"')
    data = answer.json()["data"]
    assert data["session"]["id"] == path.rpartition("/")[2]
    assert [each["id"] for each in data["objects"]] == sorted(boards.OBJECTS)
    note = next(each for each in data["objects"] if each["id"] == "note")
    assert note["state"]["properties"]["color"] == "#fde68a"
    assert note["version"] == 1
    assert note["updated_by"] == str(ANA)
    assert {each["id"]: each["state"]["content"] for each in data["annotations"]} == {
        "a": "Who takes this up?",
        "b": "Agreed on Monday",
    }
    assert data["is_rounded"] is False


async def test_a_document_as_one_update(api: Api) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    answer = await ana.get(f"{path}/export?format=yjs")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].endswith('.yjs"')
    assert answer.content == b"\x00\x00"


async def test_the_past_is_exported_as_it_was(api: Api) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    data = (await ana.get(f"{path}/export?seq=1")).json()["data"]
    assert [each["id"] for each in data["objects"]] == sorted(boards.OBJECTS)
    assert {each["version"] for each in data["objects"]} == {None}
    assert (data["seq"], data["meta"]) == (1, {"title": "Retro"})
    data = (await ana.get(f"{path}/export?seq=0")).json()["data"]
    assert data["objects"] == data["annotations"] == []
    drawing = await ana.get(f"{path}/export?seq=1&format=svg")
    assert names_in(drawing.content) == set(boards.OBJECTS)
    doc: Doc[Any] = Doc()
    doc.apply_update((await ana.get(f"{path}/export?seq=1&format=yjs")).content)
    assert set(doc.get("objects", type=Map)) == set(boards.OBJECTS)


async def test_now_and_the_past_are_drawn_alike(api: Api) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    now = await ana.get(f"{path}/export?format=svg")
    past = await ana.get(f"{path}/export?format=svg&seq=1")
    one, other = ET.fromstring(now.content), ET.fromstring(past.content)
    one.remove(one[0])  # the titles: one says when
    other.remove(other[0])
    assert ET.tostring(one) == ET.tostring(other)


@pytest.mark.parametrize(
    "query",
    ["format=png", "seq=9", "seq=-1", "at=2999-01-01T00:00:00Z", "at=x", "seq=1&at=x", "x=1"],
)
async def test_wrong_queries_are_refused(api: Api, query: str) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    assert refusal(await ana.get(f"{path}/export?{query}")) == (400, "INVALID_PARAMETER")


async def test_only_readers_export(api: Api) -> None:
    path = await board_of(api, api.caller())
    assert refusal(await api.caller().get(f"{path}/export?format=svg"))[0] == 403
    unknown = f"/api/ocw/sessions/{uuid4()}/export"
    assert refusal(await api.caller().get(unknown)) == (404, "SESSION_NOT_FOUND")


async def test_with_a_full_backlog_a_board_is_exported(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise NotNow("the database is behind")

    ana = api.caller()
    path = await board_of(api, ana)
    monkeypatch.setattr(api.live, "edit", refuse)
    api.live.roots["meta"] = {"title": "Full"}
    data = (await ana.get(f"{path}/export")).json()["data"]
    assert (data["meta"], data["seq"], len(data["objects"])) == (
        {"title": "Full"},
        1,
        len(boards.OBJECTS),
    )


async def test_who_comes_when_all_places_are_taken_is_told_to_come_again(api: Api) -> None:
    ana = api.caller()
    path = await board_of(api, ana)
    exports: Exports = api.services.exports
    held = [exports.place() for _ in range(AT_ONCE)]
    for place in held:
        await place.__aenter__()
    waiting = [asyncio.create_task(ana.get(f"{path}/export?format=svg")) for _ in range(WAITING)]
    await asyncio.sleep(0.05)
    assert refusal(await ana.get(f"{path}/export")) == (503, "EXPORT_BUSY")
    for place in held:
        await place.__aexit__(None, None, None)
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


async def test_a_place_is_given_back_whatever_happens() -> None:
    exports = Exports()
    for _ in range(AT_ONCE + 1):
        with pytest.raises(ZeroDivisionError):
            async with exports.place():
                raise ZeroDivisionError
    async with exports.place():
        pass


async def test_large_boards_let_others_have_their_turn() -> None:
    """Drawing thousands of objects takes long, but nobody waits for long."""
    notes = {f"{number:05}": boards.OBJECTS["note"] for number in range(3000)}
    longest = 0.0
    is_done = False

    async def watch() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while not is_done:
            before = loop.time()
            await asyncio.sleep(0)
            longest = max(longest, loop.time() - before)

    watching = asyncio.create_task(watch())
    board: Board = await past_board({ObjectRoot.OBJECTS: notes})
    svg = await drawn(board, "Many")
    is_done = True
    await watching
    assert len(names_in(svg.encode())) == 3000
    assert longest < 0.2  # much less; a busy machine may take our time away


async def test_what_people_just_did_is_in_the_export() -> None:
    """Over a real room: an edit that was received belongs to the rows that are read after it."""
    async with House() as house:
        ada = Person(1)
        seat = await house.sit(ada)
        live = LiveRooms(house.directory, backlog=lambda: (0, False), is_database_up=lambda: True)
        await house.settle()
        ada.set("a", Map({"object_type": "sticky"}))
        seat.pump()
        edited = await live.edit(NAME, ada.identity, _read_meta)
        assert edited.result == {}
        board = await stored_board(house.store.objects, UUID(int=77))
        assert set(board.objects) == {"a"}
