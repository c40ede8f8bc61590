"""The socket of a room of headsets, on both kinds of channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan
from struct import pack
from uuid import UUID, uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from crdt_docs import pose_client
from crdt_docs.access import Role
from crdt_docs.identifiers import DocumentKind, DocumentName, document_name
from crdt_docs.messages import CloseCode, MessageType
from crdt_docs.pose_messages import (
    NOBODY,
    Beat,
    Claim,
    Device,
    Frame,
    FromServer,
    Hello,
    Roster,
    Welcome,
)
from crdt_docs.poses import Placed, Pose, decode_pose, encode_pose
from persistence.memory_xr_sessions import MemoryXrSessionStore
from persistence.ports import StorageUnavailable
from persistence.xr_people_ports import XrParticipant
from persistence.xr_ports import XrSession
from server.authentication import mint
from tests.helpers.waiting import until
from tests.helpers.xr import a_room
from tests.helpers.yjs_peer import YjsPeer
from tests.server.served import SECRET, Served, served

UPRIGHT = (0.0, 0.0, 0.0, 1.0)
PATIENCE = 10.0


@pytest.fixture(params=["asgi", "direct"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    async with served(request.param) as running:
        yield running


class Hall:
    """A room with a session, whose socket people open."""

    def __init__(self, server: Served) -> None:
        self.server = server
        self.id = uuid4()
        self.session_id = uuid4()

    @property
    def document(self) -> DocumentName:
        return document_name(DocumentKind.XR, self.id)

    async def open(self) -> Hall:
        """Store both."""
        now = datetime.now(UTC)
        config = {"default_role": "editor"}
        room = replace(a_room(), id=self.id, config=config, created_at=now)
        await self.server.stores.xr.rooms.create(room)
        await self.server.stores.xr.sessions.start(XrSession(self.session_id, self.id, now))
        return self

    async def end(self) -> None:
        """The session is over."""
        await self.server.stores.xr.sessions.end(self.session_id, datetime.now(UTC))

    def url(
        self,
        *,
        session: object = None,
        role: Role | None = None,
        user: UUID | None = None,
        token: str | None = None,
        **query: str,
    ) -> str:
        """The address, with the token of somebody who has a role, if one is given."""
        grants = {self.document: role} if role else None
        own = token or mint(
            SECRET.encode(),
            user or uuid4(),
            name="Somebody",
            lifetime=timedelta(minutes=5),
            now=datetime.now(UTC),
            grants=grants,
        )
        parts = "&".join(f"{key}={value}" for key, value in {"token": own, **query}.items())
        where = self.session_id if session is None else session
        return f"ws://127.0.0.1:{self.server.port}/api/xr/sessions/{where}/ws?{parts}"

    async def participants(self) -> list[XrParticipant]:
        """Their rows."""
        page = await self.server.stores.xr.participants.participants(self.session_id)
        return list(page.items)


@pytest.fixture
async def hall(server: Served) -> Hall:
    return await Hall(server).open()


async def closed(url: str, *frames: bytes) -> tuple[int, str]:
    """Connect, send, and return how the server closed."""
    async with connect(url) as socket:
        try:
            for frame in frames:
                await socket.send(frame)
            while True:
                await asyncio.wait_for(socket.recv(), PATIENCE)
        except ConnectionClosed:
            return socket.close_code or 0, socket.close_reason or ""


HELLO = pose_client.hello(Hello(1, Device.VR_HEADSET, 7))


def pose(slot: int, generation: int, sequence: int, x: float, ack: int = 0) -> bytes:
    """A head somewhere."""
    head = Placed((x, 1.7, 0.0), UPRIGHT)
    return pose_client.pose(ack, encode_pose(Pose(slot, generation, sequence, 0, head)))


NAN_SCALE = b"\x01" + bytes(4) + b"\x01" + bytes(15) + 3 * pack("<f", nan)
"""One transform, in the place of none at the end of a pose."""


async def lane(socket: ClientConnection) -> FromServer:
    """The next message of the pose lane."""
    while True:
        frame = await asyncio.wait_for(socket.recv(), PATIENCE)
        assert isinstance(frame, bytes)
        if frame[0] == MessageType.POSE:
            return pose_client.parse_from_server(frame)


async def welcomed(socket: ClientConnection, client_id: int = 7) -> Welcome:
    """Say hello; the answer."""
    await socket.send(pose_client.hello(Hello(1, Device.VR_HEADSET, client_id)))
    while not isinstance(message := await lane(socket), Welcome):
        pass
    return message


async def read_to_the_end(socket: ClientConnection) -> None:
    """Until the server has closed it."""
    with suppress(ConnectionClosed):
        while True:
            await asyncio.wait_for(socket.recv(), PATIENCE)


async def heads_seen(socket: ClientConnection, x: float) -> None:
    """Wait until somebody's head is there."""
    while True:
        message = await lane(socket)
        if isinstance(message, Frame):
            heads = [decode_pose(record).head.position[0] for record in message.records]
            if x in heads:
                return


