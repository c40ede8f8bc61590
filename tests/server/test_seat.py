"""A socket's place in a room."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from crdt_docs import messages
from crdt_docs.access import Role
from crdt_docs.messages import CloseCode, MessageType
from server.authentication import Credentials
from server.sockets.admission import Admitted
from server.sockets.seat import Seat
from server.turn_timer import QUIET_SECONDS
from tests.server.rooms import NAME, House, Person, RecordingChannel


def admitted(person: Person) -> Admitted:
    """They may come in, with a token for an hour."""
    credentials = Credentials(
        identity=person.identity,
        is_service=False,
        workspaces=None,
        grants={},
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        jti="one",
    )
    return Admitted(NAME, credentials, person.member.role, max_participants=2, is_paused=False)


async def test_rom_7_messages_that_were_read_together_wait_for_one_another() -> None:
    async with House() as house:
        await house.sit(Person(2))
        ada, seat = Person(1), Seat(house.host(), max_frame_bytes=1000)
        seat.take(RecordingChannel(), admitted(ada), receipts=None)
        ada.open()
        while ada.outbox:
            seat.on_frame(ada.outbox.popleft())
        await house.settle()
        await asyncio.sleep(2 * QUIET_SECONDS)

        heard = house.seats[0].channel.sent
        before = len(heard)
        seat.on_frame(ada.set("a", 1), more=True)
        assert len(heard) == before
        seat.on_frame(ada.presence({"x": 1}))
        await asyncio.sleep(0)
        assert [each[0] for each in heard[before:]] == [MessageType.SYNC, MessageType.AWARENESS]
        seat.on_lost()


@pytest.mark.parametrize("role", Role)
async def test_frm_5_who_may_not_edit_sends_no_more_than_the_document_and_a_frame(
    role: Role,
) -> None:
    async with House() as house:
        await house.sit(Person(2))
        host = house.host()
        ada, seat = Person(1, role), Seat(host, max_frame_bytes=1000)
        is_editor = role in (Role.HOST, Role.EDITOR)
        for extra, code in ((900, CloseCode.MALFORMED), (1_001, CloseCode.TOO_BIG)):
            channel = RecordingChannel()
            seat.take(channel, admitted(ada), receipts=None)
            seat.on_frame(messages.sync_step2(bytes(host.room.size + extra)))
            await house.settle()
            assert channel.closed is not None
            assert channel.closed[0] == (CloseCode.MALFORMED if is_editor else code)
            seat.on_lost()
