"""Everything REST refuses, with its status and code.

An `ErrorKind` is a kind of answer that is not success; an `ApiError` is one such answer. What
only one subject refuses is defined in its module. Endpoints say with `refuses` what they refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

RETRY_AFTER_SECONDS = 5

MAX_FAULTS = 20
"""How many faults of one request are told: whoever sent more has to begin anew anyway."""

_MAX_FIELD = 200

Call = TypeVar("Call", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A kind of answer that is not success.

    Attributes:
        status: of HTTP.
        code: for programs, stable.
        when: in which case, for the documentation.
        details: an example of what is told besides.
    """

    status: int
    code: str
    when: str
    details: Mapping[str, Any] | None = None


_FIELD = {"errors": [{"field": "limit", "message": "Input should be less than or equal to 100"}]}

INVALID_BODY = ErrorKind(
    400, "INVALID_BODY", "the body cannot be used; `errors` name fields", _FIELD
)
INVALID_PARAMETER = ErrorKind(
    400, "INVALID_PARAMETER", "a parameter or header cannot be used; `errors` name them", _FIELD
)
INVALID_CURSOR = ErrorKind(400, "INVALID_CURSOR", "the cursor is not one that this list gave")
UNAUTHENTICATED = ErrorKind(401, "UNAUTHENTICATED", "no token, or one that proves nothing")
FORBIDDEN = ErrorKind(403, "FORBIDDEN", "known, but not allowed")
SESSION_NOT_FOUND = ErrorKind(404, "SESSION_NOT_FOUND", "there is no such session")
NOT_FOUND = ErrorKind(404, "NOT_FOUND", "there is nothing at this path")
METHOD_NOT_ALLOWED = ErrorKind(405, "METHOD_NOT_ALLOWED", "the path exists, not for this method")
SESSION_PAUSED = ErrorKind(409, "SESSION_PAUSED", "the session is paused: only hosts change it now")
SESSION_ENDED = ErrorKind(409, "SESSION_ENDED", "the session has ended: nothing can be changed")
DOCUMENT_FULL = ErrorKind(409, "DOCUMENT_FULL", "the document is at a limit of this server")
BODY_TOO_LARGE = ErrorKind(
    413, "BODY_TOO_LARGE", "more bytes than `max_body_bytes`", {"max_bytes": 1_048_576}
)
UNSUPPORTED_MEDIA_TYPE = ErrorKind(415, "UNSUPPORTED_MEDIA_TYPE", "the body is not JSON")
RATE_LIMITED = ErrorKind(
    429,
    "RATE_LIMITED",
    "too many requests in a minute; `Retry-After` says when to try again",
    {"limit": "writes", "per_minute": 100},
)
INTERNAL = ErrorKind(500, "INTERNAL", "our fault; details are in the log under the request id")
STORAGE_UNAVAILABLE = ErrorKind(
    503, "STORAGE_UNAVAILABLE", "the database does not answer; try again"
)
KEYS_UNAVAILABLE = ErrorKind(503, "KEYS_UNAVAILABLE", "the issuer's keys cannot be fetched")
BACKLOG_FULL = ErrorKind(503, "BACKLOG_FULL", "the database is behind; no edits are taken now")
DOCUMENT_UNAVAILABLE = ErrorKind(
    503,
    "DOCUMENT_UNAVAILABLE",
    "what is stored cannot be opened, or has stopped a worker; the server's log says why",
)


