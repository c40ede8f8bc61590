"""The walk over the delete set at the end of an untrusted update (GRD)."""

from __future__ import annotations

from collections.abc import Generator

from crdt_docs.clocks import MAX_CLOCK, ClockRanges
from crdt_docs.errors import LimitExceeded, Malformed
from crdt_docs.varint import read_var_uint


def walk_deletes(
    data: bytes, position: int, deletes: ClockRanges, limit: int, budget: int
) -> Generator[None, None, int]:
    """Walk the delete set into `deletes`; return where it ends."""
    clients, position = read_var_uint(data, position)
    # GRD-1: a client takes four bytes at least: id, count, and one range of two.
    if clients * 4 > len(data) - position:
        raise Malformed(f"{clients} clients that delete do not fit in what remains")
    walked = 0
    left = limit
    for _ in range(clients):
        client, position = read_var_uint(data, position)
        count, position = read_var_uint(data, position)
        if client in deletes:
            raise Malformed(f"client {client} is listed twice in the delete set")
        if count == 0:
            raise Malformed("a client is listed in the delete set without ranges")
        if count * 2 > len(data) - position:
            raise Malformed(f"{count} delete ranges do not fit in the bytes that remain")
        left -= count
        if left < 0:
            raise LimitExceeded(f"an update may delete {limit} ranges")
        spans: list[tuple[int, int]] = []
        deletes[client] = spans
        end = 0
        for _ in range(count):
            walked += 1
            if walked >= budget:
                walked = 0
                yield
            span, position = read_span(data, position, end)
            spans.append(span)
            end = span[1]
    return position


def read_span(data: bytes, position: int, before: int) -> tuple[tuple[int, int], int]:
    """Read one delete range, which begins at `before` at the earliest."""
    clock = data[position]
    position += 1
    if clock >= 0x80:
        clock, position = read_var_uint(data, position - 1)
    length = data[position]
    position += 1
    if length >= 0x80:
        length, position = read_var_uint(data, position - 1)
    end = clock + length
    if clock < before or length == 0:
        raise Malformed("delete ranges are empty, overlap or are out of order")
    if end > MAX_CLOCK:
        raise Malformed(f"a clock that is deleted is above {MAX_CLOCK}")
    return (clock, end), position
