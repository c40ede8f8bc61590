"""REST: who may do what, and in whose name."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import structlog
from starlette.applications import Starlette
from starlette.responses import Response

from crdt_docs.access import Role
from persistence.ports import Participant
from server.rest.application import RestApplication
from server.rest.callers import CallerOf, Editor, Host, Member, Reader
from server.rest.endpoint import resource_router
from server.rest.envelope import Reply
from tests.server.clocks import NOON
from tests.server.rest_client import Api, Caller, refusal

SESSIONS = "/api/ocw/sessions"

router = resource_router("Health")


@router.get("/caller")
async def caller_of(caller: CallerOf, reply: Reply) -> Response:
    """Who calls."""
    via = caller.via and caller.via.user_id
    return reply({"user": caller.identity.user_id, "kind": caller.identity.kind, "via": via})


@router.post("/ocw/sessions/{session_id}/read")
async def read(opened: Reader, reply: Reply) -> Response:
    """For who may read."""
    return reply(opened.role)


@router.post("/ocw/sessions/{session_id}/take-part")
async def take_part(opened: Member, reply: Reply) -> Response:
    """For who may read, while it can be changed."""
    return reply(opened.role)


@router.post("/ocw/sessions/{session_id}/edit")
async def edit(opened: Editor, reply: Reply) -> Response:
    """For who may edit."""
    return reply(opened.role)


@router.post("/ocw/sessions/{session_id}/host")
async def host(opened: Host, reply: Reply) -> Response:
    """For hosts."""
    return reply(opened.role)


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


@pytest.fixture
async def doors(api: Api) -> httpx.AsyncClient:
    """One endpoint for each way to get in."""
    app = Starlette()
    app.mount("/api", RestApplication(api.services, [router]))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://collab.test")


async def attempt(
    doors: httpx.AsyncClient, caller: Caller, path: str, **more: str
) -> tuple[Any, ...]:
    headers = {"Authorization": f"Bearer {caller.token}", **more}
    answer = await doors.post(f"{SESSIONS}/{path}", headers=headers)
    if answer.is_success:
        return answer.status_code, answer.json()["data"]
    return refusal(answer)


async def people(api: Api, session: dict[str, Any]) -> dict[Role, Caller]:
    """Somebody with each role."""
    found = {}
    for role in Role:
        found[role] = api.caller()
        row = Participant(UUID(session["id"]), found[role].user_id, role, NOON)
        await api.sessions.put_participant(row)
    return found


async def test_each_door_lets_in_whom_it_should(api: Api, doors: httpx.AsyncClient) -> None:
    session = await api.caller().create()
    everybody = await people(api, session)
    for door, roles in (
        ("read", set(Role)),
        ("take-part", set(Role)),
        ("edit", {Role.HOST, Role.EDITOR}),
        ("host", {Role.HOST}),
    ):
        for role, caller in everybody.items():
            outcome = await attempt(doors, caller, f"{session['id']}/{door}")
            assert outcome == ((200, role) if role in roles else (403, "FORBIDDEN")), door
        assert await attempt(doors, api.service(), f"{session['id']}/{door}") == (200, "host")
        assert await attempt(doors, api.caller(), f"{session['id']}/{door}") == (403, "FORBIDDEN")
        unknown = await attempt(doors, api.service(), f"{uuid4()}/{door}")
        assert unknown == (404, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(
    ("action", "code"), [("pause", "SESSION_PAUSED"), ("end", "SESSION_ENDED")]
)
async def test_what_rests_is_read_and_not_changed(
    api: Api, doors: httpx.AsyncClient, action: str, code: str
) -> None:
    anna = api.caller()
    session = await anna.create()
    everybody = await people(api, session)
    await anna.post(f"{SESSIONS}/{session['id']}/{action}")
    for door in ("take-part", "edit"):
        for caller in (anna, api.service()):
            is_open = action == "pause"  # RUL-8: hosts go on
            outcome = (200, "host") if is_open else (409, code)
            assert await attempt(doors, caller, f"{session['id']}/{door}") == outcome
        editor = everybody[Role.EDITOR]
        assert await attempt(doors, editor, f"{session['id']}/{door}") == (409, code)
    viewer = everybody[Role.VIEWER]
    assert await attempt(doors, viewer, f"{session['id']}/edit") == (403, "FORBIDDEN")
    assert await attempt(doors, viewer, f"{session['id']}/read") == (200, "viewer")
    assert await attempt(doors, anna, f"{session['id']}/host") == (200, "host")


# In somebody's name


async def test_a_service_acts_in_somebodys_name(api: Api, doors: httpx.AsyncClient) -> None:
    backend, person = api.service(), uuid4()
    headers = {"Authorization": f"Bearer {backend.token}", "X-Acting-User": str(person)}
    acting = (await doors.get("/api/caller", headers=headers)).json()["data"]
    assert acting == {"user": str(person), "kind": "user", "via": str(backend.user_id)}
    del headers["X-Acting-User"]
    itself = (await doors.get("/api/caller", headers=headers)).json()["data"]
    assert itself == {"user": str(backend.user_id), "kind": "service", "via": None}


async def test_the_log_says_who_acts_for_whom(api: Api) -> None:
    backend, person = api.service(), uuid4()
    with structlog.testing.capture_logs() as logs:
        await backend.get(SESSIONS, headers={"X-Acting-User": str(person)})
        await backend.get(SESSIONS)
    acting, itself = logs
    assert (acting["acting_user"], acting["via"]) == (str(person), str(backend.user_id))
    assert "acting_user" not in itself


async def test_nobody_else_acts_for_others(api: Api) -> None:
    for caller in (api.caller(), api.caller(kind="agent")):
        for named in (str(uuid4()), "x"):
            answer = await caller.get(SESSIONS, headers={"X-Acting-User": named})
            assert refusal(answer) == (403, "FORBIDDEN")


@pytest.mark.parametrize("named", ["", "x", "0123456789abcdef" * 2])
async def test_who_is_acted_for_is_named_by_a_uuid(api: Api, named: str) -> None:
    answer = await api.service().get(SESSIONS, headers={"X-Acting-User": named})
    assert refusal(answer) == (400, "INVALID_PARAMETER")
    (error,) = answer.json()["error"]["details"]["errors"]
    assert error["field"] == "X-Acting-User"


async def test_two_names_are_none(api: Api) -> None:
    token = api.service().token
    headers = [("Authorization", f"Bearer {token}"), *[("X-Acting-User", str(uuid4()))] * 2]
    assert refusal(await api.client.get(SESSIONS, headers=headers)) == (400, "INVALID_PARAMETER")


async def test_in_somebodys_name_a_service_may_what_they_may(
    api: Api, doors: httpx.AsyncClient
) -> None:
    session = await api.caller().create()
    backend = api.service()
    for role, caller in (await people(api, session)).items():
        acting = {"X-Acting-User": str(caller.user_id)}
        outcome = await attempt(doors, backend, f"{session['id']}/edit", **acting)
        may = role in {Role.HOST, Role.EDITOR}
        assert outcome == ((200, role) if may else (403, "FORBIDDEN"))
    stranger = {"X-Acting-User": str(uuid4())}
    outcome = await attempt(doors, backend, f"{session['id']}/read", **stranger)
    assert outcome == (403, "FORBIDDEN")


async def test_a_service_acts_only_where_it_may_be(api: Api, doors: httpx.AsyncClient) -> None:
    anna = api.caller()
    session = await anna.create()
    acting = {"X-Acting-User": str(anna.user_id)}
    there = api.service(workspaces=[str(anna.workspace)])
    elsewhere = api.service(workspaces=[str(uuid4())])
    path = f"{session['id']}/host"
    assert await attempt(doors, there, path, **acting) == (200, "host")
    assert await attempt(doors, elsewhere, path, **acting) == (403, "FORBIDDEN")
    for backend, expected in ((there, [session["id"]]), (elsewhere, [])):
        listed = await backend.get(SESSIONS, headers=acting)
        assert [item["id"] for item in listed.json()["data"]["items"]] == expected


async def test_a_session_created_in_somebodys_name_is_theirs(api: Api) -> None:
    person, workspace = uuid4(), uuid4()
    body = {"workspace_id": str(workspace), "session_type": "whiteboard"}
    acting = {"X-Acting-User": str(person)}
    for backend, status in (
        (api.service(), 201),
        (api.service(workspaces=[str(workspace)]), 201),
        (api.service(workspaces=[str(uuid4())]), 403),
    ):
        answer = await backend.post(SESSIONS, json=body, headers=acting)
        assert answer.status_code == status
        if status == 201:
            assert answer.json()["data"]["host_user_id"] == str(person)