# Who comes in


async def test_two_see_one_another_and_share_the_rooms_document(hall: Hall) -> None:
    async with (
        connect(hall.url()) as ada,
        connect(hall.url()) as ben,
        await YjsPeer.join(hall.url()) as writer,
        await YjsPeer.join(hall.url()) as reader,
    ):
        own = await welcomed(ada, 1)
        await welcomed(ben, 2)
        await ada.send(pose(own.slot, own.generation, 1, 2.5))
        await heads_seen(ben, 2.5)
        writer.objects["a"] = {"object_type": "model"}
        await reader.until(lambda: "a" in reader.objects)
        await reader.until(lambda: any("xr" in state for state in reader.others.values()))


async def test_who_may_not_come_in_is_told_why(hall: Hall) -> None:
    stranger = await Hall(hall.server).open()
    room = await hall.server.stores.xr.rooms.change(stranger.id, {"config": {}})
    assert room is not None
    ended = await Hall(hall.server).open()
    await ended.end()
    outcomes = {
        "bad token": await closed(hall.url(token="nonsense")),
        "no access": await closed(stranger.url()),
        "no such session": await closed(hall.url(session=uuid4())),
        "malformed session": await closed(hall.url(session="not-an-id")),
        "malformed connection": await closed(hall.url(connection_id="not-an-id")),
        "ended": await closed(ended.url()),
    }
    assert {name: code for name, (code, _) in outcomes.items()} == {
        "bad token": CloseCode.UNAUTHENTICATED,
        "no access": CloseCode.FORBIDDEN,
        "no such session": CloseCode.NOT_FOUND,
        "malformed session": CloseCode.NOT_FOUND,
        "malformed connection": CloseCode.NOT_FOUND,
        "ended": CloseCode.ENDED,
    }
    assert all(reason for _, reason in outcomes.values())
    assert not hall.server.directory.connections


async def test_acc_16_only_who_might_come_in_is_told_that_a_session_has_ended(hall: Hall) -> None:
    """Nor once there is another one in the room."""
    await hall.server.stores.xr.rooms.change(hall.id, {"config": {}})
    before = hall.url()
    member = hall.url(role=Role.VIEWER)
    await hall.end()
    assert (await closed(before))[0] == CloseCode.FORBIDDEN
    assert (await closed(member))[0] == CloseCode.ENDED
    session = XrSession(uuid4(), hall.id, datetime.now(UTC))
    await hall.server.stores.xr.sessions.start(session)
    assert (await closed(before))[0] == CloseCode.FORBIDDEN
    assert (await closed(member))[0] == CloseCode.ENDED


async def test_a_former_session_of_a_room_is_over_although_there_is_another(hall: Hall) -> None:
    before = hall.url()
    await hall.end()
    hall.session_id = uuid4()
    session = XrSession(hall.session_id, hall.id, datetime.now(UTC))
    await hall.server.stores.xr.sessions.start(session)
    assert (await closed(before))[0] == CloseCode.ENDED
    async with connect(hall.url()) as ada:
        await welcomed(ada)


async def test_a_deleted_room_is_not_there(hall: Hall) -> None:
    await hall.server.stores.xr.rooms.delete(hall.id, datetime.now(UTC))
    code, _ = await closed(hall.url())
    assert code in (CloseCode.ENDED, CloseCode.NOT_FOUND)


async def test_while_the_database_is_away_nobody_comes_in_but_may_retry(hall: Hall) -> None:
    sessions = hall.server.stores.xr.sessions
    assert isinstance(sessions, MemoryXrSessionStore)
    sessions.fail_with = StorageUnavailable("away")
    assert (await closed(hall.url()))[0] == CloseCode.TRY_LATER
    sessions.fail_with = None
    async with connect(hall.url()) as ada:
        await welcomed(ada)


