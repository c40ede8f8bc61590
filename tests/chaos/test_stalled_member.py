"""Somebody in a busy room stops reading: what waits for it does not grow, and nobody else notices.

Ordinarily by volume, without a clock. With PROVE=1 also by the clock, as `make bench` has it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic_ns

import pytest

from benchmarks import markers
from benchmarks.dialects import Dialect
from benchmarks.stalled import MOST_WAITING, contents, run
from benchmarks.stalling import StallingMember
from benchmarks.swarm import Connection, Seat, Swarm
from benchmarks.writers import Writer
from tests.helpers.server_process import LiveSession, ServerProcess

MIB = 1024 * 1024
READERS, EDITORS = 3, 6
EDIT_BYTES = 4000
STALL_SECONDS = 60.0
PATIENCE = 30.0
"""Seconds that the room has for what must come."""


@pytest.fixture(scope="module")
def settings() -> Mapping[str, str]:
    """Nobody is sent away for being slow."""
    return {"COLLAB_SLOW_MEMBER_SECONDS": "600"}


class Room:
    """Editors and readers of one session, who all read."""

    def __init__(self, session: LiveSession, swarm: Swarm) -> None:
        self.session = session
        people = swarm.connect([self.seat(number) for number in range(EDITORS + READERS)])
        self._swarm = swarm
        self._editors, self.readers = people[:EDITORS], people[EDITORS:]
        self._writers = [Writer(number, size=EDIT_BYTES) for number in range(EDITORS)]

    def seat(self, number: int) -> Seat:
        """A further person's way in."""
        path = f"/api/ocw/sessions/{self.session.id}/ws?token={self.session.invite().token}"
        return Seat(number, 0, self.session.server.port, path, Dialect())

    def work(self) -> None:
        """Everybody edits and moves once, and what comes meanwhile is read."""
        for reader in self.readers:
            reader.kept = bytearray()
        for editor, writer in zip(self._editors, self._writers, strict=True):
            now = monotonic_ns()
            self._swarm.send(editor, writer.edit(now))
            self._swarm.send(editor, writer.presence(now))
        assert self._swarm.run(PATIENCE, until=self._is_seen), "somebody who reads was kept waiting"

    def _is_seen(self) -> bool:
        """Whether every reader has the newest of everybody."""
        return all(map(self._has_newest, self.readers))

    def _has_newest(self, reader: Connection) -> bool:
        newest = markers.newest(bytes(reader.kept or b""))
        return all(newest.get(each.sender, 0) == each.written for each in self._writers)

    def work_for(self, size: int) -> None:
        """Go on until every reader has received so many bytes more."""
        goal = self.received + size
        while self.received < goal:
            self.work()

    def work_until_back(self, member: StallingMember) -> None:
        """Go on until one who reads again is up to date."""
        member.resume()
        deadline = monotonic_ns() + PATIENCE * 1e9
        while not member.is_back:
            assert monotonic_ns() < deadline, "it reads again and is still not up to date"
            self.work()

    @property
    def received(self) -> int:
        """Bytes that have come to the reader who has the least."""
        return min(reader.bytes_received for reader in self.readers)


@contextmanager
def busy_room(server: ServerProcess) -> Iterator[Room]:
    """A new session with everybody in it."""
    session = asyncio.run(server.create_session())
    with Swarm() as swarm:
        yield Room(session, swarm)
        assert not swarm.failed


def test_rom_8_what_waits_for_one_who_does_not_read_is_constant(server: ServerProcess) -> None:
    """However long it has been away; and when it reads again it gets everything, and lives on."""
    with busy_room(server) as room:
        brief, long = members = [
            StallingMember(room.seat(EDITORS + READERS + number), EDITORS) for number in range(2)
        ]
        for member in members:
            member.join()
        room.work()
        for member in members:
            member.stall()
        room.work_for(2 * MIB)
        room.work_until_back(brief)
        room.work_for(4 * MIB)
        room.work_until_back(long)
        outcomes = [member.end() for member in members]
        held = contents(asyncio.run(room.session.update()))

    assert len(held) == EDITORS
    for outcome in outcomes:
        assert outcome.closed is None
        assert outcome.waiting < MOST_WAITING
        assert contents(outcome.update) == held


@pytest.mark.prove
@pytest.mark.timeout(300)
def test_rom_8_one_who_did_not_read_for_long_is_up_to_date_within_a_second() -> None:
    """Ten of twenty edit and move 20 times a second."""
    course = run(STALL_SECONDS, 3.0, 1.0, is_stalled=True)

    assert course.back is not None
    assert course.back.closed is None
    assert course.agrees
    assert course.back.seconds is not None
    assert course.back.seconds < 1
    assert course.back.waiting < MOST_WAITING
    assert (course.others.lost, course.others.disconnected) == (0, 0)
