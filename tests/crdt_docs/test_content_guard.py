"""GRD-6 to GRD-10 and GRD-26: what structs contain."""

from __future__ import annotations

import json
import re
from array import array as numbers
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc

from crdt_docs.content_guard import (
    TEXT_AT_ONCE,
    ContentLimits,
    ContentWalk,
    check_json,
    low_surrogates,
    mended,
    utf16_length,
)
from crdt_docs.errors import LimitExceeded, Malformed, Refusal
from crdt_docs.outline import Outline
from crdt_docs.state_vector import walk_state_vector
from crdt_docs.update_guard import GuardLimits, GuardWalk, walk_update
from crdt_docs.varint import read_var_bytes, var_bytes
from tests.helpers.raw_updates import (
    NULL,
    array,
    binary,
    deleted,
    embed,
    formatting,
    item,
    json_texts,
    section,
    shared_type,
    string,
    subdocument,
    text,
    update,
    values,
)


def _of(content: bytes, root: str = "root") -> bytes:
    return update(section(7, 0, item(content, parent=root)))


def _length(content: bytes) -> int:
    """How many clocks the guard counts for a struct."""
    (_, start, end) = walk_update(_of(content)).ranges[0]
    return end - start


def _nested(levels: int) -> bytes:
    value = NULL
    for _ in range(levels):
        value = array(value)
    return value


@pytest.mark.parametrize(
    ("content", "length"),
    [
        (deleted(5), 5),
        (binary(b""), 1),
        (binary(b"\x00\xff"), 1),
        (text("abc"), 3),
        (text("é"), 1),
        (text("a\U0001f600b"), 4),
        (text("nul \0"), 5),
        (embed('{"image":"é"}'), 1),
        (formatting("bold", "true"), 1),
        (formatting("bold", "null"), 1),
        (shared_type(0), 1),
        (shared_type(1), 1),
        (shared_type(2), 1),
        (shared_type(3, "p"), 1),
        (shared_type(4), 1),
        (shared_type(6), 1),
        (values(NULL), 1),
        (values(NULL, string("é"), string("x")), 3),
        (values(*(bytes((tag,)) for tag in (120, 121, 126, 127))), 4),
        (values(b"\x7d\x41", b"\x7d\xbf\xff\xff\xff\xff\xff\xff\x0f"), 2),
        (values(b"\x7b" + bytes(8), b"\x7a" + bytes(8), b"\x7c" + bytes(4)), 3),
        (values(b"\x76\x02\x01a\x7e\x01b\x75\x00", b"\x74\x02\x00\xff"), 2),
        (values(string("only one")), 1),
        (subdocument("guid"), 1),
        (subdocument("é", b"\x76\x01\x04meta\x77\x01x"), 1),
    ],
)
def test_content_takes_the_clocks_that_yjs_counts(content: bytes, length: int) -> None:
    assert _length(content) == length


@pytest.mark.parametrize(
    "content",
    [
        deleted(0),
        text(""),
        values(),
        b"\x04\x02\xff\xfe",
        b"\x04\x03\xed\xa0\xbd",
        b"\x08\x01\x77\x02\xc3\x28",
        b"\x08\x02\x77\x02\xc3\x28\x7e",
        b"\x08\x01\x76\x01\x01\xff\x7e",
        b"\x06\x01\xff\x04true",
        b"\x07\x03\x01\xff",
        b"\x09\x01\xff\x76\x00",
        b"\x08\x01\x73",
        b"\x08\x01\x00",
        b"\x08\x01\x7d" + b"\xff" * 12 + b"\x01",
        b"\x08\x01\x75\x7f",
        b"\x08\x7f\x7e",
        b"\x08\x01\x7b\x00",
        b"\x08\x01\x74\x7f\x00",
        b"\x03\x7f",
        b"\x05\x7f1",
        shared_type(5, "hook"),
        shared_type(7),
        shared_type(9),
        shared_type(15),
        *(bytes((kind, 0, 0, 0)) for kind in (11, 12, 15, 31)),
    ],
    ids=lambda content: content[:12].hex(),
)
def test_content_that_no_editor_writes_is_malformed(content: bytes) -> None:
    with pytest.raises(Malformed):
        walk_update(_of(content))


