"""HOC: the socket of Hocuspocus clients, in raw frames, on both kinds of channel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, document_name
from crdt_docs.messages import KEEPALIVE, CloseCode, MessageType
from persistence.ports import StorageUnavailable
from server.authentication import mint
from server.sockets.collab_places import CollabLimits
from server.sockets.seat import Seat
from tests.helpers.collab_wire import REFUSED, STORED, CollabWire, token_message
from tests.helpers.waiting import until
from tests.helpers.yjs_peer import YjsPeer, awareness, step1, step2, sync_update, var_bytes
from tests.server.served import SECRET, Served, served

EMPTY = b"\x00\x00"
"""An update that brings nothing."""


@pytest.fixture(params=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(request.param, max_frame_bytes=20_000) as running:
        yield running


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> CollabLimits:
    """Small ones, for a server that is started after this."""
    small = CollabLimits(
        documents=3,
        queued_messages=5,
        queued_bytes=2_000,
        token_seconds=0.15,
        empty_seconds=0.6,
        renewal_seconds=60.0,
        look_seconds=0.03,
    )
    monkeypatch.setattr("server.app._collab_limits", lambda settings: small)
    return small


@pytest.fixture
async def hasty(limits: CollabLimits) -> AsyncIterator[Served]:
    """A server with small limits."""
    async with served("direct", keepalive_seconds=0.2) as running:
        yield running


def named(session: UUID) -> str:
    return f"ocw/{session}"


def an_edit(key: str = "a", value: object = 1) -> bytes:
    """Somebody's first edit, as an update."""
    author = YjsPeer()
    author.objects[key] = value
    return author.update()


async def test_a_document_is_shared_with_other_clients(server: Served) -> None:
    session = await server.session()
    address = named(session)
    async with (
        await CollabWire.open(server.port) as wire,
        await YjsPeer.join(server.url(session, server.token())) as ben,
    ):
        await wire.enter(address, server.token())
        await wire.send(address, sync_update(an_edit("from-ada")))
        await ben.until(lambda: "from-ada" in ben.objects)
        ben.objects["from-ben"] = 1
        assert b"from-ben" in await wire.hear(address, b"\x00\x02")
        await wire.send(address, awareness([(77, 1, '{"x":1}')]))
        await ben.until(lambda: 77 in ben.others)


async def test_hoc_2_documents_and_names_of_a_socket_are_kept_apart(server: Served) -> None:
    user = uuid4()
    one, two = await server.session(), await server.session()
    first, second = named(one), f"{named(two)}\0left"
    third = f"{named(two)}\0right"
    async with await CollabWire.open(server.port) as wire:
        for address in (first, second, third):
            await wire.enter(address, server.token(user))
        await wire.send(second, sync_update(an_edit("two")))
        assert b"two" in await wire.hear(third, b"\x00\x02")
        assert await wire.hear(second, STORED) == STORED
        await wire.send(first, sync_update(an_edit("one")))
        await wire.hear(first, STORED)
        assert await wire.rest() == []
        assert server.directory.connections == 3
    await until(lambda: server.directory.connections == 0)


async def test_hoc_5_a_status_comes_when_an_edit_is_stored(server: Served) -> None:
    """The complaint *"saved" shown before it is*."""
    address = named(await server.session())
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(address, server.token())
        server.documents.pause()
        await wire.send(address, *[sync_update(an_edit(str(number))) for number in range(3)])
        assert await wire.rest() == []
        server.documents.resume()
        assert [await wire.hear(address) for _ in range(3)] == [STORED] * 3
        assert await wire.rest() == []


async def test_rom_7_a_seat_is_told_what_was_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, bool]] = []
    on_frame = Seat.on_frame

    def hear(seat: Seat, frame: bytes, *, more: bool = False) -> None:
        told.append((frame[0], more))
        on_frame(seat, frame, more=more)

    async with served("direct") as server:
        address = named(await server.session())
        async with await CollabWire.open(server.port) as wire:
            await wire.enter(address, server.token())
            monkeypatch.setattr(Seat, "on_frame", hear)
            await wire.send(address, sync_update(an_edit()), awareness([(77, 1, "{}")]))
            await wire.hear(address, STORED)
    assert told == [(MessageType.SYNC, True), (MessageType.AWARENESS, False)]


