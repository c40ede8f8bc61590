"""REST: sessions from creation to deletion, and who may do what with them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crdt_docs.access import Role
from crdt_docs.document import DocumentBroken
from crdt_docs.messages import CloseCode
from persistence.pool import DatabasePool
from persistence.ports import Participant, StorageUnavailable
from persistence.sessions import PostgresSessionStore
from tests.server.clocks import NOON
from tests.server.rest_client import Api, Caller, refusal

SESSIONS = "/api/ocw/sessions"


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def at(session: dict[str, Any], more: str = "") -> str:
    """The path of a session."""
    return f"{SESSIONS}/{session['id']}{more}"


def ids(answer: httpx.Response) -> list[str]:
    """The ids of a list."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]["items"]]


async def give_row(
    api: Api, session: dict[str, Any], to: Caller, role: Role, *, removed: bool = False
) -> None:
    """Put somebody's row into a session."""
    row = Participant(
        session_id=UUID(session["id"]),
        user_id=to.user_id,
        role=role,
        joined_at=NOON,
        removed_at=NOON if removed else None,
    )
    await api.sessions.put_participant(row)


# Creating


async def test_a_session_is_created_with_its_creator_as_host(api: Api) -> None:
    anna = api.caller()
    answer = await anna.post(
        SESSIONS,
        json={
            "workspace_id": str(anna.workspace),
            "session_type": "cockpit",
            "config": {"default_role": "viewer", "theme": {"grid": 8}},
            "max_participants": 12,
        },
    )
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert answer.headers["location"] == at(data)
    assert data == {
        "id": str(UUID(data["id"])),
        "workspace_id": str(anna.workspace),
        "session_type": "cockpit",
        "host_user_id": str(anna.user_id),
        "status": "active",
        "config": {"default_role": "viewer", "theme": {"grid": 8}},
        "max_participants": 12,
        "is_recording": False,
        "started_at": "2030-05-17T12:00:00Z",
        "ended_at": None,
    }
    assert (await anna.get(at(data))).json()["data"] == data
    row = await api.sessions.participant(UUID(data["id"]), anna.user_id)
    assert row is not None
    assert row.role is Role.HOST


async def test_config_and_participants_have_defaults(api: Api) -> None:
    data = await api.caller().create()
    assert data["config"] == {}
    assert data["max_participants"] == api.settings.max_participants


async def test_users_create_where_they_work(api: Api) -> None:
    anna, nowhere = api.caller(), api.caller(workspaces=None)
    body = {"workspace_id": str(uuid4()), "session_type": "whiteboard"}
    for caller in (anna, nowhere, api.caller(workspaces=[])):
        assert refusal(await caller.post(SESSIONS, json=body)) == (403, "FORBIDDEN")


async def test_services_create_anywhere_or_in_their_workspaces(api: Api) -> None:
    workspace = uuid4()
    body = {"workspace_id": str(workspace), "session_type": "whiteboard"}
    everywhere = api.service()
    there, elsewhere = (api.service(workspaces=[str(id_)]) for id_ in (workspace, uuid4()))
    assert (await everywhere.post(SESSIONS, json=body)).status_code == 201
    assert (await there.post(SESSIONS, json=body)).status_code == 201
    assert refusal(await elsewhere.post(SESSIONS, json=body)) == (403, "FORBIDDEN")


