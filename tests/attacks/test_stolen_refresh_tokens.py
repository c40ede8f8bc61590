"""Refresh tokens in the wrong hands: used twice, guessed, altered; and what goes with them."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.attacks.neighbours import Neighbours
from tests.attacks.sockets import ending
from tests.helpers.server_process import ServerProcess, mint
from tests.helpers.yjs_peer import YjsPeer

SETTINGS = {"COLLAB_AUTH_PER_MINUTE": "10000"}

UNAUTHENTICATED = 4401


async def _call(
    server: ServerProcess, path: str, body: dict[str, Any], token: str = ""
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=30.0, headers=headers) as client:
        return await client.post(f"{server.api}/auth/{path}", json=body)


async def _issued(server: ServerProcess, session: str, user: UUID) -> dict[str, Any]:
    body = {"user_id": str(user), "grants": {f"ocw/{session}": "editor"}}
    answer = await _call(server, "token", body, mint(uuid4(), is_service=True))
    assert answer.is_success, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def _refreshed(server: ServerProcess, token: str) -> httpx.Response:
    return await _call(server, "refresh", {"refresh_token": token})


async def test_one_that_is_used_twice_ends_all_that_came_of_it(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    """Whoever stole it, or the one it was stolen from, is second: neither keeps anything."""
    first = await _issued(server, neighbours.session.id, uuid4())
    second = (await _refreshed(server, first["refresh_token"])).json()["data"]
    url = neighbours.session.invite_with(second["access_token"]).url
    async with await YjsPeer.join(url) as peer:
        reused = await _refreshed(server, first["refresh_token"])
        assert reused.status_code == 401
        await peer.until(lambda: not peer.is_connected)
        assert peer.wire.closed is not None
        assert peer.wire.closed[0] == UNAUTHENTICATED
    peer.forget()
    assert (await _refreshed(server, second["refresh_token"])).status_code == 401
    for token in (first["access_token"], second["access_token"]):
        closed = await ending(neighbours.session.invite_with(token).url)
        assert (closed.code, closed.frames) == (UNAUTHENTICATED, ())


async def test_neither_guesses_nor_other_tokens_refresh(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    issued = await _issued(server, neighbours.session.id, uuid4())
    good = issued["refresh_token"]
    for guess in (
        "",
        "a",
        good[:-1],
        good + "a",
        good.swapcase(),
        f" {good}",
        good[::-1],
        issued["access_token"][:256],
        "' OR '1'='1",
        "%",
    ):
        answer = await _refreshed(server, guess)
        assert answer.status_code in (400, 401)
        assert "access_token" not in answer.text
        assert not guess or len(guess) < 8 or guess not in answer.text
    assert (await _refreshed(server, good)).is_success


async def test_a_refresh_token_is_no_access_token(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    issued = await _issued(server, neighbours.session.id, uuid4())
    closed = await ending(neighbours.session.invite_with(issued["refresh_token"]).url)
    assert (closed.code, closed.frames) == (UNAUTHENTICATED, ())
    answer = await server.request("GET", "/ocw/sessions")
    assert answer.is_success
    async with httpx.AsyncClient(timeout=30.0) as client:
        refused = await client.get(
            f"{server.api}/ocw/sessions",
            headers={"Authorization": f"Bearer {issued['refresh_token']}"},
        )
    assert refused.status_code == 401


@pytest.mark.parametrize("kind", ["user", "agent", "host"])
async def test_only_services_mint_tokens(
    server: ServerProcess, neighbours: Neighbours, kind: str
) -> None:
    claims: dict[str, Any] = {"kind": "agent"} if kind == "agent" else {}
    grants = {f"ocw/{neighbours.session.id}": "host"} if kind == "host" else None
    answer = await _call(
        server, "token", {"user_id": str(uuid4())}, mint(uuid4(), grants=grants, **claims)
    )
    assert answer.status_code == 403


async def test_no_token_is_minted_for_more_than_the_service_has(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    bound = mint(uuid4(), is_service=True, workspaces=[str(uuid4())])
    for more in ({}, {"grants": {f"ocw/{neighbours.session.id}": "host"}}):
        answer = await _call(server, "token", {"user_id": str(uuid4()), **more}, bound)
        assert answer.status_code == 403, (more, answer.text)
    service = mint(uuid4(), is_service=True)
    for claim in ({"scope": "service"}, {"kind": "service"}):
        answer = await _call(server, "token", {"user_id": str(uuid4()), **claim}, service)
        assert answer.status_code == 400, (claim, answer.text)


async def test_a_refresh_token_does_not_revoke_that_of_another(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    """Neither by itself, nor by naming a user or a token without being a service."""
    victim = uuid4()
    issued = await _issued(server, neighbours.session.id, victim)
    token = mint(uuid4())
    for body in ({"user_id": str(victim)}, {"jti": "any", "user_id": str(victim)}):
        for bearer in ("", token):
            answer = await _call(server, "revoke", body, bearer)
            assert answer.status_code in (400, 401, 403)
    assert (await _refreshed(server, issued["refresh_token"])).is_success


async def test_revoking_closes_what_is_open(server: ServerProcess, neighbours: Neighbours) -> None:
    user = uuid4()
    issued = await _issued(server, neighbours.session.id, user)
    url = neighbours.session.invite_with(issued["access_token"]).url
    async with await YjsPeer.join(url) as peer:
        answer = await _call(server, "revoke", {"refresh_token": issued["refresh_token"]})
        assert answer.is_success, answer.text
        await peer.until(lambda: not peer.is_connected)
        assert peer.wire.closed is not None
        assert peer.wire.closed[0] == UNAUTHENTICATED
    peer.forget()
