"""What people complain about: no change of permission on an open socket, expiry not enforced,
read-only not enforced. Here stock clients meet all three (ACC-10 to ACC-15).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from crdt_docs.varint import var_string
from tests.helpers.hocuspocus_clients import VERSIONS, HocuspocusClients
from tests.helpers.node_clients import NodeClient, NodeClients, NodeProcess
from tests.helpers.server_process import Invitation, LiveSession, ServerProcess
from tests.interop.agreement import agree

DRAG = """
    client.at = 0
    client.drag = setInterval(() => doc.getMap('objects').set('dragged', ++client.at), 5)"""
SEND = "provider.ws.send(new Uint8Array(args.frame))"


async def call(
    session: LiveSession, by: Invitation, method: str, path: str, **more: Any
) -> dict[str, Any]:
    """A request with somebody's own token; gives the answer's data."""
    headers = {"Authorization": f"Bearer {by.token}"}
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.request(
            method, f"{session.server.api}/ocw/sessions/{session.id}{path}", headers=headers, **more
        )
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def set_role(session: LiveSession, host: Invitation, who: Invitation, role: str) -> None:
    await call(session, host, "PATCH", f"/participants/{who.user_id}", json={"role": role})


async def shown_role(to: NodeClient, of: NodeClient, role: str) -> None:
    await to.until(
        "awareness.getStates().get(args.id)?.user?.role === args.role", id=of.client_id, role=role
    )


async def closed(client: NodeClient, code: int) -> dict[str, Any]:
    """How a client's first socket was closed."""
    await client.until("client.closes.length > 0")
    close: dict[str, Any] = (await client.field("closes"))[0]
    assert close["code"] == code, close
    return close


async def test_auth_a_role_changed_in_the_middle_of_a_drag(
    clients: NodeClients, session: LiveSession
) -> None:
    host, dragger = session.invite("host", name="Ada"), session.invite(name="Ben")
    ada, ben = await clients.join("ada", host), await clients.join("ben", dragger)
    await call(session, dragger, "POST", "/join")
    await ben.run("awareness.setLocalStateField('cursor', 1)")
    await shown_role(ada, ben, "editor")
    await ben.run(DRAG)
    await ada.until("doc.getMap('objects').get('dragged') > 20")
    before = await ben.run("return client.at")
    await ada.until("doc.getMap('objects').get('dragged') >= args.before", before=before)
    began = time.monotonic()
    await set_role(session, host, dragger, "viewer")
    after = await ben.run("return client.at")
    await ben.until("client.denials.length > 0")
    assert time.monotonic() - began < 1, "it counts within a second"
    await shown_role(ada, ben, "viewer")
    await ben.run("clearInterval(client.drag)")
    kept = await ada.run("return doc.getMap('objects').get('dragged')")
    assert before <= kept <= after, "the edits before are kept, the edits after are refused"
    assert (await session.state())["objects"]["dragged"] == kept
    await set_role(session, host, dragger, "editor")
    await shown_role(ada, ben, "editor")
    await ben.run("doc.getMap('objects').set('again', 1)")
    await ada.until("doc.getMap('objects').get('again') === 1")
    assert await ben.field("closes") == [], "nobody had to reconnect"
    assert await ben.field("sockets") == 1
    await agree(session, ada)


async def test_auth_a_spectator_disappears_and_comes_back(
    clients: NodeClients, session: LiveSession
) -> None:
    host, guest = session.invite("host", name="Ada"), session.invite(name="Ben")
    ada, ben = await clients.join("ada", host), await clients.join("ben", guest)
    await call(session, guest, "POST", "/join")
    await ben.run("awareness.setLocalStateField('cursor', 1)")
    await shown_role(ada, ben, "editor")
    await set_role(session, host, guest, "spectator")
    await ada.until("!awareness.getStates().has(args.id)", id=ben.client_id)
    await set_role(session, host, guest, "viewer")
    await shown_role(ada, ben, "viewer")
    assert await ben.field("sockets") == 1


async def test_auth_who_was_removed_is_closed_for_good(
    clients: NodeClients, session: LiveSession
) -> None:
    host, guest = session.invite("host"), session.invite()
    ada, ben = await clients.join("ada", host), await clients.join("ben", guest)
    began = time.monotonic()
    await call(session, host, "DELETE", f"/participants/{guest.user_id}")
    close = await closed(ben, 4403)
    assert time.monotonic() - began < 1
    assert close["reason"] == "you were removed from this session"
    assert await ben.run("return provider.shouldConnect") is False
    assert await ada.field("closes") == []
    await closed(await clients.create("ben again", guest), 4403)


async def test_auth_while_paused_only_hosts_edit(
    clients: NodeClients, session: LiveSession
) -> None:
    host, guest = session.invite("host"), session.invite()
    ada, ben = await clients.join("ada", host), await clients.join("ben", guest)
    await call(session, host, "POST", "/pause")
    late = await clients.join("late", session.invite())
    for client in (ben, late):
        await client.run("doc.getMap('objects').set('paused', 1)")
        await client.until("client.denials.length > 0")
    await ada.run("doc.getMap('objects').set('by the host', 1)")
    await ben.until("doc.getMap('objects').get('by the host') === 1")
    await call(session, host, "POST", "/resume")
    await late.run("doc.getMap('objects').set('resumed', 1)")
    await ada.until("doc.getMap('objects').get('resumed') === 1")
    assert "paused" not in (await session.state())["objects"]
    assert await ben.field("closes") == await late.field("closes") == []


async def test_auth_who_leaves_is_closed(clients: NodeClients, session: LiveSession) -> None:
    guest = session.invite()
    ben = await clients.join("ben", guest)
    await call(session, guest, "POST", "/join")
    await call(session, guest, "POST", "/leave")
    await closed(ben, 4403)
    await call(session, guest, "POST", "/join")
    await clients.join("ben again", guest)


