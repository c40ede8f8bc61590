"""The REST API as an application of its own: FastAPI's routes and parameters, our own edge."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from server.rest.boundary import Boundary
from server.rest.documentation import DOCUMENT_PATH, Documentation
from server.rest.openapi import openapi_document
from server.rest.paths import marked_path
from server.rest.services import Services


class RestApplication(FastAPI):
    """All endpoints, inside the boundary that answers every failure."""

    def __init__(self, services: Services, routers: Iterable[APIRouter]) -> None:
        super().__init__(
            redirect_slashes=False,
            openapi_url=None,
            telemetry={
                "tracing": False,
                "metrics": False,
                "logs": False,
                "operation_spans": False,
                "auto_configure": False,
            },
        )
        self.state.services = services
        for router in routers:
            # As they are: `include_router` would match every route twice at every request.
            self.router.routes.extend(router.routes)
        self.documentation = Documentation(self)
        self.add_route(DOCUMENT_PATH, self.documentation.document, include_in_schema=False)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = openapi_document(self)
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Ours alone: Starlette's would answer failures in shapes of their own."""
        services: Services = self.state.services
        return Boundary(
            AsyncExitStackMiddleware(_Routing(self)),
            clock=services.clock,
            max_body_bytes=services.settings.max_body_bytes,
        )


class _Routing:
    """Finds the route: ids may hold a slash, HEAD is GET, and a 405 names all methods of a path.

    A route knows only the methods of its own endpoint.
    """

    def __init__(self, app: FastAPI) -> None:
        self._router = app.router
        self._methods: list[tuple[re.Pattern[str], set[str]]] = [
            (compile_path(route.path)[0], route.methods)
            for route in iter_route_contexts(app.routes)
            if route.path is not None and route.methods is not None
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":  # the boundary's own scope, which may be changed
            scope["path"] = marked_path(scope)
            scope["method"] = "GET" if scope["method"] == "HEAD" else scope["method"]
        try:
            await self._router(scope, receive, send)
        except HTTPException as error:
            if error.status_code != 405:
                raise
            raise HTTPException(405, headers={"Allow": self._allowed(scope)}) from None

    def _allowed(self, scope: Scope) -> str:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        allowed = {
            method
            for pattern, methods in self._methods
            if pattern.match(path)
            for method in methods
        }
        return ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
