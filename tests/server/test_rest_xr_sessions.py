"""REST: sessions of XR rooms."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentName
from crdt_docs.messages import CloseCode
from persistence.pool import DatabasePool
from persistence.ports import StorageUnavailable
from persistence.xr_ports import EndedSession
from persistence.xr_stores import xr_in_postgres
from tests.server.rest_client import Api, refusal
from tests.server.xr_callers import (
    SESSIONS,
    Json,
    at_room,
    at_session,
    data_of,
    give_role,
    items_of,
    make_room,
    start,
)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


def document(room: Json) -> DocumentName:
    return DocumentName(f"xr/{room['id']}")


async def test_a_session_is_started(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    answer = await anna.post(at_room(room, "/sessions"))
    session = data_of(answer, 201)
    assert answer.headers["location"] == at_session(session)
    assert session == {
        "id": str(UUID(session["id"])),
        "room_id": room["id"],
        "status": "active",
        "started_at": "2030-05-17T12:00:00Z",
        "ended_at": None,
    }
    assert data_of(await anna.get(at_session(session))) == session
    assert api.permissions.told == [("over", document(room))]


async def test_xrs_2_who_comes_second_is_given_the_one_that_is_there(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    await give_role(api, room, bert, Role.EDITOR)
    session = await start(room, anna)
    assert data_of(await bert.post(at_room(room, "/sessions"))) == session
    data_of(await anna.post(at_session(session, "/end")))
    assert (await start(room, bert))["id"] != session["id"]


async def test_hosts_and_editors_start_sessions(api: Api) -> None:
    room = await make_room(api.caller(), is_public=True)
    viewer, editor = api.caller(), api.caller()
    await give_role(api, room, viewer, Role.VIEWER)
    await give_role(api, room, editor, Role.EDITOR)
    for caller in (viewer, api.caller(), api.caller(kind="agent")):
        assert refusal(await caller.post(at_room(room, "/sessions"))) == (403, "FORBIDDEN")
    session = await start(room, editor)
    assert data_of(await api.service().post(at_room(room, "/sessions"))) == session


async def test_sessions_of_a_room_are_listed_newest_first(api: Api) -> None:
    anna = api.caller()
    room, other = await make_room(anna), await make_room(anna)
    await start(other, anna)
    ended = []
    for _ in range(2):
        session = await start(room, anna)
        api.forge.clock.turn(60)
        ended.append(data_of(await anna.post(at_session(session, "/end"))))
    active = await start(room, anna)
    assert items_of(await anna.get(at_room(room, "/sessions"))) == [active, *ended[::-1]]
    first = data_of(await anna.get(at_room(room, "/sessions"), params={"limit": "2"}))
    assert first["items"] == [active, ended[1]]
    rest = {"cursor": first["next_cursor"]}
    assert items_of(await anna.get(at_room(room, "/sessions"), params=rest)) == [ended[0]]


async def test_who_may_read_a_session(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    viewer, removed = api.caller(), api.caller()
    await give_role(api, room, viewer, Role.SPECTATOR)
    await give_role(api, room, removed, Role.EDITOR, removed=True)
    granted = api.caller(grants={f"xr/{room['id']}": "viewer"})
    there = api.service(workspaces=[str(anna.workspace)])
    for caller in (anna, viewer, granted, there):
        assert data_of(await caller.get(at_session(session))) == session
    misled = api.caller(grants={f"xr/{session['id']}": "host"})
    elsewhere = api.service(workspaces=[str(uuid4())])
    for caller in (removed, misled, api.caller(), elsewhere, api.caller(kind="agent")):
        assert refusal(await caller.get(at_session(session))) == (403, "FORBIDDEN")
    acting = {"X-Acting-User": str(anna.user_id)}
    assert refusal(await elsewhere.get(at_session(session), headers=acting)) == (403, "FORBIDDEN")


@pytest.mark.parametrize("wrong", ["x", "%00", str(UUID(int=404))])
async def test_a_session_nobody_knows_is_not_found(api: Api, wrong: str) -> None:
    answer = await api.caller().get(f"{SESSIONS}/{wrong}")
    assert refusal(answer) == (404, "XR_SESSION_NOT_FOUND")


async def test_sessions_of_a_deleted_room_are_not_found(api: Api) -> None:
    """XRS-3"""
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    data_of(await anna.delete(at_room(room)))
    assert refusal(await anna.get(at_session(session))) == (404, "XR_SESSION_NOT_FOUND")
    assert refusal(await anna.post(at_room(room, "/sessions"))) == (404, "ROOM_NOT_FOUND")


# Ending


async def test_ending_a_session_sends_everybody_away_and_empties_the_room(api: Api) -> None:
    """LIF-1"""
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    api.forge.clock.turn(60)
    ended = data_of(await anna.post(at_session(session, "/end")))
    assert ended == {**session, "status": "ended", "ended_at": "2030-05-17T12:01:00Z"}
    ((closed, code, reason),) = api.live.closed
    assert (closed, code) == (document(room), CloseCode.ENDED)
    assert "ended" in reason
    ((edited, identity, _),) = api.live.edits
    assert (edited, identity.user_id) == (document(room), anna.user_id)
    assert data_of(await anna.get(at_session(session))) == ended


async def test_ending_twice_changes_nothing_more(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    first = data_of(await anna.post(at_session(session, "/end")))
    api.forge.clock.turn(60)
    assert data_of(await anna.post(at_session(session, "/end"))) == first


async def test_ending_an_old_session_leaves_the_next_one_alone(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    old = await start(room, anna)
    await anna.post(at_session(old, "/end"))
    await start(room, anna)
    api.live.closed.clear()
    api.live.edits.clear()
    data_of(await anna.post(at_session(old, "/end")))
    assert (api.live.closed, api.live.edits) == ([], [])


async def test_what_could_not_be_emptied_is_tried_again(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    api.live.fail_with = StorageUnavailable("gone")
    answer = await anna.post(at_session(session, "/end"))
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    assert api.live.edits == []
    api.live.fail_with = None
    assert data_of(await anna.post(at_session(session, "/end")))["status"] == "ended"
    assert [name for name, _, _ in api.live.edits] == [document(room)]


async def test_lif_4_the_next_session_begins_in_a_room_that_was_emptied(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    await give_role(api, room, bert, Role.EDITOR)
    session = await start(room, anna)
    api.live.fail_with = StorageUnavailable("gone")
    await anna.post(at_session(session, "/end"))
    answer = await bert.post(at_room(room, "/sessions"))
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    api.live.fail_with, api.live.is_stored = None, False
    answer = await bert.post(at_room(room, "/sessions"))
    assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")
    api.live.is_stored = True
    api.live.edits.clear()
    data_of(await bert.post(at_room(room, "/sessions")), 201)
    ((edited, identity, _),) = api.live.edits
    assert (edited, identity.user_id) == (document(room), anna.user_id)
    await bert.post(at_room(room, "/sessions"))
    assert len(api.live.edits) == 1


async def test_only_hosts_and_services_end(api: Api) -> None:
    room = await make_room(api.caller(), config={"default_role": "editor"})
    session = await start(room, api.caller())
    editor, cohost = api.caller(), api.caller()
    await give_role(api, room, editor, Role.EDITOR)
    await give_role(api, room, cohost, Role.HOST)
    for caller in (editor, api.caller(), api.caller(kind="agent")):
        assert refusal(await caller.post(at_session(session, "/end"))) == (403, "FORBIDDEN")
    assert api.live.closed == []
    data_of(await cohost.post(at_session(session, "/end")))


async def test_what_is_deleted_meanwhile_is_not_found(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)

    async def gone(*_: object) -> EndedSession | None:
        """Somebody else was faster."""
        return None

    monkeypatch.setattr(api.services.xr.sessions, "end", gone)
    monkeypatch.setattr(api.services.xr.sessions, "start", gone)
    answer = await anna.post(at_session(session, "/end"))
    assert refusal(answer) == (404, "XR_SESSION_NOT_FOUND")
    assert refusal(await anna.post(at_room(room, "/sessions"))) == (404, "ROOM_NOT_FOUND")
    assert api.live.closed == []


async def test_aur_1_sessions_are_in_the_trail_of_their_room(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    data_of(await anna.post(at_room(room, "/sessions")))  # which there is: no deed
    data_of(await anna.post(at_session(session, "/end")))
    created, started, ended = api.audit.events
    assert (started.action, ended.action) == ("room.session_started", "room.session_ended")
    assert {event.session_id for event in (created, started, ended)} == {UUID(room["id"])}
    assert {event.target for event in (started, ended)} == {f"xr_session/{session['id']}"}


async def test_aur_2_what_is_denied_in_a_session_is_in_the_trail_of_its_room(api: Api) -> None:
    anna, stranger = api.caller(), api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    await stranger.post(at_session(session, "/end"))
    (denied,) = api.audit.tallied
    assert (denied.actor, denied.session_id) == (stranger.user_id, UUID(room["id"]))


async def test_the_life_of_a_session_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, xr_stored_in=xr_in_postgres(pool))
    anna = api.caller()
    room = await make_room(anna)
    session = await start(room, anna)
    assert data_of(await anna.post(at_room(room, "/sessions"))) == session
    assert data_of(await anna.get(at_session(session))) == session
    api.forge.clock.turn(60)
    ended = data_of(await anna.post(at_session(session, "/end")))
    assert ended == {**session, "status": "ended", "ended_at": "2030-05-17T12:01:00Z"}
    assert items_of(await anna.get(at_room(room, "/sessions"))) == [ended]