async def test_agents_create_nothing(api: Api) -> None:
    agent = api.caller(kind="agent")
    body = {"workspace_id": str(agent.workspace), "session_type": "whiteboard"}
    assert refusal(await agent.post(SESSIONS, json=body)) == (403, "FORBIDDEN")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"workspace_id": "mine"}, "workspace_id"),
        ({"workspace_id": 7}, "workspace_id"),
        ({"workspace_id": None}, "workspace_id"),
        ({"session_type": "party"}, "session_type"),
        ({"session_type": None}, "session_type"),
        ({"config": []}, "config"),
        ({"config": "x"}, "config"),
        ({"config": None}, "config"),
        ({"config": {"default_role": "boss"}}, "config"),
        ({"config": {"default_role": "host"}}, "config"),
        ({"config": {"default_role": None}}, "config"),
        ({"config": {"a": "nul \0 inside"}}, "config"),
        ({"config": {"nul \0 inside": 1}}, "config"),
        ({"config": {"a": [{"b": ["\0"]}]}}, "config"),
        ({"config": {"a": "x" * 17_000}}, "config"),
        ({"max_participants": 0}, "max_participants"),
        ({"max_participants": 51}, "max_participants"),
        ({"max_participants": "12"}, "max_participants"),
        ({"max_participants": True}, "max_participants"),
        ({"max_participants": 1.5}, "max_participants"),
        ({"host_user_id": str(uuid4())}, "host_user_id"),
        ({"sesion_type": "whiteboard"}, "sesion_type"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, change: dict[str, Any], field: str) -> None:
    anna = api.caller()
    body = {"workspace_id": str(anna.workspace), "session_type": "whiteboard", **change}
    answer = await anna.post(SESSIONS, json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    error = answer.json()["error"]
    assert [problem["field"] for problem in error["details"]["errors"]] == [field]
    assert field in error["message"]
    assert ids(await anna.get(SESSIONS)) == []


async def test_a_deep_config_is_refused(api: Api) -> None:
    anna = api.caller()
    for depth in (17, 300, 900):
        deep: dict[str, Any] = {}
        for _ in range(depth - 1):
            deep = {"a": deep}
        body = {"workspace_id": str(anna.workspace), "session_type": "whiteboard", "config": deep}
        assert refusal(await anna.post(SESSIONS, json=body)) == (400, "INVALID_BODY")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 5000],
)
async def test_what_is_no_json_object_is_refused(api: Api, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await api.caller().post(SESSIONS, content=content, headers=headers)
    assert refusal(answer) == (400, "INVALID_BODY")


@pytest.mark.parametrize(
    ("content_type", "is_taken"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("application/jsonx", False),
        ("", False),
    ],
)
async def test_only_json_is_taken(api: Api, content_type: str, is_taken: bool) -> None:  # noqa: FBT001 - a parameter of the table
    headers = {"Content-Type": content_type}
    answer = await api.caller().post(SESSIONS, content=b"{}", headers=headers)
    expected = (400, "INVALID_BODY") if is_taken else (415, "UNSUPPORTED_MEDIA_TYPE")
    assert refusal(answer) == expected


# Who may read


async def test_who_may_read_a_session(api: Api) -> None:
    session = await api.caller().create()
    viewer, spectator, removed, stranger = (api.caller() for _ in range(4))
    await give_row(api, session, viewer, Role.VIEWER)
    await give_row(api, session, spectator, Role.SPECTATOR)
    await give_row(api, session, removed, Role.EDITOR, removed=True)
    granted = api.caller(grants={f"ocw/{session['id']}": "viewer"})
    for caller in (viewer, spectator, granted, api.service()):
        assert (await caller.get(at(session))).status_code == 200
        assert (await caller.get(at(session, "/state"))).status_code == 200
    outsider = api.service(workspaces=[str(uuid4())])
    for caller in (removed, stranger, outsider, api.caller(kind="agent")):
        for path in (at(session), at(session, "/state"), at(session, "/state?format=yjs")):
            assert refusal(await caller.get(path)) == (403, "FORBIDDEN")


async def test_everybody_reads_a_session_with_a_default_role(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "spectator"})
    assert (await api.caller().get(at(session))).status_code == 200


async def test_a_session_nobody_knows_is_not_found(api: Api) -> None:
    for caller in (api.caller(), api.service()):
        for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/end"), ("GET", "/state")):
            answer = await caller.call(method, f"{SESSIONS}/{uuid4()}{more}")
            assert refusal(answer) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize("wrong", ["x", "7", "%00", "{}", "0123456789abcdef" * 2, "a" * 500])
async def test_an_id_that_is_no_uuid_is_not_found(api: Api, wrong: str) -> None:
    answer = await api.caller().get(f"{SESSIONS}/{wrong}")
    assert refusal(answer) == (404, "SESSION_NOT_FOUND")
    assert "UUID" in answer.json()["error"]["message"]


