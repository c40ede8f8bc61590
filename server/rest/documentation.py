"""Where the OpenAPI document is served, and the page that shows it."""

from __future__ import annotations

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


def documentation_routes(app: FastAPI) -> list[BaseRoute]:
    """The document of an application, outside of it, and the page."""

    async def document(_: Request) -> Response:
        return Response(encoded_document(app), headers=HEADERS, media_type="application/json")

    async def page(_: Request) -> Response:
        html = docs_page(app.openapi(), style=STYLE_PATH, source=DOCUMENT_PATH)
        return Response(html, headers=HEADERS, media_type="text/html")

    async def style(_: Request) -> Response:
        return Response(_STYLE, headers=HEADERS, media_type="text/css")

    return [
        Route(DOCUMENT_PATH, document, methods=["GET"]),
        Route(PAGE_PATH, page, methods=["GET"]),
        Route(STYLE_PATH, style, methods=["GET"]),
    ]


def encoded_document(app: FastAPI) -> bytes:
    """The document as it is sent."""
    return orjson.dumps(app.openapi())