async def test_a_room_that_was_found_is_known_while_its_session_cannot_be_asked_for(
    hall: Hall,
) -> None:
    async with connect(hall.url()) as ada:
        await welcomed(ada, 1)
    sessions = hall.server.stores.xr.sessions
    assert isinstance(sessions, MemoryXrSessionStore)
    sessions.fail_with = StorageUnavailable("away")
    async with connect(hall.url()) as ben:
        await welcomed(ben, 2)
    sessions.fail_with = None
    await hall.end()
    assert (await closed(hall.url()))[0] == CloseCode.ENDED
    sessions.fail_with = StorageUnavailable("away")
    assert (await closed(hall.url()))[0] == CloseCode.TRY_LATER


# Who is there, in rows


async def test_xrb_1_a_socket_is_a_participant_under_its_connection_id(hall: Hall) -> None:
    connection_id, user = uuid4(), uuid4()
    async with connect(hall.url(user=user, connection_id=str(connection_id))):
        await until(lambda: hall.server.directory.connections == 1)
        await _flushed(hall)
        (row,) = await hall.participants()
        assert (row.connection_id, row.user_id, row.left_at) == (connection_id, user, None)
    await until(lambda: hall.server.directory.connections == 0)
    await _flushed(hall)
    (row,) = await hall.participants()
    assert row.left_at is not None


async def test_xrb_1_without_one_each_socket_is_a_connection_of_its_own(hall: Hall) -> None:
    user = uuid4()
    async with connect(hall.url(user=user)), connect(hall.url(user=user)):
        await until(lambda: hall.server.directory.connections == 2)
        await _flushed(hall)
        rows = await hall.participants()
        assert {row.user_id for row in rows} == {user}
        assert len({row.connection_id for row in rows}) == 2


async def test_xrb_2_who_leaves_was_last_where_their_head_was(hall: Hall) -> None:
    async with connect(hall.url()) as ada:
        own = await welcomed(ada)
        await ada.send(pose(own.slot, own.generation, 1, -3.25))
        await heads_seen(ada, -3.25)
    await until(lambda: hall.server.directory.connections == 0)
    await _flushed(hall)
    (row,) = await hall.participants()
    assert row.placed is not None
    assert row.placed.position == pytest.approx((-3.25, 1.7, 0.0))


async def _flushed(hall: Hall) -> None:
    """What was noted so far is stored."""
    for _ in range(200):
        rows = await hall.participants()
        is_open = bool(hall.server.directory.connections)
        if rows and all((row.left_at is None) is is_open for row in rows):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"rows are not as they should be: {await hall.participants()}")


# What is said in the lane


async def test_pos_11_poses_before_hello_are_dropped(hall: Hall) -> None:
    async with connect(hall.url()) as ada, connect(hall.url()) as ben:
        await ada.send(pose(0, 0, 1, 1.0))
        await ada.send(pose_client.beat(Beat(0)))
        own = await welcomed(ada, 1)
        await ada.send(pose(own.slot, own.generation, 1, 2.0))
        await welcomed(ben, 2)
        frames: list[bytes] = []
        while not frames:
            message = await lane(ben)
            if isinstance(message, Frame) and message.records:
                frames += message.records
        assert [decode_pose(record).head.position[0] for record in frames] == [2.0]


async def test_nothing_is_held_before_hello(hall: Hall) -> None:
    code, reason = await closed(hall.url(), pose_client.claim(Claim(0, "chair")))
    assert code == CloseCode.MALFORMED
    assert "hello" in reason


@pytest.mark.parametrize(
    "frame",
    [
        b"\x70",
        b"\x70\x63",
        HELLO[:-1],
        HELLO + b"\x00",
        b"\x70\x01\x02" + HELLO[3:],
        pose(0, 0, 1, 1.0)[:-5],
        pose(0, 0, 1, 1.0)[:-1] + NAN_SCALE,
    ],
    ids=[
        "no kind",
        "unknown kind",
        "short hello",
        "long hello",
        "other version",
        "short pose",
        "NaN",
    ],
)
async def test_pos_7_bad_frames_close_their_own_socket_alone(hall: Hall, frame: bytes) -> None:
    async with connect(hall.url()) as ada:
        own = await welcomed(ada)
        refused = hall.server.app.state.counters.refused_poses
        code, reason = await closed(hall.url(), frame)
        assert code == CloseCode.MALFORMED
        assert reason
        assert hall.server.app.state.counters.refused_poses == refused + 1
        await ada.send(pose(own.slot, own.generation, 1, 4.0))
        await heads_seen(ada, 4.0)


