"""REST: what every operation of the OpenAPI document refuses, in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import pytest

from server.rest.errors import MAX_FAULTS
from tests.server.described import Json, described
from tests.server.rest_client import Api, Caller, refusal

TEN_MEGABYTES = b'{"a": "' + b"x" * 10_000_000 + b'"}'
SESSIONS = "/api/ocw/sessions"
JSON = {"Content-Type": "application/json"}

OPERATIONS = described().operations
LABELS = list(OPERATIONS)
WITH_TOKEN = [label for label in LABELS if "security" in OPERATIONS[label]]
PLACES = {
    "session_id": "SESSION_NOT_FOUND",
    "room_id": "ROOM_NOT_FOUND",
    "xr_session_id": "XR_SESSION_NOT_FOUND",
}
"""What is open to some and closed to others, by the names of parameters."""
INSIDE = [(label, place) for label in LABELS for place in PLACES if f"{{{place}}}" in label]
WITH_BODY = [label for label in LABELS if "requestBody" in OPERATIONS[label]]
_KEY = {"$ref": "#/components/parameters/IdempotencyKey"}
POSTS = [label for label in WITH_TOKEN if _KEY in OPERATIONS[label]["parameters"]]


def parameters(label: str, *, needed: bool = False) -> set[str]:
    """The names of its query parameters; of those, the ones that must be there."""
    return {
        one["name"]
        for one in OPERATIONS[label]["parameters"]
        if one.get("in") == "query" and (one.get("required") or not needed)
    }


LISTS = [label for label in LABELS if "cursor" in parameters(label)]
OF_SESSIONS = [label for label in LISTS if label.count("{") < 2]  # not of objects in them
WITH_QUERY = [label for label in LABELS if parameters(label)]


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


async def made(caller: Caller, path: str, body: Json | None = None) -> str:
    """The id of what a request creates."""
    answer = await caller.post(f"/api{path}", json=body)
    assert answer.status_code == 201, answer.text
    identifier: str = answer.json()["data"]["id"]
    return identifier


async def belongings(caller: Caller) -> dict[str, str]:
    """One of each kind of what the caller has of their own, by the names of parameters."""
    room = {"workspace_id": str(caller.workspace), "name": "Atelier", "room_type": "meeting"}
    room_id = await made(caller, "/xr/rooms", room)
    return {
        "session_id": (await caller.create())["id"],
        "room_id": room_id,
        "xr_session_id": await made(caller, f"/xr/rooms/{room_id}/sessions"),
        "avatar_id": await made(caller, "/xr/avatars", {"avatar_name": "Fox"}),
    }


async def send(caller: Caller, label: str, ids: dict[str, str], **more: Any) -> httpx.Response:
    """A request as the document describes it, with the example of its body if it has one."""
    method, path = label.split(" ")
    for name, identifier in ids.items():
        path = path.replace(f"{{{name}}}", identifier)
    while "{" in path:
        name = path[path.index("{") : path.index("}") + 1]
        path = path.replace(name, str(uuid4()))
    if "requestBody" in OPERATIONS[label] and not {"json", "content"} & set(more):
        more["json"] = described().example_of_body(OPERATIONS[label])
    return await caller.call(method, f"/api{path}", **more)


def fields(answer: httpx.Response) -> list[str]:
    """Which fields a refusal names."""
    return [error["field"] for error in answer.json()["error"]["details"]["errors"]]


@pytest.mark.parametrize("label", WITH_TOKEN)
async def test_strangers_are_told_nothing(api: Api, label: str) -> None:
    ids = await belongings(api.caller())
    nobody = api.caller()
    nobody.token = "no.token.at-all"
    answer = await send(nobody, label, ids, content=TEN_MEGABYTES)
    assert refusal(answer) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(("label", "place"), INSIDE)
async def test_what_is_others_is_closed(api: Api, label: str, place: str) -> None:
    ids = await belongings(api.caller())
    for caller in (api.caller(), api.caller(kind="agent"), api.service(workspaces=[])):
        assert refusal(await send(caller, label, ids)) == (403, "FORBIDDEN")


@pytest.mark.parametrize(("label", "place"), INSIDE)
async def test_what_nobody_knows_is_not_found(api: Api, label: str, place: str) -> None:
    for unknown in (str(uuid4()), "x", "%00"):
        answer = await send(api.service(), label, {place: unknown})
        assert refusal(answer) == (404, PLACES[place])


@pytest.mark.parametrize("label", WITH_BODY)
async def test_what_is_no_body_is_refused(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    for content in (b"", b"[]", b"null", b'"x"', b"{", b"\xff", b'{"a": NaN}', b"[" * 5000):
        answer = await send(anna, label, ids, content=content, headers=JSON)
        assert refusal(answer) == (400, "INVALID_BODY"), content
    answer = await send(anna, label, ids, content=b"{}", headers={"Content-Type": "text/csv"})
    assert refusal(answer) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("label", WITH_BODY)
async def test_ten_megabytes_are_too_many(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    answer = await send(anna, label, ids, content=TEN_MEGABYTES, headers=JSON)
    assert refusal(answer) == (413, "BODY_TOO_LARGE")
    assert answer.json()["error"]["details"] == {"max_bytes": api.settings.max_body_bytes}


@pytest.mark.parametrize("label", WITH_QUERY)
async def test_parameters_nobody_knows_are_named(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    answer = await send(anna, label, ids, params={"no_such_parameter": "1"})
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert "no_such_parameter" in fields(answer)


@pytest.mark.parametrize("label", WITH_QUERY)
async def test_parameters_given_twice_are_named(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    name = min(parameters(label))
    answer = await send(anna, label, ids, params=[(name, "1"), (name, "1")])
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert fields(answer) == [name]


@pytest.mark.parametrize("label", LISTS)
async def test_pages_are_bounded(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    for wrong in ("0", "101", "-1", "all", "", "1e3", "9" * 5000):
        answer = await send(anna, label, ids, params={"limit": wrong})
        assert refusal(answer) == (400, "INVALID_PARAMETER"), wrong
        assert "limit" in fields(answer)


@pytest.mark.parametrize("label", OF_SESSIONS)
async def test_made_up_cursors_are_refused(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    query = {name: {"q": "sticky", "from": "0"}[name] for name in parameters(label, needed=True)}
    if "session_id" in parameters(label):
        query["session_id"] = ids["session_id"]
    for wrong in ("", "x", "AAAA", "é", "A" * 40, "\0"):
        answer = await send(anna, label, ids, params={"cursor": wrong, **query})
        assert refusal(answer) == (400, "INVALID_CURSOR"), wrong
    answer = await send(anna, label, ids, params={"cursor": "A" * 513, **query})
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert fields(answer) == ["cursor"]


@pytest.mark.parametrize("label", POSTS)
async def test_unusable_keys_are_refused(api: Api, label: str) -> None:
    anna = api.caller()
    ids = await belongings(anna)
    answer = await send(anna, label, ids, headers={"Idempotency-Key": "a b"})
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert fields(answer) == ["Idempotency-Key"]


def test_all_kinds_of_operations_are_there() -> None:
    """The tables above are made from the document: they must not be empty."""
    assert len(LISTS) >= 2
    assert len(WITH_BODY) >= 2
    assert {place for _, place in INSIDE} == set(PLACES)
    example: Json = described().example_of_body(OPERATIONS["POST /ocw/sessions"])
    assert set(example) == {"workspace_id", "session_type", "config"}


async def test_very_many_names_are_refused_in_few_words(api: Api) -> None:
    """Not each of them is told; 80,000 took a second, and 5 MB."""
    anna = api.caller()
    names = {f"name{i}": "1" for i in range(5_000)}
    for answer in (await anna.post(SESSIONS, json=names), await anna.get(SESSIONS, params=names)):
        assert refusal(answer)[0] == 400
        assert len(answer.content) < 1_000
    twice = [(name, "1") for name in list(names)[:2_000] for _ in range(2)]
    answer = await anna.get(f"{SESSIONS}?{urlencode(twice)}")
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    assert len(fields(answer)) == MAX_FAULTS


async def test_of_many_faults_some_are_told(api: Api) -> None:
    anna = api.caller()
    names = {f"name{i}" * 100: "1" for i in range(50)}
    answer = await anna.post(SESSIONS, json=names)
    assert refusal(answer) == (400, "INVALID_BODY")
    assert len(fields(answer)) == MAX_FAULTS
    assert max(map(len, fields(answer))) == 200
