"""Documents made again from their logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from crdt_docs.document import LABORIOUS_SECONDS, USUAL_SECONDS, DocumentBroken
from crdt_docs.object_trees import SharedMap
from crdt_docs.replay import Kinds, Replay, Values
from tests.helpers.past import ROOTS, Lived

Json = dict[str, Any]


@pytest.fixture
def lived() -> Iterator[Lived]:
    document = Lived(seed=1)
    document.live(120)
    yield document
    document.close()


def shown(replay: Replay) -> Json:
    return {name: json.loads(text) for name, text in replay.json(ROOTS).items()}


def exhaust(steps: Iterator[None]) -> int:
    return sum(1 for _ in steps)


@pytest.mark.parametrize("is_only_read", [False, True])
@pytest.mark.parametrize("base", [0, 1, 40, 100])
def test_it_is_what_it_was(lived: Lived, base: int, *, is_only_read: bool) -> None:
    """PST-2: whatever state it is made from, at every position from there on."""
    state = lived.snapshot(base).state if base else None
    replay = Replay(is_only_read=is_only_read)
    exhaust(replay.applying(state, ()))
    for seq in range(base, 121):
        assert shown(replay) == lived.was[seq], seq
        exhaust(replay.applying(None, lived.log[seq : seq + 1]))


def test_its_update_is_the_document(lived: Lived) -> None:
    """PST-2"""
    replay = Replay()
    exhaust(replay.applying(None, lived.log[:60]))
    doc: Doc[Any] = Doc()
    doc.apply_update(replay.update())
    assert json.loads(str(doc.get("objects", type=Map))) == lived.was[60]["objects"]
    for update in lived.log[60:]:  # what follows still connects
        doc.apply_update(update)
    assert json.loads(str(doc.get("objects", type=Map))) == lived.was[120]["objects"]


def test_what_was_deleted_is_not_in_its_update() -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    objects["a"] = "a secret"
    written, before = doc.get_update(), doc.get_state()
    del objects["a"]
    replay = Replay()
    exhaust(replay.applying(written, (doc.get_update(before),)))
    assert b"secret" in written
    assert b"secret" not in replay.update()


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"a": Map({"n": 1.5, "whole": 3.0, "t": Text('é\n"x"'), "deep": Map({"l": [1, None]})})},
        {'"': Map({}), "\n\0": Map({"x": True}), "\U0001f600": Map({"y": float("nan")})},
        {"a": Map({"n": 1}), "plain": {"n": 1}, "null": None, "list": Array([1, Map({"m": 2})])},
    ],
)
def test_its_json_is_that_of_the_whole_root(members: Json) -> None:
    doc: Doc[Any] = Doc()
    objects = doc.get("objects", type=Map)
    for key, value in members.items():
        objects[key] = value
    replay = Replay()
    exhaust(replay.applying(None, (doc.get_update(),)))
    assert json.loads(replay.json(("objects",))["objects"]) == json.loads(str(objects))


def test_each_update_is_a_step(lived: Lived) -> None:
    """PST-4"""
    assert exhaust(Replay().applying(lived.snapshot(50).state, lived.log[50:])) == 71


def test_objects_are_read_with_their_formats(lived: Lived) -> None:
    replay = Replay()
    exhaust(replay.applying(None, lived.log))
    values: Values = {}
    assert exhaust(replay.reading(values, ("objects", "annotations")))
    assert set(values) == {"objects", "annotations"}
    assert set(values["objects"]) == set(lived.was[-1]["objects"])
    texts = [value["properties"]["text"] for value in values["objects"].values()]
    assert any(isinstance(text, dict) and "delta" in text for text in texts)
    exhaust(replay.reading(values, ("meta",)))
    assert values["meta"] == {}


def test_objects_are_read_with_their_kinds(lived: Lived) -> None:
    """EDT-7"""
    replay = Replay()
    exhaust(replay.applying(None, lived.log))
    values: Values = {}
    kinds: Kinds = {}
    exhaust(replay.reading(values, ("objects", "annotations")))
    assert exhaust(replay.reading_kinds(kinds, ("objects", "annotations")))
    assert kinds.keys() == values.keys()
    assert kinds["objects"].keys() == values["objects"].keys()
    assert all(isinstance(each, SharedMap) for each in kinds["objects"].values())


def test_an_empty_document_has_empty_roots() -> None:
    assert shown(Replay()) == {name: {} for name in ROOTS}


@pytest.mark.parametrize("broken", [b"", b"\x01\xff\xff\xff\xff", b"nonsense"])
def test_what_cannot_be_applied_is_told(broken: bytes) -> None:
    for state, tail in ((broken, ()), (None, (broken,))):
        with pytest.raises(DocumentBroken):
            exhaust(Replay().applying(state, tail))


class _Slow:
    """A clock for a machine on which everything takes a while."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self._seconds
        return self._now


def test_it_notices_labour(lived: Lived) -> None:
    """PST-4, as ROM-18 says"""
    usual, slow = Replay(_Slow(USUAL_SECONDS)), Replay(_Slow(2 * LABORIOUS_SECONDS / 120))
    for replay in (usual, slow):
        exhaust(replay.applying(None, lived.log))
    assert not usual.is_laborious
    assert slow.is_laborious