async def test_pos_12_somebody_elses_slot_closes_the_liars_socket(hall: Hall) -> None:
    async with connect(hall.url()) as ada, connect(hall.url()) as liar:
        own = await welcomed(ada, 1)
        lying = await welcomed(liar, 2)
        ack = lying.tick
        while True:
            message = await lane(liar)
            if isinstance(message, Frame):
                ack = message.tick
                break
        await liar.send(pose(own.slot, own.generation, 1, 9.0, ack))
        await read_to_the_end(liar)
        assert liar.close_code == CloseCode.MALFORMED
        await ada.send(pose(own.slot, own.generation, 1, 5.0))
        await heads_seen(ada, 5.0)


async def test_lim_2_ten_thousand_poses_a_second_end_their_own_socket_alone() -> None:
    async with served("direct", has_limits=True) as server:
        hall = await Hall(server).open()
        async with connect(hall.url()) as ada, connect(hall.url()) as mad:
            own = await welcomed(ada, 1)
            theirs = await welcomed(mad, 2)
            with suppress(ConnectionClosed):
                for sequence in range(1, 10_000):
                    await mad.send(pose(theirs.slot, theirs.generation, sequence, 1.0))
            await read_to_the_end(mad)
            assert mad.close_code == CloseCode.TRY_LATER
            await ada.send(pose(own.slot, own.generation, 1, 4.0))
            await heads_seen(ada, 4.0)


async def test_pos_42_a_spectator_looks_on(hall: Hall) -> None:
    async with connect(hall.url()) as ada, connect(hall.url(role=Role.SPECTATOR)) as eva:
        own = await welcomed(ada)
        assert (await welcomed(eva, 8)).slot == NOBODY
        await eva.send(pose(NOBODY, 0, 1, 9.0))
        await ada.send(pose(own.slot, own.generation, 1, 2.5))
        await heads_seen(eva, 2.5)


async def test_pos_13_who_comes_back_before_the_old_socket_is_found_dead_is_there_once(
    hall: Hall,
) -> None:
    user = uuid4()
    async with connect(hall.url()) as ben, connect(hall.url(user=user)) as dead:
        first = await welcomed(ben, 2)
        before = await welcomed(dead, 1)
        async with connect(hall.url(user=user)) as alive, connect(hall.url()) as late:
            own = await welcomed(alive, 1)
            await dead.send(pose(before.slot, before.generation, 1, 3.0))
            await alive.send(pose(own.slot, own.generation, 1, 6.0))
            await heads_seen(ben, 6.0)
            last = await welcomed(late, 3)
            roster = await lane(late)
            assert isinstance(roster, Roster)
            there = {each.client_id: each.slot for each in roster.entries}
            assert there == {1: own.slot, 2: first.slot, 3: last.slot}


async def test_who_goes_is_gone_for_the_others_at_once(hall: Hall) -> None:
    async with connect(hall.url()) as ben:
        await welcomed(ben, 2)
        async with connect(hall.url()) as ada:
            own = await welcomed(ada, 1)
        while True:
            message = await lane(ben)
            if isinstance(message, Roster):
                gone = [each for each in message.entries if each.presence == 2]
                if gone:
                    assert (gone[0].slot, gone[0].generation) == (own.slot, own.generation)
                    return


async def test_frames_after_the_end_are_nothing_to_anybody(hall: Hall) -> None:
    """The session ends while somebody moves: all are sent away, and nothing of it stays."""
    async with connect(hall.url()) as ada:
        own = await welcomed(ada)
        await hall.end()
        closing = asyncio.create_task(
            hall.server.directory.close_document(hall.document, CloseCode.ENDED, "it has ended")
        )
        with suppress(ConnectionClosed):
            for sequence in range(1, 10_000):
                await ada.send(pose(own.slot, own.generation, sequence, 1.0))
                await asyncio.sleep(0)
        await read_to_the_end(ada)
        await closing
        assert (ada.close_code, ada.close_reason) == (CloseCode.ENDED, "it has ended")
    assert not hall.server.directory.connections
    assert (await closed(hall.url(), HELLO))[0] == CloseCode.ENDED