async def test_an_id_in_upper_case_is_the_same_session(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    answer = await anna.get(f"{SESSIONS}/{session['id'].upper()}")
    assert answer.json()["data"]["id"] == session["id"]


# Lists


async def test_a_list_shows_what_the_caller_takes_part_in(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    first = await anna.create()
    api.forge.clock.turn(1)
    second = await anna.create()
    api.forge.clock.turn(1)
    third = await bert.create()
    await give_row(api, first, bert, Role.VIEWER)
    assert ids(await anna.get(SESSIONS)) == [second["id"], first["id"]]
    assert ids(await bert.get(SESSIONS)) == [third["id"], first["id"]]
    assert ids(await api.caller().get(SESSIONS)) == []
    granted = api.caller(grants={f"ocw/{second['id']}": "viewer", f"xr/{third['id']}": "editor"})
    assert ids(await granted.get(SESSIONS)) == [second["id"]]
    await give_row(api, second, granted, Role.VIEWER, removed=True)
    assert ids(await granted.get(SESSIONS)) == []


async def test_a_service_lists_all_or_its_workspaces(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    hers, his = await anna.create(), await bert.create()
    assert set(ids(await api.service().get(SESSIONS))) == {hers["id"], his["id"]}
    of_anna = api.service(workspaces=[str(anna.workspace)])
    assert ids(await of_anna.get(SESSIONS)) == [hers["id"]]
    assert ids(await api.service(workspaces=[]).get(SESSIONS)) == []


async def test_agents_list_nothing(api: Api) -> None:
    assert refusal(await api.caller(kind="agent").get(SESSIONS)) == (403, "FORBIDDEN")


async def test_a_list_can_be_narrowed(api: Api) -> None:
    anna = api.caller()
    board = await anna.create()
    cockpit = await anna.create(session_type="cockpit")
    await anna.post(at(board, "/end"))
    assert ids(await anna.get(SESSIONS, params={"type": "cockpit"})) == [cockpit["id"]]
    assert ids(await anna.get(SESSIONS, params={"status": "ended"})) == [board["id"]]
    there = {"workspace_id": str(anna.workspace)}
    assert len(ids(await anna.get(SESSIONS, params=there))) == 2
    assert ids(await anna.get(SESSIONS, params={"workspace_id": str(uuid4())})) == []


async def test_a_list_comes_in_pages(api: Api) -> None:
    anna = api.caller()
    created = []
    for _ in range(5):
        api.forge.clock.turn(1)
        created.append((await anna.create())["id"])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for expected in (2, 2, 1):
        answer = await anna.get(SESSIONS, params={"limit": "2", **cursor})
        page = ids(answer)
        assert len(page) == expected
        seen += page
        cursor = {"cursor": answer.json()["data"]["next_cursor"]}
    assert seen == created[::-1]
    assert cursor == {"cursor": None}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=all", "limit"),
        ("limit=", "limit"),
        ("type=party", "type"),
        ("status=gone", "status"),
        ("workspace_id=mine", "workspace_id"),
        ("workspce_id=mine", "workspce_id"),
        (f"cursor={'x' * 513}", "cursor"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, field: str) -> None:
    answer = await api.caller().get(f"{SESSIONS}?{query}")
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert [error["field"] for error in answer.json()["error"]["details"]["errors"]] == [field]


async def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    answer = await api.caller().get(f"{SESSIONS}?limit=1&limit=2")
    assert refusal(answer) == (400, "INVALID_PARAMETER")


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "é"])
async def test_a_forged_cursor_is_refused(api: Api, cursor: str) -> None:
    answer = await api.caller().get(SESSIONS, params={"cursor": cursor})
    assert refusal(answer) == (400, "INVALID_CURSOR")


# Ending and deleting


async def test_ending_a_session_sends_everybody_away(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    api.forge.clock.turn(60)
    answer = await anna.post(at(session, "/end"))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["status"] == "ended"
    assert datetime.fromisoformat(data["ended_at"]) == api.forge.clock()
    ((document, code, reason),) = api.live.closed
    assert (document, code) == (f"ocw/{session['id']}", CloseCode.ENDED)
    assert "ended" in reason


async def test_ending_twice_changes_nothing(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    first = await anna.post(at(session, "/end"))
    api.forge.clock.turn(60)
    second = await anna.post(at(session, "/end"))
    assert second.status_code == 200
    assert second.json()["data"] == first.json()["data"]


async def test_what_an_ended_session_left_can_be_read(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    await anna.post(at(session, "/end"))
    assert (await anna.get(at(session))).json()["data"]["status"] == "ended"
    assert (await anna.get(at(session, "/state"))).status_code == 200


async def test_only_hosts_and_services_end_and_delete(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "editor"})
    editor, cohost = api.caller(), api.caller()
    await give_row(api, session, editor, Role.EDITOR)
    await give_row(api, session, cohost, Role.HOST)
    for caller in (editor, api.caller(), api.caller(kind="agent")):
        assert refusal(await caller.post(at(session, "/end"))) == (403, "FORBIDDEN")
        assert refusal(await caller.delete(at(session))) == (403, "FORBIDDEN")
    assert api.live.closed == []
    assert (await cohost.post(at(session, "/end"))).status_code == 200
    assert (await api.service().delete(at(session))).status_code == 200


async def test_a_deleted_session_is_gone(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    answer = await anna.delete(at(session))
    assert answer.json()["data"] == {"id": session["id"], "deleted_at": "2030-05-17T12:00:00Z"}
    ((document, code, _),) = api.live.closed
    assert (document, code) == (f"ocw/{session['id']}", CloseCode.ENDED)
    for method, more in (("GET", ""), ("DELETE", ""), ("POST", "/end"), ("GET", "/state")):
        answer = await anna.call(method, at(session, more))
        assert refusal(answer) == (404, "SESSION_NOT_FOUND")
    assert ids(await anna.get(SESSIONS)) == []


@pytest.mark.parametrize("request_", [("POST", "/end"), ("DELETE", "")])
async def test_a_session_deleted_meanwhile_is_not_found(
    api: Api, request_: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    session = await anna.create()

    async def gone(*_: object) -> None:
        """Somebody else was faster."""

    monkeypatch.setattr(api.sessions, "end", gone)
    monkeypatch.setattr(api.sessions, "delete", gone)
    method, more = request_
    assert refusal(await anna.call(method, at(session, more))) == (404, "SESSION_NOT_FOUND")
    assert api.live.closed == []


# The document


async def test_the_state_is_the_documents_roots(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    api.live.roots = {"objects": {"o1": {"object_type": "sticky", "layer": 3}}, "meta": {}}
    answer = await anna.get(at(session, "/state"))
    assert answer.json()["data"] == api.live.roots
    assert api.live.opened == [f"ocw/{session['id']}"]


async def test_the_state_comes_as_an_update_too(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    answer = await anna.get(at(session, "/state"), params={"format": "yjs"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.content == b"\x00\x00"


@pytest.mark.parametrize("query", ["format=svg", "format=", "version=3", "format=json&format=yjs"])
async def test_a_state_nobody_can_give_is_refused(api: Api, query: str) -> None:
    anna = api.caller()
    session = await anna.create()
    answer = await anna.get(at(session, f"/state?{query}"))
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert api.live.opened == []


# A database that does not answer


@pytest.mark.parametrize(
    ("method", "more"), [("GET", ""), ("DELETE", ""), ("POST", "/end"), ("GET", "/state")]
)
async def test_no_storage_means_try_again_later(api: Api, method: str, more: str) -> None:
    anna = api.caller()
    session = await anna.create()
    api.sessions.fail_with = StorageUnavailable("gone")
    answer = await anna.call(method, at(session, more))
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_document_that_cannot_be_loaded_means_try_again_later(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    api.live.fail_with = StorageUnavailable("gone")
    for more in ("/state", "/state?format=yjs"):
        answer = await anna.get(at(session, more))
        assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")


async def test_rom_15_a_document_that_stays_closed_is_told_from_an_outage(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    api.live.fail_with = DocumentBroken("opening this document has stopped the server before")
    for more in ("/state", "/state?format=yjs"):
        answer = await anna.get(at(session, more))
        assert refusal(answer) == (503, "DOCUMENT_UNAVAILABLE")


# Over PostgreSQL


async def test_the_life_of_a_session_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, stored_in=PostgresSessionStore(pool))
    anna = api.caller()
    config = {"default_role": "viewer", "grid": [1, 2.5, None, "ü"]}
    session = await anna.create(config=config)
    assert (await anna.get(at(session))).json()["data"] == session
    assert session["config"] == config
    assert ids(await anna.get(SESSIONS)) == [session["id"]]
    assert ids(await api.service().get(SESSIONS)) == [session["id"]]
    assert (await api.caller().get(at(session))).status_code == 200
    ended = (await anna.post(at(session, "/end"))).json()["data"]
    assert ended == {**session, "status": "ended", "ended_at": "2030-05-17T12:00:00Z"}
    assert (await anna.delete(at(session))).status_code == 200
    assert refusal(await anna.get(at(session))) == (404, "SESSION_NOT_FOUND")