async def test_hoc_7_clients_are_asked_after_their_own_question(server: Served) -> None:
    address = named(await server.session())
    async with await CollabWire.open(server.port) as wire:
        await wire.send(address, token_message(server.token()))
        assert await wire.hear(address) == b"\x02\x02\x0aread-write"
        assert await wire.rest() == [], "not when they are greeted"
        for _ in range(2):
            await wire.send(address, step1(b"\x00"))
            assert (await wire.hear(address))[:2] == b"\x00\x01"
            assert (await wire.hear(address))[:2] == b"\x00\x00"


async def test_hoc_8_a_refused_edit_is_told_with_its_reason(server: Served) -> None:
    session = await server.session()
    address = named(session)
    async with await CollabWire.open(server.port) as wire:
        await wire.send(address, token_message(server.token(None, session, Role.SPECTATOR)))
        assert await wire.hear(address) == b"\x02\x02\x08readonly"
        await wire.send(address, step1(b"\x00"))
        await wire.hear(address, b"\x00\x00")
        await wire.send(address, step2(EMPTY), sync_update(an_edit()))
        assert await wire.hear(address, b"\x08") == STORED, "an empty answer is no offence"
        stateless = await wire.hear(address, b"\x05")
        told = json.loads(stateless[stateless.index(b"{") :])
        assert told["event"] == "edit-refused"
        assert told["reason"]
        assert await wire.hear(address, b"\x08") == REFUSED
        assert all(payload[:1] != b"\x02" for _, payload in await wire.rest())


async def test_hoc_9_stateless_messages_are_counted_and_not_passed_on(server: Served) -> None:
    session = await server.session()
    address, other = named(session), f"{named(session)}\0other"
    user = uuid4()
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(address, server.token(user))
        await wire.enter(other, server.token(user))
        await wire.send(address, b"\x05" + var_bytes(b"hello"))
        assert await wire.rest() == []
        assert server.app.state.directory.counters.ignored_stateless == 1
        await wire.send(address, b"\x06" + var_bytes(b"to all"))
        assert (await wire.closed())[0] == CloseCode.MALFORMED


@pytest.mark.parametrize(
    "address", ["ocw", "ocw/", "ocw/7", f"xr/{UUID(int=1)}", f"thread/{UUID(int=1)}"]
)
async def test_hoc_4_other_names_are_refused_with_a_reason(server: Served, address: str) -> None:
    session = named(await server.session())
    user = uuid4()
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(session, server.token(user))
        await wire.send(address, token_message(server.token(user)), step1(b"\x00"))
        denied = await wire.hear(address)
        assert denied[:2] == b"\x02\x01"
        assert len(denied) > 10
        await wire.send(address, sync_update(an_edit()), b"\x07")
        await wire.send(session, sync_update(an_edit()))
        assert await wire.hear(session) == STORED
        assert await wire.rest() == []


async def test_hoc_4_a_refused_address_may_come_again_with_another_token(server: Served) -> None:
    address = named(await server.session())
    async with await CollabWire.open(server.port) as wire:
        await wire.send(address, token_message("rubbish"), step1(b"\x00"))
        assert (await wire.hear(address))[:2] == b"\x02\x01"
        await wire.enter(address, server.token())


async def test_hoc_4_a_socket_belongs_to_one_user(server: Served) -> None:
    one, two = named(await server.session()), named(await server.session())
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(one, server.token())
        await wire.send(two, token_message(server.token()))
        assert b"another user" in await wire.hear(two, b"\x02\x01")


