"""Receipts wait for the database, and for those who do not read (ROM-5)."""

from __future__ import annotations

from uuid import UUID

from crdt_docs.access import Role
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from server.due_receipts import RECEIPTS_HELD, DueReceipts
from server.frames import OutgoingFrame
from server.receipts import StoredCounts


class Desk:
    """One member, whose channel takes so many frames."""

    def __init__(self, takes: int = 100) -> None:
        self.member = Member(Identity(UUID(int=1), "Ada"), Role.EDITOR, wants_receipts=True)
        self.due = DueReceipts(self._write)
        self.takes = takes
        self.said: list[bytes] = []
        self.receipts = Refusing()

    def _write(self, member: Member, frame: OutgoingFrame, now: float) -> None:
        self.said.append(frame.payload)
        self.takes -= 1
        member.is_behind = self.takes <= 0

    def note(self, position: int, count: int, refused: tuple[range, ...] = ()) -> None:
        self.due.note(self.member, self.receipts, position=position, count=count, refused=refused)


class Refusing(StoredCounts):
    """Keeps what was refused, too."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[range] = []

    def settle(self, count: int, refused: object) -> None:
        super().settle(count, ())
        assert isinstance(refused, list)
        self.refused += refused


def test_rom_5_nothing_is_said_before_it_is_stored() -> None:
    desk = Desk()
    desk.note(5, 1)
    desk.note(7, 2)
    desk.due.give(4, 0.0)
    assert desk.said == []
    desk.due.give(5, 0.0)
    assert desk.said == [b"\x71\x01"]
    desk.due.give(8, 0.0)
    assert desk.said == [b"\x71\x01", b"\x71\x02"]
    assert not desk.due


def test_rom_5_one_that_does_not_read_is_told_when_it_has_drained() -> None:
    desk = Desk(takes=1)
    desk.note(1, 1)
    desk.due.give(1, 0.0)
    desk.note(2, 2)
    desk.due.give(2, 0.0)
    assert len(desk.said) == 1
    desk.member.is_behind, desk.takes = False, 100
    desk.due.give(2, 0.0)
    assert desk.said[1:] == [b"\x71\x02"]
    assert not desk.due


def test_rom_5_of_many_that_wait_the_last_says_for_all_what_was_refused() -> None:
    desk = Desk()
    for number in range(1, RECEIPTS_HELD + 3):
        desk.note(number, number, (range(number, number + 1),))
    desk.due.give(RECEIPTS_HELD + 2, 0.0)
    assert sum(map(len, desk.receipts.refused)) == RECEIPTS_HELD + 2
    assert desk.said == [OutgoingFrame(_stored(RECEIPTS_HELD + 2)).payload]


def test_who_has_gone_is_told_nothing() -> None:
    desk = Desk()
    desk.note(1, 1)
    desk.due.forget(desk.member)
    desk.due.give(1, 0.0)
    assert desk.said == []


def _stored(count: int) -> bytes:
    return bytes((0x71, 0x80 | count & 0x7F, count >> 7))
