"""What requests leave in the audit trail (AUR), and where from."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from crdt_docs.identifiers import ActorKind
from server.audit_origin import network_of
from server.rest.auditing import DEEDS
from server.rest.routes import ROUTERS
from tests.server.rest_client import Api

ROOT = Path(__file__).parents[2]
ACTION = re.compile(r"\"([a-z]+\.[a-z_]+)\"")
SUBJECTS = {
    "access",
    "annotation",
    "audit",
    "edit",
    "member",
    "object",
    "participant",
    "privacy",
    "room",
    "session",
    "snapshot",
    "socket",
    "token",
}


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    made = Api(tmp_path)
    async with made.client:
        yield made


def test_every_deed_is_an_operation_that_there_is() -> None:
    operations = {getattr(route, "name", "") for router in ROUTERS for route in router.routes}
    assert set(DEEDS) <= operations


async def test_aur_1_what_was_done_is_in_the_trail(api: Api) -> None:
    host = api.caller()
    session = await host.create()
    path = f"/api/ocw/sessions/{session['id']}"
    for verb in ("pause", "resume", "end"):
        await host.post(f"{path}/{verb}")
    await host.delete(path)
    assert api.audit.actions == [
        "session.created",
        "session.paused",
        "session.resumed",
        "session.ended",
        "session.deleted",
    ]
    assert {event.session_id for event in api.audit.events} == {UUID(session["id"])}
    assert {event.actor for event in api.audit.events} == {host.user_id}
    assert {event.actor_kind for event in api.audit.events} == {ActorKind.USER}
    assert {event.via for event in api.audit.events} == {None}


async def test_aur_1_a_role_that_changed_says_whose_and_to_what(api: Api) -> None:
    host, guest = api.caller(), api.caller()
    session = await host.create(config={"default_role": "viewer"})
    path = f"/api/ocw/sessions/{session['id']}"
    await guest.post(f"{path}/join")
    await host.call("PATCH", f"{path}/participants/{guest.user_id}", json={"role": "editor"})
    joined, changed = api.audit.events[1:]
    assert (joined.action, joined.actor) == ("participant.joined", guest.user_id)
    assert joined.details == {"role": "viewer"}
    assert (changed.action, changed.actor) == ("participant.role_changed", host.user_id)
    assert changed.target == f"user/{guest.user_id}"
    assert changed.details == {"role": "editor"}


async def test_aur_1_exports_and_snapshots_are_told(api: Api) -> None:
    host = api.caller()
    session = await host.create()
    path = f"/api/ocw/sessions/{session['id']}"
    api.live.is_stored = True
    answer = await host.get(f"{path}/export?format=json")
    assert answer.status_code == 200, answer.text
    exported = api.audit.events[-1]
    assert (exported.action, exported.details) == ("session.exported", {"format": "json"})


async def test_edits_are_counted(api: Api) -> None:
    host = api.caller()
    session = await host.create()
    path = f"/api/ocw/sessions/{session['id']}/objects"
    answer = await host.post(path, json={"id": "note", "object_type": "sticky"})
    assert answer.status_code == 202, answer.text
    (created,) = api.audit.tallied
    assert (created.action, created.target) == ("object.created", "object/note")
    assert "sticky" not in repr(created)


async def test_a_service_is_told_beside_the_person_it_acts_for(api: Api) -> None:
    service, person = api.service(), uuid4()
    answer = await service.post(
        "/api/ocw/sessions",
        json={"workspace_id": str(service.workspace), "session_type": "whiteboard"},
        headers={"X-Acting-User": str(person)},
    )
    assert answer.status_code == 201
    (created,) = api.audit.events
    assert (created.actor, created.actor_kind) == (person, ActorKind.USER)
    assert created.via == service.user_id


async def test_aur_1_an_answer_that_is_given_again_is_no_second_deed(api: Api) -> None:
    host = api.caller()
    body = {"workspace_id": str(host.workspace), "session_type": "whiteboard"}
    for _ in range(2):
        answer = await host.post("/api/ocw/sessions", json=body, headers={"Idempotency-Key": "k-1"})
        assert answer.status_code == 201
    assert api.audit.actions == ["session.created"]


async def test_aur_2_what_is_denied_is_counted(api: Api) -> None:
    host, stranger = api.caller(), api.caller()
    session = await host.create()
    path = f"/api/ocw/sessions/{session['id']}"
    await stranger.post(f"{path}/end")
    stranger.token = "no token"
    await stranger.post(f"{path}/end")
    known, unknown = api.audit.tallied
    assert known.actor == stranger.user_id
    assert known.session_id == UUID(session["id"])
    assert known.details == {"operation": "end_session", "code": "FORBIDDEN"}
    assert (unknown.actor, unknown.actor_kind, unknown.session_id) == (None, None, None)
    assert unknown.details == {"operation": "end_session", "code": "UNAUTHENTICATED"}
    assert api.audit.actions == ["session.created"]


@pytest.mark.parametrize("token", ["no token", None])
async def test_aur_4_strangers_cannot_fill_the_trail(api: Api, token: str | None) -> None:
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    for _ in range(9):
        path = f"/api/ocw/sessions/{uuid4()}/participants/{uuid4()}"
        await api.client.delete(path, headers={"X-Identity-ID": str(uuid4()), **authorization})
    told = api.audit.tallied
    assert {event.origin.identity_id for event in told} == {None}
    assert {(event.actor, event.session_id, event.target) for event in told} == {(None, None, None)}
    assert {str(event.details) for event in told} == {str(told[0].details)}


async def test_what_fails_otherwise_is_no_deed(api: Api) -> None:
    host = api.caller()
    session = await host.create()
    path = f"/api/ocw/sessions/{session['id']}"
    await host.post(f"{path}/end")
    assert (await host.post(f"{path}/pause")).status_code == 409
    assert api.audit.actions == ["session.created", "session.ended"]


async def test_where_a_request_came_from_is_kept(api: Api) -> None:
    host, identity = api.caller(), uuid4()
    headers = {"X-Request-ID": "mine", "X-Identity-ID": str(identity)}
    body = {"workspace_id": str(host.workspace), "session_type": "whiteboard"}
    await host.post("/api/ocw/sessions", json=body, headers=headers)
    origin = api.audit.events[0].origin
    assert (origin.request_id, origin.identity_id) == ("mine", identity)
    assert origin.network == "127.0.0.0/24"


@pytest.mark.parametrize("given", ["ana@example.org", "", "1" * 5000])
async def test_an_identity_that_is_no_uuid_is_not_kept(api: Api, given: str) -> None:
    host = api.caller()
    body = {"workspace_id": str(host.workspace), "session_type": "whiteboard"}
    await host.post("/api/ocw/sessions", json=body, headers={"X-Identity-ID": given})
    assert api.audit.events[0].origin.identity_id is None


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("/run/collab.sock", None),
        ("", None),
    ],
)
def test_of_an_address_the_network_is_kept(host: str, network: str | None) -> None:
    assert network_of(host) == network


def test_every_action_is_in_the_documentation() -> None:
    """Looked for in the code: a word of two parts that is given as an action."""
    page = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    sources = [*(ROOT / "server").rglob("*.py")]
    words = {
        word
        for source in sources
        for word in ACTION.findall(source.read_text(encoding="utf-8"))
        if word.partition(".")[0] in SUBJECTS
    }
    assert words >= {deed.action for deed in DEEDS.values()} | {"socket.joined", "audit.lost"}
    assert {word for word in words if f"`{word}`" not in page} == set()
