"""Servers to be measured: each starts by one command, and people find a place on it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import websockets

from loadtest.plan import Plan
from loadtest.seat import Framing, Seat
from loadtest.targets.choosing import NAMES, chosen, started
from loadtest.targets.collab import ADDRESS_LIMITS, QUIET, Collab, CollabService
from loadtest.targets.peers import PEERS, Elsewhere
from loadtest.targets.target import CannotRun, Misuse
from server.settings import Settings, variable

PLAN = Plan("whiteboard", 4, 2, 5.0, 1.0, seed=1, processes=1, witnesses=1)


@dataclass(frozen=True, slots=True)
class Cast:
    """A scenario, as far as a target asks."""

    kind: str = "ocw"
    needs_api: bool = False

    def role(self, place: int) -> str:
        return "viewer" if place else "host"


def needs(name: str) -> None:
    """Skip where this server cannot be run; `REQUIRE_ALL` forbids that."""
    is_missing = name in PEERS and PEERS[name].directory and shutil.which("npm") is None
    if is_missing and os.environ.get("REQUIRE_ALL") != "1":
        pytest.skip("npm is needed for this server")


def url_of(seat: Seat) -> str:
    return f"ws://{seat.host}:{seat.port}{seat.path}"


async def first_message(seat: Seat) -> bytes:
    """What a server says to somebody who asks for the document."""
    name = seat.document.encode()
    prefix = bytes([len(name)]) + name if name else b""
    async with websockets.connect(url_of(seat)) as socket:
        if prefix:
            await socket.send(prefix + b"\x02\x00\x05token")
        await socket.send(prefix + b"\x00\x00\x01\x00")
        message = await asyncio.wait_for(socket.recv(), 10)
        assert isinstance(message, bytes)
        assert message.startswith(prefix)
        return message


@pytest.mark.parametrize("name", NAMES)
def test_a_target_starts_by_one_command_and_answers(name: str) -> None:
    needs(name)
    command = [sys.executable, "-m", "loadtest.targets", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, *token = process.stdout.readline().split()
        try:
            target = chosen(name, url, *token)
            with target:
                seats = target.seats(PLAN, Cast())
                asyncio.run(first_message(seats[0]))
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    with pytest.raises(OSError):  # noqa: PT011 - which one depends on the system
        asyncio.run(first_message(seats[0]))


def test_this_server_says_what_it_is_and_which_its_processes_are(server: Collab) -> None:
    assert len(server.pids.server) == 1
    assert len(server.pids.beside) >= 2
    assert server.version


def test_seats_are_of_different_users_who_may_what_the_scenario_says(server: Collab) -> None:
    seats = server.seats(PLAN, Cast())
    tokens = [jwt.decode(each.token, options={"verify_signature": False}) for each in seats]
    asyncio.run(first_message(seats[-1]))
    assert [each.number for each in seats] == list(range(8))
    assert [each.room for each in seats] == [0, 1] * 4
    assert len({each["sub"] for each in tokens}) == 8
    roles = [role for each in tokens for role in each["grants"].values()]
    assert roles == ["host"] * 2 + ["viewer"] * 2 + ["editor"] * 4
    assert parse_qs(urlsplit(seats[0].path).query)["ack"] == ["1"]
    assert seats[0].session == seats[2].session != seats[1].session
    assert not seats[0].is_xr


def test_in_later_meetings_the_same_people_may_the_same_in_other_sessions(server: Collab) -> None:
    seats = server.seats(replace(PLAN, meetings=2), Cast())
    asyncio.run(first_message(seats[-1]))
    claims = [jwt.decode(each.token, options={"verify_signature": False}) for each in seats]
    assert [each.number for each in seats] == [*range(8), *range(8)]
    assert [each.room for each in seats] == [0, 1] * 4 + [2, 3] * 4
    for first, second in zip(claims[:8], claims[8:], strict=True):
        assert first["sub"] == second["sub"]
        assert [*first["grants"].values()] == [*second["grants"].values()]
        assert first["grants"].keys() != second["grants"].keys()
    for each, claim in zip(seats, claims, strict=True):
        assert list(claim["grants"]) == [f"ocw/{each.session}"]


def test_rooms_of_headsets_have_a_session_too(server: Collab) -> None:
    seats = server.seats(PLAN, Cast("xr"))
    asyncio.run(first_message(seats[0]))
    assert seats[0].is_xr
    assert f"/api/xr/sessions/{seats[0].session}/ws" in seats[0].path


def test_a_service_whose_tokens_end_before_the_run_is_told_so(server: Collab) -> None:
    long = Plan("soak", 1, 1, 3600.0, 0.0, seed=1, processes=1, witnesses=0)
    with CollabService(server.url, server.service_token) as service:
        with pytest.raises(CannotRun, match="COLLAB_ACCESS_TOKEN_MINUTES"):
            service.seats(long, Cast())
        with pytest.raises(CannotRun, match="401"):
            CollabService(server.url, "no token").seats(PLAN, Cast())


def test_settings_of_the_started_server_are_known_and_users_keep_their_limits() -> None:
    known = {variable(name) for name in Settings.model_fields}
    assert {*ADDRESS_LIMITS, *QUIET} <= known
    assert not any("PER_USER" in name or "PER_SECOND" in name for name in ADDRESS_LIMITS)


def test_a_server_that_is_not_there_cannot_be_run() -> None:
    with pytest.raises(CannotRun), CollabService("http://127.0.0.1:9", "token"):
        pass


def test_who_asks_for_nonsense_is_told() -> None:
    with pytest.raises(Misuse, match="no target"):
        started("etherpad")
    with pytest.raises(Misuse, match="no target"):
        chosen("etherpad", "ws://somewhere")
    with pytest.raises(Misuse, match="token of a service"):
        chosen("collab", "http://somewhere")
    with pytest.raises(Misuse, match="headsets"):
        Elsewhere("y-websocket", "ws://somewhere").seats(PLAN, Cast("xr"))
    with pytest.raises(Misuse, match="REST"):
        Elsewhere("y-websocket", "ws://somewhere").seats(PLAN, Cast(needs_api=True))


def test_a_server_that_ends_at_once_says_why() -> None:
    broken = Collab(environment={"COLLAB_JWT_LEEWAY": "soon"})
    with pytest.raises(CannotRun, match="COLLAB_JWT_LEEWAY"), broken:
        pass


def test_a_path_of_an_address_is_kept_where_rooms_are_below_it() -> None:
    seats = Elsewhere("y-websocket", "wss://somewhere/yjs/").seats(PLAN, Cast())
    assert seats[0].path.startswith("/yjs/loadtest-")
    assert (seats[0].is_tls, seats[0].port, seats[0].document) == (True, 443, "")
    seats = Elsewhere("hocuspocus", "ws://somewhere/h", Framing.HOCUSPOCUS).seats(PLAN, Cast())
    assert seats[0].path == "/h"
    assert seats[0].document.startswith("loadtest-")


def test_a_later_meeting_is_a_room_of_another_name() -> None:
    plan = replace(PLAN, meetings=2)
    seats = Elsewhere("y-websocket", "ws://somewhere").seats(plan, Cast())
    assert [each.number for each in seats] == [*range(8), *range(8)]
    assert len({each.path for each in seats}) == 4
    assert len({(each.path, each.room) for each in seats}) == 4
