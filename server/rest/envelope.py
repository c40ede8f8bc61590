"""The one shape of every JSON answer.

`{"success": true, "data": …, "meta": {request_id, timestamp, version}}`, or with `error`
(`code`, `message`, `details`) in place of `data`. The types at the end are what the OpenAPI
document says about it: answers are encoded as they are, and not checked a second time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar
from uuid import UUID

import orjson
from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Scope

from server.clock import Clock
from server.rest.errors import ApiError
from server.rest.services import services_of

API_VERSION = "v1"
REQUEST_ID_KEY = "chenu.request_id"  # where the boundary leaves the id in the scope

T = TypeVar("T")


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


def _plain(value: object) -> object:
    """What orjson takes only in its exact type: the database driver has a UUID of its own."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")


class ReplyWith(Protocol):
    """Makes the answer to the request at hand."""

    def __call__(
        self, data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response: ...


async def _reply(request: Request) -> ReplyWith:
    clock = services_of(request).clock

    def reply(
        data: object, *, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        return success(request.scope, clock, data, status=status, headers=headers)

    return reply


Reply = Annotated[ReplyWith, Depends(_reply)]
"""How an endpoint answers: `return reply(data)`."""


class Meta(BaseModel):
    """About the answer itself."""

    model_config = ConfigDict(extra="forbid")

    request_id: str = Field(description="The caller's `X-Request-ID`, or one that was made.")
    timestamp: datetime
    version: Literal["v1"]


class Envelope(BaseModel, Generic[T]):
    """An answer with data, as the OpenAPI document shows it."""

    model_config = ConfigDict(extra="forbid")

    success: Literal[True]
    data: T
    meta: Meta


class Items(BaseModel, Generic[T]):
    """One page of a list, as the OpenAPI document shows it; `page` makes one."""

    model_config = ConfigDict(extra="forbid")

    items: list[T]
    next_cursor: str | None = Field(
        description="Give it as `cursor` for what follows; null at the end."
    )


def page(items: list[Any], next_cursor: str | None) -> dict[str, Any]:
    """One page of a list, as data of an answer."""
    return {"items": items, "next_cursor": next_cursor}


class Problem(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="forbid")

    code: str = Field(description="For programs; stable.")
    message: str = Field(description="For developers: what was wrong, what to do.")
    details: dict[str, Any] = Field(description="For programs, by code.")


class Failure(BaseModel):
    """An answer that is not success, as the OpenAPI document shows it."""

    model_config = ConfigDict(extra="forbid")

    success: Literal[False]
    error: Problem
    meta: Meta
