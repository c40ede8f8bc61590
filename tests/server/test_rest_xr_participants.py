"""REST: who is in the sessions of XR rooms, what they look like, and where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crdt_docs.access import Role
from persistence.pool import DatabasePool
from persistence.xr_people_ports import XrParticipant
from persistence.xr_stores import xr_in_postgres
from tests.server.rest_client import Api, Caller, refusal
from tests.server.xr_callers import (
    Json,
    at_session,
    data_of,
    give_role,
    items_of,
    make_room,
    start,
)

HEADSET = {"device_type": "vr_headset"}
FOX: Json = {"color": "#ff7700", "ears": 2}
HERE: Json = {"position": {"x": 1.5, "y": 1.7, "z": -2}, "rotation": {"x": 0, "y": 0.6, "z": 0}}
HERE["rotation"]["w"] = 0.8


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def open_session(api: Api, **room: Any) -> Json:
    """A session of a room in which everybody may be."""
    anna = api.caller()
    made = await make_room(anna, **{"config": {"default_role": "viewer"}, **room})
    return await start(made, anna)


async def join(session: Json, somebody: Caller, **more: Any) -> Json:
    return data_of(await somebody.post(at_session(session, "/join"), json={**HEADSET, **more}))


async def people(session: Json, somebody: Caller, **query: str) -> list[Json]:
    return items_of(await somebody.get(at_session(session, "/participants"), params=query))


async def leave(session: Json, somebody: Caller, **query: str) -> list[Json]:
    return items_of(await somebody.post(at_session(session, "/leave"), params=query))


async def move(session: Json, somebody: Caller, **more: Any) -> httpx.Response:
    path = at_session(session, "/position")
    return await somebody.call("PATCH", path, json={**HERE, **more})


async def make_avatar(somebody: Caller, **more: Any) -> str:
    body = {"avatar_name": "Fox", "avatar_config": FOX, **more}
    identifier: str = data_of(await somebody.post("/api/xr/avatars", json=body), 201)["id"]
    return identifier


# Joining


async def test_whoever_joins_is_given_a_connection(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    joined = await join(session, bert)
    assert joined == {
        "id": str(UUID(joined["id"])),
        "session_id": session["id"],
        "connection_id": str(UUID(joined["connection_id"])),
        "user_id": str(bert.user_id),
        "avatar_id": None,
        "avatar_config": None,
        "device_type": "vr_headset",
        "position": None,
        "rotation": None,
        "joined_at": "2030-05-17T12:00:00Z",
        "last_seen_at": "2030-05-17T12:00:00Z",
        "left_at": None,
    }


async def test_xrs_4_somebody_is_there_with_two_devices(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    headset = await join(session, bert)
    api.forge.clock.turn(1)
    phone = await join(session, bert, device_type="mobile")
    assert headset["connection_id"] != phone["connection_id"]
    assert await people(session, bert) == [headset, phone]


async def test_one_looks_like_the_avatar_one_names(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    fox = await make_avatar(bert)
    joined = await join(session, bert, avatar_id=fox)
    assert (joined["avatar_id"], joined["avatar_config"]) == (fox, FOX)
    await bert.call("PATCH", f"/api/xr/avatars/{fox}", json={"avatar_config": {"ears": 3}})
    await bert.delete(f"/api/xr/avatars/{fox}")
    assert await people(session, bert) == [joined], "as it was when they came"


async def test_one_looks_this_time_as_one_says(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    await make_avatar(bert, is_default=True)
    fox = await make_avatar(bert)
    alone = await join(session, bert, avatar_config={"hat": True})
    assert (alone["avatar_id"], alone["avatar_config"]) == (None, {"hat": True})
    both = await join(session, bert, avatar_id=fox, avatar_config={"hat": True})
    assert (both["avatar_id"], both["avatar_config"]) == (fox, {"hat": True})
    assert len(items_of(await bert.get("/api/xr/avatars"))) == 2, "none was made of it"


async def test_who_says_nothing_wears_their_default(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    await make_avatar(bert, avatar_config={})
    default = await make_avatar(bert, is_default=True)
    joined = await join(session, bert)
    assert (joined["avatar_id"], joined["avatar_config"]) == (default, FOX)


async def test_nobody_wears_what_is_somebody_elses(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    hers = await make_avatar(api.caller())
    for avatar_id in (hers, str(uuid4())):
        body = {**HEADSET, "avatar_id": avatar_id}
        answer = await bert.post(at_session(session, "/join"), json=body)
        assert refusal(answer) == (404, "AVATAR_NOT_FOUND")
    assert await people(session, bert) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "device_type"),
        ({"device_type": "toaster"}, "device_type"),
        ({**HEADSET, "avatar_id": "fox"}, "avatar_id"),
        ({**HEADSET, "avatar_config": []}, "avatar_config"),
        ({**HEADSET, "avatar_config": {"a": "x" * 17_000}}, "avatar_config"),
        ({**HEADSET, "user_id": str(uuid4())}, "user_id"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: Json, field: str) -> None:
    session = await open_session(api)
    answer = await api.caller().post(at_session(session, "/join"), json=body)
    assert refusal(answer) == (400, "INVALID_BODY")
    assert [error["field"] for error in answer.json()["error"]["details"]["errors"]] == [field]


async def test_acc_2_a_spectator_is_nowhere(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await start(await make_room(anna, is_public=True), anna)
    joined = await join(session, bert)
    assert refusal(await move(session, bert)) == (403, "FORBIDDEN")
    assert await people(session, bert) == [joined]


async def test_nobody_joins_what_has_ended(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    session = await start(await make_room(anna, is_public=True), anna)
    joined = await join(session, bert)
    api.forge.clock.turn(60)
    await anna.post(at_session(session, "/end"))
    answer = await bert.post(at_session(session, "/join"), json=HEADSET)
    assert refusal(answer) == (409, "SESSION_ENDED")
    assert refusal(await move(session, bert)) == (409, "SESSION_ENDED")
    assert await people(session, bert) == [{**joined, "left_at": "2030-05-17T12:01:00Z"}]
    assert await leave(session, bert) == []


async def test_a_session_that_ends_meanwhile_is_not_joined(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await open_session(api)

    async def over(_: XrParticipant) -> None:
        """It ended just now."""

    monkeypatch.setattr(api.services.xr.participants, "join", over)
    answer = await api.caller().post(at_session(session, "/join"), json=HEADSET)
    assert refusal(answer) == (409, "SESSION_ENDED")


async def test_services_take_part_in_somebodys_name(api: Api) -> None:
    session, backend, bert = await open_session(api), api.service(), uuid4()
    path = at_session(session, "/join")
    assert refusal(await backend.post(path, json=HEADSET)) == (403, "FORBIDDEN")
    acting = {"X-Acting-User": str(bert)}
    joined = data_of(await backend.post(path, json=HEADSET, headers=acting))
    assert joined["user_id"] == str(bert)


async def test_a_service_of_a_workspace_is_told_nobodys_avatars(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    fox = await make_avatar(bert, is_default=True)
    backend = api.service(workspaces=[str(anna.workspace)])
    acting = {"X-Acting-User": str(bert.user_id)}
    path = at_session(await start(await make_room(anna, is_public=True), anna), "/join")
    joined = data_of(await backend.post(path, json=HEADSET, headers=acting))
    assert (joined["avatar_id"], joined["avatar_config"]) == (None, None)
    named = {**HEADSET, "avatar_id": fox}
    answer = await backend.post(path, json=named, headers=acting)
    assert refusal(answer) == (403, "FORBIDDEN")
    said = {**HEADSET, "avatar_config": {"hat": True}}
    joined = data_of(await backend.post(path, json=said, headers=acting))
    assert joined["avatar_config"] == {"hat": True}
    joined = data_of(await api.service().post(path, json=HEADSET, headers=acting))
    assert joined["avatar_id"] == fox


# Who is there


async def test_people_are_listed_in_pages_also_without_those_who_left(api: Api) -> None:
    session = await open_session(api)
    guests, joined = [api.caller() for _ in range(3)], []
    for guest in guests:
        api.forge.clock.turn(1)
        joined.append(await join(session, guest))
    anna = guests[0]
    assert await people(session, anna) == joined
    path = at_session(session, "/participants")
    first = data_of(await anna.get(path, params={"limit": "2"}))
    assert first["items"] == joined[:2]
    assert await people(session, anna, cursor=first["next_cursor"]) == joined[2:]
    (left,) = await leave(session, guests[1])
    assert await people(session, anna) == [joined[0], left, joined[2]]
    assert await people(session, anna, present="true") == [joined[0], joined[2]]


async def test_only_who_may_read_the_room_is_told(api: Api) -> None:
    anna = api.caller()
    session = await start(await make_room(anna), anna)
    for method, more in (("GET", "/participants"), ("POST", "/leave")):
        answer = await api.caller().call(method, at_session(session, more))
        assert refusal(answer) == (403, "FORBIDDEN")


# Leaving


async def test_one_leaves_with_a_device_or_with_all(api: Api) -> None:
    session, bert, carl = await open_session(api), api.caller(), api.caller()
    devices = []
    for somebody in (bert, carl, bert, bert):
        api.forge.clock.turn(1)
        devices.append(await join(session, somebody))
    api.forge.clock.turn(60)
    left = [{**each, "left_at": "2030-05-17T12:01:04Z"} for each in devices]
    first = {"connection_id": devices[0]["connection_id"]}
    assert await leave(session, bert, **first) == [left[0]]
    assert api.permissions.told[1:] == []
    assert await leave(session, bert) == [left[2], left[3]]
    room = f"xr/{session['room_id']}"
    assert api.permissions.told[1:] == [("away", room, bert.user_id, "you left the session")]
    assert await people(session, carl, present="true") == [devices[1]]
    api.forge.clock.turn(60)
    assert await leave(session, bert, **first) == [left[0]], "once"
    assert await leave(session, bert) == []


async def test_leaving_what_is_over_leaves_the_next_session_alone(api: Api) -> None:
    anna = api.caller()
    room = await make_room(anna)
    old = await start(room, anna)
    await anna.post(at_session(old, "/end"))
    await join(await start(room, anna), anna)
    api.permissions.told.clear()
    assert await leave(old, anna) == []
    assert api.permissions.told == []


async def test_whose_row_went_meanwhile_has_left(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    session, bert = await open_session(api), api.caller()
    connection_id = (await join(session, bert))["connection_id"]

    async def gone(*_: object) -> XrParticipant | None:
        """Forgotten just now."""
        return None

    monkeypatch.setattr(api.services.xr.participants, "leave", gone)
    assert await leave(session, bert, connection_id=connection_id) == []


async def test_connections_of_others_are_not_ones_own(api: Api) -> None:
    anna = api.caller()
    session = await start(await make_room(anna, is_public=True), anna)
    hers = (await join(session, anna))["connection_id"]
    bert = api.caller()
    for connection_id in (hers, str(uuid4())):
        path = at_session(session, f"/leave?connection_id={connection_id}")
        assert refusal(await bert.post(path)) == (404, "PARTICIPANT_NOT_FOUND")
        answer = await move(session, bert, connection_id=connection_id)
        assert refusal(answer) == (404, "PARTICIPANT_NOT_FOUND")
    (there,) = await people(session, anna)
    assert (there["left_at"], there["position"]) == (None, None)


# Where they are


async def test_where_somebody_is_is_in_their_row(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    joined = await join(session, bert)
    api.forge.clock.turn(5)
    moved = data_of(await move(session, bert))
    assert moved == {**joined, **HERE, "last_seen_at": "2030-05-17T12:00:05Z"}
    assert await people(session, bert) == [moved]


async def test_of_several_devices_one_is_named(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    first, second = await join(session, bert), await join(session, bert)
    api.forge.clock.turn(1)
    answer = await move(session, bert)
    assert refusal(answer) == (400, "INVALID_BODY")
    assert "connection_id" in answer.json()["error"]["message"]
    named = second["connection_id"]
    assert data_of(await move(session, bert, connection_id=named))["connection_id"] == named
    await leave(session, bert, connection_id=named)
    answer = await move(session, bert, connection_id=named)
    assert refusal(answer) == (404, "PARTICIPANT_NOT_FOUND")
    assert data_of(await move(session, bert))["connection_id"] == first["connection_id"]


async def test_who_is_not_there_is_nowhere(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    assert refusal(await move(session, bert)) == (404, "PARTICIPANT_NOT_FOUND")


async def test_a_rotation_is_made_as_long_as_it_should_be(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    await join(session, bert)
    api.forge.clock.turn(1)
    rotation = {"x": 0.5, "y": -0.5, "z": 0.5, "w": 0.5004}
    moved = data_of(await move(session, bert, rotation=rotation))
    assert sum(part**2 for part in moved["rotation"].values()) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"position": {"x": 1, "y": 2}}, "position.z"),
        ({"position": {"x": 1, "y": 2, "z": 3, "w": 4}}, "position.w"),
        ({"position": {"x": 1, "y": 2, "z": "3"}}, "position.z"),
        ({"position": {"x": 1, "y": 2, "z": True}}, "position.z"),
        ({"position": {"x": 1, "y": 2, "z": None}}, "position.z"),
        ({"position": {"x": 8_389, "y": 2, "z": 3}}, "position.x"),
        ({"position": {"x": 1e300, "y": 2, "z": 3}}, "position.x"),
        ({"position": [1, 2, 3]}, "position"),
        ({"rotation": {"x": 0, "y": 0, "z": 0, "w": 0}}, "rotation"),
        ({"rotation": {"x": 0.5, "y": 0.5, "z": 0.5, "w": 0.6}}, "rotation"),
        ({"rotation": {"x": 0, "y": 0, "z": 0, "w": 2}}, "rotation.w"),
        ({"connection_id": "mine"}, "connection_id"),
    ],
)
async def test_a_place_that_is_none_is_refused(api: Api, wrong: Json, field: str) -> None:
    session, bert = await open_session(api), api.caller()
    await join(session, bert)
    answer = await move(session, bert, **wrong)
    assert refusal(answer) == (400, "INVALID_BODY")
    assert [error["field"] for error in answer.json()["error"]["details"]["errors"]] == [field]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e999"])
async def test_a_place_is_finite(api: Api, number: str) -> None:
    session, bert = await open_session(api), api.caller()
    await join(session, bert)
    content = (
        '{"position": {"x": %s, "y": 0, "z": 0}, "rotation": {"x": 0, "y": 0, "z": 0, "w": 1}}'
    )
    answer = await bert.call(
        "PATCH",
        at_session(session, "/position"),
        content=content % number,
        headers={"Content-Type": "application/json"},
    )
    assert refusal(answer) == (400, "INVALID_BODY")


# The trail


async def test_aur_1_joining_and_leaving_are_in_the_trail_of_the_room(api: Api) -> None:
    session, bert = await open_session(api), api.caller()
    await join(session, bert)
    await leave(session, bert)
    joined, left = api.audit.events[2:]
    assert (joined.action, left.action) == ("participant.joined", "participant.left")
    assert joined.details == {"device_type": "vr_headset"}
    for event in (joined, left):
        assert (event.actor, event.session_id) == (bert.user_id, UUID(session["room_id"]))
        assert event.target == f"xr_session/{session['id']}"


# Over PostgreSQL


async def test_taking_part_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, xr_stored_in=xr_in_postgres(pool))
    anna, bert = api.caller(), api.caller()
    room = await make_room(anna)
    await give_role(api, room, bert, Role.VIEWER)
    session = await start(room, anna)
    fox = await make_avatar(bert, is_default=True)
    joined = await join(session, bert)
    assert (joined["avatar_id"], joined["avatar_config"]) == (fox, FOX)
    api.forge.clock.turn(5)
    moved = data_of(await move(session, bert))
    assert moved == {**joined, **HERE, "last_seen_at": "2030-05-17T12:00:05Z"}
    assert await people(session, anna, present="true") == [moved]
    (left,) = await leave(session, bert)
    assert left == {**moved, "left_at": "2030-05-17T12:00:05Z"}
    assert await people(session, anna, present="true") == []
