"""The OpenAPI document: what the code says of itself, with every refusal and an example of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from pydantic import TypeAdapter

from server.audit_origin import IDENTITY_ID
from server.rest.callers import ACTING_USER, calling
from server.rest.endpoint import calls_of, is_idempotent, reads_query
from server.rest.envelope import Failure
from server.rest.errors import (
    BODY_TOO_LARGE,
    INVALID_BODY,
    INVALID_PARAMETER,
    STORAGE_UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    ErrorKind,
    refusals_of,
)
from server.rest.examples import example_of
from server.rest.health import VERSION
from server.rest.idempotency import IDEMPOTENCY_KEY, IN_PROGRESS, KEY_REUSED, NOT_KEPT, REPLAYED

Json = dict[str, Any]

DESCRIPTION = """\
Sessions in which people edit a shared document, and what became of it.

Every answer with a body of JSON has the same envelope: `data`, or `error` with a `code` that stays
the same and a `message` for developers, and `meta`. `X-Request-ID` is sent back, or made.

Ids in paths are percent-encoded, their slashes too. A list is read in pages: give `next_cursor`
back as `cursor`. Times are RFC 3339, in UTC. What is
not a field or a parameter of an operation is refused where the operation has any. Besides what
is listed, a path that does not exist gives 404 `NOT_FOUND`, a wrong method 405
`METHOD_NOT_ALLOWED`, and a fault of the server 500 `INTERNAL`. HEAD is answered like GET."""

TAGS = {
    "Health": "Open to everybody.",
    "Tokens": "Access tokens for people, and refresh tokens for the next ones. Only where tokens "
    "are signed with the server's secret.",
    "Sessions": "From creation to deletion.",
    "Participants": "Who takes part in a session, and as what.",
    "State": "The document of a session or room, now and at moments of its past.",
    "Objects": "What a session's document holds, one by one.",
    "Annotations": "What people say about objects.",
    "History": "Who changed what, and when.",
    "Snapshots": "Moments of a session or room that have a name.",
    "Search": "Full text over all that the caller may read.",
    "Export": "A session as a file.",
    "Rooms": "XR rooms, from creation to deletion.",
    "Room members": "Who may open an XR room, and as what.",
    "Room sessions": "The times during which people are in an XR room.",
    "Room participants": "Who is in such a session, with which devices, and where.",
    "Room objects": "What is in an XR room, one by one.",
    "Avatars": "What people look like in XR rooms: everybody's own.",
    "Governance": "Who did what, for those who answer for it.",
    "Privacy": "What is held about a person, and forgetting it.",
}

PARAMETERS: Mapping[str, Json] = {
    "RequestId": {
        "name": "X-Request-ID",
        "in": "header",
        "description": "Up to 128 visible ASCII characters: sent back, and in the server's log. "
        "One that is not usable is replaced.",
        "schema": {"type": "string"},
        "example": "0f6cf1c0-6a2f-4a3e-9b52-8a3a4d1b7e11",
    },
    "ActingUser": {
        "name": ACTING_USER,
        "in": "header",
        "description": "For services: in whose name this is done. They may then do what this "
        "person may in the session.",
        "schema": {"type": "string", "format": "uuid"},
        "example": "0d9f6a52-57a0-4f39-8a94-2a9b1a3c7e55",
    },
    "IdentityId": {
        "name": IDENTITY_ID,
        "in": "header",
        "description": "The platform's id of whoever this is about: noted in the audit trail if "
        "it is a UUID, and never believed.",
        "schema": {"type": "string"},
        "example": "9c2f9b7e-1d5c-4a6e-8a0d-2b7e6f1c3d4a",
    },
    "IdempotencyKey": {
        "name": IDEMPOTENCY_KEY,
        "in": "header",
        "description": "Makes it safe to send the same again: for 24 hours, the same key from the "
        "same caller gives the first successful answer again and nothing is done twice.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
        "example": "b3f1c6de-51d5-4d32-a0a5-6a35f70f5d20",
    },
}

HEADERS: Mapping[str, Json] = {
    "RequestId": {
        "description": "The request's id.",
        "schema": {"type": "string"},
    },
    "Location": {
        "description": "Where the new resource is.",
        "schema": {"type": "string"},
    },
    "IdempotencyReplayed": {
        "description": "`true` where the first answer to this key is given again.",
        "schema": {"type": "string", "const": "true"},
    },
    "Challenge": {
        "description": "RFC 6750.",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "description": "Seconds after which it may work.",
        "schema": {"type": "string", "pattern": "^[0-9]+$"},
    },
}

EXAMPLE_META = {
    "request_id": "0f6cf1c0-6a2f-4a3e-9b52-8a3a4d1b7e11",
    "timestamp": "2030-05-17T12:00:00Z",
    "version": "v1",
}


def openapi_document(app: FastAPI) -> Json:
    """The document for all endpoints of an application."""
    document = get_openapi(
        title="CHE·NU collaboration",
        version=VERSION,
        description=DESCRIPTION,
        routes=app.routes,
        servers=[{"url": "/api"}],
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    _add_components(document)
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path_format][method.lower()]
                _complete(operation, route, method, document)
    used = {tag for operation in _operations(document) for tag in operation["tags"]}
    document["tags"] = [tag for tag in document["tags"] if tag["name"] in used]
    return document


def _add_components(document: Json) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for schema in schemas.values():
        _restore_examples(schema)
    failure = TypeAdapter(Failure).json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(failure.pop("$defs"))
    schemas["Failure"] = failure
    components["parameters"] = dict(PARAMETERS)
    components["headers"] = dict(HEADERS)
    components["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "A person's, an agent's or a service's token.",
        }
    }


def _restore_examples(schema: Json) -> None:
    """Put back what FastAPI takes out of examples: fields that are null, and the order."""
    properties = schema.get("properties", {})
    if schema.get("type") != "object" or "examples" not in schema:
        return
    needed = schema.get("required", ())
    schema["examples"] = [
        {name: given.get(name) for name in properties if name in given or name in needed}
        | {name: value for name, value in given.items() if name not in properties}
        for given in schema["examples"]
    ]


def _complete(operation: Json, route: RouteContext, method: str, document: Json) -> None:
    """Add to an operation what FastAPI does not know of it."""
    calls = list(calls_of(route.dependant))
    has_caller = calling in calls
    _describe(operation, route)
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    operation["parameters"] = [
        *operation.get("parameters", []),
        *(_reference("parameters", name) for name in _headers_read(method, calls)),
    ]
    if has_caller:
        operation["security"] = [{"token": []}]
    responses = operation["responses"]
    responses.pop("422", None)
    for status, response in responses.items():
        _complete_success(response, status, is_idempotent([method], calls), document)
    kinds = {kind.code: kind for call in calls for kind in refusals_of(call)}
    kinds |= {kind.code: kind for kind in _refused_around(route, method, calls)}
    by_status = sorted(kinds.values(), key=lambda kind: (kind.status, kind.code))
    for refused, group in groupby(by_status, key=lambda kind: kind.status):
        responses[str(refused)] = _refusal(refused, list(group))


def _without_null(schema: Json) -> Json:
    """A parameter is left out, and never null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **kinds[0]}


