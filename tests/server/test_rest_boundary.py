"""REST: what every answer has in common, and what never gets further than the edge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
import structlog
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from server.authentication import Authenticator
from server.rest.boundary import Boundary
from server.rest.paths import marked_path, unmarked
from server.signing_keys import KeySetAtUrl, SharedSecret
from tests.server.clocks import HandClock
from tests.server.rest_client import Api, refusal
from tests.server.token_forge import SECRET, Forge

SESSIONS = "/api/ocw/sessions"


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(tmp_path)


# The envelope


async def test_every_answer_says_when_and_to_which_request(api: Api) -> None:
    answer = await api.client.get("/api/health", headers={"X-Request-ID": "from-the-caller"})
    assert answer.headers["x-request-id"] == "from-the-caller"
    assert answer.json()["meta"] == {
        "request_id": "from-the-caller",
        "timestamp": "2030-05-17T12:00:00Z",
        "version": "v1",
    }
    assert answer.json()["success"] is True


@pytest.mark.parametrize("given", ["", "with space", "ünïcode", "x" * 129, "tab\there", None])
async def test_an_unusable_request_id_is_replaced(api: Api, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given.encode("latin-1")}
    answer = await api.client.get("/api/health", headers=headers)  # type: ignore[arg-type]  # httpx takes bytes, too
    made = answer.headers["x-request-id"]
    assert str(UUID(made)) == made
    assert answer.json()["meta"]["request_id"] == made


async def test_the_longest_request_id_is_kept(api: Api) -> None:
    answer = await api.client.get("/api/health", headers={"X-Request-ID": "x" * 128})
    assert answer.headers["x-request-id"] == "x" * 128


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/health"), ("GET", "/api/nothing"), ("GET", SESSIONS)]
)
async def test_no_answer_is_kept_or_leaks_where_one_came_from(
    api: Api, method: str, path: str
) -> None:
    answer = await api.client.request(method, path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/ocw", "/api/", "/api/health/", SESSIONS + "/"]
)
async def test_a_path_nobody_serves_is_told_in_the_envelope(api: Api, path: str) -> None:
    assert refusal(await api.caller().get(path)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", SESSIONS, "GET, HEAD, POST"),
        ("DELETE", SESSIONS, "GET, HEAD, POST"),
        ("POST", SESSIONS + "/x", "DELETE, GET, HEAD"),
        ("GET", SESSIONS + "/x/end", "POST"),
        ("POST", "/api/health", "GET, HEAD"),
        ("BREW", "/api/health", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: Api, method: str, path: str, allowed: str
) -> None:
    answer = await api.caller().call(method, path)
    assert refusal(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == allowed
    assert allowed in answer.json()["error"]["message"]


async def test_head_is_answered_like_get(api: Api) -> None:
    assert (await api.client.head("/api/health")).status_code == 200


async def test_an_encoded_slash_belongs_to_an_id(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    objects = f"{SESSIONS}/{session['id']}/objects"
    for identifier in ("a/b", "/", "50%2F50", "é/ü\n", "a/history"):
        path = f"{objects}/{quote(identifier, safe='')}"
        answer = await anna.get(path)
        assert refusal(answer) == (404, "OBJECT_NOT_FOUND"), identifier
    assert refusal(await anna.get(f"{SESSIONS}/a%2Fb")) == (404, "SESSION_NOT_FOUND")
    for path in ("/api%2Focw/sessions", "/api/ocw%2fsessions", f"{objects}/a/b"):
        assert refusal(await anna.get(path)) == (404, "NOT_FOUND"), path


async def test_an_id_with_a_slash_reaches_its_endpoint() -> None:
    scope = {"path": "/api/x/a/b c/é", "raw_path": b"/api/x/a%2fb%20c/%C3%A9?q=%2F"}
    marked = marked_path(scope).split("/")
    assert [*unmarked({"a": marked[3], "b": 7}).values()] == ["a/b c", 7]
    assert marked[4] == "é"
    assert marked_path({"path": "/a"}) == "/a"


# Who is it?


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", SESSIONS),
        ("POST", SESSIONS),
        ("GET", SESSIONS + "/x"),
        ("DELETE", SESSIONS + "/x"),
        ("POST", SESSIONS + "/x/end"),
        ("GET", SESSIONS + "/x/state?format=svg"),
    ],
)
async def test_nothing_is_said_to_strangers(api: Api, method: str, path: str) -> None:
    answer = await api.client.request(method, path)
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_bad_token_is_told_why(api: Api) -> None:
    token = api.forge.token()
    api.forge.clock.turn(10_000)
    answer = await api.client.get(SESSIONS, headers={"Authorization": f"Bearer {token}"})
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert "expired" in answer.json()["error"]["message"]
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert token not in answer.text


async def test_a_challenge_survives_an_audience_no_header_can_carry(tmp_path: Path) -> None:
    strange = Authenticator(SharedSecret(SECRET), audience='q"uo\\te ✓')
    api = Api(tmp_path, authenticator=strange)
    answer = await api.caller().get(SESSIONS)
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert 'is not quote "' in answer.headers["www-authenticate"]


async def test_a_token_in_the_query_is_not_taken(api: Api) -> None:
    answer = await api.client.get(SESSIONS, params={"token": api.forge.token()})
    assert refusal(answer) == (401, "UNAUTHENTICATED")


async def test_keys_that_cannot_be_fetched_are_nobodys_fault(tmp_path: Path) -> None:
    def away() -> list[Any]:
        raise OSError("no route")

    api = Api(tmp_path, authenticator=Authenticator(KeySetAtUrl(away)))
    answer = await api.caller().get(SESSIONS)
    assert refusal(answer) == (503, "KEYS_UNAVAILABLE")
    assert answer.headers["retry-after"]


# Bodies


async def test_a_body_over_the_limit_is_refused(api: Api) -> None:
    limit = api.settings.max_body_bytes
    headers = {"Content-Type": "application/json"}
    fitting = await api.caller().post(SESSIONS, content=b" " * limit, headers=headers)
    assert refusal(fitting) == (400, "INVALID_BODY")
    answer = await api.caller().post(SESSIONS, content=b" " * (limit + 1), headers=headers)
    assert refusal(answer) == (413, "BODY_TOO_LARGE")
    assert answer.json()["error"]["details"] == {"max_bytes": limit}


async def test_a_body_without_end_is_cut_while_it_is_read(api: Api) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    answer = await api.caller().post(SESSIONS, content=endless(), headers=headers)
    assert refusal(answer) == (413, "BODY_TOO_LARGE")
    assert sent <= api.settings.max_body_bytes + 20_000


async def test_a_body_announced_too_long_is_not_even_begun(api: Api) -> None:
    async def unread() -> AsyncIterator[bytes]:
        pytest.fail("the body was read")
        yield b""

    for length in ("100001", "9" * 5000):
        headers = {"Content-Type": "application/json", "Content-Length": length}
        answer = await api.caller().post(SESSIONS, content=unread(), headers=headers)
        assert refusal(answer) == (413, "BODY_TOO_LARGE")


# Our own faults


async def test_a_fault_of_ours_is_told_without_detail_and_logged(api: Api) -> None:
    anna = api.caller()
    session = await anna.create()
    api.live.fail_with = RuntimeError("a secret detail")
    with structlog.testing.capture_logs() as logs:
        answer = await anna.get(f"{SESSIONS}/{session['id']}/state")
    assert refusal(answer) == (500, "INTERNAL")
    assert "secret detail" not in answer.text
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "a request failed"
    ]


async def test_one_line_is_logged_a_request_without_its_query(api: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        await api.client.get(f"{SESSIONS}?token=geheim")
        await api.client.get("/api/health")
    ours, health = logs
    assert (ours["method"], ours["path"], ours["status"]) == ("GET", SESSIONS, 401)
    assert ours["log_level"] == "info"
    assert health["log_level"] == "debug"
    assert "geheim" not in repr(logs)


Sent = list[Message]


async def run_boundary(
    app: Callable[[Scope, Receive, Send], Awaitable[None]], scope: dict[str, Any]
) -> Sent:
    """Run a boundary around `app`; gives what it sent."""
    sent: Sent = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Boundary(app, clock=HandClock(), max_body_bytes=10)(scope, receive, send)
    return sent


HTTP: dict[str, Any] = {"type": "http", "method": "GET", "path": "/x", "headers": []}


async def test_half_an_answer_is_not_followed_by_another() -> None:
    async def breaks_off(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("in the middle")

    with structlog.testing.capture_logs() as logs, pytest.raises(RuntimeError, match="middle"):
        await run_boundary(breaks_off, HTTP)
    assert [entry["event"] for entry in logs] == ["a request failed"]


async def test_a_caller_who_hangs_up_is_not_answered() -> None:
    async def hears_nothing(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ClientDisconnect

    assert await run_boundary(hears_nothing, HTTP) == []


async def test_what_is_not_http_passes_untouched() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    scope: dict[str, Any] = {"type": "lifespan"}
    await run_boundary(app, scope)
    assert seen == [{"type": "lifespan"}]


async def test_the_lines_of_a_request_carry_its_id() -> None:
    bound: list[dict[str, Any]] = []

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        bound.append(structlog.contextvars.get_contextvars())
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    await run_boundary(app, {**HTTP, "headers": [(b"x-request-id", b"r-1")]})
    assert bound == [{"request_id": "r-1"}]
    assert structlog.contextvars.get_contextvars() == {}


async def test_a_forger_is_refused_on_every_route(api: Api) -> None:
    """The routes ask the same authenticator as the sockets."""
    token = Forge().token(aud="somewhere-else")
    answer = await api.client.get(SESSIONS, headers={"Authorization": f"Bearer {token}"})
    assert refusal(answer) == (401, "UNAUTHENTICATED")
    assert json.loads(answer.text)["error"]["details"] == {}
