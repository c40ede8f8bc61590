"""Rates of REST requests: who is counted, who is not, and what past a limit is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response

from server.counters import Counters
from server.limits.requests import RequestLimits, RequestRates
from server.rest.application import RestApplication
from server.rest.callers import CallerOf
from server.rest.endpoint import resource_router
from server.rest.envelope import Reply
from server.rest.routes import rest_routes
from tests.server.rest_client import Api, Caller, refusal


class LimitedApi(Api):
    """The API with small limits, on a clock that is turned by hand."""

    def __init__(self, data_dir: Path, **rates: int) -> None:
        self.now = 1_000_000.0
        self.counters = Counters()
        self.rates = RequestRates(**{"authentications": 3, "reads": 5, "writes": 2, **rates})
        super().__init__(data_dir)

    def __post_init__(self) -> None:
        super().__post_init__()
        limits = RequestLimits(self.rates, self.counters, clock=lambda: self.now)
        object.__setattr__(self.services, "limits", limits)
        self.app = Starlette(routes=rest_routes(self.services))
        self.come_from("192.0.2.1")

    def come_from(self, address: str) -> None:
        """All further callers have this address."""
        hooks = self.client.event_hooks
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, client=(address, 4711)),
            base_url="http://collab.test",
            event_hooks=hooks,
        )

    async def get_with(self, token: str) -> httpx.Response:
        """List sessions with a token."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.get("/api/ocw/sessions", headers=headers)


@pytest.fixture
def api(tmp_path: Path) -> LimitedApi:
    return LimitedApi(tmp_path)


async def read(caller: Caller, times: int, **more: Any) -> list[int]:
    """The statuses of so many reads."""
    return [(await caller.get("/api/ocw/sessions", **more)).status_code for _ in range(times)]


async def test_reads_past_the_limit_are_refused_in_the_envelope(api: LimitedApi) -> None:
    """LIM-6"""
    ada = api.caller()
    assert await read(ada, 5) == [200] * 5
    answer = await ada.get("/api/ocw/sessions")
    assert refusal(answer) == (429, "RATE_LIMITED")
    assert answer.json()["error"]["details"] == {"limit": "reads", "per_minute": 5}
    assert answer.headers["retry-after"] == "60"
    assert api.counters.limited == {"reads": 1}


async def test_it_goes_on_when_the_time_is_over(api: LimitedApi) -> None:
    """LIM-6"""
    ada = api.caller()
    assert await read(ada, 6) == [200] * 5 + [429]
    api.now += 45
    answer = await ada.get("/api/ocw/sessions")
    assert answer.headers["retry-after"] == "15"
    api.now += 15
    assert await read(ada, 1) == [200]


async def test_writes_are_counted_apart_and_before_their_body_is_read(api: LimitedApi) -> None:
    """LIM-6"""
    ada = api.caller()
    await ada.create()
    await ada.create()
    answer = await ada.post("/api/ocw/sessions", content=b"{", headers={"Content-Type": "text/x"})
    assert refusal(answer) == (429, "RATE_LIMITED")
    assert answer.json()["error"]["details"]["limit"] == "writes"
    assert await read(ada, 1) == [200]


async def test_users_do_not_share(api: LimitedApi) -> None:
    """LIM-6"""
    await read(api.caller(), 6)
    assert await read(api.caller(), 1) == [200]


async def test_two_tokens_of_a_user_share(api: LimitedApi) -> None:
    """LIM-6"""
    user = uuid4()
    assert await read(api.caller(user), 3) == [200] * 3
    assert await read(api.caller(user), 3) == [200, 200, 429]


async def test_services_are_exempt_also_in_somebodys_name(api: LimitedApi) -> None:
    """LIM-6"""
    service = api.service()
    for _ in range(5):
        await service.create(workspace_id=str(uuid4()))
    assert await read(service, 20) == [200] * 20
    acting = {"X-Acting-User": str(uuid4())}
    assert await read(service, 20, headers=acting) == [200] * 20
    assert api.counters.limited == {}