async def test_auth_a_token_ends_on_the_second_unless_it_is_renewed(
    clients: NodeClients, session: LiveSession
) -> None:
    renewing = session.invite(lifetime=4)
    expiring = session.invite(lifetime=4)
    ends = time.time() + 4
    ada = await clients.join("ada", renewing)
    ben = await clients.join("ben", expiring)
    following = session.invite(user_id=renewing.user_id)
    await ada.run(SEND, frame=list(b"\x02\x00" + var_string(following.token)))
    await closed(ben, 4501)
    assert ends - 1.2 <= time.time() <= ends + 1
    await asyncio.sleep(max(0.0, ends + 0.5 - time.time()))
    await ada.run("doc.getMap('objects').set('still', 'here')")
    await agree(session, ada)
    assert await ada.field("closes") == []
    assert await ada.field("denials") == [], "a renewal is not answered"


async def test_auth_a_renewal_of_somebody_else_closes(
    clients: NodeClients, session: LiveSession
) -> None:
    ben = await clients.join("ben", session.invite())
    await ben.run(SEND, frame=list(b"\x02\x00" + var_string(session.invite("host").token)))
    await closed(ben, 4401)


async def test_auth_a_renewal_gives_no_more_than_a_new_socket_would(
    clients: NodeClients, session: LiveSession
) -> None:
    """The new token grants less: it counts at once."""
    guest = session.invite()
    ada, ben = await clients.join("ada", session.invite()), await clients.join("ben", guest)
    lesser = session.invite("viewer", user_id=guest.user_id)
    await ben.run("awareness.setLocalStateField('cursor', 1)")
    await ben.run(SEND, frame=list(b"\x02\x00" + var_string(lesser.token)))
    await shown_role(ada, ben, "viewer")
    await ben.run("doc.getMap('objects').set('refused', 1)")
    await ben.until("client.denials.length > 0")
    assert "refused" not in (await session.state())["objects"]


@pytest.fixture
async def hocuspocus(node_process: NodeProcess) -> AsyncIterator[HocuspocusClients]:
    """Sockets of stock Hocuspocus providers, closed when the test ends."""
    async with HocuspocusClients(node_process) as made:
        yield made


@pytest.mark.parametrize("version", VERSIONS)
async def test_auth_hocuspocus_clients_meet_the_same(
    hocuspocus: HocuspocusClients, clients: NodeClients, session: LiveSession, version: int
) -> None:
    host, guest = session.invite("host"), session.invite()
    ada = await clients.join("ada", host)
    socket = await hocuspocus.socket(session.server.collab_url, version)
    ben = await socket.enter("ben", guest)
    await call(session, guest, "POST", "/join")
    await ben.run("doc.getMap('objects').set('before', 1)")
    await ada.until("doc.getMap('objects').get('before') === 1")
    await set_role(session, host, guest, "viewer")
    await ben.run("doc.getMap('objects').set('refused', 1)")
    await ben.until("client.syncStatuses.includes(0)")
    await set_role(session, host, guest, "editor")
    await ben.run("doc.getMap('objects').set('again', 1)")
    await ada.until("doc.getMap('objects').get('again') === 1")
    assert set((await session.state())["objects"]) == {"before", "again"}
    assert await ben.run("return client.shared.sockets") == 1
    await call(session, host, "DELETE", f"/participants/{guest.user_id}")
    await ben.until("client.closes.length + client.refusals.length > 0")
    await ben.run("doc.getMap('objects').set('removed', 1)")
    await ada.run("doc.getMap('objects').set('last', 1)")
    await agree(session, ada)
    assert set((await session.state())["objects"]) == {"before", "again", "last"}


@pytest.fixture
async def issued(session: LiveSession) -> dict[str, Any]:
    """Tokens that the backend gets for a person."""
    body = {"user_id": str(uuid4()), "grants": {f"ocw/{session.id}": "editor"}}
    answer = await session.server.request("POST", "/auth/token", json=body)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def refresh(session: LiveSession, token: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        return await client.post(
            f"{session.server.api}/auth/refresh", json={"refresh_token": token}
        )


async def test_auth_a_reused_refresh_token_closes_the_sockets_of_both(
    clients: NodeClients, session: LiveSession, issued: dict[str, Any]
) -> None:
    ada = await clients.join("ada", session.invite_with(issued["access_token"]))
    following = (await refresh(session, issued["refresh_token"])).json()["data"]
    thief = await clients.join("thief", session.invite_with(following["access_token"]))
    stays = await clients.join("stays", session.invite())
    began = time.monotonic()
    assert (await refresh(session, issued["refresh_token"])).status_code == 401
    for client in (ada, thief):
        await closed(client, 4401)
    assert time.monotonic() - began < 1
    assert await stays.field("closes") == []
    assert (await refresh(session, following["refresh_token"])).status_code == 401


async def test_auth_a_revocation_outlives_the_server(
    clients: NodeClients, server: ServerProcess, session: LiveSession, issued: dict[str, Any]
) -> None:
    body = {"user_id": issued["user_id"]}
    ada = await clients.join("ada", session.invite_with(issued["access_token"]))
    assert (await server.request("POST", "/auth/revoke", json=body)).status_code == 200
    await closed(ada, 4401)
    assert await asyncio.to_thread(server.stop) == 0
    await asyncio.to_thread(server.start)
    again = await clients.create("again", session.invite_with(issued["access_token"]))
    close = await closed(again, 4401)
    assert close["reason"] == "the token was revoked: sign in again"
    assert issued["access_token"] not in server.log()
    assert issued["refresh_token"] not in server.log()
