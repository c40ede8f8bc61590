"""Pages of other origins that use a visitor's browser: sockets, REST, and who may read answers."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.attacks.neighbours import Neighbours
from tests.attacks.sockets import ending
from tests.helpers.server_process import ServerProcess, mint
from tests.helpers.yjs_peer import YjsPeer

FORBIDDEN = 4403

ORIGINS = (
    "https://evil.example",
    "null",
    "",
    "http://127.0.0.1:1",
    "http://127.0.0.1",
    "http://127.0.0.1:{port}.evil.example",
    "http://127.0.0.1:{port}@evil.example",
    "http://evil.example#127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://127.0.0.1.:{port}",
    "http://127.0.0.1:{port}, https://evil.example",
    "file://",
    "chrome-extension://abcdef",
    "http://[::1]:{port}",
)
SAME = "http://127.0.0.1:{port}"


@pytest.mark.parametrize("origin", ORIGINS)
async def test_no_socket_for_a_page_of_another_origin(
    server: ServerProcess, neighbours: Neighbours, origin: str
) -> None:
    """ORG-1: with a good token, and before anything of the document is sent."""
    told = origin.format(port=server.port)
    closed = await ending(neighbours.session.invite().url, headers=[("Origin", told)])
    assert (closed.code, closed.frames) == (FORBIDDEN, ())


async def test_two_origins_are_none(server: ServerProcess, neighbours: Neighbours) -> None:
    headers = [("Origin", SAME.format(port=server.port)), ("Origin", "https://evil.example")]
    with pytest.raises(InvalidStatus) as refused:
        await ending(neighbours.session.invite().url, headers=headers)
    assert refused.value.response.status_code == 400


async def test_the_servers_own_page_may(server: ServerProcess, neighbours: Neighbours) -> None:
    async with await YjsPeer.join(neighbours.session.invite().url) as peer:
        assert peer.is_synced
    peer.forget()


async def test_answers_are_not_readable_by_other_origins(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    headers = {
        "Authorization": f"Bearer {mint(uuid4(), grants={f'ocw/{neighbours.session.id}': 'host'})}",
        "Origin": "https://evil.example",
    }
    address = f"{server.api}/ocw/sessions/{neighbours.session.id}/state"
    async with httpx.AsyncClient(timeout=30.0) as client:
        answer = await client.get(address, headers=headers)
        asked = await client.options(
            address,
            headers={
                "Origin": "https://evil.example",
                "Access-Control-Request-Method": "DELETE",
                "Access-Control-Request-Headers": "authorization",
            },
        )
    for each in (answer, asked):
        assert "access-control-allow-origin" not in each.headers
        assert "access-control-allow-credentials" not in each.headers


async def test_nothing_sets_a_cookie(server: ServerProcess, neighbours: Neighbours) -> None:
    """What a browser sends by itself would let other pages act for whoever visits them."""
    token = mint(uuid4(), grants={f"ocw/{neighbours.session.id}": "host"})
    async with httpx.AsyncClient(
        timeout=30.0, headers={"Authorization": f"Bearer {token}"}
    ) as client:
        for path in ("/", "/docs", "/api/health", f"/api/ocw/sessions/{neighbours.session.id}"):
            answer = await client.get(server.api.removesuffix("/api") + path)
            assert "set-cookie" not in answer.headers