async def test_failed_attempts_are_limited_by_address(api: LimitedApi) -> None:
    """LIM-7"""
    for _ in range(3):
        assert refusal(await api.get_with("a.b.c")) == (401, "UNAUTHENTICATED")
    answer = await api.get_with("a.b.c")
    assert refusal(answer) == (429, "RATE_LIMITED")
    assert answer.json()["error"]["details"] == {"limit": "authentication", "per_minute": 3}
    assert await read(api.caller(), 1) == [200], "who proves who they are is let in"
    api.come_from("192.0.2.2")
    assert refusal(await api.get_with("a.b.c")) == (401, "UNAUTHENTICATED")


async def test_all_addresses_of_a_home_are_one(api: LimitedApi) -> None:
    """LIM-7"""
    for number in range(3):
        api.come_from(f"2001:db8:1:2::{number}")
        await api.get_with("a.b.c")
    api.come_from("2001:db8:1:2:ffff::1")
    assert refusal(await api.get_with("a.b.c")) == (429, "RATE_LIMITED")
    api.come_from("2001:db8:1:3::1")
    assert refusal(await api.get_with("a.b.c")) == (401, "UNAUTHENTICATED")


async def test_an_expired_token_and_none_at_all_are_no_attempts(api: LimitedApi) -> None:
    """LIM-7"""
    expired = api.forge.token(uuid4(), exp=int(api.forge.clock().timestamp()) - 1)
    for _ in range(10):
        assert refusal(await api.get_with(expired)) == (401, "UNAUTHENTICATED")
        answer = await api.client.get("/api/ocw/sessions")
        assert refusal(answer) == (401, "UNAUTHENTICATED")


async def test_health_is_open_however_often_it_is_asked(api: LimitedApi) -> None:
    answers = [await api.client.get("/api/health") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}


def authenticating(api: LimitedApi) -> httpx.AsyncClient:
    """An API below /auth/: its endpoint wants to know who calls."""
    router = resource_router("Sessions")

    @router.post("/auth/mine")
    async def mine(_: CallerOf, reply: Reply) -> Response:
        return reply({})

    app = RestApplication(api.services, [router])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x")


async def minted(api: LimitedApi) -> str:
    """A refresh token of somebody."""
    answer = await api.service().post("/api/auth/token", json={"user_id": str(uuid4())})
    token: str = answer.json()["data"]["refresh_token"]
    return token


async def bring(api: LimitedApi, *tokens: str, to: str = "refresh") -> list[int]:
    """The statuses of bringing refresh tokens."""
    bodies = [{"refresh_token": token} for token in tokens]
    return [(await api.client.post(f"/api/auth/{to}", json=each)).status_code for each in bodies]


@pytest.mark.parametrize("to", ["refresh", "revoke"])
async def test_guesses_are_limited_and_who_shares_their_address_is_let_in(
    api: LimitedApi, to: str
) -> None:
    """LIM-7"""
    good, ended = await minted(api), await minted(api)
    guesses = [f"guess{number}" for number in range(5)]
    assert await bring(api, *guesses, to=to) == [401 if to == "refresh" else 200] * 3 + [429] * 2
    assert await bring(api, good) == [200]
    assert await bring(api, ended, to="revoke") == [200]
    body = {"user_id": str(uuid4())}
    assert (await api.service().post("/api/auth/revoke", json=body)).status_code == 200


async def test_refresh_tokens_that_were_good_are_no_guesses(api: LimitedApi) -> None:
    """LIM-7"""
    used, revoked, expired = [await minted(api) for _ in range(3)]
    assert await bring(api, used, used, used) == [200, 401, 401]
    assert await bring(api, revoked, to="revoke") == [200]
    assert await bring(api, revoked, revoked) == [401, 401]
    api.forge.clock.turn(31 * 24 * 3600)
    assert await bring(api, expired, expired) == [401, 401]
    assert await bring(api, "guess") == [401]
    assert api.counters.limited == {}


async def test_a_user_authenticates_so_often(api: LimitedApi) -> None:
    """LIM-8"""
    client = authenticating(api)

    async def post(**claims: Any) -> list[int]:
        headers = {"Authorization": f"Bearer {api.forge.token(uuid4(), **claims)}"}
        return [(await client.post("/auth/mine", headers=headers)).status_code for _ in range(4)]

    assert await post() == [200, 200, 200, 429]
    assert await post(scope="service") == [200] * 4
