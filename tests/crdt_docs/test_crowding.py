"""GRD-27: how many structs may be put into one place, along a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text, TransactionEvent, UndoManager

from crdt_docs.crowding import COUNTERS, Crowding, crowded_place
from crdt_docs.errors import LimitExceeded
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.placement import ABSENT, ROOT, Placement
from crdt_docs.update_guard import walk_update
from crdt_docs.update_surgery import connecting_part
from tests.helpers.corpus import Recording, recordings
from tests.helpers.editors import session
from tests.helpers.raw_updates import NULL, collected, item, section, update, values

LIMITS = DocumentLimits()
ONE = values(NULL)
TIGHT = DocumentLimits(max_blind_writes=600)


def _admit(outline: Outline, updates: Iterable[bytes], limits: DocumentLimits = LIMITS) -> int:
    """How many are admitted before one is refused."""
    for count, data in enumerate(updates):
        facts = walk_update(data)
        assert outline.connects(facts)
        try:
            outline.admit(facts, limits)
        except LimitExceeded as refusal:
            assert "one place" in str(refusal)  # noqa: PT017 - how many is what is asked
            return count
    return -1


# What is bounded

PLACES = {
    "a key of a root": item(ONE, parent="r", key="k"),
    "a key of a nested map": item(ONE, parent=(1, 0), key="k"),
    "an earlier value of a key": item(ONE, origin=(1, 1)),
    "the beginning of a list": item(ONE, parent="r"),
    "after one neighbour": item(ONE, origin=(1, 3)),
    "before one neighbour": item(ONE, right=(1, 3)),
    "between two neighbours": item(ONE, origin=(1, 3), right=(1, 4)),
}
DOCUMENT = update(
    section(
        1,
        0,
        item(b"\x07\x01", parent="r", key="map"),
        item(ONE, parent=(1, 0), key="k"),
        item(ONE, origin=(1, 1)),
        item(ONE, parent="list"),
        item(ONE, origin=(1, 3)),
    )
)


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("is_one_client", [True, False])
def test_grd_27_blind_writes_to_one_place_are_bounded(name: str, is_one_client: bool) -> None:  # noqa: FBT001 - a parameter
    struct = PLACES[name]

    def attack() -> Iterator[bytes]:
        for number in range(5_000):
            yield update(
                section(7, number, struct) if is_one_client else section(7 + number, 0, struct)
            )

    outline = Outline()
    _admit(outline, [DOCUMENT])
    # The first 256 are free; of the others, each costs as much as there are before it.
    assert 600 < _admit(outline, attack(), TIGHT) < 700
    before = outline.to_bytes()
    assert _admit(outline, [update(section(6, 0, struct))], TIGHT) == 0
    assert outline.to_bytes() == before
    # Whoever does something else can go on.
    assert _admit(outline, [update(section(5, 0, item(ONE, parent="r", key="q")))], TIGHT) < 0


def test_grd_27_what_forty_thousand_writes_of_one_key_would_cost_is_never_reached() -> None:
    struct = item(ONE, parent="m", key="k")
    updates = (update(section(7, number, struct)) for number in range(40_000))
    assert 10_000 < _admit(Outline(), updates) < LIMITS.max_blind_writes + 10


def test_grd_27_several_places_share_what_they_may_cost() -> None:
    def writes(key: str, clock: int, count: int) -> Iterator[bytes]:
        for number in range(clock, clock + count):
            yield update(section(7, number, item(ONE, parent="m", key=key)))

    outline = Outline()
    assert _admit(outline, writes("a", 0, 450), TIGHT) < 0
    assert 500 < _admit(outline, writes("b", 450, 600), TIGHT) < 560
    # A place where there are few is free even then.
    assert _admit(outline, writes("c", outline.clocks[7], 256), TIGHT) < 0


def test_an_update_that_is_refused_counts_nothing() -> None:
    struct = item(ONE, parent="m", key="k")
    outline = Outline()
    assert _admit(outline, (update(section(n, 0, struct)) for n in range(600)), TIGHT) < 0
    before = outline.to_bytes()
    many = update(*[section(n, 0, struct) for n in range(1000, 1300)])
    assert _admit(outline, [many], TIGHT) == 0
    assert outline.to_bytes() == before
    assert _admit(outline, [update(section(1000, 0, struct))], TIGHT) < 0


def test_the_count_goes_on_after_a_document_was_stored() -> None:
    struct = item(ONE, parent="m", key="k")
    updates = [update(section(7, number, struct)) for number in range(1_000)]
    outline, again = Outline(), Outline()
    refused_at = _admit(outline, updates, TIGHT)
    for number, data in enumerate(updates[:refused_at]):
        if number % 100 == 0:
            again = Outline.from_bytes(again.to_bytes())
        again.absorb(data)
    assert again.to_bytes() == outline.to_bytes()
    assert _admit(again, updates[refused_at:], TIGHT) == 0
    # Also when all that is left is the state.
    doc: Doc[Any] = Doc()
    for data in updates[:refused_at]:
        doc.apply_update(data)
    assert _admit(Outline.of_update(doc.get_update()), updates[refused_at:], TIGHT) == 0


# What is not


class _Crowd:
    """People who write, and what they send, one transaction each."""

    def __init__(self, people: int) -> None:
        self.docs: list[Doc[Any]] = [Doc(client_id=1000 + number) for number in range(people)]
        self.sent: list[bytes] = []
        for doc in self.docs:
            doc.observe(self._note)
        self._is_telling = False

    def _note(self, event: TransactionEvent) -> None:
        if not self._is_telling:
            self.sent.append(event.update)

    def tell(self, updates: Iterable[bytes]) -> None:
        """Everybody learns of these."""
        self._is_telling = True
        for data in updates:
            for doc in self.docs:
                doc.apply_update(data)
        self._is_telling = False


def _charged(updates: Iterable[bytes]) -> int:
    """What an outline charges for updates that it admits."""
    outline = Outline()
    assert _admit(outline, updates) < 0
    return outline.blind_cost


def test_five_hundred_people_may_set_a_key_before_they_see_one_another() -> None:
    crowd = _Crowd(500)
    for doc in crowd.docs:
        doc.get("m", type=Map)["title"] = "untitled"
        doc.get("l", type=Array).append(1)
    assert len(crowd.sent) == 1000
    assert _charged(crowd.sent) < 100 * 500**2 // 2
    assert _charged([*crowd.sent]) * 100 < LIMITS.max_blind_writes**2 // 2
    merged: Doc[Any] = Doc()
    for data in crowd.sent:
        merged.apply_update(data)
    assert _charged([merged.get_update()]) * 100 < LIMITS.max_blind_writes**2 // 2


@pytest.mark.parametrize("people", [1, 3])
@pytest.mark.parametrize("end", ["front", "back", "middle"])
def test_pushing_to_a_list_costs_nothing(people: int, end: str) -> None:
    crowd = _Crowd(people)
    lists = [doc.get("l", type=Array) for doc in crowd.docs]
    for number in range(1_500):
        which = number % people
        place = {"front": 0, "back": number, "middle": number // 2}[end]
        lists[which].insert(place, number)
        if people > 1:
            crowd.tell(crowd.sent[-1:])
    assert _charged(crowd.sent) == 0


def test_typing_deleting_and_undoing_in_one_place_costs_nothing() -> None:
    crowd = _Crowd(1)
    text = crowd.docs[0].get("t", type=Text)
    text += "before after"
    undo = UndoManager(scopes=[text], capture_timeout_millis=0)
    for _ in range(700):
        text.insert(6, "x")
        undo.undo()
        undo.redo()
        del text[6]
    assert len(crowd.sent) > 2_000
    assert _charged(crowd.sent) == 0


def test_very_many_places_are_not_one() -> None:
    """A list pushed to by hand, for speed; and keys of a map."""
    pushed = (
        update(
            section(
                1 + number % 7,
                number // 7,
                item(ONE, origin=(1 + (number - 1) % 7, (number - 1) // 7))
                if number
                else item(ONE, parent="l"),
            )
        )
        for number in range(20_000)
    )
    assert _charged(pushed) == 0
    crowding = Crowding()
    for start in range(0, 1_000_000, 1000):
        places = (
            crowded_place(Placement(7, 1, 2, 0, 9, clock, ABSENT, 0)) or 0
            for clock in range(start, start + 1000)
        )
        crowding.add(places, 14_000)
    assert crowding.spent == 0
    assert sum(crowding.counts) == 1_000_000


@pytest.mark.parametrize("seed", range(6))
def test_concurrent_editing_costs_nothing(seed: int) -> None:
    updates, whole = session(seed, steps=150)
    assert _charged(updates) == _charged([whole]) == 0


@pytest.mark.parametrize("recording", recordings(), ids=lambda recording: recording.name)
def test_what_stock_clients_wrote_costs_nothing(recording: Recording) -> None:
    outline = Outline()
    for data in recording.updates:
        part = connecting_part(data, outline.clocks)
        if part is not None:
            outline.admit(walk_update(part), LIMITS)
    assert outline.blind_cost == 0


# Places


def test_places_are_named_alike_wherever_they_appear() -> None:
    def place(data: bytes) -> list[int | None]:
        return [crowded_place(each) for each in walk_update(data).placements]

    key = item(ONE, parent="m", key="k")
    (first,) = place(update(section(7, 0, key)))
    assert place(update(section(9, 3, collected(1), key))) == [None, first]
    others = [
        item(ONE, parent="m"),
        item(ONE, parent="m", key="l"),
        item(ONE, parent="n", key="k"),
        item(ONE, parent=(1, 0), key="k"),
        item(ONE, parent=(1, 1), key="k"),
        item(ONE, origin=(1, 1)),
        item(ONE, right=(1, 1)),
        item(ONE, origin=(1, 1), right=(1, 2)),
    ]
    named = [place(update(section(9, 0, other)))[0] for other in others]
    assert len({first, *named}) == len(others) + 1
    assert None not in named


def test_what_continues_shares_its_place_with_nobody() -> None:
    assert crowded_place(Placement(7, 5, 6, 0, 7, 4, 8, 0)) is None
    assert crowded_place(Placement(7, 5, 6, 0, 7, 3, 8, 0)) is not None
    assert crowded_place(Placement(7, 5, 6, ROOT, ABSENT, 0, ABSENT, 0, 3)) == 3


def test_counters_are_made_when_they_are_needed() -> None:
    crowding = Crowding()
    assert len(crowding.counts) == 0
    crowding.add([3, 3, 3 + COUNTERS], 1)
    assert len(crowding.counts) == COUNTERS
    assert crowding.counts[3] == 3
