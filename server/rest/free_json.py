"""JSON in bodies that is the client's own: it is kept as it came, within bounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator

from server.rest.errors import invalid_field

MAX_BYTES = 16 * 1024
MAX_DEPTH = 16


def bounded(value: dict[str, Any]) -> dict[str, Any]:
    """The same object, if it can be stored.

    Raises:
        ValueError: PostgreSQL cannot keep it, or it is too much.
    """
    _check_storable(value)
    if len(orjson.dumps(value)) > MAX_BYTES:
        raise ValueError(f"may have {MAX_BYTES} bytes as JSON")
    return value


def _check_storable(given: dict[str, Any]) -> None:
    """PostgreSQL's jsonb has no NUL, and deep nesting serves nobody. Walks without recursion."""
    pending: list[tuple[object, int]] = [(given, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"may be nested {MAX_DEPTH} levels deep")
        if isinstance(value, str) and "\0" in value:
            raise ValueError("text must not contain the character U+0000")
        if isinstance(value, dict):
            pending.extend((key, depth) for key in value)
            pending.extend((inner, depth + 1) for inner in value.values())
        elif isinstance(value, list):
            pending.extend((inner, depth + 1) for inner in value)


FreeJson = Annotated[dict[str, Any], AfterValidator(bounded)]
"""An object with any members."""


def patched(
    field: str,
    before: Mapping[str, Any],
    patch: Mapping[str, Any] | None,
    check: Callable[[dict[str, Any]], dict[str, Any]] = bounded,
) -> dict[str, Any]:
    """An object with a JSON Merge Patch in it (RFC 7396) that is `FreeJson`; of null, empty.

    Args:
        field: of the body, for the refusal.
        check: what may come out of it.

    Raises:
        ApiError: 400, that is too much.
    """
    try:
        return {} if patch is None else check(_merged(before, patch))
    except ValueError as error:
        raise invalid_field(field, str(error)) from None


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(before)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, Mapping):
            inner = found.get(name)
            found[name] = _merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            found[name] = value
    return found