async def test_hoc_3_the_tokens_of_the_handshake_counts_for_those_without(server: Served) -> None:
    address = named(await server.session())
    async with await CollabWire.open(server.port, server.token()) as wire:
        await wire.send(address, step1(b"\x00"), sync_update(an_edit()))
        await wire.hear(address, b"\x02\x02")
        await wire.hear(address, b"\x00\x01")
        await wire.hear(address, b"\x00\x00")
        other = f"{address}\0x"
        await wire.enter(other, "")


async def test_hoc_3_what_comes_before_the_token_is_checked_is_kept_in_order(
    server: Served,
) -> None:
    address = named(await server.session())
    author = YjsPeer()
    states = []
    for number in range(50):
        author.objects["k"] = number
        states.append(author.update())
    async with await CollabWire.open(server.port) as wire:
        await wire.send(address, step1(b"\x00"), *map(sync_update, states))
        await wire.send(address, token_message(server.token()))
        await wire.hear(address, b"\x00\x00")
        await wire.send(address, step2(EMPTY))
        for _ in range(len(states) + 1):
            assert await wire.hear(address, b"\x08") == STORED


@pytest.mark.parametrize("count", [6, 1])
async def test_hoc_3_only_so_much_is_kept(hasty: Served, count: int) -> None:
    size = 10 if count > 1 else 3_000
    async with await CollabWire.open(hasty.port) as wire:
        await wire.send(named(uuid4()), *[b"\x00\x02" + var_bytes(b"x" * size)] * count)
        code, reason = await wire.closed()
    assert code == CloseCode.TRY_LATER
    assert "before the token" in reason


async def test_hoc_3_a_token_is_not_awaited_for_ever(hasty: Served) -> None:
    session = named(await hasty.session())
    user = uuid4()
    async with await CollabWire.open(hasty.port) as wire:
        await wire.enter(session, hasty.token(user))
        late = named(await hasty.session())
        await wire.send(late, step1(b"\x00"))
        assert b"token is needed" in await wire.hear(late, b"\x02\x01")
        await wire.enter(late, hasty.token(user))


async def test_hoc_13_a_stranger_may_not_flood(server: Served) -> None:
    async with await CollabWire.open(server.port) as wire:
        for _ in range(300):
            await wire.socket.send(b"\x0a")
        assert (await wire.closed())[0] == CloseCode.TRY_LATER
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(named(await server.session()), server.token())
        for _ in range(300):
            await wire.socket.send(b"\x0a")
        await wire.socket.send(b"\x09")
        assert await wire.next() == (None, b"\x0a")


async def test_hoc_13_nor_guess_tokens(hasty: Served) -> None:
    address = named(await hasty.session())
    async with await CollabWire.open(hasty.port) as wire:
        for number in range(3):
            await wire.send(address, token_message(f"guess {number}"))
            assert (await wire.hear(address))[:2] == b"\x02\x01"
        await wire.send(address, token_message("guess 4"))
        assert (await wire.closed())[0] == CloseCode.UNAUTHENTICATED


async def test_hoc_12_so_many_documents_may_be_open(hasty: Served) -> None:
    user = uuid4()
    names = [named(await hasty.session()) for _ in range(4)]
    async with await CollabWire.open(hasty.port) as wire:
        await wire.send("nonsense", token_message(hasty.token(user)))
        assert (await wire.hear("nonsense"))[:2] == b"\x02\x01"
        for name in names[:3]:  # the refused one makes room
            await wire.enter(name, hasty.token(user))
        await wire.send(names[3], token_message(hasty.token(user)), step1(b"\x00"))
        assert b"at most 3" in await wire.hear(names[3], b"\x02\x01")
        await wire.send(names[0], b"\x07")
        await wire.enter(names[3], hasty.token(user))


