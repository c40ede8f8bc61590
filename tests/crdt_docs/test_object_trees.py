"""RUL-5: objects are made again with the kinds of their parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Array, Doc, Map, Text, XmlElement, XmlFragment

from crdt_docs.object_trees import (
    LIST_ITEMS,
    Allowance,
    NotKept,
    Plain,
    SharedList,
    SharedMap,
    SharedText,
    Tree,
    mend,
    tree_at,
)

MUCH = 1 << 20
NAMES = st.sampled_from("abcd")
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text("xyü😀", max_size=4)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=3,
)
DELTA = st.lists(
    st.fixed_dictionaries(
        {"insert": st.text("xyü😀", min_size=1, max_size=3) | st.just({"image": "i"})},
        optional={"attributes": st.just({"bold": True})},
    ),
    max_size=3,
)


VALUES = st.recursive(
    PLAIN | st.text("xyü😀", max_size=4).map(Text),
    lambda inner: (
        st.builds(Map, st.dictionaries(NAMES, inner, max_size=3))
        | st.builds(Array, st.lists(inner, max_size=3))
    ),
    max_leaves=6,
)


def _tree(doc: Doc[Any]) -> Tree:
    return tree_at(doc.get("objects", type=Map), "o", Allowance(MUCH))


@given(VALUES | st.none().map(lambda _: ...), VALUES | st.none().map(lambda _: ...))
def test_whatever_it_became_it_is_what_it_was(before: Any, after: Any) -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    if before is not ...:
        objects["o"] = before
    tree = _tree(doc)
    with doc.transaction():
        if after is not ...:
            objects["o"] = after
        elif "o" in objects:
            del objects["o"]
        differs = _tree(doc) != tree
        assert mend(objects, "o", tree) or not differs
    assert _tree(doc) == tree
    assert not mend(objects, "o", tree), "once is enough"


@given(DELTA, DELTA)
def test_a_text_and_its_formats(before: list[Any], after: list[Any]) -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["o"] = Text()
    _write(objects["o"], before)
    tree = _tree(doc)
    _write(objects["o"], after)
    mend(objects, "o", tree)
    assert _tree(doc) == tree


def _write(text: Text, delta: list[Any]) -> None:
    for part in delta:
        if isinstance(part["insert"], str):
            text.insert(0, part["insert"], part.get("attributes"))
        else:
            text.insert_embed(0, part["insert"], part.get("attributes"))


def test_what_stands_is_left_standing() -> None:
    """Others keep their place in it."""
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["o"] = Map({"t": Text("hello"), "l": Array([1, 2, 3]), "m": Map({"x": 1})})
    tree = _tree(doc)
    text, items, inner = objects["o"]["t"], objects["o"]["l"], objects["o"]["m"]
    text.insert(2, "xx")
    items.insert(1, 9)
    inner["y"] = 2
    mend(objects, "o", tree)
    for shared in (text, items, inner):
        assert shared.to_py() is not None
    text.insert(5, "!")
    items.append(4)
    assert objects.to_py() == {
        "o": {"t": "hello!", "l": [1, 2, 3, 4], "m": {"x": 1}},
    }


def test_kinds_are_told_apart() -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["o"] = Map({"a": Text("x"), "b": "x", "c": Array([1]), "d": [1], "e": None})
    tree = _tree(doc)
    assert tree == SharedMap(
        {
            "a": SharedText("x"),
            "b": Plain("x"),
            "c": SharedList([Plain(1.0)]),
            "d": Plain([1.0]),
            "e": Plain(None),
        }
    )
    objects["o"] = {"a": "x", "b": "x", "c": [1], "d": [1], "e": None}
    mend(objects, "o", tree)
    assert _tree(doc) == tree


@pytest.mark.parametrize(
    "value",
    [
        Map({"x": XmlFragment([XmlElement("p")])}),
        Array([Map({"d": Doc()})]),
        Array(list(range(LIST_ITEMS + 1))),
        Map({"x": "x" * MUCH}),
    ],
    ids=["XML", "a document", "a long list", "too large"],
)
def test_what_could_not_be_made_again_is_not_kept(value: Any) -> None:
    """RUL-6"""
    doc: Doc[Any] = Doc()
    doc.get("objects", type=Map)["o"] = value
    with pytest.raises(NotKept):
        _tree(doc)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Array([1, Map({"x": 1}), 3]), lambda o: o.append(XmlFragment([XmlElement("p")]))),
        (Array([1, 2]), lambda o: o.extend(list(range(3 * LIST_ITEMS)))),
        (Array([]), lambda o: o.extend(list(range(3 * LIST_ITEMS)))),
        (Map({"t": Text("x")}), lambda o: o.update({"t": XmlFragment([XmlElement("p")])})),
    ],
    ids=["XML in a list", "a list that became long", "an empty one", "XML instead of a text"],
)
def test_whatever_kinds_were_put_in(before: Any, after: Any) -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["o"] = before
    tree = _tree(doc)
    after(objects["o"])
    assert mend(objects, "o", tree)
    assert _tree(doc) == tree
