"""A socket's place in a room."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from crdt_docs.messages import MessageType
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
