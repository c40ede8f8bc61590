"""Being somebody else: in presence, in what an object says of its creator, in headers."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.attacks.neighbours import Neighbours
from tests.attacks.sockets import ending
from tests.helpers.server_process import ServerProcess, mint
from tests.helpers.yjs_peer import YjsPeer, awareness

VICTIM = UUID("11111111-2222-4333-8444-555555555555")

POSES: dict[str, Any] = {
    "another person": {"user": {"id": str(VICTIM), "name": "Victim", "role": "host"}},
    "a service": {"user": {"id": str(VICTIM), "kind": "service", "role": "host"}},
    "a user that is a text": {"user": str(VICTIM)},
    "the same key twice": None,
    "keys that look the same": {"user": {"id": str(VICTIM)}, "User": {"id": str(VICTIM)}},
    "prototypes": {"__proto__": {"user": {"id": str(VICTIM)}}, "constructor": {"prototype": 1}},
}
TWICE = f'{{"user":{{"id":"{VICTIM}"}},"user":{{"id":"{VICTIM}","role":"host"}}}}'


def _of(peer: YjsPeer, client_id: int) -> dict[str, Any]:
    """What somebody sees of a client id."""
    state: dict[str, Any] = peer.presence[client_id][1]
    return state


@pytest.mark.parametrize("pose", POSES)
async def test_presence_says_who_one_is(neighbours: Neighbours, pose: str) -> None:
    """AWR-4: whatever a client says of its user, others see what its token says."""
    mallory = uuid4()
    url = neighbours.session.invite(name="Mallory", user_id=mallory).url
    async with await YjsPeer.join(url) as peer:
        told = TWICE if POSES[pose] is None else json.dumps(POSES[pose])
        peer.send(awareness([(peer.client_id, 1, told)]))
        onlooker = neighbours.first
        await onlooker.until(lambda: peer.client_id in onlooker.presence)
        user = _of(onlooker, peer.client_id)["user"]
        assert (user["id"], user["name"]) == (str(mallory), "Mallory")
        assert (user["role"], user["kind"]) == ("editor", "user")
    peer.forget()


async def test_nobody_speaks_for_others_or_makes_them_leave(neighbours: Neighbours) -> None:
    """AWR-2: neither a changed state nor a removal of a client id that somebody else introduced."""
    onlooker = neighbours.second
    async with await YjsPeer.join(
        neighbours.session.invite(name="Alice").url, state={"cursor": {"x": 1}}
    ) as alice:
        await onlooker.until(lambda: alice.client_id in onlooker.presence)
        async with await YjsPeer.join(neighbours.session.invite(name="Mallory").url) as mallory:
            mallory.send(awareness([(mallory.client_id, 1, "{}")]))
            for clock in (2, 1000, 2**49):
                mallory.send(awareness([(alice.client_id, clock, '{"cursor":{"x":666}}')]))
                mallory.send(awareness([(alice.client_id, clock, "null")]))
            mallory.send(awareness([(mallory.client_id, 2, '{"done":true}')]))
            await onlooker.until(
                lambda: (
                    _of(onlooker, mallory.client_id).get("done") is True
                    if mallory.client_id in onlooker.presence
                    else False
                )
            )
            assert _of(onlooker, alice.client_id)["cursor"] == {"x": 1}
            assert _of(onlooker, alice.client_id)["user"]["name"] == "Alice"
        mallory.forget()
    alice.forget()


async def test_a_spectator_is_not_seen_whatever_it_says(neighbours: Neighbours) -> None:
    """AWR-8."""
    async with await YjsPeer.join(neighbours.session.invite("spectator").url) as peer:
        told = json.dumps({"user": {"role": "host"}})
        peer.send(awareness([(peer.client_id, 1, told)]))
        await neighbours.edit()
        await asyncio.sleep(0.1)
        assert peer.client_id not in neighbours.first.presence
    peer.forget()


async def _call(
    server: ServerProcess, method: str, path: str, token: str, **options: Any
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    async with httpx.AsyncClient(timeout=30.0, headers=headers) as client:
        return await client.request(method, f"{server.api}/ocw/sessions/{path}", **options)


async def test_what_is_made_by_rest_names_who_made_it(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    mallory = uuid4()
    token = mint(mallory, grants={f"ocw/{neighbours.session.id}": "editor"})
    base = f"{neighbours.session.id}/objects"
    body = {"object_type": "sticky", "created_by": str(VICTIM), "updated_by": str(VICTIM)}
    refused = await _call(server, "POST", base, token, json=body)
    if refused.is_success:
        made = refused.json()["data"]
        assert made["created_by"] == str(mallory)
    made = (await _call(server, "POST", base, token, json={"object_type": "sticky"})).json()["data"]
    assert made["created_by"] == str(mallory)
    changed = await _call(
        server, "PATCH", f"{base}/{made['id']}", token, json={"created_by": str(VICTIM)}
    )
    read = (await _call(server, "GET", f"{base}/{made['id']}", token)).json()["data"]
    assert read["created_by"] == str(mallory), changed.text


async def test_what_a_client_writes_of_its_creator_is_not_believed_by_history(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    """HST-4: a change is by whom its token names, whatever the object says."""
    mallory = uuid4()
    async with await YjsPeer.join(
        neighbours.session.invite(user_id=mallory).url_with(ack="1")
    ) as peer:
        peer.objects["forged"] = {"object_type": "sticky", "created_by": str(VICTIM)}
        await peer.until(lambda: bool(peer.wire.sent) and peer.wire.stored == len(peer.wire.sent))
    peer.forget()
    history = await server.request(
        "GET", f"/ocw/sessions/{neighbours.session.id}/objects/forged/history"
    )
    versions = history.json()["data"]["items"]
    assert [version["changed_by"] for version in versions] == [str(mallory)]


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Acting-User": str(VICTIM)},
        {"X-Acting-User": "not a user"},
    ],
)
async def test_only_services_act_for_others(
    server: ServerProcess, neighbours: Neighbours, headers: dict[str, str]
) -> None:
    token = mint(uuid4(), grants={f"ocw/{neighbours.session.id}": "host"})
    answer = await _call(server, "GET", f"{neighbours.session.id}/state", token, headers=headers)
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Identity-ID": str(VICTIM)},
        {"X-User-ID": str(VICTIM), "X-Forwarded-User": str(VICTIM), "Remote-User": str(VICTIM)},
        {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "DELETE"},
        {"X-Original-URL": "/api/ocw/sessions", "X-Rewrite-URL": "/api/ocw/sessions"},
        {"Cookie": f"token={mint(uuid4(), is_service=True)}"},
        {"Proxy-Authorization": f"Bearer {mint(uuid4(), is_service=True)}"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_no_other_header_makes_one_somebody_else(
    server: ServerProcess, neighbours: Neighbours, headers: dict[str, str]
) -> None:
    answer = await _call(
        server, "GET", f"{neighbours.session.id}/state", mint(uuid4()), headers=headers
    )
    assert answer.status_code == 403
    closed = await ending(
        neighbours.session.invite_with(mint(uuid4())).url, headers=list(headers.items())
    )
    assert (closed.code, closed.frames) == (4403, ())


async def test_a_role_is_not_asked_for(neighbours: Neighbours) -> None:
    """Neither parameters nor what a client says of itself make a viewer an editor."""
    invitation = neighbours.session.invite("viewer", name="Mallory")
    url = invitation.url_with(role="host", user_id=str(VICTIM), readonly="false")
    async with await YjsPeer.join(url) as peer:
        peer.objects["mine"] = "written by a viewer"
        await peer.until(lambda: bool(peer.denials))
        await neighbours.edit()
        assert "mine" not in neighbours.first.objects
    peer.forget()
