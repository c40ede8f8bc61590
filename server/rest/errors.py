"""Everything REST refuses, with its status and code.

| status | code | when |
|---|---|---|
| 400 | INVALID_BODY, INVALID_PARAMETER, INVALID_CURSOR | the request cannot be understood |
| 401 | UNAUTHENTICATED | no token, or one that proves nothing |
| 403 | FORBIDDEN | known, but not allowed |
| 404 | SESSION_NOT_FOUND, NOT_FOUND | no such session, no such path |
| 405 | METHOD_NOT_ALLOWED | the path exists, not for this method |
| 413 | BODY_TOO_LARGE | more bytes than `max_body_bytes` |
| 415 | UNSUPPORTED_MEDIA_TYPE | the body is not JSON |
| 500 | INTERNAL | our fault; details are in the log under the request id |
| 503 | STORAGE_UNAVAILABLE, KEYS_UNAVAILABLE, NOT_READY | try again later |
| 503 | DOCUMENT_UNAVAILABLE | what is stored cannot be opened, or has stopped a worker |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

RETRY_AFTER_SECONDS = 5


class ApiError(Exception):
    """An answer that is not success.

    Attributes:
        status: of HTTP.
        code: for programs, stable.
        message: for developers: what was wrong, what to do.
        details: for programs, by code.
        headers: to send along.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.headers = dict(headers or {})


def invalid_body(message: str, errors: Sequence[Mapping[str, str]] = ()) -> ApiError:
    """The body cannot be used; `errors` name the fields."""
    return ApiError(400, "INVALID_BODY", message, details={"errors": list(errors)})


def invalid_parameter(message: str, errors: Sequence[Mapping[str, str]] = ()) -> ApiError:
    """A query parameter cannot be used."""
    return ApiError(400, "INVALID_PARAMETER", message, details={"errors": list(errors)})


def unauthenticated(reason: str, *, token_given: bool) -> ApiError:
    """Who is it? RFC 6750 §3: no error code in the challenge when nothing was presented."""
    challenge = "Bearer"
    if token_given:
        challenge += f' error="invalid_token", error_description="{_quotable(reason)}"'
    return ApiError(401, "UNAUTHENTICATED", reason, headers={"WWW-Authenticate": challenge})


def _quotable(text: str) -> str:
    """What of a text may stand between quotes in a header (RFC 6750 §3)."""
    return "".join(c for c in text if " " <= c <= "~" and c not in '"\\')


def forbidden(reason: str) -> ApiError:
    """Known, but not allowed."""
    return ApiError(403, "FORBIDDEN", reason)


def session_not_found(message: str = "there is no such session") -> ApiError:
    """No such session, or it was deleted, or what should be its id is none."""
    return ApiError(404, "SESSION_NOT_FOUND", message)


def body_too_large(limit: int) -> ApiError:
    """The body is, or says it is, over the limit (bytes)."""
    return ApiError(
        413, "BODY_TOO_LARGE", f"a body may have {limit} bytes", details={"max_bytes": limit}
    )


def unavailable(code: str, message: str, details: Mapping[str, Any] | None = None) -> ApiError:
    """It may work later."""
    return ApiError(
        503, code, message, details=details, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}
    )


def field_errors(error: ValidationError) -> list[dict[str, str]]:
    """Each fault as the field's path and what is wrong with it, without the value given."""
    return [
        {
            "field": ".".join(map(str, detail["loc"])) or "body",
            "message": detail["msg"].removeprefix("Value error, "),
        }
        for detail in error.errors(include_url=False, include_input=False, include_context=False)
    ]
