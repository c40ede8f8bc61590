"""ROM-16: long updates are applied in pieces, by a clock that is turned by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from pycrdt import Doc, Map, Text

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.document import Document, NoFence, StoredState
from crdt_docs.long_edits import APPLYING_SECONDS
from crdt_docs.messages import CloseCode
from crdt_docs.outline import DocumentLimits, Outline
from crdt_docs.room import Room
from crdt_docs.room_limits import RoomLimits
from crdt_docs.update_guard import walk_update
from tests.helpers.people import Gathering, Person
from tests.helpers.raw_updates import NULL, collected, item, section, update, values

MANY = 2_000
"""Structs that take many turns."""


class Stopwatch:
    """Seconds that pass with every update a document applies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cost: float = APPLYING_SECONDS / 4) -> None:
        self.now = 0.0
        self.cost: Callable[[bytes], float] = lambda _update: cost
        self.sizes: list[int] = []
        apply = Document.apply

        def timed(document: Document, updates: Sequence[bytes], sender: bytes) -> bytes | None:
            for each in updates:
                self.sizes.append(walk_update(each).struct_count)
                self.now += self.cost(each)
            return apply(document, updates, sender)

        monkeypatch.setattr(Document, "apply", timed)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    return Stopwatch(monkeypatch)


def _many(prefix: str = "k", count: int = MANY) -> dict[str, Any]:
    return {f"{prefix}{number}": number for number in range(count)}


def _begin(room: Gathering, person: Person, values: dict[str, Any]) -> None:
    """Let a long update of somebody come in, and its first pieces be applied."""
    person.set_many(values)
    room.send(person)
    turn = room.turn()
    assert person.member.is_busy
    assert turn.wake_at == room.now
    room.deliver()
    assert 0 < len(room.json()) < len(values)


def test_rom_16_others_are_served_between_the_pieces(watch: Stopwatch) -> None:
    ada, ben, cleo = Person(1, wants_receipts=True), Person(2), Person(3)
    room = Gathering(ada, ben, clock=watch)
    stored = ada.stored
    _begin(room, ada, _many())
    ada.set("after", 1)
    room.send(ada)
    room.join(cleo)
    turns = 0
    while ada.member.is_busy:
        ben.set("b", turns)
        room.send(ben)
        room.send(cleo)
        turn = room.turn()
        turns += 1
        assert ben.identity in {commit.author for commit in turn.commits}
        room.deliver()
        assert ada.stored == stored or not ada.member.is_busy
        document = room.room.document
        assert Outline.of_update(document.full_state()).clocks == document.outline.clocks
    assert turns > 2
    assert ada.member in turn.resumed
    room.settle()
    assert ada.stored == ada.member.received == stored + 2
    assert ada.json() == ben.json() == cleo.json() == room.json() == room.reopened()
    assert len(ada.json()) == MANY + 2


def test_rom_16_a_short_update_is_one_transaction(watch: Stopwatch) -> None:
    ada = Person(1)
    room = Gathering(ada, clock=watch)
    ada.set_many(_many(count=256))
    room.send(ada)
    assert len(room.turn().commits) == 1
    assert not ada.member.is_busy
    ada.set_many(_many(count=257))
    room.send(ada)
    assert len(room.turn().commits) > 1


def test_rom_16_many_deletions_are_applied_in_pieces_too(watch: Stopwatch) -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, clock=watch)
    text = Text("x" * 3 * MANY)
    ada.set("text", text)
    room.settle()
    with ada.doc.transaction():
        for place in range(MANY, 0, -1):
            del text[2 * place]
    room.send(ada)
    room.turn()
    assert ada.member.is_busy
    room.settle()
    assert room.json() == ben.json() == ada.json() == {"text": "x" * 2 * MANY}


