"""What happens around every endpoint: who calls, then the body, then the endpoint itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response

from server.limits.requests import RequestLimits
from server.rest.auditing import audited
from server.rest.callers import Caller, calling, identify
from server.rest.errors import (
    MAX_FAULTS,
    UNSUPPORTED_MEDIA_TYPE,
    ApiError,
    Call,
    invalid_parameter,
)
from server.rest.idempotency import answer_once, read_key
from server.rest.paths import unmarked
from server.rest.services import services_of

MEDIA_TYPES = ("application/json", "application/merge-patch+json")

AUTHENTICATING = "/auth/"
"""Below this path one proves who one is."""

Counting = Callable[[RequestLimits, Request, Caller | None], None]


def resource_router(tag: str) -> APIRouter:
    """A router for the endpoints of one subject.

    Args:
        tag: under which the OpenAPI document lists them; described in `server.rest.openapi`.
    """
    return APIRouter(route_class=Endpoint, tags=[tag])


class Endpoint(APIRoute):
    """A route whose caller is known before its body is read, and its body read before the rest."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """As FastAPI's, with the steps before it."""
        answer = super().get_route_handler()
        calls = list(calls_of(self.dependant))
        needs_caller = calling in calls
        has_query = reads_query(self.dependant)
        reads_body = self.body_field is not None
        once = is_idempotent(self.methods or (), calls)
        count = counting(self.path, self.methods or ())

        async def answer_in_order(given: Request) -> Response:
            given.scope["path_params"] = unmarked(given.scope["path_params"])
            request = JsonRequest(given.scope, given.receive)
            services = services_of(request)
            caller = await identify(services, request) if needs_caller else None
            count(services.limits, request, caller)
            if has_query:
                _check_parameters(request)
            if reads_body:
                await _read_body(request)
            key = read_key(request) if once else None
            if caller is None or key is None:
                return await answer(request)
            return await answer_once(services, caller, request, key, lambda: answer(request))

        return audited(self.name, answer_in_order)


def counting(path: str, methods: Iterable[str]) -> Counting:
    """How the calls of an endpoint are counted, before its body is read.

    Nothing is counted of services (LIM-6), nor where nobody has to say who they are.
    """
    is_reading = "GET" in methods

    def count(limits: RequestLimits, request: Request, caller: Caller | None) -> None:
        if caller is None or caller.token.is_service:
            return
        if path.startswith(AUTHENTICATING):
            limits.authenticate(caller.identity.user_id)
        elif is_reading:
            limits.read(caller.identity.user_id)
        else:
            limits.write(caller.identity.user_id)

    return count


def calls_of(dependant: Dependant) -> Iterator[Callable[..., Any]]:
    """The endpoint and all that it depends on, whether directly or not."""
    if dependant.call is not None:
        yield dependant.call
    for inner in dependant.dependencies:
        yield from calls_of(inner)


def reads_query(dependant: Dependant) -> bool:
    """Whether an endpoint has query parameters."""
    return bool(dependant.query_params) or any(map(reads_query, dependant.dependencies))


def keeps_no_answer(call: Call) -> Call:
    """Note on an endpoint that its answers hold secrets: none of them may be kept."""
    call.__dict__["keeps_no_answer"] = True
    return call


def is_idempotent(methods: Iterable[str], calls: Iterable[Callable[..., Any]]) -> bool:
    """Whether an endpoint takes an `Idempotency-Key`: every POST of somebody who is known, unless
    its answers may not be kept."""
    calls = list(calls)
    is_secret = any(getattr(call, "keeps_no_answer", False) for call in calls)
    return "POST" in methods and calling in calls and not is_secret


class JsonRequest(Request):
    """A request whose JSON is read strictly: UTF-8, no NaN, no half of a surrogate pair."""

    async def json(self) -> Any:
        """The body as JSON; `orjson.JSONDecodeError` where it is none."""
        return orjson.loads(await self.body())


def _check_parameters(request: Request) -> None:
    names = Counter(name for name, _ in request.query_params.multi_items())
    repeated = sorted(name for name, times in names.items() if times > 1)
    if repeated:
        problem = "is given more than once"
        errors = [{"field": name, "message": problem} for name in repeated[:MAX_FAULTS]]
        raise invalid_parameter(f"a parameter {problem}", errors)


async def _read_body(request: Request) -> None:
    """Have the body read, so that FastAPI finds it there; no body at all says no media type."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in MEDIA_TYPES:
        raise ApiError(UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")
    await request.body()
