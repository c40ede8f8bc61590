"""The browser's pages: what `web/` builds, served at `/`, `/xr.html` and `/assets/`."""

from __future__ import annotations

import os
import re
from http import HTTPStatus
from pathlib import Path
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.staticfiles import NotModifiedResponse, PathLike, StaticFiles
from starlette.types import Scope

PAGE_DIRECTORY: Final = Path(__file__).resolve().parent.parent / "web" / "dist"

INDEX = "index.html"
XR_PAGE = "xr.html"
ASSETS = "assets"

NOT_BUILT = """\
The page is not built. `make web` builds it; that needs Node 20 or newer with npm.
Everything else works without it: REST below /api, and stock Yjs clients.
"""

SECURITY_HEADERS: Final = MappingProxyType(
    {
        # 'self' is also the socket of the page's own server (CSP 3; Safari since 15.4).
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
)

FOREVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"

_HASHED = re.compile(r".+-[\w-]{8}\.\w+")  # as Vite names what may change only by a new name

# Said here and not asked of the system: its tables differ, reading them blocks, and `nosniff`
# makes a wrong type fatal.
_TYPES: Final = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".png": "image/png",
        ".svg": "image/svg+xml",
        ".wasm": "application/wasm",
        ".woff2": "font/woff2",
    }
)


def page_routes(directory: Path = PAGE_DIRECTORY) -> list[BaseRoute]:
    """The pages as routes: the canvas, and the one of XR rooms.

    The directory is looked at when somebody asks, so that a page built while the server runs is
    there at once.

    Args:
        directory: what the build made: `index.html`, `xr.html` and `assets/`.
    """
    page = _Page(directory)
    return [
        Route("/", page.index, methods=["GET"]),
        Route(f"/{XR_PAGE}", page.xr_page, methods=["GET"]),
        Route(f"/{ASSETS}/{{path:path}}", page.asset, methods=["GET"]),
    ]


class _Page:
    """Answers for the files of one directory."""

    def __init__(self, directory: Path) -> None:
        self._files = _Files(directory=directory, check_dir=False)

    async def index(self, request: Request) -> Response:
        """`/`"""
        return await self._page(INDEX, request)

    async def xr_page(self, request: Request) -> Response:
        """`/xr.html`"""
        return await self._page(XR_PAGE, request)

    async def _page(self, name: str, request: Request) -> Response:
        try:
            response = await self._files.get_response(name, request.scope)
        except HTTPException:
            response = PlainTextResponse(NOT_BUILT, status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return _dressed(response, ASK_FIRST)

    async def asset(self, request: Request) -> Response:
        """`/assets/…`"""
        path = request.path_params["path"]
        if not _is_plain(path):
            raise HTTPException(404)
        response = await self._files.get_response(f"{ASSETS}/{path}", request.scope)
        is_hashed = _HASHED.fullmatch(path.rpartition("/")[2])
        return _dressed(response, FOREVER if is_hashed else ASK_FIRST)


class _Files(StaticFiles):
    """Finds files, never outside the directory, and answers 304 where nothing changed."""

    def file_response(
        self,
        full_path: PathLike,
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = HTTPStatus.OK,
    ) -> Response:
        """As inherited, with the types of this module."""
        response = FileResponse(
            full_path,
            status_code=status_code,
            stat_result=stat_result,
            media_type=_TYPES.get(Path(full_path).suffix, "application/octet-stream"),
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def _is_plain(path: str) -> bool:
    """Whether a path goes downwards only: no `..`, nothing absolute, no other separators."""
    return "\\" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def _dressed(response: Response, cache: str) -> Response:
    """The response with the headers that every answer of the page carries."""
    response.headers.update(SECURITY_HEADERS)
    response.headers["Cache-Control"] = cache
    return response
