"""Opaque cursors of lists that are ordered by the ids of objects."""

from __future__ import annotations

import base64
import binascii
import hashlib

from crdt_docs.projection import is_projected_id
from server.rest.errors import INVALID_CURSOR, ApiError

_CHECK_BYTES = 6


def encode_id(identifier: str) -> str:
    """The cursor of what follows this id, as base64url."""
    raw = identifier.encode()
    return base64.urlsafe_b64encode(_check(raw) + raw).decode().rstrip("=")


def decode_id(cursor: str) -> str:
    """The id after which a page starts.

    Raises:
        ApiError: `encode_id` did not make it. The check is for mistakes: a cursor grants nothing.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        identifier = raw[_CHECK_BYTES:].decode()
    except (ValueError, binascii.Error):
        raise ApiError(INVALID_CURSOR) from None
    if raw[:_CHECK_BYTES] != _check(identifier.encode()) or not is_projected_id(identifier):
        raise ApiError(INVALID_CURSOR)
    return identifier


def _check(raw: bytes) -> bytes:
    return hashlib.blake2s(raw, digest_size=_CHECK_BYTES, person=b"id-crsr").digest()
