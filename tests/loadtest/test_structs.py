"""The encoding of structs, where stock clients are no help: what a transaction puts together."""

from __future__ import annotations

import pytest
from pycrdt import Doc, Map

from crdt_docs.update_guard import walk_update
from loadtest import structs
from loadtest.structs import Transaction, Value


def test_a_transaction_knows_its_clocks() -> None:
    edit = Transaction(9, 40)

    made = edit.add(structs.TEXT, "objects", key="t")
    typed = edit.add(structs.characters("é😀"), made, length=structs.units("é😀"))

    assert (made, typed, edit.clock) == ((9, 40), (9, 41), 44)
    assert walk_update(edit.update()).ranges == [(9, 40, 44)]


def test_an_update_may_only_delete_and_joins_what_touches() -> None:
    edit = Transaction(9, 40)
    for clock, length in ((7, 2), (3, 1), (4, 3), (20, 1)):
        edit.delete(clock, length)

    assert edit.update() == b"\x00\x01\x09\x02\x03\x06\x14\x01"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        63,
        -64,
        2**31 - 1,
        -(2**31),
        2**53,
        0.5,
        0.1,
        -1e300,
        "é😀",
        "",
        [],
        [1, [2, {"a": None}]],
        {"x": 1, "y": {"z": [0.25]}},
    ],
    ids=repr,
)
def test_any_value_reads_as_what_it_was(value: Value) -> None:
    edit = Transaction(9, 0)
    edit.add(structs.values((value,)), "objects", key="it")
    walk_update(edit.update())

    doc: Doc[Map[Value]] = Doc()
    doc.apply_update(edit.update())

    assert doc.get("objects", type=Map)["it"] == value
