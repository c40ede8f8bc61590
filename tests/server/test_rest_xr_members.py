"""REST: who may open XR rooms, and as what."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from crdt_docs.access import Role
from persistence.pool import DatabasePool
from persistence.xr_ports import RoomMember
from persistence.xr_stores import xr_in_postgres
from tests.server.rest_client import Api, Caller, refusal
from tests.server.xr_callers import (
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


def at_member(room: Json, user_id: object) -> str:
    return at_room(room, f"/members/{user_id}")


async def give(
    host: Caller, room: Json, to: UUID, role: str, *, method: str = "PUT"
) -> httpx.Response:
    return await host.call(method, at_member(room, to), json={"role": role})


async def listed(somebody: Caller, room: Json, **query: str) -> list[Json]:
    return items_of(await somebody.get(at_room(room, "/members"), params=query))


async def test_xrs_1_who_made_a_room_is_its_first_member(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    assert await listed(anna, room) == [
        {
            "room_id": room["id"],
            "user_id": str(anna.user_id),
            "role": "host",
            "added_at": "2030-05-17T12:00:00Z",
        }
    ]


async def test_somebody_is_made_a_member(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    assert refusal(await bert.get(at_room(room))) == (403, "FORBIDDEN")
    api.forge.clock.turn(60)
    member = data_of(await give(anna, room, bert.user_id, "viewer"))
    assert member == {
        "room_id": room["id"],
        "user_id": str(bert.user_id),
        "role": "viewer",
        "added_at": "2030-05-17T12:01:00Z",
    }
    assert data_of(await bert.get(at_room(room))) == room
    assert (await listed(bert, room))[1:] == [member]
    told = ("role", f"xr/{room['id']}", bert.user_id, Role.VIEWER)
    assert api.permissions.told == [told]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_a_role_is_changed(api: Api, method: str) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    before = data_of(await give(anna, room, bert.user_id, "viewer"))
    api.forge.clock.turn(60)
    changed = data_of(await give(anna, room, bert.user_id, "editor", method=method))
    assert changed == {**before, "role": "editor"}
    told = ("role", f"xr/{room['id']}", bert.user_id, Role.EDITOR)
    assert api.permissions.told[-1] == told


async def test_only_who_is_a_member_has_a_role_to_change(api: Api) -> None:
    anna, removed = api.caller(), api.caller()
    room = await make_room(anna)
    await give_role(api, room, removed, Role.EDITOR, removed=True)
    for user_id in (uuid4(), removed.user_id):
        answer = await give(anna, room, user_id, "viewer", method="PATCH")
        assert refusal(answer) == (404, "MEMBER_NOT_FOUND")
    assert refusal(await removed.get(at_room(room))) == (403, "FORBIDDEN")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_person_is_named_by_a_uuid(api: Api, method: str) -> None:
    anna = api.caller()
    room = await make_room(anna)
    body = {} if method == "DELETE" else {"json": {"role": "viewer"}}
    answer = await anna.call(method, at_member(room, "bert"), **body)
    assert refusal(answer) == (404, "MEMBER_NOT_FOUND")


@pytest.mark.parametrize("role", ["boss", None, 1])
async def test_a_role_is_one_of_ours(api: Api, role: object) -> None:
    anna = api.caller()
    room = await make_room(anna)
    answer = await anna.call("PUT", at_member(room, uuid4()), json={"role": role})
    assert refusal(answer) == (400, "INVALID_BODY")


# Removing


async def test_who_was_removed_is_let_in_by_nothing_but_a_host(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna, is_public=True, config={"default_role": "editor"})
    await give_role(api, room, bert, Role.EDITOR)
    answer = await anna.delete(at_member(room, bert.user_id))
    gone = {"user_id": str(bert.user_id), "removed_at": "2030-05-17T12:00:00Z"}
    assert data_of(answer) == gone
    away = ("away", f"xr/{room['id']}", bert.user_id, "you were removed from this room")
    assert api.permissions.told == [away]
    granted = api.caller(bert.user_id, grants={f"xr/{room['id']}": "host"})
    assert refusal(await granted.get(at_room(room))) == (403, "FORBIDDEN")
    assert len(await listed(anna, room)) == 1
    api.forge.clock.turn(60)
    assert data_of(await anna.delete(at_member(room, bert.user_id))) == gone, "once"
    data_of(await give(anna, room, bert.user_id, "viewer"))
    assert data_of(await bert.get(at_room(room))) == room


async def test_who_was_no_member_is_removed_too(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna, is_public=True)
    data_of(await bert.get(at_room(room)))
    data_of(await anna.delete(at_member(room, bert.user_id)))
    assert refusal(await bert.get(at_room(room))) == (403, "FORBIDDEN")


async def test_who_was_removed_is_in_the_session_no_more(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    await give_role(api, room, bert, Role.EDITOR)
    session = await start(room, anna)
    for somebody in (bert, anna, bert):
        api.forge.clock.turn(1)
        path = at_session(session, "/join")
        data_of(await somebody.post(path, json={"device_type": "mobile"}))
    data_of(await anna.delete(at_member(room, bert.user_id)))
    present = await anna.get(at_session(session, "/participants?present=true"))
    assert [each["user_id"] for each in items_of(present)] == [str(anna.user_id)]


# Hosts


async def test_xrs_1_a_room_keeps_a_host(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    for answer in (
        await give(anna, room, anna.user_id, "editor"),
        await give(anna, room, anna.user_id, "editor", method="PATCH"),
        await anna.delete(at_member(room, anna.user_id)),
    ):
        assert refusal(answer) == (409, "LAST_HOST")
    assert api.permissions.told == []
    data_of(await give(anna, room, bert.user_id, "host"))
    data_of(await bert.delete(at_member(room, anna.user_id)))
    assert refusal(await bert.delete(at_member(room, bert.user_id))) == (409, "LAST_HOST")


async def test_only_hosts_and_services_change_members(api: Api) -> None:
    anna, editor = api.caller(), api.caller()
    room = await make_room(anna, config={"default_role": "editor"})
    await give_role(api, room, editor, Role.EDITOR)
    for caller in (editor, api.caller(), api.caller(kind="agent")):
        for answer in (
            await give(caller, room, caller.user_id, "host"),
            await give(caller, room, editor.user_id, "viewer", method="PATCH"),
            await caller.delete(at_member(room, anna.user_id)),
        ):
            assert refusal(answer) == (403, "FORBIDDEN")
    assert {each["role"] for each in await listed(editor, room)} == {"host", "editor"}
    data_of(await give(api.service(), room, editor.user_id, "host"))


async def test_members_come_in_pages(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    for _ in range(2):
        api.forge.clock.turn(1)
        data_of(await give(anna, room, uuid4(), "viewer"))
    everybody = await listed(anna, room)
    first = data_of(await anna.get(at_room(room, "/members"), params={"limit": "2"}))
    assert first["items"] == everybody[:2]
    assert await listed(anna, room, cursor=first["next_cursor"]) == everybody[2:]


async def test_a_room_deleted_meanwhile_is_not_found(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    room = await make_room(anna)

    async def gone(*_: object) -> RoomMember | None:
        """Somebody else was faster."""
        return None

    monkeypatch.setattr(api.services.xr.members, "put", gone)
    monkeypatch.setattr(api.services.xr.members, "remove", gone)
    for answer in (
        await give(anna, room, uuid4(), "viewer"),
        await give(anna, room, anna.user_id, "host", method="PATCH"),
        await anna.delete(at_member(room, uuid4())),
    ):
        assert refusal(answer) == (404, "ROOM_NOT_FOUND")
    assert api.permissions.told == []


async def test_aur_1_what_becomes_of_members_is_in_the_trail(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    data_of(await give(anna, room, bert.user_id, "viewer"))
    data_of(await give(anna, room, bert.user_id, "editor", method="PATCH"))
    data_of(await anna.delete(at_member(room, bert.user_id)))
    added, changed, removed = api.audit.events[1:]
    assert [event.details for event in (added, changed)] == [{"role": "viewer"}, {"role": "editor"}]
    assert {added.action, changed.action} == {"member.role_changed"}
    assert removed.action == "member.removed"
    for event in (added, changed, removed):
        assert event.target == f"user/{bert.user_id}"
        assert event.session_id == UUID(room["id"])


async def test_members_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, xr_stored_in=xr_in_postgres(pool))
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    member = data_of(await give(anna, room, bert.user_id, "viewer"))
    changed = data_of(await give(anna, room, bert.user_id, "editor", method="PATCH"))
    assert changed == {**member, "role": "editor"}
    assert changed in await listed(bert, room)
    assert refusal(await anna.delete(at_member(room, anna.user_id))) == (409, "LAST_HOST")
    data_of(await anna.delete(at_member(room, bert.user_id)))
    assert refusal(await bert.get(at_room(room))) == (403, "FORBIDDEN")
