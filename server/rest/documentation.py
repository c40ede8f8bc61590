"""Where the OpenAPI document is served, and the page that shows it."""

from __future__ import annotations

import asyncio
from functools import cached_property
from types import MappingProxyType
from typing import Final

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from server.rest.docs_page import STYLE_FILE, docs_page

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"
STYLE_PATH = "/docs/style.css"

HEADERS: Final = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        ),
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
)

_STYLE = STYLE_FILE.read_bytes()


class Documentation:
    """The document of an application, made when somebody asks for it first, in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def _encoded(self) -> bytes:
        return orjson.dumps(self._app.openapi())

    @cached_property
    def _html(self) -> bytes:
        page = docs_page(self._app.openapi(), style=STYLE_PATH, source=DOCUMENT_PATH)
        return page.encode()

    def routes(self) -> list[BaseRoute]:
        """The document and the page, for the application around the API."""
        return [
            Route(DOCUMENT_PATH, self.document, methods=["GET"]),
            Route(PAGE_PATH, self._page, methods=["GET"]),
            Route(STYLE_PATH, self._style, methods=["GET"]),
        ]

    async def document(self, _: Request) -> Response:
        """`/openapi.json`"""
        content = await asyncio.to_thread(lambda: self._encoded)
        return Response(content, headers=HEADERS, media_type="application/json")

    async def _page(self, _: Request) -> Response:
        content = await asyncio.to_thread(lambda: self._html)
        return Response(content, headers=HEADERS, media_type="text/html")

    async def _style(self, _: Request) -> Response:
        return Response(_STYLE, headers=HEADERS, media_type="text/css")
