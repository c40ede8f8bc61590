"""What a stock provider does when it is turned away or sent away (PROTOCOL: close codes)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from websockets.asyncio.client import connect

from tests.helpers.node_clients import NodeClient, NodeClients
from tests.helpers.server_process import SECRET, Invitation, LiveSession, ServerProcess, mint
from tests.helpers.yjs_peer import YjsPeer


async def has_stopped(client: NodeClient, code: int) -> None:
    """The provider has given up for good, and knows why."""
    await client.until("client.ended.length > 0")
    assert [end["code"] for end in await client.field("ended")] == [code]
    [close] = await client.field("closes")
    assert close["code"] == code
    assert close["reason"], "a close carries a reason a developer can act on"
    # A provider that retries does so after 200 ms at first.
    await client.run("await new Promise(resolve => setTimeout(resolve, 300))")
    assert await client.run("return provider.shouldConnect") is False
    assert await client.field("sockets") == 1


def _unsigned(session: LiveSession) -> str:
    claims = jwt.decode(session.invite().token, options={"verify_signature": False})
    return jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type] # what an attacker does


def _without(claim: str) -> Callable[[LiveSession], str]:
    def token(session: LiveSession) -> str:
        claims = jwt.decode(session.invite().token, options={"verify_signature": False})
        del claims[claim]
        return jwt.encode(claims, SECRET, algorithm="HS256")

    return token


def _granting(**claims: Any) -> Callable[[LiveSession], str]:
    return lambda session: mint(uuid4(), grants={f"ocw/{session.id}": "editor"}, **claims)


BAD_TOKENS: dict[str, Callable[[LiveSession], str]] = {
    "none": lambda session: "",
    "not a token": lambda session: "rubbish",
    "expired": _granting(lifetime=-1.0),
    "signed with another secret": _granting(secret="another secret, just as long as the first"),
    "for another audience": _granting(aud="somebody-else"),
    "without a signature": _unsigned,
    "for nobody": _granting(sub="nobody"),
    "not valid yet": _granting(nbf=int(time.time()) + 3600),
    "without an end": _without("exp"),
    "without an id": _without("jti"),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_without_a_good_token_a_provider_stops(
    clients: NodeClients, session: LiveSession, name: str
) -> None:
    invitation = session.invite_with(BAD_TOKENS[name](session))
    client = await clients.create("eve", invitation)
    await has_stopped(client, 4401)
    assert await client.field("syncs") == 0


async def test_without_access_a_provider_stops(clients: NodeClients, session: LiveSession) -> None:
    await has_stopped(await clients.create("eve", session.invite(None)), 4403)


async def test_a_grant_for_another_session_is_none(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    other = await server.create_session()
    await has_stopped(await clients.create("eve", session.invite_with(other.invite().token)), 4403)


@pytest.mark.parametrize(
    "room", ["00000000-0000-4000-8000-000000000000", "not-a-uuid", "%00", "1" * 2000]
)
async def test_where_there_is_no_session_a_provider_stops(
    clients: NodeClients, server: ServerProcess, room: str
) -> None:
    token = mint(uuid4(), is_service=True)
    nowhere = Invitation(server.socket_base, f"{room}/ws", token, uuid4())
    await has_stopped(await clients.create("eve", nowhere), 4404)


async def test_an_ended_session_sends_everybody_away_for_good(
    clients: NodeClients, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    await ada.run("doc.getMap('objects').set('a', 1)")
    await session.end()
    await has_stopped(ada, 4410)
    await has_stopped(await clients.create("late", session.invite()), 4410)
    assert (await session.state())["objects"] == {"a": 1}


async def test_a_deleted_session_is_gone(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    ada = await clients.join("ada", session.invite())
    response = await server.request("DELETE", f"/ocw/sessions/{session.id}")
    assert response.is_success
    await has_stopped(ada, 4410)
    await has_stopped(await clients.create("late", session.invite()), 4404)


async def test_an_expired_token_makes_a_provider_come_back_with_a_new_one(
    clients: NodeClients, session: LiveSession
) -> None:
    """4501: not for good. A page gets a new token and puts it into the parameters."""
    user = uuid4()
    ada = await clients.join("ada", session.invite(user_id=user, lifetime=2.0))
    await ada.run(
        "provider.on('connection-close', () => { provider.params.token = args.token })",
        token=session.invite(user_id=user).token,
    )
    await ada.until("client.syncs === 2")
    assert [close["code"] for close in await ada.field("closes")] == [4501]
    assert await ada.field("ended") == []


async def test_a_graceful_stop_makes_providers_come_back(
    clients: NodeClients, server: ServerProcess, session: LiveSession
) -> None:
    """1012: the server restarts."""
    ada = await clients.join("ada", session.invite())
    await ada.run("doc.getMap('objects').set('before', 1)")
    assert await asyncio.to_thread(server.stop) == 0
    await ada.until("client.closes.length > 0")
    assert (await ada.field("closes"))[0]["code"] == 1012
    await ada.run("doc.getMap('objects').set('meanwhile', 1)")
    await asyncio.to_thread(server.start)
    await ada.until("client.syncs === 2")
    bob = await clients.join("bob", session.invite())
    await bob.until("contents().objects.before && contents().objects.meanwhile")


async def test_a_token_may_travel_as_subprotocol_or_header(session: LiveSession) -> None:
    invitation = session.invite()
    nameless = Invitation(invitation.base, invitation.room, "", invitation.user_id)
    peer = YjsPeer()
    await peer.connect(nameless.url, subprotocol=f"bearer.{invitation.token}")
    await peer.until(lambda: peer.is_synced)
    assert peer.wire.connection.subprotocol == f"bearer.{invitation.token}"
    await peer.leave()
    headers = {"Authorization": f"Bearer {invitation.token}"}
    async with connect(nameless.url, additional_headers=headers) as socket:
        assert (await socket.recv(decode=False))[:2] == b"\x00\x00"
