"""HTTP that two readers would read differently: smuggled requests, odd targets, huge heads.

Whoever stands before the server must not be told one thing and the server another: one request is
answered once, or refused, and what is ambiguous ends the connection.
"""

from __future__ import annotations

import pytest

from tests.attacks.neighbours import Neighbours
from tests.attacks.raw_http import Exchange, exchange
from tests.helpers.server_process import ServerProcess

HOST = b"Host: 127.0.0.1\r\n"
SMUGGLED = b"GET /api/ocw/sessions HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST /api/ocw/sessions HTTP/1.1\r\n" + HOST


def _post(head: bytes, body: bytes) -> bytes:
    return POST + head + b"\r\n" + body


AMBIGUOUS = {
    "two lengths": _post(b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "two lengths in one": _post(b"Content-Length: 0, %d\r\n" % len(SMUGGLED), SMUGGLED),
    "a length and chunks": _post(
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + SMUGGLED
    ),
    "chunks and a length": _post(
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SMUGGLED
    ),
    "chunks that are spelled otherwise": _post(
        b"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n", SMUGGLED
    ),
    "chunks and something else": _post(
        b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + SMUGGLED
    ),
    "two encodings": _post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n" + SMUGGLED
    ),
    "a space before the colon": _post(b"Content-Length : %d\r\n" % len(SMUGGLED), SMUGGLED),
    "a folded header beside a length": _post(
        b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n" + SMUGGLED
    ),
    "a negative length": _post(b"Content-Length: -1\r\n", SMUGGLED),
    "a length with a sign": _post(b"Content-Length: +0\r\n", SMUGGLED),
    "a length in hexadecimal": _post(b"Content-Length: 0x0\r\n", SMUGGLED),
    "a length beyond all numbers": _post(b"Content-Length: " + b"9" * 40 + b"\r\n", SMUGGLED),
    "a chunk size beyond all numbers": _post(
        b"Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n" + SMUGGLED
    ),
    "a chunk size with a sign": _post(
        b"Transfer-Encoding: chunked\r\n", b"-1\r\nx\r\n0\r\n\r\n" + SMUGGLED
    ),
    "a header with a line feed in it": _post(
        b"X-Any: a\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", SMUGGLED
    ),
    "a header with a zero byte": _post(b"X-Any: a\x00b\r\nContent-Length: 0\r\n", b""),
    "a name with a zero byte": _post(b"Content\x00-Length: 5\r\n", SMUGGLED),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_an_ambiguous_request_is_answered_once_or_not_at_all(
    server: ServerProcess, neighbours: Neighbours, name: str
) -> None:
    answer = await exchange(server.port, AMBIGUOUS[name])
    assert len(answer.statuses) <= 1, answer.received
    assert all(400 <= status < 500 for status in answer.statuses)


def _get(target: bytes, head: bytes = HOST) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + head + b"Connection: close\r\n\r\n"


FILES = (
    b"/../../../../etc/passwd",
    b"/..%2f..%2f..%2f..%2fetc/passwd",
    b"/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    b"/assets/../../../../etc/passwd",
    b"/assets/..%5c..%5c..%5cetc%5cpasswd",
    b"/assets/%252e%252e/%252e%252e/etc/passwd",
    b"/assets/..%c0%af..%c0%afetc/passwd",
    b"/assets//etc/passwd",
    b"//etc/passwd",
    b"/assets/%00",
    b"/file:///etc/passwd",
    b"/.env",
    b"/.git/config",
    b"/.collab/jwt-secret",
)


@pytest.mark.parametrize("target", FILES, ids=lambda target: target.decode())
async def test_no_file_outside_is_served(
    server: ServerProcess, neighbours: Neighbours, target: bytes
) -> None:
    answer = await exchange(server.port, _get(target))
    assert b"root:" not in answer.received
    assert all(status in (200, 307, 308, 400, 404) for status in answer.statuses)
    if answer.statuses == (200,):  # the page, for addresses of its own
        assert b"<!doctype html" in answer.received.lower()


TARGETS = (
    b"//api//ocw//sessions",
    b"/api/./ocw/sessions",
    b"/api/x/../ocw/sessions",
    b"/api/ocw%2fsessions",
    b"/%61pi/ocw/sessions",
    b"/api/ocw/sessions/",
    b"/API/ocw/sessions",
    b"/api/ocw/sessions;x=1",
    b"/api/ocw/sessions%20",
    b"/api/ocw/sessions%00",
    b"http://127.0.0.1/api/ocw/sessions",
    b"http://elsewhere.example/api/ocw/sessions",
    b"//elsewhere.example/api/ocw/sessions",
    b"*",
    b"/api/ocw/sessions#fragment",
    b"/\xff\xfe",
    b"/api/ocw/sessions\x7f",
    b"/api/ocw/\xc0\xafsessions",
)


@pytest.mark.parametrize("target", TARGETS, ids=repr)
async def test_no_spelling_of_a_path_needs_no_token(
    server: ServerProcess, neighbours: Neighbours, target: bytes
) -> None:
    answer = await exchange(server.port, _get(target))
    assert len(answer.statuses) <= 1
    assert all(300 <= status < 500 for status in answer.statuses), answer.received
    _leads_nowhere(answer)


HEADS = {
    "no host": b"",
    "two hosts": HOST + b"Host: elsewhere.example\r\n",
    "another host": b"Host: elsewhere.example\r\n",
    "a host with a line feed": b"Host: a\r\nX: b\r\n",
    "a host that is an address": b"Host: http://elsewhere.example/\r\n",
    "a host elsewhere": HOST
    + b"X-Forwarded-Host: elsewhere.example\r\nForwarded: host=elsewhere.example\r\n",
}


@pytest.mark.parametrize("name", HEADS)
async def test_no_host_is_repeated(
    server: ServerProcess, neighbours: Neighbours, name: str
) -> None:
    """Neither in redirects nor in bodies: caches and mails would carry it on."""
    for target in (b"/api/ocw/sessions", b"/api/ocw/sessions/", b"/docs", b"/api/health"):
        answer = await exchange(server.port, _get(target, HEADS[name]))
        assert len(answer.statuses) <= 1
        _leads_nowhere(answer)


def _leads_nowhere(answer: Exchange) -> None:
    head, _, _ = answer.received.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"location:"):
            assert b"elsewhere" not in line
            assert not line.split(b":", 1)[1].strip().startswith(b"//")
    assert b"elsewhere" not in answer.received


