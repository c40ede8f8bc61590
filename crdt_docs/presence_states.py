"""What a presence state says: of its user what the token says, of its place what the server knows.

A state is a JSON object that a client made. It is opened once, changed, and written as the client
would have written it.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

import orjson

from crdt_docs.access import Role
from crdt_docs.errors import Malformed
from crdt_docs.identifiers import Identity

PLACE: Final = "xr"
"""Where a state says what the server knows of a headset: slot, generation, where it is (AWR-15)."""


def who_is(identity: Identity, role: Role) -> dict[str, str]:
    """What the token says of somebody (AWR-4)."""
    identifier = str(identity.user_id)
    return {
        "id": identifier,
        "name": identity.name or f"Guest {identifier[:4]}",
        "role": role.value,
        "kind": identity.kind.value,
    }


def stamped(state: bytes, who: dict[str, str], place: bytes | None, *, has_places: bool) -> bytes:
    """A state that says this about its user (AWR-4), and where there are places, its place.

    Args:
        place: a JSON object; None: it is nowhere.
        has_places: what the client says of its place counts nothing.

    Raises:
        Malformed: it is not a JSON object, or holds what JSON cannot.
    """
    fields = _parse_object(state)
    user = fields.get("user")
    fields["user"] = {**user, **who} if isinstance(user, dict) else who
    if has_places:
        fields.pop(PLACE, None)
        if place is not None:
            fields[PLACE] = orjson.loads(place)
    try:
        return _encode(fields)
    except (ValueError, RecursionError):
        raise Malformed("an awareness state holds a number that JSON cannot") from None


def _encode(fields: dict[str, Any]) -> bytes:
    """As JSON.stringify writes it, so that what stock clients repeat is the same bytes."""
    try:
        return orjson.dumps(fields)
    except TypeError:  # a lone surrogate, which only an escape can carry, or a very long number
        return _ESCAPING_ENCODER.encode(fields).encode()


def _parse_object(state: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(state)
    except ValueError:
        fields = _parse_leniently(state)
    if not isinstance(fields, dict):
        raise Malformed("an awareness state must be a JSON object or null")
    return fields


def _parse_leniently(state: bytes) -> Any:
    """JSON with half a surrogate pair, which JavaScript writes and orjson does not take."""
    try:
        return _DECODER.decode(state.decode())
    except (ValueError, RecursionError):
        raise Malformed("an awareness state is not valid JSON") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


# Made once: making them costs more than using them.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
_ESCAPING_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
