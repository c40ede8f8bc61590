"""ROM: what a room does with what it receives."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pycrdt import Array, Doc, Map, Text

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.answers import ANSWERED_AT_ONCE
from crdt_docs.document import Document, DocumentBroken, NoFence, StoredState
from crdt_docs.edited_document import PENDING_AT_ONCE
from crdt_docs.messages import CloseCode
from crdt_docs.outline import DocumentLimits
from crdt_docs.room import Room
from crdt_docs.room_limits import RoomLimits
from crdt_docs.state_vector import SPARE_CLIENTS, encode_state_vector, walk_state_vector
from crdt_docs.varint import var_uint
from tests.helpers import raw_updates as raw
from tests.helpers.paced import paced
from tests.helpers.people import Gathering, Person


def test_two_people_see_each_others_edits() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    ada.set("a", 1)
    ben.set("b", Map({"text": Text("hi"), "list": Array([1, 2])}))
    room.settle()
    expected = {"a": 1, "b": {"text": "hi", "list": [1, 2]}}
    assert ada.json() == ben.json() == room.json() == room.reopened() == expected


def test_rom_1_a_joiner_is_greeted_and_gets_everything() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada)
    ada.set("a", 1)
    room.settle()
    room.join(ben)
    turn = room.turn()
    kinds = [frame[:2] for member, frame in turn.replies if member is ben.member]
    assert kinds[0] == b"\x00\x00", "the server's own step 1 comes first"
    room.settle()
    assert ben.json() == {"a": 1}
    assert {user["user"]["name"] for user in ben.present.values()} == {"Person 1", "Person 2"}


def test_rom_1_an_empty_step_1_is_answered_with_an_empty_step_2() -> None:
    ada = Person(1)
    room = Gathering()
    room.room.join(ada.member)
    room.send(ada, messages.sync_step1(b"\x00"))
    frames = [frame for _, frame in room.room.end_turn(0).replies]
    assert messages.sync_step2(b"\x00\x00") in frames


def test_rom_1_joiners_of_one_version_share_one_answer() -> None:
    ada = Person(1)
    room = Gathering(ada)
    ada.set("a", "x" * 100)
    room.settle()
    joiners = [Person(number) for number in range(2, 7)]
    for joiner in joiners:
        room.join(joiner)
        room.send(joiner, messages.sync_step1(b"\x00"))
    turn = room.turn()
    answers = {id(frame) for _, frame in turn.replies if frame[:2] == b"\x00\x01"}
    assert len(answers) == 1


def test_rom_1_joiners_of_a_busy_room_share_one_encoding_and_miss_nothing() -> None:
    """Complaint *join storm*: the whole document encoded again for each joiner."""
    ada = Person(1)
    room = Gathering(ada)
    ada.set("old", "x" * 100)
    room.settle()
    room.now += 5  # the encoding that ada herself was answered with is too old by now
    joiners = [Person(number) for number in range(2, 80)]
    answers: set[int] = set()
    kept: list[bytes] = []
    for number, joiner in enumerate(joiners):
        ada.set("busy", number)
        ada.edit(lambda objects: objects.pop("gone", None))
        ada.set("gone", number)
        room.send(ada)
        room.join(joiner)
        room.send(joiner)
        turn = room.turn(after=0.01)
        large = [frame for _, frame in turn.replies if b"x" * 100 in frame]
        answers |= {id(frame) for frame in large}
        kept.extend(large)  # an id is only good while its object lives
        to_joiner = [frame[:2] for member, frame in turn.replies if member is joiner.member]
        assert to_joiner[-1] == b"\x00\x01", "synced, and nothing is missing"
    assert len(answers) <= 2, "once as a step 2, then as an update before it"
    room.settle()
    assert all(joiner.json() == ada.json() for joiner in joiners)


def test_rom_1_a_storm_of_joiners_is_spread_over_turns() -> None:
    room = Gathering()
    joiners = [Person(number) for number in range(1, 101)]
    for joiner in joiners:
        room.join(joiner)
        room.send(joiner)
    turn = room.turn()
    assert sum(frame[:2] == b"\x00\x01" for _, frame in turn.replies) == ANSWERED_AT_ONCE
    assert turn.wake_at == room.now
    room.settle()
    assert all(len(joiner.present) == 100 for joiner in joiners)


def test_rom_2_a_duplicate_is_neither_stored_nor_broadcast() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    frame = ada.set("a", 1)
    room.settle()
    stored = len(room.log)
    room.send(ada, frame)
    turn = room.turn()
    assert len(room.log) == stored
    assert not turn.broadcasts


def test_rom_3_a_members_updates_of_one_turn_are_one_entry() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    for number in range(5):
        ada.set(f"a{number}", number)
    ben.set("b", 1)
    room.send(ada)
    room.send(ben)
    turn = room.turn()
    assert [commit.author for commit in turn.commits] == [ada.identity, ben.identity]
    assert len(turn.broadcasts) == 1
    assert turn.broadcasts[0].but is None


def test_rom_3_the_others_are_sent_every_step_of_a_transaction() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    for number in range(5):
        ada.set("a", f"step {number}")
    room.send(ada)
    turn = room.turn()
    assert all(f"step {number}".encode() in turn.broadcasts[0].frame for number in range(5))
    room.settle()
    assert ben.json() == {"a": "step 4"} == room.reopened()
    assert ben.doc.get_state() == room.room.document.state_vector()


def test_rom_3_a_step_2_is_an_entry_of_its_own() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    ada.set("a", 1)
    ada.outbox.append(messages.sync_step2(ada.doc.get_update()))
    ada.set("a", 2)
    room.send(ada)
    turn = room.turn()
    assert len(turn.commits) == 2, "the step 2 repeats what the first update said"


def test_acc_7_nobody_writes_first_as_somebody_else_who_is_present() -> None:
    ada, eve = Person(1), Person(2)
    room = Gathering(ada, eve)
    room.send(
        eve,
        messages.sync_update(
            raw.update(
                raw.section(
                    ada.client_id, 0, raw.item(raw.shared_type(1), parent="objects", key="a")
                )
            )
        ),
    )
    room.settle()
    assert eve.closed is None
    assert room.json() == {}
    ada.set("a", 1)
    room.settle()
    assert room.json() == ada.json() == eve.json() == {"a": 1}
    assert room.room.authors == {ada.client_id: ada.identity.user_id}


@pytest.mark.parametrize("leaves", [True, False])
def test_acc_7_what_is_relayed_too_early_waits_for_its_author(*, leaves: bool) -> None:
    ada, ben, cleo = Person(1), Person(2, wants_receipts=True), Person(3)
    room = Gathering(ada, ben, cleo)
    late = ada.set("a", "from ada")
    ada.outbox.clear()
    ben.hear(late)
    ben.set("a", "from ben, over ada's")
    room.settle()
    assert room.json() == {}
    assert ben.stored < ben.member.received
    if leaves:
        room.leave(ada)
    else:
        room.send(ada, late)
    for _ in range(10):
        room.now += 1
        room.settle()
    assert ben.json() == cleo.json() == room.json() == {"a": "from ben, over ada's"}
    assert ben.stored == ben.member.received
    assert not ben.denials


def test_acc_7_what_somebody_wrote_before_may_be_relayed_and_ones_own_sockets_are_one() -> None:
    ada, eve = Person(1), Person(2)
    again = Person(1, doc=Doc(client_id=5000))
    room = Gathering(ada, eve, again)
    ada.set("a", 1)
    room.settle()
    room.send(eve, ada.set("a", 2))
    own = raw.update(
        raw.section(again.client_id, 0, raw.item(raw.values(raw.NULL), parent="objects", key="own"))
    )
    room.send(ada, messages.sync_update(own))
    absent = raw.update(
        raw.section(7000, 0, raw.item(raw.values(raw.NULL), parent="objects", key="absent"))
    )
    room.send(eve, messages.sync_update(absent))
    room.settle()
    assert room.json() == {"a": 2, "own": None, "absent": None}
    assert not eve.denials
    assert not ada.denials


def test_rom_3_the_log_says_who_introduced_a_client_id() -> None:
    ada = Person(1)
    room = Gathering(ada)
    ada.set("a", 1)
    room.send(ada)
    first = room.turn()
    ada.set("a", 2)
    room.send(ada)
    second = room.turn()
    assert first.commits[0].introduced == (ada.client_id,)
    assert second.commits[0].introduced == ()


def test_the_only_author_of_a_broadcast_is_spared_it() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    ada.set("a", 1)
    room.send(ada)
    assert room.turn().broadcasts[0].but is ada.member


class TestGaps:
    """ROM-4, and the complaint *lost data*: yrs itself loses what lies behind a gap."""

    def test_an_update_behind_a_gap_is_asked_for_and_arrives(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        ada.outbox.clear()  # lost on the way
        ada.set("b", 2)
        room.send(ada)
        turn = room.turn()
        assert not turn.commits
        assert [frame[:2] for member, frame in turn.replies if member is ada.member] == [
            b"\x00\x00"
        ]
        room.deliver()
        room.settle()
        assert ben.json() == room.json() == {"a": 1, "b": 2}
        assert ada.member.debt is None

    @pytest.mark.parametrize("seed", range(6))
    def test_shuffled_and_dropped_updates_all_arrive(self, seed: int) -> None:
        random_ = random.Random(seed)
        ada, ben = Person(1, wants_receipts=True), Person(2)
        room = Gathering(ada, ben)
        text = Text()
        ada.set("text", text)
        for number in range(30):
            where = random_.randrange(len(text) + 1)
            text.insert(where, str(number))
            ada.set(f"k{number % 5}", number)
        frames = list(ada.outbox)
        ada.outbox.clear()
        random_.shuffle(frames)
        for frame in frames[: len(frames) - 5]:
            room.send(ada, frame)
            if random_.random() < 0.3:
                room.turn(after=0.01)
                room.deliver()
                room.send(ada)
        room.settle()
        assert room.json() == ben.json() == ada.json() == room.reopened()
        assert ada.member.debt is None
        assert ada.stored == ada.member.received

    def test_a_deletion_behind_a_gap_is_not_lost(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        ada.outbox.clear()
        ada.edit(lambda objects: objects.pop("a"))
        room.settle()
        assert ben.json() == room.json() == {}
        assert room.room.document.state_vector() == ada.doc.get_state()

    def test_an_edit_that_builds_on_an_unknown_one_waits_for_it(self) -> None:
        """Two tabs of a browser exchange updates directly; the server hears the second first."""
        ada, ben, cleo = Person(1), Person(1, doc=Doc(client_id=1002)), Person(3)
        room = Gathering(ada, ben, cleo)
        frame = ada.set("a", "from ada")
        ada.outbox.clear()
        message = messages.parse(frame)
        assert isinstance(message, messages.SyncUpdate)
        ben.hear(frame)
        ben.set("a", "from ben, over ada's")
        room.settle()
        assert cleo.json() == room.json() == {"a": "from ben, over ada's"}

    def test_nothing_is_acknowledged_before_its_content_has_come(self) -> None:
        ada = Person(1, wants_receipts=True)
        room = Gathering(ada)
        told = ada.stored
        ada.set("a", 1)
        room.send(ada)
        lost = ada.set("b", 2)
        ada.outbox.clear()
        ada.set("c", 3)
        room.send(ada)
        ada.answers_step1 = False
        room.turn()
        room.deliver()
        assert ada.stored == told + 1, "the one before the gap is, the one behind it is not"
        room.send(ada, lost)
        room.turn(after=1)
        room.deliver()
        assert ada.stored == told + 1
        ada.answers_step1 = True
        ada.outbox.append(messages.sync_step2(ada.doc.get_update()))
        room.settle()
        assert ada.stored == ada.member.received
        assert room.json() == {"a": 1, "b": 2, "c": 3}

    def test_a_client_that_never_brings_it_is_not_asked_in_a_circle(self) -> None:
        ada = Person(1)
        room = Gathering(ada)
        ada.set("a", 1)
        ada.outbox.clear()
        gap = ada.set("b", 2)
        ada.outbox.clear()
        room.send(ada, gap)
        asked = 0
        for _ in range(50):
            turn = room.turn(after=0.01)
            questions = [frame for _, frame in turn.replies if frame[:2] == b"\x00\x00"]
            asked += len(questions)
            for _ in questions:
                room.send(ada, messages.sync_step2(b"\x00\x00"))
            room.send(ada, gap)
        assert asked <= 2
        assert room.turn(after=6).replies, "but again after a while"

    def test_what_is_parked_for_one_member_is_small(self) -> None:
        ada = Person(1)
        room = Gathering(ada)
        ada.answers_step1 = False
        ada.set("lost", 1)
        ada.outbox.clear()
        for number in range(500):
            ada.set("k", "x" * 1000 + str(number))
            room.send(ada)
            room.turn(after=0.01)
        debt = ada.member.debt
        assert debt is not None
        assert len(debt) == 1

    def test_the_connecting_part_of_a_step_2_is_taken(self) -> None:
        """A client that itself waits for something sends a step 2 with a hole in it."""
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        first: Doc[Map[int]] = Doc(client_id=77)
        updates: list[bytes] = []
        first.observe(lambda event: updates.append(event.update))
        other = first.get("objects", type=Map)
        other["x"] = 1
        other["y"] = 2
        ben.set("b", 1)
        ben.doc.apply_update(updates[1])  # behind a gap in ben's own document
        ben.outbox.clear()
        room.send(ben, messages.sync_step2(ben.doc.get_update()))
        room.turn()
        room.turn(after=0.1)
        assert room.json() == {"b": 1}
        assert ben.member.debt is not None
        ada.doc.apply_update(updates[0])
        room.settle()
        ben.doc.apply_update(updates[0])
        ben.outbox.clear()
        room.turn(after=10)
        room.deliver()
        room.settle()
        assert room.json() == ada.json() == {"b": 1, "x": 1, "y": 2}


class TestReadOnly:
    """ACC-3, ACC-4, and the complaint *read-only is not enforced*."""

    @pytest.mark.parametrize("role", [Role.VIEWER, Role.SPECTATOR])
    def test_a_reader_changes_nothing_and_is_told_why(self, role: Role) -> None:
        ada, ben = Person(1), Person(2, role, wants_receipts=True)
        room = Gathering(ada, ben)
        ada.set("a", Map({"text": Text("keep me")}))
        room.settle()
        stored = len(room.log)
        ben.edit(lambda objects: objects.clear())
        ben.set("mine", 1)
        room.settle()
        assert ada.json() == room.json() == {"a": {"text": "keep me"}}
        assert len(ben.denials) == 1, "once a turn"
        assert "editor" in ben.denials[0]
        assert len(room.log) == stored
        assert sum(len(turn.refused) for turn in room.turns) == 2
        assert ben.stored == ben.member.received, "refused is dealt with"

    def test_receipts_tell_which_messages_were_refused(self) -> None:
        """ROM-5."""
        ada, ben = Person(1), Person(2, Role.EDITOR, wants_receipts=True)
        room = Gathering(ada, ben)
        room.settle()
        ben.set("before", 1)
        room.settle()
        before = ben.member.received
        room.room.set_role(ben.member, Role.VIEWER)
        ben.set("one", 1)
        ben.set("two", 2)
        room.settle()
        room.room.set_role(ben.member, Role.EDITOR)
        ben.set("after", 1)
        room.settle()
        receipts = [receipt for turn in room.turns for receipt in turn.receipts]
        assert [each for receipt in receipts for each in receipt.refused] == [
            range(before + 1, before + 3)
        ]
        assert receipts[-1].up_to == ben.member.received > before + 2
        assert not ben.member.refusals

    def test_those_who_want_no_receipts_are_not_counted_for(self) -> None:
        ben = Person(2, Role.VIEWER)
        room = Gathering(ben)
        room.settle()
        ben.set("mine", 1)
        room.settle()
        assert ben.denials
        assert not ben.member.refusals

    def test_offline_edits_of_a_reader_are_refused_too(self) -> None:
        ada, ben = Person(1), Person(2, Role.VIEWER)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        room.settle()
        room.leave(ben)
        ben.is_offline = True
        ben.edit(lambda objects: objects.clear())
        ben.set("mine", 1)
        room.return_(ben)
        room.settle()
        assert ada.json() == room.json() == {"a": 1}
        assert ben.denials

    def test_a_readers_ordinary_step_2_is_no_offence(self) -> None:
        ada, ben = Person(1), Person(2, Role.VIEWER)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        ada.set("b", 2)
        ada.edit(lambda objects: objects.pop("a"))
        room.settle()
        room.leave(ben)
        room.return_(ben)
        room.settle()
        assert not ben.denials

    def test_a_reader_made_editor_edits_without_a_gap(self) -> None:
        ada, ben = Person(1), Person(2, Role.VIEWER)
        room = Gathering(ada, ben)
        ben.set("refused", 1)
        room.settle()
        room.room.set_role(ben.member, Role.EDITOR)
        ben.set("mine", 2)
        room.settle()
        assert ada.json() == room.json() == room.reopened() == {"mine": 2}
        assert ben.member.debt is None

    def test_a_reader_that_returns_as_editor_brings_only_its_new_edits(self) -> None:
        ada, ben = Person(1), Person(2, Role.VIEWER)
        room = Gathering(ada, ben)
        ben.set("refused", 1)
        room.settle()
        room.leave(ben)
        room.return_(ben, Role.EDITOR)
        room.settle()
        ben.set("mine", 2)
        room.settle()
        assert ada.json() == room.json() == room.reopened() == {"mine": 2}

    def test_edits_that_a_reader_relays_are_not_lost(self) -> None:
        ada, ben, cleo = Person(1), Person(2, Role.VIEWER), Person(3)
        room = Gathering(ada, ben, cleo)
        frame = ada.set("a", 1)
        ada.outbox.clear()
        room.send(ben, frame)  # the reader heard of it first and passes it on
        room.turn(after=0.1)
        room.leave(ben)
        room.turn(after=0.1)
        room.send(ada, frame)
        room.settle()
        assert cleo.json() == room.json() == {"a": 1}

    def test_a_reader_cannot_use_up_the_clocks_of_an_editor(self) -> None:
        ada, ben, cleo = Person(1), Person(2, Role.VIEWER), Person(3)
        room = Gathering(ada, cleo)
        ada.set("a", 1)
        room.settle()
        room.leave(ada)
        room.turn(after=1)
        ada.is_offline = True
        ada.set("offline", 2)
        offline = ada.doc.get_update(room.room.document.state_vector())
        ben.doc = Doc(client_id=ada.client_id)  # poses with ada's client id
        room.join(ben)
        room.settle()
        room.send(ben, messages.sync_update(offline))
        room.turn(after=0.1)
        room.leave(ben)
        room.turn(after=0.1)
        room.return_(ada)
        room.settle()
        assert cleo.json() == room.json() == {"a": 1, "offline": 2}

    def test_nobody_elses_undo_history_is_touched(self) -> None:
        from pycrdt import UndoManager

        ada, ben = Person(1), Person(2, Role.VIEWER)
        room = Gathering(ada, ben)
        undo = UndoManager(scopes=[ada.objects], capture_timeout_millis=0)
        ada.set("a", 1)
        ada.set("a", 2)
        room.settle()
        ben.edit(lambda objects: objects.clear())
        room.settle()
        undo.undo()
        room.settle()
        assert ada.json() == room.json() == {"a": 1}


class TestReceipts:
    """ROM-5."""

    def test_every_step_2_and_update_counts_once(self) -> None:
        ada = Person(1, wants_receipts=True)
        room = Gathering(ada)
        assert ada.stored == 1, "the step 2 it answered with"
        ada.set("a", 1)
        ada.set("b", 1)
        room.settle()
        assert ada.stored == 3

    def test_those_who_did_not_ask_are_not_told(self) -> None:
        ada = Person(1)
        room = Gathering(ada)
        ada.set("a", 1)
        room.send(ada)
        assert not room.turn().receipts


class TestLargeUpdates:
    """ROM-6."""

    def test_a_large_update_is_walked_in_slices_while_others_are_served(self) -> None:
        ada, ben = Person(1, wants_receipts=True), Person(2)
        room = Gathering(ada, ben, limits=RoomLimits(walk_at_once=2000))
        ada.set_many({f"k{n}": n for n in range(3000)})
        ada.set("after", 1)
        room.send(ada)
        assert ada.member.is_busy
        ben.set("b", 1)
        room.send(ben)
        turn = room.turn()
        assert turn.broadcasts, "the others do not wait"
        assert turn.wake_at is not None
        assert ada.member.is_busy
        turns = 1
        while ada.member.is_busy:
            turn = room.turn()
            turns += 1
        assert turns > 3
        assert ada.member in turn.resumed
        room.deliver()
        room.settle()
        assert len(ben.json()) == 3002
        assert ada.stored == ada.member.received == 3

    def test_rom_6_an_update_of_many_tiny_structs_is_walked_in_slices_too(self) -> None:
        """The complaint *64 KiB stall every room for 67 ms*."""
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        few, many = (
            messages.sync_update(raw.update(raw.section(7, 0, *[raw.collected(1)] * count)))
            for count in (3_000, 20_000)
        )
        room.send(ada, few)
        assert ada.member.walking is None
        room.settle()
        room.send(ada, many)
        assert ada.member.walking is not None
        ben.set("b", 1)
        room.send(ben)
        assert room.turn().broadcasts, "the others do not wait"
        room.settle()
        assert room.room.document.outline.clocks[7] == 20_000

    def test_of_several_large_updates_one_is_walked_after_the_other(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben, limits=RoomLimits(walk_at_once=2000))
        for person in (ada, ben):
            person.set_many({f"{person.client_id} {n}": n for n in range(3000)})
            room.send(person)
        while ada.member.is_busy:
            room.turn()
        assert ben.member.is_busy
        assert len(room.json()) == 3000
        for _ in range(5):
            room.turn()
        assert ben.member.is_busy, "its walk began when the other one had ended"
        room.settle()
        assert len(room.json()) == 6000

    def test_a_large_update_that_is_malformed_closes_its_socket_only(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben, limits=RoomLimits(walk_at_once=100))
        room.send(ada, messages.sync_update(b"\x01\x7f" + b"\x00" * 500))
        for _ in range(5):
            room.turn(after=0.01)
        assert ada.closed is not None
        assert ada.closed[0] == CloseCode.MALFORMED
        assert ben.closed is None

    def test_leaving_in_the_middle_of_a_walk_forgets_it(self) -> None:
        ada = Person(1)
        room = Gathering(ada, limits=RoomLimits(walk_at_once=100))
        ada.set_many({f"k{n}": n for n in range(3000)})
        room.send(ada)
        room.leave(ada)
        assert room.turn(after=1).wake_at is None
        assert room.json() == {}


class TestQuestions:
    """GRD-15: step 1s that name very many clients."""

    def test_clients_that_the_document_does_not_have_never_reach_yrs(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The complaint *one step 1 stalls every room for a second*: yrs puts ids whose lowest
        bits are the same into one place of a table, and compares each with all before it."""
        asked: list[bytes] = []

        def note(document: Document, state_vector: bytes) -> bytes:
            asked.append(state_vector)
            return diff(document, state_vector)

        ada, ben = Person(1), Person(2, role=Role.SPECTATOR)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        room.settle()
        diff = Document.diff
        monkeypatch.setattr(Document, "diff", note)
        clocks = {number << 30: 1 for number in range(1, 1_000)} | {ada.client_id: 0}
        parts = [var_uint(client) + var_uint(clock) for client, clock in clocks.items()]
        room.send(ben, messages.sync_step1(var_uint(len(clocks)) + b"".join(parts)))
        turn = room.turn()
        assert [frame[:2] for _, frame in turn.replies] == [b"\x00\x01"]
        assert asked == [b"\x01" + var_uint(ada.client_id) + b"\x00"]

    def test_many_clients_are_read_over_several_turns_and_answered(self) -> None:
        ada, ben = Person(1, wants_receipts=True), Person(2)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        room.send(ada)
        clocks = dict.fromkeys(range(2**32, 2**32 + 20_000), 1)
        room.send(ada, messages.sync_step1(encode_state_vector(clocks)))
        ada.set("b", 2)
        room.send(ada)
        assert ada.member.is_busy
        assert ada.member.received == 2, "what comes behind it waits"
        ben.set("c", 3)
        room.send(ben)
        assert room.turn().broadcasts, "the others do not"
        room.deliver()
        assert ada.stored == 2
        answered: list[bytes] = []
        while ada.member.is_busy:
            turn = room.turn()
            answered += [frame for _, frame in turn.replies if frame[:2] == b"\x00\x01"]
        assert ada.member in turn.resumed
        assert answered
        room.settle()
        assert ben.json() == {"a": 1, "b": 2, "c": 3}
        assert ada.stored == 3 == ada.member.received

    def test_more_clients_than_anybody_can_know_of_close_the_socket(self) -> None:
        ada = Person(1)
        room = Gathering(ada, limits=RoomLimits(document=DocumentLimits(max_clients=100)))
        most = 100 + SPARE_CLIENTS
        for clients in (most, most + 1):
            assert ada.closed is None
            vector = encode_state_vector(dict.fromkeys(range(clients), 1))
            room.send(ada, messages.sync_step1(vector))
            room.settle()
        assert ada.closed is not None
        assert ada.closed[0] == CloseCode.MALFORMED

    def test_of_an_overfull_document_everybody_may_know_all(self) -> None:
        """Its limit was lowered since."""
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, limits=RoomLimits(document=DocumentLimits(max_clients=3)))
        clients = SPARE_CLIENTS + 100
        room.room.document.outline.clocks.update(dict.fromkeys(range(1, clients), 1))
        room.join(ben)
        vector = encode_state_vector(dict.fromkeys(range(1, clients), 1))
        room.send(ben, messages.sync_step1(vector))
        for _ in range(20):
            room.turn()
        assert ben.closed is None


