"""Documents made again from their logs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pycrdt import Doc, Map

from crdt_docs.document import LABORIOUS_SECONDS, USUAL_SECONDS, DocumentBroken
from crdt_docs.replay import Replay, Values
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


@pytest.mark.parametrize("base", [0, 1, 40, 100])
def test_it_is_what_it_was(lived: Lived, base: int) -> None:
    """PST-2: whatever state it is made from, at every position from there on."""
    state = lived.snapshot(base).state if base else None
    replay = Replay()
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


def test_each_update_is_a_step(lived: Lived) -> None:
    """PST-4"""
    assert exhaust(Replay().applying(lived.snapshot(50).state, lived.log[50:])) == 71


def test_objects_are_read_with_their_formats(lived: Lived) -> None:
    replay = Replay()
    exhaust(replay.applying(None, lived.log))
    values: Values = {}
    assert exhaust(replay.reading(values))
    assert set(values) == {"objects", "annotations"}
    assert set(values["objects"]) == set(lived.was[-1]["objects"])
    texts = [value["properties"]["text"] for value in values["objects"].values()]
    assert any(isinstance(text, dict) and "delta" in text for text in texts)
    exhaust(replay.reading(values, ("meta",)))
    assert values["meta"] == {}


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
