"""The sockets of a room: who is written to, and who is found not to read (ROM-8)."""

from __future__ import annotations

from uuid import UUID

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.identifiers import Identity
from crdt_docs.member import Member
from crdt_docs.turn import Broadcast
from server.frames import OutgoingFrame
from server.room_lines import SHARED_FROM, RoomLines


class Socket:
    """A channel that takes so many frames."""

    def __init__(self, takes: int) -> None:
        self.last_sent = 0.0
        self.frames: list[OutgoingFrame] = []
        self.writes = 0
        self._takes = takes

    @property
    def is_behind(self) -> bool:
        return len(self.frames) >= self._takes

    def write(self, frame: OutgoingFrame, now: float) -> None:
        self.writes += 1
        self.frames.append(frame)
        self.last_sent = now

    def write_both(self, first: OutgoingFrame, second: OutgoingFrame, now: float) -> None:
        self.write(first, now)
        self.frames.append(second)

    def close(self, code: int, reason: str) -> None:
        raise AssertionError("lines close nothing")

    def pause_reading(self) -> None:
        raise AssertionError("nor do they read")

    resume_reading = pause_reading


class Party:
    """Lines, and whom the room was told of."""

    def __init__(self) -> None:
        self.behind: list[Member] = []
        self.lines = RoomLines(self._fell_behind)

    def _fell_behind(self, member: Member) -> None:
        member.is_behind = True
        self.behind.append(member)

    def add(self, *, takes: int = 100) -> tuple[Member, Socket]:
        identity = Identity(UUID(int=len(self.lines.by_member) + 1), "somebody")
        member, socket = Member(identity, Role.EDITOR, is_synced=True), Socket(takes)
        self.lines.open(member, socket, None)
        return member, socket


def edit(but: Member | None = None) -> Broadcast:
    return Broadcast(b"an edit", but, is_update=True)


def cursor(but: Member | None = None) -> Broadcast:
    return Broadcast(b"a cursor", but, is_update=False)


def test_what_a_turn_has_for_somebody_is_one_write() -> None:
    party = Party()
    (ada, first), (ben, second), (newcomer, third), (_, fourth) = (party.add() for _ in range(4))
    newcomer.is_synced = False
    party.lines.broadcast([edit(ada), cursor(ben)], 1.0)
    sent = [[frame.payload for frame in each.frames] for each in (first, second, third, fourth)]
    assert sent == [[b"a cursor"], [b"an edit"], [b"a cursor"], [b"an edit", b"a cursor"]]
    assert [each.writes for each in (first, second, third, fourth)] == [1, 1, 1, 1]
    party.lines.broadcast([edit(ada), cursor(ada)], 1.0)
    assert first.writes == 1


def test_rom_8_who_takes_no_more_after_a_turn_is_told_of() -> None:
    party = Party()
    slow, socket = party.add(takes=2)
    for _ in range(3):
        party.lines.broadcast([edit(), cursor()], 7.0)
    assert len(socket.frames) == 2
    assert party.behind == [slow]


def test_all_are_written_the_same_frame_but_its_author() -> None:
    party = Party()
    (author, own), (_, first), (_, second) = party.add(), party.add(), party.add()
    party.lines.broadcast([edit(author)], 1.0)
    assert own.frames == []
    assert len(first.frames) == 1
    assert first.frames[0] is second.frames[0]


def test_rom_8_who_takes_no_more_is_sent_nothing_and_told_of_once() -> None:
    party = Party()
    slow, socket = party.add(takes=2)
    _, other = party.add()
    for _ in range(5):
        party.lines.broadcast([edit()], 7.0)
    assert len(socket.frames) == 2
    assert len(other.frames) == 5
    assert party.behind == [slow]
    assert party.lines.takes_no_more(slow)
    assert party.lines.behind_for(8.0, 2.0) == []
    assert party.lines.behind_for(10.0, 2.0) == [slow]


def test_joiners_share_the_frame_of_one_large_answer() -> None:
    party = Party()
    (one, first), (two, second) = party.add(), party.add()
    large, small = b"x" * SHARED_FROM, b"y"
    party.lines.reply([(one, large), (two, large), (one, small), (two, small)], 1.0)
    assert first.frames[0] is second.frames[0]
    assert [each.payload for each in second.frames] == [large, small]


def test_only_those_who_were_sent_nothing_are_kept_awake() -> None:
    party = Party()
    _, quiet = party.add()
    busy, told = party.add()
    _, stuck = party.add(takes=0)
    party.lines.write(busy, OutgoingFrame(b"news"), 15.0)
    party.lines.broadcast([edit()], 0.0)
    told.last_sent = 15.0
    party.lines.keep_alive(20.0, 20.0)
    assert quiet.frames[-1].payload == messages.KEEPALIVE
    assert messages.KEEPALIVE not in [each.payload for each in told.frames + stuck.frames]


def test_who_has_gone_is_written_nothing() -> None:
    party = Party()
    gone = Member(Identity(UUID(int=9), "Gone"), Role.EDITOR)
    party.lines.write(gone, OutgoingFrame(b"news"), 1.0)
    assert party.lines.takes_no_more(gone)