def test_rom_16_what_costs_much_is_cut_smaller_and_what_costs_little_larger(
    watch: Stopwatch,
) -> None:
    ada = Person(1)
    room = Gathering(ada, clock=watch)
    watch.sizes.clear()
    watch.cost = lambda update: 0.001 * walk_update(update).struct_count
    ada.set_many(_many())
    room.send(ada)
    room.settle()
    assert watch.sizes[0] == 8
    assert max(watch.sizes[1:]) < 32
    watch.sizes.clear()
    watch.cost = lambda _update: 0.0
    ada.set_many(_many())
    room.send(ada)
    room.settle()
    assert max(watch.sizes) == 256


def test_rom_16_two_long_updates_advance_side_by_side(watch: Stopwatch) -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, clock=watch)
    ada.set_many(_many("a"))
    ben.set_many(_many("b", 400))
    room.send(ada)
    room.send(ben)
    while ben.member.is_busy or "b399" not in room.json():
        room.turn()
        assert ada.member.is_busy, "the shorter one does not wait for the longer one"
    room.settle()
    assert len(room.json()) == MANY + 400


def test_rom_16_when_its_author_leaves_the_rest_is_applied(watch: Stopwatch) -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, clock=watch)
    _begin(room, ada, _many())
    room.leave(ada)
    assert room.room.is_applying
    room.settle()
    assert not room.room.is_applying
    assert room.json() == ben.json() == room.reopened() == _many()


def test_rom_16_who_comes_back_in_the_middle_brings_the_rest_again(watch: Stopwatch) -> None:
    ada, ben = Person(1, wants_receipts=True), Person(2)
    room = Gathering(ada, ben, clock=watch)
    _begin(room, ada, _many())
    room.leave(ada)
    room.return_(ada)
    room.settle()
    assert room.json() == ben.json() == room.reopened() == _many()
    assert ada.stored == ada.member.received == 1
    assert ada.member.debt is None


def test_rom_16_a_refused_piece_ends_it_and_those_before_stay(watch: Stopwatch) -> None:
    ada, ben = Person(1), Person(2)
    limits = RoomLimits(document=DocumentLimits(max_depth=5))
    room = Gathering(ada, ben, limits=limits, clock=watch)
    deep: Map[Any] = Map({"x": 1})
    for _ in range(6):
        deep = Map({"x": deep})
    _begin(room, ada, {**_many(), "deep": deep, "last": 1})
    for _ in range(200):
        room.turn()
    assert ada.closed is not None
    assert ada.closed[0] == CloseCode.MALFORMED
    assert not room.room.is_applying
    room.people.remove(ada)
    ben.set("b", 1)
    room.settle()
    assert ben.json() == room.json() == room.reopened()
    assert ben.json()["k1500"] == 1500
    assert "last" not in ben.json()


@pytest.mark.parametrize("is_one", [True, False])
def test_grd_30_client_ids_that_crowd_are_refused_before_any_is_applied(*, is_one: bool) -> None:
    """The complaint *8,000 client ids make every edit of the others take 0.4 s*."""
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    ben.set("b", 1)
    room.settle()
    crowd = [section(number << 30, 0, item(values(NULL), parent="z")) for number in range(1, 801)]
    if is_one:
        room.send(ada, messages.sync_update(update(*crowd)))
    else:
        for number in range(8):
            room.send(ada, messages.sync_update(update(*crowd[number * 100 : number * 100 + 100])))
    room.settle()
    assert ada.closed is not None
    assert ada.closed[0] == CloseCode.MALFORMED
    assert "lowest bits" in ada.closed[1]
    assert ben.closed is None
    clocks = room.room.document.outline.clocks
    assert len(clocks) == (1 if is_one else 201)
    ben.set("b", 2)
    room.settle()
    assert room.json() == {"b": 2}


def test_rom_16_with_a_full_backlog_pieces_wait(watch: Stopwatch) -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, clock=watch)
    _begin(room, ada, _many())
    room.room.accepts_edits = False
    before = room.json()
    turn = room.turn()
    assert turn.wake_at is not None
    assert turn.wake_at > room.now, "there is nothing to do now"
    assert room.json() == before
    assert ada.closed is None
    room.room.accepts_edits = True
    room.settle()
    assert ben.json() == room.reopened() == _many()