class TestPacing:
    """ROM-7."""

    def test_small_rooms_are_not_paced(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        for number in range(3):
            ada.set("a", number)
            room.send(ada)
            assert len(room.turn().broadcasts) == 1

    def test_a_large_room_sends_one_merged_update_an_interval(self) -> None:
        people = [Person(number) for number in range(1, 12)]
        room = Gathering(*people, pacing=paced(update_interval=0.0079))
        room.turn(after=1)
        sent = []
        for number in range(10):
            people[0].set("a", number)
            people[1].set("b", number)
            room.send(people[0])
            room.send(people[1])
            turn = room.turn(after=0.001)
            sent.append(len(turn.broadcasts))
            assert len(turn.commits) == 2, "storage is not paced"
        assert sent == [1, 0, 0, 0, 0, 0, 0, 0, 1, 0]
        assert turn.wake_at == pytest.approx(room.now - 0.001 + 0.0079)
        room.settle()
        assert people[5].json() == {"a": 9, "b": 9}

    def test_presence_of_many_is_one_message_an_interval_and_the_latest_wins(self) -> None:
        people = [Person(number) for number in range(1, 12)]
        room = Gathering(*people, pacing=paced(presence_interval=0.033))
        room.turn(after=1)
        frames = 0
        for number in range(33):
            for person in people:
                room.send(person, person.presence({"x": number}))
            frames += len(room.turn(after=0.01).broadcasts)
        assert 8 <= frames <= 11
        room.settle()
        assert all(state["x"] == 32 for state in people[3].present.values())

    def test_presence_goes_with_edits_and_then_not_by_itself(self) -> None:
        people = [Person(number) for number in range(1, 12)]
        pacing = paced(update_interval=0.0079, presence_interval=0.033)
        room = Gathering(*people, pacing=pacing)
        room.turn(after=1)
        sent = []
        for number in range(9):
            people[0].set("a", number)
            room.send(people[0])
            room.send(people[1], people[1].presence({"x": number}))
            sent.append([each.is_update for each in room.turn(after=0.004).broadcasts])
        assert sent == [[True, False], []] * 4 + [[True, False]]
        room.send(people[1], people[1].presence({"x": "last"}))
        turn = room.turn(after=0.0001)
        assert turn.broadcasts == []
        assert turn.wake_at == pytest.approx(room.now - 0.0001 + 0.033)


class TestBehind:
    """ROM-8."""

    def test_a_member_behind_gets_one_update_when_it_has_drained(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        ada.set("before", 0)
        room.settle()
        room.room.fell_behind(ben.member)
        for number in range(50):
            ada.set("a", number)
            room.send(ada)
            room.turn(after=0.01)
        room.send(ada, ada.presence({"x": 1}))
        room.turn(after=0.05)
        assert not ben.inbox
        room.room.caught_up(ben.member)
        room.turn()
        updates = [frame for frame in ben.inbox if frame[:2] == b"\x00\x02"]
        assert len(updates) == 1
        room.settle()
        assert ben.json() == ada.json()
        assert ben.present[ada.client_id]["x"] == 1

    def test_departures_missed_while_behind_leave_no_ghosts(self) -> None:
        ada, ben, cleo = Person(1), Person(2), Person(3)
        room = Gathering(ada, ben, cleo)
        room.room.fell_behind(ben.member)
        room.leave(cleo)
        room.turn(after=0.05)
        assert cleo.client_id in ben.present
        room.room.caught_up(ben.member)
        room.settle()
        assert cleo.client_id not in ben.present

    def test_updates_waiting_for_their_interval_are_not_missed(self) -> None:
        people = [Person(number) for number in range(1, 12)]
        room = Gathering(*people, pacing=paced())
        room.turn(after=1)
        ada, ben = people[:2]
        ada.set("a", 1)
        room.send(ada)
        room.turn(after=0.001)
        room.deliver()
        ada.set("a", 2)
        room.send(ada)
        assert not room.turn(after=0.001).broadcasts
        room.room.fell_behind(ben.member)
        room.turn(after=0.1)
        ada.set("b", 3)
        room.send(ada)
        room.turn(after=0.1)
        room.room.caught_up(ben.member)
        room.settle()
        assert ben.json() == {"a": 2, "b": 3}

    def test_one_that_was_behind_for_nothing_gets_no_update(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        room.room.fell_behind(ben.member)
        room.room.caught_up(ben.member)
        frames = [frame for member, frame in room.turn().replies if member is ben.member]
        assert all(frame[0] == 1 for frame in frames)

    def test_one_that_does_not_read_is_not_answered_until_it_has_drained(self) -> None:
        ada, ben = Person(1), Person(2, Role.VIEWER)
        room = Gathering(ada, ben)
        room.room.fell_behind(ben.member)
        for number in range(50):
            room.send(ben, messages.sync_step1(b"\x00"))
            room.send(ben, b"\x03")
            ben.set("refused", number)
            room.send(ben)
            turn = room.turn(after=0.01)
            assert not turn.replies
            assert turn.wake_at is None
        room.room.caught_up(ben.member)
        room.turn(after=0.01)
        kinds = [frame[:2] for frame in ben.inbox]
        assert kinds.count(b"\x00\x01") == 1
        assert kinds.count(b"\x02\x00") == 1

    def test_a_member_that_left_is_not_caught_up(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        room.room.fell_behind(ben.member)
        room.leave(ben)
        room.room.caught_up(ben.member)
        room.room.fell_behind(ben.member)
        assert not room.turn().replies


class _Remembering(NoFence):
    """A fence that knows one update which ended an earlier process."""

    poison = b""

    def is_poisoned(self, update: bytes) -> bool:
        return update == self.poison


class TestFaults:
    """ROM-9, ROM-13, ROM-14, FRM-4, and the complaint *one bad message stops all rooms*."""

    @pytest.mark.parametrize(
        "frame",
        [b"", b"\x09", b"\x00\x02\x02\x01", b"\x00\x02\x03\x01\x01\x01", b"\x00\x00\x01\xff"],
    )
    def test_a_malformed_frame_closes_its_own_socket(self, frame: bytes) -> None:
        ada, ben, cleo = Person(1), Person(2), Person(3)
        room = Gathering(ada, ben, cleo)
        room.send(ben, frame)
        room.turn(after=0.05)
        room.deliver()
        assert ben.closed is not None
        assert ben.closed[0] == CloseCode.MALFORMED
        assert ben.closed[1]
        room.send(ben, ben.set("late", 1))
        ada.set("a", 1)
        room.people.remove(ben)
        room.settle()
        assert cleo.json() == {"a": 1}
        assert ben.client_id not in cleo.present

    def test_a_failing_crdt_restarts_the_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ada, ben, cleo = Person(1), Person(2), Person(3)
        room = Gathering(ada, ben, cleo)

        def fail(*_: object) -> None:
            raise ValueError("yrs failed")

        monkeypatch.setattr(room.room.document, "_transact", fail)
        ada.set("a", 1)
        room.send(ada)
        turn = room.turn()
        assert turn.is_broken
        assert not turn.commits
        codes = {close.member: close.code for close in turn.closes}
        assert codes[ada.member] == CloseCode.MALFORMED
        assert codes[ben.member] == codes[cleo.member] == CloseCode.RESTART

    def test_an_update_that_stopped_a_worker_is_not_taken_again(self) -> None:
        fence = _Remembering()
        ada = Person(1)
        room = Gathering(ada, fence=fence)
        message = messages.parse(ada.set("a", 1))
        assert isinstance(message, messages.SyncUpdate)
        fence.poison = message.update
        room.send(ada)
        room.turn()
        assert ada.closed is not None
        assert ada.closed[0] == CloseCode.MALFORMED

    def test_with_a_full_backlog_writers_are_closed_and_readers_stay(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        room.settle()
        room.room.accepts_edits = False
        ada.set("b", 1)
        room.send(ada)
        room.turn()
        assert ada.closed is not None
        assert ada.closed[0] == CloseCode.TRY_LATER
        cleo = Person(3)
        room.people.remove(ada)
        room.join(cleo)
        room.settle()
        assert ben.closed is None
        assert cleo.closed is None
        assert cleo.json() == {"a": 1}

    def test_with_a_full_backlog_writers_may_come_back_to_read(self) -> None:
        ada, ben = Person(1, wants_receipts=True), Person(2)
        room = Gathering(ada, ben)
        room.room.accepts_edits = False
        ada.set("late", 1)
        room.send(ada)
        room.turn()
        room.people.remove(ada)
        ada.inbox.clear()
        room.return_(ada)
        room.settle()
        room.turn(after=30)
        assert ada.closed is None
        assert ben.json() == {}
        room.room.accepts_edits = True
        room.turn(after=1)
        room.deliver()
        room.settle()
        assert ben.json() == {"late": 1}
        assert ada.stored == ada.member.received

    def test_with_a_full_backlog_nothing_new_is_still_no_edit(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        ada.set("a", 1)
        ada.edit(lambda objects: objects.pop("a"))
        room.settle()
        room.room.accepts_edits = False
        room.leave(ben)
        room.return_(ben)
        room.settle()
        assert ben.closed is None

    def test_a_full_document_takes_deletions_only(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben, limits=RoomLimits(document_bytes=5000))
        for number in range(4):
            ada.set(f"k{number}", "x" * 1000)
        room.settle()
        ada.set("too much", "x" * 2000)
        room.settle()
        assert "too much" not in ben.json()
        assert "size limit" in ada.denials[0]
        ada.edit(lambda objects: [objects.pop(f"k{number}") for number in range(4)])
        room.settle()
        assert ben.json() == {}
        for number in range(400):
            ada.set("n", number)
        room.settle()
        assert ben.json() == {"n": 399}

    def test_too_many_client_ids_are_refused(self) -> None:
        ada = Person(1)
        limits = RoomLimits(document=DocumentLimits(max_clients=3))
        room = Gathering(ada, limits=limits)
        for number in range(10, 15):
            doc: Doc[Map[int]] = Doc(client_id=number)
            doc.get("objects", type=Map)["k"] = 1
            room.send(ada, messages.sync_update(doc.get_update()))
        room.turn()
        assert ada.closed is not None
        assert ada.closed[0] == CloseCode.MALFORMED

    def test_deep_nesting_by_many_tiny_updates_is_refused(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        inner: Map[Any] = Map()
        ada.set("deep", inner)
        for _ in range(300):
            deeper: Map[Any] = Map()
            inner["x"] = deeper
            inner = deeper
        room.send(ada)
        room.turn(after=0.1)
        assert ada.closed is not None
        assert ada.closed[0] == CloseCode.MALFORMED
        ben.set("b", 1)
        room.send(ben)
        room.turn(after=0.1)
        assert "b" in room.json()

    def test_a_stored_document_that_cannot_be_opened_is_an_error(self) -> None:
        with pytest.raises(DocumentBroken):
            Room(StoredState(state=b"\x05broken"))


def test_a_large_group_is_applied_in_portions_and_stays_one_entry() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    for number in range(PENDING_AT_ONCE):
        ada.set(f"k{number}", "x" * 20_000)
    room.send(ada)
    turn = room.turn()
    assert len(turn.commits) == 1
    room.settle()
    assert ben.json() == ada.json() == room.reopened()


def test_a_room_is_opened_from_a_snapshot_and_a_tail() -> None:
    ada = Person(1)
    room = Gathering(ada)
    ada.set("a", 1)
    room.settle()
    document = room.room.document
    state, outline, length = document.full_state(), document.outline.to_bytes(), len(room.log)
    ada.set("b", 2)
    ada.edit(lambda objects: objects.pop("a"))
    room.settle()
    stored = StoredState(state=state, outline=outline, tail=room.log[length:])
    again = Gathering(stored=stored, authors={ada.client_id: ada.identity.user_id})
    assert again.json() == {"b": 2}
    assert again.room.document.state_vector() == document.state_vector()
    ben = Person(2)
    again.join(ben)
    again.settle()
    ben.set("c", 3)
    again.settle()
    assert again.json() == {"b": 2, "c": 3}


def test_a_closed_document_is_freed() -> None:
    import gc
    import weakref

    ada = Person(1)
    room = Gathering(ada)
    ada.set("a", 1)
    room.settle()
    document = weakref.ref(room.room.document._doc)
    room.room.document.close()
    room.room.document.close()
    del room
    gc.collect()
    assert document() is None


def test_presence_is_answered_when_asked_for() -> None:
    ada = Person(1)
    room = Gathering(ada)
    room.send(ada, b"\x03")
    frames = [frame for _, frame in room.turn().replies]
    assert len(frames) == 1
    assert frames[0][0] == 1


def test_awr_10_the_server_is_nobody() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada)
    ada.set("a", 1)
    room.settle()
    room.join(ben)
    room.settle()
    assert set(ben.present) == {ada.client_id, ben.client_id}
    assert walk_state_vector(room.room.document.state_vector()).keys() == {ada.client_id}


def test_presence_expires_on_a_tick() -> None:
    ada, ben = Person(1), Person(2)
    room = Gathering(ada, ben)
    room.room.tick(room.now + 60)
    room.turn(after=60)
    room.deliver()
    assert ben.present == {}


def test_awr_1_what_clients_send_back_is_not_broadcast_again() -> None:
    """Complaint *one frame per person per message*: N clients return each broadcast N times."""
    people = [Person(number) for number in range(1, 6)]
    room = Gathering(*people)
    for round_ in range(3):
        for person in people:
            room.send(person, person.presence({"x": round_}))
        turn = room.turn(after=0.05)
        (broadcast,) = turn.broadcasts
        for person in people:
            room.send(person, broadcast.frame)
            room.send(person, messages.awareness(room.room._awareness.everyone()))
        assert not room.turn(after=0.05).broadcasts


class TestGrd26HalvesOfSurrogatePairs:
    """Browsers spell them as escapes in JSON; yrs would not read them."""

    SPELLED = r'{"image":"\ud83d"}'
    REPLACED = '{"image":"\ufffd"}'
    """As yrs spells it."""

    def _written(self, json: str, clock: int = 0, padding: int = 0) -> bytes:
        """Some text, an embedded value and a mark, as stock Yjs writes them."""
        structs = [raw.item(raw.text("a" * (1 + padding)), parent="text")]
        for content in (raw.embed(json), raw.formatting("bold", json)):
            structs.append(raw.item(content, origin=(77, clock + padding + len(structs) - 1)))
        if clock:
            structs[0] = raw.item(raw.text("a" * (1 + padding)), origin=(77, clock - 1))
        return raw.update(raw.section(77, clock, *structs))

    @pytest.mark.parametrize("padding", [0, 100_000])
    @pytest.mark.parametrize("frame", [messages.sync_update, messages.sync_step2])
    def test_they_are_replaced_before_anything_is_applied_stored_or_sent(
        self, frame: Callable[[bytes], bytes], padding: int
    ) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        room.send(ada, frame(self._written(self.SPELLED, padding=padding)))
        room.settle()
        assert ada.closed is None
        assert room.log == [self._written(self.REPLACED, padding=padding)]
        late = Person(3)
        room.join(late)
        room.settle()
        for reader in (ben, late):
            inserted = reader.doc.get("text", type=Text).diff()
            assert inserted[1:] == [({"image": "\ufffd"}, None)]

    def test_also_in_what_connects_only_in_part(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        later = raw.section(78, 5, raw.item(raw.text("x"), parent="text"))
        whole = self._written(self.SPELLED)
        room.send(ada, messages.sync_update(b"\x02" + whole[1:-1] + later + b"\x00"))
        room.turn()
        assert room.log == [self._written(self.REPLACED)]

    def test_what_its_author_sends_again_is_nothing_new(self) -> None:
        ada, ben = Person(1), Person(2)
        room = Gathering(ada, ben)
        room.send(ada, messages.sync_update(self._written(self.SPELLED)))
        room.settle()
        room.send(ada, messages.sync_step2(self._written(self.SPELLED)))
        room.send(ada, messages.sync_update(self._written(self.SPELLED, clock=3)))
        room.settle()
        assert ada.closed is None
        assert len(room.log) == 2
        assert self.SPELLED.encode() not in b"".join(room.log)
