"""Frames that no editor sends: each would break something if it were believed.

The updates are those of PROTOCOL §7 and their neighbours, built by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.helpers import raw_updates as raw
from tests.helpers.yjs_peer import step1, step2, sync_update, var_bytes, var_uint

MALFORMED = 4400
UNAUTHENTICATED = 4401
TOO_BIG = 1009


@dataclass(frozen=True)
class Attack:
    """Frames to send on one socket, and the code it is closed with."""

    frames: Callable[[], list[bytes]]
    code: int = MALFORMED


def _frame(*parts: bytes) -> Attack:
    return Attack(lambda: [b"".join(parts)])


def _update(build: Callable[[], bytes]) -> Attack:
    return Attack(lambda: [sync_update(build())])


def _valid() -> bytes:
    return raw.update(raw.section(7, 0, raw.item(raw.text("hello"), parent="text")))


def _nested_arrays(depth: int) -> bytes:
    """One value, arrays in arrays: a walk that recurses runs out of stack."""
    value = raw.NULL
    value = b"\x75\x01" * depth + value
    return raw.update(raw.section(7, 0, raw.item(raw.values(value), parent="list")))


def _nested_types(depth: int) -> bytes:
    """Maps in maps by parent id, all in one update."""
    structs = [raw.item(raw.shared_type(1), parent="objects", key="k")]
    structs += [
        raw.item(raw.shared_type(1), parent=(7, clock), key="k") for clock in range(depth - 1)
    ]
    return raw.update(raw.section(7, 0, *structs))


def _format_in_map() -> bytes:
    """A mark whose left neighbour lies under a map key."""
    return raw.update(
        raw.section(
            7,
            0,
            raw.item(raw.values(raw.NULL), parent="objects", key="k"),
            raw.item(raw.formatting("bold", "true"), origin=(7, 0)),
        )
    )


def _same_key(times: int) -> bytes:
    structs = [raw.item(raw.values(raw.NULL), parent="objects", key="k") for _ in range(times)]
    return raw.update(raw.section(7, 0, *structs))


def contradictions() -> list[bytes]:
    """Right neighbours that lie before the left ones, some of them across two clients.

    Shapes like these have made `apply_update` loop for ever.
    """
    chain = [raw.item(raw.text("a"), parent="text")]
    chain += [raw.item(raw.text("b"), origin=(7, clock)) for clock in range(4)]
    crossed = raw.item(raw.text("x"), origin=(7, 3), right=(7, 0))
    return [
        raw.update(raw.section(7, 0, *chain, crossed, crossed)),
        raw.update(
            raw.section(9, 0, crossed, raw.item(raw.text("y"), origin=(9, 0), right=(7, 1))),
            raw.section(7, 0, *chain),
        ),
        raw.update(
            raw.section(9, 0, raw.item(raw.text("y"), origin=(7, 4), right=(8, 0))),
            raw.section(8, 0, raw.item(raw.text("z"), origin=(7, 0), right=(7, 0))),
            raw.section(7, 0, *chain),
        ),
    ]


def _many_elements(count: int) -> bytes:
    elements = raw.values(*([raw.NULL] * count))
    return raw.update(raw.section(7, 0, raw.item(elements, parent="list")))


def _many_structs(count: int) -> bytes:
    first = raw.item(raw.text("a"), parent="text")
    structs = [raw.item(raw.text("a"), origin=(7, clock)) for clock in range(count)]
    return raw.update(raw.section(7, 0, first, *structs))


def _subdocuments(count: int) -> bytes:
    first = raw.item(raw.subdocument("a"), parent="list")
    others = [raw.item(raw.subdocument("a"), origin=(7, clock)) for clock in range(count)]
    return raw.update(raw.section(7, 0, first, *others))


def _unknown_kinds() -> list[bytes]:
    return [raw.update(raw.section(7, 0, bytes((kind, 1, 0)))) for kind in range(11, 32)]


ATTACKS: dict[str, Attack] = {
    # Frames
    "an empty frame": _frame(b""),
    "an unknown message": _frame(b"\x07\x00"),
    "a message type of many bytes": _frame(b"\xff" * 20),
    "a token that is none": Attack(lambda: [b"\x02\x00\x02no"], code=UNAUTHENTICATED),
    "an auth message that only the server gives": _frame(b"\x02\x01\x02no"),
    "a receipt, which only the server gives": _frame(b"\x71\x05"),
    "an unknown sync message": _frame(b"\x00\x03\x00"),
    "a sync message without anything": _frame(b"\x00"),
    "a step 1 that ends early": _frame(step1(b"\x01\x05\x06")[:-1]),
    "a step 1 with a count that does not fit": _frame(step1(b"\xff\xff\xff\x7f")),
    "a step 1 with bytes after it": _frame(step1(b"\x00"), b"\x00"),
    "a state vector with bytes after it": _frame(step1(b"\x00\x00")),
    "a step 2 that ends early": _frame(step2(_valid())[:-1]),
    "an update that is longer than it says": _frame(sync_update(_valid()), b"\x00"),
    "two messages in one frame": _frame(sync_update(_valid()), sync_update(_valid())),
    "a length of 2^53": _frame(b"\x00\x02", var_uint(2**53), _valid()),
    "a length without an end": _frame(b"\x00\x02", b"\xff" * 30),
    "a frame over the limit": Attack(lambda: [sync_update(bytes(5 * 1024 * 1024))], TOO_BIG),
    # Presence
    "presence with a count that does not fit": _frame(b"\x01", var_bytes(b"\xff\xff\xff\x7f")),
    "presence that ends early": _frame(b"\x01", var_bytes(b"\x01\x07\x01\x20{}")),
    "presence with bytes after it": _frame(b"\x01", var_bytes(b"\x00\x00")),
    "presence that is not JSON": _frame(b"\x01", var_bytes(b'\x01\x07\x01\x05{"a":')),
    "presence that is not an object": _frame(b"\x01", var_bytes(b"\x01\x07\x01\x02[]")),
    "presence that is not UTF-8": _frame(b"\x01", var_bytes(b"\x01\x07\x01\x04{\xff\xff}")),
    "presence with NaN": _frame(b"\x01", var_bytes(b"\x01\x07\x01" + var_bytes(b'{"a":NaN}'))),
    "presence nested without end": _frame(
        b"\x01", var_bytes(b"\x01\x07\x01" + var_bytes(b'{"a":' + b"[" * 8000))
    ),
    "presence over its limit": _frame(
        b"\x01", var_bytes(b"\x01\x07\x01" + var_bytes(b'{"a":"' + b"x" * 20_000 + b'"}'))
    ),
    "presence of the far future": _frame(
        b"\x01", var_bytes(b"\x01\x07" + var_uint(2**53 - 1) + var_bytes(b"{}"))
    ),
    # The grammar of updates
    "no update at all": _update(lambda: b""),
    "2^28 clients in five bytes": _update(lambda: var_uint(2**28)),
    "2^28 structs": _update(lambda: b"\x01" + var_uint(2**28) + b"\x07\x00"),
    "2^28 deleted ranges": _update(lambda: b"\x00\x01\x07" + var_uint(2**28)),
    "a string longer than the update": _update(
        lambda: raw.update(raw.section(7, 0, b"\x04\x01\x04text" + var_uint(2**28) + b"a"))
    ),
    "a string that is not UTF-8": _update(
        lambda: raw.update(raw.section(7, 0, b"\x04\x01\x04text\x03\xed\xa0\x80"))
    ),
    "an update with bytes after it": _update(lambda: _valid() + b"\x00"),
    "an update of another encoding": _update(lambda: b"\x00\x00\x01" + b"\x00" * 12),
    "a client twice": _update(
        lambda: raw.update(
            raw.section(7, 0, raw.item(raw.text("a"), parent="text")),
            raw.section(7, 1, raw.item(raw.text("b"), parent="text")),
        )
    ),
    "a client id of 2^53": _update(
        lambda: raw.update(raw.section(2**53, 0, raw.item(raw.text("a"), parent="text")))
    ),
    "a clock of 2^31": _update(lambda: raw.update(raw.section(7, 2**31, raw.collected(1)))),
    "a length that passes 2^31": _update(
        lambda: raw.update(raw.section(7, 0, raw.collected(2**31)))
    ),
    "a length of nothing": _update(lambda: raw.update(raw.section(7, 0, raw.collected(0)))),
    "a formatted value that is not JSON": _update(
        lambda: raw.update(raw.section(7, 0, raw.item(raw.formatting("b", "{"), parent="text")))
    ),
    # The shape of updates
    "100 KB of nested arrays": _update(lambda: _nested_arrays(50_000)),
    "1,000 types in one another": _update(lambda: _nested_types(1_000)),
    "a mark under a map key": _update(_format_in_map),
    "one key 30,000 times": _update(lambda: _same_key(30_000)),
    "a right neighbour that is yet to come": _update(
        lambda: raw.update(
            raw.section(
                7,
                0,
                raw.item(raw.text("a"), right=(7, 1)),
                raw.item(raw.text("b"), parent="text"),
            )
        )
    ),
    "300,000 elements": _update(lambda: _many_elements(300_000)),
    "300,000 structs": _update(lambda: _many_structs(300_000)),
    "30,000 subdocuments": _update(lambda: _subdocuments(30_000)),
    "a parent that is no type": _update(
        lambda: raw.update(
            raw.section(
                7,
                0,
                raw.item(raw.text("a"), parent="text"),
                raw.item(raw.values(raw.NULL), parent=(7, 0), key="k"),
            )
        )
    ),
    **{
        f"content of kind {update[4]}": Attack(lambda update=update: [sync_update(update)])  # type: ignore[misc] # mypy does not infer lambdas with defaults
        for update in _unknown_kinds()[::7]
    },
}
