"""Values that the server writes, and those that it refuses to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from crdt_docs.edit_errors import InvalidValue
from crdt_docs.edit_values import (
    FORMAT_VALUES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_PARTS,
    MAX_VALUES,
    check_value,
    same,
    writable,
)


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"k": value}
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [None, True, 1.5, -(2**53), 2**53, "\U0001f600"]},
        nested(MAX_DEPTH),
        {"a": [0] * (MAX_VALUES - 2)},
        {"a": "é" * (MAX_BYTES // 2 - 1)},
    ],
)
def test_ordinary_values_are_taken(value: object) -> None:
    check_value(value)


@pytest.mark.parametrize(
    ("value", "field", "says"),
    [
        ({"a": {"b": [1, 2**53 + 1]}}, "a.b[1]", "2^53"),
        ({"a": -1e300}, "a", "2^53"),
        ({"a": math.nan}, "a", "2^53"),
        ({"a": math.inf}, "a", "2^53"),
        ({"a": 10**400}, "a", "2^53"),
        ({"a": "x\x00"}, "a", "U+0000"),
        ({"a\x00": 1}, "", "U+0000"),
        ({"a": ["\ud800"]}, "a[0]", "surrogate"),
        ({"\udfff": 1}, "", "surrogate"),
        (nested(MAX_DEPTH + 1), ".".join("k" * MAX_DEPTH), "64 levels"),
        ({"a": [0] * MAX_VALUES}, "", "values"),
        ({"a": "é" * (MAX_BYTES // 2)}, "", "bytes"),
        ({"t": {"delta": [{"insert": "x"}] * (MAX_PARTS + 1)}}, "t.delta", "1000 parts"),
        ({"a": b"x"}, "a", "bytes; send JSON"),
        ({"a": {1: 2}}, "a", "keys must be strings"),
    ],
)
def test_edt_5_what_is_refused_and_why(value: object, field: str, says: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        check_value(value)
    assert caught.value.field == field
    assert says in str(caught.value)


def test_edt_5_a_format_counts_for_several_values() -> None:
    def formatted(many: int) -> dict[str, object]:
        marks = {f"f{i}": 1 for i in range(10)}
        return {"text": {"delta": [{"insert": "x", "attributes": marks} for _ in range(many)]}}

    most = MAX_VALUES // (3 + 10 * FORMAT_VALUES)  # the part, what it says, its formats
    check_value(formatted(most - 1))
    with pytest.raises(InvalidValue):
        check_value(formatted(most + 1))
    check_value({"attributes": dict.fromkeys(map(str, range(MAX_VALUES // 2)), 1)})  # is no format


def test_fields_in_messages_are_short() -> None:
    with pytest.raises(InvalidValue) as caught:
        check_value({"k" * 10_000: {"l" * 10_000: "\x00"}})
    assert len(caught.value.field) == 200


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (3, 3.0, True),
        (1, True, False),
        (0, False, False),
        (False, False, True),
        (None, None, True),
        (None, False, False),
        ("1", 1, False),
        ([1, {"a": 2}], [1.0, {"a": 2.0}], True),
        ([1], [1, 1], False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, {"a": True}, False),
        ({}, [], False),
    ],
)
def test_which_values_are_the_same(one: object, other: object, is_same: bool) -> None:  # noqa: FBT001
    assert same(one, other) is is_same
    assert same(other, one) is is_same


def test_integers_that_yrs_would_make_big_ones_become_doubles() -> None:
    made = writable({"a": [2**53, -(2**60), 5, True, 10**400]})
    assert made == {"a": [2.0**53, -(2.0**60), 5, True, None]}
    assert [type(item) for item in made["a"][:4]] == [float, float, int, bool]
