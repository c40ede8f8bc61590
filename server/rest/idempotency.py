"""`Idempotency-Key`: a request that is sent twice is carried out once.

What succeeded is kept for a day and given again, byte for byte. What was refused changed nothing,
and is not kept: the same key may be used when it is sent as it should have been. While the first
is under way, the second is told to wait. Where its holder died, a reservation ends by itself, and
the next attempt is carried out, whether or not the first came to its end.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import assert_never

import structlog
from fastapi import Request
from starlette.responses import Response

from persistence.answer_ports import (
    Busy,
    Different,
    KeptAnswer,
    RequestName,
    Reservation,
    Reserved,
)
from persistence.ports import StorageUnavailable
from server.rest.callers import Caller
from server.rest.errors import ApiError, ErrorKind, invalid_parameter
from server.rest.services import Services

log = structlog.get_logger(__name__)

IDEMPOTENCY_KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
RESERVED_FOR = timedelta(minutes=1)
MAX_KEPT_BYTES = 1024 * 1024

KEY_REUSED = ErrorKind(
    409, "IDEMPOTENCY_KEY_REUSED", "the key was used for a request that said something else"
)
IN_PROGRESS = ErrorKind(
    409, "IDEMPOTENCY_IN_PROGRESS", "the first request with this key is still under way"
)
NOT_KEPT = ErrorKind(
    409, "IDEMPOTENCY_NOT_KEPT", "this was done; its answer was too large to be given again"
)

_KEY = re.compile(r"[!-~]{1,128}")


def read_key(request: Request) -> str | None:
    """The request's key; None without one.

    Raises:
        ApiError: it is not usable (400).
    """
    given = request.headers.getlist(IDEMPOTENCY_KEY)
    if not given:
        return None
    if len(given) > 1 or not _KEY.fullmatch(given[0]):
        problem = "must be one key of 1 to 128 visible ASCII characters"
        error = {"field": IDEMPOTENCY_KEY, "message": problem}
        raise invalid_parameter(f"{IDEMPOTENCY_KEY}: {problem}", [error])
    return given[0]


async def answer_once(
    services: Services,
    caller: Caller,
    request: Request,
    key: str,
    answer: Callable[[], Awaitable[Response]],
) -> Response:
    """The first answer to this key, whether it is made now or was made before.

    Raises:
        ApiError: 409; and what `answer` raises.
        StorageUnavailable: it cannot be told whether there was a first answer.
    """
    now = services.clock()
    held = Reservation(
        RequestName(caller.token.identity.user_id, _name(request, key)),
        _fingerprint(caller, request, await request.body()),
        at=now,
        until=now + RESERVED_FOR,
    )
    claim = await services.answers.claim(held, kept_since=now - KEPT_FOR)
    match claim:
        case Reserved():
            return await _first(services, held, answer)
        case Busy():
            raise ApiError(IN_PROGRESS, headers={"Retry-After": "1"})
        case Different():
            raise ApiError(KEY_REUSED)
        case KeptAnswer():
            return _again(claim)
        case _:
            assert_never(claim)


async def _first(
    services: Services, held: Reservation, answer: Callable[[], Awaitable[Response]]
) -> Response:
    try:
        response = await answer()
    except Exception:
        await _quietly(services.answers.release(held))
        raise
    if response.status_code >= 300:
        await _quietly(services.answers.release(held))
    else:
        await _quietly(services.answers.keep(held, _kept(response)))
    return response


async def _quietly(call: Awaitable[None]) -> None:
    """The deed is done or refused, and its answer goes out: the reservation then runs out."""
    try:
        await call
    except StorageUnavailable:
        log.warning("the answer to a request with an idempotency key was not kept")


def _kept(response: Response) -> KeptAnswer:
    body = getattr(response, "body", None)  # a stream has none
    if body is not None and len(body) > MAX_KEPT_BYTES:
        body = None
    headers = [
        (name, value) for name, value in response.headers.items() if name != "content-length"
    ]
    return KeptAnswer(response.status_code, tuple(headers), body and bytes(body))


def _again(kept: KeptAnswer) -> Response:
    if kept.body is None:
        raise ApiError(NOT_KEPT)
    return Response(kept.body, kept.status, {**dict(kept.headers), REPLAYED: "true"})


def _name(request: Request, key: str) -> bytes:
    return _digest(request.method, request.scope["path"], key)


def _fingerprint(caller: Caller, request: Request, body: bytes) -> bytes:
    acting = str(caller.identity.user_id)
    return _digest(acting, request.url.query, request.headers.get("content-type", ""), body)


def _digest(*parts: str | bytes) -> bytes:
    """SHA-256 of some texts, of which none can pass for two."""
    digest = sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()
