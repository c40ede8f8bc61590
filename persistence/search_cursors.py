"""Opaque cursors of searches: after which hit a page starts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from crdt_docs.object_kinds import ObjectRoot
from crdt_docs.projection import is_projected_id
from persistence.ports import InvalidCursor
from persistence.search_ports import Hit

_POSITION = struct.Struct(">dq16sB")  # rank, microseconds since 1970, session, number of the root
_CHECK_BYTES = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

ROOTS: Final = tuple(ObjectRoot)


class Place(NamedTuple):
    """Where a hit stands in the list; in descending order.

    Attributes:
        root: its number in `ROOTS`.
    """

    rank: float
    updated_at: datetime
    session_id: UUID
    root: int
    id: str


BEFORE_ALL: Final = Place(
    float("inf"), datetime(9999, 12, 31, tzinfo=UTC), UUID(int=2**128 - 1), len(ROOTS), ""
)


def place_of(hit: Hit) -> Place:
    """Where it stands."""
    return Place(hit.rank, hit.updated_at, hit.session_id, ROOTS.index(hit.root), hit.id)


def encode_place(place: Place, text: str) -> str:
    """A place in the list of what was found for these words, as base64url."""
    microseconds = (place.updated_at - _EPOCH) // _MICROSECOND
    fixed = _POSITION.pack(place.rank, microseconds, place.session_id.bytes, place.root)
    position = fixed + place.id.encode()
    return base64.urlsafe_b64encode(_check(position, text) + position).decode()


def decode_place(cursor: str, text: str) -> Place:
    """The hit after which a page starts.

    Raises:
        InvalidCursor: `encode_place` did not make it for these words.
    """
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        position = raw[_CHECK_BYTES:]
        rank, microseconds, session_id, root = _POSITION.unpack_from(position)
        at = _EPOCH + microseconds * _MICROSECOND
        identifier = position[_POSITION.size :].decode()
    except (ValueError, binascii.Error, struct.error, OverflowError):
        raise InvalidCursor("not a cursor of this list") from None
    if raw[:_CHECK_BYTES] != _check(position, text) or not is_projected_id(identifier):
        raise InvalidCursor("not a cursor of this list")
    return Place(rank, at, UUID(bytes=session_id), root, identifier)


def _check(position: bytes, text: str) -> bytes:
    """For mistakes, not against attacks: a cursor grants nothing."""
    key = hashlib.blake2s(text.encode()).digest()
    return hashlib.blake2s(position, digest_size=_CHECK_BYTES, key=key, person=b"search-1").digest()
