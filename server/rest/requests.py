"""What requests may say: bodies and query parameters, described and checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    ValidationError,
)
from starlette.requests import Request

from crdt_docs.errors import Malformed
from crdt_docs.identifiers import parse_uuid
from persistence.ports import SessionStatus, SessionType
from server.access_decision import DEFAULT_ROLES, default_role
from server.rest.errors import (
    ApiError,
    field_errors,
    invalid_body,
    invalid_parameter,
    session_not_found,
)

MAX_CONFIG_BYTES = 16 * 1024
MAX_CONFIG_DEPTH = 16
MAX_LIST = 100

Model = TypeVar("Model", bound=BaseModel)


def _uuid(value: object) -> UUID:
    try:
        return parse_uuid(value if isinstance(value, str) else "")
    except Malformed as error:
        raise ValueError(str(error)) from None


def _config(value: dict[str, Any]) -> dict[str, Any]:
    """A session's config: free, but bounded, storable, and right where we read it ourselves."""
    _check_storable(value)
    if len(orjson.dumps(value)) > MAX_CONFIG_BYTES:
        raise ValueError(f"may have {MAX_CONFIG_BYTES} bytes as JSON")
    if "default_role" in value and default_role(value) is None:
        raise ValueError(f"default_role must be one of {', '.join(DEFAULT_ROLES)}")
    return value


def _check_storable(config: dict[str, Any]) -> None:
    """PostgreSQL's jsonb has no NUL, and deep nesting serves nobody. Walks without recursion."""
    pending: list[tuple[object, int]] = [(config, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_CONFIG_DEPTH:
            raise ValueError(f"may be nested {MAX_CONFIG_DEPTH} levels deep")
        if isinstance(value, str) and "\0" in value:
            raise ValueError("text must not contain the character U+0000")
        if isinstance(value, dict):
            pending.extend((key, depth) for key in value)
            pending.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            pending.extend((inner, depth + 1) for inner in value)


Uuid = Annotated[UUID, BeforeValidator(_uuid)]


class _Strict(BaseModel):
    """Names nobody knows are errors: a misspelt option must not be ignored in silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class CreateSession(_Strict):
    """Body of `POST /ocw/sessions`."""

    workspace_id: Uuid
    session_type: SessionType
    config: Annotated[dict[str, Any], AfterValidator(_config)] = Field(default_factory=dict)
    max_participants: StrictInt | None = Field(None, ge=1)


class ListSessions(_Strict):
    """Query of `GET /ocw/sessions`."""

    workspace_id: Uuid | None = None
    type: SessionType | None = None
    status: SessionStatus | None = None
    limit: int = Field(50, ge=1, le=MAX_LIST)
    cursor: str | None = Field(None, max_length=512)


class ReadState(_Strict):
    """Query of `GET /ocw/sessions/{id}/state`."""

    format: Literal["json", "yjs"] = "json"


async def read_body(request: Request, model: type[Model]) -> Model:
    """The request's JSON body as `model`.

    Raises:
        ApiError: not JSON (400, 415), not what the model says (400), too large (413).
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", "send the body as application/json")
    try:
        content = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise invalid_body(f"the body is not JSON: {error.msg}") from None
    if not isinstance(content, dict):
        raise invalid_body("the body must be a JSON object")
    try:
        return model.model_validate(content)
    except ValidationError as error:
        errors = field_errors(error)
        raise invalid_body(_summary(errors), errors) from None


def read_query(request: Request, model: type[Model]) -> Model:
    """The request's query parameters as `model`; each may be given once.

    Raises:
        ApiError: a parameter is unknown, repeated or wrong (400).
    """
    pairs = request.query_params.multi_items()
    given = dict(pairs)
    if len(given) != len(pairs):
        raise invalid_parameter("a parameter is given more than once")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        errors = field_errors(error)
        raise invalid_parameter(_summary(errors), errors) from None


def read_session_id(request: Request) -> UUID:
    """The session id of the path.

    Raises:
        ApiError: it is no UUID, so there can be no such session (404).
    """
    try:
        return parse_uuid(request.path_params["session_id"])
    except Malformed as error:
        raise session_not_found(str(error)) from None


def _summary(errors: list[dict[str, str]]) -> str:
    return "; ".join(f"{error['field']}: {error['message']}" for error in errors[:5])