async def test_hoc_12_a_socket_without_a_document_is_closed(hasty: Served) -> None:
    async with await CollabWire.open(hasty.port) as wire:
        assert (await wire.closed())[0] == CloseCode.IDLE
    async with await CollabWire.open(hasty.port) as wire:
        address = named(await hasty.session())
        await wire.enter(address, hasty.token())
        await asyncio.sleep(0.8)
        await wire.send(address, sync_update(an_edit()))
        await wire.hear(address, STORED)
        await wire.send(address, b"\x07")
        assert (await wire.closed())[0] == CloseCode.IDLE


async def test_awr_11_a_quiet_socket_gets_an_empty_message(hasty: Served) -> None:
    session = await hasty.session()
    address = named(session)
    async with await CollabWire.open(hasty.port) as wire:
        await wire.enter(address, hasty.token(None, session, Role.SPECTATOR))
        assert await wire.hear(address, b"\x01") == KEEPALIVE


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("text", CloseCode.MALFORMED),
        (b"", CloseCode.MALFORMED),
        (b"\x05ab", CloseCode.MALFORMED),
        (b"\x01a\x63", CloseCode.MALFORMED),
        (b"\x01\xff\x02\x00\x00", CloseCode.MALFORMED),
        (var_bytes(b"x" * 300) + b"\x03", CloseCode.MALFORMED),
    ],
)
async def test_hoc_1_a_malformed_frame_closes_the_socket(
    server: Served, frame: bytes | str, code: CloseCode
) -> None:
    async with await CollabWire.open(server.port) as wire:
        await wire.socket.send(frame)
        got, reason = await wire.closed()
    assert got == code
    assert reason


async def test_hoc_1_so_does_a_malformed_message_of_a_document(server: Served) -> None:
    """Other people notice nothing (FRM-4)."""
    session = await server.session()
    address = named(session)
    user = uuid4()
    async with await YjsPeer.join(server.url(session, server.token())) as ada:
        for bad in (b"\x00\x02\x05ab", b"\x00\x07\x00", sync_update(b"\x01\x01\x07")):
            async with await CollabWire.open(server.port) as wire:
                await wire.enter(address, server.token(user))
                await wire.send(address, bad)
                assert (await wire.closed())[0] == CloseCode.MALFORMED
        ada.objects["still"] = 1
        await ada.until(lambda: ada.is_connected)


async def test_hoc_1_pings_are_answered_as_they_came(server: Served) -> None:
    address = named(await server.session())
    async with await CollabWire.open(server.port) as wire:
        await wire.socket.send(b"\x09")
        assert await wire.next() == (None, b"\x0a")
        await wire.socket.send(b"\x0a")
        await wire.enter(address, server.token())
        await wire.send(address, b"\x0a", b"\x09")
        assert await wire.hear(address) == b"\x0a"


async def test_frm_5_only_a_step_2_may_be_larger_than_a_frame(server: Served) -> None:
    address = named(await server.session())
    large = an_edit("large", "x" * 30_000)
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(address, server.token())
        await wire.send(address, step2(large))
        assert await wire.hear(address) == STORED
        await wire.send(address, sync_update(large))
        assert (await wire.closed())[0] == CloseCode.TOO_BIG


@pytest.mark.parametrize("version", ["4.8.0", None])
async def test_hoc_11_what_is_final_ends_one_document(server: Served, version: str | None) -> None:
    """HOC-8: only those that say their version know a close message."""
    user = uuid4()
    ending, going_on = await server.session(), await server.session()
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(named(ending), server.token(user), version)
        await wire.enter(named(going_on), server.token(user), version)
        name = document_name(DocumentKind.OCW, ending)
        await server.directory.close_document(name, CloseCode.ENDED, "the session has ended")
        assert b"has ended" in await wire.hear(named(ending), b"\x02\x01")
        if version is not None:
            assert b"has ended" in await wire.hear(named(ending), b"\x07")
        await wire.send(named(ending), sync_update(an_edit()))
        await wire.send(named(going_on), sync_update(an_edit()))
        assert await wire.hear(named(going_on)) == STORED
        assert await wire.rest() == []


