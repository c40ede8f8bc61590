"""What bodies say of objects, in the fields of documents, and what is wrong with it, in the fields
of bodies: these are the columns of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from crdt_docs.object_fields import TRANSFORM_PARTS, wrong_fields
from crdt_docs.object_kinds import ObjectKind
from crdt_docs.object_transforms import TRANSFORM
from crdt_docs.projection import is_projected_id
from server.rest.errors import invalid_body, invalid_field
from server.rest.object_views import Body, read_only


def new_id(body: Body) -> str:
    """The id of what a body creates; a new one if it names none.

    Raises:
        ApiError: 400.
    """
    given = getattr(body, "id", None)
    if given is None:
        return str(uuid4())
    if not isinstance(given, str) or not is_projected_id(given):
        raise invalid_field("id", "must be a text of 1 to 128 bytes of UTF-8, without NUL")
    if given in (".", ".."):
        # To clients its address is that of what it is in: to delete it would delete the session.
        raise invalid_field("id", "must not be . or .., which clients take out of addresses")
    return given


def said_in(kind: ObjectKind, body: Body) -> dict[str, Any]:
    """What a body says, in columns.

    Raises:
        ApiError: 400, for what only the server says, and for what columns say otherwise.
    """
    value = body.given()
    told = sorted(read_only(kind) & value.keys()) + (["id"] if "id" in value else [])
    if told:
        problem = "is said by the server; leave it out"
        errors = [{"field": field, "message": problem} for field in told]
        raise invalid_body("; ".join(f"{field}: {problem}" for field in told), errors)
    if kind is ObjectKind.XR_OBJECT and TRANSFORM in value:
        raise invalid_field(TRANSFORM, f"is given as {', '.join(TRANSFORM_PARTS)}")
    return value


def wrong_columns(kind: ObjectKind, value: Any) -> Iterator[tuple[str, str]]:
    """What makes an object of a document invalid, each with what it should be."""
    for field, problem in wrong_fields(kind, value):
        yield column(kind, field), problem


def column(kind: ObjectKind, field: str) -> str:
    """The column, or something in it, that a field of a document is in a row."""
    return field.removeprefix(f"{TRANSFORM}.") if kind is ObjectKind.XR_OBJECT else field
