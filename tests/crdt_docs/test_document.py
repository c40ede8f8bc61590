"""Loading a document from what was stored (ROM-17)."""

from __future__ import annotations

import random

import pytest
from pycrdt import Doc, Map, Text, merge_updates

from crdt_docs.document import (
    ABSORBED_AT_ONCE,
    USUAL_SECONDS,
    Document,
    DocumentBroken,
    StoredState,
)
from crdt_docs.outline import Outline
from tests.helpers.raw_updates import item, section, text, update


def _history(edits: int = 400) -> tuple[bytes, list[bytes]]:
    """A whole document and its log."""
    log: list[bytes] = []
    doc: Doc[Text] = Doc(client_id=7)
    doc.observe(lambda event: log.append(event.update))
    written = doc.get("text", type=Text)
    dice = random.Random(1)
    for number in range(edits):
        written.insert(dice.randrange(len(written) + 1), f"{number} is written here, at length; ")
        if number % 3 == 0:
            del written[dice.randrange(len(written))]
    return doc.get_update(), log


def _is_the_same(document: Document, whole: bytes) -> None:
    reference = Outline.of_update(whole)
    assert document.outline.clocks == reference.clocks
    assert document.outline.to_bytes() == reference.to_bytes()
    assert document.full_state() == Document(StoredState(whole)).full_state()


def test_rom_17_the_outline_of_a_large_snapshot_is_read_in_steps() -> None:
    whole, _ = _history()
    assert len(whole) > ABSORBED_AT_ONCE
    document = Document()
    steps = list(document.loading(StoredState(whole)))
    assert len(steps) > 2
    _is_the_same(document, whole)


@pytest.mark.parametrize("cut", [0, 150, 400])
@pytest.mark.parametrize("has_outline", [True, False])
def test_rom_17_a_snapshot_and_a_tail_come_to_the_whole(cut: int, *, has_outline: bool) -> None:
    whole, log = _history()
    state = merge_updates(*log[:cut]) if cut else None
    outline = Outline.of_update(state).to_bytes() if state and has_outline else None
    document = Document()
    steps = list(document.loading(StoredState(state, outline, log[cut:])))
    assert len(steps) >= len(log[cut:]), "a pause after each entry"
    assert document.outline.clocks == Outline.of_update(whole).clocks
    assert document.full_state() == Document(StoredState(whole)).full_state()
    assert document.stored_size == len(state or b"") + sum(map(len, log[cut:]))
    assert document.apply([], bytes(16)) is None, "nothing of it counts as an edit"


def test_a_large_entry_of_the_tail_is_read_in_steps() -> None:
    whole, _ = _history()
    document = Document()
    assert len(list(document.loading(StoredState(tail=[whole])))) > 2
    _is_the_same(document, whole)


def test_a_large_snapshot_with_a_gap_is_not_opened() -> None:
    texts = [item(text("x" * 100), origin=(7, 99 + 100 * n)) for n in range(300)]
    with pytest.raises(DocumentBroken, match="not stored before"):
        Document(StoredState(update(section(7, 100, *texts))))


def test_a_document_that_is_given_up_while_it_loads_is_closed() -> None:
    whole, _ = _history()
    document = Document()
    steps = document.loading(StoredState(whole))
    next(steps)
    del steps
    assert document._subscription is None


def test_an_empty_document_has_nothing_stored() -> None:
    document = Document()
    assert document.stored_size == 0
    assert list(document.loading(StoredState())) == []
    assert document._doc.get("objects", type=Map).to_py() == {}


class _Slow:
    """A clock for a machine on which everything takes a while."""

    def __init__(self, seconds: float) -> None:
        self._step = seconds
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self._step
        return self._now


@pytest.mark.parametrize("seconds", [0.000_2, 0.002])
def test_rom_18_a_document_is_laborious_when_its_updates_take_long(seconds: float) -> None:
    is_laborious = seconds > USUAL_SECONDS
    whole, log = _history()
    assert len(log) > 400
    live = Document(clock=_Slow(seconds))
    for edit in log:
        live.apply([edit], bytes(16))
    assert live.is_laborious is is_laborious
    from_log = Document(StoredState(tail=log), clock=_Slow(seconds))
    assert from_log.is_laborious is is_laborious, "known again after the log was read"
    in_instalments = Document(StoredState(whole), clock=_Slow(0.6))
    assert in_instalments.is_laborious, "its snapshot took long to open"
    assert not Document(StoredState(whole), clock=_Slow(len(whole) * 1e-6)).is_laborious


@pytest.mark.parametrize("outline", [b"", b"\xff of a later version", b"\x02damaged"])
def test_an_outline_of_another_version_is_derived_anew(outline: bytes) -> None:
    """Who goes back to an earlier version of the server must find the documents open."""
    whole, _ = _history()
    _is_the_same(Document(StoredState(whole, outline)), whole)