async def test_hoc_11_what_may_pass_closes_the_socket(server: Served) -> None:
    user = uuid4()
    restarting, other = await server.session(), await server.session()
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(named(restarting), server.token(user))
        await wire.enter(named(other), server.token(user))
        name = document_name(DocumentKind.OCW, restarting)
        await server.directory.close_document(name, CloseCode.RESTART, "reconnect")
        assert await wire.closed() == (CloseCode.RESTART, "reconnect")
    await until(lambda: server.directory.connections == 0)


async def test_hoc_11_what_cannot_be_opened_now_closes_a_socket_with_nothing_else(
    server: Served,
) -> None:
    user = uuid4()
    here, away = await server.session(), await server.session()
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(named(here), server.token(user))
        server.documents.fail_with = StorageUnavailable("gone")
        await wire.send(named(away), token_message(server.token(user)))
        assert b"retry later" in await wire.hear(named(away), b"\x02\x01")
        async with await CollabWire.open(server.port) as lonely:
            await lonely.send(named(away), token_message(server.token(user)))
            assert (await lonely.closed())[0] == CloseCode.TRY_LATER
        server.documents.fail_with = None
        await wire.enter(named(away), server.token(user))


async def test_hoc_10_a_new_token_is_asked_for_and_taken(hasty: Served) -> None:
    """ACC-14."""
    session = await hasty.session()
    address = named(session)
    user = uuid4()

    def token(seconds: float) -> str:
        lifetime = timedelta(seconds=seconds)
        return mint(SECRET.encode(), user, lifetime=lifetime, now=datetime.now(UTC))

    async with await CollabWire.open(hasty.port) as wire:
        await wire.enter(address, token(2))
        assert await wire.hear(address, b"\x02\x00") == b"\x02\x00"
        await wire.send(address, token_message(token(600)))
        await asyncio.sleep(2.2)
        await wire.send(address, sync_update(an_edit()))
        assert await wire.hear(address, STORED) == STORED
        assert [p for _, p in await wire.rest() if p[:1] == b"\x02"] == [], "asked once"
        await wire.send(address, token_message("rubbish"))
        assert (await wire.hear(address, b"\x02\x01"))[:2] == b"\x02\x01"


async def test_hoc_4_a_changed_role_is_told(hasty: Served) -> None:
    session = await hasty.session()
    address = named(session)
    async with await CollabWire.open(hasty.port) as wire:
        await wire.enter(address, hasty.token())
        host = hasty.directory.find(document_name(DocumentKind.OCW, session))
        assert host is not None
        [member] = host.room.members
        host.room.set_role(member, Role.VIEWER)
        assert await wire.hear(address, b"\x02\x02") == b"\x02\x02\x08readonly"


async def test_one_who_closes_a_document_leaves_its_room(server: Served) -> None:
    session = await server.session()
    address = named(session)
    async with (
        await CollabWire.open(server.port) as wire,
        await YjsPeer.join(server.url(session, server.token())) as ben,
    ):
        token = server.token()
        await wire.enter(address, token)
        await wire.send(address, awareness([(77, 1, '{"x":1}')]))
        await ben.until(lambda: 77 in ben.others)
        await wire.send(address, b"\x07")
        await ben.until(lambda: 77 not in ben.others)
        assert server.directory.connections == 1
        await wire.enter(address, token)


async def test_rom_16_a_socket_waits_while_one_of_its_rooms_is_busy(server: Served) -> None:
    """And goes on when the client closes that document meanwhile."""
    user = uuid4()
    busy, other = named(await server.session()), named(await server.session())
    writer = YjsPeer()
    for number in range(4_000):
        writer.objects[str(number)] = "x" * 20
    async with await CollabWire.open(server.port) as wire:
        await wire.enter(busy, server.token(user))
        await wire.enter(other, server.token(user))
        await wire.send(busy, step2(writer.update()), b"\x07")
        await wire.send(other, step2(EMPTY))
        assert await wire.hear(other) == STORED
