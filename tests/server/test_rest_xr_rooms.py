"""REST: XR rooms from creation to deletion, and who may do what with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crdt_docs.access import Role
from crdt_docs.messages import CloseCode
from persistence.memory_xr_rooms import MemoryXrRoomStore
from persistence.pool import DatabasePool
from persistence.ports import StorageUnavailable
from persistence.xr_ports import RoomChanges
from persistence.xr_stores import xr_in_postgres
from tests.server.rest_client import Api, Caller, refusal
from tests.server.xr_callers import (
    ROOMS,
    Json,
    at_room,
    data_of,
    give_role,
    items_of,
    make_room,
    room_body,
)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def patch(somebody: Caller, room: Json, **body: Any) -> httpx.Response:
    return await somebody.call("PATCH", at_room(room), json=body)


def ids(answer: httpx.Response) -> list[str]:
    return [room["id"] for room in items_of(answer)]


def fields(answer: httpx.Response) -> list[str]:
    return [error["field"] for error in answer.json()["error"]["details"]["errors"]]


# Creating


async def test_a_room_is_created_with_its_creator_as_host(api: Api) -> None:
    anna = api.caller()
    wanted = {
        "workspace_id": str(anna.workspace),
        "name": "Atelier",
        "room_type": "brainstorm",
        "room_template": "amphitheater",
        "dimensions": {"width": 12},
        "environment_config": {"sky": "dusk"},
        "config": {"default_role": "viewer"},
        "dataspace_id": str(uuid4()),
        "meeting_id": str(uuid4()),
        "is_persistent": True,
        "is_public": True,
        "max_participants": 12,
    }
    answer = await anna.post(ROOMS, json=wanted)
    room = data_of(answer, 201)
    assert answer.headers["location"] == at_room(room)
    assert room == {
        **wanted,
        "id": str(UUID(room["id"])),
        "created_by": str(anna.user_id),
        "created_at": "2030-05-17T12:00:00Z",
    }
    assert data_of(await anna.get(at_room(room))) == room
    member = await api.services.xr.members.member(UUID(room["id"]), anna.user_id)
    assert member is not None
    assert member.role is Role.HOST


async def test_most_of_a_room_need_not_be_said(api: Api) -> None:
    room = await make_room(api.caller())
    said = {"id", "workspace_id", "name", "room_type", "created_by", "created_at"}
    assert {name: value for name, value in room.items() if name not in said} == {
        "room_template": "custom",
        "dimensions": {},
        "environment_config": {},
        "config": {},
        "dataspace_id": None,
        "meeting_id": None,
        "is_persistent": False,
        "is_public": False,
        "max_participants": api.settings.max_participants,
    }


WRONG: list[tuple[Json, str]] = [
    ({"name": ""}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"name": "x" * 201}, "name"),
    ({"name": None}, "name"),
    ({"room_type": "party"}, "room_type"),
    ({"room_type": None}, "room_type"),
    ({"room_template": "cave"}, "room_template"),
    ({"dimensions": []}, "dimensions"),
    ({"dimensions": {"a": "nul \0 inside"}}, "dimensions"),
    ({"environment_config": {"a": "x" * 17_000}}, "environment_config"),
    ({"config": {"default_role": "host"}}, "config"),
    ({"config": {"own_objects_only": "no"}}, "config"),
    ({"dataspace_id": "here"}, "dataspace_id"),
    ({"meeting_id": 7}, "meeting_id"),
    ({"is_public": "yes"}, "is_public"),
    ({"is_persistent": None}, "is_persistent"),
    ({"max_participants": 0}, "max_participants"),
    ({"max_participants": 51}, "max_participants"),
    ({"max_participants": True}, "max_participants"),
    ({"created_by": str(uuid4())}, "created_by"),
]


@pytest.mark.parametrize(("wrong", "field"), WRONG)
async def test_a_wrong_field_is_named(api: Api, wrong: Json, field: str) -> None:
    anna = api.caller()
    room = await make_room(anna)
    for answer in (
        await anna.post(ROOMS, json=room_body(anna, **wrong)),
        await patch(anna, room, **wrong),
    ):
        assert refusal(answer) == (400, "INVALID_BODY")
        assert fields(answer) == [field]
    assert items_of(await anna.get(ROOMS)) == [room]


async def test_users_create_where_they_work_and_services_in_their_workspaces(api: Api) -> None:
    workspace = uuid4()
    body = room_body(api.caller(), workspace_id=str(workspace))
    there, elsewhere = (api.service(workspaces=[str(each)]) for each in (workspace, uuid4()))
    for caller in (api.service(), there):
        data_of(await caller.post(ROOMS, json=body), 201)
    agent = api.caller(kind="agent", workspaces=[str(workspace)])
    for caller in (api.caller(), api.caller(workspaces=None), elsewhere, agent):
        assert refusal(await caller.post(ROOMS, json=body)) == (403, "FORBIDDEN")


async def test_a_room_created_in_somebodys_name_is_theirs(api: Api) -> None:
    person, service = uuid4(), api.service()
    answer = await service.post(
        ROOMS, json=room_body(service), headers={"X-Acting-User": str(person)}
    )
    assert data_of(answer, 201)["created_by"] == str(person)


# Who may read


async def test_who_may_read_a_room(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    viewer, spectator, removed = (api.caller() for _ in range(3))
    await give_role(api, room, viewer, Role.VIEWER)
    await give_role(api, room, spectator, Role.SPECTATOR)
    await give_role(api, room, removed, Role.EDITOR, removed=True)
    granted = api.caller(grants={f"xr/{room['id']}": "viewer"})
    there = api.service(workspaces=[str(anna.workspace)])
    for caller in (anna, viewer, spectator, granted, api.service(), there):
        assert data_of(await caller.get(at_room(room))) == room
    outsider = api.service(workspaces=[str(uuid4())])
    misled = api.caller(grants={f"ocw/{room['id']}": "host"})
    for caller in (removed, api.caller(), misled, outsider, api.caller(kind="agent")):
        assert refusal(await caller.get(at_room(room))) == (403, "FORBIDDEN")


async def test_everybody_looks_at_a_public_room_and_one_with_a_default_role(api: Api) -> None:
    anna, stranger = api.caller(), api.caller()
    for more in ({"is_public": True}, {"config": {"default_role": "spectator"}}):
        room = await make_room(anna, **more)
        assert data_of(await stranger.get(at_room(room))) == room
        assert refusal(await stranger.delete(at_room(room))) == (403, "FORBIDDEN")
        agent = api.caller(kind="agent")
        assert refusal(await agent.get(at_room(room))) == (403, "FORBIDDEN")


async def test_a_service_acts_only_where_it_may_be(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    acting = {"X-Acting-User": str(anna.user_id)}
    there = api.service(workspaces=[str(anna.workspace)])
    elsewhere = api.service(workspaces=[str(uuid4())])
    assert data_of(await there.get(at_room(room), headers=acting)) == room
    assert refusal(await elsewhere.get(at_room(room), headers=acting)) == (403, "FORBIDDEN")
    assert ids(await there.get(ROOMS, headers=acting)) == [room["id"]]
    assert ids(await elsewhere.get(ROOMS, headers=acting)) == []
    stranger = {"X-Acting-User": str(uuid4())}
    assert refusal(await there.get(at_room(room), headers=stranger)) == (403, "FORBIDDEN")


# Lists


async def test_a_list_shows_what_the_caller_may_read(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    rooms = []
    for somebody, more in ((anna, {}), (anna, {}), (bert, {}), (bert, {"is_public": True})):
        api.forge.clock.turn(1)
        rooms.append((await make_room(somebody, **more))["id"])
    first, second, his, public = rooms
    await give_role(api, {"id": first}, bert, Role.VIEWER)
    assert ids(await anna.get(ROOMS)) == [public, second, first]
    assert ids(await bert.get(ROOMS)) == [public, his, first]
    granted = api.caller(grants={f"xr/{second}": "viewer", f"ocw/{his}": "editor"})
    assert ids(await granted.get(ROOMS)) == [public, second]
    assert ids(await api.service().get(ROOMS)) == [public, his, second, first]
    assert ids(await api.service(workspaces=[str(anna.workspace)]).get(ROOMS)) == [second, first]
    assert ids(await api.service(workspaces=[]).get(ROOMS)) == []
    assert refusal(await api.caller(kind="agent").get(ROOMS)) == (403, "FORBIDDEN")


async def test_a_list_can_be_narrowed_and_comes_in_pages(api: Api) -> None:
    anna, dataspace = api.caller(), str(uuid4())
    plain = (await make_room(anna))["id"]
    api.forge.clock.turn(1)
    show = (await make_room(anna, room_type="showroom", dataspace_id=dataspace))["id"]
    for query, expected in (
        ({"type": "showroom"}, [show]),
        ({"dataspace_id": dataspace}, [show]),
        ({"workspace_id": str(anna.workspace)}, [show, plain]),
        ({"workspace_id": str(uuid4())}, []),
    ):
        assert ids(await anna.get(ROOMS, params=query)) == expected
    answer = await anna.get(ROOMS, params={"limit": "1"})
    assert ids(answer) == [show]
    cursor = data_of(answer)["next_cursor"]
    assert ids(await anna.get(ROOMS, params={"cursor": cursor})) == [plain]


# Changing


async def test_a_change_is_merged_into_what_is_there(api: Api) -> None:
    anna = api.caller()
    config = {"default_role": "viewer", "theme": {"grid": 8, "snap": True}}
    room = await make_room(anna, config=config, dataspace_id=str(uuid4()), max_participants=7)
    change = {
        "name": "Salon",
        "room_type": "showroom",
        "room_template": "open_space",
        "config": {"theme": {"grid": None, "dark": True}},
        "dimensions": {"width": 3},
        "is_public": True,
    }
    changed = data_of(await patch(anna, room, **change))
    theme = {"snap": True, "dark": True}
    assert changed == {**room, **change, "config": {"default_role": "viewer", "theme": theme}}
    assert data_of(await anna.get(at_room(room))) == changed
    emptied = {"config": None, "dataspace_id": None, "max_participants": None}
    after = data_of(await patch(anna, room, **emptied))
    most = api.settings.max_participants
    assert after == {**changed, "config": {}, "dataspace_id": None, "max_participants": most}
    assert data_of(await patch(anna, room)) == after


async def test_what_a_patch_makes_of_a_config_is_looked_at(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna, config={"default_role": "viewer", "text": "x" * 9_000})
    for config in ({"default_role": "host"}, {"more": "x" * 9_000}, {"strict_schema": 7}):
        answer = await patch(anna, room, config=config)
        assert refusal(answer) == (400, "INVALID_BODY")
        assert fields(answer) == ["config"]
    changed = data_of(await patch(anna, room, config={"default_role": None}))
    assert changed["config"] == {"text": "x" * 9_000}


async def test_what_was_known_of_a_room_counts_no_more_when_it_changed(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    await patch(anna, room, is_public=True)
    assert api.permissions.told == [("over", f"xr/{room['id']}")]


async def test_only_hosts_and_services_change_and_delete(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna, config={"default_role": "editor"})
    editor, cohost = api.caller(), api.caller()
    await give_role(api, room, editor, Role.EDITOR)
    await give_role(api, room, cohost, Role.HOST)
    for caller in (editor, api.caller(), api.caller(kind="agent")):
        assert refusal(await patch(caller, room, name="Mine")) == (403, "FORBIDDEN")
        assert refusal(await caller.delete(at_room(room))) == (403, "FORBIDDEN")
    assert api.live.closed == []
    assert data_of(await patch(cohost, room, name="Ours"))["name"] == "Ours"
    data_of(await api.service().delete(at_room(room)))


# Deleting


async def test_a_deleted_room_is_gone(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna, is_public=True)
    answer = await anna.delete(at_room(room))
    assert data_of(answer) == {"id": room["id"], "deleted_at": "2030-05-17T12:00:00Z"}
    ((document, code, reason),) = api.live.closed
    assert (document, code) == (f"xr/{room['id']}", CloseCode.ENDED)
    assert "deleted" in reason
    assert api.permissions.told == [("over", document)]
    for answer in (
        await anna.get(at_room(room)),
        await anna.delete(at_room(room)),
        await patch(anna, room, name="Back"),
    ):
        assert refusal(answer) == (404, "ROOM_NOT_FOUND")
    assert ids(await anna.get(ROOMS)) == []


async def test_a_room_deleted_meanwhile_is_not_found(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    room = await make_room(anna)

    async def gone(_id: UUID, _more: RoomChanges | None = None) -> None:
        """Somebody else was faster."""

    monkeypatch.setattr(api.services.xr.rooms, "change", gone)
    monkeypatch.setattr(api.services.xr.rooms, "delete", gone)
    for answer in (await patch(anna, room, name="Late"), await anna.delete(at_room(room))):
        assert refusal(answer) == (404, "ROOM_NOT_FOUND")
    assert (api.live.closed, api.permissions.told) == ([], [])


async def test_no_storage_means_try_again_later(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    rooms = api.services.xr.rooms
    assert isinstance(rooms, MemoryXrRoomStore)
    rooms.fail_with = StorageUnavailable("gone")
    for answer in (
        await anna.get(ROOMS),
        await anna.get(at_room(room)),
        await patch(anna, room, name="x"),
        await anna.delete(at_room(room)),
        await anna.post(ROOMS, json=room_body(anna)),
    ):
        assert refusal(answer) == (503, "STORAGE_UNAVAILABLE")


# The trail


async def test_aur_1_what_was_done_to_a_room_is_in_the_trail(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    await patch(anna, room, name="Salon")
    await anna.delete(at_room(room))
    assert api.audit.actions == ["room.created", "room.changed", "room.deleted"]
    assert {event.session_id for event in api.audit.events} == {UUID(room["id"])}
    assert "Salon" not in repr(api.audit.events)


async def test_aur_2_what_is_denied_in_a_room_is_counted(api: Api) -> None:
    room, stranger = await make_room(api.caller()), api.caller()
    await stranger.delete(at_room(room))
    (denied,) = api.audit.tallied
    assert (denied.actor, denied.session_id) == (stranger.user_id, UUID(room["id"]))
    assert denied.details == {"operation": "delete_room", "code": "FORBIDDEN"}


# Over PostgreSQL


async def test_the_life_of_a_room_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, xr_stored_in=xr_in_postgres(pool))
    anna = api.caller()
    config = {"default_role": "viewer", "grid": [1, 2.5, None, "ü"]}
    room = await make_room(anna, config=config, meeting_id=str(uuid4()))
    assert data_of(await anna.get(at_room(room))) == room
    assert ids(await anna.get(ROOMS)) == [room["id"]]
    assert data_of(await api.caller().get(at_room(room))) == room
    changed = data_of(await patch(anna, room, config={"grid": None}, meeting_id=None))
    assert changed == {**room, "config": {"default_role": "viewer"}, "meeting_id": None}
    data_of(await anna.delete(at_room(room)))
    assert refusal(await anna.get(at_room(room))) == (404, "ROOM_NOT_FOUND")
