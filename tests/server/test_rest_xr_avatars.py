"""REST: what people look like in XR rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from persistence.pool import DatabasePool
from persistence.xr_people_ports import AvatarChanges
from persistence.xr_stores import xr_in_postgres
from tests.server.rest_client import Api, Caller, refusal

AVATARS = "/api/xr/avatars"
FOX: dict[str, Any] = {
    "avatar_name": "Fox",
    "avatar_config": {"color": "#ff7700", "ears": {"left": 1, "right": 2}},
}


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def make(somebody: Caller, **body: Any) -> dict[str, Any]:
    answer = await somebody.post(AVATARS, json={**FOX, **body})
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


def at(avatar: dict[str, Any]) -> str:
    return f"{AVATARS}/{avatar['id']}"


async def change(somebody: Caller, avatar: dict[str, Any], **body: Any) -> httpx.Response:
    return await somebody.call("PATCH", at(avatar), json=body)


async def listed(somebody: Caller, **query: str) -> list[dict[str, Any]]:
    answer = await somebody.get(AVATARS, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["data"]["items"]
    return items


async def test_an_avatar_is_made(api: Api) -> None:
    anna = api.caller()
    answer = await anna.post(AVATARS, json={**FOX, "avatar_name": "  Fox ", "is_default": True})
    assert answer.status_code == 201
    made = answer.json()["data"]
    assert answer.headers["location"] == at(made)
    assert made == {
        **FOX,
        "id": str(UUID(made["id"])),
        "user_id": str(anna.user_id),
        "is_default": True,
        "created_at": "2030-05-17T12:00:00Z",
    }
    assert (await anna.get(at(made))).json()["data"] == made
    plain = await anna.post(AVATARS, json={"avatar_name": "Plain"})
    assert (plain.json()["data"]["avatar_config"], plain.json()["data"]["is_default"]) == (
        {},
        False,
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"avatar_name": ""}, "avatar_name"),
        ({"avatar_name": " "}, "avatar_name"),
        ({"avatar_name": "x" * 201}, "avatar_name"),
        ({"avatar_name": "two\nlines"}, "avatar_name"),
        ({"avatar_name": None}, "avatar_name"),
        ({"avatar_config": []}, "avatar_config"),
        ({"avatar_config": {"a": "nul \0 inside"}}, "avatar_config"),
        ({"avatar_config": {"a": "x" * 17_000}}, "avatar_config"),
        ({"is_default": 1}, "is_default"),
        ({"is_default": None}, "is_default"),
        ({"user_id": str(uuid4())}, "user_id"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: dict[str, Any], field: str) -> None:
    anna = api.caller()
    made = await make(anna)
    for answer in (
        await anna.post(AVATARS, json={**FOX, **body}),
        await change(anna, made, **body),
    ):
        assert refusal(answer) == (400, "INVALID_BODY")
        assert [error["field"] for error in answer.json()["error"]["details"]["errors"]] == [field]
    assert await listed(anna) == [made]


async def test_ones_own_are_listed_in_pages(api: Api) -> None:
    anna, bert = api.caller(), api.caller()
    made = []
    for number in range(3):
        api.forge.clock.turn(1)
        made.append(await make(anna, avatar_name=f"Number {number}"))
    await make(bert)
    assert await listed(anna) == made[::-1]
    first = (await anna.get(AVATARS, params={"limit": "2"})).json()["data"]
    assert first["items"] == [made[2], made[1]]
    assert await listed(anna, cursor=first["next_cursor"]) == [made[0]]


async def test_a_change_is_merged_into_what_is_there(api: Api) -> None:
    anna = api.caller()
    made = await make(anna)
    config = {"ears": {"left": None, "tail": 3}, "hat": {"a": None, "b": 1}}
    changed = (await change(anna, made, avatar_config=config)).json()["data"]
    merged = {"color": "#ff7700", "ears": {"right": 2, "tail": 3}, "hat": {"b": 1}}
    assert changed == {**made, "avatar_config": merged}
    changed = (await change(anna, made, avatar_name="Badger")).json()["data"]
    assert changed == {**made, "avatar_config": merged, "avatar_name": "Badger"}
    assert (await anna.get(at(made))).json()["data"] == changed
    assert (await change(anna, made)).json()["data"] == changed
    changed = (await change(anna, made, avatar_config=None)).json()["data"]
    assert changed["avatar_config"] == {}


async def test_what_two_patches_make_together_is_bounded(api: Api) -> None:
    anna = api.caller()
    made = await make(anna)
    half = "x" * 9_000
    assert (await change(anna, made, avatar_config={"a": half})).status_code == 200
    answer = await change(anna, made, avatar_config={"b": half})
    assert refusal(answer) == (400, "INVALID_BODY")
    assert answer.json()["error"]["details"]["errors"][0]["field"] == "avatar_config"
    config = (await anna.get(at(made))).json()["data"]["avatar_config"]
    assert set(config) == {"color", "ears", "a"}


async def test_xrs_6_the_default_moves(api: Api) -> None:
    anna = api.caller()
    fox = await make(anna, is_default=True)
    owl = await make(anna, avatar_name="Owl", is_default=True)

    async def defaults() -> list[str]:
        return [each["id"] for each in await listed(anna) if each["is_default"]]

    assert await defaults() == [owl["id"]]
    assert (await change(anna, fox, is_default=True)).json()["data"]["is_default"]
    assert await defaults() == [fox["id"]]
    await change(anna, fox, is_default=False)
    assert await defaults() == []


async def test_an_avatar_is_deleted(api: Api) -> None:
    anna = api.caller()
    made = await make(anna)
    answer = await anna.delete(at(made))
    assert answer.json()["data"] == {"id": made["id"]}
    for answer in (await anna.get(at(made)), await anna.delete(at(made)), await change(anna, made)):
        assert refusal(answer) == (404, "AVATAR_NOT_FOUND")
    assert await listed(anna) == []


async def test_avatars_of_others_are_not_there(api: Api) -> None:
    made = await make(api.caller())
    bert = api.caller()
    for answer in (await bert.get(at(made)), await bert.delete(at(made)), await change(bert, made)):
        assert refusal(answer) == (404, "AVATAR_NOT_FOUND")


@pytest.mark.parametrize("wrong", ["x", "%00", str(UUID(int=404))])
async def test_an_avatar_nobody_knows_is_not_found(api: Api, wrong: str) -> None:
    answer = await api.caller().get(f"{AVATARS}/{wrong}")
    assert refusal(answer) == (404, "AVATAR_NOT_FOUND")


async def test_an_avatar_deleted_meanwhile_is_not_found(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna = api.caller()
    made = await make(anna)

    async def gone(_id: UUID, _changes: AvatarChanges | None = None) -> None:
        """Somebody else was faster."""

    monkeypatch.setattr(api.services.xr.avatars, "change", gone)
    monkeypatch.setattr(api.services.xr.avatars, "delete", gone)
    for answer in (await anna.delete(at(made)), await change(anna, made)):
        assert refusal(answer) == (404, "AVATAR_NOT_FOUND")


async def test_only_people_have_avatars(api: Api) -> None:
    for caller in (api.service(), api.caller(kind="agent")):
        for answer in (await caller.get(AVATARS), await caller.post(AVATARS, json=FOX)):
            assert refusal(answer) == (403, "FORBIDDEN")


async def test_a_service_that_nothing_bounds_acts_for_people(api: Api) -> None:
    anna = api.caller()
    made = await make(anna)
    acting = {"X-Acting-User": str(anna.user_id)}
    answer = await api.service().get(at(made), headers=acting)
    assert answer.json()["data"] == made
    for workspaces in ([], [str(anna.workspace)]):
        bound = api.service(workspaces=workspaces)
        assert refusal(await bound.get(at(made), headers=acting)) == (403, "FORBIDDEN")


async def test_the_life_of_an_avatar_over_postgresql(tmp_path: Path, pool: DatabasePool) -> None:
    """The driver's own types must fit into answers as well."""
    api = Api(tmp_path, xr_stored_in=xr_in_postgres(pool))
    anna = api.caller()
    fox = await make(anna, is_default=True)
    owl = await make(anna, avatar_name="Owl", is_default=True)
    assert (await anna.get(at(fox))).json()["data"] == {**fox, "is_default": False}
    changed = (await change(anna, owl, avatar_config={"beak": True})).json()["data"]
    assert changed == {**owl, "avatar_config": {**FOX["avatar_config"], "beak": True}}
    assert {each["id"] for each in await listed(anna)} == {fox["id"], owl["id"]}
    assert (await anna.delete(at(owl))).status_code == 200
    assert refusal(await anna.get(at(owl))) == (404, "AVATAR_NOT_FOUND")
