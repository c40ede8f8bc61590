"""GRD-15: what of an untrusted state vector is handed on, and in what portions."""

from __future__ import annotations

import random

import pytest

from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.state_vector import (
    NAMED_AT_ONCE,
    VectorWalk,
    encode_state_vector,
    walk_state_vector,
)
from crdt_docs.varint import var_uint


def walked(data: bytes, known: set[int], most: int = 100_000) -> tuple[bytes, int]:
    """What remains of a state vector, and in how many slices it was read."""
    walk = VectorWalk(data, known, most)
    slices = 1
    while (part := walk.advance()) is None:
        slices += 1
    return part, slices


def test_who_is_not_in_the_document_is_left_out() -> None:
    dice = random.Random(15)
    clocks = {dice.randrange(2**32): dice.randrange(1, 2**31) for _ in range(1_000)}
    data = encode_state_vector(clocks)
    known = set(dice.sample(sorted(clocks), 400))
    part, _ = walked(data, known)
    assert walk_state_vector(part) == {client: clocks[client] for client in known}


def test_where_all_are_known_it_stays_the_same() -> None:
    data = encode_state_vector({7: 1, 300: 128, 2**32 - 1: 2**31 - 1})
    assert walked(data, {7, 300, 2**32 - 1})[0] is data


@pytest.mark.parametrize("data", [b"\x00", b"\x01\x07\x05"])
def test_where_none_is_known_it_is_empty(data: bytes) -> None:
    assert walked(data, set())[0] == b"\x00"


def test_many_clients_are_read_in_slices() -> None:
    clocks = dict.fromkeys(range(1, 50_001), 1)
    part, slices = walked(encode_state_vector(clocks), {9})
    assert part == b"\x01\x09\x01"
    assert slices == 50_000 // NAMED_AT_ONCE


def test_more_clients_than_somebody_can_know_of_are_refused_unread() -> None:
    def vector(clients: int) -> bytes:
        return var_uint(clients) + b"\x00" * 2 * clients

    with pytest.raises(LimitExceeded, match="60001 client ids"):
        VectorWalk(vector(60_001), set(), 60_000).advance()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\x01\x07",
        b"\x01\x07\x80",
        b"\x02\x07\x01\x07\x02",
        b"\x01\x07\x01\x00",
        b"\x01\x07\x01" + bytes(100_000),
        b"\x01\x07\xff\xff\xff\xff\x0f",
    ],
)
def test_what_no_editor_sends_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        walked(data, {7})
