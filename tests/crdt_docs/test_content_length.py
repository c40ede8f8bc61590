"""The length of contents, where the guard has read them before."""

from __future__ import annotations

import pytest

from crdt_docs.content_guard import NO_CONTENT_LIMITS, ContentWalk
from crdt_docs.content_length import content_length
from crdt_docs.errors import Malformed
from tests.helpers.raw_updates import (
    NULL,
    TRUE,
    array,
    binary,
    deleted,
    embed,
    formatting,
    json_texts,
    shared_type,
    string,
    subdocument,
    text,
    values,
)

INTEGERS = (b"\x7d\x00", b"\x7d\x7f", b"\x7d\xff\x01", b"\x7d\xbf\xff\xff\xff\x0f")
FLOATS = (b"\x7c" + b"\xff" * 4, b"\x7b" + b"\xff" * 8, b"\x7a" + b"\xff" * 8)
OBJECT = b"\x76\x02\x01a" + array(NULL, string("x")) + b"\x02bc" + b"\x76\x00"


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (deleted(300), 300),
        (binary(b"x" * 200), 1),
        (text("hello"), 5),
        (text("é日\U0001f600"), 4),
        (text("x" * 300), 300),
        (embed('{"a":1}'), 1),
        (formatting("bold", "true"), 1),
        (shared_type(0), 1),
        (shared_type(1), 1),
        (shared_type(3, "p"), 1),
        (shared_type(6), 1),
        (values(string("x" * 200)), 1),
        (values(NULL, b"\x7f", b"\x79", TRUE), 4),
        (values(*INTEGERS), 4),
        (values(*FLOATS), 3),
        (values(b"\x74\x02\x80\x80", OBJECT, array(OBJECT, OBJECT)), 3),
        (subdocument("guid"), 1),
        (subdocument("guid", OBJECT), 1),
    ],
)
def test_the_length_of_contents(content: bytes, length: int) -> None:
    assert content_length(content + b"\x80", 1, content[0]) == (length, len(content))


def test_a_collected_struct_and_a_skip() -> None:
    assert content_length(b"\x00\x05", 1, 0) == content_length(b"\x0a\x05", 1, 10) == (5, 2)


def test_the_guard_agrees_where_values_end() -> None:
    content = values(OBJECT, *INTEGERS, *FLOATS, array(OBJECT))
    walk = ContentWalk(content, NO_CONTENT_LIMITS).values(1, 1 << 30)
    with pytest.raises(StopIteration) as done:
        next(walk)
    assert content_length(content, 1, content[0]) == done.value.value


@pytest.mark.parametrize("content", [json_texts("1"), b"\x0b\x01", values(b"\x73\x00")])
def test_what_the_guard_does_not_let_in(content: bytes) -> None:
    with pytest.raises(Malformed):
        content_length(content, 1, content[0])