LARGE = {
    "a long line": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long query": b"GET /api/health?" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long header": _get(b"/api/health", HOST + b"X-Long: " + b"a" * 1_000_000 + b"\r\n"),
    "many headers": _get(b"/api/health", HOST + b"X-Many: a\r\n" * 100_000),
    "many headers of many names": _get(
        b"/api/health", HOST + b"".join(b"X-%d: a\r\n" % number for number in range(50_000))
    ),
    "no end": b"GET /api/health HTTP/1.1\r\n" + b"X-Long: a\r\n" * 200_000,
    "a long method": b"A" * 1_000_000 + b" / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a long socket path": (
        b"GET /api/ocw/sessions/x/ws?token=" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST
        + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
async def test_a_huge_head_is_refused_and_ends_the_connection(
    server: ServerProcess, neighbours: Neighbours, name: str
) -> None:
    before = server.memory()
    answer = await exchange(server.port, LARGE[name])
    assert all(status in (400, 414, 431) for status in answer.statuses), answer.received[:300]
    assert answer.is_closed
    assert server.memory() - before < 32 << 20


async def test_what_is_no_http_ends_the_connection(
    server: ServerProcess, neighbours: Neighbours
) -> None:
    for said in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"\x00" * 64,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ):
        answer = await exchange(server.port, said, b"\r\n\r\n")
        assert all(400 <= status < 500 for status in answer.statuses)
        assert answer.is_closed