def test_grd_6_lists_of_json_texts_are_malformed() -> None:
    # yrs reads one text more than there are: whatever follows it reads otherwise than the guard.
    with pytest.raises(Malformed, match="JSON texts"):
        walk_update(_of(json_texts("1", "2")))


@pytest.mark.parametrize("content", [embed, lambda json: formatting("key", json)])
@pytest.mark.parametrize(
    "json",
    [
        "",
        "undefined",
        "tru",
        "{bad",
        "[1",
        "[1}",
        "'x'",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e999",
        str(2**63),
        f"[-1,{2**64 - 1}]",
        "9" * 400,
        '"\\ud83"',
        '"\x01"',
        "\ufeff1",
        "1 2",
    ],
)
def test_grd_8_json_that_some_side_cannot_read_is_malformed(content: object, json: str) -> None:
    assert callable(content)
    with pytest.raises(Malformed, match="JSON"):
        walk_update(_of(content(json)))


@pytest.mark.parametrize(
    "json",
    [
        "null",
        "true",
        "1" * 300,
        f'"{"9" * 999}"',
        ' {"a" : [1.5, -2e3, "é\\u00e9\\ud83d\\ude00\\\\ud83d"]} ',
        '"[[[{{{"',
        "0",
    ],
)
def test_json_that_every_side_reads_is_taken(json: str) -> None:
    assert _length(embed(json)) == 1


def test_grd_9_values_may_be_nested_64_levels_and_no_deeper() -> None:
    assert _length(values(_nested(64))) == 1
    with pytest.raises(LimitExceeded, match="64"):
        walk_update(_of(values(_nested(65))))
    with pytest.raises(LimitExceeded):
        walk_update(_of(values(_nested(100_000))))
    with pytest.raises(LimitExceeded):
        walk_update(_of(subdocument("guid", _nested(65))))


HALVES = {
    r'"\ud83d"': r'"\ufffd"',
    r'["\uDE00x"]': r'["\ufffdx"]',
    r'{"\ud83d":{"\uDC00":"\udfff"}}': r'{"\ufffd":{"\ufffd":"\ufffd"}}',
    r'"\ude00\ud83d"': r'"\ufffd\ufffd"',
    r'"\ud83d\ud83d\ude00\ude00"': r'"\ufffd\ud83d\ude00\ufffd"',
    r'"\ud83d\u0041\ud83d \ude00"': r'"\ufffd\u0041\ufffd \ufffd"',
    r'"\\ud83d\\\ud83d\\\\ud83d"': r'"\\ud83d\\\ufffd\\\\ud83d"',
    r'"\"\ud83d\n\/\ud83d\\"': r'"\"\ufffd\n\/\ufffd\\"',
}


@pytest.mark.parametrize("content", [embed, lambda json: formatting("key", json)])
@pytest.mark.parametrize("spelled", HALVES)
def test_grd_26_halves_of_surrogate_pairs_in_json_are_mended(content: object, spelled: str) -> None:
    assert callable(content)

    def written(json: str) -> bytes:
        around = item(embed(r'"\ud83d\ude00"'), parent="root")
        return update(section(7, 0, around, item(content(json), parent="root"), around))

    facts = walk_update(written(spelled))
    again = mended(written(spelled), facts.mends)
    assert again == written(HALVES[spelled])
    assert walk_update(again) == facts._replace(mends=())
    Doc().apply_update(again)


@given(st.text(st.sampled_from('\ud83d\ude00a\\"\nd\U0001f600'), max_size=12))
def test_grd_26_what_browsers_spell_reads_as_strings_do_elsewhere(text: str) -> None:
    units = text.encode("utf-16-le", "surrogatepass")
    # As JSON.stringify does: only halves without the other half are escaped.
    spelled = json.dumps(units.decode("utf-16-le", "surrogatepass"), ensure_ascii=False)
    spelled = re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", spelled)
    data = _of(embed(spelled))
    again = mended(data, walk_update(data).mends)
    _, position = read_var_bytes(again, data.index(b"root") - 1)
    assert json.loads(read_var_bytes(again, position)[0]) == units.decode("utf-16-le", "replace")


