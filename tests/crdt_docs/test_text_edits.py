"""Shared texts that are made to say something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Doc, Map, Text

from crdt_docs.object_reader import ObjectReader
from crdt_docs.text_edits import (
    MAX_CHANGED,
    as_text,
    is_quick,
    text_runs,
    write_text,
    write_words,
)
from crdt_docs.update_guard import walk_update

LETTERS = "ae\u0301\u00e9\u4e2d\U0001f600\u200d\U0001f680 \n"
"""Of one, two, three and four bytes; some that join with others."""

WORDS = st.text(alphabet=LETTERS, max_size=8)
FORMATS = st.dictionaries(
    st.sampled_from(["bold", "link"]), st.sampled_from([True, 1, {"href": "x"}]), max_size=2
)
INSERTS = WORDS | st.sampled_from([{"image": "x"}, {"image": "y", "width": 3}, [1]])
PARTS = st.builds(
    lambda insert, formats: {"insert": insert, **({"attributes": formats} if formats else {})},
    INSERTS,
    FORMATS,
)
TEXTS = WORDS | st.lists(PARTS, max_size=5).map(lambda parts: {"delta": parts})


class Page:
    """A document with one shared text, and what was written to it since it was new."""

    def __init__(self, says: Any = "") -> None:
        self.doc: Doc[Any] = Doc()
        self.doc["objects"] = Map({"text": Text()})
        self.text: Text = self.doc["objects"]["text"]
        self.emitted: list[bytes] = []
        self._subscription = self.doc.observe(lambda event: self.emitted.append(event.update))
        self.say(says)

    def shown(self) -> Any:
        """As a reader shows it, which may take more parts than it needs."""
        return shortest(ObjectReader(self.doc).read("objects", "text"))

    def say(self, value: Any) -> None:
        runs = text_runs(value)
        assert runs is not None
        with self.doc.transaction():
            write_text(self.text, ObjectReader(self.doc).read("objects", "text"), runs)

    def copy(self) -> Page:
        made = Page()
        made.doc = Doc()
        made.doc.apply_update(self.doc.get_update())
        made.text = made.doc.get("objects", type=Map)["text"]
        return made


def shortest(value: Any) -> Any:
    runs = text_runs(value)
    assert runs is not None
    return as_text(runs)


@given(TEXTS, TEXTS)
def test_edt_4_a_text_says_what_it_shall(before: Any, after: Any) -> None:
    page = Page(before)
    assert page.shown() == shortest(before)
    page.say(after)
    assert page.shown() == shortest(after)
    for update in page.emitted:
        walk_update(update)
    assert page.copy().shown() == page.shown()


@given(TEXTS)
def test_the_same_text_writes_nothing(says: Any) -> None:
    page = Page(says)
    page.emitted.clear()
    page.say(shortest(says))
    assert page.emitted == []


@given(TEXTS, WORDS)
def test_words_leave_formats_and_embedded_values(before: Any, words: str) -> None:
    page = Page(before)
    embedded = [run for run in text_runs(page.shown()) or [] if not isinstance(run.units, str)]
    with page.doc.transaction():
        write_words(page.text, page.shown(), words)
    runs = text_runs(page.shown())
    assert runs is not None
    assert "".join(run.units for run in runs if isinstance(run.units, str)) == words
    assert [run for run in runs if not isinstance(run.units, str)] == embedded


def test_edt_4_people_who_type_meanwhile_keep_their_place() -> None:
    page = Page("The \U0001f600 brown fox")
    other = page.copy()
    at = len("The \U0001f600 br".encode())
    other.text.insert(at, "|")
    page.say("The quick \U0001f600 brown foxes")
    page.doc.apply_update(other.doc.get_update())
    assert page.shown() == "The quick \U0001f600 br|own foxes"


def test_formats_and_words_of_others_come_together() -> None:
    page = Page("one two three")
    other = page.copy()
    other.text.format(4, 7, {"bold": True})
    page.say("one t-wo three!")
    page.doc.apply_update(other.doc.get_update())
    bold = {"insert": "t-wo", "attributes": {"bold": True}}
    assert page.shown()["delta"][:2] == [{"insert": "one "}, bold]


def test_formats_alone_insert_and_delete_nothing() -> None:
    page = Page("so bold")
    other = page.copy()
    other.text.insert(7, "!")
    page.say({"delta": [{"insert": "so "}, {"insert": "bold", "attributes": {"bold": True}}]})
    page.doc.apply_update(other.doc.get_update())
    assert str(page.text) == "so bold!"
    page.say("so bold!")
    assert page.shown() == "so bold!"


@pytest.mark.parametrize(
    "value",
    [
        None,
        5,
        [],
        {},
        {"delta": "x"},
        {"delta": [], "more": 1},
        {"delta": ["x"]},
        {"delta": [{"retain": 3}]},
        {"delta": [{"insert": None}]},
        {"delta": [{"insert": "x", "attributes": [1]}]},
        {"delta": [{"insert": "x", "delete": 1}]},
    ],
)
def test_what_is_no_text(value: object) -> None:
    assert text_runs(value) is None


def test_a_text_is_said_in_the_shortest_way() -> None:
    parts = [{"insert": "a"}, {"insert": ""}, {"insert": "b", "attributes": {"bold": None}}]
    assert shortest({"delta": parts}) == "ab"
    bold = {"insert": "c", "attributes": {"bold": 1}}
    assert shortest({"delta": [*parts, bold, {**bold, "attributes": {"bold": 1.0}}]}) == {
        "delta": [{"insert": "ab"}, {"insert": "cc", "attributes": {"bold": 1}}]
    }


def _parts(many: int, **attributes: Any) -> list[dict[str, Any]]:
    return [{"insert": f"{i} ", "attributes": {"n": i, **attributes}} for i in range(many)]


def _is_quick(before: Any, after: Any) -> bool:
    runs = text_runs(after)
    assert runs is not None
    return is_quick(before, runs)


def test_edt_4_a_little_of_a_much_formatted_text_is_changed_where_it_stands() -> None:
    parts = _parts(900)
    said = [*parts[:500], {"insert": "in between"}, *parts[501:]]
    assert _is_quick({"delta": parts}, {"delta": said})
    assert _is_quick("words " * 10_000, "other " * 10_000)
    assert _is_quick({"delta": parts}, {"delta": parts})


def test_edt_4_where_very_many_formats_change_the_text_is_made_anew() -> None:
    """Each change is a walk over all that was ever there: edit by edit it became seconds."""
    few, many = _parts(MAX_CHANGED // 4), _parts(MAX_CHANGED // 4 + 1)
    assert _is_quick("", {"delta": _parts(MAX_CHANGED // 2)})
    assert not _is_quick("", {"delta": _parts(MAX_CHANGED // 2 + 1)})
    assert _is_quick({"delta": few}, {"delta": few[::-1]})
    assert not _is_quick({"delta": many}, {"delta": many[::-1]})
    marks = {f"f{i}": 1 for i in range(MAX_CHANGED)}
    assert not _is_quick("word", {"delta": [{"insert": "word", "attributes": marks}]})
