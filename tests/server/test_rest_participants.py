"""REST: who takes part in a session, as what, and while it is paused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
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
    return f"{SESSIONS}/{session['id']}{more}"


def person(session: dict[str, Any], somebody: Caller) -> str:
    return at(session, f"/participants/{somebody.user_id}")


async def join(session: dict[str, Any], somebody: Caller) -> dict[str, Any]:
    answer = await somebody.post(at(session, "/join"))
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


# Joining and leaving


async def test_joining_gives_the_sessions_default_role(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "viewer"})
    bert = api.caller()
    joined = await join(session, bert)
    assert joined == {
        "id": str(UUID(joined["id"])),
        "session_id": session["id"],
        "user_id": str(bert.user_id),
        "role": "viewer",
        "joined_at": "2030-05-17T12:00:00Z",
        "last_active_at": "2030-05-17T12:00:00Z",
        "left_at": None,
    }
    listed = await bert.get(SESSIONS)
    assert [item["id"] for item in listed.json()["data"]["items"]] == [session["id"]]


async def test_joining_gives_the_role_of_a_grant(api: Api) -> None:
    session = await api.caller().create()
    granted = api.caller(grants={f"ocw/{session['id']}": "editor"})
    assert (await join(session, granted))["role"] == "editor"
    assert refusal(await api.caller().post(at(session, "/join"))) == (403, "FORBIDDEN")


async def test_joining_again_never_raises_a_role(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "viewer"})
    bert = api.caller()
    first = await join(session, bert)
    raised = api.caller(bert.user_id, grants={f"ocw/{session['id']}": "host"})
    api.forge.clock.turn(60)
    again = await join(session, raised)
    assert again == {**first, "last_active_at": "2030-05-17T12:01:00Z"}


async def test_whoever_left_can_come_back(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "viewer"})
    bert = api.caller()
    joined = await join(session, bert)
    api.forge.clock.turn(60)
    left = {**joined, "left_at": "2030-05-17T12:01:00Z"}
    for _ in range(2):
        answer = await bert.post(at(session, "/leave"))
        assert answer.json()["data"] == left
        api.forge.clock.turn(60)
    assert (await join(session, bert))["left_at"] is None


async def test_nobody_leaves_who_never_came(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "viewer"})
    answer = await api.caller().post(at(session, "/leave"))
    assert refusal(answer) == (404, "PARTICIPANT_NOT_FOUND")


async def test_nobody_joins_what_has_ended(api: Api) -> None:
    anna = api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    bert = api.caller()
    await join(session, bert)
    await anna.post(at(session, "/end"))
    assert refusal(await bert.post(at(session, "/join"))) == (409, "SESSION_ENDED")
    assert (await bert.post(at(session, "/leave"))).status_code == 200


@pytest.mark.parametrize("removed_at", [None, NOON])
async def test_what_changes_while_somebody_joins_counts(
    api: Api, removed_at: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await api.caller().create(config={"default_role": "viewer"})
    bert = api.caller()
    row = Participant(UUID(session["id"]), bert.user_id, Role.VIEWER, NOON, removed_at=NOON)

    async def meanwhile(*_: object) -> Participant | None:
        return row if removed_at else None

    monkeypatch.setattr(api.sessions, "join", meanwhile)
    expected = (403, "FORBIDDEN") if removed_at else (409, "SESSION_ENDED")
    assert refusal(await bert.post(at(session, "/join"))) == expected


async def test_services_take_part_in_somebodys_name(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "editor"})
    backend, bert = api.service(), uuid4()
    assert refusal(await backend.post(at(session, "/join"))) == (403, "FORBIDDEN")
    answer = await backend.post(at(session, "/join"), headers={"X-Acting-User": str(bert)})
    assert answer.json()["data"]["user_id"] == str(bert)
    assert answer.json()["data"]["role"] == "editor"


# Who is there


async def test_people_are_listed_in_pages(api: Api) -> None:
    anna = api.caller()
    session = await anna.create(config={"default_role": "spectator"})
    people = [anna, *(api.caller() for _ in range(4))]
    for somebody in people[1:]:
        api.forge.clock.turn(1)
        await join(session, somebody)
    await people[2].post(at(session, "/leave"))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for expected in (2, 2, 1):
        answer = await people[3].get(at(session, "/participants"), params={"limit": "2", **cursor})
        items = answer.json()["data"]["items"]
        assert len(items) == expected
        seen += [item["user_id"] for item in items]
        cursor = {"cursor": answer.json()["data"]["next_cursor"]}
    assert seen == [str(somebody.user_id) for somebody in people]
    assert cursor == {"cursor": None}


async def test_the_list_is_for_those_who_may_read(api: Api) -> None:
    session = await api.caller().create()
    path = at(session, "/participants")
    assert refusal(await api.caller().get(path)) == (403, "FORBIDDEN")
    assert (await api.service().get(path)).status_code == 200
    wrong = await api.service().get(path, params={"cursor": "x"})
    assert refusal(wrong) == (400, "INVALID_CURSOR")


# Roles


async def test_hosts_and_services_change_roles(api: Api) -> None:
    anna = api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    bert = api.caller()
    joined = await join(session, bert)
    answer = await anna.call("PATCH", person(session, bert), json={"role": "editor"})
    assert answer.json()["data"] == {**joined, "role": "editor"}
    answer = await api.service().call("PATCH", person(session, bert), json={"role": "host"})
    assert answer.json()["data"]["role"] == "host"
    assert (await bert.post(at(session, "/pause"))).status_code == 200


async def test_nobody_else_changes_roles(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "editor"})
    bert = api.caller()
    await join(session, bert)
    for caller in (bert, api.caller(), api.caller(kind="agent")):
        answer = await caller.call("PATCH", person(session, bert), json={"role": "host"})
        assert refusal(answer) == (403, "FORBIDDEN")


async def test_the_last_host_stays_one(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    await join(session, bert)
    for caller in (anna, api.service()):
        answer = await caller.call("PATCH", person(session, anna), json={"role": "editor"})
        assert refusal(answer) == (409, "LAST_HOST")
    await anna.call("PATCH", person(session, bert), json={"role": "host"})
    answer = await anna.call("PATCH", person(session, anna), json={"role": "editor"})
    assert answer.json()["data"]["role"] == "editor"
    assert refusal(await anna.post(at(session, "/end"))) == (403, "FORBIDDEN")


async def test_who_never_joined_has_no_role_to_change(api: Api) -> None:
    anna = api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    for stranger in (str(uuid4()), "x", "7"):
        path = at(session, f"/participants/{stranger}")
        answer = await anna.call("PATCH", path, json={"role": "editor"})
        assert refusal(answer) == (404, "PARTICIPANT_NOT_FOUND")


@pytest.mark.parametrize("body", [{}, {"role": "boss"}, {"role": None}, {"role": "host", "x": 1}])
async def test_a_wrong_role_is_refused(api: Api, body: dict[str, Any]) -> None:
    anna = api.caller()
    session = await anna.create()
    answer = await anna.call("PATCH", person(session, anna), json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    (error,) = answer.json()["error"]["details"]["errors"]
    assert error["field"] == ("x" if "x" in body else "role")


# Pausing


async def test_a_session_is_paused_and_resumed(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    for action, status in (
        ("resume", "active"),
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "active"),
    ):
        answer = await anna.post(at(session, f"/{action}"))
        assert answer.json()["data"] == {**session, "status": status}
        assert (await anna.get(at(session))).json()["data"]["status"] == status
    assert api.live.closed == []


async def test_a_paused_session_is_read_and_joined(api: Api) -> None:
    anna = api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    await anna.post(at(session, "/pause"))
    bert = api.caller()
    await join(session, bert)
    assert (await bert.get(at(session, "/state"))).status_code == 200


async def test_what_has_ended_is_not_paused(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    await anna.post(at(session, "/end"))
    for action in ("pause", "resume"):
        assert refusal(await anna.post(at(session, f"/{action}"))) == (409, "SESSION_ENDED")


async def test_only_hosts_and_services_pause(api: Api) -> None:
    session = await api.caller().create(config={"default_role": "editor"})
    editor = api.caller()
    await join(session, editor)
    for action in ("pause", "resume"):
        for caller in (editor, api.caller(), api.caller(kind="agent")):
            assert refusal(await caller.post(at(session, f"/{action}"))) == (403, "FORBIDDEN")
        assert (await api.service().post(at(session, f"/{action}"))).status_code == 200


async def test_a_session_deleted_while_it_is_paused_is_not_found(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    session = await anna.create()

    async def gone(*_: object, **__: object) -> None:
        """Somebody else was faster."""

    monkeypatch.setattr(api.sessions, "set_paused", gone)
    assert refusal(await anna.post(at(session, "/pause"))) == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("POST", "/join"),
        ("POST", "/leave"),
        ("POST", "/pause"),
        ("GET", "/participants"),
        ("PATCH", f"/participants/{UUID(int=1)}"),
    ],
)
async def test_no_session_and_no_storage_are_told(api: Api, method: str, more: str) -> None:
    anna = api.caller()
    session = await anna.create()
    body = {"json": {"role": "viewer"}} if method == "PATCH" else {}
    answer = await anna.call(method, f"{SESSIONS}/{uuid4()}{more}", **body)
    assert refusal(answer) == (404, "SESSION_NOT_FOUND")
    api.sessions.fail_with = StorageUnavailable("gone")
    answer = await anna.call(method, at(session, more), **body)
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")


async def test_people_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, stored_in=PostgresSessionStore(pool))
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    joined = await join(session, bert)
    await anna.post(at(session, "/pause"))
    listed = await bert.get(at(session, "/participants"))
    assert [item["user_id"] for item in listed.json()["data"]["items"]] == sorted(
        [str(anna.user_id), str(bert.user_id)]
    )
    changed = await anna.call("PATCH", person(session, bert), json={"role": "spectator"})
    assert changed.json()["data"] == {**joined, "role": "spectator"}
    left = await bert.post(at(session, "/leave"))
    assert left.json()["data"]["left_at"] == "2030-05-17T12:00:00Z"


# Told to open sockets


async def test_acc_11_what_changes_is_told_to_open_sockets(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    document = document_name(DocumentKind.OCW, UUID(session["id"]))
    await join(session, bert)
    await anna.call("PATCH", person(session, bert), json={"role": "editor"})
    await bert.post(at(session, "/leave"))
    await anna.post(at(session, "/pause"))
    await anna.post(at(session, "/resume"))
    await anna.delete(person(session, bert))
    await anna.post(at(session, "/end"))
    assert api.permissions.told == [
        ("role", document, bert.user_id, Role.EDITOR),
        ("away", document, bert.user_id, "you left the session"),
        ("paused", document, True),
        ("paused", document, False),
        ("away", document, bert.user_id, "you were removed from this session"),
        ("over", document),
    ]


async def test_what_was_refused_is_told_to_nobody(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "viewer"})
    await join(session, bert)
    await bert.call("PATCH", person(session, bert), json={"role": "host"})
    await anna.call("PATCH", person(session, anna), json={"role": "viewer"})
    await anna.delete(person(session, anna))
    await bert.delete(person(session, anna))
    await bert.post(at(session, "/pause"))
    assert api.permissions.told == []


# Removing


async def test_who_was_removed_stays_out(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "editor"})
    await join(session, bert)
    for _ in range(2):
        answer = await anna.delete(person(session, bert))
        assert answer.json()["data"] == {
            "user_id": str(bert.user_id),
            "removed_at": "2030-05-17T12:00:00Z",
        }
        api.forge.clock.turn(60)
    granted = api.caller(bert.user_id, grants={f"ocw/{session['id']}": "host"})
    for somebody in (bert, granted):
        assert refusal(await somebody.get(at(session))) == (403, "FORBIDDEN")
        assert refusal(await somebody.post(at(session, "/join"))) == (403, "FORBIDDEN")
    listed = await anna.get(at(session, "/participants"))
    assert [item["user_id"] for item in listed.json()["data"]["items"]] == [str(anna.user_id)]


async def test_who_never_joined_can_be_kept_out(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "editor"})
    assert (await bert.get(at(session))).status_code == 200
    assert (await anna.delete(person(session, bert))).status_code == 200
    assert refusal(await bert.get(at(session))) == (403, "FORBIDDEN")


async def test_only_a_host_removes_and_one_host_stays(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await anna.create(config={"default_role": "editor"})
    await join(session, bert)
    assert refusal(await bert.delete(person(session, anna))) == (403, "FORBIDDEN")
    assert refusal(await anna.delete(person(session, anna))) == (409, "LAST_HOST")
    nobody = at(session, "/participants/nobody")
    assert refusal(await anna.delete(nobody)) == (404, "PARTICIPANT_NOT_FOUND")
    await anna.call("PATCH", person(session, bert), json={"role": "host"})
    assert (await bert.delete(person(session, anna))).status_code == 200
    assert refusal(await anna.get(at(session))) == (403, "FORBIDDEN")
    answer = await api.service().delete(person(session, bert))
    assert refusal(answer) == (409, "LAST_HOST")


async def test_a_session_that_goes_meanwhile_is_not_found(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    session = await anna.create()

    async def meanwhile(*_: object) -> None:
        return None

    monkeypatch.setattr(api.sessions, "remove", meanwhile)
    answer = await anna.delete(person(session, api.caller()))
    assert refusal(answer) == (404, "SESSION_NOT_FOUND")