def test_grd_9_json_may_be_nested_64_levels_and_no_deeper() -> None:
    check_json(b"[" * 64 + b"]" * 64, 64)
    check_json(b'{"a":' * 64 + b"1" + b"}" * 64, 64)
    for deep in (b"[" * 65 + b"]" * 65, b'[{"a":' * 33 + b"1" + b"}]" * 33):
        with pytest.raises(LimitExceeded, match="64"):
            check_json(deep, 64)
    with pytest.raises(LimitExceeded):
        walk_update(_of(embed("[" * 100_000 + "]" * 100_000)))


@pytest.mark.parametrize("inside", [b"]" * 64, b'\\"' + b"]" * 64, b"]" * 64 + b"\\\\"])
def test_grd_9_brackets_within_strings_close_nothing(inside: bytes) -> None:
    """The complaint *an edit makes everybody's room load again*: yrs reads 127 levels."""
    row = b"[" * 64 + b'"' + inside + b'",'
    deep = row + b"[" * 64 + b"1" + b"]" * 128
    json.loads(deep)
    with pytest.raises(LimitExceeded):
        check_json(deep, 64)
    check_json(b'[["' + b"[" * 100 + b'"]]', 64)


def test_grd_9_json_that_does_not_end_is_malformed_at_once() -> None:
    for broken in (b"[" * 60 + b'["' + b'\\"[' * 10_000, b"]" * 1_000 + b"[" * 64 + b'"\\'):
        with pytest.raises(Malformed):
            check_json(broken, 64)


BIG = ContentLimits().json_bytes
MARKS = ContentLimits().json_marks


@pytest.mark.parametrize(
    ("taken", "refused"),
    [
        ("0." + "1" * (BIG - 2), "0." + "1" * (BIG - 1)),
        ('"' + "\\n" * MARKS + '"', '"' + "\\n" * (MARKS + 1) + '"'),
        ('"' + "]" * MARKS + '"', '"' + "}" * (MARKS + 1) + '"'),
        ('"' + "\\ud800" * MARKS + '"', "[" * 65 + "]" * (4 << 20)),
    ],
)
def test_grd_10_json_that_takes_long_to_read_is_refused(taken: str, refused: str) -> None:
    """The complaint *one message of a spectator stalls every room for 6 s*."""
    walk_update(update(section(7, 0, item(embed(taken), parent="t"))))
    with pytest.raises(LimitExceeded, match="allowed"):
        walk_update(update(section(7, 0, item(embed(refused), parent="t"))))


def test_grd_10_what_is_to_be_mended_is_counted_over_the_update() -> None:
    half = item(embed('"' + "\\ud800" * 15_000 + '"'), parent="t")
    with pytest.raises(LimitExceeded, match="20000 halves"):
        walk_update(update(section(7, 0, half, half)))


@pytest.mark.parametrize("json", ['"' + "a" * 2_000 + '"', '"' + "\\n" * 500 + '"', "1"])
def test_grd_14_json_is_walked_in_slices_by_what_it_takes_to_read(json: str) -> None:
    walk = GuardWalk(update(section(7, 0, *[item(embed(json), parent="t")] * 60)))
    slices = 1
    while walk.advance(100) is None:
        slices += 1
    assert (slices > 2) == (len(json) > 1)


def test_grd_10_json_that_was_stored_is_read_however_long_it_takes() -> None:
    long = item(embed('"' + "\\n" * (MARKS + 1) + '"'), parent="t")
    assert Outline.of_update(update(section(7, 0, long))).clocks == {7: 1}


def test_grd_10_members_of_arrays_and_objects_are_counted_over_the_update() -> None:
    limits = GuardLimits(contents=ContentLimits(elements=10))
    four = values(array(NULL, NULL, NULL))
    within = section(7, 0, *(item(four, parent=f"root{number}") for number in range(2)))
    walk_update(update(within), limits)
    above = section(7, 0, *(item(four, parent=f"root{number}") for number in range(3)))
    with pytest.raises(LimitExceeded, match="10 array and object members"):
        walk_update(update(above), limits)
    with pytest.raises(LimitExceeded):
        walk_update(_of(values(b"\x76\x0b" + (b"\x01a" + NULL) * 11)), limits)
    limits = GuardLimits(contents=ContentLimits(json_elements=10))
    ten = embed("[" + "1," * 9 + "1]")
    walk_update(_of(ten), limits)
    twice = section(7, 0, item(ten, parent="a"), item(formatting("b", "[]"), parent="a"))
    with pytest.raises(LimitExceeded, match="10 array and object members in JSON"):
        walk_update(update(twice), limits)


