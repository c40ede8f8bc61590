"""The REST API as routes: everything under `/api` that is HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route, Router
from starlette.types import Scope

from server.rest import health, sessions
from server.rest.boundary import Boundary
from server.rest.services import Services

PREFIX = "/api"

Endpoint = Callable[[Services, Request], Awaitable[Response]]


def rest_routes(services: Services) -> list[BaseRoute]:
    """The routes of the REST API, for an application that has others besides."""
    resources = [
        _resource(services, "/health", GET=health.alive),
        _resource(services, "/health/ready", GET=health.ready),
        _resource(
            services, "/ocw/sessions", GET=sessions.list_sessions, POST=sessions.create_session
        ),
        _resource(
            services,
            "/ocw/sessions/{session_id}",
            GET=sessions.read_session,
            DELETE=sessions.delete_session,
        ),
        _resource(services, "/ocw/sessions/{session_id}/end", POST=sessions.end_session),
        _resource(services, "/ocw/sessions/{session_id}/state", GET=sessions.read_state),
    ]
    app = Boundary(
        Router(resources, redirect_slashes=False),
        clock=services.clock,
        max_body_bytes=services.settings.max_body_bytes,
    )
    return [_HttpMount(PREFIX, app=app)]


def _resource(services: Services, path: str, **endpoints: Endpoint) -> Route:
    """One route for all methods of a path, so that a 405 can name every one it takes."""

    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await endpoints[method](services, request)

    return Route(path, answer, methods=list(endpoints))


class _HttpMount(Mount):
    """A mount that leaves WebSockets under its path to the routes beside it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["type"] == "http" else (Match.NONE, {})