def test_rom_16_a_document_that_fails_in_the_middle_is_thrown_away(
    watch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, clock=watch)
    _begin(room, ada, _many())
    ben.set_many(_many("b"))
    room.send(ben)
    assert ben.member.is_busy

    def fail(*_: object) -> None:
        raise ValueError("yrs failed")

    monkeypatch.setattr(room.room.document, "_transact", fail)
    turn = room.turn()
    assert turn.is_broken
    assert not turn.commits
    assert not room.room.is_applying
    codes = {close.member: close.code for close in turn.closes}
    assert codes == {ada.member: CloseCode.MALFORMED, ben.member: CloseCode.RESTART}


class _Noting(NoFence):
    """A fence that remembers what it was told, and may know a poison."""

    def __init__(self) -> None:
        self.noted: list[bytes] = []
        self.poison: tuple[int, int, int] | None = None

    def begin_many(self, updates: Sequence[bytes], sender: bytes) -> None:
        self.noted.extend(updates)

    def brings_poison(self, sender: bytes, ranges: Iterable[tuple[int, int, int]]) -> bool:
        return self.poison is not None and any(
            client == self.poison[0] and start < self.poison[2] and self.poison[1] < end
            for client, start, end in ranges
        )


def test_rom_16_the_piece_being_applied_is_what_is_noted(watch: Stopwatch) -> None:
    """So that of a long update only the fatal piece is refused from then on."""
    ada, fence = Person(1), _Noting()
    room = Gathering(ada, clock=watch, fence=fence)
    _begin(room, ada, _many())
    room.settle()
    assert len(fence.noted) > MANY / 256
    assert all(walk_update(piece).struct_count <= 256 for piece in fence.noted)


def test_rom_16_a_poisoned_piece_is_not_taken_again(watch: Stopwatch) -> None:
    ada, fence = Person(1), _Noting()
    room = Gathering(ada, clock=watch, fence=fence)
    _begin(room, ada, _many())
    fence.poison = (ada.client_id, MANY - 10, MANY - 9)
    for _ in range(200):
        room.turn()
    assert ada.closed is not None
    assert ada.closed[0] == CloseCode.MALFORMED
    assert len(room.json()) < MANY


def test_rom_16_one_behind_and_one_asking_get_what_is_there(watch: Stopwatch) -> None:
    ada, ben, cleo = Person(1), Person(2), Person(3)
    room = Gathering(ada, ben, clock=watch)
    room.room.fell_behind(ben.member)
    _begin(room, ada, _many())
    room.room.caught_up(ben.member)
    room.join(cleo)
    room.send(cleo)
    room.turn()
    room.deliver()
    assert 0 < len(ben.json()) < MANY
    assert ben.json() == cleo.json() == room.json()
    room.settle()
    assert ben.json() == cleo.json() == _many()


def test_rom_16_a_reader_is_refused_before_anything_is_applied(watch: Stopwatch) -> None:
    ada = Person(1, Role.VIEWER, wants_receipts=True)
    room = Gathering(ada, clock=watch)
    ada.set_many(_many())
    room.send(ada)
    assert not ada.member.is_busy
    room.settle()
    assert room.json() == {}
    assert len(ada.denials) == 1
    assert ada.stored == ada.member.received


def test_rom_16_a_document_is_not_filled_beyond_its_limit_by_two_at_once(watch: Stopwatch) -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben, limits=RoomLimits(document_bytes=60_000), clock=watch)
    ada.set_many(_many("a"))
    ben.set_many(_many("b"))
    assert len(ada.outbox[0]) < 60_000 < 2 * len(ada.outbox[0])
    room.send(ada)
    room.send(ben)
    room.settle()
    assert len(ben.denials) == 1
    assert room.json() == _many("a")