def test_grd_10_subdocuments_are_counted_over_the_update() -> None:
    many = [item(subdocument("guid"), parent="documents", key=f"{n}") for n in range(17)]
    walk_update(update(section(7, 0, *many[:16])))
    with pytest.raises(LimitExceeded, match="16 subdocuments"):
        walk_update(update(section(7, 0, *many)))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_utf16_length_is_what_javascript_counts(value: str) -> None:
    encoded = value.encode("utf-16-le")
    length, units = utf16_length(value.encode())
    assert length == len(encoded) // 2
    assert units == (encoded if any(character > "\uffff" for character in value) else None)


@given(st.text(st.sampled_from("aé\U0001f600\U00010000\U0010ffff"), min_size=1), st.integers(1, 9))
def test_low_surrogates_are_found_in_slices_too(value: str, budget: int) -> None:
    units = value.encode("utf-16-le")
    expected = [
        100 + index
        for index in range(len(units) // 2)
        if 0xDC00 <= int.from_bytes(units[2 * index : 2 * index + 2], "little") <= 0xDFFF
    ]
    found = numbers("I")
    pauses = len(list(low_surrogates(units, 100, found, budget)))
    assert list(found) == expected
    assert pauses == (len(units) // 2 - 1) // budget


@pytest.mark.parametrize("characters", ["é", "a😀", "ab✓", "😀", "a" * 999 + "😀é"])
@pytest.mark.parametrize("shift", range(4))
def test_grd_14_a_long_text_is_walked_in_slices_and_says_the_same(
    characters: str, shift: int
) -> None:
    """The complaint *4 MiB of emoji hold everybody up*: they were decoded at once."""
    value = "x" * shift + characters * (TEXT_AT_ONCE // len(characters)) * 2
    length, units = utf16_length(value.encode())
    middles = numbers("I")
    if units is not None:
        list(low_surrogates(units, 5, middles, 1 << 62))
    data = update(section(7, 5, item(text(value), origin=(7, 4))))
    walk = GuardWalk(data)
    slices = 1
    while (facts := walk.advance(1_000_000)) is None:
        slices += 1
    assert slices >= len(value.encode()) // (TEXT_AT_ONCE + 3)
    for each in (facts, walk_update(data)):
        assert each.ranges == [(7, 5, 5 + length)]
        assert (each.pairs or {}).get(7, numbers("I")) == middles


@pytest.mark.parametrize("broken", [b"\xff", b"\x80" * 9, b"\xed\xa0\x80", b"\xf0\x9f"])
@pytest.mark.parametrize("before", [TEXT_AT_ONCE - 1, TEXT_AT_ONCE, 3 * TEXT_AT_ONCE])
def test_grd_7_a_long_text_is_utf_8_everywhere(broken: bytes, before: int) -> None:
    raw = b"a" * before + broken + b"a" * TEXT_AT_ONCE
    with pytest.raises(Malformed, match="UTF-8"):
        walk_update(update(section(7, 0, item(b"\x04" + var_bytes(raw), parent="t"))))


def test_a_long_value_is_walked_in_slices() -> None:
    data = _of(values(array(*[array(NULL)] * 500)))
    walk = GuardWalk(data)
    pauses = 0
    while (facts := walk.advance(100)) is None:
        pauses += 1
    assert facts == walk_update(data)
    assert pauses == 10


@given(st.binary(max_size=60))
def test_arbitrary_bytes_as_values_are_refused_or_end_where_they_say(data: bytes) -> None:
    walk = ContentWalk(data, ContentLimits()).values(0, 1 << 62)
    try:
        next(walk)
    except StopIteration as done:
        count, end = done.value
        assert 0 < count <= end <= len(data)
    except (Refusal, IndexError):
        pass


@pytest.mark.parametrize(
    "number", [2**63 - 1, -(2**63), -(2**63) - 1, 2**64, 10**30, "9223372036854775808.0", "1e19"]
)
def test_grd_8_other_long_numbers_are_read(number: int | str) -> None:
    data = _of(embed(f'{{"x":{number}}}'))
    walk_update(data)
    doc: Doc[Any] = Doc()
    doc.apply_update(data)
    assert walk_state_vector(doc.get_state()) == {7: 1}
