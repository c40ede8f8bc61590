"""Edits on their way to the others: one frame for all of an interval (ROM-7, ROM-8)."""

from __future__ import annotations

from uuid import UUID

from pycrdt import Doc, Map

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.outgoing_updates import MERGED_AT_ONCE, OutgoingUpdates
from crdt_docs.pacing import Pacing
from crdt_docs.state_vector import walk_state_vector
from tests.helpers.paced import paced

CROWD = 20


def member(number: int) -> Member:
    return Member(Identity(UUID(int=number), f"Person {number}"), Role.EDITOR)


def edits(count: int, client: int = 7) -> list[bytes]:
    """Updates of one client, each with the next clock."""
    doc: Doc[Map[int]] = Doc(client_id=client)
    emitted: list[bytes] = []
    subscription = doc.observe(lambda event: emitted.append(event.update))
    objects = doc.get("objects", type=Map)
    for number in range(count):
        objects[str(number)] = number
    doc.unobserve(subscription)
    return emitted


def put_in(outgoing: OutgoingUpdates, updates: list[bytes], author: Member | None) -> None:
    outgoing.waiting.extend((update, author) for update in updates)


def test_rom_7_a_crowd_is_sent_one_frame_an_interval() -> None:
    outgoing, ada = OutgoingUpdates(paced(update_interval=0.01)), member(1)
    first, *rest = edits(4)
    put_in(outgoing, [first], ada)
    assert outgoing.flush(1.0, CROWD, (), {}) is not None
    put_in(outgoing, rest, ada)
    assert outgoing.flush(1.005, CROWD, (), {}) is None
    broadcast = outgoing.flush(1.011, CROWD, (), {})
    assert broadcast is not None
    assert not outgoing.waiting
    doc: Doc[Map[int]] = Doc()
    for update in (first, _update_in(broadcast.frame)):
        doc.apply_update(update)
    assert doc.get("objects", type=Map).to_py() == {"0": 0, "1": 1, "2": 2, "3": 3}


def _update_in(frame: bytes) -> bytes:
    message = messages.parse(frame)
    assert isinstance(message, messages.SyncUpdate)
    return message.update


def test_only_a_sole_author_is_spared_its_own() -> None:
    ada, ben = member(1), member(2)
    for authors, spared in (([ada, ada], ada), ([ada, ben], None), ([ada, None], None)):
        outgoing = OutgoingUpdates(Pacing())
        outgoing.waiting.extend(zip(edits(2), authors, strict=True))
        broadcast = outgoing.flush(1.0, 2, (), {})
        assert broadcast is not None
        assert broadcast.but is spared


def test_too_many_do_not_wait_for_their_interval() -> None:
    outgoing, (update,) = OutgoingUpdates(paced(update_interval=60.0)), edits(1)
    put_in(outgoing, [update], None)
    assert outgoing.flush(1.0, CROWD, (), {}) is not None
    put_in(outgoing, [update] * (MERGED_AT_ONCE - 1), None)
    assert outgoing.flush(1.0, CROWD, (), {}) is None
    put_in(outgoing, [update], None)
    assert outgoing.flush(1.0, CROWD, (), {}) is not None


def test_rom_8_who_is_behind_misses_what_it_was_not_sent_before() -> None:
    """Also what was applied before it fell behind, and waits: but nothing twice, if it stays so."""
    outgoing, ada = OutgoingUpdates(Pacing()), member(1)
    outgoing.begin(7, 3)
    outgoing.begin(7, 4)  # the first counts
    outgoing.begin(8, 0)
    put_in(outgoing, edits(1), None)
    outgoing.flush(1.0, 2, [ada], {7: 5, 8: 1, 9: 2})
    assert ada.missed_from is not None
    assert walk_state_vector(ada.missed_from) == {7: 3, 9: 2}
    missed = ada.missed_from
    put_in(outgoing, edits(1), None)
    outgoing.flush(2.0, 2, [ada], {7: 6, 8: 1, 9: 2})
    assert ada.missed_from == missed
