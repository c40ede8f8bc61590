"""HOC: one document's share of a socket."""

from __future__ import annotations

import asyncio

from crdt_docs import hocuspocus, messages
from crdt_docs.sync_statuses import SyncStatuses
from server.frames import OutgoingFrame
from server.sockets.address_channel import AddressChannel, SharedSocket, SyncReceipts
from tests.helpers.channels import RecordingChannel
from tests.helpers.people import Person
from tests.server.rooms import House

ADDRESS = b"ocw/6f1c2f0e-5c8e-4b43-9a94-2f1f0a7c1d11"
AT = hocuspocus.at(ADDRESS)
UPDATE = messages.sync_update(b"\x00\x00")


class Fixture:
    """A channel of an address on a socket that only remembers."""

    def __init__(self, address: bytes = ADDRESS) -> None:
        self.raw = RecordingChannel()
        self.socket = SharedSocket(self.raw)
        self.closes: list[tuple[int, str]] = []
        self.statuses = SyncStatuses()
        self.channel = self.another(address)

    def another(self, address: bytes) -> AddressChannel:
        return AddressChannel(
            self.socket, address, self.statuses, lambda code, why: self.closes.append((code, why))
        )


def test_hoc_2_what_is_written_stands_behind_the_address() -> None:
    fixture = Fixture(b"ocw/x\x00me")
    fixture.channel.write(OutgoingFrame(UPDATE), 1.0)
    fixture.channel.say(hocuspocus.PONG, 2.0)
    at = hocuspocus.at(b"ocw/x\x00me")
    assert fixture.raw.sent == [at + UPDATE, at + hocuspocus.PONG]
    assert fixture.channel.last_sent == fixture.raw.last_sent == 2.0


def test_hoc_2_two_at_once_stand_behind_the_address_each() -> None:
    fixture = Fixture()
    fixture.channel.write_both(OutgoingFrame(UPDATE), OutgoingFrame(messages.KEEPALIVE), 1.0)
    assert fixture.raw.sent == [AT + UPDATE, AT + messages.KEEPALIVE]
    fixture.channel.shut()
    fixture.channel.write_both(OutgoingFrame(UPDATE), OutgoingFrame(UPDATE), 1.0)
    assert len(fixture.raw.sent) == 2


def test_hoc_8_a_denial_is_translated() -> None:
    fixture = Fixture()
    fixture.channel.write(OutgoingFrame(messages.denied("no")), 1.0)
    [sent] = fixture.raw.sent
    assert sent.startswith(AT + b"\x05")


def test_a_broadcast_is_made_once_for_all_who_use_the_same_address() -> None:
    frame = OutgoingFrame(UPDATE)
    fixtures = [Fixture() for _ in range(3)]
    made = {id(frame.under(AT)) for _ in fixtures}
    assert len(made) == 1
    other = frame.under(hocuspocus.at(b"another"))
    assert other.payload == hocuspocus.at(b"another") + UPDATE
    assert frame.under(AT).payload == AT + UPDATE


def test_who_named_itself_takes_nobody_elses_copy() -> None:
    frame = OutgoingFrame(UPDATE)
    kept = frame.under(AT)
    Fixture(ADDRESS + b"\x00me").channel.write(frame, 1.0)
    assert frame.under(AT) is kept


def test_after_the_end_nothing_is_written() -> None:
    fixture = Fixture()
    fixture.channel.shut()
    fixture.channel.write(OutgoingFrame(UPDATE), 1.0)
    fixture.channel.say(hocuspocus.PONG, 1.0)
    fixture.channel.close(4503, "late")
    assert fixture.raw.sent == []
    assert fixture.closes == []


def test_rom_16_reading_goes_on_when_nobody_is_busy_any_more() -> None:
    fixture = Fixture()
    other = fixture.another(b"other")
    fixture.channel.pause_reading()
    other.pause_reading()
    other.pause_reading()
    fixture.channel.resume_reading()
    assert fixture.raw.is_paused
    other.shut()  # closed by its client while the room was busy
    assert not fixture.raw.is_paused
    other.pause_reading()
    assert not fixture.raw.is_paused, "what was closed stops nobody"


def test_the_socket_is_behind_for_all_of_its_documents() -> None:
    fixture = Fixture()
    assert not fixture.channel.is_behind
    fixture.raw.is_behind = True
    assert fixture.channel.is_behind


def test_hoc_5_receipts_are_statuses() -> None:
    fixture = Fixture()
    receipts = SyncReceipts(fixture.statuses)
    for _ in range(3):
        fixture.statuses.hear(UPDATE)
    receipts.settle(3, (range(2, 3),))
    assert [frame.payload for frame in receipts.due()] == [b"\x08\x01", b"\x08\x00", b"\x08\x01"]
    assert list(receipts.due()) == []


class FullSoon(RecordingChannel):
    """Behind after every sync status, until it is told otherwise."""

    def write(self, frame: OutgoingFrame, now: float) -> None:
        super().write(frame, now)
        self.is_behind = self.is_behind or frame.payload == AT + b"\x08\x01"


async def test_rom_8_who_falls_behind_is_told_the_rest_later() -> None:
    ada = Person(1)
    async with House() as house:
        seat = await house.sit(ada)
        await house.settle()
        raw = FullSoon()
        statuses = SyncStatuses()
        channel = AddressChannel(SharedSocket(raw), ADDRESS, statuses, lambda code, why: None)
        host = house.host()
        member = host.join(
            channel,
            ada.identity,
            ada.member.role,
            receipts=SyncReceipts(statuses),
            is_asked_back=True,
        )
        for _ in range(3):
            statuses.hear(UPDATE)
            host.receive(member, UPDATE)
        told = 0
        for _ in range(20):
            await asyncio.sleep(0)
            now = raw.sent.count(AT + b"\x08\x01")
            assert now <= told + 1, "one at a time: each fills the channel"
            told = now
            raw.is_behind = False
            host.writable(member)
        assert told == 3
        host.leave(member)
        house.stand_up(seat)
