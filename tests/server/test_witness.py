"""What rooms have written down (WIT), and of what devices."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import connect

from crdt_docs.identifiers import Identity
from crdt_docs.messages import CloseCode
from persistence.audit_ports import AuditFilter
from persistence.memory_visits import MemoryVisitStore
from persistence.visit_ports import Visit
from server.audit import AuditEvent
from server.devices import device_of
from server.visits import VisitBook
from server.witness import SOMEBODY, Recorder, expelled, turned_away, visitor_of
from tests.helpers.audit import RecordedTrail
from tests.server.clocks import NOON, HandClock
from tests.server.rooms import NAME, House, Person, viewer
from tests.server.served import served

SESSION = UUID(NAME.partition("/")[2])


class Records:
    """A trail, a book of visits, and who writes into them."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.trail = RecordedTrail()
        self.visits: list[Visit] = []
        book = VisitBook(MemoryVisitStore(lambda *_: None))
        book.note = self.visits.append  # type: ignore[method-assign,assignment]  # what is noted, at once
        self.witness = Recorder(self.trail, book, clock=self.clock)

    def house(self) -> House:
        return House(witness=self.witness)


async def test_wit_1_who_comes_and_goes_is_told() -> None:
    records = Records()
    async with records.house() as house:
        ana = await house.sit(Person(1))
        await house.settle()
        records.clock.turn(60)
        house.stand_up(ana)
    came, went = records.trail.events
    user = ana.person.identity.user_id
    assert (came.action, came.actor, came.session_id) == ("socket.joined", user, SESSION)
    assert came.details == {"role": "editor", "device": "unknown"}
    assert (went.action, went.actor, went.details) == ("socket.left", user, {"code": None})
    begun, ended = records.visits
    assert (begun.id, begun.session_id, begun.user_id) == (ended.id, SESSION, user)
    assert (begun.connected_at, begun.disconnected_at) == (NOON, None)
    assert (ended.disconnected_at, ended.close_code) == (records.clock(), None)


async def test_wit_1_the_close_code_is_kept() -> None:
    records = Records()
    async with records.house() as house:
        ana = await house.sit(Person(1))
        await house.directory.close_document(NAME, CloseCode.ENDED, "the session has ended")
        house.stand_up(ana)
    assert records.trail.actions == ["socket.joined", "socket.left"]
    assert records.trail.events[1].details == {"code": 4410}
    assert records.visits[1].close_code == 4410


async def test_wit_1_a_room_that_fails_lets_go_of_everybody() -> None:
    records = Records()
    async with records.house() as house:
        await house.sit(Person(1))
        await house.sit(Person(2))
        house.host().abandon()
        house.seats.clear()
    assert records.trail.actions.count("socket.left") == 2
    assert {visit.close_code for visit in records.visits[2:]} == {1012}


@pytest.mark.parametrize("frame", [b"\xff", b"\x00\x02\xff\xff\xff"])
async def test_wit_2_a_socket_closed_for_what_it_sent_is_told_as_such(frame: bytes) -> None:
    records = Records()
    async with records.house() as house:
        ana = await house.sit(Person(1))
        await house.settle()
        house.host().receive(ana.member, frame)
        house.host().run_turn()
        house.seats.remove(ana)
    assert records.trail.actions == ["socket.joined", "socket.expelled"]
    assert records.trail.events[1].details == {"code": 4400}


async def test_wit_3_refused_edits_are_counted_by_rule() -> None:
    records = Records()
    async with records.house() as house:
        vic = await house.sit(viewer(1))
        await house.settle()
        vic.person.set("a", "rectangle")
        await house.settle()
    assert records.trail.tallied
    refused = records.trail.tallied[0]
    assert (refused.action, refused.session_id) == ("edit.refused", SESSION)
    assert refused.actor == vic.person.identity.user_id
    assert refused.details == {"rule": "read_only", "role": "viewer"}
    assert "rectangle" not in repr(records.trail.tallied)


@pytest.mark.parametrize("code", [CloseCode.FORBIDDEN, CloseCode.UNAUTHENTICATED])
def test_who_is_denied_a_socket_is_told(code: CloseCode) -> None:
    identity = Identity(uuid4())
    event = turned_away(SESSION, identity, code, SOMEBODY)
    assert isinstance(event, AuditEvent)
    assert (event.action, event.actor) == ("access.denied", identity.user_id)
    assert event.details == {"operation": "socket", "code": int(code)}
    assert event.session_id == SESSION


@pytest.mark.parametrize("code", [CloseCode.FORBIDDEN, CloseCode.UNAUTHENTICATED])
def test_wit_4_of_strangers_nothing_is_told_that_they_can_make_up(code: CloseCode) -> None:
    visitor = visitor_of(scope((b"x-identity-id", str(uuid4()).encode())))
    for event in (turned_away(uuid4(), None, code, visitor), expelled(None, code, visitor)):
        assert event is not None
        assert (event.actor, event.session_id, event.target) == (None, None, None)
        assert (event.origin.identity_id, event.origin.network) == (None, "192.0.2.0/24")
    known = turned_away(SESSION, Identity(uuid4()), code, visitor)
    assert known is not None
    assert known.origin == visitor.origin


@pytest.mark.parametrize("code", [CloseCode.NOT_FOUND, CloseCode.ENDED, CloseCode.TRY_LATER])
def test_who_is_denied_nothing_is_not(code: CloseCode) -> None:
    assert turned_away(SESSION, None, code, SOMEBODY) is None


def scope(*headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"type": "websocket", "headers": list(headers), "client": ("192.0.2.7", 5000)}


def test_of_a_visitor_the_device_and_the_network_are_known() -> None:
    visitor = visitor_of(scope((b"user-agent", b"Mozilla/5.0 Firefox/150.0")))
    assert visitor.device == "firefox"
    assert visitor.origin.network == "192.0.2.0/24"
    assert visitor_of(scope()).device == "unknown"


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "firefox"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/26.0 Safari/605.1.15", "safari"),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/150.0.0.0 Safari/537.36 Edg/150.0", "edge"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19) Version/26.0 Mobile/15E Safari/604.1",
            "safari phone",
        ),
        ("Mozilla/5.0 (Linux; Android 16) Chrome/150.0 Mobile Safari/537.36", "chrome phone"),
        ("Mozilla/5.0 (X11; Quest 3) OculusBrowser/40.0 Chrome/150 VR Safari", "headset"),
        ("Python/3.13 websockets/17.0", "python"),
        ("", "unknown"),
        (None, "unknown"),
        ("somebody's name <ana@example.org>", "unknown"),
        ("x" * 100_000, "unknown"),
    ],
)
def test_a_device_is_a_word_of_ours(user_agent: str | None, device: str) -> None:
    assert device_of(user_agent) == device


@pytest.mark.parametrize("channel", ["asgi", "direct"])
async def test_wit_2_a_hocuspocus_socket_that_sends_rubbish_is_told(channel: str) -> None:
    async with served(channel) as server:
        async with connect(f"ws://127.0.0.1:{server.port}/api/collab") as socket:
            await socket.send(b"\xff")
            async with asyncio.timeout(5):
                await socket.wait_closed()
        await server.app.state.audit.flush()
        (told,) = (await server.stores.audit.find(AuditFilter(), limit=9)).items
    assert (told.action, told.actor) == ("socket.expelled", None)
    assert told.details == {"code": 4400, "count": 1}
    assert told.network == "127.0.0.0/24"
