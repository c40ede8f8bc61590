"""The one shape of every JSON answer.

`{"success": true, "data": …, "meta": {request_id, timestamp, version}}`, or with `error`
(`code`, `message`, `details`) in place of `data`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from starlette.responses import Response
from starlette.types import Scope

from server.clock import Clock
from server.rest.errors import ApiError

API_VERSION = "v1"
REQUEST_ID_KEY = "chenu.request_id"  # where the boundary leaves the id in the scope


def success(
    scope: Scope,
    clock: Clock,
    data: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An answer with data. UUIDs, enumerations and UTC times need no conversion."""
    body = {"success": True, "data": data, "meta": _meta(scope, clock())}
    return _json(body, status, headers)


def failure(scope: Scope, clock: Clock, error: ApiError) -> Response:
    """An answer that says what went wrong."""
    body = {
        "success": False,
        "error": {"code": error.code, "message": error.message, "details": error.details},
        "meta": _meta(scope, clock()),
    }
    return _json(body, error.status, error.headers)


def _meta(scope: Scope, now: datetime) -> dict[str, Any]:
    return {"request_id": scope[REQUEST_ID_KEY], "timestamp": now, "version": API_VERSION}


def _json(body: object, status: int, headers: Mapping[str, str] | None) -> Response:
    content = orjson.dumps(body, default=_plain, option=orjson.OPT_UTC_Z)
    return Response(content, status, headers, media_type="application/json")


def _plain(value: object) -> str:
    """What orjson takes only in its exact type: the database driver has a UUID of its own."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