class ApiError(Exception):
    """An answer that is not success.

    Attributes:
        kind: which one.
        message: for developers: what was wrong, what to do.
        details: for programs, by code.
        headers: to send along.
    """

    def __init__(
        self,
        kind: ErrorKind,
        message: str | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`message`: what the kind says of itself, if there is no more to say."""
        self.kind = kind
        self.message = message or kind.when
        self.details = dict(details or {})
        self.headers = dict(headers or {})
        super().__init__(self.message)

    @property
    def status(self) -> int:
        """The status of HTTP."""
        return self.kind.status

    @property
    def code(self) -> str:
        """The code."""
        return self.kind.code


def refuses(*kinds: ErrorKind) -> Callable[[Call], Call]:
    """Note on an endpoint, or on a dependency, what it may refuse: the OpenAPI document says it."""

    def noted(call: Call) -> Call:
        call.__dict__["refusals"] = (*refusals_of(call), *kinds)
        return call

    return noted


def refusals_of(call: Callable[..., Any]) -> tuple[ErrorKind, ...]:
    """What was noted with `refuses`."""
    noted: tuple[ErrorKind, ...] = getattr(call, "refusals", ())
    return noted


def invalid_body(message: str, errors: Sequence[Mapping[str, str]] = ()) -> ApiError:
    """The body cannot be used; `errors` name the fields."""
    return ApiError(INVALID_BODY, message, details={"errors": list(errors)})


def invalid_field(field: str, problem: str) -> ApiError:
    """One field of the body cannot be used."""
    return invalid_body(f"{field}: {problem}", [{"field": field, "message": problem}])


def invalid_parameter(message: str, errors: Sequence[Mapping[str, str]] = ()) -> ApiError:
    """A query parameter or a header cannot be used."""
    return ApiError(INVALID_PARAMETER, message, details={"errors": list(errors)})


def unauthenticated(reason: str, *, token_given: bool) -> ApiError:
    """Who is it? RFC 6750 §3: no error code in the challenge when nothing was presented."""
    challenge = "Bearer"
    if token_given:
        challenge += f' error="invalid_token", error_description="{_quotable(reason)}"'
    return ApiError(UNAUTHENTICATED, reason, headers={"WWW-Authenticate": challenge})


def _quotable(text: str) -> str:
    """What of a text may stand between quotes in a header (RFC 6750 §3)."""
    return "".join(c for c in text if " " <= c <= "~" and c not in '"\\')


def forbidden(reason: str) -> ApiError:
    """Known, but not allowed."""
    return ApiError(FORBIDDEN, reason)


def session_not_found(message: str | None = None) -> ApiError:
    """No such session, or it was deleted, or what should be its id is none."""
    return ApiError(SESSION_NOT_FOUND, message)


def body_too_large(limit: int) -> ApiError:
    """The body is, or says it is, over the limit (bytes)."""
    message = f"a body may have {limit} bytes"
    return ApiError(BODY_TOO_LARGE, message, details={"max_bytes": limit})


def rate_limited(limit: str, per_minute: int, retry_after: int) -> ApiError:
    """Too much in a minute; it will do again in so many seconds."""
    return ApiError(
        RATE_LIMITED,
        f"{per_minute} a minute are allowed ({limit}); retry in {retry_after} s",
        details={"limit": limit, "per_minute": per_minute},
        headers={"Retry-After": str(retry_after)},
    )


def unavailable(
    kind: ErrorKind, message: str | None = None, details: Mapping[str, Any] | None = None
) -> ApiError:
    """It may work later."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return ApiError(kind, message, details=details, headers=headers)


def invalid_request(errors: Sequence[Mapping[str, Any]]) -> ApiError:
    """What a request got wrong, of the faults that were found in it; never with a value given.

    Args:
        errors: as pydantic tells them; each `loc` begins with where it was found (`body`, `query`,
            `path`, `header`). Faults outside the body are told first, and alone.
    """
    outside = [error for error in errors if error["loc"][0] != "body"]
    told = [_field_error(error) for error in (outside or errors)[:MAX_FAULTS]]
    summary = "; ".join(f"{error['field']}: {error['message']}" for error in told[:5])
    if outside:
        return invalid_parameter(summary, told)
    if errors and errors[0]["type"] == "json_invalid":
        return invalid_body(f"the body is not JSON: {errors[0]['ctx']['error']}")
    return invalid_body(summary, told)


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    path = error["loc"][1:]
    return {
        "field": ".".join(map(str, path))[:_MAX_FIELD] or "body",
        "message": error["msg"].removeprefix("Value error, "),
    }
