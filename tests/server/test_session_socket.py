"""The socket of a session, on both kinds of channel: one contract, two ways through the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from crdt_docs.messages import KEEPALIVE, CloseCode
from persistence.ports import Session, StorageUnavailable
from tests.helpers.yjs_peer import YjsPeer, step1, step2, sync_update
from tests.server.served import Served, served


@pytest.fixture(params=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(request.param, keepalive_seconds=0.2, max_frame_bytes=20_000) as running:
        yield running


async def closed(url: str, *frames: bytes | str, **options: object) -> tuple[int, str]:
    """Connect, send, and return how the server closed."""
    async with connect(url, **options) as socket:  # type: ignore[arg-type]  # passed through
        try:
            for frame in frames:
                await socket.send(frame)
            while True:
                await asyncio.wait_for(socket.recv(), 10)
        except ConnectionClosed:
            return socket.close_code or 0, socket.close_reason or ""


async def test_two_people_edit_one_document(server: Served) -> None:
    session = await server.session()
    async with (
        await YjsPeer.join(server.url(session, server.token())) as ada,
        await YjsPeer.join(server.url(session, server.token())) as ben,
    ):
        ada.objects["a"] = 1
        ben.objects["b"] = "x" * 1000
        await ada.until(lambda: "b" in ada.objects)
        await ben.until(lambda: ben.contents() == ada.contents())
        ada.show({"x": 1})
        await ben.until(lambda: ben.others)


async def test_an_acknowledgement_means_stored(server: Served) -> None:
    session = await server.session()
    async with await YjsPeer.join(server.url(session, server.token(), ack=True)) as ada:
        await ada.until_stored()
        server.documents.pause()
        ada.objects["a"] = 1
        await asyncio.sleep(0.1)
        assert ada.wire.stored < len(ada.wire.sent)
        server.documents.resume()
        await ada.until_stored()
        assert server.documents.transactions == 1


async def test_frames_of_every_size_arrive(server: Served) -> None:
    session = await server.session()
    async with (
        await YjsPeer.join(server.url(session, server.token())) as ada,
        await YjsPeer.join(server.url(session, server.token())) as ben,
    ):
        for size in (0, 60, 95, 96, 97, 130, 400, 19_000):
            ada.objects[f"k{size}"] = "x" * size
        await ben.until(lambda: ben.contents() == ada.contents())
        assert len(ben.objects["k19000"]) == 19_000


async def test_fragmented_messages_and_pings_are_understood(server: Served) -> None:
    session = await server.session()
    async with await YjsPeer.join(server.url(session, server.token())) as ben:
        author = YjsPeer()
        author.objects["a"] = "y" * 300
        async with connect(server.url(session, server.token())) as raw:
            frame = sync_update(author.update())
            await raw.send([frame[:10], frame[10:200], frame[200:]])
            await (await raw.ping())
            await ben.until(lambda: ben.contents() == author.contents())


async def test_a_step_2_may_be_larger_than_a_frame(server: Served) -> None:
    """FRM-5."""
    session = await server.session()
    author = YjsPeer()
    author.objects["a"] = "z" * 100_000
    async with await YjsPeer.join(server.url(session, server.token())) as ben:
        async with connect(server.url(session, server.token())) as raw:
            await raw.send(step2(author.update()))
            await ben.until(lambda: ben.contents() == author.contents())
        code, reason = await closed(
            server.url(session, server.token()), sync_update(author.update())
        )
    assert code == CloseCode.TOO_BIG
    assert "20000 are allowed" in reason


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("text", CloseCode.MALFORMED),
        (b"", CloseCode.MALFORMED),
        (b"\x00\x02\x05\x01", CloseCode.MALFORMED),
        (b"\x63\x00", CloseCode.MALFORMED),
    ],
)
async def test_bad_frames_close_with_a_reason(
    server: Served, frame: bytes | str, code: CloseCode
) -> None:
    session = await server.session()
    async with await YjsPeer.join(server.url(session, server.token())) as ada:
        got = await closed(server.url(session, server.token()), frame, step1(b"\x00"))
        assert got[0] == code
        assert got[1]
        ada.objects["still"] = "here"
        await ada.sent()
        assert ada.is_connected


async def test_who_may_not_come_in_is_told_why(server: Served) -> None:
    session = await server.session(config={})
    ended = await server.session()
    await server.sessions.end(ended, (await _get(server, ended)).started_at)
    token = server.token()
    outcomes = {
        "no token": await closed(server.url(session, None)),
        "bad token": await closed(server.url(session, "nonsense")),
        "no access": await closed(server.url(session, token)),
        "unknown": await closed(server.url(uuid4(), token)),
        "malformed id": await closed(server.url("not-an-id", token)),
        "ended": await closed(server.url(ended, token)),
    }
    assert {name: code for name, (code, _) in outcomes.items()} == {
        "no token": 4401,
        "bad token": 4401,
        "no access": 4403,
        "unknown": 4404,
        "malformed id": 4404,
        "ended": 4410,
    }
    assert all(reason for _, reason in outcomes.values())


async def _get(server: Served, session: UUID) -> Session:
    found = await server.sessions.get(session)
    assert found is not None
    return found


async def test_a_token_may_come_as_subprotocol_or_header(server: Served) -> None:
    session = await server.session()
    url = server.url(session, None)
    token = server.token()
    async with connect(url, subprotocols=[f"bearer.{token}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == f"bearer.{token}"
        await socket.send(step1(b"\x00"))
        assert await socket.recv()
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as socket:
        await socket.send(step1(b"\x00"))
        assert await socket.recv()


async def test_while_storage_is_away_nobody_comes_in_but_may_retry(server: Served) -> None:
    session = await server.session()
    token = server.token()
    server.documents.fail_with = StorageUnavailable("gone")
    assert (await closed(server.url(session, token)))[0] == CloseCode.TRY_LATER
    server.sessions.fail_with = StorageUnavailable("gone")
    assert (await closed(server.url(session, token)))[0] == CloseCode.TRY_LATER


async def test_a_stored_document_that_cannot_be_opened_is_an_internal_fault(
    server: Served,
) -> None:
    from persistence.ports import Commit

    session = await server.session()
    name = document_name(DocumentKind.OCW, session)
    await server.documents.commit([Commit(name, 1, b"\x07broken", None)])
    assert await closed(server.url(session, server.token())) == (CloseCode.INTERNAL, "")


async def test_awr_11_a_quiet_socket_hears_something(server: Served) -> None:
    session = await server.session()
    token = server.token(session=session, role=Role.SPECTATOR)
    async with connect(server.url(session, token)) as socket:
        async with asyncio.timeout(5):
            while await socket.recv() != KEEPALIVE:
                pass


async def test_leaving_is_noticed_at_once(server: Served) -> None:
    session = await server.session()
    async with await YjsPeer.join(server.url(session, server.token())) as ada:
        ben = await YjsPeer.join(server.url(session, server.token()))
        ben.show({"x": 1})
        await ada.until(lambda: ada.others)
        await ben.cut()
        await ada.until(lambda: not ada.others, seconds=1)
        assert server.directory.connections == 1


async def test_a_member_that_does_not_read_is_resynced_and_costs_little(server: Served) -> None:
    """ROM-8, and the complaint *slow client: unbounded queue, dropped frames, diverges*."""
    session = await server.session()
    async with (
        await YjsPeer.join(server.url(session, server.token())) as ada,
        await YjsPeer.join(server.url(session, server.token())) as slow,
    ):
        slow.pause_reading()
        # More than the kernel's buffers take in on loopback where nobody keeps them small.
        for number in range(1500):
            ada.objects[f"k{number % 7}"] = str(number) + "x" * 15_000
            if number % 50 == 0:
                await ada.sent()
                await asyncio.sleep(0.01)
        await ada.sent()
        host = server.directory.find(_only(server))
        assert host is not None
        members = list(host.room.members)
        await ada.until(lambda: any(member.is_behind for member in members))
        slow.resume_reading()
        await slow.until(lambda: slow.contents() == ada.contents())
        assert not any(member.is_behind for member in members)


def _only(server: Served) -> DocumentName:
    (name,) = server.directory._hosts
    return name


async def test_the_end_of_a_session_closes_its_sockets(server: Served) -> None:
    session = await server.session()
    ada = await YjsPeer.join(server.url(session, server.token()))
    await server.directory.close_document(
        _only(server),
        CloseCode.ENDED,
        "the session has ended",
    )
    assert await ada.until_closed() == (4410, "the session has ended")
    await ada.leave()


async def test_a_full_session_takes_nobody_more(server: Served) -> None:
    session = await server.session(max_participants=1)
    async with await YjsPeer.join(server.url(session, server.token())):
        code, reason = await closed(server.url(session, server.token()))
    assert code == CloseCode.TRY_LATER
    assert "full" in reason
    async with await YjsPeer.join(server.url(session, server.token())):
        pass


async def test_who_comes_in_while_the_session_ends_is_sent_away(server: Served) -> None:
    session = await server.session()
    server.documents.pause()
    coming = asyncio.create_task(closed(server.url(session, server.token())))
    await server.documents.until_called()
    name = document_name(DocumentKind.OCW, session)
    ending = asyncio.create_task(
        server.directory.close_document(name, CloseCode.ENDED, "the session has ended")
    )
    await asyncio.sleep(0.01)
    server.documents.resume()
    await ending
    assert await coming == (CloseCode.ENDED, "the session has ended")


async def test_a_stopping_server_says_so() -> None:
    async with served("direct") as server:
        session = await server.session()
        ada = await YjsPeer.join(server.url(session, server.token()))
        ada.objects["a"] = 1
        await ada.sent()
        await asyncio.sleep(0.05)
    assert (await ada.until_closed())[0] == CloseCode.RESTART
    await ada.leave()
    assert server.documents.transactions == 1