@pytest.mark.parametrize("is_whole", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_rom_16_a_long_update_behind_a_gap_arrives(
    watch: Stopwatch, seed: int, *, is_whole: bool
) -> None:
    """ROM-4: what connects is applied, the rest is asked for."""
    dice = random.Random(seed)
    ada, ben = Person(1, wants_receipts=True), Person(2)
    room = Gathering(ada, ben, clock=watch)
    ada.set("lost", 1)
    ada.outbox.clear()
    ada.set_many(_many())
    if not is_whole:
        room.send(ada)
        room.turn()
        ada.set_many(_many("more"))
        ada.outbox.rotate(dice.randrange(2))
    room.settle()
    assert ada.json() == ben.json() == room.json() == room.reopened()
    assert ada.stored == ada.member.received
    assert ada.member.debt is None


def test_rom_16_what_is_missing_is_asked_for_when_what_connects_is_applied(
    watch: Stopwatch,
) -> None:
    ada = Person(1)
    room = Gathering(ada, clock=watch)
    chain = [item(values(NULL), origin=(77, clock)) for clock in range(MANY)]
    connecting = section(77, 0, item(values(NULL), parent="list"), *chain)
    room.send(ada, messages.sync_update(update(connecting, section(78, 5, collected(1)))))
    asked = 0
    while ada.member.is_busy:
        assert asked == 0, "its answer would hold again what is just being applied"
        turn = room.turn(after=10)
        asked += sum(frame[:2] == b"\x00\x00" for _, frame in turn.replies)
    assert asked == 1
    assert room.room.document.outline.clocks == {77: MANY + 1}


def test_rom_16_a_step_2_of_a_long_history_is_taken_in_pieces(watch: Stopwatch) -> None:
    doc: Doc[Any] = Doc(client_id=77)
    text = doc.get("objects", type=Map)
    text["t"] = inner = Text()
    dice = random.Random(5)
    for number in range(1500):
        inner.insert(dice.randrange(len(inner) + 1), str(number))
        if dice.random() < 0.5:
            del inner[dice.randrange(len(inner))]
    ada, ben = Person(1, doc=doc), Person(2)
    room = Gathering(ada, ben, clock=watch)
    assert len(watch.sizes) > 5
    assert ben.json() == room.json() == room.reopened() == ada.json()


def test_rom_16_an_edit_behind_a_long_one_is_taken_when_its_author_has_left(
    watch: Stopwatch,
) -> None:
    """A tab that is closed after a paste brings nothing again."""
    ada = Person(1)
    room = Gathering(ada, clock=watch)
    _begin(room, ada, _many())
    ada.set("last", "typed after the paste")
    room.send(ada)
    room.room.leave(ada.member)
    while room.room.is_applying:
        room.turn()
    room.turn()
    assert room.json() == ada.json()
    assert "last" in room.json()


def _without(key: str) -> Callable[[Map[Any]], object]:
    return lambda objects: objects.pop(key)


def test_rom_13_a_step_2_that_brings_only_known_deletions_does_not_wait() -> None:
    """Every stock client sends all deletions of the document when it comes back."""
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    for number in range(600):
        ada.set(f"k{number}", number)
    for number in range(0, 600, 2):
        ada.edit(_without(f"k{number}"))
    room.send(ada)
    room.turn()
    assert len(room.room.document.delete_set()[ada.client_id]) == 300
    room.room.accepts_edits = False
    room.room.receive(ben.member, messages.sync_step2(ada.doc.get_update(ada.doc.get_state())))
    assert not ben.member.is_busy


def test_rom_14_a_long_history_does_not_make_a_small_document_full() -> None:
    """What it is opened from may be far more than what it is."""
    ada = Person(1)
    log: list[bytes] = []
    ada.doc.observe(lambda event: log.append(event.update))
    for _ in range(50):
        ada.set("k", "x" * 1_000)
    room = Room(StoredState(tail=log), limits=RoomLimits(document_bytes=20_000))
    assert room.size > 20_000
    room.join(ada.member)
    room.receive(ada.member, ada.set("k", "small"))
    turn = room.end_turn(1.0)
    assert len(turn.commits) == 1
    assert not turn.refused