def _describe(operation: Json, route: RouteContext) -> None:
    """The first line of the docstring, and the rest."""
    first, _, rest = (operation.get("description") or "").partition("\n")
    if not first:
        raise ValueError(f"the endpoint {route.name} has no docstring")
    operation["summary"] = first.rstrip(".")
    operation["description"] = rest.strip() or first
    operation["operationId"] = route.name


def _headers_read(method: str, calls: Sequence[Any]) -> Iterator[str]:
    yield "RequestId"
    if calling in calls:
        yield "ActingUser"
        yield "IdentityId"
    if is_idempotent([method], calls):
        yield "IdempotencyKey"


def _refused_around(route: RouteContext, method: str, calls: Iterable[Any]) -> Iterator[ErrorKind]:
    """What is refused before the endpoint is asked."""
    if cast(APIRoute, route).body_field is not None:
        yield from (INVALID_BODY, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
    if reads_query(cast(Dependant, route.dependant)):
        yield INVALID_PARAMETER
    if is_idempotent([method], calls):
        yield from (
            INVALID_PARAMETER,
            BODY_TOO_LARGE,
            KEY_REUSED,
            IN_PROGRESS,
            NOT_KEPT,
            STORAGE_UNAVAILABLE,
        )


def _complete_success(response: Json, status: str, is_idempotent: bool, document: Json) -> None:  # noqa: FBT001 - a fact of the operation, not a switch
    headers = ["RequestId"]
    names = {"RequestId": "X-Request-ID", "Location": "Location"}
    names["IdempotencyReplayed"] = REPLAYED
    if status == "201":
        headers.append("Location")
    if is_idempotent:
        headers.append("IdempotencyReplayed")
    response["headers"] = {
        **{names[header]: _reference("headers", header) for header in headers},
        **response.get("headers", {}),
    }
    if response["description"] == "Successful Response":
        response["description"] = "Done."
    content = response.get("content", {}).get("application/json")
    if content is not None and "example" not in content and "examples" not in content:
        content["example"] = {
            **cast(Json, example_of(content["schema"], document)),
            "meta": EXAMPLE_META,
        }


def _refusal(status: int, kinds: list[ErrorKind]) -> Json:
    """One answer of an operation for all refusals with the same status."""
    headers = {"X-Request-ID": _reference("headers", "RequestId")}
    if status == 401:
        headers["WWW-Authenticate"] = _reference("headers", "Challenge")
    if status == 503:
        headers["Retry-After"] = _reference("headers", "RetryAfter")
    return {
        "description": "\n".join(f"- `{kind.code}`: {kind.when}" for kind in kinds),
        "headers": headers,
        "content": {
            "application/json": {
                "schema": {
                    "allOf": [_reference("schemas", "Failure")],
                    "properties": {"error": {"properties": {"code": _one_of(kinds)}}},
                },
                "examples": {
                    kind.code: {"summary": kind.when, "value": _failure_example(kind)}
                    for kind in kinds
                },
            }
        },
    }


def _one_of(kinds: list[ErrorKind]) -> Json:
    return {"enum": [kind.code for kind in kinds]}


def _failure_example(kind: ErrorKind) -> Json:
    error = {"code": kind.code, "message": kind.when, "details": dict(kind.details or {})}
    return {"success": False, "error": error, "meta": EXAMPLE_META}


def _reference(section: str, name: str) -> Json:
    return {"$ref": f"#/components/{section}/{name}"}


def _operations(document: Json) -> Iterator[Json]:
    for methods in document["paths"].values():
        yield from methods.values()
