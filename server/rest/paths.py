"""Paths whose parts may hold a slash: `…/objects/a%2Fb` is the object `a/b`.

A server decodes a path before anybody looks at it, and then such a slash is like any other. Here it
is marked before routes are matched, with something that no decoded path has, and put back where an
endpoint reads its parameters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from starlette.types import Scope

_MARK = "\udcff"  # half a surrogate pair: UTF-8 cannot say it


def marked_path(scope: Scope) -> str:
    """The path of a request, with encoded slashes marked."""
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" not in raw.lower():
        path: str = scope["path"]
        return path
    parts = raw.partition(b"?")[0].decode("ascii", "replace").split("/")
    return "/".join(unquote(part).replace("/", _MARK) for part in parts)


def unmarked(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a path as they were meant."""
    return {
        name: value.replace(_MARK, "/") if isinstance(value, str) else value
        for name, value in parameters.items()
    }
