"""Opaque cursors of keyset pagination: where a list that is ordered by time and id goes on."""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

from persistence.ports import InvalidCursor

_POSITION = struct.Struct(">q16s")  # microseconds since 1970, id
_CHECK_BYTES = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode_cursor(at: datetime, identifier: UUID) -> str:
    """The position of one row, as base64url (30 bytes, 40 characters: no padding)."""
    position = _POSITION.pack((at - _EPOCH) // _MICROSECOND, identifier.bytes)
    return base64.urlsafe_b64encode(position + _check(position)).decode()


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """The row after which a page starts.

    Raises:
        InvalidCursor: `encode_cursor` did not make it. The check is for mistakes, not against
            attacks: a cursor grants nothing, access is checked for every page.
    """
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        position = raw[: _POSITION.size]
        microseconds, identifier = _POSITION.unpack(position)
        at = _EPOCH + microseconds * _MICROSECOND
    except (ValueError, binascii.Error, struct.error, OverflowError):
        raise InvalidCursor("not a cursor of this list") from None
    if raw[_POSITION.size :] != _check(position):
        raise InvalidCursor("not a cursor of this list")
    return at, UUID(bytes=identifier)


def _check(position: bytes) -> bytes:
    return hashlib.blake2s(position, digest_size=_CHECK_BYTES, person=b"cursor-1").digest()
